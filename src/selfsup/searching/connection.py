"""Connections to Milvus: opened, closed for good, and their errors in one message of words."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from selfsup.searching.address import TOKEN, Address

SECONDS = 60.0
"""The longest that one answer of a server is waited for. Without a limit, a server that goes away is asked again for minutes."""

_LOCK = threading.Lock()
_USERS: Counter[str] = Counter()
"""How many connections of this process each database of Milvus Lite has: the last one gives it back."""


class LockedError(ValueError):
    """A database of Milvus Lite is open in another process."""


@contextmanager
def connected(address: Address) -> Iterator[Any]:
    """A `MilvusClient`. Raises ModuleNotFoundError where an extra is missing, ValueError for everything that Milvus says."""
    need_packages(address)
    # gRPC reads these when it is imported: it would write to stderr about every fork, such as that of a loader of data.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from pymilvus.exceptions import MilvusException

    with _silent(), ExitStack() as stack:
        try:
            yield stack.enter_context(_server(address) if address.is_server else _lite(address))
        except MilvusException as error:
            hint = "" if address.is_server else " If the database is damaged, `selfsup index … --rebuild` makes it anew."
            raise ValueError(f"{address}: {words_of(error)}.{hint}") from None


def words_of(error: Any) -> str:
    """What Milvus says of an error, on one line and without a token that may stand in it."""
    said = " ".join(str(error.message or type(error).__name__).split())
    token = os.environ.get(TOKEN, "")
    for secret in (token, *token.split(":", 1)):
        said = said.replace(secret, "…") if len(secret) > 3 else said
    return said


# Both connections are `dedicated`: others stay open after `close`, idle, until the server has had enough of their pings; whoever connects
# next in the process, when an hour of embedding is over, would get such a dead one.


@contextmanager
def _server(address: Address) -> Iterator[Any]:
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    try:
        client = MilvusClient(address.to, token=os.environ.get(TOKEN, ""), timeout=10, dedicated=True)
    except MilvusException as error:
        raise ValueError(
            f"No Milvus server answered at {address.to}: {words_of(error)}. Start it, mend the address, or set {TOKEN} if it asks for one."
        ) from None
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _lite(address: Address) -> Iterator[Any]:
    from milvus_lite.server_manager import server_manager_instance
    from pymilvus import MilvusClient
    from pymilvus.exceptions import ConnectionConfigException

    place = str(address.database.resolve())
    address.database.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK:
        try:
            client = MilvusClient(place, dedicated=True)
        except ConnectionConfigException:
            raise _why_closed(address) from None
        _USERS[place] += 1
    try:
        yield client
    finally:
        with _LOCK:
            client.close()
            _USERS[place] -= 1
            if not _USERS[place]:  # closing the client alone would keep the lock until this process ends
                server_manager_instance.release_server(place)


def _why_closed(address: Address) -> ValueError:
    """Why a database of Milvus Lite does not open, which pymilvus does not say: it is opened once more, to be told."""
    from milvus_lite.db import MilvusLite
    from milvus_lite.exceptions import DataDirLockedError

    try:
        MilvusLite(str(address.database)).close()
    except DataDirLockedError:
        return LockedError(
            f"{address} is open in another process, and Milvus Lite lets in one at a time. Wait for it, or use a Milvus server."
        )
    except Exception as error:  # whatever a damaged file makes it raise
        reason = f"{type(error).__name__}: {error}"
        return ValueError(
            f"{address} cannot be opened ({reason}). `selfsup index … --rebuild` makes it anew from the embeddings beside it."
        )
    return ValueError(f"{address} could not be opened just now. Try again.")


def need_packages(address: Address) -> None:
    """Raise ModuleNotFoundError naming the extra, where it is missing."""
    if find_spec("pymilvus") is None:
        raise ModuleNotFoundError("indexing and searching need the package pymilvus: pip install 'selfsup[search]'")
    if not address.is_server and find_spec("milvus_lite") is None:
        raise ModuleNotFoundError(
            "an index in a folder needs the package milvus-lite: pip install 'selfsup[search]'. It is not made for Windows: there, give "
            "the address of a Milvus server, as http://host:19530."
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Without the tracebacks that these packages write to stderr about errors that they raise too, or mend themselves."""
    loggers = [logging.getLogger(name) for name in ("pymilvus", "milvus_lite", "grpc")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
