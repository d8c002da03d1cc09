"""Mail addresses: the plain ones that every mail service takes, and nothing cleverer."""

import re

#: The dot-atom forms of RFC 5322 §3.4.1, in ASCII; a domain needs a dot (SES takes no other local part).
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_ADDRESS = re.compile(rf"({_ATEXT}(?:\.{_ATEXT})*)@({_DOMAIN.pattern})")
#: The same as one regular expression for others, which says nothing of lengths.
PATTERN = _ADDRESS.pattern
_LONGEST_LOCAL, _LONGEST = 64, 254


def is_address(text: str) -> bool:
    """Says whether the text is one bare mail address such as `ops@example.com`, without a name beside it."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(text) <= _LONGEST and len(found[1]) <= _LONGEST_LOCAL and not found[2][-1].isdigit()


def is_recipient_pattern(text: str) -> bool:
    """Says whether the text may stand in a list of allowed recipients: an address, `*@` and a domain, or `*`.

    No other wildcard: AWS's policies, which hold the same list, would read `*` and `?` anywhere as one.
    """
    if text == "*":
        return True
    return is_address(f"any{text[1:]}") if text.startswith("*@") else is_address(text) and not set(text) & {"*", "?"}


def is_allowed(address: str, patterns: tuple[str, ...]) -> bool:
    """Says whether a recipient is on the list. To the letter, as AWS's policies compare."""
    everybody_there = f"*@{address.rpartition('@')[2]}"
    return any(pattern in ("*", address, everybody_there) for pattern in patterns)
