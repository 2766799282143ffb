"""Each lesson run as a script: what cannot be used is said in one line, and Ctrl-C ends training."""
import os
import signal
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENT = {**os.environ, "PYTHONIOENCODING": "utf-8"}
# the options that begin a long training, and how the line begins after which it has begun
TRAINING = {"micrograd": ([], "two moons"), "bigram": ([], "the same as a network")}
WRONG = ["--lr 0", "--lr nan", "--steps -1", "--steps 1.5", "--seed x", "more", "--lr 1e300",
         "--data nothing", "--data bytes", "--data two"]


@pytest.mark.parametrize("lesson, args", [(lesson, args) for lesson in TRAINING for args in WRONG])
def test_what_cannot_be_used_gets_one_line(lesson, args, tmp_path):
    (tmp_path / "bytes").write_bytes(b"ab\ncd\n\xff\n")
    (tmp_path / "two").write_bytes(b"ab\n\ncd\n")
    done = subprocess.run([sys.executable, os.path.join(ROOT, f"{lesson}.py"), *args.split()],
                          capture_output=True, text=True, encoding="utf-8", cwd=tmp_path,
                          env=ENVIRONMENT, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().split("\n")[-1].startswith(f"{lesson}.py: error: ")


@pytest.mark.skipif(os.name != "posix", reason="needs signals as POSIX has them")
@pytest.mark.parametrize("lesson", TRAINING)
def test_ctrl_c_ends_training_and_goes_on(lesson):
    options, line = TRAINING[lesson]
    process = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, f"{lesson}.py"), "--steps", "1000000", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=ENVIRONMENT, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while not process.stdout.readline().startswith(line):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0 and "stopped at step" in error and "\ndev loss " in out
