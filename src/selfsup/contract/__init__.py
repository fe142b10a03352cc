"""The contract of a task and of a views function: what is tried, on made-up batches and real ones, and in words what is broken."""

from selfsup.contract.findings import PLACES, Finding, in_words, made, written_by_user
from selfsup.contract.trials import Checked, check, check_before_training

__all__ = ["PLACES", "Checked", "Finding", "check", "check_before_training", "in_words", "made", "written_by_user"]
