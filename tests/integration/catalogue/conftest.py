"""Two APIs for all cases that change nothing: a laptop's, and one as it is on AWS. Who is refused leaves no trace."""

from collections.abc import Iterator

import pytest

from followups.api.service import Place
from tests.support.api import Api
from tests.support.laptop import Laptop


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A laptop's. Shared: a case that would change it fails by itself, for what is stored is compared around it."""
    made = Api(tmp_path_factory.mktemp("laptop"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """As on AWS: no commands, and a list of those who may receive reports."""
    made = Api(
        tmp_path_factory.mktemp("aws"), allow_commands=False, place=Place("eu-central-1", 885),
        recipients=("ada@example.com", "*@team.example.com"), default_timezone="Etc/UTC",
    )  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A laptop's of its own, for what is to be changed."""
    made = Api(tmp_path_factory.mktemp("fresh"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """One laptop for all that is refused."""
    return Laptop(tmp_path_factory.mktemp("desk") / "home")
