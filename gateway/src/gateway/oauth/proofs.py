"""What the gateway adds to a proof of possession that holds: it is fresh by our nonce, and it is used once (RFC 9449)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from cme_kit.dpop import Proof

from gateway.peppered import Pepper

#: A nonce holds in the period it was made in and in the next one, seconds.
PERIOD = 120
NONCE_LENGTH = 22
#: Proofs in memory; the oldest are forgotten first, and a proof is too old itself after a minute.
MOST_PROOFS = 100_000


class ProofUse:
    """Nonces that every replica accepts, and the proofs that this process has seen."""

    def __init__(self, pepper: Pepper, clock: Callable[[], float] = time.time) -> None:
        self._pepper = pepper
        self._clock = clock
        self._made: tuple[int, str, str] = (-1, "", "")
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def nonce(self) -> str:
        """The nonce to give out now (RFC 9449 section 8)."""
        return self._nonces()[0]

    def accepts(self, proof: Proof, *, required: bool) -> bool:
        """Whether a proof's nonce is ours and recent; one without is fine unless it is required."""
        return not required if proof.nonce is None else proof.nonce in self._nonces()

    def is_new(self, proof: Proof) -> bool:
        """Whether the proof was not used before, here (RFC 9449 section 11.1)."""
        now = self._clock()
        while self._seen and (len(self._seen) > MOST_PROOFS or next(iter(self._seen.values())) <= now):
            self._seen.popitem(last=False)
        place = (proof.thumbprint, proof.proof_id)
        if place in self._seen:
            return False
        self._seen[place] = proof.expires
        return True

    def _nonces(self) -> tuple[str, str]:
        period = int(self._clock() // PERIOD)
        if self._made[0] != period:
            made = [self._pepper.derive("dpop nonce", str(number))[:NONCE_LENGTH] for number in (period, period - 1)]
            self._made = (period, made[0], made[1])
        return self._made[1:]
