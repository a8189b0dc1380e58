"""Support vector machine: on which side of a learned boundary a window lies. It has seen both kinds."""

import numpy as np
from sklearn.svm import SVC

from acoustic_nb.detectors.base import (
    NotEnoughData,
    check_enough,
    check_positive,
    check_whole_numbers,
    expected,
    score_drops,
    scored_values,
    training_values,
)

MIN_WINDOWS_PER_LABEL = 2


class SVMDetector:
    """Anomaly score: signed distance from the boundary between normal and anomalous windows, in units of the margin.

    Supervised: it knows only the anomalies it was shown, so its figures do not compare with the other five.

    Parameters
    ----------
    C : float
        Price of a training window on the wrong side; higher fits closer.
    gamma : float or "scale" or "auto"
        How local the radial kernel is; higher is more local.
    max_windows : int
        Most windows to learn from: of more, so many are taken, spread evenly over the table, each label with its share and at
        least two. Fitting grows with the square of their number, and 10,000 windows are more than an hour of sound.
    seed : int
        Stored like every detector's; fitting has no random part.

    Attributes
    ----------
    boundary : float
        The model's own decision threshold on the score: 0.
    n_learned_, n_support_ : ndarray of int, shape (2,)
        Number of normal and of anomalous windows learned from, and of support vectors among them.
    svc_ : sklearn.svm.SVC
    """

    supervised = True
    quick = True
    context = 0
    boundary = 0.0

    def __init__(self, C=1.0, *, gamma="scale", max_windows=10_000, seed=0):
        self.C = C
        self.gamma = gamma
        self.max_windows = max_windows
        self.seed = seed

    def fit(self, windows):
        """Find the boundary; at least two windows of each label."""
        check_positive(C=self.C)
        if self.gamma not in ("scale", "auto"):
            check_positive(gamma=self.gamma)
        check_whole_numbers(2 * MIN_WINDOWS_PER_LABEL, max_windows=self.max_windows)
        check_whole_numbers(0, seed=self.seed)
        values = training_values(self, windows, at_least=1)
        counts = {"normal ": windows.take(windows.label == 0), "anomalous ": windows.take(windows.label == 1)}
        if not all(map(len, counts.values())):
            raise NotEnoughData(f"SVMDetector learns from both labels, got {len(counts['normal '])} normal "
                                f"and {len(counts['anomalous '])} anomalous windows to train on; give at least two anomalous "
                                "recordings")
        for kind, part in counts.items():
            check_enough("SVMDetector", part, at_least=MIN_WINDOWS_PER_LABEL, kind=kind)
        learned = _spread_evenly(windows.label, self.max_windows)
        self.n_learned_ = np.bincount(windows.label[learned], minlength=2)
        self.svc_ = SVC(C=self.C, gamma=self.gamma, random_state=self.seed).fit(values[learned], windows.label[learned])
        self.n_support_ = np.array(self.svc_.n_support_)
        self.feature_names_ = windows.feature_names
        return self

    def score(self, windows):
        """Decision function, shape (n_windows,): above 0 on the anomalous side, beyond 1 outside the margin."""
        values = scored_values(self, windows)
        return self.svc_.decision_function(values)

    def contributions(self, windows):
        """How far the score falls when one feature is set to its normal mean, see `score_drops`."""
        return score_drops(self.score, windows)

    def state(self):
        """See `Detector.state`."""
        return {"model": self.svc_, "n_learned": self.n_learned_.tolist(), "feature_names": list(self.feature_names_)}

    def restore(self, state):
        """See `Detector.restore`."""
        self.svc_ = expected(state["model"], SVC, state, C=self.C, gamma=self.gamma)
        self.n_learned_, self.n_support_ = np.array(state["n_learned"]), np.array(self.svc_.n_support_)
        self.feature_names_ = tuple(state["feature_names"])
        return self


def _spread_evenly(label, max_windows):
    """Rows, in their order: all, or where they are too many every so manieth of each label, at least two."""
    if len(label) <= max_windows:
        return np.arange(len(label))
    kept = []
    for value in (0, 1):
        own = np.flatnonzero(label == value)
        n_kept = max(MIN_WINDOWS_PER_LABEL, len(own) * max_windows // len(label))
        kept.append(own[np.linspace(0, len(own) - 1, n_kept).round().astype(int)])
    return np.sort(np.concatenate(kept))
