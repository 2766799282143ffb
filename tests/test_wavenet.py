"""wavenet.py: joins, trees, convolutions and gates; their gradients, and PyTorch's numbers."""
import doctest
import math
import random
import statistics

import pytest

import gradcheck
import wavenet
from helpers import close, fill_with_sines, random_tensor, run, sines, weighed
from wavenet import Tensor

exercise = pytest.mark.exercise


def ids_of(digits):
    """Return a list of ids below 10, given as a string. 5 is the boundary."""
    return [int(digit) for digit in digits]


DOCUMENTS = [ids_of("53102245"), ids_of("545"), ids_of("50215")]
CONFIG = {"vocab_size": 6, "n_levels": 3, "n_embd": 2, "n_hidden": 3}
KINDS = [
    pytest.param(wavenet.Convolutions, id="convolutions"),
    pytest.param(wavenet.WaveNet, id="wavenet", marks=exercise("4.5")),
]


def network(kind, **changes):
    """Return a network of this kind whose parameters are all different."""
    config = CONFIG | changes
    if kind is wavenet.WaveNet:
        config["n_hidden"] = config["n_embd"]
    model = kind(config, seed=1)
    fill_with_sines(model.params)
    return model


def no_report(step, loss):
    """Show nothing."""


def test_doctests():
    assert doctest.testmod(wavenet).failed == 0


# --- joining rows ---

@exercise("4.1")
def test_a_row_that_is_joined_several_times_gets_all_its_gradients():
    x = random_tensor(Tensor, random.Random(1), (4, 3))
    left = [0, 0, 2, 3]
    right = [1, 0, 2, 0]  # row 0 in both halves; row 2 with itself
    joined = wavenet.join(x, left, right).data
    assert joined == [x.data[i] + x.data[j] for i, j in zip(left, right)]
    gradcheck.check(lambda: weighed(wavenet.join(x, left, right)), {"x": x})


@exercise("4.1")
def test_join_refuses_lists_of_different_lengths():
    with pytest.raises(ValueError):
        wavenet.join(Tensor([[1.0], [2.0]]), [0, 1], [0])


@exercise("4.2")
def test_the_tree_joins_neighbours_of_one_context():
    model = network(wavenet.Tree)
    for k, n_rows in enumerate([24, 12, 6]):
        left, right = model.rows_to_join(k, [8, 8, 8])
        assert list(left) == list(range(0, n_rows, 2))
        assert list(right) == list(range(1, n_rows, 2))


@exercise("4.3")
def test_convolutions_look_back_within_their_own_document():
    model = network(wavenet.Convolutions)
    earlier, here = model.rows_to_join(2, [6, 1, 5])
    assert list(earlier[:6]) == [0, 0, 0, 0, 0, 1]
    assert list(earlier[6:]) == [6, 7, 7, 7, 7, 7]
    assert list(here) == list(range(12))


# With weight, bias, x and grad as below, in PyTorch:
#     conv = nn.Conv1d(2, 3, kernel_size=2, dilation=dilation)
#     conv.weight.data = weight.reshape(3, 2, 2).permute(0, 2, 1)
#     out = conv(torch.cat([x[:1].expand(dilation, 2), x]).T[None])[0].T
#     (out * grad).sum().backward()
@exercise("4.3")
@pytest.mark.parametrize("k, last_row, d_first_row", [
    (0, [0.4260550667, -0.7028569697, 1.2428432468], [-0.4214865430, -0.1696738903]),
    (1, [0.5290797730, -0.3401563908, 0.6656647011], [-0.1806762216, -0.3983676953]),
    (2, [0.3120363890, -0.5426283465, 1.1473970897], [-0.1384511858, -0.3932801764]),
])
def test_join_and_linear_are_conv1d_of_pytorch(k, last_row, d_first_row):
    weight = random_tensor(Tensor, random.Random(1), (3, 4))
    bias = random_tensor(Tensor, random.Random(1), (3,))
    fill_with_sines({"weight": weight, "bias": bias})
    x = Tensor(sines(6, 2))
    left, right = network(wavenet.Convolutions).rows_to_join(k, [6])
    out = wavenet.linear(wavenet.join(x, left, right), weight, bias)
    weighed(out).backward()
    assert close(out.data[5], last_row)
    assert close(x.grad[0], d_first_row)


# --- tree and convolutions ---

def contexts_of(ids, block_size):
    """Return the ids of all contexts of a document, one context after the other."""
    padded = [ids[0]] * (block_size - 1) + ids
    contexts = []
    for t in range(len(ids) - 1):
        contexts += padded[t:t + block_size]
    return contexts


@exercise("4.2")
@exercise("4.3")
@pytest.mark.parametrize("n_levels", [1, 2, 3, 4])
def test_the_trained_convolutions_give_the_logits_of_the_tree(n_levels):
    convolutions = network(wavenet.Convolutions, n_levels=n_levels)
    wavenet.train(convolutions, DOCUMENTS, 5, 3, 0.1, 1, no_report)
    tree = wavenet.Tree(convolutions.config, seed=1)
    tree.params = convolutions.params
    tree.statistics = convolutions.statistics
    ids = ids_of("53102241130245")
    block_size = 2 ** n_levels
    expected = convolutions(ids[:-1], [13]).data
    assert close(tree(contexts_of(ids, block_size), [block_size] * 13).data, expected, 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_logit_depends_on_its_context_alone(kind):
    model = network(kind, n_levels=2)
    ids = ids_of("503122410")
    before = model(ids + [5, 1], [9, 2]).data
    assert close(before[9:], model([5, 1], [2]).data)
    for t in range(1, 9):
        other = list(ids)
        other[t] = (ids[t] + 1) % 5
        after = model(other, [9]).data
        changed = [i for i in range(9) if not close(before[i], after[i])]
        assert changed == list(range(t, min(t + 4, 9)))


def test_a_tree_has_a_gradient_for_each_parameter():
    model = network(wavenet.Tree, n_levels=2)
    ids = contexts_of(ids_of("53102"), 4)

    def loss():
        logits = model(ids, [4] * 4, training=True)
        return wavenet.cross_entropy(logits, [3, 1, 0, 2])
    gradcheck.check(loss, model.params)


@pytest.mark.parametrize("kind", KINDS)
def test_each_parameter_gets_its_gradient(kind):
    model = network(kind, n_levels=2)
    gradcheck.check(lambda: wavenet.loss_of(model, DOCUMENTS, training=True), model.params)


def test_batch_norm_goes_back_in_the_mode_in_which_it_went_forward():
    model = network(wavenet.Convolutions)
    grads = []
    for use_between in (False, True):
        loss = wavenet.loss_of(model, DOCUMENTS, training=True)
        if use_between:
            wavenet.evaluate(model, DOCUMENTS)
        loss.backward()
        grads.append(model.params["embedding.weight"].grad)
        for p in model.params.values():
            p.grad = None
    assert grads[0] == grads[1]


# --- WaveNet's block ---

@exercise("4.4")
def test_the_gate_and_its_gradient():
    rng = random.Random(1)
    t = random_tensor(Tensor, rng, (3, 2))
    b = random_tensor(Tensor, rng, (3, 2), std=2.0)
    out = wavenet.gate(t, b)
    assert close(out.data[0][0], t.data[0][0] / (1 + math.exp(-b.data[0][0])), 1e-12)
    gradcheck.check(lambda: weighed(wavenet.gate(t, b)), {"t": t, "b": b})


# A WaveNet in PyTorch with the same numbers: torch.tanh(j @ tanh.T) * torch.sigmoid(j @ gate.T)
# for the joined rows j, times out.T, in three blocks with residual and skip connections.
@exercise("4.5")
def test_wavenet_has_the_logits_of_pytorch():
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

# The same network in PyTorch: nn.functional.batch_norm(..., training, momentum=1 / step), then
# plain gradient descent on nn.functional.cross_entropy, with the batches of random.Random(5).
def test_training_with_batch_norm_is_that_of_pytorch():
    model = network(wavenet.Convolutions)
    losses = {}
    wavenet.train(model, DOCUMENTS, 6, 3, 0.5, 5, losses.__setitem__)
    assert close(list(losses.values()), [
        1.8102983118, 1.6474546036, 1.8413125867,
        1.7956147123, 1.8489543499, 1.8545655227,
    ])
    assert close(wavenet.evaluate(model, DOCUMENTS), 1.72312762)
    assert close(model.statistics[0].mean, [0.0972543024, -0.1588595876, 0.1282543375])
    assert close(model.statistics[0].variance, [0.0503274522, 0.0588910443, 0.1163410703])


@pytest.mark.parametrize("kind", [wavenet.Convolutions, wavenet.WaveNet])
def test_at_first_all_tokens_are_about_equally_likely(kind):
    config = {"vocab_size": 27, "n_levels": 3, "n_embd": 32, "n_hidden": 32}
    documents = [[26, *range(20), 26]]
    loss = wavenet.loss_of(kind(config, seed=1), documents, training=True)
    assert loss.data == pytest.approx(math.log(27), abs=0.1)


def test_the_lectures_network_has_22397_parameters():
    config = {"vocab_size": 27, "n_levels": 3, "n_embd": 10, "n_hidden": 68}
    params = wavenet.Convolutions(config, seed=1).params
    assert sum([math.prod(p.shape) for p in params.values()]) == 22397
    weights = sum(params["level.1.weight"].data, [])
    assert statistics.pstdev(weights) == pytest.approx(1 / math.sqrt(2 * 68), rel=0.05)


def test_the_options_choose_the_network(monkeypatch):
    models = []
    monkeypatch.setattr(wavenet, "learn", lambda model, *others: models.append(model))
    few = ["--samples", "0", "--eval-docs", "1"]
    wavenet.main([*few, "--block-size", "4"])
    wavenet.main([*few, "--gated"])
    assert [type(model) for model in models] == [wavenet.Convolutions, wavenet.WaveNet]
    assert [model.config["n_levels"] for model in models] == [2, 3]


class Counting:
    """A model for which token i + 1 always comes after token i; the boundary is 3."""

    config = {"vocab_size": 4}

    def __call__(self, ids, lengths):
        assert lengths == [len(ids)]
        logits = []
        for i in ids:
            row = [0.0] * 4
            row[(i + 1) % 4] = 1000.0
            logits.append(row)
        return Tensor(logits)


def test_samples_end_at_the_boundary_or_are_cut():
    assert wavenet.sample(Counting(), random.Random(1)) == [0, 1, 2]
    assert wavenet.sample(Counting(), random.Random(1), max_new_tokens=2) == [0, 1]


# --- the script ---

SMALL = ["--steps", "20", "--n-hidden", "8", "--eval-docs", "20", "--samples", "40"]


@pytest.mark.parametrize("more", [[], ["--gated"], ["--block-size", "2"]])
def test_the_script_trains_evaluates_and_samples(more, capsys):
    wavenet.main([*SMALL, *more, "--test"])
    out = capsys.readouterr().out
    before, samples = out.split("samples\n")
    assert before.count("step ") == 11
    for name in ("train", "dev", "test"):
        assert f"\n{name} loss " in before
    assert samples.count("\n") == 40
    wavenet.main([*SMALL, *more, "--test", "--seed", "1"])
    assert capsys.readouterr().out != out


def test_the_same_seed_gives_the_same_output():
    assert run("wavenet", *SMALL) == run("wavenet", *SMALL)
