"""What makes two directory entries one organisation: keys, agreement, and how fields are merged."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict
from rapidfuzz.distance import OSA

from outreach.addressing.domain import PUBLIC_PROVIDERS
from outreach.fields.domain import fold, repair_mojibake

#: Legal forms at the end of a name, folded; the longest first.
_LEGAL_FORMS = sorted(
    [
        "ab",
        "ek for",
        "ek foer",
        "mtue",
        "oue",
        "ideell forening",
        "ideell foerening",
        "oy",
        "oy ab",
        "ry",
        "uab",
        "vsi",
        "asociacija",
        "e v",
        "ev",
        "gmbh",
        "ggmbh",
        "mtu",
        "ou",
        "sia",
        "biedriba",
        "sp z o o",
        "stowarzyszenie",
        "f m b a",
        "aps",
        "as",
        "sa",
        "a i e",
        "asociacion",
        "association loi 1901",
        "s c a r l",
        "associazione",
        "verein",
        "z s",
        "a s",
    ],
    key=len,
    reverse=True,
)
_TRANSLITERATED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "ß": "ss"})
#: Names this close may be one typing error apart.
CLOSE = 2


class Agreement(StrEnum):
    """What two entries have in common."""

    SAME = "same"  # two independent keys agree
    DOUBTFUL = "doubtful"  # one does; only a person can tell
    SHARED_DOMAIN = "shared_domain"  # one host, two clusters: never one organisation by that alone
    NONE = "none"


@dataclass(frozen=True)
class Keys:
    """What identifies an organisation: names in every spelling, web or mail domain, the whole profile."""

    names: frozenset[str]
    domains: frozenset[str]
    profile: str | None
    country: str | None


@dataclass(frozen=True)
class Value:
    """One field with where it came from."""

    value: Any
    source: str
    obtained_from: str | None
    recorded_at: datetime

    def document(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "value": self.value,
            "source": self.source,
            "obtained_from": self.obtained_from,
            "recorded_at": self.recorded_at,
            "others": [],
        }


def name_keys(*names: str | None) -> frozenset[str]:
    """Every folded spelling of some names, without legal forms."""
    found = set()
    for name in names:
        for spelling in {name or "", repair_mojibake(name or "")}:
            for variant in (fold(spelling), fold(spelling.casefold().translate(_TRANSLITERATED))):
                found.add(_without_legal_form(variant))
    return frozenset(key for key in found if len(key) > 3)  # noqa: PLR2004  (shorter ones are initials)


def _without_legal_form(folded: str) -> str:
    for form in _LEGAL_FORMS:
        if folded.endswith(" " + form):
            return folded[: -len(form) - 1]
    return folded


def web_domain(website: str | None) -> str | None:
    """The registrable part of a web address as we compare it: the host without `www.`."""
    if not website:
        return None
    host = urlsplit(website if "//" in website else f"//{website}").hostname or ""
    host = host.removeprefix("www.").rstrip(".")
    return host if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host) and host not in PUBLIC_PROVIDERS else None


def profile_key(fields: Mapping[str, Any]) -> str | None:
    """Region, sector, size and telephone together, when all are known: two clusters of one host differ in it."""
    parts = [fields.get(name) for name in ("nuts2", "sector", "members", "phone")]
    return "|".join(str(part) for part in parts) if all(parts) else None


def keys_of(fields: Mapping[str, Any], mail_domain: str | None = None) -> Keys:
    """The keys of an entry from its plain field values; a mail domain stands in for a missing website."""
    domain = web_domain(fields.get("website")) or mail_domain
    return Keys(
        names=name_keys(fields.get("name"), fields.get("name_en")),
        domains=frozenset({domain} if domain else ()),
        profile=profile_key(fields),
        country=fields.get("country"),
    )


def agreement(one: Keys, other: Keys) -> Agreement:
    """Whether two entries are one organisation: two agreeing keys make it sure, one makes it a question."""
    if one.country and other.country and one.country != other.country:
        return Agreement.SHARED_DOMAIN if one.domains & other.domains else Agreement.NONE
    domain = bool(one.domains & other.domains)
    name = bool(one.names & other.names)
    profile = one.profile is not None and one.profile == other.profile
    if domain and (name or profile):
        return Agreement.SAME
    if name or profile or (domain and _one_typing_error(one.names, other.names)):
        return Agreement.DOUBTFUL
    return Agreement.SHARED_DOMAIN if domain else Agreement.NONE


def _one_typing_error(some: Iterable[str], others: Iterable[str]) -> bool:
    # Two different sectors are further apart than two signs only by luck (Food, Wood), so this asks, never merges.
    return any(OSA.distance(a, b, score_cutoff=CLOSE) <= CLOSE for a in some for b in others)


_ORDER = (Agreement.SAME, Agreement.DOUBTFUL, Agreement.SHARED_DOMAIN)


class Directory:
    """Entries by their keys, so that a row is compared only with those that share one."""

    def __init__(self) -> None:
        self._entries: dict[str, Keys] = {}
        self._by_key: dict[str, set[str]] = {}

    def add(self, cluster_id: str, keys: Keys) -> None:
        """Add an entry, or widen one by the keys of a merged row."""
        present = self._entries.get(cluster_id)
        known = keys if present is None else united(present, keys)
        self._entries[cluster_id] = known
        for key in _lookups(known):
            self._by_key.setdefault(key, set()).add(cluster_id)

    def keys(self, cluster_id: str) -> Keys:
        """The keys of an entry."""
        return self._entries[cluster_id]

    def best_match(self, keys: Keys) -> tuple[Agreement, str | None]:
        """The entry that agrees most. Two that agree equally and surely are a question for a person."""
        found: dict[Agreement, list[str]] = {}
        for cluster_id in set().union(*(self._by_key.get(key, set()) for key in _lookups(keys))):
            found.setdefault(agreement(keys, self._entries[cluster_id]), []).append(cluster_id)
        for level in _ORDER:
            if ids := sorted(found.get(level, [])):
                return (Agreement.DOUBTFUL if level is Agreement.SAME and len(ids) > 1 else level), ids[0]
        return Agreement.NONE, None


def united(one: Keys, other: Keys) -> Keys:
    """The keys of an entry made of two."""
    return Keys(
        one.names | other.names, one.domains | other.domains, one.profile or other.profile, one.country or other.country
    )


def _lookups(keys: Keys) -> list[str]:
    profile = [f"profile {keys.profile}"] if keys.profile else []
    return [*(f"name {name}" for name in keys.names), *(f"domain {domain}" for domain in keys.domains), *profile]


def merged_fields(kept: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Two entries' fields as one: the kept value stands, a gap is filled, and what differs is kept beside it."""
    merged = {name: dict(field) for name, field in kept.items()}
    for name, field in added.items():
        present = merged.get(name)
        if present is None:
            merged[name] = dict(field)
        elif present["value"] != field["value"] and all(
            field["value"] != other["value"] for other in present["others"]
        ):
            beside = {key: field[key] for key in ("value", "source", "obtained_from", "recorded_at")}
            present["others"] = [*present["others"], beside, *field["others"]]
    return merged


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The bare values of fields with provenance."""
    return {name: field["value"] for name, field in fields.items()}


class Cluster(BaseModel):
    """A cluster organisation; `fields` holds each value with its source."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cluster_id: str
    fields: dict[str, dict[str, Any]]
    external_ids: list[str] = []
    organisation_ids: list[str] = []
    domains: list[str] = []
    name_keys: list[str] = []
    profile: str | None = None
    merged_into: str | None = None
    revision: int = 1
    created_at: datetime

    @property
    def name(self) -> str:
        """The name it is known by."""
        return str(self.fields["name"]["value"])

    @property
    def country(self) -> str | None:
        """ISO 3166-1 alpha-2, None while unknown."""
        return self.fields["country"]["value"] if "country" in self.fields else None

    @property
    def keys(self) -> Keys:
        """What identifies it."""
        return Keys(frozenset(self.name_keys), frozenset(self.domains), self.profile, self.country)


def new_cluster(
    cluster_id: str,
    fields: Mapping[str, dict[str, Any]],
    keys: Keys,
    *,
    external_ids: Collection[str],
    created_at: datetime,
    organisation_ids: Collection[str] = (),
) -> Cluster:
    """An entry with its keys."""
    return Cluster(
        cluster_id=cluster_id,
        fields=dict(fields),
        external_ids=sorted(set(external_ids)),
        organisation_ids=sorted(set(organisation_ids)),
        domains=sorted(keys.domains),
        name_keys=sorted(keys.names),
        profile=keys.profile,
        created_at=created_at,
    )


def directory_of(clusters: Mapping[str, Cluster]) -> Directory:
    """The entries as something to match against."""
    directory = Directory()
    for cluster_id, cluster in clusters.items():
        directory.add(cluster_id, cluster.keys)
    return directory


def rekeyed(cluster: Cluster, fields: Mapping[str, dict[str, Any]], added: Keys) -> Cluster:
    """An entry with merged fields and the keys of both."""
    own = keys_of(plain(fields))
    return cluster.model_copy(
        update={
            "fields": dict(fields),
            "name_keys": sorted({*cluster.name_keys, *added.names, *own.names}),
            "domains": sorted({*cluster.domains, *added.domains, *own.domains}),
            "profile": own.profile or cluster.profile or added.profile,
        }
    )
