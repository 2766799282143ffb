"""What a model reads instead of letters: a byte-level BPE tokenizer that trains and encodes.

The lessons before gave each character a number. Real models have tens of thousands of tokens, most
of them words or parts of words, so that a page is fewer steps for them; and yet any text at all can
be written with them, as the first 256 tokens are the bytes. Which other tokens there are is learned
by byte pair encoding (BPE): the pair of neighbours that is most frequent becomes a token, and so
on. What is learned here can be used by the libraries tokenizers and tiktoken, and this file reads
the vocabularies of GPT-2, GPT-4, Llama 3, Qwen and others.

    python bpe.py                                     train on this project's files, show what
                                                      tokens do; a second
    python bpe.py train FILE... -o tok.json           learn a vocabulary (or -o tok.tiktoken)
    python bpe.py encode tok.json FILE                text to ids, line by line
    python bpe.py decode tok.json FILE                ids to text, line by line
    python bpe.py show tok.json FILE                  the text, with its tokens in colour
    python bpe.py train --help                        every option of train, and its default

encode, decode and show read standard input where no FILE is named.

Papers: Gage 1994, "A New Algorithm for Data Compression"; Sennrich et al. 2016, "Neural Machine
Translation of Rare Words with Subword Units"; Radford et al. 2019, "Language Models are
Unsupervised Multitask Learners" (GPT-2, which begins with bytes).
"""
import argparse
import base64
import codecs
import glob
import heapq
import itertools
import json
import math
import os
import re
import shutil
import sys
import textwrap
import time
import unicodedata
import warnings
from collections import Counter, defaultdict
from functools import lru_cache
from operator import itemgetter

# %% 1. Text is bytes
# What should a model's alphabet be? Unicode has a number, a code point, for each of some 150,000
# characters: too many rows in a table of embeddings, most of them for characters that the training
# text never shows. UTF-8 writes each code point as one to four bytes, and there are only 256 of
# those: a small alphabet, in which nothing is ever unknown. But then a text is long, and a model
# that reads it has to spell. So the bytes are only where it begins: pairs that are frequent are
# merged into new tokens.


def code_point_and_bytes(char):
    """A character as Unicode numbers it and as UTF-8 writes it, such as "U+00E9" and "c3 a9"."""
    return f"U+{ord(char):04X}", char.encode().hex(" ")


# %% 2. Merging, one pair at a time
# Which tokens should there be? Begin with the bytes, find the pair of neighbours that occurs most
# often, give it an id of its own, the next that is free, replace it everywhere, and do it again. In
# aaabdaaabac that makes Z = aa, then Y = ab, then X = ZY: five tokens, XdXac, in place of eleven.
# (Pairs may overlap when they are counted: aaa holds aa twice, though only one can be merged.)


# exercise 6.1: merging a pair
def merge(ids, pair, new_id):
    """A new list: ids with new_id in place of each `pair`, from left to right. Gage 1994."""
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i:i + 2]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


# exercise 6.2: learning a vocabulary
def learn_slowly(pieces, n_merges):
    """The pairs to merge, in order: the first makes the token 256, the next 257, and so on.

    Sennrich et al. 2016, algorithm 1, but on bytes.
    pieces: a list of bytes objects; no pair reaches from one into the next. Of pairs equally
    frequent the smallest is taken, by their ids. When no pair is left, there are fewer than
    n_merges.
    """
    pieces, pairs = [list(piece) for piece in pieces], []
    for new_id in range(256, 256 + n_merges):
        counts = Counter(pair for ids in pieces for pair in itertools.pairwise(ids))
        if not counts:
            break
        pairs.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        pieces = [merge(ids, pairs[-1], new_id) for ids in pieces]
    return pairs


# exercise 6.3: from merges to tokens
def ranks_of(pairs):
    """The vocabulary that these merges of ids make: {token, as bytes: its id}.

    The single bytes have the ids 0 to 255, the first pair makes 256, and so on. An id is also a
    rank: the lower, the earlier is the pair merged that makes the token.
    """
    tokens = [bytes([i]) for i in range(256)]
    for left, right in pairs:
        tokens.append(tokens[left] + tokens[right])
    return {token: i for i, token in enumerate(tokens)}


# %% 3. The same, fast
# learn_slowly looks at the whole text again for each merge: it takes 21 s for 256 merges over these
# six lessons. Most words of a text have been seen before, so let each distinct piece be there once,
# with a count: 2.3 s (88,000 pieces are 5,100 distinct ones). A merge changes only the pieces that
# hold its pair, and in those only the pairs beside it, so keep the counts and correct them: 0.13 s.
# And the most frequent pair need not be searched for if a heap has it on top: 0.03 s, and the more
# merges, the more that saves. A count that has changed is not looked up in the heap; it is found to
# be out of date when it comes up, and put back as it is now.


def next_pair(heap, counts):
    """Take off the heap the pair that is most frequent, of several the smallest; None if empty."""
    while heap:
        n, pair = heapq.heappop(heap)
        if -n == counts[pair]:
            return pair
        if counts[pair]:
            heapq.heappush(heap, (-counts[pair], pair))
    return None


# exercise 6.7: learning, fast
def learn(piece_counts):
    """Yields what learn_slowly finds, for as long as there are pairs: (pair, how often it occurs).

    The counts of pairs are corrected after each merge, not taken again.
    piece_counts: {piece, as bytes: how often it occurs}.
    """
    pieces, repeats = [list(piece) for piece in piece_counts], list(piece_counts.values())
    # Of each pair: how often it occurs, and in which pieces (or did: some may hold it no more).
    counts, where = Counter(), defaultdict(set)
    for p, ids in enumerate(pieces):
        for pair in itertools.pairwise(ids):
            counts[pair] += repeats[p]
            where[pair].add(p)
    heap = [(-n, pair) for pair, n in counts.items()]  # smallest first, so the count is negative
    heapq.heapify(heap)
    for new_id in itertools.count(256):
        pair = next_pair(heap, counts)
        if pair is None:
            return
        yield pair, counts[pair]
        (a, b), made = pair, defaultdict(set)
        for p in where.pop(pair):
            ids, n, i = pieces[p], repeats[p], 0
            while i < len(ids) - 1:
                if ids[i] == a and ids[i + 1] == b:
                    ids[i:i + 2] = [new_id]
                    if i > 0:  # to its left, (left, a) has become (left, new_id)
                        left = ids[i - 1]
                        counts[left, a] -= n
                        counts[left, new_id] += n
                        made[left, new_id].add(p)
                    if i < len(ids) - 1:  # and to its right, (b, right) has become (new_id, right)
                        right = ids[i + 1]
                        counts[b, right] -= n
                        counts[new_id, right] += n
                        made[new_id, right].add(p)
                i += 1
        del counts[pair]
        where.update(made)
        for new_pair in made:
            if counts[new_pair]:  # it may be gone again, where `pair` came twice in a row
                heapq.heappush(heap, (-counts[new_pair], new_pair))


# %% 4. Splitting
# In which pieces is a text cut before anything is merged? Uncut, "dog." and "dog!" and "dog?" would
# become tokens, and whole phrases that are frequent. So a regular expression first cuts the text
# into words, each with the blank before it, numbers, punctuation and blanks; no token reaches from
# one piece into another. These are the expressions of GPT-2, GPT-4 and GPT-4o, as OpenAI publishes
# them: \p{L} is any letter of any alphabet, \p{N} any numeral, and ++ takes all it can and gives
# nothing back. GPT-4's cuts numbers into threes, and lets a sign such as ( or _ begin a word.

GPT2_PATTERN = (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$"
                r"|\s+(?!\S)|\s")
GPT4_PATTERN = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
                r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
O200K_PATTERN = "|".join((
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"))
PATTERNS = {"gpt2": GPT2_PATTERN, "gpt4": GPT4_PATTERN, "o200k": O200K_PATTERN}

# Up to which code point a pattern is translated: ASCII; the first 65,536 and emoji; all of Unicode.
ASCII, COMMON, ALL = 0x80, 0x1FB00, 0x110000
RARE = re.compile("[\U00010000-\U0001EFFF\U0001FB00-\U0010FFFF]")  # in ALL alone


def pieces_of(text, pattern):
    """An iterator over the pieces into which the pattern cuts the text."""
    limit = ASCII if text.isascii() else ALL if RARE.search(text) else COMMON
    return map(itemgetter(0), compiled(pattern, limit).finditer(text))


def check_text(text):
    """Raises ValueError for a lone surrogate: half of a pair of UTF-16's, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"character {error.start} is {text[error.start]!a}, a lone surrogate: "
                         f"half of a pair of UTF-16 and no character, so UTF-8 has no bytes for "
                         f"it") from None


def count_pieces(texts, pattern, report=None):
    """{piece, as bytes: how often it occurs in the texts}, a string or an iterable of strings.

    report, if given, is called every so often with the number of characters that have been read.
    Raises ValueError for a lone surrogate.
    """
    counts, done = Counter(), 0
    for text in [texts] if isinstance(texts, str) else texts:
        check_text(text)
        pieces = pieces_of(text, pattern)
        while some := list(itertools.islice(pieces, 100_000)):  # all of them would take much memory
            counts.update(some)
            done += sum(map(len, some))
            if report:
                report(done)
    return {piece.encode(): n for piece, n in counts.items()}


# Python's re does not know \p{L}, and its \s takes four control characters for blanks that Unicode
# does not; so the rest of this section, which is about nothing else, translates the patterns. A
# \p{L} becomes ranges of characters, by their categories in unicodedata. Before Python 3.11 re does
# not know ++ either: there (?=(...))\1 does the same, as what was found ahead is not tried again.
# And re looks up the first 65,536 characters in a table, but searches range by range above them, in
# 300 ranges, whatever the character: three times as slow. So a pattern is translated only up to
# where the characters of the text need it.

CATEGORIES = ("L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So "
              "Z Zs Zl Zp C Cc Cf Cs Co Cn").split()
atoms = itertools.count()  # numbers for the groups that stand in for ++
CLASS = r"\\(?:[sS]|[pP]\{[^}]*\})"
PART = re.compile(  # a part of a regular expression
    r"(?P<quantifier>(?:[*+?]|\{\d+(?:,\d*)?\})[+?]?)"
    r"|(?P<open>\((?:\?(?:<?[=!]|>|i?:))?)|(?P<close>\))"
    r"|(?P<set>\[(?:\\.|[^]\\])*\])"
    rf"|{CLASS}|\\.|.", re.DOTALL)


@lru_cache(maxsize=None)
def categories(limit):
    """All characters below limit in runs of one category: (first, last, "Lu" and so on)."""
    kinds, runs, start = list(map(unicodedata.category, map(chr, range(limit)))), [], 0
    kinds[9:14] = ["Cc, blank"] * 5  # tab, line feed and the like: controls, but blanks to \s
    kinds[0x85:0x86] = ["Cc, blank"] * (limit > 0x85)  # next line
    if limit == COMMON:
        kinds[0x10000:0x1F000] = ["left out"] * 0xF000  # no text has them for which this is used
    for kind, run in itertools.groupby(kinds):
        length = len(list(run))
        runs.append((start, start + length - 1, kind))
        start += length
    return runs


@lru_cache(maxsize=None)
def ranges_of(escape, limit):
    r"""What \p{L}, \P{L}, \s or \S stands for below limit, as ranges to stand in a set [...].

    Raises ValueError for a property that is no category.
    """
    name = escape[3:-1]
    if escape[1] in "pP" and name not in CATEGORIES:
        raise ValueError(rf"{escape} is not a category of characters, such as \p{{L}} or \p{{Lu}}")

    def holds(run):
        kind = run[2]
        inside = kind.startswith(name) if name else kind[0] == "Z" or kind == "Cc, blank"
        return inside == escape[1].islower()

    found = [list(runs) for inside, runs in itertools.groupby(categories(limit), holds) if inside]
    ranges = [(runs[0][0], runs[-1][1]) for runs in found]
    if not ranges:  # a set must not be empty: the last number is never given to a character
        ranges = [(ALL - 1, ALL - 1)]
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def translate_escape(escape, limit):
    r"""An escape such as \s or \n, as re has it in a set [...]. Raises ValueError."""
    if re.match(CLASS, escape):
        return ranges_of(escape, limit)
    if re.match(r"\\[A-Za-z0-9]", escape) and escape[1] not in "rntdD":
        raise ValueError(f"{escape} is not known here, or does not mean the same everywhere: there "
                         rf"are \p{{..}}, \s, \d, \r, \n, \t and \z")
    return escape


def check_groups_and_counts(pattern):
    """Raises ValueError for what is read as something else by one or another library."""
    for found in PART.finditer(pattern):
        after = pattern[found.end():found.end() + 1]
        if found[0] == "(" and after == "?":
            raise ValueError("of groups only (..), (?:..), (?i:..), (?>..), (?=..), (?!..), "
                             "(?<=..) and (?<!..) are known here")
        if found[0] == "{" or re.fullmatch(r"\{\d+\}\?", found[0]):
            raise ValueError("of counts only {2}, {2,} and {2,3} are known here, with no ? after "
                             "{2}")


def translate_part(part, limit):
    r"""A set, an escape or a character of a pattern, as re has it. Raises ValueError."""
    if part in ("^", "$", r"\z"):  # the ends of the text; re's own $ allows a line end after it
        return r"\A" if part == "^" else r"\Z"
    if re.match(CLASS, part):
        return f"[{ranges_of(part, limit)}]"
    if part.startswith("[") and len(part) > 1:
        if re.search(r"\[|&&|--|~~|\|\|", re.sub(r"\\.", "", part[1:-1])):
            raise ValueError(f"{part} is a set made of sets, which Python does not know")
        return "[" + re.sub(rf"{CLASS}|\\.", lambda escape: translate_escape(escape[0], limit),
                            part[1:-1]) + "]"
    return translate_escape(part, limit)


def rewrite(pattern, translate, possessive):
    """The pattern with translate(part) for each part, and possessive(item, "+") for item++."""
    parts, opened, last = [], [], 0  # last: where in parts the item begins that a ++ is about
    for match in PART.finditer(pattern):
        part, kind = match[0], match.lastgroup
        if kind == "quantifier":
            parts.append(part)
            if len(part) > 1 and part.endswith("+"):
                parts[last:] = [possessive("".join(parts[last:-1]), part[:-1])]
        elif kind == "open":
            opened.append(len(parts))
            parts.append(part)
        elif kind == "close" and opened:
            last = opened.pop()
            inside = "".join(parts[last + 1:])
            parts[last:] = [possessive(inside, "") if parts[last] == "(?>"
                            else parts[last] + inside + ")"]
        else:
            last = len(parts)
            parts.append(translate(part))
    return "".join(parts)


def possessive(item, quantifier):
    """item++ for quantifier "+", and (?>item) for "", in what this version of Python knows."""
    if sys.version_info >= (3, 11):
        return f"(?>{item}{quantifier})"
    name = f"atom{next(atoms)}"
    return f"(?=(?P<{name}>{item}{quantifier}))(?P={name})"


@lru_cache(maxsize=None)
def compiled(pattern, limit):
    """The pattern for texts of characters below limit, or ValueError if it is none.

    What it leaves out of a text, up to where it matches again, is a piece too: no text is lost.
    """
    try:
        check_text(pattern)
        check_groups_and_counts(pattern)
        found, ahead = (rewrite(pattern, lambda part: translate_part(part, limit), possessive)
                        for _ in range(2))  # twice, for group names of their own
        return re.compile(rf"{found}|(?s:.)(?:(?!{ahead})(?s:.))*")
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern is no regular expression: {error}") from None
    except ValueError as error:
        raise ValueError(f"the pattern: {error}") from None


# %% 5. Encoding a piece
# A new text is encoded by doing to it what was done in training: merging pairs, in the order in
# which they were learned, which is that of their ids. Only pairs that are there matter, so they
# wait in a heap, the lowest rank on top, and each merge may add two more, with the tokens to its
# left and right. For a piece of n bytes that is some n log n steps; to look through all of it for
# each merge would be n squared: for a run of 100,000 letters minutes instead of half a second. And
# as words come again and again, the ids of each are remembered.


# exercise 6.6: encoding a piece
def merge_piece(piece, ranks, below=math.inf):
    """The list of tokens, as bytes, that the piece is merged into by ranks smaller than `below`.

    It begins as single bytes; ranks: {token, as bytes: rank}. Of all neighbours that make a token
    together, those that make the one of lowest rank are merged first, of several such the leftmost,
    until there are no more. A heap makes it some n log n steps for n bytes.
    """
    n = len(piece)
    ends = [*range(1, n + 1), 0]  # a token begins at i if ends[i] is not 0, and goes up to there
    starts = list(range(-1, n))  # and that which goes up to i begins at starts[i]
    heap = [(ranks[piece[i:i + 2]], i, i + 2) for i in range(n - 1) if piece[i:i + 2] in ranks]
    heapq.heapify(heap)
    while heap and heap[0][0] < below:
        _, i, k = heapq.heappop(heap)
        middle = ends[i]
        if not middle or ends[middle] != k:
            continue  # one of the two tokens has been merged into another
        ends[i], ends[middle], starts[k] = k, 0, i
        if i > 0 and (pair := piece[starts[i]:k]) in ranks:
            heapq.heappush(heap, (ranks[pair], starts[i], k))
        if k < n and (pair := piece[i:ends[k]]) in ranks:
            heapq.heappush(heap, (ranks[pair], i, ends[k]))
    return [piece[i:end] for i, end in enumerate(ends) if end]


class Memory(dict):
    """{piece: its ids}, which encodes a piece that is not there, and keeps it if it is short.

    It is a dict so that Python's own code finds the pieces that are there; that is most of them.
    """

    def __init__(self, ranks, size=100_000):
        """It is emptied when it holds `size` pieces."""
        super().__init__()
        self.ranks, self.size = ranks, size

    def __missing__(self, piece):
        """The list of ids of a piece, a string. Raises UnicodeEncodeError for a lone surrogate."""
        data = piece.encode()
        if data in self.ranks:
            ids = [self.ranks[data]]
        else:
            ids = [self.ranks[token] for token in merge_piece(data, self.ranks)]
        if len(piece) <= 100:
            if len(self) >= self.size:
                self.clear()
            self[piece] = ids
        return ids


# %% 6. The tokenizer
# Some tokens are no text: "<|endoftext|>" stands between documents, others between the turns of a
# conversation. Whoever could type them could put words into another's mouth; so text is turned into
# them only where the caller allows it. Decoding has a trap too: a token may be half a character, so
# ids that are cut off, or invented by a model, need not be valid UTF-8. And the same text may come
# in two spellings: é is one code point, or an e and an accent that is one more. Some vocabularies
# were learned from texts brought into a normal form, such as NFC, where it is always one.


class Tokenizer:
    """Text to token ids and back.

    ranks: {token, as bytes: id}, with all 256 single bytes, under whichever ids. pattern: what
    cuts a text into pieces. special_tokens: {string: id}. normal_form: None, "NFC", "NFD", "NFKC"
    or "NFKD"; with one, decoding gives back that form of the text. Raises ValueError, with what is
    wrong, for a vocabulary, pattern or form that cannot be.
    """

    def __init__(self, ranks, pattern=GPT4_PATTERN, special_tokens=None, normal_form=None):
        self.ranks, self.special_tokens = dict(ranks), dict(special_tokens or {})
        self.pattern, self.normal_form = pattern, normal_form
        check_vocabulary(self.ranks, self.special_tokens)
        compiled(pattern, ASCII)  # to know now whether it is one
        if normal_form not in (None, "NFC", "NFD", "NFKC", "NFKD"):
            raise ValueError(f"{normal_form!r} is no normal form: NFC, NFD, NFKC or NFKD")
        self._tokens = {i: token for token, i in self.ranks.items()}
        self._tokens.update((i, token.encode()) for token, i in self.special_tokens.items())
        self._memory = Memory(self.ranks)
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @property
    def n_vocab(self):
        """The largest id plus one: how many rows a table of embeddings needs."""
        return max(self._tokens) + 1

    @classmethod
    def train(cls, texts, vocab_size, pattern=GPT4_PATTERN, special_tokens=()):
        """A tokenizer of vocab_size tokens, learned from a string or an iterable of strings.

        The bytes have the ids 0 to 255, merged tokens follow, special tokens (strings) come last.
        There are fewer, and a UserWarning says so, if the texts run out of pairs. Raises ValueError
        if vocab_size has no room for the bytes and the special tokens.
        """
        if isinstance(special_tokens, str):
            raise ValueError("special_tokens must be a list of strings, not one string")
        special_tokens = list(special_tokens)
        n_merges = merges_for(vocab_size, special_tokens)
        merges = zip(range(n_merges), learn(count_pieces(texts, pattern)))
        tokenizer = cls.from_pairs([pair for _, (pair, _) in merges], pattern, special_tokens)
        if tokenizer.n_vocab < vocab_size:
            warnings.warn(f"no pair is left to merge: {tokenizer.n_vocab} tokens in place of "
                          f"{vocab_size}; train on more text", stacklevel=2)
        return tokenizer

    @classmethod
    def from_pairs(cls, pairs, pattern=GPT4_PATTERN, special_tokens=()):
        """The tokenizer that these pairs of ids make, in the order of merging."""
        ranks = ranks_of(pairs)
        special_ids = {token: i for i, token in enumerate(special_tokens, start=len(ranks))}
        return cls(ranks, pattern, special_ids)

    def encode_ordinary(self, text):
        """The ids of a text, special tokens taken for ordinary text.

        Raises ValueError for a lone surrogate, which is no character.
        """
        check_text(text)
        return self._encode(text)

    # exercise 6.4: special tokens
    def encode(self, text, allowed_special=frozenset()):
        """The ids of a text, where those special tokens that are allowed become their ids.

        allowed_special: a set of special tokens, or "all". self._special finds them in a text, the
        longest first; self._encode gives the ids of what is between. Raises ValueError if the text
        holds another one, if one is allowed that there is not, or for a lone surrogate.
        """
        check_text(text)
        allowed_special = set(self.special_tokens if allowed_special == "all" else allowed_special)
        for token in allowed_special:
            if token not in self.special_tokens:
                raise ValueError(f"{token!r} is allowed, but is no special token of this "
                                 f"vocabulary")
        ids, start = [], 0
        for match in self._special.finditer(text):
            if match[0] not in allowed_special:
                raise ValueError(f"the special token {match[0]!r} is in the text, at character "
                                 f"{match.start()}: allow it (allowed_special), or take it for "
                                 f"ordinary text (encode_ordinary)")
            ids += self._encode(text[start:match.start()])
            ids.append(self.special_tokens[match[0]])
            start = match.end()
        return ids + self._encode(text[start:])

    def _encode(self, text):
        if self.normal_form:
            text = unicodedata.normalize(self.normal_form, text)
        pieces = pieces_of(text, self.pattern)
        return list(itertools.chain.from_iterable(map(self._memory.__getitem__, pieces)))

    def decode_bytes(self, ids):
        """The bytes that the ids stand for. Raises ValueError for an id that there is not."""
        try:
            return b"".join(map(self._tokens.__getitem__, ids))
        except KeyError as error:
            raise ValueError(f"{error.args[0]!r} is no id of this vocabulary, whose ids go from "
                             f"{min(self._tokens)} to {self.n_vocab - 1}") from None

    def decode(self, ids):
        """The text that the ids stand for, with U+FFFD for each part that is not valid UTF-8."""
        return self.decode_bytes(ids).decode(errors="replace")

    # exercise 6.5: characters that are not yet whole
    def decode_stream(self, ids):
        """Yields the text of decode in parts, none empty, as soon as their characters are whole."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in ids:
            if text := decoder.decode(self.decode_bytes([i])):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def save(self, path):
        """Write a file in the format that its name ends in: .json or .tiktoken (section 7).

        A .tiktoken file holds the ranks alone, no pattern and no special tokens. Raises ValueError
        for another name, and if the file cannot be written.
        """
        path = os.fspath(path)
        check_output(path)
        write_text(path, as_tokenizer_json(self) if path.endswith(".json")
                   else as_tiktoken(self.ranks))

    @classmethod
    def load(cls, path, pattern=None):
        """Read a tokenizer.json or a .tiktoken file, whatever its name is.

        pattern is used in place of the file's own. A .tiktoken file has none, nor special tokens;
        without one GPT-4's is taken. Raises ValueError for a file that is not as it should be, and
        says where, and for a tokenizer of another kind.
        """
        path = os.fspath(path)
        data = read_bytes(path)
        compiled(pattern or GPT4_PATTERN, ASCII)  # an error in it is not the file's
        try:
            if not data.lstrip().startswith(b"{"):
                return cls(parse_tiktoken(data), pattern or GPT4_PATTERN)
            ranks, own_pattern, *others = parse_tokenizer_json(data)
            return cls(ranks, pattern or own_pattern, *others)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def merges_for(vocab_size, special_tokens):
    """How many merges fill a vocabulary of so many tokens. Raises ValueError if it has no room."""
    if not isinstance(vocab_size, int):
        raise ValueError(f"a vocabulary of {vocab_size!r}: not a whole number")
    for token, n in Counter(special_tokens).items():
        if n > 1:
            raise ValueError(f"the special token {token!r} is there twice")
        if not token:
            raise ValueError("a special token is empty")
    n_special = len(special_tokens)
    room = vocab_size - 256 - n_special
    if room < 0:
        raise ValueError(f"a vocabulary of {vocab_size} has no room for the 256 bytes"
                         + (f" and {n_special} special token{'s' * (n_special > 1)}"
                            if n_special else ""))
    return room


MAX_ID = 999_999_999


def check_vocabulary(ranks, special_tokens):
    """Raises ValueError unless each token has an id of its own, and each byte a token."""
    token_of = {}
    for token, i in itertools.chain(ranks.items(), special_tokens.items()):
        if not token:
            raise ValueError(f"the token with the id {i} is empty")
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i <= MAX_ID:
            raise ValueError(f"the token {token!r} has the id {i!r}: not a whole number from 0 to "
                             f"{MAX_ID}")
        if isinstance(token, str):
            check_text(token)
        data = token.encode() if isinstance(token, str) else token
        if token_of.setdefault(i, data) != data:
            raise ValueError(f"the tokens {token_of[i]!r} and {data!r} have the same id, {i}")
    if wrong := [token for token in ranks if not isinstance(token, bytes)]:
        raise ValueError(f"the token {wrong[0]!r} is not given as bytes")
    for i in range(256):
        if bytes([i]) not in ranks:
            raise ValueError(f"the byte {bytes([i])!r} has no token, so not every text could be "
                             f"encoded")


# %% 7. Files of real vocabularies
# Two formats are in use. A .tiktoken file (GPT-4, Llama 3, Qwen) has a line for each token: its
# bytes in base64, and its rank; which pattern and special tokens go with them, one has to know. A
# tokenizer.json (Hugging Face) says everything: vocabulary, merges, pattern, special tokens. It is
# meant for tokenizers of many kinds, so whoever reads one must make sure that it asks for nothing
# else. Its tokens are strings, with a printable character in place of each byte: where Latin-1 has
# none, one from U+0100 on stands in; a blank is Ġ.

PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]  # in Latin-1
CHAR_OF_BYTE = {byte: chr(byte) for byte in PRINTABLE}
CHAR_OF_BYTE.update((byte, chr(0x100 + i)) for i, byte in
                    enumerate(sorted(set(range(256)) - set(PRINTABLE))))
BYTE_OF_CHAR = {char: byte for byte, char in CHAR_OF_BYTE.items()}


def printable_name(token):
    """A token, given as bytes, as tokenizer.json writes it."""
    return "".join(map(CHAR_OF_BYTE.__getitem__, token))


def read_bytes(path):
    """The content of a file. Raises ValueError, with what to do about it, if there is none."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a file that you can open") from None
    if not data.strip():
        raise ValueError(f"{path}: empty")
    return data.removeprefix(codecs.BOM_UTF8)  # a mark that some editors put in front


def check_output(path):
    """Raises ValueError if no tokenizer can be written there, as far as one can know before."""
    folder = os.path.dirname(os.path.realpath(path))
    if not path.endswith((".json", ".tiktoken")):
        raise ValueError(f"{path}: the name must end in .json or .tiktoken, for its format")
    if path.startswith("/dev/") or os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path}: not an ordinary file; name one to write")
    if not os.path.isdir(folder):
        raise ValueError(f"{path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{path}: nothing can be written into its folder; name another")


def write_text(path, text):
    """Write a file whole or not at all: beside it at first, then renamed. Raises ValueError."""
    target = os.path.realpath(path)  # what a link points to
    part = f"{target}.{os.getpid()}.part"
    try:
        try:
            with open(part, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(part, target)
        finally:
            if os.path.exists(part):
                os.remove(part)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a file that can be written") from None


def as_tiktoken(ranks):
    """The text of a .tiktoken file, in the order of the ranks."""
    return "".join(f"{base64.b64encode(token).decode()} {rank}\n"
                   for token, rank in sorted(ranks.items(), key=itemgetter(1)))


def parse_tiktoken(data):
    """The ranks in the content of a .tiktoken file. Raises ValueError with the line."""
    for sign, kind in ((b"#version", "the merges.txt of a GPT-2, which has no ids: use its "
                                     "tokenizer.json"),
                       (b"[PAD]", "the vocabulary of a WordPiece tokenizer, not of byte-level BPE"),
                       (b"<unk>", "a sentencepiece model, not byte-level BPE")):
        if sign in data:
            raise ValueError(f"this is {kind}")
    ranks, last = {}, -1
    for number, line in enumerate(data.splitlines(), start=1):
        fields = line.split()
        try:
            if len(fields) != 2 or not re.fullmatch(rb"[0-9]{1,9}", fields[1]):
                raise ValueError("not a token in base64 and its rank")
            token, rank = base64.b64decode(fields[0], validate=True), int(fields[1])
            if not token:
                raise ValueError("an empty token")
            if token in ranks:
                raise ValueError(f"the token {token!r} has had the rank {ranks[token]} already")
            if rank <= last:
                raise ValueError(f"the rank {rank} after the rank {last}: they must grow")
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        ranks[token] = last = rank
    return ranks


def as_tokenizer_json(tokenizer):
    """The text of a tokenizer.json.

    It names the pair that makes each merged token. In a vocabulary that was learned, merging by
    the lower ranks leaves just that pair of the token. In others, which somebody has added to, it
    may not: then every pair that could make a token is written, and ignore_merges is set: a piece
    that is itself a token is not merged at all.
    """
    ranks = tokenizer.ranks
    by_rank = sorted(ranks, key=ranks.get)
    merged = [token for token in by_rank if len(token) > 1]
    pairs = [merge_piece(token, ranks, below=ranks[token]) for token in merged]
    learned = all(len(pair) == 2 for pair in pairs)
    if not learned:
        pairs = [(token[:i], token[i:]) for token in merged for i in range(1, len(token))
                 if token[:i] in ranks and token[i:] in ranks]
    vocab = {printable_name(token): ranks[token] for token in by_rank}
    special = []
    for token, i in sorted(tokenizer.special_tokens.items(), key=itemgetter(1)):
        if vocab.setdefault(token, i) != i:
            raise ValueError(f"the special token {token!r} is an ordinary one too, which "
                             f"tokenizer.json has no place for; save the ranks as .tiktoken")
        special.append({"id": i, "content": token, "single_word": False, "lstrip": False,
                        "rstrip": False, "normalized": False, "special": True})
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": False}
    # ++ after {1,3}, ^ and $ mean something else in the regular expressions of that library.
    ends = {"^": r"\A", "$": r"\z"}
    pattern = rewrite(tokenizer.pattern, lambda part: ends.get(part, part), "(?>{}{})".format)
    cut = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": tokenizer.normal_form and {"type": tokenizer.normal_form},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, byte_level]},
        "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": not learned, "vocab": vocab,
                  "merges": [list(map(printable_name, pair)) for pair in pairs]},
    }, ensure_ascii=False, indent=1) + "\n"


def unique(items):
    """A dict of the items of a JSON object. Raises ValueError if a name is there twice."""
    found = {}
    for name, value in items:
        if name in found:
            raise ValueError(f"{name!r} is there twice in one object")
        found[name] = value
    return found


def parse_tokenizer_json(data):
    """Ranks, pattern, special tokens and normal form in the content of a tokenizer.json.

    What a tokenizer does around a text (templates, padding, truncation) is left out. Raises
    ValueError with the place, also for all that would make it another kind of tokenizer.
    """
    try:
        root = json.loads(data.decode(), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: not JSON: "
                         f"{error.msg}") from None
    except RecursionError:
        raise ValueError("nested too deeply for a tokenizer.json") from None
    model = get(root, "model", dict, "this file")
    kind = model.get("type", "BPE" if "merges" in model else "WordPiece or Unigram")
    if kind != "BPE":
        raise ValueError(f"model: {kind!r}, a tokenizer of another kind than byte-level BPE")
    if model.get("byte_fallback"):
        raise ValueError("model: byte_fallback: a sentencepiece model, not byte-level BPE")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise ValueError(f"model: {name} is {model[name]!r}, which is not known here")
    pattern = parse_pre_tokenizer(root.get("pre_tokenizer"))
    if (decoder := kind_of(root.get("decoder"))) not in (None, "ByteLevel"):
        raise ValueError(f"decoder: {decoder!r} is not known here, only ByteLevel")
    normal_form = parse_normalizer(root.get("normalizer"))
    added = root.get("added_tokens") is not None and get(root, "added_tokens", list, "this file")
    special_tokens = parse_added_tokens(added or [], normal_form)
    return parse_model(model, special_tokens), pattern, special_tokens, normal_form


def get(thing, name, kind, where):
    """thing[name], if thing is a dict and that is of the right kind. Raises ValueError if not."""
    if not isinstance(thing, dict) or not isinstance(thing.get(name), kind):
        raise ValueError(f"{where} has no {name!r} as a tokenizer.json has it")
    return thing[name]


def kind_of(part):
    """The type that a part of a tokenizer.json says it has, or None if there is none."""
    return None if part is None else get(part, "type", str, f"{part!r:.60}")


def parse_normalizer(part):
    """The normal form that a text is brought into, or None."""
    if kind_of(part) == "Sequence" and len(get(part, "normalizers", list, "normalizer")) < 2:
        part = part["normalizers"][0] if part["normalizers"] else None
    if (kind := kind_of(part)) not in (None, "NFC", "NFD", "NFKC", "NFKD"):
        raise ValueError(f"normalizer: {kind!r} is not known here")
    return kind


def parse_pre_tokenizer(part):
    """The pattern by which a text is cut: GPT-2's own, or that of a Split before ByteLevel."""
    parts = get(part, "pretokenizers", list, "pre_tokenizer") if kind_of(part) == "Sequence" \
        else [part]
    kinds = [kind_of(part) for part in parts]
    if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]):
        raise ValueError(f"pre_tokenizer: {', '.join(map(repr, kinds))} is not known here, only "
                         f"ByteLevel, or one Split and ByteLevel")
    if parts[-1].get("add_prefix_space", True):
        raise ValueError("pre_tokenizer: add_prefix_space, a blank before each text, is not known "
                         "here")
    if parts[-1].get("use_regex", True) != (len(parts) == 1):
        raise ValueError("pre_tokenizer: use_regex must be true for ByteLevel alone, and false "
                         "after a Split")
    if len(parts) == 1:
        return GPT2_PATTERN
    if parts[0].get("invert") or parts[0].get("behavior") != "Isolated":
        raise ValueError("pre_tokenizer: a Split must be Isolated, and not inverted")
    return get(get(parts[0], "pattern", dict, "the Split"), "Regex", str, "the Split's pattern")


def parse_added_tokens(entries, normal_form):
    """{special token: id}. They are found in a text before anything else is done to it."""
    special_tokens = {}
    for number, entry in enumerate(entries):
        where = f"added_tokens[{number}]"
        token, i = get(entry, "content", str, where), get(entry, "id", int, where)
        for name in ("lstrip", "rstrip", "single_word", "normalized"):
            if entry.get(name) and (name != "normalized" or normal_form):
                raise ValueError(f"{where}: {token!r}: {name} is not known here")
        if token in special_tokens:
            raise ValueError(f"{where}: {token!r} is there already")
        special_tokens[token] = i
    return special_tokens


def parse_model(model, special_tokens):
    """The ranks of a tokenizer.json, once it is sure that its merges go in the order of the ids."""
    vocab, made, last = get(model, "vocab", dict, "model"), set(), -1
    for number, pair in enumerate(get(model, "merges", list, "model")):
        where = f"model: merges[{number}]"
        pair = pair.split(" ") if isinstance(pair, str) else pair
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) and part
                                                                   for part in pair):
            raise ValueError(f"{where}: {pair!r:.60} is no pair of tokens")
        token = "".join(pair)
        for name in (*pair, token):
            if name not in vocab:
                raise ValueError(f"{where}: {name!r} is not in the vocabulary")
        if not isinstance(vocab[token], int) or vocab[token] < last:
            raise ValueError(f"{where}: {token!r} has the id {vocab[token]!r}, but comes after one "
                             f"with {last}: not in order")
        last = vocab[token]
        for name in pair:
            if len(name) > 1 and name not in made and not model.get("ignore_merges"):
                raise ValueError(f"{where}: {name!r} has not been made before")
        made.add(token)
    ranks = {}
    for name, i in vocab.items():
        if len(name) > 1 and name not in made:
            if special_tokens.get(name) == i:
                continue
            if not model.get("ignore_merges"):
                raise ValueError(f"model: vocab: no merge makes {name!r}")
        try:
            ranks[bytes(map(BYTE_OF_CHAR.__getitem__, name))] = i
        except KeyError as error:
            raise ValueError(f"model: vocab: {name!r} is not byte-level: {error.args[0]!r} stands "
                             f"for no byte") from None
    return ranks


# %% 8. What tokens do to a model
# Much that seems odd about language models is only their tokens. A model does not see letters, so
# it cannot count them unless it has learned how each token is spelled; and whatever was rare in the
# text that the vocabulary was learned from, it sees in small bits, and pays for each.

SENTENCES = {
    "English": "The cat is asleep on the warm roof.",
    "German": "Die Katze schläft auf dem warmen Dach.",
    "French": "Le chat dort sur le toit chaud.",
    "Spanish": "El gato duerme en el tejado caliente.",
    "Turkish": "Kedi sıcak çatıda uyuyor.",
    "Russian": "Кошка спит на тёплой крыше.",
    "Greek": "Η γάτα κοιμάται στη ζεστή στέγη.",
    "Hindi": "बिल्ली गरम छत पर सो रही है।",
    "Chinese": "猫在温暖的屋顶上睡觉。",
    "Arabic": "القطة نائمة على السطح الدافئ.",
}
EXAMPLES = (  # (title, what it does to a model, texts to look at)
    ("numbers", "Digits are cut into threes from the left (123, 456, 7), and these into the tokens "
     "that there are: to add two numbers, a model has to know what each is worth.",
     ("7", "77", "777", "7777", "1234567", "3.14159")),
    ("code", "Where much code was in the text, there are tokens for its indentation; otherwise "
     "each blank costs one.",
     ("return x", "    return x", "        return x", "             return x")),
    ("a blank at the end", "A word's token begins with the blank before it. A prompt that ends in "
     "a blank has used it up, and a word without its blank is a rare sight after one.",
     ("the same token", "the same token ")),
    ("capitals", "To the model these are different words, each to be learned by itself.",
     ("token", " token", "Token", " Token", "TOKEN")),
    ("names", "A rare one is spelled out, and its spelling is all that the model knows of it.",
     ("Anna", "Karpathy", "Ngozi Okonjo-Iweala")),
)
EMOJI = "🙂"
TO_CUT = "In 2024, they'd pay 1234.50\n    print(self.x)  "
SAMPLE = """The model reads a batch of tokens,
no letters: to spell "Wednesday" is hard.
Été is bytes, and 12,345 is digits.

    def forward(self, x):
        return self.layer(x) + x  # 🙂
"""


def tokens_of(tokenizer, text):
    """The tokens of an ordinary text, as bytes."""
    return [tokenizer.decode_bytes([i]) for i in tokenizer.encode_ordinary(text)]


def tour(tokenizer):
    """Yields (title, what it does to a model, rows); a row is a list of tokens, or a string."""
    rows = ["           characters  tokens  tokens a character"]
    for language, sentence in SENTENCES.items():
        n = len(tokens_of(tokenizer, sentence))
        rows.append(f"{language:10}{len(sentence):11}{n:8}{n / len(sentence):8.2f}  {sentence}")
    yield ("one sentence in ten languages", "What a model can read at once is so many tokens, and "
           "tokens are what is paid for.", rows)
    for title, effect, texts in EXAMPLES:
        yield title, effect, [tokens_of(tokenizer, text) for text in texts]
    tokens = tokens_of(tokenizer, EMOJI)
    half = tokens[:len(tokens) // 2]
    yield ("an emoji cut in half", "A model can stop within a character. What it has said by then "
           "is no text.", [tokens, f"    the first {len(half)} of these decoded: "
                                   f"{b''.join(half).decode(errors='replace')!r}"])


# %% 9. Pictures
# A text with its tokens in colours, or with a · between them where there is no colour.

COLOURS = (153, 223, 157, 218)  # pale ones, of the 256 that terminals know; letters are black


def columns_of(text):
    """How many columns of a terminal the text takes."""
    return sum(0 if unicodedata.category(char) in ("Mn", "Me") else
               2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def visible(token):
    r"""A token, given as bytes, in print: a command, or a part of a character, as \x1b or \xf0."""
    return "".join(char if char.isprintable() or char == "\n" else
                   char.encode("unicode_escape").decode()
                   for char in token.decode(errors="backslashreplace"))


def draw_tokens(tokens):
    """The text of the tokens, given as bytes, with the tokens told apart."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return "·".join(map(visible, tokens))
    drawn = []
    for i, token in enumerate(tokens):
        paint = f"\033[30;48;5;{COLOURS[i % len(COLOURS)]}m"
        drawn.append("\n".join(f"{paint}{line}\033[0m" if line else ""
                               for line in visible(token).split("\n")))
    return "".join(drawn)


# %% 10. The command line
# Nothing below is new. It reads files and options, and prints what the sections above compute.


def vocab_size(text):
    """A type for argparse: how many tokens, from 256 to 10^9."""
    if not re.fullmatch("[0-9]{1,10}", text) or not 256 <= int(text) <= 10 ** 9:
        raise argparse.ArgumentTypeError(f"must be a whole number from 256 to 10^9, not {text!r}")
    return int(text)


def pattern_named(text):
    """A type for argparse: the pattern that a name stands for, or a regular expression itself."""
    if text not in PATTERNS and re.fullmatch(r"\w*", text):
        raise argparse.ArgumentTypeError(f"must be {', '.join(PATTERNS)} or a regular expression, "
                                         f"not {text!r}")
    return PATTERNS.get(text, text)


def make_parser():
    """The command line, as --help tells it."""
    parser = argparse.ArgumentParser(prog="bpe.py", description="A byte-level BPE tokenizer. "
                                     "Without a command it trains on this project's files, and "
                                     "shows what tokens do (tour).")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    demo, train, encode, decode, show = (commands.add_parser(name, help=text, description=text)
                                          for name, text in (
        ("tour", "train, and show what tokens do"), ("train", "learn a vocabulary from text files"),
        ("encode", "text to ids, one document a line"), ("decode", "ids to text"),
        ("show", "the text with its tokens in colour")))
    demo.add_argument("--data", metavar="FILE", help="UTF-8 text to train on (default: the files "
                                                      "of this project)")
    train.add_argument("files", metavar="FILE", nargs="+", help="UTF-8 text")
    train.add_argument("-o", "--output", metavar="FILE", required=True,
                       help="the vocabulary to write, as tokenizer.json if its name ends in .json, "
                            "or in .tiktoken")
    train.add_argument("--special", metavar="TOKEN", action="append", default=[],
                       help="a special token to add, such as '<|endoftext|>'; may be repeated")
    for command, size in ((demo, 2048), (train, 8192)):
        command.add_argument("--vocab-size", metavar="N", type=vocab_size, default=size,
                             help=f"tokens, special ones too (default: {size})")
    for command in (encode, decode, show):
        command.add_argument("tokenizer", metavar="TOK", help="a tokenizer.json or .tiktoken file")
        command.add_argument("file", metavar="FILE", nargs="?", default="-",
                             help="what to read (default: standard input)")
    for command in (demo, train, encode, show):
        default = PATTERNS["gpt4"] if command in (demo, train) else None
        command.add_argument("--pattern", metavar="P", type=pattern_named, default=default,
                             help="how text is cut: gpt2, gpt4, o200k or a regular expression "
                                  f"(default: {'gpt4' if default else 'as in TOK, or gpt4'})")
    special = encode.add_mutually_exclusive_group()
    special.add_argument("--allow-special", action="store_true",
                         help="special tokens in the text become their ids (else: an error)")
    special.add_argument("--ordinary", action="store_true",
                         help="special tokens in the text are ordinary text")
    for command in commands.choices.values():  # so that errors begin alike in all lessons
        command.usage = command.format_usage().removeprefix("usage: ").strip()
        command.prog = parser.prog
    return parser


def show_progress(line, in_a_pipe=True):
    """Rewrite the last line on a terminal; where there is none, print a plain line or nothing."""
    if sys.stderr.isatty():
        width = min(60, shutil.get_terminal_size().columns - 1)
        print(f"\r{line[:width]:{width}}\r", file=sys.stderr, end="", flush=True)
    elif in_a_pipe:
        print(line, file=sys.stderr, flush=True)


def read_texts(paths):
    """The texts of UTF-8 files. Raises ValueError for one that cannot be read."""
    return [decoded(read_bytes(path), path) for path in paths]


def decoded(data, name):
    """The text that UTF-8 has written as data. Raises ValueError with the place."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def learn_with_progress(texts, args, special_tokens=(), show_merges=False):
    """The tokenizer learned from texts; Ctrl-C ends the merging early, with what there is by then.

    show_merges: print the first ten merges, and ten more on the way.
    """
    n_merges = merges_for(args.vocab_size, special_tokens)
    total, pairs, tokens = sum(map(len, texts)), [], [bytes([i]) for i in range(256)]
    tenth = max(1, n_merges // 10)
    piece_counts = count_pieces(texts, args.pattern, lambda done: show_progress(
        f"read {done / 1e6:.1f} of {total / 1e6:.1f} M characters"))
    show_progress("", in_a_pipe=False)
    start = last = time.monotonic()
    try:
        print(f"{total} characters, {sum(piece_counts.values())} pieces, {len(piece_counts)} of "
              f"them distinct" + "\n    id    count  merged from: the first ten, and then each "
              "tenth of the way" * show_merges, flush=True)
        for _, ((a, b), n) in zip(range(n_merges), learn(piece_counts)):
            pairs.append((a, b))
            tokens.append(tokens[a] + tokens[b])
            now = time.monotonic()
            if show_merges and (len(pairs) <= 10 or len(pairs) % tenth == 0):
                show_progress("", in_a_pipe=False)
                print(f"{len(tokens) - 1:6}{n:9}  {visible(tokens[a])!r} + {visible(tokens[b])!r}",
                      flush=True)
            if len(pairs) % tenth == 0 or sys.stderr.isatty() and now - last > 0.1:
                left, last = (now - start) / len(pairs) * (n_merges - len(pairs)), now
                show_progress(f"merge {len(pairs)}/{n_merges}  {left:.0f} s left")
        show_progress("", in_a_pipe=False)
        if len(pairs) < n_merges:
            print(f"no pair is left after {len(pairs)} of {n_merges} merges", file=sys.stderr)
    except KeyboardInterrupt:
        show_progress("", in_a_pipe=False)
        print(f"stopped at merge {len(pairs)} of {n_merges}; Ctrl-C again quits", file=sys.stderr,
              flush=True)
    return Tokenizer.from_pairs(pairs, args.pattern, special_tokens)


def show_bytes_and_merges():
    """Sections 1 and 2: what UTF-8 makes of characters, and three merges, step by step."""
    print("characters are code points, and those are bytes")
    for char in "aé猫" + EMOJI:
        point, data = code_point_and_bytes(char)
        print(f"  {char}{' ' * (4 - columns_of(char))}{point:10}{data}")
    text, names = "aaabdaaabac", "ZYX"
    ids, letters = list(text.encode()), {byte: chr(byte) for byte in text.encode()}
    print("\nthree merges")
    for new_id, pair in enumerate(learn_slowly([text.encode()], 3), start=256):
        counts = Counter(itertools.pairwise(ids))
        in_order = sorted(counts, key=lambda pair: (-counts[pair], pair))
        print(f"  {''.join(map(letters.get, ids)):11}{len(ids):4} tokens; pairs: " + ", ".join(
            f"{letters[a]}{letters[b]} {counts[a, b]}" for a, b in in_order))
        ids, letters[new_id] = merge(ids, pair, new_id), names[new_id - 256]
        print(f"  {'':11}  {letters[new_id]} = {letters[pair[0]]}{letters[pair[1]]}")
    print(f"  {''.join(map(letters.get, ids)):11}{len(ids):4} tokens")


def show_tour(args):
    """All sections, with a vocabulary learned from this project's files, or from --data."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = sorted([*glob.glob("*.py", root_dir=here), *glob.glob("*.txt", root_dir=here)])
    texts = read_texts([args.data] if args.data else [os.path.join(here, name) for name in own])
    show_bytes_and_merges()
    print(f"\nlearning {args.vocab_size} tokens from {args.data or 'the files of this project'}")
    tokenizer = learn_with_progress(texts, args, show_merges=True)
    print("\nhow the patterns cut a text, before any merge (␣ is a blank)")
    for name, pattern in PATTERNS.items():
        pieces = "·".join(pieces_of(TO_CUT, pattern))
        print(f"  {name:8}{pieces.replace(' ', '␣')!r}")
    for title, effect, rows in tour(tokenizer):
        print("\n" + textwrap.fill(f"{title}: {effect}", 79))
        for row in rows:
            print("  " + (row if isinstance(row, str) else f"{len(row):2}  " + draw_tokens(
                [token.replace(b" ", "␣".encode()) for token in row])))
    print("\na text with its tokens told apart")
    show_text(tokenizer, SAMPLE)


def show_text(tokenizer, text):
    """The text with its tokens told apart, and how many they are."""
    ids = tokenizer.encode(text, allowed_special="all")
    drawn = draw_tokens([tokenizer.decode_bytes([i]) for i in ids])
    print(drawn, end="\n" if drawn and not drawn.endswith("\n") else "")
    print(f"{len(text)} characters, {len(text.encode())} bytes, {len(ids)} tokens")


def encode_lines(tokenizer, file, name, args):
    """Prints a line of ids for each line of text; the last has a line end if the text's has."""
    done = 0
    for number, line in enumerate(file, start=1):
        try:
            text = line.removesuffix(b"\n").decode()
            ids = tokenizer.encode_ordinary(text) if args.ordinary else \
                tokenizer.encode(text, "all" if args.allow_special else ())
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: not UTF-8 at byte {done + error.start}") from None
        except ValueError as error:
            raise ValueError(f"{name}: line {number}: {error}"
                             + ("; here: --allow-special or --ordinary"
                                if "special" in str(error) else "")) from None
        end = "\n" if line.endswith(b"\n") else ""
        sys.stdout.buffer.write((" ".join(map(str, ids)) + end).encode())
        sys.stdout.buffer.flush()  # whoever waits for a line shall have it
        done += len(line)


def words_of(file):
    """Yields the words of a file, and its line ends, each as soon as it has been read."""
    rest = b""
    while chunk := file.read1(65536):
        words = re.findall(rb"\n|[^\s]+", rest + chunk)
        rest = words.pop() if words and not chunk[-1:].isspace() and len(words[-1]) < 20 else b""
        yield from words
        sys.stdout.buffer.flush()  # what they were is shown before waiting for more
    if rest:
        yield rest


def token_id(word):
    """The id that a word, in bytes, stands for. Raises ValueError if that is no number."""
    if not word.isdigit() or len(word) >= 20:
        raise ValueError(f"{word.decode(errors='replace')!r:.60} is no token id")
    return int(word)


def decode_lines(tokenizer, file, name):
    """Prints the text of each line of ids, each character as soon as it is whole."""
    out, number = sys.stdout.buffer, 1
    for is_line_end, words in itertools.groupby(words_of(file), b"\n".__eq__):
        try:
            if is_line_end:
                for word in words:
                    out.write(word)
                    number += 1
            else:
                for text in tokenizer.decode_stream(map(token_id, words)):
                    out.write(text.encode())
        except ValueError as error:
            raise ValueError(f"{name}: line {number}: {error}") from None


def train_and_save(args):
    """Learns a vocabulary and writes it."""
    check_output(args.output)
    if args.special and args.output.endswith(".tiktoken"):
        raise ValueError(f"{args.output}: a .tiktoken file has no place for special tokens; write "
                         f"a .json file")
    texts = read_texts(args.files)
    if os.path.exists(args.output) and any(os.path.samefile(args.output, path)
                                           for path in args.files):
        raise ValueError(f"{args.output}: holds the text; name another file to write")
    merges_for(args.vocab_size, args.special)
    as_tokenizer_json(Tokenizer.from_pairs([], args.pattern, args.special))  # an error now, if any
    tokenizer = learn_with_progress(texts, args, args.special)
    tokenizer.save(args.output)
    print(f"{args.output}: {tokenizer.n_vocab} tokens")


def run(args):
    """Does what the command line asks for. Raises ValueError for what is wrong with it."""
    if args.command == "tour":
        show_tour(args)
    elif args.command == "train":
        train_and_save(args)
    else:
        tokenizer = Tokenizer.load(args.tokenizer, getattr(args, "pattern", None))
        name = "standard input" if args.file == "-" else args.file
        if args.file == "-" and sys.stdin is None:  # the shell closed it
            raise ValueError(f"{name}: closed; name a file to read")
        try:
            file = sys.stdin.buffer if args.file == "-" else open(args.file, "rb")
        except OSError as error:
            raise ValueError(f"{name}: {error.strerror}; name a file that you can open") from None
        with file:
            if args.command == "encode":
                encode_lines(tokenizer, file, name, args)
            elif args.command == "decode":
                decode_lines(tokenizer, file, name)
            else:
                show_text(tokenizer, decoded(file.read(), name))


def main(argv=None):
    """Read the command line, and run; what is wrong with it is said in one line."""
    argv = sys.argv[1:] if argv is None else argv
    parser = make_parser()
    if not argv or argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        argv = ["tour", *argv]
    args = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # where é cannot be printed, ? will do
    try:
        run(args)
    except ValueError as error:
        show_progress("", in_a_pipe=False)
        parser.error(str(error))


if __name__ == "__main__":
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # None if it is closed
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    try:
        try:
            main()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)  # as the shell reports a program ended by Ctrl-C
    except OSError as error:  # nowhere to print to: the disk is full or, with head, the reader left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        print(f"bpe.py: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(2)
