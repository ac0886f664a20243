"""How many channels of the deepest main band each label space needs (protocols/channels.yaml).

Scalable paper, "Performance in Coarse-to-Fine Classification" (Fig. 10) and "Performance in Intermediate-Grained
Classification" (Table 6). The paper tunes the transform anew for each number of channels; here it is the model's, and
linear probes on the first channels show what these hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from semapix.errors import ArgumentError
from semapix.evaluation.bootstrap import Interval, paired_difference
from semapix.evaluation.datasets import LabelSpace, open_dataset, some_of
from semapix.evaluation.derived import with_derived
from semapix.evaluation.experiments._probes import (
    KINDS,
    Answer,
    Kind,
    MachineFeatures,
    Question,
    ask_probes,
    machine_features,
    prefix_name,
)
from semapix.evaluation.experiments._run import Run, merged, those_with
from semapix.evaluation.findings import Findings
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Record, Table
from semapix.evaluation.runner import Failure
from semapix.evaluation.tested import choose, own_tasks

__all__ = ["ChannelsProtocol", "measure_channels"]


@dataclass(frozen=True)
class ChannelsProtocol:
    """The keys of protocols/channels.yaml, which says what each is."""

    model: str
    channels: Sequence[int]
    uncoded: Sequence[int]
    derived: Sequence[str]
    training_pictures: int
    critical_within: float
    only: Mapping[str, Any]


@dataclass(frozen=True)
class _Probe:
    """A probe for a label space on the first channels of decoded features, or of features that were not coded."""

    space: str
    channels: int
    kind: Kind

    def __str__(self) -> str:
        return f"{self.space}, {self.channels} channels, {self.kind}"


def measure_channels(dataset: Path, protocol: ChannelsProtocol, run: Run) -> Findings:
    """Train a probe for every label space and number of channels, and ask it about the test pictures.

    Raises ArgumentError for a data set without labels or without a part to learn from, for a model without machine
    layers, and for numbers of channels that its machine layers do not have.
    """
    data = with_derived(open_dataset(dataset), protocol.derived)
    if not data.spaces:
        raise ArgumentError(f"{dataset}: has no labels (Parquet with labels.json beside it); probes need them")
    (codec,), _ = choose([protocol.model], {}, run.model)
    trained = own_tasks(codec, data).values()
    training = with_derived(open_dataset(dataset, "train"), protocol.derived)
    most = min(protocol.training_pictures, run.limit or protocol.training_pictures)
    pictures = some_of(those_with(data.pictures, protocol.only), run.limit)
    lessons = some_of(those_with(training.pictures, protocol.only), most)
    asked, failed = machine_features(pictures, codec, run, f"features, {data.name}")
    learned, broken = machine_features(lessons, codec, run, f"features to learn from, {data.name}")
    spaces = sorted(data.spaces.values(), key=lambda space: len(space.names))
    answers, unlearned = _ask(spaces, protocol, learned, asked, run)
    figures = _figures(answers, asked)
    titles = [space.column for space in spaces]
    critical = {title: _critical(title, figures, protocol.critical_within) for title in titles}
    return Findings(
        Record(
            f"channels on {data.name}",
            run.command,
            [] if codec.bundle is None else [codec.bundle],
            settings={
                "protocol": asdict(protocol),
                "pictures": f"{len(asked.pictures)} of part test; probes learned from {len(learned.pictures)} of train",
                "probe": "linear, on the first channels of decoded features; uncoded: of features that were not coded",
                "bytes": "of the layers that hold these channels, front header included; a layer is read whole",
                "less": "points less than from all channels; 95 % by paired bootstrap over pictures",
                "label spaces": {
                    space.column: f"{len(space.names)} labels; the model was "
                    + ("trained for it" if space.column in trained else "never trained for it")
                    for space in spaces
                },
            },
            results={"figures": figures, "critical": critical},
            tables={"ranks": _ranks(answers, asked)},
        ),
        {
            **{f"{title}, from the first channels": _table(title, figures) for title in titles},
            f"Critical number: the smallest that is at most {protocol.critical_within:g} points below the best": [
                ["label space", "channels"],
                *([title, str(number)] for title, number in critical.items()),
            ],
            "What coding costs": _coding_table(figures),
        }
        if figures
        else {},
        {"curves.png": lambda: _plot(titles, figures, data.name)} if figures else {},
        merged([*failed, *broken, *unlearned]),
    )


def _ask(
    spaces: Sequence[LabelSpace],
    protocol: ChannelsProtocol,
    learned: MachineFeatures,
    asked: MachineFeatures,
    run: Run,
) -> tuple[dict[_Probe, Answer], list[Failure]]:
    """The answers of all probes. None when no picture could be coded."""
    if not learned.pictures or not asked.pictures:
        return {}, []
    for number in (*protocol.channels, *protocol.uncoded):
        if not 1 <= number <= asked.channels[-1]:
            raise ArgumentError(f"channels (={number}) must lie between 1 and {asked.channels[-1]}, all of this model")
    if extra := sorted(set(protocol.uncoded) - set(protocol.channels)):
        raise ArgumentError(f"uncoded (={extra}) must be among channels (={list(protocol.channels)})")
    numbers: dict[Kind, Sequence[int]] = {"decoded": sorted(protocol.channels), "uncoded": sorted(protocol.uncoded)}
    wanted = {
        _Probe(space.column, number, kind): space for space in spaces for kind in KINDS for number in numbers[kind]
    }
    questions = [
        Question(
            str(probe),
            len(space.names),
            learned.first(probe.channels, probe.kind),
            learned.labels(space),
            asked.first(probe.channels, probe.kind),
            asked.labels(space),
        )
        for probe, space in wanted.items()
    ]
    answers, failures = ask_probes(questions, run)
    return {probe: answers[str(probe)] for probe in wanted if str(probe) in answers}, failures


def _figures(answers: Mapping[_Probe, Answer], asked: MachineFeatures) -> list[dict[str, Any]]:
    """Accuracy of each probe; of those on decoded features, how much less than from all channels, and uncoded."""
    figures = []
    right = {probe: [100.0 * (rank < 1) for rank in answer.ranks] for probe, answer in answers.items()}
    for probe, answer in answers.items():
        if probe.kind == "uncoded":
            continue
        most = max((p for p in answers if (p.space, p.kind) == (probe.space, probe.kind)), key=lambda p: p.channels)
        uncoded = right.get(_Probe(probe.space, probe.channels, "uncoded"))
        layers = asked.layers_of(probe.channels)
        figures.append(
            {
                "space": probe.space,
                "channels": probe.channels,
                "layers": prefix_name(layers),
                "bytes": float(asked.sizes[:, layers - 1].mean()),
                "top1": float(np.mean(right[probe])),
                "top5": 100 * float(np.mean([rank < 5 for rank in answer.ranks])),
                "less": _interval(right[most], right[probe]),
                "top1_uncoded": None if uncoded is None else float(np.mean(uncoded)),
                "loss": None if uncoded is None else _interval(uncoded, right[probe]),
            }
        )
    return figures


def _interval(test: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Mean difference, and its 95 % interval when there is more than one picture."""
    if len(test) < 2:
        return [test[0] - reference[0], float("nan"), float("nan")]
    found = paired_difference(test, reference)
    return [found.value, found.low, found.high]


def _critical(space: str, figures: Sequence[Mapping[str, Any]], within: float) -> int | None:
    """The smallest number of channels whose probe is at most `within` points below the best one; None without any."""
    own = [figure for figure in figures if figure["space"] == space]
    best = max((figure["top1"] for figure in own), default=0.0)
    return next((figure["channels"] for figure in own if figure["top1"] >= best - within), None)


def _ranks(answers: Mapping[_Probe, Answer], asked: MachineFeatures) -> Table:
    ranks = [answer.ranks for answer in answers.values()]
    rows = [[picture.name, *(of[number] for of in ranks)] for number, picture in enumerate(asked.pictures)]
    return Table(["picture", *map(str, answers)], rows)


def _table(space: str, figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    table = [["channels", "layers", "bytes", "top-1 %", "top-5 %", "points less than from all (95 %)"]]
    for figure in figures:
        if figure["space"] == space:
            numbers = [f"{figure[key]:.1f}" for key in ("bytes", "top1", "top5")]
            table.append([str(figure["channels"]), figure["layers"], *numbers, _shown(figure["less"])])
    return table


def _coding_table(figures: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    table = [["label space", "channels", "decoded, top-1 %", "uncoded, top-1 %", "loss, points (95 %)"]]
    for figure in figures:
        if figure["loss"] is not None:
            shares = [f"{figure[key]:.1f}" for key in ("top1", "top1_uncoded")]
            table.append([figure["space"], str(figure["channels"]), *shares, _shown(figure["loss"])])
    return table


def _shown(interval: Sequence[float]) -> str:
    return str(Interval(*interval))


def _plot(spaces: Sequence[str], figures: Sequence[Mapping[str, Any]], name: str) -> Figure:
    def curves(key: str) -> dict[str, list[tuple[float, float]]]:
        return {space: [(f["channels"], f[key]) for f in figures if f["space"] == space] for space in spaces}

    panels = [Panel("channels", "top-1 (%)", curves("top1")), Panel("channels", "top-5 (%)", curves("top5"))]
    return draw(panels, f"{name}: what the first channels tell, decoded")
