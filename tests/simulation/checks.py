"""The promises of FAILURES.md §2, checked at every write, start and mail. What is right is written down anew here: a check
that asks the product's own tables would be wrong together with them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

from followups.domain import ids
from followups.domain.entities import FollowUp, Run
from followups.domain.ids import Key
from followups.domain.report import compose
from tests.simulation.agents import Life
from tests.simulation.engine import MINUTE, Process, Violation
from tests.simulation.faults import SKEW
from tests.simulation.tables import Stored

if TYPE_CHECKING:
    from tests.simulation.stack import Stack

#: DESIGN.md §2, as drawn.
MOVES = {
    "scheduled": {"scheduled", "claimed", "paused", "cancelled", "failed"},
    "claimed": {"scheduled", "claimed", "running", "paused", "cancelled", "failed"},
    "running": {"running", "done", "failed", "scheduled", "paused", "cancelling"},
    "cancelling": {"cancelling", "cancelled"},
    "paused": {"paused", "scheduled", "cancelled"},
}
REPORT_MOVES = {"pending": {"pending", "sending", "failed"}, "sending": {"pending", "sent", "failed"}}
CLOSED = {"done", "failed", "cancelled"}
TIMELESS = CLOSED | {"paused"}
LIVE = {"running", "cancelling"}
TOLD = ("outcome", "summary", "report", "due_at", "occurrence", "attempt", "missed", "final", "started_at", "finished_at")
RULES = {"FREQ=DAILY;INTERVAL=1": 1, "FREQ=WEEKLY;INTERVAL=1": 7}


class Checks:
    """What must hold. `fail` ends the simulation."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self.broken: list[str] = []
        self.mails: Counter[Key] = Counter()
        #: Follow-ups for which "200 cancelled" was answered.
        self.cancelled: set[Key] = set()
        #: What each version of an item said.
        self.history: dict[tuple[Key, int], FollowUp] = {}
        self.edits: Counter[Key] = Counter()
        #: Those for which somebody asked "run now".
        self.hurried: set[Key] = set()
        self.finals: set[tuple[Any, ...]] = set()
        self.lives: dict[Key, list[tuple[Life, tuple[Any, ...]]]] = defaultdict(list)
        self.alive: Counter[str] = Counter()
        self.starts: Counter[Key] = Counter()
        self.stopped_since: int | None = None
        self.noted: Counter[str] = Counter()

    def fail(self, why: str) -> NoReturn:
        self.broken.append(why)
        raise Violation(why)

    def that(self, holds: bool, promise: str, *facts: Any) -> None:
        if not holds:
            self.fail(f"{promise}: {' '.join(map(str, facts))}")

    def let_out(self, process: Process) -> None:
        """A sweep or request may fail for the store's sake, and for nothing else."""
        if process.error is not None and type(process.error).__name__ not in ("StoreBusy", "StoreError"):
            self.fail(f"{process.name} let an error out: {process.error!r}")

    # Writes ---------------------------------------------------------------------------------------------------------

    def committed(self, before: Mapping[Key, Stored | None], after: Mapping[Key, Stored | None]) -> None:
        for key, item in after.items():
            new, old_item = item.entity if item else None, before[key]
            old = old_item.entity if old_item else None
            if isinstance(new, FollowUp):
                assert old is None or isinstance(old, FollowUp)
                self._follow_up(old, new)
            elif isinstance(new, Run):
                assert old is None or isinstance(old, Run)
                self._run(old, new)
        self._slots(after)

    def _follow_up(self, old: FollowUp | None, new: FollowUp) -> None:
        who, now = f"{new.id[:6]} {old.status if old else 'new'} -> {new.status} v{new.version}", self._now()
        status = str(new.status)
        self.that((new.wake_at is None) == (status in TIMELESS), "I4 open and not paused <=> wake_at", who, new.wake_at)
        self.that((new.expires_at is None) == (status not in CLOSED), "I4 closed <=> expires_at", who)
        self.that(new.wake_at is None or new.wake_at <= now + timedelta(days=400, minutes=1), "I16 W4", who, new.wake_at)
        self.that(new.sends <= 8 and new.attempt <= new.max_attempts and new.poison == 0, "I10 counters", who, new)
        self.that(new.depth <= 2, "I12 depth", who, new.depth)
        self.history[new.key, new.version] = new
        if old is None or (old.expires_at is not None and old.expires_at <= now + timedelta(milliseconds=SKEW)):
            self.that(status == "scheduled", "I3 born scheduled", who)
            if new.parent:
                made = sum(
                    1
                    for it in self.stack.tables.items.values()
                    if isinstance(it.entity, FollowUp) and it.entity.root == new.root and it.entity.depth
                )
                self.that(made <= 20, "I12 descendants of one root", who, made)
                parent = ids.parse_run_id(new.parent)
                assert parent is not None
                live = self._now_of(ids.follow_up_key(new.owner, parent[0]))
                self.that(
                    live is not None and live.status == "running" and live.fence == parent[1],
                    "I12 a child of a live run only", who, new.parent,
                )  # fmt: skip
            return
        self.that(status in MOVES.get(str(old.status), set()), "I2, I3 no such transition", who)
        self.that(new.version == old.version + 1, "I5 version", who, old.version)
        self.that(
            new.fence == old.fence + (status == "claimed" and str(old.status) == "scheduled"), "I5 fence", who, old.fence,
            new.fence,
        )  # fmt: skip
        if old.due_at != new.due_at and "> PATCH" in self.stack.acting:
            self.edits[new.key] += 1
        elif old.due_at != new.due_at:
            self._moved_on(old, new, who)
        looked = not self.stack.acting.startswith("audit") and old.task == new.task
        if looked and status == str(old.status) == "claimed":
            self.that(new.sends == old.sends + 1, "W3 each look that acts raises a counter", who, new.sends)
            # A claim whose message is picked up is never sent again: whoever is refused gives his claim back.
            self.that(bool(self.stack.plan.rates), "a blocked message never stays in the queue", who, new.sends)
            self.noted["resent"] += 1
        self.noted["refused_a_start"] += bool(new.blocked_reason) and not old.blocked_reason
        if status == "running" and str(old.status) == "claimed":
            self._started(old, new, who)

    def _started(self, old: FollowUp, new: FollowUp, who: str) -> None:
        early = (old.start_at if old.key in self.hurried else max(old.due_at, old.start_at)) - self._now()
        self.that(early <= timedelta(milliseconds=self._tolerance()), "I14 before its time", who, early)
        named = f"start {new.id[:6]}-{new.fence}." in self.stack.acting
        self.that(named, "I5 a message starts the claim that it names only", who, self.stack.acting)
        self.that(new.attempt == old.attempt + 1, "I10 the attempt is counted before the work", who)
        assert new.started_at is not None
        hour = ids.hour_key(new.owner, new.started_at)
        self.starts[hour] += 1
        limit = self.stack.limits.runs_per_hour
        self.that(not limit or self.starts[hour] <= limit, "I12 runs per hour", who, hour, self.starts[hour])

    def _moved_on(self, old: FollowUp, new: FollowUp, who: str) -> None:
        """The next occurrence is the next of the grid after the last that the run covered."""
        finishes = str(old.status) in ("running", "claimed") and str(new.status) in ("scheduled", "paused")
        self.that(old.rule is not None and finishes, "I14 only a finish moves on", who)
        assert old.rule is not None
        assert old.anchor is not None
        step, zone = timedelta(days=RULES[old.rule]), ZoneInfo(old.timezone)
        wall, nominal = (it.due_at.astimezone(zone).replace(tzinfo=None) for it in (new, old))
        # No run here lasts until a step of the clock: walls differ by whole days then.
        self.that((wall - nominal) % step == timedelta(0), "I14 on the rule's grid", who, old.due_at, new.due_at)
        if old.folded_to is not None:
            covered = old.folded_to.astimezone(zone).replace(tzinfo=None)
            self.that(wall == covered + step, "I14 none left out, none twice", who, covered, wall)
            self.that(old.missed == (covered - nominal) // step, "I19 what was missed is told", who, old.missed)

    def _run(self, old: Run | None, new: Run) -> None:
        who, status = f"{new.id[4:10]}-{new.fence}", str(new.report_status)
        waking = status in ("pending", "sending")
        self.that((new.wake_at is not None) == waking, "I4 a report on its way <=> wake_at", who, status)
        self.that(new.report_tries <= 8, "I10 mail tries", who)
        if old is not None:
            before = str(old.report_status)
            moves = REPORT_MOVES.get(before, set()) | ({before} if self.stack.acting.startswith("audit") else set())
            self.that(status in moves, "I3 no such transition of a report", who, before, status)
            self.that(all(getattr(old, it) == getattr(new, it) for it in TOLD), "I6 an outcome never changes", who)
            self.that(new.version == old.version + 1, "I5 version", who)
            return
        follow_up = self._now_of(ids.follow_up_key(new.owner, new.follow_up_id))
        assert follow_up is not None
        self.noted[f"run_{new.outcome}"] += 1
        self.noted["made_up_for"] += new.missed
        self.noted["never_started"] += new.started_at is None
        self.that(str(follow_up.status) == str(new.follow_up_status), "I7 the record goes with its follow-up", who)
        self.that((status == "none") == (not new.final or new.outcome == "cancelled"), "I7 what is reported", who, status)
        life = self.stack.agents.lives.get(new.id)
        over = new.outcome in ("unknown", "cancelled") and life is not None
        self.that(not over or life.ended is not None, "I1 no lease ends before its agent", who)  # type: ignore[union-attr]
        if new.started_at is not None and new.outcome in ("succeeded", "failed"):
            truth = life.answer.summary if life and life.answer else "The agent was not started"
            self.that(new.summary.startswith(truth), "I6 the record says what its own agent said", who, truth, new.summary)
        if new.final and new.outcome != "cancelled":
            # One that was asked for by hand may end before it ever started.
            extra = (new.started_at or new.finished_at) < new.due_at
            occurrence = (new.key.pk, self.edits[follow_up.key], new.due_at) + ((new.fence,) if extra else ())
            self.that(occurrence not in self.finals, "I6 one final outcome an occurrence", who, new.due_at)
            self.finals.add(occurrence)

    def _slots(self, after: Mapping[Key, Stored | None]) -> None:
        slots, limits = self.stack.tables.slots, self.stack.limits
        for item in after.values():
            it = item.entity if item else None
            if not isinstance(it, FollowUp):
                continue
            live = str(it.status) in LIVE
            for key in (ids.ALL_SLOTS_KEY, ids.agent_slots_key(it.agent)):
                held = {member for member in slots.get(key, ()) if f"#run-{it.id}-" in member}
                self.that(held == ({it.slot_id} if live else set()), "I11 slots = live runs", it.id[:6], it.status, held)
            own = len(slots.get(ids.agent_slots_key(it.agent), ()))
            self.that(own <= self._cap(it.agent), "I11 an agent's cap", it.agent, own)
        self.that(len(slots.get(ids.ALL_SLOTS_KEY, ())) <= limits.global_cap, "I11 the cap of all")

    # Agents ---------------------------------------------------------------------------------------------------------

    def agent_began(self, life: Life) -> None:
        found = self._named(life)
        key = ids.follow_up_key(life.call.owner, found[0])
        it = self._now_of(key)
        assert it is not None
        who = f"{life.call.run_id[4:10]}-{found[1]}"
        earlier = self.lives[key]
        self.that(all(other.ended is not None for other, _ in earlier), "I1 two agents of one follow-up at once", who)
        self.that(key not in self.cancelled, "I15 started after 200 cancelled", who)
        since = self.stack.engine.now - (self.stopped_since or self.stack.engine.now)
        self.that(since < 20 * MINUTE, "the kill switch starts nothing", who)
        extra = it.started_at is not None and it.started_at < it.due_at
        occurrence = (self.edits[key], it.due_at) + ((found[1],) if extra else ())
        if self.stack.natures[life.call.agent.name].rerun == "never":
            for other, same in earlier:
                record = self.stack.tables.items.get(ids.run_key(life.call.owner, *self._named(other)))
                failed = record and isinstance(record.entity, Run) and record.entity.outcome in ("failed", "cancelled")
                self.that(same != occurrence or bool(failed), "an agent that must not run twice ran twice", who, same)
        earlier.append((life, occurrence))
        for name, cap in ((it.agent, self._cap(it.agent)), ("all", self.stack.limits.global_cap)):
            self.alive[name] += 1
            self.that(self.alive[name] <= cap, "I11 more agents alive than the cap", name, self.alive[name], cap)

    def agent_ended(self, life: Life) -> None:
        for name in (life.call.agent.name, "all"):
            self.alive[name] -= 1

    def _cap(self, agent: str) -> int:
        return max(self.stack.natures[agent].max_concurrency, self.stack.people.caps.get(agent, 0))

    def _named(self, life: Life) -> tuple[str, int]:
        found = ids.parse_run_id(life.call.run_id)
        assert found is not None
        return found

    # Mail -----------------------------------------------------------------------------------------------------------

    def mailed(self, process: Process, run: Run) -> str:
        """Accepts a mail."""
        item = self.stack.tables.items.get(run.key)
        record = item.entity if item else None
        who = f"{run.id[4:10]}-{run.fence}"
        if not isinstance(record, Run):
            self.fail(f"I8 a mail without a record: {who}")
        self.that(all(getattr(record, it) == getattr(run, it) for it in TOLD), "I8 the mail's content is the record's", who)
        self.that(str(record.report_status) == "sending", "I8 mailed while", who, record.report_status)
        self.mails[run.key] += 1
        self.that(self.mails[run.key] <= record.report_tries, "I8 more mails than tries", who)
        self.that(bool(compose(record).subject), "I19 the mail has a subject", who)
        return f"mail-{self.mails[run.key]}"

    # The end --------------------------------------------------------------------------------------------------------

    def at_rest(self) -> bool:
        """Says whether nothing is alive, and nothing has to be looked at any more."""
        return self.stack.quiet and all(it.wake_at is None for it in self.stack.tables.items.values())

    def finished(self) -> None:
        """Everything was healed and has come to rest."""
        self.that(self.stack.quiet, "I17 it comes to rest", [it.name for it in self.stack.engine.alive])
        faultless = not self.stack.struck
        for item in self.stack.tables.items.values():
            it = item.entity
            if isinstance(it, FollowUp):
                self._rests(it)
            elif isinstance(it, Run):
                mails, who = self.mails[it.key], f"{it.id[4:10]}-{it.fence}"
                status = str(it.report_status)
                self.that(status in ("none", "sent", "failed"), "I7 each record ends reported", who, status)
                self.that(status != "sent" or mails >= 1, "I7 sent means mailed", who)
                self.that(status != "none" or mails == 0, "I8 what is not reported is not mailed", who)
                self.that(not faultless or mails == (status == "sent"), "I9 exactly one mail", who, mails)
                self.that(not faultless or status != "failed", "I9 no report fails without a fault", who)
                self.noted["duplicate_mails"] += max(0, mails - 1)
        for key, members in self.stack.tables.slots.items():
            self.that(not members, "I11 a slot is left", key, members)

    def _rests(self, it: FollowUp) -> None:
        who, status = f"{it.id[:6]} {it.status}", str(it.status)
        self.that(status in TIMELESS, "I2, I17 still open", who, it.start_at, it.blocked_reason)
        if status in ("done", "failed"):
            record = self.stack.tables.items.get(ids.run_key(it.owner, it.id, it.fence))
            self.that(record is not None, "I7 closed without a record", who)

    def _now(self) -> Any:
        return self.stack.engine.instant(self.stack.engine.now)

    def _now_of(self, key: Key) -> FollowUp | None:
        item = self.stack.tables.items.get(key)
        return item.entity if item and isinstance(item.entity, FollowUp) else None

    def _tolerance(self) -> int:
        return SKEW if self.stack.plan.rates.get("skew") else 0
