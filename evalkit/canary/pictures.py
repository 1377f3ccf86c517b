"""Pictures to be read: a page, a chart, a poster.

Each function draws one picture from a generator and returns it with the facts in it. Every answer
stands on the picture, and there is one. What a benchmark's row looks like is not known here:
``evalkit.canary.sets`` makes rows of these.
"""

from __future__ import annotations

import random

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, Canvas
from evalkit.canary.facts import Fact, Picture, apart, number, one_of

__all__ = ["chart", "levels", "page", "poster"]


def levels(rng: random.Random, count: int, first: int, last: int) -> list[int]:
    """Return so many rows from ``first`` to ``last``, in order, with a free one between any two."""
    rows = sorted(rng.sample(range(first, last + 2 - count), count))
    return [row + place for place, row in enumerate(rows)]


def page(rng: random.Random) -> Picture:
    """Draw a form: the kind of document, and eight labelled values."""
    sheet, title = Canvas(36, 36, "paper"), rng.choice(words.TITLES)
    left, rows = rng.randint(1, 6), levels(rng, 9, 1, 34)
    aside = left + rng.randint(7, 12)
    sheet.text(title, (rng.randint(left, 20), rows[0]), "blue", key="document")
    labels = rng.sample(list(words.FIELDS), 8)
    facts = [one_of(rng, "What kind of document is this?", title, "read", words.TITLES)]
    for label, row in zip(labels, rows[1:], strict=True):
        value = _value(rng, words.FIELDS[label])
        sheet.text(label, (left, row), "gray", key=f"{label.lower()} label")
        sheet.text(value, (aside, row), key=label.lower())
        question = f"What is the {label.lower()}?"
        wrong = apart(value, lambda kind=words.FIELDS[label]: _value(rng, kind))  # type: ignore[misc]
        facts.append(Fact(question, value, "field", wrong, label=label))
    return sheet.picture(facts)


def _value(rng: random.Random, kind: str) -> str:
    """Return a value of a kind that a form has."""
    if kind == "amount":
        # No decimal that is 0: a scorer that reads floats gives 8.4 for 8.40.
        return f"{rng.randint(1, 9)}{rng.randint(0, 9)}.{rng.randint(1, 9)}"
    if kind == "word":
        return rng.choice(words.WORDS)
    if kind == "code":
        return "".join(rng.choice("ABCDEFGHKLMNPRSTUVXZ") for _ in range(4))
    digits = {"year": 4, "number": 3, "long": 6}[kind]
    return str(rng.randint(10 ** (digits - 1), 10**digits - 1))


def chart(rng: random.Random) -> Picture:
    """Draw a bar chart: every bar with its label and its value."""
    group = rng.choice(list(words.GROUPS))
    names = words.draw(rng, words.GROUPS[group], rng.randint(4, 5))
    colors = rng.sample(NAMED, len(names))
    tens = rng.sample(range(1, 10), len(names))
    values = [10 * ten + rng.randint(0, 9) for ten in tens]
    sheet, left = Canvas(), rng.randint(1, 8)
    rows, ranks = levels(rng, len(names), 1, 34), {max(tens): "highest", min(tens): "lowest"}
    for name, color, ten, value, row in zip(names, colors, tens, values, rows, strict=True):
        key, rank = name.lower(), {"rank": ranks[ten]} if ten in ranks else {}
        label = {"role": "label", "hue": color, "length": str(ten), **rank}
        shown = {"role": "value", "hue": color}
        sheet.text(name, (left, row), key=f"{key} label", traits=label)
        for place in range(ten):
            sheet.put("bar", (left + 7 + place, row), color, key=f"{key} bar", index=place)
        sheet.text(str(value), (left + 8 + ten, row), key=key, traits=shown)
    return sheet.picture(_chart_facts(rng, group, names, values, colors))


def _chart_facts(
    rng: random.Random, group: str, names: list[str], values: list[int], colors: list[str]
) -> list[Fact]:
    facts = []
    for name, value, color in zip(names, values, colors, strict=True):
        facts += [
            number(rng, f"What is the value of {name.lower()}?", value, "read"),
            number(rng, f"What is the value of the {color} bar?", value, "color"),
            one_of(rng, f"Which {group} does the {color} bar show?", name, "color", names),
        ]
    ranked = [name for _, name in sorted(zip(values, names, strict=True))]
    high, low = (f"Which {group} has the {what} value?" for what in ("highest", "lowest"))
    facts += [
        one_of(rng, high, ranked[-1], "extreme", names),
        one_of(rng, low, ranked[0], "extreme", names),
        one_of(rng, "How many bars are shown?", str(len(names)), "count", "3456"),
    ]
    return facts


def poster(rng: random.Random) -> Picture:
    """Draw an infographic: four marks in colours, each with a name and a share, and a footer."""
    noun = rng.choice(list(words.TOPICS))
    names = words.draw(rng, words.TOPICS[noun], 4)
    colors, people = rng.sample(NAMED, 4), rng.randint(100, 999)
    year = rng.randint(1000, 2999)
    shares = [10 * ten + rng.randint(0, 9) for ten in rng.sample(range(1, 10), 4)]
    sheet, left = Canvas(36, 36, "paper"), rng.randint(1, 8)
    rows = levels(rng, 6, 1, 34)
    facts = [
        number(rng, "How many people were asked?", people, "read"),
        number(rng, "In which year were people asked?", year, "read"),
    ]
    for name, color, share, row in zip(names, colors, shares, rows, strict=False):
        key = name.lower()
        sheet.put("mark", (left, row), color, key=f"{key} mark")
        label, shown = {"role": "label", "hue": color}, {"role": "value", "hue": color}
        sheet.text(name, (left + 2, row), key=f"{key} label", traits=label)
        sheet.text(f"{share}%", (left + 10, row), key=key, traits=shown)
        facts += [
            _share(rng, f"What percentage of people chose {name.lower()}?", share),
            _share(rng, f"What percentage has the {color} mark?", share),
            one_of(rng, f"Which {noun} has the {color} mark?", name, "color", names),
        ]
    sheet.text("PEOPLE", (left, rows[4]), "gray", key="people label")
    sheet.text(str(people), (left + 10, rows[4]), key="people")
    sheet.text("YEAR", (left, rows[5]), "gray", key="year label")
    sheet.text(str(year), (left + 10, rows[5]), key="year")
    return sheet.picture(facts)


def _share(rng: random.Random, question: str, share: int) -> Fact:
    plain = number(rng, question, share, "read")
    wrong = tuple(f"{value}%" for value in plain.wrong)
    return Fact(question, f"{share}%", "read", wrong, also=(str(share), f"{share} %"))
