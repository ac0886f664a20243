"""The teacher of the transform, and what the transform learns from it."""

import shutil
from dataclasses import replace

import pytest
import torch

from semapix.errors import ArgumentError
from semapix.evaluation.multiplications import multiplications
from semapix.training.checkpoint import read_checkpoint
from semapix.training.recipe import load_recipe
from semapix.training.run import train
from semapix.training.scalable.distillation import Distillation, divergence
from semapix.training.scalable.lfrnet import LfrnetSystem
from semapix.training.scalable.nets.teacher import Teacher
from semapix.training.scalable.teacher import load_teacher

RECIPE = load_recipe("scalable-tiny")
LABELS = {"coarse": ["a", "b"], "fine": ["p", "q", "r"], "parents": [0, 1, 1]}


def tiny_teacher():
    torch.manual_seed(0)
    return Teacher([8, 16], [1, 1], LABELS)


def system_with(weight, teacher):
    torch.manual_seed(1)
    recipe = replace(RECIPE, lfrnet=replace(RECIPE.lfrnet, teacher_weight=weight))
    system = LfrnetSystem(recipe, LABELS, teacher=teacher).eval()  # without dropout
    system.note = lambda **figures: None
    return system


def batch():
    pictures = torch.randint(0, 256, (6, 3, 16, 16), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    fine = torch.tensor([0, 1, 2, 0, 1, 2])
    return pictures, torch.tensor(LABELS["parents"])[fine], fine


def test_coarse_probabilities_are_sums_of_fine_ones():
    coarse, fine = tiny_teacher().eval()(255 * torch.rand(5, 3, 16, 16))
    assert coarse.shape == (5, 2)
    shares = fine.softmax(1)
    torch.testing.assert_close(coarse.softmax(1), torch.stack([shares[:, 0], shares[:, 1:].sum(1)], dim=1))


def test_divergence_is_zero_for_equal_probabilities_and_else_that_of_kullback_and_leibler():
    wanted, found = torch.randn(4, 5), torch.randn(4, 5)
    assert float(divergence(wanted, wanted + 3.0)) == pytest.approx(0.0, abs=1e-6)
    p, q = wanted.softmax(1), found.softmax(1)
    torch.testing.assert_close(divergence(wanted, found), (p * (p / q).log()).sum(1).mean())


def test_a_teacher_stays_as_it_is():
    distillation = Distillation(tiny_teacher())
    before = {key: value.clone() for key, value in distillation.state_dict().items()}
    coarse, fine = distillation.train()(255 * torch.rand(5, 3, 16, 16))
    assert not coarse.requires_grad
    assert not fine.requires_grad
    assert len(before) > 10
    assert all(torch.equal(value, before[key]) for key, value in distillation.state_dict().items())


def test_the_loss_goes_from_that_of_labels_to_that_of_the_teacher():
    alone, half, taught = (
        system_with(weight, teacher).training_step(batch(), 0).detach()
        for weight, teacher in ((0.5, None), (0.5, tiny_teacher()), (1.0, tiny_teacher()))
    )
    assert float(taught) != pytest.approx(float(alone), rel=1e-2)
    torch.testing.assert_close(half, (alone + taught) / 2)


def test_the_student_comes_closer_to_its_teacher():
    system = system_with(1.0, tiny_teacher())
    pictures = batch()[0].float()

    def apart():
        _, wanted = system.distillation(pictures)
        _, found = system.logits(pictures)
        return float(divergence(wanted, found).detach())

    before = apart()
    optimizer = torch.optim.Adam([p for p in system.parameters() if p.requires_grad], 3e-3)
    for step in range(60):
        optimizer.zero_grad()
        system.training_step(batch(), step).backward()
        optimizer.step()
    assert apart() < 0.5 * before


def test_the_checkpoint_of_the_transform_holds_no_teacher(tiny_run):
    weights = read_checkpoint(tiny_run, "lfrnet")["state_dict"]
    assert {key.split(".")[0] for key in weights} == {"transform", "first_fine"}
    assert load_teacher(tiny_run, read_checkpoint(tiny_run, "lfrnet")["labels"]).classifier is not None


def test_the_shipped_teacher_does_several_times_the_work_of_the_transform():
    stage = load_recipe("scalable").teacher
    teacher = Teacher(stage.widths, stage.blocks, {"coarse": ["a"], "fine": ["b"] * 212, "parents": [0] * 212}).eval()
    work = multiplications(teacher, lambda: teacher(torch.zeros(1, 3, 64, 64)))
    assert work == pytest.approx(0.67e9, rel=0.01)


def test_without_its_teacher_the_stage_says_how_to_make_one(training_data, tmp_path):
    path = tmp_path / "teacher.ckpt"
    text = rf"{path} does not exist; make it with: semapix train RECIPE --stage teacher -o {tmp_path}"
    with pytest.raises(ArgumentError, match=text):
        train(RECIPE, "lfrnet", training_data, tmp_path)
    alone = replace(RECIPE, lfrnet=replace(RECIPE.lfrnet, teacher_weight=0.0))
    train(alone, "lfrnet", training_data, tmp_path, steps=1)
    assert read_checkpoint(tmp_path, "lfrnet")["global_step"] == 1


def test_a_teacher_of_other_labels_is_refused(tiny_run, tmp_path):
    shutil.copy(tiny_run / "teacher.ckpt", tmp_path)
    text = r"teacher.ckpt knows other labels \(=4 fine ones\) than the data have \(3\); train stage teacher on them in"
    with pytest.raises(ArgumentError, match=text):
        load_teacher(tmp_path, LABELS)
