"""Steps through the API and the engine: each is taken in the real world and in the model, and both must say the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from followups.domain.contract import AgentCall, Done, Pending
from followups.domain.errors import AgentUncertain
from followups.domain.messages import Message
from followups.domain.status import Outcome
from followups.usecases.world import BUILTIN, Limits
from tests.support.api_engine import Engine
from tests.support.api_engine_model import EngineModel, Record
from tests.support.api_expected import CHILD_FLOOR, LIVE, WHEN, Answer, Expected, Place, instant, same

OWNERS = ("ada", "bob")
NOT_THERE: Answer = (404, "not_found")
_POLL_AFTER = timedelta(minutes=1)


class Steps:
    """The real world, the model, and the messages that are on their way."""

    def __init__(self, limits: Limits) -> None:
        self.engine = Engine(limits)
        now, ahead = self.engine.clock.now, limits.look_ahead
        self.model = EngineModel(now=now, look_ahead=ahead, at_birth=limits.claim_at_birth)
        self.starts, self.reports = list[Message](), list[Message]()

    def ask(self, who: str, expected: Answer, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, Any]:
        """Sends a request; fails unless it is answered with that status and code. Gives body and headers."""
        status, answered, sent = self.engine.call(method, path, body, user=who, **headers)
        assert (status, answered["code"] if status >= 400 else None) == expected, (method, path, body, answered)
        return answered, sent

    def ask_of(
        self, it: Expected, who: str, answer: Callable[[], Answer], method: str, verb: str = "", **sent: Any
    ) -> None:
        """Asks for something to be done with a follow-up, of its owner or not; `answer` does it in the model."""
        there = who == it.owner and self.model.is_there(it)
        body, headers = self.ask(who, answer() if there else NOT_THERE, method, f"/v1/follow-ups/{it.id}{verb}", **sent)
        if not there:
            assert body["detail"] == f"there is no follow-up {it.id}", "a stranger's is as one that never was"
        elif "etag" in headers:
            if method == "PATCH":
                self._told(body)
            it.seen(body)
            assert headers["etag"] == f'"{it.version}"'
        self.collect()

    def create(self, owner: str, key: str | None, body: dict[str, Any]) -> None:
        headers = {} if key is None else {"idempotency_key": key}
        expected, it = self.model.create(owner, key, body)
        answered, sent = self.ask(owner, expected, "POST", "/v1/follow-ups", body, **headers)
        if it is None:
            return
        warnings = self._told(answered)
        it.seen(answered)
        assert bool(warnings) == (expected[0] == 201 and self.model.take_place(it))
        assert sent["location"] == f"/v1/follow-ups/{it.id}" and sent["etag"] == f'"{it.version}"'
        assert sent.get("idempotent-replayed") == ("true" if expected[0] == 200 else None)
        self.collect()

    def create_child(self, call: AgentCall, body: dict[str, Any]) -> None:
        """An agent asks, while it works or long after."""
        parent = next(it for it in self.model.follow_ups if call.run_id.startswith(f"run-{it.id}-"))
        expected, it = self.model.create_child(parent, call.run_id, body)
        answered, _ = self.ask("bob", expected, "POST", "/v1/follow-ups", body, followups_run_token=call.token)
        if it is not None:
            warnings = self._told(answered)
            it.seen(answered)
            assert len(warnings) == (WHEN[body["due"]][0] < CHILD_FLOOR) + self.model.take_place(it)
            self.collect()

    def _told(self, answered: dict[str, Any]) -> list[str]:
        """Takes off what was understood; gives the warnings."""
        assert answered.pop("understood")
        first, *then = answered.pop("next")
        assert first["utc"] == answered["due_at"] and len(then) == (4 if answered["rule"] else 0)
        warnings: list[str] = answered.pop("warnings")
        return warnings

    def edit(self, it: Expected, who: str, if_match: int | str | None, patch: dict[str, Any]) -> None:
        """`if_match` is how far off the version is that it names, another text, or None for no such header."""
        path = f"/v1/follow-ups/{it.id}"
        if if_match is None:
            self.ask(who, (428, "precondition_required"), "PATCH", path, patch)
        elif isinstance(if_match, str):
            self.ask(who, (422, "validation_error"), "PATCH", path, patch, if_match=if_match)
        else:
            version = max(0, it.version + if_match)
            self.ask_of(it, who, lambda: self.model.edit(it, version, patch), "PATCH", body=patch, if_match=f'"{version}"')

    def change(self, it: Expected, who: str, verb: str, reason: str | None = None) -> None:
        """`verb` is pause, pause until, snooze, resume, run or delete."""
        if verb == "delete":
            self.ask_of(it, who, lambda: self.model.cancel(it), "DELETE")
        elif verb == "pause":
            body = None if reason is None else {"reason": reason}
            self.ask_of(it, who, lambda: self.model.pause(it, reason, None), "POST", "/pause", body=body)
        elif verb == "pause until":
            until = self.model.now() + timedelta(minutes=10)
            body = {"until": "in 10 minutes"} | ({} if reason is None else {"reason": reason})
            self.ask_of(it, who, lambda: self.model.pause(it, reason, until), "POST", "/pause", body=body)
        elif verb == "snooze":
            hour = timedelta(hours=1)
            self.ask_of(it, who, lambda: self.model.snooze(it, hour), "POST", "/snooze", body={"until": "1h"})
        else:
            does = self.model.resume if verb == "resume" else self.model.run_now
            self.ask_of(it, who, lambda: does(it), "POST", f"/{verb}")

    def show(self, it: Expected, who: str) -> None:
        """Looks at all that there is of a follow-up."""
        self.ask_of(it, who, lambda: (200, None), "GET")
        there = who == it.owner and self.model.is_there(it)
        found, _ = self.ask(who, (200, None) if there else NOT_THERE, "GET", f"/v1/follow-ups/{it.id}/runs")
        kept = [record for record in it.runs if record.forget_at is None or record.forget_at > self.model.now()]
        if there:
            assert found["live"] == it.view["run"]
            assert len(found["runs"]) == len(kept)
            for record, view in zip(kept, found["runs"], strict=True):
                record.view["summary"] = record.view["summary"] or view["summary"]
                same(view, record.view)
        for record in kept[:2]:
            self._show_run(it, record, who)
        if it.view["run"]:
            expected = (409, "in_progress") if who == it.owner else NOT_THERE
            self.ask(who, expected, "GET", f"/v1/runs/{it.view['run']['id']}/report")

    def _show_run(self, it: Expected, record: Record, who: str) -> None:
        mine = who == it.owner
        expected, path = (200, None) if mine else NOT_THERE, f"/v1/runs/{record.view['id']}"
        (run, _), (mail, _) = (self.ask(who, expected, "GET", path + end) for end in ("", "/report"))
        if mine:
            assert run.pop("report_text") is not None
            assert run == mail["run"] == record.view | {"summary": run["summary"]}
            words = " ".join(mail["text"].split())
            assert record.view["task"] in words and run["summary"] in words

    def put_agent(self, name: str, more: dict[str, Any]) -> None:
        asked = {"kind": "command", "command": ["true"], **more}
        usual = {"timeout_s": 600, "max_concurrency": 1, "rerun": "never", "max_attempts": 3, "builtin": False}
        none = dict.fromkeys(("target", "mode", "disabled", "worker_seen_at"))
        expected = {"name": name, **none, **usual, **asked}
        assert self.ask("ada", (200, None), "PUT", f"/v1/agents/{name}", asked)[0] == expected
        self.model.agents[name] = expected
        self._look_at_agents()

    def remove_agent(self, name: str) -> None:
        expected = (200, None) if name in self.model.agents else NOT_THERE
        self.ask("bob", expected, "DELETE", f"/v1/agents/{name}")
        self.model.agents.pop(name, None)
        self._look_at_agents()

    def control(self, stopped: bool, reason: str | None) -> None:
        body = {"stopped": stopped} | ({} if reason is None else {"reason": reason})
        changed_at = instant(self.model.now())
        self.model.control = {"stopped": stopped, "reason": reason if stopped else None, "changed_at": changed_at}
        for method, sent in (("PUT", body), ("GET", None)):
            assert self.ask("ada", (200, None), method, "/v1/control", sent)[0] == self.model.control

    def _look_at_agents(self) -> None:
        listed = self.ask("ada", (200, None), "GET", "/v1/agents")[0]["agents"]
        assert [it["name"] for it in listed if it["builtin"]] == list(BUILTIN)
        assert listed[len(BUILTIN) :] == [self.model.agents[name] for name in sorted(self.model.agents)]

    def page(self, owner: str, status: str, limit: int, after: tuple[str, Place] | None = None) -> tuple[str, Place] | None:
        """Reads a page of a list; gives where the next one starts (a cursor and, for the model, a place), or None."""
        cursor, place = after or ("", None)
        query = f"?status={status}&limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        body, _ = self.ask(owner, (200, None), "GET", f"/v1/follow-ups{query}")
        rest = [it for it in self.model.listed(owner, status) if place is None or it.place > place]
        expected = rest[:limit]
        assert [view["id"] for view in body["follow_ups"]] == [it.id for it in expected]
        for it, view in zip(expected, body["follow_ups"], strict=True):
            it.seen(view)
        if body["next"] is None:
            assert len(rest) <= limit, "the list ended before its end"
            return None
        assert len(expected) == limit
        return body["next"], expected[-1].place

    def read(self, owner: str, status: str, limit: int) -> None:
        """Reads a list to its end."""
        after = self.page(owner, status, limit)
        while after is not None:
            after = self.page(owner, status, limit, after)

    def sweep(self) -> None:
        line = self.model.sweep()
        ready = [it for it in line if self.model.is_free(it.view["agent"]) and not self.model.control["stopped"]]
        self.engine.sweep()
        sent = {(message.owner, message.follow_up_id) for message, _ in self.engine.queue.sent if message.kind == "start"}
        chosen = [it for it in line if (it.owner, it.id) in sent]
        assert all(it in ready for it in chosen) and bool(chosen) == bool(ready), "a free slot is for who waits for it"
        for it in chosen:
            passed_over = [other for other in ready if other.view["agent"] == it.view["agent"] and other not in chosen]
            assert all(it.start_at <= other.start_at for other in passed_over), "a line is a line"
            it.claim(self.model.now())
        self.collect()

    def deliver(self, message: Message, behaviour: str, meanwhile: str = "") -> None:
        """A runner gets a message. `behaviour` is what its agent does: an outcome, "go on" or "break off"; `meanwhile` is
        what the owner does while it works."""
        it = self._find(message)
        expected = self.model.expect(it, message.fence)
        # Who is over then is told to stop, unless the agent has ended by itself.
        polled = it if expected == "poll" else None
        overdue = self.model.overdue(polled) if polled and behaviour in ("go on", "break off") else None
        stops = (overdue is not None and behaviour == "go on") + (polled is not None and polled.status == "cancelling")
        agent = self.engine.agent

        def does(call: AgentCall) -> Done | Pending:
            assert it is not None
            if expected == "start":
                self.model.started(it)
                assert (call.request["attempt"], call.request["task"]) == (it.view["attempt"], it.view["task"])
            self._meanwhile(it, meanwhile, call)
            if behaviour == "break off":
                raise AgentUncertain("the line went dead")
            if behaviour == "go on":
                return Pending(handle="h", poll_after=_POLL_AFTER)
            return Done(outcome=Outcome(behaviour), summary=f"it {behaviour}")

        before = len(agent.calls), agent.polls, agent.cancelled
        word = self.engine.run(message, does)
        asked = len(agent.calls) - before[0], agent.polls - before[1], agent.cancelled - before[2]
        assert asked == (expected == "start", expected == "poll", stops), f"{expected}, and the agent was asked {asked}"
        if it is None or expected not in ("start", "poll"):
            assert word == expected
            if it is not None:
                self.model.not_started(it, word)
        else:
            self._settle(it, word, overdue or behaviour, told=overdue is None)
        self.collect()
        if it is not None:
            self.show(it, it.owner)

    def _settle(self, it: Expected, word: str, behaviour: str, *, told: bool) -> None:
        assert word == {"break off": "uncertain", "go on": "pending"}.get(behaviour, "finished")
        if behaviour == "go on":
            self.model.pending(it, _POLL_AFTER)
        elif behaviour != "break off":
            self.model.ended(it, behaviour, f"it {behaviour}" if told else None)

    def _meanwhile(self, it: Expected, what: str, call: AgentCall) -> None:
        self.ask_of(it, it.owner, lambda: (200, None), "GET")
        if what == "sweep":
            self.sweep()
        elif what == "edit":
            self.edit(it, it.owner, 0, {"task": "Later"})
        elif what == "child":
            self.create_child(call, {"agent": "@a", "task": "More", "due": "in 1 minute"})
        elif what == "show":
            self.show(it, it.owner)
        elif what:
            self.change(it, it.owner, what)

    def report(self, message: Message, does: str) -> None:
        it, mail = self._find(message), f"mail-{len(self.engine.mailer.sent) + 1}"
        record = next((record for record in it.runs if record.fence == message.fence), None) if it else None
        assert self.engine.report(message, does) == self.model.report(record, does, mail)

    def look(self) -> None:
        """What is listed is what there is, as it is."""
        for owner in OWNERS:
            self.read(owner, "all", 100)

    def drain(self) -> None:
        """Time goes on, agents and mail work well: everything that is due comes to its end, and is told."""
        self.control(False, None)
        for _ in range(60):
            self.engine.clock.advance(hours=3)
            self.sweep()
            while self.starts:
                self.deliver(self.starts.pop(0), "succeeded")
            while self.reports:
                self.report(self.reports.pop(0), "accepted")
            if not self._is_at_work():
                break
        assert not self._is_at_work(), "something that is due never came to its end"
        self.look()

    def _is_at_work(self) -> bool:
        now, its = self.model.now(), self.model.follow_ups
        waits = any(it.status in (*LIVE, "claimed") or (it.status == "scheduled" and it.start_at <= now) for it in its)
        return waits or any(record.report["status"] in ("pending", "sending") for it in its for record in it.runs)

    def _find(self, message: Message) -> Expected | None:
        named = (message.owner, message.follow_up_id)
        return next((it for it in self.model.follow_ups if (it.owner, it.id) == named), None)

    def collect(self) -> None:
        """Takes what was put on the queues; fails if it names what is not there."""
        starts, reports = self.engine.queue.take("start"), self.engine.queue.take("report")
        for message in starts:
            it = self._find(message)
            assert it and it.fence == message.fence and it.status in (*LIVE, "claimed")
        self.starts += starts
        self.reports += reports
