"""wavenet.py: gradients against finite differences, layers against PyTorch, the script as run."""
import doctest
import math
import random
import re

import pytest

import gradcheck
import wavenet
from wavenet import Module, Tensor

exercise, RNG = pytest.mark.exercise, random.Random(0)
EXAMPLES = [[0, 3, 1, 5, 2, 2, 4, 0], [0, 4, 0], [0, 5, 2, 1, 0]]


def documents(*lengths, channels, seed=1, spread=1.0):
    rng = random.Random(seed)
    return Tensor([[[rng.gauss(0, spread) for _ in range(channels)] for _ in range(T)] for T in lengths])


def sines(model):
    """The model with 0.5 sin(3 k + i) as the i-th number of its k-th parameter, 0.5 more in lists."""
    for k, p in enumerate(model.parameters()):
        for i, (put, _, _) in enumerate(gradcheck.entries(p.data)):
            put(0.5 * math.sin(3 * k + i) + 0.5 * (len(p.shape) == 1))
    return model


def weighed(out, seed=7):
    """A scalar that every number in `out` (B, T, C) has a say in, each with its own weight."""
    rng = random.Random(seed)
    weights = [[[rng.gauss(0, 1) for _ in row] for row in rows] for rows in out.data]
    total = sum(w * v for ws, vs in zip(sum(weights, []), sum(out.data, [])) for w, v in zip(ws, vs))
    return Tensor(total, (out,), lambda grad: (wavenet.add(weights, weights, grad - 1),))


def close(a, b, tolerance=1e-12):
    a, b = ([number for _, number, _ in gradcheck.entries(data)] for data in (a, b))
    return a == pytest.approx(b, abs=tolerance)


of = lambda make, channels, number=None: pytest.param(make, channels, marks=exercise(number) if number else ())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make, channels", [
    of(lambda: wavenet.Linear(3, 4, RNG), 3), of(lambda: wavenet.Linear(1, 2, RNG, bias=False), 1),
    of(wavenet.Tanh, 3), of(lambda: wavenet.BatchNorm1d(1), 1, "4.1"), of(lambda: wavenet.BatchNorm1d(3), 3, "4.1"),
    of(lambda: wavenet.Sequential([wavenet.Linear(2, 3, RNG), wavenet.Tanh()]), 2),
    of(wavenet.FlattenConsecutive, 1, "4.2"), of(wavenet.FlattenConsecutive, 3, "4.2"),
    *(of(lambda d=d: wavenet.CausalConv1d(2, 3, RNG, d), 2, "4.3") for d in (1, 2, 4)),
    of(wavenet.Gate, 2, "4.4"), of(wavenet.Gate, 6, "4.4")])
def test_gradients(make, channels, training):
    Module.training = training
    layer, x = make(), documents(4, 2, channels=channels)
    own = sines(layer).parameters() if isinstance(layer, Module) else []
    gradcheck.check(lambda: weighed(layer(x)), {"x": x, **{f"p{i}": p for i, p in enumerate(own)}})


def test_gradients_of_embedding_add_and_cross_entropy():
    layer, x = wavenet.Embedding(4, 3, RNG), documents(3, 1, channels=3)
    gradcheck.check(lambda: weighed(layer([[3, 0, 3], [2]]) + x + x), {"weight": layer.weight, "x": x})

    def tripled():  # as part of something larger, the loss has a gradient other than 1
        loss = wavenet.cross_entropy(x, [[2, 0, 1], [1]])
        return Tensor(3 * loss.data, (loss,), lambda grad: (3 * grad,))
    gradcheck.check(tripled, {"logits": x})


@pytest.mark.parametrize("make, count, examples", [
    (lambda: wavenet.build(6, 4, 2, 3, RNG, as_tree=True), 78, [[5, 5, 5, 0, 3], [5, 5, 0, 3, 1]]),
    (lambda: wavenet.build(6, 4, 2, 3, RNG), 12 + (12 + 6) + (18 + 6) + (18 + 6), EXAMPLES),
    (lambda: wavenet.WaveNet(6, 4, 2, RNG), 12 + 2 * (16 + 4 + 4 + 2) + (12 + 6), EXAMPLES)])
def test_gradient_of_every_parameter_of_each_model(make, count, examples):
    Module.training, model = True, sines(make())
    targets = [ids[1:] if examples is EXAMPLES else ids[-1:] for ids in examples]
    loss = lambda: wavenet.cross_entropy(model([ids[:-1] for ids in examples]), targets)
    assert gradcheck.check(loss, {f"p{i}": p for i, p in enumerate(model.parameters())}) == count


def test_what_does_not_fit_is_refused():
    Module.training = True
    x, two, other = Tensor([[[1.0, 2.0]]]), Tensor([[[1.0, 2.0]] * 2]), Tensor([[[1.0]]])
    embedding = wavenet.Embedding(3, 2, RNG)
    for call in (lambda: x + other, lambda: wavenet.Linear(3, 1, RNG)(x), lambda: wavenet.BatchNorm1d(3)(two),
                 lambda: embedding([[-1]]), lambda: embedding([[1, 3]]), lambda: wavenet.cross_entropy(x, [[2]]),
                 lambda: wavenet.cross_entropy(x, [[-1]]), lambda: wavenet.cross_entropy(x, [[0, 1]]), x.backward,
                 lambda: wavenet.build(3, 6, 2, 2, RNG), lambda: wavenet.build(3, 1, 2, 2, RNG)):
        with pytest.raises(ValueError):
            call()


# --- the layers, worked by hand and by PyTorch in float64 ---

@exercise("4.2")
def test_neighbours_are_joined_in_documents_of_any_length():
    x = Tensor([[[1.0], [2.0], [3.0], [4.0]], [[5.0], [6.0]]])
    assert wavenet.FlattenConsecutive()(x).data == [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]


@exercise("4.3")
@pytest.mark.parametrize("dilation, out, d_x", [
    (1, [0.4695858263, 0.4752113343, 0.5036274272], [0.7392882901, -0.6818202900]),
    (2, [0.4868637214, -0.1512652116, -0.1906239125], [1.4655163242, -1.4245002168]),
    (4, [0.4504641726, 0.5440730677, 0.5971613876], [1.4091406183, -1.3819164642])])
def test_causal_convolutions_are_pytorchs(dilation, out, d_x):
    layer = sines(wavenet.CausalConv1d(2, 3, random.Random(0), dilation))
    x = Tensor([[[math.sin(2 * i + j) for j in range(2)] for i in range(6)], [[1.0, -2.0]]])
    found = layer(x)
    assert found.shape == (2, 6, 3) and close(found.data[0][5], out, 1e-9)
    grad = [[[math.sin(3 * t + c) for c in range(3)] for t in range(6)], [[math.sin(18 + c) for c in range(3)]]]
    Tensor(0.0, (found,), lambda _: (grad,)).backward()
    assert close(x.grad[0][0], d_x, 1e-9)


@exercise("4.4")
def test_the_gate_by_hand_and_for_numbers_of_any_size():
    out = wavenet.Gate()(Tensor([[[0.5, -1.0, 0.0, 2.0]], [[1.0, 3.0, -2.0, 0.5]]]))
    assert close(out.data, [[[math.tanh(0.5) / 2, math.tanh(-1) / (1 + math.exp(-2))]],
                            [[math.tanh(1) / (1 + math.exp(2)), math.tanh(3) / (1 + math.exp(-0.5))]]])
    assert wavenet.Gate()(Tensor([[[2000.0, -2000.0]], [[-2000.0, 2000.0]]])).data == [[[0.0]], [[-1.0]]]


@exercise("4.5")
def test_wavenet_is_pytorchs():
    logits = sines(wavenet.WaveNet(6, 8, 2, random.Random(0)))([ids[:-1] for ids in EXAMPLES]).data
    assert close([logits[0][6], logits[1][0]], [
        [0.3854489366, 0.4398342239, 0.5495356483, 0.6136942261, 0.5733228567, 0.4655387910],
        [0.3499907853, 0.3948727702, 0.5364082454, 0.6444701477, 0.6197068624, 0.4848856399]], 1e-9)


def test_training_with_batch_norm_is_pytorchs():
    Module.training, model = False, sines(wavenet.build(6, 8, 2, 3, random.Random(0)))
    assert close(list(wavenet.train(model, EXAMPLES, 6, 3, 0.5, random.Random(5))), [
        1.9763577974, 1.7400913816, 1.7321398807, 1.6865640624, 1.7458289191, 1.6772034729], 1e-9)
    assert close(wavenet.evaluate(model, EXAMPLES), 1.6420528711, 1e-9)  # leaves the statistics alone
    assert close(model.layers[2].running_mean, [-0.0045588077, 0.0467268493, 0.0559793893], 1e-9)
    assert close(model.layers[2].running_var, [0.0336275185, 0.0645774689, 0.0898505840], 1e-9)


@exercise("4.1")
def test_running_statistics_are_an_average_until_each_batch_counts_1_percent():
    Module.training, norm, expected = True, wavenet.BatchNorm1d(1), 0.0
    for i in range(1, 201):
        norm(Tensor([[[float(i)], [i + 2.0]]]))
        expected = (1 + i) / 2 + 1 if i <= 100 else 0.99 * expected + 0.01 * (i + 1)
        assert norm.running_mean == [pytest.approx(expected)] and norm.running_var == [pytest.approx(2.0)]


# --- the networks ---

@pytest.mark.parametrize("block_size", [2, 4, 8, 16])
def test_the_tree_and_the_convolutions_give_the_same_logits(block_size):
    tree, plain = (wavenet.build(6, block_size, 3, 5, random.Random(0), kind) for kind in (True, False))
    assert [p.data for p in tree.parameters()] == [p.data for p in plain.parameters()]
    list(wavenet.train(plain, EXAMPLES, 5, 3, 0.1, random.Random(1)))
    for p, q in zip(tree.parameters(), plain.parameters(), strict=True):
        p.data = q.data
    norms = ([layer for layer in model.layers if hasattr(layer, "running_mean")] for model in (tree, plain))
    for a, b in zip(*norms, strict=True):
        a.running_mean, a.running_var = b.running_mean, b.running_var
    Module.training = False
    ids = [0, 3, 1, 5, 2, 2, 4, 1, 1, 3, 5, 2, 4, 0]
    padded = ids[:1] * (block_size - 1) + ids
    contexts = [padded[t:t + block_size] for t in range(len(ids) - 1)]
    assert tree(contexts).shape == (13, 1, 6) and close(tree(contexts).data, plain([ids[:-1]]).data)


@pytest.mark.parametrize("model", [wavenet.WaveNet(6, 4, 3, RNG), wavenet.build(6, 4, 3, 5, RNG)])
def test_a_logit_depends_on_its_context_and_on_nothing_else(model):
    Module.training, ids = False, [5, 0, 3, 1, 2, 2, 4, 1, 0]
    before = model([ids, [5, 1]]).data
    assert close(before[1:], model([[5, 1]]).data, 1e-9)
    for t in range(1, len(ids)):
        after = model([ids[:t] + [(ids[t] + 1) % 5] + ids[t + 1:]]).data[0]
        changed = [i for i, (p, q) in enumerate(zip(before[0], after)) if not close(p, q, 1e-9)]
        assert changed == list(range(t, min(t + 4, len(ids))))


def test_first_weights_and_the_lectures_network():
    model = wavenet.build(27, 8, 10, 68, random.Random(1))
    assert sum(math.prod(p.shape) for p in model.parameters()) == 22397
    spreads = [math.dist(sum(p.data, []), [0.0] * math.prod(p.shape)) / math.sqrt(math.prod(p.shape))
               for p in model.parameters() if len(p.shape) == 2]
    assert spreads == pytest.approx([0.3, 1 / math.sqrt(20), *[5 / 3 / math.sqrt(136)] * 2, 0.1 / math.sqrt(68)], rel=0.1)


def test_samples_end_with_the_boundary_or_are_cut():
    model = lambda documents: Tensor([[[1e3 * (i == (j + 1) % 4) for i in range(4)] for j in ids] for ids in documents])
    assert (wavenet.sample(model, 3, RNG), wavenet.sample(model, 3, RNG, 2)) == ([0, 1, 2, 3], [0, 1])


# --- the script ---

SMALL = ["--steps", "20", "--lr", "0.01", "--n-hidden", "8", "--eval-docs", "20", "--samples", "40"]


@pytest.mark.parametrize("more", [[], ["--gated"]])
def test_it_shows_trains_evaluates_and_samples(more, capsys):
    def run(*args):
        wavenet.main(list(args))
        return capsys.readouterr().out
    assert doctest.testmod(wavenet).failed == 0
    out = run(*SMALL, "--test", *more)
    assert "\n   je      re      mi      ah   \n" in out and "(9, 4, 8)" in out and "(1, 9, 8)" in out
    assert float(out.split("logits differ by")[1].split()[0]) < 1e-12
    assert len(re.findall(r"^(train|dev|test) loss [23]\.\d{4}$", out, re.M)) == 3
    assert out.count("\nstep ") == 11 and out.split("test loss")[1].count("\n") == 41
    assert max(map(len, out.split())) == 50  # a sample that was cut, whole
    assert run(*SMALL, "--test", *more) == out != run(*SMALL, "--test", "--seed", "1", *more)
