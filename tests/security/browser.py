"""A person's browser: cookies, redirects and the forms of our pages."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import urljoin

import httpx

MOST_STEPS = 8


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def allow(user: Any, start: str, callback: str) -> str:
    """Open an authorization address, sign in and allow it; the address that the application is called back at."""
    with httpx.Client(timeout=20) as browser:
        url, answer = start, browser.get(start)
        for _ in range(MOST_STEPS):
            if answer.status_code == httpx.codes.SEE_OTHER:
                url = urljoin(url, answer.headers["location"])
                if url.startswith(callback):
                    return url
                answer = browser.get(url)
                continue
            assert answer.status_code == httpx.codes.OK, answer.text
            signing_in = "/login" in url
            filled = {"username": user.username, "password": user.password} if signing_in else {"decision": "allow"}
            url = urljoin(url, "/login" if signing_in else "/consent")
            answer = browser.post(url, data={**hidden(answer.text), **filled})
    raise AssertionError(f"the application is not called back from {start}")
