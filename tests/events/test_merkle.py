"""The tree of RFC 6962 (SPEC LOG-6): its reference vectors, and hypothesis against the RFC's own recursion."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import merkle

# The leaves, roots and proofs that Certificate Transparency's implementations test themselves with.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
H1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
H23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
H4567 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
H4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
H45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
H67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"

INCLUSION = {
    (0, 1): [],
    (0, 8): [H1, H23, H4567],
    (5, 8): [H4, H67, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], H23, H4],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [H1, H23, H4567],
    (6, 8): [H45, H67, ROOTS[4]],
    (2, 5): [H23, H4],
}


class StoredTree:
    """What a store keeps of a tree, and how often it is asked for it."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.levels: list[list[bytes]] = [[]]
        self.frontier = merkle.Frontier()
        self.read = 0
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        self.levels[0].append(leaf)
        for level, index, node in self.frontier.append(leaf):
            if level == len(self.levels):
                self.levels.append([])
            assert index == len(self.levels[level])
            self.levels[level].append(node)

    def tiles(self, level: int, start: int, count: int) -> list[bytes]:
        found = self.levels[level][start : start + count]
        assert len(found) == count
        self.read += count
        return found


@cache
def naive_root(start: int, end: int) -> bytes:
    """RFC 6962 §2.1, word for word, over BIG[start:end]."""
    if end - start < 2:
        return BIG[start] if end > start else sha256(b"").digest()
    k = naive_split(end - start)
    return sha256(b"\x01" + naive_root(start, start + k) + naive_root(start + k, end)).digest()


def naive_path(m: int, start: int, end: int) -> list[bytes]:
    """RFC 6962 §2.1.1, word for word."""
    if end - start == 1:
        return []
    k = naive_split(end - start)
    if m < k:
        return [*naive_path(m, start, start + k), naive_root(start + k, end)]
    return [*naive_path(m - k, start + k, end), naive_root(start, start + k)]


def naive_subproof(m: int, start: int, end: int, whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2, word for word."""
    if m == end - start:
        return [] if whole else [naive_root(start, end)]
    k = naive_split(end - start)
    if m <= k:
        return [*naive_subproof(m, start, start + k, whole), naive_root(start + k, end)]
    return [*naive_subproof(m - k, start + k, end, False), naive_root(start, start + k)]


def naive_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


REFERENCE = StoredTree([merkle.leaf_hash(leaf) for leaf in LEAVES])
BIG = [merkle.leaf_hash(b"%d" % n) for n in range(66_000)]
BIG_TREE = StoredTree(BIG)
sizes = st.integers(1, 1300) | st.sampled_from([65_535, 65_536, 65_537, 65_792, 66_000])


@pytest.mark.parametrize("size", range(9))
def test_reference_roots(size: int) -> None:
    assert merkle.root(REFERENCE.tiles, size).hex() == ROOTS[size]
    assert merkle.Frontier.load(REFERENCE.tiles, size).root().hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_reference_inclusion_proofs(index: int, size: int) -> None:
    proof = merkle.inclusion_proof(REFERENCE.tiles, index, size)
    assert [node.hex() for node in proof] == INCLUSION[index, size]
    assert merkle.verify_inclusion(merkle.leaf_hash(LEAVES[index]), index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_reference_consistency_proofs(old: int, new: int) -> None:
    proof = merkle.consistency_proof(REFERENCE.tiles, old, new)
    assert [node.hex() for node in proof] == CONSISTENCY[old, new]
    assert merkle.verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


def test_every_proof_of_small_trees_is_the_rfc_s() -> None:
    for size in range(1, 21):
        for index in range(size):
            assert merkle.inclusion_proof(BIG_TREE.tiles, index, size) == naive_path(index, 0, size)
        for old in range(1, size + 1):
            assert merkle.consistency_proof(BIG_TREE.tiles, old, size) == naive_subproof(old, 0, size, True)


@settings(deadline=None)
@given(sizes)
def test_roots_are_the_rfc_s(size: int) -> None:
    expected = naive_root(0, size)
    assert merkle.root(BIG_TREE.tiles, size) == expected
    assert merkle.root_of(BIG[:size]) == expected
    assert merkle.Frontier.load(BIG_TREE.tiles, size).root() == expected


@settings(deadline=None)
@given(sizes, st.data())
def test_inclusion_proofs_are_the_rfc_s(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(BIG_TREE.tiles, index, size)
    assert proof == naive_path(index, 0, size)
    assert merkle.verify_inclusion(BIG[index], index, size, proof, naive_root(0, size))


@settings(deadline=None)
@given(sizes, st.data())
def test_consistency_proofs_are_the_rfc_s(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(BIG_TREE.tiles, old, size)
    assert proof == naive_subproof(old, 0, size, True)
    assert merkle.verify_consistency(old, size, naive_root(0, old), naive_root(0, size), proof)


@given(st.integers(2, 40), st.data())
def test_no_other_proof_holds(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(BIG_TREE.tiles, index, size), merkle.root(BIG_TREE.tiles, size)
    wrong = data.draw(st.integers(0, len(proof) - 1))
    forged = [node if at != wrong else sha256(node).digest() for at, node in enumerate(proof)]
    assert not merkle.verify_inclusion(BIG[index], index, size, forged, root)
    assert not merkle.verify_inclusion(BIG[index + 1], index, size, proof, root)
    assert not merkle.verify_inclusion(BIG[index], index, size, proof[:-1], root)
    assert not merkle.verify_inclusion(BIG[index], index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(BIG[index], size, size, proof, root)


@given(st.integers(2, 40), st.data())
def test_no_other_consistency_holds(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    proof = merkle.consistency_proof(BIG_TREE.tiles, old, size)
    first, second = merkle.root(BIG_TREE.tiles, old), merkle.root(BIG_TREE.tiles, size)
    wrong = data.draw(st.integers(0, len(proof) - 1))
    forged = [node if at != wrong else sha256(node).digest() for at, node in enumerate(proof)]
    assert not merkle.verify_consistency(old, size, first, second, forged)
    assert not merkle.verify_consistency(old, size, first, second, proof[:-1])
    assert not merkle.verify_consistency(old, size, first, second, [*proof, first])
    assert not merkle.verify_consistency(old, size, second, first, proof)
    assert not merkle.verify_consistency(size, old, first, second, proof)


def test_consistency_at_the_edges() -> None:
    root = merkle.root(BIG_TREE.tiles, 5)
    assert merkle.consistency_proof(BIG_TREE.tiles, 0, 5) == []
    assert merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, root, [])
    assert not merkle.verify_consistency(0, 5, root, root, [])
    assert merkle.verify_consistency(5, 5, root, root, [])
    assert not merkle.verify_consistency(5, 5, root, root, [root])
    assert not merkle.verify_consistency(3, 5, root, root, [])


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    with pytest.raises(ValueError, match="leaf 5 is not in a tree of 5 leaves"):
        merkle.inclusion_proof(BIG_TREE.tiles, 5, 5)
    with pytest.raises(ValueError, match="no tree of 6 leaves precedes one of 5"):
        merkle.consistency_proof(BIG_TREE.tiles, 6, 5)


@pytest.mark.parametrize("size", [1000, 65_537, 66_000])
def test_a_proof_reads_at_most_255_hashes_per_tile_level(size: int) -> None:
    """LOG-6: O(log n), with the constant of a tile, twice at the ragged edge."""
    for prove in (
        lambda: merkle.root(BIG_TREE.tiles, size),
        lambda: merkle.inclusion_proof(BIG_TREE.tiles, size // 3, size),
        lambda: merkle.consistency_proof(BIG_TREE.tiles, size // 3, size),
    ):
        BIG_TREE.read = 0
        prove()
        levels = 3 if size >= 65_536 else 2
        assert 0 < BIG_TREE.read <= 2 * 255 * levels


def test_a_copied_frontier_grows_alone() -> None:
    frontier = merkle.Frontier()
    for leaf in BIG[:100]:
        frontier.append(leaf)
    copy = frontier.copy()
    copy.append(BIG[100])
    assert (frontier.size, copy.size) == (100, 101)
    assert frontier.root() == naive_root(0, 100)
    assert copy.root() == naive_root(0, 101)
