"""What stands in a .spix file, every part of it read and checked."""

from __future__ import annotations

from typing import Any

from semapix.bundle import by_fingerprint
from semapix.codecs import CODECS
from semapix.errors import ChecksumMismatch, UnknownModel
from semapix.stream import EXIF, ICC, LayerInfo, Reader

__all__ = ["inspect"]

_METADATA = {ICC: "ICC", EXIF: "EXIF"}


def inspect(reader: Reader) -> tuple[dict[str, Any], list[ChecksumMismatch]]:
    """Describe a file, and list what is damaged in it.

    `checksum` of a layer is "ok", "wrong", or "cut off" when the file ends before the layer does. `bytes_complete` is
    None when the file ends so early that its full length is not known. `bpp` are bits per pixel.

    Raises StreamError when the index of the layers cannot be read.
    """
    header = reader.header
    pixels = header.width * header.height
    damage: list[ChecksumMismatch] = []
    layers = []
    for number, layer in enumerate(reader.layers):
        state = _check(reader, number, layer, damage)
        layers.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "bytes": layer.length,
                "bpp": 8 * layer.length / pixels,
                "cumulated_bytes": layer.end,
                "cumulated_bpp": 8 * layer.end / pixels,
                "checksum": state,
            }
        )
    report = {
        "file": reader.name,
        "width": header.width,
        "height": header.height,
        "codec": next((name for name, codec in CODECS.items() if codec.number == header.codec), str(header.codec)),
        "quality": header.quality,
        "fingerprint": header.fingerprint.hex(),
        "model": _model_name(header.fingerprint),
        "layers": layers,
        "metadata": _metadata(reader, damage),
        "bytes_total": reader.bytes_total,
        "bytes_complete": reader.declared_total,
        "complete": reader.complete,
    }
    return report, damage


def _check(reader: Reader, number: int, layer: LayerInfo, damage: list[ChecksumMismatch]) -> str:
    if not layer.present:
        return "cut off"
    try:
        if layer.kind == "machine":
            reader.machine_layer(number)
        else:
            reader.signal_layer(number - len(reader.header.machine_lengths))
    except ChecksumMismatch as error:
        damage.append(error)
        return "wrong"
    return "ok"


def _metadata(reader: Reader, damage: list[ChecksumMismatch]) -> list[dict[str, Any]]:
    """The metadata records that are wholly there; none when one of them is damaged."""
    try:
        records = reader.metadata
    except ChecksumMismatch as error:
        damage.append(error)
        return []
    return [{"kind": _METADATA.get(kind, str(kind)), "bytes": len(data)} for kind, data in records.items()]


def _model_name(fingerprint: bytes) -> str | None:
    try:
        return by_fingerprint(fingerprint).name
    except UnknownModel:
        return None
