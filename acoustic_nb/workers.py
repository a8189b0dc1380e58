"""Workers: the processes that do the jobs of a run, each one job after another (``worker.py``).

They are started before there is a job, so that they load what they need while the runner still computes features. Runner and
worker speak in lines: a task goes to the worker's stdin, and an empty line comes back when the job has its status. A worker
that sees its stdin closed ends its kernel and itself; a worker that is gone takes its job with it, and nothing else.
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
from contextlib import suppress
from pathlib import Path

import psutil

from acoustic_nb.machine import cores


class Workers:
    """The workers of a run, ended with the ``with`` block.

    Parameters
    ----------
    run : Run
    count : int
        Jobs at once; each gets its share of the cores.
    """

    def __init__(self, run, count):
        self.run, self.count, self.environment = run, count, kernel_environment(count)
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
        return sum(worker.job is not None for worker in self.workers)

    def give(self, job, **task):
        """Have a job done whose status is ``running``; fewer than ``count`` may be under way."""
        for worker in [worker for worker in self.workers if worker.job is None]:
            if worker.process.poll() is not None:  # killed while it had nothing to do
                self._end(worker)
        worker = next((worker for worker in self.workers if worker.job is None), None) or self._start()
        worker.give(job, task)

    def wait(self, timeout_s):
        """The name of a job that has ended, as soon as one has; None where none does within the time.

        A job that was left without a status is written down as dead.
        """
        try:
            worker, answered = self.news.get(timeout=timeout_s)
        except queue.Empty:
            return None
        job, worker.job = worker.job, None
        if job is None:
            return None
        left = self.run.statuses()[job]["status"] == "running"
        if left or not answered:
            words = worker.last_words()
            self._end(worker)
            if left:
                code = worker.process.returncode
                how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
                self.run.write_status(job, "dead", error=f"the job's process {how}{words and ': ' + words}",
                                      seconds=round(time.monotonic() - worker.begun, 2))
        return job

    def stop(self):
        """End all workers and their kernels now."""
        for worker in self.workers:
            worker.close()  # all at once
        while self.workers:
            self._end(self.workers[-1])

    def _start(self):
        self.workers.append(_Worker(self.run.folder, self.environment, self.news))
        return self.workers[-1]

    def _end(self, worker):
        worker.end()
        self.workers.remove(worker)


class _Worker:
    """One process, what it does, and the short folder for its log and its kernels' sockets."""

    def __init__(self, run_folder, environment, news):
        # the path of a Unix socket has at most about 100 bytes
        short = "/tmp" if len(tempfile.gettempdir()) > 60 and os.access("/tmp", os.W_OK) else None
        self.scratch = Path(tempfile.mkdtemp(prefix="anb", dir=short))
        self.job, self.begun, self.log_before = None, None, 0
        # kernels are killed after their last cell; what one leaves in the temporary folder goes when the worker does
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.scratch))
        try:
            with open(self.scratch / "log", "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "acoustic_nb.worker", str(run_folder), str(self.scratch)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                    env={**environment, **temporary})
        except BaseException:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise
        threading.Thread(target=self._listen, args=(news,), daemon=True).start()

    def give(self, job, task):
        self.job, self.begun, self.log_before = job, time.monotonic(), (self.scratch / "log").stat().st_size
        with suppress(OSError):  # it has ended just now, which `_listen` tells
            self.process.stdin.write(json.dumps({"job": job, **task}).encode() + b"\n")
            self.process.stdin.flush()

    def _listen(self, news):
        with self.process.stdout as answers:
            for _ in answers:
                news.put((self, True))
        news.put((self, False))

    def last_words(self):
        """The last line of its log since it began its job; empty where there is none."""
        log = (self.scratch / "log").read_bytes()[self.log_before:].decode(errors="replace").strip()
        return log.splitlines()[-1].strip() if log else ""

    def close(self):
        """Let it end by itself."""
        with suppress(OSError):  # what was written to one that has ended
            self.process.stdin.close()

    def end(self):
        """End it and its kernel, if they are still there, and take its folder away."""
        self.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            _end_with_children(psutil.Process(self.process.pid))
            self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def _end_with_children(process):
    """Kill everything that a process started, then the process."""
    with suppress(psutil.NoSuchProcess):
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()


def kernel_environment(workers):
    """Environment of the workers and their kernels: each kernel gets its share of the cores."""
    share = str(max(1, cores() // workers))
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB", "NUMEXPR")
    caps = {f"{name}_NUM_THREADS": share for name in names}
    caps.update(TF_NUM_INTRAOP_THREADS=share, TF_NUM_INTEROP_THREADS=share, TF_CPP_MIN_LOG_LEVEL="3",
                PYDEVD_DISABLE_FILE_VALIDATION="1")
    # with a backend of the user's own, no figure would reach the notebook
    return {**{name: value for name, value in os.environ.items() if name != "MPLBACKEND"}, **caps}
