"""MM-Vet: open questions that take several capabilities at once, graded by a judge.

Paper      https://arxiv.org/abs/2308.02490
Data       lmms-lab/MMVet, split test (218 rows)
Metric     score: a judge's grade from 0 to 1, the mean in percent, over all rows, by capability
           (six, several a row) and by exact set of them (sixteen: ``rec_know_gen`` and the like;
           a set of one is ``rec_only`` beside the capability ``rec``)
Protocols  model_card and release: VLMEvalKit 9a57ff1c; mixin: VLMEvalKit 05bbba1e, which adds
           nothing to this question; lmms_eval: 75571cfe; official: the authors' bare question
Matches    the published 49.5, graded by gpt-4-1106-preview, which is retired: another judge's
           number is another number

``mmvet_smoke`` is the same without a judge, and matches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evalkit.metrics import mmvet
from evalkit.metrics.consultations import mmvet_consultation
from evalkit.task import Task, media_from
from evalkit.types import Consultation, Response, Row, Sample, Score

CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")

UNJUDGED: Mapping[str, Callable[..., Score]] = {"smoke": mmvet.smoke}
SCORERS: Mapping[str, Callable[..., Score]] = {**mmvet.VARIANTS, **UNJUDGED}


@dataclass(frozen=True, kw_only=True)
class MMVet(Task):
    """A word, a sentence or an essay."""

    name = "mmvet"
    version = "1"
    metric = "score"
    columns = ("question_id", "question", "answer", "capability")
    scorers = SCORERS

    @property
    def needs_judge(self) -> bool:
        """Whether the scorer reads a judge's grade."""
        return self.scorer in mmvet.JUDGES

    def sample(self, row: Row, number: int) -> Sample:
        """Take capabilities as a list or as one text with commas."""
        listed = row["capability"]
        names = listed.split(",") if isinstance(listed, str) else listed
        held = sorted((name.strip() for name in names), key=CAPABILITIES.index)
        return Sample(
            id=row["question_id"],
            question=row["question"],
            answers=(row["answer"],),
            media=(media_from(row, "image", f"picture of {row['question_id']}"),),
            subsets=(*held, "_".join(held) if len(held) > 1 else f"{held[0]}_only"),
        )

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Read the judge's verdict on the reply."""
        about = {"judge": response.judge} if self.needs_judge else {"answer": sample.answers[0]}
        return self.scorers[self.scorer](reply, **about)

    def consult(self, sample: Sample, reply: str) -> Consultation | None:
        """Ask for a grade, where the scorer wants one."""
        return mmvet_consultation(
            self.scorer, reply, question=sample.question, answer=sample.answers[0]
        )


@dataclass(frozen=True, kw_only=True)
class MMVetSmoke(MMVet):
    """The same questions without a judge, which only shows that a pipeline runs."""

    name = "mmvet_smoke"
    scorers = UNJUDGED
