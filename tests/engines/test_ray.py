"""Replicas on Ray: every question answered once, whatever becomes of a replica."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit.compose import compose
from evalkit.engines.plan import Ask
from evalkit.engines.ray import RayEngine
from evalkit.errors import BackendError, UsageError
from evalkit.types import Pixels, Record, Request, Response, Sample

ray = pytest.importorskip("ray")

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """One small cluster for all tests, whose processes find the tests' backend."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    patch.syspath_prepend(str(HERE))
    path = f"{HERE}:{HERE.parents[1]}"
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield
    ray.shutdown()
    patch.undo()


def asks(*texts: str, kin: int = 2) -> list[Ask]:
    """Return questions, so many neighbours on the same media."""
    pixels = Pixels(min_pixels=3136, max_pixels=1003520)
    return [
        Ask(
            sample=Sample(id=f"{number:03}", question=text),
            request=Request(id=f"{number:03}", parts=(text,), pixels=pixels, max_new_tokens=8),
            key=f"key {number}",
            digests={"row": "r", "media": f"{number // kin}"},
        )
        for number, text in enumerate(texts)
    ]


def mark(ask: Ask, response: Response) -> Record:
    return Record(id=ask.sample.id, score=1.0, status="ok")


def ask_all(folder: Path, given: Sequence[Ask], **settings: Any) -> list[Response]:
    """Ask through an engine of its own; return what was kept."""
    model = {
        "_target_": "echo_backend.Echo",
        "name": "echo",
        "folder": str(folder),
        **settings.pop("model", {}),
    }
    kept: list[Response] = []
    engine = RayEngine(**{"replicas": 2, "cpus": 1, "batch": 1, **settings})
    with engine.open({"model": model}) as crew:
        assert crew.leads
        backend = crew.backend(None)  # type: ignore[arg-type]
        assert backend.identity == {"model": "echo"}
        crew.meet()
        crew.evaluate(given, backend, mark, lambda response, record: kept.append(response))
    return sorted(kept, key=lambda response: response.id)


def processes(kept: Sequence[Response]) -> Counter[str]:
    return Counter(str(response.text).split()[0] for response in kept)


def test_two_replicas_share_the_questions_and_kin_stay_together(tmp_path: Path) -> None:
    given = asks(*[f"q{n}" for n in range(40)])
    kept = ask_all(tmp_path, given, model={"seconds": 0.01})
    assert [r.id for r in kept] == [ask.request.id for ask in given]
    assert [str(r.text).split()[1] for r in kept] == [f"q{n}" for n in range(40)]
    assert [r.key for r in kept] == [ask.key for ask in given]
    assert {r.digests["row"] for r in kept} == {"r"}
    assert len(processes(kept)) == 2
    # Two hands wait at each from the start; how many more a replica takes depends on the machine.
    assert min(processes(kept).values()) >= 4
    for one, other in zip(kept[::2], kept[1::2], strict=True):
        assert processes([one]) == processes([other])


def test_what_a_lost_replica_was_asked_is_asked_elsewhere(tmp_path: Path) -> None:
    given = asks(*["die" if n in (5, 20) else f"q{n}" for n in range(40)])
    kept = ask_all(tmp_path, given, model={"seconds": 0.005}, batch=2)
    assert [r.id for r in kept] == [ask.request.id for ask in given], "none lost, none twice"
    assert {r.error for r in kept} == {None}
    assert len(list(tmp_path.glob("*.died"))) == 2
    assert len(processes(kept)) >= 3


def test_a_question_that_kills_every_replica_fails_and_the_rest_go_on(tmp_path: Path) -> None:
    given = asks("q0", "q1", "always die", "q3", *[f"q{n}" for n in range(4, 30)])
    kept = ask_all(tmp_path, given, model={"seconds": 0.02}, retries=1)
    failed = [r for r in kept if r.error is not None]
    assert [r.id for r in failed] == ["002", "003"]
    assert "replicas were lost" in str(failed[0].error)
    assert len(kept) == 30


def test_groups_are_taken_as_replicas_become_free(tmp_path: Path) -> None:
    read: list[int] = []

    def pending() -> Iterator[Ask]:
        for number, ask in enumerate(asks(*["q"] * 600, kin=1)):
            read.append(number)
            yield ask

    model = {"_target_": "echo_backend.Echo", "name": "echo", "seconds": 0.002}
    most = 0
    kept = 0

    def keep(response: Response, record: Record) -> None:
        nonlocal most, kept
        kept += 1
        most = max(most, len(read) - kept)

    with RayEngine(replicas=1, cpus=1, batch=4).open({"model": model}) as crew:
        waited = crew.evaluate(pending(), crew.backend(None), mark, keep)  # type: ignore[arg-type]
    assert kept == 600
    assert most < 560, "the rest of the dataset is read while answers come"
    assert waited >= 0


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ({"broken": "usage"}, UsageError, "write model.seconds=1"),
        ({"nonsense": 1}, UsageError, "nonsense"),
        ({"broken": "backend"}, BackendError, "the model is dead"),
    ],
)
def test_what_is_wrong_with_a_replica_is_one_line(
    tmp_path: Path, model: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        ask_all(tmp_path, asks("q"), model=model, replicas=1, retries=0)
    assert "\n" not in str(caught.value)


def test_a_cluster_that_is_too_small_is_told() -> None:
    model = {"_target_": "echo_backend.Echo", "name": "echo"}
    with (
        pytest.raises(UsageError, match=r"room for 4 with engine\.cpus=1"),
        RayEngine(replicas=9).open({"model": model}),
    ):
        pass


@pytest.mark.parametrize("tasks", [["textvqa"], ["videomme", "videomme_subs"]])
def test_a_run_on_ray_goes_on_as_any_other(tmp_path: Path, tasks: list[str]) -> None:
    from evalkit.run import run

    words = [
        f"task=[{','.join(tasks)}]", "data=builtin", "engine=ray", "engine.replicas=1",
        f"out={tmp_path}", "name=r",
    ]  # fmt: skip
    model = {
        "_target_": "echo_backend.Echo", "name": "echo", "published": None, "data": "builtin",
        "folder": str(tmp_path),
    }  # fmt: skip
    for limit in (3, 8):
        config = compose("run", [*words, f"limit={limit}"])
        run({**config, "model": model}, quiet=True)
    for task in tasks:
        lines = (tmp_path / "r" / task / "responses.jsonl").read_text("utf-8").splitlines()
        assert len(lines) == len({json.loads(line)["id"] for line in lines}) == 8
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text("utf-8"))
    assert manifest["engine"] == {"name": "ray", "processes": 1}
    assert manifest["identity"] == {"model": "echo"}
    opened = {path.stem for path in tmp_path.glob("*.opened")}
    assert len(opened) == 2, "one replica a sitting"
    assert str(os.getpid()) not in opened, "the process that writes the run opens no model"
    assert manifest["backend"]["process"] != os.getpid()
