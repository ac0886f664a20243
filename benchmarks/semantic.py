"""How well machines read the first bytes: test pictures of objects, coded to files, asked from their prefixes.

    python benchmarks/semantic.py --model BUNDLE --data DATA -o results/semantic.json

Each picture is coded as it is stored. The coarse task gets a file that ends behind s1, the fine task one that ends
behind s2; the same heads are asked on features that were not coded. The 202 classes of Tiny ImageNet (64x64) and the
ten of Imagenette (224x224) are counted apart, because sharpness tells them from each other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import finish, in_processes, parser, run, some_of

import semapix
from semapix.bundle import Bundle, find
from semapix.evaluation.datasets import TestPicture, object_labels, object_tests
from semapix.evaluation.machine import MachineCoder, rank_of
from semapix.evaluation.records import Criterion, Table
from semapix.imaging import load
from semapix.stream import Reader

TASKS = ("coarse", "fine")
WHOLE_FILES = 8  # pictures whose machine layers are compared with those of whole files


class Job(NamedTuple):
    """A picture with its true labels."""

    picture: TestPicture
    coarse: int


class Row(NamedTuple):
    """Measurements of one picture; a rank is the position of the true label among all, 0 being the best."""

    of_ten: int
    label: int
    coarse_bytes: int
    fine_bytes: int
    coarse_rank: int
    fine_rank: int
    coarse_rank_uncoded: int
    fine_rank_uncoded: int
    fine_best: int


coder: MachineCoder


def start(model: str, folder: str) -> None:
    """Open the model, once in each process."""
    global coder  # noqa: PLW0603
    coder = MachineCoder(find(model), Path(tempfile.mkdtemp(dir=folder)))


def measure(job: Job) -> Row:
    """Code one picture and ask both tasks."""
    pixels = load(job.picture.image).pixels
    coded = coder.encode(pixels)
    coarse, fine = (coder.look(coded, task) for task in TASKS)
    coarse_uncoded, fine_uncoded = (coder.uncoded(pixels, task) for task in TASKS)
    label = job.picture.label
    return Row(
        of_ten=int(job.picture.of_ten),
        label=label,
        coarse_bytes=coarse.bytes_read,
        fine_bytes=fine.bytes_read,
        coarse_rank=rank_of(job.coarse, coarse.scores),
        fine_rank=rank_of(label, fine.scores),
        coarse_rank_uncoded=rank_of(job.coarse, coarse_uncoded),
        fine_rank_uncoded=rank_of(label, fine_uncoded),
        fine_best=int(np.argmax(fine.scores)),
    )


def summary(rows: Sequence[Row], ten: set[int]) -> dict[str, Any]:
    """Figures of some pictures: accuracies in percent, what coding loses in points, bytes."""
    figures: dict[str, Any] = {"pictures": len(rows)}
    for task in TASKS:
        for top in (1, 5):
            coded, uncoded = (
                100 * np.mean([getattr(row, name) < top for row in rows])
                for name in (f"{task}_rank", f"{task}_rank_uncoded")
            )
            figures[f"{task}_top{top}"] = coded
            figures[f"{task}_top{top}_uncoded"] = uncoded
            figures[f"{task}_top{top}_loss"] = uncoded - coded
        read = [getattr(row, f"{task}_bytes") for row in rows]
        figures[f"{task}_bytes_mean"] = np.mean(read)
        figures[f"{task}_bytes_p95"] = np.percentile(read, 95)
    figures["called_one_of_ten"] = 100 * np.mean([row.fine_best in ten for row in rows])
    return figures


def machine_layers(file: bytes) -> list[bytes]:
    """The payloads of the machine layers of a file."""
    reader = Reader(file)
    return [reader.machine_layer(i) for i in range(len(reader.header.machine_lengths))]


def equal_to_whole_files(bundle: Bundle, pictures: Sequence[TestPicture]) -> int:
    """How many pictures have the very same machine layers in whole files of quality 1 and of quality 9."""
    alone = MachineCoder(bundle, Path(), threads=2)
    equal = 0
    for picture in pictures:
        wanted = machine_layers(alone.encode(load(picture.image).pixels))
        whole = [semapix.encode(picture.image, quality=quality, model=bundle).to_bytes() for quality in (1, 9)]
        equal += all(machine_layers(file) == wanted for file in whole)
    return equal


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--processes", type=int, default=2, help="how many share the work (default 2)")
    options = arguments.parse_args()
    bundle, labels = find(options.model), object_labels(options.data)
    for task, space in (("coarse", labels.coarse), ("fine", labels.fine)):
        MachineCoder(bundle, Path()).check_labels(task, space)

    everything = object_tests(options.data)
    ten = {picture.label for picture in everything if picture.of_ten}
    pictures = some_of(everything, options.limit)
    jobs = [Job(picture, labels.parents[picture.label]) for picture in pictures]
    with tempfile.TemporaryDirectory() as folder:
        rows = in_processes(
            measure,
            jobs,
            "semantic",
            processes=options.processes,
            start=start,
            arguments=(options.model, folder),
            chunk=50,
        )
    groups = {
        "202 classes": summary([row for row in rows if not row.of_ten], ten),
        "ten classes": summary([row for row in rows if row.of_ten], ten),
    }
    compared = some_of(pictures, WHOLE_FILES)
    equal = equal_to_whole_files(bundle, compared)

    table = [["classes", "task", "pictures", "top-1 %", "top-5 %", "top-1 uncoded %", "loss, points", "bytes", "95 %"]]
    for name, figures in groups.items():
        for task in TASKS:
            keys = ("top1", "top5", "top1_uncoded", "top1_loss", "bytes_mean", "bytes_p95")
            cells = [f"{figures[f'{task}_{key}']:.1f}" for key in keys]
            table.append([name, task, str(figures["pictures"]), *cells])
    many = groups["202 classes"]
    finish(
        options,
        "semantic",
        table,
        settings={
            "pictures": "objects/test as stored",
            "bytes": "read for a task, front header included: size of the file that ends behind the task's last layer",
            "loss": "top-1 of the same head on features that were not coded, less top-1 from the file, in points",
            "called_one_of_ten": "percent whose best fine label is one of the ten",
        },
        results={**groups, "equal_to_whole_files": f"{equal} of {len(compared)} (quality 1 and 9)"},
        criteria=[
            Criterion("coarse top-1 from s1, 202 classes", many["coarse_top1"], ">=", 40, "%"),
            Criterion("fine top-1 from s1 + s2, 202 classes", many["fine_top1"], ">=", 20, "%"),
            *(
                Criterion(f"{task} loss by coding, 202 classes", many[f"{task}_top1_loss"], "<=", 2, "points")
                for task in TASKS
            ),
            *(
                Criterion(f"{task} bytes, mean, {name}", figures[f"{task}_bytes_mean"], "<=", limit, "bytes")
                for task, limit in (("coarse", 120), ("fine", 230))
                for name, figures in groups.items()
            ),
            Criterion("machine layers as in whole files", equal, ">=", len(compared), "pictures"),
        ],
        tables={"pictures": Table(Row._fields, rows)},
    )


if __name__ == "__main__":
    run(main)
