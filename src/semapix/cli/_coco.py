"""Objects of many files as one COCO results file, which tools for average precision take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semapix.errors import ArgumentError
from semapix.files import atomic_write, check_output

if TYPE_CHECKING:
    from semapix import Stream
    from semapix.bundle import Bundle
    from semapix.tasks import ResultIds

__all__ = ["CocoResults"]

_SCORE, _OBJECTS = 0.01, 100  # average precision wants unlikely objects too


class CocoResults:
    """Collects the objects of files and writes them to `out`. `truth`: the annotations whose numbers they take.

    Raises OutputError when `out` cannot be written, ArgumentError for what are no annotations.
    """

    def __init__(self, out: Path, truth: Path, *, force: bool) -> None:
        from semapix.tasks import read_annotations

        check_output(out, force=force)
        self._out, self._force = out, force
        self._truth, self._source = read_annotations(truth)
        self._ids: dict[bytes, ResultIds] = {}  # by the model, which may have names of its own
        self._entries: list[dict[str, Any]] = []

    def add(self, stream: Stream, picture: str, task: str | None, least: float | None, top: int | None) -> str:
        """Ask a file for all objects that it may hold, under every name that they may have; a line about it.

        `picture`: the name of its picture, without directory and ending.
        """
        from semapix.tasks import CLASSIFY

        wanted = stream.task(task)
        if wanted.kind == CLASSIFY:
            raise ArgumentError(f"--coco takes objects, task {wanted.name!r} tells labels; ask detect or segment")
        score = _SCORE if least is None else least
        found = stream.detect(wanted.name, least=score, top=top or _OBJECTS, distinct=False)
        entries = self._ids_of(stream.model).results(found, picture)
        self._entries += entries
        return f"{wanted.name}, {len(entries)} objects"

    def _ids_of(self, model: Bundle) -> ResultIds:
        from semapix.tasks import ResultIds

        if model.fingerprint not in self._ids:
            aliases = model.manifest["recipe"]["data"].get("aliases")
            self._ids[model.fingerprint] = ResultIds.of(self._truth, aliases, self._source)
        return self._ids[model.fingerprint]

    def save(self) -> None:
        """Write the file."""
        atomic_write(self._out, json.dumps(self._entries).encode(), force=self._force)
