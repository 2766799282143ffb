"""mlp.py: gradients by nudging and by hand, layers and networks against PyTorch, the script.

gradcheck.check(loss, tensors) calls loss().backward(), and fails unless the gradient of each number
in tensors agrees with what nudging this number does to the loss. A loss is one number. weighed()
makes one of a matrix: it adds up all numbers, each times a weight of its own. In row i and column j
this is sin(3 * i + j). So the weight of the first number is 0, and no test relies on it alone.

sines(n, m) is a matrix of n rows and m columns, with sin(2 * i + j) in row i and column j. Another
row_step takes the place of the 2. fill_with_sines() makes number i of parameter k
0.5 * sin(3 * k + i), and adds 0.5 in lists. close() says whether two lists or matrices have the
same numbers, up to 1e-9 or another tolerance.
"""
import copy
import doctest
import itertools
import math
import random
import re

import pytest

import gradcheck
import mlp
from helpers import ROOT, close, fill_with_sines, numbers_in, sines, weighed
from mlp import Tensor

exercise = pytest.mark.exercise

CONFIG = {  # of a network that is small enough to nudge all of its parameters
    "vocab_size": 6,  # the ids are 0 to 5, and 5 is the boundary
    "block_size": 3,  # ids in a context
    "n_embd": 2,  # numbers in an embedding
    "n_hidden": 4,  # neurons in a hidden layer
    "n_layer": 1,  # hidden layers
    "activation": "tanh",
    "init": "kaiming",
    "norm": "batch",
}
EXAMPLES = [  # contexts of block_size ids, and their targets
    ((5, 5, 5), 0),
    ((5, 5, 0), 3),
    ((5, 0, 3), 1),
    ((0, 3, 1), 5),  # up to here, they are the examples of the document 5 0 3 1 5
    ((3, 1, 5), 2),  # made up, so that there are examples of more than one document
]
DOCUMENTS = [  # with the boundary, 5, at both ends
    [5, 0, 3, 1, 5],
    [5, 2, 2, 5],
    [5, 4, 0, 5],
]

# The long constants below come from PyTorch 2.13 in float64. All but one are rounded to 12
# decimals, and zeros at their ends are left off. All snippets begin with the following lines, and
# use constants of this file. A snippet may use what the one before it defines.
#
#     import math, random, torch, mlp
#     from torch.nn import functional as F
#     torch.set_default_dtype(torch.float64)
#     torch.set_printoptions(precision=17)  # decimals; without this line PyTorch prints 4
#     def parameter(k, *shape):  # parameter k, as fill_with_sines() makes it
#         numbers = 0.5 * torch.sin(3.0 * k + torch.arange(math.prod(shape)))
#         if len(shape) == 1: numbers += 0.5
#         return numbers.reshape(shape).requires_grad_()
#     x = torch.tensor([[math.sin(2 * i + j) for j in range(3)] for i in range(4)])  # sines(4, 3)


def loss_of(model, examples, training=True):
    """Return the mean loss of examples, as a Tensor."""
    contexts = [context for context, _ in examples]
    targets = [target for _, target in examples]
    return mlp.cross_entropy(model(contexts, training), targets)


def build(**changes):
    """Return a network of CONFIG with these changes. Its parameters are filled with sines."""
    model = mlp.build(CONFIG | changes, seed=5)  # any seed: what is drawn with it is replaced
    fill_with_sines(model.params)
    return model


def train(model, examples):
    """Train in 6 steps, and return the list of their losses."""
    losses = []

    def report(step, loss):
        losses.append(loss)
        assert step == len(losses)  # the steps are numbered from 1
    mlp.train(model, examples, steps=6, batch_size=4, lr=0.5, seed=5, report=report)
    return losses


def test_all_doctests_pass():
    assert doctest.testmod(mlp).failed == 0


# --- data ---

@exercise("3.1")
def test_examples_of_gives_each_token_after_the_first_boundary_with_its_context():
    documents = [[0, 5, 6, 0], [0, 7, 0]]  # here 0 is the boundary
    assert mlp.examples_of(documents, 3) == [
        ((0, 0, 0), 5),  # boundaries fill the context up
        ((0, 0, 5), 6),
        ((0, 5, 6), 0),
        ((0, 0, 0), 7),
        ((0, 0, 7), 0),
    ]
    contexts = [context for context, _ in mlp.examples_of(documents, 1)]
    assert contexts == [(0,), (5,), (6,), (0,), (7,)]  # just the token before each target
    assert documents == [[0, 5, 6, 0], [0, 7, 0]]  # examples_of() has not changed them


# --- Tensor ---

def test_gradients_of_a_sum_in_which_one_tensor_occurs_twice_agree_with_nudging():
    a = Tensor(sines(3, 2))
    b = Tensor(sines(3, 2))  # the same numbers, but each Tensor is nudged alone
    gradcheck.check(lambda: weighed(a + b + a), {"a": a, "b": b})


# --- layers ---

@exercise("3.2")
def test_the_embedding_gives_the_row_of_each_id():
    weight = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert mlp.embedding(weight, [1, 0]).data == [[3.0, 4.0], [1.0, 2.0]]


@exercise("3.2")
def test_gradient_of_the_embedding_agrees_with_nudging():
    weight = Tensor(sines(4, 3))
    ids = [3, 1, 1, 0]  # row 1 is looked up twice, and row 2 never

    def loss():
        return weighed(mlp.embedding(weight, ids))
    gradcheck.check(loss, {"weight": weight})


def test_gradient_of_flatten_consecutive_agrees_with_nudging():
    x = Tensor(sines(6, 2))
    # Each 3 rows of 2 numbers become one row of 6.
    gradcheck.check(lambda: weighed(mlp.flatten_consecutive(x, 3)), {"x": x})


@exercise("3.3")
@pytest.mark.parametrize("n_rows, n_in, n_out", [
    (2, 3, 4),  # here and in the next case, all sizes differ, so that mixing them up is an error
    (4, 2, 5),
    (1, 3, 2),  # a single row
])
def test_gradients_of_the_linear_layer_agree_with_nudging(n_rows, n_in, n_out):
    tensors = {
        "x": Tensor(sines(n_rows, n_in)),
        # With another row_step, only row 0 is also a row of x. Equal rows could hide a mix-up.
        "weight": Tensor(sines(n_out, n_in, row_step=0.7)),
    }

    def loss():
        return weighed(mlp.linear(**tensors))
    gradcheck.check(loss, tensors)  # without a bias
    tensors["bias"] = Tensor(sines(1, n_out)[0])  # a list, and from now on loss() uses it
    gradcheck.check(loss, tensors)


@exercise("3.3")
def test_the_linear_layer_gives_sums_worked_out_by_hand():
    x = Tensor([[1.0, 2.0], [0.0, 1.0]])
    weight = Tensor([[3.0, 4.0], [5.0, 6.0], [0.0, 7.0]])
    bias = Tensor([0.5, 0.0, -1.0])
    assert mlp.linear(x, weight).data == [
        [11, 17, 14],  # 1 * 3 + 2 * 4, 1 * 5 + 2 * 6, 1 * 0 + 2 * 7
        [4, 6, 7],  # 0 * 3 + 1 * 4, 0 * 5 + 1 * 6, 0 * 0 + 1 * 7
    ]
    assert mlp.linear(x, weight, bias).data == [  # each of these rows plus the bias
        [11.5, 17, 13],
        [4.5, 6, 6],
    ]


@exercise("3.4")
def test_tanh_agrees_with_math_tanh_and_its_gradient_with_nudging():
    # tanh is steepest at 0, and flat at 20. weighed() gives the first number, 0.25, the weight 0.
    numbers = [0.25, -3.0, -0.5, 0.0, 1.0, 20.0]
    x = Tensor([numbers])  # a matrix of one row
    assert close(mlp.tanh(x).data, [math.tanh(v) for v in numbers])
    gradcheck.check(lambda: weighed(mlp.tanh(x)), {"x": x})


def test_relu_makes_only_negative_numbers_0_and_its_gradient_agrees_with_nudging():
    x = Tensor([[-3.0, -0.5], [0.1, 20.0]])  # none is 0, where relu has a kink
    assert mlp.relu(x).data == [[0.0, 0.0], [0.1, 20.0]]
    gradcheck.check(lambda: weighed(mlp.relu(x)), {"x": x})


# --- loss ---

def multiply(factor, a):
    """Return the Tensor factor * a. a is a Tensor with one number."""
    def backward(grad):
        return [factor * grad]
    return Tensor(factor * a.data, [a], backward)


@exercise("3.5")
@pytest.mark.parametrize("targets", [[2], [2, 0, 2]])  # of one example, and of three
@pytest.mark.parametrize("factor", [
    1,  # the loss is cross-entropy, so its backward function gets a grad of 1
    3,  # the loss is 3 times cross-entropy, so its backward function gets a grad of 3
])
def test_gradients_of_cross_entropy_and_of_3_times_it_agree_with_nudging(factor, targets):
    logits = Tensor(sines(len(targets), 4))  # a row for each example, with logits for 4 tokens

    def loss():
        return multiply(factor, mlp.cross_entropy(logits, targets))
    gradcheck.check(loss, {"logits": logits})


@exercise("3.5")
def test_cross_entropy_gives_losses_worked_out_by_hand():
    # Each of the 27 tokens has the probability 1 / 27. So the target, here 4, makes no difference.
    equal = Tensor([[0.0] * 27])
    assert mlp.cross_entropy(equal, [4]).data == pytest.approx(math.log(27))
    # Two equal rows. e^0 is 1 and e^log(3) is 3, so the probabilities are 1 / 4 and 3 / 4.
    logits = Tensor([[0.0, math.log(3)]] * 2)
    mean = (math.log(4) + math.log(4 / 3)) / 2  # of -log(1 / 4) and -log(3 / 4)
    assert mlp.cross_entropy(logits, [0, 1]).data == pytest.approx(mean)
    too_large_for_exp = Tensor([[2000.0, 0.0]])
    # log(e^2000 + e^0) is 2000 + log(1 + e^-2000), where e^-2000 is rounded to 0. The logit of the
    # target is 0.
    assert mlp.cross_entropy(too_large_for_exp, [1]).data == 2000.0


# --- norms ---

@exercise("3.7")
@pytest.mark.parametrize("n_rows, n_columns", [
    (3, 4),
    (1, 2),  # two different numbers become nearly -1 and 1, so the gradients are small
    (2, 3),
])
def test_normalize_backward_agrees_with_nudging(n_rows, n_columns):
    rows = Tensor(sines(n_rows, n_columns))

    def loss():
        normed, stds = mlp.normalize(rows.data)

        def backward(grad):
            return [mlp.normalize_backward(grad, normed, stds)]
        return weighed(Tensor(normed, [rows], backward))
    # check() returns how many numbers it has nudged. These should be all.
    assert gradcheck.check(loss, {"rows": rows}) == n_rows * n_columns


def test_normalize_gives_rows_of_mean_0_and_variance_1_their_stds_and_0_for_equal_numbers():
    # normalize() adds 1e-5 to the variance before it takes the root. So a variance or a standard
    # deviation that would be 1 without this differs from 1 by up to 1e-5.
    normed, stds = mlp.normalize([[1.0, 3.0], [-20.0, 40.0, -20.0, 40.0]])
    for row in normed:
        assert mlp.mean_and_variance(row) == pytest.approx((0.0, 1.0), abs=1e-5)
    # In the first row, each number is 1 away from the mean, 2. In the second one, it is 30 away
    # from the mean, 10.
    assert stds == pytest.approx([1.0, 30.0], abs=1e-5)
    normed_equal, _ = mlp.normalize([[3.0, 3.0]])
    assert normed_equal == [[0.0, 0.0]]  # 0 / sqrt(0 + 1e-5)


# norm = torch.nn.BatchNorm1d(3, momentum=None)  # 3 columns; None is for the ordinary mean
# for number in range(1, 131):
#     if number == 101: norm.momentum = 0.01  # from here on, each batch gets a share of 1%
#     norm(x * math.sin(number) + number % 7)  # batches with different variances and means
#     if number in (3, 100, 130): print(number, norm.running_mean, norm.running_var)
RUNNING = {  # {number of batches: (the running means, the running variances)}
    3: (  # ordinary means of 3 batches
        [1.979990037473, 2.107310010676, 2.135969654949],
        [0.254577285478, 0.339178917109, 0.392248334879]),
    100: (  # the last ordinary means
        [2.970040351543, 2.969783601569, 2.969725807315],
        [0.246921275337, 0.328978646397, 0.380452085171]),
    130: (  # after 30 batches with a share of 1%
        [2.982781207794, 2.983875351184, 2.984121642159],
        [0.246878799895, 0.328922055431, 0.380386639735]),
}


def statistics_of_130_batches():
    """Yield the number of each batch in the snippet of RUNNING, and the statistics after it."""
    statistics = mlp.RunningStatistics(3)
    for number in range(1, 131):
        factor = math.sin(number)
        batch = [[v * factor + number % 7 for v in row] for row in sines(4, 3)]
        statistics.update(batch)
        yield number, statistics


@exercise("3.8")
def test_running_statistics_after_3_and_100_and_130_batches_agree_with_pytorch():
    for number, statistics in statistics_of_130_batches():
        if number in RUNNING:
            means, variances = RUNNING[number]
            assert close(statistics.mean, means)
            assert close(statistics.variance, variances)


@exercise("3.8")
def test_a_batch_of_one_row_counts_with_a_variance_of_0():
    statistics = mlp.RunningStatistics(2)
    # the first batch has a share of 1, so nothing is left of the variance 1 of the beginning
    statistics.update([[3.0, 5.0]])
    assert statistics.mean == [3.0, 5.0]
    assert statistics.variance == [0.0, 0.0]


# weight = parameter(0, 3)
# bias = parameter(1, 3)
# means, variances = map(torch.tensor, RUNNING[130])
# norms = {
#     "batch": F.batch_norm(x, None, None, weight, bias, training=True),
#     "layer": F.layer_norm(x, (3,), weight, bias),  # over the 3 numbers of a row
#     "not in training": F.batch_norm(x, means, variances, weight, bias)}
# for kind, out in norms.items(): print(kind, out[1])
NORMS = {  # row 1 of what each norm makes of x
    "batch": [1.345742659154, 0.083429844894, -1.211593178802],
    "layer": [1.166428189911, 0.180082599825, -1.177789699826],
    "not in training": [-1.515947508009, -4.442145191689, -5.769803353799],
}


@pytest.mark.parametrize("kind", NORMS)
def test_layer_norm_and_batch_norm_in_and_after_training_agree_with_pytorch(kind):
    x = Tensor(sines(4, 3))
    weight = Tensor([0.0] * 3)
    bias = Tensor([0.0] * 3)
    fill_with_sines({"weight": weight, "bias": bias})  # instead of the zeros
    if kind == "layer":
        out = mlp.layer_norm(x, weight, bias)
    else:
        # The last statistics are those of RUNNING[130]. In training, batch norm updates them, but
        # normalizes with the mean and the variance of the batch.
        _, statistics = list(statistics_of_130_batches())[-1]
        out = mlp.batch_norm(x, weight, bias, statistics, training=kind == "batch")
    assert close(out.data[1], NORMS[kind])  # row 1 alone, as in the snippet


def test_training_changes_the_running_statistics_but_evaluate_sample_and_diagnose_do_not():
    model = build(n_layer=2)
    examples = mlp.examples_of(DOCUMENTS, 3)
    train(model, examples)
    first, second = model.statistics
    assert first.n_batches == 6  # train() takes 6 steps, with a batch for each
    assert second.n_batches == 6
    assert first.mean != second.mean  # each layer has statistics of its own
    before = copy.deepcopy([vars(first), vars(second)])
    mlp.evaluate(model, examples)
    mlp.sample(model, random.Random(1))
    mlp.diagnose(model, examples, lr=0.1)  # computes as in training, but with a copy
    assert [vars(first), vars(second)] == before


# --- networks ---

@pytest.mark.parametrize("n_layer", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_gradients_of_all_parameters_in_and_outside_of_training_agree_with_nudging(
        norm, activation, n_layer):
    model = build(norm=norm, activation=activation, n_layer=n_layer)

    def loss():
        return loss_of(model, EXAMPLES)
    gradcheck.check(loss, model.params)

    def loss_outside_of_training():  # batch norm then uses the running statistics
        return loss_of(model, EXAMPLES, training=False)
    gradcheck.check(loss_outside_of_training, model.params)


# def parameters(norm, n_layer):  # in the order of the lesson, with the sizes of CONFIG
#     shapes = {"embedding.weight": (6, 2)}  # 6 ids, with 2 numbers each
#     for i in range(n_layer):  # 4 neurons; their inputs are 3 ids with 2 numbers, or 4 neurons
#         shapes[f"hidden.{i}.weight"] = (4, 4 if i else 3 * 2)
#         if norm == "none": shapes[f"hidden.{i}.bias"] = (4,)
#     shapes |= {"output.weight": (6, 4), "output.bias": (6,)}
#     for i in range(n_layer):
#         if norm != "none": shapes |= {f"norm.{i}.weight": (4,), f"norm.{i}.bias": (4,)}
#     return {name: parameter(k, *shape) for k, (name, shape) in enumerate(shapes.items())}
#
# def logits_of(p, contexts, norm, activation, n_layer,
#               mean=None, var=None, training=True, share=0.0):  # these four are for batch norm
#     x = p["embedding.weight"][torch.tensor(contexts)].flatten(1)
#     for i in range(n_layer):
#         x = F.linear(x, p[f"hidden.{i}.weight"], p.get(f"hidden.{i}.bias"))
#         w, b = p.get(f"norm.{i}.weight"), p.get(f"norm.{i}.bias")
#         if norm == "batch": x = F.batch_norm(x, mean, var, w, b, training, share)
#         if norm == "layer": x = F.layer_norm(x, (4,), w, b)
#         x = getattr(torch, activation)(x)
#     return F.linear(x, p["output.weight"], p["output.bias"])
#
# contexts, targets = zip(*EXAMPLES)
# for norm, activation, n_layer, *_ in NETWORKS:
#     logits = logits_of(parameters(norm, n_layer), contexts, norm, activation, n_layer)
#     # the loss, and the first 3 logits of the first example
#     print(F.cross_entropy(logits, torch.tensor(targets)), logits[0, :3])
NETWORKS = [  # norm, activation, n_layer; then what the snippet prints
    ("batch", "tanh", 1, 1.81624407098, [0.95067017196, -0.132161623239, 0.226214863408]),
    ("batch", "relu", 2, 2.129861481788, [-0.497332108725, 1.238023428667, 1.034180218499]),
    ("layer", "tanh", 2, 1.973123034889, [-0.2241123752, 1.048842822166, 1.008273878234]),
    ("none", "relu", 1, 2.245557970482, [-0.653638688096, 1.456525548402, 0.90484176445]),
]


@pytest.mark.parametrize("norm, activation, n_layer, loss, first_logits", NETWORKS)
def test_loss_and_first_3_logits_of_networks_agree_with_pytorch(
        norm, activation, n_layer, loss, first_logits):
    model = build(norm=norm, activation=activation, n_layer=n_layer)
    found = mlp.backpropagate(model, EXAMPLES)
    assert close(found, loss, tolerance=1e-11)  # the snippet prints 12 decimals
    # The output layer gives the logits: a row for each example, of which row 0 is the first.
    assert close(model.outs["output"].data[0][:3], first_logits, tolerance=1e-11)


# --- training and evaluation ---

# p = parameters("batch", 1)  # this, and logits_of() below, are defined in the snippet before
# mean, var = torch.zeros(4), torch.ones(4)  # the running statistics of the 4 neurons
# examples = mlp.examples_of(DOCUMENTS, 3)
# rng = random.Random(5)  # seed, steps, batch_size and lr are those of train()
# for step in range(1, 7):
#     contexts, targets = zip(*rng.choices(examples, k=4))
#     share = 1 / step  # of this batch in the running statistics
#     logits = logits_of(p, contexts, "batch", "tanh", 1, mean, var, True, share)
#     for q in p.values(): q.grad = None
#     loss = F.cross_entropy(logits, torch.tensor(targets))
#     loss.backward()
#     print(loss)
#     with torch.no_grad():
#         for q in p.values(): q -= 0.5 * (7 - step) / 6 * q.grad  # lr falls from 0.5 to 0
# contexts, targets = zip(*examples)
# logits = logits_of(p, contexts, "batch", "tanh", 1, mean, var, training=False)
# print(mean, F.cross_entropy(logits, torch.tensor(targets)))
def test_losses_of_6_steps_and_then_the_running_means_and_the_loss_agree_with_pytorch():
    model = build()
    examples = mlp.examples_of(DOCUMENTS, 3)
    assert close(train(model, examples), [
        1.669966941168, 1.668695608759, 1.369028250678,
        2.723058127519, 2.274521014565, 1.707475294681])
    assert close(model.statistics[0].mean, [  # of the only hidden layer
        0.282383266721, 0.158452268856, 0.247679309717, 0.225901198714])
    assert close(mlp.evaluate(model, examples), 1.6742388038359564)


def test_evaluate_gives_the_mean_loss_for_more_than_the_256_contexts_that_it_takes_at_once():
    model = build(vocab_size=20, block_size=2)
    # All 20 * 20 = 400 contexts of two ids. So evaluate() takes 256 of them, then the other 144.
    # A target may be any id, here from 0 to 6.
    examples = [((i % 20, i // 20), i % 7) for i in range(400)]
    examples += examples[:50]  # 50 contexts occur twice, with the same target: both must count
    train(model, examples)  # changes the running statistics, which both losses use
    # loss_of() takes all contexts at once. Sums in another order differ only by rounding.
    expected = loss_of(model, examples, training=False).data
    assert mlp.evaluate(model, examples) == pytest.approx(expected, abs=1e-12)


# --- errors ---

def test_descend_raises_value_error_and_names_the_parameter_that_has_no_gradient():
    model = build()
    mlp.backpropagate(model, EXAMPLES)  # gives each parameter a gradient
    model.params["norm.0.bias"].grad = None
    with pytest.raises(ValueError, match="reached the parameter norm.0.bias"):
        mlp.descend(model.params, lr=0.1)


def test_layers_and_cross_entropy_raise_value_error_for_inputs_that_do_not_fit():
    x = Tensor([[1.0, 2.0]])  # one row of two numbers
    three = Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="linear"):
        mlp.linear(x, Tensor([[1.0]]))  # a neuron with one weight, for rows of two numbers
    with pytest.raises(ValueError, match="embedding"):
        mlp.embedding(x, [-1])  # the only row of x is for the id 0
    with pytest.raises(ValueError, match="3 rows"):
        mlp.flatten_consecutive(Tensor(sines(3, 2)), 2)  # 3 is not a multiple of 2
    with pytest.raises(ValueError):
        mlp.layer_norm(x, three, three)  # three weights and biases for rows of two numbers
    with pytest.raises(ValueError, match="targets"):
        mlp.cross_entropy(x, [2])  # two logits are for the ids 0 and 1


# --- first weights ---

@exercise("3.6")
@pytest.mark.parametrize("activation, gain", [
    ("tanh", 5 / 3),
    ("relu", math.sqrt(2)),
])
def test_kaiming_init_multiplies_the_weights_by_gain_over_root_of_n_in(activation, gain):
    config = CONFIG | {"n_layer": 3, "activation": activation}
    params = mlp.first_params(config, seed=1)
    drawn = copy.deepcopy(params)  # as they were before kaiming_init()
    mlp.kaiming_init(params, config)
    factors = {
        "hidden.0.weight": 1.0 / math.sqrt(6),  # gain 1; 6 inputs: 3 tokens with 2 numbers each
        "hidden.1.weight": gain / 2,  # the root of 4: its inputs come from 4 neurons
        "hidden.2.weight": gain / 2,  # its inputs come from 4 neurons, too
        "output.weight": 0.1 / 2,  # gain 0.1; its inputs come from 4 neurons, too
    }
    for name, p in params.items():
        factor = factors.get(name, 1.0)  # the embeddings and biases stay as they are
        assert close(p.data, [factor * w for w in numbers_in(drawn[name].data)])


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_the_first_loss_is_about_log_27_but_with_naive_weights_above_8(norm):
    config = CONFIG | {  # the sizes of the default run, but two hidden layers
        "vocab_size": 27, "block_size": 4, "n_embd": 12, "n_hidden": 64, "n_layer": 2,
        "norm": norm}
    rng = random.Random(3)
    examples = []  # random contexts of 4 ids, and random targets
    for _ in range(100):
        examples.append((rng.choices(range(27), k=4), rng.randrange(27)))
    loss = loss_of(mlp.build(config, seed=1), examples).data
    # All 27 tokens are about equally likely. For seeds 1 to 10 of the network, the difference was
    # below 0.02.
    assert loss == pytest.approx(math.log(27), abs=0.1)
    naive_loss = loss_of(mlp.build(config | {"init": "naive"}, seed=1), examples).data
    assert naive_loss > 8  # 9.0 to 17.3 for the same seeds: the network is sure of nonsense


def test_batch_norm_replaces_the_bias_of_the_hidden_layer_and_makes_the_embeddings_smaller():
    plain = mlp.build(CONFIG | {"norm": "none"}, seed=1).params
    normed = mlp.build(CONFIG, seed=1).params  # with batch norm
    assert list(plain) == [
        "embedding.weight", "hidden.0.weight", "hidden.0.bias", "output.weight", "output.bias"]
    assert plain.keys() - normed.keys() == {"hidden.0.bias"}
    assert normed["norm.0.weight"].data == [1.0] * 4  # one for each of the 4 neurons
    assert normed["norm.0.bias"].data == [0.0] * 4
    # With the same seed both networks draw the same embeddings. 0.3 is the lesson's choice.
    smaller = [[0.3 * w for w in row] for row in plain["embedding.weight"].data]
    assert normed["embedding.weight"].data == smaller


# --- backward by hand ---

@exercise("3.9")
@pytest.mark.parametrize("changes", [
    {},  # the sizes of CONFIG
    {"n_hidden": 7, "n_embd": 1, "block_size": 2},  # other sizes; embeddings of one number
    {"block_size": 1, "n_embd": 5},  # contexts of one id
])
def test_loss_and_gradients_by_hand_agree_with_backpropagate(changes):
    model = build(**changes)
    other = build(**changes)  # the same network once more
    examples = mlp.examples_of(DOCUMENTS, model.config["block_size"])
    expected = mlp.backpropagate(other, examples)  # the loss; other now has gradients, too
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Tensor, "backward")  # so that a solution cannot call it
        loss = mlp.gradients_by_hand(model, examples)
    # Both ways compute the same, so they differ only by rounding.
    assert loss == pytest.approx(expected, abs=1e-12)
    for name, p in model.params.items():
        assert p.shape == mlp.shape_of(p.grad)  # close() would not notice a wrong shape
        assert close(p.grad, other.params[name].grad, 1e-12), name


# --- diagnostics and learning rates ---

def test_stuck_share_counts_saturated_outputs_of_tanh_but_dead_neurons_of_relu():
    # A row for each of 2 examples, and a column for each of 4 neurons: 8 outputs. An output of tanh
    # is saturated if it is above 0.97 or below -0.97.
    rows = [[0.98, -0.99, 0.95, 0.0], [0.1, 0.2, 0.0, 0.0]]
    assert mlp.stuck_share(rows, "tanh") == 2 / 8  # 0.98 and -0.99
    rows = [[0.98, 0.0, 0.95, 0.0], [0.1, 0.2, 0.0, 0.0]]
    # Of the 4 neurons, only the last one gives 0 for both examples, so it is dead.
    assert mlp.stuck_share(rows, "relu") == 1 / 4


def test_rms_is_the_root_of_the_mean_square():
    assert mlp.rms([[3.0, 4.0], [0.0, 0.0]]) == 2.5  # sqrt((9 + 16 + 0 + 0) / 4)


def test_diagnose_prints_the_loss_and_four_measures_of_a_hidden_layer(capsys):
    model = build(n_layer=2)
    lr = 0.5
    mlp.diagnose(model, EXAMPLES, lr)
    lines = capsys.readouterr().out.split("\n")
    loss = mlp.backpropagate(model, EXAMPLES)  # also fills model.outs and all gradients
    assert lines[0] == f"loss {loss:.4f}"
    # Line 1 has the heads: layer, outputs, stuck, gradients, step / weight. Lines 2 to 5 are those
    # of embedding, hidden.0, hidden.1 and output.
    layer, size, stuck, grad_size, step = lines[4].split()
    assert layer == "hidden.1"
    out = model.outs[layer]
    # The measures, each with as many decimals as diagnose() prints.
    assert size == f"{mlp.rms(out.data):.3f}"
    assert stuck == f"{mlp.stuck_share(out.data, 'tanh'):.1%}"
    assert grad_size == f"{mlp.rms(out.grad):.6f}"
    weight = model.params["hidden.1.weight"]
    assert step == f"{lr * mlp.rms(weight.grad) / mlp.rms(weight.data):.4f}"


# find_lr() tries 0.001 and each time 10 ** 0.1 times as much. Rate 41 is 0.001 * 10 ** 4 = 10, the
# last one. The loss for a rate is the mean of two steps: here 3.0, 2.0 and 1.9, and later_loss from
# the fourth rate on. A loss explodes if it is not below 6.0, which is twice the loss for the first
# rate.
@pytest.mark.parametrize("later_loss, n_rates, line_before_the_last", [
    (2.2, 41, "lr  10.0000  loss 2.2000"),
    (50.0, 4, "the loss explodes"),
    (math.nan, 4, "the loss explodes"),
    (math.inf, 4, "the loss explodes"),
])
def test_find_lr_ends_at_10_or_an_explosion_and_names_the_rate_of_the_lowest_loss(
        later_loss, n_rates, line_before_the_last, monkeypatch, capsys):
    losses = itertools.chain([4.0, 2.0, 2.0, 2.0, 1.9, 1.9], itertools.repeat(later_loss))
    rates = []  # the learning rate of each step
    # Instead of computing a loss, take the next one. Instead of a step, note its learning rate.
    monkeypatch.setattr(mlp, "backpropagate", lambda model, examples: next(losses))
    monkeypatch.setattr(mlp, "descend", lambda params, lr: rates.append(lr))
    mlp.find_lr(build(), EXAMPLES, batch_size=4, seed=5, steps_per_rate=2)
    assert len(rates) == 2 * n_rates  # two steps for each; an explosion ends it at the fourth
    assert rates[:3] == pytest.approx([0.001, 0.001, 0.001 * 10 ** 0.1])
    out = capsys.readouterr().out
    assert out.startswith("lr   0.0010  loss 3.0000\nlr   0.0013  loss 2.0000\n")
    # The loss of 1.9 is the lowest. It is that of the third rate, 0.001 * 10 ** 0.2 = 0.0016.
    assert out.endswith(f"{line_before_the_last}\nthe loss was lowest at lr 0.0016\n")


# --- samples ---

class Counting(mlp.MLP):
    """A network of 4 tokens that is sure of the token (the sum of the context + 1) % 4.

    The tokens are 0 to 3, and 3 is the boundary.
    """

    def __call__(self, contexts, training=False):
        out = []
        for context in contexts:
            row = [0.0] * 4
            row[(sum(context) + 1) % 4] = 1000.0  # the others have the probability 0
            out.append(row)
        return Tensor(out)


@pytest.mark.parametrize("block_size, expected", [
    (1, [0, 1, 2]),  # the contexts are 3, 0, 1 and 2; after 2 comes 3, the boundary
    (2, []),         # the context is 3 3, and the first token is (3 + 3 + 1) % 4 = 3
    (3, [2, 1]),     # the contexts are 3 3 3, 3 3 2 and 3 2 1; after 3 2 1 comes 3
])
def test_samples_end_at_the_boundary_or_after_max_new_tokens(block_size, expected):
    model = Counting({}, CONFIG | {"vocab_size": 4, "block_size": block_size})
    assert mlp.sample(model, random.Random(0)) == expected
    # With a limit of 1, only the first of these tokens, if there is any.
    assert mlp.sample(model, random.Random(0), max_new_tokens=1) == expected[:1]


# --- the script ---

@pytest.fixture
def options(tmp_path):
    """Options for a short run of a small network, with a file of 61 names."""
    names = (ROOT / "names.txt").read_text("utf-8").split()
    path = tmp_path / "some_names.txt"
    path.write_text("\n".join(names[::140]), "utf-8")  # each 140th of 8,453 names
    return [
        "--data", str(path), "--steps", "20", "--n-hidden", "8", "--n-embd", "4",
        "--block-size", "2", "--batch-size", "2", "--samples", "3"]


def printed(capsys, *args):
    """Return what the script prints with these options."""
    mlp.main(list(args))
    return capsys.readouterr().out


def test_a_run_prints_losses_and_samples_and_repeats_exactly_and_test_adds_the_test_loss(
        options, capsys):
    out = printed(capsys, *options)
    # Of the 20 steps, it shows the first one and the end of each tenth: 1, 2, 4, ..., 20. So these
    # are 11 lines. Each ends with a bar and a star.
    assert len(re.findall(r"^step +\d+  loss \d\.\d{4} \| *\*$", out, re.M)) == 11
    # The names have 25 different letters. With the boundary, these are 26 tokens, so at first the
    # loss is about log(26) = 3.3, and 20 steps do not bring it below 2.
    assert re.findall(r"^(\w+) loss [23]\.\d{4}$", out, re.M) == ["train", "dev"]
    _, samples = out.split("samples (* is one of the documents)\n")
    assert samples.count("\n") == 3  # as options says
    assert printed(capsys, *options) == out  # the same seed, 42, so the same output
    assert "\ntest loss " in printed(capsys, *options, "--test")


def test_another_seed_gives_another_loss_in_step_1(options, capsys):
    # Line 0 is that of step 1. Without the option --seed, the seed is 42.
    first_line = printed(capsys, *options).split("\n")[0]
    other_line = printed(capsys, *options, "--seed", "1").split("\n")[0]
    assert first_line != other_line


def test_a_run_with_gradients_by_hand_prints_the_same_without_backward(
        options, capsys, monkeypatch):
    out = printed(capsys, *options)
    monkeypatch.delattr(Tensor, "backward")  # so that --by-hand cannot call it
    # the gradients agree to 1e-12, and 4 decimals of each loss are printed
    assert printed(capsys, *options, "--by-hand") == out


# Only --diagnose goes on to the samples.
@pytest.mark.parametrize("mode, own_line, has_samples", [
    ("--diagnose", "\nhidden.0 ", True),  # how the line of a hidden layer begins
    ("--find-lr", "\nthe loss was lowest at lr ", False),
    ("--compare", "  {'n_hidden': 2}\n", False),  # how the line of one of the settings ends
])
def test_diagnose_find_lr_and_compare_print_a_line_of_their_own_and_repeat_exactly(
        mode, own_line, has_samples, options, capsys):
    out = printed(capsys, *options, mode)
    assert own_line in out
    assert ("samples" in out) == has_samples
    assert printed(capsys, *options, mode) == out
