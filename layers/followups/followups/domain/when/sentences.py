"""A sentence's task and its time: `Verify the bridge in 3 days`. The longest end that is a time wins."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from followups.domain.errors import Invalid
from followups.domain.meaning import When
from followups.domain.when.bounds import NoBound
from followups.domain.when.clock import split_time
from followups.domain.when.names import listed
from followups.domain.when.near import is_time_word, spelled
from followups.domain.when.plain import plain
from followups.domain.when.reading import TEXT_LIMIT, Reader
from followups.domain.when.refusals import Refusal, offer, quoted, refused
from followups.domain.when.spans import read_span
from followups.domain.zones import ABBREVIATIONS

#: The time is looked for in so many of the last words.
_MOST_WORDS = 24
#: Such a word leads on to what follows it: a task does not end with it.
_LEADING = listed(
    "by before after until till since from in on at for of per to the a an and or with than every each next last this past "
    "previous other first second third fourth 1st 2nd 3rd 4th between within over under during about around through thru "
    "except excluding starting beginning ending up as only dated times half & - x vs"
)
#: After such a word, a time belongs to the task: `Read the notes of monday tomorrow`.
_OF_THE_TASK = listed("for of from about since by before until till after than on the")
_RECURRING = frozenset(["every", "each", "twice", "once", "thrice", "per", "next"])
#: Nor with one that is nearly such: `Check the disk evry monday`.
_MISSPELT = frozenset(["every", "until", "starting"])
_EXAMPLES = ("Check the backups in 7 days", "Check the backups every monday at 9am")
_R = TypeVar("_R", bound=Refusal)


def all_of_a_time(words: list[str]) -> bool:
    """Says whether each word is one that times have, or nearly so: then there is no task among them."""
    *front, last = spelled(plain(" ".join(words))).split() or [""]
    return all(map(is_time_word, front)) and (is_time_word(last) or last in ABBREVIATIONS)


def read_task(text: str, reader: Reader) -> tuple[str, When] | None:
    """Gives a sentence's task and time, or None if there is no time at its end. Raises Refusal."""
    parts = text.strip().rstrip(".!?").split()
    half: NoBound | None = None
    if len(text) <= TEXT_LIMIT and all_of_a_time(parts):
        raise Refusal("it says when, and not what is to be done", code="due_required" if not parts else "invalid_due")
    for start in range(max(2, len(parts) - _MOST_WORDS), len(parts)):
        front, end = parts[:start], " ".join(parts[start:])
        if len(end) > TEXT_LIMIT:
            continue
        try:
            if found := reader.read(end):
                return _task(front, end, reader), found
        except NoBound as error:
            half = half or _led(error, front)
            # "Check daily for errors in 3 days": such a word leads on to much beside times.
            if error.bound not in ("for", "from", "through"):
                break
        except Refusal as refusal:
            raise _led(refusal, front) from refusal
    if half is not None:
        raise half
    return None


def unread(text: str, refusal: Refusal | None, reader: Reader) -> Invalid:
    """Gives the error for a sentence whose time is refused, or that has none, with what it would be with one."""

    def taken(way: str) -> bool:
        try:
            return read_task(way, reader) is not None
        except Refusal:
            return False

    why = refusal or Refusal("it has no time at its end that I know", code="due_required")
    ways = next(filter(None, (offer(ways, taken) for ways in _ways(text, why, reader))), ())
    return refused(text, why, "text", ways, lambda _: True)


def _ways(text: str, refusal: Refusal, reader: Reader) -> Iterator[Iterable[str]]:
    """Gives what to offer, the best first: what its last words may have meant; its first words at its end; a time more."""
    parts = text.strip().rstrip(".!?").split() if len(text) <= TEXT_LIMIT else []
    count = _tail(spelled(" ".join(parts[-_MOST_WORDS:]).lower()).split())
    task, end = " ".join(parts[: len(parts) - count]), " ".join(parts[len(parts) - count :])
    guessed = (f"{task} {way}" for way in reader.guesses(end)) if end else ()
    yield from (guessed, refusal.suggestions) if isinstance(refusal, NoBound) else (refusal.suggestions, guessed)
    starts = range(min(_MOST_WORDS, len(parts) - 2), 0, -1)
    yield (f"{' '.join(parts[it:])} {' '.join(parts[:it])}" for it in starts if reader.takes(" ".join(parts[:it])))
    yield f"{' '.join(parts)} in 7 days", f"{' '.join(parts)} every monday at 9am"
    yield _EXAMPLES


def _tail(words: list[str]) -> int:
    """Gives how many of the last words are such as times have."""
    return next((count for count, word in enumerate(reversed(words)) if not is_time_word(word)), len(words))


def _led(refusal: _R, front: list[str]) -> _R:
    """Gives the refusal with suggestions that are whole sentences."""
    refusal.suggestions = tuple(f"{' '.join(front)} {way}" for way in refusal.suggestions)
    return refusal


def _task(front: list[str], end: str, reader: Reader) -> str:
    """Gives the task of a sentence. Raises Refusal if what stands before the time may belong to it."""
    task = " ".join(front).rstrip(" ,;:-")
    words = [word.lower().strip(",;:") for word in front]
    tail = words[len(words) - _tail(words) :]
    leads = words[-1] in _LEADING or spelled(words[-1]) in _MISSPELT or words[0] in ("every", "each")
    if leads or _RECURRING.intersection(tail) or len(tail) == len(words) or _ends_in_time(words, tail, reader):
        raise Refusal(
            f"what stands before the time ({quoted(' '.join(front[-4:]))}) may belong to it, and I do not know how"
        )
    said = plain(end)
    if said[0].isdigit() and not said.endswith("from now") and read_span(split_time(said)[0]):
        raise Refusal("say with 'in' that the time is to pass", f"in {end}")
    if len(task.split()) < 2:
        raise Refusal("what is left is no task; say in two words or more what is to be done")
    return task


def _ends_in_time(words: list[str], tail: list[str], reader: Reader) -> bool:
    """Says whether there is one more time at the end of a task."""
    for start in range(len(words) - len(tail), len(words)):
        if reader.takes(" ".join(words[start:])):
            return start == 0 or words[start - 1] not in _OF_THE_TASK
    return False
