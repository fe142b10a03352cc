"""What a trained task makes: pictures from nothing or of given ones, text that goes on, words that were left out, captions."""

from __future__ import annotations

from selfsup.generation.caption_writer import Writer
from selfsup.generation.captions import Captions
from selfsup.generation.continuation import Continuation
from selfsup.generation.fill_in import Blank, Candidate, FilledIn, fill_in
from selfsup.generation.language_model import LanguageModel
from selfsup.generation.pictures import Reconstruction, Sampled
from selfsup.generation.repeats import Repeat, find_repeats
from selfsup.generation.runs import generate, reconstruct
from selfsup.generation.sampling import Sampling, choose
from selfsup.generation.text import stream_text

__all__ = [
    "Blank",
    "Candidate",
    "Captions",
    "Continuation",
    "FilledIn",
    "LanguageModel",
    "Reconstruction",
    "Repeat",
    "Sampled",
    "Sampling",
    "Writer",
    "choose",
    "fill_in",
    "find_repeats",
    "generate",
    "reconstruct",
    "stream_text",
]
