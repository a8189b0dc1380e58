"""Plots of trust: what is drawn is what the tables say."""

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from acoustic_nb import plots, trust_plots


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def summary(**changes):
    rows = [{"title": title, "supervised": title == "B", "roc_auc": auc, "roc_auc_low": auc - 0.1, "roc_auc_high": auc + 0.05,
             "n_eff": n, "identity_low": 0.52, "identity_high": identity, "level_auc": 0.55, "rotations": 1, "roc_auc_min": 0.6,
             "roc_auc_max": 0.9, "seeds": 1, "seed_roc_auc_min": 0.65, "seed_roc_auc_max": 0.85, **changes}
            for title, auc, n, identity in (("A", 0.8, 20, 0.7), ("B", 0.9, 5, np.nan))]
    return pd.DataFrame(rows)


def test_intervals_and_controls():
    ax = trust_plots.auc_ranges(summary())
    intervals = [line for line in ax.lines if line.get_linewidth() == 2.2]
    assert [line.get_xdata().tolist() for line in intervals] == [pytest.approx([0.7, 0.85]), pytest.approx([0.8, 0.95])]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() for dot in dots] == ["black", "white"]  # the second has too little independent data
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches] == [pytest.approx((0.52, 0.7))]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B (supervised)"]
    assert "rotations" not in str([text.get_text() for text in ax.get_legend().get_texts()])
    assert ax.get_xlabel().startswith("ROC AUC")


def test_spreads_are_drawn_apart():
    ax = trust_plots.auc_ranges(summary(rotations=3, seeds=5))
    drawn = {tuple(line.get_xdata()): line.get_ydata()[0] for line in ax.lines if line.get_marker() == "|"}
    assert set(drawn) == {(0.6, 0.9), (0.65, 0.85)}
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"95 % interval", "3 rotations", "5 seeds", "identity control", "level alone", "chance"} == set(labels)


def response(normal):
    return pd.DataFrame({"gain_db": [-6.0, -0.5, 0.0, 0.5, 6.0], "flagged_normal": normal, "flagged_anomalous": 0.5})


def test_level_responses_have_one_axes_each_and_the_two_colours():
    axes = trust_plots.level_responses({"A": response([0, 0, 0.1, 0.2, 1]), **dict.fromkeys("BCD", response(0.0))})
    assert axes.shape == (2, 3)
    assert [ax.get_title(loc="left") for ax in axes.flat if ax.get_visible()] == list("ABCD")
    normal, anomalous = axes[0, 0].lines
    assert normal.get_ydata().tolist() == [0, 0, 0.1, 0.2, 1]
    assert [to_hex(line.get_color()).upper() for line in (normal, anomalous)] == list(plots.COLOURS)
    assert [text.get_text() for text in axes[0, 0].get_xticklabels()] == ["-6", "-0.5", "0", "+0.5", "+6"]
    assert "dB" in axes[0, 2].get_xlabel()
    assert trust_plots.level_responses({"A": response(0.0)}).shape == (1, 1)


def test_detection_curves_rise_from_what_is_flagged_without_any_event():
    share = pd.DataFrame({"level_db": [20.0, 0.0, -20.0, -np.inf], "share": [1.0, 0.6, 0.1, 0.05]})
    ax = trust_plots.detection_curves({"A": share, "B": share})
    curve, none = ax.lines[:2]
    assert curve.get_xdata().tolist() == [-20, 0, 20]
    assert curve.get_ydata().tolist() == [0.1, 0.6, 1.0]
    assert none.get_ydata().tolist() == [0.05]
    assert none.get_xdata()[0] < -20
    assert "dB" in ax.get_xlabel()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A", "B"]
