"""A deep network with a long context: a tree of layers, and the same tree as convolutions.

mlp.py takes in its whole context in one layer: twice the context, twice the weights of that layer,
and what two neighbouring letters say together is learned anew at every place. Here neighbours are
joined two by two, layer after layer, in a tree: letters to pairs, pairs to fours, fours to eights.
Then comes a saving. The trees over contexts that are two letters apart have branches in common.
Computed once for each place of a name, they become a stack of convolutions, each of which looks
back twice as far as the one before: that is WaveNet.

    python wavenet.py                    train on names.txt, evaluate, sample; under a minute
    python wavenet.py --gated            then WaveNet's own block, at equal cost
    python wavenet.py --block-size 16    one layer more, and twice the context

Source: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio".
"""
import argparse
import itertools
import math
import operator
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# As before, each character is a token, and one more, the boundary, stands before and after every
# document (a name is a document): a name begins after a boundary, and to predict the next one is to
# say "this name is finished".
class InputError(ValueError):
    """What the user gave cannot be used: the program ends with this message."""


def read_lines(path):
    """Yields the lines of a UTF-8 file, or of standard input (-). Raises InputError for others."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as file:
            yield from map(str.strip, file)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None


def make_splits(documents, boundary, seed):
    """Lists of ids -> {"train": 80%, "dev": 10%, to choose settings by, "test": 10%, for the end},
    shuffled, each between two boundaries. Raises InputError if a split is empty."""
    if len(documents) < 3:
        raise InputError(f"{len(documents)} documents: train, dev and test need one each")
    examples = [[boundary, *ids, boundary] for ids in documents]
    random.Random(seed).shuffle(examples)
    n = max(1, len(examples) // 10)
    return {"train": examples[2 * n:], "dev": examples[:n], "test": examples[n:2 * n]}


# %% 2. A tensor that knows where it came from
# The Tensor of mlp.py: it remembers what it was computed from, and backward() asks of each number
# how the loss would change if it grew a little. What is new is a dimension. Data is of shape
# (batch, time, channels), in short (B, T, C): documents, their tokens in order, and for each token
# a row of numbers, its channels. Lists may differ in length, so documents may, too; shape then
# tells the time of the first.
class Tensor:
    """A number, or lists of numbers, rows or documents, and how to send a gradient back through it:
    local_backward makes a tuple of the gradient with respect to it, the share of each parent."""
    numbers = itertools.count()

    def __init__(self, data, parents=(), local_backward=lambda grad: ()):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, once backward() has run
        self.parents, self.local_backward = parents, local_backward
        self.number = next(Tensor.numbers)  # what it was computed from has smaller ones

    @property
    def shape(self):
        """() for a number, (n,) for a list, (n, m) for n rows of m, (B, T, C) for documents."""
        shape, data = (), self.data
        while hasattr(data, "__len__"):
            shape, data = shape + (len(data),), data[0]
        return shape

    def __add__(self, other):
        """The sum, number by number. Raises ValueError if the shapes differ."""
        return Tensor(add(self.data, other.data), (self, other), lambda grad: (grad, grad))

    def backward(self):
        """Add d self / d tensor to the .grad of every tensor that this number was computed from.
        Each sends its gradient on after all that was computed from it, and so is newer: we go from
        the newest to the oldest. Raises ValueError if self is not a single number."""
        if self.shape:
            raise ValueError(f"backward() starts from a number, not from shape {self.shape}")
        ancestors, new = set(), [self]
        while new:
            tensor = new.pop()
            if tensor not in ancestors:
                ancestors.add(tensor)
                new.extend(tensor.parents)
        arrived = {self: 1.0}  # d self / d self
        for tensor in sorted(ancestors, key=lambda tensor: tensor.number, reverse=True):
            grad = arrived.pop(tensor)
            tensor.grad = grad if tensor.grad is None else add(tensor.grad, grad)
            for parent, share in zip(tensor.parents, tensor.local_backward(grad), strict=True):
                arrived[parent] = add(arrived[parent], share) if parent in arrived else share


def add(a, b):
    """The sum of two numbers, or number by number of two nested lists of one shape."""
    if not isinstance(a, list):
        return a + b
    if len(a) != len(b):
        raise ValueError(f"a sum of {len(a)} and of {len(b)} numbers or rows")
    if isinstance(a[0], list):
        return [add(p, q) for p, q in zip(a, b)]
    return [a[i] + b[i] for i in range(len(a))]


def transpose(rows):
    """n rows of m numbers -> m rows of n."""
    return [[row[i] for row in rows] for i in range(len(rows[0]))]


def rows_of(data):
    """The rows of all documents in one list: (B, T, C) -> (N, C)."""
    return [row for document in data for row in document]


def cut_like(rows, data):
    """The opposite: N rows cut again into documents as long as those of data."""
    rows = iter(rows)
    return [list(itertools.islice(rows, len(document))) for document in data]


def map_rows(f, *data):
    """f of each row, or of the rows that stand at the same place: each (B, T, C) -> (B, T, C')."""
    return [[f(*rows) for rows in zip(*documents, strict=True)]
            for documents in zip(*data, strict=True)]


# %% 3. Modules
# A module is a layer: an object that holds its parameters and, called on a Tensor, gives another.
# Deep networks are put together from them like a wall from bricks.
def inner(a, b):
    """The dot products of all rows of a with all rows of b: (n, k), (m, k) -> (n, m)."""
    out, k = [], len(b[0])
    for p in a:
        row = []
        for q in b:
            total = 0.0
            for i in range(k):
                total += p[i] * q[i]
            row.append(total)
        out.append(row)
    return out


def dot(p, q):
    """The dot product of two rows."""
    return sum(map(operator.mul, p, q))


# The same, faster; you may skip it. PyPy compiles these loops to the speed of C; CPython makes an
# object of each product. math.dist makes none to give the distance of two rows, and the law of
# cosines has the dot product in it: |p - q|^2 = |p|^2 + |q|^2 - 2 p.q. If p were much longer than
# q, rounding would swallow q: then a is first brought to the length of b.
if sys.implementation.name == "cpython":
    dot = getattr(math, "sumprod", dot)

    def transpose(rows):
        return [list(column) for column in zip(*rows)]

    def inner(a, b):
        if len(a) == 1:  # lengths and distances pay only if those of b are used again
            return [[dot(a[0], q) for q in b]]
        a, b = [tuple(p) for p in a], [tuple(q) for q in b]  # math.dist takes tuples
        a_lengths, b_lengths = ([math.hypot(*row) for row in rows] for rows in (a, b))
        scale = (max(a_lengths) or 1.0) / (max(b_lengths) or 1.0)
        if 0 < scale < 0.001 or scale > 1000:
            a = [tuple([x / scale for x in p]) for p in a]
        else:
            scale = 1.0
        half, dist, b_squares, out = scale / 2, math.dist, [s * s for s in b_lengths], []
        for p, length in zip(a, a_lengths):
            square = (length / scale) * (length / scale)
            out.append([half * (square + s - (d := dist(p, q)) * d) for s, q in zip(b_squares, b)])
        return out


class Module:
    """What all layers have in common: parameters, and whether they are in training."""
    training = True  # False while evaluating and sampling: batch norm works differently then

    def modules(self):
        """Itself and, if it is made of others, all of them."""
        return [self]

    def parameters(self):
        """The tensors that training changes."""
        return [p for module in self.modules() for p in vars(module).values()
                if isinstance(p, Tensor)]

    def train(self, mode=True):
        """Tells all its modules that they are in training or, if mode is False, are not."""
        for module in self.modules():
            module.training = mode

    def __repr__(self):
        return type(self).__name__


def normal(n, m, std, rng):
    """A Tensor (n, m) of random numbers around 0 with this standard deviation."""
    return Tensor([[rng.gauss(0, std) for _ in range(m)] for _ in range(n)])


class Embedding(Module):
    """A row of n_embd numbers for each token: ids (B, T) -> (B, T, n_embd).
    Raises InputError for an id that is not from 0 to vocab_size - 1."""

    def __init__(self, vocab_size, n_embd, rng):
        self.weight = normal(vocab_size, n_embd, 0.3, rng)  # near each other at first

    def __call__(self, documents):
        weight = self.weight
        if not all(0 <= i < len(weight.data) for ids in documents for i in ids):
            raise ValueError(f"ids must be from 0 to {len(weight.data) - 1}")

        def backward(grad):
            d_weight = [[0.0] * len(row) for row in weight.data]
            for i, row in zip(itertools.chain(*documents), rows_of(grad), strict=True):
                d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
            return (d_weight,)
        return Tensor([[list(weight.data[i]) for i in ids] for ids in documents], (weight,), backward)


class Linear(Module):
    """Each row of x (B, T, n_in) times weight (n_in, n_out), plus bias (n_out): -> (B, T, n_out).
    Raises ValueError if x does not have n_in channels."""

    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True):
        # a sum of n_in products then spreads as much as what is summed, times gain
        self.weight = normal(n_in, n_out, gain / math.sqrt(n_in), rng)
        self.bias = Tensor([0.0] * n_out) if bias else None

    def __call__(self, x):
        weight, bias, rows = self.weight, self.bias, rows_of(x.data)
        if len(rows[0]) != len(weight.data):
            raise ValueError(f"{self}: {x.shape} and {weight.shape} do not fit")
        out = inner(rows, transpose(weight.data))
        if bias:
            out = [add(row, bias.data) for row in out]

        def backward(grad):
            # An input gets the gradient of each output times the weight between them; a weight gets,
            # in every row, the gradient of its output times its input; and a bias that of its output.
            grad = rows_of(grad)
            columns = transpose(grad)
            d_x = cut_like(inner(grad, weight.data), x.data)  # grad @ weight.T
            d_weight = inner(transpose(rows), columns)        # x.T @ grad
            return (d_x, d_weight, list(map(sum, columns))) if bias else (d_x, d_weight)
        return Tensor(cut_like(out, x.data), (x, weight, bias) if bias else (x, weight), backward)


class Tanh(Module):
    """The hyperbolic tangent of each number."""

    def __call__(self, x):
        out = map_rows(lambda row: [math.tanh(v) for v in row], x.data)

        def backward(grad):  # tanh' = 1 - tanh^2
            return (map_rows(lambda g, t: [g[i] * (1 - t[i] * t[i]) for i in range(len(t))],
                             grad, out),)
        return Tensor(out, (x,), backward)


class BatchNorm1d(Module):
    """Each channel, over batch and time, to mean 0 and variance 1, then scaled and shifted.
    Out of training, with running means and variances: the plain average of the first 100 batches,
    after which each new batch counts 1%. Ioffe and Szegedy 2015, "Batch Normalization"."""

    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)  # the scale and the shift
        self.running_mean, self.running_var, self.batches = [0.0] * n, [1.0] * n, 0

    def __call__(self, x):
        columns = transpose(rows_of(x.data))  # (C, N): a row is a channel
        n, training = len(columns[0]), self.training
        if training:
            means = [sum(column) / n for column in columns]
            variances = [sum([(v - mean) * (v - mean) for v in column]) / n
                         for column, mean in zip(columns, means)]
            self.remember(means, variances, n)
        else:
            means, variances = self.running_mean, self.running_var
        scales = [1 / math.sqrt(variance + 1e-5) for variance in variances]
        normed = [[(v - mean) * scale for v in column]
                  for column, mean, scale in zip(columns, means, scales, strict=True)]
        out = [[v * w + b for v in column]
               for column, w, b in zip(normed, self.weight.data, self.bias.data)]

        def backward(grad):
            d_x, d_weight, d_bias = [], [], []
            for g, column, scale, w in zip(transpose(rows_of(grad)), normed, scales,
                                           self.weight.data):
                d_bias.append(sum(g))
                d_weight.append(dot(g, column))
                # In training, adding a constant to a channel, or stretching it, changes nothing, so
                # the gradient has no part in these directions.
                shift, stretch = (d_bias[-1] / n, d_weight[-1] / n) if training else (0.0, 0.0)
                k = w * scale
                d_x.append([k * (g[i] - shift - stretch * column[i]) for i in range(n)])
            return cut_like(transpose(d_x), x.data), d_weight, d_bias
        return Tensor(cut_like(transpose(out), x.data), (x, self.weight, self.bias), backward)

    def remember(self, means, variances, n):
        """Makes the means and variances of a batch of n rows part of the running ones. Of a batch,
        the variance is a little too small, as its mean is its own: n / (n - 1) makes up for it."""
        self.batches += 1
        new = max(0.01, 1 / self.batches)
        self.running_mean = [(1 - new) * old + new * mean
                             for old, mean in zip(self.running_mean, means)]
        self.running_var = [(1 - new) * old + new * variance * n / (n - 1)
                            for old, variance in zip(self.running_var, variances)]


class Sequential(Module):
    """Layers, each of which works on what the one before it gave."""

    def __init__(self, layers):
        self.layers = layers

    def modules(self):
        return [self, *(module for layer in self.layers for module in layer.modules())]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def count(tensors):
    """How many numbers the tensors have together."""
    return sum(math.prod(tensor.shape) for tensor in tensors)


def show_shapes(title, model, x):
    """Prints the shape that comes out of each layer of a Sequential and its number of parameters.
    Returns what comes out of the last, and the multiplications of all its Linear layers."""
    multiplications = 0
    print(f"\n{title:32}output shape  parameters")
    for layer in model.layers:
        x = layer(x)
        print(f"  {str(layer):30}{str(x.shape):14}{count(layer.parameters()):10}")
        if isinstance(layer, Linear):
            multiplications += len(rows_of(x.data)) * count([layer.weight])
    return x, multiplications


# %% 4. The tree
class FlattenConsecutive(Module):
    """Each n rows that follow each other laid end to end: (B, T, C) -> (B, T / n, n * C).
    Raises ValueError if the time of a document is no multiple of n."""

    def __init__(self, n):
        self.n = n

    # exercise 4.1: joining neighbours
    def __call__(self, x):
        """x (B, T, C) -> (B, T / n, n * C), a Tensor with the way back: each long row is cut.
        Documents may differ in T. Raises ValueError if a T is no multiple of n."""
        n, m = self.n, len(x.data[0][0])
        if any(len(rows) % n for rows in x.data):
            raise ValueError(f"{self}: {x.shape}, and not all times are multiples of {n}")
        out = [[sum(rows[t:t + n], []) for t in range(0, len(rows), n)] for rows in x.data]

        def backward(grad):
            return ([[row[i:i + m] for row in rows for i in range(0, n * m, m)] for rows in grad],)
        return Tensor(out, (x,), backward)


def contexts_of(ids, block_size):
    """For each of ids but the first, the block_size ids before it: -> (len(ids) - 1, block_size).
    Before the first, which is a boundary, stand as many more as it takes."""
    padded = [ids[0]] * (block_size - 1) + ids
    return [padded[t:t + block_size] for t in range(len(ids) - 1)]


def build_tree(vocab_size, block_size, n_embd, n_hidden, rng):
    """The tree: contexts (B, block_size) -> logits (B, 1, vocab_size).
    Raises InputError if block_size cannot be halved until it is 1."""
    if block_size not in [2 ** k for k in range(1, 11)]:
        raise InputError(f"a context of {block_size}: it must be 2, 4, 8 ... or 1024")
    layers, n_in, gain = [Embedding(vocab_size, n_embd, rng)], n_embd, 1.0
    while block_size > 1:
        # no bias, as batch norm would take it away again
        layers += [FlattenConsecutive(2), Linear(2 * n_in, n_hidden, rng, gain, bias=False),
                   BatchNorm1d(n_hidden), Tanh()]
        block_size, n_in, gain = block_size // 2, n_hidden, 5 / 3  # the gain after tanh: see mlp.py
    return Sequential([*layers, Linear(n_hidden, vocab_size, rng, gain=0.1)])  # unsure at first


def draw_tree(letters):
    """Prints the tree over a context, a line for each layer: what is joined there, two by two."""
    lines, width = ["input    " + "   ".join(letters)], 2
    while width <= len(letters):
        joint = " " * (2 * width - 4) + "┌" + "─" * (2 * width - 1) + "┤"
        joints = len(letters) // width * f"{joint:{4 * width}}"
        lines.append(f"layer {len(lines)}  {joints.rstrip()}")
        width *= 2
    print("\nwhat the last prediction is made from", *reversed(lines), sep="\n")


# %% 5. The same as convolutions
# exercise 4.2: looking back
def look_back(x, dilation):
    """To each row the one `dilation` places before it, in front: x (B, T, C) -> (B, T, 2 * C).
    Before the first row of a document stand copies of it. A Tensor with the way back: a row gets
    the gradients of all places that it was copied to."""
    m = len(x.data[0][0])
    out = [[rows[max(0, t - dilation)] + row for t, row in enumerate(rows)] for rows in x.data]

    def backward(grad):
        d_x = []
        for d_out in grad:
            d_rows = [row[m:] for row in d_out]
            for t, row in enumerate(d_out):
                before = max(0, t - dilation)
                d_rows[before] = add(d_rows[before], row[:m])
            d_x.append(d_rows)
        return (d_x,)
    return Tensor(out, (x,), backward)


class CausalConv1d(Linear):
    """A Linear layer of each row and the one `dilation` places before it: (B, T, n_in) ->
    (B, T, n_out), with weight (2 * n_in, n_out), the earlier row first."""

    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True, dilation=1):
        super().__init__(2 * n_in, n_out, rng, gain, bias)
        self.dilation = dilation

    def __call__(self, x):
        return super().__call__(look_back(x, self.dilation))

    def __repr__(self):
        return f"CausalConv1d, dilation {self.dilation}"


# exercise 4.3 (needs 4.2): the tree as convolutions
def as_convolutions(tree):
    """The tree as a network of convolutions: documents (B, T) -> logits (B, T, vocab_size).
    In place of each FlattenConsecutive and the Linear after it stands a CausalConv1d with the same
    weight; the dilations are 1, 2, 4 ... All tensors and running statistics are those of the tree:
    when one learns, both do."""
    layers, todo, dilation = [], iter(tree.layers), 1
    for layer in todo:
        if isinstance(layer, FlattenConsecutive):
            weight = next(todo).weight
            n_in, n_out = weight.shape
            layer = CausalConv1d(n_in // 2, n_out, random, bias=False, dilation=dilation)
            layer.weight, dilation = weight, 2 * dilation
        layers.append(layer)
    return Sequential(layers)


# %% 6. Loss and training
def softmax(row):
    """Any numbers to numbers from 0 to 1 that sum to 1, in proportion to their exponentials.
    Raises InputError if the numbers grew without bound in training."""
    top = max(row)  # subtracted, it cancels out, and no exponential can overflow
    exps = [math.exp(v - top) for v in row]
    total = sum(exps)
    if not total >= 1:  # exp(top - top) alone is 1
        raise InputError("the logits are no numbers: the weights have become too large")
    return [e / total for e in exps]


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (B, T, vocab_size), ids (B, T) -> nats a
    token. Raises ValueError for a target out of range."""
    rows, targets = rows_of(logits.data), list(itertools.chain(*targets))
    n, vocab_size = len(rows), len(rows[0])
    if not 0 <= min(targets) <= max(targets) < vocab_size:
        raise ValueError(f"targets {targets} are not all below {vocab_size}")
    probs = [softmax(row) for row in rows]
    # -log p[target] = (top logit - target's logit) - log(top p): p[target] itself can round to 0
    loss = sum(max(row) - row[target] - math.log(max(p))
               for row, p, target in zip(rows, probs, targets, strict=True)) / n

    def backward(grad):  # d loss / d logit = (p - 1 if it is the target's, else p) / n
        d_logits = [[grad / n * p for p in row] for row in probs]
        for row, target in zip(d_logits, targets):
            row[target] -= grad / n
        return (cut_like(d_logits, logits.data),)
    return Tensor(loss, (logits,), backward)


def loss_of(model, examples):
    """The loss of a batch of examples, in nats a token, as a Tensor."""
    return cross_entropy(model([ids[:-1] for ids in examples]), [ids[1:] for ids in examples])


def evaluate(model, examples):
    """The mean loss over all tokens of the examples, in nats a token."""
    model.train(False)
    batches = [examples[i:i + 64] for i in range(0, len(examples), 64)]
    counts = [sum(map(len, batch)) - len(batch) for batch in batches]
    return dot([loss_of(model, batch).data for batch in batches], counts) / sum(counts)


def as_rows(data):
    """The rows of a matrix; a list of numbers counts as one row."""
    return data if hasattr(data[0], "__len__") else [data]


def train(model, examples, steps, batch_size, lr, rng):
    """Train the model, yielding the loss of each step, on examples that rng draws."""
    params = model.parameters()
    for step in range(steps):
        model.train()
        loss = loss_of(model, rng.choices(examples, k=batch_size))
        for p in params:
            p.grad = None  # of the step before
        loss.backward()
        rate = lr * (steps - step) / steps
        for p in params:
            for row, grads in zip(as_rows(p.data), as_rows(p.grad), strict=True):
                for i, g in enumerate(grads):
                    row[i] -= rate * g
        yield loss.data


# %% 7. WaveNet's own block
# exercise 4.4: the gate
def gated(x):
    """tanh of each row's first half times sigmoid of its second half: (B, T, 2n) -> (B, T, n).
    A Tensor, with the way back to x. van den Oord et al. 2016, equation 2."""
    n = len(x.data[0][0]) // 2
    tanhs = map_rows(lambda row: [math.tanh(v) for v in row[:n]], x.data)
    # sigmoid(v) = 1 / (1 + e^-v) = (1 + tanh(v / 2)) / 2, in which nothing can overflow
    gates = map_rows(lambda row: [0.5 + 0.5 * math.tanh(0.5 * v) for v in row[n:]], x.data)
    out = map_rows(lambda t, s: [t[i] * s[i] for i in range(n)], tanhs, gates)

    def backward(grad):  # (t s)' = (1 - t^2) s in the first half, t s (1 - s) in the second
        return (map_rows(lambda g, t, s: [g[i] * (1 - t[i] * t[i]) * s[i] for i in range(n)]
                         + [g[i] * t[i] * s[i] * (1 - s[i]) for i in range(n)],
                         grad, tanhs, gates),)
    return Tensor(out, (x,), backward)


def relu(x):
    """Negative numbers become 0, and get no gradient."""
    out = map_rows(lambda row: [0.0 if v < 0 else v for v in row], x.data)

    def backward(grad):
        return (map_rows(lambda g, row: [g[i] if row[i] > 0 else 0.0 for i in range(len(g))],
                         grad, out),)
    return Tensor(out, (x,), backward)


class WaveNet(Module):
    """Gated blocks with residual and skip connections: documents (B, T) -> logits (B, T,
    vocab_size). van den Oord et al. 2016, figure 4, with n channels everywhere."""

    def __init__(self, vocab_size, block_size, n, rng):
        self.embedding, self.blocks, dilation = Embedding(vocab_size, n, rng), [], 1
        while dilation < block_size:
            # the last block needs no residual, as no other comes after it
            self.blocks.append([CausalConv1d(n, 2 * n, rng, dilation=dilation), Linear(n, n, rng)]
                               + [Linear(n, n, rng)] * (2 * dilation < block_size))
            dilation *= 2
        self.mix, self.head = Linear(n, n, rng, math.sqrt(2)), Linear(n, vocab_size, rng, 0.1)

    def modules(self):
        return [self, self.embedding, *itertools.chain(*self.blocks), self.mix, self.head]

    # exercise 4.5 (needs 4.2, 4.4): residual and skip connections
    def __call__(self, x):
        x, shares = self.embedding(x), []
        for conv, skip, *residual in self.blocks:
            out = gated(conv(x))
            shares.append(skip(out))
            for layer in residual:
                x = x + layer(out)
        total = shares[0]
        for share in shares[1:]:
            total = total + share
        return self.head(relu(self.mix(relu(total))))


# %% 8. Samples
def sample(model, boundary, rng, max_new_tokens=50):
    """Draws a text, a list of ids, token by token, until that is the boundary or it is cut."""
    model.train(False)
    ids = [boundary]
    while len(ids) <= max_new_tokens:
        probs = softmax(model([ids]).data[0][-1])
        token = rng.choices(range(len(probs)), probs)[0]
        if token == boundary:
            break
        ids.append(token)
    return ids[1:]


# You can stop here: what follows reads options.

# %% 9. The command line
# Nothing below is about networks.
SETTINGS = """\
--data        str    None  UTF-8 text, a document a line, in place of names.txt
--steps       int    3000  training steps
--batch-size  int    12    documents a step
--lr          float  0.8   learning rate at first
--seed        int    42    where all randomness starts
--block-size  int    8     tokens it can look at: 2, 4, 8 ...
--n-embd      int    12    channels of an embedding
--n-hidden    int    32    channels of the other layers
--eval-docs   int    2000  documents of each split to evaluate on
--samples     int    20    texts to invent"""
MAY_BE_0 = "steps seed eval_docs samples test gated".split()


def read_options(argv):
    """The options, as attributes. Raises InputError for a number out of range."""
    parser = argparse.ArgumentParser(usage="wavenet.py [options]")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    parser.add_argument("--gated", action="store_true", help="train WaveNet's own block, too")
    for row in SETTINGS.splitlines():
        name, kind, default, phrase = row.split(maxsplit=3)
        kind = {"str": str, "int": int, "float": float}[kind]
        parser.add_argument(name, type=kind, help=f"{phrase} (default: {default})",
                            default=None if default == "None" else kind(default))
    args = parser.parse_args(argv)
    for name, value in vars(args).items():
        if isinstance(value, (int, float)) and not (value > 0 or value == 0 and name in MAY_BE_0):
            raise InputError(f"{name}: {value} is out of range")
    return args


def main(argv=None):
    """Shows the networks, trains, evaluates and samples. Raises InputError and OSError."""
    args = read_options(argv)
    lines = [line for line in read_lines(args.data or Path(__file__).with_name("names.txt")) if line]
    characters = "".join(sorted(set("".join(lines))))
    boundary = len(characters)
    documents = [[characters.index(char) for char in line] for line in lines]
    splits = make_splits(documents, boundary, args.seed)
    text = lambda ids: "".join(characters[i:i + 1] for i in ids)

    tree = build_tree(boundary + 1, args.block_size, args.n_embd, args.n_hidden,
                      random.Random(args.seed))
    convolutions = as_convolutions(tree)
    tree.train(False)
    ids = max(splits["dev"][:20], key=len)
    contexts = contexts_of(ids, args.block_size)
    n = len(contexts)
    logits, cost = show_shapes(f"{n} contexts, as a tree", tree, contexts)
    logits2, cost2 = show_shapes("their document, as convolutions", convolutions, [ids[:-1]])
    difference = max(abs(a - b) for p, q in zip(rows_of(logits.data), rows_of(logits2.data)) for a, b in zip(p, q))
    print(f"{cost} {cost2} {difference}")
    draw_tree([text([i]) or "·" for i in contexts[-1]])
    for name, model in [("plain", convolutions)]:
        losses, begun, steps = [], time.monotonic(), args.steps
        rng = random.Random(args.seed)
        try:
            for loss in train(model, splits["train"], steps, args.batch_size, args.lr,
                              random.Random(args.seed)):
                losses.append(loss)
                step, mean = len(losses), sum(losses[-100:]) / len(losses[-100:])
                left = (time.monotonic() - begun) / step * (steps - step)
                line = f"step {step:5}  loss {mean:.4f}"
                if sys.stderr.isatty():
                    print(f"{line}  {left:.0f} s left   ", end="\r", file=sys.stderr, flush=True)
                if step == 1 or step % max(1, steps // 10) == 0:
                    print(f"{line} |{' ' * round(min(9 * mean, 38))}*  {text(sample(model, boundary, rng))}", flush=True)
        except KeyboardInterrupt:
            print(f"\nstopped at step {len(losses)}; Ctrl-C again quits", file=sys.stderr)
        for name in ("train", "dev", "test")[:2 + args.test] if args.eval_docs else ():
            print(f"{name} loss {evaluate(model, splits[name][:args.eval_docs]):.4f}", flush=True)
        for _ in range(args.samples):
            print(text(sample(model, boundary, rng)))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"wavenet.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
