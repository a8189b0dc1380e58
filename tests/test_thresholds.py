"""Thresholds: ranks counted by hand, and what they realise on simulated windows."""

import numpy as np
import pytest

from acoustic_nb.thresholds import autocorrelation, calibrate, effective_size, p_values


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


def test_promised_only_where_the_effective_size_carries_it():
    rng = np.random.default_rng(0)
    independent = rng.standard_normal(60)
    walk = np.repeat(rng.standard_normal(6), 10)
    assert calibrate(independent, 0.05).promised
    assert "promised (60" in str(calibrate(independent, 0.05))
    assert not calibrate(walk, 0.05).promised
    assert "aimed at, not promised" in str(calibrate(walk, 0.05))


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
