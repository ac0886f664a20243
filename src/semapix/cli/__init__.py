"""The command line. One file per group of commands; what they do is done by the rooms below."""

from semapix.cli._app import main

__all__ = ["main"]
