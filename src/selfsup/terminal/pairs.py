"""What `selfsup evaluate` prints of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfsup.terminal.tables import percent_and_interval, print_notes, show, table_of

if TYPE_CHECKING:
    from selfsup.evaluation import CaptionScores, PairScores


def print_pair_scores(scores: PairScores) -> None:
    """Recall both ways in each language, with chance below; then what pictures were called."""
    asked = list(dict.fromkeys((one.group, one.way) for row in scores.rows for one in row.retrieval))
    table = table_of("language", "way", "row", "recall@1", "recall@5", "recall@10")
    for group, way in asked:
        shown, of_group = "" if way != asked[0][1] else group, None
        for row in scores.rows:
            for one in row.retrieval:
                if (one.group, one.way) == (group, way):
                    table.add_row(shown, way, row.row, *(percent_and_interval(found) for found in one.recall.values()))
                    shown, of_group = "", one
        if of_group is not None:
            where = f"chance among {of_group.candidates:,}"
            table.add_row("", way, where, *(f"{100 * share:.1f}" for share in of_group.chance.values()))
    if asked:
        show(table)
        print(f"Found among the nearest, in %, {scores.pictures:,} pictures of {scores.data}, with 95 % intervals")
    _print_called(scores)
    print_notes(scores.notes)


def print_caption_scores(scores: CaptionScores) -> None:
    """Bits a byte of true captions with their pictures, with others and without any, what looking gains, and how often it tells."""
    table = table_of("language", "row", "own picture", "another's", "none", "gain by looking", "own likelier, %")
    for number, first in enumerate(scores.rows[0].judged):
        for place, row in enumerate(scores.rows):
            one = row.judged[number]
            bits = (f"{found.value:.2f}" for found in (one.own, one.others, one.blind))
            gain = f"{one.gain.value:.2f} ({one.gain.low:.2f} to {one.gain.high:.2f})"
            table.add_row("" if place else first.group, row.row, *bits, gain, percent_and_interval(one.preferred))
    show(table)
    what = f"Bits a byte of true captions of {scores.pictures:,} pictures of {scores.data}, less is better"
    print(f"{what}; own likelier: 50 % by chance; with 95 % intervals")
    print_notes(scores.notes)


def _print_called(scores: PairScores) -> None:
    """Zero-shot scores, if there are any."""
    first = next((row.zero_shot[0] for row in scores.rows if row.zero_shot), None)
    if first is None:
        return
    print()
    table = table_of("row", "prompts", f"zero-shot {first.metric}")
    for row in scores.rows:
        for one in row.zero_shot:
            table.add_row(row.row, f"{one.language}: {'; '.join(one.templates)}".removeprefix(": "), percent_and_interval(one.score))
    table.add_row("chance", "", f"{100 * first.chance:.1f}")
    show(table)
    print(f"{first.classes} classes told by their names alone, in %, {first.pictures:,} pictures, with 95 % intervals")
