"""Any text for every parser: what it does not know it refuses in its one way, soon, and what it took reads back.

`make test` tries a few hundred texts each, `make fuzz` as many as asked for.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from followups.api import cursor
from followups.domain import addresses, checklist, ids, lineage
from followups.domain.contract import EVIDENCE_LIMIT, SUMMARY_LIMIT, Usage, fit, read_answer
from followups.domain.errors import Invalid, Refused
from followups.domain.lineage import RunToken
from followups.domain.messages import Message, read_message
from followups.domain.rule import Rule
from followups.domain.status import Verdict
from followups.domain.text import first_line, plain, unfit
from followups.domain.when import HORIZON, parse
from followups.domain.zones import ABBREVIATIONS, find_zone
from tests.support.fuzz import search
from tests.support.hostile import any_text, in_time, json_values, nearly, spoiled

NOW = datetime(2026, 11, 24, 12, 0, 30, 999_000, tzinfo=UTC)
ZONES = sorted(
    it for it in available_timezones() if it.lower() not in {*ABBREVIATIONS, "factory", "localtime", "posixrules"}
)
SECRET, OTHER = b"secret of at least 32 bytes ......", b"another of at least 32 bytes ....."

# When

TIMES = st.sampled_from(
    [
        "7d", "1w", "90m", "12h", "30s", "in 3 hours", "in a week", "in 10 seconds", "2026-12-01", "2026-12-01T09:00",
        "2026-12-01T09:00:00Z", "2026-12-01 09:00+01:00", "daily", "weekly", "every other friday at 9 until 2027-03-01",
        "0 9 * * 1-5", "tomorrow at 9", "every month on the 31st", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3",
        "mon, wed at 9 except dec 25", "P7D",
    ]
) | st.from_regex(r"(in )?[0-9]{1,12} ?(s|m|h|d|w|seconds|weeks)", fullmatch=True) | st.from_regex(
    r"[0-9]{4,5}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?", fullmatch=True
)  # fmt: skip
CODES = {"due_required", "invalid_due", "due_in_past", "due_out_of_range", "invalid_recurrence", "interval_too_short"}


@search(20, share=4)
@given(
    TIMES | nearly(TIMES) | any_text,
    st.sampled_from(ZONES),
    st.just(NOW) | st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)
def test_a_time_is_understood_or_refused(text: str, zone: str, at: datetime) -> None:
    with in_time():
        try:
            it = parse(text, at=at, timezone=zone)
        except Invalid as refused:
            assert refused.code in {*CODES, "unknown_timezone"} and refused.field == "due"
            assert len(refused.detail) < 500
            refused.detail.encode()
            return
    now = at.replace(microsecond=0)
    assert timedelta(0) < it.due_at - now <= HORIZON
    assert (it.due_at.utcoffset(), it.due_at.microsecond, it.text) == (timedelta(0), 0, text)
    assert it.timezone in it.words
    if it.rule is None:
        again = parse(f"{it.due_at:%Y-%m-%dT%H:%M:%S}Z", at=at, timezone=zone)
        assert again.due_at == it.due_at, "what was understood can be said"
    else:
        assert Rule.parse(str(it.rule)) == it.rule


@search(30)
@given(any_text | nearly(st.sampled_from(ZONES)))
@example("Europe/Berlin/")
@example("posix/Europe/Berlin")
def test_a_zone_is_one_or_refused(name: str) -> None:
    with in_time():
        try:
            assert find_zone(name).key == name
        except Invalid as refused:
            assert (refused.code, refused.field) == ("unknown_timezone", "timezone")
            refused.detail.encode()


# What was signed

OWNERS = st.sampled_from(["me", "111122223333/AROAEXAMPLE", "o#o", "日本", "a b"]) | any_text.filter(ids.is_owner)
IDS = st.integers(0, 2**32).map(lambda number: ids.derive_id("search", str(number)))
#: A token holds its run's deadline to the second.
DEADLINES = st.datetimes(datetime(1970, 1, 2), timezones=st.just(UTC)).map(lambda it: it.replace(microsecond=0))
TOKENS = st.builds(RunToken, OWNERS, IDS, st.integers(1, 10**9), DEADLINES)


@search(30)
@given(TOKENS)
def test_a_token_reads_back_with_either_key(run: RunToken) -> None:
    token = lineage.sign_run(run, SECRET)
    assert lineage.read_run_token(token, [OTHER, SECRET]) == run
    assert token.isascii() and token.isprintable(), "a header can hold it"
    with pytest.raises(Refused, match="invalid_run_token"):
        lineage.read_run_token(token, [OTHER])


@search(30)
@given(TOKENS, st.data())
def test_a_token_with_a_bit_flipped_is_refused(run: RunToken, data: st.DataObject) -> None:
    raw = bytearray(lineage.sign_run(run, SECRET).encode())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused, match="invalid_run_token"):
        lineage.read_run_token(raw.decode("latin-1"), [SECRET])


@search(40)
@given(any_text | nearly(TOKENS.map(lambda it: lineage.sign_run(it, SECRET))), st.sampled_from([SECRET, OTHER]))
def test_no_text_is_a_token_by_chance(text: str, secret: bytes) -> None:
    with in_time():
        try:
            run = lineage.read_run_token(text, [secret])
        except Refused as refused:
            assert refused.code == "invalid_run_token"
            return
    assert lineage.sign_run(run, secret) == text, "one run has one token"


PLACES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@search(30)
@given(PLACES, PLACES, PLACES)
def test_a_cursor_is_good_for_its_listing_only(after: str, scope: str, other: str) -> None:
    signed = cursor.sign(after, scope, SECRET)
    assert cursor.read(signed, scope, [OTHER, SECRET]) == after
    assert re.fullmatch(r"[A-Za-z0-9_-]+", signed), "a query can hold it"
    for secret, where in ((OTHER, scope), (SECRET, scope + other)):
        with pytest.raises(Refused, match="invalid_cursor"):
            cursor.read(signed, where, [secret])


@search(30)
@given(PLACES, st.data())
def test_a_cursor_with_a_bit_flipped_is_refused(after: str, data: st.DataObject) -> None:
    raw = bytearray(cursor.sign(after, "me", SECRET).encode())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused, match="invalid_cursor"):
        cursor.read(raw.decode("latin-1"), "me", [SECRET])


@search(30)
@given(any_text | nearly(PLACES.map(lambda it: cursor.sign(it, "me", SECRET))))
def test_no_text_is_a_cursor_by_chance(text: str) -> None:
    with in_time():
        try:
            after = cursor.read(text, "me", [SECRET])
        except Refused as refused:
            assert refused.code == "invalid_cursor"
            return
    assert cursor.sign(after, "me", SECRET) == text


# Messages and names

MESSAGE = json.loads(Message("start", "me", "a" * 26, 3).to_json())


@search(40)
@given(
    any_text
    | json_values.map(json.dumps)
    | spoiled(MESSAGE).map(json.dumps)
    | nearly(st.just(json.dumps(MESSAGE)))
    | st.builds(lambda depth, end: "[" * depth + end, st.integers(0, 100_000), any_text)
)
def test_a_message_is_one_or_none(body: str) -> None:
    with in_time():
        message = read_message(body)
    if message is not None:
        assert ids.is_owner(message.owner) and ids.is_id(message.follow_up_id) and 0 < message.fence < 10**9
        assert read_message(message.to_json()) == message
        assert len(str(ids.follow_up_key(message.owner, message.follow_up_id)).encode()) < 2_048, "a table's key holds it"


@search(30)
@given(any_text | nearly(st.builds(ids.run_id, IDS, st.integers(0, 999_999))))
@example(f"run-{'a' * 26}-٠٠٠٠٠١")
def test_a_runs_name_has_one_spelling(text: str) -> None:
    for name in (text, f"me#{text}"):
        parsed, slot = ids.parse_run_id(name), ids.parse_slot_id(name)
        assert parsed is None or ids.run_id(*parsed) == name
        assert slot is None or ids.slot_id(*slot) == name


# What agents answer, and what people write

ANSWERS = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["succeeded", "attention", "failed", "great"]) | json_values},
    optional={
        "summary": json_values, "report_md": json_values, "verdict": st.sampled_from(list(Verdict)) | json_values,
        "evidence": json_values, "findings": st.lists(json_values, max_size=3) | json_values,
        "usage": st.dictionaries(st.sampled_from(["model", "input_tokens", "output_tokens", "cost_usd"]), json_values)
        | json_values,
    },
)  # fmt: skip


@search(40)
@given(
    any_text
    | ANSWERS.map(json.dumps)
    | nearly(ANSWERS.map(json.dumps))
    | json_values.map(json.dumps)
    | st.builds(lambda text, count: text * count, any_text, st.integers(0, 20_000)),
    st.none() | any_text,
)
def test_any_answer_ends_a_run(text: str, failed: str | None) -> None:
    with in_time(3):
        done = read_answer(text, failed=failed)
    assert len(done.summary) <= SUMMARY_LIMIT and len(done.evidence) <= EVIDENCE_LIMIT
    assert len(fit(done.report, 100).encode()) <= 100
    usage = done.usage or Usage(model="m")
    assert usage != Usage(), "what says nothing is none"
    assert all(it is None or 0 <= it < 10**15 for it in (usage.input_tokens, usage.output_tokens))
    assert usage.cost_usd is None or re.fullmatch(r"\d{1,10}(\.\d{0,8}[1-9])?", usage.cost_usd, re.ASCII)
    assert done.summary or failed is not None
    assert "\n" not in done.summary or failed is not None
    for shown in (done.summary, done.report, done.evidence, usage.model or ""):
        shown.encode()
        assert unfit(shown, lines=True) is None
        assert plain(shown) == shown


LINES = st.sampled_from([*checklist.FORMS, 'disk "/mnt/my data" >=  12.5 %', "file ~/b is missing", "port [::1]:22 open",
                         "http https://example.com/x?y is 204", "command sh -c 'exit 0'", "# a comment", ""])  # fmt: skip


@search(40)
@given(
    any_text
    | st.lists(LINES | nearly(LINES), max_size=4).map("\n".join)
    | st.builds(lambda verb, text, end: f"{verb} {text} {end}", st.sampled_from(["disk", "file", "port", "http"]),
                any_text, st.sampled_from(["< 80%", "newer than 1d", "open", "is 200"])),
    st.booleans(),
)  # fmt: skip
def test_a_checklist_is_read_or_refused(message: str, allow_commands: bool) -> None:
    with in_time():
        try:
            checks = checklist.parse(message, allow_commands=allow_commands)
        except Invalid as refused:
            assert (refused.code, refused.field) == ("invalid_checklist", "message")
            assert len(refused.detail) < 400
            refused.detail.encode()
            return
    assert checks
    for check in checks:
        assert checklist.parse(check.line, allow_commands=allow_commands) == (check,), "a line says the same alone"
        assert allow_commands or not isinstance(check, checklist.CommandCheck)


@search(40)
@given(any_text | st.text(st.sampled_from("\x1b[]0;m\x07\\ -/@~\u200b\u202e\r\na"), max_size=40))
def test_plain_text_is_plain(text: str) -> None:
    with in_time():
        shown = plain(text)
    assert plain(shown) == shown
    assert unfit(shown, lines=True) is None
    shown.encode()
    line = first_line(shown)
    assert unfit(line, lines=False) is None and len(line) <= 200
    assert bool(line) == bool(shown.strip())


ADDRESSES = st.sampled_from(["a@b.co", "first.last+tag@sub.example.com", "o'neil_x@example.org", "*@b.co", "=?x?=@b.co"])


@search(40)
@given(any_text | nearly(ADDRESSES) | st.builds(lambda part, n: part * n, st.sampled_from(["a", "a.", "a@", "a-"]),
                                                st.integers(0, 50_000)))  # fmt: skip
def test_an_address_is_one_that_a_header_can_hold(text: str) -> None:
    with in_time():
        found, pattern = addresses.is_address(text), addresses.is_recipient_pattern(text)
    if found:
        assert text.isascii() and text.isprintable() and not set(text) & set(' ,;<>()[]\\"')
        assert text.count("@") == 1 and len(text) <= 254
        assert addresses.is_allowed(text, (text,)) and addresses.is_allowed(text, ("*",))
    if pattern and text != "*":
        assert text.count("*") <= 1 and "?" not in text
    assert not addresses.is_allowed(text, ())


def test_a_zone_of_the_machine_is_as_good_as_tzdata_s() -> None:
    """What the search above counts on."""
    assert {ZoneInfo(name).key for name in ZONES} == set(ZONES)
