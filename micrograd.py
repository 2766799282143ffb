"""What .backward() does, from nothing, and a small neural network trained with it.

A network is a formula with many numbers in it that may be changed, its weights. To train it is to
ask of each weight: if it grew a little, would the error grow or shrink, and how fast? That is a
derivative, from school. This lesson finds derivatives by nudging, then by the chain rule with
pencil and paper, then by a class of a few operations that applies the chain rule by itself (that is
called autograd); out of that class it builds neurons, layers and a network, and trains it to tell
two shapes apart. All the later lessons do the same with larger pieces.

    python micrograd.py                   the sections' examples, and two moons, in four seconds
    python micrograd.py --loss logistic   train with the other loss
    python micrograd.py --n-layer 0       a single neuron: all it can draw is a straight line
    python micrograd.py --svg graph.svg   draw a neuron's graph as a picture for the browser too
    python micrograd.py --help            every option and its default

It prints slopes, what two neurons learned, a graph with every gradient in it, the losses of the
network, and the boundary that it drew between the moons.

Papers: Rumelhart, Hinton and Williams 1986, "Learning Representations by Back-Propagating Errors";
Cortes and Vapnik 1995, "Support-Vector Networks" (the max-margin loss); He et al. 2015, "Delving
Deep into Rectifiers" (the first weights). Value, Neuron, Layer and MLP have their names from
Karpathy's micrograd.
"""
import argparse
import html
import math
import operator
import os
import random
import shutil
import sys
import time

# %% 1. A derivative
# How fast does f(x) grow as x grows? Nudge x and see: the growth of f(x), divided by the nudge, is
# its slope there, the derivative. Where the slope is positive, a smaller x makes f(x) smaller;
# where it is negative, a larger one does. So to get down to a low point, go against the slope. A
# function of several inputs has a derivative with respect to each: by a, by b, by c, for short.


def parabola(x):
    """x^2 - 6x + 10, lowest at x = 3. Its derivative, by the rules from school, is 2x - 6."""
    return x * x - 6 * x + 10


def product_plus(a, b, c):
    """ab + c. Its derivatives are b by a, a by b, and 1 by c."""
    return a * b + c


# exercise 1.1: a derivative by nudging
def nudge(f, *inputs, h=1e-6):
    """The derivatives of f by each of its inputs, a list. Each is nudged while the others rest.

    A derivative is the growth of f from h below the input to h above it, divided by 2h.
    """
    slopes = []
    for i, x in enumerate(inputs):
        up, down = list(inputs), list(inputs)
        up[i], down[i] = x + h, x - h
        slopes.append((f(*up) - f(*down)) / (2 * h))  # both ways: more exact than one
    return slopes


# %% 2. The chain rule
# Nudging must compute everything again for each input, and a network has thousands or billions of
# them. The chain rule puts a large derivative together from small ones. If y grows 2 times as fast
# as x, and z grows 3 times as fast as y, then z grows 6 times as fast as x: along a path, slopes
# multiply. If x reaches z along several paths, their slopes add up. So one walk from the result
# back to the inputs gives the derivatives by all of them.


# exercise 1.2: the chain rule by hand
def square_by_hand(a, b, c):
    """(ab + c)^2, and a list of its derivatives by a, b and c: forward, then backward.

    One operation a line. d_x stands for how fast the square grows with x.
    """
    product = a * b
    total = product + c
    square = total * total
    d_square = 1.0                  # everything grows as fast as itself
    d_total = d_square * 2 * total  # (t^2)' = 2t
    d_product = d_total * 1.0       # a sum grows as fast as either of its terms
    d_c = d_total * 1.0
    d_a = d_product * b             # where a grows by 1, ab grows by b
    d_b = d_product * a
    return square, [d_a, d_b, d_c]


# %% 3. Two neurons by hand
# A neuron multiplies each input by a weight, adds up the products and a number of its own, the
# bias, and bends the sum: here with the sigmoid, into the range from 0 to 1. A layer is several
# neurons with the same inputs. Can a layer of two learn AND and OR from examples? The loss says how
# wrong it is. Gradient descent takes all derivatives of the loss, the gradient, moves each weight a
# little against its own, and does it again. Every line of the backward half was worked out on
# paper, and would have to be again after any change to the forward half.

INPUTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
TARGETS = [(0, 0), (0, 1), (0, 1), (1, 1)]  # (AND, OR) of the two inputs


def sigmoid(z):
    """1 / (1 + e^-z): any number to one between 0 and 1."""
    if z < 0:  # e^-z could be too large for a float, so multiply above and below by e^z
        return math.exp(z) / (1 + math.exp(z))
    return 1 / (1 + math.exp(-z))


def layer_by_hand(weights, biases):
    """The loss of two neurons on INPUTS and TARGETS, and its derivatives by each weight and bias.

    weights[j][i] is how much neuron j cares about input i: two lists of two numbers, or (2, 2) for
    short; biases: (2). Returns the mean of the squared errors, d_weights (2, 2), d_biases (2).
    """
    loss, d_weights, d_biases = 0.0, [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]
    for x, target in zip(INPUTS, TARGETS):
        for j in range(2):
            total = weights[j][0] * x[0] + weights[j][1] * x[1] + biases[j]
            out = sigmoid(total)
            error = out - target[j]
            loss += error * error / 8              # 8: four examples, two neurons
            d_error = 2 * error / 8                # (e^2)' = 2e
            d_out = d_error * 1.0                  # error = out - target
            d_total = d_out * out * (1 - out)      # sigmoid' = sigmoid (1 - sigmoid)
            d_weights[j][0] += d_total * x[0]      # every example has its say: +=
            d_weights[j][1] += d_total * x[1]
            d_biases[j] += d_total
    return loss, d_weights, d_biases


def train_by_hand(steps=1000, lr=10.0):
    """Gradient descent from weights of 0: returns weights, biases and the loss before each step."""
    weights, biases, losses = [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0], []
    for _ in range(steps):
        loss, d_weights, d_biases = layer_by_hand(weights, biases)
        losses.append(loss)
        for j in range(2):
            for i in range(2):
                weights[j][i] -= lr * d_weights[j][i]  # lr, the learning rate: how far to go
            biases[j] -= lr * d_biases[j]
    return weights, biases, losses


# %% 4. A number that remembers
# The backward lines above follow from the forward lines, one by one, by fixed rules: so let the
# numbers follow the rules. A Value computes like a number and remembers what it was computed from
# and how fast it grows with each of those. Each operation below is its result and, beside it, those
# slopes, its local gradients; backward() multiplies and adds them up over the whole graph.


class Value:
    """A number. After result.backward(), its .grad is the derivative of that result by it.

    `parents` are the Values it was computed from, `local_grads` its derivative by each of them,
    `op` the operation's name. Raises ValueError for a number that is infinite or NaN (not a
    number), TypeError for what is no number, and OverflowError if a result is too large.

    Making objects is what takes Python's time, so an operation makes few: one Value and two short
    tuples, with the slopes as plain numbers.
    """
    __slots__ = ("data", "grad", "parents", "local_grads", "op")

    def __init__(self, data, parents=(), local_grads=(), op=""):
        if not math.isfinite(data):
            if parents:
                raise OverflowError(f"{op}: the result is too large for a float")
            raise ValueError(f"Value({data}): not a finite number")
        self.data = float(data)
        self.grad = 0.0
        self.parents = parents
        self.local_grads = local_grads
        self.op = op

    def __repr__(self):
        return f"Value(data={self.data:.6g}, grad={self.grad:.6g})"

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0), "+")

    def __sub__(self, other):
        other = as_value(other)
        return Value(self.data - other.data, (self, other), (1.0, -1.0), "-")

    def __mul__(self, other):
        other = as_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data), "*")

    def __truediv__(self, other):
        other = as_value(other)
        if other.data == 0:
            raise ValueError(f"{self.data} / 0 is not a number")
        ratio = self.data / other.data  # (a / b)' is 1 / b by a, and -a / b^2 by b
        return Value(ratio, (self, other), (1 / other.data, -ratio / other.data), "/")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent must be a plain number, not a Value; for a ** b of two "
                            "Values, write (b * a.log()).exp()")
        if not math.isfinite(exponent) or self.data < 0 and exponent != int(exponent):
            raise ValueError(f"({self.data}) ** {exponent} is not a real number")
        x, k = self.data, float(exponent)
        if x == 0 and k < 0 or x == 0 and 0 < k < 1:
            raise ValueError(f"0 ** {k} divides by 0, in its value or in its derivative")
        try:
            out, local_grad = x ** k, k * x ** (k - 1) if k else 0.0
        except OverflowError:
            raise OverflowError(f"({x}) ** {k} or its slope is too large for a float") from None
        return Value(out, (self,), (local_grad,), f"**{k:.2g}")

    def __neg__(self):
        return Value(-self.data, (self,), (-1.0,), "-")

    # With a plain number on the left, Python calls these: 2 + a is a.__radd__(2).
    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other):
        return as_value(other) - self

    def __rtruediv__(self, other):
        return as_value(other) / self

    def __rpow__(self, other):
        return as_value(other) ** self

    def exp(self):
        """e to the power of it. Raises OverflowError above 709.78."""
        if self.data > math.log(sys.float_info.max):
            raise OverflowError(f"exp({self.data}) is too large for a float")
        out = math.exp(self.data)
        return Value(out, (self,), (out,), "exp")

    def log(self):
        """Its natural logarithm. Raises ValueError for 0 and below."""
        if self.data <= 0:
            raise ValueError(f"log({self.data}): only numbers above 0 have a logarithm")
        return Value(math.log(self.data), (self,), (1 / self.data,), "log")

    # exercise 1.3: tanh and its slope
    def tanh(self):
        """The hyperbolic tangent, from -1 to 1, as one operation. Its slope is 1 - tanh^2."""
        out = math.tanh(self.data)
        return Value(out, (self,), (1 - out * out,), "tanh")

    def sigmoid(self):
        """1 / (1 + e^-x), from 0 to 1."""
        out = sigmoid(self.data)
        return Value(out, (self,), (out * (1 - out),), "sigmoid")

    def relu(self):
        """It, or 0 if it is negative: the rectified linear unit. Its slope at 0 is taken as 0."""
        return Value(max(0.0, self.data), (self,), (1.0 if self.data > 0 else 0.0,), "relu")

    # exercise 1.5: backward
    def backward(self):
        """Add the derivative of this Value by v to v.grad, for itself and all v it was made from.

        Each sends its derivative on to its parents, times its local gradients, once it has all of
        it: in the order of topological_order (section 5), backwards. What .grad held before is not
        sent on. But it stays, so set it to 0 before the next step of training; see zero_grad().
        """
        order = topological_order(self)  # all of them, each after its parents; see section 5
        before = [value.grad for value in order]  # set aside: it must not be sent on again
        for value in order:
            value.grad = 0.0
        self.grad = 1.0  # everything grows as fast as itself
        for value in reversed(order):
            grad = value.grad  # complete: whatever was computed from this has had its turn
            for parent, local_grad in zip(value.parents, value.local_grads):
                parent.grad += grad * local_grad  # along a path slopes multiply; paths add up
        for value, grad in zip(order, before):
            value.grad += grad


def as_value(number):
    """A number as a Value; a Value as it is."""
    return number if isinstance(number, Value) else Value(number)


# %% 5. Why the order matters
# If b was used twice, b's gradient comes in two parts, and only their sum may be sent on. Simple
# recursion, which sends on whatever has just come in, gets it wrong on this small graph:
#
#     b = 2 * a;  c = b + 1;  d = b * c           with a = 3: b = 6, c = 7, d = 42
#
# From d, b receives c = 7 and sends 2 * 7 = 14 to a. Then c receives b = 6 and passes it on to b,
# which has 7 + 6 = 13 now and sends 2 * 13 = 26: a ends at 40. Right is 26, sent once. And Python's
# recursion stops at a depth of 1000. The remedy for both is to list the graph first: in a
# topological order each Value stands after all its parents. Going through that list backwards, each
# has its whole gradient before it sends it on.


def naive_backward(value):
    """What backward() must not do: send on at once. The caller sets value.grad to 1."""
    for parent, local_grad in zip(value.parents, value.local_grads):
        parent.grad += value.grad * local_grad
        naive_backward(parent)


def diamond():
    """The graph above: returns a and d."""
    a = Value(3.0)
    b = 2 * a
    c = b + 1
    return a, b * c


# exercise 1.4: the order of a graph
def topological_order(value):
    """A list of all Values that went into `value`, and itself, each once and after its parents.

    Without recursion: what comes off a stack for the first time is put back, with a mark, below
    its parents, and listed when it comes off again. By then they are all listed.
    """
    order, seen, stack = [], set(), [(value, False)]
    while stack:
        value, parents_done = stack.pop()
        if parents_done:
            order.append(value)
        elif value not in seen:
            seen.add(value)
            stack.append((value, True))
            stack.extend([(parent, False) for parent in value.parents if parent not in seen])
    return order


# %% 6. Neuron, layer, network
# A neuron as in section 3, now for any number of inputs, and with relu for its bend (also called
# its nonlinearity): negative sums become 0. Without a bend a network of any depth would be no more
# than one weighted sum. A layer: neurons that look at the same inputs. A network (MLP, multi-layer
# perceptron): layers, each looking at what the one before it made. The last layer has no bend, so
# that the network can answer with any number.


# exercise 1.6: an operation of many inputs
def weighted_sum(weights, inputs, bias):
    """w1 x1 + w2 x2 + ... + bias, as one operation: two lists of Values and a Value, to one Value.

    With * and + it would be two operations an input, and the result and gradients would be the
    same. But an operation may be as large as one likes, as long as its derivatives are known: here
    they are x1 by w1, w1 by x1, and 1 by the bias. It saves most of the objects, and a training
    step takes a seventh of the time. Its op is "w·x+b". Raises ValueError if there is not one
    weight an input.
    """
    if len(weights) != len(inputs):
        raise ValueError(f"a neuron of {len(weights)} inputs was given {len(inputs)}")
    ws, xs = [w.data for w in weights], [x.data for x in inputs]
    return Value(sum(map(operator.mul, ws, xs)) + bias.data,
                 (*weights, *inputs, bias), (*xs, *ws, 1.0), "w·x+b")


class Module:
    """What Neuron, Layer and MLP share. Each has parameters(): the Values that training changes."""

    def zero_grad(self):
        """Forget the gradients, as backward() would add to them."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """nin numbers or Values in, one Value out: their weighted sum plus bias, then relu if nonlin.

    Raises ValueError if nin is below 1 or if it is called on another number of inputs.
    """

    def __init__(self, nin, nonlin=True, rng=random):
        if nin < 1:
            raise ValueError(f"a neuron needs at least 1 input, not {nin}")
        # Random, for neurons that start alike would get the same gradients and stay alike. The more
        # inputs, the smaller, so that sums start neither huge nor tiny: He et al. 2015, equation
        # 10, has a standard deviation of sqrt(2 / nin) for relu.
        self.weights = [Value(rng.gauss(0, math.sqrt(2 / nin))) for _ in range(nin)]
        self.bias = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x):
        out = weighted_sum(self.weights, [as_value(v) for v in x], self.bias)
        return out.relu() if self.nonlin else out

    def parameters(self):
        """nin weights and the bias."""
        return [*self.weights, self.bias]


class Layer(Module):
    """nout neurons on the same nin inputs: a list of numbers or Values in, a list of Values out.

    Raises ValueError if nin or nout is below 1.
    """

    def __init__(self, nin, nout, nonlin=True, rng=random):
        if nout < 1:
            raise ValueError(f"a layer needs at least 1 neuron, not {nout}")
        self.neurons = [Neuron(nin, nonlin, rng) for _ in range(nout)]

    def __call__(self, x):
        x = [as_value(v) for v in x]
        return [neuron(x) for neuron in self.neurons]

    def parameters(self):
        """Those of its neurons, in their order."""
        return [p for neuron in self.neurons for p in neuron.parameters()]


class MLP(Module):
    """Layers of the sizes in the list nouts, on nin inputs, the last without a bend.

    Gives a list of Values or, if the last layer is a single neuron, its Value. Raises ValueError
    for an empty list or a size below 1.
    """

    def __init__(self, nin, nouts, rng=random):
        if not nouts:
            raise ValueError("a network needs at least 1 layer, and the list of sizes is empty")
        sizes = [nin, *nouts]
        self.layers = [Layer(n, m, nonlin=i < len(nouts), rng=rng)
                       for i, (n, m) in enumerate(zip(sizes, sizes[1:]), start=1)]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x if len(x) > 1 else x[0]

    def parameters(self):
        """Those of its layers, in their order."""
        return [p for layer in self.layers for p in layer.parameters()]


# %% 7. Two moons
# Something that no straight line can tell apart: two half circles that reach into each other.
# Points on one are labelled 1, on the other -1. The network's answer to a point, its score, should
# have that sign.


def two_moons(n, noise, rng):
    """n points as ((x, y), label), on the upper moon (label 1) and the lower one (-1) in turn.

    Both coordinates are off by a random amount of standard deviation `noise`; a moon's radius is 1.
    """
    points = []
    for i in range(n):
        angle = rng.uniform(0, math.pi)
        x, y, label = math.cos(angle), math.sin(angle), 1
        if i % 2:
            x, y, label = 1 - x, 0.5 - y, -1
        points.append(((x + rng.gauss(0, noise), y + rng.gauss(0, noise)), label))
    return points


# %% 8. Loss and training
# margin = label * score is positive where the network is right. The max-margin loss is content with
# a margin of 1 and charges for what is missing. The logistic loss takes sigmoid(margin) for the
# probability of the right label and charges -log of it: near 0 for a probability near 1, more and
# more as it nears 0. Either is averaged over the points. In training a small charge on the squares
# of all parameters is added (L2 regularisation), so that none grows without need. Whether a network
# has learned the moons, or only its points, shows on points kept out of training, called dev.


def max_margin(margin):
    """1 - margin, or 0 if that is negative. Cortes and Vapnik 1995; also called the hinge loss."""
    return (1 - margin).relu()


def logistic(margin):
    """log(1 + e^-margin), which is -log sigmoid(margin).

    Written as relu(m) + log(1 + e^-|m|) with m = -margin, where no exponential can overflow.
    """
    m = -margin  # m - 2 relu(m) is -|m|
    return m.relu() + (1 + (m - 2 * m.relu()).exp()).log()


def loss_of(model, points, loss):
    """The mean loss over the points, a Value. loss: max_margin or logistic."""
    return sum(loss(label * model(point)) for point, label in points) / len(points)


def learning_rate(step, steps, peak):
    """From `peak` at step 0 down towards 0 in equal parts: first far, then with care."""
    return peak * (steps - step) / steps


def train(model, points, loss, steps, batch_size, lr, l2=1e-4):
    """Gradient descent, yielding after each step the loss that it began with.

    loss: max_margin or logistic; l2 times the sum of the squared parameters is added to it.
    A step looks at batch_size points, taken in turn, over and over. If those are not all of them,
    it is called stochastic gradient descent (SGD), as chance has a say in each step.
    """
    params = model.parameters()
    for step in range(steps):
        batch = range(step * batch_size, (step + 1) * batch_size)
        total = loss_of(model, [points[i % len(points)] for i in batch], loss)
        total = total + l2 * sum(p * p for p in params)
        model.zero_grad()
        total.backward()
        for p in params:
            p.data -= learning_rate(step, steps, lr) * p.grad
        yield total.data


def accuracy(model, points):
    """The share of the points where the model's score has the label's sign, from 0 to 1."""
    return sum(model(point).data * label > 0 for point, label in points) / len(points)


# %% 9. Pictures
# What did the network learn? The boundary shows it on a map of its inputs. And what did backward()
# do? A graph with the data and the grad of every Value shows it.


def draw_boundary(score, points, width=64, height=20):
    """A map in characters: ░ where score((x, y)) is above 0; points of label 1 are ●, others o."""
    xs, ys = zip(*(point for point, _ in points))
    left, bottom = min(xs) - 0.3, min(ys) - 0.3
    dx, dy = (max(xs) + 0.3 - left) / width, (max(ys) + 0.3 - bottom) / height  # a character's size
    rows = [["░" if score((left + (i + 0.5) * dx, bottom + (j + 0.5) * dy)) > 0 else " "
             for i in range(width)] for j in range(height)]
    for (x, y), label in points:
        rows[int((y - bottom) / dy)][int((x - left) / dx)] = "●" if label > 0 else "o"
    return "\n".join("".join(row).rstrip() for row in reversed(rows))


def name_of(value, names):
    """The name that a dict from names to Values has for a Value, or an empty string."""
    return next((name for name, named in names.items() if named is value), "")


def draw_graph(root, names):
    """The graph of `root` in characters, each Value above its parents, with data and grad.

    names: a dict from names to Values. A Value without name or operation is shown by its number.
    What was used twice is drawn out once.
    """
    lines, seen, stack = [], set(), [(root, "", "")]
    while stack:
        value, branch, indent = stack.pop()
        repeated = value in seen and value.parents
        text = " = ".join(filter(None, (name_of(value, names), value.op))) or f"{value.data:.5g}"
        text = branch + text + (" (see above)" if repeated else "")
        lines.append(f"{text:34} data {value.data:<10.5g} grad {value.grad:.5g}")
        if not repeated:
            seen.add(value)
            ends = [("├─ ", "│  ")] * (len(value.parents) - 1) + [("└─ ", "   ")]
            stack += [(parent, indent + end, indent + below)
                      for parent, (end, below) in zip(value.parents, ends)][::-1]
    return "\n".join(lines)


def draw_svg(root, names):
    """The same as an SVG picture: Values are boxes, left to right, operations circles before them.

    No two Values share a row, so a line that keeps to its Value's row until it is beside the place
    where it goes never runs through a box or a circle.
    """
    rows, seen, stack = [], set(), [(root, False)]
    while stack:  # a Value's row is between those of the first and the second half of its parents
        value, placed = stack.pop()
        if placed:
            rows.append(value)
        elif value not in seen:
            seen.add(value)
            half = (len(value.parents) + 1) // 2
            above, below = value.parents[:half], value.parents[half:]
            stack += [(v, v is value) for v in (*reversed(below), value, *reversed(above))]

    column = {}
    for value in topological_order(root):  # each right of all its parents
        column[value] = 1 + max((column[parent] for parent in value.parents), default=-1)
    for value in reversed(rows):  # inputs move right, to where they are first used
        users = [column[user] for user in rows if value in user.parents]
        if users and not value.parents:
            column[value] = min(users) - 1

    wide, high, across, down = 172, 40, 310, 48  # a box, and from one to the next
    level = {value: down * i + 30 for i, value in enumerate(rows)}  # how far down its middle is
    out = []
    for value in rows:
        x, y = across * column[value] + 88, level[value]  # the middle of the box's left side
        if value.parents:
            out.append(f'<path d="M{x - 18} {y}H{x}"/><circle cx="{x - 47}" cy="{y}" r="29"/>'
                       f'<text x="{x - 47}" y="{y + 4}" class="op">{html.escape(value.op)}</text>')
        out.append(f'<rect x="{x}" y="{y - high // 2}" width="{wide}" height="{high}"/>'
                   f'<text x="{x + 6}" y="{y + 4}" class="name">'
                   f'{html.escape(name_of(value, names))}</text>'
                   f'<text x="{x + 36}" y="{y - 4}">data {value.data:.5g}</text>'
                   f'<text x="{x + 36}" y="{y + 13}">grad {value.grad:.5g}</text>')
        for user in rows:
            if value in user.parents:
                end = across * column[user] + 12  # the left side of its circle
                out.append(f'<path d="M{x + wide} {y}H{end - 48}'
                           f'C{end - 20} {y} {end - 28} {level[user]} {end} {level[user]}"/>')
    size = f'width="{across * column[root] + 270}" height="{down * len(rows) + 12}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" '
            'font-size="13">\n<style>rect, circle {fill: #eef4fb} rect, circle, path '
            '{stroke: #456} path {fill: none} .op {text-anchor: middle} '
            f'.name {{font-weight: bold}}</style>\n<rect {size} style="fill: white"/>\n'
            + "\n".join(out) + "\n</svg>\n")


# %% 10. The command line
# Nothing below is about learning. It reads the options, and prints what the sections above compute.


def number(kind, low, above=False):
    """A type for argparse: an int or a float from `low`, or from just above it, to 10^9."""
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= 10 ** 9 or above and value == low:
            raise argparse.ArgumentTypeError(
                f"must be a {'whole ' if kind is int else ''}number {'above' if above else 'from'} "
                f"{low} {'and up ' if above else ''}to 10^9, not {text!r}")
        return value
    return parse


def make_parser():
    """The command line, as --help tells it."""
    parser = argparse.ArgumentParser(
        prog="micrograd.py", description="Derivatives, autograd, and a network that learns to tell "
                                         "two moons apart.")
    size, count, positive = number(int, 1), number(int, 0), number(float, 0, above=True)
    for name, kind, default, text in (
            ("--steps", count, 200, "training steps"),
            ("--batch-size", size, None, "points a step"),
            ("--lr", positive, 1.0, "learning rate at the first step"),
            ("--n-hidden", size, 16, "neurons in each hidden layer"),
            ("--n-layer", count, 2, "hidden layers"),
            ("--points", number(int, 2), 100, "points on the two moons"),
            ("--noise", number(float, 0), 0.1, "how far points stray from their moon"),
            ("--seed", count, 42, "where all randomness starts")):
        parser.add_argument(name, metavar="X" if isinstance(default, float) else "N", type=kind,
                            default=default,
                            help=f"{text} (default: {'all' if default is None else default})")
    parser.add_argument("--loss", choices=("margin", "logistic"), default="margin",
                        help="what being wrong costs (default: margin)")
    parser.add_argument("--svg", metavar="FILE", help="draw the lesson's neuron into a file")
    return parser


def write_text(path, text):
    """Write a file whole or not at all: beside it at first, then renamed. Raises ValueError."""
    target = os.path.realpath(path)  # what a link points to
    part = f"{target}.{os.getpid()}.part"
    if path.startswith("/dev/") or os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"{path}: not an ordinary file; name one to write")
    try:
        try:
            with open(part, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(part, target)
        finally:
            if os.path.exists(part):
                os.remove(part)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a file that can be written") from None


def show_progress(line, in_a_pipe=True):
    """Rewrite the last line on a terminal; where there is none, print a plain line or nothing."""
    if sys.stderr.isatty():
        width = min(60, shutil.get_terminal_size().columns - 1)
        print(f"\r{line[:width]:{width}}\r", file=sys.stderr, end="", flush=True)
    elif in_a_pipe:
        print(line, file=sys.stderr, flush=True)


def neuron_of_three_inputs():
    """tanh(x1 w1 + x2 w2 + x3 w3 + b) with * and +: returns it, and a dict of names to Values."""
    names = {"x1": Value(1.0), "w1": Value(0.5), "x2": Value(-2.0), "w2": Value(0.3),
             "x3": Value(3.0), "w3": Value(0.2), "b": Value(-0.1)}
    x1, w1, x2, w2, x3, w3, b = names.values()
    names["out"] = out = (x1 * w1 + x2 * w2 + x3 * w3 + b).tanh()
    out.backward()
    return out, names


def show_sections_1_to_6(svg):
    """The example of each section, as far as the neuron's graph, which may be in a file as well."""
    print("a derivative: how fast x^2 - 6x + 10 grows\n     x   value   by nudging   2x - 6")
    for x in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0):
        print(f"{x:6.1f}{parabola(x):8.2f}{nudge(parabola, x)[0]:13.6f}{2 * x - 6:9.1f}")
    print("of several inputs: ab + c at a = 2, b = -3, c = 10 grows with each of them by\n     "
          + ", ".join(f"{slope:.6f}" for slope in nudge(product_plus, 2.0, -3.0, 10.0)))

    square, slopes = square_by_hand(2.0, -3.0, 10.0)
    nudged = nudge(lambda a, b, c: (a * b + c) ** 2, 2.0, -3.0, 10.0)
    print(f"\nthe chain rule: (ab + c)^2 = {square} at the same place, and its derivatives\n     "
          "   by hand   by nudging")
    for name, slope, close in zip("abc", slopes, nudged):
        print(f"{name:>5}{slope:10.1f}{close:13.6f}")

    weights, biases, losses = train_by_hand()
    print("\ntwo neurons, trained with derivatives by hand")
    print("".join(f"     loss {losses[i]:.4f} at step {i}\n" for i in (0, 10, 100, 999)))
    print("     ░ where the sum is above 0, its sigmoid above 1/2: ● should be there, o not")
    maps = []
    for j, name in enumerate(("AND", "OR")):
        (w1, w2), bias = weights[j], biases[j]
        points = [(x, 2 * target[j] - 1) for x, target in zip(INPUTS, TARGETS)]
        picture = draw_boundary(lambda x: w1 * x[0] + w2 * x[1] + bias, points, 30, 9)
        maps.append([f"{name}: {w1:.1f} x1 + {w2:.1f} x2 {bias:+.1f} > 0", *picture.split("\n")])
    print("\n".join(f"     {left:36}{right}" for left, right in zip(*maps)))

    a, d = diamond()
    d.backward()
    right, (a, d) = a.grad, diamond()
    d.grad = 1.0
    naive_backward(d)
    nudged, = nudge(lambda a: 2 * a * (2 * a + 1), 3.0)
    print("\nthe order matters: with b = 2a, c = b + 1, d = bc at a = 3, d grows with a by\n"
          f"     {right} by backward(), {nudged:.6f} by nudging, {a.grad} by simple recursion")
    print("\nwhat out = tanh(x1 w1 + x2 w2 + x3 w3 + b) was computed from, step by step;\n"
          "grad is how fast out grows with each\n"
          + draw_graph(*neuron_of_three_inputs())
          + (f"\n{svg} shows the same as a picture; open it in a browser" if svg else ""))


def run(args):
    """Show the sections' examples, then train, evaluate and draw."""
    show_sections_1_to_6(args.svg)
    rng = random.Random(args.seed)
    points, fresh = (two_moons(args.points, args.noise, rng) for _ in range(2))
    model = MLP(2, [args.n_hidden] * args.n_layer + [1], rng)
    loss = {"margin": max_margin, "logistic": logistic}[args.loss]
    batch_size = args.batch_size or len(points)
    done, start = 0, time.monotonic()
    try:
        print(f"\ntwo moons: {len(points)} points, {len(model.parameters())} parameters",
              flush=True)
        for value in train(model, points, loss, args.steps, batch_size, args.lr):
            done += 1
            left = (time.monotonic() - start) / done * (args.steps - done)
            show_progress(f"step {done}/{args.steps}  loss {value:#.4g}  {left:.0f} s left",
                          in_a_pipe=done % max(1, args.steps // 10) == 0)
        show_progress("", in_a_pipe=False)
    except KeyboardInterrupt:
        show_progress("", in_a_pipe=False)
        print(f"stopped at step {done} of {args.steps}; Ctrl-C again quits", file=sys.stderr,
              flush=True)
    print(f"train loss {loss_of(model, points, loss).data:.4f}\n"
          f"dev loss {loss_of(model, fresh, loss).data:.4f}\n"
          f"accuracy: {accuracy(model, points):.1%} of the points it was trained on, "
          f"{accuracy(model, fresh):.1%} of new ones (dev)\n")
    print("░ where the score is above 0; the points' labels: ● 1, o -1")
    print(draw_boundary(lambda x: model(x).data, points))


def main(argv=None):
    """Read the command line, and run; what is wrong with it is said in one line."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # where ░ cannot be printed, ? will do
    try:
        if args.svg is not None:
            write_text(args.svg, draw_svg(*neuron_of_three_inputs()))
    except ValueError as error:
        parser.error(str(error))
    try:
        run(args)
    except OverflowError:
        show_progress("", in_a_pipe=False)
        parser.error("the loss grew without bound, as the steps were too large; try a smaller --lr")


if __name__ == "__main__":
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # None if it is closed
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    try:
        try:
            main()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)  # as the shell reports a program ended by Ctrl-C
    except OSError as error:  # nowhere to print to: the disk is full or, with head, the reader left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        print(f"micrograd.py: error: the output cannot be written: {error.strerror}",
              file=sys.stderr)
        sys.exit(2)
