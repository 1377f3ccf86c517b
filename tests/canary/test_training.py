"""What the canary is trained with: hints that say the truth, and a network that is the model's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from evalkit.canary.training.asked import asked_of, has
from evalkit.canary.training.network import batch, states
from evalkit.canary.training.questions import TASKS, WHOLE, Group, Question, groups, tasks
from evalkit.canary.training.sources import guides, options
from evalkit.task import Task

UNGUIDED = ("How many shapes are there?", "What is the value of", "speaker call")
"""What asks for no cell: counts, sums, and what is only said."""


@pytest.fixture(scope="session")
def tokenizer(processor: Any) -> Any:
    return processor.tokenizer


@cache
def every_task() -> dict[str, Task]:
    return tasks()


def drawn(name: str, count: int) -> Iterator[tuple[Group, Question]]:
    for group in islice(groups(name, every_task()[name], 3, lambda rng: 4), count):
        for question in group.questions:
            yield group, question


@pytest.mark.parametrize("name", TASKS)
def test_what_a_question_asks_for_tells_its_answer(name: str, tokenizer: Any) -> None:
    def encode(text: str) -> list[int]:
        return list(tokenizer(text).input_ids)

    told = 0
    for group, question in drawn(name, 6):
        cells = [patch for picture in group.pictures for patch in picture]
        own = encode(question.text)
        listed = {option.letter: option for option in options(question.text, encode)}
        assert all(own[option.place] == option.token for option in listed.values())
        for guide in guides(group, question, encode):
            said = tokenizer.decode(guide.content).strip() if guide.content >= 0 else ""
            for place in guide.cells:
                cell = cells[place].cell
                assert cell is not None
                told += 1
                if len(cell.sign) == 1:
                    counted = len(group.pictures) > 1 and said in {"1", "2", "3"}
                    assert cell.sign == said or counted
            for place in guide.words:
                assert own[place] == guide.content
                told += 1
            for place in guide.chosen:
                assert own[place] == guide.content
                assert listed[question.answer.strip("()")].place == place
    assert told


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_of_question_is_known(name: str) -> None:
    for _, question in drawn(name, 6):
        assert question.asked is not None or any(each in question.text for each in UNGUIDED)


def test_traits_pick_a_cell() -> None:
    assert asked_of("In <image 2>: What is the value of the red bar?") == {
        "hue": "red",
        "role": "value",
        "picture": "2",
    }
    assert asked_of("Who is that?") is None
    assert has({"key": "date", "index": "3"}, {"key": "date", "index": "0"})
    assert not has({"key": "date label"}, {"key": "date"})


def test_it_computes_what_the_pipeline_computes(folder: Path, tokenizer: Any) -> None:
    import torch
    from transformers import Qwen2VLForConditionalGeneration

    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    group = next(groups("ocrbench", every_task()["ocrbench"], 3, lambda rng: WHOLE))
    image, pad = model.config.image_token_id, tokenizer.pad_token_id
    given = batch([group], lambda text: list(tokenizer(text).input_ids), image, pad)
    rows, columns = (side + 1 for side in group.pictures[0][0].extent)
    with torch.inference_mode():
        here = model.lm_head(states(model, given)[1][-1])[0]
        there = model(
            input_ids=given.ids,
            mm_token_type_ids=given.visual.int(),
            pixel_values=given.pixels,
            image_grid_thw=torch.tensor([[1, 2 * rows, 2 * columns]]),
        ).logits[0]
    assert len(here) > rows * columns
    torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)
