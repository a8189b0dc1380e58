"""Seeds: the same detector fitted again with other random numbers, for the spread that the dice make."""

import copy

import pandas as pd

from acoustic_nb.evaluation import evaluate


def vary_seed(detector, split, judge, seeds):
    """ROC AUC and pAUC of a detector for several seeds, on the same cut and the same test sound.

    Parameters
    ----------
    detector : Detector
        Fitted on the training windows of ``split``; left as it is, and the first of them. Copies of it are fitted with the seeds
        that follow its own.
    split : Split
    judge : callable
        From ``judging.make_judge``.
    seeds : int
        How many, at least 1; 1 fits nothing.

    Returns
    -------
    DataFrame
        One row per seed: seed, roc_auc, pauc. Equal rows are those of a detector without a random part.
    """
    check_seeds(seeds)
    rows = []
    for number in range(seeds):
        one = detector
        if number:
            one = copy.copy(detector)
            one.seed = detector.seed + number
            one.fit(split.train if one.supervised else split.train.normal())
        items = judge(split.test, one.score(split.test))
        metrics = evaluate(items["label"], items["score"], threshold=0.0)
        rows.append({"seed": one.seed, "roc_auc": metrics["roc_auc"], "pauc": metrics["pauc"]})
    return pd.DataFrame(rows)


def check_seeds(seeds):
    """Refuse, with ValueError, a number of seeds below 1."""
    if seeds < 1:
        raise ValueError(f"seeds is how many seeds are tried, at least 1, got {seeds}")


def seed_spread(rows):
    """The rows of ``vary_seed`` as a dict: how many, mean, smallest and largest ROC AUC."""
    return {"seeds": len(rows), "seed_roc_auc_mean": float(rows["roc_auc"].mean()),
            "seed_roc_auc_min": float(rows["roc_auc"].min()), "seed_roc_auc_max": float(rows["roc_auc"].max())}
