"""What the exercises of the lessons ask for, each by itself, in messages for whoever solves them.

The name of a test says which exercise it is about: test_exercise_1_3_... is for exercise 1.3, and
`python -m pytest -k "exercise and 1_3"` runs those. The lessons are imported by the tests, so that
a mistake in one of them is none in the others.
"""
import copy
import importlib
import itertools
import math
import random
from types import SimpleNamespace

import pytest

import gradcheck


def fail(message):
    """End a test with just this message."""
    __tracebackhide__ = True
    pytest.fail(message, pytrace=False)


def imported(name):
    """The module of that name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"{name}.py cannot be imported: {error}"
    except SyntaxError as error:
        message = (f"{name}.py cannot be read as Python: line {error.lineno}: {error.msg}: "
                   f"{str(error.text).strip()}")
    fail(message)


def lesson(name):
    """A fixture: the module of that name."""
    return pytest.fixture(name=name)(lambda: imported(name))


mlp = lesson("mlp")


def same(what, found, expected, tolerance=1e-9):
    """Assert that found is what is expected, numbers up to rounding; the message says where not."""
    __tracebackhide__ = True
    compare(what, found, expected, "", tolerance)


def compare(what, found, expected, place, tolerance):
    """The same for what is inside, at a place such as [0][2]."""
    __tracebackhide__ = True
    at = f"{what}: at {place}, " if place else f"{what}: "
    if isinstance(expected, (list, tuple)):
        if not isinstance(found, (list, tuple)):
            fail(f"{at}expected a list, {expected!r:.200}, found {found!r:.200}")
        if len(found) != len(expected):
            fail(f"{at}expected a list of length {len(expected)}, {expected!r:.200}, found one of "
                 f"length {len(found)}, {found!r:.200}")
        for i, pair in enumerate(zip(found, expected)):
            compare(what, *pair, f"{place}[{i}]", tolerance)
    elif isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            fail(f"{at}expected a dict with the keys {list(expected)!r:.200}, found {found!r:.200}")
        for key in expected:
            compare(what, found[key], expected[key], f"{place}[{key!r}]", tolerance)
    elif isinstance(expected, float):
        if not isinstance(found, (int, float)) or found != expected and not (
                math.isfinite(expected)
                and abs(found - expected) <= tolerance * max(1, abs(expected))):
            fail(f"{at}expected {expected!r}, found {found!r:.200}")
    elif found != expected:
        fail(f"{at}expected {expected!r:.200}, found {found!r:.200}")


def check_raises(what, call):
    """Assert that call() raises ValueError, and does not give a result."""
    __tracebackhide__ = True
    try:
        found = call()
    except ValueError:
        return
    fail(f"{what} should raise ValueError; it gives {found!r:.200}")


def check_tensor(what, found, lesson):
    """Assert that found is a Tensor of the lesson, with a way back."""
    __tracebackhide__ = True
    if not isinstance(found, lesson.Tensor):
        fail(f"{what} should be a Tensor; found {found!r:.200}")
    if found.local_backward is None:
        fail(f"{what} has no way back: a Tensor is to be given its parents and its local_backward")


def random_rows(n, m, rng):
    return [[rng.gauss(0, 1) for _ in range(m)] for _ in range(n)]


def numbers_of(data):
    """All numbers in nested lists, in a list."""
    return [v for item in data for v in numbers_of(item)] if isinstance(data, list) else [data]


def like(data, rng):
    """Random numbers in the shape of data."""
    return [like(item, rng) for item in data] if isinstance(data, list) else rng.gauss(0, 1)


def check_way_back(make, tensors):
    """The gradients that an operation sends to `tensors`, {name: tensor}, must be those by nudging.

    make: computes a tensor from them. What comes back to it is random, as if a loss were a sum of
    its numbers, each times a random one.
    """
    __tracebackhide__ = True
    out = make()
    same("the parents of the result, by name", [name_of(parent, tensors) for parent in out.parents],
         list(tensors))
    grad, given = (like(out.data, random.Random(7)) for _ in range(2))
    shares = out.local_backward(given)
    same("the gradient that was given to the way back, which should be as it was", given, grad)
    if not isinstance(shares, (tuple, list)) or len(shares) != len(tensors):
        names = ", ".join(f"d_{name}" for name in tensors) + "," * (len(tensors) == 1)
        fail(f"the way back should return a tuple with a gradient for each parent, ({names}); it "
             f"returns {shares!r:.200}")

    def loss():
        return sum(a * b for a, b in zip(numbers_of(make().data), numbers_of(grad)))
    for (name, tensor), share in zip(tensors.items(), shares):
        check_gradient(loss, name, tensor.data, share)
    before = copy.deepcopy(shares)
    same("the way back, taken again", out.local_backward(given), before)


def name_of(tensor, tensors):
    """The name that a tensor has in {name: tensor}."""
    return next((name for name, own in tensors.items() if own is tensor), "another tensor")


def check_gradient(loss, name, data, grad):
    """Assert that grad has the shape of data, and that nudging data changes loss() as grad says."""
    __tracebackhide__ = True
    for part in [grad, *numbers_of(grad)]:
        if not isinstance(part, (list, int, float)):
            fail(f"the gradient of {name} should be made of lists and numbers; found {part!r:.200}")
    places = [[place for _, _, place in gradcheck.entries(item)] for item in (grad, data)]
    if places[0] != places[1]:
        fail(f"the gradient of {name} should have its shape, numbers at {written(places[1])}; it "
             f"has numbers at {written(places[0])}")
    message = None
    try:
        gradcheck.compare(loss, name, data, grad)
    except AssertionError as error:
        message = str(error)
    if message:
        fail(message)


def written(places):
    """Indices such as [0][2], the first and the last ones."""
    texts = ["".join(f"[{i}]" for i in place) or "no index" for place in places]
    return ", ".join(texts if len(texts) < 5 else [*texts[:2], "...", texts[-1]])


# --- 3: mlp.py ---


def test_exercise_3_1_a_document(mlp):
    for block_size, examples in (
            (1, [((0,), 5), ((5,), 6), ((6,), 0)]),
            (3, [((0, 0, 0), 5), ((0, 0, 5), 6), ((0, 5, 6), 0)])):
        found = mlp.examples_of([[0, 5, 6, 0]], block_size)
        same(f"examples_of([[0, 5, 6, 0]], {block_size})", found, examples)
        for context, _ in found:
            if not isinstance(context, tuple):
                fail(f"examples_of([[0, 5, 6, 0]], {block_size}): expected a context to be a "
                     f"tuple, found {context!r}")


def test_exercise_3_1_documents_do_not_mix(mlp):
    documents = [[0, 1, 0], [0, 2, 0]]
    same("examples_of([[0, 1, 0], [0, 2, 0]], 2)", mlp.examples_of(documents, 2),
         [((0, 0), 1), ((0, 1), 0), ((0, 0), 2), ((0, 2), 0)])
    same("the documents afterwards, which should be as they were", documents,
         [[0, 1, 0], [0, 2, 0]])


def test_exercise_3_2_by_hand(mlp):
    layer = mlp.Linear(2, 1, 1.0, random.Random(1))
    layer.weight.data = [[5.0], [7.0]]
    shares = layer(mlp.Tensor([[2.0, 3.0], [1.0, 0.0]])).local_backward([[1.0], [10.0]])
    for name, found, expected in zip(("x", "weight", "bias"), shares, (
            [[5.0, 7.0], [50.0, 70.0]], [[12.0], [3.0]], [11.0])):
        same(f"x [[2, 3], [1, 0]], weight [[5], [7]], where [[1], [10]] comes back: the gradient "
             f"of {name}", found, expected)


@pytest.mark.parametrize("bias", [True, False])
def test_exercise_3_2_against_nudging(mlp, bias):
    rng = random.Random(4)
    layer, x = mlp.Linear(3, 2, 1.0, rng, bias), mlp.Tensor(random_rows(4, 3, rng))
    tensors = {"x": x, "weight": layer.weight, "bias": layer.bias}
    check_way_back(lambda: layer(x), tensors if bias else {"x": x, "weight": layer.weight})


def test_exercise_3_3_known_logits(mlp):
    log2 = math.log(2)
    for row, expected in (([0.0, 0.0], [-log2, -log2]), ([1.0, 1.0, 1.0, 1.0], [-2 * log2] * 4),
                          ([0.0, math.log(3)], [-2 * log2, math.log(3) - 2 * log2])):
        given = list(row)
        same(f"log_softmax({row})", mlp.log_softmax(given), expected)
        same("the logits afterwards, which should be as they were", given, row)


def test_exercise_3_3_logits_of_any_size(mlp):
    for row, expected in (([1000.0, 1000.0], [-math.log(2)] * 2), ([-1000.0, 0.0], [-1000.0, 0.0]),
                          ([-2000.0, -1000.0], [-1000.0, 0.0])):
        same(f"log_softmax({row})", mlp.log_softmax(row), expected)


def test_exercise_3_4_by_hand(mlp):
    loss = mlp.cross_entropy(mlp.Tensor([[0.0, 0.0], [0.0, 0.0]]), [0, 1])  # all p are 1/2
    same("logits [[0, 0], [0, 0]], targets [0, 1], where 8 comes back: their gradient",
         loss.local_backward(8.0)[0], [[-2.0, 2.0], [2.0, -2.0]])


def test_exercise_3_4_against_nudging(mlp):
    logits = mlp.Tensor(random_rows(3, 4, random.Random(5)))
    check_way_back(lambda: mlp.cross_entropy(logits, [2, 0, 2]), {"logits": logits})


def test_exercise_3_5_against_nudging(mlp):
    for n, m in ((3, 5), (2, 3)):
        x = mlp.Tensor(random_rows(n, m, random.Random(6)))
        check_way_back(lambda: mlp.standardize(x)[0], {"x": x})


def steps_of_batch_norm(n, gamma, **given):
    """The steps of mlp.forward_by_hand around batch norm, some given, the others computed."""
    s = SimpleNamespace(**given)

    def take(name, compute):
        if name not in given:
            setattr(s, name, compute())
    take("mean", lambda: [sum(column) / n for column in zip(*s.before_norm)])
    take("centred", lambda: [[v - m for v, m in zip(row, s.mean)] for row in s.before_norm])
    take("squares", lambda: [[v * v for v in row] for row in s.centred])
    take("variance", lambda: [sum(column) / n for column in zip(*s.squares)])
    take("scale", lambda: [(v + 1e-5) ** -0.5 for v in s.variance])
    take("normed", lambda: [[v * k for v, k in zip(row, s.scale)] for row in s.centred])
    s.preact = [[v * g for v, g in zip(row, gamma)] for row in s.normed]
    return s


def test_exercise_3_6_each_step_against_nudging(mlp):
    rng = random.Random(8)
    n, gamma = 4, [1.5, -0.5, 0.75]
    before_norm, grad = random_rows(n, 3, rng), random_rows(n, 3, rng)
    s, d = steps_of_batch_norm(n, gamma, before_norm=before_norm), SimpleNamespace(preact=grad)
    mlp.before_norm_in_steps(s, d, gamma)
    names = ["normed", "scale", "variance", "squares", "centred", "mean", "before_norm"]
    for i, name in enumerate(names):
        given = {known: getattr(s, known) for known in names[i:]}

        def loss():
            preact = steps_of_batch_norm(n, gamma, **given).preact
            return sum(a * b for a, b in zip(numbers_of(preact), numbers_of(grad)))
        if not hasattr(d, name):
            fail(f"d.{name} was not set")
        check_gradient(loss, name, given[name], getattr(d, name))
