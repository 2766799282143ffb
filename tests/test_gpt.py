"""gpt.py: every gradient against finite differences, the network against facts, the script as run."""
import doctest
import itertools
import json
import math
import os
import random
import struct
import subprocess
import sys
from array import array

import pytest

import gpt
import gradcheck
from gpt import Tensor

exercise = pytest.mark.exercise
SIZES = {"vocab_size": 5, "n_positions": 4, "n_layer": 2, "n_head": 2, "n_embd": 4, "eos_token_id": 4}


def matrix(rng, n, m, spread=1.0):
    return Tensor([[rng.gauss(0, spread) for _ in range(m)] for _ in range(n)])


def vector(rng, n):
    return Tensor(matrix(rng, 1, n).data[0])


def weighed(out, seed=7):
    """A scalar that every number in the matrix `out` has a say in, each with its own weight."""
    weights = matrix(random.Random(seed), *out.shape).data
    total = sum(w * x for ws, row in zip(weights, out.data) for w, x in zip(ws, row))
    return Tensor(total, (out,), lambda grad: ([[grad * w for w in ws] for ws in weights],))


def close(a, b, tolerance=1e-12):
    return len(a) == len(b) and all(p == pytest.approx(q, abs=tolerance) for p, q in zip(a, b))


def tiny(**sizes):
    """A model small enough to nudge each weight, its biases and scales not at 0 and 1."""
    config, rng = {**SIZES, **sizes}, random.Random(3)
    model = gpt.GPT(gpt.first_weights(config, seed=3), config)
    for p in model.params.values():
        for row in gpt.as_rows(p.data):
            row[:] = [w + rng.gauss(0, 0.3) for w in row]
    return model


def sines(**sizes):
    """A model whose k-th parameter by name holds 0.5 sin(3 k + i) at its i-th place in GPT-2's own
    layout, with 1 added to a layer norm's weights."""
    config = {**SIZES, **sizes}
    model = gpt.GPT(gpt.first_weights(config, seed=0), config)
    for k, (name, p) in enumerate(sorted(model.params.items())):
        numbers = (0.5 * math.sin(3 * k + i) + ("ln_" in name and name.endswith("weight"))
                   for i in itertools.count())
        shape = p.shape[::-1] if ".c_" in name else p.shape
        rows = [[next(numbers) for _ in range(shape[-1])] for _ in range(math.prod(shape[:-1]))]
        p.data = rows[0] if len(shape) == 1 else gpt.transpose(rows) if ".c_" in name else rows
    return model


# --- gradients ---

def of(operation, *shapes, number=None):
    return pytest.param(operation, shapes, marks=exercise(number) if number else ())


@pytest.mark.parametrize("operation, shapes", [
    of(lambda a, b: a + b, (4, 3), (4, 3)),
    of(lambda a: a + a, (2, 3)),
    of(lambda w: gpt.embedding(w, [0]), (5, 3), number="5.1"),
    of(lambda w: gpt.embedding(w, [4, 0, 3, 0]), (5, 3), number="5.1"),
    of(gpt.linear, (1, 4), (3, 4), (3,)), of(gpt.linear, (5, 2), (7, 2), (7,)),
    of(gpt.layer_norm, (5, 9), (9,), (9,)),
    of(gpt.gelu, (4, 3), number="5.2"),
    *(of(lambda qkv, n_head=n_head, lengths=lengths: gpt.attention(qkv, n_head, lengths),
         (sum(lengths), 3 * n_embd), number="5.7")
      for n_head, n_embd in ((1, 3), (2, 4), (3, 3)) for lengths in ([1], [4], [2, 1, 3]))])
def test_gradients(operation, shapes):
    rng = random.Random(sum(map(sum, shapes)))
    tensors = [vector(rng, *shape) if len(shape) == 1 else matrix(rng, *shape) for shape in shapes]
    gradcheck.check(lambda: weighed(operation(*tensors)),
                    {f"input {i}": tensor for i, tensor in enumerate(tensors, start=1)})


def test_gradient_of_cross_entropy():
    logits = matrix(random.Random(6), 6, 4, spread=2)

    def tripled():  # as part of something larger, the loss has a gradient other than 1
        loss = gpt.cross_entropy(logits, [3, 0, 1, 1, 0, 2])
        return Tensor(3 * loss.data, (loss,), lambda grad: (3 * grad,))
    gradcheck.check(tripled, {"logits": logits})


def test_gradient_of_every_parameter_of_a_model_of_two_layers():
    model = tiny()
    ids, targets, lengths = [0, 3, 1, 0, 4, 4, 2], [3, 1, 0, 4, 4, 2, 0], [3, 4]
    count = gradcheck.check(lambda: gpt.cross_entropy(model(ids, lengths), targets), model.params)
    # token and position embeddings; per block 12 n^2 weights, 9 n biases, 2 norms; the last norm
    assert count == 5 * 4 + 4 * 4 + 2 * (12 * 16 + 9 * 4 + 4 * 4) + 2 * 4


def test_what_does_not_fit_is_refused():
    x, y, three = Tensor([[1.0, 2.0]]), Tensor([[1.0], [2.0]]), Tensor([1.0] * 3)
    assert (x.shape, y.shape, three.shape, Tensor(1.0).shape) == ((1, 2), (2, 1), (3,), ())
    for call in (lambda: x + y, lambda: gpt.linear(x, y, three), lambda: gpt.linear(x, x, three),
                 lambda: gpt.layer_norm(x, three, three), lambda: gpt.embedding(x, [-1]),
                 lambda: gpt.embedding(x, [1]), lambda: gpt.attention(Tensor([[1.0] * 6] * 3), 1, [2]),
                 lambda: gpt.cross_entropy(x, [2]), lambda: gpt.cross_entropy(x, [-1]),
                 lambda: gpt.cross_entropy(x, [0, 1]), x.backward, lambda: tiny(n_head=3),
                 lambda: tiny()([0] * 5), lambda: tiny()([5])):
        with pytest.raises(ValueError):
            call()


@exercise("5.1")
def test_embedding_looks_up_rows():
    out = gpt.embedding(Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), [2, 0, 2])
    assert out.data == [[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]]


@exercise("5.2")
def test_gelu_is_pytorchs():
    x = [0.0, 1.0, -1.0, 3.0, 0.5, 1000.0, -1000.0]
    assert gpt.gelu(Tensor([x])).data[0] == pytest.approx(
        [0.0, 0.8411919906082768, -0.15880800939172324, 2.996362607918227, 0.34571400982514394,
         1000.0, 0.0], abs=1e-12)


@exercise("5.3")
def test_no_row_of_causal_softmax_sees_what_comes_later():
    assert gpt.softmax([-1e6, 1e6]) == [0.0, 1.0]
    log2, log3 = math.log(2), math.log(3)
    weights = gpt.causal_softmax([[0.0, 9.0, 9.0], [log3, 0.0, 9.0], [0.0, log2, 0.0]], 1.0)
    assert close(weights, [[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.25, 0.5, 0.25]])
    assert close(gpt.causal_softmax([[0.0, 0.0], [2 * log3, 0.0]], 0.5), [[1.0, 0.0], [0.75, 0.25]])
    assert gpt.causal_softmax([[-1e4, 1e4], [1e4, -1e4]], 1.0) == [[1.0, 0.0], [1.0, 0.0]]


def test_attention_worked_by_hand():
    # One head of one channel. q = 1 everywhere, so position 1 weighs keys 0 and log 3 as 1 : 3.
    maps, qkv = [], Tensor([[1.0, 0.0, 10.0], [1.0, math.log(3), 20.0]])
    assert close(gpt.attention(qkv, 1, [2], maps).data, [[10.0], [17.5]], 1e-9)
    assert close(maps[0], [[1.0, 0.0], [0.25, 0.75]])


@exercise("5.6")
def test_a_token_looks_at_itself_and_those_before():
    rng, n_head, size, n_embd, keys, values = random.Random(15), 3, 2, 6, [], []
    for t in range(5):
        row = matrix(rng, 1, 3 * n_embd).data[0]
        mixed = gpt.attend(row, n_head, keys, values)
        assert len(keys) == len(values) == t + 1 and (keys[t], values[t]) == (row[6:12], row[12:])
        for c in range(0, n_embd, size):
            head = slice(c, c + size)
            scores = [sum(x * y for x, y in zip(row[head], key[head])) / math.sqrt(size) for key in keys]
            exps = [math.exp(score - max(scores)) for score in scores]
            for i in range(c, c + size):
                expected = sum(e * v[i] for e, v in zip(exps, values)) / sum(exps)
                assert mixed[i] == pytest.approx(expected, abs=1e-9)


def test_attention_is_attend_row_by_row():
    rows, out = matrix(random.Random(4), 6, 12).data, []
    for length, start in ((4, 0), (2, 4)):
        keys, values = [], []
        out += [gpt.attend(row, 2, keys, values) for row in rows[start:start + length]]
    assert close(gpt.attention(Tensor(rows), 2, [4, 2]).data, out)


def test_cross_entropy():
    loss = lambda row, target: gpt.cross_entropy(Tensor([row]), [target]).data
    assert loss([math.log(3), 0.0], 1) == pytest.approx(math.log(4))
    assert (loss([0.0, 1e4], 0), loss([0.0, 1e4], 1)) == (1e4, 0.0)  # far beyond where exp works


# --- the network ---

def test_the_network_is_gpt2():
    """Logits, loss and gradients that Hugging Face's GPT2LMHeadModel gave in float64."""
    model = sines(vocab_size=7, n_positions=6, n_embd=8)
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
        grads = gpt.as_rows(model.params[name].grad)
        grads = gpt.transpose(grads) if ".c_" in name else grads
        assert math.hypot(*(g for row in grads for g in row)) == pytest.approx(length, abs=1e-11)
        assert grads[0][1] == pytest.approx(second, abs=1e-12)


def test_first_weights():
    params = gpt.first_weights({"vocab_size": 50, "n_positions": 50, "n_layer": 2, "n_embd": 48}, 1)
    for name, spread in (("wte", 1.0), ("wpe", 1.0), ("h.0.attn.c_attn", 0.55), ("h.1.mlp.c_fc", 0.55),
                         ("h.0.attn.c_proj", 0.275), ("h.1.mlp.c_proj", 0.275)):
        rows = params[name + ".weight"].data
        spread_found = math.sqrt(sum(w * w for row in rows for w in row) / len(rows) / len(rows[0]))
        assert spread_found == pytest.approx(spread / math.sqrt(48), rel=0.05)
    assert set(params["h.0.ln_1.weight"].data) == set(params["ln_f.weight"].data) == {1.0}
    assert all(set(p.data) == {0.0} for name, p in params.items() if name.endswith("bias"))


def test_a_changed_token_changes_no_earlier_logit():
    model, ids = tiny(vocab_size=9, n_positions=8), [0, 5, 2, 7, 1, 3]
    before = model(ids).data
    for t in range(len(ids)):
        after = model(ids[:t] + [8] + ids[t + 1:]).data
        assert after[:t] == before[:t]
        assert all(after[i] != before[i] for i in range(t, len(ids)))


def test_the_memory_changes_nothing():
    model, ids = tiny(n_positions=9), [0, 3, 1, 4, 4, 2, 0, 1]
    for cut in (1, 3, 8):
        past = [([], []) for _ in range(2)]
        found = [model(ids[:cut], past=past).data[0]]
        found += [model([token], past=past).data[0] for token in ids[cut:]]
        assert close(found, model(ids).data[cut - 1:])


def test_a_batch_is_its_documents_taken_one_by_one():
    model, examples = tiny(), [[0, 3, 1, 0], [0, 4, 4, 2, 1], [0, 0]]
    alone = [gpt.loss_of(model, [ids]).data * (len(ids) - 1) for ids in examples]
    assert gpt.loss_of(model, examples).data == pytest.approx(sum(alone) / 8, abs=1e-12)
    assert gpt.evaluate(model, examples) == pytest.approx(sum(alone) / 8, abs=1e-12)


def stepped(data, grads, **options):
    """The numbers of a parameter after each of several AdamW steps, with lr 0.1."""
    p, found = Tensor(data), []
    p.m, p.v = ([[0.0] * len(row) for row in gpt.as_rows(data)] for _ in "mv")
    for t, p.grad in enumerate(grads, start=1):
        gpt.adamw_step([p], t, 0.1, **{"weight_decay": 0.01, **options})
        found += [list(row) for row in gpt.as_rows(p.data)]
        assert p.grad is None
    return found


@exercise("5.4")
def test_adamw_agrees_with_pytorch():
    first = stepped([1.0, 1.0, 1.0], [[0.001, -5.0, 2.0]])[0]
    assert first == pytest.approx([0.9, 1.1, 0.9], abs=1e-5)  # lr against the sign
    grads = [[0.5, -1.0], [-0.25, -1.0], [2.0, 0.125]]
    assert close(stepped([1.0, -2.0], grads),
                 [[0.9, -1.9], [0.8788863, -1.8], [0.80673417, -1.73408839]], 1e-6)
    assert close(stepped([[1.0, -2.0]], [[g] for g in grads[:2]], weight_decay=0.5),
                 [[0.85, -1.8], [0.7863863, -1.61]], 1e-6)  # only a matrix decays
    assert stepped([1.0], [[0.5], [-0.25]], beta1=0.0, beta2=0.0, eps=0.5)[1] == pytest.approx(
        [1 - 0.1 * 0.5 + 0.1 / 3])


def test_training_agrees_with_pytorch():
    """Losses with its AdamW in float64, gradients cut to 1 (at first 100 long), and this schedule."""
    examples = [[0, 3, 1, 0], [0, 4, 4, 2, 1, 5, 0], [0, 6, 0], [0, 2, 2, 5, 0]]
    model = sines(vocab_size=7, n_positions=6, n_embd=8)
    losses = list(gpt.train(model, examples, 24, 3, 0.01, 0.1))
    assert [losses[i] for i in (0, 1, 3, 12, 23)] == pytest.approx([
        3.5268761364401486, 3.1489568849248646, 2.562852344441629, 1.6414948366027324,
        1.5836990265360946], abs=1e-9)


@exercise("5.5")
@pytest.mark.parametrize("temperature, top_k, top_p, shares", [
    (1.0, None, 1.0, [0.5, 0.25, 0.125, 0.125]), (0.5, None, 1.0, [16 / 22, 4 / 22, 1 / 22, 1 / 22]),
    (1.0, 2, 1.0, [2 / 3, 1 / 3, 0, 0]), (1.0, None, 0.7, [2 / 3, 1 / 3, 0, 0]),
    (1.0, 3, 0.8, [2 / 3, 1 / 3, 0, 0]), (0.5, 9, 0.7, [1, 0, 0, 0]), (0, None, 1.0, [1, 0, 0, 0]),
    (1.0, None, 0.1, [1, 0, 0, 0])])
def test_choose_draws_in_proportion(temperature, top_k, top_p, shares):
    logits, rng = [math.log(8), math.log(4), math.log(2), math.log(1.999999)], random.Random(14)
    order = [2, 0, 3, 1]  # the likeliest is not the first
    shuffled = [logits[order.index(i)] for i in range(4)]
    drawn = [gpt.choose(shuffled, temperature, top_k, top_p, rng) for _ in range(2000)]
    for rank, share in enumerate(shares):
        assert drawn.count(order[rank]) / 2000 == pytest.approx(share, abs=0.045)
        assert (drawn.count(order[rank]) > 0) == (share > 0)


def test_generation_stops_where_it_must():
    model, ids, likeliest = tiny(), [0], lambda logits: logits.index(max(logits))
    for _ in range(4):
        ids.append(likeliest(model(ids).data[-1]))
    for new, model.boundary, expected in ((9, 9, ids[1:]), (2, 9, ids[1:3]), (9, ids[1], [])):
        assert list(gpt.generate(model, [0], new, likeliest)) == expected
    for bad in ([], [0] * 5):
        with pytest.raises(gpt.InputError):
            next(gpt.generate(model, bad, 9, likeliest))


# --- checkpoints ---

def test_a_folder_there_and_back(tmp_path):
    model = tiny(characters="abcd")
    gpt.save(tmp_path / "new" / "folder", model)
    loaded = gpt.load(tmp_path / "new" / "folder")
    assert loaded.config == model.config and sorted(tmp_path.rglob("*.part")) == []
    for name, p in model.params.items():
        for found, row in zip(gpt.as_rows(loaded.params[name].data), gpt.as_rows(p.data)):
            assert list(found) == array("f", row).tolist()  # to the last of 32 bits
    assert close(loaded([0, 3, 1]).data, model([0, 3, 1]).data, 1e-5)
    list(gpt.train(loaded, [[0, 3, 1, 0]], 2, 1, 0.01, 0.0))
    assert isinstance(loaded.params["wte.weight"].data[0], list)


def safetensors(model, dtype="F32", prefix=""):
    """model.safetensors as others write it, in another type and with a mask and a prefix."""
    def packed(numbers):
        if dtype == "BF16":
            return b"".join(struct.pack("<f", x)[2:] for x in numbers)
        return struct.pack(f"<{len(numbers)}{'e' if dtype == 'F16' else 'f'}", *numbers)

    header, data = {prefix + "h.0.attn.bias": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"\0"
    for name, p in model.params.items():
        rows = gpt.transpose(p.data) if ".c_" in name and len(p.shape) == 2 else gpt.as_rows(p.data)
        part = packed([x for row in rows for x in row])
        header[prefix + name] = {"dtype": dtype, "data_offsets": [len(data), len(data) + len(part)],
                                 "shape": p.shape[::-1] if ".c_" in name else p.shape}
        data += part
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("dtype, tolerance", [("F32", 1e-6), ("F16", 1e-2), ("BF16", 1e-1)])
def test_a_gpt2_from_elsewhere(dtype, tolerance, tmp_path):
    model = tiny()
    (tmp_path / "config.json").write_text(json.dumps({**SIZES, "model_type": "gpt2", "other": [1]}),
                                          encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(safetensors(model, dtype, "transformer."))
    assert close(gpt.load(tmp_path)([0, 3, 1]).data, model([0, 3, 1]).data, tolerance)
    for other in ({"n_head": 2.0}, {"n_head": -2}, {"n_head": 0}, {"n_layer": 1}, {"n_embd": "4"},
                  {"n_positions": None}, {"eos_token_id": None}, {"activation_function": "gelu"}):
        (tmp_path / "config.json").write_text(json.dumps({**SIZES, **other}), encoding="utf-8")
        with pytest.raises(gpt.InputError, match="no GPT-2 as it is here"):
            gpt.load(tmp_path)


def test_a_damaged_folder_gives_a_model_or_one_line(tmp_path, capsys):
    gpt.save(tmp_path, tiny(characters="abcd"))
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    rng, refused = random.Random(0), 0
    for _ in range(300):
        path = rng.choice(sorted(whole))
        head = min(len(whole[path]), 2500)  # the header
        at, data = rng.randrange(head), bytearray(whole[path])
        data[at] = rng.randrange(256)
        path.write_bytes(data if rng.random() < 0.9 else data[:at])
        try:
            gpt.main(["--load", str(tmp_path), "--samples", "1"])
        except (gpt.InputError, OSError) as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500
        path.write_bytes(whole[path])
    assert refused > 100


# --- the script ---

def start(*args):
    """The process of gpt.py, its input and its outputs in pipes."""
    return subprocess.Popen([sys.executable, gpt.__file__, *args], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            encoding="utf-8", env={**os.environ, "PYTHONIOENCODING": "utf-8"})


def run(*args, code=0, text=None):
    """What gpt.py prints, to standard output or, if it fails, to standard error, in one line."""
    process = start(*args)
    out, error = process.communicate(text, timeout=60)
    assert process.returncode == code and error.count("\n") == (code > 0), error
    return error if code else out


SMALL = ["--steps", "20", "--n-embd", "8", "--eval-docs", "20", "--samples", "3"]


def test_it_trains_evaluates_draws_and_samples():
    assert doctest.testmod(gpt).failed == 0
    out = run(*SMALL, "--test")
    losses = [float(line.split()[-1]) for line in out.split("\n") if " loss " in line[:11]]
    assert len(losses) == 3 and all(2 < loss < 3.5 for loss in losses)
    assert out.count("\nstep ") == 10 and out.startswith("step     1  loss 3.8") and "█" in out
    assert len(out.split("samples (")[1].strip().split("\n")) == 4
    assert run(*SMALL, "--test") == out != run(*SMALL, "--test", "--seed", "1")
    assert "step" not in run(*SMALL, "--samples", "0", "--eval-docs", "0", "--steps", "0")


def test_samples_from_the_data_are_marked(tmp_path):
    (tmp_path / "data").write_text("ab\n" * 30, "utf-8")
    out = run("--data", str(tmp_path / "data"), "--steps", "60", "--samples", "2", "--prompt", "a")
    assert out.endswith("\nab *\nab *\n")


def test_a_model_is_saved_sampled_from_and_trained_on(tmp_path):
    folder = str(tmp_path / "model")
    run(*SMALL, "--save", folder)
    texts = run("--load", folder, "--samples", "2", "--prompt", "ma").split()
    assert len(texts) == 2 and all(text.startswith("ma") for text in texts)
    more = run("--load", folder, *SMALL)  # goes on from what was learned
    assert float(more.split("loss")[1].split()[0]) < 3.5 and more.count("\nstep ") == 10
    assert run("--load", folder, "--prompt", "É", code=2).startswith("gpt.py: error: 'É'")


def test_ids_are_learned_and_continued_line_by_line(tmp_path):
    (tmp_path / "ids").write_text("5 6 7\n" * 30, "utf-8")
    folder = str(tmp_path / "model")
    run("--ids", str(tmp_path / "ids"), "--steps", "80", "--samples", "1", "--eval-docs", "5", "--save", folder)
    assert gpt.load(folder).config["vocab_size"] == 9  # 0 to 7, and the boundary
    process = start("--load", folder, "--ids", "-", "--temperature", "0")
    for line, answer in (("5", "5 6 7 \n"), ("", "5 6 7 \n"), ("5 6", "5 6 7 \n")):
        print(line, file=process.stdin, flush=True)
        assert process.stdout.readline() == answer  # before the next line comes
    out, error = process.communicate(timeout=60)
    assert (out, error, process.returncode) == ("", "", 0)
    for text in ("9", "x", "-1", "1.5", "1 " * 17):
        assert run("--load", folder, "--ids", "-", text=text + "\n", code=2).startswith("gpt.py: error: ")
