"""What the lessons have in common: it must be the same everywhere, and right."""
import ast
import importlib
import math
import random
import runpy
import sys

import pytest

from handout import LESSONS
from helpers import ROOT, assert_close, random_data

DIFFERENT = {  # {name: why several lessons have it, each in a form of its own}
    "main": "each lesson does something else",
    "read_options": "each lesson has options of its own",
    "train": "batches, gradients and optimizers differ from lesson to lesson",
    "Tensor": "bigram.py's has only what a graph without branches needs",
    "MLP": "made of Values in micrograd.py, of Tensors in mlp.py",
    "loss_of": "of points in micrograd.py, of documents later; gpt.py has no batch norm",
    "evaluate": "mlp.py evaluates equal contexts once",
    "sample": "from a table, from contexts, from documents",
    "first_params": "the networks have other parameters",
    "layer_norm": "in gpt.py one operation with a gradient of its own",
    "save": "a network, or a tokenizer",
    "load": "a network, or a tokenizer",
    "ids_of": "of characters, or of a file",
    "text_of": "of characters, or of tokens",
    "learn": "a network, which in gpt.py may be saved, or merges from texts",
}


def definitions(source):
    """Return {name: code} of the functions and classes in the source of a lesson.

    Comments do not count. Where a name is defined twice, the first definition counts. The
    code under a condition, the faster dot products for CPython, has the name "faster".
    """
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.setdefault(node.name, ast.dump(node))
        elif isinstance(node, ast.If) and "cpython" in ast.unparse(node.test):
            found["faster"] = ast.dump(node)
    return found


DEFINITIONS = {}
for lesson in LESSONS:
    text = (ROOT / f"{lesson}.py").read_text(encoding="utf-8")
    DEFINITIONS[lesson] = definitions(text)


def lessons_with(name):
    """Return a mark: the test runs with each lesson that has this part of the spine."""
    lessons = [lesson for lesson in LESSONS if name in DEFINITIONS[lesson]]
    if name == "Tensor":
        lessons.remove("bigram")  # see DIFFERENT
    return pytest.mark.parametrize("lesson", lessons)


def test_what_several_lessons_have_is_the_same_in_all_of_them():
    forms = {}
    for lesson, found in DEFINITIONS.items():
        for name, code in found.items():
            forms.setdefault(name, {}).setdefault(code, []).append(lesson)
    different = {name for name, lessons in forms.items() if len(lessons) > 1}
    assert different == set(DIFFERENT)


def test_comments_and_later_definitions_do_not_count():
    once = definitions("def f(): return 1")
    twice = definitions("# exercise 1.1: f\ndef f():\n    return 1  # one\ndef f(): return 2")
    assert once == twice


def plus(lesson, a, b):
    """Return the sum of two Tensors of a lesson."""
    return lesson.Tensor(a.data + b.data, [a, b], lambda grad: [grad, grad])


@lessons_with("Tensor")
def test_a_gradient_comes_by_all_paths_and_adds_up_for_given_tensors_alone(lesson):
    lesson = importlib.import_module(lesson)
    a = lesson.Tensor(3.0)
    b = plus(lesson, a, a)
    c = plus(lesson, plus(lesson, b, a), b)  # 5 * a
    for calls in (1, 2):
        c.backward()
        assert a.grad == 5 * calls
        assert (b.grad, c.grad) == (2, 1)


@lessons_with("Tensor")
def test_long_computations_need_no_recursion(lesson):
    lesson = importlib.import_module(lesson)
    a = lesson.Tensor(3.0)
    x = a
    for _ in range(100_000):
        x = plus(lesson, x, a)
    x.backward()
    assert (x.data, a.grad) == (300_003, 100_001)


@lessons_with("shape_of")
def test_shapes(lesson):
    shape_of = importlib.import_module(lesson).shape_of
    assert shape_of(1.5) == ()
    assert shape_of([]) == (0,)
    assert shape_of([1, 2]) == (2,)
    assert shape_of([[1, 2]]) == (1, 2)


@lessons_with("Tensor")
def test_backward_starts_from_a_number_and_a_wrong_gradient_names_its_operation(lesson):
    Tensor = importlib.import_module(lesson).Tensor
    with pytest.raises(ValueError):
        Tensor([1.0]).backward()

    def my_operation(x):
        return Tensor(1.0, [x], lambda grad: [[1.0]])
    with pytest.raises(ValueError, match="my_operation"):
        my_operation(Tensor([1.0, 2.0])).backward()


@lessons_with("add")
@pytest.mark.parametrize("a, b", [([1], [1, 2]), ([[1]], [[1], [2]]), ([[1, 2]], [[1]])])
def test_add_refuses_two_shapes(lesson, a, b):
    with pytest.raises(ValueError):
        importlib.import_module(lesson).add(a, b)


@lessons_with("inner")
@pytest.mark.parametrize("interpreter", ["cpython", "pypy"])
@pytest.mark.parametrize("sumprod", ["with sumprod", "without"])
def test_plain_and_faster_dot_products_agree(lesson, interpreter, sumprod, monkeypatch):
    monkeypatch.setattr(sys.implementation, "name", interpreter)
    if sumprod == "without":
        monkeypatch.delattr(math, "sumprod", raising=False)
    names = runpy.run_path(ROOT / f"{lesson}.py")
    rng = random.Random(1)
    a = random_data(rng, (3, 7))
    b = random_data(rng, (4, 7))
    expected = []
    for p in a:
        expected.append([math.fsum([x * y for x, y in zip(p, q)]) for q in b])
    assert_close(names["inner"](a, b), expected)
    assert_close(names["plain_inner"](a, b), expected)
    assert_close(names["plain_inner"](a, b[:1]), [row[:1] for row in expected])
    assert_close(names["dot"](a[0], b[0]), expected[0][0])


@lessons_with("split")
@pytest.mark.parametrize("n, sizes", [(25, [21, 2, 2]), (10, [8, 1, 1])])
def test_a_split_loses_nothing_and_is_always_the_same(lesson, n, sizes):
    lesson = importlib.import_module(lesson)
    documents = [str(i) for i in range(n)]
    parts = lesson.split(documents)
    assert [len(part) for part in parts] == sizes
    assert sorted(sum(parts, [])) == sorted(documents)
    random.seed(1)
    assert lesson.split(documents) == parts
    shuffled = list(documents)
    random.Random(42).shuffle(shuffled)
    assert parts[1] + parts[2] + parts[0] == shuffled


@lessons_with("read_documents")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_documents_are_the_lines_without_blanks_and_byte_order_mark(lesson, encoding, tmp_path):
    path = tmp_path / "data"
    path.write_text("zoë\n\n  ann b \n \t\nbea", encoding=encoding)
    read_documents = importlib.import_module(lesson).read_documents
    assert read_documents(path) == ["zoë", "ann b", "bea"]
    path.write_text("zoë", encoding="latin-1")
    with pytest.raises(UnicodeDecodeError):
        read_documents(path)


@lessons_with("encode")
def test_unknown_letters_are_refused(lesson):
    with pytest.raises(ValueError):
        importlib.import_module(lesson).encode("emmy", "aem")
