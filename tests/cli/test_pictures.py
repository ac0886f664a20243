"""encode and decode."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semapix


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# encode


def test_encode_writes_the_file_that_the_library_makes(run, photo, tiny_bundle, tmp_path):
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--quality", 7, "--model", tiny_bundle)
    assert result.status == 0
    assert result.err == ""
    content = (tmp_path / "a.spix").read_bytes()
    assert content == semapix.encode(photo, quality=7, model=tiny_bundle).to_bytes()
    bits = 8 * len(content) / (40 * 24)
    assert result.out == f"{photo} -> {tmp_path / 'a.spix'}  40x24, {len(content)} bytes, {bits:.3f} bpp\n"


def test_encode_uses_the_installed_model_of_the_codec(run, photo, installed_bundle, tmp_path):
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", "tiny")
    assert result.status == 0
    assert semapix.open((tmp_path / "a.spix").read_bytes()).header.fingerprint == installed_bundle.fingerprint[:4]


@pytest.mark.parametrize("slash", ["", "/"])
def test_encode_names_outputs_in_a_directory_after_the_inputs(run, photo, tiny_bundle, tmp_path, slash):
    (tmp_path / "second.photo.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "out").mkdir()
    files = [photo, tmp_path / "second.photo.jpg"]
    result = run("encode", *files, "-o", f"{tmp_path / 'out'}{slash}", "--model", tiny_bundle)
    assert result.status == 0
    assert names(tmp_path / "out") == {"photo.spix", "second.photo.spix"}
    assert len(result.out.splitlines()) == 2


def test_encode_goes_on_after_a_broken_picture_and_exits_1(run, photo, tiny_bundle, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:60])
    (tmp_path / "last.png").write_bytes(photo.read_bytes())
    (tmp_path / "out").mkdir()
    files = [photo, tmp_path / "broken.png", tmp_path / "missing.png", tmp_path / "last.png"]
    result = run("encode", *files, "-o", tmp_path / "out", "--model", tiny_bundle)
    assert result.status == 1
    assert [line.split(": ")[:2] for line in result.complaints] == [
        ["semapix", f"{tmp_path / 'broken.png'}"],
        ["semapix", f"{tmp_path / 'missing.png'}"],
    ]
    assert names(tmp_path / "out") == {"photo.spix", "last.spix"}


BAD_PICTURES = {
    "not an image": (b"hello", "is not an image, or of a format that Pillow does not know"),
    "empty": (b"", "is not an image"),
    "no pixels": (png(0, 5), ""),
    "above the limit": (png(8000, 8000), "8000x8000 is 64000000 pixels, more than the limit of 52428800"),
    "a bomb": (png(60000, 60000), "more pixels than the limit of 52428800"),
    "broken": (png(40, 24), "is broken ("),
}


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_encode_refuses_what_is_no_picture(run, tiny_bundle, tmp_path, kind):
    content, reason = BAD_PICTURES[kind]
    bad = tmp_path / "bad.png"
    bad.write_bytes(content)
    result = run("encode", bad, "-o", tmp_path / "bad.spix", "--model", tiny_bundle)
    assert result.status == 2
    assert result.out == ""
    (line,) = result.complaints
    assert line.startswith(f"semapix: {bad}: {reason}")
    assert names(tmp_path) == {"bad.png"}


def test_encode_refuses_a_missing_file(run, tiny_bundle, tmp_path):
    result = run("encode", tmp_path / "no.png", "-o", tmp_path / "a.spix", "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {tmp_path / 'no.png'}: cannot be opened (No such file or directory)\n")


def test_encode_exits_2_when_all_of_several_fail(run, tiny_bundle, tmp_path):
    (tmp_path / "out").mkdir()
    result = run("encode", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out", "--model", tiny_bundle)
    assert result.status == 2
    assert len(result.complaints) == 2
    assert names(tmp_path / "out") == set()


def test_encode_keeps_an_existing_output(run, photo, coded, tiny_bundle, tmp_path):
    before = coded.read_bytes()
    result = run("encode", photo, "-o", coded, "--model", tiny_bundle, "--quality", 9)
    assert result == (2, "", f"semapix: {coded}: exists already; --force overwrites it\n")
    assert coded.read_bytes() == before
    assert run("encode", photo, "-o", coded, "--model", tiny_bundle, "--quality", 9, "--force").status == 0
    assert coded.read_bytes() != before
    assert names(tmp_path) == {"photo.png", "photo.spix"}


def test_encode_skips_only_the_existing_one_of_several(run, photo, coded, tiny_bundle, tmp_path):
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    result = run("encode", photo, tmp_path / "other.png", "-o", tmp_path, "--model", tiny_bundle)
    assert result.status == 1
    assert result.complaints == [f"semapix: {coded}: exists already; --force overwrites it"]
    assert (tmp_path / "other.spix").exists()


def test_encode_makes_the_directory_that_is_named_as_one(run, photo, tiny_bundle, tmp_path):
    no = tmp_path / "not" / "there"
    result = run("encode", photo, "-o", no / "a.spix", "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {no / 'a.spix'}: there is no directory {no}; create it first\n")
    assert run("encode", photo, "-o", f"{no}/", "--model", tiny_bundle, "--quality", 12).status == 2
    assert not no.exists()  # what is wrong for all is said before anything is made
    assert run("encode", photo, "-o", f"{no}/", "--model", tiny_bundle).status == 0
    assert names(no) == {"photo.spix"}


def test_outputs_end_as_what_they_are(run, photo, coded, tiny_bundle, tmp_path):
    before = photo.read_bytes()
    for words in (["encode", photo, "--model", tiny_bundle], ["cut", coded, "--layers", 1]):
        result = run(*words, "-o", photo, "--force")
        assert result == (2, "", f"semapix: {photo}: the name must end in .spix\n")
    assert photo.read_bytes() == before


def test_directories_stand_for_the_files_in_them(run, photo, tiny_bundle, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "more").mkdir()
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    coded, decoded = tmp_path / "coded", tmp_path / "decoded"
    assert run("encode", tmp_path, "-o", coded, "--model", tiny_bundle).status == 0
    assert names(coded) == {"photo.spix", "other.spix"}
    assert run("decode", coded, "-o", decoded, "--model", tiny_bundle).status == 0
    assert names(decoded) == {"photo.png", "other.png"}
    assert run("look", coded, "--model", tiny_bundle).out.count("bytes read") == 2
    (tmp_path / "other.png").rename(tmp_path / "more" / "other.png")
    single = tmp_path / "single"
    assert run("encode", tmp_path / "more", "-o", single, "--model", tiny_bundle).status == 0
    assert names(single) == {"other.spix"}
    (tmp_path / "more" / "other.png").unlink()
    result = run("encode", tmp_path / "more", "-o", coded, "--model", tiny_bundle)
    assert result.status == 2
    assert result.err.startswith(f"semapix: {tmp_path / 'more'}: holds no files that end in .")


def test_what_exists_can_be_left_out(run, photo, coded, tiny_bundle, tmp_path):
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    before = coded.read_bytes()
    result = run("encode", photo, tmp_path / "other.png", "-o", tmp_path, "--model", tiny_bundle, "--skip-existing")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"1 of 2 outputs exist already\n{tmp_path / 'other.png'} -> ")
    assert coded.read_bytes() == before
    again = run("decode", tmp_path, "-o", tmp_path, "--model", tiny_bundle, "--skip-existing")
    assert again == (0, "2 of 2 outputs exist already\n", "")
    alone = run("encode", photo, "-o", coded, "--model", tiny_bundle, "--skip-existing")
    assert alone == (0, "1 of 1 outputs exist already\n", "")
    both = run("decode", tmp_path, "-o", tmp_path, "--model", tiny_bundle, "--skip-existing", "--force")
    assert both == (2, "", "semapix: --skip-existing and --force exclude each other; give one of them\n")


def test_the_exif_block_can_be_left_out(run, photo, tiny_bundle, tmp_path):
    out = tmp_path / "a.spix"
    assert run("encode", photo, "-o", out, "--model", tiny_bundle, "--no-exif").status == 0
    assert "exif" not in semapix.open(out, tiny_bundle).image().info
    assert "exif" in semapix.encode(photo, model=tiny_bundle).image().info


def test_encode_refuses_an_unknown_codec_or_model_once_for_all_files(run, photo, none_installed, tiny_bundle, tmp_path):
    (tmp_path / "out").mkdir()

    def encode(*options):
        result = run("encode", photo, tmp_path / "b.png", "-o", tmp_path / "out", *options)
        assert (result.status, result.out) == (2, "")
        (line,) = result.complaints
        return line

    assert (
        encode("--codec", "jpeg") == "semapix: no codec is called 'jpeg'; there are: scalable, adaptive, dicm, deepsic"
    )
    none = "installed: none; or give the path of a .spxm file"
    assert encode("--model", "mine") == f"semapix: no model is called 'mine'; {none}"
    assert encode("--model", tmp_path / "mine.spxm") == f"semapix: {tmp_path / 'mine.spxm'}: no such bundle"
    (tmp_path / "mine.spxm").write_bytes(tiny_bundle.read_bytes()[:1000])
    assert encode("--model", tmp_path / "mine.spxm").startswith(
        f"semapix: {tmp_path / 'mine.spxm'}: not an intact bundle ("
    )
    assert names(tmp_path / "out") == set()


def test_encode_within_bytes_writes_the_file_that_the_library_makes(run, photo, planes_bundle, tmp_path):
    out = tmp_path / "a.spix"
    whole = semapix.encode(photo, "planes", 6, planes_bundle)
    limits = {whole.bytes_total: ("6", True), whole.bytes_total + 300: ("7", False), 400: ("2", False)}
    for limit, (quality, complete) in limits.items():
        options = ("--codec", "planes", "--model", planes_bundle, "--bytes", limit, "--force")
        result = run("encode", photo, "-o", out, *options)
        assert (result.status, result.err) == (0, "")
        content = out.read_bytes()
        stream = semapix.encode(photo, "planes", model=planes_bundle, max_bytes=limit)
        assert content == stream.to_bytes()
        assert len(content) <= limit
        end = "" if complete else f" up to {stream.cut_points[-1].name}, without its EXIF"
        assert result.out.endswith(
            f"{len(content):,} bytes, {8 * len(content) / 960:.3f} bpp, quality {quality}{end}\n"
        )


def test_encode_refuses_bytes_beside_a_quality_and_too_few_of_them(run, photo, tiny_bundle, tmp_path):
    out, first = tmp_path / "a.spix", semapix.encode(photo, model=tiny_bundle).cut_points[0].bytes
    result = run("encode", photo, "-o", out, "--model", tiny_bundle, "--bytes", 900, "--quality", 5)
    assert result == (2, "", "semapix: --quality (=5) and --bytes (=900) exclude each other; give one of them\n")
    result = run("encode", photo, "-o", out, "--model", tiny_bundle, "--bytes", first - 1)
    rule = f"--bytes (={first - 1}) must be {first} or more: s1 ends there"
    assert result == (2, "", f"semapix: {photo}: {rule}\n")
    assert run("encode", photo, "-o", out, "--bytes", "0").status == 2
    assert names(tmp_path) == {"photo.png"}


@pytest.mark.parametrize("quality", ["0", "10", "high"])
def test_encode_refuses_a_quality_out_of_range(run, photo, tmp_path, quality):
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--quality", quality)
    assert result.status == 2
    assert "--quality" in result.err
    assert names(tmp_path) == {"photo.png"}


def test_encode_says_that_an_output_is_needed(run, photo):
    result = run("encode", photo)
    assert result.status == 2
    assert "--out" in result.err


# decode


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp"])
def test_decode_writes_the_picture_that_the_library_gives(run, coded, tiny_bundle, tmp_path, ending):
    out = tmp_path / f"a.{ending}"
    result = run("decode", coded, "-o", out, "--model", tiny_bundle)
    size = coded.stat().st_size
    assert result == (0, f"{coded} -> {out}  40x24, {size} / {size} bytes read\n", "")
    with Image.open(out) as picture:
        assert picture.format == {"png": "PNG", "webp": "WEBP"}.get(ending, "JPEG")
        assert picture.size == (40, 24)
        assert picture.getexif()[0x0131] == "tests"
        if ending == "png":
            stream = semapix.open(coded, tiny_bundle)
            assert np.array_equal(np.asarray(picture), np.asarray(stream.image()))


def test_decode_uses_the_first_layers_and_reads_no_more(run, coded, tiny_bundle, tmp_path):
    out = tmp_path / "a.png"
    result = run("decode", coded, "-o", out, "--layers", 3, "--model", tiny_bundle)
    stream = semapix.open(coded, tiny_bundle)
    wanted, end = np.asarray(stream.image(3)), stream.layers[2].end
    assert result.out == f"{coded} -> {out}  40x24, {end} / {coded.stat().st_size} bytes read\n"
    with Image.open(out) as picture:
        assert np.array_equal(np.asarray(picture), wanted)


def test_decode_says_that_a_file_is_cut_short(run, coded, content, tiny_bundle, tmp_path):
    coded.write_bytes(content[:-1])
    result = run("decode", coded, "-o", tmp_path / "a.png", "--model", tiny_bundle)
    assert result.status == 0
    last = semapix.open(content).layers[-1].cut_points[-1].name
    assert result.out.endswith(f" bytes read (the file is cut short; used up to {last})\n")


def test_decode_uses_all_whole_sublayers(run, stepped, planes_bundle, tmp_path):
    out, point = tmp_path / "a.png", semapix.open(stepped).cut_points[9]
    stepped.write_bytes(stepped.read_bytes()[: point.bytes + 1])
    result = run("decode", stepped, "-o", out, "--model", planes_bundle)
    size = point.bytes + 1
    read = f"{point.bytes} / {size} bytes read (the file is cut short; used up to {point.name})"
    assert result == (0, f"{stepped} -> {out}  20x12, {read}\n", "")
    with Image.open(out) as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(semapix.open(stepped, planes_bundle).image()))


@pytest.mark.parametrize(("options", "ending"), [([], "png"), (["--format", "webp"], "webp")])
def test_decode_names_outputs_in_a_directory_after_the_inputs(
    run, coded, content, tiny_bundle, tmp_path, options, ending
):
    (tmp_path / "second").write_bytes(content)
    (tmp_path / "out").mkdir()
    result = run("decode", coded, tmp_path / "second", "-o", tmp_path / "out", *options, "--model", tiny_bundle)
    assert result.status == 0
    assert names(tmp_path / "out") == {f"photo.{ending}", f"second.{ending}"}


def test_decode_refuses_a_format_beside_a_file(run, coded, tiny_bundle, tmp_path):
    out = tmp_path / "a.png"
    result = run("decode", coded, "-o", out, "--format", "jpg", "--model", tiny_bundle)
    reason = f"--format (=jpg) is for a directory; the ending of {out} says its format"
    assert result == (2, "", f"semapix: {reason}\n")


def test_decode_refuses_an_unknown_ending_before_it_reads(run, tiny_bundle, tmp_path):
    out = tmp_path / "a.gif"
    result = run("decode", tmp_path / "missing.spix", "-o", out, "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {out}: the name must end in .png, .jpg, .jpeg or .webp\n")


def test_decode_refuses_layers_that_are_not_there(run, coded, content, tiny_bundle, tmp_path):
    def decode(layers):
        result = run("decode", coded, "-o", tmp_path / "a.png", "--layers", layers, "--model", tiny_bundle)
        assert (result.status, result.out) == (2, "")
        return result.err

    count = len(semapix.open(content).layers)
    rule = f"layers (={count + 1}) must lie between 1 and {count}, the layers of this file"
    assert decode(count + 1) == f"semapix: {coded}: {rule}\n"
    coded.write_bytes(content[:-50])
    assert decode(count).startswith(f"semapix: {coded}: ends after {len(content) - 50} bytes, before ")
    assert names(tmp_path) == {"photo.spix"}


def test_decode_keeps_an_existing_output(run, coded, photo, tiny_bundle):
    before = photo.read_bytes()
    result = run("decode", coded, "-o", photo, "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {photo}: exists already; --force overwrites it\n")
    assert photo.read_bytes() == before
    assert run("decode", coded, "-o", photo, "--model", tiny_bundle, "--force").status == 0
    assert photo.read_bytes() != before


def test_decode_refuses_two_inputs_for_one_output_before_it_writes(run, coded, content, tiny_bundle, tmp_path):
    (tmp_path / "more").mkdir()
    twin = tmp_path / "more" / "photo.spix"
    twin.write_bytes(content)
    result = run("decode", coded, twin, "-o", tmp_path, "--model", tiny_bundle)
    both = f"{twin}: would become {tmp_path / 'photo.png'}, and so would {coded}"
    assert result == (2, "", f"semapix: {both}; give them different names or outputs\n")
    assert names(tmp_path) == {"photo.spix", "more"}


def test_decode_refuses_an_unknown_and_a_wrong_model(run, coded, other_bundle, none_installed, tmp_path):
    out = tmp_path / "a.png"
    made_with = semapix.open(coded.read_bytes()).header.fingerprint.hex()
    result = run("decode", coded, "-o", out)
    assert result == (
        2,
        "",
        f"semapix: {coded}: the file was made with model {made_with}, which is not installed (installed: none); "
        "name its bundle with --model FILE.spxm\n",
    )
    result = run("decode", coded, "-o", out, "--model", other_bundle)
    assert result.status == 2
    assert result.err.startswith(f"semapix: {coded}: model other (")
    assert result.err.endswith(f") is not the one that the file was made with ({made_with})\n")
    assert not out.exists()


def test_decode_of_a_file_with_any_byte_flipped_fails_closed(run, content, tiny_bundle, tmp_path):
    flipped, out = tmp_path / "flipped", tmp_path / "out"
    flipped.mkdir()
    out.mkdir()
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        (flipped / f"{at:04}.spix").write_bytes(changed)
    files = sorted(flipped.iterdir())
    result = run("decode", *files, "-o", out, "--model", tiny_bundle)
    assert result.status == 2
    assert result.out == ""
    assert [line.split(": ")[1] for line in result.complaints] == [str(file) for file in files]
    assert len(files) == len(content) > 200
    assert names(out) == set()


def test_decode_of_a_file_with_its_header_cut_fails(run, coded, content, tiny_bundle, tmp_path):
    for length, reason in ((0, "ends after 0 bytes"), (3, "ends after 3 bytes"), (12, "ends after 12 bytes")):
        coded.write_bytes(content[:length])
        result = run("decode", coded, "-o", tmp_path / "a.png", "--model", tiny_bundle)
        assert result == (2, "", f"semapix: {coded}: {reason}, inside of its front header\n")
    coded.write_bytes(content[:20])
    result = run("decode", coded, "-o", tmp_path / "a.png", "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {coded}: ends before its first layer does\n")
    assert names(tmp_path) == {"photo.spix"}


# variants and labels of deepsic


def test_encode_takes_a_variant_and_labels(run, photo, tiny_bundles, tmp_path):
    model = tiny_bundles["deepsic"]
    result = run("encode", photo, "-o", tmp_path / "post.spix", "--variant", "post", "--model", model)
    assert (result.status, result.err) == (0, "")
    assert (tmp_path / "post.spix").read_bytes() == semapix.encode(photo, model=model, variant="post").to_bytes()
    labels = ["--label", "thing 2", "--label", "odd"]
    result = run("encode", photo, "-o", tmp_path / "pre.spix", *labels, "--model", model, "--codec", "deepsic")
    assert (result.status, result.err) == (0, "")
    assert run("look", tmp_path / "pre.spix", "--top", "1", "--model", model).out.split()[-3:-1] == ["thing", "2"]
    assert (
        f"{tmp_path / 'post.spix'}  40x24, codec deepsic (post), quality 5" in run("info", tmp_path / "post.spix").out
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--variant", "best"], "--variant (='best') must be one of: pre, post"),
        (["--variant", "post", "--label", "odd"], "a post-semantic file holds no labels; for labels of your own, "),
        (["--label", "cow"], "label 'cow' is none of the model's; `semapix models --labels deepsic` lists them"),
        (["--label", "thing 1"] * 1 + ["--codec", "scalable"], "model deepsic is for codec deepsic, not scalable"),
    ],
)
def test_encode_refuses_what_a_variant_cannot_do(run, photo, tiny_bundles, tmp_path, options, line):
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", tiny_bundles["deepsic"], *options)
    assert (result.status, result.out) == (2, "")
    assert len(result.complaints) == 1
    assert line in result.err
    assert not (tmp_path / "a.spix").exists()


def test_encode_refuses_labels_and_variants_that_scalable_does_not_have(run, photo, tiny_bundle, tmp_path):
    for options, line in (
        (["--label", "odd"], "codec scalable writes features, no labels; to state labels, choose deepsic or adaptive"),
        (["--variant", "pre"], "--variant (='pre') must be one of: full, half, quarter"),
    ):
        result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", tiny_bundle, *options)
        assert result.status == 2
        assert result.complaints == [f"semapix: {photo}: {line}"] or result.complaints == [f"semapix: {line}"]


# rates and steering of adaptive


def test_encode_and_decode_take_what_steers(run, photo, tiny_bundles, tmp_path):
    model, out = tiny_bundles["adaptive"], tmp_path / "a.spix"
    Image.new("L", (40, 24), 128).save(tmp_path / "map.png")
    options = ["--qmap", tmp_path / "map.png", "--roi", "0,0,16,16", "--roi", "32,8,8,8", "--quality", "4"]
    result = run("encode", photo, "-o", out, "--model", model, *options)
    assert (result.status, result.err) == (0, "")
    boxes = [(0, 0, 16, 16), (32, 8, 8, 8)]
    wanted = semapix.encode(photo, quality=4, model=model, quality_map=tmp_path / "map.png", regions=boxes)
    assert out.read_bytes() == wanted.to_bytes()
    budget = wanted.bytes_total
    result = run("encode", photo, "-o", out, "--model", model, "--bytes", budget, "--strategy", "uniform", "--force")
    assert (result.status, result.err) == (0, "")
    assert out.stat().st_size <= wanted.bytes_total
    assert ", quality " in result.out
    result = run(
        "encode", photo, "-o", tmp_path / "half.spix", "--model", model, "--variant", "half", "--bytes", budget
    )
    assert (result.status, result.err) == (0, "")
    assert ", variant half, quality " in result.out
    result = run("info", tmp_path / "half.spix")
    assert "codec adaptive (half), quality" in result.out
    assert run("decode", out, "-o", tmp_path / "a.png", "--decoder", "vivid", "--model", model).status == 0
    with Image.open(tmp_path / "a.png") as decoded:
        vivid = semapix.open(out, model).image(decoder="vivid")
        assert np.array_equal(np.asarray(decoded), np.asarray(vivid))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--bpp", "0"], "--bpp (=0.0) must be above 0, and at most 100"),
        (["--bpp", "0.5", "--quality", "5"], "--quality (=5) and --bpp (=0.5) exclude each other; give one of them"),
        (["--bpp", "0.5", "--bytes", "90"], "--bytes (=90) and --bpp (=0.5) exclude each other; give one of them"),
        (
            ["--bpp", "90"],
            " or less: this picture takes no more at the highest quality; --bytes (=",
        ),
        (["--bpp", "0.001"], " or more: this picture takes that at the lowest quality"),
        (["--quality", "10"], "Input should be less than or equal to 9, not '10' (see semapix encode --help)"),
        (["--roi", "1,2,3"], "--roi (=1,2,3) must be four whole numbers of pixels: X,Y,W,H"),
        (["--roi", "1,2,3,x"], "--roi (=1,2,3,x) must be four whole numbers of pixels: X,Y,W,H"),
        (["--roi", "-1,2,3,4"], "--roi (=-1,2,3,4) must be four whole numbers of pixels: X,Y,W,H"),
        (["--roi", "30,0,11,4"], "must be of 1x1 pixels or more, and lie within the picture, 40x24"),
        (["--strategy", "best"], "--strategy (='best') must be one of: blended, semantic, complexity, simplicity, "),
    ],
)
def test_encode_refuses_rates_and_steering_that_do_not_fit(run, photo, tiny_bundles, tmp_path, options, line):
    result = run("encode", photo, "-o", tmp_path / "a.spix", "--model", tiny_bundles["adaptive"], *options)
    assert (result.status, result.out) == (2, "")
    assert len(result.complaints) == 1
    assert line in result.err
    assert not (tmp_path / "a.spix").exists()


def test_encode_says_once_what_is_wrong_for_all_pictures(run, photo, tiny_bundles, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    (tmp_path / "out").mkdir()
    command = ["encode", photo, other, "-o", tmp_path / "out", "--model", tiny_bundles["adaptive"]]
    for options, line in (
        (["--strategy", "best"], "--strategy (='best') must be one of: "),
        (["--bpp", "0"], "--bpp (=0.0) must be above 0, and at most 100"),
        (["--qmap", tmp_path / "none.png"], f"{tmp_path / 'none.png'}: cannot be opened"),
        (["--qmap", photo, "--strategy", "uniform"], "--strategy (='uniform') and a quality map exclude each other"),
    ):
        result = run(*command, *options)
        assert (result.status, result.out) == (2, "")
        assert len(result.complaints) == 1
        assert result.err.startswith(f"semapix: {line}")


def test_encode_refuses_a_map_of_another_size(run, photo, tiny_bundles, tmp_path):
    Image.new("L", (41, 24)).save(tmp_path / "map.png")
    options = ["--qmap", tmp_path / "map.png", "--model", tiny_bundles["adaptive"]]
    result = run("encode", photo, "-o", tmp_path / "a.spix", *options)
    rule = "the quality map is 41x24, the picture 40x24: they must be of one size"
    assert result == (2, "", f"semapix: {photo}: {rule}\n")


def test_decode_refuses_a_decoder_that_is_not_there(run, coded, tiny_bundle, tmp_path):
    result = run("decode", coded, "-o", tmp_path / "a.png", "--decoder", "vivid", "--model", tiny_bundle)
    assert result == (2, "", f"semapix: {coded}: --decoder (='vivid'): codec scalable has one only\n")
