"""The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1 says the same), SHA-256, for a log that only grows (SPEC LOG-6).

Prior art: RFC 6962 and 9162 for the hashes and proofs; C2SP tlog-tiles for what is stored. A store keeps every
leaf hash and, per *tile level*, the roots of complete subtrees of 256**level leaves; all else is recomputed. A
tree of n leaves so has n / 255 stored nodes, an append writes one of them every 256 leaves, and a root or a proof
reads at most 255 hashes per tile level: O(log n) with that constant.

What is stored is read through one function, ``Tiles``, so that every store shares the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeAlias

HASH_SIZE_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962 §2.1)."""

Tiles: TypeAlias = Callable[[int, int, int], Sequence[bytes]]
"""``(tile_level, start, count)`` -> the roots of that many complete subtrees of 256**tile_level leaves, from the
one with index ``start`` on. Tile level 0 is the leaf hashes themselves."""

Node: TypeAlias = tuple[int, int, bytes]
"""``(tile_level, index, hash)`` of a stored node."""

Proof: TypeAlias = list[bytes]
"""Hashes from the leaf upwards, in the order of RFC 6962 §2.1.1 and §2.1.2."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's bytes, 32 bytes: ``SHA-256(0x00 || data)``."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes: ``SHA-256(0x01 || left || right)``."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of neighbouring complete subtrees of one height; O(len(hashes))."""
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        # RFC 6962 splits at a power of two: a last one without a partner rises as it is.
        alone = row[-1:] if len(row) % 2 else []
        pairs = zip(row[::2], row[1::2], strict=False)
        row = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + alone
    return row[0]


class Frontier:
    """The right edge of a growing tree: per tile level, the hashes that make no whole tile yet.

    It stands for the whole tree when it is appended to. At most 255 hashes a level, so that a copy is cheap.
    """

    __slots__ = ("_rows", "size")

    def __init__(self, size: int = 0, rows: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self._rows = [list(row) for row in rows]

    @classmethod
    def load(cls, tiles: Tiles, size: int) -> Frontier:
        """Return the frontier of a stored tree of ``size`` leaves; O(log size) reads."""
        rows: list[Sequence[bytes]] = []
        while count := size >> TILE_HEIGHT * len(rows):
            left = count % TILE_WIDTH
            rows.append(tiles(len(rows), count - left, left) if left else ())
        return cls(size, rows)

    def copy(self) -> Frontier:
        """Return an independent frontier of the same tree; O(log size)."""
        return Frontier(self.size, self._rows)

    def append(self, leaf: bytes) -> list[Node]:
        """Add one leaf hash: ``extend`` with one."""
        return self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> list[Node]:
        """Add leaf hashes in order; return the tile nodes they completed, level by level from the lowest.

        Amortised O(1) a leaf: one node hash on average, all 255 of a tile when its last leaf comes.
        """
        completed: list[Node] = []
        hashes, count, level = leaves, self.size, 0
        self.size += len(leaves)
        while hashes:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.extend(hashes)
            index, whole = count >> TILE_HEIGHT, len(row) // TILE_WIDTH * TILE_WIDTH
            hashes = [root_of(row[start : start + TILE_WIDTH]) for start in range(0, whole, TILE_WIDTH)]
            del row[:whole]
            count, level = index, level + 1
            completed.extend((level, index + place, node) for place, node in enumerate(hashes))
        return completed

    def root(self) -> bytes:
        """Return the root of the tree; O(log size)."""
        node: list[bytes] = []
        for row in self._rows:
            # A subtree that is not complete stands last, and RFC 6962 splits a row the same with it or without.
            hashes = [*row, *node]
            node = [root_of(hashes)] if hashes else []
        return node[0] if node else EMPTY_ROOT


def root(tiles: Tiles, size: int) -> bytes:
    """Return the root of the first ``size`` leaves, ``EMPTY_ROOT`` for none; O(log size) reads."""
    return _range_root(tiles, 0, size) if size else EMPTY_ROOT


def inclusion_proof(tiles: Tiles, index: int, size: int) -> Proof:
    """Return the audit path of the leaf ``index`` (from 0) in the tree of ``size`` leaves (RFC 6962 §2.1.1).

    Raises:
        ValueError: the leaf is not in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves: give an index below the size")
    proof: Proof = []
    start = 0
    while size > 1:
        split = _split(size)
        if index < start + split:
            proof.append(_range_root(tiles, start + split, size - split))
            size = split
        else:
            proof.append(_range_root(tiles, start, split))
            start, size = start + split, size - split
    return proof[::-1]


def consistency_proof(tiles: Tiles, old_size: int, new_size: int) -> Proof:
    """Return the proof that the tree of ``new_size`` leaves begins with that of ``old_size`` (RFC 6962 §2.1.2).

    Empty when the sizes are equal or the old tree is empty.

    Raises:
        ValueError: the old size is negative or larger than the new one.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"no tree of {old_size} leaves precedes one of {new_size}: the old size comes first")
    if old_size in {0, new_size}:
        return []
    proof: Proof = []
    start, old, size, whole = 0, old_size, new_size, True
    while old != size:
        split = _split(size)
        if old <= split:
            proof.append(_range_root(tiles, start + split, size - split))
            size = split
        else:
            proof.append(_range_root(tiles, start, split))
            start, old, size, whole = start + split, old - split, size - split, False
    if not whole:
        proof.append(_range_root(tiles, start, size))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether ``proof`` shows the leaf hash at ``index`` (from 0) under ``root`` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last = index, size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether ``proof`` shows that the new tree begins with the old one (RFC 9162 §2.1.4.2).

    An empty old tree is the beginning of every tree; that takes no proof (the RFC leaves it out).
    """
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_computed = node_hash(new_computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_computed == old_root and new_computed == new_root


def _split(size: int) -> int:
    """Return the largest power of two below ``size`` (RFC 6962's k), for a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtree(tiles: Tiles, level: int, index: int) -> bytes:
    """Return the root of the complete subtree of 2**level leaves with that index."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    return root_of(tiles(tile_level, index << height, 1 << height))


def _range_root(tiles: Tiles, start: int, size: int) -> bytes:
    """Return the root over ``size`` leaves from ``start``, where RFC 6962 splits a tree: start is aligned to size."""
    right: list[bytes] = []
    while size:
        level = size.bit_length() - 1
        right.append(_subtree(tiles, level, start >> level))
        start, size = start + (1 << level), size - (1 << level)
    node = right.pop()
    while right:
        node = node_hash(right.pop(), node)
    return node
