"""What the exercises of the lessons ask for, each by itself, in messages for whoever solves them.

The name of a test says which exercise it is about: test_exercise_1_3_... is for exercise 1.3, and
`python -m pytest -k "exercise and 1_3"` runs those. The lessons are imported by the tests, so that
a mistake in one of them is none in the others.
"""
import copy
import importlib
import math
import random

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


bigram = lesson("bigram")


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
