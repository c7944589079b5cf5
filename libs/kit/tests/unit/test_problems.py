import httpx
import pytest
import structlog
from cme_kit.problems import install_problem_handlers, problem_response
from fastapi import FastAPI
from pymongo.errors import AutoReconnect, DuplicateKeyError, NetworkTimeout, OperationFailure, PyMongoError


async def answer_to(error: PyMongoError) -> httpx.Response:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.get("/")


def labelled(label: str) -> OperationFailure:
    error = OperationFailure("write conflict", code=112)
    error._add_error_label(label)
    return error


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        NetworkTimeout("timed out"),
        labelled("TransientTransactionError"),
        labelled("UnknownTransactionCommitResult"),
        OperationFailure("internal server error", code=1),
        OperationFailure("No space left on device", code=14031),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_database_that_is_away_asks_to_try_again(error: PyMongoError) -> None:
    answer = await answer_to(error)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["code"] == "unavailable"


async def test_a_broken_rule_of_the_database_is_our_own_error() -> None:
    answer = await answer_to(DuplicateKeyError("E11000 duplicate key"))

    assert answer.status_code == 500
    assert "E11000" not in answer.text


@pytest.mark.parametrize(
    ("status", "logged"), [(401, True), (403, True), (400, True), (429, True), (404, False), (409, False)]
)
def test_a_refusal_that_matters_to_security_leaves_a_line(
    status: int, logged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = structlog.testing.CapturingLogger()
    monkeypatch.setattr("cme_kit.problems.log", log)

    problem_response(status, "some_code", "Some text with a se\ncret.")

    lines = [(call.method_name, call.args, call.kwargs) for call in log.calls]
    assert lines == ([("info", ("refused",), {"status": status, "code": "some_code"})] if logged else [])


async def test_an_unexpected_error_says_nothing_of_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise RuntimeError("password=s3crt at line 7")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "s3crt" not in answer.text
    assert "Traceback" not in answer.text
