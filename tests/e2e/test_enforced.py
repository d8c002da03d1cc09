"""The deployed stack as a client sees it, where IAM refuses what no policy allows."""

from collections.abc import Iterator

import pytest

from tests.e2e.journey import *  # noqa: F403 - the tests
from tests.e2e.long_runs import *  # noqa: F403 - the tests
from tests.e2e.running import Running, deployed
from tests.e2e.trouble import *  # noqa: F403 - the tests

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with deployed(tmp_path_factory.mktemp("aws"), enforced=True) as it:
        yield it
