"""Splits: which seconds a detector may learn from, which set its threshold, which judge it.

A few long recordings are cut into contiguous blocks before anything is pooled. Between two blocks of a recording lies a
gap: a block's first window starts at least ``window_s`` after the block before it ends, so no sample is in two parts. Where
there are enough recordings they go whole into one part instead: see ``units.py``.
"""

import math
from dataclasses import dataclass

import numpy as np

from acoustic_nb.audio import LABEL_NAMES
from acoustic_nb.features import FeatureTable, join
from acoustic_nb.framing import window_lengths

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
        How the recordings were cut, or where each went.
    judged_by : str
        What is judged: ``"window"`` where recordings are cut, ``"recording"`` where each is in one part only.
    mean, scale : ndarray, shape (n_features,)
        A standardised value is ``(value - mean) / scale``: standard deviations from the mean normal window.
    """

    train: FeatureTable
    calibration: FeatureTable
    test: FeatureTable
    blocks: tuple
    judged_by: str
    mean: np.ndarray
    scale: np.ndarray

    @property
    def shortest_block(self):
        """Windows in the shortest block; no sequence can be longer."""
        return min(block.n_windows for block in self.blocks)

    def standardise(self, windows):
        """Other windows, not standardised yet, in the units of this split."""
        return windows.with_values((windows.values - self.mean) / self.scale)

    def shared_windows(self):
        """Number of test windows that share a sample with a training or calibration window: 0 by construction."""
        shared = 0
        for recording in np.unique(self.test.recording):
            used = np.sort(np.concatenate([part.start_s[part.recording == recording]
                                           for part in (self.train, self.calibration)]))
            starts = self.test.start_s[self.test.recording == recording]
            reach_s = self.test.window_s - 0.5 / self.test.sample_rate
            nearby = np.searchsorted(used, starts + reach_s) - np.searchsorted(used, starts - reach_s, side="right")
            shared += int(np.count_nonzero(nearby))
        return shared


def block_split(table, *, rotations=1, rotation=0):
    """Cut every recording into train, calibration and test.

    Normal: train 50 % | gap | calibration 20 % | gap | test 30 %. Anomalous: train 50 % | gap | test 50 %.

    With R > 1 rotations the normal test block is 1/R of the recording and starts at ``rotation`` / R of it; train and
    calibration (5 : 2) follow it in a circle. A block that runs over the end goes on at the beginning as a second
    stretch; one of fewer than 10 windows beside a longer one is left out.

    Parameters
    ----------
    table : FeatureTable
        The windows of all recordings, at least one of each label.
    rotations, rotation : int
        How many rotations there are, at least 1, and which one this is, from 0.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If a label is missing, or a recording is too short; the message says how many seconds are missing.
    """
    if not 0 <= rotation < rotations:
        raise ValueError(f"rotation {rotation} of {rotations} does not exist; rotations is at least 1 and rotation counts from 0")
    parts = {"train": [], "calibration": [], "test": []}
    blocks = []
    for label in (0, 1):
        names = dict.fromkeys(table.recording[table.recording_label == label])
        if not len(names):
            raise ValueError(f"there is no {LABEL_NAMES[label]} recording; a split needs one of each")
        for name in names:
            rows = np.flatnonzero(table.recording == name)
            rows = rows[np.argsort(table.start_s[rows], kind="stable")]
            cuts = recording_cuts(str(name), len(rows), label, window_s=table.window_s, hop_s=table.hop_s,
                                  sample_rate=table.sample_rate, rotations=rotations, rotation=rotation)
            for part, stretches in cuts.items():
                for first, last in stretches:
                    block = table.take(rows[first:last])
                    parts[part].append(block)
                    blocks.append(Block(str(name), label, part, float(block.start_s[0]), float(block.end_s[-1]), len(block)))
    return standardised_split({part: join(pieces) for part, pieces in parts.items()}, blocks, judged_by="window")


def standardised_split(parts, blocks, *, judged_by):
    """A Split of the tables ``train``, ``calibration`` and ``test``, standardised on its normal training windows."""
    normal = parts["train"].normal().values
    mean, scale = normal.mean(axis=0), normal.std(axis=0)
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)  # a constant feature stays where it is
    standardised = {part: piece.with_values((piece.values - mean) / scale) for part, piece in parts.items()}
    return Split(**standardised, blocks=tuple(blocks), judged_by=judged_by, mean=mean, scale=scale)


def recording_cuts(name, n_windows, label, *, window_s, hop_s, sample_rate, rotations=1, rotation=0):
    """Which windows of one recording are in which part: ``{part: [(first, one past last), ...]}``, see ``block_split``."""
    _check_windows(name, n_windows, label, window_s=window_s, hop_s=hop_s, sample_rate=sample_rate)
    gap = gap_windows(window_s, hop_s, sample_rate)
    if rotations == 1 or label == 1:
        return _cuts(n_windows, ANOMALOUS_SHARES if label else NORMAL_SHARES, gap)
    return _rotated_cuts(name, n_windows, gap, rotations, rotation)


def gap_windows(window_s, hop_s, sample_rate):
    """Windows left out between two blocks: the next block starts ``window_s`` or more after the last window ends.

    Counted in samples, since a hop is a whole number of them.

    Examples
    --------
    >>> gap_windows(1.0, 0.5, 16000), gap_windows(1.0, 1.0, 16000), gap_windows(1.0, 0.5, 11025)
    (3, 1, 4)
    """
    window, hop = window_lengths(sample_rate, window_s=window_s, hop_s=hop_s)
    return math.ceil(2 * window / hop) - 1


def needed_duration_s(label, *, window_s, hop_s, sample_rate):
    """Seconds that a recording of this label must last at least to be cut."""
    window, hop = window_lengths(sample_rate, window_s=window_s, hop_s=hop_s)
    n_windows = _needed_windows(label, window_s=window_s, hop_s=hop_s, sample_rate=sample_rate)
    return (window + (n_windows - 1) * hop) / sample_rate


def _check_windows(name, n_windows, label, *, window_s, hop_s, sample_rate):
    missing = _needed_windows(label, window_s=window_s, hop_s=hop_s, sample_rate=sample_rate) - n_windows
    if missing > 0:
        raise ValueError(
            f"{name}: {window_s + (n_windows - 1) * hop_s:.1f} s give {n_windows} windows, too few to train, calibrate and "
            f"test on parts that share no sound; {missing * hop_s:.1f} s are missing, record longer or use a shorter window_s")


def _needed_windows(label, *, window_s, hop_s, sample_rate):
    shares = ANOMALOUS_SHARES if label else NORMAL_SHARES
    gap, n_windows = gap_windows(window_s, hop_s, sample_rate), MIN_TEST_WINDOWS
    # the identity control cuts the test block once more: a gap and three windows on each side of it
    least = {"train": MIN_BLOCK_WINDOWS, "calibration": MIN_BLOCK_WINDOWS, "test": max(MIN_TEST_WINDOWS, gap + 6)}
    while any(last - first < least[part] for part, ((first, last),) in _cuts(n_windows, shares, gap).items()):
        n_windows += 1
    return n_windows


def _cuts(n_windows, shares, gap):
    """First and one-past-last window of each part, in order of time; one stretch each."""
    usable = n_windows - gap * (len(shares) - 1)
    edges = np.rint(np.cumsum([0, *shares.values()]) * usable).astype(int)
    return {part: [(int(edges[k]) + k * gap, int(edges[k + 1]) + k * gap)] for k, part in enumerate(shares)}


def _rotated_cuts(name, n_windows, gap, rotations, rotation):
    """The same in a circle: test from ``rotation / rotations`` on, then train and calibration, each with one or two stretches."""
    rest = 1 - 1 / rotations
    shares = {"test": 1 / rotations, "train": rest * 5 / 7, "calibration": rest * 2 / 7}
    circle = _cuts(n_windows - gap, shares, gap)  # the last gap closes the circle
    if min(last - first for ((first, last),) in circle.values()) < MIN_TEST_WINDOWS:
        raise ValueError(f"{name}: {n_windows} windows are too few for {rotations} rotations, each block needs "
                         f"{MIN_TEST_WINDOWS}; use fewer rotations or a longer recording")
    start = round(rotation * n_windows / rotations)
    cuts = {}
    for part in ("train", "calibration", "test"):
        first, last = (edge + start for edge in circle[part][0])
        turns = [(first, min(last, n_windows)), (max(first, n_windows) - n_windows, last - n_windows)]
        stretches = sorted((a, b) for a, b in turns if b > a)
        longest = max(b - a for a, b in stretches)
        cuts[part] = [(a, b) for a, b in stretches if b - a >= min(longest, MIN_TEST_WINDOWS)]
    return cuts
