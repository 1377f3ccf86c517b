"""Files fetched from a plain URL, kept under the cache folder; the Hub has its own cache."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from evalkit.data.local import hash_file
from evalkit.errors import SourceError, one_line

__all__ = ["cache_dir", "fetch"]

_ATTEMPTS = 5
_CHUNK = 1 << 20
_TIMEOUT = 60.0


def cache_dir() -> Path:
    """Return where evalkit keeps what it fetched: ``EVALKIT_CACHE``, or ``~/.cache/evalkit``."""
    return Path(os.environ.get("EVALKIT_CACHE") or "~/.cache/evalkit").expanduser()


def fetch(url: str, md5: str | None = None) -> Path:
    """Return the local copy of a file, fetched once.

    The copy appears under its name only when it is whole and its md5 is right, so an interrupted
    or concurrent fetch leaves nothing that looks like it. A connection that breaks is taken up
    where it stopped, a few times.

    Raises:
        SourceError: the server cannot be reached, refuses, or sends something else.
    """
    name = Path(unquote(urlsplit(url).path)).name or "file"
    key = md5.lower() if md5 else hashlib.sha256(url.encode()).hexdigest()[:32]
    target = cache_dir() / "files" / key / name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as out:
            _download(url, out)
        if md5 and (found := hash_file(part, "md5")) != md5.lower():
            raise SourceError(
                f"{url}: its md5 is {found}, not {md5}: the published file has changed; "
                "set rows.md5 to the one you mean, or to null to take any"
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _download(url: str, out: IO[bytes]) -> None:
    reason: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            _read_on(url, out)
            return
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceError(f"{url}: the server answered {error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise SourceError(f"cannot reach {url}: {one_line(str(error.reason))}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error
    raise SourceError(f"{url}: the connection breaks off: {one_line(str(reason))}")


def _read_on(url: str, out: IO[bytes]) -> None:
    """Append to a file what of the URL it does not hold yet."""
    start = out.tell()
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with contextlib.closing(urllib.request.urlopen(request, timeout=_TIMEOUT)) as answer:
        if start and answer.status != http.client.PARTIAL_CONTENT:
            out.seek(0)
            out.truncate()
        while chunk := answer.read(_CHUNK):
            out.write(chunk)
        # A bounded read returns what came before a connection broke; only ``length`` tells.
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
