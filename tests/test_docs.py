"""The code blocks of the README and of docs/steering.md run as they stand, in a directory with a photo."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import semapix
from semapix.cli._app import app
from tests.pictures import picture

ROOT = Path(__file__).parents[1]
README, STEERING = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/steering.md"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    with Image.open(ROOT / "src" / "semapix" / "assets" / "lighthouse.png") as photo:
        photo.reduce(4).save(tmp_path / "photo.png")
    for number, label in enumerate(["Orange", "Peach"]):
        (tmp_path / "groceries" / label).mkdir(parents=True)
        for seed in range(5):
            pixels = picture(48, 40, seed) // 4 + 120 * number
            Image.fromarray(pixels.astype("uint8")).save(tmp_path / "groceries" / label / f"{seed}.jpg")
    Image.fromarray(picture(48, 40)).save(tmp_path / "orange.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def run_commands(text: str) -> int:
    """Run what its console blocks have behind a prompt; how many commands that were."""
    commands = [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "semapix"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
    return len(commands)


def run_python(text: str) -> dict[str, object]:
    """Run its Python blocks, one after the other; the names that they leave."""
    names: dict[str, object] = {}
    ran = 0
    for block in blocks(text, "python"):
        exec(compile(block, "an example", "exec"), names)
        ran += 1
    assert ran >= 1
    return names


def test_commands_of_the_readme_run(folder):
    assert run_commands(README) >= 4
    assert size(folder / "small.png") == size(folder / "photo.png")


def test_python_of_the_readme_runs(folder):
    semapix.encode("orange.jpg").save("orange.spix")
    names = run_python(README)
    assert names["picture"].size == size(folder / "photo.png")
    assert names["features"].shape == (24, 2, 2)
    assert {label.name for label in names["labels"]} == {"Orange", "Peach"}


def test_commands_about_steering_run(folder):
    assert run_commands(STEERING) >= 6
    width, height = size(folder / "photo.png")
    files = {name: (folder / f"{name}.spix").read_bytes() for name in "abcd"}
    assert len(set(files.values())) == 4
    assert 0.95 * 0.25 < len(files["a"]) * 8 / (width * height) <= 0.25
    assert 0.95 * 0.25 < len(files["d"]) * 8 / (width * height) <= 0.25
    assert len(files["b"]) <= 20000
    assert size(folder / "faithful.png") == size(folder / "vivid.png") == (width, height)
    assert (folder / "faithful.png").read_bytes() != (folder / "vivid.png").read_bytes()


def test_python_about_steering_runs(folder):
    stream = run_python(STEERING)["stream"]
    width, height = size(folder / "photo.png")
    assert (folder / "e.spix").stat().st_size == stream.bytes_total <= 0.25 * width * height / 8
    assert stream.to_bytes() != semapix.encode("photo.png", "adaptive", bpp=0.25).to_bytes()


def test_files_that_the_readme_links_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []
