"""What questions share changes no answer: logits are compared, and not only what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from evalkit.backends import together
from evalkit.backends.prefix import common
from evalkit.backends.together import Extent, needed
from evalkit.backends.transformers import TransformersBackend
from evalkit.errors import UsageError
from evalkit.types import Frames, Media, Request, Response

Draw = Callable[..., Image.Image]
Encode = Callable[..., Media]
Ask = Callable[..., Request]
Groups = list[list[Request]]

FRAMES = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0, min_pixels=3136, max_pixels=50176)
LENGTH = 4
CLOSE = 1e-4


@pytest.fixture(scope="module")
def backends(tiny: Path) -> Iterator[dict[str, TransformersBackend]]:
    """The checkpoint in every mode of sharing."""
    modes = {
        mode: TransformersBackend(path=str(tiny), device="cpu", sharing=mode)
        for mode in ("shared", "exact", "off")
    }
    with modes["shared"], modes["exact"], modes["off"]:
        yield modes


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have beginnings of their own pay for texts that a small model reads quickly."""
    monkeypatch.setattr(together, "WORTH", 100)


@contextmanager
def watched(backend: TransformersBackend) -> Iterator[list[torch.Tensor]]:
    """Give the logits of every forward pass, as they come."""
    seen: list[torch.Tensor] = []
    head = backend._held[0].model.lm_head
    handle = head.register_forward_hook(lambda *given: seen.append(given[2][:, -1].clone()))
    try:
        yield seen
    finally:
        handle.remove()


def alone(backend: TransformersBackend, groups: Groups) -> dict[str, torch.Tensor]:
    """Return each request's logits, steps x vocabulary, where each is asked by itself."""
    found = {}
    for request in (request for group in groups for request in group):
        with watched(backend) as seen:
            [response] = backend.generate([[request]])
        assert response.error is None
        found[request.id] = torch.cat(seen)
    return found


def batched(backend: TransformersBackend, groups: Groups) -> dict[str, torch.Tensor]:
    """Return each request's logits, steps x vocabulary, where all are one batch."""
    with watched(backend) as seen:
        responses = list(backend.generate(groups))
    assert all(logits.shape[0] == len(responses) for logits in seen), "it was not one batch"
    return {
        response.id: torch.stack([logits[place] for logits in seen])
        for place, response in enumerate(responses)
    }


def told(backend: TransformersBackend, groups: Groups) -> dict[str, Response]:
    return {response.id: response for response in backend.generate(groups)}


def same(mine: Response, other: Response) -> bool:
    return all(
        getattr(mine, name) == getattr(other, name)
        for name in (
            "text", "error", "finish_reason", "prompt_tokens", "completion_tokens", "grid",
            "digests",
        )
    ) and shown(mine) == shown(other)  # fmt: skip


def shown(response: Response) -> dict[str, Any]:
    """Return what was shown of the media; the lead beside it has the rounding of its batch."""
    return {name: value for name, value in response.details.items() if name != "lead"}


@pytest.fixture(scope="module")
def clip(picture: Draw, tmp_path_factory: pytest.TempPathFactory) -> Media:
    folder = tmp_path_factory.mktemp("clip")
    for number in range(6):
        picture("RGB", (200, 150)).rotate(40 * number).save(folder / f"{number}.png")
    return Media(kind="video", path=str(folder), fps=2.0)


@pytest.fixture(scope="module")
def groups(picture: Draw, media: Encode, request_of: Ask, clip: Media) -> dict[str, Groups]:
    """Batches that have all that can go wrong, by what it is."""
    image = picture("RGB", (420, 280))
    turned = image.transpose(Image.Transpose.ROTATE_180)
    page, back, small = media(image), media(turned), media(picture("L", (90, 150)))
    texts = ["Why?", "What is written in the upper left corner?", "How many?", "Where is it now?"]

    def on(*parts: str | Media, name: str, count: int) -> list[Request]:
        return [
            request_of(
                *parts, f"{number} {texts[number % 4]}", name=f"{name}{number}",
                max_new_tokens=LENGTH, frames=FRAMES,
            )
            for number in range(count)
        ]  # fmt: skip

    asked = request_of("First the text, then", page, "?", name="late", max_new_tokens=LENGTH)
    other = request_of("Other text", page, "and more", name="later", max_new_tokens=LENGTH)
    return {
        "one": [on(page, name="a", count=1)],
        "two": [on(page, name="a", count=2)],
        "three": [on(page, name="a", count=3)],
        "eight": [on(page, name="a", count=8)],
        "same size, other picture": [on(page, name="a", count=2), on(back, name="b", count=2)],
        "mixed sizes": [on(page, name="a", count=2), on(small, name="b", count=3)],
        "picture beside text": [on(page, name="a", count=2), on(name="b", count=2)],
        "text alone": [on(name="b", count=3)],
        "unlike in one group": [
            [*on(page, name="a", count=2), *on(back, name="b", count=2), *on(name="c", count=1)]
        ],
        "two pictures in one": [on(page, small, name="a", count=2), on(back, name="b", count=1)],
        "the same picture twice": [on(page, page, name="a", count=2)],
        "picture between texts": [on("Look:", page, "and", small, name="a", count=2)],
        "text before the picture": [[asked, other]],
        "video": [on(clip, name="v", count=3)],
        "long texts behind a video": [
            [
                *on(clip, "What is said: " + 60 * "and so on ", name="said", count=3),
                *on(clip, "Say one word.", name="v", count=2),
                *on(clip, "Think it over: " + 80 * "one by one ", name="long", count=1),
            ]
        ],
        "picture and video": [
            on(clip, page, name="m", count=2), on(clip, name="v", count=1),
            on(small, name="p", count=2),
        ],
    }  # fmt: skip


CASES = [
    "one", "two", "three", "eight", "same size, other picture", "mixed sizes",
    "picture beside text", "text alone", "unlike in one group", "two pictures in one",
    "the same picture twice", "picture between texts", "text before the picture", "video",
    "long texts behind a video", "picture and video",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_batch_computes_what_each_question_computes_alone(
    case: str, backends: dict[str, TransformersBackend], groups: dict[str, Groups]
) -> None:
    plain = alone(backends["off"], groups[case])
    shared = batched(backends["shared"], groups[case])
    assert shared.keys() == plain.keys()
    for name, logits in plain.items():
        assert shared[name].shape == logits.shape
        assert (shared[name] - logits).abs().max() < CLOSE, name
    wanted, found = told(backends["off"], groups[case]), told(backends["shared"], groups[case])
    assert all(same(wanted[name], found[name]) for name in wanted)


@pytest.mark.parametrize("case", CASES)
def test_the_shared_encoder_alone_changes_not_a_bit(
    case: str, backends: dict[str, TransformersBackend], groups: dict[str, Groups]
) -> None:
    plain = alone(backends["off"], groups[case])
    with watched(backends["exact"]) as seen:
        replies = told(backends["exact"], groups[case])
    assert torch.equal(torch.cat(list(plain.values())), torch.cat(seen))
    wanted = told(backends["off"], groups[case])
    assert all(same(wanted[name], replies[name]) for name in wanted)


def test_the_tolerance_is_far_below_what_another_picture_changes(
    backends: dict[str, TransformersBackend], groups: dict[str, Groups]
) -> None:
    shared = batched(backends["shared"], groups["same size, other picture"])
    for number in range(2):
        difference = (shared[f"a{number}"][0] - shared[f"b{number}"][0]).abs().max()
        assert difference > 1000 * CLOSE


def test_every_picture_is_encoded_once_and_every_beginning_prefilled_once(
    backends: dict[str, TransformersBackend],
    groups: dict[str, Groups],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = [*groups["eight"], *groups["mixed sizes"][1:]]
    images = 2

    def encodings(mode: str) -> int:
        model, calls = backends[mode]._held[0].model, []
        handle = model.model.visual.register_forward_hook(lambda *_: calls.append(1))
        try:
            list(backends[mode].generate(asked))
        finally:
            handle.remove()
        return len(calls)

    assert encodings("shared") == encodings("exact") == images
    assert encodings("off") == 11
    grown = []
    grow = together.grow
    monkeypatch.setattr(together, "grow", lambda *given: grown.append(given) or grow(*given))
    list(backends["shared"].generate(asked))
    assert len(grown) == images


def test_a_long_text_that_some_questions_share_is_prefilled_once(
    backends: dict[str, TransformersBackend],
    groups: dict[str, Groups],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grown: list[tuple[int, int]] = []
    grow = together.grow

    def watching(model: Any, inputs: Any, length: int, encoded: Any, base: Any = None) -> Any:
        grown.append((base.length if base else 0, length))
        return grow(model, inputs, length, encoded, base)

    monkeypatch.setattr(together, "grow", watching)
    list(backends["shared"].generate(groups["long texts behind a video"]))
    (start, video), (one, said), (other, alone) = grown
    assert start == 0
    assert one == other == video
    assert min(said, alone) > video


def test_a_batch_is_as_large_as_the_budget_and_no_larger(
    tiny: Path, groups: dict[str, Groups], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[list[Extent]] = []
    decode = together.decode

    def watching(model: Any, rows: Sequence[Any], step: Any = None) -> list[list[int]]:
        sizes.append([Extent(row.stem.length, len(row.rest), row.most) for row in rows])
        return decode(model, rows, step)

    monkeypatch.setattr(together, "decode", watching)
    asked = [*groups["eight"], *groups["mixed sizes"][1:]]
    with TransformersBackend(path=str(tiny), device="cpu", batch_tokens=700) as backend:
        small = told(backend, asked)
        assert backend.facts["batch_tokens"] == 700
    assert [len(size) for size in sizes] == [3, 3, 2, 3]
    assert all(needed(size) <= 700 for size in sizes)
    sizes.clear()
    with TransformersBackend(path=str(tiny), device="cpu", batch_tokens=1) as backend:
        single = told(backend, asked)
    assert [len(size) for size in sizes] == [1] * 11
    sizes.clear()
    with TransformersBackend(path=str(tiny), device="cpu") as backend:
        packed = told(backend, asked)
    assert [len(size) for size in sizes] == [11]
    assert all(
        same(small[name], packed[name]) and same(single[name], packed[name]) for name in packed
    )


@pytest.mark.parametrize("where", ["decode", "grow", "encode"])
def test_out_of_memory_halves_the_batch_and_says_so_once(
    where: str,
    tiny: Path,
    backends: dict[str, TransformersBackend],
    groups: dict[str, Groups],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = [*groups["eight"], *groups["mixed sizes"][1:]]
    decode, work = together.decode, getattr(together, where)
    held, decoded = [0], []

    def tight(model: Any, rows: Sequence[Any], *given: Any) -> Any:
        if where == "decode" and len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        held[0] = 0
        decoded.append(len(rows))
        return decode(model, rows, *given)

    def full(*given: Any) -> Any:
        held[0] += 1
        if held[0] > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return work(*given)

    if where != "decode":
        monkeypatch.setattr(together, where, full)
    monkeypatch.setattr(together, "decode", tight)
    with TransformersBackend(path=str(tiny), device="cpu") as backend:
        found = told(backend, asked)
        again = told(backend, asked) if where == "decode" else found
        budget = backend.facts["batch_tokens"]
    wanted = told(backends["off"], asked)
    assert all(
        same(wanted[name], found[name]) and same(found[name], again[name]) for name in wanted
    )
    said = capsys.readouterr().err
    if where == "decode":
        assert decoded[:5] == [2, 3, 3, 3, 2], "halves of halves, then the smaller budget"
        assert said.count("out of memory with") == said.count("\n") == 1
        assert budget < 1000
    else:
        assert decoded == [8, 3], "the batch that was there is answered, then there is room"
        assert said == ""


def test_a_question_that_memory_does_not_suffice_for_fails_alone(
    backends: dict[str, TransformersBackend],
    groups: dict[str, Groups],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode = together.decode

    longest = 0

    def tight(model: Any, rows: Sequence[Any], *given: Any) -> Any:
        nonlocal longest
        longest = max(longest, *(len(row.rest) for row in rows))
        if any(len(row.rest) == longest for row in rows):
            raise torch.OutOfMemoryError("no room")
        return decode(model, rows, *given)

    monkeypatch.setattr(together, "decode", tight)
    wanted = told(backends["off"], groups["three"])
    found = told(backends["shared"], groups["three"])
    failed = [name for name, response in found.items() if response.error]
    assert failed == ["a1"]
    tokens = wanted["a1"].prompt_tokens
    assert str(found["a1"].error).startswith(f"out of memory with {tokens} tokens of prompt (no")
    assert same(found["a0"], wanted["a0"])
    assert same(found["a2"], wanted["a2"])


def test_a_batch_that_fails_otherwise_is_asked_in_parts_and_keeps_its_budget(
    tiny: Path, groups: dict[str, Groups], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = together.decode
    longest = 0

    def broken(model: Any, rows: Sequence[Any], *given: Any) -> Any:
        nonlocal longest
        longest = max(longest, *(len(row.rest) for row in rows))
        if any(len(row.rest) == longest for row in rows):
            raise ValueError("a shape is wrong")
        return decode(model, rows, *given)

    monkeypatch.setattr(together, "decode", broken)
    with TransformersBackend(path=str(tiny), device="cpu") as backend:
        found = told(backend, groups["eight"])
        assert backend.facts["batch_tokens"] == 1 << 18
    failed = {name for name, response in found.items() if response.error}
    assert failed == {"a1", "a5"}
    assert found["a1"].error == "the model failed on this request: a shape is wrong"


def test_rows_of_a_batch_end_where_each_ends(
    tiny: Path, backends: dict[str, TransformersBackend], picture: Draw, media: Encode,
    request_of: Ask,
) -> None:  # fmt: skip
    medium = media(picture("RGB", (420, 280)))
    asked = [
        request_of(medium, f"{number}?", name=f"q{number}", max_new_tokens=most)
        for number, most in enumerate([1, 12, 3, 1, 2, 7])
    ]
    wanted = told(backends["off"], [asked])
    assert [wanted[f"q{n}"].completion_tokens for n in range(6)] == [1, 12, 3, 1, 2, 7]
    found = told(backends["shared"], [asked])
    assert all(same(wanted[name], found[name]) for name in wanted)
    said = alone(backends["off"], [asked])
    tokens = {name: [int(row.argmax()) for row in rows] for name, rows in said.items()}
    opening = {each[0] for each in tokens.values()}
    # A token that opens no reply: those of one token then end for their length.
    later = next(token for token in tokens["q1"] if token not in opening)
    settings = [backends[mode]._held[0].model.generation_config for mode in ("shared", "off")]
    ends = settings[0].eos_token_id
    for each in settings:
        each.eos_token_id = [*ends, later]
    try:
        wanted, found = told(backends["off"], [asked]), told(backends["shared"], [asked])
    finally:
        for each in settings:
            each.eos_token_id = ends
    assert {response.finish_reason for response in wanted.values()} == {"stop", "length"}
    assert len({response.completion_tokens for response in wanted.values()}) > 2
    assert all(same(wanted[name], found[name]) for name in wanted)


def test_compiled_decoding_gives_the_same_answers(
    tiny: Path,
    backends: dict[str, TransformersBackend],
    groups: dict[str, Groups],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = torch.compile

    def traced(model: Any, **given: Any) -> Any:
        return compiled(model, backend="eager", **given)

    monkeypatch.setattr(torch, "compile", traced)
    asked = groups["picture and video"]
    with TransformersBackend(path=str(tiny), device="cpu", compile=True) as backend:
        found = told(backend, asked)
        assert backend.facts["compile"] is True
    wanted = told(backends["off"], asked)
    assert all(same(wanted[name], found[name]) for name in wanted)


def test_sharing_is_a_fact_and_no_part_of_what_is_asked(
    backends: dict[str, TransformersBackend],
) -> None:
    identities = [backend.identity for backend in backends.values()]
    assert identities[0] == identities[1] == identities[2]
    assert {mode: backend.facts["sharing"] for mode, backend in backends.items()} == {
        mode: mode for mode in backends
    }


def test_another_layout_of_attention_cannot_be_shared(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.backends.loading.Loaded.full", False)
    with (
        pytest.raises(UsageError, match=r"is for Qwen2-VL with full attention.*sharing=exact"),
        TransformersBackend(path=str(tiny), device="cpu"),
    ):
        pytest.fail("it loaded")


def test_what_prompts_have_in_common_leaves_something_of_each() -> None:
    assert common([[1, 2, 3, 4], [1, 2, 5]]) == 2
    assert common([[1, 2, 3], [1, 2, 3]]) == 2
    assert common([[1, 2, 3], [1, 2]]) == 1
    assert common([[1, 2], [3, 4]]) == 0
    assert common([[1, 2, 3]]) == 2


def test_the_model_waits_for_slow_pictures_and_it_is_told(
    tiny: Path, groups: dict[str, Groups], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    from evalkit.data.images import load_image

    def slowly(*given: Any) -> Any:
        time.sleep(0.3)
        return load_image(*given)

    monkeypatch.setattr("evalkit.backends.qwen2_vl.load_image", slowly)
    with TransformersBackend(path=str(tiny), device="cpu") as backend:
        assert backend.waited == 0
        list(backend.generate(groups["one"]))
        first = backend.waited
        assert 0.25 < first < 3
        list(backend.generate(groups["one"]))
        assert backend.waited > first + 0.25


def test_compiling_is_refused_where_it_would_attend_to_what_is_not_there_yet(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "evalkit.backends.transformers.choose_attention", lambda *given: "flash_attention_2"
    )
    backend = TransformersBackend(path=str(tiny), device="cpu", compile=True)
    with (
        pytest.raises(UsageError, match=r"model\.compile=true needs model\.attention=sdpa"),
        backend,
    ):
        pytest.fail("it loaded")


def test_the_budget_goes_by_the_memory_beside_the_weights(
    backends: dict[str, TransformersBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: Any = backends["shared"]._held[0]
    assert together.budget_for(loaded) == (256 << 20) // 1024
    card = SimpleNamespace(total_memory=1 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)

    def budget(*sizes: int) -> int:
        weights = [
            SimpleNamespace(nbytes=size, device=torch.device("cuda", number))
            for number, size in enumerate(sizes)
        ]
        model = SimpleNamespace(
            config=loaded.model.config, dtype=torch.float32, parameters=lambda: weights
        )
        spread: Any = SimpleNamespace(model=model, device=torch.device("cuda"))
        return together.budget_for(spread)

    # A token takes 2 layers x (keys + values) x 64 dimensions x 4 bytes.
    assert budget(512 << 20) == (128 << 20) // 1024
    assert budget(1 << 30) == 8192
    assert budget(512 << 20, 0) == 1 << 18
