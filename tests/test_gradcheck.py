"""Tests of gradcheck.py: it lets right gradients pass, and notices wrong ones and a random loss."""
import itertools

import pytest

import gradcheck
from micrograd import Value
from mlp import Tensor


def sum_of_squares(x, factor=2.0):
    """Return a Tensor with the sum of v^2 over all v of a matrix x.

    Its backward gives each v the gradient factor * v. The right one is 2 * v.
    """
    total = 0.0
    for row in x.data:
        total += sum([v * v for v in row])

    def backward(grad):  # returns a list with one matrix, the gradient of x
        return [[[grad * factor * v for v in row] for row in x.data]]
    return Tensor(total, [x], backward)


def test_check_accepts_right_gradients_counts_them_and_leaves_the_numbers_unchanged():
    x = Tensor([[1.0, -2.0, 0.0], [4.0, 10.0, 1e-3]])  # 6 numbers, large, small and 0
    before = [list(row) for row in x.data]  # a copy, because check() nudges the numbers of x
    # check() returns how many gradients it has compared.
    assert gradcheck.check(lambda: sum_of_squares(x), {"x": x}) == 6
    assert x.data == before
    value = Value(3.0)  # a Value of micrograd.py holds one number
    assert gradcheck.check(lambda: value * value, {"value": value}) == 1


def test_a_gradient_that_is_wrong_by_a_hundred_thousandth_is_noticed():
    x = Tensor([[0.0, 3.0]])
    # The right gradients are 2 * 0 = 0 and 2 * 3 = 6. With 2.00002 as factor, the first is still 0.
    # The second, in row 0 and column 1, is 6.00006: too large by a hundred thousandth of 6, which
    # is 0.00006. gradcheck allows a tenth of that, a millionth of 6.
    message = r"gradient of x\[0, 1\]: 6.00006, but by nudging 6$"
    with pytest.raises(AssertionError, match=message):
        gradcheck.check(lambda: sum_of_squares(x, factor=2.00002), {"x": x})


def test_a_gradient_of_another_shape_is_noticed():
    x = Tensor([[1.0, 2.0]])
    x.grad = [[2.0]]  # only one number, but x has two
    with pytest.raises(AssertionError, match="the gradient of x has another shape"):
        # check() would first compute x.grad itself. compare() takes it as it is.
        gradcheck.compare(lambda: sum_of_squares(x).data, "x", x)


def test_a_tensor_that_the_loss_does_not_use_is_named_even_if_it_has_an_old_gradient():
    x = Tensor([[1.0]])
    forgotten = Tensor([[1.0]])
    forgotten.grad = [[5.0]]  # from an earlier loss
    with pytest.raises(AssertionError, match="no gradient has reached forgotten"):
        gradcheck.check(lambda: sum_of_squares(x), {"x": x, "forgotten": forgotten})


def test_a_loss_that_differs_from_call_to_call_is_noticed():
    counter = itertools.count()  # the loss is 0.0 in the first call, and 1.0 in the second
    # There is no tensor in {}: check() compares two losses before it looks at any gradient.
    with pytest.raises(AssertionError, match="is 0.0, then 1.0: is it random"):
        gradcheck.check(lambda: Value(float(next(counter))), {})


# relu has a kink at 0. gradcheck nudges by 1e-4, then by 1e-5, then by 1e-6, until the slope agrees
# with the gradient. From 3e-6, the first two steps reach beyond the kink. From -3e-5, only the
# first one does.
@pytest.mark.parametrize("x", [3e-6, -3e-5])
def test_a_right_gradient_passes_if_a_kink_is_near(x):
    value = Value(x)
    # backward() gives the right gradients, 1 at 3e-6, and 0 at -3e-5. So check() raises no error,
    # and returns how many gradients it has compared: 1.
    assert gradcheck.check(lambda: value.relu(), {"value": value}) == 1
