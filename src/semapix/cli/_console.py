"""What the commands say, and where: results on stdout, trouble and progress on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from semapix.errors import OutputError

__all__ = ["complain", "counter", "give", "progress", "say", "say_json", "table"]


_OPTIONS = {  # what errors call by the names of Python's arguments
    "max_bytes": "--bytes",
    **{name: f"--{name}" for name in ("bpp", "quality", "strategy", "variant", "decoder")},
}


def say(text: str) -> None:
    """Print a result at once, so that a reader who has gone away is noticed here; any file name can be printed."""
    encoding = sys.stdout.encoding or "utf-8"
    with _standard_output():
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def give(data: bytes) -> None:
    """Write a result itself to the standard output, in place of a line that tells of it."""
    with _standard_output():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def _standard_output() -> Iterator[None]:
    """Around what is written there: that it cannot be is no fault of the file that is worked on."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read has gone; `main` ends quietly
    except OSError as error:
        raise OutputError(f"the standard output cannot be written to ({error.strerror})") from error


def say_json(value: Any) -> None:
    """Print a result for a program."""
    say(json.dumps(value, indent=2))


def complain(error: Exception, file: str | None = None) -> None:
    """Print one line on stderr: what is wrong, with which file. `file` is put first unless the message does so."""
    text = " ".join(str(error).splitlines())
    text = re.sub(rf"(?<![\w-])({'|'.join(_OPTIONS)})(?= \(=)", lambda match: _OPTIONS[match[0]], text)
    text = text.replace("force=True", "--force")
    if file is not None and not text.startswith(f"{file}:"):
        text = f"{file}: {text}"
    print(f"semapix: {text}", file=sys.stderr)


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Rows of cells as aligned lines: the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        indent + "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))])
        for first, *rest in rows
    )


@contextmanager
def progress(files: Sequence[str]) -> Iterator[Iterable[str]]:
    """The files, to be gone through; with a progress bar if they are several and stderr is a terminal."""
    if len(files) == 1 or not sys.stderr.isatty():
        yield files
        return
    with _bar() as bar:
        yield bar.track(files, description="files")


@contextmanager
def counter(what: str) -> Iterator[Callable[[int, int], object]]:
    """A function of how many things are done and how many there are; it moves a bar if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with _bar() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar() -> Any:
    """A progress bar on stderr, to be entered."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Lines on stdout go through the bar only where they would run into it.
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
