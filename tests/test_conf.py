"""Every config composes, every card names its class, and mistakes are one line."""

from __future__ import annotations

import importlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.catalogue import cards
from evalkit.compose import compose
from evalkit.config import benches
from evalkit.errors import UsageError
from evalkit.task import Protocol

CONF = Path(__file__).resolve().parents[1] / "conf"
TASKS = sorted(path.stem for path in (CONF / "task").glob("*.yaml"))
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
SUITES = sorted(path.stem for path in (CONF / "suite").glob("*.yaml"))


def card(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((CONF / "task" / f"{name}.yaml").read_text("utf-8")))


def pairs() -> list[tuple[str, str]]:
    return [(name, protocol) for name in TASKS for protocol in card(name)["protocols"]]


def test_every_task_module_has_a_card_and_every_card_its_module() -> None:
    modules = {p.stem for p in (CONF.parent / "tasks").glob("*.py")} - {"__init__"}
    named = {card(name)["_target_"].split(".")[1] for name in TASKS}
    assert named == modules
    assert {entry.name for entry in cards("task")} == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_card_names_a_class_that_bears_its_name(name: str) -> None:
    module, _, cls = card(name)["_target_"].rpartition(".")
    task = getattr(importlib.import_module(module), cls)
    assert task.name == name
    assert (
        (CONF / "task" / f"{name}.yaml")
        .read_text("utf-8")
        .startswith(f"# @package tasks.{name}\n# ")
    )


@pytest.mark.parametrize(("name", "protocol"), pairs())
def test_every_protocol_composes_and_picks_a_scorer_that_exists(name: str, protocol: str) -> None:
    (bench,) = benches(compose("show", [f"task={name}", f"protocol={protocol}"]))
    assert bench.task.protocol.name == protocol
    assert bench.task.scorer == bench.task.protocol.scorer
    assert len(bench.task.protocol.source) > 10


@pytest.mark.parametrize("name", TASKS)
def test_no_knob_has_a_default_in_code(name: str) -> None:
    needed = {"source", "prompt", "min_pixels", "max_pixels", "max_new_tokens", "scorer"}
    needed |= {"until", "reencode"}
    known = {field.name for field in fields(Protocol)}
    for protocol in card(name)["protocols"].values():
        assert needed <= set(protocol) <= known
    assert "model_card" in card(name)["protocols"]


def test_mmvet_without_a_judge_asks_what_mmvet_asks() -> None:
    judged, smoke = card("mmvet")["protocols"], card("mmvet_smoke")["protocols"]
    assert list(smoke) == list(judged)
    other = {"source", "scorer"}
    for name, protocol in judged.items():
        asked = {key: value for key, value in protocol.items() if key not in other}
        assert {key: value for key, value in smoke[name].items() if key not in other} == asked


@pytest.mark.parametrize("model", MODELS)
def test_every_model_composes(model: str) -> None:
    text = (CONF / "model" / f"{model}.yaml").read_text("utf-8")
    unset = [line.split(":")[0] for line in text.splitlines() if ": ???" in line]
    config = compose("run", [f"model={model}", *(f"model.{key}=given" for key in unset)])
    assert config["model"]["name"]
    assert config["data"]["source"] == config["model"]["data"]


def test_arguments_for_somebody_else_can_be_added_like_any_other() -> None:
    words = ["model=vllm", "model.engine={enforce_eager: true}", "model.engine.max_num_seqs=8"]
    assert compose("run", words)["model"]["engine"] == {"enforce_eager": True, "max_num_seqs": 8}
    words = ["model=openai", "model.model=m", "model.extra.top_k=1"]
    assert compose("run", words)["model"]["extra"] == {"repetition_penalty": 1.0, "top_k": 1}


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_composes(suite: str) -> None:
    assert benches(compose("run", [f"suite={suite}"]))


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["task=docqva"], "unknown task: docqva. Did you mean docvqa? Known: "),
        (["task=[docvqa,chartqaa]"], "unknown task: chartqaa. Did you mean chartqa?"),
        (["model=qwen2_vl"], "unknown model: qwen2_vl. Did you mean qwen2_vl"),
        (
            ["task=docvqa", "protocol=releas"],
            "unknown protocol of docvqa: releas. Did you mean release?",
        ),
        (
            ["task=docvqa", "scorer=oficial"],
            "unknown scorer for docvqa: oficial. Did you mean official?",
        ),
        (["limt=3"], "unknown key: limt. Did you mean limit?"),
        (["tsk=docvqa"], "unknown key: tsk. Did you mean task?"),
        (["suit=qwen2_vl_card"], "unknown key: suit. Did you mean suite?"),
        (["+limt=3"], "unknown key: limt. Did you mean limit?"),
        (["model.pth=x"], "unknown key: model.pth. Did you mean model.path?"),
        (["+model.pth=x"], "unknown setting of TransformersBackend: pth. Did you mean path?"),
        (["+tasks.docvqa.colour=x"], "unknown setting of DocVQA: colour"),
        (["task=[docvqa"], "cannot read 'task=[docvqa': write key=value"),
        (["model=replay"], "model.answers is not set: write model.answers=..."),
        (["rows=x.jsonl"], "rows= fits one task"),
        (["data=hbu"], "unknown data: hbu. Did you mean hub?"),
        (["suite=nobody"], "unknown suite: nobody"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_exists(overrides: list[str], says: str) -> None:
    from evalkit.config import MODEL_KEYS, build

    def make() -> None:
        config = compose("run", overrides)
        benches(config)
        build({k: v for k, v in config["model"].items() if k not in MODEL_KEYS})

    with pytest.raises(UsageError) as caught:
        make()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
