"""Sounds and tables whose numbers are known without the code."""

import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest

from acoustic_nb.audio import Recording, in_memory
from acoustic_nb.features import FeatureTable
from acoustic_nb.framing import contrast_bands

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the real recordings are not at {RECORDINGS}")


def sine(frequency_hz, *, duration_s=3.0, sample_rate=22050, amplitude=0.5):
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def noise(duration_s=3.0, *, sample_rate=22050, amplitude=0.1, seed=0):
    return (amplitude * np.random.default_rng(seed).standard_normal(round(duration_s * sample_rate))).astype(np.float32)


def as_recording(samples, *, sample_rate=22050, label=0, name="sound", **more):
    return in_memory(samples, name=name, label=label, sample_rate=sample_rate, path=f"{name}.wav", **more)


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


def recordings_of(table, **more):
    """Recordings that a table of windows could be of: all is known of them but their sound; ``more`` as fields by name."""
    recordings = []
    for name in dict.fromkeys(table.recording.tolist()):
        rows = table.recording == name
        recordings.append(Recording(
            name=name, label=int(table.recording_label[rows][0]), path=f"/nowhere/{name}.wav", sample_rate=table.sample_rate,
            native_sample_rate=table.sample_rate, n_frames=round(table.end_s[rows].max() * table.sample_rate),
            **{field: of_name[name] for field, of_name in more.items() if name in of_name}))
    return recordings


def random_table(n_windows, *, label=0, name="normal", n_features=17, seed=0, window_s=1.0, hop_s=0.5, shift=0.0, held=None):
    """Gaussian features of neighbouring windows; ``mfcc_1`` and ``level_db`` are there for the controls.

    ``label`` is the recording's, and the windows' too where ``held`` does not say what each of them holds.
    """
    rng = np.random.default_rng(seed)
    start_s = np.arange(n_windows) * hop_s
    return FeatureTable(
        values=rng.standard_normal((n_windows, n_features)) + shift,
        feature_names=tuple(f"mfcc_{k + 1}" for k in range(n_features)),
        label=np.full(n_windows, label) if held is None else np.array(held), recording_label=np.full(n_windows, label),
        recording=np.full(n_windows, name), start_s=start_s, end_s=start_s + window_s,
        level_db=rng.standard_normal(n_windows) - 30, window_s=window_s, hop_s=hop_s, sample_rate=22050)
