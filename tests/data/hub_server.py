"""A small dataset hub on loopback: what ``huggingface_hub`` and ``datasets`` ask, answered in kind.

It serves every ``<root>/<owner>/<name>`` as one commit of a dataset repository: information, file
listings, and files by HEAD, GET and ranged GET, with the headers and error codes of the real Hub.

``with serve(root) as hub:`` gives a ``Hub`` with ``url`` for ``HF_ENDPOINT``. As a script,
``python tests/data/hub_server.py ROOT`` prints the address and serves until it is stopped.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Hub:
    """A running server."""

    root: Path
    url: str = ""
    gated: Collection[str] = ()
    """Repositories whose files need a token in ``granted``; their information does not."""
    granted: Collection[str] = ()
    """Tokens of accounts that accepted the terms."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Old ids of repositories and the ids that they are redirected to."""
    branches: Mapping[str, str] = field(default_factory=dict)
    """Branch names beside ``main``, and the folder below ``root`` that each is served from."""
    siblings: bool = True
    """Whether a repository's information lists its files, as the real Hub's does."""
    requests: list[str] = field(default_factory=list)
    """What was asked: method and path, in order."""

    def folder(self, repo: str, revision: str | None) -> Path | None:
        """Return the folder that a revision is served from, or ``None`` if there is none."""
        for name, top in {"main": "", **self.branches}.items():
            folder = self.root / top / repo
            if folder.is_dir() and revision in (None, name, commit(folder)):
                return folder
        return None


def files(folder: Path) -> list[str]:
    """Return a repository's files, in order."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def commit(folder: Path) -> str:
    """Return a repository's commit: 40 hexadecimal digits that change with any of its files."""
    state = hashlib.sha1()
    for name in files(folder):
        state.update(name.encode() + hashlib.sha1((folder / name).read_bytes()).digest())
    return state.hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        """Stay quiet."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {self.path}")
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        if parts[:2] == ["api", "datasets"] and len(parts) >= 4:
            self._repository("/".join(parts[2:4]), parts[4:], parse_qs(address.query))
        elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
            self._repository("/".join(parts[1:3]), parts[3:], {})
        else:
            self._error(404, "", "no such endpoint")

    def _repository(self, repo: str, rest: list[str], query: Mapping[str, list[str]]) -> None:
        if repo in self.hub.moved:
            self._send(307, b"", {"Location": self.path.replace(repo, self.hub.moved[repo], 1)})
            return
        if self.hub.folder(repo, None) is None:
            # Without a token the real Hub does not tell an absent repository from a private one.
            self._error(404 if self._token() else 401, "RepoNotFound", "Repository not found")
            return
        verb, revision = (rest[0], rest[1]) if len(rest) > 1 else ("info", None)
        folder = self.hub.folder(repo, revision)
        if folder is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif verb in ("info", "revision"):
            self._json(self._info(repo, folder))
        elif verb == "tree":
            self._tree(
                folder, "/".join(rest[2:]), query.get("recursive", [""])[0] in ("true", "True")
            )
        elif verb == "resolve":
            self._resolve(repo, folder, "/".join(rest[2:]))
        else:
            self._error(404, "", "no such endpoint")

    def _info(self, repo: str, folder: Path) -> dict[str, object]:
        info: dict[str, object] = {
            "id": repo,
            "sha": commit(folder),
            "private": False,
            "gated": "manual" if repo in self.hub.gated else False,
            "tags": [],
        }
        if self.hub.siblings:
            info["siblings"] = [{"rfilename": name} for name in files(folder)]
        return info

    def _tree(self, folder: Path, below: str, recursive: bool) -> None:
        top = folder / below
        if not top.is_dir():
            self._error(404, "EntryNotFound", f"{below} does not exist")
            return
        found = sorted(top.rglob("*") if recursive else top.iterdir())
        self._json(
            [
                {
                    "type": "directory" if entry.is_dir() else "file",
                    "oid": hashlib.sha1(entry.as_posix().encode()).hexdigest(),
                    "size": 0 if entry.is_dir() else entry.stat().st_size,
                    "path": entry.relative_to(folder).as_posix(),
                }
                for entry in found
            ]
        )

    def _resolve(self, repo: str, folder: Path, name: str) -> None:
        head = {"X-Repo-Commit": commit(folder)}
        path = folder / name
        if repo in self.hub.gated and self._token() not in self.hub.granted:
            message = f"Access to dataset {repo} is restricted and you are not in the list."
            self._error(403 if self._token() else 401, "GatedRepo", message)
        elif not path.is_file():
            self._error(404, "EntryNotFound", "Entry not found", head)
        else:
            self._file(path, head | {"ETag": f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"'})

    def _file(self, path: Path, headers: dict[str, str]) -> None:
        data = path.read_bytes()
        wanted = self.headers.get("Range", "")
        headers = headers | {"Accept-Ranges": "bytes"}
        if not wanted.startswith("bytes="):
            self._send(200, data, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self._send(206, data[start : end + 1], headers)

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        known = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        body = json.dumps({"error": message}).encode()
        self._send(status, body, {**known, **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serve(root: Path, **settings: object) -> Iterator[Hub]:
    """Serve a folder of repositories on a free port of this machine until the block ends.

    Args:
        root: the folder; a repository is ``<root>/<owner>/<name>``.
        settings: fields of ``Hub``: ``gated``, ``granted``, ``moved``, ``branches``.
    """
    hub = Hub(root=root, **settings)  # type: ignore[arg-type]
    handler = type("HubHandler", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    with serve(Path(sys.argv[1])) as running:
        print(running.url, flush=True)
        threading.Event().wait()
