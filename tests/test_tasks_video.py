"""MVBench and Video-MME: what their rows become, what is asked, and what a missing video does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.__main__ import main
from evalkit.canary.sets import SIZE
from evalkit.canary.sets import rows as drawn
from evalkit.chat import render
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.data.digest import digest_bytes
from evalkit.data.filling import fill
from evalkit.engines.plan import asks
from evalkit.errors import DataError
from evalkit.interop.kept import read_questions
from evalkit.metrics.mvbench_tasks import TASKS, is_cut, names
from evalkit.samples import samples
from evalkit.score import score
from evalkit.scoring import summarise
from evalkit.show import known, show
from evalkit.task import Task
from evalkit.types import Media, Record, Request, Response

CONF = Path(__file__).resolve().parents[1] / "conf" / "task"
SRT = "1\n00:00:00,000 --> 00:10:00,000\nhello\n"
NAMES = ("mvbench", "videomme", "videomme_subs")


def task_of(name: str, protocol: str = "model_card", scorer: str | None = None) -> Task:
    (bench,) = benches(compose("show", [f"task={name}", f"protocol={protocol}"]))
    return bench.task if scorer is None else replace(bench.task, scorer=scorer)


def clip(config: str = "action_count", video: str = "video_1.mp4", **more: Any) -> dict[str, Any]:
    asked = {"question": "How often?", "candidates": ["1", "2 "], "answer": "2 "}
    return {"config": config, "video": video, **asked, **more}


def question(key: str = "abc", number: int = 1, **more: Any) -> dict[str, Any]:
    about = {"duration": "short", "domain": "Multilingual", "sub_category": "Multilingual"}
    asked = {"question": "Why?", "options": ["A. One.", "B. Two."], "answer": "B"}
    ids = {"videoID": key, "question_id": f"{key}-{number}", "task_type": "Object Reasoning"}
    return {**ids, **about, **asked, **more}


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def shown(name: str, file: Path, *words: str) -> list[dict[str, Any]]:
    config = compose("show", [f"task={name}", f"rows={file}", *words])
    return [json.loads(line) for line in show(config)]


def records(**groups: list[float]) -> list[Record]:
    """Return MVBench's records, given the scores by config."""
    return [
        Record(id=f"{name}{i}", score=value, status="ok", subsets=(TASKS[name].title,))
        for name, values in groups.items()
        for i, value in enumerate(values)
    ]


def test_mvbench_has_twenty_tasks_which_are_its_configs() -> None:
    card = yaml.safe_load((CONF / "mvbench.yaml").read_text("utf-8"))
    assert card["rows"]["config"] == list(TASKS)
    assert len({task.title for task in TASKS.values()}) == 20


def test_mvbench_averages_over_tasks() -> None:
    task = task_of("mvbench")
    found = task.summarise(records(action_count=[1.0, 1.0, 1.0, 0.0], state_change=[0.0]))
    assert found == {
        "accuracy": 37.5, "accuracy/Action Count": 75.0, "accuracy/State Change": 0.0
    }  # fmt: skip
    assert task.summarise([]) == {"accuracy": 0.0}


def test_the_interval_is_of_the_average_over_tasks() -> None:
    task = task_of("mvbench")
    some = records(action_count=[1.0] * 40 + [0.0] * 10, state_change=[0.0] * 8 + [1.0] * 2)
    found = summarise(task, some, partial=False)
    low, high = found["interval"]
    assert low < found["metrics"]["accuracy"] == 50.0 < high
    plain = summarise(task_of("videomme"), some, partial=False)
    assert plain["metrics"]["accuracy"] == 70.0
    assert plain["interval"][0] > low


def test_videomme_counts_by_its_four_categories_once_each() -> None:
    sample = task_of("videomme").sample(question(), 0)
    assert sample.subsets == ("short", "Multilingual", "Object Reasoning")
    assert (sample.id, sample.cluster, sample.options) == ("abc-1", "abc", ("A. One.", "B. Two."))


def test_a_row_that_does_not_fit_is_named(tmp_path: Path) -> None:
    for row, says in (
        (clip("action_cuont"), "unknown config of mvbench: action_cuont. Did you mean"),
        (clip(candidates="['1', '2']"), "candidates of row 0 are no list"),
        ({"video": "x.mp4"}, "has no column config, question, candidates, answer"),
    ):
        with pytest.raises(DataError, match=says):
            shown("mvbench", written(tmp_path, row))


@pytest.mark.parametrize("protocol", ["model_card", "release", "lmms_eval"])
@pytest.mark.parametrize("name", NAMES)
def test_show_needs_no_video(name: str, protocol: str, tmp_path: Path) -> None:
    row = clip() if name == "mvbench" else question()
    (line,) = shown(name, written(tmp_path, row), f"protocol={protocol}")
    kinds = [part["type"] for part in line["parts"] if part["type"] != "text"]
    assert kinds == (["image"] * 8 if protocol == "release" else ["video"])
    assert ("<subtitles>" in line["rendered"]) == (name == "videomme_subs")
    assert "visual_tokens" not in line
    assert "error" not in line


def test_an_export_has_the_prompt_that_show_prints(tmp_path: Path) -> None:
    file = written(tmp_path, question())
    config = compose("show", ["task=videomme_subs", f"rows={file}"])
    [line] = shown("videomme_subs", file)
    prompt = "".join(part["value"] for part in line["parts"])
    assert "listed below:\n<subtitles>\nSelect the best" in prompt
    assert read_questions(tmp_path, config, "videomme_subs")["abc-1"].prompt == prompt


def test_show_says_what_is_wrong_with_a_video(tmp_path: Path) -> None:
    (tmp_path / "video_1.mp4").write_bytes(b"<html>sign in</html>")
    (line,) = shown("mvbench", written(tmp_path, clip()))
    assert "video_1.mp4: not a video that FFmpeg can read" in line["error"]


def test_subtitles_that_are_known_to_be_none_are_shown_without_a_video(tmp_path: Path) -> None:
    file = written(tmp_path, question(subtitles=None))
    texts = {
        "model_card": "Select the best answer",
        "qwen3vl": "Select the best answer",
        "release": "\nThese are the frames of a video. This video's subtitles are listed below:\n"
        "\nSelect the best answer",
        "lmms_eval": "This video's subtitles are listed below: \nNo subtitles available\n"
        "Select the best answer",
    }
    for protocol, text in texts.items():
        (line,) = shown("videomme_subs", file, f"protocol={protocol}")
        listed = [part["value"] for part in line["parts"] if "Select the best" in part["value"]]
        assert len(listed) == 1
        assert listed[0].startswith(text)


def test_blanks_at_the_end_of_the_options(tmp_path: Path) -> None:
    file = written(tmp_path, clip())
    for protocol, text in (
        ("model_card", "(A) 1\n(B) 2\nOnly give the best option."),
        ("lmms_eval", "(A) 1\n(B) 2 \nOnly give the best option.\n"),
    ):
        (line,) = shown("mvbench", file, f"protocol={protocol}")
        assert line["parts"][-1]["value"].endswith(text)


def test_the_authors_of_mvbench_begin_the_answer(tmp_path: Path) -> None:
    (line,) = shown("mvbench", written(tmp_path, clip()), "protocol=official")
    assert line["rendered"].endswith("<|im_start|>assistant\nBest option:(")
    assert line["rendered"].startswith("<|im_start|>system\nCarefully watch the video")
    assert "Best option:(" not in line["parts"][-1]["value"]
    task = task_of("mvbench", "official")
    sample = task.sample(clip(), 0)
    assert task.score(sample, Response(id="0", text="B) 2\nbecause")).value == 1.0


def test_model_card_asks_videos_with_the_budget_of_its_authors(tmp_path: Path) -> None:
    for name in NAMES:
        frames = task_of(name).protocol.frames
        assert frames is not None
        assert (frames.rule, frames.fps) == ("qwen_vl_utils_0.0.8", 2.0)
        assert (frames.min_frames, frames.max_frames) == (4, 768)
        budget = frames.min_pixels, frames.max_pixels, frames.total_pixels
        assert budget == (128 * 784, 768 * 784, 24576 * 784)


@pytest.mark.parametrize("name", NAMES)
def test_drawn_clips_are_shown_with_what_they_cost(name: str) -> None:
    lines = [json.loads(x) for x in show(compose("show", [f"task={name}", "data=builtin"]))]
    assert len(lines) == SIZE
    for line in lines:
        height, width = line["frame_size"]
        assert line["visual_tokens"] == len(line["frame_indices"]) // 2 * height * width // 784
        assert "<subtitles>" not in line["rendered"]
    if name == "videomme_subs":
        listed = [line["id"] for line in lines if "subtitles are listed" in line["rendered"]]
        assert listed == [row["question_id"] for row in drawn(name) if row["subtitles"]]
        assert 0 < len(listed) < SIZE


def test_bounds_cut_whole_videos_and_spare_cut_ones() -> None:
    task = task_of("mvbench")
    for path, bounds in (
        ("/m/video/star/Charades_v1_480/ZS9XR.mp4", (1.5, 17.1)),
        ("/m/star/Charades_segment/anything.mp4", (None, None)),
        ("/m/elsewhere/ZS9XR_1.5_17.1.mp4", (None, None)),
    ):
        row = clip("action_sequence", path, start=1.5, end=17.1)
        (media,) = task.sample(row, 0).media
        assert (media.start, media.end, media.fps) == (*bounds, None)
    (media,) = task.sample(clip("episodic_reasoning", "castle", start=0.0, end=9.5), 0).media
    assert (media.start, media.end, media.fps) == (0.0, 9.5, 3.0)


def test_where_videos_are_looked_for() -> None:
    assert names("action_sequence", "A.mp4", (1.5, 2.0)) == [
        "video/data0613/star/Charades_v1_480/A.mp4",
        "video/star/Charades_v1_480/A.mp4",
        "video/star/Charades_segment/A.mp4",
        "data0613/star/Charades_v1_480/A.mp4",
        "star/Charades_v1_480/A.mp4",
        "star/Charades_segment/A.mp4",
        "star/Charades_segment/A_1.5_2.0.mp4",
        "A.mp4",
    ]
    assert "nturgbd_convert/S.mp4" in names("fine_grained_pose", "S.avi", (None, None))
    assert not is_cut("object_shuffle", "/m/perception/videos/video_1.mp4", (None, None))


def requests(name: str, *words: str) -> Iterator[Request]:
    (bench,) = benches(compose("show", [f"task={name}", "data=builtin", *words]))
    for _, sample in samples(bench.task, bench.rows, 3, with_media=True):
        yield bench.task.request(sample)


@pytest.mark.parametrize("protocol", ["release", "model_card", "lmms_eval"])
def test_the_backend_sees_the_prompt_that_show_prints(protocol: str, tiny: Any) -> None:
    from evalkit.backends.qwen2_vl import Preparer

    request = fill(next(requests("videomme_subs", f"protocol={protocol}")))
    small = replace(request, pixels=replace(request.pixels, min_pixels=3136, max_pixels=12544))
    inputs = Preparer(processor=tiny).prepare(small)
    assert inputs.digests["prompt"] == digest_bytes(render(request).encode())
    assert len(inputs.grid) == (8 if protocol == "release" else 1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The processor of the built-in checkpoint."""
    from transformers import AutoProcessor

    from evalkit.canary.checkpoint import checkpoint

    return AutoProcessor.from_pretrained(checkpoint(tmp_path_factory.mktemp("tiny") / "model"))


def keys(name: str, *words: str) -> list[str]:
    config = compose("run", [f"task={name}", "data=builtin", "limit=3", *words])
    (bench,) = benches(config)
    return [ask.key for ask in asks(bench.task, bench.rows, 3, {"model": "m"})]


def test_what_is_asked_decides_the_key() -> None:
    plain, subs = keys("videomme"), keys("videomme_subs")
    assert len({*plain, *subs}) == 6
    assert subs == keys("videomme_subs")
    knob = "tasks.videomme_subs.protocols.model_card.subtitles"
    assert set(subs).isdisjoint(keys("videomme_subs", f"{knob}.rule=all"))
    sparse = "tasks.videomme.protocols.model_card.frames.fps=1.0"
    assert set(plain).isdisjoint(keys("videomme", sparse))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one video of two, and an answer to every question on either."""
    row = next(drawn("videomme"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/abc.mp4").write_bytes(row["video"]["bytes"])
    asked = [question(), question(number=2), question("gone")]
    written(tmp_path, *(row | {"subtitles": SRT} for row in asked))
    answers = [{"id": row["question_id"], "prediction": "B"} for row in asked]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, *words: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a task on stored answers; return its summary and its responses."""
    base = ["run", "-q", f"task={name}", "model=replay", "model.answers=answers.jsonl", "name=r"]
    assert main([*base, "rows=rows.jsonl", *words]) == 0
    folder = Path("runs/r") / name
    lines = (folder / "responses.jsonl").read_text("utf-8").splitlines()
    return json.loads((folder / "summary.json").read_text()), [json.loads(x) for x in lines]


def test_a_question_whose_subtitles_cannot_be_chosen_is_not_asked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, responses = run("videomme_subs")
    assert (summary["n"], summary["n_failed"]) == (3, 1)
    assert summary["metrics"]["accuracy"] == pytest.approx(200 / 3)
    found = {line["id"]: line for line in responses}
    assert found["gone-1"]["error"] == "gone: the row came without this video"
    assert "text" not in found["gone-1"]
    assert found["abc-1"]["text"] == "B"
    assert "1 failed" in capsys.readouterr().out


def test_a_failed_question_is_asked_once_its_video_is_there(place: Path) -> None:
    run("videomme_subs")
    (place / "data/gone.mp4").write_bytes((place / "data/abc.mp4").read_bytes())
    summary, responses = run("videomme_subs")
    assert (summary["n_failed"], summary["metrics"]["accuracy"]) == (0, 100.0)
    assert [line["id"] for line in responses] == ["abc-1", "abc-2", "gone-1", "gone-1"]


def test_a_missing_video_is_an_error_with_its_name(place: Path, tiny: Any) -> None:
    from evalkit.backends.qwen2_vl import Preparer

    media = f"tasks.videomme.rows.media={place}"
    (bench,) = benches(compose("show", ["task=videomme", "rows=rows.jsonl", media]))
    *_, last = asks(bench.task, bench.rows, None, {"model": "m"})
    with pytest.raises(DataError, match=rf"gone: no such file: {place}/data/gone\.mp4"):
        Preparer(processor=tiny).prepare(last.request)


def test_nobody_guesses_whether_there_are_subtitles(place: Path) -> None:
    written(place, question())
    summary, responses = run("videomme_subs")
    assert summary["n_failed"] == 1
    assert "nothing says whether this video has subtitles" in responses[0]["error"]


def test_the_team_s_judge_reads_what_its_rules_cannot() -> None:
    task = task_of("videomme", "qwen3vl")
    sample = task.sample(question(), 0)
    asked = task.consult(sample, "It is the second")
    assert asked is not None
    assert len(asked.attempts) == 25
    assert "A. One." in asked.attempts[0].prompt
    assert "A. A. One." not in asked.attempts[0].prompt
    assert [asked.usable(text) for text in ("B", "Z", "A or B")] == [True, False, False]
    said = Response(id="abc-1", text="It is the second", extraction="B")
    assert task.score(sample, said).value == 1.0
    assert task.consult(sample, "B") is None
    for scorer in ("official", "vlmevalkit", "lmms_eval"):
        other = replace(task, scorer=scorer)
        assert other.consult(sample, "It is the second") is None
        assert other.score(sample, said).status == "unparsed"


def test_published_rows_become_samples(real: Path) -> None:
    for name, total in (("mvbench", 4000), ("videomme", 2700), ("videomme_subs", 2700)):
        file = real / "rows" / f"{name.removesuffix('_subs')}.jsonl"
        (bench,) = benches(compose("show", [f"task={name}", f"rows={file}"]))
        found = [s for _, s in samples(bench.task, bench.rows, None, with_media=False)]
        assert len({sample.id for sample in found}) == total
        counts = Counter(subset for sample in found for subset in sample.subsets)
        if name == "mvbench":
            assert counts == dict.fromkeys((task.title for task in TASKS.values()), 200)
        else:
            assert len({sample.cluster for sample in found}) == 900
            assert [counts[length] for length in ("short", "medium", "long")] == [900] * 3
            assert len(counts) == 3 + 6 + 30 + 12 - 1


def test_published_numbers(real: Path, tmp_path: Path) -> None:
    lines = (real / "expected.jsonl").read_text("utf-8").split("\n")
    cases = [json.loads(line) for line in lines if line]
    cases = [case for case in cases if case["task"] in NAMES]
    assert cases
    for case in cases:
        config = compose(
            "score",
            [
                f"task={case['task']}",
                f"scorer={case['scorer']}",
                f"rows={real / 'rows' / case['task']}.jsonl",
                f"predictions={real / case['predictions']}",
                f"out={tmp_path}",
            ],
        )
        (summary,) = score(config).summaries
        assert summary["metrics"][case["metric"]] == pytest.approx(
            case["value"], abs=case["tolerance"]
        )


@pytest.mark.parametrize("protocol", ["model_card", "lmms_eval"])
def test_real_clips_cost_what_was_said_before_decoding(
    protocol: str, real: Path, tiny: Any
) -> None:
    from evalkit.backends.qwen2_vl import Preparer

    few = f"tasks.videomme.protocols.{protocol}.frames.max_frames=8"
    (bench,) = benches(compose("show", ["task=videomme", f"protocol={protocol}", few]))
    for video in ("jesse_dance", "yoga"):
        row = question(video, video=str(real / "videos" / f"{video}.mp4"))
        request = bench.task.request(bench.task.sample(row, 0))
        _, facts = known(request)
        inputs = Preparer(processor=tiny).prepare(request)
        pads = inputs.tensors["input_ids"][0].tolist().count(tiny.video_token_id)
        ((time, height, width),) = inputs.grid
        assert facts["visual_tokens"] == pads == time * height * width // 4
        assert len(facts["frame_indices"]) == 8


def test_media_of_a_request_are_videos() -> None:
    for request in requests("mvbench"):
        assert [media.kind for media in request.media] == ["video"]
        assert isinstance(request.parts[0], Media)
