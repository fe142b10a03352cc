"""A task as users write them, that dies, fails or is stopped once, where a file beside it says so."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from selfsup.pretext import Output
from selfsup.tasks.rotation import Rotation

HERE = Path(__file__).parent


def asked(what: str) -> str | None:
    """What the file says, once: it is gone afterwards."""
    file = HERE / what
    if not file.is_file():
        return None
    said = file.read_text()
    file.unlink()
    return said


class Moody(Rotation):
    """Tell how a picture was turned, on good days."""

    def after_step(self, output: Output) -> None:
        super().after_step(output)
        with (HERE / "steps").open("a") as file:
            file.write(f"{os.getpid()} {float(self.progress):.4f}\n")
        if float(self.progress) < 0.85:  # in the cool-down, before which there is a checkpoint
            return
        if asked("die") is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        if asked("fail") is not None:
            raise ValueError("not in the mood")
        driver = asked("stop")
        if driver is not None:
            os.kill(int(driver), signal.SIGINT)
            time.sleep(3)
