"""`followups tree` and `followups stop-tree`: all that agents made of one follow-up."""

from typing import Any

import click

from followups.cli.shell import SHORT, Session, find_follow_up, status, table, until, with_session
from followups.cli.timing import planned


@click.command("tree")
@click.argument("name", metavar="ID")
@with_session
def tree_(session: Session, name: str) -> None:
    """Show the whole tree that a follow-up belongs to: who made what."""
    it = session.client.of(find_follow_up(session, name), "/tree").body
    session.show(it, lambda: _draw(it))


@click.command("stop-tree")
@click.argument("name", metavar="ID")
@with_session
def stop_tree_(session: Session, name: str) -> None:
    """Cancel all of a tree that is open: its root, and whatever agents made of it. Its history stays."""
    it = session.client.of(find_follow_up(session, name), "/stop-tree", "POST").body
    ending = sum(each["status"] == "cancelling" for each in it["follow_ups"])
    live = f"; {ending} of it when {'its run has' if ending == 1 else 'their runs have'} ended" if ending else ""
    session.show(it, lambda: f"Stopped the tree of {it['root'][:SHORT]}{live}\n\n{_draw(it)}")


def _draw(it: dict[str, Any]) -> str:
    children: dict[str | None, list[dict[str, Any]]] = {}
    for each in it["follow_ups"]:
        parent = each["parent"] and each["parent"].removeprefix("run-").rpartition("-")[0]
        children.setdefault(parent, []).append(each)
    known = {each["id"] for each in it["follow_ups"]}
    # Of what the store has forgotten the children stand at the top.
    tops = [each for parent, found in children.items() if parent not in known for each in found]
    rows: list[tuple[str, str, str, str, str]] = []

    def draw(each: dict[str, Any], depth: int) -> None:
        name = "  " * depth + ("└ " if depth else "") + each["id"][:SHORT]
        rows.append((name, status(each["status"]), each["agent"], each["task"], _when(each)))
        for child in children.get(each["id"], []):
            draw(child, depth + 1)

    for top in tops:
        draw(top, 0)
    drawn = table(("ID", "STATUS", "AGENT", "TASK", "DUE"), rows, flexible=3)
    return f"{drawn}\n{it['made']} made by agents, of at most {it['limit']}"


def _when(it: dict[str, Any]) -> str:
    if it["closed_at"]:
        return f"closed {until(it['closed_at'])}"
    return "now" if it["run"] else until(planned(it))
