"""Each lesson as a script: a line says what cannot be used, and Ctrl-C ends training."""
import importlib
import os
import signal
import time

import pytest

from helpers import numbers_in, start

# {lesson that prints a line "step ..." after its first step: options for a short evaluation}.
# mlp.py needs none, because it evaluates equal contexts only once.
STEPPING = {"mlp": (), "wavenet": ("--eval-docs", "300"), "gpt": ("--eval-docs", "300")}
# {lesson that Ctrl-C simply ends: how the last line before its training begins}
SHORT = {"micrograd": "two moons", "bigram": "the same as a network"}
needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")

# --- what cannot be used ---

# \xff occurs in no UTF-8; "two" has two documents and a blank line, and a lesson needs 10
FILES = {"bytes": b"ab\ncd\n\xff\n", "two": b"ab\n\ncd\n", "empty": b"\n"}
# {options: a part of the error about them}
COMMON = {"--lr 0": "lr", "--lr nan": "lr", "--steps -1": "steps", "more": "arguments: more",
          "--steps 1.5": "int value: '1.5'", "--seed x": "int value: 'x'",
          "--lr 1e300 --steps 9": "too large"}
# the same, for each lesson that reads a file; there is no file "nothing"
DATA = {"--data nothing": "nothing", "--data .": "directory: '.'",
        "--data bytes": "bytes: 'utf-8' codec",
        "--data two": "2 documents", "--data empty": "0 documents"}
# {lesson: {options: a part of the error}}. These come on top of COMMON. If options are in both,
# this error counts: gpt.py lets argparse read numbers with its own number(), not with int(). Its
# --n-embd is 24 (channels) and its --block-size 16 (the longest context) if they are not given.
# mlp.py --compare has a training of its own, so a rate is tried there, too. With 900, the loss soon
# passes 1000, where training ends.
WRONG = {"micrograd": {"--n-hidden 0": "n-hidden", "--data two": "arguments: --data two"},
         "bigram": {**DATA, "--samples -1": "samples"},
         "mlp": {**DATA, "--n-embd 0": "n_embd: must be above 0",
                 "--norm group": "invalid choice: 'group'",
                 "--batch-size 1": "--norm batch", "--compare --lr 900": "--lr is too large",
                 "--by-hand --n-layer 2": "--by-hand"},
         "wavenet": {**DATA, "--n-embd 0": "n_embd: must be above 0",
                     "--block-size 6": "choose from 2"},
         "gpt": {**DATA, "--n-embd 0": "number value: '0'",
                 "--n-head 5": "5 heads cannot share 24 channels",
                 "--steps 1.5": "number value: '1.5'", "--seed x": "number value: 'x'",
                 "--block-size -1": "number value: '-1'",
                 "--lr 1e300 --steps 9": "number value: '1e300'", "--ids two": "2 documents",
                 "--prompt aaaaabbbbbcccccdd": "longer than the context",  # 17 letters
                 "--prompt É": "'É' has a part that this network does not know",
                 "--load .": ".: no GPT-2", "--load bytes": "bytes: no GPT-2"}}


@pytest.mark.parametrize("lesson, args, message", [
    (lesson, args, message) for lesson in WRONG
    for args, message in {**COMMON, **WRONG[lesson]}.items()])
def test_options_and_files_that_cannot_be_used_give_status_2_and_one_line_that_says_why(
        lesson, args, message, tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    process = start(lesson, *args.split(), cwd=tmp_path)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.count("error: ") == 1
    assert "Traceback" not in error
    line = error.strip().split("\n")[-1]  # the last one; argparse prints the usage before it
    assert line.startswith(f"{lesson}.py: error: ")
    assert message in line


# --- training ---

@pytest.mark.parametrize("lesson", STEPPING)
def test_main_gives_train_only_the_documents_of_the_training_part(lesson, tmp_path, monkeypatch):
    module = importlib.import_module(lesson)
    letters = "abcdefghijklmnopqrst"  # each is a document, and its place here is its id
    path = tmp_path / "data"
    path.write_text("\n".join(letters), "utf-8")
    learned = []  # what train() is given
    monkeypatch.setattr(module, "train", lambda model, part, *others: learned.append(part))
    module.main(["--data", str(path), "--samples", "0"])
    train, dev, test = module.split(letters)
    boundary = len(letters)  # the first id that belongs to no letter
    assert set(numbers_in(learned)) == {boundary, *module.encode(train, letters)}


def start_training(lesson, line, *options):
    """Return the process of a lesson that has just printed a line that begins so.

    A million steps would take hours, so it ends early only by Ctrl-C. SIG_DFL lets it receive
    Ctrl-C even if the tests run in the background, where a shell may switch it off.
    """
    process = start(lesson, "--steps", "1000000", *options,
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while not process.stdout.readline().startswith(line):
        assert process.poll() is None  # it has not ended
    return process


def press_ctrl_c_while_training(lesson, *options):
    """Return the process of a lesson that has just said that it stopped at a step."""
    process = start_training(lesson, "step", *options)
    process.send_signal(signal.SIGINT)  # what Ctrl-C does
    while "stopped at step" not in process.stderr.readline():
        assert process.poll() is None
    return process


@needs_signals
@pytest.mark.parametrize("lesson", STEPPING)
def test_ctrl_c_ends_training_and_the_lesson_goes_on_to_its_end(lesson):
    process = press_ctrl_c_while_training(lesson, *STEPPING[lesson])
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in error
    assert "\ndev loss " in out


@needs_signals
@pytest.mark.parametrize("lesson", STEPPING)
def test_a_second_ctrl_c_ends_the_lesson_without_a_traceback(lesson):
    process = press_ctrl_c_while_training(lesson)  # it now evaluates, which takes long
    time.sleep(0.2)  # Python 3.12 ignores a signal that comes during print()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130  # 128 + 2, the number of SIGINT, as in a shell
    assert "Traceback" not in error


@needs_signals
@pytest.mark.parametrize("lesson", SHORT)
def test_ctrl_c_ends_a_short_lesson_without_a_traceback(lesson):
    process = start_training(lesson, SHORT[lesson])
    time.sleep(0.2)  # Python 3.12 ignores a signal that comes during print()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)  # of a training that would take hours
    assert process.returncode == 130  # 128 + 2, the number of SIGINT, as in a shell
    assert error == ""
