"""A deep network with a long context: a tree of layers, and the same tree as convolutions.

mlp.py takes in its context in one wide layer. Here neighbours are joined two by two, layer after
layer, in a tree. The trees over contexts that are two letters apart have branches in common; each
computed only once, they become convolutions: that is WaveNet. van den Oord et al. 2016, "WaveNet: A
Generative Model for Raw Audio".

    python wavenet.py                          train on names.txt, evaluate, sample; under a minute
    python wavenet.py --block-size 16          one layer more, and twice the context
    python wavenet.py --gated --n-hidden 18    WaveNet's own block, at equal cost
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
# document (a name is a document): to predict it is to say "this name is finished".
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
# The Tensor of mlp.py, with a dimension more: data is (batch, time, channels), in short (B, T, C).
# It has documents, their tokens in order, and for each token a row of numbers, its channels.
# Documents may differ in length; the shape tells that of the first.
class Tensor:
    """A number, or nested lists of numbers, and how to send a gradient back through it:
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
# How does one put a deep network together without losing track? From modules, objects that hold
# their parameters and, called on a Tensor, give another. What has to fit are the shapes that they
# pass on; section 5 prints them. Most of their work is dot products, forward and backward.
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
else:
    inner([[0.0] * 5000], [[0.0] * 5000])  # PyPy compiles a loop that it meets in its middle best


class Module:
    """A layer, perhaps of layers. If it treats all rows alike, forward(rows) gives new rows, and a
    function from their gradient to that of rows and of each parameter, in a tuple."""
    layers, training = (), True  # training: one switch for all, off in evaluate() and sample()

    def parameters(self):
        """The tensors that training changes."""
        own = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return own + [p for layer in self.layers for p in layer.parameters()]

    def __call__(self, x):
        out, backward = self.forward(rows_of(x.data))

        def local_backward(grad):
            d_rows, *d_parameters = backward(rows_of(grad))
            return cut_like(d_rows, x.data), *d_parameters
        return Tensor(cut_like(out, x.data), (x, *self.parameters()), local_backward)


# exercise 4.1: rows joined, and the way back
def join(x, places):
    """New rows, each of n rows of x (B, T, C) end to end: -> (B', T', n * C), with the way back.
    places (B', T', n) tells which: the rows of x are numbered, through all documents, from 0.
    >>> join(Tensor([[[1.0], [2.0], [3.0]]]), [[(0, 1), (1, 2)]]).data
    [[[1.0, 2.0], [2.0, 3.0]]]"""
    rows, m = rows_of(x.data), len(x.data[0][0])

    def backward(grad):
        d_rows = [[0.0] * m for _ in rows]
        for numbers, row in zip(rows_of(places), rows_of(grad), strict=True):
            for k, i in enumerate(numbers):  # a row that was copied twice gets both
                d_rows[i] = add(d_rows[i], row[k * m:(k + 1) * m])
        return (cut_like(d_rows, x.data),)
    out = [[[v for i in numbers for v in rows[i]] for numbers in document] for document in places]
    return Tensor(out, (x,), backward)


class Embedding(Module):
    """A row of n_embd numbers for each id: (B, T) -> (B, T, n_embd). ValueError for unknown ids."""
    def __init__(self, vocab_size, n_embd, rng):
        rows = [[rng.gauss(0, 0.3) for _ in range(n_embd)] for _ in range(vocab_size)]
        self.weight = Tensor(rows)  # near each other at first

    def __call__(self, documents):
        table, ids = self.weight, rows_of(documents)
        if not 0 <= min(ids) <= max(ids) < len(table.data):  # -1 would be the last row
            raise ValueError(f"ids from {min(ids)} to {max(ids)}, but {len(table.data)} rows")
        x = Tensor([table.data], (table,), lambda grad: (grad[0],))  # as a single document
        return join(x, [[(i,) for i in ids] for ids in documents])


class Linear(Module):
    """Each row times weight (n_in, n_out), plus bias (n_out). (B, T, n_in) -> (B, T, n_out)."""
    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True):
        std = gain / math.sqrt(n_in)  # sums of n_in products then spread as they do, times gain
        self.weight = Tensor([[rng.gauss(0, std) for _ in range(n_out)] for _ in range(n_in)])
        self.bias = Tensor([0.0] * n_out) if bias else None

    def forward(self, rows):
        """(N, n_in) -> (N, n_out). Raises ValueError if rows do not have n_in numbers."""
        weight, bias = self.weight.data, self.bias
        if len(rows[0]) != len(weight):
            raise ValueError(f"{len(rows[0])} channels, but {len(weight)} rows of weights")
        out = inner(rows, transpose(weight))

        def backward(grad):
            # a weight gets, in every row, the gradient of its output times its input; an input that
            # of each output times the weight between; a bias that of its output
            d_weight = inner(transpose(rows), transpose(grad))  # rows.T @ grad
            d_bias = [list(map(sum, transpose(grad)))] if bias else []
            return inner(grad, weight), d_weight, *d_bias       # grad @ weight.T
        return [add(row, bias.data) for row in out] if bias else out, backward


class Tanh(Module):
    """The hyperbolic tangent of each number."""
    def forward(self, rows):
        """Any rows. The slope of t = tanh v is 1 - t^2."""
        out = [[math.tanh(v) for v in row] for row in rows]
        return out, lambda grad: ([[g - g * t * t for g, t in zip(*pair)]
                                   for pair in zip(grad, out)],)


class BatchNorm1d(Module):
    """Each channel to mean 0 and variance 1 over batch and time (a channel means the same at all
    places), times weight, plus bias. Ioffe and Szegedy 2015, "Batch Normalization"."""
    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)
        self.running_mean, self.running_var, self.batches = [0.0] * n, [1.0] * n, 0

    def forward(self, rows):
        """(N, n) -> (N, n). Out of training by running means and variances, in which the first 100
        batches count the same, and each later one 1%."""
        n, training, normed, out = len(rows), self.training, [], []
        self.batches += training
        channels = zip(transpose(rows), self.weight.data, self.bias.data, strict=True)
        for c, (column, w, b) in enumerate(channels):
            mean, variance = self.running_mean[c], self.running_var[c]
            if training:
                mean, new = sum(column) / n, max(0.01, 1 / self.batches)
                variance = sum([(v - mean) * (v - mean) for v in column]) / n
                self.running_mean[c] += new * (mean - self.running_mean[c])
                # around its own mean, a batch varies less than around the true one: n - 1
                self.running_var[c] += new * (variance * n / (n - 1) - self.running_var[c])
            scale = 1 / math.sqrt(variance + 1e-5)
            normed.append(([(v - mean) * scale for v in column], w * scale))
            out.append([v * w + b for v in normed[c][0]])

        def backward(grad):
            d_columns, d_weight, d_bias = [], [], []
            for gs, (vs, slope) in zip(transpose(grad), normed, strict=True):
                d_bias.append(sum(gs))
                d_weight.append(sum([g * v for g, v in zip(gs, vs)]))
                # shifting or stretching a channel changes nothing: no gradient in these directions
                shift, stretch = (d_bias[-1] / n, d_weight[-1] / n) if training else (0.0, 0.0)
                d_columns.append([slope * (g - shift - stretch * v) for g, v in zip(gs, vs)])
            return transpose(d_columns), d_weight, d_bias
        return transpose(out), backward


class Sequential(Module):
    """Layers, each of which works on what the one before it gave."""
    def __init__(self, layers):
        self.layers = layers

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# %% 4. The tree
# What is wrong with one wide layer over a longer context? Each of its neurons has weights of its
# own for every place, and must find everything at once. In a tree each layer has an easy task, to
# join two neighbours: letters to pairs, pairs to fours, fours to eights, with the same weights for
# all pairs. Twice the context is one layer more, not twice the weights.
class FlattenConsecutive(Module):
    """Each n rows that follow each other end to end."""
    def __init__(self, n):
        self.n = n

    # exercise 4.2 (needs 4.1): neighbours
    def __call__(self, x):
        """x (B, T, C) -> (B, T / n, n * C)."""
        numbers = cut_like(itertools.count(), x.data)  # of the rows of each document
        return join(x, [[rows[t:t + self.n] for t in range(0, len(rows), self.n)]
                        for rows in numbers])


# %% 5. The same as convolutions
# Move the context by two letters, and all pairs of its tree but one have been computed before; by
# four, and all fours but one. So compute at each place of a name, once, the pair that ends there.
# The second layer joins it with the pair that ended 2 places before, the third joins fours 4 places
# apart. That is a convolution (the same weights at every place), causal (it only looks back) and
# dilated (by `dilation` places). And before a name begins? There stand boundaries, of which a layer
# always makes the row that it makes at the first place, a boundary too: that stands for them.
class CausalConv1d(Linear):
    """Linear, with weight (2 * n_in, n_out), of each row and the one `dilation` places before."""
    def __init__(self, n_in, n_out, rng, dilation=1, **options):
        super().__init__(2 * n_in, n_out, rng, **options)
        self.dilation = dilation

    # exercise 4.3 (needs 4.1): looking back
    def __call__(self, x):
        """x (B, T, n_in) -> (B, T, n_out). The earlier row comes first, before all the first."""
        numbers = cut_like(itertools.count(), x.data)
        return super().__call__(join(x, [[(rows[max(0, t - self.dilation)], rows[t])
                                          for t in range(len(rows))] for rows in numbers]))


def build(vocab_size, block_size, n_embd, n_hidden, rng, as_tree=False):
    """The tree, contexts (B, block_size) -> logits (B, 1, vocab_size), or convolutions, documents
    (B, T) -> (B, T, vocab_size). An rng in the same state gives both the same weights."""
    layers, n_in, dilation, gain = [Embedding(vocab_size, n_embd, rng)], n_embd, 1, 1.0
    while dilation < block_size:  # no bias: batch norm would take it away again
        if as_tree:
            layers += [FlattenConsecutive(2), Linear(2 * n_in, n_hidden, rng, gain, bias=False)]
        else:
            layers += [CausalConv1d(n_in, n_hidden, rng, dilation, gain=gain, bias=False)]
        layers += [BatchNorm1d(n_hidden), Tanh()]
        n_in, dilation, gain = n_hidden, 2 * dilation, 5 / 3  # the gain after tanh: see mlp.py
    if dilation != block_size:
        raise InputError(f"a context of {block_size}: it must be 1, 2, 4, 8 ...")
    return Sequential([*layers, Linear(n_in, vocab_size, rng, gain=0.1)])  # unsure at first


def compare(tree, plain, ids, block_size, text):
    """Prints what becomes of a document in the tree, all contexts at once, and in convolutions.
    The function text makes characters of ids."""
    Module.training, logits, width = False, [], block_size
    padded = ids[:1] * (block_size - 1) + ids  # before the first boundary stand only boundaries
    contexts = [padded[t:t + block_size] for t in range(len(ids) - 1)]
    print("the tree over the last context of a name")
    while width:
        nodes = [contexts[-1][t:t + width] for t in range(0, block_size, width)]
        print("".join(text(node).center(4 * width) for node in nodes))
        width //= 2
    for title, model, x in (("all contexts of the name, in the tree", tree, contexts),
                            ("the name, in the convolutions", plain, [ids[:-1]])):
        print(f"\n{title}")
        products = 0
        for layer in model.layers:
            x = layer(x)
            print(f"  {type(layer).__name__:20}{x.shape}")
            if isinstance(layer, Linear):
                products += len(rows_of(x.data)) * math.prod(layer.weight.shape)
        print(f"  {products} products of a number and a weight")
        logits.append(rows_of(x.data))
    print(f"  the logits differ by {max(map(math.dist, *logits)):.1g}")


# %% 6. Loss and training
# The loss is -log of the probability of the token that came, averaged, in nats a token. We train
# the convolutions, on whole documents. (In training, batch norm would average over other rows in
# the tree; out of training both are the same.)
def softmax(row):
    """Any numbers to numbers from 0 to 1 that sum to 1, in proportion to their exponentials."""
    top = max(row)  # subtracted, it cancels out, and no exponential can overflow
    exps = [math.exp(v - top) for v in row]
    total = sum(exps)
    if not total >= 1:  # exp(top - top) alone is 1
        raise InputError("the logits are no numbers: the weights have become too large")
    return [e / total for e in exps]


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (B, T, vocab_size), ids (B, T) -> nats a
    token. Raises ValueError for a target out of range."""
    rows, targets = rows_of(logits.data), rows_of(targets)
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


def scaled(data, factor):
    """A list of numbers, or of rows, times factor."""
    if isinstance(data[0], list):
        return [scaled(row, factor) for row in data]
    return [factor * v for v in data]


def train(model, examples, steps, batch_size, lr, seed):
    """Train the model, yielding the loss of each step. Each step takes a few examples at random and
    goes against the gradient, by lr times it at first, less and less towards the end."""
    rng = random.Random(seed)
    for step in range(steps):
        Module.training = True
        batch = rng.choices(examples, k=batch_size)
        loss = cross_entropy(model([ids[:-1] for ids in batch]), [ids[1:] for ids in batch])
        loss.backward()
        for p in model.parameters():
            p.data = add(p.data, scaled(p.grad, -lr * (steps - step) / steps))
            p.grad = None
        yield loss.data


def evaluate(model, examples):
    """The mean loss over all tokens of the examples, in nats a token."""
    Module.training = False
    total = sum(cross_entropy(model([ids[:-1]]), [ids[1:]]).data * (len(ids) - 1)
                for ids in examples)
    return total / sum(len(ids) - 1 for ids in examples)


# %% 7. WaveNet's own block
# WaveNet does more at each layer. A gate, a number from 0 to 1 (a sigmoid), is multiplied with the
# tanh: it may let a feature through at one place and stop it at another. What comes out is added to
# what went in, a residual connection: the layer only has to learn what to change, and gradients
# come through whole to the first. And the logits are made of what came out of all layers: skip
# connections. There is no batch norm.
class Gate(Module):
    """tanh of each row's first half times sigmoid of its second half: (B, T, 2n) -> (B, T, n)."""
    # exercise 4.4: the gate
    def forward(self, rows):
        """rows (N, 2n) -> rows (N, n), and a function from their gradient to a tuple with that of
        rows: (t s)' = (1 - t^2) s in the first half, t s (1 - s) in the second. The paper's (2)."""
        n = len(rows[0]) // 2
        # sigmoid(v) = 1 / (1 + e^-v) = (1 + tanh(v / 2)) / 2, where nothing can overflow
        pairs = [[(math.tanh(u), 0.5 + 0.5 * math.tanh(0.5 * v)) for u, v in zip(row, row[n:])]
                 for row in rows]

        def backward(grad):
            return ([[g * (1 - t * t) * s for g, (t, s) in zip(*both)]
                     + [g * t * s * (1 - s) for g, (t, s) in zip(*both)]
                     for both in zip(grad, pairs)],)
        return [[t * s for t, s in row] for row in pairs], backward


class WaveNet(Module):
    """Gated blocks with residual and skip connections, as in figure 4 of the paper, with n channels
    everywhere, and at the end tanh and one layer for relu and two."""
    def __init__(self, vocab_size, block_size, n, rng):
        self.embedding = Embedding(vocab_size, n, rng)
        self.blocks = [(CausalConv1d(n, 2 * n, rng, 2 ** k), Linear(n, n, rng))
                       for k in range(block_size.bit_length() - 1)]
        self.head = Linear(n, vocab_size, rng, gain=0.1)
        self.layers = [self.embedding, *rows_of(self.blocks), self.head]

    # exercise 4.5 (needs 4.1, 4.3, 4.4): residual and skip connections
    def __call__(self, ids):
        """ids (B, T) -> logits (B, T, vocab_size). A block is a convolution, a Gate and a Linear;
        what comes out is added to what went in, for the next block, and to the sum of what came out
        of all, for tanh and the head."""
        x, total = self.embedding(ids), None
        for conv, linear in self.blocks:
            out = linear(Gate()(conv(x)))
            x = x + out
            total = out if total is None else total + out
        return self.head(Tanh()(total))


# %% 8. Samples
# The network gives probabilities for the next token; one is drawn, appended, and so on. Each time
# all places are computed again, though only the last is new: gpt.py will remember the others.
def sample(model, boundary, rng, max_new_tokens=50):
    """Draws ids until the boundary, which is the last of them, or until it has max_new_tokens."""
    Module.training = False
    ids = [boundary]
    for _ in range(max_new_tokens):
        probs = softmax(model([ids]).data[0][-1])
        ids += rng.choices(range(len(probs)), probs)
        if ids[-1] == boundary:
            break
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
    parser.add_argument("--gated", action="store_true", help="train WaveNet's own block")
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
    path = args.data or Path(__file__).with_name("names.txt")
    lines = [line for line in read_lines(path) if line]
    characters = "".join(sorted(set("".join(lines)))) + "·"
    boundary = len(characters) - 1
    documents = [[characters.index(char) for char in line] for line in lines]
    splits = make_splits(documents, boundary, args.seed)
    text = lambda ids: "".join(characters[i] for i in ids)
    sizes = len(characters), args.block_size, args.n_embd, args.n_hidden
    tree, model = (build(*sizes, random.Random(args.seed), as_tree) for as_tree in (True, False))
    compare(tree, model, max(splits["dev"][:20], key=len), args.block_size, text)
    if args.gated:
        model = WaveNet(len(characters), args.block_size, args.n_hidden, random.Random(args.seed))
    print(f"\n{sum(math.prod(p.shape) for p in model.parameters())} parameters")
    losses, begun = [], time.monotonic()
    try:
        for loss in train(model, splits["train"], args.steps, args.batch_size, args.lr, args.seed):
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

# To find out: how far back is it worth looking, --block-size 2, 4, 16? [dev 2.302, 2.187, 2.162]
# What if build leaves out batch norm? [2.177, not 2.166; and WaveNet's block, at equal cost, 2.179]
