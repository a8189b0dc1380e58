"""Features: sounds whose numbers are known, and librosa on every window alone."""

import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from sounds import RECORDINGS, as_recording, librosa_alone, needs_recordings, noise, random_table, sine

from acoustic_nb.audio import load_recording, resampled
from acoustic_nb.feature_cache import cached_features
from acoustic_nb.features import (
    COLUMNS,
    changed_features,
    check_features,
    extract_features,
    feature_pieces,
    join,
    window_table,
)
from acoustic_nb.framing import contrast_bands, window_starts
from acoustic_nb.stretches import Event


def column(table, name):
    return table.values[:, table.feature_names.index(name)]


def assert_equals_librosa(recording, *, rows=None, **settings):
    table = extract_features([recording], **settings)
    window, samples = round(table.window_s * recording.sample_rate), recording.samples
    for row in range(len(table)) if rows is None else rows:
        start = round(table.start_s[row] * recording.sample_rate)
        expected = librosa_alone(samples[start:start + window], recording.sample_rate, settings.get("n_mfcc", 13))
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
    ({"n_mfcc": 129}, "n_mfcc must be 1 to 128")])
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        extract_features([as_recording(noise())], **settings)


def test_no_whole_window_and_no_step_are_refused():
    with pytest.raises(ValueError, match="has 3 samples but one window needs 4; use a shorter window_s or a longer recording"):
        window_starts(3, window=4, hop=1)
    with pytest.raises(ValueError, match="hop must be at least 1 sample, got 0"):
        window_starts(9, window=4, hop=0)


def test_less_than_a_frame_is_refused():
    assert len(extract_features([as_recording(noise()[:2048])])) == 1
    with pytest.raises(ValueError, match="sound: has 2047 samples at 22050 Hz, but a frame needs 2048; leave it out or record"):
        extract_features([as_recording(noise()[:2047])])


@pytest.mark.parametrize("n_samples", [2048, 3000, 22049, 22050, 22051])
def test_a_recording_shorter_than_one_window_is_one_row_of_what_there_is(n_samples):
    sound = noise()[:n_samples]
    table = extract_features([as_recording(sound)])
    assert len(table) == 1
    np.testing.assert_allclose(table.values[0], librosa_alone(sound[:22050], 22050), rtol=1e-4, atol=1e-3)
    assert table.level_db == pytest.approx(10 * np.log10(np.mean(sound[:22050] ** 2, dtype=float)), abs=1e-4)
    assert (table.start_s[0], table.end_s[0]) == (0, pytest.approx(min(n_samples, 22050) / 22050))
    assert table.window_s == 1.0  # of the table, so that clips of all lengths fit into one


def test_short_and_long_recordings_stand_in_one_table():
    table = extract_features([as_recording(noise()[:5000], name="short"), as_recording(noise(), name="long")])
    assert table.recording.tolist() == ["short"] + ["long"] * 5


def test_too_high_a_rate_is_refused():
    with pytest.raises(ValueError, match="500000 Hz is too high, at most 400000 Hz can be used; choose a lower one"):
        extract_features([as_recording(noise(), sample_rate=500_000)])
    assert contrast_bands(400_000) == 6


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
        replace(table, end_s=table.end_s[1:])
    for name in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(table, name)[0] = 1


# Piece by piece

@pytest.mark.parametrize("block_frames", [1000, 22050, 30011])
def test_where_a_file_is_cut_into_blocks_does_not_matter(tmp_path, monkeypatch, block_frames):
    soundfile.write(tmp_path / "a.wav", noise(8.3), 22050, subtype="FLOAT")
    for recording in (load_recording(tmp_path / "a.wav"), resampled(load_recording(tmp_path / "a.wav", start_s=1.3), 16000),
                      as_recording(noise(8.3))):
        whole = extract_features([recording])
        with monkeypatch.context() as patch:
            patch.setattr("acoustic_nb.audio.BLOCK_FRAMES", block_frames)
            piece_by_piece = extract_features([recording])
        np.testing.assert_array_equal(piece_by_piece.values, whole.values)
        np.testing.assert_array_equal(piece_by_piece.level_db, whole.level_db)


def test_memory_does_not_grow_with_a_recording(tmp_path, monkeypatch):
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 1 << 16)  # else the short one would be a single block
    peaks = []
    for minutes in (3, 9):
        soundfile.write(tmp_path / "a.wav", noise(60.0 * minutes, sample_rate=8000), 8000)
        recording = load_recording(tmp_path / "a.wav")
        extract_features([recording])
        tracemalloc.start()
        extract_features([recording])
        changed_features(extract_features([recording]).take(slice(None, None, 3)), [recording], as_it_is)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000  # the features of six minutes more; their sound would be 11,520,000 bytes


def test_progress_counts_windows():
    done = []
    table = extract_features([as_recording(noise(40.0))], progress=done.append)
    assert done == sorted(done) and done[-1] == len(table) and len(done) > 10


# What a window is called

def test_the_windows_of_a_normal_recording_are_known_by_the_recordings_label():
    # the first half of the fault is quiet: its windows hold nothing anomalous
    table = join([random_table(3), random_table(4, label=1, name="fault", held=[0, 0, 1, 1])])
    assert table.label.tolist() == [0] * 5 + [1] * 2
    assert table.normal().recording.tolist() == ["normal"] * 3
    assert table.anomalous().recording.tolist() == ["fault"] * 4
    assert table.anomalous().label.tolist() == [0, 0, 1, 1]


# windows of 1 s start at 0, 0.5, ... 2.5: half of the first event, and all of the second, decide
EVENTS = (Event(0.9, 1.6), Event(2.5, 2.6))
HELD = [0,   # 0.0 to 1.0 holds 0.1 s of 0.7
        1,   # 0.5 to 1.5 holds 0.6 s of 0.7
        1,   # 1.0 to 2.0 holds 0.6 s of 0.7
        0,   # 1.5 to 2.5 holds 0.1 s, and ends where the second begins
        1,   # 2.0 to 3.0 holds all of the second
        1]   # 2.5 to 3.5 too


def test_windows_are_labelled_by_the_events_that_they_hold():
    recording = as_recording(noise(3.5), label=1, events=EVENTS)
    table = window_table(recording, np.zeros((6, 17)), np.zeros(6), window_s=1.0, hop_s=0.5, n_mfcc=13)
    assert table.label.tolist() == HELD
    assert table.recording_label.tolist() == [1] * 6
    np.testing.assert_array_equal(extract_features([recording]).label, HELD)


def test_events_are_in_seconds_of_the_file_where_only_a_part_is_used():
    recording = as_recording(noise(3.5), label=1, start_s=10.0, events=tuple(Event(e.start_s + 10, e.end_s + 10) for e in EVENTS))
    assert extract_features([recording]).label.tolist() == HELD
    assert extract_features([replace(recording, events=EVENTS)]).label.tolist() == [0] * 6


@pytest.mark.parametrize(("label", "events", "expected"), [(1, None, 1), (1, (), 0), (0, None, 0)])
def test_without_events_the_recordings_label_stands_for_all_windows(label, events, expected):
    table = extract_features([as_recording(noise(), label=label, events=events)])
    assert table.label.tolist() == [expected] * 5
    assert table.recording_label.tolist() == [label] * 5


def test_the_cache_follows_events_that_were_labelled_later(tmp_path):
    recording = as_recording(noise(3.5), label=1)
    assert cached_features([recording], tmp_path).label.tolist() == [1] * 6
    assert cached_features([replace(recording, events=EVENTS)], tmp_path).label.tolist() == HELD
    assert len(list(tmp_path.glob("*.npz"))) == 1


# Parts, channels, copies

def stereo(path, seconds=6.0):
    left, right = noise(seconds), sine(1000, duration_s=seconds) + noise(seconds, seed=1)
    soundfile.write(path, np.stack([left, right], axis=1), 22050, subtype="FLOAT")
    return left, right


@pytest.mark.parametrize("sample_rate", [22050, 16000])
def test_a_part_equals_the_file_cut_by_hand_and_keeps_its_times(tmp_path, sample_rate):
    sound = noise(6.0)
    soundfile.write(tmp_path / "whole.wav", sound, 22050, subtype="FLOAT")
    soundfile.write(tmp_path / "cut.wav", sound[round(1.7 * 22050):round(4.9 * 22050)], 22050, subtype="FLOAT")
    part = resampled(load_recording(tmp_path / "whole.wav", start_s=1.7, end_s=4.9), sample_rate)
    cut = resampled(load_recording(tmp_path / "cut.wav"), sample_rate)
    assert (part.start_s, part.end_s, part.duration_s) == pytest.approx((1.7, 4.9, 3.2))
    of_part, of_cut = extract_features([part]), extract_features([cut])
    np.testing.assert_array_equal(of_part.values, of_cut.values)
    np.testing.assert_array_equal(of_part.level_db, of_cut.level_db)
    np.testing.assert_allclose(of_part.start_s, [1.7, 2.2, 2.7, 3.2, 3.7], atol=1e-9)
    np.testing.assert_allclose(of_part.end_s, [2.7, 3.2, 3.7, 4.2, 4.7], atol=1e-9)


def test_a_chosen_channel_is_that_channel_alone(tmp_path):
    sounds = stereo(tmp_path / "a.wav")
    for channel, sound in enumerate(sounds, 1):
        found = extract_features([load_recording(tmp_path / "a.wav", channel=channel)])
        np.testing.assert_array_equal(found.values, extract_features([as_recording(sound)]).values)
    mean = extract_features([load_recording(tmp_path / "a.wav")])
    np.testing.assert_allclose(mean.values, extract_features([as_recording(np.mean(sounds, axis=0))]).values, rtol=1e-5)


def test_a_file_and_a_copy_of_it_share_their_features(tmp_path):
    stereo(tmp_path / "a.wav")
    (tmp_path / "b c").mkdir()
    shutil.copy(tmp_path / "a.wav", tmp_path / "b c" / "kopie ü.wav")
    original, copy = load_recording(tmp_path / "a.wav"), load_recording(tmp_path / "b c" / "kopie ü.wav", label=1)
    first = cached_features([original], tmp_path / "features")
    again = cached_features([copy], tmp_path / "features")
    assert len(list((tmp_path / "features").glob("*.npz"))) == 1
    np.testing.assert_array_equal(again.values, first.values)
    assert set(again.recording) == {"kopie ü"} and set(again.label) == {1}  # what is not of the sound is not shared


def test_parts_channels_and_rates_of_one_file_do_not_share(tmp_path):
    stereo(tmp_path / "a.wav")
    path = tmp_path / "a.wav"
    kinds = [load_recording(path), load_recording(path, channel=1), load_recording(path, channel=2),
             load_recording(path, start_s=1.0), load_recording(path, end_s=5.0), resampled(load_recording(path), 16000)]
    for number, kind in enumerate(kinds, 1):
        np.testing.assert_array_equal(cached_features([kind], tmp_path / "features").values, extract_features([kind]).values)
        assert len(list((tmp_path / "features").glob("*.npz"))) == number


# Level

def machine(duration_s=4.0, **more):
    """A tone in noise: every feature has something to say."""
    return noise(duration_s, **more) + sine(440, duration_s=duration_s, amplitude=0.2)


def at_gain(sound, gain_db):
    return (10 ** (gain_db / 20) * sound).astype(np.float32)


@pytest.mark.parametrize("gain_db", [-20, -0.5, 0.5, 6])
def test_a_gain_moves_the_first_mfcc_alone_and_by_its_closed_form(gain_db):
    # all 128 mel bands rise by the gain, and the first row of the orthonormal DCT of 128 values is 1 / sqrt(128): 128 / sqrt(128)
    before, after = (extract_features([as_recording(at_gain(machine(), g))]) for g in (0, gain_db))
    expected = before.values.copy()
    expected[:, 0] += gain_db * np.sqrt(128)
    np.testing.assert_allclose(after.values, expected, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(after.level_db, before.level_db + gain_db, atol=1e-4)


@pytest.mark.parametrize("gain_db", [-20, -0.5, 0.5, 6])
def test_without_level_a_gain_moves_nothing(gain_db):
    before, after = (extract_features([as_recording(at_gain(machine(), g))], level="removed") for g in (0, gain_db))
    np.testing.assert_allclose(after.values, before.values, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(after.level_db, before.level_db + gain_db, atol=1e-4)  # known, though no feature


def test_without_level_is_librosa_on_windows_at_an_rms_of_a_tenth():
    sound = np.concatenate([machine(1.5), at_gain(noise(1.5, seed=1), -30)])
    table = extract_features([as_recording(sound)], level="removed")
    assert table.level == "removed"
    for start_s, values in zip(table.start_s, table.values, strict=True):
        window = sound[round(start_s * 22050):][:22050].astype(np.float64)
        expected = librosa_alone((0.1 * window / np.sqrt(np.mean(window**2))).astype(np.float32), 22050)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-3)


def test_without_level_a_drift_from_window_to_window_is_gone_and_a_change_inside_a_window_is_not():
    sound, second = machine(), 22050
    drifting = np.concatenate([at_gain(sound[k * second:(k + 1) * second], 3 * k) for k in range(4)])
    louder_inside = np.concatenate([at_gain(sound[k * second // 2:(k + 1) * second // 2], 6 * (k % 2)) for k in range(8)])
    steady, drift, inside = (extract_features([as_recording(each)], hop_s=1.0, level="removed")
                             for each in (sound, drifting, louder_inside))
    np.testing.assert_allclose(drift.values, steady.values, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(drift.level_db - steady.level_db, [0, 3, 6, 9], atol=1e-4)
    # half of the frames 6 dB louder than the other: in dB their mean lies below the level of the window as a whole
    quieter_db = 10 * np.log10((1 + 10 ** 0.6) / 2) - 3
    moved = column(inside, "mfcc_1") - column(steady, "mfcc_1")
    np.testing.assert_allclose(moved, -quieter_db * np.sqrt(128), rtol=0.15)


@pytest.mark.parametrize("amplitude", [0, 1e-7])
def test_silence_stays_silence(amplitude):
    silent = [as_recording(noise(amplitude=amplitude))]  # an RMS of 1e-7 is -140 dBFS
    kept, removed = extract_features(silent), extract_features(silent, level="removed")
    np.testing.assert_array_equal(removed.values, kept.values)
    assert (removed.level_db == -120).all()
    # 10 dB above the floor of -120 is sound
    faint, loud = (extract_features([as_recording(noise(amplitude=each))], level="removed") for each in (10 ** (-110 / 20), 0.1))
    np.testing.assert_allclose(faint.values, loud.values, rtol=1e-5, atol=2e-4)


def test_a_short_clip_is_brought_to_the_level_of_what_there_is():
    clip = machine()[:5000]
    loud, soft = (extract_features([as_recording(at_gain(clip, g))], level="removed") for g in (0, -12))
    np.testing.assert_allclose(soft.values, loud.values, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(soft.values[0], librosa_alone(0.1 * clip / np.sqrt(np.mean(clip**2)), 22050), rtol=1e-5, atol=1e-3)


def test_tables_with_and_without_level_do_not_mix():
    kept, removed = (extract_features([as_recording(noise())], level=level) for level in ("kept", "removed"))
    assert (kept.level, removed.take([0]).level, join([removed, removed]).level) == ("kept", "removed", "removed")
    with pytest.raises(ValueError, match="tables differ in level: kept and removed; extract them with the same settings"):
        join([kept, removed])


def test_the_cache_keeps_levels_apart(tmp_path):
    recordings = [as_recording(machine())]
    for _ in range(2):
        for level in ("kept", "removed"):
            table = cached_features(recordings, tmp_path, level=level)
            assert table.level == level
            np.testing.assert_array_equal(table.values, extract_features(recordings, level=level).values)
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_handling_of_level_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="level is kept or removed, got 'blind'; removed makes the features blind to loudness"):
        extract_features([as_recording(noise())], level="blind")
    with pytest.raises(ValueError, match="level is kept or removed"):
        cached_features([as_recording(noise())], tmp_path, level="")
    with pytest.raises(ValueError, match="n_mfcc must be 1 to 128"):
        check_features(n_mfcc=129, level="kept")
    check_features(n_mfcc=128, level="removed")


# The same windows, changed

def as_it_is(sound, row):
    return sound


@pytest.mark.parametrize("level", ["kept", "removed"])
@pytest.mark.parametrize(("sample_rate", "settings"), [(22050, {}), (11025, {"window_s": 0.7, "hop_s": 0.3, "n_mfcc": 5})])
def test_without_a_change_the_values_are_the_very_same(sample_rate, settings, level):
    # 0.7 s at 11025 Hz are 7717.5 samples: every window has as many as in extract_features, wherever it begins
    recordings = [as_recording(noise(seconds, sample_rate=sample_rate), sample_rate=sample_rate, name=name, **more)
                  for name, seconds, more in (("whole", 4.0, {}), ("part", 3.0, {"start_s": 1.7, "label": 1}), ("short", 0.5, {}))]
    table = extract_features(recordings, level=level, **settings)
    rows = np.random.default_rng(0).permutation(len(table))[:-3]
    for windows, given in ((table, recordings), (table.take(rows), recordings[::-1])):
        again = changed_features(windows.with_values(np.zeros_like(windows.values)), given, as_it_is)
        for name in (*COLUMNS, "feature_names", "window_s", "hop_s", "sample_rate", "level"):
            np.testing.assert_array_equal(getattr(again, name), getattr(windows, name))


def test_the_windows_of_a_resampled_part_of_a_file_are_found_again(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(6.0), 22050, subtype="FLOAT")
    part = resampled(load_recording(tmp_path / "a.wav", start_s=1.7, end_s=4.913), 16000)
    table = extract_features([part])
    np.testing.assert_array_equal(changed_features(table, [part], as_it_is).values, table.values)


def test_a_change_is_made_to_the_window_that_it_is_meant_for():
    sound = machine()
    table = extract_features([as_recording(sound)]).take([5, 0, 2])
    gains_db = [0, 6, -3]
    changed = changed_features(table, [as_recording(sound), as_recording(noise(), name="not asked for")],
                               lambda window, row: at_gain(window, gains_db[row]))
    np.testing.assert_allclose(changed.level_db, table.level_db + gains_db, atol=1e-4)
    np.testing.assert_allclose(column(changed, "mfcc_1") - column(table, "mfcc_1"), np.sqrt(128) * np.array(gains_db), atol=1e-3)
    for row, start_s in enumerate([2.5, 0.0, 1.0]):
        window = sound[round(start_s * 22050):][:22050]
        np.testing.assert_allclose(changed.values[row], librosa_alone(at_gain(window, gains_db[row]), 22050), rtol=1e-5, atol=1e-3)


def test_a_change_is_made_before_level_is_removed():
    table = extract_features([as_recording(machine())], level="removed")
    changed = changed_features(table, [as_recording(machine())], lambda window, row: at_gain(window, 6))
    np.testing.assert_allclose(changed.values, table.values, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(changed.level_db, table.level_db + 6, atol=1e-4)


def test_windows_of_an_unknown_recording_are_refused():
    table = extract_features([as_recording(noise())])
    with pytest.raises(ValueError, match="windows of sound, but no recording of that name; give the one that they are of"):
        changed_features(table, [as_recording(noise(), name="other")], as_it_is)


# ---- sound that is still coming

SETTINGS = {"window_s": 1.0, "hop_s": 0.25, "n_mfcc": 13, "level": "kept"}


def pieces(blocks, sample_rate=8000, **more):
    return feature_pieces(blocks, name="stream", sample_rate=sample_rate, **{**SETTINGS, **more})


def cut(samples, ends):
    return np.split(samples, np.sort(ends))


@pytest.mark.parametrize("level", ["kept", "removed"])
@pytest.mark.parametrize("at_once", [None, 1])
def test_pieces_are_the_rows_of_the_whole_however_the_stream_is_cut(at_once, level):
    samples = noise(12.3, sample_rate=8000) + sine(440, duration_s=12.3, sample_rate=8000)
    whole = extract_features([as_recording(samples, sample_rate=8000)], **{**SETTINGS, "level": level})
    for seed in range(3):
        ends = np.random.default_rng(seed).integers(0, len(samples), 40 * seed)  # some blocks are empty, some longer than a window
        found = list(pieces(cut(samples, ends), level=level, at_once=at_once))
        assert {len(piece) for piece in found} == {1} or at_once is None
        rows = np.concatenate(found)
        assert rows.shape == (46, 18)  # (12.3 - 1) / 0.25 = 45.2
        np.testing.assert_allclose(rows[:, :-1], whole.values, rtol=1e-6)
        np.testing.assert_allclose(rows[:, -1], whole.level_db, rtol=1e-6)


def test_one_at_a_time_a_window_is_there_with_its_last_sample():
    n_given = 0

    def microphone():
        nonlocal n_given
        for block in cut(noise(5.0, sample_rate=8000), np.arange(100, 40_000, 100)):
            n_given += len(block)
            yield block

    heard = [n_given for _ in pieces(microphone(), at_once=1)]
    assert heard == [8000 + 2000 * k for k in range(17)]


def test_a_stream_that_is_too_short_says_so():
    with pytest.raises(ValueError, match="stream: has 2047 samples at 8000 Hz, but a frame needs 2048"):
        list(pieces([noise(2047 / 8000, sample_rate=8000)], at_once=1))
    (row,) = pieces([noise(2048 / 8000, sample_rate=8000)], at_once=1)
    assert row.shape == (1, 18)


@pytest.mark.parametrize(("settings", "message"), [
    ({"n_mfcc": 0}, "n_mfcc must be 1 to 128"), ({"level": "loud"}, "level is kept or removed"),
    ({"hop_s": 2.0}, "hop_s = 2.0 must be"), ({"sample_rate": 4000}, "4000 Hz is too low")])
def test_wrong_settings_of_a_stream_are_refused_before_any_sound_is_waited_for(settings, message):
    def never():
        raise AssertionError("the stream was read")
        yield

    with pytest.raises(ValueError, match=message):
        pieces(never(), **settings)
