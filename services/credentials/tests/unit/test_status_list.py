import pytest
from credentials.status.domain import LENGTH, BadStatusList, encode_list, is_set
from hypothesis import given
from hypothesis import strategies as st

INDEXES = st.sets(st.integers(0, LENGTH - 1), max_size=50)


@given(INDEXES, st.integers(0, LENGTH - 1))
def test_exactly_the_revoked_places_are_set(revoked: set[int], other: int) -> None:
    encoded = encode_list(revoked)

    assert all(is_set(encoded, index) for index in revoked)
    assert is_set(encoded, other) == (other in revoked)


def test_the_first_place_is_the_leftmost_bit_and_equal_lists_have_equal_text() -> None:
    assert is_set(encode_list([0]), 0)
    assert is_set(encode_list([LENGTH - 1]), LENGTH - 1)
    assert encode_list([5, 3]) == encode_list([3, 5])


@pytest.mark.parametrize("encoded", ["", "x", "u", "uAAAA", "u" + "é" * 4])
def test_what_is_no_list_is_refused(encoded: str) -> None:
    with pytest.raises(BadStatusList):
        is_set(encoded, 0)


@pytest.mark.parametrize("index", [-1, LENGTH])
def test_a_place_outside_the_list_is_refused(index: int) -> None:
    with pytest.raises(BadStatusList):
        is_set(encode_list([]), index)
