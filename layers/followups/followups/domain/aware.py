"""What all things that are stored have in common."""

from datetime import datetime, timedelta


class Aware:
    """Refuses naive times in any field: a time without a zone is a bug waiting for a journey."""

    __slots__: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, datetime) and value.utcoffset() != timedelta(0):
                raise ValueError(f"{type(self).__name__}.{name} must be in UTC, not {value!r}")
