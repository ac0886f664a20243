"""One piece of work for each of several files, and where the results go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from semapix.cli._console import complain, progress
from semapix.errors import ArgumentError, OutputError, SemapixError

__all__ = ["for_each", "plan_outputs", "stem"]


def for_each(files: Sequence[str], work: Callable[[str], None]) -> int:
    """Do `work` for each file; a file that fails is reported in one line, and the others are done.

    Returns the exit status: 0 all done, 1 some failed, 2 all failed.
    """
    failed = 0
    with progress(files) as each:
        for file in each:
            try:
                work(file)
            except OutputError as error:  # names the output, which is what is in the way
                complain(error)
                failed += 1
            except SemapixError as error:
                complain(error, file)
                failed += 1
            except (OSError, MemoryError) as error:  # of this file; the others may still be done
                complain(SemapixError(str(error) or "not enough memory"), file)
                failed += 1
    if failed == 0:
        return 0
    return 1 if failed < len(files) else 2


def plan_outputs(files: Sequence[str], out: str, ending: str) -> dict[str, Path]:
    """The output of each file: `out` itself for one file, or a name with `ending` in the directory `out`.

    `out` is a directory when it exists as one or ends in a slash. Raises OutputError when a directory is needed and
    there is none, ArgumentError when two files would get the same output.
    """
    if not is_directory(out):
        if len(files) == 1:
            return {files[0]: Path(out)}
        if Path(out).exists():
            raise OutputError(f"{out}: is no directory; several inputs need one")
    if not Path(out).is_dir():
        raise OutputError(f"{out}: there is no such directory; make it with: mkdir -p {out}")
    outputs: dict[str, Path] = {}
    takers: dict[Path, str] = {}
    for file in files:
        output = Path(out) / f"{stem(file)}{ending}"
        if output in takers:
            raise ArgumentError(
                f"{file}: would become {output}, and so would {takers[output]}; give them different names or outputs"
            )
        takers[output] = file
        outputs[file] = output
    return outputs


def is_directory(out: str) -> bool:
    """Whether an output is meant as a directory: it is one, or its name ends in a slash."""
    return out.endswith(("/", os.sep)) or Path(out).is_dir()


def stem(file: str) -> str:
    """The name of a file or URL without directory and ending."""
    return Path(unquote(urlsplit(file).path) if "://" in file else file).stem
