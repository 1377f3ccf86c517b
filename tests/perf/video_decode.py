"""CPU time and peak memory of decoding and resizing 16 and 180 frames of a three-minute video.

    python tests/perf/video_decode.py [seconds]

The video is H.264, 1280x720, 30 frames a second, drawn here. Rivals read the same frames and resize
them by the same function: PyAV from start to end, keeping every chosen frame at full size before
resizing, and decord and torchcodec where they are installed. Each runs in a process of its own,
once to warm up and twice to be measured. "At once" keeps full frames as the harnesses do: all of
them in one array, which is resized as a whole, in single precision; only for few frames, as many
take gigabytes. Prints CPU seconds, their ratio to the fastest rival's, memory above what the
imports take, and what the resized frames themselves weigh. Targets: 1.15 times the fastest rival, a
quarter of the memory of full frames: those of PyAV for many frames, at once for few, of which the
result alone may weigh a fifth of full ones.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.data.decode import resize_frame
from evalkit.data.frames import plan_frames
from evalkit.data.video import load_clip, probe
from evalkit.types import Frames, Media

WIDTH, HEIGHT, RATE = 1280, 720, 30
COUNTS = (16, 180)
AT_ONCE = "at once"
Read = Callable[[str, list[int]], Any]


def draw(path: Path, seconds: int) -> None:
    """Write a video of a moving texture with a moving square on it."""
    import av

    noise = np.random.default_rng(0)
    coarse = noise.integers(0, 256, (HEIGHT // 4, WIDTH // 4), dtype=np.uint8)
    texture = coarse.repeat(4, 0).repeat(4, 1)
    grain = noise.integers(0, 24, (8, HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    grain = grain.repeat(8, 1).repeat(8, 2)
    options = {"preset": "veryfast", "crf": "23"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        for i in range(seconds * RATE):
            moved = np.roll(texture, (i // 2, i), (0, 1))
            planes[:HEIGHT] = moved // 2 + 50 + grain[i % 8]
            left = (i * 7) % (WIDTH - 200)
            planes[200:400, left : left + 200] = (i * 3) % 256
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())


def pyav(path: str, indices: list[int]) -> list[Any]:
    """Read a file from start to end and keep full frames."""
    import av

    wanted = set(indices)
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        pictures = enumerate(container.decode(video=0))
        return [p.to_ndarray(format="rgb24") for i, p in pictures if i in wanted]


def decord(path: str, indices: list[int]) -> Any:
    """Read frames with decord, as qwen-vl-utils does."""
    from decord import VideoReader

    return VideoReader(path).get_batch(indices).asnumpy()


def torchcodec(path: str, indices: list[int]) -> Any:
    """Read frames with torchcodec, exactly."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=0)
    return decoder.get_frames_at(indices=indices).data.numpy()


def resized_at_once(frames: Any, height: int, width: int) -> Any:
    """Resize a whole clip, as torchvision does it for qwen-vl-utils."""
    import torch
    from torch.nn import functional

    clip = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    clip = functional.interpolate(
        clip, (height, width), mode="bicubic", antialias=True, align_corners=False
    )
    return clip.clamp_(0, 255).round_().to(torch.uint8).permute(0, 2, 3, 1).numpy()


RIVALS: dict[str, Read] = {"pyav": pyav, "decord": decord, "torchcodec": torchcodec}


def peak() -> int:
    """Return the most memory this process has held, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def measure(name: str, count: int, path: str) -> dict[str, Any]:
    """Decode and resize once to warm up and twice for the clock, in this process."""
    frames = Frames(rule="qwen_vl_utils_0.0.8", count=count)
    media = Media(kind="video", path=path)
    plan = plan_frames(probe(media), frames)

    def work() -> Any:
        if name == "evalkit":
            return load_clip(media, frames).frames
        if name == AT_ONCE:
            whole = np.stack(pyav(path, list(plan.indices)))
            return resized_at_once(whole, plan.height, plan.width)
        full = RIVALS[name](path, list(plan.indices))
        return np.stack([resize_frame(frame, plan.height, plan.width) for frame in full])

    resize_frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), plan.height, plan.width)
    before = peak()
    found = work()
    memory = peak() - before
    times = []
    for _ in range(2):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    own = found.nbytes >> 20
    total = int(found.sum(dtype=np.int64))
    return {"cpu": min(times), "memory": memory, "own": own, "sum": total}


def main() -> None:
    """Print a line for each reader and number of frames, and whether the targets are met."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 180
    rivals = [name for name in RIVALS if name == "pyav" or importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        draw(path, seconds)
        print(f"{seconds} s, {path.stat().st_size / 1e6:.1f} MB")
        for count in COUNTS:
            results = {}
            for name in ("evalkit", *rivals, *([AT_ONCE] if count == min(COUNTS) else [])):
                command = [sys.executable, __file__, "--one", name, str(count), str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    print(f"{name}: does not run here: {done.stderr.strip().splitlines()[-1]}")
                    continue
                results[name] = json.loads(done.stdout.splitlines()[-1])
            report(count, results)


def report(count: int, results: dict[str, dict[str, Any]]) -> None:
    """Print one number of frames."""
    fastest = min(result["cpu"] for name, result in results.items() if name != "evalkit")
    for name, result in results.items():
        same = "same frames" if result["sum"] == results["evalkit"]["sum"] else "OTHER FRAMES"
        print(
            f"{count:4} frames  {name:10}  {result['cpu']:6.2f} CPU s"
            f"  {result['cpu'] / fastest:5.2f} x fastest rival  {result['memory']:5} MiB  {same}"
        )
    ours = results["evalkit"]
    full = results[AT_ONCE if AT_ONCE in results else "pyav"]["memory"]
    by_one = ours["memory"] / results["pyav"]["memory"]
    met = ours["cpu"] <= 1.15 * fastest and ours["memory"] <= 0.25 * full
    print(
        f"{count:4} frames  memory {by_one:.2f} of full frames', {ours['memory'] / full:.2f} of"
        f" what the target goes by; the result is {ours['own']} MiB  {'met' if met else 'NOT MET'}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]), sys.argv[4])))
    else:
        main()
