"""Sensitivity: the softest event that a detector finds, from mixtures at falling level."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from acoustic_nb.mixtures import NO_EVENT
from acoustic_nb.stretches import Event, matching_windows


def found_shares(detector, mixtures, judge, threshold):
    """The share of events that a detector finds, level by level.

    Where windows are judged, an event is found where a flagged window matches it: at least half of one lies in the other. Where
    recordings are judged, it is found where the score of its recording lies above the threshold.

    Parameters
    ----------
    detector : Detector
        Fitted; left as it is.
    mixtures : Mixtures
    judge : callable
        From ``judging.make_judge``.
    threshold : float
        Of what is judged; flagged is strictly above.

    Returns
    -------
    DataFrame
        Columns level_db, n (trials), found (how many), share, low, high; the loudest first. ``low`` and ``high`` are the exact 95 %
        interval of a share (Clopper & Pearson 1934), as if trials were independent: where they are places of one block or share a
        threshold that is off, the truth is wider. The last row, at -inf, is the base line: the share of the same places that are
        flagged without any event, and what ``share`` is to be read against.

    Raises
    ------
    ValueError
        If the detector looks at longer sequences than the mixtures were made for, or a score is not finite.
    """
    length = getattr(detector, "sequence_length_", 1)
    if length > mixtures.sequence_length:
        raise ValueError(f"the detector looks at sequences of {length} windows, but the events were mixed in for at most "
                         f"{mixtures.sequence_length}; call mix with sequence_length={length}")
    judged = _judged_rows(mixtures)
    rows = []
    for level_db in (*sorted(mixtures.mixed, reverse=True), NO_EVENT):
        windows = mixtures.at(level_db)
        scores = judge(windows, detector.score(windows))["score"].to_numpy()
        if not np.isfinite(scores).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} scores at {level_db:g} dB are NaN or "
                             "infinite; a detector must return finite scores")
        found = sum(bool((scores[items] > threshold).any()) for items in judged)
        interval = stats.binomtest(found, len(judged)).proportion_ci(0.95, method="exact")
        rows.append((level_db, len(judged), found, found / len(judged), interval.low, interval.high))
    return pd.DataFrame(rows, columns=["level_db", "n", "found", "share", "low", "high"])


def half_found_db(shares):
    """The level at which half of the events are found: lower = more sensitive.

    The shares over level are fitted by the closest curve that never falls (isotonic regression), and the first crossing of one
    half is interpolated on straight lines. Where a detector finds the loudest events less often than softer ones, that curve lies
    between the two.

    Parameters
    ----------
    shares : DataFrame
        From ``found_shares``.

    Returns
    -------
    float
        In dB; NaN where no level tried is the one, for which ``half_found_text`` has words.

    Examples
    --------
    >>> half_found_db(pd.DataFrame({"level_db": [0.0, -10.0, -np.inf], "n": 20, "share": [0.9, 0.1, 0.05]}))
    -5.0
    """
    half_db = _crossing_db(shares)
    return half_db if np.isfinite(half_db) else np.nan


def half_found_text(shares):
    """The level at which half of the events are found in words: also where it lies outside the levels tried, or is none."""
    half_db, levels_db = _crossing_db(shares), shares["level_db"][np.isfinite(shares["level_db"])]
    if np.isnan(half_db):
        return f"none: {_without_event(shares):.0%} of the places are flagged without any event"
    if np.isinf(half_db):
        return f"below {levels_db.min():g} dB" if half_db < 0 else f"above {levels_db.max():g} dB"
    return f"{half_db:.1f} dB"


def sensitivity_table(shares):
    """What each detector finds at what level.

    Parameters
    ----------
    shares : dict
        Title of a detector -> DataFrame from ``found_shares``.

    Returns
    -------
    DataFrame
        One row per detector, the most sensitive first, those without a level last: detector, half_found_db (NaN where it is none of
        the levels tried), half_found (in words), without_event (share of the same places that are flagged without any event),
        trials.
    """
    order = sorted(shares, key=lambda title: (np.isnan(_crossing_db(shares[title])), _crossing_db(shares[title])))
    return pd.DataFrame([{"detector": title, "half_found_db": half_found_db(shares[title]),
                          "half_found": half_found_text(shares[title]), "without_event": _without_event(shares[title]),
                          "trials": int(shares[title]["n"].iloc[0])} for title in order])


def sensitivity_sentence(table):
    """The answer of ``sensitivity_table`` in a sentence."""
    found = [f"{row.detector} at {row.half_found}" for row in table.itertuples() if np.isfinite(row.half_found_db)]
    others = [row.detector for row in table.itertuples() if not np.isfinite(row.half_found_db)]
    said = f"Half of the events are found by {', '.join(found)}" if found else "No detector has a level at which half are found"
    return said + (f"; not within these levels by {', '.join(others)}." if found and others else ".")


def _judged_rows(mixtures):
    """For each trial, the items by which its event is found: the windows that match it, or its recording."""
    if mixtures.judged_by == "recording":
        return [[k] for k in range(len(mixtures.trials))]
    judged = []
    for trial in mixtures.trials.itertuples():
        rows = np.flatnonzero(mixtures.windows.recording == trial.trial)
        start_s, end_s = mixtures.windows.start_s[rows], mixtures.windows.end_s[rows]
        (matching,) = matching_windows(start_s, end_s, [Event(trial.start_s, trial.end_s)])
        judged.append(rows[matching])
    return judged


def _crossing_db(shares):
    """Where the fit first reaches a half; -inf below, inf above the levels tried; NaN where half is flagged without any event."""
    if _without_event(shares) >= 0.5:
        return np.nan
    rising = shares[np.isfinite(shares["level_db"])].sort_values("level_db")
    level_db = rising["level_db"].to_numpy()
    fitted = IsotonicRegression().fit_transform(level_db, rising["share"], sample_weight=rising["n"])
    reached = np.flatnonzero(fitted >= 0.5 - 1e-12)
    if not len(reached):
        return np.inf
    first = reached[0]
    if first == 0:
        return -np.inf if fitted[0] > 0.5 + 1e-12 else float(level_db[0])
    return float(np.interp(0.5, fitted[first - 1:first + 1], level_db[first - 1:first + 1]))


def _without_event(shares):
    return float(shares["share"][shares["level_db"] == NO_EVENT].iloc[0])
