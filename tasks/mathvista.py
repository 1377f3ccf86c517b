"""MathVista: mathematics in charts, figures, photographs and documents.

Paper      https://arxiv.org/abs/2310.02255
Data       AI4Math/MathVista, split testmini (1,000 rows: 540 choices, 460 numbers and lists)
Metric     accuracy, over all rows, by task (five) and by skill (seven, several a row), of answers
           that a judge extracts from replies where rules cannot; without one they are unparsed
Protocols  model_card and release: VLMEvalKit 9a57ff1c; mixin: VLMEvalKit 05bbba1e; lmms_eval,
           lmms_eval_cot, lmms_eval_solution: three tasks of 75571cfe; official: the authors' code
Knobs      none where the dataset's own query is sent. hints: the instruction by kind of answer;
           unit, choices: what a row with them adds; choices are a heading and one choice
Matches    the published 43.0; the authors' own run of VLMEvalKit gave 44.4
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.errors import DataError
from evalkit.metrics import choice, mathvista
from evalkit.metrics.consultations import mathvista_consultation
from evalkit.task import Task, media_from
from evalkit.types import Consultation, Request, Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class MathVista(Task):
    """A choice's letter or text, an integer, a decimal number or a list."""

    name = "mathvista"
    version = "1"
    metric = "accuracy"
    columns = ("pid", "question", "choices", "answer", "answer_type", "precision", "metadata")
    media_columns = ("decoded_image",)
    scorers = mathvista.VARIANTS
    unscored_splits = ("test",)

    def sample(self, row: Row, number: int) -> Sample:
        """Keep what prompts and scorers ask of the answer's kind; ``image`` is only a path."""
        return Sample(
            id=str(row["pid"]),
            question=row["question"],
            answers=(row["answer"],),
            media=(media_from(row, "decoded_image", str(row.get("image") or "")),),
            options=tuple(row["choices"] or ()),
            subsets=(row["metadata"]["task"], *row["metadata"]["skills"]),
            facts={name: row.get(name) for name in ("answer_type", "precision", "unit", "query")},
        )

    def query(self, sample: Sample) -> str:
        """Return the dataset's own text of a question: hint, question, unit and choices."""
        if sample.facts["query"] is None:
            raise DataError(f"mathvista: the row of pid {sample.id} has no column query")
        return str(sample.facts["query"])

    def request(self, sample: Sample) -> Request:
        """Send the query as it is, or, without blanks around it, what the protocol makes."""
        fields = self.fields(sample) if self.protocol.knobs else {"query": self.query(sample)}
        text = self.protocol.prompt.format(**fields)
        return self.ask(sample, (*sample.media, text.strip() if self.protocol.knobs else text))

    def fields(self, sample: Sample) -> Mapping[str, str]:
        """Return the pieces of a prompt that the protocol puts together itself."""
        knobs, unit = self.protocol.knobs, sample.facts["unit"]
        kind = "choice" if sample.options else sample.facts["answer_type"]
        kind += f"_{sample.facts['precision']:.0f}" if kind == "float" else ""
        heading, line = knobs["choices"]
        lines = [line.format(letter=k, text=t) for k, t in choice.lettered(sample.options).items()]
        return {
            "question": sample.question,
            "unit": knobs["unit"].format(unit=unit) if unit else "",
            "choices": "".join([heading, *lines]) if lines else "",
            "hint": knobs["hints"][kind],
        }

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Score what was extracted from the reply, or the reply where nothing was."""
        return self.scorers[self.scorer](
            reply,
            answer=sample.answers[0],
            options=sample.options,
            answer_type=sample.facts["answer_type"],
            precision=sample.facts["precision"],
            extraction=response.extraction,
        )

    def consult(self, sample: Sample, reply: str) -> Consultation | None:
        """Ask for the answer in a reply that is none itself, as the scorer's harness did."""
        about = self.query(sample), sample.answers[0], sample.options, sample.facts["answer_type"]
        return mathvista_consultation(self.scorer, reply, *about)
