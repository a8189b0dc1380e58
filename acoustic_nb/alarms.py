"""Alarms: when events are too many, or flagged sound too much, for the machine to be as it was.

At a wanted rate of 5 % every normal minute has flagged windows, so an event alone is no alarm. What normal sound itself brings is
counted on the held-out normal sound of the run that made the detector, in the same way: same threshold, same merging. An alarm
needs more than the upper bound of that, and more than chance: a short recording of a machine that is as it was often exceeds the
bound of a mean.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, ndtr

from acoustic_nb.events import merge_windows
from acoustic_nb.intervals import event_rate_interval, rate_interval
from acoustic_nb.paired import holm

BOUND = 0.95
CHANCE = 0.05
MOST_QUIET = 5  # sentences on what is no alarm


@dataclass(frozen=True)
class Seen:
    """What held-out normal sound has shown.

    Attributes
    ----------
    n_events, seconds : float
        Events and sound; channels of the same seconds count once.
    share : float
        Of windows that are flagged.
    n_windows : int
    n_eff : float
        How many independent windows the share is worth.
    """

    n_events: float
    seconds: float
    share: float
    n_windows: int
    n_eff: float


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
    seen_events, seen_share : Seen or None
        What each of the limits is the upper bound of; None where it was given, and nothing but the number decides.
    """

    events_per_hour: float
    share: float | None
    sentence: str
    seen_events: Seen | None = None
    seen_share: Seen | None = None

    def chances(self, n_events, seconds, n_flagged, n_windows):
        """p-values of so many events, and of so many flagged windows, for a machine that is as it was when it was held out.

        Events: the exact conditional test of two Poisson rates (Przyborowski and Wilenski 1940), one-sided. Share: one-sided z test
        of two shares, each with one success and one failure more (Agresti and Caffo 2000), at effective sizes; new windows
        depend on their neighbours as those held out do. Only 0 where a limit was given, and 1 where there is none.

        Returns
        -------
        of_events, of_share : float
        """
        of_events = of_share = 0.0
        if self.seen_events and n_events:
            seen = self.seen_events
            of_events = float(betainc(n_events, seen.n_events + 1, seconds / (seconds + seen.seconds)))
        elif self.seen_events:
            of_events = 1.0
        if self.share is None:
            of_share = 1.0
        elif self.seen_share:
            seen = self.seen_share
            sizes = n_windows * seen.n_eff / seen.n_windows, seen.n_eff
            shares = [(share * n + 1) / (n + 2) for share, n in zip((n_flagged / n_windows, seen.share), sizes, strict=True)]
            spread = np.sqrt(sum(share * (1 - share) / (n + 2) for share, n in zip(shares, sizes, strict=True)))
            of_share = float(ndtr((shares[1] - shares[0]) / spread))
        return of_events, of_share


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
    if events_per_hour is not None:
        of_share = "" if share is None else f" and {share:.1%} of windows flagged"
        return Limits(float(events_per_hour), share, f"limits as given: {events_per_hour:g} events per hour{of_share}")
    bound = event_rate_interval(n_events / at_once, seconds / at_once, confidence=two_sided)["high"]
    of_share = rate_interval(held_out, flagged, judged_by="window", confidence=two_sided)
    seen = Seen(n_events / at_once, seconds / at_once, float(flagged.mean()), len(flagged), of_share["n_eff"])
    most = of_share["high"] if share is None else float(share)
    which = "upper 95 % bounds" if share is None else "the first an upper 95 % bound"
    sentence = (f"limits: {bound:.1f} events per hour and {most:.1%} of windows flagged, {which} of what held-out normal sound has "
                f"shown ({n_events} event{'s' * (n_events != 1)} in {_length(seconds)}, {flagged.mean():.1%} of windows flagged)")
    return Limits(bound, most, sentence, seen_events=seen, seen_share=seen if share is None else None)


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
    the others each by itself. A limit that held-out sound has shown must be exceeded by more than chance: p below 5 %, see
    ``Limits.chances``, corrected for how many are judged (Holm 1979).

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
    groups = ([short] if short else []) + [[each] for each in alone]
    found = [_counted(group, limits) for group in groups]
    p_values = holm(np.array([p for counts in found for p in counts["chances"]]))
    by_recording, sentences = {}, []
    for group, counts, *chances in zip(groups, found, p_values[::2], p_values[1::2], strict=True):
        too_many = counts["rate"] > limits.events_per_hour and chances[0] < CHANCE
        too_much = limits.share is not None and counts["share"] > limits.share and chances[1] < CHANCE
        who = group[0].recording.name if len(group) == 1 else f"{len(group)} recordings together"
        n, hours = counts["events"], counts["seconds"] / 3600
        of_events = (f"{n} event{'s' * (n != 1)} in {_length(counts['seconds'])}, {counts['rate']:.1f} per hour (limit "
                     f"{limits.events_per_hour:.1f}, in this time {limits.events_per_hour * hours:.1f})")
        of_windows = (f"{counts['share']:.1%} of windows flagged "
                      f"({'not looked at' if limits.share is None else f'limit {limits.share:.1%}'})")
        first, second = (of_windows, of_events) if too_much and not too_many else (of_events, of_windows)
        sentence = f"{'ALARM' if too_many or too_much else 'no alarm'}: {who}: {first}, {second}"
        if counts["beyond"] and not (too_many or too_much):
            sentence += f"; beyond the limit, as normal sound is too by chance in a recording this long (p {min(chances):.2g})"
        sentences.append(sentence)
        by_recording |= {each.recording.name: bool((too_many and each.events) or (too_much and each.flagged.any()))
                         for each in group}
    sentences.sort(key=lambda sentence: not sentence.startswith("ALARM"))
    quiet = [sentence for sentence in sentences if not sentence.startswith("ALARM")]
    if len(quiet) > MOST_QUIET:
        sentences = sentences[:len(sentences) - len(quiet) + MOST_QUIET]
        sentences.append(f"no alarm: {len(quiet) - MOST_QUIET} more, each judged by itself")
    return Alarm(any(by_recording.values()), by_recording, tuple(sentences))


def _counted(group, limits):
    """What the recordings of a group have together."""
    n_events, seconds = sum(len(each.events) for each in group), sum(each.recording.duration_s for each in group)
    flagged = np.concatenate([each.flagged for each in group])
    rate, share = 3600 * n_events / seconds, float(flagged.mean())
    beyond = rate > limits.events_per_hour or (limits.share is not None and share > limits.share)
    return {"events": n_events, "seconds": seconds, "rate": rate, "share": share, "beyond": beyond,
            "chances": limits.chances(n_events, seconds, int(flagged.sum()), len(flagged))}


def _length(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
