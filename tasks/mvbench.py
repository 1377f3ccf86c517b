"""MVBench: twenty tasks on short videos, most of them about what happens in time.

Paper      https://arxiv.org/abs/2311.17005
Data       OpenGVLab/MVBench, its 20 configs of 200 rows, split train; gated by a form. Revision
           ``video`` has all videos, cut to what each row is about; ``main`` has them whole in
           archives, without those of Fine-grained Pose, and rows say what to cut
Metric     accuracy: the mean of the 20 tasks' accuracies; each task by its name
Protocols  model_card: the frames of the model's authors and the wording of the benchmark's;
           official: the authors' notebook; release, mixin, vlmevalkit: VLMEvalKit 9a57ff1c,
           05bbba1e and e8e78f05; lmms_eval: 75571cfe
Knobs      option: one option of ``{options}``; strip: whether blanks at the end of these go
Matches    the published 63.2, for which neither prompt nor rule for clips is known
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from evalkit.errors import DataError
from evalkit.metrics import choice, mvbench
from evalkit.metrics.mvbench_tasks import is_cut, names, place
from evalkit.metrics.summary import macro_means
from evalkit.task import Task, media_from
from evalkit.types import Record, Response, Row, Sample, Score


@dataclass(frozen=True, kw_only=True)
class MVBench(Task):
    """One of up to five candidates."""

    name = "mvbench"
    version = "1"
    metric = "accuracy"
    columns = ("config", "video", "question", "candidates", "answer")
    media_columns = ("video",)
    beside = True
    searched = False
    macro = True
    scorers = mvbench.VARIANTS

    def files(self, row: Row) -> Mapping[str, Sequence[str]]:
        """Look for a row's video in either revision's folders."""
        return {"video": names(row["config"], str(row["video"]), bounds(row))}

    def sample(self, row: Row, number: int) -> Sample:
        """Number the rows: the dataset has no ids. What is cut already is not cut again."""
        task, video = place(row["config"]), media_from(row, "video", kind="video")
        if not isinstance(row["candidates"], list | tuple):
            raise DataError(f"mvbench: candidates of row {number} are no list")
        file = PurePosixPath(video.path or video.name)
        start, end = bounds(row)
        if is_cut(row["config"], str(file), (start, end)):
            start = end = None
        # Frames in a folder have no rate of their own; the dataset's are three a second.
        fps = None if file.suffix else float(row.get("fps") or 3)
        return Sample(
            id=str(number),
            question=row["question"],
            answers=(row["answer"],),
            media=(replace(video, name=file.name, start=start, end=end, fps=fps),),
            options=tuple(row["candidates"]),
            cluster=f"{task.whole}/{file.name}",
            subsets=(task.title,),
        )

    def fields(self, sample: Sample) -> Mapping[str, str]:
        """List the options, one a line."""
        knobs, lines = self.protocol.knobs, choice.lettered(sample.options).items()
        options = "\n".join(knobs["option"].format(letter=k, text=text) for k, text in lines)
        return {
            "question": sample.question,
            "options": options.rstrip() if knobs["strip"] else options,
        }

    def grade(self, sample: Sample, reply: str, response: Response) -> Score:
        """Find the letter of the right candidate as the scorer's harness does."""
        return self.scorers[self.scorer](reply, answer=sample.answers[0], options=sample.options)

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Average over tasks, which is the average over rows where none is missing."""
        return macro_means(self.metric, records)


def bounds(row: Row) -> tuple[float | None, float | None]:
    """Return where a row's part of its video starts and ends, in seconds."""
    return row.get("start"), row.get("end")
