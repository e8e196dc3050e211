"""How many bytecode instructions a post runs, by file: a measure that no other work on the machine can move.

It says nothing of what happens in C (packing, hashing, LMDB), which the profile by time shows.
"""

from __future__ import annotations

import sys
from collections import Counter
from types import CodeType, FrameType
from typing import Any

from benchmarks.network import Network


async def count_instructions(network: Network, each: int) -> Counter[CodeType]:
    """Let every sender post ``each`` envelopes; instructions by function, on the event loop's thread."""
    ran: Counter[CodeType] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            ran[frame.f_code] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        await network.post(each)
    finally:
        sys.settrace(before)
    return ran
