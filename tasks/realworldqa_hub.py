"""RealWorldQA as the Hub has it: the question says whether a letter, a word or a number is wanted.

Data       xai-org/RealworldQA, split test (765 rows; some 428 want a letter); lmms-lab/RealWorldQA
           is the same. Published numbers of Qwen2-VL are of the form of ``realworldqa``
Metric     accuracy
Protocols  lmms_eval: 75571cfe, the one harness that reads this form; model_card: the same question
           with the limits of the day the model's scores appeared, published by nobody
Matches    nothing published; with these rows a user measured 67.0 and 67.8 where the 7B model's
           card has 70.1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.metrics import realworldqa
from evalkit.task import Task, media_from
from evalkit.types import Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class RealWorldQAHub(Task):
    """A letter, a word or a number."""

    name = "realworldqa_hub"
    version = "1"
    metric = "accuracy"
    columns = ("question", "answer")
    scorers = realworldqa.HUB_VARIANTS

    def sample(self, row: Row, number: int) -> Sample:
        """Number the rows: the dataset has no ids."""
        return Sample(
            id=str(number),
            question=row["question"],
            answers=(str(row["answer"]),),
            media=(media_from(row, "image", f"photograph of row {number}"),),
        )

    def fields(self, sample: Sample) -> Mapping[str, str]:
        """Send the question, options and instruction included, without blanks around it."""
        return {"question": sample.question.strip()}

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Read a letter where one is wanted; else the whole reply counts."""
        return self.scorers[self.scorer](reply, answer=sample.answers[0])
