"""Batches of small stub notebooks, in processes of their own that can be ended in any way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import nbformat
import psutil
import soundfile
from sounds import noise

from acoustic_nb.runs import Run

PARAMETERS = '''normal: str = "demo"
anomalous: str = "demo"
dataset: str = ""
machine: str = ""
channel: str = "mean"
sample_rate: str = "native"
window_s: float = 1.0
hop_s: float = 0.5
n_mfcc: int = 13
level: str = "kept"
clip_score: str = "mean"
false_alarm_rate: float = 0.05
seed: int = 0
run_dir: str = "scratch"
'''
# every stub says that it has run, when, and in which process
MARK = ("import os, pathlib, time; here = pathlib.Path(run_dir)\n"
        "with open(here / '{0}.mark', 'a') as mark: print(os.getpid(), seed, time.time(), file=mark)\n")
COMMAND = """
import sys
from functools import partial
from acoustic_nb import batch_work, batches, cli, dask_engine
dask_engine.ANSWER_S, dask_engine.CONNECT_S, batch_work.STOP_S = 6, 5, 5
notebooks = sys.argv.pop(1)
batches.start_batch = partial(batches.start_batch, notebooks=notebooks)
batches.resume_batch = partial(batches.resume_batch, notebooks=notebooks)
if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
"""


class Place:
    """A folder with notebooks, two recordings, a table of three runs that differ in their seed, and the runs."""

    def __init__(self, folder):
        self.folder, self.notebooks, self.runs_dir, self.table = (
            folder, folder / "note {books} ä", folder / "runs", folder / "jobs.csv")
        folder.mkdir(exist_ok=True)
        for label, name in enumerate(("Lüfter {1} heil", "kaputt")):
            soundfile.write(folder / f"{name}.wav", noise(45.0, sample_rate=8000, seed=label), 8000)
        self.write_table(1, 2, 3)

    def write_table(self, *seeds, name="pump {1} 'ä'"):
        rows = [f"{name},Lüfter {{1}} heil.wav,kaputt.wav,{seed}" for seed in seeds]
        self.table.write_text("\n".join(["name,normal,anomalous,seed", *rows, ""]), encoding="utf-8")

    def notebook(self, name, code="", mark=True):
        job = re.sub(r"^\d+_", "", name)
        cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
                 nbformat.v4.new_code_cell((MARK.format(job) if mark else "") + code)]
        self.notebooks.mkdir(exist_ok=True)
        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), self.notebooks / f"{name}.ipynb")

    def start(self, *words, **environment):
        """`acoustic-nb batch` in a session of its own."""
        words = [*(list(map(str, words)) or [str(self.table)]), "--runs-dir", str(self.runs_dir)]
        return subprocess.Popen([sys.executable, self.script(), str(self.notebooks), "batch", *words], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **environment})

    def run(self, *words, **environment):
        """The same, to its end: exit status, stdout, stderr."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def script(self):
        # a file: the processes that Dask starts load it again
        path = self.folder / "command.py"
        path.write_text(COMMAND, encoding="utf-8")
        return str(path)

    @property
    def batch(self):
        """The folder of the latest batch."""
        return max(self.runs_dir.glob("*/batch.json"), key=lambda path: path.stat().st_mtime_ns).parent

    def runs(self):
        """The runs of the latest batch by their seed."""
        manifest = json.loads((self.batch / "batch.json").read_text(encoding="utf-8"))
        return {entry["settings"]["seed"]: Run(self.batch / entry["folder"]) for entry in manifest["runs"]}

    def statuses(self):
        """``{(seed, job): status}`` of the latest batch."""
        return {(seed, job): status["status"] for seed, run in self.runs().items() for job, status in run.statuses().items()}

    def marks(self):
        """``{(seed, job): how often it has begun}``, of all batches together."""
        found = {}
        for path in self.runs_dir.glob("*/*/*.mark"):
            for line in path.read_text().splitlines():
                key = int(line.split()[1]), path.stem
                found[key] = found.get(key, 0) + 1
        return found


def wait_for_marks(place, process, job, number):
    """Wait until so many runs have begun a job."""
    wait_until(lambda: place.runs_dir.is_dir() and len([key for key in place.marks() if key[1] == job]) == number, process=process)


def wait_until(true, seconds=60, process=None):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)


def family(process):
    """A process and all that it has started, as psutil knows them."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def are_gone(processes, seconds=20):
    """Whether all have ended, within some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(map(_is_alive, processes)):
            return True
        time.sleep(0.1)
    return False


def _is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def dask_workers(process):
    """The Dask workers of a batch on this computer: what multiprocessing has spawned."""
    return [each for each in psutil.Process(process.pid).children() if any("spawn_main" in word for word in each.cmdline())]


@contextmanager
def cluster(n_workers, folder):
    """A scheduler and workers started by hand, as the README tells: yields address, scheduler process, worker processes."""
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "start_new_session": True}
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    processes = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                   "--scheduler-file", str(file)], stderr=subprocess.DEVNULL, **quiet)]
    try:
        wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"), process=processes[0])
        address = json.loads(file.read_text())["address"]
        for _ in range(n_workers):
            processes.append(subprocess.Popen([*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny",
                                               "--local-directory", str(folder)], stderr=subprocess.DEVNULL, **quiet))
        yield address, processes[0], processes[1:]
    finally:
        for process in processes:
            for each in family(process) if process.poll() is None else ():
                try:
                    each.send_signal(signal.SIGKILL)
                except psutil.NoSuchProcess:
                    continue
            process.wait()
