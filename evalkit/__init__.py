"""Reproduce the scores a vision-language model publishes, and say why a number differs."""

from evalkit._version import __version__
from evalkit.errors import EvalkitError, UsageError
from evalkit.types import Media, Record, Request, Response, Sample, Score

__all__ = [
    "EvalkitError",
    "Media",
    "Record",
    "Request",
    "Response",
    "Sample",
    "Score",
    "UsageError",
    "__version__",
]
