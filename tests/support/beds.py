"""Stores to test: each opens as many as wanted over the same items, and lets a test see and spoil what is stored."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from moto import mock_aws

from followups.adapters.dynamodb import DynamoDBStore
from followups.adapters.dynamodb_changes import plain_item, raw_item, raw_key
from followups.adapters.sqlite import SQLiteStore
from followups.domain.ids import Key
from followups.ports import Store
from tests.support.cfn import table_definition
from tests.support.things import fresh

#: What is stored, as plain values.
Item = dict[str, Any]


class Bed(Protocol):
    """One set of items."""

    def open(self) -> Store:
        """Gives another store over the same items."""

    def items(self) -> dict[Key, Item]:
        """Gives all that is stored, slot sets and counters included."""

    def spoil(self, key: Key, change: Callable[[Item], Item]) -> None:
        """Rewrites an item, past the store."""


class SQLiteBed:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> SQLiteStore:
        return SQLiteStore(self.path)

    def items(self) -> dict[Key, Item]:
        found: dict[Key, Item] = {}
        with self._file() as db:
            for pk, sk, doc, *columns in db.execute("SELECT pk, sk, doc, version, wake_at, poison FROM items"):
                found[Key(pk, sk)] = json.loads(doc) | {"columns": columns}
            for pk, sk, member in db.execute("SELECT * FROM slots ORDER BY member"):
                found.setdefault(Key(pk, sk), {"members": []})["members"].append(member)
            found |= {Key(pk, sk): {"spent": n} for pk, sk, n in db.execute("SELECT * FROM counters")}
        return found

    def spoil(self, key: Key, change: Callable[[Item], Item]) -> None:
        with self._file() as db, db:
            (doc,) = db.execute("SELECT doc FROM items WHERE pk = ? AND sk = ?", key).fetchone()
            db.execute("UPDATE items SET doc = ? WHERE pk = ? AND sk = ?", (json.dumps(change(json.loads(doc))), *key))

    @contextmanager
    def _file(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path)
        try:
            yield db
        finally:
            db.close()


class DynamoDBBed:
    """A table of its own, made as template.yaml says."""

    def __init__(self, client: Any, *, shards: int = 4) -> None:
        self.client = client
        self.table = f"followups-{fresh('table')}"
        self.shards = shards
        client.create_table(**table_definition(self.table))

    def open(self) -> DynamoDBStore:
        return DynamoDBStore(self.client, self.table, shards=self.shards, sleep=lambda _: None)

    def items(self) -> dict[Key, Item]:
        pages = self.client.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        found = [plain_item(raw) for page in pages for raw in page["Items"]]
        # An empty set is as good as none.
        full = [it for it in found if it.get("type") != "slots" or "members" in it]
        return {Key(it["pk"], it["sk"]): it for it in full}

    def spoil(self, key: Key, change: Callable[[Item], Item]) -> None:
        stored = self.client.get_item(TableName=self.table, Key=raw_key(key), ConsistentRead=True)["Item"]
        self.client.put_item(TableName=self.table, Item=raw_item(change(plain_item(stored))))


def dynamodb_client(url: str | None = None, *, light: bool = False) -> Any:
    """Gives a client of the server at that URL; without one, of moto, if a `mock_aws` is around it. A `light` one neither
    checks nor signs what it sends: a fifth less work for each of the thousands of requests of a race."""
    more: dict[str, Any] = {"parameter_validation": False, "signature_version": UNSIGNED} if light else {}
    settings = Config(
        max_pool_connections=40, proxies={}, connect_timeout=5, read_timeout=20,
        retries={"total_max_attempts": 3, "mode": "standard"}, **more,
    )  # fmt: skip
    return boto3.client(
        "dynamodb", region_name="eu-central-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test",
        config=settings,
    )  # fmt: skip


@contextmanager
def moto_bed() -> Iterator[DynamoDBBed]:
    """Gives a table in this process: right for one thread, wrong for races."""
    with mock_aws():
        yield DynamoDBBed(_moto_client())


@cache
def _moto_client() -> Any:
    # To make a client takes ten times as long as most tests.
    return dynamodb_client()
