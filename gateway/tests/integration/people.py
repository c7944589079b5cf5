"""People with browsers, and the code flow as they and an app play it."""

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

CALLBACK = "http://127.0.0.1:5555/callback"


@dataclass
class Person:
    """Somebody with a browser."""

    username: str
    password: str
    subject: str
    browser: httpx.Client

    def login_form(self, page: httpx.Response, **changes: str) -> dict[str, str]:
        """The fields of the sign-in form as this person fills it in."""
        return {"username": self.username, "password": self.password, **hidden(page), **changes}

    def sign_in(self, location: str) -> httpx.Response:
        """Open the sign-in page and send it."""
        page = self.browser.get(location)
        return self.browser.post("/login", data=self.login_form(page))

    def authorize(self, app: str, challenge: str, **changes: str) -> httpx.Response:
        """Open an app's authorization address."""
        parameters = {
            "response_type": "code",
            "client_id": app,
            "redirect_uri": CALLBACK,
            "state": "a state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return self.browser.get("/oauth/authorize", params={k: v for k, v in parameters.items() if v})

    def consent_page(self, app: str, challenge: str, **changes: str) -> httpx.Response:
        """Sign in and arrive at the consent page, or back at the app when it was allowed before."""
        first = self.authorize(app, challenge, **changes)
        if not first.headers.get("location", "").startswith("/login"):
            return first
        back = self.sign_in(first.headers["location"])
        assert back.status_code == 303, back.text
        return self.browser.get(back.headers["location"])

    def allow(self, app: str, challenge: str, **changes: str) -> dict[str, str]:
        """Play the whole flow; the parameters of the redirect."""
        page = self.consent_page(app, challenge, **changes)
        if page.status_code == 303:
            return answer_of(page)
        answer = self.browser.post("/consent", data={**hidden(page), "decision": "allow"})
        assert answer.status_code == 303, answer.text
        return answer_of(answer)

    def tokens(self, app: str, **changes: str) -> dict[str, Any]:
        """Play the whole flow and exchange the code."""
        verifier, challenge = pkce()
        answer = self.allow(app, challenge, **changes)
        token = self.browser.post("/oauth/token", data=exchange(app, answer["code"], verifier))
        assert token.status_code == 200, token.text
        return dict(token.json())


def pkce() -> tuple[str, str]:
    """A verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's last form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    return {name: html.unescape(value) for name, value in found}


def values(text: str, name: str) -> list[str]:
    """The values of all hidden fields with a name."""
    return [html.unescape(value) for value in re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', text)]


def answer_of(redirect: httpx.Response) -> dict[str, str]:
    """The parameters in a redirect's query."""
    return {key: values[0] for key, values in parse_qs(urlsplit(redirect.headers["location"]).query).items()}


def exchange(app: str, code: str, verifier: str) -> dict[str, str]:
    """The form that exchanges a code."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": app,
        "code_verifier": verifier,
    }
