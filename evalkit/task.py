"""What a benchmark is: how a row becomes a sample, a sample a request, and a reply a score.

A task is a frozen dataclass that a card in ``conf/task`` names by ``_target_``; every knob that can
change a number stands in the card, in one ``Protocol`` for each published way of asking.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from evalkit.errors import DataError, UsageError, nearest
from evalkit.metrics.summary import percent_means
from evalkit.types import (
    Consultation,
    Frames,
    Media,
    Part,
    Pixels,
    Record,
    Request,
    Response,
    Row,
    Sample,
    Score,
    Subtitled,
    Subtitles,
)

__all__ = ["MEDIA", "PROMPT", "Protocol", "Task", "media_from", "rrc_entry"]

MEDIA, PROMPT = "<media>", "<prompt>"
"""What stands for the sample's media and for the prompt among a protocol's parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One published way of asking a benchmark's questions, as its card has it."""

    name: str
    """The protocol's name, such as ``release``."""
    source: str
    """Where it is written down: harness and commit, or paper."""
    prompt: str
    """The text that asks; ``{question}`` and the task's other fields are filled in."""
    min_pixels: int
    """The least area of a picture after resizing, in pixels."""
    max_pixels: int
    """The greatest area of a picture after resizing, in pixels."""
    max_new_tokens: int
    """Where generation is cut."""
    scorer: str
    """The scorer variant that this protocol's harness used."""
    reencode: str | None = None
    """A lossy step before the model, such as ``jpeg:85``."""
    until: tuple[str, ...] = ()
    """Strings at which the harness cut a reply after generation, the string itself left out."""
    parts: tuple[str, ...] = (MEDIA, PROMPT)
    """The message's parts in order; those that are text are filled in as the prompt is."""
    frames: Frames | None = None
    """How videos are sampled; ``None`` for image benchmarks."""
    subtitles: Subtitles | None = None
    """How subtitles are put into the prompt; ``None`` for none."""
    system: str | None = None
    """A system turn; ``None`` leaves the chat template's own."""
    prefill: str = ""
    """Text that the assistant's turn starts with."""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    """Settings that only this task has, documented in its module."""

    @property
    def pixels(self) -> Pixels:
        """The picture limits as a request carries them."""
        return Pixels(
            min_pixels=self.min_pixels, max_pixels=self.max_pixels, reencode=self.reencode
        )


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A benchmark under one protocol."""

    protocol: Protocol
    """The way of asking that the run picked."""
    scorer: str
    """The scorer variant that the run picked."""
    split: str
    """The split that the rows come from."""

    name: ClassVar[str]
    """The task's name, which is its card's."""
    version: ClassVar[str]
    """Raised whenever a change can move a score."""
    metric: ClassVar[str]
    """The name of the primary metric."""
    columns: ClassVar[tuple[str, ...]]
    """The columns that a row must have."""
    scorers: ClassVar[Mapping[str, Any]]
    """Scorer variants by name."""
    media_columns: ClassVar[tuple[str, ...]] = ("image",)
    """The columns that hold media; a row may come without them to be shown or scored."""
    beside: ClassVar[bool] = False
    """Whether the dataset keeps its media in files beside its rows, which ``files`` names."""
    searched: ClassVar[bool] = True
    """Whether any of the dataset's archives may hold such a file; else only one that is named as
    the file's folder does, and without it the file is missing."""
    scale: ClassVar[str] = "percent"
    """``percent`` or ``points``."""
    macro: ClassVar[bool] = False
    """Whether the primary metric is the mean of the subsets' means, and not of all questions."""
    unscored_splits: ClassVar[tuple[str, ...]] = ()
    """Splits whose answers are private: their replies become a submission file."""

    def __post_init__(self) -> None:
        """Refuse a scorer that does not exist."""
        if self.scorer not in self.scorers:
            raise UsageError(nearest(f"scorer for {self.name}", self.scorer, list(self.scorers)))

    @property
    def scored(self) -> bool:
        """Whether the split's answers are public."""
        return self.split not in self.unscored_splits

    @property
    def needs_judge(self) -> bool:
        """Whether no score exists without a judge, under this scorer."""
        return False

    @abstractmethod
    def sample(self, row: Row, number: int) -> Sample:
        """Read one row.

        Args:
            row: the row, in the Hub dataset's own columns; media columns may be absent.
            number: its place in the split, from 0; the id where the dataset has none.
        """

    @abstractmethod
    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Score a reply that the protocol's cut has been applied to."""

    def fields(self, sample: Sample) -> Mapping[str, str]:
        """Return what the prompt template may name; ``question`` unless a task has more."""
        return {"question": sample.question}

    def files(self, row: Row) -> Mapping[str, Sequence[str]]:
        """Return where a row's media lie that the dataset keeps in files of their own.

        Returns:
            By column, names to look for below the dataset's folder; the first that is there
            counts. Columns that are not ``media_columns`` get a text file's text, or ``None``
            where the folder of its first name is there and the file is not.
        """
        return {}

    def request(self, sample: Sample) -> Request:
        """Ask a sample's question: the protocol's parts in order."""
        parts: list[Part] = []
        for part in self.protocol.parts:
            if part == MEDIA:
                parts += sample.media
            else:
                parts.append(self.text(sample, self.protocol.prompt if part == PROMPT else part))
        return self.ask(sample, parts)

    def text(self, sample: Sample, template: str) -> str | Subtitled:
        """Return one of the protocol's texts, filled in.

        What ``{subtitles}`` stands for is left open: it is told from the frames of the sample's
        first medium, and from its fact ``subtitles``, the SubRip file's text or ``None``.
        """
        fields, how = self.fields(sample), self.protocol.subtitles
        before, hole, after = template.partition("{subtitles}")
        if how is None or not hole:
            return template.format(**fields)
        return Subtitled(
            before=before.format(**fields),
            after=after.format(**fields),
            how=how,
            video=sample.media[0],
            srt=sample.facts.get("subtitles"),
            known="subtitles" in sample.facts,
        )

    def ask(self, sample: Sample, parts: Sequence[Part]) -> Request:
        """Return the request that holds ``parts`` under this task's protocol."""
        return Request(
            id=sample.id,
            parts=tuple(parts),
            pixels=self.protocol.pixels,
            max_new_tokens=self.protocol.max_new_tokens,
            frames=self.protocol.frames,
            system=self.protocol.system,
            prefill=self.protocol.prefill,
            cluster=sample.cluster,
        )

    def reply(self, text: str) -> str:
        """Cut a reply where the protocol's harness cut it."""
        for mark in self.protocol.until:
            text = text.split(mark, 1)[0]
        return text

    def consult(self, sample: Sample, reply: str) -> Consultation | None:
        """Return what a judge must be asked about a reply; ``None`` where rules settle it."""
        return None

    def score(self, sample: Sample, response: Response | None) -> Score:
        """Score one response; a failed or missing one gets its status and no value."""
        if response is None:
            return Score(value=None, status="missing")
        if response.text is None:
            return Score(value=None, status="failed")
        if response.judge_failed:
            return Score(value=None, status="judge_failed")
        return self.grade(sample, self.reply(response.text), response)

    def record(self, sample: Sample, response: Response | None) -> Record:
        """Score one response and keep what summaries and comparisons need of it."""
        score = self.score(sample, response)
        media = response.digests.get("media", "") if response else ""
        return Record(
            id=sample.id,
            score=score.value,
            status=score.status,
            parsed=score.parsed,
            subsets=sample.subsets,
            cluster=sample.cluster or media,
            truncated=bool(response and response.finish_reason == "length"),
        )

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Return metrics by name, subsets as ``metric/subset``."""
        return percent_means(self.metric, records)

    def submission(self, sample: Sample, response: Response | None) -> dict[str, Any]:
        """Return a private split's entry in its server's submission file."""
        raise UsageError(f"{self.name}: split {self.split} has no answers and no submission format")


def rrc_entry(sample: Sample, answer: str) -> dict[str, Any]:
    """Return one entry of a submission to the Robust Reading Competition's server.

    Its validator wants an integer id and a string answer, and one entry for every question
    (``eval_mm/infographicsvqa_eval.py`` of QwenLM/Qwen-VL, which is the server's script).
    """
    return {"questionId": int(sample.id), "answer": answer}


def media_from(
    row: Row, column: str, name: str = "", kind: Literal["image", "video"] = "image"
) -> Media:
    """Return a row's picture or video, or a placeholder where the row came without it.

    Args:
        row: the row.
        column: the column that holds ``{"bytes", "path"}``, bytes, a path, or nothing.
        name: what messages call it; the column's own path where there is one.
        kind: what the column holds.

    Raises:
        DataError: the column holds something else.
    """
    value = row.get(column)
    if value is None:
        return Media(kind=kind, name=name or column)
    if isinstance(value, bytes):
        return Media(kind=kind, data=value, name=name or column)
    if isinstance(value, str):
        return Media(kind=kind, path=value, name=name or value)
    if isinstance(value, Mapping) and {"bytes", "path"} & set(value):
        data, path = value.get("bytes"), value.get("path")
        return Media(
            kind=kind,
            data=data,
            path=None if data is not None else path,
            name=name or path or column,
        )
    wanted = "picture" if kind == "image" else kind
    raise DataError(f"column {column} holds {type(value).__name__}, not a {wanted}")
