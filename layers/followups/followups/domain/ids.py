"""Names: of follow-ups, of runs, and the keys under which a store keeps each thing (DESIGN.md §5)."""

import base64
import hashlib
import re
import zlib
from datetime import datetime
from typing import NamedTuple

ID_LENGTH = 26
#: What an agent may be called.
AGENT_NAME = re.compile(r"@[a-z0-9][a-z0-9_.-]{0,38}")
_ID = re.compile(r"[a-z2-7]{26}")
_RUN_ID = re.compile(r"run-([a-z2-7]{26})-(\d{6})", re.ASCII)
#: A table's key has room for it, whatever its characters (2,048 bytes).
_LONGEST_OWNER = 256


class Key(NamedTuple):
    """The primary key of a stored item, as in the one table: partition and sort key."""

    pk: str
    sk: str


def encode_id(raw: bytes) -> str:
    """Gives 26 lower-case base32 characters (RFC 4648 §6) for at least 17 bytes, of which the first 130 bits count."""
    return base64.b32encode(raw).decode().lower()[:ID_LENGTH]


def derive_id(owner: str, idempotency_key: str) -> str:
    """Gives the id that this owner's `Idempotency-Key` always leads to: the create needs no second item to be once only."""
    digest = hashlib.sha256(f"{len(owner)}:{owner}:{idempotency_key}".encode()).digest()
    return encode_id(digest)


def is_id(text: str) -> bool:
    """Says whether the text has the form of a follow-up's id."""
    return _ID.fullmatch(text) is not None


def is_owner(text: str) -> bool:
    """Says whether the text may be an owner's name, which stands in keys: 1 to 256 characters that can be seen."""
    return 0 < len(text) <= _LONGEST_OWNER and text.isprintable()


def run_id(follow_up_id: str, fence: int) -> str:
    """Gives the run's id, 37 characters: valid as every target's idempotency token. `fence` is 1 to 999,999."""
    return f"run-{follow_up_id}-{fence:06d}"


def parse_run_id(text: str) -> tuple[str, int] | None:
    """Gives (follow-up id, fence) of a run's id, or None if it is none."""
    found = _RUN_ID.fullmatch(text)
    return (found[1], int(found[2])) if found else None


def slot_id(owner: str, follow_up_id: str, fence: int) -> str:
    """Gives the member that a live run is in a slot set: it leads back to its follow-up."""
    return f"{owner}#{run_id(follow_up_id, fence)}"


def parse_slot_id(text: str) -> tuple[str, str, int] | None:
    """Gives (owner, follow-up id, fence) of a slot set's member, or None if it is none."""
    owner, parted, run = text.rpartition("#")
    parsed = parse_run_id(run) if parted else None
    return (owner, *parsed) if parsed else None


def follow_up_key(owner: str, follow_up_id: str) -> Key:
    return Key(f"{owner}#{follow_up_id}", "META")


def run_key(owner: str, follow_up_id: str, fence: int) -> Key:
    return Key(f"{owner}#{follow_up_id}", f"RUN#{fence:06d}")


def name_key(owner: str, replace_key: str) -> Key:
    """Gives where it is kept which follow-up goes by an owner's name for it."""
    return Key(f"OWNER#{owner}", f"NAME#{replace_key}")


def share_of(text: str, seconds: int) -> int:
    """Gives a number of seconds, 0 to `seconds`, that is always the same for the text and spread evenly over texts."""
    return zlib.crc32(text.encode()) % (seconds + 1)


def agent_key(name: str) -> Key:
    return Key(f"AGENT#{name}", "META")


def agent_slots_key(name: str) -> Key:
    return Key(f"AGENT#{name}", "SLOTS")


def tree_key(owner: str, root_id: str) -> Key:
    """Gives where the ids of all that a root's runs have led to are kept: a set, whose size is the tree's budget."""
    return Key(f"{owner}#{root_id}", "TREE")


def quota_key(owner: str) -> Key:
    """Gives where an owner's open follow-ups are counted."""
    return Key(f"OWNER#{owner}", "QUOTA")


def hour_key(owner: str, at: datetime) -> Key:
    """Gives where an owner's runs of the hour (UTC) of `at` are counted."""
    return Key(f"OWNER#{owner}", f"HOUR#{at:%Y-%m-%dT%H}")


ALL_SLOTS_KEY = Key("SLOTS", "ALL")
CONTROL_KEY = Key("CONTROL", "META")
