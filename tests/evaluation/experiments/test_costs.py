"""Complexity and speed."""

from dataclasses import replace

import numpy as np
import pytest

from semapix.errors import ArgumentError, SemapixError
from semapix.evaluation.datasets import open_dataset
from semapix.evaluation.experiments._timing import run_command
from semapix.evaluation.experiments.complexity import ComplexityProtocol, measure_complexity
from semapix.evaluation.experiments.speed import SpeedProtocol, measure_speed, mosaic
from semapix.evaluation.protocol import load_protocol


def test_every_module_is_counted_and_graphs_are_timed(run):
    protocol = load_protocol(ComplexityProtocol, "complexity", rounds=2, threads=1)
    findings = measure_complexity(protocol, run())
    rows = {row[0]: row[1:] for row in findings.record.tables["modules"].rows}
    assert {"predict1", "s1.analysis", "s1.entropy", "head.fine", "outer.synthesis"} <= set(rows)
    assert all(seconds > 0 for name, (*_, seconds) in rows.items() if not name.endswith(".entropy"))
    assert findings.record.results["kmac_per_pixel"]["look, coarse"] > 0


def test_modules_of_another_codec_are_not_counted(run, tiny_bundles):
    protocol = load_protocol(ComplexityProtocol, "complexity")
    with pytest.raises(ArgumentError, match=r"model \S+ is of codec dicm; name one of codec scalable"):
        measure_complexity(protocol, replace(run(), model=str(tiny_bundles["dicm"])))


def test_speed_of_codecs_and_commands(run, photos):
    small = {"megapixels": [0.004, 0.12], "rounds": 1, "commands": 1, "files": [1, 2], "settings": {
        "scalable": [5], "jpeg": [10, 50, 90]}, "codecs": ["scalable", "jpeg"]}  # fmt: skip
    findings = measure_speed(photos, load_protocol(SpeedProtocol, "speed", **small), run())
    warm = {(w["codec"], w["what"], w["pixels"]): w["seconds"] for w in findings.record.results["warm"]}
    assert {what for codec, what, _ in warm if codec == "Semapix tiny"} == {
        *("encode", "decode", "look, coarse", "look, fine")
    }
    assert min(warm.values()) > 0
    commands = {(row[0], row[1]) for row in findings.record.tables["commands"].rows}
    assert {("semapix look", "one file"), ("semapix look", "2 files"), ("semapix --help", "")} <= commands


def test_memory_is_that_of_the_command():
    ballast = np.ones(60_000_000)  # 480 MB
    found = run_command("--help", "")
    assert ballast.all()
    assert 10 < found.megabytes < 150
    assert 0 < found.seconds < 60
    with pytest.raises(SemapixError, match=r"semapix look failed: semapix: .*nowhere\.spix"):
        run_command("look", "", "nowhere.spix")


def test_a_mosaic_is_full(photos):
    pixels = mosaic(open_dataset(photos).pictures, 0.12)
    assert pixels.shape == (300, 400, 3)
    assert pixels.reshape(-1, 3).max(1).min() > 0
