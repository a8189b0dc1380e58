"""Metrics and intervals: six scores ranked by hand, and simulated windows whose AUC is known."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve
from sounds import random_table

from acoustic_nb.evaluation import by_recording, evaluate, false_events_per_hour, score_table
from acoustic_nb.features import join
from acoustic_nb.intervals import auc_interval

LABEL = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([1.0, 2.0, 4.0, 3.0, 5.0, 6.0])


def test_metrics_of_six_scores_ranked_by_hand():
    metrics = evaluate(LABEL, SCORES, 3.0)  # flagged: 4, 5, 6; a score equal to the threshold is not
    assert metrics["roc_auc"] == pytest.approx(8 / 9)  # of nine pairs only (4, 3) is the wrong way round
    counts = [metrics[key] for key in ("true_positive", "false_positive", "true_negative", "false_negative")]
    assert counts == [2, 1, 2, 1]
    assert metrics["recall"] == metrics["precision"] == metrics["f1"] == pytest.approx(2 / 3)
    assert metrics["false_alarm_rate"] == pytest.approx(1 / 3)
    assert metrics["accuracy"] == metrics["balanced_accuracy"] == pytest.approx(2 / 3)
    assert metrics["mcc"] == pytest.approx(1 / 3)
    assert metrics["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert metrics["prevalence"] == 0.5


def test_partial_auc_by_mcclish():
    rng = np.random.default_rng(0)
    label, scores = np.repeat([0, 1], 500), np.concatenate([rng.standard_normal(500), rng.standard_normal(500) + 1])
    false_alarm_rate, recall, _ = roc_curve(label, scores, drop_intermediate=False)
    grid = np.linspace(0, 0.1, 20001)
    area = np.trapezoid(np.interp(grid, false_alarm_rate, recall), grid)
    expected = 0.5 * (1 + (area - 0.005) / (0.1 - 0.005))
    assert evaluate(label, scores, 0)["pauc"] == pytest.approx(expected, abs=1e-3)


def test_growing_functions_leave_ranks_alone():
    for key in ("roc_auc", "pauc", "average_precision"):
        assert evaluate(LABEL, np.exp(3 * SCORES), 0)[key] == pytest.approx(evaluate(LABEL, SCORES, 0)[key])
    assert evaluate(LABEL, -SCORES, 0)["roc_auc"] == pytest.approx(1 / 9)


@pytest.mark.parametrize("threshold", [0.0, 100.0])
def test_all_or_nothing_flagged_stays_finite(threshold):
    assert np.isfinite(list(evaluate(LABEL, SCORES, threshold).values())).all()


@pytest.mark.parametrize(("label", "scores", "message"), [
    ([0, 0], [1, 2], "must hold both labels"), ([0, 1], [1, np.nan], "1 of 2 scores are NaN"),
    ([0, 1], [1], "one entry per window")])
def test_bad_input_is_refused(label, scores, message):
    with pytest.raises(ValueError, match=message):
        evaluate(label, scores, 0)


def test_false_events_by_hand():
    # ten half-overlapping windows of 1 s cover 5.5 s; flags at 0, 0.5 and at 4.0: two events
    start_s = np.arange(10) * 0.5
    flagged = np.isin(np.arange(10), [0, 1, 8])
    assert false_events_per_hour(flagged, start_s, 1.0) == pytest.approx(2 * 3600 / 5.5)
    assert false_events_per_hour(flagged[::-1], start_s[::-1], 1.0) == pytest.approx(2 * 3600 / 5.5)
    assert false_events_per_hour(np.zeros(10), start_s, 1.0) == 0


def test_a_recording_as_a_whole():
    windows = join([random_table(4), random_table(2, label=1, name="b")])
    table = by_recording(windows, np.array([1.0, 2, 3, 9, 5, 7]), 4.0).set_index("recording")
    assert table.loc["normal"].tolist() == [0, 4, 0.25, 2.5, 9]
    assert table.loc["b"].tolist() == [1, 2, 1.0, 6, 7]


def test_score_table_keeps_every_window():
    table = score_table({"calibration": (random_table(3), [1, 2, 3]), "test": (random_table(2, label=1, name="b"), [4, 0])}, 2)
    assert table["part"].tolist() == ["calibration"] * 3 + ["test"] * 2
    assert table["flagged"].tolist() == [False, False, True, True, False]
    assert table["end_s"].tolist() == [1.0, 1.5, 2.0, 1.0, 1.5]


def autoregressive(n, r, rng):
    noise = rng.standard_normal(n) * np.sqrt(1 - r**2)
    series = np.empty(n)
    series[0] = rng.standard_normal()
    for k in range(1, n):
        series[k] = r * series[k - 1] + noise[k]
    return series


@pytest.mark.parametrize("r", [0.0, 0.6])
def test_the_interval_covers_the_truth_where_windows_depend_on_each_other(r):
    rng = np.random.default_rng(0)
    label, covered = np.repeat([0, 1], 80), []
    shift = np.sqrt(2) * norm.ppf(0.76)  # two unit Gaussians that far apart have AUC 0.76
    for _ in range(400):
        scores = np.concatenate([autoregressive(80, r, rng), autoregressive(80, r, rng) + shift])
        interval = auc_interval(label, scores)
        covered.append(interval["low"] <= 0.76 <= interval["high"])
    assert np.mean(covered) >= 0.90


def test_the_interval_surrounds_the_auc():
    rng = np.random.default_rng(0)
    label, scores = np.repeat([0, 1], 50), rng.standard_normal(100) + np.repeat([0, 1], 50)
    interval = auc_interval(label, scores)
    assert interval["low"] < roc_auc_score(label, scores) < interval["high"]
    assert interval["enough"]


def test_perfect_separation_has_the_exact_lower_bound():
    # r of a zigzag is clipped to 0, so all 20 windows count: 0.025 ** (1/20)
    zigzag = np.tile([0.0, 1.0], 10)
    interval = auc_interval(np.repeat([0, 1], 20), np.concatenate([zigzag, zigzag + 5]))
    assert interval == {"low": pytest.approx(0.025 ** (1 / 20)), "high": 1.0, "n_eff": 20.0, "enough": True}
    turned = auc_interval(np.repeat([0, 1], 20), np.concatenate([zigzag + 5, zigzag]))
    assert (turned["low"], turned["high"]) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_equal_scores_say_nothing():
    interval = auc_interval(np.repeat([0, 1], 20), np.ones(40))
    assert interval == {"low": 0.0, "high": 1.0, "n_eff": 0.0, "enough": False}


def test_little_independent_data_is_marked():
    slow = np.repeat([0.0, 1.0], 10)
    assert not auc_interval(np.repeat([0, 1], 20), np.concatenate([slow, slow + 0.5]))["enough"]
