"""The work of a batch: which job may be given to a worker next, and what becomes of it.

Detectors of a run wait for its features, the comparison for its detectors, and a job that another run of the batch is just doing
for that one. No more jobs are given than there are workers to do them, so what is given is running.
"""

import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from acoustic_nb.batch_job import UnfitWorker
from acoustic_nb.inputs import Inputs
from acoustic_nb.parameters import AFTERWARDS
from acoustic_nb.plan import Plan, stages
from acoustic_nb.progress import progress_bar
from acoustic_nb.reuse import DONE, paths_of, takeable
from acoustic_nb.runners import announce_stop, runner_of
from acoustic_nb.runs import NO_ROOM, Run

FEATURES = "features"
TICK_S, STOP_S = 0.2, 10.0


@dataclass(frozen=True)
class BatchRun:
    """A run of a batch.

    Attributes
    ----------
    run : Run
    plan : Plan
    inputs : Inputs
        From which its features are computed.
    title : str
        For people.
    keys : dict
        ``{job: key}``, see ``reuse.job_keys``.
    features : str
        What its features are known by.
    """

    run: Run
    plan: Plan
    inputs: Inputs
    title: str
    keys: dict
    features: str

    def take(self, job, found):
        """Take a job from where it was done before, as ``found``, a dict ``{key: Run}``, tells; whether that could be done."""
        source, stem = found.get(self.keys[job]), self.plan.jobs[job].stem
        if source is None or source == self.run or not self._fits(job, found):
            return False
        try:
            self.run.take(job, source, stem)
        except FileNotFoundError:  # it is being removed just now
            return False
        return True

    def _fits(self, job, found):
        stems = {each: path.stem for each, path in self.plan.jobs.items()}
        keys = {each: self.keys[each] for each in stems}
        own = {keys[each]: self.run for each, status in self.run.statuses().items() if status["status"] in DONE}
        return job in takeable(keys, {**found, **own}, stems, paths_of(self.run))


class Work:
    """What is left to do of a batch: every job whose status is ``queued``.

    Parameters
    ----------
    runs : list of BatchRun
    found : dict
        ``{key: Run}``, what was done before; what is done now is added.
    ended : callable
        ``ended(k)`` is called when a job of the k-th run has come to its end.
    """

    def __init__(self, runs, found, ended):
        self.runs, self.found, self.ended = runs, found, ended
        self.statuses = [each.run.statuses() for each in runs]
        self.waiting, self.given, self.features_done = {}, {}, set()  # dicts keep their order, and give up an entry at once
        for k, each in enumerate(runs):
            first, afterwards = stages([job for job in each.plan.jobs if self.statuses[k][job]["status"] == "queued"])
            self.waiting |= dict.fromkeys((k, job) for job in [*[FEATURES] * bool(first), *first, *afterwards])

    def jobs_left(self):
        """How many notebooks have not ended."""
        return sum(job != FEATURES for _, job in (*self.waiting, *self.given))

    def take_what_is_done(self):
        """Take over all that was done before; how many notebooks that were."""
        n_taken, jobs = 0, [(k, job) for k, job in self.waiting if job != FEATURES]  # detectors stand before what reads them
        for k, job in progress_bar(jobs, desc="taking over", unit=" notebooks"):
            if self._may_take(k, job) and self.runs[k].take(job, self.found):
                self._ended(k, job)
                n_taken += 1
        for k, each in enumerate(self.runs):
            if not any((k, job) in self.waiting for job in each.plan.jobs if job not in AFTERWARDS):
                self.waiting.pop((k, FEATURES), None)
        return n_taken

    def do(self, engine, progress, *, folder, runner, expected, timeout_s):
        """Have the engine do what is left.

        Parameters
        ----------
        engine : Engine
        progress : BatchProgress
        folder : Path
            Of the batch.
        runner : str
            What this process is called there.
        expected : dict
            ``made`` and ``notebooks``, as for ``batch_job.check_worker``.
        timeout_s : float
            Longest time for one cell.

        Raises
        ------
        SchedulerLost, UnfitWorker, OSError, ValueError
            If the scheduler is gone, no worker can do jobs, the disk is full, or another runner has taken over. No job is left as
            running then, nor after Ctrl-C.
        """
        try:
            while self.waiting or self.given:
                if runner_of(folder) != runner:
                    raise ValueError(f"{folder}: another runner has taken over, or the file runner there was removed; wait for "
                                     "it, or resume the batch")
                capacity = engine.capacity()
                progress.tick(capacity)
                while len(self.given) < capacity and (chosen := self._next(progress)):
                    del self.waiting[chosen]
                    self.given[chosen] = True
                    engine.give(chosen, {"batch": str(folder), "runner": runner, **expected, **self._task(*chosen, timeout_s)})
                    progress.started(self._title(*chosen))
                if ended := engine.wait(TICK_S):
                    self._back(*ended, progress)
        finally:
            self._withdraw(folder, runner)

    def _next(self, progress):
        """A job that can be given now; None where there is none. What can be taken instead is taken on the way."""
        for k, job in list(self.waiting):
            each = self.runs[k]
            if job == FEATURES:
                if each.features in self.features_done:
                    del self.waiting[k, job]
                elif not any(other == FEATURES and self.runs[m].features == each.features for m, other in self.given):
                    return k, job
                continue
            if job in AFTERWARDS and not self._detectors_ended(k):
                continue
            if job not in AFTERWARDS and ((k, FEATURES) in self.waiting or (k, FEATURES) in self.given):
                continue
            if self._may_take(k, job) and each.take(job, self.found):
                self._ended(k, job)
                progress.done += 1
            elif not any(other != FEATURES and self.runs[m].keys[other] == each.keys[job] for m, other in self.given):
                return k, job
        return None

    def _task(self, k, job, timeout_s):
        each = self.runs[k]
        task = {"run": str(each.run.folder), "job": job}
        if job == FEATURES:
            return {**task, "share": each.plan.settings, "inputs": asdict(each.inputs)}
        return {**task, "notebook": str(each.plan.jobs[job]), "parameters": each.plan.parameters(job, each.run),
                "timeout_s": timeout_s, "about": {"key": each.keys[job]}}

    def _back(self, name, result, progress):
        """What comes of a job that a worker has given back."""
        (k, job), each = name, self.runs[name[0]]
        if isinstance(result, UnfitWorker):
            progress.say(str(result))
            return self._again(name, progress)
        if isinstance(result, OSError) and result.errno in NO_ROOM:
            raise result
        trouble = f"{type(result).__name__}: {' '.join(str(result).split())}" if isinstance(result, Exception) else result
        if job == FEATURES:
            del self.given[name]
            self.features_done.add(each.features)
            progress.running.remove(self._title(k, job))
            if trouble:
                progress.say(f"{self._title(k, job)}: {trouble}")
            return None
        if trouble:
            each.run.write_status(job, "dead", error=trouble, key=each.keys[job])
        status = each.run.status(job)
        if status["status"] in ("queued", "running"):  # a worker was told to stop, though nobody has stopped it
            return self._again(name, progress)
        del self.given[name]
        self._ended(k, job)
        progress.finished(self._title(k, job), status)
        if status["status"] in DONE and (job not in AFTERWARDS or self._detectors_done(k)):
            self.found[each.keys[job]] = each.run
        for number, words in NO_ROOM.items():
            if words in (status["error"] or ""):
                raise OSError(number, words, str(each.run.folder))
        return None

    def _again(self, name, progress):
        """Have a job wait again that was given back."""
        k, job = name
        if job != FEATURES:
            self.runs[k].run.write_status(job, "queued")
        del self.given[name]
        self.waiting = {name: None, **self.waiting}
        progress.running.remove(self._title(k, job))

    def _ended(self, k, job):
        self.statuses[k][job] = self.runs[k].run.status(job)
        self.waiting.pop((k, job), None)  # a job that was given does not wait
        self.ended(k)

    def _withdraw(self, folder, runner):
        """Tell the workers that nobody wants the jobs any more that they are at, and leave no job as running."""
        if not self.given:
            return
        if not announce_stop(folder, runner):
            return  # the statuses are another's by now
        notebooks = [(self.runs[k].run, job) for k, job in self.given if job != FEATURES]
        end = time.monotonic() + STOP_S
        while time.monotonic() < end and any(run.status(job)["status"] == "running" for run, job in notebooks):
            time.sleep(TICK_S)
        for run, job in notebooks:
            with suppress(OSError):  # a full disk has its own exception under way
                if run.status(job)["status"] == "running":
                    run.write_status(job, "queued", error="interrupted")
        for k in {k for k, _ in self.given}:
            self.ended(k)

    def _title(self, k, job):
        return f"{self.runs[k].title} {job}"

    def _may_take(self, k, job):
        return job not in AFTERWARDS or self._detectors_done(k)

    def _detectors_ended(self, k):
        return all(status["status"] not in ("queued", "running")
                   for job, status in self.statuses[k].items() if job not in AFTERWARDS)

    def _detectors_done(self, k):
        return all(status["status"] in DONE for job, status in self.statuses[k].items() if job not in AFTERWARDS)
