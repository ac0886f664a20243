"""One piece of work for each of several files, and where the results go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from semapix.cli._console import complain, progress
from semapix.errors import ArgumentError, OutputError, SemapixError

__all__ = ["PIPE", "check_name", "for_each", "give", "in_folders", "make_directory", "plan_outputs", "source", "stem"]

PIPE = "-"
"""The name of the standard input or output."""


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
            except BrokenPipeError:
                raise  # nobody reads what is said any more
            except (OSError, MemoryError) as error:  # of this file; the others may still be done
                complain(SemapixError(str(error) or "not enough memory"), file)
                failed += 1
    if failed == 0:
        return 0
    return 1 if failed < len(files) else 2


def plan_outputs(files: Sequence[str], out: str, ending: str) -> dict[str, Path]:
    """The output of each file: `out` itself for one file, or a name with `ending` in the directory `out`.

    `out` is a directory when it exists as one or ends in a slash, and for several files. Raises OutputError when it is
    something else then, ArgumentError when two files would get the same output.
    """
    if not is_directory(out):
        if len(files) == 1:
            return {files[0]: Path(out)}
        if out == PIPE or Path(out).suffix or Path(out).exists():
            raise OutputError(f"{out}: is no directory; several inputs need one (end its name in a slash)")
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


def make_directory(outputs: Mapping[str, Path], out: str) -> None:
    """Make the directory that outputs lie in, if `plan_outputs` put them into one. Raises OutputError."""
    if list(outputs.values()) == [Path(out)]:
        return
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made a directory ({error.strerror})") from error


def check_name(out: str, ending: str) -> None:
    """Raises ArgumentError unless an output is a directory, the standard output, or has this ending."""
    if out != PIPE and not is_directory(out) and Path(out).suffix.lower() != ending:
        raise ArgumentError(f"{out}: the name must end in {ending}")


def in_folders(files: Sequence[str], endings: Iterable[str]) -> list[str]:
    """The files, and in place of a directory those in it whose names have one of the endings, in order of their names.

    Raises ArgumentError for a directory without any.
    """
    known, found = set(endings), []
    for file in files:
        if not Path(file).is_dir():
            found.append(file)
            continue
        inside = [path for path in Path(file).iterdir() if path.suffix.lower() in known and path.is_file()]
        if not inside:
            raise ArgumentError(f"{file}: holds no files that end in {', '.join(sorted(known)[:9])}")
        found += [str(path) for path in sorted(inside)]
    return found


def source(file: str) -> str | bytes:
    """Where a file is read from: its name, or all of the standard input."""
    return sys.stdin.buffer.read() if file == PIPE else file


def give(data: bytes) -> None:
    """Write a result to the standard output, in place of a line that tells of it."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def is_directory(out: str) -> bool:
    """Whether an output is meant as a directory: it is one, or its name ends in a slash."""
    return out.endswith(("/", os.sep)) or Path(out).is_dir()


def stem(file: str) -> str:
    """The name of a file or URL without directory and ending."""
    return Path(unquote(urlsplit(file).path) if "://" in file else file).stem
