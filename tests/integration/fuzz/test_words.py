"""Any words for the command, any settings, any text in a report."""

import email
import email.policy
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from followups import config, lambda_settings
from followups.adapters.mail import build_message
from followups.adapters.outbox import file_name
from followups.domain.errors import ConfigError, MailRefused
from followups.domain.report import compose
from followups.domain.status import Outcome, Status
from tests.support import cfn
from tests.support.fuzz import search
from tests.support.hostile import any_text, in_time, json_values, nearly, spoiled
from tests.support.laptop import Laptop
from tests.support.runs import run_record

# The command line

#: None that serves, sleeps or runs agents.
COMMANDS = [
    "create",
    "list",
    "show",
    "runs",
    "report",
    "edit",
    "delete",
    "pause",
    "resume",
    "run",
    "agents",
    "config",
    "--json",
]
WORDS = st.sampled_from(
    [*COMMANDS, "add", "remove", "@checklist", "7d", "weekly", "disk / < 99%", "--due", "--to", "--key", "--task", "--all",
     "--status", "--command", "--timezone", "Europe/Berlin", "--max-attempts", "3", "cap", "--unset", "--help", "--", "-h"]
)  # fmt: skip


def _argument(text: str) -> str:
    return text.replace("\x00", "")  # what ends an argument, to the system


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(tmp_path_factory.mktemp("desk") / "home")


@search(25, share=0.5)
@given(
    st.sampled_from(COMMANDS),
    st.lists(WORDS | nearly(WORDS).map(_argument) | any_text.map(_argument), max_size=5),
)
@example("show", ["\udcff"])
@example("agents", ["show", "\udcff"])
@example("config", ["cap", "١"])
@example("create", ["--key", "\udcff", "@checklist", "x", "disk / < 9%", "7d"])
def test_any_words_are_done_or_refused(desk: Laptop, command: str, words: list[str]) -> None:
    done = desk.here(command, *words)
    assert done.returncode in (0, 1, 2, 4), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if done.returncode and "Usage: followups" not in done.stderr:
        assert done.stderr.startswith("followups: ") and done.stderr.endswith("\n")
        assert len(done.stderr.splitlines()) == 1 or not done.stderr.isprintable()
    if done.returncode == 0 and "--json" in (command, *words) and not {"-h", "--help"} & {command, *words}:
        json.loads(done.stdout)


# Settings

EXAMPLES: dict[str, dict[str, str]] = json.loads((cfn.ROOT / "events/env.json").read_text(encoding="utf-8"))
MODELS = {
    "ApiFunction": lambda_settings.ApiSettings,
    "SweeperFunction": lambda_settings.SweeperSettings,
    "RunnerFunction": lambda_settings.RunnerSettings,
    "ReporterFunction": lambda_settings.ReporterSettings,
    "AuditorFunction": lambda_settings.AuditorSettings,
}


@search(25)
@given(st.sampled_from(sorted(MODELS)), st.data())
def test_an_environment_is_taken_or_each_wrong_variable_named(function: str, data: st.DataObject) -> None:
    environ = dict(EXAMPLES[function])
    for name in data.draw(st.lists(st.sampled_from(sorted(environ)), min_size=1, max_size=3)):
        environ[name] = data.draw(any_text | nearly(st.just(environ[name])) | st.sampled_from(sorted(environ.values())))
    with in_time():
        try:
            loaded = MODELS[function].load(environ)
        except ConfigError as error:
            assert str(error).splitlines() == list(error.problems)
            assert all(problem.startswith("FOLLOWUPS_") and len(problem) < 500 for problem in error.problems)
            str(error).encode()
            return
    assert loaded.shards >= 1


@search(20)
@given(any_text | st.text(min_size=32, max_size=80))
def test_a_key_is_long_and_no_word(text: str) -> None:
    try:
        key = lambda_settings.signing_key(text)
    except ConfigError as error:
        assert "too weak" in str(error)
        return
    assert len(key) >= 32


URLS = st.sampled_from(["https://api.example.com/prod", "http://localhost:8080", "http://[::1]:80", "smtp://host:25",
                        "smtps://user:pass@host", "HTTP://EXAMPLE.COM", "http://localhost@evil.example"])  # fmt: skip


@search(30)
@given(st.dictionaries(
    st.sampled_from(["FOLLOWUPS_API_URL", "FOLLOWUPS_SMTP_URL", "FOLLOWUPS_HOME", "FOLLOWUPS_RUN_TOKEN", "TZ", "NO_COLOR"]),
    URLS | nearly(URLS) | any_text,
))  # fmt: skip
@example({"FOLLOWUPS_HOME": "~nobody-of-that-name/x"})
@example({"FOLLOWUPS_API_URL": "HTTP://EXAMPLE.COM"})
def test_what_the_environment_says_is_taken_or_refused(environ: dict[str, str]) -> None:
    try:
        env = config.read_environment(environ)
    except ConfigError as error:
        assert all(it.startswith("FOLLOWUPS_") for it in error.problems)
    else:
        if env.api_url:
            parts = urlsplit(env.api_url)
            assert parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")
            assert env.api_url.isascii() and env.api_url.isprintable()
    assert config.machine_timezone(environ, Path("/nowhere"))


CONFIG: dict[str, Any] = {"report_to": "me@example.com", "sender": "f@example.com", "timezone": "UTC", "cap": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@search(20)
@given(
    spoiled(CONFIG).map(lambda it: json.dumps(it).encode())
    | nearly(st.just(json.dumps(CONFIG))).map(lambda it: it.encode("utf-8", "replace"))
    | st.binary(max_size=60)
    | json_values.map(lambda it: json.dumps(it).encode())
)
def test_a_settings_file_is_taken_or_refused_and_stays(folder: Path, content: bytes) -> None:
    path = folder / "config.json"
    path.write_bytes(content)
    try:
        settings = config.read_laptop_config(folder, {"TZ": "UTC"})
    except ConfigError as error:
        assert all(it.startswith(str(path)) for it in error.problems)
    else:
        assert 1 <= settings.cap <= config.MAX_CAP
    assert path.read_bytes() == content


# Reports


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_decl(self, decl: str) -> None:
        self.tags.append((decl, ()))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", ()))


def _tags(html: str) -> list[tuple[str, tuple[str, ...]]]:
    parser = _Tags()
    parser.feed(html)
    parser.close()
    return parser.tags


TEXTS = ("task", "summary", "report", "message", "output_ref", "agent", "owner", "parent", "report_note")
OURS = _tags(compose(run_record(**dict.fromkeys(TEXTS, "x"))).html)
MARKUP = st.sampled_from(
    ['"><script>alert(1)</script>', "</div><img src=x onerror=a()>", "<!--", "]]>", "&#60;b&#62;", "<![CDATA[", "</title>",
     "=?utf-8?q?=0D=0ABcc:_x?=", "\r\nBcc: x@y.co", "\n.\n", "--=_x--", "From me", "</style><b>", "<plaintext>"]
)  # fmt: skip


@search(20)
@given(st.fixed_dictionaries({name: (any_text | MARKUP | nearly(MARKUP)).map(lambda it: f"x{it}") for name in TEXTS}),
       st.sampled_from(Outcome), st.sampled_from(Status))  # fmt: skip
def test_whatever_a_run_holds_its_mail_is_ours(texts: dict[str, str], outcome: Outcome, status: Status) -> None:
    run = run_record(**(texts | {"outcome": outcome, "follow_up_status": status, "report_to": "me@example.com"}))
    with in_time():
        report = compose(run)
        raw = build_message(run, sender="f@example.com", to="x@example.com").as_bytes()
    if (outcome, status) == (Outcome.SUCCEEDED, Status.DONE):
        assert _tags(report.html) == OURS
    assert {tag for tag, _ in _tags(report.html)} <= {tag for tag, _ in OURS}
    assert not {name for _, names in _tags(report.html) for name in names} & {"href", "src", "onerror", "onclick", "action"}
    assert report.subject.isprintable() or not report.subject.isascii()
    assert "\n" not in report.subject and len(report.subject) <= 150
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert head.count(b"\nSubject: ") == head.count(b"\nTo: ") == 1 and b"\nBcc:" not in head
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998 and b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    name = file_name(run)
    assert Path(name).name == name and len(name) < 200 and name.isascii()


@search(20)
@given(any_text | nearly(st.sampled_from(["me@example.com", "=?x?=@b.co"])))
def test_an_address_is_written_as_it_stands_or_refused(address: str) -> None:
    try:
        raw = build_message(run_record(report_to=address or None), sender="f@example.com", to="x@example.com").as_bytes()
    except MailRefused:
        assert not (address.isascii() and address.isprintable())
        return
    assert f"\r\nTo: {address or 'x@example.com'}\r\n".encode() in raw
