"""Indexes as tests need them: runs of no training, embeddings without any network, and a Milvus server that lives as long as the tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from selfsup.searching import ledger, settings
from selfsup.searching.address import Address
from selfsup.searching.collection import Collection
from selfsup.searching.filling import Filling, Indexed, filled
from selfsup.searching.ledger import Ledger
from selfsup.searching.maker import Maker
from selfsup.searching.rows import Rows

Vectors = NDArray[np.float32]
MAKER = Maker(run="runs/none", weights="0" * 32, side="image", layer="stage3/mean", data="pictures")


def directions(count: int, width: int = 16, seed: int = 0) -> Vectors:
    """Random vectors, as float32."""
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def fill(to: str | Path, folder: Path, vectors: Mapping[str, Vectors], *, collection: str = "selfsup", **fields: Any) -> Indexed:
    """An index of ready embeddings by id, kept by a ledger in `folder`; `fields` are functions of an id."""
    rows = Rows()
    told = {name: {field: value(name) for field, value in fields.items()} for name in vectors}
    keys = [rows.add(vector.tobytes().hex(), name, f"{name}.png", told[name]) or "" for name, vector in vectors.items()]
    with Ledger.opened(folder) as opened:
        opened.maker = MAKER
        new = [(key, vector) for key, vector in zip(keys, vectors.values(), strict=True) if key not in opened.known]
        if new:
            opened.add([key for key, _ in new], np.stack([vector for _, vector in new]))
            opened.flush()
        opened.rows = rows
        return filled(Address.parse(to, collection), opened, MAKER, Filling(embedded=len(new)))


def fill_and_say(to: Path, pipe: Connection) -> None:
    """Index 2,000 rows, about 100 a call, and say what is begun: what a test kills."""
    import pymilvus  # noqa: F401 # before anything is said

    ledger.SHARD, settings.MOST_BYTES = 500, 2 * 100 * 500
    for name in ("create", "insert", "flush"):
        setattr(Collection, name, _telling(name, getattr(Collection, name), pipe))
    pipe.send("begun")
    fill(to, to, {f"{row:05d}": vector for row, vector in enumerate(directions(2000))}, label=lambda name: name[-1])
    pipe.send("done")


def _telling(name: str, call: Callable[..., Any], pipe: Connection) -> Callable[..., Any]:
    def told(*given: Any) -> Any:
        pipe.send(name)
        return call(*given)

    return told


def save_digits(root: Path, numbers: range) -> Path:
    """Scikit-learn's digits as PNG files in folders of their labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in numbers:
        folder = root / str(digits.target[number])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 15).astype(np.uint8)).save(folder / f"{number}.png")
    return root


@contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """The address of a Milvus server of its own process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("milvus-lite")), "server", "--host", "127.0.0.1", "--port", str(port), "--data-dir"]
    with subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"no server at port {port} after {seconds:.0f} s (exit code {process.poll()})")
