"""Measures many things one by one: in several processes, with a journal from which an interrupted run goes on.

A job is one thing to measure (one picture with one codec, say). Its key is a hash of all that its figures depend on,
so a journal serves every run for which the key is the same, and a new model measures anew what it changes and no more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

from semapix.errors import ArgumentError, SemapixError

__all__ = ["Failure", "Job", "Outcome", "Row", "run_jobs"]

Row = dict[str, Any]
"""One measurement: names to numbers and strings, as JSON holds them."""

Details = TypeVar("Details")


@dataclass(frozen=True)
class Job(Generic[Details]):
    """One thing to measure. `name`: for people. `details`: what `work` gets; it must survive pickling.

    `depends`: everything that the figures depend on, as JSON holds it.
    """

    name: str
    details: Details
    depends: Any

    @cached_property
    def key(self) -> str:
        """The hash of `depends`."""
        return sha256(json.dumps(self.depends, sort_keys=True, default=str).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """All rows, in the order of the jobs, and the jobs that failed."""

    rows: Sequence[Row]
    failures: Sequence[Failure]


def run_jobs(
    jobs: Sequence[Job[Details]],
    work: Callable[[Details], Sequence[Row]],
    journal: Path,
    *,
    processes: int,
    title: str = "measured",
) -> Outcome:
    """`work` of each job's details, in `processes` processes.

    `journal`: a file of one JSON line for each job that is done, read first and written on; what stands in it is not
    measured again. A job that raises a SemapixError, OSError or MemoryError is a failure, is not written down, and does
    not keep the others from being done. An interruption lets the running jobs end, and writes them down.

    Raises ArgumentError for a damaged journal, SemapixError when a process dies.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    done = _read(journal, {job.key for job in jobs})
    missing = [job for job in jobs if job.key not in done]
    failed: dict[str, str] = {}
    with journal.open("a", encoding="utf-8") as file:
        for job, rows in _work_off(missing, work, processes, title, len(jobs) - len(missing)):
            if isinstance(rows, str):
                failed[job.key] = rows
                continue
            done[job.key] = rows
            file.write(json.dumps({"key": job.key, "job": job.name, "rows": rows}) + "\n")
            file.flush()
    # In the order of the jobs, whichever was done first.
    failures = [Failure(job.name, failed[job.key]) for job in jobs if job.key in failed]
    return Outcome([row for job in jobs for row in done.get(job.key, [])], failures)


def _read(journal: Path, wanted: set[str]) -> dict[str, list[Row]]:
    """The rows of the wanted jobs in a journal, by their keys; a last line that was cut is taken away."""
    done: dict[str, list[Row]] = {}
    if not journal.is_file():
        return done
    with journal.open("r+b") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                file.truncate(file.tell() - len(line))
                break
            try:
                entry = json.loads(line)
                if entry["key"] in wanted:
                    done[entry["key"]] = entry["rows"]
            except (ValueError, KeyError, TypeError):
                raise ArgumentError(f"{journal}: line {number} is damaged; delete it, or the file") from None
    return done


def _work_off(
    jobs: Sequence[Job[Details]],
    work: Callable[[Details], Sequence[Row]],
    processes: int,
    title: str,
    known: int,
) -> Iterator[tuple[Job[Details], list[Row] | str]]:
    """Jobs as they are done, with their rows, or the reason why there are none."""
    if not jobs:
        return
    context = get_context("spawn")  # ONNX Runtime and PyTorch do not survive a fork
    waiting = iter(jobs)
    with (
        _progress(title, len(jobs), known) as step,
        ProcessPoolExecutor(processes, context, initializer=_start, initargs=(processes,)) as pool,
    ):
        running: dict[Future[list[Row] | str], Job[Details]] = {}
        interrupted = False
        while True:
            try:
                for job in () if interrupted else waiting:
                    running[pool.submit(_one, work, job.details)] = job
                    if len(running) >= 2 * processes:  # enough to keep all busy
                        break
                if not running:
                    break
                done = wait(running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                running = {future: job for future, job in running.items() if not future.cancel()}
                continue
            for future in done:
                job = running.pop(future)
                try:
                    rows = future.result()
                except BrokenProcessPool:
                    raise SemapixError(
                        f"a process died, perhaps for want of memory, while measuring {job.name} or what ran beside "
                        "it; what is done stands in the journal: try again with fewer processes"
                    ) from None
                yield job, rows
                step()
        if interrupted:
            raise KeyboardInterrupt


def _start(processes: int) -> None:
    """Share the cores among the processes, and leave an interruption to the one that started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Threads of PyTorch's small convolutions would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("SEMAPIX_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))


def _one(work: Callable[[Details], Sequence[Row]], details: Details) -> list[Row] | str:
    try:
        return list(work(details))
    except (SemapixError, OSError) as error:
        return " ".join(str(error).splitlines())
    except MemoryError:
        return "not enough memory"


@contextmanager
def _progress(title: str, total: int, known: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal; otherwise a line on stderr now and then."""
    if known:
        print(f"{title}: {known} stand in the journal already", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)
        return
    start = said = time.monotonic()
    count = 0

    def step() -> None:
        nonlocal count, said
        count += 1
        now = time.monotonic()
        if now - said > 10 or count == total:
            print(f"{title}: {count} of {total}, {now - start:.0f} s", file=sys.stderr, flush=True)
            said = now

    yield step
