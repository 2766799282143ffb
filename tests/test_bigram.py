"""bigram.py: counts and losses worked by hand, gradients against nudging, the script."""
import doctest
import math
import random

import pytest

import bigram
import gradcheck
from bigram import Tensor
from helpers import ROOT, assert_close, random_data, random_tensor, weighed

exercise = pytest.mark.exercise  # says which exercise of the lesson a test is about

# The names abb and ac, where a, b and c are 0, 1 and 2, and the boundary, ·, is 3.
DOCUMENTS = [[3, 0, 1, 1, 3], [3, 0, 2, 3]]
# Their pairs are ·a ab bb b· and ·a ac c·. The rows and the columns are those of a, b, c and ·.
COUNTS = [
    [0, 1, 1, 0],
    [0, 1, 0, 1],
    [0, 0, 0, 1],
    [2, 0, 0, 0],
]
VOCAB_SIZE = 27  # of names.txt: the letters a to z, and the boundary


@pytest.fixture(scope="module")
def train_and_dev():
    """Return the names in train and those in dev, the parts of names.txt, as lists of ids."""
    _, parts = bigram.read_parts(ROOT / "names.txt")
    return parts[:2]


# --- data ---

def test_a_boundary_stands_before_and_after_each_document_and_unknown_characters_are_refused():
    assert bigram.encode_all(["abb", "ac"], "abc") == DOCUMENTS
    with pytest.raises(ValueError):  # d is not one of the characters
        bigram.encode_all(["abd"], "abc")


# --- the table: counts, probabilities, samples, the loss and smoothing ---

@exercise("2.1")
def test_the_table_of_pairs_is_the_one_counted_by_hand():
    assert bigram.count_pairs(DOCUMENTS, 4) == COUNTS


@exercise("2.2")
def test_probabilities_are_counts_divided_by_the_sum_of_their_row_and_the_counts_do_not_change():
    counts = [[1, 3], [0, 0], [4, 1]]  # The sums are 4, 0 and 5. A row of zeros stays as it is.
    probs = bigram.probabilities(counts)
    assert probs == [[0.25, 0.75], [0, 0], [0.8, 0.2]]
    assert counts == [[1, 3], [0, 0], [4, 1]]


@exercise("2.3")
def test_a_sample_goes_from_row_to_row_until_the_boundary():
    # after the boundary, 2, surely comes 0, then 1, then the boundary again
    probs = [
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
    ]
    assert bigram.sample(probs, 2, random.Random(1)) == [0, 1]


@exercise("2.3")
def test_samples_follow_the_probabilities():
    # The boundary, 2, surely follows 0 and 1. So a sample is [0], or [1], or [] if it comes first.
    probs = [
        [0, 0, 1],
        [0, 0, 1],
        [0.2, 0.7, 0.1],
    ]
    rng = random.Random(1)
    samples = [bigram.sample(probs, 2, rng) for _ in range(4000)]
    # They should be close to 20%, 70% and 10% of 4000. The standard deviation of a count is the
    # root of 4000 * p * (1 - p), which is at most 29 here. We allow about four times as much.
    counts = [samples.count(ids) for ids in ([0], [1], [])]
    assert counts == pytest.approx([800, 2800, 400], abs=120)


@exercise("2.4")
def test_the_loss_is_the_mean_of_minus_log_p_over_all_pairs():
    probs = [[0.5, 0.5], [0.25, 0.75]]
    # 5 pairs: one with the probability 0.5, two with 0.25, and two with 0.75
    counts = [[1, 0], [2, 2]]
    total = math.log(0.5)
    total += 2 * math.log(0.25)
    total += 2 * math.log(0.75)
    assert bigram.nll(probs, counts) == pytest.approx(-total / 5)


@exercise("2.4")
def test_the_loss_of_equal_probabilities_is_log_27_of_certainty_0_and_of_the_impossible_infinite():
    equal = [1 / 27] * 27  # the only row of a table, for 27 tokens
    assert bigram.nll([equal], [[1] * 27]) == pytest.approx(math.log(27))  # each occurs once
    assert bigram.nll([[1.0, 0.0]], [[3, 0]]) == 0.0  # it is sure, and always right
    assert bigram.nll([[1.0, 0.0]], [[3, 1]]) == math.inf  # once, the impossible has happened


def test_smooth_adds_the_same_number_to_every_count():
    counts = [[0, 3], [1, 0]]
    assert bigram.smooth(counts, 0.5) == [[0.5, 3.5], [1.5, 0.5]]


# --- Tensor, and the loss as a Tensor ---

def tripled(tensor):
    """Return 3 * tensor, where tensor holds a number. On the way back the gradient is tripled."""
    def backward(grad):
        return [3 * grad]
    return Tensor(3 * tensor.data, [tensor], backward)


def test_backward_goes_through_two_operations():
    a = Tensor(2.0)
    tripled(tripled(a)).backward()
    assert a.grad == 9  # (3 * 3 * a)' = 9


def test_backward_refuses_a_second_call():
    loss = tripled(Tensor(2.0))
    loss.backward()
    with pytest.raises(ValueError, match="has a gradient already"):
        loss.backward()


def test_backward_refuses_an_operation_that_returns_no_gradient_for_its_parent():
    # one parent, no gradient: zip(..., strict=True) in backward() raises the error
    with pytest.raises(ValueError):
        Tensor(2.0, [Tensor(1.0)], lambda grad: []).backward()


# a table with one number, one with one row, and one with several rows and pairs that never occur
@pytest.mark.parametrize("counts", [[[4]], [[1, 2, 3]], COUNTS])
def test_the_gradient_of_nll_tensor_is_the_one_that_nudging_gives(counts):
    rng = random.Random(2)
    # The formula of the gradient is also right for rows that do not sum to 1. Nudging leads to such
    # rows in any case, because it changes one probability alone. None is below 0.1, because near 0
    # the logarithm bends so much that nudging is less exact.
    probs = Tensor([[rng.uniform(0.1, 1) for _ in row] for row in counts])
    # The loss is tripled, so that nll_tensor gets the gradient 3. With 1, it would not show if
    # its local_backward() forgot to multiply by it.
    gradcheck.check(lambda: tripled(bigram.nll_tensor(probs, counts)), {"probs": probs})


# --- the network and its training ---

def test_the_network_gives_the_probabilities_of_counts_if_its_weights_are_their_logarithms():
    counts = [
        [1, 3, 6],
        [2, 2, 4],
        [5, 1, 1],
    ]
    weights = [[math.log(count) for count in row] for row in counts]
    expected = bigram.probabilities(counts)
    assert_close(bigram.network(Tensor(weights)).data, expected)  # all rows at once
    # one row after the other, by way of the one-hot rows
    assert_close([bigram.probs_after(i, weights) for i in range(3)], expected)


def test_softmax_is_right_for_numbers_whose_powers_of_e_are_too_large_or_too_small_for_a_float():
    # math.exp(1000) raises OverflowError
    assert bigram.softmax([1000.0, 1000.0]) == pytest.approx([0.5, 0.5])
    assert bigram.softmax([-2000.0, 0.0]) == [0, 1]  # e^-2000 is rounded to 0


@exercise("2.5")
def test_the_gradient_of_softmax_is_the_one_worked_out_by_hand():
    out = bigram.network(Tensor([[0.0, math.log(3)]]))
    assert_close(out.data, [[1 / 4, 3 / 4]])  # e^0 = 1 and e^log(3) = 3, divided by 4
    # The loss is p[0], the first probability. So its gradient is 1 for p[0], and 0 for p[1].
    d_weights, = out.local_backward([[1.0, 0.0]])  # a list of one: there is one parent
    # section 6: d p[0] / d w[0] = p[0] - p[0] * p[0], and d p[0] / d w[1] = -p[0] * p[1]
    slope = 3 / 16  # 1/4 - 1/4 * 1/4, and also 1/4 * 3/4
    assert_close(d_weights, [[slope, -slope]])


@exercise("2.5")
@pytest.mark.parametrize("n, m", [(1, 4), (3, 2)])  # n rows of m weights: one row, and several
def test_the_gradient_of_softmax_is_the_one_that_nudging_gives(n, m):
    rng = random.Random(3)
    weights = random_tensor(Tensor, rng, (n, m))
    factors = random_data(rng, (n, m))

    # The loss is the sum of all probabilities, each times its own factor. Without the factors it
    # would always be n, because each row sums to 1, and its gradient would be 0.
    def loss():
        return weighed(bigram.network(weights), factors)
    assert gradcheck.check(loss, {"weights": weights}) == n * m  # it has compared all weights


def test_the_gradient_of_the_weights_is_the_share_of_the_row_times_predicted_minus_observed():
    weights = Tensor(random_data(random.Random(4), (4, 4)))

    def loss():
        return bigram.nll_tensor(bigram.network(weights), COUNTS)
    # by nudging: check() compares all 4 * 4 weights, and leaves the gradient in weights.grad
    assert gradcheck.check(loss, {"weights": weights}) == 16
    # by the formula at the end of section 6, row by row
    expected = []
    for p_row, row in zip(bigram.network(weights).data, COUNTS):
        total = sum(row)
        share = total / 7  # of the 7 pairs in COUNTS
        expected.append([share * (p - count / total) for p, count in zip(p_row, row)])
    assert_close(weights.grad, expected)


def test_two_steps_of_training_with_weight_decay_by_hand():
    counts = [[0, 0], [6, 2]]  # 8 pairs; the observed probabilities in row 1 are 0.75 and 0.25
    probs, losses = bigram.train(counts, steps=2, lr=4.0, weight_decay=0.1)
    # The weights begin at 0. Row 1 has all the pairs, so its share is 1, and its gradient is
    # predicted - observed. In step 1 this is 0.5 - 0.75 = -0.25, and 0.5 - 0.25 = 0.25. With the
    # learning rate 4, the weights become 0 + 4 * 0.25 = 1, and -1. (Weights of 0 do not decay.)
    p = 1 / (1 + math.exp(-2))  # the prediction in step 2: softmax of 1 and -1 is p and 1 - p
    # The weights after step 2: it begins at 1 and -1, and weight decay adds 0.1 times these to the
    # gradient.
    left = 1 - 4 * (p - 0.75 + 0.1)
    right = -1 - 4 * ((1 - p) - 0.25 - 0.1)
    # row 0 has no pairs, so its weights stay 0
    assert_close(probs, [[0.5, 0.5], bigram.softmax([left, right])])
    second_loss = -(6 * math.log(p) + 2 * math.log(1 - p)) / 8
    # in step 1, both tokens have the probability 1/2, and -log(1/2) is log(2)
    assert losses == pytest.approx([math.log(2), second_loss])


def test_training_comes_close_to_the_loss_of_the_counted_table_and_the_loss_never_rises():
    probs, losses = bigram.train(COUNTS, steps=2000, lr=5.0)
    assert losses == sorted(losses, reverse=True)  # from the largest to the smallest
    best = bigram.nll(bigram.probabilities(COUNTS), COUNTS)
    # Softmax never gives exactly 0, so the loss always stays above the best one. After 2000 steps
    # the difference is about 0.00035, and 0.001 leaves some room.
    difference = bigram.nll(probs, COUNTS) - best
    assert difference > 0
    assert difference < 0.001


def test_training_stops_at_a_loss_that_is_not_finite():
    counts = [[0, 0], [3, 1]]
    _, losses = bigram.train(counts, steps=100, lr=1e300)
    # At first both tokens are equally likely. In row 1 their gradients are 0.5 - 0.75 and
    # 0.5 - 0.25, so step 1 makes the weights 0.25 * 1e300 and -0.25 * 1e300. Then the second token
    # has the probability 0. As it occurs once, the second loss is infinite. No third one follows.
    assert losses == [pytest.approx(math.log(2)), math.inf]


# --- longer contexts ---

@exercise("2.6")
def test_counts_after_contexts_of_0_1_and_2_tokens_are_those_counted_by_hand():
    # n = 1, no context: how often a, b, c and · occur, without the boundaries at the beginning
    assert bigram.count_ngrams(DOCUMENTS, 1, 4) == {(): [2, 2, 1, 2]}
    # n = 2, one token: the rows of the table of pairs
    assert bigram.count_ngrams(DOCUMENTS, 2, 4) == {
        (3,): COUNTS[3],
        (0,): COUNTS[0],
        (1,): COUNTS[1],
        (2,): COUNTS[2],
    }
    # n = 3, two tokens: ··a ·ab abb bb· and ··a ·ac ac·
    assert bigram.count_ngrams(DOCUMENTS, 3, 4) == {
        (3, 3): [2, 0, 0, 0],
        (3, 0): [0, 1, 1, 0],
        (0, 1): [0, 1, 0, 0],
        (1, 1): [0, 0, 0, 1],
        (0, 2): [0, 0, 0, 1],
    }


def test_after_a_new_context_all_tokens_are_equally_likely():
    table = {(1,): [0, 3]}
    counts = {(1,): [0, 1], (0,): [1, 0]}  # a text in which 1 follows 1, and 0 follows 0
    # With 0.5 added, the row after 1 is [0.5, 3.5], with the sum 4, so token 1 has 3.5 / 4. The
    # context 0 is new, because the table does not have it. There both tokens have 1/2. The loss is
    # a mean over two pairs.
    expected = -(math.log(3.5 / 4) + math.log(1 / 2)) / 2
    assert bigram.ngram_nll(table, counts, 0.5) == pytest.approx(expected)


# --- the examples and the figures in the lesson ---

def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(bigram).failed == 0


def test_the_loss_of_lander_and_the_number_of_pairs_are_those_of_section_4(train_and_dev):
    train, _ = train_and_dev
    counts = bigram.count_pairs(train, VOCAB_SIZE)
    lander = bigram.encode_all(["lander"], "abcdefghijklmnopqrstuvwxyz")
    loss = bigram.nll(bigram.probabilities(counts), bigram.count_pairs(lander, VOCAB_SIZE))
    assert round(loss, 3) == 2.203  # 15.42 / 7, which section 4 rounds to 2.20
    assert sum([sum(row) for row in counts]) == 47296  # the pairs of train, also in section 4


def test_four_losses_with_weight_decay_and_smoothing_are_those_of_section_7(train_and_dev):
    train, dev = train_and_dev
    counts = bigram.count_pairs(train[:100], VOCAB_SIZE)  # of the first 100 names only
    dev_counts = bigram.count_pairs(dev, VOCAB_SIZE)
    for decay, loss in [(0, 2.9445), (0.0003, 2.6869)]:
        probs, _ = bigram.train(counts, 1000, 20, decay)  # 1000 steps with the rate 20
        assert round(bigram.nll(probs, dev_counts), 4) == loss
    for extra, loss in [(0.1, 2.7242), (0.3, 2.6828)]:
        probs = bigram.probabilities(bigram.smooth(counts, extra))
        assert round(bigram.nll(probs, dev_counts), 4) == loss


# --- the script ---

def test_the_run_without_options_prints_the_figures_of_the_lesson(capsys):
    bigram.main([])
    out = capsys.readouterr().out
    # The row of n is from section 3, and jalier is a name in the docstring. The losses are from
    # sections 4, 6 and 8. Only the line of all pairs is in no section: 59111 is the 50,658 letters
    # of names.txt and the ends of its 8,453 names. Its two losses are those that were printed when
    # this test was written.
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
        assert f"\n{line}\n" in out
    assert "test loss" not in out  # it comes only with --test


def test_runs_on_other_data_use_its_characters_print_the_same_each_time_and_can_show_the_test_loss(
        tmp_path, capsys):
    path = tmp_path / "few.txt"
    # 3 times, because a file needs 10 lines or more: 4 * 3 = 12
    path.write_text("ada\nbob\nzoé\nab\n" * 3, encoding="utf-8")

    def run(*args):  # returns what bigram.py prints
        bigram.main(["--data", str(path), *args])
        return capsys.readouterr().out
    out = run()
    assert out == run()
    assert "\n  abdozé·\n" in out  # the line above the columns of the table
    # Without training, all seven tokens, six characters and the boundary, are equally likely.
    untrained = run("--steps", "0", "--test")
    assert f"train loss {math.log(7):.4f}\n" in untrained
    assert f"test loss {math.log(7):.4f}\n" in untrained
