"""Players: sound in a notebook or report that keeps what is loud and what is quiet.

One linear gain serves all players of a report, so two clips differ in loudness exactly as the recordings do.
A player is HTML with the sound inside it, as mono MP3: it needs no other file and no network. The notebooks of a run play the
same parts, so what was encoded once is kept in the cache.
"""

import base64
import io
from html import escape

import numpy as np
from IPython.display import HTML

from acoustic_nb.cache import entry_key, stored

MADE_BY = ("audio", "players")
MAX_PLAYER_S = 30.0
PEAK_DBFS = -1.0
MAX_GAIN_DB = 40.0
FADE_S = 0.005
STEADY_S = 30.0
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def player_gain(recordings):
    """The one linear gain for every player of a report.

    Parameters
    ----------
    recordings : sequence of Recording
        All that will be heard together; at least one.

    Returns
    -------
    float
        Brings the highest peak of them all to -1 dBFS; at most +40 dB, so that near silence is not blown up into
        noise. Below 1 where that peak is already higher.
    """
    if not recordings:
        raise ValueError("player_gain needs at least one recording, got none; give all that the report plays")
    peak = max(recording.audit["peak"] for recording in recordings)
    return float(10 ** (min(PEAK_DBFS - _db(peak), MAX_GAIN_DB) / 20))


def player(recording, *, start_s=None, duration_s=MAX_PLAYER_S, gain, title):
    """A figure with a caption and an audio control for a part of a recording.

    Parameters
    ----------
    recording : Recording
    start_s, duration_s : float
        The part to hear, in seconds of the file, by default from the recording's start; at most 30 s, and it ends where the
        recording ends. No more than that part is read. Both ends are faded over 5 ms, or cutting the sound would add clicks of
        its own.
    gain : float
        Linear, from ``player_gain``; the same for all players that are compared. The caption states it in dB.
    title : str
        Plain text.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    ValueError
        If the part lies outside the recording, or the gain is not positive.
    """
    sound, start_s, end_s = embedded_sound(recording, start_s=start_s, duration_s=min(duration_s, MAX_PLAYER_S), gain=gain)
    times = f"{start_s:.1f} s to {end_s:.1f} s{_clock(start_s)} of {recording.name}, gain {_db(gain):+.1f} dB"
    # <audio src>, not <source>: JupyterLab strips the latter from notebooks it does not trust
    return HTML(f'<figure class="player" style="margin:0"><figcaption><strong>{escape(str(title))}</strong><br>'
                f'<span>{escape(times)}</span></figcaption><audio controls preload="none" '
                f'aria-label="{escape(str(title))}" src="{sound}"></audio></figure>')


def embedded_sound(recording, *, start_s=None, duration_s, gain):
    """A part of a recording, of any length that fits into memory, as an address that holds it as MP3.

    Parameters
    ----------
    recording, start_s, duration_s, gain
        As for ``player``, but the part may be longer than 30 s.

    Returns
    -------
    (str, float, float)
        The address, and start and end of the part that it holds, in seconds of the file.

    Raises
    ------
    ValueError
        If the part lies outside the recording, or the gain is not positive.
    """
    if not np.isfinite(gain) or gain <= 0:
        raise ValueError(f"gain must be a positive linear factor, got {gain}; take it from player_gain")
    start_s = recording.start_s if start_s is None else max(recording.start_s, start_s)
    samples = recording.part(start_s, duration_s) if duration_s > 0 else ()
    if not len(samples):
        raise ValueError(f"{recording.name}: there is no sound in the {duration_s:g} s from {start_s:g} s on, it goes from "
                         f"{recording.start_s:.1f} to {recording.end_s:.1f} s; choose a part inside it (are both in seconds?)")
    end_s = start_s + len(samples) / recording.sample_rate
    heard = {"from_s": float(start_s - recording.start_s), "n_samples": len(samples), "gain": float(gain)}
    sound = stored(f"player-{entry_key([recording], heard, MADE_BY)}",
                   lambda: {"mp3": _mp3(_faded(samples * gain, recording.sample_rate), recording.sample_rate)})["mp3"]
    return f"data:audio/mpeg;base64,{base64.b64encode(sound).decode()}", start_s, end_s


def players(several):
    """Several players side by side, below each other where the page is narrow."""
    inside = "".join(one.data for one in several)
    return HTML(f'<div class="players" style="display:flex;flex-wrap:wrap;gap:1rem 2rem">{inside}</div>')


def _clock(start_s):
    """Where a part begins as a clock says it, beyond ten minutes, for figures of long recordings show minutes or hours."""
    minutes, seconds = divmod(int(start_s), 60)
    clock = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} h" if minutes >= 60 else f"{minutes}:{seconds:02d} min"
    return f" (from {clock} on)" if minutes >= 10 else ""


def _faded(samples, sample_rate):
    ramp = np.linspace(0, 1, min(round(FADE_S * sample_rate), len(samples) // 2), endpoint=False, dtype=np.float32)
    faded = samples.astype(np.float32)
    faded[:len(ramp)] *= ramp
    faded[len(faded) - len(ramp):] *= ramp[::-1]
    return faded


def _mp3(samples, sample_rate):
    """The file's bytes, an array of uint8: what takes longest of a player, 12 ms per second of sound.

    What is longer than 30 s gets a constant bit rate, 64 kbit/s at 16 kHz, 80 at 48 kHz: in ten minutes of a varying one Chromium
    156 landed up to a second beside the time that it was to play from. At lower rates LAME has no room to say how much silence it
    put before the sound, which then comes up to 0.14 s late.
    """
    import soundfile
    import soxr

    if sample_rate not in MP3_RATES_HZ:
        rate_hz = next((rate for rate in MP3_RATES_HZ if rate > sample_rate), MP3_RATES_HZ[-1])
        samples, sample_rate = soxr.resample(samples, sample_rate, rate_hz), rate_hz
    file, steady = io.BytesIO(), {"bitrate_mode": "CONSTANT", "compression_level": 0.6 if sample_rate < 32000 else 0.85}
    soundfile.write(file, np.clip(samples, -1, 1), sample_rate, format="MP3", subtype="MPEG_LAYER_III",
                    **(steady if len(samples) > STEADY_S * sample_rate else {}))
    return np.frombuffer(file.getvalue(), np.uint8)


def _db(factor):
    return 20 * np.log10(max(factor, 1e-12))
