"""The deployed stack in trouble and in the operator's hands: dead letters, an update, the kill switch, audit, doctor."""

import json
import time
from typing import Any

from tests.e2e.running import CAP, Running, wait_for


def test_a_message_that_kills_its_runner_ends_in_the_dead_letters_and_runs_once_sent_again(running: Running) -> None:
    there, queue = running.there, running.there.outputs["StartQueueUrl"]
    # A runner that dies at its start, each time, before it has noted anything. SQS waits a minute for each that died, five
    # times; the test shortens that.
    there.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "10"})
    whole = there.environment("RunnerFunction")
    there.set_environment("RunnerFunction", {name: value for name, value in whole.items() if name != "FOLLOWUPS_TABLE"})
    made = running.say("create", "@hello", "Killed its runner", "in 1 second")
    letters = wait_for(lambda: running.say("redrive", "--dry-run")["letters"], seconds=120)
    assert [it["did"] for it in letters] == ["left"]
    doctor = running.laptop.here("doctor", **there.environ)
    assert doctor.returncode == 1
    assert "followups redrive" in doctor.stdout
    there.set_environment("RunnerFunction", whole)
    there.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "60"})
    assert [it["did"] for it in running.say("redrive")["letters"]] == ["sent again"]
    assert running.ended(made["id"], 60)["status"] == "done"
    assert len(running.say("runs", made["id"])["runs"]) == 1
    running.mail_of("Killed its runner")


def test_an_update_keeps_what_is_open(running: Running) -> None:
    made = running.say("create", "@hello", "Older than the update", "in 3 hours")
    soon = running.say("create", "@hello", "Claimed before the update", "in 30 seconds")
    running.there.deploy(GlobalCap=str(CAP + 1), RunnerTimeout="10", Shards="32")
    kept = running.say("show", made["id"])
    assert all(kept[name] == made[name] for name in made.keys() & kept.keys())
    assert made["id"] in [it["id"] for it in running.say("list")["follow_ups"]]
    assert running.ended(soon["id"], 90)["status"] == "done"
    running.say("run", made["id"])
    assert running.ended(made["id"], 90)["status"] == "done"
    assert len(running.say("runs", made["id"])["runs"]) == 1


def test_parameters_that_are_wrong_are_refused_with_a_sentence(running: Running) -> None:
    for wrong, sentence in (
        ({"JwtIssuer": "https://id.example.com"}, "JwtIssuer needs JwtAudience"),
        ({"AllowedRecipients": "everybody"}, "*@example.com is everybody there"),
    ):
        done = running.there.try_to_deploy(**wrong)
        assert done.returncode != 0
        assert sentence in done.stdout + done.stderr


def test_the_kill_switch_holds_the_deployed_stack(running: Running) -> None:
    running.say("pause", "--all", "--reason", "a test")
    try:
        made = running.say("create", "@hello", "Held up", "in 1 second")
        time.sleep(5)
        assert running.say("runs", made["id"])["runs"] == []
    finally:
        running.say("resume", "--all")
    assert running.ended(made["id"], 130)["status"] == "done"


def test_the_auditor_finds_nothing(running: Running) -> None:
    answer = running.there.client("lambda").invoke(FunctionName=running.there.outputs["AuditorFunctionName"], Payload=b"{}")
    audited: Any = json.loads(answer["Payload"].read())
    assert audited["broken"] == 0, audited


def test_doctor_finds_all_well(running: Running) -> None:
    done = running.laptop.here("doctor", **running.there.environ)
    assert done.returncode == 0, done.stdout
