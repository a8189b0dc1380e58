"""Intervals: exact ones where items are independent, wider ones where they are not, never one of width zero."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binomtest, rankdata

from acoustic_nb.dependence import class_ranks, degrees_of_freedom, inflation, mean_spread, placements
from acoustic_nb.intervals import auc_interval, event_rate_interval, rate_interval, rate_intervals


def items_of(scores, *, label=None, recording=None, unit=None):
    n = len(scores)
    recording = np.zeros(n, int) if recording is None else np.asarray(recording)
    return pd.DataFrame({"score": np.asarray(scores, dtype=float), "label": np.zeros(n, int) if label is None else label,
                         "recording": recording, "unit": recording if unit is None else unit})


def autoregressive(n, r, rng):
    steps = rng.standard_normal(n) * np.sqrt(1 - r**2)
    steps[0] = rng.standard_normal()
    return lfilter([1], [1, -r], steps)


ZIGZAG = np.tile([0.0, 1.0], 10)  # neighbours differ: nothing is inflated, 20 windows are 20


def test_inflation_by_hand():
    assert inflation(ZIGZAG, np.zeros(20)) == 1
    # deviations -1 0 1 0 0: r = 0, corrected to 0.2, gives 1.5; lags 0 and 1 sum to 1, of 5 values with 3 lags taken: 1 / (1 - 3/5)
    assert inflation(np.array([1.0, 2, 3, 2, 2]), np.zeros(5)) == pytest.approx(2.5)
    # autocorrelations of 1 1 1 -1 -1 -1 1 1 1 -1 -1 -1 in twelfths: 12 5 -2 -9 ...: the second pair is negative, 17/12 is left
    square = np.tile(np.repeat([1.0, -1], 3), 2)
    r = 5 / 12 + (1 + 3 * 5 / 12) / 12
    assert inflation(square, np.zeros(12)) == pytest.approx(max((1 + r) / (1 - r), (2 * 17 / 12 - 1) / (1 - 3 / 12)))
    assert inflation(np.ones(10), np.zeros(10)) == 10  # constant: worth one


@pytest.mark.parametrize("r", [0.0, 0.5, 0.8])
def test_inflation_of_a_long_series_is_what_theory_says(r):
    series = autoregressive(20000, r, np.random.default_rng(0))
    assert inflation(series, np.zeros(20000)) == pytest.approx((1 + r) / (1 - r), rel=0.2)


def test_inflation_sees_slow_drift_that_neighbours_hide():
    rng = np.random.default_rng(0)
    series = np.sqrt(0.7) * rng.standard_normal(20000) + np.sqrt(0.3) * autoregressive(20000, 0.97, rng)
    # 1 + 2 * 0.3 * 0.97 / 0.03; neighbours alone, with r = 0.291, would say 1.8
    assert inflation(series, np.zeros(20000)) == pytest.approx(20.4, rel=0.3)


def test_inflation_compares_windows_of_one_recording_only():
    rng = np.random.default_rng(0)
    pieces = np.concatenate([autoregressive(40, 0.5, rng) for _ in range(400)])
    assert inflation(pieces, np.repeat(np.arange(400), 40)) == pytest.approx(3, rel=0.12)
    assert inflation(rng.standard_normal(400), np.arange(400)) < 1.02  # recordings of one window


def test_placements_and_ranks_by_hand():
    label, scores = np.array([0, 1, 0, 1, 0]), np.array([1.0, 1, 2, 5, 2])
    # 1 ties one of three normal ones, 5 lies above all; of two anomalous ones 1 and 5 above 1: a tie and a win, above 2: one
    assert placements(label, scores) == pytest.approx([0.75, 1 / 6, 0.5, 1, 0.5])
    assert class_ranks(label, scores) == pytest.approx([1 / 4, 1 / 3, 2.5 / 4, 2 / 3, 2.5 / 4])


def test_the_spread_of_windows_takes_the_dependence_of_their_scores_too():
    # rare placements below 1 look independent where the scores rise slowly
    ranks, series = np.arange(60.0), np.where(np.arange(60) % 20 == 7, 0.5, 1.0)
    variance, n_eff = mean_spread(series, ranks, items_of(ranks), judged_by="window")
    of_series, of_ranks = inflation(series, np.zeros(60)), inflation(ranks, np.zeros(60))
    assert of_ranks > 10 > 2 > of_series
    assert n_eff == pytest.approx(60 / np.sqrt(of_series * of_ranks))
    assert variance == pytest.approx(series.var(ddof=1) / n_eff)


def test_degrees_of_freedom_by_hand():
    assert degrees_of_freedom([(0.1, 11.0), (0.1, 11.0)], judged_by="window") == pytest.approx(20)
    assert degrees_of_freedom([(0.2, 5.0), (0.1, 11.0)], judged_by="window") == pytest.approx(0.09 / (0.04 / 4 + 0.01 / 10))
    assert degrees_of_freedom([(0.0, 5.0), (0.1, 11.0)], judged_by="window") == pytest.approx(10)
    assert degrees_of_freedom([(0.2, 5.0), (0.1, 11.0)], judged_by="recording") == 4
    assert degrees_of_freedom([(0.2, 1.2), (0.1, 1.0)], judged_by="window") >= 1


def test_the_auc_interval_knows_ranks_only():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 60)
    scores = np.concatenate([autoregressive(60, 0.6, rng), autoregressive(60, 0.6, rng) + 1])
    plain = auc_interval(items_of(scores, label=label, recording=label), judged_by="window")
    assert plain == auc_interval(items_of(np.sinh(3 * scores), label=label, recording=label), judged_by="window")


@pytest.mark.parametrize("hits", [0, 1, 7, 20])
def test_a_rate_of_independent_recordings_is_clopper_pearson(hits):
    found = rate_interval(items_of(np.arange(20.0), recording=np.arange(20)), np.arange(20) < hits, judged_by="recording")
    exact = binomtest(hits, 20).proportion_ci(0.95)
    assert (found["low"], found["high"], found["n_eff"]) == pytest.approx((exact.low, exact.high, 20))


def test_no_hit_and_all_hits_leave_the_bound_that_n_eff_allows():
    none = rate_interval(items_of(ZIGZAG), np.zeros(20, bool), judged_by="window")
    assert none == {"low": 0.0, "high": pytest.approx(1 - 0.025 ** (1 / 20)), "n_eff": 20.0}
    every = rate_interval(items_of(ZIGZAG), np.ones(20, bool), judged_by="window")
    assert every == {"low": pytest.approx(0.025 ** (1 / 20)), "high": 1.0, "n_eff": 20.0}
    # scores that do not vary either are worth one window
    alone = rate_interval(items_of(np.ones(20)), np.zeros(20, bool), judged_by="window")
    assert alone == {"low": 0.0, "high": pytest.approx(0.975), "n_eff": 1.0}


def test_a_rate_of_dependent_windows_is_less_certain():
    slow = np.sin(np.arange(200) / 8)
    hits = slow > 0.9
    wide = rate_interval(items_of(slow), hits, judged_by="window")
    assert wide["n_eff"] < 40
    exact = binomtest(int(hits.sum()), 200).proportion_ci(0.95)
    assert wide["low"] < exact.low < hits.mean() < exact.high < wide["high"]


def test_a_rate_of_units_by_hand():
    # four units of two recordings that agree: eight recordings are four
    together = rate_interval(items_of(np.arange(8.0), recording=np.arange(8), unit=list("aabbccdd")), [1, 1, 0, 0, 0, 0, 0, 0],
                             judged_by="recording")
    exact = binomtest(1, 4).proportion_ci(0.95)
    assert (together["low"], together["high"], together["n_eff"]) == pytest.approx((exact.low, exact.high, 4))
    # three of one unit hit, one each of three others not: sums of 3/2, -1/2 three times: 3 of 36, against 1/4: three
    uneven = rate_interval(items_of(np.arange(6.0), recording=np.arange(6), unit=list("aaabcd")), [1, 1, 1, 0, 0, 0],
                           judged_by="recording")
    assert uneven["n_eff"] == pytest.approx(3)
    # units that cancel count as units, no more; one unit says next to nothing
    four = items_of(np.arange(4.0), recording=np.arange(4))
    assert rate_interval(four.assign(unit=list("aabb")), [1, 0, 1, 0], judged_by="recording")["n_eff"] == 2
    one = rate_interval(four.assign(unit="a"), [0, 0, 0, 0], judged_by="recording")
    assert one == {"low": 0.0, "high": pytest.approx(0.975), "n_eff": 1.0}


def test_no_rate_has_an_interval_of_width_zero():
    for n in (1, 2, 3, 5):
        for hits in range(n + 1):
            found = rate_interval(items_of(rankdata(np.arange(n))), np.arange(n) < hits, judged_by="window")
            assert 0 <= found["low"] <= hits / n <= found["high"] <= 1
            assert found["high"] - found["low"] > 0.3


@pytest.mark.parametrize(("n", "hits"), [(3, [1, 0]), (0, [])])
def test_hits_belong_to_items(n, hits):
    with pytest.raises(ValueError, match="give the items of one class"):
        rate_interval(items_of(np.arange(float(n))), hits, judged_by="window")


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)])
def test_events_per_hour_as_in_the_tables_of_garwood(count, low, high):
    assert list(event_rate_interval(count, 3600).values()) == pytest.approx([low, high], abs=0.001)
    assert list(event_rate_interval(count, 36).values()) == pytest.approx([100 * low, 100 * high], abs=0.1)


@pytest.mark.parametrize(("count", "seconds"), [(-1, 10), (1, 0), (1, -5)])
def test_events_are_counted_in_seconds_of_sound(count, seconds):
    with pytest.raises(ValueError, match=f"got {count} in {seconds} s"):
        event_rate_interval(count, seconds)


def test_the_three_rates_of_a_test():
    items = pd.DataFrame({"label": [0] * 10 + [1] * 4, "score": [5.0] + [1.0] * 9 + [5.0, 5.0, 1.0, 5.0], "recording": "a",
                          "unit": [f"u{k}" for k in range(14)]})
    rates = rate_intervals(items, 3.0, {"false_events": 2, "normal_s": 1800.0}, judged_by="recording")
    for name, hits, n in (("false_alarm_rate", 1, 10), ("recall", 3, 4)):
        exact = binomtest(hits, n).proportion_ci(method="exact")  # every unit is independent
        assert rates[name] == pytest.approx((exact.low, exact.high))
    # Garwood's interval of a count of 2 is 0.2422 to 7.2247; in half an hour twice as many per hour
    assert rates["false_events_per_hour"] == pytest.approx((0.4844, 14.4494), abs=1e-3)
    none = rate_intervals(items, 3.0, {"false_events": 0, "normal_s": 0.0}, judged_by="recording")
    assert np.isnan(none["false_events_per_hour"]).all()


def test_channels_of_the_same_seconds_count_as_one():
    rng = np.random.default_rng(0)
    one = pd.DataFrame({"label": np.repeat([0, 1], 100), "score": rng.standard_normal(200) + np.repeat([0, 1], 100),
                        "recording": np.repeat(["a", "x"], 100)})
    two = pd.concat([one.assign(recording=one["recording"] + f", channel {k}", channels=2) for k in (1, 2)], ignore_index=True)
    alone, both = (auc_interval(items, judged_by="window") for items in (one, two))
    assert both["n_eff"] == pytest.approx(alone["n_eff"], rel=0.05)
    assert (both["low"], both["high"]) == pytest.approx((alone["low"], alone["high"]), abs=0.01)
    naive = auc_interval(two.drop(columns="channels"), judged_by="window")
    assert naive["n_eff"] > 1.8 * alone["n_eff"]
