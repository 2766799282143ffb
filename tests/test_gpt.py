"""gpt.py: its gradients, its numbers beside PyTorch's, what must not change them, the script.

The known answers were made with PyTorch 2.13 and transformers 5.24, in float64 as set by
torch.set_default_dtype(torch.float64). A comment beside each of them has the code.
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
from helpers import assert_close, numbers_in, random_data, random_tensor, run, start, weighed

exercise = pytest.mark.exercise
SIZES = {
    "vocab_size": 7,
    "n_positions": 6,
    "n_layer": 2,
    "n_head": 2,
    "n_embd": 4,
    "eos_token_id": 6,
}


def attention(rows, positions, memory):
    """Return the rows that attention with two heads makes of the rows of qkv."""
    return gpt.attention(gpt.Tensor(rows), 2, positions, memory).data


def random_model(**changes):
    """Return a small network, all of whose parameters are random, biases too."""
    config = {**SIZES, **changes}
    rng = random.Random(3)
    params = {}
    for name, shape in gpt.shapes_of(config).items():
        params[name] = random_tensor(gpt.Tensor, rng, shape, std=0.5)
    return gpt.GPT(params, config)


# def turned(name, p):
#     return p.T if ".c_" in name and p.dim() == 2 else p
#
# def sine_model():
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
    """Return a network whose parameters are sines, with 1 added to a layer norm's weights."""
    config = {**SIZES, "n_embd": 8}
    params = {}
    for k, (name, shape) in enumerate(sorted(gpt.shapes_of(config).items())):
        numbers = [0.5 * math.sin(3 * k + i) for i in range(math.prod(shape))]
        if "ln_" in name and "weight" in name:
            numbers = [1 + number for number in numbers]
        params[name] = gpt.Tensor(in_rows(numbers, shape))
    return gpt.GPT(params, config)


def in_rows(numbers, shape):
    """Return a list of numbers as a list, or as a matrix, of this shape."""
    if len(shape) == 1:
        return numbers
    size = shape[1]
    return [numbers[i:i + size] for i in range(0, len(numbers), size)]


def test_doctests():
    results = doctest.testmod(gpt)
    assert results.attempted > 10
    assert results.failed == 0


# --- Gradients, beside what nudging each number does ---

def check_gradients(operation, *shapes):
    """Assert that an operation has the right gradients for random inputs of these shapes."""
    rng = random.Random(5)
    inputs = [random_tensor(gpt.Tensor, rng, shape) for shape in shapes]

    def loss():
        return weighed(operation(*inputs))
    gradcheck.check(loss, {f"input {i}": tensor for i, tensor in enumerate(inputs)})


@exercise("5.1")
def test_gradients_of_layer_norm():
    check_gradients(gpt.layer_norm, (5, 9), (9,), (9,))


@exercise("5.2")
def test_gradient_of_gelu():
    check_gradients(gpt.gelu, (4, 3))


@exercise("5.4")
def test_gradients_of_attend():
    def one_row(query, keys, values):
        mix, weights = gpt.attend(query.data, keys.data, values.data)

        def backward(grad):
            return gpt.attend_backward(query.data, keys.data, values.data, weights, grad[0])
        return gpt.Tensor([mix], [query, keys, values], backward)
    check_gradients(one_row, (3,), (1, 3), (1, 3))
    check_gradients(one_row, (3,), (4, 3), (4, 2))


def test_gradients_of_all_parameters():
    model = random_model()

    def loss():
        return gpt.loss_of(model, [[6, 3, 1, 0, 6], [6, 4, 4, 6]])
    count = gradcheck.check(loss, model.params)
    assert count == 52 + 2 * 244 + 8  # the two tables, two blocks, and ln_f


# --- Known answers ---

@exercise("5.1")
def test_layer_norm_is_pytorchs():
    # weight, bias = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.0, -1.0])
    # torch.nn.functional.layer_norm(torch.tensor([1.0, 2.0, 6.0]), (3,), weight, bias)
    weight = gpt.Tensor([1.0, 2.0, 3.0])
    bias = gpt.Tensor([0.5, 0.0, -1.0])
    out = gpt.layer_norm(gpt.Tensor([[1.0, 2.0, 6.0]]), weight, bias)
    assert_close(out.data, [[-0.42581910782403876, -0.9258191078240388, 3.166185985208174]])


# x = torch.tensor([0.0, 1.0, -1.0, 3.0, 0.5, 1000.0, -1000.0], requires_grad=True)
# y = torch.nn.functional.gelu(x, approximate="tanh")
# y.sum().backward()
# print(y, x.grad)
GELU = {
    0.0: (0.0, 0.5),
    1.0: (0.8411919906082768, 1.0829640838457826),
    -1.0: (-0.15880800939172324, -0.08296408384578252),
    3.0: (2.996362607918227, 1.0115841666309695),
    0.5: (0.34571400982514394, 0.8673699035346424),
    1000.0: (1000.0, 1.0),
    -1000.0: (0.0, 0.0),
}


@pytest.mark.parametrize("v", GELU)
def test_gelu_is_pytorchs(v):
    out, _ = GELU[v]
    assert_close(gpt.gelu(gpt.Tensor([[v]])).data, [[out]])


@exercise("5.2")
@pytest.mark.parametrize("v", GELU)
def test_slope_of_gelu_is_pytorchs(v):
    _, slope = GELU[v]
    assert_close(gpt.gelu_slope(v), slope)


@exercise("5.3")
def test_attend_mixes_values_by_how_well_their_keys_fit():
    query = [0.0, 2.0, 0.0, 0.0]
    keys = [[9.0, 0.0, 9.0, 9.0], [9.0, math.log(3), 9.0, 9.0]]
    mix, weights = gpt.attend(query, keys, [[10.0], [20.0]])
    assert_close(weights, [0.25, 0.75])  # the scores are 0 and 2 log(3) / sqrt(4)
    assert_close(mix, [17.5])


@exercise("5.5")
@pytest.mark.parametrize("head, first", [(0, 0), (1, 2)])
def test_each_head_attends_with_columns_of_its_own(head, first):
    rows = random_data(random.Random(4), (3, 12))
    memory = {}
    out = attention(rows, [0, 1, 2], memory)
    last = first + 2
    query = rows[2][first:last]
    keys = [row[first + 4:last + 4] for row in rows]
    values = [row[first + 8:last + 8] for row in rows]
    mix, weights = gpt.attend(query, keys, values)
    assert out[2][first:last] == mix
    assert memory[head] == (keys, values, weights)


@exercise("5.5")
def test_gradient_of_attention():
    def two_documents(qkv):
        return gpt.attention(qkv, 2, [0, 1, 0], {})
    check_gradients(two_documents, (3, 12))


@exercise("5.5")
def test_no_row_sees_the_future_or_another_document():
    rows = random_data(random.Random(4), (5, 12))
    out = attention(rows, [0, 1, 2, 0, 1], {})
    assert attention(rows[:2], [0, 1], {}) == out[:2]
    assert attention(rows[3:], [0, 1], {}) == out[3:]


@exercise("5.5")
def test_a_memory_stands_for_the_rows_before():
    rows = random_data(random.Random(5), (5, 12))
    memory = {}
    out = attention(rows[:2], [0, 1], memory) + attention(rows[2:], [2, 3, 4], memory)
    assert_close(out, attention(rows, [0, 1, 2, 3, 4], {}))


@exercise("5.6")
def test_a_block_is_gpt2s():
    # x = torch.sin(torch.arange(24.0)).reshape(1, 3, 8)
    # sine_model().transformer.h[1](x)[0][2]
    x = gpt.Tensor(in_rows([math.sin(i) for i in range(24)], (3, 8)))
    out = sine_model().block(x, 1, [0, 1, 2], {})
    assert_close(out.data[2], [
        -0.6980954410526683, -3.3666081535010948, -2.796667484087951, 1.1268898471747348,
        2.8088737478957206, 1.2591618507204265, 0.41770300911820657, 0.3027559365929229])


@exercise("5.7")
def test_adamw_step_is_pytorchs():
    # w = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))
    # b = torch.nn.Parameter(torch.tensor([0.5, 1.5]))
    # groups = [{"params": [w], "weight_decay": 0.5}, {"params": [b], "weight_decay": 0.0}]
    # optimizer = torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.99))
    # for g in [0.5, -1.0], [-0.25, -1.0], [2.0, 0.125]:
    #     w.grad, b.grad = torch.tensor([g]), torch.tensor(g)
    #     optimizer.step()
    # print(w, b)
    w = gpt.Tensor([[1.0, -2.0]])
    b = gpt.Tensor([0.5, 1.5])
    params = {"w": w, "b": b}
    m = gpt.zeros(params)
    v = gpt.zeros(params)
    factor = 0.25
    grads = [[0.5, -1.0], [-0.25, -1.0], [2.0, 0.125]]
    for t, g in enumerate(grads, start=1):
        b.grad = [number / factor for number in g]
        w.grad = [b.grad]
        gpt.adamw_step(params, m, v, t, 0.1, 0.5, factor)
        assert (w.grad, b.grad) == (None, None)
    assert_close(w.data, [[0.6749148500313766, -1.4635883941045171]])
    assert_close(b.data, [0.306734165013024, 1.7659116057479827])


@exercise("5.7")
def test_a_parameter_without_a_gradient_is_named():
    params = {"frozen": gpt.Tensor([1.0])}
    zeros = gpt.zeros(params)
    with pytest.raises(ValueError, match="no gradient has reached the parameter frozen"):
        gpt.adamw_step(params, zeros, zeros, 1, 0.1, 0.0, 1.0)


@pytest.mark.parametrize("scale, expected", [(1.0, 1 / 6), (0.5, 1 / 3), (0.1, 1.0)])
def test_gradients_are_clipped_all_together(scale, expected):
    p = gpt.Tensor([[0.0]])
    p.grad = [[2 * scale]]
    q = gpt.Tensor([0.0, 0.0])
    q.grad = [4 * scale, -4 * scale]  # the norm is 6 * scale
    assert_close(gpt.clip_factor({"p": p, "q": q}), expected)


def test_the_learning_rate_rises_for_a_twentieth_of_the_steps_and_falls():
    rates = [gpt.rate_at(step, 60, 5.7) for step in range(1, 61)]
    assert_close(rates[:5], [1.425, 2.85, 4.275, 5.7, 5.6])
    assert_close(rates[-1], 0.1)
    assert gpt.rate_at(1, 10, 0.5) == 0.5  # a short training does not warm up


def test_training_goes_as_with_pytorch():
    # model = sine_model()
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
    #     norm = torch.nn.utils.clip_grad_norm_(params, math.inf)
    #     for p in params:
    #         p.grad /= max(1, norm)  # clip_grad_norm_(params, 1) divides by norm + 1e-6
    #     for group in optimizer.param_groups:
    #         group["lr"] = 0.01 * (0.5 if step == 1 else (25 - step) / 23)
    #     optimizer.step()
    #     print(step, loss)
    expected = {
        1: 4.15689313783161,
        2: 3.487256942095619,
        4: 2.51195583759155,
        13: 1.6158624357540254,
        24: 1.5559143808387204,
    }
    documents = [[0, 3, 1, 0], [0, 4, 4, 2, 1, 5, 0], [0, 6, 0], [0, 2, 2, 5, 0]]
    losses = {}
    gpt.train(sine_model(), documents, 24, 3, 0.01, 0.1, losses.__setitem__)
    assert list(losses) == list(range(1, 25))
    for step, loss in expected.items():
        assert_close(losses[step], loss, 1e-9)


# --- What must hold for every network ---

@pytest.mark.parametrize("n_layer, n_embd", [(1, 24), (4, 64)])
def test_a_fresh_network_takes_all_tokens_for_equally_likely(n_layer, n_embd):
    config = {**SIZES, "vocab_size": 27, "n_layer": n_layer, "n_embd": n_embd}
    model = gpt.GPT(gpt.first_params(config, seed=42), config)
    loss = gpt.loss_of(model, [[26, 5, 2, 7, 7, 1, 26]]).data
    assert loss == pytest.approx(math.log(27), abs=0.1)


@pytest.mark.parametrize("name, mean, std", [
    ("wte.weight", 0, 1 / 7),
    ("wpe.weight", 0, 0.02),
    ("h.0.attn.c_proj.weight", 0, 0.02),
    ("h.1.mlp.c_fc.weight", 0, 1 / 7),
    ("h.0.mlp.c_fc.bias", 0, 0),
    ("h.1.ln_2.weight", 1, 0),
    ("ln_f.weight", 0.1, 0),
])
def test_the_first_parameters_have_this_mean_and_standard_deviation(name, mean, std):
    config = {**SIZES, "vocab_size": 50, "n_positions": 50, "n_embd": 49}
    numbers = numbers_in(gpt.first_params(config, seed=1)[name].data)
    assert statistics.mean(numbers) == pytest.approx(mean, abs=0.02)
    assert statistics.pstdev(numbers) == pytest.approx(std, rel=0.06)


@pytest.mark.parametrize("t", range(6))
def test_a_later_token_changes_no_earlier_logit_not_by_one_bit(t):
    model = random_model()
    ids = [6, 5, 2, 3, 1, 0]
    before = model(ids).data
    ids[t] = 4
    after = model(ids).data
    same = [new == old for new, old in zip(after, before)]
    assert same == [i < t for i in range(6)]


def test_a_loss_is_the_mean_over_all_tokens():
    model = random_model()
    first = [6, 3, 1, 6]  # 3 tokens are predicted
    second = [6, 4, 4, 2, 1]  # 4 tokens are predicted
    losses = [gpt.loss_of(model, [ids]).data for ids in (first, second)]
    mean = (3 * losses[0] + 4 * losses[1]) / 7
    assert_close(gpt.loss_of(model, [first, second]).data, mean)
    assert_close(gpt.evaluate(model, [first, second]), mean)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_remembered_keys_and_values_change_nothing(cut):
    model = random_model()
    ids = [6, 3, 1, 4, 4, 2]
    memories = model.new_memories()
    found = model(ids[:cut], memories=memories).data
    for t in range(cut, 6):
        found += model(ids[t:t + 1], start=t, memories=memories).data
    assert_close(found, model(ids).data)


# --- Generation ---

HALVES = [1000, 500, 250, 250]  # how often of 2000 times
TWO = [1333, 667, 0, 0]
ONE = [2000, 0, 0, 0]


@exercise("5.8")
@pytest.mark.parametrize("temperature, top_k, top_p, expected", [
    (1, 9, 1, HALVES),
    (0.5, None, 1, [1455, 364, 91, 91]),  # 16 : 4 : 1 : 1
    (1, 2, 1, TWO),
    (1, None, 0.7, TWO),  # the token that crosses the limit belongs to it
    (1, 3, 0.8, TWO),  # what counts is the share among the 3
    (0.5, None, 0.7, ONE),  # what counts is the share at this temperature
    (0, None, 1, ONE),
])
def test_choose_draws_in_proportion(temperature, top_k, top_p, expected):
    logits = [math.log(p) for p in [2, 1.999999, 8, 4]]
    rng = random.Random(14)
    drawn = [gpt.choose(logits, rng, temperature, top_k, top_p) for _ in range(2000)]
    for token, count in zip([2, 3, 0, 1], expected):
        assert drawn.count(token) == pytest.approx(count, abs=90)
        assert (token in drawn) == (count > 0)


@exercise("5.8")
def test_top_p_stops_as_soon_as_it_is_reached():
    rng = random.Random(0)
    assert {gpt.choose([0.0, 0.0], rng, 1, None, 0.5) for _ in range(50)} == {0}


class Counting:
    """A stand-in for a network: after a token comes the next larger one, for certain."""

    def __init__(self):
        self.boundary = 9
        self.config = {"n_positions": 5}
        self.calls = []

    def new_memories(self):
        return [{}]

    def __call__(self, ids, start, memories):
        self.calls.append((list(ids), start))
        logits = [[0.0] * 10 for _ in ids]
        logits[-1][ids[-1] + 1] = 1000.0
        return gpt.Tensor(logits)


@exercise("5.9")
@pytest.mark.parametrize("ids, most, expected", [
    ([6], 50, [7, 8]),  # then the boundary
    ([8], 50, []),
    ([0], 50, [1, 2, 3, 4, 5]),  # then the context of 5 tokens is full
    ([0, 1, 2, 3, 4], 50, [5]),
    ([0], 2, [1, 2]),
])
def test_generate_stops_where_it_should(ids, most, expected):
    assert list(gpt.generate(Counting(), ids, most, random.Random(0))) == expected


@exercise("5.9")
def test_generate_draws_with_temperature_top_k_and_top_p():
    settings = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpt, "choose", lambda logits, rng, *given: settings.append(given) or 3)
        list(gpt.generate(Counting(), [1], 1, random.Random(0)))
        list(gpt.generate(Counting(), [1], 1, random.Random(0), 0.5, 2, 0.9))
    assert settings == [(1.0, None, 1.0), (0.5, 2, 0.9)]


@exercise("5.9")
def test_generate_lets_only_new_tokens_through_the_network():
    model = Counting()
    list(gpt.generate(model, [1, 2], 3, random.Random(0)))
    assert model.calls == [([1, 2], 0), ([3], 2), ([4], 3)]


# --- Loud errors ---

def test_a_layer_norm_refuses_another_size():
    three = gpt.Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError):
        gpt.layer_norm(gpt.Tensor([[1.0, 2.0]]), three, three)


@pytest.mark.parametrize("ids, lengths", [([7], None), ([0] * 7, None), ([0, 1, 2], [1, 1])])
def test_a_network_refuses_unknown_ids_and_positions_and_wrong_lengths(ids, lengths):
    with pytest.raises(ValueError):
        random_model()(ids, lengths)


# --- Files ---

def test_a_network_is_saved_and_loaded_to_the_last_of_32_bits(tmp_path):
    model = random_model(characters="abcdef")
    gpt.save(tmp_path / "new" / "folder", model)
    loaded = gpt.load(tmp_path / "new" / "folder")
    assert loaded.config == model.config
    assert sorted(tmp_path.rglob("*.part")) == []
    for name, p in model.params.items():
        rounded = array("f", numbers_in(p.data))  # to 32 bits
        assert numbers_in(loaded.params[name].data) == list(rounded)
    ids = [6, 3, 1]
    assert_close(loaded(ids).data, model(ids).data, 1e-5)


def test_save_refuses_a_parameter_that_load_would_not_read(tmp_path):
    model = random_model()
    model.params["h.0.lora.weight"] = gpt.Tensor([[1.0]])
    with pytest.raises(ValueError, match="h.0.lora.weight"):
        gpt.save(tmp_path / "model", model)
    assert not (tmp_path / "model").exists()


def write_as_transformers_does(folder, model):
    """Write a network with a prefix, a mask, other settings, and linear layers turned."""
    config = {**SIZES, "model_type": "gpt2", "n_inner": None, "attn_pdrop": 0.1}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    header = {"transformer.h.0.attn.bias": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    data = b"\1"
    for name, p in model.params.items():
        if ".c_" in name and "weight" in name:
            p = gpt.Tensor(gpt.transpose(p.data))
        begin = len(data)
        data += array("f", numbers_in(p.data)).tobytes()
        offsets = [begin, len(data)]
        header[f"transformer.{name}"] = {"dtype": "F32", "shape": p.shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    length = len(text).to_bytes(8, "little")
    (folder / "model.safetensors").write_bytes(length + text + data)


def test_a_folder_of_transformers_is_loaded(tmp_path):
    model = random_model()
    write_as_transformers_does(tmp_path, model)
    loaded = gpt.load(tmp_path)
    assert_close(loaded([6, 3, 1]).data, model([6, 3, 1]).data, 1e-5)
    gpt.save(tmp_path / "again", loaded)
    assert gpt.load(tmp_path / "again").params.keys() == model.params.keys()


def refusal(*args):
    """Return the one line with which gpt.main refuses its arguments."""
    with pytest.raises(gpt.InputError) as error:
        gpt.main([str(arg) for arg in args])
    line = str(error.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("changes", [
    {"n_head": 3},
    {"n_layer": 3},
    {"n_positions": 5},
    {"characters": 5},
    {"model_type": "llama"},
    {"activation_function": "gelu"},
    {"layer_norm_epsilon": 1e-6},
])
def test_a_folder_with_another_config_is_refused(changes, tmp_path):
    gpt.save(tmp_path, random_model())
    config = {**SIZES, **changes}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "no GPT-2 as it is here" in refusal("--load", tmp_path)


@pytest.mark.parametrize("old, new", [
    (b"F32", b"F16"),
    (b"[7, 4]", b"[4, 7]"),
    (b"[0, ", b"[-4,"),
    (b"112]", b"1e9]"),
    (b"wte", b"wti"),
])
def test_a_file_with_another_header_is_refused(old, new, tmp_path):
    gpt.save(tmp_path, random_model())
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    assert "no GPT-2 as it is here" in refusal("--load", tmp_path)


@pytest.mark.parametrize("name, length", [
    ("config.json", 50),
    ("model.safetensors", 7),
    ("model.safetensors", -1),
])
def test_a_folder_that_was_cut_short_is_refused(name, length, tmp_path):
    gpt.save(tmp_path, random_model())
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:length])
    assert "no GPT-2 as it is here" in refusal("--load", tmp_path)


# --- The script ---

SMALL = ["--steps", "20", "--n-embd", "8", "--eval-docs", "20", "--samples", "3"]
STEPS = ["1", *[str(step) for step in range(2, 21, 2)]]


def output(*args):
    """Return what gpt.py prints. Assert that it succeeds."""
    status, out, error = run("gpt", *args)
    assert (status, error) == (0, "")
    return out


def test_it_trains_evaluates_shows_its_heads_and_writes():
    out = output(*SMALL, "--test")
    training, heads, samples = out.split("\n\n", 2)
    assert re.findall("^step +([0-9]+)  loss 3.[0-9]{4} [|] ", training, re.M) == STEPS
    assert re.findall("^([a-z]+) loss 3.0[0-9]{2}", training, re.M) == ["train", "dev", "test"]
    rows = heads.split("\n")[1:]
    assert rows[0] == "g  █  █  █  █"
    assert [row[0] for row in rows] == list("gwenael·")
    assert samples.count("\n") == 4  # after a title and three names
    assert output(*SMALL, "--test") == out


def pairs(documents):
    """Return all pairs of a token and the token after it, in order."""
    return [pair for ids in documents for pair in zip(ids, ids[1:])]


@pytest.mark.parametrize("n_positions", [1, 2, 3, 5, 20])
def test_windows_predict_every_token_exactly_once(n_positions):
    documents = [[9, 1, 9], [9, 1, 2, 3, 4, 5, 9], [9, 9]]
    windows = gpt.windows(documents, n_positions)
    assert pairs(windows) == pairs(documents)
    assert {len(ids) - 1 for ids in windows} <= set(range(1, n_positions + 1))


def test_long_documents_are_cut_into_windows_and_a_line_says_so(tmp_path):
    path = tmp_path / "data"
    path.write_text("abcdefgh\n" + "abc\n" * 19, encoding="utf-8")
    args = ["--data", path, "--steps", "1", "--samples", "0"]
    line = "1 documents are cut into windows of 8 tokens\n"
    assert output(*args, "--block-size", "8").startswith(line)
    assert output(*args, "--block-size", "9").startswith("step ")


def test_a_saved_network_writes_and_learns_on(tmp_path):
    output(*SMALL, "--save", tmp_path)
    texts = output("--load", tmp_path, "--samples", "2", "--prompt", "ma").split()
    assert [text[:2] for text in texts] == ["ma", "ma"]
    first_line, _ = output("--load", tmp_path, *SMALL).split("\n", 1)
    assert float(first_line.split()[3]) < 3.2  # the loss of a new network is 3.29


def test_ids_are_continued_line_by_line(tmp_path):
    path = tmp_path / "ids"
    path.write_text("5 6 7\n" * 30, encoding="utf-8")
    folder = tmp_path / "model"
    output("--ids", path, *SMALL, "--lr", "0.1", "--save", folder)
    assert gpt.load(folder).config["vocab_size"] == 9  # 0 to 7, and the boundary
    process = start("gpt", "--load", folder, "--ids", "-", "--temperature", "0")
    for prompt in ["5", "", "5 6"]:
        print(prompt, file=process.stdin, flush=True)
        assert process.stdout.readline() == "5 6 7 \n"  # before the next prompt comes
    out, error = process.communicate("9\n", timeout=60)
    assert out == ""
    assert error == "gpt.py: error: '9\\n' has a part that this network does not know\n"
    assert process.returncode == 2


@pytest.mark.parametrize("text", ["9", "-1", "x"])
def test_an_unknown_id_is_refused(text):
    with pytest.raises(gpt.InputError):
        gpt.ids_of(text, {"vocab_size": 9})
