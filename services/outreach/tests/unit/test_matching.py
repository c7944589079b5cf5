import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outreach.directory.domain import Agreement, Directory, agreement, keys_of, merged_fields, name_keys

BASE = {
    "name": "Älvhamn Fotonikklustret ek. för.",
    "name_en": "Älvhamn Photonics Cluster",
    "country": "SE",
    "website": "https://www.alvhamn-fotonik.example/",
    "nuts2": "SE22",
    "sector": "photonics",
    "members": 41,
    "phone": "+46 11 222333",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "ÄLVHAMN   FOTONIKKLUSTRET"}, Agreement.SAME),
        ({"name": "Aelvhamn Fotonikklustret", "name_en": None}, Agreement.SAME),
        ({"name": "Alvhamn Fotonikklustret AB", "name_en": None}, Agreement.SAME),
        ({"name": "Ã„lvhamn Fotonikklustret", "name_en": None}, Agreement.SAME),
        ({"name": "Älvhamn Photonics Cluster", "website": None}, Agreement.DOUBTFUL),
        ({"name": "Something else", "name_en": "Other", "members": 12}, Agreement.SHARED_DOMAIN),
        ({"name": "Älvhamn Ftoonikklustret", "name_en": None, "members": None}, Agreement.DOUBTFUL),
        (
            {"name": "Älvhamn Fotonikklustret Nord", "name_en": None, "website": "nord.example", "phone": "1"},
            Agreement.NONE,
        ),
        ({"country": "FI"}, Agreement.SHARED_DOMAIN),
    ],
)
def test_two_keys_merge_one_asks_and_a_shared_host_is_neither(changes: dict, expected: Agreement) -> None:
    other = {name: value for name, value in {**BASE, **changes}.items() if value is not None}

    assert agreement(keys_of(BASE), keys_of(other)) is expected
    assert agreement(keys_of(other), keys_of(BASE)) is expected


def test_two_equally_sure_matches_are_a_question() -> None:
    directory = Directory()
    directory.add("clu_1", keys_of(BASE))
    directory.add("clu_2", keys_of(BASE))

    assert directory.best_match(keys_of(BASE)) == (Agreement.DOUBTFUL, "clu_1")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_name_keys_that_do_not_depend_on_case_or_space(name: str) -> None:
    keys = name_keys(name)

    assert name_keys(f"  {name} ") == keys


def test_a_merge_keeps_what_both_sources_say() -> None:
    def field(value: object, source: str) -> dict:
        return {"value": value, "source": source, "obtained_from": None, "recorded_at": "then", "others": []}

    kept = {"name": field("A", "one"), "members": field(3, "one")}
    added = {"name": field("B", "two"), "members": field(3, "two"), "sector": field("ict", "two")}

    merged = merged_fields(kept, added)

    assert merged["name"]["value"] == "A"
    assert [other["value"] for other in merged["name"]["others"]] == ["B"]
    assert merged["members"]["others"] == []
    assert (merged["sector"]["value"], merged["sector"]["source"]) == ("ict", "two")
    assert merged_fields(merged, added) == merged
    assert kept["name"]["others"] == []
