"""The kernel: every step against librosa or numpy, and whole windows at every rate, from loud to silence."""

import warnings

import librosa
import numpy as np
import pytest
from sounds import RECORDINGS, librosa_alone, needs_recordings, noise, sine

from acoustic_nb import kernel
from acoustic_nb.audio import load_recording
from acoustic_nb.framing import contrast_bands
from acoustic_nb.kernel import Kernel

RATES = (8000, 11025, 12800, 16000, 22050, 44100, 48000, 96000)


def of_rate(sample_rate, n_mfcc=13):
    return Kernel(sample_rate, n_mfcc=n_mfcc, n_bands=contrast_bands(sample_rate))


def hard_sounds(sample_rate):
    """Windows in which rounding, clipping and empty frames would show."""
    hiss, hum = (sound(duration_s=1.0, sample_rate=sample_rate) for sound in (noise, lambda **more: sine(440, **more)))
    time_s = np.arange(sample_rate) / sample_rate
    click = np.zeros(sample_rate)
    click[sample_rate // 3] = 0.9
    return {
        "noise and a tone": hiss + hum, "a pure tone": hum, "a constant": np.full(sample_rate, 0.3), "a click in silence": click,
        "loud, then silent": hiss * (time_s < 0.3), "loud, then 80 dB softer": hiss * np.where(time_s < 0.5, 1, 1e-4),
        "loud, soft, silent": hiss * np.select([time_s < 0.2, time_s < 0.6], [1, 1e-5]), "dying away": hiss * 10 ** (-9 * time_s),
        "a tone dying away": hum * 10 ** (-7 * time_s), "steps of 16 bits": np.round(hum * 32767) / 32768,
        "at the edge of the least power": hiss * 1e-6, "a tone far above its noise": hum + 1e-6 * hiss, "digital silence": 0 * hum}


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("kind", hard_sounds(8000))
def test_equals_librosa_on_hard_sounds_at_every_rate(sample_rate, kind):
    sound = hard_sounds(sample_rate)[kind].astype(np.float32)
    np.testing.assert_allclose(of_rate(sample_rate).means([sound])[0], librosa_alone(sound, sample_rate), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("n_samples", [2048, 2049, 2559, 2560, 5000, 22049, 70000])
def test_equals_librosa_for_windows_of_any_length(n_samples):
    sound = (noise(4.0) + sine(440, duration_s=4.0))[:n_samples]
    np.testing.assert_allclose(of_rate(22050, 20).means([sound])[0], librosa_alone(sound, 22050, 20), rtol=1e-5, atol=1e-4)


@needs_recordings
@pytest.mark.parametrize("path", ["bearing/anomalous/a1_fault2.5.wav", "propeller/normal/ccw_f8/1/ch1.wav"])
def test_equals_librosa_on_every_window_of_real_recordings(path):
    recording = load_recording(RECORDINGS / path)
    ours, rate = of_rate(recording.sample_rate), recording.sample_rate
    for start_s in np.arange(0, min(30, recording.duration_s - 1), 0.5):
        sound = recording.part(recording.start_s + start_s, 1.0)
        np.testing.assert_allclose(ours.means([sound])[0], librosa_alone(sound, rate), rtol=1e-5, atol=1e-4)


def test_frames_are_librosas():
    sound = noise(0.5)
    frames = np.empty((1 + len(sound) // 512, 2048))
    kernel._fill_frames(sound, of_rate(22050).hann, 0, 512, frames)
    np.testing.assert_allclose(np.fft.rfft(frames).T, librosa.stft(sound), rtol=1e-4, atol=1e-5)
    later = np.empty((3, 2048))
    kernel._fill_frames(sound, of_rate(22050).hann, 5, 512, later)
    np.testing.assert_array_equal(later, frames[5:8])


@pytest.mark.parametrize("sample_rate", RATES)
def test_mel_powers_are_the_filters_times_the_power(sample_rate):
    magnitude = np.abs(np.random.default_rng(0).standard_normal((5, 1025))).astype(np.float32)
    ours, mel = of_rate(sample_rate), np.empty((5, 128))
    kernel._mel_powers(magnitude, ours.mel_bins, ours.mel_weights, mel)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters")
        filters = librosa.filters.mel(sr=sample_rate, n_fft=2048)
    np.testing.assert_allclose(mel, magnitude**2 @ filters.T, rtol=1e-5)


@pytest.mark.parametrize("sample_rate", RATES)
def test_peaks_and_valleys_are_librosas(sample_rate):
    magnitude = np.abs(np.random.default_rng(0).standard_normal((5, 1025))).astype(np.float32)
    bands = of_rate(sample_rate).bands
    peak, valley = np.empty((5, len(bands))), np.empty((5, len(bands)))
    kernel._peaks_valleys(magnitude, bands, peak, valley)
    expected = librosa.feature.spectral_contrast(S=magnitude.T, sr=sample_rate, n_bands=len(bands) - 1, linear=True)
    np.testing.assert_allclose((peak - valley).T, expected, rtol=1e-5)


@pytest.mark.parametrize("values", [
    [3, 1, 2], [0, 0, 0, 0], [5, 5, 5, 1], [1, 5, 5, 5, 9], [0, 1e-30, 1e30, 1, 1], np.arange(50) // 7,
    np.random.default_rng(0).random(728), np.random.default_rng(1).integers(0, 4, 300),
    10.0 ** np.random.default_rng(2).uniform(-30, 9, 99)])
def test_sums_of_the_smallest_and_largest_are_those_of_sorting(values):
    values = np.random.default_rng(3).permutation(np.array(values, dtype=np.float32))
    ordered = np.sort(values).astype(float)
    for count in range(1, len(values)):
        smallest, largest = kernel._sums_of_outermost(values, count)
        assert smallest == pytest.approx(ordered[:count].sum(), rel=1e-6)
        assert largest == pytest.approx(ordered[-count:].sum(), rel=1e-6)


@pytest.mark.parametrize("n_frames", [1, 31, 32, 33, 200])
@pytest.mark.parametrize("scale", [0, 1e-13, 1e-8, 1, 1e8])
def test_mean_db_is_that_of_power_to_db(n_frames, scale):
    power = scale * 10.0 ** np.random.default_rng(n_frames).uniform(-14, 0, (n_frames, 7))
    np.testing.assert_allclose(kernel._mean_db(power), librosa.power_to_db(power).mean(axis=0), rtol=1e-12, atol=1e-9)


def test_rolloff_is_the_first_bin_that_reaches_the_share():
    magnitude = np.zeros((3, 1025), np.float32)
    magnitude[0, 7] = 1.0                     # all in one bin
    magnitude[1, [10, 20, 30]] = 80, 10, 10   # 80 % at bin 10, 90 % at bin 20
    rolloff = np.empty(3)
    kernel._rolloff_bins(magnitude, rolloff)  # the last is silence
    assert rolloff.tolist() == [7, 20, 0]


def test_rolloff_sums_are_rounded_as_librosas():
    # nearly 85 % in the first bin, the rest in the last: which of the faint bins between them reaches 85 % is a matter of rounding
    magnitude = np.random.default_rng(0).uniform(0, 2e-6, (30, 1025)).astype(np.float32)
    magnitude[:, 0], magnitude[:, -1] = 0.85, 0.15
    rolloff = np.empty(30)
    kernel._rolloff_bins(magnitude, rolloff)
    expected = librosa.feature.spectral_rolloff(S=magnitude.T, sr=2048)[0]  # bins of 1 Hz
    exact = [np.searchsorted(np.cumsum(row, dtype=float), 0.85 * row.sum(dtype=float)) for row in magnitude]
    assert (expected != exact).any()
    np.testing.assert_array_equal(rolloff, expected)


def test_crossings_by_hand_and_as_librosa_counts_them():
    sound = sine(441, duration_s=1.0)
    n_frames = 1 + 22050 // 512
    expected = librosa.feature.zero_crossing_rate(sound).mean()
    assert kernel._crossings(sound, 2048, 512) / n_frames / 2048 == pytest.approx(expected, abs=1e-12)
    rest = np.zeros(2048, np.float32)
    assert kernel._crossings(rest, 2048, 512) == 0
    rest[1000:1002] = -1, -1e-11  # down and, at all but zero, up again: both in the four frames that hold samples 999 to 1001
    assert kernel._crossings(rest, 2048, 512) == 2 * 4


def test_compiled_code_knows_nothing_of_other_files():
    # numba would keep its machine code when they change
    compiled = [value for value in vars(kernel).values() if hasattr(value, "py_func")]
    assert len(compiled) > 10
    for function in compiled:
        assert not {"N_FFT", "FRAME_HOP", "N_BINS", "CONTRAST_FMIN_HZ"} & set(function.py_func.__code__.co_names)


def test_a_frame_hardly_short_of_a_bin_is_not_one_bin_off():
    # 16-bit hum: many frames reach 85 % within rounding of a bin's edge
    time_s = np.arange(20 * 8000) / 8000
    sound = (np.round(3000 * (np.sin(2 * np.pi * 50.3 * time_s) + 0.3 * noise(20.0, sample_rate=8000))) / 32768).astype(np.float32)
    ours = np.array([of_rate(8000).means([sound[start:start + 8000]])[0, 14] for start in range(0, 152000, 8000)])
    theirs = [librosa.feature.spectral_rolloff(y=sound[start:start + 8000], sr=8000).mean() for start in range(0, 152000, 8000)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_windows_are_independent_and_may_come_in_any_form():
    sounds = [noise(1.0), 0.1 * sine(440, duration_s=1.5), noise(0.5, seed=1)]
    table = of_rate(22050).means(sounds)
    for row, sound in zip(table, sounds, strict=True):
        np.testing.assert_array_equal(of_rate(22050).means([sound])[0], row)
    doubled = np.repeat(noise(1.0).astype(float), 2)
    doubled.flags.writeable = False
    np.testing.assert_array_equal(of_rate(22050).means([doubled[::2]])[0], table[0])


@pytest.mark.parametrize("amplitude", [1e-33, 1e-20, 1e6])
def test_equals_librosa_far_from_full_scale(amplitude):
    sound = (amplitude * noise(1.0).astype(float)).astype(np.float32)
    np.testing.assert_allclose(of_rate(22050).means([sound])[0], librosa_alone(sound, 22050), rtol=1e-4, atol=1e-3)


def test_mean_square_is_that_of_a_sine():
    assert kernel.mean_square(sine(441, duration_s=1.0, amplitude=0.2)) == pytest.approx(0.02, rel=1e-5)
