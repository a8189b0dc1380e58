"""Decision thresholds from held-out normal windows, and what they can promise.

A window is flagged where its score is strictly greater than the threshold. The threshold is the k-th smallest of the
n calibration scores, k = ceil((n + 1)(1 - a)): for exchangeable windows at most a share a of normal windows is flagged
(split conformal prediction; Vovk et al. 2005). Neighbouring windows are not exchangeable, so the word *promised* is kept
for calibration blocks that carry it: see ``carried_size``.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

MAX_AUTOCORRELATION = 0.97
MAX_TIMES = 20


@dataclass(frozen=True)
class Calibration:
    """A threshold and its small print.

    Attributes
    ----------
    threshold : float
        In units of the score; flagged is strictly above.
    wanted_rate, used_rate : float
        False-alarm rate asked for, and the one the threshold stands for: higher where n is too small for the wanted one.
    n, n_eff : int, float
        Calibration items (windows, or whole recordings), and how many independent ones they are worth.
    promised : bool
        Whether ``carried`` reaches 1 / used_rate - 1.
    carried : float
        How many of the independent ones a promise can count on, see ``carried_size``.
    """

    threshold: float
    wanted_rate: float
    used_rate: float
    n: int
    n_eff: float
    promised: bool
    carried: float
    judged_by: str = "window"

    def __str__(self):
        sentence = (f"threshold {self.threshold:.4g}: a false-alarm rate of {self.used_rate:.1%} is "
                    f"{'promised' if self.promised else 'aimed at, not promised'} "
                    f"({self.n} calibration {self.judged_by}{'s' * (self.n != 1)}, worth about {self.n_eff:.0f} independent "
                    f"one{'s' * (round(self.n_eff) != 1)})")
        if self.used_rate > self.wanted_rate:
            sentence += (f"; {self.wanted_rate:.1%} was wanted, which needs at least "
                         f"{math.ceil(1 / self.wanted_rate - 1 - 1e-9)} calibration {self.judged_by}s")
        if not self.promised:
            times = (1 / self.wanted_rate - 1) / self.carried
            more = f"about {times:.1f}" if times < MAX_TIMES else f"more than {MAX_TIMES}"
            what = "much calibration sound" if self.judged_by == "window" else "many calibration recordings"
            sentence += (f"; a promise can count on {self.carried:.0f} of them: {smallest_promise(self.carried):.1%} is the "
                         f"smallest rate that could be promised here, {more} times as {what} would promise {self.wanted_rate:.1%}")
        return sentence


def calibrate(calibration_scores, false_alarm_rate, *, units=None, channels=1.0):
    """Threshold for a wanted false-alarm rate.

    Parameters
    ----------
    calibration_scores : array, shape (n,)
        Scores of normal windows, or recordings, that nothing was fitted on, in order of time; higher = more anomalous.
    false_alarm_rate : float
        Between 0 and 1, both excluded.
    units : array, shape (n,), optional
        For recordings: what each belongs to. Scores of different units are independent, those of one count as one, and units of
        unequal sizes s as (sum of s)² / (sum of s²) (Kish 1965). Windows depend on their neighbours.
    channels : float
        For windows: how many channels of the same seconds there are, which count as one.

    Returns
    -------
    Calibration
        Where n < 1 / false_alarm_rate - 1, at the smallest rate that n allows, 1 / (n + 1).

    Examples
    --------
    >>> calibrate(range(1, 20), 0.05).threshold, calibrate(range(1, 40), 0.05).threshold
    (19.0, 38.0)
    """
    check_rate(false_alarm_rate)
    scores = _finite(calibration_scores)
    n = len(scores)
    used_rate = max(float(false_alarm_rate), 1 / (n + 1))
    if units is None:
        n_eff, carried = (size(scores) / channels for size in (effective_size, carried_size))
    else:
        sizes = np.unique(np.asarray(units), return_counts=True)[1]
        n_eff = carried = float(n**2 / np.dot(sizes, sizes))
    return Calibration(threshold=float(np.sort(scores)[_rank(n, used_rate) - 1]), wanted_rate=float(false_alarm_rate),
                       used_rate=used_rate, n=n, n_eff=n_eff, promised=bool(carried >= 1 / used_rate - 1 - 1e-9),
                       carried=carried, judged_by="window" if units is None else "recording")


def carried_size(scores):
    """How many independent values a promise may count on: n ((1 - r) / (1 + r))², r one standard error above its estimate.

    The effective size alone gives the word too easily: where r, estimated from the same few scores, comes out too low, the slow
    swings have not been seen and the threshold is too low as well. So r counts one standard error higher, sqrt((1 - r²) / n), and
    its factor twice. The word at a wanted 10 % for simulated AR(1) scores, in brackets by the effective size alone:

    r 0.0: given to 44 % (93 %) of n = 19, 89 % (100 %) of n = 40, which realise 9.8 to 10 %
    r 0.5: to 5 % (84 %) of n = 40, which realise 15 % (11.5 %), to 62 % (100 %) of n = 140: 10.9 % (10.2 %)
    r 0.8: to 0.1 % (15 %, realising 21 %) of n = 40, to 0.0 % (74 %, realising 13 %) of n = 100

    A stricter rule moves the rest to longer blocks, it does not end it; all figures: ``python tests/test_promises.py``.
    """
    n = len(scores)
    r = _estimated_r(np.asarray(scores, dtype=float))
    r = min(max(r + math.sqrt(max(1 - r**2, 0) / n), 0), MAX_AUTOCORRELATION)
    return float(n * ((1 - r) / (1 + r)) ** 2)


def smallest_promise(n_eff):
    """The smallest false-alarm rate that so many independent scores can promise: 1 / (n_eff + 1), 5 % for 19, 100 % for none."""
    return 1 / (n_eff + 1)


def rate_range(calibration, confidence=0.95):
    """Where the true false-alarm rate of this very threshold lies, given how little it was set on.

    The k-th smallest of n independent scores is exceeded at a rate that varies over calibrations like Beta(n + 1 - k, k) (Vovk
    2012). Dependent ones get the same mean 1 - k / (n + 1) and the spread of n_eff: Beta(n_eff + 1 - k_eff, k_eff) with
    k_eff = k (n_eff + 1) / (n + 1). A nominal 95 % held the true rate in 95 to 97 % of simulated independent calibrations of 19 to
    200 scores, in 95 to 99 % at r = 0.5, at r = 0.8 in 89 % (n = 19), 93 % (n = 40) and 96 to 98 % (n from 100).

    Returns the lower and the upper end, shares between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, got {confidence}")
    n_eff, k = calibration.n_eff, _rank(calibration.n, calibration.used_rate)
    k_eff = k * (n_eff + 1) / (calibration.n + 1)
    return tuple(float(betaincinv(n_eff + 1 - k_eff, k_eff, end)) for end in ((1 - confidence) / 2, (1 + confidence) / 2))


def calibrate_items(items, false_alarm_rate, *, judged_by):
    """``calibrate`` on the calibration items of a judge, with what it knows of them: units, or channels of the same seconds."""
    if judged_by == "recording":
        return calibrate(items["score"], false_alarm_rate, units=items["unit"])
    return calibrate(items["score"], false_alarm_rate, channels=float(items["channels"].mean()))


def check_rate(false_alarm_rate):
    """Refuse a false-alarm rate that is no share between 0 and 1, both excluded."""
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate is a share between 0 and 1, such as 0.05, got {false_alarm_rate}")


def p_values(calibration_scores, scores):
    """Conformal p-value of each window: (1 + calibration scores >= its score) / (n + 1). Small = unlike normal windows.

    Examples
    --------
    >>> p_values([1, 2, 3], [0, 2.5, 9]).tolist()
    [1.0, 0.5, 0.25]
    """
    ordered = np.sort(_finite(calibration_scores))
    at_least = len(ordered) - np.searchsorted(ordered, np.asarray(scores, dtype=float), side="left")
    return (1 + at_least) / (len(ordered) + 1)


def autocorrelation(series, recording=None):
    """Lag-1 autocorrelation r of a series of n >= 3 values, corrected for its bias to r + (1 + 3r)/n, in [0, 0.97].

    ``recording`` says for each value which recording it is from; only values of one recording are neighbours. A constant
    series gives 0.97: nothing shows that its values are independent.
    """
    return float(np.clip(_estimated_r(np.asarray(series, dtype=float), recording), 0, MAX_AUTOCORRELATION))


def effective_size(series):
    """How many independent values a series is worth: n (1 - r) / (1 + r), r its lag-1 autocorrelation."""
    r = autocorrelation(series)
    return len(series) * (1 - r) / (1 + r)


def _rank(n, used_rate):
    """Which of the n scores in rising order is the threshold, from 1."""
    return min(n, math.ceil((n + 1) * (1 - used_rate) - 1e-9))


def _estimated_r(series, recording=None):
    """The autocorrelation before it is clipped: below 0 where neighbours differ more than strangers."""
    centred = series - series.mean()
    variance = np.dot(centred, centred)
    if len(series) < 3 or variance <= 1e-24 * max(1.0, np.dot(series, series)):
        return MAX_AUTOCORRELATION
    products = centred[:-1] * centred[1:]
    if recording is not None:
        products = products[np.asarray(recording)[:-1] == np.asarray(recording)[1:]]
    if not len(products):
        return 0.0
    # as many products as there are steps in one recording: else the breaks between recordings would look like independence
    r = products.mean() * (len(series) - 1) / variance
    return r + (1 + 3 * r) / len(series)


def _finite(scores):
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"calibration needs a list of at least one score, got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} calibration scores are NaN or "
                         "infinite; a detector must return finite scores")
    return scores
