"""handout.py: the lessons' tests notice blanks and mistakes, and a student's folder works.

A blank is a function whose body only raises NotImplementedError, until a student fills it.
"""
import ast
import functools
import itertools
import os
import re
import runpy
import shutil
import subprocess
import sys
import types

import pytest

import handout

EXERCISES = handout.all_exercises()
SOURCES = {lesson: handout.source_of(lesson) for lesson in handout.LESSONS}
by_number = pytest.mark.parametrize("exercise", EXERCISES, ids=[e.number for e in EXERCISES])

# {exercise: (a part of the lesson's answer, a mistake that a student may well make there)}. With
# the mistake, at least one test of the exercise must fail.
MISTAKES = {
    "1.1": ("/ (2 * h)", "/ h"),
    "1.2": ("d_a = d_product * b + d_total", "d_a = d_product * b"),
    "1.3": ("parent.grad += value.grad", "parent.grad = value.grad"),
    "1.4": ("-self.data / other.data", "self.data / other.data"),
    "1.5": ("1 - out ** 2", "1 - self.data ** 2"),
    "1.6": ("[*x_data, *w_data, 1.0]", "[*w_data, *x_data, 1.0]"),
    "2.1": ("counts[first][second]", "counts[second][first]"),
    "2.2": ("total = sum(row)", "total = sum(counts[0])"),
    "2.3": ("return ids", "return ids + [token]"),
    "2.4": ("total -= count * math", "total -= math"),
    "2.5": ("p * (d_p - mean)", "p * d_p"),
    "2.6": ("range(n - 1, len(padded))", "range(n, len(padded))"),
    "3.1": ("[boundary] * (block_size - 1)", "[boundary] * block_size"),
    "3.2": ("d_weight[i] = add(d_weight[i], g_row)", "d_weight[i] = g_row"),
    "3.3": ("sum(column) for column in columns", "sum(row) for row in grad"),
    "3.4": ("(1 - v * v)", "(1 - v)"),
    "3.5": ("d_row[target] -= grad / n", "d_row[target] -= 1 / n"),
    "3.6": ("math.sqrt(p.shape[1])", "math.sqrt(p.shape[0])"),
    "3.7": ("- v * mean_product", ""),
    "3.8": ("n / max(1, n - 1)", "max(1, n - 1) / n"),
    "3.9": ("add(table.grad[i], row[t", "add([0.0] * n_embd, row[t"),
    "4.1": ("add(d_x[i], g_row[:n])", "g_row[:n]"),
    "4.2": ("range(1, n_rows, 2)", "range(2, n_rows, 2)"),
    "4.3": ("first + max(0, t - 2 ** k)", "max(0, first + t - 2 ** k)"),
    "4.4": ("g * v * (1 - s)", "g * s * (1 - s)"),
    "4.5": ("x = x + out", "x = out"),
    "5.1": ("- n_row[i] * mean_gn", ""),
    "5.2": ("(1 + 3 * GELU_B * v * v)", "(1 + GELU_B * v * v)"),
    "5.3": ("math.sqrt(len(query))", "len(query)"),
    "5.4": ("(d_weight - mean)", "d_weight"),
    "5.5": ("slice(row - position, row + 1)", "slice(row - position, len(keys))"),
    "5.6": ("m = self.layer_norm(x,", "m = self.layer_norm(a,"),
    "5.7": ("decay = lr * weight_decay if len(p.shape) == 2 else 0.0", "decay = lr * weight_decay"),
    "5.8": ("total < top_p", "total <= top_p"),
    "5.9": ("n_seen = len(ids)", "n_seen = 0"),
    "6.1": ("i += 2", "i += 1"),
    "6.2": ("best = min(", "best = max("),
    "6.3": ("left + right", "right + left"),
    "6.4": ("min(found)", "max(found)"),
    "6.5": ("elif part in allowed_special:", "elif allowed_special:"),
    "6.6": ("decoder.decode(self.tokens[i])", "self.tokens[i].decode(errors='replace')"),
    "6.7": ("counts[right, after] -= times", "pass"),
    "6.8": (" or ranks.get(piece[start:end]) != rank", ""),
}


def rows_of(mark):
    """Return a list of ({name: value}, marks), one for each row of a parametrize mark."""
    names = mark.args[0].split(", ")  # of the arguments, such as "tokens, pair"
    rows = []
    for row in mark.args[1]:
        values = [row]
        if hasattr(row, "marks"):  # it was made by pytest.param
            values = row.values
        elif len(names) > 1:
            values = row
        rows.append((dict(zip(names, values)), getattr(row, "marks", ())))
    return rows


def cases(lesson, number):
    """Yield a function without arguments for each run of each test that is marked with an exercise.

    A test with parametrize marks has a run for each combination of their rows. It cannot have other
    arguments, such as monkeypatch.
    """
    own_tests = runpy.run_path(str(handout.ROOT / "tests" / f"test_{lesson}.py"))
    for name, test in own_tests.items():
        if not name.startswith("test_"):
            continue
        marks = getattr(test, "pytestmark", [])
        lists = [rows_of(mark) for mark in marks if mark.name == "parametrize"]
        for chosen in itertools.product(*lists):
            arguments = {}
            all_marks = list(marks)
            for more_arguments, more_marks in chosen:
                arguments.update(more_arguments)
                all_marks += more_marks
            if number in [mark.args[0] for mark in all_marks if mark.name == "exercise"]:
                yield functools.partial(test, **arguments)


def outcomes(exercise, body, monkeypatch):
    """Return a list with the exception that each test of an exercise raises, or else None.

    They test the lesson with this body in place of the body of the exercise's function.
    """
    lines = SOURCES[exercise.lesson].split("\n")
    lines[exercise.first:exercise.last] = body.split("\n")
    module = types.ModuleType(exercise.lesson)
    module.__file__ = str(handout.ROOT / f"{exercise.lesson}.py")
    exec(compile("\n".join(lines), module.__file__, "exec"), module.__dict__)
    # cases() runs the test file afresh, and its "import gpt", for example, then gets this module
    monkeypatch.setitem(sys.modules, exercise.lesson, module)
    found = []
    for case in cases(exercise.lesson, exercise.number):
        try:
            found.append(case())  # a test that passes returns None
        except (Exception, pytest.fail.Exception) as error:  # pytest.raises() raises the latter
            found.append(error)
    assert found  # the exercise has a test
    return found


def body_of(exercise):
    """Return the lesson's own answer, the lines of the function below its docstring."""
    return "\n".join(SOURCES[exercise.lesson].split("\n")[exercise.first:exercise.last])


@by_number
def test_the_tests_of_an_exercise_accept_its_answer_and_notice_a_blank_and_a_mistake(
        exercise, monkeypatch):
    answer = body_of(exercise)
    assert not any(outcomes(exercise, answer, monkeypatch))  # no test raises anything
    indent = re.match(" *", answer)[0]  # the blanks before its first line
    for error in outcomes(exercise, f'{indent}raise NotImplementedError("here")', monkeypatch):
        assert isinstance(error, NotImplementedError)  # so every test calls the function
    right, wrong = MISTAKES[exercise.number]
    assert answer.count(right) == 1  # so it is clear what the mistake replaces
    assert any(outcomes(exercise, answer.replace(right, wrong), monkeypatch))  # a test fails


def test_each_lesson_has_5_exercises_or_more_numbered_in_order_that_need_only_earlier_ones():
    for i, lesson in enumerate(handout.LESSONS, start=1):
        own = [e for e in EXERCISES if e.lesson == lesson]
        numbers = [f"{i}.{k}" for k in range(1, len(own) + 1)]
        assert len(own) >= 5
        assert [e.number for e in own] == numbers
        assert own == sorted(own, key=lambda e: e.first)  # as they stand in the file
        for k, e in enumerate(own):  # its note is such as "hard; needs 3.7"
            assert set(re.findall(r"\d\.\d+", e.note)) <= set(numbers[:k])


@pytest.mark.parametrize("source", [
    "# exercise 1.1: title\n\ndef f():\n    return 1\n",  # a blank line is between them
    "# exercise 1.1: title\nx = 2\n",  # there is no function
])
def test_an_exercise_comment_that_is_not_directly_above_a_function_is_an_error(source):
    with pytest.raises(ValueError, match="^a.py:1: this exercise is not directly above a function"):
        handout.exercises_of("a", source)  # "a" is the name of the lesson


def test_the_function_of_an_exercise_is_blank_in_each_lesson_that_has_it():
    linear = [e for e in EXERCISES if e.number == "3.3"]  # linear() in mlp.py; gpt.py has it, too
    for lesson in ("mlp", "gpt"):
        text = handout.blank(SOURCES[lesson], linear)
        assert text.count('raise NotImplementedError("exercise 3.3: the linear layer') == 1
    left = set()  # the code of all functions that are left in a handout of all exercises
    for lesson in handout.LESSONS:
        for node in handout.functions_in(handout.blank(SOURCES[lesson], EXERCISES)):
            left.add(ast.dump(node))
    assert not [e for e in EXERCISES if e.code in left]  # no answer is left


# --- a handout as a student has it ---

def make(folder, *numbers):
    """Make a handout whose endless loops are stopped after 3 seconds, so that we wait less."""
    handout.main([str(folder), *numbers])
    conftest = folder / "tests" / "conftest.py"
    conftest.write_text(conftest.read_text("utf-8").replace("SECONDS = 10", "SECONDS = 3"), "utf-8")


def fill(path, number, body=None):
    """Put a body, or else the lesson's answer, into the place of the blank of an exercise."""
    if body is None:
        body, = [body_of(e) for e in EXERCISES if e.number == number]
    text = path.read_text("utf-8")
    blank, = re.findall(rf' *raise NotImplementedError\("exercise {number}: .*', text)
    path.write_text(text.replace(blank, body), "utf-8")


def score(folder, **variables):
    """Run pytest in a handout. Return its lines about mistakes, and {number: state}.

    The state of an exercise is "done", "not yet", or "not yet: needs ...". The exit status must be
    0 if all exercises are done, and only then. variables are added to the environment.
    """
    # PYTEST_ADDOPTS, for one, would change what pytest prints
    others = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=folder,
        env=others | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )
    states = dict(re.findall(r"^(\d\.\d+) .*? (done|not yet.*)$", process.stdout, re.M))
    assert (process.returncode == 0) == (set(states.values()) == {"done"})
    # Each line is about a mistake (test_...: what is wrong) or about an exercise (5.1 ...), or
    # shows the progress (...F [100%]), or is empty, or is the last one (... in 1.23s). So no
    # mistake has a report of several lines.
    expected = r"test_.*|\d\.\d+ .*|.*%\]||.* in [\d.]+s.*"
    for line in process.stdout.splitlines():
        assert re.fullmatch(expected, line), process.stdout
    mistakes = re.findall("^test_.*", process.stdout, re.M)
    return mistakes, states


def test_a_handout_gives_a_line_to_each_test_that_fails_and_a_state_to_each_exercise(tmp_path):
    folder = tmp_path / "new" / "homework"  # neither folder is there yet
    not_yet = dict.fromkeys(["5.1", "5.2", "5.7"], "not yet")
    make(folder, *not_yet)
    lesson = folder / "gpt.py"
    assert score(folder) == ([], not_yet)
    fill(lesson, "5.1", "    return x")  # wrong: layer_norm() must norm the rows of x
    fill(lesson, "5.2")  # right
    fill(lesson, "5.7", "    while True:\n        pass")  # wrong: adamw_step() must come to an end
    # With CI set, pytest does not shorten its reports. score() checks that a mistake has one line.
    mistakes, states = score(folder, CI="true")
    assert states == not_yet | {"5.2": "done"}
    names = [line.split(":")[0] for line in mistakes]
    assert len(names) == len(set(names))  # no test has two lines
    assert "test_layer_norm_gives_the_numbers_of_pytorch" in names
    endless = "test_adamw_step_gives_the_numbers_of_pytorch: not finished after 3 seconds: " \
        "an endless loop?"
    assert endless in mistakes
    lesson.write_text(SOURCES["gpt"], "utf-8")  # all answers
    assert score(folder) == ([], dict.fromkeys(not_yet, "done"))


def test_a_lesson_that_cannot_be_imported_gets_one_line_and_the_others_are_still_tested(tmp_path):
    folder = tmp_path / "homework"
    make(folder)  # all exercises of all lessons
    shutil.copy(handout.ROOT / "gpt.py", folder)  # with all its answers
    (folder / "bpe.py").write_text("def f(:\n", "utf-8")
    (folder / "mlp.py").write_text("while True:\n    pass\n", "utf-8")
    (folder / "micrograd.py").write_text("raise SystemExit\n", "utf-8")
    mistakes, states = score(folder)
    # one for each broken lesson; bigram and wavenet have only blanks, which are no mistakes
    assert len(mistakes) == 3
    assert "test_micrograd.py: the lesson ends while it is imported" in mistakes
    assert "test_mlp.py: not finished after 3 seconds: an endless loop?" in mistakes
    assert any([line.startswith("test_bpe.py: SyntaxError: ") for line in mistakes])
    assert len(states) == len(EXERCISES)  # those of the broken lessons, too
    done = {number for number, state in states.items() if state == "done"}
    assert done == {e.number for e in EXERCISES if e.lesson == "gpt"}


def test_an_exercise_that_meets_the_blank_of_another_says_which_one_it_needs(tmp_path):
    folder = tmp_path / "homework"
    make(folder, "3.3", "5.6")  # 3.3 is linear(), in mlp.py and gpt.py; 5.6, in gpt.py, calls it
    fill(folder / "mlp.py", "3.3")
    fill(folder / "gpt.py", "5.6")  # so in gpt.py 3.3 is still blank
    assert score(folder) == ([], {"3.3": "done", "5.6": "not yet: needs 3.3 in the same file"})


def test_a_full_folder_a_file_an_unknown_exercise_and_no_folder_are_refused(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("x", "utf-8")  # so tmp_path is not empty
    new = str(tmp_path / "new")
    # the four cases, in the order of the name of this test
    for args in ([str(tmp_path)], [str(file)], [new, "9.9"], []):
        with pytest.raises(SystemExit) as stopped:
            handout.main(args)
        assert stopped.value.code == 2
        assert "handout.py: error: " in capsys.readouterr().err


# true is a command that reads and prints nothing, so nobody is left to write to. What is checked
# for it are the errors, as each output begins with "".
@pytest.mark.parametrize("reader, output", [
    ("head -1", "1.1  a derivative by nudging "),
    ("true", "")])
def test_the_list_is_written_without_an_error_for_a_reader_that_ends_early(reader, output):
    command = f'"{sys.executable}" "{handout.__file__}" --list | {reader}'
    process = subprocess.run(command, shell=True, capture_output=True, encoding="utf-8")
    assert process.stdout.startswith(output)
    assert process.stderr == ""
