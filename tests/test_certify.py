"""Published scores beside ours, from a folder of evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.__main__ import main
from evalkit.certify import Finding, certify, document


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Three ChartQA answers, two of them right, and what somebody published of them."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "predictions").mkdir()
    rows = [{"type": "human_test", "question": "q", "answer": str(n)} for n in range(1, 4)]
    said = [{"id": str(n), "prediction": str(n + 1 if n < 2 else 9)} for n in range(3)]
    for name, lines in (("rows/chartqa.jsonl", rows), ("predictions/chartqa__x.jsonl", said)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def expect(evidence: Path, value: float) -> None:
    line: dict[str, object] = {"task": "chartqa", "predictions": "predictions/chartqa__x.jsonl"}
    line |= {"scorer": "official", "metric": "relaxed_accuracy", "source": "csv"}
    line |= {"value": value, "tolerance": 0.05}
    (evidence / "expected.jsonl").write_text(json.dumps(line) + "\n")


@pytest.mark.parametrize(
    ("value", "code", "says"), [(66.7, 0, "| 1 | csv |"), (70, 1, "**differs**")]
)
def test_the_page_says_to_which_digit(
    evidence: Path, value: float, code: int, says: str, tmp_path: Path
) -> None:
    expect(evidence, value)
    assert main(["certify", str(evidence), "--out", str(tmp_path / "page.md")]) == code
    page = (tmp_path / "page.md").read_text()
    assert says in page
    assert f"{1 - code} of 1 published values are reproduced" in page


def test_a_folder_without_evidence_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certify", str(tmp_path)]) == 2
    assert "holds no expected.jsonl" in capsys.readouterr().err


def test_rounding_is_what_counts() -> None:
    about = {"task": "t", "predictions": "p", "scorer": "s", "metric": "m", "source": "x"}
    found = Finding(published=23.5, ours=23.452381, tolerance=0.05, **about)  # type: ignore[arg-type]
    assert found.reproduced
    assert found.digits == 1


def test_every_published_value_is_reproduced_and_the_page_is_current(real: Path) -> None:
    page = Path(__file__).resolve().parents[1] / "results" / "certification.md"
    findings = certify(real)
    assert not [finding for finding in findings if not finding.reproduced]
    assert page.read_text("utf-8") == document(findings)
