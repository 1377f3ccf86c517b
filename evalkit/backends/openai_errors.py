"""What an endpoint's answer means: an answer, a request that failed, or a server that is dead.

Of the server's own words only a short piece is passed on, with the key cut out wherever it stands,
and none of what it says about a key: hosted services quote half of it.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evalkit.errors import one_line

__all__ = ["Answer", "Trouble", "garbled", "read", "refusal", "unreached"]

Kind = Literal["failed", "again", "busy", "down", "dead"]
"""``failed``: this request, for good. ``again``: this request, perhaps not next time. ``busy``: the
server has too much to do. ``down``: nobody answers. ``dead``: every request would fail so."""

BUSY, DOWN = (429, 503, 529), (502, 504)

LONG = re.compile(
    r"context.{0,10}(length|window|size)|maximum.{0,20}(length|tokens)|max_model_len"
    r"|too (long|many tokens)|longer than|exceeds? the.{0,30}(tokens|length)",
    re.IGNORECASE,
)
"""What servers say of a prompt that is too long."""

FORBIDDEN = re.compile(
    r"content.{0,12}(filter|polic)|safety (system|filter)|moderation|responsible ai", re.IGNORECASE
)
"""What services say of content that they refuse."""

SAME = 1e-4
"""Log-probabilities that are nearer than this are one token's."""

UNMADE = {"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionTimeoutError"}
"""What httpx and aiohttp call a connection that was never made, for whatever reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    text: str
    """The reply."""
    finish: str
    """Why it ended: ``stop``, ``length``, or what the server says."""
    prompt_tokens: int | None
    """Tokens of the prompt, where the server counts them."""
    completion_tokens: int | None
    """Tokens of the reply, where the server counts them."""
    lead: float | None = None
    """By how much a token's log-probability led over the next likely one's, where it led by the
    least; below 0 where a token was not the likeliest. ``None`` where the server tells none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """No answer."""

    kind: Kind
    """What it is to the run."""
    why: str
    """One line."""
    wait: float | None = None
    """Seconds that the server asks for before the next try."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """``cause``: ``context``, ``refused``, ``server`` or ``garbled``; ``status``."""


def read(value: Any) -> Answer | Trouble:
    """Return what a completion's JSON says, with anything that is less than whole as trouble."""
    try:
        choices, usage = value["choices"], value.get("usage") or {}
        if not choices:
            return garbled("an answer with no choices")
        message, finish = choices[0]["message"], choices[0].get("finish_reason")
        text = message.get("content")
        if finish == "content_filter" or message.get("refusal"):
            return _refused(str(message.get("refusal") or "the server's filter cut it off"))
        generated = usage.get("completion_tokens")
        if text is None and finish == "stop" and generated is not None and generated <= 1:
            text = ""  # a reply that is the end token alone
        if not isinstance(text, str) or not isinstance(finish, str):
            return garbled(f"half an answer (finish_reason {finish!r})")
        return Answer(
            text=text,
            finish=finish,
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=generated,
            lead=_lead(choices[0].get("logprobs")),
        )
    except (TypeError, KeyError, AttributeError, IndexError):
        return garbled("an answer that is no chat completion")


def _lead(told: Any) -> float | None:
    """Return the least lead over a reply's tokens, from a choice's ``logprobs`` of some shape."""
    leads = []
    try:
        for token in told["content"]:
            own, others = token["logprob"], [other["logprob"] for other in token["top_logprobs"]]
            # Its own is among them, known by its value: parts of a letter have the same text.
            same = min(others, key=lambda value: abs(value - own))
            if abs(same - own) < SAME:
                others.remove(same)
            leads.append(own - max(others))
    except (TypeError, KeyError, ValueError):
        return None
    return min(leads, default=None)


def refusal(status: int, headers: Mapping[str, str], text: str, key: str, key_env: str) -> Trouble:
    """Return what an answer with a status from 400 on means.

    Args:
        status: the status.
        headers: the answer's headers.
        text: its body.
        key: the key, which must stand in no message.
        key_env: the variable that holds it.
    """
    error = _error(text)
    said, code = _said(error, text, key), str(error.get("code") or error.get("type") or "")
    wait, details = _wait(headers.get("retry-after")), {"cause": "server", "status": status}
    if status in (401, 403):
        why = f"refuses the key in {key_env}" if key else f"wants a key: set it in {key_env}"
        return Trouble(kind="dead", why=f"{why} (status {status})")
    if status in (402, 404, 405) or code == "insufficient_quota":
        return Trouble(kind="dead", why=f"answers {status}: {said}")
    if status in BUSY:
        return Trouble(kind="busy", why=f"too busy: {said}", wait=wait, details=details)
    if status in DOWN:
        return Trouble(kind="down", why=f"answers {status}", wait=wait, details=details)
    if status >= 500 or status in (408, 409, 425):
        why = f"the server failed ({status}): {said}"
        return Trouble(kind="again", why=why, wait=wait, details=details)
    if code == "context_length_exceeded" or LONG.search(said):
        details = {"cause": "context", "status": status}
        return Trouble(kind="failed", why=f"context exceeded: {said}", details=details)
    if "content_filter" in code or FORBIDDEN.search(said):
        return _refused(said)
    return Trouble(kind="failed", why=f"not taken ({status}): {said}", details=details)


def _refused(said: str) -> Trouble:
    return Trouble(
        kind="failed", why=f"content refused: {one_line(said, 160)}", details={"cause": "refused"}
    )


def garbled(what: str) -> Trouble:
    """Return what an answer that cannot be read means."""
    return Trouble(kind="again", why=what, details={"cause": "garbled"})


def unreached(error: Exception) -> Trouble:
    """Tell an address where nobody answers from an answer that was late or cut."""
    import ssl

    causes = list(_causes(error))
    untrusted = [cause for cause in causes if "certificate" in str(cause).lower()]
    if untrusted and any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Trouble(
            kind="dead",
            why=f"has a certificate that is not trusted ({one_line(untrusted[-1], 160)}): set"
            " SSL_CERT_FILE to the one that signed it, or mend model.base_url",
        )
    if any(UNMADE & {kind.__name__ for kind in type(cause).__mro__} for cause in causes):
        reason = next((c for c in reversed(causes) if isinstance(c, OSError)), causes[-1])
        why = f"cannot be reached ({one_line(reason, 120)})"
        return Trouble(kind="down", why=why, details={"cause": "server"})
    late = "Timeout" in type(error).__name__
    why = "no answer in time" if late else "the connection was cut"
    return Trouble(kind="again", why=why, details={"cause": "server"})


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it came from, the innermost last."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _error(text: str) -> Mapping[str, Any]:
    """Return the error that an answer's body holds, in the forms that servers have."""
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    return error if isinstance(error, Mapping) else {"message": error}


def _said(error: Mapping[str, Any], text: str, key: str) -> str:
    """Return the server's message, without the key."""
    said = one_line(str(error.get("message") or error.get("detail") or text or "no reason"), 200)
    return said.replace(key, "[key]") if key else said


def _wait(value: str | None) -> float | None:
    """Return the seconds that ``Retry-After`` asks for: a number, or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
