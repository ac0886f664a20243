"""Judges: what the network gets to see, and what becomes of its answer.

Real networks do not ship, so these tests make their own. Measured by hand with the real ones on pictures that were not
coded: MobileNetV2 1.0 224 (quantised) 84.5 % top-1 of 400 ImageNet photos, DeepLab v3 on MobileNetV2 (quantised) 0.727
mIoU of 70 masks of VOC 2007.
"""

import sys

import numpy as np
import pytest
from PIL import Image

from semapix.errors import ArgumentError, SemapixError
from semapix.evaluation.judges import Classifier, Segmenter
from tests.evaluation.tflite import STEP, ZERO, painter, scorer
from tests.pictures import picture

SIDE = 24  # of the tiny networks; 7/8 of 27


def seen(square: np.ndarray) -> np.ndarray:
    """The first 1001 numbers of a square, as the reals that they stand for."""
    return STEP * (square.reshape(-1)[:1001].astype(float) - ZERO)


@pytest.mark.parametrize(("count", "first"), [(1000, 0), (1001, 1)])
def test_scores_are_of_the_thousand_classes(tmp_path, count, first):
    classifier = Classifier(scorer(tmp_path / "net.tflite", count))
    pixels = picture(27, 27)
    scores = classifier.scores(pixels)
    assert scores.shape == (1000,)
    assert scores == pytest.approx(seen(pixels[1:25, 1:25])[first : first + 1000])


@pytest.mark.parametrize(
    ("width", "height", "resized"), [(270, 540, (27, 54)), (81, 54, (40, 27)), (10, 9, (30, 27)), (400, 8, (1350, 27))]
)
def test_the_classifier_sees_the_middle(tmp_path, width, height, resized):
    classifier = Classifier(scorer(tmp_path / "net.tflite", 1001))
    pixels = picture(width, height)
    whole = np.array(Image.fromarray(pixels).resize(resized, Image.Resampling.BILINEAR))
    top, left = (resized[1] - SIDE) // 2, (resized[0] - SIDE) // 2
    middle = whole[top : top + SIDE, left : left + SIDE]
    assert classifier.scores(pixels) == pytest.approx(seen(middle)[1:])


def test_the_input_must_be_pixels_as_stored(tmp_path):
    with pytest.raises(ArgumentError, match=r"takes float32 \(1, 24, 24, 3\); a judge takes one input, uint8"):
        Classifier(scorer(tmp_path / "net.tflite", 1000, dtype="FLOAT32"))


@pytest.mark.parametrize(("width", "height"), [(48, 48), (24, 24), (24, 10), (7, 24)])
def test_a_mask_has_the_size_of_the_picture(tmp_path, width, height):
    segmenter = Segmenter(painter(tmp_path / "net.tflite", SIDE))
    pixels = np.repeat(np.repeat(picture(-(-width // 2), -(-height // 2)), 2, axis=0), 2, axis=1)[:height, :width]
    mask = segmenter.mask(pixels)
    assert (mask.dtype, mask.shape) == (np.uint8, (height, width))
    if max(width, height) == SIDE:  # nothing is resized
        assert (mask == pixels[..., 0]).all()


def test_the_segmenter_sees_the_whole_picture(tmp_path):
    segmenter = Segmenter(painter(tmp_path / "net.tflite", SIDE))
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, 60:] = 20
    pixels[30:] += 1
    mask = segmenter.mask(pixels)
    assert set(mask[:25, :50].ravel()) == {0}
    assert set(mask[35:, :50].ravel()) == {1}
    assert set(mask[:25, 70:].ravel()) == {20}
    assert set(mask[35:, 70:].ravel()) == {21}  # no grey from beyond the lower border


@pytest.mark.parametrize("judge", [Classifier, Segmenter])
def test_files_that_are_no_judges(judge, tmp_path):
    with pytest.raises(ArgumentError, match=r"absent\.tflite does not exist; a judge is a \.tflite file"):
        judge(tmp_path / "absent.tflite")
    (tmp_path / "text.tflite").write_text("these are words and no network")
    with pytest.raises(ArgumentError, match=r"text\.tflite is no \.tflite file that runs here"):
        judge(tmp_path / "text.tflite")
    with pytest.raises(ArgumentError, match=r"takes uint8 \(1, 20, 24, 3\); a judge takes one input, uint8 \(1, S, S,"):
        judge(scorer(tmp_path / "oblong.tflite", 1000, (1, 20, 24, 3)))


def test_judges_of_another_kind(tmp_path):
    with pytest.raises(ArgumentError, match=r"net\.tflite gives \(1, 24, 24\); a classifier gives \(1, 1000\) or"):
        Classifier(painter(tmp_path / "net.tflite", SIDE))
    with pytest.raises(ArgumentError, match=r"gives \(1, 1001\); a segmenter gives class numbers \(1, 24, 24\)"):
        Segmenter(scorer(tmp_path / "net.tflite", 1001))


def test_pixels_that_no_judge_looks_at(tmp_path):
    judges = [
        Classifier(scorer(tmp_path / "scores.tflite", 1000)).scores,
        Segmenter(painter(tmp_path / "mask.tflite", SIDE)).mask,
    ]
    for look in judges:
        with pytest.raises(ArgumentError, match=r"uint8 of shape \(H, W, 3\), not uint8 \(30, 30\)"):
            look(np.zeros((30, 30), np.uint8))
        with pytest.raises(ArgumentError, match=r"uint8 of shape \(H, W, 3\), not uint8 \(0, 30, 3\)"):
            look(np.zeros((0, 30, 3), np.uint8))


def test_without_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(SemapixError, match=r"a judge needs ai_edge_litert.*: pip install 'semapix\[eval\]'"):
        Classifier(tmp_path / "net.tflite")
