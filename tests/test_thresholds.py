"""Thresholds: ranks counted by hand, and what they realise on simulated windows."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from acoustic_nb.thresholds import (
    autocorrelation,
    calibrate,
    calibrate_items,
    carried_size,
    effective_size,
    p_values,
    rate_range,
    smallest_promise,
)


@pytest.mark.parametrize(("n", "rate", "rank"), [(19, 0.05, 19), (20, 0.05, 20), (39, 0.05, 38), (99, 0.05, 95), (9, 0.1, 9),
                                                 (100, 0.01, 100), (3, 0.5, 2)])
def test_the_threshold_is_the_hand_counted_rank(n, rate, rank):
    calibration = calibrate(np.random.default_rng(0).permutation(np.arange(1, n + 1)), rate)
    assert calibration.threshold == rank
    assert calibration.used_rate == rate


def test_too_few_windows_use_the_smallest_rate_and_say_so():
    calibration = calibrate(np.arange(12), 0.05)
    assert calibration.threshold == 11
    assert calibration.used_rate == pytest.approx(1 / 13)
    assert "7.7% is aimed at" in str(calibration)
    assert "5.0% was wanted, which needs at least 19 calibration windows" in str(calibration)


def test_promised_only_where_the_calibration_carries_it():
    independent, walk = np.tile([1.0, -1.0, 2.0, -2.0], 15), np.repeat([3.0, 1.0, 5.0, 2.0, 4.0, 0.0], 10)
    assert calibrate(independent, 0.05).promised
    assert "promised (60 calibration windows, worth about 60 independent ones)" in str(calibrate(independent, 0.05))
    assert not calibrate(walk, 0.05).promised
    assert "aimed at, not promised" in str(calibrate(walk, 0.05))
    assert "smallest" not in str(calibrate(independent, 0.05))


def test_what_a_promise_can_count_on_by_hand():
    # deviations -1, 0, 1, 0, 0: r = 1/5, one standard error sqrt(0.96 / 5) more is 0.638178: 5 (0.361822 / 1.638178)^2
    assert carried_size([1, 2, 3, 2, 2]) == pytest.approx(5 * (0.361822 / 1.638178) ** 2, rel=1e-5)
    assert carried_size(np.tile([0.0, 1.0], 50)) == 100  # neighbours that differ more than strangers are not worth more than n
    assert carried_size(np.ones(40)) == pytest.approx(40 * (0.03 / 1.97) ** 2)
    assert carried_size([1.0]) > 0


def test_what_could_be_promised_is_said():
    # n_eff 5 * 0.8 / 1.2 = 3.3; carried 0.24391: 1 / 1.24391 = 80.4 %, and 1 / 0.5 - 1 = 1 is 4.1 times as much
    said = str(calibrate([1, 2, 3, 2, 2], 0.5))
    assert "not promised (5 calibration windows, worth about 3 independent ones); a promise can count on 0 of them: " in said
    assert said.endswith("80.4% is the smallest rate that could be promised here, about 4.1 times as much calibration sound would "
                         "promise 50.0%")
    assert "more than 20 times as much calibration sound" in str(calibrate(np.ones(40), 0.05))
    few = str(calibrate(np.arange(9.0), 0.1, units=list("aabbccddd")))  # 81 / 21 = 3.86 units; 1 / 4.86; 9 / 3.86
    assert few.endswith("a promise can count on 4 of them: 20.6% is the smallest rate that could be promised here, about 2.3 times "
                        "as many calibration recordings would promise 10.0%")


def test_what_is_stored_keeps_its_keys():
    stored = asdict(calibrate(range(20), 0.05))
    assert list(stored) == ["threshold", "wanted_rate", "used_rate", "n", "n_eff", "promised", "carried", "judged_by"]
    assert {type(value) for value in stored.values()} == {float, int, bool, str}


def test_smallest_promise_is_the_rate_of_the_highest_of_n_eff():
    assert [smallest_promise(n) for n in (0, 1, 19, 99)] == [1.0, 0.5, 0.05, 0.01]


@pytest.mark.parametrize(("n", "rate", "k"), [(19, 0.05, 19), (39, 0.05, 38), (60, 0.1, 55), (8, 0.05, 8)])
def test_the_range_of_the_true_rate_is_the_closed_form(n, rate, k):
    calibration = calibrate(np.arange(n), rate, units=range(n))
    assert rate_range(calibration) == pytest.approx(stats.beta(n + 1 - k, k).ppf([0.025, 0.975]))
    assert rate_range(calibration, 0.5) == pytest.approx(stats.beta(n + 1 - k, k).ppf([0.25, 0.75]))


def test_the_range_of_the_highest_of_n_by_hand():
    # the rate above the highest of 19 is below x with probability 1 - (1 - x)^19
    low, high = rate_range(calibrate(range(19), 0.05, units=range(19)))
    assert (low, high) == pytest.approx((1 - 0.975 ** (1 / 19), 1 - 0.025 ** (1 / 19)))


def test_the_range_is_wider_for_fewer_units_around_the_same_rate():
    many, few = (calibrate(np.arange(40), 0.1, units=np.arange(40) // each) for each in (1, 4))
    (low, high), (lower, higher) = rate_range(many), rate_range(few)
    assert 0 < lower < low < 0.1 < high < higher < 1
    # k = 37 of 40 is 37/41 of the way up: of 10 units, 11 * 37/41
    assert (lower, higher) == pytest.approx(stats.beta(11 * 4 / 41, 11 * 37 / 41).ppf([0.025, 0.975]))


@pytest.mark.parametrize("n", [19, 50])
def test_the_range_holds_the_true_rate_of_independent_scores(n):
    rng, inside = np.random.default_rng(3), []
    for scores in rng.standard_normal((2000, n)):
        calibration = calibrate(scores, 0.1, units=range(n))
        low, high = rate_range(calibration, 0.9)
        inside.append(low <= stats.norm.sf(calibration.threshold) <= high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(ValueError, match=r"confidence is a share between 0 and 1, such as 0\.95, got"):
        rate_range(calibrate(range(19), 0.05), confidence)


@pytest.mark.parametrize("n", [19, 50])
def test_independent_windows_realise_at_most_the_promised_rate(n):
    rng = np.random.default_rng(1)
    flagged = [np.mean(rng.standard_normal(200) > calibrate(rng.standard_normal(n), 0.1).threshold) for _ in range(1500)]
    # exactly floor(0.1 (n + 1)) / (n + 1) in expectation
    assert np.mean(flagged) == pytest.approx(np.floor(0.1 * (n + 1) + 1e-9) / (n + 1), abs=0.006)


def test_p_values_by_hand():
    assert p_values([1.0, 2.0, 2.0, 5.0], [2.0, 5.0, 6.0, 0.0]).tolist() == [0.8, 0.4, 0.2, 1.0]


def test_flagged_means_a_small_p_value():
    rng = np.random.default_rng(0)
    known, new = rng.standard_normal(40), rng.standard_normal(500)
    calibration = calibrate(known, 0.1)
    np.testing.assert_array_equal(new > calibration.threshold, p_values(known, new) <= 0.1)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 5, float("nan")])
def test_a_rate_is_a_share(rate):
    with pytest.raises(ValueError, match=r"share between 0 and 1, such as 0\.05"):
        calibrate(np.arange(50), rate)


@pytest.mark.parametrize(("scores", "message"), [([], "at least one score"), ([1, np.nan, np.inf], "2 of 3 calibration scores")])
def test_bad_scores_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        calibrate(scores, 0.05)


@pytest.mark.parametrize("r", [0.0, 0.5, 0.8])
def test_autocorrelation_of_a_known_process(r):
    rng = np.random.default_rng(0)
    series = np.zeros(20000)
    for k, step in enumerate(rng.standard_normal(19999)):
        series[k + 1] = r * series[k] + step
    assert autocorrelation(series) == pytest.approx(r, abs=0.02)
    assert effective_size(series) == pytest.approx(20000 * (1 - r) / (1 + r), rel=0.06)


def test_autocorrelation_by_hand():
    # deviations -1, 0, 1, 0, 0: products of neighbours 0, sum of squares 2, r = 0, corrected to 1/5
    assert autocorrelation([1, 2, 3, 2, 2]) == pytest.approx(0.2)
    assert autocorrelation([1, 2, 1, 2, 1, 2]) == 0
    assert autocorrelation([4, 4, 4, 4]) == 0.97


def test_neighbours_are_of_one_recording():
    # deviations 1 1 -1 -1 1 | 1 1 -1 -1 -1, sum of squares 10; products 1 -1 1 -1 | 1 -1 1 1 within, 1 at the break
    series, recording = [3, 3, 1, 1, 3, 3, 3, 1, 1, 1], ["a"] * 5 + ["b"] * 5
    # mean of the eight products 2/8, as many as ten values have steps: 9 * 2/8 / 10 = 0.225, corrected by 1.675/10
    assert autocorrelation(series, recording) == pytest.approx(0.225 + 0.1675)
    # of one recording: nine products, 3/10, corrected by 1.9/10
    assert autocorrelation(series) == autocorrelation(series, ["a"] * 10) == pytest.approx(0.3 + 0.19)


def test_the_break_does_not_count_however_large_the_step():
    # two recordings far apart, each of them steady: nearly all products are large, the one at the break is as large and negative
    series = np.repeat([0.0, 10.0], 20)
    assert autocorrelation(series, np.repeat(["a", "b"], 20)) == 0.97
    assert autocorrelation(np.tile([0.0, 10.0], 20), np.repeat(np.arange(20), 2)) == 0  # pairs that differ


def test_recordings_of_one_window_have_no_neighbours():
    assert autocorrelation([1, 2, 3, 2], list("abcd")) == 0


@pytest.mark.parametrize("n_each", [10, 400])
def test_autocorrelation_is_found_in_pieces(n_each):
    rng, pieces = np.random.default_rng(0), 8000 // n_each
    series = np.empty((pieces, n_each))
    series[:, 0] = rng.standard_normal(pieces)
    for k in range(1, n_each):
        series[:, k] = 0.6 * series[:, k - 1] + 0.8 * rng.standard_normal(pieces)
    recording = np.repeat(np.arange(pieces), n_each)
    assert autocorrelation(series.ravel(), recording) == pytest.approx(0.6, abs=0.03)
    assert n_each > 10 or autocorrelation(series.ravel()) < 0.56  # the breaks look like independence


def test_recordings_are_counted_by_their_units():
    scores = np.arange(8.0)  # windows that rise like this would be worth next to nothing
    many, few = calibrate(scores, 0.2, units=list("aabbccdd")), calibrate(scores, 0.2, units=list("aaabbbcc"))
    assert (many.n, many.n_eff, many.carried, many.judged_by) == (8, 4.0, 4.0, "recording")
    assert many.promised and not few.promised  # 1 / 0.2 - 1 = 4 units are needed
    assert many.threshold == few.threshold == calibrate(scores, 0.2).threshold == 7.0  # k = ceil(9 * 0.8) = 8
    assert "is promised (8 calibration recordings, worth about 4 independent" in str(many)
    assert "aimed at, not promised (8 calibration recordings, worth about 3" in str(few)
    alone = calibrate(scores, 0.05, units=list("abcdefgh"))
    assert alone.n_eff == 8
    assert "5.0% was wanted, which needs at least 19 calibration recordings" in str(alone)
    assert calibrate(scores, 0.2).judged_by == "window"
    assert calibrate(scores, 0.2).n_eff < 1


def test_a_large_unit_makes_the_others_count_for_less():
    # sizes 4, 1, 1, 1, 1: 8^2 / (16 + 4) = 3.2 instead of 5 units, which would have carried 20 %
    calibration = calibrate(np.arange(8.0), 0.2, units=pd.Series(list("aaaabcde")))
    assert calibration.n_eff == pytest.approx(3.2)
    assert not calibration.promised


def test_channels_of_the_same_seconds_promise_no_more_than_one():
    scores = np.random.default_rng(0).standard_normal(400)
    one, two = calibrate(scores, 0.05), calibrate(np.tile(scores, 2), 0.05, channels=2.0)
    assert two.n_eff == pytest.approx(one.n_eff, rel=0.1) and two.carried == pytest.approx(one.carried, rel=0.1)
    items = pd.DataFrame({"score": np.tile(scores, 2), "channels": 2, "unit": ["a"] * 800})
    assert calibrate_items(items, 0.05, judged_by="window") == two
    assert calibrate_items(items, 0.05, judged_by="recording").n_eff == 1  # whole recordings of one unit
