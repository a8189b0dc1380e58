"""Intervals that know that neighbouring windows, or recordings of one unit, are not independent.

How much they are worth is in ``dependence``.
"""

import numpy as np
from scipy import stats

from acoustic_nb.dependence import class_ranks, degrees_of_freedom, mean_spread, placements, unit_sums
from acoustic_nb.evaluation import checked

MIN_EFFECTIVE_SIZE = 8


def auc_interval(items, *, judged_by, confidence=0.95):
    """Interval of the ROC AUC from placement values, whose variance knows what depends on what.

    The variances of both classes' mean placements (DeLong et al. 1988), see ``mean_spread``, are summed; the interval is
    symmetric on the logit scale, with Student t. Where the AUC is 0 or 1 there is no logit: the bound is then the AUC that n_eff
    independent items would all have met with probability (1 - confidence) / 2.

    Simulated coverage of the nominal 95 % (benchmarks/coverage.py): 94 to 98 % for n from 40 to 360, r from 0 to 0.8 and AUC from
    0.5 to 0.92; 72 to 92 % where three tenths of the variance drift slowly (an autocorrelation of 0.97 between neighbours).

    Parameters
    ----------
    items : DataFrame
        Columns label, score, recording and unit, from a judge; windows in order of time.
    judged_by : str
        ``window`` or ``recording``.

    Returns
    -------
    dict
        ``low``, ``high``; ``n_eff_normal``, ``n_eff_anomalous``, the effective sizes of the two classes, and ``n_eff``, the smaller
        one; ``enough``: whether that reaches 8.
    """
    label, scores = checked(items["label"].to_numpy(), items["score"].to_numpy())
    placed, ranks = placements(label, scores), class_ranks(label, scores)
    auc = float(placed[label == 1].mean())
    tail = (1 - confidence) / 2
    spreads = [mean_spread(placed[rows], ranks[rows], items[rows], judged_by=judged_by) for rows in (label == 1, label == 0)]
    variance, sizes = sum(one[0] for one in spreads), [float(one[1]) for one in spreads]
    n_eff = min(sizes)
    if np.ptp(scores) == 0:  # nothing is ranked: nothing is known
        n_eff, sizes, low, high = 0.0, [0.0, 0.0], 0.0, 1.0
    elif judged_by == "recording" and (n_eff < 2 or (variance == 0 and 0 < auc < 1)):  # units that show no spread say nothing of it
        low, high = 0.0, 1.0
    elif auc in (0.0, 1.0):
        bound = tail ** (1 / n_eff)
        low, high = (bound, 1.0) if auc == 1.0 else (0.0, 1 - bound)
    else:
        half = stats.t.ppf(1 - tail, degrees_of_freedom(spreads, judged_by=judged_by)) * np.sqrt(variance) / (auc * (1 - auc))
        logit = np.log(auc / (1 - auc))
        low, high = (float(1 / (1 + np.exp(-(logit + side * half)))) for side in (-1, 1))
    return {"low": float(low), "high": float(high), "n_eff": float(n_eff), "n_eff_normal": sizes[1], "n_eff_anomalous": sizes[0],
            "enough": bool(n_eff >= MIN_EFFECTIVE_SIZE)}


def rate_interval(items, hits, *, judged_by, confidence=0.95):
    """Interval of a share of items of one class, recall or the realised false-alarm rate: Clopper and Pearson (1934) at n_eff.

    Parameters
    ----------
    items : DataFrame
        Columns score, recording and unit, of ONE class; windows in order of time.
    hits : array of bool, shape (n,)
        Which of them are counted, such as the flagged ones.
    judged_by : str
        ``window``: n_eff from the dependence of the hits and of the scores. ``recording``: n_eff is the share's variance between
        independent recordings over its variance between units, and the number of units at most.

    Returns
    -------
    dict
        ``low``, ``high``, ``n_eff``. Where no item is hit, or every one, the bound on the other side is what n_eff independent
        items would all have met with probability (1 - confidence) / 2; no interval has width zero.
    """
    hits = np.asarray(hits, dtype=float)
    if len(hits) != len(items) or not len(hits):
        raise ValueError(f"an interval of a share needs one hit or miss per item and at least one, got {len(hits)} for "
                         f"{len(items)} items; give the items of one class")
    share, tail = hits.mean(), (1 - confidence) / 2
    if judged_by == "window":
        n_eff = mean_spread(hits, stats.rankdata(items["score"]), items, judged_by=judged_by)[1]
    else:
        sums = unit_sums(hits - share, items)
        clustered = (sums**2).sum() / len(hits)**2
        n_eff = min(float(len(sums)), share * (1 - share) / clustered if clustered > 1e-12 else np.inf)
    n_hit = share * n_eff
    low = stats.beta.ppf(tail, n_hit, n_eff - n_hit + 1) if share > 0 else 0.0
    high = stats.beta.ppf(1 - tail, n_hit + 1, n_eff - n_hit) if share < 1 else 1.0
    return {"low": float(low), "high": float(high), "n_eff": float(n_eff)}


def rate_intervals(items, threshold, event_numbers, *, judged_by, confidence=0.95):
    """Intervals of the three rates of a test: ``recall``, ``false_alarm_rate``, ``false_events_per_hour``, each (low, high).

    Parameters
    ----------
    items : DataFrame
        Columns label, score, recording and unit, from a judge, of both classes.
    threshold : float
        Flagged is what scores strictly higher.
    event_numbers : dict
        From ``events.event_report``; where it counts no normal sound, the last rate is NaN.
    judged_by : str
        ``window`` or ``recording``.
    """
    intervals = {}
    for name, label in (("false_alarm_rate", 0), ("recall", 1)):
        own = items[items["label"] == label]
        rate = rate_interval(own, own["score"] > threshold, judged_by=judged_by, confidence=confidence)
        intervals[name] = rate["low"], rate["high"]
    count, normal_s = event_numbers["false_events"], event_numbers["normal_s"]
    events = event_rate_interval(count, normal_s, confidence=confidence) if normal_s > 0 else {"low": np.nan, "high": np.nan}
    return {**intervals, "false_events_per_hour": (events["low"], events["high"])}


def event_rate_interval(count, seconds, *, confidence=0.95):
    """Exact Poisson interval (Garwood 1936) of a rate of events per hour: ``count`` events were met in ``seconds`` of sound.

    Returns a dict of ``low`` and ``high``, in events per hour. Events are taken as independent of each other.
    """
    if count < 0 or seconds <= 0:
        raise ValueError(f"a rate needs a count of at least 0 and more than 0 seconds, got {count} in {seconds} s")
    tail, hours = (1 - confidence) / 2, seconds / 3600
    return {"low": float(stats.chi2.ppf(tail, 2 * count) / 2 / hours) if count else 0.0,
            "high": float(stats.chi2.ppf(1 - tail, 2 * count + 2) / 2 / hours)}
