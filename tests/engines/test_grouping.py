"""What is grouped, in which order, and how little of a dataset is held for it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from evalkit.data.digest import digest_json, digest_media
from evalkit.engines import grouping
from evalkit.engines.grouping import FIRST, GROUP, MOST, groups
from evalkit.engines.plan import Ask
from evalkit.types import Media, Pixels, Request, Sample

PIXELS = Pixels(min_pixels=3136, max_pixels=1003520)


def ask(number: int, *media: Media, text: str = "?") -> Ask:
    request = Request(
        id=str(number), parts=(*media, text), pixels=PIXELS, max_new_tokens=8, row_digest="r"
    )
    return Ask(
        sample=Sample(id=str(number), question=text),
        request=request,
        key=f"key {number}",
        digests={"row": "r", "media": digest_json([digest_media(medium) for medium in media])},
    )


def raw(content: bytes, name: str = "a.png") -> Media:
    # A copy each time, as rows of a dataset hold it.
    return Media(kind="image", data=bytes(bytearray(content)), name=name)


def drawn(width: int, height: int) -> Media:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (width % 251, height % 251, 7)).save(buffer, "PNG")
    return raw(buffer.getvalue())


def ids(planned: Sequence[Sequence[Ask]]) -> list[list[int]]:
    return [[int(item.request.id) for item in kin] for kin in planned]


def test_media_are_recognised_by_content_and_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "file.png").write_bytes(b"one")
    file = Media(kind="image", path=str(tmp_path / "file.png"), name="file.png")
    asked = [
        ask(0, raw(b"one", "a.png")),
        ask(1, raw(b"two", "a.png")),
        ask(2, raw(b"one", "b.png")),
        ask(3, file),
        ask(4, raw(b"one"), raw(b"two")),
        ask(5, raw(b"two"), raw(b"one")),
    ]
    assert ids(list(groups(asked))) == [[0, 2, 3], [1], [4], [5]]


def test_clips_of_one_video_are_other_media() -> None:
    clips = [Media(kind="video", data=b"film", start=start, end=9.0) for start in (0.0, 1.0, 0.0)]
    assert ids(list(groups(ask(n, clip) for n, clip in enumerate(clips)))) == [[0, 2], [1]]


def test_a_group_keeps_its_order_its_names_and_its_prompts() -> None:
    asked = [
        ask(0, raw(b"one", "a.png"), text="first"),
        ask(1, raw(b"two"), text="other"),
        ask(2, raw(b"one", "b.png"), text="second"),
    ]
    [kin, _] = groups(asked)
    assert [item.request.parts[1] for item in kin] == ["first", "second"]
    assert [item.request.media[0].name for item in kin] == ["a.png", "b.png"]
    for item in kin:
        original = asked[int(item.request.id)]
        assert (item, item.request) == (original, original.request)


def test_what_a_group_shares_is_in_memory_once() -> None:
    asked = [ask(number, raw(b"picture"), raw(b"second")) for number in range(3)]
    assert asked[0].request.media[0].data is not asked[1].request.media[0].data
    [kin] = groups(asked)
    for place in (0, 1):
        assert len({id(item.request.media[place].data) for item in kin}) == 1


@pytest.mark.parametrize("distance", [1, 7, 40, 250])
def test_questions_on_one_picture_need_not_be_neighbours(distance: int) -> None:
    # Every picture has two questions, so many rows apart; the window is wide after 1,024 rows.
    warm = 1024 if distance > FIRST // 2 else 0
    rows = [ask(n, raw(b"warm %d" % n)) for n in range(warm)]
    for n in range(4 * distance):
        rows.append(ask(warm + n, raw(b"%d" % (n % distance + n // (2 * distance) * distance))))
    planned = [kin for kin in groups(rows) if int(kin[0].request.id) >= warm]
    assert [len(kin) for kin in planned] == [2] * 2 * distance


def test_every_ask_is_planned_once_whatever_the_order() -> None:
    rows = [ask(n, raw(b"%d" % (n * n % 37)), text="t" * (n % 50)) for n in range(1500)]
    planned = [item.request.id for kin in groups(rows) for item in kin]
    assert sorted(planned, key=int) == [str(n) for n in range(1500)]


def test_similar_lengths_stand_side_by_side() -> None:
    sizes = [(1120, 1120), (56, 56), (560, 560)]
    rows = [ask(n, drawn(*sizes[n % 3]), raw(b"%d" % n)) for n in range(12)]
    order = [int(kin[0].request.id) % 3 for kin in groups(rows)]
    assert order == [1] * 4 + [2] * 4 + [0] * 4
    texts = [ask(n, raw(b"%d" % n), text="word " * (400 if n % 2 else 4)) for n in range(8)]
    assert ids(list(groups(texts))) == [[0], [2], [4], [6], [1], [3], [5], [7]]


def test_rows_that_are_alike_keep_their_order() -> None:
    rows = [ask(n, raw(b"%d" % n), text=f"What is on line {n}?") for n in range(1200)]
    assert ids(list(groups(rows))) == [[n] for n in range(1200)]


def test_a_group_that_is_too_large_comes_in_pieces() -> None:
    rows = [ask(n, raw(b"one")) for n in range(3 * GROUP)]
    planned = ids(list(groups(rows)))
    assert max(map(len, planned)) == GROUP
    assert sorted(n for kin in planned for n in kin) == list(range(3 * GROUP))


def read_ahead(rows: Iterator[Ask], planned: Iterator[list[Ask]], total: list[int]) -> list[int]:
    """Return how many asks were read and not yet yielded, each time that a group was."""
    behind, given = [], 0
    for kin in planned:
        behind.append(total[0] - given)
        given += len(kin)
    return behind


def counted(rows: Sequence[Ask], total: list[int]) -> Iterator[Ask]:
    for row in rows:
        total[0] += 1
        yield row


def test_the_first_group_comes_soon_and_the_window_stays_bounded() -> None:
    total = [0]
    rows = counted([ask(n, raw(b"%d" % n)) for n in range(3000)], total)
    behind = read_ahead(rows, groups(rows), total)
    assert behind[0] == FIRST
    assert max(behind) == MOST


def test_large_pictures_make_the_window_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MOST_BYTES", 10_000)
    total = [0]
    rows = counted([ask(n, raw(b"%03d" % n * 333)) for n in range(300)], total)
    behind = read_ahead(rows, groups(rows), total)
    assert max(behind) == 11
    total = [0]
    same = counted([ask(n, raw(b"%03d" % (n // 4) * 333)) for n in range(300)], total)
    assert 38 <= max(read_ahead(same, groups(same), total)) <= 44


def test_nothing_gives_nothing() -> None:
    assert list(groups([])) == []
