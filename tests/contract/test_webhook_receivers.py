"""The lines of docs/webhooks.md, run as they stand, verify what the gateway signs."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cme_contracts import event_type_of
from cme_contracts.enrolment import LearnerEnrolled
from cme_contracts.examples import example_of
from gateway.peppered import Pepper
from gateway.webhooks.domain import Signing
from gateway.webhooks.signing import Keys, shown_secret

ROOT = Path(__file__).resolve().parents[2]
JS = Path(__file__).parent / "js"
BLOCKS = re.compile(r"^(?P<title>[^\n]+):\n\n```(?:python|js)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTED = {m["title"]: m["code"] for m in BLOCKS.finditer((ROOT / "docs/webhooks.md").read_text(encoding="utf-8"))}
KEY = b"0123456789abcdef0123456789abcdef"
Verify = Callable[[str, dict[str, str], bytes], Any]


def in_python(title: str) -> Verify:
    names: dict[str, Any] = {}
    exec(DOCUMENTED[title], names)  # the lines that partners copy
    verify: Verify = names["verify"]
    return verify


def in_javascript(title: str) -> Verify:
    if not (JS / "node_modules").is_dir():
        pytest.fail("Its packages are not installed: run `npm ci --prefix tests/contract/js`")
    reading = "const [key, headers, body] = JSON.parse(process.argv[1]);\n"
    calling = "console.log(JSON.stringify(verify(key, headers, Buffer.from(body))));\n"

    def verify(key: str, headers: dict[str, str], body: bytes) -> Any:
        given = json.dumps([key, headers, body.decode()])
        code = DOCUMENTED[title] + reading + calling
        run = subprocess.run(
            ["node", "--input-type=module", "-e", code, given], cwd=JS, capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise ValueError(run.stderr)
        return json.loads(run.stdout)

    return verify


KINDS = [
    ("Python, key pair (needs `cryptography`)", Signing.ASYMMETRIC, in_python),
    ("Python, shared secret (needs `standardwebhooks`)", Signing.SYMMETRIC, in_python),
    ("JavaScript, key pair (Node.js alone)", Signing.ASYMMETRIC, in_javascript),
    ("JavaScript, shared secret (needs `standardwebhooks`)", Signing.SYMMETRIC, in_javascript),
]


@pytest.mark.parametrize(("title", "signing", "language"), KINDS, ids=[title for title, *_ in KINDS])
def test_the_documented_lines_verify_a_delivery_and_refuse_every_other(
    title: str, signing: Signing, language: Callable[[str], Verify]
) -> None:
    verify, keys, now = language(title), Keys(Pepper("a pepper of the tests")), datetime.now(UTC)
    event = example_of(event_type_of(LearnerEnrolled), at=now).model_copy(update={"subject": "enr_ąžuolas"})
    body = event.model_dump_json(exclude_none=True)
    used, next_one = (keys.make("hook_1", signing, key, now) for key in (KEY, KEY[::-1]))
    shown = used.public if signing is Signing.ASYMMETRIC else shown_secret(KEY)
    assert shown is not None
    # Within a day after a rotation: the newer one's signature comes first.
    headers = keys.headers("hook_1", [used, next_one], str(event.id), body, now)
    others = keys.headers("hook_1", [next_one], str(event.id), body, now)
    old = keys.headers("hook_1", [used], str(event.id), body, now - timedelta(minutes=6))

    assert verify(shown, headers, body.encode()) == json.loads(body)
    for wrong_headers, wrong_body in (
        (headers, body.replace("enr_", "ens_", 1)),
        (others, body),
        (old, body),
        (headers | {"webhook-id": "019ac4a2-8d00-7000-8000-000000000002"}, body),
        (headers | {"webhook-timestamp": str(int(time.time()) + 1)}, body),
    ):
        with pytest.raises(Exception, match=r"\w"):
            verify(shown, wrong_headers, wrong_body.encode())
