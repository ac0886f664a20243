"""DICM as training sees it: sizes, stages in their order, what each may change, back from a bundle."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from torch.nn import functional

from semapix.bundle import Bundle
from semapix.codecs import PictureInfo
from semapix.codecs.dicm import Dicm
from semapix.errors import ArgumentError
from semapix.graphs import OnnxGraphs
from semapix.tasks import Detection, Detections
from semapix.training.checkpoint import read_checkpoint
from semapix.training.dicm.compressing import CompressionSystem
from semapix.training.dicm.export import export_dicm
from semapix.training.dicm.model import load_dicm, load_stage, new_dicm
from semapix.training.dicm.nets.backbone import Head, Tail
from semapix.training.dicm.nets.compression import CompressionNetwork
from semapix.training.dicm.nets.eliminator import Eliminator, FactorisedDensity
from semapix.training.dicm.nets.heads import Detector
from semapix.training.dicm.precision_at_half import precision_at_half
from semapix.training.dicm.recipe import DicmRecipe
from semapix.training.dicm.selfsupervised import SelfSupervisedSystem
from semapix.training.dicm.tasking import TasksSystem
from semapix.training.export import export
from semapix.training.normalise import normalise
from semapix.training.recipe import load_recipe
from semapix.training.run import train
from semapix.training.sections import build_recipe
from tests.pictures import picture

RECIPE = load_recipe("dicm-tiny")
LABELS = {"coarse": ["a"], "fine": ["b", "c"], "parents": [0, 0], "objects": [["cat"], ["cat", "dog"]]}


@pytest.fixture
def run_folder(tiny_bundles, tmp_path):
    shutil.copytree(tiny_bundles["dicm"].parent, tmp_path / "run")
    return tmp_path / "run"


def parameters(network) -> int:
    return sum(p.numel() for p in network.parameters())


# Sizes


def test_the_paper_recipe_is_resnet_50_with_the_stated_maps():
    model = load_recipe("dicm-paper").model
    with torch.inference_mode():
        head, tail, eliminator = Head(model), Tail(model), Eliminator(model)
        compression, detector = CompressionNetwork(model), Detector(model, 80)
        assert parameters(head) + parameters(tail) == 23_508_032  # all of ResNet-50 but its classifier
        first = head(torch.zeros(1, 3, 224, 224))
        assert first.shape == (1, 256, 56, 56)
        assert eliminator.encoder(first).shape == (1, 128, 14, 14)
        assert eliminator(first).shape == first.shape
        latent, hyper = compression.analyse(first, torch.ones(1, 192, 1, 1))
        assert latent.shape == (1, 192, 14, 14)
        assert hyper.shape == (1, 192, 4, 4)
        assert compression.synthesise(latent, torch.ones(1, 192, 1, 1)).shape == first.shape
        maps = tail(first)
        assert [tuple(m.shape[1:]) for m in maps] == [(512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
        classes, sides, central, mixture, prototypes = detector(*maps)
    places = 28 * 28 + 14 * 14 + 7 * 7 + 4 * 4
    assert [tuple(x.shape[1:]) for x in (classes, sides, central, mixture)] == [
        (places, 80),
        (places, 4),
        (places, 1),
        (places, 32),
    ]
    assert prototypes.shape == (1, 32, 56, 56)
    assert model.multiple == 32


def test_the_shipped_recipe_fits_into_a_bundle():
    recipe = load_recipe("dicm")
    with torch.device("meta"):
        trained = new_dicm(recipe, {**LABELS, "fine": ["x"] * 212, "objects": [["y"] * 80]})
        networks = ("head", "eliminator", "tail", "compression", "classifier", "detector")
        assert 3.2e6 < sum(parameters(getattr(trained, name)) for name in networks) < 3.7e6
    assert recipe.model.layer_strides == [4, 4, 8, 16]
    assert recipe.model.multiple == recipe.model.latent_stride == 16


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"widths": [8, 12]}, "must state four layers each, not 2, 4 and 4"),
        ({"eliminator_blocks": [1]}, r"eliminator_blocks \(=\[1\]\) must state three scales"),
        ({"eliminator_widths": [4, 8, 8]}, "must begin with 8, the width of layer 1"),
        ({"hyper_heads": 3}, r"codec_width \(=8\) must be a multiple of hyper_heads \(=3\)"),
        ({"gate_order": 5}, r"codec_width \(=8\) must be a multiple of 16 for gates of order 5"),
        ({"pyramid_from": 1}, r"pyramid_from \(=1\) must be a layer from 2 to 4"),
        ({"glance_side": 20}, r"glance_side \(=20\) and scene_side \(=64\) must be multiples of 16"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, text):
    with pytest.raises(ArgumentError, match=text):
        dataclasses.replace(RECIPE.model, **change)


@pytest.mark.parametrize("change", [{"gate_order": 0}, {"hyper_blocks": [0, 0]}, {"gate_order": 1}])
def test_ablations_of_the_compression_network_have_the_same_shapes(change):
    network = CompressionNetwork(dataclasses.replace(RECIPE.model, **change))
    features = torch.randn(2, 8, 8, 4)
    decoded, rates = network(features, torch.tensor([0, 8]))
    assert decoded.shape == features.shape
    assert rates.total.shape == (2,)
    assert parameters(network) != parameters(CompressionNetwork(RECIPE.model))


# Networks


def test_the_linear_path_is_a_good_start():
    torch.manual_seed(0)
    model = dataclasses.replace(RECIPE.model, latent_groups=[32, 96])
    network = CompressionNetwork(model)
    coarse = torch.randn(6, 8, 4, 4)
    features = functional.interpolate(coarse, scale_factor=8.0, mode="bilinear") + 3.0
    network.start(features, torch.logspace(1, -2, 9))
    with torch.no_grad():
        errors = [
            float((network.eval()(features, torch.full((6,), level))[0] - features).square().mean()) for level in (0, 8)
        ]
    assert errors[1] < 0.01 * float(features.var())
    assert errors[1] < errors[0]


def test_the_bottleneck_counts_the_bits_of_its_density():
    density = FactorisedDensity(3).eval()
    with torch.no_grad():
        values, bits = density(torch.tensor([0.2, 7.4, -1.0]).view(1, 3, 1, 1))
    assert values.ravel().tolist() == [0, 7, -1]

    def mass(x: float) -> float:
        return 1 / (1 + np.exp(-(x + 0.5))) - 1 / (1 + np.exp(-(x - 0.5)))

    assert float(bits) == pytest.approx(-sum(np.log2(mass(x)) for x in (0, 7, -1)), rel=1e-4)
    noisy, _ = density.train()(torch.zeros(1, 3, 50, 50))
    assert 0.3 < float(noisy.abs().max()) <= 0.5


def test_estimated_bits_are_real_bytes(tiny_bundles, tmp_path):
    trained = load_dicm(tiny_bundles["dicm"].parent)
    export_dicm(trained, tmp_path / "dicm.spxm")  # without data: with the Gaussians that training estimates with
    bundle = Bundle(tmp_path / "dicm.spxm")
    pixels = picture(64, 64)
    layers = Dicm(bundle, OnnxGraphs(bundle)).encode(pixels, 5)
    with torch.no_grad():
        shown = normalise(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float())
        _, rates = trained.compression.eval()(trained.extractor(shown), torch.tensor([4]))
    assert 8 * len(layers.machine[1]) == pytest.approx(float(rates.total), rel=0.02, abs=16)


# Stages


@pytest.mark.parametrize("stage", ["selfsupervised", "compression", "tasks"])
def test_a_stage_is_resumed(run_folder, training_data, stage):
    before = read_checkpoint(run_folder, stage)
    assert before["global_step"] == 2
    train(RECIPE, stage, training_data, run_folder, steps=3)
    after = read_checkpoint(run_folder, stage)
    assert after["global_step"] == 3
    assert [key for key, value in after["state_dict"].items() if not torch.equal(value, before["state_dict"][key])]


def test_each_stage_leaves_alone_what_is_not_its_own(run_folder):
    first, second, third = (
        read_checkpoint(run_folder, stage)["state_dict"] for stage in ("selfsupervised", "compression", "tasks")
    )
    kept = {key: value for key, value in second.items() if key.startswith(("head.", "eliminator.", "tail."))}
    assert len(kept) > 50
    assert all(torch.equal(value, first[f"query.{key}"]) for key, value in kept.items())
    kept = {key: value for key, value in third.items() if key.startswith(("head.", "eliminator.", "compression."))}
    assert len(kept) > 50
    assert all(torch.equal(value, second[key]) for key, value in kept.items())
    norms = [key for key in third if key.startswith("tail.") and "running_" in key]
    assert len(norms) > 5
    assert all(torch.equal(third[key], second[key]) for key in norms)
    assert any(not torch.equal(third[key], second[key]) for key in third if key.startswith("tail."))


def test_the_crops_were_guided(run_folder):
    state = read_checkpoint(run_folder, "selfsupervised")["state_dict"]
    assert int(state["heat_maps"]) >= 1
    boxes = state["boxes"]
    assert boxes.shape[1] == 4
    assert ((boxes[:, 2:] - boxes[:, :2]) > 0).all()


def test_a_frozen_tail_gives_linear_evaluation(run_folder):
    recipe = dataclasses.replace(RECIPE, tasks=dataclasses.replace(RECIPE.tasks, tail_rate=0.0))
    system = TasksSystem(load_stage(run_folder, "compression", recipe, LABELS))
    assert not any(p.requires_grad for p in system.tail.parameters())
    groups = system.configure_optimizers().param_groups
    trained = {id(p) for group in groups for p in group["params"]}
    assert trained == {id(p) for part in (system.classifier, system.detector) for p in part.parameters()}


def test_keys_come_back_in_the_order_of_their_pictures(monkeypatch):
    system = SelfSupervisedSystem(RECIPE, torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.arange(4))
    system.key.eval()  # so that parts cannot differ
    view = torch.rand(7, 3, 16, 16) * 255
    with torch.no_grad():
        assert torch.allclose(system._keys(view), system.key(normalise(view))[0], atol=1e-5)


def test_the_key_network_follows_slowly():
    system = SelfSupervisedSystem(RECIPE, torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.arange(4))
    slow, fast = (next(iter(network.parameters())) for network in (system.key, system.query))
    before = slow.clone()
    fast.data += 1.0
    system._keys(torch.rand(4, 3, 16, 16))
    assert torch.allclose(slow - before, torch.full_like(slow, 1 - RECIPE.selfsupervised.momentum), atol=1e-5)


def test_the_queue_forgets_the_oldest_keys(monkeypatch):
    system = SelfSupervisedSystem(RECIPE, torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.arange(4))
    monkeypatch.setattr(system, "all_gather", lambda x: x[None])
    count, width = system.queue.shape
    before = system.queue.clone()
    for number in range(3):
        system._remember(torch.full((6, width), float(number)))
    assert int(system.next_key) == 18 - count
    assert (system.queue[:2] == 2).all()
    assert (system.queue[2:6] == 0).all()
    assert not torch.equal(system.queue, before)


def test_the_rate_is_steered_to_what_the_recipe_says():
    torch.manual_seed(0)
    weights = []
    for target in (1e-4, 1e4, 0.0):
        stage = dataclasses.replace(RECIPE.selfsupervised, rate_target=target)
        pictures = torch.randint(0, 255, (8, 3, 16, 16), dtype=torch.uint8)
        system = SelfSupervisedSystem(dataclasses.replace(RECIPE, selfsupervised=stage), pictures, torch.arange(8))
        system.note = lambda **figures: None
        system.all_gather = lambda x: x[None]
        for step in range(3):
            system.training_step((pictures, torch.arange(8)), step)
        weights.append(float(system.rate_weight))
    start = RECIPE.selfsupervised.rate_weight
    assert weights[0] > start > weights[1]
    assert weights[2] == 0.0


def test_recipes_of_before_want_no_labels():
    values = dataclasses.asdict(RECIPE)
    for key in ("label_weight", "label_smoothing"):
        del values["selfsupervised"][key]
    assert build_recipe(DicmRecipe, values, "before").selfsupervised.label_weight == 0
    with pytest.raises(ArgumentError, match=r"label_weight \(=-1.0\) must be 0, for no labels, or more"):
        dataclasses.replace(RECIPE.selfsupervised, label_weight=-1.0)


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_labels_count_as_much_as_the_recipe_says(weight):
    pictures = torch.randint(0, 255, (8, 3, 16, 16), dtype=torch.uint8)
    losses = []
    for factor in (0.0, weight):
        torch.manual_seed(0)
        stage = dataclasses.replace(RECIPE.selfsupervised, label_weight=factor)
        system = SelfSupervisedSystem(dataclasses.replace(RECIPE, selfsupervised=stage), pictures, torch.arange(8) // 2)
        assert hasattr(system, "classes") == (factor > 0)
        if factor:
            torch.nn.init.zeros_(system.classes.weight)
            torch.nn.init.zeros_(system.classes.bias)
        figures = {}
        system.note = figures.update
        system.all_gather = lambda x: x[None]
        system._remember(torch.nn.functional.normalize(torch.ones(len(system.queue), system.queue.shape[1]), dim=1))
        torch.manual_seed(1)
        losses.append(system.training_step((pictures, torch.arange(8)), 0).item())
        assert ("label_top1" in figures) == (factor > 0)
    assert losses[1] - losses[0] == pytest.approx(weight * np.log(4), abs=1e-4)  # four classes, none of them likelier


def test_a_bundle_goes_back_to_checkpoints(tiny_bundles, training_data, tmp_path):
    bundle = Bundle(tiny_bundles["dicm"])
    train(RECIPE, "tasks", training_data, tmp_path / "run", steps=1, start=bundle)
    again = export(tmp_path / "run", tmp_path / "again.spxm", training_data)
    assert set(again) == {"fine"}
    pixels = picture(64, 48)
    codecs = [Dicm(b, OnnxGraphs(b)) for b in (bundle, Bundle(tmp_path / "again.spxm"))]
    first, second = (codec.features(codec.encode(pixels, 5), PictureInfo(64, 48, 5), 2) for codec in codecs)
    assert np.array_equal(first, second)  # the encoder did not change; tables are counted anew
    for stage in ("selfsupervised", "compression"):
        train(RECIPE, stage, training_data, tmp_path / "run", steps=1)
        assert read_checkpoint(tmp_path / "run", stage)["global_step"] == 1


def test_hyper_latents_have_tables_of_their_own(tiny_bundles):
    arrays = Bundle(tiny_bundles["dicm"]).arrays("codec")
    channels = RECIPE.model.hyper_latents
    assert arrays["hyper_levels"].shape == (9, channels)
    assert len(set(arrays["hyper_levels"].ravel().tolist())) == 9 * channels
    assert arrays["hyper_levels"].min() == 64


def test_a_bundle_without_data_has_no_calibration(run_folder, tmp_path):
    assert export(run_folder, tmp_path / "plain.spxm") == {}
    tasks = Bundle(tmp_path / "plain.spxm").manifest["tasks"]
    assert [task["temperature"] for task in tasks] == [1.0] * 4
    assert "evidence" not in tasks[1]


def test_compression_learns_something(run_folder):
    """A few steps on one picture bring its loss down."""
    torch.manual_seed(0)
    system = CompressionSystem(load_stage(run_folder, "selfsupervised", RECIPE, LABELS))
    pictures = torch.from_numpy(picture(32, 32).transpose(2, 0, 1).copy())[None].repeat(4, 1, 1, 1)
    system.start(pictures)
    system.note = lambda **figures: None
    optimiser = torch.optim.AdamW(system.compression.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = system._loss(*system._code(pictures.float(), torch.tensor([0, 3, 5, 8])), torch.tensor([0, 3, 5, 8]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


# Tuning


def test_precision_at_half_by_hand():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]], np.float32)
    counts = np.array([True, True, False])

    def thing(score, *box):
        return Detection("x", score, box)

    right, wrong, foreign = thing(0.9, 0, 0, 10, 9), thing(0.8, 100, 0, 110, 10), thing(0.95, 50, 50, 60, 60)
    late = thing(0.7, 20, 20, 30, 31)
    found = Detections([foreign, right, wrong, late], "detect")
    assert precision_at_half([found], [(boxes, counts)]) == pytest.approx((1 + 2 / 3) / 2)
    twice = Detections([right, thing(0.85, 0, 0, 10, 10)], "detect")
    assert precision_at_half([twice], [(boxes, counts)]) == pytest.approx(0.5)
    assert precision_at_half([Detections([], "detect")], [(boxes, counts)]) == 0.0
