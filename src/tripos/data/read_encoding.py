"""Which encoding a text file is in: byte-order marks, then UTF-8, then the statistics of charset-normalizer.

charset-normalizer alone calls short Western text cp1250 or cp1257 as often as cp1252, and a lone degree sign
big5 (both seen on movielens titles and on made-up tables), so its vote counts only where it has evidence.
"""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes
from charset_normalizer.models import CharsetMatch

from tripos.data.messages import closest, state
from tripos.data.read_bytes import HEAD, Source
from tripos.errors import TableError

UTF8 = "utf-8-sig"  # UTF-8 with or without a byte-order mark
BOMS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LATIN = ("cp1252", "cp1250", "cp1254", "mac_roman", "cp850")
MULTIBYTE = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
CANDIDATES = (*LATIN, "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "tis_620", *MULTIBYTE)
EVIDENCE = 16 << 10  # bytes of non-ASCII words shown to charset-normalizer, which reads about 1 MB/s
CONTROL = bytes(
    set(range(32)) - set(b"\t\n\r\x0c\x01\x1c\x1d\x1e\x1f\x1b")
)  # \x01, \x1c-\x1f serve as delimiters
USUAL_NAMES = (
    "utf-8",
    "utf-16",
    "cp1252",
    "latin-1",
    "cp1250",
    "cp1251",
    "shift_jis",
    "gb18030",
    "big5",
    "euc-kr",
    "koi8-r",
)


def encoding_of(source: Source, named: str | None = None) -> str:
    """The encoding by which the source is to be decoded: the one named by the user, else the one detected.

    Raises
    ------
    TableError
        If the name is no encoding, or the bytes are no text.
    """
    head = source.head()
    if named is not None:
        return _checked(source, head, named)
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        return _without_mark(source, head)
    if len(head.translate(None, CONTROL)) < 0.99 * len(head):
        raise _no_text(source)
    return UTF8 if is_utf8(head, whole=len(head) < HEAD) else detect(source)


def is_utf8(head: bytes, *, whole: bool) -> bool:
    """Whether the bytes are UTF-8; unless they are the whole text, its last character may be cut."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def detect(source: Source) -> str:
    """The most plausible encoding of a file that is not UTF-8, stated with the first line it shows in."""
    words, line = _foreign_words(source)
    encoding = guess(words)
    if encoding is None:
        raise _no_text(source)
    state(
        f"{source.name} is not UTF-8 (first at line {line:,}): read as {encoding}; pass encoding= if that is wrong."
    )
    return encoding


def guess(words: bytes) -> str | None:
    """The encoding that best explains some words with bytes above 127; None if none does.

    >>> guess("Größe über Öl".encode("latin-1")), guess("Привет, мир".encode("cp1251"))
    ('cp1252', 'cp1251')
    """
    matches = list(from_bytes(words, cp_isolation=list(CANDIDATES), threshold=0.4))
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", words)]
    western = _decodes(words, "cp1252")
    if runs.count(1) * 2 > len(runs):  # lone accents and symbols: Latin letters
        matches = [match for match in matches if match.encoding in LATIN]
    elif sum(runs) >= 3 * len(runs):  # whole words above 127: another script
        matches, western = [match for match in matches if match.encoding not in LATIN], None
    if not matches:
        return "cp1252" if western else None
    best = matches[0]
    same = western is not None and (western == str(best) or "cp1252" in best.could_be_from_charset)
    if same or (western is not None and _no_better(best, matches, sum(runs))):
        return "cp1252"
    return best.encoding


def _no_better(best: CharsetMatch, matches: list[CharsetMatch], n_bytes: int) -> bool:
    """Whether the best guess rests on nothing that Western European text would not explain as well.

    `coherence` is how far the letters' frequencies are those of a language; without any, and with few bytes
    above 127, the commonest encoding is the better bet.
    """
    other = next((match for match in matches if "cp1252" in match.could_be_from_charset), None)
    if other is None:
        return best.coherence == 0 and best.encoding not in MULTIBYTE and (n_bytes < 8 or len(matches) > 1)
    return other.chaos <= best.chaos + 0.01 and other.coherence >= best.coherence - 0.02


def _decodes(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _foreign_words(source: Source) -> tuple[bytes, int]:
    """Words with bytes above 127, up to `EVIDENCE`, and the line of the first."""
    found: list[bytes] = []
    size, line, first = 0, 1, 1
    for chunk in source.chunks():
        for match in re.finditer(rb"[\w' -]{0,20}[\x80-\xff][\w' \x80-\xff-]*", chunk):
            first = first if found else line + chunk.count(b"\n", 0, match.start())
            found.append(match.group())
            size += len(match.group())
        line += chunk.count(b"\n")
        if size >= EVIDENCE:
            break
    return b"\n".join(found)[:EVIDENCE], first


def _checked(source: Source, head: bytes, named: str) -> str:
    try:
        encoding = codecs.lookup(named).name
        "".encode(encoding)
    except LookupError:
        raise TableError(
            f"encoding={named!r} is not a known encoding. {closest(named, USUAL_NAMES)}"
        ) from None
    if encoding == "utf-8":
        encoding = UTF8
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"{source.name} is not {named}: byte 0x{head[error.start]:02x} in line {line:,} does not decode; "
            "name the right encoding, or leave it out to have it detected."
        ) from error
    return encoding


def _without_mark(source: Source, head: bytes) -> str:
    """UTF-16 without a mark shows as a zero in every second byte of Western text; other zeros are no text."""
    even, odd = head[0::2].count(0) / max(len(head) // 2, 1), head[1::2].count(0) / max(len(head) // 2, 1)
    if odd > 0.5 and even < 0.1:
        return "utf-16-le"
    if even > 0.5 and odd < 0.1:
        return "utf-16-be"
    raise _no_text(source)


def _no_text(source: Source) -> TableError:
    return TableError(
        f"{source.name} holds binary data, not a text table; if it is a table, export it as CSV or Parquet."
    )
