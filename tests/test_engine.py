"""What the lessons that were not yet rewritten share (the others: test_shared.py)."""
import math
import random
import runpy
import sys

import pytest

import wavenet

WITH_TENSORS = pytest.mark.parametrize("lesson", [wavenet])


@WITH_TENSORS
def test_backward_adds_to_grad_and_shared_tensors_are_sent_all_of_theirs(lesson):
    def plus(a, b):
        return lesson.Tensor(lesson.add(a.data, b.data), (a, b), lambda grad: (grad, grad))
    a = lesson.Tensor(3.0)
    b = plus(a, a)
    c = plus(plus(b, a), b)  # 5 a
    for times in (1.0, 2.0):  # each time the same is added
        c.backward()
        assert (a.grad, b.grad, c.grad) == (5 * times, 2 * times, times)
    x = lesson.Tensor(0.0)
    for _ in range(100_000):
        x = plus(x, a)
    x.backward()
    assert (x.data, a.grad) == (300_000.0, 100_010.0)
    del x  # must not recurse either
    for wrong in (lesson.Tensor([1.0]).backward, lambda: lesson.add([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError):
            wrong()


@pytest.mark.parametrize("lesson", [wavenet])
@pytest.mark.parametrize("interpreter", ["cpython", "pypy"])
@pytest.mark.parametrize("n, m, k", [(1, 1, 1), (1, 5, 3), (2, 5, 3), (7, 4, 30)])
def test_the_plain_and_the_fast_inner_are_every_dot_product(lesson, interpreter, n, m, k, monkeypatch):
    monkeypatch.setattr(sys.implementation, "name", interpreter)
    module, rng = runpy.run_path(lesson.__file__), random.Random(k)
    a, b = ([[rng.gauss(0, 1) for _ in range(k)] for _ in range(rows)] for rows in (n, m))
    for scale in (1.0, 1e-100, 1e-17, 1e9):  # however unlike the two sides are in size
        scaled = [[scale * x for x in q] for q in b]
        for p, row in zip(a, module["inner"](a, scaled), strict=True):
            exact = [scale * math.fsum(x * y for x, y in zip(p, q)) for q in b]
            assert row == pytest.approx(exact, abs=1e-13 * scale)
    assert module["inner"]([[0.0] * k] * 2, b) == [[0.0] * m] * 2
    assert module["inner"](a, [[0.0] * k] * 2) == [[0.0] * 2] * n
    if "dot" in module:
        assert module["dot"](a[0], b[0]) == pytest.approx(math.fsum(map(float.__mul__, a[0], b[0])))


@WITH_TENSORS
def test_splits_lose_nothing_and_depend_on_the_seed_alone(lesson):
    split = lambda documents, seed: lesson.make_splits(documents, 99, seed)
    documents = [[i] for i in range(25)]
    splits = split(documents, 1)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [21, 2, 2]
    assert sorted(sum(splits.values(), [])) == [[99, i, 99] for i in range(25)]
    assert splits == split(documents, 1) != split(documents, 2)
    assert [len(part) for part in split([[1], [2], [3]], 1).values()] == [1, 1, 1]
