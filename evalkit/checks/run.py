"""The check verb: ask a few questions in several ways and say what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.backends.base import Backend
from evalkit.backends.reference import Reference, load_reference
from evalkit.checks import pictures, prompts, steady
from evalkit.checks.against import agreement, same_prompts, stored
from evalkit.checks.asking import Replies, alone, together
from evalkit.checks.findings import Findings, Line
from evalkit.checks.questions import blank, counting, in_order, questions, spoken, stripes
from evalkit.config import MODEL_KEYS, build
from evalkit.data.digest import digest_image, digest_json
from evalkit.data.images import load_image
from evalkit.errors import DataError
from evalkit.types import Request

__all__ = ["check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """All that is asked."""

    chosen: list[Request]
    """The tasks' questions."""
    system: Request
    """One of them with a system turn."""
    ordered: list[Request]
    """Two pictures, either way round."""
    striped: list[tuple[Request, Request, Request]]
    """Patterns that loss gives away."""
    long: Request
    """A question with a long answer."""

    @property
    def made(self) -> list[Request]:
        """The questions that no task has."""
        fine = [request for triple in self.striped for request in triple]
        return [self.system, *self.ordered, *fine, self.long]


def check(config: Mapping[str, Any]) -> Findings:
    """Check the backend of a composed config.

    Raises:
        UsageError: a setting cannot work.
        BackendError: a backend is dead.
    """
    chosen = questions(config)
    asked = Set(
        chosen=chosen,
        system=spoken(chosen[0]),
        ordered=in_order(),
        striped=stripes(),
        long=counting(),
    )
    reference = reference_of(config)
    with backend_of(config["model"]) as backend:
        lines, first = examine(backend, asked, reference, config["model"].get("max_reply"))
    if config["against"] is not None:
        lines += compare(config["against"], asked, first, reference)
    return Findings(model=config["model"]["name"], lines=tuple(lines))


def backend_of(model: Mapping[str, Any]) -> Backend:
    """Return a model's backend, one that goes on when it finds a prompt that is not as it must be.

    Stopping there is right for a run; here the finding is what is wanted.
    """
    settings = {key: value for key, value in model.items() if key not in MODEL_KEYS}
    if "on_mismatch" in settings:
        settings["on_mismatch"] = "report"
    backend: Backend = build(settings)
    return backend


def reference_of(config: Mapping[str, Any]) -> Reference | None:
    """Return the processor that prompts are held against: the one named, or the model's own."""
    model = config["model"]
    path = config["reference"] or model.get("reference") or model.get("path")
    return load_reference(str(path), model.get("revision")) if path else None


def examine(
    backend: Backend, asked: Set, reference: Reference | None, limit: int | None
) -> tuple[list[Line], Replies]:
    """Ask everything; return what was found and the answers to questions asked alone."""
    chosen = asked.chosen
    everything = [*chosen, *asked.made]
    # Long answers to odd pictures show sampling sooner than short ones to plain questions.
    twice = [*chosen, *asked.ordered, *(fine for fine, _, _ in asked.striped)]
    first = alone(backend, everything)
    again = alone(backend, twice)
    company = together(backend, chosen)
    blanked = alone(backend, [blank(request) for request in chosen if has_picture(request)])
    stable = steady.determinism(twice, first, again)
    lines = [
        prompts.answers(everything, first),
        prompts.tokens(everything, first, reference),
        prompts.pixels(chosen, first, {request.id: expected_pixels(request) for request in chosen}),
        prompts.rates(everything, first),
        stable,
        steady.batch(chosen, first, company, steady=stable.verdict == "pass"),
        pictures.matter(chosen, first, blanked),
        pictures.order(first),
        pictures.loss(asked.striped, first),
        prompts.truncation(everything, first, limit, asked.long),
    ]
    return [line for line in lines if line is not None], first


def compare(
    against: Mapping[str, Any] | str, asked: Set, first: Replies, reference: Reference | None
) -> list[Line]:
    """Ask another backend the same, or look its answers up in a run; return what was found."""
    everything = [*asked.chosen, *asked.made]
    if isinstance(against, str):
        other = stored(Path(against), everything)
    else:
        with backend_of(against) as backend:
            other = alone(backend, everything)
    names = [request.id for request in everything if request.id in other]
    return [same_prompts(names, first, other), agreement(names, first, other, reference)]


def has_picture(request: Request) -> bool:
    """Whether a question shows a picture."""
    return any(media.kind == "image" for media in request.media)


def expected_pixels(request: Request) -> str | None:
    """Return the digest of the pictures that a protocol shows; ``None`` with a video among them."""
    if not request.media or any(media.kind == "video" for media in request.media):
        return None
    try:
        images = [load_image(media, request.pixels) for media in request.media]
    except DataError:
        return None
    return digest_json([digest_image(image) for image in images])
