"""README.md: what it says of the lessons is so."""
import re

import bpe
from handout import LESSONS, ROOT


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_it_knows_how_long_the_lessons_are():
    for lesson in LESSONS:
        row = re.search(rf"^\| {lesson}.py \| .+ \| (\d+) \| [\d.]+ s \| .+ \|$", read("README.md"),
                        re.M)
        assert int(row.group(1)) == read(f"{lesson}.py").count("\n"), lesson


def test_its_links_lead_somewhere():
    text = re.sub(r"(?ms)^```.*?^```", "", read("README.md"))
    heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
             for head in re.findall(r"^#+ (.+)$", text, re.M)}
    links = re.findall(r"\]\(#([^)]+)\)", text)
    assert links and set(links) <= heads
    assert not re.findall(r"\]\((?!#)", text)  # nothing outside is needed


def test_it_shows_what_bpe_prints(capsys):
    bpe.main([])
    lines = iter(capsys.readouterr().out.split("\n"))
    shown = re.search(r"^```\n(three merges\n.*?)\n```$", read("README.md"), re.M | re.S)[1]
    for line in shown.split("\n"):  # all of them, in this order
        assert line == "..." or line in lines, f"{line!r} is not what bpe.py prints there"
