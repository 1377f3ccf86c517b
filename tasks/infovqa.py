"""InfoVQA (InfographicVQA): questions about posters full of charts, icons and text.

Paper      https://arxiv.org/abs/2104.12756
Data       lmms-lab/DocVQA, config InfographicVQA: validation (2,801 questions, scored) and test
           (3,288 questions, answers private: a submission file for the RRC server, task 3)
Metric     anls: ANLS with threshold 0.5, best of the reference answers, mean in percent
Protocols  model_card and release: VLMEvalKit 9a57ff1c, the day the scores appeared; mixin:
           VLMEvalKit 05bbba1e; lmms_eval: 75571cfe. The authors published no prompt.
Matches    the published 65.5 is the test split; on validation the authors give 64.2, and a run by
           another with the code of release 64.1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.metrics import anls
from evalkit.task import Task, media_from, rrc_entry
from evalkit.types import Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class InfoVQA(Task):
    """Short answers read off an infographic or computed from it."""

    name = "infovqa"
    version = "1"
    metric = "anls"
    columns = ("questionId", "question")
    scorers = anls.VARIANTS
    unscored_splits = ("test",)

    def sample(self, row: Row, number: int) -> Sample:
        """Keep every reference answer, which for a list is every order of it."""
        poster = str(row.get("image_url") or "")
        return Sample(
            id=str(row["questionId"]),
            question=row["question"],
            answers=tuple(row.get("answers") or ()),
            media=(media_from(row, "image", poster),),
            cluster=poster,
        )

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Compare the reply as it is: nothing is extracted."""
        return Score(value=self.scorers[self.scorer](reply, sample.answers), parsed=reply)

    def submission(self, sample: Sample, response: Response | None) -> dict[str, Any]:
        """Return one entry of the RRC server's file."""
        return rrc_entry(sample, self.reply(response.text or "") if response else "")
