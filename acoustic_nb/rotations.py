"""Rotations: the same detector fitted and judged on other cuts of the normal recording, for the spread that the cut makes."""

import copy

import pandas as pd

from acoustic_nb.evaluation import evaluate
from acoustic_nb.judging import make_judge
from acoustic_nb.thresholds import calibrate
from acoustic_nb.units import split_recordings


def rotate(detector, table, recordings, rotations, *, false_alarm_rate, how="mean"):
    """ROC AUC and pAUC of a detector on every rotation of the cut, and what it flags at the threshold of that rotation.

    Parameters
    ----------
    detector : Detector
        Fitted on ``split_recordings(table, recordings)``; left as it is. With more than one rotation copies of it are fitted,
        each on the training windows of its rotation.
    table : FeatureTable
        The windows of all recordings, not standardised.
    recordings : list of Recording
    rotations : int
        1 is the cut at hand, which is not fitted again.
    false_alarm_rate : float
        Wanted; each rotation has a threshold of its own from its own calibration part.
    how : str
        How window scores become the score of a recording, where recordings are judged.

    Returns
    -------
    DataFrame
        One row per rotation: rotation, test_from_s (where the normal test block begins), roc_auc, pauc, and the counts
        true_positive, n_anomalous, false_positive, n_normal. Scores of different rotations are not comparable; average their
        AUCs and pool their flags, never the scores.
    """
    if rotations < 1:
        raise ValueError(f"rotations is how many cuts are judged, at least 1, got {rotations}")
    rows = []
    for rotation in range(rotations):
        split = split_recordings(table, recordings, rotations=rotations, rotation=rotation)
        one = detector if rotations == 1 else refitted(detector, split)
        judge = make_judge(split, recordings, how=how)
        items, calibration_items = (judge(part, one.score(part)) for part in (split.test, split.calibration))
        threshold = calibrate(calibration_items["score"], false_alarm_rate).threshold
        metrics = evaluate(items["label"], items["score"], threshold)
        test_from_s = min(block.start_s for block in split.blocks if block.part == "test" and block.label == 0)
        rows.append({"rotation": rotation, "test_from_s": test_from_s, **{name: metrics[name] for name in (
            "roc_auc", "pauc", "true_positive", "n_anomalous", "false_positive", "n_normal")}})
    return pd.DataFrame(rows)


def spread(turns):
    """The rows of ``rotate`` as a dict: mean, smallest and largest ROC AUC, mean pAUC, recall and false-alarm rate of all flags."""
    return {"rotations": len(turns), "roc_auc_mean": float(turns["roc_auc"].mean()), "roc_auc_min": float(turns["roc_auc"].min()),
            "roc_auc_max": float(turns["roc_auc"].max()), "pauc_mean": float(turns["pauc"].mean()),
            "recall_pooled": float(turns["true_positive"].sum() / turns["n_anomalous"].sum()),
            "false_alarm_rate_pooled": float(turns["false_positive"].sum() / turns["n_normal"].sum())}


def refitted(detector, split):
    """A copy of a detector, fitted on the training windows of another split."""
    one = copy.copy(detector)
    if hasattr(one, "sequence_length"):
        one.sequence_length = min(one.sequence_length, split.shortest_block)
    return one.fit(split.train if one.supervised else split.train.normal())
