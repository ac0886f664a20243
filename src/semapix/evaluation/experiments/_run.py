"""What every experiment gets from the command, and what all do with their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semapix.bundle import Bundle
from semapix.errors import ModelError
from semapix.evaluation.datasets import TestPicture
from semapix.evaluation.runner import Failure, Row
from semapix.evaluation.tested import Tested

__all__ = ["JOURNAL", "Run", "bundles_of", "complete", "merged", "those_with"]

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Run:
    """One call of an experiment.

    `command`: as it was typed, for the record. `out`: the folder of results, with the journal. `processes`: how many
    share the work. `limit`: use so many pictures only. `model`: the bundle for codecs of ours, by name or path.
    """

    command: str
    out: Path
    processes: int = 2
    limit: int | None = None
    model: str | None = None

    @property
    def journal(self) -> Path:
        """Where finished measurements are kept."""
        return self.out / JOURNAL


def bundles_of(codecs: Iterable[Tested]) -> list[Bundle]:
    """The models of those codecs that are ours. Raises ModelError for one that is not the one that was measured."""
    bundles = []
    for codec in codecs:
        if (bundle := codec.bundle) is None:
            continue
        if bundle.fingerprint.hex() != codec.fingerprint:
            raise ModelError(
                f"{bundle.path}: was replaced while it was measured; run the command again for the new model"
            )
        bundles.append(bundle)
    return bundles


def those_with(pictures: Sequence[TestPicture], only: Mapping[str, Any]) -> list[TestPicture]:
    """The pictures whose columns have these values; a column that a picture has not is not asked for."""
    return [p for p in pictures if all(p.columns.get(column, value) == value for column, value in only.items())]


def complete(rows: Sequence[Row], codecs: Sequence[str]) -> tuple[list[Row], list[Failure]]:
    """Rows of the same pictures for every codec, because means over different pictures do not compare.

    `rows`: with `picture`, `codec` and `setting`. A picture for which no codec has all of its rows is left out: it is
    broken. A codec that lacks some row of another picture is left out, and named.
    """
    settings = {codec: {row["setting"] for row in rows if row["codec"] == codec} for codec in codecs}
    have: dict[tuple[str, str], int] = {}
    for row in rows:
        have[row["codec"], row["picture"]] = have.get((row["codec"], row["picture"]), 0) + 1
    whole = {codec: {p for (c, p), n in have.items() if c == codec and n == len(settings[codec])} for codec in codecs}
    pictures = set().union(*whole.values())
    lost = {codec: len(pictures) - len(whole[codec]) for codec in codecs}
    kept = {codec for codec in codecs if not lost[codec]}
    failures = [
        Failure(codec, f"failed on {count} of {len(pictures)} pictures that others have coded; it has no figures")
        for codec, count in lost.items()
        if count
    ]
    return [row for row in rows if row["codec"] in kept and row["picture"] in pictures], failures


def merged(failures: Sequence[Failure]) -> list[Failure]:
    """Failures of one picture for one reason as one; their names begin with the picture's, up to a comma."""
    counts: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        counts.setdefault((failure.name.split(", ")[0], failure.reason), []).append(failure.name)
    return [Failure(names[0] if len(names) == 1 else picture, reason) for (picture, reason), names in counts.items()]
