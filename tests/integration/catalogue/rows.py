"""The rows of the catalogue of bad inputs (FAILURES.md §3): how a test names its row, and what stands elsewhere.

A case's id begins with its row: `pytest -k api-28` runs row 28. `test_catalogue.py` says that every row is tested here,
tested where `ELSEWHERE` says, or waits in `NOT_YET`.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from followups.api.schemas import CreateFollowUp
from tests.support import cfn
from tests.unit.test_template_api import OF_RUNS, PUBLIC

ROWS = range(1, 95)
GROUPS = {"api": range(1, 65), "cli": range(65, 72), "config": range(72, 79), "template": range(79, 87),
          "events": range(87, 95)}  # fmt: skip


def row(number: int, name: str, *values: Any) -> Any:
    """Gives a case of a table of tests, named after its row of the catalogue."""
    group = next(group for group, numbers in GROUPS.items() if number in numbers)
    return pytest.param(*values, id=f"{group}-{number:02d}-{name}")


def each_route(asks: Callable[[dict[str, Any]], bool]) -> bool:
    """Says whether the gateway asks this on every route but the public ones, and those of runs by their token alone."""
    routes = cfn.resources("AWS::ApiGatewayV2::Route").values()
    return all(asks(it) for it in routes if it["RouteKey"] not in PUBLIC | OF_RUNS)


class Later(NamedTuple):
    """Why a row, or the part of it that is named, is not tested yet; and whether that still holds."""

    why: str
    still_so: Callable[[], bool]


_AUTHORIZED = partial(each_route, lambda it: it["AuthorizationType"] != "NONE")
_SCOPED = partial(each_route, lambda it: "AuthorizationScopes" in it)
#: Rows that our code cannot answer, or not yet. Whoever brings the feature takes the row out.
NOT_YET: dict[int, Later] = {
    1: Later("API Gateway: its authorizer says 401 before we are asked; what it lets through is api-01", _AUTHORIZED),
    2: Later("API Gateway: it compares the scopes and says 403 before our code is asked", _SCOPED),
    3: Later("API Gateway: an ID token has no scopes, and every route asks for one", _SCOPED),
    17: Later("API Gateway: its own limit of the header section, 431", _AUTHORIZED),
    94: Later(
        "the issue on mail: what SES tells of a single mail; until then its events are counted, and alarmed",
        lambda: (
            not any(
                "EventBridgeDestination" in it["EventDestination"]
                for it in cfn.resources("AWS::SES::ConfigurationSetEventDestination").values()
            )
        ),
    ),
}

#: Rows that tests elsewhere hold: row -> (file, test), each of which is there.
ELSEWHERE: dict[int, list[tuple[str, str]]] = {
    19: [("tests/integration/test_api.py", "test_the_same_key_makes_one_followup")],
    20: [("tests/integration/test_api.py", "test_the_same_key_makes_one_followup")],
    21: [("tests/integration/test_store_races.py", "test_one_id_for_one_idempotency_key")],
    22: [("tests/integration/test_api.py", "test_the_same_key_makes_one_followup")],
    51: [("tests/integration/test_api.py", "test_a_tree_has_its_budget")],
    53: [("tests/integration/test_quota.py", "test_one_over_the_quota_is_refused_and_told_what_to_do"),
         ("tests/integration/test_quota.py", "test_of_many_who_create_at_once_as_many_as_may")],
    66: [("tests/integration/test_operator.py", "test_a_login_that_fails_remembers_nothing")],
    69: [("tests/integration/test_cli_refusals.py", "test_a_reader_that_goes_away_makes_no_noise")],
    78: [("tests/integration/test_dynamodb.py", "test_fewer_partitions_than_before_leave_nothing_unseen")],
    72: [("tests/unit/test_lambda_settings.py", "test_each_missing_or_empty_variable_is_named"),
         ("tests/integration/test_lambda_functions.py",
          "test_a_wrong_environment_fails_at_the_cold_start_and_names_the_variable")],
    73: [("tests/unit/test_lambda_settings.py", "test_a_wrong_variable_is_named_with_what_would_be_right"),
         ("tests/unit/test_lambda_settings.py", "test_a_runner_keeps_something_back_and_leaves_the_most")],
    74: [("tests/unit/test_template_operating.py", "test_an_alarm_rests_on_a_metric_that_there_is")],
    75: [("tests/unit/test_lambda_settings.py", "test_everybody_may_receive_only_if_it_is_said_twice")],
    77: [("tests/unit/test_lambda_settings.py", "test_signing_key")],
    79: [("tests/unit/test_template.py", "test_message_stays_hidden_while_its_function_may_live")],
    81: [("tests/unit/test_template_api.py",
          "test_every_route_asks_who_calls_but_the_public_ones_and_those_of_runs")],
    82: [("tests/unit/test_iam.py", "test_wildcards_are_explained"),
         ("tests/unit/test_iam.py", "test_mail_goes_from_the_sender_to_those_who_may_receive")],
    83: [("tests/unit/test_template.py", "test_one_rule_with_one_target_that_retries_nothing")],
    84: [("tests/unit/test_template.py", "test_two_more_runners_than_the_cap_whatever_the_cap")],
    85: [("tests/unit/test_template.py", "test_table_is_safe_and_named_as_the_code_names_it")],
    86: [("tests/unit/test_template.py", "test_table_is_safe_and_named_as_the_code_names_it")],
    92: [("tests/integration/test_agents_lambda.py", "test_what_it_answers"),
         ("tests/integration/test_agents_command.py", "test_how_it_ends"),
         ("tests/integration/test_agents_command.py", "test_a_long_answer_is_not_mistaken_for_a_report"),
         *(("tests/integration/test_agents_https.py", it) for it in (
             "test_what_it_answers", "test_of_a_flood_two_megabytes_are_read",
             "test_headers_without_end_are_not_read_for_ever", "test_a_slow_server_has_the_whole_time_and_no_more")),
         ("tests/integration/test_agents_https_safety.py", "test_a_redirect_inwards_is_not_followed")],
    93: [("tests/unit/test_report.py", "test_no_text_becomes_markup")],
}  # fmt: skip

#: Where the product answers otherwise than the catalogue says, and why it is right to.
OTHERWISE: dict[int, str] = {
    4: "the owner is the verified identity (DESIGN.md §5), not a tenant: without a usable one nobody is known, 401",
    10: "100,000 brackets are more than 64 KB: row 12 comes first, 413; what fits is 400 invalid_json",
    15: "JSON is all there is: it is answered whatever is accepted",
    23: "there is one registry for all owners (DESIGN.md §5): an agent of another tenant is no case",
    26: "there is no title: the one-line field that reaches a mail's subject is the task",
    29: "WHEN.md 12: a naive time takes the owner's zone, then the stack's or the laptop's, and it is said back",
    32: "WHEN.md 12, as row 29: a date is 09:00 in the zone that is said back",
    34: "WHEN.md 14: the year 1 is a past time, which is answered with the next sensible one",
    38: "there is one field for the time, in words (DESIGN.md §6): `in`, `every` and `cron` are unknown fields, 422",
    46: "one follow-up has one recipient: a list is no text (422), and addresses joined by commas are no address",
    50: "a run token is worth something while its run lives (DESIGN.md §3); a result after its deadline is 410, and kept",
    51: "409, not 403: an agent is told that it is for good (`retryable` false), and what to do instead (`hint`)",
    53: "creations are bounded by what may be open, and by the gateway's throttle: 429 is its own answer",
    61: "cancelling is in progress too: 409",
    66: "without an address the command works on the laptop's own file (DESIGN.md §6): nothing is missing",
    78: "lowering is not refused, which would stop every sweep: the table remembers the most, and the sweep looks at all",
    73: "the margin is bounded by twice the clock's skew, 60 s, which is more than the 10 of the catalogue",
}

#: The fields that a create request may have: a new one is a new row to think of.
FIELDS = set(CreateFollowUp.model_fields)


def rows_of(name: str) -> set[int]:
    """Gives the row that a case's id tells (`api-28-…`), or the rows of a test's name (`test_api_28_…`)."""
    groups = "|".join(GROUPS)
    found = re.match(rf"(?:{groups})-(\d\d)-", name) or re.match(rf"test_(?:{groups})_((?:\d\d_)+)", name)
    return {int(number) for number in re.findall(r"\d+", found[1])} if found else set()
