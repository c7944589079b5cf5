"""How long what the authorization server gives out may live, and how hard it is to guess."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import gateway.oauth.domain as lifetimes
from cme_kit.clock import SystemClock
from gateway.clients.service import Clients
from gateway.peppered import Pepper

BITS_OF_A_CHARACTER = 6


def test_codes_requests_and_tokens_live_as_long_as_the_profiles_allow() -> None:
    assert timedelta(seconds=60) >= lifetimes.CODE_LIFETIME  # FAPI 2.0 5.3.2.1-11
    assert timedelta(seconds=5) < lifetimes.PUSHED_LIFETIME < timedelta(seconds=600)  # 5.3.2.2-12
    assert timedelta(minutes=60) >= lifetimes.ACCESS_TOKEN_LIFETIME
    # A refresh token slides to the end of its grant and not beyond (ASVS 10.4.8).
    assert lifetimes.REFRESH_TOKEN_LIFETIME < lifetimes.CONSENT_LIFETIME <= timedelta(days=90)
    # A code is remembered for longer than it lives, so that its second use is noticed.
    assert lifetimes.CODE_MEMORY > lifetimes.CODE_LIFETIME


def test_credentials_hold_enough_chance() -> None:
    nobody: Any = None
    clients = Clients(nobody, Pepper("a pepper of the tests"), nobody, SystemClock())

    made = {clients.new_secret("registrar", None, None) for _ in range(100)}

    assert len(made) == 100
    assert all(len(secret.removeprefix("cme_live_")) * BITS_OF_A_CHARACTER >= 256 for secret in made)
