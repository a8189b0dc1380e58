"""A 95 % interval for the ROC AUC that knows that neighbouring windows are not independent."""

import numpy as np
from scipy import stats

from acoustic_nb.evaluation import checked
from acoustic_nb.thresholds import autocorrelation, effective_size

MIN_EFFECTIVE_SIZE = 8


def auc_interval(label, scores, *, confidence=0.95):
    """Interval of the ROC AUC from placement values with inflated variances.

    The variance of each class's mean placement (DeLong et al. 1988) is multiplied by (1 + r)/(1 - r), r its lag-1
    autocorrelation; the interval is symmetric on the logit scale, with Student t on min(n_eff) - 1 degrees of freedom.
    Where the AUC is 0 or 1 there is no logit: the bound is then the AUC that n_eff independent windows would all
    have met with probability (1 - confidence) / 2.

    Parameters
    ----------
    label : array of int, shape (n_windows,)
        0 normal, 1 anomalous; windows of one class in order of time, from one recording.
    scores : array of float, shape (n_windows,)

    Returns
    -------
    dict
        ``low``, ``high``; ``n_eff``, the smaller effective size of the two classes; ``enough``: whether it reaches 8.
    """
    label, scores = checked(label, scores)
    normal, anomalous = scores[label == 0], scores[label == 1]
    placements = _share_below(anomalous, normal), 1 - _share_below(normal, anomalous)
    auc = float(placements[0].mean())
    tail = (1 - confidence) / 2
    if np.ptp(scores) == 0:  # nothing is ranked: nothing is known
        n_eff, low, high = 0.0, 0.0, 1.0
    elif auc in (0.0, 1.0):  # all placements are equal and say nothing about dependence; the scores do
        n_eff = min(effective_size(series) for series in (normal, anomalous))
        bound = tail ** (1 / max(n_eff, 1.0))
        low, high = (bound, 1.0) if auc == 1.0 else (0.0, 1 - bound)
    else:
        variance, sizes = 0.0, []
        for series, raw in zip(placements, (anomalous, normal), strict=True):
            constant = np.ptp(series) == 0
            r = autocorrelation(raw if constant else series)
            variance += 0.0 if constant else series.var(ddof=1) / len(series) * (1 + r) / (1 - r)
            sizes.append(effective_size(series, r))
        n_eff = min(sizes)
        half = stats.t.ppf(1 - tail, max(n_eff - 1, 1.0)) * np.sqrt(variance) / (auc * (1 - auc))
        logit = np.log(auc / (1 - auc))
        low, high = (float(1 / (1 + np.exp(-(logit + side * half)))) for side in (-1, 1))
    return {"low": float(low), "high": float(high), "n_eff": float(n_eff), "enough": bool(n_eff >= MIN_EFFECTIVE_SIZE)}


def _share_below(series, others):
    """For each value the share of ``others`` below it, ties counted half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, series, "left") + np.searchsorted(ordered, series, "right")) / (2 * len(ordered))
