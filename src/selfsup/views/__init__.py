"""Views: what a network sees after cropping, colouring, hiding or corrupting, as pure functions of (pictures, random generator)."""

from __future__ import annotations

from selfsup.views.augment import Augment, Draw
from selfsup.views.blocks import block_patches, blocks, context_and_targets, largest_block
from selfsup.views.blur import blur, blur_matrix
from selfsup.views.color import Jitter, color_matrix, draw_jitter, recolor, solarise
from selfsup.views.corrupt import gaussian, masking, salt_and_pepper
from selfsup.views.crop import crop, crop_boxes, flip_boxes, plain, quarter_turns, whole_boxes
from selfsup.views.hole import blob_holes, centre_holes, rim
from selfsup.views.lab import color_bins, lab, lightness, rgb
from selfsup.views.mask import paint, patch_mask, random_patches
from selfsup.views.multicrop import MultiCrop
from selfsup.views.patches import nearest_patches, patches, unpatched, whole_units
from selfsup.views.puzzle import Grid, board, cut_patches, grid_of, standardise, taken_patches

__all__ = [
    "Augment",
    "Draw",
    "Grid",
    "Jitter",
    "MultiCrop",
    "blob_holes",
    "block_patches",
    "blocks",
    "blur",
    "blur_matrix",
    "board",
    "centre_holes",
    "color_bins",
    "color_matrix",
    "context_and_targets",
    "crop",
    "crop_boxes",
    "cut_patches",
    "draw_jitter",
    "flip_boxes",
    "gaussian",
    "grid_of",
    "lab",
    "largest_block",
    "lightness",
    "masking",
    "nearest_patches",
    "paint",
    "patch_mask",
    "patches",
    "plain",
    "quarter_turns",
    "random_patches",
    "recolor",
    "rgb",
    "rim",
    "salt_and_pepper",
    "solarise",
    "standardise",
    "taken_patches",
    "unpatched",
    "whole_boxes",
    "whole_units",
]
