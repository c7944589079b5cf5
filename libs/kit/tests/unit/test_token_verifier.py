"""A token must be from the issuer and for this API, which need not be the same place."""

import asyncio
import base64
from typing import Any

import pytest
from cme_kit.auth import TokenVerifier, Unauthenticated
from cme_kit.problems import Unavailable
from cme_kit.testing import ISSUER, Tokens
from joserfc.jwk import ECKey

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


@pytest.mark.parametrize(
    "header", ['[5,"alg"]', "5", "null", '{"alg":5}', '{"alg":"ES256","kid":"test-key","crit":5}', "{"]
)
async def test_an_odd_header_is_no_token(header: str, tokens: Tokens) -> None:
    encoded = base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()

    with pytest.raises(Unauthenticated):
        await verifier_of(tokens, ISSUER).verify(f"{encoded}.e30.x")


class Published:
    """A key set that changes, or cannot be read."""

    def __init__(self, *keys: Tokens) -> None:
        self.keys, self.asked, self.away = list(keys), 0, False

    async def read(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise TimeoutError
        return {"keys": [tokens.key.as_dict(private=False) for tokens in self.keys]}


async def test_a_key_that_was_withdrawn_counts_no_longer_than_it_is_kept(tokens: Tokens) -> None:
    published = Published(tokens)
    verifier = TokenVerifier(ISSUER, ISSUER, published.read, refetch_seconds=0, keep_seconds=0.05)
    token = tokens.issue("client")
    await verifier.verify(token)

    published.keys = [Tokens()]
    published.keys[0].key = ECKey.generate_key("P-256", {"kid": "the next one"})
    await asyncio.sleep(0.1)
    await verifier.verify(token)  # which begins to read
    await asyncio.sleep(0.01)

    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_while_no_key_can_be_read_not_every_caller_waits_for_it(tokens: Tokens) -> None:
    published = Published(tokens)
    published.away = True
    verifier = TokenVerifier(ISSUER, ISSUER, published.read, refetch_seconds=0.05)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await verifier.verify(tokens.issue("client"))
    assert published.asked == 1

    published.away = False
    await asyncio.sleep(0.1)

    assert (await verifier.verify(tokens.issue("client"))).subject == "client"
