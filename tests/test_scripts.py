"""Each lesson as a script: a line says what cannot be used, and Ctrl-C ends training."""
import importlib
import os
import signal
import time

import pytest

from gpt import encode
from helpers import start

# how the line begins after which a training has begun, and what it takes to get there soon
BEGUN = {"mlp": ("step",),
         "wavenet": ("step", "--eval-docs", "300"), "gpt": ("step", "--eval-docs", "300")}
# lessons of a few seconds, which Ctrl-C ends, and how the line before their training begins
SHORT = {"micrograd": "two moons", "bigram": "the same as a network"}
COMMON = {"--lr 0": "", "--lr nan": "", "--steps -1": "", "--steps 1.5": "int value: '1.5'",
          "--seed x": "int value: 'x'", "more": "arguments: more",
          "--lr 1e300 --steps 9": "too large"}
DATA = {"--data nothing": "nothing", "--data .": "directory: '.'",
        "--data bytes": "bytes: 'utf-8' codec",
        "--data two": "2 documents", "--data empty": "0 documents"}
WRONG = {"micrograd": {"--n-hidden 0": "n-hidden", "--data two": "arguments: --data two"},
         "bigram": {**DATA, "--samples -1": "samples"},
         "mlp": {**DATA, "--n-embd 0": "n_embd: must be above 0",
                 "--norm group": "invalid choice: 'group'",
                 "--batch-size 1": "--norm batch", "--diagnose --lr 900": "--lr is too large",
                 "--by-hand --n-layer 2": "--by-hand"},
         "wavenet": {**DATA, "--n-embd 0": "n_embd: must be above 0",
                     "--block-size 6": "choose from 2"},
         "gpt": {**DATA, "--n-embd 0": "number value: '0'",
                 "--n-head 5": "5 heads cannot share 24 channels",
                 "--steps 1.5": "number value: '1.5'", "--seed x": "number value: 'x'",
                 "--block-size -1": "number value: '-1'",
                 "--lr 1e300 --steps 9": "number value: '1e300'", "--ids two": "2 documents",
                 "--prompt aaaaabbbbbcccccdd": "longer than the context",
                 "--prompt É": "'É' has a part that this network does not know",
                 "--load .": ".: no GPT-2", "--load bytes": "bytes: no GPT-2"}}


@pytest.mark.parametrize("lesson, args, message", [
    (lesson, args, message) for lesson in WRONG
    for args, message in {**COMMON, **WRONG[lesson]}.items()])
def test_what_cannot_be_used_gets_one_line(lesson, args, message, tmp_path):
    for name, data in (("bytes", b"ab\ncd\n\xff\n"), ("two", b"ab\n\ncd\n"), ("empty", b"\n")):
        (tmp_path / name).write_bytes(data)
    process = start(lesson, *args.split(), cwd=tmp_path)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and error.count("error: ") == 1 and "Traceback" not in error
    line = error.strip().split("\n")[-1]
    assert line.startswith(f"{lesson}.py: error: ") and message in line


def numbers_in(data):
    """Return the set of all numbers in nested lists and tuples."""
    if isinstance(data, int):
        return {data}
    return set().union(*[numbers_in(part) for part in data])


@pytest.mark.parametrize("lesson", BEGUN)
def test_only_the_part_for_training_is_learned(lesson, tmp_path, monkeypatch):
    module = importlib.import_module(lesson)
    letters = "abcdefghijklmnopqrst"  # each is a document
    path = tmp_path / "data"
    path.write_text("\n".join(letters), "utf-8")
    learned = []
    monkeypatch.setattr(module, "train", lambda model, part, *others: learned.append(part))
    module.main(["--data", str(path), "--samples", "0"])
    boundary = {len(letters)}
    assert numbers_in(learned) == boundary | set(encode(module.split(letters)[0], letters))


@pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")
@pytest.mark.parametrize("lesson", BEGUN)
def test_ctrl_c_ends_training_and_goes_on_and_a_second_one_quits(lesson):
    line, *short_evaluation = BEGUN[lesson]
    for code in (0, 130):
        options = [] if code else short_evaluation  # a second Ctrl-C must not come too late
        process = start(lesson, "--steps", "1000000", *options,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        while not process.stdout.readline().startswith(line):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        while "stopped a" not in process.stderr.readline():
            assert process.poll() is None
        if code:
            time.sleep(0.2)  # Python 3.12 ignores a signal that comes during print()
            process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
        assert process.returncode == code and "Traceback" not in error
        assert code or "\ndev loss " in out


@pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")
@pytest.mark.parametrize("lesson", SHORT)
def test_ctrl_c_ends_a_short_lesson_without_a_traceback(lesson):
    process = start(lesson, "--steps", "1000000",
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while not process.stdout.readline().startswith(SHORT[lesson]):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error == ""
