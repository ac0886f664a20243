"""Running commands as a user does, and small files to run them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

import semapix
from semapix.bundle import Bundle, save_bundle
from semapix.cli import main
from tests import pictures


class Result(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`run("look", path, ...)`: the command line in this process."""

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return Result(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """40x24 pixels, with a small EXIF block."""
    image = Image.fromarray(pictures.picture(40, 24))
    exif = Image.Exif()
    exif[0x0131] = "tests"
    image.info["exif"] = exif.tobytes()
    return image


@pytest.fixture
def photo(tmp_path: Path, picture: Image.Image) -> Path:
    """The picture as photo.png."""
    path = tmp_path / "photo.png"
    picture.save(path, exif=picture.info["exif"])
    return path


@pytest.fixture(scope="session")
def content(picture: Image.Image, tiny_bundle: Path) -> bytes:
    """The picture as a .spix file's bytes."""
    return semapix.encode(picture, model=tiny_bundle).to_bytes()


@pytest.fixture
def coded(tmp_path: Path, content: bytes) -> Path:
    """The picture as photo.spix."""
    path = tmp_path / "photo.spix"
    path.write_bytes(content)
    return path


@pytest.fixture
def stepped(tmp_path: Path, planes_bundle: Path) -> Path:
    """A picture of 20x12 pixels as a file whose layers have several sub-layers, without metadata."""
    path = tmp_path / "stepped.spix"
    semapix.encode(pictures.picture(20, 12), "planes", 9, planes_bundle).save(path)
    return path


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A bundle with the same networks under another name, hence with another fingerprint."""
    bundle = Bundle(tiny_bundle)
    manifest = {key: value for key, value in bundle.manifest.items() if key not in ("members", "bundle_format")}
    groups = [name[len("arrays/") : -len(".npz")] for name in bundle.manifest["members"] if name.startswith("arrays/")]
    path = tmp_path_factory.mktemp("bundles") / "other.spxm"
    save_bundle(
        path,
        {**manifest, "name": "other"},
        {name: bundle.graph(name) for name in bundle.graph_names},
        {name: bundle.arrays(name) for name in groups},
    )
    return path


@pytest.fixture
def installed_bundle(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> Bundle:
    """The tiny bundle, as the only one that is installed."""
    bundle = Bundle(tiny_bundle)
    monkeypatch.setattr("semapix.bundle.installed", lambda: (bundle,))
    monkeypatch.setattr("semapix._stream.installed", lambda: (bundle,))
    return bundle


@pytest.fixture
def none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bundle is installed."""
    monkeypatch.setattr("semapix.bundle.installed", lambda: ())
    monkeypatch.setattr("semapix._stream.installed", lambda: ())
