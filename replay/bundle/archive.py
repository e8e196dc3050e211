"""The zip around a bundle: written in one way only, read with distrust.

One log gives one file, to the byte: members in order, not compressed, all dated 1980-01-01. So a bundle that was
touched anywhere, in a byte that no member owns even, is not what ``write`` makes of its members (``is_canonical``).
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from events.errors import NetworkError

README, MANIFEST, CHECKPOINT, EVENTS = "README.txt", "manifest.json", "checkpoint.txt", "events.jsonl"
PROOF, CONTENT = ".tlog-proof", ".content"
MEMBERS_MAX = 1_000_000
MEMBER_SIZE_MAX_BYTES = 256 * 1024 * 1024
_DATE = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16
_UNIX = 3
_CHUNK_BYTES = 1 << 20
_EVENT_NAME = re.compile(r"events/(\d{10,19})(\.tlog-proof|\.content)")
_BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    struct.error,
)


class BundleError(NetworkError):
    """A file that is not a bundle, or no longer the one that was made."""

    code = "bad_bundle"


def event_name(position: int, suffix: str) -> str:
    """Return the name of an event's proof or content."""
    return f"events/{position:010}{suffix}"


def position_of(name: str) -> int | None:
    """Return the position in the name of an event's file, None for any other name."""
    found = _EVENT_NAME.fullmatch(name)
    position = 0 if found is None else int(found[1])
    return position if found is not None and position and event_name(position, found[2]) == name else None


def write(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """Write a bundle's members, a member at a time.

    Raises:
        BundleError: a member is larger than any that is read.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            if len(data) > MEMBER_SIZE_MAX_BYTES:
                raise BundleError(f"{name} would have {len(data):,} bytes, too many for a bundle: --without-content")
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = _UNIX, _FILE_MODE
            archive.writestr(info, data)


class Archive:
    """A bundle that is read. Nothing of it is ever unpacked to a disk.

    Raises:
        BundleError: it is no zip, or has a member that no bundle has.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file)
        self.names: list[str] = []
        members = self._zip.infolist()
        if len(members) > MEMBERS_MAX:
            raise BundleError(f"it has {len(members):,} members, more than {MEMBERS_MAX:,}")
        for info in members:
            self._admit(info)

    def _admit(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        if name not in (README, MANIFEST, CHECKPOINT, EVENTS) and position_of(name) is None:
            raise BundleError(f"it has a member {name[:60]!r}, which no bundle has")
        if name in self._zip.NameToInfo and self._zip.NameToInfo[name] is not info:
            raise BundleError(f"it has two members {name!r}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise BundleError(f"its member {name!r} is compressed, which no bundle's is")
        if info.file_size > MEMBER_SIZE_MAX_BYTES:
            raise BundleError(f"its member {name!r} says it has {info.file_size:,} bytes, too many to be read")
        self.names.append(name)

    def read(self, name: str) -> bytes:
        """Return a member.

        Raises:
            BundleError: there is none of that name, or it cannot be read.
        """
        if name not in self._zip.NameToInfo:
            raise BundleError(f"it has no {name}")
        try:
            return self._zip.read(name)
        except _BROKEN as error:
            raise BundleError(f"its member {name!r} cannot be read ({error})") from None

    def is_canonical(self) -> bool:
        """Whether the file is, to the byte, what ``write`` makes of its members; O(its size)."""
        with TemporaryFile() as again:
            write(again, ((name, self.read(name)) for name in self.names))
            again.seek(0)
            self._file.seek(0)
            while chunk := again.read(_CHUNK_BYTES):
                if self._file.read(len(chunk)) != chunk:
                    return False
            return not self._file.read(1)


@contextmanager
def opened(path: str | Path) -> Iterator[Archive]:
    """Open a bundle.

    Raises:
        BundleError: it is none.
        OSError: there is no such file, or it cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            archive = Archive(file)
        except _BROKEN as error:
            raise BundleError(f"it is no zip file that can be read ({error})") from None
        yield archive
