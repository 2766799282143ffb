"""gpt.py: every gradient against finite differences, the network against facts, the script as run."""
import gc
import io
import itertools
import json
import math
import operator
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import unicodedata
import warnings
from array import array
from functools import partial

import pytest

import gpt
import gradcheck
import scripts
from gpt import GPT, Tensor
from scripts import write


def matrix(rng, n, m, spread=1.0):
    return Tensor([[rng.gauss(0, spread) for _ in range(m)] for _ in range(n)])


def vector(rng, n):
    return Tensor([rng.gauss(0, 1) for _ in range(n)])


def weighed(out, seed=7):
    """A scalar that every number in the matrix `out` has a say in, each with its own weight."""
    rng = random.Random(seed)
    weights = [[rng.gauss(0, 1) for _ in row] for row in out.data]
    total = sum(w * x for ws, row in zip(weights, out.data) for w, x in zip(ws, row))
    return Tensor(total, (out,), lambda grad: ([[grad * w for w in ws] for ws in weights],))


def close(a, b, tolerance=1e-12):
    return [len(row) for row in a] == [len(row) for row in b] and all(
        abs(x - y) <= tolerance for p, q in zip(a, b) for x, y in zip(p, q))


# --- gradients: every operation, at several shapes ---

@pytest.mark.parametrize("n, m", [(1, 1), (1, 5), (4, 3), (7, 6)])
def test_gradient_of_add_transpose_and_gelu(n, m):
    rng = random.Random(n * 10 + m)
    a, b = matrix(rng, n, m), matrix(rng, n, m, spread=3)
    gradcheck.check(lambda: weighed(a + b), {"a": a, "b": b})
    gradcheck.check(lambda: weighed(a + a), {"a": a})
    gradcheck.check(lambda: weighed(a.T), {"a": a})
    gradcheck.check(lambda: weighed(gpt.gelu(b)), {"x": b})


@pytest.mark.parametrize("ids", [[0], [2, 2, 2], [4, 0, 3, 0]])
def test_gradient_of_embedding(ids):
    weight = matrix(random.Random(1), 5, 3)
    gradcheck.check(lambda: weighed(gpt.embedding(weight, ids)), {"weight": weight})


@pytest.mark.parametrize("n, n_in, n_out", [(1, 1, 1), (1, 4, 3), (5, 2, 7), (6, 8, 2)])
def test_gradient_of_linear(n, n_in, n_out):
    rng = random.Random(n)
    x, weight, bias = matrix(rng, n, n_in), matrix(rng, n_in, n_out), vector(rng, n_out)
    gradcheck.check(lambda: weighed(gpt.linear(x, weight, bias)),
                    {"x": x, "weight": weight, "bias": bias})
    gradcheck.check(lambda: weighed(gpt.linear(x, weight)), {"x": x, "weight": weight})


@pytest.mark.parametrize("n, m", [(1, 2), (3, 4), (5, 9)])
def test_gradient_of_layer_norm(n, m):
    rng = random.Random(m)
    x, weight, bias = matrix(rng, n, m), vector(rng, m), vector(rng, m)
    gradcheck.check(lambda: weighed(gpt.layer_norm(x, weight, bias)),
                    {"x": x, "weight": weight, "bias": bias})


@pytest.mark.parametrize("lengths", [[1], [4], [2, 1, 3]])
@pytest.mark.parametrize("n_head, n_embd", [(1, 3), (2, 4), (3, 3)])
def test_gradient_of_attention(lengths, n_head, n_embd):
    qkv = matrix(random.Random(n_embd), sum(lengths), 3 * n_embd)
    gradcheck.check(lambda: weighed(gpt.attention(qkv, n_head, lengths)), {"qkv": qkv})


@pytest.mark.parametrize("n, vocab_size", [(1, 2), (3, 5), (6, 4)])
def test_gradient_of_cross_entropy(n, vocab_size):
    rng = random.Random(n)
    logits = matrix(rng, n, vocab_size, spread=2)
    targets = [rng.randrange(vocab_size) for _ in range(n)]
    gradcheck.check(lambda: gpt.cross_entropy(logits, targets), {"logits": logits})

    def tripled():  # as part of something larger, the loss has a gradient other than 1
        loss = gpt.cross_entropy(logits, targets)
        return Tensor(3 * loss.data, (loss,), lambda grad: (3 * grad,))

    gradcheck.check(tripled, {"logits": logits})


def tiny(seed=3, **sizes):
    """A model small enough to nudge each weight, its biases and gains not at 0 and 1."""
    model = GPT(**{"vocab_size": 5, "block_size": 4, "n_layer": 2, "n_head": 2, "n_embd": 4,
                   "seed": seed, **sizes})
    rng = random.Random(seed)
    for p in model.parameters():
        for row in gpt.as_rows(p.data):
            row[:] = [w + rng.gauss(0, 0.3) for w in row]
    return model


def test_gradient_of_every_parameter_of_a_model_of_two_layers():
    model = tiny()
    ids, targets, lengths = [0, 3, 1, 0, 4, 4, 2], [3, 1, 0, 4, 4, 2, 0], [3, 4]
    count = gradcheck.check(lambda: gpt.cross_entropy(model(ids, lengths), targets),
                            model.state_dict())
    # token and position embeddings; per block 12 n^2 weights, 9 n biases, 2 norms; the last norm
    assert count == 5 * 4 + 4 * 4 + 2 * (12 * 16 + 9 * 4 + 4 * 4) + 2 * 4


def test_gradcheck_sees_a_wrong_gradient():
    a = Tensor([[1.0, 2.0]])
    wrong = lambda: weighed(Tensor(a.data, (a,), lambda grad: ([[g * 1.00001 for g in grad[0]]],)))
    with pytest.raises(AssertionError, match=r"gradient of a\[0, 0\]: expected -0\.\d+, by nudging, "
                                              r"found -0\.\d+, where a\[0, 0\] is 1\.0; "):
        gradcheck.check(wrong, {"a": a})


# --- the tensor ---

def test_backward_adds_to_grad_and_shared_tensors_are_sent_all_of_theirs():
    a = Tensor(3.0)
    b = a + a
    c = b + a + b  # 5 a
    c.backward()
    assert (a.grad, b.grad, c.grad) == (5.0, 2.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (10.0, 4.0, 2.0)


def test_backward_starts_from_a_scalar_only():
    with pytest.raises(ValueError, match=r"from a scalar, not from shape \(1, 2\)"):
        Tensor([[1.0, 2.0]]).backward()


def test_shapes():
    assert Tensor(1.0).shape == ()
    assert Tensor([1.0, 2.0]).shape == (2,)
    assert Tensor([[1.0, 2.0, 3.0]]).T.shape == (3, 1)
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(2, 1\)"):
        Tensor([[1.0, 2.0]]) + Tensor([[1.0], [2.0]])


def test_a_chain_of_100_000_operations():
    x, one = Tensor(0.0), Tensor(1.0)
    y = x
    for _ in range(100_000):
        y = y + one
    y.backward()
    assert (y.data, x.grad, one.grad) == (100_000.0, 1.0, 100_000.0)
    del y  # taking the graph down must not recurse either


def test_a_graph_is_freed_as_it_is_dropped_and_training_does_not_grow():
    model, examples = tiny(), [[0, 1, 2, 0], [0, 3, 0]]
    steps = gpt.train(model, examples, 40, 2, 0.01, 0.01)
    for _ in range(10):
        next(steps)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for _ in range(20):
            next(steps)
        assert sys.getallocatedblocks() - before < 500  # a step's graph has thousands
        assert gc.collect() == 0  # no reference cycle was left behind
    finally:
        gc.enable()


# --- the layers ---

@pytest.mark.parametrize("n, m, k", [(1, 1, 1), (2, 5, 3), (7, 4, 30)])
def test_inner_is_every_dot_product(n, m, k):
    rng = random.Random(k)
    a, b = matrix(rng, n, k, 10).data, matrix(rng, m, k, 0.1).data
    plain = [[math.fsum(x * y for x, y in zip(p, q)) for q in b] for p in a]
    assert close(gpt.inner(a, b), plain, 1e-11)  # 1e-15 of |p|^2 + |q|^2, at most some 10^4
    # the digits stay right however unlike the two sides are in size
    for scale in (1e-100, 1e-17, 1e9):
        scaled = gpt.inner(a, [[scale * x for x in q] for q in b])
        assert close([[x / scale for x in row] for row in scaled], plain, 1e-12)
    assert gpt.inner([[0.0, 0.0]], [[1.0, 2.0]]) == gpt.inner([[1.0, 2.0]], [[0.0, 0.0]]) == [[0.0]]
    assert math.isnan(gpt.inner([[1.0, 1.0]], [[math.nan, 1.0]])[0][0])
    with pytest.raises(ValueError):
        gpt.inner([[1.0, 2.0]], [[1.0]])


def test_shapes_that_do_not_fit_are_refused():
    x, weight, bias = Tensor([[1.0, 2.0]] * 3), Tensor([[1.0] * 4] * 2), Tensor([1.0] * 4)
    assert gpt.linear(x, weight, bias).shape == (3, 4)
    for args in ((weight, weight), (x, weight, Tensor([1.0] * 3))):
        with pytest.raises(ValueError, match=r"linear: the shapes \[\(\d, \d\).* do not fit"):
            gpt.linear(*args)
    two, three = Tensor([1.0] * 2), Tensor([1.0] * 3)
    assert gpt.layer_norm(x, two, two).shape == (3, 2)
    for args in ((x, three, three), (x, two, three)):
        with pytest.raises(ValueError, match=r"layer_norm: rows of \(2,\) numbers.* do not fit"):
            gpt.layer_norm(*args)
    qkv = Tensor([[1.0] * 12] * 5)
    assert gpt.attention(qkv, 2, [2, 3]).shape == (5, 4)
    for args in ((qkv, 3, [5]), (qkv, 2, [2, 2])):
        with pytest.raises(ValueError, match=r"attention: \d heads.* do not fit into shape \(5, 12\)"):
            gpt.attention(*args)


def test_softmax():
    rng = random.Random(5)
    for _ in range(20):
        row = [rng.gauss(0, 5) for _ in range(9)]
        probs = gpt.softmax(row)
        assert abs(sum(probs) - 1) < 1e-12 and min(probs) > 0
        assert close([probs], [gpt.softmax([v + 100 for v in row])])
    assert gpt.softmax([0.0, math.log(3)]) == pytest.approx([0.25, 0.75])
    assert gpt.softmax([-1e6, 1e6]) == [0.0, 1.0]


def test_layer_norm_gives_mean_0_and_variance_1():
    rng = random.Random(2)
    x = matrix(rng, 6, 50, spread=100)
    out = gpt.layer_norm(x, Tensor([1.0] * 50), Tensor([0.0] * 50))
    for row in out.data:
        assert abs(sum(row) / 50) < 1e-12
        assert abs(sum(v * v for v in row) / 50 - 1) < 1e-6
    shifted = gpt.layer_norm(x, Tensor([2.0] * 50), Tensor([3.0] * 50))
    assert close(shifted.data, [[2 * v + 3 for v in row] for row in out.data])
    flat = gpt.layer_norm(Tensor([[5.0] * 50]), Tensor([1.0] * 50), Tensor([0.0] * 50))
    assert flat.data == [[0.0] * 50]


def test_gelu_is_close_to_its_definition_with_the_normal_distribution():
    points = [v / 10 for v in range(-60, 61)]
    for v, out in zip(points, gpt.gelu(Tensor([points])).data[0]):
        assert abs(out - v * 0.5 * (1 + math.erf(v / math.sqrt(2)))) < 5e-4
    # the tanh formula itself, as torch.nn.functional.gelu(approximate="tanh") has it
    assert gpt.gelu(Tensor([[1.0, -1.0, 3.0]])).data[0] == pytest.approx(
        [0.8411919906082768, -0.15880800939172324, 2.996362607918227], abs=1e-14)


def test_attention_worked_by_hand():
    # One head of one channel. q = 1 everywhere, so position 1 weighs keys 0 and log 3 as 1 : 3.
    qkv = Tensor([[1.0, 0.0, 10.0], [1.0, math.log(3), 20.0]])
    maps = []
    out = gpt.attention(qkv, 1, [2], maps)
    assert close(out.data, [[10.0], [0.25 * 10 + 0.75 * 20]], 1e-9)
    assert close(maps[0], [[1.0, 0.0], [0.25, 0.75]])
    # Four channels a head: scores are halved (divided by the root of 4) before the softmax.
    q, k = [1.0, 1.0, 0.0, 0.0], [math.log(3), math.log(3), 0.0, 0.0]
    maps = []
    gpt.attention(Tensor([q + [0.0] * 8, q + k + [0.0] * 4]), 1, [2], maps)
    assert close(maps[0], [[1.0, 0.0], [0.25, 0.75]])


def test_attention_rows_sum_to_1_and_see_nothing_later():
    maps = []
    gpt.attention(matrix(random.Random(1), 9, 12), 2, [4, 5], maps)
    assert [len(weights) for weights in maps] == [4, 4, 5, 5]  # two heads of each document
    for weights in maps:
        for t, row in enumerate(weights):
            assert abs(sum(row) - 1) < 1e-12
            assert min(row[:t + 1]) > 0 and not any(row[t + 1:])


def test_cross_entropy():
    assert gpt.cross_entropy(Tensor([[0.0] * 27] * 3), [0, 5, 26]).data == pytest.approx(math.log(27))
    assert gpt.cross_entropy(Tensor([[math.log(3), 0.0]]), [1]).data == pytest.approx(math.log(4))
    # far beyond where exp overflows or vanishes
    assert gpt.cross_entropy(Tensor([[0.0, 1e4]]), [0]).data == 1e4
    assert gpt.cross_entropy(Tensor([[0.0, 1e4]]), [1]).data == 0.0
    for targets in ([0, 1], [2], [-1]):
        with pytest.raises(ValueError, match="do not fit logits"):
            gpt.cross_entropy(Tensor([[0.0, 0.0]]), targets)


# --- the network ---

def test_the_network_is_gpt2():
    """Logits, loss and gradients that Hugging Face transformers gave for the same weights.

    GPT2LMHeadModel in float64; the k-th parameter by name holds 0.5 sin(3 k + i) at its i-th place,
    with 1 added to a layer norm's weights.
    """
    model = GPT(vocab_size=7, block_size=6, n_layer=2, n_head=2, n_embd=8, seed=0)
    params = model.state_dict()
    for k, name in enumerate(sorted(params)):
        values = (0.5 * math.sin(3 * k + i) + (".ln_" in "." + name and name.endswith("weight"))
                  for i in itertools.count())
        for row in gpt.as_rows(params[name].data):
            row[:] = [next(values) for _ in row]
    ids = [0, 3, 5, 1, 6, 2]
    logits = model(ids).data
    assert logits[0] == pytest.approx([
        -0.17492170452709357, -3.166435567238857, 1.0963546686991936, 2.8473962845149288,
        -1.9249471800260791, -2.2872365249677493, 2.5905331634482853], abs=1e-12)
    assert logits[5] == pytest.approx([
        -3.3804579459613127, -0.19601566545358126, 3.4374985178623403, -0.8042966356784776,
        -3.2034481424955956, 1.7365002617529761, 2.6981264489081465], abs=1e-12)
    loss = gpt.cross_entropy(model(ids[:-1]), ids[1:])
    assert loss.data == pytest.approx(4.294286940997911, abs=1e-12)
    loss.backward()
    for name, length, second in (
            ("wte.weight", 6.42552519249423, -0.08884965279335048),
            ("wpe.weight", 6.351982640970779, -0.16577795567299639),
            ("h.0.attn.c_attn.weight", 16.519967087365714, 0.05676685116326975),
            ("h.1.mlp.c_proj.weight", 2.0157543892102767, 0.05173230885966191),
            ("h.0.ln_1.weight", 0.33821726419243137, 0.12339608695832271),
            ("ln_f.bias", 0.7389581330008319, -0.08687720500484275)):
        grads = gpt.as_rows(params[name].grad)
        assert math.hypot(*(g for row in grads for g in row)) == pytest.approx(length, abs=1e-11)
        assert grads[0][1] == pytest.approx(second, abs=1e-12)


def test_names_and_shapes_are_gpt2s():
    shapes = {name: p.shape for name, p in GPT(11, 9, 2, 2, 6, 0).state_dict().items()}
    expected = {"wte.weight": (11, 6), "wpe.weight": (9, 6), "ln_f.weight": (6,), "ln_f.bias": (6,)}
    for i in (0, 1):
        expected.update({
            f"h.{i}.ln_1.weight": (6,), f"h.{i}.ln_1.bias": (6,),
            f"h.{i}.attn.c_attn.weight": (6, 18), f"h.{i}.attn.c_attn.bias": (18,),
            f"h.{i}.attn.c_proj.weight": (6, 6), f"h.{i}.attn.c_proj.bias": (6,),
            f"h.{i}.ln_2.weight": (6,), f"h.{i}.ln_2.bias": (6,),
            f"h.{i}.mlp.c_fc.weight": (6, 24), f"h.{i}.mlp.c_fc.bias": (24,),
            f"h.{i}.mlp.c_proj.weight": (24, 6), f"h.{i}.mlp.c_proj.bias": (6,)})
    assert shapes == expected


def test_initial_weights():
    params = GPT(50, 50, 2, 4, 48, 1).state_dict()

    def spread(name):
        numbers = [w for row in params[name].data for w in row]
        return math.sqrt(sum(w * w for w in numbers) / len(numbers))

    assert spread("wte.weight") == pytest.approx(1 / math.sqrt(48), rel=0.05)
    assert spread("wpe.weight") == pytest.approx(1 / math.sqrt(48), rel=0.05)
    assert spread("h.0.attn.c_attn.weight") == pytest.approx(0.08, rel=0.05)  # 0.02 * sqrt(16)
    assert spread("h.1.mlp.c_fc.weight") == pytest.approx(0.08, rel=0.05)
    for name in ("h.0.attn.c_proj.weight", "h.1.mlp.c_proj.weight"):
        assert spread(name) == pytest.approx(0.04, rel=0.05)  # by the root of 2 * 2 layers
    assert set(params["h.0.ln_1.weight"].data) == set(params["ln_f.weight"].data) == {1.0}
    assert all(set(p.data) == {0.0} for name, p in params.items() if name.endswith("bias"))
    same, other = GPT(50, 50, 2, 4, 48, 1), GPT(50, 50, 2, 4, 48, 2)
    assert same.params["wte.weight"].data == params["wte.weight"].data
    assert other.params["wte.weight"].data != params["wte.weight"].data


def test_a_changed_token_changes_no_earlier_logit():
    model = tiny(vocab_size=9, block_size=8)
    ids = [0, 5, 2, 7, 1, 3]
    before = model(ids).data
    for t in range(len(ids)):
        changed = ids[:t] + [8] + ids[t + 1:]
        after = model(changed).data
        assert after[:t] == before[:t]
        assert all(after[i] != before[i] for i in range(t, len(ids)))


def test_a_batch_is_its_documents_taken_one_by_one():
    model, examples = tiny(), [[0, 3, 1, 0], [0, 4, 4, 2, 1], [0, 0]]
    gpt.loss_of(model, examples).backward()
    together = {name: p.grad for name, p in model.state_dict().items()}
    loss, tokens = 0.0, sum(len(ids) - 1 for ids in examples)
    for p in model.parameters():
        p.grad = None
    for ids in examples:
        alone = gpt.loss_of(model, [ids])
        share = (len(ids) - 1) / tokens
        Tensor(share * alone.data, (alone,), lambda grad: (grad * share,)).backward()
        loss += share * alone.data
    assert gpt.loss_of(model, examples).data == pytest.approx(loss, abs=1e-12)
    assert gpt.evaluate(model, examples, batch_size=2) == pytest.approx(loss, abs=1e-12)
    for name, p in model.state_dict().items():
        assert close(gpt.as_rows(p.grad), gpt.as_rows(together[name])), name


@pytest.mark.parametrize("sizes, message", [
    (dict(n_head=3), "n_embd 4 is not divisible by n_head 3"), (dict(n_layer=0), "at least 1"),
    (dict(vocab_size=0), "at least 1"), (dict(block_size=-1), "at least 1")])
def test_a_model_refuses_sizes(sizes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**sizes)


@pytest.mark.parametrize("ids, lengths, message", [
    ([5], None, "ids run from 5 to 5; the model knows 0 to 4"), ([-1, 2], None, "from -1 to 2"),
    ([], None, "0 ids"), ([0] * 5, None, "from 1 to block_size 4"),
    ([0, 1, 2], [1, 1], r"3 ids in documents of \[1, 1\]"), ([0, 1], [2, 0], "from 1 to")])
def test_a_model_refuses_ids(ids, lengths, message):
    with pytest.raises(ValueError, match=message):
        tiny()(ids, lengths)


# --- generation ---

@pytest.mark.filterwarnings("ignore:past")
def test_generate_greedy_top_k_and_temperature():
    model = tiny()
    with pytest.warns(UserWarning, match="^past 4 tokens the network looks at the last 4, and reads "
                                         "them anew for each$"):
        greedy = model.generate([0], 8, temperature=0)
    ids = [0]
    for _ in range(8):  # past block_size 4, the model looks at the last 4
        logits = model(ids[-4:]).data[-1]
        ids.append(logits.index(max(logits)))
    assert greedy == ids
    assert model.generate([0], 8, 1.0, top_k=1, rng=random.Random(1)) == greedy
    assert model.generate([0], 8, 1e-320, rng=random.Random(1)) == greedy
    stop = greedy[3]
    assert model.generate([0], 8, 0, stop=stop) == greedy[:greedy.index(stop, 1)]
    assert model.generate([0, 1], 0) == [0, 1]
    first, again = (model.generate([0], 8, rng=random.Random(5)) for _ in range(2))
    assert first == again != model.generate([0], 8, rng=random.Random(6))


def reader(model):
    return gpt.Decoder(model.params_by_column(), model.n_head, model.block_size)


@pytest.mark.parametrize("sizes", [(5, 6, 1, 1, 2), (9, 8, 2, 2, 6), (7, 5, 3, 4, 16)])
def test_the_memory_changes_nothing(sizes):
    model, rng = GPT(*sizes, seed=3), random.Random(1)
    for p in model.parameters():  # biases and layer norms that are not 0 and 1
        for row in gpt.as_rows(p.data):
            row[:] = [w + rng.gauss(0, 0.3) for w in row]
    decoder = reader(model)
    for _ in range(3):
        ids = [rng.randrange(sizes[0]) for _ in range(sizes[1])]
        decoder.forget()
        alone = [decoder.logits([i]) for i in ids]
        assert close(alone, model(ids).data, 1e-9)
        decoder.forget()
        assert decoder.logits(ids[:2]) == alone[1] and decoder.logits(ids[2:5]) == alone[4]
        assert decoder.length == 5


def test_a_token_costs_one_row(monkeypatch):
    model, read, seen = tiny(block_size=8), gpt.Decoder.read, []
    monkeypatch.setattr(gpt.Decoder, "read", lambda self, token: seen.append(token) or read(self, token))
    ids = model.generate([0, 1, 2], 5, temperature=0)
    assert seen == ids[:-1] and len(ids) == 8
    seen.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        longer = model.generate([0, 1, 2], 8, temperature=0)
    assert seen == longer[:8] + longer[1:9] + longer[2:10]  # past block_size, the whole window


@pytest.mark.filterwarnings("ignore:past 4 tokens")
def test_past_the_context_only_the_last_tokens_matter():
    model = tiny()
    assert model.generate([3, 1, 2, 0, 1, 4], 3, 0)[6:] == model.generate([2, 0, 1, 4], 3, 0)[4:]
    assert list(reader(model).generate([0], 0)) == []


def test_it_is_said_once_that_it_slides():
    model = tiny()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            model.generate([0, 1], 3)
        assert not caught
        for _ in range(3):
            model.generate([0, 1], 6)
    assert len(caught) == 1


def test_a_decoder_refuses_ids():
    decoder = reader(tiny())
    for ids in ([5], [-1], [0, 5], []):
        with pytest.raises(ValueError, match=re.escape(f"ids {ids}: there must be some, from 0 to 4")):
            decoder.logits(ids)
    decoder.logits([0, 1, 2])
    with pytest.raises(ValueError, match="^5 ids are more than block_size 4$"):
        decoder.logits([0, 1])


def test_top_p_takes_the_likeliest_that_it_needs():
    logits, rng = [math.log(p) for p in (0.1, 0.5, 0.15, 0.25)], random.Random(2)
    for top_k, top_p, allowed in ((None, 1.0, {0, 1, 2, 3}), (None, 0.9, {1, 2, 3}), (None, 0.76, {1, 2, 3}),
                                  (None, 0.74, {1, 3}), (None, 0.5, {1}), (None, 1e-9, {1}),
                                  (3, 1.0, {1, 2, 3}), (2, 0.6, {1}), (2, 0.7, {1, 3}), (1, 1.0, {1}),
                                  (None, 7.0, {0, 1, 2, 3})):
        drawn = [gpt.choose(logits, 1.0, top_k, top_p, rng) for _ in range(600)]
        assert set(drawn) == allowed
    counts = [drawn.count(i) / 600 for i in range(4)]
    assert counts == pytest.approx([0.1, 0.5, 0.15, 0.25], abs=0.07)
    assert gpt.choose(logits, 0, None, 1.0, None) == 1
    hot = [gpt.choose(logits, 4.0, None, 0.6, rng) for _ in range(300)]  # the temperature comes first
    assert set(hot) == {1, 2, 3}
    assert tiny().generate([0], 3, 1.0, top_p=1e-9) == tiny().generate([0], 3, 0)


def test_generate_draws_in_proportion_to_the_probabilities():
    model, rng = tiny(), random.Random(1)
    logits = model([0]).data[0]
    for temperature, top_k in ((1.0, None), (0.5, None), (2.0, 3)):
        kept = sorted(logits, reverse=True)[:top_k]
        probs = [p if logit in kept else 0.0 for logit, p in
                 zip(logits, gpt.softmax([logit / temperature for logit in logits]))]
        counts = [0] * 5
        for _ in range(1500):
            counts[model.generate([0], 1, temperature, top_k, rng)[1]] += 1
        for count, p in zip(counts, probs):
            assert abs(count / 1500 - p / sum(probs)) < 0.05  # near four standard deviations


@pytest.mark.parametrize("temperature, top_k", [(-1.0, None), (math.nan, None), (1.0, 0)])
def test_generate_refuses(temperature, top_k):
    with pytest.raises(ValueError, match="temperature|top_k"):
        tiny().generate([0], 1, temperature, top_k)


# --- training ---

def test_adamw_agrees_with_pytorch():
    """torch.optim.AdamW, betas (0.8, 0.99): a matrix with weight decay 0.1, a bias without."""
    w, b = Tensor([[1.0, -2.0]]), Tensor([0.5])
    optimizer = gpt.AdamW([w, b], betas=(0.8, 0.99), weight_decay=0.1)
    for gw, gb, expected_w, expected_b in (
            ([0.3, -4.0], 2.0, [0.8900000033333332, -1.88000000025], 0.4000000005),
            ([-0.1, 1.0], 0.0, [0.8462465975607062, -1.8191848743874477], 0.33698754268250275),
            ([0.2, 0.0], -1.0, [0.7784862343533736, -1.7705477623202173], 0.3280718819769982)):
        w.grad, b.grad = [gw], [gb]
        optimizer.step(0.1)
        assert w.data[0] == pytest.approx(expected_w, abs=1e-12)
        assert b.data == pytest.approx([expected_b], abs=1e-12)
        assert w.grad is None and b.grad is None


def test_adamw_by_hand():
    # The first step has the size of lr whatever the gradient's, after the decay of 0.1 * 0.1.
    w = Tensor([[1.0, 1.0]])
    w.grad = [[1e-3, -1e3]]
    gpt.AdamW([w], eps=0.0, weight_decay=0.1).step(0.1)
    assert w.data[0] == pytest.approx([0.99 - 0.1, 0.99 + 0.1])


def test_clipping():
    w, b = Tensor([[1.0, 1.0]]), Tensor([1.0])
    w.grad, b.grad = [[3.0, 0.0]], [-4.0]
    assert gpt.clip_grad_norm_([w, b], 10.0) == 5.0
    assert (w.grad, b.grad) == ([[3.0, 0.0]], [-4.0])
    assert gpt.clip_grad_norm_([w, b], 1.0) == 5.0
    assert w.grad == [pytest.approx([0.6, 0.0])] and b.grad == pytest.approx([-0.8])
    shared = [[3.0, 4.0]]  # as the two sides of a sum share their gradient
    w, v = Tensor([[1.0, 1.0]]), Tensor([[1.0, 1.0]])
    w.grad = v.grad = shared
    gpt.clip_grad_norm_([w, v], math.sqrt(50) / 2)
    assert w.grad == v.grad == [pytest.approx([1.5, 2.0])]


def test_learning_rate():
    rates = [gpt.learning_rate(step, 10, 0.4, warmup=3) for step in range(10)]
    assert rates[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert rates[3:] == pytest.approx([0.4 * (10 - s) / 7 for s in range(3, 10)])
    assert gpt.learning_rate(0, 1, 0.4, warmup=0) == 0.4


def test_one_repeated_document_is_learned_to_near_zero():
    model = GPT(6, 5, 1, 2, 8, seed=1)
    example = [0, 3, 1, 3, 5, 0]  # a 3 comes twice, and only what stood before tells what follows
    losses = list(gpt.train(model, [example], 300, 1, 0.03, 0.0))
    assert losses[0] > 1.5 and losses[-1] < 0.001
    assert model.generate([0], 5, temperature=0) == example


def test_training_takes_the_examples_in_turn():
    seen = []

    class Spy(GPT):
        def __call__(self, ids, lengths=None, maps=None):
            seen.append(lengths)
            return super().__call__(ids, lengths, maps)

    examples = [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
    list(gpt.train(Spy(5, 4, 1, 1, 4, 0), examples, 3, 2, 0.01, 0.0))
    assert seen == [[1, 2], [3, 1], [2, 3]]


def test_a_loss_that_is_no_number_stops_training():
    model = tiny()
    diverged = tiny()  # yet still made of numbers: then the loss says how bad it is
    list(gpt.train(diverged, [[0, 1, 2, 0]], 5, 1, 1e6, 0.0))
    assert gpt.evaluate(diverged, [[0, 1, 2, 0]]) > 1e6
    assert gpt.draw_surprise(diverged, gpt.CharTokenizer("abcd"), [0, 1, 2, 0])
    with pytest.raises(FloatingPointError, match="the loss turned into NaN.* try a smaller --lr"):
        list(gpt.train(model, [[0, 1, 2, 0]], 5, 1, 1e300, 0.0))
    for use in (lambda: model.generate([0], 3), lambda: gpt.evaluate(model, [[0, 1]])):
        with pytest.raises(FloatingPointError):
            use()


# --- data ---

def test_documents(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffab\r\n\r\n  ba \r\nabcab\n" + "c\n" * 17)
    tokenizer, splits = gpt.load(path, 4, seed=1)
    assert tokenizer.chars == ["a", "b", "c"] and tokenizer.n_vocab == 4
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [16, 2, 2]
    everything = sorted(splits["train"] + splits["dev"] + splits["test"])
    # the longest is cut to four inputs and their targets; its end is not among them
    assert everything == [[0, 1, 2, 0], [0, 1, 2, 3, 1], [0, 2, 1, 0]] + [[0, 3, 0]] * 17
    assert gpt.load(path, 4, seed=1)[1] == splits != gpt.load(path, 4, seed=2)[1]


def test_splits_share_nothing_and_lose_nothing():
    for n in (3, 9, 10, 25, 1000):
        train, dev, test = gpt.split(list(range(n)))
        assert sorted(train + dev + test) == list(range(n))
        assert len(dev) == len(test) == max(1, n // 10)


def test_a_stream_is_cut_into_windows(tmp_path):
    text = "".join(chr(97 + i % 26) for i in range(100))
    tokenizer, splits = gpt.load(write(tmp_path / "a.txt", text), 4, 0, stream=True)
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [19, 2, 2]
    assert [tokenizer.decode(ids) for ids in splits["dev"]] == ["abcde", "efghi"]
    assert [tokenizer.decode(ids) for ids in splits["test"]] == ["klmno", "opqrs"]
    train = [tokenizer.decode(ids) for ids in splits["train"]]
    in_order = [text[i:i + 5] for i in range(20, 96, 4)]
    assert sorted(train) == sorted(in_order) and train != in_order  # these are shuffled
    assert all(len(ids) == 5 for part in splits.values() for ids in part)


def test_tokenizer():
    tokenizer = gpt.CharTokenizer("hello wörld")
    ids = tokenizer.encode("dröl")
    assert tokenizer.decode([0, *ids, 0]) == "dröl" and 0 not in ids
    with pytest.raises(ValueError, match="'x' never occurs in the data"):
        tokenizer.encode("hex")


# --- checkpoints ---

SIZES = dict(vocab_size=5, n_positions=4, n_embd=4, n_layer=2, n_head=2)
CONFIG = {"model_type": "gpt2", "activation_function": "gelu_new", "eos_token_id": 0, **SIZES}


def hugging_face(folder, dtype="F32", prefix="", config=CONFIG, change=None, extra=(), seed=1):
    """A tiny GPT-2, its file written byte by byte: the folder and the weights, as floats."""
    rng, header, data, weights = random.Random(seed), {}, b"", {}
    tensors = [(prefix + name, shape) for name, shape in gpt.shapes_of(5, 4, 2, 4).items()]
    for name, shape in [*tensors, *extra]:
        n = math.prod(shape)
        numbers = [rng.choice([-1, 1]) * rng.randrange(128, 256) / 128 * 2.0 ** rng.randrange(-4, 1)
                   for _ in range(n)]  # exact in all types
        if name == "lm_head.weight":
            numbers = weights[prefix + "wte.weight"]
        weights[name] = numbers
        part = {"F32": lambda: struct.pack(f"<{n}f", *numbers), "F64": lambda: struct.pack(f"<{n}d", *numbers),
                "F16": lambda: struct.pack(f"<{n}e", *numbers), "U8": lambda: bytes(n),
                "BF16": lambda: b"".join(struct.pack("<f", x)[2:] for x in numbers)}[
                    "U8" if name.endswith("masked_bias") else dtype]()
        header[name] = {"dtype": "U8" if name.endswith("masked_bias") else dtype, "shape": list(shape),
                        "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    if change:
        header, data = change(header, data) or (header, data)
    os.makedirs(folder, exist_ok=True)
    write(folder / "config.json", json.dumps(config) if isinstance(config, dict) else config)
    text = json.dumps(header).encode()
    write(folder / "model.safetensors", struct.pack("<Q", len(text)) + text + data)
    return str(folder), {name.removeprefix(prefix): numbers for name, numbers in weights.items()}


def with_weights(weights):
    model = GPT(5, 4, 2, 2, 4, 0)
    for name, p in model.params.items():
        numbers = iter(weights[name])
        for row in gpt.as_rows(p.data):
            row[:] = [next(numbers) for _ in row]
    return model


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("extra", [(), (("lm_head.weight", (5, 4)), ("h.0.attn.bias", (1, 1, 4, 4)),
                                        ("transformer.h.1.attn.masked_bias", ()))])
def test_a_folder_as_hugging_face_has_it(dtype, prefix, extra, tmp_path):
    folder, weights = hugging_face(tmp_path / "gpt2", dtype, prefix, extra=extra)
    decoder, config = gpt.load_decoder(folder)
    assert config["n_embd"] == 4 and decoder.block_size == 4 and decoder.n_head == 2
    model, ids = with_weights(weights), [3, 1, 4, 0]
    assert close([decoder.logits([i]) for i in ids], model(ids).data, 1e-12)
    again = gpt.trainable(decoder)
    assert {name: p.data for name, p in again.params.items()} == {
        name: p.data for name, p in model.params.items()}
    assert (again.n_head, again.n_layer, again.block_size) == (2, 2, 4)
    for name in ("h.0.mlp.c_fc.weight", "wte.weight"):  # numbers, not objects
        assert all(type(row) is array for row in decoder.params[name])


def test_numbers_of_16_bits():
    # IEEE 754: 1, -2.5, the largest, the smallest normal and subnormal; bfloat16 is half of a float32
    assert list(gpt.as_array(bytes.fromhex("003c00c1ff7b00040100"), "F16")) == [
        1.0, -2.5, 65504.0, 2 ** -14, 2 ** -24]
    assert list(gpt.as_array(bytes.fromhex("803f20c0803b7f7f"), "BF16")) == [
        1.0, -2.5, 2 ** -8, 255 * 2.0 ** 120]
    assert list(gpt.as_array(struct.pack("<2f", 1.5, -0.25), "F32")) == [1.5, -0.25]
    assert list(gpt.as_array(struct.pack("<2d", 1.1, -0.25), "F64")) == [1.1, -0.25]


def test_the_numbers_begin_at_a_multiple_of_8():
    for n in range(9):
        data = gpt.as_safetensors({"x" * (n + 1): ((1,), array("f", [1.0]))}, {})
        assert struct.unpack("<Q", data[:8])[0] % 8 == 0 and data[-4:] == struct.pack("<f", 1.0)


def test_bytes_are_little_endian_on_any_machine(monkeypatch):
    numbers = array("f", [1.0, 2.0])
    monkeypatch.setattr(gpt.sys, "byteorder", "big")
    swapped = gpt.little_endian(numbers)
    assert numbers.tolist() == [1.0, 2.0] and swapped.tobytes() == numbers.tobytes()[3::-1] + (
        numbers.tobytes()[:3:-1])


def test_that_it_slides_is_said_in_one_line(saved):
    done = run("--load", saved, "--prompt", "m" * 15, "--max-new-tokens", "9", "--samples", "9",
               "--temperature", "9")
    assert done.stderr == ("gpt.py: past 16 tokens the network looks at the last 16, and reads them "
                           "anew for each\n")


def test_what_is_saved(tmp_path):
    model = GPT(5, 4, 2, 2, 4, seed=7)
    config = gpt.config_of(model, 0, "abcd")
    folder = str(tmp_path / "a" / "model")
    gpt.make_folder(folder, config)
    gpt.make_folder(folder, config)
    gpt.save(folder, model)
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    assert length % 8 == 0 and header.pop("__metadata__") == {"format": "pt"}
    at = 0
    for name, p in model.params.items():
        n = math.prod(p.shape)
        assert header.pop(name) == {"dtype": "F32", "shape": list(p.shape), "data_offsets": [at, at + 4 * n]}
        numbers = [w for row in gpt.as_rows(p.data) for w in row]
        assert data[8 + length + at:][:4 * n] == struct.pack(f"<{n}f", *numbers)
        at += 4 * n
    assert not header and len(data) == 8 + length + at
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        found = json.load(file)
    assert found == config and found["architectures"] == ["GPT2LMHeadModel"]
    assert {name: found[name] for name in ("model_type", "vocab_size", "n_positions", "n_ctx", "n_embd",
                                           "n_layer", "n_head", "n_inner", "activation_function",
                                           "layer_norm_epsilon", "boundary", "tie_word_embeddings", "bos_token_id",
                                           "eos_token_id", "characters", "attn_pdrop",
                                           "embd_pdrop", "resid_pdrop")} == {
        **SIZES, "model_type": "gpt2", "n_ctx": 4, "n_inner": None, "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0,
        "boundary": 0, "characters": "abcd", "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    decoder, _ = gpt.load_decoder(folder)
    assert close([decoder.logits([i]) for i in (0, 3, 1)], model([0, 3, 1]).data, 1e-6)
    with pytest.raises(ValueError, match="holds another model; name another folder, or remove it"):
        gpt.make_folder(folder, gpt.config_of(model, 0, "abce"))
    gpt.make_folder(folder, config)
    os.remove(os.path.join(folder, "model.safetensors"))  # only a config is no model yet
    gpt.make_folder(folder, gpt.config_of(model, 0, "abce"))


def header_of(name, **entry):
    def change(header, data):
        header[name] = {**header.get(name, {}), **entry}
    return change


def drop(name):
    def change(header, data):
        del header[name]
    return change


def nan_in(name, number=math.nan):
    def change(header, data):
        start = header[name]["data_offsets"][0]
        return header, data[:start] + struct.pack("<f", number) + data[start + 4:]
    return change


W = "h.1.mlp.c_fc.weight"
DAMAGED = [  # config, change of the file, message after the folder
    ({**CONFIG, "model_type": "llama"}, None, "config.json: model_type is 'llama', and only 'gpt2' is"),
    ({**SIZES}, None, "config.json: model_type is None, and only 'gpt2' is known here"),
    ({**CONFIG, "activation_function": "relu"}, None, "config.json: activation_function is 'relu', and "
     "only 'gelu_new' or 'gelu_pytorch_tanh' is known here"),
    ({**CONFIG, "tie_word_embeddings": False}, None, "config.json: tie_word_embeddings is False"),
    ({**CONFIG, "scale_attn_weights": False}, None, "config.json: scale_attn_weights is False, and"),
    ({**CONFIG, "scale_attn_by_inverse_layer_idx": True}, None, "config.json: scale_attn_by_inverse_"),
    ({**CONFIG, "add_cross_attention": True}, None, "config.json: add_cross_attention is True, and"),
    ({**CONFIG, "n_inner": 17}, None, "config.json: n_inner is 17, not 4 n_embd"),
    ({**CONFIG, "n_head": 3}, None, "config.json: n_embd 4 is not divisible by n_head 3"),
    ({**CONFIG, "n_layer": 0}, None, "config.json: n_layer is 0, not a whole number from 1 to 10^7"),
    ({**CONFIG, "n_layer": True}, None, "config.json: n_layer is True, not a whole number from 1"),
    ({**CONFIG, "n_embd": 4.0}, None, "config.json: n_embd is 4.0, not a whole number from 1 to 10^7"),
    ({**CONFIG, "vocab_size": 10 ** 7 + 1}, None, "config.json: vocab_size is 10000001, not a whole"),
    ({k: v for k, v in CONFIG.items() if k != "n_positions"}, None, "config.json: n_positions is None"),
    ({**CONFIG, "n_layer": 10 ** 7}, None, "model.safetensors: 28 tensors are too few for n_layer "
     "10000000 in config.json"),
    ({**CONFIG, "n_layer": 1}, None, "model.safetensors: 'h.1.attn.c_attn.weight': no tensor of this"),
    ({**CONFIG, "vocab_size": 10 ** 7}, None, "model.safetensors: wte.weight: has the shape (5, 4), not "
     "(10000000, 4), as config.json has it"),
    ({**CONFIG, "layer_norm_epsilon": 0}, None, "config.json: layer_norm_epsilon is 0, not a number"),
    ({**CONFIG, "layer_norm_epsilon": "x"}, None, "config.json: layer_norm_epsilon is 'x', not a number"),
    ('{"n_layer": 1, "n_layer": 2}', None, "config.json: not JSON: a name is there twice"),
    ("{", None, "config.json: not JSON: Expecting property name"), ("[]", None, "config.json: not a JSON"),
    ('{"a":' * 100_000, None, "config.json: nested too deeply"),
    ("{\"a\": " + "9" * 5000 + "}", None, "config.json: "),
    (CONFIG, drop(W), "model.safetensors: h.1.mlp.c_fc.bias: begins at byte "),
    (CONFIG, header_of(W, dtype="F4"), f"model.safetensors: {W}: unknown dtype 'F4'"),
    (CONFIG, header_of(W, dtype=["F32"]), f"model.safetensors: {W}: unknown dtype ['F32']"),
    (CONFIG, header_of(W, dtype="I32"), f"model.safetensors: {W}: its dtype I32 is not one for weights"),
    (CONFIG, header_of(W, dtype="F64"), f"model.safetensors: {W}: 256 bytes for a shape of [4, 16] and"),
    (CONFIG, header_of(W, shape=[16, 4]), f"model.safetensors: {W}: has the shape (16, 4), not (4, 16)"),
    (CONFIG, header_of(W, shape=[-4, -16]), f"model.safetensors: {W}: [-4, -16] is no shape"),
    (CONFIG, header_of(W, shape=[4.0, 16]), f"model.safetensors: {W}: [4.0, 16] is no shape"),
    (CONFIG, header_of(W, shape="416"), f"model.safetensors: {W}: '416' is no shape"),
    (CONFIG, header_of(W, shape=[1] * 9), f"model.safetensors: {W}: [1, 1, 1, 1, 1, 1, 1, 1, 1] is no"),
    (CONFIG, header_of(W, shape=[2 ** 40, 2 ** 40]), f"model.safetensors: {W}: 256 bytes for a shape of"),
    (CONFIG, header_of(W, data_offsets=[0, 256]), f"model.safetensors: "),
    (CONFIG, header_of(W, data_offsets=[10 ** 9, 10 ** 9 + 256]), "model.safetensors: "),
    (CONFIG, header_of(W, data_offsets=[256, 0]), f"model.safetensors: {W}: -256 bytes for a shape of"),
    (CONFIG, header_of(W, data_offsets=[0]), f"model.safetensors: {W}: [0] are no offsets"),
    (CONFIG, header_of(W, data_offsets=[-256, 0]), f"model.safetensors: {W}: [-256, 0] are no offsets"),
    (CONFIG, header_of("x", shape=[], dtype="F32"), "model.safetensors: x: has no dtype, shape and"),
    (CONFIG, header_of("__metadata__"), None),
    ({**{k: v for k, v in CONFIG.items() if k != "n_positions"}, "n_ctx": 4}, None, None),
    (CONFIG, header_of("a\nb", shape=[]), "model.safetensors: 'a\\nb': no name of a tensor"),
    (CONFIG, header_of("a" * 200, shape=[]), "model.safetensors: 'aaaaa"),
    (CONFIG, lambda h, d: ({("transformer.lm_head.weight" if k == "ln_f.bias" else k): v
                            for k, v in h.items()}, d), "model.safetensors: 'transformer.lm_head.weight'"),
    (CONFIG, lambda h, d: ({**h, "__metadata__": 3}, d), "model.safetensors: __metadata__ is not a JSON"),
    (CONFIG, lambda h, d: ({**h, W: 3}, d), f"model.safetensors: {W}: has no dtype, shape and data_off"),
    (CONFIG, lambda h, d: ([1], d), "model.safetensors: its header is not a JSON object"),
    (CONFIG, lambda h, d: (h, d[:-1]), "model.safetensors: its tensors end at byte "),
    (CONFIG, lambda h, d: (h, d + b"x"), "model.safetensors: its tensors end at byte "),
    (CONFIG, nan_in(W), f"model.safetensors: {W}: holds a NaN or an infinite number"),
    (CONFIG, nan_in("ln_f.bias", math.inf), "model.safetensors: ln_f.bias: holds a NaN or an infinite"),
    (CONFIG, nan_in("wte.weight"), "model.safetensors: wte.weight: holds a NaN or an infinite number"),
]


@pytest.mark.parametrize("config, change, message", DAMAGED)
def test_nothing_in_a_folder_is_trusted(config, change, message, tmp_path):
    folder, _ = hugging_face(tmp_path / "gpt2", config=config, change=change)
    if message is None:
        gpt.load_decoder(folder)
        return
    with pytest.raises(ValueError) as caught:
        gpt.load_decoder(folder)
    assert str(caught.value).startswith(os.path.join(folder, message)) and "\n" not in str(caught.value)


def test_names_that_are_there_twice_or_missing(tmp_path):
    folder, _ = hugging_face(tmp_path / "a", extra=[("transformer.wpe.weight", (4, 4))])
    with pytest.raises(ValueError, match="wpe.weight: there with and without transformer.$"):
        gpt.load_decoder(folder)
    extra = [("lm_head.weight", (5, 4)), ("h.0.attn.bias", (1,))]
    folder, _ = hugging_face(tmp_path / "b", extra=extra, change=lambda h, d: (
        {**{k if k != "ln_f.bias" else "lm_head.bias": v for k, v in h.items()}}, d))
    with pytest.raises(ValueError, match="'lm_head.bias': no tensor of this GPT-2$"):
        gpt.load_decoder(folder)
    folder, _ = hugging_face(tmp_path / "c", extra=extra, change=lambda h, d: (
        {**{k if k != "ln_f.bias" else "h.1.attn.bias": v for k, v in h.items()}}, d))
    with pytest.raises(ValueError, match="model.safetensors: ln_f.bias: missing$"):
        gpt.load_decoder(folder)
    folder, _ = hugging_face(tmp_path / "d", extra=extra, change=lambda h, d: (
        h, d[:-8] + struct.pack("<f", 0.1) + d[-4:]))
    with pytest.raises(ValueError, match="lm_head.weight: differs from wte.weight, and in a GPT-2 they"):
        gpt.load_decoder(folder)
    folder, _ = hugging_face(tmp_path / "e", extra=extra, change=header_of("lm_head.weight", shape=[4, 5]))
    with pytest.raises(ValueError, match=re.escape("lm_head.weight: has the shape (4, 5), not (5, 4)")):
        gpt.load_decoder(folder)


@scripts.posix
def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path):
    folder, _ = hugging_face(tmp_path / "gpt2")
    for name in ("model.safetensors", "config.json"):
        os.remove(os.path.join(folder, name))
        os.mkfifo(os.path.join(folder, name))
        with pytest.raises(ValueError, match=f"{name}: not an ordinary file$"):
            gpt.load_decoder(folder)


def test_headers_that_do_not_fit(tmp_path):
    folder, _ = hugging_face(tmp_path / "gpt2")
    path = os.path.join(folder, "model.safetensors")
    with open(path, "rb") as file:
        data = file.read()
    for damaged, message in (
            (struct.pack("<Q", 2 ** 63) + data[8:], f"a header of {2 ** 63} bytes does not fit into a"),
            (struct.pack("<Q", len(data) - 7) + data[8:], "does not fit into a file of"),
            (data[:5], "a header of "), (b"", "a header of 0 bytes does not fit into a file of 0"),
            (struct.pack("<Q", 10 ** 7 + 1) + bytes(10 ** 7 + 9), "far more than any GPT-2 needs"),
            (struct.pack("<Q", 0) + data[8:], "not JSON: "),
            (struct.pack("<Q", 10) + data[8:], "not JSON: "), (data[:8] + b"\xff" + data[9:], "not UTF-8")):
        write(tmp_path / "gpt2" / "model.safetensors", damaged)
        with pytest.raises(ValueError) as caught:
            gpt.load_decoder(folder)
        assert str(caught.value).startswith(path + ": ") and message in str(caught.value)
    os.remove(path)
    with pytest.raises(ValueError, match="model.safetensors: No such file or directory; name a folder"):
        gpt.load_decoder(folder)
    with pytest.raises(ValueError, match="config.json: No such file or directory; name a folder with a"):
        gpt.load_decoder(str(tmp_path / "none"))


def mutated(data, rng):
    """The bytes with something changed in a random place."""
    at, kind = rng.randrange(len(data)), rng.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1:]
    if kind == 2:
        return data[:at] + data[at + rng.randrange(1, 20):]
    if kind == 3:
        return data[:at] + bytes(rng.choices(b'0123456789-.eE[]{},:" nulltrue', k=rng.randrange(1, 5))) + data[at:]
    if kind == 4:  # the same length, so that the rest still fits
        return data[:at] + bytes(rng.choices(b"0123456789", k=3)) + data[at + 3:]
    other = rng.randrange(len(data))
    return data[:at] + data[other:other + 9] + data[at + 9:]


def test_mutations_give_a_model_or_one_line(tmp_path):
    # 10,000 of these were tried; some hundred are kept here
    folder, _ = hugging_face(tmp_path / "gpt2")
    good = {name: open(os.path.join(folder, name), "rb").read() for name in os.listdir(folder)}
    rng, loaded = random.Random(1), 0
    for _ in range(600):
        name = rng.choice(["config.json", "model.safetensors", "model.safetensors"])
        data = good[name]
        if name == "model.safetensors" and rng.random() < 0.7:  # in the header
            length = 8 + struct.unpack("<Q", data[:8])[0]
            data = mutated(data[:length], rng) + data[length:]
        else:
            data = mutated(data, rng)
        write(tmp_path / "gpt2" / name, data)
        try:
            decoder, _ = gpt.load_decoder(folder)
            loaded += len(decoder.logits([1, 2])) == len(decoder.params["wte.weight"])
        except ValueError as error:
            assert str(error).startswith(folder) and "\n" not in str(error)
        write(tmp_path / "gpt2" / name, good[name])
    assert 20 < loaded < 400


def test_what_is_too_large_or_other_to_train(monkeypatch, tmp_path):
    folder, _ = hugging_face(tmp_path / "gpt2", config={**CONFIG, "layer_norm_epsilon": 0.5})
    decoder, _ = gpt.load_decoder(folder)
    assert decoder.eps == 0.5 and decoder.logits([1]) != gpt.load_decoder(
        hugging_face(tmp_path / "other")[0])[0].logits([1])
    with pytest.raises(ValueError, match="^layer_norm_epsilon 0.5 cannot be trained here, only 1e-05$"):
        gpt.trainable(decoder)
    huge = reader(tiny())
    huge.params["wte.weight"] = [[0.0] * 4] * 6_000_000
    with pytest.raises(ValueError, match='^24 million weights are too many .* see "The way out" in READ'):
        gpt.trainable(huge)


def test_training_goes_on_where_it_was(tmp_path):
    examples = [[0, 1, 2, 0], [0, 3, 4, 1], [0, 2, 2, 0], [0, 4, 0]]
    straight, rest = tiny(), tiny(seed=99)
    losses = list(gpt.train(straight, examples, 12, 2, 0.01, 0.1))
    begun, rng = tiny(), random.Random(3)
    optimizer = gpt.AdamW(begun.parameters(), weight_decay=0.1)
    steps = gpt.train(begun, examples, 12, 2, 0.01, 0.1, optimizer)
    first = [next(steps) for _ in range(5)]
    rng.random()
    gpt.save_training(str(tmp_path), begun, optimizer, first, rng, {"steps": 12, "data": None})
    state, settings = gpt.load_settings(str(tmp_path))
    assert settings == {"steps": 12, "data": None}
    optimizer, again = gpt.AdamW(rest.parameters(), weight_decay=0.1), random.Random(4)
    assert gpt.load_training(state, rest, optimizer, again) == first and optimizer.steps == 5
    assert again.random() == rng.random()
    assert list(gpt.train(rest, examples, 12, 2, 0.01, 0.1, optimizer)) == losses[5:]  # bit by bit
    assert [p.data for p in rest.parameters()] == [p.data for p in straight.parameters()]


@pytest.mark.parametrize("change, message", [
    (lambda h: h.pop("m.wpe.weight"), "begins at byte"),
    (lambda h: h.update({"m.wpe": h.pop("m.wpe.weight")}), "m.wpe.weight: missing"),
    (lambda h: h.update(more={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}), "'more': not of"),
    (lambda h: h["v.ln_f.bias"].update(shape=[2, 2]), "v.ln_f.bias: has the shape (2, 2), not (4,), as"),
    (lambda h: h["losses"].update(shape=[1, 2]), "losses: has the shape (1, 2)"),
    (lambda h: h["__metadata__"].update(random="[3, [1], null]"), "random: "),
    (lambda h: h["__metadata__"].update(random="[]"), "random: "),
    (lambda h: h["__metadata__"].update(random="5"), "random: "),
    (lambda h: h["__metadata__"].pop("random"), "random: not JSON: "),
    (lambda h: h["__metadata__"].pop("settings"), "settings: not JSON: "),
    (lambda h: h["__metadata__"].update(settings="[]"), "settings: not a JSON object"),
    (lambda h: h["__metadata__"].update(settings=5), "settings: not a JSON object")])
def test_a_damaged_training_state(change, message, tmp_path):
    model, rng = tiny(), random.Random(1)
    optimizer = gpt.AdamW(model.parameters())
    gpt.save_training(str(tmp_path), model, optimizer, [1.0, 2.0], rng, {})
    path = os.path.join(tmp_path, "training.safetensors")
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    change(header)
    text = json.dumps(header).encode()
    write(tmp_path / "training.safetensors", struct.pack("<Q", len(text)) + text + data[8 + length:])
    with pytest.raises(ValueError) as caught:
        gpt.load_training(gpt.load_settings(str(tmp_path))[0], model, optimizer, rng)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)


def test_averages_of_squares_are_not_negative(tmp_path):
    model = tiny()
    optimizer = gpt.AdamW(model.parameters())
    optimizer.v[0][0][0] = -1e-9
    gpt.save_training(str(tmp_path), model, optimizer, [], random.Random(1), {})
    with pytest.raises(ValueError, match="v.wte.weight: an average of squares below 0$"):
        gpt.load_training(gpt.load_settings(str(tmp_path))[0], model, optimizer, random.Random(1))


def test_a_kill_during_a_save_loses_nothing(tmp_path, monkeypatch):
    model, folder, rng = tiny(), str(tmp_path / "m"), random.Random(1)
    config, optimizer = gpt.config_of(model, 0, "abcd"), gpt.AdamW(model.parameters())

    def save(losses):
        gpt.make_folder(folder, config)
        gpt.save(folder, model)
        gpt.save_training(folder, model, optimizer, losses, rng, {})

    save([1.0])
    class Killed(BaseException):
        pass

    for calls in range(9):
        left = iter(range(calls))

        def killed(real, *args):
            if next(left, None) is None:
                raise Killed
            return real(*args)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            for name in ("fsync", "replace"):
                patch.setattr(gpt.os, name, partial(killed, getattr(os, name)))
            save([1.0, 2.0])
            raise Killed
        assert close([gpt.load_decoder(folder)[0].logits([1])], [model([1]).data[0]], 1e-6)
        losses = gpt.load_training(gpt.load_settings(folder)[0], model, optimizer, rng)
        assert losses == [1.0, 2.0] if calls >= 6 else losses in ([1.0], [1.0, 2.0])
    save([3.0])
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors", "training.safetensors"]


# --- pictures ---

def columns(line):
    """How many columns of a terminal a line takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def test_loss_curve():
    picture = gpt.draw_losses([3.0] * 50 + [2.0] * 50, width=10, height=3).split("\n")
    assert picture == ["loss in training, nats a token", "    3.00 ┤●●●●●", "    2.50 ┤",
                       "    2.00 ┤     ●●●●●", "         └──────────", "          steps 1 to 100"]
    assert "●" in gpt.draw_losses([1.0]) and gpt.draw_losses([2.0] * 5).count("●") == 5


def test_surprise():
    text = "ab愛 é\u0301"
    tokenizer = gpt.CharTokenizer(text)
    model = GPT(tokenizer.n_vocab, 8, 1, 2, 4, 0)
    ids = [0, *tokenizer.encode(text), 0]
    head, *lines = gpt.draw_surprise(model, tokenizer, ids).split("\n")
    assert len(lines) == len(ids) - 1
    for line, came, row in zip(lines, ids[1:], model(ids[:-1]).data):
        p = gpt.softmax(row)[came]
        assert f" {p:.1%} " in line and f" {-math.log(p):.2f} " in line
        assert gpt.cell(tokenizer, came) in line
    assert len({columns(line[:line.index("%")]) for line in lines}) == 1  # the columns line up
    assert max(columns(line) for line in lines) <= 80


@pytest.mark.parametrize("text", ["anna", "愛子", "a b\tc", "e\u0301", "\u200d\x9b"])
def test_attention_picture(text):
    tokenizer = gpt.CharTokenizer(text)
    model = GPT(tokenizer.n_vocab, 8, 2, 3, 6, 0)
    ids = [0, *tokenizer.encode(text)]
    picture = gpt.draw_attention(model, tokenizer, ids)
    assert re.findall(r"layer \d, head \d", picture) == [
        f"layer {i}, head {j}" for i in (1, 2) for j in (1, 2, 3)]
    lines = picture.split("\n")
    assert max(map(columns, lines)) <= 80
    assert all(c.isprintable() or c == "\n" for c in picture)
    titles = lines[0]
    for start in (match.start() for match in re.finditer("layer", titles)):
        for line in lines[1:len(ids) + 2]:  # no panel runs into the next
            taken = [columns(line[:i]) for i, c in enumerate(line) if c != " "]
            assert start - 1 not in taken and start - 3 not in taken
    assert columns(lines[1].rstrip()) > titles.rindex("layer") + 2 * len(ids)


def test_attention_shades():
    class Fixed:
        n_head = 1

        def __call__(self, ids, maps):
            maps.append([[1.0, 0.0, 0.0], [0.1, 0.9, 0.0], [0.3, 0.5, 0.7]])

    picture = gpt.draw_attention(Fixed(), gpt.CharTokenizer("ab"), [0, 1, 2]).split("\n")
    assert picture == ["layer 1, head 1", "   · a b", "·  ██", "a  ··██", "b  ░░▒▒▓▓"]


# --- the script ---

SMALL = ["--steps", "30", "--n-embd", "8", "--n-head", "2", "--batch-size", "2", "--samples", "3",
         "--eval-docs", "20"]


run = partial(scripts.run, "gpt.py")


def test_the_script_trains_evaluates_samples_and_draws():
    done = run(*SMALL, "--test", "--prompt", "ma", "--explain", "sofia")
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert re.match(r"\d+ documents, 27 tokens, \d+ parameters\nstep     0: ma", out)
    losses = re.findall(r"^(train|dev|test) loss (\d\.\d{4})$", out, re.M)
    assert [name for name, _ in losses] == ["train", "dev", "test"]
    assert all(2 < float(loss) < 4 for _, loss in losses)
    assert "steps 1 to 30" in out and out.count("layer 1, head") == 2
    samples = out[out.index("samples ("):out.index("\nletter by letter")].split("\n")[1:]
    assert len([s for s in samples if s]) == 3
    assert all(re.fullmatch("[* ] ma[a-z]*", s) for s in samples if s)
    assert [line[:8] for line in out.split("\n") if re.match("[·sofia]  +[·sofia]  +[0-9]", line)] == [
        "·      s", "s      o", "o      f", "f      i", "i      a", "a      ·"]
    # nothing but the untrained samples, which may be of any length, is wider than a terminal
    assert max(columns(line) for line in out.split("\n") if not line.startswith("step ")) <= 80
    # progress: plain lines, on standard error
    assert len(re.findall(r"^step \d+/30  loss \d\.\d{3}  \d+ s left$", done.stderr, re.M)) == 10
    assert "\r" not in done.stderr and "s left" not in out


def test_the_same_seed_gives_the_same_output():
    first, again, other = run(*SMALL), run(*SMALL), run(*SMALL, "--seed", "43")
    assert first.stdout == again.stdout != other.stdout
    watched = run(*SMALL, "--temperature", "0.5")  # how it samples does not change what it learns
    assert re.findall("loss .*", watched.stdout) == re.findall("loss .*", first.stdout)


def test_samples_from_the_training_list_are_marked(tmp_path):
    path = write(tmp_path / "names.txt", "anna\n" * 40)
    out = run("--data", path, "--steps", "60", "--lr", "0.03", "--temperature", "0").stdout
    assert out.count("\n* anna\n") == 20 or out.count("* anna") == 20
    untrained = run("--data", path, "--steps", "0", "--samples", "5").stdout
    assert "loss in training" not in untrained and "dev loss" in untrained
    assert untrained.count("* anna") < 5
    none = run("--data", path, "--steps", "0", "--samples", "0", "--eval-docs", "0").stdout
    assert "samples" not in none and "loss" not in none


def test_a_stream_is_learned(tmp_path):
    path = write(tmp_path / "play.txt", "to be or not to be,\nthat is the question\n" * 40)
    done = run("--data", path, "--stream", *SMALL, "--block-size", "12", "--prompt", "to be")
    assert done.returncode == 0, done.stderr
    assert re.search(r"windows, \d+ tokens", done.stdout) and "dev loss" in done.stdout
    text = done.stdout[done.stdout.index("\nsamples\n"):]
    assert text.count("  to be") >= 3 and "␊" in run(
        "--data", path, "--stream", *SMALL, "--steps", "0", "--samples", "0", "--explain",
        "be,\nthat").stdout


def test_a_long_document_is_cut_and_that_is_said_once(tmp_path):
    path = write(tmp_path / "long.txt", "abc\nabcdefgh\nabcdefghi\nab\n")
    done = run("--data", path, "--block-size", "4", "--steps", "20", "--samples", "0")
    assert done.returncode == 0
    assert done.stderr.count("2 documents do not fit into --block-size 4 and were cut") == 1
    fits = run("--data", path, "--block-size", "10", "--steps", "1", "--samples", "0")
    assert "cut" not in fits.stderr


@pytest.mark.parametrize("args, message", [
    (["--data", "missing.txt"], "missing.txt: No such file or directory; name a text file"),
    (["--data", "."], ".: "),
    (["--data", "empty.txt"], "empty.txt: empty; put one document on each line"),
    (["--data", "blank.txt"], "blank.txt: empty"),
    (["--data", "latin.txt"], "latin.txt: not UTF-8 at byte 5; save it as UTF-8"),
    (["--data", "two.txt"], "two.txt: 2 documents are too few: train, dev and test need one each"),
    (["--data", "three.txt", "--stream"], "16 characters are too few, as a tenth of them must fill"),
    (["--n-embd", "0"], "argument --n-embd: must be a whole number from 1 to 10^9, not '0'"),
    (["--n-layer", "-1"], "argument --n-layer: must be a whole number from 1 to 10^9, not '-1'"),
    (["--n-head", "two"], "argument --n-head: must be a whole number from 1 to 10^9, not 'two'"),
    (["--block-size", "0"], "argument --block-size: must be"),
    (["--batch-size", "1.5"], "argument --batch-size: must be a whole number"),
    (["--steps", "-1"], "argument --steps: must be a whole number from 0"),
    (["--lr", "nan"], "argument --lr: must be a number above 0, not 'nan'"),
    (["--lr", "0"], "argument --lr: must be a number above 0, not '0'"),
    (["--lr", "inf"], "argument --lr: must be a number above 0, not 'inf'"),
    (["--weight-decay", "-1"], "argument --weight-decay: must be a number of at least 0"),
    (["--samples", "-1"], "argument --samples: must be a whole number from 0 to 10^9, not '-1'"),
    (["--top-k", "0"], "argument --top-k: must be a whole number from 1 to 10^9, not '0'"),
    (["--temperature", "-1"], "argument --temperature: must be a number of at least 0"),
    (["--n-embd", "10", "--n-head", "4"], "n_embd 10 is not divisible by n_head 4"),
    (["--prompt", "mä"], "'ä' never occurs in the data"),
    (["--explain", "Ada"], "'A' never occurs in the data"),
    (["--prompt", "m" * 16], "does not fit into --block-size 16; shorten the one or raise"),
    (["--data", "long.txt", "--stream", "--explain", "a"], "--explain: 'a' should be 2 to 17 char"),
    (["--explain", "m" * 16], "should be 0 to 15 characters long for --block-size 16"),
    (["--steps", "1" + "0" * 400], "argument --steps: must be a whole number from 0 to 10^9"),
    (["--seed", "x"], "argument --seed: must be a whole number from 0 to 10^9, not 'x'"),
    (["--data", "three.txt", "--lr", "1e300", "--steps", "9"], "the loss turned into NaN, as the "
     "steps were too large; try a smaller --lr"),
    (["--data", "three.txt", "--lr", "1e300", "--steps", "1", "--eval-docs", "0"], "turned into NaN")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "empty.txt", "")
    write(tmp_path / "blank.txt", "\n \n\n")
    write(tmp_path / "latin.txt", "abc\nd\xe4\n".encode("latin-1"))
    write(tmp_path / "two.txt", "ab\nba\n")
    write(tmp_path / "three.txt", "anna\nbert\nclara\n")
    write(tmp_path / "long.txt", "ab" * 100)
    scripts.check_refused(gpt.main, "gpt.py", args, message, capsys)


def test_a_file_that_may_not_be_read(monkeypatch, capsys):
    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    with pytest.raises(SystemExit):
        gpt.main(["--data", "secret.txt"])
    assert "gpt.py: error: secret.txt: Permission denied; name a text file that you can open" in \
        capsys.readouterr().err


def test_bad_input_as_a_user_meets_it():
    done = run("--data", "no/such/file")
    assert done.returncode == 2 and done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().split("\n")[-1].startswith("gpt.py: error: no/such/file: ")


def test_help_gives_each_default():
    text = " ".join(run("--help").stdout.split())
    assert len(re.findall(r"\(default: ", text)) == 19
    assert "training steps (default: 2200, or 0 with --load)" in text


def test_where_the_characters_of_the_pictures_cannot_be_printed():
    done = run(*SMALL, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "dev loss" in done.stdout and "??" in done.stdout


@scripts.posix
def test_ctrl_c_ends_training_and_a_second_one_quits():
    scripts.check_ctrl_c("gpt.py", SMALL, ready="step     0", after="layer 1, head 2",
                         endless=(["--samples", "1000000"], "samples"))


@scripts.posix
@pytest.mark.parametrize("samples", ["0", "5000"])
def test_a_reader_that_leaves_is_no_error(samples):
    scripts.check_reader_leaves("gpt.py", [*SMALL, "--samples", samples])


@scripts.posix
def test_closed_outputs():
    scripts.check_closed_outputs("gpt.py", SMALL)


@scripts.full_disk
def test_a_full_disk():
    scripts.check_full_disk("gpt.py", SMALL)


def test_progress_on_a_terminal_is_one_line_rewritten(monkeypatch, capsys):
    scripts.check_progress_on_a_terminal(gpt.main, SMALL, r"step 30/30  loss \d\.\d{3}  0 s left",
                                         monkeypatch)
    assert "s left" not in capsys.readouterr().out


# --- saving, loading and ids, as a user meets them ---

TINY = ["--n-embd", "8", "--n-head", "2", "--batch-size", "2", "--eval-docs", "20"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("saved") / "model")
    done = run("--steps", "40", *TINY, "--samples", "2", "--save", folder)
    assert done.returncode == 0, done.stderr
    return folder


def main_out(capsys, *args):
    gpt.main([str(arg) for arg in args])
    return capsys.readouterr().out


def test_a_saved_model_is_sampled_from(saved, capsys):
    assert sorted(os.listdir(saved)) == ["config.json", "model.safetensors", "training.safetensors"]
    out = main_out(capsys, "--load", saved, "--samples", 3, "--prompt", "ma", "--seed", 5)
    decoder, rng = gpt.load_decoder(saved)[0], random.Random(5)
    tokenizer = gpt.CharTokenizer("abcdefghijklmnopqrstuvwxyz")
    ids = [0, *tokenizer.encode("ma")]
    texts = [tokenizer.decode([*ids, *decoder.generate(ids, 14, rng=rng, stop=0)]) for _ in range(3)]
    assert out == "".join(f"  {text}\n" for text in texts)
    short = main_out(capsys, "--load", saved, "--samples", 1, "--max-new-tokens", 2, "--temperature", 0)
    assert 2 < len(short) <= 5
    assert main_out(capsys, "--load", saved, "--top-p", 1e-9, "--samples", 1) == \
        main_out(capsys, "--load", saved, "--temperature", 0, "--samples", 1) == \
        main_out(capsys, "--load", saved, "--top-k", 1, "--samples", 1)


def test_training_a_loaded_model_on(saved, capsys, tmp_path):
    data = write(tmp_path / "names.txt", "anna\n" * 40)
    out = main_out(capsys, "--load", saved, "--data", data, "--samples", 2)  # no steps: only a look
    losses = [float(loss) for loss in re.findall(r"dev loss (\S+)", out)]
    assert "loss in training" not in out and "samples (" in out and "layer 1, head 2" in out
    assert "step     0" not in out
    out = main_out(capsys, "--load", saved, "--data", data, "--steps", 30, "--samples", 2,
                   "--save", tmp_path / "new")
    losses += [float(loss) for loss in re.findall(r"dev loss (\S+)", out)]
    assert losses[1] < losses[0] - 0.3 and "steps 1 to 30" in out
    model = gpt.trainable(gpt.load_decoder(str(tmp_path / "new"))[0])
    assert gpt.evaluate(model, [[0, 1, 14, 14, 1, 0]]) == pytest.approx(losses[1], abs=1e-3)
    assert re.search("27 tokens", out)  # those of the model, though the data has two letters


@scripts.posix
def test_resuming_ends_as_going_straight_does(tmp_path, capsys):
    data = write(tmp_path / "names.txt", "\n".join("anna bert clara dora emil frida gustav".split() * 9))
    options = ["--data", data, *TINY, "--samples", "3", "--lr", "0.02", "--weight-decay", "0.1",
               "--seed", "7", "--test", "--temperature", "0.9", "--top-k", "5"]
    straight = main_out(capsys, "--steps", 60, *options, "--save", tmp_path / "a")
    main_out(capsys, "--steps", 60, *options, "--save", tmp_path / "b", "--save-every", 25)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == \
        (tmp_path / "b" / "model.safetensors").read_bytes()
    process = scripts.start("gpt.py", "--steps", "60000", *options, "--save", str(tmp_path / "c"),
                            "--save-every", "1", text=True)
    while not os.path.exists(tmp_path / "c" / "training.safetensors"):
        assert process.poll() is None
    process.kill()
    process.communicate()
    state, settings = gpt.load_settings(str(tmp_path / "c"))
    assert settings["steps"] == 60000 and "save" not in settings
    done = state.entries["losses"][1][0]
    state.file.close()
    assert 1 <= done
    out = main_out(capsys, "--resume", tmp_path / "c", "--steps", done + 1)
    assert f"steps 1 to {done + 1}" in out
    assert gpt.load_settings(str(tmp_path / "c"))[1]["steps"] == done + 1


@scripts.posix
def test_killed_at_any_moment_and_resumed(tmp_path):
    options = ["--steps", "90", *TINY, "--samples", "4"]
    straight = run(*options).stdout
    rng = random.Random(1)
    folder = tmp_path / "m"
    process = scripts.start("gpt.py", *options, "--save", str(folder), "--save-every", "1", text=True)
    kills = 0
    while kills < 4:
        while not os.path.exists(folder / "training.safetensors"):
            assert process.poll() is None
        for _ in range(rng.randrange(1, 60)):  # some milliseconds
            process.stdout.readable() and os.path.getsize(folder / "training.safetensors")
            subprocess.run(["true"])
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += 1
        gpt.load_decoder(str(folder))  # a whole one is there
        process = scripts.start("gpt.py", "--resume", str(folder), text=True, encoding="utf-8")
    out, _ = process.communicate(timeout=60)
    assert kills and process.returncode == 0
    assert out[out.index("train loss"):] == straight[straight.index("train loss"):]


def test_resuming_what_is_done(saved, capsys, monkeypatch):
    monkeypatch.setattr(gpt, "save", None)
    out = main_out(capsys, "--resume", saved, "--samples", 1)
    assert "steps 1 to 40" in out and "step    40" not in out and "step     0" not in out


def test_options_that_are_0_are_resumed_with(tmp_path, capsys):
    zeros = ["--seed", 0, "--weight-decay", 0, "--eval-docs", 0, "--temperature", 0, "--samples", 0]
    straight = main_out(capsys, "--steps", 20, *TINY[:6], *zeros, "--save", tmp_path / "m")
    again = main_out(capsys, "--resume", tmp_path / "m")
    assert again[again.index("loss in training"):] == straight[straight.index("loss in training"):]
    assert "dev loss" not in again


def test_ids_and_how_many_tokens_there_are(tmp_path, capsys):
    path = write(tmp_path / "ids.txt", IDS)
    out = main_out(capsys, "--ids", path, "--vocab-size", 50, "--steps", 2, *TINY, "--save", tmp_path / "m")
    assert out.startswith("40 documents, 51 tokens, ")
    assert gpt.load_decoder(str(tmp_path / "m"))[1]["boundary"] == 50
    prompt = write(tmp_path / "p", "49 3\n")  # 49 was in no document
    assert main_out(capsys, "--load", tmp_path / "m", "--ids", prompt).startswith("49 3 ")


@pytest.mark.parametrize("sizes, message", [
    ({"n_embd": 10 ** 7}, "million weights are too many to train here"),
    ({"n_positions": 10 ** 7, "n_head": 1}, "million weights are too many to train here"),
    ({"n_layer": 2}, "training.safetensors: 49 tensors are too few for n_layer 2 in config.json"),
    ({"n_positions": 17}, "training.safetensors: wpe.weight: has the shape (16, 8), not (17, 8)")])
def test_sizes_are_checked_before_a_model_is_made(sizes, message, saved, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(saved, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write(folder / "config.json", json.dumps({**config, **sizes}))
    monkeypatch.setattr(gpt, "GPT", None)
    scripts.check_refused(gpt.main, "gpt.py", ["--resume", str(folder)], message, capsys)


def test_resuming_into_another_folder(saved, tmp_path, capsys):
    before = {name: open(os.path.join(saved, name), "rb").read() for name in os.listdir(saved)}
    main_out(capsys, "--resume", saved, "--save", tmp_path / "new", "--steps", 42, "--samples", 0)
    assert before == {name: open(os.path.join(saved, name), "rb").read() for name in os.listdir(saved)}
    assert gpt.load_settings(str(tmp_path / "new"))[0].entries["losses"][1] == (42,)


def test_how_often_it_is_saved(tmp_path, capsys, monkeypatch):
    saves = []
    monkeypatch.setattr(gpt, "save_training", lambda *args: saves.append(len(args[3])))
    main_out(capsys, "--steps", 10, *TINY, "--save", tmp_path / "m", "--save-every", 4, "--samples", 0)
    assert saves == [4, 8, 10]


@scripts.posix
def test_the_first_ctrl_c_is_remembered_and_the_second_quits():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with gpt.first_ctrl_c() as asked:
            assert not asked
            os.kill(os.getpid(), signal.SIGINT)
            assert asked
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        with gpt.first_ctrl_c() as asked:
            pass
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler and not asked
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as after nohup: it stays ignored
        with gpt.first_ctrl_c() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert not asked
    finally:
        signal.signal(signal.SIGINT, before)


@scripts.posix
def test_ctrl_c_waits_for_the_end_of_a_step(tmp_path):
    options = [*TINY, "--samples", "0", "--eval-docs", "0", "--n-layer", "2"]
    straight = run("--steps", "60", *options, "--save", str(tmp_path / "a"))
    assert straight.returncode == 0
    for delay in (0, 3):
        folder = tmp_path / f"b{delay}"
        process = scripts.start("gpt.py", "--steps", "60", *options, "--save", str(folder), text=True)
        for _ in range(2 + delay):
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0 and "stopped at step " in error
        assert run("--resume", str(folder)).returncode == 0
        assert (folder / "model.safetensors").read_bytes() == (
            tmp_path / "a" / "model.safetensors").read_bytes()


@scripts.posix
def test_settings_are_not_trusted(saved, tmp_path, capsys):
    folder = shutil.copytree(saved, tmp_path / "m")
    path = os.path.join(folder, "training.safetensors")
    for settings, message in (({"steps": "many"}, "settings: argument --steps: must be a whole number"),
                              ({"help": True}, "settings: 'help' is no option"),
                              ({"save": "/elsewhere"}, "settings: 'save' is no option"),
                              ({"load": "/elsewhere"}, "settings: 'load' is no option"),
                              ({"steps": [1]}, "settings: argument --steps: must be a whole number from"),
                              ({"data": "a\nb"}, "settings: data: 'a\\nb' cannot be printed"),
                              ({"data": "/dev/zero"}, "settings: data: '/dev/zero': no such file; name"),
                              ({"batch_size": 10 ** 9}, "settings: batch_size: 1000000000 documents a"),
                              ({"test": "yes"}, "settings: argument --test: ignored explicit argument")):
        model = gpt.trainable(gpt.load_decoder(saved)[0])
        gpt.save_training(str(folder), model, gpt.AdamW(model.parameters()), [], random.Random(1), settings)
        scripts.check_refused(gpt.main, "gpt.py", ["--resume", str(folder)], f"{path}: {message}", capsys)


IDS = "".join(" ".join(str((3 * i + k) % 11) for k in range(i % 5 + 2)) + "\n" for i in range(40))


def test_training_on_ids(tmp_path, capsys):
    path = write(tmp_path / "ids.txt", IDS + "\n")  # an empty line is no document
    out = main_out(capsys, "--ids", path, "--steps", 150, *TINY, "--save", tmp_path / "m")
    assert out.startswith("40 documents, 12 tokens, ") and "steps 1 to 150" in out
    assert "samples" not in out and "step     0" not in out
    decoder, config = gpt.load_decoder(str(tmp_path / "m"))
    assert config["eos_token_id"] == 11 == config["vocab_size"] - 1 and config["characters"] is None
    write(tmp_path / "prompts", "3 4\n\n0 1 2\n")
    out = main_out(capsys, "--load", tmp_path / "m", "--ids", tmp_path / "prompts", "--temperature", 0,
                   "--max-new-tokens", 4)
    lines = out.split("\n")
    assert lines[3] == "" and all(line.endswith(" ") for line in lines[:3] if line)
    for line, prompt in zip(lines, ([3, 4], [], [0, 1, 2])):
        new = list(decoder.generate([11, *prompt], 4, 0, stop=11))
        assert list(map(int, line.split())) == prompt + new and len(new) <= 4
    assert lines[0].split()[:3] == ["3", "4", "5"]  # each id is one more than the one before
    drawn = [main_out(capsys, "--load", tmp_path / "m", "--ids", tmp_path / "prompts", "--seed", seed)
             for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and max(map(len, drawn[0].split("\n"))) < 200
    longer = main_out(capsys, "--load", tmp_path / "m", "--ids", path, "--steps", 50, *TINY[4:])
    assert float(re.search(r"train loss (\S+)", longer)[1]) < 2.5 and "12 tokens" in longer


def test_a_gpt2_from_elsewhere_reads_prompts_as_they_are(tmp_path, capsys):
    folder, _ = hugging_face(tmp_path / "gpt2", config={**CONFIG, "eos_token_id": 3})
    prompts = write(tmp_path / "p", "3 4\n\n1\n")
    out = main_out(capsys, "--load", folder, "--ids", prompts, "--temperature", 0, "--max-new-tokens", 2)
    decoder = gpt.load_decoder(folder)[0]
    expected = [[*ids, *decoder.generate(ids or [3], 2, 0, stop=3)] for ids in ([3, 4], [], [1])]
    assert [list(map(int, line.split())) for line in out.split("\n")[:3]] == expected


def test_ids_as_one_stream(tmp_path, capsys):
    path = write(tmp_path / "ids.txt", " ".join(str(i % 7) for i in range(500)) + "\n1 2\n")
    out = main_out(capsys, "--ids", path, "--stream", "--steps", 60, *TINY, "--block-size", 8,
                   "--save", tmp_path / "m")
    assert "windows, 8 tokens" in out
    _, config = gpt.load_decoder(str(tmp_path / "m"))
    assert config["eos_token_id"] is None and config["n_positions"] == 8
    prompt = write(tmp_path / "p", "3 4 5\n")
    out = main_out(capsys, "--load", tmp_path / "m", "--ids", prompt, "--max-new-tokens", 3)
    assert out.startswith("3 4 5 ") and len(out.split()) == 6
    with pytest.warns(UserWarning, match="past 8 tokens"):
        out = main_out(capsys, "--load", tmp_path / "m", "--ids", prompt)
    assert len(out.split()) == 3 + 50
    empty = write(tmp_path / "e", "\n")
    scripts.check_refused(gpt.main, "gpt.py", ["--load", str(tmp_path / "m"), "--ids", empty],
                          "an empty prompt, and the model has no token to begin a text with", capsys)


@pytest.mark.filterwarnings("ignore:past")
def test_a_stream_model_is_loaded_as_one(tmp_path, capsys):
    path = write(tmp_path / "play.txt", "to be or not to be,\nthat is the question\n" * 40)
    main_out(capsys, "--data", path, "--stream", *SMALL, "--block-size", "12", "--save", tmp_path / "m")
    assert "windows" in main_out(capsys, "--load", tmp_path / "m", "--data", path, "--samples", 0)
    assert "windows" in main_out(capsys, "--resume", tmp_path / "m", "--steps", 31, "--samples", 0)
    with pytest.warns(UserWarning, match="past 12 tokens"):
        out = main_out(capsys, "--load", tmp_path / "m", "--samples", 1)
    assert out.startswith("  \n") and out.endswith("\n") and 180 < len(out) <= 2 + 1 + 200 + 1


@scripts.posix
def test_ids_come_as_they_are_made(saved):
    process = subprocess.Popen(scripts.command("gpt.py", "--load", saved, "--ids", "-", "--temperature",
                                               "0", "--max-new-tokens", "2"),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={**os.environ, "PYTHONUNBUFFERED": ""})
    for prompt in (b"1 ", b"2 5 "):
        process.stdin.write(prompt + b"\n")
        process.stdin.flush()
        assert process.stdout.read(len(prompt)) == prompt
        assert process.stdout.readline().endswith(b"\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 0


class Pipe(io.StringIO):
    """An output that knows how much of what was printed has left the program."""
    flushed = ""

    def flush(self):
        self.flushed = self.getvalue()


def test_each_token_is_shown_before_the_next_is_drawn(saved, tmp_path, monkeypatch):
    pipe = Pipe()

    def generate(self, ids, *_):
        for token, before in ((5, ""), (6, seen[5]), (7, seen[6])):
            assert pipe.flushed.endswith(before) and pipe.flushed == pipe.getvalue()
            yield token

    monkeypatch.setattr(gpt.Decoder, "generate", generate)
    monkeypatch.setattr(sys, "stdout", pipe)
    seen = {5: "5 ", 6: "6 "}
    gpt.main(["--load", saved, "--ids", write(tmp_path / "p", "1 2\n3\n")])
    assert pipe.getvalue() == "1 2 5 6 7 \n3 5 6 7 \n" == pipe.flushed
    seen = {5: "e", 6: "f"}
    gpt.main(["--load", saved, "--samples", "2", "--prompt", "ma"])
    assert pipe.getvalue().endswith("\n  maefg\n  maefg\n")


@scripts.posix
def test_from_bpe_to_gpt_and_back(tmp_path):
    # What the README shows: text to ids, a model of ids, and text again, each program by itself.
    text = "the cat sat on the mat\n" * 30
    corpus, tok, ids = (str(tmp_path / name) for name in ("corpus.txt", "tok.json", "ids.txt"))
    write(tmp_path / "corpus.txt", text)

    def shell(command):
        done = subprocess.run(["sh", "-c", command.replace("python", f"'{sys.executable}'")],
                              cwd=scripts.ROOT, capture_output=True, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    shell(f"python bpe.py train {corpus} -o {tok} --vocab-size 270")
    shell(f"python bpe.py encode {tok} {corpus} > {ids}")
    shell(f"python gpt.py --ids {ids} --steps 100 --batch-size 4 --n-embd 16 --n-head 2 --lr 0.03 --eval-docs 0 --save {tmp_path}/m")
    out = shell(f"echo 'the cat' | python bpe.py encode {tok} | python gpt.py --load {tmp_path}/m "
                f"--ids - --temperature 0 | python bpe.py decode {tok}")
    assert out == "the cat sat on the mat\n"


@pytest.mark.parametrize("args, message", [
    (["--load", "none"], os.path.join("none", "config.json: No such file or directory; name a folder")),
    (["--load", "names.txt"], os.path.join("names.txt", "config.json: Not a directory")),
    (["--load", "gpt2"], "this model reads the token ids of another tokenizer: give --ids FILE, as bpe"),
    (["--load", "gpt2", "--data", "names.txt"], "this model reads the token ids of another tokenizer"),
    (["--load", "damaged"], os.path.join("damaged", "model.safetensors: wte.weight: holds a NaN")),
    (["--load", "chars"], "config.json: characters: must be 4 different ones, in order, after the bou"),
    (["--load", "order"], "config.json: characters: must be 4 different ones, in order, after the bou"),
    (["--load", "nochars"], "config.json: characters: must be 4 different ones, in order, after the"),
    (["--load", "other"], "config.json: characters: must be 4 different ones, in order, after the bou"),
    (["--load", "noend", "--ids", "ids5.txt", "--steps", "1"], "this model has no token to stand between"),
    (["--ids", "nearly.txt", "--stream"], "nearly.txt: 169 tokens are too few, as a tenth of them must"),
    (["--ids", "wide.txt", "--steps", "1"], "24 million weights are too many to train here; see"),
    (["--n-embd", "4000"], "192 million weights are too many to train here; see"),
    (["--n-layer", "1000000000"], "million weights are too many to train here"),
    (["--save", ""], "--save: names nothing"), (["--load", ""], "--load: names nothing"),
    (["--save", "/proc"], "/proc/config.json: "),
    (["--load", "edge"], "config.json: boundary is -1, and no token"),
    (["--load", "saved", "--prompt", "é"], "'é' never occurs in the data, so the model has no token"),
    (["--load", "saved", "--prompt", "m" * 16], "does not fit into --block-size 16; shorten the one"),
    (["--load", "saved", "--data", "digits.txt", "--steps", "1"], "'1' never occurs in the data"),
    (["--load", "saved", "--save", "new"], "--save: nothing to do with --load alone; give --steps or"),
    (["--load", "saved", "--resume", "saved"], "not allowed with argument --load"),
    (["--load", "saved", "--ids", "ids.txt", "--steps", "1"], "this model reads characters: name a text"),
    (["--resume", "gpt2"], os.path.join("gpt2", "training.safetensors: No such file or directory")),
    (["--ids", "none.txt"], "none.txt: No such file or directory; name a file of token ids"),
    (["--ids", "."], ".: Is a directory; name a file of token ids"),
    (["--ids", "names.txt"], "names.txt: line 1: 'anna' is no token id from 0 to 999999"),
    (["--ids", "minus.txt"], "minus.txt: line 2: '-3' is no token id from 0 to 999999"),
    (["--ids", "few.txt"], "few.txt: 2 documents are too few: train, dev and test need one each; put"),
    (["--ids", "few.txt", "--stream"], "few.txt: 5 tokens are too few, as a tenth of them must fill a"),
    (["--ids", "ids.txt", "--data", "names.txt"], "--ids: takes the place of --data"),
    (["--ids", "ids.txt", "--prompt", "a"], "--ids: takes the place of --prompt and --explain"),
    (["--ids", "ids.txt", "--explain", ""], "--ids: takes the place of --prompt and --explain"),
    (["--ids", "ids.txt", "--vocab-size", "5"], "ids.txt: line 2: '5' is no token id from 0 to 4"),
    (["--vocab-size", "5"], "--vocab-size: is for training a new model with --ids"),
    (["--load", "saved", "--n-layer", "1"], "--n-layer: a saved model has its own sizes"),
    (["--resume", "saved", "--block-size", "16"], "--block-size: a saved model has its own sizes"),
    (["--save-every", "5"], "--save-every: where? give --save DIR"),
    (["--load", "saved", "--test"], "--test: nothing to do with --load alone; give --steps or --data"),
    (["--load", "saved", "--explain", "a"], "--explain: nothing to do with --load alone; give --steps"),
    (["--load", "gpt2", "--ids", "big.txt"], "big.txt: line 1: '5' is no token id from 0 to 4"),
    (["--load", "gpt2", "--ids", "big.txt", "--steps", "3"], "big.txt: line 1: '5' is no token id from"),
    (["--save", "names.txt"], "names.txt: File exists; name a folder to save in"),
    (["--save", "gpt2"], "gpt2: holds another model; name another folder, or remove it"),
    (["--save-every", "0"], "argument --save-every: must be a whole number from 1 to 10^9, not '0'"),
    (["--top-p", "0"], "argument --top-p: must be a number above 0, not '0'"),
    (["--max-new-tokens", "-1"], "argument --max-new-tokens: must be a whole number from 0")])
def test_bad_models_and_ids_get_one_line(args, message, saved, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved, "saved")
    for folder, config, change in (("gpt2", CONFIG, None), ("damaged", CONFIG, nan_in("wte.weight")),
                                   ("chars", {**CONFIG, "characters": "abba"}, None),
                                   ("noend", {**CONFIG, "eos_token_id": 9}, None),
                                   ("order", {**CONFIG, "characters": "abdc"}, None),
                                   ("nochars", {**CONFIG, "characters": ""}, None),
                                   ("other", {**CONFIG, "characters": "abcd", "boundary": 4}, None),
                                   ("edge", {**CONFIG, "boundary": -1}, None)):
        hugging_face(tmp_path / folder, config=config, change=change)
    for name, text in (("names.txt", "anna\nbert\nclara\n"), ("digits.txt", "1\n2\n3\n"), ("ids.txt", IDS),
                       ("minus.txt", "1 2\n2 -3\n"), ("few.txt", "1 2 3\n4 5\n"), ("ids5.txt", "1 2\n" * 9),
                       ("nearly.txt", "1 " * 169), ("wide.txt", "1 2\n2 3\n999999 1\n4 5\n"), ("big.txt", "5\n1\n2\n")):
        write(tmp_path / name, text)
    before = {path: os.path.getmtime(path) for path, _, _ in os.walk(".")}
    scripts.check_refused(gpt.main, "gpt.py", args, message, capsys)
    assert {path: os.path.getmtime(path) for path, _, _ in os.walk(".")} == before


def test_a_folder_that_fills_up_while_training(tmp_path, capsys, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gpt.os, "fsync", full)
    scripts.check_refused(gpt.main, "gpt.py", ["--steps", "2", *TINY, "--save", str(tmp_path / "m")],
                          "config.json: No space left on device; name a folder that can be written", capsys)
