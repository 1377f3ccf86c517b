"""A pytest plugin: one test for each benchmark and gate of a stored run.

    pytest --evalkit-run runs/new --evalkit-baseline results/baselines/main.json

A failing benchmark fails its test, an inconclusive one is skipped with the number of questions that
would settle it, and one that a judge scored is skipped with its verdict. Without the options the
plugin does nothing, and imports nothing of evalkit's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.gates.values import Finding, GateVerdict

Verdicts = Mapping[str, "GateVerdict"]

KEY: pytest.StashKey[Verdicts] = pytest.StashKey()

FIGURES = ("difference", "low", "high", "margin", "effect", "n", "needed")
"""What a report keeps of a test as properties."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("evalkit", "scores of a stored run against a baseline")
    group.addoption("--evalkit-run", metavar="RUN", help="the folder of a run")
    about = "what to hold it against: a run, or a file of evalkit baseline write"
    group.addoption("--evalkit-baseline", metavar="RUN_OR_FILE", help=about)
    about = "a gate's name or .yaml file; may be given several times (default)"
    group.addoption("--evalkit-gate", action="append", metavar="NAME", help=about)
    about = "in what the run may be unlike the baseline, as in evalkit gate"
    group.addoption("--evalkit-allow", default="", metavar="WHAT", help=about)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark that the tests bear."""
    config.addinivalue_line("markers", "evalkit: holds a stored run against a baseline")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each benchmark and gate."""
    for verdict in _verdicts(config).values():
        for finding in verdict.findings:
            name = f"{finding.task}[{verdict.gate.name}]"
            item: GateTest = GateTest.from_parent(
                session, name=name, nodeid=f"evalkit::{name}", verdict=verdict, finding=finding
            )
            item.add_marker("evalkit")
            items.append(item)


@pytest.fixture(scope="session")
def evalkit_verdicts(pytestconfig: pytest.Config) -> Verdicts:
    """The verdicts by the gates' names; tests that want them are skipped without a run."""
    if not (found := _verdicts(pytestconfig)):
        pytest.skip("no run to gate: give --evalkit-run and --evalkit-baseline")
    return found


class GateTest(pytest.Item):
    """One benchmark held against one gate."""

    def __init__(self, *, verdict: GateVerdict, finding: Finding, **more: Any) -> None:
        """Keep what there is to say."""
        super().__init__(**more)
        self.verdict, self.finding = verdict, finding
        for figure in FIGURES if finding.test else ():
            self.user_properties.append((figure, getattr(finding.test, figure)))

    def runtest(self) -> None:
        """Fail, skip or pass, as the gate said."""
        from evalkit.gates.junit import message

        finding = self.finding
        if not finding.gates:
            pytest.skip(f"reported only, {finding.outcome}: {message(finding)}")
        if finding.outcome == "inconclusive":
            pytest.skip(f"inconclusive: {message(finding)}")
        if finding.outcome == "fail":
            pytest.fail(f"{finding.label}: {message(finding)}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return what pytest's lists call the test."""
        return self.path, None, self.nodeid


def _verdicts(config: pytest.Config) -> Verdicts:
    """Return the verdicts by the gates' names, made once a session; none without the options."""
    if KEY not in config.stash:
        config.stash[KEY] = _judge(config)
    return config.stash[KEY]


def _judge(config: pytest.Config) -> Verdicts:
    run, base = config.getoption("--evalkit-run"), config.getoption("--evalkit-baseline")
    if not run and not base:
        return {}
    if not run or not base:
        raise pytest.UsageError("give --evalkit-run and --evalkit-baseline together")
    from pathlib import Path

    from evalkit.errors import EvalkitError, one_line
    from evalkit.gate import gate
    from evalkit.gates.settings import gate_settings
    from evalkit.results import load, only

    try:
        results, baseline = (only(load(Path(place)), Path(place)) for place in (run, base))
        allow = [config.getoption("--evalkit-allow")]
        found = [
            gate(results, baseline, gate_settings(name), allow=allow, places=(run, base))
            for name in config.getoption("--evalkit-gate") or ["default"]
        ]
    except EvalkitError as error:
        raise pytest.UsageError(one_line(error, 600)) from error
    return {verdict.gate.name: verdict for verdict in found}
