"""Features: how fast they are made beside other ways to make them, and by length of recording and number of threads.

Every function below is called in a process of its own by ``speed.py``. A window is 1 s, one every 0.5 s, at 44.1 kHz.
"""

import resource
import sys
import sysconfig
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
import scipy.fft
import soundfile
from numpy.lib.stride_tricks import sliding_window_view

from acoustic_nb.audio import load_recording
from acoustic_nb.features import extract_features
from acoustic_nb.synth import fault_sound, machine_sound

RATE = 44100
HOP = RATE // 2
N_FFT, FRAME_HOP = 2048, 512
LIBROSA_BATCH, FLOOR_BATCH = 32, 4  # windows at once; of 1 to 32 the fastest, or as fast as any
PART_S = 60.0  # for what is too slow for the whole recording
BENCH_PACKAGES = Path(sys.prefix) / "bench"


def write_pair(folder, duration_s):
    """Paths of a normal and an anomalous WAV file of the synthetic machine."""
    rng = np.random.SeedSequence(0).spawn(3)
    normal, anomalous = (machine_sound(duration_s, sample_rate=RATE, seed=seed) for seed in rng[:2])
    anomalous += 10 ** (5 / 20) * np.sqrt(np.mean(anomalous**2)) * fault_sound(duration_s, sample_rate=RATE, seed=rng[2])[0]
    paths = [str(Path(folder) / f"{name}.wav") for name in ("normal", "anomalous")]
    for path, sound in zip(paths, (normal, anomalous), strict=True):
        soundfile.write(path, sound, RATE, subtype="PCM_16")
    return paths


def write_long(path, source, duration_s):
    """An RF64 file, 16 bit: the sound of another again and again, each time begun elsewhere and up to 3 dB softer."""
    rng = np.random.default_rng(0)
    sound, _ = soundfile.read(source, dtype="float32")
    left = round(duration_s * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16", format="RF64") as file:
        while left > 0:
            piece = np.roll(sound, -rng.integers(len(sound)))[:left] * np.float32(10 ** (-3 * rng.random() / 20))
            file.write(piece)
            left -= len(piece)


def compare(path, rounds):
    """Seconds that each way needs per window, ``{way: [seconds, one per round]}``; ways that make the same must agree.

    Rounds go through all ways in turn, after one to warm up. ``ours`` reads the file, the others have the samples at hand.
    """
    recording = load_recording(path)
    windows = sliding_window_view(recording.samples, RATE)[::HOP]
    part = windows[:round((PART_S * RATE - RATE) / HOP) + 1]
    ways = {"loop": lambda: librosa_calls(part), "batches": lambda: librosa_batches(windows), "egemaps": egemaps(part),
            "floor": lambda: floor(windows), "ours": lambda: extract_features([recording]).values}
    counts = {way: len(part if way in ("loop", "egemaps") else windows) for way in ways}
    made = {way: make() for way, make in ways.items()}
    for way in ("loop", "batches"):
        np.testing.assert_allclose(made[way], made["ours"][:counts[way]], rtol=1e-4, atol=1e-3,
                                   err_msg=f"{way} and extract_features do not agree")
    seconds = {way: [] for way in ways}
    for _ in range(rounds):
        for way, make in ways.items():
            begun = time.perf_counter()
            make()
            seconds[way].append((time.perf_counter() - begun) / counts[way])
    return {"seconds": seconds, "n_windows": len(windows)}


def librosa_calls(windows):
    """The origin's way: five calls per window, each on the samples, so that four of them do an STFT of their own."""
    from librosa import feature

    rows = []
    for window in windows:
        mfcc = feature.mfcc(y=window, sr=RATE, n_mfcc=13)
        others = (feature.spectral_centroid(y=window, sr=RATE), feature.spectral_rolloff(y=window, sr=RATE),
                  feature.spectral_contrast(y=window, sr=RATE), feature.zero_crossing_rate(window))
        rows.append([*mfcc.mean(axis=1), *(other.mean() for other in others)])
    return np.array(rows)


def librosa_batches(windows):
    """The same numbers with librosa on some windows at once, and one STFT for all of them.

    librosa 0.11 lifts what is 80 dB below the loudest of the whole batch; in these recordings nothing is that faint.
    """
    import librosa

    pieces = []
    for first in range(0, len(windows), LIBROSA_BATCH):
        batch = windows[first:first + LIBROSA_BATCH]
        magnitude = np.abs(librosa.stft(batch))
        mel_db = librosa.power_to_db(librosa.feature.melspectrogram(S=magnitude**2, sr=RATE))
        of_frames = (librosa.feature.mfcc(S=mel_db, n_mfcc=13), librosa.feature.spectral_centroid(S=magnitude, sr=RATE),
                     librosa.feature.spectral_rolloff(S=magnitude, sr=RATE),
                     librosa.feature.spectral_contrast(S=magnitude, sr=RATE).mean(axis=-2, keepdims=True),
                     librosa.feature.zero_crossing_rate(batch))
        pieces.append(np.concatenate([each.mean(axis=-1) for each in of_frames], axis=1))
    return np.concatenate(pieces)


def find_bench_packages():
    """Let this process import what is installed beside the environment."""
    sys.path.append(sysconfig.get_path("purelib", sysconfig.get_preferred_scheme("prefix"), {"base": str(BENCH_PACKAGES)}))


def egemaps(windows):
    """A function that computes openSMILE's 88 eGeMAPSv02 functionals per window, without a table around each."""
    find_bench_packages()
    if not find_spec("opensmile"):
        raise ModuleNotFoundError(f"openSMILE is neither installed nor in {BENCH_PACKAGES}, but it is what features are compared "
                                  "with; `make bench` puts it there")
    import opensmile

    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals)
    return lambda: [smile(window, RATE) for window in windows]


def floor(windows):
    """What no way with an FFT can leave out: copy all frames times a Hann window, and transform them, in single precision."""
    hann = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    padded = np.zeros((FLOOR_BATCH, RATE + N_FFT), np.float32)
    frames = np.empty((FLOOR_BATCH, 1 + RATE // FRAME_HOP, N_FFT), np.float32)
    for first in range(0, len(windows), FLOOR_BATCH):
        now = slice(0, len(windows[first:first + FLOOR_BATCH]))
        padded[now, N_FFT // 2:-N_FFT // 2] = windows[first:first + FLOOR_BATCH]
        np.multiply(sliding_window_view(padded[now], N_FFT, axis=1)[:, ::FRAME_HOP], hann, out=frames[now])
        scipy.fft.rfft(frames[now], workers=2)


def peak_memory(path):
    """Peak resident MiB of this process after it has listened to a file and computed its features, and seconds of both."""
    begun = time.perf_counter()
    recording = load_recording(path)
    heard = time.perf_counter()
    extract_features([recording])
    ended = time.perf_counter()
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"mib": peak_bytes / 2**20, "listening_s": heard - begun, "features_s": ended - heard, "sound_s": recording.duration_s}


def window_seconds(path, minutes, rounds):
    """Median seconds per window for the first minutes of a file, ``{minutes: seconds}``; rounds go through all in turn."""
    recordings = {each: load_recording(path, end_s=60.0 * each) for each in minutes}
    extract_features([recordings[min(minutes)]])
    seconds = {each: [] for each in minutes}
    for _ in range(rounds):
        for each, recording in recordings.items():
            begun = time.perf_counter()
            n_windows = len(extract_features([recording]))
            seconds[each].append((time.perf_counter() - begun) / n_windows)
    return {each: median(values) for each, values in seconds.items()}
