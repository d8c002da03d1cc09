"""The HTTP API as a state machine: what clients ask and what the engine does, in any order, against a model of what a
client may rely on. After each step the lists show what the model holds."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.api_callbacks import call_back
from tests.support.api_engine import AWS, LAPTOP
from tests.support.api_expected import OPEN, WHEN, Expected
from tests.support.api_steps import OWNERS, Steps
from tests.support.api_trees import look_at_tree
from tests.support.fuzz import search

OWNER = st.sampled_from(OWNERS)
#: Which of several, whatever they are by then.
NTH = st.integers(0, 30)
#: Mostly the owner asks.
STRANGER = st.sampled_from([False] * 5 + [True])
AGENT = st.sampled_from(["@a", "@b"])
DUE = st.sampled_from([*WHEN, "in 1 second", "in 1 minute", "daily", "daily"])
FIELDS = {
    "task": st.sampled_from(["Check", "Look"]), "message": st.sampled_from(["", "All\nof it"]),
    "report_to": st.just("a@b.co"), "max_attempts": st.integers(1, 3), "due": DUE,
}  # fmt: skip
BODY = st.fixed_dictionaries(
    {"agent": st.sampled_from(["@a"] * 5 + ["@b"] * 3 + ["@c"]), "task": FIELDS["task"], "due": FIELDS["due"]},
    optional={name: FIELDS[name] for name in ("message", "report_to", "max_attempts")}
    | {"late": st.just("skip"), "replace_key": st.just("it")},
)
PATCH = st.fixed_dictionaries({}, optional=FIELDS).filter(bool)
KEYS = st.sampled_from([None, None, "k1", "k2"])
IF_MATCH = st.sampled_from([0, 0, 0, -1, 1, None, "*", 'W/"1"'])
APT = {
    "pause": ["scheduled", "claimed"], "resume": ["paused"], "run": ["scheduled", "claimed"], "delete": OPEN,
    "pause until": ["scheduled", "claimed"], "snooze": ["scheduled", "claimed"],
}  # fmt: skip
VERB = st.sampled_from(["pause", "pause until", "resume", "resume", "run", "snooze", "delete"])
REASON = st.sampled_from([None, "on holiday"])
STATUSES = ("open", "closed", "all", "paused", "done")
STATUS = st.sampled_from(STATUSES)
LIMIT = st.sampled_from([1, 1, 2, 3, 100])
DOES = st.sampled_from(["succeeded", "succeeded", "attention", "failed", "failed", "timed_out", "go on", "break off"])
MEANWHILE = st.sampled_from(
    ["", "", "pause", "resume", "run", "snooze", "delete", "delete", "edit", "show", "sweep", "child"]
)
MAIL = st.sampled_from(["accepted", "accepted", "not sent", "refused", "uncertain"])
SAYING = st.sampled_from(
    [("complete", {"outcome": it, "summary": f"it {it}"}) for it in ("succeeded", "attention", "failed")]
    + [("heartbeat", None), ("progress", {"message": "half of it"})]
)
SECONDS = st.sampled_from([0, 1, 10, 60, 60, 130, 130, 600, 1_000, 1_000, 3_600, 86_400])
SETTINGS = st.fixed_dictionaries(
    {}, optional={
        "timeout_s": st.sampled_from([60, 3_600]), "max_concurrency": st.integers(1, 2), "max_attempts": st.integers(1, 3),
        "rerun": st.sampled_from(["safe", "never"]),
    },
)  # fmt: skip
has_any = precondition(lambda self: self.steps.model.follow_ups)
has_start = precondition(lambda self: self.steps.starts)


class ApiMachine(RuleBasedStateMachine):
    """Two owners, two agents, and time."""

    pages = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps(LAPTOP)

    @initialize(aws=st.booleans(), a=SETTINGS, b=SETTINGS, bodies=st.lists(BODY, min_size=1, max_size=4))
    def begin(self, aws: bool, a: dict[str, Any], b: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
        self.steps = Steps(AWS if aws else LAPTOP)
        self.steps.put_agent("@a", a)
        self.steps.put_agent("@b", b)
        for body in bodies:
            self.steps.create("ada", None, body)

    @rule(owner=OWNER, key=KEYS, bodies=st.lists(BODY, min_size=1, max_size=2), twice=st.booleans())
    def create(self, owner: str, key: str | None, bodies: list[dict[str, Any]], twice: bool) -> None:
        """If the answer was lost, twice; and with a key, it may be for something else the next time."""
        for body in bodies * (1 + twice):
            self.steps.create(owner, key, body)

    @has_any
    @rule(nth=NTH, stranger=STRANGER, if_match=IF_MATCH, patch=PATCH)
    def edit(self, nth: int, stranger: bool, if_match: int | str | None, patch: dict[str, Any]) -> None:
        self.steps.edit(*self._pick(nth, stranger), if_match, patch)

    @has_any
    @rule(nth=NTH, stranger=STRANGER, verb=VERB, reason=REASON, twice=st.booleans())
    def change(self, nth: int, stranger: bool, verb: str, reason: str | None, twice: bool) -> None:
        """Mostly one for which the verb is meant; if a client lost the answer, twice."""
        for _ in range(1 + twice):
            self.steps.change(*self._pick(nth, stranger, APT[verb]), verb, reason)

    @has_any
    @rule(nth=NTH, stranger=STRANGER)
    def show(self, nth: int, stranger: bool) -> None:
        self.steps.show(*self._pick(nth, stranger))

    @has_any
    @rule(nth=NTH, stranger=STRANGER, stop=st.booleans())
    def look_at_tree(self, nth: int, stranger: bool, stop: bool) -> None:
        look_at_tree(self.steps, *self._pick(nth, stranger), stop=stop)

    @rule()
    def show_all_when_history_is_over(self) -> None:
        self.wait(91 * 86_400)
        for it in self.steps.model.follow_ups:
            self.steps.show(it, it.owner)

    @rule(owner=OWNER, limit=LIMIT)
    def read_all_pages(self, owner: str, limit: int) -> None:
        for status in STATUSES:
            self.steps.read(owner, status, limit)

    @rule(target=pages, owner=OWNER, status=STATUS, limit=LIMIT)
    def first_page(self, owner: str, status: str, limit: int) -> Any:
        return self._page(owner, status, limit, None)

    @rule(target=pages, page=consumes(pages), limit=LIMIT)
    def next_page(self, page: Any, limit: int) -> Any:
        """Whatever happened since the last one."""
        owner, status, after = page
        return self._page(owner, status, limit, after)

    @rule(what=st.sampled_from(["put", "put", "remove", "stop", "go", "go"]), name=AGENT, more=SETTINGS, reason=REASON)
    def administer(self, what: str, name: str, more: dict[str, Any], reason: str | None) -> None:
        if what == "put":
            self.steps.put_agent(name, more)
        elif what == "remove":
            self.steps.remove_agent(name)
        else:
            self.steps.control(what == "stop", reason)

    @rule(seconds=SECONDS)
    def wait(self, seconds: int) -> None:
        self.steps.engine.clock.advance(seconds=seconds)
        self.steps.sweep()

    @rule(seconds=SECONDS, does=DOES, meanwhile=MEANWHILE)
    def go_on(self, seconds: int, does: str, meanwhile: str) -> None:
        """Time passes, and all happens that should."""
        self.wait(seconds)
        starts, self.steps.starts = self.steps.starts, []
        for message in starts:
            self.steps.deliver(message, does, meanwhile)

    @has_any
    @rule(nth=NTH, does=DOES, meanwhile=MEANWHILE)
    def go_on_until_its_time(self, nth: int, does: str, meanwhile: str) -> None:
        self._wait_until(self._pick(nth, stranger=False)[0].start_at)
        self.go_on(0, does, meanwhile)

    @has_start
    @rule(nth=NTH, does=DOES, meanwhile=MEANWHILE, again=st.booleans())
    def deliver(self, nth: int, does: str, meanwhile: str, again: bool) -> None:
        """Soon or late, in any order, and maybe not for the last time."""
        waiting = self.steps.starts
        message = waiting[nth % len(waiting)]
        if not again:
            waiting.remove(message)
        self.steps.deliver(message, does, meanwhile)

    @precondition(lambda self: self.steps.engine.agent.calls)
    @rule(nth=NTH, body=BODY)
    def ask_as_an_agent(self, nth: int, body: dict[str, Any]) -> None:
        """One of those that were called last; its run may be over long since."""
        calls = self.steps.engine.agent.calls[-3:]
        self.steps.create_child(calls[nth % len(calls)], body)

    @precondition(lambda self: self.steps.engine.agent.calls)
    @rule(nth=NTH, saying=SAYING, twice=st.booleans())
    def call_back(self, nth: int, saying: tuple[str, dict[str, Any] | None], twice: bool) -> None:
        """An agent that runs or ran says how it is, or that it is over; if it lost the answer, twice."""
        calls = self.steps.engine.agent.calls[-3:]
        for _ in range(1 + twice):
            call_back(self.steps, calls[nth % len(calls)], *saying)

    @has_start
    @rule(nth=NTH)
    def lose(self, nth: int) -> None:
        self.steps.starts.pop(nth % len(self.steps.starts))

    @rule(times=st.integers(1, 9))
    def lose_all_again_and_again(self, times: int) -> None:
        for _ in range(times):
            self.steps.starts.clear()
            looks = [it.look_at for it in self.steps.model.follow_ups if it.status == "claimed" and it.look_at]
            self._wait_until(min(looks, default=self.steps.model.now()))

    @rule(owner=OWNER, body=BODY, reason=REASON)
    def stop_all_for_a_while(self, owner: str, body: dict[str, Any], reason: str | None) -> None:
        self.steps.control(True, reason)
        self.steps.create(owner, None, body)
        self.go_on(10, "succeeded", "")
        self.steps.control(False, None)

    @precondition(lambda self: self.steps.reports)
    @rule(nth=NTH, does=MAIL, again=st.booleans())
    def report(self, nth: int, does: str, again: bool) -> None:
        waiting = self.steps.reports
        message = waiting[nth % len(waiting)]
        if not again:
            waiting.remove(message)
        self.steps.report(message, does)

    @invariant()
    def all_is_listed(self) -> None:
        self.steps.look()

    def teardown(self) -> None:
        try:
            if not sys.exc_info()[0]:
                self.steps.drain()
        finally:
            self.steps.engine.close()

    def _wait_until(self, moment: datetime) -> None:
        self.wait(max(0, round((moment - self.steps.model.now()).total_seconds())))

    def _pick(self, nth: int, stranger: bool, apt: Sequence[str] = ()) -> tuple[Expected, str]:
        """Gives a follow-up, mostly one in such a status if there is any, and who asks for it."""
        its = self.steps.model.follow_ups
        its = [it for it in its if nth % 4 and it.status in apt] or its
        it = its[nth % len(its)]
        return it, next(owner for owner in OWNERS if (owner == it.owner) is not stranger)

    def _page(self, owner: str, status: str, limit: int, after: Any) -> Any:
        onward = self.steps.page(owner, status, limit, after)
        return multiple() if onward is None else (owner, status, onward)


@pytest.mark.hypothesis
def test_whatever_is_asked_and_happens_the_answers_are_the_models() -> None:
    run_state_machine_as_test(ApiMachine, settings=search(6, share=0.3, stateful_step_count=40))
