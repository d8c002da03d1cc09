"""What `followups doctor` makes of what AWS says, where no stand-in says it."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

import pytest

from followups.adapters.operator import Mail
from followups.cli import doctor_aws


@pytest.mark.parametrize(("age_minutes", "ok"), [(2, None), (4, False)])
def test_a_stack_without_a_tick_is_ill_unless_it_is_new(age_minutes: int, ok: bool | None) -> None:
    class Quiet:
        outputs: ClassVar[dict[str, str]] = {"SweeperFunctionArn": "arn:sweeper"}
        changed_at = datetime.now(UTC) - timedelta(minutes=age_minutes)

        def last_tick(self, since: datetime) -> None:
            return None

    [check] = doctor_aws._tick(cast("Any", None), cast("Any", Quiet()))
    assert check.ok is ok
    assert ("arn:sweeper" in str(check.mend)) is (ok is False)


@pytest.mark.parametrize("sandbox", [False, True])
def test_paused_sending_is_one_failure_with_what_to_look_at(sandbox: bool) -> None:
    class Paused:
        parameters: ClassVar[dict[str, str]] = {}

        def mail(self) -> Mail:
            return Mail(enabled=False, sandbox=sandbox, sent=3, per_day=200)

        def is_verified(self, address: str) -> bool:
            return True

    checks = list(doctor_aws._mail(cast("Any", None), cast("Any", Paused())))
    assert [it.mend for it in checks if it.ok is False] == ["aws sesv2 get-account"]
