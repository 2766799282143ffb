"""bigram.py: counts and losses worked by hand, every gradient, the pictures, the script as run."""
import gc
import math
import os
import random
import re
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections import Counter
from functools import partial

import pytest

import bigram
import gradcheck
import scripts
from bigram import SHADES, CharTokenizer, Tensor
from scripts import write

NAMES = os.path.join(scripts.ROOT, "names.txt")


def matrix(rng, n, m, low=-2.0, high=2.0):
    return Tensor([[rng.uniform(low, high) for _ in range(m)] for _ in range(n)])


def weighed(out, seed=7):
    """A scalar that every number in `out` has a say in, each with its own weight."""
    rng = random.Random(seed)
    if not isinstance(out.data[0], list):
        weights = [rng.gauss(0, 1) for _ in out.data]
        return Tensor(sum(map(lambda w, x: w * x, weights, out.data)), (out,),
                      lambda grad: ([grad * w for w in weights],))
    weights = [[rng.gauss(0, 1) for _ in row] for row in out.data]
    total = sum(w * x for ws, row in zip(weights, out.data) for w, x in zip(ws, row))
    return Tensor(total, (out,), lambda grad: ([[grad * w for w in ws] for ws in weights],))


# --- data ---

def test_documents(tmp_path):
    path = write(tmp_path / "names.txt", "\ufeffbo\n\n  ab \r\nba\nob\nabbA\n")
    tokenizer, splits = bigram.load(path, seed=1)
    assert tokenizer.chars == ["A", "a", "b", "o"] and tokenizer.n_vocab == 5
    documents = [ids for part in splits.values() for ids in part]
    assert sorted(tokenizer.decode(ids) for ids in documents) == ["ab", "abbA", "ba", "bo", "ob"]
    assert all(ids[0] == ids[-1] == bigram.BOUNDARY and 0 not in ids[1:-1] for ids in documents)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [3, 1, 1]
    assert bigram.load(path, 1)[1] == splits
    orders = {str(bigram.load(path, seed)[1]) for seed in range(20)}
    assert len(orders) > 5


def test_splits_share_nothing_and_lose_nothing():
    for n in (3, 9, 10, 25, 1000):
        train, dev, test = bigram.split(list(range(n)))
        assert sorted(train + dev + test) == list(range(n))
        assert len(dev) == len(test) == max(1, n // 10)
    assert bigram.split(list("abcdefghij")) == (list("cdefghij"), ["a"], ["b"])


# --- counting ---

DOCUMENTS = [[0, 1, 2, 0], [0, 1, 1, 0]]  # with a = 1, b = 2: "ab" and "aa"
COUNTS = [[0, 2, 0], [1, 1, 1], [1, 0, 0]]


def test_counts_worked_by_hand():
    assert bigram.count_pairs(DOCUMENTS, 3) == COUNTS
    assert bigram.probabilities(COUNTS) == [[0, 1, 0], [1 / 3, 1 / 3, 1 / 3], [1, 0, 0]]
    assert bigram.probabilities(COUNTS, 1) == [[1 / 5, 3 / 5, 1 / 5], [1 / 3] * 3, [1 / 2, 1 / 4, 1 / 4]]
    assert bigram.probabilities([[0, 0], [1, 3]]) == [[0, 0], [0.25, 0.75]]


def test_loss_worked_by_hand():
    probs = bigram.probabilities(COUNTS)
    # six pairs: twice probability 1, three times 1/3, once 1
    assert bigram.nll(probs, COUNTS) == pytest.approx(3 * math.log(3) / 6)
    assert math.exp(bigram.nll([[1 / 3] * 3] * 3, COUNTS)) == pytest.approx(3)  # perplexity
    unseen = bigram.count_pairs([[0, 2, 0]], 3)
    assert bigram.nll(probs, unseen) == math.inf
    assert bigram.nll(bigram.probabilities(COUNTS, 1), unseen) == pytest.approx(
        -(math.log(1 / 5) + math.log(1 / 2)) / 2)


def test_counts_and_loss_on_names_agree_with_a_plain_count():
    with open(NAMES, encoding="utf-8") as file:
        names = file.read().split()
    pairs = Counter(pair for name in names for pair in zip("·" + name, name + "·"))
    firsts = Counter()
    for (before, _), count in pairs.items():
        firsts[before] += count
    total = sum(pairs.values())
    loss = -sum(count * math.log(count / firsts[pair[0]]) for pair, count in pairs.items()) / total
    smooth = -sum(count * math.log((count + 1) / (firsts[pair[0]] + 27))
                  for pair, count in pairs.items()) / total
    tokenizer, splits = bigram.load(NAMES, 42)
    counts = bigram.count_pairs([ids for part in splits.values() for ids in part],
                                tokenizer.n_vocab)
    assert sum(map(sum, counts)) == total
    assert counts[tokenizer.id_of["q"]][tokenizer.id_of["u"]] == pairs["q", "u"]
    assert bigram.nll(bigram.probabilities(counts), counts) == pytest.approx(loss, rel=1e-12)
    assert bigram.nll(bigram.probabilities(counts, 1), counts) == pytest.approx(smooth, rel=1e-12)


def test_samples_follow_the_table():
    rng = random.Random(1)
    probs = bigram.probabilities(COUNTS)
    texts = [bigram.sample(lambda ids: dict(enumerate(probs[ids[-1]])), rng) for _ in range(3000)]
    assert all(ids[0] == 1 for ids in texts) and all(0 not in ids for ids in texts)
    assert sum(ids == [1] for ids in texts) / 3000 == pytest.approx(1 / 3, abs=0.03)
    assert sum(ids == [1, 2] for ids in texts) / 3000 == pytest.approx(1 / 3, abs=0.03)
    endless = bigram.sample(lambda ids: {2: 1}, rng, max_new_tokens=7)
    assert endless == [2] * 7 and len(bigram.sample(lambda ids: {2: 1}, rng)) == 39


# --- the tensor: every operation, at several shapes ---

@pytest.mark.parametrize("n, m", [(1, 1), (1, 4), (3, 2), (5, 5)])
def test_gradient_of_every_operation(n, m):
    rng = random.Random(n * 10 + m)
    x, positive = matrix(rng, n, m), matrix(rng, n, m, 0.5, 3)
    gradcheck.check(lambda: weighed(x.exp()), {"x": x})
    gradcheck.check(lambda: weighed(positive.normalize()), {"x": positive})
    gradcheck.check(lambda: weighed(positive.exp().normalize()), {"x": positive})
    gradcheck.check(lambda: 3 * x.mean_square(), {"x": x})
    places = [(i, j) for i in range(n) for j in range(m) if (i + j) % 2 == 0]
    rng.shuffle(places)
    gradcheck.check(lambda: weighed(x.pick(places)), {"x": x})
    gradcheck.check(lambda: weighed(positive.pick(places).log()), {"x": positive})
    gradcheck.check(lambda: 2 * x.pick(places).mean([1 + i for i in range(len(places))]), {"x": x})
    gradcheck.check(lambda: x.mean_square() + 2 * x.mean_square(), {"x": x})


@pytest.mark.parametrize("rows", [[[1.0, 0.0, 0.0]], [[0.5, -2.0, 3.0], [0.0, 0.0, 0.0]],
                                  bigram.one_hot([2, 0, 2, 1], 3)])
def test_gradient_of_the_matrix_product(rows):
    weights = matrix(random.Random(1), 3, 4)
    gradcheck.check(lambda: weighed(rows @ weights), {"weights": weights})
    product = (rows @ weights).data
    assert product == [pytest.approx([sum(x * w for x, w in zip(row, column))
                                      for column in zip(*weights.data)]) for row in rows]


def test_one_hot_rows_pick_rows():
    weights = matrix(random.Random(2), 3, 3)
    assert bigram.one_hot([2, 0], 3) == [[0, 0, 1], [1, 0, 0]]
    assert (bigram.one_hot([2, 0], 3) @ weights).data == [weights.data[2], weights.data[0]]


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_gradient_of_every_weight_of_the_network(strength):
    counts = [[0, 5, 1, 2], [3, 1, 0, 4], [2, 2, 1, 0], [1, 0, 7, 1]]
    weights = matrix(random.Random(3), 4, 4)

    def gradient():  # a step of train with a learning rate of 1, taken back
        copy = Tensor([row[:] for row in weights.data])
        next(bigram.train(copy, counts, 1, 1.0, strength))
        return copy.grad

    def loss():
        own = bigram.nll(bigram.network(weights, range(4)).data, counts)
        return own + strength * sum(w * w for row in weights.data for w in row) / 16

    assert gradcheck.compare(loss, "weights", weights.data, gradient()) == 16
    first = next(bigram.train(Tensor(weights.data), counts, 1, 1.0, strength))
    assert first == pytest.approx(bigram.nll(bigram.network(weights, range(4)).data, counts))


def test_probabilities_of_the_network_are_softmax():
    weights = Tensor([[0.0, math.log(3)], [5.0, 5.0]])
    probs = bigram.network(weights, [0, 1, 0]).data
    assert probs == [pytest.approx(row) for row in ([0.25, 0.75], [0.5, 0.5], [0.25, 0.75])]


def test_backward_adds_to_grad_and_shared_tensors_are_sent_all_of_theirs():
    a = Tensor(3.0)
    b = a + a
    c = b + a + b  # 5 a
    c.backward()
    assert (a.grad, b.grad, c.grad) == (5.0, 2.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (10.0, 4.0, 2.0)


def test_a_chain_of_100_000_operations():
    x, one = Tensor(0.0), Tensor(1.0)
    y = x
    for _ in range(100_000):
        y = y + one
    y.backward()
    assert (y.data, x.grad, one.grad) == (100_000.0, 1.0, 100_000.0)
    del y


def test_training_does_not_grow():
    steps = bigram.train(Tensor([[0.0] * 3 for _ in range(3)]), COUNTS, 40, 0.1, 0.1)
    for _ in range(10):
        next(steps)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for _ in range(20):
            next(steps)
        assert sys.getallocatedblocks() - before < 100
        assert gc.collect() == 0  # no reference cycle was left behind
    finally:
        gc.enable()


# --- training ---

def test_the_network_ends_where_counting_does():
    with open(NAMES, encoding="utf-8") as file:  # those names that are made of six letters
        names = [name for name in file.read().split() if set(name) <= set("aeilns")]
    tokenizer = bigram.CharTokenizer("".join(names))
    counts = bigram.count_pairs([[0, *tokenizer.encode(name), 0] for name in names], 7)
    best = bigram.nll(bigram.probabilities(counts), counts)
    weights = Tensor([[0.0] * 7 for _ in range(7)])
    losses = list(bigram.train(weights, counts, 5000, bigram.safe_learning_rate(counts)))
    assert losses[0] == pytest.approx(math.log(7))  # all tokens equally likely
    assert best < losses[-1] < best + 0.001
    assert all(after <= before + 1e-12 for before, after in zip(losses, losses[1:]))
    shares, learned = bigram.probabilities(counts), bigram.network(weights, range(7)).data
    for row, learned_row in zip(shares, learned):
        assert learned_row == pytest.approx(row, abs=0.01)


def test_safe_learning_rate_by_hand():
    assert bigram.safe_learning_rate(COUNTS) == 4 * 6 / 3
    # two equally likely tokens have the largest curvature there is: a little more overshoots
    counts = [[5, 5], [0, 0]]
    far = [[0.1, -0.1], [0.0, 0.0]]
    for factor, calms in ((0.99, True), (1.02, False)):
        weights = Tensor([row[:] for row in far])
        losses = list(bigram.train(weights, counts, 200, factor * bigram.safe_learning_rate(counts)))
        assert (losses[-1] < losses[0]) == calms


def test_regularising_pulls_towards_equal_weights():
    ends = []
    for strength in (0.0, 0.1, 1.0, 100.0):
        weights = Tensor([[0.0] * 3 for _ in range(3)])
        list(bigram.train(weights, COUNTS, 500, 0.5, strength / 100))
        ends.append(weights.mean_square().data)
    assert ends == sorted(ends, reverse=True) and ends[-1] < 0.1 < ends[0]


def test_smoothing_like():
    for smoothing in (1e-4, 0.01, 1, 30, 1e6):
        loss = bigram.nll(bigram.probabilities(COUNTS, smoothing), COUNTS)
        assert bigram.smoothing_like(loss, COUNTS) == pytest.approx(smoothing, rel=1e-3)


def test_a_loss_that_is_no_number_stops_training():
    weights = Tensor([[0.0, -800.0], [0.0, 0.0]])
    with pytest.raises(FloatingPointError):
        next(bigram.train(weights, [[1, 1], [1, 1]], 1, 1.0))
    assert Tensor([0.0, 1.0]).log().data == [-math.inf, 0]


# --- n-grams ---

def test_ngrams_worked_by_hand():
    assert bigram.count_ngrams(DOCUMENTS, 1) == {(): {1: 3, 2: 1, 0: 2}}
    assert bigram.count_ngrams(DOCUMENTS, 2) == {(0,): {1: 2}, (1,): {2: 1, 1: 1, 0: 1}, (2,): {0: 1}}
    assert bigram.count_ngrams(DOCUMENTS, 3) == {
        (0, 0): {1: 2}, (0, 1): {2: 1, 1: 1}, (1, 2): {0: 1}, (1, 1): {0: 1}}
    table = bigram.count_ngrams(DOCUMENTS, 3)
    assert bigram.ngram_nll(table, table, 0, 3) == pytest.approx(2 * math.log(2) / 6)
    new = bigram.count_ngrams([[0, 2, 0]], 3)  # (0, 0) -> 2 was not seen, nor was (0, 2) at all
    assert bigram.ngram_nll(table, new, 1, 3) == pytest.approx(-(math.log(1 / 5) + math.log(1 / 3)) / 2)


@pytest.mark.parametrize("smoothing", [0, 1])
def test_an_ngram_model_of_two_is_the_bigram_model(smoothing):
    table = bigram.count_ngrams(DOCUMENTS, 2)
    assert bigram.ngram_nll(table, table, smoothing, 3) == pytest.approx(
        bigram.nll(bigram.probabilities(COUNTS, smoothing), COUNTS))


def test_best_smoothing_is_the_best_of_those_tried():
    rng = random.Random(5)
    train, dev = ([[0, *rng.choices(range(1, 5), [8, 4, 2, 1], k=4), 0] for _ in range(n)]
                  for n in (30, 20))
    for n in (2, 4):
        table, text = bigram.count_ngrams(train, n), bigram.count_ngrams(dev, n)
        best = bigram.best_smoothing(table, text, 5)
        losses = {k: bigram.ngram_nll(table, text, k, 5)
                  for k in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)}
        assert losses[best] == min(losses.values())
    # what is always so needs no smoothing; where all is chance, the more the better
    certain = bigram.count_ngrams([[0, 1, 2, 0]] * 9, 2)
    assert bigram.best_smoothing(certain, certain, 3) == 0.001
    chance = [[0, *rng.choices(range(1, 5), k=4), 0] for _ in range(40)]
    assert bigram.best_smoothing(bigram.count_ngrams(chance[:4], 3),
                                 bigram.count_ngrams(chance[4:], 3), 5) == 10


def test_sampling_from_ngrams_meets_only_contexts_that_were_seen():
    documents = [[0, 1, 2, 3, 0], [0, 2, 3, 1, 0], [0, 3, 3, 3, 0]]
    rng = random.Random(1)
    for n in range(1, 7):
        row_after = bigram.ngram_rows(bigram.count_ngrams(documents, n), n)
        texts = [bigram.sample(row_after, rng) for _ in range(50)]
        if n >= 4:
            assert all([0, *text, 0] in documents for text in texts)


# --- pictures ---

def columns(text):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else
               0 if unicodedata.combining(char) else 1 for char in text)


def plain(text):
    return re.sub(r"\033\[[\d;]*m", "", text)


ALPHABETS = {"latin": "anna bert clara", "accents": "josé zoë añil", "combining": "e\u0301a o\u0308b",
             "cyrillic": "анна ёлка щукарь", "chinese": "愛子 美咲 大翔", "mixed": "a愛 b\u0301子"}


def tokens_and_counts(text):
    documents = text.split()
    tokenizer = CharTokenizer("".join(documents))
    counts = bigram.count_pairs([[0, *tokenizer.encode(d), 0] for d in documents], tokenizer.n_vocab)
    return tokenizer, counts


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_every_cell_of_the_table_is_there_and_lines_up(alphabet, numbers, colour):
    tokenizer, counts = tokens_and_counts(ALPHABETS[alphabet])
    n = tokenizer.n_vocab
    lines = plain(bigram.draw_table(tokenizer, counts, numbers, colour)).split("\n")
    assert len(lines) == n and max(map(columns, lines)) <= 80
    marks = bigram.glyphs(tokenizer)
    assert len({columns(mark) for mark in marks}) == 1
    for i, line in enumerate(lines):
        for j in range(n):
            assert marks[i] + marks[j] in line
            if numbers:
                assert re.search(re.escape(marks[i] + marks[j]) + rf"[ .░▒▓█]? *{counts[i][j]}\b", line)
    if colour:  # nothing was cut off at the right
        assert len({columns(line.rstrip()) for line in lines}) == 1


def test_the_shades_of_the_table():
    assert [bigram.shade(p) for p in (0, 0.0009, 0.001, 0.01, 0.03, 0.1, 0.3, 1)] == [
        0, 0, 1, 2, 3, 4, 5, 5]
    tokenizer, counts = tokens_and_counts("ab aa")
    assert counts == COUNTS
    assert bigram.draw_table(tokenizer, counts).split("\n") == [
        "·· ·a█·b", "a·█aa█ab█", "b·█ba bb"]
    assert bigram.draw_table(tokenizer, counts, numbers=True).split("\n") == [
        "·· 0 ·a█2 ·b 0", "a·█1 aa█1 ab█1", "b·█1 ba 0 bb 0"]
    coloured = bigram.draw_table(tokenizer, counts, colour=True)
    levels = [[[0, 1, 20, 50, 100, 329, 500]] + [[0] * 7] * 6][0]  # the first row has all shades
    shades = bigram.draw_table(CharTokenizer("abcdef"), levels, colour=True).split("\n")[0]
    assert re.findall(r"48;5;(\d+);38;5;(\d+)m", shades) == [
        ("231", "16"), ("195", "16"), ("153", "16"), ("111", "16"), ("33", "231"), ("19", "231"),
        ("19", "231")]
    assert "\033[48;5;19;38;5;231m·a\033[48;5;231;38;5;16m·b\033[0m" in coloured


def test_the_table_of_27_tokens():
    tokenizer, splits = bigram.load(NAMES, 42)
    counts = bigram.count_pairs(splits["train"], 27)
    for numbers, colour, n_blocks in ((False, False, 2), (False, True, 1), (True, False, 3)):
        picture = bigram.draw_table(tokenizer, counts, numbers, colour)
        blocks = plain(picture).split("\n\n")
        assert [len(block.split("\n")) for block in blocks] == [27] * n_blocks
        assert max(len(line) for block in blocks for line in block.split("\n")) <= 80
        assert ("\033[" in picture) == colour
    assert f" an▓{counts[1][14]:4} " in bigram.draw_table(tokenizer, counts, numbers=True)


def test_of_many_tokens_the_commonest_are_shown():
    many = " ".join(chr(0x4e00 + i) for i in range(100)) + " " + " ".join("子子" for _ in range(3))
    tokenizer, counts = tokens_and_counts(many)
    lines = bigram.draw_table(tokenizer, counts).split("\n")
    assert max(map(columns, lines)) <= 80 and "子子" in "".join(lines)
    assert lines[-1] == "(the 20 commonest of 102 tokens)" and len(lines) == 20 + 1 + 20 + 1
    assert bigram.commonest([[0, 9], [1, 0]], 1) == [0] and bigram.commonest(COUNTS, 2) == [0, 1]
    assert bigram.commonest(COUNTS, 10) == [0, 1, 2]
    beside = bigram.draw_beside(tokenizer, counts, bigram.probabilities(counts),
                                bigram.probabilities(counts), ("left", "right"))
    assert max(map(columns, beside.split("\n"))) <= 80
    assert beside.endswith("\n(the 17 commonest of 102 tokens)") and beside.count("\n") == 2 + 17


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_tables_side_by_side(alphabet):
    tokenizer, counts = tokens_and_counts(ALPHABETS[alphabet])
    title, head, *rows = bigram.draw_beside(
        tokenizer, counts, bigram.probabilities(counts), bigram.probabilities(counts, 1e6),
        ("a title that is wider than these tables", "two")).split("\n")
    n, wide = tokenizer.n_vocab, columns(bigram.glyphs(tokenizer)[0])
    assert len(rows) == n
    second = len("a title that is wider than these tables") + 4  # where the second table begins
    assert columns(title[:title.index("two")]) == second
    for i, row in enumerate(rows):
        smoothed = bigram.probabilities(counts, 1e6)[i]  # about 1 / n each: no blanks at the end
        assert row.endswith("".join(SHADES[bigram.shade(p)] * wide for p in smoothed))
        assert columns(row) == second + wide * (n + 1) + 1
        if sum(counts[i]) == 1:
            assert row.count("█") == wide


def test_letters_are_made_visible():
    assert bigram.glyph(CharTokenizer("\u20dd"), 1) == "◌\u20dd"  # an enclosing circle
    tokenizer = CharTokenizer("a b\te\u0301\u200d愛")
    marks = [bigram.glyph(tokenizer, i) for i in range(tokenizer.n_vocab)]
    assert marks == ["·", "␉", "␠", "a", "b", "e", "◌\u0301", "�", "愛"]
    assert bigram.columns_of("ａ\u20dd") == 2  # a full-width letter, an enclosing circle
    assert bigram.columns_of("愛e\u0301") == 3 and bigram.pad("愛", 4) == "愛  "


def test_svg():
    tokenizer, counts = tokens_and_counts("ab aa <& aa aa")
    root = ElementTree.fromstring(bigram.draw_svg(tokenizer, counts))
    rects = [e for e in root if e.tag.endswith("rect")]
    texts = ["".join(e.itertext()) for e in root if e.tag.endswith("text")]
    n = tokenizer.n_vocab
    assert len(rects) == n * n and len(texts) == 2 * n * n
    assert len({(e.get("x"), e.get("y")) for e in rects}) == n * n
    cells = dict(zip(texts[::2], texts[1::2]))
    assert cells["aa"] == "3" and cells["·a"] == "4" and cells["<&"] == "1" and cells["&<"] == "0"
    fills = {text: e.get("fill") for text, e in zip(texts[::2], rects)}
    assert fills["bb"] == "rgb(255,255,255)" and fills["b·"] == "rgb(35,85,255)"  # from 0 to 1
    half = math.sqrt(3 / 7)  # aa, of the seven pairs that begin with a
    assert fills["aa"] == f"rgb({255 - 220 * half:.0f},{255 - 170 * half:.0f},255)"
    corners = {text: (e.get("x"), e.get("y")) for text, e in zip(texts[::2], rects)}
    a, b = tokenizer.id_of["a"], tokenizer.id_of["b"]
    assert corners["ab"] == (str(40 * b), str(40 * a))  # the first token's row


# --- the script ---

run = partial(scripts.run, "bigram.py")
SMALL = ["--steps", "20", "--samples", "3"]


def test_the_script_counts_learns_and_compares():
    done = run(*SMALL, "--test")
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert re.match(r"\d+ documents, 27 tokens\nthe training documents have \d+ pairs", out)
    losses = re.findall(r"^(train|dev|test) loss (\d\.\d{4})$", out, re.M)
    assert [name for name, _ in losses] == ["train", "dev", "test"]
    assert all(2.4 < float(loss) < 3 for _, loss in losses)
    assert max(map(columns, out.split("\n"))) <= 80
    table = re.findall(r"^ (\d) +([\d,]+) +([\d,]+) +([\d.]+)% +\S+ +([\d.]+) +([\d.]+) +(\d+)  [a-z]*$",
                       out, re.M)
    assert [row[:2] for row in table] == [(str(n), f"{27 ** n:,}") for n in range(1, 7)]
    train, dev, unseen = ([float(row[i]) for row in table] for i in (4, 5, 3))
    assert train[:5] == sorted(train[:5], reverse=True)  # it learns the training list by heart
    assert dev[3] == min(dev) and dev[5] > dev[4]        # and knows less and less of others
    assert unseen == sorted(unseen) and unseen[0] == 0 < unseen[5]
    assert int(table[1][6]) < 20 and int(table[5][6]) > 80  # its samples are copies in the end
    assert len(re.findall(r"^step \d+/20  loss \d\.\d{4}  \d+ s left$", done.stderr, re.M)) == 10
    assert "\r" not in done.stderr and "s left" not in out and "\033" not in out


def test_the_counted_name_is_scored_by_hand(tmp_path):
    path = write(tmp_path / "names.txt", "\n".join(["ab"] * 10))
    out = run("--data", path, *SMALL).stdout
    assert "  ·a         100.00%           0.000\n" in out
    assert "likelihood, the product: 1\n" in out and "perplexity 1.0" in out
    assert "inf" not in out and "all 30 pairs, counted from all" in out


def average(probability, documents):
    """-log of probability(context, token), averaged over all tokens, computed one by one."""
    logs = [math.log(probability(ids[:t], ids[t])) for ids in documents for t in range(1, len(ids))]
    return -sum(logs) / len(logs)


def numbers_after(label, out):
    """The numbers at the end of the line of `out` that begins with this label."""
    line = re.search(rf"^ *{label} +([\d.a-z -]+)$", out, re.M).group(1)
    return [float(word) for word in line.split()]


def test_what_is_printed_is_true(tmp_path, capsys):
    rng = random.Random(8)
    words = ["".join(rng.choices("abc", [6, 3, 1], k=rng.randint(1, 5))) for _ in range(80)]
    path = write(tmp_path / "names.txt", "\n".join(words))
    bigram.main(["--data", path, "--seed", "3", "--steps", "30", "--lr", "2", "--test", "--samples", "6"])
    out = capsys.readouterr().out
    tokenizer, splits = bigram.load(path, 3)
    train, dev, test = splits["train"], splits["dev"], splits["test"]
    everything = train + dev + test
    assert out.startswith(f"80 documents, 4 tokens\nthe training documents have "
                          f"{sum(len(ids) - 1 for ids in train)} pairs of tokens, of ")
    counts = {i: bigram.count_pairs(part, 4) for i, part in enumerate((train, dev, test, everything))}
    kinds = sum(n > 0 for row in counts[0] for n in row)
    assert f" of {kinds} kinds out of 16\n" in out
    assert ("\n\nhow likely is the second after the first? . from 0.1%, ░ 1%, ▒ 3%, ▓ 10%, █ 30%\n"
            + bigram.draw_table(tokenizer, counts[0]) + "\n\n") in out

    def counted(documents, smoothing):
        table = bigram.count_pairs(documents, 4)
        return lambda context, token: (table[context[-1]][token] + smoothing) / (
            sum(table[context[-1]]) + 4 * smoothing)

    # a name, pair by pair
    name = train[0]
    ps = [counted(train, 0)(name[:t], name[t]) for t in range(1, len(name))]
    text = "·" + tokenizer.decode(name) + "·"
    assert re.findall(r"^  (\S\S) +([\d.]+%) +(-?[\d.]+)$", out, re.M) == [
        (text[t:t + 2], f"{p:.2%}", f"{math.log(p):.3f}") for t, p in enumerate(ps)]
    loss = -sum(map(math.log, ps)) / len(ps)
    assert (f"how likely is {tokenizer.decode(name)}?\n" in out
            and f"likelihood, the product: {math.prod(ps):.3g}\n" in out
            and f"log-likelihood, the sum: {-loss * len(ps):.3f}\n" in out
            and f"{loss:.3f} nats a token, perplexity {math.exp(loss):.1f}\n" in out)

    # the counted table's losses
    before_training = out[:out.index("the same as a network")]
    for label, some, of in (("train", train, train), ("dev", dev, train),
                            (rf"all {sum(len(ids) - 1 for ids in everything)} pairs, counted from all",
                             everything, everything)):
        assert numbers_after(label, before_training) == [
            round(average(counted(of, smoothing), some), 4) for smoothing in (0, 1)]

    # the network's
    plain, pulled = (Tensor([[0.0] * 4 for _ in range(4)]) for _ in range(2))
    list(bigram.train(plain, counts[0], 30, 2.0)), list(bigram.train(pulled, counts[0], 30, 2.0, 0.02))
    learned, calmer = (bigram.network(weights, range(4)).data for weights in (plain, pulled))
    assert "16 weights, from 0, learning rate 2.0\n" in out
    for label, part in (("train", train), ("dev", dev), ("test", test)):
        assert f"\n{label} loss {average(lambda c, t: learned[c[-1]][t], part):.4f}\n" in out
    above = bigram.nll(learned, counts[0]) - average(counted(train, 0), train)
    assert f"on train {above:.4f} above the counted table's" in out
    probs = bigram.probabilities(counts[0])
    assert "side by side (. from 0.1%, ░ 1%, ▒ 3%, ▓ 10%, █ 30%)\n" + bigram.draw_beside(
        tokenizer, counts[0], probs, learned,
        ("counted", "the network's weights, through softmax")) in out
    smoothing = bigram.smoothing_like(bigram.nll(calmer, counts[0]), counts[0])
    smoothed = bigram.probabilities(counts[0], smoothing)
    assert bigram.draw_beside(tokenizer, counts[0], smoothed, calmer, (
        f"counted, smoothed by {smoothing:.3g}", "the network, regularised by 0.02")) in out
    assert (f"with the same train loss, {bigram.nll(calmer, counts[0]):.4f}, the dev losses are "
            f"{bigram.nll(smoothed, counts[1]):.4f} and {bigram.nll(calmer, counts[1]):.4f}\n") in out

    # longer contexts
    rng, names = random.Random(3), [ids[1:-1] for ids in train]
    for n in range(1, 7):
        table = bigram.ngram_rows(bigram.count_ngrams(train, n), n)
        copies = sum(bigram.sample(table, rng) in names for _ in range(100))
        text = tokenizer.decode(bigram.sample(table, rng, 9))
        rows = Counter(), Counter()  # what followed each context, and each context

        def context_of(ids, n=n):
            return tuple(([0] * n + ids)[len(ids) + 1:])

        for ids in train:
            for t in range(1, len(ids)):
                rows[0][context_of(ids[:t]), ids[t]] += 1
                rows[1][context_of(ids[:t])] += 1

        def after(context, token, smoothing):
            context = context_of(context)
            return (rows[0][context, token] + smoothing) / (rows[1][context] + 4 * smoothing)

        losses = {k: average(lambda c, t: after(c, t, k), dev)
                  for k in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)}
        best = min(losses, key=losses.get)
        new = [context_of(ids[:t]) not in rows[1] for ids in dev for t in range(1, len(ids))]
        seen = len(rows[0])
        assert re.search(rf"^ {n} +{4 ** n:,} +{seen} +{sum(new) / len(new):.1%} +{best:g} +"
                         rf"{average(lambda c, t: after(c, t, best), train):.4f} +{losses[best]:.4f} +"
                         rf"{copies}  {text}$", out, re.M)


def test_what_is_sampled_on_the_right_is_uniform(tmp_path, capsys):
    path = write(tmp_path / "names.txt", "ab\n" * 10 + "b\n")
    bigram.main(["--data", path, "--steps", "1", "--samples", "300"])
    out = capsys.readouterr().out
    block = out[out.index("sampled from"):out.rindex("\n\nhow likely is")].split("\n")[1:]
    left, right = [line[:44].strip() for line in block], [line[46:] for line in block]
    assert set(left) <= {"ab", "b"} and left.count("ab") > 200
    assert right.count("") / 300 == pytest.approx(1 / 3, abs=0.1)
    assert any("bb" in text for text in right) and all(set(text) <= set("ab…") for text in right)


def test_long_samples_are_cut_and_marked(tmp_path, capsys):
    path = write(tmp_path / "names.txt", ("a" * 100 + "\n") * 10)
    bigram.main(["--data", path, "--steps", "1", "--samples", "3"])
    out = capsys.readouterr().out
    assert out.count("a" * 33 + "…") >= 2 and "a" * 34 not in out[:out.rindex("\n\nhow likely is")]


def test_defaults_of_the_network(tmp_path, capsys, monkeypatch):
    asked = []

    def train(weights, counts, steps, lr, strength=0.0):
        asked.append((steps, lr, strength))
        return iter(())

    monkeypatch.setattr(bigram, "train", train)
    for n_chars, steps in ((5, 5000), (298, 50)):
        text = "\n".join(chr(0x4e00 + i) for i in range(n_chars)) + "\nAAA" * n_chars
        bigram.main(["--data", write(tmp_path / "names.txt", text)])
        counts = bigram.count_pairs(bigram.load(str(tmp_path / "names.txt"), 42)[1]["train"],
                                    n_chars + 2)
        lr = bigram.safe_learning_rate(counts)
        assert f"learning rate {lr:.1f}\n" in capsys.readouterr().out
        assert asked[-2:] == [(steps, lr, 0.0), (steps, lr, 0.02)]


def test_odd_documents(tmp_path, capsys):
    path = write(tmp_path / "odd.txt", "a\033[2Jb\n" * 5 + "a\tb\n" * 5 + "a" * 500 + "\n")
    bigram.main(["--data", path, *SMALL])
    out = capsys.readouterr().out
    assert "\033" not in out and "\t" not in out and "�" in out
    scored = out[out.rindex("how likely is"):out.index("  likelihood, the product")]
    assert scored.count("\n") <= 25 and max(map(columns, out.split("\n"))) <= 80


def test_a_pair_that_training_never_had_makes_the_loss_infinite(tmp_path):
    path = write(tmp_path / "names.txt", "ab\nbc\nca\n")
    outs = [run("--data", path, "--seed", str(seed), *SMALL).stdout for seed in range(2)]
    for out in outs:
        dev = re.search(r"^  dev +(\S+) +(\S+)$", out, re.M)
        assert dev.group(1) == "inf" and float(dev.group(2)) < 3
        dev, = re.findall(r"how likely is (\w\w)\?", out)  # the only document of train
        listed = re.search(r"\(dev has pairs that train has not, such as (.*)\)", out).group(1)
        others = {"ab", "bc", "ca"} - {dev}
        assert any(sorted(listed.split()) == sorted({f"·{a}", a + b, f"{b}·"}) for a, b in others)


def test_the_test_split_is_looked_at_only_when_asked(capsys):
    bigram.main(SMALL)
    assert "test loss" not in capsys.readouterr().out


def test_the_same_seed_gives_the_same_output(tmp_path):
    with open(NAMES, encoding="utf-8") as file:
        path = scripts.write(tmp_path / "some.txt", "".join(file.readlines()[::20]))
    first, again, other = (run(*SMALL, "--data", path, "--seed", seed) for seed in ("42", "42", "43"))
    assert first.stdout == again.stdout != other.stdout


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_other_alphabets(alphabet, tmp_path, capsys):
    path = write(tmp_path / "names.txt", "\n".join(ALPHABETS[alphabet].split() * 5))
    bigram.main(["--data", path, *SMALL, "--counts"])
    out = capsys.readouterr().out
    assert max(map(columns, out.split("\n"))) <= 80
    assert "dev loss" in out


def test_counts_and_colour(tmp_path, monkeypatch, capsys):
    path = scripts.write(tmp_path / "few.txt", "anna\naaron\nanouk\nsara\nlaura\n" * 6)

    def screen(*args):
        shown = scripts.Terminal()
        monkeypatch.setattr(sys, "stdout", shown)
        bigram.main(["--data", path, *SMALL, *args])
        return shown.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[48;5;" in screen() and "\033[0m" in screen("--counts")
    monkeypatch.setenv("NO_COLOR", "")  # empty, it means nothing
    assert "\033" in screen()
    monkeypatch.setenv("TERM", "dumb")
    assert "\033" not in screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in screen()
    assert re.search(r"^a·█ *\d+ aa[.░▒▓]", screen("--counts"), re.M)


def test_svg_file(tmp_path, capsys):
    path = tmp_path / "table.svg"
    path.write_text("old", encoding="utf-8")
    bigram.main([*SMALL, "--svg", str(path)])
    tokenizer, splits = bigram.load(NAMES, 42)
    counts = bigram.count_pairs(splits["train"], 27)
    assert path.read_text(encoding="utf-8") == bigram.draw_svg(tokenizer, counts)
    assert os.listdir(tmp_path) == ["table.svg"]
    assert f"{path} shows it with its numbers; open it in a browser" in capsys.readouterr().out


@pytest.mark.parametrize("args, message", [
    (["--data", "missing.txt"], "missing.txt: No such file or directory; name a text file"),
    (["--data", "."], "name a text file that you can open"),
    (["--data", "empty.txt"], "empty.txt: empty; put one document on each line"),
    (["--data", "blank.txt"], "blank.txt: empty"),
    (["--data", "latin.txt"], "latin.txt: not UTF-8 at byte 5; save it as UTF-8"),
    (["--data", "two.txt"], "two.txt: 2 documents are too few: train, dev and test need one each"),
    (["--data", "many.txt"], "many.txt: with 1000 different characters the table of pairs grows too"),
    (["--steps", "-1"], "argument --steps: must be a whole number from 0 to 10^9, not '-1'"),
    (["--samples", "1.5"], "argument --samples: must be a whole number from 0 to 10^9, not '1.5'"),
    (["--lr", "0"], "argument --lr: must be a number above 0 and up to 10^9, not '0'"),
    (["--lr", "nan"], "argument --lr: must be a number above 0 and up to 10^9, not 'nan'"),
    (["--seed", "x"], "argument --seed: must be a whole number from 0 to 10^9, not 'x'"),
    (["--svg", "."], ".: not an ordinary file; name one to write"),
    (["--svg", "no/folder/x.svg"], "no/folder/x.svg: No such file or directory; name a file that"),
    (["--svg", "data.txt", "--data", "data.txt"], "data.txt: holds the data; name another file"),
    (["--svg", "./data.txt", "--data", "data.txt"], "./data.txt: holds the data; name another"),
    (["--svg", "/dev/stdout"], "/dev/stdout: not an ordinary file; name one to write"),
    (["--svg", "there.svg", "--data", "empty.txt"], "empty.txt: empty"),
    (["--data", "three.txt", "--steps", "9", "--lr", "1e9"], "the loss grew without bound, as the steps "
     "were too large; try a smaller --lr"),
    (["--data", "three.txt", "--steps", "1", "--lr", "1e9"], "the loss grew without bound")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "empty.txt", "")
    write(tmp_path / "blank.txt", "\n \n\n")
    write(tmp_path / "latin.txt", "abc\nd\xe4\n".encode("latin-1"))
    write(tmp_path / "two.txt", "ab\nba\n")
    write(tmp_path / "three.txt", "anna\nbert\nclara\n")
    write(tmp_path / "many.txt", "\n".join(chr(0x4e00 + i) for i in range(1000)))
    write(tmp_path / "most.txt", "\n".join(chr(0x4e00 + i) for i in range(999)))
    assert bigram.load("most.txt", 1)[0].n_vocab == 1000
    write(tmp_path / "data.txt", "anna\nbert\nclara\n")
    write(tmp_path / "there.svg", "untouched")
    scripts.check_refused(bigram.main, "bigram.py", args, message, capsys)
    assert (tmp_path / "there.svg").read_text(encoding="utf-8") == "untouched"
    assert (tmp_path / "data.txt").read_text(encoding="utf-8") == "anna\nbert\nclara\n"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_a_file_that_may_not_be_read(monkeypatch, capsys):
    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    scripts.check_refused(bigram.main, "bigram.py", ["--data", "secret.txt"],
                          "secret.txt: Permission denied; name a text file that you can open", capsys)


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ValueError, match="x.svg: No space left on device; name a file that can be"):
        bigram.write_text(str(tmp_path / "x.svg"), "text")
    assert os.listdir(tmp_path) == []


def test_help_gives_each_default():
    text = " ".join(run("--help").stdout.split())
    assert len(re.findall(r"\(default: ", text)) == 5  # all options but the switches and --svg
    assert "(default: 5000, fewer with more than 30 tokens)" in text


def test_where_the_characters_of_the_pictures_cannot_be_printed():
    done = run(*SMALL, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "dev loss" in done.stdout and "??" in done.stdout


@scripts.posix
def test_ctrl_c_ends_training():
    scripts.check_ctrl_c("bigram.py", SMALL, ready="the same as a network", after="longer contexts",
                         endless=None)


@scripts.posix
def test_ctrl_c_before_training_quits():
    scripts.check_quits("bigram.py", ["--samples", "1000000"], ready="sampled from this table")


def test_defaults():
    assert vars(bigram.make_parser().parse_args([])) == {
        "data": NAMES, "steps": None, "lr": None, "seed": 42, "samples": 10, "test": False,
        "counts": False, "svg": None}


@scripts.posix
def test_a_reader_that_leaves_is_no_error():
    scripts.check_reader_leaves("bigram.py", SMALL)


@scripts.posix
def test_closed_outputs():
    scripts.check_closed_outputs("bigram.py", SMALL)


@scripts.full_disk
def test_a_full_disk():
    scripts.check_full_disk("bigram.py", SMALL)


def test_progress_on_a_terminal_is_one_line_rewritten(monkeypatch, capsys):
    scripts.check_progress_on_a_terminal(
        bigram.main, SMALL, r"step 20/20  loss \d\.\d{4}  0 s left", monkeypatch)
    assert "s left" not in capsys.readouterr().out
