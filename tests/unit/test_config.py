"""The environment and the laptop's settings: each problem is one line that says what would be right."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from followups import config
from followups.domain.addresses import is_address, is_allowed, is_recipient_pattern
from followups.domain.errors import ConfigError

ZONE = {"TZ": "Europe/Berlin"}


def test_the_command_line_pays_for_nothing_heavy() -> None:
    probe = "import sys, followups.config; print([m for m in ('pydantic', 'boto3', 'platformdirs') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_environment_is_the_process_s() -> None:
    assert config.environment() is os.environ


# What the environment says


def test_environment_is_read() -> None:
    env = config.read_environment(
        {
            "FOLLOWUPS_HOME": "/srv/followups",
            "FOLLOWUPS_SMTP_URL": "smtps://ada:pass@mail.example.com",
            "FOLLOWUPS_API_URL": "https://api.example.com/",
            "FOLLOWUPS_RUN_TOKEN": "fr1.a.b",
            "FOLLOWUPS_RUN_ID": "run-1",
        }
    )
    assert (env.home, env.api_url) == (Path("/srv/followups"), "https://api.example.com")
    assert (env.smtp_url, env.run_token, env.run_id) == ("smtps://ada:pass@mail.example.com", "fr1.a.b", "run-1")
    assert "pass" not in repr(env)
    assert "fr1" not in repr(env)


def test_empty_variables_are_as_good_as_none() -> None:
    names = ("SMTP_URL", "API_URL", "RUN_TOKEN", "RUN_ID", "HOME")
    env = config.read_environment({f"FOLLOWUPS_{name}": "" for name in names})
    assert (env.smtp_url, env.api_url, env.run_token, env.run_id) == (None, None, None, None)
    assert env.home.name == "followups"


def test_home_may_be_relative_or_the_user_s() -> None:
    assert config.laptop_home({"FOLLOWUPS_HOME": ".demo"}) == Path.cwd() / ".demo"
    assert config.laptop_home({"FOLLOWUPS_HOME": "~/notes"}) == Path.home() / "notes"


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000", "https://x.example"]
)
def test_api_url_is_taken(url: str) -> None:
    assert config.read_environment({"FOLLOWUPS_API_URL": url}).api_url == url


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("API_URL", "http://api.example.com", "is not encrypted: write https://"),
        ("API_URL", "http://localhost.example.com", "is not encrypted"),
        ("API_URL", "api.example.com", "is no web address: write the stack's output ApiUrl"),
        ("API_URL", "https://", "is no web address"),
        ("API_URL", "https://x:99999", "is no web address"),
        ("API_URL", "https://x example", "is no web address"),
        ("SMTP_URL", "mail.example.com", "write smtp://host:25 or smtps://"),
        ("SMTP_URL", "http://mail.example.com", "write smtp://host:25 or smtps://"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.read_environment({f"FOLLOWUPS_{name}": value})
    (problem,) = caught.value.problems
    assert problem.startswith(f"FOLLOWUPS_{name} is ")
    assert said in problem


def test_all_problems_are_told_at_once_and_no_password() -> None:
    with pytest.raises(ConfigError) as caught:
        config.read_environment({"FOLLOWUPS_SMTP_URL": "ada:hunter2@mail", "FOLLOWUPS_API_URL": "ftp://x"})
    assert str(caught.value).count("\n") == 1
    assert "hunter2" not in str(caught.value)


# The machine's zone


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("tz", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":America/New_York", "America/New_York"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "UTC"),
        ("Mars/Phobos", "UTC"),
        ("../etc/passwd", "UTC"),
    ],
)
def test_zone_of_the_variable(root: Path, tz: str, zone: str) -> None:
    assert config.machine_timezone({"TZ": tz}, root) == zone


@pytest.mark.parametrize(
    "target",
    [
        "/usr/share/zoneinfo/Europe/Paris",
        "../usr/share/zoneinfo/posix/Europe/Paris",
        "/var/db/timezone/zoneinfo/Europe/Paris",
    ],
)
def test_zone_of_the_symbolic_link_comes_before_the_file(root: Path, target: str) -> None:
    (root / "etc/localtime").symlink_to(target)
    (root / "etc/timezone").write_text("Etc/UTC\n")
    assert config.machine_timezone({}, root) == "Europe/Paris"


def test_zone_of_the_file(root: Path) -> None:
    (root / "etc/localtime").write_bytes(b"TZif2")
    (root / "etc/timezone").write_text("Europe/Madrid\n")
    assert config.machine_timezone({}, root) == "Europe/Madrid"


@pytest.mark.parametrize("content", [None, b"", b"Nowhere\n", b"\xff\xfe"])
def test_zone_is_utc_where_none_can_be_told(root: Path, content: bytes | None) -> None:
    if content is not None:
        (root / "etc/timezone").write_bytes(content)
    assert config.machine_timezone({}, root) == "UTC"


# What a person has set


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    settings = config.read_laptop_config(tmp_path / "none", ZONE)
    assert settings == config.LaptopConfig(timezone="Europe/Berlin", report_to=None, sender=None, cap=2)
    assert not (tmp_path / "none").exists()


def test_what_is_set_is_kept_and_the_rest_follows_the_machine(tmp_path: Path) -> None:
    home = tmp_path / "a/b"
    config.write_laptop_config(home, ZONE, {"report_to": "ada@example.com"})
    written = config.write_laptop_config(home, ZONE, {"cap": 5})
    assert written == config.LaptopConfig(report_to="ada@example.com", timezone="Europe/Berlin", cap=5)
    assert config.read_laptop_config(home, {"TZ": "Asia/Tokyo"}).timezone == "Asia/Tokyo"
    assert json.loads((home / "config.json").read_text()) == {"report_to": "ada@example.com", "cap": 5}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_none_is_back_to_the_default(tmp_path: Path) -> None:
    config.write_laptop_config(tmp_path, ZONE, {"timezone": "UTC", "cap": 3})
    assert config.write_laptop_config(tmp_path, ZONE, {"timezone": None}).timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"report_to": "ada"}, "report_to is 'ada': write one plain address"),
        ({"sender": "Ada <ada@example.com>"}, "sender is 'Ada <ada@example.com>': write one plain address"),
        ({"timezone": "Mars/Phobos"}, "timezone is 'Mars/Phobos': 'Mars/Phobos' is not an IANA time zone"),
        ({"timezone": 1}, "timezone is 1: '' is not an IANA time zone"),
        ({"cap": 0}, "cap is 0: write a whole number from 1 to 100"),
        ({"cap": 101}, "cap is 101: write a whole number"),
        ({"cap": True}, "cap is True: write a whole number"),
        ({"cap": "2"}, "cap is '2': write a whole number"),
        ({"recpient": "x"}, "'recpient' is no setting: known are report_to, sender, timezone, cap"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_is_written(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.write_laptop_config(tmp_path, ZONE, {"cap": 3} | changes if "cap" not in changes else changes)
    assert said in str(caught.value)
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"cap": 2', "is not JSON"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds no JSON object"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b'{"cap": "many", "colour": "red"}', "cap is 'many'"),
    ],
)
def test_a_file_that_is_wrong_is_named_and_never_overwritten(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    for attempt in (
        lambda: config.read_laptop_config(tmp_path, ZONE),
        lambda: config.write_laptop_config(tmp_path, ZONE, {"cap": 3}),
    ):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert all(line.startswith(str(path)) for line in caught.value.problems)
        assert said in str(caught.value)
    assert path.read_bytes() == content


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ConfigError, match=r"config\.json cannot be (read|written)"):
        config.write_laptop_config(tmp_path / "home", ZONE, {"cap": 3})


def test_two_who_write_at_once_both_win(tmp_path: Path) -> None:
    changes: list[dict[str, object]] = [
        {"report_to": "ada@example.com"},
        {"sender": "bob@example.com"},
        {"timezone": "UTC"},
        {"cap": 7},
    ]
    for _ in range(10):
        (tmp_path / "config.json").unlink(missing_ok=True)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda change: config.write_laptop_config(tmp_path, ZONE, change), changes))
        settings = config.read_laptop_config(tmp_path, ZONE)
        assert settings == config.LaptopConfig(report_to="ada@example.com", sender="bob@example.com", timezone="UTC", cap=7)
    assert {it.name for it in tmp_path.iterdir()} == {"config.json", "config.json.lock"}


# Addresses


@pytest.mark.parametrize(
    "text", ["a@b.co", "first.last+tag@sub.example.com", "o'neil_x@example.org", "a@xn--bcher-kva.example"]
)
def test_address(text: str) -> None:
    assert is_address(text)


NO_ADDRESSES = [
    *("", "a", "a@b", "@b.co", "a@localhost", "a@[127.0.0.1]", "a@127.0.0.1", "a@b@c.co"),
    *("a..b@c.co", ".a@b.co", "a.@b.co", "a@-b.co", "a@b..co", "a@b.co."),
    *("Joe <a@b.co>", "<a@b.co>", '"a b"@b.co', " a@b.co", "a@b.co,c@d.co", "a@b.co;c@d.co"),
    *("a@b.co\r\nBcc: x@y.co", "a@b.co\n", "a@b.co\x00", "ä@b.co", "a@bücher.example"),
    *("a" * 65 + "@b.co", "a@" + "b." * 130 + "co", "a@" + "b" * 64 + ".co"),
]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_no_address(text: str) -> None:
    assert not is_address(text)


def test_recipient_patterns() -> None:
    assert all(is_recipient_pattern(it) for it in ("*", "a@b.co", "*@b.co"))
    assert not any(is_recipient_pattern(it) for it in ("", "*@*", "*@b", "a*@b.co", "*b.co", "@b.co", "**"))


def test_who_may_receive() -> None:
    allowed = ("ada@example.com", "*@team.example.com")
    assert is_allowed("ada@example.com", allowed)
    assert is_allowed("anybody@team.example.com", allowed)
    assert not is_allowed("bob@example.com", allowed)
    assert not is_allowed("Ada@example.com", allowed)
    assert not is_allowed("ada@evil-example.com", allowed)
    assert not is_allowed("x@sub.team.example.com", allowed)
    assert is_allowed("x@y.example", ("*",))
    assert not is_allowed("x@y.example", ())
