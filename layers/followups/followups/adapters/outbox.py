"""Reports as files: one `.eml` for each, in a folder that any mail program reads."""

import errno
import os
import re
import secrets
from email.message import EmailMessage
from pathlib import Path

from followups.adapters.mail import build_message, build_notice
from followups.domain.entities import Run
from followups.domain.errors import MailNotSent
from followups.domain.findings import Notice

_FULL = (errno.ENOSPC, errno.EDQUOT)


class OutboxMailer:
    """Puts each report into the folder, whole or not at all. A second try of the same report replaces the first."""

    def __init__(self, folder: Path, *, sender: str, default_to: str) -> None:
        self._folder = folder
        self._sender = sender
        self._default_to = default_to

    def send(self, run: Run) -> str:
        """Gives the file's name in the folder. Raises MailNotSent."""
        path = self._folder / file_name(run)
        self._put(path, build_message(run, sender=self._sender, to=self._default_to), again=run.report_tries > 1)
        return path.name

    def tell(self, notice: Notice) -> str:
        """Gives the file's name in the folder. Raises MailNotSent."""
        path = self._folder / f"{notice.at:%Y-%m-%dT%H%MZ}-notice.eml"
        self._put(path, build_notice(notice, sender=self._sender, to=self._default_to), again=False)
        return path.name

    def _put(self, path: Path, message: EmailMessage, *, again: bool) -> None:
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                    file.write(message.as_bytes())
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
            if again:
                # What an earlier try was killed over would lie there for ever.
                for left in self._folder.glob(f".{path.name}.*.new"):
                    left.unlink(missing_ok=True)
        except OSError as error:
            why = "the disk is full" if error.errno in _FULL else str(error.strerror or error)
            raise MailNotSent(f"{self._folder} could not be written to: {why}") from error


def file_name(run: Run) -> str:
    """Gives the name of a report's file: the same for the same run, and sorted by time."""
    task = re.sub(r"[^a-z0-9]+", "-", run.task.lower()).strip("-")[:40].strip("-") or "task"
    return f"{run.finished_at:%Y-%m-%dT%H%MZ}-{task}-{run.follow_up_id[:8]}-{run.fence}.eml"
