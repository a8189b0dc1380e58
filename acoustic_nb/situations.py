"""Situations: what the sound was like that a detector has learned from, and in what a new recording lies outside of it.

A window's distance is the Euclidean one of its standardised features to the nearest of the normal training windows that are
kept: 0 is a window that is known. Levels are RMS in dBFS. Nothing here says whether a machine is faulty: it says whether a score
can be read in the way that it could be on the recordings that the detector was judged with.
"""

from array import array
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import pairwise_distances_argmin_min

KEPT = 500
FAR_SHARE, MOST_BEYOND = 0.99, 0.9
BANDWIDTH_MARGIN = 0.15
# 2 dB is a microphone a quarter further away, 3 dB half the power; the machine's own changes are in the known range already.
# Features that are blind to level (removed) still meet the noise floor and the clipping that come with a large change.
LEVEL_MARGIN_DB = {"kept": 2.0, "removed": 20.0}
LEVEL_DRIFT_DB = {"kept": 3.0, "removed": 20.0}
FEWEST_WINDOWS, FEWEST_TO_DRIFT = 5, 30
DRIFT_BLOCKS, DRIFT_RHO = 12, 0.8


@dataclass(frozen=True, eq=False)
class Situation:
    """What a detector's training sound was like; of normal recordings only.

    Attributes
    ----------
    sample_rate : int
        In Hz, at which features are computed.
    native_sample_rates : tuple of int
        Rates of the files, rising.
    bandwidth_hz : tuple of float
        Lowest and highest over the recordings; at most half of ``sample_rate``.
    level_db : ndarray, shape (at most 500,)
        Levels of the windows of train, calibration and test, rising: all of them, or 500 quantiles.
    level : str
        ``kept``, or ``removed`` where the features are blind to level.
    windows : ndarray, shape (at most 500, n_features)
        Standardised training windows, taken evenly from all.
    far : float
        The distance that 99 % of the windows of calibration and test do not exceed.
    usual_scores : tuple of float
        Median, lower and upper quartile of the scores of those windows.
    """

    sample_rate: int
    native_sample_rates: tuple
    bandwidth_hz: tuple
    level_db: np.ndarray
    level: str
    windows: np.ndarray
    far: float
    usual_scores: tuple

    def to_parts(self):
        """What ``from_parts`` needs, to be kept in files: a dict of JSON types, and a dict of arrays."""
        facts = {"sample_rate": self.sample_rate, "native_sample_rates": list(self.native_sample_rates),
                 "bandwidth_hz": list(self.bandwidth_hz), "level": self.level, "far": self.far,
                 "usual_scores": list(self.usual_scores)}
        return facts, {"level_db": self.level_db, "windows": self.windows}

    @classmethod
    def from_parts(cls, facts, arrays):
        """The Situation again."""
        listed = {name: tuple(facts[name]) for name in ("native_sample_rates", "bandwidth_hz", "usual_scores")}
        return cls(**{**facts, **listed, **arrays})


def learn_situation(split, recordings, scores_calibration, scores_test):
    """The situation of a detector that learned from ``split``.

    Parameters
    ----------
    split : Split
    recordings : list of Recording
        With their ``audit``; the normal ones count.
    scores_calibration, scores_test : ndarray, shape (n_windows,)
        The detector's scores of all windows of those parts.

    Returns
    -------
    Situation

    Raises
    ------
    ValueError
        If there is no normal recording, or the scores are not one per window.
    """
    normal = [recording for recording in recordings if recording.label == 0]
    if not normal:
        raise ValueError(f"there is no normal recording among {len(recordings)}; give those that the detector learned from")
    scores = []
    for name, part, of_part in (("calibration", split.calibration, scores_calibration), ("test", split.test, scores_test)):
        if len(of_part) != len(part):
            raise ValueError(f"{len(of_part)} scores do not fit {len(part)} windows of {name}; give one for each window")
        scores.append(np.asarray(of_part)[part.recording_label == 0])
    train, calibration, test = (part.normal() for part in (split.train, split.calibration, split.test))
    windows = train.values[np.linspace(0, len(train) - 1, min(KEPT, len(train))).round().astype(int)]
    distances = _distances(np.concatenate([calibration.values, test.values]), windows)
    levels_db = np.concatenate([part.level_db for part in (train, calibration, test)])
    bandwidths_hz = [_heard_hz(recording, train.sample_rate) for recording in normal]
    return Situation(
        sample_rate=train.sample_rate, native_sample_rates=tuple(sorted({recording.native_sample_rate for recording in normal})),
        bandwidth_hz=(min(bandwidths_hz), max(bandwidths_hz)), level=train.level, windows=windows,
        level_db=np.quantile(levels_db, np.linspace(0, 1, min(KEPT, len(levels_db)))),
        far=float(np.quantile(distances, FAR_SHARE, method="higher")),
        usual_scores=tuple(np.quantile(np.concatenate(scores), [0.5, 0.25, 0.75]).tolist()))


class SituationCheck:
    """In what one new recording lies outside of a situation; fed piece by piece while the recording is scored.

    It keeps 12 bytes per window.
    """

    def __init__(self, situation):
        self.situation = situation
        self._heard = array("f")  # of each window its distance, level and score

    def add(self, values, level_db, scores):
        """Take in the next windows, in order of time.

        Parameters
        ----------
        values : ndarray, shape (n_windows, n_features)
            Standardised as the training windows are.
        level_db, scores : ndarray, shape (n_windows,)
        """
        if not len(values) == len(level_db) == len(scores):
            raise ValueError(f"values, level_db and scores need one row per window, got {len(values)}, {len(level_db)} and "
                             f"{len(scores)}")
        if len(values):
            heard = np.column_stack([_distances(values, self.situation.windows), level_db, scores])
            self._heard.frombytes(heard.astype(np.float32).tobytes())

    def sentences(self, recording):
        """In what the recording is unlike those that the detector knows: a tuple of sentences, empty where it is like them.

        Each has its rule. Rate: none of the known ones. Bandwidth: more than 15 % outside of the known ones. Level: the
        median more than 2 dB outside of the 1st to 99th percentile of the known ones, 20 dB where the features are blind to it.
        From 5 windows on, background: more than 90 % of them are further from all known ones than 99 % of normal ones. From 30
        on, drift: medians of the first and last third further apart than the known interquartile range, and a rank correlation
        with time of at least 0.8 over the medians of 12 blocks; of the scores where the higher of the two is above the usual upper
        quartile, of the level where it is at least 3 dB, 20 dB where the features are blind to it.

        Parameters
        ----------
        recording : Recording
            The one whose windows were added, with its ``audit``.
        """
        known = self.situation
        distances, levels_db, scores = np.array(self._heard, dtype=np.float32).reshape(-1, 3).T
        found = [_of_rate(known, recording), _of_bandwidth(known, recording)]
        if len(scores):
            found.append(_of_level(known, levels_db))
        if len(scores) >= FEWEST_WINDOWS:
            found.append(_of_background(known, distances))
        if len(scores) >= FEWEST_TO_DRIFT:
            found.append(_of_drift("scores", scores, known.usual_scores[1:],
                                   "a machine that warms up sounds like this, and a fault that grows: compare beginning and end",
                                   beyond=known.usual_scores[2]))
            found.append(_of_drift("levels in dBFS", levels_db, np.quantile(known.level_db, [0.25, 0.75]),
                                   "check for an automatic gain and a microphone that moves",
                                   at_least=LEVEL_DRIFT_DB[known.level]))
        return tuple(filter(None, found))


def _of_rate(known, recording):
    rate = recording.native_sample_rate
    if rate < known.sample_rate and rate / 2 < known.bandwidth_hz[0]:
        return (f"It was recorded at {_khz(rate)}, the detector knows {_khz(known.sample_rate)}: there is nothing above "
                f"{_khz(rate / 2)} to hear; record at {_khz(known.sample_rate)} or more.")
    if rate not in (known.sample_rate, *known.native_sample_rates):
        rates = " or ".join(map(_khz, known.native_sample_rates))
        return (f"It was recorded at {_khz(rate)} and brought to {_khz(known.sample_rate)}, the detector knows recordings at "
                f"{rates}: near {_khz(known.sample_rate / 2)} it sounds different, and some features hear that; record at {rates}.")
    return ""


def _of_bandwidth(known, recording):
    heard_hz = _heard_hz(recording, known.sample_rate)
    lowest_hz, highest_hz = np.minimum(known.bandwidth_hz, recording.native_sample_rate / 2)  # what the rate cuts off is said there
    if (1 - BANDWIDTH_MARGIN) * lowest_hz <= heard_hz <= (1 + BANDWIDTH_MARGIN) * highest_hz:
        return ""
    usual = " to ".join(dict.fromkeys(map(_khz, known.bandwidth_hz)))
    return (f"Its sound reaches up to {_khz(heard_hz)}, that of the recordings which the detector knows up to {usual} "
            f"({100 * BANDWIDTH_MARGIN:.0f} % more or less is allowed for): a filter, another microphone or a compressed file does "
            "that; record it as those were.")


def _of_level(known, levels_db):
    median_db, (softest_db, loudest_db) = np.median(levels_db), np.quantile(known.level_db, [0.01, 0.99])
    beyond_db, margin_db = max(median_db - loudest_db, softest_db - median_db), LEVEL_MARGIN_DB[known.level]
    if beyond_db <= margin_db:
        return ""
    blind = "the features are blind to level, but not to the noise or clipping that may come with it"
    return (f"It is {'louder' if median_db > loudest_db else 'softer'} than what the detector knows: its median level is "
            f"{median_db:.1f} dBFS, {beyond_db:.1f} dB outside of {softest_db:.1f} to {loudest_db:.1f} dBFS ({margin_db:g} dB are "
            f"allowed for); {blind if known.level == 'removed' else 'that alone may raise the scores'}: check gain, place and "
            "distance of the microphone.")


def _of_background(known, distances):
    beyond = np.mean(distances > known.far)
    if beyond <= MOST_BEYOND:
        return ""
    return (f"What is heard all the time is different: {100 * beyond:.0f} % of its windows are unlike every window that the "
            f"detector knows (up to {100 * MOST_BEYOND:.0f} % are allowed for; of known normal sound it is "
            f"{100 * (1 - FAR_SHARE):.0f} %). Either the situation has changed, or the machine, and this cannot tell which: listen "
            "to it, and where it is healthy, train with it.")


def _of_drift(what, series, usual, way_out, *, at_least=0.0, beyond=-np.inf):
    blocks = np.array_split(series, DRIFT_BLOCKS)
    first, last = (np.median(np.concatenate(third)) for third in (blocks[:DRIFT_BLOCKS // 3], blocks[-DRIFT_BLOCKS // 3:]))
    if abs(last - first) <= max(usual[1] - usual[0], at_least) or max(first, last) <= beyond:
        return ""
    rho = spearmanr(np.arange(DRIFT_BLOCKS), [np.median(block) for block in blocks]).statistic
    if abs(rho) < DRIFT_RHO:
        return ""
    return (f"Its {what} {'rise' if last > first else 'fall'} while it runs: median {first:.4g} in the first third and {last:.4g} "
            f"in the last, where half of the normal windows lie between {usual[0]:.4g} and {usual[1]:.4g}; {way_out}.")


def _distances(values, windows):
    return pairwise_distances_argmin_min(values, windows)[1]


def _heard_hz(recording, sample_rate):
    return min(recording.audit["bandwidth_hz"], sample_rate / 2)


def _khz(frequency_hz):
    return f"{frequency_hz / 1000:.4g} kHz"
