"""DocVQA: questions about scanned pages of industry documents.

Paper      https://arxiv.org/abs/2007.00398
Data       lmms-lab/DocVQA, config DocVQA: validation (5,349 questions on 1,286 pages, scored) and
           test (5,188 questions, answers private: a submission file for the RRC server, task 1)
Metric     anls: ANLS with threshold 0.5, best of the reference answers, mean in percent
Protocols  model_card and release: VLMEvalKit 9a57ff1c, the day the scores appeared; mixin:
           VLMEvalKit 05bbba1e; lmms_eval: 75571cfe. The authors published no prompt.
Matches    the published 90.1 is the test split; on validation the authors give 88.34
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalkit.metrics import anls
from evalkit.task import Task, media_from, rrc_entry
from evalkit.types import Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class DocVQA(Task):
    """Short answers read off a page."""

    name = "docvqa"
    version = "1"
    metric = "anls"
    columns = ("questionId", "question")
    scorers = anls.VARIANTS
    unscored_splits = ("test",)

    def sample(self, row: Row, number: int) -> Sample:
        """Keep every reference answer: ANLS takes the best."""
        page = f"{row.get('ucsf_document_id')}/{row.get('ucsf_document_page_no')}"
        return Sample(
            id=str(row["questionId"]),
            question=row["question"],
            answers=tuple(row.get("answers") or ()),
            media=(media_from(row, "image", page),),
            cluster=page if row.get("ucsf_document_id") else "",
        )

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Compare the reply as it is: nothing is extracted."""
        return Score(value=self.scorers[self.scorer](reply, sample.answers), parsed=reply)

    def submission(self, sample: Sample, response: Response | None) -> dict[str, Any]:
        """Return one entry of the RRC server's file."""
        return rrc_entry(sample, self.reply(response.text or "") if response else "")
