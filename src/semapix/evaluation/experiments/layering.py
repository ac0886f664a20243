"""What layers cost: LCNet against one unit on the same transform (protocols/layering.yaml)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semapix.bundle import Bundle, find
from semapix.codecs import QUALITIES, PictureInfo
from semapix.codecs.scalable import Scalable
from semapix.coding import RangeEncoder, TableBank, gaussian_counts
from semapix.errors import ArgumentError
from semapix.evaluation.bjontegaard import Curve, bd_rate
from semapix.evaluation.bootstrap import bootstrap
from semapix.evaluation.datasets import open_dataset, some_of
from semapix.evaluation.experiments._run import Run
from semapix.evaluation.findings import Findings
from semapix.evaluation.metrics import psnr
from semapix.evaluation.multiplications import multiplications
from semapix.evaluation.records import Record, Table
from semapix.graphs import OnnxGraphs
from semapix.imaging import load, resize
from semapix.training.data import Batches
from semapix.training.normalise import denormalise, normalise
from semapix.training.run import fit
from semapix.training.scalable.export import export_scalable
from semapix.training.scalable.lcnet import LcnetSystem
from semapix.training.scalable.model import load_scalable, load_transform
from semapix.training.scalable.nets.single import SingleUnit
from semapix.training.scalable.recipe import ScalableModel, ScalableRecipe
from semapix.training.scalable.restore import restore_run
from semapix.training.scalable.single import SingleSystem
from semapix.training.sections import build_recipe
from semapix.training.splits import labelled

__all__ = ["LayeringProtocol", "measure_layering"]

_LAYERS, _SINGLE = "layers", "one unit"
_COLUMNS = ["coder", "picture", "quality", "bytes", "psnr"]
_ROUNDS = 400  # of the bootstrap


@dataclass(frozen=True)
class LayeringProtocol:
    """The keys of protocols/layering.yaml, which says what each is."""

    pictures: int
    batch: int
    learning_rate: float


def measure_layering(data: Path, protocol: LayeringProtocol, run: Run, minutes: float, steps: int = -1) -> Findings:
    """Train both for `minutes` (and at most `steps` steps), then code the cores of test pictures with each.

    `data`: the folder above that of the labelled pictures. Raises ArgumentError for a model of another system.
    """
    bundle = find(run.model or "scalable")
    if bundle.codec != Scalable.name:
        raise ArgumentError(f"model {bundle.name} is for codec {bundle.codec}; only scalable has layers to compare")
    folder = run.out / "runs"
    recipe = build_recipe(ScalableRecipe, bundle.manifest["recipe"], f"{bundle.path}: recipe")
    stage = replace(recipe.lcnet, batch=protocol.batch, learning_rate=protocol.learning_rate)
    recipe = replace(recipe, lcnet=stage)
    single, costs = _trained(bundle, recipe, data, folder, minutes, steps)
    tests = open_dataset(data / recipe.data.labelled)
    side = recipe.model.core_side
    pictures = some_of(tests.pictures, min(protocol.pictures, run.limit or protocol.pictures))
    rows: list[list[Any]] = []
    coder = _SingleCoder(single)
    with torch.inference_mode():
        codec = _layered_codec(folder)
        for picture in pictures:
            core = resize(load(picture.image).pixels, (side, side), "lanczos")
            for quality in range(1, QUALITIES + 1):
                layers = codec.encode(core, quality)
                size = sum(map(len, chain(layers.machine, *layers.signal)))
                decoded = codec.image(layers, PictureInfo(side, side, quality))
                rows.append([_LAYERS, picture.name, quality, size, psnr(decoded, core)])
                size, decoded = coder.code(core, quality - 1)
                rows.append([_SINGLE, picture.name, quality, size, psnr(decoded, core)])
    results = _results(rows, side)
    return Findings(
        Record(
            "layering",
            run.command,
            [bundle],
            settings={
                "protocol": asdict(protocol),
                "minutes": f"{minutes} asked for, for each; what was trained before keeps what it got",
                "layers": "LCNet of the recipe, losses of the recipe",
                "one unit": "one RAFC unit for all bands, on one grid; rate and squared error alone",
                "macs": "of analysis, entropy model and synthesis in training, for one core, without the transform",
                "bytes": "of the range coders' payloads, no headers",
                "bd_rate": "layers against one unit, RGB PSNR of cores; 95 % by bootstrap over pictures",
            },
            results={**results, "costs": costs},
            tables={"pictures": Table(_COLUMNS, rows)},
        ),
        {"Curves": _curve_table(results["curves"], costs), "Cost of layering": _bd_table(results["bd_rate"])},
    )


def _trained(
    bundle: Bundle, recipe: ScalableRecipe, data: Path, folder: Path, minutes: float, steps: int
) -> tuple[SingleSystem, dict[str, Any]]:
    """Train both on the transform of a bundle: the single unit, and what each cost. Checkpoints go to `folder`."""
    shipped = folder / "shipped"
    restore_run(bundle, shipped)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(shipped / "lfrnet.ckpt", folder / "lfrnet.ckpt")
    shutil.copy(shipped / "outer.ckpt", folder / "outer.ckpt")
    training, held_out = labelled(recipe.data, data)
    layered = LcnetSystem(recipe, load_transform(shipped), minutes)
    channels, macs = _equal_work(layered, recipe.model)
    single = SingleSystem(recipe, load_transform(shipped), channels, minutes)
    for system, name in ((layered, "lcnet"), (single, "single")):
        batches = Batches(training, recipe.lcnet.batch, recipe.lcnet.seed)
        every = recipe.lcnet.validate_every
        fit(system, batches, [held_out], folder / f"{name}.ckpt", every=every, steps=steps)
        system.eval()
    costs = {
        name: {"macs": macs[name], "minutes": round(system.minutes_used, 1), "steps": system.global_step}
        for name, system in ((_LAYERS, layered), (_SINGLE, single))
    }
    return single, costs


def _equal_work(layered: LcnetSystem, model: ScalableModel) -> tuple[int, dict[str, int]]:
    """Channels of the single unit whose work is nearest to that of the layers, and the work of both."""
    lifting = layered.transform.lifting
    quality = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        main, duals = lifting(torch.zeros(1, 3, model.core_side, model.core_side))

    def work(network: torch.nn.Module) -> int:
        return multiplications(network, lambda: network(lifting, main, duals, quality))

    wanted = work(layered.compression)
    found = {channels: work(SingleUnit(model, channels)) for channels in range(8, 129, 4)}
    channels = min(found, key=lambda key: abs(found[key] - wanted))
    return channels, {_LAYERS: wanted, _SINGLE: found[channels]}


def _layered_codec(folder: Path) -> Scalable:
    path = folder / "layers.spxm"
    export_scalable(load_scalable(folder), path, force=True)
    bundle = Bundle(path)
    return Scalable(bundle, OnnxGraphs(bundle))


class _SingleCoder:
    """Codes cores with a trained single unit, to bytes."""

    def __init__(self, system: SingleSystem) -> None:
        self._system, self._tables = system, TableBank(gaussian_counts())
        self._model = system.single.unit.coder.export()

    def code(self, core: NDArray[np.uint8], level: int) -> tuple[int, NDArray[np.uint8]]:
        """Bytes of a core, uint8 (side, side, 3), and what it is decoded to."""
        single, lifting = self._system.single, self._system.transform.lifting
        main, duals = lifting(normalise(torch.from_numpy(core.transpose(2, 0, 1)[None].astype(np.float32))))
        unit = single.unit
        latent, hyper = unit.analyse(single.gather(main, duals), unit.gain[level][None, :, None, None].exp())
        coder = RangeEncoder(self._tables)
        decoded = self._model.encode([coder], latent[0].numpy(), hyper[0].numpy(), level, None, None)
        inverse = unit.inverse_gain[level][None, :, None, None].exp()
        bands = unit.synthesise(torch.from_numpy(decoded.latent[None]).float(), inverse)
        pixels = denormalise(single.core(lifting, bands))[0].permute(1, 2, 0)
        return len(coder.finish()), pixels.numpy().astype(np.uint8)


def _results(rows: Sequence[Sequence[Any]], side: int) -> dict[str, Any]:
    pictures = list(dict.fromkeys(row[1] for row in rows))
    shape = (2, len(pictures), QUALITIES)
    rates, values = np.empty(shape), np.empty(shape)
    for coder, picture, quality, size, value in rows:
        at = (int(coder == _SINGLE), pictures.index(picture), quality - 1)
        rates[at], values[at] = 8 * size / side**2, value

    def percent(chosen: NDArray[np.intp]) -> float:
        curves = [Curve(rates[i, chosen].mean(0), list(values[i, chosen].mean(0))) for i in (0, 1)]
        return bd_rate(*curves).percent

    whole: dict[str, Any] = {}
    try:
        interval = bootstrap(len(pictures), percent, _ROUNDS)
        whole = {"percent": percent(np.arange(len(pictures))), "interval": [interval.low, interval.high]}
    except ArgumentError as error:  # curves that do not compare
        whole = {"why_none": str(error)}
    curves = {
        name: [[float(rates[i, :, q].mean()), float(values[i, :, q].mean())] for q in range(QUALITIES)]
        for i, name in enumerate((_LAYERS, _SINGLE))
    }
    return {"pictures": len(pictures), "curves": curves, "bd_rate": whole}


def _curve_table(curves: Mapping[str, Sequence[Sequence[float]]], costs: Mapping[str, Any]) -> list[list[str]]:
    table = [["coder", "quality", "bpp of the core", "PSNR (RGB)", "MMAC a core", "minutes", "steps"]]
    for name, points in curves.items():
        cost = costs[name]
        rest = [f"{cost['macs'] / 1e6:.1f}", f"{cost['minutes']:.1f}", f"{cost['steps']:,}"]
        table += [[name, str(q), f"{bpp:.3f}", f"{db:.2f}", *rest] for q, (bpp, db) in enumerate(points, start=1)]
    return table


def _bd_table(bd: Mapping[str, Any]) -> list[list[str]]:
    if "why_none" in bd:
        return [["BD-rate, %", "why"], ["none", bd["why_none"]]]
    low, high = bd["interval"]
    return [["BD-rate of layers against one unit, %", "95 %"], [f"{bd['percent']:+.1f}", f"{low:+.1f} to {high:+.1f}"]]
