"""Makes a handout: a copy of the project in which the exercises are left blank.

    python tests/handout.py DIR                   all exercises of all lessons, in a new folder
    python tests/handout.py DIR --lesson mlp      those of a lesson
    python tests/handout.py DIR --only 1.3 4.2    just these
    python tests/handout.py --list                a table of them

An exercise is a function of a lesson with a comment such as `# exercise 1.3: tanh and its slope`
directly above it. In the handout its body is one line that raises NotImplementedError; signature
and docstring stay. In there, `python -m pytest` runs the tests of its exercises, and ends with a
table: which are done. The blanks are made from the lessons as they are, so they cannot go stale.
"""
import argparse
import ast
import os
import re
import sys
import tempfile
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
LESSONS = ("micrograd", "bigram", "mlp", "wavenet", "gpt", "bpe")
OF_THE_PROJECT = ("handout.py", "test_handout.py", "test_readme.py")  # no handout needs these
MARK = re.compile(r" *# exercise ((\d)\.(\d+)): (.+)")


class Exercise(NamedTuple):
    """One exercise, and where its body is: the lines after first_line, up to last_line."""
    number: str
    title: str
    lesson: str
    function: str
    first_line: int
    last_line: int


def functions_of(node, prefix=""):
    """Yields each function in an ast, however deep, and its name with those of what it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child, prefix + child.name
        named = isinstance(child, (ast.FunctionDef, ast.ClassDef))
        yield from functions_of(child, f"{prefix}{child.name}." if named else prefix)


def exercises_of(lesson, source):
    """The exercises that are marked in the source of a lesson, in the order of their numbers.

    Raises ValueError for a mark that is not directly above a function.
    """
    marks = {number: match for number, line in enumerate(source.split("\n"), start=1)
             if (match := MARK.fullmatch(line))}
    found = []
    for function, name in functions_of(ast.parse(source)):
        above = min([function.lineno, *(d.lineno for d in function.decorator_list)]) - 1
        if above in marks:
            match, body = marks.pop(above), function.body
            first = body[0].end_lineno if ast.get_docstring(function) is not None else \
                body[0].lineno - 1
            found.append(Exercise(match[1], match[4], lesson, name, first, function.end_lineno))
    for line, match in marks.items():
        raise ValueError(f"{lesson}.py:{line}: exercise {match[1]} is not directly above a "
                         f"function")
    return sorted(found, key=lambda exercise: exercise.number)


def blank(source, exercises):
    """The source of a lesson, with the bodies of these exercises left blank."""
    lines = source.split("\n")
    for exercise in sorted(exercises, key=lambda exercise: -exercise.first_line):
        body = lines[exercise.first_line:exercise.last_line]
        indent = re.match(" *", body[0])[0]
        lines[exercise.first_line:exercise.last_line] = [
            f'{indent}raise NotImplementedError("exercise {exercise.number}: {exercise.title}")']
    return "\n".join(lines)


def read(*path):
    """The text of a file of the project."""
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def all_exercises():
    """The exercises of all lessons."""
    return [exercise for lesson in LESSONS
            for exercise in exercises_of(lesson, read(f"{lesson}.py"))]


PREFACE = """# Handout

In the lessons of this folder the bodies of some functions are left blank: those that have a comment
such as `# exercise {number}: {title}` above them and raise NotImplementedError. Write
them, in the order of their numbers, which is not always that of the file. What each has to do
stands in its docstring and in the text at the head of its section, which begins with `# %%`.
(Lines: how many the body has in the lesson; yours may have more or fewer.)

```
{table}
```

With pytest installed and the virtual environment active (see "Test it" below), these tell how far
you are:

```
python -m pytest                            # all exercises, with the score at the end
python -m pytest -k "exercise and {number_in_names}"      # exercise {number} alone
python -m pytest tests/test_{lesson}.py{blanks}# all tests of a lesson, when its exercises are done
```

In the score, "failing: needs 1.4" means that a test has met the blank of exercise 1.4. A lesson
runs as a script once its exercises are done; before that it stops at the first blank that it meets.

"""


def section_of(text, title):
    """A section of README.md, with its title."""
    return re.search(rf"^## {title}\n.*?(?=^## |\Z)", text, re.M | re.S)[0]


def readme_of(exercises):
    """The README.md of a handout with these exercises."""
    number, title, lesson = exercises[0][:3]
    sections = [section_of(read("README.md"), title)
                for title in ("Test it", "Common questions", "Licence")]
    sections[0] = sections[0].replace("<!-- test -->\n", "").partition("The tests compare")[0]
    return PREFACE.format(number=number, title=title, table=table_of(exercises), lesson=lesson,
                          number_in_names=number.replace(".", "_"),
                          blanks=" " * (13 - len(lesson))) + "".join(sections)


def files_of(exercises):
    """{path, as a tuple: text} of all that a handout with these exercises holds."""
    files = {("README.md",): readme_of(exercises), ("names.txt",): read("names.txt")}
    for lesson in LESSONS:
        own = [exercise for exercise in exercises if exercise.lesson == lesson]
        files[f"{lesson}.py",] = blank(read(f"{lesson}.py"), own)
    for name in sorted(os.listdir(os.path.join(ROOT, "tests"))):
        if name.endswith(".py") and name not in OF_THE_PROJECT:
            files["tests", name] = read("tests", name)
    files["tests", "exercises.txt"] = "".join(f"{exercise.number} {exercise.title}\n"
                                              for exercise in exercises)
    return files


def write_handout(folder, exercises):
    """Write a handout with these exercises. Raises ValueError if the folder is not empty."""
    files = files_of(exercises)
    try:
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise ValueError(f"{folder}: not a folder; name a new one")
        os.makedirs(folder, exist_ok=True)
        if os.listdir(folder):
            raise ValueError(f"{folder}: not empty; name a new folder")
        with tempfile.TemporaryDirectory(dir=folder) as part:  # so that it is all there, or nothing
            os.mkdir(os.path.join(part, "tests"))
            for path, text in files.items():
                with open(os.path.join(part, *path), "w", encoding="utf-8") as file:
                    file.write(text)
            for name in os.listdir(part):
                os.rename(os.path.join(part, name), os.path.join(folder, name))
    except OSError as error:
        raise ValueError(f"{folder}: {error.strerror}; name a folder that can be written") from None


def table_of(exercises):
    """A line for each exercise: its number, its title, which function it is, and its length."""
    lines, lesson = [f"     {'exercise':37}{'function':32}lines"], ""
    for exercise in exercises:
        if exercise.lesson != lesson:
            lesson = exercise.lesson
            lines.append(f"{lesson}.py")
        lines.append(f"{exercise.number:5}{exercise.title:37}{exercise.function:32}"
                     f"{exercise.last_line - exercise.first_line:5}")
    return "\n".join(lines)


def choose(exercises, numbers, lessons):
    """Those exercises that have one of the numbers or are of one of the lessons; without, all."""
    for number in numbers:
        if number not in [exercise.number for exercise in exercises]:
            raise ValueError(f"--only: there is no exercise {number!r}; --list shows them all "
                             f"(and DIR stands before --only)")
    lessons = [lesson.removesuffix(".py") for lesson in lessons]
    for lesson in lessons:
        if lesson not in LESSONS:
            raise ValueError(f"--lesson: {lesson!r} is none of {', '.join(LESSONS)}")
    if not numbers and not lessons:
        return exercises
    return [exercise for exercise in exercises
            if exercise.number in numbers or exercise.lesson in lessons]


def main(argv=None):
    """Read the command line, and write a handout or the table."""
    parser = argparse.ArgumentParser(
        prog="handout.py", description="Make a copy of the project with exercises left blank.")
    parser.add_argument("folder", metavar="DIR", nargs="?", help="a new folder to write")
    parser.add_argument("--only", metavar="N", nargs="+", default=[],
                        help="numbers of exercises to leave blank, such as 1.3 (default: all)")
    parser.add_argument("--lesson", metavar="L", nargs="+", default=[],
                        help="lessons whose exercises to leave blank, such as mlp (default: all)")
    parser.add_argument("--list", action="store_true", help="show the exercises, and write nothing")
    args = parser.parse_args(argv)
    try:
        chosen = choose(all_exercises(), args.only, args.lesson)
        if args.list:
            return print(table_of(chosen))
        if not args.folder:
            raise ValueError("where to? name a new folder, or ask for --list")
        write_handout(args.folder, chosen)
    except ValueError as error:
        parser.error(str(error))
    print(f"{args.folder}: {len(chosen)} exercise{'s' * (len(chosen) != 1)} left blank; in there, "
          f"python -m pytest shows how far one is")


if __name__ == "__main__":
    try:
        try:
            main()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # nowhere to print to: the disk is full or, with head, the reader left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        print(f"handout.py: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
