"""Throughput of a batch: two workers of one thread each against one, and the same batch again, which finds all its jobs done.

    python -m benchmarks.batches                          # 2 rounds of 3 demo recordings
    python -m benchmarks.batches --table jobs.csv --rounds 1

A round runs the same table with one worker and with two, in turn, each in a folder of its own, with features in the cache; the
order changes from round to round. Seconds are those of the whole command, checking and starting included, and of the work
alone, from the plan to the end as `batch.json` has them. The last command repeats the batch of the last round.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median

import psutil

from acoustic_nb.cache import FOLDER_VARIABLE
from acoustic_nb.machine import cores, versions
from benchmarks.speed import between, ratios


def run_batch(table, runs_dir, cache, workers):
    """Seconds of the command and of its work, and the peak resident MiB of the runner."""
    begun, peak = time.monotonic(), 0
    command = [sys.executable, "-m", "acoustic_nb.cli", "batch", str(table), "--runs-dir", str(runs_dir), "--workers", str(workers)]
    process = psutil.Popen(command, env={**os.environ, FOLDER_VARIABLE: str(cache)}, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(psutil.Error):  # it has ended since it was asked
            peak = max(peak, process.memory_info().rss)
        time.sleep(0.1)
    if process.returncode:
        sys.exit(f"the batch ended with exit status {process.returncode}")
    took_s = time.monotonic() - begun
    manifest = json.loads(max(runs_dir.glob("*/batch.json"), key=lambda path: path.stat().st_mtime_ns).read_text(encoding="utf-8"))
    ends = [datetime.fromisoformat(manifest[name]) for name in ("created", "finished")]
    return {"command": took_s, "work": (ends[1] - ends[0]).total_seconds(), "runner": peak / 2**20}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        table = arguments.table
        if table is None:
            table = folder / "demos.csv"
            with open(table, "w", newline="") as file:
                csv.writer(file).writerows([["seed"], ["1"], ["2"], ["3"]])
        found = {1: [], 2: []}
        for number in range(-1, arguments.rounds):  # the first is not counted: it fills the cache
            for workers in [(1, 2), (2, 1)][number % 2] if number >= 0 else (2,):
                runs_dir = folder / f"{number} {workers}"
                took = run_batch(table, runs_dir, folder / "cache", workers)
                print(f"round {number + 1}, {workers} at once: {took}", file=sys.stderr)
                if number >= 0:
                    found[workers].append(took)
        again = run_batch(table, runs_dir, folder / "cache", 2)
        manifest = json.loads(next(runs_dir.glob("*/batch.json")).read_text(encoding="utf-8"))
    n_jobs = sum(len(run["keys"]) for run in manifest["runs"])
    print(f"{platform.platform()}, {cores()} cores, Python {platform.python_version()}, acoustic_nb {versions()['acoustic-nb']}; "
          f"{len(manifest['runs'])} runs, {n_jobs} notebooks, {arguments.rounds} rounds\n")
    print("| | one worker | two workers | ratio |\n|---|---|---|---|")
    for what, words in (("command", "whole command, s"), ("work", "work, s")):
        one, two = ([took[what] for took in found[workers]] for workers in (1, 2))
        print(f"| {words} | {between(one, '.0f')} | {between(two, '.0f')} | {between(ratios(one, two), '.2f')} |")
    print(f"| notebooks per minute of work | {60 * n_jobs / median([took['work'] for took in found[1]]):.1f} | "
          f"{60 * n_jobs / median([took['work'] for took in found[2]]):.1f} | |")
    peaks = [max(took["runner"] for took in found[workers]) for workers in (1, 2)]
    print(f"| runner, peak MiB | {peaks[0]:.0f} | {peaks[1]:.0f} | |")
    print(f"| the same batch again, whole command, s | | {again['command']:.1f} | |")


if __name__ == "__main__":
    main()
