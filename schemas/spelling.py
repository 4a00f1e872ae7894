"""Ways of writing digits, texts and dates, for whoever looks for numbers behind them. Pure."""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from urllib.parse import unquote

_CHINESE = str.maketrans(
    "〇○零一二三四五六七八九幺壹贰貳叁參肆伍陆陸柒捌玖两", "00012345678911223345667892"
)
_LIKE_X = str.maketrans("×✕хχ", "xxxx")
_GAP = re.compile(r"(?<=\d)[\W_]{1,6}(?=[\dx])")
_TIME = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:\s?z|\s?[+-]\d\d:?\d\d)?"
_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|[12]\\d|3[01])"
_DATE = rf"(?:(?:19|20)\d\d([-/.]){_MONTH}\1{_DAY}|{_DAY}([-/]){_DAY}\2(?:19|20)\d\d)"
_DATES = re.compile(rf"(?<!\d){_DATE}(?!\d)")
#: A time of day, with its date before it, and ms since 1970 (2014 to 2096) as they stand in ids.
_MOMENTS = re.compile(
    rf"(?<![\d:.])(?:{_DATE}[t\s]*)?{_TIME}(?![\d:])|(?<!\d)(?:1[4-9]|[23]\d)\d{{11}}(?!\d)"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{14,}={0,2}")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){7,}(?![0-9a-fA-F])")
_MARK = " t "  # nothing that the digits on its sides could join over


def normalise(text: str) -> str:
    """One spelling: NFKC, invisible characters gone, digits of any script as 0 to 9, lower case."""
    return _plain(text).lower()


def spellings(text: str) -> list[str]:
    """The text, and what it says where it is encoded for an address, HTML, base64 or hex."""
    plain = _plain(text)
    found = [plain, unquote(plain), html.unescape(plain)]
    found += [said for token in _HEX.findall(plain) if (said := _said(_of_hex(token)))]
    found += [said for token in _BASE64.findall(plain) if (said := _said(_of_base64(token)))]
    return list(dict.fromkeys(normalise(one) for one in found))


def digits_of(seen: str) -> str:
    """Chinese digits as digits, and letters that look like the x of an ID number as x."""
    return seen.translate(_CHINESE).translate(_LIKE_X)


def squeezed(digits: str) -> str:
    """Without what stands between digits."""
    return _GAP.sub("", digits)


def without_moments(seen: str) -> str:
    """Without times of day and ms since 1970: their digits make any number there is."""
    return _MOMENTS.sub(_MARK, seen)


def without_dates(seen: str) -> str:
    """Without days, which an ID number has within it, too."""
    return _DATES.sub(_MARK, seen)


def _plain(text: str) -> str:
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in unicodedata.normalize("NFKC", text)
        if c in "\t\n " or unicodedata.category(c) not in ("Cf", "Cc", "Mn", "Me")
    )


def _of_hex(token: str) -> bytes:
    return bytes.fromhex(token)


def _of_base64(token: str) -> bytes:
    bare = token.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return b""


def _said(raw: bytes) -> str:
    """A text, or nothing where the bytes are none: what looks encoded mostly is not."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""
