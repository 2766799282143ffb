"""Are the gradients right? Compare them with what nudging each number does to the loss.

    gradcheck.check(loss, {"weight": weight, "bias": bias})

`loss` is a function without inputs that computes the loss afresh, from tensors of any class that
has .data, .grad and .backward(). No lesson is imported here.

A number is nudged as in micrograd.py, section 1. With a long step the curve bends too much, or has
a kink, as relu has at 0. With a short one rounding shows. So a shorter step is tried where a longer
one does not agree; no step makes a wrong gradient right.
"""
STEPS = (1e-4, 1e-5, 1e-6)
TOLERANCE = 1e-6  # relative to the gradient
SMALL = 1e-4  # a smaller one may be wrong by TOLERANCE * SMALL: rounding can make 1e-11 of 0


def check(loss, tensors):
    """Assert that backward() gives each number of each tensor the right gradient.

    `tensors` is a dict {name: tensor}. Return how many numbers were checked.
    """
    for tensor in tensors.values():
        if isinstance(tensor.grad, float):
            tensor.grad = 0.0  # of a Value
        else:
            tensor.grad = None
    first = loss()
    first.backward()
    second = loss()
    assert first.data == second.data, f"loss() is {first.data}, then {second.data}: is it random?"
    count = 0
    for name, tensor in tensors.items():
        count += compare(lambda: loss().data, name, tensor)
    return count


def compare(f, name, tensor):
    """Assert that tensor.grad says how f() changes with each number of tensor.data."""
    __tracebackhide__ = True  # pytest shows the message alone
    assert tensor.grad is not None, f"no gradient has reached {name}"
    places = places_in(tensor.data)
    assert places_in(tensor.grad) == places, f"the gradient of {name} has another shape"
    for place in places:
        found = item(tensor.grad, place)
        for step in STEPS:
            expected = slope(f, tensor, place, step)
            if abs(found - expected) <= TOLERANCE * max(abs(expected), SMALL):
                break
        else:
            at = f"{name}{list(place) or ''}"
            raise AssertionError(f"gradient of {at}: {found}, but by nudging {expected:.9g}")
    return len(places)


def slope(f, tensor, place, step):
    """Return the derivative of f() with respect to one number, nudged up and down by step."""
    number = item(tensor.data, place)
    put(tensor, place, number + step)
    up = f()
    put(tensor, place, number - step)
    down = f()
    put(tensor, place, number)
    return (up - down) / (2 * step)


def places_in(data):
    """Return the place of each number: (i, j) in a matrix, (i,) in a list, () if it is alone."""
    if not isinstance(data, list):
        return [()]
    places = []
    for i, part in enumerate(data):
        places += [(i, *place) for place in places_in(part)]
    return places


def item(data, place):
    """Return the number, or the list, at this place."""
    for i in place:
        data = data[i]
    return data


def put(tensor, place, number):
    """Put a number at this place of tensor.data."""
    if place == ():
        tensor.data = number
    else:
        item(tensor.data, place[:-1])[place[-1]] = number
