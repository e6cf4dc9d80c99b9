"""Ours and the peers side by side: `python -m benchmarks [case ...]`. See `harness.py` for how a row is made."""
