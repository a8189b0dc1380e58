"""Plots: what is drawn is what was given, with units, and normal and anomalous in the same colours everywhere."""

import io

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sounds import as_recording, noise, random_table, recordings_of, sine

from acoustic_nb import plots
from acoustic_nb.audio import load_recording
from acoustic_nb.features import join
from acoustic_nb.judging import recording_items, window_items
from acoustic_nb.overviews import Overview, overviews
from acoustic_nb.splits import block_split
from acoustic_nb.stretches import Event
from acoustic_nb.units import split_recordings


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def windows():
    return join([random_table(40), random_table(40, label=1, name="b", seed=1)])


def texts(axes):
    return " ".join(ax.get_xlabel() + " " + ax.get_ylabel() for ax in np.atleast_1d(axes).ravel())


def overview(**changes):
    """A normal recording of five columns and four spectra, ten seconds long."""
    known = {"name": "a", "label": 0, "start_s": 0.0, "end_s": 10.0, "sample_rate": 16000, "column_s": 2.0,
             "low": np.full(5, -0.5, np.float32), "high": np.full(5, 0.25, np.float32),
             "level_db": np.full((128, 4), -60, np.float32)}
    return Overview(**known | changes)


def notes(axes):
    return [ax.get_title(loc="right") for ax in np.atleast_1d(axes).ravel()]


def test_waveforms_reach_the_peak_and_the_end_with_one_scale():
    quiet = as_recording(sine(440, amplitude=0.1, duration_s=6.0), label=1)
    axes = plots.waveforms(overviews([as_recording(sine(440, amplitude=0.5)), quiet]))
    assert axes[0].get_ylim() == axes[1].get_ylim() == pytest.approx((-0.525, 0.525), rel=1e-3)
    assert (axes[0].get_xlim(), axes[1].get_xlim()) == ((0, 3), (0, 6))
    assert to_hex(axes[0].collections[0].get_facecolor()[0]).upper() == plots.COLOURS[0]
    assert to_hex(axes[1].collections[0].get_facecolor()[0]).upper() == plots.COLOURS[1]
    assert "time in the file in s" in texts(axes)


def test_the_spectrogram_shows_a_sine_at_its_frequency_and_level():
    axes = plots.spectrograms(overviews([as_recording(sine(5000, amplitude=0.5))]))
    image = axes[0].images[0].get_array()
    low_khz, high_khz = axes[0].images[0].get_extent()[2:]
    row_khz = low_khz + (image.mean(axis=1).argmax() + 0.5) * (high_khz - low_khz) / len(image)
    assert row_khz == pytest.approx(5, abs=0.05)  # half a row is 0.043 kHz high
    assert image.max() == pytest.approx(20 * np.log10(0.5), abs=1.5)
    assert "frequency in kHz" in texts(axes)


def test_one_colour_scale_for_all_spectrograms():
    axes = plots.spectrograms([overview(), overview(level_db=np.full((128, 4), -20.0))])
    assert [ax.images[0].get_clim() for ax in axes] == [(-100, -20)] * 2


@pytest.mark.parametrize("column", [0, 617, 999])
def test_a_click_of_one_sample_in_a_day_is_seen(column):
    low, high = np.full(1000, -0.1, np.float32), np.full(1000, 0.1, np.float32)
    clicked = high.copy()
    clicked[column] = 0.9
    shown = [drawn(plots.waveforms([overview(end_s=86400.0, column_s=86.4, low=low, high=each), overview(high=np.full(5, 0.9))]))
             for each in (high, clicked)]
    different = (np.abs(shown[0] - shown[1]) > 0.3).any(axis=2)  # not a shade that nobody sees
    assert different.sum() > 20  # dots of the picture, below each other
    assert np.ptp(np.flatnonzero(different.any(axis=0))) <= 4


def drawn(axes, caption="x"):
    """The picture as the notebook shows it, shape (height, width, 4)."""
    return plt.imread(io.BytesIO(plots.show(axes, caption)._repr_mimebundle_()[0]["image/png"]))


def test_it_is_said_how_a_recording_was_thinned():
    day = overview(end_s=86400.0, column_s=86.4)
    assert notes(plots.waveforms([day, overview(column_s=1 / 16000)])) == ["least and greatest sample of every 86 s", ""]
    dense = overview(end_s=4 * 512 / 16000)
    assert notes(plots.spectrograms([day, dense])) == ["one spectrum every 6 h", ""]


@pytest.mark.parametrize(("seconds", "said"), [(0.0003, "0.3 ms"), (0.03, "30 ms"), (0.3, "0.3 s"), (1.0, "1 s"), (43.2, "43 s"),
                                               (86.4, "86 s"), (98.0, "98 s"), (99.0, "1.6 min"), (1800.0, "30 min"),
                                               (7200.0, "2 h")])
def test_spans_in_two_figures(seconds, said):
    assert plots._span(seconds) == said


@pytest.mark.parametrize(("end_s", "unit", "ticks"), [
    (300.0, "s", ["0", "50", "100", "150", "200", "250", "300"]), (599.0, "s", None),
    (600.0, "min", ["0", "2", "4", "6", "8", "10"]), (3600.0, "min", ["0", "10", "20", "30", "40", "50", "60"]),
    (86400.0, "h", ["0", "3", "6", "9", "12", "15", "18", "21", "24"])])
def test_long_times_are_read_in_minutes_and_hours(end_s, unit, ticks):
    long = overview(end_s=end_s, column_s=end_s / 5)
    for draw in (plots.waveforms, plots.spectrograms):
        axes = draw([long, long])
        plots.show(axes, "x")
        assert [ax.get_xlabel() for ax in axes] == ["", f"time in the file in {unit}"]
        assert axes[0].get_xlim() == (0, end_s)
        if ticks:
            assert [text.get_text() for text in axes[0].get_xticklabels()] == ticks


def test_times_of_two_units_are_both_named():
    axes = plots.waveforms([overview(end_s=86400.0, column_s=17280.0), overview()])
    assert [ax.get_xlabel() for ax in axes] == ["time in the file in h", "time in the file in s"]


def test_a_minute_of_the_last_hour_is_read_in_seconds():
    axes = plots.waveforms([overview(start_s=80000.0, end_s=80060.0, column_s=12.0)])
    assert axes[0].get_xlabel() == "time in the file in s"


def test_the_timeline_fills_what_is_flagged(windows):
    scores = np.where(np.arange(80) % 10 == 0, 5.0, 0.0)
    axes = plots.score_timeline(windows, scores, 1.0, recordings_of(windows, event_times_s={"b": (3.0,)}))
    for ax, label in zip(axes, (0, 1), strict=True):
        hollow, filled = (line for line in ax.lines if line.get_marker() == plots.MARKERS[label])
        assert (len(hollow.get_xdata()), len(filled.get_xdata())) == (36, 4)
        assert filled.get_xdata().tolist() == [0.5, 5.5, 10.5, 15.5]  # middles of the windows
        assert "10% of 40 windows flagged" in ax.get_title(loc="left")
    assert not any(line.get_label() == "known click" for line in axes[0].lines)
    assert any(line.get_label() == "known click" for line in axes[1].lines)


def bands(ax):
    """Known events as they are drawn: from, to, and how high, in seconds and shares of the axes."""
    return [(*corners.vertices[:, 0][[0, 2]], corners.vertices[:, 1].max()) for collection in ax.collections
            if collection.get_label() == "known event" for corners in collection.get_paths()]


def test_the_truth_is_drawn_at_the_foot_of_the_timeline(windows):
    # the windows reach from 0 to 20.5 s; a point is drawn as wide as can be seen; the last two lie outside
    events = (Event(2.0, 4.5), Event(6.0, 6.0), Event(19.0, 30.0), Event(20.5, 22.0), Event(40.0, 41.0))
    axes = plots.score_timeline(windows, np.zeros(80), 1.0, recordings_of(windows, events={"b": events}))
    assert bands(axes[0]) == []
    assert bands(axes[1]) == [pytest.approx(band) for band in
                              ((2, 4.5, 0.08), (6, 6 + 0.006 * 20.5, 0.08), (19, 30, 0.08))]
    assert axes[1].get_xlim()[1] < 22  # an event that goes on does not stretch the time
    assert [text.get_text() for text in axes[1].get_legend().get_texts()].count("known event") == 1
    assert "known event" not in [text.get_text() for text in axes[0].get_legend().get_texts()]


def test_the_timeline_keeps_to_the_recordings_that_were_asked_for_and_tested(windows):
    asked = [*recordings_of(windows)[::-1], *recordings_of(random_table(9, name="never tested"))]
    axes = plots.score_timeline(windows, np.zeros(80), 1.0, asked)
    assert [ax.get_title(loc="left").split(":")[0] for ax in axes] == ["b (anomalous)", "normal (normal)"]
    assert len(plots.score_timeline(windows, np.zeros(80), 1.0, asked[:1])) == 1


def test_a_part_is_drawn_in_the_time_of_its_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([sine(440), sine(5000)]), 22050)
    part = load_recording(tmp_path / "a.wav", start_s=2.0, end_s=4.0)  # the tone changes at 3 s
    ax = plots.waveforms(overviews([part]))[0]
    assert ax.get_xlim() == (2, 4)
    drawn_s = ax.collections[0].get_paths()[0].vertices[:, 0]
    assert (drawn_s.min(), drawn_s.max()) == pytest.approx((2, 4), abs=0.01)
    ax = plots.spectrograms(overviews([part]))[0]
    assert ax.get_xlim() == (2, 4)
    image = ax.images[0].get_array()
    assert ax.images[0].get_extent()[:2] == [2, 4]
    high = (image.argmax(axis=0) + 0.5) * 8 * 22050 / 2048 > 2000
    assert 2 + 2 * np.flatnonzero(high)[0] / len(high) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("n_samples", [1, 700, 2048])
def test_the_shortest_recordings_are_drawn(n_samples):
    shown = overviews([as_recording(noise()[:n_samples])])
    for draw in (plots.waveforms, plots.spectrograms):
        assert drawn(draw(shown)).shape[2] == 4


def many(n_normal, n_anomalous, windows=3):
    return join([random_table(windows, name=f"n{k}", seed=k) for k in range(n_normal)]
                + [random_table(windows, label=1, name=f"x{k}", seed=50 + k, shift=3) for k in range(n_anomalous)])


def strips(ax):
    """What each row of the strips shows: name -> (scores of windows, diamond, whether it is filled)."""
    names = [text.get_text().split()[0] for text in ax.get_yticklabels()]
    rows = {name: [None, None, None] for name in names}
    for line in ax.lines:
        if line.get_marker() == "|":
            rows[names[int(line.get_ydata()[0])]][0] = sorted(line.get_xdata())
        if line.get_marker() == "D":
            rows[names[int(line.get_ydata()[0])]][1:] = line.get_xdata()[0], line.get_markerfacecolor() != "white"
    return rows


def test_strips_draw_every_recording_and_fill_the_flagged_diamonds():
    windows = many(4, 3)
    scores = np.arange(21.0) % 11  # 0 1 2 | 3 4 5 | 6 7 8 | 9 10 0 | 1 2 3 | 4 5 6 | 7 8 9
    items = recording_items(windows, scores, how="max")
    ax = plots.score_strips(windows, scores, items, 8.0)
    expected = {"n0": [[0, 1, 2], 2, False], "n1": [[3, 4, 5], 5, False], "n2": [[6, 7, 8], 8, False], "n3": [[0, 9, 10], 10, True],
                "x0": [[1, 2, 3], 3, False], "x1": [[4, 5, 6], 6, False], "x2": [[7, 8, 9], 9, True]}
    assert strips(ax) == expected
    assert list(strips(ax)) == ["n3", "n2", "n1", "n0", "x2", "x1", "x0"]  # by falling score, the anomalous ones below
    assert ax.yaxis_inverted()
    assert [text.get_text().split()[1] for text in ax.get_yticklabels()] == ["●"] * 4 + ["▲"] * 3
    colours = {to_hex(line.get_color()).upper() for line in ax.lines if line.get_marker() == "|" and line.get_ydata()[0] > 3}
    assert colours == {plots.COLOURS[1]}
    assert "score" in ax.get_xlabel() and "not drawn" not in ax.get_xlabel()


def test_strips_of_windows_have_no_diamonds():
    windows = many(2, 1)
    ax = plots.score_strips(windows, np.arange(9.0), window_items(windows, np.arange(9.0)), 4.0)
    assert {name: row[1:] for name, row in strips(ax).items()} == dict.fromkeys(["n1", "n0", "x0"], [None, None])
    assert strips(ax)["n1"][0] == [3, 4, 5]


@pytest.mark.parametrize(("n_normal", "n_anomalous"), [(20, 20), (30, 5), (3, 37), (39, 1)])
def test_up_to_forty_recordings_are_all_drawn(n_normal, n_anomalous):
    windows = many(n_normal, n_anomalous, windows=1)
    scores = np.arange(float(len(windows)))
    ax = plots.score_strips(windows, scores, recording_items(windows, scores, how="mean"), 4.0)
    assert len(strips(ax)) == n_normal + n_anomalous
    assert "not drawn" not in ax.get_xlabel()


def test_of_more_than_forty_the_highest_are_drawn_and_it_is_said():
    windows = many(30, 25, windows=1)
    scores = np.arange(55.0)
    ax = plots.score_strips(windows, scores, recording_items(windows, scores, how="mean"), 4.0)
    assert set(strips(ax)) == {f"n{k}" for k in range(10, 30)} | {f"x{k}" for k in range(5, 25)}
    assert "15 recordings with lower scores are not drawn" in ax.get_xlabel()


def kept(windows, scores):
    return pd.DataFrame({"recording": windows.recording, "start_s": windows.start_s, "end_s": windows.end_s, "score": scores})


def test_stacked_timelines_have_a_row_per_detector_and_a_column_per_recording(windows):
    high = np.where(np.arange(80) % 10 == 0, 5.0, 0.0)
    recordings = recordings_of(join([windows, random_table(5, name="never tested")]), events={"b": (Event(2.0, 4.5),)},
                               event_times_s={"normal": (7.0,)})
    axes = plots.stacked_timelines({"X": kept(windows, high), "Y": kept(windows, -high)}, {"X": 1.0, "Y": -1.0}, recordings)
    assert axes.shape == (2, 2)
    assert [ax.get_title(loc="left") for ax in axes[0]] == ["normal (normal)", "b (anomalous)"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["X\nscore", "Y\nscore"]
    for ax, label, n_flagged in zip(axes.ravel(), (0, 1, 0, 1), (4, 4, 36, 36), strict=True):
        hollow, filled = (line for line in ax.lines if line.get_marker() == plots.MARKERS[label])
        assert (len(hollow.get_xdata()), len(filled.get_xdata())) == (40 - n_flagged, n_flagged)
    assert axes[0, 0].lines[2].get_xdata().tolist() == [0.5, 5.5, 10.5, 15.5]
    for row in axes:
        assert bands(row[0]) == []
        assert bands(row[1]) == [pytest.approx((2, 4.5, 0.08))]
        assert any(line.get_label() == "known click" and list(line.get_xdata()) == [7] for line in row[0].lines)
    assert "time in the file in s" in texts(axes[-1])


def test_flags_of_recordings_have_a_column_each():
    table = pd.DataFrame({"recording": list("abcde"), "label": [0, 1, 0, 1, 0], "gmm": [True, False, False, True, False],
                          "svm": [False, True, False, True, True]})
    axes = plots.flag_map(table, {"gmm": "Mixture", "svm": "SVM"})
    shown = [ax.collections[0].get_array().reshape(2, -1).tolist() for ax in axes]
    assert shown == [[[1, 0, 0], [0, 0, 1]], [[0, 1], [1, 1]]]  # a, c, e; b, d
    assert [ax.get_title(loc="left") for ax in axes] == ["3 normal recordings, one column each",
                                                         "2 anomalous recordings, one column each"]
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["Mixture", "SVM"]
    assert "recordings" in axes[-1].get_xlabel()


def test_flags_of_windows_stand_at_their_seconds():
    table = pd.DataFrame({"recording": ["a"] * 3 + ["b"] * 2, "start_s": [4.0, 4.5, 5.0, 0.0, 0.5], "label": [0] * 3 + [0, 1],
                          "gmm": [True, False, True, False, True]})
    axes = plots.flag_map(table, {"gmm": "Mixture"})
    assert [ax.get_title(loc="left") for ax in axes] == ["a (normal)", "b (anomalous)"]
    assert axes[0].collections[0].get_array().ravel().tolist() == [1, 0, 1]
    assert axes[0].collections[0].get_coordinates()[0, :, 0].tolist() == [4, 4.5, 5, 5.5]


def test_few_whole_recordings_are_drawn_one_by_one_and_many_are_counted():
    few = many(8, 4)
    split = split_recordings(few, recordings_of(few))
    ax = plots.split_timeline(split)
    assert [text.get_text() for text in ax.get_yticklabels()] == [block.recording for block in split.blocks]
    assert "time in the file in s" in ax.get_xlabel()
    lots = many(20, 10)
    ax = plots.split_timeline(split_recordings(lots, recordings_of(lots)))
    bars = [patch for patch in ax.patches if patch.get_height() == pytest.approx(0.6)]
    # of 20 normal ones 10, 4 and 6; of 10 anomalous ones 5 and 5
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 10), (10, 4), (14, 6), (0, 5), (5, 5)]
    assert [text.get_text() for text in ax.texts] == ["train 10", "calibration 4", "test 6", "train 5", "test 5"]
    assert "number of recordings" in ax.get_xlabel()


def test_contributions_are_named_in_the_models_own_terms():
    axes = plots.feature_contributions([[1.0, -2.0], [0.5, 0.0]], ["x", "y"], xlabel="log-likelihood ratio")
    assert [ax.get_xlabel() for ax in axes] == ["log-likelihood ratio"] * 2
    assert [[bar.get_width() for bar in ax.patches] for ax in axes] == [[1, -2], [0.5, 0]]
    with pytest.raises(TypeError, match="xlabel"):
        plots.feature_contributions(np.eye(2), ["x", "y"])


def test_the_split_is_drawn_second_by_second(windows):
    split = block_split(join([random_table(119), random_table(119, label=1, name="b")]))
    bars = [patch for patch in plots.split_timeline(split).patches if hasattr(patch, "get_height")]
    drawn = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars if bar.get_height() == pytest.approx(0.6)]
    assert drawn == [pytest.approx((block.start_s, block.end_s)) for block in split.blocks]


def test_the_roc_curve_ends_in_both_corners_and_marks_the_threshold():
    label, scores = np.array([0, 0, 1, 1]), np.array([1.0, 3, 2, 4])
    ax = plots.roc_curves({"x": (label, scores)}, marks={"x": 2.5})
    assert ax.lines[0].get_xydata()[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert ax.lines[1].get_xydata().tolist() == [[0.5, 0.5]]
    assert "AUC 0.750" in ax.get_legend().get_texts()[0].get_text()


def test_counts_in_the_confusion_matrix():
    ax = plots.confusion([0, 0, 0, 1, 1], [0, 0, 9, 9, 0], 1.0)
    assert [text.get_text() for text in ax.texts] == ["2", "1", "1", "1"]


def test_the_histogram_counts_every_window():
    label, scores = np.repeat([0, 1], 50), np.random.default_rng(0).standard_normal(100)
    ax = plots.score_histogram(label, scores, 0.0)
    areas = [collection.get_paths()[0].vertices for collection in ax.collections]
    assert len(areas) == 2
    assert ax.get_ylabel() == "number tested"


def test_scores_equal_to_within_rounding_are_drawn():
    scores = np.where(np.arange(20) % 2, -1.0, np.nextafter(-1.0, 0.0))  # one rounding step apart
    assert plots.score_histogram(np.repeat([0, 1], 10), scores, -1.0).get_xlim()[0] < -1


def thousands(n_windows=80_000, *, scores=0.0, label=0, name="long"):
    """Windows of half a second's hop over hours, and their scores."""
    windows = random_table(n_windows, label=label, name=name, n_features=1)
    return windows, np.full(n_windows, scores)


def test_one_flagged_window_among_eighty_thousand_is_seen_and_counted():
    windows, scores = thousands()
    scores[54_321] = 2.0
    ax, = plots.score_timeline(windows, scores, 1.0, recordings_of(windows))
    assert ax.get_title(loc="left") == "long (normal): 1 of 80000 windows flagged"
    line, filled = (next(line for line in ax.lines if line.get_label() == label) for label in ("not flagged", "flagged"))
    assert filled.get_xydata().tolist() == [[54_321 * 0.5 + 0.5, 2.0]]
    assert len(line.get_xdata()) <= 2 * plots.MAX_COLUMNS
    assert line.get_ydata().max() == 2.0
    assert ax.get_ylabel() == "anomaly score\n(extremes of 40 s)"
    assert ax.get_xlabel() == "time in the file in h"


def test_of_very_many_windows_the_extremes_of_each_column_are_drawn_at_their_own_time():
    scores = np.random.default_rng(0).standard_normal(10_000)
    windows, _ = thousands(10_000)
    ax, = plots.score_timeline(windows, scores, 2.0, recordings_of(windows))
    line = next(line for line in ax.lines if line.get_label() == "not flagged")
    time_s, values = line.get_xydata().T
    assert (np.diff(time_s) > 0).all()
    assert values.tolist() == scores[((time_s - 0.5) / 0.5).astype(int)].tolist()
    columns = np.array_split(scores, 1000)  # ten windows each
    assert len(values) == 2000
    assert np.sort(values[values > 0]).sum() >= sum(max(column.max(), 0) for column in columns) * 0.99
    assert {scores.min(), scores.max()} <= set(values)
    assert f"{np.mean(scores > 2):.0%} of 10000" in ax.get_title(loc="left")


@pytest.mark.parametrize(("n_flagged", "said"), [(0, "0%"), (1, "1"), (5, "5"), (6, "1%"), (500, "50%"), (994, "99%"), (996, "996"),
                                                 (1000, "100%")])
def test_a_share_does_not_round_to_none_or_all(n_flagged, said):
    assert plots._share(np.arange(1000) < n_flagged) == f"{said} of 1000"


def test_stacked_timelines_of_hours_keep_what_sticks_out():
    windows, scores = thousands()
    other, _ = thousands(name="other", label=1)
    both = join([windows, other])
    scores = np.append(scores, scores)
    scores[77_777] = 3.0
    axes = plots.stacked_timelines({"X": kept(both, scores)}, {"X": 1.0}, recordings_of(both))
    filled = [next(line for line in ax.lines if line.get_label() == "flagged").get_ydata().tolist() for ax in axes[0]]
    assert filled == [[3.0], []]
    assert notes(axes) == ["extremes of 80 s"] * 2  # half the width, half the columns
    assert [ax.get_xlabel() for ax in axes[0]] == ["time in the file in h"] * 2


def test_strips_of_very_many_windows_keep_the_outermost():
    windows, _ = thousands()
    scores = np.random.default_rng(0).standard_normal(80_000)
    ax = plots.score_strips(windows, scores, window_items(windows, scores), 1.0)
    shown = strips(ax)["long"][0]
    assert (shown[0], shown[-1]) == (scores.min(), scores.max())
    assert len(shown) <= 2 * plots.MAX_COLUMNS
    assert set(shown) <= set(scores)
    assert np.diff(shown).max() <= max(np.diff(np.sort(scores)).max(), np.ptp(scores) / plots.MAX_COLUMNS) * 1.0001


def test_of_equal_scores_a_few_are_drawn():
    windows, scores = thousands()
    with np.errstate(all="raise"):
        ax = plots.score_strips(windows, scores, window_items(windows, scores), 1.0)
    assert set(strips(ax)["long"][0]) == {0.0}


def test_in_a_map_of_hours_one_flagged_window_is_seen():
    windows, _ = thousands()
    flagged = np.arange(80_000) == 54_321
    table = pd.DataFrame({"recording": windows.recording, "start_s": windows.start_s, "label": 0, "gmm": flagged,
                          "svm": np.arange(80_000) < 40_000})
    axes = plots.flag_map(table, {"gmm": "Mixture", "svm": "SVM"})
    mixture, svm = axes[0].collections[0].get_array().reshape(2, -1)
    assert len(mixture) == plots.MAX_CELLS
    assert np.flatnonzero(mixture).tolist() == [54_321 * plots.MAX_CELLS // 80_000]
    assert 0.2 < mixture.max() < 0.4  # one of 160: light, but there
    assert svm.tolist() == pytest.approx([1] * 250 + [0] * 250)
    assert notes(axes) == ["a column is 80 s: the darker, the more of it is flagged"]
    assert axes[0].get_xlabel() == "start of the window in h"
    pictures = [drawn(plots.flag_map(table.assign(gmm=gmm), {"gmm": "Mixture", "svm": "SVM"})) for gmm in (False, flagged)]
    assert (pictures[0] != pictures[1]).any(axis=2).sum() > 10  # dots


def test_a_map_of_very_many_recordings_shares_columns():
    label = np.repeat([0, 1], [1200, 3])
    table = pd.DataFrame({"recording": [f"r{k}" for k in range(1203)], "label": label, "gmm": np.arange(1203) == 7})
    axes = plots.flag_map(table, {"gmm": "Mixture"})
    many_of, few = (ax.collections[0].get_array().ravel() for ax in axes)
    assert (len(many_of), np.flatnonzero(many_of).tolist(), len(few)) == (plots.MAX_CELLS, [7 * 500 // 1200], 3)
    assert [ax.get_title(loc="left") for ax in axes] == ["1200 normal recordings", "3 anomalous recordings, one column each"]
    assert notes(axes) == ["a column is 3 or fewer: the darker, the more of it is flagged", ""]


def test_thousands_of_known_events_are_one_thing_to_draw():
    windows, scores = thousands(label=1, scores=100.0)
    events = tuple(Event(10.0 * k, 10.0 * k + 1) for k in range(3000))
    ax, = plots.score_timeline(windows, scores, 99.0, recordings_of(windows, events={"long": events}))
    assert len(bands(ax)) == 3000
    assert len(ax.collections) == 1
    assert ax.get_ylim()[0] > 90  # they stand at the foot, wherever that is


def test_other_plots_draw_with_units():
    table = pd.DataFrame({"recording": ["a"] * 3 + ["b"] * 3, "start_s": [0, 0.5, 1] * 2, "label": [0] * 3 + [1] * 3,
                          "gmm": [True, False, True] * 2})
    assert "in s" in texts(plots.flag_map(table, {"gmm": "Mixture"}))
    assert "epoch" in texts(plots.loss_curves({"loss": [3, 2, 1], "validation_loss": []}))
    assert "contribution" in texts(plots.feature_contributions(np.eye(2), ["x", "y"], xlabel="contribution in nats"))
    assert "recall" in texts(plots.precision_recall_curves({"x": ([0, 1], [0, 1])}))


def test_a_shown_figure_carries_its_alternative_text():
    shown = plots.show(plots.loss_curves({"loss": [2, 1]}), "Loss over epochs")
    data, metadata = shown._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata == {"image/png": {"alt": "Loss over epochs"}}
    assert not plt.get_fignums()


def test_a_figure_is_drawn_once_and_its_picture_kept_for_the_run(monkeypatch):
    drawings = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: drawings.append(self) or draw(self, renderer))
    ax = plots.loss_curves({"loss": [2, 1]})
    shown = plots.show(ax, "x")
    pictures = [shown._repr_mimebundle_()[0]["image/png"] for _ in range(2)]
    assert len(drawings) == 1
    assert pictures[0] is pictures[1] is ax.figure.acoustic_nb_png
    assert drawn(ax).shape[:2] == (round(2.6 * plots.DPI), 8 * plots.DPI)


def test_what_stands_beside_the_axes_is_inside_the_picture():
    titles = [f"a detector with a name {k}" for k in range(6)]
    fig = plots.flag_map(pd.DataFrame({"recording": ["a"] * 3, "start_s": [0, 0.5, 1], "label": 0} | dict.fromkeys(titles, True)),
                         dict(zip(titles, titles, strict=True)))
    for axes in (fig, plots.waveforms([overview(name="n" * 80)]), plots.spectrograms([overview(name="n" * 80)])):
        picture = drawn(axes)
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert (edge == 1).all()  # white all round: nothing is cut
