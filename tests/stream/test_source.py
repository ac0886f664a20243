from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest

from semapix.errors import ArgumentError, NotACodestream, StreamError, TruncatedStream
from semapix.stream import Reader


class Spy(io.BytesIO):
    """A file object that remembers which bytes were read, as (start, end)."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.ranges: list[tuple[int, int]] = []

    def read(self, size: int | None = -1) -> bytes:
        start = self.tell()
        data = super().read(size)
        self.ranges += [(start, start + len(data))] if data else []
        return data


def test_a_look_reads_header_and_machine_layers_only(file: bytes) -> None:
    spy = Spy(file)
    reader = Reader(spy)
    assert spy.ranges == [(0, 20)]
    reader.machine_layer(0)
    reader.machine_layer(1)
    # The header has 17 bytes: 3 bytes of s1 came with it and are not read twice.
    assert spy.ranges == [(0, 20), (20, 39), (39, 59)]
    assert reader.bytes_read == 59 == reader.layers[1].end


def test_a_short_file_is_read_once(file: bytes) -> None:
    spy = Spy(file[:18])
    assert Reader(spy).bytes_read == 18
    assert spy.ranges == [(0, 18)]


def test_one_layer_reads_the_index_and_itself(file: bytes) -> None:
    layers = Reader(file).layers
    spy = Spy(file)
    reader = Reader(spy)
    assert reader.signal_layer(1) == [b"edges", b"", b"grain"]
    index = (20, 68), (68, layers[2].offset)
    assert spy.ranges == [(0, 20), *index, (layers[3].offset, layers[3].end)]
    assert reader.complete
    assert reader.begun_layers == 5
    reader.prefix(2)
    assert len(spy.ranges) == 4, "what was fetched on the way is kept"
    assert reader.bytes_read == sum(end - start for start, end in spy.ranges)


def test_a_cut_off_file_is_never_read_beyond_its_last_whole_sublayer(file: bytes) -> None:
    layer = Reader(file).layers[3]
    spy = Spy(file[: layer.end - 1])
    reader = Reader(spy)
    with pytest.raises(TruncatedStream, match="ends after"):
        reader.signal_layer(1)
    assert spy.ranges[-1][1] == Reader(file).layers[2].offset, "a missing layer is not fetched"
    reader.signal_layer(1, partial=True)
    assert spy.ranges[-1] == (layer.offset, layer.offset + 5)


def test_path(file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.spix"
    path.write_bytes(file)
    for source in (path, str(path)):
        reader = Reader(source)
        assert reader.name == str(path)
        assert reader.bytes_read == 20
        assert reader.signal_layer(0) == [b"shapes"]
    path.write_bytes(b"no picture")
    with pytest.raises(NotACodestream, match=r"a\.spix: begins with 6e 6f 20"):
        Reader(path)
    with pytest.raises(NotACodestream, match="the second photo: begins with"):
        Reader(path, name="the second photo")


@pytest.mark.parametrize("source", ["missing.spix", "/", "nul\0.spix"])
def test_path_that_cannot_be_opened(source: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(f"{source}: cannot be opened (")):
        Reader(source)


def test_file_object_is_read_from_where_it_stands_and_stays_open(file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "container"
    path.write_bytes(b"container" + file)
    with path.open("rb") as container:
        container.seek(9)
        reader = Reader(container)
        assert reader.name == str(path)
        assert reader.bytes_total == len(file)
        assert reader.machine_layer(0) == b"what it is, coarsely"
        assert reader.complete
        assert not container.closed


def test_file_object_that_gives_less_than_asked_for(file: bytes) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    assert Reader(Slow(file)).signal_layer(2) == [b"everything else" * 3]


@pytest.mark.parametrize("source", [bytes, bytearray, memoryview])
def test_bytes_of_every_type(file: bytes, source: Any) -> None:
    reader = Reader(source(file))
    assert (reader.name, reader.bytes_total) == ("codestream", len(file))
    assert isinstance(reader.machine_layer(0), bytes)


@pytest.mark.parametrize(("source", "kind"), [(None, "NoneType"), (3, "int"), (io.StringIO("text"), "StringIO")])
def test_no_source(source: Any, kind: str) -> None:
    with pytest.raises(ArgumentError, match=f"must be bytes, a path, a binary file object or a URL, not {kind}"):
        Reader(source)


def test_file_object_without_positions() -> None:
    class Pipe(io.RawIOBase):
        def readable(self) -> bool:
            return True

    with pytest.raises(ArgumentError, match="stdin: is not seekable; pass the bytes of it: UnsupportedOperation"):
        Reader(Pipe(), "stdin")  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_path_without_positions(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (
        (tmp_path / "pipe").open("r+b", buffering=0),
        pytest.raises(ArgumentError, match=r"pipe: cannot be opened \(.*seek"),
    ):
        Reader(tmp_path / "pipe")


def test_source_that_changes_under_the_reader(file: bytes) -> None:
    source = io.BytesIO(file)
    reader = Reader(source)
    source.truncate(30)
    with pytest.raises(TruncatedStream, match="codestream: bytes 20 to 39 were asked for, but 10 bytes came"):
        reader.machine_layer(0)
    source.close()
    with pytest.raises(
        StreamError, match="codestream: bytes 20 to 39 cannot be read: ValueError: I/O operation on closed"
    ):
        reader.machine_layer(0)


def test_memory_url(file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/stream/a.spix", file)
    ranges = []
    cat_file = type(memory).cat_file

    def spy(self: Any, path: str, start: int | None = None, end: int | None = None, **options: Any) -> Any:
        ranges.append((start, end))
        return cat_file(self, path, start, end, **options)

    monkeypatch.setattr(type(memory), "cat_file", spy)
    reader = Reader("memory://stream/a.spix")
    assert reader.name == "memory://stream/a.spix"
    assert reader.machine_layer(1) == b"what it is, finely"
    assert ranges == [(0, 20), (39, 59)]
    assert reader.bytes_read == 40


@pytest.mark.parametrize("url", ["memory://stream/missing.spix", "nosuch://a.spix"])
def test_url_that_cannot_be_opened(url: str) -> None:
    with pytest.raises(ArgumentError, match=rf"{url}: cannot be opened \((FileNotFoundError: |Protocol not known)"):
        Reader(url)


def test_url_of_unknown_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "size", lambda self, path: None)
    with pytest.raises(ArgumentError, match=r"memory://a\.spix: the server does not tell its size; download it"):
        Reader("memory://a.spix")


@pytest.fixture(params=[True, False], ids=["ranges", "no ranges"])
def server(request: pytest.FixtureRequest, file: bytes) -> Iterator[tuple[str, list[int]]]:
    """URL of `file` on a web server with or without range requests, and how many bytes each of its answers had."""
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(file)))
            self.end_headers()

        def do_GET(self) -> None:
            wanted, body = self.headers.get("Range"), file
            if request.param and wanted:
                first, last = map(int, wanted.removeprefix("bytes=").split("-"))
                body = file[first : last + 1]
            self.send_response(200 if body is file else 206)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            answers.append(len(body))
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/a.spix", answers
        http.shutdown()
        thread.join()


def test_web_server(server: tuple[str, list[int]], file: bytes) -> None:
    url, answers = server
    reader = Reader(url)
    assert reader.machine_layer(0) == b"what it is, coarsely"
    assert answers in ([20, 19], [len(file)]), "a server without ranges is asked once"
    reader.prefetch(5)
    assert len(reader.prefix(5)) == reader.layers[4].end
    assert len(answers) in (5, 1), "the index in two answers, all layers in one"
    assert reader.bytes_read == sum(answers), "what came is counted, not what was asked for"
    assert reader.bytes_read <= len(file)


def test_fsspec_is_imported_for_urls_only() -> None:
    code = "import sys, semapix.stream; sys.exit('fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_threads_may_share_a_reader(file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.spix"
    path.write_bytes(file)
    counts = [1, 5, 2, 4, 3, 5, 1, 4]
    for _ in range(20):
        reader = Reader(path)
        with ThreadPoolExecutor(8) as pool:
            ends = [layer.end for layer in reader.layers]
            found = list(pool.map(reader.prefix, counts))
        assert found == [file[: ends[count - 1]] for count in counts]
