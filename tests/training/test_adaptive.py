"""The adaptive system as training sees it: maps, sizes, matching, scenes, back from a bundle."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import semapix
from semapix.bundle import Bundle
from semapix.errors import ArgumentError
from semapix.training.adaptive.distortion import DistortionSystem
from semapix.training.adaptive.maps import KINDS, random_map, random_maps
from semapix.training.adaptive.matching import FeatureMatch, load_match
from semapix.training.adaptive.nets.codec import AdaptiveNetwork, Decoder
from semapix.training.adaptive.nets.transform import Gdn
from semapix.training.adaptive.nets.vgg import Vgg16
from semapix.training.adaptive.recipe import AdaptiveRecipe
from semapix.training.adaptive.scenes import MappedPatches, ScenePatches, load_scenes
from semapix.training.adaptive.system import AdaptiveSystem
from semapix.training.budget import clip_gradients
from semapix.training.checkpoint import read_checkpoint, weights_of
from semapix.training.classifier import FAMILIES, Classifier
from semapix.training.export import export
from semapix.training.normalise import normalise
from semapix.training.recipe import load_recipe
from semapix.training.rounding import round_weights
from semapix.training.run import train
from semapix.training.sections import build_recipe
from tests.pictures import picture

RECIPE = load_recipe("adaptive-tiny")


@pytest.fixture
def run_folder(tiny_bundles, tmp_path):
    shutil.copytree(tiny_bundles["adaptive"].parent, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("kind", KINDS)
def test_random_maps_of_every_kind(kind):
    segments = torch.zeros(96, 96, dtype=torch.uint8)
    segments[:, 48:] = 3
    random = torch.Generator().manual_seed(0)
    maps = torch.stack([random_map(kind, segments, random) for _ in range(50)])
    assert maps.shape == (50, 1, 6, 6)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    flat = maps.flatten(1)
    assert len(flat.unique(dim=0)) > 40
    spread = (flat.max(dim=1).values - flat.min(dim=1).values).max()
    assert spread == 0 if kind == "uniform" else spread > 0.2
    if kind == "instances":
        assert all((half == half[0, 0]).all() for half in [*maps[:, 0, :, :3], *maps[:, 0, :, 3:]])
    if kind == "linear":
        assert torch.allclose(maps.diff(n=2, dim=3), torch.zeros(1), atol=1e-6)
    if kind == "gaussian":
        assert maps.amax(dim=(1, 2, 3)).min() >= 0.5


def test_kinds_of_maps_have_their_shares():
    segments = torch.zeros(6, 64, 64, dtype=torch.uint8)
    maps = random_maps(segments, [1.0, 0.0, 0.0, 0.0], torch.Generator().manual_seed(0))
    assert maps.shape == (6, 1, 4, 4)
    assert (maps == maps[:, :, :1, :1]).all()


def test_the_paper_recipe_has_the_sizes_of_the_paper():
    model = load_recipe("adaptive-paper").model
    assert model.lambda_low == 4e-4
    assert model.lambda_high == pytest.approx(4e-4 * math.exp(2.8), rel=1e-3)
    with torch.device("meta"):
        network = AdaptiveNetwork(model)
    encoder, decoder = network.encoder, network.decoder
    shapes = [tuple(change.weight.shape) for change in encoder.changes]
    assert shapes == [(48, 3, 5, 5), (96, 48, 5, 5), (192, 96, 5, 5), (192, 192, 5, 5), (192, 192, 5, 5)]
    assert [change.stride for change in encoder.changes] == [(1, 1), (2, 2), (2, 2), (2, 2), (2, 2)]
    shapes = [tuple(change.weight.shape) for change in decoder.changes]
    assert shapes == [(192, 192, 5, 5), (192, 192, 5, 5), (192, 96, 5, 5), (96, 48, 5, 5)]
    assert tuple(decoder.out.weight.shape) == (3, 48, 5, 5)
    first = [tuple(layer.weight.shape) for layer in encoder.conditions.first if hasattr(layer, "weight")]
    assert first == [(256, 4, 3, 3), (128, 256, 3, 3), (64, 128, 3, 3)]
    # A transform of C channels: 3x3 from 64 to 128, then 3x3 to 2C; a deep block has two, and two 3x3 convolutions.
    transform = {c: (64 * 9 + 1) * 128 + (128 * 9 + 1) * 2 * c for c in (48, 96, 192)}
    deep = 2 * (transform[192] + (192 * 9 + 1) * 192)
    assert sum(p.numel() for p in encoder.transforms.parameters()) == transform[48] + transform[96] + 2 * transform[192]
    assert sum(p.numel() for p in encoder.deep.parameters()) == 2 * deep
    assert sum(p.numel() for p in decoder.deep.parameters()) == 2 * deep


def small_paper():
    """The paper's structure with few channels: kernels, strides and depths are its own."""
    few = {"widths": [4, 4, 4, 4, 4], "deep_inner": 4, "conditions": 4, "condition_hidden": [4, 4]}
    few |= {"transform_hidden": 4, "groups": [4], "features": 4, "hyper_latents": 4, "hyper_width": 4}
    return dataclasses.replace(load_recipe("adaptive-paper").model, **few)


@pytest.mark.parametrize("model", [small_paper(), load_recipe("adaptive").model], ids=["paper", "shipped"])
@torch.inference_mode()
def test_networks_see_no_farther_than_the_margin(model):
    torch.manual_seed(0)
    network = AdaptiveNetwork(model).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    pixels, quality = torch.rand(1, 3, 16, 640), torch.rand(1, 1, 1, 40)
    latent, state = torch.rand(1, model.latents, 1, 40), torch.rand(1, model.features, 1, 40)

    def seen():
        return network.encoder(pixels, quality, quality), network.decoder(latent, state, quality)

    before = seen()
    assert all(torch.isfinite(x).all() for x in before)
    pixels[:, :, :, 320:336] += 1
    for values in (quality, latent, state):
        values[:, :, :, 20] += 0.5
    for size, (old, new) in zip((16, 1), zip(before, seen(), strict=True), strict=True):
        changed = (old != new).any(dim=1).any(dim=1)[0].nonzero() * size
        assert len(changed) > 0
        assert changed.min() >= 320 - 192
        assert changed.max() < 336 + 192


def test_divisive_normalisation_learns_from_its_start():
    for inverse in (False, True):
        norm = Gdn(4, inverse=inverse)
        x = torch.randn(2, 4, 3, 3)
        found = norm(x)
        assert torch.allclose(found, x, atol=1e-3)
        found.square().sum().backward()
        assert (norm.gamma.weight.grad != 0).all()
        assert (norm.gamma.bias.grad != 0).all()


def patches_of(count):
    """Shades with a texture of each block's own strength, too fine for the features: uint8 (count, 3, 64, 64)."""
    random = np.random.default_rng(0)
    texture = np.tile(random.normal(0, 20, (16, 16, 3)), (4, 4, 1))
    crops = []
    for number in range(count):
        strength = np.kron(random.normal(size=(4, 4)), np.ones((16, 16)))[:, :, None]
        crops.append((picture(64, 64, number) + strength * texture).clip(0, 255))
    return torch.from_numpy(np.stack(crops).astype(np.uint8).transpose(0, 3, 1, 2).copy())


def unrounded(network, pictures):
    quality = torch.ones(len(pictures), 1, 4, 4)
    _, _, state, coded = network.encode(pictures, quality)
    return network.decoder(network.encoder(pictures, quality, coded), state, coded)


@torch.no_grad()
def test_the_linear_path_starts_with_what_features_leave_out():
    torch.manual_seed(0)
    system, patches = DistortionSystem(RECIPE).eval(), patches_of(64)
    system.start(patches)
    pictures, network = normalise(patches.float()), system.network
    parts = network.decoder.detail.weight.flatten(1)
    assert torch.allclose(parts @ parts.T, torch.eye(RECIPE.model.detail), atol=1e-4)
    whole = (unrounded(network, pictures) - pictures).square().mean()
    network.encoder.detail.weight.zero_()
    without = (unrounded(network, pictures) - pictures).square().mean()
    assert whole < 0.5 * without


def grown_from(old, patches, recipe=RECIPE):
    system = DistortionSystem(recipe)
    state = {f"network.{key}": value for key, value in old.state_dict().items()}
    system.take_weights({"state_dict": state}, [(patches, None)])
    return system


def used_codec(model):
    """A codec whose weights are nowhere zero."""
    torch.manual_seed(0)
    network = AdaptiveNetwork(model).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


@torch.no_grad()
def test_a_smaller_codec_grows():
    count, patches = RECIPE.model.detail, patches_of(24)
    old = used_codec(dataclasses.replace(RECIPE.model, detail=0, blocks=[1, 0, 1]))
    system = grown_from(old, patches)
    grown = system.network.eval()
    for weight in (grown.encoder.out.weight, grown.encoder.out.bias, grown.decoder.enter.weight.transpose(0, 1)):
        assert not weight[-count:].any()
        assert weight[:-count].all()
    assert not grown.hyper_encoder[0].weight[:, -count:].any()
    lambdas = system.weights(torch.linspace(0, 1, 9))
    steps = (18 / (math.log(2) * lambdas)).sqrt() / 64
    assert torch.allclose(grown.decoder.inverse_gain[:, -count:], steps.log()[:, None].expand(-1, count))
    assert torch.equal(grown.encoder.gain[:, -count:], -grown.decoder.inverse_gain[:, -count:])
    before, after = old.state_dict(), grown.state_dict()
    same = [key for key in before if torch.equal(before[key], after[key])]
    changed = {"encoder.out.weight", "encoder.out.bias", "encoder.gain", "decoder.inverse_gain", "decoder.enter.weight"}
    changed |= {"hyper_encoder.0.weight", *(f"coder.groups.1.{part}.0.weight" for part in ("context", "update"))}
    changed |= {f"coder.groups.1.{part}.1.{kind}" for part in ("first", "second") for kind in ("weight", "bias")}
    assert set(before) - set(same) == changed

    pictures = normalise(patches.float())
    error = (unrounded(grown, pictures) - pictures).square().mean()
    grown.encoder.detail.weight.zero_()
    assert error < 0.7 * (unrounded(grown, pictures) - pictures).square().mean()


@torch.no_grad()
def test_a_codec_of_the_same_size_is_taken_as_it_is():
    old = used_codec(RECIPE.model)
    grown = grown_from(old, patches_of(1)).network.state_dict()
    assert all(torch.equal(value, grown[key]) for key, value in old.state_dict().items())


@torch.no_grad()
def test_nothing_follows_of_forgotten_latents():
    torch.manual_seed(0)
    coder = AdaptiveNetwork(RECIPE.model).eval().coder
    for parameter in coder.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    coder.forget(3)
    latent, hyper = torch.randn(1, 12, 4, 4) * 4, torch.zeros(1, 4, 1, 1)
    other = latent.clone()
    other[:, -3:] += 5
    (first, _, state), (second, _, again) = (coder(x, hyper, torch.zeros(1, dtype=torch.long)) for x in (latent, other))
    assert torch.equal(state, again)
    assert torch.equal(first[:, :-3], second[:, :-3])
    assert torch.equal(first[:, -3:], torch.round(latent[:, -3:]))  # around a mean of zero
    for network in (coder.groups[-1].first, coder.groups[-1].second):
        assert (network(torch.rand(1, network[0].in_channels, 2, 2))[:, -3:] * 8 == 8).all()


def test_what_cannot_grow_is_refused():
    larger = AdaptiveNetwork(dataclasses.replace(RECIPE.model, blocks=[1, 2, 1]))
    text = r"encoder.blocks.1.1.first.weight of the model to start from has no place in the codec; it can only grow"
    with pytest.raises(ArgumentError, match=text):
        grown_from(larger, patches_of(1))
    recipe = dataclasses.replace(RECIPE, model=dataclasses.replace(RECIPE.model, gdn=True))
    text = r"encoder.norms.0.gamma.weight is not in the model to start from; only blocks and a linear path can be new"
    with pytest.raises(ArgumentError, match=text):
        grown_from(AdaptiveNetwork(RECIPE.model), patches_of(1), recipe)


def test_later_stages_go_on_from_a_bundle(tiny_bundles, training_data, tmp_path):
    bundle = Bundle(tiny_bundles["adaptive"])
    recipe = dataclasses.replace(RECIPE, model=dataclasses.replace(RECIPE.model, blocks=[1, 2, 1]))
    for stage in ("distortion", "semantics", "perception"):  # the first one grows
        train(recipe, stage, training_data, tmp_path / "run", steps=1, start=bundle)
    export(tmp_path / "run", tmp_path / "larger.spxm", training_data)
    larger = Bundle(tmp_path / "larger.spxm")
    assert larger.manifest["recipe"]["model"]["blocks"] == [1, 2, 1]
    assert np.asarray(semapix.encode(picture(80, 60), model=larger).image(decoder="vivid")).shape == (60, 80, 3)


def test_a_second_decoder_that_shared_less_starts_as_the_first(tiny_bundles, tmp_path, monkeypatch):
    bundle = Bundle(tiny_bundles["adaptive"])
    whole = Decoder.tail_names.fget
    monkeypatch.setattr(Decoder, "tail_names", property(lambda self: whole(self)[:-1]))  # as if `out` were shared
    AdaptiveSystem().restore(bundle, tmp_path / "run")
    state = read_checkpoint(tmp_path / "run", "perception")["state_dict"]
    vivid, faithful = weights_of(state, "vivid"), weights_of(state, "network.decoder")
    assert all(torch.equal(value, faithful[key]) for key, value in vivid.items())


def test_recipes_of_before_have_no_detail():
    values = dataclasses.asdict(RECIPE)
    del values["model"]["detail"]
    assert build_recipe(AdaptiveRecipe, values, "before").model.detail == 0


def test_a_bundle_goes_back_to_checkpoints_that_give_the_same_pictures(tiny_bundles, training_data, tmp_path):
    bundle = Bundle(tiny_bundles["adaptive"])
    AdaptiveSystem().restore(bundle, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "again.spxm", training_data)
    again = Bundle(tmp_path / "again.spxm")
    pixels = picture(80, 60)
    looked = 0
    for quality in (1, 5, 9):
        first, second = (semapix.encode(pixels, quality=quality, model=b) for b in (bundle, again))
        assert first.layers[1].checksums[1:] == second.layers[1].checksums[1:]  # before lies the hyper-latent, whose
        assert first.bytes_total == pytest.approx(second.bytes_total, rel=0.05)  # tables are counted anew
        for decoder in ("faithful", "vivid"):
            pictures = [np.asarray(stream.image(decoder=decoder)) for stream in (first, second)]
            assert np.array_equal(*pictures)
            looked += 1
    assert looked == 6


@pytest.mark.parametrize("stage", ["distortion", "semantics"])
def test_a_bundle_after_an_earlier_stage_has_one_decoder_twice(stage, run_folder, training_data, tmp_path):
    export(run_folder, tmp_path / "early.spxm", training_data, stage=stage)
    early = Bundle(tmp_path / "early.spxm")
    assert early.graph("vivid") == early.graph("faithful")
    encoders = [bundle.graph("encoder") for bundle in (early, Bundle(run_folder / "adaptive.spxm"))]
    assert (encoders[0] == encoders[1]) == (stage == "semantics")  # the third stage leaves the encoder alone
    stream = semapix.encode(picture(80, 60), quality=5, model=early)
    assert np.asarray(stream.image()).shape == (60, 80, 3)


def test_stages_see_the_weights_of_a_bundle():
    system = DistortionSystem(RECIPE).eval()
    patches = torch.from_numpy(picture(64, 64).transpose(2, 0, 1).copy())[None]
    quality = torch.full((1, 1, 4, 4), 0.5)
    _, through, _ = system.code(patches, quality)
    exact = system.network(normalise(patches.float()), quality)
    round_weights(system.network)
    rounded = system.network(normalise(patches.float()), quality)
    assert torch.equal(through.picture, rounded.picture)
    assert not torch.equal(through.picture, exact.picture)


def test_stages_that_make_no_model_are_refused(run_folder, tmp_path):
    text = r"stage \(='classifier'\) of adaptive must be one that makes a model: distortion, semantics, perception"
    with pytest.raises(ArgumentError, match=text):
        export(run_folder, tmp_path / "x.spxm", stage="classifier")


def test_the_third_stage_leaves_all_but_the_second_decoder_alone(run_folder):
    second, third = (read_checkpoint(run_folder, stage)["state_dict"] for stage in ("semantics", "perception"))
    rounded = AdaptiveNetwork(RECIPE.model)
    rounded.load_state_dict(weights_of(second, "network"))
    round_weights(rounded)
    second |= {f"network.{key}": value for key, value in rounded.state_dict().items()}
    kept = [key for key in second if key.startswith("network.")]
    assert len(kept) > 50
    assert all((second[key] == third[key]).all() for key in kept)
    assert any((third[f"vivid{key[15:]}"] != second[key]).any() for key in kept if key.startswith("network.decoder."))
    assert not any(key.startswith("match.") for key in [*second, *third])


def test_features_of_equal_pictures_match(run_folder):
    match = load_match("classifier", run_folder, 2)
    pictures = torch.randn(2, 3, 64, 64)
    assert match(pictures, pictures).tolist() == [0.0, 0.0]
    assert (match(pictures + 0.5 * torch.randn(2, 3, 64, 64), pictures) > 0.01).all()
    assert not match.train().network.training


def test_vgg16_is_loaded_from_a_path(tmp_path):
    torch.manual_seed(0)
    state = Vgg16().state_dict()
    assert state["features.28.weight"].shape == (512, 512, 3, 3)
    torch.save({**state, "classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg16.pth")
    match = load_match(str(tmp_path / "vgg16.pth"), tmp_path, 1)
    assert isinstance(match, FeatureMatch)
    pictures = torch.randn(1, 3, 32, 32)
    assert match.network(pictures)[0].shape == (1, 512, 2, 2)
    assert match(pictures, pictures).tolist() == [0.0]


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"feature_network \(=no.pth\) must be classifier, or the path of VGG16"):
        load_match("no.pth", tmp_path, 1)
    (tmp_path / "junk.pth").write_bytes(b"junk")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("junk.pth", "other.pth"):
        with pytest.raises(ArgumentError, match=f"{name} holds no VGG16 weights with torchvision's names"):
            load_match(str(tmp_path / name), tmp_path, 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_dropped(bad):
    network = torch.nn.Linear(2, 2)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    assert clip_gradients(network)
    assert network.weight.grad.norm().item() ** 2 + network.bias.grad.norm().item() ** 2 == pytest.approx(1, rel=1e-4)
    network.weight.grad[0, 0] = bad
    assert not clip_gradients(network)
    assert network.weight.grad is None
    assert network.bias.grad is None


@pytest.mark.parametrize("family", FAMILIES)
def test_classifiers_of_every_family(family):
    network = Classifier(family, [8, 16], [1, 2], 5).eval()
    pictures = torch.randn(2, 3, 24, 32)
    assert [tuple(x.shape) for x in network.features(pictures)] == [(2, 8, 12, 16), (2, 16, 6, 8)]
    assert torch.allclose(network.evidence(pictures).mean(dim=(2, 3)), network(pictures))
    assert network(pictures).shape == (2, 5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stem": 2}, r"stem \(=2\) and widths \(=\[8, 8, 16\]\) must lead to blocks of 16 pixels"),
        ({"blocks": [1, 1]}, r"blocks \(=\[1, 1\]\) must have one number for each of widths \(=\[8, 8, 16\]\)"),
        ({"classifier_blocks": [1]}, r"classifier_blocks \(=\[1\]\) must have one number for each of"),
        ({"detail": 9}, r"detail \(=9\) must lie between 0 and 8, the last of groups"),
        ({"detail": -1}, r"detail \(=-1\) must lie between 0 and 8, the last of groups"),
        ({"lambda_low": 0.5}, r"lambda_low \(=0.5\) must lie between 0 and 0.025"),
        ({"lambda_low": 0.0}, r"lambda_low \(=0.0\) must lie between 0 and 0.025"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, text):
    with pytest.raises(ArgumentError, match=text):
        dataclasses.replace(RECIPE.model, **change)


def test_a_bundle_needs_the_data(run_folder, tmp_path):
    with pytest.raises(ArgumentError, match="adaptive: name the training data with --data; typical rates are measured"):
        export(run_folder, tmp_path / "a.spxm")


def test_scenes_have_small_objects_over_large_ones_and_no_crowds(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 30), (9, 8, 7)).save(tmp_path / "images" / "a.png")
    large, small = [0, 0, 29, 0, 29, 29, 0, 29], [10, 10, 15, 10, 15, 15, 10, 15]
    things = [
        {"image_id": 1, "area": 25, "iscrowd": 0, "segmentation": [small]},
        {"image_id": 1, "area": 900, "iscrowd": 0, "segmentation": [large]},
        {"image_id": 1, "area": 10, "iscrowd": 1, "segmentation": {"counts": [0]}},
    ]
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": things}
    (tmp_path / "instances_train.json").write_text(json.dumps(content))
    (scene,) = load_scenes(tmp_path)
    assert scene.shape == (30, 40, 4)
    assert scene[0, 0].tolist() == [9, 8, 7, 1]
    assert (scene[12, 12, 3], scene[2, 2, 3], scene[2, 35, 3]) == (2, 1, 0)


def test_scenes_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"instances_train\.json does not exist; --data must name the folder above"):
        load_scenes(tmp_path / "coco")


def test_patches_of_scenes_and_photos():
    photo, scene = np.full((40, 50, 3), 5, np.uint8), np.full((60, 40, 4), 7, np.uint8)
    patches, objects = next(iter(ScenePatches([photo, scene, photo[:8]], 16, 32, 0)))
    assert patches.shape == (16, 3, 32, 32)
    assert objects.shape == (16, 32, 32)
    of_scene = patches[:, 0, 0, 0] == 7
    assert of_scene.any()
    assert (~of_scene).any()
    assert (objects[of_scene] == 7).all()
    assert (objects[~of_scene] == 0).all()


def test_patches_come_with_maps_of_their_objects():
    scene = np.zeros((90, 80, 4), np.uint8)
    scene[:, :, :3] = scene[:, :, 3:] = np.where(np.arange(80)[None, :, None] < 40, 0, 7)
    patches, maps = next(iter(MappedPatches(ScenePatches([scene], 16, 64, 0), [0.0, 1.0, 0.0, 0.0], 0)))
    assert patches.shape == (16, 3, 64, 64)
    assert maps.shape == (16, 1, 4, 4)
    objects = torch.nn.functional.avg_pool2d((patches[:, :1] == 7).float(), 16)
    for share, levels in zip(objects, maps, strict=True):  # one level where the object is, another where it is not
        assert torch.corrcoef(torch.stack([share.flatten(), levels.flatten()]))[0, 1].abs() > 0.999


def test_pictures_smaller_than_patches_are_refused():
    with pytest.raises(ArgumentError, match="no picture has 64 pixels a side; choose a smaller side of patches"):
        ScenePatches([np.zeros((63, 90, 3), np.uint8)], 2, 64, 0)
