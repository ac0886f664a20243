"""HEVC and VVC streams: nothing in them but the picture, and failures of ffmpeg in one line."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from semapix.evaluation.metrics import psnr
from semapix.evaluation.reference import ReferenceFailure, ffmpeg
from semapix.evaluation.reference.ffmpeg import HEVC, HEVC_420, VVC, FfmpegCodec
from tests.pictures import picture

SMALL = picture(64, 48)


def units(stream: bytes) -> list[bytes]:
    """The NAL units of an elementary stream."""
    return re.split(b"\0\0\0?\1", stream)[1:]


def test_hevc_holds_parameter_sets_and_one_picture():
    kinds = [unit[0] >> 1 for unit in units(HEVC.encode(SMALL, 40))]
    assert kinds[:3] == [32, 33, 34]  # VPS, SPS, PPS
    assert kinds[3:] in ([19], [20])  # an IDR picture, and no SEI (39)


def test_vvc_holds_parameter_sets_and_one_picture():
    kinds = [unit[1] >> 3 for unit in units(VVC.encode(SMALL, 40))]
    assert kinds[:2] == [15, 16]  # SPS, PPS
    assert kinds[-1] in (7, 8)  # an IDR picture
    assert set(kinds[2:-1]) <= {17}  # and no delimiter (20) or SEI (23) between, only adaptation parameters


@pytest.mark.parametrize(("codec", "chroma_format"), [(HEVC, 3), (HEVC_420, 1)])
def test_the_sps_says_the_sampling(codec: FfmpegCodec, chroma_format: int):
    parameters = units(codec.encode(SMALL, 40))[1].replace(b"\0\0\3", b"\0\0")
    bits = "".join(f"{byte:08b}" for byte in parameters[15:17])  # behind two bytes of NAL, one, and 12 of the profile
    assert bits.startswith("1")  # sps_seq_parameter_set_id = 0 as Exp-Golomb code
    zeros = bits[1:].index("1")
    assert int(bits[1 + zeros : 2 + 2 * zeros], 2) - 1 == chroma_format


def test_4_4_4_is_not_capped():
    original = picture(96, 64, seed=3)
    assert psnr(HEVC.decode(HEVC.encode(original, 4), original.shape), original) > 50


@pytest.mark.parametrize(("codec", "share"), [(HEVC, 0.1), (VVC, 0.1), (VVC, 0.5)])
def test_a_stream_that_ends_too_early(codec: FfmpegCodec, share: float):
    """Within the parameter sets; within the picture, too, where ffmpeg notices it (it does not for HEVC)."""
    file = codec.encode(picture(160, 120), 30)
    part = file[: round(share * len(file))]
    with pytest.raises(ReferenceFailure, match=rf"^{codec.name} cannot decode {len(part)} bytes: ffmpeg ended with"):
        codec.decode(part, (120, 160))


def test_a_failing_encoder():
    broken = replace(HEVC, smallest=1)
    with pytest.raises(ReferenceFailure) as raised:
        broken.encode(np.zeros((8, 8, 3), np.uint8), 30)
    assert re.fullmatch(
        r"hevc at qp 30 failed: ffmpeg ended with \d+: Image size is too small \(8x8\)\.", str(raised.value)
    )


def test_an_encoder_that_takes_too_long(monkeypatch: pytest.MonkeyPatch):
    assert HEVC.missing() is None  # so that the list of encoders is known
    monkeypatch.setattr(ffmpeg, "TIMEOUT", 0.001)
    with pytest.raises(ReferenceFailure, match=r"^hevc at qp 30 failed: ffmpeg took longer than 0\.001 s$"):
        HEVC.encode(SMALL, 30)


def test_no_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert VVC.missing() == (
        "imageio-ffmpeg is not installed; pip install imageio-ffmpeg (or 'semapix[eval]' for all of them)"
    )


def test_no_program(monkeypatch: pytest.MonkeyPatch):
    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", none)
    assert VVC.missing() == (
        "imageio-ffmpeg has no ffmpeg for this machine; install one and name it in IMAGEIO_FFMPEG_EXE"
    )


def test_a_program_without_the_encoder(monkeypatch: pytest.MonkeyPatch):
    assert (
        replace(VVC, encoder="libvtm")
        .missing()
        .endswith(  # type: ignore[union-attr]
            " has no libvtm; name an ffmpeg that has it in IMAGEIO_FFMPEG_EXE"
        )
    )
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    assert VVC.missing() == "/nowhere/ffmpeg has no libvvenc; name an ffmpeg that has it in IMAGEIO_FFMPEG_EXE"
