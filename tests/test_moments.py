"""Moments: events put into sound at times that are known, and sound in which nothing stands out."""

from functools import cache

import numpy as np
import pytest
import soundfile
from sounds import as_recording, noise

from acoustic_nb.audio import load_recording
from acoustic_nb.moments import Moment, refine
from acoustic_nb.octaves import band_edges_hz
from acoustic_nb.synth import click_sound, machine_sound

RATE, LENGTH_S = 16000, 30.0
BAND = {"low_hz": 2000, "high_hz": 4000}


@cache
def machine(seed=0):
    return machine_sound(LENGTH_S, sample_rate=RATE, seed=seed)


def band_noise(duration_s, amplitude, low_hz=2000, high_hz=4000, seed=9):
    """Noise in a band, its RMS ``amplitude``, beginning and ending at once."""
    n_samples = round(duration_s * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n_samples))
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / RATE)
    spectrum[(frequency_hz < low_hz) | (frequency_hz > high_hz)] = 0
    sound = np.fft.irfft(spectrum, n_samples)
    return amplitude * sound / sound.std()


def with_sound(sound, at_s, added):
    mixed, first = sound.copy(), round(at_s * RATE)
    mixed[first:first + len(added)] += added
    return mixed


class Part:
    """Samples as ``Recording.part`` gives them; what it was asked is kept."""

    def __init__(self, sound):
        self.sound, self.asked = sound, []

    def __call__(self, start_s, duration_s):
        assert start_s >= 0
        assert start_s + duration_s <= len(self.sound) / RATE + 1e-9
        self.asked.append((start_s, duration_s))
        return self.sound[round(start_s * RATE):round((start_s + duration_s) * RATE)]


def placed(sound, start_s, end_s, *, peak_start_s=None, window_s=1.0, last_s=LENGTH_S, **band):
    peak_start_s = start_s if peak_start_s is None else peak_start_s
    return refine(Part(sound), RATE, start_s=start_s, end_s=end_s, peak_start_s=peak_start_s, window_s=window_s, last_s=last_s,
                  **{**BAND, **band})


def unrefined(start_s, end_s, peak_s):
    return Moment(start_s, end_s, peak_s, False)


@pytest.mark.parametrize("band", [BAND, {"low_hz": 0, "high_hz": 125}, {"low_hz": 0, "high_hz": 8000}])
def test_a_click_is_placed_whatever_band_is_named(band):
    amplitude = 0.2 if band == BAND else 1.0  # in all frequencies the hum hides a faint one
    sound = with_sound(machine(), 12.345, amplitude * click_sound(sample_rate=RATE))
    moment = placed(sound, 11.5, 13.0, peak_start_s=12.0, **band)  # windows from 11.5 and 12.0 s hold it
    assert moment.refined
    assert moment.start_s == pytest.approx(12.345, abs=0.02)
    assert moment.peak_s == pytest.approx(12.345, abs=0.02)
    assert moment.start_s < moment.peak_s < moment.end_s < 12.345 + 0.12


def test_the_band_finds_what_all_frequencies_hide():
    sound = with_sound(machine(), 12.345, 0.2 * click_sound(sample_rate=RATE))
    assert placed(sound, 11.5, 13.0).refined
    assert not placed(sound, 11.5, 13.0, low_hz=250, high_hz=500).refined


@pytest.mark.parametrize("seed", range(5))
def test_a_burst_is_placed_at_both_ends(seed):
    sound = with_sound(machine(seed), 12.2, band_noise(0.4, 0.05))
    moment = placed(sound, 11.5, 13.5, peak_start_s=12.0)
    assert moment.refined
    assert moment.start_s == pytest.approx(12.2, abs=0.03)
    assert moment.end_s == pytest.approx(12.6, abs=0.03)
    assert 12.2 <= moment.peak_s <= 12.6


def test_a_burst_across_three_windows_that_do_not_overlap():
    sound = with_sound(machine(), 11.7, band_noise(1.6, 0.05))
    moment = placed(sound, 11.0, 14.0, peak_start_s=12.0)
    assert moment.refined
    assert (moment.start_s, moment.end_s) == pytest.approx((11.7, 13.3), abs=0.03)
    assert 12.0 <= moment.peak_s < 13.0  # in the highest window


def test_a_burst_that_reaches_a_little_over_its_window_begins_with_it():
    sound = with_sound(machine(), 11.95, band_noise(0.4, 0.05))
    moment = placed(sound, 12.0, 13.0)
    assert moment.refined
    assert moment.start_s == pytest.approx(12.0, abs=0.005)
    assert moment.end_s == pytest.approx(12.35, abs=0.03)


@pytest.mark.parametrize(("at_s", "windows"), [(0.0, (0.0, 1.0)), (29.6, (29.0, 30.0))])
def test_an_event_at_the_very_ends_of_the_recording(at_s, windows):
    sound = with_sound(machine(), at_s, band_noise(0.4, 0.1))
    moment = placed(sound, *windows)
    assert moment.refined
    assert (moment.start_s, moment.end_s) == pytest.approx((at_s, at_s + 0.4), abs=0.02)
    assert 0 <= moment.start_s < moment.end_s <= LENGTH_S


def test_a_low_thud_is_placed_as_closely_as_its_band_allows():
    sound = with_sound(noise(LENGTH_S, sample_rate=RATE, amplitude=0.02), 12.2, band_noise(0.4, 0.1, 40, 110))
    moment = placed(sound, 11.5, 13.5, peak_start_s=12.0, low_hz=0, high_hz=125)
    assert moment.refined
    assert (moment.start_s, moment.end_s) == pytest.approx((12.2, 12.6), abs=0.04)


def test_a_loud_hum_below_a_narrow_band_hides_nothing_in_it():
    hum = 0.3 * np.sin(2 * np.pi * 50 * np.arange(round(LENGTH_S * RATE)) / RATE)
    sound = with_sound(hum + noise(LENGTH_S, sample_rate=RATE, amplitude=0.002), 12.2, band_noise(0.4, 0.02, 150, 230))
    moment = placed(sound, 11.5, 13.5, peak_start_s=12.0, low_hz=125, high_hz=250)
    assert moment.refined
    assert (moment.start_s, moment.end_s) == pytest.approx((12.2, 12.6), abs=0.04)


def coloured(exponent, seed):
    """Steady noise whose power falls as frequency ** -exponent: white, pink, brown."""
    n_samples = round(LENGTH_S * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n_samples))
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / RATE)
    spectrum /= np.maximum(frequency_hz, 5) ** (exponent / 2)
    sound = np.fft.irfft(spectrum, n_samples)
    return 0.1 * sound / sound.std()


@pytest.mark.parametrize("windows", [(5.0, 6.5), (0.0, 1.0)])
@pytest.mark.parametrize("sound", [lambda seed: coloured(0, seed), lambda seed: coloured(1, seed), lambda seed: coloured(2, seed),
                                   machine], ids=["white", "pink", "brown", "machine"])
def test_in_steady_sound_nothing_stands_out(sound, windows):
    edges = band_edges_hz(RATE)
    for seed in range(4):
        steady = sound(seed)
        for low_hz, high_hz in zip(edges, edges[1:], strict=False):
            assert placed(steady, *windows, low_hz=low_hz, high_hz=high_hz) == unrefined(*windows, windows[0] + 0.5)


def test_a_drop_in_level_is_left_as_it_is():
    sound = machine().copy()
    sound[round(12.2 * RATE):round(12.8 * RATE)] *= 0.1
    assert placed(sound, 11.5, 13.5, peak_start_s=12.0) == unrefined(11.5, 13.5, 12.5)


def test_an_event_that_goes_on_beyond_its_windows_is_left_as_it_is():
    sound = with_sound(machine(), 12.2, band_noise(10.0, 0.05))
    assert placed(sound, 11.5, 13.5, peak_start_s=12.0) == unrefined(11.5, 13.5, 12.5)


def test_an_event_that_fills_its_windows_has_nothing_to_refine():
    sound = with_sound(machine(), 12.0, band_noise(2.0, 0.05))
    assert placed(sound, 12.0, 14.0) == unrefined(12.0, 14.0, 12.5)


@pytest.mark.parametrize(("at_s", "peak_start_s"), [(11.6, 11.5), (13.2, 13.0)])
def test_start_end_and_peak_must_all_be_heard(at_s, peak_start_s):
    # flagged from 11.5 to 14 s, but the sound is only in the first, or only in the last window
    sound = with_sound(machine(), at_s, band_noise(0.2, 0.05))
    assert placed(sound, 11.5, 14.0, peak_start_s=peak_start_s) == unrefined(11.5, 14.0, peak_start_s + 0.5)
    both = with_sound(with_sound(machine(), 11.6, band_noise(0.2, 0.05)), 13.2, band_noise(0.2, 0.05))
    assert placed(both, 11.5, 14.0, peak_start_s=12.1) == unrefined(11.5, 14.0, 12.6)  # nothing from 12.1 to 13.1 s
    assert placed(both, 11.5, 14.0, peak_start_s=13.0).refined


def test_blows_of_the_machine_itself_do_not_stand_out():
    # 60 ms of every 400 ms are blows, in normal sound too
    blows = machine().copy()
    for at_s in np.arange(0.1, 29.5, 0.4):
        blows = with_sound(blows, at_s, band_noise(0.06, 0.05))
    assert placed(blows, 11.5, 13.5, peak_start_s=12.0) == unrefined(11.5, 13.5, 12.5)


def test_without_sound_around_there_is_nothing_to_compare_with():
    sound = with_sound(machine(), 0.3, band_noise(0.4, 0.1))
    assert placed(sound[:RATE], 0.0, 1.0, last_s=1.0) == unrefined(0.0, 1.0, 0.5)
    assert placed(sound[:round(1.3 * RATE)], 0.0, 1.0, last_s=1.3) == unrefined(0.0, 1.0, 0.5)
    assert placed(sound[:2 * RATE], 0.0, 1.0, last_s=2.0).refined
    assert placed(np.zeros(30 * RATE), 5.0, 6.0, low_hz=0, high_hz=8000) == unrefined(5.0, 6.0, 5.5)


def test_the_part_of_a_recording_that_does_not_begin_with_its_file(tmp_path):
    sound = with_sound(machine(), 12.345, 0.2 * click_sound(sample_rate=RATE)).astype(np.float32)
    soundfile.write(tmp_path / "Lüfter.wav", sound, RATE, subtype="FLOAT")
    recording = load_recording(tmp_path / "Lüfter.wav", start_s=11.9)
    moment = refine(recording.part, RATE, start_s=11.9, end_s=12.9, peak_start_s=11.9, window_s=1.0, first_s=recording.start_s,
                    last_s=recording.end_s, **BAND)
    assert moment.refined
    assert moment.peak_s == pytest.approx(12.345, abs=0.02)
    in_memory = as_recording(sound, sample_rate=RATE)
    assert refine(in_memory.part, RATE, start_s=11.5, end_s=13.0, peak_start_s=12.0, window_s=1.0, **BAND).peak_s == pytest.approx(
        12.345, abs=0.02)


class HourLong(Part):
    """Two hours of hiss, ten times louder from 1800.3 to 5400.7 s and loudest at 3000.2 s, made where it is asked for."""

    def __init__(self):
        super().__init__(None)

    def __call__(self, start_s, duration_s):
        self.asked.append((start_s, duration_s))
        time_s = start_s + np.arange(round(duration_s * RATE)) / RATE
        loud = np.where((time_s >= 1800.3) & (time_s < 5400.7), 10.0, 1.0) * np.where(np.abs(time_s - 3000.2) < 0.01, 10.0, 1.0)
        return 0.001 * loud * np.random.default_rng(round(start_s)).standard_normal(len(time_s))


def test_an_event_of_an_hour_is_read_for_seconds():
    part = HourLong()
    moment = refine(part, RATE, start_s=1799.5, end_s=5401.5, peak_start_s=2999.5, window_s=1.0, last_s=7200.0, **BAND)
    assert moment.refined
    assert (moment.start_s, moment.peak_s, moment.end_s) == pytest.approx((1800.3, 3000.2, 5400.7), abs=0.02)
    assert part.asked == [(1798.5, 2.0), (2999.5, 1.0), (5400.5, 2.0)]


def test_long_windows_are_read_piece_by_piece():
    part = HourLong()
    moment = refine(part, RATE, start_s=1740.0, end_s=5430.0, peak_start_s=2970.0, window_s=90.0, last_s=7200.0, **BAND)
    assert (moment.start_s, moment.peak_s, moment.end_s) == pytest.approx((1800.3, 3000.2, 5400.7), abs=0.02)
    assert max(duration_s for _, duration_s in part.asked) == 20.0
    assert sum(duration_s for _, duration_s in part.asked) == pytest.approx(3 * 90 + 2)


@pytest.mark.parametrize(("low_hz", "high_hz"), [(4000, 2000), (8000, 9000), (-1, 100)])
def test_a_band_without_frequencies_is_refused(low_hz, high_hz):
    with pytest.raises(ValueError, match="give one of octaves.band_edges_hz"):
        placed(machine(), 5.0, 6.0, low_hz=low_hz, high_hz=high_hz)
