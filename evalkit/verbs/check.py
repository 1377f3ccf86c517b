"""The verb check."""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path

from evalkit.errors import UsageError, nearest
from evalkit.packs import CONF
from evalkit.verbs.parser import Parser

__all__ = ["check"]

ABOUT = """\
Does a backend answer as it must? Minutes before hours.

  evalkit check model=qwen2_vl_2b
  evalkit check model=openai model.model=NAME model.base_url=http://127.0.0.1:8000/v1 \\
      reference=Qwen/Qwen2-VL-2B-Instruct against=qwen2_vl_2b
  evalkit check model=vllm against=runs/mine 'task=[docvqa]' data=hub

Each line passes, warns or fails with what to do. Exit code: 0 all pass, 1 a line fails, 3 a backend
is dead, 4 no line fails and some could not be told (warn).

"""


def check(words: list[str]) -> int:
    """Check a backend; return 0, 1 or 4."""
    card = files(CONF).joinpath("check.yaml").read_text("utf-8")
    parser = Parser(
        prog="evalkit check",
        description=ABOUT + card.partition("\n")[2].partition("\nhydra:")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of the config")
    found = parser.parse_intermixed_args(words)
    from evalkit.checks.run import check as run_check
    from evalkit.compose import compose

    findings = run_check(compose("check", [override(word) for word in found.overrides]))
    if found.json:
        print(json.dumps(findings.as_json(), ensure_ascii=False, indent=2))
    else:
        print(findings.text())
    return findings.exit_code


def override(word: str) -> str:
    """Return an override as Hydra takes it: what is compared with is a run's folder or a model.

    Raises:
        UsageError: it is neither.
    """
    from evalkit.catalogue import cards

    key, _, value = word.partition("=")
    if key != "against" or value in ("", "null") or Path(value).is_dir():
        return word
    known = [card.name for card in cards("model")]
    if value not in known:
        raise UsageError(nearest("model or run's folder", value, known))
    return f"model@against={value}"
