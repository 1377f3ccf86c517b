"""Coverage and error rates by simulation: the script in tests/perf with fewer repeats.

With 1,500 repeats a share of 95 % has a standard error of 0.6 points, hence the room around each
design's figure; the mean over designs has the narrow bounds.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

REPEATS = 1500


@pytest.fixture(scope="module")
def simulation() -> Any:
    """The simulation script as a module."""
    path = Path(__file__).parent / "perf" / "stats_simulation.py"
    spec = importlib.util.spec_from_file_location("stats_simulation", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["stats_simulation"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["stats_simulation"]


def test_intervals_of_means_cover_95_percent(simulation: Any) -> None:
    shares = [simulation.mean_coverage(design, REPEATS) for design in simulation.DESIGNS]
    assert all(0.935 <= share <= 0.965 for share in shares), shares
    assert 0.945 <= sum(shares) / len(shares) <= 0.955


def test_paired_tests_err_5_percent_of_the_time(simulation: Any) -> None:
    rates = [simulation.paired_rates(design, REPEATS) for design in simulation.DESIGNS]
    assert all(0.935 <= held <= 0.965 and 0.035 <= called <= 0.065 for held, called in rates), rates
    assert 0.045 <= sum(called for _, called in rates) / len(rates) <= 0.055


def test_ignoring_clusters_would_be_seen(simulation: Any) -> None:
    design = simulation.Design(sizes=(5,), rho=0.3)
    assert simulation.paired_rates(design, 500, ignore_clusters=True)[1] > 0.12


def test_few_disagreements_never_call_too_often(simulation: Any) -> None:
    for design in simulation.DESIGNS[::2]:
        held, called = simulation.paired_rates(design, 500, redraw=0.03)
        assert called <= 0.05
        assert held >= 0.95


def test_unpaired_tests_err_5_percent_of_the_time(simulation: Any) -> None:
    designs = simulation.DESIGNS[::2]
    rates = [simulation.unpaired_rates(design, 800) for design in designs]
    assert all(0.03 <= rate <= 0.07 for rate in rates), rates
    assert 0.04 <= sum(rates) / len(rates) <= 0.06


def test_a_gate_passes_a_loss_of_its_margin_5_percent_of_the_time(simulation: Any) -> None:
    passed, failed = simulation.gate_rates(1000, 0.02, 0.05, 0.02, 800)
    assert 0.03 <= passed <= 0.07
    assert 0.03 <= failed <= 0.07


def test_looking_after_every_answer_does_not_inflate_the_error(simulation: Any) -> None:
    passed, failed, _ = simulation.sequential_rates(400, 0.05, 0.1, 0.05, 200)
    assert passed <= 0.05
    assert failed <= 0.05


def test_looking_saves_questions_where_the_answer_is_plain(simulation: Any) -> None:
    for loss, least in ((0.0, 0.2), (0.1, 0.7)):
        passed, failed, saved = simulation.sequential_rates(1000, loss, 0.05, 0.02, 40)
        assert saved >= least
        assert (passed if loss == 0.1 else failed) == 0
