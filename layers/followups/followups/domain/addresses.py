"""Mail addresses: the plain ones that every mail service takes, and nothing cleverer."""

import re

#: The dot-atom forms of RFC 5322 §3.4.1, in ASCII; a domain needs a dot (SES takes no other local part).
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_ADDRESS = re.compile(rf"({_ATEXT}(?:\.{_ATEXT})*)@({_DOMAIN.pattern})")
_LONGEST_LOCAL, _LONGEST = 64, 254


def is_address(text: str) -> bool:
    """Says whether the text is one bare mail address such as `ops@example.com`, without a name beside it."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(text) <= _LONGEST and len(found[1]) <= _LONGEST_LOCAL and not found[2][-1].isdigit()


def is_recipient_pattern(text: str) -> bool:
    """Says whether the text may stand in a list of allowed recipients: an address, `*@` and a domain, or `*`."""
    return text == "*" or is_address(text) or (text.startswith("*@") and is_address(f"any{text[1:]}"))


def is_allowed(address: str, patterns: tuple[str, ...]) -> bool:
    """Says whether a recipient is on the list. Case counts nowhere but in the part before the @."""
    local, _, domain = address.rpartition("@")
    for pattern in patterns:
        allowed_local, _, allowed_domain = pattern.rpartition("@")
        if pattern == "*" or (allowed_local in ("*", local) and allowed_domain.lower() == domain.lower()):
            return True
    return False
