"""Octave bands: levels of sines and noise that are known in closed form."""

import json

import numpy as np
import pytest
from sounds import noise, sine

from acoustic_nb.octaves import BandLevels, band_edges_hz, band_levels_db, learn_bands, moment_levels_db

EDGES_16K = [0, 125, 250, 500, 1000, 2000, 4000, 8000]


@pytest.mark.parametrize(("sample_rate", "edges"), [
    (16000, EDGES_16K),
    (44100, [*EDGES_16K, 16000, 22050]),
    (22050, [*EDGES_16K, 11025]),       # 8 to 11.025 kHz are 0.46 octaves
    (18000, [*EDGES_16K[:-1], 9000]),   # 8 to 9 kHz are 0.17 octaves: part of the band before
    (8050, [*EDGES_16K[:-2], 4025]),
])
def test_bands_double_up_to_half_the_rate_without_a_sliver(sample_rate, edges):
    assert band_edges_hz(sample_rate).tolist() == edges


@pytest.mark.parametrize(("frequency_hz", "band"), [(440, 2), (60, 0), (3000, 5), (7000, 6)])
def test_a_full_scale_sine_reads_3_db_below_full_scale_in_its_band(frequency_hz, band):
    levels_db = band_levels_db(sine(frequency_hz, duration_s=1.0, sample_rate=16000, amplitude=1.0), 16000)
    assert levels_db[band] == pytest.approx(10 * np.log10(0.5), abs=0.01)
    assert np.delete(levels_db, band).max() < -60


def test_a_sine_that_does_not_fit_the_window_hardly_leaks():
    levels_db = band_levels_db(sine(440.5, duration_s=1.0, sample_rate=16000, amplitude=1.0), 16000)
    assert levels_db[2] == pytest.approx(-3.01, abs=0.01)
    assert np.delete(levels_db, 2).max() < -55  # 27 dB below without the fade
    assert levels_db[4:].max() < -100


@pytest.mark.parametrize("n_samples", [16000, 15999])
def test_white_noise_has_the_power_of_each_band_s_width(n_samples):
    sound = noise(1.0, sample_rate=n_samples, amplitude=0.1)
    powers = np.mean([10 ** (band_levels_db(noise(1.0, sample_rate=n_samples, amplitude=0.1, seed=seed), 16000) / 10)
                      for seed in range(20)], axis=0)
    assert 10 * np.log10(powers) == pytest.approx(-20 + 10 * np.log10(np.diff(EDGES_16K) / 8000), abs=0.5)
    together_db = 10 * np.log10(np.sum(10 ** (band_levels_db(sound, 16000) / 10)))
    assert together_db == pytest.approx(10 * np.log10(np.mean(sound**2)), abs=0.05)  # Parseval


def test_an_offset_is_no_sound_and_silence_has_a_floor():
    sound = noise(1.0, sample_rate=16000)
    assert band_levels_db(sound + 0.3, 16000) == pytest.approx(band_levels_db(sound, 16000), abs=0.001)
    assert band_levels_db(np.full(16000, 0.3), 16000).tolist() == [-120.0] * 7
    assert band_levels_db([0.5], 16000).tolist() == [-120.0] * 7
    with pytest.raises(ValueError, match="0 samples; ask for a part inside"):
        band_levels_db([], 16000)


def test_a_click_counts_wherever_in_the_window_it_falls_but_at_its_very_ends():
    clicks = np.zeros((3, 16000))
    clicks[0, 8000] = clicks[1, 900] = clicks[2, -900] = 1.0
    levels_db = [band_levels_db(click, 16000)[-1] for click in clicks]
    assert np.ptp(levels_db) < 0.01
    # power 1 / 16000, half of it above 4 kHz, over the mean square of the fade: 0.9 + 0.1 * 3/8
    assert levels_db[0] == pytest.approx(10 * np.log10(0.5 / 16000 / 0.9375), abs=0.01)


def test_bands_are_learned_as_mean_and_standard_deviation_over_the_windows():
    windows = [noise(1.0, sample_rate=16000, amplitude=amplitude, seed=seed)
               for seed, amplitude in enumerate([0.1, 0.05, 0.2, 0.01])]
    levels_db = np.array([band_levels_db(window, 16000) for window in windows])
    bands = learn_bands(iter(windows), 16000)
    assert bands.mean_db == pytest.approx(levels_db.mean(axis=0))
    assert bands.spread_db == pytest.approx(levels_db.std(axis=0))
    assert bands.spread_db.min() > 3
    assert learn_bands([windows[0]] * 3, 16000).spread_db.tolist() == [0.5] * 7
    with pytest.raises(ValueError, match="at least one normal window"):
        learn_bands([], 16000)


BANDS = BandLevels(np.array([0.0, 125, 250, 500]), np.array([-30.0, -40, -50]), np.array([0.5, 2, 4]))


@pytest.mark.parametrize(("change_db", "unlike"), [
    ([0.9, 3.0, 0.0], (125, 250, 3.0)),    # 1.8 and 1.5 spreads, but the first is less than 1 dB
    ([1.0, 3.0, 0.0], (0, 125, 1.0)),
    ([0.0, 3.0, -8.0], (250, 500, -8.0)),  # quieter is a change too
    ([0.9, -0.2, 0.5], (0, 125, 0.9)),     # none by 1 dB
])
def test_the_most_unlike_band_is_the_one_most_spreads_off(change_db, unlike):
    assert BANDS.most_unlike(BANDS.mean_db + change_db) == pytest.approx(unlike)


def test_levels_of_another_sample_rate_are_refused():
    with pytest.raises(ValueError, match=r"3 bands, got shape \(7,\)"):
        BANDS.most_unlike(band_levels_db(noise(1.0), 16000))


def test_relative_bands_do_not_hear_the_gain_but_the_tone():
    windows = [noise(1.0, sample_rate=16000, seed=seed) for seed in range(8)]
    plain, relative = learn_bands(windows, 16000), learn_bands(windows, 16000, relative=True)
    as_it_is, louder = (band_levels_db(windows[0] * np.float32(gain), 16000) for gain in (1, 10 ** (10 / 20)))
    assert plain.most_unlike(louder)[2] == pytest.approx(10, abs=1.5)  # and the chance that is in noise
    assert relative.most_unlike(louder) == pytest.approx(relative.most_unlike(as_it_is), abs=1e-4)
    with_tone = windows[0] + sine(3000, duration_s=1.0, sample_rate=16000, amplitude=0.1)
    low_hz, high_hz, change_db = relative.most_unlike(band_levels_db(with_tone, 16000))
    # the tone adds 0.005 to the 0.0025 of the band and to the 0.01 of all: 4.77 dB less 1.76 dB
    assert (low_hz, high_hz) == (2000, 4000)
    assert change_db == pytest.approx(10 * np.log10(3 / 1.5), abs=0.3)


def test_a_burst_has_its_full_level_in_its_loudest_moment():
    sound = np.zeros(16000)
    sound[4000:4800] = sine(3000, duration_s=0.05, sample_rate=16000, amplitude=1.0)  # 50 ms hold at least one whole frame
    assert moment_levels_db(sound, 16000)[5] == pytest.approx(10 * np.log10(0.5), abs=0.1)
    assert band_levels_db(sound, 16000)[5] == pytest.approx(10 * np.log10(0.5 * 0.05 / 0.9375), abs=0.1)  # over the fade


def test_a_lasting_sine_has_no_louder_moment_and_a_short_sound_one():
    lasting = sine(440, duration_s=1.0, sample_rate=16000, amplitude=1.0)
    assert moment_levels_db(lasting, 16000)[2] == pytest.approx(band_levels_db(lasting, 16000)[2], abs=0.01)
    assert moment_levels_db(lasting[:300], 16000).shape == (7,)
    assert moment_levels_db(np.full(16000, 0.3), 16000).tolist() == [-120.0] * 7
    with pytest.raises(ValueError, match="0 samples; ask for a part inside"):
        moment_levels_db([], 16000)


def test_bands_are_learned_of_moments_too():
    windows = [noise(1.0, sample_rate=16000, seed=seed) for seed in range(4)]
    levels_db = np.array([moment_levels_db(window, 16000) for window in windows])
    assert learn_bands(windows, 16000, levels=moment_levels_db).mean_db == pytest.approx(levels_db.mean(axis=0))


def test_bands_survive_as_plain_lists():
    kept = json.loads(json.dumps({name: np.asarray(value).tolist() for name, value in vars(BANDS).items()}))
    assert BandLevels(**kept).most_unlike([-30, -40, -42]) == BANDS.most_unlike([-30, -40, -42]) == (250, 500, 8)
