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


micrograd, bigram, mlp, wavenet = map(lesson, ("micrograd", "bigram", "mlp", "wavenet"))


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


# --- 1: micrograd.py ---


def test_exercise_1_1_slopes_known_from_school(micrograd):
    for text, f, inputs, slopes in (
            ("x^2", lambda x: x * x, [3.0], [6.0]),
            ("x^3 - x", lambda x: x ** 3 - x, [-2.0], [11.0]),
            ("ab + c", lambda a, b, c: a * b + c, [2.0, -3.0, 10.0], [-3.0, 2.0, 1.0])):
        same(f"the slopes of {text} at {inputs}", micrograd.nudge(f, *inputs), slopes, 1e-6)


def test_exercise_1_1_nudged_both_ways(micrograd):
    for h in (0.5, 0.01):  # one way only, it would be 27 + 9h + h^2
        same(f"the slope of x^3 at 3, nudged by h = {h} up and down",
             micrograd.nudge(lambda x: x ** 3, 3.0, h=h), [27 + h * h])


def test_exercise_1_1_the_others_rest(micrograd):
    same("the slopes of ab at a = 2, b = -3, each nudged by h = 0.5",
         micrograd.nudge(lambda a, b: a * b, 2.0, -3.0, h=0.5), [-3.0, 2.0])


def test_exercise_1_2_the_square_and_its_slopes(micrograd):
    for a, b, c in ((2.0, -3.0, 10.0), (1.5, 0.5, -2.0), (0.0, 4.0, 1.0)):
        total = a * b + c
        same(f"square_by_hand({a}, {b}, {c}): the square, and its slopes by a, b and c",
             micrograd.square_by_hand(a, b, c),
             (total * total, [2 * total * b, 2 * total * a, 2 * total]))


def test_exercise_1_3_the_value(micrograd):
    for x in (0.5, -2.0, 0.0, 1000.0):
        value = micrograd.Value(x)
        out = value.tanh()
        same(f"Value({x}).tanh(): its type", type(out).__name__, "Value")
        same(f"Value({x}).tanh().data", out.data, math.tanh(x))
        same(f"the .data of Value({x}) afterwards, which should be as it was", value.data, x)


def test_exercise_1_3_the_slope(micrograd):
    for x in (0.5, -2.0, 0.0, 20.0):
        value = micrograd.Value(x)
        out = value.tanh()
        same(f"Value({x}).tanh(), as one operation: its parents, and whether each is that Value",
             [parent is value for parent in out.parents], [True])
        same(f"Value({x}).tanh().local_grads", out.local_grads, [1 / math.cosh(min(x, 300)) ** 2])


def test_exercise_1_4_each_once_and_after_its_parents(micrograd):
    for graph in ("d = c * a", "d = a * c"):
        a, b = micrograd.Value(2.0), micrograd.Value(3.0)
        c = a + b
        d = c * a if graph == "d = c * a" else a * c
        names = {"a": a, "b": b, "c": c, "d": d}
        order = [name_of(value, names) for value in micrograd.topological_order(d)]
        same(f"c = a + b, {graph}: the Values in the order of d, by name, sorted", sorted(order),
             sorted(names))
        for first, then in ("ac", "bc", "cd", "ad"):
            if order.index(first) > order.index(then):
                fail(f"c = a + b, {graph}: expected {first} before {then}, found the order {order}")


def test_exercise_1_4_no_way_is_gone_twice(micrograd):
    value = micrograd.Value(1.0)
    for _ in range(60):
        value = value + value  # 2^60 ways lead back to the first
    same("x = x + x, 60 times: how many Values the order has",
         len(micrograd.topological_order(value)), 61)


def test_exercise_1_4_a_long_chain(micrograd):
    value = micrograd.Value(0.0)
    for _ in range(5000):
        value = value + 1
    order = None
    try:
        order = micrograd.topological_order(value)
    except RecursionError:
        pass
    if order is None:
        fail("a chain of 5000 additions: too deep for Python's recursion, or no list; use a stack")
    same("a chain of 5000 additions: how many Values its order has", len(order), 10001)


def test_exercise_1_5_slopes_multiply_and_add_up(micrograd):
    a, b = micrograd.Value(2.0), micrograd.Value(-3.0)
    out = a * b + a * a  # by a: b + 2a, by b: a
    out.backward()
    for name, value, expected in (("out", out, 1.0), ("a", a, 1.0), ("b", b, 2.0)):
        same(f"out = a b + a^2 at a = 2, b = -3: the .grad of {name}", value.grad, expected)


def test_exercise_1_5_only_a_whole_gradient_is_sent_on(micrograd):
    a = micrograd.Value(3.0)
    b = 2 * a
    c = b + 1
    (b * c).backward()
    same("b = 2a, c = b + 1, d = bc at a = 3: the .grad of a (40 is what simple recursion finds, "
         "which sends on b's gradient before all of it is there)", a.grad, 26.0)


def test_exercise_1_5_what_was_in_grad_is_kept_and_not_sent_on(micrograd):
    a = micrograd.Value(3.0)
    b = 2 * a
    out = b * b  # by a: 8a
    out.backward()
    out.backward()
    for name, value, expected in (("out", out, 1.0), ("b", b, 12.0), ("a", a, 24.0)):
        same(f"b = 2a, out = b^2 at a = 3, after two calls of backward, each of which adds "
             f"{expected}: the .grad of {name}", value.grad, 2 * expected)


def test_exercise_1_6_the_sum(micrograd):
    for ws, xs, expected in (((0.5, -2.0), (3.0, 1.5), -1.25), ((2.0,), (4.0,), 8.25),
                             ((1.0, 2.0, 3.0), (1.0, 1.0, 1.0), 6.25)):
        weights, inputs = ([micrograd.Value(v) for v in row] for row in (ws, xs))
        out = micrograd.weighted_sum(weights, inputs, micrograd.Value(0.25))
        same(f"the weighted sum of {xs} with weights {ws} and bias 0.25", out.data, expected)


def test_exercise_1_6_the_slopes(micrograd):
    weights, inputs = ([micrograd.Value(v) for v in row] for row in ((0.5, -2.0), (3.0, 1.5)))
    bias = micrograd.Value(0.25)
    out = micrograd.weighted_sum(weights, inputs, bias)
    slopes = {id(parent): slope for parent, slope in zip(out.parents, out.local_grads)}
    names = {"w1": weights[0], "w2": weights[1], "x1": inputs[0], "x2": inputs[1], "bias": bias}
    same("w1 x1 + w2 x2 + bias, as one operation: its parents, by name, sorted",
         sorted(name_of(parent, names) for parent in out.parents), sorted(names))
    for name, expected in (("w1", 3.0), ("w2", 1.5), ("x1", 0.5), ("x2", -2.0), ("bias", 1.0)):
        same(f"w1 x1 + w2 x2 + bias at w = (0.5, -2), x = (3, 1.5): its slope by {name}",
             slopes[id(names[name])], expected)


def test_exercise_1_6_one_weight_an_input(micrograd):
    ones = [micrograd.Value(1.0) for _ in range(3)]
    for n, m in ((3, 2), (2, 3)):
        check_raises(f"weighted_sum of {n} weights and {m} inputs",
                     lambda: micrograd.weighted_sum(ones[:n], ones[:m], ones[0]))


# --- 2: bigram.py ---


def test_exercise_2_1_pairs_of_two_documents(bigram):
    documents = [[0, 1, 2, 2, 0], [0, 1, 3, 0]]
    same(f"count_pairs({documents}, 5)", bigram.count_pairs(documents, 5),
         [[0, 2, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    same("the documents afterwards, which should be as they were", documents,
         [[0, 1, 2, 2, 0], [0, 1, 3, 0]])


def test_exercise_2_2_shares_of_a_row(bigram):
    counts = [[1, 3], [2, 0]]
    same(f"probabilities({counts})", bigram.probabilities(counts), [[0.25, 0.75], [1.0, 0.0]])
    bigram.probabilities(counts, 1)
    same("the counts afterwards, which should be as they were", counts, [[1, 3], [2, 0]])


def test_exercise_2_2_smoothing(bigram):
    same("probabilities([[1, 3], [0, 0]], 0.5)", bigram.probabilities([[1, 3], [0, 0]], 0.5),
         [[0.3, 0.7], [0.5, 0.5]])
    same("probabilities([[1, 0, 3]], 2)", bigram.probabilities([[1, 0, 3]], 2), [[0.3, 0.2, 0.5]])


def test_exercise_2_2_a_row_of_zeros(bigram):
    same("probabilities([[0, 0], [1, 0]]), where nothing is known of row 0",
         bigram.probabilities([[0, 0], [1, 0]]), [[0.0, 0.0], [1.0, 0.0]])


def test_exercise_2_3_from_boundary_to_boundary(bigram):
    asked = []

    def row_after(ids):  # 0, then surely 1, then surely 2, then the boundary
        asked.append(list(ids))
        return {(ids[-1] + 1) % 3: 1}
    same("where 1 follows 0, 2 follows 1 and the boundary 0 follows 2: the ids",
         bigram.sample(row_after, random.Random(1)), [1, 2])
    same("the ids for which it asked for a row", asked, [[0], [0, 1], [0, 1, 2]])


def test_exercise_2_3_cut_at_max_new_tokens(bigram):
    for n in (0, 3):
        same(f"where 1 always follows: the ids, for max_new_tokens={n}",
             bigram.sample(lambda ids: {1: 1}, random.Random(1), n), [1] * n)


def test_exercise_2_3_drawn_in_proportion(bigram):
    rng = random.Random(1)
    texts = [bigram.sample(lambda ids: {0: 0.25, 1: 0.25, 2: 0.5}, rng, 1) for _ in range(2000)]
    for ids, share in (([], 0.25), ([1], 0.25), ([2], 0.5)):
        found = texts.count(ids) / 2000
        if abs(found - share) > 0.04:
            fail(f"with the row {{0: 0.25, 1: 0.25, 2: 0.5}} (0 ends the text), max_new_tokens=1: "
                 f"expected {ids} to be a share of about {share} of the samples, found {found}")
    same("two samples from random.Random(5)", *(
        bigram.sample(lambda ids: {1: 1, 2: 1}, random.Random(5), 20) for _ in range(2)))


def test_exercise_2_4_by_hand(bigram):
    probs, counts = [[0.5, 0.5], [0.25, 0.75]], [[1, 0], [2, 2]]
    same(f"nll({probs}, {counts}), which is -(log 0.5 + 2 log 0.25 + 2 log 0.75) / 5",
         bigram.nll(probs, counts), -(math.log(0.5) + 2 * math.log(0.25) + 2 * math.log(0.75)) / 5)


def test_exercise_2_4_what_was_held_for_impossible(bigram):
    same("nll([[1.0, 0.0]], [[3, 1]]), where a pair of probability 0 occurs",
         bigram.nll([[1.0, 0.0]], [[3, 1]]), math.inf)
    same("nll([[1.0, 0.0]], [[3, 0]]), where it does not", bigram.nll([[1.0, 0.0]], [[3, 0]]), 0.0)


def test_exercise_2_6_pairs_and_triples(bigram):
    documents = [[0, 1, 2, 0], [0, 1, 0]]
    for n, table in ((2, {(0,): {1: 2}, (1,): {2: 1, 0: 1}, (2,): {0: 1}}),
                     (3, {(0, 0): {1: 2}, (0, 1): {2: 1, 0: 1}, (1, 2): {0: 1}}),
                     (4, {(0, 0, 0): {1: 2}, (0, 0, 1): {2: 1, 0: 1}, (0, 1, 2): {0: 1}}),
                     (1, {(): {1: 2, 2: 1, 0: 2}})):
        same(f"count_ngrams({documents}, {n})", bigram.count_ngrams(documents, n), table)


def test_exercise_2_5_by_hand(bigram):
    out = bigram.Tensor([[1.0, 3.0]]).normalize()  # by the first: 1/4 - 1/16, by the second: -1/16
    same("the way back of [[1, 3]], normalized, where [[1, 0]] comes back",
         out.local_backward([[1.0, 0.0]])[0], [[0.1875, -0.0625]])


def test_exercise_2_5_against_nudging(bigram):
    rng = random.Random(3)
    for n, m in ((2, 3), (1, 4)):
        x = bigram.Tensor([[rng.uniform(0.5, 2) for _ in range(m)] for _ in range(n)])
        check_way_back(x.normalize, {"x": x})


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


# --- 4: wavenet.py ---


def test_exercise_4_1_rows_end_to_end(wavenet):
    x = wavenet.Tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]])
    for n, expected in ((1, x.data), (2, [[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]),
                        (4, [[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]])):
        out = wavenet.FlattenConsecutive(n)(x)
        check_tensor(f"FlattenConsecutive({n}) of a Tensor", out, wavenet)
        same(f"FlattenConsecutive({n}) of {x.data}", out.data, expected)


def test_exercise_4_1_documents_of_different_lengths(wavenet):
    x = [[[1.0], [2.0], [3.0], [4.0]], [[5.0], [6.0]]]
    same(f"FlattenConsecutive(2) of {x}", wavenet.FlattenConsecutive(2)(wavenet.Tensor(x)).data,
         [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]])


def test_exercise_4_1_the_way_back(wavenet):
    rng = random.Random(9)
    for n, m in ((1, 3), (2, 3), (4, 2)):
        x = wavenet.Tensor([random_rows(2 * n, m, rng), random_rows(n, m, rng)])
        check_way_back(lambda: wavenet.FlattenConsecutive(n)(x), {"x": x})


def test_exercise_4_1_a_time_that_is_no_multiple(wavenet):
    for n, m in ((4, 3), (3, 3), (3, 4)):
        x = wavenet.Tensor([[[1.0]] * n, [[1.0]] * m])
        check_raises(f"FlattenConsecutive(2) of documents of {n} and of {m} rows",
                     lambda: wavenet.FlattenConsecutive(2)(x).data)


def test_exercise_4_2_places(wavenet):
    for kernel_size, dilation, t, expected in ((2, 1, 5, [4, 5]), (2, 4, 9, [5, 9]),
                                               (3, 2, 7, [3, 5, 7]), (3, 3, 9, [3, 6, 9]),
                                               (1, 4, 9, [9])):
        layer = wavenet.CausalConv1d(1, 1, random.Random(1), kernel_size, dilation)
        same(f"kernel_size {kernel_size}, dilation {dilation}: places({t})", layer.places(t),
             expected)


def test_exercise_4_2_before_the_first(wavenet):
    for kernel_size, dilation, t, expected in ((2, 4, 3, [0, 3]), (3, 2, 3, [0, 1, 3]),
                                               (3, 4, 0, [0, 0, 0])):
        layer = wavenet.CausalConv1d(1, 1, random.Random(1), kernel_size, dilation)
        same(f"kernel_size {kernel_size}, dilation {dilation}: places({t})", layer.places(t),
             expected)


def test_exercise_4_3_by_hand(wavenet):
    layer = wavenet.CausalConv1d(1, 1, random.Random(1), kernel_size=2, dilation=1)
    joined = layer(wavenet.Tensor([[[5.0], [6.0], [7.0]]])).parents[0]
    same("rows [5], [6], [7], joined to", joined.data, [[[5.0, 5.0], [5.0, 6.0], [6.0, 7.0]]])
    same("where [1, 10], [100, 1000], [10000, 100000] come back to these: the gradient of the rows",
         joined.local_backward([[[1.0, 10.0], [100.0, 1000.0], [10000.0, 100000.0]]])[0],
         [[[111.0], [11000.0], [100000.0]]])


@pytest.mark.parametrize("kernel_size, dilation", [(2, 1), (3, 2)])
def test_exercise_4_3_against_nudging(wavenet, kernel_size, dilation):
    rng = random.Random(10)
    layer = wavenet.CausalConv1d(2, 3, rng, kernel_size, dilation)
    x = wavenet.Tensor([random_rows(6, 2, rng), random_rows(3, 2, rng)])
    check_way_back(lambda: layer(x).parents[0], {"x": x})  # `joined`


def test_exercise_4_4_token_by_token(wavenet):
    rng = random.Random(11)
    for kernel_size, dilation in ((2, 1), (2, 4), (3, 2)):
        layer = wavenet.CausalConv1d(2, 3, rng, kernel_size, dilation)
        layer.bias.data = [0.5, -1.0, 2.0]
        for text in ("first", "second"):
            rows, memory, found = random_rows(12, 2, rng), {}, []
            for row in rows:
                found.append(layer.read(wavenet.Tensor([[row]]), memory).data[0][0])
            same(f"kernel_size {kernel_size}, dilation {dilation}, the {text} text: 12 tokens read "
                 f"one by one, against a call on all of them", found,
                 layer(wavenet.Tensor([rows])).data[0])


def test_exercise_4_4_layers_share_a_memory(wavenet):
    rng, memory = random.Random(11), {}
    layers = [wavenet.CausalConv1d(2, 3, rng, 2, dilation) for dilation in (1, 2)]
    rows = random_rows(5, 2, rng)
    found = [[layer.read(wavenet.Tensor([[row]]), memory).data[0][0] for layer in layers]
             for row in rows]
    for i, layer in enumerate(layers):
        same(f"layer {i + 1} of two that read 5 tokens with one memory, against a call on all",
             [both[i] for both in found], layer(wavenet.Tensor([rows])).data[0])


def test_exercise_4_4_a_memory_of_limited_size(wavenet):
    for kernel_size, dilation in ((2, 1), (2, 4), (3, 2), (1, 1)):
        layer, memory = wavenet.CausalConv1d(1, 1, random.Random(1), kernel_size, dilation), {}
        for i in range(20):
            layer.read(wavenet.Tensor([[[float(i)]]]), memory)
        far = (kernel_size - 1) * dilation
        same(f"kernel_size {kernel_size}, dilation {dilation}: memory after the rows [0.0], ..., "
             f"[19.0], where the next looks back by {far}", memory,
             {layer: [[float(i)] for i in range(20 - far, 20)]})


def test_exercise_4_5_the_value(wavenet):
    x = [[[0.5, -1.0, 0.0, 2.0], [1.0, 3.0, -2.0, 0.5]]]
    expected = [[[math.tanh(a) / (1 + math.exp(-c)), math.tanh(b) / (1 + math.exp(-d))]
                 for a, b, c, d in x[0]]]
    out = wavenet.gated(wavenet.Tensor(x))
    check_tensor("gated of a Tensor", out, wavenet)
    same(f"gated of {x}", out.data, expected)


def test_exercise_4_5_numbers_of_any_size(wavenet):
    for a, b, expected in ((2000.0, -2000.0, 0.0), (-2000.0, 2000.0, -1.0)):
        same(f"gated of [[[{a}, {b}]]]", wavenet.gated(wavenet.Tensor([[[a, b]]])).data,
             [[[expected]]])


def test_exercise_4_5_the_way_back(wavenet):
    rng = random.Random(12)
    x = wavenet.Tensor([random_rows(3, 4, rng), random_rows(1, 4, rng)])
    check_way_back(lambda: wavenet.gated(x), {"x": x})


def a_wavenet(wavenet):
    """A WaveNet of two blocks, with weights that are easy to write down, and what goes in."""
    model = wavenet.WaveNet(3, [2, 2], 2, random.Random(1))
    for k, p in enumerate(model.parameters()):
        for i, (put, _, _) in enumerate(gradcheck.entries(p.data)):
            put(math.sin(3 * k + 2 * i) + 0.4)
    return model, [[0, 1, 2], [0, 2]]


# As PyTorch computes them.
LOGITS_OF_WAVENET = [
    [[8.28738083, 3.75143269, -2.41223783], [5.89460188, 3.10111583, -1.53630151],
     [6.66913913, 3.42530301, -1.87917532]],
    [[8.28738083, 3.75143269, -2.41223783], [6.66779586, 3.42474078, -1.87858068]]]
LOGITS_WITHOUT_RESIDUAL = [
    [[7.27940698, 3.46578211, -2.03713698], [6.10364459, 3.18861191, -1.62884099],
     [6.0100094, 3.14942034, -1.58739036]],
    [[7.27940698, 3.46578211, -2.03713698], [6.00691046, 3.14812326, -1.58601851]]]


def test_exercise_4_6_known_logits(wavenet):
    model, ids = a_wavenet(wavenet)
    same("the logits of a small WaveNet", model(ids).data, LOGITS_OF_WAVENET, 1e-6)


def test_exercise_4_6_every_layer_through_call(wavenet):
    model, ids = a_wavenet(wavenet)
    names = {"embedding": model.embedding, "block 1, first": model.blocks[0][0],
             "block 1, skip": model.blocks[0][1], "block 1, residual": model.blocks[0][2],
             "block 2, first": model.blocks[1][0], "block 2, skip": model.blocks[1][1],
             "mix": model.mix, "head": model.head}
    called = []

    def call(layer, x):
        called.append(name_of(layer, names))
        return layer(x)
    model.through(ids, call)
    same("the layers that were called by call(layer, x), sorted", sorted(called), sorted(names))


def test_exercise_4_6_without_residual(wavenet):
    model, ids = a_wavenet(wavenet)
    for p in model.blocks[0][2].parameters():  # the first block's residual: what it adds is 0
        for put, _, _ in gradcheck.entries(p.data):
            put(0.0)
    same("the logits of the same, its residual layer all 0", model(ids).data,
         LOGITS_WITHOUT_RESIDUAL, 1e-6)
