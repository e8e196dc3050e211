"""Bundles of tests: made, taken apart, put together again."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256
from io import BytesIO

from replay.bundle.archive import write


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(parts: dict[str, bytes]) -> bytes:
    file = BytesIO()
    write(file, parts.items())
    return file.getvalue()


def with_sums(parts: dict[str, bytes]) -> bytes:
    """The zip with a manifest whose fingerprints are those of the members."""
    told = json.loads(parts["manifest.json"])
    told["sha256"] = {name: sha256(parts[name]).hexdigest() for name in parts if name != "manifest.json"}
    return zipped(parts | {"manifest.json": (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()})


def members_session(data: bytes) -> str:
    return str(json.loads(members(data)["manifest.json"])["session"])
