"""Plots of scored recordings: scores over time with the events, and a spectrogram around each of some events."""

import matplotlib.pyplot as plt
import numpy as np

from acoustic_nb.plots import COLOURS, MAX_COLUMNS

AROUND_S = 2.0
NEW_SOUND = "0.25"  # neither normal nor anomalous: nobody has said


def scored_timelines(scored, axes=None):
    """Scores over time, one axes for each ScoredRecording: flagged in the anomalous colour, events as a band at the foot."""
    if axes is None:
        axes = plt.subplots(len(scored), 1, figsize=(9.5, 2.0 * len(scored) + 0.5), squeeze=False, layout="constrained")[1][:, 0]
    for ax, each in zip(axes, scored, strict=True):
        middle_s = each.start_s + each.window_s / 2
        step = -(-len(middle_s) // MAX_COLUMNS)
        starts = np.arange(0, len(middle_s), step)
        ax.plot(middle_s[starts], np.maximum.reduceat(each.scores, starts), color=NEW_SOUND, linewidth=0.9,
                label="score" if step == 1 else f"highest of {step} scores")
        ax.plot(middle_s[each.flagged], each.scores[each.flagged], "^", color=COLOURS[1], markersize=3.5, linestyle="none",
                label="flagged", rasterized=True)
        ax.axhline(each.threshold, color="black", linestyle="--", linewidth=1, label="threshold")
        foot = ax.get_ylim()[0]
        ax.hlines([foot] * len(each.events), [event.start_s for event in each.events], [event.end_s for event in each.events],
                  color=COLOURS[1], linewidth=5)
        ax.set(xlabel="time in the file in s", ylabel="anomaly score")
        ax.set_title(f"{each.recording.name}: {each.flagged_share:.0%} of windows flagged, {len(each.events)} "
                     f"event{'s' * (len(each.events) != 1)}", loc="left")
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0.1, fontsize=8, ncols=3)
    return axes


def event_spectrograms(events, recordings, axes=None):
    """Level over time and frequency around events, from two seconds before to two after, with their beginning and end.

    Parameters
    ----------
    events : DataFrame
        Rows of ``scored.events_table``; the index is the number of the event.
    recordings : list of Recording
        Those that they are in.
    """
    by_name = {recording.name: recording for recording in recordings}
    if axes is None:
        columns = min(2, len(events))
        shape = -(-len(events) // columns), columns
        axes = plt.subplots(*shape, figsize=(9.5, 2.3 * shape[0] + 0.3), squeeze=False, layout="constrained")[1].ravel()
    for ax in axes[len(events):]:
        ax.set_visible(False)
    for ax, (number, event) in zip(axes, events.iterrows(), strict=False):
        recording = by_name[event["recording"]]
        start_s = max(recording.start_s, event["peak_s"] - AROUND_S)
        sound = recording.part(start_s, 2 * AROUND_S)
        with np.errstate(divide="ignore"):  # digital silence
            ax.specgram(sound, NFFT=512, Fs=recording.sample_rate, noverlap=384, cmap="magma",
                        xextent=(start_s, start_s + len(sound) / recording.sample_rate), rasterized=True)
        for edge_s in (event["start_s"], event["end_s"]):
            ax.axvline(edge_s, color="white", linewidth=1.2, linestyle="--")
        ax.set(xlim=(start_s, start_s + len(sound) / recording.sample_rate), yticks=[], xlabel="time in the file in s",
               ylabel="frequency in kHz")
        top_khz = recording.sample_rate / 2000
        ax.set_yticks(np.linspace(0, recording.sample_rate / 2, 5), [f"{top_khz * k / 4:.3g}" for k in range(5)])
        ax.set_title(f"event {number}: {event['peak_s']:.2f} s of {event['recording']}, p {event['p_value']:.2g}", loc="left",
                     fontsize=9)
        ax.grid(False)
    return axes
