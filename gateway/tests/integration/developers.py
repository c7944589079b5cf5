"""A partner's developer in the portal."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import httpx

from .people import Person, hidden


@dataclass
class Developer:
    """Somebody who is signed in and works in the portal."""

    person: Person

    def get(self, path: str = "/portal", **parameters: str) -> httpx.Response:
        """Open a page."""
        return self.person.browser.get(path, params=parameters or None)

    def send(self, page: str, action: str, **fields: Any) -> httpx.Response:
        """Open a page, and send the form there that leads to `action`."""
        return self.person.browser.post(action, data={**form(self.get(page), action), **fields})

    def credentials(self) -> tuple[str, str]:
        """Id and secret of a new application of the sandbox, as the page shows them."""
        return shown(self.send("/portal", "/portal/sandbox"))


def form(page: httpx.Response, action: str) -> dict[str, str]:
    """The hidden fields of the form on a page that leads somewhere."""
    assert page.status_code == 200, page.text
    text = re.search(rf'<form[^>]* action="{re.escape(html.escape(action))}".*?</form>', page.text, re.DOTALL)
    assert text is not None, f"no form leads to {action}"
    return hidden(httpx.Response(200, text=text[0]))


def shown(page: httpx.Response) -> tuple[str, str]:
    """The id and the secret on a page."""
    assert page.status_code == 200, page.text
    found = re.findall(r'<dd class="secret">((?:test|cl|cme)_[^<]+)</dd>', page.text)
    assert len(found) == 2, page.text
    return found[0], found[1]


def code(page: httpx.Response) -> list[str]:
    """The blocks of code on a page, as somebody copies them."""
    return [html.unescape(block) for block in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page.text, re.DOTALL)]


def developer(gateway: Any, *roles: str, **fields: Any) -> Developer:
    """A new person with an account, signed in."""
    person = gateway.person(*(roles or ("developer",)), **fields)
    assert person.sign_in("/login").status_code == 303
    return Developer(person)
