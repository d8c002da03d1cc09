"""What does not fit into a run record: whole outputs of agents, in a bucket."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

#: Of a whole output so much is read for a report, in bytes: more than a report shows, whatever is left out of it.
READ_LIMIT = 1024 * 1024


class S3Outputs:
    """Keeps outputs under `runs/`, each named by its run, until the bucket forgets them."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, name: str, text: str) -> str | None:
        """Gives where the output lies, or None if it could not be kept: the run's result does not depend on it."""
        key = f"runs/{name}.txt"
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode("utf-8", "replace"), ContentType="text/plain; charset=utf-8"
            )
        except (ClientError, BotoCoreError):
            return None
        return f"s3://{self._bucket}/{key}"

    def read(self, ref: str) -> str | None:
        """Gives the beginning of an output of this bucket, or None if there is none, or it cannot be read now."""
        key = ref.removeprefix(f"s3://{self._bucket}/")
        if key == ref or not key.startswith("runs/"):
            return None
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{READ_LIMIT - 1}")
            raw: bytes = answer["Body"].read()
        except (ClientError, BotoCoreError):
            return None
        return raw.decode("utf-8", "ignore")
