"""VLMEvalKit's TSV files: pictures, references, text that pandas would lose, and downloads."""

from __future__ import annotations

import base64
import csv
import hashlib
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from evalkit.data.rows import Rows
from evalkit.errors import DataError, SourceError

Write = Callable[..., Path]


def picture(number: int, size: int = 60) -> bytes:
    return bytes([number]) * size


def text(number: int, size: int = 60) -> str:
    return base64.b64encode(picture(number, size)).decode()


def inside(number: int, size: int = 60) -> dict[str, Any]:
    return {"bytes": picture(number, size), "path": None}


def rows_of(file: Path | str, md5: str | None = None) -> Rows:
    return Rows(
        path=None,
        config=None,
        split="validation",
        revision=None,
        file=str(file),
        md5=md5,
        name="mmmu",
    )


def images(path: Path | str) -> list[Any]:
    return [row["image"] for row in rows_of(path).read(media=("image",))]


@pytest.fixture
def tsv(tmp_path: Path) -> Write:
    def write(header: Sequence[str], *rows: Sequence[str], name: str = "set.tsv") -> Path:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerows([header, *rows])
        return path

    return write


def test_cells_stay_the_text_that_they_are(tsv: Write) -> None:
    cells = [
        "None",
        "N/A",
        "NA",
        "null",
        "nan",
        "",
        "007",
        "=1+1",
        'a "quoted"\ttab\nand line ä\u2028',
    ]
    header = ["index", "image", *"ABCDEFGHI"]
    path = tsv(header, ["0", text(1), *cells])
    assert list(rows_of(path).read()) == [
        {"index": "0", **dict(zip("ABCDEFGHI", cells, strict=True)), "image": inside(1)}
    ]


def test_pictures_of_other_rows(tsv: Write) -> None:
    rows = [
        ["10", "12", "ahead"],
        ["11", text(1), "own\nwith a line break, and äöüß"],
        ["12", text(2), "own"],
        ["13", "11", "before"],
        ["14", "13 ", "a reference to a reference"],
        ["15", "", "none"],
    ]
    path = tsv(("index", "image", "question"), *rows[:4], rows[5])
    assert images(path) == [inside(2), inside(1), inside(2), inside(1), None]
    with pytest.raises(DataError, match=r"^mmmu: row 4 of .*: image refers to row 13, which"):
        images(tsv(("index", "image", "question"), *rows))
    with pytest.raises(
        DataError, match=r"row 0 of .*refers to another row, but .* no column index"
    ):
        images(tsv(("image",), ["12"]))


def test_reference_to_a_row_of_several_pictures(tsv: Write) -> None:
    several = f"['{text(1)}', \"{text(2)}\"]"
    path = tsv(("index", "image"), ["a", several], ["b", "a"], ["c", f"['{text(3)}']"])
    assert images(path) == [[inside(1), inside(2)], [inside(1), inside(2)], inside(3)]


def test_image_paths(tsv: Write, tmp_path: Path) -> None:
    header = ("index", "image", "image_path")
    path = tsv(
        header, ["0", text(1), "one.jpg"], ["1", f"['{text(1)}', '{text(2)}']", "['a', 'b']"]
    )
    assert images(path) == [
        {"bytes": picture(1), "path": "one.jpg"},
        [{"bytes": picture(1), "path": "a"}, {"bytes": picture(2), "path": "b"}],
    ]
    path = tsv(("index", "image_path"), ["0", "x/one.jpg"], ["1", "['a', '/b']"], ["2", ""])
    assert images(path) == [
        {"bytes": None, "path": str(tmp_path / "x/one.jpg")},
        [{"bytes": None, "path": str(tmp_path / "a")}, {"bytes": None, "path": "/b"}],
        None,
    ]
    with pytest.raises(DataError, match="an image_path that is not a list of names"):
        images(tsv(("index", "image_path"), ["0", "[print()]"]))


def test_without_media_pictures_are_not_decoded(tsv: Write) -> None:
    path = tsv(("index", "image", "question"), ["0", "!" * 70, "q"])
    rows = rows_of(path).read(media=("image",), with_media=False, required=("image", "question"))
    assert list(rows) == [{"index": "0", "question": "q"}]
    with pytest.raises(DataError, match=r"^mmmu: row 0 of .*: image holds text that is not base64"):
        images(path)


def test_broken_files_are_named(tsv: Write, tmp_path: Path) -> None:
    path = tmp_path / "set.tsv"
    for content, message in (
        (b"", "the file is empty"),
        (b"index\tA\n0\tx\n1\n", "row 1 of .*set.tsv has 1 cells where the header has 2: index, A"),
        (b"index\tA\n0\t\xff\n", "not a TSV near byte"),
        (b"\xef\xbb\xbfindex\tA\n0\tx\n", "has no column question; its columns: index, A"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"^mmmu: .*{message}"):
            list(rows_of(path).read(required=("question",) if b"\xef" in content else ()))


def test_long_fields_and_memory(tsv: Write) -> None:
    csv.field_size_limit(100_000)
    size = 150_000
    rows = [[str(i), text(i % 250, size)] if i % 2 else [str(i), str(i + 1)] for i in range(80)]
    path = tsv(("index", "image"), *rows, ["80", "79"])
    limit = csv.field_size_limit()
    count = 0
    tracemalloc.start()
    try:
        for row in rows_of(path).read(media=("image",)):
            number = int(row["index"])
            holder = number if number % 2 else (79 if number == 80 else number + 1)
            assert row["image"] == inside(holder % 250, size)
            assert csv.field_size_limit() == limit
            count += 1
        assert tracemalloc.get_traced_memory()[1] < 20 * size
    finally:
        tracemalloc.stop()
    assert count == 81


def test_md5_of_a_local_file(tsv: Write) -> None:
    path = tsv(("index", "A"), ["0", "x"])
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    assert len(list(rows_of(path, md5.upper()).read())) == 1
    with pytest.raises(DataError, match=f"its md5 is {md5}, not 0123: fetch it again, or set"):
        list(rows_of(path, "0123").read())


class Files(BaseHTTPRequestHandler):
    """Serves one file, breaking the connection after some bytes while it is told to."""

    content = b""
    status = 200
    breaks = 0
    seen: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.seen.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        body = type(self).content[start:]
        self.send_response(206 if wanted else type(self).status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if type(self).breaks:
            type(self).breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def served(content: bytes, **settings: Any) -> Iterator[tuple[str, list[str | None]]]:
    seen: list[str | None] = []
    handler = type("Served", (Files,), {"content": content, "seen": seen, **settings})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/utils/Some%20set.tsv", seen
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


CONTENT = b"index\tA\n" + b"".join(b"%d\tNone\n" % i for i in range(1000))
MD5 = hashlib.md5(CONTENT).hexdigest()


def test_url_is_fetched_once_and_serves_when_the_server_is_gone(cache: Path) -> None:
    with served(CONTENT) as (url, seen):
        assert len(list(rows_of(url, MD5).read())) == 1000
        provenance = rows_of(url, MD5).provenance()
        assert seen == [None]
    assert provenance.kind == "tsv"
    assert provenance.path == url
    assert provenance.digest == hashlib.sha256(CONTENT).hexdigest()
    assert len(list(rows_of(url, MD5).read())) == 1000
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["Some set.tsv"]


def test_broken_connection_is_taken_up_where_it_stopped(cache: Path) -> None:
    with served(CONTENT, breaks=2) as (url, seen):
        assert len(list(rows_of(url, MD5).read())) == 1000
    half = len(CONTENT) // 2
    assert seen == [None, f"bytes={half}-", f"bytes={half + (len(CONTENT) - half) // 2}-"]


@pytest.mark.parametrize(
    ("settings", "md5", "message"),
    [
        ({"status": 404}, None, "the server answered 404"),
        ({"breaks": 99}, None, "the connection breaks off"),
        ({}, "0" * 32, f"its md5 is {MD5}, not 0{{32}}: the published file has changed"),
    ],
)
def test_what_a_server_gives_instead_is_not_kept(
    cache: Path, settings: dict[str, Any], md5: str | None, message: str
) -> None:
    with served(CONTENT, **settings) as (url, _), pytest.raises(SourceError, match=message):
        list(rows_of(url, md5).read())
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_unreachable_server(cache: Path) -> None:
    with pytest.raises(SourceError, match=r"^mmmu: cannot reach http://127\.0\.0\.1:9/x\.tsv"):
        list(rows_of("http://127.0.0.1:9/x.tsv").read())
