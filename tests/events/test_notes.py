"""C2SP signed notes (SPEC LOG-6): the published examples of the format and of Go's sumdb/note, and forgeries."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shutil import which

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from events.errors import NetworkError
from events.notes import Note, NoteError, Signature, SignerKey, VerifierKey, from_base64
from tests.support.missing import forget

# The example of c2sp.org/signed-note.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The example of golang.org/x/mod/sumdb/note, whose private key is published with it.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    f"{GO_TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SIGNER = SignerKey("acme.example/hub", bytes(range(32)))
OTHER = SignerKey("acme.example/hub", bytes(range(1, 33)))


@pytest.mark.parametrize(("key", "note"), [(SPEC_KEY, SPEC_NOTE), (GO_KEY, GO_NOTE)])
def test_log_6_published_notes_are_verified_and_written_back(key: str, note: str) -> None:
    assert Note.parse(note).verified(VerifierKey.parse(key)) is True
    assert (str(Note.parse(note.encode())), str(VerifierKey.parse(key))) == (note, key)


def test_log_6_go_s_published_note_is_signed_byte_for_byte() -> None:
    signer = SignerKey.parse(GO_SIGNER)
    assert str(Note(GO_TEXT).signed(signer)) == GO_NOTE
    assert (str(signer.verifier), signer.secret()) == (GO_KEY, GO_SIGNER)


def test_a_key_id_is_made_as_the_format_says() -> None:
    key = SIGNER.verifier
    assert key.key_id == sha256(b"acme.example/hub\n\x01" + key.public).digest()[:4]
    assert key.key_id != VerifierKey("acme.example/hub2", key.public).key_id


@pytest.mark.skipif(which("openssl") is None, reason="openssl is not installed")
def test_another_tool_checks_what_is_signed_here(tmp_path: Path) -> None:
    """The steps of README.txt in an evidence bundle, by hand."""
    note = Note("acme\n1\nroot\n").signed(SIGNER)
    public = Ed25519PublicKey.from_public_bytes(SIGNER.verifier.public)
    (tmp_path / "key.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "text").write_text(note.text)
    (tmp_path / "signature").write_bytes(note.signatures[0].data)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "text"]
    done = subprocess.run([*command, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@given(st.data())
def test_no_part_and_no_change_of_a_key_is_a_key(data: st.DataObject) -> None:
    text, parse = data.draw(st.sampled_from([(GO_KEY, VerifierKey.parse), (GO_SIGNER, SignerKey.parse)]))
    start, end = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True)))
    if (start, end) != (0, len(text)):
        with pytest.raises(NoteError):
            parse(text[start:end])
    with pytest.raises(NoteError):
        parse(text[:start] + chr(ord(text[start]) + 1) + text[start + 1 :])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", "no key of a note"),
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "not an Ed25519 one"),
        ("a b+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "without spaces"),
        (f"x+00000000+{b64encode(b'1').decode()}", "not an Ed25519 one"),
        (f"x+00000000+{b64encode(bytes([1, 2])).decode()}", "has 32 bytes, not 1"),
        ("", "no key of a note"),
        (GO_SIGNER, "this is a private key, which signs"),
    ],
)
def test_what_is_no_verifier_key_is_refused_by_a_sentence(text: str, message: str) -> None:
    with pytest.raises(NoteError, match=message) as caught:
        VerifierKey.parse(text)
    assert GO_SIGNER[30:] not in str(caught.value)


def test_a_private_key_is_not_shown() -> None:
    shown = f"{SIGNER!r} {SIGNER} {SignerKey.parse(GO_SIGNER)!r}"
    assert SIGNER.seed.hex() not in shown
    assert GO_SIGNER[-20:] not in shown
    assert repr(SIGNER.seed) not in shown


@given(st.data())
def test_a_note_that_was_touched_anywhere_does_not_verify(data: st.DataObject) -> None:
    written = str(Note("origin\n12\nroot\n").signed(SIGNER)).encode()
    at, bit = data.draw(st.integers(0, len(written) - 1)), data.draw(st.integers(0, 7))
    touched = written[:at] + bytes([written[at] ^ 1 << bit]) + written[at + 1 :]
    with suppress(NoteError):  # it is no note any more
        assert Note.parse(touched).verified(SIGNER.verifier) is not True


def test_signatures_of_other_keys_are_kept_and_passed_over() -> None:
    """They may be newer kinds (witnesses): a known name with another id, too."""
    note = Note("text\n").signed(SIGNER)
    strange = Signature("witness.example/w1", b"abcd", bytes(72))
    mixed = Note.parse(str(Note(note.text, (strange, *note.signatures))))
    assert mixed.verified(SIGNER.verifier) is True
    assert mixed.verified(OTHER.verifier) is None
    assert str(mixed).count("witness.example/w1") == 1


def test_a_wrong_signature_beside_a_right_one_is_not_passed_over() -> None:
    note = Note("text\n").signed(SIGNER)
    wrong = note.signatures[0]._replace(data=bytes(64))
    short = note.signatures[0]._replace(data=b"short")
    assert Note("text\n", (note.signatures[0], wrong)).verified(SIGNER.verifier) is False
    assert Note("text\n", (short,)).verified(SIGNER.verifier) is False
    assert Note("other\n", note.signatures).verified(SIGNER.verifier) is False


def test_a_public_key_that_is_no_point_verifies_nothing() -> None:
    key = VerifierKey("x", b"\xff" * 32)
    assert key.holds("text\n", bytes(64)) is False


@pytest.mark.parametrize(
    "public",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ],
)
def test_a_key_that_anybody_can_sign_for_is_refused(public: str) -> None:
    """Small order, one not written canonically among them. The first verifies R = 1, S = 0 for every text."""
    with pytest.raises(NoteError, match="of small order: anybody could sign for it"):
        VerifierKey("x", bytes.fromhex(public))
    first = Ed25519PublicKey.from_public_bytes(b"\x01" + bytes(31))
    first.verify(b"\x01" + bytes(63), b"any text")  # why it is looked at here


SIGNATURE = "— a AAAAAAA=\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\n— a AAAAAAA=",
        "text\n\n- a AAAAAAA=\n",
        "text\n\n— a\n",
        "text\n\n— AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— a+b AAAAAAA=\n",
        "text\n\n— a AAAA\n",
        "text\n\n— a AAAAAAB=\n",
        "text\n\n— a AAAA*AA=\n",
        "te\rxt\n\n" + SIGNATURE,
        "te\0xt\n\n" + SIGNATURE,
        "text\n\n" + SIGNATURE * 101,
        "x" * 1_000_001,
        "\n\n" + SIGNATURE,
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Note.parse(text)


def test_a_note_may_have_empty_lines_and_sixteen_signatures() -> None:
    text = "first\n\nsecond\n\n\n" + SIGNATURE * 16
    assert (Note.parse(text).text, str(Note.parse(text))) == ("first\n\nsecond\n\n", text)
    assert len(Note.parse(text).signatures) == 16


def test_unsigned_text_passes_where_it_may() -> None:
    assert Note.parse("text\n", unsigned=True) == Note("text\n")
    assert str(Note("text\n")) == "text\n"
    for text in ("no newline", "an empty\n\nline\n", b"\xff\n"):
        with pytest.raises(NoteError):
            Note.parse(text, unsigned=True)


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = b64encode(data).decode()
    assert from_base64(text) == data
    assert from_base64(f"{text}\n") is None
    assert from_base64(f" {text}") is None


def test_without_cryptography_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, "cryptography")
    key = VerifierKey.parse(GO_KEY)
    note = Note.parse(GO_NOTE)
    for act in (lambda: note.verified(key), lambda: SignerKey.parse(GO_SIGNER), lambda: SIGNER.sign("x\n")):
        with pytest.raises(NetworkError, match=r"pip install 'ledgerhub\[sign\]'"):
            act()
    assert note.verified(SPEC) is None


SPEC = VerifierKey.parse(SPEC_KEY)
