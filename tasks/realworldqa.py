"""RealWorldQA as a choice: questions about photographs, many of them taken from a car.

Data       VLMEvalKit's RealWorldQA.tsv (765 rows, two to four options); the Hub has only the form
           of ``realworldqa_hub``, in another order, and its scores do not compare
Metric     accuracy
Protocols  model_card and release: VLMEvalKit 9a57ff1c; mixin: VLMEvalKit 05bbba1e; qwen3vl: the
           Qwen team's later code. The authors of the data published neither prompt nor scorer.
Knobs      option: one option of ``{options}``; chinese: the prompt where question or options hold
           a Chinese character, or null for the same one
Matches    the published 62.9; a run by another gave 63
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.metrics import choice, realworldqa
from evalkit.metrics.consultations import choice_consultation, choice_score
from evalkit.task import Task, media_from
from evalkit.types import Consultation, Request, Response, Row, Sample, Score

CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, kw_only=True)
class RealWorldQA(Task):
    """One of two to four options."""

    name = "realworldqa"
    version = "1"
    metric = "accuracy"
    columns = ("index", "question", "A", "B", "answer")
    scorers = realworldqa.VARIANTS

    def sample(self, row: Row, number: int) -> Sample:
        """Leave out the letters at the end that have no text; ``None`` is one."""
        texts = ["" if row.get(letter) is None else str(row[letter]) for letter in "ABCD"]
        while texts and not texts[-1]:
            texts.pop()
        return Sample(
            id=str(row["index"]),
            question=row["question"],
            answers=(row["answer"],),
            media=(media_from(row, "image", f"photograph {row['index']}"),),
            options=tuple(texts),
        )

    def request(self, sample: Sample) -> Request:
        """List the options, in the prompt of the question's language if the protocol has two."""
        knobs, lines = self.protocol.knobs, choice.lettered(sample.options).items()
        options = "".join(knobs["option"].format(letter=k, text=text) for k, text in lines if text)
        chinese = knobs["chinese"] and CHINESE.search(sample.question + options)
        template = knobs["chinese"] if chinese else self.protocol.prompt
        text = template.format(question=sample.question, options=options)
        return self.ask(sample, (*sample.media, text))

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Score the reply, or what a judge read in it where the scorer's rules read nothing."""
        about = sample.answers[0], sample.options
        return choice_score(self.scorer, self.scorers, reply, response.extraction, *about)

    def consult(self, sample: Sample, reply: str) -> Consultation | None:
        """Ask which option a reply means, where the scorer's harness did."""
        return choice_consultation(
            self.scorer, reply, question=sample.question, options=sample.options, forced_tries=5
        )
