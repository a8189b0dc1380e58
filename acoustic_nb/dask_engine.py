"""The engine of batches: Dask's workers on this computer, or those of a scheduler that is there already.

What the rest of the package knows of Dask is this class: how many jobs may be given, giving one, and hearing of its end.
"""

import logging
import os
import queue
import time
import uuid
from contextlib import suppress

from acoustic_nb.batch_job import check_worker, do_job, end_workers
from acoustic_nb.reuse import package_sha256

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
    OSError
        If the scheduler does not answer.
    """

    def __init__(self, workers, *, scheduler=None, host=LOOPBACK):
        self.n_workers, self.scheduler, self.host = workers, scheduler, host
        self.news, self.given, self.looked, self.threads, self.cluster = queue.SimpleQueue(), {}, None, 0, None

    def __enter__(self):
        import distributed

        for name in logging.root.manager.loggerDict:
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what matters is raised, or told by the progress
        where = self._existing() if self.scheduler else {"address": self._own()}
        try:
            self.client = distributed.Client(**where, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            self._close_cluster()
            raise OSError(f"{self.scheduler}: no Dask scheduler answers there ({_line(error)}); start one with: dask scheduler "
                          "--host 127.0.0.1, and workers with: dask worker tcp://127.0.0.1:8786 --nthreads 1") from None
        self.address = self.client.scheduler.address
        return self

    def __exit__(self, *error):
        for future in list(self.given.values()):
            future.cancel()
        with suppress(OSError, TimeoutError):  # a scheduler that is gone needs no good-bye
            if self.client.status == "running":
                self.client.run(end_workers, on_error="ignore")
            self.client.close(timeout=CONNECT_S)
        self._close_cluster()

    def check_workers(self, batch, runner):
        """Refuse, with a ValueError, to go on with workers that cannot do jobs; see ``batch_job.check_worker``."""
        problems = self.client.run(check_worker, str(batch), runner, package_sha256(), on_error="return")
        for address, problem in problems.items():
            if problem is not None:
                raise ValueError(problem if isinstance(problem, str) else
                                 f"the worker at {address} cannot do jobs: {_line(problem)}; install acoustic_nb there")

    def capacity(self):
        """How many jobs may be under way at once: the threads of all workers that are there now.

        Raises
        ------
        SchedulerLost
        """
        if self.looked is None or time.monotonic() - self.looked > LOOK_S:
            self._check_alive()
            try:
                self.threads = sum(self.client.sync(self.client.scheduler.ncores, callback_timeout=ANSWER_S).values())
            except (OSError, TimeoutError) as error:
                raise SchedulerLost(f"{self.address}: the scheduler is lost ({_line(error)})") from None
            self.looked = time.monotonic()
        return self.threads

    def give(self, name, task):
        """Have a job done; ``name`` comes back from ``wait``."""
        future = self.client.submit(do_job, task, key=f"{task['job']}-{uuid.uuid4().hex}", pure=False)
        self.given[name] = future
        future.add_done_callback(lambda future: self.news.put(name))

    def wait(self, timeout_s):
        """The first job that has ended: its name, and what ``do_job`` returned or raised; None where none does within the time.

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
            return name, future.exception()
        if future.status != "finished":
            raise SchedulerLost(f"{self.address}: the scheduler is lost, or has dropped a job ({future.status})")
        return name, future.result()

    def _existing(self):
        """What a client needs to find the scheduler that was named."""
        if os.path.isfile(self.scheduler):
            return {"scheduler_file": self.scheduler}
        if "://" not in self.scheduler:
            raise ValueError(f"{self.scheduler}: is neither the address of a Dask scheduler, such as tcp://127.0.0.1:8786, nor "
                             "a scheduler file that is there")
        return {"address": self.scheduler}

    def _own(self):
        """A cluster on this computer."""
        import distributed

        host, _, port = self.host.partition(":")
        try:
            self.cluster = distributed.LocalCluster(
                n_workers=self.n_workers, threads_per_worker=1, processes=True, memory_limit=0, preload=["acoustic_nb.batch_job"],
                host=host, scheduler_port=int(port or 0), dashboard_address=f"{LOOPBACK}:0", silence_logs=logging.CRITICAL)
        except (OSError, RuntimeError, ValueError) as error:
            raise OSError(f"--host {self.host}: Dask cannot listen there ({_line(error.__cause__ or error)}); an address is one of "
                          "this computer, such as 127.0.0.1, or 0.0.0.0 for all, with :port if wanted") from None
        if host != LOOPBACK:
            print(f"scheduler at {self.cluster.scheduler_address}")
        return self.cluster

    def _check_alive(self):
        if self.client.status != "running":
            raise SchedulerLost(f"{self.address}: the scheduler is lost")

    def _close_cluster(self):
        if self.cluster is not None:
            self.cluster.close(timeout=CONNECT_S)


def _line(error):
    return " ".join(str(error).split())[:200] or type(error).__name__
