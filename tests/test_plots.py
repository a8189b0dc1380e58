"""Plots: what is drawn is what was given, with units, and normal and anomalous in the same colours everywhere."""

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from sounds import as_recording, noise, random_table, sine

from acoustic_nb import plots
from acoustic_nb.features import join
from acoustic_nb.splits import block_split


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def windows():
    return join([random_table(40), random_table(40, label=1, name="b", seed=1)])


def texts(axes):
    return " ".join(ax.get_xlabel() + " " + ax.get_ylabel() for ax in np.atleast_1d(axes).ravel())


def test_waveforms_reach_the_peak_and_the_end_with_one_scale():
    quiet = as_recording(sine(440, amplitude=0.1, duration_s=6.0), label=1)
    axes = plots.waveforms([as_recording(sine(440, amplitude=0.5)), quiet])
    assert axes[0].get_ylim() == axes[1].get_ylim() == pytest.approx((-0.525, 0.525), rel=1e-3)
    assert axes[0].get_xlim() == (0, 6)
    assert to_hex(axes[0].collections[0].get_facecolor()[0]).upper() == plots.COLOURS[0]
    assert to_hex(axes[1].collections[0].get_facecolor()[0]).upper() == plots.COLOURS[1]
    assert "time in s" in texts(axes)


def test_the_spectrogram_shows_a_sine_at_its_frequency_and_level():
    axes = plots.spectrograms([as_recording(sine(5000, amplitude=0.5))])
    image = axes[0].images[0].get_array()
    row = image.mean(axis=1).argmax()
    assert (row + 1) * 22050 / 2048 == pytest.approx(5000, abs=11)
    assert image.max() == pytest.approx(20 * np.log10(0.5), abs=1.5)
    assert "frequency in kHz" in texts(axes)


def test_hours_are_thinned():
    axes = plots.waveforms([as_recording(noise(600, sample_rate=8000), sample_rate=8000)])
    assert len(axes[0].collections[0].get_paths()[0].vertices) < 3 * plots.MAX_COLUMNS


def test_the_timeline_fills_what_is_flagged(windows):
    scores = np.where(np.arange(80) % 10 == 0, 5.0, 0.0)
    axes = plots.score_timeline(windows, scores, 1.0, event_times_s=[3.0])
    for ax, label in zip(axes, (0, 1), strict=True):
        hollow, filled = (line for line in ax.lines if line.get_marker() == plots.MARKERS[label])
        assert (len(hollow.get_xdata()), len(filled.get_xdata())) == (36, 4)
        assert filled.get_xdata().tolist() == [0.5, 5.5, 10.5, 15.5]  # middles of the windows
        assert "10% of 40 windows flagged" in ax.get_title(loc="left")
    assert not any(line.get_label() == "known click" for line in axes[0].lines)
    assert any(line.get_label() == "known click" for line in axes[1].lines)


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
    assert ax.get_ylabel() == "number of test windows"


def test_scores_equal_to_within_rounding_are_drawn():
    scores = np.where(np.arange(20) % 2, -1.0, np.nextafter(-1.0, 0.0))  # one rounding step apart
    assert plots.score_histogram(np.repeat([0, 1], 10), scores, -1.0).get_xlim()[0] < -1


def test_other_plots_draw_with_units():
    table = pd.DataFrame({"recording": ["a"] * 3 + ["b"] * 3, "start_s": [0, 0.5, 1] * 2, "label": [0] * 3 + [1] * 3,
                          "gmm": [True, False, True] * 2})
    assert "in s" in texts(plots.flag_map(table, {"gmm": "Mixture"}))
    assert "epoch" in texts(plots.loss_curves({"loss": [3, 2, 1], "validation_loss": []}))
    assert "contribution" in texts(plots.feature_contributions(np.eye(2), ["x", "y"]))
    assert "recall" in texts(plots.precision_recall_curves({"x": ([0, 1], [0, 1])}))
    scores = table.assign(end_s=table["start_s"] + 1, score=[1.0, 2, 3] * 2)
    assert plots.stacked_timelines({"x": scores, "y": scores}, {"x": 1.5, "y": 9}).shape == (2, 2)


def test_a_shown_figure_carries_its_alternative_text():
    shown = plots.show(plots.loss_curves({"loss": [2, 1]}), "Loss over epochs")
    data, metadata = shown._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata == {"image/png": {"alt": "Loss over epochs"}}
    assert not plt.get_fignums()
