"""Labels of a user's own: teach."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from semapix.cli._batch import check_name
from semapix.cli._console import counter, say, table
from semapix.cli._options import Force

__all__ = ["teach"]


def teach(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A directory for each label: FOLDER/label/*, FOLDER/coarse/fine/*.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="HEAD", help="The labels as one file (.spxh).")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Name or file (.spxm) of the model whose files will be asked. By default the one that ships.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Teach a model labels of your own, from some twenty pictures of each.

    Pictures and .spix files are taken alike. The model and the files stay as they are: only a head is trained, in
    seconds, on what the files' first bytes hold. "held out" is the share of the pictures that were right when a fifth
    was kept out of the training (five-fold cross-validation); "guessing" always says the most frequent label.

    Example: semapix teach animals/ -o animals.spxh

    after which `semapix look photo.spix --head animals.spxh` tells these labels.
    """
    from semapix.files import check_output

    check_name(str(out), ".spxh")
    check_output(out, force=force)
    import semapix

    start = time.monotonic()
    with counter("examples") as watch:
        head = semapix.teach(folder, model, watch)
    head.save(out, force=force)
    rows = [("task", "labels", "layers read", "pictures", "held out", "guessing")]
    for name, taught in head.tasks.items():
        labels, layers = len(taught.task.labels), taught.task.layers
        shares = f"{taught.accuracy:.1%}", f"{taught.guessing:.1%}"
        rows.append((name, str(labels), str(layers), str(taught.pictures), *shares))
    say(f"{folder} -> {out}  {out.stat().st_size:,} bytes, {time.monotonic() - start:.1f} s, model {head.model}")
    say(table(rows))
