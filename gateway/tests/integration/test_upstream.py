"""Signing in by another provider: a certified one that is not ours (`oidc-provider` from npm), and its refusals."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from cme_kit.testing import Engines, free_port
from joserfc.jwk import ECKey
from pymongo import MongoClient

from .conftest import EchoServer, Gateway, start, stop
from .people import hidden

FOLDER = Path(__file__).parent / "provider"
SECRET = "a secret of the provider's tests: with / and % in it"


@dataclass
class Setting:
    """Two providers, and a gateway that people may sign in to with them."""

    gateway: Gateway
    origin: str
    issuers: list[str]

    def __post_init__(self) -> None:
        self.browsers: list[Browser] = []

    def browser(self) -> Browser:
        """Somebody's browser, signed in nowhere."""
        self.browsers.append(Browser(self))
        return self.browsers[-1]


class Browser:
    """A browser that goes from one server to the other and keeps each one's cookies; the ports keep them apart."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.here = httpx.Client(base_url=setting.gateway.url, timeout=20)
        self.there = httpx.Client(timeout=20)

    def close(self) -> None:
        self.here.close()
        self.there.close()

    def leave(self, provider: str = "eu-login", return_to: str = "/account") -> str:
        """Follow the button of a provider; the address there."""
        answer = self.here.get(f"/login/upstream/{provider}", params={"return_to": return_to})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def authenticate(self, address: str, person: str) -> str:
        """Sign in and consent at the provider; the address to come back to, below our own origin."""
        answer = self.there.get(address)
        for fields in ({"prompt": "login", "login": person, "password": "any"}, {"prompt": "consent"}):
            if (answer := self._follow(answer)).is_redirect:
                break
            action = html.unescape(re.search(r'action="([^"]+)"', answer.text)[1])  # type: ignore[index]
            answer = self.there.post(action, data=fields)
        return self._follow(answer).headers["location"].removeprefix(self.setting.origin)

    def refuse(self, address: str) -> str:
        """Cancel at the provider."""
        page = self._follow(self.there.get(address))
        link = re.search(r'href="([^"]+/abort)"', page.text)
        return self._follow(self.there.get(link[1])).headers["location"].removeprefix(self.setting.origin)  # type: ignore[index]

    def _follow(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and not answer.headers["location"].startswith(self.setting.origin):
            answer = self.there.get(urljoin(str(answer.url), answer.headers["location"]))
        return answer

    def come_back(self, address: str) -> httpx.Response:
        """Open an address of ours."""
        assert address.startswith("/"), address
        return self.here.get(address)

    def sign_in(self, person: str, provider: str = "eu-login", return_to: str = "/account") -> httpx.Response:
        """There and back."""
        return self.come_back(self.authenticate(self.leave(provider, return_to), person))

    def make_account(self) -> httpx.Response:
        """Decide for a new account."""
        page = self.here.get("/login/first")
        return self.here.post("/login/first", data=hidden(page))


def launch(port: int, clients: list[dict[str, Any]]) -> subprocess.Popen[str]:
    arguments = ["node", "provider.mjs", str(port), json.dumps(clients)]
    process = subprocess.Popen(arguments, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
    return process


@pytest.fixture(scope="module")
def running(engines: Engines, echo: EchoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    if not (FOLDER / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.fail(f"Install what this needs: npm ci --prefix {FOLDER}")
    home = tmp_path_factory.mktemp("upstream")
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True)
    (home / "client.json").write_text(json.dumps(key.as_dict(private=True)))
    public = {**key.as_dict(private=False), "kid": key.thumbprint()}
    ports = [free_port(), free_port()]
    issuers = [f"http://127.0.0.1:{port}" for port in ports]
    origin = "http://localhost:9444"

    def client(provider: str, **more: Any) -> dict[str, Any]:
        back = f"{origin}/login/upstream/{provider}/callback"
        usual = {"client_id": "cme", "response_types": ["code"], "grant_types": ["authorization_code"]}
        return {**usual, "redirect_uris": [back], **more}

    by_key = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}
    processes = [
        launch(ports[0], [client("eu-login", client_secret=SECRET)]),
        launch(ports[1], [client("edugain", **by_key, jwks={"keys": [public]})]),
    ]
    secret = {"client_id": "cme", "client_secret": SECRET}
    configured = [
        {"id": "eu-login", "name": "EU Login", "issuer": issuers[0], **secret},
        {
            "id": "edugain",
            "name": "eduGAIN",
            "issuer": issuers[1],
            "client_id": "cme",
            "private_key_file": str(home / "client.json"),
        },
        {"id": "misnamed", "name": "Misnamed", "issuer": f"http://localhost:{ports[0]}", **secret},
        {"id": "away", "name": "Away", "issuer": f"http://127.0.0.1:{free_port()}", **secret},
    ]
    gateway = start(engines, echo.url, home, CME_PUBLIC_URL=origin, CME_UPSTREAM_PROVIDERS=json.dumps(configured))
    setting = Setting(gateway, origin, issuers)
    yield setting
    stop(gateway)
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def setting(running: Setting) -> Iterator[Setting]:
    yield running
    while running.browsers:
        running.browsers.pop().close()
    running.gateway.close_browsers()


def changed(address: str, **changes: str | None) -> str:
    """An address with other parameters."""
    parts = urlsplit(address)
    query = {**dict(parse_qsl(parts.query)), **changes}
    return parts._replace(query=urlencode({key: value for key, value in query.items() if value is not None})).geturl()


def nobody_is_signed_in(browser: Browser) -> bool:
    return browser.here.get("/account").status_code == 303


@pytest.mark.parametrize("provider", ["eu-login", "edugain"])
def test_a_first_sign_in_makes_an_account_if_its_person_wants_one(setting: Setting, provider: str) -> None:
    browser = setting.browser()

    back = browser.sign_in("alice", provider, "/portal/clients")
    page = browser.here.get(back.headers["location"])
    made = browser.make_account()
    account = browser.here.get("/account").text

    assert back.headers["location"] == "/login/first"
    assert "knows you as Alice Andersson" in page.text
    assert made.headers["location"] == "/portal/clients"
    assert 'value="Alice Andersson"' in account
    assert 'id="current_password"' not in account, "there is no password"
    again = setting.browser().sign_in("alice", provider, "/portal")
    assert again.headers["location"] == "/portal"


def test_an_account_made_so_may_do_no_more_than_one_that_was_signed_up(setting: Setting, engines: Engines) -> None:
    browser = setting.browser()
    browser.sign_in("carol")
    browser.make_account()

    with MongoClient[dict[str, Any]](engines.mongo_url) as client:
        (link,) = client.gateway.upstream_links.find({"_id": f"{setting.issuers[0]} carol"})
        (made,) = client.gateway.accounts.find({"_id": link["subject"]})
    assert made["roles"] == ["developer"]
    assert made["organisation_id"] is None
    assert made["username"] == link["subject"]
    assert made["password_hash"] is None


def test_nobody_gets_an_account_of_somebody_with_the_same_name_or_address(setting: Setting) -> None:
    person, browser = setting.gateway.person(), setting.browser()

    back = browser.sign_in(person.username)
    browser.make_account()

    assert back.headers["location"] == "/login/first"
    page = browser.here.get("/account").text
    assert "Known there as" in page
    assert 'id="current_password"' not in page
    assert person.sign_in("/login").status_code == 303


def test_whoever_decides_for_no_account_has_none(setting: Setting) -> None:
    browser = setting.browser()

    browser.sign_in("erik")

    assert nobody_is_signed_in(browser)
    assert setting.browser().sign_in("erik").headers["location"] == "/login/first"


def test_an_identity_makes_one_account_and_what_the_browser_kept_signs_in_no_further(setting: Setting) -> None:
    browser, copied = setting.browser(), setting.browser()
    browser.sign_in("frida")
    for name, value in browser.here.cookies.items():
        copied.here.cookies.set(name, value)

    browser.make_account()
    second = copied.make_account()

    assert second.headers["location"].startswith("/login?")
    assert nobody_is_signed_in(copied)


def test_what_the_browser_keeps_cannot_be_written_by_anybody(setting: Setting) -> None:
    browser = setting.browser()
    browser.sign_in("gerd")
    name = next(name for name in browser.here.cookies if name.endswith("upstream"))
    text, _, tag = browser.here.cookies[name].partition(".")
    fields = json.loads(base64.urlsafe_b64decode(text + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**fields, "sub": "alice"}).encode()).rstrip(b"=").decode()
    browser.here.cookies.clear()
    browser.here.cookies.set(name, f"{forged}.{tag}")

    assert browser.here.get("/login/first").headers["location"].startswith("/login?")


def test_the_request_is_what_the_specifications_want(setting: Setting) -> None:
    query = {key: values[0] for key, values in parse_qs(urlsplit(setting.browser().leave()).query).items()}

    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["scope"] == "openid profile"
    assert query["redirect_uri"] == f"{setting.origin}/login/upstream/eu-login/callback"
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
    assert min(map(len, (query["state"], query["nonce"], query["code_challenge"]))) >= 43


def test_a_person_who_cancels_there_is_told_and_stays_signed_out(setting: Setting) -> None:
    browser = setting.browser()

    answer = browser.come_back(browser.refuse(browser.leave()))

    assert answer.status_code == 403
    assert "You did not sign in there." in answer.text
    assert nobody_is_signed_in(browser)


@pytest.mark.parametrize("changes", [{"nonce": "another"}, {"nonce": None}])
def test_an_id_token_of_another_request_is_refused(setting: Setting, changes: dict[str, str | None]) -> None:
    browser = setting.browser()

    answer = browser.come_back(browser.authenticate(changed(browser.leave(), **changes), "alice"))

    assert answer.status_code == 403
    assert "Who you are could not be confirmed." in answer.text
    assert nobody_is_signed_in(browser)


def test_a_code_challenge_of_somebody_else_is_of_no_use(setting: Setting) -> None:
    browser = setting.browser()
    address = changed(browser.leave(), code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")

    assert browser.come_back(browser.authenticate(address, "alice")).status_code == 403


BACK: dict[str, dict[str, str | None]] = {
    "another state": {"state": "another"},
    "no state": {"state": None},
    "another issuer": {"iss": "http://127.0.0.1:1"},
    "no issuer although it says that it sends it": {"iss": None},
    "another code": {"code": "another"},
    "no code": {"code": None},
    "an odd code": {"code": "\x00\r\n%00" + "x" * 3000},
}


@pytest.mark.parametrize("flaw", BACK)
def test_an_answer_that_is_not_the_providers_signs_nobody_in(setting: Setting, flaw: str) -> None:
    browser = setting.browser()

    answer = browser.come_back(changed(browser.authenticate(browser.leave(), "alice"), **BACK[flaw]))

    assert answer.status_code == 403
    assert nobody_is_signed_in(browser)


def test_an_answer_with_a_repeated_parameter_signs_nobody_in(setting: Setting) -> None:
    browser = setting.browser()
    address = browser.authenticate(browser.leave(), "alice")

    assert browser.come_back(address + "&code=another").status_code == 403


def test_an_answer_works_once_and_in_the_browser_that_asked(setting: Setting) -> None:
    asked, other = setting.browser(), setting.browser()
    other.leave()
    address = asked.authenticate(asked.leave(), "alice")

    stolen = other.come_back(address)
    mine = asked.come_back(address)
    again = asked.come_back(address)

    assert [stolen.status_code, mine.status_code, again.status_code] == [403, 303, 403]


def test_an_answer_of_one_provider_is_not_taken_for_anothers(setting: Setting) -> None:
    browser = setting.browser()
    address = browser.authenticate(browser.leave("eu-login"), "alice")

    answer = browser.come_back(address.replace("/eu-login/", "/edugain/"))

    assert answer.status_code == 403
    assert nobody_is_signed_in(browser)


@pytest.mark.parametrize("provider", ["misnamed", "away"])
def test_a_provider_that_is_away_or_names_itself_otherwise_is_not_used(setting: Setting, provider: str) -> None:
    answer = setting.browser().here.get(f"/login/upstream/{provider}")

    assert answer.status_code == 503
    assert "That provider cannot be reached right now." in answer.text


def test_an_unknown_provider_is_not_there(setting: Setting) -> None:
    browser = setting.browser()

    assert browser.here.get("/login/upstream/nobody").status_code == 404
    assert browser.here.get("/login/upstream/nobody/callback?code=x&state=y").status_code == 403


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_way_back_leads_nowhere_else(setting: Setting, target: str) -> None:
    browser = setting.browser()
    browser.sign_in("hanna", return_to="/account")
    browser.make_account()

    assert setting.browser().sign_in("hanna", return_to=target).headers["location"] == "/account"


def test_a_request_that_no_cookie_holds_is_told_so_before_anybody_goes_anywhere(setting: Setting) -> None:
    browser = setting.browser()

    answer = browser.here.get(
        "/login/upstream/eu-login", params={"return_to": "/oauth/authorize?request=" + "x" * 3_000}
    )

    assert answer.status_code == 400
    assert "request is too long for this way of signing in" in answer.text
    assert "upstream" not in str(answer.headers.get("set-cookie"))


def link(setting: Setting, browser: Browser, identity: str) -> httpx.Response:
    """Link an identity to the account that is signed in."""
    page = browser.here.get("/account")
    answer = browser.here.post("/account/links/eu-login", data={"csrf_token": hidden(page)["csrf_token"]})
    assert answer.status_code == 200, answer.text
    address = html.unescape(re.search(r'class="button" href="([^"]+)"', answer.text)[1])  # type: ignore[index]
    return browser.come_back(browser.authenticate(address, identity))


def local(setting: Setting) -> tuple[Any, Browser]:
    """Somebody with an account and a password, signed in."""
    person, browser = setting.gateway.person(), setting.browser()
    person.browser = browser.here
    person.sign_in("/login")
    return person, browser


def unlink(browser: Browser, issuer: str, sub: str) -> httpx.Response:
    token = hidden(browser.here.get("/account"))["csrf_token"]
    return browser.here.post("/account/links/unlink", data={"csrf_token": token, "issuer": issuer, "sub": sub})


def test_a_signed_in_person_links_an_identity_and_signs_in_with_it(setting: Setting) -> None:
    person, browser = local(setting)

    linked = link(setting, browser, "ida")
    elsewhere = setting.browser()
    back = elsewhere.sign_in("ida")

    assert linked.headers["location"] == "/account?done=linked"
    assert back.headers["location"] == "/account"
    page = elsewhere.here.get("/account").text
    assert person.username in page
    assert '<td data-label="Signed in with"><span>EU Login</span></td>' in page


def test_a_link_that_was_ended_signs_nobody_in(setting: Setting) -> None:
    _, browser = local(setting)
    link(setting, browser, "jan")
    before = setting.browser().sign_in("jan").headers["location"]

    ended = unlink(browser, setting.issuers[0], "jan")

    assert before == "/account"
    assert ended.headers["location"] == "/account?done=unlinked"
    assert setting.browser().sign_in("jan").headers["location"] == "/login/first"


def test_an_identity_belongs_to_one_account(setting: Setting) -> None:
    first, second = local(setting)[1], local(setting)[1]
    link(setting, first, "kari")

    answer = link(setting, second, "kari")

    assert answer.status_code == 409
    assert "That identity belongs to another account here." in answer.text


def test_the_last_way_to_sign_in_is_not_removed(setting: Setting) -> None:
    browser = setting.browser()
    browser.sign_in("lena")
    browser.make_account()

    answer = unlink(browser, setting.issuers[0], "lena")

    assert answer.status_code == 409
    assert setting.browser().sign_in("lena").headers["location"] == "/account"


def test_a_link_that_somebody_else_began_is_not_made(setting: Setting) -> None:
    _, attacker = local(setting)
    person, victim = local(setting)
    page = attacker.here.post(
        "/account/links/eu-login", data={"csrf_token": hidden(attacker.here.get("/account"))["csrf_token"]}
    )
    address = html.unescape(re.search(r'class="button" href="([^"]+)"', page.text)[1])  # type: ignore[index]

    answer = victim.come_back(attacker.authenticate(address, "mallory"))

    assert answer.status_code == 403
    assert "Nothing was linked." in answer.text
    assert setting.browser().sign_in("mallory").headers["location"] == "/login/first"
    assert person.username in victim.here.get("/account").text


def test_linking_needs_a_form_of_ours(setting: Setting) -> None:
    _, browser = local(setting)

    answers = [
        browser.here.post(path, data={"csrf_token": "x", "issuer": "x", "sub": "x"})
        for path in ("/account/links/eu-login", "/account/links/unlink", "/login/first")
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "forged_form")] * 3
