"""bigram.py: counts and losses worked by hand, gradients against nudging, the script."""
import doctest
import math
import random

import pytest

import bigram
import gradcheck
from bigram import Tensor
from helpers import ROOT, assert_close, random_data, random_tensor, weighed

exercise = pytest.mark.exercise

# the names abb and ac, where 3 is the boundary
DOCUMENTS = [[3, 0, 1, 1, 3], [3, 0, 2, 3]]
COUNTS = [
    [0, 1, 1, 0],
    [0, 1, 0, 1],
    [0, 0, 0, 1],
    [2, 0, 0, 0],
]


@pytest.fixture(scope="module")
def names():
    """Return the ids of train and dev in names.txt, and the counts of both."""
    _, parts = bigram.read_parts(ROOT / "names.txt")
    train, dev, _ = parts
    counts = bigram.count_pairs(train, 27)
    dev_counts = bigram.count_pairs(dev, 27)
    return train, dev, counts, dev_counts


# --- data ---

def test_a_boundary_stands_before_and_after_each_document():
    assert bigram.encode_all(["abb", "ac"], "abc") == DOCUMENTS
    with pytest.raises(ValueError):
        bigram.encode_all(["abd"], "abc")


# --- counting ---

@exercise("2.1")
def test_pairs_counted_by_hand():
    assert bigram.count_pairs(DOCUMENTS, 4) == COUNTS


@exercise("2.2")
def test_probabilities_are_shares_of_a_row():
    counts = [[1, 3], [0, 0], [4, 1]]
    probs = bigram.probabilities(counts)
    assert probs == [[0.25, 0.75], [0, 0], [0.8, 0.2]]
    assert counts == [[1, 3], [0, 0], [4, 1]]


@exercise("2.3")
def test_a_sample_goes_from_row_to_row_until_the_boundary():
    # after the boundary, 2, surely comes 0, then 1, then the boundary
    probs = [
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
    ]
    assert bigram.sample(probs, 2, random.Random(1)) == [0, 1]


@exercise("2.3")
def test_samples_follow_the_probabilities():
    probs = [
        [0, 0, 1],
        [0, 0, 1],
        [0.2, 0.7, 0.1],
    ]
    rng = random.Random(1)
    samples = [bigram.sample(probs, 2, rng) for _ in range(4000)]
    counts = [samples.count(ids) for ids in ([0], [1], [])]
    assert counts == pytest.approx([800, 2800, 400], abs=120)


@exercise("2.4")
def test_the_loss_by_hand():
    probs = [[0.5, 0.5], [0.25, 0.75]]
    counts = [[1, 0], [2, 2]]
    total = math.log(0.5)
    total += 2 * math.log(0.25)
    total += 2 * math.log(0.75)
    assert bigram.nll(probs, counts) == pytest.approx(-total / 5)


@exercise("2.4")
def test_losses_that_are_known_without_computing():
    equal = [1 / 27] * 27
    assert bigram.nll([equal], [[1] * 27]) == pytest.approx(math.log(27))
    assert bigram.nll([[1.0, 0.0]], [[3, 0]]) == 0.0
    assert bigram.nll([[1.0, 0.0]], [[3, 1]]) == math.inf  # what was held for impossible


def test_smoothing_adds_to_every_count():
    counts = [[0, 3], [1, 0]]
    assert bigram.smooth(counts, 0.5) == [[0.5, 3.5], [1.5, 0.5]]


# --- Tensor ---

def tripled(tensor):
    """Return 3 * tensor, as a Tensor."""
    def backward(grad):
        return [3 * grad]
    return Tensor(3 * tensor.data, [tensor], backward)


def test_backward_reaches_everything_that_a_number_comes_from():
    a = Tensor(2.0)
    tripled(tripled(a)).backward()
    assert a.grad == 9


def test_backward_refuses_a_second_call():
    loss = tripled(Tensor(2.0))
    loss.backward()
    with pytest.raises(ValueError, match="has a gradient already"):
        loss.backward()


def test_backward_refuses_an_operation_that_returns_no_gradient_for_its_parent():
    with pytest.raises(ValueError):
        Tensor(2.0, [Tensor(1.0)], lambda grad: []).backward()


@pytest.mark.parametrize("counts", [[[4]], [[1, 2, 3]], COUNTS])
def test_the_gradient_of_the_loss(counts):
    rng = random.Random(2)
    probs = Tensor([[rng.uniform(0.1, 1) for _ in row] for row in counts])
    gradcheck.check(lambda: tripled(bigram.nll_tensor(probs, counts)), {"probs": probs})


# --- the network ---

def test_softmax_of_logarithms_of_counts_is_counting():
    counts = [
        [1, 3, 6],
        [2, 2, 4],
        [5, 1, 1],
    ]
    weights = [[math.log(count) for count in row] for row in counts]
    expected = bigram.probabilities(counts)
    assert_close(bigram.network(Tensor(weights)).data, expected)
    assert_close([bigram.probs_after(i, weights) for i in range(3)], expected)


def test_softmax_of_large_numbers():
    assert bigram.softmax([1000.0, 1000.0]) == pytest.approx([0.5, 0.5])
    assert bigram.softmax([-2000.0, 0.0]) == [0, 1]


@exercise("2.5")
def test_the_gradient_of_softmax_by_hand():
    out = bigram.network(Tensor([[0.0, math.log(3)]]))
    assert_close(out.data, [[1 / 4, 3 / 4]])
    d_weights, = out.local_backward([[1.0, 0.0]])  # the loss is the first probability
    slope = 1 / 4 * (1 - 1 / 4)
    assert_close(d_weights, [[slope, -slope]])


@exercise("2.5")
@pytest.mark.parametrize("n, m", [(1, 4), (3, 2)])
def test_the_gradient_of_softmax_by_nudging(n, m):
    rng = random.Random(3)
    weights = random_tensor(Tensor, rng, (n, m))
    factors = random_data(rng, (n, m))

    def loss():
        return weighed(bigram.network(weights), factors)
    assert gradcheck.check(loss, {"weights": weights}) == n * m


def test_the_gradient_is_the_share_of_the_row_times_predicted_minus_observed():
    weights = Tensor(random_data(random.Random(4), (4, 4)))

    def loss():
        return bigram.nll_tensor(bigram.network(weights), COUNTS)
    assert gradcheck.check(loss, {"weights": weights}) == 16
    expected = []
    for p_row, row in zip(bigram.network(weights).data, COUNTS):
        total = sum(row)
        share = total / 7
        expected.append([share * (p - count / total) for p, count in zip(p_row, row)])
    assert_close(weights.grad, expected)


def test_two_steps_of_training_by_hand():
    counts = [[0, 0], [3, 1]]
    probs, losses = bigram.train(counts, 2, lr=4.0, weight_decay=0.1)
    # in step 1, predicted - observed is -0.25 and 0.25: the weights become 1 and -1
    p = 1 / (1 + math.exp(-2))  # softmax of 1 and -1
    left = 1 - 4 * (p - 0.75 + 0.1)
    right = -1 - 4 * ((1 - p) - 0.25 - 0.1)
    assert_close(probs, [[0.5, 0.5], bigram.softmax([left, right])])
    second = -(3 * math.log(p) + math.log(1 - p)) / 4
    assert losses == pytest.approx([math.log(2), second])


def test_training_ends_where_counting_does():
    probs, losses = bigram.train(COUNTS, 2000, 5.0)
    best = bigram.nll(bigram.probabilities(COUNTS), COUNTS)
    assert losses == sorted(losses, reverse=True)
    assert best < bigram.nll(probs, COUNTS) < best + 0.001


def test_training_stops_at_a_loss_that_is_not_finite():
    counts = [[0, 0], [3, 1]]
    _, losses = bigram.train(counts, 100, 1e300)
    assert losses == [pytest.approx(math.log(2)), math.inf]


# --- longer contexts ---

@exercise("2.6")
def test_contexts_of_any_length_by_hand():
    assert bigram.count_ngrams(DOCUMENTS, 1, 4) == {(): [2, 2, 1, 2]}
    assert bigram.count_ngrams(DOCUMENTS, 2, 4) == {
        (3,): COUNTS[3],
        (0,): COUNTS[0],
        (1,): COUNTS[1],
        (2,): COUNTS[2],
    }
    assert bigram.count_ngrams(DOCUMENTS, 3, 4) == {
        (3, 3): [2, 0, 0, 0],
        (3, 0): [0, 1, 1, 0],
        (0, 1): [0, 1, 0, 0],
        (1, 1): [0, 0, 0, 1],
        (0, 2): [0, 0, 0, 1],
    }


def test_after_a_new_context_all_tokens_are_equally_likely():
    table = {(1,): [0, 3]}
    counts = {(1,): [0, 1], (0,): [1, 0]}
    expected = -(math.log(3.5 / 4) + math.log(1 / 2)) / 2
    assert bigram.ngram_nll(table, counts, 0.5) == pytest.approx(expected)


# --- the figures in the lesson ---

def test_examples_in_the_docstrings():
    assert doctest.testmod(bigram).failed == 0


def test_the_loss_of_lander_and_the_number_of_pairs_are_those_of_section_4(names):
    _, _, counts, _ = names
    ids = bigram.encode_all(["lander"], "abcdefghijklmnopqrstuvwxyz")
    loss = bigram.nll(bigram.probabilities(counts), bigram.count_pairs(ids, 27))
    assert round(loss, 3) == 2.203  # 15.42 / 7
    assert sum([sum(row) for row in counts]) == 47296


def test_with_100_names_weight_decay_helps_as_much_as_smoothing(names):
    train, _, _, dev_counts = names
    counts = bigram.count_pairs(train[:100], 27)
    for decay, loss in [(0, 2.9445), (0.0003, 2.6869)]:
        probs, _ = bigram.train(counts, 1000, 20, decay)
        assert round(bigram.nll(probs, dev_counts), 4) == loss
    for extra, loss in [(0.1, 2.7242), (0.3, 2.6828)]:
        probs = bigram.probabilities(bigram.smooth(counts, extra))
        assert round(bigram.nll(probs, dev_counts), 4) == loss


# --- the script ---

def test_the_default_run(capsys):
    bigram.main([])
    out = capsys.readouterr().out
    for line in [
            "n ▒  .░   ░    ░            █",
            "jalier",
            "train             2.4604, with 1 added to each count 2.4650",
            "dev               inf, with 1 added to each count 2.4613",
            "all 59111 pairs   2.4579, with 1 added to each count 2.4614",
            "step    1  loss 3.2958",
            "step 1000  loss 2.4652",
            "train loss 2.4617",
            "dev loss 2.4589",
            "n 4   3703 contexts  train 1.8279  dev 2.2132",
            "n 6  14324 contexts  train 1.6958  dev 2.5251"]:
        assert f"\n{line}\n" in out + "\n"
    assert "test loss" not in out


def test_a_run_with_other_data(tmp_path, capsys):
    path = tmp_path / "few.txt"
    path.write_text("ada\nbob\nzoé\nab\n" * 3, encoding="utf-8")

    def run(*args):
        bigram.main(["--data", str(path), *args])
        return capsys.readouterr().out
    out = run()
    assert out == run()
    assert "  abdoz" in out
    untrained = run("--steps", "0", "--test")  # all seven tokens are equally likely
    assert f"train loss {math.log(7):.4f}\n" in untrained
    assert f"test loss {math.log(7):.4f}\n" in untrained
