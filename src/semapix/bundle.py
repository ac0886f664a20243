"""A bundle: one trained model as one file, with all that coding needs.

A bundle is a ZIP archive (`.spxm`) of named graphs (ONNX), named groups of arrays (NumPy) and `manifest.json`, which
holds the SHA-256 of every other member. The fingerprint of the model is the SHA-256 of the manifest, so it stands for
all of the content, while members are read, and checked, only when they are needed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semapix.errors import BrokenBundle, UnknownModel
from semapix.files import atomic_write

__all__ = ["FINGERPRINT_BYTES", "Bundle", "by_fingerprint", "default_for", "find", "installed", "save_bundle"]

FINGERPRINT_BYTES = 4
"""How many bytes of the fingerprint a codestream carries."""

_MANIFEST = "manifest.json"
_FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time stamp, so that equal content gives equal files


class Bundle:
    """An open bundle.

    `path`: the file. `manifest`: its description as a dict; `name`, `codec` and `tasks` are always there.
    `fingerprint`: 32 bytes.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open a bundle; raises BrokenBundle when the file is none, UnknownModel when it does not exist."""
        self.path = Path(path)
        try:
            self._archive = zipfile.ZipFile(self.path)
            text = self._archive.read(_MANIFEST)
            self.manifest: dict[str, Any] = json.loads(text)
            version = self.manifest["bundle_format"]
            missing = [key for key in ("name", "codec", "tasks", "members") if key not in self.manifest]
        except FileNotFoundError:
            raise UnknownModel(f"{self.path}: no such bundle") from None
        except Exception as error:  # a damaged archive raises anything, from zlib.error to RecursionError
            raise BrokenBundle(f"{self.path}: not an intact bundle ({error})") from None
        if version != _FORMAT:
            raise BrokenBundle(f"{self.path}: bundle format {version}, this release reads {_FORMAT}")
        if missing:
            raise BrokenBundle(f"{self.path}: its manifest lacks {', '.join(missing)}")
        self.fingerprint = hashlib.sha256(text).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def name(self) -> str:
        """The model's name, such as `scalable`."""
        return str(self.manifest["name"])

    @property
    def codec(self) -> str:
        """Name of the codec that the model is for."""
        return str(self.manifest["codec"])

    def _read(self, member: str) -> bytes:
        try:
            content = self._archive.read(member)
            wanted = self.manifest["members"][member]
        except Exception as error:  # as above
            raise BrokenBundle(f"{self.path}: member {member} cannot be read ({error})") from None
        if hashlib.sha256(content).hexdigest() != wanted:
            raise BrokenBundle(f"{self.path}: member {member} was changed")
        return content

    def graph(self, name: str) -> bytes:
        """The ONNX model of graph `name`."""
        return self._read(f"graphs/{name}.onnx")

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The group of arrays `name`."""
        with np.load(io.BytesIO(self._read(f"arrays/{name}.npz")), allow_pickle=False) as group:
            return dict(group)

    @property
    def graph_names(self) -> list[str]:
        """Names of all graphs."""
        return [m[len("graphs/") : -len(".onnx")] for m in self.manifest["members"] if m.startswith("graphs/")]


def save_bundle(
    path: str | PathLike[str],
    manifest: Mapping[str, Any],
    graphs: Mapping[str, bytes],
    arrays: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    force: bool = False,
) -> None:
    """Write a bundle. `manifest` needs `name`, `codec` and `tasks`; raises OutputError if `path` exists."""
    members: dict[str, bytes] = {f"graphs/{name}.onnx": content for name, content in graphs.items()}
    for name, group in arrays.items():
        buffer = io.BytesIO()
        np.savez(buffer, **dict(group))  # type: ignore[arg-type]
        members[f"arrays/{name}.npz"] = buffer.getvalue()
    hashes = {name: hashlib.sha256(members[name]).hexdigest() for name in sorted(members)}
    text = json.dumps({"bundle_format": _FORMAT, **manifest, "members": hashes}, indent=1, sort_keys=True)

    archive_bytes = io.BytesIO()
    with zipfile.ZipFile(archive_bytes, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in [(_MANIFEST, text.encode()), *sorted(members.items())]:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    atomic_write(path, archive_bytes.getvalue(), force=force)


@lru_cache(maxsize=1)
def installed() -> tuple[Bundle, ...]:
    """The bundles that ship with the package, in the order of their names."""
    folder = Path(str(resources.files("semapix"))) / "bundles"
    return tuple(Bundle(path) for path in sorted(folder.glob("*.spxm")))


def find(model: str | PathLike[str]) -> Bundle:
    """The bundle with a name, or at a path. Raises UnknownModel, listing the installed names."""
    for bundle in installed():
        if bundle.name == str(model):
            return bundle
    if Path(model).suffix == ".spxm":
        return Bundle(model)
    names = ", ".join(bundle.name for bundle in installed()) or "none"
    raise UnknownModel(f"no model is called {str(model)!r}; installed: {names}; or give the path of a .spxm file")


def default_for(codec: str) -> Bundle:
    """The installed bundle that is called like its codec. Raises UnknownModel."""
    for bundle in installed():
        if bundle.name == bundle.codec == codec:
            return bundle
    raise UnknownModel(f"no model for codec {codec} is installed; name a bundle: --model FILE.spxm")


def by_fingerprint(start: bytes) -> Bundle:
    """The installed bundle whose fingerprint begins with `start`. Raises UnknownModel, naming both sides."""
    for bundle in installed():
        if bundle.fingerprint.startswith(start):
            return bundle
    have = ", ".join(f"{bundle.name} ({bundle.fingerprint[: len(start)].hex()})" for bundle in installed()) or "none"
    raise UnknownModel(
        f"the file was made with model {start.hex()}, which is not installed (installed: {have}); "
        "name its bundle with --model FILE.spxm"
    )
