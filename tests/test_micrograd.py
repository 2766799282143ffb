"""micrograd.py: every derivative against nudging, known answers, the script as run."""
import doctest
import math
import random
import sys

import pytest

import gradcheck
import micrograd
from micrograd import MLP, Value

exercise = pytest.mark.exercise


# --- derivatives by nudging and by hand ---

@exercise("1.1")
def test_nudging_finds_the_derivatives_known_from_school():
    for x in (-2.0, 0.0, 3.0):
        assert micrograd.nudge(lambda x: x ** 2 - 6 * x, x)[0] == pytest.approx(2 * x - 6, abs=1e-6)
    assert micrograd.nudge(lambda a, b, c: a * b + c, 2.0, -3.0, 10.0) == pytest.approx([-3, 2, 1])
    # both ways; one way only, it would be 27 + 9h + h^2
    assert micrograd.nudge(lambda x: x ** 3, 3.0, h=0.5) == pytest.approx([27.25])


@exercise("1.2")
def test_the_chain_rule_by_hand():
    for a, b, c in ((2.0, -3.0, 10.0), (1.5, 0.5, -2.0), (0.0, 4.0, 1.0)):
        total = a * b + c
        square, slopes = micrograd.square_by_hand(a, b, c)
        assert square == pytest.approx(total * total)
        assert list(slopes) == pytest.approx([2 * total * b, 2 * total * a, 2 * total])


def test_two_neurons_by_hand():
    rng = random.Random(2)
    for spread in (0.1, 1, 3):
        weights = [[rng.gauss(0, spread) for _ in range(2)] for _ in range(2)]
        biases = [rng.gauss(0, spread) for _ in range(2)]
        _, d_weights, d_biases = micrograd.layer_by_hand(weights, biases)
        loss = lambda: micrograd.layer_by_hand(weights, biases)[0]
        assert gradcheck.compare(loss, "weights", weights, d_weights) == 4
        assert gradcheck.compare(loss, "biases", biases, d_biases) == 2
    assert (micrograd.sigmoid(-1000), micrograd.sigmoid(0), micrograd.sigmoid(1000)) == (0, 0.5, 1)


# --- every operation ---

OPERATIONS = {
    "a + b": (lambda a, b: a + b, (1.5, -2.0)), "a - b": (lambda a, b: a - b, (1.5, -2.0)),
    "a * b": (lambda a, b: a * b, (1.5, -2.0)), "a / b": (lambda a, b: a / b, (-4.0, -0.5)),
    "2 - a": (lambda a: 2 - a, (1.5,)), "3 / a": (lambda a: 3 / a, (-0.5,)), "-a": (lambda a: -a, (1.5,)),
    "a ** 2": (lambda a: a ** 2, (-1.5,)), "a ** -2": (lambda a: a ** -2, (-1.5,)),
    "a ** 0.5": (lambda a: a ** 0.5, (4.0,)),
    "exp": (lambda a: a.exp(), (-3.0,)), "log": (lambda a: a.log(), (0.2,)),
    "tanh": (lambda a: a.tanh(), (-0.3,)), "sigmoid": (lambda a: a.sigmoid(), (1.5,)),
    "relu": (lambda a: a.relu(), (1.5,)), "relu below 0": (lambda a: a.relu(), (-0.3,)),
    "sum": (lambda a, b, c, d, e: micrograd.weighted_sum([a, b], [c, d], e), (1.0, -2.0, 0.5, 0.0, 3.0)),
    "sum, shared": (lambda a, b: micrograd.weighted_sum([a, b, a], [a, a, b], b), (1.0, -2.0))}


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradient_of_every_operation(name):
    f, numbers = OPERATIONS[name]
    values = dict(zip("abcde", map(Value, numbers)))
    gradcheck.check(lambda: f(*values.values()), values)
    gradcheck.check(lambda: 3 * f(*values.values()), values)


def test_the_well_known_expression():
    """What PyTorch finds for the example of Karpathy's micrograd, in float64."""
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b ** 3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e ** 2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert (round(g.data, 4), round(a.grad, 4), round(b.grad, 4)) == (24.7041, 138.8338, 645.5773)


@exercise("1.3")
def test_tanh_and_its_slope():
    for x in (0.5, -2.0, 0.0, 1000.0):
        value = Value(x)
        out = value.tanh()
        assert out.data == pytest.approx(math.tanh(x)) and value.data == x
        assert [parent is value for parent in out.parents] == [True]
        assert list(out.local_grads) == pytest.approx([1 / math.cosh(min(x, 300)) ** 2])


@exercise("1.4")
def test_division_and_its_slopes():
    for x, y in ((3.0, 2.0), (-1.0, 4.0), (0.0, -0.5)):
        a, b = Value(x), Value(y)
        for out, parents in ((a / b, [a, b]), (a / y, [a]), (x / b, [b])):
            slopes = dict(zip(out.parents, out.local_grads))
            assert out.data == pytest.approx(x / y)
            for parent in parents:
                assert slopes[parent] == pytest.approx(1 / y if parent is a else -x / y ** 2)


# --- backward ---

@exercise("1.5")
def test_backward_multiplies_adds_up_and_sends_only_what_is_whole():
    a, b = Value(2.0), Value(-3.0)
    out = a * b + a * a
    out.backward()
    assert (out.grad, a.grad, b.grad) == (1.0, 1.0, 2.0)
    a = Value(3.0)  # the diamond
    b = 2 * a
    c = b + 1
    d = b * c
    d.backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (26, 13, 6, 1)


def test_long_chains_and_many_paths():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert (y.data, x.grad) == (100_001.0, 100_001.0)
    y.backward()  # adds the same once more
    assert (y.grad, x.grad) == (2.0, 200_002.0)
    x = y = Value(1.0)
    for _ in range(1000):
        y = y + y  # 2^1000 paths, each Value once
    y.backward()
    assert x.grad == y.data == 2.0 ** 1000


@pytest.mark.parametrize("f, error", [
    (lambda: Value(0.0).log(), ValueError), (lambda: Value(-2.0) ** 0.5, ValueError),
    (lambda: Value(0.0) ** -1, ValueError), (lambda: Value(2.0) ** Value(3.0), TypeError),
    (lambda: Value(1.0) / 0, ZeroDivisionError), (lambda: Value(1000.0).exp(), OverflowError),
    (lambda: micrograd.weighted_sum([Value(1.0)], [Value(1.0)] * 2, Value(0.0)), ValueError),
    (lambda: MLP(2, [1])([1.0]), ValueError)])
def test_what_cannot_be_is_refused(f, error):
    with pytest.raises(error):
        f()


# --- the network ---

@exercise("1.6")
def test_a_weighted_sum_is_one_operation():
    weights, inputs, bias = [Value(0.5), Value(-2.0)], [Value(3.0), Value(1.5)], Value(0.25)
    out = micrograd.weighted_sum(weights, inputs, bias)
    slopes = dict(zip(out.parents, out.local_grads))
    assert out.data == -1.25 and len(slopes) == len(out.parents) == 5
    assert [slopes[v] for v in (*weights, *inputs, bias)] == [3.0, 1.5, 0.5, -2.0, 1.0]


def test_gradient_of_every_parameter_of_the_moons_loss():
    rng = random.Random(5)
    model, points = MLP(2, [3, 3, 1], rng), micrograd.two_moons(6, rng)
    params = {f"parameter {i}": p for i, p in enumerate(model.parameters())}
    for p in params.values():
        p.data += rng.gauss(0, 0.1)
    assert gradcheck.check(lambda: micrograd.loss_of(model, points), params, step=1e-5) == 9 + 12 + 4


def test_training_agrees_with_gradient_descent_by_hand():
    model = MLP(1, [1], random.Random(1))
    weight, bias = model.parameters()
    weight.data, bias.data, points = 0.5, 0.0, [((1.0,), 1), ((2.0,), -1)]
    losses = list(micrograd.train(model, points, steps=2, lr=0.1, l2=0.1))
    # margins 0.5 and -1: both short of 1. d loss / d weight = (-1 + 2) / 2 + 0.2 * 0.5, of bias 0
    assert losses == pytest.approx([(0.5 + 2) / 2 + 0.1 * 0.25, (1 - 0.44 + 1 + 0.88) / 2 + 0.1 * 0.44 ** 2])
    assert weight.data == pytest.approx(0.44 - 0.05 * (0.5 + 0.2 * 0.44)) and bias.data == 0


# --- the script ---

def test_the_script_as_run(capsys):
    assert doctest.testmod(micrograd).failed == 0
    micrograd.main(["--steps", "20", "--n-hidden", "8"])
    out = capsys.readouterr().out
    assert "\ntrain loss 0.4264 " in out and "\ndev loss 0.4941 " in out
    assert "inputs (0, 1)  AND 0.034  OR 0.979\ninputs (1, 0)" in out  # they have learned it
    assert "backward: 26.0" in out and "send_at_once: 40.0" in out and "●" in out and "└─ b " in out
