"""gradcheck.py: it notices a wrong gradient, and only that."""
import itertools

import pytest

import gradcheck
from micrograd import Value
from mlp import Tensor


def sum_of_squares(x, factor=2.0):
    """Return the sum of v^2 over a matrix, whose gradient is factor * v: right if factor is 2."""
    total = 0.0
    for row in x.data:
        total += sum([v * v for v in row])

    def backward(grad):
        return [[[grad * factor * v for v in row] for row in x.data]]
    return Tensor(total, [x], backward)


def test_a_right_gradient_passes_and_every_number_is_checked():
    x = Tensor([[1.0, -2.0, 0.0], [4.0, 10.0, 1e-3]])
    before = [list(row) for row in x.data]
    assert gradcheck.check(lambda: sum_of_squares(x), {"x": x}) == 6
    assert x.data == before
    value = Value(3.0)
    assert gradcheck.check(lambda: value * value, {"value": value}) == 1


def test_a_gradient_that_is_wrong_by_a_hundred_thousandth_is_noticed():
    x = Tensor([[0.0, 3.0]])
    message = r"gradient of x\[0, 1\]: 6.0000\d*, but by nudging 6$"
    with pytest.raises(AssertionError, match=message):
        gradcheck.check(lambda: sum_of_squares(x, factor=2.00002), {"x": x})


def test_a_gradient_of_another_shape_is_noticed():
    x = Tensor([[1.0, 2.0]])
    x.grad = [[2.0]]
    with pytest.raises(AssertionError, match="the gradient of x has another shape"):
        gradcheck.compare(lambda: sum_of_squares(x).data, "x", x)


def test_a_tensor_without_a_gradient_is_named():
    x = Tensor([[1.0]])
    forgotten = Tensor([[1.0]])
    forgotten.grad = [[5.0]]  # is left from something else
    with pytest.raises(AssertionError, match="no gradient has reached forgotten"):
        gradcheck.check(lambda: sum_of_squares(x), {"x": x, "forgotten": forgotten})


def test_a_loss_that_is_random_is_named():
    counter = itertools.count()
    with pytest.raises(AssertionError, match="is 0.0, then 1.0: is it random"):
        gradcheck.check(lambda: Value(float(next(counter))), {})


@pytest.mark.parametrize("x", [3e-6, -3e-5])
def test_a_kink_that_is_near_does_not_matter(x):
    value = Value(x)
    assert gradcheck.check(lambda: value.relu() * 5, {"value": value}) == 1
