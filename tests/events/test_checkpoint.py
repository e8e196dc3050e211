"""C2SP checkpoints and proofs (SPEC LOG-6): the published examples, round trips, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import merkle
from events.checkpoint import Checkpoint, ConsistencyProof, InclusionProof
from events.notes import Note, NoteError, SignerKey
from tests.events.test_merkle import BIG_TREE, LEAVES, REFERENCE, ROOTS

# The example of c2sp.org/tlog-checkpoint.
PUBLISHED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
# The example of c2sp.org/tlog-witness, its hashes and checkpoint.
WITNESSED = (
    "old 20852014\n"
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n" + PUBLISHED
)
SIGNER = SignerKey("acme.example/hub", bytes(range(32)))
ORIGIN = "5eed" * 8
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def head(size: int) -> Note:
    return Note(str(Checkpoint(ORIGIN, size, merkle.root(BIG_TREE.tiles, size)))).signed(SIGNER)


def test_log_6_the_published_checkpoint_is_read_and_written_back() -> None:
    note = Note.parse(PUBLISHED)
    checkpoint = Checkpoint.parse(note.text)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()[:8], checkpoint.extensions) == (
        "example.com/behind-the-sofa",
        20_852_163,
        "0ac5186a",
        (),
    )
    assert str(checkpoint) == note.text


def test_extension_lines_are_kept() -> None:
    text = f"origin\n0\n{ROOT}\nmore\neven more\n"
    assert Checkpoint.parse(text).extensions == ("more", "even more")
    assert str(Checkpoint.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n1\n",
        f"\n1\n{ROOT}\n",
        f"origin\n1\n{ROOT}",
        f"origin\n1\n{ROOT}\n\n",
        f"origin\n1\n{ROOT}\n\nmore\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n1 \n{ROOT}\n",
        f"origin\n١\n{ROOT}\n",
        f"origin\n{1 << 63}\n{ROOT}\n",
        f"origin\n{'9' * 5000}\n{ROOT}\n",
        f"origin\n1\n{ROOT[:-1]}\n",
        f"origin\n1\n{ROOT[:40]}\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError, match="no checkpoint"):
        Checkpoint.parse(text)


@given(st.integers(1, 66_000), st.data())
def test_log_6_an_inclusion_proof_survives_writing_and_holds_for_its_leaf_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf = b"%d" % index
    path = tuple(merkle.inclusion_proof(BIG_TREE.tiles, index, size))
    proof = InclusionProof.parse(str(InclusionProof(index, path, head(size), leaf)).encode())
    assert (proof.index, proof.path, proof.extra) == (index, path, leaf)
    assert proof.holds(leaf)
    assert not proof.holds(leaf + b"!")
    assert proof.note.verified(SIGNER.verifier)


@given(st.integers(1, 66_000), st.data())
def test_log_6_a_consistency_proof_survives_writing_and_holds_for_its_root_alone(
    size: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(0, size))
    root = merkle.root(BIG_TREE.tiles, old)
    path = tuple(merkle.consistency_proof(BIG_TREE.tiles, old, size))
    proof = ConsistencyProof.parse(str(ConsistencyProof(old, path, head(size))))
    assert (proof.old_size, proof.path) == (old, path)
    assert proof.holds(root)
    assert not proof.holds(bytes(32))


def test_the_reference_tree_of_certificate_transparency_in_these_formats() -> None:
    note = Note(str(Checkpoint("ct", 8, bytes.fromhex(ROOTS[8]))))
    proof = InclusionProof(5, tuple(merkle.inclusion_proof(REFERENCE.tiles, 5, 8)), note)
    assert proof.holds(LEAVES[5])
    assert not proof.holds(LEAVES[4])
    grown = ConsistencyProof(6, tuple(merkle.consistency_proof(REFERENCE.tiles, 6, 8)), note)
    assert grown.holds(bytes.fromhex(ROOTS[6]))


def test_the_published_body_for_a_witness_is_read_and_written_back() -> None:
    proof = ConsistencyProof.parse(WITNESSED)
    assert (proof.old_size, len(proof.path), proof.checkpoint.size) == (20_852_014, 4, 20_852_163)
    assert str(proof) == WITNESSED


def test_a_proof_may_stand_around_an_unsigned_checkpoint_and_in_a_tree_of_one() -> None:
    text = f"c2sp.org/tlog-proof@v1\nindex 0\n\norigin\n1\n{ROOT}\n"
    proof = InclusionProof.parse(text)
    assert (proof.path, proof.extra, proof.note.signatures, str(proof)) == ((), None, (), text)


BEHIND = f"\n\norigin\n1\n{ROOT}\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v2\nindex 0" + BEHIND,
        "c2sp.org/tlog-proof@v1" + BEHIND,
        "c2sp.org/tlog-proof@v1\nindex" + BEHIND,
        "c2sp.org/tlog-proof@v1\nindex 00" + BEHIND,
        "c2sp.org/tlog-proof@v1\nextra *\nindex 0" + BEHIND,
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA" + BEHIND,
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA" + BEHIND,
        "c2sp.org/tlog-proof@v1\nindex 0" + f"\n{ROOT}" * 65 + BEHIND,
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        b"\xff",
    ],
)
def test_what_is_no_proof_is_refused(text: str | bytes) -> None:
    with pytest.raises(NoteError):
        InclusionProof.parse(text)
    with pytest.raises(NoteError):
        ConsistencyProof.parse(text)
