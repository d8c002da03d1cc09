"""What every use case is given."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from followups.domain import ids, lineage
from followups.domain.entities import Agent, Control, FollowUp
from followups.domain.runs import Stamp
from followups.ports import Chance, Clock, Leases, Outputs, Queue, Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The numbers that an installation may set."""

    #: Agents alive at once, over all.
    global_cap: int = 2
    #: Runs that one owner may start in an hour; 0: as many as there are.
    runs_per_hour: int = 0
    #: Follow-ups that one owner may have open; 0: as many as there are.
    max_open: int = 0
    #: Generations of follow-ups below a person's that agents may make, and how many there may be in one tree.
    max_depth: int = lineage.MAX_DEPTH
    max_descendants: int = lineage.MAX_DESCENDANTS
    #: Root of the HTTP API, as agents reach it; None where there is none.
    callback: str | None = None
    #: How long before its time a scheduled follow-up is claimed. Zero on a laptop.
    look_ahead: timedelta = timedelta(seconds=120)
    #: Whether the queue outlives the request, so that what is due soon is claimed at its creation.
    claim_at_birth: bool = False
    #: Follow-ups that one sweep claims as they come; those beyond stand in line for a free slot, as the refused do.
    claims_at_once: int = 200
    #: Reports that one sweep puts on the queue again.
    reports_at_once: int = 500
    #: Shortest and longest time in seconds that a refused claim waits before it is looked at again.
    blocked_s: tuple[float, float] = (10.0, 60.0)
    #: Time that a runner keeps back for storing the result.
    reserve: timedelta = timedelta(seconds=15)
    #: How long after its process's end a lease ends.
    lease_margin: timedelta = timedelta(seconds=60)


class NoOutputs:
    """Keeps nothing: what is too long for a record is cut there."""

    def keep(self, name: str, text: str) -> None:  # noqa: ARG002 - there is nowhere to put it
        return None

    def read(self, ref: str) -> None:  # noqa: ARG002 - nothing was kept
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The ports and settings that every use case may need; runner and reporter are given one more each."""

    store: Store
    queue: Queue
    clock: Clock
    chance: Chance
    leases: Leases
    outputs: Outputs = field(default_factory=NoOutputs)
    limits: Limits = field(default_factory=Limits)

    def stamp(self, at: datetime) -> Stamp:
        """Gives a decision's outside facts, with fresh write ids."""
        chance = self.chance
        return Stamp(at=at, write_id=chance.new_id(), run_write_id=chance.new_id(), luck=chance.luck())

    def control(self) -> Control:
        """Gives the kill switch as it is now."""
        return self.store.get(Control, ids.CONTROL_KEY) or Control()

    def follow_up(self, owner: str, follow_up_id: str) -> FollowUp | None:
        return self.store.get(FollowUp, ids.follow_up_key(owner, follow_up_id))

    def agent(self, name: str) -> Agent | None:
        """Gives a registered or built-in agent. Any text may be asked for: what is no name is not looked up, for a store's
        key takes neither all characters nor all lengths."""
        known = BUILTIN.get(name)
        return known if known or not ids.AGENT_NAME.fullmatch(name) else self.store.get(Agent, ids.agent_key(name))


BUILTIN: dict[str, Agent] = {
    "@checklist": Agent(
        name="@checklist",
        kind="checklist",
        rerun_safe=True,
        max_concurrency=2,
        timeout_s=300,
        created_at=datetime.fromisoformat("2026-11-24T00:00:00+00:00"),
        builtin=True,
        write_id="builtin",
    ),
    "@me": Agent(
        name="@me",
        kind="person",
        rerun_safe=True,
        max_concurrency=100,
        timeout_s=60,
        created_at=datetime.fromisoformat("2026-11-26T00:00:00+00:00"),
        builtin=True,
        write_id="builtin",
    ),
}
