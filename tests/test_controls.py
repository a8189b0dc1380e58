"""Controls and verdict: two recordings of one process are no fault, half a decibel is no fault, a fault is one."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.svm import SVC
from sounds import random_table, recordings_of

from acoustic_nb.controls import identity_control, level_control
from acoustic_nb.detectors import detector_class
from acoustic_nb.features import join
from acoustic_nb.judging import make_judge, recording_items, window_items
from acoustic_nb.splits import block_split, gap_windows
from acoustic_nb.synth import demo_pair, machine_sound
from acoustic_nb.units import split_recordings


def test_level_control_by_hand():
    windows = join([random_table(3), random_table(2, label=1, name="b")])
    windows = replace(windows, level_db=np.array([-30.0, -31, -29, -40, -41]))
    windows = windows.with_values(np.array([[0.0], [2], [4], [3], [5]]) + np.zeros((1, 17)))
    controls = level_control(windows, window_items)
    assert controls["level_auc"] == 1.0  # softer tells as much as louder
    assert controls["mfcc_1_auc"] == pytest.approx(5 / 6)


def test_level_control_of_recordings_by_hand():
    windows = join([random_table(2, label=label, name=name) for name, label in (("a", 0), ("b", 0), ("c", 1), ("d", 1))])
    windows = replace(windows, level_db=np.array([-30.0, -10, -25, -25, -20, -20, -60, -10]))
    # means -20, -25 against -20, -35: one won, one tie, two lost; loudest windows -10, -25 against -20, -10: won 1, tied 1
    assert level_control(windows, partial(recording_items, how="mean"))["level_auc"] == pytest.approx(1 - 1.5 / 4)
    assert level_control(windows, partial(recording_items, how="max"))["level_auc"] == pytest.approx(1 - 2.5 / 4 + 0.25)


def test_level_control_judges_windows_by_what_they_hold():
    windows = join([random_table(2), random_table(4, label=1, name="b", held=[0, 0, 1, 1])])
    windows = replace(windows, level_db=np.array([-30.0, -30, -30, -30, -20, -20]))
    assert level_control(windows, window_items)["level_auc"] == 1.0


@pytest.mark.parametrize("name", ["kmeans", "svm"])
def test_identity_control_sees_a_drifting_machine(name):
    steady = join([random_table(200), random_table(200, label=1, name="b", seed=1)])
    drift = np.where(steady.label == 0, steady.start_s / 10, 0)[:, None]
    aucs = []
    for table in (steady, steady.with_values(steady.values + drift)):
        split = block_split(table)
        detector = detector_class(name)()
        detector.fit(split.train if detector.supervised else split.train.normal())
        before = detector.score(split.test)
        aucs.append(identity_control(detector, split, make_judge(split, recordings_of(table)))["identity_high"])
        np.testing.assert_array_equal(detector.score(split.test), before)
    assert aucs[0] < 0.75
    assert aucs[1] > 0.9


class FirstFeature:
    """A detector whose scores can be read off the table."""

    supervised = False

    def score(self, windows):
        return windows.values[:, 0]


def higher(a, b):
    """max(A, 1 - A) of two sets of scores, pair by pair."""
    auc = np.mean((a[:, None] > b) + (a[:, None] == b) / 2)
    return max(auc, 1 - auc)


def test_identity_of_one_recording_compares_calibration_and_both_halves_of_the_test_block():
    table = join([random_table(119), random_table(119, label=1, name="b", seed=1)])
    split = block_split(table)
    calibration, test = split.calibration.values[:, 0], split.test.normal().values[:, 0]
    gap = gap_windows(1.0, 0.5, 22050)
    assert (len(calibration), len(test), gap) == (23, 34, 3)
    halves = test[:15], test[18:]  # (34 - 3) // 2 windows, the gap, the rest
    expected = [higher(calibration, halves[0]), higher(calibration, halves[1]), higher(*halves)]
    controls = identity_control(FirstFeature(), split, make_judge(split, recordings_of(table)))
    assert controls == pytest.approx({"identity_low": min(expected), "identity_high": max(expected)})


def test_identity_of_several_recordings_compares_their_test_blocks():
    table = join([*(random_table(119, name=name, seed=seed, shift=shift) for seed, (name, shift) in
                    enumerate((("a", 0), ("b", 0), ("c", 5)))), random_table(119, label=1, name="x", seed=9)])
    split = block_split(table)
    blocks = [split.test.values[split.test.recording == name, 0] for name in "abc"]
    expected = [higher(blocks[i], blocks[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    controls = identity_control(FirstFeature(), split, make_judge(split, recordings_of(table)))
    assert controls == pytest.approx({"identity_low": min(expected), "identity_high": max(expected)})
    assert controls["identity_high"] > 0.99 > 0.7 > controls["identity_low"]


def ten_recordings(*, n_anomalous=4, n_normal=10, shift=0.0, windows=6):
    normal = [random_table(windows, name=f"n{k}", seed=k) for k in range(n_normal)]
    return join(normal + [random_table(windows, label=1, name=f"x{k}", seed=90 + k, shift=shift) for k in range(n_anomalous)])


def test_identity_of_whole_recordings_compares_those_that_calibrate_and_those_that_test():
    table = ten_recordings(n_normal=14)
    recordings = recordings_of(table)
    split = split_recordings(table, recordings)
    # of fourteen normal ones 7 train, 3 calibrate and 4 test; scores of recordings, the mean of their windows
    def means_of(part, names):
        return np.array([part.values[part.recording == name, 0].mean() for name in names])

    items = [means_of(split.calibration, ["n7", "n8", "n9"]),
             *(means_of(split.test, half) for half in (["n10", "n11"], ["n12", "n13"]))]
    expected = [higher(items[i], items[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    controls = identity_control(FirstFeature(), split, make_judge(split, recordings))
    assert controls == pytest.approx({"identity_low": min(expected), "identity_high": max(expected)})


@pytest.mark.parametrize("name", ["kmeans", "svm"])
def test_too_few_recordings_have_no_identity_control(name):
    table = ten_recordings(n_normal=5)  # 2 train, 1 calibrates, 2 test: no two sets of two recordings
    split = split_recordings(table, recordings_of(table))
    detector = detector_class(name)()
    detector.fit(split.train if detector.supervised else split.train.normal())
    controls = identity_control(detector, split, make_judge(split, recordings_of(table)))
    assert np.isnan(list(controls.values())).all()


def test_a_supervised_detector_is_fitted_again_with_normal_recordings_in_the_role_of_anomalous_ones():
    table = ten_recordings(n_normal=14)
    recordings = recordings_of(table)
    split = split_recordings(table, recordings)
    svm = detector_class("svm")().fit(split.train)
    before = svm.score(split.test)
    controls = identity_control(svm, split, make_judge(split, recordings))
    np.testing.assert_array_equal(svm.score(split.test), before)

    def values(part, names):
        return np.concatenate([part.values[part.recording == f"n{k}"] for k in names])

    # n0 to n6 train and n10 to n13 test: the first halves are told apart, the second halves judged
    known, other = values(split.train, (0, 1, 2)), values(split.test, (10, 11))
    again = SVC().fit(np.concatenate([known, other]), np.repeat([0, 1], [len(known), len(other)]))
    judged = [np.array([again.decision_function(values(part, [k])).mean() for k in names])
              for part, names in ((split.train, (3, 4, 5, 6)), (split.test, (12, 13)))]
    assert controls["identity_low"] == controls["identity_high"] == pytest.approx(higher(*judged))


def test_demo_is_seeded_and_its_events_are_where_it_says():
    first, again, other = (demo_pair(seed, normal_s=2.0, anomalous_s=9.0) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[1].samples, again[1].samples)
    assert not np.array_equal(first[1].samples, other[1].samples)
    clean, faulty = (demo_pair(3, normal_s=2.0, fault_db=fault_db)[1] for fault_db in (-np.inf, 20))
    difference = np.abs(faulty.samples - clean.samples)
    assert len(faulty.event_times_s) > 30
    assert clean.event_times_s == ()
    for time_s in faulty.event_times_s:
        start = round(time_s * 16000)
        assert difference[start:start + 160].max() > 0.1


def test_the_machine_hums_at_its_shaft_frequency():
    sound = machine_sound(20, sample_rate=16000, seed=0)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / 16000)
    assert frequency_hz[spectrum.argmax()] == pytest.approx(24.5 * (1 - 0.006), rel=0.02)


def test_sections_that_differ_are_no_identity():
    # two sections far apart; in each, normal recordings are alike
    tables, sections = [], {}
    for section, offset in (("00", 0.0), ("01", 50.0)):
        for k in range(10):
            name = f"{section}n{k}"
            tables.append(random_table(6, name=name, seed=len(tables), shift=offset))
            sections[name] = section
    table = join([*tables, random_table(6, label=1, name="x", seed=99)])
    recordings = recordings_of(table, section={**sections, "x": "00"})
    split = split_recordings(table, recordings)
    judge = make_judge(split, recordings)
    controls = identity_control(FirstFeature(), split, judge)
    values = {name: split.test.values[split.test.recording == name, 0].mean() for name in set(split.test.recording)}
    assert values["01n9"] - values["00n9"] > 1.5  # pooled, the halves of the test list would be told apart by this alone
    aucs = []
    for section in ("00", "01"):  # of ten, five train, two calibrate and three test: the halves hold two and one, too few
        own = [split.calibration.values[split.calibration.recording == f"{section}n{k}", 0].mean() for k in (5, 6)]
        aucs.append(higher(np.array(own), np.array([values[f"{section}n{k}"] for k in (7, 8)])))
    assert (controls["identity_low"], controls["identity_high"]) == pytest.approx((min(aucs), max(aucs)))


def test_a_control_that_cannot_be_had_does_not_stop_the_detector():
    normal = [random_table(1, name=f"n{k}", seed=k) for k in range(11)]
    table = join(normal + [random_table(1, label=1, name=f"x{k}", seed=50 + k, shift=3.0) for k in range(6)])
    recordings = recordings_of(table)
    split = split_recordings(table, recordings)
    detector = detector_class("svm")().fit(split.train)
    # the test part has three normal clips of one window: one in the role of the anomalous ones, where two are needed
    assert np.isnan(identity_control(detector, split, make_judge(split, recordings))["identity_high"])
