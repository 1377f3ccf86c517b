"""The tokenizer's merges, from the prompts of the drawn set: ``merges.txt`` of ``evalkit.canary``.

python -m evalkit.canary.training.vocabulary
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice, pairwise
from pathlib import Path

from evalkit.canary.tokenizer import PIECES
from evalkit.canary.training.questions import groups, tasks

__all__ = ["main", "merges"]

MERGES = 1000
"""How many."""


def merges(words: Iterable[str], most: int = MERGES) -> list[tuple[str, str]]:
    """Return the merges that byte-pair encoding learns from words, the most frequent first.

    Ties go to the pair that sorts first, so that the same words give the same merges everywhere.
    """
    counted = Counter(words)
    spelt = {word: tuple(word) for word in counted}
    found: list[tuple[str, str]] = []
    while len(found) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in spelt.items():
            for pair in pairwise(parts):
                pairs[pair] += counted[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        found.append(best)
        spelt = {word: _joined(parts, best) for word, parts in spelt.items()}
    return found


def _joined(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    made: list[str] = []
    for part in parts:
        if made and (made[-1], part) == pair:
            made[-1] += part
        else:
            made.append(part)
    return tuple(made)


def words() -> Iterable[str]:
    """Yield the words of prompts as the tokenizer cuts them, without those that are read.

    A word that opens with a capital loses the blank before it: else ``" A"`` would be one token,
    and an option's first letter another than the same letter on a picture.
    """
    from tokenizers import Regex, pre_tokenizers

    cut = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    for name, task in tasks().items():
        texts = {
            text
            for group in islice(groups(name, task, 1, lambda rng: 0), 60)
            for text in [*group.before, *(question.text for question in group.questions)]
        }
        for text in sorted(texts):
            for special in ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"):
                text = text.replace(special, "\n")
            for piece, _ in cut.pre_tokenize_str(text):
                word = piece.lstrip("Ġ") if piece.lstrip("Ġ")[:1].isupper() else piece
                if word and not any(letter.isupper() for letter in word[1:]):
                    yield word


def main() -> None:
    """Write the merges."""
    lines = [" ".join(pair) for pair in merges(words())]
    path = Path(__file__).parents[1] / "merges.txt"
    path.write_text("\n".join(["#version: 0.2", *lines, ""]), "utf-8")
    print(f"{len(lines)} merges in {path}")


if __name__ == "__main__":
    main()
