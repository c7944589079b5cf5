"""Validity of cluster-management labels (ECEI: Bronze "Striving", Silver "Dedicated", Gold)."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Level(StrEnum):
    """A label."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class AwardKind(StrEnum):
    """Whether it is the first of its level or renews one."""

    FIRST = "first"
    RENEWAL = "renewal"


FIRST_YEARS = 2
#: A renewed Bronze runs three years on from the end of the old one; the others two from their interview.
BRONZE_RENEWAL_YEARS = 3
RENEWABLE_AFTER_EXPIRY_YEARS = 1
#: The second benchmarking takes place 18 to 24 months after the first.
RENEWAL_OPENS_MONTHS_BEFORE = 6


@dataclass(frozen=True)
class Validity:
    """How long a label holds and when it can be renewed."""

    valid_until: date
    renew_from: date
    renew_until: date


def last_of_month(day: date, months: int) -> date:
    """The last day of the month that many months later."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])


def validity(level: Level, awarded_on: date, renewed: date | None) -> Validity:
    """The validity of a label from the month of its interview; `renewed` is the end of the label it renews."""
    if renewed is not None and level is Level.BRONZE:
        until = last_of_month(renewed, 12 * BRONZE_RENEWAL_YEARS)
    else:
        until = last_of_month(awarded_on, 12 * FIRST_YEARS)
    opens = last_of_month(until, -RENEWAL_OPENS_MONTHS_BEFORE).replace(day=1)
    return Validity(until, opens, last_of_month(until, 12 * RENEWABLE_AFTER_EXPIRY_YEARS))
