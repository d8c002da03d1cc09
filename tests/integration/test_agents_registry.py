"""The registry of agents: each kind with what it needs and nothing else, and what may be changed of it when."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from followups.api.service import Place
from followups.domain.contract import Pending
from followups.domain.status import Status
from tests.support.api import Api
from tests.support.api_play import POLL, Play

PLACE = "eu-central-1:123456789012"
LAMBDA = f"arn:aws:lambda:{PLACE}:function:check-backup"
STATES = f"arn:aws:states:{PLACE}:stateMachine:Check"
RUNTIME = f"arn:aws:bedrock-agentcore:{PLACE}:runtime/check-a1b2c3"
HARNESS = f"arn:aws:bedrock-agentcore:{PLACE}:harness/check-a1b2c3"
HOOK = "https://agent.example.com/run"
#: What each kind is registered with on AWS, and on a laptop.
ON_AWS: dict[str, dict[str, Any]] = {
    "lambda": {"target": LAMBDA}, "states": {"target": STATES}, "agentcore": {"target": RUNTIME}, "https": {"target": HOOK},
    "worker": {}, "person": {"target": "ada@example.com"},
}  # fmt: skip
ON_LAPTOP: dict[str, dict[str, Any]] = {
    "command": {"command": ["true"]}, "https": {"target": HOOK}, "worker": {}, "person": {},
}  # fmt: skip
WEEK = 7 * 86_400


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Api]:
    made = Api(
        tmp_path,
        allow_commands=False,
        place=Place("eu-central-1", 885),
        recipients=("ada@example.com", "*@team.example.com"),
    )
    yield made
    made.close()


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.close()


@pytest.fixture
def play() -> Iterator[Play]:
    made = Play()
    yield made
    made.close()


def put(api: Api, body: dict[str, Any], name: str = "@x") -> tuple[int, Any]:
    status, answered, _ = api.call("PUT", f"/v1/agents/{name}", body)
    return status, answered


# Each kind


@pytest.mark.parametrize("kind", ON_AWS)
def test_each_kind_on_aws(aws: Api, kind: str) -> None:
    status, agent = put(aws, {"kind": kind, **ON_AWS[kind]})
    assert status == 200, agent
    assert (agent["kind"], agent["target"], agent["command"]) == (kind, ON_AWS[kind].get("target"), [])
    assert (agent["timeout_s"], agent["max_concurrency"], agent["rerun"], agent["max_attempts"]) == (600, 1, "never", 3)
    assert (agent["mode"], agent["disabled"], agent["worker_seen_at"], agent["builtin"]) == (None, None, None, False)
    assert aws.call("GET", "/v1/agents/@x")[1] == agent
    assert agent in aws.call("GET", "/v1/agents")[1]["agents"]


@pytest.mark.parametrize("kind", ON_LAPTOP)
def test_each_kind_on_a_laptop(laptop: Api, kind: str) -> None:
    status, agent = put(laptop, {"kind": kind, **ON_LAPTOP[kind]})
    assert (status, agent["kind"]) == (200, kind), agent


@pytest.mark.parametrize("target", [RUNTIME, HARNESS, f"{RUNTIME}/runtime-endpoint/live"])
def test_runtimes_and_harnesses_are_told_apart_by_their_names(aws: Api, target: str) -> None:
    assert put(aws, {"kind": "agentcore", "target": target})[0] == 200


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ({"kind": "command"}, "/command", "a command agent is registered with `command`, and with that only"),
        ({"kind": "command", "command": ["true"], "target": HOOK}, "/target", "with `command`, and with that only"),
        *(({"kind": it}, "/target", f"a {it} agent is registered with `target`, and with that only")
          for it in ("lambda", "states", "agentcore", "https")),
        *(({"kind": it, **ON_AWS[it], "command": ["true"]}, "/command", f"a {it} agent is registered with")
          for it in ON_AWS),
        ({"kind": "worker", "target": HOOK}, "/target", "with neither `command` nor `target`"),
        ({"kind": "person", "target": "Ada <ada@example.com>"}, "/target", ""),
        ({"kind": "person", "target": "ada"}, "/target", "no plain mail address"),
        ({"kind": "checklist"}, "/kind", "'command', 'lambda'"),
        ({"kind": "lambda", "target": "check-backup"}, "/target", "is not a function's ARN"),
        ({"kind": "states", "target": LAMBDA}, "/target", "is not a state machine's ARN"),
        ({"kind": "agentcore", "target": STATES}, "/target", "is not an AgentCore runtime's ARN"),
        ({"kind": "lambda", "target": LAMBDA.replace("central", "west")}, "/target", "is in eu-west-1, and agents"),
        ({"kind": "https", "target": "http://agent.example.com/"}, "/target", "write one like https://"),
        ({"kind": "https", "target": "https://10.0.0.1/"}, "/target", "private, local or reserved"),
        ({"kind": "https", "target": "https://me:pw@agent.example.com/"}, "/target", "no user and no password"),
        ({"kind": "worker", "mode": "async"}, "/mode", "'async' is no mode of worker agents: there are none"),
        ({"kind": "states", "target": STATES, "mode": "sync"}, "/mode", "no mode of states agents"),
        ({"kind": "agentcore", "target": RUNTIME, "mode": "durable"}, "/mode", "there are sync, async"),
        ({"kind": "lambda", "target": LAMBDA, "timeout_s": 886}, "/timeout_s", "885 s"),
        ({"kind": "lambda", "target": LAMBDA, "timeout_s": 3_601}, "/timeout_s", "3600 s"),
        ({"kind": "agentcore", "target": RUNTIME, "mode": "sync", "timeout_s": 886}, "/timeout_s", "RunnerTimeout"),
        ({"kind": "worker", "timeout_s": WEEK + 1}, "/timeout_s", "604800"),
    ],
)  # fmt: skip
def test_what_a_kind_does_not_go_with_is_named(aws: Api, body: dict[str, Any], pointer: str, said: str) -> None:
    before = aws.stored()
    status, refused = put(aws, body)
    assert (status, refused["errors"][0]["pointer"]) == (422, pointer)
    assert said in refused["errors"][0]["msg"] and said in refused["detail"], refused
    assert aws.stored() == before


@pytest.mark.parametrize(
    ("kind", "here"), [(kind, "laptop") for kind in ("lambda", "states", "agentcore")] + [("command", "aws")]
)
def test_where_a_kind_cannot_run_it_is_not_registered(
    request: pytest.FixtureRequest, kind: str, here: str
) -> None:  # fmt: skip
    api: Api = request.getfixturevalue(here)
    status, refused = put(api, {"kind": kind, **(ON_AWS | ON_LAPTOP)[kind]})
    assert (status, refused["code"], refused["errors"][0]["pointer"]) == (422, "unknown_kind", "/kind")
    assert f"{kind} agents run on" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "timeout_s"),
    [
        ({"kind": "states", "target": STATES, "timeout_s": WEEK}, WEEK),
        ({"kind": "https", "target": HOOK, "timeout_s": WEEK}, WEEK),
        ({"kind": "worker", "timeout_s": WEEK}, WEEK),
        ({"kind": "lambda", "target": LAMBDA, "mode": "async", "timeout_s": WEEK}, WEEK),
        ({"kind": "lambda", "target": LAMBDA, "mode": "durable", "timeout_s": WEEK}, WEEK),
        ({"kind": "agentcore", "target": RUNTIME, "mode": "async", "timeout_s": WEEK}, WEEK),
        ({"kind": "lambda", "target": LAMBDA, "timeout_s": 885}, 885),
    ],
)
def test_how_long_a_run_may_take(aws: Api, body: dict[str, Any], timeout_s: int) -> None:
    status, agent = put(aws, body)
    assert (status, agent["timeout_s"]) == (200, timeout_s), agent


def test_where_runners_have_less_time_than_usual_nobody_has_to_say_so(tmp_path: Path) -> None:
    short = Api(tmp_path, allow_commands=False, place=Place("eu-central-1", 285))
    assert put(short, {"kind": "lambda", "target": LAMBDA})[1]["timeout_s"] == 285
    assert put(short, {"kind": "lambda", "target": LAMBDA, "timeout_s": 600})[0] == 422
    assert put(short, {"kind": "lambda", "target": LAMBDA, "mode": "async"})[1]["timeout_s"] == 600
    short.close()


def test_a_laptop_waits_for_a_command_for_an_hour(laptop: Api) -> None:
    body = {"kind": "command", "command": ["true"]}
    assert put(laptop, body | {"timeout_s": 3_600})[0] == 200
    assert put(laptop, body | {"timeout_s": 3_601})[1]["errors"][0]["pointer"] == "/timeout_s"


@pytest.mark.parametrize(
    ("target", "status"), [("ada@example.com", 200), ("bo@team.example.com", 200), (None, 200), ("eve@example.com", 403)]
)
def test_a_persons_address_is_one_that_may_receive(aws: Api, target: str | None, status: int) -> None:
    got, answered = put(aws, {"kind": "person", "target": target})
    assert got == status
    if status == 403:
        assert (answered["code"], answered["errors"][0]["pointer"]) == ("recipient_not_allowed", "/target")


def test_the_usual_mode_is_none(aws: Api) -> None:
    assert put(aws, {"kind": "lambda", "target": LAMBDA, "mode": "sync"})[1]["mode"] is None
    assert put(aws, {"kind": "lambda", "target": LAMBDA, "mode": "durable"})[1]["mode"] == "durable"


# Changed


def test_an_agent_that_is_put_again_stays_out_of_use_and_its_worker_is_remembered(play: Play) -> None:
    play.call("POST", "/v1/agents/@desk/work", {"worker": "w"})
    seen = play.call("POST", "/v1/agents/@desk/disable", {"reason": "its desk is moved"})[1]["worker_seen_at"]
    agent = play.register("@desk", {"kind": "worker", "max_concurrency": 5})
    assert (agent["max_concurrency"], agent["disabled"], agent["worker_seen_at"]) == (5, "its desk is moved", seen)
    assert seen is not None


def test_a_kind_is_not_changed_under_a_live_run(play: Play) -> None:
    call = play.begin(lambda _: Pending(handle="h", poll_after=POLL))
    body = {"kind": "https", "target": HOOK}
    status, refused, _ = play.call("PUT", "/v1/agents/@a", body)
    assert (status, refused["code"]) == (409, "in_progress")
    assert play.register("@a", {"kind": "command", "command": ["false"]})["command"] == ["false"]
    play.say(call, "complete", {"outcome": "succeeded"})
    assert play.register("@a", body)["kind"] == "https"


def test_an_agent_that_is_removed_during_its_run_may_still_end_it(play: Play) -> None:
    call = play.begin(lambda _: Pending(handle="h", poll_after=POLL))
    assert play.call("DELETE", "/v1/agents/@a")[0] == 200
    assert play.tick(minutes=2) == ["stale"]
    assert play.say(call, "complete", {"outcome": "succeeded"})[0] == 200
    play.mail()
    assert (play.now(call).status, len(play.mailer.sent)) == (Status.DONE, 1)
