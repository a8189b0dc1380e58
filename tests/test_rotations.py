"""Rotations and seeds: other cuts and other dice, and the detector at hand left alone."""

import numpy as np
import pandas as pd
import pytest
from sounds import random_table, recordings_of

from acoustic_nb.detectors import detector_class
from acoustic_nb.evaluation import evaluate
from acoustic_nb.features import join
from acoustic_nb.judging import make_judge
from acoustic_nb.rotations import rotate, spread
from acoustic_nb.seeds import check_seeds, seed_spread, vary_seed
from acoustic_nb.splits import block_split
from acoustic_nb.thresholds import calibrate
from acoustic_nb.units import split_recordings


def ten_recordings(shift=0.0):
    normal = [random_table(6, name=f"n{k}", seed=k) for k in range(10)]
    return join(normal + [random_table(6, label=1, name=f"x{k}", seed=90 + k, shift=shift) for k in range(4)])


def two_recordings():
    return join([random_table(240), random_table(120, label=1, name="b", seed=1, shift=1.0)])



@pytest.mark.parametrize("name", ["kmeans", "svm"])
def test_rotations_fit_anew_and_leave_the_detector_alone(name):
    table = two_recordings()
    split = block_split(table)
    detector = detector_class(name)()
    detector.fit(split.train if detector.supervised else split.train.normal())
    before = detector.score(split.test)
    turns = rotate(detector, table, recordings_of(table), 3, false_alarm_rate=0.05)
    np.testing.assert_array_equal(detector.score(split.test), before)
    assert turns["rotation"].tolist() == [0, 1, 2]
    assert turns["test_from_s"].tolist() == [0.0, 40.0, 80.0]
    # the second one by hand
    second = block_split(table, rotations=3, rotation=1)
    by_hand = detector_class(name)().fit(second.train if detector.supervised else second.train.normal())
    assert turns["roc_auc"][1] == pytest.approx(evaluate(second.test.label, by_hand.score(second.test), 0)["roc_auc"])
    threshold = calibrate(by_hand.score(second.calibration), 0.05).threshold
    flagged = by_hand.score(second.test) > threshold
    assert turns["true_positive"][1] == np.count_nonzero(flagged & (second.test.label == 1))
    assert turns["false_positive"][1] == np.count_nonzero(flagged & (second.test.label == 0))
    assert turns["n_normal"][1] == np.count_nonzero(second.test.label == 0)


def test_one_rotation_is_the_result_at_hand():
    table = two_recordings()
    split = block_split(table)
    detector = detector_class("kmeans")().fit(split.train.normal())
    expected = evaluate(split.test.label, detector.score(split.test), 0)
    turns = rotate(detector, table, recordings_of(table), 1, false_alarm_rate=0.05)
    assert turns[["roc_auc", "pauc"]].iloc[0].tolist() == [expected["roc_auc"], expected["pauc"]]


@pytest.mark.parametrize("name", ["kmeans", "svm"])
def test_rotations_of_whole_recordings_turn_who_tests(name):
    table = ten_recordings(shift=0.2)
    recordings = recordings_of(table)
    split = split_recordings(table, recordings)
    detector = detector_class(name)()
    detector.fit(split.train if detector.supervised else split.train.normal())
    before = detector.score(split.test)
    turns = rotate(detector, table, recordings, 5, false_alarm_rate=0.05, how="max")
    assert turns["roc_auc"].tolist() != rotate(detector, table, recordings, 5, false_alarm_rate=0.05)["roc_auc"].tolist()
    np.testing.assert_array_equal(detector.score(split.test), before)
    assert turns["rotation"].tolist() == [0, 1, 2, 3, 4]
    # the second by hand: begun at the third of ten normal recordings, a fifth of them, the last two in that order, test
    second = split_recordings(table, recordings, rotations=5, rotation=1)
    assert {block.recording for block in second.blocks if block.part == "test" and block.label == 0} == {"n0", "n1"}
    scores = detector_class(name)().fit(second.train if detector.supervised else second.train.normal()).score(second.test)
    tested = list(dict.fromkeys(second.test.recording))
    highest = [scores[second.test.recording == each].max() for each in tested]
    expected = evaluate([int(each.startswith("x")) for each in tested], highest, 0)
    assert turns["roc_auc"][1] == pytest.approx(expected["roc_auc"])
    assert turns["pauc"][1] == pytest.approx(expected["pauc"])


def test_no_rotation_is_refused():
    table = ten_recordings()
    with pytest.raises(ValueError, match="at least 1, got 0"):
        rotate(None, table, recordings_of(table), 0, false_alarm_rate=0.05)


def test_a_spread_averages_aucs_and_pools_flags():
    turns = pd.DataFrame({"roc_auc": [0.6, 0.9], "pauc": [0.5, 0.7], "true_positive": [1, 8], "n_anomalous": [10, 10],
                          "false_positive": [0, 6], "n_normal": [20, 10]})
    assert spread(turns) == pytest.approx({"rotations": 2, "roc_auc_mean": 0.75, "roc_auc_min": 0.6, "roc_auc_max": 0.9,
                                           "pauc_mean": 0.6, "recall_pooled": 0.45, "false_alarm_rate_pooled": 0.2})


class Dice:
    """Scores are drawn anew by every fit, from its seed."""

    supervised = False

    def __init__(self, seed):
        self.seed = seed

    def fit(self, windows):
        assert not windows.recording_label.any()
        self.random_ = np.random.default_rng(self.seed).standard_normal(10_000)
        return self

    def score(self, windows):
        return windows.values[:, 0] + 3 * self.random_[:len(windows)]


def test_seeds_follow_the_one_at_hand_which_is_not_fitted_again():
    table = two_recordings()
    split = block_split(table)
    judge = make_judge(split, recordings_of(table))
    detector = Dice(seed=7).fit(split.train.normal())
    detector.random_ = np.zeros(10_000)  # whoever fits it again loses this
    rows = vary_seed(detector, split, judge, 3)
    assert rows["seed"].tolist() == [7, 8, 9]
    assert not detector.random_.any() and detector.seed == 7
    expected = [evaluate(split.test.label, one.score(split.test), 0)["roc_auc"]
                for one in (detector, Dice(8).fit(split.train.normal()), Dice(9).fit(split.train.normal()))]
    assert rows["roc_auc"].tolist() == expected
    assert seed_spread(rows) == pytest.approx({"seeds": 3, "seed_roc_auc_mean": np.mean(expected),
                                               "seed_roc_auc_min": min(expected), "seed_roc_auc_max": max(expected)})


@pytest.mark.parametrize("name", ["gmm", "svm", "conv_autoencoder"])
def test_only_what_is_random_depends_on_the_seed(name):
    table = two_recordings()
    split = block_split(table)
    settings = {"epochs": 3} if name == "conv_autoencoder" else {}
    detector = detector_class(name)(**settings)
    detector.fit(split.train if detector.supervised else split.train.normal())
    aucs = vary_seed(detector, split, make_judge(split, recordings_of(table)), 2)["roc_auc"]
    assert (aucs[0] != aucs[1]) == (name == "conv_autoencoder")


def test_no_seed_is_refused():
    with pytest.raises(ValueError, match="how many seeds are tried, at least 1, got 0"):
        check_seeds(0)
