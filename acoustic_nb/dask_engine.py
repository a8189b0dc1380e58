"""The engine of batches: Dask's workers on this computer, or those of a scheduler that is there already.

What the rest of the package knows of Dask is this class: how many jobs may be given, giving one, and hearing of its end. No answer
is waited for without end.
"""

import json
import logging
import os
import queue
import re
import signal
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker

from acoustic_nb.batch_job import UnfitWorker, check_worker, do_job, end_workers

LOOPBACK = "127.0.0.1"
CONNECT_S, ANSWER_S, LOOK_S = 10, 20, 2.0


class SchedulerLost(ConnectionError):
    """The scheduler is gone; what it had been given is not known to be done."""


class Engine:
    """Where jobs are done; ended with the ``with`` block.

    Parameters
    ----------
    workers : int
        Processes on this computer, each with one job at a time; of no account with a scheduler.
    scheduler : str, optional
        Of a cluster that is there: an address such as ``tcp://host:8786``, or the path of a scheduler file.
    host : str
        Address at which a scheduler of our own listens, with ``:port`` if wanted.

    Raises
    ------
    ValueError, OSError
        If there is no such scheduler, or none can listen there.
    """

    def __init__(self, workers, *, scheduler=None, host=LOOPBACK):
        self.n_workers, self.scheduler, self.host = workers, scheduler, host
        self.news, self.given, self.unfit, self.fit = queue.SimpleQueue(), {}, set(), {}
        self.looked, self.is_lost, self.cluster = None, False, None

    def __enter__(self):
        import distributed

        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what matters is raised, or told by the progress
        where = self._existing() if self.scheduler else self._own()
        try:
            self.client = distributed.Client(where, timeout=CONNECT_S, set_as_default=False)
            self.address = self.client.scheduler.address
        except (OSError, ValueError) as error:
            self._close_cluster()
            raise OSError(f"{self.scheduler}: no Dask scheduler answers there ({_line(error)}); start one with: dask scheduler "
                          "--host 127.0.0.1, and workers with: dask worker tcp://127.0.0.1:8786 --nthreads 1") from None
        return self

    def __exit__(self, *error):
        for future in list(self.given.values()):
            future.cancel()
        with suppress(OSError, TimeoutError):  # who is gone needs no good-bye
            if not self.is_lost and self.client.status == "running":
                _within(ANSWER_S, lambda: self.client.run(end_workers, on_error="ignore"))
            self.client.close(timeout=CONNECT_S)
        self._close_cluster()

    def check_workers(self, **expected):
        """Refuse, with a ValueError, to go on with workers that cannot do jobs; see ``batch_job.check_worker``."""
        try:
            problems = _within(ANSWER_S, lambda: self.client.run(check_worker, **expected, on_error="return"))
        except TimeoutError:
            raise ValueError(f"{self.address}: not all workers there answer within {ANSWER_S} s; end those that do not") from None
        for address, problem in problems.items():
            if problem is not None:
                raise ValueError(problem if isinstance(problem, str) else
                                 f"the worker at {address} cannot do jobs: {_line(problem)}; install acoustic_nb there")

    def capacity(self):
        """How many jobs may be under way at once: the threads of all workers that are there now and can do jobs.

        Raises
        ------
        SchedulerLost
        UnfitWorker
            If there are workers, but none can do jobs.
        """
        if self.looked is None or time.monotonic() - self.looked > LOOK_S:
            self._check_alive()
            try:
                threads = self.client.sync(self.client.scheduler.ncores, callback_timeout=ANSWER_S)
            except (OSError, TimeoutError) as error:
                raise self._lost(f"it gives no answer, {_line(error)}") from None
            self.fit = {address: number for address, number in threads.items() if address not in self.unfit}
            if threads and not self.fit:
                raise UnfitWorker("no worker is left that can do jobs; see above")
            self.looked = time.monotonic()
        return sum(self.fit.values())

    def give(self, name, task):
        """Have a job done; ``name`` comes back from ``wait``."""
        only = {"workers": list(self.fit), "allow_other_workers": False} if self.unfit else {}
        future = self.client.submit(_do, task, key=f"{task['job']}-{uuid.uuid4().hex}", pure=False, **only)
        self.given[name] = future
        future.add_done_callback(lambda future: self.news.put(name))

    def wait(self, timeout_s):
        """The first job that has ended: its name, and what ``do_job`` returned or raised; None where none does within the time.

        A worker that turns out to be unfit is given no more jobs.

        Raises
        ------
        SchedulerLost
        """
        try:
            name = self.news.get(timeout=timeout_s)
        except queue.Empty:
            self._check_alive()
            return None
        future = self.given.pop(name)
        if future.status == "error":
            error = future.exception(timeout=ANSWER_S)
            if isinstance(error, UnfitWorker):
                problem, address = error.args
                self.unfit.add(address)
                self.looked = None
                error = UnfitWorker(problem)
            return name, error
        if future.status != "finished":
            raise self._lost(f"it has dropped a job, {future.status}")
        try:
            return name, future.result(timeout=ANSWER_S)
        except (OSError, TimeoutError) as error:
            raise self._lost(_line(error)) from None

    def _existing(self):
        """The address of the scheduler that was named, itself or by its file."""
        address = self.scheduler
        if os.path.isfile(address):
            try:
                with open(address, encoding="utf-8") as file:
                    address = json.load(file)["address"]
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{self.scheduler}: is no scheduler file; `dask scheduler --scheduler-file` writes one") from None
        if not re.fullmatch(r"tcp://.+:\d+", address):
            raise ValueError(f"{address}: is neither the address of a Dask scheduler with its port, such as tcp://127.0.0.1:8786, "
                             "nor a scheduler file that is there")
        return address

    def _own(self):
        """A cluster on this computer."""
        import distributed

        host, colon, port = self.host.rpartition(":")
        host, port = (host or LOOPBACK, port) if colon and port.isdecimal() else (self.host, "0")
        try:
            with _no_ctrl_c():
                self.cluster = distributed.LocalCluster(
                    n_workers=self.n_workers, threads_per_worker=1, processes=True, memory_limit=0,
                    preload=["acoustic_nb.batch_job"], host=host, scheduler_port=int(port), dashboard_address=f"{LOOPBACK}:0",
                    silence_logs=logging.CRITICAL)
        except (OSError, RuntimeError, ValueError) as error:
            raise OSError(f"--host {self.host}: Dask cannot listen there ({_line(error.__cause__ or error)}); an address is one of "
                          "this computer, such as 127.0.0.1, or 0.0.0.0 for all, with :port if wanted") from None
        if host != LOOPBACK:
            print(f"scheduler at {self.cluster.scheduler_address}")
        return self.cluster

    def _check_alive(self):
        if self.client.status != "running":
            raise self._lost("the connection is closed")

    def _lost(self, why):
        self.is_lost = True
        return SchedulerLost(f"{self.address}: the scheduler is lost ({why})")

    def _close_cluster(self):
        if self.cluster is not None:
            with suppress(OSError, TimeoutError):  # its processes end with this one at the latest
                self.cluster.close(timeout=CONNECT_S)


def _do(task):
    """``do_job`` on a Dask worker, which says which one it is where it cannot."""
    from distributed import get_worker

    try:
        return do_job(task)
    except UnfitWorker as error:
        raise UnfitWorker(str(error), get_worker().address) from None


@contextmanager
def _no_ctrl_c():
    """Keep Ctrl-C for later, here and in what is started meanwhile, which would die of it with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # when it starts later, it lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _within(seconds, call):
    """What ``call()`` returns or raises; a TimeoutError where it takes longer."""
    answer = queue.SimpleQueue()

    def ask():
        try:
            answer.put((call(), None))
        except Exception as error:  # raised below
            answer.put((None, error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        result, error = answer.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds} s") from None
    if error:
        raise error
    return result


def _line(error):
    return " ".join(str(error).split())[:200] or type(error).__name__
