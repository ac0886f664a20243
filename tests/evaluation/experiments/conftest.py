"""Small data sets of every form, and runs on them with the tiny model."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semapix.evaluation.experiments._run import Run
from tests.pictures import picture


def png(width: int, height: int, seed: int) -> bytes:
    """A picture, encoded."""
    buffer = io.BytesIO()
    Image.fromarray(picture(width, height, seed)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def run(tmp_path: Path, tiny_bundle: Path) -> Callable[..., Run]:
    """`run()`: a run of the tiny model into a folder of its own."""

    def run(**more: object) -> Run:
        return Run("semapix bench ...", tmp_path / "out", processes=1, model=str(tiny_bundle), **more)  # type: ignore[arg-type]

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three photos of 176x164 pixels."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(176, 164, number))
    return folder


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """Labelled pictures: the tiny model's label spaces, two sources, and one space that it has never seen."""
    folder = tmp_path / "things"
    folder.mkdir()
    fine = [{"id": i, "name": f"thing {i}", "group": i % 2} for i in range(4)]
    labels = {"groups": ["even", "odd"], "labels": fine, "shades": ["dark", "light", "mixed"]}
    (folder / "labels.json").write_text(json.dumps(labels))
    for part, count in (("train", 24), ("test", 12)):
        table = pa.table(
            {
                "image": [png(16 + i % 3, 16, 100 * len(part) + i) for i in range(count)],
                "label": [i % 4 for i in range(count)],
                "group": [i % 2 for i in range(count)],
                "shade": [i % 3 for i in range(count)],
                "source": ["large" if i % 6 == 0 else "small" for i in range(count)],
            }
        )
        pq.write_table(table, folder / f"{part}.parquet")
    return folder
