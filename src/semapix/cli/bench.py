"""Measuring: `semapix bench ...`. All of it needs the extra `eval`, which the rest of Semapix does without."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semapix.cli._console import say
from semapix.cli._options import Force
from semapix.errors import SemapixError

if TYPE_CHECKING:
    from semapix.evaluation.experiments._run import Run
    from semapix.evaluation.findings import Findings

__all__ = ["bench"]

bench = typer.Typer(
    help="Measure codecs through real files, and compare them.\n\n"
    "Example: semapix bench signal --dataset DATA/kodak -o OUT",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

DatasetPath = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Directory of images, or of Parquet files with labels.json, or in COCO's form."),
]
DataPath = Annotated[
    Path, typer.Option(metavar="DIR", help="Directory of the data sets that the recipe or the protocol names.")
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Directory of results. What an interrupted or earlier run has measured there is not measured again.",
    ),
]
Codecs = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Codecs of Semapix, reference codecs, names or paths of models. By default those of the protocol. Options "
        "stand behind a colon, as in adaptive:uniform+vivid+rate.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="BUNDLE", help="Model of codecs of Semapix. By default those that ship.", show_default=False),
]
Protocol = Annotated[
    Path | None,
    typer.Option(
        metavar="YAML", help="All choices of the experiment, in place of those that ship.", show_default=False
    ),
]
Processes = Annotated[int, typer.Option(min=1, max=256, metavar="N", help="How many processes share the work.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Use N pictures only, spread evenly over all.", show_default=False),
]


@contextmanager
def _evaluation_packages() -> Iterator[None]:
    """Around imports of `semapix.evaluation`: what is not installed is an error for the user."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("semapix"):
            raise
        raise SemapixError(
            f"measuring needs {error.name}; install it with: pip install 'semapix[eval]' "
            "(labels, layering, transforms: [train,eval])"
        ) from None


def _run(
    out: Path,
    processes: int = 1,
    limit: int | None = None,
    model: str | None = None,
    places: Mapping[Path, str] | None = None,
) -> Run:
    """The run of this command. `places`: files and folders, which lie elsewhere on every machine, and what stands for
    them in the record."""
    from semapix.evaluation.experiments._run import Run

    if out.exists() and not out.is_dir():
        raise SemapixError(f"{out}: is a file; results need a directory")
    words = sys.argv[1:]
    for path, stand_in in (places or {}).items():
        words = [word.removesuffix(str(path)) + stand_in if word.endswith(str(path)) else word for word in words]
    return Run(shlex.join(["semapix", *words]), out, processes, limit, model)


def _data(dataset: Path) -> dict[Path, str]:
    """How a record calls a data set: its folder is that of the user's data."""
    return {dataset: f"DATA/{dataset.resolve().name}"}


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def _end(findings: Findings, out: Path) -> None:
    """Save and print; exit status 1 when something could not be measured, 2 when nothing could."""
    findings.save(out)
    say(findings.text)
    say(f"\n-> {out}")
    if findings.failures:
        nothing = not any(table.rows for table in findings.record.tables.values())
        raise typer.Exit(2 if nothing else 1)


@bench.command()
def signal(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="psnr, psnr-y, ssim, ms-ssim, fsim, niqe, lpips.", show_default=False),
    ] = None,
    lpips: Annotated[
        str | None, typer.Option(metavar="ONNX", help="The network of LPIPS, which does not ship.", show_default=False)
    ] = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """Rate and distortion: curves, BD-rates with intervals, crops at equal rate.

    Example: semapix bench signal --dataset DATA/kodak --codecs scalable,jpeg,avif -o results/signal-kodak
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.signal import SignalProtocol, measure_signal
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(
        SignalProtocol, "signal", protocol, codecs=_split(codecs), metrics=_split(metrics), lpips=lpips
    )
    _end(measure_signal(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def semantic(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """What machines are told by the first bytes: accuracy and bytes of every task, probes for other label spaces.

    Example: semapix bench semantic --dataset DATA/objects -o results/semantic-objects
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.semantic import SemanticProtocol, measure_semantic
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(SemanticProtocol, "semantic", protocol, codecs=_split(codecs))
    _end(measure_semantic(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def variants(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """Labels decided while encoding against labels decided from files, at the same rates.

    Example: semapix bench variants --dataset DATA/objects --limit 400 -o results/variants-objects
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.variants import VariantsProtocol, measure_variants
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(VariantsProtocol, "variants", protocol, codecs=_split(codecs))
    _end(measure_variants(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def planes(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    limit: Limit = None,
) -> None:
    """The bit-plane coder of DeepSIC: bits a second, bytes against its model and against tables that stand still.

    Example: semapix bench planes --dataset DATA/kodak -o results/planes-kodak
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.planes import PlanesProtocol, measure_planes
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(PlanesProtocol, "planes", protocol, codecs=_split(codecs))
    _end(measure_planes(dataset, chosen, _run(out, 1, limit, model, _data(dataset))), out)


@bench.command()
def critical_rate(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """Accuracy and PSNR against the bytes decoded: files cut behind each of their layers.

    Example: semapix bench critical-rate --dataset DATA/objects --limit 400 -o results/critical-rate-objects
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.critical_rate import CriticalRateProtocol, measure_critical_rate
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(CriticalRateProtocol, "critical-rate", protocol, codecs=_split(codecs))
    _end(measure_critical_rate(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def steps(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """How smoothly PSNR grows with bytes: files cut at all of their cut points, beside whole files.

    Example: semapix bench steps --dataset DATA/kodak -o results/steps-kodak
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.steps import StepsProtocol, measure_steps
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(StepsProtocol, "steps", protocol, codecs=_split(codecs))
    _end(measure_steps(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def features(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    side: Annotated[
        int | None,
        typer.Option(
            min=16, max=4096, metavar="N", help="Squeeze all pictures to squares of N pixels.", show_default="as stored"
        ),
    ] = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """Features against pictures: one classifier on features, and on what codecs decode, up to where these catch up.

    Example: semapix bench features --dataset DATA/objects --limit 600 -o results/features-objects
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.features import FeaturesProtocol, measure_features
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(FeaturesProtocol, "features", protocol, codecs=_split(codecs), side=side)
    _end(measure_features(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def channels(
    dataset: DatasetPath,
    out: Out,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """How many channels of the features each label space needs, also one that no model was trained for.

    Example: semapix bench channels --dataset DATA/objects -o results/channels-objects
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.channels import ChannelsProtocol, measure_channels
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(ChannelsProtocol, "channels", protocol)
    _end(measure_channels(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def machine_share(
    dataset: DatasetPath,
    out: Out,
    part: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of a data set in Parquet: test or train.", show_default="test"),
    ] = None,
    side: Annotated[
        int | None,
        typer.Option(min=16, max=4096, metavar="N", help="Pixels of the central square.", show_default="256"),
    ] = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """What machines need of the smallest stream that people can look at.

    Example: semapix bench machine-share --dataset DATA/kodak -o results/machine-share-kodak
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.machine_share import MachineShareProtocol, measure_machine_share
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(MachineShareProtocol, "machine-share", protocol, part=part, side=side)
    _end(measure_machine_share(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def judge(
    dataset: DatasetPath,
    network: Annotated[
        Path,
        typer.Option(
            "--judge",
            metavar="TFLITE",
            help="Classifier of ImageNet, or segmenter of PASCAL VOC; or the folder of a run of stage `classifier`.",
        ),
    ],
    out: Out,
    codecs: Codecs = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B",
            help="Report the mean difference of codec A over codec B at the same rates; may be given several times.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Measured beside: psnr, ssim, niqe, ...", show_default=False)
    ] = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """What a classifier or segmenter that is no part of a codec sees in decoded pictures.

    Example: semapix bench judge --dataset DATA/imagenet400 --judge mobilenet.tflite -o results/judge-imagenet400
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.judge import JudgeProtocol, measure_judge
        from semapix.evaluation.protocol import load_protocol
    pairs = [_split(names) for names in pair] if pair else None
    chosen = load_protocol(
        JudgeProtocol, "judge", protocol, codecs=_split(codecs), metrics=_split(metrics), pairs=pairs
    )
    places = {**_data(dataset), network: network.name}
    _end(measure_judge(dataset, network, chosen, _run(out, processes, limit, model, places)), out)


@bench.command()
def rates(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 1,
    limit: Limit = None,
) -> None:
    """How well files meet the rate that was asked for: errors, passes, seconds for each codec and target.

    Example: semapix bench rates --dataset DATA/kodak -o results/rates-kodak
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.rates import RatesProtocol, measure_rates
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(RatesProtocol, "rates", protocol, codecs=_split(codecs))
    _end(measure_rates(dataset, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def maps(
    dataset: DatasetPath,
    out: Out,
    model: Model = None,
    protocol: Protocol = None,
    limit: Limit = None,
) -> None:
    """Where bits go: importance, quality and bits of blocks, and reconstructions, of each strategy at equal bytes.

    Example: semapix bench maps --dataset DATA/kodak -o results/maps-kodak
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.maps import MapsProtocol, measure_maps
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(MapsProtocol, "maps", protocol)
    _end(measure_maps(dataset, chosen, _run(out, 1, limit, model, _data(dataset))), out)


@bench.command()
def complexity(out: Out, model: Model = None, protocol: Protocol = None) -> None:
    """Operations, parameters and time of every module of a model.

    Example: semapix bench complexity -o results/complexity
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.complexity import ComplexityProtocol, measure_complexity
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(ComplexityProtocol, "complexity", protocol)
    _end(measure_complexity(chosen, _run(out, model=model)), out)


@bench.command()
def speed(
    dataset: DatasetPath,
    out: Out,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
) -> None:
    """Seconds and memory: encode, decode and look at several sizes, beside reference codecs, warm and cold.

    Example: semapix bench speed --dataset DATA/kodak -o results/speed
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.speed import SpeedProtocol, measure_speed
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(SpeedProtocol, "speed", protocol, codecs=_split(codecs))
    _end(measure_speed(dataset, chosen, _run(out, model=model, places=_data(dataset))), out)


@bench.command()
def transforms(
    data: DataPath,
    minutes: Annotated[float, typer.Option(min=0.01, metavar="N", help="How long each network is trained.")],
    out: Out,
    protocol: Protocol = None,
    limit: Limit = None,
) -> None:
    """The lifting transform against networks of the same work, data and minutes. It trains them: this takes long.

    Example: semapix bench transforms --data DATA --minutes 60 -o results/transforms
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.transforms import TransformsProtocol, measure_transforms
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(TransformsProtocol, "transforms", protocol)
    _end(measure_transforms(data, chosen, _run(out, limit=limit, places={data: "DATA"}), minutes), out)


@bench.command()
def layering(
    data: DataPath,
    minutes: Annotated[float, typer.Option(min=0.01, metavar="N", help="How long each of the two is trained.")],
    out: Out,
    model: Model = None,
    protocol: Protocol = None,
    limit: Limit = None,
) -> None:
    """What layers cost: LCNet against one unit of equal work on the same transform. It trains both.

    Example: semapix bench layering --data DATA --minutes 24 -o results/layering
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.layering import LayeringProtocol, measure_layering
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(LayeringProtocol, "layering", protocol)
    _end(measure_layering(data, chosen, _run(out, limit=limit, model=model, places={data: "DATA"}), minutes), out)


@bench.command()
def teach(
    data: DataPath,
    out: Out,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
) -> None:
    """Labels of a user's own: accuracy of heads taught from a few pictures, beside that on features not coded.

    Example: semapix bench teach --data DATA -o results/teach
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.teach import TeachProtocol, measure_teach
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(TeachProtocol, "teach", protocol)
    _end(measure_teach(data, chosen, _run(out, processes, model=model, places={data: "DATA"})), out)


@bench.command()
def labels(
    data: DataPath,
    out: Out,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """Honest labels: calibration of probabilities, and pictures that hold none of the labels.

    Example: semapix bench labels --data DATA -o results/labels
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.labels import LabelsProtocol, measure_labels
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(LabelsProtocol, "labels", protocol)
    _end(measure_labels(data, chosen, _run(out, processes, limit, model, {data: "DATA"})), out)


@bench.command()
def tasks(
    dataset: DatasetPath,
    out: Out,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="By default detect for objects, classify for labels.", show_default=False),
    ] = None,
    codecs: Codecs = None,
    model: Model = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """Labels, objects and masks at each rate: of streams of features, and of pictures that other codecs decoded.

    Example: semapix bench tasks --dataset DATA/voc -o results/tasks-voc
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.tasks import TasksProtocol, measure_tasks
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(TasksProtocol, "tasks", protocol, codecs=_split(codecs))
    _end(measure_tasks(dataset, task, chosen, _run(out, processes, limit, model, _data(dataset))), out)


@bench.command()
def systems(
    data: DataPath,
    out: Out,
    codecs: Codecs = None,
    protocol: Protocol = None,
    processes: Processes = 2,
    limit: Limit = None,
) -> None:
    """All systems in one table: bytes, labels, accuracy, signal quality and time on the same pictures.

    Example: semapix bench systems --data DATA --limit 1000 -o results/systems
    """
    with _evaluation_packages():
        from semapix.evaluation.experiments.systems import SystemsProtocol, measure_systems
        from semapix.evaluation.protocol import load_protocol
    chosen = load_protocol(SystemsProtocol, "systems", protocol, codecs=_split(codecs))
    _end(measure_systems(data, chosen, _run(out, processes, limit, places={data: "DATA"})), out)


@bench.command()
def report(
    results: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories of results, or above them.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="HTML", help="The page.")],
    force: Force = False,
) -> None:
    """One HTML page of all results, which opens without a network.

    Example: semapix bench report results -o report.html
    """
    from semapix.files import check_output

    check_output(out, force=force)
    with _evaluation_packages():
        from semapix.evaluation.report import write_report
    count = write_report(results, out, force=force)
    say(f"{count} experiments -> {out}  {out.stat().st_size:,} bytes")
