"""The shape of the project: what is at the top, what the lessons import, how they are laid out."""
import ast
import re
import subprocess
import sys

import pytest

from handout import LESSONS, ROOT, source_of

UNSAFE = {"pickle", "marshal", "shelve", "ctypes", "socket", "urllib", "http"}
every_lesson = pytest.mark.parametrize("lesson", LESSONS)


def test_nothing_else_is_at_the_top():
    if not (ROOT / ".git").exists():
        pytest.skip("git knows what belongs to the project")
    command = ["git", "-C", ROOT, "ls-files"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    top = {path.split("/")[0] for path in listed.split()}
    top = {name for name in top if not name.startswith(".")}
    assert top == {"README.md", "names.txt", "tests", *[f"{lesson}.py" for lesson in LESSONS]}


@every_lesson
def test_a_lesson_imports_only_the_standard_library_and_runs_no_text(lesson):
    for node in ast.walk(ast.parse(source_of(lesson))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
        for module in modules:
            assert module.split(".")[0] in sys.stdlib_module_names - UNSAFE - set(LESSONS)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("eval", "exec", "compile")


@every_lesson
def test_a_lesson_has_a_docstring_numbered_sections_and_short_lines(lesson):
    text = source_of(lesson)
    assert ast.get_docstring(ast.parse(text))
    heads = re.findall(r"^# %% (\d+)\. ", text, re.M)
    assert heads == [str(i) for i in range(1, len(heads) + 1)]
    assert len(re.findall("^# %%", text, re.M)) == len(heads) > 3
    for number, line in enumerate(text.split("\n"), 1):
        assert len(line) <= 88, f"{lesson}:{number} has {len(line)} columns"
        assert line == line.rstrip(), f"{lesson}:{number} ends in blanks"


@every_lesson
def test_every_function_and_class_has_a_docstring(lesson):
    found = []
    for node in ast.parse(source_of(lesson)).body:
        found.append(node)
        if isinstance(node, ast.ClassDef):
            found += node.body
    for node in found:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{lesson}:{node.lineno} {node.name}"


@every_lesson
def test_every_cell_above_the_last_runs_in_order(lesson):
    *cells, last = re.split(r"(?m)^(?=# %% )", source_of(lesson))
    assert "def main(" in last
    names = {"__name__": "cells"}
    for cell in cells:
        exec(compile(cell, lesson, "exec"), names)


def test_names_are_many_distinct_sorted_and_plain():
    names = (ROOT / "names.txt").read_text("utf-8").splitlines()
    assert len(names) >= 8000
    assert names == sorted(set(names))
    assert all([re.fullmatch("[a-z]{2,15}", name) for name in names])
