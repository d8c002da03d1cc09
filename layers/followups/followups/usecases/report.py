"""The report: sent from the run record, at least once, and noted."""

from dataclasses import replace

from followups.domain import contract, delivery, hearing, ids
from followups.domain.changes import Swap
from followups.domain.entities import Run
from followups.domain.errors import Conflict, MailNotSent, MailRefused, MailUncertain
from followups.domain.messages import Message
from followups.domain.retry import LONGEST_MAIL
from followups.domain.status import ReportStatus
from followups.domain.text import plain
from followups.ports import Mailer, Outputs
from followups.usecases.world import World

_RACES = 5


def send_report(world: World, mailer: Mailer, message: Message) -> str:
    """Takes a report message. Gives what came of it in one word: sent, again, gave_up, refused, uncertain, late, stale."""
    run = world.store.get(Run, ids.run_key(message.owner, message.follow_up_id, message.fence))
    if run is None or run.report_status is not ReportStatus.PENDING:
        return "stale"
    swap = delivery.begin(run, at=world.clock.now(), write_id=world.chance.new_id())
    try:
        world.store.commit(swap)
    except Conflict:
        return "stale"
    assert isinstance(swap.new, Run)
    word, note = _send(world, mailer, swap.new)
    if note is not None:
        _keep(world, swap.new, note)
    return word


def _keep(world: World, begun: Run, note: Swap) -> None:
    """Stores what became of a try, unless somebody knows better by now: the mail service's own event may be faster."""
    for _ in range(_RACES):
        try:
            world.store.commit(note)
        except Conflict:
            now = world.store.get(Run, begun.key)
            if now is None or now.report_status is not ReportStatus.SENDING or now.report_tries != begun.report_tries:
                return
            # The agent's late word was kept meanwhile. The try is still ours: unnoted, it would be made again.
            assert isinstance(note.new, Run)
            new = replace(note.new, version=now.version + 1, **{name: getattr(now, name) for name in hearing.LATE})
            note = Swap(now, new)
            continue
        return


def _send(world: World, mailer: Mailer, run: Run) -> tuple[str, Swap | None]:
    if run.wake_at is None or run.wake_at < world.clock.now() + LONGEST_MAIL:
        # A store that took long to note the try, or a laptop that slept: somebody else may have it before we are done.
        return "late", None
    try:
        name = mailer.send(with_whole(run, world.outputs))
    except MailNotSent as error:
        at, write_id = world.clock.now(), world.chance.new_id()
        note = delivery.not_sent(run, str(error), at=at, write_id=write_id, luck=world.chance.luck())
        assert isinstance(note.new, Run)
        return "gave_up" if note.new.report_status is ReportStatus.FAILED else "again", note
    except MailRefused as error:
        return "refused", delivery.refused(run, str(error), at=world.clock.now(), write_id=world.chance.new_id())
    except MailUncertain:
        return "uncertain", None
    return "sent", delivery.accepted(run, name, at=world.clock.now(), write_id=world.chance.new_id())


def with_whole(run: Run, outputs: Outputs) -> Run:
    """Gives the record with its whole report, if there is more of it than the record holds and it can be read."""
    whole = outputs.read(run.output_ref) if run.output_ref is not None else None
    return run if whole is None else replace(run, report=contract.fit(plain(whole)))
