"""A network that joins neighbours: letters to pairs, pairs to fours, fours to eights.

The network of mlp.py lays the embeddings of all letters of its context end to end, and
multiplies them by one wide matrix. A context that is twice as long needs a matrix that
is twice as wide. In this lesson, a tree joins two neighbours at a time, so a context
that is twice as long needs only one more level. Each letter of a name must be predicted
from a context of its own, and so needs a tree of its own. But these trees have most of
their parts in common. We compute each part only once, and then the trees have become
what is called dilated causal convolutions. Such networks have learned to speak:
WaveNet, which comes at the end of the lesson, predicts each value of a sound from
thousands of earlier ones.

    python wavenet.py                   train, evaluate, and invent names
    python wavenet.py --gated           the same with WaveNet's own block
    python wavenet.py --block-size 16   the same with a longer context

The first command takes two or three minutes, or less than half a minute with PyPy. It
prints, among other lines:

    step      1  loss 3.2947
    step   3000  loss 2.0870
    dev loss 2.1559

and invents names such as malettyn, ailan, karra, lori, giston, ajadell and lasen.

Sections 1 to 3 and the loss repeat code that mlp.py explains, so you may skip to
section 4. Some functions are marked as exercises. 4.3 is lesson 4, exercise 3: delete
the body below the docstring, write it anew, and run python -m pytest
tests/test_wavenet.py.
"""
import argparse
import math
import operator
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# A document is a line of a text file, here a name. Its characters are the tokens, and
# one more token, the boundary, stands before and after each document. A fifth of the
# documents is held back: dev to choose settings by, and test for the very end.

def read_documents(path):
    """Return the list of documents in a text file: its lines, except for blank ones.

    The file is read as UTF-8, and a byte order mark at its beginning is left out.
    Raises UnicodeDecodeError if it is not UTF-8, and OSError if it cannot be read.
    """
    with open(path, encoding="utf-8-sig") as file:
        return [line.strip() for line in file if line.strip()]


def encode(text, characters):
    """Return the list of ids of a text.

    characters is a string in which each character stands at its id. Raises ValueError
    for a character that is not in it.

    >>> encode("emma", "aem")
    [1, 2, 2, 0]
    """
    return [characters.index(character) for character in text]


def decode(ids, characters):
    """Return the text of a list of ids, with a dot for the boundary.

    >>> decode([3, 1, 2, 2, 0, 3], "aem")
    '·emma·'
    """
    symbols = characters + "·"
    return "".join([symbols[i] for i in ids])


def split(documents):
    """Return three lists of documents: train, and a tenth each for dev and test.

    The documents are shuffled in the same way in every run and in every lesson, so that
    all losses can be compared.
    """
    shuffled = list(documents)
    random.Random(42).shuffle(shuffled)
    n = len(shuffled) // 10
    dev = shuffled[:n]
    test = shuffled[n:2 * n]
    train = shuffled[2 * n:]
    return train, dev, test


# %% 2. Tensor
# A Tensor holds a number, a list or a matrix, and remembers what it was computed from.
# backward() computes the gradients. mlp.py explains the class.

class Tensor:
    """A number, a list of numbers, or a matrix, which is a list of rows.

    parents are the Tensors that it was computed from. local_backward(grad) gets the
    gradient of this Tensor, and returns a list with the gradient of each parent.
    """

    count = 0

    def __init__(self, data, parents=(), local_backward=None):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, after backward()
        self.parents = parents
        self.local_backward = local_backward
        self.serial = Tensor.count  # how many Tensors were made before this one
        Tensor.count += 1

    @property
    def shape(self):
        """() for a number, (n,) for a list, (n, m) for n rows of m numbers."""
        return shape_of(self.data)

    def __add__(self, other):
        """Return the sum of two Tensors of the same shape, number by number."""
        def backward(grad):
            return [grad, grad]
        return Tensor(add(self.data, other.data), [self, other], backward)

    def backward(self):
        """Compute d self / d tensor for all Tensors that self, a number, comes from.

        For a Tensor without parents, this is added to its .grad. For all others, .grad
        is what this call has computed. Raises ValueError if self is not a number, or if
        an operation returns gradients that do not have the shapes of its parents.
        """
        if self.shape != ():
            raise ValueError(f"backward() starts from a number, not from {self.shape}")
        found = {self}
        to_visit = [self]
        while to_visit:
            tensor = to_visit.pop()
            if tensor.parents:
                tensor.grad = None
            for parent in tensor.parents:
                if parent not in found:
                    found.add(parent)
                    to_visit.append(parent)
        self.grad = 1.0
        # A Tensor may be used in several places. Its gradient is complete only when all
        # of them have sent their part. They were made later, so the newest go first.
        for tensor in sorted(found, key=lambda tensor: -tensor.serial):
            if tensor.parents:
                tensor.send_to_parents()

    def send_to_parents(self):
        """Add the gradients that local_backward returns to the .grad of each parent."""
        grads = self.local_backward(self.grad)
        shapes = [shape_of(grad) for grad in grads]
        expected = [parent.shape for parent in self.parents]
        if shapes != expected:
            name = self.local_backward.__qualname__
            raise ValueError(f"{name}: gradients {shapes} for parents {expected}")
        for parent, grad in zip(self.parents, grads):
            parent.grad = grad if parent.grad is None else add(parent.grad, grad)


def shape_of(data):
    """Return () for a number, (n,) for a list, (n, m) for n rows of m numbers."""
    if not hasattr(data, "__len__"):
        return ()
    if len(data) == 0:
        return (0,)
    return (len(data), *shape_of(data[0]))


def add(a, b):
    """Return the sum of two numbers, or of two lists or matrices, number by number.

    Raises ValueError if one is longer than the other.
    """
    if not isinstance(a, list):
        return a + b
    if isinstance(a[0], list):
        return [add(p, q) for p, q in zip(a, b, strict=True)]
    return [p + q for p, q in zip(a, b, strict=True)]


def transpose(rows):
    """Return the matrix whose rows are the columns of rows: (n, m) -> (m, n)."""
    return [[row[j] for row in rows] for j in range(len(rows[0]))]


# %% 3. Layers
# A layer is a function that takes a Tensor and returns a new one. These layers, with
# their gradients, are explained in mlp.py: an embedding looks up a row for each id, and
# a linear layer computes weighted sums of each row.

def embedding(weight, ids):
    """Return a Tensor whose row i is row ids[i] of weight.

    The shapes are (n, m), N ids -> (N, m). Raises ValueError for an unknown id, and if
    there are no ids.
    """
    n = len(weight.data)
    if not ids or min(ids) < 0 or max(ids) >= n:
        raise ValueError(f"embedding: the ids must be from 0 to {n - 1}, not {ids}")

    def backward(grad):
        d_weight = [[0.0] * len(row) for row in weight.data]
        for i, g_row in zip(ids, grad):
            d_weight[i] = add(d_weight[i], g_row)  # an id that occurs twice gets both
        return [d_weight]
    return Tensor([list(weight.data[i]) for i in ids], [weight], backward)


def dot(p, q):
    """Return the dot product of two lists of the same length."""
    total = 0.0
    for i in range(len(p)):
        total += p[i] * q[i]
    return total


# (In CPython, a faster version takes the place of this function. It stands below the
# line "You can stop here".)
def inner(a, b):
    """Return the matrix of the dot products of all rows of a with all rows of b.

    The shapes are (n, k), (m, k) -> (n, m). In PyTorch this is a @ b.T.
    """
    out = []
    k = len(b[0])
    for p in a:
        row = []
        for q in b:
            total = 0.0
            i = 0
            while i < k:
                total += p[i] * q[i]
                i += 1
            row.append(total)
        out.append(row)
    return out


def linear(x, weight, bias=None):
    """Return a Tensor with the dot products of all rows of x and weight, plus bias.

    The shapes are (N, n_in), (n_out, n_in), (n_out,) -> (N, n_out). Raises ValueError
    if they do not fit.
    """
    if x.shape[1:] != weight.shape[1:]:
        raise ValueError(f"linear: x {x.shape} does not fit weight {weight.shape}")
    out = inner(x.data, weight.data)
    parents = [x, weight]
    if bias is not None:
        out = [add(row, bias.data) for row in out]
        parents.append(bias)

    def backward(grad):                               # (N, n_out)
        columns = transpose(grad)                     # (n_out, N)
        d_x = inner(grad, transpose(weight.data))     # (N, n_in)
        d_weight = inner(columns, transpose(x.data))  # (n_out, n_in)
        if bias is None:
            return [d_x, d_weight]
        d_bias = [sum(column) for column in columns]  # (n_out)
        return [d_x, d_weight, d_bias]
    return Tensor(out, parents, backward)


def tanh(x):
    """Return a Tensor with tanh of each number of x: (N, n) -> (N, n)."""
    out = [[math.tanh(v) for v in row] for row in x.data]

    def backward(grad):
        d_x = []
        for g_row, out_row in zip(grad, out):
            d_x.append([g * (1 - v * v) for g, v in zip(g_row, out_row)])
        return [d_x]
    return Tensor(out, [x], backward)


# Batch norm subtracts from each column its mean, and divides by its standard deviation.
# In training these two are taken from the rows of the batch. Afterwards they are the
# running statistics, which were averaged over many batches. So what the network says in
# training depends on all rows of a batch.

NORM_EPS = 1e-5


def mean_and_variance(values):
    """Return the mean and the variance of a list of numbers."""
    n = len(values)
    mean = sum(values) / n
    centred = [v - mean for v in values]
    return mean, dot(centred, centred) / n


def normalize(rows):
    """Return two things: the normed rows, and the list of their standard deviations.

    >>> normed, stds = normalize([[1, 2, 6]])
    >>> [round(v, 2) for v in normed[0]], round(stds[0], 2)
    ([-0.93, -0.46, 1.39], 2.16)
    """
    normed = []
    stds = []
    for row in rows:
        mean, variance = mean_and_variance(row)
        std = math.sqrt(variance + NORM_EPS)
        normed.append([(v - mean) / std for v in row])
        stds.append(std)
    return normed, stds


def normalize_backward(grad, normed, stds):
    """Return the gradient of the rows that were given to normalize().

    grad is the gradient of normed, and normed and stds are what normalize() returned.

    >>> normed, stds = normalize([[1, 2, 6]])
    >>> d_rows = normalize_backward([[1, 0, 0]], normed, stds)
    >>> [round(d, 3) for d in d_rows[0]]
    [0.176, -0.22, 0.044]
    """
    d_rows = []
    for g_row, row, std in zip(grad, normed, stds):
        n = len(row)
        mean = sum(g_row) / n
        mean_product = dot(g_row, row) / n
        d_rows.append([(g - mean - v * mean_product) / std for g, v in zip(g_row, row)])
    return d_rows


def normalize_columns(x):
    """Return a Tensor with the columns of x, normed: (N, n) -> (N, n)."""
    normed, stds = normalize(transpose(x.data))  # (n, N)

    def backward(grad):
        return [transpose(normalize_backward(transpose(grad), normed, stds))]
    return Tensor(transpose(normed), [x], backward)


def multiply(p, q):
    """Return the products of two lists of the same length, number by number."""
    return [x * y for x, y in zip(p, q, strict=True)]


def scale_and_shift(x, weight, bias):
    """Return a Tensor with each row of x times weight, plus bias, number by number.

    The shapes are (N, n), (n,), (n,) -> (N, n).
    """
    out = [add(multiply(row, weight.data), bias.data) for row in x.data]

    def backward(grad):
        d_x = [multiply(g_row, weight.data) for g_row in grad]
        columns = transpose(grad)
        d_weight = [dot(g, v) for g, v in zip(columns, transpose(x.data))]
        d_bias = [sum(g) for g in columns]
        return [d_x, d_weight, d_bias]
    return Tensor(out, [x, weight, bias], backward)


class RunningStatistics:
    """The mean and the variance of each of n columns, averaged over many batches."""

    def __init__(self, n):
        self.mean = [0.0] * n
        self.variance = [1.0] * n
        self.n_batches = 0

    def update(self, rows):
        """Let a batch, the rows of a matrix, count in the averages.

        In a batch of one row, the variance is 0.
        """
        n = len(rows)
        self.n_batches += 1
        share = max(0.01, 1 / self.n_batches)
        for j, column in enumerate(transpose(rows)):
            mean, variance = mean_and_variance(column)
            variance *= n / max(1, n - 1)
            self.mean[j] += share * (mean - self.mean[j])
            self.variance[j] += share * (variance - self.variance[j])


def batch_norm(x, weight, bias, statistics, training):
    """Return a Tensor with the normed columns of x, times weight, plus bias.

    The shapes are (N, n), (n,), (n,) -> (N, n). In training the statistics are updated,
    otherwise they are used. Source: Ioffe and Szegedy 2015, "Batch Normalization".
    """
    if training:
        statistics.update(x.data)
        normed = normalize_columns(x)
    else:
        # (v - mean) / std is v * factor + shift
        factors = [1 / math.sqrt(v + NORM_EPS) for v in statistics.variance]
        shifts = [-v for v in multiply(statistics.mean, factors)]
        normed = scale_and_shift(x, Tensor(factors), Tensor(shifts))
    return scale_and_shift(normed, weight, bias)


# %% 4. The tree
# How can a network look at a long context? mlp.py uses one wide layer. For a context of
# eight letters, it lays eight embeddings end to end, and computes weighted sums of all
# these numbers. This has two drawbacks. The wide layer has separate weights for every
# position: what it learns about "ia" at the end of a context, it must learn anew for
# "ia" two letters earlier. And a context that is twice as long needs twice as many
# weights.
#
# A tree joins neighbours instead. Letters become pairs, pairs become fours, and fours
# become eights:
#
#     j     e     r     e     m     i     a     h     8 rows of n_embd numbers
#     └──┬──┘     └──┬──┘     └──┬──┘     └──┬──┘
#        je          re          mi          ah       4 rows of n_hidden numbers
#        └─────┬─────┘           └─────┬─────┘
#             jere                    miah            2 rows of n_hidden numbers
#              └───────────┬───────────┘
#                      jeremiah                       1 row of n_hidden numbers
#
# At every fork, two rows are laid end to end. A linear layer, batch norm and tanh turn
# them into one row of n_hidden numbers. All pairs share one set of weights, so what is
# learned about "ia" serves for each pair of the context. (If "ia" begins one letter
# earlier, the tree cuts between i and a. Then the two letters meet only at a later
# level, inside of larger parts.) All fours share a second set of weights, and all
# eights a third one. A context that is twice as long needs only one more level.
#
# So the one new operation is to join rows. join() gets two lists of row numbers. Row i
# of its result is row left[i] of x, followed by row right[i] of x. For example, let us
# join row 0 with row 1, and row 0 with row 2:
#
#     x         join(x, [0, 0], [1, 2])
#     1  2      1  2  3  4                rows 0 and 1
#     3  4      1  2  5  6                rows 0 and 2
#     5  6
#
# What is its gradient? Each number of the result is a copy of a number of x. So the
# left half of row i of the gradient belongs to row left[i] of x, and the right half to
# row right[i]. Row 0 of x was copied twice, so it gets the sum of two halves.

# exercise 4.1: joining rows
def join(x, left, right):
    """Return a Tensor whose row i is row left[i] of x, followed by row right[i] of x.

    left and right are M row numbers each: (N, n) -> (M, 2 * n).

    >>> join(Tensor([[1, 2], [3, 4], [5, 6]]), [0, 0], [1, 2]).data
    [[1, 2, 3, 4], [1, 2, 5, 6]]
    """
    out = [x.data[i] + x.data[j] for i, j in zip(left, right, strict=True)]
    n = x.shape[1]

    def backward(grad):                        # (M, 2 * n)
        d_x = [[0.0] * n for _ in x.data]      # (N, n)
        for i, j, g_row in zip(left, right, grad):
            d_x[i] = add(d_x[i], g_row[:n])
            d_x[j] = add(d_x[j], g_row[n:])
        return [d_x]
    return Tensor(out, [x], backward)


# The tree joins rows 0 and 1, rows 2 and 3, and so on. The contexts of a batch are
# stacked in one matrix, with eight rows for each context. Eight is even, so no pair is
# made of rows from two contexts. The same holds for the four rows per context of the
# next level, and for the two rows of the last one. The default network has 12 numbers
# in an embedding, 32 in a hidden row, and 27 tokens. The name jeremiah has nine
# contexts, one for each letter and one for the boundary at its end. They go through the
# network like this:
#
#     embedding    72 rows of 12 numbers
#     level 0      36 rows of 32 numbers      pairs
#     level 1      18 rows of 32 numbers      fours
#     level 2       9 rows of 32 numbers      eights
#     output        9 rows of 27 numbers      the logits
#
# The first weights are drawn as in mlp.py. With n_in inputs, the weights of a layer
# have a standard deviation of 1 / sqrt(n_in), so its sums are about as large as its
# inputs. (The gain of 5/3 is left out, because batch norm rescales the sums anyway.
# Because of batch norm, the layers have no bias either.) The embeddings are drawn by
# the same function, which happens to give a good size: 0.29, where mlp.py has 0.3. The
# output layer has a gain of 0.1, so that all logits are close to 0 at first, and the
# first loss is close to log(27) = 3.30.

class Tree:
    """The network. config is a dict of settings, and seed is for the first weights.

    config has vocab_size, n_embd, n_hidden, and n_levels, the number of levels: 3 for a
    context of 8 tokens. params is a dict {name: Tensor}.
    """

    def __init__(self, config, seed):
        self.config = config
        self.rng = random.Random(seed)
        self.params = {}
        self.statistics = []  # of batch norm, for each level
        vocab_size = config["vocab_size"]
        n_in = config["n_embd"]
        self.add_weight("embedding", vocab_size, n_in)
        for k in range(config["n_levels"]):
            self.add_level(k, n_in)
            n_in = config["n_hidden"]
        self.add_weight("output", vocab_size, n_in, gain=0.1)
        self.params["output.bias"] = Tensor([0.0] * vocab_size)

    def add_weight(self, name, n_out, n_in, gain=1.0):
        """Make the parameter name.weight, a random matrix (n_out, n_in)."""
        std = gain / math.sqrt(n_in)
        rows = [[self.rng.gauss(0, std) for _ in range(n_in)] for _ in range(n_out)]
        self.params[f"{name}.weight"] = Tensor(rows)

    def add_level(self, k, n_in):
        """Make the parameters of level k, which joins rows of n_in numbers."""
        n = self.config["n_hidden"]
        self.add_weight(f"level.{k}", n, 2 * n_in)
        self.params[f"norm.{k}.weight"] = Tensor([1.0] * n)
        self.params[f"norm.{k}.bias"] = Tensor([0.0] * n)
        self.statistics.append(RunningStatistics(n))

    # exercise 4.2: neighbours
    def rows_to_join(self, k, lengths):
        """Return which rows level k joins: the row numbers left and right.

        lengths says how many ids each context has. The tree needs only their sum, but
        the class of section 5 has to know where each document begins. (In the example
        None stands for self, which is not used.)

        >>> left, right = Tree.rows_to_join(None, 0, [4, 4])
        >>> list(left), list(right)
        ([0, 2, 4, 6], [1, 3, 5, 7])
        """
        n_rows = sum(lengths) // 2 ** k  # each level has half as many as the one before
        return range(0, n_rows, 2), range(1, n_rows, 2)

    def levels(self, x, lengths, training):
        """Return x after all levels: (N, n_embd) -> (M, n_hidden)."""
        p = self.params
        for k, statistics in enumerate(self.statistics):
            left, right = self.rows_to_join(k, lengths)
            x = join(x, left, right)               # (M, 2 * n)
            x = linear(x, p[f"level.{k}.weight"])  # (M, n_hidden)
            x = batch_norm(
                x, p[f"norm.{k}.weight"], p[f"norm.{k}.bias"], statistics, training)
            x = tanh(x)
        return x

    def __call__(self, ids, lengths, training=False):
        """Return a Tensor with the logits.

        ids are those of all contexts, one after the other, and lengths says how many
        ids each context has. training says whether this is part of a training step.
        """
        x = embedding(self.params["embedding.weight"], ids)
        x = self.levels(x, lengths, training)
        return linear(x, self.params["output.weight"], self.params["output.bias"])


# %% 5. The same as convolutions
# The network must predict every letter of a name, so it needs one tree for each
# context. These trees compute many parts again and again. Here are the first joins of
# the last six trees of jeremiah, with a dot for the boundary:
#
#     context      pairs
#     ·····jer     ··   ··   ·j   er
#     ····jere     ··   ··   je   re
#     ···jerem     ··   ·j   er   em
#     ··jeremi     ··   je   re   mi
#     ·jeremia     ·j   er   em   ia
#     jeremiah     je   re   mi   ah
#
# Many pairs are computed several times. (A context cuts its pairs from its last letter
# backwards. One letter later all cuts fall elsewhere, and two letters later they fall
# in the same places. So a context shares its pairs with the context two letters before
# it.) But there are only nine different pairs, because each of the nine positions makes
# one pair with the position before it: ·j, je, er, re, em, mi, ia, ah, and ·· at the
# first position, which is a boundary.
#
# So we compute this pair once for each position. Then we join each pair with the pair
# that ends two positions before it, and have one four for each position. And we join
# each four with the four that ends four positions before it, which gives one eight for
# each position. Here are the parts that are made of letters alone. Each of them stands
# below its last letter. For example, erem is made of em, and of er two positions before
# it:
#
#      j      e      r      e      m      i      a      h        letters
#
#            [je]    er    [re]    em    [mi]    ia    [ah]      pairs
#
#                         [jere]  erem   remi   emia  [miah]     fours
#
#                                                   [jeremiah]   eights
#
# The brackets mark the tree of section 4: all its parts are here. The parts without
# brackets belong to the trees of other contexts. (Parts with a boundary, such as ·j and
# ··je, are left out of the picture.)
#
# What do we save? The nine trees of jeremiah have 9 * (4 + 2 + 1) = 63 joins. Now there
# are 3 for each of the nine positions, 27 in all. The longer the context, the more we
# save:
#
#     tokens in the context                   8     16     64
#     joins per position, trees               7     15     63
#     joins per position, convolutions        3      4      6
#
# A layer that computes one row for every position, from a few rows near it and always
# with the same weights, is called a convolution. Ours are causal: they look at their
# own position and an earlier one, never at a later one. And they are dilated: the two
# positions that they join are `dilation` apart, here 1, 2 and 4. (In PyTorch,
# nn.Conv1d(n_in, n_out, kernel_size=2, dilation=dilation, bias=False) is such a join
# with its linear layer.)
#
# What stands before position 0? Position 0 is a boundary, and in the trees everything
# before it would be boundaries too. If we join row 0 with itself, we get the row for
# two boundaries. On the next level, it is joined with itself again, which gives the row
# for four boundaries, and so on. So on every level row 0 is the row for "nothing but
# boundaries", and a row before it would hold the same numbers. That is why row 0 may
# stand in for every row that is missing.

# Nothing changes but the rows that are joined. So the new class takes everything from
# Tree, and has a method rows_to_join of its own. Instead of contexts it gets whole
# documents, and gives logits for each of their positions.

class Convolutions(Tree):
    """The same network for whole documents: one row of logits for each of the ids.

    Trees and convolutions for jeremiah, with the same first weights:

    >>> config = {"vocab_size": 27, "n_levels": 3, "n_embd": 12, "n_hidden": 32}
    >>> name = encode("jeremiah", "abcdefghijklmnopqrstuvwxyz")
    >>> padded = [26] * 8 + name  # the first context has eight boundaries
    >>> contexts = []
    >>> for t in range(9):
    ...     contexts += padded[t:t + 8]
    >>> a = Tree(config, seed=1)(contexts, [8] * 9)
    >>> b = Convolutions(config, seed=1)([26] + name, [9])
    >>> a.shape == b.shape == (9, 27)
    True
    >>> max([math.dist(p, q) for p, q in zip(a.data, b.data)]) < 1e-12
    True
    """

    # exercise 4.3: looking back
    def rows_to_join(self, k, lengths):
        """Return which rows level k joins: the row numbers left and right.

        lengths says how many rows each document has. right lists all rows. For each of
        them, left lists the row 2^k positions earlier. Where the document does not
        reach back so far, left lists the first row of the document.

        >>> left, right = Convolutions.rows_to_join(None, 1, [5, 3])
        >>> list(left), list(right)
        ([0, 0, 0, 1, 2, 5, 5, 5], [0, 1, 2, 3, 4, 5, 6, 7])
        """
        left = []
        for length in lengths:
            first = len(left)  # number of the first row of this document
            left += [first + max(0, t - 2 ** k) for t in range(length)]
        return left, range(len(left))


# The logits are the same, as the doctest shows. In training they would differ, because
# batch norm takes mean and variance over other rows. The nine trees of jeremiah have 36
# pairs, of which 16 consist of two boundaries. The convolutions have nine pairs, of
# which only one does. So the two would learn different weights. We train the
# convolutions, which have less to compute. (Mean and variance are taken over all
# positions, later ones too. So in training the network is not quite causal, but after
# it, with running statistics, it is.)

# %% 6. Training
# The loss is the cross-entropy of mlp.py, the mean of -log(p), where p is the
# probability that the network gave to the token that really came. A batch is made of
# whole documents, drawn at random. At each position the network predicts the next
# token, so a name of eight letters gives nine predictions at once. The documents of a
# batch are stacked, and may have different lengths, because lengths says how long each
# of them is. New in this section are loss_of(), train() and evaluate().

def log_sum(row):
    """Return the logarithm of the sum of e^v over all v in row.

    The largest v is taken out of the sum, because e^1000 is too large for a float:
    log(e^1000 + e^999) = 1000 + log(e^0 + e^-1).
    """
    largest = max(row)
    return largest + math.log(sum([math.exp(v - largest) for v in row]))


def softmax(row):
    """Return numbers that sum to 1, in proportion to e^v for each v in row.

    >>> [round(p, 2) for p in softmax([2.12, 0, 0])]
    [0.81, 0.1, 0.1]
    """
    total = log_sum(row)
    return [math.exp(v - total) for v in row]


def cross_entropy(logits, targets):
    """Return the mean of -log(softmax(row)[target]) as a Tensor, in nats per token.

    logits is a Tensor (N, vocab_size), and targets are N ids. Raises ValueError for an
    unknown id.
    """
    n, vocab_size = logits.shape
    if min(targets) < 0 or max(targets) >= vocab_size:
        raise ValueError(f"the targets must be below {vocab_size}: {targets}")
    total = 0.0
    for row, target in zip(logits.data, targets, strict=True):
        total += log_sum(row) - row[target]  # = -log(e^row[target] / (sum of e^v))

    def backward(grad):
        d_logits = []
        for row, target in zip(logits.data, targets):
            d_row = [grad / n * p for p in softmax(row)]
            d_row[target] -= grad / n
            d_logits.append(d_row)
        return [d_logits]
    return Tensor(total / n, [logits], backward)


def loss_of(model, documents, training=False):
    """Return the loss of a batch of documents, which are lists of ids, as a Tensor."""
    inputs = []
    targets = []
    lengths = []
    for ids in documents:
        inputs += ids[:-1]
        targets += ids[1:]
        lengths.append(len(ids) - 1)
    return cross_entropy(model(inputs, lengths, training), targets)


def as_rows(data):
    """Return the rows of a matrix. A list of numbers counts as one row."""
    if hasattr(data[0], "__len__"):
        return data
    return [data]


def descend(params, lr):
    """Move all parameters against their gradients, and set their .grad to None.

    Raises ValueError if a parameter has no gradient.
    """
    for name, p in params.items():
        if p.grad is None:
            raise ValueError(f"no gradient has reached the parameter {name}")
        for row, g_row in zip(as_rows(p.data), as_rows(p.grad)):
            for j, g in enumerate(g_row):
                row[j] -= lr * g
        p.grad = None


def train(model, documents, steps, batch_size, lr, seed, report):
    """Train the model. lr is the learning rate of the first step.

    After each step report(step, loss) is called, which can show the progress. The loss
    is a number.
    """
    rng = random.Random(seed)
    for step in range(1, steps + 1):
        batch = rng.choices(documents, k=batch_size)
        loss = loss_of(model, batch, training=True)
        loss.backward()
        descend(model.params, lr * (steps + 1 - step) / steps)
        report(step, loss.data)


def evaluate(model, documents):
    """Return the mean loss over all tokens of the documents, in nats per token."""
    losses = [loss_of(model, [ids]).data for ids in documents]
    counts = [len(ids) - 1 for ids in documents]  # a long document counts more
    return dot(losses, counts) / sum(counts)


# Here is what the default run prints about the training:
#
#     step      1  loss 3.2947
#     step    300  loss 2.3467      each loss is the mean of the last 100 steps
#     step   1500  loss 2.1793
#     step   3000  loss 2.0870
#     train loss 2.1307
#     dev loss 2.1559
#
# Why is the loss of the last steps lower than the train loss, which is that of the
# first 2,000 train names? One reason is batch norm. In training, a name is normed with
# a mean and a variance to which it has contributed itself. If the train loss is
# computed with such statistics, from batches of twelve names, it is 2.113. The rest may
# be chance, because the last 100 steps have only 1,200 names.
#
# Is the tree better than one wide layer? The default network has 6,271 parameters. That
# of mlp.py has nearly as many, 6,226, with eight letters of context and 47 neurons
# (python mlp.py --block-size 8 --n-hidden 47). Both make about 250,000 predictions in
# training. Here are the dev losses for the seeds 1, 2 and 3:
#
#     wide layer      2.149    2.157    2.151      mean 2.152
#     convolutions    2.170    2.150    2.155      mean 2.158
#
# The means differ by 0.006, but two runs of the same network with different seeds
# differ by up to 0.020. So we cannot tell which is better. Names are short, and the
# nearest letters say most about the next one.
#
# The strength of the tree is a long context, which names cannot show. But we can count.
# The layers that join letters have these numbers of weights, with 47 neurons in the
# wide layer, and 32 numbers in a row of the trees:
#
#     tokens in the context                 8         16         64
#     wide layer                        4,512      9,024     36,096
#     trees or convolutions             4,864      6,912     11,008
#
# To predict one token, the wide layer and the convolutions use each weight once. With 8
# tokens, the trees use the weights of the pairs four times, and those of the fours
# twice. So these are the multiplications per token:
#
#     wide layer                        4,512      9,024     36,096
#     trees                             9,216     20,480     88,064
#     convolutions                      4,864      6,912     11,008
#
# So for a long context, the trees need few weights, and the convolutions need little
# work, too.

# %% 7. WaveNet's block
# The network that gave this lesson its name is made of convolutions, too. It learned to
# predict sound, which in the paper has 16,000 values per second, and each value is one
# of 256 tokens. To see thousands of values, it needs many levels. In the paper's
# example the dilation doubles from 1 to 512, then begins at 1 again, three times in
# all. So the last of thirty levels sees 3,070 values, a fifth of a second. Its levels
# are called blocks, and each block has three things that our levels do not have. (The
# option --block-size has nothing to do with blocks.)
#
# First, a gate. Two linear layers look at the same two rows. One of them, with tanh,
# computes what could be said. The other one, with sigmoid, computes a number from 0 to
# 1 that says how much of this gets through. So a neuron can be silent in one place and
# speak up in another. With a and b for a number of the two layers:
#
#     t    = tanh(a)
#     s    = sigmoid(b) = 1 / (1 + e^-b)
#     out  = t * s
#
#     a      2.0     2.0     2.0
#     t      0.964   0.964   0.964
#     b     -4.0     0.0     4.0
#     s      0.018   0.5     0.982
#     out    0.017   0.482   0.947
#
# We have tanh already, so the new operation is t * sigmoid(b). By the product rule, the
# gradient of t is grad * s. The slope of sigmoid(b) is s * (1 - s), as in micrograd.py:
#
#     d_t = grad * s
#     d_b = grad * t * s * (1 - s)
#         = grad * out * (1 - s)
#
# For b = -1000, e^-b would be too large for a float. But sigmoid can be computed from
# tanh, where nothing can overflow: sigmoid(b) = (1 + tanh(b / 2)) / 2. To check this,
# we write tanh(v) as (e^v - e^-v) / (e^v + e^-v), and multiply top and bottom by e^-v.
# With v = b / 2:
#
#     tanh(b / 2)            = (1 - e^-b) / (1 + e^-b)
#     1 + tanh(b / 2)        = 2 / (1 + e^-b)
#     (1 + tanh(b / 2)) / 2  = 1 / (1 + e^-b)

# exercise 4.4: the gate
def gate(t, b):
    """Return a Tensor with t * sigmoid(b), number by number: (N, n), (N, n) -> (N, n).

    >>> gate(Tensor([[5.0, 5.0, 5.0]]), Tensor([[-1000.0, 0.0, 1000.0]])).data
    [[0.0, 2.5, 5.0]]
    """
    gates = [[(1 + math.tanh(v / 2)) / 2 for v in row] for row in b.data]
    out = [multiply(t_row, s_row) for t_row, s_row in zip(t.data, gates)]

    def backward(grad):
        d_t = [multiply(g_row, s_row) for g_row, s_row in zip(grad, gates)]
        d_b = []
        for g_row, out_row, s_row in zip(grad, out, gates):
            d_b.append([g * v * (1 - s) for g, v, s in zip(g_row, out_row, s_row)])
        return [d_t, d_b]
    return Tensor(out, [t, b], backward)


# Second, a residual connection. The output of a block does not replace what went into
# the block, but is added to it. So a block only has to learn what to change. A gradient
# that is multiplied by the weights of thirty blocks may nearly vanish, or become huge.
# But through a sum it passes unchanged, so a part of it reaches the first block without
# being multiplied by the weights of the others.
#
# Third, skip connections. The logits are computed from the sum of the outputs of all
# blocks. So each block has its say about the next letter: the first one knows pairs of
# letters, and the last one all eight letters. This is one block:
#
#                    ┌── linear, tanh ──────┐
#     x ──┬── join ──┤                     (*)── linear ──┬── out, to the sum of all
#         │          └── linear, sigmoid ───┘             │   blocks (skip connection)
#         └──────────────────────────────────────────────(+)── x + out, to the next
#                                                             block (residual)
#
# Only rows of the same length can be added. So the embeddings have n_hidden numbers,
# too. As in formula 2 of the paper, the layers of a block have no biases. There is no
# batch norm either, because tanh and the gate keep the numbers inside of a block
# between -1 and 1. The sum of all blocks goes through tanh before the output layer.
# Otherwise two linear layers would follow each other, which can do no more than one.

class WaveNet(Convolutions):
    """A network of WaveNet's blocks. config["n_embd"] must be config["n_hidden"].

    Source: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio",
    formula 2 and figure 4. The paper has one more convolution before the blocks, and
    ends with relu and two layers, where we have tanh and one.
    """

    def add_level(self, k, n):
        """Make the parameters of block k, which has rows of n numbers."""
        self.add_weight(f"tanh.{k}", n, 2 * n)
        self.add_weight(f"gate.{k}", n, 2 * n)
        self.add_weight(f"out.{k}", n, n)

    def block(self, x, k, lengths):
        """Return a Tensor with the output of block k: (N, n) -> (N, n)."""
        p = self.params
        left, right = self.rows_to_join(k, lengths)
        x = join(x, left, right)              # (N, 2 * n)
        a = linear(x, p[f"tanh.{k}.weight"])  # (N, n)
        b = linear(x, p[f"gate.{k}.weight"])  # (N, n)
        return linear(gate(tanh(a), b), p[f"out.{k}.weight"])

    # exercise 4.5 (needs 4.3, 4.4): residual and skip connections
    def levels(self, x, lengths, training):
        """Return tanh of the sum of the outputs of all blocks: (N, n) -> (N, n).

        training is not used, because there is no batch norm.
        """
        out = self.block(x, 0, lengths)
        total = out  # the sum begins with the first block
        for k in range(1, self.config["n_levels"]):
            x = x + out  # the last block needs no such sum, because none follows it
            out = self.block(x, k, lengths)
            total = total + out
        return tanh(total)


# With python wavenet.py --gated --n-hidden 19, the network has 6,468 parameters, about
# as many as before. Its mean dev loss over the seeds 1, 2 and 3 is 2.176. That of the
# convolutions with batch norm is 2.158, so on names the block does slightly worse. It
# was made for networks that are much deeper, which we have not tried.

# %% 8. Samples
# To invent a name, we begin with the boundary, and draw a token according to the
# probabilities at the last position. We append it to the ids, and draw again, until a
# boundary comes. (Each time the network computes all positions anew. This is simple,
# but wasteful, because the earlier positions do not change.)

def sample(model, rng, max_new_tokens=50):
    """Return the list of ids of a new document, without boundaries.

    It ends where the boundary is drawn, or after max_new_tokens.
    """
    boundary = model.config["vocab_size"] - 1
    ids = [boundary]
    for _ in range(max_new_tokens):
        probs = softmax(model(ids, [len(ids)]).data[-1])
        token = rng.choices(range(len(probs)), probs)[0]
        if token == boundary:
            break
        ids.append(token)
    return ids[1:]


# %% 9. Questions
# The answers are mean dev losses over the seeds 1, 2 and 3, so add --seed 1 and so on
# to what you type. The default run has 2.158. Its seeds differ by up to 0.020, and
# means of three runs may differ by half of this by chance. So we conclude nothing from
# a difference of 0.01.
#
# What does a longer context bring? Type python wavenet.py --block-size 2, then 4, 16.
#     The dev loss is 2.298 with 2 tokens, 2.183 with 4, and 2.164 with 16. Up to 8 each
#     doubling brings something. From 8 to 16 it brings nothing, because only one name
#     in twenty has more than eight letters.
#
# Is 0.8 a good learning rate? Type python wavenet.py --lr 0.4, then 1.2.
#     The dev loss is 2.165 with 0.4, and 2.156 with 1.2. So here it hardly matters.
#
# Do longer rows help? Type python wavenet.py --n-hidden 64.
#     Yes: the dev loss is 2.117. But the network then has 20,383 parameters, three
#     times as many.
#
# Do the convolutions look at earlier letters only? Write this at the end of main:
#
#     a = model([boundary, *encode("jeremiah", characters)], [9]).data
#     b = model([boundary, *encode("jeremias", characters)], [9]).data
#     print([p == q for p, q in zip(a, b)])
#
#     Yes: it prints True eight times, and False once. Only the last letters differ, and
#     only the logits at the last position do.

# You can stop here: what follows does the same faster, and reads options.

# %% 10. The same, faster
# CPython has faster dot products, which mlp.py explains. PyPy compiles the loop of
# inner() when it runs for the first time, and compiles it best if that run is long. So
# the first run is a long one: the dot product of two rows of zeros.

plain_inner = inner  # the tests compare it with the faster one
zeros = [[0.0] * 5000]
plain_inner(zeros, zeros)

if sys.implementation.name == "cpython":
    def dot(p, q):
        """Return the dot product of two lists of the same length."""
        return sum(map(operator.mul, p, q))

    dot = getattr(math, "sumprod", dot)

    def inner(a, b):
        """Return the dot products of all rows of a with all rows of b."""
        return [[dot(p, q) for q in b] for p in a]


# %% 11. Options and errors

class InputError(ValueError):
    """What the user gave cannot be used."""


def read_options(argv):
    """Return the options as attributes. Ends the program if they cannot be used."""
    parser = argparse.ArgumentParser()
    option = parser.add_argument
    option("--data", default=Path(__file__).with_name("names.txt"),
           help="UTF-8 text, one document per line (names.txt)")
    option("--steps", type=int, default=3000, help="training steps (3000)")
    option("--batch-size", type=int, default=12, help="documents per step (12)")
    option("--lr", type=float, default=0.8, help="first learning rate (0.8)")
    option("--seed", type=int, default=42, help="for weights and random draws (42)")
    option("--block-size", type=int, default=8, choices=[2, 4, 8, 16, 32, 64],
           help="tokens in a context (8)")
    option("--n-embd", type=int, default=12, help="numbers in an embedding (12)")
    option("--n-hidden", type=int, default=32, help="numbers in a hidden row (32)")
    option("--gated", action="store_true", help="use WaveNet's own block")
    option("--eval-docs", type=int, default=2000, help="documents to evaluate (2000)")
    option("--samples", type=int, default=20, help="documents to invent (20)")
    option("--test", action="store_true", help="evaluate on test, too")
    return parser.parse_args(argv)


def read_checked(path):
    """Return the documents in a file. Raises InputError if it cannot be used."""
    try:
        documents = read_documents(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None
    if len(documents) < 10:
        raise InputError(f"{path}: {len(documents)} documents, but 10 are needed")
    return documents


def learn(model, documents, args):
    """Train the model, and show the losses. Ctrl-C ends the training early.

    Each line ends with a star, which moves to the left as the loss falls.
    """
    losses = []

    def report(step, loss):
        if not loss < 100:  # also if it is not a number
            raise InputError(f"the loss is {loss:.4g}: --lr is too large")
        losses.append(loss)
        mean, _ = mean_and_variance(losses[-100:])
        line = f"step {step:6}  loss {mean:.4f}"
        if sys.stderr.isatty():
            left = time.process_time() / step * (args.steps - step)
            print(f"{line}  {left:.0f} s left   ", end="\r", file=sys.stderr)
        if step == 1 or step % max(1, args.steps // 10) == 0:
            print(f"{line} |{' ' * round(9 * mean)}*", flush=True)

    try:
        train(model, documents, args.steps, args.batch_size, args.lr, args.seed, report)
    except KeyboardInterrupt:
        print(f"\nstopped at step {len(losses)}", file=sys.stderr)


def main(argv=None):
    """Do what the options say. Raises InputError and OSError."""
    args = read_options(argv)
    for name in ["steps", "batch_size", "lr", "n_embd", "n_hidden", "eval_docs"]:
        if not getattr(args, name) > 0:
            raise InputError(f"{name}: must be above 0")
    texts = read_checked(args.data)
    characters = "".join(sorted(set("".join(texts))))
    boundary = len(characters)
    documents = [[boundary, *encode(text, characters), boundary] for text in texts]
    parts = split(documents)
    config = vars(args) | {"vocab_size": boundary + 1}  # has more than a network needs
    config["n_levels"] = args.block_size.bit_length() - 1  # 3 for 8 = 2^3
    network = Convolutions
    if args.gated:
        network = WaveNet
        config["n_embd"] = args.n_hidden
    model = network(config, args.seed)
    learn(model, parts[0], args)
    for name, part in zip(["train", "dev", "test"], parts):
        if name != "test" or args.test:
            print(f"{name} loss {evaluate(model, part[:args.eval_docs]):.4f}")
    print("samples")
    rng = random.Random(args.seed)
    for _ in range(args.samples):
        print(decode(sample(model, rng), characters))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"wavenet.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
