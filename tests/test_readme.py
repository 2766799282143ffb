"""README.md: what it says of the lessons is so."""
import re

from handout import LESSONS, ROOT, all_exercises, source_of

README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_links_to_each_lesson_and_two_places_say_how_many_exercises_there_are():
    # the table has a row "| [gpt.py](gpt.py) | ..." for each lesson; \1 is the name again
    links = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\)", README, re.M)
    assert links == list(LESSONS)
    # it says "There are N exercises" and "Comments ... stand above functions, N in all"
    numbers = re.findall(r"(\d+) (?:exercises|in all)\b", README)
    assert numbers == [str(len(all_exercises()))] * 2


def test_the_function_attend_in_the_readme_stands_like_this_in_gpt_py():
    code = re.search(r"```python\n(def attend.*?)```", README, re.S)
    first, *body = code[1].splitlines()
    # between the first line and the others, gpt.py has a docstring
    assert f"{first}\n" in source_of("gpt")
    assert "\n".join(body) in source_of("gpt")


def test_the_readme_has_at_most_200_lines_and_no_placeholder_such_as_T_gpt_or_TODO():
    assert len(README.splitlines()) <= 200
    # T_gpt and BPE_ratio would stand for a time and a ratio that are still to be measured
    assert not re.search(r"\b(T|BPE)_\w+|\bTODO\b", README)
