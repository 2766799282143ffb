"""wavenet.py: every gradient against finite differences, layers against PyTorch, the script as run."""
import doctest
import math
import os
import random
import re
import runpy
import signal
import subprocess
import sys

import pytest

import gradcheck
import wavenet
from wavenet import Module, Tensor

exercise = pytest.mark.exercise
EXAMPLES = [[0, 3, 1, 5, 2, 2, 4, 0], [0, 4, 0], [0, 5, 2, 1, 0]]
RNG = random.Random(0)


def documents(*lengths, channels, seed=1, spread=1.0):
    rng = random.Random(seed)
    return Tensor([[[rng.gauss(0, spread) for _ in range(channels)] for _ in range(T)] for T in lengths])


def sines(model):
    """The model with 0.5 sin(3 k + i) as the i-th number of its k-th parameter, 0.5 more in lists."""
    for k, p in enumerate(model.parameters()):
        for i, (put, _, _) in enumerate(gradcheck.entries(p.data)):
            put(0.5 * math.sin(3 * k + i) + (0.5 if len(p.shape) == 1 else 0.0))
    return model


def weighed(out, seed=7):
    """A scalar that every number in `out` (B, T, C) has a say in, each with its own weight."""
    rng = random.Random(seed)
    weights = [[[rng.gauss(0, 1) for _ in row] for row in rows] for rows in out.data]
    pairs = zip(gradcheck.entries(weights), gradcheck.entries(out.data), strict=True)
    return Tensor(sum(w[1] * v[1] for w, v in pairs), (out,), lambda grad: (wavenet.scaled(weights, grad),))


def close(a, b, tolerance=1e-12):
    a, b = ([number for _, number, _ in gradcheck.entries(data)] for data in (a, b))
    return a == pytest.approx(b, abs=tolerance)


def loss_of(model, examples=EXAMPLES):
    return wavenet.cross_entropy(model([ids[:-1] for ids in examples]), [ids[1:] for ids in examples])


# --- gradients ---

def of(make, channels, number=None):
    return pytest.param(make, channels, marks=exercise(number) if number else ())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make, channels", [
    of(lambda: wavenet.Linear(3, 4, RNG), 3), of(lambda: wavenet.Linear(1, 2, RNG, bias=False), 1),
    of(wavenet.Tanh, 3), of(lambda: wavenet.BatchNorm1d(2), 2),
    of(lambda: wavenet.Sequential([wavenet.Linear(2, 3, RNG), wavenet.Tanh()]), 2),
    of(lambda: lambda x: wavenet.join(x, [[(0, 5), (5, 5)], [(2, 3)]]), 2, "4.1"),
    of(lambda: lambda x: wavenet.join(x, [[(1, 1, 0)]]), 3, "4.1"),
    of(lambda: wavenet.FlattenConsecutive(1), 2, "4.2"), of(lambda: wavenet.FlattenConsecutive(2), 3, "4.2"),
    *(of(lambda d=d: wavenet.CausalConv1d(2, 3, RNG, d), 2, "4.3") for d in (1, 2, 4)),
    of(wavenet.Gate, 2, "4.4"), of(wavenet.Gate, 6, "4.4")])
def test_gradients(make, channels, training):
    Module.training = training
    layer, x = make(), documents(4, 2, channels=channels)
    parameters = sines(layer).parameters() if isinstance(layer, Module) else []
    gradcheck.check(lambda: weighed(layer(x)), {"x": x, **{f"p{i}": p for i, p in enumerate(parameters)}})


def test_gradients_of_embedding_add_and_cross_entropy():
    Module.training = True
    layer, x = wavenet.Embedding(4, 3, RNG), documents(3, 1, channels=3)
    ids = [[3, 0, 3], [2]]
    gradcheck.check(lambda: weighed(layer(ids) + x + x), {"weight": layer.weight, "x": x})

    def tripled():  # as part of something larger, the loss has a gradient other than 1
        loss = wavenet.cross_entropy(x, [[2, 0, 1], [1]])
        return Tensor(3 * loss.data, (loss,), lambda grad: (3 * grad,))
    gradcheck.check(tripled, {"logits": x})


@pytest.mark.parametrize("kind, count", [("tree", 12 + 12 + 6 + 18 + 6 + 24), ("plain", 78), ("gated", 0)])
def test_gradient_of_every_parameter_of_each_model(kind, count):
    Module.training = True
    model = sines(wavenet.WaveNet(6, 4, 2, RNG) if kind == "gated" else
                  wavenet.build(6, 4, 2, 3, RNG, as_tree=kind == "tree"))
    contexts, targets = [[5, 5, 5, 5], [5, 5, 5, 0], [5, 5, 0, 3], [5, 0, 3, 1]], [[0], [3], [1], [5]]
    loss = lambda: wavenet.cross_entropy(model(contexts), targets) if kind == "tree" else loss_of(model)
    found = gradcheck.check(loss, {f"p{i}": p for i, p in enumerate(model.parameters())})
    assert found == (count or 12 + 2 * (16 + 4 + 4 + 2) + 12 + 6)


def test_backward_adds_to_grad_and_shared_tensors_are_sent_all_of_theirs():
    a = Tensor(3.0)
    b = a + a
    c = b + a + b  # 5 a
    c.backward()
    assert (a.grad, b.grad, c.grad) == (5.0, 2.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (10.0, 4.0, 2.0)
    x, one = Tensor(0.0), Tensor(1.0)
    for _ in range(100_000):
        x = x + one
    x.backward()
    assert (x.data, one.grad) == (100_000.0, 100_000.0)


def test_what_does_not_fit_is_refused():
    Module.training = True
    x, other, two = Tensor([[[1.0, 2.0]]]), Tensor([[[1.0]]]), Tensor([[[1.0, 2.0]] * 2])
    embedding = wavenet.Embedding(3, 2, RNG)
    for call in (lambda: x + other, lambda: wavenet.Linear(3, 1, RNG)(x), lambda: embedding([[-1]]),
                 lambda: embedding([[1, 3]]), lambda: wavenet.cross_entropy(x, [[2]]),
                 lambda: wavenet.cross_entropy(x, [[-1]]), lambda: wavenet.cross_entropy(x, [[0, 1]]),
                 lambda: wavenet.BatchNorm1d(3)(two), x.backward, lambda: wavenet.build(3, 6, 2, 2, RNG)):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("name", ["cpython", "pypy"])
@pytest.mark.parametrize("n, m, k", [(1, 1, 1), (1, 5, 3), (2, 5, 3), (7, 4, 30)])
def test_the_plain_and_the_fast_inner_are_every_dot_product(name, n, m, k, monkeypatch):
    monkeypatch.setattr(sys.implementation, "name", name)
    inner = runpy.run_path(wavenet.__file__)["inner"]
    a, b = documents(n, channels=k, spread=10).data[0], documents(m, channels=k, seed=2, spread=0.1).data[0]
    plain = [[math.fsum(x * y for x, y in zip(p, q)) for q in b] for p in a]
    assert close(inner(a, b), plain, 1e-11)
    for scale in (1e-100, 1e-17, 1e9):  # however unlike the two sides are in size
        scaled = inner(a, wavenet.scaled(b, scale))
        assert close(wavenet.scaled(scaled, 1 / scale), plain, 1e-12)
    assert inner([[0.0] * k] * 2, b) == [[0.0] * m] * 2 and inner(a, [[0.0] * k] * 2) == [[0.0] * 2] * n


# --- the layers, worked by hand and by PyTorch in float64 ---

@exercise("4.1")
def test_rows_are_joined_and_each_gets_the_gradients_of_its_copies():
    x = Tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]])
    out = wavenet.join(x, [[(2, 0)], [(0, 1), (1, 1)]])
    assert out.data == [[[5.0, 6.0, 1.0, 2.0]], [[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 3.0, 4.0]]]
    assert out.local_backward([[[1.0, 2.0, 3.0, 4.0]], [[10.0, 20.0, 30.0, 40.0], [0.5, 0.25, 1.5, 2.5]]]) == (
        [[[13.0, 24.0], [32.0, 42.75]], [[1.0, 2.0]]],)


@exercise("4.2")
def test_neighbours_are_joined_in_documents_of_any_length():
    x = Tensor([[[1.0], [2.0], [3.0], [4.0]], [[5.0], [6.0]]])
    assert wavenet.FlattenConsecutive(2)(x).data == [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]
    assert wavenet.FlattenConsecutive(1)(x).data == x.data


@exercise("4.3")
@pytest.mark.parametrize("dilation, out, d_x", [
    (1, [0.46958582628421164, 0.4752113342921787, 0.5036274272331278], [0.7392882901472827, -0.6818202899950808]),
    (2, [0.48686372135795325, -0.15126521163521778, -0.1906239125143738], [1.4655163241937323, -1.4245002168338075]),
    (4, [0.45046417264215166, 0.5440730677302809, 0.5971613876005553], [1.409140618286966, -1.3819164642328385])])
def test_causal_convolutions_are_pytorchs(dilation, out, d_x):
    layer = sines(wavenet.CausalConv1d(2, 3, random.Random(0), dilation))
    x = Tensor([[[math.sin(2 * i + j) for j in range(2)] for i in range(6)], [[1.0, -2.0]]])
    found = layer(x)
    assert found.shape == (2, 6, 3) and close(found.data[0][5], out)
    grad = [[[math.sin(3 * t + c) for c in range(3)] for t in range(6)], [[math.sin(18 + c) for c in range(3)]]]
    scalar = Tensor(0.0, (found,), lambda _: (grad,))
    scalar.backward()
    assert close(x.grad[0][0], d_x)


@exercise("4.4")
def test_the_gate_by_hand_and_for_numbers_of_any_size():
    out, backward = wavenet.Gate().forward([[0.5, -1.0, 0.0, 2.0], [1.0, 3.0, -2.0, 0.5]])
    assert close(out, [[math.tanh(0.5) / 2, math.tanh(-1) / (1 + math.exp(-2))],
                       [math.tanh(1) / (1 + math.exp(2)), math.tanh(3) / (1 + math.exp(-0.5))]])
    assert len(backward([[1.0, 0.0], [0.0, 1.0]])) == 1
    assert wavenet.Gate()(Tensor([[[2000.0, -2000.0]], [[-2000.0, 2000.0]]])).data == [[[0.0]], [[-1.0]]]


@exercise("4.5")
def test_wavenet_is_pytorchs():
    logits = sines(wavenet.WaveNet(6, 8, 2, random.Random(0)))([ids[:-1] for ids in EXAMPLES]).data
    assert close(logits[0][6], [0.38544893658394264, 0.43983422392408317, 0.5495356483197293,
                                0.6136942260955629, 0.5733228567269231, 0.4655387910292287])
    assert close(logits[1][0], [0.3499907852950523, 0.39487277022673567, 0.5364082453928988,
                                0.644470147650057, 0.6197068624159738, 0.4848856399331248])


def test_training_with_batch_norm_is_pytorchs():
    """Losses of six steps, running statistics after them, and the loss out of training."""
    model = sines(wavenet.build(6, 8, 2, 3, random.Random(0)))
    assert close(list(wavenet.train(model, EXAMPLES, 6, 3, 0.5, seed=5)), [
        1.9763577973801514, 1.7400913815843315, 1.7321398806777728, 1.6865640624246327, 1.7458289190731264,
        1.6772034729231327])
    norm = model.layers[2]
    assert close(norm.running_mean, [-0.0045588076694692845, 0.04672684927564504, 0.05597938930779257])
    assert close(norm.running_var, [0.03362751846552536, 0.06457746893783493, 0.08985058395613868])
    assert wavenet.evaluate(model, EXAMPLES) == pytest.approx(1.6420528711407003, abs=1e-12)
    assert wavenet.evaluate(model, EXAMPLES) == pytest.approx(loss_of(model).data, abs=1e-12)
    assert norm.batches == 6  # evaluation leaves the running statistics alone


def test_running_statistics_are_an_average_until_each_batch_counts_1_percent():
    Module.training, norm, expected = True, wavenet.BatchNorm1d(1), 0.0
    for i in range(1, 201):
        norm(Tensor([[[float(i)], [i + 2.0]]]))
        expected = (1 + i) / 2 + 1 if i <= 100 else 0.99 * expected + 0.01 * (i + 1)
        assert norm.running_mean == [pytest.approx(expected)] and norm.running_var == [pytest.approx(2.0)]


# --- the networks ---

@pytest.mark.parametrize("block_size", [2, 4, 8, 16])
def test_the_tree_and_the_convolutions_give_the_same_logits(block_size):
    tree, plain = (sines(wavenet.build(6, block_size, 3, 5, random.Random(0), kind)) for kind in (True, False))
    list(wavenet.train(plain, EXAMPLES, 5, 3, 0.1, seed=1))
    for p, q in zip(tree.parameters(), plain.parameters(), strict=True):
        p.data = q.data
    norms = [[layer for layer in model.layers if isinstance(layer, wavenet.BatchNorm1d)] for model in (tree, plain)]
    for a, b in zip(*norms, strict=True):
        a.running_mean, a.running_var = b.running_mean, b.running_var
    Module.training = False
    ids = [0, 3, 1, 5, 2, 2, 4, 1, 1, 3, 5, 2, 4, 0]
    padded = ids[:1] * (block_size - 1) + ids
    contexts = [padded[t:t + block_size] for t in range(len(ids) - 1)]
    assert tree(contexts).shape == (13, 1, 6) and close(tree(contexts).data, plain([ids[:-1]]).data)


@pytest.mark.parametrize("kind", ["plain", "gated"])
def test_a_logit_depends_on_its_context_and_on_nothing_else(kind):
    Module.training = False
    model = wavenet.WaveNet(6, 4, 3, RNG) if kind == "gated" else wavenet.build(6, 4, 3, 5, RNG)
    ids = [5, 0, 3, 1, 2, 2, 4, 1, 0]
    before = model([ids, [5, 1]]).data
    assert close(before[1], model([[5, 1]]).data[0], 1e-9)
    for t in range(1, len(ids)):
        after = model([ids[:t] + [(ids[t] + 1) % 5] + ids[t + 1:]]).data[0]
        changed = [i for i, (p, q) in enumerate(zip(before[0], after)) if not close(p, q, 1e-9)]
        assert changed == list(range(t, min(t + 4, len(ids))))


def test_first_weights_and_the_lectures_network():
    model = wavenet.build(27, 8, 10, 68, random.Random(1))
    assert sum(math.prod(p.shape) for p in model.parameters()) == 22397
    spreads = [math.sqrt(sum(w * w for row in p.data for w in row) / math.prod(p.shape))
               for p in model.parameters() if len(p.shape) == 2]
    assert spreads == pytest.approx([0.3, 1 / math.sqrt(20), *[5 / 3 / math.sqrt(136)] * 2, 0.1 / math.sqrt(68)], rel=0.1)


def test_samples_end_with_the_boundary_or_are_cut():
    def model(documents):  # counts up to 3, then ends
        return Tensor([[[1e3 * (i == (ids[-1] + 1) % 4) for i in range(4)]] * len(ids) for ids in documents])
    assert wavenet.sample(model, 3, RNG) == [0, 1, 2, 3]
    assert wavenet.sample(model, 3, RNG, 2) == [0, 1]
    uniform = lambda documents: Tensor([[[0.0, math.log(3)]]])
    drawn = [wavenet.sample(uniform, 1, RNG, 1)[0] for _ in range(2000)]
    assert sum(drawn) / 2000 == pytest.approx(0.75, abs=0.04)


# --- the script ---

def start(*args):
    return subprocess.Popen([sys.executable, wavenet.__file__, *args], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, encoding="utf-8",
                            env={**os.environ, "PYTHONIOENCODING": "utf-8"})


def run(*args, code=0):
    process = start(*args)
    out, error = process.communicate(timeout=100)
    assert process.returncode == code and "Traceback" not in error, error
    return error if code else out


SMALL = ["--steps", "20", "--n-embd", "4", "--n-hidden", "8", "--eval-docs", "20", "--samples", "3"]


@pytest.mark.parametrize("more", [[], ["--gated"]])
def test_it_shows_trains_evaluates_and_samples(more):
    assert doctest.testmod(wavenet).failed == 0
    out = run(*SMALL, "--test", *more)
    assert "\n   je      re      mi      ah   \n" in out and "(9, 4, 8)" in out and "(1, 9, 8)" in out
    assert float(re.search(r"logits differ by (\S+)", out)[1]) < 1e-12
    assert len(re.findall(r"^(train|dev|test) loss [23]\.\d{4}$", out, re.M)) == 3
    assert out.count("\nstep ") == 11 and len(out.split("test loss")[1].strip().split("\n")) == 4
    assert run(*SMALL, "--test", *more) == out != run(*SMALL, "--test", "--seed", "1", *more)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"ab\ncd\n", "é\n".encode("latin-1") * 9, None])
def test_data_that_cannot_be_learned_gets_one_line(data, tmp_path):
    path = tmp_path / "data"
    if data is not None:
        path.write_bytes(data)
    message = run("--data", str(path), code=2)
    assert message.startswith("wavenet.py: error: ") and message.count("\n") == 1


@pytest.mark.parametrize("args, message", [
    (["--n-embd", "0"], "n_embd: 0 is out of range"), (["--batch-size", "1.5"], "invalid int value: '1.5'"),
    (["--block-size", "6"], "a context of 6"), (["--lr", "nan"], "lr: nan"), (["--lr", "1e300"], "no numbers")])
def test_wrong_options_get_one_line(args, message):
    text = run(*SMALL, *args, code=2)
    assert message in text.strip().split("\n")[-1] and text.count("error: ") == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("more, code", [(["--eval-docs", "5"], 0), (["--eval-docs", "1000000"], 130)])
def test_ctrl_c_ends_training_and_goes_on_and_a_second_one_quits(more, code):
    process = start("--steps", "100000", *more)
    while not process.stdout.readline().startswith("step "):
        pass
    process.send_signal(signal.SIGINT)
    while "stopped at step" not in process.stderr.readline():
        pass
    if code:
        process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in error and ("dev loss" in out) == (code == 0)
