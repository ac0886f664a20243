"""What an experiment found, and the folder that it is saved in: record.json, tables.md, plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from semapix.evaluation.records import Record, markdown
from semapix.evaluation.runner import Failure
from semapix.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RECORD", "TABLES", "Findings"]

RECORD, TABLES = "record.json", "tables.md"


@dataclass(frozen=True)
class Findings:
    """The results of one run.

    `tables`: titles to tables for people, the first row being the head. `plots`: names of files (PNG, or JPEG for
    photos) to what draws them. `failures`: what could not be measured.
    """

    record: Record
    tables: Mapping[str, Sequence[Sequence[str]]]
    plots: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)
    failures: Sequence[Failure] = ()

    @property
    def text(self) -> str:
        """All tables as Markdown, then what is wanted and whether it is met, then what could not be measured."""
        parts = [f"## {title}\n\n{markdown(rows)}" for title, rows in self.tables.items()]
        if self.record.criteria:
            rows = [["criterion", "measured", "wanted", "met"], *(c.row for c in self.record.criteria)]
            parts.append(f"## Wanted\n\n{markdown(rows)}")
        if self.failures:
            lines = "\n".join(f"- {failure.name}: {failure.reason}" for failure in self.failures)
            parts.append(f"## Not measured ({len(self.failures)})\n\n{lines}")
        return "\n\n".join(parts)

    def save(self, out: Path) -> None:
        """Write everything into the folder `out`, over what an earlier run left there; figures before plots."""
        out.mkdir(parents=True, exist_ok=True)
        atomic_write(out / RECORD, self.record.to_json().encode(), force=True)
        shown = "".join(f"\n![{name}]({name})\n" for name in self.plots)
        page = f"# {self.record.name}\n\n    {self.record.command}\n\n{self.text}\n{shown}"
        atomic_write(out / TABLES, page.encode(), force=True)
        for name, plot in self.plots.items():
            picture = BytesIO()
            photo = name.endswith(".jpg")
            plot().savefig(
                picture, format="jpg" if photo else "png", dpi=130, pil_kwargs={"quality": 80} if photo else None
            )
            atomic_write(out / name, picture.getvalue(), force=True)
