"""Alarms: when events are too many, or flagged sound too much, for the machine to be as it was.

At a wanted rate of 5 % every normal minute has flagged windows, so an event alone is no alarm. What normal sound itself brings is
counted on the held-out normal sound of the run that made the detector, in the same way: same threshold, same merging.
"""

from dataclasses import dataclass

import numpy as np

from acoustic_nb.events import merge_windows
from acoustic_nb.intervals import event_rate_interval, rate_interval

BOUND = 0.95


@dataclass(frozen=True)
class Limits:
    """What must be exceeded for an alarm.

    Attributes
    ----------
    events_per_hour : float
    share : float or None
        Of windows that are flagged; None: not looked at.
    sentence : str
        Where the limits are from.
    """

    events_per_hour: float
    share: float | None
    sentence: str


@dataclass(frozen=True)
class Alarm:
    """Whether there is one.

    Attributes
    ----------
    alarm : bool
    by_recording : dict
        ``{name: bool}``: whether the recording is part of an alarm.
    sentences : tuple of str
        What was counted against which limit.
    """

    alarm: bool
    by_recording: dict
    sentences: tuple


def find_limits(held_out, threshold, *, gap_s=0.0, shortest_s=0.0, events_per_hour=None, share=None):
    """Limits from held-out normal sound, or those that are given.

    Parameters
    ----------
    held_out : DataFrame
        A row per window of normal sound on which nothing was fitted and no threshold set: recording, start_s, end_s, score,
        channels (how many of the same seconds there are, which count as one).
    threshold : float
        Flagged is what scores strictly higher.
    gap_s, shortest_s : float
        How windows become events, see ``events.merge_windows``.
    events_per_hour, share : float, optional
        In place of those of the held-out sound. Where ``events_per_hour`` is given and ``share`` is not, the share is not looked
        at: the given number alone decides.

    Returns
    -------
    Limits
        By default the one-sided upper 95 % bounds of what was seen: of false events per hour the exact Poisson one (Garwood 1936),
        of the share of flagged windows the exact binomial one at the effective size. The less held-out sound, the higher both.

    Raises
    ------
    ValueError
        If a given limit is no number of at least 0, or the share above 1.
    """
    for name, value, most in (("events per hour", events_per_hour, np.inf), ("flagged share", share, 1.0)):
        if value is not None and not (0 <= value <= most and value < np.inf):
            raise ValueError(f"the limit of {name} for an alarm is at least 0{' and at most 1' * (most == 1)}, got {value:g}")
    n_events, seconds = count_events(held_out, threshold, gap_s=gap_s, shortest_s=shortest_s)
    at_once = float(held_out["channels"].mean())
    flagged = (held_out["score"] > threshold).to_numpy()
    two_sided = 2 * BOUND - 1
    seen = event_rate_interval(n_events / at_once, seconds / at_once, confidence=two_sided)["high"]
    if events_per_hour is not None:
        of_share = "" if share is None else f" and {share:.1%} of windows flagged"
        return Limits(float(events_per_hour), share, f"limits as given: {events_per_hour:g} events per hour{of_share}")
    own = rate_interval(held_out, flagged, judged_by="window", confidence=two_sided)["high"] if share is None else float(share)
    which = "upper 95 % bounds" if share is None else "the first an upper 95 % bound"
    return Limits(seen, own, f"limits: {seen:.1f} events per hour and {own:.1%} of windows flagged, {which} of what held-out "
                             f"normal sound has shown ({n_events} event{'s' * (n_events != 1)} in {_length(seconds)}, "
                             f"{flagged.mean():.1%} of windows flagged)")


def limits_of(bundle, *, newest=False, **settings):
    """``find_limits`` for a kept detector, by its threshold; with ``newest`` for sound that is scored while it is heard."""
    if newest:
        held_out = bundle.held_out.assign(score=bundle.held_out["newest_score"])
        return find_limits(held_out, bundle.newest_calibration.threshold, **settings)
    return find_limits(bundle.held_out, bundle.calibration.threshold, **settings)


def count_events(windows, threshold, *, gap_s=0.0, shortest_s=0.0):
    """Events in the windows of a DataFrame (recording, start_s, end_s, score), and how many seconds of sound these cover."""
    n_events, seconds = 0, 0.0
    for _, own in windows.groupby("recording", sort=False):
        start_s, end_s = own["start_s"].to_numpy(), own["end_s"].to_numpy()
        n_events += len(merge_windows(start_s, end_s, own["score"].to_numpy() > threshold, gap_s=gap_s, shortest_s=shortest_s))
        seconds += sum(end - start for start, end in merge_windows(start_s, end_s, np.ones(len(own), bool)))
    return n_events, float(seconds)


def decide(scored, limits):
    """Whether recordings exceed the limits.

    A recording so short that a single event would exceed the limit of events per hour is judged together with the other short ones;
    the others each by itself.

    Parameters
    ----------
    scored : list of ScoredRecording
        At least one.
    limits : Limits

    Returns
    -------
    Alarm
    """
    alone = [each for each in scored if limits.events_per_hour * each.recording.duration_s >= 3600]
    short = [each for each in scored if limits.events_per_hour * each.recording.duration_s < 3600]
    groups = [[each] for each in alone] + ([short] if short else [])
    by_recording, sentences = {}, []
    for group in groups:
        n_events, seconds = sum(len(each.events) for each in group), sum(each.recording.duration_s for each in group)
        rate, share = 3600 * n_events / seconds, float(np.concatenate([each.flagged for each in group]).mean())
        too_many = rate > limits.events_per_hour
        too_much = limits.share is not None and share > limits.share
        who = group[0].recording.name if len(group) == 1 else f"{len(group)} short recordings together"
        sentences.append(f"{'ALARM' if too_many or too_much else 'no alarm'}: {who}: {rate:.1f} events per hour "
                         f"({n_events} in {_length(seconds)}; limit {limits.events_per_hour:.1f}), {share:.1%} of windows flagged "
                         f"({'not looked at' if limits.share is None else f'limit {limits.share:.1%}'})")
        by_recording |= {each.recording.name: bool((too_many and each.events) or (too_much and each.flagged.any()))
                         for each in group}
    return Alarm(any(by_recording.values()), by_recording, tuple(sentences))


def _length(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
