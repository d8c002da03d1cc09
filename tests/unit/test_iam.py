"""docs/iam.md says of each action of each role which code needs it: no more, no less, and the code is there."""

import re

import pytest

from tests.support import cfn

_ROW = re.compile(r"^\| (\w+) \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
ROWS = [
    (function, set(re.findall(r"`([a-z0-9]+:\w+)`", actions)), code)
    for function, actions, _, code in _ROW.findall((cfn.ROOT / "docs/iam.md").read_text(encoding="utf-8"))
    if function != "function"
]
#: What Lambda does in the name of every function.
RUNTIME = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
PACKAGE = cfn.ROOT / "layers/followups/followups"


@pytest.mark.parametrize("function", ["api", "sweeper", "runner", "reporter", "auditor"])
def test_the_table_names_what_the_role_may_do(function: str) -> None:
    told = {action for name, actions, _ in ROWS if name == function for action in actions}
    assert cfn.actions(f"{function.title()}Function") == told | RUNTIME


@pytest.mark.parametrize("code", sorted({code for _, _, code in ROWS if code.startswith("`")}))
def test_the_code_that_needs_it_is_there(code: str) -> None:
    path, *names = re.findall(r"`([^`]+)`", code)
    text = (PACKAGE / path).read_text(encoding="utf-8")
    assert names
    for name in names:
        assert re.search(rf"def {name}\(|case {name}\(", text), f"{path} has no {name}"
