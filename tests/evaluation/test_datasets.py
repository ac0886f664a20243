"""Reading test pictures as they are stored."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.datasets import imagenet_photos, kodak, object_labels, object_tests


@pytest.fixture
def data(tmp_path):
    for name in ("objects", "imagenet400", "kodak"):
        (tmp_path / name).mkdir()
    labels = [{"id": i, "name": f"thing {i}", "wnid": f"n{i}", "group": i % 2} for i in range(3)]
    (tmp_path / "objects" / "labels.json").write_text(json.dumps({"groups": ["even", "odd"], "labels": labels}))
    sources = pa.array(["tiny-imagenet-200", "imagenette"]).dictionary_encode()
    tests = pa.table({"image": [b"one", b"two"], "label": [2, 0], "source": sources})
    pq.write_table(tests, tmp_path / "objects" / "test.parquet")
    photo = {"image": [b"photo"], "width": [341], "height": [256], "label": [5], "wnid": ["n2"], "name": ["thing 2"]}
    pq.write_table(pa.table(photo), tmp_path / "imagenet400" / "test.parquet")
    for number in (2, 1):
        (tmp_path / "kodak" / f"kodim{number:02}.png").touch()
    return tmp_path


def test_objects(data):
    labels = object_labels(data)
    assert labels.coarse == ["even", "odd"]
    assert labels.fine == ["thing 0", "thing 1", "thing 2"]
    assert labels.parents == [0, 1, 0]
    assert labels.wnids == ["n0", "n1", "n2"]
    assert [(test.image, test.label, test.of_ten) for test in object_tests(data)] == [
        (b"one", 2, False),
        (b"two", 0, True),
    ]


def test_photos(data):
    (photo,) = imagenet_photos(data)
    assert (photo.image, photo.width, photo.height, photo.wnid, photo.name) == (b"photo", 341, 256, "n2", "thing 2")


def test_kodak(data):
    assert [path.name for path in kodak(data)] == ["kodim01.png", "kodim02.png"]


@pytest.mark.parametrize("read", [object_labels, object_tests, imagenet_photos])
def test_a_folder_without_data(read, tmp_path):
    with pytest.raises(
        ArgumentError, match=r"does not exist; --data must name the folder above (objects|imagenet400)/"
    ):
        read(tmp_path)


def test_a_folder_without_kodak(tmp_path):
    with pytest.raises(ArgumentError, match=r"holds no kodim\*\.png; --data must name the folder above kodak/"):
        kodak(tmp_path)
