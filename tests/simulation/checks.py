"""The promises of FAILURES.md §2, checked at every write, start and mail. What is right is written down anew here: a check
that asks the product's own tables would be wrong together with them.

`writes` has what must hold of a write, `courses` what must happen when, `names` who goes by a name."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from followups.domain import ids
from followups.domain.entities import Agent, FollowUp, Run
from followups.domain.ids import Key
from followups.domain.report import compose
from tests.simulation.agents import Life
from tests.simulation.budgets import Budgets
from tests.simulation.completions import Completions
from tests.simulation.courses import Courses
from tests.simulation.engine import MINUTE, Process, Violation
from tests.simulation.looks import Looks
from tests.simulation.names import Names
from tests.simulation.tables import Stored
from tests.simulation.writes import CLOSED, TOLD, Writes

if TYPE_CHECKING:
    from tests.simulation.stack import Stack

#: Nothing has to be looked at any more.
TIMELESS = CLOSED | {"paused"}
LIVE = {"running", "cancelling"}


class Checks:
    """What must hold. `fail` ends the simulation."""

    def __init__(self, stack: "Stack") -> None:
        self.stack = stack
        self.broken: list[str] = []
        self.mails: Counter[Key] = Counter()
        #: Follow-ups for which "200 cancelled" was answered.
        self.cancelled: set[Key] = set()
        #: Runs whose target was asked to stop them.
        self.told_to_stop: set[str] = set()
        #: What each version of an item said.
        self.history: dict[tuple[Key, int], FollowUp] = {}
        self.lives: dict[Key, list[tuple[Life, tuple[Any, ...]]]] = defaultdict(list)
        self.alive: Counter[str] = Counter()
        self.stopped_since: int | None = None
        #: Agents that are out of use, and since when.
        self.disabled_since: dict[str, int] = {}
        self.noted: Counter[str] = Counter()
        self._counted: set[Life] = set()
        self.looks = Looks(self)
        self.courses = Courses(self)
        self.names = Names(self)
        self.budgets = Budgets(self)
        self.completions = Completions(self)
        self.writes = Writes(self, self.courses)

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

    def sound(self, process: Process) -> None:
        """What people and agents do is the simulation's own, and never fails."""
        if process.error is not None:
            raise process.error

    # Writes ---------------------------------------------------------------------------------------------------------

    def committed(self, before: Mapping[Key, Stored | None], after: Mapping[Key, Stored | None]) -> None:
        was = {key: item.entity for key, item in before.items() if item}
        now = {key: item.entity for key, item in after.items() if item}
        ended = {(it.owner, it.follow_up_id): it for key, it in now.items() if isinstance(it, Run) and key not in was}
        for key, new in now.items():
            old = was.get(key)
            if isinstance(new, FollowUp):
                assert old is None or isinstance(old, FollowUp)
                self.writes.follow_up(old, new, self._parent(new, was), ended.get((new.owner, new.id)))
            elif isinstance(new, Run):
                assert old is None or isinstance(old, Run)
                self.writes.run(old, new)
        self.names.committed(before, after)
        self.budgets.committed(was, now)
        self._slots(after)

    def _parent(self, new: FollowUp, was: Mapping[Key, Any]) -> FollowUp | None:
        """Gives the parent as it was before the write, which may be a change of it too."""
        named = ids.parse_run_id(new.parent or "")
        key = ids.follow_up_key(new.owner, named[0]) if named else None
        return (was.get(key) or self.now_of(key)) if key else None

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
        it = self.now_of(key)
        assert it is not None
        who = f"{life.call.run_id[4:10]}-{found[1]}"
        earlier = self.lives[key]
        self.that(life.call.run_id not in self.stack.agents.lives, "an agent is called once for each attempt", who)
        self.that(not any(self.is_alive(other) for other, _ in earlier), "I1 two agents of one follow-up at once", who)
        self.that(key not in self.cancelled, "I15 started after 200 cancelled", who)
        since = self.stack.engine.now - (self.stopped_since or self.stack.engine.now)
        self.that(since < 20 * MINUTE, "the kill switch starts nothing", who)
        self.that(it.test or not self._out_of_use(it.agent), "an agent that is out of use starts nothing", who)
        self.names.began(key, found[1], who)
        self.budgets.began(it, who)
        occurrence = self.courses.occurrence(key, found[1])
        if self.stack.natures[life.call.agent.name].rerun == "never":
            for other, same in earlier:
                record = self.stack.tables.items.get(ids.run_key(life.call.owner, *self._named(other)))
                failed = record and isinstance(record.entity, Run) and record.entity.outcome in ("failed", "cancelled")
                self.that(same != occurrence or bool(failed), "an agent that must not run twice ran twice", who, same)
        earlier.append((life, occurrence))
        for name, cap in ((it.agent, self._cap(it.agent)), ("all", self.stack.limits.global_cap)):
            self.alive[name] += 1
            self.that(self.alive[name] <= cap, "I11 more agents alive than the cap", name, self.alive[name], cap)
        self._counted.add(life)
        if life.overstays:
            # Nothing is promised of one that does not mind its deadline.
            self.stack.engine.at(self.stack.agents.deadline(life.call), lambda: self.agent_ended(life))

    def _out_of_use(self, name: str) -> bool:
        """Says whether an agent is disabled, and has been so long that everybody must know."""
        item, since = self.stack.tables.items.get(ids.agent_key(name)), self.disabled_since.get(name)
        disabled = item is not None and isinstance(item.entity, Agent) and item.entity.disabled is not None
        return disabled and since is not None and self.stack.engine.now - since >= 20 * MINUTE

    def agent_ended(self, life: Life) -> None:
        if life in self._counted:
            self._counted.remove(life)
            for name in (life.call.agent.name, "all"):
                self.alive[name] -= 1

    def is_alive(self, life: Life) -> bool:
        """Says whether an agent is alive that should not be any more."""
        return life.alive(self.stack.engine.now, self.stack.agents.deadline(life.call))

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
            self.that(not members or key.sk == "TREE", "I11 a slot is left", key, members)

    def _rests(self, it: FollowUp) -> None:
        who, status = f"{it.id[:6]} {it.status}", str(it.status)
        waits = status in TIMELESS and it.paused_until is None
        self.that(waits, "I2, I17 still open", who, it.start_at, it.blocked_reason)
        if status in ("done", "failed"):
            record = self.stack.tables.items.get(ids.run_key(it.owner, it.id, it.fence))
            self.that(record is not None, "I7 closed without a record", who)

    def now_of(self, key: Key) -> FollowUp | None:
        item = self.stack.tables.items.get(key)
        return item.entity if item and isinstance(item.entity, FollowUp) else None
