"""Files written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from semapix.errors import OutputError

__all__ = ["atomic_write", "check_output"]


def check_output(path: str | PathLike[str], *, force: bool = False) -> Path:
    """`path`, when it may be written; to be asked before long work.

    Raises OutputError when its directory does not exist, when it exists and `force` is False, or when it is something
    other than a regular file (a directory, a device), which is never replaced.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no directory {target.parent}; create it first")
    if os.path.lexists(target):
        if target.is_dir():
            raise OutputError(f"{target}: is a directory; name a file in it")
        if target.exists() and not target.is_file():
            raise OutputError(f"{target}: is not a regular file and will not be replaced")
        if not force:
            raise OutputError(f"{target}: exists already; force=True overwrites it")
    return target


def atomic_write(path: str | PathLike[str], data: bytes | Callable[[BinaryIO], object], *, force: bool = False) -> None:
    """Write a file under a temporary name beside `path`, then rename it.

    Who looks at `path` sees the old file, or none, until the new one is whole; whatever fails, nothing is left behind.
    `data`: the content, or a function that writes it to the binary file that it is given (open for reading, writing
    and seeking).

    Raises OutputError as `check_output` does, and when the system refuses to write; errors of `data` itself other than
    OSError pass through.
    """
    target = check_output(path, force=force)
    temporary = target.parent / f".semapix-{secrets.token_hex(8)}.part"
    try:
        with open(temporary, "x+b") as file:
            if callable(data):
                data(file)
            else:
                file.write(data)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
