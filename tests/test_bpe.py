"""bpe.py: merges worked by hand, pieces and ids as regex, tiktoken and tokenizers give them, files
of real formats and damaged ones, the script as run."""
import doctest
import hashlib
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import unicodedata
from collections import Counter

import pytest

import bpe
from bpe import GPT2_PATTERN, GPT4_PATTERN, PATTERNS, InputError, Tokenizer

exercise = pytest.mark.exercise
BYTES = {bytes([i]): i for i in range(256)}
TEXT = """The cats sat on the mat, and the cat's hat: that's that; they'd've said so, 12345 times.
    return cat(hat - 1)  # Über, ÜBER, Straße. L'été; I'LL 'ſ cafe\u0301 café\r\n\r\n  \u00a0 end\u3000\x85\x1c.
Кошка, кошки. Η γάτα και οι γάτες. القط والقطط. बिल्ली और बिल्ली। 猫は猫。고양이와 고양이. 🙂🙂 👩\u200d🚀\t\t x_y  """


def learned(*tokens):
    """Ranks of the bytes and of these tokens, in this order."""
    return {**BYTES, **{token: 256 + i for i, token in enumerate(tokens)}}


SMALL = Tokenizer(learned(*"he|at| t| c|th|the| the| cat|ha|  |ab|abc|'s|ou| h| hat|é|\u0301|ö|ат|猫|🙂|12|123|"
                          "RE|\r\n| К|\n\n|_y|y'|(h".encode().split(b"|"), b"\xf0\x9f", b"\xe7\x8c"),
                  special_tokens={"<|end|>": 300, "<|end|>!": 301})


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


# --- learning ---

@exercise("6.1")
def test_merge_goes_from_left_to_right():
    a, b, c, ab = b"a", b"b", b"c", b"ab"
    for tokens, merged in (([a, b, c, a, b], [ab, c, ab]), ([a, a, b], [a, ab]), ([b, a], [b, a]), ([], []),
                           ([b"xa", b, a], [b"xa", b, a])):
        given = list(tokens)
        assert bpe.merge(given, (a, b)) == merged and given == tokens
    assert bpe.merge([a] * 5, (a, a)) == [b"aa", b"aa", a] and bpe.merge([ab, c, c], (ab, c)) == [b"abc", c]


@exercise("6.2")
def test_the_slow_way_worked_by_hand():
    # https://en.wikipedia.org/wiki/Byte_pair_encoding: aaabdaaabac -> XdXac, X = ZY, Y = ab, Z = aa
    a, b, c, d = b"a", b"b", b"c", b"d"
    assert bpe.learn_slowly([b"aaabdaaabac"], 3) == [(a, a), (a, b), (b"aa", b"ab")]
    assert bpe.learn_slowly([b"cd", b"ab"], 9) == [(a, b), (c, d)]  # no pair (d, a)
    pieces = [b"bc", b"ad", b"ac"]
    assert bpe.learn_slowly(pieces, 3) == [(a, c), (a, d), (b, c)] and pieces == [b"bc", b"ad", b"ac"]
    assert bpe.learn_slowly([b"ab", b"ab", b"cd", b"cd", b"cd"], 1) == [(c, d)]


@exercise("6.3")
def test_ranks_of_merges():
    assert bpe.ranks_of([(b"a", b"a"), (b"b", b"a"), (b"aa", b"ba")]) == learned(b"aa", b"ba", b"aaba")


@exercise("6.7")
def test_the_fast_way_worked_by_hand_and_its_speed():
    a, b, c, d = b"a", b"b", b"c", b"d"
    for piece_counts, expected in (
            ({b"aaabdaaabac": 2}, [(a, a), (a, b), (b"aa", b"ab")]), ({b"abab": 1}, [(a, b), (b"ab", b"ab")]),
            ({b"abc": 2, b"bcd": 2, b"cab": 1}, [(b, c), (a, b"bc"), (b"bc", d), (a, b), (c, b"ab")])):
        given = dict(piece_counts)
        assert list(itertools.islice(bpe.learn(given), len(expected))) == expected and given == piece_counts
    rng = random.Random(19)  # 3000 merges in 6000 pieces, as learn_slowly finds them, in minutes
    piece_counts = {bytes(rng.choices(b"abcdefghijklmnop", k=12)): 1 for _ in range(6000)}
    pairs = list(itertools.islice(bpe.learn(piece_counts), 3000))
    assert hashlib.sha256(repr(pairs).encode()).hexdigest()[:16] == "69a18950634334b3"


@pytest.mark.parametrize("seed", range(60))
def test_the_fast_way_finds_what_the_slow_way_finds(seed):
    rng = random.Random(seed)
    alphabet = rng.choice(["ab", "abc", "aab \n", "abcdefgh  ", "a", "aé🙂"])
    text = "".join(rng.choices(alphabet, k=rng.randrange(400)))
    pieces = rng.choice([[text.encode()], [word.encode() for word in text.split(" ") if word],
                         [piece.encode() for piece in bpe.pieces_of(text, GPT4_PATTERN)]])
    slow = bpe.learn_slowly(pieces, 100)
    assert list(itertools.islice(bpe.learn(Counter(pieces)), 100)) == slow
    assert len(bpe.ranks_of(slow)) == 256 + len(slow)  # no token is made twice


# --- splitting ---

@pytest.mark.parametrize("name, published, cut", [
    ("gpt2", "bf51d578af571878", "11e6e78cffe17d1b7872fb41f7de1316bf8cd7a6eb3ba014f6c0872bff1e24c4"),
    ("gpt4", "f021c3d976978e62", "4a60e5cd7489f09d876067e653501a2ae234e842ba84fb439fa8eb6bf5085cb6"),
    ("o200k", "2d1b8dc11e89af71", "a92cbf2f1b4136dcc653aba3e38516472c95d21c21fb6711bc1ddcf0cc585dbf")])
def test_every_character_of_unicode_3_2_is_cut_as_the_package_regex_cuts_it(name, published, cut):
    # unicodedata keeps the database of Unicode 3.2 in any Python. The facts are sha256 of the pattern in
    # tiktoken 0.14's openai_public.py, and of the ends of the pieces, from the package regex (2026.11).
    assert hashlib.sha256(PATTERNS[name].encode()).hexdigest()[:16] == published
    text = "".join(f"a{char}B{char}{char}1{char}\n{char}'s  {char}" for char in map(chr, range(0x110000))
                   if unicodedata.ucd_3_2_0.category(char) not in ("Cn", "Cs", "Co"))
    ends = list(itertools.accumulate(map(len, bpe.pieces_of(text, PATTERNS[name]))))
    assert hashlib.sha256(str(ends).encode()).hexdigest() == cut


@pytest.mark.parametrize("name, pieces", [
    ("gpt2", ["I", "'m", " at", " 12345", "'", "S", " CAFE", "!!", "\n\n ", " x", "_", "y", "  "]),
    ("gpt4", ["I", "'m", " at", " ", "123", "45", "'S", " CAFE", "!!\n\n", " ", " x", "_y", "  "]),
    ("o200k", ["I'm", " at", " ", "123", "45", "'S", " CAFE", "!!\n\n", " ", " x", "_y", "  "])])
def test_pieces_of_each_pattern_by_both_of_its_expressions(name, pieces):
    assert list(bpe.pieces_of("I'm at 12345'S CAFE!!\n\n  x_y  ", PATTERNS[name])) == pieces
    pool = [*range(0xd800), *range(0x1f300, 0x1fb00), *range(0x80)]
    for seed, part in enumerate([pool, pool[-0x880:], pool[-0x80:]] * 100):
        text = "".join(map(chr, random.Random(seed).choices(part, k=60)))
        rare = [match[0] for match in bpe.compiled(PATTERNS[name], True).finditer(text)]
        assert list(bpe.pieces_of(text, PATTERNS[name])) == rare and "".join(rare) == text


def test_patterns_of_ones_own():
    for text, pattern, pieces in (
            ("ab12cd3", r"\p{N}+", ["ab", "12", "cd", "3"]), ("ab", r"\p{N}+", ["ab"]), ("ba", "", ["b", "a"]),
            ("aB+é", r"[^\p{Lu}]+|\P{L}", ["a", "B", "+é"]), (r"a\b", r"\\|[\\]|\w", ["a", "\\", "b"]),
            ("[L]x", r"\[\p{L}\]|\p{L}", ["[L]", "x"]), ("🙂🪐b", r"\p{So}|b", ["🙂", "🪐", "b"]),
            ("a\U000e0100a\U0010ffff", r"\p{M}|\P{M}+", ["a", "\U000e0100", "a\U0010ffff"]),
            ("a\U0001f101", r"\p{N}", ["a", "\U0001f101"]), ("a\U0001fbf0", r"\p{N}", ["a", "\U0001fbf0"]),
            ("a b\x1cc\x85\t\n", r"\S+|\p{Cc}+", ["a", " ", "b\x1cc", "\x85\t\n"])):
        assert [piece for piece in bpe.pieces_of(text, pattern) if piece] == pieces
    for wrong in ("(a", "a)", "[a", "*a", r"\p{Han}", r"[\p{Greek}a]", r"\p", r"\pL", r"\p{L"):
        with pytest.raises(InputError):
            list(bpe.pieces_of("ab", wrong))


# --- encoding ---

def merge_simply(piece, ranks):
    """What merge_piece must find: look for the lowest rank again and again, from the left."""
    parts = [piece[i:i + 1] for i in range(len(piece))]
    while found := [(ranks[a + b], i) for i, (a, b) in enumerate(itertools.pairwise(parts))
                    if a + b in ranks]:
        _, i = min(found)
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    return parts


@exercise("6.6")
def test_the_lowest_rank_is_merged_first_and_long_pieces_are_fast():
    for rng in map(random.Random, range(40)):
        alphabet = rng.choice([b"ab", b"abc", b"aab", b"abcdefghij"])
        text = bytes(rng.choices(alphabet, k=500))
        ranks = learned(*{text[i:i + rng.randrange(2, 6)]: 0 for i in range(0, 300, 3)})
        for n in (1, 2, 3, 5, 8, 50) * 10:
            piece = bytes(rng.choices(alphabet, k=n))
            assert bpe.merge_piece(piece, ranks) == merge_simply(piece, ranks)
    assert bpe.merge_piece(b"abc", learned(b"abc")) == [b"a", b"b", b"c"]  # only pairs are merged
    assert bpe.merge_piece(b"ab" * 50_000, learned(b"ab", b"abab", b"ba")) == [b"abab"] * 25_000


@pytest.mark.parametrize("name, expected, ids_of_text", [
    ("gpt2", [84, 256, 121, 39, 118, 101, 32, 279, 52, 53, 13, 10, 39, 197, 191, 32, 120, 95, 121], "84acc2999f0ad4a0"),
    ("gpt4", [84, 256, 121, 39, 118, 101, 32, 279, 52, 53, 281, 39, 197, 191, 32, 120, 284], "c7d5c6ab9dc9f725"),
    ("o200k", [84, 256, 285, 118, 101, 32, 279, 52, 53, 281, 39, 197, 191, 32, 120, 284], "b5c7de4b8eb69a16")])
def test_the_ids_that_tiktoken_and_tokenizers_give(name, expected, ids_of_text):
    # tiktoken 0.14 with these ranks and patterns, tokenizers 0.23 from the files of save().
    tokenizer = Tokenizer(SMALL.ranks, PATTERNS[name])
    assert tokenizer.encode("They've 12345\r\n'ſ x_y") == expected
    assert hashlib.sha256(str(tokenizer.encode(TEXT)).encode()).hexdigest()[:16] == ids_of_text


# --- the tokenizer ---

@exercise("6.4")
def test_special_tokens_only_where_they_are_allowed():
    text, (ab, abc), allowed = "ab<|end|>abc<|end|>!", map(SMALL.ranks.get, (b"ab", b"abc")), {"<|end|>"}
    for every in ("all", {"<|end|>", "<|end|>!"}):
        assert SMALL.encode(text, every) == [ab, 300, abc, 301]  # the longest first
    assert SMALL.encode("ab<|end|>ab", allowed) == [ab, 300, ab] and allowed == {"<|end|>"}
    assert SMALL.encode("ab") == SMALL.encode("ab", "all") == [ab]
    for wrong, some in ((text, ()), (text, allowed), ("<|end|>!", allowed), ("<|end|>", ["<|end|>!"])):
        with pytest.raises(InputError, match=re.escape("<|end|>")):
            SMALL.encode(wrong, some)


@exercise("6.5")
def test_characters_come_when_they_are_whole():
    for ids, parts in (("aé🙂".encode(), ["a", "é", "🙂"]), ([0xff, 97, 98], ["\ufffd", "a", "b"]), ([], []),
                       ([*"\ufffd".encode(), 256, 300], ["\ufffd", "he", "<|end|>"]),
                       ([97, 0xe7, 0x8c], ["a", "\ufffd"]), ([0xe7, 97], ["\ufffda"])):
        assert list(SMALL.decode_stream(ids)) == parts and list(SMALL.decode_stream(iter(ids))) == parts
    ids = iter("é猫".encode())
    assert next(SMALL.decode_stream(ids)) == "é" and list(ids) == list("猫".encode())
    for rng in map(random.Random, range(200)):
        ids = [rng.choice([97, 195, 169, 240, 159, 153, 130, 256]) for _ in range(6)]
        assert SMALL.decode(ids) == b"".join(SMALL.tokens[i] for i in ids).decode(errors="replace")
    for wrong in (302, -1, 10 ** 30, "a", None):
        with pytest.raises(InputError):
            list(SMALL.decode_stream([97, wrong]))


def test_texts_come_back():
    rng = random.Random(4)
    for _ in range(20_000):
        pool = rng.choice((range(0xd800), range(0xe000, 0x110000), range(128), range(0x1d400, 0x1d500)))
        text = "".join(map(chr, rng.choices(pool, k=rng.randrange(6))))
        assert SMALL.decode(SMALL.encode(text)) == text
    ordinary = SMALL.encode_ordinary("a<|end|>")  # special tokens can be taken for text
    assert SMALL.decode(ordinary) == "a<|end|>" and max(ordinary) < 300
    hello = Tokenizer(learned(b"hello"))  # no merges lead there: only a whole piece is taken for it
    assert hello.encode("hello") == [256] and hello.encode("hellos") == list(b"hellos")
    composed = Tokenizer(SMALL.ranks, GPT4_PATTERN, SMALL.special_tokens, "NFC")
    assert composed.encode("e\u0301<|end|>", "all") == SMALL.encode("é<|end|>", "all")


def test_training(monkeypatch, capsys):
    tokenizer = Tokenizer.train("ab ab ab", 259, GPT2_PATTERN, ["<b>"])
    assert tokenizer.ranks == learned(b"ab", b" ab") and tokenizer.special_tokens == {"<b>": 258}
    assert tokenizer.pattern == GPT2_PATTERN and len(Tokenizer.train("ab ab", 500).ranks) == 258  # no pair is left
    whole, learn = Tokenizer.train(TEXT, 300), bpe.learn
    def interrupted(piece_counts):
        yield from itertools.islice(learn(piece_counts), 2)
        raise KeyboardInterrupt
    monkeypatch.setattr(bpe, "learn", interrupted)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(Tokenizer.train(TEXT, 300).ranks) == list(whole.ranks)[:258]
    assert capsys.readouterr().err == "merge 1 of 44\rmerge 2 of 44\rstopped at merge 2; Ctrl-C again quits\n"
    for ranks, special in (({b"a": 0}, {}), ({**BYTES, b"ab": 5}, {}), (BYTES, {"<x>": 97}), (BYTES, {"<x>": True}),
                           (BYTES, {"<x>": 300, "<y>": 300}), ({**BYTES, b"ab": -1}, {}), ({**BYTES, b"ab": 1.5}, {})):
        with pytest.raises(InputError):
            Tokenizer(ranks, GPT4_PATTERN, special)


# --- files ---

def test_a_tiktoken_file(tmp_path):
    path = tmp_path / "new.tiktoken"
    bpe.save(Tokenizer(dict(random.Random(9).sample(sorted(SMALL.ranks.items()), len(SMALL.ranks)))), path)
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == len(SMALL.ranks) and lines[0] == "AA== 0" and lines[97] == "YQ== 97"
    assert bpe.load(path).ranks == SMALL.ranks and os.listdir(tmp_path) == [path.name]
    assert bpe.load(path).pattern == GPT4_PATTERN and bpe.load(path, GPT2_PATTERN).pattern == GPT2_PATTERN


@pytest.mark.parametrize("pattern", [*PATTERNS.values(), r"\p{L}+|[^\p{L}]"])
@pytest.mark.parametrize("form", [None, "NFC"])
def test_a_tokenizer_json_there_and_back(pattern, form, tmp_path):
    tokenizer = Tokenizer(SMALL.ranks, pattern, {"<|b|>": 1000, '%s "': 700}, form)
    bpe.save(tokenizer, tmp_path / "tok.json")
    back, text = bpe.load(tmp_path / "tok.json"), f"{TEXT}<|b|>x{TEXT}"
    assert (back.ranks, back.special_tokens) == (tokenizer.ranks, tokenizer.special_tokens)
    assert back.normal_form == form and os.listdir(tmp_path) == ["tok.json"]
    assert back.encode(text, "all") == tokenizer.encode(text, "all")
    assert bpe.load(tmp_path / "tok.json", GPT2_PATTERN).pattern == GPT2_PATTERN


def test_what_a_tokenizer_json_says(tmp_path):
    # What the library tokenizers 0.23 asks for; that it gives the same ids, see above.
    assert "".join(bpe.CHARS[byte] for byte in " é\n\0\xad".encode()) == "ĠÃ©ĊĀÂŃ"  # as in GPT-2's
    ranks = learned(b"ab", b" ab", "é".encode(), b"xyz")
    bpe.save(Tokenizer(ranks, GPT4_PATTERN, {"<x>": 300}, "NFKC"), tmp_path / "tok.json")
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    pattern = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+"
               r"|\s++\Z|\s*[\r\n]|\s+(?!\S)|\s")  # it reads {1,3}+ as one or more of {1,3}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    assert json.loads((tmp_path / "tok.json").read_text("utf-8")) == {
        "version": "1.0", "normalizer": {"type": "NFKC"}, "decoder": level, "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [split, {**level, "use_regex": False}]},
        "added_tokens": [{"id": 300, "content": "<x>", "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}],
        "model": {"type": "BPE", "ignore_merges": True, "merges": [["a", "b"], ["Ġ", "ab"], ["Ã", "©"]], "vocab": {
            "".join(map(bpe.CHARS.get, token)): i for token, i in ranks.items()} | {"<x>": 300}}}


BYTE_LEVEL = '{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}'
SPLIT = """{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "a"},
"behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}"""
VOCAB = {char: i for i, char in enumerate(sorted(bpe.CHARS.values()))} | {"Ġt": 256, "he": 257, "<s>": 258}
GPT2_STYLE = f"""{{"version": "1.0", "truncation": null, "normalizer": null, "pre_tokenizer": {BYTE_LEVEL},
"added_tokens": [{{"id": 258, "special": true, "content": "<s>", "single_word": false, "lstrip": false,
"rstrip": false, "normalized": true}}], "post_processor": {{"type": "ByteLevel", "add_prefix_space": true}},
"model": {{"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
"vocab": {json.dumps(VOCAB, ensure_ascii=False)}, "merges": ["Ġ t", "h e"]}}}}"""
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


split_by = lambda regex: (BYTE_LEVEL, SPLIT.replace('"a"', json.dumps(regex)))


def changed(path, *changes):
    """A file in the style of GPT-2's, after these changes, each an old and a new text."""
    text = GPT2_STYLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return write(path / "tok.json", text)


def test_files_of_gpt2_llama3_and_qwen(tmp_path):
    tokenizer = bpe.load(changed(tmp_path))
    assert tokenizer.pattern == GPT2_PATTERN and tokenizer.special_tokens == {"<s>": 258}
    # GPT-2 has ! as 0, the blank as 220 and a as 64.
    assert tokenizer.encode("! the a<s>", "all") == [0, 256, 257, 220, 64, 258]
    assert tokenizer.decode([220, 64, 198]) == " a\n" and len(tokenizer.ranks) == 258
    tokenizer = bpe.load(changed(
        tmp_path, split_by(LLAMA3), ('"Ġ t", "h e"', '["Ġ", "t"], ["h", "e"]'), ('"<s>": 258', '"xyz": 259'),
        ('"dropout"', '"type": "BPE", "ignore_merges": true, "dropout"')))
    assert tokenizer.pattern == LLAMA3 and tokenizer.normal_form is None
    assert tokenizer.encode("<s> the'S1234xyz", "all") == [258, 256, 257, 6, 50, 16, 17, 18, 19, 259]
    qwen = split_by(LLAMA3.replace("{1,3}", ""))
    tokenizer = bpe.load(changed(tmp_path, qwen, ('zer": null', 'zer": {"type": "NFC"}')))
    assert tokenizer.normal_form == "NFC" and tokenizer.encode("e\u0301") == tokenizer.encode("é")


@pytest.mark.parametrize("old, new, message", [
    ('"dropout"', '"type": "WordPiece", "dropout"', "WordPiece"), ('"dropout": null', '"dropout": 0.1', "dropout"),
    ('suffix": ""', 'suffix": "</w>"', "end_of_word"), ('prefix": ""', 'prefix": "##"', "continuing"),
    ('"lstrip": false', '"lstrip": true', "lstrip"), ('"rstrip": false', '"rstrip": true', "rstrip"),
    ('word": false', 'word": true', "single_word"), ('zer": null', 'zer": {"type": "Lowercase"}', "Lower"),
    ('"dropout": null', '"byte_fallback": true', "byte_fallback"), (BYTE_LEVEL, '{"type": "Metaspace"}', "Metasp"),
    ('_space": false', '_space": true', "add_prefix_space"), ('sets": true', 'sets": true, "use_regex": false', "False"),
    (BYTE_LEVEL, SPLIT.replace("Isolated", "Removed"), "Removed"), (*split_by("[a[b]]"), "[a[b]]"),
    (BYTE_LEVEL, SPLIT.replace("false}, {", "true}, {"), "invert"), (BYTE_LEVEL, SPLIT.replace("Regex", "String"), "Regex"),
    (*split_by(r"\p{N}{1,3}+"), "{1,3}"), (*split_by(r"[\p{L}&&[^a]]"), "&&"), ('"id": 258', '"id": 300', "not all"),
    ('"Ġ t", "h e"', '"h e", "Ġ t"', "order"), ('"Ġ t", "h e"', '"Ġ t"', "not all"), ('"<s>": 258', '"猫": 9', "all"),
    (*split_by("(a"), "missing )"), ('"a": 64', '"a": 65', ""), ('"a": 64, ', "", ""), ('"a": 64', '"a": 64.5', "")])
def test_what_is_of_another_kind_is_refused_by_name(old, new, message, tmp_path):
    path = changed(tmp_path, (old, new))
    with pytest.raises(InputError) as caught:
        bpe.load(path)
    assert str(caught.value).startswith(path) and message in str(caught.value).removeprefix(path)


@pytest.mark.parametrize("end", ["json", "tiktoken"])
def test_a_damaged_file_gives_a_vocabulary_or_one_line(end, tmp_path):
    bpe.save(SMALL, path := tmp_path / f"tok.{end}")
    whole, rng, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(200):
        data, at = bytearray(whole), rng.randrange(len(whole))
        data[at] = rng.randrange(256)
        path.write_bytes(data if rng.random() < 0.8 else data[:at])
        try:
            bpe.load(path).encode("the")
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500
    assert refused > 60


# --- the script ---
def run(*args, code=0, **options):
    """What bpe.py prints, to standard output or, if it fails, to standard error; as bytes."""
    done = subprocess.run([sys.executable, bpe.__file__, *args], capture_output=True, timeout=100, **options)
    assert done.returncode == code and b"Traceback" not in done.stderr, done.stderr
    return done.stderr if code else done.stdout


def test_the_script_alone_shows_what_tokens_do():
    assert doctest.testmod(bpe).failed == 0
    out = run().decode()
    assert "  a a    aa a b d aa a b a c\n  a b    aa ab d aa ab a c\n  aa ab  aaab d aaab a c\n" in out
    assert "\n  gpt2    In· 2024·,· they" in out and "\n  o200k   In· ·202·4·,· they" in out
    shares = [float(row.split()[1]) for row in out.split("a character\n")[1].split("\n")[:10]]
    assert shares[0] == min(shares) < 0.6 and max(shares) == shares[8] > 2  # English, Chinese
    assert "\n  the· same· token· \n" in out and out.endswith("\n  \\xf0·\\x9f·\\x99·\\x82\n")
    assert run(env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "ascii"}).decode() == out


def test_train_writes_what_train_learns(tmp_path, capsys):
    a, b = write(tmp_path / "a", "the cat\r\n"), write(tmp_path / "b", "the hat")
    expected = Tokenizer.train("the cat\r\nthe hat", 262, GPT2_PATTERN, ["<|x|>", "<|y|>"])
    for out in (str(tmp_path / "tok.tiktoken"), str(tmp_path / "tok.json")):
        bpe.main(["train", a, b, "-o", out, "--vocab-size", "262", "--pattern", "gpt2",
                  "--special", "<|x|>", "--special", "<|y|>"])
        assert bpe.load(out).ranks == expected.ranks and capsys.readouterr() == (f"{out}: 262 tokens\n", "")
    assert bpe.load(out).special_tokens == expected.special_tokens


@pytest.mark.parametrize("text", [TEXT, "a", "a\n\n", "", " a \r\n\x0b\x0c\x1c\u2028b\r"])
def test_encode_decode_and_show_are_filters(text, tmp_path):
    bpe.save(SMALL, tok := str(tmp_path / "tok.json"))
    encoded = run("encode", tok, input=text.encode())
    assert encoded.decode().split("\n") == [" ".join(map(str, SMALL.encode(line))) for line in text.split("\n")]
    assert run("decode", tok, "-", input=encoded) == text.encode()
    assert run("decode", tok, write(tmp_path / "ids", encoded)) == text.encode()
    tokens = [SMALL.tokens[i].decode(errors="backslashreplace") for i in SMALL.encode(text)]
    assert run("show", tok, input=text.encode()).decode() == "·".join(tokens)
    assert run("encode", tok, "--allow-special", input=f"<|end|>\n{text}".encode()) == b"300\n" + encoded


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_filters_answer_line_by_line_and_end_at_ctrl_c(tmp_path):
    bpe.save(SMALL, tok := str(tmp_path / "tok.json"))
    process = subprocess.Popen(
        [sys.executable, bpe.__file__, "encode", tok], stdin=-1, stdout=-1, stderr=-1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    for line in ("the cat", "", "猫"):
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().decode() == " ".join(map(str, SMALL.encode(line))) + "\n"
    process.send_signal(signal.SIGINT)
    assert b"Traceback" not in process.communicate(timeout=60)[1] and process.returncode == 130


@pytest.mark.parametrize("args, message", [
    ("train none -o x.json", "none"), ("train . -o x.json", "'.'"), ("train empty -o x.json", "no text"),
    ("train text", "--output"), ("train text -o none/x.json", "none/x.json"), ("show binary", "binary: no"),
    ("train text binary -o x.json", "binary: 'utf-8' codec can't decode byte 0xff in position 3"),
    ("train text -o x.json --vocab-size 255", "255 tokens: 256 bytes and 0 special"),
    ("train text -o x.json --pattern (a", "'(a' is no regular expression: missing )"),
    ("encode", "no vocabulary"), ("encode text", "text: no vocabulary as it is here"), ("encode none", "none"),
    ("show tok.json .", "'.'"), ("encode tok.json binary", "binary: 'utf-8'"), ("learn", "'learn'"),
    ("encode tok.json special", "the special token '<|end|>' is in the text, and not allowed"),
    ("decode tok.json text", "'ab' is no id"), ("decode tok.json ids", "400 is no id of this vocabulary"),
    ("decode tok.json minus", "'-1' is no id"), ("decode tok.json big", "9 is no id")])
def test_wrong_input_gets_one_line(args, message, tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    for file, text in {"empty": "", "binary": b"abc\xff\n", "text": "ab ab\n", "ids": "97\n98 400\n",
                       "minus": "97\n-1", "big": "9" * 5000, "special": "<|end|>"}.items():
        write(tmp_path / file, text)
    *_, last = run(*args.split(), code=2, cwd=tmp_path).decode().strip().split("\n")
    assert last.startswith("bpe.py: error: ") and message in last and len(last) < 400
    assert not (tmp_path / "x.json").exists()
