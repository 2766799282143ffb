"""What a model reads instead of letters: a byte-level BPE tokenizer that learns and encodes.

gpt.py takes a step a letter, and cannot read a letter that it never saw. Real models have tens of
thousands of tokens, most of them words or parts of words, and read any text, as the first 256 are
the bytes. The others are learned by byte pair encoding (BPE): the most frequent pair of neighbours
becomes a token, and so on. GPT-2, GPT-4, Llama 3 and Qwen read like this; their files work here.

    python bpe.py                            learn from this project's files; show what tokens do
    python bpe.py train FILE... -o tok.json  learn a vocabulary (or -o tok.tiktoken)
    python bpe.py encode tok.json FILE       text to ids, line by line; no FILE: standard input
    python bpe.py decode tok.json FILE       ids to text, likewise
    python bpe.py show tok.json FILE         the text, with its tokens told apart
"""
import argparse
import base64
import codecs
import heapq
import itertools
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from functools import lru_cache
from pathlib import Path

# %% 1. Bytes, and merging them one pair at a time
# What should a model's alphabet be? Unicode has some 150,000 characters, too many for a table of
# embeddings, and most never seen. UTF-8 writes each as one to four of 256 bytes; but then a text is
# long. So bytes are only where it begins: find the pair of neighbours that occurs most often, make
# one token of it, everywhere, and do it again. (Pairs may overlap when counted: aaa holds aa twice,
# though only one is merged.) A token is a bytes object here.
class InputError(ValueError):
    """What the user gave cannot be used: the program ends with this message."""


# exercise 6.1: merging a pair
def merge(tokens, pair):
    """A new list of tokens, with the pair as one token wherever it occurs, from left to right.
    Gage 1994, "A New Algorithm for Data Compression".
    >>> merge([b"a", b"a", b"a", b"b"], (b"a", b"a"))
    [b'aa', b'a', b'b']"""
    merged, i = [], 0
    while i < len(tokens):
        n = 2 if tuple(tokens[i:i + 2]) == pair else 1
        merged.append(b"".join(tokens[i:i + n]))
        i += n
    return merged


# exercise 6.2 (needs 6.1): learning a vocabulary
def learn_slowly(pieces, n_merges):
    """The pairs of tokens to merge, in order; fewer than n_merges, if no pair is left.
    No pair crosses pieces (bytes; see section 3). Of pairs equally frequent, the smallest is
    taken. Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"."""
    pieces, pairs = [[bytes([byte]) for byte in piece] for piece in pieces], []
    for _ in range(n_merges):
        counts = Counter(pair for tokens in pieces for pair in itertools.pairwise(tokens))
        if not counts:
            break
        pairs.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        pieces = [merge(tokens, pairs[-1]) for tokens in pieces]
    return pairs


# exercise 6.3: from merges to tokens
def ranks_of(pairs):
    """The vocabulary that these merges make, {token: id}: first the bytes, then each new token.
    An id is also a rank: the lower it is, the earlier the token is made."""
    ranks = {bytes([i]): i for i in range(256)}
    for left, right in pairs:
        ranks.setdefault(left + right, len(ranks))
    return ranks


def show_merges(text):
    """Print three merges: each pair, and what is left of the text."""
    print(f"three merges\n         {' '.join(text)}")
    tokens = [char.encode() for char in text]
    for pair in learn_slowly([text.encode()], 3):
        tokens = merge(tokens, pair)
        print(f"  {b' '.join(pair).decode():7}{b' '.join(tokens).decode()}")


# %% 2. The same, fast
# learn_slowly looks at the whole text again for each merge: 256 of them over names.txt take 4 s.
# But most words of a text come again, so let each distinct piece be there once, with a count. A
# merge changes only the pieces that hold its pair, and in those only the pairs beside it, so keep
# the counts and correct them. And the most frequent pair need not be searched for if a heap has it
# on top; a count that is out of date is put back as it is now when it comes up. That takes 0.1 s.
# exercise 6.7 (hard): learning, fast
def learn(piece_counts):
    """Yields the pairs that learn_slowly finds, for as long as there are any; counts are corrected
    after each merge, not taken again. piece_counts: {piece, as bytes: how often it occurs}."""
    pieces = [([bytes([byte]) for byte in piece], n) for piece, n in piece_counts.items()]
    counts, where = Counter(), defaultdict(set)
    for p, (tokens, n) in enumerate(pieces):  # where: in which pieces a pair is, or was
        for pair in itertools.pairwise(tokens):
            counts[pair] += n
            where[pair].add(p)
    heap = [(-n, pair) for pair, n in counts.items()]  # smallest first, so the count is negative
    heapq.heapify(heap)
    while heap and heap[0][0] < 0:
        count, pair = heapq.heappop(heap)
        if count != -counts[pair]:
            heapq.heappush(heap, (-counts[pair], pair))
            continue
        yield pair
        (a, b), changed = pair, set()
        for p in where.pop(pair):
            (tokens, n), i = pieces[p], 0
            while i < len(tokens) - 1:
                if tokens[i] == a and tokens[i + 1] == b:
                    left = max(0, i - 1)  # up to here nothing changes: some pairs go, some come
                    for old in itertools.pairwise(tokens[left:i + 3]):
                        counts[old] -= n
                    tokens[i:i + 2] = [a + b]
                    for new in itertools.pairwise(tokens[left:i + 2]):
                        counts[new] += n
                        where[new].add(p)
                        changed.add(new)
                i += 1
        for new in changed:
            heapq.heappush(heap, (-counts[new], new))


# %% 3. Splitting
# In which pieces is a text cut before anything is merged? Uncut, "dog." and "dog!" and "dog?" would
# become tokens. So a regular expression first cuts out words, each with the blank before it,
# numbers, punctuation and blanks; no token reaches from one piece into another. These are GPT-2's,
# GPT-4's and GPT-4o's, as OpenAI publishes them: \p{L} is any letter of any alphabet, \p{N} any
# numeral, and ++ takes all it can and gives nothing back. \s+(?!\S) leaves a word its blank.
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
GPT4_PATTERN = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
                r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
O200K_PATTERN = "|".join((
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"))
PATTERNS = {"gpt2": GPT2_PATTERN, "gpt4": GPT4_PATTERN, "o200k": O200K_PATTERN}

# Python's re does not know \p{L}, and its \s takes four control characters for blanks: both become
# ranges of characters. re looks them up in a table, but above U+FFFF searches one by one; so texts
# with nothing from there but emoji, as almost all are, get an expression without those ranges.
CLASS = r"\\[pP]\{\w+\}|\\[sS]"  # a class of characters; it, a set or an escape may have a ++
PART = rf"(({CLASS})|\[(?:\\.|[^]\\])*\]|\\.)(?:([*+?]|\{{[\d,]+\}})\+)?"
RARE = re.compile(r"[^\0-\uffff\U0001f300-\U0001faff]")
COMMON = [*range(0x10000), *range(0x1f300, 0x1fb00)]
ALL = [*range(0x40000), *range(0xe0000, 0xe0200), 0x10ffff]  # between is nothing, or private use


@lru_cache
def ranges(escape, rare):
    r"""What \p{L}, \P{L}, \s or \S stands for, as ranges to stand in a set [...]; or InputError."""
    def holds(code):
        char, kind = chr(code), unicodedata.category(chr(code))
        blank = char.isspace() and not "\x1c" <= char <= "\x1f"
        return blank if escape[1] in "sS" else kind.startswith(escape[3:-1])
    found = ""
    for holding, group in itertools.groupby(ALL if rare else COMMON, holds):
        first, *_, last = [*group] * 2  # * 2: a group may be of one
        if holding == (escape[1] in "ps"):
            found += rf"\U{first:08x}-\U{last:08x}"
    if not found:
        raise InputError(f"{escape} is no category of characters")
    return found


@lru_cache
def compiled(pattern, rare):
    """The regular expression of a pattern, for texts without rare characters or with them.
    What the pattern leaves out of a text is a piece, too. Raises InputError if it is none."""
    def translate(match):
        item, escape, repeat = match.groups()
        item = re.sub(CLASS, lambda found: ranges(found[0], rare), item)
        item = f"[{item}]" if escape else item
        return f"(?>{item}{repeat})" if repeat else item  # as PyPy's ++ has a fault
    here = re.sub(PART, translate, pattern)
    try:
        return re.compile(rf"{here}|(?s:.)(?:(?!{here})(?s:.))*")
    except re.error as error:
        raise InputError(f"{pattern!r:.60} is no regular expression: {error}") from None


def pieces_of(text, pattern):
    """An iterator over the pieces into which the pattern cuts the text."""
    return (match[0] for match in compiled(pattern, bool(RARE.search(text))).finditer(text))


def show_pieces(text):
    """Print how each of the patterns cuts the text."""
    print("\nhow the patterns cut a text, before any merge")
    for name, pattern in PATTERNS.items():
        print(f"  {name:8}{'·'.join(pieces_of(text, pattern))}")


# %% 4. Encoding a piece
# A new text is encoded by doing to it what was done in learning: merging pairs, in the order of
# their ranks. Only pairs that are there matter, so they wait in a heap, the lowest rank on top, and
# each merge may add two more. For a piece of n bytes that is some n log n steps; to look through
# all of it for each merge would be n squared: for 100,000 letters minutes, not half a second.
# exercise 6.6 (hard): encoding a piece
def merge_piece(piece, ranks):
    """The list of tokens that the piece (bytes) is merged into; it begins as single bytes.
    Of all neighbours that make a token together, those that make the one of lowest rank are merged
    first, of several such the leftmost, until there are no more.
    >>> merge_piece(b"aaab", ranks_of([(b"a", b"a"), (b"aa", b"b")]))
    [b'aa', b'a', b'b']"""
    n, heap = len(piece), []
    ends = [*range(1, n + 1), 0]  # a token begins at i if ends[i] is not 0, and goes up to there
    starts = [n, *range(n)]  # and that which goes up to i begins at starts[i]

    def push(i, k):  # two neighbours, from i up to k; without a left or right one, this is empty
        if piece[i:k] in ranks:
            heapq.heappush(heap, (ranks[piece[i:k]], i, k))
    for i in range(n - 1):
        push(i, i + 2)
    while heap:
        _, i, k = heapq.heappop(heap)
        middle = ends[i]
        if middle and ends[middle] == k:  # else one of the two has been merged into another
            ends[i], ends[middle], starts[k] = k, 0, i
            push(starts[i], k)
            push(i, ends[k])
    return [piece[i:end] for i, end in enumerate(ends) if end]


# %% 5. The tokenizer
# Some tokens are no text: "<|endoftext|>" stands between documents. Whoever could type it could put
# words into another's mouth; text becomes such a token only where the caller allows it. Others may
# be half a character, so ids that a model invents need not be valid UTF-8. And a text may have two
# spellings: é is one code point, or e and an accent; some vocabularies know one, a normal form.
class Tokenizer:
    """Text to token ids and back. ranks: {token, as bytes: id}, with all 256 bytes. pattern: what
    cuts a text into pieces. special_tokens: {string: id}. normal_form: None, "NFC" or another that
    text is brought into first. Raises InputError for tokens or ids that cannot be."""

    def __init__(self, ranks, pattern=GPT4_PATTERN, special_tokens=None, normal_form=None):
        self.ranks, self.special_tokens = ranks, special_tokens or {}
        self.pattern, self.normal_form = pattern, normal_form
        items = [*ranks.items(), *((s.encode(), i) for s, i in self.special_tokens.items())]
        self.tokens = {i: token for token, i in items}
        if not (ranks.keys() >= {bytes([i]) for i in range(256)} and len(self.tokens) == len(items)
                and "".join(map(str, self.tokens)).isdecimal()):
            raise InputError("a byte without a token, an id twice, or one that is no number")
        longest_first = map(re.escape, sorted(self.special_tokens, key=len, reverse=True))
        self._special = re.compile(f"({'|'.join(longest_first) or '(?!)'})")
        self._ids_of = lru_cache(100_000)(self._ids_of)  # words come again and again

    def _ids_of(self, piece):
        data = piece.encode()
        tokens = [data] if data in self.ranks else merge_piece(data, self.ranks)
        return [self.ranks[token] for token in tokens]

    @classmethod
    def train(cls, text, vocab_size, pattern=GPT4_PATTERN, special_tokens=()):
        """A tokenizer of vocab_size tokens, fewer if no pair is left or at Ctrl-C: bytes, merged
        tokens, special ones. Raises InputError if there is no room for the first and the last."""
        n_merges, pairs = vocab_size - 256 - len(special_tokens), []
        if n_merges < 0:
            raise InputError(f"{vocab_size} tokens: 256 bytes and {len(special_tokens)} special")
        counts = Counter(pieces_of(text, pattern))
        try:
            for pair in itertools.islice(learn({p.encode(): counts[p] for p in counts}), n_merges):
                pairs.append(pair)
                if sys.stderr.isatty():
                    print(f"merge {len(pairs)} of {n_merges}", end="\r", file=sys.stderr)
        except KeyboardInterrupt:
            print(f"stopped at merge {len(pairs)}; Ctrl-C again quits", file=sys.stderr)
        ranks = ranks_of(pairs)
        return cls(ranks, pattern, dict(zip(special_tokens, itertools.count(len(ranks)))))

    def encode_ordinary(self, text):
        """The ids of a text, special tokens taken for ordinary text."""
        if self.normal_form:
            text = unicodedata.normalize(self.normal_form, text)
        return [i for piece in pieces_of(text, self.pattern) for i in self._ids_of(piece)]

    # exercise 6.4: special tokens
    def encode(self, text, allowed_special=()):
        """The ids of a text, where those special tokens that are allowed become their ids.
        allowed_special: some of them, or "all". self._special.split(text) is a list of them and of
        what is between; encode_ordinary makes ids of that. Raises InputError for others."""
        allowed = self.special_tokens if allowed_special == "all" else allowed_special
        ids = []
        for part in self._special.split(text):
            if part not in self.special_tokens:
                ids += self.encode_ordinary(part)
            elif part in allowed:
                ids.append(self.special_tokens[part])
            else:
                raise InputError(f"the special token {part!r} is in the text, and not allowed")
        return ids

    # exercise 6.5: characters that are not yet whole
    def decode_stream(self, ids):
        """Yields the text of ids in parts, none empty, each as soon as its characters are whole;
        U+FFFD for what is not valid UTF-8. Raises InputError for an id not in self.tokens."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for i in ids:
            if i not in self.tokens:
                raise InputError(f"{i!r:.60} is no id of this vocabulary")
            if text := decoder.decode(self.tokens[i]):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def decode(self, ids):
        """The text of ids, as decode_stream gives it in parts."""
        return "".join(self.decode_stream(ids))


# %% 6. Files of real vocabularies
# Two formats are in use. A .tiktoken file (GPT-4, Llama 3) has a line for each token: its bytes in
# base64, and its rank; which pattern and special tokens go with them, one has to know. Hugging
# Face's tokenizer.json says everything, also for other kinds, which must be refused. Its tokens are
# strings, a printable character for each byte: where Latin-1 has none, one from U+0100 on.
SPARE = itertools.count(0x100)
CHARS = {i: chr(i if i != 32 and chr(i).isprintable() else next(SPARE)) for i in range(256)}
BYTES = {char: i for i, char in CHARS.items()}
JSON = """{"version": "1.0", "added_tokens": %s, "normalizer": %s,
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
  {"type": "Split", "pattern": {"Regex": %s}, "behavior": "Isolated", "invert": false},
  {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
 "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
 "model": {"type": "BPE", "ignore_merges": true, "vocab": %s, "merges": %s}}"""
# Read are files of this KIND; refused is what has any of OFF on, or a pattern re reads otherwise.
KIND = "(BPE )?(ByteLevel( True)?|Isolated Split ByteLevel False)( NFK?[CD])?"
OFF = ("lstrip rstrip single_word invert add_prefix_space dropout byte_fallback "
       "continuing_subword_prefix end_of_word_suffix").split()
FOREIGN = r"&&|(?<!\\)\[(?:\\.|[^]\\[])*\[|\{[\d,]+\}\+"


def save(tokenizer, path):
    """Write tokenizer.json if the path ends in .json, else .tiktoken, which has the ranks alone;
    under another name first, so that no file is half. tokenizer.json ranks pairs, not tokens:
    every pair that makes a token is listed. A piece that is a token is taken whole."""
    ranks, special = tokenizer.ranks, tokenizer.special_tokens
    by_rank = sorted(ranks, key=ranks.get)
    text = "".join(f"{base64.b64encode(token).decode()} {ranks[token]}\n" for token in by_rank)
    if str(path).endswith(".json"):
        name = {token: "".join(CHARS[byte] for byte in token) for token in by_rank}
        vocab = special | {name[token]: ranks[token] for token in by_rank}
        merges = [(name[token[:i]], name[token[i:]]) for token in by_rank
                  for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        off = dict.fromkeys(("normalized", "single_word", "lstrip", "rstrip"), False)
        added = [{"id": i, "content": s, "special": True, **off} for s, i in special.items()]
        form = tokenizer.normal_form and {"type": tokenizer.normal_form}
        # There {1,3}+ would mean one or more times, and $ the end of a line.
        pattern = tokenizer.pattern.replace("{1,3}+", "{1,3}").replace(r"\s++$", r"\s++\Z")
        text = JSON % tuple(map(json.dumps, (added, form, pattern, vocab, merges)))
    part = Path(f"{path}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def load(path, pattern=None):
    """The tokenizer in a tokenizer.json or .tiktoken file. Raises InputError for anything else.
    pattern is taken in place of the file's own; a .tiktoken file has none, and gets GPT-4's."""
    data = Path(path).read_bytes()
    try:
        if b"{" not in data:  # which is not used in base64
            rows = [line.split() for line in data.splitlines()]
            ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in rows}
            if len(ranks) < len(rows):
                raise ValueError("a token is there twice")
            return Tokenizer(ranks, pattern or GPT4_PATTERN)
        root = json.loads(data)
        model, form, added = root["model"], root.get("normalizer") or {}, root["added_tokens"]
        parts = root["pre_tokenizer"].get("pretokenizers") or [root["pre_tokenizer"]]
        said = ("type", "behavior", "use_regex")
        kind = " ".join(str(part[key]) if key in said else key
                        for part in (model, *parts, form, *added) for key in sorted(part)
                        if key in said or part[key] and key in OFF)
        own = parts[0]["pattern"]["Regex"] if len(parts) > 1 else GPT2_PATTERN
        if not re.fullmatch(KIND, kind) or re.search(FOREIGN, own) or not compiled(own, False):
            raise ValueError(f"{kind}, cut by {own}")
        special = {token["content"]: token["id"] for token in added}
        vocab = {name: i for name, i in model["vocab"].items() if special.get(name) != i}
        merged = ["".join(pair).replace(" ", "") for pair in model["merges"]]  # "a b", ["a", "b"]
        if sorted(merged, key=vocab.__getitem__) != merged or (
                len(vocab) > 256 + len(set(merged)) and not model.get("ignore_merges")):
            raise ValueError("its merges are not in the order of the ids, or not all there")
        ranks = {bytes(BYTES[char] for char in name): i for name, i in vocab.items()}
        return Tokenizer(ranks, pattern or own, special, form.get("type"))
    except Exception as error:  # whatever comes of bytes that mean something else
        raise InputError(f"{path}: no vocabulary as it is here: {error!r:.200}") from error


# %% 7. What tokens do to a model
# Much that seems odd about language models is only their tokens. A model does not see letters: to
# count them, it must have learned how each token is spelled. And what was rare in the text that the
# vocabulary was learned from, it sees in small bits, and pays for each.
SENTENCES = """\
English  The cat is asleep on the warm roof.
German   Die Katze schläft auf dem warmen Dach.
French   Le chat dort sur le toit chaud.
Spanish  El gato duerme en el tejado caliente.
Turkish  Kedi sıcak çatıda uyuyor.
Russian  Кошка спит на тёплой крыше.
Greek    Η γάτα κοιμάται στη ζεστή στέγη.
Hindi    बिल्ली गरम छत पर सो रही है।
Chinese  猫在温暖的屋顶上睡觉。
Arabic   القطة نائمة على السطح الدافئ."""
EXAMPLES = {
    "numbers are cut into threes from the left; those not learned, into digits": "7 77 777 1234567",
    "indentation is few tokens where much was code": "return x\n        return x",
    "a prompt that ends in a blank has used up the blank of the next word": "the same token ",
    "capitals make other words of them": "token Token TOKEN",
    "a rare name is spelled: that is all a model knows of it": "Karpathy Ngozi Okonjo-Iweala",
    "an emoji is bytes: a model can stop within it": "🙂"}


def shown(tokenizer, text):
    """The tokens of a text, with a dot between them; of a part of a character, its bytes."""
    return "·".join(tokenizer.tokens[i].decode(errors="backslashreplace")
                    for i in tokenizer.encode(text, "all"))


def show_effects(tokenizer):
    """Print tokens, and what some texts become: sentences, numbers, code and names."""
    print("\nthe first tokens that were learned")
    print(" ", *map(repr, list(tokenizer.ranks)[256:272]))
    print("\none sentence in ten languages: tokens are what is paid for\n  tokens  a character")
    for line in SENTENCES.splitlines():
        sentence = line.split(maxsplit=1)[1]
        n = len(tokenizer.encode(sentence))
        print(f"{n:8}{n / len(sentence):11.2f}  {line}")
    for effect, text in EXAMPLES.items():
        print(f"\n{effect}\n  {shown(tokenizer, text)}")


# You can stop here: what follows reads options.

# %% 8. The command line
def read_lines(paths):
    """Yields the lines of UTF-8 files, or of standard input (-). Raises InputError for others."""
    for path in paths:
        try:
            with open(0 if path == "-" else path, encoding="utf-8", newline="\n") as file:
                yield from file
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: {error}") from None


def main(argv=None):
    """Learns, encodes, decodes or shows. Raises InputError and OSError."""
    parser = argparse.ArgumentParser(usage="bpe.py [command] [files] [options]")
    parser.add_argument("command", nargs="?", help="tour (default), train, encode, decode or show",
                        default="tour", choices="tour train encode decode show".split())
    parser.add_argument("files", nargs="*", help="texts; or a vocabulary, and what to read")
    parser.add_argument("-o", "--output", help="train: file to write, .json or .tiktoken")
    parser.add_argument("--vocab-size", type=int, default=8192, help="train: size (default: 8192)")
    parser.add_argument("--pattern", default="gpt4", help="train: gpt2, gpt4, o200k or your own")
    parser.add_argument("--special", action="append", default=[], help="train: a special token")
    parser.add_argument("--allow-special", action="store_true", help="encode: special tokens too")
    args = parser.parse_intermixed_args(argv)
    if args.command == "tour":
        files = sorted(Path(__file__).parent.glob("[a-z]*.[pt][yx]*"))  # .py and .txt
        show_merges("aaabdaaabac")
        show_pieces("In 2024, they’d pay 1234.50   x(self.x)")
        show_effects(Tokenizer.train("".join(read_lines(files)), 2048))
    elif args.command == "train":
        text = "".join(read_lines(args.files))
        if not (text and args.output):
            raise InputError("train: no text to read, or no --output to write")
        pattern = PATTERNS.get(args.pattern, args.pattern)
        tokenizer = Tokenizer.train(text, args.vocab_size, pattern, args.special)
        save(tokenizer, args.output)
        print(f"{args.output}: {len(tokenizer.tokens)} tokens")
    elif not args.files:
        raise InputError(f"{args.command}: no vocabulary")
    else:
        tokenizer, lines = load(args.files[0]), read_lines(args.files[1:] or "-")
        if args.command == "show":
            lines = [shown(tokenizer, "".join(lines))]
        for line in lines:
            out, end = [line.removesuffix("\n")], "\n" * line.endswith("\n")
            if args.command == "encode":
                out = tokenizer.encode(*out, "all" if args.allow_special else ())
            elif args.command == "decode":
                ids = (int(i) if i.isdecimal() and len(i) < 10 else i for i in line.split())
                out = [tokenizer.decode(ids)]
            print(*out, end=end, flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        main()
    except (InputError, OSError) as error:
        print(f"bpe.py: error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)

# To find out: how long is a token of names.txt with 512, 1024, 2048 and 4096 of them? [1.7, 2.0,
# 2.2, 2.4] Are merges in this order the fewest tokens? [not for 4.7% of the names, with 1024]
