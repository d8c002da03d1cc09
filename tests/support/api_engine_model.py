"""What the engine does to the model of the API: sweep, run and report, as the README tells it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import tzdata

from tests.support.api_engine import REMAINING, SteadyChance
from tests.support.api_expected import DAY, GRACE, KEPT, LIVE, Expected, instant
from tests.support.api_model import Model

CAP = 2
_SENDS, _TRIES, _FAILURES = 8, 8, 3
_LEASE, _LONGEST = REMAINING + timedelta(seconds=60), REMAINING - timedelta(seconds=15)
_RESEND, _REPORT_LEASE, _SOON = timedelta(minutes=2), timedelta(minutes=3), timedelta(seconds=30)


@dataclass(kw_only=True)
class Record:
    """A run's record: how it must be answered, and when its report needs a look."""

    fence: int
    view: dict[str, Any]
    look_at: datetime | None
    forget_at: datetime | None
    #: What its agent ended it by, or said too late.
    completion: dict[str, Any] | None = None

    @property
    def report(self) -> dict[str, Any]:
        return dict(self.view["report"])

    def reported(self, status: str, look_at: datetime | None, now: datetime, **fields: Any) -> None:
        self.view["report"] = self.report | {"status": status} | fields
        self.look_at = look_at
        if look_at is None:
            self.forget_at = now + KEPT

    def not_sent(self, why: str | None, now: datetime) -> None:
        tries = self.report["tries"]
        if tries >= _TRIES:
            self.reported("failed", None, now, note=f"gave up after {tries} tries: {why}")
        else:
            self.reported("pending", now + backoff(min(tries, 4)), now, note=why)


class EngineModel(Model):
    """The model, and what becomes of it without a client."""

    def sweep(self) -> list[Expected]:
        """Gives the line: of those some may be claimed too."""
        now, line = self.now(), []
        records = [record for it in self.follow_ups for record in it.runs]
        for it in self.follow_ups:
            due = it.look_at is not None and it.look_at <= now
            if it.status == "scheduled" and it.view["blocked"]:
                line.append(it)
            elif it.status == "scheduled" and self.is_near(it) and not self.control["stopped"]:
                it.claim(now)
            elif it.status == "claimed" and due:
                self._send_again(it)
            elif it.status in LIVE and due:
                self._look_at_live(it)
            elif it.status == "paused" and it.paused_until and it.paused_until <= now:
                it.change(status="scheduled", reason=None, failures_in_row=0)
        for record in records:
            if record.look_at is not None and record.look_at <= now:
                self._look_at_report(record)
        return line

    def live(self, agent: str | None = None) -> int:
        """Gives how many agents are alive, of that name or of all."""
        return sum(it.status in LIVE and agent in (None, it.view["agent"]) for it in self.follow_ups)

    def is_free(self, agent: str) -> bool:
        most = self.agents[agent]["max_concurrency"] if agent in self.agents else 1
        return self.live(agent) < most and self.live() < CAP

    def expect(self, it: Expected | None, fence: int) -> str:
        """Says what a runner makes of a message now: start, poll, or the word that it answers."""
        if it is None or it.fence != fence:
            return "stale"
        agent = self.agents.get(it.view["agent"])
        if it.status in LIVE and it.is_pending:
            return "poll" if agent else "stale"
        if it.status != "claimed":
            return "stale"
        if it.start_at > self.now() + timedelta(seconds=1.5):
            return "early"
        if self.control["stopped"]:
            return "blocked"
        if self.is_too_late(it):
            return "skipped"
        if agent is None:
            return "refused"
        return "start" if self.is_free(it.view["agent"]) else "blocked"

    def is_too_late(self, it: Expected) -> bool:
        may_be = it.view["late"] == "run_once" or it.view["attempt"] or it.extra
        return not may_be and self.now() - it.planned_at > GRACE

    def not_started(self, it: Expected, word: str) -> None:
        """A runner answered with that word."""
        if word == "early":
            it.change(status="scheduled")
        elif word == "blocked":
            since = (it.view["blocked"] or {}).get("since", instant(self.now()))
            it.change(status="scheduled", blocked={"reason": self._why(it), "since": since})
        elif word in ("refused", "skipped"):
            self._end(it, "failed" if word == "refused" else word, None)

    def started(self, it: Expected) -> None:
        """The agent is called."""
        now = self.now()
        it.started_at, it.lease_until, it.look_at = now, now + _LEASE, now + _LEASE
        it.is_pending = it.is_lost = False
        it.deadline_at = now + min(timedelta(seconds=self.agents[it.view["agent"]]["timeout_s"]), _LONGEST)
        attempt = it.view["attempt"] + 1
        run = {
            "id": run_id(it), "started_at": instant(now), "deadline_at": instant(it.deadline_at), "attempt": attempt,
            "claimed_at": instant(it.claimed_at), "target_id": None, "heard_at": None, "progress": None,
        }  # fmt: skip
        it.change(status="running", attempt=attempt, blocked=None, run=run)

    def pending(self, it: Expected, poll_after: timedelta) -> None:
        assert it.lease_until and it.deadline_at
        it.is_pending, now = True, self.now()
        it.look_at = min(now + poll_after, max(it.deadline_at, now + _SOON), it.lease_until)
        if it.status == "cancelling":
            it.look_at = min(it.look_at, now + _SOON)
        it.change(run=it.view["run"] | {"target_id": "h"})

    def overdue(self, it: Expected) -> str | None:
        """Gives how a pending run ends if nothing is known of its end, or None before its deadline."""
        if it.deadline_at is None or self.now() < it.deadline_at:
            return None
        heard = it.view["run"]["target_id"] or it.view["run"]["heard_at"]
        return "timed_out" if heard else "unknown"

    def ended(self, it: Expected, outcome: str, summary: str | None = None) -> None:
        """The agent's run is over."""
        agent = self.agents.get(it.view["agent"])
        safe = agent is not None and agent["rerun"] == "safe"
        again = outcome == "failed" or (outcome in ("unknown", "timed_out") and safe)
        left = it.view["attempt"] < it.view["max_attempts"] and it.view["replaced_by"] is None
        if it.status == "running" and again and left:
            self._retry(it, outcome, summary)
        else:
            self._end(it, outcome, summary)

    def report(self, record: Record | None, does: str, mail: str) -> str:
        """The reporter has a message; gives the word that it answers. `mail` is what the next mail is called."""
        now = self.now()
        if record is None or record.report["status"] != "pending":
            return "stale"
        record.reported("sending", now + _REPORT_LEASE, now, tries=record.report["tries"] + 1)
        if does == "accepted":
            record.reported("sent", None, now, note=mail, at=instant(now))
        elif does == "refused":
            record.reported("failed", None, now, note="mail refused")
        elif does == "not sent":
            record.not_sent("mail not sent", now)
        return {"accepted": "sent", "not sent": "again"}.get(does, does)

    def _send_again(self, it: Expected) -> None:
        if it.sends == _SENDS:
            self._end(it, "failed", None)
            return
        it.sends += 1
        it.look_at = self.now() + _RESEND * 2 ** (it.sends - 1)
        it.change(blocked=None)

    def _look_at_live(self, it: Expected) -> None:
        assert it.lease_until
        if it.lease_until <= self.now():
            # Which kind it is, is asked of the registry.
            it.is_lost = it.view["agent"] not in self.agents
            self.ended(it, "unknown")
        else:
            it.look_at = min(self.now() + _RESEND, it.lease_until)
            it.is_pending = True
            it.change()

    def _look_at_report(self, record: Record) -> None:
        now = self.now()
        if record.report["status"] == "sending":
            record.not_sent("whether the last try was sent is unknown: no answer was stored", now)
        else:
            record.reported("pending", now + _REPORT_LEASE, now)

    def _why(self, it: Expected) -> str:
        name = it.view["agent"]
        if self.control["stopped"]:
            return f"stopped by an operator: {self.control['reason'] or 'no reason given'}"
        if self.live(name) >= (most := self.agents[name]["max_concurrency"]):
            return f"{name} is busy: {most} at once is its limit"
        return f"{CAP} agents are running: that many may at once"

    def _retry(self, it: Expected, outcome: str, summary: str | None) -> None:
        assert it.started_at
        again = self.now() + backoff(it.view["attempt"])
        record = self._record(it, outcome, summary, final=False)
        attempt = it.view["attempt"]
        if it.is_between(it.started_at) and again >= it.planned_at:
            # Its own time comes first: that is another occurrence.
            again, attempt, it.extra = it.planned_at, 0, False
        it.start_at = again
        it.change(status="scheduled", attempt=attempt)
        self._keep(it, record, reported=False)

    def _end(self, it: Expected, outcome: str, summary: str | None) -> None:
        """Ends the occurrence, for good or until the next."""
        now = self.now()
        if it.status == "cancelling":
            record = self._record(it, "cancelled", summary, final=True)
            it.close("cancelled", now)
            self._keep(it, record, reported=False)
            return
        record = self._record(it, outcome, summary, final=True)
        good = outcome in ("succeeded", "attention", "skipped")
        failures = it.view["failures_in_row"] if outcome == "skipped" else 0 if good else it.view["failures_in_row"] + 1
        it.view |= {"last_outcome": outcome, "failures_in_row": failures}
        if it.view["rule"] is None:
            it.close("done" if good else "failed", now)
        elif it.view["replaced_by"]:
            it.close("done", now)
        else:
            self._next(it, outcome, failures)
        self._keep(it, record, reported=True)

    def _next(self, it: Expected, outcome: str, failures: int) -> None:
        if not it.is_between(it.started_at or self.now()):
            it.due_at += DAY * (1 + self._missed(it, outcome))
            it.snoozed_to = None
            it.view["occurrence"] += 1
            it.view["tzdata"] = tzdata.IANA_VERSION
        it.start_at, it.extra = it.planned_at, False
        it.change(status="scheduled", attempt=0, blocked=None)
        if failures >= _FAILURES:
            it.change(status="paused", reason=f"paused by Followups after {failures} failed occurrences in a row")

    def _missed(self, it: Expected, outcome: str) -> int:
        if outcome == "skipped":
            # One that is just late enough is not skipped with the others.
            late = self.now() - GRACE - it.due_at - timedelta(microseconds=1)
        else:
            late = (it.started_at or self.now()) - it.due_at
        return max(0, late // DAY) if it.view["rule"] else 0

    def _record(self, it: Expected, outcome: str, summary: str | None, *, final: bool) -> Record:
        now, seen, missed = self.now(), it.view, self._missed(it, outcome)
        same = ("agent", "task", "due_at", "occurrence", "attempt", "max_attempts", "parent", "depth")
        view = {name: seen[name] for name in same} | {
            "id": run_id(it), "follow_up_id": it.id, "outcome": outcome, "summary": summary, "final": final,
            "started_at": instant(it.started_at), "finished_at": instant(now), "missed": missed, "output": None,
            "planned_at": instant(it.planned_at), "missed_until": instant(it.due_at + missed * DAY) if missed else None,
            "fence": it.fence, "claimed_at": instant(it.claimed_at), **self._of_run(it),
            "report": {"status": "none", "to": seen["report_to"], "tries": 0, "note": None, "at": None},
        }  # fmt: skip
        return Record(fence=it.fence, view=view, look_at=None, forget_at=now + KEPT)

    def _of_run(self, it: Expected) -> dict[str, Any]:
        """Gives what a record knows of the agent's run; nothing, if none was started."""
        run = it.view["run"] or {}
        late = max(timedelta(0), it.started_at - it.planned_at) if it.started_at else None
        return {
            "kind": "command" if it.started_at and not it.is_lost else None,
            "deadline_at": run.get("deadline_at"), "target_id": run.get("target_id"),
            "lateness_s": None if late is None else round(late.total_seconds()),
            "refused": {"count": it.refused[0], "why": it.refused[1]} if it.refused[0] else None,
            "done_when": None, "verdict": None, "evidence": None, "usage": None, "late_result": None, "test": False,
        }  # fmt: skip

    def _keep(self, it: Expected, record: Record, *, reported: bool) -> None:
        """The record is written with what the follow-up became by it."""
        record.view |= {"follow_up_status": it.status, "next_at": it.view["starts_at"]}
        if reported:
            record.reported("pending", self.now(), self.now())
            record.forget_at = None
        it.runs.insert(0, record)
        it.started_at = None


def run_id(it: Expected) -> str:
    return f"run-{it.id}-{it.fence:06d}"


def backoff(attempt: int) -> timedelta:
    """Gives the wait after that many attempts, with the luck of these tests."""
    most = min(3600.0, 60.0 * 4.0 ** (attempt - 1))
    return timedelta(seconds=max(15.0, SteadyChance.LUCK * most))
