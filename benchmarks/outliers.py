"""Which distance ranks what does not belong first? All but a few items of one class are taken away, and those few sought among the others.

    python benchmarks/outliers.py --run RUN --data mnist.npz --labels label --out DIR

Each class in turn, with three draws of the five items that stay. The area under the ROC curve (.5 by chance) and average precision, means
over classes and draws, of: the mean and the last of the cosine distances to k nearest, embeddings around their mean and as they are, the
same with standardised embeddings, and the local outlier factor (Breunig, Kriegel, Ng, Sander, SIGMOD 2000). The run saw the class whole:
it knows what it looks like, which makes the question harder than a kind that is new. Embeddings are kept in DIR.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from embedded import embedded
from selfsup.curating.collection import around
from selfsup.curating.neighbours import nearest
from selfsup.probing.probes import Standardiser

KEPT, DRAWS = 5, 3


def ranked(features: np.ndarray) -> dict[str, np.ndarray]:
    """How far each item is, by every distance."""
    ways = {
        "around the mean": around(features, features.mean(0)),
        "as they are": around(features, np.zeros(features.shape[1])),
        "standardised": around(Standardiser.of(features)(features), np.zeros(features.shape[1])),
    }
    found = {}
    for name, unit in ways.items():
        distance = 1 - nearest(unit, unit, count=50, same=True)[0].numpy()
        for count in (1, 5, 10, 20, 50):
            found[f"{name}: mean of {count}"] = distance[:, :count].mean(1)
            found[f"{name}: last of {count}"] = distance[:, count - 1]
    unit = ways["around the mean"].numpy()
    return found | {"around the mean: local outlier factor, 20": -LocalOutlierFactor(20).fit(unit).negative_outlier_factor_}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.manual_seed(0)
    data = embedded(asked.run, asked.data, labels=asked.labels, out=asked.out)
    areas, precisions = defaultdict(list), defaultdict(list)
    for label in range(data.targets.max() + 1):
        for draw in range(DRAWS):
            members = np.random.default_rng([label, draw]).permutation(np.flatnonzero(data.targets == label))
            rows = np.setdiff1d(np.arange(len(data.targets)), members[KEPT:])
            for name, distance in ranked(data.features[rows]).items():
                areas[name].append(roc_auc_score(data.targets[rows] == label, distance))
                precisions[name].append(average_precision_score(data.targets[rows] == label, distance))
    print(
        f"{len(data.targets):,} items, layer {data.layer}\n\n| distance | area under the ROC curve | average precision, % |\n|---|--:|--:|"
    )
    for name, values in areas.items():
        print(f"| {name} | {np.mean(values):.3f} | {100 * np.mean(precisions[name]):.1f} |")


if __name__ == "__main__":
    main()
