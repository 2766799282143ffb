"""Lets the tests import the lessons; and keeps the score of a handout (see handout.py).

A handout has a list of its exercises in exercises.txt. There, only their tests run. Each mistake
gets one line, and the last lines say which exercises are done. A test that meets a blank is skipped
without a word. Where there is no such list, nothing of this happens.
"""
import contextlib
import os
import re
import signal
import sys
import textwrap

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 10  # after which a test in a handout is taken for endless
COLUMNS = 150  # of a mistake's line
sys.path.insert(0, os.path.dirname(HERE))
pytest.register_assert_rewrite("helpers")  # so its asserts say what they compare, too

titles = {}  # {"1.3": the exercise's title}; it is empty outside of a handout
passed = {}  # {"1.3": [whether each of its tests passed]}
endless = set()  # the exercises with a test that did not come to an end
needed = {}  # {"1.3": the numbers of other exercises whose blanks its tests met}
mistakes = []  # a line for each
if os.path.exists(os.path.join(HERE, "exercises.txt")):
    with open(os.path.join(HERE, "exercises.txt"), encoding="utf-8") as file:
        for line in file:
            number, title = line.strip().split(" ", 1)
            titles[number] = title


def numbers_of(item):
    """Return the numbers of the exercises that a test is about."""
    return {mark.args[0] for mark in item.iter_markers("exercise")}


def pytest_configure(config):
    config.addinivalue_line("markers", "exercise(number): the test is about this exercise")
    if titles:
        if config.option.tbstyle == "auto":  # --tb=short shows where a test failed
            config.option.tbstyle = "no"
        config.option.reportchars = ""
        config.option.continue_on_collection_errors = True


def pytest_collection_modifyitems(items):
    if titles:
        items[:] = [item for item in items if numbers_of(item) & titles.keys()]


@contextlib.contextmanager
def limited_time(numbers=()):
    """In a handout, stop what does not come to an end, and note the numbers of its exercises."""
    def stop(*_):
        endless.update(numbers)
        pytest.fail(f"not finished after {SECONDS} seconds: an endless loop?")

    if not titles or not hasattr(signal, "SIGALRM"):
        yield
        return
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    with limited_time():  # a lesson can have an endless loop outside of its functions
        outcome = yield
    if titles and isinstance(outcome.exception, SystemExit):  # pytest itself would end, too
        mistakes.append(f"{collector.name}: the lesson ends while it is imported")
        outcome.force_result(pytest.CollectReport(collector.nodeid, "failed", "", []))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    numbers = numbers_of(item)
    if numbers & endless:
        pytest.skip("another test of this exercise did not come to an end")
    with limited_time(numbers):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In a handout, skip a test that meets a blank, and count the results of each exercise."""
    outcome = yield
    report = outcome.get_result()
    if not titles:
        return
    numbers = numbers_of(item)
    if call.excinfo and call.excinfo.errisinstance(NotImplementedError):
        message = str(call.excinfo.value)
        report.outcome = "skipped"
        report.longrepr = (item.nodeid, 0, message)  # a skipped test has a file, a line, a reason
        for number in numbers:
            others = set(re.findall(r"exercise (\d+\.\d+):", message)) - {number}
            needed.setdefault(number, set()).update(others)
    if call.when == "call" or not report.passed:
        for number in numbers:
            passed.setdefault(number, []).append(report.passed)


def pytest_exception_interact(node, call, report):
    """In a handout, describe a failed test, or a lesson that cannot be imported, in one line."""
    if not report.failed:
        return
    error = call.excinfo.value
    if isinstance(error, pytest.Collector.CollectError) and error.__cause__:
        error = error.__cause__
    kind = type(error).__name__
    text = str(error) or kind
    if not isinstance(error, (AssertionError, pytest.fail.Exception)) and text != kind:
        text = f"{kind}: {text}"
    mistakes.append(textwrap.shorten(f"{node.name}: {text}", COLUMNS, placeholder=" ..."))


def is_done(number):
    """Return whether all tests of an exercise passed, and there were any."""
    return number in passed and all(passed[number])


def pytest_sessionfinish(session):
    """In a handout, end with status 1 if an exercise is not done, for those who grade by it."""
    if not all([is_done(number) for number in titles]):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if not titles:
        return
    for line in ["", *mistakes]:
        terminalreporter.write_line(line)
    for number, title in titles.items():
        state = "not yet"
        if is_done(number):
            state = "done"
        elif needed.get(number):
            state = f"not yet: needs {', '.join(sorted(needed[number]))} in the same file"
        terminalreporter.write_line(f"{number:5}{title:50}{state}")
