"""Are the gradients right? Compare them with what nudging each number does to the loss.

No lesson is imported here: whatever has .data and .grad, numbers or nested lists of them, can be
checked.
"""
from functools import partial


def entries(data, put=None, place=()):
    """Every number in nested lists, or in a lone number, as (how to replace it, it, its index)."""
    if isinstance(data, list):
        for i, item in enumerate(data):
            yield from entries(item, partial(data.__setitem__, i), place + (i,))
    else:
        yield put, data, place


def slope(f, put, middle, step):
    """The derivative of f() by the number that `put` replaces, by differences over 1 and 2 steps.

    The error of a central difference is a series in step^2; two of them are combined so that its
    first term cancels, which leaves an error in step^4.
    """
    values = {}
    for k in (-2, -1, 1, 2):
        put(middle + k * step)
        values[k] = f()
    put(middle)
    return (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * step)


def check(loss, tensors, step=1e-3, tolerance=1e-6, faint=1e-4):
    """Assert that backward() gives every number in every one of `tensors` its true gradient.

    `loss` is a function that computes a scalar from them afresh. `tensors` is a dict from names to
    tensors. The error is relative to the gradient; below `faint`, where rounding is all that can be
    seen, it is relative to `faint`. Returns how many numbers were checked.
    """
    for tensor in tensors.values():
        tensor.grad = 0.0 if isinstance(tensor.grad, float) else None  # as a Value has it, or a Tensor
    loss().backward()
    return sum(compare(lambda: loss().data, name, tensor.data, tensor.grad,
                       partial(setattr, tensor, "data"), step, tolerance, faint)
               for name, tensor in tensors.items())


def compare(f, name, data, grad, put=None, step=1e-3, tolerance=1e-6, faint=1e-4):
    """Assert that grad, in the shape of data, says how f() changes with each number in data."""
    __tracebackhide__ = True  # the message says it all
    found = {place: number for _, number, place in entries(grad)}
    count = 0
    for put, number, place in entries(data, put):
        expected = slope(f, put, number, step)
        error = abs(found[place] - expected) / max(abs(found[place]), abs(expected), faint)
        if not error < tolerance:
            at = f"{name}{list(place) or ''}"
            raise AssertionError(f"gradient of {at}: expected {expected:.9g}, by nudging, found "
                                 f"{found[place]!r}, where {at} is {number!r}; relative error "
                                 f"{error:.1e}")
        count += 1
    assert len(found) == count, f"{name}.grad has another shape"
    return count
