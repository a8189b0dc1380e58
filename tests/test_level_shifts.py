"""Level shifts: a detector whose scores move by a closed form, and one threshold for louder, softer and untouched sound."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sounds import as_recording, noise, random_table, recordings_of, sine

from acoustic_nb.audio import Recording
from acoustic_nb.detectors import detector_class
from acoustic_nb.features import changed_features, extract_features, join
from acoustic_nb.judging import make_judge, window_items
from acoustic_nb.level_shifts import GAINS_DB, level_response, level_sentence, probe_windows, shifted_features
from acoustic_nb.splits import block_split
from acoustic_nb.synth import demo_pair
from acoustic_nb.thresholds import calibrate
from acoustic_nb.units import split_recordings


class FirstFeature:
    """A detector whose scores can be read off the table: the first MFCC, in standard deviations of normal training windows."""

    supervised = False

    def score(self, windows):
        return windows.values[:, 0]


def amplified(windows, recordings, gain_db):
    return changed_features(windows, recordings, lambda sound, row: sound * np.float32(10 ** (gain_db / 20)))


@pytest.fixture(scope="module")
def demo():
    return demo_pair(normal_s=60.0, anomalous_s=45.0)


@pytest.fixture(scope="module")
def of_level(demo):
    """For both settings of level: the split of the demo, and its probe louder and softer."""
    found = {}
    for level in ("kept", "removed"):
        split = split_recordings(extract_features(demo, level=level), demo)
        probe = probe_windows(split)
        found[level] = split, {gain_db: amplified(probe, demo, gain_db) for gain_db in GAINS_DB}
    return found


def of_test_part(test):
    """A split of which only the test part matters, in units of the features themselves."""
    return SimpleNamespace(test=test, standardise=lambda windows: windows)


# Which windows

def test_a_short_test_part_is_taken_whole(of_level):
    split, _ = of_level["kept"]
    probe = probe_windows(split)
    np.testing.assert_array_equal(probe.values, split.test.values)
    np.testing.assert_array_equal(probe.start_s, split.test.start_s)


def test_of_long_recordings_the_first_120_test_windows_are_taken_in_a_row():
    split = block_split(join([random_table(1000, name="n"), random_table(400, label=1, name="x", seed=1)]))
    probe = probe_windows(split)
    for name in ("n", "x"):
        starts_s, tested_s = (part.start_s[part.recording == name] for part in (probe, split.test))
        assert len(tested_s) > 120
        np.testing.assert_array_equal(starts_s, tested_s.min() + 0.5 * np.arange(120))


def test_of_many_recordings_a_dozen_of_each_label_are_taken_from_all_over_the_list():
    test = join([random_table(3, name=f"n{k:02d}") for k in range(34)]
                + [random_table(200, label=1, name=f"x{k}", seed=k) for k in range(5)])
    probe = probe_windows(of_test_part(test))
    # 33 steps in 11 equal ones: every third
    assert list(dict.fromkeys(probe.recording)) == [f"n{k:02d}" for k in range(0, 34, 3)] + [f"x{k}" for k in range(5)]
    assert len(probe) == 12 * 3 + 5 * 120
    shuffled = probe_windows(of_test_part(test.take(np.random.default_rng(0).permutation(len(test)))))
    assert sorted(shuffled.start_s[shuffled.recording == "x3"]) == list(0.5 * np.arange(120))
    assert (np.diff(shuffled.start_s[shuffled.recording == "x3"]) == 0.5).all()


def test_where_events_are_known_windows_that_hold_them_are_taken():
    held = np.zeros(500, dtype=int)
    held[[20, 300, 301, 419]] = 1  # three of them fit into 120 windows that begin at 300, the first is one too far from them
    probe = probe_windows(of_test_part(join([random_table(300), random_table(500, label=1, name="x", held=held)])))
    assert probe.start_s[probe.recording == "x"].tolist() == (0.5 * np.arange(300, 420)).tolist()
    assert probe.start_s[probe.recording == "normal"].tolist() == (0.5 * np.arange(120)).tolist()


# Their features

def test_the_sound_is_multiplied_and_does_not_clip(tmp_path):
    recordings = [as_recording(noise() + sine(440, amplitude=0.4), name="a"),
                  as_recording(noise(seed=1, amplitude=0.3), name="b", label=1)]
    table = extract_features(recordings)
    shifted = shifted_features(table.take([7, 1]), recordings, tmp_path, gains_db=(12.0, -3.0))
    assert list(shifted) == [12.0, -3.0]
    for gain_db, factor in ((12.0, 3.9810717), (-3.0, 0.70794578)):
        by_hand = extract_features([as_recording(factor * recording.samples, name=recording.name, label=recording.label)
                                    for recording in recordings])
        assert gain_db < 0 or np.abs(factor * recordings[1].samples).max() > 3
        np.testing.assert_allclose(shifted[gain_db].values, by_hand.values[[7, 1]], rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(shifted[gain_db].level_db, table.level_db[[7, 1]] + gain_db, atol=1e-4)
        assert shifted[gain_db].recording.tolist() == ["b", "a"]


def test_they_are_computed_once(tmp_path, monkeypatch):
    recordings = [as_recording(noise(), name="a"), as_recording(noise(seed=1), name="b", label=1)]
    table = extract_features(recordings)
    first = shifted_features(table, recordings, tmp_path / "features")
    monkeypatch.setattr("acoustic_nb.level_shifts.changed_features", lambda *a: pytest.fail("computed again"))
    standardised = table.with_values(table.values - 1)  # what the values of the windows are does not matter
    again = shifted_features(standardised, [*recordings, as_recording(noise(seed=2), name="c")], tmp_path / "features")
    assert list(again) == list(first) == list(GAINS_DB)
    for gain_db in GAINS_DB:
        np.testing.assert_array_equal(again[gain_db].values, first[gain_db].values)
        np.testing.assert_array_equal(again[gain_db].level_db, first[gain_db].level_db)
    assert len(list((tmp_path / "features").glob("*.npz"))) == 1


def test_each_recording_is_read_once_for_all_gains(tmp_path, monkeypatch):
    recordings = [as_recording(noise(), name="a"), as_recording(noise(seed=1), name="b", label=1)]
    table, read, part = extract_features(recordings), [], Recording.part
    monkeypatch.setattr(Recording, "part", lambda self, *where: read.append(self.name) or part(self, *where))
    shifted_features(table, recordings, tmp_path)
    assert read == ["a", "b"]


def test_what_differs_is_another_entry(tmp_path):
    a, b = noise(), noise(seed=1)
    recordings = [as_recording(a, name="a"), as_recording(b, name="b")]
    table = extract_features(recordings)
    kinds = [(table, recordings, {}), (table, recordings, {"gains_db": (1.0,)}), (table, recordings, {"gains_db": (2.0,)}),
             (table.take([0, 1]), recordings, {}), (table.take([1, 0]), recordings, {}), (table.take([0, 5]), recordings, {}),
             *((extract_features(recordings, **other).take([0]), recordings, {})
               for other in ({}, {"level": "removed"}, {"n_mfcc": 5}, {"window_s": 0.5})),
             *((table, [as_recording(first, name=one), as_recording(second, name=two)], {})
               for first, one, second, two in ((b, "a", b, "b"), (b, "a", a, "b"), (a, "b", b, "a")))]
    for number, (windows, given, settings) in enumerate(kinds, 1):
        shifted = shifted_features(windows, given, tmp_path, **settings)
        assert len(list(tmp_path.glob("*.npz"))) == number
        for gain_db, found in shifted.items():
            np.testing.assert_array_equal(found.values, amplified(windows, given, gain_db).values)
            assert found.level == windows.level


def test_equal_sound_at_another_place_in_its_file_is_not_confused(tmp_path):
    sound = np.concatenate([noise(3.0, amplitude=0.01), noise(5.0)])
    windows = {}
    for start_s in (0.0, 3.0):  # the windows from 4 s on are other windows of the sound
        recording = as_recording(sound, start_s=start_s)
        table = extract_features([recording])
        rows = np.flatnonzero((table.start_s >= 4) & (table.start_s < 5))
        windows[start_s] = table.take(rows)
        shifted = shifted_features(windows[start_s], [recording], tmp_path)
        np.testing.assert_array_equal(shifted[6.0].values, amplified(windows[start_s], [recording], 6.0).values)
    assert windows[0.0].start_s.tolist() == windows[3.0].start_s.tolist()


def test_other_code_is_another_entry(tmp_path, monkeypatch):
    recordings = [as_recording(noise(1.0))]
    table = extract_features(recordings)
    shifted_features(table, recordings, tmp_path)
    for number, changed in enumerate(("audio", "features", "framing", "kernel", "level_shifts"), 2):
        monkeypatch.setattr("acoustic_nb.cache._source_sha256", lambda module, changed=changed: str(module == changed))
        shifted_features(table, recordings, tmp_path)
        assert len(list(tmp_path.glob("*.npz"))) == number


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    recordings = [as_recording(noise(1.0))]
    monkeypatch.setattr(np, "savez", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        shifted_features(extract_features(recordings), recordings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


@pytest.mark.parametrize("gain_db", [float("nan"), float("inf")])
def test_a_gain_is_a_finite_number(tmp_path, gain_db):
    recordings = [as_recording(noise(1.0))]
    with pytest.raises(ValueError, match=r"gains_db are finite numbers of dB, such as 6 for twice the amplitude, got \[0\.5, "):
        shifted_features(extract_features(recordings), recordings, tmp_path, gains_db=(0.5, gain_db))


def test_windows_of_an_unknown_recording_are_refused(tmp_path):
    with pytest.raises(ValueError, match="windows of sound, but no recording of that name"):
        shifted_features(extract_features([as_recording(noise())]), [as_recording(noise(), name="other")], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


# What it does to scores

def test_the_first_mfcc_moves_by_its_closed_form(demo, of_level):
    split, shifted = of_level["kept"]
    response = level_response(FirstFeature(), split, shifted, make_judge(split, demo), threshold=1.0)
    assert response["gain_db"].tolist() == [-6.0, -0.5, 0.0, 0.5, 6.0]
    # in units of the split, see test_features for sqrt(128)
    step = np.array([-6.0, -0.5, 0.0, 0.5, 6.0]) * np.sqrt(128) / split.scale[0]
    normal, anomalous = split.test.normal().values[:, 0], split.test.anomalous().values[:, 0]
    low, high = np.percentile(normal, [25, 75])
    np.testing.assert_allclose(response["score_normal"], np.median(normal) + step, atol=1e-4)
    np.testing.assert_allclose(response["score_anomalous"], np.median(anomalous) + step, atol=1e-4)
    np.testing.assert_allclose(response["shift_normal"], step / (high - low), atol=1e-4)
    np.testing.assert_allclose(response["flagged_normal"], [np.mean(normal + each > 1.0) for each in step])
    np.testing.assert_allclose(response["flagged_anomalous"], [np.mean(anomalous + each > 1.0) for each in step])
    # all scores move alike: the order, and with it the AUC, stays
    auc = np.mean(anomalous[:, None] > normal)
    np.testing.assert_allclose(response["roc_auc"], auc, atol=1e-3)
    assert response[["n_normal", "n_anomalous"]].drop_duplicates().values.tolist() == [[len(normal), len(anomalous)]]


@pytest.mark.parametrize("name", ["kmeans", "gmm", "svm"])
def test_without_level_no_score_moves(demo, of_level, name):
    moved = {}
    for level, (split, shifted) in of_level.items():
        detector = detector_class(name)()
        detector.fit(split.train if detector.supervised else split.train.normal())
        threshold = calibrate(detector.score(split.calibration), 0.05).threshold
        response = level_response(detector, split, shifted, make_judge(split, demo), threshold)
        moved[level] = response["shift_normal"].abs().max()
        if level == "removed":
            assert (response[["flagged_normal", "flagged_anomalous"]].nunique() == 1).all()
            assert np.ptp(response["roc_auc"]) < 1e-3
    assert moved["removed"] < 2e-3
    assert moved["kept"] > 0.2


def test_the_response_by_hand():
    test = join([random_table(4), random_table(2, label=1, name="x")])
    test = test.with_values(np.array([0.0, 1, 2, 3, 2.5, 9])[:, None] + np.zeros((1, 17)))
    shifted = {6.0: test.with_values(test.values + np.array([3.0, 3, 3, 3, -3, -3])[:, None]),
               -6.0: test.with_values(test.values / 2)}
    response = level_response(FirstFeature(), of_test_part(test), shifted, window_items, threshold=2.0)
    expected = pd.DataFrame({
        "gain_db": [-6.0, 0.0, 6.0], "score_normal": [0.75, 1.5, 4.5], "score_anomalous": [2.875, 5.75, 2.75],
        "flagged_normal": [0.0, 0.25, 1.0], "flagged_anomalous": [0.5, 1.0, 0.5],  # 2 itself is not above 2
        # of 4 x 2 pairs: 1.25 loses to 1.5 alone; 2.5 to 3 alone; -0.5 to all and 6 ties with the highest
        "roc_auc": [7 / 8, 7 / 8, 3.5 / 8], "n_normal": 4, "n_anomalous": 2,
        "shift_normal": [-0.75 / 1.5, 0.0, 3.0 / 1.5]})  # quartiles 0.75 and 2.25
    pd.testing.assert_frame_equal(response, expected)


def test_recordings_are_judged_as_wholes():
    pieces = [random_table(3, name=name, label=label) for name, label in (("a", 0), ("b", 0), ("x", 1))]
    test = join(pieces)
    test = test.with_values(np.array([0.0, 1, 5, 3, 3, 6, 9, 9, 9])[:, None] + np.zeros((1, 17)))
    recordings = recordings_of(test)
    split = SimpleNamespace(test=test, standardise=lambda windows: windows, judged_by="recording")
    judge = make_judge(split, recordings, how="max")
    response = level_response(FirstFeature(), split, {1.0: test.with_values(test.values + 1)}, judge, threshold=6.0)
    assert response["score_normal"].tolist() == [5.5, 6.5]  # 5 and 6, then 6 and 7
    assert response["flagged_normal"].tolist() == [0.0, 0.5]
    assert response["shift_normal"].tolist() == [0.0, 2.0]  # half of 6 - 5
    assert response["n_normal"].tolist() == [2, 2]


@pytest.mark.filterwarnings("error")
def test_a_label_that_is_missing_and_scores_that_are_all_alike_are_not_a_number():
    test = join([random_table(3), random_table(4, label=1, name="x", held=[0] * 4)]).with_values(np.ones((7, 17)))
    twice = {6.0: test.with_values(2 * test.values)}
    response = level_response(FirstFeature(), of_test_part(test), twice, window_items, threshold=1.0)
    assert response[["score_anomalous", "flagged_anomalous", "roc_auc", "shift_normal"]].isna().all(axis=None)
    assert response["flagged_normal"].tolist() == [0.0, 1.0]
    assert response[["n_normal", "n_anomalous"]].values.tolist() == [[7, 0]] * 2


def test_windows_of_another_split_are_refused():
    test = join([random_table(4), random_table(2, label=1, name="x")])
    split = of_test_part(test)
    for other in (test.take([0, 1, 2, 3, 5, 4]), test.take([0, 1, 2, 4, 5]), replace(test, recording=np.full(6, "normal"))):
        with pytest.raises(ValueError, match=r"the windows at -0\.5 dB are not the probe_windows of this split"):
            level_response(FirstFeature(), split, {-0.5: other}, window_items, threshold=0.0)


# What is said of it

def response_of(flagged, n_normal=100):
    return pd.DataFrame({"gain_db": list(flagged), "flagged_normal": list(flagged.values()), "n_normal": n_normal})


@pytest.mark.parametrize(("flagged", "sentence"), [
    ({-6.0: 1.0, -0.5: 0.04, 0.0: 0.05, 0.5: 0.09, 6.0: 0.03},
     "0.5 dB louder or softer moves the share of normal windows that is flagged from 5% to between 4% and 9%; "
     "6 dB louder or softer moves it to between 3% and 100% (of 100 normal windows)."),
    ({-6.0: 1.0, -0.5: 0.051, 0.0: 0.05, 0.5: 0.049, 6.0: 1.0},
     "0.5 dB louder or softer leaves the share of normal windows that is flagged at 5%; "
     "6 dB louder or softer moves it to 100% (of 100 normal windows)."),
    ({-6.0: 0.2, -0.5: 0.3, 0.0: 0.2, 0.5: 0.3, 6.0: 0.2},
     "0.5 dB louder or softer moves the share of normal windows that is flagged from 20% to 30%; "
     "6 dB louder or softer leaves it at 20% (of 100 normal windows)."),
    ({-3.0: 0.5, 0.0: 0.0, 1.0: 0.0},
     "1 dB louder leaves the share of normal windows that is flagged at 0%; 3 dB softer moves it to 50% (of 100 normal windows).")])
def test_the_sentence_by_hand(flagged, sentence):
    assert level_sentence(response_of(flagged), judged_by="window") == sentence


def test_the_sentence_counts_what_was_judged():
    response = response_of({0.0: 0.0, 0.5: 1.0}, n_normal=1)
    assert level_sentence(response, judged_by="recording").endswith("from 0% to 100% (of 1 normal recording).")
    assert level_sentence(response).endswith("share of normal items that is flagged from 0% to 100% (of 1 normal item).")
    nothing = response_of({0.0: np.nan, 0.5: np.nan}, n_normal=0)
    assert level_sentence(nothing, judged_by="window") == (
        "No normal window is among those that were made louder and softer, so nothing is known of their false alarms.")
