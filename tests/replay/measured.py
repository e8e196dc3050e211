"""``replay`` in a process that says last, on standard error, how much memory was resident at most, in KiB.

What a parent is told of its child (``ru_maxrss``) counts the parent's own pages, of which a child begins with a copy.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from replay.cli import main

try:
    main()
finally:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    print(peak[1] if peak else "", file=sys.stderr)
