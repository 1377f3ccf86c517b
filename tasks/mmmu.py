"""MMMU: college questions on one picture or several, from thirty subjects.

Paper      https://arxiv.org/abs/2311.16502
Data       MMMU/MMMU, its 30 configs, split validation (900 rows: 847 choices, 53 open questions).
           VLMEvalKit's TSV is not read: it mixes dev and validation
Metric     accuracy, over all rows, by subject and by domain
Protocols  model_card and release: VLMEvalKit 9a57ff1c; mixin: VLMEvalKit 05bbba1e; lmms_eval:
           75571cfe; official: the authors' run of LLaVA-1.5; qwen3vl: the Qwen team's later code
Knobs      open: the prompt without options; option: one option of ``{options}``; images: all of the
           row's, referenced by question or options, or first (image_1; none if options name more)
Matches    the published 41.1; the authors' own run of VLMEvalKit gave 41.88
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.errors import DataError, UsageError, nearest
from evalkit.metrics import choice, mmmu
from evalkit.metrics.consultations import choice_consultation, choice_score
from evalkit.metrics.mmmu_subjects import categories
from evalkit.metrics.text import literal_list
from evalkit.task import Task, media_from
from evalkit.types import Consultation, Request, Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class MMMU(Task):
    """An option's letter, or a word or number where there are no options."""

    name = "mmmu"
    version = "1"
    metric = "accuracy"
    columns = ("id", "question", "options", "answer")
    media_columns = tuple(f"image_{number}" for number in range(1, 8))
    scorers = mmmu.VARIANTS
    unscored_splits = ("test",)

    def sample(self, row: Row, number: int) -> Sample:
        """Take a picture that is named but not there as a placeholder."""
        if (options := literal_list(row["options"])) is None:
            raise DataError(f"mmmu: options of {row['id']} are no list: {row['options']!r:.80}")
        texts = tuple(map(str, options))
        there = {column for column in self.media_columns if row.get(column) is not None}
        shown = sorted(there | named(row["question"], *texts))
        return Sample(
            id=row["id"],
            question=row["question"],
            answers=tuple(map(str, literal_list(row["answer"]) or [row["answer"]])),
            media=tuple(media_from(row, name, name) for name in shown),
            options=texts,
            subsets=categories(row["id"]),
            facts={"answer": row["answer"]},
        )

    def request(self, sample: Sample) -> Request:
        """Send the pictures that the protocol sends, then the text without blanks at its end."""
        knobs, in_options = self.protocol.knobs, named(*sample.options)
        sent = {
            "all": {medium.name for medium in sample.media},
            "referenced": in_options | named(sample.question),
            "first": {"image_1"} if len(in_options) < 2 else set(),
        }
        if knobs["images"] not in sent:
            raise UsageError(nearest("images of mmmu", knobs["images"], list(sent)))
        template = self.protocol.prompt if sample.options else knobs["open"]
        lines = choice.lettered(sample.options).items()
        options = "".join(knobs["option"].format(letter=k, text=text) for k, text in lines)
        text = template.format(question=sample.question, options=options).rstrip()
        media = (medium for medium in sample.media if medium.name in sent[knobs["images"]])
        return self.ask(sample, (*media, text))

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Score the reply, or what a judge read in it where the scorer's rules read nothing."""
        about = sample.facts["answer"], sample.options
        return choice_score(self.scorer, self.scorers, reply, response.extraction, *about)

    def consult(self, sample: Sample, reply: str) -> Consultation | None:
        """Ask as for a choice; an open question is one between its answer and others."""
        options = sample.options or (sample.facts["answer"], "Other Answers")
        return choice_consultation(
            self.scorer, reply, question=sample.question, options=options, forced_tries=25
        )


def named(*texts: str) -> set[str]:
    """Return the columns of the pictures that texts refer to."""
    return {f"image_{number}" for text in texts for number in re.findall(r"<image (\d+)>", text)}
