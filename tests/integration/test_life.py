"""The life of a follow-up through sweep, run and report, and what each crash leaves (FAILURES.md §1)."""

from datetime import timedelta
from pathlib import Path

import pytest

from followups.domain.contract import Done, Pending
from followups.domain.errors import AgentUncertain, StoreBusy, WrongState
from followups.domain.status import Outcome, ReportStatus, Status
from followups.usecases import manage, registry
from tests.support.world import ME, Bench


def test_from_schedule_to_done(bench: Bench) -> None:
    it = bench.create()
    assert bench.sweep()["claimed"] == 1
    assert bench.queue.sent[0][1] == 10, "the queue holds it back until its time"
    bench.clock.advance(seconds=10)
    assert bench.run_all() == ["finished"]
    assert bench.now(it).status is Status.DONE
    [run] = bench.runs(it)
    assert (run.outcome, run.report_status) == (Outcome.SUCCEEDED, ReportStatus.PENDING)
    assert bench.live() == frozenset()


def test_a_runner_waits_the_fraction_that_is_left_and_no_more(bench: Bench) -> None:
    bench.create()
    bench.sweep()
    bench.clock.advance(seconds=9)
    assert bench.run_all() == ["finished"]
    assert bench.clock.slept == [timedelta(seconds=1)]


def test_a_message_that_is_much_too_early_gives_the_claim_back(bench: Bench) -> None:
    it = bench.create("in 100 seconds")
    bench.sweep()
    assert bench.run_all() == ["early"]
    after = bench.now(it)
    assert (after.status, after.start_at, after.attempt) == (Status.SCHEDULED, it.due_at, 0)


def test_a_duplicate_and_a_stale_message_are_dropped(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    [message] = bench.queue.take("start")
    assert [bench.run(message), bench.run(message)] == ["finished", "stale"]
    other = bench.create()
    bench.sweep()
    [message] = bench.queue.take("start")
    manage.cancel(bench.world, ME, other.id)
    bench.clock.advance(seconds=10)
    assert bench.run(message) == "stale"
    assert len(bench.agent.calls) == 1
    assert bench.now(it).status is Status.DONE


def test_a_lost_message_is_sent_again_with_the_same_fence_and_eight_times_at_most(bench: Bench) -> None:
    it = bench.create()
    bench.queue.broken = True
    assert bench.sweep()["unsent"] == 1
    bench.queue.broken = False
    sent = []
    for _ in range(20):
        bench.clock.advance(hours=1)
        sent.append(bench.sweep()["resent"])
        if bench.now(it).is_closed:
            break
    assert sum(sent) == 7, "the first and seven more"
    assert {message.fence for message in bench.queue.take("start")} == {1}
    [run] = bench.runs(it)
    assert (run.outcome, run.started_at, run.report_status) == (Outcome.FAILED, None, ReportStatus.PENDING)


def test_look_ahead_is_for_scheduled_ones_only(bench: Bench) -> None:
    bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = _uncertain
    assert bench.run_all() == ["uncertain"]
    # Its lease ends in 16 minutes; 15 minutes later it lies within the look-ahead, and must not be touched.
    bench.clock.advance(minutes=14, seconds=55)
    assert bench.sweep() == {}
    assert len(bench.live()) == 1


def test_after_an_ambiguous_error_nothing_is_written_and_the_lease_decides(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = _uncertain
    assert bench.run_all() == ["uncertain"]
    assert bench.now(it).status is Status.RUNNING
    bench.clock.advance(minutes=17)
    assert bench.sweep()["lease_over"] == 1
    [run] = bench.runs(it)
    assert (run.outcome, bench.now(it).status, bench.live()) == (Outcome.UNKNOWN, Status.FAILED, frozenset())


def test_a_broken_off_run_of_a_safe_agent_is_tried_again(bench: Bench) -> None:
    bench.register("@safe", rerun_safe=True)
    it = bench.create(agent="@safe")
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = _uncertain
    bench.run_all()
    bench.clock.advance(minutes=17)
    bench.sweep()
    after = bench.now(it)
    assert (after.status, after.attempt) == (Status.SCHEDULED, 1)
    [run] = bench.runs(it)
    assert (run.outcome, run.final, run.report_status) == (Outcome.UNKNOWN, False, ReportStatus.NONE)


def test_who_is_refused_keeps_its_attempt_and_its_place(bench: Bench) -> None:
    first, second, third = (bench.create(f"in {n} seconds") for n in (10, 20, 30))
    bench.sweep()
    bench.clock.advance(seconds=30)
    busy = bench.queue.take("start")
    results = []

    def others_meet_a_busy_agent(_call: object) -> Done:
        results.extend(bench.run(message) for message in busy[1:])
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    bench.agent.does = others_meet_a_busy_agent
    assert bench.run(busy[0]) == "finished"
    assert results == ["blocked", "blocked"]
    for it in (second, third):
        waits = bench.now(it)
        assert (waits.status, waits.attempt, waits.start_at) == (Status.SCHEDULED, 0, it.start_at)
        assert "@a is busy" in str(waits.blocked_reason)
    bench.agent.does = lambda _call: Done(outcome=Outcome.SUCCEEDED, summary="well")
    assert bench.sweep()["claimed"] == 2, "the slot is free: the oldest two are next, whatever their pause"
    assert [message.follow_up_id for message in bench.queue.take("start")] == [second.id, third.id]
    assert bench.now(first).status is Status.DONE


def test_the_line_waits_while_no_slot_is_free(bench: Bench) -> None:
    for _ in range(3):
        bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = _uncertain
    assert sorted(bench.run_all()) == ["blocked", "blocked", "uncertain"]
    bench.clock.advance(minutes=2)
    assert bench.sweep() == {"waiting": 2}


def test_the_kill_switch_holds_starts_but_not_reports(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    registry.switch(bench.world, stopped=True, reason="maintenance")
    assert bench.run_all() == ["blocked"]
    assert bench.now(it).blocked_reason == "stopped by an operator: maintenance"
    bench.create("in 1 second")
    bench.clock.advance(minutes=1)
    assert bench.sweep() == {"held": 1, "waiting": 1}
    registry.switch(bench.world, stopped=False, reason=None)
    assert bench.sweep()["claimed"] == 2


def test_an_agent_that_is_gone_fails_the_run_and_the_report_says_so(bench: Bench) -> None:
    it = bench.create()
    registry.remove_agent(bench.world, "@a")
    bench.sweep()
    bench.clock.advance(seconds=10)
    assert bench.run_all() == ["refused"]
    [run] = bench.runs(it)
    assert "no agent is called @a" in run.summary
    assert bench.now(it).status is Status.FAILED


def test_cancel_during_the_run_is_not_reported(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)

    def cancelled_meanwhile(_call: object) -> Done:
        assert manage.cancel(bench.world, ME, it.id).status is Status.CANCELLING
        return Done(outcome=Outcome.SUCCEEDED, summary="well")

    bench.agent.does = cancelled_meanwhile
    assert bench.run_all() == ["finished"]
    [run] = bench.runs(it)
    assert (bench.now(it).status, run.outcome, run.report_status) == (
        Status.CANCELLED, Outcome.CANCELLED, ReportStatus.NONE,
    )  # fmt: skip
    assert bench.live() == frozenset()


def test_a_recurrence_moves_on_from_its_nominal_time_and_folds_what_it_missed(bench: Bench) -> None:
    it = bench.create("daily")
    bench.clock.advance(days=4, hours=5)
    bench.sweep()
    assert bench.run_all() == ["finished"]
    assert bench.agent.calls[0].request["missed"] == 3
    after = bench.now(it)
    assert after.due_at == it.due_at + timedelta(days=4)
    assert (after.status, after.occurrence, after.attempt) == (Status.SCHEDULED, 2, 0)


def test_run_now_keeps_the_times_of_a_recurrence(bench: Bench) -> None:
    it = bench.create("weekly")
    manage.run_now(bench.world, ME, it.id)
    bench.sweep()
    assert bench.run_all() == ["finished"]
    after = bench.now(it)
    assert (after.due_at, after.occurrence, after.status) == (it.due_at, 1, Status.SCHEDULED)


def test_three_failed_occurrences_in_a_row_pause_it(bench: Bench) -> None:
    bench.register("@bad", max_attempts=1)
    it = bench.create("daily", agent="@bad")
    bench.agent.does = lambda _call: Done(outcome=Outcome.FAILED, summary="no luck")
    for _ in range(3):
        bench.clock.advance(days=1)
        bench.sweep()
        bench.run_all()
    after = bench.now(it)
    assert (after.status, after.wake_at) == (Status.PAUSED, None)
    with pytest.raises(WrongState):
        manage.run_now(bench.world, ME, it.id)
    resumed = manage.resume(bench.world, ME, it.id)
    assert resumed.start_at == after.due_at, "it neither runs early nor forgets its time"


def test_a_pending_agent_is_polled_until_it_is_done(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = lambda _call: Pending(handle="h", poll_after=timedelta(minutes=1))
    assert bench.run_all() == ["pending"]
    for _ in range(2):
        bench.clock.advance(minutes=1)
        assert bench.sweep()["polled"] == 1
        assert bench.run_all() == ["pending"]
    bench.agent.does = lambda _call: Done(outcome=Outcome.SUCCEEDED, summary="well")
    bench.clock.advance(minutes=1)
    bench.sweep()
    assert bench.run_all() == ["finished"]
    assert (len(bench.agent.calls), bench.agent.polls, bench.now(it).status) == (1, 3, Status.DONE)


def test_a_pending_agent_is_stopped_at_its_deadline(bench: Bench) -> None:
    it = bench.create()
    bench.sweep()
    bench.clock.advance(seconds=10)
    bench.agent.does = lambda _call: Pending(handle="h", poll_after=timedelta(minutes=11))
    bench.run_all()
    bench.clock.advance(minutes=11)
    bench.sweep()
    assert bench.run_all() == ["finished"]
    assert bench.agent.cancelled == 1
    assert bench.runs(it)[0].outcome is Outcome.TIMED_OUT


def test_a_finish_is_tried_again_while_the_store_is_busy(bench: Bench, tmp_path: Path) -> None:
    busy = _BusyOnce(tmp_path / "busy.db")
    it = busy.create()
    busy.sweep()
    busy.clock.advance(seconds=10)
    assert busy.run_all() == ["finished"]
    assert busy.now(it).status is Status.DONE
    assert len(busy.agent.calls) == 1


class _BusyOnce(Bench):
    """A bench whose store is busy when the run is over."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        commit = self.store.commit
        left = [2]

        def busy(*changes: object) -> None:
            if self.agent.calls and left[0]:
                left[0] -= 1
                raise StoreBusy("locked")
            commit(*changes)  # type: ignore[arg-type]

        self.store.commit = busy  # type: ignore[method-assign]


def _uncertain(_call: object) -> Done:
    raise AgentUncertain("the line went dead")
