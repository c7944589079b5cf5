"""What the operations process is told by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DATA = "CME_DATA"
TOKEN = "CME_OPERATIONS_TOKEN"


@dataclass(frozen=True)
class OperationsSettings:
    """The data directory of the stack (logs, stack file) and the token that opens the pages."""

    data: Path
    token: str

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises KeyError for what is missing."""
        return cls(Path(os.environ[DATA]), os.environ[TOKEN])

    def environment(self) -> dict[str, str]:
        """The same as variables for the process."""
        return {DATA: str(self.data), TOKEN: self.token}
