import httpx
import pytest
from cme_kit.problems import install_problem_handlers
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
