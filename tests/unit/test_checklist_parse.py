"""The checklist's grammar: strict, and helpful where it refuses."""

from datetime import timedelta

import pytest

from followups.domain.checklist import CommandCheck, DiskCheck, FileCheck, HttpCheck, PortCheck, parse
from followups.domain.errors import Invalid


def test_every_form_is_read() -> None:
    checks = parse(
        """
        # a comment
        disk / < 80%

          # another
        DISK "/mnt/my data" >=  12.5 %
        file /a newer than 1d
        file ~/b is missing
        port [::1]:22 open
        http https://example.com/x?y is 204
        command sh -c 'exit 0'
        """,
        allow_commands=True,
    )
    assert [type(check) for check in checks] == [
        DiskCheck, DiskCheck, FileCheck, FileCheck, PortCheck, HttpCheck, CommandCheck,
    ]  # fmt: skip
    disk, other, newer, missing, port, _, command = checks
    assert isinstance(disk, DiskCheck) and (disk.path, disk.comparison, disk.percent) == ("/", "<", 80)
    assert isinstance(other, DiskCheck) and (other.path, other.comparison, other.percent) == ("/mnt/my data", ">=", 12.5)
    assert isinstance(newer, FileCheck) and newer.age == timedelta(days=1)
    assert isinstance(missing, FileCheck) and (missing.path, missing.wanted) == ("~/b", "missing")
    assert isinstance(port, PortCheck) and (port.host, port.port, port.is_open) == ("::1", 22, True)
    assert isinstance(command, CommandCheck) and command.command == ("sh", "-c", "exit 0")


@pytest.mark.parametrize(
    "line",
    [
        "make coffee", "disk", "disk /", "disk / < 80", "disk / < 180%", "disk / about 80%", "file", "file /a",
        "file /a newer than", "file /a newer than 0d", "file /a newer than 1y", "file /a b exists", "port 22 open",
        "port h:0 open", "port h:70000 open", "port h:22", "port h:22 ajar", "http example.com is 200",
        "http ftp://e.com is 200", "http http://e.com is fine", "http http:// is 200", "http http://e.com is 200 or 201",
        "file '' exists", "disk '' < 80%", "port a..b:80 open", f"port {'a' * 64}:80 open", "port .:80 open",
        "port ::1:22 open", "http http://h:99999/ is 200", "http http://[::1/ is 200", "http 'http://h/a b' is 200",
        "http http://h/\u00e9 is 200", "disk / < 80% # full", "''", "file /a newer than 1.5d", "disk / < -1%",
        "command ''", "command", "disk 'a < 80%", "disk / < \u0668\u0660%",
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(Invalid, match="line 2") as refused:
        parse(f"disk / < 80%\n{line}", allow_commands=True)
    assert (refused.value.code, refused.value.field) == ("invalid_checklist", "message")


@pytest.mark.parametrize("line", ["https://e.com/a 200", "HTTPS://e.com/a is 200", "http https://e.com/a 200"])
def test_an_address_and_a_number_say_it_all(line: str) -> None:
    [check] = parse(line, allow_commands=False)
    assert isinstance(check, HttpCheck) and (check.url.lower(), check.status) == ("https://e.com/a", 200)
    with pytest.raises(Invalid, match=r"write it like http URL is 200$"):
        parse("https://e.com/a", allow_commands=False)


def test_a_refusal_shows_forms_that_would_work() -> None:
    with pytest.raises(Invalid, match="file PATH newer than 1d"):
        parse("file /a younger than 1d", allow_commands=True)


@pytest.mark.parametrize("message", ["", "  \n\n", "# only a comment", "disk / < 80%\n" * 51])
def test_none_and_too_many_are_refused(message: str) -> None:
    with pytest.raises(Invalid):
        parse(message, allow_commands=True)


def test_commands_need_a_laptop() -> None:
    with pytest.raises(Invalid, match="laptop only"):
        parse("command true", allow_commands=False)


def test_the_line_that_is_refused_is_named_as_the_author_counts_it() -> None:
    with pytest.raises(Invalid, match="line 4, 'make coffee', is not a check I know; write it like disk"):
        parse("# one\n\ndisk / < 80%\nmake coffee\nmake tea", allow_commands=True)


def test_a_long_line_is_quoted_in_short() -> None:
    with pytest.raises(Invalid) as refused:
        parse("x" * 10_000, allow_commands=True)
    assert len(refused.value.detail) < 200


def test_as_many_checks_as_may_be() -> None:
    assert len(parse("disk / < 80%\n# not counted\n" * 50, allow_commands=False)) == 50
