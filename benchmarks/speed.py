"""Speed and memory: features, networks, the whole run, recordings of growing length, and threads, in one Markdown table.

    python -m benchmarks.speed [--hours 24] [--rounds 3] [--parts features networks run length threads]

Run it from the folder of the project, as ``make bench`` does after it has installed openSMILE; as a file it would not run, since
``coverage.py`` beside it has the name of a package that numba looks for. All sound is made anew, from seeds, in the system's folder
for temporary files; 24 h need 8 GB there. Each part has a process of its own, and what is compared is timed in turn, round by
round. Numbers are medians over the rounds, in brackets the lowest and the highest. A part that fails ends the benchmark.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from unittest.mock import patch

from acoustic_nb.cache import FOLDER_VARIABLE
from acoustic_nb.machine import cores, git_commit, versions
from acoustic_nb.workers import kernel_environment
from benchmarks import feature_speed, network_speed

PAIR_S = 300.0
MINUTES = (1, 2, 5, 10)
THREADS = (1, 2)
# librosa's matrix products are small: a second thread makes them no faster, and on a busy machine up to four times slower
ONE_BLAS_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "MKL", "VECLIB")}
FEATURE_ROUNDS = 3  # for each of the others: they are short
BYTES_PER_HOUR = 3600 * feature_speed.RATE * 2
PARTS = ("features", "networks", "run", "length", "threads")
SHOWN_VERSIONS = ("python", "acoustic-nb", "numpy", "scipy", "librosa", "numba", "tensorflow", "keras")


def main():
    """Measure the parts that were asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Print one table of speed and memory.")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the longest recording (default: 24)")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything but the long recordings is timed (default: 3)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    arguments = parser.parse_args()
    begun, load = time.monotonic(), os.getloadavg()[0]
    rows = []
    with tempfile.TemporaryDirectory(prefix="acoustic_nb_speed") as folder:
        tell("making two recordings of 5 min")
        pair = apart(feature_speed.write_pair, folder, PAIR_S)
        measured = {"features": lambda: features(pair, FEATURE_ROUNDS * arguments.rounds),
                    "networks": lambda: networks(pair, arguments.rounds),
                    "run": lambda: whole_run(pair, Path(folder), arguments.rounds),
                    "length": lambda: lengths(pair, Path(folder), arguments.hours),
                    "threads": lambda: threads(pair, Path(folder), arguments.rounds)}
        for part in arguments.parts:
            rows += measured[part]()
    print(header(load, arguments, time.monotonic() - begun))
    print("\n| what | measured | beside it | aim |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def features(pair, rounds):
    """Rows on the ways to make features of 5 min."""
    tell(f"features, five ways, {rounds} rounds")
    found = apart(feature_speed.compare, pair[0], rounds, environment=ONE_BLAS_THREAD)
    seconds, n_windows = found["seconds"], found["n_windows"]
    names = {"loop": f"librosa as the origin calls it, per window (on {feature_speed.PART_S:g} s)",
             "batches": f"librosa on {feature_speed.LIBROSA_BATCH} windows at once, one STFT",
             "egemaps": f"openSMILE, 88 eGeMAPSv02 functionals: other features, for scale only (on {feature_speed.PART_S:g} s)",
             "floor": "the floor: frames times Hann, float32 FFT, 2 workers", "ours": "`extract_features`, file to table, no cache"}
    rows = []
    for way, name in names.items():
        faster = ratios(seconds["loop"], seconds[way])
        speed = PAIR_S / (n_windows * median(seconds[way]))
        rows.append([f"features of 5 min: {name}", f"{n_windows * median(seconds[way]):.2f} s, {speed:,.0f} times real time",
                     "" if way == "loop" else f"{between(faster, '.1f')} times the loop's speed",
                     "at least 15 (12)" if way == "ours" else ""])
    slower = ratios(seconds["ours"], seconds["floor"])
    rows.append(["`extract_features` against the floor", "", f"{between(slower, '.2f')} times the floor's time", "at most 2.5 (3)"])
    return rows


def networks(pair, rounds):
    """Rows on ``fit`` of the three networks."""
    tell(f"networks, {rounds} rounds")
    rows = []
    for name, found in apart(network_speed.compare, pair, rounds, environment=kernel_environment(max(1, cores() // 2))).items():
        ours, plain = ([one[f"{whose}_s"] / one[steps] for one in found] for whose, steps in (("ours", "steps"),
                                                                                           ("plain", "plain_steps")))
        rows.append([f"{name}: `fit`, {found[0]['epochs']:,} epochs, {found[0]['steps']:,} steps",
                     f"{between([one['ours_s'] for one in found], '.1f')} s, {1e3 * median(ours):.2f} ms per step",
                     f"{between(ratios(plain, ours), '.1f')} times the speed of Keras batch by batch, {1e3 * median(plain):.1f} ms "
                     f"per step over {found[0]['plain_steps']:,}", "at most 20 s" if name == "gan" else ""])
    return rows


def whole_run(pair, folder, rounds):
    """Rows on ``acoustic-nb run`` from an empty feature cache and from a full one."""
    timed = {"cold": [], "warm": []}
    for number in range(rounds):
        for state, of_state in timed.items():
            tell(f"whole run, {state}, round {number + 1} of {rounds}")
            runs = folder / f"{state}{number}"
            before, begun = cpu_of_children(), time.monotonic()
            subprocess.run([sys.executable, "-m", "acoustic_nb.cli", "run", "--normal", pair[0], "--anomalous", pair[1],
                            "--runs-dir", str(runs)], env={**os.environ, FOLDER_VARIABLE: str(folder / f"cache{number}")},
                           stdout=sys.stderr, check=True)
            wall_s, cpu_s = time.monotonic() - begun, cpu_of_children() - before
            jobs = {path.stem: json.loads(path.read_text())["seconds"] for path in runs.glob("*/status/*.json")}
            of_state.append({"wall_s": wall_s, "cpu_s": cpu_s, "jobs": jobs})
    rows = []
    for state, found in timed.items():
        jobs = {job: median(one["jobs"][job] for one in found) for job in found[0]["jobs"]}
        slowest_first = ", ".join(f"{job} {jobs[job]:.1f}" for job in sorted(jobs, key=jobs.get, reverse=True))
        rows.append([f"`acoustic-nb run`, 5 + 5 min, {state} feature cache",
                     f"{between([one['wall_s'] for one in found], '.1f')} s, {median(one['cpu_s'] for one in found):.1f} s of CPU",
                     f"jobs together {sum(jobs.values()):.1f} s: {slowest_first}", "60 s (75)" if state == "cold" else "45 s"])
    return rows


def lengths(pair, folder, hours):
    """Rows on memory and speed by length of recording."""
    rows, path = [], folder / "long.rf64"
    for each in [*(short for short in (1 / 6, 1) if short < hours), hours]:
        name = f"recording of {each:g} h" if each >= 1 else f"recording of {60 * each:g} min"
        needed, free = each * BYTES_PER_HOUR, shutil.disk_usage(folder).free
        if free < 1.1 * needed:
            rows.append([name, "left out", f"its file needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free in "
                         f"{folder.parent}; name a larger folder with TMPDIR", ""])
            continue
        tell(name)
        apart(feature_speed.write_long, str(path), pair[0], 3600 * each)
        found = apart(feature_speed.peak_memory, str(path))
        path.unlink()
        rows.append([f"{name}: listening and features", f"{found['mib']:.0f} MiB peak RSS", ", ".join(
            f"{step} {found[key]:.1f} s ({found['sound_s'] / found[key]:,.0f} times real time)"
            for step, key in (("listening", "listening_s"), ("features", "features_s"))), "under 500 MiB"])
    return rows


def threads(pair, folder, rounds):
    """Rows on the time per window by length of recording and number of threads."""
    path = str(folder / "ten_minutes.rf64")
    apart(feature_speed.write_long, path, pair[0], 60.0 * max(MINUTES))
    found = {}
    for count in THREADS:
        tell(f"{count} thread{'s' * (count > 1)}, {rounds} rounds")
        found[count] = apart(feature_speed.window_seconds, path, MINUTES, rounds, environment={"NUMBA_NUM_THREADS": str(count)})
    rows = []
    for count, seconds in found.items():
        per_window = ", ".join(f"{minutes} min {1e3 * seconds[minutes]:.2f}" for minutes in MINUTES)
        faster = median(found[THREADS[0]][minutes] / seconds[minutes] for minutes in MINUTES)
        rows.append([f"features with {count} thread{'s' * (count > 1)}", f"ms per window: {per_window}",
                     "" if count == THREADS[0] else f"{faster:.2f} times the speed of {THREADS[0]}", ""])
    return rows


def header(load, arguments, took_s):
    """Lines on where, when and with what the table was made."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), "")
    found = {**versions(), "numba": metadata.version("numba")}
    listed = ", ".join(f"{name} {found[name]}" for name in SHOWN_VERSIONS)
    return (f"{date.today().isoformat()}, {platform.platform()}, {cores()} cores{' of ' * bool(model)}{model}; {listed}; commit "
            f"{(git_commit() or 'unknown')[:12]}. Load average at the start {load:.1f}; {arguments.rounds} "
            f"round{'s' * (arguments.rounds > 1)}, of features {FEATURE_ROUNDS * arguments.rounds}; {took_s / 60:.0f} min in all.")


def apart(function, *arguments, environment=None):
    """What a function returns in a fresh process.

    Linux counts the memory of the process that starts another into the peak of the other, so this one must stay small.
    """
    with patch.dict(os.environ, environment or {}), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def ratios(slow, fast):
    """Round by round, so that what slows a round counts on both sides."""
    return [one / other for one, other in zip(slow, fast, strict=True)]


def between(values, form):
    """The median, and the lowest and the highest where there are several."""
    middle = f"{median(values):{form}}"
    return middle if len(values) == 1 else f"{middle} ({min(values):{form}} to {max(values):{form}})"


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tell(what):
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
