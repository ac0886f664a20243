"""What .spix files tell: look, info, cut."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from semapix.cli._batch import for_each
from semapix.cli._console import say, say_json, table
from semapix.cli._options import AsJson, File, Files, Force, Model
from semapix.errors import ArgumentError

__all__ = ["cut", "info", "look"]


def look(
    files: Files,
    task: Annotated[
        str | None,
        typer.Option(
            help="What to ask; `semapix models` lists the tasks of each model. By default the finest.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="How many labels to show, best first.")] = 5,
    head: Annotated[
        Path | None,
        typer.Option(metavar="HEAD", help="Labels of your own: a file of `semapix teach` (.spxh).", show_default=False),
    ] = None,
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """Say what is in the pictures, from the first bytes of their files.

    Nothing is decoded to pixels, and no byte behind the layers of the task is read. "none of these?" says how many
    pictures that do hold one of the labels fit them better; above 95% the picture likely holds none.

    Example: semapix look archive/*.spix --task coarse --top 1 --json

    prints the most probable group for each file, as JSON.
    """
    import semapix
    from semapix.bundle import find
    from semapix.tasks import FOREIGN

    bundle = None if model is None else find(model)
    taught = None if head is None else semapix.Head.load(head)
    answers: list[dict[str, Any]] = []

    def look_at_one(file: str) -> None:
        stream = semapix.open(file, bundle)
        labels = stream.look(task, top, head=taught)
        answer = {
            "file": file,
            "task": labels.task,
            "labels": [{"name": label.name, "probability": label.probability} for label in labels],
            "none_of_these": labels.none_of_these,
            "bytes_read": stream.bytes_read,
            "bytes_total": stream.bytes_total,
        }
        if as_json:
            answers.append(answer)
        else:
            say(f"{file}  {labels.task}, {stream.bytes_read:,} / {stream.bytes_total:,} bytes read")
            say(table([(label.name, f"{label.probability:.1%}") for label in labels]))
            if labels.none_of_these is not None:
                verdict = "likely none of these" if labels.none_of_these > FOREIGN else "none of these?"
                say(f"  {verdict}  {labels.none_of_these:.0%} of known pictures fit better")

    status = for_each(files, look_at_one)
    if as_json:
        say_json(answers)
    raise typer.Exit(status)


def info(file: File, as_json: AsJson = False) -> None:
    """Show what a file holds: size, model, and each layer and sub-layer with its bytes and checksum.

    "bytes so far" are the places where the file can be cut. Every part is read and checked. A damaged file is shown as
    far as it can be read, and the exit status is 2.

    Example: semapix info photo.spix
    """
    from semapix.cli._inspect import inspect
    from semapix.stream import Reader

    reader = Reader(file)
    report, damage = inspect(reader)
    if as_json:
        say_json(report)
    else:
        _show(report)
    if damage:
        raise damage[0]


def _show(report: dict[str, Any]) -> None:
    quality = report["quality"] or "none"
    model = report["model"] or "not installed"
    variant = f" ({report['variant']})" if report["variant"] else ""
    say(f"{report['file']}  {report['width']}x{report['height']}, codec {report['codec']}{variant}, quality {quality}")
    say(f"model {report['fingerprint']} ({model})")
    rows: list[tuple[str, ...]] = [("layer", "bytes", "bytes so far", "bpp", "bpp so far", "checksum")]
    for layer in report["layers"]:
        rows.append(_row(layer, layer["name"]))
        if len(layer["sublayers"]) > 1:
            rows += [_row(sublayer, f"  {sublayer['name']}") for sublayer in layer["sublayers"]]
    say(table(rows))
    for record in report["metadata"]:
        say(f"metadata {record['kind']}, {record['bytes']:,} bytes")
    say(f"{report['bytes_total']:,} bytes, {_completeness(report)}")


def _row(part: dict[str, Any], name: str) -> tuple[str, ...]:
    """A layer or sub-layer as cells of the table."""
    return (
        name,
        f"{part['bytes']:,}",
        f"{part['cumulated_bytes']:,}",
        f"{part['bpp']:.4f}",
        f"{part['cumulated_bpp']:.4f}",
        part["checksum"],
    )


def _completeness(report: dict[str, Any]) -> str:
    if report["complete"]:
        return "complete"
    if report["bytes_complete"] is None:
        return "cut short; the list of its further layers is missing"
    return f"cut short; the complete file has {report['bytes_complete']:,}"


def cut(
    file: File,
    out: Annotated[str, typer.Option("--out", "-o", metavar="OUT", help="The shorter .spix file.")],
    layers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many layers to keep.", show_default=False)
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option("--bytes", min=1, metavar="N", help="How many bytes to keep at most.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """Keep the first layers, or the first bytes, of a file: a smaller file, valid itself.

    Nothing is decoded and coded again; what is kept is checked and copied. With --bytes, that is all layers and
    sub-layers that fit whole, so the file may be somewhat smaller; `semapix info` lists the sizes that there are.

    Example: semapix cut photo.spix -o labels.spix --layers 2

    keeps what machines read of a file of the codec scalable, about 100 bytes; of deepsic that is one layer.
    """
    if layers is None and max_bytes is None:
        raise ArgumentError("give --layers N or --bytes N: how much to keep")
    if layers is not None and max_bytes is not None:
        raise ArgumentError(f"--layers (={layers}) and --bytes (={max_bytes}) exclude each other; give one of them")

    import semapix
    from semapix.files import check_output

    def cut_one(file: str) -> None:
        output = check_output(out, force=force)
        stream = semapix.open(file)
        stream.save(output, layers=layers, max_bytes=max_bytes, force=force)
        kept = f"{layers} layers" if layers else f"up to {semapix.open(output).cut_points[-1].name}"
        say(f"{file} -> {output}  {kept}, {output.stat().st_size:,} / {stream.bytes_total:,} bytes")

    raise typer.Exit(for_each([file], cut_one))
