"""A job of a batch, as a Dask worker does it: handed to a process of its own (``workers.py``) and watched over.

Whatever happens to that process, this one stays; if this one is killed, that one ends, and its kernel with it. A Dask worker must
see the same folders as the runner.
"""

import os
import platform
import signal
from pathlib import Path

from acoustic_nb.reuse import package_sha256
from acoustic_nb.runners import Wanted, runner_of
from acoustic_nb.runs import Run
from acoustic_nb.workers import Workers

LOSSES = 2
POLL_S = 0.5
THREADS = 1  # of a kernel: results must not depend on how many workers there are
_idle = []   # Workers of this process that have no job


def dask_setup(worker):
    """What Dask calls where this module is a worker's preload: Ctrl-C is the runner's matter, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class UnfitWorker(RuntimeError):
    """A Dask worker that cannot do jobs; its message says why."""


def check_worker(batch, runner, source):
    """What is wrong with this Dask worker, in a line; None where it can do jobs.

    Parameters
    ----------
    batch : str
        Folder of the batch.
    runner : str
        What its runner is called.
    source : str
        The runner's ``package_sha256()``.
    """
    here = f"the worker on {platform.node()} (process {os.getpid()})"
    if package_sha256() != source:
        return (f"{here} has another version of acoustic_nb, in {Path(__file__).parent}; install the one of the runner, and start "
                "the worker again")
    if runner_of(Path(batch)) != runner:
        return f"{here} does not see {batch}; runs and recordings must lie in folders that all workers share (--runs-dir)"
    return None


def do_job(task):
    """Do a job of a run and leave it with a true status.

    A job whose worker is lost is done again, once; after the second loss it is set aside as ``dead``.

    Parameters
    ----------
    task : dict
        ``batch``, ``runner``, ``source`` as in ``check_worker``; ``run`` (folder), ``job``, ``about`` (for its status); and what
        ``Workers.give`` takes.

    Returns
    -------
    str or None
        What went wrong where the job has no status of its own: the features.

    Raises
    ------
    UnfitWorker
        If this worker cannot do jobs.
    """
    task = dict(task)
    run, job, about = Run(Path(task.pop("run"))), task.pop("job"), task.get("about", {})
    batch, runner, source = (task.pop(name) for name in ("batch", "runner", "source"))
    wanted = Wanted(Path(batch), runner)
    if not wanted.is_so() and runner_of(Path(batch)):
        return None  # another runner has taken over
    if problem := check_worker(batch, runner, source):
        raise UnfitWorker(problem)
    if "share" in task:
        ended = _in_a_worker(run, job, task, wanted.is_so)
        return ended and ended.trouble
    before, me = run.status(job), f"{platform.node()} {os.getpid()}"
    if before["status"] not in ("queued", "running"):
        return None  # it was done, by a worker that was lost before it could say so
    lost = [*before.get("lost", ()), *[f"its worker ({before.get('where')}) was killed or lost"] * (before["status"] == "running")]

    def is_mine():
        status = run.status(job)
        return wanted.is_so() and (status["status"] != "running" or status["where"] == me)

    while len(lost) < LOSSES:
        run.write_status(job, "running", where=me, lost=lost, **about)
        ended = _in_a_worker(run, job, task, is_mine)
        if ended is None:
            if run.status(job).get("where") == me:
                run.write_status(job, "queued", error="interrupted", **about)
            return None
        if not ended.trouble:
            return None
        lost.append(ended.trouble)
    run.write_status(job, "dead", error=f"set aside, since it has cost {LOSSES} workers: {'; then '.join(lost)}", **about)
    return None


def end_workers():
    """End what this Dask worker keeps ready for further jobs."""
    while _idle:
        _idle.pop().stop()


def _in_a_worker(run, job, task, is_wanted):
    """Have a process of its own do it, and return how it ended; None where nobody wants it any more."""
    workers = _idle.pop() if _idle else Workers(1, threads=THREADS, title=f"of Dask worker {os.getpid()}")
    workers.give(run, job, **task)
    while not (ended := workers.wait(POLL_S)):
        if not is_wanted():
            workers.stop()
            break
    _idle.append(workers)
    return ended
