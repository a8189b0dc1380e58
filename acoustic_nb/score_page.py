"""The page of a scoring: alarm or none, where in each recording, why, and the sound to hear; one file that needs no network.

The threshold can be moved on the page. All that depends on it is counted here, for a row of thresholds, from every window: nothing
is estimated from what is drawn. Score lines are drawn thinned, as the highest of neighbouring windows, so that no peak is lost.
"""

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from acoustic_nb.events import merge_windows
from acoustic_nb.index_page import VERDICT_LABELS
from acoustic_nb.overviews import overviews
from acoustic_nb.pages import data_url, environment, webp
from acoustic_nb.players import embedded_sound, player_gain
from acoustic_nb.plots import LONG_TIMES
from acoustic_nb.progress import progress_bar
from acoustic_nb.whole import write_whole

MOST_SECTIONS, MOST_EVENTS, MOST_NAMES = 30, 100, 5
MAX_COLUMNS = 1500
N_THRESHOLDS = 240
WHOLE_S, ALL_SOUND_S = 600.0, 1800.0
MOST_CLIPS, CLIP_S, AROUND_S = 20, 15.0, 1.0
SHOWN_DB = 80


def write_score_page(path, scored, *, about, alarm):
    """Write what a kept detector has found in new recordings as one HTML page.

    Parameters
    ----------
    path : path
        Of the page; ``events.csv`` is expected beside it.
    scored : list of ScoredRecording
        At least one, all with one threshold. Those that alarm, then those with most against them, come first; the first 30 get a
        section with picture, score line, events and sound, at most 30 minutes of it on the page.
    about : dict
        ``title``, ``detector``, ``bundle``, ``run``, ``made`` (ISO date), ``verdict`` (``{"kind", "text"}``), ``calibration`` (a
        sentence on the threshold), ``whole_calibration`` (the same for whole recordings, or None), ``false_alarm_rate``,
        ``left_out`` (list of path and reason), ``calibration_scores`` (shape (n,)), ``gap_s`` (flagged stretches that lie no
        farther apart are one event), ``shortest_s`` (shorter events do not count).
    alarm : dict
        ``alarm``, ``sentences`` (what was counted against which limit), ``by_recording`` (name -> bool).

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is no recording, or their thresholds differ.
    """
    if not scored:
        raise ValueError("write_score_page needs at least one scored recording, got none; score a recording first")
    if len(thresholds := {each.threshold for each in scored}) > 1:
        raise ValueError(f"a page shows one detector, got thresholds {sorted(thresholds)}; write one for each detector")
    ordered = sorted(scored, key=lambda each: _badness(each, alarm), reverse=True)
    shown, calibration = ordered[:MOST_SECTIONS], np.sort(np.asarray(about["calibration_scores"], dtype=float))
    axis, gain = _score_axis(shown, calibration), player_gain([each.recording for each in shown])
    thresholds, labels, kept = axis.thresholds()
    counts = []
    for each in shown:
        flagged, events = counts_at(each, thresholds, gap_s=about["gap_s"], shortest_s=about["shortest_s"])
        events[kept] = len(each.events)
        counts.append({"flagged": flagged.tolist(), "events": events.tolist(), "n": len(each.scores),
                       "hours": each.recording.duration_s / 3600, "start": each.recording.start_s, "end": each.recording.end_s})
    rates = 1 - np.searchsorted(calibration, thresholds, side="right") / len(calibration)
    data = {"labels": labels, "places": axis.place(thresholds).round(5).tolist(), "kept": kept, "rates": rates.tolist(),
            "n_calibration": len(calibration), "recordings": counts}
    sections = [_section(each, axis, picture, sound)
                for each, picture, sound in zip(shown, _spectrograms(shown), _sounds(shown, gain), strict=True)]
    not_comparable = all(each.unlike for each in scored if alarm["by_recording"][each.recording.name])
    page = environment().get_template("score.html.j2").render(
        about=about, alarm=alarm, n_events=sum(len(each.events) for each in scored), not_comparable=not_comparable,
        outside=_outside(ordered), scored=ordered, sections=sections, data=data,
        verdict=VERDICT_LABELS.get(about["verdict"]["kind"], about["verdict"]["kind"]), ticks=axis.ticks(),
        threshold=labels[kept], place=float(axis.place(axis.threshold)), rate=rates[kept], gain_db=20 * np.log10(gain),
        most_events=MOST_EVENTS, shown_db=SHOWN_DB, whole_min=WHOLE_S / 60, all_sound_min=ALL_SOUND_S / 60, figure=_figure,
        clock=_clock, share=_share, rounded=_rounded)
    return write_whole(path, page)


def counts_at(scored, thresholds, *, gap_s, shortest_s):
    """How many windows are flagged and how many events they make, at each of several thresholds.

    Parameters
    ----------
    scored : ScoredRecording
    thresholds : array of float, shape (n_thresholds,)
    gap_s, shortest_s : float
        Flagged stretches at most ``gap_s`` apart are one event; an event shorter than ``shortest_s`` does not count.

    Returns
    -------
    flagged, events : ndarray of int, shape (n_thresholds,)
    """
    scores, starts = np.asarray(scored.scores), np.asarray(scored.start_s)
    flagged = len(scores) - np.searchsorted(np.sort(scores), thresholds, side="right")
    events = [len(merge_windows(starts, starts + scored.window_s, scores > threshold, gap_s=gap_s, shortest_s=shortest_s))
              for threshold in thresholds]
    return flagged, np.array(events)


def columns(scored):
    """Scores as a line can show them: where each column lies and its highest score, at most 1500 columns.

    Returns
    -------
    middle_s, highest : ndarray of float, shape (n_columns,)
    n_together : int
        Windows in a column; the last may hold fewer.
    """
    n_together = -(-len(scored.scores) // MAX_COLUMNS)
    first = np.arange(0, len(scored.scores), n_together)
    last = np.minimum(first + n_together, len(scored.scores)) - 1
    starts = np.asarray(scored.start_s)
    return (starts[first] + starts[last] + scored.window_s) / 2, np.maximum.reduceat(scored.scores, first), n_together


@dataclass(frozen=True)
class _ScoreAxis:
    """An axis of scores, 0 at its foot and 1 at its top: even near the threshold, squeezed (asinh) far from it."""

    threshold: float
    width: float
    low: float
    high: float

    def place(self, scores):
        return (np.arcsinh((np.asarray(scores) - self.threshold) / self.width) - self.low) / (self.high - self.low)

    def score(self, place):
        return self.threshold + self.width * np.sinh(self.low + np.asarray(place) * (self.high - self.low))

    def ticks(self):
        """Places and labels of round scores."""
        scores, labels = _round_scores(self.score(np.array([0.08, 0.3, 0.52, 0.74, 0.94])))
        return [(float(place), label) for place, label in zip(self.place(scores), labels, strict=True) if 0 <= place <= 1]

    def thresholds(self):
        """Thresholds to choose from, rising, as numbers and as text that says them in full; and which of them is the one kept."""
        scores, labels = _round_scores(self.score(np.linspace(0.01, 0.99, N_THRESHOLDS)))
        apart = scores != self.threshold
        scores, labels = scores[apart], np.array(labels)[apart].tolist()
        kept = int(np.searchsorted(scores, self.threshold))
        return np.insert(scores, kept, self.threshold), [*labels[:kept], _figure(self.threshold), *labels[kept:]], kept


def _score_axis(scored, calibration):
    threshold, all_scores = scored[0].threshold, [each.scores for each in scored]
    ends = np.array([min(map(np.min, all_scores)), max(map(np.max, all_scores)), threshold, calibration[-1]])
    width = threshold - np.median(calibration)
    if width <= 1e-9 * np.ptp(ends):
        width = np.ptp(ends) or 1.0
    far = np.arcsinh((ends - threshold) / width)
    room = 0.06 * np.ptp(far) or 1.0
    return _ScoreAxis(float(threshold), float(width), float(far.min() - room), float(far.max() + room))


def _round_scores(scores):
    """Rising scores rounded to what tells them from their neighbours, as numbers and as text."""
    spacing = np.diff(scores)
    spacing = np.minimum(np.append(spacing, spacing[-1]), np.insert(spacing, 0, spacing[0]))
    digits = (-np.floor(np.log10(spacing))).astype(int)
    rounded = [round(float(score), int(n)) + 0.0 for score, n in zip(scores, digits, strict=True)]
    return np.array(rounded), [f"{score:.{max(n, 0)}f}" for score, n in zip(rounded, digits, strict=True)]


def _badness(each, alarm):
    return (alarm["by_recording"].get(each.recording.name, False), len(each.events) > 0, bool(each.flagged.any()), -each.smallest_p,
            float(each.scores.max()))


def _worst_first(each):
    return sorted(each.events, key=lambda event: (event.p_value, -event.peak_score))


def _outside(scored):
    """What is said of recordings unlike those the detector was made for: (sentences, first names, how many more), in order."""
    alike = {}
    for each in scored:
        if each.unlike:
            alike.setdefault(tuple(each.unlike), []).append(each.recording.name)
    return [(sentences, names[:MOST_NAMES], max(len(names) - MOST_NAMES, 0)) for sentences, names in alike.items()]


def _section(each, axis, picture, sound):
    recording, events = each.recording, _worst_first(each)
    middle_s, highest, n_together = columns(each)
    places = zip(_across(recording, middle_s), 1000 * (1 - axis.place(highest)), strict=True)
    points = [f"{x:.1f} {y:.0f}" for x, y in places]
    unit_s, unit = next((unit_s, unit) for least_s, unit_s, unit in LONG_TIMES if recording.duration_s >= least_s)
    khz = recording.sample_rate / 2000
    return {"scored": each, "picture": picture, "sound": sound, "line": f"M{'L'.join(points)}", "n_together": n_together,
            "area": f"M{points[0].split()[0]} 1000L{'L'.join(points)}V1000Z", "marks": _marks(recording, events),
            "highest_at": float(each.start_s[np.argmax(each.scores)]), "events": events[:MOST_EVENTS], "unit": unit, "khz": khz,
            "times": [((at - recording.start_s) / recording.duration_s, f"{at / unit_s:g}")
                      for at in _ticks(recording.start_s, recording.end_s, unit_s)],
            "frequencies": [(at / khz, f"{at:g}") for at in _ticks(0, khz, 1, n_bins=4)]}


def _across(recording, time_s):
    return (time_s - recording.start_s) / recording.duration_s * MAX_COLUMNS


def _ticks(low, high, unit, *, n_bins=7):
    ticks = MaxNLocator(n_bins, steps=(1, 2, 3, 5, 6, 10)).tick_values(low / unit, high / unit) * unit
    return [float(tick) for tick in ticks if low <= tick <= high]


def _marks(recording, events):
    """Events as bars over the score line: of those that share a dot, one."""
    bars = {(round(_across(recording, event.start_s)), round(_across(recording, event.end_s))) for event in events}
    return "".join(f"M{first} 0h{max(last - first, 4)}v10H{first}z" for first, last in sorted(bars))


def _spectrograms(scored):
    """Pictures of the recordings with one colour scale, as addresses, with the level of its bright end in dBFS."""
    seen = overviews([each.recording for each in scored])
    top = float(max(overview.level_db.max() for overview in seen))
    colours = matplotlib.colormaps["magma"]
    pictures = []
    for overview in seen:
        image = Image.fromarray(colours((overview.level_db[::-1] - top) / SHOWN_DB + 1, bytes=True)[..., :3])
        pictures.append({"src": data_url("image/webp", webp(image, quality=88)), "width": image.width, "height": image.height,
                         "top_db": top, "gaps": overview.gaps})
    return pictures


def _sounds(scored, gain):
    """Of each recording the whole sound where it is short, else clips of its worst events, until the page is full."""
    sounds, left_s = [], ALL_SOUND_S
    with progress_bar(scored, desc="sound", unit=" recordings") as bar:
        for each in bar:
            whole, clips = None, []
            if each.recording.duration_s <= min(WHOLE_S, left_s):
                whole = _sound(each.recording, each.recording.start_s, each.recording.end_s, gain)
                left_s -= each.recording.duration_s
            else:
                for event in _worst_first(each)[:MOST_CLIPS]:
                    from_s, to_s = _clip(event, each.recording)
                    left_s -= to_s - from_s
                    if left_s < 0:
                        break
                    clips.append(_sound(each.recording, from_s, to_s, gain))
            sounds.append({"whole": whole, "clips": clips})
    return sounds


def _clip(event, recording):
    """What to hear of an event: a second more at both ends, or where that is too long, what is around its peak."""
    from_s, to_s = event.start_s - AROUND_S, event.end_s + AROUND_S
    if event.peak_s > from_s + CLIP_S - AROUND_S:
        from_s = event.peak_s - CLIP_S / 2
    from_s = max(from_s, recording.start_s)
    return from_s, min(to_s, from_s + CLIP_S, recording.end_s)


def _sound(recording, from_s, to_s, gain):
    src, from_s, to_s = embedded_sound(recording, start_s=from_s, duration_s=to_s - from_s, gain=gain)
    return {"src": src, "from": from_s, "to": to_s}


def _clock(time_s, longest_s):
    """A time in seconds, or as h:mm:ss.s where ten minutes are reached."""
    if longest_s < 600:
        return f"{time_s:.2f} s"
    tenths = round(10 * time_s)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _figure(score):
    return f"{score:.0f}" if 1e4 <= abs(score) < 1e9 else f"{score:.4g}"


def _rounded(rate):
    return f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"


def _share(part):
    """A share in per cent; what is not none is not said to be none."""
    return "less than 0.1 %" if 0 < part < 0.0005 else f"{100 * part:.1f} %"
