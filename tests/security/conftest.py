"""The demonstration's stack as OAuth clients see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from cme_local.stack import DemoUser, Stack

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass
class OAuthStack:
    """Where to play, as whom, with which clients."""

    issuer: str
    clients: dict[str, dict[str, Any]]
    user: DemoUser
    #: A path of the API that every client here may read.
    resource: str = "/curriculum/v1/catalogue/changes"


@pytest.fixture(scope="session")
def oauth(demo: Any) -> OAuthStack:
    """The stack's own clients, and one that may exchange tokens."""
    stack = Stack.of_running(demo.stack_file.parent)
    clients = {c.name: {name: value for name, value in vars(c).items() if value is not None} for c in stack.clients}
    clients["exchanger"] = _exchanger(stack)
    return OAuthStack(stack.issuer, clients, stack.user("applicant"))


def _exchanger(stack: Stack) -> dict[str, Any]:
    with httpx.Client(base_url=stack.api, timeout=20) as http:
        own = (stack.bootstrap.client_id, stack.bootstrap.client_secret)
        token = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=own).json()["access_token"]
        body = {
            "name": "A client that narrows its tokens",
            "grant_types": ["client_credentials", EXCHANGE],
            "token_endpoint_auth_method": "client_secret_basic",
            "scopes": ["curriculum.catalogue:read", "enrolment.applications:read"],
        }
        made = http.post("/gateway/v1/clients", json=body, headers={"Authorization": f"Bearer {token}"})
        assert made.status_code == 201, made.text
        return dict(made.json())
