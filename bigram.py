"""The smallest language model: a table that says which letter follows which.

A language model says how likely each token is to come next. Here the tokens are the
characters of names, so the model can judge a name, and invent one, letter by letter. It
looks at one token only, the last one, and is called a bigram model, because a bigram is
a pair of tokens. We find the table in two ways. First we count the pairs in a list of
names. Then a network learns the same table by gradient descent, which micrograd.py
explains. At the end we look at longer contexts.

    python bigram.py           2 seconds; needs Python 3.11 or later, nothing else
    python bigram.py --help    what can be changed

The run prints the table, and names that the model invents, such as mai, shon and
jalier. The loss, which says how wrong the network is, begins at 3.2958. After 4000
steps it is 2.4617, and 2.4589 on names that the network has never seen. (These happen
to be slightly easier.)

Some functions have a comment such as "exercise 2.4" above them, which means lesson 2,
exercise 4: delete the body below the docstring, write your own, and run python -m
pytest tests/test_bigram.py.
"""
import argparse
import math
import random
import sys
from itertools import pairwise
from pathlib import Path

# %% 1. Data
# The file names.txt has a name on each of its 8,453 lines. To a language model each
# line is a document. We cut a document into tokens, which are characters here. A model
# computes with numbers, so each token gets a number, its id. The characters get their
# ids in sorted order. One more token, the boundary, stands before and after each
# document, so that the model also learns how names begin and end. We write it as a dot,
# and it gets the next free id. If the characters were a, e and m, with the ids 0, 1 and
# 2, the id of the boundary would be 3:
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


def encode_all(documents, characters):
    """Return a list of ids for each document, with a boundary before and after it."""
    boundary = len(characters)
    return [[boundary, *encode(text, characters), boundary] for text in documents]


# A model could learn its names by heart, and be bad at all others. So it learns from
# four fifths of the names (train). One tenth tells how it does on new names, and which
# settings are best (dev, for development). But a setting that is best on dev may owe
# this to luck, so the last tenth is not used before all choices are made (test).

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


# %% 2. Counting
# Which letter follows which, and how often? We count all pairs in a table, with a row
# for the first token of a pair, and a column for the second. The name emma has the
# pairs ·e, em, mm, ma and a·. Its table has 4 rows of 4 numbers, or the shape (4, 4):
#
#          a  e  m  ·
#     a    0  0  0  1
#     e    0  0  1  0
#     m    1  0  1  0
#     ·    0  1  0  0

# exercise 2.1: counting pairs
def count_pairs(documents, vocab_size):
    """Return a table: counts[i][j] says how often token j follows token i.

    documents are lists of ids, and vocab_size says how many different tokens there are.
    The shape of the table is (vocab_size, vocab_size).

    >>> count_pairs([[3, 1, 2, 2, 0, 3]], 4)
    [[0, 0, 0, 1], [0, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 0]]
    """
    counts = [[0] * vocab_size for _ in range(vocab_size)]
    for ids in documents:
        for first, second in pairwise(ids):  # pairwise([a, b, c]) gives (a, b), (b, c)
            counts[first][second] += 1
    return counts


# %% 3. Probabilities and samples
# How likely is a letter to come after an m? In emma, an m is followed once by an m, and
# once by an a. So we divide row m, [1, 0, 1, 0], by its sum, and get [0.5, 0, 0.5, 0].

# exercise 2.2: from counts to probabilities
def probabilities(counts):
    """Return a table with each row divided by its sum. A row of zeros stays as it is.

    >>> probabilities([[1, 3], [0, 0]])
    [[0.25, 0.75], [0.0, 0.0]]
    """
    probs = []
    for row in counts:
        total = sum(row)
        if total == 0:
            total = 1  # so that we do not divide by 0
        probs.append([count / total for count in row])
    return probs


# A picture shows the whole table. Its characters stand for steps of 4%: a blank is
# below 4%, a dot is 4% to 8%, and █ is 20% or more. Here are three of the 27 rows for
# train. Many names end after an n (last column), a u comes after most q, and an a
# begins more names than any other letter:
#
#       abcdefghijklmnopqrstuvwxyz·
#     n ▒  .░   ░    ░            █
#     q .                   █     ░
#     · ░....    ....    ...

def draw_table(probs, characters):
    """Print a table, with a row and a column for each of the first 60 tokens."""
    symbols = (characters + "·")[:60]
    print("  " + symbols)
    for symbol, row in zip(symbols, probs):
        levels = [min(5, int(p / 0.04)) for p in row[:60]]
        print(symbol, "".join([" .░▒▓█"[level] for level in levels]))


# To invent a name, we draw its first letter with the probabilities of row ·. Then we go
# to the row of this letter and draw the next one, until we draw a boundary.

# exercise 2.3: inventing a name
def sample(probs, boundary, rng):
    """Return the ids of an invented document, without its boundaries.

    rng, a random.Random, draws the tokens. Source: Shannon 1948, "A Mathematical Theory
    of Communication", section 3.
    """
    ids = []
    token = boundary
    while True:
        row = probs[token]
        [token] = rng.choices(range(len(row)), weights=row)  # a list of one id
        if token == boundary:
            return ids
        ids.append(token)


# The first samples are mamazlyanaliallierua, mai, fafrlwkh and gh. All their pairs
# occur in names, but that is all, because the model forgets every letter except the
# last one.

# %% 4. How good is it?
# How likely is the model to invent the name lander? Of its names, 4.94% begin with l.
# After an l it draws an a in 16.66% of all cases. So 16.66% of 4.94%, which is 0.82%,
# begin with la. In this way the probabilities of all pairs are multiplied:
#
#     pair           ·l       la       an       nd       de       er       r·
#     probability    4.94%    16.66%   15.86%   5.76%    21.81%   11.50%   10.63%
#     logarithm      -3.008   -1.792   -1.841   -2.855   -1.523   -2.162   -2.241
#
# The product, 0.0000002, is called the likelihood of the name. A good model gives a
# high likelihood to names that really exist. But for the 47,296 pairs of train it is
# about 10^-50537, which a float rounds to 0. Since log(a * b) = log(a) + log(b), we add
# up logarithms instead. They are negative, so we change their sign. And a long text has
# a larger sum than a short one, so we divide by the number of pairs. For lander this
# gives 15.42 / 7 = 2.20.
#
# So the loss is the mean of -log(probability) over all pairs, called the negative
# log-likelihood (nll). With the natural logarithm its unit is the nat. The loss is
# log(27) = 3.2958 if all 27 tokens are equally likely, and 0 if the model is always
# sure and right. The number e^loss is called the perplexity: with a loss of 2.46, a
# model is as unsure as if it chose between e^2.46 = 11.7 equally likely tokens.

# exercise 2.4: the loss of a language model
def nll(probs, counts):
    """Return the mean of -log(probs[i][j]) over all pairs of a text, in nats per token.

    counts is the table of the text. A pair has the same probability wherever it stands,
    so it is enough to know how often it occurs. The loss is infinite if a pair that
    occurs has the probability 0.
    """
    total = 0.0
    n_pairs = 0
    for p_row, count_row in zip(probs, counts, strict=True):
        for p, count in zip(p_row, count_row, strict=True):
            if count > 0 and p == 0:
                return math.inf
            if count > 0:
                total -= count * math.log(p)
                n_pairs += count
    return total / n_pairs


# On train, the counted table has a loss of 2.4604. On dev it is infinite: five names,
# such as wiebke, have a pair that never occurs in train, so its probability is 0.
# Smoothing is the remedy: we add 1 to each count (Lidstone 1920, "Note on the General
# Case of the Bayes-Laplace Formula"). Then we get 2.4650 on train, and 2.4613 on dev.

def smooth(counts, extra):
    """Return a new table, in which extra is added to each count."""
    return [[count + extra for count in row] for row in counts]


def show_losses(name, table_counts, text_counts):
    """Print the loss of a counted table on a text, without and with 1 added."""
    counted = nll(probabilities(table_counts), text_counts)
    smoothed = nll(probabilities(smooth(table_counts, 1)), text_counts)
    print(f"{name:17} {counted:.4f}, with 1 added to each count {smoothed:.4f}")


# %% 5. Tensor
# Could a network learn this table by gradient descent? We have the table already. But
# with long contexts most rows of a table are empty, as section 8 shows. A network need
# not have a row of its own for each context, and the next lesson makes use of this.
# Today we practise where we know what must come out.
#
# The network of section 6 has a weight for each pair of tokens, 27 * 27 = 729 weights.
# With the Value of micrograd.py, each step would make thousands of objects. So one
# object, a Tensor, holds a whole table.
#
# On the way back, a Value multiplied its gradient by a local gradient for each parent.
# For c = a * b these were the numbers b and a. But if an operation turns 729 numbers
# into 729 others, each of the results may depend on each of the inputs, and there may
# be 729 * 729 = 531,441 local gradients. Even where most of them are 0, they are too
# many to store. We only need what comes out in the end, the gradients of the parents.
# So each Tensor keeps a function, local_backward. It is given the gradient of the
# Tensor, and returns the gradients of the parents, by a short formula that we find on
# paper. For c = a * b with two numbers, local_backward(grad) returns [grad * b, grad *
# a].
#
# This Tensor has only what this lesson needs. Each Tensor is used in one place here, so
# no gradients have to be added up, and no Tensor has to wait for others.

class Tensor:
    """A number, or a matrix, which is a list of rows.

    parents are the Tensors that it was computed from. local_backward(grad) gets the
    gradient of this Tensor, and returns a list with the gradient of each parent.

    >>> a = Tensor(2.0)
    >>> b = Tensor(-3.0)
    >>> def local_backward(grad):
    ...     return [grad * b.data, grad * a.data]
    >>> c = Tensor(a.data * b.data, [a, b], local_backward)
    >>> c.backward()
    >>> a.grad, b.grad
    (-3.0, 2.0)
    """

    def __init__(self, data, parents=(), local_backward=None):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, after backward()
        self.parents = parents
        self.local_backward = local_backward

    def backward(self):
        """Compute d self / d tensor for all Tensors that self, a number, comes from.

        It is stored in their .grad. Raises ValueError if one of them has a gradient
        already, because it is used in two places or was not set to None.
        """
        self.grad = 1.0
        to_visit = [self]
        while to_visit:
            tensor = to_visit.pop()
            if tensor.parents:
                grads = tensor.local_backward(tensor.grad)
                for parent, grad in zip(tensor.parents, grads, strict=True):
                    if parent.grad is not None:
                        raise ValueError("this Tensor has a gradient already")
                    parent.grad = grad
                    to_visit.append(parent)


# The first operation is the loss. We write d_p for d loss / d p. For a text of n pairs,
#
#     loss      = sum over all i and j of -count[i][j] * log(p[i][j]) / n
#     d_p[i][j] = -count[i][j] / (n * p[i][j])          because log'(p) = 1 / p
#
# local_backward must also work if the loss is not the end of the graph. So it
# multiplies by the gradient that it is given, which is 1 here.

def nll_tensor(probs, counts):
    """Return nll(probs, counts) as a Tensor. probs is a Tensor, and counts a table."""
    n = sum([sum(row) for row in counts])

    def local_backward(grad):
        d_probs = [[0.0] * len(row) for row in counts]
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                if count > 0:
                    d_probs[i][j] = -grad * count / (n * probs.data[i][j])
        return [d_probs]
    return Tensor(nll(probs.data, counts), [probs], local_backward)


# %% 6. The same model as a network
# The input of the network is a token. Its id is only a name: m, with the id 2, is not
# twice as much as e, with the id 1. So we turn the token into a one-hot row, which has
# a 1 at its id, and 0 everywhere else. A single layer follows, with one neuron per
# token that may come next, and without bias or activation function. Its outputs are
# called logits. Here are three tokens, and some weights. A row has the weights of one
# input, and a column the weights of one neuron:
#
#     one-hot row of token 1     [0, 1, 0]
#     weights of input 0         [2.0, 0.0, -1.0]     times 0
#     weights of input 1         [0.0, 1.1, 1.8]      times 1
#     weights of input 2         [0.5, 0.5, 0.5]      times 0
#     logits                     [0.0, 1.1, 1.8]      the sum: row 1 of the weights
#
# A logit may be any number, while probabilities are positive and sum to 1. So we take
# e^logit, which is positive, and divide by the sum of all e^logit. This is softmax. In
# section 3 we divided counts by their sum. So e^logit plays the part of a count, and a
# logit plays the part of the logarithm of a count, a log-count:
#
#     count                  1      3      6
#     logit = log(count)     0.0    1.1    1.8
#     e^logit / sum          0.1    0.3    0.6
#
# e^1000 is too large for a float. So the code never computes the sum itself, only its
# logarithm. Then to divide by the sum is to subtract its logarithm in the exponent: e^v
# / sum = e^(v - log(sum)).

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


def probs_after(token, weights):
    """Return the probabilities of all tokens after this one, a list of numbers.

    weights[i][j] leads from input i to neuron j.

    >>> weights = [[2.0, 0.0, -1.0], [0.0, 1.1, 1.8], [0.5, 0.5, 0.5]]
    >>> [round(p, 1) for p in probs_after(1, weights)]
    [0.1, 0.3, 0.6]
    """
    n = len(weights)
    one_hot = [0.0] * n
    one_hot[token] = 1.0
    logits = [0.0] * n
    for i in range(n):
        for j in range(n):
            logits[j] += one_hot[i] * weights[i][j]
    return softmax(logits)


# That is the whole network. There are only 27 possible inputs, and the one-hot row only
# picks a row of the weights. So the outputs for all inputs are softmax of all rows: a
# table of probabilities, as in section 3. Its loss on a text needs only the counts, and
# each step learns from all pairs at once.
#
# Now the gradient. We write d_w for d loss / d w. Let w be a row of the weights, and p
# its probabilities:
#
#     p[k] = e^w[k] / sum          with sum = e^w[0] + e^w[1] + ...
#
# Both e^w[j] and sum have the derivative e^w[j] with respect to w[j]. The quotient
# rule, (f / g)' = (f' * g - f * g') / g^2, gives
#
#     d p[j] / d w[j] = (e^w[j] * sum - e^w[j] * e^w[j]) / sum^2 = p[j] - p[j] * p[j]
#     d p[k] / d w[j] = (0 * sum - e^w[k] * e^w[j]) / sum^2      = -p[k] * p[j]
#
# for each k other than j. From w[j] a path leads to the loss through p[j], and another
# one through every other p[k]. We multiply along each path, and add up all paths:
#
#     d_w[j] = d_p[j] * (p[j] - p[j] * p[j])
#              + sum over the other k of d_p[k] * (-p[k] * p[j])
#
# The term -d_p[j] * p[j] * p[j] is just what the sum lacks for k = j. Let mean be the
# weighted mean of all d_p[k], with the probabilities p[k] as weights. Then
#
#     mean   = sum over all k of d_p[k] * p[k]
#     d_w[j] = d_p[j] * p[j] - mean * p[j]
#            = p[j] * (d_p[j] - mean)

def network(weights):
    """Return a Tensor with softmax of each row of weights, in the same shape."""
    probs = [softmax(row) for row in weights.data]

    # exercise 2.5 (hard): the gradient of softmax
    def local_backward(grad):
        """Return the gradient of weights, in a list. grad is the gradient of probs."""
        d_weights = []
        for p_row, d_row in zip(probs, grad, strict=True):
            mean = sum([d_p * p for d_p, p in zip(d_row, p_row)])
            d_weights.append([p * (d_p - mean) for d_p, p in zip(d_row, p_row)])
        return [d_weights]
    return Tensor(probs, [weights], local_backward)


# Let us put in the d_p of the loss, -count[k] / (n * p[k]). If total is the sum of the
# counts in this row, then
#
#     mean   = sum over all k of -count[k] / n = -total / n
#     d_w[j] = -count[j] / n + p[j] * total / n
#            = (total / n) * (p[j] - count[j] / total)
#            = share of the row * (predicted - observed)
#
# The share of the row is the part of all pairs that begin with its token. The gradient
# is 0 only if the predicted probabilities are the observed ones, so training can end in
# no other place. But softmax never gives exactly 0. Where a pair never occurs, its
# weight goes on falling, ever more slowly. So training comes closer and closer to the
# counted table, and never arrives.
#
# In micrograd.py the first weights had to be random, because otherwise all neurons of a
# layer would have stayed the same. Here each neuron has a token of its own to predict,
# so their gradients differ from the beginning, and all weights may begin at 0.

def train(counts, steps, lr, weight_decay=0.0):
    """Return a table learned by gradient descent on all pairs, and a list of losses."""
    weights = Tensor([[0.0] * len(counts) for _ in counts])
    losses = []
    for _ in range(steps):
        # forward
        loss = nll_tensor(network(weights), counts)
        losses.append(loss.data)
        if not math.isfinite(loss.data):
            break  # lr is too large
        # backward
        loss.backward()
        # step
        for row, d_row in zip(weights.data, weights.grad, strict=True):
            for j, d_w in enumerate(d_row):
                row[j] -= lr * (d_w + weight_decay * row[j])
        weights.grad = None
    return network(weights).data, losses


# Why is the learning rate as large as 20? The gradients are small, because even the
# most frequent row has a share of only 0.143. In 1000 steps, the loss falls to 2.5516
# with the rate 1, to 2.4652 with 20, and to 2.5265 with 100, where the steps are so
# large that they jump over the best place again and again. The run makes 4000 steps:
#
#     step              1         10        100       1000      4000      counted
#     loss on train     3.2958    2.8090    2.5073    2.4652    2.4617    2.4604
#
# Rare rows come close to the counted table last, since a small share makes a small
# gradient. There are 23 tokens that never follow a q in train. The counted table gives
# each of them the probability 0, and the network still gives it 0.2%. This is no bad
# thing: the network leaves a little probability to pairs that it has never seen, as
# smoothing does. On dev it has 2.4589, and the smoothed table 2.4613.

# %% 7. Weight decay acts like smoothing
# Weight decay pulls all weights towards 0: each step also subtracts a small part of the
# weight itself. (This is the L2 regularization of micrograd.py, because the derivative
# of weight_decay / 2 * w^2 is weight_decay * w.) If all weights are 0, all tokens are
# equally likely. Smoothing leads there, too, when we add more and more to each count.
# Both change most where there is little data. 1 more is much for a count of 0, and
# nothing for a count of 1000. And the gradient of a row is multiplied by its share of
# the pairs, while the pull towards 0 is the same for all rows. So in a rare row, the
# pull is stronger than the gradient.
#
# To see it, we take only the first 100 names of train, and do it twice. First the
# network learns from them, with different weight decays, by
# train(count_pairs(parts[0][:100], 27), 1000, 20.0, weight_decay), where parts is what
# read_parts returns. Then we count their pairs, and add different numbers. These are
# the losses on dev:
#
#     weight decay     0         0.0001    0.0003    0.001     0.003
#     loss             2.9445    2.7418    2.6869    2.6937    2.7875
#
#     added            0         0.1       0.3       1         3
#     loss             inf       2.7242    2.6828    2.7364    2.8785
#
# Without either, the model trusts its few names too much. With a lot of either, it
# hardly listens to them. The whole of train has so many pairs for 729 weights that
# weight decay does not help: in 4000 steps, even 0.00001 makes dev a little worse,
# 2.4604 instead of 2.4589.

# %% 8. Longer contexts
# With a larger table we can look further back. An n-gram model looks at the n - 1
# tokens before the next one, its context. So a bigram model has n = 2. With n = 3, emma
# begins after two boundaries:
#
#     context    ··   ·e   em   mm   ma
#     next       e    m    m    a    ·

# exercise 2.6: contexts of any length
def count_ngrams(documents, n, vocab_size):
    """Return a dict {context: row}: row[j] counts token j after a tuple of n - 1 ids.

    >>> count_ngrams([[2, 0, 1, 2]], 3, 3)
    {(2, 2): [1, 0, 0], (2, 0): [0, 1, 0], (0, 1): [0, 0, 1]}
    """
    table = {}
    for ids in documents:
        boundary = ids[0]
        padded = [boundary] * (n - 1) + ids[1:]  # ids has one boundary already
        for t in range(n - 1, len(padded)):
            context = tuple(padded[t - n + 1:t])  # the n - 1 tokens before place t
            if context not in table:
                table[context] = [0] * vocab_size
            table[context][padded[t]] += 1
    return table


def ngram_nll(table, counts, extra):
    """Return the loss of a text with these counts, for a table with extra added.

    After a context that the table does not have, all tokens are equally likely.
    """
    rows = []
    for context, row in counts.items():
        rows.append(table.get(context, [0] * len(row)))
    return nll(probabilities(smooth(rows, extra)), counts.values())


def show_ngrams(train_ids, dev_ids, vocab_size):
    """Print how many contexts occur, and the losses with 0.1 added to each count."""
    for n in range(1, 7):
        table = count_ngrams(train_ids, n, vocab_size)
        on_train = ngram_nll(table, table, 0.1)
        on_dev = ngram_nll(table, count_ngrams(dev_ids, n, vocab_size), 0.1)
        print(f"n {n}  {len(table):5} contexts  train {on_train:.4f}  dev {on_dev:.4f}")


#     n 1      1 contexts  train 2.8521  dev 2.8460
#     n 2     27 contexts  train 2.4608  dev 2.4593
#     n 3    500 contexts  train 2.1549  dev 2.2544
#     n 4   3703 contexts  train 1.8279  dev 2.2132
#     n 5  10153 contexts  train 1.6903  dev 2.3463
#     n 6  14324 contexts  train 1.6958  dev 2.5251
#
# Up to n = 4, a longer context helps. After that, the loss on dev rises, although the
# loss on train is much lower. (At n = 6 the loss on train rises, too, but only because
# of smoothing: most contexts occur once, and the 27 counts of 0.1 that smoothing adds
# outweigh that one.) This is called overfitting: the model learns its own names by
# heart, and knows less and less about others. With n = 6, 20.4% of the tokens in dev
# have a context that never occurs in train. To a table, the contexts ann and enn have
# nothing in common: what it knows of one of them does not help with the other. The next
# lesson mends this.
#
# Questions to find out more, with our answers:
#
# How many names does a longer context need? In the last line of main, write
# parts[0][:850] instead of parts[0], and then parts[0][:4600].
#     With 850 names, n = 2 and n = 3 have nearly the same loss on dev, 2.4934 and
#     2.4965. With 4600 names, this is so for n = 3 and n = 4, 2.2744 and 2.2736.
#
# Are names learned by heart? Write a function that invents names with the table of
# count_ngrams, and see how many of 1000 are in train.
#     With n = 2, 4 and 6, we found 33, 236 and 922 of our 1000 names in train.

# You can stop here: what follows reads the options of the command line.

# %% 9. The command line

class InputError(ValueError):
    """What the user gave cannot be used."""


def read_options(argv):
    """Return the options of the command line. Raises InputError."""
    parser = argparse.ArgumentParser(usage="bigram.py [options]")
    parser.add_argument("--data", help="UTF-8 text, one document per line (names.txt)")
    parser.add_argument("--steps", type=int, default=4000, help="training steps (4000)")
    parser.add_argument("--lr", type=float, default=20.0, help="learning rate (20)")
    parser.add_argument("--seed", type=int, default=42, help="for random draws (42)")
    parser.add_argument("--samples", type=int, default=10,
                        help="documents to invent (10)")
    parser.add_argument("--test", action="store_true", help="evaluate on test, too")
    args = parser.parse_args(argv)
    if args.steps < 0 or args.samples < 0 or not 0 < args.lr < math.inf:
        raise InputError("--steps and --samples must be 0 or more, --lr above 0")
    return args


def read_parts(path):
    """Return the characters of a file, and the ids of train, dev and test."""
    try:
        documents = read_documents(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None
    if len(documents) < 10:
        raise InputError(f"{path}: {len(documents)} documents, but 10 are needed")
    characters = "".join(sorted(set("".join(documents))))
    return characters, [encode_all(part, characters) for part in split(documents)]


def main(argv=None):
    """Show what the sections have found. Raises InputError and OSError."""
    args = read_options(argv)
    characters, parts = read_parts(args.data or Path(__file__).with_name("names.txt"))
    vocab_size = len(characters) + 1
    counts, dev_counts, test_counts = [count_pairs(part, vocab_size) for part in parts]
    all_counts = count_pairs(sum(parts, []), vocab_size)  # to compare with others
    n_pairs = sum([sum(row) for row in all_counts])
    probs = probabilities(counts)
    rng = random.Random(args.seed)
    print("which token follows which?")
    draw_table(probs, characters)
    print("\nsamples")
    for _ in range(args.samples):
        print(decode(sample(probs, len(characters), rng), characters))
    print("\nthe loss of a counted table")
    show_losses("train", counts, counts)
    show_losses("dev", counts, dev_counts)
    show_losses(f"all {n_pairs} pairs", all_counts, all_counts)

    print("\nthe same as a network", flush=True)
    learned, losses = train(counts, args.steps, args.lr)
    for step in [1, 10, 100, 1000]:
        if step <= len(losses):
            print(f"step {step:4}  loss {losses[step - 1]:.4f}")
    if not math.isfinite(nll(learned, counts)):
        raise InputError("the loss is not finite: --lr is too large")
    print(f"train loss {nll(learned, counts):.4f}")
    print(f"dev loss {nll(learned, dev_counts):.4f}")
    if args.test:
        print(f"test loss {nll(learned, test_counts):.4f}")
    draw_table(learned, characters)
    print("\nlonger contexts")
    show_ngrams(parts[0], parts[1], vocab_size)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"bigram.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
