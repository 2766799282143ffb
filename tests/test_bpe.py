"""bpe.py: merges worked by hand, slow and fast alike, pieces and ids as regex, tiktoken and
tokenizers give them, files of real formats and damaged ones, the script as it runs."""
import base64
import doctest
import json
import os
import random
import signal
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest

import bpe
from bpe import GPT2_PATTERN, GPT4_PATTERN, InputError, Tokenizer
from helpers import start

exercise = pytest.mark.exercise
BYTES = {bytes([i]): i for i in range(256)}
# Llama 3's pattern and GPT-4o's, as they stand in the tokenizer.json of such models.
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CAPITAL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
SMALL_LETTER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = "|".join([
    rf"[^\r\n\p{{L}}\p{{N}}]?{CAPITAL}*{SMALL_LETTER}+{ENDING}",
    rf"[^\r\n\p{{L}}\p{{N}}]?{CAPITAL}+{SMALL_LETTER}*{ENDING}",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def learned(*tokens):
    """Return ranks with the bytes and these tokens, in this order."""
    return {**BYTES, **{token: 256 + i for i, token in enumerate(tokens)}}


WORDS = "he|at| t| c|th|the| the| cat|ha|  |ab|abc|'s|é|猫|12|123|\r\n|_y|y'"
SMALL = Tokenizer(learned(*WORDS.encode().split(b"|"), b"\xf0\x9f"),
                  special_tokens={"<|end|>": 300, "<|end|>!": 301})


# --- learning ---

@exercise("6.1")
@pytest.mark.parametrize("tokens, pair, merged", [
    ("a b c a b", "a b", "ab c ab"),
    ("a a b", "a b", "a ab"),
    ("b a", "a b", "b a"),
    ("xa b a", "a b", "xa b a"),
    ("a a a a a", "a a", "aa aa a"),
    ("ab c c", "ab c", "abc c"),
    ("", "a b", ""),
])
def test_merge_replaces_each_occurrence_from_left_to_right(tokens, pair, merged):
    tokens = tokens.encode().split()
    given = list(tokens)
    left, right = pair.encode().split()
    assert bpe.merge(tokens, (left, right)) == merged.encode().split()
    assert tokens == given  # merge returns a new list


def pairs_of(text):
    """Return the pairs that are written like "a.b ab.c"."""
    return [tuple(pair.encode().split(b".")) for pair in text.split()]


BY_HAND = [
    # https://en.wikipedia.org/wiki/Byte_pair_encoding: aaabdaaabac, with Z = aa, Y = ab, X = ZY
    (["aaabdaaabac"], 3, "a.a a.b aa.ab"),
    (["cd", "ab"], 9, "a.b c.d"),  # no pair (d, a), and then no pair at all
    (["bc", "ad", "ac"], 3, "a.c a.d b.c"),  # equally frequent: the smallest first
    (["ab", "ab", "cd", "cd", "cd"], 1, "c.d"),
    (["abc", "abc", "bcd", "bcd", "cab"], 5, "b.c a.bc bc.d a.b c.ab"),
    (["ab"], 0, ""),
    ([], 5, ""),
]


@exercise("6.2")
@pytest.mark.parametrize("pieces, n_merges, pairs", BY_HAND)
def test_learning_slowly_gives_what_was_worked_out_by_hand(pieces, n_merges, pairs):
    given = list(pieces)
    assert bpe.learn_slowly(pieces, n_merges) == pairs_of(pairs)
    assert pieces == given


@pytest.mark.parametrize("seed", range(60))
def test_learning_fast_finds_what_learning_slowly_finds(seed):
    rng = random.Random(seed)
    alphabet = rng.choice(["ab", "abc", "aab \n", "abcdefgh  ", "a", "aé🙂"])
    text = "".join(rng.choices(alphabet, k=rng.randrange(400)))
    for pieces in ([text], text.split(), bpe.pieces_of(text, GPT4_PATTERN)):
        pairs = bpe.learn_slowly(pieces, 100)
        assert bpe.learn(pieces, 100) == pairs
        assert len(bpe.ranks_of(pairs)) == 256 + len(pairs)  # no token is made twice


@exercise("6.7")
@pytest.mark.parametrize("tokens, pair", [
    ("x a b y", "a.b"), ("a b", "a.b"), ("a b a b a b", "a.b"), ("a a a a a", "a.a"),
    ("x y", "a.b"), ("a b b a b", "a.b"), ("a b a", "a.b"), ("y b a", "a.b"),
])
def test_counts_after_a_merge_are_those_of_the_new_tokens(tokens, pair):
    tokens = tokens.encode().split()
    left, right = pair.encode().split(b".")
    expected = bpe.merge(tokens, (left, right))
    counts = Counter()
    for found in pairwise(tokens):
        counts[found] += 3
    new_pairs = bpe.merge_and_count(tokens, (left, right), 3, counts)
    assert tokens == expected
    right_counts = Counter()
    for found in pairwise(expected):
        right_counts[found] += 3
    assert +counts == right_counts  # + leaves out what occurs 0 times
    assert min(counts.values(), default=0) >= 0
    assert new_pairs >= {found for found in right_counts if left + right in found}


@exercise("6.3")
def test_ids_follow_the_order_of_learning():
    assert bpe.ranks_of(pairs_of("a.a b.a aa.ba")) == learned(b"aa", b"ba", b"aaba")
    assert bpe.ranks_of([]) == BYTES


# --- encoding a piece ---

LOWEST_FIRST = [
    ("slower", "er lo low", "s low er"),
    ("abc", "bc ab", "a bc"),
    ("abc", "ab bc", "ab c"),
    ("aaab", "aa aab", "aa a b"),
    ("aaaaa", "aa aaa", "aa aaa"),
    ("aaaaaa", "aaa aa", "aaa aaa"),  # aaa has a lower rank, but turns up later
    ("abcd", "bc abc abcd", "abcd"),
    ("abc", "abc", "a b c"),  # only pairs are merged
    ("a", "aa", "a"),
    ("", "aa", ""),
]


@exercise("6.4")
@pytest.mark.parametrize("piece, tokens, merged", LOWEST_FIRST)
def test_the_lowest_rank_is_merged_first(piece, tokens, merged):
    ranks = learned(*tokens.encode().split())
    assert bpe.merge_piece_slowly(piece.encode(), ranks) == merged.encode().split()


@exercise("6.8")
@pytest.mark.parametrize("piece, tokens, merged", LOWEST_FIRST)
def test_the_lowest_rank_is_merged_first_with_a_heap(piece, tokens, merged):
    ranks = learned(*tokens.encode().split())
    assert bpe.merge_piece(piece.encode(), ranks) == merged.encode().split()


@exercise("6.8")
def test_long_pieces_are_encoded_in_a_moment():
    ranks = learned(b"ab", b"abab", b"ba")
    assert bpe.merge_piece(b"ab" * 50_000, ranks) == [b"abab"] * 25_000


@pytest.mark.parametrize("seed", range(40))
def test_encoding_fast_gives_what_encoding_slowly_gives(seed):
    rng = random.Random(seed)
    alphabet = rng.choice([b"ab", b"abc", b"aab", b"abcdefghij"])
    text = bytes(rng.choices(alphabet, k=500))
    words = [text[i:i + rng.randrange(2, 6)] for i in range(0, 300, 3)]
    ranks = learned(*dict.fromkeys(words))  # each once
    for n in (1, 2, 3, 5, 8, 50) * 10:
        piece = bytes(rng.choices(alphabet, k=n))
        assert bpe.merge_piece(piece, ranks) == bpe.merge_piece_slowly(piece, ranks)


def test_a_piece_that_is_a_token_is_not_merged():
    ranks = learned(b"hello")  # no merges lead to it
    assert bpe.ids_of("hello", ranks) == [256]
    assert bpe.ids_of("hellos", ranks) == list(b"hellos")


# --- splitting ---

# import regex  # 2026.11
# [match[0] for match in regex.finditer(pattern, text)]
@pytest.mark.parametrize("pattern, pieces", [
    (GPT2_PATTERN, "I|'m| at| 12345|'|S| CAFE|!!|\n\n | x|_|y|  "),
    (GPT4_PATTERN, "I|'m| at| |123|45|'S| CAFE|!!\n\n| | x|_y|  "),
    (GPT4O, "I'm| at| |123|45|'S| CAFE|!!\n\n| | x|_y|  "),
])
def test_pieces_are_those_of_the_package_regex(pattern, pieces):
    assert bpe.pieces_of("I'm at 12345'S CAFE!!\n\n  x_y  ", pattern) == pieces.split("|")


@pytest.mark.parametrize("text, pieces", [
    ("a\n  ", "a|\n  "),  # blanks at the end are one piece, also after the end of a line
    ("a\n  b", "a|\n| | b"),
    ("a \n\n  \nb", "a| \n\n  \n|b"),
    ("'ſ'll'LL'x", "'ſ|'ll|'LL|'x"),
    ("a\x1cb\x85c", "a|\x1cb|\x85c"),
    ("\x1c \x1c", "\x1c| \x1c"),
    ("x𝒜𝟙²½٣🙂🪐", "x𝒜|𝟙²½|٣|🙂🪐"),
])
def test_gpt4s_pattern_cuts_unusual_texts_as_regex_does(text, pieces):
    assert bpe.pieces_of(text, GPT4_PATTERN) == pieces.split("|")


def test_gpt2s_pattern_takes_each_character_for_what_it_is():
    for char in map(chr, range(0x110000)):
        kind = unicodedata.category(char)
        if kind in ("Cn", "Cs", "Co"):
            continue
        blank = char.isspace() and not "\x1c" <= char <= "\x1f"
        joins = {"a": kind[0] == "L", "1": kind[0] == "N", "!": kind[0] not in "LN" and not blank}
        for first, expected in joins.items():
            pieces = bpe.pieces_of(first + char, GPT2_PATTERN)
            assert (len(pieces) == 1) == expected, f"U+{ord(char):04X} after {first}"


@pytest.mark.parametrize("text, pattern, pieces", [
    ("ab12cd3", r"\p{N}+", "ab|12|cd|3"),  # what the pattern leaves out is a piece
    ("aB+é", r"[^\p{Lu}]+|\p{L}", "a|B|+é"),
    (r"[L]x\b", r"\[\p{L}\]|\p{L}|\\", r"[L]|x|\|b"),
    ("🙂🪐b", r"\p{So}|b", "🙂|🪐|b"),
    ("ab.", r"[.\]a]+|b", "a|b|."),
])
def test_patterns_of_ones_own_give_their_pieces(text, pattern, pieces):
    assert bpe.pieces_of(text, pattern) == pieces.split("|")


# Each of these is no pattern, or has another meaning in other libraries.
NOT_PATTERNS = r"(?:a a) [a *a \p \pL \p{L \p{Han} [\p{Greek}a]"
AMBIGUOUS = r"(a) (?P<x>a) [a[b]] [a&&b] \p{L}++ a?+ a*+ a{1,3}+ a$ ^a a\Z \w \W [\w] [\W] \b \B"
AMBIGUOUS += r" é [é] []a] [^]a[b] [a--b] [a~~b] \< \>"


@pytest.mark.parametrize("pattern", f"{NOT_PATTERNS} {AMBIGUOUS}".split())
def test_patterns_that_mean_nothing_or_something_else_elsewhere_are_refused(pattern):
    with pytest.raises(InputError):
        bpe.pieces_of("ab", pattern)


def test_surrogates_become_characters_or_replacement_characters():
    assert bpe.pieces_of("\ud83d\ude42", GPT2_PATTERN) == ["🙂"]
    assert SMALL.decode(SMALL.encode("a\ud83d b\ude42")) == "a\ufffd b\ufffd"
    assert len(Tokenizer.train("\ud83d ab", 257).ranks) == 257


# --- the tokenizer ---

# import tiktoken  # 0.14
# encoding = tiktoken.Encoding(
#     "small", pat_str=pattern, mergeable_ranks=SMALL.ranks, special_tokens={})
# encoding.encode_ordinary("They've 12345\r\n'ſ x_y 猫🙂")
@pytest.mark.parametrize("pattern, ids", [
    (GPT2_PATTERN, "84 256 121 39 118 101 32 272 52 53 13 10 39 197 "
     "191 32 120 95 121 32 231 140 171 276 153 130"),
    (GPT4_PATTERN, "84 256 121 39 118 101 32 272 52 53 273 39 197 191 "
     "32 120 274 32 231 140 171 276 153 130"),
    (GPT4O, "84 256 275 118 101 32 272 52 53 273 39 197 191 32 "
     "120 274 32 231 140 171 276 153 130"),
])
def test_ids_are_those_of_tiktoken_and_tokenizers(pattern, ids):
    tokenizer = Tokenizer(SMALL.ranks, pattern)
    assert tokenizer.encode("They've 12345\r\n'ſ x_y 猫🙂") == list(map(int, ids.split()))


AB = SMALL.ranks[b"ab"]
ABC = SMALL.ranks[b"abc"]


@exercise("6.5")
@pytest.mark.parametrize("allowed", ["all", {"<|end|>", "<|end|>!"}])
def test_special_tokens_get_their_ids_where_they_are_allowed(allowed):
    assert SMALL.encode("ab<|end|>abc<|end|>!", allowed) == [AB, 300, ABC, 301]  # the longest
    assert SMALL.encode("ab", allowed) == [AB]


@exercise("6.5")
@pytest.mark.parametrize("text, allowed", [
    ("ab<|end|>", ()), ("ab<|end|>!", ["<|end|>"]), ("<|end|>", ["<|end|>!"]),
])
def test_special_tokens_are_refused_where_they_are_not_allowed(text, allowed):
    with pytest.raises(InputError, match="<.end.>"):
        SMALL.encode(text, allowed)
    assert SMALL.encode("ab", allowed) == [AB]
    assert max(SMALL.encode_ordinary(text)) < 300


@exercise("6.6")
@pytest.mark.parametrize("ids, parts", [
    (list("aé🙂".encode()), ["a", "é", "🙂"]),
    ([0xff, 97, 98], ["\ufffd", "a", "b"]),
    ([256, 300], ["he", "<|end|>"]),
    ([97, 0xe7, 0x8c], ["a", "\ufffd"]),
    ([0xe7, 97], ["\ufffda"]),
    ([], []),
])
def test_characters_come_as_soon_as_they_are_complete(ids, parts):
    assert list(SMALL.decode_stream(ids)) == parts
    assert SMALL.decode(ids) == "".join(parts)


@exercise("6.6")
def test_a_stream_takes_no_more_ids_than_it_needs():
    ids = iter("é猫".encode())
    assert next(SMALL.decode_stream(ids)) == "é"
    assert list(ids) == list("猫".encode())


@pytest.mark.parametrize("wrong", [302, -1])
def test_an_unknown_id_is_an_error(wrong):
    with pytest.raises(KeyError):
        SMALL.decode([97, wrong])


def test_texts_come_back():
    rng = random.Random(4)
    pools = [range(0xd800), range(0xe000, 0x110000), range(128), range(0x1d400, 0x1d500)]
    for _ in range(5_000):
        codes = rng.choices(rng.choice(pools), k=rng.randrange(6))
        text = "".join(map(chr, codes))
        assert SMALL.decode(SMALL.encode(text)) == text


def test_a_normal_form_is_applied_to_text_and_not_to_special_tokens():
    tokenizer = Tokenizer(SMALL.ranks, GPT4_PATTERN, {"e\u0301!": 300}, "NFC")
    assert tokenizer.encode("e\u0301 e\u0301!", "all") == [*SMALL.encode("é "), 300]


def test_training_gives_bytes_then_learned_tokens_then_special_tokens():
    tokenizer = Tokenizer.train("ab ab ab", 260, GPT2_PATTERN, ["<b>", "<c>"])
    assert tokenizer.ranks == learned(b"ab", b" ab")
    assert tokenizer.special_tokens == {"<b>": 258, "<c>": 259}
    assert tokenizer.pattern == GPT2_PATTERN
    assert len(Tokenizer.train("ab ab", 500).ranks) == 258  # no pair is left
    with pytest.raises(InputError):
        Tokenizer.train("ab", 256, special_tokens=["<b>"])


# --- files ---

def write(path, text):
    """Write bytes or a string to a file, and return its path as a string."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def tiktoken_lines(ranks):
    """Return the content of a .tiktoken file."""
    lines = [f"{base64.b64encode(token).decode()} {i}\n" for token, i in ranks.items()]
    return "".join(lines)


def test_a_tiktoken_file_needs_a_pattern(tmp_path):
    path = write(tmp_path / "a.tiktoken", tiktoken_lines(SMALL.ranks))
    with pytest.raises(InputError, match="--pattern"):
        bpe.load(path)
    tokenizer = bpe.load(path, GPT2_PATTERN)
    assert tokenizer.ranks == SMALL.ranks
    assert tokenizer.pattern == GPT2_PATTERN


@pytest.mark.parametrize("form", [None, "NFC"])
def test_a_tokenizer_json_brings_the_same_tokenizer_back(form, tmp_path):
    ranks = learned(b"ab", b"xyz")  # no merges lead to xyz
    tokenizer = Tokenizer(ranks, GPT4O, {"<|b|>": 1000, '%s "': 700}, form)
    path = tmp_path / "tok.json"
    bpe.save(tokenizer, path)
    back = bpe.load(path)
    assert back.ranks == tokenizer.ranks
    assert back.special_tokens == tokenizer.special_tokens
    assert back.pattern == GPT4O
    assert back.normal_form == form
    assert bpe.load(path, GPT2_PATTERN).pattern == GPT2_PATTERN


def test_a_tokenizer_json_has_the_names_and_merges_that_other_libraries_read(tmp_path):
    # With such files, the library tokenizers 0.23 gave the same ids for 20,000 random texts.
    ranks = learned(b"ab", b" ab", "é".encode(), b"xyz", b"aba")
    bpe.save(Tokenizer(ranks, GPT4_PATTERN, {"<x>": 300}), tmp_path / "tok.json")
    root = json.loads((tmp_path / "tok.json").read_text("utf-8"))
    assert root["added_tokens"][0]["normalized"] is False
    model = root["model"]
    assert model["merges"] == [["a", "b"], ["Ġ", "ab"], ["Ã", "©"], ["ab", "a"]]
    assert model["vocab"]["Ġab"] == 257
    assert model["vocab"]["<x>"] == 300


def file_of_another(pre_tokenizer, merges='["Ġ t", "h e"]'):
    """Return a tokenizer.json with GPT-2's ids: ! is 0, and a blank is 220."""
    printable = [i for i in range(256) if i != 32 and chr(i).isprintable()]
    names = list(map(chr, [*printable, *range(0x100, 0x100 + 256 - len(printable))]))
    vocab = {name: i for i, name in enumerate([*names, "Ġt", "he", "<s>"])}
    return """{"version": "1.0", "normalizer": null, "pre_tokenizer": %s,
        "added_tokens": [{"id": 258, "special": true, "content": "<s>", "normalized": true,
            "single_word": false, "lstrip": false, "rstrip": false}],
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true},
        "model": {"dropout": null, "byte_fallback": false, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "type": "BPE", "merges": %s, "vocab": %s}}
        """ % (pre_tokenizer, merges, json.dumps(vocab))


def split_by(pattern):
    """Return a pre_tokenizer that cuts by a pattern, as newer models have it."""
    return """{"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": %s}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
        ]}""" % json.dumps(pattern)


def test_a_file_of_gpt2s_kind_is_read(tmp_path):
    byte_level = '{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}'
    tokenizer = bpe.load(write(tmp_path / "a", file_of_another(byte_level)))
    assert tokenizer.pattern == GPT2_PATTERN
    assert tokenizer.special_tokens == {"<s>": 258}
    assert tokenizer.encode("! the a<s>", "all") == [0, 256, 257, 220, 64, 258]
    assert tokenizer.decode([220, 64, 198]) == " a\n"


@pytest.mark.parametrize("pattern", [LLAMA3, LLAMA3.replace("{1,3}", ""), GPT4O])
def test_files_of_llama3s_qwens_and_gpt4os_kinds_are_read(pattern, tmp_path):
    text = file_of_another(split_by(pattern), merges='[["Ġ", "t"], ["h", "e"]]')
    text = text.replace('"normalizer": null', '"normalizer": {"type": "NFC"}')
    tokenizer = bpe.load(write(tmp_path / "a", text))
    assert tokenizer.pattern == pattern
    assert tokenizer.encode("<s> the", "all") == [258, 256, 257]
    assert tokenizer.encode("e\u0301") == tokenizer.encode("é")


@pytest.mark.parametrize("message, old, new", [
    ("the model is Unigram, not BPE", '"BPE", "merges"', '"Unigram", "scores"'),
    ("dropout", '"dropout": null', '"dropout": 0.1'),
    ("byte_fallback", '"byte_fallback": false', '"byte_fallback": true'),
    ("continuing_subword_prefix", '_prefix": ""', '_prefix": "##"'),
    ("end_of_word_suffix", '_suffix": ""', '_suffix": "</w>"'),
    ("order", '["Ġ t", "h e"]', '["h e", "Ġ t"]'),
    ("not all", '["Ġ t", "h e"]', '["Ġ t"]'),
    ("Lowercase", '"normalizer": null', '"normalizer": {"type": "Lowercase"}'),
    ("the pre_tokenizer is", "ByteLevel", "Metaspace"),
    ("add_prefix_space", '_space": false', '_space": true'),
    ("the pre_tokenizer is", '"use_regex": false', '"use_regex": true'),
    ("the pre_tokenizer is", "Isolated", "Removed"),
    ("invert", '"invert": false', '"invert": true'),
    ("Regex", '"Regex"', '"String"'),
    ("$ in a pattern", '"Regex": "', '"Regex": "$'),
    ("lstrip", '"lstrip": false', '"lstrip": true'),
    ("rstrip", '"rstrip": false', '"rstrip": true'),
    ("single_word", '"single_word": false', '"single_word": true'),
    ("a byte has no id", '"a": 64,', ""),
    ("64.5 is no id", '"a": 64,', '"a": 64.5,'),
    ("-64 is no id", '"a": 64,', '"a": -64,'),
    ("same id", '"a": 64,', '"a": 65,'),
])
def test_what_would_change_ids_is_refused_by_name(message, old, new, tmp_path):
    text = file_of_another(split_by(LLAMA3))
    assert old in text
    path = write(tmp_path / "tok", text.replace(old, new))
    with pytest.raises(InputError) as caught:
        bpe.load(path)
    assert message in str(caught.value)


# --- the script ---

def run(*args, code=0, **options):
    """Return what bpe.py prints, as bytes: standard output or, if it fails, standard error."""
    done = subprocess.run([sys.executable, bpe.__file__, *args], capture_output=True,
                          timeout=100, **options)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stderr if code else done.stdout


def test_the_examples_in_the_file_are_true():
    assert doctest.testmod(bpe).failed == 0


def test_the_run_without_a_command_shows_what_tokens_do():
    out = run().decode()
    rows = out.split("\n")[1:5]
    shares = [float(row.split()[1]) for row in rows]
    assert shares == sorted(shares)  # English is cheapest, then German, Turkish and Hindi
    assert shares[0] < 0.6
    assert shares[3] > 2.5
    assert "the· same· token· \n" in out
    assert out.endswith("\\xf0·\\x9f·\\x99·\\x82\n")


def test_the_run_does_not_depend_on_hashes_and_terminals():
    changed = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "ascii"}
    assert run(env=changed) == run(env={**os.environ, "PYTHONHASHSEED": "2"})


def test_train_writes_what_train_learns(tmp_path, capsys):
    first = write(tmp_path / "a", "the cat\r\n")
    second = write(tmp_path / "b", "the hat")
    out = str(tmp_path / "tok.json")
    bpe.main(["train", first, second, "-o", out, "--vocab-size", "262", "--pattern", "gpt2"])
    assert capsys.readouterr() == (f"{out}: 262 tokens\n", "")
    expected = Tokenizer.train("the cat\r\nthe hat", 262, GPT2_PATTERN)
    assert bpe.load(out).ranks == expected.ranks
    assert bpe.load(out).pattern == GPT2_PATTERN
    bpe.main(["train", first, "-o", out])
    assert bpe.load(out).pattern == GPT4_PATTERN


MIXED = "The cats' hat: 12345.\n    Über 猫 🙂\x0b\x0c\x1c\u2028b\r\n\n  "


@pytest.mark.parametrize("text", [MIXED, "a", "a\n\n", ""])
def test_encode_decode_and_show_are_filters(text, tmp_path):
    vocabulary = str(tmp_path / "tok.json")
    bpe.save(SMALL, vocabulary)
    encoded = run("encode", vocabulary, input=text.encode())
    lines = text.split("\n")
    assert encoded.decode().split("\n") == [
        " ".join(map(str, SMALL.encode(line))) for line in lines]
    assert run("decode", vocabulary, write(tmp_path / "ids", encoded)) == text.encode()
    shown = run("show", vocabulary, input=text.encode()).decode()
    assert shown == "\n".join([bpe.shown(SMALL, line) for line in lines])


def test_special_tokens_are_allowed_by_an_option(tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    args = ["encode", str(tmp_path / "tok.json"), "--allow-special"]
    assert run(*args, input=b"ab<|end|>\n") == b"%d 300\n" % AB


def default_ctrl_c():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_filters_answer_line_by_line_and_end_at_ctrl_c(tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    process = start("bpe", "encode", tmp_path / "tok.json", preexec_fn=default_ctrl_c)
    for line in ("the cat", "", "猫"):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        assert process.stdout.readline().split() == list(map(str, SMALL.encode(line)))
    process.send_signal(signal.SIGINT)
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 130


FILES = {"binary": b"abc\xff\n", "text": "ab ab\n", "ids": "97\n98 400\n", "special": "<|end|>",
         "bytes.tiktoken": tiktoken_lines(BYTES)}


@pytest.mark.parametrize("args, message", [
    ("train none -o x.json", "none"),
    ("train text -o x.tiktoken", ".json"),
    ("train text -o none/x.json", "none/x.json"),
    ("train text binary -o x.json", "binary: 'utf-8' codec can't decode byte 0xff"),
    ("train text -o x.json --vocab-size 255", "255 tokens"),
    ("train text -o x.json --pattern (?:a", "'(?:a' is no regular expression: missing )"),
    ("train text -o x.json --pattern a$", "$ in a pattern"),
    ("encode", "name a vocabulary"),
    ("encode text", "text cannot be used here"),
    ("encode bytes.tiktoken text", "--pattern"),
    ("encode tok.json special", "the special token '<|end|>' is not allowed"),
    ("decode tok.json text", "'ab'"),
    ("decode tok.json ids", "400"),
])
def test_wrong_input_gets_one_line(args, message, tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    for name, text in FILES.items():
        write(tmp_path / name, text)
    error = run(*args.split(), code=2, cwd=tmp_path).decode()
    last = error.strip().split("\n")[-1]
    assert last.startswith("bpe.py: error: ")
    assert message in last
    assert not list(tmp_path.glob("x.*"))
