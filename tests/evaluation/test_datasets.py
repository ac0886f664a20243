"""Reading test pictures as they are stored."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.datasets import TestPicture, open_dataset, some_of


def test_a_folder_of_images(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    data = open_dataset(tmp_path)
    assert data.name == tmp_path.name
    assert [(picture.name, picture.image) for picture in data.pictures] == [
        ("a.JPG", tmp_path / "a.JPG"),
        ("b.png", tmp_path / "b.png"),
    ]
    assert data.spaces == {}


def test_parquet_with_labels(tmp_path):
    labels = [{"id": i, "name": f"thing {i}", "wnid": f"n{i}", "group": i % 2} for i in range(3)]
    (tmp_path / "labels.json").write_text(json.dumps({"groups": ["even", "odd"], "labels": labels}))
    sources = pa.array(["tiny", "large"]).dictionary_encode()
    table = pa.table({"image": [b"one", b"two"], "label": [2, 0], "group": [0, 0], "source": sources})
    pq.write_table(table, tmp_path / "test.parquet")
    pq.write_table(table.slice(0, 1), tmp_path / "train-0.parquet")
    data = open_dataset(tmp_path)
    assert [picture.image for picture in data.pictures] == [b"one", b"two"]
    assert data.pictures[0].columns == {"label": 2, "group": 0, "source": "tiny"}
    assert data.spaces["label"].names == ["thing 0", "thing 1", "thing 2"]
    assert data.spaces["label"].entries[1]["wnid"] == "n1"
    assert data.spaces["group"].names == ["even", "odd"]
    assert data.space_of(["even", "odd"]) is data.spaces["group"]
    assert data.space_of(["odd", "even"]) is None
    assert len(open_dataset(tmp_path, "train").pictures) == 1


def test_coco_form_with_masks(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "one.png").touch()
    images = [{"id": 7, "file_name": "one.webp"}, {"id": 8, "file_name": "two.webp"}]
    (tmp_path / "instances_test.json").write_text(json.dumps({"images": images}))
    one, two = open_dataset(tmp_path).pictures
    assert one.image == tmp_path / "images" / "one.webp"
    assert one.columns == {"image_id": 7, "mask": tmp_path / "masks" / "one.png"}
    assert two.columns == {"image_id": 8}


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(ArgumentError, match="there is no such directory"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match=r"holds no images, no test\*\.parquet and no instances_test\.json"):
        open_dataset(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"no parquet")
    with pytest.raises(ArgumentError, match="is no Parquet file"):
        open_dataset(tmp_path)
    pq.write_table(pa.table({"picture": [b"one"]}), tmp_path / "test.parquet")
    with pytest.raises(ArgumentError, match="needs a column `image`"):
        open_dataset(tmp_path)
    (tmp_path / "test.parquet").unlink()
    (tmp_path / "a.png").touch()
    with pytest.raises(ArgumentError, match=r"holds no train\*\.parquet"):
        open_dataset(tmp_path, "train")


def test_a_picture_is_known_again(tmp_path):
    (tmp_path / "a.png").write_bytes(b"content")
    assert TestPicture("x", b"content").digest == TestPicture("y", tmp_path / "a.png").digest
    assert TestPicture("x", b"content").digest != TestPicture("x", b"other").digest


def test_some_are_spread_over_all():
    assert some_of(range(10), 3) == [0, 3, 6]
    assert some_of(range(3), None) == range(3)
    assert some_of(range(3), 5) == range(3)
