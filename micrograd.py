"""What .backward() does, from nothing, and a small neural network trained with it.

A network is a formula with many numbers in it that may be changed, its weights. To train it is to
ask of each weight: if it grew a little, would the error grow or shrink, and how fast? That is a
derivative, from school. This lesson finds derivatives by nudging, then by the chain rule on paper,
then by a class that applies the chain rule by itself, which is called autograd; out of that class
it builds a network, and trains it to tell two shapes apart. The next four train like this, too.

    python micrograd.py    a few seconds; prints what the sections find, and trains
"""
import argparse
import itertools
import math
import random
import sys
import time

# %% 1. A derivative
# How fast does f(x) grow with respect to x? Nudge x and see: the growth of f(x), divided by the
# nudge, is its slope there, the derivative. Where the slope is positive, a slightly smaller x makes
# f(x) smaller; where it is negative, a larger one. So to get down to a low point, go against the
# slope. A function of several inputs has a derivative with respect to each, the others held fixed.
# exercise 1.1: a derivative by nudging
def nudge(f, *inputs, h=1e-6):
    """The derivatives of f with respect to each of its inputs, a list. Each is the growth of f from
    h below that input to h above it, divided by 2h.
    >>> [round(slope, 6) for slope in nudge(lambda a, b: a * b + a, 2.0, -3.0)]
    [-2.0, 2.0]"""
    slopes = []
    for i, x in enumerate(inputs):
        up, down = list(inputs), list(inputs)
        up[i], down[i] = x + h, x - h
        slopes.append((f(*up) - f(*down)) / (2 * h))  # both ways: more exact than one
    return slopes


# %% 2. The chain rule
# Nudging computes everything again for each input; to a loss, each of thousands or billions of
# weights is one. The chain rule puts a large derivative together from small ones. If y grows 2
# times as fast as x, and z grows 3 times as fast as y, then z grows 6 times as fast as x: along a
# path, slopes multiply. If x reaches z along several paths, their slopes add up. So one walk from
# the result back to the inputs gives the derivatives with respect to all of them.
# exercise 1.2: the chain rule by hand
def square_by_hand(a, b, c):
    """(ab + c)^2, and a list of its derivatives with respect to a, b and c.
    Forward, then backward, one operation a line. d_x: how fast the square grows with respect to x.
    >>> square_by_hand(2.0, -3.0, 10.0)
    (16.0, [-24.0, 16.0, 8.0])"""
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
# neurons with the same inputs. Can two learn AND and OR from examples? The loss says how wrong they
# are. Gradient descent takes all derivatives of the loss, the gradient, moves each weight a little
# against its own, and does it again. The backward lines were worked out on paper.
INPUTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
TARGETS = [(0, 0), (0, 1), (0, 1), (1, 1)]  # (AND, OR) of the two inputs


def sigmoid(z):
    """1 / (1 + e^-z), which brings any number between 0 and 1."""
    return (1 + math.tanh(z / 2)) / 2  # the same, where nothing can overflow


def layer_by_hand(weights, biases):
    """The mean of the squared errors of two neurons on INPUTS and TARGETS, and its derivatives with
    respect to weights, rows of 2 (neuron j multiplies input i by weights[j][i]), and biases."""
    loss, d_weights, d_biases = 0.0, [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]
    for x, target in zip(INPUTS, TARGETS):
        for j in range(2):
            total = weights[j][0] * x[0] + weights[j][1] * x[1] + biases[j]
            out = sigmoid(total)
            error = out - target[j]
            loss += error * error / 8            # 8: four examples, two neurons
            d_error = 2 * error / 8              # (e^2)' = 2e
            d_total = d_error * out * (1 - out)  # sigmoid' = sigmoid (1 - sigmoid)
            d_weights[j][0] += d_total * x[0]    # every example has its say: +=
            d_weights[j][1] += d_total * x[1]
            d_biases[j] += d_total
    return loss, d_weights, d_biases


def show_two_neurons(steps=1000, lr=10.0):
    """Train the two, and print what they answer. lr, the learning rate: how far a step goes."""
    weights, biases = [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]
    for _ in range(steps):
        loss, d_weights, d_biases = layer_by_hand(weights, biases)
        for j in range(2):
            for i in range(2):
                weights[j][i] -= lr * d_weights[j][i]
            biases[j] -= lr * d_biases[j]
    print(f"two neurons, trained with derivatives by hand: loss {loss:.4f}")
    for x in INPUTS:
        answers = [sigmoid(w[0] * x[0] + w[1] * x[1] + b) for w, b in zip(weights, biases)]
        print(f"inputs {x}  AND {answers[0]:.3f}  OR {answers[1]:.3f}")


# %% 4. A number that remembers
# The backward lines above follow from the forward lines, one by one, by fixed rules: so let the
# numbers apply them. A Value computes like a number, and remembers its parents, the Values it was
# computed from, and how fast it grows with respect to each. An operation is its result and, beside
# it, these slopes, its local gradients; backward() multiplies and adds them along the way back.
def as_value(number):
    """A plain number as a Value; a Value as it is."""
    return number if isinstance(number, Value) else Value(number)


class Value:
    """A number. After result.backward(), .grad is how fast that result grows with respect to it.
    parents: the Values it was computed from; local_grads: its slopes with respect to them.
    >>> a, b = Value(2.0), Value(-3.0)
    >>> (a * b + a).backward()
    >>> a, b
    (Value(data=2.0, grad=-2.0), Value(data=-3.0, grad=2.0))"""
    numbers = itertools.count()  # 0, 1, 2, ...: Values are numbered as they are made

    def __init__(self, data, parents=(), local_grads=(), op=""):
        self.data, self.grad = data, 0.0
        self.parents, self.local_grads, self.op = parents, local_grads, op
        self.number = next(Value.numbers)  # what it was computed from has smaller ones

    def __repr__(self):
        return f"Value(data={self.data}, grad={self.grad})"

    def __add__(self, other):
        other = as_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0), "+")

    def __mul__(self, other):
        other = as_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data), "*")

    # exercise 1.4: division and its two slopes
    def __truediv__(self, other):
        """a / b. It grows 1 / b times as fast as a, and -a / b^2 times as fast as b."""
        other = as_value(other)
        ratio = self.data / other.data
        return Value(ratio, (self, other), (1 / other.data, -ratio / other.data), "/")

    def __pow__(self, k):
        """It to the power of k, a plain number. (x^k)' = k x^(k - 1)."""
        slope = k * math.pow(self.data, k - 1)
        return Value(math.pow(self.data, k), (self,), (slope,), f"**{k}")

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -as_value(other)

    # With a plain number on the left, Python calls these: 2 + a is a.__radd__(2).
    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other):
        return as_value(other) - self

    def __rtruediv__(self, other):
        return as_value(other) / self

    def exp(self):
        """e to the power of it. Its slope is itself."""
        out = math.exp(self.data)
        return Value(out, (self,), (out,), "exp")

    def log(self):
        """The natural logarithm of x, this Value. Its slope is 1 / x."""
        return Value(math.log(self.data), (self,), (1 / self.data,), "log")

    # exercise 1.3: tanh and its slope
    def tanh(self):
        """The hyperbolic tangent, from -1 to 1, as one operation. Its slope is 1 - tanh^2."""
        out = math.tanh(self.data)
        return Value(out, (self,), (1 - out * out,), "tanh")

    def sigmoid(self):
        """1 / (1 + e^-x), from 0 to 1. Its slope is sigmoid (1 - sigmoid)."""
        out = sigmoid(self.data)
        return Value(out, (self,), (out * (1 - out),), "sigmoid")

    def relu(self):
        """It, or 0 if it is negative: the rectified linear unit. Its slope at 0 is taken as 0."""
        return Value(max(0.0, self.data), (self,), (1.0 if self.data > 0 else 0.0,), "relu")

    # exercise 1.5: backward
    def backward(self):
        """Add to the .grad of this Value, and of each it was computed from, how fast this one grows
        with respect to it. A Value can send its gradient on when all of it has arrived. It arrives
        from Values that were made later: so we go from the newest to the oldest."""
        ancestors, new = set(), [self]
        while new:
            value = new.pop()
            if value not in ancestors:
                ancestors.add(value)
                new.extend(value.parents)
        arrived = {self: 1.0}  # apart from .grad, which may hold something from before
        for value in sorted(ancestors, key=lambda value: value.number, reverse=True):
            grad = arrived.pop(value)
            value.grad += grad
            for parent, local_grad in zip(value.parents, value.local_grads, strict=True):
                # along a path slopes multiply; paths add up
                arrived[parent] = arrived.get(parent, 0.0) + grad * local_grad


# %% 5. Why the order matters
# Would it not be simpler to send .grad on whenever something arrives? With a = 3, b = 2a = 6,
# c = b + 1 = 7 and d = bc = 42, b gets two parts. From d it receives c = 7 and sends 2 * 7 = 14 to
# a. Then c receives b = 6 and passes it on to b, which has 7 + 6 = 13 then and sends 26, with the
# 14 in it: a ends at 40, not 26. (To send only what is new is right, but walks each of many paths.)
def send_at_once(value, grad=1.0):
    """What backward() must not do. (A long graph would be too deep for Python's recursion, too.)"""
    value.grad += grad
    for parent, local_grad in zip(value.parents, value.local_grads):
        send_at_once(parent, value.grad * local_grad)


def show_order():
    """Print the slope of d with respect to a, found in both ways."""
    for backward in (Value.backward, send_at_once):
        a = Value(3.0)
        b = 2 * a
        backward(b * (b + 1))
        print(f"the slope of 2a (2a + 1) at 3, by {backward.__name__}: {a.grad}")


# %% 6. Neuron, layer, network
# A neuron as in section 3, now for any number of inputs, and with relu for its bend: negative sums
# become 0. Without a bend a network of any depth would be no more than one weighted sum. A network
# (MLP, multi-layer perceptron) is layers, each looking at what the one before it made. The last has
# no bend, so that the network can answer with any number; those before it are called hidden.
# exercise 1.6: an operation of many inputs
def weighted_sum(weights, inputs, bias):
    """w1 x1 + w2 x2 + ... + bias, as one operation: two lists of Values and a Value -> a Value.
    (Saves most of the time.) The point is the swap: the slope with respect to a weight is its
    input, and that with respect to an input its weight. ValueError if lengths differ."""
    ws, xs = [w.data for w in weights], [x.data for x in inputs]
    total = sum([w * x for w, x in zip(ws, xs, strict=True)]) + bias.data
    return Value(total, (*weights, *inputs, bias), (*xs, *ws, 1.0), "w·x+b")


class Neuron:
    """nin Values in, one out: their weighted sum, then relu, if it is to bend. Weights are random,
    or hidden neurons would stay alike; of variance 2 / nin, as relu loses half (He et al. 2015)."""

    def __init__(self, nin, bend, rng):
        self.weights = [Value(rng.gauss(0, math.sqrt(2 / nin))) for _ in range(nin)]
        self.bias, self.bend = Value(0.0), bend

    def __call__(self, x):
        out = weighted_sum(self.weights, x, self.bias)
        return out.relu() if self.bend else out


class Layer:
    """nout neurons on the same nin inputs: a list of nin Values -> a list of nout."""

    def __init__(self, nin, nout, bend, rng):
        self.neurons = [Neuron(nin, bend, rng) for _ in range(nout)]

    def __call__(self, x):
        return [neuron(x) for neuron in self.neurons]


class MLP:
    """Layers of the sizes in the list nouts: a list of nin numbers -> a list of nouts[-1] Values.
    rng, a random.Random, draws the first weights. All layers but the last bend."""

    def __init__(self, nin, nouts, rng=random):
        self.layers = [Layer(n, m, i < len(nouts), rng)
                       for i, (n, m) in enumerate(itertools.pairwise([nin, *nouts]), start=1)]

    def __call__(self, x):
        x = [as_value(v) for v in x]
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        """The Values that training changes."""
        return [p for layer in self.layers for neuron in layer.neurons
                for p in (*neuron.weights, neuron.bias)]


# %% 7. Two moons
# Something that no straight line can tell apart: two half circles that reach into each other, with
# labels 1 and -1. The network's score for a point should have that sign. margin = label * score is
# positive where it is right; the max-margin loss charges for what is missing to 1. A small charge
# on the squares of all parameters, weights and biases, (L2) keeps any from growing without need.
# Points kept out of training, called dev, show if the network learned the moons or only its points.
class InputError(ValueError):
    """What the user gave cannot be used: the program ends with this message."""


def two_moons(n, rng, noise=0.1):
    """n points as ((x, y), label), on the upper moon (label 1) and the lower one (-1) in turn.
    Both coordinates are off by a random amount of standard deviation noise; moons have radius 1."""
    points = []
    for i in range(n):
        angle = rng.uniform(0, math.pi)
        x, y, label = math.cos(angle), math.sin(angle), 1
        if i % 2:
            x, y, label = 1 - x, 0.5 - y, -1
        points.append(((x + rng.gauss(0, noise), y + rng.gauss(0, noise)), label))
    return points


def loss_of(model, points):
    """The max-margin loss, mean over the points, a Value: 1 - margin, or 0 if that is negative.
    Cortes and Vapnik 1995, "Support-Vector Networks"; also called the hinge loss."""
    return sum((1 - label * model(point)[0]).relu() for point, label in points) / len(points)


def train(model, points, steps, lr, l2=1e-4):
    """Gradient descent, yielding each step's loss. Raises InputError if that is no number."""
    params = model.parameters()
    for step in range(steps):
        loss = loss_of(model, points) + l2 * sum(p * p for p in params)
        if not math.isfinite(loss.data):
            raise InputError("the loss is no number: the learning rate, --lr, is too large")
        loss.backward()
        for p in params:
            p.data -= lr * (steps - step) / steps * p.grad  # first far, then with care
            p.grad = 0.0  # or the next backward() would add to it
        yield loss.data


# You can stop here: what follows draws and reads options.

# %% 8. Pictures
# What did backward() do? A graph with the data and the grad of every Value shows it. And what did
# the network learn? A map of its inputs shows which of them it takes for which moon.
def draw_graph(value, names, branch="", below=""):
    """Print a Value above what it was computed from, with data and grad. names: {Value: name}."""
    name = " = ".join(filter(None, (names.get(value), value.op)))
    print(f"{branch + name:34} data {value.data:<10.5g} grad {value.grad:.5g}")
    for parent in value.parents:
        last = parent is value.parents[-1]
        draw_graph(parent, names, below + "├└"[last] + "─ ", below + "│ "[last] + "  ")


def show_graph():
    """Print the graph of a neuron of three inputs, made of * and +."""
    names = {"x1": 1.0, "w1": 0.5, "x2": -2.0, "w2": 0.3, "x3": 3.0, "w3": 0.2, "b": -0.1}
    values = {Value(data): name for name, data in names.items()}
    x1, w1, x2, w2, x3, w3, b = values
    out = (x1 * w1 + x2 * w2 + x3 * w3 + b).tanh()
    out.backward()
    print("\na neuron; grad is how fast out grows with respect to each")
    draw_graph(out, {**values, out: "out"})


def draw_map(model, points, width=64, height=20):
    """Print a map: ░ where the model's score is above 0; points of label 1 are ●, others o."""
    left, bottom, dx, dy = -1.5, -1.0, 4 / width, 2.5 / height  # a character is dx wide, dy high
    rows = [["░" if model((left + (i + 0.5) * dx, bottom + (j + 0.5) * dy))[0].data > 0 else " "
             for i in range(width)] for j in range(height)]
    for (x, y), label in points:
        rows[int((y - bottom) / dy)][int((x - left) / dx)] = "●" if label > 0 else "o"
    for row in reversed(rows):
        print("".join(row).rstrip())


# %% 9. The command line
def main(argv=None):
    """Shows what each section finds, then trains on two moons. Raises InputError."""
    parser = argparse.ArgumentParser(usage="micrograd.py [options]")
    for name, default, phrase in (("--steps", 200, "training steps"),
                                  ("--lr", 1.0, "learning rate at first"),
                                  ("--n-hidden", 16, "neurons in each of the two hidden layers"),
                                  ("--seed", 42, "where all randomness starts")):
        parser.add_argument(name, type=type(default), default=default,
                            help=f"{phrase} (default: {default})")
    args = parser.parse_args(argv)
    if not (args.steps >= 0 and 0 < args.lr < math.inf and args.n_hidden > 0 and args.seed >= 0):
        raise InputError("out of range: --lr and --n-hidden are above 0, --steps and --seed from 0")
    show_two_neurons()
    show_order()
    show_graph()

    rng = random.Random(args.seed)
    points, dev = two_moons(100, rng), two_moons(100, rng)
    model = MLP(2, [args.n_hidden, args.n_hidden, 1], rng)
    step, begun = 0, time.monotonic()
    try:
        print(f"\ntwo moons, {len(model.parameters())} parameters", flush=True)
        for step, loss in enumerate(train(model, points, args.steps, args.lr), start=1):
            left = (time.monotonic() - begun) / step * (args.steps - step)
            if sys.stderr.isatty():
                print(f"step {step:5}  loss {loss:.4f}  {left:.0f} s left   ", end="\r",
                      file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"\nstopped at step {step}; Ctrl-C again quits", file=sys.stderr)
    for name, some in (("train", points), ("dev", dev)):
        right = sum(model(point)[0].data * label > 0 for point, label in some)
        print(f"{name} loss {loss_of(model, some).data:.4f}  ({right} of {len(some)} points right)")
    draw_map(model, points)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"micrograd.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: with --lr 10 the train loss ends at 1: how many neurons of the last hidden layer are
# above 0 for any point? [none of 16] And if they bend with sin? [train all right, dev 51 of 100]
