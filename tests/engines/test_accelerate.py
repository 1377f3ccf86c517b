"""Several processes, one run: every question asked once, one writer, any number goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from evalkit.__main__ import main
from evalkit.asking import answer, follow
from evalkit.backends.base import Backend
from evalkit.compose import compose
from evalkit.engines.accelerate import AccelerateEngine
from evalkit.engines.base import Crew, Keep, Mark
from evalkit.engines.channel import Line
from evalkit.engines.crew import Follower, Leader
from evalkit.engines.plan import Ask
from evalkit.errors import BackendError, UsageError
from evalkit.run import ingredients
from evalkit.types import Pixels, Record, Request, Response, Sample

ROOT = Path(__file__).parents[2]
PIXELS = Pixels(min_pixels=3136, max_pixels=1003520)


def ask(number: int) -> Ask:
    return Ask(
        sample=Sample(id=str(number), question="?"),
        request=Request(id=str(number), parts=("?",), pixels=PIXELS, max_new_tokens=8),
        key=f"key {number}",
        digests={"row": "r", "media": f"{number // 3}"},
    )


def mark(item: Ask, response: Response) -> Record:
    return Record(
        id=item.sample.id, score=0.5, status="ok", subsets=("a", "b"), cluster="c", truncated=True
    )


class Names:
    """Answers with a name, or dies after so many answers."""

    def __init__(self, name: str, most: int = 1000) -> None:
        self.name, self.left = name, most

    def generate(self, groups: Iterable[Sequence[Request]]) -> Iterator[Response]:
        for group in groups:
            for request in group:
                self.left -= 1
                if self.left < 0:
                    raise BackendError(f"{self.name} is dead")
                yield Response(
                    id=request.id, text=f"{self.name} \ud83d", grid=((1, 2, 3),), seconds=0.5
                )


def together(
    count: int, backend: Callable[[int], Any], asked: Callable[[], Iterable[Ask]]
) -> list[tuple[Response, Record]]:
    """Run a crew in threads of this process; return what its leader kept."""
    pairs = [Pipe() for _ in range(1, count)]
    kept: list[tuple[Response, Record]] = []
    leader = Leader(lines=[Line(here, f"process {n}") for n, (here, _) in enumerate(pairs, 1)])

    def follow(place: int) -> None:
        line = Line(pairs[place - 1][1], "the leader")
        crew = Follower(line=line, place=place, processes=count)
        try:
            crew.meet()
            crew.evaluate(asked(), backend(place), mark, lambda *_: None)
        except BackendError:
            pass
        finally:
            line.close()

    threads = [threading.Thread(target=follow, args=[place]) for place in range(1, count)]
    for thread in threads:
        thread.start()
    try:
        leader.meet()
        leader.evaluate(asked(), backend(0), mark, lambda *given: kept.append(given))
    finally:
        for line in leader.lines:
            line.close()
        for thread in threads:
            thread.join(10)
    return kept


@pytest.mark.parametrize("count", [2, 3, 5])
def test_groups_are_shared_out_and_every_answer_is_kept_once(count: int) -> None:
    kept = together(count, lambda place: Names(str(place)), lambda: map(ask, range(90)))
    assert sorted(int(response.id) for response, _ in kept) == list(range(90))
    assert all(response.key == f"key {response.id}" for response, _ in kept)
    whose = {int(response.id): str(response.text)[0] for response, _ in kept}
    assert Counter(whose.values()) == {str(place): 90 // count for place in range(count)}
    assert all(whose[n] == whose[n - n % 3] for n in whose), "a group was torn apart"
    for response, record in kept:
        assert str(response.text).endswith(" \ud83d")
        assert response.grid == ((1, 2, 3),)
        assert record == mark(ask(int(response.id)), response)


def test_more_processes_than_groups_is_no_matter() -> None:
    kept = together(4, lambda place: Names(str(place)), lambda: map(ask, range(4)))
    assert sorted(response.id for response, _ in kept) == ["0", "1", "2", "3"]


def test_a_process_whose_model_dies_ends_the_run_and_says_why() -> None:
    def backend(place: int) -> Names:
        return Names(str(place), most=4 if place else 1000)

    with pytest.raises(BackendError, match=r"process 1: 1 is dead"):
        together(2, backend, lambda: map(ask, range(90)))


def test_a_process_that_is_gone_ends_the_run() -> None:
    here, there = Pipe()
    leader = Leader(lines=[Line(here, "process 1")])
    Line(there, "").send(here=1)
    leader.meet()
    there.close()
    with pytest.raises(BackendError, match="process 1 is gone"):
        leader.evaluate(map(ask, range(9)), Names("0"), mark, lambda *_: None)


def test_a_process_stops_when_the_one_that_leads_is_gone() -> None:
    here, there = Pipe()
    crew = Follower(line=Line(there, "the leader"), place=1, processes=2)
    here.close()
    with pytest.raises(BackendError, match="the leader is gone"):
        crew.meet()
    with pytest.raises(BackendError, match="the leader is gone"):
        crew.evaluate(map(ask, range(9)), Names("1"), mark, lambda *_: None)


def test_the_settings_must_fit() -> None:
    with pytest.raises(UsageError, match="must be positive"):
        AccelerateEngine(processes=0).open({"model": {}}).__enter__()
    spread = {"model": {"device_map": "auto"}}
    with pytest.raises(UsageError, match="leave one of them out"):
        AccelerateEngine(processes=2).open(spread).__enter__()
    with AccelerateEngine(processes=1).open(spread) as crew:
        assert crew.leads
        assert crew.facts == {"name": "accelerate", "processes": 1}


ROWS = [
    {
        "questionId": str(number),
        "question": f"What is on line {number}?",
        "answers": [f"line {number}"],
        "ucsf_document_id": f"doc{number // 3}",
        "ucsf_document_page_no": "1",
    }
    for number in range(24)
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, pictures and answers, which is the working folder."""
    from PIL import Image

    for number in range(8):
        Image.new("RGB", (56, 56), (number, 0, 0)).save(tmp_path / f"page{number}.png")
    with (
        (tmp_path / "rows.jsonl").open("w") as rows,
        (tmp_path / "answers.jsonl").open("w") as said,
    ):
        for number, row in enumerate(ROWS):
            rows.write(json.dumps({**row, "image": f"page{number // 3}.png"}) + "\n")
            said.write(json.dumps({"id": str(number), "prediction": f"line {number}"}) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


WORDS = [
    "run", "-q", "task=docvqa", "model=replay", "model.answers=answers.jsonl", "rows=rows.jsonl",
    "name=r",
]  # fmt: skip

STUCK = """
import sys, time
from evalkit.backends import replay
from evalkit.__main__ import main
generate = replay.ReplayBackend.generate
def two(self, groups):
    for number, response in enumerate(generate(self, groups)):
        if number == 2:
            time.sleep(3600)
        yield response
replay.ReplayBackend.generate = two
sys.exit(main(sys.argv[1:]))
"""
"""The process that leads answers two questions and stays there; the other answers its half."""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def engine_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "manifest.json").read_text())["engine"])


def test_a_killed_run_goes_on_with_another_number_of_processes(place: Path) -> None:
    words = [*WORDS, "engine=accelerate", "engine.processes=2"]
    child = subprocess.Popen([sys.executable, "-c", STUCK, *words], stdout=subprocess.DEVNULL)
    path = place / "runs/r/docvqa/responses.jsonl"
    try:
        for _ in range(6000):
            if child.poll() is not None or (path.exists() and path.read_bytes().count(b"\n") == 14):
                break
            time.sleep(0.05)
    finally:
        child.kill()
        child.wait()
    before = lines(path)
    assert len(before) == 14
    assert engine_of(place / "runs/r") == {"name": "accelerate", "processes": 2}
    assert main(WORDS) == 0
    after = lines(path)
    assert after[: len(before)] == before
    assert len({line["key"] for line in after}) == len(after) == 24
    assert engine_of(place / "runs/r") == {"name": "local", "processes": 1}
    assert main([*WORDS, "name=whole"]) == 0
    scores = (place / "runs/whole/docvqa/scores.jsonl").read_bytes()
    assert (place / "runs/r/docvqa/scores.jsonl").read_bytes() == scores


class Late(Leader):
    """Leads, and begins to read rows when all that the others answer has been kept."""

    def evaluate(self, pending: Iterable[Ask], backend: Backend, mark: Mark, keep: Keep) -> float:
        arrived, left = threading.Event(), 12

        def late() -> Iterator[Ask]:
            assert arrived.wait(300), "the others' half did not come"
            yield from pending

        def count(response: Response, record: Record) -> None:
            nonlocal left
            keep(response, record)
            left -= 1
            if not left:
                arrived.set()

        return super().evaluate(late(), backend, mark, count)


def lead(words: Sequence[str], crew: Callable[[Line], Crew]) -> None:
    """Ask a task's questions with one that follows in a thread."""
    config = compose("run", words)
    here, there = Pipe()
    follower = Follower(line=Line(there, "the leader"), place=1, processes=2)

    def second() -> None:
        chosen, backend, folder = ingredients(config)
        follow(folder, config, chosen, backend, follower)

    thread = threading.Thread(target=second)
    thread.start()
    try:
        chosen, backend, folder = ingredients(config)
        with backend:
            rows, leader = {"docvqa": len(ROWS)}, crew(Line(here, "1"))
            answer(folder, config, chosen, rows, backend, leader, quiet=True, plans={})
    finally:
        here.close()
        thread.join(300)


def test_who_asks_what_does_not_depend_on_who_is_faster(place: Path) -> None:
    path = place / "runs/r/docvqa/responses.jsonl"
    lead(WORDS[2:], lambda line: Late(lines=[line]))
    assert Counter(line["id"] for line in lines(path)) == {str(n): 1 for n in range(24)}


def test_accelerate_launches_a_run_of_two_processes(place: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes=2", "--num_machines=1", "--mixed_precision=no"]
    launch += ["--dynamo_backend=no", "--main_process_port=0", "-m", "evalkit", *WORDS]
    done = subprocess.run(
        [*launch, "engine=accelerate"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("DocVQA") == 1, "only the process that leads shows the table"
    assert engine_of(place / "runs/r") == {"name": "accelerate", "processes": 2}
    assert len({line["key"] for line in lines(place / "runs/r/docvqa/responses.jsonl")}) == 24
    assert len(list((place / "runs").iterdir())) == 1


def test_two_processes_answer_with_the_model_as_one_does(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    words = ["run", "-q", "task=chartqa", "model=canary", "limit=4"]
    assert main([*words, "name=one"]) == 0
    assert main([*words, "name=two", "engine=accelerate", "engine.processes=2"]) == 0
    answers = {}
    for name in ("one", "two"):
        found = lines(place / f"runs/{name}/chartqa/responses.jsonl")
        answers[name] = {line["id"]: [line["key"], line["text"], line["digests"]] for line in found}
    assert len(answers["one"]) == 4
    assert answers["one"] == answers["two"]
    timing = json.loads((place / "runs/two/manifest.json").read_text())["tasks"]["chartqa"]
    assert timing["asked"] == 4
    assert 0 <= timing["waited_seconds"] <= timing["seconds"]
