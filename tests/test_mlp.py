"""mlp.py: every gradient, by autograd and by hand, facts from PyTorch, the script as run."""
import gc
import math
import os
import random
import re
import sys
import unicodedata
from types import SimpleNamespace

import pytest

import gradcheck
import mlp
import scripts
from mlp import Tensor
from scripts import run, write

NAMES = os.path.join(scripts.ROOT, "names.txt")


def matrix(rng, n, m, std=1.0):
    return Tensor([[rng.gauss(0, std) for _ in range(m)] for _ in range(n)])


def vector(rng, n, mean=0.0):
    return Tensor([rng.gauss(mean, 0.5) for _ in range(n)])


def weighed(out, seed=7):
    """A scalar that every number in `out` has a say in, each with its own weight."""
    rng = random.Random(seed)

    def weights_like(data):
        return [weights_like(item) for item in data] if isinstance(data, list) else rng.gauss(0, 1)

    def times(weights, data):
        if isinstance(data, list):
            return sum(times(*pair) for pair in zip(weights, data))
        return weights * data

    def scaled(weights, k):
        return [scaled(w, k) for w in weights] if isinstance(weights, list) else k * weights

    weights = weights_like(out.data)
    return Tensor(times(weights, out.data), (out,), lambda grad: (scaled(weights, grad),))


def build(norm="batch", activation="tanh", init="kaiming", n_layer=1, n_vocab=5, block_size=2,
          n_embd=3, n_hidden=4, seed=1):
    return mlp.build_model(n_vocab, block_size, n_embd, n_hidden, n_layer, activation, init, norm,
                           random.Random(seed))


def stir(model, seed=2):
    """Moves all parameters off their first values, so that no gradient is 0 by chance."""
    rng = random.Random(seed)
    for p in model.parameters():
        p.data = mlp.descend(p.data, mlp.add(p.data, p.data), 0.1) if len(p.shape) == 2 else [
            v + rng.gauss(0, 0.3) for v in p.data]
    return model


CONTEXTS = [(0, 0), (0, 1), (1, 2), (2, 3), (3, 1), (1, 1)]
TARGETS = [1, 2, 3, 1, 0, 4]


# --- data ---

def test_documents_and_examples(tmp_path):
    path = write(tmp_path / "names.txt", "\ufeffbo\n\n  ab \r\nba\nob\nabbA\n")
    tokenizer, splits = mlp.load(path, seed=1)
    assert tokenizer.chars == ["A", "a", "b", "o"] and tokenizer.n_vocab == 5
    documents = [ids for part in splits.values() for ids in part]
    assert sorted(tokenizer.decode(ids) for ids in documents) == ["ab", "abbA", "ba", "bo", "ob"]
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [3, 1, 1]
    assert mlp.load(path, 1)[1] == splits
    assert len({str(mlp.load(path, seed)[1]) for seed in range(20)}) > 5
    odd = write(tmp_path / "odd.txt", "a\u2028b\nb\x0ba\na\x85b\n")  # lines end in \n only
    assert mlp.load(odd, 1)[0].n_vocab == 6
    assert mlp.examples_of([[0, 2, 3, 0], [0, 1, 0]], 3) == [
        ((0, 0, 0), 2), ((0, 0, 2), 3), ((0, 2, 3), 0), ((0, 0, 0), 1), ((0, 0, 1), 0)]
    assert mlp.examples_of([[0, 2, 3, 0]], 1) == [((0,), 2), ((2,), 3), ((3,), 0)]


def test_splits_share_nothing_and_lose_nothing():
    for n in (3, 9, 10, 25, 1000):
        train, dev, test = mlp.split(list(range(n)))
        assert sorted(train + dev + test) == list(range(n))
        assert len(dev) == len(test) == max(1, n // 10)
    assert mlp.split(list("abcdefghij")) == (list("cdefghij"), ["a"], ["b"])


# --- the tensor ---

@pytest.mark.parametrize("n, k, m", [(1, 1, 1), (2, 3, 4), (5, 16, 2), (3, 70, 3)])
@pytest.mark.parametrize("scale", [1e-100, 1e-6, 1.0, 1e9])
def test_inner_is_every_dot_product(n, k, m, scale):
    rng = random.Random(1)
    a, b = matrix(rng, n, k, scale).data, matrix(rng, m, k).data
    for left, right in ((a, b), (b, a)):
        for row, products in zip(left, mlp.inner(left, right)):
            for other, product in zip(right, products):
                size = math.dist(row, [0] * k) * math.dist(other, [0] * k)
                assert abs(product - math.fsum(x * y for x, y in zip(row, other))) < 1e-11 * size


def test_shapes_and_backward_from_a_scalar_only():
    x = Tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    assert (Tensor(1.0).shape, Tensor([1.0]).shape, x.shape) == ((), (1,), (2, 1, 2))
    with pytest.raises(ValueError, match=r"starts from a scalar, not from shape \(2, 1, 2\)"):
        x.backward()


def plus(a, b):
    return Tensor(a.data + b.data, (a, b), lambda grad: (grad, grad))


def test_backward_adds_to_grad_and_shared_tensors_are_sent_all_of_theirs():
    a = Tensor(3.0)
    b = plus(a, a)
    c = plus(plus(b, a), b)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (5.0, 2.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (10.0, 4.0, 2.0)


def test_a_chain_of_100_000_operations():
    x, one = Tensor(0.0), Tensor(1.0)
    y = x
    for _ in range(100_000):
        y = plus(y, one)
    y.backward()
    assert (y.data, x.grad, one.grad) == (100_000.0, 1.0, 100_000.0)


def test_bends_at_their_corners():
    x = Tensor([[-1.0, 0.0, 2.0]])
    out = mlp.ReLU()(x)
    weighed(out).backward()
    assert out.data == [[0.0, 0.0, 2.0]] and x.grad[0][:2] == [0.0, 0.0] != x.grad[0][2:]
    assert mlp.Tanh()(x).data == [[math.tanh(-1), 0.0, math.tanh(2)]]
    assert mlp.Tanh.gain == 5 / 3 and mlp.ReLU.gain == math.sqrt(2)


# --- every operation and every layer against differences, at several shapes ---

SHAPES = [(2, 1), (2, 3), (5, 4), (3, 8)]


@pytest.mark.parametrize("n, m", SHAPES)
def test_gradient_of_every_operation(n, m):
    rng = random.Random(10 * n + m)
    x = matrix(rng, n, m)
    positive = Tensor([[abs(v) + 0.5 for v in row] for row in x.data])
    gradcheck.check(lambda: weighed(x.T), {"x": x})
    for layer in (mlp.Tanh(), mlp.ReLU()):
        assert not any(abs(v) < 0.003 for row in x.data for v in row)  # relu has a corner at 0
        gradcheck.check(lambda: weighed(layer(x)), {"x": x})
    gradcheck.check(lambda: weighed(mlp.elementwise(positive, math.log, lambda a, b: 1 / a)),
                    {"x": positive})
    weight, bias = vector(rng, m, 1.0), vector(rng, m)
    gradcheck.check(lambda: weighed(mlp.scale_shift(x, weight, bias)),
                    {"x": x, "weight": weight, "bias": bias})
    if m > 1:
        gradcheck.check(lambda: weighed(mlp.standardize(x)[0]), {"x": x})
    targets = [rng.randrange(m) for _ in range(n)]
    three = Tensor([[3.0]])  # so that the gradient that comes in is not 1
    for loss in (mlp.cross_entropy, mlp.mean_nll):
        gradcheck.check(lambda: weighed(loss(x, targets)), {"x": x})
    assert weighed(three).data != 3.0
    gradcheck.check(lambda: weighed(mlp.row_max(x)), {"x": x})
    gradcheck.check(lambda: weighed(mlp.sum_to(x, 1, m)), {"x": x})
    gradcheck.check(lambda: weighed(mlp.sum_to(x, n, 1)), {"x": x})
    for shape in ((n, m), (1, m), (n, 1)):
        y = matrix(rng, *shape)
        gradcheck.check(lambda: weighed(mlp.combine(x, y, lambda a, b: a * b * b, lambda a, b: b * b,
                                                    lambda a, b: 2 * a * b)), {"x": x, "y": y})


@pytest.mark.parametrize("n, n_in, n_out, bias", [(1, 1, 1, True), (3, 4, 2, True), (4, 2, 5, False)])
def test_gradient_of_linear(n, n_in, n_out, bias):
    rng = random.Random(1)
    x, layer = matrix(rng, n, n_in), mlp.Linear(n_in, n_out, 1.0, rng, bias)
    if bias:
        layer.bias.data = vector(rng, n_out).data
    checked = gradcheck.check(lambda: weighed(layer(x)), {
        "x": x, **{str(i): p for i, p in enumerate(layer.parameters())}})
    assert checked == n * n_in + n_in * n_out + (n_out if bias else 0)
    expected = [[sum(v * w for v, w in zip(row, column)) + (layer.bias.data[j] if bias else 0)
                 for j, column in enumerate(zip(*layer.weight.data))] for row in x.data]
    assert layer(x).data == [pytest.approx(row) for row in expected]
    with pytest.raises(ValueError, match=r"shapes \(2, 9\) @ \(\d, \d\) do not fit together"):
        layer(matrix(rng, 2, 9))


def test_gradient_of_embedding_and_flatten():
    rng = random.Random(1)
    layer, join = mlp.Embedding(5, 3, 1.0, rng), mlp.Flatten()
    out = layer(CONTEXTS)
    assert out.shape == (6, 2, 3) and out.data[2] == [layer.weight.data[1], layer.weight.data[2]]
    assert join(out).data[2] == layer.weight.data[1] + layer.weight.data[2]
    gradcheck.check(lambda: weighed(layer(CONTEXTS)), {"weight": layer.weight})
    gradcheck.check(lambda: weighed(join(layer(CONTEXTS))), {"weight": layer.weight})
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match="ids must be from 0 to 4"):
            layer([(0, wrong)])


@pytest.mark.parametrize("n, m", [(2, 2), (4, 3), (3, 6)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [mlp.BatchNorm1d, mlp.LayerNorm])
def test_gradient_of_the_norms(kind, training, n, m):
    rng = random.Random(n + m)
    layer, x = kind(m), matrix(rng, n, m, 3.0)
    layer(matrix(rng, 5, m, 2.0)), layer(matrix(rng, 5, m, 2.0))
    layer.training = training
    layer.weight.data, layer.bias.data = vector(rng, m, 1.0).data, vector(rng, m).data
    gradcheck.check(lambda: weighed(layer(x)), {"x": x, "weight": layer.weight, "bias": layer.bias})


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("n_layer, training", [(1, True), (1, False), (3, True)])
def test_gradient_of_every_parameter_of_the_whole_network(norm, activation, n_layer, training):
    model = stir(build(norm, activation, n_layer=n_layer, seed=3))
    model(CONTEXTS), model(CONTEXTS[:3])  # running statistics of their own
    model.train(training)
    params = {str(i): p for i, p in enumerate(model.parameters())}
    checked = gradcheck.check(lambda: mlp.cross_entropy(model(CONTEXTS), TARGETS), params)
    assert checked == sum(len(mlp.numbers_of(p.data)) for p in model.parameters())
    assert any(any(mlp.numbers_of(p.grad)) for p in params.values())


def test_scale_shift_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"weight \(3,\) and bias \(2,\) do not fit together"):
        mlp.scale_shift(Tensor([[1.0, 2.0]]), Tensor([1.0] * 3), Tensor([1.0] * 2))


# --- facts from PyTorch 2.13, in float64 ---

FACT_PARAMS = [
    [[-1.18, -1.15], [0.67, -2.29], [-0.14, -2.26], [1.1, 0.2]],
    [[1.36, -0.5, 0.4], [-0.29, -0.74, 0.15], [-1.26, -0.35, 0.7], [0.06, -0.41, 2.19]],
    [0.06, -0.59, 0.16], [-0.52, -0.39, -0.35],
    [[2.03, 0.02, 0.18, 0.67], [2.02, -0.22, -0.62, 2.47], [-1.46, -0.37, 0.67, 2.28]],
    [-0.95, -2.43, 0.66, -0.52]]
FACT_CONTEXTS, FACT_TARGETS = [[0, 0], [0, 1], [1, 2], [2, 3], [3, 1]], [1, 2, 3, 1, 0]
FACTS = {  # loss, the first row of logits, the first of the embeddings' gradients, gamma's gradient
    ("batch", "tanh"): (2.370344422383815,
                        [-2.763324659334, -2.15095826318, 0.761227162722, -3.382813911815],
                        [0.076804907414, 0.116705115136],
                        [-0.214387305144, -0.050527137685, 0.516332577607]),
    ("batch", "relu"): (2.100215888446653, [-0.95, -2.43, 0.66, -0.52],
                        [-0.003666159231, -0.004996501376], [0.0, 0.128352108355, 0.0]),
    ("layer", "tanh"): (2.7384657426764063,
                        [-2.713001628025, -2.080527968265, 0.713646005608, -3.904641983095],
                        [2.9790662e-05, 0.000928063591],
                        [-0.303716662054, -0.457998114341, -0.141081039591])}


def fact_model(norm, activation):
    model = build(norm, activation, n_vocab=4, n_embd=2, n_hidden=3)
    if norm == "layer":
        model.layers[2].bias = None  # PyTorch's copy had none
    for p, data in zip(model.parameters(), FACT_PARAMS):
        p.data = data
    return model


@pytest.mark.parametrize("norm, activation", FACTS)
def test_the_network_agrees_with_pytorch(norm, activation):
    loss, logits, d_embedding, d_gamma = FACTS[norm, activation]
    model = fact_model(norm, activation)
    outs = []
    assert mlp.backpropagate(model, FACT_CONTEXTS, FACT_TARGETS, outs) == pytest.approx(loss, rel=1e-12)
    assert outs[-1].data[0] == pytest.approx(logits, abs=1e-11)
    assert model.parameters()[0].grad[0] == pytest.approx(d_embedding, abs=1e-11)
    assert model.parameters()[2].grad == pytest.approx(d_gamma, abs=1e-11)


def test_running_statistics_agree_with_pytorch():
    model = fact_model("batch", "tanh")
    norm, sums = model.layers[3], []
    model(FACT_CONTEXTS, sums)
    x = sums[2]
    norm(Tensor(x.data[:3])), norm(Tensor([[2 * v for v in row] for row in x.data]))
    assert norm.num_batches_tracked == 3
    assert norm.running_mean == pytest.approx([-0.243057777778, 2.373813333333, -5.102286666667])
    assert norm.running_var == pytest.approx([4.840432146111, 1.673688266667, 10.428586381667])
    model.eval()
    assert norm(Tensor(x.data[:1])).data[0] == pytest.approx(
        [-0.509376182215, -0.367966655203, -0.294841295078])
    assert norm.num_batches_tracked == 3


# --- loss ---

def test_log_softmax_at_the_extremes():
    assert mlp.log_softmax([0.0, math.log(3)]) == pytest.approx([math.log(0.25), math.log(0.75)])
    assert mlp.log_softmax([1000.0, 0.0]) == [0.0, -1000.0]
    assert mlp.log_softmax([-1e300, 0.0]) == [-1e300, 0.0]
    assert mlp.log_softmax([1e6] * 4) == pytest.approx([-math.log(4)] * 4)
    assert mlp.log_softmax([5.0]) == [0.0]


def test_cross_entropy_by_hand():
    loss = mlp.cross_entropy(Tensor([[0.0, 0.0], [0.0, math.log(3)]]), [0, 1])
    assert loss.data == pytest.approx((math.log(2) - math.log(0.75)) / 2)
    assert mlp.cross_entropy(Tensor([[0.0] * 27]), [5]).data == pytest.approx(math.log(27))
    surprised = Tensor([[2000.0, 0.0]])
    loss = mlp.cross_entropy(surprised, [1])
    loss.backward()
    assert loss.data == 2000 and surprised.grad == [[1.0, -1.0]]
    for targets in ([0], [0, 2], [-1, 0]):
        with pytest.raises(ValueError, match=r"do not fit logits of shape \(2, 2\)"):
            mlp.cross_entropy(Tensor([[0.0, 0.0], [0.0, 0.0]]), targets)


# --- normalisation ---

def test_norms_bring_mean_0_and_variance_1():
    x = Tensor([[5 + 3 * v for v in row] for row in matrix(random.Random(1), 40, 6).data])
    for layer, lists in ((mlp.BatchNorm1d(6), lambda out: zip(*out)), (mlp.LayerNorm(6), iter)):
        for numbers in lists(layer(x).data):
            mean, spread = mlp.mean_and_spread(numbers)
            assert abs(mean) < 1e-12 and spread == pytest.approx(1, abs=1e-4)
    out, means, variances = mlp.standardize(Tensor([[1.0, 3.0], [4.0, 4.0]]))
    assert means == [2.0, 4.0] and variances == [1.0, 0.0]
    assert out.data == [pytest.approx([-1, 1], abs=1e-5), [0.0, 0.0]]


def test_running_statistics_against_directly_computed_ones():
    rng, norm = random.Random(1), mlp.BatchNorm1d(2)
    batches = [[[rng.gauss(3, 2), rng.gauss(-1, 0.5)] for _ in range(8)] for _ in range(150)]
    mean, var = [0.0, 0.0], [1.0, 1.0]
    for i, batch in enumerate(batches, start=1):
        norm(Tensor(batch))
        for j, column in enumerate(zip(*batch)):
            m = sum(column) / 8
            v = sum((x - m) ** 2 for x in column) / 7
            if i <= 100:  # a plain average
                mean[j] = (mean[j] * (i - 1) + m) / i
                var[j] = (var[j] * (i - 1) + v) / i
            else:
                mean[j], var[j] = 0.99 * mean[j] + 0.01 * m, 0.99 * var[j] + 0.01 * v
        assert norm.running_mean == pytest.approx(mean, rel=1e-12)
        assert norm.running_var == pytest.approx(var, rel=1e-12)
    assert norm.running_mean == pytest.approx([3, -1], abs=0.2)
    assert norm.running_var == pytest.approx([4, 0.25], rel=0.1)
    norm.training = False
    everything = [row for batch in batches for row in batch]
    for column in zip(*norm(Tensor(everything)).data):
        mean, spread = mlp.mean_and_spread(column)
        assert mean == pytest.approx(0, abs=0.05) and spread == pytest.approx(1, abs=0.05)


def test_batch_norm_couples_the_examples_of_a_batch_but_only_in_training():
    for norm, coupled in (("batch", True), ("layer", False), ("none", False)):
        model = build(norm)
        one, other = (model(batch).data[0] for batch in (CONTEXTS[:3], [CONTEXTS[0], *CONTEXTS[3:]]))
        assert (max(abs(a - b) for a, b in zip(one, other)) > 1e-3) == coupled
        model.eval()
        one, other, alone = (model(batch).data[0] for batch in (
            CONTEXTS[:3], [CONTEXTS[0], *CONTEXTS[3:]], CONTEXTS[:1]))
        assert one == pytest.approx(other, abs=1e-12) and one == pytest.approx(alone, abs=1e-12)


def test_a_bias_before_batch_norm_is_dead_and_left_out():
    rng = random.Random(1)
    linear, norm = mlp.Linear(3, 4, 1.0, rng), mlp.BatchNorm1d(4)
    x = matrix(rng, 5, 3)
    before = norm(linear(x)).data
    weighed(norm(linear(x))).backward()
    assert max(map(abs, linear.bias.grad)) < 1e-12 < max(map(abs, mlp.numbers_of(linear.weight.grad)))
    linear.bias.data = [5.0, -3.0, 0.5, 1.0]
    assert norm(linear(x)).data == [pytest.approx(row, abs=1e-9) for row in before]
    for norm, biases in (("batch", [None]), ("layer", [4]), ("none", [4])):
        layers = build(norm).layers
        assert [layer.bias and len(layer.bias.data) for layer in layers
                if isinstance(layer, mlp.Linear)] == biases + [5]


def test_batch_norm_refuses_to_train_on_one_example():
    norm = mlp.BatchNorm1d(2)
    with pytest.raises(ValueError, match="batch of 1: the variance of one example is 0"):
        norm(Tensor([[1.0, 2.0]]))
    assert norm.num_batches_tracked == 0
    norm.training = False
    assert norm(Tensor([[1.0, 2.0]])).data == [pytest.approx([1.0, 2.0], abs=1e-4)]


# --- initialisation ---

def test_first_weights():
    assert mlp.initial_std("kaiming", 100) == 0.1 and mlp.initial_std("kaiming", 4, 5 / 3) == 5 / 6
    assert mlp.initial_std("naive", 100, 0.1) == 1.0
    for init, activation, stds in (
            ("kaiming", "tanh", (0.3, 40 ** -0.5, 5 / 3 / 10, 0.01)),
            ("kaiming", "relu", (0.3, 40 ** -0.5, 2 ** 0.5 / 10, 0.01)),
            ("naive", "tanh", (1, 1, 1, 1))):
        model = mlp.build_model(50, 4, 10, 100, 2, activation, init, "none", random.Random(1))
        weights = [p for p in model.parameters() if len(p.shape) == 2]
        assert [p.shape for p in weights] == [(50, 10), (40, 100), (100, 100), (100, 50)]
        for p, std in zip(weights, stds):
            mean, spread = mlp.mean_and_spread(mlp.numbers_of(p.data))
            assert spread == pytest.approx(std, rel=0.1) and abs(mean) < std / 5
        assert all(set(p.data) == {0.0} for p in model.parameters() if len(p.shape) == 1)


def test_layers_are_what_was_asked_for():
    def names(*args, **kwargs):
        return [type(layer).__name__ for layer in build(*args, **kwargs).layers]

    assert names("batch", "tanh") == ["Embedding", "Flatten", "Linear", "BatchNorm1d", "Tanh", "Linear"]
    assert names("layer", "relu", n_layer=2) == [
        "Embedding", "Flatten", "Linear", "LayerNorm", "ReLU", "Linear", "LayerNorm", "ReLU", "Linear"]
    assert names("none", "relu") == ["Embedding", "Flatten", "Linear", "ReLU", "Linear"]
    assert build(seed=1).parameters()[0].data == build(seed=1).parameters()[0].data
    assert build(seed=1).parameters()[0].data != build(seed=2).parameters()[0].data


def test_a_fresh_network_should_hold_all_tokens_for_equally_likely():
    examples = mlp.examples_of(mlp.load(NAMES, 42)[1]["train"], 3)[:300]
    contexts, targets = zip(*examples)
    for norm in ("batch", "layer", "none"):
        for init, low, high in (("kaiming", math.log(27) - 0.1, math.log(27) + 0.1),
                                ("naive", 6, 40)):
            model = build(norm, init=init, n_vocab=27, block_size=3, n_embd=10, n_hidden=64)
            loss, lines = mlp.examine(model, contexts, targets)
            assert low < loss < high
            assert (lines[0].flat > 0.5) == (init == "naive" and norm == "none")


def test_flat_share():
    assert mlp.flat_share(mlp.Tanh(), [[0.98, 0.97], [-0.971, 0.0]]) == 0.5
    assert mlp.flat_share(mlp.ReLU(), [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]]) == 0.5


# --- training ---

def test_steps_by_hand():
    assert mlp.decay(0.4, 4) == pytest.approx([0.4, 0.3, 0.2, 0.1]) and mlp.decay(1.0, 0) == []
    assert mlp.descend([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [2.0, -2.0]], 0.5) == [
        [0.5, 2.0], [2.0, 5.0]]
    assert mlp.descend([1.0], [4.0], 0.25) == [0.0]
    model, twin = build(), build()
    loss, = mlp.train(model, [((0, 1), 2), ((0, 1), 2)], [0.3], 4, random.Random(1))
    assert loss == mlp.backpropagate(twin, [(0, 1)] * 4, [2] * 4)
    for p, q in zip(model.parameters(), twin.parameters()):
        assert p.data == mlp.descend(q.data, q.grad, 0.3)


def test_batches_are_drawn_at_random_from_all_examples():
    seen = []

    def spy(model, contexts, targets):
        seen.extend(zip(contexts, targets))
        for p in model.parameters():
            p.grad = mlp.descend(p.data, p.data, 1.0)  # zeros
        return 1.0

    examples = [((i % 5, i // 5), i % 3) for i in range(25)]
    losses = list(mlp.train(build(), examples, [0.1] * 100, 10, random.Random(1), spy))
    assert losses == [1.0] * 100 and len(seen) == 1000
    assert set(seen) == set(examples) and max(map(seen.count, examples)) < 80
    assert seen[:25] != examples


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_overfits_32_examples(norm):
    documents = mlp.load(NAMES, 42)[1]["train"][:100]
    distinct = list(dict(mlp.examples_of(documents, 4)).items())[5:37]  # one target a context
    assert len({context for context, _ in distinct}) == 32
    model = build(norm, n_vocab=27, block_size=4, n_embd=12, n_hidden=24)
    losses = list(mlp.train(model, distinct, mlp.decay(1.0, 200), 32, random.Random(1)))
    assert losses[0] > 3 and mlp.evaluate(model, distinct) < 0.05


def test_evaluate_is_the_mean_of_each_example_alone():
    examples = [(context, target) for context in CONTEXTS for target in (0, 3, 3)] + [((4, 4), 1)]
    for norm in ("batch", "none"):
        model = stir(build(norm))
        model(CONTEXTS)
        statistics = norm == "batch" and list(model.layers[3].running_mean)
        found = mlp.evaluate(model, examples)
        assert found == mlp.evaluate(model, examples, batch_size=2)
        model.eval()
        alone = [mlp.cross_entropy(model([context]), [target]).data for context, target in examples]
        assert found == pytest.approx(sum(alone) / len(alone), rel=1e-12)
        assert norm != "batch" or model.layers[3].running_mean == statistics


def test_training_after_evaluating_is_training_again():
    model = build()
    steps = mlp.train(model, list(zip(CONTEXTS, TARGETS)), [0.1] * 3, 4, random.Random(1))
    next(steps)
    mlp.evaluate(model, [((0, 0), 1)])
    assert not any(layer.training for layer in model.layers)
    next(steps)
    assert all(layer.training for layer in model.layers)
    assert model.layers[3].num_batches_tracked == 2


def test_training_does_not_grow():
    steps = mlp.train(build(), list(zip(CONTEXTS, TARGETS)), [0.1] * 60, 4, random.Random(1))
    gc.collect()
    gc.disable()
    try:
        for _ in range(30):  # until Python's own stores of free objects are full
            next(steps)
        before = sys.getallocatedblocks()
        for _ in range(20):
            next(steps)
        assert sys.getallocatedblocks() - before < 100
        assert gc.collect() == 0  # no reference cycle was left behind
    finally:
        gc.enable()


def test_a_loss_that_is_no_number_stops_training():
    assert mlp.finite(3.0) == 3.0
    for loss in (math.nan, math.inf):
        with pytest.raises(FloatingPointError, match="grew without bound, .* try a smaller --lr"):
            mlp.finite(loss)
    model = build("none", "relu")
    steps = mlp.train(model, list(zip(CONTEXTS, TARGETS)), [1e200] * 20, 4, random.Random(1))
    with pytest.raises(FloatingPointError):
        list(steps)
    with pytest.raises(FloatingPointError):
        mlp.evaluate(model, list(zip(CONTEXTS, TARGETS)))


def test_the_finder():
    rates = mlp.growing_rates(5)
    assert rates == pytest.approx([0.001, 0.01, 0.1, 1, 10])
    assert mlp.growing_rates(1) == [0.001] and mlp.growing_rates(0) == []
    examples = list(zip(CONTEXTS, TARGETS))
    model, twin = build(), build()
    losses = list(mlp.find_lr(model, examples, rates, 4, random.Random(1)))
    assert losses == list(mlp.train(twin, examples, rates + [0.0], 4, random.Random(1)))[1:]
    stops = list(mlp.find_lr(build("none", "relu"), examples, [0.1, 0.1, 1e300, 1e300, 1e300, 1, 1], 4,
                             random.Random(1)))
    assert 2 <= len(stops) < 5 and all(map(math.isfinite, stops))
    hopeless = build("none", "relu")
    hopeless.parameters()[-1].data[0] = math.inf
    assert list(mlp.find_lr(hopeless, examples, rates, 4, random.Random(1))) == []
    assert mlp.lowest([3.0, 2.0, 1.0, 2.0]) == 2 and mlp.lowest([1.0]) == 0
    dip = [5.0] * 10 + [0.0] + [5.0] * 40 + [4.0] * 9 + [5.0] * 20  # one lucky batch, and a valley
    assert 51 <= mlp.lowest(dip + [9.0] * 40) <= 58


# --- diagnostics ---

def test_mean_spread_and_numbers():
    assert mlp.numbers_of([[1.0, [2.0]], 3.0]) == [1.0, 2.0, 3.0] and mlp.numbers_of(4.0) == [4.0]
    assert mlp.mean_and_spread([1.0, 3.0, 5.0]) == (3.0, pytest.approx(math.sqrt(8 / 3)))


def test_examine_says_what_went_through():
    model, twin = stir(build(n_layer=2)), stir(build(n_layer=2))
    loss, lines = mlp.examine(model, CONTEXTS, TARGETS)
    outs = []
    assert loss == mlp.backpropagate(twin, CONTEXTS, TARGETS, outs)
    assert len(lines) == 2 and [type(line.layer) for line in lines] == [mlp.Tanh] * 2
    for line, out in zip(lines, (outs[4], outs[7])):
        values = [v for row in out.data for v in row]
        grads = [v for row in out.grad for v in row]
        assert (line.values, line.grads) == (values, grads) and any(grads)
        assert (line.mean, line.spread) == mlp.mean_and_spread(values)
        assert line.grad_spread == mlp.mean_and_spread(grads)[1]
        assert line.flat == sum(abs(v) > 0.97 for v in values) / len(values)
    matrices = [p for p in model.parameters() if len(p.shape) == 2]
    assert mlp.gradient_to_data(model) == [
        pytest.approx(math.sqrt(sum(g * g for row in p.grad for g in row) /
                                sum(w * w for row in p.data for w in row))) for p in matrices]
    assert len(matrices) == 4


def line(flat=0.05, spread=0.6, grad_spread=1e-3, layer=mlp.Tanh):
    return SimpleNamespace(layer=layer(), flat=flat, spread=spread, grad_spread=grad_spread)


@pytest.mark.parametrize("loss, records, updates, sentence", [
    (3.3, [line(), line(0.62)], (),
     "layer 2 is saturated: 62% of its outputs beyond ±0.97, where tanh is nearly flat and little "
     "gradient passes; --init kaiming or --norm batch keep its inputs small"),
    (17.2, [line(0.31), line(0.3)], (),
     "layer 1 is saturated: 31% of its outputs beyond ±0.97, where tanh is nearly flat and little "
     "gradient passes; --init kaiming or --norm batch keep its inputs small"),
    (3.3, [line(layer=mlp.ReLU), line(0.5, layer=mlp.ReLU)], (),
     "layer 2 is dying: 50% of its neurons are 0 for every example, and no gradient passes them; "
     "--init kaiming, --norm batch or a smaller --lr keep them alive"),
    (4.95, [line()], (), "the output layer is too loud: a loss of 4.95, where knowing nothing costs "
                         "3.30; --init kaiming makes it begin unsure"),
    (4.94, [line(), line(spread=0.0299)], (),
     "from layer 1 to layer 2 the outputs have shrunk from a spread of 0.6 to 0.03; --norm batch or "
     "layer holds them"),
    (3.3, [line(), line(), line(spread=12.1)], (),
     "from layer 1 to layer 3 the outputs have grown from a spread of 0.6 to 12; --norm batch or layer "
     "holds them"),
    (3.3, [line(grad_spread=4.9e-5), line()], (),
     "the gradients vanish on their way back, from a spread of 0.001 at layer 2 to 4.9e-05 at layer 1; "
     "--norm batch or layer holds them"),
    (3.3, [line(grad_spread=0.0201), line()], (),
     "the gradients explode on their way back, from a spread of 0.001 at layer 2 to 0.02 at layer 1; "
     "--norm batch or layer holds them"),
    (2.2, [line()], (0.01, 0.21, 0.02),
     "the weights of layer 1 move too fast, by 21% of their size in a step; lower --lr"),
    (2.2, [line()], (0.3, 0.25, 0.02),
     "the weights of the embeddings move too fast, by 30% of their size in a step; lower --lr"),
    (2.2, [line()], (0.01, 0.25, 0.9),
     "the weights of the output move too fast, by 90% of their size in a step; lower --lr"),
    (2.2, [line()], (1e-6, 2.9e-5, 1e-6),
     "the weights hardly move, by at most 0.00290% of their size in a step; raise --lr"),
    (2.2, [line()], (1e-6, 3.1e-5, 1e-6), "all layers are alive: at most 5% of a layer's outputs are "
                                          "saturated"),
    (4.9, [line(0.3), line(0.2, spread=0.0301, grad_spread=1.99e-2)], (0.001, 0.1, 0.19),
     "all layers are alive: at most 30% of a layer's outputs are saturated, and the gradients' spread at "
     "layer 1 is 0.05 times that at layer 2"),
    (4.9, [line(), line(0.2, spread=11.9, grad_spread=5.1e-5)], (),
     "all layers are alive: at most 20% of a layer's outputs are saturated, and the gradients' spread at "
     "layer 1 is 20 times that at layer 2"),
    (3.0, [line(), line(spread=0.0)], (), "layer 2 always gives the same, so nothing is learned there; "
                                          "give it more neurons or another --norm"),
    (3.0, [line(grad_spread=0.0), line()], (), "layer 1 gets no gradient, so nothing is learned there; "
                                               "give it more neurons or another --norm"),
    (4.9, [line(0.3, layer=mlp.ReLU)], (), "all layers are alive: at most 30% of a layer's neurons are "
                                           "dead")])
def test_verdict(loss, records, updates, sentence):
    assert mlp.verdict(27, loss, records, updates) == sentence


# --- by hand ---

STEPS = {"embedded", "joined", "before_norm", "mean", "centred", "squares", "variance", "scale",
         "normed", "preact", "hidden", "logits", "maxima", "shifted", "counts", "sums", "inverses",
         "probs", "log_probs", "loss"}
LEAPT = {"mean", "centred", "squares", "variance", "scale", "normed", "maxima", "shifted", "counts",
         "sums", "inverses", "probs", "log_probs", "loss"}


@pytest.mark.parametrize("sizes", [(5, 2, 3, 4), (3, 1, 1, 1), (27, 3, 10, 40), (6, 4, 2, 9)])
def test_by_hand_equals_autograd_at_every_step(sizes):
    n_vocab, block_size, n_embd, n_hidden = sizes
    rng = random.Random(1)
    model = stir(build(n_vocab=n_vocab, block_size=block_size, n_embd=n_embd, n_hidden=n_hidden))
    contexts = [tuple(rng.choices(range(n_vocab), k=block_size)) for _ in range(9)]
    targets = rng.choices(range(n_vocab), k=9)
    lines = mlp.compare_by_hand(model, contexts, targets)
    assert {name for name, *_ in lines} == STEPS | {"C", "W1", "gamma", "beta", "W2", "b2"}
    for name, size, steps, closed in lines:
        assert 0 <= steps < 1e-12 and (closed is None) == (name in LEAPT)
        assert closed is None or 0 <= closed < 1e-12
        assert size > 1e-6 or name in ("maxima", "mean", "squares", "variance", "scale") or n_hidden == 1


def test_by_hand_the_steps_and_shapes():
    model = stir(build())
    params = [p.data for p in model.parameters()]
    s = mlp.forward_by_hand(params, CONTEXTS, TARGETS)
    tensors = vars(mlp.steps_with_autograd(model, CONTEXTS, TARGETS))
    d = mlp.backward_by_hand(s, params, CONTEXTS, TARGETS)
    assert set(vars(s)) == STEPS
    for name, value in vars(s).items():
        assert mlp.numbers_of(tensors[name].data) == pytest.approx(mlp.numbers_of(value), abs=1e-12)
        assert Tensor(getattr(d, name)).shape == Tensor(value).shape
    assert s.loss == pytest.approx(mlp.cross_entropy(model(CONTEXTS), TARGETS).data, rel=1e-12)
    assert [sum(row) for row in s.probs] == pytest.approx([1.0] * 6)
    for p, name in zip(params, ("C", "W1", "gamma", "beta", "W2", "b2")):
        assert Tensor(getattr(d, name)).shape == Tensor(p).shape


@pytest.mark.parametrize("closed", [False, True])
def test_gradients_by_hand_against_differences(closed):
    params = [p.data for p in stir(build()).parameters()]

    def loss():
        return mlp.forward_by_hand(params, CONTEXTS, TARGETS).loss

    s = mlp.forward_by_hand(params, CONTEXTS, TARGETS)
    d = mlp.backward_by_hand(s, params, CONTEXTS, TARGETS, closed)
    for p, name in zip(params, ("C", "W1", "gamma", "beta", "W2", "b2")):
        gradcheck.compare(loss, name, p, getattr(d, name))


def test_training_by_hand_gives_the_same_losses_step_for_step():
    examples = mlp.examples_of(mlp.load(NAMES, 42)[1]["train"], 3)
    models = [build(n_vocab=27, block_size=3, n_embd=4, n_hidden=20) for _ in range(2)]
    losses = [list(mlp.train(model, examples, mlp.decay(0.4, 200), 16, random.Random(1), way))
              for model, way in zip(models, (mlp.backpropagate, mlp.backpropagate_by_hand))]
    assert losses[0] == pytest.approx(losses[1], abs=1e-9) and losses[0][-1] < 2.9
    norms = [model.layers[3] for model in models]
    assert norms[0].running_mean == pytest.approx(norms[1].running_mean, abs=1e-9)
    assert norms[0].running_var == pytest.approx(norms[1].running_var, abs=1e-9)
    assert norms[0].num_batches_tracked == norms[1].num_batches_tracked == 200
    assert mlp.evaluate(models[0], examples[:500]) == pytest.approx(
        mlp.evaluate(models[1], examples[:500]), abs=1e-9)


def test_by_hand_a_token_held_for_impossible_costs_infinitely_much():
    params = [p.data for p in build().parameters()]
    params[5] = [0.0, 0.0, 0.0, 0.0, -2000.0]
    assert mlp.forward_by_hand(params, CONTEXTS, TARGETS).loss == math.inf
    assert mlp.forward_by_hand(params, CONTEXTS[:5], TARGETS[:5]).loss < 3


# --- what was learned ---

def test_samples_follow_the_network():
    model = build("none", n_vocab=3)
    model.parameters()[-2].data = [[0.0] * 3 for _ in range(4)]
    model.parameters()[-1].data = [math.log(p) for p in (0.5, 0.2, 0.3)]
    rng = random.Random(1)
    texts = [mlp.sample(model, 2, rng) for _ in range(2000)]
    assert sum(not ids for ids in texts) / 2000 == pytest.approx(0.5, abs=0.04)
    assert sum(ids[:1] == [1] for ids in texts) / 2000 == pytest.approx(0.2, abs=0.04)
    assert sum(map(len, texts)) / 2000 == pytest.approx(1, abs=0.1)
    model.parameters()[-1].data = [-1000.0, -1000.0, 0.0]
    assert mlp.sample(model, 2, rng, 7) == [2] * 7 and len(mlp.sample(model, 2, rng)) == 39


def test_samples_see_the_context_and_the_model_is_out_of_training():
    seen = []

    class Spy(mlp.Sequential):
        def __call__(self, contexts):
            seen.append(contexts)
            return Tensor([[-99.0, 0.0, -99.0] if len(seen) % 2 else [-99.0, -99.0, 0.0]])

    model = Spy([mlp.BatchNorm1d(1)])
    assert mlp.sample(model, 3, random.Random(1), 4) == [1, 2, 1, 2]
    assert seen == [[[0, 0, 0]], [[0, 0, 1]], [[0, 1, 2]], [[1, 2, 1]]]
    assert not model.layers[0].training


def test_neighbours():
    rows = [[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [10.0, 10.0]]
    assert mlp.nearest(rows, 0, 2) == [2, 1] and mlp.nearest(rows, 3, 9) == [1, 2, 0]
    picture = mlp.draw_neighbours(mlp.CharTokenizer("abc"), rows, range(4), n=2)
    assert picture == "·  b a    a  · b    b  · a    c  a b"
    assert mlp.draw_neighbours(mlp.CharTokenizer("abc"), rows, [0, 3], n=2, columns=10) == (
        "·  b a\nc  a b")


def test_a_random_setting_is_one_that_the_command_line_takes():
    rng, seen = random.Random(1), {}
    for _ in range(300):
        setting = mlp.random_setting(rng)
        words = [word for name, value in setting.items()
                 for word in (f"--{name.replace('_', '-')}", str(value))]
        args = vars(mlp.make_parser().parse_args(words))
        for name, value in setting.items():
            assert args[name] == value
            seen.setdefault(name, set()).add(value)
    assert set(seen) == {"block_size", "n_embd", "n_hidden", "n_layer", "lr", "activation", "norm"}
    assert seen["block_size"] == set(range(2, 9)) and seen["n_layer"] == {1, 2}
    assert all(len(values) > 1 for values in seen.values())
    assert 0.01 <= min(seen["lr"]) < 0.03 and 2 <= max(seen["lr"]) <= 3


# --- pictures ---

def columns(text):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else
               0 if unicodedata.combining(char) else 1 for char in text)


def test_curve():
    assert mlp.draw_curve([4.0, 3.0, 2.0, 1.0], "title", "foot", height=4) == (
        "title\n"
        "    4.00 ┤●\n"
        "    3.00 ┤ ●\n"
        "    2.00 ┤  ●\n"
        "    1.00 ┤   ●\n"
        "         └────\n"
        "          foot")
    lines = mlp.draw_curve([2.0, 1.0, 50.0, 50.0], "t", "f", top=3.0, mark=1, height=3, width=2).split("\n")
    assert lines[1:] == ["    3.00 ┤ ●", "    2.25 ┤", "    1.50 ┤●", "         └──", "          ▲",
                         "          f"]
    for mark, column in ((0, 0), (99, 63), (49, 31), (50, 32)):
        lines = mlp.draw_curve([1.0] * 100, "t", "f", mark=mark).split("\n")
        assert lines[-2] == " " * (10 + column) + "▲"
    assert mlp.draw_curve([1.0], "t", "f").count("●") == 1


def test_histogram():
    assert mlp.histogram([-1.0, -0.9, 0.0, 1.0], -1, 1, width=4) == "█ ▄▄"
    assert mlp.histogram([0.1] * 80 + [0.9, 7.0, -3.0], 0, 1, width=2) == "█▁"
    assert mlp.histogram([0.0, 0.0], 0, 0, width=3) == "█  " and mlp.histogram([], 0, 1, 2) == "  "


def test_map():
    tokenizer = mlp.CharTokenizer("abc")
    rows = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    assert mlp.draw_map(tokenizer, rows, range(4), width=5, height=3) == "c   a\n\n·   b"
    same = mlp.draw_map(tokenizer, [[2.0, 2.0]] * 4, range(4), width=5, height=3)
    assert sorted(same.replace("\n", "").replace(" ", "")) == sorted("·abc")  # none hides another
    crowd = mlp.draw_map(mlp.CharTokenizer("abc"), [[0.0, 0.0], [4.0, 2.0], [2.0, 1.0], [2.0, 1.0]],
                         range(4), width=5, height=3)
    assert crowd.split("\n")[1].strip() in ("bc", "cb")  # a line is as far as two columns
    wide = mlp.draw_map(mlp.CharTokenizer("愛a"), [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]], range(3), 6, 2)
    assert wide == "  愛\n·   a"


def test_glyphs():
    tokenizer = mlp.CharTokenizer("a\n\u0301愛\u200b")
    assert [mlp.glyph(tokenizer, i) for i in range(6)] == ["·", "␊", "a", "◌\u0301", "�", "愛"]
    assert mlp.glyph(mlp.CharTokenizer(" \u20dd"), 1) == "␠" and mlp.columns_of("Ａ") == 2
    assert mlp.glyph(mlp.CharTokenizer("\u20dd"), 1) == "◌\u20dd"
    assert mlp.pad("愛", 4) == "愛  " and mlp.pad("e\u0301", 3) == "e\u0301  "
    assert mlp.printable("a\033[2J\tb") == "a�[2J�b"


# --- run as a script ---

@pytest.fixture
def names(tmp_path):
    """The path of a file of 60 names."""
    with open(NAMES, encoding="utf-8") as file:
        return write(tmp_path / "sixty.txt", "".join(file.readlines()[::140][:60]))


SMALL = ["--n-hidden", "8", "--n-embd", "4", "--block-size", "2", "--batch-size", "8", "--samples", "3"]


def output(capsys, *args):
    """What a run with these arguments prints, and its settings."""
    mlp.main(list(args))
    return capsys.readouterr().out, mlp.make_parser().parse_args(args)


def examples_and_model(args):
    """What the script should have begun with."""
    tokenizer, splits = mlp.load(args.data, args.seed)
    examples = {name: mlp.examples_of(part, args.block_size) for name, part in splits.items()}
    model = mlp.build_model(tokenizer.n_vocab, args.block_size, args.n_embd, args.n_hidden, args.n_layer,
                            args.activation, args.init, args.norm, random.Random(args.seed))
    return tokenizer, splits, examples, model


def test_defaults():
    assert vars(mlp.make_parser().parse_args([])) == {
        "data": NAMES, "steps": 7000, "batch_size": 32, "block_size": 4, "n_embd": 12, "n_hidden": 64,
        "n_layer": 1, "seed": 42, "samples": 20, "lr": None, "activation": "tanh", "init": "kaiming",
        "norm": "batch", "test": False, "find_lr": False, "diagnose": False, "by_hand": False,
        "sweep": None}


def test_help_gives_each_default():
    text = " ".join(run("mlp.py", "--help").stdout.split())
    assert len(re.findall(r"\(default: ", text)) == 13  # all options but the switches and --sweep
    assert "(default: 0.4, or 0.1 from 50000 steps on)" in text


def test_what_the_default_run_prints_is_true(names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--steps", "60", "--seed", "3", "--test",
                       "--lr", "0.3", "--n-hidden", "6")
    tokenizer, splits, examples, model = examples_and_model(args)
    n_vocab, train = tokenizer.n_vocab, examples["train"]
    n_params = n_vocab * 4 + 8 * 6 + 6 + 6 + 6 * n_vocab + n_vocab
    assert out.startswith(f"60 documents, {n_vocab} tokens, {len(train)} examples to train on, "
                          f"{n_params} parameters\n\nbefore training")
    assert f"\n  all tokens equally likely: log {n_vocab:<5}{math.log(n_vocab):7.3f}\n" in out
    for init in ("naive", "kaiming"):
        for norm in ("none", "batch"):
            fresh = build(norm, init=init, n_vocab=n_vocab, n_embd=4, n_hidden=6, seed=3)
            outs = []
            loss = mlp.cross_entropy(fresh([c for c, _ in train[:500]], outs), [t for _, t in train[:500]])
            hidden = mlp.numbers_of(outs[-2].data)
            flat = sum(abs(v) > 0.97 for v in hidden) / len(hidden)
            mine = "  <- this run" if (init, norm) == ("kaiming", "batch") else ""
            assert f"\n  --init {init:8} --norm {norm:14}{loss.data:7.3f}{flat:10.1%}{mine}\n" in out
    rng = random.Random(3)
    losses = list(mlp.train(model, train, mlp.decay(0.3, 60), 8, rng))
    assert "\n60 steps with learning rates from 0.3 down towards 0\ntrain loss " in out
    for name in ("train", "dev", "test"):
        assert f"\n{name} loss {mlp.evaluate(model, examples[name]):.4f}\n" in out
    assert mlp.draw_curve(losses, "loss in training, nats a token", "steps 1 to 60") in out
    few = -(-len(splits["train"]) // 10)
    table = re.search(r"too small a network, too little data: 6 steps each\n(.*\n)((?:.+\n){3})\n", out)
    assert table.group(1).split() == ["neurons", "documents", "train", "loss", "dev", "loss"]
    for row, (n_hidden, some) in zip(table.group(2).split("\n"), (
            (2, splits["train"]), (6, splits["train"]), (6, splits["train"][:few]))):
        small = build(n_vocab=n_vocab, n_embd=4, n_hidden=n_hidden, seed=3)
        some_examples = mlp.examples_of(some, 2)
        list(mlp.train(small, some_examples, mlp.decay(0.3, 6), 8, random.Random(3)))
        assert row.split() == [str(n_hidden), str(len(some)), f"{mlp.evaluate(small, some_examples):.3f}",
                               f"{mlp.evaluate(small, examples['dev']):.3f}"]
    texts = [mlp.sample(model, 2, rng) for _ in range(3)]
    known = [ids[1:-1] for ids in splits["train"]]
    assert "\nsamples (* is one of the training documents)\n" + "".join(
        ("* " if ids in known else "  ") + tokenizer.decode(ids) + "\n" for ids in texts) in out
    assert out.endswith("\n\nthe closest to each token, by their embeddings\n" + mlp.draw_neighbours(
        tokenizer, model.parameters()[0].data, range(n_vocab)) + "\n")
    assert max(map(columns, out.split("\n"))) <= 80


@pytest.mark.parametrize("n, n_train, few", [(200, 160, 16), (1400, 1120, 100)])
def test_too_little_data_is_a_tenth_and_at_most_a_hundred_documents(n, n_train, few, tmp_path, capsys):
    with open(NAMES, encoding="utf-8") as file:
        path = write(tmp_path / "names.txt", "".join(file.readlines()[:n]))
    out, _ = output(capsys, "--data", path, *SMALL, "--steps", "30")
    rows = re.findall(r"^ +(\d+) +(\d+) +[\d.]+ +[\d.]+$", out, re.M)
    assert rows == [("2", str(n_train)), ("8", str(n_train)), ("8", str(few))]


def test_the_batch_looked_at_is_500_examples(tmp_path, capsys):
    with open(NAMES, encoding="utf-8") as file:
        path = write(tmp_path / "names.txt", "".join(file.readlines()[:150]))
    out, args = output(capsys, "--data", path, *SMALL, "--steps", "1")
    _, _, examples, model = examples_and_model(args)
    assert len(examples["train"]) > 700
    loss, records = mlp.examine(model, *zip(*examples["train"][:500]))
    assert f"{loss:7.3f}{records[0].flat:10.1%}  <- this run\n" in out
    assert "before training: a batch of 500, loss " in output(
        capsys, "--data", path, *SMALL, "--steps", "1", "--diagnose")[0]


def test_only_training_documents_are_marked(names, monkeypatch, capsys):
    splits = mlp.load(names, 42)[1]
    ids = iter([splits[name][0][1:-1] for name in ("train", "dev", "test")])
    monkeypatch.setattr(mlp, "sample", lambda *args: next(ids))
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "1")
    block = out[out.index("samples (* is"):].split("\n")[1:4]
    assert [line[:2] for line in block] == ["* ", "  ", "  "]


def test_progress_says_the_mean_of_the_last_100_losses_and_the_time_left(monkeypatch, capsys):
    assert mlp.recent([9.0] * 5 + [3.0] * 50 + [1.0] * 50) == "loss 2.000" and mlp.recent([4.0]) == "loss 4.000"
    clock = iter(range(0, 100, 2))
    monkeypatch.setattr(mlp.time, "monotonic", lambda: next(clock))
    assert mlp.follow("title", iter("abcde"), 5, "step", "".join) == list("abcde")
    out, error = capsys.readouterr()
    assert out == "title\n" and error == (
        "step 1/5  a  8 s left\nstep 2/5  ab  6 s left\nstep 3/5  abc  4 s left\n"
        "step 4/5  abcd  2 s left\nstep 5/5  abcde  0 s left\n")


def test_samples_that_are_training_documents_are_marked(tmp_path, capsys):
    path = write(tmp_path / "names.txt", "ab\n" * 10)
    out, _ = output(capsys, "--data", path, *SMALL, "--steps", "150", "--samples", "9")
    assert out.count("\n* ab\n") > 3
    out, _ = output(capsys, "--data", path, *SMALL, "--steps", "1", "--samples", "0")
    assert "samples" not in out


def test_the_test_split_is_looked_at_only_when_asked(names, capsys):
    assert "test loss" not in output(capsys, "--data", names, *SMALL, "--steps", "3")[0]


def test_no_steps_at_all(names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--steps", "0")
    _, _, examples, model = examples_and_model(args)
    assert f"dev loss {mlp.evaluate(model, examples['dev']):.4f}" in out
    assert "too small" not in out and "loss in training" not in out


@pytest.mark.parametrize("steps, lr", [("49999", 0.4), ("50000", 0.1)])
def test_the_default_learning_rate(names, steps, lr, monkeypatch, capsys):
    asked = []

    def train(model, examples, rates, *args):
        asked.append(rates)
        return iter(())

    monkeypatch.setattr(mlp, "train", train)
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", steps)
    assert asked == [mlp.decay(lr, int(steps))] and f"rates from {lr} down" in out


def test_brief_runs_are_a_tenth_and_at_most_1000_steps(names, monkeypatch, capsys):
    def train(model, examples, rates, *args):
        return (3.0 for _ in rates)

    monkeypatch.setattr(mlp, "train", train)
    for steps, brief in (("9", 1), ("70", 7), ("30000", 1000)):
        out, _ = output(capsys, "--data", names, *SMALL, "--steps", steps)
        assert f"data: {brief} steps each" in out
        assert f"each of {max(40, brief)} learning rates" in output(
            capsys, "--data", names, *SMALL, "--steps", steps, "--find-lr")[0]


def test_what_find_lr_prints_is_true(names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--find-lr", "--steps", "900")
    _, _, examples, model = examples_and_model(args)
    rates = mlp.growing_rates(90)
    losses = list(mlp.find_lr(model, examples["train"], rates, 8, random.Random(42)))
    best = mlp.lowest(losses)
    assert "\n\none step with each of 90 learning rates\n" + mlp.draw_curve(
        losses, "loss in training, nats a token",
        "learning rates from 0.001 to 10, growing by equal factors;\n"
        "          ▲ where the loss was lowest; what was above the top is drawn there", 1.2 * losses[0], best) in out
    assert f"\nthe loss was lowest near --lr {rates[best]:.2g}: a good rate" in out
    assert "it ended" not in out and "dev loss" not in out


def test_find_lr_that_ends_in_nan_stops_there_and_still_suggests(names, monkeypatch, capsys):
    monkeypatch.setattr(mlp, "growing_rates", lambda steps: [0.1, 0.2, 0.4] + [1e300] * (steps - 3))
    out, _ = output(capsys, "--data", names, *SMALL, "--find-lr", "--steps", "200", "--norm", "none",
                    "--activation", "relu")
    assert re.search(r"^it ended at a learning rate of 0.4$", out, re.M)
    assert re.search(r"^the loss was lowest near --lr 0.[124]: ", out, re.M) and "▲" in out
    monkeypatch.setattr(mlp, "find_lr", lambda *args: iter(()))
    out, _ = output(capsys, "--data", names, *SMALL, "--find-lr")
    assert out.endswith("no rate was tried, so there is none to suggest\n")
    for losses in ([1.0 + i for i in range(40)], [99.0 - i for i in range(40)]):
        monkeypatch.setattr(mlp, "find_lr", lambda *args: iter(losses))
        out, _ = output(capsys, "--data", names, *SMALL, "--find-lr", "--steps", "0")
        assert out.endswith("the loss was lowest at one end of the rates, so there is none to suggest\n")


def test_what_diagnose_prints_is_true(names, capsys):
    for activation in ("tanh", "relu"):
        out, args = output(capsys, "--data", names, *SMALL, "--diagnose", "--n-layer", "2", "--steps", "40",
                           "--lr", "0.2", "--activation", activation)
        tokenizer, _, examples, model = examples_and_model(args)
        batch = list(zip(*examples["train"][:500]))

        def check_table(title, updates=()):
            loss, lines = mlp.examine(model, *batch)
            table = out[out.index(f"\n{title}: a batch of {len(batch[0])}, loss {loss:.3f}\n"):]
            for i, line in enumerate(lines, start=1):
                limits = (-1, 1) if activation == "tanh" else (0, max(line.values))
                bars = mlp.histogram(line.values, *limits), mlp.histogram(
                    line.grads, -3 * line.grad_spread, 3 * line.grad_spread)
                assert (f"{i:5} {line.mean:8.3f}{line.spread:8.3f}{line.flat:11.1%}  {bars[0]}  "
                        f"{line.grad_spread:8.1e}  {bars[1]}".rstrip()) in table
            sentence = mlp.verdict(tokenizer.n_vocab, loss, lines, updates)
            assert ("(bars: how many of the numbers are in each twelfth of the range)\n"
                    + mlp.textwrap.fill(sentence, 79) + "\n") in table
            sick, limits = {"tanh": ("saturated", "-1 to 1 "), "relu": ("     dead", "0 to max")}[activation]
            assert table.split("\n")[2:4] == [
                "                   outputs                        their gradients",
                f"layer     mean  spread  {sick}  {limits}        spread  -3 to 3 spreads"]

        check_table("before training")
        rates, ratios = mlp.decay(0.2, 40), []
        for _ in mlp.train(model, examples["train"], rates, 8, random.Random(42)):
            ratios.append(mlp.gradient_to_data(model))
        check_table("after training", [rates[20] * ratio for ratio in ratios[20]])
        assert re.search(r"^ +step +1 +6 +11 +16 +21 +26 +31 +36$", out, re.M)
        table = out[out.index("powers of ten"):]
        rows = re.findall(r"^(gradient|update|)(?:-to-data)? +(.+?)((?: +-?[\d.]+){8})$", table, re.M)
        assert rows.pop(0)[1] == "step"
        assert [row[1].strip() for row in rows] == 2 * ["the embeddings", "layer 1", "layer 2", "the output"]
        for k, row in enumerate(rows):
            for figure, step in zip(row[2].split(), range(0, 40, 5)):
                ratio = ratios[step][k % 4] * (rates[step] if k >= 4 else 1)
                assert figure == f"{math.log10(ratio):.1f}"
        assert max(map(columns, out.split("\n"))) <= 80


def test_the_verdict_after_training_looks_at_the_steps_halfway(names, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(mlp, "verdict", lambda *args: asked.append(args) or "fine")
    _, args = output(capsys, "--data", names, *SMALL, "--diagnose", "--steps", "40", "--lr", "0.2")
    _, _, examples, model = examples_and_model(args)
    steps = mlp.train(model, examples["train"], mlp.decay(0.2, 40), 8, random.Random(42))
    for _ in range(21):
        next(steps)
    assert asked[0][3] == () and asked[1][3] == [0.1 * ratio for ratio in mlp.gradient_to_data(model)]


def test_diagnose_trains_as_the_default_run_does(names, capsys):
    both = [output(capsys, "--data", names, *SMALL, "--steps", "20", *mode)[0] for mode in ((), ("--diagnose",))]
    lines = [re.findall("^(?:train|dev) loss .*$", out, re.M) for out in both]
    assert lines[0] == lines[1] and len(lines[0]) == 2


def test_gradients_of_nothing_have_no_logarithm(names, monkeypatch, capsys):
    monkeypatch.setattr(mlp, "gradient_to_data", lambda model: [0.0, 0.01, 0.0])
    out, _ = output(capsys, "--data", names, *SMALL, "--diagnose", "--steps", "3", "--lr", "0.1")
    assert re.search(r"gradient-to-data the embeddings +none  none  none$", out, re.M)
    assert re.search(r"^ +layer 1 +-2.0  -2.0  -2.0$", out, re.M)
    assert re.search(r"update-to-data +the embeddings +none  none  none$", out, re.M)
    assert re.search(r"^ +layer 1 +-3.0  -3.2  -3.5$", out, re.M)


def test_what_by_hand_prints_is_true(names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--by-hand", "--steps", "30")
    _, _, examples, model = examples_and_model(args)
    batch = list(zip(*examples["train"][:32]))
    lines = mlp.compare_by_hand(model, *batch)
    table = out[out.index("\ngradients by hand"):out.index("\nlargest difference of all")].split("\n")[4:]
    assert [row.split() for row in table] == [
        [name, f"{size:.3g}", f"{steps:.1e}"] + ([f"{closed:.1e}"] if closed is not None else [])
        for name, size, steps, closed in reversed(lines)]
    largest = max(v for _, _, *errors in lines for v in errors if v is not None)
    assert "\n                  largest gradient   largest difference   in closed form\n" in out
    assert f"\nlargest difference of all: {largest:.1e} (rounding alone makes some 1e-15)\n" in out and largest < 1e-12
    losses = [list(mlp.train(examples_and_model(args)[3], examples["train"], [0.4] * 50, 8,
                             random.Random(42), way))
              for way in (mlp.backpropagate, mlp.backpropagate_by_hand)]
    worst = max(abs(a - b) for a, b in zip(*losses))
    assert f"by hand and with autograd differ by at most {worst:.1e}\n" in out and worst < 1e-11
    list(mlp.train(model, examples["train"], mlp.decay(0.4, 30), 8, random.Random(42)))
    assert f"\ndev loss {mlp.evaluate(model, examples['dev']):.4f}\n" in out


def test_by_hand_trains_by_hand(names, monkeypatch, capsys):
    ways = []

    def train(model, examples, rates, batch_size, rng, way):
        ways.append(way)
        return iter([3.0] * len(rates))

    monkeypatch.setattr(mlp, "train", train)
    output(capsys, "--data", names, *SMALL, "--by-hand", "--steps", "3")
    assert ways == [mlp.backpropagate, mlp.backpropagate_by_hand, mlp.backpropagate_by_hand]


def test_what_sweep_prints_is_true(names, capsys):
    out, args = output(capsys, "--data", names, "--sweep", "3", "--steps", "30", "--batch-size", "4")
    tokenizer, splits, _, _ = examples_and_model(args)
    rng, expected = random.Random(42), []
    for _ in range(3):
        setting = mlp.random_setting(rng)
        model = build(setting["norm"], setting["activation"], n_vocab=tokenizer.n_vocab, seed=42, **{
            name: setting[name] for name in ("block_size", "n_embd", "n_hidden", "n_layer")})
        examples = [mlp.examples_of(splits[name], setting["block_size"]) for name in ("train", "dev")]
        list(mlp.train(model, examples[0], mlp.decay(setting["lr"], 3), 4, random.Random(42)))
        n_params = sum(len(mlp.numbers_of(p.data)) for p in model.parameters())
        expected.append((mlp.evaluate(model, examples[1]), n_params, setting))
    expected.sort(key=lambda t: -t[0])
    assert "\n3 random settings, 3 steps each\n" in out and " examples to train on\n" in out
    head, *rows = out[out.index("block_size"):].split("\n")[:4]
    assert head == "block_size n_embd n_hidden n_layer    lr activation  norm parameters dev loss"
    assert [row.split() for row in rows] == [
        [*map(str, setting.values()), str(n_params), f"{loss:.4f}"] for loss, n_params, setting in expected]
    words = [f"--{name.replace('_', '-')} {value}" for name, value in expected[-1][2].items()]
    assert out.endswith(f"to train the last one in full, add your other options to\n"
                        f"  python mlp.py {' '.join(words[:4])} \\\n"
                        f"    {' '.join(words[4:])}\n")
    assert max(map(columns, out.split("\n"))) <= 80


def test_progress_of_a_sweep_is_the_best_so_far(names):
    lines = run("mlp.py", "--data", names, "--sweep", "4", "--steps", "10", "--batch-size", "4").stderr.split("\n")
    losses = [float(re.search(r"lowest dev loss ([\d.]+)", line).group(1)) for line in lines if line]
    assert len(losses) == 4 and losses == sorted(losses, reverse=True) and losses[0] > losses[-1]


def test_a_setting_that_diverges_comes_first(names, monkeypatch, capsys):
    settings = iter([{"block_size": 2, "n_embd": 2, "n_hidden": 4, "n_layer": 1, "lr": lr,
                      "activation": "relu", "norm": "none"} for lr in (0.1, 1e200, 0.2)])
    monkeypatch.setattr(mlp, "random_setting", lambda rng: next(settings))
    out, _ = output(capsys, "--data", names, "--sweep", "3", "--steps", "80", "--batch-size", "4")
    rows = out[out.index("block_size"):].split("\n")[1:4]
    assert rows[0].endswith("diverged") and " 1e+200 " in rows[0]
    losses = [float(row.split()[-1]) for row in rows[1:]]
    assert losses == sorted(losses, reverse=True)
    monkeypatch.setattr(mlp, "evaluate", lambda *args: 1000.0)
    monkeypatch.setattr(mlp, "random_setting", lambda rng: {
        "block_size": 2, "n_embd": 2, "n_hidden": 4, "n_layer": 1, "lr": 0.1, "activation": "relu",
        "norm": "none"})
    out, _ = output(capsys, "--data", names, "--sweep", "2", "--steps", "10")
    assert out.count("diverged\n") == 2
    assert out.endswith("all of them diverged; try more, with another --seed\n")


def test_the_map_is_drawn_of_embeddings_of_two_numbers(names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--n-embd", "2", "--steps", "5")
    tokenizer, _, examples, model = examples_and_model(args)
    list(mlp.train(model, examples["train"], mlp.decay(0.4, 5), 8, random.Random(42)))
    assert out.endswith("\n\na map of the tokens by their embeddings\n" + mlp.draw_map(
        tokenizer, model.parameters()[0].data, range(tokenizer.n_vocab)) + "\n")
    assert max(map(columns, out.split("\n"))) <= 80
    assert "a map" not in output(capsys, "--data", names, *SMALL, "--steps", "5")[0]


def test_of_many_tokens_the_commonest_are_shown(tmp_path, capsys):
    many = "\n".join(chr(0x4e00 + i) for i in range(100)) + "\n子子子\n" * 20
    out, _ = output(capsys, "--data", write(tmp_path / "many.txt", many), *SMALL, "--n-embd", "2",
                    "--steps", "3")
    assert "by their embeddings (the 60 commonest of " in out and "子  " in out
    shown = out[out.index("a map of"):]
    assert "(the 60 commonest of " in shown and len(re.findall("[\u4e00-\u9fff·]", shown)) == 60
    assert max(map(columns, out.split("\n"))) <= 80


def test_other_alphabets_and_control_characters(tmp_path, capsys):
    text = "josé zoë añil e\u0301a анна щукарь 愛子 美咲 a\033[2Jb a\u200bb".replace(" ", "\n")
    out, _ = output(capsys, "--data", write(tmp_path / "odd.txt", f"{text}\n" * 3), *SMALL,
                    "--n-embd", "2", "--steps", "30", "--samples", "30")
    assert "\033" not in out and "\u200b" not in out and "�" in out
    assert max(map(columns, out.split("\n"))) <= 80


@pytest.mark.parametrize("args", [
    ["--n-hidden", "1", "--norm", "layer"], ["--n-hidden", "1", "--n-layer", "2"],
    ["--n-hidden", "1", "--n-embd", "1", "--block-size", "1"],
    ["--n-hidden", "20", "--norm", "none", "--activation", "relu", "--n-layer", "9", "--init", "naive"]])
def test_diagnose_of_odd_networks(args, names, capsys):
    try:
        out, _ = output(capsys, "--data", names, "--diagnose", "--steps", "30", "--lr", "0.1", *args)
    except SystemExit:  # the loss grew without bound
        out = capsys.readouterr().out
    assert "before training: a batch of" in out and "nan" not in out
    assert max(map(columns, out.split("\n"))) <= 80


def test_numbers_that_are_huge_take_no_more_room():
    assert mlp.fixed(2.34567, 7) == "  2.346" and mlp.fixed(-0.00012, 8) == "  -0.000"
    assert mlp.fixed(999.9, 7) == "999.900" and mlp.fixed(-12345.6, 8) == "  -1e+04"


def test_relu_hides_no_nan():
    assert math.isnan(mlp.ReLU()(Tensor([[math.nan]])).data[0][0])


def test_the_same_seed_gives_the_same_output(names):
    for mode in ([], ["--diagnose"], ["--by-hand"], ["--find-lr"], ["--sweep", "2"]):
        first, again, other = (run("mlp.py", "--data", names, *SMALL, "--steps", "10", *mode,
                                   "--seed", seed).stdout for seed in "778")
        assert first == again != other and first


@pytest.mark.parametrize("args, message", [
    (["--data", "missing.txt"], "missing.txt: No such file or directory; name a text file"),
    (["--data", "."], "name a text file that you can open"),
    (["--data", "empty.txt"], "empty.txt: empty; put one document on each line"),
    (["--data", "blank.txt"], "blank.txt: empty"),
    (["--data", "latin.txt"], "latin.txt: not UTF-8 at byte 5; save it as UTF-8"),
    (["--data", "two.txt"], "two.txt: 2 documents are too few: train, dev and test need one each"),
    (["--steps", "-1"], "argument --steps: must be a whole number from 0 to 10^9, not '-1'"),
    (["--samples", "1.5"], "argument --samples: must be a whole number from 0 to 10^9, not '1.5'"),
    (["--batch-size", "0"], "argument --batch-size: must be a whole number from 1 to 10^9, not '0'"),
    (["--block-size", "0"], "argument --block-size: must be a whole number from 1 to 10^9, not '0'"),
    (["--n-embd", "0"], "argument --n-embd: must be a whole number from 1"),
    (["--n-hidden", "-5"], "argument --n-hidden: must be a whole number from 1"),
    (["--n-layer", "0"], "argument --n-layer: must be a whole number from 1"),
    (["--sweep", "0"], "argument --sweep: must be a whole number from 1 to 10^9, not '0'"),
    (["--lr", "0"], "argument --lr: must be a number above 0 and up to 10^9, not '0'"),
    (["--lr", "nan"], "argument --lr: must be a number above 0 and up to 10^9, not 'nan'"),
    (["--seed", "x"], "argument --seed: must be a whole number from 0 to 10^9, not 'x'"),
    (["--norm", "group"], "argument --norm: invalid choice: 'group'"),
    (["--activation", "gelu"], "argument --activation: invalid choice: 'gelu'"),
    (["--init", "zero"], "argument --init: invalid choice: 'zero'"),
    (["--find-lr", "--by-hand"], "not allowed with argument"),
    (["--diagnose", "--sweep", "3"], "not allowed with argument"),
    (["--batch-size", "1"], "--batch-size 1: batch norm needs the variance of a batch, and that of one "
                            "example is 0; use 2 or more, or --norm layer"),
    (["--batch-size", "1", "--find-lr"], "--batch-size 1: batch norm needs"),
    (["--batch-size", "1", "--sweep", "3", "--norm", "none"], "--batch-size 1: batch norm needs"),
    (["--by-hand", "--n-layer", "2"], "--by-hand: the gradients were written out for --n-layer 1, --norm "
                                      "batch and --activation tanh; leave these as they are"),
    (["--by-hand", "--norm", "layer"], "--by-hand: the gradients were written out for"),
    (["--by-hand", "--activation", "relu"], "--by-hand: the gradients were written out for"),
    (["--data", "three.txt", "--steps", "50", "--lr", "1e9", "--norm", "none", "--activation", "relu",
      "--n-layer", "20"], "the loss grew without bound, as the steps were too large; try a smaller --lr")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "empty.txt", "")
    write(tmp_path / "blank.txt", "\n \n\n")
    write(tmp_path / "latin.txt", "abc\nd\xe4\n".encode("latin-1"))
    write(tmp_path / "two.txt", "ab\nba\n")
    write(tmp_path / "three.txt", "anna\nbert\nclara\n")
    scripts.check_refused(mlp.main, "mlp.py", args, message, capsys)


def test_a_batch_of_one_without_batch_norm(names, capsys):
    for norm in ("layer", "none"):
        assert "dev loss" in output(capsys, "--data", names, *SMALL, "--batch-size", "1", "--steps", "5",
                                    "--norm", norm)[0]


def test_a_file_that_may_not_be_read(monkeypatch, capsys):
    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    scripts.check_refused(mlp.main, "mlp.py", ["--data", "secret.txt"],
                          "secret.txt: Permission denied; name a text file that you can open", capsys)


def test_where_the_characters_of_the_pictures_cannot_be_printed(names):
    done = run("mlp.py", "--data", names, *SMALL, "--steps", "10",
               env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "dev loss" in done.stdout and "??" in done.stdout


@scripts.posix
def test_ctrl_c_ends_training(names):
    scripts.check_ctrl_c("mlp.py", ["--data", names, *SMALL], ready="1000000 steps with learning rates",
                         after="the closest to each token", endless=(["--samples", "1000000"], "samples"))


def test_after_ctrl_c_there_are_no_more_training_runs(names, monkeypatch, capsys):
    def train(*args):
        yield 3.0
        yield 3.0
        raise KeyboardInterrupt

    monkeypatch.setattr(mlp, "train", train)
    mlp.main(["--data", names, *SMALL, "--steps", "100"])
    out, error = capsys.readouterr()
    assert "stopped at step 2 of 100; Ctrl-C again quits\n" in error
    assert "steps 1 to 2\n" in out and "dev loss" in out and "too small" not in out


@scripts.posix
@pytest.mark.parametrize("args, ready, name, after", [
    (["--find-lr", "--steps", "10000", "--n-hidden", "100"], "one step with each", "rate 100/1000",
     "the loss was lowest"),
    (["--sweep", "20", "--steps", "1000"], "20 random settings", "setting 2/20", "to train the last one")])
def test_ctrl_c_ends_a_search(names, args, ready, name, after):
    process = scripts.start("mlp.py", "--data", names, *args, text=True, encoding="utf-8")
    while not process.stdout.readline().startswith(ready):
        assert process.poll() is None
    while not process.stderr.readline().startswith(name):
        assert process.poll() is None
    process.send_signal(scripts.signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in error and after in out
    word, n = name.split()[0], name.split("/")[1]
    done = int(re.search(rf"^stopped at {word} (\d+) of {n}; Ctrl-C again quits$", error, re.M).group(1))
    assert int(n) / 10 <= done < int(n)


@scripts.posix
def test_ctrl_c_outside_of_training_quits(names):
    scripts.check_quits("mlp.py", ["--data", names, *SMALL, "--steps", "1", "--samples", "1000000"],
                        ready="samples")


@scripts.posix
def test_closed_outputs(names):
    scripts.check_closed_outputs("mlp.py", ["--data", names, *SMALL, "--steps", "10"])


@scripts.posix
def test_a_reader_that_leaves(names):
    scripts.check_reader_leaves("mlp.py", ["--data", names, *SMALL, "--steps", "10", "--samples", "5000"])


@scripts.full_disk
def test_a_full_disk(names):
    scripts.check_full_disk("mlp.py", ["--data", names, *SMALL, "--steps", "10", "--samples", "2000"])


def test_progress_on_a_terminal(names, monkeypatch):
    scripts.check_progress_on_a_terminal(
        mlp.main, ["--data", names, *SMALL, "--steps", "20"], r"step 20/20  loss [\d.]+  0 s left",
        monkeypatch)


def test_progress_in_a_pipe_is_ten_plain_lines(names):
    lines = run("mlp.py", "--data", names, *SMALL, "--steps", "30").stderr.split("\n")
    assert [line.split()[1] for line in lines if line] == [f"{k}/30" for k in range(3, 31, 3)]
    assert all(re.fullmatch(r"step \d+/30  loss \d\.\d{3}  \d+ s left", line) for line in lines if line)
