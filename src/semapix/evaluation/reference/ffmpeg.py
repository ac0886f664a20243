"""HEVC and VVC by the ffmpeg program that imageio-ffmpeg brings, as elementary streams: no container counts.

Colour is converted here (see `ycbcr`), so that ffmpeg only codes planes, and so that no byte is spent on saying which
colours they are.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from semapix.evaluation.reference.base import Dial, Pixels, ReferenceCodec, package_missing
from semapix.evaluation.reference.ycbcr import Planes

__all__ = ["HEVC", "HEVC_420", "VVC"]

TIMEOUT = 7200.0
"""Seconds that one call of ffmpeg may take: VVC needs about 10 for a picture of 768x512 on a core of its own, and many
times that for a large one on cores that others use."""


@dataclass(frozen=True)
class FfmpegCodec(ReferenceCodec):
    """A video encoder of ffmpeg, used for one picture.

    Pictures are padded to `smallest` and, for 4:2:0, to even sides by repeating the last row and column; decoding cuts
    that off again.
    """

    encoder: str
    """ffmpeg's name of the encoder."""
    form: str
    """ffmpeg's name of the format of elementary streams."""
    options: str
    """What the encoder is given, in ffmpeg's words, with `{qp}` for the setting."""
    smallest: int
    """The shortest side that the encoder takes, in pixels."""

    def missing(self) -> str | None:
        """See `ReferenceCodec`."""
        if line := package_missing("imageio_ffmpeg", "imageio-ffmpeg"):
            return line
        import imageio_ffmpeg

        try:
            program = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError:
            return "imageio-ffmpeg has no ffmpeg for this machine; install one and name it in IMAGEIO_FFMPEG_EXE"
        if self.encoder not in _encoders(program):
            return f"{program} has no {self.encoder}; name an ffmpeg that has it in IMAGEIO_FFMPEG_EXE"
        return None

    def payload(self, data: bytes) -> int:
        """All bytes: an elementary stream has no container."""
        return len(data)

    def _encode(self, pixels: Pixels, setting: float) -> bytes:
        planes = self._planes(pixels.shape[:2])
        bottom, right = planes.height - pixels.shape[0], planes.width - pixels.shape[1]
        padded = np.pad(pixels, ((0, bottom), (0, right), (0, 0)), "edge")
        options = self.options.format(qp=int(setting)).split()
        source = ["-f", "rawvideo", "-pix_fmt", planes.name, "-s", f"{planes.width}x{planes.height}", "-i", "pipe:0"]
        command = [*source, "-c:v", self.encoder, "-threads", "1", *options, "-f", self.form, "pipe:1"]
        done = _ffmpeg(command, planes.of(padded))
        if done.returncode or not done.stdout:
            raise RuntimeError(_cause(done))
        return done.stdout

    def _decode(self, data: bytes, shape: tuple[int, int]) -> Pixels:
        planes = self._planes(shape)
        command = ["-threads", "1", "-f", self.form, "-i", "pipe:0", "-f", "rawvideo", "-pix_fmt", planes.name]
        done = _ffmpeg([*command, "pipe:1"], data)
        # A VVC stream that ends too early gives a grey bottom, an error on stderr, and yet the exit status 0.
        if done.returncode or done.stderr:
            raise RuntimeError(_cause(done))
        return planes.pixels(done.stdout)[: shape[0], : shape[1]].copy()

    def _planes(self, shape: Sequence[int]) -> Planes:
        subsampled = self.sampling == "4:2:0"
        height, width = (max(side + (side % 2 if subsampled else 0), self.smallest) for side in shape)
        return Planes(height, width, subsampled)


@cache
def _encoders(program: str) -> frozenset[str]:
    """The names of the encoders that a program has; none when it does not run."""
    try:
        listing = _run([program, "-hide_banner", "-encoders"], b"").stdout.decode("utf-8", "replace")
    except OSError:
        return frozenset()
    return frozenset(line.split()[1] for line in listing.splitlines() if len(line.split()) > 1)


def _ffmpeg(command: Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    import imageio_ffmpeg

    return _run([imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", *command], data)


def _run(command: Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"ffmpeg took longer than {TIMEOUT:g} s") from error


def _cause(done: subprocess.CompletedProcess[bytes]) -> str:
    """ffmpeg's first complaint: the lines after it only tell which of its parts then gave up."""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    first = lines[0] if lines else "it wrote nothing"
    return f"ffmpeg ended with {done.returncode}: {first.rpartition('] ')[2]}"


# `info` would add two kilobytes of text. Wavefronts would cost half a percent of the rate.
_X265 = "-preset slow -tune psnr -x265-params qp={qp}:keyint=1:info=0:wpp=0:pools=none:frame-threads=1"
# The settings of the GOP are those of intra coding: they make the parameter sets 100 bytes shorter.
_VVENC = (
    "-preset medium -qp {qp} -qpa 0 "
    "-vvenc-params IntraPeriod=1:GOPSize=1:AccessUnitDelimiter=0:VuiParametersPresent=0:HrdParametersPresent=0"
)

_QP = Dial("qp", 0, 51)
_HEVC_SWEEP = (50, 46, 42, 38, 34, 30, 26, 22)

HEVC = FfmpegCodec(
    name="hevc",
    label="HEVC (x265)",
    what=(
        "x265 through ffmpeg, intra, 4:4:4, 10 bits, BT.601 full range, preset slow, tuned for PSNR, constant QP, "
        "elementary stream; stands in for BPG"
    ),
    sampling="4:4:4",
    dial=_QP,
    sweep=_HEVC_SWEEP,
    encoder="libx265",
    form="hevc",
    options=_X265,
    smallest=16,
)
HEVC_420 = FfmpegCodec(
    name="hevc-420",
    label="HEVC 4:2:0 (x265)",
    what=(
        "x265 through ffmpeg, intra, 4:2:0, 10 bits, BT.601 full range, preset slow, tuned for PSNR, constant QP, "
        "elementary stream; stands in for BPG 4:2:0"
    ),
    sampling="4:2:0",
    dial=_QP,
    sweep=_HEVC_SWEEP,
    encoder="libx265",
    form="hevc",
    options=_X265,
    smallest=16,
)
VVC = FfmpegCodec(
    name="vvc",
    label="VVC (VVenC)",
    what=(
        "VVenC through ffmpeg, intra, 4:2:0, 10 bits, BT.601 full range, preset medium, tuned for PSNR (no perceptual "
        "QP adaptation), constant QP, elementary stream; stands in for VTM, which searches longer and has 4:4:4"
    ),
    sampling="4:2:0",
    dial=Dial("qp", 0, 63),
    sweep=(47, 42, 37, 32, 26, 19),
    encoder="libvvenc",
    form="vvc",
    options=_VVENC,
    smallest=32,
)
