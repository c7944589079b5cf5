"""One series of durations that can take back what the store drops: how often, how well and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Steps of the histogram for each doubling of a duration: a percentile is at most 4.5 % beside the true one.
STEPS = 8


def step_of(nanoseconds: int) -> int:
    """The step of the histogram that a duration falls on."""
    return int(math.log2(nanoseconds) * STEPS) if nanoseconds > 0 else 0


@dataclass(slots=True)
class Series:
    """Counts, failures and a histogram of durations in steps that grow by a twelfth."""

    count: int = 0
    errors: int = 0
    steps: dict[int, int] = field(default_factory=dict)

    def add(self, step: int, failed: bool, times: int = 1) -> None:
        """Count one more, or several that are alike."""
        self.count += times
        self.errors += times * failed
        self.steps[step] = self.steps.get(step, 0) + times

    def remove(self, step: int, failed: bool) -> None:
        """Take back what was added as this."""
        self.count -= 1
        self.errors -= failed
        left = self.steps[step] - 1
        if left:
            self.steps[step] = left
        else:
            del self.steps[step]

    def without(self, other: Series) -> Series:
        """What is left of this one without another that was counted into it too."""
        steps = {step: n - other.steps.get(step, 0) for step, n in self.steps.items()}
        return Series(
            self.count - other.count, self.errors - other.errors, {step: n for step, n in steps.items() if n > 0}
        )

    def percentile(self, share: float) -> int:
        """The duration in nanoseconds that this share of all stays within; 0 of none."""
        wanted = share * self.count
        passed = 0
        for step in sorted(self.steps):
            passed += self.steps[step]
            if passed >= wanted:
                return round(2 ** ((step + 0.5) / STEPS))
        return 0

    @property
    def error_share(self) -> float:
        """Failures in all, from 0 to 1."""
        return self.errors / self.count if self.count else 0.0


def merged(parts: Iterable[Series]) -> Series:
    """Several series as one."""
    whole = Series()
    for part in parts:
        whole.count += part.count
        whole.errors += part.errors
        for step, n in part.steps.items():
            whole.steps[step] = whole.steps.get(step, 0) + n
    return whole
