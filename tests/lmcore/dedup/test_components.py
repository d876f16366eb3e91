from hypothesis import given
from hypothesis import strategies as st

from lmcore.dedup.components import UnionFind

EDGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=30)


def naive_components(n: int, edges: list[tuple[int, int]]) -> list[list[int]]:
    """Merges sets until nothing changes."""
    sets = [{i} for i in range(n)]
    for a, b in edges:
        joined = [s for s in sets if a in s or b in s]
        sets = [s for s in sets if s not in joined] + [set().union(*joined)]
    return sorted(sorted(s) for s in sets)


@given(EDGES)
def test_union_find_agrees_with_merging_sets(edges: list[tuple[int, int]]) -> None:
    sets = UnionFind(15)
    for a, b in edges:
        sets.union(a, b)
    assert sets.components() == naive_components(15, edges)
    for component in sets.components():
        assert {sets.find(member) for member in component} == {component[0]}


@given(EDGES, st.randoms())
def test_union_find_does_not_depend_on_edge_order(edges: list[tuple[int, int]], random) -> None:
    shuffled = random.sample(edges, len(edges))
    one, other = UnionFind(15), UnionFind(15)
    for a, b in edges:
        one.union(a, b)
    for a, b in shuffled:
        other.union(b, a)
    assert one.components() == other.components()


def test_union_find_of_a_long_chain_needs_no_recursion() -> None:
    sets = UnionFind(5_000)
    for i in range(4_999, 0, -1):
        sets.union(i, i - 1)
    assert sets.find(4_999) == 0
