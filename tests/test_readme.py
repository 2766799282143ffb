"""README.md: what it says of the lessons is so."""
import re

from handout import LESSONS, ROOT, all_exercises


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_it_has_a_row_for_each_lesson_and_knows_how_many_exercises_they_have():
    for lesson in LESSONS:
        assert re.search(rf"^\| {lesson}.py \|", read("README.md"), re.M), lesson
    assert f"functions, {len(all_exercises())} in all" in read("README.md")
