"""look, info and cut."""

from __future__ import annotations

import io
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.cli import main
from semapix.stream import _source, write


def ends(content: bytes) -> list[int]:
    """Where the layers of a file end."""
    return [layer.end for layer in semapix.open(content).layers]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# look


def test_look_shows_labels_and_bytes(run, coded, content, tiny_bundle):
    result = run("look", coded, "--model", tiny_bundle, "--top", 2)
    assert (result.status, result.err) == (0, "")
    head, *rows = result.out.splitlines()
    assert head == f"{coded}  fine, {ends(content)[1]} / {len(content)} bytes read"
    labels = semapix.open(content, tiny_bundle).look("fine", top=2)
    assert [row.split() for row in rows] == [[*label.name.split(), f"{label.probability:.1%}"] for label in labels]


@pytest.mark.parametrize(("task", "layers"), [("coarse", 1), ("fine", 2)])
def test_look_json_is_a_list_with_one_object_for_each_file(run, coded, content, tiny_bundle, tmp_path, task, layers):
    (tmp_path / "b.spix").write_bytes(content)
    files = [str(coded), str(tmp_path / "b.spix")]
    result = run("look", *files, "--task", task, "--json", "--model", tiny_bundle)
    assert (result.status, result.err) == (0, "")
    labels = semapix.open(content, tiny_bundle).look(task)
    assert json.loads(result.out) == [
        {
            "file": file,
            "task": task,
            "labels": [{"name": label.name, "probability": label.probability} for label in labels],
            "none_of_these": None,
            "bytes_read": ends(content)[layers - 1],
            "bytes_total": len(content),
        }
        for file in files
    ]


def test_look_says_how_foreign_a_picture_is_where_the_model_knows(run, picture, calibrated_bundle, tmp_path):
    coded = tmp_path / "a.spix"
    semapix.encode(picture, model=calibrated_bundle).save(coded)
    foreign = semapix.open(coded, calibrated_bundle).look().none_of_these
    assert 0 <= foreign <= 1
    *_, last = run("look", coded, "--model", calibrated_bundle).out.splitlines()
    verdict = "likely none of these" if foreign > 0.95 else "none of these?"
    assert last == f"  {verdict}  {foreign:.0%} of known pictures fit better"
    (answer,) = json.loads(run("look", coded, "--json", "--model", calibrated_bundle).out)
    assert answer["none_of_these"] == foreign


def test_look_shows_five_labels_at_most_by_default(run, coded, tiny_bundle):
    (answer,) = json.loads(run("look", coded, "--json", "--model", tiny_bundle).out)
    assert len(answer["labels"]) == 4  # the tiny model knows four
    (answer,) = json.loads(run("look", coded, "--json", "--top", 1, "--model", tiny_bundle).out)
    assert len(answer["labels"]) == 1


def test_look_needs_no_byte_behind_the_layers_of_the_task(run, coded, content, tiny_bundle):
    coded.write_bytes(content[: ends(content)[1]])
    (answer,) = json.loads(run("look", coded, "--json", "--model", tiny_bundle).out)
    assert answer["bytes_read"] == answer["bytes_total"] == ends(content)[1]
    coded.write_bytes(content[: ends(content)[1] - 1])
    result = run("look", coded, "--model", tiny_bundle)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"semapix: {coded}: ends after {ends(content)[1] - 1} bytes, before ")
    assert run("look", coded, "--task", "coarse", "--model", tiny_bundle).status == 0


def test_look_finds_the_installed_model(run, coded, installed_bundle):
    assert run("look", coded).status == 0


def test_look_goes_on_after_a_bad_file(run, coded, content, tiny_bundle, tmp_path):
    (tmp_path / "bad.spix").write_bytes(b"GIF89a, in truth")
    flipped = bytearray(content)
    flipped[25] ^= 1
    (tmp_path / "flipped.spix").write_bytes(flipped)
    files = [tmp_path / "missing.spix", tmp_path / "bad.spix", coded, tmp_path / "flipped.spix"]
    result = run("look", *files, "--json", "--model", tiny_bundle)
    assert result.status == 1
    assert [answer["file"] for answer in json.loads(result.out)] == [str(coded)]
    missing, bad, changed = result.complaints
    assert missing.startswith(f"semapix: {files[0]}: cannot be opened (No such file or directory)")
    assert missing.count(str(files[0])) <= 2
    assert bad == f"semapix: {files[1]}: begins with 47 49 46; a .spix file begins with d3 50 58"
    assert changed.startswith(f"semapix: {files[3]}: layer s1 was changed or damaged: its checksum is ")


def test_look_json_is_an_empty_list_when_all_fail(run, tiny_bundle, tmp_path):
    result = run("look", tmp_path / "missing.spix", "--json", "--model", tiny_bundle)
    assert result.status == 2
    assert json.loads(result.out) == []
    assert len(result.complaints) == 1


def test_look_refuses_an_unknown_task_and_an_unknown_or_wrong_model(
    run, coded, content, tiny_bundle, other_bundle, none_installed
):
    result = run("look", coded, "--task", "mood", "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {coded}: no task is called 'mood'; this model has: coarse, fine\n")
    made_with = content[5:9].hex()
    result = run("look", coded)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"semapix: {coded}: the file was made with model {made_with}, which is not installed")
    result = run("look", coded, "--model", other_bundle)
    assert (result.status, result.out) == (2, "")
    assert f"is not the one that the file was made with ({made_with})" in result.err
    assert run("look", coded, "--top", "0", "--model", tiny_bundle).status == 2


def test_look_reads_a_url(run, coded, content, tiny_bundle, tmp_path):
    (answer,) = json.loads(run("look", f"file://{coded}", "--json", "--model", tiny_bundle).out)
    assert answer["bytes_read"] == ends(content)[1]


# info


def test_info_shows_each_layer(run, coded, content, installed_bundle):
    result = run("info", coded)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    fingerprint = installed_bundle.fingerprint[:4].hex()
    assert lines[:2] == [f"{coded}  40x24, codec scalable (full), quality 5", f"model {fingerprint} (tiny)"]
    assert lines[2].split("  ")[-1] == "checksum"
    rows = [line for line in lines[3:-2] if not line.startswith("    ")]  # those further in are sub-layers
    layers = semapix.open(content).layers
    assert len(rows) == len(layers) > 4
    for row, layer in zip(rows, layers, strict=True):
        bpp, so_far = (f"{8 * count / (40 * 24):.4f}" for count in (layer.length, layer.end))
        assert row.split() == [layer.name, str(layer.length), str(layer.end), bpp, so_far, "ok"]
    assert lines[-2].startswith("metadata EXIF, ")
    assert lines[-1] == f"{len(content)} bytes, complete"


def test_info_json(run, coded, content, none_installed):
    result = run("info", coded, "--json")
    assert (result.status, result.err) == (0, "")
    report = json.loads(result.out)
    layers = report.pop("layers")
    (record,) = report.pop("metadata")
    assert record["kind"] == "EXIF"
    assert report == {
        "file": str(coded),
        "width": 40,
        "height": 24,
        "codec": "scalable",
        "variant": "full",
        "quality": 5,
        "fingerprint": content[5:9].hex(),
        "model": None,
        "bytes_total": len(content),
        "bytes_complete": len(content),
        "complete": True,
    }
    declared = semapix.open(content).layers
    assert layers == [
        {
            "name": layer.name,
            "kind": layer.kind,
            "bytes": layer.length,
            "bpp": 8 * layer.length / (40 * 24),
            "cumulated_bytes": layer.end,
            "cumulated_bpp": 8 * layer.end / (40 * 24),
            "checksum": "ok",
            "sublayers": [
                {
                    "name": point.name,
                    "bytes": length + 2 * (layer.kind == "machine"),
                    "bpp": 8 * (length + 2 * (layer.kind == "machine")) / (40 * 24),
                    "cumulated_bytes": point.bytes,
                    "cumulated_bpp": 8 * point.bytes / (40 * 24),
                    "checksum": "ok",
                }
                for point, length in zip(layer.cut_points, layer.sublayers, strict=True)
            ],
        }
        for layer in declared
    ]
    assert record["bytes"] + declared[-1].end == len(content)


def test_info_of_a_file_that_is_cut_short(run, coded, content):
    declared = semapix.open(content).layers
    coded.write_bytes(content[: declared[3].end + 1])
    report = json.loads(run("info", coded, "--json").out)
    assert [layer["checksum"] for layer in report["layers"]] == ["ok"] * 4 + ["cut off"] * (len(declared) - 4)
    assert (report["complete"], report["bytes_complete"], report["metadata"]) == (False, len(content), [])
    last = run("info", coded).out.splitlines()[-1]
    assert last == f"{declared[3].end + 1} bytes, cut short; the complete file has {len(content)}"

    coded.write_bytes(content[: declared[1].end])
    result = run("info", coded)
    assert result.status == 0
    assert result.out.endswith(f"{declared[1].end} bytes, cut short; the list of its further layers is missing\n")


@pytest.mark.parametrize("number", [0, 1, 2, 4, -1])
def test_info_of_a_damaged_file_shows_which_layer_it_is_and_exits_2(run, coded, content, number):
    declared = semapix.open(content).layers
    broken = declared[number]
    changed = bytearray(content)
    changed[broken.end - 1] ^= 1
    coded.write_bytes(changed)
    result = run("info", coded, "--json")
    assert result.status == 2
    states = {layer["name"]: layer["checksum"] for layer in json.loads(result.out)["layers"]}
    assert states == {layer.name: "wrong" if layer is broken else "ok" for layer in declared}
    (line,) = result.complaints
    assert line.startswith(f"semapix: {coded}: layer {broken.name}")
    assert "was changed or damaged: its checksum is " in line


def test_info_shows_damage_in_the_first_signal_layer_whatever_the_codec(run, tmp_path):
    photo = resources.files("semapix") / "assets" / "lighthouse.png"
    with photo.open("rb") as file:
        pixels = np.asarray(Image.open(file).convert("RGB"))[:256, :256]
    stream = semapix.encode(pixels, "adaptive", 5)
    content, path = bytearray(stream.to_bytes()), tmp_path / "a.spix"
    content[next(point.bytes for point in stream.cut_points if point.name == "s2.2") - 1] ^= 1
    path.write_bytes(content)
    result = run("info", path)
    assert result.status == 2
    assert [line.split()[-1] for line in result.out.splitlines() if line.strip().startswith("s2")] == [
        *("wrong", "ok", "wrong", "ok", "ok")
    ]
    between = semapix.encode(pixels, quality=5.5)
    rule = "layer s3 does not begin with the steps of its quality, 0 to 255, up to quality 9"
    result = run("info", _above_the_best(between, tmp_path))
    assert result.complaints == [f"semapix: {tmp_path / 'b.spix'}: {rule}"]
    assert len(result.out.splitlines()) > len(between.layers)


def _above_the_best(stream: semapix.Stream, folder: Path) -> Path:
    """A file that says quality 9, with steps above it, and the checksums that belong to it."""
    header = stream.header
    codec = stream._fetch(len(stream.layers))
    content = write(
        codec=header.codec,
        quality=9,
        fingerprint=header.fingerprint,
        width=header.width,
        height=header.height,
        machine=codec.machine,
        signal=codec.signal,
        metadata={},
        variant=header.variant,
    )
    path = folder / "b.spix"
    path.write_bytes(content)
    return path


def test_info_of_damaged_metadata(run, coded, content):
    coded.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = run("info", coded)
    assert result.status == 2
    assert result.err.startswith(f"semapix: {coded}: metadata record 2 was changed or damaged: ")
    assert "\nmetadata" not in result.out


def test_info_refuses_what_is_no_file_of_ours(run, coded, content, tmp_path):
    cases = {
        b"": "ends after 0 bytes, inside of its front header",
        b"hello": "begins with 68 65 6c; a .spix file begins with d3 50 58",
        content[:10]: "ends after 10 bytes, inside of its front header",
        content[:3] + b"\x21" + content[4:]: "has format version 2; this release reads version 1",
    }
    for bad, reason in cases.items():
        coded.write_bytes(bad)
        assert run("info", coded) == (2, "", f"semapix: {coded}: {reason}\n")
    assert run("info", tmp_path).status == 2
    coded.write_bytes(content[:12] + bytes([content[12] ^ 1]) + content[13:])
    assert run("info", coded).err.startswith(f"semapix: {coded}: front header was changed or damaged: ")


def test_info_shows_sublayers_beneath_their_layer(run, stepped):
    stream = semapix.open(stepped)
    lines = run("info", stepped).out.splitlines()[3:-1]
    names = [line.split()[0] for line in lines]
    assert names[:7] == ["s1", "s2", "s3", "s3.1", "s3.2", "s3.3", "s4"]
    assert len(names) == 5 + sum(len(layer.sublayers) for layer in stream.layers[2:])
    ends = {point.name: f"{point.bytes:,}" for point in stream.cut_points}
    shown = {line.split()[0]: line.split()[2] for line in lines}
    assert ends.items() <= shown.items()
    assert lines[3].startswith("    s3.1")


def test_info_of_a_file_cut_inside_a_layer(run, stepped):
    content, points = stepped.read_bytes(), {point.name: point.bytes for point in semapix.open(stepped).cut_points}
    damaged = bytearray(content[: points["s4.7"] + 1])
    stepped.write_bytes(damaged)
    result = run("info", stepped, "--json")
    assert result.status == 0
    layers = {layer["name"]: layer for layer in json.loads(result.out)["layers"]}
    assert layers["s4"]["checksum"] == "cut off"
    assert [part["checksum"] for part in layers["s4"]["sublayers"]] == ["ok"] * 7 + ["cut off"] * 2
    damaged[points["s4.7"] - 1] ^= 1
    stepped.write_bytes(damaged)
    result = run("info", stepped, "--json")
    assert result.status == 2
    (line,) = result.complaints
    assert line.startswith(f"semapix: {stepped}: layer s4, sub-layer 7 of 9 was changed or damaged: ")
    layers = {layer["name"]: layer for layer in json.loads(result.out)["layers"]}
    assert layers["s4"]["checksum"] == "wrong"
    assert [part["checksum"] for part in layers["s4"]["sublayers"]] == ["ok"] * 6 + ["wrong"] + ["cut off"] * 2
    assert {part["checksum"] for part in layers["s5"]["sublayers"]} == {"cut off"}


# cut


def test_cut_keeps_the_first_bytes(run, stepped, tmp_path):
    content, points = stepped.read_bytes(), semapix.open(stepped).cut_points
    for number, point in enumerate(points):
        out = tmp_path / f"{number}.spix"
        result = run("cut", stepped, "-o", out, "--bytes", point.bytes + 1)
        wanted = f"{stepped} -> {out}  up to {point.name}, {point.bytes} / {len(content)} bytes\n"
        assert result == (0, wanted, "")
        assert out.read_bytes() == content[: point.bytes]
    assert number > 20
    first, out = points[0].bytes, tmp_path / "none.spix"
    result = run("cut", stepped, "-o", out, "--bytes", first - 1)
    rule = f"--bytes (={first - 1}) must be {first} or more: s1 ends there"
    assert result == (2, "", f"semapix: {stepped}: {rule}\n")
    assert not out.exists()


def test_cut_wants_layers_or_bytes_and_not_both(run, coded, tmp_path):
    out = tmp_path / "a.spix"
    assert run("cut", coded, "-o", out) == (2, "", "semapix: give --layers N or --bytes N: how much to keep\n")
    result = run("cut", coded, "-o", out, "--layers", 2, "--bytes", 99)
    assert result == (2, "", "semapix: --layers (=2) and --bytes (=99) exclude each other; give one of them\n")
    assert run("cut", coded, "-o", out, "--bytes", 0).status == 2
    assert names(tmp_path) == {"photo.spix"}


def test_cut_to_bytes_refuses_damage_among_what_is_kept(run, coded, content, tmp_path):
    changed = bytearray(content)
    changed[ends(content)[3] - 1] ^= 1
    coded.write_bytes(changed)
    result = run("cut", coded, "-o", tmp_path / "a.spix", "--bytes", ends(content)[3])
    assert result.status == 2
    count = len(semapix.open(content).layers[3].sublayers)
    assert result.err.startswith(f"semapix: {coded}: layer s4, sub-layer {count} of {count} was changed or damaged: ")
    assert names(tmp_path) == {"photo.spix"}
    assert run("cut", coded, "-o", tmp_path / "a.spix", "--bytes", ends(content)[3] - 1).status == 0


def test_cut_keeps_the_first_layers(run, coded, content, tiny_bundle, tmp_path):
    declared = semapix.open(content).layers
    for layers in range(1, len(declared) + 1):
        out = tmp_path / f"{layers}.spix"
        end = declared[layers - 1].end
        result = run("cut", coded, "-o", out, "--layers", layers)
        wanted = f"{coded} -> {out}  {layers} layers, {end} / {len(content)} bytes\n"
        assert result == (0, wanted, "")
        assert out.read_bytes() == content[:end]
        assert run("info", out).status == 0


def test_cut_refuses_layers_that_are_not_there(run, coded, content, tmp_path):
    out = tmp_path / "a.spix"
    count = len(ends(content))
    result = run("cut", coded, "-o", out, "--layers", count + 1)
    rule = f"layers (={count + 1}) must lie between 1 and {count}, the layers of this file"
    assert result == (2, "", f"semapix: {coded}: {rule}\n")
    coded.write_bytes(content[: ends(content)[3]])
    result = run("cut", coded, "-o", out, "--layers", 5)
    assert result.err.startswith(f"semapix: {coded}: ends after {ends(content)[3]} bytes, before ")
    assert run("cut", coded, "-o", out, "--layers", 0).status == 2
    assert names(tmp_path) == {"photo.spix"}


def test_cut_refuses_a_damaged_layer_among_those_kept(run, coded, content, tmp_path):
    out = tmp_path / "a.spix"
    changed = bytearray(content)
    changed[ends(content)[3] - 1] ^= 1
    coded.write_bytes(changed)
    result = run("cut", coded, "-o", out, "--layers", 4)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"semapix: {coded}: layer s4")
    assert not out.exists()
    assert run("cut", coded, "-o", out, "--layers", 3).status == 0


def test_cut_keeps_an_existing_output_and_names_a_missing_directory(run, coded, content, tmp_path):
    result = run("cut", coded, "-o", coded, "--layers", 1)
    assert result == (2, "", f"semapix: {coded}: exists already; --force overwrites it\n")
    assert coded.read_bytes() == content
    no = tmp_path / "no"
    result = run("cut", coded, "-o", no / "a.spix", "--layers", 1)
    assert result == (2, "", f"semapix: {no / 'a.spix'}: there is no directory {no}; create it first\n")
    assert run("cut", coded, "-o", coded, "--layers", 1, "--force").status == 0
    assert coded.read_bytes() == content[: ends(content)[0]]


# pipes


class Pipe:
    """Stands for a standard stream that holds bytes."""

    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


def test_files_come_and_go_through_pipes(run, photo, coded, content, tiny_bundle, monkeypatch, tmp_path):
    def through(stdin: bytes, *words: object) -> bytes:
        out = Pipe()
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", Pipe(stdin))
            patch.setattr("sys.stdout", out)
            with pytest.raises(SystemExit) as end:
                main([str(word) for word in words])
        assert not end.value.code
        return out.buffer.getvalue()

    assert through(photo.read_bytes(), "encode", "-", "-o", "-", "--model", tiny_bundle) == content
    assert through(content, "cut", "-", "-o", "-", "--layers", 2) == content[: ends(content)[1]]
    picture = through(content, "decode", "-", "-o", "-", "--model", tiny_bundle)
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(picture))), np.asarray(semapix.open(content, tiny_bundle).image())
    )
    picture = through(content, "decode", "-", "-o", "-", "--format", "webp", "--model", tiny_bundle)
    assert Image.open(io.BytesIO(picture)).format == "WEBP"
    for words in (("look", "-", "--model", tiny_bundle), ("info", "-")):
        monkeypatch.setattr("sys.stdin", Pipe(content))
        assert run(*words).status == 0


class Refusing(io.StringIO):
    """A standard output that can no longer be written to."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.mark.parametrize("gone", [True, False], ids=["nobody reads", "disk full"])
def test_trouble_with_the_output_is_none_of_the_files(coded, tiny_bundle, monkeypatch, capsys, gone):
    error = BrokenPipeError(32, "Broken pipe") if gone else OSError(28, "No space left on device")
    monkeypatch.setattr("sys.stdout", Refusing(error))
    with pytest.raises(SystemExit) as end:
        main(["look", str(coded), "missing.spix", "--model", str(tiny_bundle)])
    told = capsys.readouterr().err.splitlines()
    if gone:  # it ends at once, without a word
        assert (end.value.code, told) == (1, [])
    else:
        assert end.value.code == 2
        assert told[0] == "semapix: the standard output cannot be written to (No space left on device)"


def test_the_standard_input_is_read_once(run, coded, content, tiny_bundle, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", Pipe(content))
    result = run("look", "-", "-", "--model", tiny_bundle)
    assert result.status == 1
    assert result.complaints == ["semapix: -: the standard input is empty, or was read before"]
    result = run("decode", "-", "-o", f"{tmp_path}/", "--model", tiny_bundle)
    assert result.complaints == ["semapix: -: the standard input has no name; name its output"]


# what is left of a file


def test_look_says_what_a_short_file_still_answers(run, coded, content, tiny_bundle):
    coded.write_bytes(content[: ends(content)[0] + 1])
    result = run("look", coded, "--model", tiny_bundle)
    assert result.status == 2
    rest = f"before the end of layer s2 at byte {ends(content)[1]}; it still answers --task coarse\n"
    assert result.err.endswith(rest)
    assert run("look", coded, "--task", "coarse", "--model", tiny_bundle).status == 0
    coded.write_bytes(content[: ends(content)[0] - 1])
    assert "still answers" not in run("look", coded, "--model", tiny_bundle).err


def test_a_picture_is_fetched_in_few_pieces(coded, content, tiny_bundle, monkeypatch):
    fetched = []
    fetch = _source.Source.read

    def read(self, start, end):
        fetched.append((start, end))
        return fetch(self, start, end)

    monkeypatch.setattr(_source.Source, "read", read)
    stream = semapix.open(coded, tiny_bundle)
    stream.image()
    assert len(fetched) <= 5
    assert sum(end - start for start, end in fetched) == stream.bytes_read == len(content)


def test_info_of_a_file_whose_index_is_damaged(run, coded, content, installed_bundle):
    changed = bytearray(content)
    changed[ends(content)[1] + 3] ^= 1
    coded.write_bytes(changed)
    result = run("info", coded)
    assert result.status == 2
    assert [line.split()[0] for line in result.out.splitlines()[2:5]] == ["layer", "s1", "s2"]
    assert result.out.endswith(
        "the list of its further layers is damaged; the machine layers are intact, and answer `semapix look`\n"
    )
    assert "second index" in result.err
    assert run("look", coded).status == 0


def test_a_file_of_labels_alone_says_so(run, photo, coded, content, tiny_bundle, tmp_path):
    small = ends(content)[1] + 2
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", tiny_bundle, "--bytes", small)
    assert ", nothing of the picture" in result.out
    coded.write_bytes(content[: ends(content)[1]])
    result = run("decode", coded, "-o", tmp_path / "a.png", "--model", tiny_bundle)
    assert result.out.endswith("(the file is cut short; used up to s2: nothing of the picture)\n")
