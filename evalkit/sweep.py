"""What only Hydra's own entry point does: sweeps over settings, and showing configs."""

from __future__ import annotations

import os
import sys
from typing import Any

from evalkit.compose import explain, plain, register_packs
from evalkit.errors import EvalkitError, UsageError, one_line
from evalkit.packs import CONF

__all__ = ["sweep"]


def sweep(words: list[str]) -> int:
    """Run once for each combination of settings (``-m``), or show a config (``--cfg job``).

    One failing run does not end the others; the worst exit code is returned.

    Raises:
        UsageError: an override cannot be read or names something that does not exist.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    codes: list[int] = [0]

    def job(config: Any) -> None:
        codes.append(one_run(plain(config)))

    register_packs()
    before, sys.argv = sys.argv, ["evalkit", *words]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints a page of its own and exits with 1
    try:
        hydra.main(config_path=f"pkg://{CONF}", config_name="run", version_base="1.3")(job)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(error, "run")) from None
    finally:
        sys.argv = before
        del os.environ["HYDRA_FULL_ERROR"]
    return max(codes)


def one_run(config: dict[str, Any]) -> int:
    """Do one run of a sweep and return its exit code."""
    from evalkit.outcome import report
    from evalkit.run import run

    try:
        report(run(config), config)
    except EvalkitError as error:
        print(f"evalkit: {one_line(error, 600)}", file=sys.stderr)
        return error.exit_code
    return 0
