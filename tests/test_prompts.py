"""Every prompt is, character for character, what the harness that a protocol names makes of a row.

The golden records were captured by running the harnesses' own code. Where they differ from what we
send, the difference is written down here with its reason.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evalkit.catalogue import cards
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.show import show

GOLDEN = Path(__file__).parent / "golden"
VIDEO = {"mvbench", "videomme", "videomme_subs"}
PROTOCOLS = {"qwen3vl_repo": "qwen3vl", "vlmevalkit_head": "vlmevalkit"}
PACED = "tasks.{task}.protocols.vlmevalkit.frames.count=null"
VARIANTS = {
    "MVBench_MP4_1fps": [PACED, "+tasks.{task}.protocols.vlmevalkit.frames.fps=1.0"],
    "Video-MME_0.5fps_subs": [
        PACED,
        "+tasks.{task}.protocols.vlmevalkit.frames.fps=0.5",
        "tasks.{task}.protocols.vlmevalkit.subtitles.frames.rule=vlmevalkit_fps",
        "+tasks.{task}.protocols.vlmevalkit.subtitles.frames.fps=0.5",
    ],
}
"""Other settings of a harness's frames, and what is typed for them."""
SRT = json.loads((GOLDEN / "subtitles_same_frames.json").read_text("utf-8"))["srt"]
"""What the harnesses read where a record says that there was a file."""
MATHVISTA = {
    "mathvista_testmini_format": "lmms_eval",
    "mathvista_testmini_cot": "lmms_eval_cot",
    "mathvista_testmini_solution": "lmms_eval_solution",
}
KEPT = {"mmmu": ("C. Three\n", "D. None\n"), "realworldqa": ("B. 2\n", "C. None\n")}
"""An option that reads None, after the line it belongs behind: harnesses that read their rows with
pandas lose it, in some of its releases; we send it, as the authors' code and lmms-eval do."""

EARLIER = {("ocrbench", "mixin"): {"min_pixels": 78400}}
"""Captured before the commit that the protocol takes its limit from."""


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").split("\n") if line]


def place(record: dict[str, Any]) -> tuple[str, str]:
    """Return the task and the protocol that a record belongs to."""
    task, protocol = record["benchmark"], record["protocol"]
    if (task, protocol) == ("realworldqa", "lmms_eval"):
        return "realworldqa_hub", protocol
    if (task, protocol) == ("mathvista", "lmms_eval"):
        return task, MATHVISTA[record["dataset_name"]]
    if task == "videomme" and "subtitles" in record:
        task = "videomme_subs"
    return task, PROTOCOLS.get(protocol, protocol)


def grouped() -> dict[tuple[str, str], list[dict[str, Any]]]:
    groups = defaultdict(list)
    for record in PARITY:
        if record["dataset_name"] not in VARIANTS:
            groups[place(record)].append(record)
    return dict(groups)


PARITY = read("prompt_parity.jsonl")
GROUPS = grouped()


def expected(record: dict[str, Any]) -> dict[str, Any]:
    """Return what we must print of a record's row."""
    task, protocol = place(record)
    parts = [dict(part) for part in record["parts"]]
    rendered = record["rendered"]
    if record["tag"] == "synthetic_option_None" and protocol != "lmms_eval":
        before, line = KEPT[task]
        parts[-1]["value"] = parts[-1]["value"].replace(before, before + line)
        rendered = rendered.replace(before, before + line)
    limits = {key: record[key] for key in ("max_new_tokens", "min_pixels", "max_pixels")}
    limits |= EARLIER.get((task, protocol), {})
    return {
        "parts": parts,
        "rendered": rendered,
        "until": record.get("until", []),
        "task": task,
        "protocol": protocol,
        **limits,
    }


def written(records: list[dict[str, Any]], folder: Path) -> Path:
    rows = folder / "rows.jsonl"
    if records[0]["benchmark"] in VIDEO:
        (folder / "clip.mp4").write_bytes(sixty_seconds())
    rows.write_text("".join(json.dumps(row_of(record)) + "\n" for record in records), "utf-8")
    return rows


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record's row, with the video and the subtitles that its harness read."""
    row = dict(record["row"])
    if record["benchmark"] in VIDEO:
        row["video"] = "clip.mp4"
    if "subtitles" in record:
        row["subtitles"] = SRT if record["subtitles"] == "srt" else None
    return row


@cache
def sixty_seconds() -> bytes:
    """Draw a video with the frames, but not the size, of the one that the harnesses read."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width = stream.height = 32
        picture = av.VideoFrame(32, 32, "yuv420p")
        for number in range(1800):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return file.getvalue()


def check(lines: list[str], records: list[dict[str, Any]]) -> None:
    for line, record in zip(lines, records, strict=True):
        shown, wanted = json.loads(line), expected(record)
        assert {key: shown[key] for key in wanted} == wanted
        indices = frames(record)
        assert indices is None or shown["frame_indices"] == indices


def frames(record: dict[str, Any]) -> list[int] | None:
    """Return which frames a harness's model saw, where the record says it."""
    video = record.get("video") or {}
    if record["benchmark"] == "mvbench" and record["row"].get("start") is None:
        return video.get("frame_indices", video.get("frame_indices_unbounded"))
    return video.get("frame_indices") if record["benchmark"] == "videomme" else None


def test_every_record_has_its_task_and_protocol() -> None:
    variants = [record for record in PARITY if record["dataset_name"] in VARIANTS]
    assert sum(map(len, GROUPS.values())) + len(variants) == len(PARITY)
    assert {record["dataset_name"] for record in variants} == VARIANTS.keys()
    known = {(c.name, protocol) for c in cards("task") for protocol in c.load()["protocols"]}
    assert set(GROUPS) <= known
    unread = {name for name, _ in known} - {name for name, _ in GROUPS}
    # mmvet_smoke's prompts are mmvet's: tests/test_conf.py
    assert unread == {"mmvet_smoke"}, "a task whose prompts nothing here looks at"
    assert sum(frames(record) is not None for record in PARITY) > 60


@pytest.mark.parametrize(("task", "protocol"), GROUPS, ids="-".join)
def test_every_row_is_asked_as_its_harness_asks(task: str, protocol: str, tmp_path: Path) -> None:
    records = GROUPS[task, protocol]
    rows = written(records, tmp_path)
    config = compose("show", [f"task={task}", f"protocol={protocol}", f"rows={rows}"])
    check(list(show(config)), records)


@pytest.mark.parametrize("name", VARIANTS)
def test_other_settings_of_a_harness(name: str, tmp_path: Path) -> None:
    records = [record for record in PARITY if record["dataset_name"] == name]
    task, protocol = place(records[0])
    rows, words = written(records, tmp_path), [word.format(task=task) for word in VARIANTS[name]]
    config = compose("show", [f"task={task}", f"protocol={protocol}", f"rows={rows}", *words])
    lines = list(show(config))
    check(lines, records)
    paced = {"MVBench_MP4_1fps": 18, "Video-MME_0.5fps_subs": 30}
    assert [len(json.loads(line)["frame_indices"]) for line in lines] == [paced[name]]


@pytest.mark.parametrize("task", sorted({task for task, _ in GROUPS}))
def test_the_command_prints_the_same(task: str, tmp_path: Path) -> None:
    protocol = next(protocol for name, protocol in GROUPS if name == task)
    records = GROUPS[task, protocol]
    written(records, tmp_path)
    words = ["show", f"task={task}", f"protocol={protocol}", "rows=rows.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    check([line for line in done.stdout.split("\n") if line], records)


@pytest.mark.parametrize("task", sorted({task for task, _ in GROUPS} - VIDEO))
def test_model_card_asks_as_on_the_day_the_scores_appeared(task: str, tmp_path: Path) -> None:
    records = GROUPS.get((task, "release")) or GROUPS[task, "lmms_eval"]
    rows = written(records, tmp_path)
    config = compose("show", [f"task={task}", f"rows={rows}"])
    for line, record in zip(show(config), records, strict=True):
        shown, wanted = json.loads(line), expected(record)
        assert shown["protocol"] == "model_card"
        assert shown["parts"] == wanted["parts"]
        assert shown["max_new_tokens"] == 2048
        assert shown["reencode"] is None


LETTERS = "Please select the correct answer from the options above."


def mathvista(pid: str, question: str, kind: str, **more: Any) -> dict[str, Any]:
    row = {"pid": pid, "question": question, "answer_type": kind, "answer": "", "choices": None}
    about = {"task": "textbook question answering", "skills": []}
    return {**row, "unit": None, "precision": None, "metadata": about, "query": None, **more}


def mmmu(number: int, question: str, *options: str) -> dict[str, Any]:
    row = {"id": f"validation_Math_{number}", "question": question, "answer": "A"}
    return {**row, "options": str(list(options)), "image_1": None}


HINT = "Hint: Please answer the question "
INTEGER = (
    f"{HINT}requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the end."
)
CUP = "what is the total volume of the measuring cup?"
ANGLE = "△ABC的两内角平分线OB、OC相交于点O，若∠A＝110°，则∠BOC＝（）"
SPHERES = (
    "Subtract all large rubber spheres. Subtract all big shiny cylinders. "
    "How many objects are left?"
)
AVERAGE = "Find out the average of the bottom two countries ??"
PEAK = "Between which two years does the line  graph saw its maximum peak?"
FLOAT = (
    f"{HINT}requiring a floating-point number with two decimal places and provide the final value, "
    "e.g., 1.23, 1.34, 1.45, at the end."
)
LIST = (
    f"{HINT}requiring a Python list as an answer and provide the final list, "
    "e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end."
)
CHOICE = f"{HINT}and provide the correct option letter, e.g., A, B, C, D, at the end."
ANGLES = ["135°", "140°", "145°", "150°"]

ROWS: dict[tuple[str, str], dict[str, Any]] = {
    ("MathVista", "2"): mathvista(
        "2", CUP, "integer", unit="g", query=f"{INTEGER}\nQuestion: {CUP} (Unit: g)"
    ),
    ("MathVista", "3"): mathvista(
        "3",
        ANGLE,
        "text",
        choices=ANGLES,
        query=f"{CHOICE}\nQuestion: {ANGLE}\nChoices:\n(A) 135°\n(B) 140°\n(C) 145°\n(D) 150°",
    ),
    ("MathVista", "4"): mathvista("4", SPHERES, "integer", query=f"{INTEGER}\nQuestion: {SPHERES}"),
    ("MathVista", "74"): mathvista(
        "74", "What is the difference of largest and smallest bar?", "float", precision=1.0
    ),
    ("MathVista", "108"): mathvista(
        "108", AVERAGE, "float", precision=2.0, query=f"{FLOAT}\nQuestion: {AVERAGE}"
    ),
    ("MathVista", "506"): mathvista("506", PEAK, "list", query=f"{LIST}\nQuestion: {PEAK}"),
    ("MMMU", "ex0"): mmmu(
        900,
        "Each of the following situations relates to a different company. <image 1> "
        "For company B, find the missing amounts.",
        "$63,020",
        "$58,410",
        "$71,320",
        "$77,490",
    ),
    ("MMMU", "ex1"): mmmu(
        901, "Compare <image 1> with <image 2>. Which is larger?", "<image 1>", "<image 2>"
    ),
    ("MMMU", "ex2"): mmmu(902, "In <image 1>, find the resistance in ohms."),
    ("RealWorldQA", "tsv1"): {
        "index": 1,
        "question": "How many bars are here?",
        "A": "There are two parallel bars in this photo.",
        "B": "There are three bars in the photo. two are the same height and one is higher.",
        "C": "There are two bars in this photo. one is high and one is low.",
        "D": None,
        "answer": "B",
    },
    ("RealWorldQA", "hf0"): {
        "question": "In which direction is the front wheel of the car on the right side facing?"
        "\n\nA. Left\nB. Straight\nC. Right\n"
        "Please answer directly with only the letter of the correct option and nothing else.",
        "answer": "C",
    },
    ("MM-Vet", "v1_0"): {
        "question_id": "v1_0",
        "question": "What is x in the equation?",
        "answer": "-1<AND>-5",
        "capability": ["ocr", "math"],
    },
}

SOURCES = {
    "VLMEvalKit Qwen2VLPromptMixin (2024-09-09 ..HEAD)": "mixin",
    "VLMEvalKit default / Qwen commit 9a57ff1 (2024-08-29..09-07)": "release",
    "official build_query zero-shot solution": "official",
    "lmms-eval mathvista_testmini shot_type=step-by-step": "lmms_eval_cot",
    "lmms-eval mathvista_testmini shot_type=solution": "lmms_eval_solution",
    "lmms-eval mathvista_testmini shot_type=format-prompt": "lmms_eval",
    "VLMEvalKit Qwen2VLPromptMixin": "mixin",
    "lmms-eval mmmu_val default": "lmms_eval",
    "official llava1.5.yaml construct_prompt": "official",
    "VLMEvalKit dataset default (Qwen commit 9a57ff1; also Qwen3-VL/evaluation)": "release",
    "lmms-eval realworldqa default": "lmms_eval",
    "VLMEvalKit (no custom prompt): image then raw question": "release",
    "lmms-eval mmvet": "lmms_eval",
}
NO_PROTOCOL = {
    "lmms-eval mmmu_val_qwen": "a second task of lmms-eval, for later Qwen models",
    "VLMEvalKit dataset default (interleaved, models without custom prompt)": "not for Qwen2-VL",
    "VLMEvalKit judge prompt": "asked of a judge: tests/metrics/test_judge_prompts.py",
    "official extraction prompt; query truncated to 80 chars here": "asked of a judge, as above",
}
TASKS = {
    "MathVista": "mathvista",
    "MMMU": "mmmu",
    "RealWorldQA": "realworldqa",
    "MM-Vet": "mmvet",
    "hf0": "realworldqa_hub",
}
PROMPTS = read("prompts.jsonl")
ASKED = [case for case in PROMPTS if case["source"] in SOURCES]


def test_every_prompt_has_a_protocol_or_a_reason() -> None:
    assert {case["source"] for case in PROMPTS} == SOURCES.keys() | NO_PROTOCOL.keys()
    assert {(case["benchmark"], case["id"]) for case in ASKED} == ROWS.keys()


@pytest.mark.parametrize(
    "case", ASKED, ids=lambda c: f"{c['benchmark']}-{c['id']}-{SOURCES[c['source']]}"
)
def test_prompt(case: dict[str, Any]) -> None:
    name = TASKS.get(case["id"], TASKS[case["benchmark"]])
    protocol = SOURCES[case["source"]]
    (bench,) = benches(compose("show", [f"task={name}", f"protocol={protocol}"]))
    sample = bench.task.sample(ROWS[case["benchmark"], case["id"]], 0)
    parts = bench.task.request(sample).parts
    assert parts[-1] == case["messages"][-1]["value"]
    if len(case["messages"]) > 1:
        assert len(parts) == len(case["messages"])


def test_chinese_questions_get_a_chinese_tail_where_the_mixin_wrote_one() -> None:
    row = {
        "index": 5,
        "question": "图中红绿灯是什么颜色？",
        "A": "红色",
        "B": "绿色",
        "answer": "A",
    }
    asked = "Question: 图中红绿灯是什么颜色？\nOptions:\nA. 红色\nB. 绿色\n"
    tails = {
        "release": f"{LETTERS} \n",
        "qwen3vl": f"{LETTERS} \n",
        "mixin": "请直接回答选项字母。",
    }
    for protocol, tail in tails.items():
        (bench,) = benches(compose("show", ["task=realworldqa", f"protocol={protocol}"]))
        assert bench.task.request(bench.task.sample(row, 0)).parts[-1] == asked + tail
