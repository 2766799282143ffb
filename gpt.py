"""GPT-2 in one file: a transformer that learns to invent names.

How much does an earlier letter matter for the next one? In mlp.py and in the tree of
wavenet.py, the weights that a letter is multiplied by depend on its position alone,
whatever the other letters are. In a transformer, each letter looks back at the letters
before it, and decides from what they are how much each of them matters. This is called
attention. The layers here are those of GPT-2, so this file can also run OpenAI's GPT-2
itself.

    python gpt.py                      learn from names.txt, then invent names
    python gpt.py --save model         the same, and keep the network in a folder
    python gpt.py --load model         invent names with a network that was kept
    python gpt.py --load gpt2 --ids -  continue token ids with OpenAI's GPT-2

(Put config.json and model.safetensors of GPT-2, from Hugging Face, into a folder gpt2.
Its ids come from bpe.py.) The first command takes one or two minutes. At each tenth of
the training it prints the mean loss of 100 steps and an invented name. Then it prints
the losses on names from training (train) and on names that it has never seen (dev), a
picture of its attention, and 20 more names:

    step     1  loss 3.3201 |                              *  ddgbkijxrrduufur
    step   240  loss 2.4434 |                      *  aibi
    ...
    step  2400  loss 2.1563 |                   *  shagdar
    train loss 2.1669
    dev loss 2.1695

Sections 1 to 3 and 7 repeat code that the lessons before explain, so you may skip it.
Some functions are marked as exercises. 5.4 is lesson 5, exercise 4: delete the body
below the docstring, write it anew, and run python -m pytest tests/test_gpt.py.
"""
import argparse
import json
import math
import operator
import random
import sys
import time
from array import array
from pathlib import Path
from statistics import fmean

# %% 1. Data
# A document is a line of a text file, here a name. Its characters are tokens, and the
# network knows them by numbers, their ids. One more token, the boundary, stands before
# and after each document. If a, e and m were all the characters there are, the boundary
# would have the id 3:
#
#     ·  e  m  m  a  ·
#     3  1  2  2  0  3

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
# This is the Tensor of mlp.py. It holds numbers, and it remembers which Tensors they
# were computed from and how a gradient gets back to those.

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


# %% 3. Embedding, linear layer, softmax
# The embedding of a token is a row of numbers. A linear layer turns such a row into
# other numbers, each of which is a weighted sum of the row. A weighted sum is the dot
# product of the row and a list of weights. Softmax turns any numbers into
# probabilities.

def dot(p, q):
    """Return the dot product of two lists of the same length."""
    total = 0.0
    for i in range(len(p)):
        total += p[i] * q[i]
    return total


# This function does most of the arithmetic. (CPython uses a faster one, which stands
# below the line "You can stop here". PyPy is fastest with a while loop.)
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


# %% 4. Layer norm and GELU
# If each of many layers made its numbers a little larger, the last layers would get
# huge numbers. Layer norm, which mlp.py explains, prevents this. It subtracts the mean
# of a row, and divides by the standard deviation, so that 1, 2 and 6 become -0.93,
# -0.46 and 1.39.
#
# The numbers in column k of all rows are called channel k. The network may need large
# numbers in one channel and small ones in another, so each channel is then multiplied
# by a weight and gets a bias, both of which are learned.
#
# The gradient is that of batch norm in mlp.py, for a row in place of a column. With g
# for the gradient of normed, it is
#
#     d_x[i] = (g[i] - mean(g) - normed[i] * mean(g * normed)) / std
#
# Each term has its reason. If x[i] grows by 1, normed[i] grows by 1 / std: the first
# term. The mean grows by 1 / n, so every normed[j] falls by 1 / (n * std): the second.
# And std grows by normed[i] / n. (It falls if x[i] is below the mean, where normed[i]
# is negative.) If std grows by 1, every normed[j] shrinks by normed[j] / std, which
# changes the loss by -(sum of g * normed) / std: the third.

def multiply(p, q):
    """Return the products of two lists of the same length, number by number."""
    return [x * y for x, y in zip(p, q, strict=True)]


# exercise 5.1 (hard): layer norm and its gradient
def layer_norm(x, weight, bias):
    """Return a Tensor with the normed rows of x, times weight, plus bias.

    The shapes are (N, n), (n), (n) -> (N, n). Source: Ba et al. 2016, "Layer
    Normalization".

    >>> x = Tensor([[1.0, 2.0, 6.0]])
    >>> out = layer_norm(x, Tensor([1.0, 1.0, 1.0]), Tensor([0.0, 0.0, 0.0]))
    >>> [round(v, 2) for v in out.data[0]]
    [-0.93, -0.46, 1.39]
    """
    n = len(weight.data)
    normed = []
    stds = []
    for row in x.data:
        mean = sum(row) / n
        centred = [v - mean for v in row]
        std = math.sqrt(dot(centred, centred) / n + 1e-5)  # 1e-5, so that it is never 0
        normed.append([v / std for v in centred])
        stds.append(std)
    out = [add(multiply(row, weight.data), bias.data) for row in normed]

    def backward(grad):
        d_x = []
        d_weight = [0.0] * n
        d_bias = [0.0] * n
        for g_row, n_row, std in zip(grad, normed, stds):
            d_bias = add(d_bias, g_row)
            d_weight = add(d_weight, multiply(g_row, n_row))
            g = multiply(g_row, weight.data)  # the gradient of the normed row
            mean_g = sum(g) / n
            mean_gn = dot(g, n_row) / n
            d_x.append([(g[i] - mean_g - n_row[i] * mean_gn) / std for i in range(n)])
        return [d_x, d_weight, d_bias]
    return Tensor(out, [x, weight, bias], backward)


# Two linear layers with nothing between them could do no more than one, so an
# activation function stands between them. GPT-2's is GELU. Draw a random number from
# the normal distribution (with mean 0 and standard deviation 1), and let p be the
# probability that it is below v. Then gelu(v) is p * v. Like relu, it is nearly v for
# large v, and nearly 0 for very negative v. But it has no kink, so its slope changes
# little by little, and numbers just below 0 still get a gradient:
#
#     v          -3       -1       0       1       3
#     gelu(v)    -0.004   -0.159   0       0.841   2.996
#
# GPT-2 computes it by a formula that comes close to this, and was faster at the time:
#
#     u       = a * (v + b * v^3)      with a = sqrt(2 / pi) and b = 0.044715
#     t       = tanh(u)
#     gelu(v) = 0.5 * v * (1 + t)
#
# By the chain rule and the product rule, with tanh' = 1 - tanh^2:
#
#     d u / d v    = a * (1 + 3 * b * v^2)
#     d t / d v    = (1 - t^2) * d u / d v
#     d gelu / d v = 0.5 * (1 + t) + 0.5 * v * d t / d v

GELU_A = math.sqrt(2 / math.pi)
GELU_B = 0.044715


def gelu_tanh(v):
    """Return t, the tanh in GPT-2's formula for GELU."""
    return math.tanh(GELU_A * (v + GELU_B * v * v * v))


# exercise 5.2: the slope of GELU
def gelu_slope(v):
    """Return d gelu / d v, the derivative of GELU at v."""
    t = gelu_tanh(v)
    u_slope = GELU_A * (1 + 3 * GELU_B * v * v)
    t_slope = (1 - t * t) * u_slope
    return 0.5 * (1 + t) + 0.5 * v * t_slope


def gelu(x):
    """Return a Tensor with GELU of each number of x: (N, n) -> (N, n).

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units".
    """
    out = [[0.5 * v * (1 + gelu_tanh(v)) for v in row] for row in x.data]

    def backward(grad):
        d_x = []
        for g_row, row in zip(grad, x.data):
            d_x.append(multiply(g_row, [gelu_slope(v) for v in row]))
        return [d_x]
    return Tensor(out, [x], backward)


# %% 5. Attention
# How can a letter use the letters before it? A linear layer computes three lists of
# numbers from the row of each token:
#
#     its query    what this token looks for
#     its key      how this token can be found
#     its value    what this token hands over when it is found
#
# The query of a token is compared with the keys of all tokens that it can see: the
# tokens before it, and itself. The dot product of query and key says how well they fit,
# because it is large if both have large numbers of the same sign at the same places.
# The products, divided by a constant (see below), are the scores. Softmax turns the
# scores into weights, which are positive and sum to 1. (These weights are not
# parameters: they are computed anew for every token.) Then the token gets a mix of the
# values: each value times its weight, added up. As all of this happens among the tokens
# of one text, it is also called self-attention.
#
# Here is an example with small numbers. In the name emma, the second m has the query
# [3, 0], and it sees three tokens (we leave out the boundary). The values have only one
# number each, to keep it short; in GPT-2 they are as long as the keys.
#
#     token     e             m             m
#     key       [1, 0]        [0, 1]        [0, 1]
#     product   3             0             0            dot product of query and key
#     score     2.12          0             0            product / sqrt(2)
#     weight    0.81          0.10          0.10         softmax of the scores
#     value     [10]          [20]          [30]
#     mix       0.81 * 10  +  0.10 * 20  +  0.10 * 30  = 12.9    (unrounded weights)
#
# If channel 0 of a key means "I am a vowel", then this m looked for a vowel. It found
# the e, and it got mostly the value of the e. Nobody tells the network what its
# channels mean, or what is worth looking for: it finds out in training.
#
# Why is the product divided by sqrt(size), where size is the length of the query? If
# the numbers in queries and keys are independent, with mean 0 and standard deviation 1,
# then their dot products have a standard deviation of sqrt(size). With large scores,
# one weight would be nearly 1 and the others nearly 0. Then softmax is saturated: its
# gradients, as we will see, are nearly 0. The division brings the standard deviation
# back to 1.

# exercise 5.3: attention for one token
def attend(query, keys, values):
    """Return the mix of values that a token gets, and its weights, one per key.

    query is a list of numbers. keys and values are lists with one list of numbers for
    each token that can be seen. Source: Vaswani et al. 2017, "Attention Is All You
    Need", section 3.2.

    >>> keys = [[1, 0], [0, 1], [0, 1]]
    >>> mix, weights = attend([3, 0], keys, [[10], [20], [30]])
    >>> [round(weight, 2) for weight in weights]
    [0.81, 0.1, 0.1]
    >>> round(mix[0], 1)
    12.9
    """
    root = math.sqrt(len(query))
    weights = softmax([dot(query, key) / root for key in keys])
    mix = [0.0] * len(values[0])
    for weight, value in zip(weights, values):
        mix = [total + weight * v for total, v in zip(mix, value)]
    return mix, weights


# Now the gradients. s and r stand for the number of a token that can be seen, 0 for the
# first one. We write p . q for the dot product of p and q, and d_mix for the gradient
# of the loss with respect to mix. Then attend computes
#
#     product[s] = query . key[s]
#     score[s]   = product[s] / root
#     weight[s]  = e^score[s] / total      total is the sum of e^score[r] over all r
#     mix        = sum over s of weight[s] * value[s]
#
# We go from the last line to the first. If the number at place c in value[s] grows by
# 1, the number at place c in mix grows by weight[s]. If weight[s] grows by 1, each
# number in mix grows by the number at the same place in value[s], and these add up:
#
#     d_value[s]  = weight[s] * d_mix
#     d_weight[s] = d_mix . value[s]
#
# The weights are the softmax of the scores. Its gradient is derived in bigram.py, and
# here once more: if score[s] grows, e^score[s] and total both grow at the rate
# e^score[s]. So weight[s] changes, by the quotient rule, at the rate
#
#     (e^score[s] * total - e^score[s] * e^score[s]) / total^2
#         = weight[s] - weight[s] * weight[s]
#
# And any other weight[r], whose numerator does not change, at the rate
#
#     (0 * total - e^score[r] * e^score[s]) / total^2
#         = -weight[r] * weight[s]
#
# The chain rule multiplies these rates by d_weight[s] and d_weight[r], and adds them:
#
#     d_score[s] = d_weight[s] * weight[s] - d_weight[s] * weight[s] * weight[s]
#                  - (sum over all other r of d_weight[r] * weight[r] * weight[s])
#
# The second term is just what the sum would have for r = s. So let r run over all
# tokens, s included, and take weight[s] out of every term:
#
#     mean       = sum over all r of d_weight[r] * weight[r]
#     d_score[s] = weight[s] * (d_weight[s] - mean)
#
# mean is the mean of d_weight, in which each token counts by its weight. In the example
# above, with d_mix = [1], d_weight is 10, 20, 30, so the mean is 12.9, and d_score is
# -2.3, 0.7, 1.7. The mix would grow with the scores of the two m, and fall with the
# score of the e, whose value is below the mean. (If one weight is 1, its own d_weight
# is the mean, and all d_score are 0: softmax is saturated.)
#
# The first two lines of attend give the rest:
#
#     d_product[s] = d_score[s] / root
#     d_query      = sum over s of d_product[s] * key[s]
#     d_key[s]     = d_product[s] * query

# exercise 5.4 (hard; needs 5.3): the gradient of attention
def attend_backward(query, keys, values, weights, d_mix):
    """Return d_query, d_keys and d_values, in the shapes of query, keys and values.

    weights are what attend returned, and d_mix is the gradient of the mix.
    """
    root = math.sqrt(len(query))
    d_weights = [dot(d_mix, value) for value in values]
    mean = dot(weights, d_weights)
    d_query = [0.0] * len(query)
    d_keys = []
    d_values = []
    for key, weight, d_weight in zip(keys, weights, d_weights):
        d_score = weight * (d_weight - mean)
        d_product = d_score / root
        d_query = [total + d_product * k for total, k in zip(d_query, key)]
        d_keys.append([d_product * q for q in query])
        d_values.append([weight * d for d in d_mix])
    return d_query, d_keys, d_values


# One mix answers one question. But the next letter may depend on several things: which
# letter came last, how long the name is, whether it has a double letter already. So
# n_head heads look back side by side, which is called multi-head attention. With n_embd
# = 4, the linear layer makes a row of 3 * 4 = 12 numbers for each token: its query, its
# key and its value, together called qkv. With two heads, each of these is cut in two:
#
#     query            key              value
#     head 0  head 1   head 0  head 1   head 0  head 1
#     0  1    2  3     4  5    6  7     8  9    10 11

def split_columns(rows, n_parts):
    """Return n_parts matrices, each with its part of the columns of a matrix.

    >>> split_columns([[1, 2, 3, 4], [5, 6, 7, 8]], 2)
    [[[1, 2], [5, 6]], [[3, 4], [7, 8]]]
    """
    n_columns = len(rows[0])
    if n_columns % n_parts:  # a remainder
        raise ValueError(f"{n_columns} columns do not make {n_parts} equal parts")
    size = n_columns // n_parts
    parts = []
    for first in range(0, n_columns, size):
        parts.append([row[first:first + size] for row in rows])
    return parts


# In training, all tokens of a document are there at once, and at each of them the
# network predicts the token after it. So no token may see a later one, because it would
# just copy the answer from there and learn nothing. Each token is given the rows from
# the beginning of its document up to its own. The documents of a batch are stacked in
# one matrix, and positions[t] says how many tokens of its document stand before row t.
# These are two documents:
#
#     row           0  1  2  3  4    5  6  7  8
#     position      0  1  2  3  4    0  1  2  3
#     row 7 sees                     *  *  *
#
# (Frameworks compute the scores of all pairs of tokens at once. Then they apply the
# causal mask: a score of -infinity gives later tokens the weight 0. The result is the
# same.)
#
# When the network writes, its tokens come one at a time. The keys and values of the
# earlier ones do not change any more, because no token sees what comes after it. So we
# keep them in a memory, often called KV cache, and only the new token goes through the
# network. If the memory holds 5 rows, the new token stands in row 5 of all keys.

# exercise 5.5 (needs 5.3, 5.4): no token sees the future, or another document
def attention(qkv, n_head, positions, memory):
    """Return a Tensor with the mixes of all heads: (N, 3 * n_embd) -> (N, n_embd).

    In training, memory is an empty dict. In writing, the rows of qkv are the next
    tokens of one text, and memory[h] has its earlier keys and values for head h, and
    the last weights. attention() updates it.
    """
    parts = split_columns(qkv.data, 3 * n_head)  # matrices (N, n_embd / n_head)
    mixes = [[] for _ in positions]
    all_weights = {}
    for h in range(n_head):
        queries = parts[h]
        old_keys, old_values, _ = memory.get(h, ([], [], []))  # empty in training
        keys = old_keys + parts[n_head + h]
        values = old_values + parts[2 * n_head + h]
        for t, position in enumerate(positions):
            row = len(old_keys) + t  # where the token stands in keys
            seen = slice(row - position, row + 1)  # its document, up to itself
            mix, weights = attend(queries[t], keys[seen], values[seen])
            mixes[t] += mix  # joins lists: the mix of head 0, of head 1, ...
            all_weights[h, t] = weights
        memory[h] = (keys, values, weights)  # the last weights, for a picture

    def backward(grad):  # used only in training
        return [attention_backward(parts, positions, all_weights, grad)]
    return Tensor(mixes, [qkv], backward)


def attention_backward(parts, positions, all_weights, grad):
    """Return the gradient of qkv: grad is (N, n_embd), the result (N, 3 * n_embd).

    parts and all_weights are those of attention(): all_weights[h, t] are the weights of
    head h for row t. A key gets a gradient from every token that sees it, and so does a
    value.
    """
    n_head = len(parts) // 3
    d_parts = [None] * len(parts)
    for h, d_mixes in enumerate(split_columns(grad, n_head)):
        keys = parts[n_head + h]
        values = parts[2 * n_head + h]
        d_queries = []
        d_keys = [[0.0] * len(row) for row in keys]
        d_values = [[0.0] * len(row) for row in values]
        for t, position in enumerate(positions):
            seen = slice(t - position, t + 1)
            d_query, more_keys, more_values = attend_backward(
                parts[h][t], keys[seen], values[seen], all_weights[h, t], d_mixes[t])
            d_queries.append(d_query)
            d_keys[seen] = add(d_keys[seen], more_keys)  # to the rows that were seen
            d_values[seen] = add(d_values[seen], more_values)
        d_parts[h] = d_queries
        d_parts[n_head + h] = d_keys
        d_parts[2 * n_head + h] = d_values
    # rows are the parts of one token, and sum(rows, []) joins them to a single list.
    return [sum(rows, []) for rows in zip(*d_parts)]


# %% 6. The network
# Attention does not care about the order of the tokens that it sees: if two of them
# change places, the mix is the same. So GPT-2 has two tables: wte, the word token
# embedding, and wpe, with an embedding for each position 0, 1, 2, ... in the context.
# The sum of a token's embedding and its position's embedding is its row x. (Why a sum?
# Rows joined end to end, as in mlp.py, would need larger matrices. The network can
# still tell the two apart, for example by using some channels for positions only.)
#
# Then come n_layer blocks of the same form. These are their layers, with GPT-2's names.
# Every c_ is a linear layer, and every ln_ a layer norm:
#
#     ln_1, c_attn      compute queries, keys and values
#     c_proj            mixes what the heads have found
#     ln_2, c_fc        compute 4 * n_embd numbers, which go through GELU
#     c_proj            turns these into n_embd numbers
#
#     x ──┬──────────────────────────────────── + ──┬─────────────────────────── + ── x
#         └ ln_1 ─ c_attn ─ attention ─ c_proj ─┘   └ ln_2 ─ c_fc ─ GELU ─ c_proj┘
#
# A block adds to x twice. First it adds what attention brings from other tokens.
# Attention itself only mixes values, so a second part, an MLP of two linear layers,
# computes something new from what was collected, for each row by itself. It adds its
# result to x, too. Nothing else ever changes x: the layer norms work on copies. So x
# runs through the whole network like a stream, which is called the residual stream. On
# the way back, each sum passes its gradient on unchanged. So the first block gets a
# gradient that did not have to pass through all other blocks, where it could have
# become very small or very large.
#
# x may have grown in all these blocks, so at the end there is one more layer norm,
# ln_f. Then the row is compared with the embedding of each token by a dot product. The
# result is the token's logit: the larger, the likelier the token is to come next. So
# one matrix, wte, serves at the beginning and at the end, which is called weight tying.
# It saves parameters, and what is learned about a letter as input also helps when it is
# to be predicted.

def shapes_of(config):
    """Return {name: shape} of all parameters of a network.

    config is a dict with the sizes vocab_size, n_positions (the length of the context),
    n_layer (how many blocks) and n_embd (how many channels). Weights of linear layers
    have the shape (n_out, n_in). h stands for the blocks.
    """
    n = config["n_embd"]
    block = {
        "ln_1.weight": (n,),
        "ln_1.bias": (n,),
        "attn.c_attn.weight": (3 * n, n),  # computes queries, keys and values
        "attn.c_attn.bias": (3 * n,),
        "attn.c_proj.weight": (n, n),      # mixes what the heads found
        "attn.c_proj.bias": (n,),
        "ln_2.weight": (n,),
        "ln_2.bias": (n,),
        "mlp.c_fc.weight": (4 * n, n),     # the MLP is four times as wide as x
        "mlp.c_fc.bias": (4 * n,),
        "mlp.c_proj.weight": (n, 4 * n),
        "mlp.c_proj.bias": (n,),
    }
    shapes = {}
    shapes["wte.weight"] = (config["vocab_size"], n)   # embeddings of the tokens
    shapes["wpe.weight"] = (config["n_positions"], n)  # embeddings of the positions
    for i in range(config["n_layer"]):
        for name, shape in block.items():
            shapes[f"h.{i}.{name}"] = shape
    shapes["ln_f.weight"] = (n,)
    shapes["ln_f.bias"] = (n,)
    return shapes


class GPT:
    """GPT-2. params is a dict {name: Tensor}, and config a dict of sizes.

    config has what shapes_of needs, n_head, and eos_token_id, which is the boundary.
    """

    def __init__(self, params, config):
        self.params = params
        self.config = config
        self.boundary = config["eos_token_id"]

    def layer_norm(self, x, name):
        """Return x after the layer norm of this name."""
        return layer_norm(x, self.params[name + ".weight"], self.params[name + ".bias"])

    def linear(self, x, name):
        """Return x after the linear layer of this name."""
        return linear(x, self.params[name + ".weight"], self.params[name + ".bias"])

    # exercise 5.6 (needs 5.1, 5.5): a block
    def block(self, x, i, positions, memory):
        """Return x after block i: (N, n_embd) -> (N, n_embd)."""
        a = self.layer_norm(x, f"h.{i}.ln_1")
        qkv = self.linear(a, f"h.{i}.attn.c_attn")        # (N, 3 * n_embd)
        mixes = attention(qkv, self.config["n_head"], positions, memory)
        x = x + self.linear(mixes, f"h.{i}.attn.c_proj")
        m = self.layer_norm(x, f"h.{i}.ln_2")
        hidden = gelu(self.linear(m, f"h.{i}.mlp.c_fc"))  # (N, 4 * n_embd)
        return x + self.linear(hidden, f"h.{i}.mlp.c_proj")

    def new_memories(self):
        """Return an empty memory for each block."""
        return [{} for _ in range(self.config["n_layer"])]

    def __call__(self, ids, lengths=None, start=0, memories=None):
        """Return a Tensor with the logits of the next token: N ids -> (N, vocab_size).

        There are two ways to call it. Without memories, ids are whole documents, one
        after the other, with these lengths. With memories, one for each block, ids
        continue one text from position start on. Raises ValueError for an unknown id,
        and for a position outside the context.
        """
        positions = []
        for length in lengths or [len(ids)]:  # without lengths, ids are one document
            positions += range(start, start + length)
        wte = self.params["wte.weight"]
        x = embedding(wte, ids) + embedding(self.params["wpe.weight"], positions)
        for i, memory in enumerate(memories or self.new_memories()):
            x = self.block(x, i, positions, memory)
        return linear(self.layer_norm(x, "ln_f"), wte)


# The first weights are random. mlp.py shows how large they should be: with a standard
# deviation of 1 / sqrt(n_in), a sum of n_in products is about as large as its inputs.
# Some parameters begin smaller here, or with fixed numbers:
#
# - wpe and every c_proj begin with a standard deviation of 0.02, as small as in GPT-2.
#   So at first the stream is mostly the embedding of the token itself. In the network
#   of the first command, its numbers are about 0.20 in size. Attention adds numbers of
#   about 0.06 to it, and the MLP adds numbers of about 0.12.
# - The weight of ln_f begins with 0.1. With 1, the logits would be about 1 in size,
#   because a normed row has numbers of about 1, and wte has numbers of about 1 /
#   sqrt(n_embd). With 0.1 they are about 0.1, and all tokens are nearly equally likely.
# - The weights of all other layer norms begin with 1, and all biases with 0.
#
# So the first loss is close to log(27) = 3.30, which is the loss of somebody who knows
# nothing. (It is 3.32. The stream is mostly the embedding of the last letter, so the
# dot product with this very embedding is larger than the others, and at first the
# network expects every letter to come twice.)

def first_params(config, seed):
    """Return {name: Tensor} of all parameters, as they are before training."""
    rng = random.Random(seed)
    params = {}
    for name, shape in shapes_of(config).items():
        if len(shape) == 2:
            std = 1 / math.sqrt(config["n_embd"])
            if name.endswith(("wpe.weight", "c_proj.weight")):
                std = 0.02
            data = []
            for _ in range(shape[0]):
                data.append([rng.gauss(0, std) for _ in range(shape[1])])
        else:
            first = 1.0
            if name.endswith("bias"):
                first = 0.0
            if name == "ln_f.weight":
                first = 0.1
            data = [first] * shape[0]
        params[name] = Tensor(data)
    return params


# %% 7. Loss
# The loss is the cross-entropy of mlp.py: minus the logarithm of the probability that
# the network gave to the token that really came, averaged over all tokens.

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


# A document is input and answer at once. The targets are its ids, moved by one place:
#
#     inputs     ·  e  m  m  a
#     targets    e  m  m  a  ·

def loss_of(model, documents):
    """Return the loss of a batch of documents, which are lists of ids, as a Tensor."""
    inputs = []
    targets = []
    lengths = []
    for ids in documents:
        inputs += ids[:-1]
        targets += ids[1:]
        lengths.append(len(ids) - 1)
    return cross_entropy(model(inputs, lengths), targets)


def evaluate(model, documents):
    """Return the mean loss over all tokens of the documents, in nats per token."""
    losses = [loss_of(model, [ids]).data for ids in documents]
    counts = [len(ids) - 1 for ids in documents]  # a long document counts more
    return dot(losses, counts) / sum(counts)


# %% 8. Training
# Each step of training takes a batch of documents, and computes the loss and all
# gradients. Then AdamW changes the weights. In mlp.py a weight moved by lr times its
# gradient g, where lr is the learning rate. This has two weak points: the gradient of
# one batch is noisy, and a weight with small gradients hardly moves. AdamW keeps two
# averages for each weight, and updates them at every step:
#
#     m = beta1 * m + (1 - beta1) * g           the average gradient: noise cancels out
#     v = beta2 * v + (1 - beta2) * g^2         the average square of the gradient
#
# Both begin with 0, so at first they are too small. After t steps, the gradients have a
# share of 1 - beta^t in the average, and the 0 has the rest. So we divide by this
# share:
#
#     m_hat = m / (1 - beta1^t)
#     v_hat = v / (1 - beta2^t)
#     w     = w - lr * m_hat / (sqrt(v_hat) + eps)
#
# If all gradients of a weight are the same g, then m_hat is g, and sqrt(v_hat) is the
# size of g. So the weight moves by lr, whether g is large or small. (eps = 1e-8 keeps
# us from dividing by 0.)
#
# beta1 and beta2 say how far the averages look back. The usual values are 0.9 and
# 0.999, and 0.999 means about 1 / (1 - 0.999) = 1000 steps. That is long in a run of
# 2400 steps, so we take 0.8 and 0.99, which look back 5 and 100 steps. The gain is
# small: on average over three seeds, dev ends at 2.172, and at 2.179 with the usual
# values.
#
# The W is for weight decay, the pull towards 0 of bigram.py. With large weights, a
# network can fit what is peculiar to the training names. With weight decay, a weight
# stays large only if the data keeps asking for it. Before AdamW there was Adam, in
# which weight_decay * w was added to the gradient. But there the pull was divided by
# sqrt(v_hat) as well, so weights with large gradients hardly decayed. AdamW keeps the
# two apart, and shrinks the weight directly:
#
#     w = w - lr * weight_decay * w
#
# It does so with matrices only. A bias, or the weight of a layer norm, does not make
# the network more complicated when it is large.
#
# There is one more precaution. Now and then a batch has unusually large gradients. For
# one step they make m too large, and for about 100 steps they make v too large, so that
# learning slows down. So the gradients are clipped before the step. Their norm is the
# root of the sum of the squares of all gradients. If it is above 1, each gradient is
# divided by it. (Why 1? It leaves usual gradients alone: in the run of the first
# command, only 19 of 2400 steps are clipped.)

def as_rows(data):
    """Return the rows of a matrix. A list of numbers counts as one row."""
    if hasattr(data[0], "__len__"):
        return data
    return [data]


def clip_factor(params):
    """Return the factor that makes the norm of all gradients at most 1."""
    total = 0.0
    for p in params.values():
        for row in as_rows(p.grad):
            total += dot(row, row)
    return 1 / max(1.0, math.sqrt(total))


BETA1 = 0.8
BETA2 = 0.99
EPS = 1e-8


def zeros(params):
    """Return {name: rows of zeros} in the shapes of params, for m or v."""
    rows = {}
    for name, p in params.items():
        rows[name] = [[0.0] * len(row) for row in as_rows(p.data)]
    return rows


# exercise 5.7: a step of AdamW
def adamw_step(params, m, v, t, lr, weight_decay, factor):
    """Change params, {name: Tensor}, and their averages m and v, and set .grad to None.

    This is step t, from 1 on, with the learning rate lr. Each gradient is first
    multiplied by factor. Raises ValueError if a parameter has no gradient.
    Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization".
    """
    m_share = 1 - BETA1 ** t
    v_share = 1 - BETA2 ** t
    for name, p in params.items():
        if p.grad is None:
            raise ValueError(f"no gradient has reached the parameter {name}")
        decay = lr * weight_decay if len(p.shape) == 2 else 0.0
        rows = zip(as_rows(p.data), as_rows(p.grad), m[name], v[name])
        for row, g_row, m_row, v_row in rows:
            for j in range(len(row)):
                g = factor * g_row[j]
                m_row[j] = BETA1 * m_row[j] + (1 - BETA1) * g
                v_row[j] = BETA2 * v_row[j] + (1 - BETA2) * g * g
                m_hat = m_row[j] / m_share
                v_hat = v_row[j] / v_share
                row[j] -= decay * row[j]
                row[j] -= lr * m_hat / (math.sqrt(v_hat) + EPS)
        p.grad = None


# The learning rate is not the same in all steps. m and v are averages over few
# gradients at first, so they are noisy, and the first steps should be small. Over the
# first twentieth of all steps, the rate grows to its highest value, lr. Then it falls
# to nearly 0: large steps quickly reach a region where the loss is low, and small steps
# find the lowest place in it.

def rate_at(step, steps, lr):
    """Return the learning rate of a step, from 1 to steps, if the highest is lr.

    >>> [round(rate_at(step, 40, 1.0), 2) for step in [1, 2, 3, 4, 22, 40]]
    [0.33, 0.67, 1.0, 0.97, 0.5, 0.03]
    """
    warmup = steps // 20
    if step <= warmup:
        return lr * step / (warmup + 1)
    return lr * (steps + 1 - step) / (steps - warmup)


def train(model, documents, steps, batch_size, lr, weight_decay, report):
    """Train the model. documents are lists of ids, taken in turn, batch_size per step.

    After each step report(step, loss) is called. The loss is a number.
    """
    params = model.params
    m = zeros(params)
    v = zeros(params)
    for step in range(1, steps + 1):
        first = (step - 1) * batch_size
        numbers = range(first, first + batch_size)
        batch = [documents[i % len(documents)] for i in numbers]
        loss = loss_of(model, batch)
        loss.backward()
        factor = clip_factor(params)
        adamw_step(params, m, v, step, rate_at(step, steps, lr), weight_decay, factor)
        report(step, loss.data)


# %% 9. Generation
# The network gives a probability to each token that may come next. To write a name, we
# draw one of them, append it, and ask again. Three settings say how we draw:
#
# - The temperature divides the logits. Below 1, likely tokens become even likelier. At
#   0 we always take the likeliest.
# - top_k: only the k likeliest tokens can be drawn.
# - top_p: we go from the likeliest token to less likely ones, and stop when their total
#   probability has reached top_p. Only these tokens can be drawn.
#
# Why leave out the unlikely tokens? Each of them is rare, but GPT-2 has 50,257 tokens,
# so all unlikely ones together are drawn quite often, and then the text goes astray.

# exercise 5.8: which token comes next
def choose(logits, rng, temperature, top_k, top_p):
    """Return an id, drawn by rng, a random.Random. logits is a list of numbers.

    Source of top_p: Holtzman et al. 2020, "The Curious Case of Neural Text
    Degeneration".
    """
    ids = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)
    likeliest = ids[:top_k]  # if top_k is None, [:None] keeps all
    if temperature < 0.001:
        return likeliest[0]
    probs = softmax([logits[i] / temperature for i in likeliest])
    n = 0
    total = 0.0
    while n < len(probs) and total < top_p:
        total += probs[n]
        n += 1
    return rng.choices(likeliest[:n], weights=probs[:n])[0]


# exercise 5.9 (needs 5.8): writing
def generate(model, ids, max_new_tokens, rng, temperature=1.0, top_k=None, top_p=1.0):
    """Yield at most max_new_tokens ids that continue ids.

    It ends earlier if a boundary is drawn, or if the context is full.
    """
    memories = model.new_memories()
    n_seen = 0
    # The last token that we draw is never fed in, so it needs no place: + 1.
    room = model.config["n_positions"] + 1 - len(ids)
    for _ in range(min(max_new_tokens, room)):
        # At first all ids go through the network, and later only the new one. The last
        # row predicts what comes next.
        logits = model(ids[n_seen:], start=n_seen, memories=memories).data[-1]
        n_seen = len(ids)
        token = choose(logits, rng, temperature, top_k, top_p)
        if token == model.boundary:
            return
        yield token
        ids = ids + [token]


# %% 10. Results
# The first command of the docstring trains a network with one block, 4 heads and 24
# channels, which has 8304 parameters. Its loss on dev is 2.170 nats per token, or 2.172
# on average over three seeds. The bigram model came to 2.459, the network of mlp.py to
# 2.170, like this one, and that of wavenet.py to 2.158. (These two have fewer
# parameters, but they see about twice as many names in training.)
#
# So why a transformer? On short names, and in a minute, it wins nothing: the last few
# letters tell almost all, and the other networks see them, too. It pays when there is
# more to learn. On a longer list of names and in an hour of training (see README.md),
# wavenet.py came to 1.994 on dev, and this file to 1.957. And it pays when texts are
# long, because attention finds the word that matters wherever it stands.
#
# After the training, the program shows where the heads look. For gwenael, a name that
# the network has never seen, it prints:
#
#     g  █  █  █  █
#     w  .█  ░▓  ▓░  ▒▒
#     e  .█.  ░.▒  ░░▒  ░▒░
#     n  ..█.  .░▒.  ░░▒.  ..▓.
#     a  ░.░..  ...▓.  .░░..  ▒....
#     e  ..░.▒.  ....▓.  ..▒...  .....█
#     l  ..░.▓..  .....▒.  .....░░  ░....▒.
#     ·  .....░.░  ....░.▒.  ..░.....  .....░▓.
#
# Each line begins with the letter that came next, and the four groups of marks belong
# to heads 0 to 3. There is one mark for each token that was seen: the first one for the
# boundary, the last one for the letter just before. The marks . ░ ▒ ▓ █ stand for
# weights up to 0.2, 0.4, 0.6, 0.8 and 1. Before the last e came, for example, head 3
# looked mostly at the a just before. Before the l came, it looked at this a again, but
# less. Heads rarely do just one thing that we could name.
#
# Questions to find out more, with our answers. With other first weights (--seed 1 or
# --seed 2) the loss on dev is up to 0.007 higher, so for a fair answer we take the mean
# of three seeds. For the first command it is 2.172.
#
# Are four heads better than one? Type python gpt.py --n-head 1.
#     Yes. With one head of 24 channels the mean is 2.181, although the number of
#     parameters is the same.
#
# Does a second block help? Type python gpt.py --n-layer 2.
#     Hardly. The mean is 2.167, but the three seeds differ by more than the gain.
#
# What do more steps bring? Type python gpt.py --steps 9600.
#     A loss on dev of 2.113. So four times the steps help more than a second block.

# You can stop here: what follows makes the same faster, keeps networks in files, and
# reads options.

# %% 11. The same, faster
# CPython has faster dot products, as mlp.py explains. Python looks a name up when it is
# used, so the functions above use these two from now on. (A test compares them with
# plain_inner.)
plain_inner = inner

if sys.implementation.name == "cpython":
    def dot(p, q):
        """Return the dot product of two lists of the same length."""
        return sum(map(operator.mul, p, q))

    dot = getattr(math, "sumprod", dot)

    def inner(a, b):
        """Return the dot products of all rows of a with all rows of b."""
        return [[dot(p, q) for q in b] for p in a]


# %% 12. Files
# A folder keeps a network. config.json has its sizes. model.safetensors has its
# parameters: first eight bytes that say how long the header is, then the header, which
# tells the type, shape and place of each parameter in JSON, and then all numbers, 32
# bits each. OpenAI's GPT-2 comes in this form, and Hugging Face's library transformers
# reads what we write. In the file, the weights of linear layers are turned: (n_in,
# n_out).

TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
FIXED = {  # what this file can do: a folder that asks for anything else is refused
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
}


def save(folder, model):
    """Write the network into a folder, for load() and for transformers.

    Raises ValueError for a parameter that shapes_of does not know, because load() would
    not read it.
    """
    unknown = model.params.keys() - shapes_of(model.config).keys()
    if unknown:
        raise ValueError(f"shapes_of does not know the parameters {sorted(unknown)}")
    header = {"__metadata__": {"format": "pt"}}
    numbers = array("f")
    for name, p in model.params.items():
        rows = as_rows(p.data)
        shape = list(p.shape)
        if name.endswith(TURNED):
            rows = transpose(rows)
            shape.reverse()
        start = 4 * len(numbers)  # in bytes
        for row in rows:
            numbers.extend(row)
        header[name] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [start, 4 * len(numbers)],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    length = len(text).to_bytes(8, "little")
    write_file(folder, "model.safetensors", length + text + numbers.tobytes())
    write_file(folder, "config.json", json.dumps(model.config).encode())


def write_file(folder, name, data):
    """Write data under another name first, so that no file is ever half written."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    part = Path(folder, name + ".part")
    part.write_bytes(data)
    part.replace(Path(folder, name))


def load(folder):
    """Return the network in a folder. Its rows are arrays, which take less memory.

    Raises OSError if there is none, and ValueError or others if it is of another kind.
    """
    config = json.loads(Path(folder, "config.json").read_bytes())
    path = Path(folder, "model.safetensors")
    file_size = path.stat().st_size
    params = {}
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, file_size)))
        n_layer = sum(name.endswith("ln_1.weight") for name in header)
        for key, value in {**FIXED, "n_layer": n_layer}.items():
            if config.get(key, value) != value:
                raise ValueError(f"{key} must be {value!r}")
        entries = {name.removeprefix("transformer."): header[name] for name in header}
        for name, shape in shapes_of(config).items():
            turned = name.endswith(TURNED)
            start, end = entries[name]["data_offsets"]
            expected = {
                "dtype": "F32",
                "shape": list(shape[::-1] if turned else shape),
                "data_offsets": [start, start + 4 * math.prod(shape)],
            }
            if entries[name] != expected or 8 + length + end > file_size:
                raise ValueError(f"{name} is {entries[name]}, not {expected}")
            file.seek(8 + length + start)
            numbers = array("f", file.read(end - start))
            n = shape[-1]
            rows = [numbers[i:i + n] for i in range(0, len(numbers), n)]
            if turned:
                rows = [numbers[i::shape[0]] for i in range(shape[0])]
            params[name] = Tensor(rows if len(shape) == 2 else list(numbers))
    return GPT(params, config)


# %% 13. The command line
# Nothing below is about networks. With --ids, a text consists of token ids, separated
# by blanks, as bpe.py writes and reads them. Then characters is None.

class InputError(ValueError):
    """What the user gave cannot be used."""


def load_network(folder):
    """Return the network in a folder. Raises InputError if there is none that works."""
    try:
        model = load(folder)
        list(generate(model, [model.boundary], 1, random.Random(0)))
        text_of([model.boundary], model.config)
    except Exception as error:  # whatever comes of bytes that mean something else
        raise InputError(f"{folder}: no GPT-2 as it is here: {error!r:.200}") from error
    return model


def ids_of(text, config):
    """Return the ids of a text. Raises InputError if a part of it has none."""
    try:
        if config.get("characters"):
            ids = encode(text, config["characters"])
        else:
            ids = [int(word) for word in text.split()]
    except ValueError:
        ids = [-1]
    if ids and (min(ids) < 0 or max(ids) >= config["vocab_size"]):
        raise InputError(f"{text[:60]!r} has a part that this network does not know")
    return ids


def text_of(ids, config):
    """Return the text of ids."""
    if config.get("characters"):
        return decode(ids, config["characters"])
    return "".join([f"{i} " for i in ids])


def windows(documents, n_positions):
    """Return the documents, cut into windows where they do not fit into the context.

    A window begins with the last id of the window before it, so that every id but the
    first is predicted once.

    >>> windows([[9, 1, 9], [9, 1, 2, 3, 4, 9]], 2)
    [[9, 1, 9], [9, 1, 2], [2, 3, 4], [4, 9]]
    """
    result = []
    for ids in documents:
        for start in range(0, len(ids) - 1, n_positions):
            result.append(ids[start:start + n_positions + 1])
    return result


def prompt_ids(prompt, model):
    """Return the ids to begin with. Raises InputError if they do not fit the model."""
    ids = ids_of(prompt, model.config)
    if "characters" in model.config or not ids:  # it was trained with a boundary first
        ids = [model.boundary] + ids
    if len(ids) > model.config["n_positions"]:
        raise InputError("the prompt is longer than the context")
    return ids


def write(model, prompt, args, rng):
    """Print a text that begins with the prompt, each token as soon as it is drawn."""
    ids = prompt_ids(prompt, model)
    print(text_of(ids_of(prompt, model.config), model.config), end="")
    for token in generate(model, ids, args.max_new_tokens, rng,
                          args.temperature, args.top_k, args.top_p):
        print(text_of([token], model.config), end="", flush=True)
    print(flush=True)


def learn(model, documents, args, rng):
    """Train the model, and show how it goes. Ctrl-C ends the training early."""
    losses = []

    def report(step, loss):
        if not loss < 100:  # also if it is not a number
            raise InputError(f"the loss is {loss:.4g}: --lr is too large")
        losses.append(loss)
        mean = fmean(losses[-100:])
        line = f"step {step:5}  loss {mean:.4f}"
        if sys.stderr.isatty():
            left = time.process_time() / step * (args.steps - step)
            print(line, f"{left:.0f} s left  ", end="\r", file=sys.stderr)
        if step == 1 or step % max(1, args.steps // 10) == 0:
            print(f"{line} |{' ' * round(9 * mean)}*  ", end="")
            write(model, args.prompt, args, rng)
            if args.save:
                save(args.save, model)

    for p in model.params.values():
        if len(p.shape) == 2:
            p.data = [list(row) for row in p.data]  # arrays, if it was loaded
    decay = args.weight_decay
    try:
        train(model, documents, args.steps, args.batch_size, args.lr, decay, report)
    except KeyboardInterrupt:
        print(f"\nstopped at step {len(losses)}", file=sys.stderr)
    if args.save:
        save(args.save, model)


def show_heads(model, ids):
    """Print for each token where the heads looked before it came."""
    print("\nthe next letter, and where each head looked, from the boundary on")
    memories = model.new_memories()
    for t, token in enumerate(ids[1:model.config["n_positions"]]):
        model(ids[t:t + 1], start=t, memories=memories)
        line = text_of([token], model.config)
        for memory in memories:
            for _, _, weights in memory.values():
                shades = [" .░▒▓█"[math.ceil(5 * w)] for w in weights]
                line += "  " + "".join(shades)
        print(line)


def read_options(argv):
    """Return the options as attributes. Ends the program if they cannot be used."""
    parser = argparse.ArgumentParser(usage="gpt.py [options]")
    option = parser.add_argument

    def number_option(name, default, least, text):
        def number(word):
            value = type(least)(word)  # a float, if least is a float
            if not least <= value <= 10**9:
                raise ValueError
            return value
        option(name, type=number, default=default, help=f"{text} ({default})")

    option("--data", help="UTF-8 text, one document per line (names.txt)")
    option("--ids", help="token ids in place of text; - is standard input")
    option("--load", help="folder of a network to begin with")
    option("--save", help="folder for the network, written ten times")
    option("--prompt", default="", help="how each text begins")
    option("--test", action="store_true", help="evaluate on test, too")
    number_option("--steps", None, 0, "training steps: 2400, or 0 with --load")
    number_option("--batch-size", 8, 1, "documents per step")
    number_option("--lr", 0.01, 1e-9, "highest learning rate")
    number_option("--weight-decay", 0.01, 0.0, "weight decay")
    number_option("--seed", 42, 0, "for weights and random draws")
    number_option("--n-layer", 1, 1, "blocks")
    number_option("--n-head", 4, 1, "heads per block")
    number_option("--n-embd", 24, 1, "channels")
    number_option("--block-size", 16, 1, "tokens in a context")
    number_option("--eval-docs", 2000, 0, "documents to evaluate on")
    number_option("--samples", 20, 0, "documents to invent")
    number_option("--max-new-tokens", 50, 0, "tokens to write at most")
    number_option("--temperature", 1.0, 0.0, "see section 9")
    number_option("--top-k", None, 1, "see section 9")
    number_option("--top-p", 1.0, 1e-9, "see section 9")
    return parser.parse_args(argv)


def new_network(texts, args):
    """Return a network that can learn from these texts."""
    config = {**FIXED, "n_positions": args.block_size, "characters": None}
    for key in ("n_layer", "n_head", "n_embd"):
        config[key] = getattr(args, key)
    if args.ids:
        config["vocab_size"] = 10**6  # for ids_of, until we know better
        config["eos_token_id"] = 1 + max([max(ids_of(text, config)) for text in texts])
    else:
        config["characters"] = "".join(sorted(set("".join(texts))))
        config["eos_token_id"] = len(config["characters"])
    config["vocab_size"] = config["eos_token_id"] + 1
    return GPT(first_params(config, args.seed), config)


def learn_and_evaluate(model, args, rng):
    """Return the model, or a new one if it is None, after training. Print its losses.

    Raises InputError if the file with the documents cannot be used.
    """
    path = args.ids or args.data or Path(__file__).with_name("names.txt")
    try:
        texts = read_documents(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None
    if len(texts) < 10:
        raise InputError(f"{path}: {len(texts)} documents, but 10 are needed")
    model = model or new_network(texts, args)
    prompt_ids(args.prompt, model)  # it is better to complain before the training
    b = model.boundary
    documents = [[b, *ids_of(text, model.config), b] for text in texts]
    n_positions = model.config["n_positions"]
    n_long = sum([len(ids) > n_positions + 1 for ids in documents])
    if n_long:
        print(f"{n_long} documents are cut into windows of {n_positions} tokens")
    parts = dict(zip(["train", "dev", "test"], split(documents)))
    learn(model, windows(parts["train"], n_positions), args, rng)
    for name, part in parts.items():
        if args.eval_docs and (name != "test" or args.test):
            loss = evaluate(model, windows(part[:args.eval_docs], n_positions))
            print(f"{name} loss {loss:.4f}", flush=True)
    show_heads(model, parts["dev"][0])
    return model


def main(argv=None):
    """Train a network or load one, and let it write."""
    args = read_options(argv)
    if args.n_embd % args.n_head != 0:
        raise InputError(f"{args.n_head} heads cannot share {args.n_embd} channels")
    rng = random.Random(args.seed)
    model = load_network(args.load) if args.load else None
    if args.steps is None:
        args.steps = 0 if model else 2400
    prompts = [args.prompt] * args.samples
    if model and args.ids == "-":
        sys.stdin.reconfigure(errors="replace")
        prompts = sys.stdin
    elif not model or args.steps or args.data or args.ids:
        model = learn_and_evaluate(model, args, rng)
        print("\nsamples")
    for prompt in prompts:
        write(model, prompt, args, rng)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"gpt.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
