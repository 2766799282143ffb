"""wavenet.py: joins, trees, convolutions and gates; their gradients, and PyTorch's numbers.

gradcheck.check(loss, tensors) calls loss().backward(), and fails unless the gradient of each number
in tensors agrees with what nudging this number does to the loss. A loss is one number. weighed()
makes one of a matrix: it adds up all numbers, each times a weight of its own. In row i and column j
this is sin(3 * i + j). So the weight of the first number is 0, and no test relies on it alone.

sines(n, m) is a matrix of n rows and m columns, with sin(2 * i + j) in row i and column j. Another
row_step takes the place of the 2. fill_with_sines() makes number i of parameter k
0.5 * sin(3 * k + i), and adds 0.5 in lists. close() says whether two lists or matrices have the
same numbers, up to 1e-9 or another tolerance.
"""
import doctest
import math
import random
import statistics

import pytest

import gradcheck
import wavenet
from helpers import close, fill_with_sines, numbers_in, run, sines, weighed
from wavenet import Tensor

exercise = pytest.mark.exercise


def ids_of(digits):
    """Return the digits of a string as a list of ids: [5, 4, 5] for "545". 5 is the boundary."""
    return [int(digit) for digit in digits]


DOCUMENTS = [ids_of("53102245"), ids_of("545"), ids_of("50215")]
# The ids are 0 to 5. With 3 levels, a context has 2 ** 3 = 8 tokens. An embedding is a row of 2
# numbers, and each level makes rows of 3.
CONFIG = {"vocab_size": 6, "n_levels": 3, "n_embd": 2, "n_hidden": 3}
KINDS = [  # the tests with the second kind belong to exercise 4.5
    pytest.param(wavenet.Convolutions, id="convolutions"),
    pytest.param(wavenet.WaveNet, id="wavenet", marks=exercise("4.5")),
]


# The long constants below come from PyTorch 2.13 in float64. They are rounded to 10 decimals, and
# zeros at their ends are left off. All snippets begin with the following lines. One uses DOCUMENTS.
#
#     import math, random, torch
#     from torch.nn import functional as F
#     torch.set_default_dtype(torch.float64)
#     torch.set_printoptions(precision=17)  # decimals; without this line PyTorch prints 4
#     def parameter(k, *shape):  # parameter k, as fill_with_sines() makes it
#         numbers = 0.5 * torch.sin(3.0 * k + torch.arange(math.prod(shape)))
#         if len(shape) == 1: numbers += 0.5
#         return numbers.reshape(shape).requires_grad_()
#     def sines(n, m, row_step):
#         rows = [[math.sin(row_step * i + j) for j in range(m)] for i in range(n)]
#         return torch.tensor(rows).requires_grad_()
#     def join(x, level, lengths):  # each row of x after the one 2 ** level rows before it
#         documents = []
#         for rows in x.split(lengths):
#             first_rows = rows[:1].expand(2 ** level, -1)  # for those that are missing
#             earlier = torch.cat([first_rows, rows])[:len(rows)]
#             documents.append(torch.cat([earlier, rows], dim=1))
#         return torch.cat(documents)


def network(kind, **changes):
    """Return a network with CONFIG and these changes, its parameters filled with sines."""
    config = CONFIG | changes
    if kind is wavenet.WaveNet:
        config["n_hidden"] = config["n_embd"]  # as its residual connections need
    model = kind(config, seed=1)  # any seed: what is drawn with it is replaced
    fill_with_sines(model.params)
    return model


def train(model):
    """Train in 6 steps, and return the list of their losses."""
    losses = []

    def report(step, loss):
        losses.append(loss)
        assert step == len(losses)  # the steps are numbered from 1
    wavenet.train(model, DOCUMENTS, steps=6, batch_size=3, lr=0.5, seed=5, report=report)
    return losses


def test_all_doctests_pass():
    assert doctest.testmod(wavenet).failed == 0


# --- joining rows ---

@exercise("4.1")
def test_join_lays_rows_end_to_end_and_its_gradient_agrees_with_nudging():
    x = Tensor(sines(4, 3))
    left = [0, 0, 2, 3]
    right = [1, 0, 2, 0]
    # Left and right together, row 0 is used four times, and row 2 twice. Their gradients add up.
    joined = wavenet.join(x, left, right).data
    assert joined == [x.data[i] + x.data[j] for i, j in zip(left, right)]  # + joins two lists
    gradcheck.check(lambda: weighed(wavenet.join(x, left, right)), {"x": x})


@exercise("4.1")
def test_join_raises_value_error_for_lists_of_different_lengths():
    with pytest.raises(ValueError):
        wavenet.join(Tensor([[1.0], [2.0]]), [0, 1], [0])  # two rows on the left, one on the right


@exercise("4.2")
def test_each_level_of_the_tree_joins_rows_0_and_1_then_2_and_3_and_so_on():
    model = network(wavenet.Tree)
    # Three contexts of 8 ids have 24 rows, one for each id. Each level makes one row out of two
    # rows. So level 1 gets 12 rows, and level 2 gets 6.
    for level, n_rows in enumerate([24, 12, 6]):
        left, right = model.rows_to_join(level, [8, 8, 8])
        assert list(left) == list(range(0, n_rows, 2))
        assert list(right) == list(range(1, n_rows, 2))


@exercise("4.3")
def test_level_2_of_convolutions_looks_4_rows_back_but_only_within_the_document():
    model = network(wavenet.Convolutions)
    # Three documents: rows 0 to 5, row 6, and rows 7 to 11. Level 2 looks 2 ** 2 = 4 rows back, but
    # not beyond the first row of the document. So only rows 4, 5 and 11 look back 4 rows.
    earlier, here = model.rows_to_join(2, [6, 1, 5])
    assert list(earlier) == [
        0, 0, 0, 0, 0, 1,  # for rows 0 to 5
        6,  # for row 6
        7, 7, 7, 7, 7,  # for rows 7 to 11
    ]
    assert list(here) == list(range(12))  # all rows of the three documents


# weight, bias = parameter(0, 3, 4), parameter(1, 3)  # two rows of 2 numbers make a row of 3
# for level in range(3):
#     x = sines(6, 2, row_step=2)
#     dilation = 2 ** level
#     padded = torch.cat([x[:1].expand(dilation, 2), x])  # row 0 stands in for missing rows
#     # a row of weight has two weights for the earlier row, and then two for the row itself; a
#     # kernel has the shape (out, in, which of the two rows)
#     kernel = weight.reshape(3, 2, 2).transpose(1, 2)
#     out = F.conv1d(padded.T, kernel, bias, dilation=dilation).T
#     (out * sines(6, 3, row_step=3)).sum().backward()  # what weighed() computes
#     print(out[5], x.grad[0])  # the last row, and the gradient of row 0
@exercise("4.3")
@pytest.mark.parametrize("level, last_row, d_first_row", [
    (0, [0.4260550667, -0.7028569697, 1.2428432468], [-0.4214865430, -0.1696738903]),
    (1, [0.5290797730, -0.3401563908, 0.6656647011], [-0.1806762216, -0.3983676953]),
    (2, [0.3120363890, -0.5426283465, 1.1473970897], [-0.1384511858, -0.3932801764]),
])
def test_rows_to_join_and_join_and_linear_agree_with_conv1d_of_pytorch(
        level, last_row, d_first_row):
    params = {"weight": Tensor(sines(3, 4)), "bias": Tensor([0.0] * 3)}
    fill_with_sines(params)  # the numbers above only give the shapes
    x = Tensor(sines(6, 2))
    left, right = network(wavenet.Convolutions).rows_to_join(level, [6])  # one document of 6 ids
    out = wavenet.linear(wavenet.join(x, left, right), **params)
    weighed(out).backward()
    assert close(out.data[5], last_row)
    assert close(x.grad[0], d_first_row)  # row 0 also stands in for missing rows


# --- networks ---

def contexts_of(ids, block_size):
    """Return the ids of all contexts of a document, one context after the other.

    Each context has block_size ids. There is one for each id but the first.
    """
    padded = [ids[0]] * (block_size - 1) + ids
    contexts = []
    for t in range(len(ids) - 1):
        contexts += padded[t:t + block_size]
    return contexts


@exercise("4.2")
@exercise("4.3")
@pytest.mark.parametrize("n_levels", [1, 2, 3, 4])  # so a context has 2, 4, 8 or 16 tokens
def test_a_tree_with_the_parameters_of_trained_convolutions_gives_their_logits(n_levels):
    convolutions = network(wavenet.Convolutions, n_levels=n_levels)
    train(convolutions)  # so the running means are not 0, and the running variances not 1, any more
    tree = wavenet.Tree(convolutions.config, seed=1)
    tree.params = convolutions.params
    tree.statistics = convolutions.statistics
    ids = ids_of("53102241130245")  # any document
    inputs = ids[:-1]  # the logits after the last id are not needed
    block_size = 2 ** n_levels
    lengths = [block_size] * len(inputs)  # of the contexts, one for each input
    expected = convolutions(inputs, [len(inputs)]).data
    # Both networks compute the same logits, so these can differ only by rounding.
    assert close(tree(contexts_of(ids, block_size), lengths).data, expected, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_depend_on_each_token_of_their_context_and_on_nothing_else(kind):
    model = network(kind, n_levels=2)  # sees 2 ** 2 = 4 tokens
    ids = ids_of("503122410")
    n = len(ids)
    before = model(ids + [5, 1], [n, 2]).data  # 5 1 is another document in the same batch
    assert close(before[n:], model([5, 1], [2]).data)  # its logits are the same when it is alone
    for t in range(1, n):  # ids[0] stays: as the first token, it also stands in for missing ones
        other = list(ids)
        other[t] = (ids[t] + 1) % 5  # another one of the letters, which are 0 to 4
        after = model(other, [n]).data
        changed = [i for i in range(n) if not close(before[i], after[i])]  # rows of logits
        # Token t is in the contexts of the rows t to t + 3, as far as there are such rows.
        assert changed == list(range(t, min(t + 4, n)))


def test_gradients_of_all_parameters_of_a_tree_agree_with_nudging():
    model = network(wavenet.Tree, n_levels=2)
    block_size = 4  # 2 ** n_levels
    document = ids_of("53102")  # the boundary, 5, need not be at the end
    contexts = contexts_of(document, block_size)
    targets = document[1:]
    lengths = [block_size] * len(targets)  # of the contexts, one for each target

    def loss():
        return wavenet.cross_entropy(model(contexts, lengths, training=True), targets)
    gradcheck.check(loss, model.params)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_all_parameters_of_convolutions_and_wavenet_agree_with_nudging(kind):
    model = network(kind, n_levels=2)
    gradcheck.check(lambda: wavenet.loss_of(model, DOCUMENTS, training=True), model.params)


def test_an_evaluation_between_forward_and_backward_does_not_change_the_gradient():
    # backward() uses what the layers have kept. An evaluation must not put other numbers there.
    grads = []  # two gradients of the embeddings: without an evaluation, and with one
    for evaluates in (False, True):
        model = network(wavenet.Convolutions)
        loss = wavenet.loss_of(model, DOCUMENTS, training=True)
        if evaluates:
            wavenet.evaluate(model, DOCUMENTS)
        loss.backward()
        # This gradient has come back through all levels.
        grads.append(model.params["embedding.weight"].grad)
    assert grads[0] == grads[1]  # exactly, as both runs compute the same in the same order


# --- WaveNet ---

@exercise("4.4")
def test_the_gate_is_t_times_sigmoid_of_b_and_its_gradients_agree_with_nudging():
    t = Tensor(sines(3, 2))
    # With another row_step, only row 0 is also a row of t. Equal rows could hide a mix-up.
    b = Tensor(sines(3, 2, row_step=3.0))
    out = wavenet.gate(t, b)
    # Compute the first number of row 1 from those of t and b, with sigmoid(b) = 1 / (1 + e^-b).
    # gate() may use another formula for the sigmoid, and then differ by rounding.
    assert close(out.data[1][0], t.data[1][0] / (1 + math.exp(-b.data[1][0])), 1e-12)
    gradcheck.check(lambda: weighed(wavenet.gate(t, b)), {"t": t, "b": b})


# shapes = [  # network() makes n_hidden 2, as n_embd is
#     (6, 2),  # embedding: 6 ids
#     *[(2, 4), (2, 4), (2, 2)] * 3,  # tanh, gate and out of 3 blocks, which join two rows of 2
#     (6, 2), (6,),  # output, and its bias
# ]
# p = [parameter(k, *shape) for k, shape in enumerate(shapes)]
# lengths = [7, 1]  # of two documents
# x = p[0][torch.tensor([5, 3, 1, 0, 2, 2, 4, 5])]  # the embeddings of these ids
# total = 0
# for level in range(3):
#     tanh, gate, out = p[1 + 3 * level:4 + 3 * level]  # those of this block; p[0] is the embedding
#     joined = join(x, level, lengths)
#     block = (torch.tanh(joined @ tanh.T) * torch.sigmoid(joined @ gate.T)) @ out.T
#     total = total + block
#     x = x + block
# logits = torch.tanh(total) @ p[10].T + p[11]  # output and its bias
# print(logits[6], logits[7])  # of the last row of each document
@exercise("4.5")
def test_logits_of_wavenet_agree_with_pytorch():
    # Two documents: rows 0 to 6, and row 7.
    logits = network(wavenet.WaveNet)(ids_of("53102245"), [7, 1]).data
    assert close(logits[6], [
        0.9967950737, 0.8189277958, 0.2438040211,
        -0.0152324505, 0.2364346538, 0.6190847248,
    ])
    assert close(logits[7], [
        0.9152855495, 0.8094357378, 0.3332137251,
        -0.0801555235, 0.2010600126, 0.7134498878,
    ])


# --- training ---

# shapes = [
#     (6, 2),  # embedding: 6 ids
#     (3, 4), (3,), (3,),  # level 0, which joins two rows of 2; weight and bias of its batch norm
#     (3, 6), (3,), (3,),  # level 1, which joins two rows of 3
#     (3, 6), (3,), (3,),  # level 2
#     (6, 3), (6,),  # output, and its bias
# ]
# p = [parameter(k, *shape) for k, shape in enumerate(shapes)]
# means = [torch.zeros(3) for _ in range(3)]  # the running statistics of each level
# variances = [torch.ones(3) for _ in range(3)]
#
# def loss_of(documents, training, share=0.0):  # share: of this batch in the running statistics
#     lengths = [len(ids) - 1 for ids in documents]
#     x = p[0][torch.tensor(sum([ids[:-1] for ids in documents], []))]
#     for level in range(3):
#         weight, w, b = p[1 + 3 * level:4 + 3 * level]  # those of this level
#         sums = join(x, level, lengths) @ weight.T
#         normed = F.batch_norm(sums, means[level], variances[level], w, b, training, share)
#         x = torch.tanh(normed)
#     targets = sum([ids[1:] for ids in documents], [])
#     return F.cross_entropy(x @ p[10].T + p[11], torch.tensor(targets))
#
# rng = random.Random(5)  # seed, steps, batch_size and lr are those of train()
# for step in range(1, 7):
#     for q in p: q.grad = None
#     loss = loss_of(rng.choices(DOCUMENTS, k=3), training=True, share=1 / step)
#     loss.backward()
#     print(loss)
#     with torch.no_grad():
#         for q in p: q -= 0.5 * (7 - step) / 6 * q.grad  # lr falls from 0.5 to 0
# print(loss_of(DOCUMENTS, training=False), means[0], variances[0])
def test_losses_of_6_steps_and_then_the_running_statistics_and_the_loss_agree_with_pytorch():
    model = network(wavenet.Convolutions)
    assert close(train(model), [
        1.8102983118, 1.6474546036, 1.8413125867,
        1.7956147123, 1.8489543499, 1.8545655227,
    ])
    assert close(wavenet.evaluate(model, DOCUMENTS), 1.72312762)
    # As in the snippet, these are the running statistics of level 0.
    assert close(model.statistics[0].mean, [0.0972543024, -0.1588595876, 0.1282543375])
    assert close(model.statistics[0].variance, [0.0503274522, 0.0588910443, 0.1163410703])


# --- first weights ---

@pytest.mark.parametrize("kind", [wavenet.Convolutions, wavenet.WaveNet])
def test_the_first_loss_is_about_log_27(kind):
    # WaveNet needs an n_embd that is its n_hidden.
    config = {"vocab_size": 27, "n_levels": 3, "n_embd": 32, "n_hidden": 32}
    documents = [[26, *range(20), 26]]  # 26 is the boundary; between two of them, any ids will do
    loss = wavenet.loss_of(kind(config, seed=1), documents, training=True)
    # The loss is log(27) if each of the 27 tokens has the probability 1 / 27. At first this is
    # nearly so: the logits are close to 0. For seeds 1 to 10, the difference was below 0.02. With a
    # gain of 1 in place of 0.1, it would be 0.35 for Convolutions, and 0.036 for WaveNet.
    assert loss.data == pytest.approx(math.log(27), abs=0.03)


# The sizes of the network in Andrej Karpathy's lecture "Building makemore Part 5: Building a
# WaveNet". Its 22,397 parameters are:
#
#     embeddings    27 * 10
#     level 0       68 * 20  + 2 * 68     weights, and the weights and biases of the norm
#     level 1       68 * 136 + 2 * 68
#     level 2       68 * 136 + 2 * 68
#     output        27 * 68  + 27
LECTURE = {"vocab_size": 27, "n_levels": 3, "n_embd": 10, "n_hidden": 68}


def test_convolutions_with_the_sizes_of_the_lecture_have_its_22397_parameters():
    params = wavenet.Convolutions(LECTURE, seed=1).params
    assert sum([math.prod(p.shape) for p in params.values()]) == 22397


def test_the_first_weights_of_a_level_have_a_standard_deviation_of_1_over_the_root_of_n_in():
    params = wavenet.Convolutions(LECTURE, seed=1).params
    weights = numbers_in(params["level.1.weight"].data)
    # n_in is 2 * 68, because level 1 joins two rows of 68 numbers. It has 68 * 136 = 9248 weights.
    # With so many random numbers, chance changes their standard deviation by about 1%. So 5% are
    # allowed.
    assert statistics.pstdev(weights) == pytest.approx(1 / math.sqrt(2 * 68), rel=0.05)


# --- samples ---

class Counting:
    """A model of 4 tokens, 0 to 3, that is sure that i + 1 comes after i, and 0 after 3.

    3 is the boundary.
    """

    config = {"vocab_size": 4}

    def __call__(self, ids, lengths):
        assert lengths == [len(ids)]  # sample() gives it one document
        logits = []
        for i in ids:
            row = [0.0] * 4
            row[(i + 1) % 4] = 1000.0  # the others have the probability 0
            logits.append(row)
        return Tensor(logits)


def test_samples_end_at_the_boundary_or_after_max_new_tokens():
    # It begins with 3, the boundary. After it come 0, 1, 2 and the next boundary.
    assert wavenet.sample(Counting(), random.Random(1)) == [0, 1, 2]
    assert wavenet.sample(Counting(), random.Random(1), max_new_tokens=2) == [0, 1]


# --- the script ---

def test_the_options_block_size_and_gated_choose_the_network(monkeypatch):
    models = []
    # main() calls learn() to train a model. The one that takes its place only keeps the model.
    monkeypatch.setattr(wavenet, "learn", lambda model, *others: models.append(model))
    little_work = ["--samples", "0", "--eval-docs", "1"]  # evaluates one document of each part
    wavenet.main([*little_work, "--block-size", "4"])
    wavenet.main([*little_work, "--gated"])
    assert [type(model) for model in models] == [wavenet.Convolutions, wavenet.WaveNet]
    # The block size of 4 is 2 ** 2, so it needs 2 levels. Without the option it is 8, or 2 ** 3.
    assert [model.config["n_levels"] for model in models] == [2, 3]


# Options for a short run of a small network. In 40 samples, two runs have many chances to differ.
SMALL = ["--steps", "20", "--n-hidden", "8", "--eval-docs", "20", "--samples", "40"]


@pytest.mark.parametrize("more", [[], ["--gated"], ["--block-size", "2"]])
def test_a_run_prints_losses_and_samples_and_another_seed_changes_the_output(more, capsys):
    wavenet.main([*SMALL, *more, "--test"])
    out = capsys.readouterr().out
    before, samples = out.split("samples\n")
    # Of the 20 steps, it shows the first one and the end of each tenth: 1, 2, 4, ..., 20. So these
    # are 11 lines.
    assert before.count("step ") == 11
    for name in ("train", "dev", "test"):
        assert f"\n{name} loss " in before
    assert samples.count("\n") == 40  # as SMALL says
    wavenet.main([*SMALL, *more, "--test", "--seed", "1"])  # the run before had the seed 42
    assert capsys.readouterr().out != out


def test_two_runs_of_the_script_succeed_and_print_the_same():
    first = run("wavenet", *SMALL)  # (exit status, standard output, standard error)
    assert first[0] == 0  # the exit status of a run without an error
    assert run("wavenet", *SMALL) == first  # both have the default seed, 42
