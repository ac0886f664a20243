"""The demonstration: one photo, coded, looked at by its first bytes, and decoded from prefixes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semapix.cli._console import say, table
from semapix.cli._options import Force, Model
from semapix.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from semapix.bundle import Bundle
    from semapix.cli._poster import Panel

__all__ = ["demo"]

_PHOTO = "lighthouse.png"
_PANELS = 5
_TRUTH = {"coarse": "building or structure", "fine": "beacon"}


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where the files go; made if missing.")
    ] = Path("semapix-demo"),
    model: Model = None,
    force: Force = False,
) -> None:
    """Code a photo that comes along, look at its first bytes, decode prefixes of it.

    Leaves DIR/lighthouse.spix and DIR/demo.png, one picture that shows it all.

    Example: semapix demo -o /tmp/demo
    """
    import numpy as np
    from PIL import Image

    import semapix
    from semapix._stream import choose_model
    from semapix.cli._poster import Panel, draw
    from semapix.codecs import CODECS
    from semapix.files import check_output
    from semapix.imaging import save

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot become a directory ({error.strerror})") from None
    coded, shown = (check_output(out / name, force=force) for name in ("lighthouse.spix", "demo.png"))
    bundle = choose_model(None, model)
    if not CODECS[bundle.codec].pixels:
        raise ArgumentError(f"model {bundle.name} keeps no pixels, which the demonstration shows; name another model")
    photo = Path(str(resources.files("semapix"))) / "assets" / _PHOTO

    semapix.encode(photo, model=bundle).save(coded, force=force)
    say(f"{photo.name} -> {coded}  {coded.stat().st_size:,} bytes\n")
    panels = _decode(coded, bundle, _look(coded, bundle))
    with Image.open(photo) as original:
        panels.append(Panel("the photo", original, [f"{task}: {label}" for task, label in _TRUTH.items()]))
        save(np.asarray(draw(panels, columns=3)), shown, force=force)
    say(f"All in one picture: {shown}")


def _look(coded: Path, bundle: Bundle) -> list[tuple[int, str]]:
    """Print the best label of each task; what is known, each with how many layers it takes."""
    import semapix

    rows = [("task", "label", "", "true label", "bytes read")]
    known: list[tuple[int, str]] = []
    for task in bundle.manifest["tasks"]:
        name = task["name"]
        stream = semapix.open(coded, bundle)
        best = stream.look(name, top=1)[0]
        rows.append((name, best.name, f"{best.probability:.0%}", _TRUTH.get(name, ""), f"{stream.bytes_read:,}"))
        known.append((task["layers"], f"{name}: {best.name}, {best.probability:.0%}"))
    say("What machines read:")
    say(table(rows) + "\n")
    return known


def _decode(coded: Path, bundle: Bundle, known: list[tuple[int, str]]) -> list[Panel]:
    """Print the lengths of several prefixes; their pictures, with what is known from them."""
    import semapix
    from semapix.cli._poster import Panel

    rows = [("up to", "bytes", "of the file")]
    panels = []
    stream = semapix.open(coded, bundle)
    points = stream.cut_points
    preview, last = next(i for i, point in enumerate(points) if point.bytes == stream.layers[-2].end), len(points) - 1
    shown = {0, 1, preview, preview + 1, last}
    for other in (last // 2, last - 1):
        shown |= {other} if len(shown) < _PANELS else set()
    for point in (points[i] for i in sorted(shown)):
        prefix = stream.to_bytes(max_bytes=point.bytes)
        size = f"{len(prefix):,}"
        rows.append((point.name, size, f"{len(prefix) / stream.bytes_total:.1%}"))
        picture = semapix.open(prefix, bundle).image()
        labels = [label for layers, label in known if stream.layers[layers - 1].end <= point.bytes]
        panels.append(Panel(f"first {size} bytes (up to {point.name})", picture, labels))
    say("What people see, from the first bytes of the same file:")
    say(table(rows) + "\n")
    return panels
