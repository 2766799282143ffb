"""Are the gradients right? Compare them with what nudging each number does to the loss.

No lesson is imported here: whatever has .data and .grad, both nested lists of numbers, can be checked.
"""


def entries(data, place=()):
    """Every number in nested lists: yields (the list it is in, its index there, its whole index)."""
    for i, item in enumerate(data):
        if isinstance(item, list):
            yield from entries(item, place + (i,))
        else:
            yield data, i, place + (i,)


def slope(f, row, i, step):
    """The derivative of f() by row[i], by central differences over one and two steps.

    The error of a central difference is a series in step^2; two of them are combined so that its
    first term cancels, which leaves an error in step^4.
    """
    middle, values = row[i], {}
    for k in (-2, -1, 1, 2):
        row[i] = middle + k * step
        values[k] = f()
    row[i] = middle
    return (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * step)


def check(loss, tensors, step=1e-3, tolerance=1e-6, faint=1e-4):
    """Assert that backward() gives every number in every one of `tensors` its true gradient.

    `loss` is a function that computes a scalar from them afresh. `tensors` is a dict from names to
    tensors. The error is relative to the gradient; below `faint`, where rounding is all that can be
    seen, it is relative to `faint`. Returns how many numbers were checked.
    """
    for tensor in tensors.values():
        tensor.grad = None
    loss().backward()
    count = 0
    for name, tensor in tensors.items():
        found = {place: row[i] for row, i, place in entries(tensor.grad)}
        for row, i, place in entries(tensor.data):
            expected = slope(lambda: loss().data, row, i, step)
            error = abs(found[place] - expected) / max(abs(found[place]), abs(expected), faint)
            assert error < tolerance, (
                f"gradient of {name}{list(place)}: backward() says {found[place]!r}, nudging says "
                f"{expected!r}, at the input {row[i]!r}; relative error {error:.1e}")
            count += 1
        assert len(found) == sum(1 for _ in entries(tensor.data)), f"{name}.grad has another shape"
    return count
