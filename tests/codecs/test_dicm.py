"""What DICM alone does: glance and scene, objects in pixels of any picture, nothing for people."""

import numpy as np
import pytest

import semapix
from semapix.bundle import Bundle
from semapix.codecs import Layers, PictureInfo
from semapix.codecs._frame import glance, padded, scene, seen
from semapix.codecs.dicm import Dicm
from semapix.coding import RangeDecoder
from semapix.errors import ArgumentError, CorruptLayer, NoPixels, TruncatedStream
from semapix.graphs import OnnxGraphs
from semapix.tasks import Frame, probabilities
from semapix.training.dicm.model import dicm_graphs, load_dicm
from semapix.training.runtime_graphs import TorchGraphs
from tests.codecs.test_exactness import Disturbed
from tests.pictures import picture

SIZES = [(1, 1), (3, 50), (17, 16), (64, 40), (300, 40), (70, 201)]


@pytest.fixture(scope="module")
def bundle(tiny_bundles) -> Bundle:
    return Bundle(tiny_bundles["dicm"])


@pytest.fixture(scope="module")
def codec(bundle) -> Dicm:
    return Dicm(bundle, OnnxGraphs(bundle))


@pytest.fixture(scope="module")
def stream(bundle) -> semapix.Stream:
    return semapix.encode(picture(131, 70), model=bundle)


def test_a_scene_keeps_the_shape_of_the_picture_and_is_never_enlarged():
    assert scene(640, 480, 320, 64) == Frame(320, 240, 640, 480)
    assert scene(481, 640, 320, 64) == Frame(241, 320, 481, 640)  # 240.5 is rounded up
    assert scene(100, 80, 320, 64) == Frame(100, 80, 100, 80)
    assert scene(65535, 1, 320, 64) == Frame(320, 1, 65535, 1)
    assert scene(64, 10, 320, 64) is None
    assert glance(640, 480, 64) == Frame(64, 64, 640, 480)


def test_what_networks_see_is_padded_with_its_edges():
    pixels = picture(100, 80)
    frame = scene(100, 80, 50, 16)
    shown = seen(pixels, frame, 16)
    assert shown.shape[:2] == padded(frame, 16) == (48, 64)
    assert (shown[:40, 50:] == shown[:40, 49:50]).all()
    assert (shown[40:] == shown[39]).all()


def test_a_label_costs_the_first_layer_alone(stream, bundle):
    opened = semapix.open(stream.to_bytes(), bundle)
    fine = opened.look("classify", top=4)
    assert fine.task == "fine"
    assert opened.bytes_read == max(20, stream.layers[0].end)
    assert fine == opened.look("fine", top=4) == opened.look(top=4)
    first = semapix.open(stream.to_bytes(1), bundle)
    assert first.look() == opened.look()
    with pytest.raises(TruncatedStream, match="ends after"):
        first.detect()


def test_a_group_has_the_sum_of_its_classes(bundle, codec):
    info, layers = PictureInfo(131, 70, 5), codec.encode(picture(131, 70), 5)
    tasks = {task["name"]: task["temperature"] for task in bundle.manifest["tasks"]}
    shares = {name: probabilities(codec.scores(layers, info, name), tasks[name]) for name in ("coarse", "fine")}
    sums = np.bincount(bundle.manifest["parents"], shares["fine"])
    assert shares["coarse"] == pytest.approx(sums, abs=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("task", ["detect", "segment"])
def test_objects_lie_in_the_picture(bundle, size, task):
    width, height = size
    found = semapix.encode(picture(width, height), model=bundle).detect(task, least=0, top=7)
    assert found.task == task
    assert 1 <= len(found) <= 7
    labels = next(t["labels"] for t in bundle.manifest["tasks"] if t["name"] == task)
    for thing in found:
        x0, y0, x1, y1 = thing.box
        assert -1e-3 <= x0 < x1 <= width + 1e-2
        assert -1e-3 <= y0 < y1 <= height + 1e-2
        assert thing.name in labels
        assert 0 <= thing.score <= 1
        assert (thing.mask is not None) == (task == "segment")
        if thing.mask is not None:
            mask = thing.mask.decode()
            assert mask.shape == (height, width)
            rows, columns = np.nonzero(mask)
            if len(rows):
                assert columns.min() >= int(min(x0, width - 1))
                assert columns.max() < np.ceil(x1) + 1
                assert rows.max() < np.ceil(y1) + 1


def test_classes_of_the_first_folder_are_detected_and_all_are_segmented(bundle):
    tasks = {task["name"]: task for task in bundle.manifest["tasks"]}
    assert tasks["detect"]["labels"] == ["cat", "dog"]
    assert tasks["segment"]["labels"] == ["cat", "dog", "tree"]
    assert (tasks["detect"]["kind"], tasks["segment"]["kind"]) == ("detect", "segment")


def test_a_small_picture_has_no_scene(bundle, codec):
    layers = codec.encode(picture(16, 9), 5)
    assert layers.machine[1] == b""
    info = PictureInfo(16, 9, 5)
    assert np.array_equal(codec.features(layers, info, 1), codec.features(layers, info, 2))
    assert codec.detections(layers, info, "detect", least=0, top=3)
    with pytest.raises(CorruptLayer, match="layer s2 has 3 bytes; a picture of 16x9 pixels has an empty one"):
        codec.features(Layers([layers.machine[0], b"abc"], []), info, 2)


def test_the_same_network_reads_pictures_that_were_not_coded(bundle, codec):
    pixels = picture(131, 70)
    coded, plain = (codec.machine_features(codec.encode(pixels, 9), PictureInfo(131, 70, 9)), None)
    plain = codec.uncoded_features(pixels)
    assert plain.shape == coded.shape == (2 * bundle.manifest["tasks"][0]["channels"], 2, 2)
    assert np.corrcoef(plain.ravel(), coded.ravel())[0, 1] > 0.5
    assert codec.uncoded_scores(pixels, "fine").shape == (4,)
    assert len(codec.uncoded_detections(pixels, "segment", least=0, top=3)) == 3


def test_symbols_do_not_depend_on_the_executor(bundle, tiny_bundles, monkeypatch):
    layers = Dicm(bundle, OnnxGraphs(bundle, threads=1)).encode(picture(131, 70), 6)
    trained = load_dicm(tiny_bundles["dicm"].parent)
    decode = RangeDecoder.decode
    read = []
    monkeypatch.setattr(RangeDecoder, "decode", lambda self, levels: read.append(decode(self, levels)) or read[-1])
    found = []
    for graphs in (OnnxGraphs(bundle), TorchGraphs(dicm_graphs(trained)), Disturbed(OnnxGraphs(bundle))):
        read.clear()
        features = [Dicm(bundle, graphs).features(layers, PictureInfo(131, 70, 6), layer) for layer in (1, 2)]
        found.append((list(read), features))
    symbols, features = found[0]
    assert sum(map(len, symbols)) > 150
    for other, decoded in found[1:]:
        assert len(other) == len(symbols)
        assert all(np.array_equal(a, b) for a, b in zip(other, symbols, strict=True))
        assert all(np.allclose(a, b, atol=1e-2) for a, b in zip(decoded, features, strict=True))


def test_within_a_number_of_bytes_the_best_whole_file_is_kept(bundle):
    pixels = picture(131, 70)
    sizes = [semapix.encode(pixels, quality=q, model=bundle).bytes_total for q in range(1, 10)]
    assert sizes[0] < sizes[-1]
    room = sizes[4] + 1
    best = semapix.encode(pixels, max_bytes=room, model=bundle)
    assert best.complete
    assert best.bytes_total <= room
    assert best.header.quality == max(q for q in range(1, 10) if sizes[q - 1] <= room)
    # No quality fits: labels alone, of the highest quality whose labels do.
    labels = [semapix.encode(pixels, quality=q, model=bundle).cut_points[0].bytes for q in range(1, 10)]
    least = semapix.encode(pixels, max_bytes=sizes[0] - 1, model=bundle)
    assert not least.complete
    assert least.header.quality == max(q for q in range(1, 10) if labels[q - 1] < sizes[0])
    assert least.look().task == "fine"
    with pytest.raises(ArgumentError, match=rf"max_bytes \(={min(labels) - 1}\) must be {labels[0]} or more: s1 ends"):
        semapix.encode(pixels, max_bytes=min(labels) - 1, model=bundle)


def test_a_file_keeps_exif_and_no_profile_of_pixels_that_it_lacks(bundle, tmp_path):
    from PIL import Image, ImageCms

    exif = Image.Exif()
    exif[0x010F] = "camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(40, 30)).save(path, exif=exif, icc_profile=profile)
    kept = semapix.encode(path, model=bundle)._reader.metadata
    assert len(kept) == 1
    assert b"camera" in next(iter(kept.values()))


def test_errors_name_the_value_and_the_way_out(stream, bundle, codec):
    with pytest.raises(NoPixels, match="this stream carries no pixels, only what machines read: ask it with look"):
        stream.image()
    with pytest.raises(ArgumentError, match="codec dicm writes features, no labels; to state labels, choose"):
        semapix.encode(picture(40, 30), model=bundle, labels=["thing 1"])
    with pytest.raises(ArgumentError, match="task 'detect' finds objects, no labels of the picture; ask detect"):
        stream.look("detect")
    with pytest.raises(ArgumentError, match="task 'fine' finds no objects, only labels of the picture; ask look"):
        stream.detect("fine")
    with pytest.raises(ArgumentError, match="no task is called 'mood'; this model has: coarse, fine, detect, segment"):
        stream.detect("mood")
    with pytest.raises(ArgumentError, match=r"least \(=1.5\) must lie between 0 and 1, and top \(=0\) be 1 or more"):
        stream.detect(least=1.5, top=0)
    layers, info = codec.encode(picture(131, 70), 5), PictureInfo(131, 70, 5)
    with pytest.raises(ArgumentError, match="task 'segment' tells objects, and was asked for one label"):
        codec.scores(layers, info, "segment")
    with pytest.raises(ArgumentError, match="task 'coarse' tells one label for a picture, and was asked for objects"):
        codec.detections(layers, info, "coarse")


def test_a_bundle_that_promises_objects_for_another_codec_is_broken(tiny_bundle, monkeypatch):
    from semapix.errors import BrokenBundle

    other = Bundle(tiny_bundle)
    stream = semapix.encode(picture(40, 30), model=other)
    promised = {**other.manifest["tasks"][1], "name": "detect", "kind": "detect"}
    monkeypatch.setitem(other.manifest, "tasks", [*other.manifest["tasks"], promised])
    monkeypatch.setitem(stream._open_codec().description, "tasks", other.manifest["tasks"])
    with pytest.raises(BrokenBundle, match="states task 'detect', and codec scalable finds no objects"):
        stream.detect()
