"""A deep network with a long context: a tree of layers, and the same tree as convolutions.

mlp.py's one wide layer grows with its context. Here neighbours are joined two by two, layer after
layer, in a tree. Trees over contexts two letters apart have branches in common; computed only once,
they become convolutions: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio".

    python wavenet.py    train on names.txt, evaluate, sample; a minute (--gated: the paper's block)
"""
import argparse
import itertools
import math
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# As in mlp.py, characters are tokens, and one more, the boundary, begins and ends each document.
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


# %% 2. A tensor that knows where it came from
# The Tensor of mlp.py, mostly of shape (batch, time, channels), in short (B, T, C): documents, in
# each its tokens in order, for each a row of numbers, the k-th in channel k. Lengths may differ.
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
        """() for a number, (n,) for a list, and so on; T is the length of the first document."""
        shape, data = (), self.data
        while hasattr(data, "__len__"):
            shape, data = shape + (len(data),), data[0]
        return shape

    def __add__(self, other):
        """The sum, number by number. Raises ValueError if the shapes differ."""
        return Tensor(add(self.data, other.data), (self, other), lambda grad: (grad, grad))

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
    if isinstance(a[0], list):
        return [add(p, q, factor) for p, q in zip(a, b, strict=True)]
    return [v + factor * w for v, w in zip(a, b, strict=True)]


def transpose(rows):
    """n rows of m numbers -> m rows of n."""
    return [list(column) for column in zip(*rows)]


# %% 3. Modules
# A deep network is made of modules, objects that hold parameters and turn a Tensor into another.
# What must fit are the shapes they pass on: section 5 prints them. Their main work is dot products.
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
# object of each product. math.dist makes none, and by the law of cosines has the dot product in it:
# |p - q|^2 = |p|^2 + |q|^2 - 2 p.q. If one were much longer, rounding would swallow the other.
if sys.implementation.name == "cpython":
    def inner(a, b, plain=inner):
        a, b = [tuple(p) for p in a], [tuple(q) for q in b]  # math.dist takes tuples
        a_squares, b_squares = ([s * s for s in [math.hypot(*p) for p in rows]] for rows in (a, b))
        if not 1e-8 * max(a_squares) < max(b_squares) < 1e8 * max(a_squares):
            return plain(a, b)
        return [[0.5 * (r + s - (d := math.dist(p, q)) * d) for s, q in zip(b_squares, b)]
                for r, p in zip(a_squares, a)]
else:
    inner([[0.0] * 5000], [[0.0] * 5000])  # PyPy compiles a loop best if it is long at first


class Module:
    """A layer, or several. If positions do not matter, forward(rows) gives new rows and a function
    from their gradient to a tuple of those of rows and parameters(); others have a __call__."""
    layers, training = (), True  # training: one switch for all, off in evaluate() and sample()

    def parameters(self):
        """The tensors that training changes."""
        own = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return own + [p for layer in self.layers for p in layer.parameters()]

    def __call__(self, x):
        spans = list(itertools.pairwise(itertools.accumulate(map(len, x.data), initial=0)))
        out, backward = self.forward(list(itertools.chain(*x.data)))  # rows of all documents

        def local_backward(grad):
            d_rows, *d_parameters = backward(list(itertools.chain(*grad)))
            return [d_rows[i:j] for i, j in spans], *d_parameters
        return Tensor([out[i:j] for i, j in spans], (x, *self.parameters()), local_backward)


class Embedding(Module):
    """A row of n_embd numbers for each id below n: (B, T) -> (B, T, n_embd)."""
    def __init__(self, n, n_embd, rng):
        self.weight = Tensor([[rng.gauss(0, 0.3) for _ in range(n_embd)] for _ in range(n)])

    def __call__(self, documents):
        table = self.weight.data
        if not all(0 <= i < len(table) for ids in documents for i in ids):  # -1 would be the last
            raise ValueError(f"the ids must be from 0 to {len(table) - 1}")

        def backward(grad):
            d_weight = [[0.0] * len(row) for row in table]
            for i, row in zip(itertools.chain(*documents), itertools.chain(*grad)):
                d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
            return (d_weight,)
        return Tensor([[table[i] for i in ids] for ids in documents], (self.weight,), backward)


class Linear(Module):
    """Each row times weight (n_in, n_out), plus bias (n_out), if any: -> (B, T, n_out)."""
    def __init__(self, n_in, n_out, rng, gain=1.0, bias=True):
        std = gain / math.sqrt(n_in)  # the sums then spread as the n_in inputs do, times gain
        self.weight = Tensor([[rng.gauss(0, std) for _ in range(n_out)] for _ in range(n_in)])
        self.bias = Tensor([0.0] * n_out) if bias else None

    def forward(self, rows):
        """(N, n_in) -> (N, n_out). Raises ValueError if rows do not have n_in numbers."""
        weight, bias = self.weight.data, self.bias
        if len(rows[0]) != len(weight):
            raise ValueError(f"{len(rows[0])} channels, but {len(weight)} rows of weights")
        out = inner(rows, transpose(weight))

        def backward(grad):
            # a factor gets the gradient of each of its products, times the other; a bias all of it
            columns = transpose(grad)
            d_weight = inner(transpose(rows), columns)  # rows.T @ grad
            d_bias = [list(map(sum, columns))] if bias else []
            return inner(grad, weight), d_weight, *d_bias  # grad @ weight.T
        return [add(row, bias.data) for row in out] if bias else out, backward


class Tanh(Module):
    """The hyperbolic tangent of each number."""
    def forward(self, rows):
        """Any rows. The slope of t = tanh v is 1 - t^2."""
        out = [[math.tanh(v) for v in row] for row in rows]
        return out, lambda grad: ([[g - g * t * t for g, t in zip(*p)] for p in zip(grad, out)],)


class BatchNorm1d(Module):
    """Each channel to mean 0 and variance 1 over batch and time (a channel means the same at
    all positions), times weight, plus bias. Ioffe and Szegedy 2015, "Batch Normalization"."""
    def __init__(self, n):
        self.weight, self.bias = Tensor([1.0] * n), Tensor([0.0] * n)
        self.running_mean, self.running_var, self.batches = [0.0] * n, [1.0] * n, 0

    # exercise 4.1 (hard): batch norm, in training and out of it
    def forward(self, rows):
        """rows (N, n) -> (N, n): each v becomes weight (v - mean) / sqrt(variance + 1e-5) + bias.
        Out of training by running statistics, averages: the first 100 batches count alike, a later
        one 1%; variances times N / (N - 1), as a batch varies less around its own than the true
        mean. Shifting or stretching a batch changes nothing: its gradient loses these two parts."""
        n, channels = len(rows), transpose(rows)
        means, variances = self.running_mean, self.running_var
        if self.training:
            means = [sum(vs) / n for vs in channels]
            variances = [sum([(v - m) * (v - m) for v in vs]) / n for vs, m in zip(channels, means)]
            self.batches += 1
            share, full = max(0.01, 1 / self.batches), [v * n / (n - 1) for v in variances]
            self.running_mean = add(self.running_mean, add(means, self.running_mean, -1.0), share)
            self.running_var = add(self.running_var, add(full, self.running_var, -1.0), share)
        scales = [1 / math.sqrt(variance + 1e-5) for variance in variances]
        normed = [[(v - m) * s for v in vs] for vs, m, s in zip(channels, means, scales)]
        weight, bias = self.weight.data, self.bias.data
        out = [[v * w + b for v in vs] for vs, w, b in zip(normed, weight, bias, strict=True)]

        def backward(grad):
            d_channels, d_weight, d_bias = [], [], []
            for gs, vs, w, scale in zip(transpose(grad), normed, weight, scales):
                d_weight.append(sum([g * v for g, v in zip(gs, vs)]))
                d_bias.append(sum(gs))
                shift, stretch = (d_bias[-1] / n, d_weight[-1] / n) if self.training else (0.0, 0.0)
                d_channels.append([w * scale * (g - shift - stretch * v) for g, v in zip(gs, vs)])
            return transpose(d_channels), d_weight, d_bias
        return transpose(out), backward


class Sequential(Module):
    """Layers, each of which works on what the one before it gave. outs keeps what they gave."""
    def __init__(self, layers):
        self.layers = layers

    def __call__(self, x):
        self.outs = [x := layer(x) for layer in self.layers]
        return x


# %% 4. The tree
# One wide layer has weights for every position of its context, and must find everything at once. A
# tree just joins neighbours at each layer: letters to pairs, pairs to fours, fours to eights, with
# one set of weights a layer. Twice the context is one layer more, not twice the weights.
class FlattenConsecutive(Module):
    """Rows 0 and 1 of a document end to end as one row, rows 2 and 3 as the next, and so on."""
    # exercise 4.2: neighbours
    def __call__(self, x):
        """x (B, T, C) -> (B, T / 2, 2 * C), a Tensor with the way back."""
        m = x.shape[2]
        out = [[rows[t] + rows[t + 1] for t in range(0, len(rows), 2)] for rows in x.data]
        return Tensor(out, (x,), lambda grad: (
            [[half for row in rows for half in (row[:m], row[m:])] for rows in grad],))


# %% 5. The same as convolutions
# Move the context by two letters, and all pairs of its tree but one have been computed before. So
# compute each once, where it ends. The second layer joins it with the one 2 positions before, the
# third joins fours 4 apart: convolutions (the same weights everywhere), causal (only looking back),
# dilated (by `dilation` positions). Before the first, a boundary, stands its own row, again.
class CausalConv1d(Linear):
    """Linear, with weight (2 * n_in, n_out), of each row and that `dilation` positions before."""
    def __init__(self, n_in, n_out, rng, dilation=1, **options):
        super().__init__(2 * n_in, n_out, rng, **options)
        self.dilation = dilation

    # exercise 4.3: looking back
    def __call__(self, x):
        """x (B, T, n_in) -> (B, T, n_out). The earlier row comes first; if none is there, row 0."""
        m, gap = x.shape[2], self.dilation
        out = [[rows[max(0, t - gap)] + row for t, row in enumerate(rows)] for rows in x.data]

        def backward(grad):
            d_x = [[row[m:] for row in rows] for rows in grad]
            for d_rows, rows in zip(d_x, grad):
                for t, row in enumerate(rows):  # the earlier row gets its part, too
                    d_rows[max(0, t - gap)] = add(d_rows[max(0, t - gap)], row[:m])
            return (d_x,)
        return super().__call__(Tensor(out, (x,), backward))


def build(vocab_size, block_size, n_embd, n_hidden, rng, as_tree=False):
    """The tree, contexts (B, block_size) -> logits (B, 1, vocab_size), or convolutions, documents
    (B, T) -> (B, T, vocab_size). An rng in the same state gives both the same weights."""
    layers, n_in, dilation, gain = [Embedding(vocab_size, n_embd, rng)], n_embd, 1, 1.0
    while dilation < block_size:  # no bias: batch norm would take it away again
        if as_tree:
            layers += [FlattenConsecutive(), Linear(2 * n_in, n_hidden, rng, gain, bias=False)]
        else:
            layers += [CausalConv1d(n_in, n_hidden, rng, dilation, gain=gain, bias=False)]
        layers += [BatchNorm1d(n_hidden), Tanh()]
        n_in, dilation, gain = n_hidden, 2 * dilation, 5 / 3  # the gain after tanh: see mlp.py
    if dilation != block_size or block_size == 1:
        raise InputError(f"a context of {block_size}: it must be 2, 4, 8 ...")
    return Sequential([*layers, Linear(n_in, vocab_size, rng, gain=0.1)])  # unsure at first


def show_shapes(tree, convolutions, ids, block_size, characters):
    """Print the tree over the last context of a document, then the shapes that the layers give, of
    the tree for all contexts at once, and of the convolutions for the document itself."""
    Module.training, logits, width = False, [], block_size
    padded = ids[:1] * (block_size - 1) + ids  # before the first boundary stand only boundaries
    contexts = [padded[t:t + block_size] for t in range(len(ids) - 1)]
    last = "".join(characters[i] for i in contexts[-1])
    while width:
        print("".join(last[t:t + width].center(4 * width) for t in range(0, block_size, width)))
        width //= 2
    for model, x in ((tree, contexts), (convolutions, [ids[:-1]])):
        logits.append(list(itertools.chain(*model(x).data)))
        print(f"\n{'ids':20}{Tensor(x).shape}")
        for layer, out in zip(model.layers, model.outs):
            print(f"{type(layer).__name__:20}{out.shape}")
    print(f"\njoins a token: tree {block_size - 1}, convolutions {block_size.bit_length() - 1}\n"
          f"the logits differ by {max(map(math.dist, *logits)):.1g}\n")


# %% 6. Loss and training
# The convolutions are trained (in the tree, batch norm would see other rows), with mlp.py's loss.
def log_softmax(row):
    """The logarithms of the probabilities of logits: a - log(sum of all e^b), for each a."""
    top = max(row)  # subtracted, it cancels out, and no exponential can overflow
    log_sum = top + math.log(sum([math.exp(v - top) for v in row]))
    return [v - log_sum for v in row]


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (B, T, vocab_size), ids (B, T) -> nats a
    token. ValueError for a target out of range, InputError if the loss is no number."""
    n = len(all_ids := list(itertools.chain(*targets)))
    if not 0 <= min(all_ids) <= max(all_ids) < logits.shape[2]:
        raise ValueError(f"targets {targets} for {logits.shape[2]} logits")
    log_p = [[log_softmax(row) for row in rows] for rows in logits.data]
    loss = -sum([row[i] for row, i in zip(itertools.chain(*log_p), all_ids, strict=True)]) / n
    if not math.isfinite(loss):
        raise InputError("the loss is no number: the learning rate, --lr, is too large")
    return Tensor(loss, (logits,), lambda grad: (  # the gradient: (p - 1 if it came, else p) / n
        [[[grad / n * (math.exp(v) - (i == target)) for i, v in enumerate(row)]
          for row, target in zip(rows, ids, strict=True)] for rows, ids in zip(log_p, targets)],))


def train(model, documents, steps, batch_size, lr, rng):
    """Train the model, with a learning rate that falls from lr, yielding the loss of each step."""
    for step in range(steps):
        Module.training = True
        batch = rng.choices(documents, k=batch_size)
        loss = cross_entropy(model([ids[:-1] for ids in batch]), [ids[1:] for ids in batch])
        loss.backward()
        for p in model.parameters():
            p.data = add(p.data, p.grad, -lr * (steps - step) / steps)
            p.grad = None  # or the next backward() would add to it
        yield loss.data


def evaluate(model, documents):
    """The mean loss over all tokens of the documents, in nats a token."""
    Module.training, counts = False, [len(ids) - 1 for ids in documents]
    losses = [cross_entropy(model([ids[:-1]]), [ids[1:]]).data for ids in documents]
    return sum([loss * n for loss, n in zip(losses, counts)]) / sum(counts)


# %% 7. WaveNet's own block
# WaveNet does more at each layer. tanh is multiplied by a gate, from 0 to 1, that lets a feature
# through at one position and not at another. What comes out is added to what went in, a residual
# connection: a layer only learns what to change, and gradients come whole to the first. The logits
# are made of what came out of all blocks, by skip connections. There is no batch norm.
class Gate(Module):
    """tanh of each row's first half times sigmoid of its second half: (B, T, 2n) -> (B, T, n)."""
    # exercise 4.4: the gate
    def forward(self, rows):
        """rows (N, 2n) -> rows (N, n), formula (2) of the paper, and a function from their gradient
        to a tuple with that of rows: (t s)' = (1 - t^2) s and, as s' = s (1 - s), t s (1 - s)."""
        n = len(rows[0]) // 2
        # sigmoid(v) = 1 / (1 + e^-v) = (1 + tanh(v / 2)) / 2, where nothing can overflow
        pairs = [[(math.tanh(row[i]), 0.5 + 0.5 * math.tanh(0.5 * row[n + i])) for i in range(n)]
                 for row in rows]
        return [[t * s for t, s in row] for row in pairs], lambda grad: (
            [[g * (1 - t * t) * s for g, (t, s) in zip(*both)]
             + [g * t * s * (1 - s) for g, (t, s) in zip(*both)] for both in zip(grad, pairs)],)


class WaveNet(Module):
    """Figure 4 of the paper, n channels wide; at the end tanh and one layer, not relu and two."""
    def __init__(self, vocab_size, block_size, n, rng):
        blocks = [Sequential([CausalConv1d(n, 2 * n, rng, 2 ** k), Gate(), Linear(n, n, rng)])
                  for k in range(block_size.bit_length() - 1)]
        self.layers = [Embedding(vocab_size, n, rng), *blocks, Linear(n, vocab_size, rng, gain=0.1)]

    # exercise 4.5 (needs 4.3, 4.4): residual and skip connections
    def __call__(self, ids):
        """ids (B, T) -> logits (B, T, vocab_size). What comes out of a block is added to what went
        in, for the next; all that came out, added up, goes through tanh and the last layer."""
        embedding, *blocks, head = self.layers
        x, outs = embedding(ids), []
        for block in blocks:
            outs.append(block(x))
            x = x + outs[-1]
        return head(Tanh()(sum(outs[1:], outs[0])))


# %% 8. Samples
# Each token costs all positions again, though only the last is new: gpt.py remembers the others.
def sample(model, boundary, rng, max_new_tokens=50):
    """Draws ids until the boundary, which is the last of them, or until it has max_new_tokens."""
    Module.training, ids = False, [boundary]
    while len(ids) <= max_new_tokens and boundary not in ids[1:]:
        log_probs = log_softmax(model([ids]).data[0][-1])
        ids += rng.choices(range(len(log_probs)), map(math.exp, log_probs))
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
--n-hidden    int    32    channels of the other layers; with --gated, of all
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
                            default=None if default == "None" else default)
    args = parser.parse_args(argv)
    for name, value in vars(args).items():
        if isinstance(value, (int, float)) and not (value > 0 or value == 0 and name in MAY_BE_0):
            raise InputError(f"--{name.replace('_', '-')}: {value} is out of range")
    return args


def main(argv=None):
    """Shows the networks, trains, evaluates and samples. Raises InputError and OSError."""
    args = read_options(argv)
    lines = list(filter(None, read_lines(args.data or Path(__file__).with_name("names.txt"))))
    characters = "".join(sorted(set("".join(lines)))) + "·"
    boundary = len(characters) - 1
    splits = make_splits([list(map(characters.index, line)) for line in lines], boundary, args.seed)
    tree, model = (build(len(characters), args.block_size, args.n_embd, args.n_hidden,
                         random.Random(args.seed), as_tree) for as_tree in (True, False))
    show_shapes(tree, model, max(splits["dev"][:20], key=len), args.block_size, characters)
    if args.gated:
        model = WaveNet(len(characters), args.block_size, args.n_hidden, random.Random(args.seed))
    print(f"{sum(math.prod(p.shape) for p in model.parameters())} parameters\n")
    rng, losses, begun = random.Random(args.seed), [], time.monotonic()
    try:
        for loss in train(model, splits["train"], args.steps, args.batch_size, args.lr, rng):
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
    for _ in range(args.samples):
        print("".join(characters[i] for i in sample(model, boundary, rng) if i != boundary))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"wavenet.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: is it worth looking far back, --block-size 2, 4, 16? [dev 2.302, 2.187, 2.162]
# Without batch norm? [2.177] With --gated --n-hidden 18? [2.179] mlp.py --block-size 8? [2.154]
