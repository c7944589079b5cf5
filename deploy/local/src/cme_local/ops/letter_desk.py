"""Dead letters as the pages ask for them: through the services' own API, as the stack's operator client."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cme_local.errors import UserError

if TYPE_CHECKING:
    from cme_local.operating import Letter, Operator

Answer = TypeVar("Answer")
#: The operator's client of the stack as it is now; raises UserError when there is none. Blocking.
Opening = Callable[[], "Operator"]
#: Results that wait to be shown; the oldest make room.
MOST_RESULTS = 50


def operator_of(data: Path) -> Opening:
    """The client of the stack on a data directory, made anew when its secret is another.

    The secret is read from the stack file, which its owner alone can read, when it is needed: it is on no command
    line, in no environment and in no log.
    """
    made: dict[str, Operator] = {}

    def opening() -> Operator:
        from cme_local.operating import CLIENT, Operator  # noqa: PLC0415 -- a process that nobody asks does without it
        from cme_local.stack import Stack  # noqa: PLC0415

        stack = Stack.of_running(data)
        secret = stack.client(CLIENT).client_secret or ""
        if secret not in made:
            made.clear()
            made[secret] = Operator.of(stack)
        return made[secret]

    return opening


@dataclass(frozen=True)
class Listed:
    """A page of one service's letters and the cursor after it, or why there is none."""

    service: str
    letters: list[Letter] = field(default_factory=list)
    following: str | None = None
    silent: str = ""


class Desk:
    """Asks for the pages, each question in a thread: the client blocks."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    async def ask(self, question: Callable[[Operator], Answer]) -> Answer:
        """The answer to a question. Raises UserError when nobody answers or the service refuses."""
        return await asyncio.to_thread(lambda: question(self._opening()))

    async def page(self, service: str, after: str | None) -> Listed:
        """A page of a service's letters; a service that does not answer is no reason to show none."""
        try:
            letters, following = await self.ask(lambda operator: operator.page_of_letters(service, after))
        except UserError as error:
            return Listed(service, silent=str(error))
        return Listed(service, letters, following)


@dataclass(frozen=True)
class Result:
    """What became of a letter, as a page says it; `tone` is a status class of the stylesheet."""

    tone: str
    text: str


class Results:
    """What was done, by a name that nobody can guess: an address alone cannot make a page claim something."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Result] = OrderedDict()

    def keep(self, result: Result) -> str:
        """The name under which the next page finds a result."""
        if len(self._kept) >= MOST_RESULTS:
            self._kept.popitem(last=False)
        name = secrets.token_urlsafe(8)
        self._kept[name] = result
        return name

    def get(self, name: str) -> Result | None:
        """A result by its name."""
        return self._kept.get(name)
