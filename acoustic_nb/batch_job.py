"""A job of a batch, as a Dask worker does it: handed to a process of its own (``workers.py``) and watched over.

Whatever happens to that process, this one stays; if this one is killed, that one ends, and its kernel with it. A Dask worker must
see the same folders as the runner, and have the same package in the same place.
"""

import os
import platform
import signal
from functools import cache
from pathlib import Path

from acoustic_nb.machine import check_kernel
from acoustic_nb.reuse import made_by, package_sha256
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


class UnfitWorker(ValueError):
    """A Dask worker that cannot do jobs; its message says why."""


def check_worker(batch, runner, made, notebooks):
    """What is wrong with this Dask worker, in a line; None where it can do jobs, with the results that the runner expects.

    Parameters
    ----------
    batch : str
        Folder of the batch.
    runner : str
        What its runner is called.
    made : str
        The runner's ``reuse.made_by(notebooks)``.
    notebooks : dict
        ``{job: path}``.
    """
    here = f"the worker on {platform.node()} (process {os.getpid()})"
    if runner_of(Path(batch)) != runner:
        return f"{here} does not see {batch}; runs and recordings must lie in folders that all workers share (--runs-dir)"
    missing = next((path for path in notebooks.values() if not Path(path).is_file()), None)
    if missing:
        return f"{here} does not see {missing}; acoustic_nb must lie under the same path for all workers"
    if made_by(notebooks) != made or package_sha256() != _loaded():
        return (f"{here} has another version of acoustic_nb, in {Path(__file__).parent}, or of a library; install what the runner "
                "has, and start the worker again")
    try:
        _check_kernel()
    except ValueError as error:
        return f"{here}: {error}"
    return None


_check_kernel = cache(check_kernel)
_loaded = cache(package_sha256)  # the source as it was when this process began to do jobs


def do_job(task):
    """Do a job of a run and leave it with a true status.

    A job whose worker is lost is done again, once; after the second loss it is set aside as ``dead``.

    Parameters
    ----------
    task : dict
        ``batch``, ``runner``, ``made``, ``notebooks`` as in ``check_worker``; ``run`` (folder), ``job``, ``about`` (for its
        status); and what ``Workers.give`` takes.

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
    batch, runner, made, notebooks = (task.pop(name) for name in ("batch", "runner", "made", "notebooks"))
    if runner_of(Path(batch)) not in (runner, ""):
        return None  # it stops, or another one has taken over
    if problem := check_worker(batch, runner, made, notebooks):
        raise UnfitWorker(problem)
    wanted = Wanted(Path(batch), runner)
    if "share" in task:
        ended = _in_a_worker(run, job, task, wanted.is_so)
        return ended and ended.trouble
    before, me = run.status(job), f"{platform.node()} {os.getpid()}"
    if before["status"] not in ("queued", "running"):
        return None  # it was done, by a worker that was lost before it could say so
    lost = [*before.get("lost", ()), *[f"its worker ({before.get('where')}) was killed or lost"] * (before["status"] == "running")]

    def is_mine():
        status = run.status(job)
        return wanted.is_so() and (status["status"] != "running" or status.get("where") == me)

    while len(lost) < LOSSES:
        run.write_status(job, "running", where=me, lost=lost, **about)
        run.forget(job)  # what an earlier attempt has kept is no result of this one
        ended = _in_a_worker(run, job, task, is_mine)
        if ended is None:
            if run.status(job).get("where") == me:
                run.write_status(job, "queued", error="interrupted", **about)
            return None
        if not ended.trouble:
            return None
        lost.append(ended.trouble)
    run.write_status(job, "dead", error=f"set aside, since it has cost {LOSSES} workers: {'; then '.join(lost)}", **about)
    run.forget(job)
    return None


def end_workers():
    """End what this Dask worker keeps ready for further jobs."""
    while _idle:
        _idle.pop().stop()


def _in_a_worker(run, job, task, is_wanted):
    """Have a process of its own do it, and return how it ended; None where nobody wants it any more."""
    try:
        workers = _idle.pop()
    except IndexError:  # none, or another thread was faster
        workers = Workers(1, threads=THREADS, title=f"of Dask worker {os.getpid()}")
    try:
        workers.give(run, job, **task)
        while not (ended := workers.wait(POLL_S)):
            if not is_wanted():
                workers.stop()
                break
    except BaseException:
        workers.stop()
        raise
    _idle.append(workers)
    return ended
