"""Protocols: those that ship, those of users, and their errors."""

from pathlib import Path

import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.experiments.channels import ChannelsProtocol
from semapix.evaluation.experiments.complexity import ComplexityProtocol
from semapix.evaluation.experiments.critical_rate import CriticalRateProtocol
from semapix.evaluation.experiments.features import FeaturesProtocol
from semapix.evaluation.experiments.judge import JudgeProtocol
from semapix.evaluation.experiments.labels import LabelsProtocol
from semapix.evaluation.experiments.layering import LayeringProtocol
from semapix.evaluation.experiments.machine_share import MachineShareProtocol
from semapix.evaluation.experiments.maps import MapsProtocol
from semapix.evaluation.experiments.planes import PlanesProtocol
from semapix.evaluation.experiments.rates import RatesProtocol
from semapix.evaluation.experiments.semantic import SemanticProtocol
from semapix.evaluation.experiments.signal import SignalProtocol
from semapix.evaluation.experiments.speed import SpeedProtocol
from semapix.evaluation.experiments.steps import StepsProtocol
from semapix.evaluation.experiments.systems import SystemsProtocol
from semapix.evaluation.experiments.tasks import TasksProtocol
from semapix.evaluation.experiments.teach import TeachProtocol
from semapix.evaluation.experiments.transforms import TransformsProtocol
from semapix.evaluation.experiments.variants import VariantsProtocol
from semapix.evaluation.metrics import find_metrics
from semapix.evaluation.protocol import load_protocol
from semapix.evaluation.published import published_curves
from semapix.evaluation.tested import choose

KINDS = {
    "channels": ChannelsProtocol,
    "complexity": ComplexityProtocol,
    "critical-rate": CriticalRateProtocol,
    "features": FeaturesProtocol,
    "judge": JudgeProtocol,
    "labels": LabelsProtocol,
    "layering": LayeringProtocol,
    "machine-share": MachineShareProtocol,
    "maps": MapsProtocol,
    "planes": PlanesProtocol,
    "rates": RatesProtocol,
    "semantic": SemanticProtocol,
    "signal": SignalProtocol,
    "speed": SpeedProtocol,
    "steps": StepsProtocol,
    "systems": SystemsProtocol,
    "tasks": TasksProtocol,
    "teach": TeachProtocol,
    "transforms": TransformsProtocol,
    "variants": VariantsProtocol,
}


def test_every_protocol_that_ships_has_its_dataclass():
    import semapix.evaluation

    folder = Path(semapix.evaluation.__file__).parent / "protocols"
    assert sorted(path.stem for path in folder.glob("*.yaml")) == sorted(KINDS)
    for name, kind in KINDS.items():
        assert isinstance(load_protocol(kind, name), kind)


@pytest.mark.parametrize("name", KINDS)
def test_codecs_and_settings_of_protocols_exist(name):
    protocol = load_protocol(KINDS[name], name)
    without = ("channels", "complexity", "labels", "layering", "machine-share", "maps", "teach", "transforms")
    assert hasattr(protocol, "codecs") == (name not in without)
    codecs, missing = choose(getattr(protocol, "codecs", []), getattr(protocol, "settings", {}))
    assert missing == []
    assert set(getattr(protocol, "settings", {})) <= {codec.name for codec in codecs}
    for codec in codecs:
        assert list(codec.settings) == sorted(codec.settings, reverse=codec.settings[0] > codec.settings[-1])


def test_metrics_and_published_curves_of_the_signal_protocol_exist():
    protocol = load_protocol(SignalProtocol, "signal")
    find_metrics(protocol.metrics)
    assert set(protocol.published) <= set(published_curves("kodak", 24, "psnr").curves)


def test_a_users_protocol_takes_the_place(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("rounds: 3\nthreads: 1\n")
    assert load_protocol(ComplexityProtocol, "complexity", path) == ComplexityProtocol(3, 1)
    assert load_protocol(ComplexityProtocol, "complexity", path, rounds=5, threads=None) == ComplexityProtocol(5, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rounds: 3\n", r"missing keys \['threads'\]"),
        ("rounds: 3\nthreads: 1\nspeed: 9\n", r"unknown keys \['speed'\]"),
        ("rounds: [3]\nthreads: 1\n", r"rounds \(=\[3\]\) must be int"),
        ("- rounds\n", "must be a mapping"),
        ("rounds: [\n", "is no YAML"),
    ],
)
def test_errors_name_the_file_and_the_keys(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=f"mine.yaml: .*{message}"):
        load_protocol(ComplexityProtocol, "complexity", path)


def test_a_protocol_that_is_not_there(tmp_path):
    with pytest.raises(ArgumentError, match="there is no such protocol"):
        load_protocol(ComplexityProtocol, "complexity", tmp_path / "none.yaml")
