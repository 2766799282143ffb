"""A neural language model, why it trains, and every gradient by hand.

To the tables of bigram.py, the contexts "ann" and "enn" have nothing in common. Here each letter
becomes a list of numbers, its embedding, which training moves to where it is useful, so that what
is learned from one context serves for others like it.

    python mlp.py                          train on names.txt, evaluate, sample; about a minute
    python mlp.py --find-lr                which learning rate? many are tried in one short run
    python mlp.py --diagnose --n-layer 5   are all layers alive? (then try --init naive --norm none)
    python mlp.py --by-hand                the gradients by hand: checked, then trained with
    python mlp.py --sweep 20               random settings, each trained briefly
"""
import argparse
import itertools
import math
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# Which token (here, a character) comes next? The model sees the block_size tokens before it, the
# context. As in bigram.py one more token, the boundary, stands before and after every document (a
# name is a document), and some documents are held back.
class InputError(ValueError):
    """What the user gave cannot be used: the program ends with this message."""


def read_lines(path):
    """Yields the lines of a file, or of standard input (-). Raises InputError if not UTF-8."""
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
    documents = [[boundary, *ids, boundary] for ids in documents]
    random.Random(seed).shuffle(documents)
    n = max(1, len(documents) // 10)
    return {"train": documents[2 * n:], "dev": documents[:n], "test": documents[n:2 * n]}


# exercise 3.1: contexts and targets
def examples_of(documents, block_size):
    """[(context, target)] for each id of each document but its first. A context is a tuple of the
    block_size ids before the target; where they are too few, the first id, the boundary, fills in.
    >>> examples_of([[9, 4, 5, 9]], 2)
    [((9, 9), 4), ((9, 4), 5), ((4, 5), 9)]"""
    examples = []
    for ids in documents:
        padded = ids[:1] * (block_size - 1) + ids
        examples += [(tuple(padded[t:t + block_size]), target) for t, target in enumerate(ids[1:])]
    return examples


# %% 2. A tensor that knows where it came from
# Training asks of every weight: if it grew a little, how would the loss change? The chain rule
# answers for all of them in one walk back from the loss, if each number remembers what it was
# computed from. Here whole lists and matrices do what the numbers of micrograd.py did.
class Tensor:
    """A number, or nested lists of numbers, and how to send a gradient back through it:
    local_backward turns the gradient with respect to it into a tuple, the share of each parent."""
    numbers = itertools.count()

    def __init__(self, data, parents=(), local_backward=lambda grad: ()):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, once backward() has run
        self.parents, self.local_backward = parents, local_backward
        self.number = next(Tensor.numbers)  # what it was computed from has smaller ones

    @property
    def shape(self):
        """() for a number, (n,) for a list, (n, m) for n rows of m, and so on."""
        shape, data = (), self.data
        while hasattr(data, "__len__"):
            shape, data = shape + (len(data),), data[0]
        return shape

    def backward(self):
        """Add d self / d tensor to the .grad of every tensor that this number was computed from.
        Each can send its gradient on when all of it has arrived, from tensors that are newer: so we
        go from the newest to the oldest. Raises ValueError if self is not a single number."""
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


def add(a, b, factor=1.0):
    """a + factor * b, for two numbers, or number by number for two nested lists of one shape."""
    if not isinstance(a, list):
        return a + factor * b
    if len(a) != len(b):
        raise ValueError(f"a sum of {len(a)} and of {len(b)} numbers or rows")
    if isinstance(a[0], list):
        return [add(p, q, factor) for p, q in zip(a, b)]
    return [a[i] + factor * b[i] for i in range(len(a))]


def transpose(rows):
    """n rows of m numbers -> m rows of n."""
    return [list(column) for column in zip(*rows)]


# %% 3. The network
# Each of the T = block_size tokens of a context is looked up in a table: a row of n_embd numbers.
# Laid end to end, these go into n_hidden neurons. Each is a weighted sum of all, bent, say by tanh:
# unbent, two layers could do no more than one. Weighted sums of what comes out are the logits, one
# a token: the higher, the likelier. Bengio et al. 2003, "A Neural Probabilistic Language Model".
def inner(a, b):
    """The dot products of all rows of a with all rows of b: (n, k), (m, k) -> (n, m)."""
    out, k = [], len(b[0])
    for p in a:
        row = []
        for q in b:
            total, i = 0.0, 0
            while i < k:
                total += p[i] * q[i]
                i += 1
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


class Embedding:
    """N contexts of T ids -> (N, T, n_embd), a row for each id. ValueError for ids not below n.
    The first weights are drawn with rng and spread by std: see section 5."""
    def __init__(self, n, n_embd, std, rng):
        self.weight = Tensor([[rng.gauss(0, std) for _ in range(n_embd)] for _ in range(n)])

    def __call__(self, contexts):
        table = self.weight.data
        if not all(0 <= i < len(table) for ids in contexts for i in ids):  # -1 would be the last
            raise ValueError(f"the ids must be from 0 to {len(table) - 1}")

        def backward(grad):
            d_weight = [[0.0] * len(row) for row in table]
            for ids, rows in zip(contexts, grad):
                for i, row in zip(ids, rows):
                    d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
            return (d_weight,)
        return Tensor([[table[i] for i in ids] for ids in contexts], (self.weight,), backward)


class Flatten:
    """The rows of each example laid end to end: (N, T, m) -> (N, T * m)."""
    def __call__(self, x):
        out, m = [[v for row in rows for v in row] for rows in x.data], x.shape[2]
        cut = lambda row: [row[i:i + m] for i in range(0, len(row), m)]
        return Tensor(out, (x,), lambda grad: ([cut(row) for row in grad],))


class Linear:
    """x (N, n_in) times weight (n_in, n_out), plus bias (n_out), if it has one: -> (N, n_out)."""
    def __init__(self, n_in, n_out, std, rng, bias=True):
        self.weight = Tensor([[rng.gauss(0, std) for _ in range(n_out)] for _ in range(n_in)])
        self.bias = Tensor([0.0] * n_out) if bias else None

    def __call__(self, x):
        weight, bias = self.weight.data, self.bias
        if len(x.data[0]) != len(weight):
            raise ValueError(f"linear: {x.shape} and {self.weight.shape} do not fit")
        out = [add(row, bias.data) if bias else row for row in inner(x.data, transpose(weight))]

        # exercise 3.2: the gradients of a linear layer
        def backward(grad):
            """grad (N, n_out) -> a tuple of the gradients of x, weight and, if there is one, bias.
            out[i][k] is the sum over j of x[i][j] * weight[j][k], plus bias[k] (x @ weight; .T is
            turned): each factor gets grad[i][k] times the other, summed over all its products."""
            columns = transpose(grad)
            d_x = inner(grad, weight)                     # grad @ weight.T -> (N, n_in)
            d_weight = inner(transpose(x.data), columns)  # x.T @ grad -> (n_in, n_out)
            return (d_x, d_weight, list(map(sum, columns))) if bias else (d_x, d_weight)
        return Tensor(out, (x, self.weight, bias) if bias else (x, self.weight), backward)


class Tanh:
    """Bends any number to y, between -1 and 1; its slope is 1 - y^2: (N, m) -> (N, m)."""
    def __call__(self, x):
        out = [[math.tanh(v) for v in row] for row in x.data]
        return Tensor(out, (x,), lambda grad: ([[g * (1 - y * y) for g, y in zip(*pair)]
                                                for pair in zip(grad, out)],))


class ReLU:
    """Makes negative numbers 0: (N, m) -> (N, m)."""
    def __call__(self, x):
        out = [[max(v, 0.0) for v in row] for row in x.data]
        return Tensor(out, (x,), lambda grad: ([[g if y > 0 else 0.0 for g, y in zip(*pair)]
                                                for pair in zip(grad, out)],))


class Sequential:
    """Layers, each of which works on what the one before it gave. outs keeps what each gave."""
    def __init__(self, layers):
        self.layers = layers

    def __call__(self, x):
        self.outs = [x := layer(x) for layer in self.layers]
        return x

    def parameters(self):
        """The tensors that training changes, in a list."""
        return [p for layer in self.layers for p in vars(layer).values() if isinstance(p, Tensor)]

    def train(self, mode=True):
        """Tell the layers that they are in training, or not: batch norm must know."""
        for layer in self.layers:
            layer.training = mode

    def eval(self):
        """Tell the layers that they are not in training."""
        self.train(False)


# %% 4. The loss
# As in bigram.py, softmax makes probabilities of the logits, and the loss is the mean of -log of
# that of the token that came, in nats; from here on by its usual name, cross-entropy. But e^1000 is
# too large for a float, and a probability that rounds to 0 has no logarithm. So log(e^a / sum) is
# computed as a - log(sum), and the largest logit brought to 0: only differences of logits count.
# exercise 3.3: logits to log-probabilities
def log_softmax(row):
    """The logarithms of the probabilities of logits: a - log(sum of all e^b), for each a.
    >>> [round(v, 3) for v in log_softmax([1000.0, 1000.0])]
    [-0.693, -0.693]"""
    top = max(row)
    log_sum = top + math.log(sum([math.exp(v - top) for v in row]))
    return [v - log_sum for v in row]


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (N, vocab_size), N targets -> nats a token.
    Raises ValueError for a target out of range."""
    n, vocab_size = logits.shape
    if not 0 <= min(targets) <= max(targets) < vocab_size:
        raise ValueError(f"targets {targets} are not all below {vocab_size}")
    log_probs = [log_softmax(row) for row in logits.data]
    loss = -sum(row[target] for row, target in zip(log_probs, targets, strict=True)) / n

    # exercise 3.4 (needs 3.3): the gradient of softmax and loss
    def backward(grad):
        """grad, a number -> a tuple with the gradient of logits: grad / N times the probability p,
        less grad / N at the target. log_probs are log p."""
        d_logits = [[grad / n * math.exp(v) for v in row] for row in log_probs]
        for row, target in zip(d_logits, targets):
            row[target] -= grad / n
        return (d_logits,)
    return Tensor(loss, (logits,), backward)


# %% 5. Initialisation
# A network that knows nothing should hold all tokens for equally likely. With weights of standard
# deviation 1 (they spread by 1; --init naive) it is sure of nonsense: sums of 48 inputs of size
# about 1, each times such a weight, spread by about 7. There tanh is flat (saturated), and lets
# little gradient back. So let weights spread by 1 / sqrt(n_in), times a gain, as tanh and relu
# shrink what they get (in build(), below): Kaiming He et al. 2015, "Delving Deep into Rectifiers".
def flat_share(layer, rows):
    """The share of a Tanh's outputs beyond 0.97, or of a ReLU's neurons that are 0 in all rows."""
    flat = [abs(v) > 0.97 for row in rows for v in row]
    if isinstance(layer, ReLU):
        flat = [not any(column) for column in transpose(rows)]
    return sum(flat) / len(flat)


# %% 6. Normalisation
# Good first weights do not stay good. So batch norm brings each neuron's sums, one for each of the
# examples of a step (a batch), to mean 0 and variance 1; then the network chooses a scale and a
# shift. (A bias before it would go with the mean.) But what an example gives now depends on others.
# Out of training it must not: averages over past batches, running statistics, take over. Layer norm
# does the same to each example alone: Ba et al. 2016, "Layer Normalization".
def standardize(values, known=None):
    """Brings values (n) to mean 0, variance 1: -> these, the way back, the mean and variance that
    values had. known: a (mean, variance) to use in place of those. 1e-5: no division by 0."""
    n = len(values)
    mean = known[0] if known else sum(values) / n
    variance = known[1] if known else sum([(v - mean) * (v - mean) for v in values]) / n
    scale = 1 / math.sqrt(variance + 1e-5)
    normed = [(v - mean) * scale for v in values]

    # exercise 3.5: the gradient of batch norm
    def backward(grad):
        """grad (n), of normed -> the gradient of values (n): scale * grad, if mean and variance are
        known. If not, to add to all values, or to stretch them, changes nothing in normed. So grad
        loses its mean and its part along normed: normed times the mean of all grad * normed."""
        if known:
            return [scale * g for g in grad]
        shift, stretch = sum(grad) / n, sum([grad[i] * normed[i] for i in range(n)]) / n
        return [scale * (grad[i] - shift - stretch * normed[i]) for i in range(n)]
    return normed, backward, mean, variance


def scale_shift(x, weight, bias):
    """Each row of x (N, n), number by number, times weight (n), plus bias (n): -> (N, n)."""
    out = [[v * w + b for v, w, b in zip(row, weight.data, bias.data, strict=True)]
           for row in x.data]

    def backward(grad):
        columns = transpose(grad)
        d_x = [[g * w for g, w in zip(row, weight.data)] for row in grad]
        d_weight = [sum([g * v for g, v in zip(*p)]) for p in zip(columns, transpose(x.data))]
        return d_x, d_weight, list(map(sum, columns))
    return Tensor(out, (x, weight, bias), backward)


class LayerNorm:
    """Each row of (N, n) to mean 0 and variance 1, then times weight (n), plus bias (n)."""
    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)

    def __call__(self, x):
        rows, ways_back, _, _ = zip(*map(standardize, x.data))
        backward = lambda grad: ([back(g) for back, g in zip(ways_back, grad)],)
        return scale_shift(Tensor(list(rows), (x,), backward), self.weight, self.bias)


class BatchNorm1d:
    """Each column of (N, n) to mean 0 and variance 1, then times its weight, plus its bias: Ioffe
    and Szegedy 2015, "Batch Normalization". Raises InputError for training on a batch of 1."""
    def __init__(self, n):
        self.weight, self.bias, self.training = Tensor([1.0] * n), Tensor([0.0] * n), True
        self.running_mean, self.running_var, self.batches = [0.0] * n, [1.0] * n, 0

    def __call__(self, x):
        known = [None] * x.shape[1] if self.training else zip(self.running_mean, self.running_var)
        columns, ways_back, means, variances = zip(*map(standardize, transpose(x.data), known))
        if self.training:
            self.update(len(x.data), means, variances)
        backward = lambda grad: (
            transpose([back(g) for back, g in zip(ways_back, transpose(grad))]),)
        return scale_shift(Tensor(transpose(columns), (x,), backward), self.weight, self.bias)

    def update(self, n, means, variances):
        """Lets a batch of n count in the running statistics: the first 100 alike, later ones 1%."""
        if n == 1:
            raise InputError("batch norm cannot train on a batch of 1: it has no variance")
        self.batches += 1
        new = max(0.01, 1 / self.batches)
        for c, (mean, variance) in enumerate(zip(means, variances)):
            self.running_mean[c] += new * (mean - self.running_mean[c])
            # around its own mean, a batch varies by only (n - 1) / n of the true variance
            self.running_var[c] += new * (variance * n / (n - 1) - self.running_var[c])


def build(options):
    """The network: contexts (N, block_size) -> logits (N, vocab_size). options: see SETTINGS."""
    rng, init, norm = random.Random(options["seed"]), options["init"], options["norm"]
    vocab_size, n_embd, n_hidden = (options[key] for key in ("vocab_size", "n_embd", "n_hidden"))
    std = lambda n_in, gain: gain / math.sqrt(n_in) if init == "kaiming" else 1.0
    layers = [Embedding(vocab_size, n_embd, 0.3 if init == "kaiming" else 1.0, rng), Flatten()]
    n_in, gain = options["block_size"] * n_embd, 1.0
    bend, its_gain = (Tanh(), 5 / 3) if options["activation"] == "tanh" else (ReLU(), math.sqrt(2))
    for _ in range(options["n_layer"]):
        norms = {"batch": [BatchNorm1d(n_hidden)], "layer": [LayerNorm(n_hidden)], "none": []}
        linear = Linear(n_in, n_hidden, std(n_in, gain), rng, bias=norm != "batch")
        layers += [linear, *norms[norm], bend]
        n_in, gain = n_hidden, its_gain
    return Sequential([*layers, Linear(n_in, vocab_size, std(n_in, 0.1), rng)])  # 0.1: not yet sure


# %% 7. Training
# The gradient over all examples would say which way is downhill, but many rough steps, each on a
# few drawn at random (stochastic gradient descent), get further than few exact ones. Their size,
# the learning rate, decides more than all else: too small and nothing happens, too large and the
# loss explodes. Small steps at the end settle what large ones shake.
def backpropagate(model, contexts, targets):
    """The loss of a batch, in nats a token; every parameter then has its gradient in .grad."""
    for p in model.parameters():
        p.grad = None  # of the step before
    loss = cross_entropy(model(contexts), targets)
    loss.backward()
    return loss.data


def train(model, examples, options, rates=None, gradients=backpropagate):
    """Yields the loss before each step, one for each of the rates, or else with rates from lr down
    towards 0. Raises InputError for a loss that is huge, or not a number."""
    rng, lr, steps = random.Random(options["seed"]), options["lr"], options["steps"]
    model.train()
    for rate in rates or [lr * (steps - step) / steps for step in range(steps)]:
        contexts, targets = zip(*rng.choices(examples, k=options["batch_size"]))
        loss = gradients(model, contexts, targets)
        if not loss < 1000:
            raise InputError(f"the loss is {loss:.4g}: the learning rate, --lr, is too large")
        for p in model.parameters():
            p.data = add(p.data, p.grad, -rate)
        yield loss


def evaluate(model, examples):
    """The mean loss over all examples, in nats a token. The model sees each context only once."""
    model.eval()
    contexts, log_probs = list(dict(examples)), {}  # keys of a dict: each once
    for batch in [contexts[i:i + 256] for i in range(0, len(contexts), 256)]:
        log_probs.update(zip(batch, map(log_softmax, model(batch).data)))
    return -sum(log_probs[context][target] for context, target in examples) / len(examples)


def find_lr(options, examples, steps):
    """Which learning rate? Prints the mean loss of some steps with each of 41, in one run: best is
    a little before it rises again. Smith 2017, "Cyclical Learning Rates"."""
    rates = [0.001 * 10 ** (k / 10) for k in range(41)]
    losses = train(build(options), examples, options, [r for r in rates for _ in range(steps)])
    means = {}
    for rate in rates:
        means[rate] = sum(itertools.islice(losses, steps)) / steps
        print(f"--lr {rate:<#8.2g}{means[rate]:9.4f} |{' ' * round(min(9 * means[rate], 50))}*")
    print(f"the loss was lowest near --lr {min(means, key=means.get):.2g}")


# Two losses tell what else can go wrong. Both high: the network is too small, or was trained too
# briefly (it underfits). Train low but dev high: it learned too little data by heart (it overfits).
# The same function serves to search for settings, best at random: Bergstra and Bengio 2012.
def compare(options, splits, changes):
    """Train once with each of changes, dicts of options, and print what comes of it."""
    for o in [options | change for change in changes]:
        model, documents = build(o), splits["train"][:o.get("documents")]
        parts = [examples_of(part, o["block_size"]) for part in (documents, splits["dev"])]
        model([context for context, _ in parts[0][:500]])  # for batch norm, if steps is 0
        list(train(model, parts[0], o))
        losses = [evaluate(model, part[:5000]) for part in parts]
        flat = flat_share(model.layers[-2], model.outs[-2].data)
        what = ", ".join(f"{key} {o[key]}" for key in o if o[key] != options.get(key))
        print(f"train {losses[0]:6.3f}  dev {losses[1]:6.3f}  flat {flat:6.1%}  {what}")


# %% 8. Diagnostics
# What a hidden layer gives should spread, and little of it be flat. Gradients should spread alike
# at all layers: if they shrink or grow on their way back, layers learn unevenly. A step should move
# weights by 1/1000 to 1/100 of their size (update-to-data ratio); the last ones, made small, more.
def spread_and_bars(data):
    """The spread of numbers in nested lists, the root of their mean square; and bars: how many are
    in each twelfth of the range from -2 to 2 times that (the end ones count all beyond)."""
    while isinstance(data[0], list):
        data = [item for items in data for item in items]
    spread, counts = math.sqrt(sum([v * v for v in data]) / len(data)), [0] * 12
    for v in data:
        counts[max(0, min(11, int(3 * v / (spread or 1.0) + 6)))] += 1
    return spread, "".join(" ▁▂▃▄▅▆▇█"[math.ceil(8 * count / max(counts))] for count in counts)


def diagnose(model, batch, lr):
    """Print how a batch goes through the layers, and how gradients come back."""
    loss = backpropagate(model, *batch)
    print(f"\nloss {loss:.3f}    spread                flat   gradients           step / weight")
    for layer, out in zip(model.layers, model.outs):
        (spread, bars), (d_spread, d_bars) = spread_and_bars(out.data), spread_and_bars(out.grad)
        flat = f"{flat_share(layer, out.data):.1%}" if isinstance(layer, (Tanh, ReLU)) else ""
        line = f"{type(layer).__name__:12}{spread:8.3f}  {bars}{flat:>8}{d_spread:11.1e}  {d_bars}"
        if hasattr(layer, "weight"):
            weights, gradients = layer.weight.data, layer.weight.grad
            line += f"{lr * spread_and_bars(gradients)[0] / spread_and_bars(weights)[0]:9.0e}"
        print(line)


# %% 9. Backpropagation by hand
# What does .backward() do? Here is its work, for one hidden layer with batch norm and tanh. Going
# back, each step asks how the loss changes with what went in, if we know how it changes with what
# came out: d_x is d loss / d x. A factor gets the gradient of the product times the other factor; a
# term, that of the sum; and what is used more than once, the sum of what comes back from each use.
# exercise 3.6: batch norm backward, step by step
def norm_by_hand(values, gamma, d_out, eps=1e-5):
    """values (N) are a neuron's sums, one an example; d_out (N) is the gradient of what it makes of
    them, gamma * normed + beta -> a tuple of those of values (N), gamma and beta."""
    n = len(values)
    mean = sum(values) / n
    centred = [v - mean for v in values]
    variance = sum([v * v for v in centred]) / n
    scale = (variance + eps) ** -0.5
    normed = [v * scale for v in centred]
    d_gamma = sum([g * v for g, v in zip(d_out, normed)])      # and now back
    d_normed = [g * gamma for g in d_out]
    d_scale = sum([g * v for g, v in zip(d_normed, centred)])  # it multiplies each
    d_variance = -0.5 * d_scale * scale ** 3       # (x^-1/2)' = -1/2 x^-3/2
    d_square = d_variance / n                      # the same for each in the sum; (x^2)' = 2 x
    d_centred = [g * scale + 2 * v * d_square for g, v in zip(d_normed, centred)]  # used twice
    d_mean = -sum(d_centred)                       # subtracted from each value
    return [g + d_mean / n for g in d_centred], d_gamma, sum(d_out)


# Much of this cancels: standardize has what is left. C is the table, W1, W2 are Linear's weights.
def gradients_by_hand(model, contexts, targets):
    """What backpropagate does, by hand. p.off says how far p.grad is off that of backward()."""
    loss, params = backpropagate(model, contexts, targets), model.parameters()
    _, joined, sums, _, hidden, logits = [out.data for out in model.outs]
    C, W1, gamma, _, W2, _ = [p.data for p in params]
    m, d_loss, d_logits = len(C[0]), 1 / len(targets), []
    for row, target in zip(logits, targets):
        counts = [math.exp(v - max(row)) for v in row]
        d_total = d_loss / sum(counts)                    # loss: log(total) - log(counts[target])
        d_logits.append([d_total * c for c in counts])    # log' x = 1 / x, exp' = exp
        d_logits[-1][target] -= d_loss                    # used twice
    d_W2 = inner(transpose(hidden), transpose(d_logits))  # hidden.T @ d_logits
    d_b2 = list(map(sum, transpose(d_logits)))            # used in each row
    d_hidden = inner(d_logits, W2)                        # d_logits @ W2.T
    d_out = [[g * (1 - t * t) for g, t in zip(*rows)] for rows in zip(d_hidden, hidden)]
    neurons = map(norm_by_hand, transpose(sums), gamma, transpose(d_out))
    d_sums, d_gamma, d_beta = map(list, zip(*neurons))    # d_sums: (n_hidden, N), a neuron a row
    d_W1 = inner(transpose(joined), d_sums)
    d_joined = inner(transpose(d_sums), W1)               # (N, T * n_embd)
    d_C = [[0.0] * m for _ in C]
    for ids, row in zip(contexts, d_joined):
        for t, i in enumerate(ids):                       # a row of C is used wherever its id is
            d_C[i] = add(d_C[i], row[t * m:][:m])
    for p, grad in zip(params, (d_C, d_W1, d_gamma, d_beta, d_W2, d_b2), strict=True):
        p.off, p.grad = spread_and_bars(add(p.grad, grad, -1.0))[0], grad
    return loss


# %% 10. What was learned
# Texts are drawn token by token: the last block_size tokens are the context for the next. And
# tokens that are followed by the same kind of thing get similar embeddings, being of the same use.
def sample(model, boundary, block_size, rng, max_new_tokens=50):
    """Draws ids until the boundary, which is the last of them, or until it has max_new_tokens."""
    model.eval()
    ids = [boundary] * block_size
    for _ in range(max_new_tokens):
        log_probs = log_softmax(model([ids[-block_size:]]).data[0])
        ids += rng.choices(range(len(log_probs)), map(math.exp, log_probs))
        if ids[-1] == boundary:
            break
    return ids[block_size:]


# You can stop here: what follows reads options.

# %% 11. The command line
SETTINGS = """\
--test        flag              None     evaluate on the test split too
--find-lr     flag              None     only try learning rates from 0.001 to 10
--diagnose    flag              None     show each layer at the first step and halfway
--by-hand     flag              None     train with gradients by hand, and check them
--sweep       int               None     only try so many random settings
--data        str               None     UTF-8 text, a document a line, in place of names.txt
--steps       int               7000     training steps
--batch-size  int               32       examples a step
--lr          float             None     learning rate at first: 0.4, or 0.1 from 50000 steps on
--seed        int               42       where all randomness starts
--block-size  int               4        tokens it can look at
--n-embd      int               12       numbers an embedding
--n-hidden    int               64       neurons a hidden layer
--n-layer     int               1        hidden layers
--activation  |tanh|relu        tanh     what bends their outputs
--init        |kaiming|naive    kaiming  spread of first weights: by number of inputs, or 1
--norm        |batch|layer|none batch    what keeps the hidden layers' sums in bounds
--samples     int               20       texts to invent"""
MAY_BE_0 = "steps seed samples".split()


def read_options(argv):
    """The options, as attributes. Raises InputError for a number out of range."""
    parser = argparse.ArgumentParser(usage="mlp.py [options]")
    kinds = {"flag": {"action": "store_true"}, "int": {"type": int}, "float": {"type": float}}
    for row in SETTINGS.splitlines():
        name, kind, default, phrase = row.split(maxsplit=3)
        parser.add_argument(name, help=f"{phrase} (default: {default})",
                            default=None if default == "None" else default,
                            **kinds.get(kind, {"choices": kind.split("|")[1:] or None}))
    args = parser.parse_args(argv)
    for name, value in vars(args).items():
        if isinstance(value, (int, float)) and not (value > 0 or value == 0 and name in MAY_BE_0):
            raise InputError(f"--{name.replace('_', '-')}: {value} is out of range")
    if args.by_hand and (args.n_layer, args.norm, args.activation) != (1, "batch", "tanh"):
        raise InputError("--by-hand is for --n-layer 1 --norm batch --activation tanh")
    args.lr = args.lr or (0.4 if args.steps < 50000 else 0.1)
    return args


def main(argv=None):
    """Shows what the sections are about, trains, evaluates, samples. Raises InputError, OSError."""
    args = read_options(argv)
    lines = list(filter(None, read_lines(args.data or Path(__file__).with_name("names.txt"))))
    characters = "".join(sorted(set("".join(lines)))) + "·"
    boundary, rng = len(characters) - 1, random.Random(args.seed)
    documents = [[characters.index(char) for char in line] for line in lines]
    splits = make_splits(documents, boundary, args.seed)
    examples, options = examples_of(splits["train"], args.block_size), vars(args)
    options["vocab_size"], brief = len(characters), {"steps": min(1000, args.steps // 10)}
    if args.find_lr:
        return find_lr(options, examples, max(1, args.steps // 400))
    if args.sweep:
        return compare(options, splits, [brief | {
            "block_size": rng.randint(2, 8), "n_embd": rng.choice([4, 8, 16]),
            "n_hidden": rng.choice([16, 64, 128]), "norm": rng.choice(["batch", "layer"]),
            "lr": round(10 ** rng.uniform(-1.5, 0.5), 2)} for _ in range(args.sweep)])
    if not (args.by_hand or args.diagnose):
        new = [{"steps": 0, "init": init, "norm": norm} for init in ("naive", "kaiming")
               for norm in ("none", "batch")]
        compare(options, splits, [*new, brief, brief | {"n_hidden": 2}, brief | {"documents": 100}])
    model, losses, begun = build(options), [], time.monotonic()
    size = sum(math.prod(p.shape) for p in model.parameters())
    print(f"\n{len(lines)} documents, {len(examples)} examples to train on, {size} parameters")
    gradients = gradients_by_hand if args.by_hand else backpropagate
    try:
        for loss in train(model, examples, options, gradients=gradients):
            losses.append(loss)
            step, mean = len(losses), sum(losses[-100:]) / len(losses[-100:])
            if args.diagnose and step in (1, args.steps // 2):
                diagnose(model, list(zip(*examples[:500])), args.lr * (1 - step / args.steps))
            left = (time.monotonic() - begun) / step * (args.steps - step)
            line = f"step {step:6}  loss {mean:.4f}"
            if sys.stderr.isatty():
                print(f"{line}  {left:.0f} s left   ", end="\r", file=sys.stderr, flush=True)
            if step == 1 or step % max(1, args.steps // 10) == 0:
                print(f"{line} |{' ' * round(min(9 * mean, 38))}*", flush=True)
    except KeyboardInterrupt:
        print(f"\nstopped at step {len(losses)}; Ctrl-C again quits", file=sys.stderr)
    if args.by_hand and losses:
        print(f"gradients by hand: off by {max(p.off for p in model.parameters()):.0e} on average")
    for name in ("train", "dev", "test")[:3 if args.test else 2]:
        print(f"{name} loss {evaluate(model, examples_of(splits[name], args.block_size)):.4f}")
    print("\nsamples (* is one of the documents)")
    for _ in range(args.samples):
        ids = sample(model, boundary, args.block_size, rng)
        print("".join(characters[i] for i in ids if i != boundary) + " *" * (ids[:-1] in documents))
    print("\nthe closest to each token, by their embeddings")
    rows = model.layers[0].weight.data
    near = [sorted(range(len(rows)), key=lambda j: math.dist(row, rows[j]))[:6] for row in rows]
    texts = [" ".join(characters[j] for j in numbers) for numbers in near]
    for i in range(0, len(texts), 5):
        print("    ".join(texts[i:i + 5]))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"mlp.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: what is lost with --norm none, and --init naive besides? [dev 2.176: 2.190, 2.368]
# What do --block-size 8 and ten times as many steps buy, each alone? [2.154, 2.134]
