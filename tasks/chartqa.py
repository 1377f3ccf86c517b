"""ChartQA: questions about charts, half written by people and half generated.

Paper      https://arxiv.org/abs/2203.10244
Data       lmms-lab/ChartQA, split test (1,250 human_test rows, then 1,250 augmented_test)
Metric     relaxed_accuracy: numbers within 5 percent, all else equal without case; the mean over
           all rows, which equals the mean of the halves
Protocols  model_card and release: VLMEvalKit 9a57ff1c; mixin: VLMEvalKit 05bbba1e; lmms_eval:
           75571cfe. The authors published neither prompt nor scorer.
Matches    the published 73.5; scorers of 2024 measured the 5 percent from the prediction, so
           ``vlmevalkit_2024`` and ``qwen_vl`` differ from ``official``
"""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.metrics import relaxed
from evalkit.task import Task, media_from
from evalkit.types import Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class ChartQA(Task):
    """One word or number read off a chart or computed from it."""

    name = "chartqa"
    version = "1"
    metric = "relaxed_accuracy"
    columns = ("question", "answer", "type")
    scorers = relaxed.VARIANTS

    def sample(self, row: Row, number: int) -> Sample:
        """Number the rows: the dataset has no ids."""
        return Sample(
            id=str(number),
            question=row["question"],
            answers=(str(row["answer"]),),
            media=(media_from(row, "image", f"chart of row {number}"),),
            subsets=(str(row["type"]),),
        )

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Compare the reply as it is: nothing is extracted."""
        return Score(value=self.scorers[self.scorer](reply, sample.answers), parsed=reply)
