"""Evaluation: numbers and curves from labels, scores and a threshold. Higher scores mean more anomalous."""

import warnings

import numpy as np
import pandas as pd
from sklearn import metrics as sk

MAX_FPR = 0.1


def evaluate(label, scores, threshold):
    """Every metric of one detector on what it is judged by.

    Parameters
    ----------
    label : array of int, shape (n,)
        0 normal, 1 anomalous, of windows or of whole recordings; both must occur.
    scores : array of float, shape (n,)
    threshold : float
        Flagged is what scores strictly higher.

    Returns
    -------
    dict of float
        ``roc_auc``, ``pauc`` (false-alarm rates up to 0.1, McClish-standardised: 0.5 is chance), ``average_precision``
        with the ``prevalence`` that chance would reach, then at the threshold ``recall``, ``false_alarm_rate``,
        ``precision``, ``f1``, ``accuracy``, ``balanced_accuracy``, ``mcc``, and the counts behind them.

    Raises
    ------
    ValueError
        If a class is missing, lengths differ or a score is not finite.
    """
    label, scores = checked(label, scores)
    flagged = scores > threshold
    true_negative, false_positive, false_negative, true_positive = sk.confusion_matrix(label, flagged).ravel()
    return {key: float(value) for key, value in {
        "roc_auc": sk.roc_auc_score(label, scores),
        "pauc": partial_auc(label, scores),
        "average_precision": sk.average_precision_score(label, scores),
        "prevalence": label.mean(),
        "recall": sk.recall_score(label, flagged),
        "false_alarm_rate": false_positive / (false_positive + true_negative),
        "precision": sk.precision_score(label, flagged, zero_division=0),
        "f1": sk.f1_score(label, flagged, zero_division=0),
        "accuracy": sk.accuracy_score(label, flagged),
        "balanced_accuracy": sk.balanced_accuracy_score(label, flagged),
        "mcc": sk.matthews_corrcoef(label, flagged),
        "n_normal": np.count_nonzero(label == 0), "n_anomalous": np.count_nonzero(label == 1),
        "true_positive": true_positive, "false_positive": false_positive,
        "true_negative": true_negative, "false_negative": false_negative}.items()}


def partial_auc(label, scores):
    """Area under the ROC curve up to a false-alarm rate of 0.1, McClish-standardised: 0.5 chance, 1 perfect."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        return float(sk.roc_auc_score(label, scores, max_fpr=MAX_FPR))


def by_recording(windows, scores, threshold):
    """What each recording says as a whole: one row per recording.

    Parameters
    ----------
    windows : FeatureTable
    scores : array, shape (len(windows),)
    threshold : float

    Returns
    -------
    DataFrame
        Columns recording, label, windows, flagged_share, median_score, highest_score.
    """
    rows = pd.DataFrame({"recording": windows.recording, "label": windows.recording_label, "score": scores,
                         "flagged": np.asarray(scores) > threshold})
    return rows.groupby(["recording", "label"], sort=False).agg(
        windows=("score", "size"), flagged_share=("flagged", "mean"), median_score=("score", "median"),
        highest_score=("score", "max")).reset_index()


def score_table(parts, threshold):
    """The windows of several parts with their scores, as it is kept in a run.

    Parameters
    ----------
    parts : dict
        Part name -> (FeatureTable, scores).
    threshold : float

    Returns
    -------
    DataFrame
        Columns recording, start_s, end_s, part, label, score, flagged.
    """
    return pd.concat([pd.DataFrame({
        "recording": windows.recording, "start_s": windows.start_s, "end_s": windows.end_s, "part": part,
        "label": windows.label, "score": np.asarray(scores, dtype=float), "flagged": np.asarray(scores) > threshold})
        for part, (windows, scores) in parts.items()], ignore_index=True)


def checked(label, scores):
    """Labels and scores as arrays of one length, both classes present, scores finite."""
    label, scores = np.asarray(label), np.asarray(scores, dtype=float)
    if label.shape != scores.shape or label.ndim != 1:
        raise ValueError(f"label and scores need one entry per window, got shapes {label.shape} and {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores are NaN or infinite; "
                         "a detector must return finite scores")
    if set(np.unique(label)) != {0, 1}:
        raise ValueError(f"test windows must hold both labels, 0 and 1, got {sorted(np.unique(label).tolist())}; "
                         "give a normal and an anomalous recording")
    return label, scores
