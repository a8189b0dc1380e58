"""Bootstrap: weighted metrics against scikit-learn, what a draw may hold, and honest ends where all draws agree."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from acoustic_nb.bootstrap import METRICS, _block_draws, _unit_draws, block_lengths, bootstrap_intervals
from acoustic_nb.dependence import inflation
from acoustic_nb.evaluation import evaluate
from acoustic_nb.weighted import weighted_metrics

EVERY = (*METRICS, "recall", "false_alarm_rate")


def items_of(label, scores, *, recording=None, unit=None):
    recording = np.asarray(label if recording is None else recording)
    return pd.DataFrame({"recording": recording, "label": label, "score": np.asarray(scores, dtype=float),
                         "unit": recording if unit is None else unit})


def by_scikit_learn(label, scores, weights, threshold):
    flagged, how = scores > threshold, {"sample_weight": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {"roc_auc": sk.roc_auc_score(label, scores, **how), "pauc": sk.roc_auc_score(label, scores, max_fpr=0.1, **how),
                "average_precision": sk.average_precision_score(label, scores, **how),
                "recall": sk.recall_score(label, flagged, **how),
                "false_alarm_rate": 1 - sk.recall_score(label, flagged, pos_label=0, **how),
                "precision": sk.precision_score(label, flagged, zero_division=0, **how),
                "f1": sk.f1_score(label, flagged, zero_division=0, **how), "accuracy": sk.accuracy_score(label, flagged, **how),
                "balanced_accuracy": sk.balanced_accuracy_score(label, flagged, **how),
                "mcc": sk.matthews_corrcoef(label, flagged, **how)}


@pytest.mark.parametrize("decimals", [0, 1, 9])  # many ties, some, none
@pytest.mark.parametrize("threshold", [-9.0, 0.0, 1.0, 9.0])  # all flagged, a score that occurs often, none flagged
def test_weighted_metrics_are_those_of_scikit_learn(decimals, threshold):
    rng = np.random.default_rng(decimals)
    label = rng.permutation(np.repeat([0, 1], [40, 25]))
    scores = np.round(rng.standard_normal(65) + label, decimals)
    weights = np.concatenate([rng.integers(0, 4, (20, 65)), rng.uniform(0, 2, (5, 65)), np.ones((1, 65))])
    found = weighted_metrics(label, scores, weights, threshold)
    assert set(found) == {*EVERY, "roc_auc"}
    for draw, own in enumerate(weights):
        expected = by_scikit_learn(label, scores, own, threshold)
        assert {name: values[draw] for name, values in found.items()} == pytest.approx(expected, abs=1e-12)
    once = evaluate(label, scores, threshold)
    assert {name: values[-1] for name, values in found.items()} == pytest.approx({name: once[name] for name in found},
                                                                                             abs=1e-12)


def test_a_draw_without_one_of_the_classes_has_no_metrics():
    found = weighted_metrics(np.array([0, 1, 1]), np.array([1.0, 2, 3]), np.array([[0, 1, 1], [1, 0, 0], [1, 1, 0]]), 1.5)
    for values in found.values():
        assert np.isnan(values).tolist() == [True, True, False]


def test_blocks_are_neighbours_of_one_recording_all_of_it_in_sum():
    # a slow sine: blocks of a quarter of each recording, of 24 and 40 rows
    scores = np.sin(np.arange(64) / 8)
    items = items_of(np.repeat([0, 1], [24, 40]), scores)
    assert block_lengths(items) == {0: 6, 1: 10}
    draw, _ = _block_draws(items, items["label"].to_numpy(), scores)
    weights = draw(200, np.random.default_rng(0))
    for rows, length in ((slice(0, 24), 6), (slice(24, 64), 10)):
        own = weights[:, rows]
        assert (own.sum(axis=1) == own.shape[1]).all()
        assert (own.max(axis=1) <= 4).all()
        # four blocks have four beginnings and four ends: round the recording, weights rise at most where one begins
        rises = np.maximum(np.diff(own, axis=1, append=own[:, :1]), 0).sum(axis=1)
        assert rises.max() == 4
        assert own.shape[1] // length == 4
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.25  # every row as often as any other


def test_a_block_is_twice_the_autocorrelation_time():
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((2, 3000))
    series = steps.copy()
    for k in range(1, 3000):
        series[:, k] = 0.5 * series[:, k - 1] + steps[:, k]
    lengths = block_lengths(items_of(np.repeat([0, 1], 3000), series.ravel()))
    assert list(lengths.values()) == pytest.approx([6, 6], abs=1)  # 2 * (1 + 0.5) / (1 - 0.5)
    zigzag = items_of(np.repeat([0, 1], 20), np.tile([0.0, 1], 20))
    assert block_lengths(zigzag) == {0: 2, 1: 2}
    assert block_lengths(items_of([0, 0, 0, 1, 1], [1, 2, 3, 4, 5])) == {0: 1, 1: 1}


def test_steps_between_recordings_are_no_dependence_within_them():
    rng = np.random.default_rng(0)
    recording, label = np.repeat(np.arange(6), 100), np.repeat([0, 1], 300)
    lengths = block_lengths(items_of(label, rng.standard_normal(600) + 9 * recording, recording=recording))
    assert max(lengths.values()) <= 4


def test_a_recording_with_events_is_drawn_in_order_of_time():
    label = np.tile(np.repeat([0, 1], 10), 4)
    scores = np.random.default_rng(0).standard_normal(80) + label
    items = items_of(label, scores, recording=np.zeros(80, int))
    draw, _ = _block_draws(items, label, scores)
    weights = draw(500, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 80).all()
    assert weights[:, label == 1].sum(axis=1).std() > 1  # how much of it is event differs from draw to draw
    low, high = bootstrap_intervals(items, 0.5, judged_by="window", metrics=("recall",))["recall"]
    assert low < evaluate(label, scores, 0.5)["recall"] < high


def test_units_are_drawn_whole_and_by_kind():
    label, unit = np.array([0, 0, 0, 1, 1, 0, 1, 0, 1]), list("aabxymmnn")
    items = items_of(label, np.arange(9.0), recording=np.arange(9), unit=unit)
    draw, sizes = _unit_draws(items, label, np.arange(9.0))
    weights = draw(300, np.random.default_rng(0))
    assert sizes == {0: 4, 1: 4}
    for first, second in ((0, 1), (5, 6), (7, 8)):
        np.testing.assert_array_equal(weights[:, first], weights[:, second])
    for kind in ([0, 2], [3, 4], [5, 7]):  # a and b, x and y, m and n: two are drawn of two
        assert (weights[:, kind].sum(axis=1) == 2).all()
        assert set(weights[:, kind[0]]) == {0, 1, 2}


def test_independent_recordings_have_the_interval_that_theory_says():
    label, scores = np.repeat([0, 1], 400), np.tile(np.arange(400.0), 2)
    found = bootstrap_intervals(items_of(label, scores, recording=np.arange(800)), 299, judged_by="recording", metrics=EVERY)
    exact = binomtest(100, 400).proportion_ci(0.95, method="wilson")
    assert found["recall"] == pytest.approx((exact.low, exact.high), abs=0.008)
    assert found["false_alarm_rate"] == pytest.approx(found["recall"], abs=0.015)


def test_dependent_windows_are_less_certain_than_independent_ones():
    rng = np.random.default_rng(0)
    label, scores = np.repeat([0, 1], 100), rng.standard_normal(200) + np.repeat([0, 1], 100)
    once = bootstrap_intervals(items_of(label, scores), 1, judged_by="window")
    five_times = bootstrap_intervals(items_of(np.repeat(label, 5), np.repeat(scores, 5)), 1, judged_by="window")
    for name in METRICS:  # the same five times over tells nothing new
        assert five_times[name][1] - five_times[name][0] == pytest.approx(once[name][1] - once[name][0], rel=0.35), name


def test_the_interval_surrounds_the_metric_and_the_seed_decides():
    rng = np.random.default_rng(0)
    label, scores = np.repeat([0, 1], 80), rng.standard_normal(160) + np.repeat([0, 1], 80)
    metrics = evaluate(label, scores, 1.0)
    first, again, other = (bootstrap_intervals(items_of(label, scores), 1.0, judged_by="window", seed=seed) for seed in (0, 0, 1))
    assert tuple(first) == METRICS
    assert first == again != other
    for name, (low, high) in first.items():
        assert low < metrics[name] < high, name
    narrow = bootstrap_intervals(items_of(label, scores), 1.0, judged_by="window", confidence=0.5)
    assert all(narrow[name][1] - narrow[name][0] < 0.6 * (first[name][1] - first[name][0]) for name in METRICS)


def test_perfect_separation_has_the_bounds_that_n_eff_allows():
    zigzag = np.tile([0.0, 1.0], 10)  # whose 20 windows are 20
    items = items_of(np.repeat([0, 1], 20), np.concatenate([zigzag, zigzag + 9]))
    assert inflation(zigzag, np.zeros(20)) == 1
    found, bound = bootstrap_intervals(items, 5, judged_by="window", metrics=EVERY), 0.025 ** (1 / 20)
    assert found["recall"] == pytest.approx((bound, 1))
    assert found["false_alarm_rate"] == pytest.approx((0, 1 - bound))
    assert found["precision"] == pytest.approx((1 / (2 - bound), 1))  # 20 found, 20 * (1 - bound) false
    for name in ("accuracy", "balanced_accuracy"):
        assert found[name] == pytest.approx(((1 + bound) / 2, 1))
    # more than a tenth of the normal windows could lie above all: the least that the standardised pAUC can be
    assert found["pauc"] == pytest.approx(((1 - 0.005 / 0.095) / 2, 1))
    assert all(low < 0.96 and high == pytest.approx(1) for name, (low, high) in found.items() if name != "false_alarm_rate")


@pytest.mark.parametrize("unit", [np.repeat([0, 1], 10), np.where(np.arange(20) < 10, 0, np.arange(20))])
def test_one_unit_of_a_class_says_next_to_nothing(unit):
    scores = np.random.default_rng(0).standard_normal(20) + np.repeat([0, 1], 10)
    found = bootstrap_intervals(items_of(np.repeat([0, 1], 10), scores, recording=np.arange(20), unit=unit), 0.5,
                                judged_by="recording", metrics=EVERY)
    assert found["false_alarm_rate"][0] < 0.03
    assert found["false_alarm_rate"][1] > 0.97


def test_equal_scores_and_a_single_window_have_an_interval():
    for items in (items_of(np.repeat([0, 1], 20), np.ones(40)), items_of([0, 0, 0, 1], [1, 2, 3, 4])):
        for low, high in bootstrap_intervals(items, 2.5, judged_by="window").values():
            assert np.isfinite([low, high]).all()
            assert low < high


def test_bad_input_is_refused():
    items = items_of([0, 0, 1, 1], [1, 2, 3, 4])
    with pytest.raises(ValueError, match="at least 1, such as 2000, got 0"):
        bootstrap_intervals(items, 1, judged_by="window", draws=0)
    with pytest.raises(ValueError, match="both labels"):
        bootstrap_intervals(items.assign(label=1), 1, judged_by="window")
    with pytest.raises(ValueError, match="NaN or infinite"):
        bootstrap_intervals(items.assign(score=[1, 2, 3, np.nan]), 1, judged_by="window")


def test_memory_stays_bounded_however_many_draws():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 10000)
    items = items_of(label, rng.standard_normal(20000) + label)
    tracemalloc.start()
    bootstrap_intervals(items, 1.0, judged_by="window", draws=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20  # 200 draws at once would be 32 MB for each of a dozen arrays


def test_channels_of_the_same_seconds_are_drawn_together():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 200)
    scores = rng.standard_normal(400) + label
    one = items_of(label, scores, recording=np.repeat(["a", "x"], 200))
    two = pd.concat([one.assign(recording=one["recording"] + f", channel {k}", unit=one["recording"], channels=2) for k in (1, 2)],
                    ignore_index=True)
    draw, sizes = _block_draws(two, two["label"].to_numpy(), two["score"].to_numpy())
    weights = draw(50, np.random.default_rng(1))
    np.testing.assert_array_equal(weights[:, :400], weights[:, 400:])
    alone = _block_draws(one, label, scores)[1]
    assert sizes == pytest.approx(alone, rel=0.05)


def test_a_day_of_windows_takes_fewer_draws(monkeypatch):
    monkeypatch.setattr("acoustic_nb.bootstrap.MOST_CELLS", 300 * 40)
    drawn = []
    monkeypatch.setattr("acoustic_nb.bootstrap.weighted_metrics",
                        lambda *them: drawn.append(len(them[2])) or weighted_metrics(*them))
    items = items_of(np.repeat([0, 1], 20), np.random.default_rng(0).standard_normal(40))
    bootstrap_intervals(items, 0.0, judged_by="window")
    assert drawn[0] == 300  # those after it are the bounds
