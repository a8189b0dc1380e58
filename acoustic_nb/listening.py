"""Listening: live sound passes by a kept detector, and each window is scored as soon as its last sample is there.

Memory does not grow with time: the last seconds of sound, the windows that the next score depends on, one event. It needs no sound
card: blocks of samples may come from anywhere. Times are seconds since it began to listen.
"""

from itertools import chain

import numpy as np

from acoustic_nb.event_finder import EventFinder
from acoustic_nb.features import feature_pieces
from acoustic_nb.framing import window_lengths
from acoustic_nb.recent_alarm import RecentAlarm
from acoustic_nb.scoring import scored_windows
from acoustic_nb.scorings import check_merging

AROUND_S = 1.0
ALARM_OVER_S = 3600.0


def listen_to(blocks, bundle, *, limits, gap_s=0.0, shortest_s=0.0, on_event, on_window=None, keep_s=30.0, name="live"):
    """Score a stream of sound until it ends.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n_samples,)
        End to end, mono, of any lengths, at the bundle's sample rate; may wait for sound to come.
    bundle : Bundle
    limits : alarms.Limits
        There is an alarm while the last hour has more events or a larger share of flagged windows than they allow; of the first
        hour, what is still to come counts as normal.
    gap_s, shortest_s : float
        As for ``events.merge_windows``.
    on_event : callable
        ``on_event(event, sound)``: a FoundEvent that has ended, and its samples from 1 s before to 1 s after, about 1 s after it.
    on_window : callable, optional
        ``on_window(piece, heard_s=, is_open=, alarm=)`` with every ScoredWindows: how many seconds of the stream had come when the
        score was known, whether an event is going on, and whether there is an alarm.
    keep_s : float
        How much sound is kept. What lasts longer is told in several events, each at least a few seconds shorter than that; for the
        alarm they are one.
    name : str
        What the stream is called in events.

    Returns
    -------
    bool
        Whether there was an alarm; none in a stream that ends before a single score.

    Raises
    ------
    ValueError
        If ``keep_s`` is too short for the bundle's windows.
    """
    check_merging(gap_s, shortest_s)
    rate, context = bundle.sample_rate, bundle.detector.context
    window, hop = window_lengths(rate, window_s=bundle.window_s, hop_s=bundle.feature_settings["hop_s"])
    needed = window + context * hop  # for the first score
    longest_s = keep_s - 2 * AROUND_S - 2 * window / rate
    if longest_s < max(needed / rate, shortest_s):
        least_s = keep_s - longest_s + max(needed / rate, shortest_s)
        raise ValueError(f"keep_s = {keep_s:g}: with these windows and events at least {least_s:g} s of sound must be kept; "
                         "use more")
    blocks = _long_enough(blocks, needed)
    if blocks is None:
        return False
    lately, recent = LatestSound(keep_s, rate), RecentAlarm(limits, ALARM_OVER_S)
    finder = EventFinder(bundle, lately.part, name=name, calibration_scores=bundle.newest_scores,
                         threshold=bundle.newest_calibration.threshold, gap_s=gap_s, shortest_s=shortest_s)
    opened_s, told_until_s, waiting, any_alarm = None, -np.inf, [], False
    pieces = feature_pieces(lately.passing(blocks, hop), name=name, sample_rate=rate, **bundle.feature_settings, at_once=1)
    for piece in scored_windows(bundle, pieces, name=name, newest=True):
        own, flagged = piece.around.take(piece.own), piece.scores > finder.threshold
        ended = finder.add(piece)
        if not finder.is_open:
            opened_s = None
        elif opened_s is None or ended:
            opened_s = float(own.start_s[flagged][0])
        new = sum(event.windows_start_s > told_until_s for event in ended)
        if opened_s is not None and own.end_s[-1] - opened_s > longest_s:
            for event in finder.finish():
                new += event.windows_start_s > told_until_s
                told_until_s = event.windows_end_s + gap_s
                ended.append(event)
            opened_s = None
        alarm = recent.add(len(own) * own.hop_s, len(own), int(flagged.sum()), int(new))
        any_alarm = any_alarm or alarm
        if on_window:
            on_window(piece, heard_s=lately.heard_s, is_open=finder.is_open, alarm=alarm)
        waiting += ended
        while waiting and waiting[0].end_s + AROUND_S <= lately.heard_s:
            _tell(waiting.pop(0), lately, on_event)
    for event in waiting + finder.finish():
        _tell(event, lately, on_event)
    return any_alarm


class LatestSound:
    """The last seconds of a stream.

    Parameters
    ----------
    keep_s : float
    sample_rate : int
        In Hz.
    """

    def __init__(self, keep_s, sample_rate):
        self.sample_rate = sample_rate
        self._sound = np.zeros(round(keep_s * sample_rate), np.float32)
        self._n_heard = 0

    @property
    def heard_s(self):
        """How much has come so far."""
        return self._n_heard / self.sample_rate

    def passing(self, blocks, most):
        """The same samples in blocks of at most ``most``, each kept as it passes."""
        for block in blocks:
            for first in range(0, len(block), most):
                piece = block[first:first + most]
                self._sound[np.arange(self._n_heard, self._n_heard + len(piece)) % len(self._sound)] = piece
                self._n_heard += len(piece)
                yield piece

    def part(self, start_s, duration_s):
        """Samples from ``start_s`` of the stream on, shape (n_samples,): fewer where no more has come, none where it is gone."""
        first = max(0, round(start_s * self.sample_rate))
        end = min(first + max(0, round(duration_s * self.sample_rate)), self._n_heard)
        if first < self._n_heard - len(self._sound):
            return np.zeros(0, np.float32)
        return self._sound[np.arange(first, max(first, end)) % len(self._sound)]


def _long_enough(blocks, n_samples):
    """The blocks where they hold so many samples together, which it waits for; else None."""
    blocks, first, n_first = iter(blocks), [], 0
    for block in blocks:
        first.append(block)
        n_first += len(block)
        if n_first >= n_samples:
            return chain(first, blocks)
    return None


def _tell(event, lately, on_event):
    start_s = max(0.0, event.start_s - AROUND_S)
    on_event(event, lately.part(start_s, event.end_s + AROUND_S - start_s))
