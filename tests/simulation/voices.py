"""What agents say of their own runs, by their tokens alone and through the API: that they live, and how they ended; in
time, twice, with other words, late, or with a token that is not theirs."""

import itertools
import json
from typing import TYPE_CHECKING, Any

from followups.domain.contract import Done
from followups.domain.status import Outcome
from tests.simulation.engine import MINUTE, SECOND, Process

if TYPE_CHECKING:
    from tests.simulation.agents import Life
    from tests.simulation.people import Answer
    from tests.simulation.stack import Stack

#: How it tells that it has ended, and how often.
_WAYS = {"once": 8, "twice": 4, "both at once": 3, "another": 4, "late": 4, "never": 2, "forged": 3}
_TRIES, _LONGEST = 6, 30 * SECOND


class Voice:
    """Speaks for one agent's run."""

    def __init__(self, stack: "Stack", life: "Life") -> None:
        self.stack, self.life = stack, life

    def heard(self, process: Process) -> bool:
        """Lets the agent say that it lives, or how far it is; says whether it goes on."""
        verb, body = process.rng.choice((("heartbeat", None), ("progress", {"message": "half of it is done"})))
        answered = self.ask(process, verb, body)
        if answered is None or answered[0] >= 500:
            return True
        self.stack.checks.noted["heard_of"] += answered[0] == 200
        # Some do not listen.
        return (answered[0] == 200 and not answered[1]["cancelled"]) or process.rng.random() < 0.2

    def tell(self) -> None:
        """Lets something that the agent leaves behind tell how it ended."""
        Process(self.stack.engine, f"told by {self.life.process.name}", self._tell, ended=self.stack.checks.sound)

    def _tell(self, process: Process) -> None:
        assert self.life.answer is not None
        rng, body = process.rng, said(self.life.answer)
        way = rng.choices(list(_WAYS), list(_WAYS.values()))[0]
        other = said(self._otherwise(process)) if way == "another" else body
        if way == "never":
            return
        if way == "forged":
            self._forge(process, body)
        if way == "late":
            late = self.stack.agents.deadline(self.life.call) + rng.randrange(10 * MINUTE)
            process.wait(max(0, late - self.stack.engine.now))
        if way in ("both at once", "another"):
            first = rng.choice((0, rng.randrange(3 * SECOND)))
            self._beside(process.name, other, first)
        self.end(process, body)
        if way == "twice":
            process.wait(rng.choice((0, rng.randrange(2 * MINUTE))))
            self.end(process, body)

    def _otherwise(self, process: Process) -> Done:
        nature = self.stack.natures[self.life.call.agent.name]
        other = self.stack.agents.answer(process, nature, "as it says again")
        self.life.said[other.summary] = other
        return other

    def _beside(self, name: str, body: dict[str, Any], after: int) -> None:
        def work(process: Process) -> None:
            process.wait(after)
            self.end(process, body)

        Process(self.stack.engine, f"{name} (2)", work, ended=self.stack.checks.sound)

    def end(self, process: Process, body: dict[str, Any], *, until: int = 0) -> int | None:
        """Completes the run, again while there is no answer, some times or until that moment; gives the answer's status."""
        for number in itertools.count():
            sent = self.stack.engine.now
            answered = self.ask(process, "complete", body)
            if answered is not None:
                self.stack.checks.completions.answered(self.life, body, sent, answered)
                if answered[0] < 500:
                    return answered[0]
            if number >= _TRIES and self.stack.engine.now >= until:
                return None
            process.wait(min(_LONGEST, 2**number * SECOND))
        return None

    def ask(self, process: Process, verb: str, body: Any, *, token: str | None = None) -> "Answer | None":
        call = self.life.call
        headers = {"followups-run-token": call.token if token is None else token}
        return self.stack.people.ask(process, "agent", "POST", f"/v1/runs/{call.run_id}/{verb}", body, headers)

    def _forge(self, process: Process, body: dict[str, Any]) -> None:
        """Somebody has another run's token, or made one up."""
        own = self.life.call.token
        others = [it.call.token for it in self.stack.agents.lives.values() if it.call.token != own]
        token = process.rng.choice([*others[-3:], own[:-4] + "AAAA", own.replace("fr2.", "fr1."), ""])
        answered = self.ask(process, "complete", body, token=token)
        right = answered is None or answered[0] in (401, 503)
        self.stack.checks.that(right, "a token is its own run's", self.life.call.run_id, answered)
        self.stack.checks.noted["forged"] += 1


def said(done: Done) -> dict[str, Any]:
    """Gives the answer as an agent says it itself."""
    outcome = done.outcome if done.outcome in (Outcome.SUCCEEDED, Outcome.ATTENTION) else Outcome.FAILED
    body = {"outcome": str(outcome), "summary": done.summary, "report_md": done.report}
    return body | ({"verdict": str(done.verdict), "evidence": done.evidence} if done.verdict else {})


def same(body: dict[str, Any]) -> str:
    """Gives what the same body always is."""
    return json.dumps(body, sort_keys=True)
