"""`./cme dlq`: the dead letters of every service, listed, shown, redriven and discarded."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus

from cme_local.errors import UserError
from cme_local.operating import Letter, NotAnswered, Operator, Refused
from cme_local.processes import CONSUMING

GONE = "dead_letter_gone"


@dataclass(frozen=True)
class Chosen:
    """Which letters are meant: numbers of one service, or all of one or of every service."""

    service: str | None
    numbers: Sequence[int]
    all: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one letter, or would become of it."""

    text: str
    document: dict[str, object]
    done: bool = True


@dataclass
class Said:
    """What is told: a line for each outcome as it comes, or one JSON document at the end."""

    as_json: bool
    documents: list[dict[str, object]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    failed: bool = False

    def tell(self, text: str, document: dict[str, object]) -> None:
        """One more outcome."""
        self.documents.append(document)
        if not self.as_json:
            print(text, flush=True)

    def complain(self, error: UserError) -> None:
        """Something was not done and the rest goes on; said once, however often it happens."""
        self.failed = True
        if str(error) not in self.complaints:
            self.complaints.append(str(error))
            print(f"cme: {error}", file=sys.stderr, flush=True)

    def end(self) -> int:
        """The exit code: 1 when something was not done."""
        if self.as_json:
            print(json.dumps(self.documents, indent=1, ensure_ascii=False))
        elif not self.documents and not self.failed:
            print("No dead letters.")
        return 1 if self.failed else 0


def list_letters(operator: Operator, service: str | None, as_json: bool) -> int:
    """Print every letter, oldest first, service by service."""
    said = Said(as_json)
    for letter in _every_letter(operator, service, said):
        when, about = f"{letter.buried_at[:19]}Z", letter.aggregate or "no event"
        trace = f"\n    trace {letter.trace_id}" if letter.trace_id else ""
        if not as_json:
            _progress("")
        said.tell(
            f"{letter.service} {letter.number}  {when}  {letter.subject}  {about}\n"
            f"    {letter.reason} (attempts: {letter.attempts}){trace}",
            asdict(letter),
        )
    return said.end()


def show_letter(operator: Operator, service: str | None, number: int, as_json: bool) -> int:
    """Print one letter with its original bytes."""
    service = _named(service)
    try:
        document = asdict(operator.letter(service, number))
    except Refused as error:
        raise _with_way_out(error, service) from None
    if as_json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return 0
    body, encoding = document.pop("body"), document.pop("encoding")
    for name, value in document.items():
        print(f"{name:<10} {'-' if value is None else value}")
    print(f"\n{_laid_out(body)}" if encoding == "utf-8" else f"\nbase64:\n{body}")
    return 0


def redrive_letters(operator: Operator, chosen: Chosen, dry_run: bool, as_json: bool) -> int:
    """Apply letters now, or say what that would do."""
    #: Letters that went, or would go, along with an earlier one.
    along: dict[tuple[str, int], int] = {}

    def rehearse(service: str, number: int) -> Outcome:
        if (first := along.get((service, number))) is not None:
            text = f"would be tried right after {first}, which it is behind"
            return Outcome(text, {"number": number, "outcome": "would_follow", "after": first})
        rehearsed = operator.rehearse(service, number)
        if rehearsed.outcome != "would_fail":
            along.update({(service, later): number for later in rehearsed.behind})
        return Outcome(_prospect(rehearsed.outcome, rehearsed.reason), asdict(rehearsed))

    def redrive(service: str, number: int) -> Outcome | None:
        if (service, number) in along:
            return None
        redriven = operator.redrive(service, number)
        along.update({(service, later): number for later in redriven.also})
        if redriven.outcome != "applied":
            text = f"failed and stays a dead letter: {redriven.reason}"
            return Outcome(text, asdict(redriven), done=False)
        also = f", and {_listed(redriven.also)} behind it" if redriven.also else ""
        return Outcome(f"applied{also}", asdict(redriven))

    return _for_each(operator, chosen, rehearse if dry_run else redrive, as_json)


def discard_letters(operator: Operator, chosen: Chosen, reason: str | None, dry_run: bool, as_json: bool) -> int:
    """Give letters up for good, or say what that would mean."""
    if not reason and not dry_run:
        raise UserError('Say why nobody needs them any more: --reason "…". It is kept in the log.')

    def rehearse(service: str, number: int) -> Outcome:
        rehearsed = operator.rehearse(service, number)
        behind = f"; {_listed(rehearsed.behind)} could be redriven then" if rehearsed.behind else ""
        instead = _prospect(rehearsed.outcome, rehearsed.reason)
        return Outcome(f"would be given up{behind}. Redriven instead, it {instead}", asdict(rehearsed))

    def discard(service: str, number: int) -> Outcome:
        operator.discard(service, number, reason or "")
        return Outcome("discarded", {"number": number, "outcome": "discarded"})

    return _for_each(operator, chosen, rehearse if dry_run else discard, as_json)


def _for_each(operator: Operator, chosen: Chosen, act: Callable[[str, int], Outcome | None], as_json: bool) -> int:
    """Do something with each chosen letter and tell it; what is refused is told too, and the rest goes on."""
    if bool(chosen.numbers) == chosen.all:
        raise UserError("Name the numbers of dead letters, or --all.")
    said = Said(as_json)
    if chosen.all:
        letters = [(one.service, one.number) for one in _every_letter(operator, chosen.service, said)]
    else:
        letters = [(_named(chosen.service), number) for number in dict.fromkeys(chosen.numbers)]
    away: set[str] = set()
    for place, (service, number) in enumerate(letters, 1):
        if service in away:
            continue
        _progress(f"{place} of {len(letters)}: {service} {number}")
        try:
            outcome = act(service, number)
        except NotAnswered as error:
            away.add(service)
            said.complain(error)
            continue
        except Refused as error:
            if not (chosen.all and error.code == GONE):  # somebody else was quicker
                said.complain(_with_way_out(error, service))
            continue
        if outcome is not None:
            said.failed |= not outcome.done
            _progress("")
            counted = f"{place}/{len(letters)} " if len(letters) > 1 else ""
            said.tell(f"{counted}{service} {number}: {outcome.text}", {"service": service, **outcome.document})
    _progress("")
    return said.end()


def _every_letter(operator: Operator, service: str | None, said: Said) -> Iterator[Letter]:
    services: Iterable[str] = (service,) if service else CONSUMING
    for one in services:
        try:
            total = operator.count_letters(one)
            for place, letter in enumerate(operator.letters(one), 1):
                _progress(f"{one}: {place} of {total} dead letters")
                yield letter
        except (NotAnswered, Refused) as error:
            said.complain(error)
    _progress("")


def _progress(text: str) -> None:
    """On a terminal: the line that says how far it is, or none."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _named(service: str | None) -> str:
    if service is None:
        raise UserError(f"Each service numbers its own: say whose by --service ({', '.join(CONSUMING)}).")
    return service


def _with_way_out(refused: Refused, service: str) -> UserError:
    if refused.status != HTTPStatus.NOT_FOUND:
        return refused
    return UserError(f"{refused} `./cme dlq list --service {service}` says which there are.")


def _prospect(outcome: str, reason: str | None) -> str:
    match outcome:
        case "would_apply":
            return "would be applied"
        case "applied_before":
            return "would only be removed: its event was applied meanwhile"
        case _:
            return f"would fail: {reason}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _laid_out(body: str) -> str:
    """JSON with a field per line, anything else as it is."""
    try:
        return json.dumps(json.loads(body), indent=1, ensure_ascii=False)
    except ValueError:
        return body
