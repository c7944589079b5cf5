"""The sandbox clients and demo users of a local stack, made through the gateway's own API."""

# ruff: noqa: PLC0415 -- an HTTP client and keys are needed at the first start only

import asyncio
import json
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cme_local.errors import StackError
from cme_local.secrets import write_private
from cme_local.stack import Bootstrap, DemoUser, SandboxClient

IDENTITY_SCOPES = ["openid", "profile", "email"]
PEOPLE_SCOPES = [
    *IDENTITY_SCOPES,
    *("enrolment.organisations:write", "enrolment.calls:write", "enrolment.applications:read"),
    *("enrolment.applications:submit", "enrolment.applications:score", "enrolment.selection:write"),
    *("enrolment.offers:answer", "enrolment.agreements:write", "enrolment.agreements:approve"),
    *("enrolment.learners:read", "enrolment.learners:write", "enrolment.people:write", "enrolment.people:erase"),
    *("curriculum.profiles:write", "curriculum.programmes:write", "curriculum.reviews:write"),
    *("curriculum.reviews:comment", "curriculum.offerings:write"),
    *("assessment.plans:write", "assessment.evidence:submit", "assessment.marks:write"),
    *("assessment.credits:validate", "assessment.credits:recognise", "assessment.transcripts:read"),
    *("assessment.appeals:lodge", "assessment.appeals:decide"),
    *("credentials.awards:read", "credentials.awards:revoke"),
    *("outreach.directory:write", "outreach.directory:read", "outreach.consents:write", "outreach.campaigns:write"),
    *("outreach.touchpoints:write", "outreach.touchpoints:confirm", "outreach.labels:write"),
    *("outreach.indicators:read", "operations:read", "operations:write"),
]
READER_SCOPES = [
    *("enrolment.applications:read", "curriculum.catalogue:read", "operations:read"),
    *("credentials.awards:read", "outreach.indicators:read"),
]
#: What a system may do in the sandbox: everything that is not done in a person's name and not the operators' business.
TEST_SCOPES = [
    *("enrolment.organisations:read", "enrolment.organisations:write", "enrolment.calls:write"),
    *("enrolment.applications:read", "enrolment.selection:write", "enrolment.agreements:write"),
    *("enrolment.learners:read", "enrolment.learners:write"),
    *("curriculum.catalogue:read", "curriculum.profiles:write", "curriculum.programmes:write"),
    *("curriculum.reviews:write", "curriculum.offerings:write"),
    *("assessment.plans:write", "assessment.transcripts:read", "credentials.awards:read", "credentials.awards:revoke"),
    *("outreach.directory:read", "outreach.directory:write", "outreach.consents:write", "outreach.campaigns:write"),
    *("outreach.touchpoints:write", "outreach.labels:write", "outreach.indicators:read", "gateway.webhooks:write"),
]

SECRET = "client_secret_basic"
GATEWAY_BACK_WITHIN_S = 10.0

# One fictitious person for each role, with the language the pages greet them in.
PEOPLE = {
    "coordinator": ("Astrid Norling", "sv"),
    "applicant": ("Rasa Petraitytė", "lt"),
    "reader": ("Jonas Brandt", "de"),
    "expert": ("Elina Koskela", "fi"),
    "signatory": ("Mantas Urbonas", "lt"),
    "assessor": ("Henrik Dahl", "sv"),
    "validator": ("Sanna Lehto", "fi"),
    "recogniser": ("Katrin Vogel", "de"),
    "officer": ("Ieva Jonaitienė", "lt"),
    "operator": ("Mikael Strand", "sv"),
    "developer": ("Nora Wikström", "en"),
}


async def provision(api: str, data: Path, bootstrap: Bootstrap) -> tuple[list[SandboxClient], list[DemoUser]]:
    """The stack's clients and users; those that this data directory does not have yet are created.

    What will be asked for is written before it is asked, with its idempotency key: after a crash in
    between, the same request is sent again and the gateway gives the same answer.
    """
    path = data / "sandbox.json"
    plan = _planned(json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})
    if any("answer" not in entry for entry in plan.values()):
        write_private(path, json.dumps(plan, indent=1))
        await _create_missing(api, bootstrap, plan)
        write_private(path, json.dumps(plan, indent=1))
    clients = [_client(e) for e in plan.values() if e["path"].endswith("/clients")]
    users = [_user(e) for e in plan.values() if e["path"].endswith("/accounts")]
    return clients, users


def _planned(known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for body in _client_bodies():
        name = f"client {body['client_id']}"
        if name not in known:
            known[name] = _entry("/gateway/v1/clients", body)
            if "jwt" in body["token_endpoint_auth_method"]:
                public, private = _key_pair(body["client_id"])
                body["jwks"] = {"keys": [public]}
                known[name]["private_jwk"] = private
    for role, (display_name, language) in PEOPLE.items():
        body = {
            "username": role,
            "password": secrets.token_urlsafe(12),
            "display_name": display_name,
            "language": language,
            "roles": [role],
            "organisation_id": None,
        }
        known.setdefault(f"user {role}", _entry("/gateway/v1/accounts", body))
    return known


def _entry(path: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"path": path, "body": body, "idempotency_key": secrets.token_hex(16)}


def _client_bodies() -> list[dict[str, Any]]:
    def body(
        client_id: str,
        name: str,
        method: str,
        grants: list[str],
        scopes: list[str],
        *,
        sandbox: bool = False,
        profile: str = "oauth",
    ) -> dict[str, Any]:
        return {
            "client_id": client_id,
            "name": name,
            # RFC 8252 section 7.3: the port of a loopback redirect is free.
            "redirect_uris": ["http://127.0.0.1/callback"] if "authorization_code" in grants else [],
            "grant_types": grants,
            "token_endpoint_auth_method": method,
            "jwks": None,
            "scopes": scopes,
            "organisation_id": None,
            "sandbox": sandbox,
            "profile": profile,
        }

    machine, code = ["client_credentials"], ["authorization_code", "refresh_token"]
    personal = [scope for scope in PEOPLE_SCOPES if not scope.startswith("operations:")]
    return [
        body("sandbox-secret", "Sandbox with a secret", SECRET, machine, READER_SCOPES),
        body("sandbox-jwt", "Sandbox with a private key", "private_key_jwt", machine, READER_SCOPES),
        body("sandbox-operator", "Operator's tools", SECRET, machine, ["operations:read", "operations:write"]),
        body("sandbox-app", "Sandbox app", "none", code, PEOPLE_SCOPES),
        body("sandbox-web", "Sandbox web application", "private_key_jwt", code, PEOPLE_SCOPES),
        body(
            "sandbox-fapi", "Sandbox of FAPI 2.0", "private_key_jwt", [*code, *machine], PEOPLE_SCOPES, profile="fapi"
        ),
        body(
            "eccp-harvester",
            "Course catalogue harvester",
            "client_secret_basic",
            machine,
            ["curriculum.catalogue:read"],
        ),
        body("test-partner", "A partner's system in the sandbox", SECRET, machine, TEST_SCOPES, sandbox=True),
        body("test-app", "An app in the sandbox", "none", code, personal, sandbox=True),
    ]


def _key_pair(client_id: str) -> tuple[dict[str, str], dict[str, str]]:
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", {"kid": f"{client_id}-1", "alg": "ES256", "use": "sig"})
    return dict(key.as_dict(private=False)), dict(key.as_dict(private=True))  # type: ignore[arg-type]


async def _create_missing(api: str, bootstrap: Bootstrap, plan: dict[str, dict[str, Any]]) -> None:
    import httpx

    async with httpx.AsyncClient(base_url=api, timeout=15, trust_env=False) as http:
        token = await http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": "gateway.clients:write gateway.accounts:write"},
            auth=(bootstrap.client_id, bootstrap.client_secret),
        )
        if token.status_code != HTTPStatus.OK:
            raise StackError(f"The gateway refused the bootstrap client ({token.status_code}): {token.text}")
        http.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

        async def create(name: str, entry: dict[str, Any]) -> None:
            answer = await post_until_answered(http, entry)
            if answer.status_code == HTTPStatus.CONFLICT:
                raise StackError(
                    f"The database already has {name}, but its credentials are not in sandbox.json. "
                    "Use an empty data directory: --data DIR."
                )
            if answer.status_code != HTTPStatus.CREATED:
                raise StackError(f"The gateway refused {name} ({answer.status_code}): {answer.text}")
            entry["answer"] = answer.json()

        await asyncio.gather(*(create(name, entry) for name, entry in plan.items() if "answer" not in entry))


async def post_until_answered(http: Any, entry: dict[str, Any]) -> Any:
    """The answer to an entry's request, sent again with its idempotency key while the gateway restarts.

    Raises:
        StackError: no answer after GATEWAY_BACK_WITHIN_S.
    """
    import httpx

    give_up = time.monotonic() + GATEWAY_BACK_WITHIN_S
    while True:
        try:
            return await http.post(
                entry["path"], json=entry["body"], headers={"Idempotency-Key": entry["idempotency_key"]}
            )
        except httpx.TransportError as failure:
            if time.monotonic() > give_up:
                raise StackError(f"The gateway does not answer {entry['path']}: {failure!r}") from failure
            await asyncio.sleep(0.2)


def _client(entry: dict[str, Any]) -> SandboxClient:
    body = entry["body"]
    return SandboxClient(
        name=body["client_id"],
        client_id=entry["answer"]["client_id"],
        token_endpoint_auth_method=body["token_endpoint_auth_method"],
        grant_types=body["grant_types"],
        scopes=body["scopes"],
        redirect_uris=body["redirect_uris"],
        client_secret=entry["answer"].get("client_secret"),
        private_jwk=entry.get("private_jwk"),
        sandbox=body.get("sandbox", False),
    )


def _user(entry: dict[str, Any]) -> DemoUser:
    body = entry["body"]
    return DemoUser(body["username"], body["password"], body["roles"], entry["answer"]["subject"])
