"""An endpoint that several kinds of callers may use names the scope of each."""

from collections.abc import Sequence

import pytest
from cme_kit.auth import InsufficientScope, Principal, Requires
from starlette.requests import Request


class Verifier:
    """Takes the token's text for the one scope it was granted."""

    async def admit(
        self, authorization: Sequence[str], _proofs: Sequence[str], _method: str, _path: str
    ) -> tuple[Principal, None]:
        return Principal("per_1", "app", frozenset({authorization[0].partition(" ")[2]})), None


def request_with(scope: str) -> Request:
    app = type("App", (), {"state": type("State", (), {"verifier": Verifier()})})
    headers = [(b"authorization", f"Bearer {scope}".encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": headers, "app": app})


@pytest.mark.parametrize("scope", ["letters:read", "letters:write"])
async def test_one_of_the_named_scopes_is_enough(scope: str) -> None:
    rule = Requires("letters:read", "letters:write").dependency

    principal = await rule(request_with(scope))

    assert principal.may(scope)


async def test_none_of_the_named_scopes_is_refused_and_all_are_named() -> None:
    rule = Requires("letters:read", "letters:write").dependency

    with pytest.raises(InsufficientScope, match="letters:read or letters:write") as refused:
        await rule(request_with("letters:burn"))

    assert refused.value.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="letters:read"'
