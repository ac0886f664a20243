"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["AsJson", "File", "Files", "Force", "Model", "SkipExisting"]

File = Annotated[
    str, typer.Argument(metavar="IN", help="A .spix file, whole or cut short, its URL, or - for the standard input.")
]
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Files (.spix), whole or cut short, their URLs, directories of them; - for the standard input.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="BUNDLE",
        help="Name or file (.spxm) of the model. By default an installed one is found.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what exists already.")]
SkipExisting = Annotated[
    bool,
    typer.Option("--skip-existing", help="Leave out inputs whose output exists already: to go on where a run ended."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
