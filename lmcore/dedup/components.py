"""Connected components by union-find, the same whatever the order of the edges."""


class UnionFind:
    """Disjoint sets over 0..n-1; the root of a set is its smallest member.

    Path halving: amortised O(log n) an operation, no recursion.
    """

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, member: int) -> int:
        """Returns the smallest member of the set."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def union(self, a: int, b: int) -> None:
        """Makes the sets of a and b one."""
        a, b = self.find(a), self.find(b)
        self._parent[max(a, b)] = min(a, b)

    def components(self) -> list[list[int]]:
        """Returns the sets, members ascending, in order of their smallest member."""
        members: dict[int, list[int]] = {}
        for member in range(len(self._parent)):
            members.setdefault(self.find(member), []).append(member)
        return list(members.values())
