"""Problem documents (RFC 9457) and OAuth errors (RFC 6749 section 5.2), for a person."""

from __future__ import annotations

from typing import Any

from cme_cli.calling import SHOWN, Answer


def explain(answer: Answer) -> str:
    """What an answer of status 400 and more says, on one or more lines."""
    document = answer.document()
    if isinstance(document, dict):
        code = document.get("code") or document.get("error") or answer.reason
        said = document.get("detail") or document.get("error_description") or document.get("title") or ""
        wrong, trace_id = document.get("errors") or [], document.get("trace_id")
    else:
        code, said = answer.reason, answer.body[:SHOWN].decode("utf-8", "replace").strip()
        wrong, trace_id = [], None
    lines = [f"{answer.status} {code}" + (f": {said}" if said else "")]
    lines += [f"  {_field(error)}" for error in wrong if isinstance(error, dict)]
    if retry_after := answer.headers.get("Retry-After"):
        lines.append(f"  again after {retry_after} s")
    if trace_id:
        lines.append(f"  trace {trace_id}")
    return "\n".join(lines)


def _field(error: dict[str, Any]) -> str:
    return f"{error.get('field', '')}: {error.get('detail', '')}"
