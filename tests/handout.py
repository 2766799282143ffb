"""Makes a handout: a copy of the project in which exercises are left blank.

    python tests/handout.py DIR              all of them, in a new folder
    python tests/handout.py DIR 1.3 4.2      just these
    python tests/handout.py --list           what there is

An exercise is a function with a comment such as `# exercise 5.7 (hard; needs 5.3): title` above it.
In the handout its body is a line that raises NotImplementedError; signature and docstring stay.
"""
import argparse
import ast
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ("micrograd", "bigram", "mlp", "wavenet", "gpt", "bpe")
MARK = re.compile(r" *# exercise (\d\.\d+)(?: \((.+)\))?: (.+)")


class Exercise(NamedTuple):
    """One exercise; its body is the lines after `first`, up to `last`."""
    number: str
    note: str
    title: str
    lesson: str
    function: str
    first: int
    last: int


def exercises_of(lesson, source):
    """The exercises in the source of a lesson, in the order of their numbers.

    Raises ValueError for a mark that is not directly above a function.
    """
    found, marks = [], {}
    for at, line in enumerate(source.split("\n"), start=1):
        if match := MARK.fullmatch(line):
            marks[at] = match
    for node in ast.walk(ast.parse(source)):
        above = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1 \
            if isinstance(node, ast.FunctionDef) else None
        if above in marks:
            number, note, title = marks.pop(above).groups()
            first = node.body[0].end_lineno if ast.get_docstring(node) else node.body[0].lineno - 1
            found.append(Exercise(
                number, note or "", title, lesson, node.name, first, node.end_lineno))
    for at in marks:
        raise ValueError(f"{lesson}.py:{at}: this exercise is not directly above a function")
    return sorted(found, key=lambda e: int(e.number.split(".")[1]))


def blank(source, exercises):
    """The source of a lesson without the bodies of these exercises."""
    lines = source.split("\n")
    for e in sorted(exercises, key=lambda e: -e.first):
        indent = re.match(" *", lines[e.first])[0]
        error = f'NotImplementedError("exercise {e.number}: {e.title}")'
        lines[e.first:e.last] = [f"{indent}raise {error}"]
    return "\n".join(lines)


def all_exercises():
    """The exercises of all lessons."""
    return [e for lesson in LESSONS
            for e in exercises_of(lesson, (ROOT / f"{lesson}.py").read_text("utf-8"))]


def write_handout(folder, exercises):
    """Write a handout with these exercises into a new or empty folder."""
    (folder / "tests").mkdir(parents=True)
    for name in ("README.md", "names.txt", *(f"{lesson}.py" for lesson in LESSONS)):
        own = [e for e in exercises if name == f"{e.lesson}.py"]
        (folder / name).write_text(blank((ROOT / name).read_text("utf-8"), own), "utf-8")
    for path in (ROOT / "tests").glob("*.py"):
        if path.name not in ("handout.py", "test_handout.py", "test_layout.py", "test_readme.py"):
            (folder / "tests" / path.name).write_text(path.read_text("utf-8"), "utf-8")
    (folder / "tests" / "exercises.txt").write_text(
        "".join(f"{e.number} {e.title}\n" for e in exercises), "utf-8")


def main(argv=None):
    """Read the command line and write the handout; exit status 2 if that cannot be done."""
    parser = argparse.ArgumentParser(prog="handout.py", description="Make a handout.")
    parser.add_argument("folder", nargs="?", type=Path, help="a new folder")
    parser.add_argument("numbers", nargs="*", help="such as 1.3 4.2; all, if none is named")
    parser.add_argument("--list", action="store_true", help="list the exercises")
    args, exercises = parser.parse_args(argv), all_exercises()
    if args.list:
        for e in exercises:
            size = f"{e.last - e.first:3} lines"
            print(f"{e.number:5}{e.title:50}{e.lesson}.{e.function:20}{size}  {e.note}")
        return
    if unknown := set(args.numbers) - {e.number for e in exercises}:
        parser.error(f"{min(unknown)}: no such exercise")
    if not args.folder or args.folder.exists() and (
            not args.folder.is_dir() or any(args.folder.iterdir())):
        parser.error(f"{args.folder}: name a new or empty folder")
    exercises = [e for e in exercises if not args.numbers or e.number in args.numbers]
    try:
        write_handout(args.folder, exercises)
    except OSError as error:
        parser.error(str(error))
    print(f"{args.folder}: {len(exercises)} exercises left blank; in there, run python -m pytest")


if __name__ == "__main__":
    sys.exit(main())
