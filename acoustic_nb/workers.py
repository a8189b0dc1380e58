"""Workers: the processes that do jobs, each one job after another (``worker.py``).

They are started before there is a job, so that they load what they need while the runner still computes features. Runner and
worker speak in lines: a task goes to the worker's stdin, and a line comes back when it is done: empty where the job has its
status. A worker that sees its stdin closed ends its kernel and itself; one that is gone takes its job with it and nothing else.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import namedtuple
from contextlib import suppress
from pathlib import Path

import psutil

from acoustic_nb.machine import cores
from acoustic_nb.runs import Run

SILENCE_S = 60.0
Ended = namedtuple("Ended", "job trouble seconds")  # trouble: None, or why the job has no status


class Workers:
    """Workers, ended with the ``with`` block.

    Parameters
    ----------
    count : int
        Jobs at once.
    threads : int, optional
        Of each kernel; its share of the cores by default.
    title : str
        Whom they work for, to be seen in a list of processes.
    """

    def __init__(self, count, *, threads=None, title=""):
        self.count, self.title, self.environment = count, title, kernel_environment(threads or max(1, cores() // count))
        self.workers, self.news = [], queue.SimpleQueue()

    def __enter__(self):
        try:
            for _ in range(self.count):
                self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error):
        self.stop()

    def busy(self):
        """How many jobs are under way."""
        return sum(worker.task is not None for worker in self.workers)

    def give(self, run, job, **task):
        """Have a job done whose status is ``running``; fewer than ``count`` may be under way.

        ``task`` is ``notebook``, ``parameters``, ``timeout_s`` and, if wanted, ``about``, what else its status is to say; or, for
        no notebook but the features of a run, ``share``, the settings, and ``inputs``, a dict.
        """
        for worker in [worker for worker in self.workers if worker.task is None]:
            if worker.process.poll() is not None:  # killed while it had nothing to do
                self._end(worker)
        worker = next((worker for worker in self.workers if worker.task is None), None) or self._start()
        worker.give({"run": str(run.folder), "job": job, **task})

    def wait(self, timeout_s):
        """The first job that has ended, as ``Ended(job, trouble, seconds)``; None where none does within the time.

        ``trouble`` says in a line why a job was left without a status.
        """
        try:
            worker, answer = self.news.get(timeout=timeout_s)
        except queue.Empty:
            for worker in self.workers:
                if worker.task and worker.is_silent():
                    worker.kill()  # which is news
            return None
        task, worker.task = worker.task, None
        if task is None:
            return None
        trouble, seconds = answer, round(time.monotonic() - worker.begun, 2)
        left = "notebook" in task and Run(Path(task["run"])).status(task["job"])["status"] == "running"
        if left or answer is None:
            words = worker.last_words()
            self._end(worker)
            code = worker.process.returncode
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
            if worker.is_silent():
                how = f"gave no sign of life for {SILENCE_S:g} s, and was killed"
            trouble = f"the job's process {how}{words and ': ' + words}" if left or "share" in task else None
        return Ended(task["job"], trouble or None, seconds)

    def stop(self):
        """End all workers and their kernels now."""
        for worker in self.workers:
            worker.close()  # all at once
        while self.workers:
            self._end(self.workers[-1])

    def _start(self):
        self.workers.append(_Worker(self.title, self.environment, self.news))
        return self.workers[-1]

    def _end(self, worker):
        worker.end()
        self.workers.remove(worker)


class _Worker:
    """One process, what it does, and the short folder for its log and its kernels' sockets."""

    def __init__(self, title, environment, news):
        # the path of a Unix socket has at most about 100 bytes
        short = "/tmp" if len(tempfile.gettempdir()) > 60 and os.access("/tmp", os.W_OK) else None
        self.scratch = Path(tempfile.mkdtemp(prefix="anb", dir=short))
        self.task, self.begun, self.log_before = None, None, 0
        self.beat, self.heard = None, time.monotonic()
        # kernels are killed after their last cell; what one leaves in the temporary folder goes when the worker does
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.scratch))
        try:
            with open(self.scratch / "log", "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "acoustic_nb.worker", str(self.scratch), title],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                    env={**environment, **temporary})
        except BaseException:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise
        threading.Thread(target=self._listen, args=(news,), daemon=True).start()

    def give(self, task):
        self.task, self.begun, self.heard = task, time.monotonic(), time.monotonic()
        self.log_before = (self.scratch / "log").stat().st_size
        with suppress(OSError):  # it has ended just now, which `_listen` tells
            self.process.stdin.write(json.dumps(task).encode() + b"\n")
            self.process.stdin.flush()

    def _listen(self, news):
        with self.process.stdout as answers:
            for line in answers:
                news.put((self, line.decode().strip()))
        news.put((self, None))

    def is_silent(self):
        """Whether it has given no sign of life for a minute, by the clock that stands still while the computer sleeps."""
        with suppress(OSError):  # gone, as the worker may be
            beat = (self.scratch / "log").stat().st_mtime_ns
            if beat != self.beat:
                self.beat, self.heard = beat, time.monotonic()
        return time.monotonic() - self.heard > SILENCE_S

    def last_words(self):
        """The last line of its log since it began its job; empty where there is none."""
        log = (self.scratch / "log").read_bytes()[self.log_before:].decode(errors="replace").strip()
        return log.splitlines()[-1].strip() if log else ""

    def close(self):
        """Let it end by itself."""
        with suppress(OSError):  # what was written to one that has ended
            self.process.stdin.close()

    def kill(self):
        """Kill it and all that it has started."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            for child in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.kill()

    def end(self):
        """End it and its kernel, if they are still there, and take its folder away."""
        self.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def kernel_environment(threads):
    """Environment of workers and their kernels, each of which uses so many threads."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB", "NUMEXPR")
    caps = {f"{name}_NUM_THREADS": str(threads) for name in names}
    caps.update(TF_NUM_INTRAOP_THREADS=str(threads), TF_NUM_INTEROP_THREADS=str(threads), TF_CPP_MIN_LOG_LEVEL="3",
                PYDEVD_DISABLE_FILE_VALIDATION="1")
    # with a backend of the user's own, no figure would reach the notebook
    return {**{name: value for name, value in os.environ.items() if name != "MPLBACKEND"}, **caps}
