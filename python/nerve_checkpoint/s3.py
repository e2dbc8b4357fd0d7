"""Checkpoints on S3 through boto3. Exclusive creation is `PutObject` with `If-None-Match: *` (412 or 409: somebody was first)."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Optional, cast

from .errors import CheckpointError, StorageError, storage_errors
from .storage import HashingWriter, Steps, Written

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_NETWORK = ("botocore", "boto3", "s3transfer", "urllib3", "http")
# botocore tries a request again, but not the reading of its answer.
_READ_TRIES = 3
# With botocore's own 60 s one call that hangs would outlast a notice. Retries: (where the user may have set it, our value).
_CONNECT_SECONDS, _READ_SECONDS = 5, 15
_RETRIES = {"max_attempts": ("AWS_MAX_ATTEMPTS", 5), "mode": ("AWS_RETRY_MODE", "standard")}
_ABSENT = {"NoSuchKey", "404", "NotFound"}


class _BrokenOff(OSError):
    """The connection ended in the middle of an answer."""


class S3Store:
    poll_seconds = 1.0
    watch_seconds = 30.0  # each look is a LIST request
    readers = 16

    def __init__(self, bucket: str, prefix: str, client: Optional[Any] = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self.place = f"s3://{bucket}/{prefix}"
        self._client = client if client is not None else _client()
        self._proven = False

    def names(self, folder: str) -> List[str]:
        prefix = f"{self._prefix}{folder}/"
        found: List[str] = []
        with _errors("cannot list checkpoints", self.place):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
            for page in pages:
                found += [item["Key"][len(prefix) :] for item in page.get("Contents", [])]
                found += [item["Prefix"][len(prefix) :].rstrip("/") for item in page.get("CommonPrefixes", [])]
        return found

    def read(self, name: str, limit: int) -> Optional[bytes]:
        with _errors("cannot read a checkpoint", self.place):
            for _ in range(_READ_TRIES - 1):
                try:
                    return self._read_once(name, limit)
                except _BrokenOff:
                    pass
            return self._read_once(name, limit)

    def _read_once(self, name: str, limit: int) -> Optional[bytes]:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
        except Exception as error:
            if _code(error) in _ABSENT:
                return None
            raise
        try:
            data = cast(bytes, answer["Body"].read(limit + 1))
        except Exception as error:  # botocore's, urllib3's or a socket's
            raise _BrokenOff(f"{name}: {error}") from error
        expected = min(int(answer["ContentLength"]), limit + 1)
        if len(data) < expected:
            raise _BrokenOff(f"the connection broke after {len(data)} of {expected} bytes of {name}")
        return data

    def create(self, name: str, data: bytes) -> Steps[bool]:
        yield
        created = self._put_new(name, data)
        if created and not self._proven:
            # Some S3-compatible services ignore the condition and overwrite: then nothing would fence two attempts. Our own bytes are at stake here.
            if self._put_new(name, data):
                raise CheckpointError("cannot seal a checkpoint", f"{self.place} ignores If-None-Match, so two attempts could overwrite each other", "Use Amazon S3, a service with conditional writes, or a file:// folder")
            self._proven = True
        return created

    def _put_new(self, name: str, data: bytes) -> bool:
        with _errors("cannot seal a checkpoint", self.place):
            try:
                self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data, IfNoneMatch="*", ContentType="application/json")
                return True
            except Exception as error:
                if _code(error) in _TAKEN:
                    return False
                raise

    def write(self, name: str, fill: Callable[[HashingWriter], None], check: Callable[[], None]) -> Written:
        with tempfile.TemporaryFile() as file:
            with storage_errors("cannot write a checkpoint", f"{tempfile.gettempdir()} (for temporary files)"):
                written = HashingWriter(cast(BinaryIO, file), check).fill(fill)
                file.seek(0)
            with _errors("cannot write a checkpoint", self.place):
                self._client.upload_fileobj(file, self._bucket, self._key(name), Callback=lambda _sent: check())
                stored = self._client.head_object(Bucket=self._bucket, Key=self._key(name))["ContentLength"]
        if stored != written.bytes:
            raise StorageError("cannot write a checkpoint", f"{self.place} holds {stored} of {written.bytes} bytes of {name}", "Nothing was sealed; the next save tries again")
        return written

    def open(self, name: str) -> Optional[BinaryIO]:
        file = tempfile.TemporaryFile()
        with _errors("cannot read a checkpoint", self.place):
            try:
                self._client.download_fileobj(self._bucket, self._key(name), file)
            except Exception as error:
                file.close()
                if _code(error) in _ABSENT:
                    return None
                raise
        file.seek(0)
        return cast(BinaryIO, file)

    def delete_folder(self, folder: str) -> None:
        prefix = f"{self._prefix}{folder}/"
        with _errors("cannot delete an old checkpoint", self.place):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
                if keys:
                    self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})

    def _key(self, name: str) -> str:
        return self._prefix + name


def _client() -> Any:
    try:
        import boto3
        import botocore.session
        from botocore.config import Config
    except ImportError as error:
        raise CheckpointError("cannot open an s3:// checkpoint folder", "boto3 is not installed", "Run: pip install 'boto3>=1.36'") from error
    try:
        own = botocore.session.get_session().get_scoped_config()
        retries: Dict[str, Any] = {}
        for name, (variable, value) in _RETRIES.items():
            if not os.environ.get(variable) and variable[len("AWS_") :].lower() not in own:
                retries[name] = value
        return boto3.client("s3", config=Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries=retries, max_pool_connections=2 * S3Store.readers))
    except Exception as error:  # botocore's own, or a ValueError
        raise CheckpointError("cannot open an s3:// checkpoint folder", f"boto3 does not take this process's AWS settings: {error}", "Check AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL, and ~/.aws/config") from error


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextmanager
def _errors(what: str, place: str) -> Iterator[None]:
    """Errors of botocore and what lies below it become StorageError; our own pass."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _NETWORK and not isinstance(error, OSError):
            raise
        raise StorageError(what, f"{place}: {error}", "Check the bucket, the credentials and their rights (s3:GetObject, PutObject, ListBucket, DeleteObject)") from error
