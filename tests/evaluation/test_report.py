"""What experiments leave behind: folders of findings, and one page about all of them."""

import json

import pytest
from matplotlib.figure import Figure

from semapix.errors import ArgumentError, OutputError
from semapix.evaluation.findings import Findings
from semapix.evaluation.plots import Panel, draw
from semapix.evaluation.records import Criterion, Record, Table
from semapix.evaluation.report import write_report
from semapix.evaluation.runner import Failure


@pytest.fixture
def findings() -> Findings:
    record = Record(
        "signal on <things>",
        "semapix bench signal --dataset DATA/things",
        [],
        {"bpp": "bits & pieces"},
        {"pictures": 2},
        [Criterion("rate", 0.3, "<=", 0.2, "bpp")],
        {"pictures": Table(["picture"], [["a.png"]])},
    )
    figure = draw([Panel("x", "y", {"Semapix tiny": [(1.0, 2.0), (0.5, 1.0)]}, {"VTM": [(1.0, 3.0)]})], "title")
    table = [["codec", "bpp"], ["JPEG", "0.5"]]
    return Findings(record, {"Curves": table}, {"curves.png": lambda: figure}, [Failure("b.png, jpeg", "is broken")])


def test_a_folder_holds_record_tables_and_plots(findings, tmp_path):
    findings.save(tmp_path / "new" / "signal")
    findings.save(tmp_path / "new" / "signal")
    folder = tmp_path / "new" / "signal"
    assert sorted(path.name for path in folder.iterdir()) == ["curves.png", "record.json", "tables.md"]
    assert json.loads((folder / "record.json").read_text())["models"] == []
    text = (folder / "tables.md").read_text()
    for line in (
        "# signal on <things>",
        "| JPEG | 0.5 |",
        "| rate | 0.3 bpp | <= 0.2 bpp | NO |",
        "- b.png, jpeg: is broken",
    ):
        assert line in text.splitlines()


def test_the_page_holds_everything_and_needs_no_network(findings, tmp_path):
    findings.save(tmp_path / "results" / "one")
    findings.save(tmp_path / "results" / "two")
    page = tmp_path / "page.html"
    assert write_report([tmp_path / "results"], page) == 2
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 2
    assert "http://" not in text
    assert "https://" not in text
    assert "signal on &lt;things&gt;" in text
    assert "bits &amp; pieces" in text
    assert "<td>JPEG</td>" in text.replace(' style="text-align: right;"', "")
    with pytest.raises(OutputError, match="exists"):
        write_report([tmp_path / "results"], page)


def test_a_folder_without_results(tmp_path):
    with pytest.raises(ArgumentError, match=r"hold no record\.json; run an experiment"):
        write_report([tmp_path], tmp_path / "page.html")


def test_curves_are_sorted_and_published_ones_named():
    panels = [
        Panel("x", "y", {"a": [(2.0, 1.0), (1.0, 0.0)]}, {"b": [(1.0, 1.0)]}, {"level": 0.5}, x_range=(0.0, 3.0)),
        Panel("x", "z", {"c": [(1.0, 1.0)], "a": [(1.0, 1.0)]}, logarithmic=True),
        Panel("x", "w", {"c": [(1.0, 1.0)]}),
    ]
    figure = draw(panels, "title")
    assert isinstance(figure, Figure)
    first, second, third, spare = figure.axes
    assert [line.get_label() for line in first.lines] == ["a", "b (published)", "level"]
    assert list(first.lines[0].get_xdata()) == [1.0, 2.0]
    assert first.lines[0].get_color() == second.lines[1].get_color()
    assert second.get_xscale() == "log"
    assert third.get_visible()
    assert not spare.get_visible()
