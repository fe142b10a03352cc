"""The command line: every command, and errors in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from selfsup.commands import (  # noqa: F401 # each joins the application
    audit,
    compare,
    curate,
    embed,
    evaluate,
    export,
    finetune,
    generate,
    index,
    pretrain,
    search,
    tell,
)
from selfsup.commands.application import app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Errors a user can mend are one message on stderr and exit code 2; SELFSUP_DEBUG=1 shows the traceback."""
    try:
        app(args=arguments, prog_name="selfsup")
    except InterruptedError as stopped:  # saved; the message says how to go on
        print(f"selfsup: {stopped}", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        if os.environ.get("SELFSUP_DEBUG", "0") != "0":
            raise
        print(f"selfsup: {_message(error)}", file=sys.stderr)
        sys.exit(2)


def _message(error: Exception) -> str:
    """The error in words. One that did not come from our own code says how to see where it came from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "selfsup"
    if isinstance(error, OSError) and error.filename is not None:
        words = f"{error.strerror}: {error.filename}"
    else:
        words = str(error) or type(error).__name__
    return words if ours else f"{words} (SELFSUP_DEBUG=1 shows where this came from)"
