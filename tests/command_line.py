"""Commands as a user types them, in this process: what they say, and the code they end with."""

from __future__ import annotations

import re

import pytest

from selfsup import cli

ANSI = re.compile(r"\x1b\[")


def ended(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str, str]:
    """The exit code of a command, and what it wrote to stdout and to stderr."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(part) for part in arguments])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, str]:
    """The exit code of a command, and all that it wrote."""
    code, out, err = ended(capsys, *arguments)
    return code, out + err


def success(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command writes to stdout, after which it ends well."""
    code, out, err = ended(capsys, *arguments)
    assert code == 0, (out, err)
    assert not ANSI.search(out), "colours although the output is no terminal"
    return out


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command writes to stderr before it ends with exit code 2, on one line."""
    code, out, err = ended(capsys, *arguments)
    assert code == 2, (out, err)
    assert "Traceback" not in err + out
    return " ".join(err.replace("│", " ").split())
