"""What several test modules share: small pictures, and a tiny model that is really trained, exported and coded with."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semapix.codecs import CODECS
from semapix.training.export import export
from semapix.training.recipe import load_recipe
from semapix.training.run import train
from semapix.training.scalable.calibrate import calibrate
from semapix.training.scalable.export import export_scalable
from semapix.training.scalable.model import TrainedScalable, load_scalable
from semapix.training.systems import SYSTEMS
from tests.pictures import picture
from tests.planes import Planes, save_planes


def _png(width: int, height: int, seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(width, height, seed)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Makes Ctrl-C work in a program that a shell has started in the background, and in those that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the one that recipes expect: labelled pictures and photos, all synthetic."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "objects").mkdir()
    (folder / "photos").mkdir()
    labels = [{"id": i, "name": f"thing {i}", "group": i % 2} for i in range(4)]
    (folder / "objects" / "labels.json").write_text(json.dumps({"groups": ["even", "odd"], "labels": labels}))
    table = pa.table({"image": [_png(16, 16, i) for i in range(40)], "label": [i % 4 for i in range(40)]})
    pq.write_table(table, folder / "objects" / "train-0.parquet")
    (folder / "coco" / "images").mkdir(parents=True)
    (folder / "coco" / "images" / "1.png").write_bytes(_png(96, 80, 1))
    box = [8, 8, 60, 8, 60, 50, 8, 50]
    scene = {"id": 1, "file_name": "1.png", "width": 96, "height": 80}
    thing = {"id": 1, "image_id": 1, "category_id": 1, "area": 2184, "iscrowd": 0, "segmentation": [box]}
    content = {"images": [scene], "annotations": [thing], "categories": [{"id": 1, "name": "thing"}]}
    (folder / "coco" / "instances_train.json").write_text(json.dumps(content))
    photos = pa.table({"image": [_png(160, 144, i) for i in range(4)]})
    pq.write_table(photos, folder / "photos" / "train.parquet")
    _write_scenes(folder / "scenes", ["cat", "dog"], polygons=False)
    _write_scenes(folder / "more-scenes", ["tree", "puppy", "cat"], polygons=True)
    return folder


def _write_scenes(folder: Path, classes: list[str], *, polygons: bool) -> None:
    """Four scenes in COCO's form, each with an object of every class; category ids start at 5."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(4):
        (folder / "images" / f"{i}.png").write_bytes(_png(80 + 4 * i, 60, i))
        images.append({"id": 10 + i, "file_name": f"{i}.png", "width": 80 + 4 * i, "height": 60})
        for number, _ in enumerate(classes):
            left, top, width, height = 4 + 20 * number, 6 + 3 * i, 24, 30
            thing = {"id": len(annotations) + 1, "image_id": 10 + i, "category_id": 5 + number}
            thing["bbox"] = [left, top, width, height]
            if polygons:
                thing["segmentation"] = [[left, top, left + width, top, left + width, top + height, left, top + height]]
            annotations.append(thing)
    parts = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 5 + i, "name": name} for i, name in enumerate(classes)],
    }
    (folder / "instances_train.json").write_text(json.dumps(parts))


@pytest.fixture(scope="session")
def tiny_run(training_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the checkpoints of two steps of each stage of the tiny recipe."""
    folder = tmp_path_factory.mktemp("runs")
    for stage in SYSTEMS["scalable"].stages:
        train(load_recipe("scalable-tiny"), stage, training_data, folder, steps=2)
    return folder


@pytest.fixture(scope="session")
def tiny_trained(tiny_run: Path) -> TrainedScalable:
    """The tiny model as PyTorch modules."""
    return load_scalable(tiny_run)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_trained: TrainedScalable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.spxm"
    export_scalable(tiny_trained, path)
    return path


@pytest.fixture(scope="session")
def tiny_bundles(tiny_bundle: Path, training_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each system as a bundle, by the system's name."""
    bundles = {"scalable": tiny_bundle}
    for system in SYSTEMS:
        if system not in bundles:
            run, recipe = tmp_path_factory.mktemp(system), load_recipe(f"{system}-tiny")
            for stage in SYSTEMS[system].stages:
                train(recipe, stage, training_data, run, steps=2)
            bundles[system] = run / f"{system}.spxm"
            export(run, bundles[system], training_data)
    return bundles


@pytest.fixture(scope="session")
def calibrated_bundle(
    tiny_trained: TrainedScalable, training_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny model as a bundle whose probabilities are calibrated."""
    path = tmp_path_factory.mktemp("calibrated") / "calibrated.spxm"
    export_scalable(tiny_trained, path, calibrate(tiny_trained, training_data))
    return path


@pytest.fixture
def planes_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A bundle of a codec whose layers have several sub-layers; the codec is known as long as the test runs."""
    monkeypatch.setitem(CODECS, Planes.name, Planes)  # type: ignore[arg-type]
    (tmp_path / "bundle").mkdir()
    path = tmp_path / "bundle" / "planes.spxm"
    save_planes(path)
    return path
