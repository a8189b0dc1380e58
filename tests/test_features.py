"""Features: sounds whose numbers are known, and librosa on every window alone."""

import warnings

import librosa
import numpy as np
import pytest
from sounds import RECORDINGS, as_recording, needs_recordings, noise, sine

from acoustic_nb.audio import load_recording
from acoustic_nb.feature_cache import cached_features
from acoustic_nb.features import FeatureTable, contrast_bands, extract_features, join, window_starts


def column(table, name):
    return table.values[:, table.feature_names.index(name)]


def librosa_alone(window, sample_rate, n_mfcc=13):
    """The origin's calls, on one window, with nothing shared between them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {"y": window, "sr": sample_rate}
        return np.array([*librosa.feature.mfcc(**given, n_mfcc=n_mfcc).mean(axis=1),
                         librosa.feature.spectral_centroid(**given).mean(),
                         librosa.feature.spectral_rolloff(**given).mean(),
                         librosa.feature.spectral_contrast(**given, n_bands=contrast_bands(sample_rate)).mean(),
                         librosa.feature.zero_crossing_rate(window).mean()])


def assert_equals_librosa(recording, *, rows=None, **settings):
    table = extract_features([recording], **settings)
    window = round(table.window_s * recording.sample_rate)
    for row in range(len(table)) if rows is None else rows:
        start = round(table.start_s[row] * recording.sample_rate)
        expected = librosa_alone(recording.samples[start:start + window], recording.sample_rate, settings.get("n_mfcc", 13))
        np.testing.assert_allclose(table.values[row], expected, rtol=1e-4, atol=1e-3)


def test_a_sine_of_440_hz_has_its_centroid_at_440_hz():
    table = extract_features([as_recording(sine(440, duration_s=5.0))])
    assert column(table, "centroid_hz") == pytest.approx(440, rel=0.03)
    assert column(table, "rolloff_hz") == pytest.approx(440, abs=2 * 22050 / 2048)  # within two bins of the leaking sine
    # two crossings per period; the padded edge frames of a window hold some silence
    assert column(table, "zero_crossing_rate") == pytest.approx(880 / 22050, rel=0.05)


def test_white_noise_has_its_centroid_in_the_middle():
    table = extract_features([as_recording(noise(5.0))])
    assert column(table, "centroid_hz") == pytest.approx(22050 / 4, rel=0.05)
    assert column(table, "rolloff_hz") == pytest.approx(0.85 * 22050 / 2, rel=0.03)
    assert column(table, "zero_crossing_rate") == pytest.approx(0.5, rel=0.06)


def test_level_is_that_of_the_sine():
    assert extract_features([as_recording(sine(441, amplitude=0.1))]).level_db == pytest.approx(-23.01, abs=0.01)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 12800, 16000, 22050, 44100, 48000, 96000])
def test_equals_librosa_at_every_rate(sample_rate):
    sound = noise(2.5, sample_rate=sample_rate) + sine(440, duration_s=2.5, sample_rate=sample_rate)
    assert_equals_librosa(as_recording(sound, sample_rate=sample_rate))


@pytest.mark.parametrize("n_mfcc", [1, 20, 60])
def test_equals_librosa_with_other_settings(n_mfcc):
    assert_equals_librosa(as_recording(noise()), n_mfcc=n_mfcc, window_s=0.7, hop_s=0.3)


def test_equals_librosa_from_loud_to_digital_silence():
    sound = np.concatenate([noise(2.0, amplitude=0.5), noise(2.0, amplitude=1e-4), np.zeros(4 * 22050, np.float32)])
    recording = as_recording(sound)
    assert_equals_librosa(recording)
    assert np.isfinite(extract_features([recording]).values).all()


@needs_recordings
@pytest.mark.parametrize("path", ["bearing/anomalous/a1_fault2.5.wav", "propeller/normal/ccw_f8/1/ch1.wav"])
def test_equals_librosa_on_real_recordings(path):
    assert_equals_librosa(load_recording(RECORDINGS / path), rows=range(0, 150, 30))


def test_the_last_whole_window_counts():
    assert window_starts(3 * 22050, window=22050, hop=11025).tolist() == [0, 11025, 22050, 33075, 44100]
    assert len(extract_features([as_recording(sine(440, duration_s=1.0))])) == 1


@pytest.mark.parametrize(("settings", "message"), [
    ({"window_s": 0}, "window_s must be a positive number of seconds, got 0"),
    ({"window_s": float("nan")}, "window_s must be a positive number"),
    ({"window_s": 0.01}, "a frame needs 2048; use a window_s of at least 0.093"),
    ({"hop_s": 2.0}, "at most window_s = 1.0"),
    ({"hop_s": -1}, "hop_s must be a positive number"),
    ({"n_mfcc": 0}, "n_mfcc must be 1 to 128"),
    ({"n_mfcc": 129}, "n_mfcc must be 1 to 128"),
    ({"window_s": 4.0}, "use a shorter window_s or a longer recording")])
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        extract_features([as_recording(noise())], **settings)


def test_too_low_a_rate_is_refused():
    with pytest.raises(ValueError, match="7999 Hz is too low, at least 8000 Hz"):
        extract_features([as_recording(noise(), sample_rate=7999)])


def test_mixed_rates_are_refused():
    with pytest.raises(ValueError, match="different sample rates"):
        extract_features([as_recording(noise()), as_recording(noise(), sample_rate=16000)])


def test_rows_stay_together():
    table = extract_features([as_recording(noise(5.0)), as_recording(sine(440), label=1, name="tone")])
    assert len(table.normal()) == 9
    assert table.anomalous().recording.tolist() == ["tone"] * 5
    assert table.take([10, 0]).start_s.tolist() == [0.5, 0.0]
    np.testing.assert_array_equal(join([table.normal(), table.anomalous()]).values, table.values)


def test_a_table_is_frozen():
    table = extract_features([as_recording(noise())])
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1
    with pytest.raises(ValueError, match="one row per window"):
        FeatureTable(np.zeros((2, 1)), ("a",), np.zeros(3, int), np.array(["x"] * 2), np.zeros(2), np.zeros(2), 1.0, 0.5, 8000)


def test_the_cache_gives_what_is_computed_and_computes_once(tmp_path, monkeypatch):
    recordings = [as_recording(noise()), as_recording(noise(seed=1), label=1, name="b")]
    first = cached_features(recordings, tmp_path)
    np.testing.assert_array_equal(first.values, extract_features(recordings).values)
    monkeypatch.setattr("acoustic_nb.feature_cache.extract_features", lambda *a, **k: pytest.fail("computed again"))
    again = cached_features(recordings, tmp_path)
    for name in ("values", "start_s", "label", "recording", "level_db"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))


@pytest.mark.parametrize("change", [{"window_s": 0.8}, {"hop_s": 0.25}, {"n_mfcc": 5}])
def test_other_settings_are_another_entry(tmp_path, change):
    recordings = [as_recording(noise())]
    cached_features(recordings, tmp_path)
    assert cached_features(recordings, tmp_path, **change).values.shape == extract_features(recordings, **change).values.shape
    assert len(list(tmp_path.iterdir())) == 2


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(np, "savez", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        cached_features([as_recording(noise())], tmp_path)
    assert not list(tmp_path.iterdir())
