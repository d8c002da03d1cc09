"""Text from outside: what may be stored, and what may be shown."""

import re
import unicodedata

#: ANSI escape sequences (ECMA-48 §5.4): CSI, OSC and two-character ones.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
#: Bidirectional controls can make a text show other than it reads (Unicode TR 36 §2.1.1), and tags hide text whole.
_DECEPTIVE = "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\U000e0000-\U000e007f"
#: Unicode's Cc without newline and tab, Cs, Zl and Zp. As a pattern: an agent's answer may have millions of characters.
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
_UNSEEN = re.compile(f"[{_DECEPTIVE}{_CONTROL}]")
_KEEP = "\n\t"


def plain(text: str) -> str:
    """Gives the text without escape sequences, control characters (but newline and tab) and bidirectional controls."""
    return _UNSEEN.sub("", _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def first_line(text: str, limit: int = 200) -> str:
    """Gives the first line that is not blank, its blanks made single, at most `limit` characters, or the empty text."""
    for line in text.splitlines():
        if line := " ".join(line.split()):
            return line if len(line) <= limit else line[: limit - 1] + "…"
    return ""


def unfit(text: str, *, lines: bool) -> str | None:
    """Says what makes a text unfit to be stored, or None. `lines`: whether it may have several lines."""
    for character in text:
        if character in _KEEP and lines:
            continue
        category = unicodedata.category(character)
        if category == "Cs":
            return "half of a surrogate pair"
        if category in ("Cc", "Zl", "Zp"):
            name = {"\n": "a line break", "\r": "a carriage return", "\t": "a tab"}.get(character)
            return name or f"the control character U+{ord(character):04X}"
    return None
