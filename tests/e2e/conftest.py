"""The tests that both stacks share stand in modules of their own; their asserts are to say what they saw."""

import pytest

pytest.register_assert_rewrite("tests.e2e.journey", "tests.e2e.long_runs", "tests.e2e.trouble")
