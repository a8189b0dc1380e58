"""Leakage: windows that a detector has heard before it is judged on them, and what they would have been worth.

The origin of this project split half-overlapping windows at random, so that nearly every test window shared sound with a
training window. Its number is shown beside the honest one, for the same data and the same detector.
"""

import copy

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from acoustic_nb.detectors.base import NotEnoughData

TEST_SHARE = 0.3
MIN_WINDOWS_PER_LABEL = 4  # so that three tenths of them are one at least


def leakage_audit(detector, table, split, *, seed=0):
    """Test windows that share samples with training or calibration, and what a random split would have reported.

    The random split as it was: all windows standardised together, three tenths of them drawn as test windows, stratified by
    label; a detector that learns from normal sound is fitted on the normal windows among the others, a supervised one on all.

    Parameters
    ----------
    detector : Detector
        Its settings are used; it is left as it is. A copy is fitted; of a network none, and that is said.
    table : FeatureTable
        The windows of all recordings, not standardised.
    split : Split
        The one that the result at hand is from.
    seed : int
        Of the random split.

    Returns
    -------
    dict
        ``shared_windows``: test windows of ``split`` that share a sample with a training or calibration window, 0 by construction.
        ``random_split_auc``: ROC AUC over the test windows of the random split; it is no estimate of anything.
        ``random_split_shared``: share of them that have a sample in common with a training window, 0 to 1.
        ``random_split_note``: empty, or why there are no such numbers; both are then NaN.
    """
    auc, shared, note = np.nan, np.nan, ""
    counts = [int(np.count_nonzero(table.label == label)) for label in (0, 1)]
    if not detector.quick:
        note = "a network is not fitted again for the random split; K-means, GMM and SVM show what it would have reported"
    elif min(counts) < MIN_WINDOWS_PER_LABEL:
        note = (f"{counts[0]} normal and {counts[1]} anomalous windows cannot be split at random; {MIN_WINDOWS_PER_LABEL} of each "
                "are needed")
    else:
        everything = table.with_values(StandardScaler().fit_transform(table.values))
        known, unknown = train_test_split(np.arange(len(table)), test_size=TEST_SHARE, random_state=seed, stratify=table.label)
        train, test = everything.take(known), everything.take(unknown)
        try:
            fitted = copy.deepcopy(detector).fit(train if detector.supervised else train.normal())
        except NotEnoughData as error:  # the result at hand stands without this number, and the reason is shown
            note = str(error)
        else:
            auc = float(roc_auc_score(test.label, fitted.score(test)))
            shared = float(shares_sound(test, train).mean())
    return {"shared_windows": split.shared_windows(), "random_split_auc": auc, "random_split_shared": shared,
            "random_split_note": note}


def shares_sound(windows, others):
    """Which windows have a sample in common with one of the others.

    Parameters
    ----------
    windows, others : FeatureTable
        Of the same recordings, with the same window settings.

    Returns
    -------
    ndarray of bool, shape (len(windows),)
    """
    window = round(windows.window_s * windows.sample_rate)
    first = np.rint(np.concatenate([windows.start_s, others.start_s]) * windows.sample_rate).astype(np.int64)
    recording = pd.factorize(np.concatenate([windows.recording, others.recording]))[0]
    place = recording * (first.max() + window) + first  # recordings one after the other, a window apart
    mine, taken = place[:len(windows)], np.sort(place[len(windows):])
    return np.searchsorted(taken, mine - window, side="right") < np.searchsorted(taken, mine + window, side="left")
