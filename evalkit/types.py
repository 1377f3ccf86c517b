"""The values that flow through a run: frozen, slotted, documented field by field.

``Rows`` give rows; a task turns a row into a ``Sample``, a sample into a ``Request``; a backend
answers with a ``Response``; the task makes a ``Score`` of it; sample and score together
are a ``Record``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Attempt",
    "Consultation",
    "Frames",
    "Media",
    "Part",
    "Pixels",
    "Record",
    "Request",
    "Response",
    "Row",
    "Sample",
    "Score",
    "Status",
    "Subtitled",
    "Subtitles",
]

Row = Mapping[str, Any]
"""One row of a dataset, in the Hub's own column names."""

Status = Literal["ok", "unparsed", "failed", "missing", "judge_failed"]
"""How a score came about.

``ok``: judged. ``unparsed``: answered, but no answer could be read from the reply. ``failed``: the
request failed. ``missing``: no prediction. ``judge_failed``: the judge gave nothing usable.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture or a video as the dataset stores it, undecoded."""

    kind: Literal["image", "video"]
    """What it is."""
    data: bytes | None = None
    """The file's own bytes, never re-encoded; ``None`` where ``path`` or nothing holds them."""
    path: str | None = None
    """A file, or a folder of frames, on disk."""
    name: str = ""
    """What messages call it, such as ``page.png`` or a video's file stem."""
    start: float | None = None
    """Where a bounded clip starts, in seconds; ``None`` for the beginning."""
    end: float | None = None
    """Where a bounded clip ends, in seconds; ``None`` for the end."""
    fps: float | None = None
    """Frames a second of a folder of frames."""

    @property
    def absent(self) -> bool:
        """Whether the row came without this medium, so that it can only be shown or scored."""
        return self.data is None and self.path is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """How a protocol sizes a picture."""

    min_pixels: int
    """The least area after resizing, in pixels."""
    max_pixels: int
    """The greatest area after resizing, in pixels."""
    reencode: str | None = None
    """A lossy step that the protocol's harness puts before the model, such as ``jpeg:85``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """How a protocol samples and sizes a video."""

    rule: str
    """The name of a frame rule in ``evalkit.data.frames``."""
    fps: float | None = None
    """Frames wanted a second of video, where the rule asks for it."""
    count: int | None = None
    """Frames wanted in all, where the rule asks for it."""
    min_frames: int = 4
    """The least number of frames."""
    max_frames: int = 768
    """The greatest number of frames."""
    min_pixels: int = 128 * 28 * 28
    """The least area of a frame after resizing, in pixels."""
    max_pixels: int = 768 * 28 * 28
    """The greatest area of a frame after resizing, in pixels."""
    total_pixels: int | None = 24576 * 28 * 28
    """The budget that all frames share, in pixels; ``None`` for none."""
    keep: int | None = None
    """Frames kept, evenly spaced, of those that were sized; ``None`` for all."""
    as_images: bool = False
    """Whether frames are sent as separate pictures and not as one video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtitles:
    """How a protocol puts a video's subtitles into its prompt."""

    rule: str
    """The name of a subtitle rule in ``evalkit.data.subtitles``."""
    listing: str
    """What stands at ``{subtitles}`` in the prompt: ``{text}`` there is what the rule chose."""
    absent: str | None
    """The text where the video has no subtitles; ``None`` leaves the listing out."""
    empty: str | None
    """The text where the rule chose nothing; ``None`` leaves the listing out."""
    frames: Frames | None = None
    """The frames that the rule goes by; ``None`` for those that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtitled:
    """A text whose subtitles are still to be chosen, which the frames of the video decide.

    ``evalkit.data.filling`` makes it a text before a request is asked.
    """

    before: str
    """What stands before the listing."""
    after: str
    """What stands behind it."""
    how: Subtitles
    """The protocol's way."""
    video: Media
    """The video that the subtitles belong to."""
    srt: str | None
    """The SubRip file's text; ``None`` where the video has none."""
    known: bool = True
    """Whether it is known that ``srt`` is all there is."""

    @property
    def kind(self) -> Literal["subtitles"]:
        """What it is, as media have it."""
        return "subtitles"

    def text(self, chosen: str | None) -> str:
        """Return the whole text, given what the rule chose: ``None`` where there is no file."""
        how = self.how
        inner = how.absent if chosen is None else chosen or how.empty
        listing = "" if inner is None else how.listing.replace("{text}", inner)
        return f"{self.before}{listing}{self.after}"


Part = str | Media | Subtitled
"""A piece of a message: text, or a medium at its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question with its gold answers."""

    id: str
    """The dataset's own id, or the row number where it has none."""
    question: str
    """The question as the dataset has it."""
    answers: tuple[str, ...] = ()
    """Every reference answer; empty where the split's answers are private."""
    media: tuple[Media, ...] = ()
    """Pictures or videos, in the dataset's order."""
    options: tuple[str, ...] = ()
    """The texts of a multiple-choice question's options, in letter order."""
    cluster: str = ""
    """The picture, document or video that questions share; standard errors are clustered by it."""
    subsets: tuple[str, ...] = ()
    """The categories that the official table reports and that this sample counts in."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Columns that this task's prompt or scorer reads beyond the above, by the dataset's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a model: everything that can change its answer."""

    id: str
    """The sample's id."""
    parts: tuple[Part, ...]
    """Texts and media of the user's turn, in order."""
    pixels: Pixels
    """How pictures are sized."""
    max_new_tokens: int
    """Where generation is cut."""
    frames: Frames | None = None
    """How videos are sampled and sized; ``None`` where there is none."""
    system: str | None = None
    """A system turn; ``None`` leaves the chat template's own."""
    prefill: str = ""
    """Text that the assistant's turn starts with."""
    cluster: str = ""
    """The sample's cluster: requests that share media carry the same."""
    row_digest: str = ""
    """A digest of the row's text columns."""
    task: str = ""
    """The benchmark, where several are asked together: then its name and a slash begin ``id``."""

    @property
    def media(self) -> tuple[Media, ...]:
        """The media among the parts, in order."""
        return tuple(part for part in self.parts if isinstance(part, Media))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A model's answer, or the reason why there is none, with what was really used."""

    id: str
    """The sample's id."""
    text: str | None = None
    """The reply, uncut; ``None`` when the request failed."""
    error: str | None = None
    """One line that says why the request failed; ``None`` when it did not."""
    finish_reason: str | None = None
    """``stop``, ``length`` (cut at the token limit), or what a server reported."""
    prompt_tokens: int | None = None
    """Tokens of the prompt, pads of media included."""
    completion_tokens: int | None = None
    """Tokens generated, the end token included."""
    grid: tuple[tuple[int, int, int], ...] = ()
    """Time, height and width of each medium in patches, as the processor reports them."""
    seconds: float | None = None
    """Wall time from the start of preprocessing to the reply."""
    key: str = ""
    """The digest of what was asked, by which a stored response is found again."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints by stage: ``row``, ``prompt``, ``media``, ``pixels``, ``tokens`` and
    ``generation``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the backend reports, such as frame times and the decoder."""
    extraction: str | None = None
    """An answer that somebody already extracted from the reply."""
    judge: str | None = None
    """A judge's stored verdict on the reply."""
    judge_failed: bool = False
    """Whether a judge was asked and gave nothing usable at any try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at asking a judge."""

    prompt: str
    """The user's turn, whole."""
    temperature: float
    """The sampling temperature that the protocol has at this try."""
    max_tokens: int
    """Where the judge's reply is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """What a judge is asked about one reply, and which of its answers are usable."""

    attempts: tuple[Attempt, ...]
    """Tries in order; the first usable answer ends them."""
    usable: Callable[[str], bool]
    """Whether a judge's answer can be read."""
    field: Literal["judge", "extraction"]
    """Where the answer goes in the ``Response``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a scorer makes of one response."""

    value: float | None
    """Credit from 0 to 1; ``None`` when nobody could judge the answer."""
    parsed: str | None = None
    """The answer as the scorer read it; ``None`` when it could not."""
    status: Status = "ok"
    """How the value came about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A scored sample: what summaries, intervals and comparisons are computed from."""

    id: str
    """The sample's id."""
    score: float | None
    """Credit from 0 to 1; ``None`` when nobody could judge the answer."""
    status: Status
    """How the score came about."""
    parsed: str | None = None
    """The answer as the scorer read it."""
    subsets: tuple[str, ...] = ()
    """The categories that the sample counts in."""
    cluster: str = ""
    """The picture, document or video that questions share."""
    truncated: bool = False
    """Whether the reply was cut at the token limit."""
