"""TextVQA: questions about photographs that need the text in them to be read.

Paper      https://arxiv.org/abs/1904.08920
Data       lmms-lab/textvqa, split validation (5,000 questions, ten people's answers each)
Metric     vqa_accuracy: each person left out in turn, min(1, agreeing others / 3), mean in percent
Protocols  model_card and release: VLMEvalKit 9a57ff1c; mixin: VLMEvalKit 05bbba1e; lmms_eval:
           75571cfe, which sends the question in lower case after its first letter
Knobs      capitalize: send the question's first letter upper case and all others lower case
Matches    the published 79.7; runs by others gave 79.2 (release) and 77.576 (mixin)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.metrics import vqa
from evalkit.task import Task, media_from
from evalkit.types import Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class TextVQA(Task):
    """A few words read off a photograph."""

    name = "textvqa"
    version = "1"
    metric = "vqa_accuracy"
    columns = ("question_id", "question")
    scorers = vqa.VARIANTS
    unscored_splits = ("test",)

    def sample(self, row: Row, number: int) -> Sample:
        """Cluster by photograph."""
        photo = str(row.get("image_id") or "")
        return Sample(
            id=str(row["question_id"]),
            question=row["question"],
            answers=tuple(row.get("answers") or ()),
            media=(media_from(row, "image", photo),),
            cluster=photo,
        )

    def fields(self, sample: Sample) -> Mapping[str, str]:
        """Fold the question's case where the protocol's harness did."""
        folded = self.protocol.knobs["capitalize"]
        return {"question": sample.question.capitalize() if folded else sample.question}

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Compare the reply as it is: the metric normalises both sides."""
        return Score(value=self.scorers[self.scorer](reply, sample.answers), parsed=reply)
