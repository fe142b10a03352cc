"""The type checker that tests put into every function of selfsup."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""As mypy does, an int may stand where a float is asked for (PEP 484)."""
