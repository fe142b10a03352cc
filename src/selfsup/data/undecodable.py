"""What no picture comes out of, and why."""

from __future__ import annotations

MOST_PIXELS = 178_956_970  # twice Pillow's MAX_IMAGE_PIXELS, where Pillow itself refuses: half a gigabyte of RGB


class Undecodable(ValueError):
    """No picture came out of a file; the words say why.

    `lasting` is true when the file's content is at fault, so that trying again without a change to the file is useless; it is false for
    permissions, network drives and missing packages.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting
