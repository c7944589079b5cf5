"""Safe mode, bounds and the pruned contexts."""

import copy
from typing import Any

import pytest
from credentials.awards.domain import hashed_email
from credentials.jsonld import domain as jsonld
from credentials.jsonld.domain import Canonicaliser, RefusedDocument, canonical, pinned_contexts, screen
from credentials.keys.domain import KeyFileSigner, UnusableKey, did_of


@pytest.fixture
def document(unsigned: dict[str, Any]) -> dict[str, Any]:
    return unsigned


def test_pruned_contexts_give_the_canonical_text_of_the_full_ones(document: dict[str, Any]) -> None:
    fast = Canonicaliser()
    first = fast.canonical(document)
    other = {**document, "id": "https://cme.example/badges/cred_2"}

    assert first == canonical(document)
    assert fast.canonical(other) == canonical(other)
    assert first != fast.canonical(other)


def test_the_fast_way_refuses_what_the_full_one_refuses(document: dict[str, Any]) -> None:
    fast = Canonicaliser()
    fast.canonical(document)
    wrong = copy.deepcopy(document)
    wrong["credentialSubject"]["grade"] = "excellent"

    with pytest.raises(RefusedDocument, match="grade"):
        fast.canonical(wrong)


@pytest.mark.parametrize("term", ["verifiableCredential", "@graph", "@id", "schema:name", "_:b"])
def test_properties_that_hide_statements_are_refused(document: dict[str, Any], term: str) -> None:
    with pytest.raises(RefusedDocument):
        screen({**document, term: "urn:x:y"})


def test_a_second_description_of_the_credential_inside_itself_is_refused(document: dict[str, Any]) -> None:
    document["evidence"].append({"id": document["id"], "type": ["Evidence"], "name": "x"})

    with pytest.raises(RefusedDocument, match="second time"):
        screen(document)


def test_large_deep_and_crowded_documents_are_refused(document: dict[str, Any]) -> None:
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"a": deep}
    for wrong in ({"a": "x" * 300_000}, deep, {"a": [{} for _ in range(3_000)]}):
        with pytest.raises(RefusedDocument):
            screen({**document, **wrong})


def test_a_context_that_was_changed_on_disk_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned_contexts.cache_clear()
    real = jsonld.hashlib.sha256
    monkeypatch.setattr(jsonld.hashlib, "sha256", lambda text: real(text + b" "))

    with pytest.raises(RuntimeError, match="pinned"):
        pinned_contexts()

    monkeypatch.undo()
    pinned_contexts.cache_clear()


def test_the_salted_hash_of_an_address_is_that_of_open_badges() -> None:
    # printf 'a@b.example5a17' | sha256sum
    expected = "433ed6bccabb04d20aa4d3f4c1f66c6f77137360ca6fd9253388fa9fc9429852"
    assert hashed_email("a@b.example", "5a17") == f"sha256${expected}"


@pytest.mark.parametrize(
    ("url", "did"),
    [
        ("https://cme.example", "did:web:cme.example"),
        ("http://127.0.0.1:8800", "did:web:127.0.0.1%3A8800"),
        ("http://127.0.0.1:8800/sandbox", "did:web:127.0.0.1%3A8800:sandbox"),
    ],
)
def test_the_did_names_the_host_and_the_path_of_the_public_address(url: str, did: str) -> None:
    assert did_of(url) == did


@pytest.mark.parametrize("url", ["cme.example", "https://cme.example?x=1", "https://cme.example/#x"])
def test_an_address_that_no_did_document_can_stand_for_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="CME_PUBLIC_URL"):
        did_of(url)


def test_a_file_without_a_key_is_refused_by_name(tmp_path: Any) -> None:
    (tmp_path / "key.pem").write_text("no key")

    for path in (tmp_path / "key.pem", tmp_path / "none.pem"):
        with pytest.raises(UnusableKey, match=path.name):
            KeyFileSigner(path)
