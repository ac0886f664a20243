"""A bundle: one trained model as one file, with all that coding needs.

A bundle is an archive (`.spxm`, see archive.py) of named graphs (ONNX), named groups of arrays (NumPy) and a manifest.
Its fingerprint is that of the model. Bundles that lie in one folder may store a member that they have in common once.
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
from semapix.errors import ArgumentError, BrokenBundle, ModelError, UnknownModel

__all__ = [
    "FINGERPRINT_BYTES",
    "Bundle",
    "by_fingerprint",
    "default_for",
    "find",
    "installed",
    "leave_out",
    "save_bundle",
]

FINGERPRINT_BYTES = 4
"""How many bytes of the fingerprint a codestream carries."""

_SUFFIX = ".spxm"
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

    def read(self, member: str) -> bytes:
        """The content of a member, which may be left out here and stored by a bundle in the same folder.

        Raises BrokenBundle when it is missing or was changed.
        """
        if member in self.manifest["members"] and not self.stores(member):
            return self._beside(member).read(member)
        return super().read(member)

    def _beside(self, member: str) -> Bundle:
        """A bundle in the same folder that stores a member which is left out here."""
        unreadable = []
        for path in sorted(self.path.parent.glob(f"*{_SUFFIX}")):
            try:
                other = Bundle(path)
            except ModelError:
                unreadable.append(path.name)
                continue
            if other.can_lend(member, self):
                return other
        passed_over = f" (unreadable: {', '.join(unreadable)})" if unreadable else ""
        raise BrokenBundle(
            f"{self.path}: member {member} was left out for a bundle beside it, and none in this folder stores it"
            f"{passed_over}; put the file into the folder of the bundle that it was exported beside"
        )

    def can_lend(self, member: str, other: Bundle) -> bool:
        """Whether this file stores a member of `other`: one of the same name and SHA-256."""
        return self.stores(member) and self.manifest["members"].get(member) == other.manifest["members"][member]

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


def leave_out(path: str | PathLike[str], beside: Bundle) -> list[str]:
    """Rewrite the bundle at `path` without the members that `beside` stores too; the names of those members.

    Its fingerprint stays. From then on it is read only in the folder of a bundle that stores them; into which folder
    it is put, and when, is left to the caller. Raises ArgumentError when `path` is the file of `beside`, BrokenBundle
    when a member cannot be read.
    """
    bundle = Bundle(path)
    if bundle.path.samefile(beside.path):
        raise ArgumentError(f"{bundle.path}: a bundle cannot leave out what it stores itself; name another one")
    members = list(bundle.manifest["members"])
    shared = [member for member in members if beside.can_lend(member, bundle)]
    bundle.save_part(path, [member for member in members if member not in shared], force=True)
    return shared


@lru_cache(maxsize=1)
def installed() -> tuple[Bundle, ...]:
    """The bundles that ship with the package, in the order of their names."""
    folder = Path(str(resources.files("semapix"))) / "bundles"
    return tuple(Bundle(path) for path in sorted(folder.glob(f"*{_SUFFIX}")))


def find(model: str | PathLike[str]) -> Bundle:
    """The bundle with a name, or at a path. Raises UnknownModel, listing the installed names."""
    for bundle in installed():
        if bundle.name == str(model):
            return bundle
    if Path(model).suffix == _SUFFIX:
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
