"""The code blocks of the README run as they stand, in a directory with a photo."""

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
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_commands_of_the_readme_run(folder):
    commands = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(commands) >= 4
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "semapix"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"
    assert size(folder / "small.png") == size(folder / "photo.png")


def test_python_of_the_readme_runs(folder):
    semapix.encode("orange.jpg").save("orange.spix")
    names: dict[str, object] = {}
    ran = 0
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
        ran += 1
    assert ran >= 1
    assert names["picture"].size == size(folder / "photo.png")
    assert names["features"].shape == (24, 2, 2)
    assert {label.name for label in names["labels"]} == {"Orange", "Peach"}


def test_files_that_the_readme_links_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []
