"""A tree looked at and stopped, in the real world and in the model: both must say the same."""

from tests.support.api_expected import OPEN, Expected
from tests.support.api_steps import NOT_THERE, Steps

_BUDGET = 20


def look_at_tree(steps: Steps, it: Expected, who: str, *, stop: bool) -> None:
    """Whoever stops it is answered with the tree as it is then: nothing of it is left that could start."""
    model, path = steps.model, f"/v1/follow-ups/{it.id}/" + ("stop-tree" if stop else "tree")
    there = who == it.owner and model.is_there(it)
    root = it.root or it.id
    members = [each for each in model.follow_ups if root in (each.id, each.root) and model.is_there(each)]
    for each in members if stop and there else []:
        if each.status in OPEN:
            model.cancel(each)
    found, _ = steps.ask(who, (200, None) if there else NOT_THERE, "POST" if stop else "GET", path)
    if not there:
        return
    assert (found["root"], found["made"], found["limit"]) == (root, model.descendants.get(root, 0), _BUDGET)
    places = [(view["depth"], view["created_at"], view["id"]) for view in found["follow_ups"]]
    assert places == sorted(places)
    by_id = {each.id: each for each in members}
    assert {view["id"] for view in found["follow_ups"]} == set(by_id)
    for view in found["follow_ups"]:
        by_id[view["id"]].seen(view)
    steps.collect()
