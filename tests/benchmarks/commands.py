"""How long the commands take that a person or a login hook waits for, as whole processes, beside a bare interpreter.

`.venv/bin/python -m tests.benchmarks.commands [FOLLOW_UPS] [ROUNDS]` prints one JSON document; seconds.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.laptop import Laptop


def main(follow_ups: int = 1_000, rounds: int = 9) -> None:
    """Measures all commands in turn, round by round, so that a slow moment of the machine meets them all."""
    with tempfile.TemporaryDirectory() as folder:
        laptop = Laptop(Path(folder) / "home")
        laptop.call("agents", "add", "@true", "--command", "true")
        laptop.call("config", "max-open", str(2 * follow_ups + rounds))
        laptop.create_many(follow_ups, agent="@true", due="7d")
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "run-due, nothing due": [sys.executable, "-m", "followups", "run-due"],
            "list": [sys.executable, "-m", "followups", "list"],
            "create": [sys.executable, "-m", "followups", "create", "@true", "Task", "7d"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            for name, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, env=laptop.environ(), check=True, capture_output=True)
                if number:  # the first round warms the caches
                    seconds[name].append(time.perf_counter() - start)
    figures = {
        name: {"min": round(min(it), 3), "median": round(statistics.median(it), 3), "max": round(max(it), 3)}
        for name, it in seconds.items()
    }
    print(
        json.dumps(
            {"python": sys.version.split()[0], "follow_ups": follow_ups, "rounds": rounds, "seconds": figures}, indent=2
        )
    )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
