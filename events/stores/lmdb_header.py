"""The header of a log in LMDB: what it is, which record rule it keeps, who it is. The table is in ``lmdb.py``."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from events.errors import StoreError

MAGIC = b"ledgrhub"
FORMAT = 2
FORMAT_MIN = 2
KNOWN_FLAGS = 0
READER = "ledgerhub 0.1"
"""The first version that reads format 2; kept in the header, so that older versions can name it."""

_FIXED = struct.Struct(">8sII16s")


@dataclass(frozen=True, slots=True)
class Header:
    """What is written once, when a log is made.

    Args:
        origin: the log's identity, 32 lower-case hex characters.
        record_rule: the name of the rule for the tree's leaves, ASCII, at most 255 characters.
    """

    origin: str
    record_rule: str

    def pack(self) -> bytes:
        """Return the header's bytes."""
        texts = b"".join(bytes((len(text),)) + text.encode("ascii") for text in (READER, self.record_rule))
        return _FIXED.pack(MAGIC, FORMAT, 0, bytes.fromhex(self.origin)) + texts

    @classmethod
    def unpack(cls, data: bytes, path: str) -> Header:
        """Return the header of a log.

        Raises:
            StoreError: it is no header, or it has a format or a flag that this version does not know.
        """
        try:
            magic, version, flags, origin = _FIXED.unpack_from(data)
            reader, rest = _text(data[_FIXED.size :])
            if magic != MAGIC:
                raise ValueError(magic)
            if version == FORMAT and not flags & ~KNOWN_FLAGS:
                return cls(origin.hex(), _text(rest)[0])
        except (struct.error, ValueError, IndexError) as error:
            raise not_a_log(path) from error
        if version < FORMAT_MIN:
            raise StoreError(
                f"the log {path} has format {version}, of a version before the first release: make the log anew",
                path=path,
                format=version,
            )
        what = f"format {version}" if version != FORMAT else f"flag {flags & ~KNOWN_FLAGS:#x}"
        raise StoreError(
            f"the log {path} has {what}, which this version does not know: open it with {reader} or later",
            path=path,
            format=version,
            flags=flags,
            reader=reader,
        )


def not_a_log(path: str) -> StoreError:
    """Return the error for an LMDB file that something else made."""
    return StoreError(f"{path} holds an LMDB file that is not a ledgerhub log: give another folder", path=path)


def _text(data: bytes) -> tuple[str, bytes]:
    end = 1 + data[0]
    if len(data) < end:
        raise ValueError("cut short")
    return data[1:end].decode("ascii"), data[end:]
