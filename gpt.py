"""GPT-2 in one file: a transformer that learns to invent names.

wavenet.py joined the letters of its context in a fixed tree, the same for every name. Here each
letter looks back at all the letters before it and decides, by what they are, which of them matter:
that is attention. The network around it is GPT-2's, some 15,000 times smaller than the smallest
GPT-2, which has 124 million weights; the training (AdamW, warm-up, clipping) is the one usual for
such networks.

    python gpt.py                        train on names.txt, evaluate, sample, draw; under a minute
    python gpt.py --prompt ma            invent names that begin with "ma"
    python gpt.py --explain sofia        what the network expects at each letter, and where it looks
    python gpt.py --data play.txt --stream --block-size 32     learn from one long text
    python gpt.py --save model           keep what was learned, in a folder that PyTorch can read
    python gpt.py --load model           invent names with it
    python gpt.py --load gpt2 --ids -    continue token ids, made by bpe.py, with OpenAI's GPT-2
    python gpt.py --help                 every option and its default

It prints a few samples as they get better, the losses, the loss curve, twenty invented names, and
at the end one name letter by letter, with the attention of each head. How a model is saved and
loaded (section 11) is not needed to understand what it does.

Papers: Vaswani et al. 2017, "Attention Is All You Need"; Radford et al. 2019, "Language Models are
Unsupervised Multitask Learners" (GPT-2); Ba et al. 2016, "Layer Normalization"; Hendrycks and
Gimpel 2016, "Gaussian Error Linear Units"; Press and Wolf 2017, "Using the Output Embedding to
Improve Language Models"; Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization";
Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization"; Holtzman et al. 2020, "The
Curious Case of Neural Text Degeneration" (top_p).
"""
import argparse
import contextlib
import json
import math
import operator
import os
import random
import re
import shutil
import signal
import struct
import sys
import time
import unicodedata
import warnings
from array import array

# %% 1. Data
# A network knows only numbers, so text becomes token ids: here each character is a token. One more
# token, the boundary, stands before and after every document (a name is a document). It tells the
# model where to begin, and by predicting it the model says "this name is finished".

BOUNDARY = 0  # its id; the characters follow from 1


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
    """Text to token ids and back, with a token for each character that occurs in `text`.

    (bpe.py has the tokens that real models use. Text comes from there as ids: see --ids.)
    """

    def __init__(self, text):
        self.chars = sorted(set(text))
        self.id_of = {char: i for i, char in enumerate(self.chars, start=BOUNDARY + 1)}
        self.n_vocab = len(self.chars) + 1  # the boundary is one more

    def encode(self, text):
        """The ids of the characters of `text`. Raises ValueError for one the data never had."""
        for char in text:
            if char not in self.id_of:
                raise ValueError(f"{char!r} never occurs in the data, so the model has no token "
                                 f"for it; it knows {''.join(self.chars[:60])!r}")
        return [self.id_of[char] for char in text]

    def decode(self, ids):
        """The text of `ids`, boundaries left out."""
        return "".join(self.chars[i - 1] for i in ids if i != BOUNDARY)


def split(items):
    """80% to train on, 10% (dev) to choose settings by, 10% (test) to look at once, at the end."""
    tenth = max(1, len(items) // 10)
    return items[2 * tenth:], items[:tenth], items[tenth:2 * tenth]


def windows(ids, block_size, seed):
    """Examples from one long list of ids: each begins where the one before ended."""
    parts = [[part[i:i + block_size + 1] for i in range(0, len(part) - block_size, block_size)]
             for part in split(ids)]
    random.Random(seed).shuffle(parts[0])
    return dict(zip(("train", "dev", "test"), parts))


def between_boundaries(documents, boundary, block_size, seed):
    """Examples from lists of ids, shuffled: each between two boundaries, and cut if too long."""
    random.Random(seed).shuffle(documents)
    parts = [[[boundary, *ids, boundary][:block_size + 1] for ids in part]
             for part in split(documents)]
    return dict(zip(("train", "dev", "test"), parts))


def load(path, block_size, seed, stream=False, tokenizer=None):
    """The tokenizer of a text file, and a dict of its examples: "train", "dev" and "test".

    An example is a list of ids. All but the last are inputs, and the target for each is the id that
    comes next; at most block_size are inputs, what is longer is cut. An example is a document, a
    line of the file between two boundaries, the lines shuffled; or, from one long text (stream), a
    window that begins where the one before ended, without boundaries, those to train on shuffled. A
    tokenizer is made if none is given. Raises ValueError if the file is no text, too short, or has
    a character that the given tokenizer does not know.
    """
    text = read_text(path)
    documents = [line.strip() for line in text.split("\n") if line.strip()]
    if stream and len(text) < 10 * (block_size + 1):
        raise ValueError(f"{path}: {len(text)} characters are too few, as a tenth of them must "
                         f"fill a window of {block_size + 1}: add text or lower --block-size")
    if not stream and len(documents) < 3:
        raise ValueError(f"{path}: {len(documents)} documents are too few: train, dev and test "
                         f"need one each; put one document on each line")
    tokenizer = tokenizer or CharTokenizer(text if stream else "".join(documents))
    if stream:
        return tokenizer, windows(tokenizer.encode(text), block_size, seed)
    return tokenizer, between_boundaries(list(map(tokenizer.encode, documents)), BOUNDARY,
                                         block_size, seed)


# %% 2. A tensor that knows where it came from
# Training asks one question of every weight: if it grew a little, how would the loss change? The
# chain rule answers it for all of them in one walk back from the loss, if each number remembers
# what it was computed from. This is the Tensor of wavenet.py, but for matrices alone: the tokens of
# all documents are the rows of one, and attention will be told how long each document is.


class Tensor:
    """A number, a list of numbers or a list of rows, and how to send a gradient back through it.

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
        """() for a number, (n,) for a list, (n, m) for n rows of m."""
        shape, data = (), self.data
        while isinstance(data, list):
            shape, data = shape + (len(data),), data[0]
        return shape

    def __add__(self, other):
        """Elementwise sum of two tensors of one shape."""
        if self.shape != other.shape:
            raise ValueError(f"cannot add shapes {self.shape} and {other.shape}")
        return Tensor(add(self.data, other.data), (self, other), lambda grad: (grad, grad))

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


# %% 3. Embedding and linear layer
# The first layer looks up a row of numbers for each token; the rest of the network mixes those
# numbers. The k-th numbers of all rows are called channel k: each is a quantity that the network
# has a use for. Mixing channels is dot products, and they are nearly all that a transformer does,
# forward and backward: `inner` computes them.


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


# exercise 5.1: looking up, and back
def embedding(weight, ids):
    """Row ids[i] of weight (n, m) for each i: -> (len(ids), m).

    A Tensor, with the way back to weight: a row of its gradient is the sum of those of all places
    to which that row was copied.
    """
    out = [weight.data[i] for i in ids]

    def backward(grad):
        d_weight = [[0.0] * len(row) for row in weight.data]
        for i, row in zip(ids, grad):
            d_weight[i] = add(d_weight[i], row)  # a token that occurs twice gets both
        return (d_weight,)
    return Tensor(out, (weight,), backward)


def linear(x, weight, bias=None):
    """x (N, n_in) @ weight (n_in, n_out) + bias (n_out) -> (N, n_out).

    Raises ValueError if the shapes do not fit.
    """
    parents = (x, weight) if bias is None else (x, weight, bias)
    n_in, n_out = weight.shape
    if x.shape[1:] != (n_in,) or bias is not None and bias.shape != (n_out,):
        raise ValueError(f"linear: the shapes {[t.shape for t in parents]} do not fit together")
    out = inner(x.data, zip(*weight.data))  # zip(*rows) goes through the columns
    if bias is not None:
        out = [add(row, bias.data) for row in out]

    def backward(grad):  # (N, n_out)
        columns = list(zip(*grad))
        d_x = inner(grad, weight.data)           # grad @ weight.T -> (N, n_in)
        d_weight = inner(zip(*x.data), columns)  # x.T @ grad -> (n_in, n_out)
        d_bias = list(map(sum, columns))
        return (d_x, d_weight, d_bias)[:len(parents)]
    return Tensor(out, parents, backward)


# %% 4. Layer norm and GELU
# Layer norm brings every row back to mean 0 and variance 1, so that no layer has to cope with
# numbers that grew or shrank on the way; then it lets the network choose a scale and a shift for
# each channel. GELU is the bend: two linear layers with nothing between them are only one.


def layer_norm(x, weight, bias, eps=1e-5):
    """Each row of x (N, n) to mean 0 and variance 1, times weight (n), plus bias (n): -> (N, n).

    eps keeps a row of equal numbers from dividing by 0. Ba et al. 2016, equation 4. Raises
    ValueError if the shapes do not fit.
    """
    n = len(weight.data)
    if not x.shape[1:] == weight.shape == bias.shape:
        raise ValueError(f"layer_norm: rows of {x.shape[1:]} numbers, weight {weight.shape} and "
                         f"bias {bias.shape} do not fit together")
    normed, scales, out = [], [], []  # the rows as normalised, and 1 / their standard deviations
    for row in x.data:
        mean = sum(row) / n
        centred = [v - mean for v in row]
        scale = 1 / math.sqrt(sum([v * v for v in centred]) / n + eps)
        normed.append([v * scale for v in centred])
        scales.append(scale)
        out.append([v * w + b for v, w, b in zip(normed[-1], weight.data, bias.data)])

    def backward(grad):
        d_x, d_weight = [], []
        for g, row, scale in zip(grad, normed, scales):
            d_weight.append(list(map(operator.mul, g, row)))
            d_row = list(map(operator.mul, g, weight.data))
            # Adding a constant to x, or stretching it, leaves the normalised row as it was, so the
            # gradient has no part in these directions: subtract its mean, and its part along row.
            shift = sum(d_row) / n
            stretch = sum(map(operator.mul, d_row, row)) / n
            d_x.append([scale * (d - shift - stretch * v) for d, v in zip(d_row, row)])
        return d_x, list(map(sum, zip(*d_weight))), list(map(sum, zip(*grad)))
    return Tensor(out, (x, weight, bias), backward)


# exercise 5.2: GELU and its slope
def gelu(x):
    """x times the probability that a normal random number is below x, nearly: GPT-2's formula.

    0.5 x (1 + tanh(a x + b x^3)), where a = sqrt(2 / pi) and b = 0.044715 a, of each number of x
    (N, n): about x where it is large, about 0 where it is very negative. A Tensor, with the way
    back to x. Hendrycks and Gimpel 2016, section 2.
    """
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
# The dot products of a query with all keys, made weights that sum to 1, say how much of each value
# it gets. Several heads do this side by side, each on its own slice of the channels, so that one
# may look for the last vowel and another at the first letter. Attention is causal: a position sees
# itself and what came before, never what comes after, or it could just copy the answer from there.


def softmax(row):
    """Any numbers to numbers from 0 to 1 that sum to 1, in proportion to their exponentials."""
    top = max(row)  # subtracted, it cancels out, and no exponential can overflow
    exps = [math.exp(v - top) for v in row]
    total = sum(exps)
    return [e / total for e in exps]


# exercise 5.3: the causal mask
def causal_softmax(scores, scale):
    """scores (T, T) -> weights (T, T): row t is softmax of scale times its first t + 1 scores.

    The others are of positions that come later, and have the weight 0. Vaswani et al. 2017,
    equation 1, and section 3.2.3 on the mask.
    """
    return [softmax([scale * s for s in row[:t]]) + [0.0] * (len(row) - t)
            for t, row in enumerate(scores, start=1)]


def attention(qkv, n_head, lengths, maps=None):
    """Causal self-attention: qkv (N, 3 * n_embd), rows of query, key, value -> (N, n_embd).

    The N rows are documents laid end to end, of the given lengths; none sees another. Vaswani et
    al. 2017, equation 1. `maps`, if it is a list, receives the weights (T, T) of each head. Raises
    ValueError if the shapes do not fit.
    """
    if qkv.shape[1] % (3 * n_head) or sum(lengths) != qkv.shape[0]:
        raise ValueError(f"attention: {n_head} heads, queries, keys and values, and documents of "
                         f"{lengths} rows do not fit into shape {qkv.shape}")
    n_embd = qkv.shape[1] // 3
    size = n_embd // n_head  # channels a head
    scale = 1 / math.sqrt(size)  # a dot product of `size` terms spreads as sqrt(size): undo that
    heads, out = [], []
    for T in lengths:
        columns = list(zip(*qkv.data[len(out):len(out) + T]))  # (3 * n_embd, T)
        mixed = []
        for c in range(0, n_embd, size):  # c: where a head's channels begin
            q, k, v = (columns[c + i:c + i + size] for i in (0, n_embd, 2 * n_embd))  # (size, T)
            scores = inner(zip(*q), zip(*k))  # (T, T): row t, what position t looks for
            weights = causal_softmax(scores, scale)
            # (size, T): at each t, the values averaged by its weights. With inner, a later value,
            # though its weight is 0, could change the last digit by rounding; so a plain sum.
            mixed += [[sum(map(operator.mul, w, channel)) for w in weights] for channel in v]
            heads.append((q, k, v, weights))
        out += transpose(mixed)
    if maps is not None:
        maps.extend(weights for _, _, _, weights in heads)

    # exercise 5.7: the gradient of attention
    def backward(grad):
        """grad (N, n_embd) -> a tuple with the gradient of qkv (N, 3 * n_embd).

        `heads` has q, k and v (size, T) and weights (T, T) for each head of each document in turn.
        A value gets the gradients of what it went into, times its weights there; and a weight the
        dot product of its value with the gradient of what that went into. The scores of a row get
        scale * w * (d - m) from the gradient d of its weights w; m, the mean of d weighted by w,
        drops out, as raising all scores alike changes no weight. And a query gets the keys, a key
        the queries, times the gradient of their score.
        """
        d_qkv, head = [], iter(heads)
        for T in lengths:
            columns = list(zip(*grad[len(d_qkv):len(d_qkv) + T]))  # (n_embd, T)
            d_queries, d_keys, d_values = [], [], []
            for c in range(0, n_embd, size):
                (q, k, v, weights), d_mixed = next(head), columns[c:c + size]
                d_values += inner(d_mixed, zip(*weights))  # (size, T)
                d_weights = inner(zip(*d_mixed), zip(*v))  # (T, T)
                d_scores = []
                for w, d in zip(weights, d_weights):
                    mean = sum(map(operator.mul, w, d))
                    d_scores.append([scale * p * (x - mean) for p, x in zip(w, d)])
                d_queries += inner(k, d_scores)            # (size, T)
                d_keys += inner(q, zip(*d_scores))         # (size, T)
            d_qkv += transpose(d_queries + d_keys + d_values)
        return (d_qkv,)
    return Tensor(out, (qkv,), backward)


# %% 6. The network
# Token embedding plus position embedding make the residual stream: one row of n_embd numbers for
# each position. It runs through n_layer blocks. Each reads it twice and adds to it twice: attention
# moves information between positions, then a small two-layer network (MLP, multi-layer perceptron)
# works on each position alone. As they only add, gradients come through to the first block whole.
# After a last layer norm, dot products compare the stream with every token's embedding: the better
# the match, the likelier the token. (block_size is no block's size: it is how many tokens the
# model can look at.) Larger runs often switch off random channels while training (dropout), so
# that nothing is learned by heart; in less than three passes over the data there is little danger.


def check_finite(numbers):
    """Raises FloatingPointError if their sum is infinite or no number."""
    if not math.isfinite(sum(numbers)):
        raise FloatingPointError("the loss turned into NaN, as the steps were too large; "
                                 "try a smaller --lr")


def shapes_of(vocab_size, block_size, n_layer, n_embd):
    """{name: shape} of all parameters of a GPT-2.

    vocab_size is the tokenizer's n_vocab, as GPT-2 calls it. wte embeds tokens, wpe positions; h.0
    is the first block; c_attn makes queries, keys and values, c_fc is the first layer of the MLP;
    both c_proj lead back to the stream; ln_1, ln_2 and ln_f, the final one, are layer norms.
    """
    shapes = {"wte.weight": (vocab_size, n_embd), "wpe.weight": (block_size, n_embd)}
    for i in range(n_layer):
        for name, n_in, n_out in (("attn.c_attn", n_embd, 3 * n_embd),
                                  ("attn.c_proj", n_embd, n_embd),
                                  ("mlp.c_fc", n_embd, 4 * n_embd),
                                  ("mlp.c_proj", 4 * n_embd, n_embd)):
            shapes[f"h.{i}.{name}.weight"] = (n_in, n_out)
            shapes[f"h.{i}.{name}.bias"] = (n_out,)
    for name in [f"h.{i}.ln_{j}" for i in range(n_layer) for j in (1, 2)] + ["ln_f"]:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (n_embd,)
    return shapes


class GPT:
    """GPT-2 (Radford et al. 2019), its parameters in a dict under the names they have there."""

    def __init__(self, vocab_size, block_size, n_layer, n_head, n_embd, seed):
        """Random weights. Raises ValueError for a size below 1, or n_embd no multiple of n_head.

        GPT-2's weights start with a standard deviation of 0.02. With 768 channels, the sum of 768
        products then has 0.02 sqrt(768) = 0.55 times that of the inputs. We keep this 0.55 at any
        width. The 2 n_layer projections that add to the stream are divided by the root of their
        number, so that depth does not swell it. Embeddings get 1 / sqrt(n_embd), rows of length 1:
        that is twice as much, and learned faster.
        """
        if min(vocab_size, block_size, n_layer, n_head, n_embd) < 1:
            raise ValueError("vocab_size, block_size, n_layer, n_head, n_embd must be at least 1")
        if n_embd % n_head:
            raise ValueError(f"n_embd {n_embd} is not divisible by n_head {n_head}, and each head "
                             f"needs as many channels as the next")
        self.block_size, self.n_layer, self.n_head = block_size, n_layer, n_head
        rng = random.Random(seed)

        def normal(n_in, n_out, std):
            return Tensor([[rng.gauss(0, std) for _ in range(n_out)] for _ in range(n_in)])

        std = 0.02 * math.sqrt(768 / n_embd)
        self.params = {}
        for name, shape in shapes_of(vocab_size, block_size, n_layer, n_embd).items():
            if is_linear(name, shape):
                shrink = math.sqrt(2 * n_layer) if "c_proj" in name else 1
                self.params[name] = normal(*shape, std / shrink)
            elif len(shape) == 2:
                self.params[name] = normal(*shape, n_embd ** -0.5)
            else:  # layer norms begin by changing nothing
                scale = "ln_" in name and name.endswith("weight")
                self.params[name] = Tensor([float(scale)] * shape[0])

    def state_dict(self):
        """GPT-2's parameter names, each with its Tensor."""
        return dict(self.params)

    def parameters(self):
        """All parameters, as a list."""
        return list(self.params.values())

    def __call__(self, ids, lengths=None, maps=None):
        """ids (T) -> logits (T, vocab_size): at each position, a score for every next token.

        ids may be several documents laid end to end, with their lengths: all of them share the
        matrix products, and none sees another. `maps`, if it is a list, receives the attention
        weights of each layer's heads. Raises ValueError for an id or a length out of range, and
        FloatingPointError if training made the weights so large that the logits are no numbers.
        """
        lengths = [len(ids)] if lengths is None else lengths
        wte, wpe = self.params["wte.weight"], self.params["wpe.weight"]
        if not all(1 <= T <= self.block_size for T in lengths) or sum(lengths) != len(ids):
            raise ValueError(f"{len(ids)} ids in documents of {lengths}: each must have from 1 to "
                             f"block_size {self.block_size} ids")
        if not 0 <= min(ids) <= max(ids) < len(wte.data):
            raise ValueError(f"ids run from {min(ids)} to {max(ids)}; "
                             f"the model knows 0 to {len(wte.data) - 1}")

        def layer(name):
            return self.params[f"{name}.weight"], self.params[f"{name}.bias"]

        positions = [t for T in lengths for t in range(T)]
        x = embedding(wte, ids) + embedding(wpe, positions)                 # (N, n_embd)
        for i in range(self.n_layer):
            a = layer_norm(x, *layer(f"h.{i}.ln_1"))
            a = linear(a, *layer(f"h.{i}.attn.c_attn"))                     # (N, 3 * n_embd)
            a = attention(a, self.n_head, lengths, maps)                    # (N, n_embd)
            x = x + linear(a, *layer(f"h.{i}.attn.c_proj"))
            m = layer_norm(x, *layer(f"h.{i}.ln_2"))
            m = gelu(linear(m, *layer(f"h.{i}.mlp.c_fc")))                  # (N, 4 * n_embd)
            x = x + linear(m, *layer(f"h.{i}.mlp.c_proj"))                  # (N, n_embd)
        logits = linear(layer_norm(x, *layer("ln_f")), wte.T)               # (N, vocab_size)
        check_finite(map(sum, logits.data))
        return logits

    def generate(self, ids, max_new_tokens, temperature=1.0, top_k=None, rng=random, stop=None,
                 top_p=1.0):
        """The list of ids, continued by at most max_new_tokens tokens: see Decoder.generate."""
        return [*ids, *Decoder(self.params_by_column(), self.n_head, self.block_size).generate(
            ids, max_new_tokens, temperature, top_k, rng, stop, top_p)]

    def params_by_column(self):
        """The parameters as plain numbers, the matrices of linear layers turned on their side."""
        return {name: transpose(p.data) if is_linear(name, p.shape) else p.data
                for name, p in self.params.items()}


def is_linear(name, shape):
    """Whether the parameter is the matrix of a linear layer; the other matrices are embeddings."""
    return len(shape) == 2 and name not in ("wte.weight", "wpe.weight")


# %% 7. Loss
# How wrong is the model? Its surprise at what really came: -log of the probability it gave to it,
# averaged over all tokens, in nats (1 nat, from the natural logarithm, is 1.44 bits). To hold all
# of 27 tokens for equally likely costs log 27 = 3.30 nats; certainty, when right, costs 0. A fresh
# network costs more than 3.30: its guesses are as random as its weights, and it believes in them.


def cross_entropy(logits, targets):
    """The mean of -log softmax(logits)[target]: logits (N, vocab_size), N ids -> nats a token.

    Raises ValueError if there is not one target a row, each from 0 to vocab_size - 1.
    """
    n, vocab_size = logits.shape
    if len(targets) != n or not 0 <= min(targets) <= max(targets) < vocab_size:
        raise ValueError(f"targets {targets} do not fit logits of shape {logits.shape}")
    probs = list(map(softmax, logits.data))
    # -log p[target] = (top logit - target's logit) - log(top p): p[target] itself can round to 0
    loss = sum(max(row) - row[target] - math.log(max(p))
               for row, p, target in zip(logits.data, probs, targets)) / n

    def backward(grad):  # d loss / d logit = (p - 1 if it is the target's, else p) / n
        d_logits = [[grad / n * p for p in row] for row in probs]
        for row, target in zip(d_logits, targets):
            row[target] -= grad / n
        return (d_logits,)
    return Tensor(loss, (logits,), backward)


def loss_of(model, examples):
    """The loss of a batch of examples, in nats a token, as a scalar Tensor."""
    inputs = [i for ids in examples for i in ids[:-1]]
    targets = [i for ids in examples for i in ids[1:]]
    return cross_entropy(model(inputs, [len(ids) - 1 for ids in examples]), targets)


# %% 8. Training
# The gradient says which way is downhill, for this batch. AdamW makes a good step of it: it
# averages the gradient over past steps, so that the noise of single batches cancels, and divides it
# by its usual size, so that a weight with faint gradients learns as fast as one with loud ones. The
# W is for weight decay: each step also shrinks matrices a little, so that a weight stays large only
# if the data keeps asking for it. It is decoupled, no part of the gradient, so is not divided.


def as_rows(data):
    """The rows of a matrix; a list of numbers counts as one row."""
    return data if isinstance(data[0], list) else [data]


class AdamW:
    """Adam with decoupled weight decay: Loshchilov and Hutter 2019, algorithm 2.

    betas say how much of the two averages outlives a step: 0.8 is a memory of some 5 steps, 0.99 of
    100. The usual ones, 0.9 and 0.999, remember for longer than suits a run of a minute.
    """

    def __init__(self, params, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.01):
        self.params = params = list(params)
        self.betas, self.eps, self.weight_decay, self.steps = betas, eps, weight_decay, 0
        # m and v: the averages of the gradient and of its square, for each weight
        self.m = [[[0.0] * len(row) for row in as_rows(p.data)] for p in params]
        self.v = [[[0.0] * len(row) for row in as_rows(p.data)] for p in params]

    # exercise 5.4: a step of AdamW
    def step(self, lr):
        """Move every parameter by about lr against its average .grad, then set .grad to None.

        Loshchilov and Hutter 2019, algorithm 2: with a gradient g, m becomes
        beta1 m + (1 - beta1) g, and v beta2 v + (1 - beta2) g^2. In step t (self.steps counts them,
        the first is 1), with m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t), a weight w loses
        lr m' / (sqrt(v') + eps) and, if it stands in a matrix, lr weight_decay w.
        """
        self.steps += 1
        beta1, beta2 = self.betas
        new1, new2, sqrt = 1 - beta1, 1 - beta2, math.sqrt
        # The averages start at 0, so early on they are too small. Dividing m by 1 - beta1^t and v
        # by 1 - beta2^t mends that; the divisors are the same for all weights, so they go in here.
        root = sqrt(1 - beta2 ** self.steps)
        step_size, eps = lr * root / (1 - beta1 ** self.steps), self.eps * root
        for p, ms, vs in zip(self.params, self.m, self.v):
            # Only matrices decay (by lr times weight_decay, as in PyTorch): a network is no simpler
            # for having its biases or scales near 0.
            keep = 1 - lr * self.weight_decay if len(p.shape) == 2 else 1.0
            for w, g, m, v in zip(as_rows(p.data), as_rows(p.grad), ms, vs):
                for i, d in enumerate(g):
                    m[i] = mean = beta1 * m[i] + new1 * d
                    v[i] = square = beta2 * v[i] + new2 * d * d
                    w[i] = keep * w[i] - step_size * mean / (sqrt(square) + eps)
            p.grad = None


def clip_grad_norm_(params, max_norm):
    """Scale all gradients, in place, to a joint length of at most max_norm; gives what it was.

    One odd batch may have a gradient ten times the usual; it should not make a step of that size.
    """
    params = list(params)
    norm = math.hypot(*(math.hypot(*row) for p in params for row in as_rows(p.grad)))
    if norm > max_norm:
        for p in params:
            shorter = [[g * (max_norm / norm) for g in row] for row in as_rows(p.grad)]
            p.grad = shorter if len(p.shape) == 2 else shorter[0]
    return norm


def learning_rate(step, steps, peak, warmup):
    """Straight up to `peak` at step `warmup`, while AdamW's averages settle, then straight down.

    Large steps find the valley, small ones its floor. Step 0 is the first; the 0 at the end of the
    line would be reached at step `steps`, one after the last.
    """
    return peak * min((step + 1) / (warmup + 1), (steps - step) / (steps - warmup))


def train(model, examples, steps, batch_size, lr, weight_decay, optimizer=None):
    """Train the model, yielding each step's loss in nats a token.

    The examples are taken in turn, over and over; they should have been shuffled. With the
    optimizer of a training that was broken off, it goes on at the step that is next.
    """
    params = model.parameters()
    optimizer = optimizer or AdamW(params, weight_decay=weight_decay)
    for step in range(optimizer.steps, steps):
        batch = range(step * batch_size, (step + 1) * batch_size)
        loss = loss_of(model, [examples[i % len(examples)] for i in batch])
        loss.backward()
        clip_grad_norm_(params, 1.0)
        optimizer.step(learning_rate(step, steps, lr, warmup=steps // 20))
        yield loss.data


# %% 9. Evaluation
# The loss on examples that the model was trained on tells how much it has learned; on others, how
# much of that is about names rather than about those names.


def evaluate(model, examples, batch_size=64):
    """The mean loss over all tokens of the examples, in nats a token."""
    total = count = 0
    for i in range(0, len(examples), batch_size):
        batch = examples[i:i + batch_size]
        n = sum(len(ids) - 1 for ids in batch)
        total += n * loss_of(model, batch).data
        count += n
    return total / count


# %% 10. Generation with a memory
# To write one more token, must the network read the whole text again? What it has made of the
# earlier tokens does not change, as none of them sees a later one; and the new one asks of them
# only their keys and values. So these are kept, and each token costs one row through the network
# instead of all. Nothing is differentiated here, so plain numbers will do: lists, or the arrays of
# section 11, in which 124 million weights fit into memory. Which token comes next is drawn from the
# probabilities. All the unlikely tokens together are quite likely, so text gets better if only the
# likeliest may be drawn: the top_k, or those that together have the probability top_p.

# The dot product of two rows. Python has its own from 3.12 on.
dot = getattr(math, "sumprod", None) or (lambda a, b: sum(map(operator.mul, a, b)))


# exercise 5.5: which token comes next
def choose(logits, temperature, top_k, top_p, rng):
    """A token drawn from the list of logits by rng, a random.Random.

    temperature divides the logits: below 1 the likely becomes likelier, at 0 only the likeliest is
    taken. top_k leaves only the k likeliest to draw from, None all. Of these, whose probabilities
    sum to 1 then, top_p leaves the likeliest, as few as sum to it (Holtzman et al. 2020).
    """
    likeliest = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:top_k]
    top = likeliest[0]
    if temperature == 0:
        return top
    # The top logit is subtracted first: a tiny temperature could otherwise make it inf - inf.
    probs = softmax([(logits[i] - logits[top]) / temperature for i in likeliest])
    n = total = 0
    while n < len(probs) and total < top_p:
        total += probs[n]
        n += 1
    return rng.choices(likeliest[:n], probs[:n])[0]


class Decoder:
    """The network of GPT, one token at a time: it remembers the keys and values of those before.

    params: {name: numbers} under GPT-2's names. Embeddings are given row by row; the matrices of
    linear layers column by column, so that what is multiplied lies together.
    """

    def __init__(self, params, n_head, block_size, eps=1e-5):
        self.params, self.n_head, self.block_size, self.eps = params, n_head, block_size, eps
        self.n_layer = sum(name.endswith("ln_1.weight") for name in params)
        self.forget()

    def forget(self):
        """Begin a new text."""
        n_embd = len(self.params["ln_f.weight"])
        self.length = 0  # how many tokens it has read
        self.keys = [[[] for _ in range(self.n_head)] for _ in range(self.n_layer)]  # (size) each
        self.values = [[[] for _ in range(n_embd)] for _ in range(self.n_layer)]  # by channel

    def linear(self, x, name):
        """x (n_in) through the linear layer of that name -> (n_out)."""
        columns, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        return [dot(x, column) + b for column, b in zip(columns, bias)]

    def norm(self, x, name):
        """x (n_embd) through the layer norm of that name."""
        weight, bias = (Tensor(self.params[f"{name}.{part}"]) for part in ("weight", "bias"))
        return layer_norm(Tensor([x]), weight, bias, self.eps).data[0]

    # exercise 5.6: keys and values remembered
    def attention(self, i, qkv):
        """Attention in block i of the new token, qkv (3 * n_embd), to all so far -> (n_embd).

        As in the function attention: head h has the channels from h * size on, scores are divided
        by sqrt(size), and what the heads give is laid end to end. First its own key and value join
        those before: in self.keys[i] each head has a list of keys, in self.values[i] each channel
        a list of numbers. (self.length is for read() to count.)
        """
        n_embd = len(qkv) // 3
        size, mixed = n_embd // self.n_head, []
        for channel, value in zip(self.values[i], qkv[2 * n_embd:]):
            channel.append(value)
        for head, keys in enumerate(self.keys[i]):
            c = head * size  # where the head's channels begin
            query = qkv[c:c + size]
            keys.append(qkv[n_embd + c:n_embd + c + size])
            weights = softmax([dot(query, key) / math.sqrt(size) for key in keys])
            mixed += [dot(weights, channel) for channel in self.values[i][c:c + size]]
        return mixed

    def read(self, token):
        """Take in one token: the row that the network makes of it (n_embd)."""
        x = list(map(operator.add, self.params["wte.weight"][token],
                     self.params["wpe.weight"][self.length]))
        for i in range(self.n_layer):
            qkv = self.linear(self.norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn")
            x = add(x, self.linear(self.attention(i, qkv), f"h.{i}.attn.c_proj"))
            m = self.linear(self.norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
            x = add(x, self.linear(gelu(Tensor([m])).data[0], f"h.{i}.mlp.c_proj"))
        self.length += 1
        return self.norm(x, "ln_f")

    def logits(self, ids):
        """Take in the ids: a score for each token that could come after the last (vocab_size).

        Raises ValueError for an id out of range, or if with them it has read over block_size ids.
        """
        wte = self.params["wte.weight"]
        if not ids or not 0 <= min(ids) <= max(ids) < len(wte):
            raise ValueError(f"ids {list(ids)[:20]}: there must be some, from 0 to {len(wte) - 1}")
        if self.length + len(ids) > self.block_size:
            raise ValueError(f"{self.length + len(ids)} ids are more than block_size "
                             f"{self.block_size}")
        for token in ids:
            x = self.read(token)
        logits = [dot(x, row) for row in wte]
        check_finite(logits)
        return logits

    def generate(self, ids, max_new_tokens, temperature=1.0, top_k=None, rng=random, stop=None,
                 top_p=1.0):
        """Yields at most max_new_tokens tokens that continue the list of ids, as they are drawn.

        temperature, top_k and top_p are those of `choose`. The token `stop`, once drawn, ends the
        text and is not yielded. Past block_size it looks at the last block_size ids, which it has
        to read anew for each token; a UserWarning says so (Python shows the first). Raises
        ValueError for a temperature below 0, a top_k below 1, or a top_p not above 0.
        """
        if not temperature >= 0 or top_k is not None and top_k < 1 or not top_p > 0:
            raise ValueError(f"temperature {temperature} is below 0, top_k {top_k} below 1 or "
                             f"top_p {top_p} not above 0")
        ids, new = list(ids), list(ids)[-self.block_size:]  # new: still to be read
        self.forget()
        for _ in range(max_new_tokens):
            if self.length == self.block_size:
                warnings.warn(f"past {self.block_size} tokens the network looks at the last "
                              f"{self.block_size}, and reads them anew for each", stacklevel=2)
                self.forget()
                new = ids[-self.block_size:]
            token = choose(self.logits(new), temperature, top_k, top_p, rng)
            if token == stop:
                return
            yield token
            ids.append(token)
            new = [token]


# %% 11. Checkpoints
# How does a model outlive its training? A folder in the format of Hugging Face holds config.json,
# the sizes, and model.safetensors, the weights: a header in JSON says of each tensor its type, its
# shape and where its bytes are, and the bytes follow. OpenAI's GPT-2 is distributed like this, and
# what is written here loads in PyTorch. To go on with training one needs more: AdamW's averages.
# That is a third file, training.safetensors. A file is written under another name at first and then
# renamed, so whatever happens, a whole one is there. And as a folder may come from anywhere, all
# that is read from it is checked before it is believed.

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2,
         "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}  # a number, by its type
MAX_HEADER = 10_000_000  # bytes of JSON that are read at most; GPT-2 has some 15,000
SIZES = {"vocab_size": "vocab_size", "n_positions": "block_size", "n_layer": "n_layer",
         "n_head": "n_head", "n_embd": "n_embd"}  # in config.json, and here
MASKS = r"h\.\d+\.attn\.(masked_)?bias"  # names of tensors that are no weights
# What config.json must say. What is missing there is taken for the first; model_type must be there.
AS_HERE = {"model_type": ["gpt2"], "activation_function": ["gelu_new", "gelu_pytorch_tanh"],
           "scale_attn_weights": [True], "tie_word_embeddings": [True],
           "scale_attn_by_inverse_layer_idx": [False], "add_cross_attention": [False]}


def write_whole(path, data):
    """Write a file, whole or not at all. Raises ValueError if it cannot be written."""
    try:
        with open(path + ".part", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".part", path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a folder that can be written") from None


def as_safetensors(tensors, metadata):
    """The bytes of a safetensors file. tensors: {name: (shape, array of "f" or "d")}."""
    header, start, parts = {"__metadata__": metadata}, 0, []
    for name, (shape, numbers) in tensors.items():
        parts.append(little_endian(numbers).tobytes())
        end = start + len(parts[-1])
        header[name] = {"dtype": "F32" if numbers.typecode == "f" else "F64", "shape": list(shape),
                        "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def little_endian(numbers):
    """The array as it is in a file, or one from a file as this machine has it."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers


def unique(items):
    """A dict of the items of a JSON object. Raises ValueError if a name is there twice."""
    found = dict(items)
    if len(found) < len(items):
        raise ValueError("a name is there twice")
    return found


def parse_json(data):
    """What JSON says. Raises ValueError, in one line."""
    try:
        return json.loads(data.decode(), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def read_json(path):
    """The dict in a JSON file. Raises ValueError."""
    try:
        check_ordinary(path)
        with open(path, "rb") as file:
            found = parse_json(file.read(MAX_HEADER))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a folder with a model") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: not a JSON object")
    return found


def check_ordinary(path):
    """Raises ValueError if there is something else than a file, which might never end."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError("not an ordinary file")


def is_size(value, low=0):
    """Whether it is a whole number, and no boolean, from `low` on."""
    return type(value) is int and value >= low


class SafeTensors:
    """An open safetensors file: `entries`, {name: (dtype, shape, offset, end)}, and `metadata`.

    Raises ValueError, with the tensor, unless each number in the file belongs to just one tensor.
    """

    def __init__(self, path):
        self.path, self.file = path, None
        try:
            check_ordinary(path)
            self.file = open(path, "rb")
            size = os.fstat(self.file.fileno()).st_size
            length = int.from_bytes(self.file.read(8), "little")
            if size < 8 or length > size - 8:
                raise ValueError(f"a header of {length} bytes does not fit into a file of {size}")
            if length > MAX_HEADER:
                raise ValueError(f"a header of {length} bytes: far more than any GPT-2 needs")
            header = parse_json(self.file.read(length))
            if not isinstance(header, dict):
                raise ValueError("its header is not a JSON object")
            self.metadata = header.pop("__metadata__", {})
            if not isinstance(self.metadata, dict):
                raise ValueError("__metadata__ is not a JSON object")
            self.entries = {name: self.check(name, entry, 8 + length)
                            for name, entry in header.items()}
            end = 8 + length
            for name, (_, _, start, stop) in sorted(self.entries.items(), key=lambda e: e[1][2:]):
                if start != end:
                    raise ValueError(f"{name}: begins at byte {start}, but the one before ends at "
                                     f"{end}")
                end = stop
            if end != size:
                raise ValueError(f"its tensors end at byte {end}, the file at {size}")
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}; name a folder with a model") from None
        except ValueError as error:
            if self.file:
                self.file.close()
            raise ValueError(f"{path}: {error}") from None

    @staticmethod
    def check(name, entry, first):
        """An entry of the header, its offsets counted from the beginning of the file."""
        if not name.isprintable() or len(name) > 100:
            raise ValueError(f"{name!r:.60}: no name of a tensor")
        if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
            raise ValueError(f"{name}: has no dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in BYTES:
            raise ValueError(f"{name}: unknown dtype {dtype!r:.40}")
        if not isinstance(shape, list) or not all(map(is_size, shape)) or len(shape) > 8:
            raise ValueError(f"{name}: {shape!r:.60} is no shape")
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(is_size, offsets)):
            raise ValueError(f"{name}: {offsets!r:.60} are no offsets")
        if offsets[1] - offsets[0] != math.prod(shape) * BYTES[dtype]:
            raise ValueError(f"{name}: {offsets[1] - offsets[0]} bytes for a shape of {shape} "
                             f"and {dtype}")
        return dtype, tuple(shape), first + offsets[0], first + offsets[1]

    def read(self, name, n):
        """Yields the numbers of a tensor, n at a time, as arrays. Raises ValueError for a NaN."""
        dtype, shape, start, end = self.entries[name]
        if dtype not in ("F64", "F32", "F16", "BF16"):
            raise ValueError(f"{self.path}: {name}: its dtype {dtype} is not one for weights")
        self.file.seek(start)
        for _ in range(math.prod(shape) // n):
            numbers = as_array(self.file.read(n * BYTES[dtype]), dtype)
            if not math.isfinite(sum(numbers)):
                raise ValueError(f"{self.path}: {name}: holds a NaN or an infinite number")
            yield numbers


def as_array(data, dtype):
    """The numbers that are in the bytes: an array of 32 bits each, of 64 for F64."""
    if dtype == "F16":
        return array("f", struct.unpack(f"<{len(data) // 2}e", data))
    if dtype == "BF16":  # the first two of the four bytes of an F32
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[::2], data[1::2]
        data = bytes(wide)
    return little_endian(array("d" if dtype == "F64" else "f", data))


def load_config(folder):
    """The sizes in config.json, by the names that they have here, and all that it says.

    Raises ValueError for what is no GPT-2, or not as GPT-2 is.
    """
    path = os.path.join(folder, "config.json")
    config = read_json(path)
    if "n_positions" not in config and "n_ctx" in config:
        config["n_positions"] = config["n_ctx"]
    for name, known in AS_HERE.items():
        if config.get(name, known[0]) not in known or name == "model_type" and name not in config:
            raise ValueError(f"{path}: {name} is {config.get(name)!r:.60}, and only "
                             f"{' or '.join(map(repr, known))} is known here")
    for name in SIZES:
        if not is_size(config.get(name), 1) or config[name] > 10 ** 7:
            raise ValueError(f"{path}: {name} is {config.get(name)!r:.60}, not a whole number from "
                             f"1 to 10^7")
    if config["n_embd"] % config["n_head"]:
        raise ValueError(f"{path}: n_embd {config['n_embd']} is not divisible by n_head "
                         f"{config['n_head']}")
    if config.get("n_inner") not in (None, 4 * config["n_embd"]):
        raise ValueError(f"{path}: n_inner is {config['n_inner']!r:.60}, not 4 n_embd")
    eps = config.setdefault("layer_norm_epsilon", 1e-5)
    if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 < eps < 1:
        raise ValueError(f"{path}: layer_norm_epsilon is {eps!r:.60}, not a number between 0 and 1")
    return {here: config[there] for there, here in SIZES.items()}, config


def load_decoder(folder):
    """The Decoder of a saved GPT-2, its weights in arrays, and what config.json says.

    Names may begin with "transformer."; causal masks are left out; lm_head.weight may be there, but
    must be the embedding, as in GPT-2. Raises ValueError, with file and tensor, for anything else.
    """
    sizes, config = load_config(folder)
    n_head = sizes.pop("n_head")
    weights = SafeTensors(os.path.join(folder, "model.safetensors"))
    with weights.file:
        if len(weights.entries) < 12 * sizes["n_layer"] + 4:
            raise ValueError(f"{weights.path}: {len(weights.entries)} tensors are too few for "
                             f"n_layer {sizes['n_layer']} in config.json")
        shapes, names = shapes_of(**sizes), {}
        for name in weights.entries:
            own = name.removeprefix("transformer.")
            if own in names:
                raise ValueError(f"{weights.path}: {own}: there with and without transformer.")
            if own in shapes:
                names[own] = name
            elif name != "lm_head.weight" and not re.fullmatch(MASKS, own):
                raise ValueError(f"{weights.path}: {name!r:.80}: no tensor of this GPT-2")
        for name, shape in shapes.items():
            if name not in names:
                raise ValueError(f"{weights.path}: {name}: missing")
            check_shape(weights, names[name], shape)
        params = {}
        for name, shape in shapes.items():
            if len(shape) == 1:
                params[name] = next(weights.read(names[name], *shape)).tolist()
            elif is_linear(name, shape):
                numbers = next(weights.read(names[name], math.prod(shape)))
                params[name] = [numbers[j::shape[1]] for j in range(shape[1])]
            else:
                params[name] = list(weights.read(names[name], shape[1]))
        if "lm_head.weight" in weights.entries:
            check_shape(weights, "lm_head.weight", shapes["wte.weight"])
            rows = weights.read("lm_head.weight", sizes["n_embd"])
            if any(map(operator.ne, rows, params["wte.weight"])):
                raise ValueError(f"{weights.path}: lm_head.weight: differs from wte.weight, and in "
                                 f"a GPT-2 they are one")
    return Decoder(params, n_head, sizes["block_size"], config["layer_norm_epsilon"]), config


def check_shape(tensors, name, shape):
    """Raises ValueError if a tensor of a file has another shape."""
    if tensors.entries[name][1] != shape:
        raise ValueError(f"{tensors.path}: {name}: has the shape {tensors.entries[name][1]}, not "
                         f"{shape}, as config.json has it")


def check_trainable(vocab_size, block_size, n_layer, n_embd, n_head=1):
    """Raises ValueError if there are too many weights for lists; n_head does not change that."""
    n_weights = (vocab_size + block_size + 12 * n_layer * n_embd) * n_embd
    if n_weights > 20_000_000:
        raise ValueError(f"{n_weights // 10 ** 6} million weights are too many to train here; see "
                         f'"The way out" in README.md')


def trainable(decoder):
    """A GPT with the weights of a Decoder. Raises ValueError if it cannot be trained."""
    wte, wpe = decoder.params["wte.weight"], decoder.params["wpe.weight"]
    sizes = (len(wte), len(wpe), decoder.n_layer, len(wte[0]))
    check_trainable(*sizes)
    if decoder.eps != 1e-5:
        raise ValueError(f"layer_norm_epsilon {decoder.eps} cannot be trained here, only 1e-05")
    model = GPT(*sizes[:3], decoder.n_head, sizes[3], seed=0)
    for name, p in model.params.items():
        numbers = decoder.params[name]
        p.data = list(numbers) if len(p.shape) == 1 else \
            transpose(numbers) if is_linear(name, p.shape) else list(map(list, numbers))
    return model


def config_of(model, boundary, characters):
    """What config.json says of a model. The last two entries are only for this file.

    boundary begins and ends each document; None if it was trained on one long text. (OpenAI's GPT-2
    only has a token to end with.) characters are None if its tokens are another tokenizer's.
    """
    (vocab_size, n_embd), (block_size, _) = (model.params[f"{name}.weight"].shape
                                             for name in ("wte", "wpe"))
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": vocab_size,
            "n_positions": block_size, "n_ctx": block_size, "n_embd": n_embd,
            "n_layer": model.n_layer, "n_head": model.n_head, "n_inner": None,
            "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "attn_pdrop": 0.0,
            "embd_pdrop": 0.0, "resid_pdrop": 0.0, "tie_word_embeddings": True,
            "bos_token_id": boundary, "eos_token_id": boundary, "boundary": boundary,
            "characters": characters}


def make_folder(folder, config):
    """Write config.json into a folder, and make that if need be.

    Raises ValueError if this cannot be done, or if it holds the weights of another model.
    """
    path = os.path.join(folder, "config.json")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror}; name a folder to save in") from None
    if os.path.exists(os.path.join(folder, "model.safetensors")) and read_json(path) != config:
        raise ValueError(f"{folder}: holds another model; name another folder, or remove it")
    write_whole(path, json.dumps(config, indent=2).encode())


def check_sizes(state, sizes):
    """Raises ValueError unless the weights of an open training.safetensors have these sizes."""
    check_trainable(**sizes)
    if len(state.entries) < 36 * sizes["n_layer"]:
        raise ValueError(f"{state.path}: {len(state.entries)} tensors are too few for n_layer "
                         f"{sizes['n_layer']} in config.json")
    shapes = shapes_of(**{name: size for name, size in sizes.items() if name != "n_head"})
    for name, shape in shapes.items():
        if name not in state.entries:
            raise ValueError(f"{state.path}: {name}: missing")
        check_shape(state, name, shape)


def save(folder, model):
    """Write model.safetensors, for Hugging Face's transformers and for --load."""
    tensors = {name: (p.shape, array("f", [w for row in as_rows(p.data) for w in row]))
               for name, p in model.params.items()}
    write_whole(os.path.join(folder, "model.safetensors"),
                as_safetensors(tensors, {"format": "pt"}))


def save_training(folder, model, optimizer, losses, rng, settings):
    """Write training.safetensors, for --resume: all in 64 bits, so that nothing is rounded."""
    tensors = {"losses": ((len(losses),), array("d", losses))}
    for kind, parts in training_rows(model, optimizer):
        for name, rows in zip(model.params, parts):
            tensors[kind + name] = (model.params[name].shape,
                                    array("d", [w for row in rows for w in row]))
    write_whole(os.path.join(folder, "training.safetensors"), as_safetensors(tensors, {
        "settings": json.dumps(settings), "random": json.dumps(rng.getstate())}))


def training_rows(model, optimizer):
    """Pairs (prefix, rows of every parameter) for the weights and AdamW's two averages."""
    return (("", [as_rows(p.data) for p in model.parameters()]), ("m.", optimizer.m),
            ("v.", optimizer.v))


def load_settings(folder):
    """The open training.safetensors of a folder, and the settings in it. Raises ValueError."""
    state = SafeTensors(os.path.join(folder, "training.safetensors"))
    try:
        settings = parse_json(str(state.metadata.get("settings")).encode())
        if not isinstance(settings, dict):
            raise ValueError("not a JSON object")
    except ValueError as error:
        raise ValueError(f"{state.path}: settings: {error}") from None
    return state, settings


def load_training(state, model, optimizer, rng):
    """Put into model, optimizer and rng what training.safetensors holds; the losses so far."""
    kinds = training_rows(model, optimizer)
    expected = {"losses", *(kind + name for kind, _ in kinds for name in model.params)}
    if missing := sorted(expected - state.entries.keys()):
        raise ValueError(f"{state.path}: {missing[0]}: missing")
    if unknown := sorted(state.entries.keys() - expected):
        raise ValueError(f"{state.path}: {unknown[0]!r:.80}: not of this model")
    for kind, parts in kinds:
        for (name, p), rows in zip(model.params.items(), parts):
            check_shape(state, kind + name, p.shape)
            for row, numbers in zip(rows, state.read(kind + name, p.shape[-1])):
                if kind == "v." and min(numbers) < 0:
                    raise ValueError(f"{state.path}: {kind + name}: an average of squares below 0")
                row[:] = numbers.tolist()
    shape = state.entries["losses"][1]
    if len(shape) != 1:
        raise ValueError(f"{state.path}: losses: has the shape {shape}")
    losses = [loss for numbers in state.read("losses", 1) for loss in numbers]
    optimizer.steps = len(losses)
    try:
        version, numbers, _ = parse_json(str(state.metadata.get("random")).encode())
        rng.setstate((version, tuple(numbers), None))  # None: rng draws no normal numbers
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{state.path}: random: {error}") from None
    state.file.close()
    return losses


# %% 12. Pictures
# What has the network learned? The loss curve shows how fast; a name taken letter by letter shows
# what it expected and where it was surprised; the attention of each head shows where it looked.


def draw_losses(losses, width=64, height=8):
    """The loss curve in characters: each column is the mean of its share of the steps."""
    width = min(width, len(losses))
    cuts = [len(losses) * i // width for i in range(width + 1)]
    means = [sum(losses[i:j]) / (j - i) for i, j in zip(cuts, cuts[1:])]
    low, high = min(means), max(means)
    levels = [round((mean - low) / (high - low or 1) * (height - 1)) for mean in means]
    lines = ["loss in training, nats a token"]
    for level in reversed(range(height)):
        label = f"{low + (high - low) * level / (height - 1):#8.3g} ┤"
        lines.append(label + "".join("●" if at == level else " " for at in levels).rstrip())
    lines += ["         └" + "─" * width, f"          steps 1 to {len(losses)}"]
    return "\n".join(lines)


def cell(tokenizer, i):
    """Token i, made visible, in exactly two columns of a terminal."""
    char = tokenizer.decode([i]) or "·"
    if ord(char) <= 32:
        return chr(0x2400 + ord(char)) + " "  # Unicode has pictures of blanks and line ends
    if not char.isprintable():
        return "� "
    if unicodedata.category(char) in ("Mn", "Me"):
        return "◌" + char + " "  # an accent needs something to sit on
    return char if unicodedata.east_asian_width(char) in "WF" else char + " "


def draw_surprise(model, tokenizer, ids):
    """A line for each of ids after the first: how likely the model held it, and what likelier."""
    lines = ["after  came  probability  surprise, in nats       the three most expected"]
    for before, came, row in zip(ids, ids[1:], model(ids[:-1]).data):
        probs = softmax(row)
        nats = cross_entropy(Tensor([row]), [came]).data  # probs[came] itself can round to 0
        best = sorted(range(len(probs)), key=probs.__getitem__, reverse=True)[:3]
        lines.append(f"{cell(tokenizer, before)}     {cell(tokenizer, came)}    "
                     f"{probs[came]:10.1%}   {nats:5.2f} {'█' * min(16, round(2 * nats)):16} "
                     + "  ".join(f"{cell(tokenizer, i)}{probs[i]:4.0%}" for i in best))
    return "\n".join(lines)


def draw_attention(model, tokenizer, ids, columns=80):
    """Each head's attention as a triangle: row by row, how much a token looks at those before."""
    maps = []
    model(ids, maps=maps)
    labels = [cell(tokenizer, i) for i in ids]
    width = max(len("layer 1, head 1"), 3 + 2 * len(ids))
    fill = " " * (width - 3 - 2 * len(ids))
    panels = []
    for i, weights in enumerate(maps):
        title = f"layer {i // model.n_head + 1}, head {i % model.n_head + 1}"
        panels.append([title.ljust(width), "   " + "".join(labels) + fill])
        for t, (label, row) in enumerate(zip(labels, weights), start=1):
            shades = "".join(2 * "·░▒▓█"[min(4, int(5 * w))] for w in row[:t])
            panels[-1].append(f"{label} {shades}{'  ' * (len(ids) - t)}{fill}")
    across = max(1, (columns + 3) // (width + 3))
    blocks = [panels[i:i + across] for i in range(0, len(panels), across)]
    return "\n\n".join("\n".join("   ".join(line).rstrip() for line in zip(*block))
                       for block in blocks)


# %% 13. The command line
# Nothing below is about networks. It reads the options, and does one of three things: train (run),
# or, with --load alone, invent texts (sample_from) or continue those of --ids (continue_ids).


def number(kind, low, above=False):
    """A type for argparse: an int from `low` to 10^9, or a finite float from or above `low`."""
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= (10 ** 9 if kind is int else sys.float_info.max) or (
                above and value == low):
            limits = f"whole number from {low} to 10^9" if kind is int else \
                f"number {'above' if above else 'of at least'} {low}"
            raise argparse.ArgumentTypeError(f"must be a {limits}, not {text!r}")
        return value
    return parse


# These defaults learned the most in three quarters of a minute on one core. Wider or deeper, the
# network sees too few names in that time (dev loss 0.01 higher with 32 channels, 0.04 with 2
# layers); narrower, it has no room for what it sees (0.01 higher with 16 channels).
DEFAULTS = {"n_layer": 1, "n_head": 4, "n_embd": 24, "block_size": 16}


def make_parser():
    """The command line, as --help tells it."""
    parser = argparse.ArgumentParser(
        prog="gpt.py", description="Train a small GPT-2 on names or any text and sample from it.")
    size, count, positive = number(int, 1), number(int, 0), number(float, 0, above=True)
    parser.add_argument("--data", metavar="FILE",
                        help="UTF-8 text, one document a line (default: names.txt beside gpt.py)")
    parser.add_argument("--ids", metavar="FILE",
                        help="token ids instead, a document a line, from bpe.py or another "
                             "tokenizer (- is standard input); with --load prompts to continue")
    parser.add_argument("--stream", action="store_true", help="read it as one long text instead")
    parser.add_argument("--steps", metavar="N", type=count,
                        help="training steps (default: 2200, or 0 with --load)")
    for name, kind, default, text in (
            ("--batch-size", size, 8, "documents a step"),
            ("--lr", positive, 0.01, "peak learning rate"),
            ("--weight-decay", number(float, 0), 0.01, "pull of matrices towards 0"),
            ("--seed", count, 42, "where all randomness starts"),
            ("--eval-docs", count, 2000, "documents of each split to evaluate on, 0 for none"),
            ("--samples", count, 20, "texts to invent"),
            ("--temperature", number(float, 0), 1.0, "below 1 plays safe, 0 takes the likeliest"),
            ("--top-k", size, None, "draw only from the N likeliest tokens"),
            ("--top-p", positive, 1.0, "draw only from the likeliest of this joint probability")):
        parser.add_argument(name, metavar="X" if isinstance(default, float) else "N", type=kind,
                            default=default, help=f"{text} (default: {default or 'all'})")
    for name, text in (("n_layer", "blocks"), ("n_head", "attention heads in a block"),
                       ("n_embd", "channels"), ("block_size", "tokens the model can look at")):
        parser.add_argument("--" + name.replace("_", "-"), metavar="N", type=size,
                            help=f"{text} (default: {DEFAULTS[name]}, or as it was saved)")
    parser.add_argument("--vocab-size", metavar="N", type=size,
                        help="with --ids: tokens of the tokenizer (default: the largest id plus 1)")
    parser.add_argument("--max-new-tokens", metavar="N", type=count,
                        help="length of a sample (default: what fits into --block-size; 200 with "
                             "--stream, 50 with --ids)")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    parser.add_argument("--prompt", metavar="TEXT", default="",
                        help="how every sample begins (default: nothing)")
    parser.add_argument("--explain", metavar="NAME",
                        help="text to show letter by letter (default: the first of the dev split)")
    parser.add_argument("--save", metavar="DIR", help="a folder to write the trained model to")
    parser.add_argument("--save-every", metavar="N", type=size, help="and after every N steps")
    saved = parser.add_mutually_exclusive_group()
    saved.add_argument("--load", metavar="DIR", help="begin with a saved model; without --steps or "
                                                     "--data only sample from it")
    saved.add_argument("--resume", metavar="DIR", help="go on with a training that was saved there "
                                                       "and broken off, with its options")
    return parser


def show_progress(line, in_a_pipe=True):
    """Rewrite the last line on a terminal; where there is none, print a plain line or nothing."""
    if sys.stderr.isatty():
        width = min(60, shutil.get_terminal_size().columns - 1)
        print(f"\r{line[:width]:{width}}\r", file=sys.stderr, end="", flush=True)
    elif in_a_pipe:
        print(line, file=sys.stderr, flush=True)


def resumed(args, argv):
    """The options of the training that --resume names, changed by those in argv; and its state."""
    def refuse(message):
        raise ValueError(f"{state.path}: settings: {message}")

    state, settings = load_settings(args.resume)
    words, parser = [], make_parser()
    for name, value in settings.items():
        if name not in vars(args) or name in ("save", "load", "resume"):
            refuse(f"{name!r:.40} is no option")
        flag = "--" + name.replace("_", "-")
        if isinstance(value, str) and not value.isprintable():
            refuse(f"{name}: {value!r:.60} cannot be printed")
        if name == "batch_size" and is_size(value, 100_001):
            refuse(f"{name}: {value} documents a step would take for ever")
        if name in ("data", "ids") and value and not os.path.isfile(value):
            refuse(f"{name}: {value!r:.200}: no such file; name it with --{name}")
        if value is not None and value is not False:
            words.append(flag if value is True else f"{flag}={value}")
    parser.error = refuse  # argparse would end the program with a message that names no file
    args = make_parser().parse_args(argv, parser.parse_args(words))
    args.save = args.save or args.resume
    return args, state


def parse_ids(words, n_vocab):
    """The token ids that are written in a line. Raises ValueError for what is none."""
    for word in words.split():
        if not re.fullmatch(rb"[0-9]{1,9}", word) or int(word) >= n_vocab:
            raise ValueError(f"{word.decode(errors='replace')!r:.40} is no token id from 0 to "
                             f"{n_vocab - 1}")
    return list(map(int, words.split()))


def read_ids(path, n_vocab):
    """Yields the list of ids of each line, as soon as it is there. Raises ValueError."""
    name = "standard input" if path == "-" else path
    if path == "-" and sys.stdin is None:  # the shell closed it
        raise ValueError(f"{name}: closed; name a file to read")
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as file:
            for at, line in enumerate(file, start=1):
                try:
                    yield parse_ids(line, n_vocab)
                except ValueError as error:
                    raise ValueError(f"{name}: line {at}: {error}") from None
    except OSError as error:
        raise ValueError(f"{name}: {error.strerror}; name a file of token ids") from None


def load_ids(args, block_size, config):
    """From --ids: how many tokens there are, which one is the boundary, and the examples.

    The boundary is a token more than the tokenizer has, or the one that a loaded model ends with.
    """
    n_vocab = config["vocab_size"] if config else args.vocab_size or 1_000_000
    documents = [ids for ids in read_ids(args.ids, n_vocab) if ids]
    boundary = args.vocab_size or 1 + max(map(max, documents), default=0)
    if config:
        boundary = config["eos_token_id"]
    if not args.stream and boundary is None:
        raise ValueError("this model has no token to stand between documents; use --stream")
    if not args.stream and len(documents) < 3:
        raise ValueError(f"{args.ids}: {len(documents)} documents are too few: train, dev and test "
                         f"need one each; put one on each line, or use --stream")
    ids = [i for document in documents for i in document]
    if args.stream and len(ids) < 10 * (block_size + 1):
        raise ValueError(f"{args.ids}: {len(ids)} tokens are too few, as a tenth of them must fill "
                         f"a window of {block_size + 1}: add text or lower --block-size")
    splits = windows(ids, block_size, args.seed) if args.stream else \
        between_boundaries(documents, boundary, block_size, args.seed)
    return (n_vocab if config else boundary + 1), boundary, splits


def characters_of(config, path):
    """The tokenizer of a saved model, or None if it reads the ids of another one."""
    def is_token(value):
        return is_size(value) and value < config["vocab_size"]

    if not is_token(config.get("eos_token_id")):  # as one that is left at GPT-2's 50256
        config["eos_token_id"] = None
    characters, boundary = config.get("characters"), config.setdefault("boundary", None)
    if boundary is not None and not is_token(boundary):
        raise ValueError(f"{path}: boundary is {boundary!r:.40}, and no token")
    if characters is None:
        return None
    if not isinstance(characters, str) or not characters or \
            sorted(set(characters)) != list(characters) or \
            len(characters) + 1 != config["vocab_size"] or boundary not in (None, BOUNDARY):
        raise ValueError(f"{path}: characters: must be {config['vocab_size'] - 1} different ones, "
                         f"in order, after the boundary 0")
    return CharTokenizer(characters)


def prompt_of(args, tokenizer, block_size, edge):
    """The ids that every sample begins with, and how many may follow; edge: [boundary] or []."""
    prompt = edge + tokenizer.encode(args.prompt)
    if not prompt:  # a stream has no boundary to begin with; a line end comes nearest
        prompt = tokenizer.encode("\n" if "\n" in tokenizer.chars else tokenizer.chars[0])
    if len(prompt) > block_size:
        raise ValueError(f"--prompt: {args.prompt!r} does not fit into --block-size "
                         f"{block_size}; shorten the one or raise the other")
    room = args.max_new_tokens
    if room is None:
        room = block_size + 1 - len(prompt) if edge else 200
    return prompt, room


def continue_ids(args, decoder, config):
    """Prints the ids of each line of --ids, and new ones as they are drawn."""
    rng, n, end = random.Random(args.seed), args.max_new_tokens, config["eos_token_id"]
    edge = [token for token in [config["boundary"]] if token is not None]
    for ids in read_ids(args.ids, len(decoder.params["wte.weight"])):
        if not ids and not edge and end is None:
            raise ValueError("an empty prompt, and the model has no token to begin a text with")
        for token in ids:
            print(token, end=" ", flush=True)
        for token in decoder.generate(edge + ids or [end], 50 if n is None else n,
                                      args.temperature, args.top_k, rng, end, args.top_p):
            print(token, end=" ", flush=True)
        print(flush=True)


def sample_from(args, decoder, tokenizer, boundary):
    """Prints texts that a loaded model invents, letter by letter as they are drawn."""
    prompt, room = prompt_of(args, tokenizer, decoder.block_size,
                             [] if boundary is None else [boundary])
    rng = random.Random(args.seed)
    for _ in range(args.samples):
        print("  " + tokenizer.decode(prompt), end="", flush=True)
        for token in decoder.generate(prompt, room, args.temperature, args.top_k, rng, boundary,
                                      args.top_p):
            print(tokenizer.decode([token]), end="", flush=True)
        print()


@contextlib.contextmanager
def first_ctrl_c():
    """Within it, the first Ctrl-C only adds to the list that it gives, so that a step is finished.

    Half a step would be saved otherwise. The second Ctrl-C quits, as always.
    """
    asked, before = [], signal.getsignal(signal.SIGINT)

    def ask(*_):
        asked.append(True)
        signal.signal(signal.SIGINT, before)

    try:
        if before == signal.default_int_handler:  # else it is ignored, or somebody else's
            signal.signal(signal.SIGINT, ask)
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def run(args, state, model, tokenizer, splits, prompt, room, explained):
    """Train, save, evaluate, sample and draw. Without a tokenizer, there is no text to show."""
    rng = random.Random(args.seed)
    optimizer = AdamW(model.parameters(), weight_decay=args.weight_decay)
    losses = load_training(state, model, optimizer, rng) if state else []
    before, settings = len(losses), {name: value for name, value in vars(args).items()
                                     if name not in ("save", "load", "resume", *DEFAULTS)}

    def invent(max_new_tokens):
        return tokenizer.decode(model.generate(prompt, max_new_tokens, args.temperature, args.top_k,
                                               rng, None if args.stream else BOUNDARY, args.top_p))

    def glimpse(step):
        if tokenizer:
            texts = [invent(60)] if args.stream else [invent(room) for _ in range(5)]
            print(f"step {step:5}: " + ", ".join(texts).replace("\n", " "), flush=True)

    def keep():
        if args.save:
            save(args.save, model)
            save_training(args.save, model, optimizer, losses, rng, settings)

    start = time.monotonic()
    with first_ctrl_c() as asked:
        if not losses and (args.steps or not args.load):
            glimpse(0)
        for loss in train(model, splits["train"], args.steps, args.batch_size, args.lr,
                          args.weight_decay, optimizer):
            losses.append(loss)
            step, recent = len(losses), losses[-100:]
            left = (time.monotonic() - start) / (step - before) * (args.steps - step)
            show_progress(f"step {step}/{args.steps}  loss {sum(recent) / len(recent):#.4g}  "
                          f"{left:.0f} s left", in_a_pipe=step % max(1, args.steps // 10) == 0)
            if step in [args.steps * percent // 100 for percent in (1, 5, 20, 50)]:
                show_progress("", in_a_pipe=False)
                glimpse(step)
            if args.save_every and step % args.save_every == 0:
                keep()
            if asked:
                break
    show_progress("", in_a_pipe=False)
    if asked:
        print(f"stopped at step {len(losses)} of {args.steps}; Ctrl-C again quits", file=sys.stderr,
              flush=True)
    if len(losses) > before or not state:
        keep()

    for name in ("train", "dev", "test") if args.test else ("train", "dev"):
        if args.eval_docs:
            print(f"{name} loss {evaluate(model, splits[name][:args.eval_docs]):.4f}", flush=True)
    if losses:
        print("\n" + draw_losses(losses))
    if not tokenizer:
        return
    if args.samples:
        known = set() if args.stream else {tokenizer.decode(ids) for ids in splits["train"]}
        print("\nsamples" + ("" if args.stream else " (* is one of the training documents)"))
        for _ in range(args.samples):
            text = invent(room)
            print(("* " if text in known else "  ") + text, flush=True)
    print("\nletter by letter: what was expected, and how surprising was what came\n"
          + draw_surprise(model, tokenizer, explained))
    print("\nwhere each letter looks for help with the next (░ 20%, ▒ 40%, ▓ 60%, █ 80%)\n"
          + draw_attention(model, tokenizer, explained[:-1]))


def prepare(args, state):
    """What run needs: model, tokenizer, examples, the prompt and its room, the text to explain."""
    folder, decoder, tokenizer, config = args.load or args.resume, None, None, None
    prompt = room = explained = None
    if folder:
        sizes, config = load_config(folder)
        if args.load:
            decoder, config = load_decoder(folder)
        path = os.path.join(folder, "config.json")
        tokenizer = characters_of(config, path)
        args.stream = args.stream or "characters" in config and config["boundary"] is None
        if bool(args.ids) == bool(tokenizer):
            raise ValueError(f"{path}: this model reads " + (
                "characters: name a text with --data" if tokenizer else
                "the token ids of another tokenizer: give --ids FILE, as bpe.py encode writes it"))
    else:
        sizes = {name: getattr(args, name) or default for name, default in DEFAULTS.items()}
    block_size = sizes["block_size"]
    if args.ids:
        if args.data:
            raise ValueError("--ids: takes the place of --data")
        sizes["vocab_size"], boundary, splits = load_ids(args, block_size, config)
    else:
        names = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")
        tokenizer, splits = load(args.data or names, block_size, args.seed, args.stream, tokenizer)
        sizes["vocab_size"], boundary = tokenizer.n_vocab, BOUNDARY
        edge = [] if args.stream else [BOUNDARY]
        prompt, room = prompt_of(args, tokenizer, block_size, edge)
        explained = splits["dev"][0]
        if args.explain is not None:
            explained = edge + tokenizer.encode(args.explain) + edge
            if not 2 <= len(explained) <= block_size + 1:
                raise ValueError(f"--explain: {args.explain!r} should be {2 - len(2 * edge)} to "
                                 f"{block_size + 1 - len(2 * edge)} characters long for "
                                 f"--block-size {block_size}")
    if state:
        check_sizes(state, sizes)
    check_trainable(**sizes)
    model = trainable(decoder) if decoder else GPT(**sizes, seed=args.seed)
    if args.save:
        make_folder(args.save, config_of(model, None if args.stream else boundary,
                                         "".join(tokenizer.chars) if tokenizer else None))
    return model, tokenizer, splits, prompt, room, explained


def check_options(args):
    """Raises ValueError for options that would have no effect."""
    for name in ("data", "ids", "save", "load", "resume"):
        if getattr(args, name) == "":
            raise ValueError(f"--{name}: names nothing")
    if args.load or args.resume:
        for name in DEFAULTS:
            if getattr(args, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')}: a saved model has its own sizes")
    if args.ids and (args.prompt or args.explain is not None):
        raise ValueError("--ids: takes the place of --prompt and --explain")
    if args.vocab_size and (args.load or args.resume or not args.ids):
        raise ValueError("--vocab-size: is for training a new model with --ids")
    if args.save_every and not (args.save or args.resume):
        raise ValueError("--save-every: where? give --save DIR")
    if args.load and not args.steps and not args.data:
        for name in ("save", "explain", "test", "stream"):
            if getattr(args, name):
                raise ValueError(f"--{name}: nothing to do with --load alone; give --steps or "
                                 f"--data")


def main(argv=None):
    """Read the command line and the data, and run; what is wrong with them is said in one line."""
    parser, state = make_parser(), None
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # where █ cannot be printed, ? will do
    try:
        check_options(args)
        if args.resume:
            args, state = resumed(args, argv)
        if args.load and not args.steps and not args.data:
            decoder, config = load_decoder(args.load)
            tokenizer = characters_of(config, os.path.join(args.load, "config.json"))
            if args.ids:
                return continue_ids(args, decoder, config)
            if tokenizer:
                return sample_from(args, decoder, tokenizer, config["boundary"])
        if args.steps is None:
            args.steps = 0 if args.load else 2200
        model, tokenizer, splits, *rest = prepare(args, state)
    except (ValueError, FloatingPointError) as error:
        parser.error(str(error))

    examples = [ids for part in splits.values() for ids in part]
    cut = 0 if args.stream else sum(ids[-1] != ids[0] for ids in examples)
    if cut:
        print(f"gpt.py: {cut} documents do not fit into --block-size {model.block_size} "
              f"and were cut", file=sys.stderr)
    n_params = sum(len(row) for p in model.parameters() for row in as_rows(p.data))
    print(f"{len(examples)} {'windows' if args.stream else 'documents'}, "
          f"{len(model.params['wte.weight'].data)} tokens, {n_params} parameters")
    try:
        run(args, state, model, tokenizer, splits, *rest)
    except (ValueError, FloatingPointError) as error:
        show_progress("", in_a_pipe=False)
        parser.error(str(error))


if __name__ == "__main__":
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # None if it is closed
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    warnings.showwarning = lambda message, *_: print(f"gpt.py: {message}", file=sys.stderr)
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
        print(f"gpt.py: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
