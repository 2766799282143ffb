"""A neural language model, why it trains, and every gradient by hand.

bigram.py ended with tables of longer contexts: they grow without bound, and to a table the contexts
"ann" and "enn" have nothing in common. Here each letter becomes a short list of numbers, its
embedding, which training moves to where it is useful; letters that behave alike end up close, and
what is learned from one context serves for all that are like it. The network is the one of Bengio
et al. 2003, made to train well: where its weights begin, what batch norm does, how to see that a
layer is sick, and what .backward() does, step by step, without .backward().

    python mlp.py                          train on names.txt, evaluate, sample; under a minute
    python mlp.py --find-lr                which learning rate? one short run through many of them
    python mlp.py --diagnose --n-layer 5   are all layers alive? (then try --init naive --norm none)
    python mlp.py --by-hand                the gradients by hand: checked, then trained with
    python mlp.py --sweep 20               random settings, trained briefly, best last
    python mlp.py --n-embd 2               a map of the letters
    python mlp.py --help                   every option and its default

It prints what the first weights do to a fresh network, the losses, what too small a network and too
little data do, invented names, and which letters the network treats alike.

Papers: Bengio et al. 2003, "A Neural Probabilistic Language Model"; Glorot and Bengio 2010,
"Understanding the Difficulty of Training Deep Feedforward Neural Networks"; He et al. 2015,
"Delving Deep into Rectifiers"; Ioffe and Szegedy 2015, "Batch Normalization"; Ba et al. 2016,
"Layer Normalization"; Smith 2017, "Cyclical Learning Rates for Training Neural Networks" (the
learning-rate finder); Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization".
"""
import argparse
import math
import operator
import os
import random
import shutil
import sys
import textwrap
import time
import unicodedata
from types import SimpleNamespace

# %% 1. Data
# The question is the one of bigram.py: which token (here, a character) comes next? Now the model
# sees the last block_size tokens before it, the context. With three letters to go by, counting is
# hard to beat; with four a table does worse than with two, as more and more contexts are new to it,
# and a network still gains. As before, a token of its own, the boundary, stands before and after
# every document (a name is a document), and some documents are held back: train is for learning,
# dev for choosing settings, test to be looked at once, at the end. (Settings chosen by their loss
# on a split fit that split, so its loss no longer tells how unseen names would do.)

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


# exercise 3.1: contexts and targets
def examples_of(documents, block_size):
    """A list of (context, token): for every id of a document but its first boundary, in order.

    The context is a tuple of the block_size ids before it. Where it reaches back beyond the
    document, boundaries fill it up.
    """
    examples = []
    for ids in documents:
        padded = [BOUNDARY] * (block_size - 1) + ids
        examples += [(tuple(padded[t:t + block_size]), token) for t, token in enumerate(ids[1:])]
    return examples


# %% 2. A tensor that knows where it came from
# Training asks one question of every weight: if it grew a little, how would the loss change? The
# chain rule answers it for all of them in one walk back from the loss, if each number remembers
# what it was computed from. micrograd.py did this number by number; here whole matrices do it. (All
# this together is called autograd; the names of the classes are those of PyTorch, which has it.)


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
        """() for a number, (n,) for a list, (n, m) for n rows of m, and so on."""
        shape, data = (), self.data
        while isinstance(data, list):
            shape, data = shape + (len(data),), data[0]
        return shape

    @property
    def T(self):
        """The transpose, (n, m) -> (m, n)."""
        return Tensor(transpose(self.data), (self,), lambda grad: (transpose(grad),))

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


def transpose(rows):
    """n rows of m numbers -> m rows of n."""
    return list(map(list, zip(*rows)))


# %% 3. The network
# Each of the T = block_size tokens of a context is looked up in a table with a row of n_embd
# numbers for every token, its embedding. Laid end to end, these rows are the input of a hidden
# layer: n_hidden neurons, each a weighted sum of all inputs. Then a bend, or two layers of sums
# would be no more than one: tanh squeezes any number to between -1 and 1, relu makes negative ones
# 0. Weighted sums of what they give, one for each token of the vocabulary, are the logits: the
# higher, the likelier. A batch of N examples goes through together, an example a row. A layer is an
# object that holds its parameters; called, it makes a Tensor that also knows the way back. Nearly
# all of the work is dot products, and `inner` does them.


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
    """What all layers share. Called on a Tensor (the first on contexts), they give a Tensor."""
    weight = bias = None  # its parameters, if it has any: the tensors that training changes
    training = True  # False while evaluating; section 7 has a layer that then works differently

    def parameters(self):
        """The parameters, in a list."""
        return [p for p in (self.weight, self.bias) if p is not None]


class Embedding(Module):
    """A table of n_vocab rows of n_embd numbers: N contexts of T ids each -> (N, T, n_embd).

    Raises ValueError for an id that is not from 0 to n_vocab - 1.
    """

    def __init__(self, n_vocab, n_embd, std, rng):
        self.weight = normal(n_vocab, n_embd, std, rng)

    def __call__(self, contexts):
        table = self.weight.data
        if not all(0 <= i < len(table) for ids in contexts for i in ids):
            raise ValueError(f"embedding: the ids must be from 0 to {len(table) - 1}")

        def backward(grad):
            d_weight = [[0.0] * len(row) for row in table]
            for ids, rows in zip(contexts, grad):
                for i, row in zip(ids, rows):
                    d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
            return (d_weight,)
        return Tensor([[table[i] for i in ids] for ids in contexts], (self.weight,), backward)


class Flatten(Module):
    """The rows of each example laid end to end: (N, T, m) -> (N, T * m)."""

    def __call__(self, x):
        m = x.shape[2]

        def backward(grad):  # cut each long row into the T rows it was
            return ([[row[i:i + m] for i in range(0, len(row), m)] for row in grad],)
        return Tensor([[v for row in rows for v in row] for rows in x.data], (x,), backward)


class Linear(Module):
    """x (N, n_in) @ weight (n_in, n_out) + bias (n_out) -> (N, n_out).

    The first weights have the standard deviation std. Raises ValueError if x has not n_in columns.
    """

    def __init__(self, n_in, n_out, std, rng, bias=True):
        self.weight = normal(n_in, n_out, std, rng)
        self.bias = Tensor([0.0] * n_out) if bias else None

    def __call__(self, x):
        weight, bias = self.weight, self.bias
        if x.shape[1:] != weight.shape[:1]:
            raise ValueError(f"linear: the shapes {x.shape} @ {weight.shape} do not fit together")
        out = inner(x.data, zip(*weight.data))  # zip(*rows) goes through the columns
        if bias is not None:
            out = [add(row, bias.data) for row in out]

        # exercise 3.2: the gradients of a linear layer
        def backward(grad):
            """grad (N, n_out) -> a tuple of the gradients of x, weight and, if there is one, bias.

            x is (N, n_in), weight (n_in, n_out), bias (n_out).
            out[i][k] is the sum of x[i][j] * weight[j][k] over all j, plus bias[k]. Each factor
            gets grad[i][k] times the other, summed over all products that it is in.
            """
            columns = list(zip(*grad))
            d_x = inner(grad, weight.data)           # grad @ weight.T -> (N, n_in)
            d_weight = inner(zip(*x.data), columns)  # x.T @ grad -> (n_in, n_out)
            return (d_x, d_weight) if bias is None else (d_x, d_weight, list(map(sum, columns)))
        return Tensor(out, (x, *self.parameters()), backward)


def elementwise(x, f, slope):
    """f of each number of x (N, m); slope(a, b) is f's derivative at a, where f(a) is b."""
    out = [list(map(f, row)) for row in x.data]

    def backward(grad):
        return ([[g * slope(a, b) for g, a, b in zip(*rows)] for rows in zip(grad, x.data, out)],)
    return Tensor(out, (x,), backward)


class Tanh(Module):
    """Bends to between -1 and 1; far from 0 it is flat."""
    gain = 5 / 3  # what first weights after it should be multiplied by, see section 6

    def __call__(self, x):
        return elementwise(x, math.tanh, lambda a, b: 1 - b * b)  # tanh' = 1 - tanh^2


class ReLU(Module):
    """Negative numbers become 0."""
    gain = math.sqrt(2)

    def __call__(self, x):
        return elementwise(x, lambda a: 0.0 if a < 0 else a, lambda a, b: 0.0 if a <= 0 else 1.0)


class Sequential(Module):
    """Layers, each of which works on what the one before it gave."""

    def __init__(self, layers):
        self.layers = layers

    def __call__(self, x, outs=None):
        """x through all layers. `outs`, if it is a list, receives what each of them gave."""
        for layer in self.layers:
            x = layer(x)
            if outs is not None:
                outs.append(x)
        return x

    def parameters(self):
        """Those of the layers, in their order."""
        return [p for layer in self.layers for p in layer.parameters()]

    def train(self, mode=True):
        """Tells the layers that they are in training, or are not."""
        for layer in self.layers:
            layer.training = mode

    def eval(self):
        """Tells the layers that they are not in training."""
        self.train(False)


def normal(n, m, std, rng):
    """A Tensor (n, m) of random numbers around 0 with this standard deviation."""
    return Tensor([[rng.gauss(0, std) for _ in range(m)] for _ in range(n)])


# %% 4. The loss
# As in bigram.py: the exponentials of the logits, divided by their sum, are probabilities
# (softmax), and the loss is -log of the probability of the token that came, averaged, in nats a
# token. Computed like that it fails: e to the power of 1000 is too large for a float, and a
# probability that rounds to 0 has no logarithm. But log(e^a / sum) = a - log(sum), so no quotient
# is needed; and subtracting the same number from all logits changes no probability, so the largest
# may be brought to 0. Then no exponential is above 1, and one is 1, so their sum has a logarithm.


# exercise 3.3: logits to log-probabilities
def log_softmax(row):
    """The logarithms of the probabilities that belong to a list of logits, of whatever size.

    That of a logit a is a - log(sum of e^b over all logits b); first the largest is brought to 0.
    """
    top = max(row)
    log_sum = top + math.log(sum([math.exp(v - top) for v in row]))
    return [v - log_sum for v in row]


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (N, n_vocab), N ids -> nats a token.

    Raises ValueError if there is not one target a row, each from 0 to n_vocab - 1.
    """
    n, n_vocab = logits.shape
    if len(targets) != n or not 0 <= min(targets) <= max(targets) < n_vocab:
        raise ValueError(f"targets {targets} do not fit logits of shape {logits.shape}")
    log_probs = list(map(log_softmax, logits.data))
    loss = -sum(row[target] for row, target in zip(log_probs, targets)) / n

    # exercise 3.4: the gradient of softmax and loss
    def backward(grad):
        """grad, a number -> a tuple with the gradient of the logits (N, n_vocab).

        It is grad * p / N, and grad * (p - 1) / N at the target; log_probs holds log p.
        """
        d_logits = [[grad / n * math.exp(v) for v in row] for row in log_probs]
        for row, target in zip(d_logits, targets):
            row[target] -= grad / n
        return (d_logits,)
    return Tensor(loss, (logits,), backward)


# %% 5. Training
# The gradient over all examples would say which way is downhill, but a step is cheaper on a few of
# them, drawn at random: a mini-batch. Its gradient is right on average, and many rough steps get
# further than few exact ones (stochastic gradient descent, SGD). How large a step? The learning
# rate decides more than anything else: too small and nothing happens, too large and the loss leaps
# about or explodes. A learning-rate finder (Smith 2017) tries many in one short run, each step with
# a larger one than the last, and looks where the loss was lowest before it rises. Towards the end
# smaller steps settle what large ones keep shaking: the rate decays. What can go wrong is told by
# two losses together. Both high: the network is too small, or trained too briefly (it underfits).
# Train low but dev high: there was too little data, so that it learned the documents by heart (it
# overfits). A run ends with an example of each.


def backpropagate(model, contexts, targets, outs=None):
    """Puts the gradient of the loss of a batch into every parameter's .grad; gives the loss.

    `outs`, if it is a list, receives what each layer gave.
    """
    for p in model.parameters():
        p.grad = None  # of the step before
    loss = cross_entropy(model(contexts, outs), targets)
    loss.backward()
    return loss.data


def descend(data, grad, lr):
    """data - lr * grad, for nested lists of one shape."""
    if isinstance(data[0], list):
        return [descend(*rows, lr) for rows in zip(data, grad)]
    return [w - lr * g for w, g in zip(data, grad)]


def decay(peak, steps):
    """A learning rate for each step, from `peak` down towards 0 in equal parts, in a list."""
    return [peak * (steps - step) / steps for step in range(steps)]


def finite(loss):
    """The loss. Raises FloatingPointError if it is infinite or not a number."""
    if not math.isfinite(loss):
        raise FloatingPointError("the loss grew without bound, as the steps were too large; "
                                 "try a smaller --lr")
    return loss


def train(model, examples, rates, batch_size, rng, way=backpropagate):
    """A training step for each learning rate in `rates`, yielding the loss it began with, in nats.

    A batch is drawn at random, so that an example may come again before others had their turn.
    `way` finds the gradients: section 9 has another.
    """
    for lr in rates:
        model.train()
        contexts, targets = zip(*rng.choices(examples, k=batch_size))
        loss = finite(way(model, contexts, targets))
        for p in model.parameters():
            p.data = descend(p.data, p.grad, lr)
        yield loss


def evaluate(model, examples, batch_size=256):
    """The mean loss over all examples, in nats a token.

    Many examples have the same context; the model looks at each context once.
    """
    model.eval()
    after = {}  # after[context][token]: how often the token came after the context
    for context, token in examples:
        row = after.setdefault(context, {})
        row[token] = row.get(token, 0) + 1
    contexts, total = list(after), 0.0
    for i in range(0, len(contexts), batch_size):
        batch = contexts[i:i + batch_size]
        for context, logits in zip(batch, model(batch).data):
            log_probs = log_softmax(logits)
            total -= sum(count * log_probs[token] for token, count in after[context].items())
    return finite(total / len(examples))


def growing_rates(steps, low=0.001, high=10.0):
    """For the finder: a learning rate for each step, larger than the last by always one factor."""
    return [low * (high / low) ** (step / max(1, steps - 1)) for step in range(steps)]


def find_lr(model, examples, rates, batch_size, rng):
    """Takes a step with each of the rates, yielding the loss after it, until one is no number."""
    losses = train(model, examples, [*rates, 0.0], batch_size, rng)
    try:
        next(losses)  # the loss before any step
        yield from losses
    except FloatingPointError:
        return  # the last rate was too large for any loss; what came before is what was asked for


def lowest(losses):
    """The index at which the loss, averaged over its neighbours, is lowest.

    As many neighbours on each side as make a fortieth of all: one lucky batch is no valley.
    """
    width = len(losses) // 40
    near = [losses[max(0, i - width):i + width + 1] for i in range(len(losses))]
    means = [sum(part) / len(part) for part in near]
    return means.index(min(means))


# %% 6. Initialisation
# Before training the network knows nothing, so it should consider all tokens equally likely, at a
# loss of log(n_vocab). With weights of standard deviation 1 (--init naive) it is sure of nonsense
# instead, at several times that loss: a sum of 64 inputs of size about 1, each times such a weight,
# has a standard deviation (we say: spreads by) about sqrt(64) = 8. Such sums also drive tanh to -1
# or 1, where it is flat (saturated): its derivative is nearly 0, little gradient passes, and the
# weights before it learn from few examples, if any. So weights should spread by 1 / sqrt(n_in),
# n_in being the number of inputs (fan-in): then sums are of the size of what goes in. tanh and relu
# take some of it away, and a gain of 5/3 or sqrt(2) on the weights after them roughly makes up for
# that (--init kaiming, after Kaiming He). The output layer is made ten times fainter, so that the
# network begins unsure.


def initial_std(init, n_in, gain=1.0):
    """The standard deviation of a layer's first weights: He et al. 2015, section 2.2, or 1."""
    return gain / math.sqrt(n_in) if init == "kaiming" else 1.0


def flat_share(layer, rows):
    """The share of a Tanh's outputs beyond ±0.97, or of a ReLU's neurons that are 0 in all rows.

    There the slope is 0 or nearly so: at 0.97, tanh's is 0.06. A ReLU's neuron that answers to no
    example is dead.
    """
    if isinstance(layer, Tanh):
        flat = [abs(v) > 0.97 for row in rows for v in row]
    else:
        flat = [not any(column) for column in zip(*rows)]
    return sum(flat) / len(flat)


# %% 7. Normalisation
# Good first weights do not stay good, and in deep networks a small error at each layer multiplies.
# Batch norm takes no chances: it brings each neuron's sums over the batch to mean 0 and variance 1
# in every step, then lets the network choose a scale and a shift. A bias added before it would be
# taken away again with the mean: it is dead, changes nothing and gets no gradient, and we leave it
# out. The price: what an example gives now depends on the others in its batch. That is a little
# noise in training, which does no harm, but a name's probability must not depend on what else is
# asked. So the layer keeps running statistics, averages over past batches, and uses those when not
# in training. Layer norm avoids all that: each example alone, over its neurons. (A run begins with
# a table: batch norm mends saturation even with naive weights, but not an output layer too loud.)

EPS = 1e-5  # keeps a row of equal numbers, of variance 0, from dividing by 0


def standardize(x):
    """Each row of x (N, n) to mean 0 and variance 1; also their means and variances before that.

    Ioffe and Szegedy 2015, algorithm 1, and Ba et al. 2016, equation 4.
    """
    n = x.shape[1]
    out, scales, means, variances = [], [], [], []
    for row in x.data:
        mean = sum(row) / n
        centred = [v - mean for v in row]
        variance = sum([v * v for v in centred]) / n
        scale = (variance + EPS) ** -0.5
        out.append([v * scale for v in centred])
        scales.append(scale)
        means.append(mean)
        variances.append(variance)

    # exercise 3.5: the gradient of batch norm
    def backward(grad):
        """grad (N, n) -> a tuple with the gradient of x, (N, n). Ioffe and Szegedy 2015, section 3.

        Adding a constant to a row of x, or stretching it, leaves the result as it was. So in these
        two directions the gradient must be 0: from each row of grad subtract its mean, and its part
        along the row of `out`, which is that row times the mean of their products. What is left is
        multiplied by the row's number in `scales`, 1 over its standard deviation.
        """
        d_x = []
        for g, row, scale in zip(grad, out, scales):
            shift = sum(g) / n
            stretch = sum(map(operator.mul, g, row)) / n
            d_x.append([scale * (d - shift - stretch * v) for d, v in zip(g, row)])
        return (d_x,)
    return Tensor(out, (x,), backward), means, variances


def scale_shift(x, weight, bias):
    """Each row of x (N, n) times weight (n) plus bias (n), number by number: -> (N, n).

    Raises ValueError if the shapes do not fit.
    """
    if not x.shape[1:] == weight.shape == bias.shape:
        raise ValueError(f"rows of {x.shape[1:]} numbers, weight {weight.shape} and bias "
                         f"{bias.shape} do not fit together")
    out = [[v * w + b for v, w, b in zip(row, weight.data, bias.data)] for row in x.data]

    def backward(grad):
        d_x = [list(map(operator.mul, row, weight.data)) for row in grad]
        return d_x, column_dots(grad, x.data), list(map(sum, zip(*grad)))
    return Tensor(out, (x, weight, bias), backward)


def column_dots(a, b):
    """The dot product of each column of a (N, m) with the same column of b (N, m): -> (m)."""
    return [sum(map(operator.mul, *columns)) for columns in zip(zip(*a), zip(*b))]


class LayerNorm(Module):
    """Each row of (N, n) to mean 0 and variance 1, then scaled and shifted: Ba et al. 2016."""

    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)  # the scale and the shift

    def __call__(self, x):
        return scale_shift(standardize(x)[0], self.weight, self.bias)


class BatchNorm1d(LayerNorm):
    """Each column of (N, n), over the batch, to mean 0 and variance 1, then scaled and shifted.

    Out of training, the columns' running means and variances are used instead, whatever the batch.
    Raises ValueError for a batch of 1 in training. Ioffe and Szegedy 2015, algorithms 1 and 2.
    """

    def __init__(self, n):
        super().__init__(n)
        self.running_mean, self.running_var, self.num_batches_tracked = [0.0] * n, [1.0] * n, 0

    def __call__(self, x):
        if self.training:
            if len(x.data) == 1:
                raise ValueError("batch norm cannot train on a batch of 1: the variance of one "
                                 "example is 0, and nothing of it would be left; use 2 or more")
            normed, means, variances = standardize(x.T)  # layer norm, turned on its side
            self.remember(means, variances, len(x.data))
            return scale_shift(normed.T, self.weight, self.bias)
        scales = [(variance + EPS) ** -0.5 for variance in self.running_var]
        shifts = [-mean * scale for mean, scale in zip(self.running_mean, scales)]
        return scale_shift(scale_shift(x, Tensor(scales), Tensor(shifts)), self.weight, self.bias)

    def remember(self, means, variances, n):
        """Makes the statistics of a batch of n part of the running ones.

        These are the plain average of up to 100 batches; after that each new one counts for 1%.
        The variance of a batch of n, being around the batch's own mean, comes out at (n - 1) / n
        of the true one on average; the running one makes up for that.
        """
        self.num_batches_tracked += 1
        new = max(0.01, 1 / self.num_batches_tracked)
        self.running_mean = [(1 - new) * old + new * mean
                             for old, mean in zip(self.running_mean, means)]
        self.running_var = [(1 - new) * old + new * variance * n / (n - 1)
                            for old, variance in zip(self.running_var, variances)]


def build_model(n_vocab, block_size, n_embd, n_hidden, n_layer, activation, init, norm, rng):
    """The network of all sections so far: contexts (N, block_size) -> logits (N, n_vocab).

    n_layer hidden layers; activation "tanh" or "relu"; init "kaiming" or "naive"; norm "batch",
    "layer" or "none".
    """
    # Embeddings begin near each other: the farther apart chance puts them, the longer the way to
    # where they are useful. (With 1 in place of 0.3, the default run's dev loss is 0.02 higher.)
    layers = [Embedding(n_vocab, n_embd, 0.3 if init == "kaiming" else 1.0, rng), Flatten()]
    n_in, gain = block_size * n_embd, 1.0  # embeddings have not been bent yet
    for _ in range(n_layer):
        layers.append(Linear(n_in, n_hidden, initial_std(init, n_in, gain), rng, norm != "batch"))
        if norm != "none":
            layers.append(BatchNorm1d(n_hidden) if norm == "batch" else LayerNorm(n_hidden))
        layers.append(Tanh() if activation == "tanh" else ReLU())
        n_in, gain = n_hidden, layers[-1].gain
    layers.append(Linear(n_in, n_vocab, initial_std(init, n_in, 0.1), rng))
    return Sequential(layers)


# %% 8. Diagnostics
# Is every layer of a network healthy? What a hidden layer gives should have a spread that is
# neither tiny nor all at the ends; the gradients that come back should spread about alike at each
# layer. Of the weights the telling figure is how far a step moves them, against how large they are:
# the update-to-data ratio. Between a hundredth and a thousandth is a good pace. At a half, a weight
# forgets what it knew; at a millionth, it learns nothing. (The output layer, begun so faint, moves
# by more at first.) Without the learning rate it is the gradient-to-data ratio. The tables show all
# this, and `verdict` says what is worst about it.


def numbers_of(data):
    """All numbers in nested lists, in a list."""
    return [v for item in data for v in numbers_of(item)] if isinstance(data, list) else [data]


def magnitude(values):
    """How far numbers are from 0: the root of the mean of their squares."""
    return math.sqrt(sum([v * v for v in values]) / len(values))


def mean_and_spread(values):
    """The mean of a list of numbers and their standard deviation."""
    mean = sum(values) / len(values)
    return mean, magnitude([v - mean for v in values])


def examine(model, contexts, targets):
    """How a batch goes through: the loss, and for each hidden layer a record of figures.

    A record holds the layer, its outputs, their mean, spread and flat share, their gradients and
    the spread of these. Afterwards the parameters have the gradients of this batch, and batch norm
    has it in its running statistics.
    """
    outs, records = [], []
    model.train()
    loss = backpropagate(model, contexts, targets, outs)
    for layer, out in zip(model.layers, outs):
        if isinstance(layer, (Tanh, ReLU)):
            values, grads = numbers_of(out.data), numbers_of(out.grad)
            mean, spread = mean_and_spread(values)
            records.append(SimpleNamespace(layer=layer, values=values, mean=mean, spread=spread,
                                           flat=flat_share(layer, out.data), grads=grads,
                                           grad_spread=mean_and_spread(grads)[1]))
    return loss, records


def gradient_to_data(model):
    """For the embeddings and each layer's weights: the size of their gradient over their own."""
    return [magnitude(numbers_of(p.grad)) / magnitude(numbers_of(p.data))
            for p in model.parameters() if len(p.shape) == 2]


def weights_name(i, n):
    """What the i-th of the n weight matrices belongs to."""
    return "the embeddings" if i == 0 else "the output" if i == n - 1 else f"layer {i}"


def verdict(n_vocab, loss, records, updates=()):
    """One sentence on the worst that the records of examine show, and what helps against it.

    updates: for the embeddings and each layer's weights, their update-to-data ratio.
    """
    worst = max(records, key=lambda record: record.flat)
    i, tanh = records.index(worst) + 1, isinstance(worst.layer, Tanh)
    if worst.flat > 0.3 and tanh:
        return (f"layer {i} is saturated: {worst.flat:.0%} of its outputs beyond ±0.97, where tanh "
                "is nearly flat and little gradient passes; --init kaiming or --norm batch keep "
                "its inputs small")
    if worst.flat > 0.3:
        return (f"layer {i} is dying: {worst.flat:.0%} of its neurons are 0 for every example, and "
                "no gradient passes them; --init kaiming, --norm batch or a smaller --lr keep "
                "them alive")
    if loss > 1.5 * math.log(n_vocab):
        return (f"the output layer is too loud: a loss of {loss:.2f}, where knowing nothing costs "
                f"{math.log(n_vocab):.2f}; --init kaiming makes it begin unsure")
    for i, record in enumerate(records, start=1):
        if not record.spread or not record.grad_spread:
            what = "gets no gradient" if record.spread else "always gives the same"
            return (f"layer {i} {what}, so nothing is learned there; give it more neurons or "
                    "another --norm")
    first, last = records[0], records[-1]
    if not 0.05 < last.spread / first.spread < 20:
        change = "shrunk" if last.spread < first.spread else "grown"
        return (f"from layer 1 to layer {len(records)} the outputs have {change} from a spread of "
                f"{first.spread:.2g} to {last.spread:.2g}; --norm batch or layer holds them")
    if not 0.05 < last.grad_spread / first.grad_spread < 20:
        change = "vanish" if first.grad_spread < last.grad_spread else "explode"
        return (f"the gradients {change} on their way back, from a spread of "
                f"{last.grad_spread:.2g} at layer {len(records)} to {first.grad_spread:.2g} at "
                f"layer 1; --norm batch or layer holds them")
    if updates and max(updates) > 0.2:
        name = weights_name(updates.index(max(updates)), len(updates))
        return (f"the weights of {name} move too fast, by {max(updates):.0%} of their size in a "
                "step; lower --lr")
    if updates and max(updates) < 0.00003:
        return (f"the weights hardly move, by at most {max(updates):.5%} of their size in a step; "
                "raise --lr")
    healthy = (f"all layers are alive: at most {worst.flat:.0%} of a layer's "
               f"{'outputs are saturated' if tanh else 'neurons are dead'}")
    if len(records) == 1:
        return healthy
    return (f"{healthy}, and the gradients' spread at layer 1 is "
            f"{first.grad_spread / last.grad_spread:.2g} times that at layer {len(records)}")


# %% 9. Backpropagation by hand
# What does .backward() do? We do it ourselves, without it, for the network with one hidden layer,
# batch norm and tanh, on plain lists. The forward pass is taken in steps so small that each
# derivative is one from school. Backward, they come in reverse order, and each asks: how does the
# loss change with what went into this step, if we know how it changes with what came out? Three
# rules are enough. What a number is multiplied by forward, its gradient is multiplied by backward.
# A number that was copied, to several places, gets the sum of the gradients from all of them. And
# a sum of numbers hands its gradient on to each of them. The parameters are C, the embeddings; W1,
# the hidden layer's weights (a bias would be dead); gamma and beta, batch norm's scale and shift;
# W2 and b2, the output layer. s.x is the step named x, and d.x is d loss / d x.


def forward_by_hand(params, contexts, targets):
    """Every step from contexts to the loss, under its name. N examples of T ids each."""
    C, W1, gamma, beta, W2, b2 = params
    n, s = len(contexts), SimpleNamespace()
    s.embedded = [[C[i] for i in ids] for ids in contexts]                       # (N, T, n_embd)
    s.joined = [[v for row in rows for v in row] for rows in s.embedded]         # (N, T * n_embd)
    s.before_norm = inner(s.joined, zip(*W1))                                    # (N, n_hidden)
    s.mean = [sum(column) / n for column in zip(*s.before_norm)]                 # (n_hidden)
    s.centred = [[v - m for v, m in zip(row, s.mean)] for row in s.before_norm]  # (N, n_hidden)
    s.squares = [[v * v for v in row] for row in s.centred]                      # (N, n_hidden)
    s.variance = [sum(column) / n for column in zip(*s.squares)]                 # (n_hidden)
    s.scale = [(v + EPS) ** -0.5 for v in s.variance]                            # (n_hidden)
    s.normed = [[v * k for v, k in zip(row, s.scale)] for row in s.centred]      # (N, n_hidden)
    s.preact = [[v * g + b for v, g, b in zip(row, gamma, beta)] for row in s.normed]
    s.hidden = [list(map(math.tanh, row)) for row in s.preact]                   # (N, n_hidden)
    s.logits = [add(row, b2) for row in inner(s.hidden, zip(*W2))]               # (N, n_vocab)
    s.maxima = list(map(max, s.logits))                                          # (N)
    s.shifted = [[v - m for v in row] for row, m in zip(s.logits, s.maxima)]     # (N, n_vocab)
    s.counts = [list(map(math.exp, row)) for row in s.shifted]                   # (N, n_vocab)
    s.sums = list(map(sum, s.counts))                                            # (N)
    s.inverses = [1 / v for v in s.sums]                                         # (N)
    s.probs = [[v * k for v in row] for row, k in zip(s.counts, s.inverses)]     # (N, n_vocab)
    # A probability can round to 0; if it is the target's, the loss is infinite and training stops.
    s.log_probs = [[math.log(p) if p else -math.inf for p in row] for row in s.probs]
    s.loss = -sum(row[target] for row, target in zip(s.log_probs, targets)) / n
    return s


def backward_by_hand(s, params, contexts, targets, closed=False):
    """The gradient of the loss with respect to every step and every parameter, under its name.

    The ways through softmax and through batch norm are written below, each of them twice: in steps
    and closed, which is in one leap and leaves out the steps between.
    """
    C, W1, gamma, beta, W2, b2 = params
    d = SimpleNamespace()
    (logits_closed if closed else logits_in_steps)(s, d, targets)
    columns = list(zip(*d.logits))
    d.hidden = inner(d.logits, W2)                                     # d.logits @ W2.T
    d.W2 = inner(zip(*s.hidden), columns)                              # hidden.T @ d.logits
    d.b2 = list(map(sum, columns))                                     # added to each row: a sum
    d.preact = [[g * (1 - h * h) for g, h in zip(*rows)]               # tanh' = 1 - tanh^2
                for rows in zip(d.hidden, s.hidden)]
    d.gamma = column_dots(d.preact, s.normed)
    d.beta = list(map(sum, zip(*d.preact)))
    (before_norm_closed if closed else before_norm_in_steps)(s, d, gamma)
    d.joined = inner(d.before_norm, W1)                                # d.before_norm @ W1.T
    d.W1 = inner(zip(*s.joined), zip(*d.before_norm))                  # joined.T @ d.before_norm
    m = len(C[0])
    d.embedded = [[row[i:i + m] for i in range(0, len(row), m)] for row in d.joined]
    d.C = [[0.0] * m for _ in C]
    for ids, rows in zip(contexts, d.embedded):                        # a row of C was copied to
        for i, row in zip(ids, rows):                                  # wherever its id stands
            d.C[i] = add(d.C[i], row)
    return d


def logits_in_steps(s, d, targets):
    """From the loss back to the logits."""
    n, n_vocab = len(s.logits), len(s.logits[0])
    d.loss = 1.0
    d.log_probs = [[-1 / n if j == target else 0.0 for j in range(n_vocab)] for target in targets]
    d.probs = [[g / p if g else 0.0 for g, p in zip(*rows)]            # log' p = 1 / p
               for rows in zip(d.log_probs, s.probs)]
    d.inverses = [sum(map(operator.mul, *rows)) for rows in zip(d.probs, s.counts)]
    d.sums = [-g * k * k for g, k in zip(d.inverses, s.inverses)]      # (1/x)' = -1/x^2
    d.counts = [[g * k + total for g in row]                           # used twice: for probs, sums
                for row, k, total in zip(d.probs, s.inverses, d.sums)]
    d.shifted = [list(map(operator.mul, *rows)) for rows in zip(d.counts, s.counts)]  # exp' = exp
    d.maxima = [-sum(row) for row in d.shifted]                        # 0, but for rounding
    d.logits = [row[:] for row in d.shifted]                           # a difference: as it is
    for row, logits, top, g in zip(d.logits, s.logits, s.maxima, d.maxima):
        row[logits.index(top)] += g                                    # the largest made the max


# exercise 3.6: batch norm backward, step by step
def before_norm_in_steps(s, d, gamma):
    """From d.preact, of the scaled and shifted sums, back to those before batch norm.

    Sets d.normed, d.squares, d.centred and d.before_norm (N, n_hidden), d.scale, d.variance and
    d.mean (n_hidden), of the steps of forward_by_hand, two of which are used twice; gamma
    (n_hidden) is the learned scale. Ioffe and Szegedy 2015, section 3, has the same in fewer steps.
    """
    n = len(s.normed)
    d.normed = [list(map(operator.mul, row, gamma)) for row in d.preact]
    d.scale = column_dots(d.normed, s.centred)
    d.variance = [-0.5 * g * k ** 3 for g, k in zip(d.scale, s.scale)]  # (x^-1/2)' = -1/2 x^-3/2
    d.squares = [[g / n for g in d.variance] for _ in range(n)]
    d.centred = [[g * k + 2 * v * q for g, k, v, q in zip(row, s.scale, values, squares)]
                 for row, values, squares in zip(d.normed, s.centred, d.squares)]  # used twice
    d.mean = [-sum(column) for column in zip(*d.centred)]
    d.before_norm = [[g + m / n for g, m in zip(row, d.mean)] for row in d.centred]


# Much of that cancels, and pencil and paper find one formula for each of the two. For softmax with
# its loss: d loss / d logit is the probability, less 1 at the target, over N. Each logit of what
# did not come is pushed down by as much as it was believed in, and the right one up by all that.
# For batch norm: to shift or to stretch all sums of a neuron changes nothing, as batch norm undoes
# both, so the gradient loses its mean over the batch and its part along the normed sums. For
# d.preact, d.beta / N and d.gamma / N are these two; gamma, a factor of all, comes in at the end.


def logits_closed(s, d, targets):
    """From the loss back to the logits, at once."""
    n = len(targets)
    d.logits = [[p / n for p in row] for row in s.probs]
    for row, target in zip(d.logits, targets):
        row[target] -= 1 / n


def before_norm_closed(s, d, gamma):
    """From the scaled and shifted sums back to those before batch norm, at once."""
    n = len(s.normed)
    scales = list(map(operator.mul, gamma, s.scale))
    shift, stretch = ([v / n for v in sums] for sums in (d.beta, d.gamma))
    d.before_norm = [[k * (g - a - b * v) for g, v, k, a, b in zip(*rows, scales, shift, stretch)]
                     for rows in zip(d.preact, s.normed)]


def backpropagate_by_hand(model, contexts, targets):
    """What backpropagate does, by hand."""
    params = [p.data for p in model.parameters()]
    s = forward_by_hand(params, contexts, targets)
    d = backward_by_hand(s, params, contexts, targets, closed=True)
    for p, grad in zip(model.parameters(), (d.C, d.W1, d.gamma, d.beta, d.W2, d.b2)):
        p.grad = grad
    norm = next(layer for layer in model.layers if isinstance(layer, BatchNorm1d))
    norm.remember(s.mean, s.variance, len(contexts))
    return s.loss


# %% 10. Checked against autograd
# Are the gradients by hand right? Autograd must give the same one at every one of these steps. So
# the small steps are taken once more, as operations on tensors. In `combine` a row (1, m) serves
# all rows of a matrix, or a column (N, 1) all its columns (broadcasting): by the rule for copies,
# the gradient of such a row or column is a sum. (And is autograd right? That the tests ask, by
# nudging every number, as micrograd.py began.)


def repeat(data, n, m):
    """A row or column repeated, where there is only one, to make n rows of m."""
    return [row * m if len(row) < m else row for row in data] * (n if len(data) < n else 1)


def sum_back(data, n, m):
    """The opposite: all rows summed into one if n is 1, all columns if m is 1: -> (n, m)."""
    if n < len(data):
        data = [list(map(sum, zip(*data)))]
    return [[sum(row)] for row in data] if m < len(data[0]) else data


def combine(a, b, f, slope_a, slope_b):
    """f of each number of a (N, m) with its partner in b (N, m), (1, m) or (N, 1)."""
    b_data = repeat(b.data, *a.shape)

    def backward(grad):
        d_a, d_b = ([[g * slope(x, y) for g, x, y in zip(*rows)]
                     for rows in zip(grad, a.data, b_data)] for slope in (slope_a, slope_b))
        return d_a, sum_back(d_b, *b.shape)
    return Tensor([list(map(f, *rows)) for rows in zip(a.data, b_data)], (a, b), backward)


def sum_to(x, n, m):
    """The sum of all rows of x as one (n is 1), or of all columns (m is 1): -> (n, m)."""
    shape = x.shape
    return Tensor(sum_back(x.data, n, m), (x,), lambda grad: (repeat(grad, *shape),))


def row_max(x):
    """The largest number of each row: (N, m) -> (N, 1)."""
    def backward(grad):
        d_x = [[0.0] * len(row) for row in x.data]
        for d_row, row, (g,) in zip(d_x, x.data, grad):
            d_row[row.index(max(row))] = g
        return (d_x,)
    return Tensor([[max(row)] for row in x.data], (x,), backward)


def mean_nll(log_probs, targets):
    """The mean of -log_probs[i][targets[i]]: (N, n_vocab) -> a scalar."""
    n = len(targets)

    def backward(grad):
        return ([[-grad / n if j == target else 0.0 for j in range(len(row))]
                 for row, target in zip(log_probs.data, targets)],)
    return Tensor(-sum(row[target] for row, target in zip(log_probs.data, targets)) / n,
                  (log_probs,), backward)


def steps_with_autograd(model, contexts, targets):
    """The parameters and the steps of forward_by_hand, under the same names, as tensors."""
    C, W1, gamma, beta, W2, b2 = model.parameters()
    lookup, join, first, _, bend, last = model.layers
    n, n_hidden = len(contexts), len(gamma.data)

    def minus(a, b):
        return combine(a, b, operator.sub, lambda x, y: 1.0, lambda x, y: -1.0)

    def times(a, b):
        return combine(a, b, operator.mul, lambda x, y: y, lambda x, y: x)

    def column_means(x):
        return elementwise(sum_to(x, 1, n_hidden), lambda v: v / n, lambda v, out: 1 / n)

    s = SimpleNamespace(C=C, W1=W1, gamma=gamma, beta=beta, W2=W2, b2=b2)
    s.embedded = lookup(contexts)
    s.joined = join(s.embedded)
    s.before_norm = first(s.joined)
    s.mean = column_means(s.before_norm)
    s.centred = minus(s.before_norm, s.mean)
    s.squares = elementwise(s.centred, lambda v: v * v, lambda v, out: 2 * v)
    s.variance = column_means(s.squares)
    s.scale = elementwise(s.variance, lambda v: (v + EPS) ** -0.5, lambda v, out: -0.5 * out ** 3)
    s.normed = times(s.centred, s.scale)
    s.preact = scale_shift(s.normed, gamma, beta)
    s.hidden = bend(s.preact)
    s.logits = last(s.hidden)
    s.maxima = row_max(s.logits)
    s.shifted = minus(s.logits, s.maxima)
    s.counts = elementwise(s.shifted, math.exp, lambda v, out: out)
    s.sums = sum_to(s.counts, n, 1)
    s.inverses = elementwise(s.sums, lambda v: 1 / v, lambda v, out: -out * out)
    s.probs = times(s.counts, s.inverses)
    s.log_probs = elementwise(s.probs, math.log, lambda v, out: 1 / v)
    s.loss = mean_nll(s.log_probs, targets)
    return s


def compare_by_hand(model, contexts, targets):
    """For each step and parameter: its name, the largest number in its gradient, and two errors.

    An error is the largest difference between the gradient by hand and autograd's: in steps, and
    with the closed forms, or None for the steps that they leap over.
    """
    for p in model.parameters():
        p.grad = None
    tensors = steps_with_autograd(model, contexts, targets)
    tensors.loss.backward()
    params = [p.data for p in model.parameters()]
    s = forward_by_hand(params, contexts, targets)
    by_hand = [vars(backward_by_hand(s, params, contexts, targets, closed))
               for closed in (False, True)]
    lines = []
    for name, tensor in vars(tensors).items():
        grad = numbers_of(tensor.grad)
        errors = [max(map(abs, map(operator.sub, grad, numbers_of(d[name])))) if name in d else None
                  for d in by_hand]
        lines.append((name, max(map(abs, grad)), *errors))
    return lines


# %% 11. What was learned
# Texts, drawn token by token: the last block_size tokens are the context for the next. And the
# embeddings: tokens that are followed by the same kind of thing are of the same use to the network,
# and training moves them together, though after a short run most are still where chance put them.
# With two numbers an embedding they can be drawn on a map: look for the vowels.


def sample(model, block_size, rng, max_new_tokens=39):
    """Draws a text, as a list of ids without boundaries, cut at max_new_tokens."""
    model.eval()
    ids = [BOUNDARY] * block_size
    while len(ids) < block_size + max_new_tokens:
        probs = list(map(math.exp, log_softmax(model([ids[-block_size:]]).data[0])))
        token = rng.choices(range(len(probs)), probs)[0]
        if token == BOUNDARY:
            break
        ids.append(token)
    return ids[block_size:]


def nearest(rows, i, n):
    """The ids of the n rows that are closest to row i, the closest first."""
    others = [j for j in range(len(rows)) if j != i]
    return sorted(others, key=lambda j: math.dist(rows[i], rows[j]))[:n]


# %% 12. Search
# Which sizes, which learning rate? Nobody knows beforehand, so one tries. Random settings find more
# than a grid: some choices matter much and some little, and on a grid of 3 values each, 27 runs try
# no more than 3 learning rates, where 27 random ones try 27 (Bergstra and Bengio 2012). Each is
# trained briefly; the best few deserve longer runs, for what wins early need not win late.


def random_setting(rng):
    """A dict of settings, under the names that the command line has for them.

    Learning rates differ by factors, so it is the exponent that is drawn.
    """
    return {"block_size": rng.randint(2, 8), "n_embd": rng.choice([2, 4, 8, 12, 16, 24]),
            "n_hidden": rng.choice([16, 32, 64, 96, 128]), "n_layer": rng.choice([1, 1, 2]),
            "lr": float(f"{10 ** rng.uniform(-2, 0.5):.1g}"),
            "activation": rng.choice(["tanh", "relu"]),
            "norm": rng.choice(["batch", "layer", "none"])}


# %% 13. Pictures
# Curves, histograms and maps, out of characters. Nothing about networks is in here.


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


def draw_curve(values, title, foot, top=math.inf, mark=None, width=64, height=10):
    """A curve in characters: each column is the mean of its share of the values.

    What is above `top` is drawn at the top. mark: the index of a value to point at.
    """
    width = min(width, len(values))
    cuts = [len(values) * i // width for i in range(width + 1)]
    means = [min(top, sum(values[i:j]) / (j - i)) for i, j in zip(cuts, cuts[1:])]
    low, high = min(means), max(means)
    levels = [round((mean - low) / (high - low or 1) * (height - 1)) for mean in means]
    lines = [title]
    for level in reversed(range(height)):
        label = f"{low + (high - low) * level / (height - 1):#8.3g} ┤"
        lines.append(label + "".join("●" if at == level else " " for at in levels).rstrip())
    lines.append("         └" + "─" * width)
    if mark is not None:
        lines.append(" " * (10 + sum(cut <= mark for cut in cuts[1:])) + "▲")
    return "\n".join([*lines, "          " + foot])


def histogram(values, low, high, width=12):
    """How many of the values are in each of `width` parts of low to high, as bars."""
    counts = [0] * width
    for v in values:
        if low <= v <= high:
            counts[min(width - 1, int((v - low) / (high - low or 1) * width))] += 1
    return "".join(" ▁▂▃▄▅▆▇█"[math.ceil(8 * count / (max(counts) or 1))] for count in counts)


def draw_neighbours(tokenizer, rows, ids, n=5, columns=80):
    """The n closest tokens to each of `ids`, the closest first, by their embeddings, in columns."""
    entries = []
    for i in ids:
        near = " ".join(glyph(tokenizer, j) for j in nearest(rows, i, n))
        entries.append(f"{glyph(tokenizer, i)}  {near}")
    width = max(map(columns_of, entries)) + 4
    across = max(1, columns // width)
    deep = math.ceil(len(entries) / across)
    return "\n".join("".join(pad(entry, width) for entry in entries[k::deep]).rstrip()
                     for k in range(deep))


def draw_map(tokenizer, rows, ids, width=72, height=24):
    """Tokens `ids` where their embeddings, rows of two numbers, are; where taken, close by."""
    xs, ys = ([rows[i][k] for i in ids] for k in (0, 1))
    places = {}
    wide = max(columns_of(glyph(tokenizer, i)) for i in ids)  # columns for a token
    n_columns = width // wide
    for i, x, y in zip(ids, xs, ys):
        column = (x - min(xs)) / (max(xs) - min(xs) or 1) * (n_columns - 1)
        line = (max(ys) - y) / (max(ys) - min(ys) or 1) * (height - 1)
        free = ((c, l) for c in range(n_columns) for l in range(height) if (c, l) not in places)
        place = min(free, key=lambda p: math.hypot((p[0] - column) * wide, 2 * (p[1] - line)))
        places[place] = i
    return "\n".join("".join(pad(glyph(tokenizer, places[c, l]) if (c, l) in places else "", wide)
                             for c in range(n_columns)).rstrip() for l in range(height))


# %% 14. The command line
# Nothing below is about models. It reads the options, and prints what the sections above compute.


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
        prog="mlp.py", description="Train a neural language model on names, and see why it trains.")
    names = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")
    size, count = number(int, 1), number(int, 0)
    parser.add_argument("--data", metavar="FILE", default=names,
                        help="UTF-8 text, one document a line (default: names.txt beside mlp.py)")
    for name, kind, default, text in (
            ("--steps", count, 7000, "training steps"),
            ("--batch-size", size, 32, "examples a step"),
            ("--block-size", size, 4, "tokens of context"),
            ("--n-embd", size, 12, "numbers an embedding"),
            ("--n-hidden", size, 64, "neurons a hidden layer"),
            ("--n-layer", size, 1, "hidden layers"),
            ("--seed", count, 42, "where all randomness starts"),
            ("--samples", count, 20, "texts to invent")):
        parser.add_argument(name, metavar="N", type=kind, default=default,
                            help=f"{text} (default: {default})")
    # The longer the run, the smaller the rate that does best.
    parser.add_argument("--lr", metavar="X", type=number(float, 0, above=True),
                        help="learning rate at first, which decays to 0 (default: 0.4, or 0.1 from "
                             "50000 steps on)")
    for name, options, text in (
            ("--activation", ("tanh", "relu"), "what bends the hidden layers' outputs"),
            ("--init", ("kaiming", "naive"), "spread of first weights: by number of inputs, or 1"),
            ("--norm", ("batch", "layer", "none"), "what keeps the hidden layers' sums in bounds")):
        parser.add_argument(name, choices=options, default=options[0],
                            help=f"{text} (default: {options[0]})")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--find-lr", action="store_true",
                       help="try learning rates from 0.001 to 10 in one run of a tenth of "
                            "--steps, from 40 to 1000, and suggest one")
    modes.add_argument("--diagnose", action="store_true",
                       help="train, and show the health of each layer before and after")
    modes.add_argument("--by-hand", action="store_true",
                       help="train with gradients written out by hand, checked against autograd's")
    modes.add_argument("--sweep", metavar="N", type=size,
                       help="train N random settings for a tenth of --steps, at most 1000, and "
                            "show them, best last")
    return parser


def show_progress(line, in_a_pipe=True):
    """Rewrite the last line on a terminal; where there is none, print a plain line or nothing."""
    if sys.stderr.isatty():
        width = min(60, shutil.get_terminal_size().columns - 1)
        print(f"\r{line[:width]:{width}}\r", file=sys.stderr, end="", flush=True)
    elif in_a_pipe:
        print(line, file=sys.stderr, flush=True)


def follow(title, items, n, name, tell):
    """The list of the items, of which there should be n, or of those before Ctrl-C ended them.

    Prints the title first, and shows what tell() makes of the list so far.
    """
    seen, start = [], time.monotonic()
    try:
        print(title, flush=True)
        for item in items:
            seen.append(item)
            left = (time.monotonic() - start) / len(seen) * (n - len(seen))
            show_progress(f"{name} {len(seen)}/{n}  {tell(seen)}  {left:.0f} s left",
                          in_a_pipe=len(seen) % max(1, n // 10) == 0)
        show_progress("", in_a_pipe=False)
    except KeyboardInterrupt:
        show_progress("", in_a_pipe=False)
        print(f"stopped at {name} {len(seen)} of {n}; Ctrl-C again quits", file=sys.stderr,
              flush=True)
    return seen


def recent(losses):
    """What the progress line says of the losses so far."""
    last = losses[-100:]
    return f"loss {sum(last) / len(last):#.4g}"


def model_of(args, n_vocab, **changes):
    """The network that the command line asks for, but for some changes."""
    settings = {**vars(args), **changes}
    names = ("block_size", "n_embd", "n_hidden", "n_layer", "activation", "init", "norm")
    return build_model(n_vocab, *(settings[name] for name in names), random.Random(args.seed))


def count_parameters(model):
    """How many numbers training changes."""
    return sum(len(numbers_of(p.data)) for p in model.parameters())


def fixed(x, width):
    """The number with three digits after the point or, if it is huge, as a power of ten."""
    return f"{x:{width}.3f}" if abs(x) < 1000 else f"{x:{width}.0e}"


def show_fresh(args, n_vocab, examples):
    """Sections 6 and 7: what first weights and batch norm do to a network that knows nothing."""
    contexts, targets = zip(*examples[:500])
    sick = "saturated" if args.activation == "tanh" else "dead"
    print(f"\nbefore training                        loss   {sick} in layer 1\n"
          f"  all tokens equally likely: log {n_vocab:<5}{math.log(n_vocab):7.3f}")
    for init in ("naive", "kaiming"):
        for norm in ("none", "batch"):
            model = model_of(args, n_vocab, init=init, norm=norm)
            loss, records = examine(model, contexts, targets)
            marker = "  <- this run" if (init, norm) == (args.init, args.norm) else ""
            print(f"  --init {init:8} --norm {norm:14}{fixed(loss, 7)}"
                  f"{records[0].flat:10.1%}{marker}")


def show_fits(args, n_vocab, documents, examples, lr, steps):
    """Section 5: a network that is too small, one that is not, and one with too little data."""
    print(f"\ntoo small a network, too little data: {steps} steps each\n"
          "  neurons  documents  train loss  dev loss")
    few = min(100, math.ceil(len(documents) / 10))
    for n_hidden, n_documents in ((2, len(documents)), (args.n_hidden, len(documents)),
                                  (args.n_hidden, few)):
        model = model_of(args, n_vocab, n_hidden=n_hidden)
        some = examples_of(documents[:n_documents], args.block_size)
        list(train(model, some, decay(lr, steps), args.batch_size, random.Random(args.seed)))
        print(f"  {n_hidden:7}  {n_documents:9}  {fixed(evaluate(model, some), 10)}  "
              f"{fixed(evaluate(model, examples['dev']), 8)}", flush=True)


def show_health(title, args, n_vocab, model, batch, updates=()):
    """Section 8's table of the hidden layers, and what it says."""
    loss, records = examine(model, *batch)
    tanh = args.activation == "tanh"
    print(f"\n{title}: a batch of {len(batch[0])}, loss {loss:.3f}\n"
          "                   outputs                        their gradients\n"
          f"layer     mean  spread  {'saturated' if tanh else '     dead'}  "
          f"{'-1 to 1' if tanh else '0 to max':14}  spread  -3 to 3 spreads")
    for i, record in enumerate(records, start=1):
        limits, wide = (-1, 1) if tanh else (0, max(record.values)), 3 * record.grad_spread
        print(f"{i:5} {fixed(record.mean, 8)}{fixed(record.spread, 8)}{record.flat:11.1%}  "
              f"{histogram(record.values, *limits)}  {record.grad_spread:8.1e}  "
              f"{histogram(record.grads, -wide, wide)}".rstrip())
    print("(bars: how many of the numbers are in each twelfth of the range)\n"
          + textwrap.fill(verdict(n_vocab, loss, records, updates), 79))


def watch(model, losses, rates, history):
    """Passes the losses on; eight times in all, history receives the step, its rate and ratios."""
    marks = {len(rates) * k // 8 for k in range(8)}
    for step, loss in enumerate(losses):
        if step in marks:
            history.append((step, rates[step], gradient_to_data(model)))
        yield loss


def show_ratios(history):
    """Section 8's ratios over time, as powers of ten."""
    print("\nsize of the gradients, and of a step, over that of the weights, as powers of ten\n"
          "(of a step, -3.0 to -2.0 is a good pace)\n                           step "
          + "".join(f"{step + 1:>6}" for step, _, _ in history))
    for title in ("gradient-to-data", "update-to-data"):
        for i in range(len(history[0][2])):
            ratios = [grads[i] * (lr if title[0] == "u" else 1) for _, lr, grads in history]
            print(f"{title if i == 0 else '':16} {weights_name(i, len(history[0][2])):14} "
                  + "".join(f"{math.log10(ratio):6.1f}" if ratio else "  none" for ratio in ratios))


def show_check(args, n_vocab, examples, lr):
    """Sections 9 and 10: how far gradients and losses by hand are off autograd's."""
    batch = [list(part) for part in zip(*examples[:32])]
    print("\ngradients by hand against autograd's, on a batch of 32: first the steps, from the\n"
          "loss back, then the parameters\n"
          "                  largest gradient   largest difference   in closed form")
    largest = 0.0
    for name, size, steps, closed in reversed(compare_by_hand(model_of(args, n_vocab), *batch)):
        print(f"  {name:12}{size:22.3g}{steps:21.1e}"
              + ("" if closed is None else f"{closed:17.1e}"))
        largest = max(largest, steps, closed or 0.0)
    losses = [list(train(model_of(args, n_vocab), examples, [lr] * 50, args.batch_size,
                         random.Random(args.seed), way))
              for way in (backpropagate, backpropagate_by_hand)]
    print(f"largest difference of all: {largest:.1e} (rounding alone makes some 1e-15)\n"
          f"the losses of 50 steps by hand and with autograd differ by at most "
          f"{max(map(abs, map(operator.sub, *losses))):.1e}")


def show_rates(args, n_vocab, examples, brief):
    """Section 5: the learning-rate finder."""
    steps = max(40, brief)  # fewer would leap over the valley
    rates = growing_rates(steps)
    losses = follow(f"\none step with each of {steps} learning rates", find_lr(
        model_of(args, n_vocab), examples, rates, args.batch_size, random.Random(args.seed)),
        steps, "rate", recent)
    if not losses:
        return print("no rate was tried, so there is none to suggest")
    if len(losses) < steps:
        print(f"it ended at a learning rate of {rates[len(losses) - 1]:.3g}")
    best = lowest(losses)
    print(draw_curve(losses, "loss in training, nats a token",
                     f"learning rates from {rates[0]:g} to {rates[len(losses) - 1]:.3g}, growing "
                     "by equal factors;\n          ▲ where the loss was lowest; what was above the "
                     "top is drawn there", 1.2 * losses[0], best))
    if len(losses) == steps and best in (0, steps - 1):
        return print("the loss was lowest at one end of the rates, so there is none to suggest")
    print(f"the loss was lowest near --lr {rates[best]:.2g}: a good rate to decay from in a brief "
          "run;\nfor a long one take less")


def try_settings(args, splits, n_vocab, steps):
    """Section 12: random settings, each with its dev loss and its number of parameters."""
    rng = random.Random(args.seed)
    for _ in range(args.sweep):
        setting = random_setting(rng)
        train_examples, dev_examples = (examples_of(splits[name], setting["block_size"])
                                        for name in ("train", "dev"))
        model = model_of(args, n_vocab, **setting)
        try:
            list(train(model, train_examples, decay(setting["lr"], steps), args.batch_size,
                       random.Random(args.seed)))
            loss = evaluate(model, dev_examples)
        except FloatingPointError:
            loss = math.inf  # diverged: the table says so
        yield loss, count_parameters(model), setting


def show_sweep(args, splits, n_vocab, steps):
    """Section 12: the table of settings, sorted by dev loss, and the best as a command."""
    tries = follow(f"\n{args.sweep} random settings, {steps} steps each",
                   try_settings(args, splits, n_vocab, steps), args.sweep, "setting",
                   lambda tries: f"lowest dev loss {min(tries, key=lambda t: t[0])[0]:.4f}")
    if not tries:
        return print("no setting was tried to its end")
    names = list(tries[0][2])
    print(" ".join(f"{name:>5}" for name in names) + " parameters dev loss")
    tries.sort(key=lambda t: -t[0])
    for loss, n_params, setting in tries:
        print(" ".join(f"{setting[name]:>{max(5, len(name))}}" for name in names)
              + f" {n_params:10} " + (f"{loss:8.4f}" if loss < 1000 else "diverged"))
    if not tries[-1][0] < 1000:
        return print("all of them diverged; try more, with another --seed")
    words = [f"--{name.replace('_', '-')} {setting[name]}" for name in names]
    print("to train the last one in full, add your other options to\n"
          f"  python mlp.py {' '.join(words[:4])} \\\n    {' '.join(words[4:])}")


def show_training(args, tokenizer, splits, examples, lr, brief):
    """Trains, in the way asked for, and shows what comes of it."""
    n_vocab, rng = tokenizer.n_vocab, random.Random(args.seed)
    model, rates, history = model_of(args, n_vocab), decay(lr, args.steps), []
    batch = list(zip(*examples["train"][:500]))
    if args.by_hand:
        show_check(args, n_vocab, examples["train"], lr)
    elif args.diagnose:
        show_health("before training", args, n_vocab, model_of(args, n_vocab), batch)
    else:
        show_fresh(args, n_vocab, examples["train"])
    steps = train(model, examples["train"], rates, args.batch_size, rng,
                  backpropagate_by_hand if args.by_hand else backpropagate)
    losses = follow(f"\n{args.steps} steps with learning rates from {lr:g} down towards 0",
                    watch(model, steps, rates, history) if args.diagnose else steps,
                    args.steps, "step", recent)
    for name in ("train", "dev", "test") if args.test else ("train", "dev"):
        print(f"{name} loss {evaluate(model, examples[name]):.4f}", flush=True)
    if losses:
        print("\n" + draw_curve(losses, "loss in training, nats a token",
                                f"steps 1 to {len(losses)}"))
    if args.diagnose and losses:
        _, rate, grads = history[len(history) // 2]  # halfway
        show_health("after training", args, n_vocab, model, batch, [rate * grad for grad in grads])
        show_ratios(history)
    elif not args.by_hand and 0 < len(losses) == args.steps:
        show_fits(args, n_vocab, splits["train"], examples, lr, brief)
    if args.samples:
        known = {tuple(ids[1:-1]) for ids in splits["train"]}
        print("\nsamples (* is one of the training documents)")
        for _ in range(args.samples):
            ids = sample(model, args.block_size, rng)
            print(("* " if tuple(ids) in known else "  ") + printable(tokenizer.decode(ids)),
                  flush=True)
    show_embeddings(tokenizer, splits["train"], model.layers[0].weight.data)


def show_embeddings(tokenizer, documents, rows):
    """Section 11: the neighbours of each token and, if embeddings have two numbers, the map."""
    seen = [0] * len(rows)
    for ids in documents:
        for i in ids[1:]:
            seen[i] += 1
    ids = sorted(sorted(range(len(rows)), key=lambda i: -seen[i])[:60])
    some = f" (the {len(ids)} commonest of {len(rows)} tokens)" if len(ids) < len(rows) else ""
    print(f"\nthe closest to each token, by their embeddings{some}\n"
          + draw_neighbours(tokenizer, rows, ids))
    if len(rows[0]) == 2:
        print(f"\na map of the tokens by their embeddings{some}\n" + draw_map(tokenizer, rows, ids))


def main(argv=None):
    """Read the command line and the data, and run; what is wrong with them is said in one line."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # where ● cannot be printed, ? will do
    try:
        if args.by_hand and (args.n_layer, args.norm, args.activation) != (1, "batch", "tanh"):
            raise ValueError("--by-hand: the gradients were written out for --n-layer 1, --norm "
                             "batch and --activation tanh; leave these as they are")
        if args.batch_size == 1 and (args.norm == "batch" or args.sweep):
            raise ValueError("--batch-size 1: batch norm needs the variance of a batch, and that "
                             "of one example is 0; use 2 or more, or --norm layer")
        tokenizer, splits = load(args.data, args.seed)
    except ValueError as error:
        parser.error(str(error))
    examples = {name: examples_of(part, args.block_size) for name, part in splits.items()}
    print(f"{sum(map(len, splits.values()))} documents, {tokenizer.n_vocab} tokens, "
          f"{len(examples['train'])} examples to train on"
          + ("" if args.sweep else
             f", {count_parameters(model_of(args, tokenizer.n_vocab))} parameters"))
    lr = args.lr or (0.4 if args.steps < 50_000 else 0.1)
    brief = min(1000, max(1, args.steps // 10))
    try:
        if args.find_lr:
            show_rates(args, tokenizer.n_vocab, examples["train"], brief)
        elif args.sweep:
            show_sweep(args, splits, tokenizer.n_vocab, brief)
        else:
            show_training(args, tokenizer, splits, examples, lr, brief)
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
        print(f"mlp.py: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
