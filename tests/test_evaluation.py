"""Metrics and intervals: six scores ranked by hand, and simulated windows whose AUC is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score, roc_curve
from sounds import random_table

from acoustic_nb.evaluation import by_recording, evaluate, score_table
from acoustic_nb.features import join
from acoustic_nb.intervals import auc_interval
from acoustic_nb.judging import window_items

LABEL = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([1.0, 2.0, 4.0, 3.0, 5.0, 6.0])


def items_of(label, scores, *, recording=None, unit=None):
    """Items in order of time; of one recording per label, and each recording its own unit, where nothing else is said."""
    recording = np.asarray(label) if recording is None else recording
    return pd.DataFrame({"label": label, "score": scores, "recording": recording, "unit": recording if unit is None else unit})


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


def test_a_recording_as_a_whole():
    windows = join([random_table(4), random_table(2, label=1, name="b")])
    table = by_recording(windows, np.array([1.0, 2, 3, 9, 5, 7]), 4.0).set_index("recording")
    assert table.loc["normal"].tolist() == [0, 4, 0.25, 2.5, 9]
    assert table.loc["b"].tolist() == [1, 2, 1.0, 6, 7]


def test_a_recording_is_known_by_its_own_label_whatever_its_windows_hold():
    windows = join([random_table(4), random_table(3, label=1, name="b", held=[0, 1, 0])])
    table = by_recording(windows, np.arange(7.0), 4.5)
    assert table["recording"].tolist() == ["normal", "b"]
    assert table["label"].tolist() == [0, 1]
    assert table["flagged_share"].tolist() == [0, pytest.approx(2 / 3)]


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
        interval = auc_interval(items_of(label, scores), judged_by="window")
        covered.append(interval["low"] <= 0.76 <= interval["high"])
    assert np.mean(covered) >= 0.90


def test_the_interval_surrounds_the_auc():
    rng = np.random.default_rng(0)
    label, scores = np.repeat([0, 1], 50), rng.standard_normal(100) + np.repeat([0, 1], 50)
    interval = auc_interval(items_of(label, scores), judged_by="window")
    assert interval["low"] < roc_auc_score(label, scores) < interval["high"]
    assert interval["enough"]


def test_perfect_separation_has_the_exact_lower_bound():
    # r of a zigzag is clipped to 0, so all 20 windows count: 0.025 ** (1/20)
    zigzag = np.tile([0.0, 1.0], 10)
    interval = auc_interval(items_of(np.repeat([0, 1], 20), np.concatenate([zigzag, zigzag + 5])), judged_by="window")
    assert interval == {"low": pytest.approx(0.025 ** (1 / 20)), "high": 1.0, "n_eff": 20.0, "n_eff_normal": 20.0,
                        "n_eff_anomalous": 20.0, "enough": True}
    turned = auc_interval(items_of(np.repeat([0, 1], 20), np.concatenate([zigzag + 5, zigzag])), judged_by="window")
    assert (turned["low"], turned["high"]) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_equal_scores_say_nothing():
    interval = auc_interval(items_of(np.repeat([0, 1], 20), np.ones(40)), judged_by="window")
    assert interval == {"low": 0.0, "high": 1.0, "n_eff": 0.0, "n_eff_normal": 0.0, "n_eff_anomalous": 0.0, "enough": False}


def test_little_independent_data_is_marked():
    slow = np.repeat([0.0, 1.0], 10)
    assert not auc_interval(items_of(np.repeat([0, 1], 20), np.concatenate([slow, slow + 0.5])), judged_by="window")["enough"]


def pairs(scores, label):
    """Which anomalous item lies above which normal one, pair by pair: shape (anomalous, normal)."""
    anomalous, normal = scores[label == 1][:, None], scores[label == 0]
    return (anomalous > normal) + (anomalous == normal) / 2


def logit_interval(auc, variance, n_eff):
    half = t.ppf(0.975, n_eff - 1) * np.sqrt(variance) / (auc * (1 - auc))
    return [1 / (1 + np.exp(-(np.log(auc / (1 - auc)) + side * half))) for side in (-1, 1)]


def test_recordings_of_their_own_are_plain_delong():
    rng = np.random.default_rng(0)
    label, scores = np.repeat([0, 1], [30, 12]), np.round(rng.standard_normal(42) + np.repeat([0, 1], [30, 12]), 1)  # with ties
    shuffled = rng.permutation(42)
    won = pairs(scores, label)
    # DeLong et al. 1988: placements are the means over rows and columns
    variance = won.mean(axis=1).var(ddof=1) / 12 + won.mean(axis=0).var(ddof=1) / 30
    interval = auc_interval(items_of(label, scores, recording=np.arange(42)).iloc[shuffled], judged_by="recording")
    assert [interval["low"], interval["high"]] == pytest.approx(logit_interval(won.mean(), variance, 12))
    assert (interval["n_eff"], interval["enough"]) == (12, True)


# three normal units, of 2, 2 and 1 recordings, and two anomalous ones, of 1 and 2
UNITS = list("aabbc") + list("xyy")
CLUSTERED = np.array([1.0, 4, 2, 6, 3, 5, 7, 2.5])


def test_recordings_of_one_unit_count_as_one_by_hand():
    label = np.repeat([0, 1], [5, 3])
    # 5 lies above 1, 4, 2, 3; 7 above all; 2.5 above 1 and 2: placements 0.8, 1, 0.4, their mean is the AUC 11/15
    # deviations 1/15, 4/15, -5/15; sums over x and y 1/15, -1/15; variance (2/225) / 9 * 2/1
    anomalous = 2 / 225 / 9 * 2
    # of three anomalous ones lie above 1: 3, 4: 2, 2: 3, 6: 1, 3: 2; in thirds about 11/5: 0.8, -0.2, 0.8, -1.2, -0.2
    # sums over a, b, c 0.6, -0.4, -0.2 thirds: (0.36 + 0.16 + 0.04) / 9 / 25 * 3/2
    normal = 0.56 / 9 / 25 * 3 / 2
    interval = auc_interval(items_of(label, CLUSTERED, recording=np.arange(8), unit=UNITS), judged_by="recording")
    assert [interval["low"], interval["high"]] == pytest.approx(logit_interval(11 / 15, anomalous + normal, 2))
    assert (interval["n_eff"], interval["enough"]) == (2, False)


def test_units_whose_recordings_cancel_show_no_spread_and_say_nothing():
    scores = [1, 3, 1.1, 3.1, 2, 4, 2.1, 4.1]  # AUC 0.75, and in every unit one placement above the mean and one below
    items = items_of([0] * 4 + [1] * 4, scores, recording=list("abcdefgh"), unit=list("aabbxxyy"))
    interval = auc_interval(items, judged_by="recording")
    assert (interval["low"], interval["high"], interval["enough"]) == (0.0, 1.0, False)


def test_the_same_recordings_twice_tell_nothing_new():
    rng = np.random.default_rng(0)
    label, scores, unit = np.repeat([0, 1], 20), rng.standard_normal(40) + np.repeat([0, 1], 20), np.arange(40)
    once = auc_interval(items_of(label, scores, recording=unit), judged_by="recording")
    twice = auc_interval(items_of(np.tile(label, 2), np.tile(scores, 2), recording=np.arange(80), unit=np.tile(unit, 2)),
                         judged_by="recording")
    assert list(twice.values()) == pytest.approx(list(once.values()))


@pytest.mark.parametrize(("normal", "anomalous"), [("aaaa", "xxxx"), ("aaaa", "wxyz"), ("abcd", "xxxx")])
@pytest.mark.parametrize("shift", [0.5, 10, -10])
def test_one_unit_of_a_class_says_nothing(normal, anomalous, shift):
    scores = np.array([1.0, 2, 3, 4, 1, 2, 3, 4]) + np.repeat([0, shift], 4)
    interval = auc_interval(items_of(np.repeat([0, 1], 4), scores, recording=np.arange(8), unit=list(normal + anomalous)),
                            judged_by="recording")
    assert (interval["low"], interval["high"], interval["n_eff"], interval["enough"]) == (0.0, 1.0, 1.0, False)
    assert interval["n_eff_normal"] == len(set(normal)) and interval["n_eff_anomalous"] == len(set(anomalous))


def test_perfect_separation_of_recordings_counts_units():
    scores = np.concatenate([np.arange(20.0), np.arange(20) + 100])
    items = items_of(np.repeat([0, 1], 20), scores, recording=np.arange(40), unit=np.arange(40) // 2)
    interval = auc_interval(items, judged_by="recording")
    assert (interval["low"], interval["high"], interval["n_eff"]) == (pytest.approx(0.025 ** (1 / 10)), 1.0, 10.0)


def test_the_interval_covers_the_truth_where_recordings_of_a_unit_are_alike():
    rng = np.random.default_rng(0)
    label, unit, covered = np.repeat([0, 1], 60), np.arange(120) // 5, []
    shift = np.sqrt(2) * norm.ppf(0.76)
    for _ in range(300):
        scores = np.sqrt(0.5) * (rng.standard_normal(24)[unit] + rng.standard_normal(120)) + shift * label
        interval = auc_interval(items_of(label, scores, recording=np.arange(120), unit=unit), judged_by="recording")
        covered.append(interval["low"] <= 0.76 <= interval["high"])
    assert np.mean(covered) >= 0.90


def test_windows_of_two_recordings_are_no_neighbours():
    # r worked out by hand in test_thresholds: 0.3925 in two recordings of five windows, 0.49 in one of ten
    scores = np.array([3.0, 3, 1, 1, 3, 3, 3, 1, 1, 1])
    for recording, r in ((np.repeat(list("abcd"), 5), 0.3925), (np.repeat(list("ab"), 10), 0.49)):
        items = items_of(np.repeat([0, 1], 10), np.concatenate([scores, scores + 5]), recording=recording)
        # all placements are equal and show no dependence, the scores do: the geometric mean of 1 and (1 + r) / (1 - r)
        assert auc_interval(items, judged_by="window")["n_eff"] == pytest.approx(10 * np.sqrt((1 - r) / (1 + r)))


def test_a_window_counts_as_what_it_holds():
    windows = join([random_table(30), random_table(30, label=1, name="b", seed=1, held=[0, 1] * 15)])
    items = window_items(windows, np.where(windows.label == 1, 9.0, 0.0) + np.arange(60) % 3)
    assert evaluate(items["label"], items["score"], 5)["roc_auc"] == 1
    assert (items["label"] == 0).sum() == 45
    assert auc_interval(items, judged_by="window")["high"] == 1
