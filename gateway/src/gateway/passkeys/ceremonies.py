"""The two ceremonies of Web Authentication (level 3, sections 7.1 and 7.2), by the fido2 library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cme_kit.problems import Unprocessable
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.accounts.domain import Account
from gateway.passkeys.domain import Passkey

#: ES256, EdDSA and, for Windows Hello, RS256.
ALGORITHMS = frozenset({-7, -8, -257})
#: The longest answer: an RSA key and an attestation that a browser did not strip are a third of it.
LONGEST_ANSWER = 16_384
REQUIRED = UserVerificationRequirement.REQUIRED


class PasskeyRefused(Unprocessable):
    """The answer of an authenticator that cannot be accepted."""

    code = "passkey_refused"


@dataclass(frozen=True)
class Created:
    """A new credential."""

    credential_id: str
    credential: bytes
    sign_count: int
    backed_up: bool


@dataclass(frozen=True)
class Asserted:
    """A signature by a known credential."""

    sign_count: int
    backed_up: bool


@dataclass(frozen=True)
class Answer:
    """What a browser sent, with the challenge that it says it answers."""

    fields: Mapping[str, Any]
    challenge: bytes
    credential_id: str
    user_handle: bytes | None


class Ceremonies:
    """Options for browsers, and the verification of what they answer."""

    def __init__(self, relying_party_id: str, origin: str) -> None:
        party = PublicKeyCredentialRpEntity(name="Cluster Manager Education", id=relying_party_id)
        # Exactly our own origin: the library's own rule would take every subdomain's.
        self._server = Fido2Server(
            party, AttestationConveyancePreference.NONE, verify_origin=lambda presented: presented == origin
        )
        known = self._server.allowed_algorithms
        self._server.allowed_algorithms = [parameter for parameter in known if parameter.alg in ALGORITHMS]

    def creation_options(self, account: Account, passkeys: list[Passkey]) -> tuple[dict[str, Any], bytes]:
        """What a browser needs to make a passkey (`PublicKeyCredentialCreationOptionsJSON`), and the challenge in it."""
        user = PublicKeyCredentialUserEntity(
            id=account.subject.encode(), name=account.username, display_name=account.display_name
        )
        options, _ = self._server.register_begin(
            user,
            [AttestedCredentialData(passkey.credential) for passkey in passkeys],
            ResidentKeyRequirement.REQUIRED,
            REQUIRED,
        )
        return _plain(options.public_key), options.public_key.challenge

    def request_options(self) -> tuple[dict[str, Any], bytes]:
        """What a browser needs to use any passkey (`PublicKeyCredentialRequestOptionsJSON`), and the challenge in it."""
        options, _ = self._server.authenticate_begin(user_verification=REQUIRED)
        return _plain(options.public_key), options.public_key.challenge

    def created(self, answer: Answer) -> Created:
        """Verify a new credential. Raises PasskeyRefused."""
        try:
            made = self._server.register_complete(_state(answer), RegistrationResponse.from_dict(answer.fields))
        except Exception as error:
            # A library reads bytes of strangers here: whatever it trips over is a refusal.
            raise _refused() from error
        credential = made.credential_data
        if credential is None or credential.public_key.get(3) not in ALGORITHMS:
            raise _refused()
        return Created(websafe_encode(credential.credential_id), bytes(credential), made.counter, made.is_backed_up())

    def asserted(self, answer: Answer, passkey: Passkey) -> Asserted:
        """Verify a signature. Raises PasskeyRefused."""
        try:
            response = AuthenticationResponse.from_dict(answer.fields)
            self._server.authenticate_complete(_state(answer), [AttestedCredentialData(passkey.credential)], response)
        except Exception as error:
            raise _refused() from error
        data = response.response.authenticator_data
        return Asserted(data.counter, data.is_backed_up())


def read_answer(text: str) -> Answer:
    """An answer as a browser serialises it (`PublicKeyCredential.toJSON()`). Raises PasskeyRefused."""
    try:
        if len(text) > LONGEST_ANSWER:
            raise _refused()
        fields = json.loads(text)
        response = fields["response"]
        client_data = CollectedClientData(websafe_decode(response["clientDataJSON"]))
        if client_data.cross_origin:
            raise _refused()
        handle = response.get("userHandle")
        return Answer(fields, client_data.challenge, str(fields["id"]), websafe_decode(handle) if handle else None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _refused() from error


def _state(answer: Answer) -> dict[str, Any]:
    return {"challenge": websafe_encode(answer.challenge), "user_verification": REQUIRED}


def _plain(options: Any) -> dict[str, Any]:
    return dict(json.loads(json.dumps(dict(options))))


def _refused() -> PasskeyRefused:
    return PasskeyRefused("This passkey could not be checked. Open the page again and try once more.")
