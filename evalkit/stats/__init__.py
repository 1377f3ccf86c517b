"""How sure a score is, and what two runs' scores say about each other.

Scores are plain sequences of numbers from 0 to 1, one an item. Clusters are the pictures, documents
or videos that items share; an empty name stands for an item that shares none. The interval of one
run (``mean_interval``) says how far the score may lie from the model's skill on new questions. It
neither excuses nor proves a gap between two runs over the same items: that is for
``paired_difference`` and the verdicts built on it.
"""

from evalkit.stats.bootstrap import Statistic, cluster_bootstrap, paired_bootstrap
from evalkit.stats.decisions import equivalence, holm, non_inferiority
from evalkit.stats.differences import (
    flip_rate,
    mcnemar_exact,
    paired_difference,
    unpaired_difference,
)
from evalkit.stats.intervals import mean_interval
from evalkit.stats.power import items_to_settle, paired_se, smallest_detectable_effect
from evalkit.stats.results import Difference, Interval, Verdict
from evalkit.stats.sequential import Look, confidence_sequence

__all__ = [
    "Difference",
    "Interval",
    "Look",
    "Statistic",
    "Verdict",
    "cluster_bootstrap",
    "confidence_sequence",
    "equivalence",
    "flip_rate",
    "holm",
    "items_to_settle",
    "mcnemar_exact",
    "mean_interval",
    "non_inferiority",
    "paired_bootstrap",
    "paired_difference",
    "paired_se",
    "smallest_detectable_effect",
    "unpaired_difference",
]
