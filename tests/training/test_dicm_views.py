"""What DICM trains on: guided crops, scenes with their objects, and what places of the detector should say."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from semapix.errors import ArgumentError
from semapix.tasks import places
from semapix.training.dicm.guidance import WHOLE, boxes_of, guided_view
from semapix.training.dicm.scenes import Scene, SceneViews, WantedViews, class_names, fitted, load_scenes
from semapix.training.dicm.targets import Truth, assign, detection_losses, map_reach, wanted
from semapix.training.recipe import load_recipe

STAGE = load_recipe("dicm-tiny").selfsupervised
PLAIN = dataclasses.replace(STAGE, jitter=0.0, smallest_area=0.04)


# Guidance


def test_a_box_goes_around_what_the_map_responds_to():
    deepest = torch.zeros(3, 5, 4, 4)
    deepest[0, 2, 1, 2] = 5.0
    deepest[1, 0, 0, 0] = deepest[1, 1, 3, 1] = 1.0
    boxes = boxes_of(deepest, 0.1)
    assert boxes[0].tolist() == [0.5, 0.25, 0.75, 0.5]
    assert boxes[1].tolist() == [0.0, 0.0, 0.5, 1.0]
    assert tuple(boxes[2].tolist()) == WHOLE  # nothing stands out


def test_guided_crops_have_their_middles_in_the_box():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    ramp = torch.linspace(0, 255, 64)
    pictures = torch.stack([ramp[None].expand(64, 64), ramp[:, None].expand(64, 64), torch.zeros(64, 64)])
    pictures = pictures[None].repeat(400, 1, 1, 1)
    stage = dataclasses.replace(PLAIN, jitter=0.0)
    means = {}
    for name, box in {"guided": (0.75, 0.0, 1.0, 0.25), "plain": WHOLE}.items():
        boxes = torch.tensor(box).repeat(400, 1)
        views = torch.cat([guided_view(pictures, boxes, 16, stage, generator) for _ in range(3)])
        assert views.shape == (1200, 3, 16, 16)
        assert 0 <= float(views.min()) <= float(views.max()) <= 255
        coloured = (views[:, 0] - views[:, 2]).abs().mean(dim=(1, 2)) > 8  # not turned to grey
        means[name] = views[coloured].mean(dim=(0, 2, 3))[:2] / 255
    # The middle of a crop lies in the box, unless the crop would leave the picture.
    assert float(means["guided"][0]) > 0.6
    assert float(means["guided"][1]) < 0.4
    assert means["plain"].tolist() == pytest.approx([0.5, 0.5], abs=0.04)


# Scenes


@pytest.fixture(scope="module")
def folders(training_data):
    return [training_data / "scenes", training_data / "more-scenes"]


ALIASES = {"puppy": "dog"}


def test_classes_of_the_first_folder_come_first(folders):
    assert class_names(folders, ALIASES) == [["cat", "dog"], ["cat", "dog", "tree"]]
    with pytest.raises(ArgumentError, match="has no class 'dog'; state in `aliases` what it is called there"):
        class_names(folders, {})


def test_scenes_are_read_with_boxes_classes_and_masks(folders):
    names = class_names(folders, ALIASES)
    plain, outlined = (load_scenes(folder, mine, ALIASES) for folder, mine in zip(folders, names, strict=True))
    assert len(plain) == len(outlined) == 4
    assert plain[1].boxes.tolist() == [[4, 9, 28, 39], [24, 9, 48, 39]]
    assert plain[1].classes.tolist() == [0, 1]
    assert plain[0].known == 2
    assert plain[0].polygons == [[], []]
    assert outlined[0].classes.tolist() == [2, 1, 0]  # tree, puppy, cat
    assert outlined[0].known == 3
    assert outlined[0].polygons[0][0].shape == (4, 2)


def test_errors_of_scenes_name_the_file(folders, tmp_path):
    content = json.loads((folders[0] / "instances_train.json").read_text())
    with pytest.raises(ArgumentError, match=r"instances_train.json does not exist; the truth is a JSON file"):
        class_names([tmp_path], {})
    (tmp_path / "instances_train.json").write_text(json.dumps(content))
    with pytest.raises(ArgumentError, match=r"images/0.png does not exist, and .*instances_train.json names it"):
        load_scenes(tmp_path, ["cat", "dog"], {})
    del content["annotations"][0]["bbox"]
    (tmp_path / "instances_train.json").write_text(json.dumps(content))
    with pytest.raises(ArgumentError, match="annotation 0 has no bbox; it has id"):
        load_scenes(tmp_path, ["cat", "dog"], {})


def marked_scene(known: int = 1, width: int = 100, height: int = 60) -> Scene:
    """Black, with a white rectangle that is its one object, known by its outline."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[20:44, 30:70] = 255
    box = np.array([[30.0, 20.0, 70.0, 44.0]])
    outline = np.array([[30, 20], [70, 20], [70, 44], [30, 44]], float)
    return Scene(pixels, box, np.zeros(1, np.int64), [[outline]], known)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_boxes_and_masks_move_with_the_pixels(mosaic):
    views = iter(SceneViews([marked_scene()], 6, 96, 4, mosaic, 3))
    looked = 0
    for _ in range(12):
        pictures, truths = next(views)
        assert pictures.shape == (6, 3, 96, 96)
        assert pictures.dtype == torch.uint8
        for picture, truth in zip(pictures, truths, strict=True):
            white = picture[0] > 127
            grown, shrunk = (sign * functional.max_pool2d(sign * white[None].float(), 3, 1, 1)[0] for sign in (1, -1))
            off = grown.unfold(0, 4, 4).unfold(1, 4, 4).amax(dim=(2, 3)) == 0  # cells without white, by a pixel
            on = shrunk.unfold(0, 4, 4).unfold(1, 4, 4).amin(dim=(2, 3)) == 1
            for box, label, mask, outlined in zip(truth.boxes, truth.classes, truth.masks, truth.has_mask, strict=True):
                if label < 0:
                    assert not outlined
                    continue
                x0, y0, x1, y1 = (round(float(side)) for side in box)
                inside = white[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1]
                if inside.numel():
                    assert inside.float().mean() > 0.9
                assert outlined
                window = slice(y0 // 4, -(-y1 // 4)), slice(x0 // 4, -(-x1 // 4))
                assert (mask[window][on[window]] == 1).all()
                assert (mask[window][off[window]] == 0).all()
                looked += 1
    assert looked > 40


def test_an_object_that_a_view_cuts_off_is_ignored():
    scene = Scene(np.zeros((64, 64, 3), np.uint8), np.array([[0.0, 0.0, 64.0, 64.0]]), np.zeros(1, np.int64), [[]], 1)
    views = iter(SceneViews([scene], 16, 32, 4, 0.0, 0))
    seen = [
        (box, int(label))
        for _ in range(20)
        for truth in next(views)[1]
        for box, label in zip(truth.boxes, truth.classes, strict=True)
    ]
    assert {label for _, label in seen} == {0}  # factors up to 1.6 show more than a third of it

    corner = Scene(scene.pixels, np.array([[56.0, 0.0, 64.0, 8.0]]), np.zeros(1, np.int64), [[]], 1)
    views = iter(SceneViews([corner], 16, 64, 4, 0.0, 0))
    labels = [int(label) for _ in range(20) for truth in next(views)[1] for label in truth.classes]
    assert {-1, 0} == set(labels)


def test_fitted_scenes_lie_in_the_upper_left_corner():
    scenes = [marked_scene(2), marked_scene(1, 80, 100)]
    pictures, boxes, classes, known = fitted(scenes, 50).tensors
    assert pictures.shape == (2, 3, 50, 50)
    assert boxes[0, 0].tolist() == pytest.approx([15, 10, 35, 22])
    assert boxes[1, 0].tolist() == pytest.approx([15, 10, 35, 22])
    assert classes.tolist() == [[0], [0]]
    assert known.tolist() == [2, 1]
    assert pictures[0, 0, 11:21, 16:34].min() > 200


# What places should say


AT = torch.from_numpy(places(32, 32, [8, 16]))
REACH = map_reach([16, 4], [8, 16])


def truth(boxes, classes, masks=None, known=2) -> Truth:
    count = len(boxes)
    return Truth(
        torch.tensor(boxes, dtype=torch.float32).reshape(count, 4),
        torch.tensor(classes, dtype=torch.long),
        torch.zeros(count, 8, 8) if masks is None else masks,
        torch.full((count,), masks is not None),
        known,
    )


def test_a_place_speaks_for_the_smallest_object_around_it():
    reach = map_reach([16, 4], [8, 16])
    assert reach[0].tolist() == [8, 0, 64]
    assert reach[16].tolist() == [16, 64, float("inf")]
    both = truth([[0, 0, 32, 32], [8, 8, 16, 16]], [0, 1])
    assigned = assign(AT, REACH, both)
    assert int(assigned.object[5]) == 1  # the place at (12, 12)
    assert int(assigned.object[10]) == 0  # at (20, 20)
    assert int(assigned.object[0]) == -1  # at (4, 4), far from the middle of the large one
    assert (assigned.object[16:] == -1).all()  # the coarse map is for larger objects
    assert not assigned.ignored.any()
    assert (assign(AT, REACH, truth([], [])).object == -1).all()


def test_objects_that_do_not_count_are_neither_right_nor_wrong():
    assigned = assign(AT, REACH, truth([[0, 0, 32, 32], [8, 8, 16, 16]], [-1, 1]))
    assert int(assigned.object[5]) == 1
    assert not assigned.ignored[5]
    assert assigned.ignored[:5].all()
    assert (assigned.object[:5] == -1).all()


def right_answers(things: Truth, prototypes: torch.Tensor):
    """What a perfect detector says."""
    assigned = assign(AT, REACH, things)
    count = len(AT)
    classes, sides = torch.full((1, count, 2), -15.0), torch.ones(1, count, 4)
    central = torch.zeros(1, count, 1)
    for place in range(count):
        thing = int(assigned.object[place])
        if thing >= 0:
            classes[0, place, things.classes[thing]] = 15.0
            box = things.boxes[thing]
            sides[0, place] = torch.cat([AT[place] - box[:2], box[2:] - AT[place]])
    return classes, sides, central, torch.ones(1, count, 1), prototypes


def test_losses_vanish_for_right_answers_and_grow_with_wrong_ones():
    mask = torch.zeros(1, 8, 8)
    mask[0, 2:6, 2:6] = 1
    things = truth([[8, 8, 24, 24]], [1], mask)
    answers = right_answers(things, (mask * 40 - 20)[None])
    losses = detection_losses(answers, wanted([things], AT, REACH), 4)
    assert float(losses["classes"]) < 1e-3
    assert float(losses["boxes"]) < 1e-3
    assert float(losses["masks"]) < 1e-3
    classes, sides, central, mixture, prototypes = answers
    wrong = detection_losses((-classes, sides * 2, central, mixture, -prototypes), wanted([things], AT, REACH), 4)
    assert float(wrong["classes"]) > 1
    assert float(wrong["boxes"]) > 0.3
    assert float(wrong["masks"]) > 1


def test_losses_of_a_batch_weigh_its_scenes_by_the_places_that_speak():
    mask = torch.zeros(1, 8, 8)
    mask[0, 2:6, 2:6] = 1
    scenes = [truth([[8, 8, 24, 24]], [1], mask), truth([[1, 1, 9, 9]], [0], 1 - mask), truth([], [])]
    torch.manual_seed(0)
    shapes = ((3, len(AT), 2), (3, len(AT), 4), (3, len(AT), 1), (3, len(AT), 5), (3, 5, 8, 8))
    answers = [torch.rand(shape) * 9 for shape in shapes]
    together = detection_losses(tuple(answers), wanted(scenes, AT, REACH), 4)
    alone = [
        detection_losses(tuple(x[i : i + 1] for x in answers), wanted([scene], AT, REACH), 4)
        for i, scene in enumerate(scenes)
    ]
    speak = [int((assign(AT, REACH, scene).object >= 0).sum()) for scene in scenes]
    assert speak == [4, 1, 0]
    for name in ("central", "masks"):
        mean = sum(float(losses[name]) * count for losses, count in zip(alone, speak, strict=True)) / 5
        assert float(together[name]) == pytest.approx(mean, rel=1e-5)
    mean = sum(float(losses["classes"]) * max(1, count) for losses, count in zip(alone, speak, strict=True)) / 5
    assert float(together["classes"]) == pytest.approx(mean, rel=1e-5)


def test_views_come_with_what_places_should_say():
    batches = iter(WantedViews(SceneViews([marked_scene()], 6, 96, 4, 0.0, 3), [8, 16]))
    looked = 0
    for _ in range(12):
        pictures, target = next(batches)
        count = (96 // 8) ** 2 + (96 // 16) ** 2
        assert pictures.shape == (6, 3, 96, 96)
        assert target.ignored.shape == (6, count)
        assert target.masks.shape == (len(target.mask_place), 24, 24)
        assert set(target.mask_place.tolist()) <= set(target.place.tolist())
        for place, sides in zip(target.place.tolist(), target.sides, strict=True):
            scene, cell = divmod(place, count)
            assert sides.min() > 0
            if cell < (96 // 8) ** 2 and sides.min() > 2:  # the middle of a cell of 8x8 pixels, well within white
                assert pictures[scene, 0, cell // 12 * 8 + 4, cell % 12 * 8 + 4] > 127
                looked += 1
    assert looked > 20


def test_classes_that_a_scene_was_not_searched_for_are_left_alone():
    things = truth([[8, 8, 24, 24]], [0], known=1)
    classes, *others = right_answers(things, torch.zeros(1, 1, 8, 8))
    classes[0, :, 1] = 15.0  # sees the other class everywhere
    losses = detection_losses((classes, *others), wanted([things], AT, REACH), 4)
    assert float(losses["classes"]) < 1e-3
    searched = dataclasses.replace(things, known=2)
    assert float(detection_losses((classes, *others), wanted([searched], AT, REACH), 4)["classes"]) > 1


def test_a_scene_without_objects_has_finite_losses_and_gradients():
    classes = torch.zeros(1, len(AT), 2, requires_grad=True)
    mixture = torch.zeros(1, len(AT), 1, requires_grad=True)
    prototypes = torch.zeros(1, 1, 8, 8, requires_grad=True)
    answers = (classes, torch.ones(1, len(AT), 4), torch.zeros(1, len(AT), 1), mixture, prototypes)
    losses = detection_losses(answers, wanted([truth([], [])], AT, REACH), 4)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert float(classes.grad.abs().sum()) > 0
