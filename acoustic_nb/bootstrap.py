"""Bootstrap intervals of every metric: the same test again and again, put together from blocks of its own sound.

One draw is a weight per item, how often it was drawn.
"""

import numpy as np
import pandas as pd
from scipy import stats

from acoustic_nb.dependence import class_ranks, inflation, simultaneous
from acoustic_nb.evaluation import checked
from acoustic_nb.weighted import weighted_metrics

CELLS_AT_ONCE = 500_000
MOST_CELLS = 40_000_000
METRICS = ("pauc", "average_precision", "precision", "f1", "accuracy", "balanced_accuracy", "mcc")


def bootstrap_intervals(items, threshold, *, judged_by, draws=2000, seed=0, confidence=0.95, metrics=METRICS):
    """Expanded percentile intervals (Hesterberg 2015) of the metrics of ``evaluate``.

    Windows: circular block bootstrap (Politis and Romano 1992) within each recording, see ``block_lengths``. Recordings: whole
    units are drawn, as many as there are of each kind: normal only, anomalous only, both. A draw without one of the classes has
    no metrics and is left out. Draws of n_eff independent items scatter less than new sound would: the interval ends not where a
    share of (1 - confidence) / 2 of the draws lies outside, but where the normal distribution leaves outside what is beyond
    sqrt(n_eff / (n_eff - 1)) times the quantile of Student t on n_eff - 1 degrees of freedom, n_eff of the smaller class.

    Where all draws agree, as in perfect separation, or a class is worth fewer than two independent items, the draws say nothing.
    The interval then holds what the metric would be if n_eff independent items of one class had all been met by luck: the share
    of that class that would have to look otherwise, 1 - ((1 - confidence) / 2) ** (1 / n_eff), gets the lowest or highest score.

    Parameters
    ----------
    items : DataFrame
        Columns label, score, recording and unit, from a judge; windows in order of time.
    threshold : float
        Flagged is what scores strictly higher.
    judged_by : str
        ``window`` or ``recording``.
    draws : int
        Of more than 20,000 items fewer are taken, 200 at least: draws times items stays at 40 million.
    seed : int
    metrics : sequence of str
        Of ``weighted.weighted_metrics``; by default those for which there is no better interval, as ``intervals`` has for
        ``roc_auc``, ``recall`` and ``false_alarm_rate``.

    Returns
    -------
    dict
        Metric -> (low, high).
    """
    label, scores = checked(items["label"].to_numpy(), items["score"].to_numpy())
    if draws < 1:
        raise ValueError(f"draws is how often the test is drawn again, at least 1, such as 2000, got {draws}")
    draws = min(draws, max(200, MOST_CELLS // len(label)))
    draw, sizes = (_block_draws if judged_by == "window" else _unit_draws)(items, label, scores)
    rng, at_once = np.random.default_rng(seed), max(1, CELLS_AT_ONCE // len(label))
    parts = [weighted_metrics(label, scores, draw(min(at_once, draws - first), rng), threshold)
             for first in range(0, draws, at_once)]
    tail = (1 - confidence) / 2
    extremes = _extremes(label, scores, threshold, {value: 1 - tail ** (1 / n_eff) for value, n_eff in sizes.items()})
    smallest = min(sizes.values())
    outside = stats.norm.cdf(np.sqrt(smallest / (smallest - 1)) * stats.t.ppf(tail, smallest - 1)) if smallest > 1 else 0.0
    intervals = {}
    for name in metrics:
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, [outside, 1 - outside]) if len(values) else (0.0, 0.0)
        if high - low < 1e-12 or smallest < 2:
            low, high = extremes[name].min(), extremes[name].max()
        intervals[name] = float(low), float(high)
    return intervals


def block_lengths(items):
    """Rows per block of every recording: twice the longest autocorrelation time of its classes, a quarter of its rows at most.

    The autocorrelation time of a class, 1 + 2 * (sum of autocorrelations), is the ``inflation`` of the ranks of its scores, each
    recording's mean taken off. Blocks as long as the recording would all be the recording itself, turned: no draw would differ.

    Returns a dict recording -> rows, at least 1.
    """
    label, recording = items["label"].to_numpy(), items["recording"].to_numpy()
    ranks = pd.Series(class_ranks(label, items["score"].to_numpy()))
    within = (ranks - ranks.groupby([label, recording]).transform("mean")).to_numpy()
    times = {value: inflation(within[label == value], recording[label == value]) for value in (0, 1)}
    lengths = {}
    for name, labels in items.groupby("recording", sort=False)["label"]:
        longest = max(times[value] for value in labels.unique())
        lengths[name] = int(max(1, min(np.ceil(2 * longest), len(labels) // 4)))
    return lengths


def _block_draws(items, label, scores):
    """``draw(n_draws, rng)``, weights of shape (n_draws, n), from blocks within recordings; and each class's n_eff."""
    recording, lengths, ranks = items["recording"].to_numpy(), block_lengths(items), class_ranks(label, scores)
    channels, unit = simultaneous(items), items["unit"].to_numpy() if "unit" in items else recording
    places = {}  # channels of one file are drawn together
    for name, length in lengths.items():
        rows = np.flatnonzero(recording == name)
        places.setdefault((unit[rows[0]], len(rows)) if channels > 1 else name, (length, []))[1].append(rows)
    sizes = {value: np.count_nonzero(label == value) / inflation(ranks[label == value], recording[label == value]) / channels
             for value in (0, 1)}

    def draw(n_draws, rng):
        weights = np.empty((n_draws, len(label)))
        for length, together in places.values():
            n = len(together[0])
            starts = rng.integers(n, size=(n_draws, -(-n // length)))
            drawn = (starts[:, :, None] + np.arange(length)).reshape(n_draws, -1)[:, :n] % n
            for rows in together:
                weights[:, rows] = _counts(drawn, n)
        return weights

    return draw, sizes


def _unit_draws(items, label, scores):
    """The same from whole units; a class's n_eff is the number of its units."""
    units, codes = np.unique(items["unit"].to_numpy(), return_inverse=True)
    holds = np.array([np.bincount(codes[label == value], minlength=len(units)) > 0 for value in (0, 1)])
    kinds = [np.flatnonzero((holds[0] == normal) & (holds[1] == anomalous)) for normal, anomalous in ((1, 0), (0, 1), (1, 1))]

    def draw(n_draws, rng):
        weights = np.zeros((n_draws, len(units)))
        for members in kinds:
            if len(members):
                weights[:, members] = _counts(rng.integers(len(members), size=(n_draws, len(members))), len(members))
        return weights[:, codes]

    return draw, {value: float(np.count_nonzero(holds[value])) for value in (0, 1)}


def _counts(drawn, n):
    """How often each of n things was drawn: shape (draws, n)."""
    n_draws = len(drawn)
    return np.bincount((drawn + n * np.arange(n_draws)[:, None]).ravel(), minlength=n_draws * n).reshape(n_draws, n)


def _extremes(label, scores, threshold, shares):
    """The metrics as they are, and where a share of one class had the lowest or the highest score instead: four more values."""
    ends = min(scores.min(), threshold) - 1, max(scores.max(), threshold) + 1
    parts = [weighted_metrics(label, scores, np.ones((1, len(label))), threshold)]
    for value, share in shares.items():
        weights = np.append(np.where(label == value, 1 - share, 1.0), share * np.count_nonzero(label == value))
        parts += [weighted_metrics(np.append(label, value), np.append(scores, end), weights[None], threshold) for end in ends]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
