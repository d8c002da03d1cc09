"""Imported by the fork server only: work at import, so that what it forks is ready at once."""

from pathlib import Path

import tests.soak.__main__  # noqa: F401 - each process looks at the main module again
from tests.soak.worker import Site, warm

_NOWHERE = "http://127.0.0.1:9"
warm(Site(url=_NOWHERE, table="", shards=1, start_queue="", report_queue="", owner="", marks=Path(), global_cap=1))
