"""Memory and time of a run over many clips: peak resident memory by process, for growing numbers of clips of 10 s.

    python benchmarks/many_clips.py 100 1000

The clips are made anew, a DCASE 2022 tree of one machine with two sections and two domains: four fifths train, one tenth
normal and one tenth anomalous test. Each run is a process of its own; memory is looked at ten times a second.
"""

import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import soundfile

from acoustic_nb.cache import FOLDER_VARIABLE
from acoustic_nb.machine import cores, versions
from acoustic_nb.synth import fault_sound, machine_sound

RATE = 16000


def write_clip(path, seed, is_faulty):
    sound = machine_sound(10.0, sample_rate=RATE, seed=seed)
    if is_faulty:
        sound = sound + 2.5 * np.sqrt(np.mean(sound**2)) * fault_sound(10.0, sample_rate=RATE, seed=seed + 10**6)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE)


def write_tree(folder, n_clips):
    kinds = [(section, domain) for section in ("00", "01") for domain in ("source", "target")]
    with ProcessPoolExecutor(cores()) as pool:
        for number in range(n_clips):
            section, domain = kinds[number % 4]
            part, label = ("train", "normal") if number % 10 < 8 else ("test", ("normal", "anomaly")[number % 10 - 8])
            name = f"section_{section}_{domain}_{part}_{label}_{number:04d}_speed_1.wav"
            pool.submit(write_clip, folder / "fan" / part / name, number, label == "anomaly")


def peak_memory(command, cache):
    """Peak resident MiB of the runner, and of the largest kernel, and seconds, of a run with a cache folder of its own."""
    begun, peaks = time.monotonic(), {"runner": 0, "kernel": 0}
    runner = psutil.Popen(command, env={**os.environ, FOLDER_VARIABLE: cache})
    while runner.poll() is None:
        try:
            peaks["runner"] = max(peaks["runner"], runner.memory_info().rss)
            for process in runner.children(recursive=True):
                if "ipykernel_launcher" in " ".join(process.cmdline()):
                    peaks["kernel"] = max(peaks["kernel"], process.memory_info().rss)
        except psutil.Error:  # it has ended since it was listed
            pass
        time.sleep(0.1)
    if runner.returncode:
        sys.exit(f"the run ended with exit status {runner.returncode}")
    return {name: peak / 2**20 for name, peak in peaks.items()} | {"seconds": time.monotonic() - begun}


def main(sizes):
    """Print one row per number of clips."""
    print(f"{platform.platform()}, {cores()} cores, Python {platform.python_version()}, acoustic_nb {versions()['acoustic-nb']}\n")
    rows = ["| clips of 10 s | runner, peak MiB | largest kernel, peak MiB | whole run, s |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        for n_clips in sizes:
            data = Path(folder) / str(n_clips)
            write_tree(data, n_clips)
            peak = peak_memory([sys.executable, "-m", "acoustic_nb.cli", "run", "--dataset", str(data),
                                "--runs-dir", f"{folder}/runs"], f"{folder}/cache")
            rows.append(f"| {n_clips:,} | {peak['runner']:.0f} | {peak['kernel']:.0f} | {peak['seconds']:.0f} |")
    print("\n".join(rows))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100, 1000])
