"""Recordings: sound read from a file, checked once, where it enters.

Samples are float32, mono (the mean of the channels), between -1 and 1 at full scale (0 dBFS); times are
seconds from the start of the file. A label is 0 for normal and 1 for anomalous.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from acoustic_nb.quiet import quiet_stderr

LABEL_NAMES = ("normal", "anomalous")
LOUDEST = 1e6


class AudioError(ValueError):
    """A file that cannot be used as a recording; the message names the file, the rule and the way out."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording of one machine state.

    Attributes
    ----------
    name : str
        What the recording is called in tables and plots; unique within a run.
    label : int
        0 normal, 1 anomalous.
    sample_rate : int
        In Hz.
    samples : ndarray of float32, shape (n_samples,)
        Mono; read-only.
    path : str
        Where it came from; ``"demo"`` for a synthetic one.
    native_sample_rate : int
        The rate in the file, before any resampling.
    event_times_s : tuple of float
        Known times of planted events; empty where nobody knows them.
    """

    name: str
    label: int
    sample_rate: int
    samples: np.ndarray
    path: str
    native_sample_rate: int
    event_times_s: tuple = ()

    @property
    def duration_s(self):
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def facts(self):
        """What identifies the recording, without its samples: a dict of JSON types."""
        return {"name": self.name, "label": LABEL_NAMES[self.label], "path": self.path, "sample_rate": self.sample_rate,
                "native_sample_rate": self.native_sample_rate, "duration_s": self.duration_s}

    def part(self, start_s, duration_s):
        """Samples from ``start_s`` on, at most ``duration_s`` long; shorter where the recording ends."""
        first = max(0, round(start_s * self.sample_rate))
        return self.samples[first:first + round(duration_s * self.sample_rate)]


def load_recording(path, *, label=0, name=None, min_duration_s=0.0):
    """Read an audio file at its native rate, as mono.

    Parameters
    ----------
    path : str or path
        Any format that soundfile reads: WAV, FLAC, Ogg, Opus, MP3, AIFF, ...
    label : int
        0 normal, 1 anomalous.
    name : str, optional
        By default the file's name without its ending.
    min_duration_s : float
        A shorter recording is refused.

    Returns
    -------
    Recording

    Raises
    ------
    AudioError
        If the file is missing, a folder, undecodable, empty, too short, digitally silent, or holds NaN or
        infinite samples.
    """
    path = Path(path)
    samples, sample_rate = _decode(path)
    if not len(samples):
        raise AudioError(f"{path}: holds no samples (zero frames); record it again or export it anew")
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(f"{path}: {bad} of {len(samples)} samples are NaN or infinite, and every sample must be "
                         "a finite number; export the file again, for example as 16-bit WAV")
    duration_s = len(samples) / sample_rate
    if samples.min() == samples.max():
        raise AudioError(f"{path}: digital silence, all {duration_s:.1f} s hold one value; a recording needs sound, "
                         "check microphone and channel")
    if max(samples.max(), -samples.min()) > LOUDEST:
        raise AudioError(f"{path}: samples reach {max(samples.max(), -samples.min()):.3g}, but full scale is 1 and {LOUDEST:g} the "
                         "most that features can be computed of; scale the recording, or check its sample format")
    samples.flags.writeable = False
    recording = Recording(name=name or path.stem, label=label, sample_rate=sample_rate, samples=samples, path=str(path),
                          native_sample_rate=sample_rate)
    require_duration(recording, min_duration_s)
    return recording


def require_duration(recording, needed_s):
    """Refuse a recording that is shorter than ``needed_s`` with an AudioError that says how much is missing."""
    if recording.duration_s < needed_s:
        raise AudioError(f"{recording.path}: lasts {recording.duration_s:.1f} s but {needed_s:.1f} s are needed, "
                         f"{needed_s - recording.duration_s:.1f} s are missing; record longer or use a shorter window_s")


def resampled(recording, sample_rate):
    """The same recording at another rate (soxr, high quality); itself where the rate is already that one."""
    if recording.sample_rate == sample_rate:
        return recording
    import soxr

    samples = soxr.resample(recording.samples, recording.sample_rate, sample_rate)
    samples.flags.writeable = False
    return replace(recording, samples=samples, sample_rate=sample_rate)


def _decode(path):
    import soundfile

    if path.is_dir():
        raise AudioError(f"{path}: is a folder, but one audio file is needed; name a file in it")
    if not path.exists():
        raise AudioError(f"{path}: no such file; check the path (the current folder is {os.getcwd()})")
    if not os.access(path, os.R_OK):
        raise AudioError(f"{path}: may not be read by this user; change its permissions")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: is an empty file of 0 bytes; copy or record it again")
    try:
        # blocks, because a broken header can claim hours that the file does not hold
        with quiet_stderr(), soundfile.SoundFile(path) as file:
            sample_rate = file.samplerate
            blocks = list(_mono_blocks(file))
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OSError, MemoryError) as error:
        raise AudioError(f"{path}: cannot be decoded ({_reason(error)}); {_way_out(path)}") from error
    return (np.concatenate(blocks) if blocks else np.zeros(0, np.float32)), sample_rate


def _mono_blocks(file, frames=1 << 20):
    while len(block := file.read(frames, dtype="float32", always_2d=True)):
        yield block.mean(axis=1, dtype=np.float32)


def _reason(error):
    text = " ".join(str(error).split())
    return text.split(": ", 1)[1] if text.startswith("Error opening") and ": " in text else text


def _way_out(path):
    command = f'ffmpeg -i "{path.name}" "{path.stem}.wav"'
    if path.suffix.lower() in (".raw", ".pcm"):
        return ("a raw file does not say its rate and format; write them into a WAV header, "
                f'for example ffmpeg -f s16le -ar 44100 -ac 1 -i "{path.name}" "{path.stem}.wav"')
    return f"convert it to WAV, for example {command}"
