"""What the tests of several lessons use. No lesson is imported here."""
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def random_data(rng, shape, std=1.0):
    """Return random numbers as a list, shape (n,), or as a list of rows, shape (n, m)."""
    if len(shape) == 1:
        return [rng.gauss(0, std) for _ in range(shape[0])]
    return [random_data(rng, shape[1:], std) for _ in range(shape[0])]


def random_tensor(Tensor, rng, shape, std=1.0):
    """Return random numbers as a Tensor, a lesson's class, of this shape."""
    return Tensor(random_data(rng, shape, std))


def weighed(Tensor, out):
    """Return the sum of all numbers of a matrix, each times a random weight of its own.

    So every number of the Tensor out has a say in the result, and a different one.
    """
    weights = random_data(random.Random(7), out.shape)
    total = 0.0
    for weight_row, row in zip(weights, out.data, strict=True):
        total += sum([w * v for w, v in zip(weight_row, row, strict=True)])

    def backward(grad):
        return [[[grad * w for w in row] for row in weights]]
    return Tensor(total, [out], backward)


def assert_close(found, expected, tolerance=1e-12):
    """Assert that two numbers, or two nested lists of the same shape, are nearly the same."""
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for f, e in zip(found, expected):
            assert_close(f, e, tolerance)
    else:
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


def start(lesson, *args, **options):
    """Return the process of a lesson that was started as a script, with pipes."""
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
