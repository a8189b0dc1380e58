"""Events: neighbouring flagged windows merged, and what they find of the true events.

A flagged window is known when it is over, so a delay counts from an event's start to the window's end. A flagged stretch
is false where it shares no sound with a true event; it counts only in recordings of which the true events are known: those
with event labels, and normal ones without. A second that several windows cover is counted once.
"""

import numpy as np
import pandas as pd

from acoustic_nb.stretches import TOLERANCE_S, matching_windows, overlap_s, touches, union

TOUCHING_S = 1e-4  # window_s is rounded to whole samples, so windows that touch may seem half a sample apart
COLUMNS = {"recording": str, "start_s": float, "end_s": float, "label": str, "found": bool, "delay_s": float}


def merge_windows(start_s, end_s, flagged, *, gap_s=0.0, shortest_s=0.0):
    """Flagged windows of one recording as events: those that overlap, touch, or lie at most ``gap_s`` apart are one.

    Parameters
    ----------
    start_s, end_s : array of float, shape (n_windows,)
        In any order.
    flagged : array of bool, shape (n_windows,)
    gap_s, shortest_s : float
        An event shorter than ``shortest_s``, from the start of its first window to the end of its last, is left out.

    Returns
    -------
    list of (float, float)
        Start and end of each, in order of time; empty where nothing is flagged.

    Examples
    --------
    >>> merge_windows([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [True, True, False, False, True])
    [(0.0, 2.0), (4.0, 5.0)]
    """
    flagged = np.asarray(flagged, dtype=bool)
    starts, ends = union(np.asarray(start_s)[flagged], np.asarray(end_s)[flagged], gap_s=gap_s + TOUCHING_S)
    long_enough = ends - starts >= shortest_s - TOUCHING_S
    return list(zip(starts[long_enough].tolist(), ends[long_enough].tolist(), strict=True))


def event_report(windows, flagged, events, *, scores=None):
    """Which true events were found, how late, and how many false ones there are.

    Parameters
    ----------
    windows : FeatureTable
        The windows that are judged, of any number of recordings, in any order.
    flagged : array of bool, shape (len(windows),)
    events : dict
        Name of a recording -> its true events (``labels.Event``); only recordings whose events are known. A normal
        recording that is not in it has none.
    scores : array of float, shape (len(windows),), optional
        Higher = more anomalous.

    Returns
    -------
    table : DataFrame
        One row per judged event: recording, start_s, end_s, label, found, delay_s (NaN where not found), and with
        ``scores`` highest_score, over the windows that match it, flagged or not. A window matches an event where at least
        half of one lies in the other. An event is judged where at least half of it lies in the windows and one of them
        matches it; it is found where a flagged one does.
    numbers : dict
        ``events`` (judged), ``events_not_judged``, ``events_found``, ``event_recall``, ``median_onset_delay_s`` (from an
        event's start to the end of the first flagged window that matches it), ``false_events``,
        ``normal_s`` (seconds of judged sound without any event) and ``false_events_per_hour`` of it. Shares, delays and
        rates of nothing are NaN.

    Raises
    ------
    ValueError
        If ``flagged`` or ``scores`` do not have one entry per window.
    """
    flagged = _one_per_window("flagged", flagged, windows).astype(bool)
    scores = None if scores is None else _one_per_window("scores", scores, windows)
    rows, n_known, false_events, normal_s = [], 0, 0, 0.0
    for name, at in _rows_by_recording(windows):
        start_s, end_s, known = windows.start_s[at], windows.end_s[at], events.get(name, ())
        covered = union(start_s, end_s, gap_s=TOUCHING_S)
        for event, matching in zip(known, matching_windows(start_s, end_s, known), strict=True):
            inside_s = overlap_s([event.start_s], [event.end_s], *covered)[0]
            if not len(matching) or inside_s < (event.end_s - event.start_s) / 2 - TOLERANCE_S:
                continue
            caught = matching[flagged[at][matching]]
            row = {"recording": name, "start_s": event.start_s, "end_s": event.end_s, "label": event.label,
                   "found": len(caught) > 0, "delay_s": end_s[caught].min() - event.start_s if len(caught) else np.nan}
            rows.append(row if scores is None else {**row, "highest_score": scores[at][matching].max()})
        n_known += len(known)
        if name in events or windows.recording_label[at[0]] == 0:
            false_events += _false_events(start_s, end_s, flagged[at], known)
            in_events = union([event.start_s for event in known], [event.end_s for event in known])
            normal_s += float(np.sum(covered[1] - covered[0]) - np.sum(overlap_s(*covered, *in_events)))
    columns = COLUMNS if scores is None else {**COLUMNS, "highest_score": float}
    table = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    found = int(table["found"].sum())
    return table, {
        "events": len(table), "events_not_judged": n_known - len(table), "events_found": found,
        "event_recall": found / len(table) if len(table) else np.nan,
        "median_onset_delay_s": float(table["delay_s"].median()),
        "false_events": false_events, "normal_s": normal_s,
        "false_events_per_hour": 3600 * false_events / normal_s if normal_s > TOLERANCE_S else np.nan}


def _rows_by_recording(windows):
    rows = pd.Series(np.arange(len(windows.recording)))
    for name, of_recording in rows.groupby(np.asarray(windows.recording), sort=False):
        yield str(name), of_recording.to_numpy()


def _false_events(start_s, end_s, flagged, events):
    """Flagged stretches that share no sound with an event."""
    starts, ends = union(start_s[flagged], end_s[flagged], gap_s=TOUCHING_S)
    touched = np.zeros(len(starts), dtype=bool)
    for event in events:
        touched |= touches(starts, ends, event)
    return int(np.count_nonzero(~touched))


def _one_per_window(name, values, windows):
    values = np.asarray(values)
    if values.shape != (len(windows.start_s),):
        raise ValueError(f"{name} needs one entry per window, got shape {values.shape} for {len(windows.start_s)} windows")
    return values
