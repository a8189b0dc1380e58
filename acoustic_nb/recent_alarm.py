"""The alarm of a watch: what was heard lately counts together, since a clip of ten seconds is too short for events per hour."""

from collections import deque

from acoustic_nb.alarms import CHANCE

STEPS = 60
LONGEST_S = 86400.0


class RecentAlarm:
    """Whether the sound that was heard lately exceeds the limits.

    What has not been heard yet counts as normal: one event in the first clip is no alarm, where the limits allow one.

    Parameters
    ----------
    limits : alarms.Limits
    over_s : float, optional
        How much sound counts together. By default as much as a single event may not exceed the limit in, at most a day.
    """

    def __init__(self, limits, over_s=None):
        self.limits = limits
        self.over_s = over_s or min(LONGEST_S, 3600 / max(limits.events_per_hour, 1e-9))
        self._heard = deque()  # of each stretch its seconds, windows, flagged windows, events

    def add(self, seconds, n_windows, n_flagged, n_events):
        """Take in the next stretch of sound; whether the limits are exceeded now. A stretch of ``over_s`` or more counts alone."""
        new = (seconds, n_windows, n_flagged, n_events)
        if seconds >= self.over_s:
            return self._exceeded(new)
        if self._heard and self._heard[-1][0] < self.over_s / STEPS:
            new = tuple(map(sum, zip(self._heard.pop(), new, strict=True)))
        self._heard.append(new)
        while sum(stretch[0] for stretch in self._heard) - self._heard[0][0] >= self.over_s:
            self._heard.popleft()
        return self._exceeded(tuple(map(sum, zip(*self._heard, strict=True))))

    def _exceeded(self, heard):
        seconds, n_windows, n_flagged, n_events = heard
        seconds, n_windows = max(seconds, self.over_s), n_windows * max(1.0, self.over_s / seconds)
        of_events, of_share = self.limits.chances(n_events, seconds, n_flagged, n_windows)
        too_many = 3600 * n_events / seconds > self.limits.events_per_hour * (1 + 1e-9)
        too_much = self.limits.share is not None and n_flagged / n_windows > self.limits.share
        return (too_many and of_events < CHANCE) or (too_much and of_share < CHANCE)
