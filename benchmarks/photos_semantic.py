"""How well machines read the first bytes of real photos, and whether the size of a photo matters to them.

    python benchmarks/photos_semantic.py --model BUNDLE --data DATA -o results/photos_semantic.json

Photos of imagenet400 (short side 256). Accuracy: those whose class, by WordNet id, is one of the model's. Size: the
first photos of the file that are 4:3 (within 1 %), enlarged to 4000x3000 (Lanczos), against the originals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from _common import finish, in_processes, parser, run

from semapix.bundle import find
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of
from semapix.evaluation.machine import MachineCoder, rank_of
from semapix.evaluation.records import Criterion, Table
from semapix.imaging import load, resize

TASKS = ("coarse", "fine")
TEN = "imagenette"
LARGE = (4000, 3000)
ENLARGED = 50  # photos


class Known(NamedTuple):
    """A photo of one of the model's classes."""

    photo: TestPicture
    coarse: int
    fine: int


class Answer(NamedTuple):
    """Measurements of one photo; a rank is the position of the true label among all, 0 being the best."""

    name: str
    label: int
    best: int
    coarse_rank: int
    fine_rank: int
    coarse_rank_uncoded: int
    fine_rank_uncoded: int
    coarse_bytes: int
    fine_bytes: int


class Pair(NamedTuple):
    """Measurements of one photo as it is and enlarged; bytes are those of s1 and s2 with their checksums."""

    name: str
    bytes: int
    bytes_large: int
    coarse_best: int
    coarse_best_large: int
    fine_best: int
    fine_best_large: int

    @property
    def ratio(self) -> float:
        return self.bytes_large / self.bytes


coder: MachineCoder


def start(model: str) -> None:
    """Open the model, once in each process."""
    global coder  # noqa: PLW0603
    coder = MachineCoder(find(model))


def answer(known: Known) -> Answer:
    """Code one photo and ask both tasks."""
    pixels = load(known.photo.image).pixels
    coded = coder.encode(pixels)
    coarse, fine = (coder.look(coded, task) for task in TASKS)
    return Answer(
        name=known.photo.name,
        label=known.fine,
        best=int(np.argmax(fine.scores)),
        coarse_rank=rank_of(known.coarse, coarse.scores),
        fine_rank=rank_of(known.fine, fine.scores),
        coarse_rank_uncoded=rank_of(known.coarse, coder.uncoded(pixels, "coarse")),
        fine_rank_uncoded=rank_of(known.fine, coder.uncoded(pixels, "fine")),
        coarse_bytes=coarse.bytes_read,
        fine_bytes=fine.bytes_read,
    )


def compare(photo: TestPicture) -> Pair:
    """Code one photo as it is, and enlarged."""
    pixels = load(photo.image).pixels
    versions = (pixels, resize(pixels, LARGE, "lanczos"))
    files = [coder.encode(version) for version in versions]
    coarse, fine = ([int(np.argmax(coder.look(file, task).scores)) for file in files] for task in TASKS)
    return Pair(photo.name, coder.machine_bytes(files[0]), coder.machine_bytes(files[1]), *coarse, *fine)


def accuracy(answers: Sequence[Answer], ten: set[int]) -> dict[str, Any]:
    """Figures of the photos of known classes, percent and bytes."""
    figures: dict[str, Any] = {"photos": len(answers), "of_ten": sum(a.label in ten for a in answers)}
    for task in TASKS:
        for top in (1, 5):
            for kind in ("", "_uncoded"):
                ranks = [getattr(a, f"{task}_rank{kind}") for a in answers]
                figures[f"{task}_top{top}{kind}"] = 100 * np.mean([rank < top for rank in ranks])
        read = [getattr(a, f"{task}_bytes") for a in answers]
        figures[f"{task}_bytes_mean"] = np.mean(read)
        figures[f"{task}_bytes_p95"] = np.percentile(read, 95)
    figures["called_one_of_ten"] = 100 * np.mean([a.best in ten for a in answers])
    figures["others_called_one_of_ten"] = 100 * np.mean([a.best in ten for a in answers if a.label not in ten])
    return figures


def sameness(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Figures of the enlarged photos."""
    ratios = [pair.ratio for pair in pairs]
    return {
        "photos": len(pairs),
        "ratio_mean": np.mean(ratios),
        "ratio_max": max(ratios),
        "same_coarse": 100 * np.mean([pair.coarse_best == pair.coarse_best_large for pair in pairs]),
        "same_fine": 100 * np.mean([pair.fine_best == pair.fine_best_large for pair in pairs]),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--processes", type=int, default=2, help="how many share the work (default 2)")
    options = arguments.parse_args()
    objects, photos = open_dataset(options.data / "objects"), open_dataset(options.data / "imagenet400").pictures
    for task, column in (("coarse", "group"), ("fine", "label")):
        MachineCoder(find(options.model)).check_labels(task, objects.spaces[column].names)

    ten = {picture.columns["label"] for picture in objects.pictures if picture.columns["source"] == TEN}
    labels = {entry["wnid"]: entry for entry in objects.spaces["label"].entries}
    known = [
        Known(p, labels[p.columns["wnid"]]["group"], labels[p.columns["wnid"]]["id"])
        for p in photos
        if p.columns["wnid"] in labels
    ]
    shaped = [p for p in photos if abs(p.columns["width"] / p.columns["height"] * LARGE[1] / LARGE[0] - 1) <= 0.01]
    common = {"processes": options.processes, "start": start, "arguments": (options.model,)}
    answers = in_processes(answer, some_of(known, options.limit), "photos", chunk=10, **common)
    pairs = in_processes(compare, some_of(shaped[:ENLARGED], options.limit), "enlarged", **common)

    figures, enlarged = accuracy(answers, ten), sameness(pairs)
    table = [["task", "photos", "top-1 %", "top-5 %", "top-1 uncoded %", "bytes", "95 %"]]
    for task in TASKS:
        keys = ("top1", "top5", "top1_uncoded", "bytes_mean", "bytes_p95")
        table.append([task, str(figures["photos"]), *(f"{figures[f'{task}_{key}']:.1f}" for key in keys)])
    finish(
        options,
        "photos_semantic",
        table,
        settings={
            "photos": "imagenet400 as stored; accuracy: all photos whose wnid is one of the model's fine labels",
            "called_one_of_ten": "percent of all whose best fine label is one of Imagenette's ten",
            "of_ten": "photos that truly are of one of the ten",
            "enlarged": f"the first {len(pairs)} photos in the file that are 4:3 within 1 % (there are {len(shaped)}), "
            f"to {LARGE[0]}x{LARGE[1]} by Lanczos",
            "ratio": "bytes of s1 and s2 with their checksums, enlarged over original",
        },
        results={"known_classes": figures, "enlarged": enlarged},
        criteria=[
            Criterion("photos called one of the ten", figures["called_one_of_ten"], "<=", 15, "%"),
            Criterion("coarse bytes, mean", figures["coarse_bytes_mean"], "<=", 120, "bytes"),
            Criterion("fine bytes, mean", figures["fine_bytes_mean"], "<=", 230, "bytes"),
            Criterion("machine bytes at 4000x3000, largest ratio", enlarged["ratio_max"], "<=", 1.1, "times"),
            Criterion("machine bytes at 4000x3000, mean ratio", enlarged["ratio_mean"], "<=", 1.1, "times"),
            Criterion("same best fine label at 4000x3000", enlarged["same_fine"], ">=", 90, "%"),
        ],
        tables={"known_classes": Table(Answer._fields, answers), "enlarged": Table(Pair._fields, pairs)},
    )


if __name__ == "__main__":
    run(main)
