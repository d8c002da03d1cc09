"""Mutants of agents that outlive their calls, speak for themselves, or are asked for by workers; of verdicts, trees and
quotas."""

from tests.simulation.mutation import Mutant


def _m(name: str, module: str, *edits: tuple[str, str]) -> Mutant:
    return Mutant(name, module, edits)


_RUNS, _ONWARD, _VERDICTS, _HEARING = "domain.runs", "domain.onward", "domain.verdicts", "domain.hearing"
_COMPLETE, _SETTLE, _WORK, _RUN = "usecases.complete", "usecases.settle", "usecases.work", "usecases.run"
_CREATE, _FAMILY, _MANAGE, _LINEAGE = "usecases.create", "usecases.family", "usecases.manage", "domain.lineage"

MUTANTS_OF_AGENTS: tuple[Mutant, ...] = (
    _m(
        "completion unfenced", _COMPLETE,
        ("        if record is not None:\n            try:", "        if record is not None and (now is None or now.status "
         "not in LIVE):\n            try:"),
        (
            "    if old is None or old.fence != token.fence or old.status not in LIVE:",
            "    if old is None or old.status not in LIVE:",
        ),
    ),
    _m(
        "a second completion wins", _COMPLETE,
        (
            "        if record.completion != completion:\n            raise",
            "        if record.completion != completion:\n"
            "            from dataclasses import replace\n\n"
            "            from followups.domain.changes import Swap\n\n"
            "            new = replace(record, outcome=done.outcome, summary=done.summary, completion=completion,\n"
            "                          version=record.version + 1, write_id=world.chance.new_id())\n"
            "            world.store.commit(Swap(record, new))\n"
            "            return Completed(record=new, replayed=False)\n"
            "        if False:\n            raise",
        ),
    ),
    _m(
        "late completion overwrites the outcome", _HEARING,
        ("        run, late_at=at, late_outcome=done.outcome,", "        run, outcome=done.outcome, late_at=at, "
         "late_outcome=done.outcome,"),
    ),
    _m("token's run id not checked", _COMPLETE, ("    if token.run_id != run_id:\n", "    if False:\n")),
    _m(
        "lease of a lasting run ends with the process", _RUNS,
        ("max(process_end, deadline + LASTING_MARGIN) if lasting else process_end", "process_end"),
    ),
    _m("asked-for handle lost", _RUNS, ("handle=old.handle or old.run_id)", "handle=old.handle)")),
    _m("release keeps the attempt", _RUNS, ("attempt=old.attempt - 1, **(UNCLAIMED", "**(UNCLAIMED")),
    _m(
        "release keeps the slot", _RUNS,
        ("    return (swap, *free_slots(old), *_unspend(old, runs_per_hour))", "    return (swap, *_unspend(old, "
         "runs_per_hour))"),
    ),
    _m(
        "release keeps the hour's run", _RUNS,
        ("    return (swap, *free_slots(old), *_unspend(old, runs_per_hour))", "    return (swap, *free_slots(old))"),
    ),
    _m(
        "a run that is given back after it was replaced", _RUNS,
        ("if old.status is Status.RUNNING and old.replaced_by is None:", "if old.status is Status.RUNNING:"),
    ),
    _m("a worker's run is given back", _SETTLE, ("        if now.handle != live.handle:\n", "        if False:\n")),
    _m(
        "a worker's run waits again", _SETTLE,
        ("            if now.handle not in (live.handle, pending.handle):\n", "            if False:\n"),
    ),
    _m(
        "worker's lease not kept by heartbeat", _HEARING,
        ('        fields["lease_until"] = at + WORKER_LEASE\n', '        fields["heard_at"] = at\n'),
        (
            "            wake_at = min(at + WORKER_LEASE, old.deadline_at + OVERDUE_AFTER)\n",
            "            wake_at = old.wake_at\n",
        ),
    ),
    _m(
        "run handed to two workers", _WORK,
        ("if it.handle == hearing.WAITING]", "if it.handle is not None and it not in again]"),
        ("        if old.handle == hearing.WAITING:\n            swap", "        if old not in again:\n            swap"),
    ),
    _m(
        "what is given again has its old lease", _WORK,
        (
            "            swap = hearing.heard(old, at=at, write_id=write_id)\n",
            "            return _call(world, secret, old, agent, at)\n",
        ),
    ),
    _m("quota not given back on cancel", _MANAGE, ("world.store.commit(swap, *closing(swap))", "world.store.commit(swap)")),
    _m(
        "quota not given back at the end", _RUNS,
        ("    return (swap, Add(run), *closing(swap))", "    return (swap, Add(run))"),
    ),
    _m(
        "quota counted twice for one that takes another's place", _CREATE,
        ("    if new.counted and not freed:\n", "    if new.counted:\n"),
    ),
    _m(
        "budget counted per parent instead of per root", _LINEAGE,
        ("ids.tree_key(parent.owner, parent.root)", "ids.tree_key(parent.owner, parent.id)"),
    ),
    _m("depth not counted", _LINEAGE, ("root=parent.root, depth=parent.depth + 1)", "root=parent.root, depth=1)")),
    _m("stop-tree cancels the root only", _FAMILY, ("        for each in stopping:\n", "        for each in stopping[:1]:\n"
       "            if each.depth:\n                return it\n")),
    _m("not_met closes a recurrence", _ONWARD, ("    if done.verdict is Verdict.MET:\n", "    if done.verdict in "
       "(Verdict.MET, Verdict.NOT_MET):\n")),
    _m("met does not close", _ONWARD, ("    if done.verdict is Verdict.MET:\n", "    if False:\n")),
    _m(
        "cannot_tell counts as success", _VERDICTS,
        ("done.outcome if verdict is Verdict.MET else", "done.outcome if verdict is not Verdict.NOT_MET else"),
    ),
    _m("a verdict that nobody asked for counts", _VERDICTS, ("        return replace(done, verdict=None, evidence=\"\")",
       "        return done")),
    _m(
        "the ladder counts from now", _VERDICTS,
        ("in ((old.due_at, meant), (at, wall(at, zone))):", "in ((at, wall(at, zone)),):"),
    ),
    _m(
        "never given up", _VERDICTS,
        ("    return old.give_up_at is not None and moment > old.give_up_at", "    return False"),
    ),
    _m("a dead run's token takes somebody's place", _CREATE, ("        live_parent(old, asker.token)\n", "        pass\n")),
    _m(
        "a run past its deadline is not stopped", _RUN,
        ("        target.cancel(call, live.handle)\n        answer = _overdue", "        answer = _overdue"),
    ),
)  # fmt: skip
