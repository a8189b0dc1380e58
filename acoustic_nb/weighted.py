"""Weighted metrics: the metrics of ``evaluation`` where items count several times or not at all, for many weightings at once.

They are cumulative sums of the weights over the items sorted by score, so nothing is sorted twice.
"""

import numpy as np

from acoustic_nb.evaluation import MAX_FPR


def weighted_metrics(label, scores, weights, threshold):
    """The metrics of ``evaluate`` where item k counts ``weights[draw, k]`` times.

    Parameters
    ----------
    label, scores : array, shape (n,)
    weights : array, shape (draws, n)
        0 or more.
    threshold : float

    Returns
    -------
    dict
        Metric -> array of shape (draws,); NaN where a draw gives one of the classes no weight.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last item of each group of equal scores
    ordered = weights[:, order].astype(float)
    found = np.cumsum(ordered * (label[order] == 1), axis=1)[:, ends]
    alarms = np.cumsum(ordered, axis=1)[:, ends] - found
    found, alarms = (np.pad(each, ((0, 0), (1, 0))) for each in (found, alarms))  # (draws, groups + 1), from no item to all
    flagged = np.count_nonzero(scores[order][ends] > threshold)
    metrics = _ranked(found, alarms) | _at_threshold(found[:, flagged], alarms[:, flagged], found[:, -1], alarms[:, -1])
    both = (found[:, -1] > 0) & (alarms[:, -1] > 0)
    return {name: np.where(both, values, np.nan) for name, values in metrics.items()}


def _at_threshold(tp, fp, n_anomalous, n_normal):
    tn, n, n_flagged = n_normal - fp, n_anomalous + n_normal, tp + fp
    recall, false_alarm_rate = _share(tp, n_anomalous), _share(fp, n_normal)
    return {"recall": recall, "false_alarm_rate": false_alarm_rate, "precision": _share(tp, n_flagged),
            "f1": _share(2 * tp, n_flagged + n_anomalous), "accuracy": (tp + tn) / n,
            "balanced_accuracy": (recall + 1 - false_alarm_rate) / 2,
            "mcc": _share(tp * tn - fp * (n_anomalous - tp), np.sqrt(n_flagged * n_anomalous * n_normal * (n - n_flagged)))}


def _ranked(found, alarms):
    """Average precision, and the areas under the ROC curve by trapezia, of cumulative counts."""
    rise, width = np.diff(found, axis=1), np.diff(alarms, axis=1)
    n_anomalous, n_normal = found[:, -1], alarms[:, -1]
    limit = (MAX_FPR * n_normal)[:, None]
    inside = np.minimum(alarms[:, 1:], limit) - np.minimum(alarms[:, :-1], limit)  # the trapezium at the limit is cut
    areas = [(part * (found[:, :-1] + rise * _share(part, width) / 2)).sum(axis=1) for part in (width, inside)]
    roc_auc, area = (_share(each, n_anomalous * n_normal) for each in areas)
    smallest = MAX_FPR**2 / 2
    return {"average_precision": _share((rise * _share(found, found + alarms)[:, 1:]).sum(axis=1), n_anomalous),
            "roc_auc": roc_auc, "pauc": (1 + (area - smallest) / (MAX_FPR - smallest)) / 2}


def _share(part, whole):
    """part / whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
