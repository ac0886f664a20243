"""A ZIP archive with a manifest that vouches for every other member: what bundles and heads are stored as.

`manifest.json` holds the SHA-256 of all other members under `members`, so the SHA-256 of the manifest stands for all of
the content, while members are read, and checked, only when they are needed. It also vouches for members that the file
leaves out. Members are JSON, NumPy arrays and whatever the owner puts in; nothing in an archive is ever executed or
unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.errors import SemapixError
from semapix.files import atomic_write

__all__ = ["Archive", "ArchiveKind", "save_archive"]

_MANIFEST = "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp, so that equal content gives equal files

_WORTH = 0.995  # of what deflating leaves: LZMA unpacks ten times as slowly


@dataclass(frozen=True)
class ArchiveKind:
    """What is stored: `name`, for messages and for the manifest's key of the format (`NAME_format`).

    `version`: of the format. `needed`: keys that every manifest has. `broken`, `missing`: what is raised for a file
    that is none of this kind, and for one that does not exist.
    """

    name: str
    version: int
    needed: tuple[str, ...]
    broken: type[SemapixError]
    missing: type[SemapixError]


class Archive:
    """An open archive. `path`: the file. `manifest`: its description. `fingerprint`: 32 bytes."""

    def __init__(self, path: str | PathLike[str], kind: ArchiveKind) -> None:
        """Raises `kind.broken` when the file is no such archive, `kind.missing` when it does not exist."""
        self.path, self.kind = Path(path), kind
        try:
            self._open()
            self._text = self._archive.read(_MANIFEST)
            self.manifest: dict[str, Any] = json.loads(self._text)
            version = self.manifest[f"{kind.name}_format"]
            missing = [key for key in (*kind.needed, "members") if key not in self.manifest]
        except FileNotFoundError:
            raise kind.missing(f"{self.path}: no such {kind.name}") from None
        except Exception as error:  # a damaged archive raises anything, from zlib.error to RecursionError
            raise kind.broken(f"{self.path}: not an intact {kind.name} ({error})") from None
        if version != kind.version:
            raise kind.broken(f"{self.path}: {kind.name} format {version}, this release reads {kind.version}")
        if missing:
            raise kind.broken(f"{self.path}: its manifest lacks {', '.join(missing)}")
        if not isinstance(members := self.manifest["members"], dict):
            raise kind.broken(f"{self.path}: members of its manifest must be an object of digests, not {members!r}")
        self.fingerprint = hashlib.sha256(self._text).digest()

    def _open(self) -> None:
        self._archive, self._process = zipfile.ZipFile(self.path), os.getpid()

    def stores(self, member: str) -> bool:
        """Whether the file itself holds a member."""
        return member in self._archive.namelist()

    def read(self, member: str) -> bytes:
        """The content of a member. Raises `kind.broken` when it is missing or was changed."""
        try:
            if self._process != os.getpid():  # a fork shares its parent's place in the file, and each moves it
                self._open()
            content = self._archive.read(member)
            wanted = self.manifest["members"][member]
        except Exception as error:  # as above
            raise self.kind.broken(f"{self.path}: member {member} cannot be read ({error})") from None
        if hashlib.sha256(content).hexdigest() != wanted:
            raise self.kind.broken(f"{self.path}: member {member} was changed")
        return content

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The group of arrays `name`."""
        with np.load(io.BytesIO(self.read(f"arrays/{name}.npz")), allow_pickle=False) as group:
            return dict(group)

    def save_part(self, path: str | PathLike[str], members: Iterable[str], *, force: bool = False) -> None:
        """Write a file that stores only some `members`, with this manifest, and so with this fingerprint.

        Raises OutputError if `path` exists, `kind.broken` as `read` does.
        """
        _write(path, self._text, {name: self.read(name) for name in members}, force=force)


def save_archive(
    path: str | PathLike[str],
    kind: ArchiveKind,
    manifest: Mapping[str, Any],
    members: Mapping[str, bytes],
    arrays: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    force: bool = False,
) -> None:
    """Write `manifest`, `members` by their names, and groups of `arrays`. Raises OutputError if `path` exists."""
    stored = dict(members)
    for name, group in arrays.items():
        buffer = io.BytesIO()
        np.savez(buffer, **dict(group))  # type: ignore[arg-type]
        stored[f"arrays/{name}.npz"] = buffer.getvalue()
    hashes = {name: hashlib.sha256(stored[name]).hexdigest() for name in sorted(stored)}
    text = json.dumps({f"{kind.name}_format": kind.version, **manifest, "members": hashes}, indent=1, sort_keys=True)
    _write(path, text.encode(), stored, force=force)


def _write(path: str | PathLike[str], text: bytes, stored: Mapping[str, bytes], *, force: bool) -> None:
    """Write a manifest's `text` and the members that are `stored`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compresslevel=9) as archive:
        # Whoever opens the archive waits for the manifest.
        archive.writestr(zipfile.ZipInfo(_MANIFEST, _EPOCH), text, zipfile.ZIP_DEFLATED)
        for name, data in sorted(stored.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, _method(data))
    atomic_write(path, content.getvalue(), force=force)


def _method(data: bytes) -> int:
    """How a member is compressed: by LZMA where that pays."""
    import lzma  # not in every build of Python; whoever only reads deflated members does without

    small = len(lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1}]))
    return zipfile.ZIP_LZMA if small < _WORTH * len(zlib.compress(data, 9)) else zipfile.ZIP_DEFLATED
