"""teach, and look with what was taught."""

import json
import re

import pytest
from PIL import Image

from tests import pictures


@pytest.fixture
def folder(tmp_path):
    for name, level in (("dark", 10), ("light", 200)):
        (tmp_path / "shades" / name).mkdir(parents=True)
        for seed in range(6):
            pixels = pictures.picture(20, 16, seed) // 8 + level
            Image.fromarray(pixels.astype("uint8")).save(tmp_path / "shades" / name / f"{seed}.png")
    return tmp_path / "shades"


@pytest.fixture
def head(run, folder, tiny_bundle, tmp_path):
    out = tmp_path / "shades.spxh"
    result = run("teach", folder, "-o", out, "--model", tiny_bundle)
    assert (result.status, result.err) == (0, "")
    return out


def test_teach_says_what_was_learned(run, folder, tiny_bundle, tmp_path):
    out = tmp_path / "a.spxh"
    result = run("teach", folder, "-o", out, "--model", tiny_bundle)
    first, head, row = result.out.splitlines()
    assert re.fullmatch(rf"{folder} -> {out}  {out.stat().st_size:,} bytes, \d+\.\d s, model tiny", first)
    assert re.split(r"\s{2,}", head.strip()) == ["task", "labels", "layers read", "pictures", "held out", "guessing"]
    assert row.split() == ["fine", "2", "2", "12", "100.0%", "50.0%"]


def test_look_tells_the_labels_of_a_head(run, head, coded, tiny_bundle):
    result = run("look", coded, "--head", head, "--model", tiny_bundle)
    assert (result.status, result.err) == (0, "")
    told = {line.split()[0] for line in result.out.splitlines()[1:3]}
    (answer,) = json.loads(run("look", coded, "--head", head, "--model", tiny_bundle, "--json").out)
    assert answer["task"] == "fine"
    assert {label["name"] for label in answer["labels"]} == {"dark", "light"}
    # The line of a label of 0.0 % is left out.
    assert told >= {label["name"] for label in answer["labels"] if label["probability"] >= 0.0005}


def test_teach_keeps_an_existing_head(run, head, folder, tiny_bundle):
    result = run("teach", folder, "-o", head, "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {head}: exists already; --force overwrites it\n")
    assert run("teach", folder, "-o", head, "--model", tiny_bundle, "--force").status == 0


def test_wrong_input_is_one_line_and_status_2(run, head, folder, coded, tiny_bundle, other_bundle, tmp_path):
    out = tmp_path / "new.spxh"
    (folder / "dark" / "7.png").write_bytes(b"no picture")
    for words, message in (
        (["teach", tmp_path / "no", "-o", out], f"{tmp_path / 'no'}: there is no such directory"),
        (["teach", folder, "-o", out], f"{folder / 'dark' / '7.png'}: is not an image"),
        (["look", coded, "--head", tmp_path / "no.spxh"], f"{tmp_path / 'no.spxh'}: no such head"),
        (["look", coded, "--head", coded], f"{coded}: not an intact head"),
        (["look", coded, "--head", head, "--task", "mood"], "no task is called 'mood'; this head has: fine"),
    ):
        result = run(*words, "--model", tiny_bundle)
        assert (result.status, result.out) == (2, "")
        (complaint,) = result.complaints
        assert message in complaint
    assert not out.exists()


def test_a_head_of_another_model_is_refused(run, folder, coded, tiny_bundle, other_bundle, tmp_path):
    out = tmp_path / "other.spxh"
    assert run("teach", folder, "-o", out, "--model", other_bundle).status == 0
    result = run("look", coded, "--head", out, "--model", tiny_bundle)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"semapix: {coded}: the head was taught for model other (")
