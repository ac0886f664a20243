"""Several files at once: names of outputs, one line for each failure, progress."""

from __future__ import annotations

import io
import sys

import pytest

from semapix.cli._batch import for_each, make_directory, plan_outputs
from semapix.cli._console import complain, progress, say, table
from semapix.errors import ArgumentError, ImageError, OutputError


def test_one_input_may_have_an_output_of_any_name(tmp_path):
    assert plan_outputs(["a.jpg"], str(tmp_path / "b.spix"), ".spix") == {"a.jpg": tmp_path / "b.spix"}


@pytest.mark.parametrize("slash", ["", "/"])
def test_outputs_in_a_directory_have_the_names_of_the_inputs(tmp_path, slash):
    files = ["x/a.jpg", "b.c.png", "noending", "https://host.org/deep/my%20photo.spix?key=a/b.c"]
    outputs = plan_outputs(files, f"{tmp_path}{slash}", ".png")
    assert [path.name for path in outputs.values()] == ["a.png", "b.c.png", "noending.png", "my photo.png"]
    assert {path.parent for path in outputs.values()} == {tmp_path}


def test_several_inputs_need_a_directory(tmp_path):
    file, no = tmp_path / "file", tmp_path / "no"
    file.touch()
    for out in (str(file), f"{no}.png"):
        with pytest.raises(OutputError, match=f"^{out}: is no directory; several inputs need one$"):
            plan_outputs(["a", "b"], out, ".png")
    with pytest.raises(OutputError, match=r"^-: takes the result of one input; several need a directory$"):
        plan_outputs(["a", "b"], "-", ".png")
    assert plan_outputs(["a"], f"{no}.v2", ".png", folder=True) == {"a": tmp_path / "no.v2" / "a.png"}
    assert plan_outputs(["a", "b"], str(no), ".png") == {"a": no / "a.png", "b": no / "b.png"}
    outputs = plan_outputs(["a"], f"{no}/", ".png")
    assert not no.exists()
    make_directory(outputs, f"{no}/")
    make_directory(outputs, f"{no}/")
    assert no.is_dir()
    with pytest.raises(OutputError, match=f"^{file}/: cannot be made a directory"):
        make_directory({"a": file / "a.png"}, f"{file}/")


def test_two_inputs_never_share_an_output(tmp_path):
    with pytest.raises(ArgumentError, match=r"^d/a\.jpg: would become .*a\.spix, and so would a\.png; give them"):
        plan_outputs(["a.png", "b.png", "d/a.jpg"], str(tmp_path), ".spix")
    with pytest.raises(ArgumentError, match=r"^a\.png: would become .*a\.spix, and so would a\.png; give them"):
        plan_outputs(["a.png", "a.png"], str(tmp_path), ".spix")


@pytest.mark.parametrize(("bad", "status"), [("", 0), ("b", 1), ("abc", 2)])
def test_every_file_is_tried_and_the_status_says_how_many_failed(capsys, bad, status):
    tried = []

    def work(file: str) -> None:
        tried.append(file)
        if file in bad:
            raise ImageError("is broken")

    assert for_each(["a", "b", "c"], work) == status
    assert tried == ["a", "b", "c"]
    assert capsys.readouterr().err == "".join(f"semapix: {file}: is broken\n" for file in bad)


def test_a_failure_is_one_line_that_names_the_file_once_and_options_as_they_are_given(capsys):
    complain(ArgumentError("a.png: is\nbroken"), "a.png")
    complain(ArgumentError("quality (=0) is low"), "a.png")
    complain(ArgumentError("strategy (='x') and a strategy of another-quality (=1)"))
    complain(ArgumentError("no model"))
    assert capsys.readouterr().err.splitlines() == [
        "semapix: a.png: is broken",
        "semapix: a.png: --quality (=0) is low",
        "semapix: --strategy (='x') and a strategy of another-quality (=1)",
        "semapix: no model",
    ]


def test_a_full_output_is_named_rather_than_the_input(capsys):
    def work(file: str) -> None:
        raise OutputError("out/a.spix: exists already")

    assert for_each(["a.png"], work) == 2
    assert capsys.readouterr().err == "semapix: out/a.spix: exists already\n"


def test_any_file_name_can_be_printed(monkeypatch):
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    say("é \udcff")
    assert ascii_only.buffer.getvalue() == b"\\xe9 \\udcff\n"  # type: ignore[attr-defined]


def test_tables_are_aligned():
    assert table([("a", "10"), ("long", "9")]) == "  a     10\n  long   9"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("files", "drawn"), [(["a"], False), (["a", "b", "c"], True)])
def test_a_bar_shows_progress_for_several_files_on_a_terminal(monkeypatch, files, drawn):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress(files) as each:
        assert list(each) == files
    assert ("3/3" in sys.stderr.getvalue()) == drawn  # type: ignore[attr-defined]


def test_there_is_no_bar_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress(["a", "b"]) as each:
        assert list(each) == ["a", "b"]
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
