"""Questions that share a picture, or merely a batch, answered together.

Each group's media are encoded and its common beginning is prefilled as soon as it is prepared; then
its questions wait until the batch is as large as the budget allows. A batch that does not fit into
memory is halved, and so is the budget.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from evalkit.backends.encoding import encode
from evalkit.backends.loading import Loaded
from evalkit.backends.prefix import Row, Stem, common, decode, grow
from evalkit.backends.questions import Fault, Question, alike, attempt, respond
from evalkit.types import Response

__all__ = ["Together", "budget_for"]

T = TypeVar("T")

LEAST, MOST = 1 << 13, 1 << 18
"""The smallest and the largest budget that is chosen by itself: beyond it only memory grows."""

SHARE = 0.25
"""The part of an accelerator's memory beside the weights that a batch's cache may take; while the
next group is prefilled, the rest holds what the vision encoder and the longest prompt need."""

WORTH = 512
"""Tokens that a beginning of their own must save some of the questions on the same media."""

PROCESSOR = 256 << 20
"""Bytes that it may take on a processor, which gains little from larger batches."""


def budget_for(loaded: Loaded) -> int:
    """Return how many tokens a batch may hold, padding and replies included.

    It depends on the machine and the model only, not on what else is in memory just now, so that a
    run repeated on the same machine makes the same batches.
    """
    import torch

    config = loaded.model.config.get_text_config(decoder=True)
    heads = config.num_key_value_heads * config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * heads * loaded.model.dtype.itemsize
    weights = list(loaded.model.parameters())
    devices = {weight.device for weight in weights if weight.device.type == "cuda"}
    memory = sum(torch.cuda.get_device_properties(each).total_memory for each in devices)
    free = memory - sum(weight.nbytes for weight in weights)
    cache = SHARE * free if devices else PROCESSOR
    return max(LEAST, min(MOST, int(cache / token)))


class Extent(NamedTuple):
    """How many tokens a question takes in a batch."""

    stem: int
    """Of its beginning."""
    rest: int
    """Of its prompt's rest."""
    most: int
    """Of its reply, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seat:
    """A question in a batch."""

    asked: Question
    """The question."""
    row: Row
    """What is decoded."""
    seconds: float
    """How long the model has worked for it so far."""

    @property
    def extent(self) -> Extent:
        """How many tokens it takes."""
        return Extent(self.row.stem.length, len(self.row.rest), self.row.most)


@dataclass(slots=True, kw_only=True)
class Together:
    """Answers prepared groups in batches."""

    loaded: Loaded
    """A Qwen2-VL."""
    budget: int
    """The most tokens of a batch, padding and replies included; halved when memory runs out."""
    step: Any = None
    """A compiled ``forward``, or ``None``."""
    halved: bool = False
    """Whether memory has run out."""
    worked: float = 0.0
    """Seconds spent on encoding and on beginnings."""
    seats: list[Seat] = field(default_factory=list)
    """The batch that is being filled."""

    def answers(self, groups: Iterable[Sequence[Question]]) -> Iterator[Response]:
        """Yield the response to every question of prepared groups.

        Raises:
            BackendError: the model is dead.
        """
        for questions in groups:
            yield from (each.failed(each.error) for each in questions if each.inputs is None)
            for kin in alike(questions):
                yield from self.take(kin)
        yield from self.flush()

    def take(self, kin: Sequence[Question]) -> Iterator[Response]:
        """Seat questions that show the same media; yield what has to be answered first.

        They share their beginning if it holds all the media, and else only what the vision encoder
        makes of them: a question that stands before its picture leaves little in common.
        """
        model, before = self.loaded.model, self.worked
        ((shared, _), *_) = kinds = families(kin)
        if not self.fits(*(extent_of(each, size) for size, some in kinds for each in some)):
            yield from self.flush()
        begun = yield from self.begin(kin, shared)
        if isinstance(begun, Fault):
            for each in kin:
                yield each.failed(begun.why(each.given.tokens), self.worked - before)
            return
        encoded, root = begun
        for length, some in kinds:
            stem: Stem | Fault | None = root if length == shared else None
            for asked in some:
                extent = extent_of(asked, length)
                if not self.fits(extent):
                    yield from self.flush()
                if stem is None or not length:
                    longer = partial(grow, model, asked.given, extent.stem, encoded, root)
                    stem = yield from self.tried(longer)
                yield from self.seat(asked, stem, self.worked - before)

    def begin(
        self, kin: Sequence[Question], shared: int
    ) -> Generator[Response, None, tuple[dict[str, Any], Stem | None] | Fault]:
        """Return what the vision encoder makes of the media, and the beginning that all share."""
        model, given = self.loaded.model, kin[0].given
        encoded = yield from self.tried(partial(encode, model, given.media))
        if isinstance(encoded, Fault) or not shared:
            return encoded if isinstance(encoded, Fault) else (encoded, None)
        root = yield from self.tried(partial(grow, model, given, shared, encoded))
        return root if isinstance(root, Fault) else (encoded, root)

    def seat(self, asked: Question, stem: Stem | Fault, seconds: float) -> Iterator[Response]:
        """Seat a question with its beginning, or yield why it has none."""
        if isinstance(stem, Fault):
            yield asked.failed(stem.why(asked.given.tokens), seconds)
        else:
            rest, most = ids_of(asked)[stem.length :], asked.request.max_new_tokens
            row = Row(stem=stem, rest=rest, most=most)
            self.seats.append(Seat(asked=asked, row=row, seconds=seconds))

    def fits(self, *more: Extent) -> bool:
        """Return whether a batch has room for more; an empty one takes anything."""
        seats = [seat.extent for seat in self.seats]
        return not seats or needed([*seats, *more]) <= self.budget

    def tried(self, work: Callable[[], T]) -> Generator[Response, None, T | Fault]:
        """Return what some work returns; where memory runs out, answer the batch and try again."""
        for final in (False, True):
            start = time.perf_counter()
            made = attempt(self.loaded, work)
            self.worked += time.perf_counter() - start
            if final or not (isinstance(made, Fault) and made.memory and self.seats):
                break
            yield from self.flush()
        return made

    def flush(self) -> Iterator[Response]:
        """Yield the responses of the batch as it stands, and empty it."""
        seats, self.seats = self.seats, []
        if seats:
            yield from self.decode(seats)

    def decode(self, seats: list[Seat]) -> Iterator[Response]:
        """Yield the responses of a batch; what fails as a whole is tried in halves."""
        start = time.perf_counter()
        rows = [seat.row for seat in seats]
        made = attempt(self.loaded, lambda: decode(self.loaded.model, rows, self.step))
        seconds = time.perf_counter() - start
        if not isinstance(made, Fault):
            for seat, reply in zip(seats, made, strict=True):
                yield respond(self.loaded, seat.asked, reply, seat.seconds + seconds)
        elif len(seats) == 1:
            [seat] = seats
            why = made.why(seat.asked.given.tokens)
            yield seat.asked.failed(why, seat.seconds + seconds)
        else:
            if made.memory:
                self.halve(needed([seat.extent for seat in seats]))
            middle = len(seats) // 2
            yield from self.decode(seats[:middle])
            yield from self.decode(seats[middle:])

    def halve(self, tokens: int) -> None:
        """Make do with half of what did not fit into memory, and say so once."""
        self.budget = min(self.budget, tokens // 2)
        if not self.halved:
            print(
                f"out of memory with {tokens} tokens in a batch: going on with halves, down to"
                f" {self.budget}; model.batch_tokens={self.budget} starts there",
                file=sys.stderr,
            )
        self.halved = True


def needed(extents: Sequence[Extent]) -> int:
    """Return the tokens that a batch holds in the end, padding included."""
    stems, rests, replies = zip(*extents, strict=True)
    return len(extents) * int(max(stems) + max(rests) + max(replies))


def extent_of(asked: Question, stem: int) -> Extent:
    """Return how many tokens a question takes whose beginning has ``stem`` of them.

    With 0 the beginning is its own: all of the prompt but the last token.
    """
    stem = stem or asked.given.tokens - 1
    return Extent(stem, asked.given.tokens - stem, asked.request.max_new_tokens)


def ids_of(asked: Question) -> list[int]:
    """Return a prompt's token ids."""
    ids: list[int] = asked.given.text["input_ids"][0].tolist()
    return ids


def families(kin: Sequence[Question]) -> list[tuple[int, list[Question]]]:
    """Return questions that show the same media, with how many tokens each set begins alike.

    The first number is what all begin with, and 0 where sharing is not worth it. Sets that go on
    alike for long follow with a longer beginning: questions with a video's subtitles, say, beside
    those without.
    """
    shared = beginning(kin)
    if not shared:
        return [(0, list(kin))]
    apart: dict[int, list[Question]] = {}
    for each in kin:
        apart.setdefault(ids_of(each)[shared], []).append(each)
    others: list[Question] = []
    found = [(shared, others)]
    for some in apart.values():
        own = common([ids_of(each) for each in some])
        # Alone, a long rest would have the batch's others padded to its length.
        if (own - shared) * max(1, len(some) - 1) >= WORTH:
            found.append((own, some))
        else:
            others += some
    return found


def beginning(kin: Sequence[Question]) -> int:
    """Return how many tokens questions share that show the same media, or 0 if it is not worth it.

    It is worth it only where what they share holds all of the media.
    """
    shared = common([ids_of(each) for each in kin]) if len(kin) > 1 else 0
    pads = kin[0].given.text["mm_token_type_ids"][0, shared:]
    return 0 if bool(pads.any()) else shared
