"""The smallest language model: how likely is each letter after the one before?

The network of micrograd.py told shapes apart, but could neither read nor write. A language model
tells how likely each token (here, a character) is to come next: so it can invent text, and be
scored on real text. This one looks at only one token before, so it is a table of pairs: a bigram
model. It is first counted, then learned by gradient descent, with Tensors in place of Values.

    python bigram.py    a few seconds; prints what the sections find, on names.txt
"""
import argparse
import itertools
import math
import random
import sys
import time
from pathlib import Path

# %% 1. Data
# A model knows only numbers, so text becomes token ids: here each character is a token. One more
# token, the boundary, stands before and after every document (a name is a document): it is what a
# name begins after, and by predicting it the model says "this name is finished". Some documents are
# held back from training, for a model might only remember what it was trained on.
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


# %% 2. Counting
# What follows what, and how often? A table (vocab_size, vocab_size), with a row for each of the
# vocab_size tokens and in it a column for each that may come next, is all a bigram model learns.
# exercise 2.1: counting pairs
def count_pairs(documents, vocab_size):
    """counts[i][j] is how often token j came right after token i: (vocab_size, vocab_size).
    >>> count_pairs([[2, 0, 0, 1, 2]], 3)
    [[1, 1, 0], [0, 0, 1], [1, 0, 0]]"""
    counts = [[0] * vocab_size for _ in range(vocab_size)]
    for ids in documents:
        for before, after in itertools.pairwise(ids):
            counts[before][after] += 1
    return counts


# %% 3. Probabilities and samples
# Divide each row by its sum, and it says how likely each token is to come next. To invent a name,
# begin at the boundary, draw the next token with the probabilities of its row, go to the row of it,
# and so on, to the boundary (Shannon 1948, "A Mathematical Theory of Communication", section 3).
# exercise 2.2: counts to probabilities
def probabilities(counts, smoothing=0):
    """Each row divided by its sum, after smoothing (see section 4) was added to every number of it.
    counts: rows of numbers, which stay as they are. A row of zeros, not smoothed, stays zeros.
    >>> probabilities([[1, 3], [0, 0]])
    [[0.25, 0.75], [0.0, 0.0]]"""
    probs = []
    for row in counts:
        total = sum(row) + smoothing * len(row)
        probs.append([(count + smoothing) / (total or 1) for count in row])
    return probs


# exercise 2.3: inventing a name
def sample(row_after, boundary, rng, max_new_tokens=50):
    """Draws ids until the boundary, which is the last of them, or until it has max_new_tokens.
    row_after is a function from all ids so far (section 8 needs more than the last) to the row of
    the table by which rng, a random.Random, draws the next."""
    ids = [boundary]
    for _ in range(max_new_tokens):
        row = row_after(ids)
        ids += rng.choices(range(len(row)), row)  # one id, the numbers of row as weights
        if ids[-1] == boundary:
            break
    return ids[1:]


def draw_tables(title, characters, *tables):
    """Print tables side by side: the likelier the token at the top after the left, the denser."""
    shown = range(len(characters))[-36:]  # more would not fit beside each other
    print(title)
    print("    ".join("  " + characters[-36:] for _ in tables))
    for i in shown:
        shades = [[" .░▒▓█"[sum(table[i][j] >= edge for edge in (0.001, 0.01, 0.03, 0.1, 0.3))]
                   for j in shown] for table in tables]
        print("    ".join(f"{characters[i]} {''.join(row)}" for row in shades).rstrip())


# %% 4. How good is it?
# The likelihood of a name is the product of the probabilities of all its pairs, a tiny number; its
# logarithm is a sum, easier to work with. Turn the sign and divide by the number of pairs: this is
# the loss of all language models, the average negative log-likelihood (nll), in nats, for natural
# logarithm. e to the power of it is the perplexity: at 12, a model is as unsure as if it had to
# pick from 12 equally likely tokens. But a pair that was never seen has probability 0, and log 0 is
# minus infinity: a single such pair, and the loss of a whole text is infinite. Smoothing adds, say,
# 1 to every count. Lidstone 1920, "Note on the General Case of the Bayes-Laplace Formula".
# exercise 2.4: the loss of a language model
def nll(probs, counts):
    """The average negative log-likelihood of text with these counts of pairs, in nats a token:
    -log probs[i][j], averaged over all pairs. Infinite if one that occurs has probability 0."""
    total = 0.0
    for row, times in zip(probs, counts, strict=True):
        for p, count in zip(row, times, strict=True):
            if count:
                total -= count * (math.log(p) if p else -math.inf)
    return total / sum(map(sum, counts))


def show_score(characters, probs, ids):
    """Print how likely a document is, pair by pair."""
    print("\nhow likely is a name?")
    total = 0.0
    for before, after in itertools.pairwise(ids):
        p = probs[before][after]
        total += math.log(p)
        print(f"  {characters[before]}{characters[after]}  {p:7.2%}  {math.log(p):7.3f}")
    loss = -total / (len(ids) - 1)
    print(f"  likelihood, the product: {math.exp(total):.3g}; the sum of logarithms: {total:.3f}\n"
          f"  loss, their average, its sign turned: {loss:.3f}; perplexity {math.exp(loss):.1f}")


# %% 5. A tensor that knows where it came from
# A network can learn the table, too, if we know how the loss grows with respect to each number in
# it, 27 * 27. Values would be thousands of objects at every step. So one object, a Tensor, holds a
# whole table, and an operation works on all its numbers at once. A Value kept slopes, one for each
# parent; here that would be one for each pair of a number that goes in and one that comes out. But
# all that is done with slopes is to multiply and add, and a function can do that: local_backward
# takes the gradient with respect to what came out, and gives that with respect to what went in, in
# the same shape. For a * b of two numbers it would be lambda grad: (grad * b, grad * a).
class Tensor:
    """A number, a list of numbers or of rows, and how to send a gradient back through it:
    local_backward turns the gradient with respect to it into a tuple, the share of each parent.
    >>> probs = Tensor([[0.25, 0.75], [0.5, 0.5]])
    >>> loss = mean_nll(probs, [[1, 0], [0, 0]])
    >>> loss.backward()
    >>> probs.grad
    [[-4.0, 0.0], [0.0, 0.0]]"""
    numbers = itertools.count()

    def __init__(self, data, parents=(), local_backward=lambda grad: ()):
        self.data = data
        self.grad = None  # d loss / d data, in the shape of data, once backward() has run
        self.parents, self.local_backward = parents, local_backward
        self.number = next(Tensor.numbers)  # what it was computed from has smaller ones

    def backward(self):
        """Add d self / d tensor to the .grad of every tensor that this number was computed from.
        Each can send its gradient on when all of it has arrived, from tensors that are newer: so we
        go from the newest to the oldest. Raises ValueError if self is not a single number."""
        if isinstance(self.data, list):
            raise ValueError("backward() starts from a single number")
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
    return [add(p, q) for p, q in zip(a, b, strict=True)]


def mean_nll(probs, counts):
    """nll of probs, a Tensor (n, m): a number, as a Tensor. The slope of -log p is -1 / p."""
    total = sum(map(sum, counts))

    def backward(grad):
        return ([[-grad * count / (total * p) if count else 0.0 for p, count in zip(*rows)]
                 for rows in zip(probs.data, counts)],)
    return Tensor(nll(probs.data, counts), (probs,), backward)


# %% 6. The same model as a network
# What goes in is a token, as a one-hot row: zeros, but for a 1 at its id. Times a matrix of weights
# it picks out one row of them: these are the logits, a score for each token that may come next. All
# one-hot rows together pick out all rows: the matrix itself, a table again. Its numbers may be any;
# softmax makes probabilities of each row. Then gradient descent, as in micrograd.py. Where it heads
# we know: no table fits better than the counted one. Rows that are rare get there last.
def softmax(row):
    """Any numbers to numbers from 0 to 1 that sum to 1, in proportion to their exponentials."""
    top = max(row)  # subtracted, it cancels out, and no exponential can overflow
    exps = [math.exp(v - top) for v in row]
    total = sum(exps)
    return [e / total for e in exps]


def network(weights):
    """What comes after each token: Tensor (vocab_size, vocab_size) -> its softmax, row by row."""
    probs = [softmax(row) for row in weights.data]

    # exercise 2.5: the gradient of softmax
    def backward(grad):
        """grad, of probs -> a tuple with the gradient of weights, also (vocab_size, vocab_size).
        If w grows, e^w grows as fast as it is large, and with it, by p, its share p of the row. But
        the total grows, too, by p of itself: so each share q of the row, also p, shrinks by p q.
        So w gets p times the gradient of p, less p q times the gradient of each q."""
        d_weights = []
        for p, g in zip(probs, grad, strict=True):
            shrink = sum([g[j] * p[j] for j in range(len(p))])
            d_weights.append([p[j] * (g[j] - shrink) for j in range(len(p))])
        return (d_weights,)
    return Tensor(probs, (weights,), backward)


def train(weights, counts, steps, lr, weight_decay=0.0):
    """Gradient descent on the mean loss over all pairs, yielding the loss of each step. However
    long the text, pairs differ only in how often they occur, so each step can be on all of them.
    weight_decay: see section 7. Raises InputError if the loss is no number."""
    for _ in range(steps):
        loss = mean_nll(network(weights), counts)
        if not math.isfinite(loss.data):
            raise InputError("the loss is no number: the learning rate, --lr, is too large")
        weights.grad = None  # of the step before
        loss.backward()
        weights.data = [[w - lr * (g + weight_decay * w) for w, g in zip(*rows)]
                        for rows in zip(weights.data, weights.grad)]
        yield loss.data


# %% 7. Weight decay acts like smoothing
# If all weights are 0, all tokens are equally likely. Weight decay (L2, seen from the step) pulls
# there: each step also makes each weight a little smaller. Smoothing does the same to counts. Both
# change rare tokens most: to a large count, 1 more is nothing. This much makes dev worse: 500 steps
# without it end at 2.4653.
def show_weight_decay(counts, lr, weight_decay=0.0002):
    """Print the losses of a table learned with weight decay, and of one smoothed until alike."""
    weights = Tensor([[0.0] * len(row) for row in counts["train"]])
    *_, loss = train(weights, counts["train"], 500, lr, weight_decay)
    extra = min(range(1, 100), key=lambda extra: abs(
        nll(probabilities(counts["train"], extra), counts["train"]) - loss))
    tables = [network(weights).data, probabilities(counts["train"], extra)]
    print(f"\nwith weight decay {weight_decay}, or smoothing {extra}: train loss {loss:.4f};",
          "dev loss", " and ".join(f"{nll(table, counts['dev']):.4f}" for table in tables))


# %% 8. Longer contexts
# Two tokens before say more than one. To count, it takes only a larger table: an n-gram model has a
# row for each context of n - 1 tokens. But with each token more there are vocab_size times as many
# contexts, and the text does not grow: soon many contexts of new names never occurred before, and
# the table knows little but the training names, by heart. The dev loss, after falling for a while,
# rises. To a table, the contexts "ann" and "enn" have nothing in common; mlp.py begins there.
def last(ids, n):
    """The last n ids, as a tuple; if there are fewer, the first, a boundary, is repeated."""
    padded = ids[:1] * n + ids
    return tuple(padded[len(padded) - n:])  # not [-n:], which is everything for n = 0


# exercise 2.6: contexts of any length
def count_ngrams(documents, n, vocab_size):
    """{context: row}: row[i], of vocab_size, is how often token i came after the context, the last
    n - 1 ids before. For n = 1 the only context is ().
    >>> count_ngrams([[2, 0, 1, 2]], 3, 3)
    {(2, 2): [1, 0, 0], (2, 0): [0, 1, 0], (0, 1): [0, 0, 1]}"""
    table = {}
    for ids in documents:
        for t in range(1, len(ids)):
            row = table.setdefault(last(ids[:t], n - 1), [0] * vocab_size)
            row[ids[t]] += 1
    return table


def ngram_nll(table, counts, smoothing, vocab_size):
    """nll of text with these counts of n-grams. After contexts that the table does not have, all
    tokens are equally likely."""
    rows = [table.get(context, [0] * vocab_size) for context in counts]
    return nll(probabilities(rows, smoothing), counts.values())


def show_ngrams(characters, splits, rng, smoothing=0.1):
    """Print how n-gram models of n = 1 to 6 fare, smoothed (train pays for it); samples are not."""
    vocab_size, boundary = len(characters), len(characters) - 1
    print("\nlonger contexts; new: share of dev's tokens whose context train does not have;\n"
          "copies: how many of 100 samples are documents of train\n"
          "n  contexts   possible    new   train     dev  copies  a sample")
    for n in range(1, 7):
        table, dev = (count_ngrams(splits[name], n, vocab_size) for name in ("train", "dev"))
        new = sum(sum(row) for context, row in dev.items() if context not in table)
        new /= sum(map(sum, dev.values()))
        losses = [ngram_nll(table, part, smoothing, vocab_size) for part in (table, dev)]
        samples = [sample(lambda ids: table[last(ids, n - 1)], boundary, rng) for _ in range(100)]
        copies = sum([boundary, *ids] in splits["train"] for ids in samples)
        text = "".join(characters[i] for i in samples[0] if i != boundary)
        print(f"{n}{len(table):10}{vocab_size ** (n - 1):11}{new:7.1%}{losses[0]:8.4f}"
              f"{losses[1]:8.4f}{copies:8}  {text}")


# You can stop here: what follows reads options.

# %% 9. The command line
def main(argv=None):
    """Shows what the sections are about, and trains. Raises InputError and OSError."""
    parser = argparse.ArgumentParser(usage="bigram.py [options]")
    parser.add_argument("--test", action="store_true", help="evaluate on the test split too")
    for name, kind, default, phrase in (
            ("--data", str, None, "UTF-8 text, a document a line, in place of names.txt"),
            ("--steps", int, 4000, "training steps of the network, each on all pairs"),
            ("--lr", float, 20.0, "learning rate"),
            ("--seed", int, 42, "where all randomness starts"),
            ("--samples", int, 10, "texts to invent")):
        parser.add_argument(name, type=kind, default=default, help=f"{phrase} (default: {default})")
    args = parser.parse_args(argv)
    if not (0 < args.lr < math.inf and min(args.steps, args.seed, args.samples) >= 0):
        raise InputError("out of range: --lr is above 0, --steps, --seed and --samples from 0")
    path = args.data or Path(__file__).with_name("names.txt")
    lines = [line for line in read_lines(path) if line]
    characters = "".join(sorted(set("".join(lines)))) + "·"
    vocab_size, boundary, rng = len(characters), len(characters) - 1, random.Random(args.seed)
    documents = [[characters.index(char) for char in line] for line in lines]
    splits = make_splits(documents, boundary, args.seed)
    counts = {name: count_pairs(part, vocab_size) for name, part in splits.items()}
    probs = probabilities(counts["train"])
    draw_tables(f"{len(lines)} documents; what comes after each token?", characters, probs)
    print("\nsamples")
    for _ in range(args.samples):
        ids = sample(lambda ids: probs[ids[-1]], boundary, rng)
        print("".join(characters[i] for i in ids if i != boundary))
    show_score(characters, probs, splits["train"][0])
    whole = count_pairs(itertools.chain(*splits.values()), vocab_size)
    print("\nloss                         as counted   with 1 added to every count")
    for title, known, text in (("train", counts["train"], counts["train"]),
                               ("dev", counts["train"], counts["dev"]),
                               (f"all {sum(map(sum, whole))} pairs", whole, whole)):
        losses = [nll(probabilities(known, smoothing), text) for smoothing in (0, 1)]
        print(f"{title:29}{losses[0]:10.4f}{losses[1]:13.4f}")

    weights, step, begun = Tensor([[0.0] * vocab_size for _ in characters]), 0, time.monotonic()
    try:
        print(f"\nthe same as a network, {vocab_size ** 2} weights", flush=True)
        for step, loss in enumerate(train(weights, counts["train"], args.steps, args.lr), start=1):
            left = (time.monotonic() - begun) / step * (args.steps - step)
            line = f"step {step:5}  loss {loss:.4f}  {left:.0f} s left   "
            if sys.stderr.isatty():
                print(line, end="\r", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"\nstopped at step {step}; Ctrl-C again quits", file=sys.stderr)
    learned = network(weights).data
    draw_tables("\ncounted, and learned", characters, probs, learned)
    for name in ("train", "dev", "test")[:2 + args.test]:
        print(f"{name} loss {nll(learned, counts[name]):.4f}")
    show_weight_decay(counts, args.lr)
    show_ngrams(characters, splits, rng)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    try:
        main()
    except (InputError, OSError) as error:
        print(f"bigram.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: from how many names on do two tokens of context beat one, and three two? [some 850;
# some 4,600] Is a weighted mean of the tables of n = 1 to 5 better than the best? [by about 0.1]
