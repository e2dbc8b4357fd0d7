"""Where checkpoints lie: six methods, implemented on a folder here and on S3 in s3.py. Names are relative, with '/'.

`create` is a generator that stops after each of its steps, so that a test can run two writers through every interleaving.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO, Callable, Generator, List, Optional, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from .errors import CheckpointError, StorageError, storage_errors

T = TypeVar("T")
Steps = Generator[None, None, T]


@dataclass(frozen=True)
class Written:
    bytes: int
    sha256: str


class Store(Protocol):
    place: str
    poll_seconds: float
    watch_seconds: float
    readers: int  # how many threads read a long log

    def names(self, folder: str) -> List[str]:
        """Names of files and folders directly in a folder; none if it does not exist."""
        ...

    def read(self, name: str, limit: int) -> Optional[bytes]:
        """A small file; None if it does not exist. Reads at most `limit` + 1 bytes."""
        ...

    def create(self, name: str, data: bytes) -> Steps[bool]:
        """Creates a file exclusively with its whole content; False if the name was taken."""
        ...

    def write(self, name: str, fill: Callable[["HashingWriter"], None], check: Callable[[], None]) -> Written:
        """Writes a data file durably; nothing stands under its name before it is whole."""
        ...

    def open(self, name: str) -> Optional[BinaryIO]:
        """A data file to read and seek in; None if it does not exist (or is a link, or no plain file)."""
        ...

    def delete_folder(self, folder: str) -> None: ...


class HashingWriter:
    """What `torch.save` and the codec write to. `check` may raise, to give up a save half-way."""

    def __init__(self, target: BinaryIO, check: Callable[[], None]) -> None:
        self._target = target
        self._check = check
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._failure: Optional[BaseException] = None

    def fill(self, fill: Callable[["HashingWriter"], None]) -> Written:
        """Runs `fill`. torch wraps what its file raises into a RuntimeError: the cause is what the caller gets."""
        try:
            fill(self)
        except Exception as error:
            raise (self._failure or error)
        return Written(self._bytes, self._hash.hexdigest())

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            self._check()
            self._target.write(view)
        except BaseException as error:
            self._failure = error
            raise
        self._hash.update(view)
        self._bytes += len(view)
        return len(view)

    def flush(self) -> None:
        self._target.flush()


def run(steps: Steps[T]) -> T:
    """Drives a generator of steps to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def open_store(uri: str) -> Store:
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        from .s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise CheckpointError("cannot open the checkpoint folder", f"{uri!r} names another machine or no absolute folder", "Write file:///absolute/folder")
        return FileStore(unquote(parts.path))
    if parts.scheme:
        raise CheckpointError("cannot open the checkpoint folder", f"{uri!r} is neither file:// nor s3://", "Write file:///absolute/folder or s3://bucket/prefix")
    return FileStore(os.path.abspath(uri))


class FileStore:
    poll_seconds = 0.1
    watch_seconds = 1.0
    readers = 1

    def __init__(self, root: str) -> None:
        self.place = root

    def names(self, folder: str) -> List[str]:
        with storage_errors("cannot list checkpoints", self.place):
            try:
                return os.listdir(self._path(folder))
            except FileNotFoundError:
                return []

    def read(self, name: str, limit: int) -> Optional[bytes]:
        file = self.open(name)
        if file is None:
            return None
        with file, storage_errors("cannot read a checkpoint", self.place):
            return file.read(limit + 1)

    def create(self, name: str, data: bytes) -> Steps[bool]:
        path = self._path(name)
        folder = os.path.dirname(path)
        temp = os.path.join(folder, f".tmp-{uuid.uuid4().hex}")
        try:
            with storage_errors("cannot seal a checkpoint", self.place):
                _make_folders(folder)
                with open(temp, "xb") as file:
                    file.write(data)
                    _sync(file)
            yield
            with storage_errors("cannot seal a checkpoint", self.place):
                created = _link(temp, path)
            yield
            with storage_errors("cannot seal a checkpoint", self.place):
                _sync_folder(folder)
            return created
        finally:
            _drop(temp)

    def write(self, name: str, fill: Callable[[HashingWriter], None], check: Callable[[], None]) -> Written:
        path = self._path(name)
        folder = os.path.dirname(path)
        temp = os.path.join(folder, f".tmp-{uuid.uuid4().hex}")
        try:
            with storage_errors("cannot write a checkpoint", self.place):
                _make_folders(folder)
                with open(temp, "xb") as file:
                    written = HashingWriter(file, check).fill(fill)
                    _sync(file)
                os.rename(temp, path)
                _sync_folder(folder)
            return written
        finally:
            _drop(temp)

    def open(self, name: str) -> Optional[BinaryIO]:
        """Follows no link, neither at the end nor on the way: names come from an untrusted place."""
        if self._has_link(os.path.dirname(name)):
            return None
        with storage_errors("cannot read a checkpoint", self.place):
            try:
                descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                    return None
                raise
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                return None
            return os.fdopen(descriptor, "rb")

    def delete_folder(self, folder: str) -> None:
        with storage_errors("cannot delete an old checkpoint", self.place):
            try:
                shutil.rmtree(self._path(folder))
            except FileNotFoundError:
                pass

    def _path(self, name: str) -> str:
        return os.path.join(self.place, *name.split("/"))

    def _has_link(self, folder: str) -> bool:
        parts = folder.split("/")
        return any(os.path.islink(self._path("/".join(parts[: n + 1]))) for n in range(len(parts)))


def _make_folders(folder: str) -> None:
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    if parent != folder:
        _make_folders(parent)
    os.makedirs(folder, exist_ok=True)
    _sync_folder(parent)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network mounts cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def _link(temp: str, path: str) -> bool:
    try:
        os.link(temp, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise StorageError("cannot seal a checkpoint", f"the file system of {path} has no hard links", "Choose a folder on a local disk or NFS, or an s3:// URI") from error
        raise


def _drop(temp: str) -> None:
    """Usually gone already; and where it cannot be deleted, the error that led here is the one to tell."""
    try:
        os.unlink(temp)
    except OSError:
        pass
