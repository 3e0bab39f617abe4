"""The entries of a vocabulary as a tree of their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from composer.heavy import np

if TYPE_CHECKING:
    import numpy.typing as npt

    from composer.engine.group import Group
    from composer.engine.space import Space

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

__all__ = ["ByteTrie", "Node"]


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """The entries that begin with the same `depth` bytes: those from `low` to `high`.

    Those before `longer` are these bytes and no more. The others go on with one of `following`
    [child]; the entries of a child begin at its place in `starts` [child].
    """

    low: int
    high: int
    depth: int
    longer: int
    following: Integers
    starts: Integers

    def masses(self, probabilities: Floats) -> Floats:
        """The probability of each child [child], by those of all entries of the trie [entry]."""
        if not len(self.starts):
            return np.zeros(0)
        return np.add.reduceat(probabilities[self.longer : self.high], self.starts - self.longer)


class ByteTrie:
    """Entries of a space sorted by their bytes, so that those with a common beginning are a range.

    Places in the trie are places in `entries` [place]; entries that write nothing have none. `ends`
    are the entries that end the answer. Nodes are made when they are first reached.
    """

    _by_group: ClassVar[WeakKeyDictionary[Group, ByteTrie]] = WeakKeyDictionary()
    _by_content: ClassVar[WeakValueDictionary[str, ByteTrie]] = WeakValueDictionary()

    def __init__(self, space: Space) -> None:
        pieces = [
            (piece, entry)
            for entry, piece in enumerate(space.pieces)
            if piece and entry not in space.ends
        ]
        pieces.sort()
        self._pieces = [piece for piece, _ in pieces]
        self.entries: Integers = np.array([entry for _, entry in pieces], dtype=np.int64)
        self.ends: Integers = np.array(sorted(space.ends), dtype=np.int64)
        self._lengths: Integers = np.array([len(piece) for piece in self._pieces], dtype=np.int64)
        self._bytes = np.frombuffer(b"".join(self._pieces), dtype=np.uint8)
        self._offsets: Integers = np.cumsum(self._lengths) - self._lengths
        self._nodes: dict[tuple[int, int], Node] = {}
        self.root = self._node(0, len(pieces), 0)

    @classmethod
    def of(cls, group: Group) -> ByteTrie:
        """Return the trie of a group's entries, which is made once for a vocabulary."""
        trie = cls._by_group.get(group)
        if trie is None:
            content = group.space.content
            trie = cls._by_content.get(content) or cls(group.space)
            cls._by_group[group] = cls._by_content[content] = trie
        return trie

    def child(self, node: Node, byte: int) -> Node | None:
        """The node that one more byte leads to; None if no entry goes on with it."""
        place = int(np.searchsorted(node.following, byte))
        if place == len(node.following) or node.following[place] != byte:
            return None
        last = place + 1 == len(node.starts)
        high = node.high if last else int(node.starts[place + 1])
        return self._node(int(node.starts[place]), high, node.depth + 1)

    def path(self, text: bytes) -> list[Node]:
        """The nodes from the root on, as far as the bytes of a text lead."""
        nodes = [self.root]
        for byte in text:
            node = self.child(nodes[-1], byte)
            if node is None:
                break
            nodes.append(node)
        return nodes

    def text(self, node: Node) -> bytes:
        """The bytes with which all entries of a node begin."""
        return self._pieces[node.low][: node.depth] if node.depth else b""

    def _node(self, low: int, high: int, depth: int) -> Node:
        key = low, depth
        if key not in self._nodes:
            self._nodes[key] = self._made(low, high, depth)
        return self._nodes[key]

    def _made(self, low: int, high: int, depth: int) -> Node:
        longer = low + int((self._lengths[low:high] == depth).sum())
        following = self._bytes[self._offsets[longer:high] + depth]
        firsts = np.flatnonzero(np.diff(following, prepend=-1))
        return Node(low, high, depth, longer, following[firsts].astype(np.int64), longer + firsts)
