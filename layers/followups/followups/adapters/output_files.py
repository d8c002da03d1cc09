"""What does not fit into a run record: whole outputs of agents, as files."""

from pathlib import Path

#: Of a whole output so much is read for a report, in bytes.
READ_LIMIT = 1024 * 1024
_KEPT = ".txt"


class OutputFiles:
    """Keeps outputs in a folder of the user's own, in files that are named by their runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, text: str) -> str | None:
        """Gives the file where the output lies, or None if it could not be kept: the run's result does not depend on it."""
        path = self._folder / f"{name}{_KEPT}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8", errors="replace")
        except OSError:
            return None
        return str(path)

    def read(self, ref: str) -> str | None:
        """Gives the beginning of what was kept, or None if it cannot be read, or is something else: a command's output."""
        path = Path(ref)
        if path.parent != self._folder or path.suffix != _KEPT:
            return None
        try:
            with path.open("rb") as file:
                raw = file.read(READ_LIMIT)
        except OSError:
            return None
        return raw.decode("utf-8", "replace")
