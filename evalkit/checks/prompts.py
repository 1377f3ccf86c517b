"""Does the backend answer, is every prompt what it must be, and is any reply cut short?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from evalkit.backends.openai_ready import UNTIMED
from evalkit.backends.reference import Reference, extents_of
from evalkit.checks.asking import Replies
from evalkit.checks.findings import Line, fail, ok, warn
from evalkit.errors import DataError
from evalkit.types import Request

__all__ = ["answers", "pixels", "rates", "tokens", "truncation"]


def answers(requests: Sequence[Request], replies: Replies) -> Line:
    """Say whether every question was answered."""
    failed = [request.id for request in requests if replies[request.id].text is None]
    if not failed:
        return ok("answers", f"all {len(requests)} questions are answered")
    said = f"{len(failed)} of {len(requests)} questions failed: {replies[failed[0]].error}"
    return fail("answers", said, "mend this first; what follows counts what was answered", failed)


def tokens(requests: Sequence[Request], replies: Replies, reference: Reference | None) -> Line:
    """Hold every prompt's token count against the reference processor's."""
    if reference is None:
        cure = "name the model's folder or Hub repository: reference=PATH"
        return warn("prompt tokens", "there is no reference processor to count with", cure)
    wrong, uncounted, checked = [], [], 0
    for request in requests:
        reply = replies[request.id]
        try:
            extents = [extents_of(media, request) for media in request.media]
            expected = reference.expect(request, extents).tokens
        except DataError:
            continue  # what cannot be shown fails as a question, which another line tells
        if reply.prompt_tokens is None:
            uncounted += [request.id] if reply.text is not None else []
            continue
        checked += 1
        if reply.prompt_tokens != expected:
            wrong.append((request.id, reply.prompt_tokens, expected))
    if wrong:
        name, counted, expected = wrong[0]
        said = (
            f"{len(wrong)} of {checked} prompts are not the model's own: {name} has {counted}"
            f" tokens and must have {expected}"
        )
        return fail("prompt tokens", said, _cause(wrong), [name for name, _, _ in wrong])
    if uncounted or not checked:
        cure = "its template and pixels cannot be checked; compare answers with against=MODEL"
        return warn("prompt tokens", "the backend does not say how many there are", cure, uncounted)
    return ok("prompt tokens", f"all {checked} prompts have as many as {reference.name} makes")


def rates(requests: Sequence[Request], replies: Replies) -> Line | None:
    """Say whether a model that goes by videos' frame rates is told them; ``None`` where it is."""
    untold = [each.id for each in requests if "frame_rate" in replies[each.id].details]
    if not untold:
        return None
    said = f"{len(untold)} videos have no frame rate at the server, and the model goes by it"
    return fail("frame rates", said, UNTIMED, untold)


def _cause(wrong: Sequence[tuple[str, int, int]]) -> str:
    """Return what differences in token counts point at."""
    differences = {counted - expected for _, counted, expected in wrong}
    if len(differences) == 1:
        return (
            f"all by {differences.pop():+d}: another chat template or system turn; serve with the"
            " checkpoint's own chat template"
        )
    return (
        "by differing amounts: pictures are resized to other sizes, or dropped; set the server's"
        " pixel limits, and its limit on pictures in a prompt"
    )


def pixels(
    requests: Sequence[Request], replies: Replies, digests: Mapping[str, str | None]
) -> Line | None:
    """Hold the pixels that a backend reports against the protocol's; nothing where it tells none.

    Args:
        requests: the questions.
        replies: their answers.
        digests: by question, the digest that the protocol's pixels have.
    """
    told = [r.id for r in requests if "pixels" in replies[r.id].digests and digests.get(r.id)]
    wrong = [name for name in told if replies[name].digests["pixels"] != digests[name]]
    if wrong:
        cure = "the backend resizes or encodes pictures in its own way before the model sees them"
        said = f"{len(wrong)} of {len(told)} questions show other pixels than the protocol's"
        return fail("pixels", said, cure, wrong)
    return ok("pixels", f"those of {len(told)} questions are the protocol's") if told else None


def truncation(
    requests: Sequence[Request], replies: Replies, limit: int | None, counted: Request
) -> Line:
    """Say whether replies end where the model ends them, or the protocol.

    Args:
        requests: the questions, the long one among them.
        replies: their answers.
        limit: the config's own limit on replies.
        counted: the question whose answer is long.
    """
    early, cut = list[str](), list[str]()
    for request in requests:
        reply = replies[request.id]
        if reply.finish_reason != "length":
            continue
        allowed = min(request.max_new_tokens, limit or request.max_new_tokens)
        short = reply.completion_tokens is not None and reply.completion_tokens < allowed
        (early if short else cut).append(request.id)
    if early:
        reply = replies[early[0]]
        said = f"{early[0]} was cut after {reply.completion_tokens} tokens, before its limit"
        return fail("truncation", said, "raise the server's own limit on replies or context", early)
    text = replies[counted.id].text or ""
    numbers = [int(found) for found in re.findall(r"\d{1,3}", text)]
    if numbers[:3] == [1, 2, 3] and 50 not in numbers and counted.id not in cut:
        said = f"counting to 50 ended at {numbers[-1]}, as if that were the end"
        return fail("truncation", said, "something cuts replies and calls it a stop", [counted.id])
    asked = [name for name in cut if name != counted.id]
    if limit is None and len(asked) > len(requests) / 2:
        said = f"{len(asked)} of {len(requests)} replies are cut at the protocol's limit"
        cure = "read some: a model that rambles has another chat template, or is not the one meant"
        return warn("truncation", said, cure, asked)
    return ok("truncation", f"no reply ends before its limit ({len(cut)} reach it)")
