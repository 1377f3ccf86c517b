"""The command: run a verb, turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import os
import sys

from evalkit.errors import EvalkitError, one_line

__all__ = ["main"]

INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C stopped."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: the words after the program's name; those of this process by default.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        from evalkit.cli import dispatch

        code = dispatch(words)
        sys.stdout.flush()
        return code
    except EvalkitError as error:
        print(f"evalkit: {one_line(error, 600)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        from evalkit.run import how_to_resume

        print(f"evalkit: {how_to_resume(words)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away, as `head` does; the interpreter must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
