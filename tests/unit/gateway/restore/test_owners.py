from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.restore.owners import Held, Owner


@given(taken=st.lists(st.tuples(st.sampled_from(["a", "b", "", None]), st.integers(1, 9)), max_size=20))
def test_what_all_hold_is_the_sum_of_what_each_holds_and_is_given_back_whole(
    taken: list[tuple[Owner, int]],
) -> None:
    held, expected = Held(), Counter[Owner]()
    for owner, amount in taken:
        held.add(owner, amount)
        expected[owner] += amount
        assert {one: held.of(one) for one in held.owners()} == expected
        assert held.total == expected.total()
    for owner, amount in reversed(taken):
        held.add(owner, -amount)
    assert (held.total, held.owners()) == (0, [])
    assert held.of("a") == 0
    assert held.owners() == [], "to ask makes nobody an owner"
