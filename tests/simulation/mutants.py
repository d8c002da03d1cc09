"""The mutants of FAILURES.md §2, and those of what came later, each as a change of the source. `python -m
tests.simulation.table` plants them all."""

from tests.simulation.mutants_agents import MUTANTS_OF_AGENTS
from tests.simulation.mutation import Mutant


def _m(name: str, module: str, *edits: tuple[str, str]) -> Mutant:
    return Mutant(name, module, edits)


_SWEEP, _RUN, _REPORT, _RUNS = "usecases.sweep", "usecases.run", "usecases.report", "domain.runs"
_CLAIMS, _EDITING, _LINEAGE = "domain.claims", "domain.editing", "domain.lineage"
_CREATE, _SCHEDULE, _SETTLE, _ONWARD = "usecases.create", "domain.schedule", "usecases.settle", "domain.onward"
_DYNAMODB, _DYNAMODB_CHANGES = "adapters.dynamodb", "adapters.dynamodb_changes"

MUTANTS: tuple[Mutant, ...] = (
    _m(
        "no version check", _DYNAMODB_CHANGES,
        ('"#version = :version", {"version": old.version}, Item=item', '"attribute_exists(#version)", {}, Item=item'),
    ),
    _m("no fence in the message", _RUN, ("if old is None or old.fence != message.fence:", "if old is None:")),
    _m("fence not raised", _CLAIMS, ('{"fence": old.fence + 1,', '{"fence": max(1, old.fence),')),
    _m(
        "start without status check", _RUN,
        ("if old.status is not Status.CLAIMED:", "if old.status not in (Status.CLAIMED, Status.RUNNING):"),
    ),
    _m(
        "finish unfenced", _SETTLE,
        ("now is None or now.fence != live.fence or now.status not in LIVE", "now is None or now.status not in LIVE"),
    ),
    _m(
        "mail before result", _REPORT,
        (
            "    try:\n        world.store.commit(swap)\n    except Conflict:\n        return \"stale\"\n"
            "    assert isinstance(swap.new, Run)\n    word, note = _send(world, mailer, swap.new)\n",
            "    word, note = _send(world, mailer, swap.new)\n"
            "    try:\n        world.store.commit(swap)\n    except Conflict:\n        return \"stale\"\n",
        ),
    ),
    _m(
        "result after state", _SETTLE,
        (
            "            if changes := decide(now):\n                world.store.commit(*changes)\n",
            "            if changes := decide(now):\n                world.store.commit(changes[0], *changes[2:])\n"
            "                if changes[1:]:\n                    world.store.commit(changes[1])\n",
        ),
    ),
    _m(
        "release without condition", _RUN,
        ("    world.store.commit(claims.give_back(old,", "    old = world.follow_up(old.owner, old.id) or old\n"
         "    world.store.commit(claims.give_back(old,"),
    ),
    _m(
        "lease shorter than the run", _RUN,
        ("at + (seconds if lasting else remaining) + limits.lease_margin", "at + timedelta(seconds=60)"),
    ),
    _m(
        "index key not removed on close", "domain.moves",
        (
            "        status=status,\n        wake_at=None if wake_at is None else",
            "        status=status,\n        wake_at=old.wake_at if wake_at is None else",
        ),
    ),
    _m(
        "index key not set on resume", _EDITING,
        ("from dataclasses import dataclass", "from dataclasses import dataclass, replace"),
        (
            "    return advance(\n        old, Status.SCHEDULED, at=at, write_id=write_id, wake_at=old.start_at, "
            "reason=None, failures_in_row=0\n    )",
            "    return Swap(old, replace(old, status=Status.SCHEDULED, updated_at=at, version=old.version + 1, "
            "write_id=write_id))",
        ),
    ),
    _m(
        "resume at now instead of its occurrence", _EDITING,
        ("wake_at=old.start_at, reason=None", "wake_at=at, start_at=at, reason=None"),
    ),
    _m("resend raises the fence", _CLAIMS, ("sends=sends, **UNBLOCKED", "sends=sends, fence=old.fence + 1, **UNBLOCKED")),
    _m("resend without counter", _CLAIMS, ("sends=sends, **UNBLOCKED", "sends=old.sends, **UNBLOCKED")),
    _m(
        "ambiguous error retried at once", _RUN,
        (
            "        # Nothing is written: the agent may be alive, and only the lease knows when it surely is not.\n"
            "        return Ran(\"uncertain\")",
            "        answer = Done(outcome=Outcome.FAILED, summary=\"the line broke\")",
        ),
    ),
    _m(
        "slots never freed", _RUNS,
        (
            "return (*_end(old, done, onward, stamp, **record), *free_slots(old))",
            "return _end(old, done, onward, stamp, **record)",
        ),
    ),
    _m(
        "slots freed twice", _RUN,
        (
            "        # Nothing is written: the agent may be alive, and only the lease knows when it surely is not.\n",
            "        world.store.commit(*runs.free_slots(live))\n",
        ),
    ),
    _m(
        "next occurrence from now instead of nominal", _ONWARD,
        ("next_after(*rule_of(old), old.folded_to or old.due_at)", "next_after(*rule_of(old), at)"),
    ),
    _m(
        "roll-forward outside the finish", _RUNS,
        ("schedule import fold_missed", "schedule import fold_missed, next_after"),
        (
            "    slots = (\n        TakeSlot(agent.slots_key",
            "    if old.rule is not None:\n"
            "        rolled = next_after(*rule_of(old), old.due_at)\n"
            "        swap = replace(swap, new=replace(swap.new, due_at=rolled.at if rolled else old.due_at))\n"
            "    slots = (\n        TakeSlot(agent.slots_key",
        ),
    ),
    _m(
        "deterministic transaction token", _DYNAMODB,
        (
            "self._client.transact_write_items(TransactItems=[{it.verb: it.arguments} for it in operations])",
            "self._client.transact_write_items(\n"
            "                    TransactItems=[{it.verb: it.arguments} for it in operations],\n"
            "                    ClientRequestToken=repr([(it.arguments.get(\"Key\") or it.arguments[\"Item\"][\"pk\"]) "
            "for it in operations]),\n                )",
        ),
    ),
    _m(
        "conflict read as success", _DYNAMODB,
        ("                if failed:\n                    raise", "                if failed:\n                    return\n"
         "                if False:\n                    raise"),
    ),
    _m(
        "mail marked before sent", _REPORT,
        (
            "        name = mailer.send(with_whole(run, world.outputs))\n",
            "        at, write_id = world.clock.now(), world.chance.new_id()\n"
            "        world.store.commit(delivery.accepted(run, \"sent\", at=at, write_id=write_id))\n"
            "        name = mailer.send(with_whole(run, world.outputs))\n        return \"sent\", None\n",
        ),
    ),
    _m(
        "look-ahead applied to leases", _SWEEP,
        (
            "    elif item.wake_at is not None and item.wake_at <= at:\n        # The look-ahead",
            "    elif item.wake_at is not None and item.wake_at <= (at := at + world.limits.look_ahead):\n"
            "        # The look-ahead",
        ),
    ),
    _m(
        "blocked message left in the queue", _RUN,
        ("    # A little after, so that", "    return Ran(\"blocked\")\n    # A little after, so that"),
    ),
    _m(
        "write_id not unique", _RUN,
        ("old, agent, at=at, write_id=world.chance.new_id(),", "old, agent, at=at, write_id=f\"{old.run_id}\","),
    ),
    _m("child's create without Live", _LINEAGE, ("        Live(parent.key, parent.fence),\n", "")),
    _m(
        "cascade token not bound to the live run", _LINEAGE,
        (
            "if parent is None or parent.status is not Status.RUNNING or parent.fence != token.fence:",
            "if parent is None:",
        ),
        ("        Live(parent.key, parent.fence),\n", ""),
    ),
    _m(
        "hourly budget ignored", _RUNS,
        ("    if not runs_per_hour:\n        return (swap, *slots)", "    if True:\n        return (swap, *slots)"),
    ),
    _m("lateness counted from the nominal time", _RUNS, ("at - old.planned_at <= within", "at - old.due_at <= within")),
    _m("skipped after an attempt", _RUNS, ("is None or old.attempt or old.extra or", "is None or old.extra or")),
    _m("skipped what was asked for by hand", _RUNS, ("or old.attempt or old.extra or", "or old.attempt or")),
    _m("skip covers what is not too late", _RUNS, ("stamp.at - within - timedelta(microseconds=1)", "stamp.at")),
    _m("late policy ignored", _RUN, ("(overdue := runs.lateness(old, at)) is not None", "(overdue := None) is not None")),
    _m(
        "a recurrence goes on after it was replaced", _ONWARD,
        ("following = None if old.replaced_by else _following(old, at)", "following = _following(old, at)"),
    ),
    _m("a retry after it was replaced", _ONWARD, ("old.max_attempts or old.replaced_by:", "old.max_attempts:")),
    _m("the old one of a name is left", _CREATE, ("return (naming, way), (f", "return (naming,), (f")),
    _m(
        "two take one name at once", _CREATE,
        ("return (naming,), ()", "return (), ()"), ("return (naming, way), (f", "return (way,), (f"),
    ),
    _m(
        "a snooze moves the schedule", _EDITING,
        ('"snoozed_to": until, "start_at": until}', '"snoozed_to": until, "start_at": until, "due_at": until}'),
    ),
    _m("a snooze is forgotten by the start", _EDITING, ('"snoozed_to": until, "start_at": until}', '"snoozed_to": until}')),
    _m(
        "a pause that never ends", _SWEEP,
        ("world.store.commit(editing.pause_over(item, at=at, write_id=world.chance.new_id()))", "return"),
    ),
    _m(
        "a pause ends by the look-ahead", _SWEEP,
        ("    elif item.wake_at is not None and item.wake_at <= at:\n",
         "    elif item.wake_at is not None and (item.wake_at <= at or item.status is Status.PAUSED):\n"),
        ("editing.pause_over(item,", "editing.resume(item,"),
    ),
    _m("COUNT ignored", _SCHEDULE, ("if last is not None and found.at > last:", "if False:")),
    _m("UNTIL ignored", _SCHEDULE, ("if rule.until is not None and local > rule.until:", "if False:")),
    _m(
        "a recurrence closes before its last time", _ONWARD,
        ("    if found is None:", "    if found is None or next_after(*rule_of(old), found.at) is None:"),
    ),
    _m(
        "a recurrence goes on after its end", _ONWARD,
        ("from datetime import datetime\n", "from datetime import datetime, timedelta\n"),
        ("schedule import next_after", "schedule import Occurrence, next_after"),
        ("    if found is None:\n        return None", "    found = found or Occurrence(at + timedelta(days=1), None)"),
    ),
    _m(
        "the stagger of the first time only", _ONWARD,
        ("from datetime import datetime\n", "from datetime import datetime, timedelta\n"),
        ("found.local, old.stagger)", "found.local, timedelta(0))"),
    ),
    _m("a run by hand uses up an occurrence", _ONWARD, ("old.rule is not None and old.extra and", "False and")),
    _m("zones' data not read anew", _CLAIMS, ("if old.due_wall is None or old.tzdata == TZDATA:", "if old is not None:")),
    *MUTANTS_OF_AGENTS,
)  # fmt: skip
