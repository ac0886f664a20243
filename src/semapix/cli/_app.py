"""The command `semapix`: its list of commands, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from semapix import __version__
from semapix.cli._console import complain, say
from semapix.cli._usage import wrong_usage
from semapix.cli.bench import bench
from semapix.cli.demo import demo
from semapix.cli.models import models
from semapix.cli.pictures import decode, encode
from semapix.cli.streams import cut, info, look
from semapix.cli.teaching import teach
from semapix.cli.training import export, train
from semapix.errors import SemapixError

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for panel, commands in {
    "Pictures": (encode, decode),
    "Files (.spix)": (look, info, cut),
    "Models": (models, teach, train, export),
    "First steps": (demo,),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)

app.add_typer(bench, name="bench", rich_help_panel="Measuring")


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"semapix {__version__}")
        raise typer.Exit


@app.callback()
def semapix(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Semantic image compression: machines read the first bytes of a file, people read the rest.

    Start with: semapix demo
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` name; those of the program by default. Always ends in SystemExit.

    Exit status: 0 all done; 1 some of several files failed; 2 nothing done, or wrong usage; 130 interrupted.
    """
    try:
        status = app(arguments, prog_name="semapix", standalone_mode=False)
    except TyperException as error:
        # Without a command its message is empty: help has been printed already.
        if error.format_message():
            complain(wrong_usage(error))
        sys.exit(2)
    except (SemapixError, OSError) as error:
        complain(error)
        sys.exit(2)
    sys.exit(status)
