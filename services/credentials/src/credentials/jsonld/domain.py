"""From a JSON-LD document to its canonical N-Quads (RDFC-1.0), refusing whatever a signature would not cover.

pyoxigraph drops terms that no context defines, and then a signature does not cover them. So a document is read with
a context in front of its own that maps every undefined term to `urn:undefined:…`, and a base that marks relative
addresses: when either shows up in the statements, the document is refused and the term named.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pyoxigraph

Json = dict[str, Any]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_OBJECTS = 2_000
MAX_BLANK_NODES = 1_000
#: Blank nodes that look alike make RDFC-1.0 try their orders, which grows exponentially (RDFC-1.0 section 7.1).
MAX_ALIKE = 8
UNDEFINED = "urn:undefined:"
RELATIVE = "urn:relative:/"
VALUE_KEYWORDS = frozenset({"@value", "@language"})


class RefusedDocument(ValueError):
    """A document that cannot be signed or verified as a whole; the message says why."""


@cache
def pinned_contexts() -> Mapping[str, Any]:
    """The bundled contexts by their address, each checked against its SHA-256."""
    folder = files(__package__) / "contexts"
    index: dict[str, dict[str, str]] = json.loads((folder / "index.json").read_bytes())
    contexts = {}
    for url, pinned in index.items():
        text = (folder / pinned["file"]).read_bytes()
        if hashlib.sha256(text).hexdigest() != pinned["sha256"]:
            raise RuntimeError(f"{pinned['file']} is not the file that was pinned for {url}")
        contexts[url] = json.loads(text)["@context"]
    return contexts


def context_file(url: str) -> bytes:
    """The bytes of a pinned context, for other software that brings its own loader."""
    folder = files(__package__) / "contexts"
    index: dict[str, dict[str, str]] = json.loads((folder / "index.json").read_bytes())
    return (folder / index[url]["file"]).read_bytes()


def as_list(value: Any) -> list[Any]:
    """JSON-LD lets one value stand for a list of one."""
    return value if isinstance(value, list) else [value]


def screen(document: Json) -> None:
    """Bound a document before any processing. Raises RefusedDocument.

    Keywords, inline contexts and addresses used as keys are refused: they let the same statements be written so that
    a reader of the JSON sees something else than what was signed.
    """
    if len(json.dumps(document, ensure_ascii=False).encode()) > MAX_BYTES:
        raise RefusedDocument(f"The document is larger than {MAX_BYTES // 1024} KiB.")
    own_id = document.get("id")
    for objects, (depth, value) in enumerate(_objects(document, 1), 1):
        if depth > MAX_DEPTH or objects > MAX_OBJECTS:
            raise RefusedDocument("The document is nested too deeply or has too many parts.")
        if depth > 1 and own_id is not None and value.get("id") == own_id and len(value) > 1:
            raise RefusedDocument("The document describes itself a second time inside.")
        _screen_object(value)


def _objects(value: Any, depth: int) -> Iterator[tuple[int, Json]]:
    if isinstance(value, dict):
        yield depth, value
        if depth <= MAX_DEPTH:
            for key, member in value.items():
                if key != "@context":
                    yield from _objects(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _objects(member, depth)


def _screen_object(value: Json) -> None:
    keywords = {key for key in value if key.startswith("@") and key != "@context"}
    if keywords and not (keywords <= VALUE_KEYWORDS and set(value) == keywords):
        raise RefusedDocument(f"The keyword {min(keywords)} is not accepted here.")
    if foreign := next((key for key in value if ":" in key or key == "verifiableCredential"), None):
        raise RefusedDocument(f"The property {foreign} is not accepted: use the terms of the contexts.")
    for context in as_list(value.get("@context", [])):
        if not isinstance(context, str):
            raise RefusedDocument("Contexts that are written inside the document are not accepted.")
        if context not in pinned_contexts():
            raise RefusedDocument(f"The context {context} is not one of those that are bundled here.")
    for name in as_list(value.get("id", [])):
        if not isinstance(name, str) or name.startswith("_:"):
            raise RefusedDocument("An id has to be an absolute address.")


def _inlined(value: Any, contexts: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(member, contexts) for member in value]
    if not isinstance(value, dict):
        return value
    inlined = {key: _inlined(member, contexts) for key, member in value.items() if key != "@context"}
    if "@context" in value:
        inlined["@context"] = [
            definition for url in as_list(value["@context"]) for definition in as_list(contexts[url])
        ]
    return inlined


def statements(document: Json, contexts: Mapping[str, Any] | None = None) -> list[pyoxigraph.Quad]:
    """What a document states, as RDF. Raises RefusedDocument when a part of it would be lost."""
    inlined = _inlined(document, contexts or pinned_contexts())
    inlined["@context"] = [{"@vocab": UNDEFINED}, *inlined.get("@context", [])]
    try:
        quads = list(pyoxigraph.parse(json.dumps(inlined), pyoxigraph.RdfFormat.JSON_LD, base_iri=RELATIVE))
    except (SyntaxError, ValueError) as error:
        raise RefusedDocument(f"This is no JSON-LD: {str(error)[:200]}") from error
    named = {
        term.value
        for quad in quads
        for term in (quad.subject, quad.predicate, quad.object)
        if isinstance(term, pyoxigraph.NamedNode)
    }
    _refuse_what_would_be_lost(document, named)
    return quads


def _refuse_what_would_be_lost(document: Json, named: set[str]) -> None:
    for address in named:
        if address.startswith(UNDEFINED):
            raise RefusedDocument(f"{address.removeprefix(UNDEFINED) or 'An empty name'} is defined by no context.")
        if address.startswith(RELATIVE):
            raise RefusedDocument(f"{address.removeprefix(RELATIVE)} is not an absolute address.")
    for _, value in _objects(document, 1):
        # An address with characters that no IRI has is dropped by the parser together with its statements.
        for name in as_list(value.get("id", [])):
            if name not in named:
                raise RefusedDocument(f"{name} is not an address that can be signed.")


def _bound_canonicalisation(quads: list[pyoxigraph.Quad]) -> None:
    """Refuse graphs whose canonical order would be expensive to find. Raises RefusedDocument."""
    looks: dict[str, list[str]] = {}
    for quad in quads:
        for term, other in ((quad.subject, quad.object), (quad.object, quad.subject)):
            if isinstance(term, pyoxigraph.BlankNode):
                seen = "_:" if isinstance(other, pyoxigraph.BlankNode) else str(other)
                looks.setdefault(term.value, []).append(f"{term is quad.subject} {quad.predicate} {seen}")
    if len(looks) > MAX_BLANK_NODES:
        raise RefusedDocument("The document has too many parts without an id.")
    alike = Counter(tuple(sorted(look)) for look in looks.values())
    if sum(count for count in alike.values() if count > 1) > MAX_ALIKE:
        raise RefusedDocument("The document has too many parts that look alike.")


def canonical(document: Json, contexts: Mapping[str, Any] | None = None) -> str:
    """The canonical N-Quads of a screened document (RDFC-1.0 section 4.4). Raises RefusedDocument."""
    quads = statements(document, contexts)
    _bound_canonicalisation(quads)
    dataset = pyoxigraph.Dataset(quads)
    dataset.canonicalize(pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0)
    return "".join(sorted(_line(quad) for quad in dataset))


def _line(quad: pyoxigraph.Quad) -> str:
    return f"{quad} .\n"


_WORD = re.compile(r"^[^:/\s]+$")


def _words(value: Any) -> Iterator[str]:
    """Every key and every single-word text of a document: whatever could be a term."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _words(member)
    elif isinstance(value, list):
        for member in value:
            yield from _words(member)
    elif isinstance(value, str) and _WORD.match(value):
        yield value


def _pruned(definition: Any, words: frozenset[str]) -> Any:
    if isinstance(definition, list):
        return [_pruned(member, words) for member in definition]
    if not isinstance(definition, dict):
        return definition
    kept = {}
    for term, meaning in definition.items():
        if not term.startswith("@") and term not in words:
            continue
        nested = isinstance(meaning, dict) and "@context" in meaning
        kept[term] = {**meaning, "@context": _pruned(meaning["@context"], words)} if nested else meaning
    return kept


class Canonicaliser:
    """Canonicalises documents of our own making fast.

    Parsing contexts is most of the work (2.3 of 3.8 ms), and each kind of document uses a small part of them. The
    pruned contexts of a kind are used only after they gave the same canonical text as the full ones.
    """

    def __init__(self) -> None:
        self._pruned: dict[frozenset[str], Mapping[str, Any]] = {}

    def canonical(self, document: Json) -> str:
        """The canonical N-Quads of a document that is safe to sign. Raises RefusedDocument."""
        screen(document)
        urls = tuple(as_list(document["@context"]))
        words = _terms(urls).intersection(_words(document))
        if (pruned := self._pruned.get(words)) is not None:
            return canonical(document, pruned)
        pruned = {url: _pruned(pinned_contexts()[url], words | {"id", "type"}) for url in urls}
        full = canonical(document)
        if canonical(document, pruned) != full:
            raise RuntimeError("pruning the contexts changes what the document states")
        self._pruned[words] = pruned
        return full


@cache
def _terms(urls: tuple[str, ...]) -> frozenset[str]:
    """Every word that some level of these contexts defines."""
    return frozenset(_all_terms([pinned_contexts()[url] for url in urls]))


def _all_terms(definition: Any) -> Iterator[str]:
    if isinstance(definition, list):
        for member in definition:
            yield from _all_terms(member)
    elif isinstance(definition, dict):
        for key, member in definition.items():
            yield key
            yield from _all_terms(member)
