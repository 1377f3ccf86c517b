"""Pictures to be read: a page, a chart, a poster.

Each function draws one picture from a generator and returns it with the facts in it. Every answer
stands on the picture or follows from what does, and there is one. What a benchmark's row looks like
is not known here: ``evalkit.canary.sets`` makes rows of these.
"""

from __future__ import annotations

import itertools
import random

from evalkit.canary import words
from evalkit.canary.canvas import NAMED, Canvas
from evalkit.canary.facts import Fact, Picture, near, number, one_of, others, yes_no

__all__ = ["chart", "page", "poster"]

_DOCUMENTS = {
    "Invoice": ("Customer", "City"),
    "Receipt": ("Cashier", "Item"),
    "Order": ("Buyer", "Item"),
    "Permit": ("Holder", "City"),
}
"""Kinds of documents, and what one names besides its number, date and amount."""


def page(rng: random.Random) -> Picture:
    """Draw a small form: a company, the kind of document, and five labelled values."""
    company, document = rng.choice(words.COMPANIES), rng.choice(list(_DOCUMENTS))
    fields = [_field(rng, document, label) for label in _labels(document)]
    sheet = Canvas(420, 308, "paper")
    sheet.text(company, (24, 46), 26, bold=True, width=230)
    sheet.text(document.upper(), (396, 46), 20, "gray", anchor="rs")
    sheet.line([(24, 62), (396, 62)], "black", 2)
    for row, fact in enumerate(fields):
        top = 82 + 43 * row
        sheet.text(fact.label, (24, top + 22), 19, "gray")
        sheet.text(fact.answer, (176, top + 22), 22)
        sheet.line([(24, top + 34), (396, top + 34)], "silver")
    question = "What is the name of the company?"
    head = one_of(rng, question, company, "read", words.COMPANIES)
    return sheet.picture([head, *fields])


def _labels(document: str) -> tuple[str, ...]:
    person, thing = _DOCUMENTS[document]
    return (f"{document} No.", "Date", person, thing, "Total")


def _field(rng: random.Random, document: str, label: str) -> Fact:
    """Return one labelled value of a form, with three values that it does not have."""

    def draw() -> str:
        if label == "Date":
            return f"{rng.randint(1, 28)} {rng.choice(words.MONTHS)} {rng.randint(2001, 2024)}"
        if label == "Total":
            # No cents that end in 0: 8.40 would come back as 8.4 from a scorer that reads floats.
            return f"${rng.randint(2, 98)}.{rng.randint(1, 9)}{rng.randint(1, 9)}"
        if label.endswith("No."):
            return str(rng.randint(1000, 9999))
        known = {"City": words.CITIES, "Item": words.ITEMS}
        return rng.choice(known.get(label, words.NAMES))

    questions = {
        "Date": f"What is the date of the {document.lower()}?",
        "Total": "What is the total amount?",
        f"{document} No.": f"What is the {document.lower()} number?",
        "City": "Which city is named?",
        "Item": "Which item is named?",
    }
    answer = draw()
    return Fact(
        questions.get(label, f"Who is the {label.lower()}?"),
        answer,
        "field",
        label=label,
        also=(answer[1:],) if label == "Total" else (),
        wrong=others(answer, draw),
    )


def chart(rng: random.Random) -> Picture:
    """Draw a bar chart of four or five entries, each bar with its value above it."""
    group, measure = rng.choice(list(words.GROUPS)), rng.choice(words.MEASURES)
    entries = words.GROUPS[group]
    count = rng.randint(4, 5)
    start = rng.randint(0, len(entries) - count)
    names, values = entries[start : start + count], _spread(rng, count)
    colors = rng.sample(NAMED, count)
    sheet = Canvas(420, 308)
    sheet.text(f"{measure} by {group}", (210, 32), 22, anchor="ms", bold=True)
    for mark in (0, 50, 100):
        height = 262 - 1.9 * mark
        sheet.line([(48, height), (404, height)], "silver")
        sheet.text(str(mark), (40, height), 15, "gray", anchor="rm")
    for place, (name, value, color) in enumerate(zip(names, values, colors, strict=True)):
        middle = 56 + (344 / count) * (place + 0.5)
        sheet.box((middle - 21, 262 - 1.9 * value, middle + 21, 262), color)
        sheet.text(str(value), (middle, 256 - 1.9 * value), 18, anchor="ms")
        sheet.text(name, (middle, 284), 17, anchor="ms", width=66)
    sheet.line([(48, 262), (404, 262)], "black", 2)
    return sheet.picture(_chart_facts(rng, group, names, values, colors))


def _spread(rng: random.Random, count: int) -> list[int]:
    """Return values from 8 to 88 that differ by at least 6, so that bars and answers differ."""
    while True:
        values = [rng.randint(8, 88) for _ in range(count)]
        ranked = sorted(values)
        if all(b - a >= 6 for a, b in itertools.pairwise(ranked)):
            return values


def _chart_facts(
    rng: random.Random, group: str, names: tuple[str, ...], values: list[int], colors: list[str]
) -> list[Fact]:
    first, second = rng.sample(range(len(names)), 2)
    asked = rng.randrange(len(names))
    high, low = values.index(max(values)), values.index(min(values))

    def entry(question: str, place: int, kind: str) -> Fact:
        return one_of(rng, question, names[place], kind, names)

    def value(what: str, place: int, kind: str) -> Fact:
        return number(rng, f"What is the value of {what}?", values[place], kind)

    one, two = names[first], names[second]
    return [
        value(names[asked], asked, "read"),
        value(names[asked - 1], asked - 1, "read"),
        entry(f"Which {group} has the highest value?", high, "extreme"),
        entry(f"Which {group} has the lowest value?", low, "extreme"),
        value(f"the {colors[first]} bar", first, "color"),
        entry(f"Which {group} does the {colors[second]} bar show?", second, "color"),
        number(rng, "How many bars are shown?", len(names), "count"),
        number(
            rng,
            f"What is the difference between {one} and {two}?",
            abs(values[first] - values[second]),
            "arithmetic",
        ),
        yes_no(
            f"Is the value of {one} greater than that of {two}?", values[first] > values[second]
        ),
    ]


def poster(rng: random.Random) -> Picture:
    """Draw an infographic: a title, four entries with their shares, and a footer."""
    title = rng.choice(list(words.TOPICS))
    noun, entries = words.TOPICS[title]
    names, shares = rng.sample(entries, 4), _shares(rng)
    people, year = 100 * rng.randint(2, 19), rng.randint(2001, 2024)
    sheet = Canvas(420, 504, "paper")
    sheet.box((0, 0, 420, 76), "purple")
    sheet.text(title.upper(), (210, 40), 32, "white", anchor="mm", bold=True, width=380)
    for row, (name, share) in enumerate(zip(names, shares, strict=True)):
        middle, color = 124 + 88 * row, NAMED[row]
        sheet.disc((70, middle), 36, color)
        ink = "black" if color == "yellow" else "white"
        sheet.text(f"{share}%", (70, middle), 25, ink, anchor="mm", bold=True)
        sheet.text(name, (128, middle), 26)
        sheet.box((128, middle + 12, 392, middle + 24), "silver", radius=4)
        sheet.box((128, middle + 12, 128 + 2.64 * share, middle + 24), color, radius=4)
    sheet.line([(28, 446), (392, 446)], "gray")
    sheet.text(f"{people} people asked in {year}", (210, 480), 22, anchor="ms", width=364)
    return sheet.picture(_poster_facts(rng, noun, names, shares, people, year))


def _shares(rng: random.Random) -> list[int]:
    """Return four shares of 100 that differ by at least 4."""
    while True:
        shares = [rng.randint(6, 60) for _ in range(3)]
        shares.append(100 - sum(shares))
        ranked = sorted(shares)
        if ranked[0] >= 6 and all(b - a >= 4 for a, b in itertools.pairwise(ranked)):
            return shares


def _poster_facts(
    rng: random.Random, noun: str, names: list[str], shares: list[int], people: int, year: int
) -> list[Fact]:
    ranked = [name for _, name in sorted(zip(shares, names, strict=True))]
    years = [str(value) for value in range(2001, 2025)]
    return [
        Fact(
            f"What percentage of people chose {names[1]}?",
            f"{shares[1]}%",
            "read",
            tuple(f"{value}%" for value in near(rng, shares[1])),
            also=(str(shares[1]), f"{shares[1]} %"),
        ),
        one_of(rng, f"Which {noun} was chosen by the most people?", ranked[-1], "extreme", names),
        one_of(rng, f"Which {noun} was chosen by {shares[0]}% of people?", names[0], "read", names),
        Fact(
            f"Which two {noun}s were chosen by the fewest people?",
            f"{ranked[0]}, {ranked[1]}",
            "pair",
            also=(f"{ranked[1]}, {ranked[0]}",),
        ),
        number(rng, "How many people were asked?", people, "read"),
        one_of(rng, "In which year were people asked?", str(year), "read", years),
    ]
