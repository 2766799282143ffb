"""The smallest language model: how likely is each letter after the one before?

micrograd.py trained a network to tell two shapes apart. A language model tells how likely each
token (here, a character) is to come next, and with that it can invent text and be scored on real
text. This one looks at a single token before: a table of pairs, a bigram model. We fill the table
by counting; then a network learns the same table by gradient descent. Every later lesson goes on
with networks, for most longer contexts are too rare to count: section 8 shows how soon.

    python bigram.py                     everything below, on names.txt, in six seconds
    python bigram.py --counts            the table with its numbers
    python bigram.py --svg table.svg     the table as a picture for the browser
    python bigram.py --data FILE         learn from another list, one document a line
    python bigram.py --help              every option and its default

It prints the table of pairs, names sampled from it, how a name is scored, the same table as the
network has learned it, and how longer contexts fare.

Papers: Shannon 1948, "A Mathematical Theory of Communication" (sections 2 and 3 sample from tables
like these); Lidstone 1920, "Note on the General Case of the Bayes-Laplace Formula" (smoothing).
"""
import argparse
import html
import math
import os
import random
import shutil
import sys
import time
import unicodedata

# %% 1. Data
# A model knows only numbers, so text becomes token ids: here each character is a token. One more
# token, the boundary, stands before and after every document (a name is a document). It is what a
# name begins after, and by predicting it the model says "this name is finished". Some documents are
# held back from training, for a model might only remember what it was trained on.

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
    Raises ValueError if the file is no text, has fewer than 3 lines or too many characters.
    """
    documents = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    if len(documents) < 3:
        raise ValueError(f"{path}: {len(documents)} documents are too few: train, dev and test "
                         f"need one each; put one document on each line")
    random.Random(seed).shuffle(documents)
    tokenizer = CharTokenizer("".join(documents))
    if tokenizer.n_vocab > 1000:
        raise ValueError(f"{path}: with {len(tokenizer.chars)} different characters the table of "
                         f"pairs grows too large; use text with fewer than 1000")
    parts = [[[BOUNDARY, *tokenizer.encode(document), BOUNDARY] for document in part]
             for part in split(documents)]
    return tokenizer, dict(zip(("train", "dev", "test"), parts))


# %% 2. Counting
# What follows what, and how often? A table with a row for each token and a column for each token
# that may come next holds the answer for all pairs: that is all a bigram model ever learns.


# exercise 2.1: counting pairs
def count_pairs(documents, n_vocab):
    """counts[i][j] is how often token j came right after token i: (n_vocab, n_vocab)."""
    counts = [[0] * n_vocab for _ in range(n_vocab)]
    for ids in documents:
        for before, after in zip(ids, ids[1:]):
            counts[before][after] += 1
    return counts


# %% 3. Probabilities and sampling
# Divide each row by its sum, and it says how likely each token is to come next. To invent a name,
# begin at the boundary, draw the next token with these probabilities, go to its row, and so on
# until the boundary is drawn.


# exercise 2.2: counts to probabilities
def probabilities(counts, smoothing=0):
    """A new table: each row divided by its sum, after `smoothing` was added to every count.

    counts (n, m). Smoothing is Lidstone's of 1920, see section 4. Without it, a row of zeros stays
    so: nothing is known of what follows.
    """
    probs = []
    for row in counts:
        total = sum(row) + smoothing * len(row)
        probs.append([(count + smoothing) / (total or 1) for count in row])
    return probs


# exercise 2.3: inventing a name
def sample(row_after, rng, max_new_tokens=39):
    """Draws ids until a boundary comes, or there are max_new_tokens: a list without boundaries.

    row_after takes the list of the ids so far, the first boundary included, and gives the table's
    row for them, as a dict from tokens to counts or probabilities: a function, so that section 8
    can give rows for more than the last token. rng, a random.Random, makes the choices.
    """
    ids = [BOUNDARY]
    while len(ids) <= max_new_tokens:
        row = row_after(ids)
        token = rng.choices(list(row), row.values())[0]
        if token == BOUNDARY:
            break
        ids.append(token)
    return ids[1:]


# %% 4. How good is it?
# A good model gives what really comes a high probability. The likelihood of a name is the product
# of the probabilities of all its pairs, a tiny number; its logarithm is a sum, and easier to work
# with. Turn its sign and divide by the number of tokens (the boundary at the end is one) and it is
# the loss that all language models have, the average negative log-likelihood (nll), lower is
# better. Its unit is the nat, after the natural logarithm: nats a token. e to the power of the loss
# is the perplexity: a model with a perplexity of 12 is as unsure as if it had to pick from 12
# equally likely tokens. A pair that was never seen has probability 0, log 0 is minus infinity, and
# one such pair makes the loss of a whole text infinite. Smoothing mends that: add, say, 1 to every
# count, as if every pair had been seen once more.


# exercise 2.4: the loss of a language model
def nll(probs, counts):
    """The average negative log-likelihood of text with these counts of pairs, in nats a token.

    It is -log probs[i][j], averaged over all pairs; infinite if one that occurs has probability 0.
    counts[i][j], how often each pair occurs, is all that the loss needs to know of the text.
    """
    total = 0.0
    for row, row_counts in zip(probs, counts):
        for p, count in zip(row, row_counts):
            if count:
                total -= count * (math.log(p) if p > 0 else -math.inf)
    return total / sum(map(sum, counts))


# %% 5. A tensor with just the operations for this
# A network can learn the table as well. We need what micrograd.py made for single numbers, now for
# whole tables: each operation makes a Tensor (a table, a list, or a single number, a scalar) that
# knows what it was computed from and how to send a gradient back. These are all the operations of a
# one-layer network and its loss.


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

    def __rmatmul__(self, rows):
        """rows (n, k) @ self (k, m) -> (n, m). A plain list on the left of @ leads here."""
        def backward(grad):  # out[i] has rows[i][j] times self[j]; zip(*rows) is rows by columns
            return (matmul(zip(*rows), grad),)
        return Tensor(matmul(rows, self.data), (self,), backward)

    def exp(self):
        """e to the power of each number of rows (n, m)."""
        out = [[math.exp(x) for x in row] for row in self.data]

        def backward(grad):  # (e^x)' = e^x
            return ([[g * e for g, e in zip(*rows)] for rows in zip(grad, out)],)
        return Tensor(out, (self,), backward)

    def normalize(self):
        """Each row of (n, m) divided by its sum."""
        sums = [sum(row) for row in self.data]
        out = [[x / total for x in row] for row, total in zip(self.data, sums)]

        # exercise 2.5: the gradient of dividing by the sum
        def backward(grad):
            """grad (n, m), of out -> a tuple with the gradient of the rows (n, m).

            In a row x with the sum `total`, a larger x[i] makes out[i] larger, by 1 / total; and as
            it is part of the total, it makes every out[j], out[i] too, smaller, by out[j] / total.
            Its gradient is the sum of these slopes, each times the gradient of the out it changes.
            """
            shrink = [sum([g * p for g, p in zip(*rows)]) for rows in zip(grad, out)]
            return ([[(g - less) / total for g in row]
                     for row, less, total in zip(grad, shrink, sums)],)
        return Tensor(out, (self,), backward)

    def pick(self, places):
        """The numbers of rows (n, m) at a list of N different places (row, column): -> (N)."""
        def backward(grad):
            d_rows = [[0.0] * len(row) for row in self.data]
            for (i, j), g in zip(places, grad):
                d_rows[i][j] = g
            return (d_rows,)
        return Tensor([self.data[i][j] for i, j in places], (self,), backward)

    def log(self):
        """The natural logarithm of each of N numbers; of 0, minus infinity."""
        return Tensor([math.log(x) if x else -math.inf for x in self.data], (self,),
                      lambda grad: ([g / x for g, x in zip(grad, self.data)],))

    def mean(self, times):
        """The mean of N numbers, number i counted times[i] times: a scalar."""
        total = sum(times)
        return Tensor(sum([t * x for t, x in zip(times, self.data)]) / total, (self,),
                      lambda grad: ([grad * t / total for t in times],))

    def mean_square(self):
        """The mean of the squares of all numbers of rows (n, m), a scalar: for section 7."""
        size = sum(map(len, self.data))
        return Tensor(sum(x * x for row in self.data for x in row) / size, (self,),
                      lambda grad: ([[grad * 2 * x / size for x in row] for row in self.data],))

    def __add__(self, other):
        """The sum of two scalars."""
        return Tensor(self.data + other.data, (self, other), lambda grad: (grad, grad))

    def __rmul__(self, factor):
        """A plain number times a scalar."""
        return Tensor(factor * self.data, (self,), lambda grad: (factor * grad,))

    def backward(self):
        """Add d self / d tensor to the .grad of every tensor that this scalar was computed from.

        As in micrograd.py: list all tensors, each after its parents, and go through the list
        backwards. `arrived` holds what has come in on this walk, apart from what .grad held before.
        """
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


def matmul(a, b):
    """a (n, k) @ b (k, m) -> (n, m): out[i] is the sum of all a[i][j] * b[j], a row of m numbers.

    Where a[i][j] is 0 there is nothing to add: the rows of section 6, nearly all zeros, are cheap.
    """
    out = []
    for row in a:
        total = [0.0] * len(b[0])
        for x, values in zip(row, b):
            if x:
                total = [t + x * v for t, v in zip(total, values)]
        out.append(total)
    return out


def add(a, b):
    """Elementwise sum of two numbers, or of two nested lists of one shape."""
    if not isinstance(a, list):
        return a + b
    return [add(x, y) for x, y in zip(a, b)]


# %% 6. The same model as a network
# The input is a token as a one-hot row: all zeros, but for a 1 at its id. Times a matrix of weights
# this picks out one row of weights, the logits: a table again. They may be any numbers, so e to the
# power of each makes them positive, and dividing by their sum makes them probabilities (the two
# steps are called softmax). The loss is -log of the probability of what came, and gradient descent
# goes against its slope, as in micrograd.py. Where it ends we know: no table fits the pairs better
# than each row's own shares, so the exponentials of the weights of a row grow to be in proportion
# to its counts. Only a count of 0 would take a weight of minus infinity: towards that the network
# creeps, and a pair that was never seen keeps a little probability.


def one_hot(ids, n_vocab):
    """A row for each id: all zeros, but for a 1 at the id. (len(ids), n_vocab)"""
    return [[1.0 if i == j else 0.0 for j in range(n_vocab)] for i in ids]


def network(weights, ids):
    """The probabilities of the token after each of ids: weights (n_vocab, n_vocab) -> (N, n_vocab).

    one-hot (N, n_vocab) @ weights (n_vocab, n_vocab) -> logits (N, n_vocab).
    """
    logits = one_hot(ids, len(weights.data)) @ weights
    return logits.exp().normalize()


def safe_learning_rate(counts):
    """A learning rate at which no step can raise the loss (but for the charge of section 7).

    A step overshoots if the slope changes much on the way. How fast it changes is the second
    derivative, the curvature, and up to 2 / (the largest curvature) a step ends no higher than it
    began. With softmax, that of a row is at most half of its share of all pairs; the fullest row
    decides.
    """
    sums = list(map(sum, counts))
    return 4 * sum(sums) / max(sums)


def train(weights, counts, steps, lr, l2=0.0):
    """Gradient descent on the mean loss over all pairs, in nats a token.

    After each step it yields the loss that the step began with.
    However long the text, only n_vocab different inputs exist, and at most n_vocab^2 different
    pairs of input and target. So the network runs once for each input, and each pair's loss goes
    into the mean as often as the pair occurs: the counts are the weights of a weighted mean. That
    is why each step can be on all data. `l2` times the mean squared weight is added to what
    is minimised, see section 7. Raises ArithmeticError if a loss or a power of e becomes infinite.
    """
    n_vocab = len(counts)
    places = [(i, j) for i in range(n_vocab) for j in range(n_vocab) if counts[i][j]]
    times = [counts[i][j] for i, j in places]
    for _ in range(steps):
        loss = -1 * network(weights, range(n_vocab)).pick(places).log().mean(times)
        total = loss + l2 * weights.mean_square() if l2 else loss
        if not math.isfinite(total.data):
            raise FloatingPointError("the loss is not finite")
        weights.grad = None
        total.backward()
        weights.data = [[w - lr * g for w, g in zip(*rows)]
                        for rows in zip(weights.data, weights.grad)]
        yield loss.data


# %% 7. Regularising is smoothing
# With all weights at 0 all tokens are equally likely. A charge on the squares of the weights (L2
# regularisation, as in micrograd.py, but on their mean) pulls towards that, and so does adding the
# same number to all counts (smoothing). Both change most what the data says least about: rare
# pairs, in rows with few counts. To put the two tables side by side we look for the smoothing with
# the same train loss. They are alike, though not equal.


def smoothing_like(loss, counts):
    """How much smoothing brings nll, on the counts themselves, up to `loss`."""
    low, high = 1e-6, 1e9
    for _ in range(30):  # it lies between them: halve that, again and again
        middle = math.sqrt(low * high)  # halfway in powers of ten
        if nll(probabilities(counts, middle), counts) < loss:
            low = middle
        else:
            high = middle
    return middle


# %% 8. Longer contexts
# Two tokens before say more than one, and three more than two. Counting needs only a larger table:
# an n-gram model has a row for each context of n - 1 tokens. But with each more token there are
# n_vocab times as many, and the text does not grow. Soon most possible rows are empty, more and
# more contexts of new names were never seen, and the table holds not much more than the training
# names themselves: samples copy them, and the dev loss, after falling for a while, rises. To a
# table, the contexts "ann" and "enn" have nothing in common. A model that can see what contexts
# have in common is where mlp.py begins.


# exercise 2.6: contexts of any length
def count_ngrams(documents, n):
    """{context: {token: how often it came next}}, for contexts of n - 1 tokens, as tuples.

    The first boundary of a document is never counted as a token. Where a context reaches back
    beyond it, boundaries fill it up. For n = 1 the only context is ().
    """
    table = {}
    for ids in documents:
        ids = [BOUNDARY] * (n - 2) + ids  # one it has
        for t in range(max(1, n - 1), len(ids)):
            row = table.setdefault(tuple(ids[t - n + 1:t]), {})
            row[ids[t]] = row.get(ids[t], 0) + 1
    return table


def ngram_nll(table, counts, smoothing, n_vocab):
    """The average negative log-likelihood, in nats a token, of text with these counts of n-grams.

    To every count in the table `smoothing` is added, so after a context that is not in there all
    tokens are equally likely. It must be above 0 if counts has anything that the table has not.
    """
    loss = count = 0
    for context, after in counts.items():
        row = table.get(context, {})
        total = sum(row.values()) + smoothing * n_vocab
        for token, times in after.items():
            loss -= times * math.log((row.get(token, 0) + smoothing) / total)
            count += times
    return loss / count


def best_smoothing(table, dev, n_vocab):
    """What to add to every count, of 1/1000 to 10, so that the loss on dev's counts is lowest."""
    return min((0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
               key=lambda smoothing: ngram_nll(table, dev, smoothing, n_vocab))


def ngram_rows(table, n):
    """What sample() asks for: the row of the last n - 1 tokens, as counted, without smoothing."""
    def row_after(ids):
        ids = [BOUNDARY] * (n - 2) + ids
        return table[tuple(ids[len(ids) - n + 1:])]
    return row_after


# %% 9. Pictures
# The table itself is the best picture of a bigram model. A cell's shade is its probability: how
# large a share of its row it is. The rest is drawing, and nothing about models: letters of other
# scripts may be two columns wide in a terminal, or none, as an accent is, and every letter must get
# the same room.


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


def glyphs(tokenizer):
    """All tokens, made visible, each in as many columns of a terminal as the widest needs."""
    marks = [glyph(tokenizer, i) for i in range(tokenizer.n_vocab)]
    widest = max(map(columns_of, marks))
    return [pad(mark, widest) for mark in marks]


SHADES = " .░▒▓█"
LEGEND = ". from 0.1%, ░ 1%, ▒ 3%, ▓ 10%, █ 30%"


def shade(p):
    """Which of SHADES stands for the probability p, 0 to 5."""
    return sum(p >= edge for edge in (0.001, 0.01, 0.03, 0.1, 0.3))


def commonest(counts, limit):
    """The ids of the `limit` tokens seen most often, in the order of their ids."""
    return sorted(sorted(range(len(counts)), key=lambda i: -sum(counts[i]))[:limit])


def how_many(ids, counts):
    """A line to say it, if ids are not all tokens."""
    return [f"(the {len(ids)} commonest of {len(counts)} tokens)"] if len(ids) < len(counts) else []


def draw_table(tokenizer, counts, numbers=False, colour=False, columns=80):
    """The table of pairs: each cell its two tokens and a shade or a colour, or the count as well.

    What is too wide for the columns goes below. Of very many tokens only the commonest are shown,
    and the last line says so.
    """
    marks = glyphs(tokenizer)
    wide = columns_of(marks[0])
    ids = commonest(counts, 40 // wide)
    digits = len(str(max(map(max, counts)))) if numbers else 0
    width = 2 * wide + (0 if colour else 1) + (digits + 1 if numbers else 0)
    n_blocks = math.ceil(len(ids) / (columns // width))
    across = math.ceil(len(ids) / n_blocks)
    probs, lines = probabilities(counts), []
    for start in range(0, len(ids), across):
        for i in ids:
            line = ""
            for j in ids[start:start + across]:
                level = shade(probs[i][j])
                cell = marks[i] + marks[j]
                if colour:  # of the 256 that terminals have, from white to dark blue
                    back, front = (231, 195, 153, 111, 33, 19)[level], 231 if level > 3 else 16
                    cell = f"\033[48;5;{back};38;5;{front}m{cell}"
                else:
                    cell += SHADES[level]
                line += cell + (f"{counts[i][j]:{digits}} " if numbers else "")
            lines.append(line + "\033[0m" if colour else line.rstrip())
        lines.append("")
    return "\n".join(lines[:-1] + how_many(ids, counts))


def draw_beside(tokenizer, counts, left, right, titles):
    """Two tables of probabilities side by side, a shade a cell, under their titles.

    Of very many tokens only the commonest by `counts` are shown, and the last line says so.
    """
    marks = glyphs(tokenizer)
    wide = columns_of(marks[0])
    ids = commonest(counts, 35 // wide)
    width = max(wide * (len(ids) + 1) + 1, columns_of(titles[0]))
    head = pad("", wide + 1) + "".join(marks[j] for j in ids)
    lines = [titles, (head, head)]
    for i in ids:
        lines.append([f"{marks[i]} " + "".join(SHADES[shade(table[i][j])] * wide for j in ids)
                      for table in (left, right)])
    return "\n".join([f"{pad(a, width)}    {b}".rstrip() for a, b in lines] + how_many(ids, counts))


def draw_svg(tokenizer, counts):
    """The table as an SVG picture, with the counts, of the 60 commonest tokens at most."""
    ids = commonest(counts, 60)
    size, probs, out = 40, probabilities(counts), []
    for y, i in enumerate(ids):
        for x, j in enumerate(ids):
            depth = math.sqrt(probs[i][j])  # the root, so that small ones can be told apart
            colour = f"rgb({255 - 220 * depth:.0f},{255 - 170 * depth:.0f},255)"
            out.append(f'<rect x="{size * x}" y="{size * y}" width="{size}" height="{size}" '
                       f'fill="{colour}"/><text x="{size * x + 20}" y="{size * y + 16}">'
                       f'{html.escape(glyph(tokenizer, i) + glyph(tokenizer, j))}</text>'
                       f'<text x="{size * x + 20}" y="{size * y + 32}">{counts[i][j]}</text>')
    side = size * len(ids)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" '
            'font-family="monospace" font-size="12" text-anchor="middle">\n'
            + "\n".join(out) + "\n</svg>\n")


# %% 10. The command line
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
        prog="bigram.py", description="Learn which letter follows which, by counting and by a "
                                      "network, and sample names.")
    names = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")
    parser.add_argument("--data", metavar="FILE", default=names,
                        help="UTF-8 text, one document a line (default: names.txt beside "
                             "bigram.py)")
    parser.add_argument("--steps", metavar="N", type=number(int, 0),
                        help="training steps of the network, each on all data (default: 5000, "
                             "fewer with more than 30 tokens)")
    parser.add_argument("--lr", metavar="X", type=number(float, 0, above=True),
                        help="learning rate (default: one that is certain to go downhill)")
    parser.add_argument("--seed", metavar="N", type=number(int, 0), default=42,
                        help="where all randomness starts (default: 42)")
    parser.add_argument("--samples", metavar="N", type=number(int, 0), default=10,
                        help="texts to invent (default: 10)")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    parser.add_argument("--counts", action="store_true", help="show the table with its numbers")
    parser.add_argument("--svg", metavar="FILE", help="draw the table with its numbers into a file")
    return parser


def write_text(path, text):
    """Write a file whole or not at all: beside it at first, then renamed. Raises ValueError."""
    target = os.path.realpath(path)  # what a link points to
    part = f"{target}.{os.getpid()}.part"
    if path.startswith("/dev/") or os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"{path}: not an ordinary file; name one to write")
    try:
        try:
            with open(part, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(part, target)
        finally:
            if os.path.exists(part):
                os.remove(part)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a file that can be written") from None


def show_progress(line, in_a_pipe=True):
    """Rewrite the last line on a terminal; where there is none, print a plain line or nothing."""
    if sys.stderr.isatty():
        width = min(60, shutil.get_terminal_size().columns - 1)
        print(f"\r{line[:width]:{width}}\r", file=sys.stderr, end="", flush=True)
    elif in_a_pipe:
        print(line, file=sys.stderr, flush=True)


def show_counting(tokenizer, splits, counts, args):
    """Sections 2 to 4: the table, samples from it, a name scored, and the losses."""
    n_vocab = tokenizer.n_vocab
    probs = probabilities(counts["train"])
    seen = sum(count > 0 for row in counts["train"] for count in row)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and \
        os.environ.get("TERM") != "dumb"
    print(f"the training documents have {sum(map(sum, counts['train']))} pairs of tokens, of "
          f"{seen} kinds out of {n_vocab ** 2}\n\nhow likely is the second after the first? "
          f"{'The darker, the likelier' if colour else LEGEND}")
    print(draw_table(tokenizer, counts["train"], args.counts, colour))
    if args.svg is not None:
        print(f"{args.svg} shows it with its numbers; open it in a browser")

    rng = random.Random(args.seed)
    room = 33 // columns_of(glyphs(tokenizer)[0])  # tokens in half a terminal's width
    if args.samples:
        print("\nsampled from this table                     with all tokens equally likely")
    for _ in range(args.samples):
        learned = sample(lambda ids: dict(enumerate(probs[ids[-1]])), rng, room)
        uniform = sample(lambda ids: dict.fromkeys(range(n_vocab), 1), rng, room)
        texts = [printable(tokenizer.decode(ids)) + ("…" if len(ids) == room else "")
                 for ids in (learned, uniform)]
        print(f"  {pad(texts[0], 42)}  {texts[1]}")

    ids = next((ids for ids in splits["train"] if len(ids) <= 22), splits["train"][0][:22])
    name = printable(tokenizer.decode(ids))
    print(f"\nhow likely is {name}?\n  pair   probability   its logarithm")
    for before, after in zip(ids, ids[1:]):
        pair, p = glyph(tokenizer, before) + glyph(tokenizer, after), probs[before][after]
        print(f"  {pad(pair, 6)}{p:12.2%}{math.log(p):16.3f}")
    log_likelihood = sum(math.log(probs[before][after]) for before, after in zip(ids, ids[1:]))
    loss = nll(probs, count_pairs([ids], n_vocab))
    print(f"  likelihood, the product: {math.exp(log_likelihood):.3g}\n"
          f"  log-likelihood, the sum: {log_likelihood:.3f}\n"
          f"  average negative log-likelihood: {loss:.3f} nats a token, perplexity "
          f"{math.exp(loss):.1f}")

    print("\nloss of the counted table, nats a token   as counted   +1 to every count")
    smoothed = probabilities(counts["train"], 1)
    new = [glyph(tokenizer, i) + glyph(tokenizer, j) for i in range(n_vocab) for j in range(n_vocab)
           if counts["dev"][i][j] and not counts["train"][i][j]]
    for name in ("train", "dev"):
        print(f"  {name:40}{nll(probs, counts[name]):10.4f}{nll(smoothed, counts[name]):16.4f}"
              + (f"\n  (dev has pairs that train has not, such as {' '.join(new[:6])})"
                 if new and name == "dev" else ""))
    # Figures published for such tables are often of a whole list, not split.
    whole = [[sum(cell) for cell in zip(*rows)] for rows in zip(*counts.values())]
    title = f"all {sum(map(sum, whole))} pairs, counted from all"
    print(f"  {title:40}{nll(probabilities(whole), whole):10.4f}"
          f"{nll(probabilities(whole, 1), whole):16.4f}")


def show_network(tokenizer, counts, args):
    """Sections 6 and 7: train the network, also regularised, and compare with counting."""
    n_vocab, l2 = tokenizer.n_vocab, 0.02
    plain, pulled = (Tensor([[0.0] * n_vocab for _ in range(n_vocab)]) for _ in range(2))
    lr = args.lr or safe_learning_rate(counts["train"])
    steps = min(5000, 4_500_000 // n_vocab ** 2) if args.steps is None else args.steps
    done, start = 0, time.monotonic()
    try:
        print(f"\nthe same as a network: {n_vocab ** 2} weights, from 0, learning rate {lr:.1f}",
              flush=True)
        for loss, _ in zip(train(plain, counts["train"], steps, lr),
                           train(pulled, counts["train"], steps, lr, l2)):
            done += 1
            left = (time.monotonic() - start) / done * (steps - done)
            show_progress(f"step {done}/{steps}  loss {loss:#.5g}  {left:.0f} s left",
                          in_a_pipe=done % max(1, steps // 10) == 0)
        show_progress("", in_a_pipe=False)
    except KeyboardInterrupt:
        show_progress("", in_a_pipe=False)
        print(f"stopped at step {done} of {steps}; Ctrl-C again quits", file=sys.stderr,
              flush=True)
    learned, calmer = (network(weights, range(n_vocab)).data for weights in (plain, pulled))
    for name in ("train", "dev", "test") if args.test else ("train", "dev"):
        print(f"{name} loss {nll(learned, counts[name]):.4f}")
    probs = probabilities(counts["train"])
    excess = nll(learned, counts["train"]) - nll(probs, counts["train"])
    print(f"on train {excess:.4f} above the counted table's, which no table of pairs can beat")
    print(f"\nthe two tables side by side ({LEGEND})\n"
          + draw_beside(tokenizer, counts["train"], probs, learned,
                        ("counted", "the network's weights, through softmax")))
    smoothing = smoothing_like(nll(calmer, counts["train"]), counts["train"])
    smoothed = probabilities(counts["train"], smoothing)
    print("\n" + draw_beside(
        tokenizer, counts["train"], smoothed, calmer,
        (f"counted, smoothed by {smoothing:.3g}", f"the network, regularised by {l2}")))
    print(f"with the same train loss, {nll(smoothed, counts['train']):.4f}, the dev losses are "
          f"{nll(smoothed, counts['dev']):.4f} and {nll(calmer, counts['dev']):.4f}")


def show_ngrams(tokenizer, splits, rng):
    """Section 8: a line for each length of context."""
    known = {tuple(ids[1:-1]) for ids in splits["train"]}
    room = 9 // columns_of(glyphs(tokenizer)[0])
    print("\nlonger contexts, by counting (smoothing: the best on dev; copies: how many of\n"
          "100 samples, drawn without smoothing, are training documents)\n"
          " n  cells possible    seen   contexts  smoothing  train    dev copies  a sample\n"
          "                           new in dev              loss   loss")
    for n in range(1, 7):
        table, dev = (count_ngrams(splits[name], n) for name in ("train", "dev"))
        smoothing = best_smoothing(table, dev, tokenizer.n_vocab)
        unseen = sum(sum(row.values()) for context, row in dev.items() if context not in table)
        share = unseen / sum(sum(row.values()) for row in dev.values())
        losses = [ngram_nll(table, text, smoothing, tokenizer.n_vocab) for text in (table, dev)]
        copies = sum(tuple(sample(ngram_rows(table, n), rng)) in known for _ in range(100))
        text = printable(tokenizer.decode(sample(ngram_rows(table, n), rng, room)))
        cells = tokenizer.n_vocab ** n
        print(f" {n}{f'{cells:,}' if cells < 10 ** 12 else f'{cells:.1e}':>16}"
              f"{sum(map(len, table.values())):8,}{share:11.1%}{smoothing:10g} {losses[0]:7.4f}"
              f"{losses[1]:7.4f}{copies:7}  {text}", flush=True)


def main(argv=None):
    """Read the command line and the data, and run; what is wrong with them is said in one line."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # where ░ cannot be printed, ? will do
    try:
        tokenizer, splits = load(args.data, args.seed)
        counts = {name: count_pairs(part, tokenizer.n_vocab) for name, part in splits.items()}
        if args.svg is not None:
            if os.path.exists(args.svg) and os.path.samefile(args.svg, args.data):
                raise ValueError(f"{args.svg}: holds the data; name another file to write")
            write_text(args.svg, draw_svg(tokenizer, counts["train"]))
    except ValueError as error:
        parser.error(str(error))
    print(f"{sum(map(len, splits.values()))} documents, {tokenizer.n_vocab} tokens")
    show_counting(tokenizer, splits, counts, args)
    try:
        show_network(tokenizer, counts, args)
    except ArithmeticError:
        show_progress("", in_a_pipe=False)
        parser.error("the loss grew without bound, as the steps were too large; try a smaller --lr")
    show_ngrams(tokenizer, splits, random.Random(args.seed))


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
        print(f"bigram.py: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
