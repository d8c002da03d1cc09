"""The stores that the contract is tested on, and the server for those of AWS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from followups.ports import Store
from tests.simulation.bed import FakeDynamoDBBed, SimulationBed
from tests.support.beds import Bed, DynamoDBBed, SQLiteBed, dynamodb_client, moto_bed
from tests.support.ministack import ministack


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for this test process: it is up in a quarter of a second, and asked for only where it is needed."""
    with ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture(scope="session")
def ministack_client(ministack_url: str) -> Any:
    return dynamodb_client(ministack_url)


@pytest.fixture(scope="session")
def light_client(ministack_url: str) -> Any:
    return dynamodb_client(ministack_url, light=True)


@pytest.fixture
def sqlite_bed(tmp_path: Path) -> SQLiteBed:
    return SQLiteBed(tmp_path / "followups.db")


#: moto is the slowest by far, and says nothing that ministack does not: `make races` asks it.
_MOTO = pytest.param("moto", marks=pytest.mark.slow)


@pytest.fixture(params=["sqlite", _MOTO, "ministack", "simulation", "simulated DynamoDB"])
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """Each store in turn, empty: the contract holds for all of them."""
    yield from _bed(request, "ministack_client")


@pytest.fixture(params=["sqlite", "ministack"])
def server_bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """Those for races and many items. moto is not atomic under threads, and reads the whole table for each query."""
    yield from _bed(request, "light_client")


@pytest.fixture
def store(bed: Bed) -> Store:
    return bed.open()


def _bed(request: pytest.FixtureRequest, client: str) -> Iterator[Bed]:
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_bed")
    elif request.param == "simulation":
        yield SimulationBed()
    elif request.param == "simulated DynamoDB":
        yield FakeDynamoDBBed()
    elif request.param == "ministack":
        yield DynamoDBBed(request.getfixturevalue(client))
    else:
        with moto_bed() as bed:
            yield bed
