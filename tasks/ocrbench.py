"""OCRBench: text in pictures of five kinds, a thousand points.

Paper      https://arxiv.org/abs/2305.07895
Data       echo840/OCRBench, split test (1,000 rows; the Hub's pictures are JPEG, quality 75)
Metric     points: one for each reply that contains a reference answer; by the five groups of the
           official table (300, 200, 200, 200 and 100 rows)
Protocols  model_card: VLMEvalKit 9a57ff1c with the pixel limits of the one public run that gave
           794; release: the same commit; mixin: VLMEvalKit 05bbba1e with the limits of 60e064df;
           lmms_eval: 75571cfe; official: MultimodalOCR 794c36d, its form for Qwen-VL
Matches    the published 794 points
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.metrics import ocr
from evalkit.metrics.summary import point_sums
from evalkit.task import Task, media_from
from evalkit.types import Record, Response, Row, Sample, Score

FORMULAS = "HME100k"
"""The one source whose answers are formulas, compared with case and without spaces."""

RECOGNITION = frozenset(
    f"{kind} Recognition"
    for kind in (
        "Regular Text",
        "Irregular Text",
        "Artistic Text",
        "Handwriting",
        "Digit String",
        "Non-Semantic Text",
    )
)
"""Six question types that the official table adds up as one group."""


@dataclass(frozen=True, kw_only=True)
class OCRBench(Task):
    """Text as it stands in a picture."""

    name = "ocrbench"
    version = "1"
    metric = "points"
    scale = "points"
    columns = ("question", "answer", "question_type", "dataset")
    scorers = ocr.VARIANTS

    def sample(self, row: Row, number: int) -> Sample:
        """Number the rows: the dataset has no ids."""
        answers, kind = row["answer"], row["question_type"]
        return Sample(
            id=str(number),
            question=row["question"],
            answers=(answers,) if isinstance(answers, str) else tuple(answers),
            media=(media_from(row, "image", f"picture of row {number}"),),
            subsets=("Text Recognition" if kind in RECOGNITION else kind,),
            facts={"dataset": row["dataset"]},
        )

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Look for a reference answer inside the reply."""
        formula = sample.facts["dataset"] == FORMULAS
        value = self.scorers[self.scorer](reply, sample.answers, formula=formula)
        return Score(value=value, parsed=reply)

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Add up points, over all rows and by group."""
        return point_sums(self.metric, records)
