"""The verbs explain, gate and baseline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalkit.errors import UsageError, nearest
from evalkit.verbs.parser import Parser

__all__ = ["baseline", "explain", "gate"]

LOG_WIDTH = 100
"""Columns of a table in a log file."""

GATE = """\
Say whether a run is as good as its baseline.

  evalkit gate runs/new --baseline results/baselines/main.json
  evalkit gate runs/new --baseline runs/old --gate strict margin=0.3
  evalkit gate runs/new --baseline runs/old floors.mmmu.accuracy=40 'benchmarks=[mmmu,docvqa]'

Exit codes: 0 pass, 1 fail, 2 usage, 4 inconclusive: the questions are too few to say. What keeps
a run from passing, such as missing questions, another scorer or other prompts, is allowed with
--allow and then written into the verdict. The keys are those of the gate's card:
"""

BASELINE = """\
Write a run's scores, question by question, as a small file to commit and to gate against.

  evalkit baseline write runs/main
  evalkit baseline write runs/main --out results/baselines/main.json"""


def explain(words: list[str]) -> int:
    """Say why two runs differ."""
    from evalkit.explain_text import FORMS, render

    parser = Parser(
        prog="evalkit explain",
        description="The first stage at which two runs part, question by question, in points.",
        allow_abbrev=False,
    )
    place = "the folder of a run or of evalkit score, or a baseline file"
    parser.add_argument("a", type=Path, metavar="A", help=place)
    parser.add_argument("b", type=Path, metavar="B", help="another one")
    parser.add_argument("--format", choices=FORMS, default=FORMS[0])
    about = "how many questions to show of each stage (3)"
    parser.add_argument("-n", type=int, default=3, metavar="EXAMPLES", help=about)
    found = parser.parse_args(words)
    if found.n < 0:
        raise UsageError(f"-n {found.n}: write a number of examples from 0")
    from evalkit.explain import explain_runs

    print(render(explain_runs(found.a, found.b, found.n), found.format, width()))
    return 0


def gate(words: list[str]) -> int:
    """Say whether a run is as good as its baseline."""
    found = gate_words(words)
    from evalkit.gate import gate as judge
    from evalkit.gates.comparable import checked_allow
    from evalkit.gates.reports import tell_github, text, write
    from evalkit.gates.settings import gate_settings
    from evalkit.results import load, only

    settings, allow = gate_settings(found.gate, found.overrides), checked_allow(found.allow)
    run, base = (only(load(path), path) for path in (found.run, found.baseline))
    places = (str(found.run), str(found.baseline))
    verdict = judge(run, base, settings, allow=allow, places=places)
    write(verdict, found.out or default_out(found.run))
    print("\n".join([*tell_github(verdict), text(verdict, width())]))
    return verdict.exit_code


def gate_words(words: list[str]) -> argparse.Namespace:
    """Return what was typed after ``evalkit gate``."""
    from importlib.resources import files

    from evalkit.packs import CONF

    card = files(CONF).joinpath("gate").joinpath("default.yaml").read_text("utf-8")
    parser = Parser(
        prog="evalkit gate",
        description=GATE + card.partition("\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    about = "what to hold it against: a run, or a file of evalkit baseline write"
    parser.add_argument("--baseline", type=Path, required=True, metavar="RUN_OR_FILE", help=about)
    about = "a name of evalkit list gates, or a .yaml file (default)"
    parser.add_argument("--gate", default="default", metavar="NAME", help=about)
    from evalkit.gates.comparable import ALLOW

    about = f"{', '.join(ALLOW)}; several with commas"
    parser.add_argument("--allow", action="append", default=[], metavar="WHAT", help=about)
    about = "where verdict.json and junit.xml go (RUN/gate)"
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=about)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="keys of the gate")
    return parser.parse_intermixed_args(words)


def default_out(run: Path) -> Path:
    """Return where a verdict goes: into the run, or beside a file."""
    return run.with_name(f"{run.stem}-gate") if run.is_file() else run / "gate"


def baseline(words: list[str]) -> int:
    """Write a baseline file."""
    from evalkit.baseline import ALLOW

    parser = Parser(
        prog="evalkit baseline",
        description=BASELINE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", metavar="write", help="the one thing that can be done")
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a whole run")
    about = "the file (results/baselines/NAME.json, NAME being the run's)"
    parser.add_argument("--out", type=Path, metavar="FILE", help=about)
    about = f"answers that may be lacking: {', '.join(ALLOW)}; several with commas"
    parser.add_argument("--allow", default="", metavar="WHAT", help=about)
    found = parser.parse_args(words)
    if found.action != "write":
        raise UsageError(nearest("action of evalkit baseline", found.action, ["write"]))
    from evalkit.baseline import check, write
    from evalkit.results import load, only

    results = list(only(load(found.run), found.run).values())
    check(results, [name for name in found.allow.split(",") if name])
    name = found.run.resolve().name
    path = found.out or Path("results", "baselines", f"{name}.json")
    write(path, results)
    questions = sum(len(result.items) for result in results)
    tasks = ", ".join(result.task for result in results)
    print(f"{path}: {questions} questions of {tasks}, {path.stat().st_size / 1000:.0f} kB")
    return 0


def width() -> int:
    """Return the columns of the terminal; 100 in a log file, which has no width of its own."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else LOG_WIDTH
