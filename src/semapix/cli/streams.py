"""What .spix files tell: look, info, cut."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semapix.cli._batch import PIPE, check_name, for_each, in_folders, source, stem
from semapix.cli._console import give, say, say_json, table
from semapix.cli._options import AsJson, File, Files, Force, Model
from semapix.errors import ArgumentError, TruncatedStream

if TYPE_CHECKING:
    from semapix import Head, Stream
    from semapix.tasks import Detections, Labels

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
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many labels or objects to show, best first. By default 5 labels, 100 objects.",
            show_default=False,
        ),
    ] = None,
    least: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="SCORE", help="Lowest score of objects. By default 0.4.", show_default=False
        ),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(metavar="HEAD", help="Labels of your own: a file of `semapix teach` (.spxh).", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="Draw the answer over PHOTO.", show_default=False),
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option("--on", metavar="PHOTO", help="The picture that the file was made of.", show_default=False),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write the objects of all files as COCO's results, for tools that measure them: every guess from a "
            "score of 0.01 on.",
            show_default=False,
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--annotations",
            metavar="TRUTH",
            help="COCO-style annotations with the numbers for --coco.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Say what is in the pictures, from the first bytes of their files.

    Nothing is decoded to pixels, and no byte behind the layers of the task is read. "none of these?" says how many
    pictures that do hold one of the labels fit them better; above 95% the picture likely holds none.

    Example: semapix look archive/*.spix --task coarse --top 1 --json

    prints the most probable group for each file, as JSON. Models of codec dicm also find objects: with --task detect or
    segment JSON states boxes as left, top, right, bottom in pixels, and masks in COCO's run lengths; --coco writes the
    file that tools for average precision take. Exit status: 0 all done, 1 some files failed, 2 all.
    """
    files = in_folders(files, [".spix"])
    if (out is None) != (on is None):
        raise ArgumentError("--out and --on belong together: where to draw, and over which picture")
    if (coco is None) != (truth is None):
        raise ArgumentError("--coco and --annotations belong together: where to write, and whose numbers to use")
    if coco is not None and (out is not None or head is not None or as_json):
        raise ArgumentError("--coco writes objects to a file alone; ask for --out, --head or --json in another run")
    if out is not None and len(files) > 1:
        raise ArgumentError(f"--out (={out}) takes the answer of one file, not of {len(files)}")

    import semapix
    from semapix.bundle import find
    from semapix.cli._answers import ask
    from semapix.cli._coco import CocoResults
    from semapix.files import check_output
    from semapix.imaging import check_ending

    if out is not None:
        check_ending(out)
        check_output(out, force=force)
    bundle = None if model is None else find(model)
    taught = None if head is None else semapix.Head.load(head)
    results = None if coco is None or truth is None else CocoResults(coco, truth, force=force)
    answers: list[dict[str, Any]] = []

    def look_at_one(file: str) -> None:
        stream = semapix.open(source(file), bundle)
        if results is not None:
            say(f"{file}  {results.add(stream, stem(file), task, least, top)}")
            return
        try:
            answer = ask(stream, task, top, least, taught)
        except TruncatedStream as error:
            raise TruncatedStream(f"{error}{_way_out(stream, taught)}") from error
        if out is not None and on is not None:
            _draw(stream, answer.found, on, out, force)
        if as_json:
            read = {"bytes_read": stream.bytes_read, "bytes_total": stream.bytes_total}
            answers.append({"file": file, **answer.values, **read})
        else:
            say(f"{file}  {answer.found.task}, {stream.bytes_read:,} / {stream.bytes_total:,} bytes read")
            say("\n".join(answer.lines))

    status = for_each(files, look_at_one)
    if as_json:
        say_json(answers)
    if results is not None and status < 2:
        results.save()
    raise typer.Exit(status)


def _way_out(stream: Stream, head: Head | None) -> str:
    """What a file can be asked that is cut short before the layers of a task."""
    there = sum(layer.present for layer in stream.layers)
    if head is None:
        layers = {task["name"]: task["layers"] for task in stream.model.manifest["tasks"]}
    else:
        layers = {name: taught.task.layers for name, taught in head.tasks.items()}
    names = [name for name, count in layers.items() if count <= there]
    return f"; it still answers --task {' or '.join(names)}" if names else ""


def _draw(stream: Stream, found: Labels | Detections, photo: Path, out: Path, force: bool) -> None:
    """Draw an answer over the picture that its file was made of."""
    from semapix.cli._overlay import overlay
    from semapix.imaging import load, save

    pixels = load(photo).pixels
    size, wanted = (pixels.shape[1], pixels.shape[0]), (stream.header.width, stream.header.height)
    if size != wanted:
        raise ArgumentError(
            f"{photo} has {size[0]}x{size[1]} pixels, the file was made of a picture of {wanted[0]}x{wanted[1]}; give "
            "that one with --on"
        )
    save(overlay(pixels, found), out, force=force)


def info(file: File, as_json: AsJson = False) -> None:
    """Show what a file holds: size, model, and each layer and sub-layer with its bytes and checksum.

    "bytes so far" are the places where the file can be cut. Every part is read and checked. A damaged file is shown as
    far as it can be read, and the exit status is 2.

    Example: semapix info photo.spix
    """
    from semapix.cli._inspect import inspect
    from semapix.stream import Reader

    reader = Reader(source(file))
    report, damage = inspect(reader)
    if as_json:
        say_json(report)
    else:
        _show(report, damaged=bool(damage))
    if damage:
        raise damage[0]


def _show(report: dict[str, Any], damaged: bool) -> None:
    quality = f"{report['quality']:.3g}" if report["quality"] else "none"
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
    say(f"{report['bytes_total']:,} bytes, {_completeness(report, damaged)}")


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


def _completeness(report: dict[str, Any], damaged: bool) -> str:
    if report["complete"]:
        return "nothing cut off, but damaged" if damaged else "complete"
    if report["bytes_complete"] is None and damaged:
        intact = all(layer["checksum"] == "ok" for layer in report["layers"])
        rest = "; the machine layers are intact, and answer `semapix look`" if intact else ""
        return f"the list of its further layers is damaged{rest}"
    if report["bytes_complete"] is None:
        return "cut short; the list of its further layers is missing"
    return f"cut short; the complete file has {report['bytes_complete']:,}"


def cut(
    file: File,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="OUT", help="The shorter .spix file; - for the standard output.")
    ],
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
    if out != PIPE:
        check_name(out, ".spix")
    if layers is None and max_bytes is None:
        raise ArgumentError("give --layers N or --bytes N: how much to keep")
    if layers is not None and max_bytes is not None:
        raise ArgumentError(f"--layers (={layers}) and --bytes (={max_bytes}) exclude each other; give one of them")

    import semapix
    from semapix.files import check_output

    def cut_one(file: str) -> None:
        stream = semapix.open(source(file))
        if out == PIPE:
            give(stream.to_bytes(layers, max_bytes=max_bytes))
            return
        output = check_output(out, force=force)
        stream.save(output, layers=layers, max_bytes=max_bytes, force=force)
        kept = f"{layers} layers" if layers else f"up to {semapix.open(output).cut_points[-1].name}"
        say(f"{file} -> {output}  {kept}, {output.stat().st_size:,} / {stream.bytes_total:,} bytes")

    raise typer.Exit(for_each([file], cut_one))
