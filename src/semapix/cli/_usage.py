"""Wrong usage in one line: typer would draw a box around what is wrong, and leave out the value."""

from __future__ import annotations

from typer.exceptions import TyperException

from semapix.errors import ArgumentError

__all__ = ["wrong_usage"]


def wrong_usage(error: TyperException) -> ArgumentError:
    """What is wrong with the arguments of a command: the value, the rule, and where help is."""
    text = error.format_message().rstrip(".")
    refused = getattr(error.__cause__, "errors", None)  # of pydantic, which checks types and ranges for typer
    if refused is not None:
        text = f"{text}, not {refused()[0]['input']!r}"
    context = getattr(error, "ctx", None)  # of the command that was named, where one was
    return ArgumentError(f"{text} (see {context.command_path if context else 'semapix'} --help)")
