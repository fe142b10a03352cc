"""CLIP and SigLIP on emoji and their names in five languages: what is found both ways, and what is called right by its name.

    python benchmarks/emoji_pairs.py --budget 5m            # both tasks, 3 seeds: half an hour of training
    python benchmarks/emoji_pairs.py --steps 200 --seeds 1

A fifth of the bases is held out, each with all its skin tones and genders, so that no tested picture has a near-copy that was learned
from. Names come from CLDR (`real_data.py`). Prints recall@1, @5 and @10 with 95 % intervals over seeds and bases, beside chance and
untrained networks, and zero-shot accuracy (balanced) in the nine groups of Unicode: by their own names ("Smileys & Emotion"), and by common
words for what is in them (`emoji_groups.json`), thought of beforehand. Runs that are there and finished are only scored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from real_data import saved

LANGUAGES = "en,de,es,fr,ru"
GROUPS = Path(__file__).with_name("emoji_groups.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="clip,siglip")
    parser.add_argument("--languages", default=LANGUAGES)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--budget", default=None, help="of each run, 5m by default")
    length.add_argument("--steps", type=int, default=None)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--initialisations", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("emoji_pairs"))
    asked = parser.parse_args()
    from selfsup import evaluate_pairs, pretrain
    from selfsup.terminal.pairs import print_pair_scores

    data = str(saved("emoji_pairs", asked.out / "emoji_pairs.npz"))
    budget = None if asked.steps else asked.budget or "5m"
    runs = []
    for task in asked.tasks.split(","):
        for seed in range(asked.seeds):
            out = asked.out / f"{task}-{seed}"
            if not (out / "text" / "projection.safetensors").is_file():  # written last
                pretrain(
                    data, task=task, text=asked.languages, holdout=0.2, groups="base", backbone=asked.backbone, budget=budget,
                    steps=asked.steps, batch_size=asked.batch_size, seed=seed, out=out,
                )  # fmt: skip
            runs.append(out)
    scores = evaluate_pairs(runs, data, labels="label", templates=GROUPS, out=asked.out, initialisations=asked.initialisations)
    print_pair_scores(scores)


if __name__ == "__main__":
    main()
