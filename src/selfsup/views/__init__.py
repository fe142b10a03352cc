"""Views: what a network sees after cropping, colouring, hiding or corrupting, as pure functions of (pictures, random generator)."""

from __future__ import annotations

from selfsup.views.augment import Augment, Draw
from selfsup.views.blur import blur, blur_matrix
from selfsup.views.color import Jitter, color_matrix, draw_jitter, recolor, solarise
from selfsup.views.corrupt import gaussian, masking, salt_and_pepper
from selfsup.views.crop import crop, crop_boxes, flip_boxes, plain, quarter_turns, whole_boxes
from selfsup.views.hole import blob_holes, centre_holes, rim
from selfsup.views.mask import paint, patch_mask, random_patches

__all__ = [
    "Augment",
    "Draw",
    "Jitter",
    "blob_holes",
    "blur",
    "blur_matrix",
    "centre_holes",
    "color_matrix",
    "crop",
    "crop_boxes",
    "draw_jitter",
    "flip_boxes",
    "gaussian",
    "masking",
    "paint",
    "patch_mask",
    "plain",
    "quarter_turns",
    "random_patches",
    "recolor",
    "rim",
    "salt_and_pepper",
    "solarise",
    "whole_boxes",
]
