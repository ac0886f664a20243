"""Files of earlier versions decode: to the very symbols that were written, and to the picture up to rounding.

tests/golden/VERSION holds a bundle, a file made with it, the picture that it decoded to, and a digest of its symbols.
A new version adds a folder; none is ever changed.
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
        semapix.open(folder / "picture.spix", folder / "tiny.spxm").image()
    return digest.hexdigest()


def test_there_are_golden_files():
    assert "0.1" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_earlier_versions_decode(version):
    folder = FOLDER / version
    assert symbols_digest(folder) == (folder / "symbols.sha256").read_text().strip()
    image = semapix.open(folder / "picture.spix", folder / "tiny.spxm").image()
    with Image.open(folder / "picture.png") as picture:
        wanted = np.asarray(picture)
    assert np.abs(np.asarray(image).astype(int) - wanted).max() <= 1
