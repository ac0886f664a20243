"""Taught labels, measured."""

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.experiments.teach import TeachProtocol, measure_teach


@pytest.fixture
def protocol(objects):
    return TeachProtocol(objects.name, "shade", 3, [4, 8], 2)


def test_heads_are_measured_on_both_kinds_of_features(run, objects, protocol):
    findings = measure_teach(objects.parent, protocol, run())
    assert findings.failures == []
    results = findings.record.results
    assert [figure["pictures"] for figure in results["figures"]] == [4, 8]
    for figure in results["figures"]:
        assert figure["test_pictures"] == 12
        low, high = figure["draws"]
        assert 0 <= low <= figure["decoded"][0] + 1e-9 <= high + 2e-9 <= 100 + 2e-9
        assert figure["share"][0] == pytest.approx(figure["decoded"][0] / figure["uncoded"][0])
    rows = findings.record.tables["heads"].rows
    assert len(rows) == 2 * 2 * 2  # sizes, kinds of features, draws
    decoded = [row[4] for row in rows if row[0] == 8 and row[2] == "decoded"]
    assert 100 * np.mean(decoded) == pytest.approx(results["figures"][1]["decoded"][0])
    # The first draw through files is the same head, up to the four digits that the journal keeps of features.
    whole = results["from files"]
    assert whole["pictures"] == 24
    assert whole["accuracy"] == pytest.approx(100 * decoded[0], abs=100 / 12)
    assert [c.limit for c in findings.record.criteria] == [0.9, 180.0]


def test_a_second_run_codes_nothing_again(run, objects, protocol):
    first = measure_teach(objects.parent, protocol, run())
    journal = run().journal.read_text()
    assert len(journal.splitlines()) == 24 + 12
    again = measure_teach(objects.parent, protocol, run())
    assert run().journal.read_text() == journal
    assert again.record.results["figures"] == first.record.results["figures"]


def test_refusals(run, objects):
    with pytest.raises(ArgumentError, match=r"3 classes have 8 training pictures and a test picture.*wants 9"):
        measure_teach(objects.parent, TeachProtocol(objects.name, "shade", 9, [4, 8], 2), run())
    with pytest.raises(ArgumentError, match="has no labels in a column 'mood'"):
        measure_teach(objects.parent, TeachProtocol(objects.name, "mood", 3, [4], 2), run())
