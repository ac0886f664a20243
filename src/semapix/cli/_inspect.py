"""What stands in a .spix file, every part of it read and checked."""

from __future__ import annotations

from typing import Any

from semapix.bundle import by_fingerprint
from semapix.codecs import CODECS, Codec, Layers, PictureInfo
from semapix.errors import ChecksumMismatch, CorruptLayer, StreamError, UnknownModel
from semapix.stream import FrontHeader, LayerInfo, Reader, metadata_name

__all__ = ["inspect"]


def inspect(reader: Reader) -> tuple[dict[str, Any], list[StreamError]]:
    """Describe a file, and list what is damaged in it.

    `checksum` of a sub-layer is "ok", "wrong", or "cut off" when the file ends before the sub-layer does; of a layer,
    "wrong" if one of its sub-layers is, else "cut off" if one of them is. A machine layer is one sub-layer.
    `bytes_complete` is None when the file ends so early, or is so damaged, that its full length is not known; `quality`
    too. `bpp` are bits per pixel.

    A file whose index of the layers is damaged has its machine layers alone.
    """
    header = reader.header
    codec = next((codec for codec in CODECS.values() if codec.number == header.codec), None)
    pixels = header.width * header.height
    damage: list[StreamError] = []
    layers = []
    listed = _listed(reader, damage)
    whole = not damage
    for number, layer in enumerate(listed):
        wrong = _damage(reader, number, layer)
        damage += [error for error in wrong if error]
        states = ["wrong" if error else "ok" for error in wrong]
        states += ["cut off"] * (len(layer.sublayers) - len(states))
        start, sublayers = layer.offset, []
        for point, state in zip(layer.cut_points, states, strict=True):
            sublayers.append({"name": point.name, **_sizes(start, point.bytes, pixels), "checksum": state})
            start = point.bytes
        layers.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                **_sizes(layer.offset, layer.end, pixels),
                "checksum": next((state for state in ("wrong", "cut off") if state in states), "ok"),
                "sublayers": sublayers,
            }
        )
    report = {
        "file": reader.name,
        "width": header.width,
        "height": header.height,
        "codec": str(header.codec) if codec is None else codec.name,
        "variant": None if codec is None else _variant(codec, header),
        "quality": (header.quality if codec is None else _quality(codec, reader, damage)) if whole else None,
        "fingerprint": header.fingerprint.hex(),
        "model": _model_name(header.fingerprint),
        "layers": layers,
        "metadata": _metadata(reader, damage) if whole else [],
        "bytes_total": reader.bytes_total,
        "bytes_complete": reader.declared_total if whole else None,
        "complete": whole and reader.complete,
    }
    return report, damage


def _listed(reader: Reader, damage: list[StreamError]) -> list[LayerInfo]:
    """All layers of a file, or those that its front header tells of where the index is damaged."""
    try:
        return reader.layers
    except StreamError as error:
        damage.append(error)
        return reader.machine_layers


def _variant(codec: type[Codec], header: FrontHeader) -> str | None:
    """The name of a file's variant; None for codecs that have none."""
    return codec.variant_names[header.variant] if header.variant < len(codec.variant_names) else None


def _quality(codec: type[Codec], reader: Reader, damage: list[StreamError]) -> float | None:
    """The quality, with what lies between two whole ones where the file is there and intact to tell; None for one that
    cannot be."""
    header, machine = reader.header, len(reader.header.machine_lengths)
    signal = []
    if reader.begun_layers > machine and not any(reader.damage(0)):
        signal = [reader.signal_layer(0, True)]
    info = PictureInfo(header.width, header.height, header.quality, header.variant)
    try:
        return codec.quality(Layers([], signal), info)
    except CorruptLayer as error:
        damage.append(CorruptLayer(f"{reader.name}: {error}"))
        return None


def _sizes(start: int, end: int, pixels: int) -> dict[str, Any]:
    """What a part from byte `start` to `end` takes, and the file up to its end."""
    return {
        "bytes": end - start,
        "bpp": 8 * (end - start) / pixels,
        "cumulated_bytes": end,
        "cumulated_bpp": 8 * end / pixels,
    }


def _damage(reader: Reader, number: int, layer: LayerInfo) -> list[ChecksumMismatch | None]:
    """What is wrong with each sub-layer that is there."""
    if layer.kind == "signal":
        return reader.damage(number - len(reader.header.machine_lengths))
    if not layer.present:
        return []
    try:
        reader.machine_layer(number)
    except ChecksumMismatch as error:
        return [error]
    return [None]


def _metadata(reader: Reader, damage: list[StreamError]) -> list[dict[str, Any]]:
    """The metadata records that are wholly there; none when one of them is damaged."""
    try:
        records = reader.metadata
    except ChecksumMismatch as error:
        damage.append(error)
        return []
    return [{"kind": metadata_name(kind), "bytes": len(data)} for kind, data in records.items()]


def _model_name(fingerprint: bytes) -> str | None:
    try:
        return by_fingerprint(fingerprint).name
    except UnknownModel:
        return None
