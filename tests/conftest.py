"""Lets the tests import the lessons, from wherever pytest is started; and keeps the score.

A handout (see handout.py) has a list of its exercises in exercises.txt. There only their tests run
unless others are named, and a table at the end says which exercises are done. Nothing of this
happens where there is no such list.
"""
import os
import re
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LIST = os.path.join(HERE, "exercises.txt")
BLANK = re.compile(r'raise NotImplementedError\("exercise (\d\.\d+): ')

titles = {}  # of a handout's exercises: {"1.3": what it is about}
if os.path.exists(LIST):
    with open(LIST, encoding="utf-8-sig") as file:
        titles = dict(line.strip().split(" ", 1) for line in file if " " in line.strip())
    collect_ignore_glob = [name for name in os.listdir(HERE)
                           if name.startswith("test_") and name != "test_exercises.py"]
tests = {}  # {"1.3": the ids of its tests}
results = {}  # {"1.3": {the id of a test: what it stopped at, or None, or "not run"}}
SECONDS = 10  # after which a test of an exercise is taken for endless, where that can be told


def number_of(item):
    """The number of the exercise that a test is about, such as "1.3", or None."""
    match = re.match(r"test_exercise_(\d)_(\d+)_", item.name)
    return match and f"{match[1]}.{match[2]}"


def pytest_configure(config):
    if titles and (config.rootpath / "tests" / "handout.py").exists():
        titles.clear()  # a handout within the project, while that is tested: it keeps out of it
        collect_ignore_glob[:] = ["*"]
        return
    sys.path.insert(0, ROOT)
    option = config.option
    if titles and hasattr(option, "reportchars"):  # there is none without a terminal
        option.reportchars = option.reportchars.replace("fE", "")  # the table says it
        option.tbstyle = "short" if option.tbstyle == "auto" else option.tbstyle


def pytest_collection_modifyitems(config, items):
    """In a handout, leave out the tests of exercises that were not handed out."""
    for item in items:
        if number_of(item) in titles:
            tests.setdefault(number_of(item), []).append(item.nodeid)
    others = [item for item in items if titles and number_of(item) not in (None, *titles)]
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


def pytest_collection_finish(session):
    for number in titles.keys() & set(map(number_of, session.items)):
        results[number] = dict.fromkeys(tests[number], "not run")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """In a handout, stop a test that does not come to an end."""
    if number_of(item) not in titles or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_):
        pytest.fail(f"not finished after {SECONDS} seconds: is there a loop that never ends, or "
                    f"one that is far too slow?")
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Note how the test of an exercise ended; where it met a blank, that is all there is to say."""
    number, error = number_of(item), call.excinfo and call.excinfo.value
    met_blank = number in titles and isinstance(error, NotImplementedError)
    if number in titles and (call.when == "call" or error):
        results[number][item.nodeid] = error
    if met_blank:
        item.repr_failure = lambda _: f"{error or 'NotImplementedError'}: still to be written"
    (yield).get_result().met_blank = met_blank


def pytest_report_teststatus(report):
    """What met a blank has failed, but needs no report of its own: the table says it."""
    if report.failed and getattr(report, "met_blank", False):
        return "blank", "-", "BLANK"


def blanks():
    """The numbers of the exercises whose bodies are as they were handed out."""
    found = set()
    for name in os.listdir(ROOT):
        if name.endswith(".py"):
            with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as file:
                found.update(BLANK.findall(file.read()))
    return found


def status(number, errors):
    """What the table says of an exercise."""
    met = [match[1] for error in errors if isinstance(error, NotImplementedError)
           and (match := re.match(r"exercise (\d\.\d+):", str(error)))]
    ran = set(errors) != {"not run"}
    if number in met or number in blanks() and (met or not ran):
        return "not started"
    if not ran:
        return "not run"
    if met:
        return f"failing: needs {met[0]}"
    return "done" if not any(errors) else "failing: not all of its tests ended" \
        if set(errors) <= {None, "not run"} else "failing"


def pytest_terminal_summary(terminalreporter):
    if not results:
        return
    found = {}
    terminalreporter.write_sep("=", "score")
    for number in sorted(results):
        found[number] = status(number, list(results[number].values()))
        terminalreporter.write_line(f"{number:5}{titles[number]:54}{found[number]}")
    counts = {word: sum(state.startswith(word) for state in found.values())
              for word in ("done", "failing", "not started", "not run")}
    not_run = f", {counts['not run']} not run" if counts["not run"] else ""
    terminalreporter.write_line(f"{counts['done']} of {len(found)} done, {counts['failing']} "
                                f"failing, {counts['not started']} not started{not_run}")
    first = min(found)
    terminalreporter.write_line(f"one alone, such as {first}: python -m pytest -k "
                                f"\"exercise and {first.replace('.', '_')}\"")
