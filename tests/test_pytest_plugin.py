"""The pytest plugin from the outside: its tests, its fixture, and its silence without options."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

pytest_plugins = ["pytester"]


def load_helper(name: str) -> ModuleType:
    """Import a helper that stands beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


written = load_helper("written")
OPTIONS = ("--evalkit-run", "run", "--evalkit-baseline", "base")


@pytest.fixture
def ours(pytester: pytest.Pytester) -> pytest.Pytester:
    """A run and its baseline: one benchmark lost, one equal, one small, one judged."""
    before = written.draw(400, size=1)
    lost = [
        (replace(r, score=0.0), x) if at % 4 == 1 else (r, x) for at, (r, x) in enumerate(before)
    ]
    for name, pairs in (("base", before), ("run", lost)):
        place = pytester.path / name
        written.write_run(place, pairs, task="docvqa")
        written.write_run(place, before, task="chartqa")
        written.write_run(place, written.draw(50), task="mmmu")
        written.write_run(place, before, task="mmvet", judge="gpt")
    return pytester


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    """Run pytest with the plugin, whether or not its entry point is installed here."""
    loaded = any(p.__name__ == "evalkit.pytest_plugin" for p in plugins())
    return pytester.runpytest_subprocess(
        *([] if loaded else ["-p", "evalkit.pytest_plugin"]), *words
    )


def plugins() -> list[ModuleType]:
    from importlib.metadata import entry_points

    return [p.load() for p in entry_points(group="pytest11") if p.value == "evalkit.pytest_plugin"]


def test_one_test_for_each_benchmark_and_gate(ours: pytest.Pytester) -> None:
    found = run(ours, *OPTIONS, "-v", "-rs", "--junitxml=out.xml")
    found.assert_outcomes(passed=1, failed=1, skipped=2)
    assert found.ret == 1
    found.stdout.fnmatch_lines_random(
        [
            "evalkit::docvqa?default? FAILED*",
            "evalkit::chartqa?default? PASSED*",
            "docvqa: anls lost *first differing stage: scorer*",
            "*inconclusive: about 880 questions would settle it, there are 50*",
            "*reported only, pass: *a judge scored it*",
        ]
    )
    assert "Traceback" not in found.stdout.str()
    assert 'name="docvqa[default]"' in (ours.path / "out.xml").read_text("utf-8")


def test_gates_are_chosen_like_any_tests(ours: pytest.Pytester) -> None:
    (ours.path / "mine.yaml").write_text("margin: 90.0\nsubset_margin: null\n", "utf-8")
    gates = ("--evalkit-gate", "default", "--evalkit-gate", "mine.yaml")
    run(ours, *OPTIONS, *gates, "-k", "docvqa").assert_outcomes(passed=1, failed=1, deselected=6)
    run(ours, *OPTIONS, "-m", "evalkit", "-k", "chartqa").assert_outcomes(passed=1, deselected=3)


def test_the_fixture_gives_the_verdicts(ours: pytest.Pytester) -> None:
    ours.makepyfile(
        test_own="""
        def test_own(evalkit_verdicts):
            found = {f.task: f.outcome for f in evalkit_verdicts["default"].findings}
            assert found["chartqa"] == "pass" and found["docvqa"] == "fail"
        """
    )
    run(ours, *OPTIONS, "-k", "test_own").assert_outcomes(passed=1, deselected=4)
    run(ours, "-k", "test_own").assert_outcomes(skipped=1)


def test_what_is_allowed_is_passed_on(ours: pytest.Pytester) -> None:
    written.write_run(ours.path / "new", written.draw(400, size=1), scorer="paper", task="chartqa")
    written.write_run(ours.path / "old", written.draw(400, size=1), task="chartqa")
    words = ("--evalkit-run", "new", "--evalkit-baseline", "old")
    run(ours, *words).assert_outcomes(failed=1)
    run(ours, *words, "--evalkit-allow", "scorer").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (OPTIONS[:2], "give --evalkit-run and --evalkit-baseline together"),
        ((*OPTIONS[:3], "nowhere"), "no such run or baseline: nowhere"),
        ((*OPTIONS, "--evalkit-gate", "defalt"), "Did you mean default?"),
        ((*OPTIONS, "--evalkit-allow", "all"), "unknown thing to allow: all"),
    ],
)
def test_a_mistake_is_one_line(ours: pytest.Pytester, words: tuple[str, ...], says: str) -> None:
    found = run(ours, *words)
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines([f"ERROR: *{says}*"])


def test_without_options_it_imports_nothing_and_adds_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    run(pytester).assert_outcomes(passed=1)
    code = (
        "import sys, pytest; before = set(sys.modules); import evalkit.pytest_plugin;"
        "print(sorted(m for m in set(sys.modules) - before if m.startswith('evalkit')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split("\n")[0] == str(
        ["evalkit", "evalkit._version", "evalkit.errors", "evalkit.pytest_plugin", "evalkit.types"]
    )
