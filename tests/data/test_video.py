"""Videos drawn at run time: every frame must be the one that reading the whole file gives."""

from __future__ import annotations

import io
import random
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.data import decode
from evalkit.data.container import index_video, open_video
from evalkit.data.decode import Canvas, read_by_keyframes, read_through, resize_frame
from evalkit.data.frames import Plan
from evalkit.data.video import load_clip, probe
from evalkit.errors import DataError
from evalkit.types import Frames, Media, Pixels

Array = np.ndarray[Any, np.dtype[np.uint8]]
WIDTH, HEIGHT = 96, 64
CARD = Frames(rule="qwen_vl_utils_0.0.8", fps=2.0)
EIGHT = Frames(rule="qwen_vl_utils_0.0.8", count=8)

X264 = {"preset": "veryfast"}
FILES: dict[str, dict[str, Any]] = {
    "one_keyframe.mp4": {"options": X264},
    "keyframes.mp4": {
        "options": {"x264-params": "keyint=12:bframes=4:b-pyramid=normal:weightb=1:ref=4"}
    },
    "keyframes.mkv": {"options": {"x264-params": "keyint=12:bframes=4:direct=temporal"}},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=12:bframes=3"}},
    "intra_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=15"}},
    "only_keyframes.mov": {"options": {"x264-params": "keyint=1"}},
    "h264.avi": {"options": X264},
    "h264.ts": {"options": X264, "form": "mpegts"},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "keyint=12:open-gop=1:bframes=4:log-level=none"},
    },
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "g": "12"}},
    "av1.mkv": {"codec": "libsvtav1", "options": {"preset": "12", "g": "12"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "form": "mpeg", "options": {"bf": "2"}},
    "animation.gif": {"codec": "gif", "pixels": "rgb8", "rate": 10},
}


def drawn(number: int) -> Array:
    """Return a frame that no other frame looks like, its number in black and white at the top."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = (columns * 2 + number * 7, rows * 3 + number * 5, rows + columns + number * 11)
    frame = np.stack([plane % 256 for plane in planes], axis=-1).astype(np.uint8)
    for bit in range(8):
        frame[:8, bit * 8 : bit * 8 + 8] = 255 * (number >> bit & 1)
    return frame


def make(
    path: Path,
    *,
    count: int = 60,
    codec: str = "libx264",
    rate: int = 30,
    form: str | None = None,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    stamps: list[int] | None = None,
    turn: int = 0,
) -> Media:
    """Write a video; ``stamps`` are times of its frames in milliseconds."""
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV comes without the encoder {codec} here")
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=Fraction(rate), options=options or {})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        if turn:
            stream.set_display_rotation(turn)
        if stamps:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(drawn(number), format="rgb24")
            if stamps:
                frame.pts, frame.time_base = stamps[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Media(kind="video", path=str(path))


def sequential(path: str | io.BytesIO) -> list[Array]:
    """Return all frames of a file as PyAV gives them from its start."""
    frames: list[Array] = []
    with av.open(path) as container:
        for packet in container.demux(video=0):
            try:
                frames += [frame.to_ndarray(format="rgb24") for frame in packet.decode()]
            except av.FFmpegError:
                continue
    return frames


def number(frame: Array) -> int:
    """Read a frame's number off its picture."""
    return sum((int(frame[2:6, bit * 8 + 2 : bit * 8 + 6].mean()) > 127) << bit for bit in range(8))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Media]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: make(folder / name, **settings)
        for name, settings in FILES.items()
        if settings.get("codec", "libx264") in av.codecs_available
    }


def taken(media: Media, indices: list[int]) -> Array:
    """Return frames at their own size, out of a file whose frames need no resizing."""
    with open_video(media) as (container, stream):
        index = index_video(container, stream, "video")
        plan = Plan(indices=tuple(indices), height=index.height, width=index.width, tokens=0)
        canvas = Canvas(plan, quarters=index.quarters)
        if index.keyframes:
            read_by_keyframes(container, stream, index, canvas)
    if canvas.missing:
        assert read_through(media, index, canvas) == 0
    return canvas.finish()


@pytest.mark.parametrize("name", sorted(FILES))
def test_any_frames_are_those_of_a_sequential_decode(name: str, videos: dict[str, Media]) -> None:
    media = videos.get(name) or pytest.skip("no encoder here")
    expected = sequential(str(media.path))
    assert probe(media).frames == len(expected) == 60
    assert [number(frame) for frame in expected] == list(range(60))
    generator = random.Random(5)
    for count in (60, 1, 2, 3, 5, 9, 20):
        indices = sorted(generator.sample(range(60), count))
        frames = taken(media, indices)
        assert all(
            np.array_equal(frame, expected[i]) for i, frame in zip(indices, frames, strict=True)
        )


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("one_keyframe.mp4", "h264", 30.0),
        ("vp9.webm", "vp9", 30.0),
        ("av1.mkv", "av1", 30.0),
        ("animation.gif", "gif", 10.0),
        ("mpeg4.avi", "mpeg4", 30.0),
    ],
)
def test_probe(name: str, codec: str, rate: float, videos: dict[str, Media]) -> None:
    source = probe(videos.get(name) or pytest.skip("no encoder here"))
    assert (source.codec, source.fps, source.name) == (codec, rate, name)
    assert (source.frames, source.height, source.width) == (60, HEIGHT, WIDTH)
    assert source.seconds == pytest.approx(60 / rate)


def test_clip(videos: dict[str, Media]) -> None:
    media = videos["keyframes.mp4"]
    clip = load_clip(media, CARD)
    assert clip.indices == (0, 20, 39, 59)
    assert clip.times == pytest.approx([0, 20 / 30, 39 / 30, 59 / 30])
    assert clip.frames.shape == (4, 280, 392, 3)
    assert clip.tokens == 2 * 10 * 14
    assert clip.notes == ()
    assert clip.decoder.startswith(f"PyAV {av.__version__}, libavcodec ")
    expected = sequential(str(media.path))
    for frame, i in zip(clip.frames, clip.indices, strict=True):
        assert np.array_equal(frame, resize_frame(expected[i], 280, 392))


def test_torch_keeps_its_threads(videos: dict[str, Media]) -> None:
    before = torch.get_num_threads()
    load_clip(videos["keyframes.mp4"], CARD)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(torch.get_num_threads).result() == torch.get_num_threads() == before


def test_bytes_and_file_agree(videos: dict[str, Media]) -> None:
    media = videos["keyframes.mkv"]
    held = Media(kind="video", data=Path(str(media.path)).read_bytes(), name="a.mkv")
    assert np.array_equal(load_clip(held, EIGHT).frames, load_clip(media, EIGHT).frames)


def test_bounds(videos: dict[str, Media]) -> None:
    path = videos["keyframes.mp4"].path
    clip = load_clip(Media(kind="video", path=path, start=0.5, end=1.5), CARD)
    assert clip.indices == (15, 25, 35, 45)
    assert clip.source.frames == 60
    assert clip.rate == pytest.approx(4 / 31 * 30), "of the 31 frames between the bounds"
    with pytest.raises(DataError, match=r"keyframes\.mp4: no frames between 5 and 6 seconds"):
        load_clip(Media(kind="video", path=path, start=5, end=6), CARD)


def test_the_rate_where_no_frame_lies_within_the_bounds(videos: dict[str, Media]) -> None:
    path = videos["keyframes.mp4"].path
    inside = Media(kind="video", path=path, start=1.001, end=1.002)
    clip = load_clip(inside, Frames(rule="mvbench", count=2))
    assert clip.indices == (30, 30)
    assert clip.rate == 60.0, "two frames of one frame's thirtieth of a second"


def test_repeated_frames(videos: dict[str, Media]) -> None:
    media = Media(kind="video", path=videos["keyframes.mp4"].path, start=1.0, end=1.1)
    clip = load_clip(media, Frames(rule="mvbench", count=6, total_pixels=None))
    assert clip.indices == (30, 30, 31, 32, 32, 32)
    assert np.array_equal(clip.frames[0], clip.frames[1])
    assert not np.array_equal(clip.frames[1], clip.frames[2])


def test_frames_as_pictures(videos: dict[str, Media]) -> None:
    media = videos["keyframes.mp4"]
    frames = Frames(rule="vlmevalkit_images", count=3, as_images=True)
    pixels = Pixels(min_pixels=100352, max_pixels=602112, reencode="jpeg:75")
    clip = load_clip(media, frames, pixels)
    assert clip.indices == (15, 30, 45)
    assert clip.tokens == 3 * clip.frames.shape[1] * clip.frames.shape[2] // 784
    buffer = io.BytesIO()
    Image.fromarray(sequential(str(media.path))[30]).save(buffer, "JPEG")
    height, width = clip.frames.shape[1:3]
    assert np.array_equal(clip.frames[1], np.asarray(Image.open(buffer).resize((width, height))))


def test_rotation(tmp_path: Path) -> None:
    media = make(tmp_path / "turned.mp4", count=4, turn=90)
    assert (probe(media).height, probe(media).width) == (WIDTH, HEIGHT)
    expected = sequential(str(media.path))
    frames = taken(media, [0, 3])
    assert np.array_equal(frames[1], np.rot90(expected[3]))


def test_variable_frame_rate(tmp_path: Path) -> None:
    stamps = [0, 20, 40, 500, 520, 540, 560, 1500, 1520, 2000]
    media = make(tmp_path / "varied.mp4", count=10, stamps=stamps, options={"bf": "2"})
    clip = load_clip(media, Frames(rule="qwen_vl_utils_0.0.8", count=10))
    assert clip.times == pytest.approx([stamp / 1000 for stamp in stamps])
    with av.open(str(media.path)) as container:
        assert clip.source.fps == float(container.streams.video[0].average_rate)


def rewritten(path: str | None, target: Path, *, false_key: int | None = None) -> Media:
    """Copy an MP4's packets into one whose header stands first; one may claim to be a keyframe."""
    header_first = {"movflags": "+faststart"}
    with av.open(str(path)) as source, av.open(str(target), "w", options=header_first) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for place, packet in enumerate(source.demux(video=0)):
            if packet.dts is None:
                continue
            if place == false_key:
                packet.is_keyframe = True
            packet.stream = stream
            copy.mux(packet)
    return Media(kind="video", path=str(target))


def test_keyframe_that_is_none(tmp_path: Path) -> None:
    media = make(tmp_path / "true.mp4", codec="mpeg4", options={"g": "60", "bf": "0"})
    false = rewritten(media.path, tmp_path / "false.mp4", false_key=30)
    with open_video(false) as (container, stream):
        assert 30 in index_video(container, stream, "video").keyframes
    expected = sequential(str(media.path))
    for frame, i in zip(taken(false, [0, 30, 31, 50]), [0, 30, 31, 50], strict=True):
        assert np.array_equal(frame, expected[i])


def test_cut_off_file_shows_what_it_holds(videos: dict[str, Media], tmp_path: Path) -> None:
    target = tmp_path / "cut.mp4"
    media = rewritten(videos["one_keyframe.mp4"].path, target)
    target.write_bytes(target.read_bytes()[:-200])
    clip = load_clip(media, EIGHT)
    held = clip.source.frames
    assert 40 < held < 60
    assert clip.notes == (f"the file announces 60 frames and holds {held}",)
    expected = sequential(str(media.path))
    assert len(expected) == held
    assert np.array_equal(clip.frames[-1], resize_frame(expected[-1], *clip.frames.shape[1:3]))


def test_damaged_picture_is_replaced_by_the_one_before(
    videos: dict[str, Media], tmp_path: Path
) -> None:
    whole = Path(str(videos["only_keyframes.mov"].path)).read_bytes()
    with av.open(io.BytesIO(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        sizes = [(packet.pos, packet.size) for packet in packets]
    damaged = bytearray(whole)
    for place in (30, 59):
        start, size = sizes[place]
        damaged[start : start + size] = bytes(size)
    target = tmp_path / "damaged.mov"
    target.write_bytes(damaged)
    clip = load_clip(
        Media(kind="video", path=str(target)), Frames(rule="qwen_vl_utils_0.0.8", count=60)
    )
    assert clip.notes == ("frames that do not decode, shown as the ones before them: 2",)
    assert np.array_equal(clip.frames[30], clip.frames[29])
    assert np.array_equal(clip.frames[59], clip.frames[58])
    assert not np.array_equal(clip.frames[31], clip.frames[30])


def test_sparse_frames_are_entered_at_keyframes(
    videos: dict[str, Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    def counted(stream: Any, packet: Any) -> list[Any]:
        nonlocal sent
        sent += packet is not None
        return list(stream.decode(packet))

    media = videos["keyframes.mp4"]
    monkeypatch.setattr(decode, "decoded", counted)
    taken(media, [49])
    assert sent <= 8
    sent = 0
    taken(media, [0, 30, 55])
    assert sent <= 30
    sent = 0
    taken(media, list(range(60)))
    assert sent <= 61


def test_resizing_is_torchvision_s() -> None:
    functional = pytest.importorskip("torchvision.transforms.functional")
    noise = np.random.default_rng(1).integers(0, 256, (3, 90, 160, 3), dtype=np.uint8)
    video = torch.from_numpy(noise).permute(0, 3, 1, 2)
    for height, width in ((56, 84), (112, 308), (90, 160), (140, 252)):
        expected = functional.resize(
            video,
            [height, width],
            interpolation=functional.InterpolationMode.BICUBIC,
            antialias=True,
        )
        for frame, tensor in zip(noise, expected, strict=True):
            assert np.array_equal(
                resize_frame(frame, height, width), tensor.permute(1, 2, 0).numpy()
            )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 20 frames, from 1 on, among other files."""
    place = tmp_path / "frames"
    place.mkdir()
    for i in range(20):
        Image.fromarray(drawn(i)).save(place / f"{i + 1:05d}.png")
    (place / "readme.txt").write_text("no frame")
    return place


def test_folder_of_frames(folder: Path) -> None:
    media = Media(kind="video", path=str(folder), fps=3.0, start=1.0, end=4.0)
    source = probe(media)
    assert (source.frames, source.fps, source.height, source.width) == (20, 3.0, HEIGHT, WIDTH)
    clip = load_clip(media, Frames(rule="mvbench", count=4))
    # Files 4 to 12 within the bounds; the harness counts them from 1.
    assert clip.indices == (3, 5, 7, 10)
    height, width = clip.frames.shape[1:3]
    assert np.array_equal(clip.frames[1], resize_frame(drawn(5), height, width))
    assert clip.decoder.startswith("PIL ")


def test_folder_that_cannot_be_shown(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frames: a folder of frames needs its frames a second"):
        probe(Media(kind="video", path=str(folder)))
    (folder / "00001.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"frames/00001\.png: not a picture"):
        load_clip(Media(kind="video", path=str(folder), fps=3.0), EIGHT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: the folder holds no frames"):
        probe(Media(kind="video", path=str(tmp_path / "empty"), fps=3.0))


def sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = np.zeros((1, 1024), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


NOISE = np.random.default_rng(2).integers(0, 256, 10_000, dtype=np.uint8).tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>404</html>" * 40, "1240 bytes of markup"),
        (NOISE, "10000 bytes that start with"),
        (sound(), "the file holds no video stream"),
        (b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", ""),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_what_is_no_video(data: bytes, message: str, held: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(data)
    media = Media(kind="video", path=str(file))
    if held:
        media = Media(kind="video", data=data, name="a.mp4")
    with pytest.raises(DataError) as caught:
        load_clip(media, CARD)
    assert message in str(caught.value)
    assert str(caught.value).startswith("a.mp4: ")
    assert "\n" not in str(caught.value)


def test_absent_missing_and_too_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^clip: the row came without this video$"):
        load_clip(Media(kind="video", name="clip"), CARD)
    with pytest.raises(DataError, match=r"^a\.mp4: no such file: "):
        probe(Media(kind="video", path=str(tmp_path / "a.mp4")))
    media = make(tmp_path / "short.mp4", count=1)
    with pytest.raises(DataError, match=r"short\.mp4: 1 frames are too few"):
        load_clip(media, CARD)


@pytest.mark.parametrize("name", ["yoga.mp4", "jesse_dance.mp4"])
def test_real_clips(name: str, real: Path) -> None:
    media = Media(kind="video", path=str(real / "videos" / name))
    expected = sequential(str(media.path))
    assert probe(media).frames == len(expected)
    clip = load_clip(media, CARD)
    height, width = clip.frames.shape[1:3]
    for frame, i in zip(clip.frames, clip.indices, strict=True):
        assert np.array_equal(frame, resize_frame(expected[i], height, width))
    few = [0, len(expected) // 3, len(expected) - 1]
    for frame, i in zip(taken(media, few), few, strict=True):
        assert np.array_equal(frame, expected[i])
