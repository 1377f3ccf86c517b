"""Video-MME: three questions on each of 900 videos, from eleven seconds to an hour long.

Paper      https://arxiv.org/abs/2405.21075
Data       lmms-lab/Video-MME, config videomme, split test (2,700 rows), videos and 744 files of
           subtitles in archives beside it
Metric     accuracy, over all rows, by duration, domain, sub-category and task type
Protocols  model_card: the frames and the wording of the model's authors; qwen3vl: their later code;
           official: the benchmark's README; release, mixin, vlmevalkit: VLMEvalKit 9a57ff1c,
           05bbba1e and e8e78f05; lmms_eval: 75571cfe
Matches    the published 55.6 without and 60.4 with subtitles
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.metrics import videomme
from evalkit.metrics.consultations import choice_consultation, choice_score
from evalkit.task import Task, media_from
from evalkit.types import Consultation, Response, Row, Sample, Score

CATEGORIES = ("duration", "domain", "sub_category", "task_type")


@dataclass(frozen=True, kw_only=True)
class VideoMME(Task):
    """One of four options."""

    name = "videomme"
    version = "1"
    metric = "accuracy"
    columns = ("question_id", "videoID", "question", "options", "answer")
    media_columns = ("video",)
    beside = True
    scorers = videomme.VARIANTS

    def files(self, row: Row) -> Mapping[str, Sequence[str]]:
        """Look for a row's video by its YouTube id."""
        stems = (f"{folder}{row['videoID']}" for folder in ("data/", "videos/", ""))
        return {"video": [f"{s}.{end}" for s in stems for end in ("mp4", "MP4", "mkv", "webm")]}

    def sample(self, row: Row, number: int) -> Sample:
        """Take the options with the letters that the dataset puts before them."""
        categories = (row[column] for column in CATEGORIES if row.get(column))
        return Sample(
            id=row["question_id"],
            question=row["question"],
            answers=(row["answer"],),
            media=(media_from(row, "video", row["videoID"], kind="video"),),
            options=tuple(row["options"]),
            cluster=row["videoID"],
            subsets=tuple(dict.fromkeys(categories)),
            facts={key: row[key] for key in ("subtitles",) if key in row},
        )

    def fields(self, sample: Sample) -> Mapping[str, str]:
        """List the options, one a line."""
        return {"question": sample.question, "options": "\n".join(sample.options)}

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Score the reply, or what a judge read in it where the scorer's rules read nothing."""
        about = sample.answers[0], sample.options
        judged = response.extraction if self.scorer == "qwen3vl" else None
        return choice_score(self.scorer, self.scorers, reply, judged, *about)

    def consult(self, sample: Sample, reply: str) -> Consultation | None:
        """Ask which option a reply means, as the Qwen team's code does and no other can."""
        if self.scorer != "qwen3vl":
            return None
        options = videomme.texts(sample.options)
        return choice_consultation(
            self.scorer, reply, question=sample.question, options=options, forced_tries=25
        )


@dataclass(frozen=True, kw_only=True)
class VideoMMESubs(VideoMME):
    """The same questions, with subtitles in the prompt."""

    name = "videomme_subs"

    def files(self, row: Row) -> Mapping[str, Sequence[str]]:
        """Look for the subtitles too."""
        name = row["videoID"]
        return {**super().files(row), "subtitles": (f"subtitle/{name}.srt", f"{name}.srt")}
