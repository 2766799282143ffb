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

exercise = pytest.mark.exercise  # says which exercise of the lesson a test is about


# --- derivatives by nudging and by hand ---

@exercise("1.1")
def test_nudging_finds_the_derivative_for_each_input():
    def f(a, b, c):
        return a * b + c
    # the derivatives for a, b and c are b, a and 1
    assert micrograd.nudge(f, 2.0, -3.0, 10.0) == pytest.approx([-3, 2, 1])


@exercise("1.1")
def test_nudging_goes_up_by_h_and_down_by_h():
    def cube(x):
        return x ** 3
    # The derivative is 27. With an h as large as 0.5, the result shows which way it was nudged.
    # Up and down, it is (3.5^3 - 2.5^3) / (3.5 - 2.5) = (42.875 - 15.625) / 1 = 27.25.
    # Up only, it would be (3.5^3 - 3^3) / (3.5 - 3) = (42.875 - 27) / 0.5 = 31.75.
    assert micrograd.nudge(cube, 3.0, h=0.5) == pytest.approx([27.25])


# The square of total = ab + a has the slopes 2 * total * (b + 1) for a, and 2 * total * a for b.
@exercise("1.2")
@pytest.mark.parametrize("a, b, square, slopes", [
    (2.0, -3.0, 16.0, [16.0, -16.0]),  # total = -4
    (0.5, 3.0, 4.0, [16.0, 2.0]),  # total = 2
    (0.0, 4.0, 0.0, [0.0, 0.0]),  # total = 0: an answer that divides by a or by total fails
])
def test_square_by_hand_gives_the_square_and_its_two_derivatives(a, b, square, slopes):
    found_square, found_slopes = micrograd.square_by_hand(a, b)
    assert found_square == pytest.approx(square)
    assert found_slopes == pytest.approx(slopes)


# std is the typical size of the parameters. With small ones all outputs are close to 0.5, where
# the sigmoid is nearly straight. With large ones many are close to 0 or 1, where it is nearly flat.
@pytest.mark.parametrize("std", [0.1, 1.0, 3.0])
def test_every_derivative_from_layer_by_hand_is_the_one_that_nudging_gives(std):
    rng = random.Random(2)
    # gradcheck nudges each number in .data, and compares the slope of the loss with .grad. A
    # SimpleNamespace is an object that has only what we put into it.
    weights = SimpleNamespace(data=random_data(rng, (2, 2), std))
    biases = SimpleNamespace(data=random_data(rng, (2,), std))

    def loss():
        return micrograd.layer_by_hand(weights.data, biases.data)[0]  # [0]: only the loss
    _, weights.grad, biases.grad = micrograd.layer_by_hand(weights.data, biases.data)
    assert gradcheck.compare(loss, "weights", weights) == 4  # it has compared all four
    assert gradcheck.compare(loss, "biases", biases) == 2  # both of them


def test_the_loss_and_the_derivatives_of_a_layer_whose_parameters_are_all_0():
    loss, d_weights, d_biases = micrograd.layer_by_hand([[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0])
    # All outputs are sigmoid(0) = 0.5. So an error is 0.5, or -0.5 where the target is 1.
    assert loss == 0.25  # All eight squares are 0.25, and so is their mean.
    # The derivative of a bias is a sum over the four examples of 2 * error / 8 * 0.5 * (1 - 0.5),
    # which is 1/32 or -1/32.
    # For AND, the targets are 0 0 0 1, which gives three times 1/32, and once -1/32.
    # For OR, they are 0 1 1 1, which gives once 1/32, and three times -1/32.
    assert d_biases == [1 / 16, -1 / 16]
    # That of a weight is the same sum over only the two examples in which its input is 1.
    # For AND, one of these has the target 0, and the other has 1. For OR, both have 1.
    assert d_weights == [[0, 0], [-1 / 16, -1 / 16]]


# --- every operation, and what is refused ---

# a name for pytest's report, the operation, and a number for a, or numbers for a and b
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
# a method of Value, a function that gives the same result for a plain number, and this number
FUNCTIONS = [
    (Value.exp, math.exp, -3.0),
    (Value.log, math.log, 0.2),
    (Value.tanh, math.tanh, 2.0),
    (Value.relu, lambda x: x, 1.5),  # a positive number stays as it is
    (Value.relu, lambda x: 0, -0.3),  # a negative one becomes 0
]


@pytest.mark.parametrize("name, operation, numbers", OPERATIONS)
def test_an_operation_gives_what_plain_numbers_give_and_the_right_gradient(
        name, operation, numbers):
    values = [Value(number) for number in numbers]
    out = operation(*values)
    assert out.data == pytest.approx(operation(*numbers))
    # 3 times, so that the grad of the operation's result is 3. With 1, it would not show if
    # backward() forgot to multiply by it. check() needs names for the Values: a is the first, and b
    # the second, if there is one.
    gradcheck.check(lambda: 3 * operation(*values), dict(zip("ab", values)))


@pytest.mark.parametrize("method, plain_function, number", FUNCTIONS)
def test_exp_log_tanh_and_relu_give_the_right_number_and_gradient(method, plain_function, number):
    value = Value(number)
    assert method(value).data == pytest.approx(plain_function(number))
    # 3 times, so that the grad of the method's result is 3. With 1, it would not show if backward()
    # forgot to multiply by it.
    gradcheck.check(lambda: 3 * method(value), {"x": value})


def test_at_zero_the_derivatives_of_x_to_the_power_of_0_and_of_relu_are_0():
    zero = Value(0.0)
    (zero ** 0).backward()  # The rule k * x^(k - 1) fails here, because 0^-1 would be 1 / 0.
    zero.relu().backward()
    assert zero.grad == 0.0  # the sum of both derivatives, because a leaf adds up


def test_relu_of_nan_is_nan():
    # If it were 0, a loss that is not a number would look like a perfect one.
    assert math.isnan(Value(math.nan).relu().data)


@pytest.mark.parametrize("compute, error", [
    (lambda: Value(0.0).log(), ValueError),  # 0 has no logarithm
    (lambda: Value(-2.0) ** 0.5, ValueError),  # -2 has no square root
    (lambda: Value(2.0) ** Value(3.0), TypeError),  # an exponent must be a plain number
    (lambda: Value(1.0) / 0, ZeroDivisionError),
    (lambda: MLP(2, [1])([1.0]), ValueError),  # one number for a network with two inputs
    (lambda: Value(1.0, [Value(1.0)], []).backward(), ValueError),  # a parent, but no local_grad
])
def test_what_cannot_be_computed_raises_an_error(compute, error):
    with pytest.raises(error):
        compute()


# --- backward ---

def example_of_section_5():
    """Return the Values a, b, c and d of section 5: b is used both for c and for d."""
    a = Value(3.0)
    b = 2 * a
    c = b + 1
    d = b * c
    return a, b, c, d


@exercise("1.3")
def test_backward_sends_a_grad_only_when_it_is_complete():
    a, b, c, d = example_of_section_5()
    d.backward()
    # as in the first table of section 5; if b sends before c, a gets 14, as in the second table
    assert (a.grad, b.grad, c.grad, d.grad) == (26, 13, 6, 1)
    a, b, c, _ = example_of_section_5()
    (c * b).backward()  # d again, now with c first: b * c alone could be right by luck
    assert a.grad == 26


@exercise("1.3")
def test_backward_adds_to_the_grad_that_a_leaf_has():
    a = Value(3.0)
    (2 * a).backward()
    (5 * a).backward()
    assert a.grad == 7  # 2 + 5


@exercise("1.3")
def test_backward_does_not_walk_each_of_2_to_the_200_paths_by_itself():
    x = Value(1.0)
    y = x
    for _ in range(200):
        y = y + y  # each time, twice as many paths lead from x to y
    y.backward()  # if it walked each path by itself, this test would never end
    assert x.grad == 2.0 ** 200  # y is 2^200 * x


@exercise("1.3")
def test_a_second_backward_adds_to_the_grads_of_leaves_and_replaces_all_others():
    a, b, c, d = example_of_section_5()
    d.backward()
    d.backward()
    # after one call they are 26, 13, 6 and 1, and only a is a leaf
    assert (a.grad, b.grad, c.grad, d.grad) == (52, 13, 6, 1)
    a.backward()  # Here the result itself is a leaf. Its derivative is 1, which is added to 52.
    assert a.grad == 53


def test_backward_goes_through_a_chain_of_100_000_operations_and_python_can_free_it():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()  # if it called itself for each parent, Python would raise RecursionError
    # y is x once, and then x added 100,000 times
    assert y.data == 100_001.0
    assert x.grad == 100_001.0
    del y  # now Python frees the whole chain, which must not crash it


# --- division, tanh, weighted sum ---

def local_grads_of(out):
    """Return a dict {parent: local gradient} of out, the result of an operation."""
    return dict(zip(out.parents, out.local_grads, strict=True))


# (a / b)' is 1 / b for a, and -a / b^2 for b, with x for a and y for b.
@exercise("1.4")
@pytest.mark.parametrize("x, y", [(3.0, 2.0), (-1.0, 4.0), (0.0, -0.5)])
def test_division_gives_the_quotient_and_its_two_derivatives(x, y):
    a = Value(x)
    b = Value(y)
    out = a / b
    assert out.data == pytest.approx(x / y)
    local_grads = local_grads_of(out)
    assert local_grads[a] == pytest.approx(1 / y)
    assert local_grads[b] == pytest.approx(-x / y ** 2)


@exercise("1.4")
def test_a_value_divided_by_a_plain_number_and_a_plain_number_by_a_value():
    a = Value(3.0)
    half = a / 2
    assert half.data == 1.5
    assert local_grads_of(half)[a] == 0.5  # (a / 2)' = 1 / 2 for a
    inverse = 6 / a
    assert inverse.data == 2.0
    assert local_grads_of(inverse)[a] == pytest.approx(-6 / 9)  # (6 / a)' = -6 / a^2 for a


# e^1000 is too large for a float. So at 1000, (e^x - e^-x) / (e^x + e^-x) would raise an error.
@exercise("1.5")
@pytest.mark.parametrize("x", [0.5, -2.0, 0.0, 1000.0])
def test_tanh_is_one_operation_and_its_derivative_is_1_minus_tanh_squared(x):
    value = Value(x)
    out = value.tanh()
    assert out.data == pytest.approx(math.tanh(x))
    # It is one operation, because value itself is its parent, and the only one.
    assert local_grads_of(out) == {value: pytest.approx(1 - math.tanh(x) ** 2)}


@exercise("1.6")
def test_a_weighted_sum_is_one_operation():
    weights = [Value(0.5), Value(-2.0)]
    inputs = [Value(3.0), Value(1.5)]
    bias = Value(0.25)
    out = micrograd.weighted_sum(weights, inputs, bias)
    assert out.data == -1.25  # 0.5 * 3 - 2 * 1.5 + 0.25
    # It is one operation, because all five are parents of the sum itself. The local gradient of a
    # weight is its input, that of an input is its weight, and that of the bias is 1.
    local_grads = local_grads_of(out)
    assert [local_grads[p] for p in [*weights, *inputs, bias]] == [3.0, 1.5, 0.5, -2.0, 1.0]


def test_the_gradient_of_a_weighted_sum_is_right_if_a_value_comes_several_times():
    a = Value(1.0)
    b = Value(-2.0)
    # The sum is a * a + b * a + a * b + b. It has a in four places and b in three, and what comes
    # from all of them must add up. 3 times, so that the grad of the sum is 3: with 1, it would not
    # show if backward() forgot to multiply by it.
    gradcheck.check(lambda: 3 * micrograd.weighted_sum([a, b, a], [a, a, b], b), {"a": a, "b": b})


def test_a_weighted_sum_with_lists_of_different_lengths_is_refused():
    with pytest.raises(ValueError):  # one weight, but two inputs
        micrograd.weighted_sum([Value(1.0)], [Value(1.0), Value(2.0)], Value(0.0))


# --- neuron, layer, network ---

def set_parameters(thing, numbers):
    """Give the parameters of a neuron or a network these numbers, in the order of parameters()."""
    for p, number in zip(thing.parameters(), numbers, strict=True):
        p.data = number


@pytest.mark.parametrize("has_relu, expected", [(True, 0.0), (False, -4.5)])
def test_a_new_neuron_has_bias_0_and_a_neuron_applies_relu_only_if_it_has_one(has_relu, expected):
    neuron = Neuron(2, has_relu, random)  # its weights are random, until we set them
    assert neuron.bias.data == 0.0
    set_parameters(neuron, [0.5, -3.0, 1.0])  # two weights and the bias
    # 0.5 * 1 - 3 * 2 + 1 = -4.5, and relu makes 0 of it
    assert neuron([Value(1.0), Value(2.0)]).data == expected


def test_parameters_returns_the_values_of_all_neurons_in_order_and_no_copies():
    model = MLP(2, [3, 1])
    expected = []
    for layer in model.layers:
        for neuron in layer.neurons:
            expected += [*neuron.weights, neuron.bias]
    assert model.parameters() == expected  # A Value is equal only to itself, not to a copy.
    # Each of the 3 hidden neurons has 2 weights and a bias. The last one has 3 weights and a bias.
    assert len(expected) == 13  # 3 * (2 + 1) + (3 + 1)


def test_two_hidden_neurons_compute_xor():
    model = MLP(2, [2, 1])
    # two weights and a bias for h1 = relu(x1 + x2), and then those for h2 = relu(x1 + x2 - 1)
    hidden = [1.0, 1.0, 0.0, 1.0, 1.0, -1.0]
    # The output is h1 - 2 * h2 + 0. Without the -0.5 of section 6, it is XOR itself, 0 or 1.
    set_parameters(model, [*hidden, 1.0, -2.0, 0.0])
    for x, xor in (([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)):
        assert model(x)[0].data == xor  # [0]: the only output


def test_all_layers_but_the_last_have_relu_and_each_has_its_number_of_neurons():
    has_relu = []  # a list for each layer, with True or False for each of its neurons
    for layer in MLP(1, [2, 3, 1]).layers:
        has_relu.append([neuron.has_relu for neuron in layer.neurons])
    assert has_relu == [[True, True], [True, True, True], [False]]


def test_the_first_weights_of_a_layer_have_mean_0_and_variance_2_over_nin():
    nin = 50
    numbers = []  # 200 neurons with 50 weights each: 10,000 random numbers
    for neuron in Layer(nin, 200, True, random.Random(1)).neurons:
        numbers += [w.data for w in neuron.weights]
    # They are random, so mean and variance are not exact. By the rules of statistics, the mean is
    # off by about 0.002: the standard deviation, the root of 2 / 50, divided by the root of 10,000.
    # The variance is off by about 1.4%, the root of 2 / 10,000. We allow a few times as much.
    assert statistics.mean(numbers) == pytest.approx(0, abs=0.01)
    assert statistics.pvariance(numbers) == pytest.approx(2 / nin, rel=0.05)


# --- the moons, the loss, training and the map ---

def test_without_noise_the_points_lie_in_turn_on_two_whole_half_circles():
    points = micrograd.two_moons(100, random.Random(3), noise=0.0)
    assert [label for _, label in points] == [1, -1] * 50
    upper = [point for point, label in points if label == 1]
    lower = [point for point, label in points if label == -1]
    for x, y in upper:  # the upper half of a circle around (0, 0)
        assert math.hypot(x, y) == pytest.approx(1)
        assert y >= 0
    for x, y in lower:  # the lower half of a circle around (1, 0.5)
        assert math.hypot(x - 1, y - 0.5) == pytest.approx(1)
        assert y <= 0.5
    # Both have points near both ends, so they are not only quarter circles: the upper one goes from
    # x = -1 to 1, and the lower one from 0 to 2. [0] is x, which min and max compare first.
    assert min(upper)[0] < -0.9
    assert max(upper)[0] > 0.9
    assert min(lower)[0] < 0.1
    assert max(lower)[0] > 1.9


def score_is_x(point):
    """A model whose score for a point is the only coordinate of this point, x."""
    return [Value(point[0])]


def test_the_loss_and_the_number_of_right_answers_for_the_table_of_section_7():
    points = [((3.0,), 1), ((0.2,), 1), ((0.5,), -1)]  # the scores and labels in the table
    # the mean of the losses in the table, which are 0.0, 0.8 and 1.5
    assert micrograd.loss_of(score_is_x, points).data == pytest.approx(2.3 / 3)
    # The first two are right, the third is wrong. A score of 0 is never right.
    no_answer = [((0.0,), 1), ((0.0,), -1)]
    assert micrograd.count_right(score_is_x, points + no_answer) == 2


def test_the_loss_on_the_moons_has_the_right_gradient_for_every_parameter_of_a_network():
    rng = random.Random(5)
    model = MLP(2, [3, 3, 1], rng)
    points = micrograd.two_moons(6, rng)
    params = {}
    # Where all outputs of a layer are 0, as those of the first layer would be here for two points,
    # the totals of the next layer are its biases. They begin at 0, where relu has a kink: nudging
    # gives half the slope there, and backward() gives 0. So all parameters are moved a little.
    for i, p in enumerate(model.parameters()):
        p.data += rng.gauss(0, 0.1)
        params[f"parameter {i}"] = p
    # check() returns how many were compared: 3 * (2 + 1) + 3 * (3 + 1) + 1 * (3 + 1), by layers
    assert gradcheck.check(lambda: micrograd.loss_of(model, points), params) == 25


def test_two_steps_of_training_with_l2_and_a_falling_learning_rate_by_hand():
    model = MLP(1, [1])
    weight, bias = model.parameters()
    weight.data = 0.4
    weight.grad = 99.0  # as if it were left over: train() must set it to 0 first
    points = [((1.0,), 1), ((2.0,), -1)]
    losses = micrograd.train(model, points, steps=2, lr=0.1, l2=0.3)
    # With the weight w and the bias b, the margins are w + b and -2w - b, both less than 1.
    # So the loss is ((1 - w - b) + (1 + 2w + b)) / 2, where b cancels, + 0.3 * (w^2 + b^2).
    # As b begins at 0 and its derivative is 0, it stays 0, and the loss is 1 + 0.5w + 0.3w^2.
    # The derivative for w is 0.5 + 0.6w. The learning rate is 0.1 in step 1, and 0.05 in step 2.
    second_w = 0.4 - 0.1 * (0.5 + 0.6 * 0.4)  # after step 1
    third_w = second_w - 0.05 * (0.5 + 0.6 * second_w)  # after step 2
    first_loss = 1.248  # 1 + 0.5 * 0.4 + 0.3 * 0.4^2
    second_loss = 1 + 0.5 * second_w + 0.3 * second_w ** 2
    assert losses == pytest.approx([first_loss, second_loss])
    assert weight.data == pytest.approx(third_w)
    assert bias.data == 0


def test_the_map_shows_where_the_score_is_positive_and_the_points_that_are_inside(capsys):
    def score_is_the_smaller_coordinate(point):
        return [Value(min(point))]
    # The map goes from x = -1.5 to 2.5 and from y = -1 to 1.5. One point is in its upper left
    # corner, one in its lower right corner, and two are outside, on the right and on the left.
    points = [((-1.4, 1.4), 1), ((2.4, -0.9), -1), ((9.0, 0.0), 1), ((-9.0, 0.0), 1)]
    micrograd.draw_map(score_is_the_smaller_coordinate, points, width=4, height=2)
    # A cell is 1 wide and 1.25 high. The middles are at x = -1, 0, 1 and 2, and at y = 0.875 (the
    # first row) and -0.375. A cell is ░ if both x and y are above 0 in its middle. This is so only
    # in the last two cells of the first row. (In the second cell x is 0, which is not above 0.)
    assert capsys.readouterr().out == "● ░░\n   o\n"


# --- the script ---

def test_the_examples_in_the_docstrings_are_true():
    results = doctest.testmod(micrograd)
    assert results.attempted > 0  # there are some
    assert results.failed == 0


def test_a_short_run_prints_the_results_of_sections_3_and_4_and_trains_on_the_moons(capsys):
    micrograd.main(["--steps", "20", "--n-hidden", "8"])
    out = capsys.readouterr().out
    # a line from the docstring of show_two_neurons(), and one from that of show_neuron()
    assert "\ninputs (0, 1)  AND 0.034  OR 0.979\n" in out
    assert "\n        b             data  6.8814  grad  0.5000\n" in out
    # 8 hidden neurons with 2 inputs, 8 with 8, and one with 8, each with a bias: the number of
    # parameters is 8 * (2 + 1) + 8 * (8 + 1) + (8 + 1) = 105
    assert "\ntwo moons, 105 parameters\nstep    0  loss " in out
    # What such a run printed when this test was written: it must not change.
    assert "\ntrain loss 0.4264, 77 of 100 right\n" in out
    assert "\ndev loss 0.4941, 71 of 100 right\n" in out
    assert "●" in out  # the map


def test_a_learning_rate_that_is_too_large_is_an_input_error():
    # The first step makes the parameters so large that no score is finite any more. The second one
    # has to compute with them, and must not raise another error, such as the OverflowError that **
    # raises if the result is too large.
    with pytest.raises(micrograd.InputError, match="--lr is too large"):
        micrograd.main(["--steps", "2", "--lr", "1e300"])
