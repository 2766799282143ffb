"""The shape of the project: what is at the top, what the lessons import, how they are laid out."""
import ast
import re
import subprocess
import sys

import pytest

from handout import LESSONS, ROOT, source_of

# modules that can run code from a file, or reach the network
UNSAFE = {"pickle", "marshal", "shelve", "ctypes", "socket", "urllib", "http"}
every_lesson = pytest.mark.parametrize("lesson", LESSONS)


def test_at_the_top_are_the_readme_the_names_the_tests_and_the_lessons_and_nothing_else():
    if not (ROOT / ".git").exists():
        pytest.skip("only git knows which files belong to the project")
    command = ["git", "-C", ROOT, "ls-files"]
    listed = subprocess.check_output(command).decode()
    top = {path.split("/")[0] for path in listed.split()}
    top = {name for name in top if not name.startswith(".")}  # .gitignore and .ci do not count
    assert top == {"README.md", "names.txt", "tests", *[f"{lesson}.py" for lesson in LESSONS]}


@every_lesson
def test_a_lesson_imports_only_safe_standard_modules_and_calls_no_eval_exec_or_compile(lesson):
    for node in ast.walk(ast.parse(source_of(lesson))):
        modules = []  # the modules that this node imports, if it is an import
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
        for module in modules:
            # another lesson is no standard module, so it is refused as well
            assert module.split(".")[0] in sys.stdlib_module_names - UNSAFE
        if isinstance(node, ast.Call):
            # re.compile() is called re.compile here, so it is allowed
            assert ast.unparse(node.func) not in ("eval", "exec", "compile")


# A section begins with a line such as "# %% 2. The chain rule".
@every_lesson
def test_a_lesson_has_a_docstring_and_more_than_3_sections_numbered_from_1(lesson):
    text = source_of(lesson)
    assert ast.get_docstring(ast.parse(text))
    numbers = re.findall(r"^# %% (\d+)\. ", text, re.M)
    assert numbers == [str(i) for i in range(1, len(numbers) + 1)]
    n_sections = len(re.findall("^# %%", text, re.M))
    assert n_sections == len(numbers)  # each section has a number
    assert n_sections > 3


@every_lesson
def test_the_lines_of_a_lesson_have_at_most_88_columns_and_do_not_end_in_blanks(lesson):
    for number, line in enumerate(source_of(lesson).split("\n"), 1):
        assert len(line) <= 88, f"{lesson}:{number} has {len(line)} columns"
        assert line == line.rstrip(), f"{lesson}:{number} ends in blanks"


# The name of a private or special one begins with _, as __init__ does.
@every_lesson
def test_all_functions_classes_and_methods_but_private_and_special_ones_have_docstrings(lesson):
    found = []  # what stands at the top level of the file, or of a class
    for node in ast.parse(source_of(lesson)).body:
        found.append(node)
        if isinstance(node, ast.ClassDef):
            found += node.body
    for node in found:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{lesson}:{node.lineno} {node.name}"


@every_lesson
def test_the_sections_of_a_lesson_run_one_after_another_except_for_the_last_with_main(lesson):
    *sections, last = re.split(r"(?m)^(?=# %% )", source_of(lesson))  # cut before each "# %% "
    assert "def main(" in last
    names = {"__name__": lesson}  # and all that the sections define
    for section in sections:
        exec(compile(section, lesson, "exec"), names)  # fails if it needs what comes later


def test_names_txt_has_at_least_8000_names_of_2_to_15_letters_sorted_and_each_once():
    names = (ROOT / "names.txt").read_text("utf-8").splitlines()
    assert len(names) >= 8000
    assert names == sorted(set(names))
    assert all([re.fullmatch("[a-z]{2,15}", name) for name in names])
