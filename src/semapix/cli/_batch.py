"""One piece of work for each of several files, and where the results go."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from semapix.cli._console import complain, progress, say
from semapix.errors import ArgumentError, OutputError, SemapixError

__all__ = [
    "PIPE",
    "check_name",
    "for_each",
    "in_folders",
    "make_directory",
    "plan_outputs",
    "source",
    "stem",
    "wanted_outputs",
]

_FILES = {".spix", ".png", ".jpg", ".jpeg", ".webp"}  # endings of outputs that are no directories

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


def plan_outputs(files: Sequence[str], out: str, ending: str, *, folder: bool = False) -> dict[str, Path]:
    """The output of each file: `out` itself for one file, or a name with `ending` in the directory `out`.

    `out` is a directory when it exists as one or ends in a slash, for several files, and with `folder`, when a
    directory was put in. Raises OutputError when it is a file then, or named like one, ArgumentError when two files
    would get the same output.
    """
    if not is_directory(out):
        if len(files) == 1 and not folder:
            return {files[0]: Path(out)}
        if out == PIPE:
            raise OutputError(f"{out}: takes the result of one input; several need a directory")
        if Path(out).suffix.lower() in _FILES or Path(out).exists():
            raise OutputError(f"{out}: is no directory; several inputs need one")
    outputs: dict[str, Path] = {}
    takers: dict[Path, str] = {}
    for file in files:
        if file == PIPE:
            raise ArgumentError(f"{file}: the standard input has no name; name its output")
        output = Path(out) / f"{stem(file)}{ending}"
        if output in takers:
            raise ArgumentError(
                f"{file}: would become {output}, and so would {takers[output]}; give them different names or outputs"
            )
        takers[output] = file
        outputs[file] = output
    return outputs


def make_directory(outputs: Mapping[str, Path], out: str) -> None:
    """Make the directory that outputs lie in, if there are any and `plan_outputs` put them into one.

    Raises OutputError when it cannot be made.
    """
    if not outputs or list(outputs.values()) == [Path(out)]:
        return
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made a directory ({error.strerror})") from error


def check_name(out: str, ending: str) -> None:
    """Raises ArgumentError unless the name of an output has this ending."""
    if Path(out).suffix.lower() != ending:
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
    """Where a file is read from: its name, or all of the standard input. Raises ArgumentError where there is none."""
    if file != PIPE:
        return file
    content = sys.stdin.buffer.read() if sys.stdin else b""
    if not content:
        raise ArgumentError("the standard input is empty, or was read before")
    return content


def wanted_outputs(outputs: Mapping[str, Path], *, skip: bool, force: bool) -> dict[str, Path]:
    """The outputs to be made: with `skip` those that are not there yet; says how many are left out.

    Raises ArgumentError for both `skip` and `force`.
    """
    if skip and force:
        raise ArgumentError("--skip-existing and --force exclude each other; give one of them")
    wanted = {file: output for file, output in outputs.items() if not (skip and output.is_file())}
    if len(wanted) < len(outputs):
        say(f"{len(outputs) - len(wanted)} of {len(outputs)} outputs exist already")
    return wanted


def is_directory(out: str) -> bool:
    """Whether an output is meant as a directory: it is one, or its name ends in a slash."""
    return out.endswith(("/", os.sep)) or Path(out).is_dir()


def stem(file: str) -> str:
    """The name of a file or URL without directory and ending."""
    return Path(unquote(urlsplit(file).path) if "://" in file else file).stem
