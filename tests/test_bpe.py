"""bpe.py: merges worked by hand, pieces and ids as regex, tiktoken and tokenizers give them, files
of real formats and damaged ones, the script as run."""
import base64
import contextlib
import glob
import hashlib
import io
import itertools
import json
import operator
import os
import random
import re
import signal
import subprocess
import sys
import types
import unicodedata
import warnings
from collections import Counter
from functools import partial
from itertools import pairwise

import pytest

import bpe
import scripts
from bpe import GPT2_PATTERN, GPT4_PATTERN, O200K_PATTERN, PATTERNS, Tokenizer
from scripts import write

BYTES = {bytes([i]): i for i in range(256)}
TEXT = '''The cats sat on the mat, and the cat's hat sat on the cats. That's that; they'd've said so.
def cat(hat):
    if hat in {12, 123, 1234, 56789}:
        return cat(hat - 1)  # the cat, the hat
    return hat
Über den Wolken: über, ÜBER, Straße. L'été à la plage; j'ai vu l'été.
Кошка и кошки, кошке. Η γάτα και οι γάτες. القط والقطط. बिल्ली और बिल्ली।
猫は猫。猫和猫们。고양이와 고양이. 🙂🙂 👩\u200d🚀\t\tcafe\u0301 café\r\n\r\n  \u00a0 end\u3000\x85\x1c.
'''
PUBLISHED = ["bf51d578af571878", "f021c3d976978e62", "2d1b8dc11e89af71"]
CUT = {"gpt2": "11e6e78cffe17d1b7872fb41f7de1316bf8cd7a6eb3ba014f6c0872bff1e24c4",
       "gpt4": "4a60e5cd7489f09d876067e653501a2ae234e842ba84fb439fa8eb6bf5085cb6",
       "o200k": "a92cbf2f1b4136dcc653aba3e38516472c95d21c21fb6711bc1ddcf0cc585dbf"}
TO_ENCODE = ["The cat's hat: 12345 cats!", "  über   Straße\n\n\treturn cat(hat)",
             "кошка γάτα قط बिल्ली 猫 고양이 🙂", "I'LL they'D 'ſ 'T",
             "cafe\u0301 café\r\n\r\n \u00a0\u3000 x\x85y\x1cz", "aaaaaaaaaaaaaaaa 🚀👩\u200d🚀"]
IDS = {
    "gpt2": [
        [367, 263, 292, 272, 58, 324, 52, 53, 317, 33],
        [32, 278, 397, 257, 345, 378, 392, 10, 10, 9, 114, 297, 300, 263, 40, 259, 41],
        [268, 285, 176, 336, 177, 356, 301, 325, 316, 276, 321, 276, 320, 32, 274, 359, 291,
         306],
        [73, 39, 76, 76, 264, 121, 39, 68, 32, 39, 197, 191, 32, 39, 84],
        [370, 101, 204, 129, 260, 294, 267, 339, 10, 32, 194, 160, 284, 128, 32, 120, 399, 121,
         28, 122],
        [97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 291, 388, 275, 384,
         226, 380, 275, 388]],
    "gpt4": [
        [370, 263, 294, 271, 58, 32, 329, 52, 53, 323, 33],
        [32, 276, 188, 335, 257, 348, 380, 394, 10, 10, 9, 114, 301, 304, 263, 296, 41],
        [268, 286, 176, 341, 177, 359, 305, 328, 322, 326, 325, 32, 273, 362, 293, 311],
        [73, 39, 76, 76, 264, 121, 39, 68, 32, 39, 197, 191, 32, 39, 84],
        [99, 298, 101, 204, 129, 260, 298, 267, 287, 287, 32, 194, 160, 284, 128, 32, 120, 194,
         133, 121, 28, 122],
        [97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 293, 390, 274, 386,
         226, 382, 274, 390]],
    "o200k": [
        [372, 263, 295, 271, 58, 32, 328, 52, 53, 324, 33],
        [32, 277, 188, 334, 257, 350, 383, 398, 10, 10, 9, 114, 302, 305, 263, 297, 41],
        [268, 287, 176, 342, 177, 361, 306, 343, 32, 274, 364, 294, 312],
        [73, 39, 76, 76, 264, 121, 39, 68, 32, 39, 197, 191, 32, 39, 84],
        [99, 299, 376, 129, 260, 299, 267, 288, 288, 32, 194, 160, 285, 128, 32, 120, 194, 133,
         121, 28, 122],
        [97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 97, 294, 394, 275, 390,
         226, 386, 275, 394]]}
SMALL = Tokenizer.train(TEXT, 400, special_tokens=["<|end|>", "<|end|>2"])


def characters(rng, n):
    """A random string, of all of Unicode or of few characters."""
    pools = (range(0x110000), range(128), range(0x20, 0x600), range(0x4E00, 0xFFFF),
             [ord(c) for c in "ab 's\n1"])
    pool = rng.choice(pools)
    return "".join(chr(code) for code in rng.choices(pool, k=n) if not 0xD800 <= code < 0xE000)


# --- bytes and merges ---

def test_utf8_of_one_to_four_bytes():
    # The examples of RFC 3629's section 7, and the first emoji of the face kind.
    assert bpe.code_point_and_bytes("A") == ("U+0041", "41")
    assert bpe.code_point_and_bytes("≢") == ("U+2262", "e2 89 a2")
    assert bpe.code_point_and_bytes("日") == ("U+65E5", "e6 97 a5")
    assert bpe.code_point_and_bytes("\U000233B4") == ("U+233B4", "f0 a3 8e b4")


def test_the_example_of_the_encyclopedia():
    # https://en.wikipedia.org/wiki/Byte_pair_encoding: aaabdaaabac -> XdXac, X = ZY, Y = ab, Z = aa
    pairs = bpe.learn_slowly([b"aaabdaaabac"], 3)
    assert pairs == [(97, 97), (97, 98), (256, 257)]
    ids = list(b"aaabdaaabac")
    for new_id, pair in enumerate(pairs, start=256):
        ids = bpe.merge(ids, pair, new_id)
    assert ids == [258, 100, 258, 97, 99]
    assert Tokenizer.from_pairs(pairs).encode("aaabdaaabac") == ids
    assert bpe.ranks_of(pairs) == {**BYTES, b"aa": 256, b"ab": 257, b"aaab": 258}


def test_merge_goes_from_left_to_right():
    assert bpe.merge([1, 1, 1], (1, 1), 9) == [9, 1]
    assert bpe.merge([1, 1, 1, 1, 2, 1], (1, 1), 9) == [9, 9, 2, 1]
    assert bpe.merge([1, 2, 3, 1, 2], (1, 2), 9) == [9, 3, 9]
    assert bpe.merge([2, 1], (1, 2), 9) == [2, 1]
    assert bpe.merge([], (1, 2), 9) == [] and bpe.merge([1], (1, 1), 9) == [1]


def test_ties_go_to_the_smallest_pair_of_ids():
    assert bpe.learn_slowly([b"dcba"], 1) == [(98, 97)]
    assert bpe.learn_slowly([b"cb", b"ca"], 1) == [(99, 97)]
    assert [pair for pair, _ in bpe.learn({b"cb": 1, b"ca": 1, b"zz": 1})][:2] == [(99, 97), (99, 98)]


@pytest.mark.parametrize("seed", range(60))
def test_the_fast_way_finds_what_the_slow_way_finds(seed):
    rng = random.Random(seed)
    alphabet = rng.choice(["ab", "abc", "aab \n", "abcdefgh  ", "a", "aé🙂"])
    text = "".join(rng.choices(alphabet, k=rng.randrange(400)))
    pieces = rng.choice([[text.encode()], [word.encode() for word in text.split(" ") if word],
                         [piece.encode() for piece in bpe.pieces_of(text, GPT4_PATTERN)]])
    slow = bpe.learn_slowly(pieces, 100)
    counts, found = Counter(pieces), []
    state = [list(piece) for piece in pieces]
    for (pair, n), _ in zip(bpe.learn(counts), range(100)):
        pairs = Counter(pair for ids in state for pair in pairwise(ids))
        assert n == pairs[pair] == max(pairs.values())
        state = [bpe.merge(ids, pair, 256 + len(found)) for ids in state]
        found.append(pair)
    assert found == slow
    if len(slow) < 100:
        assert all(len(ids) < 2 for ids in state)


def test_pieces_are_counted_by_text(monkeypatch):
    assert bpe.count_pieces("a b", GPT4_PATTERN) == {b"a": 1, b" b": 1}
    assert bpe.count_pieces(["a b", "a b\n", "\n"], GPT4_PATTERN) == {b"a": 2, b" b": 2, b"\n": 2}
    assert bpe.count_pieces(iter(["é"]), GPT4_PATTERN) == {"é".encode(): 1}
    assert bpe.count_pieces([], GPT4_PATTERN) == {} == bpe.count_pieces("", GPT4_PATTERN)
    seen = []
    text = "ab " * 150_000
    counts = bpe.count_pieces([text, text], GPT4_PATTERN, seen.append)
    assert counts == {b"ab": 2, b" ab": 299_998, b" ": 2}
    assert len(seen) == 4 and seen == sorted(seen) and seen[-1] == 2 * len(text)


# --- splitting ---

def test_the_patterns_are_the_published_ones():
    # sha256 of the strings in tiktoken 0.14's openai_public.py
    assert [hashlib.sha256(pattern.encode()).hexdigest()[:16] for pattern in PATTERNS.values()] == \
        PUBLISHED
    assert list(PATTERNS) == ["gpt2", "gpt4", "o200k"]
    assert list(PATTERNS.values()) == [GPT2_PATTERN, GPT4_PATTERN, O200K_PATTERN]


@pytest.mark.parametrize("name", PATTERNS)
def test_every_character_of_unicode_3_2_is_cut_as_the_package_regex_cuts_it(name):
    # unicodedata keeps the database of Unicode 3.2 whatever the version of Python. The facts are
    # sha256 of the pieces' ends, from the package regex (2026.11) with the published pattern.
    text = "".join(f"a{char}B{char}{char}1{char}\n{char}'s  {char}" for char in map(chr, range(0x110000))
                   if unicodedata.ucd_3_2_0.category(char) not in ("Cn", "Cs", "Co"))
    ends, at = [], 0
    for piece in bpe.pieces_of(text, PATTERNS[name]):
        at += len(piece)
        ends.append(at)
    assert hashlib.sha256(str(ends).encode()).hexdigest() == CUT[name]


@pytest.mark.parametrize("name, pieces", [
    ("gpt2", ["I", "'m", " at", " 12345", "'", "S", " CAFE", "!!", "\n\n ", " x", "_", "y", "  "]),
    ("gpt4", ["I", "'m", " at", " ", "123", "45", "'S", " CAFE", "!!\n\n", " ", " x", "_y", "  "]),
    ("o200k", ["I'm", " at", " ", "123", "45", "'S", " CAFE", "!!\n\n", " ", " x", "_y", "  "])])
def test_pieces_of_each_pattern(name, pieces):
    assert list(bpe.pieces_of("I'm at 12345'S CAFE!!\n\n  x_y  ", PATTERNS[name])) == pieces


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_cuts_alike_whatever_it_was_translated_up_to(name):
    rng = random.Random(1)
    pools = {bpe.ASCII: [*range(0x80)], bpe.COMMON: [*range(0xD800), *range(0x1F000, 0x1FB00)],
             bpe.ALL: [*range(0x80), *range(0x10000, 0x20000), *range(0xE0000, 0xE0200), 0x10FFFF]}
    everything = bpe.compiled(PATTERNS[name], bpe.ALL)
    for limit, pool in pools.items():
        for part in (pool, pool[-0xB00:], [*pool[:0x80], pool[-1]]):
            for _ in range(50):
                text = "".join(map(chr, rng.choices(part, k=60)))
                cut = [match[0] for match in bpe.compiled(PATTERNS[name], limit).finditer(text)]
                assert cut == [match[0] for match in everything.finditer(text)]
                assert cut == list(bpe.pieces_of(text, PATTERNS[name])) and "".join(cut) == text


def test_which_translation_a_text_gets(monkeypatch):
    asked = []
    monkeypatch.setattr(bpe, "compiled", lambda pattern, limit: asked.append(limit) or re.compile("."))
    for text in ("a\x7f", "", "a\x80", "\uffff", "\U0001f000", "\U0001faff", "\U00010000", "\U0001efff",
                 "\U0001fb00", "\U0010ffff"):
        bpe.pieces_of(text, GPT4_PATTERN)
    assert asked == [bpe.ASCII] * 2 + [bpe.COMMON] * 4 + [bpe.ALL] * 4


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_before_python_3_11(name, monkeypatch):
    rng, texts = random.Random(2), [TEXT]
    texts += ["".join(rng.choices("ab1 \n\r'sS.é🙂", k=50)) for _ in range(300)]
    expected = [list(bpe.pieces_of(text, PATTERNS[name])) for text in texts]
    bpe.compiled.cache_clear()
    monkeypatch.setattr(bpe.sys, "version_info", (3, 10, 0))
    try:
        assert [list(bpe.pieces_of(text, PATTERNS[name])) for text in texts] == expected
        assert ("(?P=" in bpe.compiled(PATTERNS[name], 0x80).pattern) == ("++" in PATTERNS[name])
        assert [*bpe.pieces_of("aaab", "(?>a+)a|(?:a|b)++")] == ["aaab"]
    finally:
        bpe.compiled.cache_clear()


def test_an_item_that_gives_nothing_back():
    assert list(bpe.pieces_of("aaab", "a++a|b")) == ["aaa", "b"]  # what a++ took, a does not get
    assert list(bpe.pieces_of("aaab", "a+a|b")) == ["aaa", "b"]
    assert list(bpe.pieces_of("abab1", "(?:ab)++1|b|1")) == ["abab1"]
    assert list(bpe.pieces_of("abab1", "(?:ab)++ab1|b|1")) == ["a", "b", "a", "b", "1"]
    assert list(bpe.pieces_of("1234567", "[0-9]{1,3}+")) == ["123", "456", "7"]
    assert list(bpe.pieces_of("12", "[0-9]{2}+2|[0-9]")) == ["1", "2"]
    assert list(bpe.pieces_of("aab", "a?+ab|a")) == ["aab"]
    assert list(bpe.pieces_of("aaab", "a{2,}+ab|a|b")) == ["a", "a", "a", "b"]
    assert list(bpe.pieces_of("aaab", "a{2,}?ab")) == ["aaab"]
    assert list(bpe.pieces_of("aBb", "(?i:b)++|a(?=B)|(?<=z)a")) == ["a", "Bb"]
    assert list(bpe.pieces_of("ab", "a?+ab|a|b")) == ["a", "b"]
    assert list(bpe.pieces_of("aab", "(?>a+)b")) == ["aab"]
    assert list(bpe.pieces_of("a++", r"a\++")) == ["a++"]
    assert list(bpe.pieces_of("+]+", r"[+\]]++")) == ["+]+"]


@pytest.mark.parametrize("escape, inside", [
    (r"\p{L}", lambda kind, char: kind[0] == "L"), (r"\p{Lu}", lambda kind, char: kind == "Lu"),
    (r"\P{L}", lambda kind, char: kind[0] != "L"), (r"\p{N}", lambda kind, char: kind[0] == "N"),
    (r"\p{M}", lambda kind, char: kind[0] == "M"), (r"\p{Cc}", lambda kind, char: kind == "Cc"),
    (r"\p{C}", lambda kind, char: kind[0] == "C"), (r"\p{Zs}", lambda kind, char: kind == "Zs"),
    (r"\s", lambda kind, char: char.isspace() and char not in "\x1c\x1d\x1e\x1f"),
    (r"\S", lambda kind, char: not char.isspace() or char in "\x1c\x1d\x1e\x1f")])
def test_classes_of_characters(escape, inside):
    spans = {bpe.ASCII: range(0x80), 0x3000: range(0x3000), bpe.COMMON: range(0xFF00, 0x1FB00),
             bpe.ALL: range(0x1F000, 0x32000)}
    for limit, span in spans.items():
        text = "".join(chr(code) for code in span
                       if limit != bpe.COMMON or not 0x10000 <= code < 0x1F000)
        found = [inside(unicodedata.category(char), char) for char in text]
        expected = "".join(itertools.compress(text, found))
        others = "".join(itertools.compress(text, map(operator.not_, found)))
        for pattern, matched in ((f"{escape}+", expected), (f"[{escape}]+", expected),
                                 (f"[^{escape}]+", others)):
            translated = bpe.rewrite(pattern, partial(bpe.translate_part, limit=limit), None)
            assert "".join(re.findall(translated, text)) == matched


def test_no_text_is_lost_by_a_pattern_that_leaves_some_out():
    assert list(bpe.pieces_of("ab12cd3", r"\p{N}+")) == ["ab", "12", "cd", "3"]
    assert list(bpe.pieces_of("ab", r"\p{N}+")) == ["ab"]
    assert "".join(bpe.pieces_of("baab\nb", "a*")) == "baab\nb"
    assert "".join(bpe.pieces_of("baab\nb", "(?=a)")) == "baab\nb"
    assert "".join(bpe.pieces_of("baab\nb", "")) == "baab\nb"
    tokenizer = Tokenizer.train("ab12ab12", 258, r"\p{N}+")
    assert tokenizer.encode("ab12") == [257, 256]


def test_the_end_is_the_end_of_the_text():
    for end in ("$", r"\z"):
        assert list(bpe.pieces_of("a\na\n", rf"a{end}|a\n{end}")) == ["a\n", "a\n"]
        assert list(bpe.pieces_of("b\n", f"b{end}|b|\n")) == ["b", "\n"]
        assert list(bpe.pieces_of("ba", f"b|a{end}")) == ["b", "a"]


def test_the_beginning_is_the_beginning_of_the_text(tmp_path):
    assert list(bpe.pieces_of("ab\nab", r"^ab|\p{L}|\n")) == ["ab", "\n", "a", "b"]
    assert list(bpe.pieces_of("a\na", "^a|\\na")) == ["a", "\na"]
    split, _ = as_json(Tokenizer(BYTES, "^a$|[^$]"))["pre_tokenizer"]["pretokenizers"]
    assert split["pattern"]["Regex"] == r"\Aa\z|[^$]"


def test_case_is_folded_as_unicode_has_it():
    assert list(bpe.pieces_of("a'S b'ſ c'Ll", GPT4_PATTERN)) == ["a", "'S", " b", "'ſ", " c", "'Ll"]


@pytest.mark.parametrize("pattern, message", [
    ("(a", "the pattern is no regular expression: missing )"),
    ("a)", "the pattern is no regular expression: unbalanced parenthesis"),
    ("[a", "the pattern is no regular expression: unterminated character set"),
    ("*a", "the pattern is no regular expression: nothing to repeat"),
    ("++", "the pattern is no regular expression: nothing to repeat"),
    ("a{99999999999}", "the pattern is no regular expression: "),
    ("a{3,2}", "the pattern is no regular expression: "),
    (r"\p{Han}", r"the pattern: \p{Han} is not a category of characters, such as \p{L} or \p{Lu}"),
    (r"\p{}", r"the pattern: \p{} is not a category of characters, such as \p{L} or \p{Lu}"),
    (r"[\p{Greek}]", r"the pattern: \p{Greek} is not a category"),
    (r"\pL", r"the pattern: \p is not known here, or does not mean the same everywhere: there are"),
    (r"\w+", r"the pattern: \w is not known here, or does not mean the same everywhere"),
    (r"[\w]+", r"the pattern: \w is not known here"), (r"\bx", r"the pattern: \b is not known"),
    (r"(a)\1", r"the pattern: \1 is not known here"),
    ("[a[b]]", "the pattern: [a[b] is a set made of sets, which Python does not know"),
    ("[a&&b]", "the pattern: [a&&b] is a set made of sets"),
    ("[a--b]", "the pattern: [a--b] is a set made of sets"),
    ("[a~~b]", "the pattern: [a~~b] is a set made of sets"),
    ("a\\", "the pattern is no regular expression: "),
    ("(" * 20_000 + ")" * 20_000, "the pattern is no regular expression: "),
    *((pattern, "the pattern: of groups only (..), (?:..), (?i:..), (?>..), (?=..), (?!..), (?<=..) "
       "and (?<!..) are known here") for pattern in ("(?s:.)", "(?i)a", "(?P<n>a)", "(?-i:a)", "(?#a)")),
    *((pattern, "the pattern: of counts only {2}, {2,} and {2,3} are known here, with no ? after {2}")
      for pattern in ("a{,2}", "a{2}?", "a{,}++", "a{x}")),
    ("\ud800", "the pattern: character 0 is '\\ud800', a lone surrogate")])
def test_what_is_no_pattern(pattern, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError) as caught:
            Tokenizer(BYTES, pattern)
    assert str(caught.value).startswith(message)


def test_importing_translates_nothing():
    code = ("import bpe; assert bpe.compiled.cache_info().currsize == 0 == "
            "bpe.categories.cache_info().currsize == bpe.ranges_of.cache_info().currsize")
    subprocess.run([sys.executable, "-c", code], cwd=scripts.ROOT, check=True, timeout=60)


# --- encoding ---

def merge_simply(piece, ranks):
    """What merge_piece must find: look for the lowest rank again and again, from the left."""
    parts = [piece[i:i + 1] for i in range(len(piece))]
    while True:
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not found:
            return parts
        _, i = min(found)
        parts[i:i + 2] = [parts[i] + parts[i + 1]]


@pytest.mark.parametrize("seed", range(40))
def test_merging_a_piece(seed):
    rng = random.Random(seed)
    alphabet = rng.choice([b"ab", b"abc", b"aab", b"abcdefghij"])
    text = bytes(rng.choices(alphabet, k=500))
    ranks = bpe.ranks_of(bpe.learn_slowly([text], rng.choice([5, 20, 60])))
    if seed % 2:  # any vocabulary, not only one that was learned
        words = list({text[i:i + rng.randrange(2, 6)] for i in range(0, 300, 3)})
        ranks = {**BYTES, **{word: 256 + i for i, word in enumerate(words)}}
    for n in (0, 1, 2, 3, 5, 8, 50):
        for _ in range(10):
            piece = bytes(rng.choices(alphabet, k=n))
            assert bpe.merge_piece(piece, ranks) == merge_simply(piece, ranks)
            below = rng.randrange(256, 256 + len(ranks))
            some = {token: i for token, i in ranks.items() if i < below}
            assert bpe.merge_piece(piece, ranks, below) == merge_simply(piece, some)


def test_encoding_does_to_a_text_what_training_did():
    pieces = list(bpe.pieces_of(TEXT, GPT4_PATTERN))
    pairs = bpe.learn_slowly([piece.encode() for piece in pieces], 142)
    state = [list(piece.encode()) for piece in pieces]
    for new_id, pair in enumerate(pairs, start=256):
        state = [bpe.merge(ids, pair, new_id) for ids in state]
    tokenizer = Tokenizer.train(TEXT, 256 + 142)
    assert tokenizer.ranks == bpe.ranks_of(pairs)
    assert tokenizer.encode(TEXT) == sum(state, [])


def test_a_piece_that_is_a_token_is_one():
    # Tokens that were added by hand, so that no merges lead there: tiktoken takes the piece whole.
    tokenizer = Tokenizer({**BYTES, b"hello": 256})
    assert tokenizer.encode("hello") == [256]
    assert tokenizer.encode("hellos") == list(b"hellos")


def test_100_000_letters_in_one_piece():
    rng = random.Random(3)
    for text in ("".join(rng.choices("abcdefgh", k=100_000)), "a" * 100_000):
        tokenizer = Tokenizer.train(text[:4000], 267)
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text and len(ids) < 90_000


def test_the_memory_is_bounded():
    memory = bpe.Memory(BYTES, size=3)
    for piece in ("a", "b", "c", "a"):
        assert memory[piece] == list(piece.encode())
    assert set(memory) == {"a", "b", "c"}
    assert memory["d"] == [100] and set(memory) == {"d"}
    assert memory["é" * 100] == [195, 169] * 100 and memory["é" * 101] == [195, 169] * 101
    assert set(memory) == {"d", "é" * 100}
    assert Tokenizer(BYTES)._memory.size == 100_000


def test_round_trip_of_random_strings():
    rng = random.Random(4)
    for k in range(100_000):
        text = characters(rng, rng.randrange(6))
        ids = SMALL.encode_ordinary(text)
        assert SMALL.decode(ids) == text
        if k % 100 == 0:
            assert "".join(SMALL.decode_stream(ids)) == text


@pytest.mark.parametrize("name", PATTERNS)
def test_the_ids_that_tiktoken_and_tokenizers_give(name):
    # tiktoken 0.14 with the same ranks and pattern, tokenizers 0.23 from the file of save().
    tokenizer = Tokenizer.train(TEXT, 400, PATTERNS[name])
    assert [tokenizer.encode(text) for text in TO_ENCODE] == IDS[name]


# --- the tokenizer ---

def test_attributes():
    assert SMALL.n_vocab == 400 and len(SMALL.ranks) == 398
    assert SMALL.special_tokens == {"<|end|>": 398, "<|end|>2": 399}
    assert SMALL.pattern == GPT4_PATTERN and SMALL.normal_form is None
    assert sorted(SMALL.ranks.values()) == list(range(398))
    assert all(isinstance(token, bytes) for token in SMALL.ranks)
    holes = Tokenizer({**BYTES, b"ab": 1000}, GPT2_PATTERN, {"<|x|>": 500})
    assert holes.n_vocab == 1001 and holes.encode("ab<|x|>", {"<|x|>"}) == [1000, 500]
    assert Tokenizer({**BYTES, b"ab": 300}, GPT2_PATTERN, {"<|x|>": 500}).n_vocab == 501


def test_one_byte_tokens_may_have_any_ids():
    ranks = {bytes([255 - i]): i + 7 for i in range(256)}
    tokenizer = Tokenizer({**ranks, b"ab": 300}, GPT4_PATTERN, {"<s>": 0})
    assert tokenizer.encode("abc<s>", "all") == [300, 255 - 99 + 7, 0]
    assert tokenizer.decode([300, 255 - 99 + 7, 0]) == "abc<s>"


def test_special_tokens_only_where_allowed():
    text = "a<|end|>b<|end|>2<|end|>"
    with pytest.raises(ValueError) as caught:
        SMALL.encode(text)
    assert str(caught.value) == (
        "the special token '<|end|>' is in the text, at character 1: allow it (allowed_special), or "
        "take it for ordinary text (encode_ordinary)")
    with pytest.raises(ValueError, match=r"'<\|end\|>2' is in the text, at character 9"):
        SMALL.encode(text, {"<|end|>"})
    with pytest.raises(ValueError, match=r"^'<x>' is allowed, but is no special token of this"):
        SMALL.encode(text, {"<|end|>", "<x>"})
    a, b = SMALL.encode("a") + SMALL.encode("b")
    assert SMALL.encode(text, "all") == [a, 398, b, 399, 398]  # the longest first
    assert SMALL.encode(text, {"<|end|>", "<|end|>2"}) == [a, 398, b, 399, 398]
    assert SMALL.encode("<|end|>", iter(["<|end|>"])) == [398]
    assert SMALL.encode("no token", "all") == SMALL.encode("no token")
    ordinary = SMALL.encode_ordinary(text)
    assert not {398, 399} & set(ordinary) and SMALL.decode(ordinary) == text
    assert SMALL.decode([398, 399]) == "<|end|><|end|>2" == SMALL.decode_bytes([398, 399]).decode()
    assert SMALL.encode("", "all") == [] == SMALL.encode_ordinary("")
    plain = Tokenizer(BYTES)
    assert plain.encode("<|end|>") == plain.encode("<|end|>", "all") == list(b"<|end|>")


def test_pieces_do_not_reach_across_a_special_token():
    assert SMALL.encode(" <|end|> the", "all") == [32, 398, *SMALL.encode(" the")]


def test_decoding_what_is_no_text():
    assert SMALL.decode([0xE7, 0x8C]) == "�" and SMALL.decode_bytes([0xE7, 0x8C]) == b"\xe7\x8c"
    assert SMALL.decode([97, 0xFF, 97]) == "a�a"
    assert SMALL.decode([]) == "" and SMALL.decode_bytes(iter([97])) == b"a"
    with pytest.raises(UnicodeDecodeError):
        SMALL.decode_bytes([0xFF]).decode()


def test_streaming_holds_back_an_unfinished_character():
    ids = list("a猫🙂é".encode())
    assert list(SMALL.decode_stream(ids)) == ["a", "猫", "🙂", "é"]
    assert list(SMALL.decode_stream(ids[:3])) == ["a", "�"]
    assert list(SMALL.decode_stream([0xE7, 97])) == ["�a"] and list(SMALL.decode_stream([])) == []
    seen = []
    stream = SMALL.decode_stream(seen.append(i) or i for i in ids)
    assert next(stream) == "a" and len(seen) == 1 and next(stream) == "猫" and len(seen) == 4
    rng = random.Random(5)
    for _ in range(500):
        ids = [rng.randrange(400) for _ in range(10)]
        assert "".join(SMALL.decode_stream(ids)) == SMALL.decode(ids)


@pytest.mark.parametrize("wrong", [400, -1, 10 ** 30, "a", None, 1.5])
def test_ids_outside_the_vocabulary(wrong):
    for decode in (SMALL.decode, SMALL.decode_bytes, lambda ids: list(SMALL.decode_stream(ids))):
        with pytest.raises(ValueError) as caught:
            decode([97, wrong])
        assert str(caught.value) == f"{wrong!r} is no id of this vocabulary, whose ids go from 0 to 399"


def test_lone_surrogates():
    message = (r"^character 2 is '\\ud800', a lone surrogate: half of a pair of UTF-16 and no "
               r"character, so UTF-8 has no bytes for it$")
    for call in (SMALL.encode, SMALL.encode_ordinary, partial(SMALL.encode, allowed_special="all"),
                 lambda text: Tokenizer.train(text, 300), lambda text: Tokenizer.train([text], 300)):
        with pytest.raises(ValueError, match=message):
            call("ab\ud800c")
    with pytest.raises(ValueError, match="lone surrogate"):
        Tokenizer(BYTES, GPT4_PATTERN, {"\udfff": 256})
    with pytest.raises(ValueError, match="^character 12 is"):
        SMALL.encode("a<|end|>bcde\ud800", "all")


def test_normal_forms():
    tokenizer = Tokenizer(SMALL.ranks, GPT4_PATTERN, SMALL.special_tokens, "NFC")
    assert tokenizer.encode("cafe\u0301") == SMALL.encode("café") != SMALL.encode("cafe\u0301")
    assert tokenizer.decode(tokenizer.encode("e\u0301<|end|>", "all")) == "é<|end|>"
    assert Tokenizer(BYTES, normal_form="NFKD").encode("ﬁ") == list(b"fi")
    with pytest.raises(ValueError, match="^'nfc' is no normal form: NFC, NFD, NFKC or NFKD$"):
        Tokenizer(BYTES, normal_form="nfc")


def test_training():
    tokenizer = Tokenizer.train(["ab ab", "ab"], 258)
    assert tokenizer.ranks == {**BYTES, b"ab": 256, b" ab": 257} and tokenizer.n_vocab == 258
    assert tokenizer.special_tokens == {} and tokenizer.pattern == GPT4_PATTERN
    assert Tokenizer.train("ab ab", 256).ranks == BYTES
    special = Tokenizer.train("ab ab", 259, GPT2_PATTERN, ("<b>", "<a>"))
    assert special.special_tokens == {"<b>": 257, "<a>": 258} and special.n_vocab == 259
    assert special.pattern == GPT2_PATTERN and special.ranks == {**BYTES, b"ab": 256}
    assert Tokenizer.train(iter(["ab", "ab"]), 257).ranks[b"ab"] == 256
    assert Tokenizer.train("ab", 258, special_tokens=iter(["<x>"])).special_tokens == {"<x>": 257}


def test_a_text_with_too_few_pairs_says_so():
    with pytest.warns(UserWarning) as caught:
        tokenizer = Tokenizer.train("ab ab", 500, special_tokens=["<x>"])
    assert [str(item.message) for item in caught] == [
        "no pair is left to merge: 259 tokens in place of 500; train on more text"]
    assert caught[0].filename == __file__
    assert tokenizer.n_vocab == 259 and tokenizer.special_tokens == {"<x>": 258}
    with pytest.warns(UserWarning, match="256 tokens in place of 257"):
        assert Tokenizer.train("", 257).ranks == BYTES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Tokenizer.train("ab ab", 258)


@pytest.mark.parametrize("args, message", [
    ((255,), "a vocabulary of 255 has no room for the 256 bytes"),
    ((-1,), "a vocabulary of -1 has no room for the 256 bytes"),
    ((257, GPT4_PATTERN, ("<a>", "<b>")),
     "a vocabulary of 257 has no room for the 256 bytes and 2 special tokens"),
    ((300, GPT4_PATTERN, ("<a>", "<a>")), "the special token '<a>' is there twice"),
    ((300, GPT4_PATTERN, ("",)), "a special token is empty"),
    ((300, GPT4_PATTERN, "<a>"), "special_tokens must be a list of strings, not one string"),
    ((300.0,), "a vocabulary of 300.0: not a whole number"),
    ((300, "("), "the pattern is no regular expression: ")])
def test_what_cannot_be_trained(args, message):
    with pytest.raises(ValueError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Tokenizer.train("ab ab", *args)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("ranks, special, message", [
    ({b"a": 0}, {}, "the byte b'\\x00' has no token, so not every text could be encoded"),
    ({**BYTES, b"": 256}, {}, "the token with the id 256 is empty"),
    ({**BYTES, b"ab": 5}, {}, "the tokens b'\\x05' and b'ab' have the same id, 5"),
    (BYTES, {"<x>": 97}, "the tokens b'a' and b'<x>' have the same id, 97"),
    (BYTES, {"<x>": 300, "<y>": 300}, "the tokens b'<x>' and b'<y>' have the same id, 300"),
    ({**BYTES, b"ab": -1}, {}, "the token b'ab' has the id -1: not a whole number from 0 to 999999999"),
    ({**BYTES, b"ab": 256.0}, {}, "the token b'ab' has the id 256.0: not a whole number from 0 to 999999999"),
    ({**BYTES, "ab": 256}, {}, "the token 'ab' is not given as bytes"),
    ({**BYTES, b"ab": 10 ** 9}, {}, "the token b'ab' has the id 1000000000: not a whole number from 0 "
     "to 999999999"),
    ({**BYTES, b"ab": True}, {}, "the token b'ab' has the id True: not a whole number from 0 to 999999999"),
    (BYTES, {"": 256}, "the token with the id 256 is empty")])
def test_vocabularies_that_cannot_be(ranks, special, message):
    with pytest.raises(ValueError) as caught:
        Tokenizer(ranks, GPT4_PATTERN, special)
    assert str(caught.value) == message


def test_what_is_given_is_copied():
    ranks, special = dict(BYTES), {"<x>": 256}
    tokenizer = Tokenizer(ranks, GPT4_PATTERN, special)
    ranks[b"ab"], special["<y>"] = 300, 301
    assert tokenizer.ranks == BYTES and tokenizer.special_tokens == {"<x>": 256}


# --- files ---

def as_json(tokenizer):
    return json.loads(bpe.as_tokenizer_json(tokenizer))


def name(token):
    """A token as GPT-2's vocabulary writes it, by the first and last of its 256 characters."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1),
             *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return "".join(chr(byte) if byte in shown else chr(256 + hidden.index(byte)) for byte in token)


def test_names_of_bytes_are_those_of_gpt2():
    assert bpe.printable_name(b" the\n") == "ĠtheĊ" and bpe.printable_name("é".encode()) == "Ã©"
    assert bpe.printable_name(bytes(range(256))) == name(bytes(range(256)))
    assert len(set(bpe.BYTE_OF_CHAR)) == 256 and bpe.BYTE_OF_CHAR["Ń"] == 0xAD


def test_a_tiktoken_file(tmp_path):
    path = tmp_path / "small.tiktoken"
    SMALL.save(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 398 and lines[0] == "AA== 0" and lines[97] == "YQ== 97"
    token, rank = lines[300].split()
    assert SMALL.ranks[base64.b64decode(token)] == int(rank) == 300
    back = Tokenizer.load(path)
    assert back.ranks == SMALL.ranks and back.special_tokens == {} and back.pattern == GPT4_PATTERN
    assert Tokenizer.load(str(path), GPT2_PATTERN).pattern == GPT2_PATTERN
    other = tmp_path / "tokenizer.model"  # as Llama 3 calls it
    other.write_bytes(path.read_bytes())
    assert Tokenizer.load(other).ranks == SMALL.ranks
    assert os.listdir(tmp_path) in (["small.tiktoken", "tokenizer.model"],
                                    ["tokenizer.model", "small.tiktoken"])


def test_a_tiktoken_file_with_holes_and_bytes_anywhere(tmp_path):
    order = list(range(256))
    random.Random(6).shuffle(order)
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {3 * i}" for i, byte in enumerate(order)]
    path = write(tmp_path / "x.tiktoken", "\r\n".join([*lines, "YWI= 5000"]))
    tokenizer = Tokenizer.load(path)
    assert tokenizer.encode("abc") == [5000, 3 * order.index(99)] and tokenizer.n_vocab == 5001
    tokenizer.save(str(tmp_path / "y.tiktoken"))
    assert Tokenizer.load(tmp_path / "y.tiktoken").ranks == tokenizer.ranks


def test_files_are_in_the_order_of_ids(tmp_path):
    shuffled = list(SMALL.ranks.items())
    random.Random(9).shuffle(shuffled)
    special = {"<|end|>2": 399, "<|end|>": 398}
    for end in ("json", "tiktoken"):
        Tokenizer(dict(shuffled), GPT4_PATTERN, special).save(tmp_path / f"a.{end}")
        SMALL.save(tmp_path / f"b.{end}")
        assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_links(tmp_path, capsys):
    real, text = tmp_path / "real.json", tmp_path / "text"
    real.write_text("before", encoding="utf-8")
    text.write_text("ab ab", encoding="utf-8")
    (tmp_path / "link.json").symlink_to(real)
    SMALL.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink() and Tokenizer.load(real).ranks == SMALL.ranks
    os.mkdir(tmp_path / "there")
    (tmp_path / "new.json").symlink_to(tmp_path / "there" / "x.json")
    SMALL.save(tmp_path / "new.json")
    assert os.listdir(tmp_path / "there") == ["x.json"]
    os.link(text, tmp_path / "hard.json")
    scripts.check_refused(bpe.main, "bpe.py", ["train", str(text), "-o", str(tmp_path / "hard.json")],
                          "hard.json: holds the text; name another file to write", capsys)


@pytest.mark.parametrize("pattern", PATTERNS.values())
@pytest.mark.parametrize("form", [None, "NFC"])
def test_a_tokenizer_json(pattern, form, tmp_path):
    tokenizer = Tokenizer(SMALL.ranks, pattern, {"<|b|>": 1000, "<|a|>": 398}, form)
    path = str(tmp_path / "tok.json")
    tokenizer.save(path)
    back = Tokenizer.load(path)
    assert back.ranks == tokenizer.ranks and back.special_tokens == tokenizer.special_tokens
    assert back.normal_form == form
    rng = random.Random(7)
    for text in (TEXT, "<|a|>x<|b|>", *(characters(rng, 30) for _ in range(50))):
        assert back.encode(text, "all") == tokenizer.encode(text, "all")
    assert Tokenizer.load(path, GPT2_PATTERN).pattern == GPT2_PATTERN
    again = str(tmp_path / "again.json")
    back.save(again)
    assert open(again, "rb").read() == open(path, "rb").read()


def test_what_a_tokenizer_json_says():
    # What the library tokenizers 0.23 asks for; that it gives the same ids, see IDS.
    root = as_json(SMALL)
    model = root["model"]
    assert root["version"] == "1.0" and root["normalizer"] is root["post_processor"] is None
    assert root["added_tokens"] == [
        {"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True} for token, i in SMALL.special_tokens.items()]
    split, level = root["pre_tokenizer"]["pretokenizers"]
    assert split["type"] == "Split" and split["behavior"] == "Isolated" and not split["invert"]
    # The library reads {1,3}+ as one or more of {1,3}, and $ as the end of a line.
    assert split["pattern"] == {"Regex": (
        r"'(?i:[sdmt]|ll|ve|re)|(?>[^\r\n\p{L}\p{N}]?)(?>\p{L}+)|(?>\p{N}{1,3})"
        r"|(?> ?)(?>[^\s\p{L}\p{N}]+)(?>[\r\n]*)|(?>\s+)\z|\s*[\r\n]|\s+(?!\S)|\s").replace(
            "(?> ?)(?>[^\\s", " ?(?>[^\\s")}
    assert level == root["decoder"] == {"type": "ByteLevel", "add_prefix_space": False,
                                        "trim_offsets": True, "use_regex": False}
    assert model["type"] == "BPE" and not model["byte_fallback"] and not model["ignore_merges"]
    assert model["vocab"] == {**{name(token): i for token, i in SMALL.ranks.items()},
                              **SMALL.special_tokens}
    assert list(model["vocab"].values()) == list(range(400))
    pairs = bpe.learn_slowly([p.encode() for p in bpe.pieces_of(TEXT, GPT4_PATTERN)], 142)
    tokens = list(SMALL.ranks)
    assert model["merges"] == [[name(tokens[a]), name(tokens[b])] for a, b in pairs]
    assert as_json(Tokenizer(BYTES, normal_form="NFKC"))["normalizer"] == {"type": "NFKC"}


def test_a_vocabulary_that_no_merges_lead_to(tmp_path):
    # Then every pair that makes a token is a merge, and ignore_merges leaves a token whole.
    tokenizer = Tokenizer({**BYTES, b"hello": 256, b"el": 257, b"lo": 258, b"ello": 259})
    model = as_json(tokenizer)["model"]
    assert model["ignore_merges"] is True
    both = Tokenizer({**BYTES, b"he": 256, b"el": 257, b"hel": 258, b"xyz": 259})
    assert as_json(both)["model"]["merges"][2:] == [["h", "el"], ["he", "l"]]
    both.save(tmp_path / "both.json")
    assert Tokenizer.load(tmp_path / "both.json").encode("helxyz") == both.encode("helxyz")
    assert model["merges"] == [["h", "ello"], ["e", "l"], ["l", "o"], ["el", "lo"]]
    tokenizer.save(tmp_path / "x.json")
    back = Tokenizer.load(tmp_path / "x.json")
    for text in ("hello", "hell", "ello", "shello", "lolo", "helo"):
        assert back.encode(text) == tokenizer.encode(text)


def test_a_special_token_that_is_an_ordinary_one(tmp_path):
    tokenizer = Tokenizer(BYTES, GPT4_PATTERN, {"a": 300})
    with pytest.raises(ValueError, match="^the special token 'a' is an ordinary one too, which "
                                         "tokenizer.json has no place for; save the ranks as "
                                         ".tiktoken$"):
        tokenizer.save(tmp_path / "x.json")
    same = Tokenizer(SMALL.ranks, GPT4_PATTERN, {" the": SMALL.ranks[b" the"]})
    same.save(tmp_path / "x.json")
    back = Tokenizer.load(tmp_path / "x.json")
    assert back.ranks == same.ranks and back.special_tokens == same.special_tokens


GPT2_STYLE = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [{"id": 258, "special": True, "content": "<|endoftext|>", "single_word": False,
                      "lstrip": False, "rstrip": False, "normalized": False}],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    "model": {"dropout": None, "unk_token": None, "continuing_subword_prefix": "",
              "end_of_word_suffix": "", "fuse_unk": False,
              "vocab": {**{name(bytes([byte])): i for i, byte in enumerate(
                  [*range(33, 127), *range(161, 173), *range(174, 256), *range(33),
                   *range(127, 161), 173])}, "Ġt": 256, "he": 257, "<|endoftext|>": 258},
              "merges": ["Ġ t", "h e"]}}


def changed(*changes):
    """GPT2_STYLE with changes, each a path such as "model.merges" and a value (... to delete)."""
    root = json.loads(json.dumps(GPT2_STYLE))
    for path, value in changes:
        *way, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        thing = root
        for key in way:
            thing = thing[key]
        if value is ...:
            del thing[last]
        else:
            thing[last] = value
    return json.dumps(root)


def split_by(regex):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def test_gpt2_style(tmp_path):
    text = changed(("added_tokens/0/normalized", True))  # as GPT-2 has it; there is no normalizer
    tokenizer = Tokenizer.load(write(tmp_path / "tokenizer.json", text))
    assert tokenizer.pattern == GPT2_PATTERN and tokenizer.special_tokens == {"<|endoftext|>": 258}
    assert tokenizer.n_vocab == 259 and len(tokenizer.ranks) == 258
    # GPT-2 has ! as 0, the blank as 220 and a as 64.
    assert tokenizer.encode("! the a<|endoftext|>", "all") == [0, 256, 257, 220, 64, 258]
    assert tokenizer.decode([220, 64, 198]) == " a\n"


def test_llama3_and_qwen_style(tmp_path):
    merges = ("model/merges", [["Ġ", "t"], ["h", "e"]])  # as newer files have them
    llama = changed(merges, ("pre_tokenizer", split_by(LLAMA3)), ("model/ignore_merges", True),
                    ("model/type", "BPE"), ("post_processor", {"type": "Sequence"}),
                    ("added_tokens/0/content", "<|begin_of_text|>"),
                    ("model/vocab/<|endoftext|>", ...))
    tokenizer = Tokenizer.load(write(tmp_path / "a", llama))
    assert tokenizer.pattern == LLAMA3 and tokenizer.normal_form is None
    assert tokenizer.encode("<|begin_of_text|> the'S1234", "all") == [
        258, 256, 257, 6, 50, 16, 17, 18, 19]
    qwen = changed(merges, ("pre_tokenizer", split_by(LLAMA3.replace("{1,3}", ""))),
                   ("normalizer", {"type": "NFC"}), ("added_tokens/0/special", False))
    tokenizer = Tokenizer.load(write(tmp_path / "b", qwen))
    assert tokenizer.normal_form == "NFC" and tokenizer.encode("e\u0301") == tokenizer.encode("é")
    assert tokenizer.special_tokens == {"<|endoftext|>": 258}
    for normalizer, form in (({"type": "Sequence", "normalizers": []}, None), (None, None),
                             ({"type": "Sequence", "normalizers": [{"type": "NFD"}]}, "NFD")):
        path = write(tmp_path / "c", changed(("normalizer", normalizer)))
        assert Tokenizer.load(path).normal_form == form
    assert Tokenizer.load(write(tmp_path / "d", "\ufeff\n" + llama)).pattern == LLAMA3
    plain = changed(("added_tokens", None), ("model/vocab/<|endoftext|>", ...), ("decoder", None))
    assert Tokenizer.load(write(tmp_path / "e", plain)).special_tokens == {}


WORDPIECE = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0}}
DAMAGED_JSON = [
    ("{", "line 1, column 2: not JSON: "), ('{"model":\n {"vocab": }}', "line 2, column 12: not JSON: "),
    ("{}", "this file has no 'model' as a tokenizer.json has it"),
    ('{"the": 1}', "this file has no 'model' as a tokenizer.json has it"),
    ('{"a":' * 100_000, "nested too deeply for a tokenizer.json"),
    (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
    (json.dumps(GPT2_STYLE)[:-300], "line 1, column "),
    (json.dumps(GPT2_STYLE).replace('"he": 257', '"Ġt": 257'), "'Ġt' is there twice in one object"),
    (json.dumps(GPT2_STYLE).replace('"he"', '"\\u0120t"'), "'Ġt' is there twice in one object"),
    (changed(("model", WORDPIECE)), "model: 'WordPiece', a tokenizer of another kind than byte-level"),
    (changed(("model", {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]})),
     "model: 'Unigram', a tokenizer of another kind than byte-level BPE"),
    (changed(("model", {"type": "WordLevel", "vocab": {}})), "model: 'WordLevel', a tokenizer of"),
    (changed(("model", {"vocab": {}})), "model: 'WordPiece or Unigram', a tokenizer of another kind"),
    (changed(("model/byte_fallback", True)), "model: byte_fallback: a sentencepiece model, not byte"),
    (changed(("model/dropout", 0.1)), "model: dropout is 0.1, which is not known here"),
    (changed(("model/end_of_word_suffix", "</w>")), "model: end_of_word_suffix is '</w>', which is"),
    (changed(("model/continuing_subword_prefix", "##")), "model: continuing_subword_prefix is '##'"),
    (changed(("model/vocab", ["a"])), "model has no 'vocab' as a tokenizer.json has it"),
    (changed(("model/merges", None)), "model has no 'merges' as a tokenizer.json has it"),
    (changed(("model/merges/1", "he")), "model: merges[1]: ['he'] is no pair of tokens"),
    (changed(("model/merges/1", "h e l")), "model: merges[1]: ['h', 'e', 'l'] is no pair of tokens"),
    (changed(("model/merges/1", ["h", 3])), "model: merges[1]: ['h', 3] is no pair of tokens"),
    (changed(("model/merges/1", 7)), "model: merges[1]: 7 is no pair of tokens"),
    (changed(("model/merges/1", "h ")), "model: merges[1]: ['h', ''] is no pair of tokens"),
    (changed(("model/merges/1", "h o")), "model: merges[1]: 'ho' is not in the vocabulary"),
    (changed(("model/merges/1", "h 猫")), "model: merges[1]: '猫' is not in the vocabulary"),
    (changed(("model/merges", ["h e", "Ġ t"])),
     "model: merges[1]: 'Ġt' has the id 256, but comes after one with 257: not in order"),
    (changed(("model/vocab/he", "x")), "model: merges[1]: 'he' has the id 'x', but comes after one"),
    (changed(("model/merges/1", "Ġt he"), ("model/vocab/Ġthe", 259)),
     "model: merges[1]: 'he' has not been made before"),
    (changed(("model/merges/1", ...)), "model: vocab: no merge makes 'he'"),
    (changed(("added_tokens", [])), "model: vocab: no merge makes '<|endoftext|>'"),
    (changed(("added_tokens/0/id", 300)), "model: vocab: no merge makes '<|endoftext|>'"),
    (changed(("model/vocab/猫", 300)), "model: vocab: '猫' is not byte-level: '猫' stands for no byte"),
    (changed(("model/vocab/a", ...)), "the byte b'a' has no token, so not every text could be"),
    (changed(("model/vocab/a", 65)), "the tokens b'a' and b'b' have the same id, 65"),
    (changed(("model/vocab/a", -5)), "the token b'a' has the id -5: not a whole number from 0 to 999999999"),
    (changed(("model/vocab/a", 10 ** 9)), "the token b'a' has the id 1000000000: not a whole number"),
    (changed(("model/vocab/a", 1.0)), "the token b'a' has the id 1.0: not a whole number from 0 to 999999999"),
    (changed(("added_tokens/0/content", "<x>"), ("model/vocab/<|endoftext|>", ...),
             ("added_tokens/0/id", 5)), "the tokens b'&' and b'<x>' have the same id, 5"),
    (changed(("added_tokens/0/content", ...)), "added_tokens[0] has no 'content' as a tokenizer.json"),
    (changed(("added_tokens/0/id", "5")), "added_tokens[0] has no 'id' as a tokenizer.json has it"),
    (changed(("added_tokens/0/lstrip", True)),
     "added_tokens[0]: '<|endoftext|>': lstrip is not known here"),
    (changed(("added_tokens/0/rstrip", True)),
     "added_tokens[0]: '<|endoftext|>': rstrip is not known here"),
    (changed(("added_tokens/0/single_word", True)),
     "added_tokens[0]: '<|endoftext|>': single_word is not known here"),
    (changed(("added_tokens/0/normalized", True), ("normalizer", {"type": "NFC"})),
     "added_tokens[0]: '<|endoftext|>': normalized is not known here"),
    (changed(("normalizer", {"type": "a\nb"})), "normalizer: 'a\\nb' is not known here"),
    (changed(("pre_tokenizer", split_by("a")), ("pre_tokenizer/pretokenizers/1/use_regex", ...)),
     "pre_tokenizer: use_regex must be true for ByteLevel alone, and false after a Split"),
    (changed(("added_tokens", [GPT2_STYLE["added_tokens"][0]] * 2)),
     "added_tokens[1]: '<|endoftext|>' is there already"),
    (changed(("added_tokens", {})), "this file has no 'added_tokens' as a tokenizer.json has it"),
    (changed(("added_tokens", 5)), "this file has no 'added_tokens' as a tokenizer.json has it"),
    (changed(("added_tokens", [3])), "added_tokens[0] has no 'content' as a tokenizer.json has it"),
    (changed(("normalizer", {"type": "Lowercase"})), "normalizer: 'Lowercase' is not known here"),
    (changed(("normalizer", "NFC")), "'NFC' has no 'type' as a tokenizer.json has it"),
    (changed(("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 2})),
     "normalizer: 'Sequence' is not known here"),
    (changed(("decoder", {"type": "WordPiece"})), "decoder: 'WordPiece' is not known here, only"),
    (changed(("pre_tokenizer", None)), "pre_tokenizer: None is not known here, only ByteLevel, or"),
    (changed(("pre_tokenizer", {"type": "Metaspace"})), "pre_tokenizer: 'Metaspace' is not known here"),
    (changed(("pre_tokenizer/add_prefix_space", True)), "pre_tokenizer: add_prefix_space, a blank"),
    (changed(("pre_tokenizer/add_prefix_space", ...)), "pre_tokenizer: add_prefix_space, a blank"),
    (changed(("pre_tokenizer/use_regex", False)), "pre_tokenizer: use_regex must be true for"),
    (changed(("pre_tokenizer", split_by("a")), ("pre_tokenizer/pretokenizers/1/use_regex", True)),
     "pre_tokenizer: use_regex must be true for ByteLevel alone, and false after a Split"),
    (changed(("pre_tokenizer", split_by("a")), ("pre_tokenizer/pretokenizers/0/invert", True)),
     "pre_tokenizer: a Split must be Isolated, and not inverted"),
    (changed(("pre_tokenizer", split_by("a")), ("pre_tokenizer/pretokenizers/0/behavior", "Removed")),
     "pre_tokenizer: a Split must be Isolated, and not inverted"),
    (changed(("pre_tokenizer", split_by("a")), ("pre_tokenizer/pretokenizers/0/pattern",
                                                {"String": "a"})),
     "the Split's pattern has no 'Regex' as a tokenizer.json has it"),
    (changed(("pre_tokenizer", split_by("a")), ("pre_tokenizer/pretokenizers/1", ...)),
     "pre_tokenizer: 'Split' is not known here"),
    (changed(("pre_tokenizer", split_by("(a"))), "the pattern is no regular expression: "),
    (changed(("pre_tokenizer", split_by(r"\p{Han}"))), "the pattern: \\p{Han} is not a category"),
]


@pytest.mark.parametrize("text, message", DAMAGED_JSON)
def test_damaged_or_other_tokenizer_json(text, message, tmp_path):
    path = write(tmp_path / "tok.json", text)
    with pytest.raises(ValueError) as caught:
        Tokenizer.load(path)
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)


LINES = [f"{base64.b64encode(bytes([i])).decode()} {i}" for i in range(256)]
DAMAGED_TIKTOKEN = [
    ("\n".join(LINES[:255]), "the byte b'\\xff' has no token, so not every text could be encoded"),
    ("\n".join([*LINES, "YWI="]), "line 257: not a token in base64 and its rank"),
    ("\n".join([*LINES, "", "YWI= 257"]), "line 257: not a token in base64 and its rank"),
    ("\n".join([*LINES, "YWI= 256 3"]), "line 257: not a token in base64 and its rank"),
    ("\n".join([*LINES, "YWI= -1"]), "line 257: not a token in base64 and its rank"),
    ("\n".join([*LINES, "YWI= 2x6"]), "line 257: not a token in base64 and its rank"),
    ("\n".join([*LINES, "YWI= 999999999", "YWJj 1000000000"]), "line 258: not a token in base64"),
    ("\n".join([*LINES, "YWI= " + "9" * 5000]), "line 257: not a token in base64 and its rank"),
    ("\n".join([*LINES, "YWI 256"]), "line 257: Incorrect padding"),
    ("\n".join([*LINES, "Y!I= 256"]), "line 257: "), ("\n".join([*LINES, "Yé== 256"]), "line 257: "),
    ("\n".join([*LINES, "= 256"]), "line 257: "),
    ("\n".join([*LINES, "YQ== 256"]), "line 257: the token b'a' has had the rank 97 already"),
    ("\n".join([*LINES, "YWI= 255"]), "line 257: the rank 255 after the rank 255: they must grow"),
    ("\n".join([LINES[1], LINES[0], *LINES[2:]]), "line 2: the rank 0 after the rank 1: they must grow"),
    ("#version: 0.2\nĠ t\nh e\n", "this is the merges.txt of a GPT-2, which has no ids: use its "
                                  "tokenizer.json"),
    ("[PAD]\n[UNK]\nthe\n##s\n", "this is the vocabulary of a WordPiece tokenizer, not of byte-level"),
    (b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n\x0c", "this is a sentencepiece model, not byte"),
    ("the cat\n", "line 1: not a token in base64 and its rank"),
    (b"\xff\xfe\x00\x00", "line 1: not a token in base64 and its rank")]


@pytest.mark.parametrize("text, message", DAMAGED_TIKTOKEN)
def test_damaged_or_other_tiktoken_files(text, message, tmp_path):
    path = write(tmp_path / "x.tiktoken", text)
    with pytest.raises(ValueError) as caught:
        Tokenizer.load(path)
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)


@scripts.posix
def test_files_that_cannot_be_read_or_written(tmp_path):
    for path, message in ((str(tmp_path / "none"), "No such file or directory; name a file that you"),
                          (str(tmp_path), "Is a directory; name a file that you can open"),
                          (write(tmp_path / "empty", " \n"), "empty")):
        with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}"):
            Tokenizer.load(path)
    for path, message in (("tok.txt", "the name must end in .json or .tiktoken, for its format"),
                          ("none/tok.json", f"there is no folder {tmp_path}/none; make it first"),
                          ("/dev/tok.json", "not an ordinary file; name one to write")):
        full = path if path.startswith("/") else str(tmp_path / path)
        with pytest.raises(ValueError, match=f"^{re.escape(f'{full}: {message}')}"):
            SMALL.save(full)
    os.mkdir(tmp_path / "dir.json")
    with pytest.raises(ValueError, match="not an ordinary file"):
        SMALL.save(tmp_path / "dir.json")
    assert sorted(os.listdir(tmp_path)) == ["dir.json", "empty"]


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    path = write(tmp_path / "tok.json", "before")
    monkeypatch.setattr(bpe.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(ValueError, match="tok.json: full; name a file that can be written"):
        SMALL.save(path)
    assert os.listdir(tmp_path) == ["tok.json"] and open(path, encoding="utf-8").read() == "before"


# --- the tour and the pictures ---

def test_tokens_of_a_text():
    tokens = bpe.tokens_of(SMALL, TEXT)
    assert b"".join(tokens) == TEXT.encode()
    assert [SMALL.ranks[token] for token in tokens] == SMALL.encode(TEXT)


def test_the_tour_counts_what_it_says():
    blocks = list(bpe.tour(SMALL))
    assert [title for title, _, _ in blocks] == [
        "one sentence in ten languages", "numbers", "code", "a blank at the end", "capitals", "names",
        "an emoji cut in half"]
    assert len(bpe.SENTENCES) == 10
    for row, (language, sentence) in zip(blocks[0][2][1:], bpe.SENTENCES.items(), strict=True):
        n = len(SMALL.encode(sentence))
        assert row.split() == [language, str(len(sentence)), str(n), f"{n / len(sentence):.2f}",
                               *sentence.split()]
    for (_, _, rows), (_, _, texts) in zip(blocks[1:-1], bpe.EXAMPLES, strict=True):
        assert rows == [bpe.tokens_of(SMALL, text) for text in texts]
    tokens, decoded = blocks[-1][2]
    assert tokens == [b"\xf0\x9f", b"\x99\x82"]
    assert decoded == "    the first 1 of these decoded: '�'"
    *_, (_, _, (tokens, decoded)) = bpe.tour(Tokenizer(BYTES))
    assert tokens == [b"\xf0", b"\x9f", b"\x99", b"\x82"]
    assert decoded == "    the first 2 of these decoded: '�'"


def test_what_is_visible():
    assert bpe.visible("aé猫 \n".encode()) == "aé猫 \n"
    assert bpe.visible(b"\xf0\x9f") == r"\xf0\x9f" and bpe.visible(b"\x1b[1m\t\r") == r"\x1b[1m\t\r"
    assert bpe.visible("\u200d\u00a0".encode()) == r"\u200d\xa0"


def test_tokens_without_colour(capsys):
    assert bpe.draw_tokens([b"a", b" b", b"\n\n", b"\xf0\x9f"]) == "a· b·\n\n·\\xf0\\x9f"
    assert bpe.draw_tokens([]) == ""


def test_tokens_in_colour(monkeypatch):
    monkeypatch.setattr(sys, "stdout", scripts.Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    drawn = bpe.draw_tokens([b"a", b" b\n\nc", b"", b"d", b"e", b"f"])
    assert drawn == ("\033[30;48;5;153ma\033[0m\033[30;48;5;223m b\033[0m\n\n\033[30;48;5;223mc\033[0m"
                     "\033[30;48;5;218md\033[0m\033[30;48;5;153me\033[0m\033[30;48;5;223mf\033[0m")
    for variable, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            assert bpe.draw_tokens([b"a", b"b"]) == "a·b"
    monkeypatch.setenv("NO_COLOR", "")
    assert "\033" in bpe.draw_tokens([b"a", b"b"])


def test_columns():
    assert bpe.columns_of("a猫e\u0301🙂\u20dd\uff21") == 8


# --- the script ---

def script(args, data=None, **kwargs):
    """The finished process, with bytes going in and out."""
    return subprocess.run(scripts.command("bpe.py", *args), input=data, capture_output=True,
                          env=scripts.UTF_8, timeout=60, **kwargs)


@pytest.fixture(scope="module")
def tok(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("tok") / "tok.json")
    SMALL.save(path)
    return path


def test_the_script_alone_trains_and_shows():
    done = scripts.run("bpe.py")
    assert done.returncode == 0
    blocks = done.stdout.split("\n\n")
    assert blocks[0].split("\n")[1:] == ["  a   U+0061    61", "  é   U+00E9    c3 a9",
                                         "  猫  U+732B    e7 8c ab", "  🙂  U+1F642   f0 9f 99 82"]
    assert blocks[1] == """three merges
  aaabdaaabac  11 tokens; pairs: aa 4, ab 2, ac 1, ba 1, bd 1, da 1
               Z = aa
  ZabdZabac     9 tokens; pairs: ab 2, Za 2, ac 1, ba 1, bd 1, dZ 1
               Y = ab
  ZYdZYac       7 tokens; pairs: ZY 2, ac 1, dZ 1, Ya 1, Yd 1
               X = ZY
  XdXac         5 tokens"""
    texts = []
    for path in sorted(glob.glob(os.path.join(scripts.ROOT, "*.*"))):
        if path.endswith((".py", ".txt")):
            with open(path, encoding="utf-8", newline="") as file:
                texts.append(file.read())
    counts = bpe.count_pieces(texts, GPT4_PATTERN)
    merges = list(zip(bpe.learn(counts), range(1792)))
    tokenizer = Tokenizer.from_pairs([pair for (pair, _), _ in merges])
    lines = blocks[2].split("\n")
    assert lines[:3] == ["learning 2048 tokens from the files of this project",
                         f"{sum(map(len, texts))} characters, {sum(counts.values())} pieces, "
                         f"{len(counts)} of them distinct",
                         "    id    count  merged from: the first ten, and then each tenth of the way"]
    tokens = list(tokenizer.ranks)
    shown = [*range(10), *range(178, 1792, 179)]
    assert lines[3:] == [f"{256 + i:6}{n:9}  {bpe.visible(tokens[a])!r} + "
                         f"{bpe.visible(tokens[b])!r}" for ((a, b), n), i in merges if i in shown]
    assert len(lines) == 23
    assert blocks[3].split("\n") == ["how the patterns cut a text, before any merge (␣ is a blank)", *(
        f"  {name:8}" + repr("·".join(bpe.pieces_of(bpe.TO_CUT, pattern)).replace(" ", "␣"))
        for name, pattern in PATTERNS.items())]
    for block, (title, effect, rows) in zip(blocks[4:], bpe.tour(tokenizer)):
        assert " ".join(block.split("\n")).startswith(f"{title}: {effect}")
        assert block.split("\n")[-len(rows):] == ["  " + (row if isinstance(row, str) else
            f"{len(row):2}  {'·'.join(map(bpe.visible, row)).replace(' ', '␣')}") for row in rows]
    ids = tokenizer.encode(bpe.SAMPLE)
    assert done.stdout.split("a text with its tokens told apart\n")[1] == (
        "·".join(map(bpe.visible, bpe.tokens_of(tokenizer, bpe.SAMPLE)))
        + f"{len(bpe.SAMPLE)} characters, {len(bpe.SAMPLE.encode())} bytes, {len(ids)} tokens\n")
    assert max(map(bpe.columns_of, done.stdout.split("\n"))) <= 80
    assert "\033" not in done.stdout


def test_the_tour_on_other_text(tmp_path, capsys):
    path = write(tmp_path / "t.txt", "\ufeff" + TEXT)
    bpe.main(["--data", path, "--vocab-size", "300", "--pattern", "gpt2"])
    out = capsys.readouterr().out
    assert f"learning 300 tokens from {path}\n{len(TEXT)} characters, " in out
    bpe.main(["tour", "--data", path, "--vocab-size", "300", "--pattern", GPT2_PATTERN])
    assert capsys.readouterr().out == out
    bpe.main(["--data", path, "--vocab-size", "256"])
    out, error = capsys.readouterr()
    assert "    id    count" in out and "   256 " not in out and error.count("\n") == 1


def test_train_writes_what_train_learns(tmp_path, capsys):
    a, b = write(tmp_path / "a", "the cat\r\n"), write(tmp_path / "b", "the hat")
    out = str(tmp_path / "tok.json")
    bpe.main(["train", a, b, "-o", out, "--vocab-size", "262", "--pattern", "gpt2",
              "--special", "<|x|>", "--special", "<|y|>"])
    expected = Tokenizer.train(["the cat\r\n", "the hat"], 262, GPT2_PATTERN, ["<|x|>", "<|y|>"])
    found = Tokenizer.load(out)
    assert found.ranks == expected.ranks and found.special_tokens == expected.special_tokens
    assert found.encode("the  cat's\n\n x") == expected.encode("the  cat's\n\n x")
    printed, progress = capsys.readouterr()
    assert printed == f"16 characters, 5 pieces, 4 of them distinct\n{out}: 262 tokens\n"
    assert re.sub(r"\d+ s left", "T", progress) == (
        "read 0.0 of 0.0 M characters\n" * 2 + "".join(f"merge {i}/4  T\n" for i in range(1, 5)))
    path = str(tmp_path / "tok.tiktoken")
    bpe.main(["train", a, b, "--output", path, "--vocab-size", "260"])
    assert Tokenizer.load(path).ranks == Tokenizer.train(["the cat\r\n", "the hat"], 260).ranks
    assert capsys.readouterr().out.endswith(f"{path}: 260 tokens\n")


def test_train_says_when_no_pair_is_left(tmp_path, capsys):
    out = str(tmp_path / "tok.json")
    bpe.main(["train", write(tmp_path / "a", "ab ab"), "-o", out, "--special", "<x>"])
    assert capsys.readouterr() == (
        f"5 characters, 2 pieces, 2 of them distinct\n{out}: 259 tokens\n",
        "read 0.0 of 0.0 M characters\nno pair is left after 2 of 7935 merges\n")


@pytest.mark.parametrize("text", [TEXT, "a", "a\n", "\n", "\n\n", "", "a\r\nb\r", " a \n\x0b\x0c\x1c\u2028b\n"])
def test_encode_and_decode_are_filters(text, tok, tmp_path):
    encoded = script(["encode", tok], text.encode())
    lines = encoded.stdout.decode().split("\n")
    assert lines == [" ".join(map(str, SMALL.encode(line))) for line in text.split("\n")]
    assert encoded.returncode == 0 and encoded.stderr == b""
    decoded = script(["decode", tok], encoded.stdout)
    assert decoded.stdout == text.encode() and decoded.stderr == b"" and decoded.returncode == 0
    path = write(tmp_path / "text", text)
    assert script(["encode", tok, path]).stdout == encoded.stdout
    assert script(["decode", tok, write(tmp_path / "ids", encoded.stdout)]).stdout == text.encode()


def test_filters_of_other_formats_and_patterns(tok, tmp_path):
    ranks = str(tmp_path / "x.tiktoken")
    SMALL.save(ranks)
    text = "the cat's  123456\tx"
    for args, pattern in (((), GPT4_PATTERN), (("--pattern", "gpt2"), GPT2_PATTERN),
                          (("--pattern", r"\p{L}|\P{L}"), r"\p{L}|\P{L}")):
        for path in (ranks, tok):
            ids = Tokenizer(SMALL.ranks, pattern).encode(text)
            assert script(["encode", path, *args], text.encode()).stdout.split() == [
                str(i).encode() for i in ids]


def test_special_tokens_on_the_command_line(tok):
    text = b"the<|end|> cat\n<|end|>2\n"
    done = script(["encode", tok], b"cat\n" + text)
    assert done.returncode == 2 and done.stdout == b" ".join(
        str(i).encode() for i in SMALL.encode("cat")) + b"\n"
    assert done.stderr.decode().split("\n")[-2] == (
        "bpe.py: error: standard input: line 2: the special token '<|end|>' is in the text, at "
        "character 3: allow it (allowed_special), or take it for ordinary text (encode_ordinary); "
        "here: --allow-special or --ordinary")
    for flag, encode in (("--allow-special", partial(SMALL.encode, allowed_special="all")),
                         ("--ordinary", SMALL.encode_ordinary)):
        done = script(["encode", tok, flag], text)
        assert done.stdout.decode() == "".join(
            " ".join(map(str, encode(line))) + "\n" for line in text.decode().splitlines())
        assert script(["decode", tok], done.stdout).stdout == text
    assert script(["encode", tok, "--ordinary", "--allow-special"], text).returncode == 2


@scripts.posix
def test_encode_answers_line_by_line(tok):
    process = subprocess.Popen(scripts.command("bpe.py", "encode", tok), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": ""})
    for line in ("the cat", "", "猫"):
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().decode() == " ".join(map(str, SMALL.encode(line))) + "\n"
    process.stdin.close()
    assert process.wait(timeout=60) == 0 and process.stdout.read() == b""


@scripts.posix
def test_decode_answers_character_by_character(tok):
    process = subprocess.Popen(scripts.command("bpe.py", "decode", tok), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": ""})
    for ids, text in ((b"97 ", b"a"), (b"98\n", b"b\n"), (b"231 140 171 97 231 ", "猫a".encode()),
                      (b"10 ", "�\n".encode()), (b"9", b""), (b"9 ", b"c")):
        process.stdin.write(ids)
        process.stdin.flush()
        assert process.stdout.read(len(text)) == text  # or it waits for ever
    process.stdin.close()
    assert process.wait(timeout=60) == 0 and process.stdout.read() == b""


def test_decode_reads_ids_in_any_blanks_and_chunks(tok):
    assert script(["decode", tok], b"  97\t98  99 \n\n 100").stdout == b"abc\n\nd"
    assert script(["decode", tok], b"97 \r\n98\r\n").stdout == b"a\nb\n"
    assert script(["decode", tok], b"231 140\n97").stdout == "�\na".encode()
    ids = SMALL.encode(TEXT.replace("\n", " ")) * 500  # over several reads of 65536 bytes
    text = " ".join(map(str, ids))
    assert len(text) > 200_000
    assert script(["decode", tok], text.encode()).stdout.decode() == SMALL.decode(ids)

    class Chunks(io.BytesIO):
        def read1(self, size):
            return super().read1(1)

    assert list(bpe.words_of(Chunks(b"12 345\n6"))) == [b"12", b"345", b"\n", b"6"]
    assert list(bpe.words_of(Chunks(b"x" * 50)))[0] == b"x" * 20


def test_show(tok, tmp_path):
    text = "the cat<|end|>\n\n猫🦊"
    tokens = [SMALL.decode_bytes([i]) for i in SMALL.encode(text, "all")]
    done = script(["show", tok], text.encode())
    assert done.stdout.decode() == (
        "·".join(map(bpe.visible, tokens)) + f"\n18 characters, 23 bytes, {len(tokens)} tokens\n")
    assert script(["show", tok], b"").stdout == b"0 characters, 0 bytes, 0 tokens\n"
    done = script(["show", tok, write(tmp_path / "t", "the\n"), "--pattern", "."])
    assert done.stdout.decode() == "t·h·e·\n4 characters, 4 bytes, 4 tokens\n"


@pytest.mark.parametrize("args, message", [
    (["train", "none", "-o", "x.json"], "none: No such file or directory; name a file that you can"),
    (["train", ".", "-o", "x.json"], ".: Is a directory; name a file that you can open"),
    (["train", "empty", "-o", "x.json"], "empty: empty"),
    (["train", "binary", "-o", "x.json"], "binary: not UTF-8 at byte 3; save it as UTF-8"),
    (["train", "text", "binary", "-o", "x.json"], "binary: not UTF-8 at byte 3; save it as UTF-8"),
    (["train", "text"], "the following arguments are required: -o/--output"),
    (["train", "-o", "x.json"], "the following arguments are required: FILE"),
    (["train", "text", "-o", "x.txt"], "x.txt: the name must end in .json or .tiktoken, for its"),
    (["train", "text", "-o", "none/x.json"], "none/x.json: there is no folder "),
    (["train", "text.json", "-o", "./text.json"], "./text.json: holds the text; name another file"),
    (["train", "text", "-o", "x.tiktoken", "--special", "<x>"],
     "x.tiktoken: a .tiktoken file has no place for special tokens; write a .json file"),
    (["train", "text", "-o", "x.json", "--vocab-size", "255"],
     "argument --vocab-size: must be a whole number from 256 to 10^9, not '255'"),
    (["train", "text", "-o", "x.json", "--vocab-size", "many"],
     "argument --vocab-size: must be a whole number from 256 to 10^9, not 'many'"),
    (["train", "text", "-o", "x.json", "--vocab-size", "256", "--special", "<x>"],
     "a vocabulary of 256 has no room for the 256 bytes and 1 special token"),
    (["train", "text", "-o", "x.json", "--special", "<x>", "--special", "<x>"],
     "the special token '<x>' is there twice"),
    (["train", "text", "-o", "x.json", "--special", ""], "a special token is empty"),
    (["train", "text", "-o", "x.json", "--pattern", "gpt5"],
     "argument --pattern: must be gpt2, gpt4, o200k or a regular expression, not 'gpt5'"),
    (["train", "text", "-o", "x.json", "--pattern", "(a"],
     "the pattern is no regular expression: missing ), unterminated subpattern"),
    (["train", "text", "-o", "x.json", "--pattern", r"\p{Han}"], r"the pattern: \p{Han} is not a"),
    (["train", "text", "-o", "x.json", "--pattern", ""], "argument --pattern: must be gpt2, gpt4"),
    (["encode"], "the following arguments are required: TOK"),
    (["encode", "none"], "none: No such file or directory; name a file that you can open"),
    (["encode", "text"], "text: line 1: not a token in base64 and its rank"),
    (["encode", "damaged.json"], "damaged.json: line 1, column 10: not JSON: Expecting value"),
    (["encode", "tok.json", "text", "--pattern", r"\w+"], r"the pattern: \w is not known here, or"),
    (["encode", "tok.json", "none"], "none: No such file or directory; name a file that you can"),
    (["encode", "tok.json", "."], ".: Is a directory; name a file that you can open"),
    (["encode", "tok.json", "binary"], "binary: not UTF-8 at byte 3"),
    (["encode", "tok.json", "binary2"], "binary2: not UTF-8 at byte 7"),
    (["decode", "tok.json", "text"], "text: line 1: 'ab' is no token id"),
    (["decode", "tok.json", "ids"],
     "ids: line 2: 400 is no id of this vocabulary, whose ids go from 0 to 399"),
    (["decode", "tok.json", "minus"], "minus: line 3: '-1' is no token id"),
    (["decode", "tok.json", "long"], f"long: line 1: '{'9' * 50}' is no token id"),
    (["decode", "tok.json", "big"], "big: line 1: 123456789012 is no id of this vocabulary, whose ids"),
    (["train", "text", "-o", "x.json", "--special", "a"], "the special token 'a' is an ordinary one"),
    (["train", "text", "-o", "x.json", "--pattern", "\ud800\u00e9("], "the pattern: character 0 is"),
    (["show", "tok.json", "binary"], "binary: not UTF-8 at byte 3; save it as UTF-8"),
    (["--data", "none"], "none: No such file or directory; name a file that you can open"),
    (["--data", "empty"], "empty: empty"), (["--data", "binary"], "binary: not UTF-8 at byte 3"),
    (["--vocab-size", "0"], "argument --vocab-size: must be a whole number from 256 to 10^9"),
    (["tour", "text"], "unrecognized arguments: text"),
    (["learn", "text"], "argument COMMAND: invalid choice: 'learn'"),
    (["--colour"], "unrecognized arguments: --colour")])
def test_bad_input_gets_one_line(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = {"empty": "\n", "binary": b"abc\xff\n", "binary2": b"abc\nab\n\xff", "text": "ab ab\n",
             "text.json": "ab ab\n", "ids": "97\n98 400\n", "minus": "97\n\n-1", "long": "9" * 50, "big": "123456789012",
             "damaged.json": '{"model":}'}
    for file, text in files.items():
        write(tmp_path / file, text)
    SMALL.save("tok.json")
    before = {file: open(file, "rb").read() for file in os.listdir()}
    scripts.check_refused(bpe.main, "bpe.py", args, message, capsys)
    assert {file: open(file, "rb").read() for file in os.listdir()} == before


def test_bad_input_is_found_before_training(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "text", "ab ab")
    monkeypatch.setattr(bpe, "learn", None)
    with monkeypatch.context() as patch:
        patch.setattr(bpe.os, "access", lambda *_: False)
        scripts.check_refused(bpe.main, "bpe.py", ["train", path, "-o", str(tmp_path / "x.json")],
                              "x.json: nothing can be written into its folder; name another", capsys)
    for out in ("x.txt", "none/x.json", "."):
        out = str(tmp_path / out)
        scripts.check_refused(bpe.main, "bpe.py", ["train", path, "-o", out], out, capsys)


@scripts.posix
def test_no_standard_input(tok):
    if os.name == "posix":
        done = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&-', *scripts.command("bpe.py", "encode", tok)],
                              capture_output=True, text=True, timeout=60, encoding="utf-8")
        assert done.returncode == 2 and done.stderr.endswith(
            "bpe.py: error: standard input: closed; name a file to read\n")


def test_help_gives_each_default(capsys):
    for args, defaults in (([], ["tour", "train", "encode", "decode", "show"]),
                           (["train"], ["(default: 8192)", "(default: gpt4)"]),
                           (["tour"], ["(default: 2048)", "(default: gpt4)", "(default: the files of "
                                       "this project)"]),
                           (["encode"], ["(default: standard input)", "(default: as in TOK, or gpt4)"])):
        with pytest.raises(SystemExit) as stopped:
            bpe.main([*args, "--help"])
        out = " ".join(capsys.readouterr().out.split())
        assert stopped.value.code == 0 and all(text in out for text in defaults)


def test_defaults():
    parse = bpe.make_parser().parse_args
    assert vars(parse(["tour"])) == {"command": "tour", "data": None, "vocab_size": 2048,
                                     "pattern": GPT4_PATTERN}
    assert vars(parse(["train", "a", "-o", "b"])) == {
        "command": "train", "files": ["a"], "output": "b", "special": [], "vocab_size": 8192,
        "pattern": GPT4_PATTERN}
    assert vars(parse(["encode", "t"])) == {"command": "encode", "tokenizer": "t", "file": "-",
                                            "pattern": None, "allow_special": False,
                                            "ordinary": False}


@scripts.posix
def test_ctrl_c_ends_merging_and_keeps_what_is_learned(tmp_path):
    rng = random.Random(8)
    text = write(tmp_path / "text", " ".join("".join(rng.choices("abcdefghij", k=60))
                                             for _ in range(30_000)))
    out = str(tmp_path / "tok.json")
    process = scripts.start("bpe.py", "train", text, "-o", out, "--vocab-size", "1000000",
                            text=True, encoding="utf-8")
    assert process.stdout.readline().startswith("1829999 characters, ")
    process.send_signal(signal.SIGINT)
    while (line := process.stderr.readline()).startswith(("read", "merge")):
        pass
    stopped = re.fullmatch(r"stopped at merge (\d+) of 999744; Ctrl-C again quits\n", line)
    assert stopped
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in error
    assert Tokenizer.load(out).n_vocab == 256 + int(stopped[1])


@scripts.posix
def test_ctrl_c_elsewhere_quits(tok, tmp_path):
    process = subprocess.Popen(scripts.command("bpe.py", "encode", tok), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL))
    process.stdin.write(b"the\n")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in error


@scripts.posix
def test_a_reader_that_leaves_is_no_error(tok, tmp_path):
    scripts.check_reader_leaves("bpe.py", ["--vocab-size", "300"])
    text = write(tmp_path / "long", "the cat\n" * 100_000)
    scripts.check_reader_leaves("bpe.py", ["encode", tok, text])
    scripts.check_reader_leaves("bpe.py", ["decode", tok, write(tmp_path / "ids", "97\n" * 100_000)])


@scripts.posix
def test_closed_outputs(tok, tmp_path):
    scripts.check_closed_outputs("bpe.py", ["--vocab-size", "300"])
    scripts.check_closed_outputs("bpe.py", ["encode", tok, write(tmp_path / "a", "the\n")])
    scripts.check_closed_outputs("bpe.py", ["decode", tok, write(tmp_path / "b", "97\n")])


@scripts.full_disk
def test_a_full_disk(tok, tmp_path):
    scripts.check_full_disk("bpe.py", ["--vocab-size", "300"])
    scripts.check_full_disk("bpe.py", ["encode", tok, write(tmp_path / "a", "the\n")])
    scripts.check_full_disk("bpe.py", ["decode", tok, write(tmp_path / "b", "97\n")])


def test_progress_on_a_terminal_is_one_line_rewritten(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "text", TEXT)
    monkeypatch.setattr(bpe.time, "monotonic", itertools.count().__next__)
    scripts.check_progress_on_a_terminal(
        bpe.main, ["train", path, "-o", str(tmp_path / "tok.json"), "--vocab-size", "300"],
        "merge 44/44  0 s left", monkeypatch)


def test_where_the_characters_cannot_be_printed():
    done = scripts.run("bpe.py", "--vocab-size", "300", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "XdXac" in done.stdout and "Traceback" not in done.stderr


def test_the_same_output_every_time():
    a, b = (scripts.run("bpe.py", env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in "12")
    assert a == b and len(a) > 3000
