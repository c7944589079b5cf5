"""Who may see the operator's pages: whoever has the stack file, by its token or by a code that it was exchanged for.

Open to all of this machine are: the intake of spans, health, figures, the look of the pages, and the mail catcher,
which stands in for other people's mailboxes and gives no power over the platform.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cme_local.ops.pages import HEADERS, page, problem

COOKIE = "cme_operator"
FORM_TOKEN = "form_token"
CODE_SECONDS = 600.0
SESSION_SECONDS = 12 * 3600.0
#: Codes and sessions that may be open at once; the oldest make room.
MOST = 100
OPEN = ("/v1/traces", "/health/live", "/metrics", "/assets/", "/login", "/mail", "/api/messages")


class Access:
    """The token, the codes that were not used yet, and the open sessions."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._clock = clock
        self._codes: dict[str, float] = {}
        self._sessions: dict[str, float] = {}

    def has_token(self, authorization: str) -> bool:
        """Whether a header carries the stack's token."""
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())

    def new_code(self) -> str:
        """A code for one sign-in within CODE_SECONDS."""
        return self._open(self._codes, CODE_SECONDS)

    def exchange(self, code: str) -> str | None:
        """A session for a code that was not used yet."""
        until = self._codes.pop(code, 0.0)
        return self._open(self._sessions, SESSION_SECONDS) if until > self._clock() else None

    def has_session(self, session: str) -> bool:
        """Whether a session is open."""
        return self._sessions.get(session, 0.0) > self._clock()

    def form_token(self, request: Request) -> str:
        """What a form of this session has to carry: another site cannot know it."""
        session = request.cookies.get(COOKIE, "")
        return hmac.digest(self._token.encode(), f"form {session}".encode(), "sha256").hex()

    def accepts_form(self, request: Request, form: Mapping[str, str]) -> bool:
        """Whether a form is from a page of the same session. A tool's bearer is sent by nobody unasked."""
        if self.has_token(request.headers.get("authorization", "")):
            return True
        return hmac.compare_digest(form.get(FORM_TOKEN, "").encode(), self.form_token(request).encode())

    def _open(self, kept: dict[str, float], seconds: float) -> str:
        if len(kept) >= MOST:
            del kept[next(iter(kept))]
        made = secrets.token_urlsafe(24)
        kept[made] = self._clock() + seconds
        return made


class Guard:
    """ASGI middleware: asks everybody else to sign in."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on who may; tell a person where to sign in and a tool what to send."""
        if scope["type"] != "http" or self._may(scope):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith("/api/") or path.endswith(".json"):
            answer: Response = problem(
                401, "sign_in_needed", "Send the operations_token of the stack file as a bearer."
            )
            answer.headers["WWW-Authenticate"] = "Bearer"
        else:
            answer = page("login.html", 401, here="", refused=False)
        await answer(scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path == "/" or any(path == known or path.startswith(known.rstrip("/") + "/") for known in OPEN):
            return True
        headers = Headers(scope=scope)
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return self._access.has_session(session) or self._access.has_token(headers.get("authorization", ""))


def routes(access: Access) -> list[Route]:
    """Signing in by a code, and getting a code with the token."""

    async def login(request: Request) -> Response:
        # The code leaves the address at once; it is worth nothing after its first use.
        session = access.exchange(request.query_params.get("code", ""))
        if session is None:
            return page("login.html", 401, here="", refused="code" in request.query_params)
        answer = RedirectResponse("/traces", 303, HEADERS)
        answer.set_cookie(COOKIE, session, int(SESSION_SECONDS), httponly=True, samesite="strict")
        return answer

    async def new_code(request: Request) -> Response:
        if not access.has_token(request.headers.get("authorization", "")):
            return problem(401, "sign_in_needed", "Send the operations_token of the stack file as a bearer.")
        return JSONResponse({"code": access.new_code(), "valid_seconds": int(CODE_SECONDS)}, 201)

    return [Route("/login", login), Route("/login/codes", new_code, methods=["POST"])]
