"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["AsJson", "File", "Files", "Force", "Model"]

File = Annotated[str, typer.Argument(metavar="IN", help="A .spix file, whole or cut short, or its URL.")]
Files = Annotated[list[str], typer.Argument(metavar="IN", help="Files (.spix), whole or cut short, or their URLs.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="BUNDLE",
        help="Name or file (.spxm) of the model. By default an installed one is found.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what exists already.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
