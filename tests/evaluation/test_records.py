"""Records: valid JSON whatever was measured, with the model, the command and every row."""

import json

import numpy as np
import pytest

from semapix.bundle import Bundle
from semapix.evaluation.records import Criterion, Record, Table, markdown


def test_a_record_is_json(tiny_bundle):
    bundle = Bundle(tiny_bundle)
    record = Record(
        "kodak",
        "python benchmarks/kodak.py",
        [bundle],
        settings={"pictures": "two"},
        results={"psnr": np.float64(31.5), "none": float("inf"), "exact": np.bool_(True), "sizes": (1, np.int64(2))},
        criteria=[Criterion("rate", 0.25, "<=", 0.5, "bpp")],
        tables={"pictures": Table(["name", "bytes"], [["kodim01", 100], ["kodim02", np.int32(200)]])},
    )
    text = record.to_json()
    read = json.loads(text)
    assert read["benchmark"] == "kodak"
    assert read["command"] == "python benchmarks/kodak.py"
    assert read["models"][0]["fingerprint"] == bundle.fingerprint.hex()
    assert read["results"] == {"psnr": 31.5, "none": None, "exact": True, "sizes": [1, 2]}
    assert read["criteria"][0]["met"] is True
    assert read["tables"]["pictures"] == {"columns": ["name", "bytes"], "rows": [["kodim01", 100], ["kodim02", 200]]}
    assert '\n   ["kodim02", 200]\n' in text
    assert {"python", "numpy", "onnxruntime", "cores"} <= set(read["environment"])


def test_a_record_without_tables_is_json_too(tiny_bundle):
    record = Record("speed", "python benchmarks/speed.py", [Bundle(tiny_bundle)], {}, {})
    assert json.loads(record.to_json())["tables"] == {}


@pytest.mark.parametrize(
    ("value", "rule", "met"),
    [
        (0.5, "<", False),
        (0.5, "<=", True),
        (0.5, ">=", True),
        (0.4, ">=", False),
        (float("nan"), "<=", False),
        (None, "<=", False),
    ],
)
def test_criteria(value, rule, met):
    assert Criterion("rate", value, rule, 0.5, "bpp").met is met


def test_a_criterion_as_a_row():
    assert Criterion("rate", 0.123456, "<", 0.5, "bpp").row == ["rate", "0.1235 bpp", "< 0.5 bpp", "yes"]
    assert Criterion("rate", None, "<", 0.5, "bpp").row == ["rate", "-", "< 0.5 bpp", "NO"]


def test_markdown():
    assert markdown([["what", "bpp"], ["JPEG", "0.5"]]) == "| what | bpp |\n| --- | ---: |\n| JPEG | 0.5 |"
