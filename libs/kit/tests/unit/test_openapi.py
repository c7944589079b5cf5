"""The document says who may call an endpoint, wherever its router was included."""

from typing import Annotated

from cme_kit.auth import Principal, Public, Requires
from cme_kit.http import service_router
from cme_kit.openapi import api_routes, openapi_of
from fastapi import FastAPI


def test_endpoints_of_included_routers_are_listed_with_their_rule() -> None:
    router = service_router("letters", "/letters")

    @router.get("")
    async def listed(_: Annotated[None, Public()]) -> str:
        """Everybody."""
        return ""

    @router.post("")
    async def written(_: Annotated[Principal, Requires("letters:write", "letters:sign")]) -> str:
        """Some."""
        return ""

    app = FastAPI()
    app.include_router(router)

    operations = openapi_of(app)["paths"]["/letters"]

    assert [route.path for route in api_routes(app)] == ["/letters", "/letters"]
    assert operations["get"]["security"] == []
    assert operations["post"]["security"] == [{"oauth2": ["letters:write"]}, {"oauth2": ["letters:sign"]}]
