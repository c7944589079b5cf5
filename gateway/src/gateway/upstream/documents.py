"""A provider's published documents: discovery and keys, fetched with limits and kept for an hour."""

from __future__ import annotations

import asyncio
import json
import time
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from cme_kit.problems import ServiceError
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from gateway.upstream.domain import is_safe_url

LONGEST_DOCUMENT = 512 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=8, connect=3)
KEPT_SECONDS = 3600.0
#: An unknown key makes us read the keys again, but not more often than this.
REFETCH_SECONDS = 10.0
log = structlog.get_logger(__name__)


class ProviderUnavailable(ServiceError):
    """A provider that does not answer, or not as OpenID Connect says."""

    code, status = "provider_unavailable", 503


class Metadata(BaseModel):
    """What we need of a provider's metadata (OpenID Connect Discovery section 3, RFC 9207 section 3)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    id_token_signing_alg_values_supported: list[str] = ["RS256"]
    authorization_response_iss_parameter_supported: bool = False

    @field_validator("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_url(value):
            raise ValueError("endpoints are https URLs")
        return value


class Documents:
    """Reads the documents of one provider."""

    def __init__(self, issuer: str, http: aiohttp.ClientSession) -> None:
        self._issuer = issuer
        self._http = http
        self._lock = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._metadata_read = float("-inf")
        self._keys: list[Key] = []
        self._keys_read = float("-inf")

    async def metadata(self) -> Metadata:
        """The provider's metadata. Raises ProviderUnavailable; what was read before is used while it is away."""
        async with self._lock:
            if time.monotonic() - self._metadata_read > KEPT_SECONDS:
                try:
                    self._metadata = await self._read_metadata()
                    self._metadata_read = time.monotonic()
                except ProviderUnavailable:
                    if self._metadata is None:
                        raise
                    # What is known serves on; it is asked again in a while, not by each who signs in.
                    self._metadata_read = time.monotonic() - KEPT_SECONDS + REFETCH_SECONDS
            assert self._metadata is not None
            return self._metadata

    async def key(self, key_id: str | None) -> Key | None:
        """The key with this id, or the only one when none is named. Raises ProviderUnavailable."""
        metadata = await self.metadata()
        async with self._lock:
            age = time.monotonic() - self._keys_read
            if age > KEPT_SECONDS or (self._find(key_id) is None and age > REFETCH_SECONDS):
                try:
                    self._keys = await self._read_keys(metadata.jwks_uri)
                    self._keys_read = time.monotonic()
                except ProviderUnavailable:
                    if not self._keys:
                        raise
                    self._keys_read = time.monotonic() - KEPT_SECONDS + REFETCH_SECONDS
            return self._find(key_id)

    def _find(self, key_id: str | None) -> Key | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == key_id), None)

    async def _read_metadata(self) -> Metadata:
        document = await self.read(self._issuer.removesuffix("/") + "/.well-known/openid-configuration")
        try:
            metadata = Metadata.model_validate(document)
        except ValidationError as error:
            raise self._unavailable("metadata") from error
        # Discovery section 4.3: otherwise somebody else's endpoints would be used in this issuer's name.
        if metadata.issuer != self._issuer:
            raise self._unavailable("issuer of the metadata")
        return metadata

    async def _read_keys(self, address: str) -> list[Key]:
        try:
            keys = KeySet.import_key_set(await self.read(address))
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise self._unavailable("keys") from error
        return [key for key in keys.keys if key.get("use") in (None, "sig")]

    async def read(self, address: str, *, headers: dict[str, str] | None = None, form: str | None = None) -> Any:
        """A JSON document, at most 512 KiB; a redirect is an error. Raises ProviderUnavailable."""
        method = "GET" if form is None else "POST"
        usual = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if form is not None:
            usual["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            async with self._http.request(
                method, address, headers=usual | (headers or {}), data=form, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                body = await answer.content.read(LONGEST_DOCUMENT + 1)
                while len(body) <= LONGEST_DOCUMENT and (more := await answer.content.read(LONGEST_DOCUMENT)):
                    body += more
                if answer.status != HTTPStatus.OK or len(body) > LONGEST_DOCUMENT:
                    raise self._unavailable(f"answer {answer.status} of {len(body)} bytes")
                return json.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise self._unavailable(type(error).__name__) from error

    def _unavailable(self, why: str) -> ProviderUnavailable:
        log.warning("provider unavailable", issuer=self._issuer, why=why)
        return ProviderUnavailable("The provider does not answer as it should. Try again later.")
