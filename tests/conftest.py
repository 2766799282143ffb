"""Lets the tests import the lessons; and keeps the score of a handout (see handout.py).

A handout has a list of its exercises in exercises.txt. There, only their tests run, and the last
lines say which exercises are done. Where there is no such list, nothing of this happens.
"""
import os
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 10  # after which a test in a handout is taken for endless
sys.path.insert(0, os.path.dirname(HERE))
titles, passed = {}, {}  # {"1.3": its title}; {"1.3": [whether each of its tests passed]}
if os.path.exists(os.path.join(HERE, "exercises.txt")):
    with open(os.path.join(HERE, "exercises.txt"), encoding="utf-8") as file:
        titles = dict(line.strip().split(" ", 1) for line in file)


def numbers_of(item):
    """The numbers of the exercises that a test is about."""
    return {mark.args[0] for mark in item.iter_markers("exercise")}


def pytest_configure(config):
    config.addinivalue_line("markers", "exercise(number): the test is about this exercise")
    if titles:
        config.option.tbstyle = "line"  # a mistake gets one line
        config.option.continue_on_collection_errors = True
        if hasattr(config.option, "reportchars"):
            config.option.reportchars = ""


def pytest_collection_modifyitems(items):
    if titles:
        items[:] = [item for item in items if numbers_of(item) & titles.keys()]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """In a handout, stop a test that does not come to an end."""
    def stop(*_):
        pytest.fail(f"not finished after {SECONDS} seconds: an endless loop?", pytrace=False)

    limited = titles and hasattr(signal, "SIGALRM")
    if limited:
        signal.signal(signal.SIGALRM, stop)
        signal.alarm(SECONDS)
    yield
    if limited:
        signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In a handout, a test that meets a blank is skipped, without a word; and every result counts."""
    report = (yield).get_result()
    if titles and call.when == "call":
        if call.excinfo and call.excinfo.errisinstance(NotImplementedError):
            report.outcome, report.longrepr = "skipped", (item.nodeid, 0, str(call.excinfo.value))
        for number in numbers_of(item):
            passed.setdefault(number, []).append(report.outcome == "passed")


def is_done(number):
    """Whether all tests of an exercise passed, and there were any."""
    return number in passed and all(passed[number])


def pytest_sessionfinish(session):
    """In a handout, end with status 1 if an exercise is not done, for those who grade by it."""
    if not all([is_done(number) for number in titles]):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for number, title in titles.items():
        state = "done" if is_done(number) else "not yet"
        terminalreporter.write_line(f"{number:5}{title:50}{state}")
