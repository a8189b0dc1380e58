"""Controls: what a result must lie above before it says anything about a machine.

Each is a ROC AUC turned so that it is at least 0.5: max(A, 1 - A).
"""

import copy
from dataclasses import replace
from itertools import combinations

import numpy as np
from sklearn.metrics import roc_auc_score

from acoustic_nb.features import join
from acoustic_nb.splits import gap_windows


def level_control(windows):
    """How well loudness alone separates the test windows.

    Parameters
    ----------
    windows : FeatureTable
        Normal and anomalous windows.

    Returns
    -------
    dict
        ``level_auc`` of the RMS level, ``mfcc_1_auc`` of the first MFCC, both 0.5 to 1; 1 = loudness solves it.
    """
    mfcc_1 = windows.values[:, windows.feature_names.index("mfcc_1")]
    return {"level_auc": _two_sided(windows.label, windows.level_db), "mfcc_1_auc": _two_sided(windows.label, mfcc_1)}


def identity_control(detector, split):
    """How well a detector tells stretches of the *normal* recording apart, that it should find equal.

    An unsupervised detector, as it is fitted, scores three held-out normal blocks: calibration and both halves of the
    normal test block. A supervised one is fitted again, with the normal test block in the role of the anomalous
    recording: first halves to learn from, second halves to be judged on.

    Parameters
    ----------
    detector : Detector
        Fitted; left as it is.
    split : Split

    Returns
    -------
    dict
        ``identity_low`` and ``identity_high``, 0.5 to 1: the smallest and largest of max(A, 1 - A) over pairs of blocks.
    """
    if detector.supervised:
        known, other = ([block.take(half) for half in _halves(block)]
                        for block in (split.train.normal(), split.test.normal()))
        refit = copy.deepcopy(detector).fit(join([known[0], _as_anomalous(other[0])]))
        pairs = [(refit.score(known[1]), refit.score(other[1]))]
    else:
        # each half by itself, so that they share no sequence; whole, then cut, only where a half is shorter than one
        normal = split.test.normal()
        halves = _halves(normal)
        if min(len(normal.take(half)) for half in halves) >= getattr(detector, "sequence_length_", 1):
            scores = [detector.score(normal.take(half)) for half in halves]
        else:
            whole = detector.score(normal)
            scores = [whole[half] for half in halves]
        blocks = [detector.score(split.calibration), *scores]
        pairs = list(combinations(blocks, 2))
    aucs = [_two_sided(np.repeat([0, 1], [len(a), len(b)]), np.concatenate([a, b])) for a, b in pairs]
    return {"identity_low": min(aucs), "identity_high": max(aucs)}


def _two_sided(label, scores):
    auc = float(roc_auc_score(label, scores))
    return max(auc, 1 - auc)


def _halves(block):
    """Rows of the first and of the second half of a block, with a gap between them."""
    gap = gap_windows(block.window_s, block.hop_s, block.sample_rate)
    cut = (len(block) - gap) // 2
    return slice(0, cut), slice(cut + gap, None)


def _as_anomalous(windows):
    return replace(windows, label=np.ones(len(windows), dtype=windows.label.dtype))
