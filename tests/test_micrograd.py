"""micrograd.py: every derivative against nudging, known answers, the network, the script."""
import doctest
import math
import random
import statistics
from types import SimpleNamespace

import pytest

import gradcheck
import micrograd
from helpers import random_data
from micrograd import MLP, Layer, Neuron, Value

exercise = pytest.mark.exercise


# --- derivatives by nudging and by hand ---

@exercise("1.1")
def test_nudging_finds_the_derivative_for_each_input():
    def f(a, b, c):
        return a * b + c
    assert micrograd.nudge(f, 2.0, -3.0, 10.0) == pytest.approx([-3, 2, 1])


@exercise("1.1")
def test_nudging_goes_up_and_down():
    def cube(x):
        return x ** 3
    # upwards only, it would be 27 + 9h + h^2 = 31.75
    assert micrograd.nudge(cube, 3.0, h=0.5) == pytest.approx([27.25])


@exercise("1.2")
@pytest.mark.parametrize("a, b, square, slopes", [
    (2.0, -3.0, 16.0, [16.0, -16.0]),
    (1.5, 0.5, 5.0625, [6.75, 6.75]),
    (0.0, 4.0, 0.0, [0.0, 0.0]),
])
def test_the_chain_rule_by_hand(a, b, square, slopes):
    found, found_slopes = micrograd.square_by_hand(a, b)
    assert found == pytest.approx(square)
    assert found_slopes == pytest.approx(slopes)


@pytest.mark.parametrize("std", [0.1, 1.0, 3.0])
def test_every_derivative_of_the_layer_by_hand(std):
    rng = random.Random(2)
    weights = SimpleNamespace(data=random_data(rng, (2, 2), std))
    biases = SimpleNamespace(data=random_data(rng, (2,), std))

    def loss():
        return micrograd.layer_by_hand(weights.data, biases.data)[0]
    _, weights.grad, biases.grad = micrograd.layer_by_hand(weights.data, biases.data)
    assert gradcheck.compare(loss, "weights", weights) == 4
    assert gradcheck.compare(loss, "biases", biases) == 2


def test_the_loss_of_the_layer_is_a_mean_of_squares():
    # all outputs are 0.5, so all errors are 0.5 or -0.5
    loss, d_weights, d_biases = micrograd.layer_by_hand([[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0])
    assert loss == 0.25
    assert d_weights == [[0, 0], [-1 / 16, -1 / 16]]
    assert d_biases == [1 / 16, -1 / 16]


# --- every operation ---

OPERATIONS = [
    ("a + b", lambda a, b: a + b, [1.5, -2.0]),
    ("a - b", lambda a, b: a - b, [1.5, -2.0]),
    ("a * b", lambda a, b: a * b, [1.5, -2.0]),
    ("a / b", lambda a, b: a / b, [-4.0, -0.5]),
    ("2 + a", lambda a: 2 + a, [1.5]),
    ("2 - a", lambda a: 2 - a, [1.5]),
    ("3 * a", lambda a: 3 * a, [1.5]),
    ("3 / a", lambda a: 3 / a, [-0.5]),
    ("-a", lambda a: -a, [1.5]),
    ("a ** 3", lambda a: a ** 3, [-1.5]),
    ("a ** -2", lambda a: a ** -2, [-1.5]),
    ("a ** 0.5", lambda a: a ** 0.5, [4.0]),
]
FUNCTIONS = [
    (Value.exp, math.exp, -3.0),
    (Value.log, math.log, 0.2),
    (Value.tanh, math.tanh, 2.0),
    (Value.relu, lambda x: x, 1.5),
    (Value.relu, lambda x: 0, -0.3),
]


@pytest.mark.parametrize("name, f, numbers", OPERATIONS)
def test_an_operation_computes_like_numbers_and_has_the_right_gradient(name, f, numbers):
    values = [Value(number) for number in numbers]
    out = f(*values)
    assert out.data == pytest.approx(f(*numbers))
    gradcheck.check(lambda: 3 * f(*values), dict(zip("ab", values)))


@pytest.mark.parametrize("method, f, number", FUNCTIONS)
def test_a_function_computes_like_math_and_has_the_right_gradient(method, f, number):
    value = Value(number)
    assert method(value).data == pytest.approx(f(number))
    gradcheck.check(lambda: 3 * method(value), {"x": value})


def test_where_a_derivative_needs_care():
    zero = Value(0.0)
    (zero ** 0).backward()
    zero.relu().backward()
    assert zero.grad == 0.0
    assert math.isnan(Value(math.nan).relu().data)


@pytest.mark.parametrize("f, error", [
    (lambda: Value(0.0).log(), ValueError),
    (lambda: Value(-2.0) ** 0.5, ValueError),
    (lambda: Value(2.0) ** Value(3.0), TypeError),
    (lambda: Value(1.0) / 0, ZeroDivisionError),
    (lambda: MLP(2, [1])([1.0]), ValueError),
    (lambda: Value(1.0, [Value(1.0)], []).backward(), ValueError),
])
def test_what_cannot_be_computed_is_refused(f, error):
    with pytest.raises(error):
        f()


# --- backward ---

def diamond():
    """Return a, b, c and d of section 5, in which b is used for both c and d."""
    a = Value(3.0)
    b = 2 * a
    c = b + 1
    d = b * c
    return a, b, c, d


@exercise("1.3")
def test_backward_sends_a_grad_only_when_it_is_complete():
    a, b, c, d = diamond()
    d.backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (26, 13, 6, 1)
    a, b, c, _ = diamond()
    (c * b).backward()  # it does not matter which factor comes first
    assert a.grad == 26


@exercise("1.3")
def test_backward_adds_to_what_a_leaf_has():
    a = Value(3.0)
    (2 * a).backward()
    (5 * a).backward()
    assert a.grad == 7


@exercise("1.3")
def test_backward_visits_each_value_once():
    x = Value(1.0)
    y = x
    for _ in range(200):
        y = y + y  # 2^200 paths
    y.backward()
    assert x.grad == 2.0 ** 200


@exercise("1.3")
def test_a_second_backward_doubles_the_leaves_and_nothing_else():
    a, b, c, d = diamond()
    d.backward()
    d.backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (52, 13, 6, 1)
    a.backward()
    assert a.grad == 53


def test_a_chain_of_100_000_operations():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert y.data == 100_001.0
    assert x.grad == 100_001.0
    del y  # Python must not recurse here either


# --- division, tanh, weighted sum ---

def slopes_of(out):
    """Return {parent: its local gradient} for the result of an operation."""
    return dict(zip(out.parents, out.local_grads, strict=True))


@exercise("1.4")
@pytest.mark.parametrize("x, y", [(3.0, 2.0), (-1.0, 4.0), (0.0, -0.5)])
def test_division_and_its_derivatives(x, y):
    a = Value(x)
    b = Value(y)
    out = a / b
    assert out.data == pytest.approx(x / y)
    slopes = slopes_of(out)
    assert slopes[a] == pytest.approx(1 / y)
    assert slopes[b] == pytest.approx(-x / y ** 2)


@exercise("1.4")
def test_division_by_and_of_a_plain_number():
    a = Value(3.0)
    half = a / 2
    assert half.data == 1.5
    assert slopes_of(half)[a] == 0.5
    inverse = 6 / a
    assert inverse.data == 2.0
    assert slopes_of(inverse)[a] == pytest.approx(-6 / 9)


@exercise("1.5")
@pytest.mark.parametrize("x", [0.5, -2.0, 0.0, 1000.0])
def test_tanh_and_its_derivative(x):
    value = Value(x)
    out = value.tanh()
    assert out.data == pytest.approx(math.tanh(x))
    assert slopes_of(out) == {value: pytest.approx(1 - math.tanh(x) ** 2)}


@exercise("1.6")
def test_a_weighted_sum_is_one_operation():
    weights = [Value(0.5), Value(-2.0)]
    inputs = [Value(3.0), Value(1.5)]
    bias = Value(0.25)
    out = micrograd.weighted_sum(weights, inputs, bias)
    assert out.data == -1.25
    slopes = slopes_of(out)
    assert [slopes[x] for x in [*weights, *inputs, bias]] == [3.0, 1.5, 0.5, -2.0, 1.0]


def test_the_gradient_of_a_weighted_sum_whose_values_are_shared():
    a = Value(1.0)
    b = Value(-2.0)
    gradcheck.check(lambda: 3 * micrograd.weighted_sum([a, b, a], [a, a, b], b), {"a": a, "b": b})


def test_a_weighted_sum_of_lists_of_different_lengths_is_refused():
    with pytest.raises(ValueError):
        micrograd.weighted_sum([Value(1.0)], [Value(1.0), Value(2.0)], Value(0.0))


# --- neuron, layer, network ---

def set_parameters(thing, numbers):
    """Give the parameters of a neuron, a layer or a network these numbers."""
    for p, number in zip(thing.parameters(), numbers, strict=True):
        p.data = number


@pytest.mark.parametrize("has_relu, expected", [(True, 0.0), (False, -4.5)])
def test_a_neuron_with_and_without_relu(has_relu, expected):
    neuron = Neuron(2, has_relu, random)
    assert neuron.bias.data == 0.0
    set_parameters(neuron, [0.5, -3.0, 1.0])
    assert neuron([Value(1.0), Value(2.0)]).data == expected


def test_parameters_are_the_values_themselves():
    model = MLP(2, [3, 1])
    neuron = model.layers[0].neurons[1]
    assert model.parameters()[3:6] == [*neuron.weights, neuron.bias]
    assert len(model.parameters()) == 3 * 3 + 4


def test_two_hidden_neurons_compute_xor():
    model = MLP(2, [2, 1])
    hidden = [1.0, 1.0, 0.0, 1.0, 1.0, -1.0]  # relu(x1 + x2) and relu(x1 + x2 - 1)
    set_parameters(model, [*hidden, 1.0, -2.0, 0.0])
    for x, xor in (([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)):
        assert model(x)[0].data == xor


def test_all_layers_but_the_last_have_relu():
    layers = MLP(1, [2, 3, 1]).layers
    assert [layer.neurons[0].has_relu for layer in layers] == [True, True, False]
    assert [len(layer.neurons) for layer in layers] == [2, 3, 1]


def test_the_first_weights_keep_the_mean_square_from_layer_to_layer():
    nin = 50
    numbers = []
    for neuron in Layer(nin, 200, True, random.Random(1)).neurons:
        numbers += [w.data for w in neuron.weights]
    assert statistics.mean(numbers) == pytest.approx(0, abs=0.01)
    assert statistics.pvariance(numbers) == pytest.approx(2 / nin, rel=0.05)


# --- the moons ---

def test_without_noise_the_points_are_on_two_half_circles():
    points = micrograd.two_moons(100, random.Random(3), noise=0.0)
    assert [label for _, label in points] == [1, -1] * 50
    upper = [x for x, label in points if label == 1]
    lower = [x for x, label in points if label == -1]
    for x, y in upper:
        assert math.hypot(x, y) == pytest.approx(1)
        assert y >= 0
    for x, y in lower:
        assert math.hypot(x - 1, y - 0.5) == pytest.approx(1)
        assert y <= 0.5
    assert min(upper)[0] < -0.9
    assert max(lower)[0] > 1.9


def score_is_x(point):
    """A model whose score for a point is its first coordinate."""
    return [Value(point[0])]


def test_the_max_margin_loss_charges_what_is_missing_to_a_margin_of_1():
    points = [((3.0, 9.0), 1), ((0.2, 9.0), 1), ((0.5, 9.0), -1)]  # the table of section 7
    assert micrograd.loss_of(score_is_x, points).data == pytest.approx((0.0 + 0.8 + 1.5) / 3)
    no_answer = [((0.0, 9.0), 1), ((0.0, 9.0), -1)]
    assert micrograd.count_right(score_is_x, points + no_answer) == 2


def test_gradient_of_every_parameter_of_the_loss():
    rng = random.Random(5)
    model = MLP(2, [3, 3, 1], rng)
    points = micrograd.two_moons(6, rng)
    params = {}
    for i, p in enumerate(model.parameters()):
        p.data += rng.gauss(0, 0.1)
        params[f"parameter {i}"] = p
    assert gradcheck.check(lambda: micrograd.loss_of(model, points), params) == 9 + 12 + 4


def test_training_is_gradient_descent_with_a_falling_learning_rate():
    model = MLP(1, [1])
    weight, bias = model.parameters()
    weight.data = 0.5
    weight.grad = 99.0  # is left from something else
    points = [((1.0,), 1), ((2.0,), -1)]
    losses = micrograd.train(model, points, steps=2, lr=0.1, l2=0.1)
    # The margins are w and -2w, both less than 1. So the loss is
    # ((1 - w) + (1 + 2w)) / 2 + 0.1 * w^2 = 1 + 0.5 * w + 0.1 * w^2,
    # the derivative is 0.5 + 0.2 * w, and that of the bias is 0.
    second = 0.5 - 0.1 * (0.5 + 0.2 * 0.5)
    third = second - 0.05 * (0.5 + 0.2 * second)
    first_loss = 1 + 0.5 * 0.5 + 0.1 * 0.5 ** 2
    second_loss = 1 + 0.5 * second + 0.1 * second ** 2
    assert losses == pytest.approx([first_loss, second_loss])
    assert weight.data == pytest.approx(third)
    assert bias.data == 0


def test_the_map_shows_the_scores_and_the_points(capsys):
    def score_is_the_smaller_one(point):
        return [Value(min(point))]
    points = [((-1.4, 1.4), 1), ((2.4, -0.9), -1), ((9.0, 0.0), 1), ((-9.0, 0.0), 1)]
    micrograd.draw_map(score_is_the_smaller_one, points, width=4, height=2)
    # the middles of the cells are at x = -1, 0, 1, 2 and at y = -0.375, 0.875
    assert capsys.readouterr().out == "● ░░\n   o\n"


# --- the script ---

def test_doctests():
    assert doctest.testmod(micrograd).failed == 0


def test_the_script_as_run(capsys):
    micrograd.main(["--steps", "20", "--n-hidden", "8"])
    out = capsys.readouterr().out
    assert "\ninputs (0, 1)  AND 0.034  OR 0.979\n" in out
    assert "\n        b             data  6.8814  grad  0.5000\n" in out
    assert "\ntwo moons, 105 parameters\nstep    0  loss " in out
    assert "\ntrain loss 0.4264, 77 of 100 right\n" in out
    assert "\ndev loss 0.4941, 71 of 100 right\n" in out
    assert "●" in out


def test_a_learning_rate_that_is_too_large_is_an_error_of_the_user():
    with pytest.raises(micrograd.InputError, match="--lr is too large"):
        micrograd.main(["--steps", "9", "--lr", "1e300"])
