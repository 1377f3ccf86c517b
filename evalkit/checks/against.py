"""Two backends side by side: the share of identical answers, and where they part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from evalkit.backends.reference import Reference
from evalkit.checks.asking import Replies, parting, same
from evalkit.checks.findings import Line, fail, ok, warn
from evalkit.errors import UsageError
from evalkit.files import lines_of
from evalkit.items import NARROW, close_calls, lead_of
from evalkit.store import RESPONSES, parse, response_from
from evalkit.types import Request

__all__ = ["agreement", "same_prompts", "stored"]

GOOD, POOR = 0.9, 0.6
"""Shares of identical answers: rounding alone stays above the first; below the second the models,
prompts or pixels differ."""

STAGES = ("media", "prompt", "tokens", "pixels", "generation")


def stored(run: Path, requests: Sequence[Request]) -> Replies:
    """Return a run's answers to the questions that it was asked too.

    Raises:
        UsageError: it was asked none of them.
    """
    found: Replies = {}
    wanted = {request.id for request in requests}
    for file in sorted(run.glob(f"*/{RESPONSES}")):
        for offset, line in lines_of(file):
            response = response_from(parse(file, offset, line))
            name = f"{file.parent.name}/{response.id}"
            if name in wanted:
                found[name] = response
    if not found:
        raise UsageError(
            f"against={run}: the run has no answer to any of these {len(wanted)} questions: choose"
            " its task=, protocol= and data="
        )
    return found


def same_prompts(names: Sequence[str], ours: Replies, theirs: Replies) -> Line:
    """Compare what both sides were fed, as far as both tell."""
    counts = [
        name
        for name in names
        if None not in (ours[name].prompt_tokens, theirs[name].prompt_tokens)
        and ours[name].prompt_tokens != theirs[name].prompt_tokens
    ]
    if counts:
        one, other = ours[counts[0]].prompt_tokens, theirs[counts[0]].prompt_tokens
        said = f"{counts[0]} has {one} tokens here and {other} there"
        cure = "other pixels or another chat template; the line on prompt tokens says which side"
        return fail("same prompts", said, cure, counts)
    for stage in STAGES[1:4]:
        parted = [
            name
            for name in names
            if stage in ours[name].digests
            and stage in theirs[name].digests
            and ours[name].digests[stage] != theirs[name].digests[stage]
        ]
        if parted:
            said = f"{len(parted)} questions part at the stage: {stage}"
            return fail("same prompts", said, "evalkit explain tells more of two runs", parted)
    return ok("same prompts", f"{len(names)} prompts agree in all that both sides tell")


def agreement(
    names: Sequence[str], ours: Replies, theirs: Replies, reference: Reference | None
) -> Line:
    """Compare answers, and say at which token those that differ part."""
    pairs = same(ours, theirs, [(name, name) for name in names])
    share = f"{pairs.same} of {pairs.asked} answers are identical ({100 * pairs.share:.0f} %)"
    if not pairs.differing:
        return ok("same answers", share)
    places = [
        parting(_tokens(ours[name].text, reference), _tokens(theirs[name].text, reference))
        for name in pairs.differing
        if ours[name].text is not None and theirs[name].text is not None
    ]
    unit = "token" if reference else "character"
    where = f"; they part at {unit} {min(places)} to {max(places)}" if places else ""
    said = f"{share}{where}{f', median {median(places):g}' if len(places) > 2 else ''}"
    sides = (ours, theirs)
    leads = [[lead_of(s[n].text, s[n].details) for s in sides] for n in pairs.differing]
    if (close := close_calls(leads)) is not None:
        said += (
            f"; {close} of {len(leads)} were close calls (a lead of less than {NARROW} in logits)"
        )
    if pairs.share >= GOOD:
        return ok("same answers", said)
    if pairs.share >= POOR:
        cure = "more than rounding between number formats: compare dtype, attention and versions"
        return warn("same answers", said, cure, pairs.differing)
    cure = "not the same model, pixels or decoding: other weights, or pictures changed on their way"
    return fail("same answers", said, cure, pairs.differing)


def _tokens(text: str | None, reference: Reference | None) -> Sequence[int]:
    """Return a reply's tokens, or its characters where there is no tokenizer."""
    if reference is None:
        return [ord(character) for character in text or ""]
    ids: list[int] = reference.processor.tokenizer(text or "", add_special_tokens=False)[
        "input_ids"
    ]
    return ids
