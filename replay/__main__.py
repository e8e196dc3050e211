"""``python -m replay``, the command where it is not installed."""

from replay.cli import main

main(prog_name="replay")
