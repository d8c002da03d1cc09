"""The check-up of this laptop."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

from followups import bootstrap
from followups.adapters.local import SystemClock
from followups.cli.shell import Session, until
from followups.domain.checkup import Check, kill_switch
from followups.domain.entities import FollowUp, Run, Unreadable
from followups.domain.errors import MailError, StoreError
from followups.domain.findings import counted

#: What is late by this much nobody looks at.
_LATE = timedelta(minutes=5)


def checks(session: Session) -> Iterator[Check]:
    """Gives each check as it is done."""
    home = session.environment.home
    if not (home / "followups.db").exists():
        yield Check(name="store", ok=True, says=f"nothing is stored in {home} yet")
        yield _mail(session)
        return
    try:
        store = bootstrap.laptop_store(home)
        late = list(store.due(SystemClock().now() - _LATE))
    except StoreError as error:
        yield Check(name="store", ok=False, says=str(error), mend=f"followups audit; or move {home / 'followups.db'} away")
        return
    yield Check(name="store", ok=True, says=f"{home / 'followups.db'} can be read")
    control = session.client.call("GET", "/v1/control").body
    yield kill_switch(control)
    yield _due(late, stopped=control["stopped"])
    yield from _agents(session)
    yield _mail(session)


def _due(late: list[FollowUp | Run | Unreadable], *, stopped: bool) -> Check:
    wakes = [it.wake_at for it in late if isinstance(it, FollowUp | Run) and it.wake_at is not None]
    if not wakes:
        return Check(name="due", ok=True, says="nothing is late")
    says = f"{counted(len(wakes), 'item')} late, the oldest due {until(min(wakes).isoformat())}"
    mend = "followups resume --all" if stopped else "followups dev, or `followups run-due` from cron or a login hook"
    return Check(name="due", ok=False, says=says, mend=mend)


def _agents(session: Session) -> Iterator[Check]:
    for agent in session.client.call("GET", "/v1/agents").body["agents"]:
        if agent["kind"] == "command":
            program = agent["command"][0]
            found = shutil.which(program)
            says = f"{program} can be run" if found else f"there is no program {program} that can be run"
            mend = f"followups agents add {agent['name']} --command PROGRAM [ARGUMENT]..."
            yield Check(name=agent["name"], ok=found is not None, says=says, mend=mend)


def _mail(session: Session) -> Check:
    env = session.environment
    if env.smtp_url is None:
        return Check(name="mail", ok=True, says=f"reports go to the folder {env.home / 'outbox'}")
    from followups.adapters.smtp import SmtpMailer

    try:
        server = SmtpMailer(env.smtp_url, sender=bootstrap.DEFAULT_SENDER, default_to=bootstrap.DEFAULT_SENDER).greet()
    except MailError as error:
        return Check(name="mail", ok=False, says=str(error), mend="set FOLLOWUPS_SMTP_URL to smtp://host:25 or smtps://…")
    return Check(name="mail", ok=True, says=f"reports go to {server}, which lets us in")
