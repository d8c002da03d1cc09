"""What does not fit into a run record: whole outputs of agents, in a bucket."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


class S3Outputs:
    """Keeps outputs under `runs/<run id>.txt`. Only the operator reads them, and the bucket forgets them."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, run_id: str, text: str) -> str | None:
        """Gives where the output lies, or None if it could not be kept: the run's result does not depend on it."""
        key = f"runs/{run_id}.txt"
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode("utf-8", "replace"), ContentType="text/plain; charset=utf-8"
            )
        except (ClientError, BotoCoreError):
            return None
        return f"s3://{self._bucket}/{key}"
