"""Overviews: nothing that sticks out is lost, however long the recording, and tones read their level."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from sounds import as_recording, noise, sine

from acoustic_nb import overviews as module
from acoustic_nb.audio import AudioError, Recording, load_recording, resampled
from acoustic_nb.overviews import MAX_COLUMNS, MAX_SPECTRA, N_BINS, Overview, overviews


@pytest.fixture
def small_blocks(monkeypatch):
    """Recordings in blocks of 1001 samples, so that every column and frame lies across some."""
    monkeypatch.setattr("acoustic_nb.audio.BLOCK_FRAMES", 1001)


def overview(recording, folder):
    return overviews([recording], folder)[0]


def frequency_hz(row, sample_rate):
    """Lowest and highest bin of a row of the spectra: eight of them, without the one at 0 Hz."""
    return np.array([8 * row + 1, 8 * row + 8]) * sample_rate / 2048


@pytest.mark.parametrize("n_samples", [1, 2, 999, 1000, 1001, 1999, 2047, 2048, 2049, 100_000, 123_457])
def test_every_sample_counts_in_its_column(n_samples, small_blocks, tmp_path):
    samples = noise(6)[:n_samples]
    found = overview(as_recording(samples), tmp_path)
    step = next(step for step in range(1, n_samples + 1) if -(-n_samples // step) <= MAX_COLUMNS)
    columns = [samples[first:first + step] for first in range(0, n_samples, step)]
    assert found.column_s == step / 22050
    assert found.low.tolist() == [column.min() for column in columns]
    assert found.high.tolist() == [column.max() for column in columns]
    assert len(found.low) <= MAX_COLUMNS and found.level_db.shape[1] <= MAX_SPECTRA


def test_one_sample_of_a_long_recording_is_seen(tmp_path):
    samples = np.zeros(3_000_000, np.float32)
    samples[2_345_678] = 0.7
    found = overview(as_recording(samples), tmp_path)
    assert np.flatnonzero(found.high > 0.69).tolist() == [2_345_678 // 3000]
    assert found.column_s * 22050 == pytest.approx(3000)


@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_a_tone_reads_its_level_in_its_row(sample_rate, small_blocks, tmp_path):
    row = 40
    of_fft_hz = (8 * row + 4) * sample_rate / 2048  # on a bin, so nothing is lost between two
    found = overview(as_recording(sine(of_fft_hz, sample_rate=sample_rate), sample_rate=sample_rate), tmp_path)
    assert found.level_db.shape[0] == N_BINS
    assert (found.level_db.argmax(axis=0) == row).all()
    np.testing.assert_allclose(found.level_db.max(axis=0), 20 * np.log10(0.5), atol=0.05)
    low_hz, high_hz = frequency_hz(row, sample_rate)
    assert low_hz < of_fft_hz < high_hz
    assert found.level_db[row + 10:].max() < -70  # Hann: what is far away is silent


def test_between_two_bins_a_tone_loses_what_a_hann_window_loses(tmp_path):
    found = overview(as_recording(sine(324.5 * 22050 / 2048, amplitude=1.0)), tmp_path)
    np.testing.assert_allclose(found.level_db.max(axis=0), -1.42, atol=0.05)


def test_spectra_are_those_of_the_sound_at_their_time(small_blocks, tmp_path):
    samples = np.concatenate([noise(30), sine(1000, duration_s=30)])
    found = overview(as_recording(samples), tmp_path)
    n_spectra = found.level_db.shape[1]
    assert n_spectra == MAX_SPECTRA
    for column in (0, 1, 17, 400, n_spectra - 1):  # by hand, one by one; the first and the last keep inside the recording
        middle = (column + 0.5) * len(samples) / n_spectra
        start = int(min(max(middle - 1024, 0), len(samples) - 2048))
        spectrum = np.abs(np.fft.rfft(samples[start:start + 2048].astype(float) * np.hanning(2048)))[1:] * 4 / 2048
        expected = [20 * np.log10(max(spectrum[first:first + 8].max(), 1e-6)) for first in range(0, 1024, 8)]
        np.testing.assert_allclose(found.level_db[:, column], expected, atol=0.01 if column < 400 else 0.5)
    tone = found.level_db[11] > -20  # 1000 Hz lies in the twelfth row: bins 89 to 96
    assert tone.tolist() == [False] * 400 + [True] * 400


def test_it_is_said_whether_sound_lies_between_the_spectra(tmp_path):
    short, long = (overview(as_recording(noise(duration_s)), tmp_path) for duration_s in (18, 80))
    assert (short.gaps, long.gaps) == (False, True)  # 800 spectra of 2048 samples reach 74 s
    assert long.spectrum_s == pytest.approx(0.1)


@pytest.mark.parametrize("n_samples", [1, 700, 2047])
def test_less_than_a_frame_is_one_spectrum_padded_with_silence(n_samples, tmp_path):
    found = overview(as_recording(sine(440)[:n_samples]), tmp_path)
    assert np.isfinite(found.level_db).all()
    assert found.level_db.shape == (N_BINS, max(1, n_samples // 512))
    assert (found.level_db == found.level_db[:, :1]).all()


def test_silence_has_a_floor(tmp_path):
    np.testing.assert_allclose(overview(as_recording(np.zeros(4096)), tmp_path).level_db, -120, atol=1e-4)


def test_a_file_in_blocks_is_what_it_is_in_memory(tmp_path, small_blocks):
    soundfile.write(tmp_path / "a.wav", np.concatenate([noise(2, seed=1), noise(5), noise(1, seed=2)]), 22050, subtype="FLOAT")
    from_file = overview(load_recording(tmp_path / "a.wav", start_s=2.0, end_s=7.0, label=1, name="part"), tmp_path / "cache")
    in_memory = overview(as_recording(noise(5)), tmp_path / "other")
    for name in ("low", "high", "level_db"):
        np.testing.assert_array_equal(getattr(from_file, name), getattr(in_memory, name))
    assert (from_file.name, from_file.label, from_file.start_s, from_file.end_s) == ("part", 1, 2.0, 7.0)
    assert from_file.spectrum_s == in_memory.spectrum_s


@pytest.mark.parametrize("rate_hz", [16000, 11025, 8001])
def test_another_rate_is_looked_at_to_its_end(rate_hz, tmp_path, small_blocks):
    soundfile.write(tmp_path / "a.wav", sine(400, duration_s=3.01), 22050)
    found = overview(resampled(load_recording(tmp_path / "a.wav"), rate_hz), tmp_path)
    assert found.sample_rate == rate_hz
    assert len(found.low) * found.column_s == pytest.approx(3.01, abs=2 * found.column_s)
    assert found.high.max() == pytest.approx(0.5, abs=0.02)
    assert np.isfinite(found.low).all() and np.isfinite(found.high).all()


class Miscounted(Recording):
    """A recording whose blocks hold a sample more, or fewer, than its length says, as a changed rate may have it."""

    def blocks(self):
        yield self.sound[:1000]
        yield self.sound[1000:1000]
        yield self.sound[1000:]


@pytest.mark.parametrize("n_frames", [2999, 2997, 3001, 3005])
def test_a_sample_more_or_less_than_reckoned_does_no_harm(n_frames, tmp_path):
    sound = noise()[:3000]
    sound[-1] = 5
    known = as_recording(sound)
    found = overview(Miscounted(name="x", label=0, path="x", sample_rate=22050, native_sample_rate=22050, n_frames=n_frames,
                                sound=sound, audit=known.audit), tmp_path)
    assert found.high[-1] == 5
    assert np.isfinite(found.low).all()
    assert found.low.min() == sound.min()


def test_in_the_order_given_with_names_of_their_own(tmp_path):
    found = overviews([as_recording(noise(seed=k), name=f"r{k}", label=k % 2) for k in (3, 1, 2)], tmp_path)
    assert [(each.name, each.label) for each in found] == [("r3", 1), ("r1", 1), ("r2", 0)]
    assert all(isinstance(each, Overview) for each in found)


def test_a_recording_is_read_once_by_all_who_ask(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), 22050)
    recording = load_recording(tmp_path / "a.wav")
    first = overview(recording, tmp_path / "cache")
    (tmp_path / "a.wav").unlink()
    again = overview(recording, tmp_path / "cache")
    for name in ("low", "high", "level_db"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    with pytest.raises(AudioError, match="no such file"):
        overviews([recording], tmp_path / "another cache")


def test_the_progress_reaches_the_end(tmp_path, monkeypatch):
    bars = []

    def bar(**settings):
        from tqdm import tqdm

        bars.append(tqdm(disable=False, delay=1e9, **settings))
        return bars[-1]

    monkeypatch.setattr(module, "progress_bar", bar)
    both = [as_recording(noise(2)), as_recording(noise(3, seed=1))]
    overviews(both[:1], tmp_path)  # the first is in the cache when both are asked for
    overviews(both, tmp_path)
    assert [(each.n, each.total) for each in bars] == [(44100, 44100), (110250, 110250)]


def test_no_more_memory_for_a_long_recording(tmp_path):
    def peak_bytes(n_seconds):
        soundfile.write(tmp_path / f"{n_seconds}.wav", np.zeros(n_seconds * 8000) + 0.1 * np.arange(n_seconds * 8000) % 1, 8000)
        recording = load_recording(tmp_path / f"{n_seconds}.wav")
        tracemalloc.start()
        overview(recording, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(4000) < 1.2 * peak_bytes(500) + 1e6


def test_no_recording_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="at least one recording, got none"):
        overviews([], tmp_path)
