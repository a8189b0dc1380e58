"""Datasets: which recordings a run works on. Here: one normal and one anomalous."""

import hashlib
import os
from pathlib import Path

from acoustic_nb.audio import AudioError, load_recording, require_duration, resampled
from acoustic_nb.features import contrast_bands, window_lengths
from acoustic_nb.splits import needed_duration_s
from acoustic_nb.synth import demo_pair

DEMO = "demo"


def load_pair(normal=DEMO, anomalous=DEMO, *, window_s=1.0, hop_s=0.5, seed=0):
    """The two recordings of a run, checked and at one sample rate.

    Parameters
    ----------
    normal, anomalous : str or path
        Audio files, or ``"demo"`` for both: synthetic recordings made from ``seed``.
    window_s, hop_s : float
        The windows they will be cut into; a recording too short for them is refused.
    seed : int
        Makes the demo; checked here for everything that will use it.

    Returns
    -------
    list of Recording
        Normal, anomalous. Where the rates differ, the higher one is resampled to the lower, and a line says so.

    Raises
    ------
    AudioError, ValueError
        One line that names the file, the rule and the way out.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed}")
    normal, anomalous = str(normal), str(anomalous)
    if (normal == DEMO) != (anomalous == DEMO):
        given, missing = (normal, "anomalous") if anomalous == DEMO else (anomalous, "normal")
        raise AudioError(f"{given}: has no {missing} recording to go with it; give both, or none for the demo")
    if normal == DEMO:
        pair = demo_pair(seed)
    else:
        names = distinct_names([normal, anomalous])
        pair = [load_recording(path, label=label, name=names[label]) for label, path in enumerate((normal, anomalous))]
    sample_rate = min(recording.sample_rate for recording in pair)
    try:
        contrast_bands(sample_rate)
    except ValueError as error:
        lowest = min(pair, key=lambda recording: recording.sample_rate)
        raise AudioError(f"{lowest.path}: {error}") from None
    window_lengths(sample_rate, window_s=window_s, hop_s=hop_s)
    for recording in pair:
        needed_s = needed_duration_s(recording.label, window_s=window_s, hop_s=hop_s, sample_rate=sample_rate)
        # a thousandth of a second for rounding: the rate may still change
        require_duration(recording, needed_s - 1e-3)
    if len({content_hash(recording) for recording in pair}) == 1:
        raise AudioError(f"{anomalous}: holds the same audio as {normal}; the two must be different recordings")
    for recording in pair:
        if recording.sample_rate != sample_rate:
            print(f"{recording.name}: resampled from {recording.sample_rate} Hz to {sample_rate} Hz, the lower of the two")
    return [resampled(recording, sample_rate) for recording in pair]


def content_hash(recording):
    """SHA-256 of the samples and their rate, as 64 hex digits: the same sound has the same one, whatever its file."""
    digest = hashlib.sha256(f"{recording.sample_rate}:".encode())
    digest.update(recording.samples)
    return digest.hexdigest()


def distinct_names(paths):
    """Names that tell recordings apart: file names without ending, or where these are equal, paths below the folder
    that all have in common.

    Examples
    --------
    >>> distinct_names(["rig/fine.wav", "rig/broken.wav"])
    ['fine', 'broken']
    >>> distinct_names(["rig/fine/ch1.wav", "rig/broken/ch1.wav"])
    ['fine/ch1', 'broken/ch1']
    """
    stems = [Path(path).stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    absolute = [os.path.abspath(path) for path in paths]
    if len(set(absolute)) < len(absolute):
        raise AudioError(f"{paths[0]}: is given twice; the recordings of a run must be different ones")
    try:
        common = os.path.commonpath(absolute)
    except ValueError:  # two drives have no folder in common
        return [Path(path).as_posix() for path in absolute]
    below = [Path(os.path.relpath(path, common)) for path in absolute]
    names = [path.with_suffix("").as_posix() for path in below]
    return names if len(set(names)) == len(names) else [path.as_posix() for path in below]
