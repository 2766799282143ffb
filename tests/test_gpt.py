"""Tests of gpt.py: its gradients, PyTorch's numbers, attention, training, writing, files, script.

Expected numbers with many digits were computed with PyTorch 2.13 and transformers 5.24. A comment
beside them has the code, which prints all digits by .tolist() or .item(), and always begins with

    import math, torch
    from transformers import GPT2Config, GPT2LMHeadModel
    torch.set_default_dtype(torch.float64)
"""
import doctest
import json
import math
import random
import re
import statistics
from array import array

import pytest

import gpt
import gradcheck
from helpers import (
    assert_close, numbers_in, random_data, random_tensor, run, sines, start, weighed)

exercise = pytest.mark.exercise  # says which exercise of the lesson a test is about
SIZES = {  # of a small network
    "vocab_size": 7,  # the ids are 0 to 6
    "n_positions": 6,  # the context has room for 6 tokens
    "n_layer": 2,
    "n_head": 2,
    "n_embd": 4,
    "eos_token_id": 6,  # the boundary
}


def random_model(**changes):
    """Return a network with SIZES, except for changes.

    All parameters are random, also those that begin with a fixed number in first_params, because a
    wrong factor or a missing term could hide behind a 0 or a 1.
    """
    config = {**SIZES, **changes}
    rng = random.Random(3)
    params = {}
    for name, shape in gpt.shapes_of(config).items():
        params[name] = random_tensor(gpt.Tensor, rng, shape, std=0.5)
    return gpt.GPT(params, config)


# This is the network of sine_model() below, in transformers. It keeps the weights of c_ layers as
# (n_in, n_out), and gpt.py as (n_out, n_in). So here they are filled through p.T.
#
# def turned(name, p):
#     return p.T if ".c_" in name and p.dim() == 2 else p
#
# def sine_gpt2():
#     sizes = dict(vocab_size=7, n_positions=6, n_layer=2, n_head=2, n_embd=8)
#     model = GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0))
#     with torch.no_grad():
#         for k, (name, p) in enumerate(sorted(model.transformer.named_parameters())):
#             w = turned(name, p)
#             w[:] = 0.5 * torch.sin(3.0 * k + torch.arange(w.numel())).reshape(w.shape)
#             if "ln_" in name and "weight" in name:
#                 w += 1
#     return model
def sine_model():
    """Return a network with SIZES, but 8 channels, and with the parameters of sine_gpt2().

    They come from a formula, so that PyTorch can have the same. Number i of parameter k is
    0.5 * sin(3 * k + i), plus 1 in the weights of layer norms. The parameters are counted in the
    order of their names.
    """
    model = random_model(n_embd=8)
    for k, name in enumerate(sorted(model.params)):
        p = model.params[name]
        for i, place in enumerate(gradcheck.places_in(p.data)):  # row by row
            number = 0.5 * math.sin(3 * k + i)
            if "ln_" in name and "weight" in name:
                number += 1
            gradcheck.put(p, place, number)
    return model


def test_the_examples_in_docstrings_give_what_they_show():
    results = doctest.testmod(gpt)
    assert results.attempted > 10  # gpt.py has more than 10 lines with >>>, and doctest ran them
    assert results.failed == 0


# --- Gradients, beside what nudging each number does ---

def check_gradients(operation, *shapes):
    """Assert that an operation's gradients agree with nudging, for random inputs of these shapes.

    weighed() makes a loss of the result: each of its numbers times a weight of its own, added up.
    """
    rng = random.Random(5)
    inputs = [random_tensor(gpt.Tensor, rng, shape) for shape in shapes]

    def loss():
        return weighed(operation(*inputs))
    gradcheck.check(loss, {f"input {i}": tensor for i, tensor in enumerate(inputs)})


@exercise("5.1")
def test_gradients_of_layer_norm_agree_with_nudging():
    check_gradients(gpt.layer_norm, (5, 9), (9,), (9,))  # x, weight and bias


@exercise("5.2")
def test_gradient_of_gelu_agrees_with_nudging():
    check_gradients(gpt.gelu, (4, 3))


@exercise("5.4")
def test_gradients_of_attend_agree_with_nudging():
    # attend and attend_backward work on lists. This function makes a Tensor of the mix, with one
    # row, because weighed() takes a matrix.
    def mix_of(query, keys, values):
        mix, weights = gpt.attend(query.data, keys.data, values.data)

        def backward(grad):  # grad has one row, too
            return gpt.attend_backward(query.data, keys.data, values.data, weights, grad[0])
        return gpt.Tensor([mix], [query, keys, values], backward)
    # The token sees one token, whose weight is always 1. So query and key get zeros as gradients.
    check_gradients(mix_of, (3,), (1, 3), (1, 3))
    # It sees four. Queries and keys have 3 numbers, and values have 2.
    check_gradients(mix_of, (3,), (4, 3), (4, 2))


@exercise("5.5")
def test_gradient_of_attention_agrees_with_nudging():
    # There are two heads. [0, 1, 2, 0] are positions within documents: rows 0 to 2 are the first
    # document, and row 3 is the second. {} is the empty memory of training.
    def two_documents(qkv):
        return gpt.attention(qkv, 2, [0, 1, 2, 0], {})
    # 4 rows; 12 numbers are a query, a key and a value for each of 2 heads, with 2 numbers each
    check_gradients(two_documents, (4, 12))


def test_gradients_of_all_parameters_agree_with_nudging():
    model = random_model()

    def loss():
        return gpt.loss_of(model, [[6, 3, 1, 0, 6], [6, 4, 4, 6]])
    count = gradcheck.check(loss, model.params)
    # How many numbers there are: wte and wpe have 7 * 4 + 6 * 4 = 52. Each of the two blocks has
    # 4 + 4 (ln_1), 12 * 4 + 12 (c_attn), 4 * 4 + 4 (c_proj), 4 + 4 (ln_2), 16 * 4 + 16 (c_fc) and
    # 4 * 16 + 4 (c_proj), which is 244. And ln_f has 4 + 4.
    assert count == 52 + 2 * 244 + 8


# --- The same numbers as PyTorch ---

@exercise("5.1")
def test_layer_norm_gives_the_numbers_of_pytorch():
    # weight, bias = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.0, -1.0])
    # x = torch.tensor([[1.0, 2.0, 6.0]])
    # print(torch.nn.functional.layer_norm(x, (3,), weight, bias).tolist())
    #
    # Here, too, PyTorch adds 1e-5 to the variance.
    weight = gpt.Tensor([1.0, 2.0, 3.0])
    bias = gpt.Tensor([0.5, 0.0, -1.0])
    out = gpt.layer_norm(gpt.Tensor([[1.0, 2.0, 6.0]]), weight, bias)
    assert_close(out.data, [[-0.42581910782403876, -0.9258191078240388, 3.166185985208174]])


# x = torch.tensor([0.0, 1.0, -1.0, 3.0, 0.5, 1000.0, -1000.0], requires_grad=True)
# y = torch.nn.functional.gelu(x, approximate="tanh")
# y.sum().backward()
# print(y.tolist(), x.grad.tolist())
GELU = {  # v, a number of x: (gelu(v), the slope of gelu at v)
    0.0: (0.0, 0.5),
    1.0: (0.8411919906082768, 1.0829640838457826),
    -1.0: (-0.15880800939172324, -0.08296408384578252),
    3.0: (2.996362607918227, 1.0115841666309695),
    0.5: (0.34571400982514394, 0.8673699035346424),
    1000.0: (1000.0, 1.0),  # so large that e^v would overflow
    -1000.0: (0.0, 0.0),
}


@pytest.mark.parametrize("v", GELU)
def test_gelu_gives_the_numbers_of_pytorch(v):
    expected, _ = GELU[v]
    assert_close(gpt.gelu(gpt.Tensor([[v]])).data, [[expected]])


@exercise("5.2")
@pytest.mark.parametrize("v", GELU)
def test_gelu_slope_gives_the_numbers_of_pytorch(v):
    _, expected = GELU[v]
    assert_close(gpt.gelu_slope(v), expected)


@exercise("5.6")
def test_a_block_gives_the_numbers_of_gpt2_in_transformers():
    # x = torch.sin(torch.arange(24.0)).reshape(1, 3, 8)
    # print(sine_gpt2().transformer.h[1](x)[0][2].tolist())
    #
    # sine_gpt2() stands above sine_model(), h[1] is block 1, [0] is the only text of the batch,
    # and [2] is the last of its three rows.
    x = gpt.Tensor(sines(3, 8, row_step=8.0))  # sin(8 * i + j): the sines of 0 to 23, as in x there
    out = sine_model().block(x, 1, [0, 1, 2], {})
    assert_close(out.data[2], [
        -0.6980954410526683, -3.3666081535010948, -2.796667484087951, 1.1268898471747348,
        2.8088737478957206, 1.2591618507204265, 0.41770300911820657, 0.3027559365929229])


@exercise("5.7")
def test_adamw_step_gives_the_numbers_of_pytorch():
    # w = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))
    # b = torch.nn.Parameter(torch.tensor([0.5, 1.5]))
    # groups = [{"params": [w], "weight_decay": 0.5}, {"params": [b], "weight_decay": 0.0}]
    # optimizer = torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.99))
    # for g in [0.5, -1.0], [-0.25, -1.0], [2.0, 0.125]:
    #     w.grad, b.grad = torch.tensor([g]), torch.tensor(g)
    #     optimizer.step()
    # print(w.tolist(), b.tolist())
    #
    # The last line prints the parameters after three steps. In gpt.py, too, only matrices decay,
    # and the betas are BETA1 and BETA2.
    w = gpt.Tensor([[1.0, -2.0]])
    b = gpt.Tensor([0.5, 1.5])
    params = {"w": w, "b": b}
    m = gpt.zeros(params)
    v = gpt.zeros(params)
    factor = 0.25  # adamw_step multiplies all gradients by it, so here they are divided by it
    grads = [[0.5, -1.0], [-0.25, -1.0], [2.0, 0.125]]
    for t, g in enumerate(grads, start=1):
        b.grad = [number / factor for number in g]
        w.grad = [b.grad]  # the same numbers, as the only row of a matrix
        gpt.adamw_step(params, m, v, t, lr=0.1, weight_decay=0.5, factor=factor)
        assert (w.grad, b.grad) == (None, None)  # the step sets them to None
    assert_close(w.data, [[0.6749148500313766, -1.4635883941045171]])
    assert_close(b.data, [0.306734165013024, 1.7659116057479827])


def test_training_gives_the_losses_of_pytorch():
    # Here each document begins and ends with 0. (train() does not ask which id is the boundary.)
    documents = [[0, 3, 1, 0], [0, 4, 4, 2, 1, 5, 0], [0, 6, 0], [0, 2, 2, 5, 0]]
    # PyTorch's code takes these documents, and sine_gpt2(), which stands above sine_model():
    #
    # model = sine_gpt2()
    # params = list(model.parameters())
    # matrices = [p for p in params if p.dim() == 2]
    # lists = [p for p in params if p.dim() == 1]
    # optimizer = torch.optim.AdamW([
    #     {"params": matrices, "weight_decay": 0.1}, {"params": lists, "weight_decay": 0.0},
    # ], betas=(0.8, 0.99))
    # for step in range(1, 25):
    #     total = 0
    #     batch = [torch.tensor(documents[i % 4]) for i in range(3 * step - 3, 3 * step)]
    #     for ids in batch:
    #         logits = model(ids[None, :-1]).logits[0]
    #         total += torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum")
    #     loss = total / sum(len(ids) - 1 for ids in batch)
    #     optimizer.zero_grad()
    #     loss.backward()
    #     norm = torch.nn.utils.clip_grad_norm_(params, math.inf)  # clips nothing
    #     for p in params:
    #         p.grad /= max(1, norm)  # clip_grad_norm_(params, 1) divides by norm + 1e-6
    #     for group in optimizer.param_groups:  # the rate rises in one step, and falls in 23
    #         group["lr"] = 0.01 * (0.5 if step == 1 else (25 - step) / 23)
    #     optimizer.step()
    #     print(step, loss.item())
    expected = {  # the losses of some of the 24 steps
        1: 4.15689313783161,
        2: 3.487256942095619,
        4: 2.51195583759155,
        13: 1.6158624357540254,
        24: 1.5559143808387204,
    }
    losses = {}

    def report(step, loss):
        losses[step] = loss
    # There are 24 steps, with 3 documents in each batch.
    gpt.train(sine_model(), documents, 24, 3, lr=0.01, weight_decay=0.1, report=report)
    assert list(losses) == list(range(1, 25))  # train has called report after each step
    for step, loss in expected.items():
        assert_close(losses[step], loss, 1e-9)  # what rounding does grows from step to step


# --- Attention ---

def attention_rows(rows, positions, memory):
    """Return the rows that gpt.attention makes of the rows of qkv, with two heads."""
    return gpt.attention(gpt.Tensor(rows), 2, positions, memory).data


@exercise("5.3")
def test_attend_weighs_each_value_by_how_well_its_key_fits_the_query():
    query = [0.0, 2.0, 0.0, 0.0]
    # The 9s do not count, because the query is 0 there. So the dot products with the query are 0
    # and 2 * log(3). The query has 4 numbers, so the scores are product / sqrt(4): 0 and log(3).
    # The weights are in proportion to e^0 = 1 and e^log(3) = 3, and sum to 1.
    keys = [[9.0, 0.0, 9.0, 9.0], [9.0, math.log(3), 9.0, 9.0]]
    mix, weights = gpt.attend(query, keys, [[10.0], [20.0]])
    assert_close(weights, [0.25, 0.75])
    assert_close(mix, [17.5])  # 0.25 * 10 + 0.75 * 20


# In each row of qkv, columns 0 to 3 are the query, 4 to 7 the key, and 8 to 11 the value. Head 0
# has the first two columns of each, from 0, 4 and 8 on. Head 1 has the others, from 2, 6 and 10 on.
@exercise("5.5")
@pytest.mark.parametrize("head, begin", [(0, 0), (1, 2)])  # its query begins in this column
def test_each_head_attends_with_its_own_columns_and_keeps_them_in_memory(head, begin):
    rows = random_data(random.Random(4), (3, 12))  # three tokens of one document
    memory = {}
    out = attention_rows(rows, [0, 1, 2], memory)
    end = begin + 2
    query = rows[2][begin:end]  # of the last token, which sees all three
    keys = [row[begin + 4:end + 4] for row in rows]
    values = [row[begin + 8:end + 8] for row in rows]
    mix, weights = gpt.attend(query, keys, values)
    assert out[2][begin:end] == mix  # in a row of out, the mixes of the heads stand side by side
    assert memory[head] == (keys, values, weights)  # the weights are those of the last token


@exercise("5.5")
def test_no_row_of_attention_sees_the_future_or_another_document():
    rows = random_data(random.Random(4), (5, 12))
    out = attention_rows(rows, [0, 1, 2, 0, 1], {})  # rows 0 to 2 and rows 3 to 4: two documents
    # In the first document, the first n rows give the same if all later rows are missing.
    for n in 1, 2, 3:
        assert attention_rows(rows[:n], range(n), {}) == out[:n]
    # In the second, rows 3 to n - 1 give the same if all rows before and after them are missing.
    for n in 4, 5:
        assert attention_rows(rows[3:n], range(n - 3), {}) == out[3:n]


@exercise("5.5")
def test_two_calls_of_attention_that_share_a_memory_give_the_same_as_one_call():
    rows = random_data(random.Random(5), (5, 12))  # five tokens of one text
    memory = {}
    first_rows = attention_rows(rows[:2], [0, 1], memory)
    later_rows = attention_rows(rows[2:], [2, 3, 4], memory)
    assert_close(first_rows + later_rows, attention_rows(rows, [0, 1, 2, 3, 4], {}))


# --- The network and its loss ---

@pytest.mark.parametrize("n_layer, n_embd", [
    (1, 24),  # as in the network of the first command in gpt.py's docstring
    (4, 64),  # larger
])
def test_the_loss_of_a_fresh_network_is_nearly_that_of_equal_probabilities(n_layer, n_embd):
    config = {**SIZES, "vocab_size": 27, "eos_token_id": 26, "n_layer": n_layer, "n_embd": n_embd}
    model = gpt.GPT(gpt.first_params(config, seed=42), config)
    loss = gpt.loss_of(model, [[26, 5, 2, 7, 7, 1, 26]]).data  # any document
    # With equal probabilities, the loss of each token is -log(1 / 27) = log(27). But first_params
    # makes logits of about 0.1 in size, not of 0. So the loss of a token differs from log(27) by
    # about 0.1, up or down, and the mean of six tokens by less. (If the weight of ln_f began with
    # 1, the logits would be ten times as large, and both losses here would differ by over 0.5.)
    assert loss == pytest.approx(math.log(27), abs=0.1)


@pytest.mark.parametrize("name, mean, std", [
    ("wte.weight", 0, 1 / 7),  # 1 / sqrt(n_embd), as n_embd is 49 below
    ("wpe.weight", 0, 0.02),  # as in GPT-2
    ("h.0.attn.c_proj.weight", 0, 0.02),  # as in GPT-2
    ("h.1.mlp.c_fc.weight", 0, 1 / 7),
    ("h.0.mlp.c_fc.bias", 0, 0),  # a standard deviation of 0: all numbers are the same
    ("h.1.ln_2.weight", 1, 0),
    ("ln_f.weight", 0.1, 0),  # 0.1, so that the first logits are small
])
def test_the_first_parameters_have_this_mean_and_standard_deviation(name, mean, std):
    # The sizes are larger than SIZES, so that each matrix has at least 49 * 49 numbers. By chance,
    # their mean typically differs by std / 49 from the expected one, and their standard deviation
    # by std / (49 * sqrt(2)), which is 1.4 %. Both tolerances are at least four times as large.
    config = {**SIZES, "vocab_size": 49, "n_positions": 49, "n_embd": 49}
    numbers = numbers_in(gpt.first_params(config, seed=1)[name].data)
    assert statistics.mean(numbers) == pytest.approx(mean, abs=0.02)
    assert statistics.pstdev(numbers) == pytest.approx(std, rel=0.06)


@pytest.mark.parametrize("t", range(6))
def test_changing_token_t_changes_the_logits_of_row_t_and_later_rows_only(t):
    model = random_model()
    ids = [6, 5, 2, 3, 1, 0]
    before = model(ids).data
    ids[t] = 4  # which is not among the ids
    after = model(ids).data
    same = [new == old for new, old in zip(after, before)]  # for each row
    assert same == [i < t for i in range(6)]  # True for rows 0 to t - 1, then False


def test_loss_of_and_evaluate_return_the_mean_over_all_tokens():
    model = random_model()
    first = [6, 3, 1, 6]  # 3 tokens are predicted
    second = [6, 4, 4, 2, 1]  # 4 tokens are predicted
    losses = [gpt.loss_of(model, [ids]).data for ids in (first, second)]
    mean = (3 * losses[0] + 4 * losses[1]) / 7  # over all 3 + 4 tokens
    assert_close(gpt.loss_of(model, [first, second]).data, mean)
    assert_close(gpt.evaluate(model, [first, second]), mean)


# Of six tokens, the first n_together come in one call, and the others one by one.
@pytest.mark.parametrize("n_together", [1, 3, 5])
def test_logits_are_the_same_if_tokens_come_one_by_one_and_memories_keep_the_earlier(n_together):
    model = random_model()
    ids = [6, 3, 1, 4, 4, 2]
    memories = model.new_memories()
    logits = model(ids[:n_together], memories=memories).data
    for t in range(n_together, 6):
        logits += model([ids[t]], start=t, memories=memories).data
    assert_close(logits, model(ids).data)  # all six in one call, without memories to share


# --- Training ---

@exercise("5.7")
def test_adamw_step_refuses_a_parameter_without_a_gradient_and_names_it():
    params = {"frozen": gpt.Tensor([1.0])}  # its grad is None
    zeros = gpt.zeros(params)  # for both averages, m and v
    with pytest.raises(ValueError, match="no gradient has reached the parameter frozen"):
        # t, lr, weight_decay and factor can be any numbers here.
        gpt.adamw_step(params, zeros, zeros, 1, 0.1, 0.0, 1.0)


@pytest.mark.parametrize("scale, factor", [
    (1.0, 1 / 6),  # the norm is 6
    (0.5, 1 / 3),  # the norm is 3
    (0.1, 1.0),  # the norm is only 0.6, so nothing is clipped
])
def test_clip_factor_brings_the_norm_of_all_gradients_together_to_at_most_1(scale, factor):
    p = gpt.Tensor([[0.0]])
    p.grad = [[2 * scale]]
    q = gpt.Tensor([0.0, 0.0])
    q.grad = [4 * scale, -4 * scale]
    # The norm is scale * sqrt(2^2 + 4^2 + 4^2) = scale * 6. The factor brings it to 1.
    assert_close(gpt.clip_factor({"p": p, "q": q}), factor)


def test_the_learning_rate_rises_for_a_twentieth_of_the_steps_and_then_falls():
    # There are 60 steps, and the highest rate is 5.7. In the first 60 / 20 = 3 steps, the rate is
    # 1/4, 2/4 and 3/4 of 5.7. The other 57 steps begin with 5.7, and each has 5.7 / 57 = 0.1 less
    # than the one before.
    rates = [gpt.rate_at(step, 60, 5.7) for step in range(1, 61)]
    falling = [5.7 - 0.1 * k for k in range(57)]
    assert_close(rates, [1.425, 2.85, 4.275] + falling)
    # A twentieth of 10 steps is not even one step. So step 1 has the highest rate, here 0.5.
    assert gpt.rate_at(1, 10, 0.5) == 0.5


# --- Generation ---

# There are four tokens, with the probabilities 1/2, 1/4, 1/8 and 1/8. In 2000 draws, each of them
# is expected this many times, the likeliest first, if all four, the best two or only the best one
# can be drawn, at temperature 1:
ALL_FOUR = [1000, 500, 250, 250]
BEST_TWO = [1333, 667, 0, 0]  # 2/3 and 1/3 of 2000
BEST_ONE = [2000, 0, 0, 0]


@exercise("5.8")
@pytest.mark.parametrize("temperature, top_k, top_p, expected", [
    (1, 9, 1, ALL_FOUR),  # there are only four, and a top_k of 9 keeps them all
    # 1 / 0.5 = 2, so e^(logit / 0.5) is the square of e^logit: 4 : 2 : 1 : 1 become 16 : 4 : 1 : 1,
    # which makes 16/22, 4/22, 1/22 and 1/22 of the 2000 draws.
    (0.5, None, 1, [1455, 364, 91, 91]),
    (1, 2, 1, BEST_TWO),  # the best 2
    (1, None, 0.7, BEST_TWO),  # 1/2 is below 0.7, but 1/2 + 1/4 is not
    (1, 3, 0.8, BEST_TWO),  # among the best 3, 4/7 is below 0.8, but 4/7 + 2/7 = 0.86 is not
    (0.5, None, 0.7, BEST_ONE),  # at this temperature, the first one alone has 16/22 = 0.73
    (0, None, 1, BEST_ONE),  # temperature 0: always the likeliest
])
def test_temperature_top_k_and_top_p_decide_how_often_choose_draws_each_token(
        temperature, top_k, top_p, expected):
    # e^logit is 2 for token 0, and so on. The sum is 16, so token 2 has the probability 8 / 16.
    # 1.999999 is there in place of 2, so that it is clear which tokens are the best 3.
    logits = [math.log(p) for p in [2, 1.999999, 8, 4]]
    rng = random.Random(14)
    drawn = [gpt.choose(logits, rng, temperature, top_k, top_p) for _ in range(2000)]
    for token, count in zip([2, 3, 0, 1], expected):  # the likeliest token is 2
        # By chance, a count has a standard deviation of at most sqrt(2000 / 4) = 22, and 90 is
        # about four times that.
        assert drawn.count(token) == pytest.approx(count, abs=90)
        assert (token in drawn) == (count > 0)  # what cannot be drawn is never drawn


@exercise("5.8")
def test_choose_never_draws_a_second_token_if_the_first_one_reaches_top_p_exactly():
    rng = random.Random(0)
    # The temperature is 1, there is no top_k, and top_p is 0.5. Both tokens have the probability
    # 0.5, and token 0 comes first. So token 0 alone reaches top_p, and all 50 draws give it.
    assert {gpt.choose([0.0, 0.0], rng, 1, None, 0.5) for _ in range(50)} == {0}


class Counting:
    """A stand-in for a network, which is certain that token i + 1 comes after token i."""

    def __init__(self):
        self.boundary = 9  # the ids are 0 to 9
        self.config = {"n_positions": 5}  # the context has room for 5 tokens
        self.calls = []  # of each call: (ids, the position of the first one)

    def new_memories(self):
        return [{}]  # it has no use for them

    def __call__(self, ids, start, memories):
        self.calls.append((list(ids), start))
        logits = [[0.0] * 10 for _ in ids]
        logits[-1][ids[-1] + 1] = 1000.0  # so the others have a probability of 0
        return gpt.Tensor(logits)


@exercise("5.9")
@pytest.mark.parametrize("ids, max_new_tokens, expected", [
    ([6], 50, [7, 8]),  # 9, the boundary, is drawn next
    ([8], 50, []),  # 9 is the first token drawn
    ([0], 50, [1, 2, 3, 4, 5]),  # 0 to 4 fill the context, so 5 cannot be fed in to draw 6
    ([0, 1, 2, 3, 4], 50, [5]),  # the context is full from the start, so only 5 is drawn
    ([0], 2, [1, 2]),  # two new tokens are the maximum
])
def test_generate_ends_before_a_boundary_with_a_full_context_or_at_the_maximum(
        ids, max_new_tokens, expected):
    assert list(gpt.generate(Counting(), ids, max_new_tokens, random.Random(0))) == expected


@exercise("5.9")
def test_generate_hands_temperature_top_k_and_top_p_to_choose():
    settings = []

    def choose(logits, rng, temperature, top_k, top_p):
        settings.append((temperature, top_k, top_p))
        return 3  # any token
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpt, "choose", choose)
        # One token is drawn after token 1, by one call of choose.
        list(gpt.generate(Counting(), [1], 1, random.Random(0)))  # with the defaults
        list(gpt.generate(Counting(), [1], 1, random.Random(0), 0.5, 2, 0.9))
    assert settings == [(1.0, None, 1.0), (0.5, 2, 0.9)]


@exercise("5.9")
def test_generate_sends_each_token_through_the_network_only_once():
    model = Counting()
    # At most 3 tokens are drawn: 3, 4 and 5. Nothing is drawn after 5, so 5 is not sent.
    list(gpt.generate(model, [1, 2], 3, random.Random(0)))
    # First it sends the ids 1 and 2, from position 0 on. Then 3 stands at position 2, and 4 at 3.
    assert model.calls == [([1, 2], 0), ([3], 2), ([4], 3)]


# --- Errors ---

def test_layer_norm_refuses_rows_that_are_shorter_than_its_weight_and_bias():
    three = gpt.Tensor([1.0, 2.0, 3.0])  # for both weight and bias
    with pytest.raises(ValueError):
        gpt.layer_norm(gpt.Tensor([[1.0, 2.0]]), three, three)


@pytest.mark.parametrize("ids, lengths", [
    ([7], None),  # the network has the ids 0 to 6
    ([0] * 7, None),  # its context has room for 6 tokens
    # Three ids, but lengths say: two documents of one id each. So there are only two positions, and
    # add() refuses to add them to the embeddings of three tokens.
    ([0, 1, 2], [1, 1]),
])
def test_a_network_refuses_unknown_ids_and_positions_and_wrong_lengths(ids, lengths):
    with pytest.raises(ValueError):
        random_model()(ids, lengths)


# --- Files ---

def test_a_loaded_network_is_the_saved_one_with_numbers_rounded_to_32_bits(tmp_path):
    model = random_model(characters="abcdef")  # with ids 0 to 5, as 6 is the boundary
    folder = tmp_path / "new" / "folder"  # neither is there yet
    gpt.save(folder, model)
    loaded = gpt.load(folder)
    assert loaded.config == model.config
    assert not list(folder.glob("*.part"))  # save has renamed all that it wrote as name.part
    for name, p in model.params.items():
        rounded = array("f", numbers_in(p.data))  # "f" is a float of 32 bits
        assert numbers_in(loaded.params[name].data) == list(rounded)
    ids = [6, 3, 1]
    assert_close(loaded(ids).data, model(ids).data, 1e-5)  # 32 bits keep about 7 digits


def test_save_writes_nothing_if_there_is_a_parameter_that_load_would_not_read(tmp_path):
    model = random_model()
    model.params["h.0.lora.weight"] = gpt.Tensor([[1.0]])  # shapes_of has no such name
    with pytest.raises(ValueError, match="h.0.lora.weight"):
        gpt.save(tmp_path / "model", model)
    assert not (tmp_path / "model").exists()


def write_as_transformers_does(folder, model):
    """Write the files of a network with SIZES, with what transformers adds and gpt.save does not.

    This is a prefix of all names, the causal mask, and settings such as n_inner.
    """
    config = {**SIZES, "model_type": "gpt2", "n_inner": None, "attn_pdrop": 0.1}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    # attn.bias is the mask, here only the byte 1, at 0 in the data.
    header = {"transformer.h.0.attn.bias": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    data = b"\1"
    for name, p in model.params.items():
        if ".c_" in name and "weight" in name:  # in the file it is (n_in, n_out)
            p = gpt.Tensor(gpt.transpose(p.data))
        begin = len(data)
        data += array("f", numbers_in(p.data)).tobytes()
        offsets = [begin, len(data)]
        header[f"transformer.{name}"] = {"dtype": "F32", "shape": p.shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    length = len(text).to_bytes(8, "little")
    (folder / "model.safetensors").write_bytes(length + text + data)


def test_a_folder_as_transformers_writes_it_is_loaded_and_then_saved_without_prefix_and_mask(
        tmp_path):
    model = random_model()
    write_as_transformers_does(tmp_path, model)
    loaded = gpt.load(tmp_path)
    ids = [6, 3, 1]
    assert_close(loaded(ids).data, model(ids).data, 1e-5)  # the file has numbers of 32 bits
    gpt.save(tmp_path, loaded)
    # The file begins with 8 bytes, which are the length of the header, and then comes the header.
    data = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    # In the file itself no name has a prefix now, and the mask is gone. (save always adds an entry
    # "__metadata__", which is no parameter.)
    assert header.keys() - {"__metadata__"} == model.params.keys()
    # The numbers had 32 bits already, so not one is rounded when they are saved again.
    assert gpt.load(tmp_path)(ids).data == loaded(ids).data


def assert_refused(folder):
    """Assert that gpt.main refuses to load this folder, with a message of one line."""
    # From its beginning \A to its end \Z, the message has no line break, which . does not match.
    with pytest.raises(gpt.InputError, match=r"\A.*no GPT-2 as it is here.*\Z"):
        gpt.main(["--load", str(folder)])


@pytest.mark.parametrize("changes", [
    {"n_head": 3},  # 3 heads cannot share 4 channels
    {"n_layer": 3},  # model.safetensors has 2 blocks
    {"n_positions": 5},  # model.safetensors has 6 positions
    {"characters": 5},  # not a string
    {"model_type": "llama"},  # another kind of network
    {"activation_function": "gelu"},  # gpt.py has gelu_new only, the formula with tanh
    {"layer_norm_epsilon": 1e-6},  # it is 1e-5 in gpt.py
])
def test_a_folder_with_a_changed_config_is_refused(changes, tmp_path):
    gpt.save(tmp_path, random_model())
    gpt.load_network(tmp_path)  # without the changes it is accepted
    config = {**SIZES, **changes}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert_refused(tmp_path)


# The first parameter in the file is wte.weight, of shape [7, 4]. A number has 4 bytes, so all its
# numbers are the bytes from 0 to 7 * 4 * 4 = 112, and its data_offsets are [0, 112]. (Old and new
# are equally long, so nothing else in the file moves.)
@pytest.mark.parametrize("old, new", [
    (b"F32", b"F16"),  # numbers of 16 bits, in all parameters
    (b"[7, 4]", b"[4, 7]"),  # 4 ids with 7 channels
    (b"[0, ", b"[-4,"),  # begins before the first number
    (b"112]", b"1e9]"),  # ends too late, even after the end of the file
    (b"wte", b"wti"),  # there is no wte.weight
])
def test_a_folder_with_a_changed_header_of_model_safetensors_is_refused(old, new, tmp_path):
    gpt.save(tmp_path, random_model())
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    assert_refused(tmp_path)


@pytest.mark.parametrize("name, end", [  # the file keeps its bytes [:end]
    ("config.json", 50),  # of its 94 bytes, so the JSON does not end
    ("model.safetensors", 7),  # even the 8 bytes with the length of the header are cut
    ("model.safetensors", -1),  # only the last byte is missing
    ("model.safetensors", -16),  # the last row of wpe.weight is missing: 4 numbers of 4 bytes
])
def test_a_folder_with_a_file_that_was_cut_short_is_refused(name, end, tmp_path):
    model = random_model()
    # Put wpe.weight at the end of the file. Its last row is used only by a text of 6 tokens. So
    # the network would work on shorter texts without it, but load must refuse the file.
    model.params["wpe.weight"] = model.params.pop("wpe.weight")
    gpt.save(tmp_path, model)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:end])
    assert_refused(tmp_path)


# --- The script, and functions that only the script uses ---

# This network is trained in less than a second.
SMALL = ["--steps", "20", "--n-embd", "8", "--eval-docs", "20", "--samples", "3"]


def output(*args):
    """Return what gpt.py prints with these arguments. Assert that it succeeds."""
    status, out, error = run("gpt", *args)
    assert (status, error) == (0, "")
    return out


def test_the_script_prints_steps_losses_heads_and_samples_and_the_same_in_a_second_run():
    out = output(*SMALL, "--test")
    training, heads, samples = out.split("\n\n", 2)
    steps = re.findall("^step +([0-9]+)  loss 3.[0-9]{4} [|] ", training, re.M)
    assert steps == "1 2 4 6 8 10 12 14 16 18 20".split()  # the first, and each tenth of 20
    # When this test was written, the losses after training were 3.0 and three more decimals. So the
    # network has learned something: a new one has a loss of about log(27) = 3.3.
    assert re.findall("^([a-z]+) loss 3.0[0-9]{3}$", training, re.M) == ["train", "dev", "test"]
    rows = heads.split("\n")[1:]  # without the title
    # The first dev name is gwenael. Before the g, all four heads (the default of --n-head) can see
    # only the boundary, so its weight is 1, which is shown as █.
    assert rows[0] == "g  █  █  █  █"
    assert [row[0] for row in rows] == list("gwenael·")
    assert samples.count("\n") == 4  # after the title and each of the 3 names
    assert output(*SMALL, "--test") == out


def pairs(documents):
    """Return all pairs of a token and the token after it, in order."""
    return [pair for ids in documents for pair in zip(ids, ids[1:])]


# The longest document has 6 inputs. Windows of 1, 2 or 3 divide them equally, those of 5 leave one
# over, and one of 20 has room for all.
@pytest.mark.parametrize("n_positions", [1, 2, 3, 5, 20])
def test_windows_predict_the_same_tokens_as_the_documents_and_fit_into_the_context(n_positions):
    documents = [[9, 1, 9], [9, 1, 2, 3, 4, 5, 9], [9, 9]]  # 9 is the boundary
    windows = gpt.windows(documents, n_positions)
    assert pairs(windows) == pairs(documents)  # so each token is predicted from the one before it
    for ids in windows:
        n_inputs = len(ids) - 1  # the last id is no input, so it needs no place in the context
        assert n_inputs >= 1
        assert n_inputs <= n_positions


def test_the_script_cuts_a_document_that_is_longer_than_the_context_and_says_so(tmp_path):
    path = tmp_path / "data"
    # One of 10 documents is long. (The script asks for at least 10.) Its inputs are 9 tokens: the
    # boundary and 8 letters. split() shuffles with a fixed seed, and puts it into train. Step 1
    # takes 8 documents, as many as train has. So it would fail if this one were not cut.
    path.write_text("abcdefgh\n" + "abc\n" * 9, encoding="utf-8")
    args = ["--data", path, "--steps", "1", "--samples", "0"]
    line = "1 documents are cut into windows of 8 tokens\n"
    assert output(*args, "--block-size", "8").startswith(line)
    # All 9 fit, so there is no such line: the output begins with step 1.
    assert output(*args, "--block-size", "9").startswith("step ")


def test_a_saved_network_continues_a_prompt_and_goes_on_learning(tmp_path):
    first_run = output(*SMALL, "--save", tmp_path)
    texts = output("--load", tmp_path, "--samples", "2", "--prompt", "ma")
    assert re.fullmatch("(ma.*\n){2}", texts)  # two lines, and each begins with ma
    # The second run begins with the saved network, and trains it for 20 more steps. (With --load,
    # the --n-embd in SMALL has no effect.) A new network would come to the same loss as in the
    # first run, because both runs have the same seed. So would the saved one if it did not learn.
    second_run = output("--load", tmp_path, *SMALL)
    before, after = re.findall("train loss (.*)", first_run + second_run)
    assert float(after) < float(before)


def test_a_network_that_learned_from_ids_continues_each_line_of_ids_before_the_next_comes(tmp_path):
    path = tmp_path / "ids"
    path.write_text("5 6 7\n" * 30, "utf-8")  # 30 equal documents
    folder = tmp_path / "model"
    output("--ids", path, *SMALL, "--lr", "0.1", "--save", folder)  # 0.1: it learns fast
    assert gpt.load(folder).config["vocab_size"] == 9  # 0 to 7, and 8 is the boundary
    # At temperature 0, and with a top-k of 1, it always takes the likeliest id. So it must have
    # learned 5 6 7 by heart.
    process = start("gpt", "--load", folder, *"--ids - --temperature 0 --top-k 1".split())
    for prompt in ["5", "", "5 6"]:
        print(prompt, file=process.stdin, flush=True)
        # The script writes a blank after each id. If it waited for the next prompt before it wrote
        # this line, readline would wait for ever.
        assert process.stdout.readline() == "5 6 7 \n"
    # 9 is an unknown id, so the script ends, long before a minute is over.
    out, error = process.communicate("9\n", timeout=60)
    assert out == ""
    assert error == "gpt.py: error: '9\\n' has a part that this network does not know\n"
    assert process.returncode == 2


@pytest.mark.parametrize("text", ["9", "-1", "x"])
def test_ids_of_refuses_what_is_no_id_from_0_to_8(text):
    with pytest.raises(gpt.InputError):
        gpt.ids_of(text, {"vocab_size": 9})  # 9 ids: 0 to 8
