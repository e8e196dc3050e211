"""How fast ledgerhub is, beside its peers: ``python -m benchmarks [--quick] [--json FILE] [P1 P4 …]``.

Machines are noisy, so every figure is a ratio of two sides that ran alternately in one run (``harness``). Each module
holds one group of benchmarks; ``catalogue`` lists them; ``report`` writes ``RESULTS.md``.
"""
