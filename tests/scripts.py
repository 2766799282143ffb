"""What is asked of every lesson when it is run as a script. Each test file calls these."""
import io
import os
import re
import signal
import subprocess
import sys
from functools import partial

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
UTF_8 = {**os.environ, "PYTHONIOENCODING": "utf-8"}  # what a lesson prints, wherever it runs
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and pipes as POSIX has them")
full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"),
                               reason="needs a disk that is always full")


def command(lesson, *args):
    """How a user would start the lesson."""
    return [sys.executable, os.path.join(ROOT, lesson), *args]


def run(lesson, *args, **kwargs):
    """The finished process of a lesson, run with these arguments."""
    kwargs.setdefault("env", UTF_8)
    return subprocess.run(command(lesson, *args), capture_output=True, text=True,
                          encoding="utf-8", timeout=60, **kwargs)


def start(lesson, *args, **kwargs):
    """The running process of a lesson, its output in pipes. It minds Ctrl-C even if we must not."""
    kwargs.setdefault("env", UTF_8)
    if kwargs.get("text"):
        kwargs.setdefault("encoding", "utf-8")
    return subprocess.Popen(command(lesson, *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL), **kwargs)


def write(path, text, encoding="utf-8"):
    """Writes a file, of text or of bytes; returns its path as a string."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return str(path)


def check_refused(main, lesson, args, message, capsys):
    """main(args) must end with status 2, nothing printed, and one line of error with `message`."""
    with pytest.raises(SystemExit) as stopped:
        main(args)
    out, error = capsys.readouterr()
    assert stopped.value.code == 2
    last = error.rstrip("\n").split("\n")[-1]
    assert last.startswith(f"{lesson}: error: ") and message in last
    assert "Traceback" not in error
    return out


def check_ctrl_c(lesson, args, ready, after, endless):
    """Ctrl-C must end training and go on to print `after`; a second one must quit.

    ready: the start of the last line printed before training; endless: arguments that make what
    comes after training last long, and the start of a line that it prints, or None if nothing can.
    """
    for more, until in (((), None), endless) if endless else (((), None),):
        process = start(lesson, *args, "--steps", "1000000", *more, text=True, encoding="utf-8")
        while not process.stdout.readline().startswith(ready):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        while not (line := process.stderr.readline()).startswith("stopped"):
            assert process.poll() is None
        assert re.match(r"stopped at step \d{1,6} of 1000000; Ctrl-C again quits\n", line)
        if until:
            while not process.stdout.readline().startswith(until):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
        assert process.returncode == (130 if until else 0) and "Traceback" not in error
        assert until or after in out


def check_quits(lesson, args, ready):
    """Ctrl-C outside of training must quit, with status 130 as the shell has it."""
    process = start(lesson, *args, text=True, encoding="utf-8",
                    env={**os.environ, "PYTHONUNBUFFERED": "1"})
    while not process.stdout.readline().startswith(ready):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in error


def check_closed_outputs(lesson, args):
    """Standard output or error closed by the shell, as with >&-, is no error of ours."""
    for closed in (">&-", "2>&-"):
        done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {closed}', *command(lesson, *args)],
                              capture_output=True, text=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0 and "Traceback" not in done.stderr


def check_reader_leaves(lesson, args):
    """Printing into a pipe that nobody reads any more, as with `| head -1`, is no error."""
    for unbuffered in ("", "1"):
        process = start(lesson, *args, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait(timeout=60) == 1
        assert b"Traceback" not in error and b"ignored" not in error


def check_full_disk(lesson, args):
    """A disk that fills up gets one line, met in the midst of printing or at the very end."""
    for some in (args, ["--help"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(command(lesson, *some), stdout=full, stderr=subprocess.PIPE,
                                  text=True, encoding="utf-8", timeout=60,
                                  env={**os.environ, "PYTHONUNBUFFERED": ""})
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert done.stderr.strip().split("\n")[-1].startswith(
            f"{lesson}: error: the output cannot be written: ")


class Terminal(io.StringIO):
    """A file that takes itself for a terminal."""

    def isatty(self):
        return True


def check_progress_on_a_terminal(main, args, last, monkeypatch):
    """Progress must be one line, rewritten, that fits a narrow terminal; `last` is its last text."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    main(args)
    text = screen.getvalue()
    assert "\n" not in text and text.count("\r") >= 20
    assert re.search(rf"\r{last} +\r", text)
    assert text.endswith("\r" + " " * 60 + "\r")  # wiped when done
    monkeypatch.setenv("COLUMNS", "30")
    main(args)
    assert max(map(len, screen.getvalue()[len(text):].split("\r"))) == 29
