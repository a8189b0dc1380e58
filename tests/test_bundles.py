"""Bundles: what was kept scores the same again, and what would score otherwise is refused with its reason."""

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bundles_for_tests import RATE, SAMPLE_RATE, changed, demo, files_of, fitted, kept, made_from, write
from sounds import noise

from acoustic_nb import bundles
from acoustic_nb.archives import BundleError
from acoustic_nb.audio import load_recording
from acoustic_nb.bundles import load_bundle
from acoustic_nb.detectors import DETECTORS
from acoustic_nb.features import extract_features
from acoustic_nb.runs import Run
from acoustic_nb.synth import demo_pair
from acoustic_nb.units import split_recordings


@pytest.fixture
def bundle(tmp_path):
    """The folder of a kept GMM."""
    return write(tmp_path / "Lauf {1} ü" / "bundle", files_of("gmm"))


def refusal(path):
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


# ---- what comes back

@pytest.mark.parametrize("name", DETECTORS)
def test_a_kept_detector_scores_new_sound_as_the_one_that_learned(name):
    _, split = demo()
    new = extract_features(demo_pair(5, normal_s=12.0, anomalous_s=12.0, sample_rate=SAMPLE_RATE))
    again = kept(name)
    expected = split.standardise(new)
    found = again.windows(new.values, new.level_db, name="new").values
    np.testing.assert_array_equal(found, expected.values)
    np.testing.assert_allclose(again.detector.score(expected), fitted(name).score(expected), rtol=1e-6)
    np.testing.assert_allclose(again.detector.contributions(expected), fitted(name).contributions(expected), rtol=1e-5, atol=1e-7)
    assert (again.name, again.title, again.sample_rate, again.window_s) == (name, name.upper(), SAMPLE_RATE, 1.0)


@pytest.mark.parametrize("name", ["gmm", "lstm_autoencoder"])
def test_it_holds_the_scores_that_set_the_threshold_and_those_of_normal_test_windows(name):
    _, split = demo()
    again, detector = kept(name), fitted(name)
    np.testing.assert_allclose(again.calibration_scores, detector.score(split.calibration), rtol=1e-6)
    normal = split.test.recording_label == 0
    scores, newest = detector.score(split.test), detector.score(split.test)
    if name == "lstm_autoencoder":
        newest = detector.score(split.test, newest=True)
        np.testing.assert_allclose(again.newest_scores, detector.score(split.calibration, newest=True), rtol=1e-6)
        assert not np.allclose(again.newest_scores, again.calibration_scores)
    assert 0 < normal.sum() < len(normal)
    assert again.held_out["recording"].tolist() == ["normal 1"] * normal.sum()
    for column, expected in (("start_s", split.test.start_s), ("end_s", split.test.end_s), ("score", scores),
                             ("newest_score", newest)):
        np.testing.assert_allclose(again.held_out[column], expected[normal], rtol=1e-6)
    assert set(again.held_out["channels"]) == {1.0}


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.25, 0.5, 0.9])
def test_at_another_rate_the_threshold_is_the_kth_smallest_calibration_score(rate):
    again = kept("lstm_autoencoder").at_rate(rate)
    for scores, calibration in ((again.calibration_scores, again.calibration), (again.newest_scores, again.newest_calibration)):
        n = len(scores)
        k = min(n, int(np.ceil((n + 1) * (1 - max(rate, 1 / (n + 1))) - 1e-9)))  # split conformal prediction
        assert calibration.threshold == sorted(scores)[k - 1]
    assert kept("lstm_autoencoder").false_alarm_rate == RATE  # the one that was read is as it was
    assert again.id == kept("lstm_autoencoder").id and again.whole_calibration is None


def test_a_zip_loads_the_same_and_so_does_the_detectors_folder(bundle):
    by_folder = load_bundle(bundle)
    for other in (load_bundle(bundle.with_name("bundle.zip")), load_bundle(bundle.parent)):
        assert (other.id, other.about, other.card) == (by_folder.id, by_folder.about, by_folder.card)
        np.testing.assert_array_equal(other.calibration_scores, by_folder.calibration_scores)


def test_windows_know_when_they_were(bundle):
    again = load_bundle(bundle)
    windows = again.windows(np.zeros((3, 17)), np.zeros(3), name="neu", first_s=2.0, first_row=4)
    np.testing.assert_allclose(windows.start_s, [4.0, 4.5, 5.0])  # 2 s and 4 hops of half a second
    np.testing.assert_allclose(windows.end_s, [5.0, 5.5, 6.0])
    np.testing.assert_allclose(windows.values, np.tile(-again.mean / again.scale, (3, 1)))
    assert windows.recording.tolist() == ["neu"] * 3 and windows.sample_rate == SAMPLE_RATE


def test_channels_of_the_same_seconds_count_as_one(bundle):
    alone = load_bundle(bundle)
    beside = load_bundle(changed(bundle, about=lambda about: about.update(channels_at_once=2.0)))
    assert beside.calibration.n_eff == pytest.approx(alone.calibration.n_eff / 2)
    assert beside.calibration.carried == pytest.approx(alone.calibration.carried / 2)
    assert beside.newest_calibration.n_eff == pytest.approx(alone.newest_calibration.n_eff / 2)
    assert beside.calibration.threshold == alone.calibration.threshold


# ---- judged by recordings, and from files

@pytest.fixture(scope="module")
def from_files(tmp_path_factory):
    """Folder of six normal and two anomalous clips, and the bundle files of a K-means that knows them."""
    folder = tmp_path_factory.mktemp("Aufnahmen {1}")
    recordings = []
    for number in range(8):
        path = folder / f"clip_{number}.wav"
        soundfile.write(path, noise(5.0, sample_rate=SAMPLE_RATE, seed=number) * (1 + (number > 5)), SAMPLE_RATE)
        recordings.append(load_recording(path, label=int(number > 5)))
    split = split_recordings(extract_features(recordings), recordings)
    assert split.judged_by == "recording"
    from acoustic_nb.detectors import KMeansDetector

    detector = KMeansDetector().fit(split.train.normal())
    return folder, split, made_from("kmeans", recordings, split, run=Run(Path("/nowhere/a_run")), detector=detector)


def test_where_recordings_are_judged_their_threshold_is_kept_too(from_files, tmp_path):
    _, split, files = from_files
    again = load_bundle(write(tmp_path / "bundle", files))
    by_hand = [again.calibration_scores[split.calibration.recording == name].mean()
               for name in dict.fromkeys(split.calibration.recording.tolist())]
    np.testing.assert_allclose(sorted(again.whole_scores), sorted(by_hand))
    calibration = again.whole_calibration
    assert (calibration.judged_by, calibration.n, calibration.threshold) == ("recording", len(by_hand), max(again.whole_scores))


def test_no_path_of_the_sender_is_in_it(from_files):
    folder, _, files = from_files
    for name, content in files.items():
        contents = [content]
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as entries:
                contents += [entries.read(entry) for entry in entries.namelist()]
        for word in (str(folder), folder.name, "/tmp", "/nowhere", str(Path.home())):
            assert not any(word.encode() in each or word.encode("utf-32-le") in each for each in contents), (name, word)
    assert b"clip_0" in files["bundle.json"]  # the name is there: the search could have found something


# ---- what is refused

def remove(*keys):
    def change(about):
        for key in keys[:-1]:
            about = about[key]
        del about[keys[-1]]

    return change


def other_library(arrays):
    arrays["known_features"][3] += 0.5


@pytest.mark.parametrize(("change", "reason"), [
    ({"about": lambda about: about.update(format=2)}, "has format 2, this version of acoustic_nb reads 1; it was made by"),
    ({"about": lambda about: [about]}, "has format None"),
    ({"about": lambda about: about.update(detector="gnm")}, "holds a detector 'gnm', but there are kmeans, conv_autoencoder"),
    ({"about": lambda about: about["features"]["names"].reverse()}, "was made with the features zero_crossing_rate, contrast_db"),
    ({"about": lambda about: about["features"].update(n_mfcc=12)}, "this version computes mfcc_1"),
    ({"arrays": other_library}, r"a known sound gives other features here .* \(by up to 0.5\), .* \(all libraries have the same"),
    ({"arrays": other_library, "about": lambda about: about["versions"].update(numpy="1.0")}, "numpy 1.0 there and 2"),
    ({"arrays": lambda arrays: arrays.update(known_features=arrays["known_features"][:-1])}, r"other features .* \(by up to inf\)"),
    ({"arrays": lambda arrays: arrays["reference_scores"].__iadd__(0.25)}, r"known windows score differently here \(by up to 0.25"),
    ({"arrays": lambda arrays: arrays["reference_scores"].fill(np.nan)}, "known windows score differently here"),
    ({"arrays": lambda arrays: arrays["mean"].__iadd__(0.5)}, "known windows score differently"),
    ({"arrays": lambda arrays: arrays["scale"].fill(0.0)}, "must be above 0, the smallest is 0"),
    ({"about": lambda about: about.update(threshold=about["threshold"] + 0.01)}, "says a threshold of .*, but its calibration"),
    ({"about": lambda about: about.update(false_alarm_rate=0.4)}, "says a threshold of .*, but its calibration scores give"),
    ({"about": lambda about: about.update(false_alarm_rate=2)}, "false_alarm_rate is a share between 0 and 1"),
    ({"arrays": lambda arrays: arrays["calibration_scores"].fill(np.nan)}, "are NaN or infinite"),
    ({"about": lambda about: about["settings"].update(nose=1)}, "unexpected keyword argument 'nose'"),
    ({"about": lambda about: about["settings"].update(covariance_type="diag")}, "covariance_type = 'full' where 'diag' belongs"),
    ({"about": lambda about: about.update(detector="kmeans", settings={"k": 1, "seed": 0})}, "is of another detector"),
    ({"about": lambda about: about["features"].update(window_s=0.7)}, "other features here"),
    ({"about": lambda about: about.update(sample_rate=16000)}, "other features here"),
    ({"about": lambda about: about["features"].update(level="loud")}, "level is kept or removed"),
    ({"about": lambda about: about["held_out_recordings"].clear()}, "do not fit together"),
    ({"arrays": lambda arrays: arrays.update(held_out_score=arrays["held_out_score"][:-1])}, "do not fit together"),
    ({"about": remove("situation", "far")}, "lacks 'far'|missing 1 required"),
])
def test_what_would_score_otherwise_is_refused_with_its_reason(bundle, change, reason):
    changed(bundle, **change)
    with pytest.raises(BundleError, match=reason):
        load_bundle(bundle)
    assert refusal(bundle) and refusal(bundle.with_name("bundle.zip"))


ARRAYS = ("mean", "scale", "calibration_scores", "newest_scores", "whole_scores", "whole_units", "held_out_recording",
          "held_out_start_s", "held_out_end_s", "held_out_score", "held_out_newest_score", "reference_values", "reference_scores",
          "known_features", "bands_edges_hz", "bands_mean_db", "bands_spread_db", "situation_level_db", "situation_windows")


@pytest.mark.parametrize("name", ARRAYS)
def test_a_missing_array_is_named(bundle, name):
    changed(bundle, arrays=lambda arrays: arrays.pop(name))
    message = refusal(bundle)
    assert "do not fit together" in message and name.removeprefix("bands_").removeprefix("situation_") in message


@pytest.mark.parametrize("key", [key for key in json.loads(files_of("gmm")["bundle.json"])
                                 if key not in ("platform", "supervised")])
def test_a_missing_key_is_found_when_it_is_opened_not_after_an_hour_of_scoring(bundle, key):
    changed(bundle, about=remove(key))
    assert key in refusal(bundle) or key == "detector"


NONSENSE = (None, [], {}, "x", -1, 1e300, float("inf"), float("nan"), [1], True)


@pytest.mark.parametrize("key", ["format", "detector", "settings", "features", "sample_rate", "channels_at_once", "versions",
                                 "state", "held_out_recordings", "false_alarm_rate", "threshold", "situation", "bands", "run",
                                 "title", "made", "channel", "judged_by", "clip_score", "recordings"])
def test_nonsense_in_it_is_refused_or_harmless_but_never_a_bug(bundle, key):
    for value in NONSENSE:
        changed(bundle, about=lambda about, value=value: about.update({key: value}))
        try:
            assert isinstance(load_bundle(bundle), bundles.Bundle)
        except BundleError as error:
            assert "\n" not in str(error)
        shutil.rmtree(bundle)
        write(bundle, files_of("gmm"))


@pytest.mark.parametrize(("key", "values"), [
    ("title", (None, 7, ["GMM"])), ("made", (None, 20261123)), ("run", ("pumpe", {}, {"name": None}, {"name": ["a"]})),
    ("channel", (None, 0, -1, 1.0, True, "left", [1])), ("sample_rate", (0, 999, 8000.0, "8000", None, True, 10**9)),
    ("judged_by", ("windows", None, ["window"])), ("clip_score", ("median", None, ["mean"], {})),
    ("recordings", (None, {}, "x", ["a"], [{}], [{"name": "a", "parts": None, "content_sha256": ""}],
                    [{"name": "a", "parts": [1], "content_sha256": ""}]))])
def test_what_no_run_writes_is_named_with_its_value(bundle, key, values):
    for value in values:
        changed(bundle, about=lambda about, value=value: about.update({key: value}))
        assert f"bundle.json says {key} = {str(value)!r}, which no run writes" in refusal(bundle)


def test_what_runs_do_write_is_taken(bundle):
    for some in ({"channel": "mean"}, {"channel": "all"}, {"channel": 1}, {"channel": 7}, {"clip_score": "mean"},
                 {"clip_score": "max"}, {"title": "Mischung {1} ü"}, {"recordings": []}):
        changed(bundle, about=lambda about, some=some: about.update(some))
        assert load_bundle(bundle).about.items() >= some.items()


def test_of_a_long_path_two_parts_are_known():
    recordings, split = demo()
    far = {recording.name: f"home/meier/{recording.name}" for recording in recordings}
    renamed = [replace(recording, name=far[recording.name]) for recording in recordings]
    blocks = [replace(block, recording=far[block.recording]) for block in split.blocks]
    parts = {part: replace(getattr(split, part), recording=np.array([far[name] for name in getattr(split, part).recording]))
             for part in ("train", "calibration", "test")}
    files = made_from("gmm", renamed, replace(split, blocks=blocks, **parts), run=Run(Path("/nowhere/a_run")))
    known = json.loads(files["bundle.json"])["recordings"]
    assert [each["name"] for each in known] == ["meier/demo_normal", "meier/demo_anomalous"]
    assert [each["parts"] for each in known] == [["calibration", "test", "train"], ["test"]]  # found by the whole name
    assert b"home/" not in files["MODEL_CARD.md"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"format": 1}', b"[" * 100_000])
def test_a_bundle_json_that_is_none(bundle, content):
    write(bundle, {**files_of("gmm"), "bundle.json": content})
    assert refusal(bundle)


def test_without_arrays_or_model_nothing_is_loaded(bundle):
    files = dict(files_of("gmm"))
    write(bundle, {**files, "arrays.npz": b"no zip"})
    assert "arrays.npz" in refusal(bundle)
    del files["model.skops"]
    write(bundle, files)
    assert "model.skops is missing" in refusal(bundle)


def test_libraries_that_differ_by_less_than_the_tolerance_are_no_reason(bundle):
    def rounded(arrays):
        arrays["known_features"] *= 1 + 2e-5
        arrays["reference_scores"] *= 1 + 2e-4

    changed(bundle, arrays=rounded, about=lambda about: about["versions"].update(numpy="1.0"))
    assert load_bundle(bundle).name == "gmm"


def test_the_known_sound_is_heard_by_every_feature():
    """A library that computes one feature otherwise is noticed: none of them is 0 or the same for any sound."""
    settings = {"window_s": 1.0, "hop_s": 0.5, "n_mfcc": 13}
    of_16k = bundles.features_of_known_sound(16000, level="kept", **settings)
    removed = bundles.features_of_known_sound(16000, level="removed", **settings)
    assert of_16k.shape == (17,) and np.isfinite(of_16k).all() and (np.abs(of_16k) > 1e-2).all()
    assert removed[0] != of_16k[0]  # blind to level: the first MFCC is another one
    np.testing.assert_allclose(of_16k[13], removed[13], rtol=1e-3)
    assert replace(kept("gmm"), false_alarm_rate=0.2).about is kept("gmm").about
