"""A deep network with a long context: a tree of layers, and the same tree as convolutions.

mlp.py takes in its context in one wide layer. Here neighbours are joined two by two, layer after
layer, in a tree: letters to pairs, pairs to fours, fours to eights. Then comes a saving: the trees
over contexts that are two letters apart have branches in common. Computed only once for each place
of a name, they become a stack of convolutions, each of which looks back twice as far as the one
before. That is WaveNet: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio".

    python wavenet.py                    train on names.txt, evaluate, sample; under a minute
    python wavenet.py --gated            then WaveNet's own block, at equal cost
    python wavenet.py --block-size 16    one layer more, and twice the context
"""
import argparse
import itertools
import math
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# As before, each character is a token, and one more, the boundary, stands before and after every
# document (a name is a document): the first letter is predicted from a boundary, and to predict
# another one is to say "this name is finished".
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
    shuffled, boundaries added. Raises InputError if a split is empty."""
    if len(documents) < 3:
        raise InputError(f"{len(documents)} documents: train, dev and test need one each")
    examples = [[boundary, *ids, boundary] for ids in documents]
    random.Random(seed).shuffle(examples)
    n = max(1, len(examples) // 10)
    return {"train": examples[2 * n:], "dev": examples[:n], "test": examples[n:2 * n]}


# %% 2. A tensor that knows where it came from
# The Tensor of mlp.py remembers what it was computed from; backward() asks of each number how the
# loss would change if it grew a little. What is new is a dimension: data is (batch, time, channels)
# now, in short (B, T, C): documents, their tokens in order, and a row of numbers, its channels, for
# each token. Documents may differ in length; the shape tells that of the first.
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
    return [list(column) for column in zip(*rows)]


def rows_of(data):
    """The rows of all documents in one list: (B, T, C) -> (N, C)."""
    return [row for document in data for row in document]


def cut_like(rows, data):
    """The opposite: N rows cut again into documents as long as those of data."""
    rows = iter(rows)
    return [list(itertools.islice(rows, len(document))) for document in data]


# %% 3. Modules
# How does one put a deep network together without losing track? From modules: a module is a layer,
# an object that holds its parameters and, called on a Tensor, gives another. What has to fit are
# the shapes that they pass on; show_shapes prints them. The modules of this section treat each row
# alike, wherever it stands. Most of their work is dot products, forward and backward.
def inner(a, b):
    """The dot products of all rows of a with all rows of b: (n, k), (m, k) -> (n, m)."""
    return [[dot(p, q) for q in b] for p in a]


def dot(p, q):
    """The dot product of two rows."""
    total = 0.0
    for i in range(len(p)):
        total += p[i] * q[i]
    return total


# The same, faster; you may skip it. PyPy compiles these loops to the speed of C; CPython makes an
# object of each product. math.dist makes none to give the distance of two rows, and the law of
# cosines has the dot product in it: |p - q|^2 = |p|^2 + |q|^2 - 2 p.q. If p were much longer than
# q, rounding would swallow q: then a is first brought to the length of b.
if sys.implementation.name == "cpython":
    def inner(a, b):
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
    """What layers have in common: parameters, perhaps layers that they are made of, and training,
    which is False while evaluating and sampling: batch norm works differently then."""
    training, layers = True, ()

    def modules(self):
        """Itself, its layers, and theirs."""
        return [self] + [module for layer in self.layers for module in layer.modules()]

    def parameters(self):
        """The tensors that training changes."""
        return [value for module in self.modules() for value in vars(module).values()
                if isinstance(value, Tensor)]

    def train(self, mode=True):
        """Says that training begins or, if mode is False, that it is over."""
        for module in self.modules():
            module.training = mode

    def __repr__(self):
        return type(self).__name__


class Embedding(Module):
    """A row of n_embd numbers for each token: ids (B, T) -> (B, T, n_embd).
    Raises ValueError for an id that has no row."""

    def __init__(self, vocab_size, n_embd, rng):
        self.weight = Tensor([[rng.gauss(0, 0.3) for _ in range(n_embd)] for _ in range(vocab_size)])

    def __call__(self, documents):
        table, ids = self.weight.data, [i for document in documents for i in document]
        if not 0 <= min(ids) <= max(ids) < len(table):  # -1 would be the last row
            raise ValueError(f"ids from {min(ids)} to {max(ids)}, but {len(table)} rows")

        def backward(grad):
            d_weight = [[0.0] * len(row) for row in table]
            for i, row in zip(ids, rows_of(grad), strict=True):
                d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
            return (d_weight,)
        return Tensor(cut_like([list(table[i]) for i in ids], documents), (self.weight,), backward)


class Linear(Module):
    """Each row of x (B, T, n_in) times weight (n_in, n_out), plus bias (n_out): -> (B, T, n_out).
    Raises ValueError if x does not have n_in channels."""

    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True):
        std = gain / math.sqrt(n_in)  # sums of n_in products then spread as they do, times gain
        self.weight = Tensor([[rng.gauss(0, std) for _ in range(n_out)] for _ in range(n_in)])
        self.bias = Tensor([0.0] * n_out) if bias else None

    def __call__(self, x):
        weight, bias, rows = self.weight, self.bias, rows_of(x.data)
        if len(rows[0]) != len(weight.data):
            raise ValueError(f"{self}: {x.shape} and {weight.shape} do not fit")
        out = inner(rows, transpose(weight.data))
        if bias:
            out = [add(row, bias.data) for row in out]

        def backward(grad):
            # An input gets the gradient of each output times the weight between them; a weight,
            # in every row, that of its output times its input; and a bias that of its output.
            grad = rows_of(grad)
            columns = transpose(grad)
            d_x = cut_like(inner(grad, weight.data), x.data)  # grad @ weight.T
            d_weight = inner(transpose(rows), columns)        # x.T @ grad
            return (d_x, d_weight, list(map(sum, columns))) if bias else (d_x, d_weight)
        return Tensor(cut_like(out, x.data), (x, weight, bias) if bias else (x, weight), backward)


class Tanh(Module):
    """The hyperbolic tangent of each number."""

    def __call__(self, x):
        out = [[math.tanh(v) for v in row] for row in rows_of(x.data)]

        def backward(grad):  # tanh' = 1 - tanh^2
            d_x = [[g * (1 - t * t) for g, t in zip(*rows)] for rows in zip(rows_of(grad), out)]
            return (cut_like(d_x, x.data),)
        return Tensor(cut_like(out, x.data), (x,), backward)


class BatchNorm1d(Module):
    """Each channel of x (B, T, n) to mean 0 and variance 1 over batch and time, as it means the
    same at all places; then scaled and shifted. Out of training by running means and variances: the
    plain average of the first 100 batches, then each new one counts 1%.
    Ioffe and Szegedy 2015, "Batch Normalization", algorithms 1 and 2."""

    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)  # the scale and the shift
        self.running_mean, self.running_var, self.batches = [0.0] * n, [1.0] * n, 0

    def __call__(self, x):
        columns = transpose(rows_of(x.data))  # (n, N): a row is a channel
        N, training, normed, scales = len(columns[0]), self.training, [], []
        self.batches += training
        for c, column in enumerate(columns):
            if training:
                mean = sum(column) / N
                variance = sum([(v - mean) * (v - mean) for v in column]) / N
                new = max(0.01, 1 / self.batches)
                self.running_mean[c] += new * (mean - self.running_mean[c])
                # around the batch's own mean it is too small: N - 1 makes up for that
                self.running_var[c] += new * (variance * N / (N - 1) - self.running_var[c])
            else:
                mean, variance = self.running_mean[c], self.running_var[c]
            scales.append(1 / math.sqrt(variance + 1e-5))
            normed.append([(v - mean) * scales[c] for v in column])
        out = [[v * w + b for v in column] for column, w, b in
               zip(normed, self.weight.data, self.bias.data, strict=True)]

        def backward(grad):
            d_x, d_weight, d_bias = [], [], []
            for gs, column, scale, w in zip(transpose(rows_of(grad)), normed, scales,
                                            self.weight.data, strict=True):
                d_bias.append(sum(gs))
                d_weight.append(sum([g * v for g, v in zip(gs, column)]))
                # In training, adding a constant to a channel, or stretching it, changes nothing,
                # so the gradient has no part in these directions.
                shift, stretch = (d_bias[-1] / N, d_weight[-1] / N) if training else (0.0, 0.0)
                k = w * scale
                d_x.append([k * (g - shift - stretch * v) for g, v in zip(gs, column)])
            return cut_like(transpose(d_x), x.data), d_weight, d_bias
        return Tensor(cut_like(transpose(out), x.data), (x, self.weight, self.bias), backward)


class Sequential(Module):
    """Layers, each of which works on what the one before it gave."""

    def __init__(self, layers):
        self.layers = layers

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def cost(model):
    """How many products its Linear layers sum up for a row each: one for each weight."""
    return sum(math.prod(module.weight.shape) for module in model.modules()
               if isinstance(module, Linear))


def show_shapes(title, model, x):
    """Prints what each layer of a Sequential gives, and returns what the last one gives."""
    print(f"\n{title:27}output shape  parameters")
    products = 0
    for layer in model.layers:
        x = layer(x)
        products += len(rows_of(x.data)) * cost(layer)
        n = sum(math.prod(p.shape) for p in layer.parameters())
        print(f"  {layer!s:25}{x.shape!s:14}{n:10}")
    print(f"  {products} products")
    return x


# %% 4. The tree
# What is wrong with one wide layer over a longer context? Each of its neurons has weights of its
# own for every place, and must find everything at once. In a tree each layer has an easy task: it
# joins two neighbours into one. The first makes pairs of letters, the second joins pairs to fours,
# the third fours to eights, and all pairs are made with the same weights. Twice the context is one
# layer more, not twice the weights.
# exercise 4.1: rows joined, and the way back
def join(x, places_of):
    """Rows of x (B, T, C) end to end: -> (B, T', n * C), a Tensor with the way back.
    places_of(T) lists, for each new row of a document of T rows, the n places of those it is made
    of. A row gets the gradients of all places that it was copied to."""
    m = len(x.data[0][0])
    out = [[[v for i in places for v in rows[i]] for places in places_of(len(rows))]
           for rows in x.data]

    def backward(grad):
        d_x = []
        for rows, d_out in zip(x.data, grad, strict=True):
            d_rows = [[0.0] * m for _ in rows]
            for places, row in zip(places_of(len(rows)), d_out, strict=True):
                for k, i in enumerate(places):
                    d_rows[i] = add(d_rows[i], row[k * m:(k + 1) * m])
            d_x.append(d_rows)
        return (d_x,)
    return Tensor(out, (x,), backward)


class FlattenConsecutive(Module):
    """Each n rows that follow each other end to end: (B, T, C) -> (B, T / n, n * C)."""

    def __init__(self, n):
        self.n = n

    # exercise 4.2: neighbours
    def places(self, T):
        """The places that become one row, for each of T / n rows. Raises ValueError for a rest."""
        if T % self.n:
            raise ValueError(f"{T} rows, which is no multiple of {self.n}")
        return [range(t, t + self.n) for t in range(0, T, self.n)]

    def __call__(self, x):
        return join(x, self.places)


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


def contexts_of(ids, block_size):
    """For each of ids but the first, the block_size ids before it; before all stands the first."""
    padded = ids[:1] * (block_size - 1) + ids
    return [padded[t:t + block_size] for t in range(len(ids) - 1)]


def draw_tree(letters):
    """Prints the tree over a context: what each layer joins, two by two."""
    lines, width = ["input    " + "   ".join(letters)], 2
    while width <= len(letters):
        branch = " " * (2 * width - 4) + "┌" + "─" * (2 * width - 1) + "┤"
        lines.append(f"layer {len(lines)}  " + f"{branch:{4 * width}}" * (len(letters) // width))
        width *= 2
    print(*reversed(lines), sep="\n")


# %% 5. The same as convolutions
# Move the context by two letters, and all pairs of its tree but one have been computed before; move
# it by four, and all fours but one. So compute at each place of a name, once, the pair that ends
# there. The second layer joins it with the pair that ended 2 places before, the third joins fours
# that end 4 places apart. That is a convolution (the same weights at every place), causal (it looks
# back only) and dilated (what it joins is `dilation` places apart): it gives the tree's logits, for
# all places at once. And before a name begins? There stand only boundaries, and of these a layer
# makes always the row that it makes at the first place, a boundary too: so that stands for them.
class CausalConv1d(Linear):
    """Linear of each row and the row `dilation` before it: (B, T, n_in) -> (B, T, n_out).
    weight is (2 * n_in, n_out), the earlier row first. Before the first row stand copies of it."""

    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True, dilation=1):
        super().__init__(2 * n_in, n_out, rng, gain, bias)
        self.dilation = dilation

    # exercise 4.3: looking back
    def places(self, T):
        """For each of T places, the one it looks back to, which is 0 if it were before, and it."""
        return [(max(0, t - self.dilation), t) for t in range(T)]

    def __call__(self, x):
        return super().__call__(join(x, self.places))

    def __repr__(self):
        return f"CausalConv1d, dilation {self.dilation}"


# exercise 4.4: the tree as convolutions
def as_convolutions(tree):
    """The tree as a network of convolutions: documents (B, T) -> logits (B, T, vocab_size).
    For each FlattenConsecutive(2) and the Linear after it comes a CausalConv1d with the same
    weight, the dilation 1, then 2, 4 ... All layers else are the tree's: what one learns, the other
    has learned."""
    layers, dilation, rest = [], 1, iter(tree.layers)
    for layer in rest:
        if isinstance(layer, FlattenConsecutive):
            weight = next(rest).weight
            layer = CausalConv1d(1, 1, random, bias=False, dilation=dilation)
            layer.weight, dilation = weight, 2 * dilation
        layers.append(layer)
    return Sequential(layers)


# %% 6. Loss and training
# The loss is -log of the probability of the token that came, averaged, in nats a token. We train the
# convolutions, on whole documents: several times as fast as the tree, context by context. (In
# training batch norm would average over other rows there; out of training both are the same.)
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
    rows, targets = rows_of(logits.data), [i for document in targets for i in document]
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


def train(model, examples, steps, batch_size, lr, seed):
    """Train the model, yielding the loss of each step. Each step takes a few examples at random and
    goes against the gradient, by lr times it at first, less and less towards the end."""
    rng, params = random.Random(seed), model.parameters()
    for step in range(steps):
        model.train()
        loss = loss_of(model, rng.choices(examples, k=batch_size))
        for p in params:
            p.grad = None  # of the step before
        loss.backward()
        rate = lr * (steps - step) / steps
        for p in params:
            p.data = add(p.data, scaled(p.grad, -rate))
        yield loss.data


def scaled(data, factor):
    """A list of numbers, or of rows, times factor."""
    return [scaled(v, factor) if isinstance(v, list) else factor * v for v in data]


def evaluate(model, examples):
    """The mean loss over all tokens of the examples, in nats a token."""
    model.train(False)
    total = 0.0
    for i in range(0, len(examples), 64):
        batch = examples[i:i + 64]
        total += loss_of(model, batch).data * sum(len(ids) - 1 for ids in batch)
    return total / sum(len(ids) - 1 for ids in examples)


# %% 7. WaveNet's own block
# WaveNet does more at each layer. A gate, a number from 0 to 1 (a sigmoid), is multiplied with the
# tanh: it may let a feature through at one place and stop it at another. What comes out is added to
# what went in, a residual connection: the layer only has to learn what to change, and gradients
# come through whole to the first. And the logits are not made from the last layer alone: each gives
# its share, a skip connection. There is no batch norm.
# exercise 4.5: the gate
def gated(x):
    """tanh of each row's first half times sigmoid of its second half: (B, T, 2n) -> (B, T, n).
    A Tensor, with the way back to x. van den Oord et al. 2016, equation 2."""
    n, rows = len(x.data[0][0]) // 2, rows_of(x.data)
    tanhs = [[math.tanh(v) for v in row[:n]] for row in rows]
    # sigmoid(v) = 1 / (1 + e^-v) = (1 + tanh(v / 2)) / 2, where nothing can overflow
    gates = [[0.5 + 0.5 * math.tanh(0.5 * v) for v in row[n:]] for row in rows]
    out = [[t * s for t, s in zip(*pair)] for pair in zip(tanhs, gates)]

    def backward(grad):  # (t s)' = (1 - t^2) s in the first half, t s (1 - s) in the second
        d_x = [[g * (1 - t * t) * s for g, t, s in zip(*row)]
               + [g * t * s * (1 - s) for g, t, s in zip(*row)]
               for row in zip(rows_of(grad), tanhs, gates)]
        return (cut_like(d_x, x.data),)
    return Tensor(cut_like(out, x.data), (x,), backward)


class WaveNet(Module):
    """Gated blocks with residual and skip connections: ids (B, T) -> logits (B, T, vocab_size).
    van den Oord et al. 2016, figure 4, with n channels everywhere, and tanh for relu at the end."""

    def __init__(self, vocab_size, block_size, n, rng):
        self.embedding, self.blocks = Embedding(vocab_size, n, rng), []
        for k in range(block_size.bit_length() - 1):
            conv = CausalConv1d(n, 2 * n, rng, dilation=2 ** k)
            self.blocks.append([conv, Linear(n, n, rng), Linear(n, n, rng)])
        self.blocks[-1].pop()  # what the last residual gave, nothing would read
        self.head = Sequential([Tanh(), Linear(n, n, rng, gain=5 / 3),
                                Tanh(), Linear(n, vocab_size, rng, gain=0.1)])
        self.layers = [self.embedding, *itertools.chain(*self.blocks), self.head]

    # exercise 4.6 (needs 4.1, 4.3, 4.5): residual and skip connections
    def __call__(self, ids):
        """ids (B, T) -> logits (B, T, vocab_size). A block's output is `gated` of its convolution;
        its skip layer makes of that a share of what the head gets, the sum of all; its residual
        layer, which the last block lacks, what is added to x for the next block."""
        x, total = self.embedding(ids), None
        for conv, skip, *residual in self.blocks:
            out = gated(conv(x))
            total = skip(out) if total is None else total + skip(out)
            for layer in residual:
                x = x + layer(out)
        return self.head(total)


# %% 8. Samples
# The network gives probabilities for the next token; one is drawn, appended, and so on. Each time
# all places are computed again, though only the last is new: gpt.py will remember the others.
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
    splits = make_splits([[characters.index(char) for char in line] for line in lines], boundary,
                         args.seed)
    tree = build_tree(boundary + 1, args.block_size, args.n_embd, args.n_hidden,
                      random.Random(args.seed))
    models = [as_convolutions(tree)]
    tree.train(False)
    ids = max(splits["dev"][:20], key=len)
    contexts = contexts_of(ids, args.block_size)
    logits = show_shapes(f"{len(contexts)} contexts, as a tree", tree, contexts)
    print("\nwhat the last prediction is made from")
    draw_tree([(characters + "·")[i] for i in contexts[-1]])
    same = show_shapes("the name, as convolutions", models[0], [ids[:-1]])
    furthest = max(map(math.dist, rows_of(logits.data), rows_of(same.data)))
    print(f"  the logits differ by {furthest:.1g}")
    if args.gated:
        sizes = (WaveNet(boundary + 1, args.block_size, n, random.Random(args.seed))
                 for n in itertools.count(1))
        *_, model = itertools.takewhile(lambda model: cost(model) <= cost(models[0]), sizes)
        models.append(model)
    for model in models:
        print(f"\n{model}: {cost(model)} products a token")
        losses, begun = [], time.monotonic()
        try:
            for loss in train(model, splits["train"], args.steps, args.batch_size, args.lr,
                              args.seed):
                losses.append(loss)
                step, mean = len(losses), sum(losses[-100:]) / len(losses[-100:])
                left = (time.monotonic() - begun) / step * (args.steps - step)
                line = f"step {step:5}  loss {mean:.4f}"
                if sys.stderr.isatty():
                    print(f"{line}  {left:.0f} s left   ", end="\r", file=sys.stderr, flush=True)
                if step == 1 or step % max(1, args.steps // 10) == 0:
                    print(f"{line} |{' ' * round(min(9 * mean, 38))}*", flush=True)
        except KeyboardInterrupt:
            print(f"\nstopped at step {len(losses)}; Ctrl-C again quits", file=sys.stderr)
        for name in ("train", "dev", "test")[:2 + args.test] if args.eval_docs else ():
            print(f"{name} loss {evaluate(model, splits[name][:args.eval_docs]):.4f}", flush=True)
    rng = random.Random(args.seed)
    for _ in range(args.samples):
        print("".join(characters[i] for i in sample(models[-1], boundary, rng)), flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"wavenet.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: what does a longer context bring, --block-size 2, 4, 16? [...]
# What if batch norm is left out of build_tree? [...]
