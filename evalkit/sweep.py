"""What only Hydra's own entry point does: sweeps over settings, and showing configs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.compose import explain, opened, plain, register_packs
from evalkit.errors import BackendError, EvalkitError, UsageError, one_line
from evalkit.files import write_atomically
from evalkit.packs import CONF

__all__ = ["sweep"]

LAUNCHING = ("hydra", "hydra_plugins", "submitit")
"""Packages that take jobs to other processes; what they raise is a cluster's failure."""


def sweep(words: list[str]) -> int:
    """Run once for each combination of settings (``-m``), or show a config (``--cfg job``).

    One failing run does not end the others; the worst exit code is returned. A job may be another
    process on another machine: it leaves a note of its end in the folder that all share.

    Raises:
        UsageError: an override cannot be read or names something that does not exist.
        BackendError: a launcher does not work, or a job ended without a word, killed perhaps.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register_packs()
    before, sys.argv = sys.argv, ["evalkit", *opened(words)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints a page of its own and exits with 1
    try:
        with notes(words) as folder:
            return jobs(folder)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error, "run")) from None
    finally:
        sys.argv = before
        del os.environ["HYDRA_FULL_ERROR"]


@contextmanager
def notes(words: list[str]) -> Iterator[Path]:
    """Give a folder for the jobs' notes, inside the one that Hydra's launchers share with them.

    Args:
        words: the command line, of which only what says where that is counts.
    """
    from secrets import token_hex

    from hydra import compose, initialize_config_module

    where = [word for word in words if word.lstrip("+").startswith("hydra.sweep.dir=")]
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose("run", overrides=where, return_hydra_config=True)
    folder = Path(config.hydra.sweep.dir).absolute() / f".sweep-{token_hex(8)}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def jobs(folder: Path) -> int:
    """Do what the command line says through Hydra; return the worst exit code of its jobs.

    Raises:
        UsageError: words that do not go together.
        BackendError: a launcher does not work, or a job ended without a word.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    told: set[str] = set()

    def job(config: Any) -> None:
        told.add(one_run(plain(config), folder))

    try:
        hydra.main(config_path=f"pkg://{CONF}", config_name="run", version_base="1.3")(job)()
    except (HydraException, OmegaConfBaseException):
        raise
    except Exception as error:
        if origin(error) not in LAUNCHING:
            raise
        worst(folder, told)
        if isinstance(error, ValueError):
            raise UsageError(one_line(error)) from error
        raise BackendError(f"the sweep broke off: {one_line(error, 500)}") from error
    return worst(folder, told)


def origin(error: BaseException) -> str:
    """Return the package whose code raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals["__name__"] if trace is not None else ""
    return str(name).partition(".")[0]


def one_run(config: dict[str, Any], folder: Path) -> str:
    """Do one run of a sweep and leave a note of its end in a folder; return the job's number."""
    from hydra.core.hydra_config import HydraConfig

    from evalkit.outcome import report
    from evalkit.run import run

    about, end = HydraConfig.get(), {"code": 0, "said": ""}
    number = str(about.job.num)
    try:
        report(run(config), config)
    except EvalkitError as error:
        what = f"job {number} ({' '.join(about.overrides.task)})"
        end = {"code": error.exit_code, "said": f"{what}: {one_line(error, 600)}"}
        print(f"evalkit: {end['said']}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{number}.json", json.dumps(end))
    return number


def worst(folder: Path, told: set[str]) -> int:
    """Return the worst exit code of a sweep's jobs, and say what went wrong in other processes.

    Args:
        folder: the jobs' notes.
        told: the jobs that ran in this process, which have said it themselves.
    """
    ends = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    for number in sorted(ends.keys() - told, key=int):
        if said := ends[number]["said"]:
            print(f"evalkit: {said}", file=sys.stderr)
    return max((int(end["code"]) for end in ends.values()), default=0)
