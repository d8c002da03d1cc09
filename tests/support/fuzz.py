"""How long tests search: a moment in `make test`, as long as asked for with FUZZ_EXAMPLES."""

import os
from typing import Any

from hypothesis import Phase, settings

#: Examples that each search may try; 0: as few as `make test` has time for.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def search(few: int, *, share: float = 1.0, **more: Any) -> settings:
    """Gives the settings of a search of `few` examples, or of that share of FUZZ_EXAMPLES if it is set.

    A short search takes no time to make a failure small, which may be minutes; a long one does.
    """
    if EXAMPLES:
        return settings(max_examples=max(1, round(EXAMPLES * share)), report_multiple_bugs=False, **more)
    return settings(max_examples=few, phases=[Phase.explicit, Phase.generate], **more)
