"""mlp.py: gradients by nudging and by hand, layers and networks against PyTorch, the script."""
import copy
import doctest
import itertools
import math
import random
import re
from pathlib import Path

import pytest

import gradcheck
import mlp
from helpers import close, fill_with_sines, numbers_in, random_data, sines, weighed
from mlp import Tensor

exercise = pytest.mark.exercise

CONFIG = {
    "vocab_size": 6,
    "block_size": 3,
    "n_embd": 2,
    "n_hidden": 4,
    "n_layer": 1,
    "activation": "tanh",
    "init": "kaiming",
    "norm": "batch",
}
EXAMPLES = [
    ((5, 5, 5), 0),
    ((5, 5, 0), 3),
    ((5, 0, 3), 1),
    ((0, 3, 1), 5),
    ((3, 1, 5), 2),
]
DOCUMENTS = [
    [5, 0, 3, 1, 5],
    [5, 2, 2, 5],
    [5, 4, 0, 5],
]

# The constants below come from PyTorch 2.13 in float64. All snippets begin with
#
#     import math, torch
#     from torch.nn import functional as F
#     torch.set_default_dtype(torch.float64)
#     def sines(k, *shape):  # parameter k, as fill_with_sines makes it
#         numbers = 0.5 * torch.sin(3.0 * k + torch.arange(math.prod(shape)))
#         return (numbers + 0.5 * (len(shape) == 1)).reshape(shape).requires_grad_()
#     def matrix(n, m, step):  # as helpers.sines makes it
#         rows = [[math.sin(step * i + j) for j in range(m)] for i in range(n)]
#         return torch.tensor(rows).requires_grad_()
#     x = matrix(4, 3, 2)


def loss_of(model, examples, training=True):
    """Return the mean loss of examples, as a Tensor."""
    contexts = [context for context, _ in examples]
    targets = [target for _, target in examples]
    return mlp.cross_entropy(model(contexts, training), targets)


def build(**changes):
    """Return a small network whose parameters are all different."""
    model = mlp.build(CONFIG | changes, seed=5)
    fill_with_sines(model.params)
    return model


def train(model, examples, steps=6, **options):
    """Train with batches of 4 and return the list of losses."""
    losses = []

    def report(step, loss):
        losses.append(loss)
        assert step == len(losses)
    mlp.train(model, examples, steps, 4, 0.5, 5, report, **options)
    return losses


# --- data ---

@exercise("3.1")
def test_contexts_and_targets():
    documents = [[0, 5, 6, 0], [0, 7, 0]]
    assert mlp.examples_of(documents, 3) == [
        ((0, 0, 0), 5),
        ((0, 0, 5), 6),
        ((0, 5, 6), 0),
        ((0, 0, 0), 7),
        ((0, 0, 7), 0),
    ]
    contexts = [context for context, _ in mlp.examples_of(documents, 1)]
    assert contexts == [(0,), (5,), (6,), (0,), (7,)]
    assert documents == [[0, 5, 6, 0], [0, 7, 0]]


# --- layers ---

@exercise("3.2")
def test_the_embedding_looks_up_rows():
    weight = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert mlp.embedding(weight, [1, 0]).data == [[3.0, 4.0], [1.0, 2.0]]


@exercise("3.2")
def test_gradient_of_the_embedding():
    weight = Tensor(sines(4, 3))

    def loss():
        return weighed(mlp.embedding(weight, [3, 1, 1, 0]))
    gradcheck.check(loss, {"weight": weight})


def test_gradient_of_flatten_consecutive():
    x = Tensor(sines(6, 2))
    gradcheck.check(lambda: weighed(mlp.flatten_consecutive(x, 3)), {"x": x})


@exercise("3.3")
@pytest.mark.parametrize("n, n_in, n_out", [
    (2, 3, 4),
    (4, 2, 5),
    (1, 1, 1),
])
def test_gradients_of_the_linear_layer(n, n_in, n_out):
    tensors = {
        "x": Tensor(sines(n, n_in)),
        "weight": Tensor(sines(n_out, n_in, row_step=1.5)),
    }

    def loss():
        return weighed(mlp.linear(**tensors))
    gradcheck.check(loss, tensors)
    tensors["bias"] = Tensor(sines(1, n_out)[0])
    gradcheck.check(loss, tensors)


@exercise("3.3")
def test_a_linear_layer_by_hand():
    x = Tensor([[1.0, 2.0], [0.0, 1.0]])
    weight = Tensor([[3.0, 4.0], [5.0, 6.0], [0.0, 7.0]])
    bias = Tensor([0.5, 0.0, -1.0])
    assert mlp.linear(x, weight).data == [
        [11, 17, 14],
        [4, 6, 7],
    ]
    assert mlp.linear(x, weight, bias).data == [
        [11.5, 17, 13],
        [4.5, 6, 6],
    ]


@exercise("3.4")
def test_tanh_and_its_gradient():
    numbers = [-3.0, -0.5, 0.0, 0.25, 1.0, 20.0]
    x = Tensor([numbers])

    def loss():
        return weighed(mlp.tanh(x))
    gradcheck.check(loss, {"x": x})
    assert close(mlp.tanh(x).data[0], [math.tanh(v) for v in numbers])


def test_relu_and_its_gradient():
    x = Tensor([[-3.0, -0.5], [0.1, 20.0]])

    def loss():
        return weighed(mlp.relu(x))
    gradcheck.check(loss, {"x": x})
    assert mlp.relu(x).data == [[0.0, 0.0], [0.1, 20.0]]


# --- loss ---

def multiply(factor, a):
    """Return the Tensor factor * a of a number a."""
    def backward(grad):
        return [factor * grad]
    return Tensor(factor * a.data, [a], backward)


@exercise("3.5")
@pytest.mark.parametrize("targets", [[2], [2, 0, 2]])
@pytest.mark.parametrize("factor", [1, 3])
def test_gradient_of_cross_entropy_alone_and_inside_a_larger_loss(factor, targets):
    logits = Tensor(sines(len(targets), 4))

    def loss():
        return multiply(factor, mlp.cross_entropy(logits, targets))
    gradcheck.check(loss, {"logits": logits})


def test_gradients_of_a_sum_whose_parts_are_shared():
    a = Tensor(sines(3, 2))
    b = Tensor(sines(3, 2, row_step=0.7))
    gradcheck.check(lambda: weighed(a + b + a), {"a": a, "b": b})


@exercise("3.5")
def test_known_losses():
    equal = Tensor([[0.0] * 27])
    assert mlp.cross_entropy(equal, [4]).data == pytest.approx(math.log(27))
    logits = Tensor([[0.0, math.log(3)]] * 2)  # the probabilities are 1 / 4 and 3 / 4
    mean = (math.log(4) + math.log(4 / 3)) / 2
    assert mlp.cross_entropy(logits, [0, 1]).data == pytest.approx(mean)
    too_large_for_exp = Tensor([[2000.0, 0.0]])
    assert mlp.cross_entropy(too_large_for_exp, [1]).data == 2000.0


# --- norms ---

@exercise("3.7")
@pytest.mark.parametrize("n_rows, n_columns", [
    (3, 4),
    (1, 2),
    (2, 3),
])
def test_gradient_of_normed_rows(n_rows, n_columns):
    rows = Tensor(sines(n_rows, n_columns))

    def loss():
        normed, stds = mlp.normalize(rows.data)

        def backward(grad):
            return [mlp.normalize_backward(grad, normed, stds)]
        return weighed(Tensor(normed, [rows], backward))
    assert gradcheck.check(loss, {"rows": rows}) == n_rows * n_columns


def test_normed_rows_have_mean_0_and_variance_1():
    normed, stds = mlp.normalize([[1.0, 3.0], [-20.0, 0.0, 50.0]])
    for row in normed:
        assert mlp.mean_and_variance(row) == pytest.approx((0.0, 1.0), abs=1e-5)
    assert stds[0] == pytest.approx(1.0, abs=1e-5)
    assert mlp.normalize([[3.0, 3.0]])[0] == [[0.0, 0.0]]


# w = sines(0, 3); b = sines(1, 3); out[1]
# batch:           out = F.batch_norm(x, None, None, w, b, True)
# layer:           out = F.layer_norm(x, (3,), w, b)
# not in training: out = F.batch_norm(x, *map(torch.tensor, RUNNING[130]), w, b)
NORMS = {
    "batch": [1.345742659154, 0.083429844894, -1.211593178802],
    "layer": [1.166428189911, 0.180082599825, -1.177789699826],
    "not in training": [-1.515947508009, -4.442145191689, -5.769803353799],
}

# norm = torch.nn.BatchNorm1d(3, momentum=None)
# for b in range(1, 131):
#     if b == 101: norm.momentum = 0.01
#     norm(x * math.sin(b) + b % 7)
# norm.eval()
RUNNING = {  # after so many batches, the means and the variances
    3: (
        [1.979990037473, 2.107310010676, 2.135969654949],
        [0.254577285478, 0.339178917109, 0.392248334879]),
    100: (
        [2.970040351543, 2.969783601569, 2.969725807315],
        [0.246921275337, 0.328978646397, 0.380452085171]),
    130: (
        [2.982781207794, 2.983875351184, 2.984121642159],
        [0.246878799895, 0.328922055431, 0.380386639735]),
}


def statistics_of_130_batches():
    """Yield the number of each batch, and the statistics after it."""
    statistics = mlp.RunningStatistics(3)
    for b in range(1, 131):
        factor = math.sin(b)
        batch = [[v * factor + b % 7 for v in row] for row in sines(4, 3)]
        statistics.update(batch)
        yield b, statistics


@exercise("3.8")
def test_running_statistics_are_pytorchs():
    for b, statistics in statistics_of_130_batches():
        if b in RUNNING:
            means, variances = RUNNING[b]
            assert close(statistics.mean, means)
            assert close(statistics.variance, variances)


@pytest.mark.parametrize("kind", NORMS)
def test_the_norms_are_pytorchs(kind):
    x = Tensor(sines(4, 3))
    weight = Tensor([0.0] * 3)
    bias = Tensor([0.0] * 3)
    fill_with_sines({"weight": weight, "bias": bias})
    if kind == "layer":
        out = mlp.layer_norm(x, weight, bias)
    else:
        *_, (_, statistics) = statistics_of_130_batches()
        out = mlp.batch_norm(x, weight, bias, statistics, kind == "batch")
    assert close(out.data[1], NORMS[kind])


def test_only_training_changes_the_running_statistics_of_each_layer():
    model = build(n_layer=2)
    examples = mlp.examples_of(DOCUMENTS, 3)
    train(model, examples)
    first, second = model.statistics
    assert first.n_batches == second.n_batches == 6
    assert first.mean != second.mean
    before = copy.deepcopy(vars(first))
    mlp.evaluate(model, examples)
    mlp.sample(model, random.Random(1))
    mlp.diagnose(model, examples, 0.1)
    assert vars(first) == before


# --- networks ---

@pytest.mark.parametrize("n_layer", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_gradient_of_every_parameter(norm, activation, n_layer):
    model = build(norm=norm, activation=activation, n_layer=n_layer)
    rng = random.Random(1)
    for p in model.params.values():
        p.data = random_data(rng, p.shape)

    def loss():
        return loss_of(model, EXAMPLES)
    gradcheck.check(loss, model.params)

    def loss_outside_of_training():
        return loss_of(model, EXAMPLES, training=False)
    gradcheck.check(loss_outside_of_training, model.params)


# def network(norm, n_layer):
#     shapes = {"embedding.weight": (6, 2)}
#     for i in range(n_layer):
#         shapes[f"hidden.{i}.weight"] = (4, 4 if i else 6)
#         if norm == "none": shapes[f"hidden.{i}.bias"] = (4,)
#     shapes |= {"output.weight": (6, 4), "output.bias": (6,)}
#     for i in range(n_layer):
#         if norm != "none": shapes |= {f"norm.{i}.weight": (4,), f"norm.{i}.bias": (4,)}
#     return {name: sines(k, *shape) for k, (name, shape) in enumerate(shapes.items())}
# def logits_of(p, contexts, norm, activation, n_layer,
#               mean=None, var=None, training=True, share=0.0):
#     x = p["embedding.weight"][torch.tensor(contexts)].flatten(1)
#     for i in range(n_layer):
#         x = F.linear(x, p[f"hidden.{i}.weight"], p.get(f"hidden.{i}.bias"))
#         w, b = p.get(f"norm.{i}.weight"), p.get(f"norm.{i}.bias")
#         if norm == "batch": x = F.batch_norm(x, mean, var, w, b, training, share)
#         if norm == "layer": x = F.layer_norm(x, (4,), w, b)
#         x = getattr(torch, activation)(x)
#     return F.linear(x, p["output.weight"], p["output.bias"])
# contexts = [context for context, _ in EXAMPLES]
# p = network(norm, n_layer); logits = logits_of(p, contexts, norm, activation, n_layer)
# F.cross_entropy(logits, torch.tensor([0, 3, 1, 5, 2])), logits[0, :3]
NETWORKS = [
    ("batch", "tanh", 1, 1.81624407098, [0.95067017196, -0.132161623239, 0.226214863408]),
    ("batch", "relu", 2, 2.129861481788, [-0.497332108725, 1.238023428667, 1.034180218499]),
    ("layer", "tanh", 2, 1.973123034889, [-0.2241123752, 1.048842822166, 1.008273878234]),
    ("none", "relu", 1, 2.245557970482, [-0.653638688096, 1.456525548402, 0.90484176445]),
]


@pytest.mark.parametrize("norm, activation, n_layer, loss, logits", NETWORKS)
def test_networks_are_pytorchs(norm, activation, n_layer, loss, logits):
    model = build(norm=norm, activation=activation, n_layer=n_layer)
    assert mlp.backpropagate(model, EXAMPLES) == pytest.approx(loss, abs=1e-11)
    assert close(model.outs["output"].data[0][:3], logits)


# p = network("batch", 1); mean = torch.zeros(4); var = torch.ones(4)
# rng = random.Random(5)
# for step in range(1, 7):
#     contexts, targets = zip(*rng.choices(mlp.examples_of(DOCUMENTS, 3), k=4))
#     logits = logits_of(p, contexts, "batch", "tanh", 1, mean, var, True, 1 / step)
#     for q in p.values(): q.grad = None
#     loss = F.cross_entropy(logits, torch.tensor(targets)); loss.backward()
#     with torch.no_grad():
#         for q in p.values(): q -= 0.5 * (7 - step) / 6 * q.grad
# at the end: the loss of all examples with training=False
def test_training_is_pytorchs():
    model = build()
    examples = mlp.examples_of(DOCUMENTS, 3)
    assert close(train(model, examples), [
        1.669966941168, 1.668695608759, 1.369028250678,
        2.723058127519, 2.274521014565, 1.707475294681])
    assert close(model.statistics[0].mean, [
        0.282383266721, 0.158452268856, 0.247679309717, 0.225901198714])
    assert mlp.evaluate(model, examples) == pytest.approx(1.6742388038359564, abs=1e-9)


def test_evaluation_of_more_contexts_than_go_through_the_network_at_once():
    model = build(vocab_size=20, block_size=2)
    examples = [((i % 20, i // 20), i % 7) for i in range(400)]
    examples += examples[:50]
    train(model, examples)
    expected = loss_of(model, examples, training=False).data
    assert mlp.evaluate(model, examples) == pytest.approx(expected, abs=1e-12)


def test_a_parameter_without_a_gradient_is_named():
    model = build()
    mlp.backpropagate(model, EXAMPLES)
    model.params["norm.0.bias"].grad = None
    with pytest.raises(ValueError, match="reached the parameter norm.0.bias"):
        mlp.descend(model.params, 0.1)


def test_what_does_not_fit_is_refused():
    x = Tensor([[1.0, 2.0]])
    three = Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="linear"):
        mlp.linear(x, Tensor([[1.0]]))
    with pytest.raises(ValueError, match="embedding"):
        mlp.embedding(x, [-1])
    with pytest.raises(ValueError, match="3 rows"):
        mlp.flatten_consecutive(Tensor(sines(3, 2)), 2)
    with pytest.raises(ValueError):
        mlp.layer_norm(x, three, three)
    with pytest.raises(ValueError, match="targets"):
        mlp.cross_entropy(x, [2])


# --- first weights ---

@exercise("3.6")
@pytest.mark.parametrize("activation, gain", [
    ("tanh", 5 / 3),
    ("relu", math.sqrt(2)),
])
def test_kaiming_init_makes_the_weights_of_linear_layers_smaller(activation, gain):
    config = CONFIG | {"n_layer": 3, "activation": activation}
    params = mlp.first_params(config, 1)
    drawn = copy.deepcopy(params)
    mlp.kaiming_init(params, config)
    factors = {
        "hidden.0.weight": 1 / math.sqrt(6),  # of 3 tokens with 2 numbers
        "hidden.1.weight": gain / 2,  # of 4 inputs, the root is 2
        "hidden.2.weight": gain / 2,
        "output.weight": 0.1 / 2,
    }
    for name, p in params.items():
        factor = factors.get(name, 1.0)
        assert close(p.data, [factor * w for w in numbers_in(drawn[name].data)])


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_a_new_network_holds_all_tokens_for_equally_likely(norm):
    config = CONFIG | {
        "vocab_size": 27, "block_size": 4, "n_embd": 12, "n_hidden": 64, "n_layer": 2,
        "norm": norm}
    rng = random.Random(3)
    examples = []
    for _ in range(100):
        examples.append((rng.choices(range(27), k=4), rng.randrange(27)))
    loss = loss_of(mlp.build(config, 1), examples).data
    assert loss == pytest.approx(math.log(27), abs=0.1)
    naive_loss = loss_of(mlp.build(config | {"init": "naive"}, 1), examples).data
    assert naive_loss > 8


def test_a_norm_takes_the_place_of_the_bias():
    plain = mlp.build(CONFIG | {"norm": "none", "init": "naive"}, 1).params
    normed = mlp.build(CONFIG | {"init": "naive"}, 1).params
    assert list(plain) == [
        "embedding.weight", "hidden.0.weight", "hidden.0.bias", "output.weight", "output.bias"]
    assert plain.keys() - normed.keys() == {"hidden.0.bias"}
    assert normed["norm.0.weight"].data == [1.0] * 4
    assert normed["norm.0.bias"].data == [0.0] * 4
    smaller = [[0.3 * w for w in row] for row in plain["embedding.weight"].data]
    assert normed["embedding.weight"].data == smaller


# --- by hand ---

@exercise("3.9")
@pytest.mark.parametrize("changes", [
    {},
    {"n_hidden": 7, "n_embd": 1, "block_size": 2},
    {"block_size": 1, "n_embd": 5},
])
def test_gradients_by_hand_are_those_of_backward(changes):
    model = build(**changes)
    other = build(**changes)
    examples = mlp.examples_of(DOCUMENTS * 3, model.config["block_size"])
    expected = mlp.backpropagate(other, examples)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Tensor, "backward")  # by hand it is not needed
        loss = mlp.gradients_by_hand(model, examples)
    assert loss == pytest.approx(expected, abs=1e-12)
    for name, p in model.params.items():
        assert p.shape == mlp.shape_of(p.grad)
        assert close(p.grad, other.params[name].grad, 1e-12), name


# --- diagnostics and learning rates ---

def test_the_share_that_is_stuck():
    rows = [[0.98, -0.99, 0.95, 0.0], [0.1, 0.2, 0.0, 0.0]]
    assert mlp.stuck_share(rows, "tanh") == 2 / 8
    rows = [[0.98, 0.0, 0.95, 0.0], [0.1, 0.2, 0.0, 0.0]]
    assert mlp.stuck_share(rows, "relu") == 1 / 4


def test_diagnose_prints_each_layer(capsys):
    model = build(n_layer=2)
    mlp.diagnose(model, EXAMPLES, 0.5)
    first, *lines = capsys.readouterr().out.strip().split("\n")
    assert first == f"loss {mlp.backpropagate(model, EXAMPLES):.4f}"
    layer, size, stuck, grad_size, step = lines[3].split()
    assert layer == "hidden.1"
    out = model.outs[layer]
    assert size == f"{mlp.rms(out.data):.3f}"
    assert stuck == f"{mlp.stuck_share(out.data, 'tanh'):.1%}"
    assert grad_size == f"{mlp.rms(out.grad):.6f}"
    weight = model.params["hidden.1.weight"]
    assert step == f"{0.5 * mlp.rms(weight.grad) / mlp.rms(weight.data):.4f}"
    assert mlp.rms([[3.0, 4.0], [0.0, 0.0]]) == 2.5


@pytest.mark.parametrize("loss_after, end", [
    (2.2, "lr  10.0000  loss 2.2000"),
    (50.0, "the loss explodes"),
    (math.nan, "the loss explodes"),
    (math.inf, "the loss explodes"),
])
def test_the_finder_ends_at_10_or_when_the_loss_explodes(loss_after, end, monkeypatch, capsys):
    losses = itertools.chain([4.0, 2.0, 2.0, 2.0, 1.9, 1.9], itertools.repeat(loss_after))
    rates = []
    monkeypatch.setattr(mlp, "backpropagate", lambda model, examples: next(losses))
    monkeypatch.setattr(mlp, "descend", lambda params, lr: rates.append(lr))
    mlp.find_lr(build(), EXAMPLES, 4, 5, steps_per_rate=2)
    factor = 10 ** 0.1  # ten rates for each power of ten
    assert rates[:3] == pytest.approx([0.001, 0.001, 0.001 * factor])
    out = capsys.readouterr().out
    assert out.startswith("lr   0.0010  loss 3.0000\nlr   0.0013  loss 2.0000\n")
    assert out.endswith(f"{end}\nthe loss was lowest at lr 0.0016\n")


# --- samples ---

class Counting(mlp.MLP):
    """A network that is sure of one token, the sum of the context plus 1, modulo 4."""

    def __call__(self, contexts, training=False):
        out = []
        for context in contexts:
            row = [0.0] * 4
            row[(sum(context) + 1) % 4] = 1000.0
            out.append(row)
        return Tensor(out)


@pytest.mark.parametrize("block_size, expected", [
    (1, [0, 1, 2]),
    (2, []),
    (3, [2, 1]),
])
def test_samples_end_at_the_boundary(block_size, expected):
    model = Counting({}, CONFIG | {"vocab_size": 4, "block_size": block_size})
    assert mlp.sample(model, random.Random(0)) == expected
    assert mlp.sample(model, random.Random(0), max_new_tokens=1) == expected[:1]


# --- the faster dot products, and the script ---

@pytest.fixture
def options(tmp_path):
    """The options of a small network and a file of 60 names."""
    names = Path(mlp.__file__).with_name("names.txt").read_text(encoding="utf-8").split()
    path = tmp_path / "sixty.txt"
    path.write_text("\n".join(names[::140][:60]), encoding="utf-8")
    return [
        "--data", str(path), "--steps", "20", "--n-hidden", "8", "--n-embd", "4",
        "--block-size", "2", "--batch-size", "8", "--samples", "3"]


def printed(capsys, *args):
    """Return what the script prints."""
    mlp.main(list(args))
    return capsys.readouterr().out


def test_the_examples_in_the_text():
    assert doctest.testmod(mlp).failed == 0


def test_a_run_prints_losses_and_samples_and_repeats_exactly(options, capsys):
    # the first of 20 steps, and each tenth of the training; 3 samples and a last newline
    out = printed(capsys, *options)
    assert len(re.findall(r"^step +\d+  loss \d\.\d{4} \| *\*$", out, re.M)) == 11
    assert re.findall(r"^(\w+) loss [23]\.\d{4}$", out, re.M) == ["train", "dev"]
    assert len(out.split("samples (* is one of the documents)\n")[1].split("\n")) == 4
    assert printed(capsys, *options) == out
    assert "\ntest loss " in printed(capsys, *options, "--test")


def test_another_seed_gives_other_weights(options, capsys):
    first = printed(capsys, *options).split("\n")
    other = printed(capsys, *options, "--seed", "1").split("\n")
    assert first[0] != other[0]


def test_a_run_by_hand_prints_the_same(options, capsys):
    assert printed(capsys, *options, "--by-hand") == printed(capsys, *options)


@pytest.mark.parametrize("mode, expected, n_samples", [
    ("--diagnose", "\nhidden.0 ", 3),
    ("--find-lr", "\nthe loss was lowest at lr ", 0),
    ("--compare", "  {'n_hidden': 2}\n", 0)])
def test_other_modes(mode, expected, n_samples, options, capsys):
    out = printed(capsys, *options, mode)
    assert expected in out
    assert ("samples" in out) == (n_samples > 0)
    assert printed(capsys, *options, mode) == out
