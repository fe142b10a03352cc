"""A cluster of Ray: joined where it runs, or begun on this machine alone and ended again."""

from __future__ import annotations

import functools
import logging
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"

STARTS = 3
"""A cluster that does not start is tried again so often: Ray gives its processes 15 seconds, which a busy machine may exceed."""


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """The cluster at `address`, or one on all cores of this machine that nobody else can reach, ended with the block.

    One that this process is connected to already is used, and left as it is. Nothing is sent to Ray's makers. Raises ValueError where
    there is none, or none can be begun.
    """
    with _environment(_private() if address is None else {}):
        import ray

        if ray.is_initialized():
            yield
            return
        with ExitStack() as ended, _as_before():
            if address is None:
                folder = ended.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir=_short(), ignore_cleanup_errors=True))
                ended.callback(ray.shutdown)
                _begin(ray, folder)
            else:
                ended.callback(ray.shutdown)
                _join(ray, address)
            yield


@contextmanager
def _as_before() -> Iterator[None]:
    """Ray silent, as what fails is told in our words; and afterwards its log and the signal that it takes as they were."""
    log, handler = logging.getLogger("ray"), signal.getsignal(signal.SIGTERM)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _begin(ray: Any, folder: str) -> None:
    """A cluster of this machine, its files in `folder`, which listens to this machine alone."""
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                "local", num_cpus=core_count(), include_dashboard=False, _node_ip_address=LOOPBACK, _temp_dir=folder, log_to_driver=False,
                logging_level=logging.CRITICAL,
            )  # fmt: skip
            break
        except Exception as error:  # Ray raises no other when a process of its own is late
            ray.shutdown()
            if not left:
                raise ValueError(f"Ray does not start here: {_first_line(error)} Go on without --on, by --resume --out.") from error
    if ray.util.get_node_ip_address() != LOOPBACK:
        ray.shutdown()
        raise ValueError(
            "Ray was imported before, and would be open to the network. Set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before it is imported, or "
            "begin a cluster yourself by ray.init()."
        )


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # ConnectionError, RuntimeError and more, by what is wrong with the address
        raise ValueError(
            f"there is no cluster of Ray at {address!r} that this machine is part of: {_first_line(error)} "
            "Begin one by `ray start`, or say --on ray for this machine alone."
        ) from error


def _private() -> dict[str, str]:
    """What keeps a cluster to this machine and this user: the loopback address, and a token that is written to no file.

    Its workers run as this process does.
    """
    private = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: Ray then takes the loopback address on any system
        "RAY_worker_niceness": "0",  # else 15: seconds of a step were measured in a process like any other
    }
    if "RAY_AUTH_MODE" not in os.environ:
        private |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _token()}
    return private


@functools.cache
def _token() -> str:
    """One for all clusters of this process: Ray reads it once."""
    return secrets.token_hex(32)


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    """Environment variables for as long as the block lasts. Tune writes and prints no tables, and nothing is reported home."""
    more = {"RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0", **more}
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _short() -> str | None:
    """A folder with a short path: that of a socket has at most 107 bytes on Linux."""
    return "/tmp" if Path("/tmp").is_dir() else None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".") + "."
