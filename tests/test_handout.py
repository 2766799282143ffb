"""handout.py: the lessons' tests notice blanks and mistakes, and a student's folder works."""
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

# What a student may well write, in place of what the lesson has: the tests must not be content.
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
    "3.8": ("n / (n - 1)", "(n - 1) / n"),
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
    """Return a list of (arguments, marks), one for each row of a parametrize mark."""
    names = mark.args[0].split(", ")
    rows = []
    for row in mark.args[1]:
        values = [row]
        if hasattr(row, "marks"):
            values = row.values
        elif len(names) > 1:
            values = row
        rows.append((dict(zip(names, values)), getattr(row, "marks", ())))
    return rows


def cases(lesson, number):
    """Yield a function for each test of an exercise, to be called without arguments."""
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
    """Return what each test of an exercise raises, or None, when the lesson has this body."""
    lines = SOURCES[exercise.lesson].split("\n")
    lines[exercise.first:exercise.last] = body.split("\n")
    module = types.ModuleType(exercise.lesson)
    module.__file__ = str(handout.ROOT / f"{exercise.lesson}.py")
    exec(compile("\n".join(lines), module.__file__, "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, exercise.lesson, module)
    found = []
    for case in cases(exercise.lesson, exercise.number):
        try:
            found.append(case())
        except (Exception, pytest.fail.Exception) as error:
            found.append(error)
    assert found
    return found


def body_of(exercise):
    """Return the lesson's own answer."""
    return "\n".join(SOURCES[exercise.lesson].split("\n")[exercise.first:exercise.last])


@by_number
def test_a_blank_and_a_mistake_are_noticed(exercise, monkeypatch):
    body = body_of(exercise)
    assert not any(outcomes(exercise, body, monkeypatch))
    indent = re.match(" *", body)[0]
    for error in outcomes(exercise, f'{indent}raise NotImplementedError("here")', monkeypatch):
        assert isinstance(error, NotImplementedError)
    right, wrong = MISTAKES[exercise.number]
    assert body.count(right) == 1
    assert any(outcomes(exercise, body.replace(right, wrong), monkeypatch))


def test_exercises_are_numbered_in_order_and_need_only_earlier_ones():
    for i, lesson in enumerate(handout.LESSONS, start=1):
        own = [e for e in EXERCISES if e.lesson == lesson]
        numbers = [f"{i}.{k}" for k in range(1, len(own) + 1)]
        assert len(own) >= 5
        assert [e.number for e in own] == numbers
        assert own == sorted(own, key=lambda e: e.first)  # as they stand in the file
        for k, e in enumerate(own):
            assert set(re.findall(r"\d\.\d+", e.note)) <= set(numbers[:k])


@pytest.mark.parametrize("source", [
    "# exercise 1.1: a\n\ndef f():\n    return 1\n",
    "# exercise 1.1: a\nx = 2\n",
])
def test_a_mark_that_stands_above_no_function_is_an_error(source):
    with pytest.raises(ValueError, match="^a.py:1: this exercise is not directly above a function"):
        handout.exercises_of("a", source)


def test_what_is_blank_in_one_lesson_is_blank_in_every_lesson():
    one = [e for e in EXERCISES if e.number == "3.3"]
    for lesson in ("mlp", "gpt"):
        text = handout.blank(SOURCES[lesson], one)
        assert text.count('raise NotImplementedError("exercise 3.3: the linear layer') == 1
    left = {}
    for lesson in handout.LESSONS:
        for node in handout.functions_in(handout.blank(SOURCES[lesson], EXERCISES)):
            left[ast.dump(node)] = node.name
    assert not [e for e in EXERCISES if e.code in left]


# --- a handout as a student has it ---

def make(folder, *numbers):
    """Make a handout whose endless loops are stopped after 3 seconds."""
    handout.main([str(folder), *numbers])
    conftest = folder / "tests" / "conftest.py"
    text = conftest.read_text("utf-8").replace("SECONDS = 10", "SECONDS = 3")
    conftest.write_text(text, "utf-8")


def fill(path, number, body=None):
    """Put a body, or else the lesson's own, into the place of a blank."""
    if body is None:
        body, = [body_of(e) for e in EXERCISES if e.number == number]
    text = path.read_text("utf-8")
    blank, = re.findall(rf' *raise NotImplementedError\("exercise {number}: .*', text)
    path.write_text(text.replace(blank, body), "utf-8")


def score(folder, **variables):
    """Run pytest in a handout, and return the lines of mistakes and {number: state}.

    The exit status must be 0 if all exercises are done, and only then.
    """
    environment = {**os.environ, **variables}
    for name in os.environ:
        if name.startswith("PYTEST"):
            del environment[name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
    )
    found = dict(re.findall(r"^(\d\.\d+) .*? (done|not yet.*)$", done.stdout, re.M))
    assert (done.returncode == 0) == (set(found.values()) == {"done"})
    lines = done.stdout.split("\n")
    mistakes = [line for line in lines if re.match("test_", line)]
    n_other_lines = len(lines) - len(mistakes) - len(found)
    assert n_other_lines < 8, done.stdout  # the progress, and how many failed
    return mistakes, found


def test_each_mistake_gets_one_line(tmp_path):
    folder = tmp_path / "new" / "homework"
    make(folder, "5.1", "5.2", "5.7")
    lesson = folder / "gpt.py"
    not_yet = dict.fromkeys(["5.1", "5.2", "5.7"], "not yet")
    assert score(folder) == ([], not_yet)
    fill(lesson, "5.1", "    return x")
    fill(lesson, "5.2")
    fill(lesson, "5.7", "    while True:\n        pass")
    mistakes, found = score(folder, CI="true")  # with CI set, pytest itself prints long diffs
    assert found == not_yet | {"5.2": "done"}
    names = [line.split(":")[0] for line in mistakes]
    assert len(names) == len(set(names))
    endless = "test_adamw_step_is_pytorchs: not finished after 3 seconds: an endless loop?"
    assert endless in mistakes
    lesson.write_text(SOURCES["gpt"], "utf-8")
    assert score(folder) == ([], dict.fromkeys(not_yet, "done"))


def test_a_lesson_that_cannot_be_imported_gets_one_line_and_leaves_the_others_alone(tmp_path):
    folder = tmp_path / "homework"
    make(folder)
    shutil.copy(handout.ROOT / "gpt.py", folder)
    (folder / "bpe.py").write_text("def f(:\n", "utf-8")
    (folder / "mlp.py").write_text("while True:\n    pass\n", "utf-8")
    (folder / "micrograd.py").write_text("raise SystemExit\n", "utf-8")
    mistakes, found = score(folder)
    assert len(mistakes) == 3
    assert "test_micrograd.py: the lesson ends while it is imported" in mistakes
    assert "test_mlp.py: not finished after 3 seconds: an endless loop?" in mistakes
    assert any([line.startswith("test_bpe.py: SyntaxError: ") for line in mistakes])
    assert len(found) == len(EXERCISES)
    done = {number for number, state in found.items() if state == "done"}
    assert done == {e.number for e in EXERCISES if e.lesson == "gpt"}


def test_an_exercise_that_meets_the_blank_of_another_says_so(tmp_path):
    folder = tmp_path / "homework"
    make(folder, "3.3", "5.6")
    fill(folder / "mlp.py", "3.3")
    fill(folder / "gpt.py", "5.6")
    assert score(folder) == ([], {"3.3": "done", "5.6": "not yet: needs 3.3 in the same file"})


def test_what_is_refused(tmp_path, capsys):
    (tmp_path / "there").write_text("x", "utf-8")
    new = str(tmp_path / "new")
    for args in ([str(tmp_path)], [str(tmp_path / "there")], [new, "9.9"], []):
        with pytest.raises(SystemExit) as stopped:
            handout.main(args)
        assert stopped.value.code == 2
        assert "handout.py: error: " in capsys.readouterr().err


def test_the_list_can_be_cut_short():
    script = str(handout.ROOT / "tests" / "handout.py")
    command = f'"{sys.executable}" "{script}" --list | head -1'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout.startswith("1.1  a derivative by nudging ")
    assert done.stderr == ""
