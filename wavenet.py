"""A deep network with a long context: a tree of layers, and the same tree as convolutions.

mlp.py takes in its whole context in one layer: twice the context, twice the first layer, and what
two neighbouring letters say together is learned anew at every place. Here neighbours are joined two
by two, layer after layer, in a tree: letters to pairs, pairs to fours, fours to eights. Then comes
a saving. Contexts that are two letters apart, or four, have branches of their trees in common;
computed for all places of a name at once, each branch only once, the tree becomes a stack of
convolutions, each of which looks back twice as far as the one before: that is WaveNet.

    python wavenet.py                    train on names.txt, evaluate, sample; under a minute
    python wavenet.py --tree             train as a tree, context by context
    python wavenet.py --gated            WaveNet's own block against the plain tree, at equal cost
    python wavenet.py --block-size 16    one layer more, and twice the context
    python wavenet.py --help             every option and its default

It prints every layer's output shape, the tree as a picture, what the convolutions save, the losses,
and invented names, drawn with only the newest place computed for each letter.

Papers: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio"; Ioffe and Szegedy
2015, "Batch Normalization"; Paine et al. 2016, "Fast Wavenet Generation Algorithm" (the memory of
each layer in section 8).
"""
import argparse
import itertools
import math
import operator
import os
import random
import shutil
import sys
import textwrap
import time
import unicodedata

# %% 1. Data
# As before: a token for each character, and one, the boundary, before and after every document (a
# name is a document). A name begins after a boundary, and to predict one more is to say "this name
# is finished". Some documents are held back: train is for learning, dev for choosing settings, test
# to be looked at once, at the end.

BOUNDARY = 0  # its id, shown as "·"; the characters follow from 1


def read_text(path):
    """The text of a UTF-8 file. Raises ValueError, with what to do about it, if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().removeprefix("\ufeff")  # a mark that some editors put in front
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a text file that you can open") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    if not text.strip():
        raise ValueError(f"{path}: empty; put one document on each line")
    return text


class CharTokenizer:
    """Text to token ids and back, with a token for each character that occurs in `text`."""

    def __init__(self, text):
        self.chars = sorted(set(text))
        self.id_of = {char: i for i, char in enumerate(self.chars, start=BOUNDARY + 1)}
        self.n_vocab = len(self.chars) + 1  # the boundary is one more

    def encode(self, text):
        """The ids of the characters of `text`."""
        return [self.id_of[char] for char in text]

    def decode(self, ids):
        """The text of `ids`, boundaries left out."""
        return "".join(self.chars[i - 1] for i in ids if i != BOUNDARY)


def split(items):
    """80% to train on, 10% (dev) to choose settings by, 10% (test) to look at once, at the end."""
    tenth = max(1, len(items) // 10)
    return items[2 * tenth:], items[:tenth], items[tenth:2 * tenth]


def load(path, seed):
    """The tokenizer of a text file, and a dict of its documents: "train", "dev" and "test".

    A document is a line as a list of ids, between two boundaries; they are shuffled by the seed.
    Raises ValueError if the file is no text or has fewer than 3 lines.
    """
    documents = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    if len(documents) < 3:
        raise ValueError(f"{path}: {len(documents)} documents are too few: train, dev and test "
                         f"need one each; put one document on each line")
    random.Random(seed).shuffle(documents)
    tokenizer = CharTokenizer("".join(documents))
    parts = [[[BOUNDARY, *tokenizer.encode(document), BOUNDARY] for document in part]
             for part in split(documents)]
    return tokenizer, dict(zip(("train", "dev", "test"), parts))


def contexts_of(ids, block_size):
    """For each of ids but the first, the block_size ids before it: a list of len(ids) - 1 lists.

    Before the first token there are as many boundaries as it takes.
    """
    padded = [BOUNDARY] * (block_size - 1) + ids
    return [padded[t:t + block_size] for t in range(len(ids) - 1)]


# %% 2. A tensor that knows where it came from
# Training asks one question of every weight: if it grew a little, how would the loss change? The
# chain rule answers it for all of them in one walk back from the loss, if each number remembers
# what it was computed from: the Tensor of mlp.py. Nearly all of them are of shape (batch, time,
# channels) now, in short (B, T, C): documents or contexts, their tokens in order, and for each
# token a row of numbers, its channels. Documents differ in length, and lists allow that: then the
# shape has None for the time.


class Tensor:
    """A number or nested lists of numbers, and how to send a gradient back through them.

    `parents` are the tensors it was computed from. `local_backward` takes the gradient of the loss
    with respect to this tensor and gives a tuple: its share of each parent's gradient, in order.
    """
    __slots__ = ("data", "grad", "parents", "local_backward")

    def __init__(self, data, parents=(), local_backward=None):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, once backward() has run
        self.parents = parents
        self.local_backward = local_backward

    @property
    def shape(self):
        """() for a number, (n,) for a list, (batch, time, channels), and so on."""
        shape, lists = (), [self.data]
        while isinstance(lists[0], list):
            lengths = {len(item) for item in lists}
            shape += (lengths.pop() if len(lengths) == 1 else None,)
            lists = [lists[0][0]] if not isinstance(lists[0][0], list) else [
                inside for item in lists for inside in item]
        return shape

    def __add__(self, other):
        """Elementwise sum of two tensors of one shape."""
        if self.shape != other.shape:
            raise ValueError(f"cannot add shapes {self.shape} and {other.shape}")
        return Tensor(add(self.data, other.data), (self, other), lambda grad: (grad, grad))

    def backward(self):
        """Add d self / d tensor to the .grad of every tensor that this scalar was computed from.

        A tensor may send its gradient on only when it has received all of it, that is, after
        everything that was computed from it. `order` lists each tensor after its parents, so we go
        through it backwards. A stack does the walk, not recursion: the graph may be of any depth.
        """
        if self.shape != ():
            raise ValueError(f"backward() starts from a scalar, not from shape {self.shape}")
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            tensor, parents_done = stack.pop()
            if parents_done:
                order.append(tensor)
            elif tensor not in seen:
                seen.add(tensor)
                stack.append((tensor, True))
                stack.extend((parent, False) for parent in tensor.parents)
        arrived = {self: 1.0}  # d self / d self
        for tensor in reversed(order):
            grad = arrived.pop(tensor)
            tensor.grad = grad if tensor.grad is None else add(tensor.grad, grad)
            if tensor.parents:
                for parent, part in zip(tensor.parents, tensor.local_backward(grad)):
                    arrived[parent] = add(arrived[parent], part) if parent in arrived else part


def add(a, b):
    """Elementwise sum of two numbers, or of two nested lists of one shape."""
    if not isinstance(a, list):
        return a + b
    return list(map(add if isinstance(a[0], list) else operator.add, a, b))


def rows_of(data):
    """All rows of all documents, in one list: (batch, time, channels) -> (N, channels)."""
    return [row for document in data for row in document]


def cut_like(rows, data):
    """The opposite: N rows cut again into documents as long as those of data."""
    rows = iter(rows)
    return [list(itertools.islice(rows, len(document))) for document in data]


# %% 3. Modules
# A module is a layer: an object that holds its parameters and, called on a Tensor, gives another.
# Networks are put together from them like a wall from bricks, and what can go wrong is that two do
# not fit; so they check the shape that they are given. Those of this section treat all places
# alike, and none looks from one to another (though batch norm, in training, takes its averages over
# all of them). Those that join places come in sections 5 and 6.


def inner(a, b):
    """The dot product of every row of a with every row of b: (n, k), (m, k) -> (n, m).

    It is [[sum(x * y for x, y in zip(p, q)) for q in b] for p in a], but several times as fast.
    Python spends most of such a sum on wrapping each product in an object of its own; math.dist
    goes through two rows without making any, and the law of cosines gets the dot product from it:
    |p - q|^2 = |p|^2 + |q|^2 - 2 p.q. If p were much longer than q, rounding would swallow q; so
    where a and b differ by more than a factor of 1000, a is first brought to the length of b.
    """
    a, b = list(map(tuple, a)), list(map(tuple, b))  # math.dist would make tuples each time
    dist, origin = math.dist, (0.0,) * len(b[0])
    a_lengths, b_lengths = [dist(p, origin) for p in a], [dist(q, origin) for q in b]
    scale = (max(a_lengths) or 1.0) / (max(b_lengths) or 1.0)
    if 0.001 < scale < 1000:
        scale = 1.0
    else:
        a = [tuple([x / scale for x in p]) for p in a]
    half, squares, out = scale / 2, [length * length for length in b_lengths], []
    for p, length in zip(a, a_lengths):
        square = (length / scale) * (length / scale)
        out.append([half * (square + s - (d := dist(p, q)) * d) for s, q in zip(squares, b)])
    return out


class Module:
    """What all layers share: parameters, and whether they are in training."""
    weight = bias = None  # its parameters, if it has any: the tensors that training changes
    training = True  # False while evaluating: batch norm works differently then

    def children(self):
        """The modules that this one is made of."""
        return []

    def parameters(self):
        """Its own parameters and those of its children, in a list."""
        own = [p for p in (self.weight, self.bias) if p is not None]
        return own + [p for child in self.children() for p in child.parameters()]

    def train(self, mode=True):
        """Tells it and its children that they are in training, or are not."""
        self.training = mode
        for child in self.children():
            child.train(mode)

    def eval(self):
        """Tells it and its children that they are not in training."""
        self.train(False)

    def read(self, x, memory):
        """For section 8: what it gives for one more token, x (1, 1, channels).

        It is no more than a call, unless the layer looks at earlier tokens: those are in `memory`.
        """
        return self(x)

    def __repr__(self):
        sizes = () if self.weight is None else self.weight.shape
        return f"{type(self).__name__}({', '.join(map(str, sizes))})"


class Embedding(Module):
    """A table of n_vocab rows of n_embd numbers: ids (B, T) -> (B, T, n_embd).

    Raises ValueError for an id that is not from 0 to n_vocab - 1.
    """

    def __init__(self, n_vocab, n_embd, rng):
        self.weight = normal(n_vocab, n_embd, 0.3, rng)  # near each other, as in mlp.py

    def __call__(self, documents):
        table = self.weight.data
        if not all(0 <= i < len(table) for ids in documents for i in ids):
            raise ValueError(f"the ids must be from 0 to {len(table) - 1}")

        def backward(grad):
            d_weight = [[0.0] * len(row) for row in table]
            for ids, rows in zip(documents, grad):
                for i, row in zip(ids, rows):
                    d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
            return (d_weight,)
        return Tensor([[table[i] for i in ids] for ids in documents], (self.weight,), backward)


class Linear(Module):
    """Each row (n_in) @ weight (n_in, n_out) + bias (n_out): channels from n_in to n_out.

    mlp.py's took the first weights' standard deviation; here it is gain / sqrt(n_in).
    Raises ValueError if the input does not have n_in channels.
    """

    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True):
        # Sums of n_in products then spread as much as the inputs, times gain: see mlp.py.
        self.weight = normal(n_in, n_out, gain / math.sqrt(n_in), rng)
        self.bias = Tensor([0.0] * n_out) if bias else None

    def __call__(self, x):
        weight, bias = self.weight, self.bias
        check_channels(x, len(weight.data))
        rows = rows_of(x.data)
        out = inner(rows, zip(*weight.data))  # zip(*) goes through the columns of weight
        if bias is not None:
            out = [add(row, bias.data) for row in out]

        def backward(grad):
            grad = rows_of(grad)
            columns = list(zip(*grad))
            d_x = cut_like(inner(grad, weight.data), x.data)  # grad @ weight.T
            d_weight = inner(zip(*rows), columns)             # x.T @ grad
            return (d_x, d_weight) if bias is None else (d_x, d_weight, list(map(sum, columns)))
        return Tensor(cut_like(out, x.data), (x, *self.parameters()), backward)


class Tanh(Module):
    """The hyperbolic tangent of each number."""

    def __call__(self, x):
        out = [list(map(math.tanh, row)) for row in rows_of(x.data)]

        def backward(grad):  # tanh' = 1 - tanh^2
            return (cut_like([[g * (1 - t * t) for g, t in zip(*rows)]
                              for rows in zip(rows_of(grad), out)], x.data),)
        return Tensor(cut_like(out, x.data), (x,), backward)


class BatchNorm1d(Module):
    """Each channel, over batch and time, to mean 0 and variance 1, then scaled and shifted.

    Out of training, with running means and variances: Ioffe and Szegedy 2015, algorithms 1 and 2.
    Raises ValueError for another number of channels than n, and for a single row in training.
    """

    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)  # the scale and the shift
        self.running_mean, self.running_var, self.num_batches_tracked = [0.0] * n, [1.0] * n, 0

    def __call__(self, x):
        check_channels(x, len(self.weight.data))
        columns, training = list(zip(*rows_of(x.data))), self.training
        n = len(columns[0])
        if training:
            if n == 1:
                raise ValueError("batch norm cannot train on a single row: its variance is 0, and "
                                 "nothing of it would be left")
            means, variances = statistics(columns)
            self.remember(means, variances, n)
        else:
            means, variances = self.running_mean, self.running_var
        scales = [(variance + 1e-5) ** -0.5 for variance in variances]
        normed = [[(v - mean) * scale for v in column]
                  for column, mean, scale in zip(columns, means, scales)]
        out = [[v * w + b for v in column]
               for column, w, b in zip(normed, self.weight.data, self.bias.data)]

        def backward(grad):
            d_x, d_weight, d_bias = [], [], []
            for g, column, scale, w in zip(zip(*rows_of(grad)), normed, scales, self.weight.data):
                d_bias.append(sum(g))
                d_weight.append(sum(map(operator.mul, g, column)))
                k = w * scale
                if training:  # the mean and the variance moved with x: see mlp.py
                    shift, stretch = d_bias[-1] / n, d_weight[-1] / n
                    d_x.append([k * (d - shift - stretch * v) for d, v in zip(g, column)])
                else:
                    d_x.append([k * d for d in g])
            return cut_like(map(list, zip(*d_x)), x.data), d_weight, d_bias
        return Tensor(cut_like(map(list, zip(*out)), x.data), (x, self.weight, self.bias), backward)

    def remember(self, means, variances, n):
        """Makes the statistics of a batch of n rows part of the running ones, as in mlp.py."""
        self.num_batches_tracked += 1
        new = max(0.01, 1 / self.num_batches_tracked)
        self.running_mean = [(1 - new) * old + new * mean
                             for old, mean in zip(self.running_mean, means)]
        self.running_var = [(1 - new) * old + new * variance * n / (n - 1)
                            for old, variance in zip(self.running_var, variances)]


class Sequential(Module):
    """Layers, each of which works on what the one before it gave.

    Raises ValueError where two do not fit, naming the layer and both shapes.
    """

    def __init__(self, layers):
        self.layers = layers

    def children(self):
        """The layers."""
        return self.layers

    def __call__(self, x, outs=None):
        """x through all layers. `outs`, if it is a list, receives what each of them gave."""
        for i, layer in enumerate(self.layers, start=1):
            try:
                x = layer(x)
            except ValueError as error:
                raise ValueError(f"layer {i}, {layer}: {error}") from None
            if outs is not None:
                outs.append(x)
        return x

    def read(self, x, memory):
        """As a call, for one more token, see section 8."""
        for layer in self.layers:
            x = layer.read(x, memory)
        return x


def check_channels(x, n):
    """Raises ValueError if x does not have n channels."""
    if len(x.data[0][0]) != n:
        raise ValueError(f"the input has shape {x.shape}, and {n} channels are needed")


def statistics(columns):
    """The mean and the variance of each column."""
    n = len(columns[0])
    means = [sum(column) / n for column in columns]
    return means, [sum([(v - mean) * (v - mean) for v in column]) / n
                   for column, mean in zip(columns, means)]


def normal(n, m, std, rng):
    """A Tensor (n, m) of random numbers around 0 with this standard deviation."""
    return Tensor([[rng.gauss(0, std) for _ in range(m)] for _ in range(n)])


# %% 4. Loss and training
# The loss is -log of the probability of the token that came, averaged, in nats a token; the
# probabilities are the exponentials of the logits, divided by their sum (softmax). Each step takes
# a few documents, drawn at random, and goes against the gradient; the steps shrink towards the end.


def log_softmax(row):
    """The logarithms of the probabilities that belong to a list of logits."""
    top = max(row)
    log_sum = top + math.log(sum([math.exp(v - top) for v in row]))
    return [v - log_sum for v in row]


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target], a scalar, in nats a token.

    logits (batch, time, n_vocab), targets ids (batch, time). Raises ValueError if there is not one
    target for each row of logits, from 0 to n_vocab - 1.
    """
    ids, rows = [i for document in targets for i in document], rows_of(logits.data)
    n, n_vocab = len(rows), len(rows[0])
    lengths = [list(map(len, documents)) for documents in (logits.data, targets)]
    if lengths[0] != lengths[1] or not 0 <= min(ids) <= max(ids) < n_vocab:
        raise ValueError(f"the targets do not fit logits of shape {logits.shape}")
    log_probs = list(map(log_softmax, rows))
    loss = -sum(row[i] for row, i in zip(log_probs, ids)) / n

    def backward(grad):  # d loss / d logit = (p - 1 if it is the target's, else p) / n
        d_logits = [[grad / n * math.exp(v) for v in row] for row in log_probs]
        for row, i in zip(d_logits, ids):
            row[i] -= grad / n
        return (cut_like(d_logits, logits.data),)
    return Tensor(loss, (logits,), backward)


def descend(data, grad, lr):
    """data - lr * grad, for nested lists of one shape."""
    if isinstance(data[0], list):
        return [descend(*rows, lr) for rows in zip(data, grad)]
    return [w - lr * g for w, g in zip(data, grad)]


def decay(peak, steps):
    """A learning rate for each step, from `peak` down towards 0 in equal parts."""
    return [peak * (steps - step) / steps for step in range(steps)]


def finite(loss):
    """The loss. Raises FloatingPointError if it is infinite or not a number."""
    if not math.isfinite(loss):
        raise FloatingPointError("the loss grew without bound, as the steps were too large; "
                                 "try a smaller --lr")
    return loss


def by_document(model, documents):
    """The loss of documents by a network that works on whole documents, a scalar Tensor."""
    return cross_entropy(model([ids[:-1] for ids in documents]), [ids[1:] for ids in documents])


def train(model, documents, rates, batch_size, rng, loss_of=by_document):
    """A training step for each learning rate in `rates`, yielding the loss it began with."""
    params = model.parameters()
    for lr in rates:
        model.train()
        loss = loss_of(model, rng.choices(documents, k=batch_size))
        finite(loss.data)
        for p in params:
            p.grad = None  # of the step before
        loss.backward()
        for p in params:
            p.data = descend(p.data, p.grad, lr)
        yield loss.data


def evaluate(model, documents, loss_of=by_document, batch_size=64):
    """The mean loss over all tokens of the documents, in nats a token."""
    model.eval()
    total = count = 0
    for i in range(0, len(documents), batch_size):
        batch = documents[i:i + batch_size]
        n = sum(len(ids) - 1 for ids in batch)
        total += n * loss_of(model, batch).data
        count += n
    return finite(total / count)


# %% 5. The tree
# A longer context helps, but in one wide layer everything must be found at once. In a tree each
# layer has an easy task: it joins two neighbours into one. The first makes pairs of letters, the
# second joins pairs to fours, the third fours to eights. FlattenConsecutive lays two rows end to
# end, and the Linear after it works on every such pair with the same weights. Lay all rows end to
# end, and there is one layer, as in mlp.py: that is --n-layer 1. On names, with their few letters,
# it does nearly as well in a run of a minute (dev loss 2.175, the tree 2.168), and with fewer
# weights. What the tree has is depth: each doubling of the context costs one layer more, not twice
# the weights. Batch norm takes its mean and variance over batch and time together, for the channels
# mean the same at every place. Over the batch alone, each place would have statistics of its own,
# from fewer numbers and so noisier, and the layer would no longer treat all places alike, as
# section 6 needs it to.


class FlattenConsecutive(Module):
    """Each n rows that follow each other laid end to end: (B, T, C) -> (B, T / n, n * C).

    T may differ from document to document. Raises ValueError if one is no multiple of n.
    """

    def __init__(self, n):
        self.n = n

    # exercise 4.1: joining neighbours
    def __call__(self, x):
        """x (B, T, C) -> (B, T / n, n * C), a Tensor with the way back to x.

        On the way back each long row is cut into the n rows it was.
        """
        n = self.n
        if any(len(document) % n for document in x.data):
            raise ValueError(f"the input has shape {x.shape}, and its time must be a multiple of "
                             f"{n}")
        m = len(x.data[0][0])
        out = [[[v for row in document[t:t + n] for v in row] for t in range(0, len(document), n)]
               for document in x.data]

        def backward(grad):
            return ([[row[i:i + m] for row in document for i in range(0, n * m, m)]
                     for document in grad],)
        return Tensor(out, (x,), backward)

    def __repr__(self):
        return f"FlattenConsecutive({self.n})"


def joins_of(block_size, n_layer=None):
    """How many rows each layer joins into one, so that block_size become 1: a list of sizes.

    Two each, unless there are fewer layers (n_layer) than that needs: then the first join more.
    With a single layer it is the network of mlp.py. Raises ValueError if block_size is not 2, 4, 8,
    ..., or if there are more layers than it can be halved.
    """
    halvings = block_size.bit_length() - 1
    if block_size < 2 or block_size != 2 ** halvings:
        near = f"{2 ** halvings} or {2 ** (halvings + 1)}" if block_size > 2 else "2"
        raise ValueError(f"--block-size {block_size} is no power of two above 1, and layers that "
                         f"join two by two need one; take {near}")
    n_layer = halvings if n_layer is None else n_layer
    if n_layer > halvings:
        more = f", or --block-size {2 ** n_layer}" if n_layer < 30 else ""
        raise ValueError(f"--n-layer {n_layer} is too many: a context of {block_size} can be "
                         f"halved {halvings} times; take at most that{more}")
    return [2 ** ((halvings + n_layer - 1 - i) // n_layer) for i in range(n_layer)]


def build_network(join_of, n_vocab, joins, n_embd, n_hidden, rng):
    """A network of layers that each join some rows into one, as many as the list `joins` says.

    join_of(n_in, n, dilation, gain) gives the modules that do it: from n rows of n_in channels,
    each made from `dilation` tokens, the weighted sums of n_hidden neurons.
    """
    layers, n_in, dilation, gain = [Embedding(n_vocab, n_embd, rng)], n_embd, 1, 1.0
    for n in joins:
        layers += [*join_of(n_in, n, dilation, gain), BatchNorm1d(n_hidden), Tanh()]
        n_in, dilation, gain = n_hidden, dilation * n, 5 / 3  # the gain after tanh: see mlp.py
    return Sequential([*layers, Linear(n_hidden, n_vocab, rng, gain=0.1)])  # to begin unsure


def build_tree(n_vocab, joins, n_embd, n_hidden, rng):
    """The tree: contexts (B, block_size) -> logits (B, 1, n_vocab)."""
    def join_of(n_in, n, dilation, gain):  # no bias, as batch norm would take it away again
        return [FlattenConsecutive(n), Linear(n * n_in, n_hidden, rng, gain, bias=False)]
    return build_network(join_of, n_vocab, joins, n_embd, n_hidden, rng)


def context_size(tree):
    """How many tokens a tree looks at."""
    return math.prod(layer.n for layer in tree.layers if isinstance(layer, FlattenConsecutive))


def by_context(model, documents):
    """The loss of documents by a network that works on contexts, each on its own."""
    block_size = context_size(model)
    return cross_entropy(model([c for ids in documents for c in contexts_of(ids, block_size)]),
                         [[i] for ids in documents for i in ids[1:]])


def norm_by_place(tree, documents):
    """Two numbers on what batch norm over the batch alone would do in a fresh tree's first layer.

    How many times as much its means, one for each place and channel, would vary from batch to batch
    as those over batch and time. And how many standard deviations apart it would put what the same
    pair of tokens becomes at the last place and at the one before, on average.
    """
    def means_of(rows):
        return statistics(list(zip(*rows)))[0]

    def variation(means):  # of each mean over the batches
        spreads = list(map(math.sqrt, statistics(list(zip(*means)))[1]))
        return sum(spreads) / len(spreads)

    contexts = [c for ids in documents for c in contexts_of(ids, context_size(tree))]
    data = Sequential(tree.layers[:3])(contexts).data  # (N, places, channels)
    n = len(data) // 10
    batches = [data[k * n:(k + 1) * n] for k in range(10)]
    together = variation([means_of(rows_of(batch)) for batch in batches])
    alone = variation([[mean for rows in zip(*batch) for mean in means_of(rows)]
                       for batch in batches])

    rows_a, rows_b = list(zip(*data))[-2:]
    normed_a, normed_b = [], []  # the rows of the last place, as either place would make them
    for normed, rows in ((normed_a, rows_a), (normed_b, rows_b)):
        means, variances = statistics(list(zip(*rows)))
        normed += [(v - mean) / math.sqrt(variance + 1e-5)
                   for row in rows_b for v, mean, variance in zip(row, means, variances)]
    apart = [abs(a - b) for a, b in zip(normed_a, normed_b)]
    return alone / together, sum(apart) / len(apart)


# %% 6. The same as convolutions
# Move the context by two letters, and all pairs of its tree but one have been computed before; move
# it by four, and all fours but one. So compute at each place of a name, once, the pair that ends
# there. The second layer joins it with the pair that ended 2 places before, the third joins fours
# that end 4 places apart, and so on. That is a convolution (the same weights at every place) which
# is causal (it looks back only) and dilated (the rows that it joins, kernel_size of them, are
# `dilation` places apart). Out of training it gives the tree's logits, for all places at once. (In
# training, batch norm averages over other rows, so losses differ a little.) And before a name
# begins? There stand only boundaries, of which each layer makes always the same row: the row of the
# first place, which is a boundary too. So that row stands in for all earlier ones.


class CausalConv1d(Linear):
    """Each row joined with those 1, 2, ... times `dilation` before it, kernel_size rows in all.

    Laid end to end, the earliest first, they are multiplied by weight (kernel_size * n_in, n_out):
    (B, T, n_in) -> (B, T, n_out). What lies before the first row is a copy of it. Raises ValueError
    if the input does not have n_in channels.
    """

    def __init__(self, n_in, n_out, rng, kernel_size=2, dilation=1, gain=1.0, bias=True):
        super().__init__(kernel_size * n_in, n_out, rng, gain, bias)
        self.n_in, self.kernel_size, self.dilation = n_in, kernel_size, dilation

    # exercise 4.2: looking back
    def places(self, t):
        """The places of the rows that are joined at place t, the earliest first; 0, if before 0.

        There are kernel_size of them, `dilation` apart: van den Oord et al. 2016, figure 3.
        """
        return [max(0, t - k * self.dilation) for k in reversed(range(self.kernel_size))]

    def __call__(self, x):
        check_channels(x, self.n_in)
        n = self.n_in

        # exercise 4.3: the gradient of a convolution
        def backward(grad):
            """grad (B, T, kernel_size * n_in), of joined -> a tuple with that of x (B, T, n_in).

            A row of x stands in several of the joined rows (the first in some of them twice or
            more, for those before it), and gets the sum of what comes back to all these copies.
            """
            d_x = []
            for document, rows in zip(x.data, grad):
                d_rows = [[0.0] * n for _ in document]
                for t, row in enumerate(rows):
                    for k, place in enumerate(self.places(t)):
                        d_rows[place] = add(d_rows[place], row[k * n:(k + 1) * n])
                d_x.append(d_rows)
            return (d_x,)
        joined = Tensor([[[v for place in self.places(t) for v in document[place]]
                          for t in range(len(document))] for document in x.data], (x,), backward)
        return super().__call__(joined)

    # exercise 4.4: a memory of what came before
    def read(self, x, memory):
        """As a call, for one more token, x (1, 1, n_in) -> (1, 1, n_out).

        memory, a dict that is empty before the first token, keeps under self a list of the last
        rows (n_in), as many as the next token looks back, (kernel_size - 1) * dilation of them at
        most. For those before the first its copies are taken, as in a call.
        """
        past = memory.setdefault(self, [])
        past.extend(x.data[0])
        joined = [v for place in self.places(len(past) - 1) for v in past[place]]
        if len(past) > (self.kernel_size - 1) * self.dilation:
            del past[0]  # too old for the next token
        return super().__call__(Tensor([[joined]]))

    def __repr__(self):
        return (f"CausalConv1d({self.n_in}, {self.weight.shape[1]}, kernel_size="
                f"{self.kernel_size}, dilation={self.dilation})")


def build_convolutions(n_vocab, joins, n_embd, n_hidden, rng):
    """The same network as convolutions: documents (B, T) -> logits (B, T, n_vocab).

    From an rng in the same state build_tree takes the same weights, and they fit: both lay the
    earliest row first.
    """
    def join_of(n_in, n, dilation, gain):
        return [CausalConv1d(n_in, n_hidden, rng, n, dilation, gain, bias=False)]
    return build_network(join_of, n_vocab, joins, n_embd, n_hidden, rng)


def as_convolutions(tree, convolutions):
    """`convolutions`, with the parameters and running statistics of a tree of the same sizes."""
    layers = [layer for layer in tree.layers if not isinstance(layer, FlattenConsecutive)]
    for own, layer in zip(convolutions.layers, layers):
        own.weight, own.bias = layer.weight, layer.bias
        if isinstance(layer, BatchNorm1d):
            own.running_mean, own.running_var = layer.running_mean, layer.running_var
    return convolutions


def numbers_of(data):
    """All numbers in nested lists, in a list."""
    return [v for item in data for v in numbers_of(item)] if isinstance(data, list) else [data]


def multiply_adds(model, inputs):
    """How many multiplications (each with an addition) the matrix products of a call take."""
    outs = []
    model(inputs, outs)
    return sum(len(rows_of(out.data)) * len(numbers_of(layer.weight.data))
               for layer, out in zip(model.layers, outs) if isinstance(layer, Linear))


# %% 7. WaveNet's own block
# WaveNet does more at each layer. A gate, a number from 0 to 1 (a sigmoid), is multiplied with the
# tanh: it may let a feature through at one place and stop it at another. What comes out is added to
# what went in, a residual connection: the layer only has to learn what to change, and gradients
# come through to the first layer whole. There is no batch norm. And the output is not made from the
# last layer alone: each gives its share through a skip connection; the shares are summed, and two
# more layers, with relu, make the logits of them.


# exercise 4.5: the gate
def gated(x):
    """tanh of each row's first half times sigmoid of its second half: (B, T, 2n) -> (B, T, n).

    A Tensor, with the way back to x. van den Oord et al. 2016, equation 2.
    """
    n = len(x.data[0][0]) // 2
    tanhs = [list(map(math.tanh, row[:n])) for row in rows_of(x.data)]
    # sigmoid(v) = 1 / (1 + e^-v) = (1 + tanh(v / 2)) / 2; e^-v itself could overflow
    gates = [[0.5 + 0.5 * math.tanh(0.5 * v) for v in row[n:]] for row in rows_of(x.data)]

    def backward(grad):  # (t s)' = (1 - t^2) s by the first half, t s (1 - s) by the second
        rows = zip(rows_of(grad), tanhs, gates)
        return (cut_like([[g * (1 - t * t) * s for g, t, s in zip(*three)]
                          + [g * t * s * (1 - s) for g, t, s in zip(*three)] for three in rows],
                         x.data),)
    out = [list(map(operator.mul, *rows)) for rows in zip(tanhs, gates)]
    return Tensor(cut_like(out, x.data), (x,), backward)


def relu(x):
    """Negative numbers become 0."""
    def backward(grad):
        return (cut_like([[g if v > 0 else 0.0 for g, v in zip(*rows)]
                          for rows in zip(rows_of(grad), rows_of(x.data))], x.data),)
    return Tensor(cut_like([[0.0 if v < 0 else v for v in row] for row in rows_of(x.data)], x.data),
                  (x,), backward)


class WaveNet(Module):
    """Gated blocks with residual and skip connections: documents (B, T) -> logits (B, T, n_vocab).

    van den Oord et al. 2016, figure 4, with n channels everywhere, a layer each for a block's skip
    and residual, and joins as in build_network.
    """

    def __init__(self, n_vocab, joins, n, rng):
        self.embedding, self.blocks, dilation = Embedding(n_vocab, n, rng), [], 1
        for kernel_size in joins:
            self.blocks.append([CausalConv1d(n, 2 * n, rng, kernel_size, dilation),
                                Linear(n, n, rng), Linear(n, n, rng)])  # for skip and residual
            dilation *= kernel_size
        self.blocks[-1][2] = None  # after the last block nothing reads what its residual would give
        self.mix, self.head = Linear(n, n, rng, math.sqrt(2)), Linear(n, n_vocab, rng, 0.1)

    def children(self):
        """All of its layers, the last of which makes the logits."""
        layers = [layer for layer in itertools.chain(*self.blocks) if layer is not None]
        return [self.embedding, *layers, self.mix, self.head]

    def __call__(self, x):
        return self.through(x, lambda layer, x: layer(x))

    def read(self, x, memory):
        """As a call, for one more token, see section 8."""
        return self.through(x, lambda layer, x: layer.read(x, memory))

    # exercise 4.6: residual and skip connections
    def through(self, x, call):
        """x through all layers, each of which is called by call(layer, x).

        A block's output is `gated` of its first layer; from that its skip makes a share of the
        total, and its residual, unless it is None, what is added to x. The total then goes through
        relu, mix, relu and head.
        """
        x, total = call(self.embedding, x), None
        for join, skip, residual in self.blocks:
            out = gated(call(join, x))
            share = call(skip, out)
            total = share if total is None else total + share
            if residual is not None:
                x = x + call(residual, out)
        return call(self.head, relu(call(self.mix, relu(total))))


# %% 8. Sampling with a memory
# A new letter adds a place on the right and changes none of those before it. So nothing before it
# need be computed again, if each convolution remembers the rows that it will look back to: as many
# as its dilation, where it joins two. The cost of a letter then no longer grows with the text
# before it; twice the context costs one layer more.

MAX_NEW_TOKENS = 39  # in letters two columns wide, a line of a terminal


def sample(model, rng, max_new_tokens=MAX_NEW_TOKENS, remember=True):
    """Draws a text, as a list of ids without boundaries, cut at max_new_tokens.

    With remember=False all places are computed again for each token; the text is the same.
    """
    model.eval()
    ids, memory = [BOUNDARY], {}
    while len(ids) <= max_new_tokens:
        logits = model.read([ids[-1:]], memory) if remember else model([ids])
        probs = list(map(math.exp, log_softmax(logits.data[0][-1])))
        token = rng.choices(range(len(probs)), probs)[0]
        if token == BOUNDARY:
            break
        ids.append(token)
    return ids[1:]


# %% 9. Pictures
# The tree, drawn over the letters that it is made from, and the loss curve. Letters of other
# scripts may be two columns wide in a terminal, or none, as an accent is.


def glyph(tokenizer, i):
    """Token i, made visible."""
    char = tokenizer.decode([i]) or "·"
    if ord(char) <= 32:
        return chr(0x2400 + ord(char))  # Unicode has pictures of blanks and line ends
    if unicodedata.category(char) in ("Mn", "Me"):
        return "◌" + char  # an accent needs something to sit on
    return char if char.isprintable() else "�"


def printable(text):
    """The text without what a terminal would take for a command."""
    return "".join(char if char.isprintable() else "�" for char in text)


def columns_of(text):
    """How many columns of a terminal the text takes."""
    return sum(0 if unicodedata.category(char) in ("Mn", "Me") else
               2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def pad(text, columns):
    """The text, with blanks after it to fill so many columns."""
    return text + " " * (columns - columns_of(text))


def draw_tree(glyphs, joins):
    """The tree over a context, given as the glyphs of its tokens: what each layer is made from."""
    n, room, dilation = len(glyphs), 4 if len(glyphs) <= 16 else 2, 1
    lines = ["input    " + "".join(pad(glyph, room) for glyph in glyphs).rstrip()]
    for i, join in enumerate(joins, start=1):
        links, dots = [" "] * (n * room), [" "] * (n * room)
        for place in range(join * dilation - 1, n, join * dilation):
            ends = [(place - k * dilation) * room for k in range(join)]
            links[ends[-1]:ends[0] + 1] = "┌" + "─" * (ends[0] - ends[-1] - 1) + "┤"
            for end in ends[1:-1]:
                links[end] = "┬"
            dots[ends[0]] = "●"
        lines += ["         " + "".join(links).rstrip(), f"layer {i}  " + "".join(dots).rstrip()]
        dilation *= join
    return "\n".join(reversed(lines))


def draw_curve(values, title, foot, width=64, height=10):
    """A curve in characters: each column is the mean of its share of the values."""
    width = min(width, len(values))
    cuts = [len(values) * i // width for i in range(width + 1)]
    means = [sum(values[i:j]) / (j - i) for i, j in zip(cuts, cuts[1:])]
    low, high = min(means), max(means)
    levels = [round((mean - low) / (high - low or 1) * (height - 1)) for mean in means]
    lines = [title]
    for level in reversed(range(height)):
        label = f"{low + (high - low) * level / (height - 1):#8.3g} ┤"
        lines.append(label + "".join("●" if at == level else " " for at in levels).rstrip())
    lines.append("         └" + "─" * width)
    return "\n".join([*lines, "          " + foot])


# %% 10. The command line
# Nothing below is new. It reads the options, and prints what the sections above compute.


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
        prog="wavenet.py", description="Train a tree of layers on names, as convolutions.")
    names = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")
    size, count = number(int, 1), number(int, 0)
    parser.add_argument("--data", metavar="FILE", default=names,
                        help="UTF-8 text, one document a line (default: names.txt beside "
                             "wavenet.py)")
    for name, kind, default, text in (
            ("--steps", count, 3000, "training steps"),
            ("--batch-size", size, 12, "documents a step"),
            ("--block-size", size, 8, "tokens of context, a power of two"),
            ("--n-embd", size, 12, "channels of an embedding"),
            ("--n-hidden", size, 32, "channels of the other layers"),
            ("--seed", count, 42, "where all randomness starts"),
            ("--eval-docs", count, 2000, "documents of each split to evaluate on, 0 for none"),
            ("--samples", count, 20, "texts to invent")):
        parser.add_argument(name, metavar="N", type=kind, default=default,
                            help=f"{text} (default: {default})")
    # The longer the run, the smaller the rate that does best.
    parser.add_argument("--lr", metavar="X", type=number(float, 0, above=True),
                        help="learning rate at first, which decays to 0 (default: 0.8, or 0.2 from "
                             "50000 steps on)")
    parser.add_argument("--n-layer", metavar="N", type=size,
                        help="layers that join (default: as many as join two by two)")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--tree", action="store_true",
                       help="train as a tree, on one context at a time")
    modes.add_argument("--gated", action="store_true",
                       help="train WaveNet's own block too, at the same cost, and compare")
    return parser


def show_progress(line, in_a_pipe=True):
    """Rewrite the last line on a terminal; where there is none, print a plain line or nothing."""
    if sys.stderr.isatty():
        width = min(60, shutil.get_terminal_size().columns - 1)
        print(f"\r{line[:width]:{width}}\r", file=sys.stderr, end="", flush=True)
    elif in_a_pipe:
        print(line, file=sys.stderr, flush=True)


def follow(title, losses, n):
    """The list of the losses, of which there should be n, or of those before Ctrl-C ended them.

    Each is a tuple, with the loss of each network that is trained. Prints the title first.
    """
    seen, start = [], time.monotonic()
    try:
        print(title, flush=True)
        for item in losses:
            seen.append(item)
            last = [sum(own) / len(own) for own in zip(*seen[-100:])]
            left = (time.monotonic() - start) / len(seen) * (n - len(seen))
            show_progress(f"step {len(seen)}/{n}  loss {', '.join(f'{v:#.4g}' for v in last)}  "
                          f"{left:.0f} s left", in_a_pipe=len(seen) % max(1, n // 10) == 0)
        show_progress("", in_a_pipe=False)
    except KeyboardInterrupt:
        show_progress("", in_a_pipe=False)
        print(f"stopped at step {len(seen)} of {n}; Ctrl-C again quits", file=sys.stderr,
              flush=True)
    return seen


def count_parameters(model):
    """How many numbers training changes."""
    return sum(len(numbers_of(p.data)) for p in model.parameters())


def cost(model):
    """The multiply-adds of a network of convolutions for one token: one for each of its weights."""
    return sum(len(numbers_of(layer.weight.data)) for layer in model.children()
               if isinstance(layer, Linear))


def show_shapes(title, model, inputs):
    """Section 5: the shape that comes out of each layer, and its number of parameters."""
    outs = []
    model(inputs, outs)
    print(f"\n{title + f': {count_parameters(model)} parameters':54}output shape    parameters")
    for layer, out in zip(model.layers, outs):
        print(f"  {layer!s:51} {out.shape!s:15}{count_parameters(layer):11}")


def show_networks(args, tokenizer, splits, joins):
    """Sections 5 and 6: the tree and the convolutions, before training."""
    flat, tree, convolutions = (
        build(tokenizer.n_vocab, some, args.n_embd, args.n_hidden, random.Random(args.seed))
        for build, some in ((build_tree, [args.block_size]), (build_tree, joins),
                            (build_convolutions, joins)))
    for model in (flat, tree, as_convolutions(tree, convolutions)):
        model.eval()  # to leave the running statistics as they are
    ids = max(splits["dev"][:20], key=len)
    contexts = contexts_of(ids, args.block_size)
    if len(joins) > 1:
        show_shapes(f"{len(contexts)} contexts of {args.block_size}, all at once", flat, contexts)
    show_shapes(f"{len(contexts)} contexts of {args.block_size}, as a tree", tree, contexts)
    show_shapes("their document, as convolutions", convolutions, [ids[:-1]])
    some = splits["train"][:200]
    if len(joins) > 1 and len(set(map(tuple, some))) > 20:
        varying, apart = norm_by_place(tree, some)
        print("\n" + textwrap.fill(
            f"why batch norm is over batch and time: over the batch alone, its means in layer 1 "
            f"would vary {varying:.2f} times as much from batch to batch, and the same pair of "
            f"letters would become numbers {apart:.2f} standard deviations apart at the last place "
            f"and the one before", 79))
    if args.block_size <= 32:
        glyphs = [glyph(tokenizer, i) for i in contexts[-1]]
        print(f"\nwhat the last prediction is made from\n{draw_tree(glyphs, joins)}")
    logits = numbers_of(tree(contexts).data), numbers_of(convolutions([ids[:-1]]).data)
    costs = multiply_adds(tree, contexts), multiply_adds(convolutions, [ids[:-1]])
    print("\n" + textwrap.fill(
        f"multiply-adds for the {len(contexts)} predictions of this name: {costs[0]} as a tree, "
        f"{costs[1]} as convolutions, a saving of {1 - costs[1] / costs[0]:.0%}; the logits differ "
        f"by at most {max(map(abs, map(operator.sub, *logits))):.1g}", 79))


def gated_like(plain, n_vocab, joins, seed):
    """WaveNet with as many channels as cost no more than the plain convolutions do, or with 1."""
    best = WaveNet(n_vocab, joins, 1, random.Random(seed))
    for n in itertools.count(2):
        model = WaveNet(n_vocab, joins, n, random.Random(seed))
        if cost(model) > cost(plain):
            return best
        best = model


def run(args, tokenizer, splits, joins, lr):
    """Trains, evaluates and samples."""
    def build(kind):
        return kind(tokenizer.n_vocab, joins, args.n_embd, args.n_hidden, random.Random(args.seed))

    models = {"plain": build(build_tree if args.tree else build_convolutions)}
    if args.gated:
        models["gated"] = gated_like(models["plain"], tokenizer.n_vocab, joins, args.seed)
    runs = [train(model, splits["train"], decay(lr, args.steps), args.batch_size,
                  random.Random(args.seed), by_context if args.tree else by_document)
            for model in models.values()]
    losses = follow(f"\n{args.steps} steps with learning rates from {lr:g} down towards 0"
                    + (", as a tree" if args.tree else ", plain and gated" if args.gated else ""),
                    zip(*runs), args.steps)
    if args.tree:  # out of training convolutions give the same, and faster
        models["plain"] = as_convolutions(models["plain"], build(build_convolutions))
    model, found = models["gated" if args.gated else "plain"], {}
    if args.eval_docs:
        for name in ("train", "dev", "test") if args.test else ("train", "dev"):
            for other in models.values():
                found[name, other] = evaluate(other, splits[name][:args.eval_docs])
            print(f"{name} loss {found[name, model]:.4f}", flush=True)
    if losses:
        print("\n" + draw_curve([own[-1] for own in losses], "loss in training, nats a token"
                                + (", gated" if args.gated else ""),
                                f"steps 1 to {len(losses)}"))
    if args.gated:
        print("\ncompared      channels  parameters  multiply-adds a token"
              + ("  train loss   dev loss" if found else ""))
        for name, other in models.items():
            print(f"  {name:11}{other.children()[-1].weight.shape[0]:9}"
                  f"{count_parameters(other):12}{cost(other):23}"
                  + "".join(f"{found[part, other]:#{width}.5g}"
                            for part, width in (("train", 12), ("dev", 11)) if found))
    if args.samples:
        show_samples(args, tokenizer, splits["train"], model)


def show_samples(args, tokenizer, documents, model):
    """Section 8: texts, and that they are the same without the memory, and what that costs."""
    rngs, known = [random.Random(args.seed) for _ in range(2)], set(map(tuple, documents))
    with_memory = without = 0
    same = True
    print("\nsamples (* is one of the training documents)")
    for _ in range(args.samples):
        ids = sample(model, rngs[0])
        print(("* " if (BOUNDARY, *ids, BOUNDARY) in known else "  ")
              + printable(tokenizer.decode(ids)), flush=True)
        same = same and ids == sample(model, rngs[1], remember=False)
        n = min(len(ids) + 1, MAX_NEW_TOKENS)  # tokens drawn, each from a place of its own
        with_memory, without = with_memory + n, without + n * (n + 1) // 2
    print(f"without the memory they are {'the same' if same else 'not the same'}, for "
          f"{without / with_memory:.1f} times as many multiply-adds")


def main(argv=None):
    """Read the command line and the data, and run; what is wrong with them is said in one line."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # where ● cannot be printed, ? will do
    try:
        joins = joins_of(args.block_size, args.n_layer)
        tokenizer, splits = load(args.data, args.seed)
    except ValueError as error:
        parser.error(str(error))
    print(f"{sum(map(len, splits.values()))} documents, {tokenizer.n_vocab} tokens")
    show_networks(args, tokenizer, splits, joins)
    try:
        run(args, tokenizer, splits, joins, args.lr or (0.8 if args.steps < 50_000 else 0.2))
    except FloatingPointError as error:
        show_progress("", in_a_pipe=False)
        parser.error(str(error))


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
        print(f"wavenet.py: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
