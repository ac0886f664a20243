"""Detection: places to objects, one box for each, masks at the picture's size."""

import numpy as np
import pytest

from semapix.tasks import Answers, Frame, find_objects, places

NAMES = ["cat", "dog"]


def answers(count: int, mixed: int = 1, **changes) -> Answers:
    """Of a detector that sees nothing anywhere, over a frame of 64x32 pixels."""
    values = {
        "classes": np.full((count, 3), -20, np.float32),
        "sides": np.full((count, 4), 4, np.float32),
        "central": np.full(count, 20, np.float32),
        "mixture": np.ones((count, mixed), np.float32),
        "prototypes": np.ones((mixed, 8, 16), np.float32),
        "prototype_stride": 4,
    }
    return Answers(**{**values, **changes})


def find(said: Answers, frame: Frame, **options):
    return find_objects(said, AT, frame, NAMES, "detect", **{**DEFAULTS, **options})


DEFAULTS = {"masks": False, "least": 0.3, "top": 10, "distinct": False}
AT = places(32, 64, [8, 16])
SAME = Frame(64, 32, 64, 32)


def test_places_are_the_middles_of_cells():
    assert len(AT) == 4 * 8 + 2 * 4
    assert AT[0].tolist() == [4, 4]
    assert AT[7].tolist() == [60, 4]
    assert AT[8].tolist() == [4, 12]
    assert AT[-1].tolist() == [56, 24]
    assert len(places(20, 9, [8])) == 3 * 2  # a cell that is not whole counts


def test_a_box_lies_around_its_place_in_pixels_of_the_picture():
    said = answers(len(AT))
    said.classes[9, 1] = 20
    said.sides[9] = [4, 8, 12, 16]  # around (12, 12)
    (thing,) = find(said, SAME)
    assert (thing.name, thing.mask) == ("dog", None)
    assert thing.score == pytest.approx(1.0)
    assert thing.box == pytest.approx((8, 4, 24, 28))
    (larger,) = find(said, Frame(64, 32, 640, 96))
    assert larger.box == pytest.approx((80, 12, 240, 84))


def test_boxes_end_with_the_picture_and_are_never_empty():
    said = answers(len(AT))
    said.classes[7, 0] = 20  # at (60, 4)
    said.sides[7] = 100
    said.classes[31, 1] = 20  # at (60, 28), outside of a frame that is padded
    found = find(said, Frame(50, 30, 50, 30))
    assert found[0].box == pytest.approx((0, 0, 50, 30))
    x0, y0, x1, y1 = found[1].box
    assert x0 < x1
    assert y0 < y1


def test_the_weaker_of_two_boxes_of_a_class_goes():
    said = answers(len(AT))
    for place, label, logit in ((9, 0, 3.0), (10, 0, 2.0), (17, 1, 1.0)):
        said.classes[place, label] = logit
        said.sides[place] = np.concatenate([AT[place], [30, 30] - AT[place]])  # all the same box
    found = find(said, SAME)
    assert [thing.name for thing in found] == ["cat", "dog"]
    assert [thing.score for thing in found] == sorted((thing.score for thing in found), reverse=True)
    assert found.task == "detect"
    assert len(find(said, SAME, top=1)) == 1
    assert len(find(said, SAME, least=0.9)) == 1


def test_a_distinct_object_has_one_name():
    said = answers(len(AT))
    said.classes[9] = [3.0, 2.0, -20.0]  # of one place
    said.classes[17] = [-20.0, 1.0, -20.0]
    for place in (9, 17):
        said.sides[place] = np.concatenate([AT[place], [30, 30] - AT[place]])
    said.classes[39, 1] = 0.0  # elsewhere
    assert [thing.name for thing in find(said, SAME)] == ["cat", "dog", "dog"]
    assert [thing.name for thing in find(said, SAME, distinct=True)] == ["cat", "dog"]
    assert find(said, SAME, distinct=True)[1].box == pytest.approx((52, 20, 60, 28))


def test_classes_of_other_tasks_are_left_out():
    said = answers(len(AT))
    said.classes[3, 2] = 20
    assert find(said, SAME) == []


def test_a_mask_is_the_mixture_inside_of_the_box():
    left, right = np.zeros((2, 8, 16), np.float32)
    left[:, :4], right[:, 8:] = 5, 5
    left[:, 4:], right[:, :8] = -5, -5
    said = answers(len(AT), 2, prototypes=np.stack([left, right]))
    said.classes[17, 0] = 20  # at (12, 20)
    said.sides[17] = [12, 20, 52, 12]  # all of the frame
    said.mixture[17] = [1, 0]
    for frame in (SAME, Frame(64, 32, 256, 64)):
        (thing,) = find(said, frame, masks=True)
        mask = thing.mask.decode()
        assert mask.shape == (frame.picture_height, frame.picture_width)
        quarter = frame.picture_width // 4
        assert mask[:, : quarter - quarter // 8].all()
        assert not mask[:, quarter + quarter // 8 :].any()
    said.mixture[17] = [-1, -1]
    (thing,) = find(said, SAME, masks=True)
    assert thing.mask.decode()[:, 18:30].all()
