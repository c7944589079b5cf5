"""Where somebody goes after signing in: our own pages from a fixed list, nowhere else (OWASP ASVS 5.0, 5.1 and 3.7.2)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlencode

AUTHORIZE = "/oauth/authorize?"
PORTAL = "/portal"
HOME = "/account"
#: Visible ASCII, as everything that we send is percent-encoded: no control character, no space.
_OURS = re.compile(r"/(?:oauth/authorize\?|(?:portal|account)(?=[/?]|\Z))[\x21-\x7e]*")
_LONGEST = 8000


def safe_return(target: str) -> str:
    """The target when it is one of our pages, else the account page.

    A path is looked at as a browser may read it: decoded, with a backslash as `/`, with dot segments.
    """
    if len(target) > _LONGEST or not _OURS.fullmatch(target):
        return HOME
    path = unquote(unquote(target.partition("?")[0]))
    odd = "\\" in target or "\\" in path or "//" in path or not path.isprintable()
    return HOME if odd or ".." in path.split("/") or "." in path.split("/") or "#" in target else target


def login_url(return_to: str) -> str:
    """Where somebody signs in and comes back from."""
    return f"/login?{urlencode({'return_to': return_to})}"


def login_hint(return_to: str) -> str:
    """Whom an application expects to sign in (OpenID Connect Core section 3.1.2.1); empty when it does not say."""
    path, _, query = return_to.partition("?")
    hints = parse_qs(query).get("login_hint", []) if f"{path}?" == AUTHORIZE else []
    return hints[0] if len(hints) == 1 and hints[0].isprintable() else ""
