"""What of a run decides its embeddings, as one digest: shards and indexes are known by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

_DECIDING = ("backbone.safetensors", "model*.safetensors", "backbone.json", "projection.safetensors", "tokenizer.json")
"""Files of a run that decide what it makes of an item."""


def weights_digest(folder: Path) -> str:
    """Equal for runs that make the same embeddings. Raises ValueError where there are no weights yet."""
    files = [file for pattern in _DECIDING for file in sorted(folder.glob(pattern))]
    if not any(file.suffix == ".safetensors" for file in files):
        raise ValueError(f"{folder} has no weights yet. Go on with it by `selfsup pretrain --resume`, or give a run that is finished.")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]
