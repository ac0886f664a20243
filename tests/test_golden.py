"""Files of earlier versions decode: to the very symbols that were written, and to the picture up to rounding.

tests/golden/VERSION holds a file, the picture that it decoded to, a digest of its symbols, and the bundle that made it;
where there is none, the file was made with that of 0.1. What is new adds a folder; none is ever changed.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semapix
from semapix.coding import RangeDecoder

FOLDER = Path(__file__).parent / "golden"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def bundle_of(folder: Path) -> Path:
    """The bundle that the file in a folder was made with."""
    own = folder / "tiny.spxm"
    return own if own.exists() else FOLDER / "0.1" / "tiny.spxm"


def symbols_digest(folder: Path) -> str:
    """SHA-256 of all integers that decoding the file reads, in order, as little-endian 32-bit numbers."""
    digest = hashlib.sha256()
    decode = RangeDecoder.decode

    def spy(self, levels):
        values = decode(self, levels)
        digest.update(values.astype("<i4").tobytes())
        return values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RangeDecoder, "decode", spy)
        semapix.open(folder / "picture.spix", bundle_of(folder)).image()
    return digest.hexdigest()


def test_there_are_golden_files():
    assert {"0.1", "0.1-between", "0.1-half", "0.1-quarter", "0.1-small"} <= set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_earlier_versions_decode(version):
    folder = FOLDER / version
    assert symbols_digest(folder) == (folder / "symbols.sha256").read_text().strip()
    image = semapix.open(folder / "picture.spix", bundle_of(folder)).image()
    with Image.open(folder / "picture.png") as picture:
        wanted = np.asarray(picture)
    assert np.abs(np.asarray(image).astype(int) - wanted).max() <= 1
