"""A neural network that predicts the next letter, and why it trains.

To the tables of bigram.py, the contexts "ann" and "enn" have nothing in common: what
was counted after one of them says nothing about the other. In this lesson, each letter
becomes a list of numbers, its embedding. Letters that are followed by the same letters
get similar gradients, so training moves their embeddings close together. Then what the
network learns from one context also serves for contexts that are like it.

The lesson also shows why a network may train badly, and how to see and cure this. Here
the class Tensor, the layers, the loss and their gradients are explained for all later
lessons. At the end all gradients are computed by hand, without Tensor.

    python mlp.py                          train, evaluate, and invent names
    python mlp.py --diagnose --n-layer 5   look into the layers of a deeper network
    python mlp.py --by-hand                train with the gradients of section 10
    python mlp.py --find-lr                try many learning rates in one short run
    python mlp.py --compare                train briefly with a few settings

The first command takes one or two minutes, or a quarter of a minute with PyPy. It
prints, among other lines:

    step      1  loss 3.2754
    step   8000  loss 2.1712
    dev loss 2.1745
    samples: maldso, amalian, karra, mahweld, lori, gistor, aleceline, cavina

Some functions are marked as exercises. 3.4 is lesson 3, exercise 4: delete the body
below the docstring, write it anew, and run python -m pytest tests/test_mlp.py.
"""
import argparse
import copy
import math
import operator
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# As in bigram.py, a document is a line of a text file (in names.txt, a name), its
# characters are the tokens, and one more token, the boundary, stands before and after
# each document. A fifth of the documents is held back: one tenth to choose settings by
# (dev), and one tenth for the very end (test).

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


# The network predicts each token from the block_size tokens before it, its context. At
# the beginning of a name, boundaries fill the context up. A context and its target, the
# token that comes next, make an example. With block_size 3, emma gives five examples:
#
#     context    ···   ··e   ·em   emm   mma
#     target     e     m     m     a     ·

# exercise 3.1: contexts and targets
def examples_of(documents, block_size):
    """Return a list of examples (context, target), one for each token to predict.

    documents are lists of ids that begin and end with the boundary. (The first boundary
    is not predicted.) A context is a tuple of block_size ids.

    >>> examples_of([[3, 1, 2, 3]], 2)
    [((3, 3), 1), ((3, 1), 2), ((1, 2), 3)]
    """
    examples = []
    for ids in documents:
        boundary = ids[0]
        padded = [boundary] * (block_size - 1) + ids
        for t, target in enumerate(ids[1:]):
            context = tuple(padded[t:t + block_size])  # ends just before the target
            examples.append((context, target))
    return examples


# %% 2. Tensor
# This network multiplies some 150,000 pairs of numbers in each step, and twice as many
# on the way back, so numbers that remember, as in micrograd.py, would be far too slow.
# As in bigram.py, an object of the class Tensor holds a whole matrix, and an operation
# works on whole matrices. The gradient of a Tensor has the shape of the Tensor: it has
# the derivative of the loss with respect to each of its numbers.
#
# A Tensor that was computed from others, its parents, has a function local_backward. It
# answers one question: if this is the gradient of the result, what are the gradients of
# the parents? It need not know what happened to the result afterwards. For example,
# take the sum c = a + b of two lists. If a number of a grows by 1, so does the number
# of c at the same place. So both parents get the gradient of c as it is:
#
#     a.data = [1, 2]    b.data = [10, 20]    c.data = [11, 22]
#     c.grad = [5, 7]    c.local_backward([5, 7]) returns [[5, 7], [5, 7]]
#
# loss.backward() gives the loss the gradient 1. Then it goes through all Tensors from
# which the loss was computed, from the newest to the oldest. It calls the
# local_backward of each, and adds the results to the .grad of the parents, because
# derivatives along different paths add up. (In this lesson, each Tensor is used in one
# place. In later ones, some are used in several.) To know which Tensor is newer, each
# of them gets a serial number. A wrong backward function often returns a gradient of
# the wrong shape. So send_to_parents() compares the shapes, and names the function that
# is to blame.

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
# The network is a chain of layers. With the sizes of the default run, a context goes
# through these steps:
#
#     context         4 ids                      26 26 4 12, which are ··em
#     embedding       4 rows of 12 numbers
#     flatten         1 row of 48 numbers
#     hidden layer    1 row of 64 numbers        linear, then tanh
#     output layer    1 row of 27 numbers        linear
#
# Each kind of layer is a function that takes a Tensor and returns a new one. Inside
# each function stands another one, backward(grad), which the new Tensor keeps as its
# local_backward.
#
# The first layer looks up embeddings. bigram.py multiplied a one-hot row by a matrix,
# which picked a row of the matrix. This layer picks a row, too, but it is not the
# logits yet: it goes on to the next layer. If a, m and the boundary have the ids 0, 1
# and 2, the weight of the layer may look like this:
#
#     weight                    the rows for 2 0 1 1, the contexts ·a and mm
#     0.1   0.3    (a)          0.5   0.0
#     0.2  -0.4    (m)          0.1   0.3
#     0.5   0.0    (·)          0.2  -0.4
#                               0.2  -0.4
#
# What is its gradient? Each number of the result is a copy of a number of weight, so
# both grow alike, and the number of weight gets the gradients of all its copies. The
# row of m was copied twice, so it gets the sum of two rows. A token that does not occur
# gets 0.

# exercise 3.2: looking up rows
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


# The network takes several contexts at once, a batch. N contexts of T tokens give N * T
# rows, but the next layer needs one row for each context. So the T rows of a context
# are laid end to end. For T = 2, the four rows above become [0.5, 0.0, 0.1, 0.3] and
# [0.2, -0.4, 0.2, -0.4]. The numbers only move, so backward cuts each row of the
# gradient into T rows again.

def flatten_consecutive(x, n_rows):
    """Return a Tensor in which each n_rows consecutive rows of x are laid end to end.

    The shapes are (N * n_rows, m) -> (N, n_rows * m). Raises ValueError if the number
    of rows is not a multiple of n_rows.

    >>> flatten_consecutive(Tensor([[1, 2], [3, 4], [5, 6], [7, 8]]), 2).data
    [[1, 2, 3, 4], [5, 6, 7, 8]]
    """
    n, m = x.shape
    if n % n_rows != 0:
        raise ValueError(f"flatten_consecutive: {n} rows, not a multiple of {n_rows}")
    out = []
    for first in range(0, n, n_rows):
        rows = x.data[first:first + n_rows]
        out.append(sum(rows, []))  # sum(rows, []) joins lists

    def backward(grad):
        d_x = []
        for g_row in grad:
            d_x += [g_row[j:j + m] for j in range(0, len(g_row), m)]
        return [d_x]
    return Tensor(out, [x], backward)


# A linear layer is a layer of neurons without an activation function. Neuron k computes
# a weighted sum of a row of x, plus a bias. In bigram.py its weights were a column.
# From now on they are row k of the matrix, so that the weighted sum is the dot product
# of two rows. The function inner() computes all dot products of the rows of two
# matrices. Here are one row of x, with 2 numbers, and the weights of 3 neurons:
#
#     x          weight        inner(x, weight)
#     1  2       3  0          3  2  5
#                0  1
#                1  2
#
#     out[i][k]         = sum over j of x[i][j] * weight[k][j]  +  bias[k]
#
# Now the gradients, where grad[i][k] is d loss / d out[i][k]. If x[i][j] grows by 1,
# then out[i][k] grows by weight[k][j], for every neuron k. If weight[k][j] grows by 1,
# then out[i][k] grows by x[i][j], for every row i. The bias is added in every row:
#
#     d_x[i][j]      = sum over k of grad[i][k] * weight[k][j]
#     d_weight[k][j] = sum over i of grad[i][k] * x[i][j]
#     d_bias[k]      = sum over i of grad[i][k]
#
# In the example, a grad of [1, 0, 10] gives
#
#     d_x       = [1 * 3 + 0 * 0 + 10 * 1,  1 * 0 + 0 * 1 + 10 * 2]  =  [13, 20]
#     d_weight  = [1, 2], [0, 0], [10, 20]      x, times the gradient of each neuron
#
# The first two are dot products again, so inner() can compute them. But inner() takes
# rows, and in the first formula k runs along a row of grad and down a column of weight.
# So weight is transposed first, which makes its columns rows: [3, 0, 1] and [0, 1, 2],
# whose dot products with grad are 13 and 20. In the second formula i runs down a column
# of grad and a column of x, so both are transposed.

def dot(p, q):
    """Return the dot product of two lists of the same length."""
    total = 0.0
    for i in range(len(p)):
        total += p[i] * q[i]
    return total


# The next function does most of the arithmetic. (CPython, the usual Python, uses a
# faster one, which stands below the line "You can stop here". PyPy, a Python that
# compiles while it runs, is fastest with a while loop.)
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


# exercise 3.3: the linear layer and its gradients
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


# Two linear layers, one after the other, could do no more than one, so an activation
# function stands between them. Ours is tanh. It leaves small numbers nearly as they
# are, and tends to 1 or -1 for large ones:
#
#     v          -3       -1       -0.1      0     0.1      1       3
#     tanh(v)    -0.995   -0.762   -0.0997   0     0.0997   0.762   0.995
#
#     top     = e^v - e^-v             its derivative is bottom
#     bottom  = e^v + e^-v             its derivative is top
#     tanh(v) = top / bottom
#
# By the quotient rule, the slope of tanh is
#
#     tanh'(v) = (bottom * bottom - top * top) / bottom^2
#              = 1 - tanh(v)^2
#
# So backward needs only the outputs. Where an output is close to 1 or -1, the slope is
# nearly 0, and hardly any gradient gets through. Such a neuron is called saturated.

# exercise 3.4: tanh and its gradient
def tanh(x):
    """Return a Tensor with tanh of each number of x: (N, n) -> (N, n)."""
    out = [[math.tanh(v) for v in row] for row in x.data]

    def backward(grad):
        d_x = []
        for g_row, out_row in zip(grad, out):
            d_x.append([g * (1 - v * v) for g, v in zip(g_row, out_row)])
        return [d_x]
    return Tensor(out, [x], backward)


# The other usual choice is relu, which micrograd.py uses. Its slope is 1 for positive
# numbers and 0 for negative ones, so a gradient either passes unchanged or not at all.

def relu(x):
    """Return a Tensor with max(v, 0) for each number v of x: (N, n) -> (N, n)."""
    out = [[max(v, 0.0) for v in row] for row in x.data]

    def backward(grad):
        d_x = []
        for g_row, out_row in zip(grad, out):
            d_x.append([g if v > 0 else 0.0 for g, v in zip(g_row, out_row)])
        return [d_x]
    return Tensor(out, [x], backward)


# %% 4. The network
# Now we put the layers together, as in the table of section 3.
#
# The last 27 numbers are the logits, one for each token that may come next. Softmax
# will turn them into probabilities. With n_layer above 1, there are several hidden
# layers in a row. This network, a multi-layer perceptron or MLP, is the one of Bengio
# et al. 2003, "A Neural Probabilistic Language Model".
#
# The parameters are kept in a dict by name. In self.outs the network keeps what each
# layer gave last, so that we can look at outputs and gradients later.

ACTIVATIONS = {"tanh": tanh, "relu": relu}


class MLP:
    """The network. params is a dict {name: Tensor}, and config a dict of settings.

    config has vocab_size, block_size, n_embd, n_hidden, n_layer, and activation, which
    is "tanh" or "relu".
    """

    def __init__(self, params, config):
        self.params = params
        self.config = config
        self.activation = ACTIVATIONS[config["activation"]]
        self.outs = {}

    def linear_layer(self, x, name):
        """Return x after the linear layer of this name, which may have no bias."""
        weight = self.params[name + ".weight"]
        return linear(x, weight, self.params.get(name + ".bias"))

    def hidden_layer(self, x, i, training):
        """Return x after hidden layer i: (N, n_in) -> (N, n_hidden)."""
        return self.activation(self.linear_layer(x, f"hidden.{i}"))

    def __call__(self, contexts, training=False):
        """Return a Tensor with the logits: N contexts -> (N, vocab_size).

        training says whether this is part of a training step. Batch norm will need it.
        """
        ids = []
        for context in contexts:
            ids += context
        x = embedding(self.params["embedding.weight"], ids)    # (N * T, n_embd)
        x = flatten_consecutive(x, self.config["block_size"])  # (N, T * n_embd)
        self.outs["embedding"] = x
        for i in range(self.config["n_layer"]):
            x = self.hidden_layer(x, i, training)              # (N, n_hidden)
            self.outs[f"hidden.{i}"] = x
        logits = self.linear_layer(x, "output")                      # (N, vocab_size)
        self.outs["output"] = logits
        return logits


# For now, all weights are drawn from the normal distribution with mean 0 and standard
# deviation 1 (about two thirds of the numbers lie between -1 and 1), and all biases
# begin with 0.

def random_matrix(n_rows, n_columns, rng):
    """Return a Tensor of random numbers with standard deviation 1."""
    return Tensor([[rng.gauss(0, 1) for _ in range(n_columns)] for _ in range(n_rows)])


def first_params(config, seed):
    """Return {name: Tensor} of all parameters of an MLP, before training."""
    rng = random.Random(seed)
    vocab_size = config["vocab_size"]
    n_hidden = config["n_hidden"]
    params = {}
    params["embedding.weight"] = random_matrix(vocab_size, config["n_embd"], rng)
    n_in = config["block_size"] * config["n_embd"]
    for i in range(config["n_layer"]):
        params[f"hidden.{i}.weight"] = random_matrix(n_hidden, n_in, rng)
        params[f"hidden.{i}.bias"] = Tensor([0.0] * n_hidden)
        n_in = n_hidden
    params["output.weight"] = random_matrix(vocab_size, n_in, rng)
    params["output.bias"] = Tensor([0.0] * vocab_size)
    return params


# %% 5. Cross-entropy
# The loss is the one of bigram.py: minus the logarithm of the probability that the
# network gave to the token that really came, averaged over all examples. Its usual name
# is cross-entropy, and its unit is nats per token. log_sum() and softmax() are those of
# bigram.py.

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


# With logits, the loss of one example becomes simple:
#
#     loss = -log(softmax(row)[target])
#          = -log(e^row[target] / (sum over j of e^row[j]))
#          = log_sum(row) - row[target]
#
# The gradients of its two terms, with (log s)' = 1 / s and (e^v)' = e^v, are
#
#     d log_sum(row) / d row[k]   = e^row[k] / (sum over j of e^row[j])
#                                 = softmax(row)[k]
#     d (-row[target]) / d row[k] = -1 if k is the target, otherwise 0
#
# For example, let the logits be 2, 1 and 0, and let the first token be the target:
#
#     probabilities     0.67    0.24    0.09
#     gradient         -0.33    0.24    0.09
#
# A step against this gradient raises the logit of the target, and lowers each other
# logit in proportion to the probability that the network wrongly gave to it. In the
# mean over n examples, each example has 1 / n of its gradient.

# exercise 3.5: cross-entropy and its gradient
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


# %% 6. Training
# Each step of training takes a batch of examples, drawn at random, and computes their
# mean loss and its gradients. Then it moves each parameter against its gradient, by the
# gradient times the learning rate (lr).
#
# Why not take all examples in each step? The direction would be exact, but a step would
# take as long as 1,500 steps with batches of 32. A batch gives only a rough direction,
# yet many rough steps lead further than one exact step. This is called stochastic
# gradient descent. Because the direction is rough, the parameters never come to rest
# while the steps are large, so the learning rate falls to 0 in a straight line.

def backpropagate(model, examples):
    """Compute the .grad of all parameters. Return the mean loss as a number."""
    contexts = [context for context, _ in examples]
    targets = [target for _, target in examples]
    loss = cross_entropy(model(contexts, training=True), targets)
    loss.backward()
    return loss.data


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


def train(
        model, examples, steps, batch_size, lr, seed, report, gradients=backpropagate):
    """Train the model. lr is the learning rate of the first step.

    After each step report(step, loss) is called, which can show the progress. The loss
    is a number. gradients is the function that computes the gradients of a batch, so
    that section 10 can train with another one.
    """
    rng = random.Random(seed)
    for step in range(1, steps + 1):
        batch = rng.choices(examples, k=batch_size)
        loss = gradients(model, batch)
        descend(model.params, lr * (steps + 1 - step) / steps)
        report(step, loss)


# After training we want the mean loss over all examples of train and of dev. Many of
# them have the same context: every name begins with ····. The 47,296 examples of train
# have only 10,153 different contexts. So each context goes through the network once,
# and its logits serve for all of its targets.

def evaluate(model, examples):
    """Return the mean loss over all examples, in nats per token."""
    targets_of = {}
    for context, target in examples:
        targets_of.setdefault(context, []).append(target)
    contexts = list(targets_of)
    total = 0.0
    for first in range(0, len(contexts), 256):  # 256 at once, to save memory
        batch = contexts[first:first + 256]
        for context, row in zip(batch, model(batch).data):
            row_sum = log_sum(row)
            for target in targets_of[context]:
                total += row_sum - row[target]
    return total / len(examples)


# To invent a name, we begin with boundaries as the context, and draw a token according
# to its probability. It joins the context, and we draw again, until a boundary comes.

def sample(model, rng, max_new_tokens=50):
    """Return the list of ids of a new document, without boundaries.

    It ends where the boundary is drawn, or after max_new_tokens.
    """
    boundary = model.config["vocab_size"] - 1
    block_size = model.config["block_size"]
    ids = [boundary] * block_size
    for _ in range(max_new_tokens):
        probs = softmax(model([ids[-block_size:]]).data[0])
        token = rng.choices(range(len(probs)), probs)[0]
        if token == boundary:
            break
        ids.append(token)
    return ids[block_size:]


# Here is what this network does (python mlp.py --init naive --norm none):
#
#     step      1  loss 13.7141
#     step    800  loss 2.9554      each loss is the mean of the last 100 steps
#     step   4000  loss 2.4835
#     step   8000  loss 2.2905
#     dev loss 2.3510
#     samples: malen, talamsan, kansa, magynal, lori, ghor, libcelletterra, mharde
#
# It has learned something, since the bigram model came to a dev loss of 2.4589. But the
# best tables of bigram.py are better: the one with the same four tokens of context has
# 2.3463, and the one with three has 2.2132. And log(27) = 3.30 is the loss of a model
# that takes all 27 tokens to be equally likely. Why does this one begin at 13.7?

# %% 7. First weights
# The first weights cause two troubles.
#
# The hidden neurons are saturated. Each adds up 48 products of a weight and a number
# from an embedding. All of these are independent random numbers with mean 0 and
# variance 1 (the variance is the square of the standard deviation). In a product the
# variances are multiplied, so each product has the variance 1. In a sum they are added,
# so the sum has the variance 48, and a standard deviation of about 7. But tanh(7) is
# 0.999998, and its slope there is 0.000003, so hardly any gradient gets through. Let us
# call an output saturated if it is above 0.97 or below -0.97, where the slope is less
# than 0.06. At first this holds for 77% of all outputs.
#
# The network is sure of nonsense. Each logit is a sum of 64 products of a weight and
# the output of a neuron, which is nearly 1 or -1. So it has a variance of about 64, and
# a standard deviation of about 8. When logits differ so much, softmax gives nearly all
# probability to one of them. The network has seen nothing yet, so this is nearly always
# the wrong one, and the loss is high. Training first has to undo this. We want logits
# close to 0 instead, so that all tokens are about equally likely.
#
# The remedy for both is smaller weights. A sum of n_in products is about sqrt(n_in)
# times as large as one of them. So if all weights are divided by sqrt(n_in), the sum is
# about as large as a single input. Each weight is also multiplied by a gain:
#
#     first hidden layer       1
#     later ones, for tanh     5/3       tanh turns a standard deviation of 1 into 0.63,
#                                        and 5/3 is about 1 / 0.63
#     later ones, for relu     sqrt(2)   relu halves the mean square (see micrograd.py)
#     output layer             0.1       logits close to 0
#
# (The embeddings have a standard deviation of 1 already, so the first layer needs no
# gain. 5/3 is the customary number.) Why not a gain of 0 for the output layer? The
# gradient that this layer sends back is multiplied by its weights. If they were 0, no
# other layer would learn in the first step. That is only one step, but small weights do
# as well.

GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2)}


# exercise 3.6: first weights
def kaiming_init(params, config):
    """Multiply the weights of all linear layers by gain / sqrt(n_in).

    params are those of first_params(). Source: He et al. 2015, "Delving Deep into
    Rectifiers" (its first author is Kaiming He).
    """
    for name, p in params.items():
        if name == "embedding.weight" or name.endswith("bias"):
            continue
        gain = GAINS[config["activation"]]
        if name == "hidden.0.weight":
            gain = 1.0
        elif name == "output.weight":
            gain = 0.1
        factor = gain / math.sqrt(p.shape[1])
        p.data = [[factor * w for w in row] for row in p.data]


# Which trouble costs how much? Each line below is the mean of three runs, with the
# seeds 1, 2 and 3. (All random draws of a run follow from its seed.)
#
#                                            first loss    dev loss at the end
#     all weights of standard deviation 1        14.76           2.353
#     output layer smaller                        3.30           2.254
#     hidden layer smaller                        9.95           2.206
#     both smaller (--norm none)                  3.29           2.164
#
# Both troubles cost something. In the first three lines, two seeds differ by up to
# 0.04, and 0.048 between the second and the third line is hardly more. So we cannot
# tell which trouble costs more. In the last line, the seeds differ by 0.002, and 2.164
# is better than every table of bigram.py.

# %% 8. Batch norm and layer norm
# Good first weights do not stay good, because training changes them, and then the sums
# may grow again. In a deep network this does much harm. In our small one it does not,
# as we will see, but here we can study the remedy. Batch norm looks at the sums
# themselves. For each neuron it takes the sums of all examples of the batch, subtracts
# their mean, and divides by their standard deviation. For a batch of three examples:
#
#     sums of a neuron    1       2       6       mean 3
#     centred            -2      -1       3       variance (4 + 1 + 9) / 3 = 4.67
#     normed             -0.93   -0.46    1.39    divided by sqrt(4.67) = 2.16
#
# Normed numbers have mean 0 and standard deviation 1, however large the weights are. A
# small number, 1e-5, is added to the variance, so that we never divide by 0.
#
# Layer norm does the same with the numbers of one example. It works on the rows of a
# matrix, and batch norm on its columns. So we write the function for rows, and batch
# norm will turn columns into rows.

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


# Now the gradient. Let x be a row of n values, and g[i] the gradient of normed[i].
# Forward, we compute the following lines. So x acts on normed in three ways: directly,
# through the mean, and through std.
#
#     mean       = (sum of x[i]) / n
#     centred[i] = x[i] - mean
#     variance   = (sum of centred[i]^2) / n
#     std        = sqrt(variance + 1e-5)
#     normed[i]  = centred[i] / std
#
# We walk back from the last line to the first. In the last line, centred[i] and std get
# a gradient. std is used for each i, so its parts add up:
#
#     d_centred[i] = g[i] / std                               (first part)
#     d_std        = sum over i of g[i] * (-centred[i] / std^2)
#                  = -(sum over i of g[i] * normed[i]) / std
#                  = -n * mean(g * normed) / std
#
# where mean(g * normed) is the mean of the n products g[i] * normed[i]. Next come the
# root and the squares, with sqrt(v)' = 1 / (2 * sqrt(v)) and (v^2)' = 2 * v:
#
#     d_variance   = d_std / (2 * std)
#     d_centred[i] = d_variance * 2 * centred[i] / n          (second part)
#                  = d_std / std * centred[i] / n             d_variance put in
#                  = d_std * normed[i] / n                    centred / std is normed
#                  = -normed[i] * mean(g * normed) / std      d_std put in: n cancels
#
# The two parts of d_centred add up:
#
#     d_centred[i] = (g[i] - normed[i] * mean(g * normed)) / std
#
# The mean is subtracted from each x[i], so its gradient is minus the sum of all
# d_centred[i]. The terms with normed[i] drop out of this sum, because all normed[i]
# together sum to 0:
#
#     d_mean       = -(sum over i of d_centred[i])
#                  = -n * mean(g) / std
#
# Finally, x[i] is used in centred[i], and 1 / n of it in the mean:
#
#     d_x[i]       = d_centred[i] + d_mean / n
#                  = (g[i] - mean(g) - normed[i] * mean(g * normed)) / std
#
# Is this plausible? If all x grow by the same amount, normed stays as it is, and so
# does the loss. So the d_x must sum to 0. They do, because g[i] - mean(g) sums to 0,
# and normed[i] does, too.

# exercise 3.7 (hard): the gradient of batch norm
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


# Should all neurons have sums of the same size for ever? The network may do better if
# some of them are larger, or not centred at 0. So each neuron multiplies its normed sum
# by a weight w, and adds a bias b: out = normed * w + b. Both are learned. They begin
# with 1 and 0. In backward, normed gets the gradient times w, w gets the gradient times
# normed, and b gets the gradient as it is. w and b are used in every row, so their
# gradients are sums over the rows.

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


# Batch norm has a price: what the network says about an example depends on the other
# examples of the batch. After training, a context should always get the same answer. So
# during training each neuron keeps a running mean and a running variance of its sums.
# Afterwards these take the place of the mean and the variance of the batch.
#
# How are they averaged? The sums change as the network learns, so new batches should
# count more than old ones. Each new batch gets a share of 1% of the average, and the
# average so far keeps 99%. In code this is old + share * (new - old). The first 100
# batches are an exception. They get shares of 1, 1/2, 1/3 and so on, which makes the
# ordinary mean: after 4 and 6, it is 4 + 1/2 * (6 - 4) = 5.
#
# One more detail: the values of a batch lie closer to their own mean than to the mean
# of all values. So the variance of a batch of n is too small, on average by the factor
# (n - 1) / n. The running variance makes up for this.

class RunningStatistics:
    """The mean and the variance of each of n columns, averaged over many batches."""

    def __init__(self, n):
        self.mean = [0.0] * n
        self.variance = [1.0] * n
        self.n_batches = 0

    # exercise 3.8: running statistics
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


# In layer norm no example depends on another, so it needs no statistics.

def normalize_rows(x):
    """Return a Tensor with the rows of x, normed: (N, n) -> (N, n)."""
    normed, stds = normalize(x.data)

    def backward(grad):
        return [normalize_backward(grad, normed, stds)]
    return Tensor(normed, [x], backward)


def layer_norm(x, weight, bias):
    """Return a Tensor with the normed rows of x, times weight, plus bias.

    The shapes are (N, n), (n,), (n,) -> (N, n). Source: Ba et al. 2016, "Layer
    Normalization".
    """
    return scale_and_shift(normalize_rows(x), weight, bias)


# The norm stands between the linear layer and the activation function. The linear layer
# needs no bias any more, because the norm has one of its own. (A bias before batch norm
# would be the same for every example, so it would go away with the mean. Before layer
# norm it would make a small difference, but we leave it out there, too.)
#
# With a norm, we also let the embeddings begin 0.3 times as large. We found this by
# trying: the dev loss is 2.170 instead of 2.180. The norm brings the sums back to the
# same size, so only the embeddings themselves change, and learn faster.

class MLPWithNorm(MLP):
    """The same network with batch norm or layer norm in its hidden layers.

    config["norm"] is "batch" or "layer".
    """

    def __init__(self, params, config):
        super().__init__(params, config)
        self.statistics = []
        for _ in range(config["n_layer"]):
            self.statistics.append(RunningStatistics(config["n_hidden"]))

    def hidden_layer(self, x, i, training):
        """Return x after hidden layer i: (N, n_in) -> (N, n_hidden)."""
        sums = self.linear_layer(x, f"hidden.{i}")
        self.sums = sums.data  # of the last hidden layer, for section 10
        weight = self.params[f"norm.{i}.weight"]
        bias = self.params[f"norm.{i}.bias"]
        if self.config["norm"] == "layer":
            normed = layer_norm(sums, weight, bias)
        else:
            normed = batch_norm(sums, weight, bias, self.statistics[i], training)
        return self.activation(normed)


def build(config, seed):
    """Return a new network. config also has init, "kaiming" or "naive", and norm."""
    params = first_params(config, seed)
    if config["init"] == "kaiming":
        kaiming_init(params, config)
    if config["norm"] == "none":
        return MLP(params, config)
    table = params["embedding.weight"]
    table.data = [[0.3 * w for w in row] for row in table.data]
    for i in range(config["n_layer"]):
        del params[f"hidden.{i}.bias"]
        params[f"norm.{i}.weight"] = Tensor([1.0] * config["n_hidden"])
        params[f"norm.{i}.bias"] = Tensor([0.0] * config["n_hidden"])
    return MLPWithNorm(params, config)


# What does batch norm do for us? These are dev losses, means over the seeds 1, 2 and 3:
#
#                                               no norm    batch norm
#     1 hidden layer, naive weights             2.353      2.279
#     1 hidden layer, kaiming_init              2.164      2.170
#     5 hidden layers, naive, 2,000 steps       2.864      2.340
#     5 hidden layers, kaiming, 2,000 steps     2.219      2.228
#
# Batch norm makes up for a part of the harm that bad first weights do, and for more of
# it in a deep network. With good first weights it gains nothing here. It was invented
# for networks with dozens of layers, in which small faults multiply. We keep it,
# because such networks need it, and because its gradient is the best exercise of this
# lesson. (Layer norm, with one hidden layer and kaiming_init, ends at 2.173.)

# %% 9. Diagnostics
# How can we see whether a network is healthy? We look at each layer. The root mean
# square, rms = sqrt(mean of v^2), says how large numbers typically are. These are the
# columns of the table below, and what they should be:
#
# - outputs, the rms of what the layer gives: about the same in all hidden layers.
#   Otherwise the numbers grow or shrink from layer to layer.
# - stuck, the share of the outputs that are saturated: below 10%, say. (For relu it is
#   the share of dead neurons, which give 0 for all examples and get no gradient.)
# - gradients, the rms of the gradients of the outputs: about the same in all hidden
#   layers. Otherwise some layers learn much faster than others.
# - step / weight, which is lr * rms(gradient of the weights) / rms(weights): from 0.001
#   to 0.01. Here lr is the first learning rate, and the gradients are those of 500
#   examples. With smaller steps the layer learns slowly, and with larger ones its
#   weights jump around.
#
# The function diagnose(), in section 14, prints these columns. First comes a healthy
# network with five hidden layers, after 1,000 steps (python mlp.py --diagnose --n-layer
# 5 --steps 1000), and then a sick one (with --init naive --norm none):
#
#     layer       outputs  stuck   gradients  step / weight
#     embedding     0.376           0.000594         0.0053
#     hidden.0      0.645   3.1%    0.000199         0.0059
#     hidden.1      0.649   2.6%    0.000195         0.0029
#     hidden.2      0.651   2.1%    0.000194         0.0030
#     hidden.3      0.663   1.7%    0.000201         0.0028
#     hidden.4      0.630   0.9%    0.000189         0.0028
#     output        1.439           0.000348         0.0221      dev loss 2.2908
#
#     embedding     8.144           0.002392         0.0023
#     hidden.0      0.998  99.1%    0.007318         0.0015
#     hidden.1      0.977  90.5%    0.003498         0.0052
#     hidden.2      0.986  94.8%    0.001389         0.0034
#     hidden.3      0.995  97.4%    0.000788         0.0014
#     hidden.4      0.999  99.4%    0.001875         0.0008
#     output        1.631           0.000374         0.0029      dev loss 3.0748
#
# In the sick network nearly all outputs are saturated, and the gradients of two hidden
# layers differ by a factor of 9. On the way back, large weights multiply a gradient,
# and saturated outputs make it small. It is chance which of the two wins in a layer,
# and that is what makes the network sick. Yet most of its steps look healthy, so one
# column is not enough. The healthy network meets all criteria, but for the step of its
# output layer, 0.022. At the first step of training it is even 0.31 (--steps 0),
# because the weights of this layer begin ten times smaller than the rule says. They
# soon grow.

# %% 10. Backward by hand
# What does loss.backward() do in the whole network? Let us write it down without
# Tensors, for one hidden layer with batch norm and tanh. The model computes forward,
# and keeps what its layers gave. Then we take the layers in reverse order. Each time we
# know the gradient of what a layer gave, and compute the gradients of its input and of
# its parameters. All formulas were derived above.

def d_logits_by_hand(logits, targets):
    """Return the gradient of the logits, a matrix (N, vocab_size)."""
    n = len(targets)
    d_logits = []
    for row, target in zip(logits, targets):
        d_row = [p / n for p in softmax(row)]
        d_row[target] -= 1 / n
        d_logits.append(d_row)
    return d_logits


# exercise 3.9 (hard; needs 3.7): all gradients by hand
def gradients_by_hand(model, examples):
    """Compute the .grad of all parameters. Return the loss as a number.

    The model is an MLPWithNorm with one hidden layer, batch norm and tanh.
    """
    params = model.params
    logits = model([context for context, _ in examples], training=True).data
    x = model.outs["embedding"].data                    # (N, T * n_embd)
    hidden = model.outs["hidden.0"].data                # (N, n_hidden)
    targets = [target for _, target in examples]
    d_logits = d_logits_by_hand(logits, targets)
    # output layer: logits = inner(hidden, weight) + bias
    weight = params["output.weight"]
    weight.grad = inner(transpose(d_logits), transpose(hidden))
    params["output.bias"].grad = [sum(column) for column in transpose(d_logits)]
    d_hidden = inner(d_logits, transpose(weight.data))  # (N, n_hidden)
    # tanh: its slope is 1 - tanh^2
    d_out = []                                          # (N, n_hidden)
    for g_row, row in zip(d_hidden, hidden):
        d_out.append([g * (1 - v * v) for g, v in zip(g_row, row)])
    # batch norm: out = normed * w + b. From here on, each row is a neuron
    normed, stds = normalize(transpose(model.sums))     # (n_hidden, N)
    columns = transpose(d_out)                          # (n_hidden, N)
    w = params["norm.0.weight"]
    w.grad = [dot(g, v) for g, v in zip(columns, normed)]
    params["norm.0.bias"].grad = [sum(g) for g in columns]
    d_normed = transpose([multiply(g_row, w.data) for g_row in d_out])
    d_sums = normalize_backward(d_normed, normed, stds)    # (n_hidden, N)
    # hidden layer: sums = inner(x, weight)
    weight = params["hidden.0.weight"]
    weight.grad = inner(d_sums, transpose(x))
    d_x = inner(transpose(d_sums), transpose(weight.data))  # (N, T * n_embd)
    # embedding: each row of d_x is cut into T rows, for the T tokens of the context
    table = params["embedding.weight"]
    n_embd = model.config["n_embd"]
    table.grad = [[0.0] * n_embd for _ in table.data]
    for (context, _), row in zip(examples, d_x):
        for t, i in enumerate(context):
            table.grad[i] = add(table.grad[i], row[t * n_embd:(t + 1) * n_embd])
    return cross_entropy(Tensor(logits), targets).data


# Are these gradients right? tests/test_mlp.py compares them with the gradients that
# backward() finds: they agree to 12 digits. With --by-hand the network is trained with
# them, and ends with the same losses and the same names.

# %% 11. Choosing settings
# Which learning rate is good? One that is far too small or far too large ruins the
# training. --find-lr tries 41 rates from 0.001 to 10, 20 steps each, in one run. The
# loss hardly falls at first, because the steps are too small. Then it falls faster,
# until the steps are too large:
#
#     lr      0.001    0.01    0.1     0.4     0.63    1.0     4.0     5.0
#     loss    3.29     3.16    2.85    2.57    2.49    2.66    2.77    12.1
#
# The network keeps learning from rate to rate, so a lower loss alone proves little.
# Look for the rates where it falls fast, and for the rate where it begins to rise. A
# good first rate lies a little below that one. Trained to the end, the dev loss is
# 2.177 for 0.2, 2.170 for 0.4, and 2.197 for 0.8 (means over three seeds).
#
# Two losses tell what else is wrong. If both train and dev are high, the network is too
# small, or was not trained long enough: it underfits. If train is low and dev is high,
# it has learned its examples by heart: it overfits. --compare shows both, after a tenth
# of the steps:
#
#     train 2.308  dev 2.313  default
#     train 2.888  dev 2.942  {'init': 'naive', 'norm': 'none'}
#     train 2.327  dev 2.338  {'norm': 'none'}
#     train 2.620  dev 2.611  {'n_hidden': 2}           underfits
#     train 0.785  dev 3.684  {'n_examples': 500}       overfits
#
# Against overfitting, more data helps most. With 47,296 examples our network does not
# overfit much: train ends at 2.144, and dev at 2.175. So the network is better than
# every table of bigram.py, of which the best has 2.2132.

# %% 12. Questions
# The answers are means over the seeds 1, 2 and 3, for which the default run has a dev
# loss of 2.170. The seeds differ by 0.006 at most.
#
# What does a longer context bring? Type python mlp.py --block-size 2, then 8.
#     The dev loss is 2.289 with 2 tokens, and 2.145 with 8. The step from 2 to 4 brings
#     most, because the nearest letters say most about the next one.
#
# Do more neurons help? Type python mlp.py --n-hidden 128.
#     The dev loss is 2.160. Twice the work makes the network a little better.
#
# Is relu better than tanh? Type python mlp.py --activation relu.
#     Yes, a little: the dev loss is 2.161. relu cannot saturate for positive sums,
#     because its slope is 1 there.
#
# Which letters have similar embeddings? Write this at the end of main, and try other
# letters than a, whose id is 0:
#
#     rows = model.params["embedding.weight"].data
#     near = sorted(range(len(rows)), key=lambda i: math.dist(rows[0], rows[i]))
#     print(decode(near, characters))
#
#     The closest to a are o, e, the boundary and u. The closest to i are o, e and a. So
#     vowels come together, because similar letters follow them. (After a boundary, as
#     after a vowel, a consonant often comes.) Nobody told the network what a vowel is.

# You can stop here: what follows does the same faster, and reads options.

# %% 13. The same, faster
# CPython makes an object of every number that it computes, so a loop over numbers is
# slow. Since version 3.12 it has a dot product written in C. Before, sum and map do the
# loop in C, and only the products are objects. PyPy does not need this. (A test
# compares the faster function with plain_inner.)

plain_inner = inner

if sys.implementation.name == "cpython":
    def dot(p, q):
        """Return the dot product of two lists of the same length."""
        return sum(map(operator.mul, p, q))

    dot = getattr(math, "sumprod", dot)

    def inner(a, b):
        """Return the dot products of all rows of a with all rows of b."""
        return [[dot(p, q) for q in b] for p in a]


# %% 14. Diagnostics and learning rates

def rms(data):
    """Return the root mean square of all numbers in a list or a matrix."""
    numbers = sum(as_rows(data), [])
    return math.sqrt(dot(numbers, numbers) / len(numbers))


def stuck_share(rows, activation):
    """Return the share of outputs that are saturated, or of neurons that are dead."""
    if activation == "relu":
        stuck = [max(column) == 0 for column in transpose(rows)]
    else:
        stuck = [abs(v) > 0.97 for v in sum(rows, [])]
    return sum(stuck) / len(stuck)


def diagnose(model, examples, lr):
    """Print a line for each layer, for a batch of examples. Do not change the model."""
    model = copy.deepcopy(model)  # so that the running statistics do not change
    print(f"loss {backpropagate(model, examples):.4f}")
    print("layer       outputs  stuck   gradients  step / weight")
    for layer, out in model.outs.items():
        weight = model.params[layer + ".weight"]
        stuck = ""
        if layer.startswith("hidden"):
            share = stuck_share(out.data, model.config["activation"])
            stuck = f"{share:.1%}"
        ratio = lr * rms(weight.grad) / rms(weight.data)
        print(f"{layer:10}{rms(out.data):9.3f}{stuck:>7}"
              f"{rms(out.grad):12.6f}{ratio:15.4f}")


# To find a learning rate, 41 rates from 0.001 to 10 are tried in one run. It ends when
# the loss is twice as high as at first, or is not a number any more.

def find_lr(model, examples, batch_size, seed, steps_per_rate=20):
    """Print the mean loss of some steps with each learning rate.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks".
    """
    rng = random.Random(seed)
    losses = {}
    for k in range(41):
        lr = 0.001 * 10 ** (k / 10)
        total = 0.0
        for _ in range(steps_per_rate):
            total += backpropagate(model, rng.choices(examples, k=batch_size))
            descend(model.params, lr)
        losses[lr] = total / steps_per_rate
        print(f"lr {lr:8.4f}  loss {losses[lr]:.4f}")
        if not losses[lr] < 2 * losses[0.001]:
            print("the loss explodes")
            break
    print(f"the loss was lowest at lr {min(losses, key=losses.get):.4f}")


# %% 15. Options and errors
# --compare trains networks that differ from the default one in one or two settings.

COMPARED = [
    {},
    {"init": "naive", "norm": "none"},
    {"norm": "none"},
    {"n_hidden": 2},
    {"n_examples": 500},  # learns from 500 examples of train only
]


class InputError(ValueError):
    """What the user gave cannot be used."""


def check_loss(step, loss):
    """Raise InputError if the loss has exploded, or is not a number any more."""
    if not loss < 1000:
        raise InputError(f"the loss is {loss:.4g}: --lr is too large")


class Report:
    """Shows how training goes on. report(step, loss) is called after each step."""

    def __init__(self, steps):
        self.steps = steps
        self.losses = []

    def __call__(self, step, loss):
        check_loss(step, loss)
        self.losses.append(loss)
        recent = self.losses[-100:]
        mean = sum(recent) / len(recent)
        line = f"step {step:6}  loss {mean:.4f}"
        if sys.stderr.isatty():
            left = time.process_time() / step * (self.steps - step)
            print(f"{line}  {left:.0f} s left   ", end="\r", file=sys.stderr)
        if step == 1 or step % max(1, self.steps // 10) == 0:
            bar = " " * round(min(9 * mean, 38)) + "*"
            print(f"{line} |{bar}", flush=True)


def read_options(argv):
    """Return the options as an object with attributes."""
    parser = argparse.ArgumentParser()
    option = parser.add_argument
    path = Path(__file__).with_name("names.txt")
    option("--data", default=path, help="UTF-8 text, one document per line (names.txt)")
    option("--steps", type=int, default=8000, help="training steps (8000)")
    option("--batch-size", type=int, default=32, help="examples per step (32)")
    option("--lr", type=float, default=0.4, help="first learning rate (0.4)")
    option("--seed", type=int, default=42, help="for weights and random draws (42)")
    option("--block-size", type=int, default=4, help="tokens in a context (4)")
    option("--n-embd", type=int, default=12, help="numbers in an embedding (12)")
    option("--n-hidden", type=int, default=64, help="neurons in a hidden layer (64)")
    option("--n-layer", type=int, default=1, help="hidden layers (1)")
    option("--activation", choices=["tanh", "relu"], default="tanh")
    option("--init", choices=["kaiming", "naive"], default="kaiming")
    option("--norm", choices=["batch", "layer", "none"], default="batch")
    option("--samples", type=int, default=20, help="documents to invent (20)")
    option("--test", action="store_true", help="evaluate on test, too")
    option("--find-lr", action="store_true", help="only try learning rates")
    option("--diagnose", action="store_true", help="look into the layers, too")
    option("--by-hand", action="store_true", help="use the gradients of section 10")
    option("--compare", action="store_true", help="only compare a few settings")
    return parser.parse_args(argv)


def check_options(args):
    """Raise InputError for an option that cannot be used."""
    for name in ["lr", "batch_size", "block_size", "n_embd", "n_hidden", "n_layer"]:
        if not 0 < getattr(args, name) < math.inf:
            raise InputError(f"{name}: must be above 0")
    for name in ["steps", "samples"]:
        if getattr(args, name) < 0:
            raise InputError(f"{name}: must be 0 or more")
    if args.norm == "batch" and args.batch_size < 2:
        raise InputError("--norm batch needs a --batch-size of at least 2")
    layers = (args.n_layer, args.norm, args.activation)
    if args.by_hand and layers != (1, "batch", "tanh"):
        raise InputError("--by-hand needs --n-layer 1 --norm batch --activation tanh")


def read_checked(path):
    """Return the documents in a file. Raises InputError if it cannot be used."""
    try:
        documents = read_documents(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None
    if len(documents) < 10:
        raise InputError(f"{path}: {len(documents)} documents, but 10 are needed")
    return documents


def compare(args, config, parts):
    """Train briefly with each of the settings in COMPARED, and print the losses."""
    for changes in COMPARED:
        model = build(config | changes, args.seed)
        examples = parts["train"]
        if "n_examples" in changes:
            examples = examples[:changes["n_examples"]]
        train(model, examples, args.steps // 10, args.batch_size, args.lr, args.seed,
              check_loss)
        train_loss = evaluate(model, examples)
        dev_loss = evaluate(model, parts["dev"])
        print(f"train {train_loss:.3f}  dev {dev_loss:.3f}  {changes}")


def train_and_evaluate(args, model, parts):
    """Train the model, and print its losses."""
    gradients = gradients_by_hand if args.by_hand else backpropagate
    report = Report(args.steps)
    try:
        train(model, parts["train"], args.steps, args.batch_size, args.lr, args.seed,
              report, gradients)
    except KeyboardInterrupt:
        print(f"\nstopped at step {len(report.losses)}", file=sys.stderr)
    if args.diagnose:
        diagnose(model, parts["train"][:500], args.lr)
    for name, examples in parts.items():
        if name != "test" or args.test:
            print(f"{name} loss {evaluate(model, examples):.4f}")


def main(argv=None):
    """Do what the options say. Raises InputError and OSError."""
    args = read_options(argv)
    check_options(args)
    documents = read_checked(args.data)
    characters = "".join(sorted(set("".join(documents))))
    boundary = len(characters)
    parts = {}
    for name, part in zip(["train", "dev", "test"], split(documents)):
        ids = [[boundary, *encode(text, characters), boundary] for text in part]
        parts[name] = examples_of(ids, args.block_size)
    config = vars(args) | {"vocab_size": boundary + 1}  # has more than a network needs
    model = build(config, args.seed)
    if args.compare:
        return compare(args, config, parts)
    if args.find_lr:
        return find_lr(model, parts["train"], args.batch_size, args.seed)
    train_and_evaluate(args, model, parts)
    print("samples (* is one of the documents)")
    rng = random.Random(args.seed)
    for _ in range(args.samples):
        text = decode(sample(model, rng), characters)
        if text in documents:
            text += " *"
        print(text)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"mlp.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
