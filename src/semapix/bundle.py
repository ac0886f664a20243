"""A bundle: one trained model as one file, with all that coding needs.

A bundle is an archive (`.spxm`, see archive.py) of named graphs (ONNX), named groups of arrays (NumPy) and a manifest.
Its fingerprint is that of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from semapix.archive import Archive, ArchiveKind, save_archive
from semapix.errors import BrokenBundle, UnknownModel

__all__ = ["FINGERPRINT_BYTES", "Bundle", "by_fingerprint", "default_for", "find", "installed", "save_bundle"]

FINGERPRINT_BYTES = 4
"""How many bytes of the fingerprint a codestream carries."""

_KIND = ArchiveKind("bundle", 1, ("name", "codec", "tasks"), BrokenBundle, UnknownModel)


class Bundle(Archive):
    """An open bundle.

    `path`: the file. `manifest`: its description as a dict; `name`, `codec` and `tasks` are always there.
    `fingerprint`: 32 bytes.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open a bundle; raises BrokenBundle when the file is none, UnknownModel when it does not exist."""
        super().__init__(path, _KIND)

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

    def graph(self, name: str) -> bytes:
        """The ONNX model of graph `name`."""
        return self.read(f"graphs/{name}.onnx")

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
    members = {f"graphs/{name}.onnx": content for name, content in graphs.items()}
    save_archive(path, _KIND, manifest, members, arrays, force=force)


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
