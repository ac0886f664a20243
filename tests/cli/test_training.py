"""train and export: how they reach the training room. Training itself is tested beside it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from semapix.bundle import Bundle
from semapix.codecs import open_codec


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What `semapix.training.run.train` was called with, in place of the training itself."""
    calls: list[tuple[object, ...]] = []
    fake = ModuleType("semapix.training.run")
    fake.train = lambda *arguments, **options: calls.append((*arguments, options))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "semapix.training.run", fake)
    return calls


@pytest.mark.parametrize(("options", "minutes"), [([], None), (["--minutes", "2.5"], 2.5)])
def test_train_runs_one_stage_of_a_recipe(run, trained, tmp_path, options, minutes):
    out = tmp_path / "run"
    result = run("train", "scalable-tiny", "--stage", "lcnet", "--data", "data", "-o", out, *options)
    assert result == (0, "", "")
    ((recipe, *others),) = trained
    assert recipe.name == "scalable-tiny"
    assert others == ["lcnet", Path("data"), out, {"minutes": minutes, "start": None}]


def test_train_refuses_an_unknown_recipe(run, trained, tmp_path):
    out = tmp_path / "run"
    result = run("train", "best", "--stage", "outer", "--data", "data", "-o", out)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("semapix: unknown recipe 'best'; shipped recipes: ")
    assert len(result.complaints) == 1
    assert trained == []


def test_train_refuses_an_unknown_stage(run, tmp_path):
    result = run("train", "scalable", "--stage", "third", "--data", "data", "-o", tmp_path / "run")
    assert result == (2, "", "semapix: stage (='third') must be one of: teacher, lfrnet, lcnet, outer\n")


@pytest.mark.parametrize("missing", ["torch", "lightning", "yaml"])
def test_without_the_training_packages_one_line_says_how_to_get_them(run, monkeypatch, tmp_path, missing):
    for name in [name for name in sys.modules if name.startswith("semapix.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    line = f"semapix: training needs {missing}; install it with: pip install 'semapix[train]'\n"
    assert run("train", "scalable", "--stage", "outer", "--data", "data", "-o", tmp_path / "run") == (2, "", line)
    if missing != "yaml":  # checkpoints hold their recipes
        assert run("export", tmp_path, "-o", tmp_path / "a.spxm") == (2, "", line)


def test_export_needs_the_checkpoints(run, tmp_path):
    out = tmp_path / "a.spxm"
    result = run("export", tmp_path, "-o", out)
    first = "lfrnet.ckpt, or classifier.ckpt, or selfsupervised.ckpt, or joint.ckpt"
    line = f"{tmp_path} has no checkpoint of a first stage ({first}); make it with: semapix train"
    assert result == (2, "", f"semapix: {line}\n")
    (tmp_path / "lfrnet.ckpt").write_bytes(b"")
    result = run("export", tmp_path, "-o", out)
    assert result.status == 2
    assert f"{tmp_path / 'lfrnet.ckpt'} is no checkpoint" in result.err


def test_export_names_the_stages_that_make_a_model(run, tmp_path):
    (tmp_path / "lfrnet.ckpt").write_bytes(b"")
    result = run("export", tmp_path, "--stage", "lcnet", "-o", tmp_path / "a.spxm")
    assert result == (2, "", "semapix: stage (='lcnet') of scalable must be one that makes a model: outer\n")


def test_export_keeps_an_existing_bundle(run, tmp_path):
    out = tmp_path / "a.spxm"
    out.write_bytes(b"mine")
    result = run("export", tmp_path, "-o", out)
    assert result == (2, "", f"semapix: {out}: exists already; --force overwrites it\n")
    assert out.read_bytes() == b"mine"


def test_export_with_data_calibrates(run, tiny_run, training_data, tmp_path):
    bundle = tmp_path / "mine.spxm"
    result = run("export", tiny_run, "--data", training_data, "-o", bundle)
    assert (result.status, result.err) == (0, "")
    first, coarse, fine = result.out.splitlines()
    assert first == f"{tiny_run} -> {bundle}  {bundle.stat().st_size:,} bytes"
    temperatures = [task["temperature"] for task in Bundle(bundle).manifest["tasks"]]
    assert [coarse.split()[-1], fine.split()[-1]] == [f"{temperature:.3f}" for temperature in temperatures]
    result = run("export", tiny_run, "--data", tmp_path, "-o", tmp_path / "b.spxm")
    assert (result.status, len(result.complaints)) == (2, 1)
    assert "labels.json does not exist; --data must name the folder above objects/" in result.err


def test_export_makes_a_bundle_that_codes(run, tiny_run, photo, tmp_path):
    bundle = tmp_path / "mine.spxm"
    result = run("export", tiny_run, "-o", bundle)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{tiny_run} -> {bundle}  {bundle.stat().st_size:,} bytes\n"
    assert run("encode", photo, "-o", tmp_path / "a.spix", "--model", bundle).status == 0


def test_export_beside_another_bundle_leaves_out_what_that_one_stores(run, tiny_run, tiny_bundle, photo, tmp_path):
    lender, bundle = tmp_path / "lender" / "tiny.spxm", tmp_path / "beside.spxm"
    lender.parent.mkdir()
    shutil.copy(tiny_bundle, lender)
    result = run("export", tiny_run, "-o", bundle, "--beside", lender)
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"{tiny_run} -> {bundle}  {bundle.stat().st_size:,} bytes",
        f"  {len(Bundle(bundle).manifest['members'])} members left out, which {lender} stores",
    ]
    assert bundle.stat().st_size < lender.stat().st_size / 10
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", bundle)
    assert (result.status, len(result.complaints)) == (2, 1)
    assert re.match(rf"semapix: {photo}: {bundle}: member \S+ was left out for a bundle beside it, and", result.err)
    open_codec.cache_clear()  # a codec is kept for each fingerprint
    bundle.rename(lender.parent / bundle.name)
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", lender.parent / bundle.name)
    assert (result.status, result.err) == (0, "")


def test_export_looks_for_the_bundle_beside_before_it_works(run, tiny_run, tmp_path):
    out, lender = tmp_path / "mine.spxm", tmp_path / "none.spxm"
    result = run("export", tiny_run, "-o", out, "--beside", lender)
    assert result == (2, "", f"semapix: {lender}: no such bundle\n")
    assert not out.exists()


def test_export_does_not_overwrite_the_bundle_beside(run, tiny_run, tiny_bundle, tmp_path):
    out = tmp_path / "mine.spxm"
    shutil.copy(tiny_bundle, out)
    result = run("export", tiny_run, "-o", out, "--beside", out, "--force")
    line = f"semapix: --beside (={out}) must be another file than -o (={out}), which would overwrite it\n"
    assert result == (2, "", line)
    assert out.read_bytes() == tiny_bundle.read_bytes()
