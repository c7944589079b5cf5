"""A token must be from the issuer and for this API, which need not be the same place."""

import pytest
from cme_kit.auth import TokenVerifier, Unauthenticated
from cme_kit.testing import ISSUER, Tokens

SANDBOX = f"{ISSUER}/sandbox"


def verifier_of(tokens: Tokens, audience: str) -> TokenVerifier:
    async def key_set() -> dict[str, list[object]]:
        return {"keys": [tokens.key.as_dict(private=False)]}

    return TokenVerifier(ISSUER, audience, key_set)


async def test_a_token_for_this_api_from_its_issuer_names_the_caller(tokens: Tokens) -> None:
    principal = await verifier_of(tokens, SANDBOX).verify(tokens.issue("client", "a:read", aud=SANDBOX))

    assert principal.subject == "client"
    assert principal.scopes == {"a:read"}


@pytest.mark.parametrize(
    ("accepted", "named"),
    [(SANDBOX, ISSUER), (ISSUER, SANDBOX), (ISSUER, [ISSUER, SANDBOX]), (SANDBOX, f"{SANDBOX}/"), (SANDBOX, None)],
)
async def test_a_token_for_another_api_of_the_same_issuer_is_refused(
    accepted: str, named: str | list[str] | None, tokens: Tokens
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier_of(tokens, accepted).verify(tokens.issue("client", aud=named))


async def test_the_api_is_not_its_issuer(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        await verifier_of(tokens, SANDBOX).verify(tokens.issue("client", aud=SANDBOX, iss=SANDBOX))
