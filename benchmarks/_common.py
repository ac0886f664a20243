"""What all benchmarks share: arguments, work in several processes, and how they end."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from semapix.bundle import find
from semapix.errors import SemapixError
from semapix.evaluation.records import Criterion, Record, Table, markdown
from semapix.files import atomic_write

Job = TypeVar("Job")
Result = TypeVar("Result")


def parser(description: str | None, data: bool = True, limit: bool = True) -> argparse.ArgumentParser:
    """A parser with the arguments that benchmarks have in common."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", required=True, metavar="BUNDLE", help="name or file (.spxm) of the model")
    if data:
        arguments.add_argument("--data", required=True, type=Path, help="folder with objects/, imagenet400/, kodak/")
    if limit:
        arguments.add_argument("--limit", type=int, metavar="N", help="use N pictures only, to try the program out")
    arguments.add_argument("-o", "--output", required=True, type=Path, metavar="JSON", help="where the record goes")
    return arguments


def with_progress(items: Iterable[Job], total: int, name: str, each: int = 1) -> Iterator[Job]:
    """The items; says on stderr every few seconds how many of `total` are done, an item counting for `each`."""
    start = said = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        now, count = time.monotonic(), min(number * each, total)
        if now - said > 5 or count == total:
            print(f"{name}: {count} of {total}, {now - start:.0f} s", file=sys.stderr, flush=True)
            said = now


def in_processes(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    name: str,
    *,
    processes: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
    chunk: int = 1,
) -> list[Result]:
    """`work` of each job, in order, done by `processes` processes that first call `start(*arguments)`."""
    context = get_context("spawn")  # ONNX Runtime and PyTorch do not survive a fork
    parts = [jobs[i : i + chunk] for i in range(0, len(jobs), chunk)]
    done: dict[int, list[Result]] = {}
    with ProcessPoolExecutor(processes, context, initializer=start, initargs=arguments) as pool:
        futures = {pool.submit(_each, work, part): number for number, part in enumerate(parts)}
        for future in with_progress(as_completed(futures), len(jobs), name, chunk):
            done[futures[future]] = future.result()
    return [result for number in range(len(parts)) for result in done[number]]


def _each(work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    return [work(job) for job in jobs]


def finish(
    options: argparse.Namespace,
    name: str,
    *printed: Sequence[Sequence[str]],
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
    criteria: Sequence[Criterion] = (),
    tables: Mapping[str, Table] | None = None,
) -> None:
    """Write the record to the output, and print tables and the criteria."""
    record = Record(name, _command(options), [find(options.model)], settings, results, criteria, tables or {})
    options.output.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(options.output, record.to_json().encode(), force=True)
    for rows in printed:
        print(f"\n{markdown(rows)}")
    if criteria:
        head = ["criterion", "measured", "wanted", "met"]
        print(f"\n{markdown([head, *(criterion.row for criterion in criteria)])}")


def _command(options: argparse.Namespace) -> str:
    """The command that was run, with DATA for the folder of data, which lies elsewhere on every machine."""
    data = str(getattr(options, "data", ""))
    words = ["DATA" if data and Path(word) == Path(data) else word for word in sys.argv]
    return shlex.join(["python", *words])


def run(main: Callable[[], None]) -> None:
    """Call the main function; an error that Semapix raises on purpose is one line, and exit status 2."""
    try:
        main()
    except SemapixError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
