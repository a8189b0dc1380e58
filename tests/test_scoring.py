"""Scoring: piece by piece the same scores as at once, at the same times, in flat memory."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from bundles_for_tests import SAMPLE_RATE, kept
from sounds import as_recording, noise

from acoustic_nb import scoring
from acoustic_nb.audio import load_recording, resampled
from acoustic_nb.features import extract_features
from acoustic_nb.scoring import score_recording, scored_windows
from acoustic_nb.synth import demo_pair


def at_once(bundle, recording, **more):
    """Features of a whole recording, standardised, and the detector's scores of them."""
    table = extract_features([recording], **bundle.feature_settings)
    table = table.with_values((table.values - bundle.mean) / bundle.scale)
    return table, bundle.detector.score(table, **more)


@pytest.fixture(scope="module")
def recording():
    return demo_pair(7, normal_s=8.0, anomalous_s=33.3, sample_rate=SAMPLE_RATE)[1]


@pytest.mark.parametrize("windows_at_once", [1, 3, 17, 500])
@pytest.mark.parametrize("name", ["gmm", "lstm_autoencoder"])
def test_scores_are_those_of_the_whole_recording_at_once(name, windows_at_once, recording, monkeypatch):
    monkeypatch.setattr(scoring, "WINDOWS_AT_ONCE", windows_at_once)
    bundle, done = kept(name), []
    scored = score_recording(bundle, recording, progress=done.append)
    table, scores = at_once(bundle, recording)
    assert len(scored.scores) == sum(done) == 65  # (33.3 - 1) / 0.5 = 64.6
    assert (len(done) > 2) == (windows_at_once < 20)
    np.testing.assert_allclose(scored.scores, scores, rtol=1e-5 if name == "lstm_autoencoder" else 1e-9)
    np.testing.assert_allclose(scored.start_s, table.start_s)
    np.testing.assert_allclose(scored.level_db, table.level_db)
    assert scored.threshold == bundle.calibration.threshold and scored.window_s == 1.0 and scored.whole == {}
    assert scored.flagged.tolist() == (scores > bundle.calibration.threshold).tolist()
    assert scored.flagged_share == np.mean(scores > scored.threshold)
    n_above = np.count_nonzero(bundle.calibration_scores >= scores.max())
    assert scored.smallest_p == pytest.approx((1 + n_above) / (len(bundle.calibration_scores) + 1))
    assert scored.events_per_hour == pytest.approx(len(scored.events) * 3600 / 33.3)


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_wherever_the_pieces_are_cut_sequences_reach_over(seed, newest, recording, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(scoring, "WINDOWS_AT_ONCE", int(rng.integers(1, 12)))
    bundle = kept("lstm_autoencoder")
    rows = np.column_stack([rng.standard_normal((40, 17)) * bundle.scale + bundle.mean, np.arange(40.0)])
    cuts = np.sort(rng.integers(0, 41, 12))  # some pieces are empty
    found = list(scored_windows(bundle, np.split(rows, cuts), name="x", first_s=3.0, newest=newest))
    whole = bundle.windows(rows[:, :-1], rows[:, -1], name="x", first_s=3.0)
    np.testing.assert_allclose(np.concatenate([piece.scores for piece in found]), bundle.detector.score(whole, newest=newest),
                               rtol=1e-5)
    own = [piece.around.take(piece.own) for piece in found]
    np.testing.assert_allclose(np.concatenate([each.start_s for each in own]), whole.start_s)
    np.testing.assert_allclose(np.concatenate([each.values for each in own]), whole.values)
    assert np.concatenate([each.level_db for each in own]).tolist() == list(range(40))


def test_newest_scores_come_with_their_window_and_the_others_as_late_as_they_depend():
    bundle, n_given = kept("lstm_autoencoder"), 0

    def one_by_one():
        nonlocal n_given
        for row in np.random.default_rng(0).standard_normal((20, 18)):
            n_given += 1
            yield row[None]

    there = [(n_given, len(piece.scores)) for piece in scored_windows(bundle, one_by_one(), name="x", newest=True)]
    assert there == [(4, 4), *((k, 1) for k in range(5, 21))]  # sequences of 4
    n_given = 0
    (piece,) = scored_windows(bundle, one_by_one(), name="x")
    assert (n_given, len(piece.scores)) == (20, 20)


def test_a_part_of_a_file_keeps_the_times_of_the_file(tmp_path):
    soundfile.write(tmp_path / "long.wav", noise(20.0, sample_rate=SAMPLE_RATE), SAMPLE_RATE)
    part = load_recording(tmp_path / "long.wav", start_s=5.0, end_s=12.0)
    scored = score_recording(kept("gmm"), part)
    np.testing.assert_allclose(scored.start_s, 5.0 + 0.5 * np.arange(13))
    assert all(5.0 <= event.start_s < event.end_s <= 12.0 for event in scored.events) and scored.events


def test_a_recording_of_another_rate_is_refused_until_it_is_resampled(tmp_path):
    soundfile.write(tmp_path / "fast.wav", noise(9.0, sample_rate=11025), 11025)
    recording = load_recording(tmp_path / "fast.wav")
    with pytest.raises(ValueError, match="fast: is at 11025 Hz, but the detector hears 8000 Hz; bring it there"):
        score_recording(kept("gmm"), recording)
    brought = resampled(recording, SAMPLE_RATE)
    np.testing.assert_allclose(score_recording(kept("gmm"), brought).scores, at_once(kept("gmm"), brought)[1])


@pytest.mark.parametrize("duration_s", [1.0, 2.4])
def test_too_short_for_sequences_says_how_much_is_missing(duration_s):
    sound = as_recording(noise(duration_s, sample_rate=SAMPLE_RATE), sample_rate=SAMPLE_RATE)
    windows = "1 window," if duration_s == 1.0 else "3 windows,"  # of 1 s every 0.5 s
    with pytest.raises(ValueError, match=f"lasts {duration_s} s, which is {windows}.* scores sequences of 4, 2.5 s; leave it out"):
        score_recording(kept("lstm_autoencoder"), sound)
    long_enough = as_recording(noise(2.5, sample_rate=SAMPLE_RATE), sample_rate=SAMPLE_RATE)
    assert len(score_recording(kept("lstm_autoencoder"), long_enough).scores) == 4


def test_shorter_than_a_window_is_one_window_that_ends_with_the_recording():
    sound = as_recording(noise(0.6, sample_rate=SAMPLE_RATE), sample_rate=SAMPLE_RATE)
    scored = score_recording(kept("gmm"), sound)
    table, scores = at_once(kept("gmm"), sound)
    np.testing.assert_allclose(scored.scores, scores)
    (event,) = scored.events
    assert table.end_s.tolist() == [0.6]
    assert event.windows_end_s == pytest.approx(0.6) and event.end_s <= 0.6 and event.peak_s <= 0.6


def test_memory_does_not_grow_with_a_recording(tmp_path, monkeypatch):
    """12 min of samples are 23 MB; what may stay is scores and times, some ten bytes for each of 1440 windows."""
    monkeypatch.setattr(scoring, "WINDOWS_AT_ONCE", 50)
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 1 << 16)  # else the short one would be a single block
    peaks = []
    for minutes in (2, 12):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
            for second in range(minutes):
                file.write(noise(60.0, sample_rate=SAMPLE_RATE, seed=second, amplitude=0.02))
        recording = load_recording(path)
        tracemalloc.start()
        n_windows = len(score_recording(kept("kmeans").at_rate(0.5), recording, gap_s=1.0).scores)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n_windows == minutes * 120 - 1
    assert peaks[1] - peaks[0] < 2e6, peaks
