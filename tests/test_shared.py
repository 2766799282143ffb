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
    "evaluate": "mlp.py evaluates equal contexts once, and the others whole documents",
    "sample": "the model is a table, takes one context, or takes a whole document",
    "first_params": "the networks have other parameters",
    "layer_norm": "in gpt.py one operation with a gradient of its own",
    "save": "a network, or a tokenizer",
    "load": "a network, or a tokenizer",
    "ids_of": "of a text of a GPT, or of a piece of text",
    "text_of": "gpt.py joins characters, or writes the ids, and bpe.py joins tokens",
    "learn": "a network, which in gpt.py may be saved, or merges from texts",
}


def definitions(source):
    """Return {name: code} of the functions and classes in the source of a lesson.

    The code is the syntax tree as text, so comments and line breaks do not count. A name may be
    defined once, but for the faster dot products. These stand under the condition that Python
    is CPython, and have the name "faster" here.
    """
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.setdefault(node.name, ast.dump(node))
        elif isinstance(node, ast.If) and "cpython" in ast.unparse(node.test):
            found["faster"] = ast.dump(node)
    return found


DEFINITIONS = {}  # {lesson: {name: code}}
for lesson in LESSONS:
    text = (ROOT / f"{lesson}.py").read_text(encoding="utf-8")
    DEFINITIONS[lesson] = definitions(text)


def lessons_with(name):
    """Return a mark: the test runs once with each lesson that defines this name."""
    lessons = [lesson for lesson in LESSONS if name in DEFINITIONS[lesson]]
    if name == "Tensor":
        lessons.remove("bigram")  # its Tensor can do less: DIFFERENT says why
    return pytest.mark.parametrize("lesson", lessons)


def test_what_several_lessons_define_has_the_same_code_except_for_what_DIFFERENT_lists():
    codes = {}  # {name: the set of its codes in all lessons}
    for found in DEFINITIONS.values():
        for name, code in found.items():
            codes.setdefault(name, set()).add(code)
    different = {name for name in codes if len(codes[name]) > 1}
    assert different == set(DIFFERENT)  # nothing more, and no entry that is out of date


def test_definitions_leaves_out_comments_and_a_second_definition_of_the_same_name():
    once = definitions("def f(): return 1")
    # two comments, other line breaks, and a second f, which returns 2
    twice = definitions("# exercise 1.1: f\ndef f():\n    return 1  # one\ndef f(): return 2")
    assert once == twice


def plus(a, b):
    """Return the Tensor a + b. Both derivatives of a sum are 1, so both get grad itself."""
    return type(a)(a.data + b.data, [a, b], lambda grad: [grad, grad])


@lessons_with("Tensor")
def test_backward_adds_up_all_paths_and_a_second_call_adds_only_to_tensors_without_parents(lesson):
    a = importlib.import_module(lesson).Tensor(3.0)  # the only one without parents
    b = plus(a, a)  # 2 * a
    c = plus(plus(b, a), b)  # b twice and a once, which makes 5 * a
    for calls in (1, 2):
        c.backward()
        assert a.grad == 5 * calls  # d c / d a is 5, and the second call adds another 5
        assert (b.grad, c.grad) == (2, 1)  # d c / d b and d c / d c, afresh in each call


@lessons_with("Tensor")
def test_backward_through_a_chain_of_100_000_sums_does_not_end_in_a_recursion_error(lesson):
    a = importlib.import_module(lesson).Tensor(3.0)
    x = a
    for _ in range(100_000):  # Python allows about 1000 calls inside each other
        x = plus(x, a)
    x.backward()
    assert (x.data, a.grad) == (300_003, 100_001)  # x is 100_001 * a, and a is 3


@lessons_with("shape_of")
def test_shape_of_a_number_an_empty_list_a_list_and_a_matrix(lesson):
    shape_of = importlib.import_module(lesson).shape_of
    assert shape_of(1.5) == ()
    assert shape_of([]) == (0,)
    assert shape_of([1, 2]) == (2,)
    assert shape_of([[1, 2]]) == (1, 2)  # one row of two numbers


@lessons_with("Tensor")
def test_backward_refuses_to_start_from_a_list(lesson):
    with pytest.raises(ValueError, match="starts from a number"):
        importlib.import_module(lesson).Tensor([1.0]).backward()


@lessons_with("Tensor")
def test_the_error_for_a_gradient_of_a_wrong_shape_names_the_operation(lesson):
    Tensor = importlib.import_module(lesson).Tensor

    def my_operation(x):
        # backward() wants a list of gradients, one for each parent. That of x is [1.0], one number.
        # The error has the name that Python gives the lambda: "...my_operation.<locals>.<lambda>".
        return Tensor(1.0, [x], lambda grad: [[1.0]])
    with pytest.raises(ValueError, match="my_operation"):
        my_operation(Tensor([1.0, 2.0])).backward()  # x has two numbers


@lessons_with("add")
@pytest.mark.parametrize("a, b", [
    ([1], [1, 2]),  # lists of one number and two
    ([[1]], [[1], [2]]),  # matrices of one row and two
    ([[1, 2]], [[1]])])  # matrices of two columns and one
def test_add_refuses_two_lists_or_matrices_of_different_shapes(lesson, a, b):
    with pytest.raises(ValueError):
        importlib.import_module(lesson).add(a, b)


# When a lesson with `inner` is imported, it keeps its readable `inner` as `plain_inner`. CPython
# then gets a faster `inner` and `dot`, with math.sumprod where it exists (from Python 3.12 on).
@lessons_with("inner")
@pytest.mark.parametrize("interpreter", ["cpython", "pypy"])
@pytest.mark.parametrize("has_sumprod", [True, False])
def test_plain_and_faster_dot_products_are_right(lesson, interpreter, has_sumprod, monkeypatch):
    monkeypatch.setattr(sys.implementation, "name", interpreter)
    if not has_sumprod:
        monkeypatch.delattr(math, "sumprod", raising=False)
    # {name: function} of the lesson, which is run afresh, so that it sees these changes
    names = runpy.run_path(ROOT / f"{lesson}.py")
    rng = random.Random(1)
    a = random_data(rng, (3, 7))
    b = random_data(rng, (4, 7))  # as many columns as a, and any number of rows
    expected = []  # each row of a with each row of b
    for p in a:
        expected.append([math.fsum([x * y for x, y in zip(p, q)]) for q in b])
    assert_close(names["inner"](a, b), expected)
    assert_close(names["plain_inner"](a, b), expected)
    # with only the first row of b, in case a plain_inner takes several rows of b at once
    assert_close(names["plain_inner"](a, b[:1]), [row[:1] for row in expected])
    assert_close(names["dot"](a[0], b[0]), expected[0][0])


@lessons_with("split")
# sizes of train, dev and test: dev and test get n // 10 documents each, and train gets the rest
@pytest.mark.parametrize("n, sizes", [(25, [21, 2, 2]), (10, [8, 1, 1])])
def test_split_loses_no_document_and_gives_the_same_parts_in_every_run(lesson, n, sizes):
    split = importlib.import_module(lesson).split
    documents = [str(i) for i in range(n)]
    train, dev, test = split(documents)
    assert [len(train), len(dev), len(test)] == sizes
    assert sorted(train + dev + test) == sorted(documents)
    random.seed(1)  # split has a generator of its own, so this makes no difference
    assert split(documents) == (train, dev, test)
    shuffled = list(documents)
    random.Random(42).shuffle(shuffled)  # the seed that all lessons use
    assert dev + test + train == shuffled  # split cuts it up in this order


@lessons_with("read_documents")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # -sig: it begins with U+FEFF
def test_read_documents_strips_lines_leaves_out_blank_ones_and_refuses_what_is_not_utf_8(
        lesson, encoding, tmp_path):
    path = tmp_path / "data"
    path.write_text("zoë\n\n  ann b \n \t\nbea", encoding=encoding)
    read_documents = importlib.import_module(lesson).read_documents
    assert read_documents(path) == ["zoë", "ann b", "bea"]
    path.write_text("zoë", encoding="latin-1")  # ë becomes the byte EB, not UTF-8
    with pytest.raises(UnicodeDecodeError):
        read_documents(path)


@lessons_with("encode")
def test_encode_refuses_a_letter_that_has_no_id(lesson):
    with pytest.raises(ValueError):
        importlib.import_module(lesson).encode("emmy", "aem")  # y is not in "aem"
