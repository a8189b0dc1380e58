"""Demo recordings: a rotating machine, with and without a fault, made from a seed.

The machine is the same process in both: harmonics of a shaft frequency that wanders, broadband noise, a slow drift
of level and a load cycle. The anomalous one adds sparse clicks, whose times are known, and a faint rattle.
"""

import numpy as np

from acoustic_nb.audio import in_memory

SHAFT_HZ = 24.5
LOAD_PERIOD_S = 7.3
CLICKS_PER_S = 0.9
CLICK_HZ, CLICK_DECAY_S = 3100.0, 0.012
RATTLE_HZ, RATTLE_RATE_HZ = (1800.0, 2600.0), 11.0
RATTLE_BELOW_CLICKS_DB = 30.0


def demo_pair(seed=0, *, normal_s=120.0, anomalous_s=90.0, fault_db=5.0, sample_rate=16000):
    """A normal and an anomalous recording of one synthetic machine.

    Parameters
    ----------
    seed : int
        The same seed gives the same samples; the two recordings are different stretches of one process.
    normal_s, anomalous_s : float
        Lengths in seconds.
    fault_db : float
        Peak of a click in dB relative to the RMS of the machine, 0 or lower is hard to find. The rattle's RMS lies
        30 dB lower. ``-inf`` adds no fault: two recordings of the same process.
    sample_rate : int
        In Hz.

    Returns
    -------
    list of Recording
        Normal, anomalous; the anomalous one knows its ``event_times_s``.
    """
    streams = np.random.SeedSequence(seed).spawn(3)
    normal = machine_sound(normal_s, sample_rate=sample_rate, seed=streams[0])
    anomalous = machine_sound(anomalous_s, sample_rate=sample_rate, seed=streams[1])
    fault, event_times_s = fault_sound(anomalous_s, sample_rate=sample_rate, seed=streams[2])
    if np.isneginf(fault_db):
        event_times_s = ()
    anomalous = anomalous + 10 ** (fault_db / 20) * np.sqrt(np.mean(anomalous**2)) * fault
    return [_recording("demo_normal", 0, normal, sample_rate),
            _recording("demo_anomalous", 1, anomalous, sample_rate, event_times_s)]


def machine_sound(duration_s, *, sample_rate, seed):
    """A healthy machine, RMS about -26 dBFS: float64, shape (n_samples,)."""
    rng = np.random.default_rng(seed)
    n_samples = round(duration_s * sample_rate)
    time_s = np.arange(n_samples) / sample_rate
    load = 0.5 + 0.5 * np.sin(2 * np.pi * time_s / LOAD_PERIOD_S + rng.uniform(0, 2 * np.pi))
    wander = _slow_noise(duration_s, time_s, rng, step_s=2.0)
    drift = _slow_noise(duration_s, time_s, rng, step_s=12.0)
    shaft_hz = SHAFT_HZ * (1 - 0.012 * load + 0.004 * wander)
    phase = 2 * np.pi * np.cumsum(shaft_hz) / sample_rate
    # the phases belong to the machine, not to the recording: else every recording would have its own timbre
    hum = sum(np.sin(k * phase + 2.4 * k * k) / k**0.8 for k in range(1, 31))
    white = np.fft.rfft(rng.standard_normal(n_samples))
    frequency_hz = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    hiss = np.fft.irfft(white / np.sqrt(1 + (frequency_hz / 900.0) ** 2), n_samples)
    hiss *= (0.8 + 0.4 * load) * 10 ** (1.2 * wander / 20)
    sound = hum / hum.std() + 0.6 * hiss / hiss.std()
    return 0.05 * sound * 10 ** ((1.0 * drift + 1.5 * load) / 20)


def click_sound(*, sample_rate):
    """One click with a peak of 1 at its first sample, ringing for 0.12 s: shape (n_samples,). Its RMS lies 16 dB below 1."""
    time_s = np.arange(round(10 * CLICK_DECAY_S * sample_rate)) / sample_rate
    return np.exp(-time_s / CLICK_DECAY_S) * np.cos(2 * np.pi * CLICK_HZ * time_s)


def rattle_sound(n_samples, *, sample_rate, rng):
    """Band noise that comes and goes, of any level: shape (n_samples,)."""
    band, frequency_hz = np.fft.rfft(rng.standard_normal(n_samples)), np.fft.rfftfreq(n_samples, 1 / sample_rate)
    band[(frequency_hz < RATTLE_HZ[0]) | (frequency_hz > RATTLE_HZ[1])] = 0
    rattle = np.fft.irfft(band, n_samples)
    return rattle * np.clip(np.sin(2 * np.pi * RATTLE_RATE_HZ * np.arange(n_samples) / sample_rate), 0, None)


def fault_sound(duration_s, *, sample_rate, seed):
    """Clicks with a peak of 1 and the rattle below them: samples of shape (n_samples,) and the clicks' times in s."""
    rng = np.random.default_rng(seed)
    n_samples = round(duration_s * sample_rate)
    waits_s = 0.25 + rng.exponential(1 / CLICKS_PER_S - 0.25, size=2 * round(duration_s * CLICKS_PER_S) + 10)
    times_s = np.cumsum(waits_s)
    times_s = times_s[times_s < duration_s - 10 * CLICK_DECAY_S]
    click, sound = click_sound(sample_rate=sample_rate), np.zeros(n_samples)
    for start, strength in zip(np.rint(times_s * sample_rate).astype(int), rng.uniform(0.4, 1.0, len(times_s)),
                               strict=True):
        sound[start:start + len(click)] += strength * click
    rattle = rattle_sound(n_samples, sample_rate=sample_rate, rng=rng)
    sound += 10 ** (-RATTLE_BELOW_CLICKS_DB / 20) * rattle / rattle.std()
    return sound, tuple(float(time) for time in times_s)


def _slow_noise(duration_s, time_s, rng, *, step_s):
    knots_s = np.arange(-step_s, duration_s + 2 * step_s, step_s)
    return np.interp(time_s, knots_s, rng.standard_normal(len(knots_s)))


def _recording(name, label, sound, sample_rate, event_times_s=()):
    samples = sound.astype(np.float32)
    samples.flags.writeable = False
    return in_memory(samples, name=name, label=label, sample_rate=sample_rate, event_times_s=event_times_s)
