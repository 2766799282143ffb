"""GPT-2 in one file: a transformer that learns to invent names.

wavenet.py joined the letters of its context in a fixed tree. Here each letter looks back at all
letters before it and decides, by what they are, which of them matter: that is attention. The
network is GPT-2's, only some 15,000 times smaller than the smallest, which can be loaded here, too.

    python gpt.py                       train on names.txt, evaluate, sample; about a minute
    python gpt.py --save model          keep what was learned, in a folder that PyTorch can read
    python gpt.py --load model          invent names with it
    python gpt.py --load gpt2 --ids -   continue token ids, made by bpe.py, with OpenAI's GPT-2
"""
import argparse
import itertools
import json
import math
import operator
import random
import struct
import sys
import time
from array import array
from pathlib import Path

# %% 1. Data
# A network knows only numbers, so text becomes token ids: here each character is a token. One more
# token, the boundary, stands before and after every document (a name is a document): it tells the
# model where to begin, and by predicting it the model says "this name is finished".
class InputError(ValueError):
    """What the user gave cannot be used: the program ends with this message."""


def read_lines(path):
    """Yields the lines of a file, or of standard input (-). Raises InputError if not UTF-8."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as file:
            yield from map(str.strip, file)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {error}") from None


class Tokenizer:
    """A token for each of the characters. Without any, text is token ids, as bpe.py writes them."""

    def __init__(self, characters):
        self.characters = characters

    def encode(self, text):
        """The list of ids of text. Raises InputError for what has none."""
        if self.characters:
            ids = [self.characters.find(char) for char in text]  # -1: it is not there
        else:
            ids = [int(word) if word.isdecimal() and len(word) < 7 else -1 for word in text.split()]
        if -1 in ids:
            raise InputError(f"{text[:60]!r}: not only {self.characters or 'ids below a million'}")
        return ids

    def decode(self, ids):
        """The text of ids. The boundary, which comes after the last character, has none."""
        if self.characters:
            return "".join(self.characters[i:i + 1] for i in ids)
        return "".join(f"{i} " for i in ids)


def make_splits(documents, boundary, block_size, seed):
    """Lists of ids -> {"train": 80%, "dev": 10%, to choose settings by, "test": 10%, for the end},
    shuffled, boundaries added, cut to block_size ids and a target. InputError if one is empty."""
    if len(documents) < 3:
        raise InputError(f"{len(documents)} documents: train, dev and test need one each")
    documents = [[boundary, *ids, boundary][:block_size + 1] for ids in documents]
    random.Random(seed).shuffle(documents)
    n = max(1, len(documents) // 10)
    return {"train": documents[2 * n:], "dev": documents[:n], "test": documents[n:2 * n]}


# %% 2. A tensor that knows where it came from
# Training asks of every weight: if it grew a little, how would the loss change? The chain rule
# answers for all of them in one walk back from the loss, if each number remembers what it was
# computed from. Matrices will do here: the tokens of all documents are the rows of one.
class Tensor:
    """A number, a list of numbers or of rows, and how to send a gradient back through it:
    local_backward turns the gradient with respect to it into a tuple, the share of each parent."""
    numbers = itertools.count()

    def __init__(self, data, parents=(), local_backward=lambda grad: ()):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, once backward() has run
        self.parents, self.local_backward = parents, local_backward
        self.number = next(Tensor.numbers)  # what it was computed from has smaller ones

    @property
    def shape(self):
        """() for a number, (n,) for a list, (n, m) for n rows of m."""
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


def add(a, b):
    """The sum of two numbers, or number by number of two lists or two matrices of one shape."""
    if not isinstance(a, list):
        return a + b
    if len(a) != len(b):
        raise ValueError(f"a sum of {len(a)} and of {len(b)} numbers or rows")
    if isinstance(a[0], list):
        return [add(p, q) for p, q in zip(a, b)]
    return [a[i] + b[i] for i in range(len(a))]


def transpose(rows):
    """n rows of m numbers -> m rows of n."""
    return [[row[i] for row in rows] for i in range(len(rows[0]))]


# %% 3. Embedding and linear layer
# The first layer looks up a row of numbers for each token; the rest of the network mixes them. The
# k-th numbers of all rows are channel k: a quantity that the network has a use for. Mixing channels
# is dot products, nearly all that a transformer does, forward and backward.
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


def dot(p, q):
    """The dot product of two rows."""
    return sum(map(operator.mul, p, q))


# The same, faster; you may skip it. PyPy compiles these loops to the speed of C; CPython makes an
# object of each product. math.dist makes none to give the distance of two rows, and the law of
# cosines has the dot product in it: |p - q|^2 = |p|^2 + |q|^2 - 2 p.q. If p were much longer than
# q, rounding would swallow q: then a is first brought to the length of b.
if sys.implementation.name == "cpython":
    dot = getattr(math, "sumprod", dot)

    def transpose(rows):
        return [list(column) for column in zip(*rows)]

    def inner(a, b):
        if len(a) == 1:  # lengths and distances pay only if those of b are used again
            return [[dot(a[0], q) for q in b]]
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


# exercise 5.1: looking up, and back
def embedding(weight, ids):
    """Row ids[i] of weight (n, m) for each i: -> (len(ids), m), a Tensor with the way back.
    A row gets the gradients of all rows it was copied to. Raises InputError for an unknown id."""
    if not 0 <= min(ids) <= max(ids) < len(weight.data):  # -1 would be the last row
        raise InputError(f"ids from {min(ids)} to {max(ids)}, but {len(weight.data)} rows")

    def backward(grad):
        d_weight = [[0.0] * len(row) for row in weight.data]
        for i, row in zip(ids, grad):
            d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
        return (d_weight,)
    return Tensor([list(weight.data[i]) for i in ids], (weight,), backward)


def linear(x, weight, bias):
    """x (N, n_in) times weight (n_out, n_in), plus bias (n_out): -> (N, n_out).
    Row j of weight says how much each input counts in output j. ValueError if shapes differ."""
    if x.shape[1] != weight.shape[1]:
        raise ValueError(f"linear: {x.shape} and {weight.shape} do not fit")
    out = [add(row, bias.data) for row in inner(x.data, weight.data)]

    def backward(grad):  # (N, n_out)
        # An input gets the gradient of each output times the weight between them; a weight gets, in
        # every row, the gradient of its output times its input; and a bias that of its output.
        columns = transpose(grad)
        d_x = inner(grad, transpose(weight.data))     # grad @ weight -> (N, n_in)
        d_weight = inner(columns, transpose(x.data))  # grad.T @ x -> (n_out, n_in)
        return d_x, d_weight, list(map(sum, columns))
    return Tensor(out, (x, weight, bias), backward)


# %% 4. Layer norm and GELU
# Layer norm brings every row back to mean 0 and variance 1, so that no layer has to cope with
# numbers that grew or shrank on the way; then the network chooses a scale and a shift for each
# channel. GELU is not linear: two linear layers with nothing between them would be only one.
def layer_norm(x, weight, bias, eps=1e-5):
    """Each row of x (N, n) to mean 0 and variance 1, times weight (n), plus bias (n): -> (N, n).
    eps keeps a row of equal numbers from dividing by 0. Ba et al. 2016, "Layer Normalization"."""
    n = len(weight.data)
    normed = []  # each row as normalised, and 1 / its standard deviation
    for row in x.data:
        mean = sum(row) / n
        centred = [v - mean for v in row]
        scale = 1 / math.sqrt(dot(centred, centred) / n + eps)
        normed.append(([v * scale for v in centred], scale))
    out = [[v * w + b for v, w, b in zip(row, weight.data, bias.data, strict=True)]
           for row, _ in normed]

    def backward(grad):
        d_x, d_weight = [], []
        for g, (row, scale) in zip(grad, normed, strict=True):
            d_weight.append([g[i] * row[i] for i in range(n)])
            d_row = [g[i] * weight.data[i] for i in range(n)]
            # Adding a constant to x, or stretching it, leaves the normalised row as it was, so the
            # gradient has no part in these directions: subtract its mean, and its part along row.
            shift, stretch = sum(d_row) / n, dot(d_row, row) / n
            d_x.append([scale * (d_row[i] - shift - stretch * row[i]) for i in range(n)])
        return d_x, list(map(sum, zip(*d_weight))), list(map(sum, zip(*grad)))
    return Tensor(out, (x, weight, bias), backward)


# exercise 5.2: GELU and its slope
def gelu(x):
    """x times the probability that a normal random number is below x, nearly: GPT-2's formula.
    0.5 x (1 + tanh(a x + b x^3)), where a = sqrt(2 / pi) and b = 0.044715 a, of each number of x
    (N, n). Tensor, with the way back. Hendrycks and Gimpel 2016, "Gaussian Error Linear Units"."""
    a = math.sqrt(2 / math.pi)
    b = a * 0.044715
    tanhs = [[math.tanh(v * (a + b * v * v)) for v in row] for row in x.data]
    out = [[0.5 * v * (1 + t) for v, t in zip(*rows)] for rows in zip(x.data, tanhs)]

    def backward(grad):  # 0.5 (1 + t) + 0.5 v t', with t' = (1 + t) (1 - t) (a + 3 b v^2)
        return ([[g * 0.5 * (1 + t) * (1 + v * (1 - t) * (a + 3 * b * v * v))
                  for g, v, t in zip(*rows)] for rows in zip(grad, x.data, tanhs)],)
    return Tensor(out, (x,), backward)


# %% 5. Attention
# How can a letter use the letters before it? A linear layer makes three rows out of each position's
# row: a query (what am I looking for?), a key (what do I have?) and a value (what do I pass on?).
# The dot products of a query with all keys, turned into weights that sum to 1, say how much of each
# value it gets. One such average answers one question, so several heads do this side by side, each
# on its own slice of the channels. Vaswani et al. 2017, "Attention Is All You Need", section 3.2.
def softmax(row):
    """Any numbers to numbers from 0 to 1 that sum to 1, in proportion to their exponentials."""
    top = max(row)  # subtracted, it cancels out, and no exponential can overflow
    exps = [math.exp(v - top) for v in row]
    total = sum(exps)
    return [e / total for e in exps]


# First for one token, with the keys and values of those before it in two lists. It cannot see what
# comes later: that is not there yet. And these lists, the KV cache, are all it takes to go on.
# exercise 5.6: keys and values remembered
def attend(qkv, n_head, keys, values):
    """What a token gets from itself and those before it: qkv (3 * n_embd) -> (n_embd).
    qkv is its query, key and value; the latter two join those of the tokens before in the lists."""
    n_embd = len(qkv) // 3
    size = n_embd // n_head  # channels a head
    keys.append(qkv[n_embd:2 * n_embd])
    values.append(qkv[2 * n_embd:])
    mixed = []
    for c in range(0, n_embd, size):  # c: where a head's channels begin
        query = qkv[c:c + size]
        # a dot product of `size` terms spreads as sqrt(size): dividing undoes that
        weights = softmax([dot(query, key[c:c + size]) / math.sqrt(size) for key in keys])
        mixed += [dot(weights, channel) for channel in zip(*[v[c:c + size] for v in values])]
    return mixed


# For training, the same for all positions of a document at once. Now later tokens are there, and
# must be masked: a position that saw the next token would just copy the answer from there.
# exercise 5.3: the causal mask
def causal_softmax(scores, scale):
    """scores (T, T) -> weights (T, T): row t is softmax of scale times its first t + 1 scores.
    The others are of later positions, and become 0.
    >>> causal_softmax([[0.0, 9.0], [0.0, 0.0]], 1.0)
    [[1.0, 0.0], [0.5, 0.5]]"""
    return [softmax([scale * s for s in row[:t]]) + [0.0] * (len(row) - t)
            for t, row in enumerate(scores, start=1)]


def attention(qkv, n_head, lengths, maps=None):
    """Causal self-attention: qkv (N, 3 * n_embd), rows of query, key, value -> (N, n_embd).
    The rows are documents end to end, none of which sees another. Raises ValueError if the lengths
    do not sum to N. The list maps receives the weights (T, T) of each head."""
    if sum(lengths) != len(qkv.data):
        raise ValueError(f"attention: lengths {lengths}, but {len(qkv.data)} rows")
    n_embd = qkv.shape[1] // 3
    size = n_embd // n_head
    scale = 1 / math.sqrt(size)
    heads, out = [], []
    for T in lengths:
        columns = transpose(qkv.data[len(out):len(out) + T])  # (3 * n_embd, T): a row is a channel
        mixed = []
        for c in range(0, n_embd, size):
            q, k, v = (columns[c + i:c + i + size] for i in (0, n_embd, 2 * n_embd))  # (size, T)
            weights = causal_softmax(inner(transpose(q), transpose(k)), scale)        # (T, T)
            # dot, not inner: by its rounding, even values of weight 0 could change a last digit
            mixed += [[dot(w, channel) for w in weights] for channel in v]            # (size, T)
            heads.append((q, k, v, weights))
        out += transpose(mixed)
    if maps is not None:
        maps += [weights for *_, weights in heads]

    # exercise 5.7 (hard; needs 5.3): the gradient of attention
    def backward(grad):
        """grad (N, n_embd) -> a tuple with the gradient of qkv (N, 3 * n_embd).
        heads has q, k, v (size, T) and weights w (T, T) for each head of each document. With g a
        row of grad: d value[s] = sum over t of w[t][s] g[t]; d = d w[t][s] = g[t] . value[s];
        d score[t][s] = scale * w * (d - m), with m the sum of w * d in row t, as raising all scores
        of a row alike changes no weight; d query[t] = sum over s of d score[t][s] key[s];
        d key[s] = sum over t of d score[t][s] query[t]."""
        d_qkv, head = [], iter(heads)
        for T in lengths:
            columns = transpose(grad[len(d_qkv):len(d_qkv) + T])      # (n_embd, T)
            d_queries, d_keys, d_values = [], [], []
            for c in range(0, n_embd, size):
                (q, k, v, weights), d_mixed = next(head), columns[c:c + size]
                d_values += inner(d_mixed, transpose(weights))        # (size, T)
                d_weights = inner(transpose(d_mixed), transpose(v))   # (T, T)
                d_scores = []
                for w, d in zip(weights, d_weights):
                    mean = dot(w, d)
                    d_scores.append([scale * p * (x - mean) for p, x in zip(w, d)])
                d_queries += inner(k, d_scores)                       # (size, T)
                d_keys += inner(q, transpose(d_scores))               # (size, T)
            d_qkv += transpose(d_queries + d_keys + d_values)
        return (d_qkv,)
    return Tensor(out, (qkv,), backward)


# %% 6. The network
# Attention is blind to order, so we add an embedding of the position to that of the token: that is
# the residual stream, a row of n_embd numbers for each position. Each of n_layer blocks adds to it
# twice: attention moves information between positions, then a two-layer network (MLP) works on each
# alone. As they only add, gradients come through whole to the first block. At the end, dot products
# compare the stream with each token's embedding: the same weights, tied, lead in and out.
class GPT:
    """GPT-2, with sizes as in its config.json (n_positions: block_size, how far it can look back).
    params: {name: Tensor}, see shapes_of. Raises InputError if n_head does not divide n_embd."""

    def __init__(self, params, config):
        self.params, self.config = params, config
        self.boundary = int(config["eos_token_id"])
        if math.gcd(config["n_embd"], config["n_head"]) != config["n_head"]:
            raise InputError(f"{config['n_embd']} channels for {config['n_head']} heads")

    def __call__(self, ids, lengths=None, past=None, maps=None):
        """ids (N) -> logits (N, vocab_size): at each position, one for each token that may be next.
        ids may be several documents, as in attention, which fills maps. Or they continue the tokens
        whose keys and values are in `past`, for each layer; then only the last gets logits.
        Raises InputError for ids or positions that there are not, and if logits are no numbers."""
        def layer(name):
            return self.params[name + ".weight"], self.params[name + ".bias"]

        lengths, n_head = lengths or [len(ids)], self.config["n_head"]
        start = len(past[0][0]) if past else 0
        positions = [start + t for T in lengths for t in range(T)]
        wte = self.params["wte.weight"]
        x = embedding(wte, ids) + embedding(self.params["wpe.weight"], positions)  # (N, n_embd)
        for i in range(self.config["n_layer"]):
            a = layer_norm(x, *layer(f"h.{i}.ln_1"))
            a = linear(a, *layer(f"h.{i}.attn.c_attn"))                          # (N, 3 * n_embd)
            if past:
                a = Tensor([attend(qkv, n_head, *past[i]) for qkv in a.data])
            else:
                a = attention(a, n_head, lengths, maps)                          # (N, n_embd)
            x = x + linear(a, *layer(f"h.{i}.attn.c_proj"))
            m = layer_norm(x, *layer(f"h.{i}.ln_2"))
            m = gelu(linear(m, *layer(f"h.{i}.mlp.c_fc")))                       # (N, 4 * n_embd)
            x = x + linear(m, *layer(f"h.{i}.mlp.c_proj"))                       # (N, n_embd)
        x = Tensor(x.data[-1:]) if past else x
        no_bias = Tensor([0.0] * len(wte.data))
        logits = linear(layer_norm(x, *layer("ln_f")), wte, no_bias)             # (N, vocab_size)
        if not math.isfinite(sum(map(sum, logits.data))):
            raise InputError("the logits are no numbers: the weights have become too large")
        return logits


def shapes_of(config):
    """{name: shape} of all parameters: wte embeds tokens, wpe positions; h.0 is the first block.
    ln_ are layer norms, c_ linear layers: c_attn makes qkv; c_proj leads back to the stream."""
    n = config["n_embd"]
    block = {"ln_1": (n,), "attn.c_attn": (3 * n, n), "attn.c_proj": (n, n),
             "ln_2": (n,), "mlp.c_fc": (4 * n, n), "mlp.c_proj": (n, 4 * n)}
    layers = {f"h.{i}.{name}": shape for i in range(config["n_layer"])
              for name, shape in block.items()}
    shapes = {"wte.weight": (config["vocab_size"], n), "wpe.weight": (config["n_positions"], n)}
    for name, shape in {**layers, "ln_f": (n,)}.items():
        shapes[name + ".weight"], shapes[name + ".bias"] = shape, shape[:1]
    return shapes


def first_weights(config, seed):
    """{name: Tensor} of all parameters, as random as they are before training. GPT-2's standard
    deviation is 0.02, which makes sums over 768 channels 0.02 sqrt(768) = 0.55 times as large as
    what is summed: as here at any width. Weights of the 2 n_layer layers that add to the stream are
    divided by the root of 2 n_layer, so that depth does not swell it. Embeddings have length 1."""
    rng, params = random.Random(seed), {}
    for name, shape in shapes_of(config).items():
        depth = 2 * config["n_layer"] if "c_proj" in name else 1
        std = (0.55 if ".c_" in name else 1.0) / math.sqrt(config["n_embd"] * depth)
        data = [float("ln_" in name and "weight" in name)] * shape[0]  # scale 1, all else 0
        if len(shape) == 2:
            data = [[rng.gauss(0, std) for _ in range(shape[1])] for _ in range(shape[0])]
        params[name] = Tensor(data)
    return params


# %% 7. Loss
# How wrong is the model? Its surprise at what really came: -log of the probability it gave to it,
# averaged over all tokens, in nats. To hold all of 27 tokens for equally likely costs log 27 = 3.30
# nats; certainty, when right, 0. A fresh network costs more than 3.30: it believes in its guesses.
def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (N, vocab_size), N ids -> nats a token.
    Raises ValueError for a target out of range."""
    n, vocab_size = logits.shape
    if not 0 <= min(targets) <= max(targets) < vocab_size:
        raise ValueError(f"targets {targets} are not all below {vocab_size}")
    probs = [softmax(row) for row in logits.data]
    # -log p[target] = (top logit - target's logit) - log(top p): p[target] itself can round to 0
    loss = sum(max(row) - row[target] - math.log(max(p))
               for row, p, target in zip(logits.data, probs, targets, strict=True)) / n

    def backward(grad):  # d loss / d logit = (p - 1 if it is the target's, else p) / n
        d_logits = [[grad / n * p for p in row] for row in probs]
        for row, target in zip(d_logits, targets):
            row[target] -= grad / n
        return (d_logits,)
    return Tensor(loss, (logits,), backward)


def loss_of(model, documents):
    """The loss of a batch of documents, in nats a token, as a Tensor."""
    inputs = [i for ids in documents for i in ids[:-1]]
    targets = [i for ids in documents for i in ids[1:]]
    return cross_entropy(model(inputs, [len(ids) - 1 for ids in documents]), targets)


def evaluate(model, documents):
    """The mean loss over all tokens of the documents, in nats a token."""
    counts = [len(ids) - 1 for ids in documents]
    return dot([loss_of(model, [ids]).data for ids in documents], counts) / sum(counts)


# %% 8. Training
# The gradient says which way is downhill, for this batch. AdamW makes a good step of it: it
# averages the gradient over past steps (m), so that the noise of batches cancels, and divides by
# its usual size, the root of its average square (v), so that faint gradients teach as fast as loud
# ones. W is for weight decay: each step also shrinks weights a little, so that one stays large only
# if the data keeps asking for it. It is decoupled: in the gradient, its size would be divided out.
def as_rows(data):
    """The rows of a matrix; a list of numbers counts as one row."""
    return data if hasattr(data[0], "__len__") else [data]


# exercise 5.4: a step of AdamW
def adamw_step(params, t, lr, weight_decay, beta1=0.8, beta2=0.99, eps=1e-8):
    """Step t, the first is 1: move params by about lr, the learning rate, against their gradients.
    With the gradient g of a weight w, m becomes beta1 m + (1 - beta1) g, and v becomes beta2 v +
    (1 - beta2) g^2: these are p.m and p.v, lists of rows. They begin at 0, so they are too small;
    m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t) are not. Then w loses lr m' / (sqrt(v') + eps)
    and, in a matrix, lr weight_decay w: a network is no simpler for biases or scales near 0.
    Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization". Then .grad is None."""
    new1, new2 = 1 - beta1, 1 - beta2
    correction1, correction2 = 1 - beta1 ** t, 1 - beta2 ** t
    for p in params:
        keep = 1 - lr * weight_decay if len(p.shape) == 2 else 1.0
        for w, grad, m, v in zip(as_rows(p.data), as_rows(p.grad), p.m, p.v, strict=True):
            for i, g in enumerate(grad):
                m[i] = mean = beta1 * m[i] + new1 * g
                v[i] = square = beta2 * v[i] + new2 * g * g
                m_hat = mean / correction1
                v_hat = square / correction2
                w[i] = keep * w[i] - lr * m_hat / (math.sqrt(v_hat) + eps)
        p.grad = None


def train(model, documents, steps, batch_size, lr, weight_decay):
    """Train the model, yielding the loss of each step. Documents are taken in turn, and again."""
    params, documents, warmup = model.params.values(), itertools.cycle(documents), steps // 20
    for p in params:
        p.data = [list(row) for row in p.data] if p.shape[1:] else p.data  # from arrays, if loaded
        p.grad = None
        p.m, p.v = ([[0.0] * len(row) for row in as_rows(p.data)] for _ in range(2))
    for step in range(1, steps + 1):
        loss = loss_of(model, list(itertools.islice(documents, batch_size)))
        loss.backward()
        # No odd batch may make a huge step: all gradients together are cut to a length of 1.
        rows = [row for p in params for row in as_rows(p.grad)]
        norm = math.sqrt(sum(dot(row, row) for row in rows))
        for row in rows if norm > 1 else ():
            row[:] = [g / norm for g in row]
        # up while m and v settle, then down: large steps find the valley, small ones its floor
        rate = lr * min(step / (warmup + 1), (steps + 1 - step) / (steps - warmup))
        adamw_step(params, step, rate, weight_decay)
        yield loss.data


# %% 9. Generation
# The network gives probabilities for the next token; one is drawn, appended, and so on. As keys and
# values of earlier ones are kept (past), each costs a single row. All the unlikely tokens together
# are quite likely: text gets better if only the likeliest, top_k or top_p of them, may be drawn.
# exercise 5.5: which token comes next
def choose(logits, temperature, top_k, top_p, rng):
    """A token drawn from the list of logits by rng, a random.Random. temperature divides them:
    below 1, the likely becomes likelier; 0 takes the likeliest. top_k leaves the k likeliest, None
    all; of these, top_p leaves the fewest with that share (nucleus sampling, Holtzman 2020)."""
    likeliest = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:top_k]
    if temperature < 1e-9:
        return likeliest[0]
    probs = softmax([logits[i] / temperature for i in likeliest])
    n = 1 + sum(total < top_p for total in itertools.accumulate(probs))
    return rng.choices(likeliest[:n], probs[:n])[0]


def generate(model, ids, max_new_tokens, pick):
    """Yields tokens that continue the ids, each picked from its logits by the function pick, until
    that is the boundary or the context ends. Raises InputError for no ids, or more than fit."""
    past, room = [([], []) for _ in range(model.config["n_layer"])], model.config["n_positions"]
    if not 0 < len(ids) <= room:
        raise InputError(f"{len(ids)} tokens, for a context of {room}")
    for _ in range(min(max_new_tokens, room + 1 - len(ids))):
        token = pick(model(ids, past=past).data[0])
        if token == model.boundary:
            return
        yield token
        ids = [token]  # what came before is in past


# You can stop here: what follows saves, draws and reads options.

# %% 10. Checkpoints
# A model outlives its training in a folder: config.json has its sizes; model.safetensors a header
# in JSON, with each tensor's type, shape and place, and then the numbers. OpenAI's GPT-2 comes like
# this, and what is written here loads in PyTorch. Linear layers are turned there, (n_in, n_out).
AS_HERE = {"model_type": "gpt2", "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
           "tie_word_embeddings": True, "scale_attn_weights": True,
           "scale_attn_by_inverse_layer_idx": False}  # a config that says otherwise is refused
ITEM_SIZES = {"F32": 4, "F16": 2, "BF16": 2}  # bytes of a number, by its type


def save(folder, model):
    """Write the model for transformers and load(); under other names first, so no file is half."""
    header, parts, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, p in model.params.items():
        rows, shape = as_rows(p.data), p.shape
        if ".c_" in name:  # of a bias, this changes nothing
            rows, shape = transpose(rows), shape[::-1]
        parts.append(array("f", itertools.chain(*rows)).tobytes())
        start, end = end, end + len(parts[-1])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    weights = struct.pack("<Q", len(text)) + text + b"".join(parts)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, data in (("model.safetensors", weights),
                       ("config.json", json.dumps(model.config).encode())):
        part = Path(folder, name + ".part")
        part.write_bytes(data)
        part.replace(Path(folder, name))


def load(folder):
    """The model in a folder, saved here or a GPT-2 from elsewhere. Raises InputError for others."""
    try:
        config = json.loads(Path(folder, "config.json").read_bytes())
        with open(Path(folder, "model.safetensors"), "rb") as file:
            return GPT(read_weights(file, config), config)
    except Exception as error:  # whatever comes of bytes that mean something else
        raise InputError(f"{folder}: no GPT-2 as it is here: {error!r:.200}") from error


def read_weights(file, config):
    """{name: Tensor} of an open model.safetensors. Raises ValueError if it is not as in config."""
    size, length = Path(file.name).stat().st_size, int.from_bytes(file.read(8), "little")
    entries = {name.removeprefix("transformer."): entry
               for name, entry in json.loads(file.read(min(length, size))).items()}
    needed = {**AS_HERE, "n_layer": sum(name.endswith("ln_1.weight") for name in entries)}
    if any(config.get(key, value) != value for key, value in needed.items()):
        raise ValueError(f"config.json must have {needed}")
    params = {}
    for name, shape in shapes_of(config).items():
        entry, turned, n = entries[name], ".c_" in name, math.prod(shape)
        start, end = entry["data_offsets"]
        if entry["shape"] != list(shape[::-1] if turned else shape) or not (
                0 <= start <= start + n * ITEM_SIZES[entry["dtype"]] == end <= size - length - 8):
            raise ValueError(f"{name}: {entry}")
        file.seek(8 + length + start)
        data = file.read(end - start)
        if entry["dtype"] == "BF16":  # the upper half of an F32
            data = array("I", [upper << 16 for upper in array("H", data)]).tobytes()
        numbers = array("f", struct.unpack(f"<{n}e", data) if entry["dtype"] == "F16" else data)
        rows = [numbers[j::shape[0]] for j in range(shape[0])] if turned else \
            [numbers[i:i + shape[-1]] for i in range(0, n, shape[-1])]
        params[name] = Tensor(rows if len(shape) == 2 else numbers.tolist())
    return params


# %% 11. The command line
# Nothing below is about networks. The default sizes learned the most in about a minute.
SETTINGS = """\
--data            str    None   UTF-8 text, a document a line, in place of names.txt
--ids             str    None   or token ids by bpe.py (-: standard input); with --load, to continue
--load            str    None   folder of a model to begin with
--save            str    None   folder for the trained model, written at each tenth of the way
--steps           int    None   training steps: 2200, or 0 with --load
--batch-size      int    8      documents a step
--lr              float  0.01   peak learning rate
--weight-decay    float  0.01   pull of matrices towards 0
--seed            int    42     where all randomness starts
--n-layer         int    1      blocks of a new model
--n-head          int    4      heads of attention in each
--n-embd          int    24     channels of an embedding
--block-size      int    16     tokens it can look at
--eval-docs       int    2000   documents of each split to evaluate on
--samples         int    20     texts to invent
--prompt          str    None   how each begins
--max-new-tokens  int    50     how much is added at most
--temperature     float  1.0    below 1 plays safe, 0 takes the likeliest
--top-k           int    None   draw from so many, the likeliest
--top-p           float  1.0    draw from the likeliest of this joint probability"""
MAY_BE_0 = "steps weight_decay seed eval_docs samples max_new_tokens temperature test".split()


def draw_name(model, tokenizer, ids):
    """Print, for each of ids after the first, its probability, the likeliest, and the heads."""
    maps = []
    logits = model(ids[:-1], maps=maps).data
    print("\ncame    likeliest   where each head looks, from the beginning to the letter before")
    for t, (came, row) in enumerate(zip(ids[1:], logits)):
        probs = softmax(row)
        best = probs.index(max(probs))
        heads = ["".join(" ·░▒▓█"[math.ceil(5 * w)] for w in weights[t]) for weights in maps]
        print(f"{tokenizer.decode([came]):2}{probs[came]:4.0%}  {tokenizer.decode([best]):2}"
              f"{probs[best]:4.0%}      {'  '.join(heads)}")


def read_options(argv):
    """The options, as attributes. Raises InputError for a number out of range."""
    parser = argparse.ArgumentParser(usage="gpt.py [options]")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    for row in SETTINGS.splitlines():
        name, kind, default, phrase = row.split(maxsplit=3)
        kind = {"str": str, "int": int, "float": float}[kind]
        parser.add_argument(name, type=kind, help=f"{phrase} (default: {default})",
                            default=None if default == "None" else default)
    args = parser.parse_args(argv)
    if args.data and args.ids:
        raise InputError("--data or --ids, not both")
    for name, value in vars(args).items():
        if isinstance(value, (int, float)) and not (value > 0 or value == 0 and name in MAY_BE_0):
            raise InputError(f"--{name.replace('_', '-')}: {value} is out of range")
    return args


def main(argv=None):
    """Trains a model, or loads one, and shows what it can do. Raises InputError and OSError."""
    args = read_options(argv)
    model = load(args.load) if args.load else None
    steps = (0 if model else 2200) if args.steps is None else args.steps
    training = steps or args.data or not model
    path = args.ids or args.data or Path(__file__).with_name("names.txt")
    lines = [line for line in read_lines(path) if line] if training else []
    prompts = [args.prompt or ""] * args.samples
    if args.ids and not training:
        prompts = read_lines(path)
    characters = None if args.ids else "".join(sorted(set("".join(lines))))
    tokenizer = Tokenizer(model.config.get("characters") if model else characters)
    documents = [tokenizer.encode(line) for line in lines]
    if not model:
        boundary = max(map(max, documents), default=0) + 1
        config = {**AS_HERE, "vocab_size": boundary + 1, "n_positions": args.block_size,
                  "n_layer": args.n_layer, "n_embd": args.n_embd, "n_head": args.n_head,
                  "eos_token_id": boundary, "characters": characters}
        model = GPT(first_weights(config, args.seed), config)
    rng = random.Random(args.seed)

    def invent(prompt):
        ids = tokenizer.encode(prompt)
        pick = lambda logits: choose(logits, args.temperature, args.top_k, args.top_p, rng)
        begin = [model.boundary] * ("characters" in model.config or not ids)  # as in training here
        return itertools.chain(ids, generate(model, begin + ids, args.max_new_tokens, pick))

    if training:
        splits = make_splits(documents, model.boundary, model.config["n_positions"], args.seed)
        losses, begun = [], time.monotonic()
        try:
            for loss in train(model, splits["train"], steps, args.batch_size, args.lr,
                              args.weight_decay):
                losses.append(loss)
                step, mean = len(losses), sum(losses[-100:]) / len(losses[-100:])
                left = (time.monotonic() - begun) / step * (steps - step)
                line = f"step {step:5}  loss {mean:.4f}"
                if sys.stderr.isatty():
                    print(f"{line}  {left:.0f} s left   ", end="\r", file=sys.stderr, flush=True)
                if step == 1 or step % max(1, steps // 10) == 0:
                    text = "".join(tokenizer.decode(invent(prompt)) for prompt in prompts[:1])
                    print(f"{line} |{' ' * round(min(9 * mean, 38))}*  {text}", flush=True)
                    if args.save:
                        save(args.save, model)
        except KeyboardInterrupt:
            print(f"\nstopped at step {len(losses)}; Ctrl-C again quits", file=sys.stderr)
        if args.save:
            save(args.save, model)
        for name in ("train", "dev", "test")[:2 + args.test] if args.eval_docs else ():
            print(f"{name} loss {evaluate(model, splits[name][:args.eval_docs]):.4f}", flush=True)
        if prompts:
            draw_name(model, tokenizer, splits["dev"][0])
            print("\nsamples (* is one of the documents)")
    for prompt in prompts:
        ids = []
        for token in invent(prompt):
            ids.append(token)
            print(tokenizer.decode([token]), end="", flush=True)
        print(" *" if ids in documents else "", flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"gpt.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: how is a list learned by heart? [--n-layer 2 --n-embd 64 --batch-size 32 --lr 0.003
# --weight-decay 0 --steps 6000: train 1.488, dev 2.308] What do --steps 8800 buy? [dev 2.113]
