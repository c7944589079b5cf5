"""The API of a platform in use answers as its document says, to what callers send and to what nobody should."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest
import schemathesis

from ..demo_runs import DemoRun  # noqa: TID252 -- the folders of tests are no packages
from .fuzzing.callers import Callers
from .fuzzing.known_values import save
from .fuzzing.reading import Reading

FUZZING = Path(__file__).parent / "fuzzing"
#: How many requests are made up for each operation; a longer run is asked for by the environment.
EXAMPLES = os.environ.get("CME_FUZZ_EXAMPLES", "1")
LONG = "CME_FUZZ_EXAMPLES" in os.environ
#: What the kit gives every service, and one of them shows, unless there is time for all.
REPEATED = r"^/(assessment|credentials|curriculum|outreach|gateway)/v1/operations/"
SEED = os.environ.get("CME_FUZZ_SEED", "20261127")
#: Who reads everything is registered for it.
pytestmark = [pytest.mark.timeout(3600), pytest.mark.changes_the_demo]

#: What the pilot year does not have, or what no answer names; the tests of each service read them.
NOT_READ = {
    *(f"{service}.operations_show_dead_letter" for service in ("assessment", "credentials", "curriculum", "enrolment")),
    *("outreach.operations_show_dead_letter", "gateway.operations_show_dead_letter"),
    # A webhook needs an address on the Internet.
    *("gateway.webhooks_listen", "gateway.webhooks_read", "gateway.webhooks_read_replay"),
    *("gateway.webhooks_list_deliveries", "gateway.webhooks_read_delivery"),
    # Their tokens are in mails only, and consents are read of contacts that are not listed with an id of their own.
    *("outreach.answers_show_interest", "outreach.answers_show_unsubscribe", "outreach.consents_list_consents"),
    # Addresses that stand as such in a badge or a record.
    *("credentials.badges_badge_image", "credentials.badges_achievement_image", "credentials.verification_status_list"),
    *("curriculum.programmes_get_version", "assessment.transcripts_read_progress", "enrolment.offers_read_offer"),
}


@pytest.fixture(scope="module")
def reading(demo: DemoRun) -> Reading:
    schema = schemathesis.openapi.from_url(f"{demo.stack()['api']}/openapi.json")
    walked = Reading(schema, Callers(demo.folder / "data"))
    walked.walk()
    return walked


def test_whatever_links_lead_to_is_read_and_is_as_documented(reading: Reading) -> None:
    assert reading.failures == []
    assert reading.unread <= NOT_READ <= set(reading.answers)
    assert sum(len(answers) for answers in reading.answers.values()) > 100


def test_made_up_requests_get_documented_answers_and_none_fails(
    demo: DemoRun, reading: Reading, tmp_path: Path
) -> None:
    """Schemathesis in all its phases, and every check of it but those that its configuration names with a reason.

    For a longer run: `CME_FUZZ_EXAMPLES=50 CME_FUZZ_SEED=7 ./cme test tests/contract/test_conformance.py`.
    """
    known_values = tmp_path / "known_values.json"
    save(reading.values, known_values)
    environment = {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(FUZZING),
        "CONTRACT_STACK": str(demo.folder / "data"),
        "CONTRACT_KNOWN_VALUES": str(known_values),
        **({} if LONG else {"CONTRACT_SHORT": "1"}),
    }

    done = subprocess.run(
        [
            *(Path(sysconfig.get_path("scripts")) / "st", "--config-file", FUZZING / "schemathesis.toml", "run"),
            *(f"{demo.stack()['api']}/openapi.json", "--seed", SEED, "--max-examples", EXAMPLES),
            *(() if LONG else ("--exclude-path-regex", REPEATED)),
            # Failures are as they were met: to shrink them takes longer than to find them.
            *("--no-shrink", "--continue-on-failure", "--warnings", "off"),
            *("--report", "json", "--report-json-path", tmp_path / "report.json"),
        ],
        env=os.environ | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert json.loads((tmp_path / "report.json").read_text())
