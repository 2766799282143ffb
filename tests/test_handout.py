"""handout.py: blanks that are noticed, the folder it writes, the score that is kept in there."""
import ast
import os
import re
import shutil
import subprocess
import sys
import types
from collections import Counter

import pytest

import handout
import scripts
import test_exercises
from handout import Exercise

EXERCISES = handout.all_exercises()
SOURCES = {lesson: handout.read(f"{lesson}.py") for lesson in handout.LESSONS}
THREE = [exercise for exercise in EXERCISES if exercise.number in ("1.3", "2.1", "5.3")]


def ids_of(value):
    return value.number if isinstance(value, Exercise) else None


def module_of(lesson, source):
    """A lesson, from a source of it."""
    module = types.ModuleType(lesson)
    exec(compile(source, f"{lesson}.py", "exec"), module.__dict__)
    return module


def cases_of(number):
    """Yields (test, its arguments but for the lesson) for each test of an exercise."""
    for name, test in vars(test_exercises).items():
        if name.startswith(f"test_exercise_{number.replace('.', '_')}_"):
            marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
            for values in marks[0].args[1] if marks else [None]:
                if values is None:
                    yield test, {}
                else:
                    names = marks[0].args[0].split(", ")
                    yield test, dict(zip(names, values if len(names) > 1 else [values]))


# --- the marks ---


def test_marks_are_numbered_without_a_gap_and_named_once():
    numbers = [exercise.number for exercise in EXERCISES]
    assert len(numbers) >= 30 and len(set(numbers)) == len(numbers)
    for i, lesson in enumerate(handout.LESSONS, start=1):
        own = [exercise.number for exercise in EXERCISES if exercise.lesson == lesson]
        assert own == [f"{i}.{k}" for k in range(1, len(own) + 1)] and 5 <= len(own) <= 9
    assert max(Counter(exercise.title for exercise in EXERCISES).values()) == 1
    assert all(len(exercise.title) <= 36 and '"' not in exercise.title for exercise in EXERCISES)


def test_every_comment_that_looks_like_a_mark_is_one():
    found = [line for source in SOURCES.values() for line in source.split("\n")
             if "exercise" in line.lower()]
    assert len(found) == len(EXERCISES)


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids_of)
def test_an_exercise_has_a_docstring_and_a_body(exercise):
    tree = ast.parse(SOURCES[exercise.lesson])
    functions = dict((name, node) for node, name in handout.functions_of(tree))
    function = functions[exercise.function]
    owner = exercise.function.rpartition(".")[0]
    holders = [function, *(node for node in ast.walk(tree)
                           if isinstance(node, ast.ClassDef) and node.name == owner)]
    assert any(ast.get_docstring(node) for node in holders)
    assert exercise.last_line - exercise.first_line >= 1


def test_every_mark_has_tests_and_every_test_a_mark():
    tested = {".".join(match.groups()) for name in vars(test_exercises)
              if (match := re.match(r"test_exercise_(\d)_(\d+)_", name))}
    assert tested == {exercise.number for exercise in EXERCISES}
    for name in vars(test_exercises):
        assert not name.startswith("test") or re.match(r"test_exercise_\d_\d+_[a-z]", name), name


@pytest.mark.parametrize("source, line", [
    ("# exercise 1.1: a\n\ndef f():\n    return 1\n", 1), ("x = 1\n# exercise 1.1: a\nx = 2\n", 2),
    ("# exercise 1.1: a\nclass A:\n    pass\n", 1)])
def test_a_mark_that_stands_above_no_function_is_an_error(source, line):
    with pytest.raises(ValueError, match=f"^a.py:{line}: exercise 1.1 is not directly above"):
        handout.exercises_of("a", source)


# --- the blanks ---


def test_what_is_left_blank():
    source = ("import functools\n"
              "\n"
              "# exercise 1.2: the second\n"
              "@functools.lru_cache\n"
              "def f(x):\n"
              '    """Twice x.\n'
              "\n"
              "    Or x + x.\n"
              '    """\n'
              "    # a hint\n"
              "    y = x + x\n"
              "    return y  # done\n"
              "\n"
              "class A:\n"
              "    def f(self):\n"
              "        try:\n"
              "            pass\n"
              "        except ValueError:\n"
              "            pass\n"
              "        # exercise 1.1: the first\n"
              "        def back(grad): # of it\n"
              "            return grad\n"
              "        return back\n")
    exercises = handout.exercises_of("a", source)
    assert exercises == [Exercise("1.1", "the first", "a", "A.f.back", 21, 22),
                         Exercise("1.2", "the second", "a", "f", 9, 12)]
    lines = source.split("\n")
    first = '            raise NotImplementedError("exercise 1.1: the first")'
    second = '    raise NotImplementedError("exercise 1.2: the second")'
    assert handout.blank(source, exercises).split("\n") == [
        *lines[:9], second, *lines[12:21], first, *lines[22:]]
    assert handout.blank(source, exercises[:1]).split("\n") == [*lines[:21], first, *lines[22:]]
    assert handout.blank(source, []) == source


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids_of)
def test_an_exercise_left_blank_fails_its_tests_which_name_it(exercise):
    module = module_of(exercise.lesson, handout.blank(SOURCES[exercise.lesson], [exercise]))
    tests = list(cases_of(exercise.number))
    assert tests
    for test, arguments in tests:
        with pytest.raises(NotImplementedError) as stopped:
            test(module, **arguments)
        assert str(stopped.value) == f"exercise {exercise.number}: {exercise.title}"


# What a student may well write, in place of what the lesson has: the tests must not be content.
MISTAKES = {
    "1.1": ("/ (2 * h)", "/ h"),
    "1.2": ("d_a = d_product * b ", "d_a = d_product * a "),
    "1.3": ("1 - out * out", "1 - self.data ** 2"),
    "1.4": ("elif value not in seen:", "else:"),
    "1.5": ("parent.grad += grad", "parent.grad = grad"),
    "1.6": ("(*xs, *ws, 1.0)", "(*ws, *xs, 1.0)"),
    "2.1": ("counts[before][after]", "counts[after][before]"),
    "2.2": ("smoothing * len(row)", "smoothing"),
    "2.3": ("while len(ids) <= max_new_tokens", "while len(ids) < max_new_tokens"),
    "2.4": ("total -= count * (math", "total -= (math"),
    "2.5": ("(g - less) / total", "g / total"),
    "2.6": ("range(max(1, n - 1)", "range(max(0, n - 1)"),
    "3.1": ("[BOUNDARY] * (block_size - 1)", "[BOUNDARY] * block_size"),
    "3.2": ("list(map(sum, columns))", "list(map(sum, grad))"),
    "3.3": ("log_sum = top + math", "log_sum = math"),
    "3.4": ("row[target] -= grad / n", "row[target] -= 1 / n"),
    "3.5": ("d - shift - stretch * v", "d - shift"),
    "3.6": ("+ 2 * v * q", "+ v * q"),
    "4.1": ("range(0, n * m, m)", "range(0, n * m, n)"),
    "4.2": ("t - k * self.dilation", "t - k"),
    "4.3": ("add(d_rows[place], row[k * n:(k + 1) * n])", "row[k * n:(k + 1) * n]"),
    "4.4": ("if len(past) > (", "if len(past) >= ("),
    "4.5": ("g * t * s * (1 - s)", "g * t * (1 - s)"),
    "4.6": ("x = x + call(residual, out)", "x = call(residual, out)"),
    "5.1": ("d_weight[i] = add(d_weight[i], row)", "d_weight[i] = row"),
    "5.2": ("(a + 3 * b * v * v)", "(a + b * v * v)"),
    "5.3": ("for s in row[:t]", "for s in row[:t - 1] or row[:1]"),
    "5.4": ("if len(p.shape) == 2 else 1.0", "if p.shape else 1.0"),
    "5.5": ("total < top_p", "total + probs[n] < top_p"),
    "5.6": ("/ math.sqrt(size)", "/ size"),
    "5.7": ("(x - mean)", "x"),
    "6.1": ("i += 2", "i += 1"),
    "6.2": ("key=lambda pair: (-counts[pair], pair)", "key=lambda pair: -counts[pair]"),
    "6.3": ("tokens[left] + tokens[right]", "tokens[right] + tokens[left]"),
    "6.4": ("start = match.end()", "pass"),
    "6.5": ("if text := decoder.decode(self", "if text := self.decode([i]) or decoder.decode(self"),
    "6.6": ("if not middle or ends[middle] != k:", "if not middle:"),
    "6.7": ("counts[b, right] -= n", "pass"),
}


@pytest.mark.parametrize("exercise", EXERCISES, ids=ids_of)
def test_a_mistake_is_noticed(exercise):
    lines = SOURCES[exercise.lesson].split("\n")
    body = "\n".join(lines[exercise.first_line:exercise.last_line])
    old, new = MISTAKES[exercise.number]
    assert body.count(old) == 1
    lines[exercise.first_line:exercise.last_line] = body.replace(old, new).split("\n")
    module, failed = module_of(exercise.lesson, "\n".join(lines)), 0
    for test, arguments in cases_of(exercise.number):
        try:
            test(module, **arguments)
        except (Exception, pytest.fail.Exception):
            failed += 1
    assert failed


@pytest.mark.parametrize("lesson", handout.LESSONS)
def test_a_lesson_with_all_of_its_blanks_keeps_what_is_around_them(lesson):
    own = [exercise for exercise in EXERCISES if exercise.lesson == lesson]
    blanked = handout.blank(SOURCES[lesson], own)
    before, after = (dict((name, node) for node, name in handout.functions_of(ast.parse(source)))
                     for source in (SOURCES[lesson], blanked))
    for exercise in own:
        old, new = before[exercise.function], after[exercise.function]
        assert ast.dump(old.args) == ast.dump(new.args)
        assert ast.get_docstring(old) == ast.get_docstring(new)
        assert ast.unparse(new.body[-1]).startswith("raise NotImplementedError('exercise ")
        assert len(new.body) == 1 + (ast.get_docstring(old) is not None)
    inside = [exercise.function + "." for exercise in own]
    for name in before.keys() - {exercise.function for exercise in own}:
        if not name.startswith(tuple(inside)):  # a function within a blank is gone with it
            assert name in after
    lines = set(SOURCES[lesson].split("\n"))
    assert [line.strip()[:25] for line in blanked.split("\n") if line not in lines] == [
        "raise NotImplementedError"] * len(own)
    module_of(lesson, blanked)  # it can be imported


def message_of(call, *args):
    """What a check of test_exercises.py says when it fails."""
    with pytest.raises(pytest.fail.Exception) as failed:
        call(*args)
    return str(failed.value)


@pytest.mark.parametrize("found, expected, message", [
    ([[1.0, 2.5]], [[1.0, 2.0]], "f(x): at [0][1], expected 2.0, found 2.5"),
    (2.5, 2.0, "f(x): expected 2.0, found 2.5"), (0.0, float("inf"), "f(x): expected inf, found 0.0"),
    (None, 1.0, "f(x): expected 1.0, found None"), ("a", "b", "f(x): expected 'b', found 'a'"),
    ([1, 3], [1, 2], "f(x): at [1], expected 2, found 3"),
    ([1], [1, 2], "f(x): expected a list of length 2, [1, 2], found one of length 1, [1]"),
    (7, [1, 2], "f(x): expected a list, [1, 2], found 7"),
    ({1: 2}, {0: 2}, "f(x): expected a dict with the keys [0], found {1: 2}"),
    ({1: 2}, {1: 3}, "f(x): at [1], expected 3, found 2")])
def test_messages_say_what_was_expected_and_found_and_where(found, expected, message):
    assert message_of(test_exercises.same, "f(x)", found, expected) == message
    test_exercises.same("f(x)", expected, expected)


@pytest.mark.parametrize("grad, message", [
    ([[2.0, 4.5]], "gradient of x[0, 1]: expected 4, by nudging, found 4.5, where x[0, 1] is 2.0;"),
    ([2.0, 4.0], "the gradient of x should have its shape, numbers at [0][0], [0][1]; it has numbers "
     "at [0], [1]"),
    ([(2.0, 4.0)], "the gradient of x should be made of lists and numbers; found (2.0, 4.0)")])
def test_messages_on_gradients(grad, message):
    data = [[1.0, 2.0]]
    assert message_of(test_exercises.check_gradient, lambda: sum(v * v for v in data[0]), "x", data,
                      grad).startswith(message)
    test_exercises.check_gradient(lambda: sum(v * v for v in data[0]), "x", data, [[2.0, 4.0]])


# --- the folder ---


def files_in(folder):
    """{path: text} of a folder."""
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8")
            for path in folder.rglob("*") if path.is_file()}


def test_a_handout_of_all(tmp_path, capsys):
    folder = tmp_path / "new" / "all"
    handout.main([str(folder)])
    assert capsys.readouterr().out == (f"{folder}: {len(EXERCISES)} exercises left blank; in there,"
                                       " python -m pytest shows how far one is\n")
    files = files_in(folder)
    assert {name for name in files if os.sep not in name} == {
        "README.md", "names.txt", *(f"{lesson}.py" for lesson in handout.LESSONS)}
    own = {os.path.join("tests", name) for name in os.listdir(os.path.join(handout.ROOT, "tests"))
           if name.endswith(".py")} - {os.path.join("tests", name) for name in
                                       ("handout.py", "test_handout.py", "test_readme.py")}
    assert {name for name in files if os.sep in name} == {
        *own, os.path.join("tests", "exercises.txt")}
    for name in ("names.txt", *own):
        assert files[name] == handout.read(name)
    text = files["README.md"]
    assert text.startswith("# Handout\n") and handout.table_of(EXERCISES) in text
    assert "# exercise 1.1: a derivative by nudging` above" in text
    assert 'python -m pytest -k "exercise and 1_1"      # exercise 1.1 alone' in text
    assert re.findall("^## (.*)", text, re.M) == ["Test it", "Common questions", "Licence"]
    assert "\npython -m pytest tests/test_micrograd.py    # all tests of a lesson, when" in text
    assert text.endswith(handout.read("README.md")[-500:]) and "MIT License" in text
    assert "handout.py" not in text and "<!--" not in text and "The tests compare" not in text
    assert files[os.path.join("tests", "exercises.txt")] == "".join(
        f"{exercise.number} {exercise.title}\n" for exercise in EXERCISES)
    for lesson, source in SOURCES.items():
        assert files[f"{lesson}.py"] == handout.blank(source, [
            exercise for exercise in EXERCISES if exercise.lesson == lesson]) != source


@pytest.mark.parametrize("args, numbers", [
    (["--only", "1.3", "4.2"], ["1.3", "4.2"]), (["--lesson", "mlp.py"], ["3"]),
    (["--lesson", "bpe", "gpt"], ["5", "6"]), (["--only", "5.3"], ["5.3"]),
    (["--lesson", "bpe", "--only", "2.1"], ["2.1", "6"])])
def test_a_handout_of_some(args, numbers, tmp_path, capsys):
    folder = tmp_path / "some"
    folder.mkdir()  # an empty one will do
    handout.main([str(folder), *args])
    files = files_in(folder)
    chosen = [exercise for exercise in EXERCISES if exercise.number.startswith(tuple(numbers))]
    plural = "" if len(chosen) == 1 else "s"
    assert f": {len(chosen)} exercise{plural} left blank; " in capsys.readouterr().out
    assert files[os.path.join("tests", "exercises.txt")] == "".join(
        f"{exercise.number} {exercise.title}\n" for exercise in chosen)
    for lesson, source in SOURCES.items():
        assert files[f"{lesson}.py"] == handout.blank(source, [
            exercise for exercise in chosen if exercise.lesson == lesson])


def test_the_list(capsys):
    handout.main(["--list"])
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if re.match(r"\d\.\d", line)]
    assert len(rows) == len(EXERCISES) and len(lines) == len(rows) + 1 + len(handout.LESSONS)
    for row, exercise in zip(rows, EXERCISES):
        assert re.split("  +", row) == [
            exercise.number, exercise.title, exercise.function,
            str(exercise.last_line - exercise.first_line)]
    handout.main(["--list", "--only", "5.3"])
    assert capsys.readouterr().out.split() == (
        "exercise function lines gpt.py 5.3 the causal mask causal_softmax 2".split())


@pytest.mark.parametrize("args, message", [
    ([], "where to? name a new folder, or ask for --list"),
    (["full"], "full: not empty; name a new folder"),
    (["file"], "file: not a folder; name a new one"),
    (["file/in"], "file/in: "), (["new", "--only", "1.99"], "there is no exercise '1.99'; --list"),
    (["new", "--only"], "--only: expected at least one argument"),
    (["new", "--lesson", "rnn"], "--lesson: 'rnn' is none of micrograd, bigram, mlp, wave")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkdir("full")
    scripts.write(tmp_path / "full" / "notes.txt", "mine")
    scripts.write(tmp_path / "file", "text")
    assert scripts.check_refused(handout.main, "handout.py", args, message, capsys) == ""
    assert sorted(os.listdir()) == ["file", "full"] and os.listdir("full") == ["notes.txt"]


def test_what_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "rename", full)
    scripts.check_refused(handout.main, "handout.py", [str(tmp_path / "a")],
                          "a: No space left on device; name a folder that can be written", capsys)
    assert os.listdir(tmp_path / "a") == []


# --- the score ---


def score(folder, *args):
    """What pytest prints in a handout, and {number: what the table says of it}."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args],
                          cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=60)
    table = re.search(r'=+ score =+\n(.*)\none alone, such as (\d)\.(\d): python -m pytest -k '
                      r'"exercise and \2_\3"\n(?:!+ .* !+\n)?=+ .* =+\n$', done.stdout, re.S)
    lines = table[1].split("\n") if table else [""]
    assert not table or lines[0].startswith(f"{table[2]}.{table[3]} ")
    return done, {line[:3]: line[59:] for line in lines[:-1]}, lines[-1]


def solve(folder, *numbers):
    """Put the lessons' own bodies into a handout, but leave blank what has not these numbers."""
    for lesson, source in SOURCES.items():
        rest = [exercise for exercise in EXERCISES
                if exercise.lesson == lesson and exercise.number not in numbers]
        scripts.write(folder / f"{lesson}.py", handout.blank(source, rest))


def test_the_score(tmp_path):
    handout.main([str(tmp_path / "a")])
    folder = tmp_path / "a"
    done, states, total = score(folder)
    assert done.returncode == 1
    assert states == {exercise.number: "not started" for exercise in EXERCISES}
    assert list(states) == sorted(states)
    n = len(EXERCISES)
    assert total == f"0 of {n} done, 0 failing, {n} not started"
    for exercise in EXERCISES:
        assert f"\n{exercise.number:5}{exercise.title}  " in done.stdout
    assert "FAILURES" not in done.stdout  # nor anything else but the table

    solve(folder, "1.3", "1.5", "2.1", "6.1")
    text = (folder / "bigram.py").read_text(encoding="utf-8")
    assert text.count("counts[before][after] += 1") == 1
    scripts.write(folder / "bigram.py", text.replace("counts[before][after] += 1",
                                                     "counts[after][before] += 1"))
    scripts.write(folder / "wavenet.py", "def (\n")  # a slip in one lesson is none of the others'
    scripts.write(folder / "notes.py", b"# caf\xe9\n")  # nor is a file of the student's own
    done, states, total = score(folder)
    others = {exercise.number: "not started" for exercise in EXERCISES}
    others.update({"1.3": "done", "1.5": "failing: needs 1.4", "2.1": "failing",
                   "6.1": "done"})
    others.update((exercise.number, "failing") for exercise in EXERCISES
                  if exercise.lesson == "wavenet")
    assert states == others
    assert total == f"2 of {n} done, 8 failing, {n - 10} not started"
    assert "wavenet.py cannot be read as Python: line 1: " in done.stdout
    assert "short test summary" not in done.stdout  # the score says that
    assert done.stdout.count("____ ") == 1 + len([name for name in vars(test_exercises)
                                                  if name.startswith("test_exercise_4_")]) + 1
    assert ("\ncount_pairs([[0, 1, 2, 2, 0], [0, 1, 3, 0]], 5): at [0][1], expected 2, found 0\n"
            in done.stdout)

    solve(folder, *(exercise.number for exercise in EXERCISES))
    done, states, total = score(folder)
    assert done.returncode == 0 and set(states.values()) == {"done"}
    assert total == f"{n} of {n} done, 0 failing, 0 not started"


def test_the_score_of_one_exercise(tmp_path):
    handout.main([str(tmp_path / "a"), "--only", "1.3", "4.2"])
    done, states, total = score(tmp_path / "a", "-k", "exercise and 1_3")
    assert states == {"1.3": "not started"} and total == "0 of 1 done, 0 failing, 1 not started"
    done, states, total = score(tmp_path / "a")  # only what was handed out
    n = len([*cases_of("1.3"), *cases_of("4.2")])
    assert f" deselected / {n} selected\n" in done.stdout
    assert states == {"1.3": "not started", "4.2": "not started"}
    done, states, _ = score(tmp_path / "a", os.path.join("tests", "test_layout.py"))
    assert states == {} and " passed" in done.stdout  # other tests run if they are named


@scripts.posix
def test_what_the_score_says_of_odd_solutions(tmp_path):
    handout.main([str(tmp_path / "a"), "--only", "1.1", "1.2", "1.3", "2.4", "6.1", "6.3"])
    solve(tmp_path / "a", *(exercise.number for exercise in EXERCISES))
    for lesson, old, new in (
            ("micrograd", "(f(*up) - f(*down)) / (2 * h)", "(f(*up) - f(*down)) / h"),
            ("micrograd", "(1 - out * out,), \"tanh\"", "(0.0,), \"tanh\""),
            ("micrograd", "    product = a * b\n    total",
             "    while True:\n        pass\n    total"),
            ("bigram", "    total = 0.0\n    for row, row_counts",
             "    raise NotImplementedError\n    for row, row_counts"),
            ("bpe", "    merged, i = [], 0\n",
             "    raise NotImplementedError('exercise 6.1: merging a pair')\n"),
            ("bpe", "def ranks_of(", "def rank_of(")):
        path = tmp_path / "a" / f"{lesson}.py"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        scripts.write(path, text.replace(old, new))
    path = tmp_path / "a" / "tests" / "conftest.py"
    scripts.write(path, path.read_text(encoding="utf-8").replace("SECONDS = 10", "SECONDS = 1"))
    done, states, total = score(tmp_path / "a")
    assert states == {"1.1": "failing", "1.2": "failing", "1.3": "failing", "2.4": "failing",
                      "6.1": "not started", "6.3": "failing"}
    assert total == "0 of 6 done, 5 failing, 1 not started"
    assert "not finished after 1 seconds: is there a loop that never ends, or one" in done.stdout
    assert "AttributeError: module 'bpe' has no attribute 'ranks_of'" in done.stdout
    assert "def test_exercise" not in done.stdout  # the tests are not shown at length
    _, states, total = score(tmp_path / "a", "-x")
    assert states == {"1.1": "failing", "1.2": "not run", "1.3": "not run", "2.4": "not run",
                      "6.1": "not run", "6.3": "not run"}
    assert total == "0 of 6 done, 1 failing, 0 not started, 5 not run"
    _, states, _ = score(tmp_path / "a", "-k", "1_3_the_value")
    assert states == {"1.3": "failing: not all of its tests ended"}


def test_a_handout_within_the_project_does_not_disturb_its_tests(tmp_path):
    (tmp_path / "p" / "tests").mkdir(parents=True)
    for name in ("README.md", "names.txt", *(f"{lesson}.py" for lesson in handout.LESSONS),
                 *(os.path.join("tests", name) for name in (
                     "conftest.py", "gradcheck.py", "handout.py", "test_exercises.py"))):
        shutil.copy(os.path.join(handout.ROOT, name), tmp_path / "p" / name)
    subprocess.run([sys.executable, os.path.join("tests", "handout.py"), "a", "--only", "1.3"],
                   cwd=tmp_path / "p", check=True, capture_output=True)
    done, states, _ = score(tmp_path / "p")
    assert done.returncode == 0 and not states
    done, states, _ = score(tmp_path / "p" / "a")
    assert states == {"1.3": "not started"}


def test_no_score_in_the_project():
    done, states, _ = score(handout.ROOT, os.path.join("tests", "test_exercises.py"))
    assert done.returncode == 0 and not states and "score" not in done.stdout


SCRIPT = [sys.executable, os.path.join(handout.ROOT, "tests", "handout.py"), "--list"]


@scripts.posix
def test_a_reader_that_leaves_is_no_error():
    process = subprocess.Popen(SCRIPT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(timeout=60) == 1


@scripts.full_disk
def test_a_full_disk():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(SCRIPT, stdout=full, stderr=subprocess.PIPE, text=True,
                              encoding="utf-8", timeout=60,
                              env={**os.environ, "PYTHONUNBUFFERED": ""})
    assert done.returncode == 2
    assert done.stderr.startswith("handout.py: error: the output cannot be written: No space")


def test_run_as_a_script(tmp_path):
    for args, status in ((["--list"], 0), ([], 2)):
        done = subprocess.run([sys.executable, os.path.join(handout.ROOT, "tests", "handout.py"),
                               *args], cwd=tmp_path, capture_output=True, text=True,
                              encoding="utf-8", timeout=60)
        assert done.returncode == status and "Traceback" not in done.stderr
