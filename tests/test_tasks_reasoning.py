"""MMMU, MathVista, RealWorldQA, MM-Vet and InfoVQA: what their rows become and what is asked."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.compose import compose
from evalkit.config import benches
from evalkit.errors import DataError, UsageError
from evalkit.metrics.mmmu_subjects import DOMAINS
from evalkit.samples import samples
from evalkit.score import score
from evalkit.show import show
from evalkit.task import Task
from evalkit.types import Consultation, Media, Record, Response, Sample, Score, Status


def task_of(name: str, protocol: str = "model_card", scorer: str | None = None) -> Task:
    (bench,) = benches(compose("show", [f"task={name}", f"protocol={protocol}"]))
    return bench.task if scorer is None else replace(bench.task, scorer=scorer)


def mmmu(question: str, options: str = "[]", **more: Any) -> dict[str, Any]:
    row = {"id": "validation_Art_Theory_7", "question": question, "options": options}
    return {**row, "answer": "A", **more}


def mathvista(question: str, answer: str, kind: str = "integer", **more: Any) -> dict[str, Any]:
    row = {"pid": "9", "question": question, "choices": None, "answer": answer, "unit": None}
    about = {"task": "math word problem", "skills": ["logical reasoning", "algebraic reasoning"]}
    more = {"precision": None, "query": f"Hint: h\nQuestion: {question}", **more}
    return {**row, "answer_type": kind, "metadata": about, **more}


def photo(question: str, *options: str | None, answer: str = "A") -> dict[str, Any]:
    columns = dict(zip("ABCD", options, strict=False))
    return {"index": 31, "question": question, "answer": answer, **columns}


def vet(capability: Any, answer: str = "red<AND>blue") -> dict[str, Any]:
    return {"question_id": "v1_9", "question": "Which?", "answer": answer, "capability": capability}


def said(text: str, **more: Any) -> Response:
    return Response(id="x", text=text, **more)


def record(sample: Sample, value: float | None = 1.0) -> Record:
    status: Status = "ok" if value is not None else "judge_failed"
    return Record(id=sample.id, score=value, status=status, subsets=sample.subsets)


def shown(task: Task, row: dict[str, Any]) -> list[str]:
    """Return the names of the pictures that are sent, in order."""
    return [medium.name for medium in task.request(task.sample(row, 0)).media]


def asked(consultation: Consultation | None) -> Consultation:
    assert consultation is not None
    return consultation


# What counts in which category


def test_mmmu_counts_by_subject_and_domain() -> None:
    task = task_of("mmmu")
    ids = [
        "validation_Art_Theory_7",
        "validation_Math_1",
        "dev_Diagnostics_and_Laboratory_Medicine_3",
    ]
    found = [task.sample(mmmu("q", id=id_), 0).subsets for id_ in ids]
    assert found == [
        ("Art_Theory", "Art & Design"),
        ("Math", "Science"),
        ("Diagnostics_and_Laboratory_Medicine", "Health & Medicine"),
    ]
    sample = task.sample(mmmu("q"), 0)
    assert task.summarise([record(sample), record(sample, 0.0)]) == {
        "accuracy": 50.0,
        "accuracy/Art_Theory": 50.0,
        "accuracy/Art & Design": 50.0,
    }


def test_mmmu_has_thirty_subjects_which_are_its_configs() -> None:
    (bench,) = benches(compose("show", ["task=mmmu"]))
    subjects = sorted(subject for group in DOMAINS.values() for subject in group)
    assert len(DOMAINS) == 6
    assert len(subjects) == 30
    assert bench.rows.config == subjects


def test_mathvista_counts_by_task_and_skill() -> None:
    sample = task_of("mathvista").sample(mathvista("How many?", "3"), 0)
    assert sample.subsets == ("math word problem", "logical reasoning", "algebraic reasoning")


@pytest.mark.parametrize(
    ("capability", "subsets"),
    [
        (["ocr", "math"], ("ocr", "math", "ocr_math")),
        ("gen,rec, know", ("rec", "know", "gen", "rec_know_gen")),
        (["rec"], ("rec", "rec_only")),
        ("ocr", ("ocr", "ocr_only")),
    ],
)
def test_mmvet_counts_by_capability_and_by_exact_set(
    capability: Any, subsets: tuple[str, ...]
) -> None:
    assert task_of("mmvet").sample(vet(capability), 0).subsets == subsets


def test_mmvet_aggregates_as_the_authors_do(golden: Any) -> None:
    case = next(
        c
        for c in golden("reasoning.jsonl")
        if c["evaluator"] == "official export_result (1 decimal)"
    )
    task = task_of("mmvet")
    samples = case["metadata"]["samples"]
    records = [record(task.sample(vet(names), 0), grade) for names, grade in samples]
    found = task.summarise(records)
    row = case["metadata"]["row"]
    for name in ("rec", "ocr", "know", "gen", "spat", "math"):
        assert round(found[f"score/{name}"], 1) == row[name]
    assert round(found["score"], 1) == row["total"]
    assert found["score/ocr_math"] == 75.0
    assert found["score/rec_only"] == 0.0


def test_a_grade_that_the_judge_owes_is_not_a_zero() -> None:
    task = task_of("mmvet")
    sample = task.sample(vet("rec"), 0)
    assert task.summarise([record(sample, 0.4), record(sample, None)])["score"] == 40.0


# Pictures: which, and in which order


def test_vlmevalkit_sends_every_picture_of_the_row_in_number_order() -> None:
    row = mmmu("See <image 3> and <image 1>, then <image 3>.", image_3=b"c", image_1=b"a")
    row |= {"image_2": b"b", "image_4": None}
    for protocol in ("model_card", "release", "mixin", "qwen3vl"):
        assert shown(task_of("mmmu", protocol), row) == ["image_1", "image_2", "image_3"]


def test_lmms_eval_sends_the_pictures_that_are_named_once_each_in_number_order() -> None:
    pictures = {f"image_{number}": bytes([96 + number]) for number in (1, 2, 3, 4)}
    row = mmmu("Is <image 3> like <image 3>?", "['<image 4>', '<image 1>']", **pictures)
    task = task_of("mmmu", "lmms_eval")
    request = task.request(task.sample(row, 0))
    assert [medium.data for medium in request.media] == [b"a", b"c", b"d"]
    assert all(isinstance(part, Media) for part in request.parts[:-1])


def test_the_authors_send_the_first_picture_or_none() -> None:
    task = task_of("mmmu", "official")
    pictures = {"image_1": b"a", "image_2": b"b"}
    assert shown(task, mmmu("<image 2> or <image 1>?", "['x', '<image 2>']", **pictures)) == [
        "image_1"
    ]
    assert shown(task, mmmu("Which?", "['<image 1>', '<image 2>']", **pictures)) == []


def test_a_row_without_pictures_shows_where_they_go() -> None:
    task = task_of("mmmu")
    request = task.request(task.sample(mmmu("<image 2> and <image 1>"), 0))
    assert [medium.name for medium in request.media] == ["image_1", "image_2"]
    assert all(medium.absent for medium in request.media)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("mathvista", mathvista("How many?", "3")),
        ("realworldqa", photo("Which?", "left", "right")),
        ("realworldqa_hub", {"question": "Which?", "answer": "Yes"}),
        ("mmvet", vet("rec")),
        ("infovqa", {"questionId": "98313", "question": "Which?"}),
    ],
)
def test_one_picture_comes_first(name: str, row: dict[str, Any]) -> None:
    task = task_of(name)
    (medium, text) = task.request(task.sample(row, 0)).parts
    assert isinstance(medium, Media)
    assert medium.absent
    assert isinstance(text, str)
    column = task.media_columns[0]
    (given, _) = task.request(task.sample({**row, column: {"bytes": b"x", "path": "p"}}, 0)).parts
    assert isinstance(given, Media)
    assert given.data == b"x"


def test_an_unknown_way_of_sending_pictures_is_named() -> None:
    words = ["task=mmmu", "tasks.mmmu.protocols.model_card.knobs.images=al"]
    (bench,) = benches(compose("show", words))
    sample = bench.task.sample(mmmu("q"), 0)
    with pytest.raises(UsageError, match="unknown images of mmmu: al"):
        bench.task.request(sample)


def test_blanks_around_a_question_go_where_mathvista_puts_the_text_together() -> None:
    row = mathvista(" How many? ", "3", query="Hint: h\nQuestion:  How many? ")
    texts = {}
    for protocol in ("release", "lmms_eval", "lmms_eval_cot", "official"):
        task = task_of("mathvista", protocol)
        texts[protocol] = task.request(task.sample(row, 0)).parts[-1]
    hint = "Please answer the question requiring an integer answer and provide the final value, "
    asked = f"Question:  How many? \nHint: {hint}e.g., 1, 2, 3, at the end."
    assert texts == {
        "release": row["query"],
        "lmms_eval": "How many? \nAnswer the question using a single integer number.",
        "lmms_eval_cot": asked,
        "official": f"{asked}\nSolution:",
    }


def test_blanks_that_a_harness_strips() -> None:
    for protocol in ("release", "mixin", "qwen3vl"):
        task = task_of("mmmu", protocol)
        text = task.request(task.sample(mmmu(" How many? \n"), 0)).parts[-1]
        assert text == "Question:  How many?"
    task = task_of("realworldqa_hub", "lmms_eval")
    row = {"question": "\nHow many?\nPlease answer. ", "answer": "3"}
    assert task.request(task.sample(row, 0)).parts[-1] == "How many?\nPlease answer."


# Options


def test_options_that_read_none_are_options() -> None:
    task = task_of("mmmu", "release")
    row = mmmu("How many?", "['Two', 'N/A', '', 'null', 'None']", answer="E")
    sample = task.sample(row, 0)
    assert sample.options == ("Two", "N/A", "", "null", "None")
    assert "\nA. Two\nB. N/A\nC. \nD. null\nE. None\n" in str(task.request(sample).parts[-1])
    assert task.score(sample, said("E")).value == 1.0
    assert task.score(sample, said("none")).parsed == "E"


def test_columns_without_text_are_no_options_and_keep_their_letters() -> None:
    task = task_of("realworldqa", "mixin")
    found = {
        options: task.sample(photo("Which?", *options), 0).options
        for options in (("1", "2"), ("1", "2", None, None), ("1", "2", "", ""), ("1", "2", "None"))
    }
    assert list(found.values()) == [("1", "2"), ("1", "2"), ("1", "2"), ("1", "2", "None")]
    gap = task.sample(photo("Which?", "1", "", "3", answer="C"), 0)
    assert "\nA. 1\nC. 3\n" in str(task.request(gap).parts[-1])
    assert task.score(gap, said("3")).value == 1.0


def test_a_tsv_of_vlmevalkit_is_a_file_of_rows(tmp_path: Path) -> None:
    header = "image\tanswer\tindex\tA\tB\tC\tD\tquestion\n"
    picture = base64.b64encode(bytes(range(90))).decode()
    lines = [
        f"{picture}\tC\t633\tGreen\tYellow\tNone\t\tWhich colour?\n",
        "633\tA\t6\tYes\tNo\t\t\tStop?\n",
    ]
    (tmp_path / "RealWorldQA.tsv").write_text(header + "".join(lines))
    words = ["task=realworldqa", f"rows={tmp_path}/RealWorldQA.tsv"]
    with pytest.raises(DataError, match=r"its md5 is \w+, not 92321028d2bc29040284b6674721e48f"):
        list(show(compose("show", words)))
    config = compose("show", [*words, "tasks.realworldqa.rows.md5=null"])
    first, second = map(json.loads, show(config))
    assert first["id"] == "633"
    assert "\nA. Green\nB. Yellow\nC. None\n" in first["parts"][-1]["value"]
    assert "\nA. Yes\nB. No\nPlease" in second["parts"][-1]["value"]
    (bench,) = benches(config)
    media = [
        sample.media[0].data for _, sample in samples(bench.task, bench.rows, None, with_media=True)
    ]
    assert media == [bytes(range(90))] * 2


# Rows that do not fit


def one_sample(task: str, row: dict[str, Any], folder: Path) -> Iterator[str]:
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    yield from show(compose("show", [f"task={task}", f"rows={folder}/rows.jsonl"]))


@pytest.mark.parametrize(
    ("name", "row", "says"),
    [
        ("mmmu", mmmu("q", "A. one B. two"), "options of validation_Art_Theory_7 are no list"),
        ("mmmu", mmmu("q", "['a', open('x')]"), "options of validation_Art_Theory_7 are no list"),
        ("mmmu", mmmu("q", id="validation_Alchemy_1"), "no MMMU subject in the id validation_Al"),
        ("mmmu", {"id": "validation_Math_1"}, "no column question, options, answer"),
        ("mathvista", mathvista("q", "3", query=None), "pid 9 has no column query"),
        ("mathvista", {**mathvista("q", "3"), "metadata": None}, "row 0 does not fit the task"),
        ("mmvet", vet("rec,smell"), "row 0 does not fit the task"),
        ("realworldqa", {"question": "q", "answer": "A"}, "no column index, A, B"),
        ("realworldqa_hub", {"question": "q"}, "no column answer"),
        ("infovqa", {"question": "q"}, "no column questionId"),
    ],
)
def test_a_row_that_does_not_fit_is_named(
    name: str, row: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        list(one_sample(name, row, tmp_path))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


# What is asked of a judge

MENU = "['a teddy bear', 'a rabbit', 'a cat']"


@pytest.mark.parametrize(
    ("scorer", "tries", "takes_none"),
    [("vlmevalkit_2024", 3, True), ("vlmevalkit", 3, True), ("qwen3vl", 25, False)],
)
def test_a_judge_matches_a_reply_with_an_option(scorer: str, tries: int, takes_none: bool) -> None:
    task = task_of("mmmu", scorer=scorer)
    sample = task.sample(mmmu("What is it?", MENU, answer="C"), 0)
    consultation = asked(task.consult(sample, "some feline"))
    assert consultation.field == "extraction"
    assert len(consultation.attempts) == tries
    assert {attempt.temperature for attempt in consultation.attempts} == {0.0}
    assert consultation.attempts[0].prompt.endswith(
        "Question: What is it??\nOptions: There are several options: \nA. a teddy bear\n"
        "B. a rabbit\nC. a cat\n\nAnswer: some feline\nYour output: "
    )
    assert [consultation.usable(text) for text in ("C", "Z", "E", "")] == [
        True,
        takes_none,
        False,
        False,
    ]
    assert task.consult(sample, "C") is None
    assert task.consult(sample, "it is a cat") is None


@pytest.mark.parametrize("scorer", ["official", "lmms_eval"])
def test_scorers_with_rules_alone_ask_nobody(scorer: str) -> None:
    task = task_of("mmmu", scorer=scorer)
    sample = task.sample(mmmu("What is it?", MENU, answer="C"), 0)
    assert task.consult(sample, "?") is None
    assert task.score(sample, said("?", extraction="C")).status == "unparsed"


def test_what_a_judge_read_counts_where_the_rules_read_nothing() -> None:
    task = task_of("mmmu", scorer="vlmevalkit_2024")
    sample = task.sample(mmmu("What is it?", MENU, answer="C"), 0)
    assert task.score(sample, said("some feline")).status == "unparsed"
    assert task.score(sample, said("some feline", extraction="C")).value == 1.0
    assert task.score(sample, said("some feline", extraction="Z")) == Score(value=0.0, parsed="Z")
    assert task.score(sample, said("B", extraction="C")).value == 0.0
    assert task.score(sample, said("?", judge_failed=True)).status == "judge_failed"


def test_an_open_question_is_put_to_a_judge_as_a_choice() -> None:
    task = task_of("mmmu")
    sample = task.sample(mmmu("Where?", answer="['Tampa', 'Florida']"), 0)
    assert sample.answers == ("Tampa", "Florida")
    consultation = asked(task.consult(sample, "In the south"))
    assert "\nA. ['Tampa', 'Florida']\nB. Other Answers\n\n" in consultation.attempts[0].prompt
    assert task.score(sample, said("In the south", extraction="A")).value == 1.0
    assert task_of("mmmu", scorer="official").score(sample, said("Tampa")).value == 1.0


def test_realworldqa_asks_as_often_as_its_evaluators() -> None:
    row = photo("图中红绿灯是什么颜色？", "红色", "绿色")
    for scorer, tries in {"vlmevalkit_2024": 3, "vlmevalkit": 3, "qwen3vl": 5}.items():
        task = task_of("realworldqa", scorer=scorer)
        consultation = asked(task.consult(task.sample(row, 0), "red, I think"))
        assert len(consultation.attempts) == tries
        assert consultation.attempts[0].prompt.startswith("你是一个")
    task = task_of("realworldqa", scorer="lmms_eval")
    assert task.consult(task.sample(row, 0), "red, I think") is None


@pytest.mark.parametrize(
    ("scorer", "reply", "row", "asks"),
    [
        ("official", "3", mathvista("q", "3"), False),
        ("official", "4", mathvista("q", "3"), False),
        ("official", "", mathvista("q", "3"), False),
        ("official", " left", mathvista("q", "left", "text", choices=["left", "right"]), True),
        ("lmms_eval", " left", mathvista("q", "left", "text", choices=["left", "right"]), False),
        ("official", "3.0", mathvista("q", "3"), True),
        ("official", "three", mathvista("q", "3"), True),
        ("official", "B", mathvista("q", "left", "text", choices=["left", "right"]), True),
        ("vlmevalkit_2024", "3", mathvista("q", "3"), False),
        ("vlmevalkit_2024", "4", mathvista("q", "3"), True),
        ("vlmevalkit_2024", "0", mathvista("q", "0"), True),
        ("vlmevalkit_2024", "[1]", mathvista("q", "[1]", "list"), True),
        ("vlmevalkit_2024", "B", mathvista("q", "left", "text", choices=["left", "right"]), False),
        ("vlmevalkit_2024_rule", "4", mathvista("q", "3"), False),
        ("vlmevalkit_rule", "4", mathvista("q", "3"), False),
        ("rules", "four", mathvista("q", "3"), False),
    ],
)
def test_a_judge_extracts_from_replies_that_are_no_answers(
    scorer: str, reply: str, row: dict[str, Any], asks: bool
) -> None:
    task = task_of("mathvista", scorer=scorer)
    assert (task.consult(task.sample(row, 0), reply) is not None) is asks


def test_extraction_is_asked_for_as_each_evaluator_does() -> None:
    row = mathvista("How many?", "3")
    found = {}
    for scorer in ("official", "lmms_eval", "vlmevalkit_2024", "vlmevalkit"):
        task = task_of("mathvista", scorer=scorer)
        found[scorer] = asked(task.consult(task.sample(row, 0), "three"))
    heats = {name: [a.temperature for a in c.attempts] for name, c in found.items()}
    assert heats == {
        "official": [0.0] * 5,
        "lmms_eval": [0.0] * 5,
        "vlmevalkit_2024": [0.0, 0.5, 1.0, 1.5, 2.0],
        "vlmevalkit": [0.0, 0.5, 1.0, 1.5, 2.0],
    }
    limits = {name: c.attempts[0].max_tokens for name, c in found.items()}
    assert limits == {"official": 1024, "lmms_eval": 256, "vlmevalkit_2024": 128, "vlmevalkit": 128}
    tail = "\n\nHint: h\nQuestion: How many?\n\nthree\n\nExtracted answer: "
    assert found["official"].attempts[0].prompt.endswith(tail)
    assert found["official"].attempts == tuple(
        replace(attempt, max_tokens=1024) for attempt in found["lmms_eval"].attempts
    )
    tail = "\nHint: h\nQuestion: How many?\nModel respone: threeExtracted answer:"
    assert found["vlmevalkit"].attempts[-1].prompt.endswith(tail)
    assert [found["official"].usable(text) for text in ("3", " ")] == [True, False]
    assert found["vlmevalkit"].usable("")
    assert {c.field for c in found.values()} == {"extraction"}


def test_mathvista_without_an_extraction_is_unparsed_and_counted() -> None:
    for scorer in ("official", "vlmevalkit_2024", "lmms_eval"):
        task = task_of("mathvista", scorer=scorer)
        sample = task.sample(mathvista("How many?", "3"), 0)
        assert task.score(sample, said("There are 3.")) == Score(value=None, status="unparsed")
        assert task.score(sample, said("There are 3.", extraction="3")).value == 1.0
    assert task_of("mathvista", scorer="rules").score(sample, said("There are 3.")).value == 1.0


@pytest.mark.parametrize(
    ("scorer", "heats", "max_tokens"),
    [
        ("official", [0.0, 0.0, 0.5, 1.0, 1.5], 3),
        ("vlmevalkit_2024", [0.0, 0.5, 1.0, 1.5, 2.0], 3),
        ("vlmevalkit", [0.0, 0.5, 1.0, 1.5, 2.0], 2048),
        ("lmms_eval", [0.0, 0.5, 1.0, 1.5], 128),
    ],
)
def test_mmvet_is_graded_as_each_evaluator_asks(
    scorer: str, heats: list[float], max_tokens: int
) -> None:
    task = task_of("mmvet", scorer=scorer)
    consultation = asked(task.consult(task.sample(vet("rec"), 0), "They are red."))
    assert consultation.field == "judge"
    assert [attempt.temperature for attempt in consultation.attempts] == heats
    assert {attempt.max_tokens for attempt in consultation.attempts} == {max_tokens}
    tail = "\nWhich? | red <AND> blue | They are red. |"
    prompts = [attempt.prompt for attempt in consultation.attempts]
    assert prompts[0].rstrip(" ").endswith(tail)
    assert prompts[0].endswith(" ") is (scorer != "lmms_eval")
    suffix = "\nPredict the correctness of the answer (digit): " if scorer == "official" else ""
    assert prompts[1:] == [prompts[0] + suffix] * (len(heats) - 1)
    assert [consultation.usable(text) for text in ("0.4", "1.2", "good")] == [True, False, False]


def test_mmvet_needs_a_judge_unless_it_only_smokes() -> None:
    assert task_of("mmvet").needs_judge
    task = task_of("mmvet", scorer="smoke")
    assert not task.needs_judge
    assert not task_of("mmmu").needs_judge
    sample = task.sample(vet("rec", "red<AND>dark  Blue"), 0)
    assert task.consult(sample, "red") is None
    found = [task.score(sample, said(text)).value for text in ("Red.", "DARK BLUE or red", "")]
    assert found == [0.0, 1.0, 0.0]
    either = task.sample(vet("rec", "1.25<OR>=1.25<OR>5/4"), 0)
    assert task.score(either, said("d is 5/4")).value == 1.0
    assert task.score(either, said("d is 4/5")).value == 0.0


def test_mmvet_without_a_verdict_has_no_grade() -> None:
    task = task_of("mmvet", scorer="official")
    sample = task.sample(vet("rec"), 0)
    assert task.score(sample, said("red")) == Score(value=None, status="judge_failed")
    assert task.score(sample, said("red", judge="0.5")).value == 0.5


# Splits without answers


def test_private_answers_become_a_submission() -> None:
    (bench,) = benches(compose("show", ["task=infovqa", "tasks.infovqa.rows.split=test"]))
    sample = bench.task.sample({"questionId": "98313", "question": "Which?"}, 0)
    assert not bench.task.scored
    assert bench.task.submission(sample, said("pinterest")) == {
        "questionId": 98313,
        "answer": "pinterest",
    }
    assert bench.task.submission(sample, None) == {"questionId": 98313, "answer": ""}


def test_replies_are_cut_where_lmms_eval_cuts_them() -> None:
    row = mathvista("How many?", "3")
    task = task_of("mathvista", "lmms_eval_cot")
    sample = task.sample(row, 0)
    assert task.reply("First.\n\nThe answer is 3.") == "First."
    assert task.score(sample, said("3\n\nSo there.")).value == 1.0
    assert task_of("mathvista").reply("First.\n\nThe answer is 3.") == "First.\n\nThe answer is 3."


# Numbers that others published from their own predictions

TASKS = ("mmmu", "mathvista", "realworldqa", "mmvet", "infovqa")


def scored(real: Path, entry: dict[str, Any], out: Path) -> dict[str, Any]:
    words = [
        f"task={entry['task']}",
        f"scorer={entry['scorer']}",
        f"rows={real}/rows/{entry['task']}.jsonl",
        f"predictions={real}/{entry['predictions']}",
        f"out={out}",
    ]
    return score(compose("score", words)).summaries[0]


def test_published_numbers(real: Path, tmp_path: Path) -> None:
    lines = (real / "expected.jsonl").read_text("utf-8").split("\n")
    entries = [entry for line in lines if line and (entry := json.loads(line))["task"] in TASKS]
    assert Counter(entry["task"] for entry in entries) == {
        "mmvet": 7,
        "mathvista": 3,
        "mmmu": 1,
        "realworldqa": 1,
    }
    done: dict[str, dict[str, Any]] = {}
    for entry in entries:
        key = f"{entry['predictions']} {entry['scorer']}"
        if key not in done:
            done[key] = scored(real, entry, tmp_path / str(len(done)))
        value = done[key]["metrics"][entry["metric"]]
        assert value == pytest.approx(entry["value"], abs=entry["tolerance"]), entry
        assert done[key]["primary"] == entry["metric"].split("/")[0]
        if "n_unparsed 2" in entry["source"]:
            assert done[key]["n_unparsed"] == 2


def test_counts_of_published_categories(real: Path) -> None:
    counts: dict[str, Counter[str]] = {}
    for name in TASKS[:2] + TASKS[3:4]:
        words = [f"task={name}", f"rows={real}/rows/{name}.jsonl"]
        (bench,) = benches(compose("show", words))
        every = samples(bench.task, bench.rows, None, with_media=False)
        counts[name] = Counter(subset for _, sample in every for subset in sample.subsets)
    assert {counts["mmmu"][subject] for group in DOMAINS.values() for subject in group} == {30}
    assert {domain: counts["mmmu"][domain] for domain in DOMAINS} == {
        domain: 30 * len(subjects) for domain, subjects in DOMAINS.items()
    }
    assert counts["mathvista"]["figure question answering"] == 269
    assert counts["mathvista"]["textbook question answering"] == 158
    assert counts["mathvista"]["arithmetic reasoning"] == 353
    assert len(counts["mathvista"]) == 5 + 7
    assert len(counts["mmvet"]) == 6 + 16
    assert counts["mmvet"]["rec_know_gen"] == 62
    assert counts["mmvet"]["rec_only"] == 37
    assert counts["mmvet"]["rec_ocr_spat_math"] == 1
