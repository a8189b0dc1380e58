"""What scoring a recording with a kept detector has found: its windows' scores, its events, and what is unlike training."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from acoustic_nb.audio import Recording


@dataclass(frozen=True)
class FoundEvent:
    """Neighbouring flagged windows of a new recording, merged.

    Attributes
    ----------
    recording : str
        Name of the recording.
    start_s, end_s : float
        In seconds of the file: where ``refined``, as the sound itself begins and ends inside the flagged windows; else the windows.
    peak_s : float
        Where it is strongest: in the sound where ``refined``, else the middle of the window with the highest score.
    windows_start_s, windows_end_s : float
        The flagged windows, from the start of the first to the end of the last.
    peak_start_s : float
        Start of the window with the highest score.
    peak_score, p_value : float
        The highest score of its windows, and how that one score stands among the calibration scores; see ``thresholds.p_values``.
    refined : bool
        Whether the sound allowed to place it more closely than by windows.
    reasons : tuple of str
        What drove it, in plain words, the strongest first.
    low_hz, high_hz : float
        The octave band that rose or fell most against training sound.
    """

    recording: str
    start_s: float
    end_s: float
    peak_s: float
    windows_start_s: float
    windows_end_s: float
    peak_start_s: float
    peak_score: float
    p_value: float
    refined: bool
    reasons: tuple
    low_hz: float
    high_hz: float


@dataclass(frozen=True, eq=False)
class ScoredRecording:
    """A new recording after a detector has heard it.

    Attributes
    ----------
    recording : Recording
        ``label`` says nothing here.
    start_s, scores, level_db : ndarray of float, shape (n_windows,)
        In order of time: start in the file, anomaly score (higher = more anomalous), RMS level in dBFS.
    window_s : float
    threshold : float
        A window is flagged where its score is strictly higher.
    smallest_p : float
        p-value of its highest window score.
    events : tuple of FoundEvent
        In order of time.
    unlike : tuple of str
        In what it is outside of what the detector was made for, a sentence each; empty where it is not.
    whole : dict
        Where the detector judges whole recordings: ``score``, ``p_value``, ``flagged``; else empty.
    """

    recording: Recording
    start_s: np.ndarray
    scores: np.ndarray
    level_db: np.ndarray
    window_s: float
    threshold: float
    smallest_p: float
    events: tuple
    unlike: tuple = ()
    whole: dict = field(default_factory=dict)

    @property
    def end_s(self):
        """Ends of the windows, shape (n_windows,); of a recording shorter than a window its own."""
        return self.start_s + min(self.window_s, self.recording.duration_s)

    @property
    def flagged(self):
        """Which windows score above the threshold, shape (n_windows,)."""
        return self.scores > self.threshold

    @property
    def flagged_share(self):
        """Share of windows that are flagged."""
        return float(self.flagged.mean())

    @property
    def events_per_hour(self):
        """Number of events over the length of the recording."""
        return 3600 * len(self.events) / self.recording.duration_s


EVENT_COLUMNS = ("recording", "start_s", "end_s", "peak_s", "peak_score", "p_value", "refined", "reasons", "low_hz", "high_hz",
                 "windows_start_s", "windows_end_s")


def events_table(scored):
    """The events of several recordings as a DataFrame: worst first, numbered from 1, columns as in ``EVENT_COLUMNS``.

    Reasons are one text. Worst is the smallest p-value, and of equal ones the highest score.
    """
    rows = [{name: getattr(event, name) for name in EVENT_COLUMNS} | {"reasons": "; ".join(event.reasons)}
            for each in scored for event in each.events]
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    table = table.sort_values(["p_value", "peak_score"], ascending=[True, False], kind="stable")
    return table.set_index(pd.RangeIndex(1, len(table) + 1, name="event"))
