"""micrograd.py: every derivative against nudging, known answers, the pictures, the script as run."""
import gc
import math
import os
import random
import re
import sys
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from functools import partial

import pytest

import gradcheck
import micrograd
import scripts
from micrograd import MLP, Layer, Neuron, Value

# --- derivatives by nudging and by hand ---


def test_nudging_finds_the_derivatives_known_from_school():
    for x in (-2.0, 0.0, 3.0, 5.5):
        assert micrograd.nudge(micrograd.parabola, x)[0] == pytest.approx(2 * x - 6, abs=1e-7)
    assert micrograd.nudge(micrograd.product_plus, 2.0, -3.0, 10.0) == pytest.approx([-3, 2, 1])
    assert micrograd.nudge(lambda x: x ** 3, 2.0, h=1e-4) == pytest.approx([12])


def test_the_chain_rule_by_hand():
    rng = random.Random(1)
    for _ in range(20):
        inputs = [rng.gauss(0, 2) for _ in range(3)]
        square, slopes = micrograd.square_by_hand(*inputs)
        assert square == pytest.approx((inputs[0] * inputs[1] + inputs[2]) ** 2)
        gradcheck.compare(lambda: micrograd.square_by_hand(*inputs)[0], "inputs", inputs, slopes)


def test_two_neurons_by_hand():
    rng = random.Random(2)
    for spread in (0.1, 1, 3):
        weights = [[rng.gauss(0, spread) for _ in range(2)] for _ in range(2)]
        biases = [rng.gauss(0, spread) for _ in range(2)]
        _, d_weights, d_biases = micrograd.layer_by_hand(weights, biases)
        loss = lambda: micrograd.layer_by_hand(weights, biases)[0]
        assert gradcheck.compare(loss, "weights", weights, d_weights) == 4
        assert gradcheck.compare(loss, "biases", biases, d_biases) == 2


def test_two_neurons_learn_and_and_or():
    weights, biases, losses = micrograd.train_by_hand()
    assert losses[0] == 0.25  # untrained, all answers are 1/2
    assert all(after < before for before, after in zip(losses, losses[1:]))
    assert losses[-1] < 0.001
    for x, target in zip(micrograd.INPUTS, micrograd.TARGETS):
        for j in range(2):
            answer = weights[j][0] * x[0] + weights[j][1] * x[1] + biases[j] > 0
            assert answer == target[j] == (all, any)[j](x)


def test_sigmoid():
    assert micrograd.sigmoid(0) == 0.5
    assert micrograd.sigmoid(2) == pytest.approx(1 / (1 + math.exp(-2)), rel=1e-15)
    assert micrograd.sigmoid(-2) == pytest.approx(1 - micrograd.sigmoid(2), rel=1e-14)
    assert micrograd.sigmoid(-1000) == 0 and micrograd.sigmoid(1000) == 1


# --- every operation ---

OPERATIONS = {
    "a + b": (lambda a, b: a + b, [(1.5, -2.0), (0.0, 0.0)]),
    "a - b": (lambda a, b: a - b, [(1.5, -2.0), (0.0, 3.0)]),
    "a * b": (lambda a, b: a * b, [(1.5, -2.0), (-3.0, 0.0)]),
    "a / b": (lambda a, b: a / b, [(1.5, -2.0), (0.0, 0.7), (-4.0, -0.5)]),
    "-a": (lambda a: -a, [(1.5,), (-2.0,)]),
    "2 + a": (lambda a: 2 + a, [(1.5,)]),
    "a + 2": (lambda a: a + 2, [(1.5,)]),
    "2 - a": (lambda a: 2 - a, [(1.5,), (-2.5,)]),
    "a - 2": (lambda a: a - 2, [(1.5,)]),
    "3 * a": (lambda a: 3 * a, [(1.5,)]),
    "a * 3": (lambda a: a * 3, [(1.5,)]),
    "3 / a": (lambda a: 3 / a, [(1.5,), (-0.5,)]),
    "a / 3": (lambda a: a / 3, [(1.5,)]),
    "a ** 2": (lambda a: a ** 2, [(1.5,), (-1.5,), (0.0,)]),
    "a ** 3": (lambda a: a ** 3, [(1.5,), (-1.5,), (0.0,)]),
    "a ** 1": (lambda a: a ** 1, [(1.5,), (-1.5,), (0.0,)]),
    "a ** 0": (lambda a: a ** 0, [(1.5,), (-1.5,), (0.0,)]),
    "a ** -1": (lambda a: a ** -1, [(1.5,), (-1.5,)]),
    "a ** -2": (lambda a: a ** -2, [(1.5,), (-1.5,)]),
    "a ** 0.5": (lambda a: a ** 0.5, [(1.5,), (4.0,)]),
    "a ** -2.5": (lambda a: a ** -2.5, [(1.5,)]),
    "a ** 3.0": (lambda a: a ** 3.0, [(-1.5,)]),
    "exp": (lambda a: a.exp(), [(1.5,), (-3.0,), (0.0,)]),
    "log": (lambda a: a.log(), [(1.5,), (0.2,)]),
    "tanh": (lambda a: a.tanh(), [(1.5,), (-0.3,), (0.0,)]),
    "sigmoid": (lambda a: a.sigmoid(), [(1.5,), (-0.3,), (0.0,)]),
    "relu": (lambda a: a.relu(), [(1.5,), (-0.3,)]),
    "a * a": (lambda a: a * a, [(1.5,), (-0.3,)]),
    "a / a": (lambda a: a / a, [(1.5,)]),
    "a - a": (lambda a: a - a, [(1.5,)]),
    "weighted_sum": (lambda a, b, c, d, e: micrograd.weighted_sum([a, b], [c, d], e),
                     [(1.0, -2.0, 0.5, 0.0, 3.0)]),
    "weighted_sum, shared": (lambda a, b: micrograd.weighted_sum([a, b, a], [a, a, b], b),
                             [(1.0, -2.0)])}


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradient_of_every_operation(name):
    f, places = OPERATIONS[name]
    for numbers in places:
        values = dict(zip("abcde", map(Value, numbers)))
        gradcheck.check(lambda: f(*values.values()), values)
        gradcheck.check(lambda: 3 * f(*values.values()), values)


def test_operations_compute_what_python_does():
    a, b = 1.7, -0.6
    for f in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b,
              lambda a, b: -a - -b, lambda a, b: a ** 2 - b ** 3 + a ** -0.5,
              lambda a, b: 2 + a * 3 - 1 / b + 5 / a - 1):
        assert f(Value(a), Value(b)).data == pytest.approx(f(a, b), rel=1e-15)
        assert isinstance(f(Value(a), Value(b)), Value)
    assert Value(a).exp().data == math.exp(a) and Value(a).log().data == math.log(a)
    assert Value(b).tanh().data == math.tanh(b)
    assert Value(b).relu().data == 0 and Value(a).relu().data == a
    assert (Value(2) ** Fraction(1, 2)).data == 2 ** 0.5
    assert sum([Value(1), Value(2), Value(3)]).data == 6  # sum() begins with a plain 0


def random_program(rng, n_inputs, n_operations):
    """A random expression as a list of steps (operation, its operands' places), and good inputs.

    The places are those of the inputs and of earlier results, so results are shared. Operations
    are chosen by the values they will meet, to stay away from poles, kinks and overflow.
    """
    inputs = [rng.uniform(-2, 2) for _ in range(n_inputs)]
    numbers, steps = [Value(x) for x in inputs], []
    while len(steps) < n_operations:
        i, j = rng.randrange(len(numbers)), rng.randrange(len(numbers))
        x, y, k = numbers[i].data, numbers[j].data, rng.uniform(-2, 2)
        name, f = rng.choice([("+", lambda a, b: a + b), ("-", lambda a, b: a - b),
                              ("*", lambda a, b: a * b), ("/", lambda a, b: a / b),
                              ("k -", lambda a, b, k=k: k - a), ("k *", lambda a, b, k=k: k * a),
                              ("k /", lambda a, b, k=k: k / b), ("neg", lambda a, b: -a),
                              ("int", lambda a, b, k=k: a ** round(k)),
                              ("pow", lambda a, b, k=k: a ** k),
                              ("exp", lambda a, b: a.exp()), ("log", lambda a, b: a.log()),
                              ("tanh", lambda a, b: a.tanh()), ("sig", lambda a, b: a.sigmoid()),
                              ("relu", lambda a, b: a.relu())])
        if name in ("/", "k /") and abs(y) < 0.5 or name == "int" and abs(x) < 0.5 or \
                name in ("pow", "log") and x < 0.5 or name == "relu" and abs(x) < 0.1:
            continue
        out = f(numbers[i], numbers[j])
        if abs(out.data) < 4:
            numbers.append(out)
            steps.append((f, i, j))
    return steps, inputs


@pytest.mark.parametrize("seed", range(400))
def test_gradient_of_a_random_expression(seed):
    rng = random.Random(seed)
    steps, inputs = random_program(rng, n_inputs=rng.randint(1, 4), n_operations=rng.randint(1, 15))
    inputs = {f"input {i}": Value(x) for i, x in enumerate(inputs)}

    def expression():
        numbers = list(inputs.values())
        for f, i, j in steps:
            numbers.append(f(numbers[i], numbers[j]))
        return sum(weight * number for weight, number in enumerate(numbers, start=1))

    gradcheck.check(expression, inputs, step=2e-4)


def test_the_well_known_expression():
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


@pytest.mark.parametrize("x, tanh, sigmoid", [(1000, 1, 1), (-1000, -1, 0)])
def test_extreme_values(x, tanh, sigmoid):
    for name, expected in (("tanh", tanh), ("sigmoid", sigmoid)):
        a = Value(x)
        out = getattr(a, name)()
        out.backward()
        assert out.data == expected and a.grad == 0
    a = Value(-1000)
    a.exp().backward()
    assert a.grad == 0


def test_local_gradients_where_the_function_has_a_kink_or_a_pole_nearby():
    a = Value(0.0)
    a.relu().backward()
    assert a.grad == 0  # by convention, as in PyTorch
    a = Value(1e-200)  # its square is 0 as a float, yet 1 / a has a value
    (1e-200 / a).backward()
    assert a.grad == pytest.approx(-1e200)


# --- backward ---

def test_every_operation_has_its_sign_for_the_pictures():
    a, b = Value(2.0), Value(3.0)
    assert [v.op for v in (a + b, a - b, a * b, a / b, -a, a ** 2, a ** 0.125, a.exp(), a.log(),
                           a.tanh(), a.sigmoid(), a.relu(), a)] == [
        "+", "-", "*", "/", "-", "**2", "**0.12", "exp", "log", "tanh", "sigmoid", "relu", ""]


def test_exp_up_to_the_largest_float():
    assert Value(709.78).exp().data == math.exp(709.78)


def test_repr_shows_data_and_grad():
    a = Value(3)
    (a * 2.5).backward()
    assert repr(a) == "Value(data=3, grad=2.5)" and isinstance(a.data, float)


def test_backward_accumulates_over_paths_and_over_calls():
    a, d = micrograd.diamond()
    c, b = d.parents[1], d.parents[0]
    d.backward()
    assert (a.data, d.data, a.grad, b.grad, c.grad, d.grad) == (3, 42, 26, 13, 6, 1)
    d.backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (52, 26, 12, 2)
    (a * a).backward()
    assert a.grad == 58


def test_simple_recursion_goes_wrong_where_the_lesson_says():
    a, d = micrograd.diamond()
    d.grad = 1.0
    micrograd.naive_backward(d)
    assert a.grad == 40
    b = Value(2.0)  # on a tree, where nothing is used twice, it is right
    product = b * 3 + 1
    product.grad = 1.0
    micrograd.naive_backward(product)
    assert b.grad == 3


def test_topological_order_lists_each_value_once_after_its_parents():
    a, d = micrograd.diamond()
    order = micrograd.topological_order((a + d) * d)
    assert len(order) == len(set(order)) == 8
    for i, value in enumerate(order):
        assert all(parent in order[:i] for parent in value.parents)


def test_a_chain_of_100_000_operations():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert (y.data, x.grad) == (100_001.0, 100_001.0)
    del y  # taking the graph down must not recurse either


def test_many_paths_are_walked_once():
    x = Value(1.0)
    y = x
    for _ in range(1000):
        y = y + y  # 2^1000 paths
    y.backward()
    assert x.grad == y.data == 2.0 ** 1000


def test_a_graph_is_freed_as_it_is_dropped():
    model = MLP(2, [4, 1])
    points = micrograd.two_moons(10, 0.1, random.Random(1))
    steps = micrograd.train(model, points, micrograd.logistic, 30, 10, 0.1)
    for _ in range(5):
        next(steps)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for _ in range(20):
            next(steps)
        assert sys.getallocatedblocks() - before < 500  # a step's graph has thousands
        assert gc.collect() == 0  # no reference cycle was left behind
    finally:
        gc.enable()


@pytest.mark.parametrize("f, error, message", [
    (lambda: Value(0).log(), ValueError, r"log\(0\.0\): only numbers above 0 have a logarithm"),
    (lambda: Value(-2).log(), ValueError, r"log\(-2\.0\): only numbers above 0"),
    (lambda: Value(0) ** -1, ValueError, r"0 \*\* -1\.0 divides by 0"),
    (lambda: Value(0) ** 0.5, ValueError, r"0 \*\* 0\.5 divides by 0, in its value or in its deriv"),
    (lambda: Value(-2) ** 0.5, ValueError, r"\(-2\.0\) \*\* 0\.5 is not a real number"),
    (lambda: Value(2) ** math.nan, ValueError, r"\(2\.0\) \*\* nan is not a real number"),
    (lambda: Value(2) ** math.inf, ValueError, r"\(2\.0\) \*\* inf is not a real number"),
    (lambda: Value(2) ** Value(3), TypeError, "the exponent must be a plain number, not a Value"),
    (lambda: 2 ** Value(3), TypeError, "the exponent must be a plain number, not a Value"),
    (lambda: Value(1) / Value(0), ValueError, r"1\.0 / 0 is not a number"),
    (lambda: Value(1) / 0, ValueError, r"1\.0 / 0 is not a number"),
    (lambda: Value(math.nan), ValueError, r"Value\(nan\): not a finite number"),
    (lambda: Value(1) + math.nan, ValueError, r"Value\(nan\): not a finite number"),
    (lambda: Value(-math.inf), ValueError, r"Value\(-inf\): not a finite number"),
    (lambda: Value("1"), TypeError, "must be real number, not str"),
    (lambda: Value(1) + "1", TypeError, "must be real number, not str"),
    (lambda: Value(Value(1)), TypeError, "must be real number, not Value"),
    (lambda: Value(1e200) * 1e200, OverflowError, r"\*: the result is too large for a float"),
    (lambda: Value(1000).exp(), OverflowError, r"exp\(1000\.0\) is too large for a float"),
    (lambda: Value(1e200) ** 2, OverflowError, r"\(1e\+200\) \*\* 2\.0 or its slope is too large"),
    (lambda: Value(2) ** "2", TypeError, "must be real number, not str"),
    (lambda: micrograd.weighted_sum([Value(1)], [Value(1), Value(2)], Value(0)), ValueError,
     "a neuron of 1 inputs was given 2"),
    (lambda: Neuron(0), ValueError, "a neuron needs at least 1 input, not 0"),
    (lambda: Layer(2, 0), ValueError, "a layer needs at least 1 neuron, not 0"),
    (lambda: Layer(0, 2), ValueError, "a neuron needs at least 1 input, not 0"),
    (lambda: MLP(2, [3, 0, 1]), ValueError, "a layer needs at least 1 neuron, not 0"),
    (lambda: MLP(2, []), ValueError, "a network needs at least 1 layer, and the list of sizes"),
    (lambda: Neuron(3)([1.0]), ValueError, "a neuron of 3 inputs was given 1"),
    (lambda: Layer(2, 2)([1, 2, 3]), ValueError, "a neuron of 2 inputs was given 3"),
    (lambda: MLP(2, [1])([1.0]), ValueError, "a neuron of 2 inputs was given 1"),
    (lambda: MLP(2, [1])([1.0, math.nan]), ValueError, r"Value\(nan\): not a finite number"),
    (lambda: MLP(2, [1])([1.0, None]), TypeError, "must be real number, not NoneType")])
def test_what_has_no_answer_is_refused(f, error, message):
    with pytest.raises(error, match=message):
        f()


# --- neurons, layers, networks ---

def test_weighted_sum_is_what_times_and_plus_make():
    rng = random.Random(3)
    numbers = [rng.gauss(0, 1) for _ in range(11)]
    results = []
    for by_hand in (True, False):
        ws, xs, b = list(map(Value, numbers[:5])), list(map(Value, numbers[5:10])), Value(numbers[10])
        out = b
        if by_hand:
            for w, x in zip(ws, xs):
                out = out + w * x
        else:
            out = micrograd.weighted_sum(ws, xs, b)
        (out * out).backward()
        results.append([out.data] + [v.grad for v in (*ws, *xs, b)])
    assert results[0] == pytest.approx(results[1], rel=1e-12)


def test_a_neuron():
    for nonlin in (True, False):
        neuron = Neuron(2, nonlin)
        for p, number in zip(neuron.parameters(), (0.5, -2.0, 1.0)):
            p.data = number
        assert neuron([2.0, 3]).data == (0 if nonlin else -4)
        assert neuron([Value(2.0), Value(0.5)]).data == 1
    x = Value(2.0)
    neuron([x, 0.5]).backward()
    assert (x.grad, [p.grad for p in neuron.parameters()]) == (0.5, [2, 0.5, 1])
    neuron.zero_grad()
    assert [p.grad for p in neuron.parameters()] == [0, 0, 0]


def test_layers_and_networks():
    layer = Layer(3, 2)
    assert len(layer.parameters()) == 8 and len(layer([1, 2, 3])) == 2
    assert all(v.op == "relu" for v in layer([1, 2, 3]))
    assert Neuron(2)([1, 2]).op == "relu"
    assert [neuron.bias.data for neuron in layer.neurons] == [0, 0]
    assert len(Layer(3, 1)([1, 2, 3])) == 1
    model = MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    assert isinstance(model([1, 2]), Value) and model([1, 2]).op == "w·x+b"  # linear at the end
    assert len(MLP(2, [1, 3])([1, 2])) == 3
    assert MLP(2, [3, 1], random.Random(5))([1, 2]).data == \
        MLP(2, [3, 1], random.Random(5))([1, 2]).data


def test_first_weights_have_the_spread_of_he_et_al():
    weights = [w.data for neuron in Layer(50, 200, rng=random.Random(1)).neurons
               for w in neuron.weights]
    assert abs(sum(weights) / len(weights)) < 0.01
    assert math.sqrt(sum(w * w for w in weights) / len(weights)) == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("loss", [micrograd.max_margin, micrograd.logistic])
@pytest.mark.parametrize("sizes", [[1], [3, 1], [4, 3, 1]])
def test_gradient_of_every_parameter_of_a_network(loss, sizes):
    model = MLP(2, sizes, random.Random(len(sizes)))
    rng = random.Random(4)
    for p in model.parameters():
        p.data += rng.gauss(0, 0.2)  # no bias at 0
    points = micrograd.two_moons(6, 0.1, rng)
    named = {str(i): p for i, p in enumerate(model.parameters())}
    gradcheck.check(lambda: micrograd.loss_of(model, points, loss), named, step=1e-4)


# --- data, losses, training ---

def test_two_moons():
    points = micrograd.two_moons(51, 0.0, random.Random(1))
    assert [label for _, label in points] == [1, -1] * 25 + [1]
    for (x, y), label in points:
        cx, cy = (0, 0) if label == 1 else (1, 0.5)
        assert math.hypot(x - cx, y - cy) == pytest.approx(1)
        assert (y - cy) * label >= 0
    noisy = micrograd.two_moons(5000, 0.2, random.Random(1))
    strays = [math.hypot(x, y) - 1 for (x, y), label in noisy if label == 1]
    assert math.sqrt(sum(s * s for s in strays) / len(strays)) == pytest.approx(0.2, rel=0.1)


def test_losses():
    margins = (-1000.0, -2.0, 0.0, 0.5, 1.0, 3.0, 1000.0)
    assert [micrograd.max_margin(Value(m)).data for m in margins] == [1001, 3, 1, 0.5, 0, 0, 0]
    assert [micrograd.logistic(Value(m)).data for m in margins] == pytest.approx(
        [1000, math.log(1 + math.exp(2)), math.log(2), math.log(1 + math.exp(-0.5)),
         math.log(1 + math.exp(-1)), math.log(1 + math.exp(-3)), 0])
    for m in margins:
        margin = Value(m)
        micrograd.logistic(margin).backward()
        assert margin.grad == pytest.approx(-micrograd.sigmoid(-m) if m else -0.5)


def test_loss_and_accuracy_worked_by_hand():
    model = MLP(2, [1])
    for p, number in zip(model.parameters(), (1.0, 2.0, 0.5)):
        p.data = number
    points = [((1.0, 0.0), 1), ((0.0, 1.0), -1), ((0.0, 0.0), 1)]  # scores 1.5, 2.5 and 0.5
    assert micrograd.loss_of(model, points, micrograd.max_margin).data == pytest.approx(
        (0 + 3.5 + 0.5) / 3)
    assert micrograd.accuracy(model, points) == pytest.approx(2 / 3)
    for p in model.parameters():
        p.data = 0.0
    assert micrograd.accuracy(model, points) == 0  # a score of 0 has no sign


def test_learning_rate():
    assert [micrograd.learning_rate(step, 4, 2.0) for step in range(4)] == [2.0, 1.5, 1.0, 0.5]


def test_a_step_of_training_is_gradient_descent_on_the_points_in_turn():
    points = micrograd.two_moons(5, 0.1, random.Random(2))
    model, twin = MLP(2, [3, 1], random.Random(1)), MLP(2, [3, 1], random.Random(1))
    losses = list(micrograd.train(model, points, micrograd.max_margin, 3, 2, 0.3))
    for step, batch in enumerate(([0, 1], [2, 3], [4, 0])):
        loss = micrograd.loss_of(twin, [points[i] for i in batch], micrograd.max_margin)
        loss = loss + 1e-4 * sum(p * p for p in twin.parameters())
        twin.zero_grad()
        loss.backward()
        assert losses[step] == loss.data
        for p in twin.parameters():
            p.data -= 0.3 * (3 - step) / 3 * p.grad
    assert [p.data for p in model.parameters()] == [p.data for p in twin.parameters()]


# --- pictures ---

def test_boundary():
    points = [((0.0, 0.0), -1), ((1.0, 1.0), 1)]
    rows = micrograd.draw_boundary(lambda x: x[0] - 0.5, points, 16, 8).split("\n")
    assert len(rows) == 8
    assert rows[6] == "  o     ░░░░░░░░" and rows[1] == "        ░░░░░●░░"  # the y axis points up
    assert rows[0] == " " * 8 + "░" * 8
    flat = micrograd.draw_boundary(lambda x: x[1] - 0.55, points, 16, 8).split("\n")
    assert [row.count("░") > 8 for row in flat] == [True] * 4 + [False] * 4  # middles at 0.4, 0.6
    low = micrograd.draw_boundary(lambda x: x[1] - 0.45, points, 16, 8).split("\n")
    assert [row.count("░") > 8 for row in low] == [True] * 4 + [False] * 4
    assert "░" not in micrograd.draw_boundary(lambda x: 0.0, points)
    assert [len(picture.split("\n")) for picture in [micrograd.draw_boundary(lambda x: 1.0, points)]] \
        == [20]


def test_tree():
    a, d = micrograd.diamond()
    d.backward()
    assert micrograd.draw_graph(d, {"a": a, "d": d}).split("\n") == [
        "d = *                              data 42         grad 1",
        "├─ *                               data 6          grad 13",
        "│  ├─ a                            data 3          grad 26",
        "│  └─ 2                            data 2          grad 39",
        "└─ +                               data 7          grad 6",
        "   ├─ * (see above)                data 6          grad 13",
        "   └─ 1                            data 1          grad 6"]


def test_tree_of_a_value_used_twice_at_once():
    a = Value(3.0)
    square = a * a
    square.backward()
    assert micrograd.draw_graph(square, {"a": a}).split("\n") == [
        "*                                  data 9          grad 1",
        "├─ a                               data 3          grad 6",
        "└─ a                               data 3          grad 6"]


def boxes_and_lines(svg):
    """The boxes (left, top, right, bottom) of an SVG's shapes, and points along its lines."""
    shapes, lines = [], []
    for element in ElementTree.fromstring(svg).iter():
        at = element.attrib
        if element.tag.endswith("rect") and "x" in at:
            x, y, w, h = (float(at[key]) for key in ("x", "y", "width", "height"))
            shapes.append((x, y, x + w, y + h))
        elif element.tag.endswith("circle"):
            x, y, r = (float(at[key]) for key in ("cx", "cy", "r"))
            shapes.append((x - r, y - r, x + r, y + r))
        elif element.tag.endswith("path"):
            numbers = list(map(float, re.findall(r"-?[\d.]+", at["d"])))
            x, y, x1 = numbers[:3]
            line = [(x + (x1 - x) * i / 50, y) for i in range(51)]
            if "C" in at["d"]:  # a Bezier curve
                (ax, ay), (bx, by), (cx, cy) = zip(numbers[3::2], numbers[4::2])
                for i in range(51):
                    t, s = i / 50, 1 - i / 50
                    line.append((s ** 3 * x1 + 3 * s * s * t * ax + 3 * s * t * t * bx + t ** 3 * cx,
                                 s ** 3 * y + 3 * s * s * t * ay + 3 * s * t * t * by + t ** 3 * cy))
            lines.append(line)
    return shapes, lines


def shared_graph():
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = (a * b + b ** 3) * c + c / b
    out = (d - c).sigmoid() * d + a
    out.backward()
    return out, {"a": a, "b": b, "c<d": c}


def fused_neuron():
    x = [Value(1.0), Value(2.0), Value(3.0)]
    out = Neuron(3)(x)
    out.backward()
    return out, dict(zip(("x1", "x2", "x3"), x))


@pytest.mark.parametrize("graph", [micrograd.neuron_of_three_inputs, shared_graph, fused_neuron])
def test_svg_shows_every_value_and_nothing_lies_on_anything_else(graph):
    root, names = graph()
    svg = micrograd.draw_svg(root, names)
    shapes, lines = boxes_and_lines(svg)
    order = micrograd.topological_order(root)
    operations = [value for value in order if value.parents]
    assert len(shapes) == len(order) + len(operations)
    assert len(lines) == len(operations) + sum(len(set(v.parents)) for v in operations)
    for i, (left, top, right, bottom) in enumerate(shapes):
        for other in shapes[:i]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
    for line in lines:  # a line touches the shapes at its ends only
        hit = [shape for shape in shapes if any(shape[0] < x < shape[2] and shape[1] < y < shape[3]
                                                for x, y in line)]
        assert hit == []
        assert sum(abs(line[0][0] - s[2]) < 0.01 and s[1] < line[0][1] < s[3] for s in shapes) == 1
        assert sum(abs(line[-1][0] - s[0]) < 0.01 and s[1] < line[-1][1] < s[3] for s in shapes) == 1
    texts = ["".join(e.itertext()) for e in ElementTree.fromstring(svg).iter()
             if e.tag.endswith("text")]
    for value in order:
        assert f"data {value.data:.5g}" in texts and f"grad {value.grad:.5g}" in texts
    assert set(names) <= set(texts)
    width = max(right for _, _, right, _ in shapes)
    assert width < float(ElementTree.fromstring(svg).get("width"))
    # letters are 0.6 times as wide as the font is high, 13: what a box or a circle has room for
    assert all(len(text) * 7.8 <= 172 - 36 for text in texts)
    assert all(len(value.op) * 7.8 <= 58 for value in operations)


def test_svg_places_inputs_beside_their_use_and_results_between_their_parents():
    root, names = micrograd.neuron_of_three_inputs()
    at = {"".join(e.itertext()): (float(e.get("x")), float(e.get("y")))
          for e in ElementTree.fromstring(micrograd.draw_svg(root, names)).iter()
          if e.tag.endswith("text") and e.get("class") == "name"}
    step = (at["out"][0] - at["x1"][0]) / 5  # x1, *, +, +, +, tanh
    assert at["w3"][0] == at["x1"][0] and at["b"][0] == at["out"][0] - 2 * step
    root, names = fused_neuron()
    svg = micrograd.draw_svg(root, {**names, "sum": root.parents[0]})
    heights = {"".join(e.itertext()): float(e.get("y")) for e in ElementTree.fromstring(svg).iter()
               if e.get("class") == "name"}
    assert heights["x1"] < heights["sum"] < heights["x2"]  # three weights and an input above it


# --- the script ---

run = partial(scripts.run, "micrograd.py")
SMALL = ["--steps", "20", "--points", "20", "--n-hidden", "4"]


def test_a_run():
    done = run("--steps", "60")
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert float(re.search(r"^accuracy: ([\d.]+)% of the points it was", out, re.M).group(1)) > 90
    assert [name for name, _ in re.findall(r"^(train|dev) loss (0\.\d{4})$", out, re.M)] == [
        "train", "dev"]
    assert "100 points, 337 parameters" in out
    assert "26.0 by backward(), 26.000000 by nudging, 40.0 by simple recursion" in out
    assert "out = tanh " in out and "AND: " in out and "OR: " in out
    assert max(map(len, out.split("\n"))) <= 80
    picture = out.split("\n\n")[-1]
    assert "●" in picture and "o" in picture and "░" in picture
    assert len(re.findall(r"^step \d+/60  loss 0\.\d+  \d+ s left$", done.stderr, re.M)) == 10
    assert "\r" not in done.stderr and "s left" not in out


def test_what_the_examples_print_is_true(capsys):
    micrograd.main([*SMALL, "--steps", "0"])
    out = capsys.readouterr().out
    table = re.findall(r"^ +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+)$", out, re.M)
    assert len(table) == 6
    for x, value, nudged, slope in (map(float, row) for row in table):
        assert value == (x - 3) ** 2 + 1 and slope == 2 * (x - 3) == nudged
    assert "\n     -3.000000, 2.000000, 1.000000\n" in out  # b, a and 1
    # (2 * -3 + 10)^2 = 4^2, and 2 * 4 times b, a and 1
    assert "(ab + c)^2 = 16.0 " in out
    assert re.findall(r"^    ([abc]) +(-?[\d.]+) +(-?[\d.]+)$", out, re.M) == [
        ("a", "-24.0", "-24.000000"), ("b", "16.0", "16.000000"), ("c", "8.0", "8.000000")]
    (and_w, or_w), (and_b, or_b), losses = micrograd.train_by_hand()
    assert re.findall(r"loss ([\d.]+) at step (\d+)$", out, re.M) == [
        (f"{losses[i]:.4f}", str(i)) for i in (0, 10, 100, 999)]
    for name, (w1, w2), b, ones in (("AND", and_w, and_b, 1), ("OR", or_w, or_b, 3)):
        assert f"{name}: {w1:.1f} x1 + {w2:.1f} x2 {b:+.1f} > 0" in out
        points = [((i, j), 1 if (i and j if name == "AND" else i or j) else -1)
                  for i in (0, 1) for j in (0, 1)]
        assert sum(label == 1 for _, label in points) == ones
        picture = micrograd.draw_boundary(lambda x: w1 * x[0] + w2 * x[1] + b, points, 30, 9)
        assert picture.count("●") == ones and all(row in out for row in picture.split("\n"))
    assert micrograd.draw_graph(*micrograd.neuron_of_three_inputs()) in out


def test_the_neuron_of_three_inputs_by_hand():
    out, names = micrograd.neuron_of_three_inputs()
    x1, w1, x2, w2, x3, w3, b = (names[name].data for name in ("x1", "w1", "x2", "w2", "x3", "w3", "b"))
    assert out.data == math.tanh(x1 * w1 + x2 * w2 + x3 * w3 + b) and names["out"] is out
    bend = 1 - out.data ** 2
    assert (names["w2"].grad, names["x3"].grad, names["b"].grad) == pytest.approx(
        (bend * x2, bend * w3, bend))


@pytest.mark.parametrize("loss", ["margin", "logistic"])
def test_what_the_moons_print_is_true(loss, capsys):
    for seed in (4, 9):
        micrograd.main(["--steps", "15", "--points", "30", "--n-hidden", "3", "--lr", "0.5", "--seed",
                        str(seed), "--noise", "0.3", "--batch-size", "7", "--loss", loss])
        out = capsys.readouterr().out
        rng = random.Random(seed)
        points, fresh = micrograd.two_moons(30, 0.3, rng), micrograd.two_moons(30, 0.3, rng)
        model = MLP(2, [3, 3, 1], rng)
        charge = micrograd.logistic if loss == "logistic" else micrograd.max_margin
        list(micrograd.train(model, points, charge, 15, 7, 0.5))
        right = [sum((model(x).data > 0) == (label > 0) for x, label in some) / 30
                 for some in (points, fresh)]
        assert right[0] != right[1] and right[0] < 1
        assert (f"\ntrain loss {micrograd.loss_of(model, points, charge).data:.4f}\n"
                f"dev loss {micrograd.loss_of(model, fresh, charge).data:.4f}\n"
                f"accuracy: {right[0]:.1%} of the points it was trained on, {right[1]:.1%} of new ones"
                in out)
        assert out.endswith(micrograd.draw_boundary(lambda x: model(x).data, points) + "\n")


def test_the_same_seed_gives_the_same_output():
    first, again, other = run(*SMALL), run(*SMALL), run(*SMALL, "--seed", "43")
    assert first.stdout == again.stdout != other.stdout


def test_options_change_what_they_say(capsys):
    def after(*args):
        micrograd.main([*SMALL, *args])
        return capsys.readouterr().out

    plain = after()
    assert "20 points, 37 parameters" in plain
    assert "20 points, 17 parameters" in after("--n-layer", "1")
    assert "20 points, 3 parameters" in after("--n-layer", "0")
    loss = {args: re.findall("(?:train|dev) loss .*", after(*args)) for args in (
        (), ("--loss", "logistic"), ("--lr", "0.1"), ("--batch-size", "3"), ("--noise", "0"),
        ("--steps", "0"))}
    assert len(set(map(tuple, loss.values()))) == 6


@scripts.posix
def test_svg_file(tmp_path, capsys):
    path = tmp_path / "graph.svg"
    path.write_text("old", encoding="utf-8")
    micrograd.main([*SMALL, "--svg", str(path)])
    assert path.read_text(encoding="utf-8") == micrograd.draw_svg(
        *micrograd.neuron_of_three_inputs())
    assert os.listdir(tmp_path) == ["graph.svg"]
    if hasattr(os, "symlink"):  # a link stays one, and what it points to is written
        os.symlink(path, tmp_path / "link.svg")
        path.write_text("old", encoding="utf-8")
        micrograd.main([*SMALL, "--svg", str(tmp_path / "link.svg")])
        assert os.path.islink(tmp_path / "link.svg") and path.read_text(encoding="utf-8") != "old"
    assert f"\n{path} shows the same as a picture; open it in a browser\n" in \
        capsys.readouterr().out


@pytest.mark.parametrize("args, message", [
    (["--steps", "-1"], "argument --steps: must be a whole number from 0 to 10^9, not '-1'"),
    (["--batch-size", "0"], "argument --batch-size: must be a whole number from 1 to 10^9, not '0'"),
    (["--lr", "nan"], "argument --lr: must be a number above 0 and up to 10^9, not 'nan'"),
    (["--lr", "0"], "argument --lr: must be a number above 0 and up to 10^9, not '0'"),
    (["--n-hidden", "0"], "argument --n-hidden: must be a whole number from 1 to 10^9, not '0'"),
    (["--n-layer", "two"], "argument --n-layer: must be a whole number from 0 to 10^9, not 'two'"),
    (["--points", "1"], "argument --points: must be a whole number from 2 to 10^9, not '1'"),
    (["--noise", "-1"], "argument --noise: must be a number from 0 to 10^9, not '-1'"),
    (["--noise", "inf"], "argument --noise: must be a number from 0 to 10^9, not 'inf'"),
    (["--lr", "1e10"], "argument --lr: must be a number above 0 and up to 10^9, not '1e10'"),
    (["--seed", "1.5"], "argument --seed: must be a whole number"),
    (["--loss", "square"], "argument --loss: invalid choice: 'square'"),
    (["--svg", "."], ": not an ordinary file; name one to write"),
    (["--svg", "/dev/stdout"], "/dev/stdout: not an ordinary file; name one to write"),
    (["--svg", "no/such/x.svg"], "error: no/such/x.svg: No such file or directory; name a file that"),
    (["--svg", "there.svg", "--steps", "x"], "argument --steps: must be")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.svg").write_text("untouched", encoding="utf-8")
    out = scripts.check_refused(micrograd.main, "micrograd.py", args, message, capsys)
    assert out == "" and os.listdir(tmp_path) == ["there.svg"]
    assert (tmp_path / "there.svg").read_text(encoding="utf-8") == "untouched"


@pytest.mark.parametrize("loss", ["margin", "logistic"])
@pytest.mark.parametrize("lr, steps", [("1e9", "9"), ("1e5", "50")])
def test_steps_that_are_too_large(loss, lr, steps, capsys):
    scripts.check_refused(
        micrograd.main, "micrograd.py", [*SMALL, "--lr", lr, "--steps", steps, "--loss", loss],
        "the loss grew without bound, as the steps were too large; try a smaller --lr", capsys)


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ValueError, match="x.svg: No space left on device; name a file that can be"):
        micrograd.write_text(str(tmp_path / "x.svg"), "text")
    assert os.listdir(tmp_path) == []


def test_help_gives_each_default():
    text = " ".join(run("--help").stdout.split())
    assert len(re.findall(r"\(default: ", text)) == 9  # all options but --svg and --help
    assert "training steps (default: 200)" in text and "points a step (default: all)" in text


def test_where_the_characters_of_the_pictures_cannot_be_printed():
    done = run(*SMALL, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "dev loss" in done.stdout and "??" in done.stdout


@scripts.posix
def test_ctrl_c_ends_training():
    scripts.check_ctrl_c("micrograd.py", SMALL, ready="two moons:", after="accuracy: ", endless=None)


@scripts.posix
def test_ctrl_c_before_training_quits():
    scripts.check_quits("micrograd.py", ["--points", "2000000"], ready="out = tanh")


def test_defaults():
    assert vars(micrograd.make_parser().parse_args([])) == {
        "steps": 200, "batch_size": None, "lr": 1.0, "n_hidden": 16, "n_layer": 2, "points": 100,
        "noise": 0.1, "seed": 42, "loss": "margin", "svg": None}


@scripts.posix
def test_a_reader_that_leaves_is_no_error():
    scripts.check_reader_leaves("micrograd.py", SMALL)


@scripts.posix
def test_closed_outputs():
    scripts.check_closed_outputs("micrograd.py", SMALL)


@scripts.full_disk
def test_a_full_disk():
    scripts.check_full_disk("micrograd.py", SMALL)


def test_progress_on_a_terminal_is_one_line_rewritten(monkeypatch, capsys):
    scripts.check_progress_on_a_terminal(
        micrograd.main, SMALL, r"step 20/20  loss \d\.\d+  0 s left", monkeypatch)
    assert "s left" not in capsys.readouterr().out
