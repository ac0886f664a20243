"""The program as a whole: help, version, cold start, how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import semapix

COMMANDS = ["encode", "decode", "look", "info", "cut", "models", "teach", "train", "export", "demo", "bench"]
PROGRAM = [sys.executable, "-m", "semapix"]


def test_help_lists_every_command(run):
    result = run("--help")
    assert (result.status, result.err) == (0, "")
    assert re.findall(r"^│ (\w+) ", result.out, re.MULTILINE) == COMMANDS
    assert run("-h").out == result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(run, command):
    result = run(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert f"Example: semapix {command} " in result.out


def test_version(run):
    assert run("--version") == (0, f"semapix {semapix.__version__}\n", "")


def test_without_a_command_there_is_help(run):
    result = run()
    assert result.status == 2
    assert "Usage: semapix" in result.out + result.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["enocde"], "No such command 'enocde'. Did you mean 'encode'? (see semapix --help)"),
        (["models", "--jsno"], "No such option: --jsno (Possible options: --json) (see semapix models --help)"),
        (["look"], "Missing argument 'IN' (see semapix look --help)"),
        (
            ["encode", "x.png", "-o", "x.spix", "--bytes", "0"],
            "Invalid value for '--bytes': Input should be greater than or equal to 1, not '0' "
            "(see semapix encode --help)",
        ),
        (
            ["bench", "signal", "--limit", "few"],
            "Invalid value for '--limit': Input should be a valid integer, unable to parse string as an integer, not "
            "'few' (see semapix bench signal --help)",
        ),
    ],
)
def test_wrong_usage_is_one_line_with_the_value_and_the_way_out(run, arguments, line):
    assert run(*arguments) == (2, "", f"semapix: {line}\n")


def test_help_starts_cold_without_the_heavy_libraries():
    code = "import sys, semapix.cli\ntry: semapix.cli.main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: semapix" in done.stdout
    loaded = done.stderr.split()
    assert "semapix.cli.demo" in loaded
    heavy = {"numpy", "onnxruntime", "PIL", "constriction", "fsspec", "torch"}
    assert heavy & set(loaded) == set()


def test_the_module_is_the_program(coded: Path, tiny_bundle: Path):
    done = subprocess.run([*PROGRAM, "look", coded, "--model", tiny_bundle], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{coded}  fine, ")
    command = [*PROGRAM, "look", "no.spix", "--model", tiny_bundle]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("semapix: no.spix: cannot be opened (No such file or directory)")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_ends_it_quietly(coded: Path):
    with subprocess.Popen([*PROGRAM, "info", coded], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it_with_130_and_no_partial_output(photo: Path, tiny_bundle: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    files = []
    for number in range(300):
        files.append(tmp_path / f"{number}.png")
        files[-1].symlink_to(photo)
    command = [*PROGRAM, "encode", *files, "-o", out, "--model", tiny_bundle]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(str(files[0]).encode())
        process.send_signal(signal.SIGINT)
        written = 1 + len(process.stdout.read().splitlines())
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 130
    assert written < len(files)
    made = {path.suffix for path in out.iterdir()}
    assert made == {".spix"}
