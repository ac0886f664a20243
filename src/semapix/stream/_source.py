"""Where the bytes of a file come from. A source hands out exactly the bytes asked for, and counts them."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from importlib import import_module
from typing import BinaryIO, final

from semapix.errors import ArgumentError, MissingFile, StreamError, TruncatedStream

SourceLike = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
"""The bytes themselves, a path, a seekable binary file object, or a URL that fsspec knows ("https://...", "s3://...")."""


def open_source(source: SourceLike, name: str | None = None) -> Source:
    """Opens whatever holds a file. Fetches none of its bytes.

    Args:
        source: Bytes, path, file object (read from its present position on) or URL.
        name: What errors call it; by default its path, its URL, or "codestream".

    Raises:
        ArgumentError: It is none of these, or it cannot be opened.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _Bytes(bytes(source), name or "codestream")
    if isinstance(source, str) and "://" in source:
        return _Url(source, name or source)
    if isinstance(source, (str, os.PathLike)):
        return _Path(os.fspath(source), name or os.fspath(source))
    if hasattr(source, "read") and not isinstance(source, io.TextIOBase):
        return _File(source, name or str(getattr(source, "name", "codestream")))
    raise ArgumentError(f"a source must be bytes, a path, a binary file object or a URL, not {type(source).__name__}")


class Source(ABC):
    """Bytes at positions 0 to `size`.

    Attributes:
        name: What errors call it.
        size: Bytes in it, as it is: possibly only the first part of a file.
        bytes_read: Bytes fetched so far.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.bytes_read = 0
        self._everything: bytes | None = None  # of a server that sends no less

    @final
    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, for 0 <= start < end <= size, fetched in one go.

        Raises:
            TruncatedStream: The source has become shorter since it was opened.
            StreamError: It can no longer be read.
        """
        if self._everything is not None:
            return self._everything[start:end]
        try:
            data = self._fetch(start, end)
        except Exception as error:  # every file system has errors of its own
            raise StreamError(f"{self.name}: bytes {start} to {end} cannot be read: {_reason(error)}") from error
        self.bytes_read += len(data)
        if end - start < len(data) == self.size:  # a server without range requests
            self._everything = data
            data = data[start:end]
        if len(data) != end - start:
            raise TruncatedStream(f"{self.name}: bytes {start} to {end} were asked for, but {len(data)} bytes came")
        return data

    @abstractmethod
    def _fetch(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, fewer if there are no more."""


@final
class _Bytes(Source):
    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(name, len(data))
        self._data = data

    def _fetch(self, start: int, end: int) -> bytes:
        return self._data[start:end]


@final
class _Path(Source):
    """A file by its path. It is open only while bytes are fetched, so that there is nothing to close."""

    def __init__(self, path: str, name: str) -> None:
        try:
            with open(path, "rb", buffering=0) as file:
                super().__init__(name, file.seek(0, os.SEEK_END))
        except (OSError, ValueError) as error:
            raise _unopened(name, error) from error
        self._path = path

    def _fetch(self, start: int, end: int) -> bytes:
        with open(self._path, "rb", buffering=0) as file:  # unbuffered: a buffer would read ahead
            return _read(file, start, end)


@final
class _File(Source):
    """A file object that belongs to the caller, from its present position on."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        try:
            self._first = file.tell()
            size = file.seek(0, os.SEEK_END) - self._first
        except (OSError, AttributeError) as error:
            raise ArgumentError(f"{name}: is not seekable; pass the bytes of it: {_reason(error)}") from error
        super().__init__(name, max(size, 0))
        self._file = file

    def _fetch(self, start: int, end: int) -> bytes:
        return _read(self._file, self._first + start, self._first + end)


def _read(file: BinaryIO | io.FileIO, start: int, end: int) -> bytes:
    file.seek(start)
    data = b""
    while more := file.read(end - start - len(data)):  # a raw file may give less than asked for
        data += more
    return data


@final
class _Url(Source):
    def __init__(self, url: str, name: str) -> None:
        try:
            # Only here: fsspec takes longer to import than most files take to read.
            self._files, self._path = import_module("fsspec.core").url_to_fs(url)
            size = self._files.size(self._path)
        except Exception as error:  # every file system has errors of its own
            raise _unopened(name, error) from error
        if size is None:
            raise ArgumentError(f"{name}: the server does not tell its size; download it and open the copy")
        super().__init__(name, size)

    def _fetch(self, start: int, end: int) -> bytes:
        return bytes(self._files.cat_file(self._path, start=start, end=end))


def _unopened(name: str, error: Exception) -> ArgumentError:
    """The error for what cannot be opened, in the words of the system where it has some."""
    kind = MissingFile if isinstance(error, FileNotFoundError) and "://" not in name else ArgumentError
    reason = getattr(error, "strerror", None) or (str(error) if isinstance(error, ValueError) else _reason(error))
    return kind(f"{name}: cannot be opened ({reason})")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
