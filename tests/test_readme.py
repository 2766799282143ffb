"""README.md: what it says of the lessons is so."""
import re

from handout import LESSONS, ROOT, all_exercises


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_it_knows_how_long_the_lessons_are_and_how_many_exercises_they_have():
    for lesson in LESSONS:
        row = re.search(rf"^\| {lesson}.py \|(.+)\|$", read("README.md"), re.M)[1].split("|")
        assert int(row[2]) == read(f"{lesson}.py").count("\n"), lesson
    assert f"functions, {len(all_exercises())} in all" in read("README.md")
