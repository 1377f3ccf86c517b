"""The verbs of the command line: thin, one function each.

A verb imports what it needs when it runs, so that help and lists come at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from evalkit._version import __version__
from evalkit.errors import UsageError, nearest

__all__ = ["VERBS", "dispatch"]

HELP = """\
evalkit reproduces the scores a vision-language model publishes, and says why a number differs.

  evalkit run                      evaluate the built-in model on the built-in set
  evalkit run model=qwen2_vl_2b 'task=[docvqa,chartqa]'
                                   evaluate a model; every key of the config can be set
  evalkit score task=T predictions=FILE out=FOLDER
                                   score stored predictions without a model
  evalkit show task=T rows=FILE    print what would be asked
  evalkit compare RUN [RUN ...]    runs beside published numbers and each other
  evalkit list [KIND]              tasks, models, protocols, scorers, suites, engines, gates

evalkit VERB --help says more. Exit codes: 0 done, 1 gate failed, 2 usage, 3 a backend, judge or
data source failed, 4 inconclusive."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what the command line prints as one line."""
        raise UsageError(f"{message}; see {self.prog} --help")


def dispatch(words: Sequence[str]) -> int:
    """Run the verb that the words name and return its exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0
    if words[0] in ("-V", "--version", "version"):
        print(f"evalkit {__version__}")
        return 0
    verb = VERBS.get(words[0])
    if verb is None:
        raise UsageError(nearest("verb", words[0], list(VERBS)))
    return verb(list(words[1:]))


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


VERBS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "score": score,
    "show": show,
    "compare": compare,
    "list": listing,
}
"""What can be typed after ``evalkit``."""
