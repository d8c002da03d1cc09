"""An agent as those of the accident were: it makes follow-ups that are due now, and fires what is due.

`python greedy.py RECORD AT_ONCE CHILDREN HOW`: a program of its own. It stays until as many have begun as may be at once,
so that one too many would meet them. All that it does and is answered it notes in the file RECORD, which the product knows
nothing of. HOW is `processes` if it starts each command anew, and `forks` if it forks one that has read its modules
already: hundreds of commands in the time of dozens.
"""

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

_PATIENCE_S = 10.0
#: What a `create` needs.
_MODULES = ("cli.main", "cli.create", "cli.run_due", "bootstrap.laptop", "api.writes", "adapters.sqlite", "domain.when")


def main(record: str, at_once: str, children: str, how: str) -> None:
    """Does it all, and answers with what came of it."""
    name = json.load(sys.stdin)["agent"]
    note(record, "began", agent=name)
    until = time.monotonic() + _PATIENCE_S
    while begun(record) < int(at_once) and time.monotonic() < until:
        time.sleep(0.02)
    if how == "forks":
        for module in _MODULES:
            import_module(f"followups.{module}")
    say = forked if how == "forks" else called
    wanted = [["create", name, f"Child {number}", "in 1 second"] for number in range(int(children))]
    codes = []
    for words in [*wanted, ["run-due"]]:
        code, said = say(words)
        note(record, words[0], code=code, said=said)
        codes.append(code)
    note(record, "ended")
    sys.stdout.write(f"Asked for {len(wanted)} and got {codes.count(0)}.\n")


def note(record: str, what: str, **more: object) -> None:
    """Appends a line, whole, whoever else writes: their order is that in which things happened."""
    line = json.dumps({"run": os.environ["FOLLOWUPS_RUN_ID"], "what": what, **more}) + "\n"
    fd = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def begun(record: str) -> int:
    """Gives how many have begun."""
    return Path(record).read_text(encoding="utf-8").count('"began"')


def called(words: list[str]) -> tuple[int, str]:
    """Says a command; gives its exit code and what it said on stderr."""
    done = subprocess.run([sys.executable, "-m", "followups", *words], capture_output=True, text=True)
    return done.returncode, done.stderr


def forked(words: list[str]) -> tuple[int, str]:
    """Says a command in a child of this process; gives its exit code and what it said on stderr."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(theirs, 2)
        sys.argv = ["followups", *words]
        code = 70
        try:
            import_module("followups.cli.main").main()
        except SystemExit as leave:
            code = int(leave.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as file:
        said = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


if __name__ == "__main__":
    main(*sys.argv[1:])
