"""Derivatives, and a small neural network that learns with their help.

A neural network is a formula with many numbers in it that can be changed, called its
parameters. To train a network is to change its parameters, little by little, until its
answers are good. So for each parameter we ask: if it were a little larger, would the
error be larger or smaller, and by how much? The answer is a derivative.

This lesson finds derivatives in three ways. First we nudge a number and look at what
happens. Then we use the chain rule on paper. Finally we write a class, Value, for
numbers that apply the chain rule by themselves, which is called automatic
differentiation, or autograd. From Values we build a network with 337 parameters, and
train it to tell two shapes apart. Large language models are trained in the same way.

    python micrograd.py           6 seconds; needs Python 3.11 or later
    python micrograd.py --help    what can be changed

The run trains two neurons (section 3), draws the graph of a neuron (section 4), and
trains the network (section 7). At the end all its answers are right, for the 100 points
that it was trained with, and also for 100 points that it has never seen.

Some functions are marked as exercises. 1.4 is lesson 1, exercise 4: delete the body
below the docstring, and write it anew. When it is right, the tests pass (pip install
pytest, then python -m pytest tests/test_micrograd.py).
"""
import argparse
import itertools
import math
import random
import sys

# %% 1. A derivative
# How fast does f(x) grow when x grows? We can try it out. Take f(x) = x^2 at x = 3,
# where f(x) is 9. At x = 3.001 it is 9.006001. So x has grown by 0.001, and f(x) has
# grown by 0.006001, which is about 6 times as much. This 6 is the slope of f at 3, or
# its derivative. The rule from school agrees: the derivative of x^2 is 2x.
#
# The exact ratio is 6.001, because the curve becomes steeper on the way up. If we nudge
# x down to 2.999 instead, where the curve is flatter, the ratio is 5.999. One is too
# large, and the other too small. So we nudge x both up and down, and the errors cancel:
#
#     (3.001^2 - 2.999^2) / (3.001 - 2.999) = 0.012 / 0.002 = 6
#
# For other functions they almost cancel, and the better the smaller the nudge is. But
# it must not be too small either. A computer keeps about 16 digits of a number, and
# most of them are lost when we subtract two numbers that are nearly the same. One
# millionth is a good middle.
#
# A function of several inputs has one derivative for each input. To find it, we nudge
# this input only, and leave the others as they are. Such a derivative is called a
# partial derivative.

# exercise 1.1: a derivative by nudging
def nudge(f, *inputs, h=1e-6):
    """Return the derivatives of f with respect to each of its inputs, as a list.

    Each input in turn is moved up by h and down by h. The difference between the two
    results is divided by the distance, 2 * h. The derivatives are not exact, but close.

    >>> def f(a, b):
    ...     return (a * b + a) ** 2
    >>> [round(slope, 4) for slope in nudge(f, 2.0, -3.0)]
    [16.0, -16.0]
    """
    slopes = []
    for i in range(len(inputs)):
        up = list(inputs)
        up[i] += h
        down = list(inputs)
        down[i] -= h
        slopes.append((f(*up) - f(*down)) / (2 * h))
    return slopes


# %% 2. The chain rule
# Nudging computes f twice for each input. The smallest GPT-2 has 124 million
# parameters, so it would have to run 248 million times for a single step of training.
# We need a faster way. But nudging is so simple that we can trust it, and we will use
# it to check what follows.
#
# The faster way is the chain rule. Suppose y grows 2 times as fast as x, and z grows 3
# times as fast as y. Then z grows 3 * 2 = 6 times as fast as x: we multiply.
#
# What if x is used twice, as in z = 2x + 3x? If x grows by 1, the first term grows by 2
# and the second by 3, so z grows by 5: we add.
#
# Here is the example from nudge(), (ab + a)^2 with a = 2 and b = -3. We give each step
# a name, and draw the formula as a graph, which is read from left to right. Each way
# along the lines from an input to the result is a path. There is one path from b, and
# there are two from a. Along a path derivatives multiply, and the derivatives along
# different paths add up.
#
#     b = -3 ─────┐
#                 * ── product = -6 ──┐
#             ┌───┘                   + ── total = -4 ── ^2 ── square = 16
#     a = 2 ──┤                       │
#             └───────────────────────┘
#
# We write d_total for the derivative of the result with respect to total, and likewise
# for the other names. The function below computes the result step by step, and then
# walks back from the result to the inputs. It finds what nudging found, 16 and -16.
#
# Why do we walk back, and not forward? Going forward from a, we would ask at each step
# how fast this number grows when a grows. At the end we would know the derivative for
# a, and nothing about b. With 124 million parameters there would be 124 million walks.
# Going back, we ask at each step how fast the result grows when this number grows. When
# we reach the inputs, we know the derivatives for all of them after a single walk.

# exercise 1.2: the chain rule by hand
def square_by_hand(a, b):
    """Return (ab + a)^2, and the list of its derivatives with respect to a and b.

    >>> square_by_hand(2.0, -3.0)
    (16.0, [16.0, -16.0])
    """
    # forward
    product = a * b
    total = product + a
    square = total ** 2
    # backward, with the numbers for a = 2 and b = -3
    d_square = 1.0                  # 1: the result grows as fast as itself
    d_total = d_square * 2 * total  # -8, because (t^2)' is 2t
    d_product = d_total             # -8: if product grows by 1, so does total
    d_b = d_product * a             # -16: if b grows by 1, product grows by a
    d_a = d_product * b + d_total   # 24 - 8 = 16: two paths add up
    return square, [d_a, d_b]


# %% 3. Two neurons by hand
# Neural networks are made of neurons. A neuron multiplies each of its inputs by a
# number of its own, called a weight. It adds up the products and one more number of its
# own, called the bias. Then it applies an activation function to the total. Here we use
# the sigmoid, which turns any number into one between 0 and 1:
#
#     total = w1 * x1 + w2 * x2 + bias
#     out   = sigmoid(total) = 1 / (1 + e^-total)
#
# If the total is far below 0, the output is close to 0, and if it is far above 0, the
# output is close to 1. For example, a neuron with the weights 10 and 10 and the bias
# -15 computes AND, which is 1 only if both inputs are 1:
#
#     inputs     (0, 0)     (0, 1)     (1, 0)     (1, 1)
#     total      -15        -5         -5         5
#     out        0.000      0.007      0.007      0.993
#
# But we do not want to choose the weights. The neuron should learn them from examples.
# Let us train two neurons at once: one learns AND, the other OR, which is 1 if at least
# one input is 1. Neurons that share their inputs are called a layer.

INPUTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
TARGETS = [(0, 0), (0, 1), (0, 1), (1, 1)]  # for each pair of inputs, AND and OR

# How wrong is the layer? The error of an output is the output minus its target. We
# square it, so that errors in opposite directions cannot cancel. The mean of all eight
# squares (four examples, two neurons) is called the loss. A perfect layer would have a
# loss of 0.
#
# To make the loss smaller, we need its derivative with respect to each parameter, that
# is, each weight and each bias. All these derivatives together are called the gradient.
# If a derivative is positive, the loss grows with the parameter, so we make the
# parameter smaller. If it is negative, we make the parameter larger. In both cases we
# subtract the derivative, times a constant that is called the learning rate (lr). So a
# parameter that matters much moves far. Then we compute the gradient again, since it
# has changed, and repeat. This is gradient descent.
#
# For the walk back we need the derivative of the sigmoid. Let u be 1 + e^-z, so that
# sigmoid(z) is 1 / u. The derivative of 1 / u is -1 / u^2, and that of u is -e^-z. By
# the chain rule we multiply the two, and their minus signs cancel:
#
#     sigmoid'(z) = e^-z / u^2 = (1 / u) * (e^-z / u)
#
# The first factor is sigmoid(z). The second is (u - 1) / u = 1 - sigmoid(z). So
#
#     sigmoid'(z) = sigmoid(z) * (1 - sigmoid(z))

def sigmoid(z):
    """Return 1 / (1 + e^-z), a number between 0 and 1."""
    return 1 / (1 + math.exp(-z))


def neuron_by_hand(weights, bias, inputs):
    """Return the output of a neuron with two weights, a bias and two inputs."""
    total = weights[0] * inputs[0] + weights[1] * inputs[1] + bias
    return sigmoid(total)


def layer_by_hand(weights, biases):
    """Return the loss of two neurons on the four examples, and its derivatives.

    weights[j] are the two weights of neuron j, and biases[j] is its bias. The
    derivatives are two lists in the same form. Let us check the first one by nudging
    the first weight, while all other parameters stay as they are:

    >>> loss, d_weights, d_biases = layer_by_hand([[0.5, 1.0], [2.0, 0.0]], [0.1, 0.2])
    >>> def loss_of_weight(weight):
    ...     return layer_by_hand([[weight, 1.0], [2.0, 0.0]], [0.1, 0.2])[0]
    >>> round(d_weights[0][0], 6), round(nudge(loss_of_weight, 0.5)[0], 6)
    (0.03106, 0.03106)
    """
    loss = 0.0
    d_weights = [[0.0, 0.0], [0.0, 0.0]]
    d_biases = [0.0, 0.0]
    for inputs, targets in zip(INPUTS, TARGETS):
        for j in range(2):
            # forward
            out = neuron_by_hand(weights[j], biases[j], inputs)
            error = out - targets[j]
            loss += error ** 2 / 8  # 8: the mean of four examples and two neurons
            # backward
            d_error = 2 * error / 8            # (e^2)' is 2e
            d_out = d_error                    # error grows as fast as out
            d_total = d_out * out * (1 - out)  # the derivative of the sigmoid
            # each weight is used in four examples: four paths, which add up
            d_weights[j][0] += d_total * inputs[0]
            d_weights[j][1] += d_total * inputs[1]
            d_biases[j] += d_total
    return loss, d_weights, d_biases


# We begin with weights and biases of 0. A learning rate of 10 is unusually large. It
# works here because the derivatives are small: the slope of a sigmoid is at most 1/4,
# and the mean divides by 8. In the first step no derivative is larger than 1/16.

def show_two_neurons(steps=1000, lr=10.0):
    """Train the two neurons, and print their loss and what they answer.

    >>> show_two_neurons()
    two neurons, trained by hand
    step    1  loss 0.2500
    step   10  loss 0.0842
    step  100  loss 0.0094
    step 1000  loss 0.0007
    inputs (0, 0)  AND 0.000  OR 0.034
    inputs (0, 1)  AND 0.034  OR 0.979
    inputs (1, 0)  AND 0.034  OR 0.979
    inputs (1, 1)  AND 0.960  OR 1.000
    """
    print("two neurons, trained by hand")
    weights = [[0.0, 0.0], [0.0, 0.0]]
    biases = [0.0, 0.0]
    for step in range(1, steps + 1):
        loss, d_weights, d_biases = layer_by_hand(weights, biases)
        for j in range(2):
            weights[j][0] -= lr * d_weights[j][0]
            weights[j][1] -= lr * d_weights[j][1]
            biases[j] -= lr * d_biases[j]
        if step in (1, 10, 100, 1000):
            print(f"step {step:4}  loss {loss:.4f}")
    for inputs in INPUTS:
        and_out = neuron_by_hand(weights[0], biases[0], inputs)
        or_out = neuron_by_hand(weights[1], biases[1], inputs)
        print(f"inputs {inputs}  AND {and_out:.3f}  OR {or_out:.3f}")


# %% 4. A number that remembers
# The backward lines follow from the forward lines by fixed rules, one operation at a
# time. So the numbers can do this work themselves, if they remember how they were
# computed. A Value is such a number:
#
#     data           the number itself
#     parents        the Values from which it was computed
#     local_grads    its derivative with respect to each parent
#     grad           the derivative of the result with respect to this Value
#     serial         how many Values were made before it
#     label          the name of an input or an operation, used only in drawings
#
# For example, let a = Value(2.0), b = Value(-3.0), and c = a * b. Then c.data is -6,
# c.parents is [a, b], and c.local_grads is [-3, 2], because c grows b times as fast as
# a, and a times as fast as b. Values and their parents form the graph of section 2.
#
# result.backward() fills in the grads, as we did by hand. The grad of the result is 1.
# Then each Value sends to each of its parents its own grad times the local gradient,
# because derivatives multiply along a path. The parent adds up what it receives,
# because the derivatives along different paths add up.
#
# In which order? A Value may be used in several places. Its grad is complete only when
# all of these have sent their part, and only then may the Value itself send. They were
# all made later than the Value, so we go from the newest Value to the oldest.
#
# Values without parents are called leaves: inputs, parameters and plain numbers. What
# happens if backward() is called twice? Leaves add up. If we compute the loss of 100
# examples with two graphs of 50 examples each, the derivatives of the two losses must
# add up in each parameter. So we ourselves set the grads of parameters to 0 before a
# new step. All other Values begin with a grad of 0 in every call. Otherwise the second
# call would send on again what the first call has sent already.

def as_value(number):
    """Return number itself if it is a Value, otherwise a new Value that holds it."""
    if isinstance(number, Value):
        return number
    return Value(number)


class Value:
    """A number that remembers how it was computed.

    Here is (ab + a)^2 again, for which both nudging and the chain rule gave 16 and -16:

    >>> a = Value(2.0)
    >>> b = Value(-3.0)
    >>> square = (a * b + a) ** 2
    >>> square.backward()
    >>> a
    Value(data=2.0, grad=16.0)
    >>> b
    Value(data=-3.0, grad=-16.0)
    """
    counter = itertools.count()  # next(counter) is 0, then 1, then 2, ...

    def __init__(self, data, parents=(), local_grads=(), label=""):
        self.data = data
        self.parents = parents
        self.local_grads = local_grads
        self.grad = 0.0
        self.serial = next(Value.counter)
        self.label = label

    def __repr__(self):
        return f"Value(data={self.data}, grad={self.grad})"

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, [self, other], [1.0, 1.0], "+")

    def __mul__(self, other):
        other = as_value(other)
        product = self.data * other.data
        return Value(product, [self, other], [other.data, self.data], "*")

    # exercise 1.3 (hard): backward
    def backward(self):
        """Compute the derivative of this Value with respect to all that led to it.

        It is added to the grad of each leaf, and it replaces the grad of each Value
        that has parents.
        """
        # find this Value, its parents, their parents, and so on, each of them once
        graph = {self}
        to_visit = [self]
        while to_visit:
            value = to_visit.pop()
            for parent in value.parents:
                if parent not in graph:
                    graph.add(parent)
                    to_visit.append(parent)
        # only leaves keep what an earlier call has found
        for value in graph:
            if value.parents:
                value.grad = 0.0
        self.grad += 1.0  # the result grows as fast as itself
        # from the newest to the oldest, send the grads to the parents
        for value in sorted(graph, key=lambda value: value.serial, reverse=True):
            pairs = zip(value.parents, value.local_grads, strict=True)
            for parent, local_grad in pairs:
                parent.grad += value.grad * local_grad

    # The other operations have the same form: a number, its parents, its local_grads.

    # exercise 1.4: division and its two derivatives
    def __truediv__(self, other):
        """Return a / b. Its derivatives are 1 / b for a, and -a / b^2 for b."""
        other = as_value(other)
        quotient = self.data / other.data
        local_grads = [1 / other.data, -self.data / other.data ** 2]
        return Value(quotient, [self, other], local_grads, "/")

    def __pow__(self, k):
        """Return x^k, where k is a plain number. The derivative is k * x^(k - 1).

        Raises ValueError if x^k or its derivative is not a real number.
        """
        slope = 0.0  # x^0 is 1 everywhere
        if k != 0:
            slope = k * math.pow(self.data, k - 1)
        return Value(math.pow(self.data, k), [self], [slope], f"**{k}")

    def exp(self):
        """Return e^x. The derivative is e^x, too."""
        power = math.exp(self.data)
        return Value(power, [self], [power], "exp")

    def log(self):
        """Return the natural logarithm of x. The derivative is 1 / x."""
        return Value(math.log(self.data), [self], [1 / self.data], "log")

    # exercise 1.5: tanh and its derivative
    def tanh(self):
        """Return the hyperbolic tangent of x, as one operation.

        It is 2 * sigmoid(2x) - 1, so it has the curve of the sigmoid, but goes from -1
        to 1. The derivative is 1 - tanh(x)^2.
        """
        out = math.tanh(self.data)
        return Value(out, [self], [1 - out ** 2], "tanh")

    def relu(self):
        """Return x if it is positive, otherwise 0: the rectified linear unit.

        The derivative is 1 if x is positive, otherwise 0.
        """
        if self.data <= 0:
            return Value(0.0, [self], [0.0], "relu")
        return Value(self.data, [self], [1.0], "relu")  # also for NaN, which stays NaN

    # Subtraction needs no rule of its own.

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    # Python calls these if the number on the left is not a Value: 2 * a is
    # a.__rmul__(2). The function sum() needs them, too, because it begins with 0 + x.

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other):
        return -self + other

    def __rtruediv__(self, other):
        return as_value(other) / self


# Let us look at a graph with all its grads. Each line is a Value, and its parents stand
# below it, four columns further to the right. This neuron has tanh as its activation
# function, and its bias was chosen so that the derivative of tanh is 0.5.

def draw_graph(value, depth=0):
    """Print a Value, and below it everything from which it was computed."""
    name = "    " * depth + value.label
    print(f"{name:20}  data {value.data:7.4f}  grad {value.grad:7.4f}")
    for parent in value.parents:
        draw_graph(parent, depth + 1)


def show_neuron():
    """Print the graph of a neuron with two inputs.

    >>> show_neuron()
    a neuron and its derivatives
    tanh                  data  0.7071  grad  1.0000
        +                 data  0.8814  grad  0.5000
            +             data -6.0000  grad  0.5000
                *         data -6.0000  grad  0.5000
                    w1    data -3.0000  grad  1.0000
                    x1    data  2.0000  grad -1.5000
                *         data  0.0000  grad  0.5000
                    w2    data  1.0000  grad  0.0000
                    x2    data  0.0000  grad  0.5000
            b             data  6.8814  grad  0.5000
    """
    w1 = Value(-3.0, label="w1")
    x1 = Value(2.0, label="x1")
    w2 = Value(1.0, label="w2")
    x2 = Value(0.0, label="x2")
    b = Value(6.881374, label="b")
    out = (w1 * x1 + w2 * x2 + b).tanh()
    out.backward()
    print("a neuron and its derivatives")
    draw_graph(out)


# A sum hands its grad on to both terms. A product sends each factor its grad times the
# other factor, so x1 gets 0.5 * -3 = -1.5. The grad of w2 is 0, because its input x2 is
# 0, so that a larger w2 would change nothing.

# %% 5. Why the order matters
# What happens if a Value sends its grad too early? In this example, b is used twice:
#
#     a = 3
#     b = 2 * a = 6
#     c = b + 1 = 7
#     d = b * c = 42
#
# In the right order, from the newest to the oldest, backward() does this:
#
#     turn     its grad        what it sends
#     d        1               1 * c = 7 to b, and 1 * b = 6 to c
#     c        6               6 * 1 = 6 to b
#     b        7 + 6 = 13      13 * 2 = 26 to a
#     a        26
#
# School agrees: d is 2a * (2a + 1) = 4a^2 + 2a, and its derivative 8a + 2 is 26 at 3.
# Now we let b send before c:
#
#     turn     its grad        what it sends
#     d        1               1 * c = 7 to b, and 1 * b = 6 to c
#     b        7               7 * 2 = 14 to a, although the 6 from c is missing
#     c        6               6 * 1 = 6 to b, which has had its turn
#     a        14
#
# The path from a through b and c to d is lost. Could b send the 6 later? That would be
# right, but then everything behind b would be walked once more for each late part. In
# the end each path would be walked by itself, and a large graph has far too many paths.
# So b waits for c. The order by serial takes care of that, because c was computed from
# b, and so was made later.

# %% 6. Neuron, layer, network
# Can one neuron learn everything? It says yes where its total is above 0, and no where
# it is below. The border, w1 * x1 + w2 * x2 + bias = 0, is a straight line. But take
# XOR, which is 1 if exactly one input is 1. No straight line has its two ones on one
# side and its two zeros on the other:
#
#     x2 = 1     1          0
#     x2 = 0     0          1
#                x1 = 0     x1 = 1
#
# Two neurons can help a third one. They stand between the inputs and the output, and
# are called a hidden layer. Their activation function is relu, which leaves positive
# numbers as they are, and turns negative ones into 0:
#
#     x1  x2     h1 = relu(x1 + x2)     h2 = relu(x1 + x2 - 1)     h1 - 2 * h2 - 0.5
#     0   0      0                      0                          -0.5
#     0   1      1                      0                          0.5
#     1   0      1                      0                          0.5
#     1   1      2                      1                          -0.5
#
# The last column is the total of the third neuron: no, yes, yes, no. Without an
# activation function, it would be a weighted sum of weighted sums. That is just another
# weighted sum, with a straight line for its border.
#
# Why relu, and not the sigmoid? On the way back, the slopes of all layers are
# multiplied, and so are the weights between them. The slope of a sigmoid is at most
# 1/4, and five of these make a factor of 1/1024 or less. The slope of relu is 1 where
# its input is positive. Where it is negative the slope is 0, and the neuron learns
# nothing from this example, but it can learn from others.
#
# With * and +, a neuron with 16 inputs makes 32 Values before relu. If the weighted sum
# is one operation, it makes a single Value, and training is 6 times as fast. Its
# derivative with respect to a weight is the input, and with respect to an input it is
# the weight.

# exercise 1.6: an operation with many parents
def weighted_sum(weights, inputs, bias):
    """Return w1 * x1 + w2 * x2 + ... + bias as one operation.

    weights and inputs are lists of Values, and bias is a Value. All of them are parents
    of the result. Raises ValueError if the lengths differ.

    >>> weighted_sum([Value(2.0), Value(3.0)], [Value(5.0), Value(7.0)], Value(1.0))
    Value(data=32.0, grad=0.0)
    """
    w_data = [w.data for w in weights]
    x_data = [x.data for x in inputs]
    total = bias.data
    for w, x in zip(w_data, x_data, strict=True):
        total += w * x
    parents = [*weights, *inputs, bias]
    local_grads = [*x_data, *w_data, 1.0]  # a weight gets the input, and vice versa
    return Value(total, parents, local_grads, "w*x+b")


# With which weights should training begin? If all weights of a layer began with the
# same number, its neurons would compute the same. And if the next layer weighed them
# all alike, they would get the same derivatives, too, and stay the same for ever. (The
# two neurons of section 3 had different targets.) So the first weights are random
# numbers, with mean 0.
#
# How large should they be? The numbers should neither grow nor shrink from layer to
# layer: if each layer halved them, ten layers would leave a thousandth. We measure
# their size by the mean of their squares. Let it be m for the inputs and v for the
# weights, which are independent of the inputs. Then
#
#     a product w * x has the mean square         v * m
#     a sum of nin products has the mean square   nin * v * m
#     relu makes half of the sums 0, so there is  nin * v * m / 2
#
# (In the square of a sum there are also mixed products, such as w1 * x1 * w2 * x2. They
# are as often positive as negative, so their mean is 0.) The size stays m if v is 2 /
# nin. Source: He et al. 2015, "Delving Deep into Rectifiers".

class Neuron:
    """A weighted sum of nin inputs, followed by relu if has_relu is true.

    rng, a random.Random, draws the first weights. The bias begins at 0.
    """

    def __init__(self, nin, has_relu, rng):
        std = math.sqrt(2 / nin)  # the standard deviation: the root of v
        self.weights = [Value(rng.gauss(0, std)) for _ in range(nin)]
        self.bias = Value(0.0)
        self.has_relu = has_relu

    def __call__(self, x):
        out = weighted_sum(self.weights, x, self.bias)
        if self.has_relu:
            return out.relu()
        return out

    def parameters(self):
        """Return the list of all Values that training changes."""
        return [*self.weights, self.bias]


class Layer:
    """nout neurons, all with the same nin inputs."""

    def __init__(self, nin, nout, has_relu, rng):
        self.neurons = [Neuron(nin, has_relu, rng) for _ in range(nout)]

    def __call__(self, x):
        return [neuron(x) for neuron in self.neurons]

    def parameters(self):
        """Return the list of all Values that training changes."""
        params = []
        for neuron in self.neurons:
            params += neuron.parameters()
        return params


class MLP:
    """A network of layers, each of which gets the outputs of the one before it.

    MLP stands for multi-layer perceptron. It has nin inputs, and its layers have the
    sizes in the list nouts. The last layer has no relu, so that the network can also
    answer with negative numbers.

    >>> model = MLP(2, [16, 16, 1])
    >>> len(model.parameters())  # 16 * (2 + 1) + 16 * (16 + 1) + 1 * (16 + 1)
    337
    """

    def __init__(self, nin, nouts, rng=random):
        self.layers = []
        for i, nout in enumerate(nouts):
            is_last = i == len(nouts) - 1
            self.layers.append(Layer(nin, nout, not is_last, rng))
            nin = nout  # the next layer gets as many inputs as this one has neurons

    def __call__(self, x):
        """Return a list of Values, one per output. x is a list of numbers or Values."""
        x = [as_value(number) for number in x]
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        """Return the list of all Values that training changes."""
        params = []
        for layer in self.layers:
            params += layer.parameters()
        return params


# %% 7. Two moons
# Now the network gets something to learn that no straight line can separate: two half
# circles that reach into each other, the moons. Points on the upper moon have the label
# 1, and points on the lower one have the label -1.

def two_moons(n, rng, noise=0.1):
    """Return n points as ((x, y), label), on the upper and the lower moon in turn.

    The moons have radius 1. Random numbers with the standard deviation noise are added
    to both coordinates.
    """
    points = []
    for i in range(n):
        angle = rng.uniform(0, math.pi)
        x = math.cos(angle)
        y = math.sin(angle)
        label = 1
        if i % 2 == 1:  # the same half circle, turned upside down and moved
            x = 1 - x
            y = 0.5 - y
            label = -1
        x += rng.gauss(0, noise)
        y += rng.gauss(0, noise)
        points.append(((x, y), label))
    return points


# The one output of the network is its score for a point. The sign of the score is the
# answer, so label * score, which is called the margin, is positive if the answer is
# right. Is a margin above 0 enough? A point with a small margin could end up on the
# wrong side if it were moved a little. So we ask for a margin of at least 1, and the
# loss of a point is what is missing:
#
#     label     score     margin     loss
#     1         3.0       3.0        0.0      right, and by far
#     1         0.2       0.2        0.8      right, but only just
#     -1        0.5       -0.5       1.5      wrong
#
# This is the max-margin loss, also called hinge loss. The squared error of section 3
# would punish the score of 3.0 most, although it is right. (Why 1? If we asked for 2
# instead, the network could double the parameters of its last layer, which doubles all
# scores, and have the same border.)

def loss_of(model, points):
    """Return the mean of max(0, 1 - margin) over the points, a Value.

    Source: Cortes and Vapnik 1995, "Support-Vector Networks".
    """
    losses = []
    for point, label in points:
        score = model(point)[0]
        margin = label * score
        losses.append((1 - margin).relu())  # relu(x) is max(0, x)
    return sum(losses) / len(points)


def count_right(model, points):
    """Return for how many of the points the score has the sign of the label."""
    right = 0
    for point, label in points:
        if label * model(point)[0].data > 0:
            right += 1
    return right


# Has the network learned the moons, or only its 100 points by heart? To find out, we
# keep 100 other points away from training. They are called dev, because they help us to
# develop the network.
#
# A training step is the same as in section 3, but backward() finds the gradient. There
# are two additions. First, we add the squares of all parameters to the loss, times a
# small number, l2. This is called L2 regularization. With large parameters, the border
# can bend sharply around single points. With small ones it stays simple, and a simple
# border is more often right for new points. (Here it makes little difference: without
# L2, the loss on dev would be 0.0040 instead of 0.0033.) Second, the learning rate
# falls evenly to 0, because large steps find a good place fast, but only small steps
# stay in it.

def train(model, points, steps, lr, l2=1e-4):
    """Train the model by gradient descent on the points. Return the list of losses.

    There is one loss per step, which includes the L2 part. lr is the first learning
    rate.
    """
    params = model.parameters()
    losses = []
    for step in range(steps):
        # forward
        loss = loss_of(model, points) + l2 * sum([p * p for p in params])
        # backward
        for p in params:
            p.grad = 0.0  # else backward() would add to the grad of the last step
        loss.backward()
        # step
        step_lr = lr * (1 - step / steps)
        for p in params:
            p.data -= step_lr * p.grad
        losses.append(loss.data)
        if step % 40 == 0:
            print(f"step {step:4}  loss {loss.data:.4f}")
    return losses


# A map shows what the network answers everywhere: ░ where its score is positive. The
# training points with label 1 are ●, and those with label -1 are o.

def draw_map(model, points, width=64, height=16):
    """Print a map of the scores from x = -1.5 to 2.5, and from y = -1 to 1.5."""
    cell_width = 4.0 / width  # the map is 4 wide and 2.5 high
    cell_height = 2.5 / height
    rows = []
    for j in range(height):
        y = -1.0 + (j + 0.5) * cell_height  # + 0.5: the middle of a cell
        row = []
        for i in range(width):
            x = -1.5 + (i + 0.5) * cell_width
            score = model([x, y])[0].data
            row.append("░" if score > 0 else " ")
        rows.append(row)
    for (x, y), label in points:
        i = int((x + 1.5) / cell_width)
        j = int((y + 1.0) / cell_height)
        if 0 <= i < width and 0 <= j < height:
            rows[j][i] = "●" if label == 1 else "o"
    for row in reversed(rows):  # the largest y comes first
        print("".join(row).rstrip())


def show_moons(steps=200, lr=1.0, n_hidden=16, seed=42):
    """Train a network on two moons, and print its results. Return the train loss."""
    rng = random.Random(seed)
    points = two_moons(100, rng)
    dev = two_moons(100, rng)
    model = MLP(2, [n_hidden, n_hidden, 1], rng)
    print(f"two moons, {len(model.parameters())} parameters", flush=True)
    train(model, points, steps, lr)
    train_loss = loss_of(model, points).data
    dev_loss = loss_of(model, dev).data
    print(f"train loss {train_loss:.4f}, {count_right(model, points)} of 100 right")
    print(f"dev loss {dev_loss:.4f}, {count_right(model, dev)} of 100 right")
    draw_map(model, points)
    return train_loss


# show_moons() prints:
#
#     two moons, 337 parameters
#     step    0  loss 0.9409
#     step   40  loss 0.0564
#     step   80  loss 0.0284
#     step  120  loss 0.0224
#     step  160  loss 0.0146
#     train loss 0.0001, 100 of 100 right
#     dev loss 0.0033, 100 of 100 right
#     ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
#     ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░●░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
#     ░░░░░░░░░░░░░░░░░░░░░░░░░●░░●░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
#     ░░░░░░░░░░░░░░░░●●●░░●░░░░●●░●░░░░░░░░░░░░░░░░░░░░░░░░░░░░
#     ░░░░░░░░░░░░░●●░●░░░░░░░░░░░░░●░░●●░░░●●░░░░░░░░░░░░░░░░
#     ░░░░░░░░░●░●░●░░░░░       o ░░░░░░░●●●░░░░░░░░░░░░░░░░
#     ░░░░░░░░●●●●░░░░░   o   o     ░░░░░░░░●░░░░░░░░░░░░░  ooo
#     ░░░░░░░●░●●░░░░░                ░░●░░●░░░░░░░░░░░░      o
#     ░░░░░░░●░●░░░░░        o  o       ░░░●░░●░░░░░░░      ooo
#     ░░░●░░░░░░░░░░           o    o     ░░░░░░●░░░       oo  o
#     ░░░░░░●░░░░░░           o    o        ░░░░░       oo
#     ░░░░░░░░░░●░              ooo   o         o     o
#     ░░░░░░░░░░░░                      o oo  ooooo o   o
#     ░░░░░░░░░░░                              o
#     ░░░░░░░░░░░
#     ░░░░░░░░░░
#
# The losses of the steps include the L2 part, which is 0.008 at the end, so they do not
# come close to 0. The network has learned the moons, because the dev points are all
# right, too. Where there are no points, the map is a guess.
#
# Questions to find out more, with our answers:
#
# How many neurons does the network need? Type python micrograd.py --n-hidden 2, then 4
# and 8.
#     82, 95 and 99 of the 100 training points are right. With relu the border is made
#     of straight pieces, and more neurons give it more corners.
#
# What happens if the learning rate is too large? Type python micrograd.py --lr 10.
#     The loss is above 10^12 within ten steps, and in the end 50 points are right. The
#     steps were so large that all 16 neurons of the second hidden layer have totals
#     below 0 for every point. There the slope of relu is 0, so the points do not move
#     these neurons any more, and they never recover.
#
# What if all weights begin with the same number? In Neuron, write Value(0.1) instead of
# Value(rng.gauss(0, std)).
#     90 of the 100 training points are right. The neurons of a layer all stay the same.
#     So a hidden layer is worth no more than one neuron, and the border is a straight
#     line.
#
# What if there is no activation function? In Neuron, write self.has_relu = False, and
# type python micrograd.py --lr 0.1.
#     Again 90 points are right. The whole network is one weighted sum, and its border
#     is a straight line. (With --lr 1 the loss is soon not finite.)

# You can stop here: what follows reads the options of the command line.

# %% 8. The command line

class InputError(ValueError):
    """What the user gave cannot be used."""


def main(argv=None):
    """Show what sections 3, 4 and 7 have found. Raises InputError."""
    parser = argparse.ArgumentParser(usage="micrograd.py [options]")
    parser.add_argument("--steps", type=int, default=200, help="training steps (200)")
    parser.add_argument("--lr", type=float, default=1.0, help="first learning rate (1)")
    parser.add_argument("--n-hidden", type=int, default=16,
                        help="neurons in each of the two hidden layers (16)")
    parser.add_argument("--seed", type=int, default=42,
                        help="for weights and random draws (42)")
    args = parser.parse_args(argv)
    if args.steps < 0:
        raise InputError("--steps: must be 0 or more")
    if not 0 < args.lr < math.inf:
        raise InputError("--lr: must be above 0, and finite")
    if args.n_hidden < 1:
        raise InputError("--n-hidden: must be 1 or more")
    show_two_neurons()
    print()
    show_neuron()
    print()
    train_loss = show_moons(args.steps, args.lr, args.n_hidden, args.seed)
    if not math.isfinite(train_loss):
        raise InputError("the loss is not finite: --lr is too large")


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"micrograd.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
