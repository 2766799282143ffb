"""The shape of the project: what is at the top, what the lessons import, how they are laid out."""
import ast
import os
import re
import subprocess
import sys

import pytest

from test_shared import REWRITTEN

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALL_LESSONS = ["micrograd.py", "bigram.py", "mlp.py", "wavenet.py", "gpt.py", "bpe.py"]
LESSONS = [name for name in ALL_LESSONS if os.path.exists(os.path.join(ROOT, name))]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def test_nothing_else_is_at_the_top():
    if os.path.exists(os.path.join(ROOT, ".git")):
        listed = subprocess.run(
            ["git", "-C", ROOT, "ls-files"],
            capture_output=True,
            text=True,
            check=True,
            encoding="utf-8",
        ).stdout.split("\n")
        top = {path.split("/")[0] for path in listed if path}
    else:
        top = set(os.listdir(ROOT)) - {"__pycache__"}
    top = {name for name in top if not name.startswith(".")}
    assert top <= {"README.md", "names.txt", "tests", *ALL_LESSONS}
    assert top >= {"README.md", "names.txt", "tests", *LESSONS}


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_imports_only_the_standard_library(name):
    for node in ast.walk(ast.parse(read(name))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports from beside itself"
            modules = [node.module]
        for module in modules:
            top = module.split(".")[0]
            assert top in sys.stdlib_module_names, f"{name}:{node.lineno} imports {module}"
            assert top + ".py" not in ALL_LESSONS, f"{name}:{node.lineno} imports a lesson"
            assert top not in ("pickle", "marshal", "shelve", "ctypes", "socket", "urllib", "http")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile"), f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_a_docstring_numbered_sections_and_short_lines(name):
    text = read(name)
    assert ast.get_docstring(ast.parse(text))
    heads = re.findall(r"^# %% (\d+)\. \S", text, re.M)
    assert heads == [str(i) for i in range(1, len(heads) + 1)] and len(heads) > 3
    assert len(re.findall("^# %%", text, re.M)) == len(heads)
    columns = 88 if name.removesuffix(".py") in REWRITTEN else 100
    for number, line in enumerate(text.split("\n"), 1):
        assert len(line) <= columns, f"{name}:{number} has {len(line)} columns"
        assert line == line.rstrip(), f"{name}:{number} ends in blanks"


@pytest.mark.parametrize("name", LESSONS)
def test_what_others_may_call_is_documented(name):
    for node in ast.parse(read(name)).body:
        for d in [node, *(node.body if isinstance(node, ast.ClassDef) else [])]:
            if isinstance(d, (ast.FunctionDef, ast.ClassDef)) and not d.name.startswith("_"):
                assert ast.get_docstring(d), f"{name}:{d.lineno} {d.name} has no docstring"


@pytest.mark.parametrize("name", LESSONS)
def test_every_cell_above_the_last_runs_in_order(name):
    *cells, last = re.split(r"(?m)^(?=# %% )", read(name))
    assert "def main(" in last
    names = {"__name__": "cells"}
    for cell in cells:
        exec(compile(cell, name, "exec"), names)


TEST_FILES = []
for name in sorted(os.listdir(os.path.join(ROOT, "tests"))):
    if name.endswith(".py"):
        TEST_FILES.append(f"tests/{name}")


@pytest.mark.parametrize("name", LESSONS + TEST_FILES)
def test_files_are_opened_as_utf_8_or_as_bytes(name):
    """Elsewhere than here the default may be another encoding."""
    for node in ast.walk(ast.parse(read(name))):
        if not isinstance(node, ast.Call):
            continue
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        called = ast.unparse(node.func)
        if called == "open" and not (node.args[1:] and "b" in ast.unparse(node.args[1])):
            assert options.get("encoding") in ("'utf-8'", "'utf-8-sig'"), f"{name}:{node.lineno}"
        own = called.split(".")[0] + ".py" in ALL_LESSONS
        if called.endswith((".read_text", ".write_text")) and not own:
            assert "encoding" in options or "utf-8" in ast.unparse(node), f"{name}:{node.lineno}"
        if called.startswith("subprocess.") and "text" in options:
            assert options.get("encoding") == "'utf-8'", f"{name}:{node.lineno}"


def test_names_are_many_distinct_sorted_and_plain():
    names = read("names.txt").splitlines()
    assert len(names) >= 8000
    assert names == sorted(set(names))
    assert all(re.fullmatch("[a-z]{2,15}", name) for name in names)
