"""A Lambda durable function: takes a snapshot of a database, waits for it without running, and says whether it is there.

DATABASE names the instance of RDS.
A step's result is kept: after each wait the code runs again from its start, but no step does.
"""

import os
from typing import Any

import boto3
from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import Duration
from botocore.exceptions import ClientError

LOOKS, PAUSE = 72, Duration.from_minutes(5)


@durable_step
def take(_step: StepContext, database: str, snapshot: str) -> None:
    """Starts the snapshot. Steps may run more than once, so its name is the run's: the second one finds it there."""
    try:
        boto3.client("rds").create_db_snapshot(DBInstanceIdentifier=database, DBSnapshotIdentifier=snapshot)
    except ClientError as error:
        if error.response["Error"]["Code"] != "DBSnapshotAlreadyExists":
            raise


@durable_step
def look(_step: StepContext, snapshot: str) -> str:
    """Gives the snapshot's state."""
    found = boto3.client("rds").describe_db_snapshots(DBSnapshotIdentifier=snapshot)["DBSnapshots"]
    return str(found[0]["Status"])


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Takes the request; gives the answer, up to six hours later. No clock and no luck outside of steps: a replay must
    come to the same place."""
    snapshot, status = event["run_id"], ""
    context.step(take(os.environ["DATABASE"], snapshot), name="take")
    for number in range(LOOKS):
        status = context.step(look(snapshot), name=f"look-{number}")
        if status != "creating":
            break
        context.wait(PAUSE, name=f"wait-{number}")
    good = status == "available"
    answer = {
        "outcome": "succeeded" if good else "attention",
        "summary": f"The snapshot {snapshot} is {status}",
        "report_md": f"{os.environ['DATABASE']} was saved as {snapshot}, which is {status}.",
    }
    if event.get("done_when"):
        answer |= {"verdict": "cannot_tell", "evidence": f"RDS says {status}"}
    return answer
