"""Leakage: sharing counted by hand and by brute force, the origin's split rebuilt step by step, and what it reports of nothing."""

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sounds import random_table

from acoustic_nb.detectors import detector_class
from acoustic_nb.evaluation import evaluate
from acoustic_nb.features import extract_features, join
from acoustic_nb.leakage import leakage_audit, shares_sound
from acoustic_nb.splits import block_split
from acoustic_nb.synth import demo_pair

PAIR = join([random_table(120), random_table(60, label=1, name="b", seed=1, shift=0.5)])


class Network:
    """A detector that must not be fitted."""

    supervised = False
    quick = False


def fitted(name, split, **settings):
    detector = detector_class(name)(**settings)
    return detector.fit(split.train if detector.supervised else split.train.normal())


def test_sharing_by_hand():
    windows = random_table(10)  # 1 s, every 0.5 s
    assert shares_sound(windows, windows.take([4])).tolist() == [k in (3, 4, 5) for k in range(10)]
    assert shares_sound(windows.take([0, 2, 9]), windows.take([7, 4])).tolist() == [False] * 3
    other = random_table(10, name="other")
    assert not shares_sound(other, windows).any()
    assert shares_sound(join([other, windows]), windows.take([0])).tolist() == [False] * 10 + [True, True] + [False] * 8


def test_sharing_is_counted_in_samples():
    windows = random_table(3)
    for samples, shared in ((22050, False), (22049, True)):
        moved = replace(windows, start_s=windows.start_s[:1].repeat(3) + samples / 22050)
        assert shares_sound(moved, windows.take([0])).tolist() == [shared] * 3


def test_sharing_as_every_window_with_every_other():
    rng = np.random.default_rng(0)
    table = join([random_table(40, name=name, window_s=1.0, hop_s=0.3) for name in "abc"])
    rows = rng.permutation(len(table))
    mine, others = table.take(rows[:50]), table.take(rows[50:80])
    by_hand = [any(one == other and abs(start - begun) < 1.0 - 1e-6
                   for other, begun in zip(others.recording, others.start_s, strict=True))
               for one, start in zip(mine.recording, mine.start_s, strict=True)]
    assert 0 < sum(by_hand) < 50
    assert shares_sound(mine, others).tolist() == by_hand


@pytest.mark.parametrize("name", ["kmeans", "svm"])
def test_the_random_split_is_the_origins(name):
    split = block_split(PAIR)
    audit = leakage_audit(fitted(name, split), PAIR, split, seed=42)
    scaled = StandardScaler().fit_transform(PAIR.values)  # fitted on everything, test windows included
    x_train, x_test, y_train, y_test, rows_train, rows_test = train_test_split(
        scaled, PAIR.label, np.arange(len(PAIR)), test_size=0.3, random_state=42, stratify=PAIR.label)
    if name == "kmeans":
        scores = KMeans(n_clusters=1, random_state=42).fit(x_train[y_train == 0]).transform(x_test).min(axis=1)
    else:
        scores = SVC().fit(x_train, y_train).decision_function(x_test)
    assert audit["random_split_auc"] == pytest.approx(roc_auc_score(y_test, scores))
    neighbours = [any(PAIR.recording[one] == PAIR.recording[other] and abs(one - other) < 2 for other in rows_train)
                  for one in rows_test]
    assert audit["random_split_shared"] == pytest.approx(np.mean(neighbours))
    assert 0.85 < audit["random_split_shared"] < 0.97  # a window is alone with a chance of about 0.3 squared
    assert audit["shared_windows"] == 0
    assert audit["random_split_note"] == ""


def test_the_detector_and_the_table_are_left_alone():
    split, before = block_split(PAIR), PAIR.values.copy()
    detector = fitted("gmm", split, covariance_type="diag")
    scores = detector.score(split.test)
    first, again, other = (leakage_audit(detector, PAIR, split, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(detector.score(split.test), scores)
    np.testing.assert_array_equal(PAIR.values, before)
    assert first == again
    assert first["random_split_auc"] != other["random_split_auc"]
    full = leakage_audit(fitted("gmm", split), PAIR, split)
    assert full["random_split_auc"] != first["random_split_auc"]  # the settings are those of the detector given


def test_shared_windows_of_a_torn_split_are_counted():
    split = block_split(PAIR)
    # windows 0, 2, 4 test and 1, 3, 5 train: each of the three overlaps
    torn = replace(split, train=PAIR.take([1, 3, 5]), calibration=PAIR.take([100]), test=PAIR.take([0, 2, 4, 40]))
    assert leakage_audit(Network(), PAIR, torn)["shared_windows"] == 3


def test_a_network_is_not_fitted_again():
    audit = leakage_audit(Network(), PAIR, block_split(PAIR))
    assert np.isnan([audit["random_split_auc"], audit["random_split_shared"]]).all()
    assert audit["random_split_note"].startswith("a network is not fitted again")
    assert audit["shared_windows"] == 0


@pytest.mark.parametrize(("anomalous", "note"), [(3, "120 normal and 3 anomalous windows cannot be split at random; 4 of each"),
                                                 (4, "")])
def test_too_few_windows_are_said(anomalous, note):
    few = join([random_table(120), random_table(anomalous, label=1, name="b", seed=1)])
    split = block_split(PAIR)
    audit = leakage_audit(fitted("svm", split), few, split)
    assert audit["random_split_note"].startswith(note) and np.isnan(audit["random_split_auc"]) == bool(note)


def test_a_detector_that_needs_more_is_said():
    few = join([random_table(8), random_table(8, label=1, name="b", seed=1)])
    split = block_split(PAIR)
    audit = leakage_audit(fitted("kmeans", split, k=10), few, split)
    assert np.isnan(audit["random_split_auc"]) and np.isnan(audit["random_split_shared"])
    assert audit["random_split_note"].startswith("KMeansDetector got 5 windows and needs 10")


def test_windows_without_an_event_are_not_learned_from():
    # windows of the anomalous recording are normal where they hold no event: judged as that, but learned from as its own
    table = join([random_table(60), random_table(60, label=1, name="b", seed=1, held=np.arange(60) % 3 == 0)])
    audit = leakage_audit(fitted("kmeans", block_split(PAIR)), table, block_split(PAIR))
    assert np.isfinite(audit["random_split_auc"])


def test_of_one_process_the_random_split_reports_a_fault():
    honest, random = [], []
    for seed in range(2):
        table = extract_features(demo_pair(seed, normal_s=60.0, anomalous_s=60.0, fault_db=-np.inf, sample_rate=8000))
        split = block_split(table)
        detector = fitted("svm", split)
        honest.append(evaluate(split.test.label, detector.score(split.test), 0.0)["roc_auc"])
        random.append(leakage_audit(detector, table, split)["random_split_auc"])
    assert np.mean(random) > 0.75
    assert np.mean(random) > np.mean(honest) + 0.15


def test_a_hundred_thousand_windows_are_quick():
    table = join([random_table(50, name=f"r{k}", n_features=1) for k in range(2000)])
    began = perf_counter()
    shared = shares_sound(table.take(np.arange(0, len(table), 3)), table.take(np.arange(1, len(table), 3)))
    assert perf_counter() - began < 2
    assert shared.mean() > 0.95
