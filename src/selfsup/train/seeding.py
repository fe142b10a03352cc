"""Seeds derived from where training is, so that nothing random has to be saved."""

from __future__ import annotations

import hashlib


def seed_of(*place: int | str) -> int:
    """A 32-bit seed from any place in training, such as (seed, step, micro-step, rank). Nearby places give unrelated seeds.

    32 bits, since torch's CPU generator gives equal streams for seeds that are equal modulo 2**32.
    """
    text = "/".join(str(part) for part in place)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
