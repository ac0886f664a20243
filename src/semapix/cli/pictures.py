"""Pictures in and out: encode, decode."""

from __future__ import annotations

from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semapix.cli._batch import (
    PIPE,
    check_name,
    for_each,
    in_folders,
    make_directory,
    plan_outputs,
    source,
    wanted_outputs,
)
from semapix.cli._console import give, say
from semapix.cli._options import Files, Force, Model, SkipExisting
from semapix.errors import ArgumentError, ChecksumMismatch

if TYPE_CHECKING:
    from semapix import Stream

__all__ = ["decode", "encode"]


class Format(str, Enum):
    """Formats of decoded pictures."""

    png = "png"
    jpg = "jpg"
    webp = "webp"


def encode(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="IN",
            help="Pictures of any format that Pillow reads, of animations the first; directories of them; - for the "
            "standard input. Transparency is drawn over white.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A .spix file; for several pictures a directory, which is made; - for the standard output.",
        ),
    ],
    quality: Annotated[
        float | None,
        typer.Option(
            "--quality",
            "-q",
            min=1,
            max=9,
            help="Bits for people. Of photos scalable takes some 0.1 bits per pixel at 1, 0.5 at 5 (the default), 1.4 "
            "at 9; adaptive 0.1, 0.3 and 0.8: both have all qualities between. deepsic takes more; dicm, for machines "
            "alone, a tenth and less.",
            show_default=False,
        ),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            "--bytes",
            min=1,
            metavar="N",
            help="In place of --quality: at most N bytes. Takes some three times as long. Codecs scalable and adaptive "
            "fill N, at the largest size of the picture that fits; others end at a cut point, as scalable does where N "
            "is very small.",
            show_default=False,
        ),
    ] = None,
    bpp: Annotated[
        float | None,
        typer.Option(
            "--bpp",
            metavar="B",
            help="The same as a rate: B bits for each pixel, never more. Of codecs that fill it, a picture that takes "
            "no such rate is an error, which names those that it takes; --bytes makes its largest file then.",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="STRATEGY",
            help="Of codec adaptive: where bits go. blended (what is meaningful, then what is simple; the default), "
            "semantic, complexity, simplicity or uniform (best PSNR).",
            show_default=False,
        ),
    ] = None,
    qmap: Annotated[
        str | None,
        typer.Option(
            "--qmap",
            metavar="MAP",
            help="Of codec adaptive: a grey picture of the same size, white where bits should go; without a rate or "
            "quality it says the quality itself.",
            show_default=False,
        ),
    ] = None,
    roi: Annotated[
        list[str] | None,
        typer.Option(
            "--roi",
            metavar="X,Y,W,H",
            help="Of codec adaptive: a box in pixels that matters most; may be given several times.",
            show_default=False,
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="CODEC",
            help="The coding system: scalable, adaptive, dicm or deepsic. By default the model's, or scalable.",
            show_default=False,
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="VARIANT",
            help="Of codec deepsic: pre (labels are decided now; the default) or post (by who reads the file). Of "
            "scalable and adaptive: full, half or, of scalable, quarter, the size at which the picture is coded; by "
            "default smaller ones only for a rate below what larger ones can take, or a soft picture.",
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="For variant pre and codec adaptive: what is in the picture, in place of what the model sees; a name "
            "of its classes or groups (`semapix models --labels MODEL`). Up to five times.",
            show_default=False,
        ),
    ] = None,
    model: Model = None,
    without_exif: Annotated[
        bool, typer.Option("--no-exif", help="Leave out the EXIF block: place, time and camera of a photo.")
    ] = False,
    force: Force = False,
    skip: SkipExisting = False,
) -> None:
    """Code pictures as .spix files.

    What machines read stands first and takes about 100 bytes (scalable), 10 (adaptive; deepsic, variant pre) or 500
    (post); --quality says what people get, or --bytes or --bpp what a file may take: then the ICC profile and the EXIF
    block are kept if there is room left (scalable and adaptive keep a tenth for them). Files of codec dicm hold no
    picture: what machines read is all, and --quality says how much of it.

    Example: semapix encode holiday/ -o coded/ --quality 7

    writes coded/beach.spix for holiday/beach.jpg, and so on. Exit status: 0 all done, 1 some pictures failed, 2 all.
    """
    regions = [_region(box) for box in roi or ()]

    import semapix
    from semapix._encode import check_rate
    from semapix._stream import choose_model
    from semapix.codecs import CODECS, Steering
    from semapix.files import check_output
    from semapix.imaging import load, readable_endings

    found = in_folders(files, readable_endings())
    outputs = plan_outputs(found, out, ".spix", folder=found != files)
    if list(outputs.values()) == [Path(out)] and out != PIPE:
        check_name(out, ".spix")
    outputs = wanted_outputs(outputs, skip=skip, force=force)
    if quality is not None and quality.is_integer():
        quality = int(quality)  # as it was given, for errors
    # What is wrong for all pictures is said once.
    check_rate(quality, max_bytes, bpp)
    importance = None if qmap is None else load(qmap).pixels
    Steering(strategy, importance)
    bundle = choose_model(codec, model)
    variants = CODECS[bundle.codec].variant_names
    CODECS[bundle.codec].variant(variant)
    make_directory(outputs, out)

    def encode_one(file: str) -> None:
        output = outputs[file] if out == PIPE else check_output(outputs[file], force=force)
        stream = semapix.encode(
            source(file),
            codec,
            quality,
            bundle,
            max_bytes=max_bytes,
            bpp=bpp,
            variant=variant,
            labels=label or None,
            strategy=strategy,
            quality_map=importance,
            regions=regions,
            exif=not without_exif,
        )
        if out == PIPE:
            give(stream.to_bytes())
            return
        stream.save(output, force=force)
        (width, height), size = stream.size, stream.bytes_total
        found = f", quality {stream.quality:.3g}" if max_bytes or bpp else ""
        if found and variants and (name := variants[stream.header.variant]) != variants[0]:
            found = f", variant {name}{found}"
        if not stream.complete:
            found += f" up to {stream.cut_points[-1].name}"
        if CODECS[bundle.codec].pixels and not _pictured(stream):
            found += ", nothing of the picture"
        if stream.left_out:
            found += f", without its {' and '.join(stream.left_out)}"
        say(f"{file} -> {output}  {width}x{height}, {size:,} bytes, {8 * size / (width * height):.3f} bpp{found}")

    raise typer.Exit(for_each(list(outputs), encode_one))


def _pictured(stream: Stream, layers: int | None = None) -> bool:
    """Whether anything of a layer that is for people is there, among the first `layers`."""
    return any(layer.whole for layer in stream.layers[:layers] if layer.kind == "signal")


def _region(text: str) -> tuple[int, int, int, int]:
    """A box from the command line."""
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise ArgumentError(f"--roi (={text}) must be four whole numbers of pixels: X,Y,W,H")
    x, y, width, height = map(int, parts)
    return x, y, width, height


def decode(
    files: Files,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A .png, .jpg or .webp file (these two at quality 95); for several inputs a directory, which is made; "
            "- for the standard output.",
        ),
    ],
    layers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Use the first N layers. By default all that is there.", show_default=False
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            metavar="DECODER",
            help="Of codec adaptive: faithful (nearest to the original; the default) or vivid (more texture; by a "
            "few grey levels in the model that ships).",
            show_default=False,
        ),
    ] = None,
    ending: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Format of pictures in a directory or a pipe. By default png.", show_default=False
        ),
    ] = None,
    model: Model = None,
    force: Force = False,
    skip: SkipExisting = False,
) -> None:
    """Decode .spix files to pictures, whole ones or any prefix of one.

    A file that was cut short gives the picture of all whole layers and sub-layers that it holds, at full size. Files of
    codec dicm hold no picture.

    Example: semapix decode photo.spix -o preview.png --layers 8

    writes a coarse preview from the first 8 layers, and leaves the rest unread.
    """
    found, form = in_folders(files, [".spix"]), f".{(ending or Format.png).value}"
    outputs = plan_outputs(found, out, form, folder=found != files)
    alone = list(outputs.values()) == [Path(out)] and out != PIPE
    if ending is not None and alone:
        raise ArgumentError(f"--format (={ending.value}) is for a directory; the ending of {out} says its format")

    import numpy as np

    import semapix
    from semapix.bundle import find
    from semapix.files import check_output
    from semapix.imaging import check_ending, save, write

    if alone:
        check_ending(out)
    bundle = None if model is None else find(model)
    outputs = wanted_outputs(outputs, skip=skip, force=force)
    make_directory(outputs, out)

    def decode_one(file: str) -> None:
        output = outputs[file] if out == PIPE else check_output(outputs[file], force=force)
        stream = semapix.open(source(file), bundle)
        try:
            picture = stream.image(layers, decoder=decoder)
        except ChecksumMismatch as error:
            way_out = "`semapix info` shows what is intact, `semapix cut --bytes N` keeps what stands before the damage"
            raise ChecksumMismatch(f"{error}; {way_out}") from error
        pixels, icc, exif = np.asarray(picture), picture.info.get("icc_profile"), picture.info.get("exif")
        if out == PIPE:
            content = BytesIO()
            write(pixels, content, f"{out}{form}", icc=icc, exif=exif)
            give(content.getvalue())
            return
        save(pixels, output, icc=icc, exif=exif, force=force)
        read, total = stream.bytes_read, stream.bytes_total
        short = "" if _pictured(stream, layers) else ": nothing of the picture"
        if layers is None and not stream.complete:
            short = f" (the file is cut short; used up to {stream.cut_points[-1].name}{short})"
        say(f"{file} -> {output}  {picture.width}x{picture.height}, {read:,} / {total:,} bytes read{short}")

    raise typer.Exit(for_each(list(outputs), decode_one))
