"""Controls and verdict: two recordings of one process are no fault, half a decibel is no fault, a fault is one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sounds import random_table

from acoustic_nb.audio import Recording
from acoustic_nb.comparison import summary_table
from acoustic_nb.controls import identity_control, level_control
from acoustic_nb.detectors import detector_class
from acoustic_nb.evaluation import evaluate
from acoustic_nb.features import extract_features, join
from acoustic_nb.intervals import auc_interval
from acoustic_nb.rotations import rotate, spread
from acoustic_nb.splits import block_split
from acoustic_nb.synth import demo_pair, machine_sound
from acoustic_nb.thresholds import calibrate
from acoustic_nb.verdict import conclusions, reach_verdict


def test_level_control_by_hand():
    windows = join([random_table(3), random_table(2, label=1, name="b")])
    windows = replace(windows, level_db=np.array([-30.0, -31, -29, -40, -41]))
    windows = windows.with_values(np.array([[0.0], [2], [4], [3], [5]]) + np.zeros((1, 17)))
    controls = level_control(windows)
    assert controls["level_auc"] == 1.0  # softer tells as much as louder
    assert controls["mfcc_1_auc"] == pytest.approx(5 / 6)


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
        aucs.append(identity_control(detector, split)["identity_high"])
        np.testing.assert_array_equal(detector.score(split.test), before)
    assert aucs[0] < 0.75
    assert aucs[1] > 0.9


def summary_of(recordings, names=("kmeans", "gmm", "svm")):
    split = block_split(extract_features(recordings))
    results = {}
    for name in names:
        detector = detector_class(name)()
        detector.fit(split.train if detector.supervised else split.train.normal())
        scores = detector.score(split.test)
        calibration = calibrate(detector.score(split.calibration), 0.05)
        results[name] = {
            "title": name, "supervised": detector.supervised, "seconds": 0.1, "calibration": vars(calibration),
            "metrics": {**evaluate(split.test.label, scores, calibration.threshold), "false_events_per_hour": 0.0},
            "interval": auc_interval(split.test.label, scores),
            "rotations": {"rotations": 1},
            "controls": {**level_control(split.test), **identity_control(detector, split)}}
    return summary_table(results)


def test_two_recordings_of_one_process_are_no_evidence():
    assert reach_verdict(summary_of(demo_pair(0, fault_db=-np.inf)))["kind"] == "no_evidence"


def test_a_planted_fault_separates():
    verdict = reach_verdict(summary_of(demo_pair(0, fault_db=12)))
    assert verdict["kind"] == "separates"
    assert "says nothing about other machines" in verdict["text"]


def test_half_a_decibel_on_a_steady_hum_is_explained_by_level():
    rng = np.random.default_rng(0)
    time_s = np.arange(90 * 16000) / 16000
    hum = sum(np.sin(2 * np.pi * 50 * k * time_s) / k for k in range(1, 9))
    pair = [Recording(name=name, label=label, sample_rate=16000, path="x", native_sample_rate=16000, samples=np.float32(
                10 ** (0.5 * label / 20) * 0.05 * (hum + 0.05 * rng.standard_normal(len(hum)))))
            for label, name in enumerate(("a", "b"))]
    assert reach_verdict(summary_of(pair))["kind"] == "explained_by_level"


def row(**changes):
    return {"detector": "x", "title": "X", "supervised": False, "roc_auc": 0.9, "roc_auc_low": 0.8, "roc_auc_high": 0.95,
            "n_eff": 20.0, "identity_high": 0.6, "recall": 0.7, "level_auc": 0.55, "promised": True, "false_alarm_rate": 0.05,
            "false_alarm_rate_used": 0.05, **changes}


@pytest.mark.parametrize(("changes", "kind"), [
    ({}, "separates"), ({"n_eff": 7.9}, "too_little_data"), ({"roc_auc_low": 0.49}, "no_evidence"),
    ({"identity_high": 0.91}, "no_evidence"), ({"level_auc": 0.8}, "explained_by_level"), ({"level_auc": 0.79}, "separates")])
def test_the_rules_one_by_one(changes, kind):
    verdict = reach_verdict(pd.DataFrame([row(**changes)]))
    assert verdict["kind"] == kind
    assert "0.900" in verdict["text"]
    assert "\n" not in verdict["text"]


def test_a_supervised_winner_is_called_one():
    text = reach_verdict(pd.DataFrame([row(title="Y", roc_auc=0.85), row(supervised=True)]))["text"]
    assert text.startswith("Y tells these two recordings apart. It reaches ROC AUC 0.850")
    assert "With the other half of the anomalous recording to learn from: X, ROC AUC 0.900" in text
    alone = reach_verdict(pd.DataFrame([row(title="Y", roc_auc_low=0.4), row(supervised=True)]))["text"]
    assert alone.startswith("X tells these two recordings apart")
    assert "It is supervised" in alone
    assert "No detector that learns from normal sound alone" in alone


def test_conclusions_say_what_the_table_says():
    summary = pd.DataFrame([row(), row(title="Y", roc_auc=0.4, roc_auc_low=0.3, roc_auc_high=0.81, promised=False,
                                       false_alarm_rate=0.2)])
    text = conclusions(summary, ["gan (failed: out of luck)"])
    assert "Missing from this comparison: gan (failed: out of luck)" in text
    assert "**Y** (learns from normal sound only): ROC AUC 0.400" in text
    assert "It flags 70% of the windows of the anomalous recording and 20% of the normal one" in text
    assert "Loudness alone (RMS level) reaches ROC AUC 0.550" in text
    assert "below chance" in text
    assert "The intervals of X, Y overlap" in text
    assert "Y (20.0% instead of 5.0%)" in text
    assert "aimed at, not promised, for Y:" in text


def test_demo_is_seeded_and_its_events_are_where_it_says():
    first, again, other = demo_pair(3), demo_pair(3), demo_pair(4)
    np.testing.assert_array_equal(first[1].samples, again[1].samples)
    assert not np.array_equal(first[1].samples, other[1].samples)
    clean, faulty = demo_pair(3, fault_db=-np.inf)[1], demo_pair(3, fault_db=20)[1]
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


@pytest.mark.parametrize("name", ["kmeans", "svm"])
def test_rotations_fit_anew_and_leave_the_detector_alone(name):
    table = join([random_table(240), random_table(120, label=1, name="b", seed=1, shift=1.0)])
    split = block_split(table)
    detector = detector_class(name)()
    detector.fit(split.train if detector.supervised else split.train.normal())
    before = detector.score(split.test)
    turns = rotate(detector, table, 3)
    np.testing.assert_array_equal(detector.score(split.test), before)
    assert turns["rotation"].tolist() == [0, 1, 2]
    assert turns["test_from_s"].tolist() == [0.0, 40.0, 80.0]
    # the second one by hand
    second = block_split(table, rotations=3, rotation=1)
    by_hand = detector_class(name)().fit(second.train if detector.supervised else second.train.normal())
    assert turns["roc_auc"][1] == pytest.approx(evaluate(second.test.label, by_hand.score(second.test), 0)["roc_auc"])
    assert spread(turns)["roc_auc_mean"] == pytest.approx(turns["roc_auc"].mean())


def test_one_rotation_is_the_result_at_hand():
    table = join([random_table(240), random_table(120, label=1, name="b", seed=1, shift=1.0)])
    split = block_split(table)
    detector = detector_class("kmeans")().fit(split.train.normal())
    expected = evaluate(split.test.label, detector.score(split.test), 0)
    assert rotate(detector, table, 1)[["roc_auc", "pauc"]].iloc[0].tolist() == [expected["roc_auc"], expected["pauc"]]
