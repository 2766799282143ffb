"""What the tests of several lessons use. No lesson is imported here."""
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck

ROOT = Path(__file__).resolve().parent.parent


def random_data(rng, shape, std=1.0):
    """Return random numbers as a list, shape (n,), or as a list of rows, shape (n, m)."""
    if len(shape) == 1:
        return [rng.gauss(0, std) for _ in range(shape[0])]
    return [random_data(rng, shape[1:], std) for _ in range(shape[0])]


def random_tensor(Tensor, rng, shape, std=1.0):
    """Return random numbers as a Tensor, a lesson's class, of this shape."""
    return Tensor(random_data(rng, shape, std))


def sines(n_rows, n_columns, row_step=2.0):
    """Return a matrix with sin(row_step * i + j) in row i and column j."""
    rows = []
    for i in range(n_rows):
        rows.append([math.sin(row_step * i + j) for j in range(n_columns)])
    return rows


def numbers_in(data):
    """Return the list of all numbers in a number, a list or a matrix."""
    if isinstance(data, (int, float)):
        return [data]
    numbers = []
    for part in data:
        numbers += numbers_in(part)
    return numbers


def close(found, expected, tolerance=1e-9):
    """Return whether each number of found differs from that of expected by at most tolerance.

    It compares one number after another, as numbers_in gives them.
    """
    return numbers_in(found) == pytest.approx(numbers_in(expected), rel=0, abs=tolerance)


def fill_with_sines(params):
    """Put 0.5 * sin(3 * k + i) into number i of parameter k, and add 0.5 in lists.

    So the numbers of a parameter differ from each other, and only number 0 of parameter 0
    is 0: equal numbers, 0 and 1 could hide a factor or a term that is missing. params is a
    dict {name: Tensor}.
    """
    for k, p in enumerate(params.values()):
        for i, place in enumerate(gradcheck.places_in(p.data)):
            number = 0.5 * math.sin(3 * k + i)
            if len(p.shape) == 1:
                number += 0.5
            gradcheck.put(p, place, number)


def weighed(out, weights=None):
    """Return a Tensor with the sum of all numbers of out, each times its own weight.

    A test can take this number for a loss. Its gradient for out is the weights.
    out is a Tensor of a lesson, and weights is data of the same shape, or one number if
    out is a number. Without weights, they are sin(3 * i + j), so only the first one is 0.
    """
    if weights is None:
        weights = sines(*out.shape, row_step=3.0)
    pairs = zip(numbers_in(weights), numbers_in(out.data), strict=True)
    total = sum(w * v for w, v in pairs)

    def backward(grad):
        assert grad == 1.0  # the loss is the result itself
        return [weights]
    return type(out)(total, [out], backward)


def assert_close(found, expected, tolerance=1e-12):
    """Assert that two numbers, or two nested lists of the same shape, are nearly the same.

    Two numbers may differ by tolerance, or by tolerance times the expected one.
    """
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for f, e in zip(found, expected):
            assert_close(f, e, tolerance)
    else:
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


def start(lesson, *args, **options):
    """Start a lesson as a script, and return its process. Input, output and errors are pipes."""
    return subprocess.Popen(
        [sys.executable, ROOT / f"{lesson}.py", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        **options,
    )


def run(lesson, *args, text=None):
    """Run a lesson as a script. Return its exit status, standard output and standard error."""
    process = start(lesson, *args)
    out, error = process.communicate(text, timeout=60)
    return process.returncode, out, error
