"""wavenet.py: every gradient, the tree against the convolutions, the script as run."""
import gc
import math
import os
import random
import re
import sys
import unicodedata

import pytest

import gradcheck
import scripts
import wavenet
from scripts import run, write
from wavenet import Tensor

NAMES = os.path.join(scripts.ROOT, "names.txt")
KINDS = ["tree", "convolutions", "gated"]


def cube(rng, lengths, channels, std=1.0):
    """Random numbers (batch, time, channels), for documents of these lengths."""
    return Tensor([[[rng.gauss(0, std) for _ in range(channels)] for _ in range(n)] for n in lengths])


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


def build(kind="convolutions", n_vocab=5, joins=(2, 2), n_embd=3, n_hidden=4, seed=1):
    rng = random.Random(seed)
    if kind == "gated":
        return wavenet.WaveNet(n_vocab, joins, n_hidden, rng)
    network = wavenet.build_tree if kind == "tree" else wavenet.build_convolutions
    return network(n_vocab, joins, n_embd, n_hidden, rng)


def stir(model, seed=2):
    """Moves all parameters off their first values, so that no gradient is 0 by chance."""
    rng = random.Random(seed)
    for p in model.parameters():
        p.data = wavenet.descend(p.data, wavenet.add(p.data, p.data), -0.3) if len(p.shape) == 2 else [
            v + rng.gauss(0, 0.3) for v in p.data]
    return model


def loss_of(kind):
    return wavenet.by_context if kind == "tree" else wavenet.by_document


DOCUMENTS = [[0, 1, 2, 3, 1, 0], [0, 4, 0], [0, 2, 2, 1, 0]]


# --- data ---

def test_documents_and_contexts(tmp_path):
    path = write(tmp_path / "names.txt", "\ufeffbo\n\n  ab \r\nba\nob\nabbA\n")
    tokenizer, splits = wavenet.load(path, seed=1)
    assert tokenizer.chars == ["A", "a", "b", "o"] and tokenizer.n_vocab == 5
    documents = [ids for part in splits.values() for ids in part]
    assert sorted(tokenizer.decode(ids) for ids in documents) == ["ab", "abbA", "ba", "bo", "ob"]
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [3, 1, 1]
    assert len({str(wavenet.load(path, seed)[1]) for seed in range(20)}) > 5
    odd = write(tmp_path / "odd.txt", "a\u2028b\nb\x0ba\na\x85b\n")  # lines end in \n only
    assert wavenet.load(odd, 1)[0].n_vocab == 6
    assert wavenet.contexts_of([0, 2, 3, 0], 4) == [[0, 0, 0, 0], [0, 0, 0, 2], [0, 0, 2, 3]]
    assert wavenet.contexts_of([0, 2, 3, 0], 2) == [[0, 0], [0, 2], [2, 3]]


def test_splits_are_the_same_documents_as_in_the_other_lessons():
    import bigram
    assert wavenet.load(NAMES, 42)[1] == bigram.load(NAMES, 42)[1]
    for n in (3, 9, 10, 25, 1000):
        train, dev, test = wavenet.split(list(range(n)))
        assert sorted(train + dev + test) == list(range(n)) and len(dev) == len(test) == max(1, n // 10)


# --- the tensor ---

def test_shapes():
    assert (Tensor(1.0).shape, Tensor([1.0]).shape, Tensor([[1.0], [2.0]]).shape) == ((), (1,), (2, 1))
    assert cube(random.Random(1), [2, 2, 2], 4).shape == (3, 2, 4)
    assert cube(random.Random(1), [2, 3, 1], 4).shape == (3, None, 4)
    with pytest.raises(ValueError, match=r"starts from a scalar, not from shape \(1,\)"):
        Tensor([1.0]).backward()
    with pytest.raises(ValueError, match=r"cannot add shapes \(1,\) and \(2,\)"):
        Tensor([1.0]) + Tensor([1.0, 2.0])


def test_rows_and_documents():
    data = [[[1], [2]], [[3]], [[4], [5], [6]]]
    rows = wavenet.rows_of(data)
    assert rows == [[1], [2], [3], [4], [5], [6]] and wavenet.cut_like(rows, data) == data


def test_backward_adds_to_grad_and_shared_tensors_are_sent_all_of_theirs():
    a = Tensor(3.0)
    b = a + a
    c = b + a + b
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


@pytest.mark.parametrize("n, k, m", [(1, 1, 1), (2, 3, 4), (5, 16, 2), (3, 70, 3)])
@pytest.mark.parametrize("scale", [1e-100, 1e-6, 1.0, 1e9])
def test_inner_is_every_dot_product(n, k, m, scale):
    rng = random.Random(1)
    a, b = (
        [[rng.gauss(0, std) for _ in range(k)] for _ in range(rows)]
        for rows, std in ((n, scale), (m, 1.0)))
    for left, right in ((a, b), (b, a)):
        for row, products in zip(left, wavenet.inner(left, right)):
            for other, product in zip(right, products):
                size = math.dist(row, [0] * k) * math.dist(other, [0] * k)
                assert abs(product - math.fsum(x * y for x, y in zip(row, other))) < 1e-11 * size


# --- every layer and operation against differences, at several shapes ---

LENGTHS = [([4], 1), ([2, 2], 3), ([1, 5, 2], 4)]


@pytest.mark.parametrize("lengths, n", LENGTHS)
def test_gradient_of_every_layer(lengths, n):
    rng = random.Random(n)
    x = cube(rng, lengths, n)
    y = cube(rng, lengths, n)
    gradcheck.check(lambda: weighed(x + y), {"x": x, "y": y})
    gradcheck.check(lambda: weighed(wavenet.Tanh()(x)), {"x": x})
    gradcheck.check(lambda: weighed(wavenet.relu(x)), {"x": x})
    z = cube(rng, lengths, 2 * n, 2.0)
    gradcheck.check(lambda: weighed(wavenet.gated(z)), {"z": z})
    targets = [[rng.randrange(n) for _ in range(length)] for length in lengths]
    gradcheck.check(lambda: weighed(wavenet.cross_entropy(x, targets)), {"x": x})
    for bias in (True, False):
        layers = [wavenet.Linear(n, 3, rng, bias=bias)] + [
            wavenet.CausalConv1d(n, 2, rng, kernel_size, dilation, bias=bias)
            for kernel_size, dilation in ((2, 1), (2, 2), (3, 1), (2, 4), (4, 3))]
        for layer in layers:
            stir_bias(layer, rng)
            gradcheck.check(lambda: weighed(layer(x)), {
                "x": x, **{str(i): p for i, p in enumerate(layer.parameters())}})
    even = cube(rng, [2 * length for length in lengths], n)
    gradcheck.check(lambda: weighed(wavenet.FlattenConsecutive(2)(even)), {"x": even})
    four = cube(rng, [4 * length for length in lengths], n)
    gradcheck.check(lambda: weighed(wavenet.FlattenConsecutive(4)(four)), {"x": four})


def stir_bias(layer, rng):
    if layer.bias:
        layer.bias.data = [rng.gauss(0, 1) for _ in layer.bias.data]


@pytest.mark.parametrize("lengths, n", LENGTHS)
@pytest.mark.parametrize("training", [True, False])
def test_gradient_of_batch_norm(lengths, n, training):
    rng = random.Random(3)
    layer, x = wavenet.BatchNorm1d(n), cube(rng, lengths, n, 3.0)
    layer(cube(rng, [5], n, 2.0)), layer(cube(rng, [5], n, 2.0))
    layer.training = training
    stir_bias(layer, rng)
    layer.weight.data = [rng.gauss(1, 0.5) for _ in range(n)]
    gradcheck.check(lambda: weighed(layer(x)), {"x": x, "weight": layer.weight, "bias": layer.bias})


def test_relu_at_its_corner():
    x = Tensor([[[-1.0, 0.0, 2.0]]])
    out = wavenet.relu(x)
    weighed(out).backward()
    assert out.data == [[[0.0, 0.0, 2.0]]] and x.grad[0][0][:2] == [0.0, 0.0] != x.grad[0][0][2:]


def test_gradient_of_embedding():
    layer = wavenet.Embedding(5, 3, random.Random(1))
    out = layer(DOCUMENTS)
    assert out.shape == (3, None, 3) and out.data[1] == [layer.weight.data[i] for i in (0, 4, 0)]
    gradcheck.check(lambda: weighed(layer(DOCUMENTS)), {"weight": layer.weight})
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match="the ids must be from 0 to 4"):
            layer([[0, wrong]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("joins, training", [((2, 2), True), ((2, 2), False), ((4, 2, 2), True), ((8,), True)])
def test_gradient_of_every_parameter_of_the_whole_network(kind, joins, training):
    model = stir(build(kind, joins=joins))
    loss = loss_of(kind)
    loss(model, DOCUMENTS), loss(model, DOCUMENTS[:2])  # running statistics of their own
    model.train(training)
    params = {str(i): p for i, p in enumerate(model.parameters())}
    checked = gradcheck.check(lambda: loss(model, DOCUMENTS), params)
    assert checked == sum(len(wavenet.numbers_of(p.data)) for p in model.parameters())
    assert all(any(wavenet.numbers_of(p.grad)) for p in params.values())


# --- facts from PyTorch 2.13, in float64 ---

def test_the_convolutions_agree_with_pytorch():
    model = build(n_vocab=4, n_embd=2, n_hidden=3)
    matrices = [p for p in model.parameters() if len(p.shape) == 2] + [model.layers[-1].bias]
    for p, data in zip(matrices, (
            [[-1.18, -1.15], [0.67, -2.29], [-0.14, -2.26], [1.1, 0.2]],
            [[1.36, -0.5, 0.4], [-0.29, -0.74, 0.15], [-1.26, -0.35, 0.7], [0.06, -0.41, 2.19]],
            [[0.06, -0.59, 0.16], [-0.52, -0.39, -0.35], [2.03, 0.02, 0.18], [0.67, 2.02, -0.22],
             [-0.62, 2.47, -1.46], [-0.37, 0.67, 2.28]],
            [[-0.95, -2.43, 0.66, -0.52], [-0.39, 0.46, 0.22, 0.29], [-0.43, 1.29, 1.5, 0.03]],
            [-0.45, 0.73, 0.48, -1.04])):
        p.data = data
    ids = [[0, 1, 2, 3, 1], [0, 3, 3, 2, 1]]
    logits = model(ids)
    loss = wavenet.cross_entropy(logits, [[1, 2, 3, 1, 0], [3, 3, 2, 1, 0]])
    loss.backward()
    assert loss.data == pytest.approx(1.9419315756795794, rel=1e-12)
    for found, expected in (
            (logits.data[0][4], [-0.111313690577, 0.812214218874, 0.509273815668, -1.228857684042]),
            (logits.data[1][2], [-0.461604543074, 1.829160257512, 1.660316147358, -1.184708676168]),
            (matrices[0].grad[0], [-0.121100332692, -0.206625182495]),
            (matrices[0].grad[3], [0.012311469314, 0.0316356626]),
            (matrices[1].grad[0], [-0.033468121399, -0.060726674569, 0.117050492276]),
            (matrices[2].grad[5], [-0.030366324579, -0.005334932761, -0.027229436155]),
            (model.layers[5].running_mean, [-0.592760381677, -0.025287230829, -0.555236717568]),
            (model.layers[5].running_var, [3.152911156038, 3.159765482392, 5.134393697751])):
        assert found == pytest.approx(expected, abs=1e-11)


def test_gates_agree_with_pytorch():
    out = wavenet.gated(Tensor([[[0.5, -1.0, 2.0, 0.3], [-0.2, 0.7, -3.0, 1.0]]]))
    assert out.data[0][0] == pytest.approx([0.40703144179806217, -0.43749206373628075], rel=1e-12)
    assert out.data[0][1] == pytest.approx([-0.00936069690536793, 0.44182824810904914])
    assert wavenet.gated(Tensor([[[1.0, -1e4]]])).data == [[[0.0]]]  # no overflow


# --- the tree and the convolutions ---

def trained(kind, **kwargs):
    """A network with weights and running statistics that are not those of the beginning."""
    model = stir(build(kind, **kwargs))
    for documents in (DOCUMENTS, DOCUMENTS[1:], DOCUMENTS[:2]):
        loss_of(kind)(model, documents)
    model.eval()
    return model


@pytest.mark.parametrize("joins", [(2,), (2, 2), (2, 2, 2), (4, 2), (8,), (2, 2, 2, 2)])
def test_the_tree_and_the_convolutions_give_the_same_logits(joins):
    tree = trained("tree", joins=joins)
    convolutions = wavenet.as_convolutions(tree, build(joins=joins, seed=9))
    convolutions.eval()
    at_once = convolutions([ids[:-1] for ids in DOCUMENTS]).data
    for ids, rows in zip(DOCUMENTS, at_once):
        one_by_one = tree(wavenet.contexts_of(ids, math.prod(joins)))
        assert len(rows) == len(ids) - 1
        for row, (expected,) in zip(rows, one_by_one.data):
            assert row == pytest.approx(expected, abs=1e-9)
    assert wavenet.by_document(convolutions, DOCUMENTS).data == pytest.approx(
        wavenet.by_context(tree, DOCUMENTS).data, abs=1e-9)


def test_tree_and_convolutions_begin_with_the_same_weights():
    tree, convolutions = build("tree"), build()
    assert [p.data for p in tree.parameters()] == [p.data for p in convolutions.parameters()]
    assert wavenet.context_size(build("tree", joins=(4, 2, 2))) == 16


@pytest.mark.parametrize("kind", ["convolutions", "gated"])
def test_nothing_before_a_changed_token_changes_and_what_is_in_reach_does(kind):
    model = trained(kind, joins=(2, 2), n_hidden=12)  # a context of 4
    ids = [0, 1, 2, 3, 1, 4, 2, 3]
    before = model([ids]).data[0]
    for place in range(8):
        changed = ids[:place] + [(ids[place] + 1) % 5] + ids[place + 1:]
        after = model([changed]).data[0]
        for t in range(8):
            reached = t in range(place, place + 4) or place == 0 and t < 4
            assert (after[t] == before[t]) == (not reached)


@pytest.mark.parametrize("kind", ["convolutions", "gated"])
def test_documents_of_a_batch_do_not_mix_out_of_training(kind):
    model = trained(kind)
    together = model([ids[:-1] for ids in DOCUMENTS]).data
    for ids, rows in zip(DOCUMENTS, together):
        assert model([ids[:-1]]).data[0] == [pytest.approx(row, abs=1e-12) for row in rows]


def test_a_convolution_by_hand():
    layer = wavenet.CausalConv1d(1, 1, random.Random(1), kernel_size=3, dilation=2)
    layer.weight.data, layer.bias.data = [[100.0], [10.0], [1.0]], [0.5]
    assert wavenet.numbers_of(layer(Tensor([[[1.0], [2.0], [3.0], [4.0], [5.0]], [[7.0]]])).data) == pytest.approx(
        [111.5, 112.5, 113.5, 124.5, 135.5, 777.5])  # what is before the first is the first
    assert [layer.places(t) for t in (0, 1, 2, 3, 4, 9)] == [
        [0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4], [5, 7, 9]]


def test_flatten_consecutive_by_hand():
    x = Tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]])
    assert wavenet.FlattenConsecutive(2)(x).data == [[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]
    assert wavenet.FlattenConsecutive(4)(x).data == [[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]]


@pytest.mark.parametrize("block_size, n_layer, joins", [
    (2, None, [2]), (8, None, [2, 2, 2]), (8, 3, [2, 2, 2]), (8, 2, [4, 2]), (8, 1, [8]), (16, 3, [4, 2, 2]),
    (64, 4, [4, 4, 2, 2]), (32, 2, [8, 4])])
def test_how_many_each_layer_joins(block_size, n_layer, joins):
    assert wavenet.joins_of(block_size, n_layer) == joins


def test_multiply_adds_counted_one_by_one():
    tree, convolutions = build("tree"), build()  # 3 channels, 4 neurons, 5 tokens, pairs and fours
    contexts = wavenet.contexts_of(DOCUMENTS[0], 4)
    assert wavenet.multiply_adds(tree, contexts) == 5 * (2 * 6 * 4 + 8 * 4 + 4 * 5)
    assert wavenet.multiply_adds(convolutions, [DOCUMENTS[0][:-1]]) == 5 * (6 * 4 + 8 * 4 + 4 * 5)
    assert wavenet.cost(convolutions) == 6 * 4 + 8 * 4 + 4 * 5


# --- modules ---

def test_shapes_that_do_not_fit_name_the_layer_and_both_shapes():
    rng = random.Random(1)
    model = wavenet.Sequential([wavenet.Embedding(5, 3, rng), wavenet.Tanh(), wavenet.Linear(4, 2, rng)])
    with pytest.raises(ValueError, match=r"layer 3, Linear\(4, 2\): the input has shape \(2, 2, 3\), and 4 "):
        model([[0, 1], [2, 3]])
    for layer, error in (
            (wavenet.BatchNorm1d(7), r"layer 2, BatchNorm1d\(7\): the input has shape \(2, 3, 3\), and 7 channels"),
            (wavenet.CausalConv1d(2, 4, rng, dilation=4),
             r"layer 2, CausalConv1d\(2, 4, kernel_size=2, dilation=4\): the input has shape \(2, 3, 3\), and 2"),
            (wavenet.FlattenConsecutive(2),
             r"layer 2, FlattenConsecutive\(2\): the input has shape \(2, 3, 3\), and its time must be a "
             "multiple of 2")):
        with pytest.raises(ValueError, match=error):
            wavenet.Sequential([wavenet.Embedding(5, 3, rng), layer])([[0, 1, 2], [2, 3, 4]])
    with pytest.raises(ValueError, match=r"layer 2, BatchNorm1d\(3\): batch norm cannot train on a single row"):
        wavenet.Sequential([wavenet.Embedding(5, 3, rng), wavenet.BatchNorm1d(3)])([[0]])


def test_training_mode_reaches_every_module():
    for kind in KINDS:
        model = build(kind)
        model.eval()
        assert not any(module.training for module in [model, *model.children()])
        model.train()
        assert all(module.training for module in [model, *model.children()])
    outer = wavenet.Sequential([wavenet.Sequential([wavenet.BatchNorm1d(2)])])
    outer.eval()
    assert not outer.layers[0].layers[0].training and len(outer.parameters()) == 2


def test_first_weights():
    model = wavenet.build_convolutions(200, [2, 2], 40, 200, random.Random(1))
    for p, std in zip([p for p in model.parameters() if len(p.shape) == 2],
                      (0.3, 80 ** -0.5, 5 / 3 / 20, 0.1 / 200 ** 0.5)):
        spread = math.sqrt(sum(v * v for v in wavenet.numbers_of(p.data)) / len(wavenet.numbers_of(p.data)))
        assert spread == pytest.approx(std, rel=0.02)
    gated = wavenet.WaveNet(27, [2, 2, 2], 17, random.Random(1))
    large = wavenet.WaveNet(27, [2], 120, random.Random(1))
    mixed = wavenet.numbers_of(large.mix.weight.data)
    assert math.sqrt(sum(v * v for v in mixed) / len(mixed)) == pytest.approx(math.sqrt(2 / 120), rel=0.02)
    names = [repr(module) for module in gated.children()]
    assert names.count("Linear(17, 17)") == 6 and names[0] == "Embedding(27, 17)"  # 3 skips, 2 residuals
    assert [name for name in names if "Conv" in name] == [
        f"CausalConv1d(17, 34, kernel_size=2, dilation={d})" for d in (1, 2, 4)]
    assert all(p.data == [0.0] * len(p.data) for p in gated.parameters() if len(p.shape) == 1)


def test_batch_norm_over_batch_and_time():
    x = cube(random.Random(1), [3, 7, 1, 9], 4, 5.0)
    rows = wavenet.rows_of(wavenet.BatchNorm1d(4)(x).data)
    for column in zip(*rows):
        assert abs(sum(column) / 20) < 1e-12
        assert sum(v * v for v in column) / 20 == pytest.approx(1, abs=1e-4)


def test_running_statistics_against_directly_computed_ones():
    rng, norm = random.Random(1), wavenet.BatchNorm1d(2)
    mean, var = [0.0, 0.0], [1.0, 1.0]
    for i in range(1, 131):
        x = cube(rng, [rng.randint(1, 4) for _ in range(3)], 2, 2.0)
        norm(x)
        for j, column in enumerate(zip(*wavenet.rows_of(x.data))):
            m = sum(column) / len(column)
            v = sum((y - m) ** 2 for y in column) / (len(column) - 1)
            new = 1 / i if i <= 100 else 0.01
            mean[j], var[j] = (1 - new) * mean[j] + new * m, (1 - new) * var[j] + new * v
        assert norm.running_mean == pytest.approx(mean, rel=1e-9)
        assert norm.running_var == pytest.approx(var, rel=1e-9)


def test_norm_by_place():
    rng, documents = random.Random(5), []
    for _ in range(60):
        documents.append([0, *rng.choices(range(1, 5), k=rng.randint(2, 7)), 0])
    tree = build("tree", joins=(2, 2))  # two places, the last and the one before
    varying, apart = wavenet.norm_by_place(tree, documents)
    assert 1 < varying < 2 and apart > 0.1
    # by the definition
    contexts = [c for ids in documents for c in wavenet.contexts_of(ids, 4)]
    data = wavenet.Sequential(tree.layers[:3])(contexts).data  # (N, 2 places, 4 channels)

    def moments(values):
        m = sum(values) / len(values)
        return m, math.sqrt(sum((v - m) ** 2 for v in values) / len(values) + 1e-5)

    expected = []
    for c in range(4):
        first, last = moments([x[0][c] for x in data]), moments([x[1][c] for x in data])
        expected += [abs((x[1][c] - first[0]) / first[1] - (x[1][c] - last[0]) / last[1]) for x in data]
    assert apart == pytest.approx(sum(expected) / len(expected))
    n = len(data) // 10

    def noise(values_of, places):
        total = []
        for c in range(4):
            for place in places:
                means = [sum(v := values_of(data[k:k + n], place, c)) / len(v) for k in range(0, 10 * n, n)]
                total.append(math.sqrt(sum((m - sum(means) / 10) ** 2 for m in means) / 10))
        return sum(total) / len(total)

    alone = noise(lambda part, place, c: [x[place][c] for x in part], (0, 1))
    both = noise(lambda part, place, c: [row[c] for x in part for row in x], (None,))
    assert varying == pytest.approx(alone / both)


# --- loss and training ---

def test_log_softmax_and_cross_entropy_by_hand():
    assert wavenet.log_softmax([0.0, math.log(3)]) == pytest.approx([math.log(0.25), math.log(0.75)])
    assert wavenet.log_softmax([1000.0, 0.0]) == [0.0, -1000.0]
    logits = Tensor([[[0.0, 0.0], [0.0, math.log(3)]], [[5.0, 5.0]]])
    loss = wavenet.cross_entropy(logits, [[0, 1], [1]])
    assert loss.data == pytest.approx((2 * math.log(2) - math.log(0.75)) / 3)
    for targets in ([[0, 1]], [[0], [1, 1]], [[0, 2], [1]], [[0, -1], [1]]):
        with pytest.raises(ValueError, match=r"do not fit logits of shape \(2, None, 2\)"):
            wavenet.cross_entropy(logits, targets)


def test_steps_by_hand():
    assert wavenet.decay(0.4, 4) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    model, twin = build(), build()
    loss, = wavenet.train(model, DOCUMENTS[:1], [0.3], 3, random.Random(1))
    expected = wavenet.by_document(twin, DOCUMENTS[:1] * 3)
    expected.backward()
    assert loss == expected.data
    for p, q in zip(model.parameters(), twin.parameters()):
        assert p.data == wavenet.descend(q.data, q.grad, 0.3)


def test_batches_are_drawn_at_random_from_all_documents():
    seen = []

    def spy(model, documents):
        seen.extend(map(tuple, documents))
        return wavenet.by_document(model, documents)

    documents = [[0, i % 5, i // 5, 0] for i in range(25)]
    list(wavenet.train(build(), documents, [0.1] * 60, 10, random.Random(1), spy))
    assert len(seen) == 600 and set(seen) == set(map(tuple, documents)) and max(map(seen.count, seen)) < 60


@pytest.mark.parametrize("kind", KINDS)
def test_learns_documents_by_heart(kind):
    documents = [[0, 1, 2, 3, 0], [0, 2, 2, 0], [0, 3, 1, 1, 2, 0]]  # only the first token is uncertain
    model = build(kind, joins=(2, 2), n_hidden=12)
    list(wavenet.train(model, documents, wavenet.decay(0.5, 250), 6, random.Random(1), loss_of(kind)))
    assert wavenet.evaluate(model, documents, loss_of(kind)) < 3 * math.log(3) / 12 + 0.05


def test_evaluate_is_the_mean_over_all_tokens():
    for kind in KINDS:
        model = trained(kind)
        model.train()
        found = wavenet.evaluate(model, DOCUMENTS, loss_of(kind), batch_size=2)
        assert not model.training
        each = [(loss_of(kind)(model, [ids]).data, len(ids) - 1) for ids in DOCUMENTS]
        assert found == pytest.approx(sum(loss * n for loss, n in each) / sum(n for _, n in each), rel=1e-12)


def test_training_after_evaluating_is_training_again():
    model = build()
    steps = wavenet.train(model, DOCUMENTS, [0.1] * 2, 4, random.Random(1))
    next(steps)
    wavenet.evaluate(model, DOCUMENTS)
    next(steps)
    assert model.layers[2].training and model.layers[2].num_batches_tracked == 2


@pytest.mark.parametrize("kind", KINDS)
def test_training_does_not_grow(kind):
    steps = wavenet.train(build(kind), [DOCUMENTS[0]], [0.1] * 160, 2, random.Random(1), loss_of(kind))
    gc.collect()
    gc.disable()
    try:
        for _ in range(120):  # until Python's own stores of free objects are full
            next(steps)
        before = sys.getallocatedblocks()
        for _ in range(20):
            next(steps)
        assert sys.getallocatedblocks() - before < 100
        assert gc.collect() == 0  # no reference cycle was left behind
    finally:
        gc.enable()


def test_a_loss_that_is_no_number_stops_training():
    for loss in (math.nan, math.inf):
        with pytest.raises(FloatingPointError, match="grew without bound, .* try a smaller --lr"):
            wavenet.finite(loss)
    model = build("gated")
    with pytest.raises(FloatingPointError):
        list(wavenet.train(model, DOCUMENTS, [1e200] * 20, 4, random.Random(1)))
    with pytest.raises(FloatingPointError):
        wavenet.evaluate(model, DOCUMENTS)
    assert math.isnan(wavenet.relu(Tensor([[[math.nan]]])).data[0][0][0])


# --- sampling ---

@pytest.mark.parametrize("kind", ["convolutions", "gated"])
@pytest.mark.parametrize("joins", [(2, 2), (4, 2), (2, 2, 2)])
def test_sampling_with_a_memory_is_sampling_without(kind, joins):
    model = trained(kind, joins=joins)
    for seed in range(15):
        assert wavenet.sample(model, random.Random(seed)) == wavenet.sample(
            model, random.Random(seed), remember=False)
    ids, memory = [0, 3, 1, 4, 4, 2, 0, 1, 2, 3, 3], {}
    rows = model([ids]).data[0]
    for i, row in zip(ids, rows):
        assert model.read([[i]], memory).data[0][0] == pytest.approx(row, abs=1e-12)
    kept = [len(past) for past in memory.values()]
    dilations = [math.prod(joins[:i]) for i in range(len(joins))]
    assert kept == [(join - 1) * dilation for join, dilation in zip(joins, dilations)]


def test_a_new_token_computes_only_its_own_column(monkeypatch):
    model, rows = trained("convolutions", joins=(2, 2, 2)), []
    inner = wavenet.inner
    monkeypatch.setattr(wavenet, "inner", lambda a, b: rows.append(len(a)) or inner(a, b))
    memory = {}
    for i in (0, 1, 2, 3, 4):
        model.read([[i]], memory)
    assert rows == [1] * 4 * 5


def test_samples_follow_the_network():
    model = build(n_vocab=3)
    model.parameters()[-2].data = [[0.0] * 3 for _ in range(4)]
    model.parameters()[-1].data = [math.log(p) for p in (0.5, 0.2, 0.3)]
    rng = random.Random(1)
    texts = [wavenet.sample(model, rng) for _ in range(1500)]
    assert not model.training
    assert sum(not ids for ids in texts) / 1500 == pytest.approx(0.5, abs=0.05)
    assert sum(ids[:1] == [1] for ids in texts) / 1500 == pytest.approx(0.2, abs=0.05)
    model.parameters()[-1].data = [-1000.0, -1000.0, 0.0]
    assert wavenet.sample(model, rng, 7) == [2] * 7 and len(wavenet.sample(model, rng)) == 39


# --- pictures ---

def columns(text):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else
               0 if unicodedata.combining(char) else 1 for char in text)


def test_the_tree_as_a_picture():
    assert wavenet.draw_tree(list("·ann"), [2, 2]) == (
        "layer 2              ●\n"
        "             ┌───────┤\n"
        "layer 1      ●       ●\n"
        "         ┌───┤   ┌───┤\n"
        "input    ·   a   n   n")
    assert wavenet.draw_tree(list("anna"), [4]) == (
        "layer 1              ●\n"
        "         ┌───┬───┬───┤\n"
        "input    a   n   n   a")
    wide = wavenet.draw_tree(["愛"] * 32, [2] * 5)
    assert max(map(columns, wide.split("\n"))) <= 80 and wide.count("●") == 31
    for n, room in ((16, 4), (32, 2)):
        last = wavenet.draw_tree(["x"] * n, [n]).split("\n")[0]
        assert last == "layer 1  " + " " * (room * (n - 1)) + "●"


@pytest.mark.parametrize("joins", [(2, 2, 2), (4, 2)])
def test_what_the_picture_says_reaches_the_prediction_is_what_does(joins):
    model = trained("convolutions", joins=joins)
    ids = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    outs = []
    logits = model([ids], outs)
    weights = [[[0.0] * 5 for _ in ids]]
    weights[0][-1] = [1.0, 2.0, 0.5, -1.0, 3.0]
    Tensor(0.0, (logits,), lambda grad: (weights,)).backward()
    bends = [outs[0]] + [out for layer, out in zip(model.layers, outs) if isinstance(layer, wavenet.Tanh)]
    picture = wavenet.draw_tree(list("x" * 8), joins).split("\n")[::-2]
    for out, line in zip(bends, picture):
        reached = [any(row) for row in out.grad[0]]
        assert reached == [False] * 2 + [line[9:].ljust(32)[4 * k] != " " for k in range(8)]


def test_curve():
    assert wavenet.draw_curve([4.0, 3.0, 2.0, 1.0], "title", "foot", height=4) == (
        "title\n    4.00 ┤●\n    3.00 ┤ ●\n    2.00 ┤  ●\n    1.00 ┤   ●\n         └────\n"
        "          foot")
    assert wavenet.draw_curve([1.0], "t", "f").count("●") == 1
    lines = wavenet.draw_curve([0.0] * 50 + [1.0] * 50 + [2.9, 3.1] * 14, "t", "f").split("\n")
    assert len(lines) == 13 and lines[1] == "    3.00 ┤" + " " * 50 + "●" * 14  # 2 values a column
    steep = wavenet.draw_curve([float(i) for i in range(100)], "t", "f").split("\n")
    assert [line.count("●") for line in steep[1:11]] == [4, 7, 7, 7, 7, 7, 7, 7, 7, 4]  # rounded
    assert steep[1].startswith("    98.5 ┤") and steep[10].startswith("    0.00 ┤")  # to the last value
    assert lines[10] == "    0.00 ┤" + "●" * 25 and lines[7] == "    1.00 ┤" + " " * 25 + "●" * 25


def test_glyphs():
    tokenizer = wavenet.CharTokenizer("a\n\u0301愛\u200b")
    assert [wavenet.glyph(tokenizer, i) for i in range(6)] == ["·", "␊", "a", "◌\u0301", "�", "愛"]
    assert wavenet.glyph(wavenet.CharTokenizer(" \u20dd"), 1) == "␠"
    assert wavenet.glyph(wavenet.CharTokenizer("!"), 1) == "!"
    assert wavenet.glyph(wavenet.CharTokenizer("\u20dd"), 1) == "◌\u20dd" and wavenet.columns_of("Ａ\u20dd") == 2
    assert wavenet.pad("愛", 4) == "愛  " and wavenet.printable("a\033[2J\tb") == "a�[2J�b"


# --- run as a script ---

@pytest.fixture
def names(tmp_path):
    """The path of a file of 60 names."""
    with open(NAMES, encoding="utf-8") as file:
        return write(tmp_path / "sixty.txt", "".join(file.readlines()[::140][:60]))


SMALL = ["--n-hidden", "6", "--n-embd", "4", "--block-size", "4", "--batch-size", "3", "--samples", "3"]


def output(capsys, *args):
    """What a run with these arguments prints, and its settings."""
    wavenet.main(list(args))
    return capsys.readouterr().out, wavenet.make_parser().parse_args(args)


def test_defaults():
    assert vars(wavenet.make_parser().parse_args([])) == {
        "data": NAMES, "steps": 3000, "batch_size": 12, "block_size": 8, "n_embd": 12, "n_hidden": 32,
        "n_layer": None, "seed": 42, "eval_docs": 2000, "samples": 20, "lr": None, "test": False,
        "tree": False, "gated": False}


def test_help_gives_each_default():
    text = " ".join(run("wavenet.py", "--help").stdout.split())
    assert len(re.findall(r"\(default: ", text)) == 11  # all options but the switches
    assert "(default: 0.8, or 0.2 from 50000 steps on)" in text


def test_what_is_printed_before_training_is_true(names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--steps", "2")
    tokenizer, splits = wavenet.load(names, 42)
    tree, convolutions = (build(kind, tokenizer.n_vocab, (2, 2), 4, 6, 42) for kind in ("tree", "convolutions"))
    ids = max(splits["dev"][:20], key=len)
    contexts = wavenet.contexts_of(ids, 4)
    n, v = len(contexts), tokenizer.n_vocab
    assert out.startswith(f"60 documents, {v} tokens\n")
    params = 4 * v + 8 * 6 + 12 + 12 * 6 + 12 + 6 * v + v
    flat = 4 * v + 16 * 6 + 12 + 6 * v + v
    for title in (f"{n} contexts of 4, all at once: {flat} parameters",
                  f"{n} contexts of 4, as a tree: {params} parameters",
                  f"their document, as convolutions: {params} parameters"):
        assert f"\n{title:54}output shape    parameters\n" in out
    for layer, shape, count in (
            (f"Embedding({v}, 4)", (n, 4, 4), 4 * v), ("FlattenConsecutive(2)", (n, 2, 8), 0),
            ("Linear(8, 6)", (n, 2, 6), 48), ("BatchNorm1d(6)", (n, 2, 6), 12), ("Tanh()", (n, 2, 6), 0),
            ("FlattenConsecutive(4)", (n, 1, 16), 0), ("Linear(16, 6)", (n, 1, 6), 96),
            ("FlattenConsecutive(2)", (n, 1, 12), 0), ("Linear(12, 6)", (n, 1, 6), 72),
            ("Tanh()", (n, 1, 6), 0), (f"Linear(6, {v})", (n, 1, v), 7 * v),
            ("CausalConv1d(4, 6, kernel_size=2, dilation=1)", (1, n, 6), 48),
            ("CausalConv1d(6, 6, kernel_size=2, dilation=2)", (1, n, 6), 72),
            (f"Linear(6, {v})", (1, n, v), 7 * v)):
        assert re.search(rf"^  {re.escape(layer)} +{re.escape(str(shape))} +{count}$", out, re.M)
    varying, apart = wavenet.norm_by_place(build("tree", v, (2, 2), 4, 6, 42), splits["train"][:200])
    words = " ".join(out.split())
    assert (f" why batch norm is over batch and time: over the batch alone, its means in layer 1 would vary "
            f"{varying:.2f} times as much from batch to batch, and the same pair of letters would become "
            f"numbers {apart:.2f} standard deviations apart at the last place and the one before ") in words
    picture = wavenet.draw_tree([wavenet.glyph(tokenizer, i) for i in contexts[-1]], [2, 2])
    assert f"\n\nwhat the last prediction is made from\n{picture}\n\n" in out
    costs = n * (2 * 48 + 72 + 6 * v), n * (48 + 72 + 6 * v)
    assert (f"multiply-adds for the {n} predictions of this name: {costs[0]} as a tree, {costs[1]} as "
            f"convolutions, a saving of {1 - costs[1] / costs[0]:.0%}; the logits differ by at most ") in words
    assert float(re.search(r"differ by at most (\S+) ", words).group(1)) < 1e-9
    assert max(map(columns, out.split("\n"))) <= 80


@pytest.mark.parametrize("mode", [[], ["--tree"], ["--gated"]])
def test_what_is_printed_after_training_is_true(mode, names, capsys):
    out, args = output(capsys, "--data", names, *SMALL, "--steps", "40", "--seed", "3", "--lr", "0.3", "--test",
                       "--eval-docs", "4", *mode)
    tokenizer, splits = wavenet.load(names, 3)
    kind = {"": "convolutions", "--tree": "tree", "--gated": "gated"}["".join(mode)]
    plain = build("tree" if mode == ["--tree"] else "convolutions", tokenizer.n_vocab, (2, 2), 4, 6, 3)
    model = plain
    if mode == ["--gated"]:
        model = wavenet.gated_like(plain, tokenizer.n_vocab, (2, 2), 3)
        plain_losses = list(wavenet.train(plain, splits["train"], wavenet.decay(0.3, 40), 3, random.Random(3)))
        assert len(plain_losses) == 40
    losses = list(wavenet.train(model, splits["train"], wavenet.decay(0.3, 40), 3, random.Random(3),
                                loss_of(kind)))
    found = {name: wavenet.evaluate(model, splits[name][:4], loss_of(kind)) for name in splits}
    how = {"tree": ", as a tree", "gated": ", plain and gated", "convolutions": ""}[kind]
    assert f"\n40 steps with learning rates from 0.3 down towards 0{how}\ntrain loss " in out
    for name, loss in found.items():
        assert f"\n{name} loss {loss:.4f}\n" in out
    assert wavenet.draw_curve(losses, "loss in training, nats a token" + (", gated" if mode == ["--gated"] else ""),
                              "steps 1 to 40") in out
    if mode == ["--gated"]:
        for name, other in (("plain", plain), ("gated", model)):
            width = other.children()[-1].weight.shape[0]
            params = sum(len(wavenet.numbers_of(p.data)) for p in other.parameters())
            row = [name, width, params, wavenet.cost(other)] + [
                f"{wavenet.evaluate(other, splits[part][:4]):#.5g}" for part in ("train", "dev")]
            assert [str(item) for item in row] in [line.split() for line in out.split("\n")]
        assert wavenet.cost(model) <= wavenet.cost(plain) < wavenet.cost(
            wavenet.WaveNet(tokenizer.n_vocab, (2, 2), width + 1, random.Random(1)))
    else:
        assert "compared" not in out
    if mode == ["--tree"]:
        model = wavenet.as_convolutions(model, build(n_vocab=tokenizer.n_vocab, n_embd=4, n_hidden=6))
    rng, known = random.Random(3), [ids[1:-1] for ids in splits["train"]]
    texts = [wavenet.sample(model, rng) for _ in range(3)]
    steps = [min(len(ids) + 1, 39) for ids in texts]
    ratio = sum(n * (n + 1) / 2 for n in steps) / sum(steps)
    assert out.endswith("\n\nsamples (* is one of the training documents)\n" + "".join(
        ("* " if ids in known else "  ") + tokenizer.decode(ids) + "\n" for ids in texts)
        + f"without the memory they are the same, for {ratio:.1f} times as many multiply-adds\n")
    assert max(map(columns, out.split("\n"))) <= 80


def test_only_training_documents_are_marked(names, monkeypatch, capsys):
    splits = wavenet.load(names, 42)[1]
    ids = iter([splits[name][-1][1:-1] for name in ("train", "dev", "test") for _ in range(2)])
    monkeypatch.setattr(wavenet, "sample", lambda *args, **kwargs: next(ids))
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "1")
    block = out[out.index("samples (* is"):].split("\n")[1:4]
    assert [line[:2] for line in block] == ["* ", "  ", "  "]
    assert "without the memory they are the same, " in out
    ids = iter([[1] * 39, [1] * 39])  # cut, so that no boundary was drawn
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "1", "--samples", "1")
    assert "without the memory they are the same, for 20.0 times as many" in out
    ids = iter([[1], [2]])
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "1", "--samples", "1")
    assert "without the memory they are not the same, for 1.5 times as many" in out


def test_what_is_left_out_when_not_asked_for(names, capsys):
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "0", "--samples", "0", "--eval-docs", "0")
    assert "loss" not in out and "samples" not in out
    assert "test loss" not in output(capsys, "--data", names, *SMALL, "--steps", "2")[0]
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "2", "--gated", "--eval-docs", "0")
    assert "compared      channels  parameters  multiply-adds a token\n" in out


def test_one_layer_is_the_flat_network(names, capsys):
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "2", "--n-layer", "1", "--block-size", "8")
    assert out.count("FlattenConsecutive(8)") == 1 and "CausalConv1d(4, 6, kernel_size=8, dilation=1)" in out
    assert "why batch norm" not in out and "all at once" not in out and "┬" in out


def test_which_documents_are_looked_at_before_training(tmp_path, monkeypatch, capsys):
    with open(NAMES, encoding="utf-8") as file:
        path = write(tmp_path / "names.txt", "".join(file.readlines()[:500]))
    asked = []
    monkeypatch.setattr(wavenet, "norm_by_place", lambda tree, documents: asked.append(documents) or (1.0, 1.0))
    splits = wavenet.load(path, 42)[1]
    for place in (19, 20):  # the longest of the first 20
        longer = [list(ids) for ids in splits["dev"]]
        longer[place] = [0] + longer[place][1:-1] * 9 + [0]
        monkeypatch.setattr(wavenet, "load", lambda *args: (wavenet.CharTokenizer("abcdefghijklmnopqrstuvwxyz"),
                                                            {**splits, "dev": longer}))
        out, _ = output(capsys, "--data", path, *SMALL, "--steps", "0", "--eval-docs", "0")
        assert (f"{len(longer[place]) - 1} contexts of 4, as a tree" in out) == (place == 19)
    assert asked[0] == splits["train"][:200]
    out, _ = output(capsys, "--data", path, *SMALL, "--steps", "0", "--eval-docs", "0", "--block-size", "32")
    assert "what the last prediction" in out


@pytest.mark.parametrize("text", ["a\n" * 60, "ab\n" * 250, "".join("a" * n + "\n" for n in range(1, 31))])
def test_documents_all_alike(text, tmp_path, capsys):
    path = write(tmp_path / "names.txt", text)
    for mode in ([], ["--gated", "--n-hidden", "1", "--n-embd", "1"]):
        out, _ = output(capsys, "--data", path, *SMALL, "--steps", "5", *mode)
        assert "dev loss" in out and "nan" not in out
        assert ("why batch norm" in out) == (text.count("\n") == 30)


def test_wide_tables_stay_in_their_columns(names, monkeypatch, capsys):
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "0", "--eval-docs", "0", "--n-hidden", "128",
                    "--n-layer", "1", "--block-size", "256")
    assert max(map(columns, out.split("\n"))) <= 80 and not re.search(r"\)\(\d+, ", out)
    monkeypatch.setattr(wavenet, "evaluate", lambda *args: 536835592819.7544)
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "1", "--gated")
    assert re.search(r"^  plain +6 +\d+ +\d+( +5.3684e\+11){2}$", out, re.M)
    assert max(map(columns, out.split("\n"))) <= 80


def test_a_context_too_wide_to_draw(names, capsys):
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", "2", "--block-size", "64")
    assert "what the last prediction" not in out and "dev loss" in out
    assert max(map(columns, out.split("\n"))) <= 80


@pytest.mark.parametrize("steps, lr", [("49999", 0.8), ("50000", 0.2)])
def test_the_default_learning_rate(names, steps, lr, monkeypatch, capsys):
    asked = []

    def train(model, documents, rates, *args):
        asked.append(rates)
        return iter(())

    monkeypatch.setattr(wavenet, "train", train)
    out, _ = output(capsys, "--data", names, *SMALL, "--steps", steps)
    assert asked == [wavenet.decay(lr, int(steps))] and f"rates from {lr} down" in out


def test_progress_says_the_mean_of_the_last_100_losses_and_the_time_left(monkeypatch, capsys):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(wavenet.time, "monotonic", lambda: next(clock))
    losses = [(9.0, 8.0)] * 5 + [(3.0, 1.0)] * 50 + [(1.0, 2.0)] * 50
    assert wavenet.follow("title", iter(losses), 105, ) == losses
    out, error = capsys.readouterr()
    assert out == "title\n" and error.endswith("step 100/105  loss 2.400, 1.800  10 s left\n")
    assert error.startswith("step 10/105  loss 6.000, 4.500  190 s left\n")


def test_other_alphabets_and_control_characters(tmp_path, capsys):
    text = "josé zoë añil e\u0301a анна щукарь 愛子 美咲 a\033[2Jb a\u200bb".replace(" ", "\n")
    out, _ = output(capsys, "--data", write(tmp_path / "odd.txt", f"{text}\n" * 3), *SMALL,
                    "--steps", "30", "--samples", "30")
    assert "\033" not in out and "\u200b" not in out
    assert max(map(columns, out.split("\n"))) <= 80


def test_the_same_seed_gives_the_same_output(names):
    for mode in ([], ["--tree"], ["--gated"]):
        first, again, other = (run("wavenet.py", "--data", names, *SMALL, "--steps", "10", *mode,
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
    (["--n-embd", "0"], "argument --n-embd: must be a whole number from 1"),
    (["--n-hidden", "-5"], "argument --n-hidden: must be a whole number from 1"),
    (["--n-layer", "0"], "argument --n-layer: must be a whole number from 1"),
    (["--lr", "0"], "argument --lr: must be a number above 0 and up to 10^9, not '0'"),
    (["--seed", "x"], "argument --seed: must be a whole number from 0 to 10^9, not 'x'"),
    (["--tree", "--gated"], "not allowed with argument"),
    (["--block-size", "0"], "argument --block-size: must be a whole number from 1 to 10^9, not '0'"),
    (["--block-size", "1"], "--block-size 1 is no power of two above 1, and layers that join two by two need one; take 2"),
    (["--block-size", "3"], "--block-size 3 is no power of two above 1, and layers that join two by two need one; "
                            "take 2 or 4"),
    (["--block-size", "12"], "take 8 or 16"), (["--block-size", "1000"], "take 512 or 1024"),
    (["--n-layer", "4"], "--n-layer 4 is too many: a context of 8 can be halved 3 times; take at most that, or "
                         "--block-size 16"),
    (["--n-layer", "20000"], "a context of 8 can be halved 3 times; take at most that"),
    (["--data", "three.txt", "--steps", "50", "--lr", "1e9", "--gated"],
     "the loss grew without bound, as the steps were too large; try a smaller --lr")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "empty.txt", "")
    write(tmp_path / "blank.txt", "\n \n\n")
    write(tmp_path / "latin.txt", "abc\nd\xe4\n".encode("latin-1"))
    write(tmp_path / "two.txt", "ab\nba\n")
    write(tmp_path / "three.txt", "anna\nbert\nclara\n")
    scripts.check_refused(wavenet.main, "wavenet.py", args, message, capsys)


def test_a_file_that_may_not_be_read(monkeypatch, capsys):
    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    scripts.check_refused(wavenet.main, "wavenet.py", ["--data", "secret.txt"],
                          "secret.txt: Permission denied; name a text file that you can open", capsys)


def test_where_the_characters_of_the_pictures_cannot_be_printed(names):
    done = run("wavenet.py", "--data", names, *SMALL, "--steps", "10",
               env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "dev loss" in done.stdout and "??" in done.stdout


@scripts.posix
def test_ctrl_c_ends_training(names):
    scripts.check_ctrl_c("wavenet.py", ["--data", names, *SMALL], ready="1000000 steps with learning rates",
                         after="samples (*", endless=(["--samples", "1000000"], "samples"))


@scripts.posix
def test_ctrl_c_outside_of_training_quits(names):
    scripts.check_quits("wavenet.py", ["--data", names, *SMALL, "--steps", "1", "--samples", "1000000"],
                        ready="samples")


@scripts.posix
def test_closed_outputs(names):
    scripts.check_closed_outputs("wavenet.py", ["--data", names, *SMALL, "--steps", "10"])


@scripts.posix
def test_a_reader_that_leaves(names):
    scripts.check_reader_leaves("wavenet.py", ["--data", names, *SMALL, "--steps", "10", "--samples", "5000"])


@scripts.full_disk
def test_a_full_disk(names):
    scripts.check_full_disk("wavenet.py", ["--data", names, *SMALL, "--steps", "10", "--samples", "2000"])


def test_progress_on_a_terminal(names, monkeypatch):
    scripts.check_progress_on_a_terminal(
        wavenet.main, ["--data", names, *SMALL, "--steps", "20"], r"step 20/20  loss [\d.]+  0 s left",
        monkeypatch)


def test_progress_in_a_pipe_is_ten_plain_lines(names):
    lines = run("wavenet.py", "--data", names, *SMALL, "--steps", "30").stderr.split("\n")
    assert [line.split()[1] for line in lines if line] == [f"{k}/30" for k in range(3, 31, 3)]
    assert all(re.fullmatch(r"step \d+/30  loss \d\.\d{3}  \d+ s left", line) for line in lines if line)
