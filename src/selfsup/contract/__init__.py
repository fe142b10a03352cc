"""The contract of a task and of a views function: what is tried, on made-up batches and real ones, and in words what is broken."""

from selfsup.contract.findings import PLACES, Finding, Findings, made, refuse
from selfsup.contract.own_views import check_views
from selfsup.contract.places import check_module
from selfsup.contract.trials import Checked, Trial, check, check_before_training, made_up_batch

__all__ = [
    "PLACES",
    "Checked",
    "Finding",
    "Findings",
    "Trial",
    "check",
    "check_before_training",
    "check_module",
    "check_views",
    "made",
    "made_up_batch",
    "refuse",
]
