"""Makes a handout: a copy of the project in which exercises are left blank.

    python tests/handout.py DIR              all of them, in a new folder
    python tests/handout.py DIR 1.3 4.2      just these
    python tests/handout.py --list           what there is

An exercise is a function with a comment such as `# exercise 5.7 (hard; needs 5.3): title` above it.
In the handout its body is a line that raises NotImplementedError; signature and docstring stay.
The same function in another lesson is left blank too, so that no solution stands beside its blank.
"""
import argparse
import ast
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ("micrograd", "bigram", "mlp", "wavenet", "gpt", "bpe")
TEST_FILES = ["conftest.py", "gradcheck.py", "helpers.py"]
TEST_FILES += [f"test_{lesson}.py" for lesson in LESSONS]
MARK = re.compile(r" *# exercise (\d\.\d+)(?: \((.+)\))?: (.+)")


class Exercise(NamedTuple):
    """One exercise; its body is the lines after `first`, up to `last`."""
    number: str
    note: str  # such as "hard; needs 3.7", or ""
    title: str
    lesson: str
    function: str  # its name
    code: str  # the function's syntax tree as text
    first: int
    last: int


def source_of(lesson):
    """Return the source of a lesson."""
    return (ROOT / f"{lesson}.py").read_text("utf-8")


def functions_in(source):
    """Return the functions and methods in a source, as nodes of its syntax tree."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]


def body_of(node):
    """Return (first, last): the body of a function is the lines after first, up to last."""
    first = node.body[0].lineno - 1
    if ast.get_docstring(node):
        first = node.body[0].end_lineno
    return first, node.end_lineno


def exercises_of(lesson, source):
    """Return the exercises in the source of a lesson, in the order of their numbers.

    Raises ValueError for an exercise comment that is not directly above a function.
    """
    marks = {}  # {number of a line: the match of its exercise comment}
    for at, line in enumerate(source.split("\n"), start=1):
        match = MARK.fullmatch(line)
        if match:
            marks[at] = match
    found = []
    for node in functions_in(source):
        lines = [node.lineno, *[decorator.lineno for decorator in node.decorator_list]]
        mark = marks.pop(min(lines) - 1, None)
        if mark:
            number, note, title = mark.groups()
            first, last = body_of(node)
            code = ast.dump(node)
            found.append(
                Exercise(number, note or "", title, lesson, node.name, code, first, last))
    for at in marks:
        raise ValueError(f"{lesson}.py:{at}: this exercise is not directly above a function")
    return sorted(found, key=lambda e: int(e.number.split(".")[1]))


def blank(source, exercises):
    """Return the source of a lesson without the bodies of the functions of these exercises.

    A function is one of theirs if its name and its code are the same; comments do not count.
    """
    answers = {e.code: e for e in exercises}
    bodies = []
    for node in functions_in(source):
        e = answers.get(ast.dump(node))
        if e:
            bodies.append((*body_of(node), e))
    lines = source.split("\n")
    for first, last, e in sorted(bodies, reverse=True):
        indent = re.match(" *", lines[first])[0]
        error = f'NotImplementedError("exercise {e.number}: {e.title}")'
        lines[first:last] = [f"{indent}raise {error}"]
    return "\n".join(lines)


def all_exercises():
    """Return the exercises of all lessons."""
    found = []
    for lesson in LESSONS:
        found += exercises_of(lesson, source_of(lesson))
    return found


def write_handout(folder, exercises):
    """Write a handout with these exercises into a new or empty folder."""
    tests = folder / "tests"
    tests.mkdir(parents=True)
    for lesson in LESSONS:
        (folder / f"{lesson}.py").write_text(blank(source_of(lesson), exercises), "utf-8")
    for name in ["names.txt", *[f"tests/{name}" for name in TEST_FILES]]:
        (folder / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    lines = [f"{e.number} {e.title}\n" for e in exercises]
    (tests / "exercises.txt").write_text("".join(lines), "utf-8")


def print_list(exercises):
    """Print a line for each exercise."""
    for e in exercises:
        size = f"{e.last - e.first:3} lines"
        function = f"{e.lesson}.{e.function}"
        print(f"{e.number:5}{e.title:50}{function:26}{size}  {e.note}".rstrip())


def main(argv=None):
    """Read the command line and write the handout; exit status 2 if that cannot be done."""
    parser = argparse.ArgumentParser(prog="handout.py", description="Make a handout.")
    parser.add_argument("folder", nargs="?", type=Path, help="a new folder")
    parser.add_argument("numbers", nargs="*", help="such as 1.3 4.2; all, if none is named")
    parser.add_argument("--list", action="store_true", help="list the exercises")
    args = parser.parse_args(argv)
    exercises = all_exercises()
    if args.list:
        print_list(exercises)
        return
    unknown = set(args.numbers) - {e.number for e in exercises}
    if unknown:
        parser.error(f"{min(unknown)}: no such exercise")
    if not args.folder:
        parser.error("name a new or empty folder")
    if args.numbers:
        exercises = [e for e in exercises if e.number in args.numbers]
    try:
        if args.folder.exists() and any(args.folder.iterdir()):
            parser.error(f"{args.folder}: name a new or empty folder")
        write_handout(args.folder, exercises)
    except OSError as error:
        parser.error(str(error))
    print(f"{args.folder}: {len(exercises)} exercises left blank; in there, run python -m pytest")


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, such as | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
