"""The keys that sign run tokens and cursors, as Secrets Manager has them: the first signs, all verify."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, overload

#: How long what was read is good for. A process that lives for days hears of a rotation within that.
_FRESH = timedelta(minutes=5)
#: How old a key must be to sign: by then every process that verifies knows it.
_KNOWN = 2 * _FRESH


class SigningKeys(Sequence[bytes]):
    """The present key and, while it is being rotated, the one before it.

    `client` is of Secrets Manager, `arn` names the secret, `now` gives the present instant in UTC, and `check` turns the
    secret's text into a key or raises ConfigError. Reads both at once, so that a wrong one shows at the cold start.
    """

    def __init__(self, client: Any, arn: str, *, now: Callable[[], datetime], check: Callable[[str], bytes]) -> None:
        self._client, self._arn, self._now, self._check = client, arn, now, check
        self._keys, self._read_at = self._read(), now()

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        return self._fresh()[index]

    def __len__(self) -> int:
        return len(self._fresh())

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._fresh())

    def _fresh(self) -> tuple[bytes, ...]:
        if self._now() - self._read_at >= _FRESH:
            self._keys, self._read_at = self._read(), self._now()
        return self._keys

    def _read(self) -> tuple[bytes, ...]:
        present = self._client.get_secret_value(SecretId=self._arn)
        keys = [self._check(present["SecretString"])]
        try:
            previous = self._client.get_secret_value(SecretId=self._arn, VersionStage="AWSPREVIOUS")
        except self._client.exceptions.ResourceNotFoundException:
            return tuple(keys)
        keys.append(self._check(previous["SecretString"]))
        if self._now() - present["CreatedDate"] < _KNOWN:
            keys.reverse()
        return tuple(keys)
