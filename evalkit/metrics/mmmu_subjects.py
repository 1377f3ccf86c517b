"""MMMU's thirty subjects and the six domains that its tables report them under."""

from __future__ import annotations

import re

from evalkit.errors import DataError

__all__ = ["DOMAINS", "SUBJECTS", "categories"]

DOMAINS = {
    "Art & Design": ("Art", "Art_Theory", "Design", "Music"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Geography", "Math", "Physics"),
    "Health & Medicine": (
        "Basic_Medical_Science",
        "Clinical_Medicine",
        "Diagnostics_and_Laboratory_Medicine",
        "Pharmacy",
        "Public_Health",
    ),
    "Humanities & Social Science": ("History", "Literature", "Psychology", "Sociology"),
    "Tech & Engineering": (
        "Agriculture",
        "Architecture_and_Engineering",
        "Computer_Science",
        "Electronics",
        "Energy_and_Power",
        "Materials",
        "Mechanical_Engineering",
    ),
}
"""Subjects by domain, as the dataset's configs name them.

Source: MMMU-Benchmark/MMMU, eval/data_utils.py (DOMAIN_CAT2SUB_CAT), with the domains' names as
published tables write them.
"""

SUBJECTS = {subject: domain for domain, subjects in DOMAINS.items() for subject in subjects}
"""Domains by subject."""

_ID = re.compile(r"[a-z]+_(\w+)_\d+")


def categories(row_id: str) -> tuple[str, str]:
    """Return the subject and the domain that a row's id names.

    Args:
        row_id: split, subject and number.

    Raises:
        DataError: it names none of the thirty subjects.

    >>> categories("validation_Art_Theory_7")
    ('Art_Theory', 'Art & Design')
    """
    found = _ID.fullmatch(row_id)
    if found is None or found[1] not in SUBJECTS:
        raise DataError(f"no MMMU subject in the id {row_id}: it should read validation_Math_1")
    return found[1], SUBJECTS[found[1]]
