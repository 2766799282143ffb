"""mlp.py: gradients against finite differences and by hand, layers against PyTorch, the script as run."""
import copy
import doctest
import math
import os
import random
import re

import pytest

import gradcheck
import mlp
from mlp import Tensor

exercise, RNG = pytest.mark.exercise, random.Random(0)
OPTIONS = {"vocab_size": 6, "block_size": 3, "n_embd": 2, "n_hidden": 4, "n_layer": 1, "activation": "tanh",
           "init": "kaiming", "norm": "batch", "seed": 5, "steps": 6, "batch_size": 4, "lr": 0.5}
CONTEXTS = [(5, 5, 5), (5, 5, 0), (5, 0, 3), (0, 3, 1), (3, 1, 5)]
TARGETS = [0, 3, 1, 5, 2]
DOCUMENTS = [[5, 0, 3, 1, 5], [5, 2, 2, 5], [5, 4, 0, 5]]
numbers_in = lambda data: [number for _, number, _ in gradcheck.entries(data)]
close = lambda a, b, tolerance=1e-9: numbers_in(a) == pytest.approx(numbers_in(b), abs=tolerance)
rows = lambda n, m, f=1.0, k=2.0: [[math.sin(k * i + f * j) for j in range(m)] for i in range(n)]
of = lambda make, *shape, number=None: pytest.param(make, shape, marks=exercise(number) if number else ())


def sines(*tensors):
    """Puts 0.5 sin(3 k + i) as the i-th number into the k-th of the tensors, 0.5 more into lists."""
    for k, p in enumerate(tensors):
        for i, (put, _, _) in enumerate(gradcheck.entries(p.data)):
            put(0.5 * math.sin(3 * k + i) + 0.5 * (len(p.shape) == 1))
    return p.data


def build(**changes):
    model = mlp.build(OPTIONS | changes)
    sines(*model.parameters())
    return model


def weighed(out, weights=None):
    """A scalar that every number in `out` has a say in, each with its own weight."""
    w = Tensor(copy.deepcopy(out.data))
    weights = weights or sines(w, w)
    total = sum(w * v for w, v in zip(numbers_in(weights), numbers_in(out.data), strict=True))
    return Tensor(total, (out,), lambda grad: (mlp.add(weights, weights, grad - 1),))


def out_of_training(n):
    norm = mlp.BatchNorm1d(n)
    norm(Tensor(rows(3, n)))
    norm.training = False
    return norm


@pytest.mark.parametrize("make, shape", [
    of(lambda: mlp.Linear(3, 4, 1.0, RNG), 2, 3, number="3.2"), of(lambda: mlp.Linear(1, 1, 1.0, RNG), 1, 1, number="3.2"),
    of(lambda: mlp.Linear(2, 5, 1.0, RNG, bias=False), 4, 2, number="3.2"),
    of(mlp.Flatten, 2, 3, 2), of(mlp.Tanh, 3, 2), of(mlp.ReLU, 4, 3),
    of(lambda: mlp.LayerNorm(4), 3, 4, number="3.5"), of(lambda: mlp.BatchNorm1d(2), 5, 2, number="3.5"), of(lambda: out_of_training(2), 4, 2, number="3.5")])
def test_gradient_of_every_layer(make, shape):
    layer, rng = make(), random.Random(3)
    data = [[rng.gauss(0, 1) for _ in range(shape[-1])] for _ in range(math.prod(shape[:-1]))]
    x = Tensor(data if len(shape) == 2 else [data[i:i + shape[1]] for i in range(0, len(data), shape[1])])
    own, before = mlp.Sequential([layer]).parameters(), numbers_in(x.data)
    for p in own:
        p.data = p.data if len(p.shape) == 2 else [rng.gauss(0, 1) for _ in p.data]
    gradcheck.check(lambda: weighed(layer(x)), {"x": x, **{f"p{i}": p for i, p in enumerate(own)}})
    assert numbers_in(x.data) == before


@exercise("3.4")
@pytest.mark.parametrize("n", [1, 3])
def test_gradient_of_the_loss_alone_and_within_a_larger_one(n):
    logits, targets = Tensor(rows(n, 4)), [2, 0, 2][:n]
    loss = lambda: mlp.cross_entropy(logits, targets)
    gradcheck.check(loss, {"logits": logits})
    gradcheck.check(lambda: weighed(loss(), weights=3.0), {"logits": logits})
    logits.data[0] = [2000.0, 0.0, 0.0, 0.0]  # held for impossible, it costs much, but not infinitely much
    assert mlp.cross_entropy(Tensor(logits.data[:1]), [1]).data == 2000.0


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n_layer", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_gradient_of_every_parameter_of_each_model(norm, activation, n_layer, training):
    model = build(norm=norm, activation=activation, n_layer=n_layer)
    model(CONTEXTS)
    model.train(training)
    count = 66 + 16 * (n_layer - 1) + {"batch": 8, "layer": 12, "none": 4}[norm] * n_layer
    loss = lambda: mlp.cross_entropy(model(CONTEXTS), TARGETS)
    assert gradcheck.check(loss, {f"p{i}": p for i, p in enumerate(model.parameters())}) == count


def test_what_does_not_fit_is_refused():
    x, logits = Tensor([[1.0, 2.0]]), Tensor([[1.0, 2.0], [0.0, 0.0]])
    embedding = mlp.Embedding(3, 2, 1.0, RNG)
    for call in (lambda: mlp.add([1.0], [1.0, 2.0]), lambda: mlp.Linear(3, 1, 1.0, RNG)(x), x.backward,
                 lambda: mlp.Linear(1, 1, 1.0, RNG)(x), lambda: embedding([(0, -1)]), lambda: embedding([(1, 3)]),
                 lambda: mlp.LayerNorm(3)(x), lambda: mlp.BatchNorm1d(2)(x), lambda: mlp.BatchNorm1d(3)(logits),
                 lambda: mlp.cross_entropy(logits, [2, 0]), lambda: mlp.cross_entropy(logits, [-1, 0]),
                 lambda: mlp.cross_entropy(logits, [0])):
        with pytest.raises(ValueError):
            call()


@exercise("3.5")
@pytest.mark.parametrize("kind, out, d_x, d_weight", [
    ("BatchNorm1d", [1.3457426592, 0.0834298449, -1.2115931788], [-0.0628736459, -1.0676878931, -1.0332976917],
     [0.3843978744, -0.5991583382, 0.3978391874]),
    ("LayerNorm", [1.1664281899, 0.1800825998, -1.1777896998], [0.1647264689, -0.3056222669, 0.140895798],
     [-0.3057512589, -0.4049713446, 2.2653557779])])
def test_the_norms_are_pytorchs(kind, out, d_x, d_weight):
    norm, x = getattr(mlp, kind)(3), Tensor(rows(4, 3))
    sines(norm.weight, norm.bias)
    found = norm(x)
    assert close(found.data[1], out)
    weighed(found, rows(4, 3, k=3.0)).backward()
    assert close(x.grad[1], d_x) and close(norm.weight.grad, d_weight)
    assert close(norm.bias.grad, [0.2738229951, 0.1976339773, -0.0602588078])


def test_running_statistics_are_pytorchs_with_momentum_none_and_then_0_01():
    norm = mlp.BatchNorm1d(3)
    known = {3: ([1.9799900375, 2.1073100107, 2.1359696549], [0.2545772855, 0.3391789171, 0.3922483349]),
             100: ([2.9700403515, 2.9697836016, 2.9697258073], [0.2469212753, 0.3289786464, 0.3804520852]),
             130: ([2.9827812078, 2.9838753512, 2.9841216422], [0.2468787999, 0.3289220554, 0.3803866397])}
    for b in range(1, 131):
        norm(Tensor([[v * math.sin(b) + b % 7 for v in row] for row in rows(4, 3)]))
        if b in known:
            assert close(norm.running_mean, known[b][0]) and close(norm.running_var, known[b][1])
    norm.training = False
    assert close(norm(Tensor(rows(2, 3))).data, [-6.0030326294, -3.7354965992, -3.364054105,
                                                 -4.1730150241, -4.9566286753, -6.0654156185])
    assert norm.batches == 130 and close(norm.running_mean, known[130][0])


@pytest.mark.parametrize("norm, activation, n_layer, loss, logits, d_embedding", [
    ("batch", "tanh", 1, 1.87916632744, [0.1738243052, 0.4504895734, 0.7726744994], [0.0376676697, -0.09418784]),
    ("batch", "relu", 2, 1.952593120377, [1.6966709071, 1.0614592681, -0.0899554327], [-0.4488022761, 0.5628982215]),
    ("layer", "tanh", 2, 1.781836246164, [0.449874174, 0.897590138, 0.9797635627], [-0.0003173572, 0.0002051038]),
    ("none", "relu", 1, 1.93192623295, [1.4309110956, 0.5788990531, -0.345652415], [0.0288832036, -0.0914963139]),
    ("none", "tanh", 1, 1.827149839578, [1.1775930105, 0.5973340692, -0.0724133665], [-0.0354916695, 0.0373398563])])
def test_whole_models_are_pytorchs(norm, activation, n_layer, loss, logits, d_embedding):
    model = build(norm=norm, activation=activation, n_layer=n_layer)
    assert mlp.backpropagate(model, CONTEXTS, TARGETS) == pytest.approx(loss, abs=1e-11)
    assert close(model.outs[-1].data[0][:3], logits) and close(model.parameters()[0].grad[5], d_embedding)


def test_training_with_batch_norm_is_pytorchs():
    model, examples = build(), mlp.examples_of(DOCUMENTS, 3)
    assert close(list(mlp.train(model, examples, OPTIONS)), [
        1.6130014226, 1.7287076218, 1.4571845769, 2.1580581583, 2.1144725939, 1.8693975721])
    statistics = list(model.layers[3].running_mean)
    assert mlp.evaluate(model, examples) == pytest.approx(1.7941651947, abs=1e-9)
    assert model.layers[3].running_mean == statistics  # it looks, and leaves them alone
    alone = [mlp.cross_entropy(model([context]), [target]).data for context, target in examples]
    assert mlp.evaluate(model, examples) == pytest.approx(sum(alone) / len(alone), abs=1e-12)
    list(mlp.train(model, examples, OPTIONS | {"steps": 1}))
    assert model.layers[3].running_mean != statistics


@exercise("3.3")
@pytest.mark.parametrize("row, expected", [
    ([0.0, math.log(3)], [math.log(0.25), math.log(0.75)]), ([5.0], [0.0]), ([1000.0, 0.0], [0.0, -1000.0]),
    ([-2000.0, -1000.0], [-1000.0, 0.0])])
def test_log_probabilities_of_logits_of_any_size(row, expected):
    given = list(row)
    assert close(mlp.log_softmax(given), expected) and given == row


@exercise("3.1")
@pytest.mark.parametrize("documents, block_size, expected", [
    ([[0, 5, 6, 0]], 3, [((0, 0, 0), 5), ((0, 0, 5), 6), ((0, 5, 6), 0)]),
    ([[9, 1, 9], [9, 2, 2, 9]], 2, [((9, 9), 1), ((9, 1), 9), ((9, 9), 2), ((9, 2), 2), ((2, 2), 9)])])
def test_contexts_and_targets(documents, block_size, expected):
    before = [list(ids) for ids in documents]
    assert mlp.examples_of(documents, block_size) == expected and documents == before


@pytest.mark.parametrize("init, activation, stds", [
    ("kaiming", "tanh", (0.3, 1 / math.sqrt(40), 5 / 3 / 10, 0.01)),
    ("naive", "tanh", (1, 1, 1, 1))])
def test_first_weights_and_the_first_loss(init, activation, stds):
    model = mlp.build(OPTIONS | {"vocab_size": 50, "block_size": 4, "n_embd": 10, "n_hidden": 100, "n_layer": 2,
                                 "init": init, "activation": activation, "norm": "none"})
    weights = [p for p in model.parameters() if len(p.shape) == 2]
    assert [p.shape for p in weights] == [(50, 10), (40, 100), (100, 100), (100, 50)]
    for p, std in zip(weights, stds):
        assert math.hypot(*numbers_in(p.data)) / math.sqrt(math.prod(p.shape)) == pytest.approx(std, rel=0.1)
    assert all(set(p.data) == {0.0} for p in model.parameters() if len(p.shape) == 1)
    loss = mlp.evaluate(model, [((i, i + 1, i + 2, i), i) for i in range(48)])
    assert (abs(loss - math.log(50)) < 0.05) == (init == "kaiming")


@pytest.mark.parametrize("changes", [{}, {"n_hidden": 7, "n_embd": 1, "block_size": 2}, {"block_size": 1, "n_embd": 5}])
def test_gradients_by_hand_are_those_of_backward(changes):
    model, other = build(**changes), build(**changes)
    examples = mlp.examples_of(DOCUMENTS * 3, (OPTIONS | changes)["block_size"])
    found = mlp.train(model, examples, OPTIONS | {"steps": 12}, gradients=mlp.gradients_by_hand)
    for loss, expected in zip(found, mlp.train(other, examples, OPTIONS | {"steps": 12}), strict=True):
        assert loss == pytest.approx(expected, abs=1e-12)
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            assert close(p.grad, q.grad, 1e-12) and p.off < 1e-12


@exercise("3.6")
@pytest.mark.parametrize("values, gamma", [([1.0, -0.5, 2.5, 0.25], 1.5), ([0.3, 0.7], -0.5), ([2.0, -1.0, 0.5], 1.0)])
def test_batch_norm_backward_in_steps(values, gamma):
    values, given, grad = list(values), [gamma], [0.7, -1.3, 0.4, 2.0][:len(values)]

    def loss():
        mean = sum(values) / len(values)
        scale = 1 / math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + 1e-5)
        return sum(g * given[0] * (v - mean) * scale for g, v in zip(grad, values))
    d_values, d_gamma, d_beta = mlp.norm_by_hand(list(values), gamma, list(grad))
    gradcheck.compare(loss, "values", values, list(d_values))
    gradcheck.compare(loss, "gamma", given, [d_gamma])
    assert d_beta == pytest.approx(sum(grad), abs=1e-12)


def test_spread_histogram_and_the_share_that_is_flat():
    data = [[1.0, -3.0], [1.0, -3.0], [0.0, 9.0], [0.001, 0.001]]
    assert mlp.spread_and_bars(data) == (pytest.approx(math.sqrt(101.000002 / 8)), "   ▄  █    ▂")
    assert mlp.spread_and_bars([0.0, 0.0]) == (0.0, "      █     ")
    data = [[0.98, -0.99, 0.95, 0.0], [0.1, 0.2, 0.0, 0.0]]
    assert mlp.flat_share(mlp.Tanh(), data) == 0.25 and mlp.flat_share(mlp.ReLU(), data) == 0.25


def test_samples_end_with_the_boundary_or_are_cut():
    class Next(mlp.Sequential):
        def __call__(self, contexts):  # sums the context and so sees all of it
            return Tensor([[1e3 * (i == (sum(ids) + 1) % 4) for i in range(4)] for ids in contexts])
    assert mlp.sample(Next([]), 3, 2, RNG) == [3]
    assert mlp.sample(Next([]), 3, 3, RNG) == [2, 1, 3]
    assert len(mlp.sample(Next([]), 5, 1, RNG)) == 50


SMALL = ["--n-hidden", "8", "--n-embd", "4", "--block-size", "2", "--batch-size", "8", "--samples", "3"]


@pytest.fixture
def names(tmp_path):
    """The options of a small network and a file of 60 names."""
    with open(os.path.join(os.path.dirname(mlp.__file__), "names.txt"), encoding="utf-8") as file:
        (tmp_path / "sixty.txt").write_text("".join(file.readlines()[::140][:60]), encoding="utf-8")
    return ["--data", str(tmp_path / "sixty.txt"), *SMALL]


def printed(capsys, *args):
    mlp.main(list(args))
    return capsys.readouterr().out


def test_the_finder(capsys):
    examples = mlp.examples_of(DOCUMENTS, 3)
    losses = list(mlp.train(mlp.build(OPTIONS), examples, OPTIONS, [0.001] * 2))
    mlp.find_lr(OPTIONS, examples, 2)
    *lines, last = capsys.readouterr().out.strip().split("\n")
    means = [float(line.split()[2]) for line in lines]
    assert len(means) == 41 and means[0] == pytest.approx(sum(losses) / 2, abs=1e-4)
    assert float(last.split()[-1]) == float(lines[means.index(min(means))].split()[1])


def test_compare_trains_with_each_change(capsys):
    splits, change = mlp.make_splits([ids[1:-1] for ids in DOCUMENTS * 8], 5, 1), {"documents": 4, "steps": 2}
    mlp.compare(OPTIONS, splits, [{"n_hidden": 3}, change])
    first, second = capsys.readouterr().out.strip().split("\n")
    assert "n_hidden 3" in first and "documents 4" in second and "steps 2" in second
    model, parts = mlp.build(OPTIONS), [mlp.examples_of(part, 3) for part in (splits["train"][:4], splits["dev"])]
    model([context for context, _ in parts[0]])
    list(mlp.train(model, parts[0], OPTIONS | change))
    assert second.split()[1:4:2] == [f"{mlp.evaluate(model, part):.3f}" for part in parts]


def test_diagnose_shows_each_layer(capsys):
    model = build(n_layer=2)
    mlp.diagnose(model, (CONTEXTS, TARGETS), 0.5)
    head, *lines = capsys.readouterr().out.strip().split("\n")
    assert head.startswith(f"loss {mlp.backpropagate(model, CONTEXTS, TARGETS):.3f} ")
    for line, layer, out in zip(lines, model.layers, model.outs, strict=True):
        assert "{:.3f}  {}".format(*mlp.spread_and_bars(out.data)) in line and type(layer).__name__ in line
        assert "{:.1e}  {}".format(*mlp.spread_and_bars(out.grad)) in line
        assert ("%" in line) == (isinstance(layer, mlp.Tanh) and f"{mlp.flat_share(layer, out.data):.1%}" in line)
        if hasattr(layer, "weight"):
            spreads = [mlp.spread_and_bars(data)[0] for data in (layer.weight.grad, layer.weight.data)]
            assert line.endswith(f" {0.5 * spreads[0] / spreads[1]:.0e}")


def test_the_default_run(names, capsys):
    assert doctest.testmod(mlp).failed == 0
    out = printed(capsys, *names, "--steps", "20", "--test")
    assert len(re.findall(r"^train +\d+\.\d{3}  dev +\d+\.\d{3}", out, re.M)) == 7
    assert "  steps 0, init naive, norm none\n" in out and "n_hidden 2\n" in out and "documents 100\n" in out
    assert "60 documents, " in out and out.count("\nstep ") == 11
    assert len(re.findall(r"^(train|dev|test) loss [23]\.\d{4}$", out, re.M)) == 3
    samples = out.split("samples (")[1].split("\n\n")
    assert samples[0].count("\n") == 3 and samples[1].startswith("the closest to each token")
    assert printed(capsys, *names, "--steps", "20", "--test") == out
    assert printed(capsys, *names, "--steps", "20", "--test", "--seed", "1") != out


@pytest.mark.parametrize("mode, expected", [
    (["--by-hand"], r"by hand: off by \de-1\d "), (["--diagnose"], "(?s)step / weight.*step / weight"),
    (["--find-lr"], "lowest near --lr"), (["--sweep", "2"], "lr 0.4")])
def test_other_modes(mode, expected, names, capsys):
    out = printed(capsys, *names, "--steps", "20", *mode)
    assert re.search(expected, out) and out == printed(capsys, *names, "--steps", "20", *mode)
    assert ("dev loss" in out) == (mode[0] in ("--by-hand", "--diagnose"))
    if mode[0] == "--sweep":
        assert out.count("\n") == 2 and len(set(out.strip().split("\n"))) == 2
