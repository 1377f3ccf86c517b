"""The verbs of the command line: thin, one function each.

A verb imports what it needs when it runs, so that help and lists come at once.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit._version import __version__
from evalkit.errors import UsageError, nearest
from evalkit.verbs.parser import Parser

__all__ = ["VERBS", "dispatch"]

HELP = """\
evalkit reproduces the scores a vision-language model publishes, and says why a number differs.

  evalkit run                      evaluate the built-in model on the built-in set
  evalkit run model=qwen2_vl_2b 'task=[docvqa,chartqa]'
                                   evaluate a model; every key of the config can be set
  evalkit score task=T predictions=FILE out=FOLDER
                                   score stored predictions without a model
  evalkit show task=T rows=FILE    print what would be asked
  evalkit score run=RUN out=FOLDER score a run's stored answers anew
  evalkit compare RUN [RUN ...]    runs beside published numbers and each other
  evalkit explain RUN RUN          the first stage at which two runs part, and what it cost
  evalkit gate RUN --baseline B    pass, fail or inconclusive, as an exit code
  evalkit baseline write RUN       a small file that a gate compares with
  evalkit check model=M            a backend's self-checks, minutes before a long run
  evalkit import FILE --out RUN    another harness's file as a run; evalkit export RUN, back
  evalkit certify FOLDER           published scores from other people's stored predictions
  evalkit list [KIND]              tasks, models, protocols, scorers, suites, engines, gates

evalkit VERB --help says more. Exit codes: 0 done, 1 gate failed, 2 usage, 3 a backend, judge or
data source failed, 4 inconclusive."""


def dispatch(words: Sequence[str]) -> int:
    """Run the verb that the words name and return its exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0
    if words[0] in ("-V", "--version", "version"):
        print(f"evalkit {__version__}")
        return 0
    place = VERBS.get(words[0])
    if place is None:
        raise UsageError(nearest("verb", words[0], list(VERBS)))
    module, _, name = place.partition(":")
    code: int = getattr(importlib.import_module(module), name)(list(words[1:]))
    return code


def configured(verb: str, words: list[str], flags: dict[str, str]) -> tuple[Any, list[str]]:
    """Split a verb's words into its flags and the overrides of its config."""
    parser = Parser(
        prog=f"evalkit {verb}",
        description=primary(verb),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for flag, about in flags.items():
        parser.add_argument(*flag.split(), action="store_true", help=about)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of the config")
    found = parser.parse_intermixed_args(words)
    return found, list(found.overrides)


def primary(verb: str) -> str:
    """Return a verb's primary config as its help shows it."""
    from importlib.resources import files

    from evalkit.packs import CONF

    text = files(CONF).joinpath(f"{verb}.yaml").read_text("utf-8")
    return text.split("\nhydra:")[0].removeprefix("# ").rstrip()


def run(words: list[str]) -> int:
    """Evaluate a model."""
    if {"-m", "--multirun", "--cfg", "--info"} & {word.split("=")[0] for word in words}:
        from evalkit.sweep import sweep

        return sweep(words)
    flags = {
        "-v --verbose": "say more, published subsets included",
        "-q --quiet": "print nothing but the table",
    }
    found, overrides = configured("run", words, flags)
    from evalkit.compose import compose
    from evalkit.outcome import report
    from evalkit.run import run as evaluate

    config = compose("run", overrides)
    report(evaluate(config, quiet=found.quiet), config, verbose=found.verbose)
    return 0


def score(words: list[str]) -> int:
    """Score stored or foreign predictions."""
    flags = {"--all-scorers": "score by every variant, side by side", "-v --verbose": "subsets too"}
    found, overrides = configured("score", words, flags)
    from evalkit.compose import compose
    from evalkit.outcome import display
    from evalkit.score import score as score_predictions
    from evalkit.table import build

    config = compose("score", overrides)
    outcome = score_predictions(config, all_scorers=found.all_scorers)
    table = build({outcome.summaries[0]["model"]: outcome.summaries}, subsets=found.verbose)
    display(table)
    if found.all_scorers:
        print(f"scorers part on {len(outcome.parting)} items: {config['out']}/parting.jsonl")
    return 0


def show(words: list[str]) -> int:
    """Print what would be asked."""
    _, overrides = configured("show", words, {})
    from evalkit.compose import compose
    from evalkit.show import show as lines

    for line in lines(compose("show", overrides)):
        print(line)
    return 0


def listing(words: list[str]) -> int:
    """List what there is."""
    from evalkit.catalogue import KINDS, catalogue

    parser = Parser(prog="evalkit list", description="List what there is, one line each.")
    parser.add_argument("kind", nargs="?", help=", ".join(KINDS))
    kind = parser.parse_args(words).kind
    for each in [kind] if kind else ["tasks", "models", "suites"]:
        entries = catalogue(each)
        width = max((len(name) for name, _ in entries), default=0)
        if not kind and entries:
            print(f"{each}:")
        for name, about in entries:
            print(f"  {name:<{width}}  {about}")
    return 0


def compare(words: list[str]) -> int:
    """Put runs beside published numbers and each other."""
    parser = Parser(prog="evalkit compare", description="Runs beside published numbers.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument("--published", metavar="NAME", help="a file of results/published")
    formats = ["terminal", "markdown", "csv", "latex", "json"]
    parser.add_argument("--format", choices=formats, default="terminal")
    parser.add_argument("-v", "--verbose", action="store_true", help="subsets too")
    found = parser.parse_args(words)
    from evalkit.compare import compare as compare_runs
    from evalkit.outcome import display

    display(compare_runs(found.runs, found.published, subsets=found.verbose), found.format)
    return 0


def certify(words: list[str]) -> int:
    """Score other people's predictions and say which published scores come out."""
    parser = Parser(prog="evalkit certify", description="Published scores from stored replies.")
    parser.add_argument("folder", type=Path, help="rows, predictions and expected.jsonl")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the page goes")
    found = parser.parse_args(words)
    from evalkit.certify import certify as examine
    from evalkit.certify import document
    from evalkit.files import write_atomically

    findings = examine(found.folder)
    page = document(findings)
    if found.out is None:
        print(page, end="")
    else:
        write_atomically(found.out, page)
    return 0 if all(finding.reproduced for finding in findings) else 1


VERBS: dict[str, str] = {
    "run": "evalkit.cli:run",
    "score": "evalkit.cli:score",
    "show": "evalkit.cli:show",
    "compare": "evalkit.cli:compare",
    "explain": "evalkit.verbs.gate:explain",
    "gate": "evalkit.verbs.gate:gate",
    "baseline": "evalkit.verbs.gate:baseline",
    "check": "evalkit.verbs.check:check",
    "import": "evalkit.verbs.interop:import_",
    "export": "evalkit.verbs.interop:export",
    "certify": "evalkit.cli:certify",
    "list": "evalkit.cli:listing",
}
"""What can be typed after ``evalkit``, and the function that does it."""
