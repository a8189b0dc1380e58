"""Scoring: a recording passes by a kept detector, some windows at a time, and leaves scores and events.

Scores are those that the detector gives the whole recording at once, also where they depend on neighbouring windows.
"""

from dataclasses import dataclass

import numpy as np

from acoustic_nb.clips import pool_scores
from acoustic_nb.event_finder import EventFinder
from acoustic_nb.features import FeatureTable, feature_pieces
from acoustic_nb.framing import window_lengths
from acoustic_nb.scored import ScoredRecording
from acoustic_nb.situations import SituationCheck
from acoustic_nb.thresholds import p_values

WINDOWS_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class ScoredWindows:
    """Some windows in a row, with scores.

    Attributes
    ----------
    around : FeatureTable
        Standardised; these windows and those next to them on which their scores depend.
    own : slice
        Which rows of it are these windows.
    scores : ndarray, shape (n_windows,)
        Of these windows.
    """

    around: FeatureTable
    own: slice
    scores: np.ndarray


def scored_windows(bundle, pieces, *, name, first_s=0.0, duration_s=np.inf, newest=False):
    """Scores while features come in.

    Parameters
    ----------
    bundle : Bundle
    pieces : iterable of ndarray
        From ``features.feature_pieces``.
    name : str
        Of the recording.
    first_s, duration_s : float
        Where it begins in its file, and how long it is.
    newest : bool
        Each window is scored when its features are there, from it and those before it. Else as in the whole recording, later by as
        many windows as a score depends on.

    Yields
    ------
    ScoredWindows
        End to end all windows of the recording.

    Raises
    ------
    ValueError
        If there are fewer windows than the detector needs to score one.
    """
    context, detector = bundle.detector.context, bundle.detector
    held, first_row, n_scored = np.empty((0, len(bundle.mean) + 1)), 0, 0  # rows that are held, the first one's number, scored ones

    def scored(end):
        windows = bundle.windows(held[:, :-1], held[:, -1], name=name, first_s=first_s, first_row=first_row,
                                 duration_s=duration_s)
        scores = detector.score(windows, newest=newest) if context else detector.score(windows)
        return ScoredWindows(windows, slice(n_scored, end), scores[n_scored:end])

    for piece in pieces:
        held = np.concatenate([held, piece])
        ready = len(held) - (0 if newest else context)
        if ready > n_scored and len(held) > context and (newest or ready - n_scored >= WINDOWS_AT_ONCE):
            yield scored(ready)
            done = max(0, ready - context)  # what follows does not depend on these
            held, first_row, n_scored = held[done:], first_row + done, ready - done
    if len(held) > n_scored:
        yield scored(len(held))


def score_recording(bundle, recording, *, gap_s=0.0, shortest_s=0.0, progress=None):
    """Score one recording from beginning to end.

    Memory grows by some tens of bytes per window: a day takes some megabytes more than a minute.

    Parameters
    ----------
    bundle : Bundle
    recording : Recording
        At the bundle's sample rate.
    gap_s, shortest_s : float
        How flagged windows become events, see ``events.merge_windows``.
    progress : callable, optional
        Called with the number of windows that a step has scored.

    Returns
    -------
    ScoredRecording

    Raises
    ------
    ValueError
        If the recording has another sample rate, or is too short for this detector.
    """
    if recording.sample_rate != bundle.sample_rate:
        raise ValueError(f"{recording.name}: is at {recording.sample_rate} Hz, but the detector hears {bundle.sample_rate} Hz; "
                         "bring it there with audio.resampled")
    if reason := too_few_windows(bundle, recording):
        raise ValueError(f"{recording.name}: {reason}")
    pieces = feature_pieces(recording.blocks(), name=recording.name, sample_rate=bundle.sample_rate, **bundle.feature_settings)
    threshold = bundle.calibration.threshold
    finder = EventFinder(bundle, recording.part, name=recording.name, calibration_scores=bundle.calibration_scores,
                         threshold=threshold, gap_s=gap_s, shortest_s=shortest_s, first_s=recording.start_s, last_s=recording.end_s)
    compared = SituationCheck(bundle.situation)
    columns, events = [], []
    for piece in scored_windows(bundle, pieces, name=recording.name, first_s=recording.start_s, duration_s=recording.duration_s):
        own = piece.around.take(piece.own)
        columns.append(np.column_stack([own.start_s, piece.scores, own.level_db]))
        compared.add(own.values, own.level_db, piece.scores)
        events += finder.add(piece)
        if progress:
            progress(len(own))
    events += finder.finish()
    start_s, scores, level_db = np.concatenate(columns).T
    return ScoredRecording(
        recording=recording, start_s=start_s, scores=scores, level_db=level_db, window_s=bundle.window_s, threshold=threshold,
        smallest_p=float(p_values(bundle.calibration_scores, [scores.max()])[0]), events=tuple(events),
        unlike=(*_known(bundle, recording), *compared.sentences(recording)), whole=_whole(bundle, scores))


def too_few_windows(bundle, recording):
    """Why a recording is too short for a detector; empty where it is not."""
    settings, n_samples = bundle.feature_settings, round(recording.duration_s * bundle.sample_rate)
    window, hop = window_lengths(bundle.sample_rate, window_s=settings["window_s"], hop_s=settings["hop_s"])
    n_windows, needed = max(0, n_samples - window) // hop + 1, bundle.detector.context + 1
    if n_windows >= needed:
        return ""
    needed_s = (window + (needed - 1) * hop) / bundle.sample_rate
    return (f"lasts {recording.duration_s:.1f} s, which is {n_windows} window{'s' * (n_windows != 1)}, but the {bundle.title} "
            f"scores sequences of {needed}, {needed_s:.1f} s; leave it out, record longer, or use another detector")


def _known(bundle, recording):
    """A sentence where the recording is not new at all."""
    for known in bundle.about["recordings"]:
        if known["content_sha256"] == recording.audit["content"]:
            yield (f"It is one of the recordings of the run that made the detector ({known['name']}, used for "
                   f"{', '.join(known['parts']) or 'nothing'}): what is found in it says nothing about new sound.")


def _whole(bundle, scores):
    """What is said of the recording as one, where the detector judges recordings."""
    calibration = bundle.whole_calibration
    if calibration is None:
        return {}
    score = pool_scores(scores, bundle.about["clip_score"])
    return {"score": score, "p_value": float(p_values(bundle.whole_scores, [score])[0]),
            "flagged": bool(score > calibration.threshold)}
