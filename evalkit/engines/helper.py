"""A process that ``engine=accelerate`` starts: it follows the one that started it.

    python -m evalkit.engines.helper CONNECTION

The connection is an open file's number; the run's config comes over it. What goes wrong is told to
the process that leads, and by it.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

from evalkit.asking import follow
from evalkit.data.cache import caching
from evalkit.data.quiet import silent
from evalkit.engines.accelerate import take_device
from evalkit.engines.channel import Line
from evalkit.engines.crew import Follower
from evalkit.errors import BackendError, EvalkitError, one_line

__all__ = ["main"]


def main(number: int) -> int:
    """Follow the process at the other end of a connection; return the exit code."""
    from evalkit.run import ingredients

    # Ctrl-C reaches all processes of a terminal; the one that leads decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(Connection(number), "the process that leads the run")
    told = line.receive()
    config, place, processes = told["config"], told["place"], told["processes"]
    crew = Follower(line=line, place=place, processes=processes)
    try:
        take_device(place, processes)
        chosen, backend, folder = ingredients(config)
        with caching(config["data"]), silent(True):  # the one that leads tells it already
            follow(folder, config, chosen, backend, crew)
    except EvalkitError as error:
        with suppress(BackendError):  # where it is gone itself, nobody is left to be told
            line.send(failed=one_line(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
