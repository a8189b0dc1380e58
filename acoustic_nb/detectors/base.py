"""What every detector promises, and the checks they share.

A detector's ``__init__`` stores settings and nothing else; names that end in ``_`` exist after ``fit``. Feature values
are expected standardised on the normal training windows, so that 0 is the mean normal window and 1 one standard
deviation. Inputs are never changed, and the same seed gives the same scores.
"""

import numbers
from typing import Protocol

import numpy as np


class NotEnoughData(ValueError):
    """What there is cannot carry this detector: its notebook is skipped, the others run."""


class Detector(Protocol):
    """Learns from windows, then scores windows.

    Attributes
    ----------
    supervised : bool
        False: learns from normal windows only and refuses anomalous ones. True: needs both.
    quick : bool
        Whether fitting takes well under a second, so that it may be done again for every unit.
    context : int
        How many windows before and after a window its score depends on. Where that is not 0, ``score(windows, newest=True)`` scores
        each window from those before it alone.
    """

    supervised: bool
    quick: bool
    context: int

    def fit(self, windows):
        """Learn from a FeatureTable and return the detector itself.

        Raises
        ------
        ValueError
            If a setting, a feature value, the labels or the number of windows does not fit.
        """

    def score(self, windows):
        """Anomaly scores of a FeatureTable, shape (n_windows,): finite, in the order given, higher = more anomalous.

        Raises
        ------
        ValueError
            If the features are not those of ``fit``, or not finite.
        RuntimeError
            If called before ``fit``.
        """

    def contributions(self, windows):
        """How much each feature adds to a window's score in this model's own terms, shape (n_windows, n_features)."""

    def state(self):
        """What scoring needs of what ``fit`` has learned: ``{name: value}`` as ``model_files.pack_state`` takes it."""

    def restore(self, state):
        """Take what ``state`` gave, with the same settings, and return the detector itself: it scores as after ``fit``.

        Raises
        ------
        ValueError, KeyError
            If the state is not one of this detector with these settings.
        """


def expected(model, kind, state, **settings):
    """The model that a state holds, where it is of this class, these settings and as many features; else a ValueError."""
    if not isinstance(model, kind):
        raise ValueError(f"holds a {type(model).__name__} where a {kind.__name__} belongs; it is of another detector")
    for name, value in {**settings, "n_features_in_": len(state["feature_names"])}.items():
        if getattr(model, name) != value:
            raise ValueError(f"holds a {kind.__name__} with {name} = {getattr(model, name)!r} where {value!r} belongs; it is "
                             "of other settings")
    return model


def kept_settings(detector):
    """The settings of a detector, ``{name: value}``: what ``__init__`` took, without what ``fit`` has learned."""
    return {name: value for name, value in vars(detector).items() if not name.endswith("_")}


def training_values(detector, windows, *, at_least):
    """The feature values that a detector may learn from, checked; shape (n_windows, n_features).

    Raises
    ------
    ValueError
        If there are fewer than ``at_least`` windows (NotEnoughData), anomalous ones for an unsupervised detector, or values that
        are not finite.
    """
    name = type(detector).__name__
    n_anomalous = int(np.count_nonzero(windows.recording_label))
    if n_anomalous and not detector.supervised:
        raise ValueError(f"{name} learns from normal windows only, but {n_anomalous} of {len(windows)} windows are "
                         "anomalous; call fit(split.train.normal())")
    check_enough(name, windows, at_least=at_least)
    return _finite_values(windows)


def scored_values(detector, windows):
    """The feature values that a fitted detector is to score, checked; shape (n_windows, n_features).

    Raises
    ------
    ValueError
        If there is no window, a value is not finite, or the features are not those of ``fit``.
    RuntimeError
        If the detector has not been fitted.
    """
    name = type(detector).__name__
    if not hasattr(detector, "feature_names_"):
        raise RuntimeError(f"{name} has not learned anything yet; call fit before score")
    if tuple(windows.feature_names) != tuple(detector.feature_names_):
        known, given = detector.feature_names_, windows.feature_names
        missing, unknown = ([feature for feature in these if feature not in those]
                            for these, those in ((known, given), (given, known)))
        raise ValueError(f"{name} learned from {len(known)} features and got {len(given)} (missing {missing}, unknown "
                         f"{unknown}); extract both with the same settings and keep the order of the columns")
    check_enough(name, windows, at_least=1)
    return _finite_values(windows)


def check_enough(name, windows, *, at_least, kind=""):
    """Raise NotEnoughData where a table holds fewer than ``at_least`` windows, and say how many seconds are missing."""
    if len(windows) < at_least:
        raise NotEnoughData(f"{name} got {len(windows)} {kind}windows and needs {at_least}: "
                         f"{(at_least - len(windows)) * windows.hop_s:.1f} s of {kind}sound are missing, record longer")


def check_whole_numbers(at_least, **settings):
    """Raise ValueError for a setting that is not a whole number of at least ``at_least``."""
    for name, value in settings.items():
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < at_least:
            raise ValueError(f"{name} must be a whole number of at least {at_least}, got {value!r}")


def check_positive(**settings):
    """Raise ValueError for a setting that is not a finite number above 0."""
    for name, value in settings.items():
        if not isinstance(value, numbers.Real) or isinstance(value, bool) or not 0 < value < np.inf:
            raise ValueError(f"{name} must be a finite number above 0, got {value!r}")


def check_choice(choices, **settings):
    """Raise ValueError for a setting that is none of ``choices``."""
    for name, value in settings.items():
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def score_drops(score, windows):
    """Contributions for a model whose score is not a sum over features: take a feature away and look at the score.

    Parameters
    ----------
    score : callable
        FeatureTable -> scores, shape (n_windows,).
    windows : FeatureTable
        Standardised, so that 0 is the mean of the normal training windows.

    Returns
    -------
    ndarray, shape (n_windows, n_features)
        Score as it is minus score with this one feature set to 0. Positive: the feature makes the window look more
        anomalous. The rows do not add up to the score.
    """
    drops = np.empty(windows.values.shape)
    whole = score(windows)
    for column in range(drops.shape[1]):
        values = windows.values.copy()
        values[:, column] = 0.0
        drops[:, column] = whole - score(windows.with_values(values))
    return drops


def _finite_values(windows):
    bad = np.argwhere(~np.isfinite(windows.values))
    if len(bad):
        row, column = bad[0]
        raise ValueError(f"{len(bad)} feature values are not finite, the first is {windows.feature_names[column]} of "
                         f"{windows.recording[row]} at {windows.start_s[row]:.1f} s; leave such windows out")
    return windows.values
