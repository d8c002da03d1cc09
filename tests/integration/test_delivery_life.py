"""A report's way from the run record to the mailer, whatever the mailer says."""

from dataclasses import replace

import pytest

from followups.domain.changes import Swap
from followups.domain.contract import Done
from followups.domain.entities import Run
from followups.domain.errors import MailNotSent, MailRefused, MailUncertain
from followups.domain.hearing import keep_late
from followups.domain.status import Outcome, ReportStatus
from followups.usecases.report import send_report
from tests.support.things import fresh
from tests.support.world import Bench, slow_commits

LATE = Done(outcome=Outcome.SUCCEEDED, summary="after all")


class _Mailer:
    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.mails: list[Run] = []

    def send(self, run: Run) -> str:
        self.mails.append(run)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return "mail-1"


def _finished(bench: Bench) -> Run:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.run_all()
    return bench.runs(it)[0]


def test_a_report_is_sent_once(bench: Bench) -> None:
    _finished(bench)
    [message] = bench.queue.take("report")
    mailer = _Mailer()
    assert [send_report(bench.world, mailer, message) for _ in range(2)] == ["sent", "stale"]
    bench.clock.advance(days=1)
    assert bench.sweep() == {}
    assert len(mailer.mails) == 1


def test_a_lost_report_message_is_sent_again_by_the_sweep(bench: Bench) -> None:
    _finished(bench)
    bench.queue.sent.clear()
    assert bench.sweep()["reports"] == 1
    assert len(bench.queue.take("report")) == 1


@pytest.mark.parametrize(
    ("error", "word", "status"),
    [
        (MailNotSent("not now"), "again", ReportStatus.PENDING),
        (MailRefused("never"), "refused", ReportStatus.FAILED),
        (MailUncertain("who knows"), "uncertain", ReportStatus.SENDING),
    ],
)
def test_what_a_mailer_may_say(bench: Bench, error: Exception, word: str, status: ReportStatus) -> None:
    run = _finished(bench)
    [message] = bench.queue.take("report")
    assert send_report(bench.world, _Mailer(error), message) == word
    stored = bench.store.get(Run, run.key)
    assert stored is not None and stored.report_status is status


@pytest.mark.parametrize("seconds", [31, 200])
def test_a_try_that_took_too_long_to_note_sends_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    run = _finished(bench)
    [message] = bench.queue.take("report")
    mailer = _Mailer()
    slow_commits(bench, monkeypatch, seconds=seconds)
    assert send_report(bench.world, mailer, message) == "late"
    assert mailer.mails == []
    monkeypatch.undo()
    for _ in range(3):
        bench.clock.advance(minutes=5)
        bench.sweep()
    for message in bench.queue.take("report"):
        send_report(bench.world, mailer, message)
    stored = bench.store.get(Run, run.key)
    assert stored is not None and stored.report_status is ReportStatus.SENT
    assert len(mailer.mails) == 1


def test_a_mail_that_nobody_noted_is_tried_again_and_eight_times_at_most(bench: Bench) -> None:
    run = _finished(bench)
    mailer = _Mailer(*[MailUncertain("who knows") for _ in range(20)])
    for _ in range(60):
        for message in bench.queue.take("report"):
            send_report(bench.world, mailer, message)
        bench.clock.advance(hours=2)
        bench.sweep()
    stored = bench.store.get(Run, run.key)
    assert stored is not None and (stored.report_status, stored.wake_at) == (ReportStatus.FAILED, None)
    assert len(mailer.mails) == 8


def test_a_late_word_amid_a_try_makes_no_second_mail(bench: Bench) -> None:
    run = _finished(bench)
    bench.store.commit(Swap(run, replace(run, outcome=Outcome.TIMED_OUT, version=run.version + 1, write_id=fresh())))
    [message] = bench.queue.take("report")

    class Meanwhile(_Mailer):
        def send(self, run: Run) -> str:
            late = keep_late(run, LATE, "hash", at=bench.clock.now(), write_id=fresh())
            assert late is not None
            bench.store.commit(late)
            return super().send(run)

    mailer = Meanwhile()
    assert send_report(bench.world, mailer, message) == "sent"
    [now] = bench.store.runs(run.owner, run.follow_up_id, limit=1)
    assert (now.report_status, now.late_summary, now.completion) == (ReportStatus.SENT, "after all", "hash")
    bench.clock.advance(hours=1)
    bench.sweep()
    assert bench.queue.take("report") == [] and len(mailer.mails) == 1
