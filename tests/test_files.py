from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import BinaryIO

import pytest

from semapix.errors import OutputError
from semapix.files import atomic_write, check_output


def test_bytes_are_written(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a.bin", b"content")
    assert (tmp_path / "a.bin").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_path_may_be_a_string_without_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    atomic_write("a.bin", b"content")
    assert (tmp_path / "a.bin").read_bytes() == b"content"


def test_a_function_writes_seeks_and_reads(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"content")
        file.seek(0)
        assert file.read(3) == b"con"
        file.seek(0)
        file.write(b"C")

    atomic_write(tmp_path / "a.bin", write)
    assert (tmp_path / "a.bin").read_bytes() == b"Content"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "a.bin", b"content")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    name = "n" * 255
    atomic_write(tmp_path / name, b"content")
    assert os.listdir(tmp_path) == [name]


def test_an_existing_file_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=re.escape(f"{path}: exists already; force=True overwrites it") + "$"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    atomic_write(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="link: exists already"):
        atomic_write(tmp_path / "link", b"new")
    atomic_write(tmp_path / "link", b"new", force=True)
    assert (tmp_path / "link").read_bytes() == b"new"


def test_a_missing_directory(tmp_path: Path) -> None:
    path = tmp_path / "no" / "a.bin"
    message = f"{path}: there is no directory {tmp_path / 'no'}; create it first"
    with pytest.raises(OutputError, match=re.escape(message) + "$"):
        atomic_write(path, b"content")


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=re.escape(f"there is no directory {tmp_path / 'file'};")):
        atomic_write(tmp_path / "file" / "a.bin", b"content")


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_is_never_replaced(tmp_path: Path, force: bool) -> None:
    with pytest.raises(OutputError, match=re.escape(f"{tmp_path}: is a directory; name a file in it") + "$"):
        atomic_write(tmp_path, b"content", force=force)


@pytest.mark.parametrize("force", [False, True])
def test_a_device_is_never_replaced(force: bool) -> None:
    with pytest.raises(OutputError, match=r"^/dev/null: is not a regular file and will not be replaced$"):
        check_output("/dev/null", force=force)


def test_checking_touches_nothing(tmp_path: Path) -> None:
    assert check_output(str(tmp_path / "a.bin")) == tmp_path / "a.bin"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, error: BaseException, old: bytes | None) -> None:
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)

    def write(file: BinaryIO) -> None:
        file.write(b"part")
        raise error

    with pytest.raises(type(error)) as caught:
        atomic_write(path, write, force=True)
    assert caught.value is error
    assert os.listdir(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_a_full_disk(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.bin"
    with pytest.raises(
        OutputError, match=re.escape(f"{path}: cannot be written (No space left on device)") + "$"
    ) as caught:
        atomic_write(path, write)
    assert isinstance(caught.value.__cause__, OSError)
    assert os.listdir(tmp_path) == []


def test_a_name_that_the_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"n: cannot be written \(File name too long\)$"):
        atomic_write(tmp_path / ("n" * 300), b"content")
    assert os.listdir(tmp_path) == []
