"""README.md: what it says of the lessons is so."""
import re

from handout import LESSONS, ROOT, all_exercises, source_of

README = (ROOT / "README.md").read_text("utf-8")


def test_it_links_to_each_lesson_and_counts_the_exercises():
    links = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\)", README, re.M)
    assert links == list(LESSONS)
    numbers = set(re.findall(r"(\d+) exercises|functions, (\d+) in all", README))
    found = {int("".join(pair)) for pair in numbers}
    assert found == {len(all_exercises())}


def test_the_code_that_it_shows_stands_in_the_lesson():
    code = re.search(r"```python\n(def attend.*?)```", README, re.S)
    first, *body = code[1].splitlines()
    assert f"{first}\n" in source_of("gpt")
    assert "\n".join(body) in source_of("gpt")


def test_it_has_at_most_200_lines_and_no_figure_that_is_missing():
    assert len(README.splitlines()) <= 200
    assert not re.search(r"\b(T|BPE)_\w+|\bTODO\b", README)
