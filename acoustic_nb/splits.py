"""Splits: which seconds a detector may learn from, which set its threshold, which judge it.

Recordings are cut into contiguous blocks before anything is pooled. Between two blocks of a recording lies a gap:
a block's first window starts at least ``window_s`` after the block before it ends, so no sample is in two parts.
"""

import math
from dataclasses import dataclass

import numpy as np

from acoustic_nb.features import FeatureTable, join

MIN_BLOCK_WINDOWS = 5
MIN_TEST_WINDOWS = 10
NORMAL_SHARES = {"train": 0.5, "calibration": 0.2, "test": 0.3}
ANOMALOUS_SHARES = {"train": 0.5, "test": 0.5}


@dataclass(frozen=True)
class Block:
    """A contiguous piece of one recording, in seconds from its start, that belongs to one part."""

    recording: str
    label: int
    part: str
    start_s: float
    end_s: float
    n_windows: int


@dataclass(frozen=True, eq=False)
class Split:
    """Three tables that share no sample, standardised on the normal training windows.

    Attributes
    ----------
    train : FeatureTable
        Normal windows, and anomalous ones that only a supervised detector may see.
    calibration : FeatureTable
        Normal windows that set the threshold.
    test : FeatureTable
        Normal and anomalous windows, the same for every detector.
    blocks : tuple of Block
        How the recordings were cut.
    mean, scale : ndarray, shape (n_features,)
        A standardised value is ``(value - mean) / scale``: standard deviations from the mean normal window.
    """

    train: FeatureTable
    calibration: FeatureTable
    test: FeatureTable
    blocks: tuple
    mean: np.ndarray
    scale: np.ndarray

    @property
    def shortest_block(self):
        """Windows in the shortest block; no sequence can be longer."""
        return min(block.n_windows for block in self.blocks)

    def shared_windows(self):
        """Number of test windows that share a sample with a training or calibration window: 0 by construction."""
        shared = 0
        for recording in np.unique(self.test.recording):
            used = np.concatenate([part.start_s[part.recording == recording] for part in (self.train, self.calibration)])
            starts = self.test.start_s[self.test.recording == recording]
            distance = np.abs(starts[:, None] - used[None, :]).min(axis=1, initial=np.inf)
            shared += int(np.count_nonzero(distance < self.test.window_s - 0.5 / self.test.sample_rate))
        return shared


def block_split(table):
    """Cut one normal and one anomalous recording into train, calibration and test.

    Normal: train 50 % | gap | calibration 20 % | gap | test 30 %. Anomalous: train 50 % | gap | test 50 %.

    Parameters
    ----------
    table : FeatureTable
        The windows of both recordings.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If a label is missing, or a recording is too short; the message says how many seconds are missing.
    """
    parts = {"train": [], "calibration": [], "test": []}
    blocks = []
    for label, shares in ((0, NORMAL_SHARES), (1, ANOMALOUS_SHARES)):
        names = np.unique(table.recording[table.label == label])
        if not len(names):
            raise ValueError(f"there is no {('normal', 'anomalous')[label]} recording; a split needs one of each")
        for name in names:
            rows = np.flatnonzero((table.recording == name) & (table.label == label))
            rows = rows[np.argsort(table.start_s[rows], kind="stable")]
            _check_windows(name, len(rows), label, window_s=table.window_s, hop_s=table.hop_s)
            for part, (first, last) in _cuts(len(rows), shares, gap_windows(table.window_s, table.hop_s)).items():
                block = table.take(rows[first:last])
                parts[part].append(block)
                blocks.append(Block(str(name), label, part, float(block.start_s[0]), float(block.end_s[-1]), len(block)))
    tables = {part: join(pieces) for part, pieces in parts.items()}
    normal = tables["train"].normal().values
    mean, scale = normal.mean(axis=0), normal.std(axis=0)
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)  # a constant feature stays where it is
    standardised = {part: piece.with_values((piece.values - mean) / scale) for part, piece in tables.items()}
    return Split(**standardised, blocks=tuple(blocks), mean=mean, scale=scale)


def gap_windows(window_s, hop_s):
    """Windows left out between two blocks: the next block starts ``window_s`` or more after the last window ends.

    Examples
    --------
    >>> gap_windows(1.0, 0.5), gap_windows(1.0, 1.0)
    (3, 1)
    """
    return math.ceil(2 * window_s / hop_s - 1e-9) - 1


def needed_duration_s(label, *, window_s, hop_s):
    """Seconds that a recording of this label must last at least to be cut."""
    return window_s + (_needed_windows(label, window_s=window_s, hop_s=hop_s) - 1) * hop_s


def _check_windows(name, n_windows, label, *, window_s, hop_s):
    missing = _needed_windows(label, window_s=window_s, hop_s=hop_s) - n_windows
    if missing > 0:
        raise ValueError(
            f"{name}: {window_s + (n_windows - 1) * hop_s:.1f} s give {n_windows} windows, too few to train, calibrate and "
            f"test on parts that share no sound; {missing * hop_s:.1f} s are missing, record longer or use a shorter window_s")


def _needed_windows(label, *, window_s, hop_s):
    shares = ANOMALOUS_SHARES if label else NORMAL_SHARES
    gap, n_windows = gap_windows(window_s, hop_s), MIN_TEST_WINDOWS
    # the identity control cuts the test block once more: a gap and three windows on each side of it
    least = {"train": MIN_BLOCK_WINDOWS, "calibration": MIN_BLOCK_WINDOWS, "test": max(MIN_TEST_WINDOWS, gap + 6)}
    while any(last - first < least[part]
              for part, (first, last) in _cuts(n_windows, shares, gap).items()):
        n_windows += 1
    return n_windows


def _cuts(n_windows, shares, gap):
    """First and one-past-last window of each part, in order of time."""
    usable = n_windows - gap * (len(shares) - 1)
    edges = np.rint(np.cumsum([0, *shares.values()]) * usable).astype(int)
    return {part: (int(edges[k]) + k * gap, int(edges[k + 1]) + k * gap) for k, part in enumerate(shares)}
