"""The event finder: merges flagged windows into events while they come in, places them in the sound, and says what drove them.

It serves files and a microphone alike. What it holds does not grow: one open event, and of that the window with the highest score.
"""

from dataclasses import dataclass

import numpy as np

from acoustic_nb.events import TOUCHING_S
from acoustic_nb.moments import refine
from acoustic_nb.octaves import band_levels_db, moment_levels_db
from acoustic_nb.reasons import reasons
from acoustic_nb.scored import FoundEvent
from acoustic_nb.thresholds import p_values

BRIEF_DB = 3.0  # so much more than the whole window's level has a band's loudest moment risen, where it is what is named


@dataclass
class _Open:
    """An event that may go on: its windows, and the one with the highest score so far."""

    start_s: float
    end_s: float
    score: float = -np.inf
    peak_start_s: float = np.nan
    deviations: np.ndarray | None = None
    contributions: np.ndarray | None = None


class EventFinder:
    """Finds the events of one recording.

    Parameters
    ----------
    bundle : Bundle
    part : callable
        ``part(start_s, duration_s)`` returns samples of the recording; asked for what lies around an event that has ended.
    name : str
        Of the recording.
    calibration_scores : array, shape (n,)
        For p-values.
    threshold : float
        Flagged is what scores strictly higher.
    gap_s, shortest_s : float
        As for ``events.merge_windows``, to whose result the events of a whole recording are equal.
    first_s, last_s : float
        Where the recording begins and ends, in seconds of the file.
    """

    def __init__(self, bundle, part, *, name, calibration_scores, threshold, gap_s=0.0, shortest_s=0.0, first_s=0.0, last_s=np.inf):
        self.bundle, self.part, self.name = bundle, part, name
        self.calibration_scores, self.threshold = calibration_scores, threshold
        self.gap_s, self.shortest_s, self.first_s, self.last_s = gap_s, shortest_s, first_s, last_s
        self._open = None

    @property
    def is_open(self):
        """Whether the latest windows are flagged, or so near to flagged ones that what comes may belong to them."""
        return self._open is not None

    def add(self, piece):
        """The events that have ended with the windows of a ScoredWindows, the next in time: a list of FoundEvent."""
        windows, ended = piece.around, []
        rows = np.arange(piece.own.start, piece.own.stop)
        rows = rows[piece.scores > self.threshold]
        scores = dict(zip(rows.tolist(), piece.scores[piece.scores > self.threshold].tolist(), strict=True))
        apart = windows.start_s[rows[1:]] > windows.end_s[rows[:-1]] + self._reach_s
        groups = np.split(rows, np.flatnonzero(apart) + 1) if len(rows) else []
        peaks = [max(group.tolist(), key=scores.get) for group in groups]
        for group, peak, contributions in zip(groups, peaks, self._contributions(windows, peaks), strict=True):
            start_s, end_s = float(windows.start_s[group[0]]), float(windows.end_s[group[-1]])
            if self._open and start_s > self._open.end_s + self._reach_s:
                ended += self._close()
            self._open = self._open or _Open(start_s, end_s)
            self._open.end_s = end_s
            if scores[peak] > self._open.score:
                self._open.score, self._open.peak_start_s = scores[peak], float(windows.start_s[peak])
                self._open.deviations, self._open.contributions = windows.values[peak], contributions
        next_s = windows.start_s[piece.own.stop - 1] + windows.hop_s - 1 / windows.sample_rate  # windows stand whole samples apart
        if self._open and next_s > self._open.end_s + self._reach_s:
            ended += self._close()
        return ended

    def finish(self):
        """The event that the end of the recording has ended: a list of at most one."""
        return self._close() if self._open else []

    @property
    def _reach_s(self):
        return self.gap_s + TOUCHING_S

    def _contributions(self, windows, peaks):
        if not peaks:
            return []
        if self.bundle.detector.context:
            return self.bundle.detector.contributions(windows)[peaks]
        return self.bundle.detector.contributions(windows.take(peaks))

    def _close(self):
        found, self._open = self._open, None
        if found.end_s - found.start_s < self.shortest_s - TOUCHING_S:
            return []
        bundle = self.bundle
        sound = self.part(found.peak_start_s, bundle.window_s)
        low_hz, high_hz, change_db = bundle.bands.most_unlike(band_levels_db(sound, bundle.sample_rate))
        moment_hz = bundle.moment_bands.most_unlike(moment_levels_db(sound, bundle.sample_rate))
        brief = moment_hz[2] >= change_db + BRIEF_DB
        if brief:
            low_hz, high_hz, change_db = moment_hz
        moment = refine(self.part, bundle.sample_rate, start_s=found.start_s, end_s=found.end_s, peak_start_s=found.peak_start_s,
                        window_s=bundle.window_s, low_hz=low_hz, high_hz=high_hz, first_s=self.first_s, last_s=self.last_s)
        said = reasons(found.deviations, found.contributions, bundle.feature_names, low_hz=low_hz, high_hz=high_hz,
                       change_db=change_db, brief=brief, relative=bundle.bands.relative)
        return [FoundEvent(
            recording=self.name, start_s=moment.start_s, end_s=moment.end_s, peak_s=moment.peak_s, windows_start_s=found.start_s,
            windows_end_s=found.end_s, peak_start_s=found.peak_start_s, peak_score=found.score,
            p_value=float(p_values(self.calibration_scores, [found.score])[0]), refined=moment.refined, reasons=tuple(said),
            low_hz=float(low_hz), high_hz=float(high_hz))]
