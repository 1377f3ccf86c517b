"""Two benchmarks on the same videos: each video is prepared once, each answer goes to its own."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit.__main__ import main
from evalkit.compose import compose
from evalkit.config import Bench, benches
from evalkit.engines.plan import Ask
from evalkit.joint import in_turns, jointly, rounds
from evalkit.types import Pixels, Request, Response, Sample

TASKS = ("videomme", "videomme_subs")
VIDEOS = ("abc", "def", "ghi")
SRT = "1\n00:00:00,000 --> 00:10:00,000\nhello\n"
ROOT = Path(__file__).resolve().parents[1]


def draw(path: Path, shade: int) -> None:
    """Write a video of two seconds."""
    import av
    import numpy as np

    frame = np.full((56, 84, 3), shade, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 84, 56, "yuv420p"
        for number in range(16):
            frame[:, 4 * number : 4 * number + 8] = 255 - shade
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three questions on each of three videos, two of which have subtitles."""
    (tmp_path / "data").mkdir()
    (tmp_path / "subtitle").mkdir()
    rows = []
    for shade, video in enumerate(VIDEOS):
        draw(tmp_path / f"data/{video}.mp4", 60 * shade)
        if shade:
            (tmp_path / f"subtitle/{video}.srt").write_text(SRT)
        for number in (1, 2, 3):
            asked = {"question": f"{video} {number}?", "options": ["A. 1.", "B. 2."], "answer": "B"}
            rows.append({"videoID": video, "question_id": f"{video}-{number}", **asked})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [json.dumps({"id": row["question_id"], "prediction": "B"}) + "\n" for row in rows]
    (tmp_path / "answers.jsonl").write_text("".join(said))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def words(*more: str, tasks: Sequence[str] = TASKS) -> list[str]:
    """Return the command line's words."""
    files = [f"tasks.{name}.rows.file=rows.jsonl" for name in tasks]
    replay = ["model=replay", "model.answers=answers.jsonl", "name=r"]
    return [f"task=[{','.join(tasks)}]", *files, *replay, *more]


def evaluate(*more: str, tasks: Sequence[str] = TASKS) -> int:
    return main(["run", "-q", *words(*more, tasks=tasks)])


def responses(task: str, run: str = "r") -> list[dict[str, Any]]:
    lines = Path(f"runs/{run}/{task}/responses.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def manifest(run: str = "r") -> dict[str, Any]:
    return dict(json.loads(Path(f"runs/{run}/manifest.json").read_text()))


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the backend is asked, group by group."""
    from evalkit.backends.replay import ReplayBackend

    seen: list[list[str]] = []
    whole = ReplayBackend.generate

    def noting(self: Any, groups: Any) -> Iterator[Response]:
        def noted() -> Iterator[Sequence[Request]]:
            for group in groups:
                seen.append([request.id for request in group])
                yield group

        return whole(self, noted())

    monkeypatch.setattr(ReplayBackend, "generate", noting)
    return seen


SIX = [f"{task}/{{}}-{number}" for number in (1, 2, 3) for task in TASKS]


def test_questions_of_both_settings_stand_in_one_group(place: Path, order: list[list[str]]) -> None:
    assert evaluate() == 0
    assert order == [[name.format(video) for name in SIX] for video in VIDEOS]


def test_each_answer_goes_to_its_own_task(place: Path) -> None:
    assert evaluate() == 0
    for task in TASKS:
        evaluate("name=alone", tasks=[task])
        assert responses(task) == responses(task, "alone")
        together, alone = (Path(f"runs/{run}/{task}") for run in ("r", "alone"))
        assert (together / "scores.jsonl").read_bytes() == (alone / "scores.jsonl").read_bytes()
        Path("runs/alone/config.yaml").unlink()
    times = manifest()["tasks"]
    assert [times[task]["asked"] for task in TASKS] == [9, 9]
    assert times["videomme"]["with"] == ["videomme_subs"]


def test_the_table_keeps_the_order_of_the_tasks(place: Path, monkeypatch: Any) -> None:
    from evalkit import outcome

    shown: list[str] = []
    monkeypatch.setattr(
        outcome, "report", lambda run, *_, **__: shown.extend(s["task"] for s in run.summaries)
    )
    files = ["tasks.realworldqa.rows.file=builtin"]
    tasks = ("videomme_subs", "realworldqa", "videomme")
    more = [f"tasks.{name}.rows.file=rows.jsonl" for name in TASKS]
    assert evaluate(*files, *more, tasks=tasks) == 0
    assert shown == list(tasks)


@pytest.mark.parametrize("left", [(9, 0), (0, 9), (4, 1), (1, 5)])
def test_a_stopped_run_asks_each_task_what_it_lacks(
    place: Path, order: list[list[str]], left: tuple[int, int]
) -> None:
    assert evaluate() == 0
    whole = {task: responses(task) for task in TASKS}
    for task, count in zip(TASKS, left, strict=True):
        path = Path(f"runs/r/{task}/responses.jsonl")
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))
    order.clear()
    assert evaluate() == 0
    wanted = {
        f"{task}/{line['id']}"
        for task, count in zip(TASKS, left, strict=True)
        for line in whole[task][count:]
    }
    assert Counter(name for group in order for name in group) == dict.fromkeys(wanted, 1)
    for task, count in zip(TASKS, left, strict=True):
        found = responses(task)
        assert found[:count] == whole[task][:count]
        assert sorted(found, key=lambda line: str(line["id"])) == whole[task]


def test_a_limit_holds_for_each(place: Path, order: list[list[str]]) -> None:
    assert evaluate("limit=4") == 0
    assert [len(responses(task)) for task in TASKS] == [4, 4]
    assert [len(group) for group in order] == [6, 2]
    assert evaluate() == 0
    assert [len(responses(task)) for task in TASKS] == [9, 9]


def test_what_failed_in_one_task_is_asked_again_there(place: Path, order: list[list[str]]) -> None:
    (place / "answers.jsonl").write_text('{"id": "abc-1", "prediction": "B"}\n')
    assert evaluate() == 0
    assert Counter("error" in line for line in responses("videomme")) == {True: 8, False: 1}
    order.clear()
    assert evaluate("retry_failed=false") == 0
    assert order == []
    assert evaluate() == 0
    asked = Counter(name for group in order for name in group)
    assert len(asked) == 16
    assert not {"videomme/abc-1", "videomme_subs/abc-1"} & set(asked)


def test_a_question_that_cannot_be_asked_fails_in_its_own_task(
    place: Path, order: list[list[str]]
) -> None:
    (place / "data/def.mp4").unlink()
    assert evaluate() == 0
    failed = {task: [line["id"] for line in responses(task) if "error" in line] for task in TASKS}
    assert failed == {"videomme": [], "videomme_subs": ["def-1", "def-2", "def-3"]}
    assert Counter(name.split("/")[0] for group in order for name in group) == {
        "videomme": 9, "videomme_subs": 6
    }  # fmt: skip


def test_each_task_stops_once_its_own_gate_is_sure(place: Path) -> None:
    rows = [json.loads(line) for line in (place / "rows.jsonl").read_text().splitlines()]
    many = [
        {**rows[0], "videoID": f"v{number}", "question_id": f"v{number}-1"}
        for number in range(1200)
    ]
    (place / "subtitle").rename(place / "none")
    many = [{**row, "subtitles": None} for row in many]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in many))
    said = [{"id": row["question_id"], "prediction": "B"} for row in many]
    (place / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    assert evaluate("name=before") == 0
    assert main(["baseline", "write", "runs/before", "--out", "base.json"]) == 0
    assert evaluate("name=after", "stop.baseline=base.json") == 0
    for task in TASKS:
        found = json.loads(Path(f"runs/after/{task}/summary.json").read_text())
        assert found["stopped"]["outcome"] == "pass"
        assert found["n"] == len(responses(task, "after")) < 1200


def test_one_task_may_go_on_when_another_has_stopped() -> None:
    class Plan:
        """A plan that is sure after so many waves."""

        def __init__(self, count: int) -> None:
            self.left, self.gate = count, self

        def waves(self) -> Iterator[list[str]]:
            for number in range(4):
                self.left -= 1
                yield [f"{number}"]

        @property
        def state(self) -> str:
            return "continue" if self.left > 0 else "pass"

    plans: Any = {"a": Plan(1), "b": Plan(3), "c": None}
    assert list(rounds(plans)) == [
        {"a": frozenset("0"), "b": frozenset("0"), "c": None},
        {"b": frozenset("1")},
        {"b": frozenset("2")},
    ]


def test_two_processes_share_the_groups_of_both(place: Path) -> None:
    assert evaluate("engine=accelerate", "engine.processes=2") == 0
    assert evaluate("name=whole") == 0
    for task in TASKS:
        assert sorted(line["id"] for line in responses(task)) == [
            f"{video}-{number}" for video in VIDEOS for number in (1, 2, 3)
        ]
        scores = [Path(f"runs/{run}/{task}/scores.jsonl").read_bytes() for run in ("r", "whole")]
        assert scores[0] == scores[1]


def chosen(*more: str, tasks: Sequence[str] = TASKS) -> list[Bench]:
    files = [f"tasks.{name}.rows.file=rows.jsonl" for name in TASKS if name in tasks]
    return benches(compose("run", [f"task=[{','.join(tasks)}]", *files, *more]))


@pytest.mark.parametrize(
    ("more", "together"),
    [
        ([], True),
        (["protocol=release"], True),
        (["protocol=lmms_eval"], True),
        (["tasks.videomme.protocol=lmms_eval"], False),
        (["tasks.videomme.rows.media=elsewhere"], False),
        (["tasks.videomme.protocols.model_card.frames.max_frames=8"], False),
        (["tasks.videomme.rows.file=null"], False),
    ],
)
def test_only_what_shows_the_same_is_asked_together(more: list[str], together: bool) -> None:
    found = [[bench.task.name for bench in joint] for joint in jointly(chosen(*more))]
    assert found == ([list(TASKS)] if together else [[name] for name in TASKS])


def test_other_tasks_stay_alone() -> None:
    tasks = ("videomme_subs", "realworldqa", "docvqa", "videomme", "mvbench")
    found = [[bench.task.name for bench in joint] for joint in jointly(chosen(tasks=tasks))]
    assert found == [["videomme_subs", "videomme"], ["realworldqa"], ["docvqa"], ["mvbench"]]


def test_turns_keep_step_where_rows_are_left_out() -> None:
    class Rows:
        def __init__(self, name: str, asked: str) -> None:
            self.name, self.asked = name, asked

        def turns(self) -> Iterator[Ask | None]:
            for place, mark in enumerate(self.asked):
                yield ask(f"{self.name}{place}") if mark == "x" else None

    def ask(name: str) -> Ask:
        pixels = Pixels(min_pixels=1, max_pixels=2)
        request = Request(id=name, parts=(), pixels=pixels, max_new_tokens=1)
        return Ask(sample=Sample(id=name, question=""), request=request, key="", digests={})

    found = [ask.request.id for ask in in_turns([Rows("a", "..xx"), Rows("b", "x.x")])]
    assert found == ["b0", "a2", "b2", "a3"]


COUNTED = """
import json, sys
from evalkit.backends import encoding, prefix, together
from evalkit.data import video
from evalkit.__main__ import main
counts = {}
def counted(module, name):
    whole = getattr(module, name)
    def work(*given, **named):
        counts[name] = counts.get(name, 0) + 1
        return whole(*given, **named)
    setattr(module, name, work)
from transformers import Qwen2VLVideoProcessor
counted(video, "load_clip")
counted(together, "encode")
counted(Qwen2VLVideoProcessor, "__call__")
code = main(sys.argv[1:])
print(json.dumps(counts))
sys.exit(code)
"""


def test_two_settings_and_three_questions_need_one_decode(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import subprocess

    from evalkit.canary.checkpoint import checkpoint

    model = checkpoint(tmp_path_factory.mktemp("model") / "checkpoint", 0)
    few = [
        f"tasks.{task}.protocols.model_card.frames.{key}"
        for task in TASKS
        for key in ("min_pixels=3136", "max_pixels=6272")
    ]
    files = [f"tasks.{name}.rows.file=rows.jsonl" for name in TASKS]
    given = ["model=canary", f"model.path={model}", "data=hub", "name=r", *files, *few]
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, "run", "-q", f"task=[{','.join(TASKS)}]", *given],
        cwd=place, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts == {"load_clip": 3, "__call__": 3, "encode": 3}
    for task in TASKS:
        assert [line.get("error") for line in responses(task)] == [None] * 9
    pixels = [{line["digests"]["pixels"] for line in responses(task)} for task in TASKS]
    assert pixels[0] == pixels[1]
    assert len(pixels[0]) == len(VIDEOS)
