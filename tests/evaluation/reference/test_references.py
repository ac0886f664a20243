"""Every reference codec: real files, in the form that the records say. A new codec needs no new test here."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from semapix.errors import ArgumentError
from semapix.evaluation.metrics import psnr
from semapix.evaluation.reference import REFERENCES, ReferenceCodec, ReferenceFailure
from tests.pictures import picture

ORIGINAL = picture(160, 120)

each_codec = pytest.mark.parametrize("codec", REFERENCES.values(), ids=REFERENCES)


def test_there_are_twelve_in_the_order_of_display():
    assert list(REFERENCES) == [
        *("jpeg", "jpeg-444", "jpeg2000", "webp", "avif", "avif-444"),
        *("jxl", "heic", "heic-444", "hevc", "hevc-420", "vvc"),
    ]
    assert len({codec.label for codec in REFERENCES.values()}) == 12


def test_importing_them_needs_none_of_their_packages():
    packages = ["imagecodecs", "pillow_heif", "imageio_ffmpeg"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({packages}));"
        "from semapix.evaluation.reference import REFERENCES;"
        "print(*[name for name, codec in REFERENCES.items() if codec.missing()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["jxl", "heic", "heic-444", "hevc", "hevc-420", "vvc"]


@each_codec
def test_the_statement_is_one_line_with_the_sampling(codec: ReferenceCodec):
    assert codec.missing() is None
    assert "\n" not in codec.what
    assert codec.sampling in ("4:4:4", "4:2:0")
    assert codec.sampling in codec.what


@each_codec
def test_more_bytes_are_better(codec: ReferenceCodec):
    settings = [codec.sweep[0], codec.sweep[len(codec.sweep) // 2], codec.sweep[-1]]
    files = [codec.encode(ORIGINAL, setting) for setting in settings]
    figures = [psnr(codec.decode(file, ORIGINAL.shape), ORIGINAL) for file in files]
    assert sorted(map(len, files)) == [len(file) for file in files]
    assert sorted(figures) == figures
    assert figures[-1] > 30
    for file in files:
        assert 0 < codec.payload(file) <= len(file)


@each_codec
def test_the_sweep_goes_from_coarse_to_fine_on_the_dial(codec: ReferenceCodec):
    assert 6 <= len(codec.sweep) <= 13
    assert list(codec.sweep) in (sorted(codec.sweep), sorted(codec.sweep, reverse=True))
    for setting in codec.sweep:
        codec.dial.check(setting)


@each_codec
@pytest.mark.parametrize(("width", "height"), [(1, 1), (61, 47), (34, 33)])
def test_every_size(codec: ReferenceCodec, width: int, height: int):
    original = np.full((height, width, 3), (200, 120, 60), np.uint8)
    file = codec.encode(original, codec.sweep[-1])
    decoded = codec.decode(file, (height, width))
    assert decoded.shape == (height, width, 3)
    assert decoded.dtype == np.uint8
    assert abs(decoded.astype(int) - original).max() <= 6


@each_codec
def test_the_sampling_is_real(codec: ReferenceCodec):
    """Columns of two colours of one luma: they stay apart only where chroma is as fine as luma."""
    columns = np.arange(64) % 2
    colours = np.array([[150, 110, 128], [90, 141, 128]], np.uint8)  # 0.299 R + 0.587 G + 0.114 B = 124
    original = np.broadcast_to(colours[columns], (64, 64, 3)).copy()
    decoded = codec.decode(codec.encode(original, codec.sweep[-1]), original.shape).astype(int)
    contrast = np.mean(decoded[:, columns == 0, 0] - decoded[:, columns == 1, 0]) / 60
    if codec.sampling == "4:4:4":
        assert contrast > 0.7
    else:
        assert abs(contrast) < 0.15


@each_codec
def test_settings_off_the_dial(codec: ReferenceCodec):
    dial = codec.dial
    for setting in (dial.low - 1, dial.high + 1, float("nan")):
        rule = rf"{dial.name} \(={setting:g}\) must lie between {dial.low:g} and {dial.high:g}"
        with pytest.raises(ArgumentError, match=rule):
            codec.encode(ORIGINAL, setting)
    if dial.whole:
        with pytest.raises(ArgumentError, match=rf"{dial.name} \(=20\.5\) must be a whole number"):
            codec.encode(ORIGINAL, 20.5)


@each_codec
def test_arrays_that_are_no_picture(codec: ReferenceCodec):
    with pytest.raises(ArgumentError, match=r"pixels must be uint8 of shape \(H, W, 3\), not float64 \(4, 4, 3\)"):
        codec.encode(np.zeros((4, 4, 3)), codec.sweep[0])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"pixels must be uint8 of shape \(H, W, 3\), not uint8 \(0, 4, 3\)"):
        codec.encode(np.zeros((0, 4, 3), np.uint8), codec.sweep[0])
    with pytest.raises(ArgumentError, match=r"height \(=0\) and width \(=4\) must be at least 1"):
        codec.decode(b"", (0, 4))


@each_codec
def test_bytes_that_are_no_file(codec: ReferenceCodec):
    with pytest.raises(ReferenceFailure, match=rf"^{codec.name} cannot decode 8 bytes: .+") as raised:
        codec.decode(b"nonsense", (8, 8))
    assert "\n" not in str(raised.value)


@each_codec
def test_a_file_of_another_shape(codec: ReferenceCodec):
    file = codec.encode(ORIGINAL, codec.sweep[0])
    with pytest.raises(ReferenceFailure, match=rf"^{codec.name} (decoded an array of \(120, 160, 3\), not of|cannot)"):
        codec.decode(file, (48, 64))


@each_codec
def test_a_codec_that_cannot_run_says_so(codec: ReferenceCodec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(codec), "missing", lambda self: "it is not there")
    for action in (lambda: codec.encode(ORIGINAL, codec.sweep[0]), lambda: codec.decode(b"", (4, 4))):
        with pytest.raises(ReferenceFailure, match=rf"^{codec.name} cannot run: it is not there$"):
            action()
