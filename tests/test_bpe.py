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

exercise = pytest.mark.exercise  # @exercise("6.1"): the test is about exercise 6.1
BYTES = {bytes([i]): i for i in range(256)}  # the vocabulary before anything is learned
# Llama 3's pattern and GPT-4o's, as they stand in the tokenizer.json of such models. GPT-4o's first
# two lines are for words such as Cafe and cafe, the next two for words such as CAFE; and letters
# without case (Lm, Lo) and accents (M) can stand in both. The fifth line is for all the rest.
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def ranks_with(*tokens):
    """Return a vocabulary {token: id}: the bytes, and these tokens with the ids 256, 257, ..."""
    return {**BYTES, **{token: 256 + i for i, token in enumerate(tokens)}}


# The tokens with the ids 256 to 275, with | between them. 276 is the first half of 🙂, which is
# f0 9f 99 82 in UTF-8. Merges lead to é from its two bytes. No merges lead to 猫, which has three
# bytes: no two of them are a token. The special tokens have ids that leave a gap, 277 to 299.
WORDS = "he|at| t| c|th|the| the| cat|ha|  |ab|abc|'s|é|猫|12|123|\r\n|_y|y'"
SMALL = Tokenizer(ranks_with(*WORDS.encode().split(b"|"), b"\xf0\x9f"),
                  special_tokens={"<|end|>": 300, "<|end|>!": 301})


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(bpe).failed == 0


# --- learning ---

@exercise("6.1")
@pytest.mark.parametrize("tokens, pair, merged", [
    ("a b c a b", "a b", "ab c ab"),
    ("a a b", "a b", "a ab"),
    ("b a", "a b", "b a"),
    ("xa b a", "a b", "xa b a"),  # xa is another token than a
    ("a a a a a", "a a", "aa aa a"),
    ("ab c c", "ab c", "abc c"),
    ("", "a b", ""),
])
def test_merge_joins_each_occurrence_from_left_to_right_in_a_new_list(tokens, pair, merged):
    tokens = tokens.encode().split()
    given = list(tokens)
    left, right = pair.encode().split()
    assert bpe.merge(tokens, (left, right)) == merged.encode().split()
    assert tokens == given  # the list that merge was given is still the same


def pairs_of(text):
    """Return a list of pairs of tokens: "a.b ab.c" gives [(b"a", b"b"), (b"ab", b"c")]."""
    return [tuple(pair.encode().split(b".")) for pair in text.split()]


# pieces, how many merges at most, and the pairs that are merged, in order
BY_HAND = [
    # https://en.wikipedia.org/wiki/Byte_pair_encoding: aaabdaaabac, with Z = aa, Y = ab, X = ZY
    (["aaabdaaabac"], 3, "a.a a.b aa.ab"),
    (["cd", "ab"], 9, "a.b c.d"),  # (d, a) is in no piece; after two merges no pair is left
    (["bc", "ad", "ac"], 3, "a.c a.d b.c"),  # equally frequent: the smallest first
    (["ab", "ab", "cd", "cd", "cd"], 1, "c.d"),  # more frequent than (a, b)
    # (b, c) occurs 4 times. Then (a, bc) and (bc, d) occur twice; (c, a) and (a, b) once, in cab.
    (["abc", "abc", "bcd", "bcd", "cab"], 5, "b.c a.bc bc.d a.b c.ab"),
    (["ab"], 0, ""),
    ([], 5, ""),
]


@exercise("6.2")
@pytest.mark.parametrize("pieces, n_merges, pairs", BY_HAND)
def test_learn_slowly_gives_the_pairs_worked_out_by_hand_and_keeps_the_list_of_pieces(
        pieces, n_merges, pairs):
    given = list(pieces)
    assert bpe.learn_slowly(pieces, n_merges) == pairs_of(pairs)
    assert pieces == given  # the list that learn_slowly was given is still the same


@pytest.mark.parametrize("seed", range(60))
def test_learn_gives_the_same_pairs_as_learn_slowly_for_random_texts(seed):
    rng = random.Random(seed)
    # A text of up to 399 characters from one of these. What stands twice in it (a in "aab \n", the
    # blank in "abcdefgh  ") is chosen twice as often.
    alphabet = rng.choice(["ab", "abc", "aab \n", "abcdefgh  ", "a", "aé🙂"])
    text = "".join(rng.choices(alphabet, k=rng.randrange(400)))
    # the whole text as one piece, its words, and the pieces of GPT-4's pattern
    for pieces in ([text], text.split(), bpe.pieces_of(text, GPT4_PATTERN)):
        pairs = bpe.learn_slowly(pieces, n_merges=100)
        assert bpe.learn(pieces, n_merges=100) == pairs
        # If a token were made twice, it would stand only once in the dict of ranks_of().
        assert len(bpe.ranks_of(pairs)) == 256 + len(pairs)


@exercise("6.7")
@pytest.mark.parametrize("tokens, pair", [
    ("x a b y", "a.b"), ("a b", "a.b"), ("a b a b a b", "a.b"), ("a a a a a", "a.a"),
    ("x y", "a.b"), ("a b b a b", "a.b"), ("a b a", "a.b"), ("y b a", "a.b"),
])
def test_merge_and_count_merges_corrects_the_counts_and_returns_the_new_pairs(tokens, pair):
    tokens = tokens.encode().split()
    left, right = pair.encode().split(b".")
    merged = bpe.merge(tokens, (left, right))
    times = 3  # the piece with these tokens occurs 3 times in the text, so each pair counts 3
    counts = Counter([*pairwise(tokens)] * times)
    new_pairs = bpe.merge_and_count(tokens, (left, right), times, counts)
    assert tokens == merged
    # Counted anew in the merged tokens, the pairs have the same counts. + leaves out counts of 0,
    # but negative ones too: the assert on min looks for those.
    counted_anew = Counter([*pairwise(merged)] * times)
    assert +counts == counted_anew
    assert min(counts.values(), default=0) >= 0
    # No pair with the new token is missing. There may be more, such as (ab, a) in a b a b, which
    # becomes ab a b, and then ab ab.
    assert new_pairs >= {found for found in counted_anew if left + right in found}


@exercise("6.3")
def test_ranks_of_gives_ids_to_the_bytes_and_then_to_the_tokens_in_the_order_of_learning():
    assert bpe.ranks_of(pairs_of("a.a b.a aa.ba")) == ranks_with(b"aa", b"ba", b"aaba")
    assert bpe.ranks_of([]) == BYTES


# --- encoding a piece ---

# a piece, the tokens besides the bytes (the first one has the lowest rank), and the result
LOWEST_FIRST = [
    ("slower", "er lo low", "s low er"),  # as in section 3
    ("abc", "bc ab", "a bc"),
    ("abc", "ab bc", "ab c"),
    ("aaab", "aa aab", "aa a b"),  # the leftmost aa is merged, so there is none before b for aab
    ("aaaaa", "aa aaa", "aa aaa"),  # first aa a a a, then aa aa a: aa has a lower rank than aaa
    ("aaaaaa", "aaa aa", "aaa aaa"),  # first aa a a a a: now aaa can be made, and has a lower rank
    ("abcd", "bc abc abcd", "abcd"),  # a bc d, then abc d
    ("abc", "abc", "a b c"),  # ab and bc are no tokens, so nothing can be merged
    ("a", "aa", "a"),
    ("", "aa", ""),
]


@exercise("6.4")
@pytest.mark.parametrize("piece, tokens, merged", LOWEST_FIRST)
def test_merge_piece_slowly_merges_the_lowest_rank_first(piece, tokens, merged):
    ranks = ranks_with(*tokens.encode().split())
    assert bpe.merge_piece_slowly(piece.encode(), ranks) == merged.encode().split()


@exercise("6.8")
@pytest.mark.parametrize("piece, tokens, merged", LOWEST_FIRST)
def test_merge_piece_with_a_heap_merges_the_lowest_rank_first(piece, tokens, merged):
    ranks = ranks_with(*tokens.encode().split())
    assert bpe.merge_piece(piece.encode(), ranks) == merged.encode().split()


@exercise("6.8")
def test_merge_piece_is_fast_enough_for_a_piece_of_100_000_bytes():
    # merge_piece_slowly would need about 20 minutes. In a handout, a test fails after 10 seconds.
    ranks = ranks_with(b"ab", b"abab", b"ba")  # ba is never made, because ab has a lower rank
    assert bpe.merge_piece(b"ab" * 50_000, ranks) == [b"abab"] * 25_000


@pytest.mark.parametrize("seed", range(40))
def test_merge_piece_gives_the_same_tokens_as_merge_piece_slowly_for_random_pieces(seed):
    rng = random.Random(seed)
    alphabet = rng.choice([b"ab", b"abc", b"aab", b"abcdefghij"])
    # A random vocabulary: 100 tokens of 2 to 5 bytes. To some of them no merges lead.
    words = [bytes(rng.choices(alphabet, k=rng.randrange(2, 6))) for _ in range(100)]
    ranks = ranks_with(*dict.fromkeys(words))  # each word once
    for n in (1, 2, 3, 5, 8, 50) * 10:  # ten random pieces of each of these lengths
        piece = bytes(rng.choices(alphabet, k=n))
        assert bpe.merge_piece(piece, ranks) == bpe.merge_piece_slowly(piece, ranks)


def test_a_piece_that_is_a_token_gets_its_id_even_if_no_merges_lead_to_it():
    ranks = ranks_with(b"hello")  # he, el, ll and lo are no tokens
    assert bpe.ids_of("hello", ranks) == [256]
    assert bpe.ids_of("hellos", ranks) == list(b"hellos")  # the ids of the six bytes


# --- splitting ---

# What the package regex finds, if pattern is each of these three in turn:
# import regex  # 2026.11
# print(repr("|".join(regex.findall(pattern, "I'm at 12345'S CAFE!!\n\n  x_y  "))))
@pytest.mark.parametrize("pattern, pieces", [
    (GPT2_PATTERN, "I|'m| at| 12345|'|S| CAFE|!!|\n\n | x|_|y|  "),
    (GPT4_PATTERN, "I|'m| at| |123|45|'S| CAFE|!!\n\n| | x|_y|  "),
    (GPT4O, "I'm| at| |123|45|'S| CAFE|!!\n\n| | x|_y|  "),
])
def test_pieces_are_those_that_the_package_regex_finds(pattern, pieces):
    assert bpe.pieces_of("I'm at 12345'S CAFE!!\n\n  x_y  ", pattern) == pieces.split("|")


# What the package regex finds in each text:
# import regex  # 2026.11
# from bpe import GPT4_PATTERN
# print(repr("|".join(regex.findall(GPT4_PATTERN, text))))
@pytest.mark.parametrize("text, pieces", [
    ("a\n  ", "a|\n  "),  # blanks at the end are one piece, also after the end of a line
    ("a\n  b", "a|\n| | b"),  # the last blank before a word belongs to the word
    ("a \n\n  \nb", "a| \n\n  \n|b"),  # blank lines are one piece
    ("'ſx'll'LL'x", "'ſ|x|'ll|'LL|'x"),  # where case is ignored, the long s counts as s
    ("a\x1cb\x85c", "a|\x1cb|\x85c"),  # one character that is no letter goes with the word
    # Before signs, the pattern allows only " ". Python's re takes \x1c for a space, but regex for a
    # sign, so " \x1c!" is one piece. \x85 is a space for both, but it is not " ", so it stays
    # alone. (It joined the c in the row above, because any character but a letter, a numeral, \r or
    # \n may stand before letters.)
    ("\x1c \x1c!\x85!", "\x1c| \x1c!|\x85|!"),
    ("x𝒜𝟙²½٣🙂🪐", "x𝒜|𝟙²½|٣|🙂🪐"),  # letters, numerals in groups of three, and other signs
])
def test_gpt4s_pattern_cuts_unusual_texts_as_regex_does(text, pieces):
    assert bpe.pieces_of(text, GPT4_PATTERN) == pieces.split("|")


def test_gpt2s_pattern_knows_of_each_character_if_it_is_a_letter_a_numeral_or_another_sign():
    for char in map(chr, range(0x110000)):
        kind = unicodedata.category(char)
        if kind in ("Cn", "Cs", "Co"):
            continue  # 970,000 of 1,114,112: not assigned, half a character, or for private use
        # U+001C to U+001F are spaces for Python's isspace(), but other signs for the pattern
        blank = char.isspace() and not "\x1c" <= char <= "\x1f"
        # A letter makes one piece with an a before it, a numeral with a 1, and another sign with
        # a !. A blank makes one piece with none of them.
        joins = {"a": kind[0] == "L", "1": kind[0] == "N", "!": kind[0] not in "LN" and not blank}
        for first, is_one_piece in joins.items():
            pieces = bpe.pieces_of(first + char, GPT2_PATTERN)
            assert (len(pieces) == 1) == is_one_piece, f"U+{ord(char):04X} after {first}"


# Worked out by hand. In the last column, | only separates the pieces.
@pytest.mark.parametrize("text, pattern, pieces", [
    ("aB+éÉ", r"[^\p{Lu}]+|\p{L}", "a|B|+é|É"),  # in brackets: all but capital letters
    (r"[L]x\b", r"\[\p{L}\]|\p{L}|\\", r"[L]|x|\|b"),  # brackets and a backslash as characters
    ("1[b].", r"[.\[\]\p{N}]|b", "1|[|b|]|."),  # brackets as characters in brackets
    (r"ab\c]", r"\p{P}|\p{L}+", r"ab|\|c|]"),  # punctuation, and \ and ] are some of it
    ("🙂🪐b", r"\p{So}|b", "🙂|🪐|b"),  # So: other symbols
    ("a2٣b²", r"\d+|\D", "a|2٣|b|²"),  # \d: the digits of all alphabets, but ² is no digit
    ("kK\u212aa", "(?i:k)+|a", "kK\u212a|a"),  # U+212A, the sign for kelvin, counts as k, too
    ("a\nb", "\n|a|b", "a|\n|b"),  # the end of a line as a character of the pattern
    ("a\n", "a*|\n", "a||\n|"),  # a* matches "" before and behind \n: the pieces are a, "", \n, ""
])
def test_patterns_that_users_write_cut_as_they_say(text, pattern, pieces):
    assert bpe.pieces_of(text, pattern) == pieces.split("|")


# é gets a stand-in before it is matched, and its length must count, too.
@pytest.mark.parametrize("text", ["+ab", "a+b", "ab+", "+", "éb+"])
def test_a_text_of_which_the_pattern_leaves_out_a_part_raises_InputError(text):
    with pytest.raises(InputError, match="must match the whole text"):
        bpe.pieces_of(text, r"\p{L}+")  # only letters: it leaves out +


# Python's re takes none of these: six are no regular expressions, and \p stands in the others.
INVALID = r"(?:a a) [a *a a\ a{99999999999} \p \pL \p{L \p{Han} [\p{Greek}a]"
# Python's re takes all of these, with characters in place of \p{L}. So it must be bpe.py that
# refuses them. It refuses the signs that section 8 lists ([!--b], for example, means ! to - and b,
# or else ! without b), brackets within brackets, groups, and characters beyond ASCII: in the text,
# stand-ins take their place.
REFUSED = r"""a$ ^a \A a\Z \b \B \w [\w] \W [\W] a*+ a?+ a++ a{2}+ []a] [^]a] [a&&b] [a||b] [!--b]
    [a~~b] [+-\p{L}] [\n-z] [\r-z] [\t-z] \xe9 \u00e9 \U000000e9 \N{BULLET} \0 \101 \251
    \351 (?i:\p{L}) (?i)a (?m:.) (?s:.) (?x:a) (?a:a) (?u:a) (?#)a [a[b]] (a) (?P<x>a) é
    [é]"""


@pytest.mark.parametrize("pattern", f"{INVALID} {REFUSED}".split())
def test_patterns_that_pythons_re_or_section_8_refuses_raise_InputError(pattern):
    with pytest.raises(InputError):
        bpe.compiled(pattern)


def test_halves_of_characters_are_joined_or_become_replacement_characters():
    # UTF-16 writes 🙂 in two halves, d83d and de42
    assert bpe.pieces_of("\ud83d\ude42", GPT2_PATTERN) == ["🙂"]
    assert SMALL.decode(SMALL.encode("a\ud83d b\ude42")) == "a\ufffd b\ufffd"
    # 256 bytes and one token that it learns, in place of an error about the half that stands alone
    assert len(Tokenizer.train("\ud83d ab", 257).ranks) == 257


# --- the tokenizer ---

# The ids that tiktoken gives for SMALL, if pattern is each of these three in turn:
# import tiktoken  # 0.14
# encoding = tiktoken.Encoding(
#     "small", pat_str=pattern, mergeable_ranks=SMALL.ranks, special_tokens={})
# print(*encoding.encode_ordinary("They've 12345\r\n'ſ x_y 猫🙂"))
# The patterns differ at y' (275 where They've is one piece), at \r\n (273, but 13 10 for GPT-2's,
# which makes two pieces of it) and at _y (274). The long s counts as s where case is ignored, and
# gets its two bytes 197 191. 猫 is never 270: no merges lead to it, and its piece is no token,
# because it has the blank before it, too. So it stays three bytes, 231 140 171.
@pytest.mark.parametrize("pattern, ids", [
    (GPT2_PATTERN, "84 256 121 39 118 101 32 272 52 53 13 10 39 197 "
     "191 32 120 95 121 32 231 140 171 276 153 130"),
    (GPT4_PATTERN, "84 256 121 39 118 101 32 272 52 53 273 39 197 191 "
     "32 120 274 32 231 140 171 276 153 130"),
    (GPT4O, "84 256 275 118 101 32 272 52 53 273 39 197 191 32 "
     "120 274 32 231 140 171 276 153 130"),
])
def test_ids_are_those_of_tiktoken(pattern, ids):
    tokenizer = Tokenizer(SMALL.ranks, pattern)
    assert tokenizer.encode("They've 12345\r\n'ſ x_y 猫🙂") == list(map(int, ids.split()))


AB = SMALL.ranks[b"ab"]  # the id of the token ab
ABC = SMALL.ranks[b"abc"]


@exercise("6.5")
@pytest.mark.parametrize("allowed", ["all", {"<|end|>", "<|end|>!"}])
def test_special_tokens_that_are_allowed_get_their_ids_and_the_longest_comes_first(allowed):
    # <|end|> is 300, and <|end|>! is 301, not 300 and the id of !
    assert SMALL.encode("ab<|end|>abc<|end|>!", allowed) == [AB, 300, ABC, 301]
    assert SMALL.encode("ab", allowed) == [AB]


@exercise("6.5")
@pytest.mark.parametrize("text, allowed", [
    ("ab<|end|>", ()),
    ("ab<|end|>!", ["<|end|>"]),  # <|end|>! is another special token
    ("<|end|>", ["<|end|>!"]),
])
def test_encode_refuses_special_tokens_that_are_not_allowed_and_encode_ordinary_takes_them_as_text(
        text, allowed):
    with pytest.raises(InputError, match="<.end.>"):  # a dot fits any character, such as |
        SMALL.encode(text, allowed)
    assert SMALL.encode("ab", allowed) == [AB]  # without a special token there is no error
    assert max(SMALL.encode_ordinary(text)) < 300  # the special tokens have 300 and 301


@exercise("6.6")
@pytest.mark.parametrize("ids, parts", [
    (list("aé🙂".encode()), ["a", "é", "🙂"]),  # 1, 2 and 4 ids, one for each byte
    ([0xff, 97, 98], ["\ufffd", "a", "b"]),  # no character has the byte ff
    ([256, 300], ["he", "<|end|>"]),
    ([97, 0xe7, 0x8c], ["a", "\ufffd"]),  # e7 8c is the beginning of 猫
    ([0xe7, 97], ["\ufffda"]),  # a shows that the character before it will not be completed
    ([], []),
])
def test_decode_stream_gives_characters_once_they_are_complete_and_in_all_the_text_of_decode(
        ids, parts):
    assert list(SMALL.decode_stream(ids)) == parts
    assert SMALL.decode(ids) == "".join(parts)


@exercise("6.6")
def test_decode_stream_takes_no_more_ids_than_the_next_part_needs():
    ids = iter("é猫".encode())
    assert next(SMALL.decode_stream(ids)) == "é"
    assert list(ids) == list("猫".encode())  # what is left


# The last id of SMALL is 301; and as an index of a list, -1 would give the last token.
@pytest.mark.parametrize("wrong", [302, -1])
def test_decode_raises_KeyError_for_an_unknown_id(wrong):
    with pytest.raises(KeyError):
        SMALL.decode([97, wrong])


def test_decode_gives_back_random_texts_that_were_encoded():
    rng = random.Random(4)
    # all characters below U+D800, where the halves of characters begin, all above U+DFFF, where
    # they end, ASCII, and letters of mathematics, each of which has four bytes; a text has up to
    # five characters from one of these
    pools = [range(0xd800), range(0xe000, 0x110000), range(128), range(0x1d400, 0x1d500)]
    for _ in range(5_000):
        codes = rng.choices(rng.choice(pools), k=rng.randrange(6))
        text = "".join(map(chr, codes))
        assert SMALL.decode(SMALL.encode(text)) == text


def test_a_normal_form_is_applied_to_text_and_not_to_special_tokens():
    tokenizer = Tokenizer(SMALL.ranks, GPT4_PATTERN, {"e\u0301!": 300}, "NFC")
    # In the text, e with an accent becomes é. With ! after it, it is the special token 300.
    assert tokenizer.encode("e\u0301 e\u0301!", "all") == [*SMALL.encode("é "), 300]


def test_train_gives_ids_to_the_bytes_then_to_learned_tokens_and_then_to_special_tokens():
    # 260 - 256 bytes - 2 special tokens leave 2 tokens to learn, ab (256) and then " ab" (257)
    tokenizer = Tokenizer.train("ab ab ab", 260, GPT2_PATTERN, ["<b>", "<c>"])
    assert tokenizer.ranks == ranks_with(b"ab", b" ab")
    assert tokenizer.special_tokens == {"<b>": 258, "<c>": 259}
    assert tokenizer.pattern == GPT2_PATTERN
    # after the same two tokens no pair is left, so there are fewer than 500
    assert len(Tokenizer.train("ab ab", 500).ranks) == 258
    assert Tokenizer.train("ab", 256).ranks == BYTES  # enough for the bytes, with nothing learned
    with pytest.raises(InputError):
        # 256 are too few, because 256 bytes and a special token are 257
        Tokenizer.train("ab", 256, special_tokens=["<b>"])


# --- files ---

def write(path, text):
    """Write bytes or a string to a file, and return its path as a string."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def tiktoken_lines(ranks):
    """Return the content of a .tiktoken file: in each line a token in base64, and its id."""
    lines = [f"{base64.b64encode(token).decode()} {i}\n" for token, i in ranks.items()]
    return "".join(lines)


def test_a_tiktoken_file_is_read_if_a_pattern_is_given_and_refused_without_one(tmp_path):
    path = write(tmp_path / "a.tiktoken", tiktoken_lines(SMALL.ranks))
    with pytest.raises(InputError, match="--pattern"):
        bpe.load(path)
    tokenizer = bpe.load(path, GPT2_PATTERN)
    assert tokenizer.ranks == SMALL.ranks
    assert tokenizer.pattern == GPT2_PATTERN


@pytest.mark.parametrize("form", [None, "NFC"])
def test_load_gives_back_what_save_wrote_and_can_replace_the_pattern(form, tmp_path):
    ranks = ranks_with(b"ab", b"xyz")  # no merges lead to xyz
    # The next ids would be 258 and 259, but others are allowed. JSON must escape " and \.
    tokenizer = Tokenizer(ranks, GPT4O, {"<|b|>": 1000, '"\\': 700}, form)
    path = tmp_path / "tok.json"
    bpe.save(tokenizer, path)
    back = bpe.load(path)
    assert back.ranks == tokenizer.ranks
    assert back.special_tokens == tokenizer.special_tokens
    assert back.pattern == GPT4O
    assert back.normal_form == form
    assert bpe.load(path, GPT2_PATTERN).pattern == GPT2_PATTERN


def test_save_writes_the_names_and_merges_that_other_libraries_read(tmp_path):
    # From such files, the library tokenizers 0.23 gave the same ids as bpe.py for 20,000 random
    # texts. In the names of tokens, Ġ is a blank, and Ã and © are the two bytes of é. Two tokens
    # make aba in only one way, ab and a, because ba is no token. No two tokens make xyz.
    ranks = ranks_with(b"ab", b" ab", "é".encode(), b"xyz", b"aba")
    bpe.save(Tokenizer(ranks, GPT4_PATTERN, {"<x>": 300}), tmp_path / "tok.json")
    root = json.loads((tmp_path / "tok.json").read_text("utf-8"))
    # [0]: the only special token. "normalized": false means that no normal form is applied to it.
    assert root["added_tokens"][0]["normalized"] is False
    model = root["model"]
    assert model["merges"] == [["a", "b"], ["Ġ", "ab"], ["Ã", "©"], ["ab", "a"]]
    assert model["vocab"]["Ġab"] == 257
    assert model["vocab"]["<x>"] == 300


def gpt2_like_json(pre_tokenizer, merges='["Ġ t", "h e"]'):
    """Return the text of a tokenizer.json as others write it, with few tokens and GPT-2's ids.

    The 188 bytes that can be printed come first: ! is 0, " is 1, and a is 64. The other 68 bytes
    follow, with names from U+0100 to U+0143: byte 0 is 188, so a blank, byte 32, is 220. Then come
    Ġt (256), he (257) and <s> (258). This post_processor has no effect on ids, so its setting
    add_prefix_space is no reason to refuse the file.
    """
    printable = [i for i in range(33, 256) if chr(i).isprintable()]
    names = list(map(chr, [*printable, *range(0x100, 0x144)]))
    vocab = {name: i for i, name in enumerate([*names, "Ġt", "he", "<s>"])}
    return """{"version": "1.0", "normalizer": null, "pre_tokenizer": %s,
        "added_tokens": [{"id": 258, "special": true, "content": "<s>", "normalized": true,
            "single_word": false, "lstrip": false, "rstrip": false}],
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true},
        "model": {"dropout": null, "byte_fallback": false, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "type": "BPE", "merges": %s, "vocab": %s}}
        """ % (pre_tokenizer, merges, json.dumps(vocab))


def pre_tokenizer_with(pattern):
    """Return a pre_tokenizer of two steps, the first of which cuts a text by this pattern."""
    return """{"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": %s}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
        ]}""" % json.dumps(pattern)


def test_a_tokenizer_json_like_gpt2s_is_read(tmp_path):
    # one step, which cuts by GPT-2's pattern without naming it: use_regex is true if it is missing
    byte_level = '{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}'
    tokenizer = bpe.load(write(tmp_path / "a", gpt2_like_json(byte_level)))
    assert tokenizer.pattern == GPT2_PATTERN
    assert tokenizer.special_tokens == {"<s>": 258}
    # !, Ġt, he, a blank, a and <s>
    assert tokenizer.encode("! the a<s>", "all") == [0, 256, 257, 220, 64, 258]
    assert tokenizer.decode([220, 64, 198]) == " a\n"  # \n is byte 10: 188 + 10


# Qwen's pattern is Llama 3's, but each digit is a piece.
@pytest.mark.parametrize("pattern", [LLAMA3, LLAMA3.replace("{1,3}", ""), GPT4O])
def test_a_tokenizer_json_like_llama3s_qwens_or_gpt4os_is_read(pattern, tmp_path):
    # merges as lists of two, as newer files have them, and a normal form, as Qwen's file has it
    text = gpt2_like_json(pre_tokenizer_with(pattern), merges='[["Ġ", "t"], ["h", "e"]]')
    text = text.replace('"normalizer": null', '"normalizer": {"type": "NFC"}')
    tokenizer = bpe.load(write(tmp_path / "a", text))
    assert tokenizer.pattern == pattern
    assert tokenizer.encode("<s> the", "all") == [258, 256, 257]  # <s>, Ġt and he
    assert tokenizer.encode("e\u0301") == tokenizer.encode("é")


# In a file that can be read, old is replaced by new. Then the message must be in the error.
# (Unigram, Lowercase, Metaspace and Removed are other things that such files can ask for.)
@pytest.mark.parametrize("message, old, new", [
    ("the model is Unigram, not BPE", '"BPE", "merges"', '"Unigram", "scores"'),
    ("the setting dropout is on", '"dropout": null', '"dropout": 0.1'),
    ("the setting byte_fallback is on", '"byte_fallback": false', '"byte_fallback": true'),
    ("the setting continuing_subword_prefix is on", '_prefix": ""', '_prefix": "##"'),
    ("the setting end_of_word_suffix is on", '_suffix": ""', '_suffix": "</w>"'),
    ("the merges are not in the order of the ids", '["Ġ t", "h e"]', '["h e", "Ġ t"]'),
    ("no merges make the token 'he'", '["Ġ t", "h e"]', '["Ġ t"]'),
    ("the normalizer is Lowercase", '"normalizer": null', '"normalizer": {"type": "Lowercase"}'),
    ("the pre_tokenizer is", "ByteLevel", "Metaspace"),
    ("the setting add_prefix_space is on", '_space": false', '_space": true'),
    ("the pre_tokenizer is", '"use_regex": false', '"use_regex": true'),
    ("the pre_tokenizer is", "Isolated", "Removed"),
    ("the setting invert is on", '"invert": false', '"invert": true'),
    ("Regex", '"Regex"', '"String"'),  # then there is no regular expression
    ("$ in a pattern", '"Regex": "', '"Regex": "$'),
    ("the setting lstrip is on", '"lstrip": false', '"lstrip": true'),
    ("the setting rstrip is on", '"rstrip": false', '"rstrip": true'),
    ("the setting single_word is on", '"single_word": false', '"single_word": true'),
    ("the setting truncation is on", '{"version"', '{"truncation": {"max_length": 5}, "version"'),
    ("a byte has no id", '"a": 64,', ""),  # 64 is the id of a, and 65 that of b
    ("64.5 is no id", '"a": 64,', '"a": 64.5,'),
    ("-64 is no id", '"a": 64,', '"a": -64,'),
    ("two tokens have the same id", '"a": 64,', '"a": 65,'),
])
def test_a_file_that_is_damaged_or_would_change_ids_is_refused_with_a_reason(
        message, old, new, tmp_path):
    text = gpt2_like_json(pre_tokenizer_with(LLAMA3))
    assert old in text
    path = write(tmp_path / "tok", text.replace(old, new))
    with pytest.raises(InputError) as caught:
        bpe.load(path)
    assert message in str(caught.value)


# --- the script ---

def run(*args, code=0, **options):
    """Run bpe.py, which must end with the exit status code and without a traceback.

    Return what it prints, as bytes: standard output or, if code is not 0, standard error.
    """
    done = subprocess.run([sys.executable, bpe.__file__, *args], capture_output=True,
                          timeout=100, **options)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stderr if code else done.stdout


def test_the_run_without_a_command_shows_what_section_6_says():
    out = run().decode()
    rows = out.split("\n")[1:5]  # one for each language, below the heading
    per_character = [float(row.split()[1]) for row in rows]  # the second column of each row
    # English is cheapest, then come German, Turkish and Hindi
    assert per_character == sorted(per_character)
    # about 0.4 and 2.6 in section 6; they change a little when the lessons change
    assert per_character[0] < 0.6
    assert per_character[3] > 2.5
    # the trap of a blank at the end, and the emoji of four tokens, as in section 6
    assert "the· same· token· \n" in out
    assert out.endswith("\\xf0·\\x9f·\\x99·\\x82\n")


def test_the_run_prints_the_same_with_other_hashes_and_in_a_terminal_without_unicode():
    # With other hashes, sets are gone through in another order. ASCII has no dot · and no 🙂.
    changed = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "ascii"}
    assert run(env=changed) == run(env={**os.environ, "PYTHONHASHSEED": "2"})


def test_the_command_train_saves_what_Tokenizer_train_learns_from_all_files(tmp_path, capsys):
    first = write(tmp_path / "a", "the cat\r\n\r\n")
    second = write(tmp_path / "b", "the hat")
    out = str(tmp_path / "tok.json")
    # 261 are the 256 bytes and 5 merges. The first three make at, he and the, because their pairs
    # occur twice, once in each file. All other pairs occur once, so the smallest comes first: \n
    # with \r, and then \r with \n\r. (The pattern cuts \r\n\r\n into \r\n\r and \n.) If \r got
    # lost, there would be no such tokens.
    bpe.main(["train", first, second, "-o", out, "--vocab-size", "261", "--pattern", "gpt2"])
    assert capsys.readouterr() == (f"{out}: 261 tokens\n", "")
    expected = Tokenizer.train("the cat\r\n\r\nthe hat", 261, GPT2_PATTERN)
    assert bpe.load(out).ranks == expected.ranks
    assert bpe.load(out).pattern == GPT2_PATTERN
    bpe.main(["train", first, "-o", out])
    assert bpe.load(out).pattern == GPT4_PATTERN  # without --pattern


# To some functions, such as splitlines(), a line also ends at \x0b, \x0c, \x1c and \u2028, but here
# only at \n.
MIXED = "The cats' hat: 12345.\n    Über 猫 🙂\x0b\x0c\x1c\u2028b\r\n\n  "


@pytest.mark.parametrize("text", [MIXED, "a", "a\n\n", ""])
def test_encode_and_show_print_a_line_for_each_line_and_decode_gives_the_text_back(text, tmp_path):
    vocabulary = str(tmp_path / "tok.json")
    bpe.save(SMALL, vocabulary)
    encoded = run("encode", vocabulary, input=text.encode())
    lines = text.split("\n")
    assert encoded.decode().split("\n") == [
        " ".join(map(str, SMALL.encode(line))) for line in lines]
    assert run("decode", vocabulary, write(tmp_path / "ids", encoded)) == text.encode()
    shown = run("show", vocabulary, input=text.encode()).decode()
    assert shown == "\n".join([bpe.shown(SMALL, line) for line in lines])


def test_the_option_allow_special_allows_special_tokens(tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    args = ["encode", str(tmp_path / "tok.json"), "--allow-special"]  # 300 is <|end|>
    assert run(*args, input=b"ab<|end|>\n") == b"%d 300\n" % AB


def default_ctrl_c():
    """Let Ctrl-C interrupt the process, even if the tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_encode_answers_each_line_at_once_and_ends_at_ctrl_c(tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    process = start("bpe", "encode", tmp_path / "tok.json", preexec_fn=default_ctrl_c)
    for line in ("the cat", "", "猫"):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        # if the answer came only at the end of the input, this line would wait for ever
        assert process.stdout.readline().split() == list(map(str, SMALL.encode(line)))
    process.send_signal(signal.SIGINT)  # as Ctrl-C does
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 130  # as usual after Ctrl-C: 128 + 2, the number of SIGINT


# {name: content}. There is no file "none". \xff occurs in no UTF-8, and 400 is no id of SMALL.
FILES = {"binary": b"abc\xff\n", "a.txt": "ab ab\n", "ids": "97\n98 400\n", "special": "<|end|>",
         "bytes.tiktoken": tiktoken_lines(BYTES)}


@pytest.mark.parametrize("args, message", [
    ("train none -o x.json", "none"),
    ("train a.txt -o x.tiktoken", ".json"),  # train writes only .json
    ("train a.txt -o none/x.json", "none/x.json"),
    ("train a.txt binary -o x.json", "binary: 'utf-8' codec can't decode byte 0xff"),
    ("train a.txt -o x.json --vocab-size 255", "255 tokens"),
    ("train a.txt -o x.json --pattern (?:a", "'(?:a' cannot be used here: missing )"),
    ("train a.txt -o x.json --pattern a$", "$ in a pattern"),
    ("encode", "name a vocabulary"),
    ("encode a.txt", "a.txt cannot be used here"),  # a text where the vocabulary should stand
    ("encode bytes.tiktoken a.txt", "it has no pattern: add --pattern"),
    ("encode tok.json special", "the special token '<|end|>' is not allowed"),
    ("decode tok.json a.txt", "'ab'"),  # a text where ids should stand
    ("decode tok.json ids", "no id of this vocabulary: 400"),
])
def test_wrong_input_gets_one_line_that_names_it_and_no_file_is_written(args, message, tmp_path):
    bpe.save(SMALL, tmp_path / "tok.json")
    for name, text in FILES.items():
        write(tmp_path / name, text)
    error = run(*args.split(), code=2, cwd=tmp_path).decode()
    [line] = error.splitlines()
    assert line.startswith("bpe.py: error: ")
    assert message in line
    assert not list(tmp_path.glob("x.*"))  # x.json and x.tiktoken
