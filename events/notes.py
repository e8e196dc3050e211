"""Signed notes: text with Ed25519 signatures below it, as C2SP writes them, and the keys that make and check them.

The formats are those of https://c2sp.org/signed-note, and of golang.org/x/mod/sumdb/note for keys, so that the tools of
transparency logs read what is written here and the other way round:

==============  ==========================================================================================
note            the text, ending in a newline; an empty line; one or more signature lines
signature line  em dash (U+2014), space, key name, space, base64(key id || signature), newline
key id          the first 4 bytes of SHA-256(key name || 0x0A || 0x01 || 32-byte public key)
verifier key    ``<name>+<key id in hex>+<base64(0x01 || public key)>``, public
signer key      ``PRIVATE+KEY+<name>+<key id in hex>+<base64(0x01 || 32-byte seed)>``, secret
==============  ==========================================================================================

Signatures of other keys, and of other kinds, are kept and passed over, as the format wants it. Base64 has one spelling
here: a note whose bytes were touched anywhere does not read as the same note. Signing and checking need the package
``cryptography``; reading and writing do not. Everything costs O(size of the note).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from types import ModuleType
from typing import Any, NamedTuple

from events.errors import NetworkError

NOTE_SIZE_MAX_BYTES = 1_000_000
SIGNATURES_MAX = 100
ED25519 = b"\x01"
"""The signature type that is part of every key and key id here."""
SEED_SIZE_BYTES = KEY_SIZE_BYTES = 32
SIGNATURE_SIZE_BYTES = 64
_KEY_ID_SIZE_BYTES = 4
_PRIVATE = "PRIVATE+KEY+"
_DASH = "\u2014 "
_PRIME = 2**255 - 19
_ORDER_EIGHT = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset({0, 1, _PRIME - 1, _ORDER_EIGHT, _PRIME - _ORDER_EIGHT})
"""The y coordinates of the eight points whose order divides 8."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(NetworkError):
    """A note, checkpoint, proof or key that is not written as one, or a signature that cannot be made here."""

    code = "bad_note"


class MissingLibraryError(NoteError):
    """The package ``cryptography`` is not installed: nothing can be signed or checked."""


class Signature(NamedTuple):
    """One signature line: who claims to have signed, and the bytes behind the key id."""

    name: str
    key_id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public key that checks signatures; ``str(key)`` is the text to publish.

    Args:
        name: of whoever signs; no spaces, no plus. A URL without its scheme is the custom.
        public: 32 bytes (RFC 8032).

    Raises:
        NoteError: the name or the key cannot be one.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteError(f"{self.name[:64]!r} cannot name a key: give a name without spaces and without +")
        if len(self.public) != KEY_SIZE_BYTES:
            raise NoteError(f"an Ed25519 public key has {KEY_SIZE_BYTES} bytes, not {len(self.public)}")
        if is_weak(self.public):
            raise NoteError(f"the key of {self.name!r} is of small order: anybody could sign for it")

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a verifier key.

        Raises:
            NoteError: it is not one, or its parts do not belong together.
        """
        if text.startswith(_PRIVATE):
            raise NoteError("this is a private key, which signs; to check, give the verifier key that keygen printed")
        name, key_id, public = _parts(text, "a verifier key is NAME+ID+KEY, as keygen prints it")
        key = cls(name, public)
        if key.key_id.hex() != key_id:
            raise NoteError(f"the verifier key of {name!r} has the id {key.key_id.hex()}, not {key_id}: copy it again")
        return key

    @property
    def key_id(self) -> bytes:
        """4 bytes that tell keys of one name apart; not a hash to rely on."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:_KEY_ID_SIZE_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(ED25519 + self.public)}"

    def made(self, signature: Signature) -> bool:
        """Whether a signature claims to be this key's."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def holds(self, text: str, data: bytes) -> bool:
        """Whether the bytes are this key's signature of the text.

        Raises:
            MissingLibraryError: the package ``cryptography`` is missing.
        """
        from_bytes = _library().Ed25519PublicKey.from_public_bytes
        if len(data) != SIGNATURE_SIZE_BYTES:
            return False
        return _verified(lambda: from_bytes(self.public).verify(data, text.encode()))


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The private key that signs; its ``repr`` and ``str`` do not show it, ``secret`` does.

    Args:
        name: as in ``VerifierKey``.
        seed: 32 bytes of chance (RFC 8032's private key).

    Raises:
        NoteError: the name or the seed cannot be one.
    """

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteError(f"{self.name[:64]!r} cannot name a key: give a name without spaces and without +")
        if len(self.seed) != SEED_SIZE_BYTES:
            raise NoteError(f"an Ed25519 private key has {SEED_SIZE_BYTES} bytes, not {len(self.seed)}")

    @classmethod
    def parse(cls, text: str) -> SignerKey:
        """Read a signer key.

        Raises:
            NoteError: it is not one, its parts do not belong together, or the package ``cryptography`` is missing.
        """
        if not text.startswith(_PRIVATE):
            raise NoteError("this is no private key: give the file that keygen wrote")
        name, key_id, seed = _parts(text.removeprefix(_PRIVATE), "a private key is PRIVATE+KEY+NAME+ID+KEY")
        key = cls(name, seed)
        if key.verifier.key_id.hex() != key_id:
            raise NoteError(f"the private key of {name!r} does not belong to the id {key_id}: restore it from a copy")
        return key

    @property
    def verifier(self) -> VerifierKey:
        """The public key to this one."""
        return VerifierKey(self.name, self._private().public_key().public_bytes_raw())

    def secret(self) -> str:
        """Return the text to keep in a file that nobody else can read."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{to_base64(ED25519 + self.seed)}"

    def sign(self, text: str) -> Signature:
        """Return this key's signature of a text; the same every time (RFC 8032).

        Raises:
            MissingLibraryError: the package ``cryptography`` is missing.
        """
        return Signature(self.name, self.verifier.key_id, self._private().sign(text.encode()))

    def _private(self) -> Any:
        return _library().Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures below it; ``str(note)`` is what is written.

    Without signatures it is the text alone. That is no note in the format's sense, and nothing to believe.

    Raises:
        NoteError: the text cannot be a note's.
    """

    text: str
    signatures: tuple[Signature, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or _CONTROL.search(self.text):
            raise NoteError("a note's text ends in a newline and has no other control characters")
        if not self.signatures and "\n\n" in self.text:
            raise NoteError("a text with empty lines needs a signature to be a note")

    @classmethod
    def parse(cls, data: str | bytes, *, unsigned: bool = False) -> Note:
        """Read a note.

        Args:
            data: all of it, and nothing else.
            unsigned: a text without any signature passes, too.

        Raises:
            NoteError: it is not one.
        """
        text = _decoded(data)
        body, empty, below = text.rpartition("\n\n")
        if not empty and unsigned:
            return cls(text)
        lines = below.split("\n")
        if not body or lines.pop():
            raise NoteError("this is no signed note: after the text come an empty line and lines of signatures")
        if not 0 < len(lines) <= SIGNATURES_MAX:
            raise NoteError(f"a note has 1 to {SIGNATURES_MAX} signatures, this one has {len(lines)}")
        return cls(f"{body}\n", tuple(map(_signature, lines)))

    def signed(self, *keys: SignerKey) -> Note:
        """Return the note with more signatures."""
        return Note(self.text, (*self.signatures, *(key.sign(self.text) for key in keys)))

    def verified(self, key: VerifierKey) -> bool | None:
        """Whether all that claim to be the key's signatures are; None when there is none of that key.

        Raises:
            MissingLibraryError: the package ``cryptography`` is missing.
        """
        claimed = [signature for signature in self.signatures if key.made(signature)]
        return all(key.holds(self.text, signature.data) for signature in claimed) if claimed else None

    def __str__(self) -> str:
        below = "".join(map(str, self.signatures))
        return f"{self.text}\n{below}" if below else self.text


def is_key_name(name: str) -> bool:
    """Whether a text can name a key: printable, no spaces, no plus."""
    return bool(name) and name.isprintable() and " " not in name and "+" not in name


def is_weak(public: bytes) -> bool:
    """Whether an Ed25519 public key is of small order.

    Signatures by such a key can be made without a private key, and RFC 8032 does not make libraries refuse them.
    """
    return (int.from_bytes(public, "little") & ((1 << 255) - 1)) % _PRIME in _SMALL_ORDER


def to_base64(data: bytes) -> str:
    """Return standard base64 (RFC 4648 §4)."""
    return b64encode(data).decode()


def from_base64(text: str) -> bytes | None:
    """Return the bytes of standard base64 in its one spelling; None for any other text."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        return None
    return data if to_base64(data) == text else None


def _decoded(data: str | bytes) -> str:
    if len(data) > NOTE_SIZE_MAX_BYTES:
        raise NoteError(f"a note of {len(data):,} is longer than {NOTE_SIZE_MAX_BYTES:,} bytes: this is none")
    try:
        text = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError:
        raise NoteError("this is no signed note: it is not UTF-8") from None
    if _CONTROL.search(text):
        raise NoteError("this is no signed note: it has control characters")
    return text


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    data = from_base64(encoded)
    if not line.startswith(_DASH) or not is_key_name(name) or data is None or len(data) <= _KEY_ID_SIZE_BYTES:
        raise NoteError(f"this is no signature line of a note: {line[:80]!r}")
    return Signature(name, data[:_KEY_ID_SIZE_BYTES], data[_KEY_ID_SIZE_BYTES:])


def _parts(text: str, form: str) -> tuple[str, str, bytes]:
    """Return name, key id and key of a key's text; the last part may have plus signs in it."""
    parts = text.strip("\n").split("+", 2)
    if len(parts) != 3 or (key := from_base64(parts[2])) is None:
        raise NoteError(f"this is no key of a note: {form}")
    if key[:1] != ED25519:
        raise NoteError(f"the key of {parts[0][:64]!r} is not an Ed25519 one, the only kind that is used here")
    return parts[0], parts[1], key[1:]


def _verified(check: Callable[[], None]) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (of the extra `sign`)

    try:
        check()
    except (InvalidSignature, ValueError):
        return False
    return True


def _library() -> ModuleType:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  (of the extra `sign`)
    except ImportError:
        raise MissingLibraryError("signatures need the package cryptography: pip install 'ledgerhub[sign]'") from None
    return ed25519
