"""bigram.py: counts and losses worked by hand, gradients against nudging, the script as run."""
import doctest
import math
import random

import pytest

import bigram
import gradcheck
from bigram import Tensor

exercise = pytest.mark.exercise
DOCUMENTS = [[3, 0, 1, 1, 3], [3, 0, 2, 3]]  # 3 is the boundary
COUNTS = [[0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 1], [2, 0, 0, 0]]


# --- counting ---

@exercise("2.1")
def test_pairs_counted_by_hand():
    assert bigram.count_pairs(DOCUMENTS, 4) == COUNTS
    assert bigram.count_pairs([[1, 1]], 2) == [[0, 0], [0, 1]]


@exercise("2.2")
def test_probabilities_are_shares_of_a_row():
    counts = [[1, 3], [0, 0]]
    assert bigram.probabilities(counts) == [[0.25, 0.75], [0, 0]]
    for smoothing, expected in ((0.5, [[0.3, 0.7], [0.5, 0.5]]), (1, [[1 / 3, 2 / 3], [0.5, 0.5]])):
        for row, shares in zip(bigram.probabilities(counts, smoothing), expected):
            assert row == pytest.approx(shares)
    assert bigram.probabilities([[1, 0, 3]], 2)[0] == pytest.approx([0.3, 0.2, 0.5])
    assert counts == [[1, 3], [0, 0]]


@exercise("2.3")
def test_a_sample_goes_from_row_to_row_to_the_boundary():
    asked = []

    def row_after(ids):  # after 2, the boundary, surely comes 0, then 1, then 2
        asked.append(list(ids))
        return [float(i == (ids[-1] + 1) % 3) for i in range(3)]
    assert bigram.sample(row_after, 2, random.Random(1)) == [0, 1, 2]
    assert asked == [[2], [2, 0], [2, 0, 1]]
    for n in (1, 3):  # the boundary 1 never comes
        assert bigram.sample(lambda ids: [1, 0], 1, random.Random(1), n) == [0] * n
    rng = random.Random(1)
    drawn = [bigram.sample(lambda ids: [1, 2, 5], 0, rng, 1)[0] for _ in range(4000)]
    for token, share in enumerate((0.125, 0.25, 0.625)):
        assert drawn.count(token) / 4000 == pytest.approx(share, abs=0.04)


@exercise("2.4")
def test_loss_by_hand():
    probs, counts = [[0.5, 0.5], [0.25, 0.75]], [[1, 0], [2, 2]]
    expected = -(math.log(0.5) + 2 * math.log(0.25) + 2 * math.log(0.75)) / 5
    assert bigram.nll(probs, counts) == pytest.approx(expected)
    assert bigram.nll([[1 / 27] * 27] * 27, [[1] * 27] * 27) == pytest.approx(math.log(27))
    assert bigram.nll([[1.0, 0.0]], [[3, 1]]) == math.inf  # what was held for impossible
    assert bigram.nll([[1.0, 0.0]], [[3, 0]]) == 0.0


# --- the network ---

def test_gradient_of_the_loss():
    rng = random.Random(2)
    for n, m in ((1, 1), (2, 3), (4, 4)):
        probs = Tensor([[rng.uniform(0.1, 1) for _ in range(m)] for _ in range(n)])
        counts = [[rng.randrange(1, 4) * (i != j) or 1 for j in range(m)] for i in range(n)]
        counts[0][-1] = 0 if m > 1 else 1
        gradcheck.check(lambda: bigram.mean_nll(probs, counts), {"probs": probs})


@exercise("2.5")
def test_gradient_of_softmax():
    rng, out = random.Random(3), bigram.network(Tensor([[0.0, math.log(3)]]))
    assert out.data[0] == pytest.approx([0.25, 0.75])  # of the first: 1/4 - 1/16, by hand
    assert out.local_backward([[1.0, 0.0]])[0][0] == pytest.approx([0.1875, -0.1875])
    for n, m in ((1, 4), (3, 2)):
        weights = Tensor([[rng.gauss(0, 1) for _ in range(m)] for _ in range(n)])
        grad = [[rng.gauss(0, 1) for _ in range(m)] for _ in range(n)]
        (share,) = bigram.network(weights).local_backward(grad)
        gradcheck.compare(lambda: sum(
            g * p for rows in zip(grad, bigram.network(weights).data) for g, p in zip(*rows)),
            "weights", weights.data, share)


def test_gradient_of_every_weight_and_backward_twice():
    rng = random.Random(4)
    weights = Tensor([[rng.gauss(0, 1) for _ in range(4)] for _ in range(4)])
    loss = lambda: bigram.mean_nll(bigram.network(weights), COUNTS)
    assert gradcheck.check(loss, {"weights": weights}) == 16
    once, last = weights.grad, loss()
    last.backward()
    last.backward()  # each time the same is added
    assert [v for row in weights.grad for v in row] == pytest.approx([3 * v for row in once for v in row])
    assert bigram.softmax([1000.0, 1000.0]) == [0.5, 0.5]


def test_a_step_of_training_by_hand():
    weights = Tensor([[1.0, -1.0], [0.0, 0.0]])
    losses = list(bigram.train(weights, [[0, 0], [3, 1]], 1, lr=4.0, weight_decay=0.1))
    # of row 1, d loss / d logits = p - y: 0.5 - 0.75 and 0.5 - 0.25; row 0 has nothing but its decay
    assert losses == pytest.approx([math.log(2)]) and weights.data[1] == pytest.approx([1.0, -1.0])
    assert weights.data[0] == pytest.approx([1 - 0.4, -1 + 0.4])


def test_the_network_ends_where_counting_does():
    weights = Tensor([[0.0] * 4 for _ in range(4)])
    losses = list(bigram.train(weights, COUNTS, 2000, 5.0))
    best = bigram.nll(bigram.probabilities(COUNTS), COUNTS)
    assert all(a > b for a, b in zip(losses, losses[1:])) and best < losses[-1] < best + 0.001


# --- longer contexts ---

@exercise("2.6")
def test_contexts_of_any_length_by_hand():
    tables = {1: {(): [2, 2, 1, 2]},
              2: {(3,): COUNTS[3], (0,): COUNTS[0], (1,): COUNTS[1], (2,): COUNTS[2]},
              3: {(3, 3): [2, 0, 0, 0], (3, 0): [0, 1, 1, 0], (0, 1): [0, 1, 0, 0],
                  (1, 1): [0, 0, 0, 1], (0, 2): [0, 0, 0, 1]}}
    for n, table in tables.items():
        assert bigram.count_ngrams(DOCUMENTS, n, 4) == table
    assert bigram.count_ngrams(DOCUMENTS, 5, 4)[3, 3, 3, 0] == [0, 1, 1, 0]


def test_the_loss_after_a_new_context():
    assert bigram.ngram_nll({(1,): [0, 3]}, {(1,): [0, 1], (0,): [1, 0]}, 0.5, 2) == pytest.approx(
        -(math.log(3.5 / 4) + math.log(1 / 2)) / 2)


# --- the script ---

def test_the_script_as_run(tmp_path, capsys):
    assert doctest.testmod(bigram).failed == 0
    path = tmp_path / "few.txt"
    path.write_text("ada\nbob\n\nzoé\nab\n", encoding="utf-8")
    for args in (["--samples", "3"], ["--samples", "3"], ["--steps", "0", "--test"]):
        bigram.main(["--data", str(path), *args])
    bigram.main([])
    first, again, fresh, names = capsys.readouterr().out.split("documents; what comes")[1:]
    assert first == again and "é" in first and "test loss" not in first
    assert f"train loss {math.log(7):.4f}\n" in fresh and "\ntest loss 1.9459\n" in fresh
    for text in ("  2.4604       2.4650", "\ndev  ", " inf       2.4613\n", "\nall 59111 pairs  ",
                 "   2.4579       2.4614\n", "train loss 2.4617\ndev loss 2.4589\n",
                 "smoothing 9: train loss 2.5021; dev loss 2.4967 and 2.4969\n",
                 "\n4      3703      19683   2.0%  1.8279  2.2132 ", "\nq ▒░                  █     ▓ "):
        assert text in names
