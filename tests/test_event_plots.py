"""Event plots: what is drawn is where it was."""

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from sounds import as_recording, noise

from acoustic_nb.event_plots import event_spectrograms, scored_timelines
from acoustic_nb.plots import COLOURS
from acoustic_nb.scored import FoundEvent, ScoredRecording, events_table

RATE = 8000


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def found(name, start_s, end_s, score=5.0, p=0.05):
    return FoundEvent(name, start_s, end_s, (start_s + end_s) / 2, start_s, end_s, start_s, score, p, True, ("hiss",), 0.0, 125.0)


def scored(scores, *, name="pump {1}", events=(), start_s=0.0, recording=None):
    """Windows of 1 s, one each second."""
    scores = np.asarray(scores, dtype=float)
    recording = recording or as_recording(noise(1.0, sample_rate=RATE), sample_rate=RATE, name=name)
    return ScoredRecording(recording, start_s + np.arange(len(scores)), scores, np.zeros(len(scores)), 1.0, 2.0, 0.05,
                           tuple(found(name, *event) for event in events))


# ---- timelines

def drawn(ax):
    """Score line, flagged windows and threshold of an axes, and its event bands."""
    line, flagged, threshold = ax.lines
    bands, = ax.collections
    return line, flagged, threshold, [segment.tolist() for segment in bands.get_segments()]


def test_each_recording_has_an_axes_with_its_own_scores():
    several = [scored([1, 5, 1], name="a", events=[(1.25, 1.75)]), scored([0, 1], name="b"), scored([9], name="c", events=[(0, 1)])]
    axes = scored_timelines(several)
    assert len(axes) == 3 == len(axes[0].figure.axes)
    assert [ax.get_title(loc="left") for ax in axes] == [
        "a: 33% of windows flagged, 1 event", "b: 0% of windows flagged, 0 events", "c: 100% of windows flagged, 1 event"]
    for ax, each in zip(axes, several, strict=True):
        line, flagged, threshold, bands = drawn(ax)
        assert line.get_ydata().tolist() == each.scores.tolist()
        assert line.get_xdata().tolist() == (np.arange(len(each.scores)) + 0.5).tolist()  # at the middle of each window
        assert set(threshold.get_ydata()) == {2.0}
        assert [band[0][0] for band in bands] == [event.start_s for event in each.events]
        assert ax.get_xlabel() == "time in the file in s"


def test_flagged_windows_and_event_bands_are_at_their_times_in_the_anomalous_colour():
    one = scored([1, 5, 6, 1, 2, 3], start_s=100.0, events=[(101.25, 102.5), (105.125, 106.0)])
    ax, = scored_timelines([one])
    _, flagged, _, bands = drawn(ax)
    assert flagged.get_xydata().tolist() == [[101.5, 5], [102.5, 6], [105.5, 3]]  # 2 is at the threshold, not above it
    assert [[point[0] for point in band] for band in bands] == [[101.25, 102.5], [105.125, 106.0]]
    assert all(point[1] < 1 for band in bands for point in band)  # below the lowest score
    assert to_hex(flagged.get_color()).upper() == COLOURS[1] == to_hex(ax.collections[0].get_color()[0]).upper()


def test_thinning_keeps_every_maximum():
    scores = np.random.default_rng(0).uniform(0, 1.9, 2500)
    scores[[0, 777, 2499]] = 7.0, 8.0, 9.0
    ax, = scored_timelines([scored(scores)])
    line, flagged, *_ = drawn(ax)
    assert line.get_ydata().tolist() == [max(scores[k:k + 3]) for k in range(0, 2500, 3)]  # at most 1000 columns: 3 together, 834
    assert len(line.get_ydata()) == 834 and line.get_xdata()[1] == 3.5
    assert flagged.get_xydata().tolist() == [[0.5, 7], [777.5, 8], [2499.5, 9]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["highest of 3 scores", "flagged", "threshold"]
    exact, = scored_timelines([scored(scores[:1000])])
    assert drawn(exact)[0].get_ydata().tolist() == scores[:1000].tolist()
    assert exact.get_legend().get_texts()[0].get_text() == "score"


def test_axes_that_are_given_are_drawn_into():
    figure, given = plt.subplots(2, 1)
    assert scored_timelines([scored([1]), scored([2])], given) is given and len(figure.axes) == 2
    with pytest.raises(ValueError, match="zip"):
        scored_timelines([scored([1])], given)


# ---- spectrograms

def tone_from(start_s, end_s, *, duration_s=20.0, frequency_hz=1000, offset_s=0.0, name="pump {1}"):
    """Faint noise with a tone from ``start_s`` to ``end_s`` of the file; the recording begins at ``offset_s`` of it."""
    time_s = offset_s + np.arange(round(duration_s * RATE)) / RATE
    sound = noise(duration_s, sample_rate=RATE, amplitude=1e-4)
    sound += np.where((time_s >= start_s) & (time_s < end_s), 0.5 * np.sin(2 * np.pi * frequency_hz * time_s), 0).astype(np.float32)
    return as_recording(sound, sample_rate=RATE, name=name, start_s=offset_s)


def pictured(ax):
    """Where in the file, and at which frequency, it is brightest: (from, to, frequency), seconds and Hz."""
    image, = ax.images
    levels_db, (left, right, bottom, top) = image.get_array()[::-1], image.get_extent()  # row 0 is the lowest frequency
    loudest = levels_db.max(axis=0) > levels_db.max() - 6
    times_s = left + (np.flatnonzero(loudest) + 0.5) * (right - left) / levels_db.shape[1]
    row = int(levels_db.max(axis=1).argmax())
    return times_s.min(), times_s.max(), bottom + row * (top - bottom) / (levels_db.shape[0] - 1)


def edges(ax):
    return [float(line.get_xdata()[0]) for line in ax.lines if isinstance(line, Line2D)]


@pytest.mark.parametrize("offset_s", [0.0, 60.0])
def test_an_event_is_in_the_middle_of_four_seconds_of_its_sound(offset_s):
    recording = tone_from(offset_s + 9.5, offset_s + 10.5, offset_s=offset_s)
    one = scored([1], recording=recording, events=[(offset_s + 9.5, offset_s + 10.5)])
    (ax,) = event_spectrograms(events_table([one]), [recording])
    assert ax.get_xlim() == pytest.approx((offset_s + 8, offset_s + 12))
    from_s, to_s, frequency_hz = pictured(ax)
    assert (from_s, to_s) == pytest.approx((offset_s + 9.5, offset_s + 10.5), abs=0.06)  # a spectrum is 64 ms long
    assert frequency_hz == pytest.approx(1000, abs=RATE / 512)
    assert edges(ax) == [offset_s + 9.5, offset_s + 10.5]
    assert ax.get_title(loc="left") == f"event 1: {offset_s + 10:.2f} s of pump {{1}}, p 0.05"
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2", "3", "4"] and ax.get_ylabel() == "frequency in kHz"
    assert ax.get_yticks().tolist() == [0, 1000, 2000, 3000, 4000]
    assert len(ax.figure.axes) == 1  # one event, one axes


@pytest.mark.parametrize(("event", "shown", "offset_s"), [
    ((0.0, 0.5), (0.0, 4.0), 0.0), ((19.0, 20.0), (17.5, 20.0), 0.0), ((60.0, 60.5), (60.0, 64.0), 60.0)])
def test_at_the_edges_of_a_recording_only_what_is_there_is_shown(event, shown, offset_s):
    recording = tone_from(*event, offset_s=offset_s)
    (ax,) = event_spectrograms(events_table([scored([1], recording=recording, events=[event])]), [recording])
    assert ax.get_xlim() == pytest.approx(shown) and ax.images[0].get_extent()[:2] == pytest.approx(shown)
    assert pictured(ax)[:2] == pytest.approx(event, abs=0.06) and edges(ax) == list(event)


def test_a_recording_shorter_than_what_is_shown():
    recording = tone_from(0.25, 0.5, duration_s=1.0)
    (ax,) = event_spectrograms(events_table([scored([1], recording=recording, events=[(0.25, 0.5)])]), [recording])
    assert ax.get_xlim() == pytest.approx((0.0, 1.0)) and pictured(ax)[:2] == pytest.approx((0.25, 0.5), abs=0.06)


@pytest.mark.parametrize(("n_events", "n_axes"), [(1, 1), (2, 2), (3, 4), (4, 4)])
def test_each_event_has_an_axes_with_its_own_recording(n_events, n_axes):
    recordings = [tone_from(5 + k, 5.5 + k, frequency_hz=500 * (k + 1), name=f"r{k}") for k in range(4)]
    several = [scored([1], name=each.name, recording=each, events=[(5.0 + k, 5.5 + k, 9.0 - k)])
               for k, each in enumerate(recordings)]
    worst = events_table(several).head(n_events)
    axes = event_spectrograms(worst, recordings[::-1])  # found by name, not by place
    assert len(axes) == n_axes and [ax.get_visible() for ax in axes] == [True] * n_events + [False] * (n_axes - n_events)
    for k, ax in enumerate(axes[:n_events]):
        assert ax.get_title(loc="left").startswith(f"event {k + 1}: {5.25 + k:.2f} s of r{k}, ")
        from_s, _, frequency_hz = pictured(ax)
        assert from_s == pytest.approx(5 + k, abs=0.06)
        assert frequency_hz == pytest.approx(500 * (k + 1), abs=RATE / 512)


def test_events_keep_the_numbers_that_they_have_in_the_table():
    recording = tone_from(5, 6)
    table = events_table([scored([1], recording=recording, events=[(5.0, 6.0), (8.0, 9.0, 4.0), (12.0, 13.0, 3.0)])])
    axes = event_spectrograms(pd.concat([table.loc[[3]], table.loc[[2]]]), [recording])
    assert [ax.get_title(loc="left").split(":")[0] for ax in axes] == ["event 3", "event 2"]
