"""The ground for texts: TF-IDF and latent semantic analysis beside the networks, and near-copies told from stretches of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache as once
from functools import partial
from typing import Any, ClassVar

import numpy as np

from selfsup.embedding import Reading, TextReading
from selfsup.evaluation.baselines import Told, baseline_key
from selfsup.evaluation.cache import cached, digest
from selfsup.evaluation.choice import Features
from selfsup.evaluation.ground import Ground, SimpleRows
from selfsup.evaluation.predictions import Predictions, Setting
from selfsup.evaluation.problem import Problem
from selfsup.evaluation.scoring import score
from selfsup.evaluation.text_copies import near_text_copies
from selfsup.evaluation.words import COMPONENTS, counted, semantic, some_to_fit
from selfsup.run import Run

TFIDF, SEMANTIC = "TF-IDF", "LSA"

RATES = (1e-3, 3e-4)
"""Learning rates tried from scratch, the default first."""
