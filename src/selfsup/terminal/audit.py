"""What `selfsup audit` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfsup.auditing.wording import advised, headline, pair_words, settings_for, way_up
from selfsup.terminal.tables import percent_and_interval, print_notes, show, table_of

if TYPE_CHECKING:
    from selfsup.auditing import Audit

SHOWN = 3
"""Pairs of classes named in a line; the page and the file have all."""


def print_audit(audit: Audit) -> None:
    """What each transform costs the labels, what to set for which task, and which task does not suit."""
    table = table_of("transform", "labels told", "lost, in points", "verdict", "classes that became alike (confused before and after)")
    table.add_row("whole pictures", percent_and_interval(audit.told), "", "", "")
    for finding in audit.findings:
        lost = f"{100 * finding.loss.value:+.1f} ({100 * finding.loss.low:+.1f} to {100 * finding.loss.high:+.1f})"
        pairs = ", ".join(pair_words(pair) for pair in finding.pairs[:SHOWN]) + (", …" if len(finding.pairs) > SHOWN else "")
        table.add_row(finding.name, percent_and_interval(finding.told), lost, finding.verdict, pairs)
    show(table)
    classes = len(audit.classes)
    print(
        f"balanced accuracy in % with 95 % intervals ({100 * audit.chance:.1f} by chance among {classes} classes), "
        f"on {audit.pictures} of {audit.labelled} labelled pictures at {audit.size} px"
    )
    print(f"\n{headline(audit)}.\n{way_up(audit)}")
    for words, tasks in settings_for(audit):
        if words:
            print(f"Add {words}   to {', '.join(tasks)}")
    for task, said in advised(audit):
        print(f"{task}: {said}.")
    print_notes(audit.notes)
