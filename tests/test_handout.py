"""handout.py: blanks and mistakes that the lessons' own tests notice, and the folder as a student has it."""
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
SOURCES = {lesson: (handout.ROOT / f"{lesson}.py").read_text("utf-8") for lesson in handout.LESSONS}
by_number = pytest.mark.parametrize("exercise", EXERCISES, ids=[e.number for e in EXERCISES])

# What a student may well write, in place of what the lesson has: the tests must not be content.
MISTAKES = {
    "1.1": ("/ (2 * h)", "/ h"),
    "1.2": ("d_a = d_product * b ", "d_a = d_product * a "),
    "1.3": ("1 - out * out", "1 - self.data ** 2"),
    "1.4": ("-ratio / other.data", "ratio / other.data"),
    "1.5": ("arrived.get(parent, 0.0) + grad", "grad"),
    "1.6": ("(*xs, *ws, 1.0)", "(*ws, *xs, 1.0)"),
    "2.1": ("counts[before][after]", "counts[after][before]"),
    "2.2": ("smoothing * len(row)", "smoothing"),
    "2.3": ("row_after(ids)", "row_after(ids[-1:])"),
    "2.4": ("total -= count * (math", "total -= (math"),
    "2.5": ("(g[j] - shrink)", "g[j]"),
    "2.6": ("last(ids[:t], n - 1)", "last(ids[:t], n)"),
    "3.1": ("ids[:1] * (block_size - 1)", "ids[:1] * block_size"),
    "3.2": ("list(map(sum, columns))", "list(map(sum, grad))"),
    "3.3": ("log_sum = top + math", "log_sum = math"),
    "3.4": ("row[target] -= grad / n", "row[target] -= 1 / n"),
    "3.5": ("- shift - stretch * normed[i]", "- shift"),
    "3.6": ("+ 2 * v * d_square", "+ v * d_square"),
    "4.1": ("[v * n / (n - 1) for v in variances]", "variances"),
    "4.2": ("(row[:m], row[m:])", "(row[m:], row[:m])"),
    "4.3": ("= add(d_rows[max(0, t - gap)], row[:m])", "= row[:m]"),
    "4.4": ("g * t * s * (1 - s)", "g * t * (1 - s)"),
    "4.5": ("x = x + outs[-1]", "x = outs[-1]"),
    "5.1": ("d_weight[i] = add(d_weight[i], row)", "d_weight[i] = row"),
    "5.2": ("(a + 3 * b * v * v)", "(a + b * v * v)"),
    "5.3": ("for s in row[:t]", "for s in row[:t - 1] or row[:1]"),
    "5.4": ("if len(p.shape) == 2 else 1.0", "if p.shape else 1.0"),
    "5.5": ("n = 1 + sum", "n = sum"),
    "5.6": ("/ math.sqrt(size)", "/ size"),
    "5.7": ("(x - mean)", "x"),
    "6.1": ("i += n", "i += 1"),
    "6.2": ("key=lambda pair: (-counts[pair], pair)", "key=lambda pair: -counts[pair]"),
    "6.3": ("left + right", "right + left"),
    "6.4": ("elif part in allowed:", "elif allowed:"),
    "6.5": ("decoder.decode(self.tokens[i])", "self.tokens[i].decode(errors='replace')"),
    "6.6": ("if middle and ends[middle] == k:", "if middle:"),
    "6.7": ("counts[old] -= n", "pass"),
}


def cases(lesson, number):
    """Yields a function for each test of an exercise, to be called without arguments."""
    own = handout.ROOT / "tests" / f"test_{lesson}.py"
    for name, test in runpy.run_path(str(own)).items():
        if not name.startswith("test_"):
            continue
        marks, lists = getattr(test, "pytestmark", []), []
        for mark in marks:
            if mark.name == "parametrize":
                names = mark.args[0].split(", ")
                lists.append([(names, value.values if hasattr(value, "marks") else
                               value if len(names) > 1 else [value], getattr(value, "marks", ()))
                              for value in mark.args[1]])
        for chosen in itertools.product(*lists):
            all_marks = [*marks, *(mark for _, _, more in chosen for mark in more)]
            about = {mark.args[0] for mark in all_marks if mark.name == "exercise"}
            if number in about:
                arguments = {key: v for names, values, _ in chosen for key, v in zip(names, values)}
                yield lambda test=test, arguments=arguments: test(**arguments)


def outcomes(exercise, body, monkeypatch):
    """What each test of an exercise raises, or None, when the lesson has this body."""
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


@by_number
def test_a_blank_and_a_mistake_are_noticed(exercise, monkeypatch):
    body = "\n".join(SOURCES[exercise.lesson].split("\n")[exercise.first:exercise.last])
    assert not any(outcomes(exercise, body, monkeypatch))  # the lesson's own answer passes
    indent = re.match(" *", body)[0]
    for error in outcomes(exercise, f'{indent}raise NotImplementedError("here")', monkeypatch):
        assert isinstance(error, NotImplementedError)
    right, wrong = MISTAKES[exercise.number]
    assert body.count(right) == 1
    assert any(outcomes(exercise, body.replace(right, wrong), monkeypatch))


def test_exercises_are_numbered_in_order_and_need_only_earlier_ones():
    for i, lesson in enumerate(handout.LESSONS, start=1):
        own = [e for e in EXERCISES if e.lesson == lesson]
        assert [e.number for e in own] == [f"{i}.{k}" for k in range(1, len(own) + 1)] and own[4:]
        for e in own:
            assert all(number < e.number for number in re.findall(r"\d\.\d+", e.note))


@pytest.mark.parametrize("source", ["# exercise 1.1: a\n\ndef f():\n    return 1\n",
                                    "# exercise 1.1: a\nx = 2\n"])
def test_a_mark_that_stands_above_no_function_is_an_error(source):
    with pytest.raises(ValueError, match="^a.py:1: this exercise is not directly above a function"):
        handout.exercises_of("a", source)


def score(folder, *args):
    """What pytest prints in a handout, and {number: done or not yet} from its last lines."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run([sys.executable, "-m", "pytest", *args], cwd=folder, env=environment,
                          capture_output=True, text=True, encoding="utf-8", timeout=100)
    return done.stdout, dict(re.findall(r"^(\d\.\d+) .* (done|not yet)$", done.stdout, re.M))


def test_a_handout_as_a_student_has_it(tmp_path):
    folder = tmp_path / "new" / "homework"
    handout.main([str(folder), "5.2", "5.3", "5.6"])
    assert not (folder / "tests" / "handout.py").exists() and (folder / "README.md").exists()
    blank = (folder / "gpt.py").read_text("utf-8")
    assert blank.count("raise NotImplementedError(") == 3
    out, found = score(folder)
    assert found == {"5.2": "not yet", "5.3": "not yet", "5.6": "not yet"}
    assert " passed" not in out and " failed" not in out and "Error" not in out
    right = SOURCES["gpt"].split("\n")
    causal = next(e for e in EXERCISES if e.number == "5.3")
    text = blank.replace('    raise NotImplementedError("exercise 5.3: the causal mask")',
                         "\n".join(right[causal.first:causal.last]))
    text = text.replace('    raise NotImplementedError("exercise 5.2: GELU and its slope")',
                        "    return Tensor([[0.0 for v in row] for row in x.data], (x,))")
    text = text.replace('    raise NotImplementedError("exercise 5.6: keys and values remembered")',
                        "    while True:\n        pass")
    (folder / "gpt.py").write_text(text, "utf-8")
    conftest = folder / "tests" / "conftest.py"
    conftest.write_text(conftest.read_text("utf-8").replace("SECONDS = 10", "SECONDS = 1"), "utf-8")
    out, found = score(folder)
    assert found == {"5.2": "not yet", "5.3": "done", "5.6": "not yet"}
    assert "an endless loop?" in out and len(out.split("\n")) < 40  # a line for each mistake


def test_a_lesson_that_cannot_be_imported_leaves_the_others_alone(tmp_path):
    folder = tmp_path / "homework"
    handout.main([str(folder)])
    shutil.copy(handout.ROOT / "gpt.py", folder)
    (folder / "bpe.py").write_text("def f(:\n", "utf-8")
    found = score(folder)[1]
    assert len(found) == len(EXERCISES)
    assert {number for number, state in found.items() if state == "done"} == {
        e.number for e in EXERCISES if e.lesson == "gpt"}


def test_what_is_refused(tmp_path, capsys):
    (tmp_path / "there").write_text("x", "utf-8")
    for args in ([str(tmp_path)], [str(tmp_path / "there")], [str(tmp_path / "new"), "9.9"], []):
        with pytest.raises(SystemExit) as stopped:
            handout.main(args)
        assert stopped.value.code == 2 and "handout.py: error: " in capsys.readouterr().err
    handout.main(["--list"])
    assert len(capsys.readouterr().out.strip().split("\n")) == len(EXERCISES)
