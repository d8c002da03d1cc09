"""Those who use it: what they ask goes through the real API, and each answer is looked at."""

import json
import random
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from followups.domain import ids
from followups.domain.contract import AgentCall
from followups.domain.entities import FollowUp
from followups.local import events
from tests.simulation.agents import LAST, registered
from tests.simulation.engine import MINUTE, SECOND, Process
from tests.simulation.faults import SKEW
from tests.support.contract import check_answer

if TYPE_CHECKING:
    from tests.simulation.stack import Stack

OWNERS = ("ada", "bob")
#: What people and agents call things, each in their own.
NAMES = ("backup", "report")
_TRIES = 6
#: What people do: how often, and how.
Actions = Mapping[str, tuple[int, Callable[["Act"], None]]]
Answer = tuple[int, dict[str, Any], dict[str, str]]


class People:
    """Those who use it. `skip` leaves actions out, by number."""

    def __init__(self, stack: "Stack", skip: frozenset[int]) -> None:
        self.stack = stack
        self.skip = skip
        self.script: list[str] = []
        #: Ids that were answered with 200 or 201, by owner.
        self.known: dict[str, list[str]] = {owner: [] for owner in OWNERS}
        self.keys: dict[tuple[str, str], str] = {}
        #: The highest cap that each agent ever had.
        self.caps: dict[str, int] = {}
        #: How long things are asked, and of which agent more than of the others.
        self.lasts, self.favourite = 0, ""

    def register(self) -> None:
        """Registers the agents."""
        for name in self.stack.natures:
            self.act(f"register {name}", 0, "ada", lambda act, name=name: act.put(name))

    def begin(self, actions: Actions, count: int, until: int) -> None:
        """Registers the agents, and lets so many things be asked until that time."""
        rng, self.lasts = self.stack.engine.rng("script"), until
        natures = self.stack.natures
        liked = [3 if it.way in ("worker", "calls") else 1 for it in natures.values()]
        self.favourite = rng.choices(list(natures), liked)[0]
        self.register()
        names, weights = zip(*[(name, weight) for name, (weight, _) in actions.items()], strict=True)
        # Each story has a few things due at once, and the rest spread.
        moments = sorted(rng.choice((rng.randrange(until), rng.randrange(min(until, 20 * MINUTE)))) for _ in range(count))
        for number, moment in enumerate(moments):
            name, owner = rng.choices(names, weights)[0], rng.choice(OWNERS)
            if number < count // 4:
                name = "create"
            self.script.append(name)
            if number not in self.skip:
                self.act(f"{name} #{number}", moment + 5 * SECOND, owner, actions[name][1])

    def end(self) -> None:
        """Lets everybody cancel what recurs without an end; what has one must come to it by itself."""
        for item in list(self.stack.tables.items.values()):
            it = item.entity
            if isinstance(it, FollowUp) and it.rule and not ("COUNT=" in it.rule or "UNTIL=" in it.rule):
                path = f"/v1/follow-ups/{it.id}"
                self.act(f"end {it.id[:6]}", 0, it.owner, lambda act, path=path: act.until_answered("DELETE", path))

    def act(self, name: str, moment: int, owner: str, act: Callable[["Act"], None]) -> None:
        engine = self.stack.engine
        ended = self.stack.checks.sound
        engine.at(moment, lambda: Process(engine, name, lambda it: act(Act(self, it, owner)), ended=ended) and None)

    def ask(
        self, process: Process, owner: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
    ) -> Answer | None:
        """Sends a request and waits for its answer; None if there was none."""
        process.calls += 1
        stack = self.stack
        sent = {"content-type": "application/json"} | dict(headers)
        text = None if body is None else json.dumps(body).encode()
        event = events.request(method, path, user=owner, headers=sent, body=text, at=stack.engine.instant(0))

        def work(api: Process) -> Any:
            return stack.handler("api", api)(event, events.LocalContext())

        name = f"{process.name} > {method} {process.calls}"
        call = stack.invoke(name, work, lives=29 * SECOND, ended=lambda _: process.wake())
        process.park()
        stack.checks.let_out(call)
        if call.result is None:
            return None
        status, answered = call.result["statusCode"], json.loads(call.result["body"])
        stack.engine.note(name, f"{method} {path} -> {status} {answered.get('code', '')}")
        self.stack.checks.noted[f"answer_{status}"] += 1
        try:
            check_answer(method, path, status, call.result["headers"], answered)
        except AssertionError as error:
            self.stack.checks.fail(f"I18 the document does not promise this: {error}")
        return status, answered, call.result["headers"]

    def child(self, process: Process, call: AgentCall, number: int) -> None:
        """An agent asks for a follow-up of its own, as itself."""
        # What is due at once is moved away; what an agent would do in a loop must not spin.
        nature = self.stack.natures[call.agent.name]
        due = process.rng.choice(nature.child_due)
        agent = process.rng.choice([it for it in ("@safe", "@maker") if it in self.stack.natures])
        body = {"agent": agent, "task": f"Child {number} of {call.run_id}", "due": due}
        if process.rng.random() < (0.8 if number == LAST else nature.replaces):
            body["replace_key"] = self._name_in_tree(process, call, own=number == LAST)
        headers = {"followups-run-token": call.token, "idempotency-key": f"{call.run_id}-{number}"}
        for _ in range(2):
            answered = self.ask(process, "agent", "POST", "/v1/follow-ups", body, headers)
            if answered is not None and answered[0] != 503:
                if answered[0] == 409:
                    self._refused(call, answered[1])
                if answered[0] in (200, 201):
                    made = answered[1]
                    self.stack.checks.that(made["parent"] == call.run_id, "I12 a child of its own run", made["parent"])
                    self.said(call.owner, answered)
                    self.accepted(call.owner, made["id"])
                return

    def _refused(self, call: AgentCall, problem: dict[str, Any]) -> None:
        """An agent is told what a refusal means to it, and its run knows of it."""
        checks, code = self.stack.checks, problem["code"]
        if code in ("cascade_depth", "cascade_budget", "quota_active"):
            told = problem["retryable"] is False and bool(problem["hint"])
            checks.that(told, "an agent is told that it need not ask again", call.run_id, problem)
            named = ids.parse_run_id(call.run_id)
            assert named is not None
            it = checks.now_of(ids.follow_up_key(call.owner, named[0]))
            live = it is not None and it.fence == named[1] and str(it.status) == "running"
            checks.that(not live or bool(it and it.refused), "what a run was refused is noted", call.run_id)
            checks.noted[f"refused_{code}"] += 1

    def _name_in_tree(self, process: Process, call: AgentCall, *, own: bool) -> str:
        """Gives a name that an agent's child may go by: often that of the agent's own follow-up, if it has one."""
        named = ids.parse_run_id(call.run_id)
        assert named is not None
        it = self.stack.checks.now_of(ids.follow_up_key(call.owner, named[0]))
        if own and it and it.replace_key:
            return it.replace_key
        names = [f"tree-{it.root[:6]}", NAMES[0]] if it else list(NAMES)
        return process.rng.choice([*names, *([it.replace_key] * 2 if it and it.replace_key else [])])

    def said(self, owner: str, answered: Answer) -> None:
        """What was said back of a time was so: the next times, and whose place a new one takes."""
        _, body, _ = answered
        that, checks = self.stack.checks.that, self.stack.checks
        it = checks.history.get((ids.follow_up_key(owner, body["id"]), body["version"]))
        if it is None:
            checks.fail(f"I19 a version that never was: {body['id']} {body['version']}")
        right = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in checks.courses.next_times(it)]
        that([time["utc"] for time in body["next"]] == right, "I19 the next times", it.id, body["next"], right)
        for words in body["warnings"]:
            if found := re.fullmatch(r"it takes the place of (\w+), which was (\w+)", words):
                old = checks.now_of(ids.follow_up_key(owner, found[1]))
                that(old is not None and old.replaced_by == it.id, "I19 whose place it takes", it.id, words)

    def accepted(self, owner: str, follow_up_id: str) -> None:
        stored = self.stack.tables.items.get(ids.follow_up_key(owner, follow_up_id))
        self.stack.checks.that(stored is not None, "I2 what was accepted is there", follow_up_id)
        if follow_up_id not in self.known[owner]:
            self.known[owner].append(follow_up_id)


class Act:
    """One thing that somebody does."""

    def __init__(self, people: People, process: Process, owner: str) -> None:
        self.people, self.process, self.owner = people, process, owner
        self.rng: random.Random = process.rng
        self.checks, self.natures = people.stack.checks, people.stack.natures
        self._others = 0

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.people.ask(self.process, self.owner, method, path, body, named)

    def until_answered(self, method: str, path: str, body: Any = None, **headers: str) -> Answer | None:
        """Asks again while there is no answer, as the command does."""
        for number in range(_TRIES):
            answered = self.ask(method, path, body, **headers)
            if answered is not None and answered[0] != 503:
                return answered
            self.process.wait((2**number) * SECOND)
        return None

    def one(self) -> str | None:
        """Gives the id of one of the owner's follow-ups, if there is any; rather often one that is on its way just now."""
        known, items = self.people.known[self.owner], self.people.stack.tables.items
        entities = [items[ids.follow_up_key(self.owner, it)].entity for it in known]
        opened = [it for it in entities if isinstance(it, FollowUp) and not it.is_closed]
        busy = [it.id for it in opened if it.status in ("claimed", "running", "paused")]
        luck = self.rng.random()
        if busy and luck < 0.5:
            return self.rng.choice(busy)
        if opened and luck < 0.8:
            return self.rng.choice(opened).id
        return self.rng.choice(known) if known else None

    def also(self, act: Callable[["Act"], None]) -> None:
        """Lets somebody else do that at the same time, for the same owner."""
        self._others += 1
        name = f"{self.process.name} ({self._others})"

        def work(process: Process) -> None:
            act(Act(self.people, process, self.owner))

        Process(self.people.stack.engine, name, work, ended=self.checks.sound)

    def stored(self) -> FollowUp | None:
        """Gives one of the owner's follow-ups as it is stored just now."""
        it = self.one()
        return self.checks.now_of(ids.follow_up_key(self.owner, it)) if it else None

    def now(self) -> datetime:
        return self.people.stack.engine.instant(self.people.stack.engine.now)

    def long_enough(self, until: str, began: datetime, span: int) -> None:
        """What was asked for that long, counted from a moment since `began` or a later one, lasts until then."""
        least = began + timedelta(milliseconds=span - SKEW) - timedelta(seconds=1)
        self.checks.that(datetime.fromisoformat(until) >= least, "it lasts as long as was asked", until, least)

    def agent(self) -> str:
        """Gives an agent that something is asked of: each story has one that is asked of more than the others."""
        return self.people.favourite if self.rng.random() < 0.4 else self.rng.choice(list(self.natures))

    def made(self, answered: Answer | None, key: str) -> None:
        """Takes the answer to a request that makes something, if there was one: its agent may have been removed."""
        if answered is None or answered[0] not in (200, 201):
            return
        made = answered[1]["id"]
        known = self.people.keys.setdefault((self.owner, key), made)
        self.checks.that(known == made, "I13 one id a key", key, known, made)
        self.people.accepted(self.owner, made)
        self.people.said(self.owner, answered)

    def true(self, view: dict[str, Any]) -> None:
        """What is said of a follow-up was so at that version of it."""
        it = self.checks.history.get((ids.follow_up_key(self.owner, view["id"]), view["version"]))
        self.checks.that(it is not None, "I19 a version that never was", view["id"], view["version"])
        assert isinstance(it, FollowUp)
        names = ("status", "occurrence", "attempt", "task", "rule", "replace_key", "replaced_by", "reason")
        times = ("due_at", "snoozed_to", "paused_until")
        said = [*(view[name] for name in names), *(view[name] for name in times)]
        was = [getattr(it, name) for name in names]
        was += [moment and f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (getattr(it, name) for name in times)]
        self.checks.that(said == was, "I19 what is shown was never so", said, was)

    def put(self, name: str, cap: int | None = None) -> None:
        """Registers an agent as it is by nature, or with another cap."""
        nature = self.natures[name]
        body = registered(name, nature, laptop=self.people.stack.place is None)
        answered = self.until_answered("PUT", f"/v1/agents/{name}", body | ({"max_concurrency": cap} if cap else {}))
        self.checks.that(answered is None or answered[0] == 200, "an agent is registered", name, answered)
