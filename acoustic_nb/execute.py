"""Executing: a folder of notebooks and the recordings of one machine become a Run.

A job is one notebook. It is done by a worker (``workers.py``), a process that runs the notebook in a kernel of its own and
writes its status. The process that was asked for the run, the runner, starts the workers, writes everything else, and is
the only one that decides.
"""

import shlex
import shutil
import sys
from contextlib import suppress

from acoustic_nb.bookkeeping import begin_again, begin_run, check_unchanged, finish_run, identify, inputs_of, note_jobs, write_down
from acoustic_nb.catalogue import CATALOGUE
from acoustic_nb.inputs import Inputs
from acoustic_nb.loading import load_inputs, share_features
from acoustic_nb.machine import worker_count
from acoustic_nb.plan import Notebooks, stages, unfinished
from acoustic_nb.progress import JobProgress
from acoustic_nb.runners import owned, stoppable
from acoustic_nb.runs import Run
from acoustic_nb.workers import Workers

TIMEOUT_S = 600.0
TICK_S = 0.1
DEMO_INPUTS = Inputs()


def start_run(runs_dir, *, name=None, inputs=DEMO_INPUTS, parameters=None, only=None, sensitivity=False, command="",
              notebooks=None, workers=None, timeout_s=TIMEOUT_S, load=load_inputs, share=share_features):
    """Execute the notebooks on the recordings of one machine, into a new run folder.

    Everything is checked before the folder is made. Jobs that fail do not stop the others; ask ``run.statuses()``.

    Parameters
    ----------
    runs_dir : path
    name : str, optional
        Made from the names of recordings or data set by default.
    inputs : Inputs
        Which recordings; the demo by default.
    parameters : dict, optional
        ``{name: value}`` for the notebooks that list the name.
    only : list of str, optional
        Detectors to run; all by default. The comparison always runs with them.
    sensitivity : bool
        Whether the optional notebook on the smallest detectable fault runs too.
    command : str
        What the user typed; recorded.
    notebooks : path, optional
        Folder of the notebooks.
    workers : int, optional
        Jobs at once; by default what the machine allows.
    timeout_s : float
        Longest time for one cell.
    load, share : callable
        ``load(inputs, settings)`` returns the recordings and what was left out of them, ``share(recordings, settings)``
        computes what the notebooks share.

    Returns
    -------
    Run

    Raises
    ------
    ValueError, OSError
        With one line that says what is wrong; nothing is left behind then.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM; the run can be resumed.
    """
    inputs = inputs.absolute()
    plan = Notebooks.choose(notebooks, only, sensitivity=sensitivity).plan(parameters or {})
    workers = worker_count(len(plan.jobs), workers)
    check_timeout(timeout_s)
    try:
        recordings, left_out = load(inputs, plan.settings)
        facts = identify(recordings)
    except KeyboardInterrupt:
        print("interrupted; no run was started", file=sys.stderr)
        raise
    run = Run.create(runs_dir, name or inputs.title([recording.name for recording in recordings]))
    try:
        with owned(run.folder), stoppable(lambda: _interrupted(run)):
            begin_run(run, plan, inputs=inputs, recordings=recordings, left_out=left_out, facts=facts, given=parameters or {},
                      command=command, timeout_s=timeout_s)
            with Workers(_at_once(plan.jobs, workers), title=str(run.folder)) as workers:
                share(recordings, plan.settings)
                del recordings  # the notebooks need the memory
                _run_jobs(run, plan, list(plan.jobs), workers, timeout_s=timeout_s)
            finish_run(run)
    except Exception:
        if all(status["status"] == "queued" for status in run.statuses().values()):
            shutil.rmtree(run.folder)
        raise
    return run


def resume_run(run, *, command="", notebooks=None, workers=None, timeout_s=None, load=load_inputs, share=share_features):
    """Execute the jobs of a run that are not ok, and the comparison again if there are any; see ``start_run``."""
    manifest = run.read_manifest()
    if "asked" not in manifest:
        raise ValueError(f"{run.folder}: was made by an older version, which did not write down what is needed to go on; start a "
                         "new run")
    check_unchanged(run)
    plan = Notebooks.choose(notebooks, list(manifest["jobs"])).plan(manifest["given"])
    todo = unfinished(plan.jobs, run.statuses())
    with owned(run.folder), stoppable(lambda: _interrupted(run)):
        if todo:
            inputs = inputs_of(run)
            recordings, left_out = load(inputs, plan.settings)
            if not (run.folder / CATALOGUE).exists():  # interrupted before it was written; without it notebooks would take the demo
                write_down(run, inputs, recordings, left_out)
            begin_again(run, todo, command=command)
            with Workers(_at_once(todo, worker_count(len(todo), workers)), title=str(run.folder)) as workers:
                share(recordings, plan.settings)
                del recordings
                _run_jobs(run, plan, todo, workers, timeout_s=timeout_s or manifest["timeout_s"])
        finish_run(run)
    return run


def check_timeout(timeout_s):
    """Refuse, with a ValueError, what is no longest time for a cell."""
    if not 0 < timeout_s < float("inf"):
        raise ValueError(f"the longest time for a cell must be a positive number of seconds, got {timeout_s:g}")


def _interrupted(run):
    return f"interrupted; go on with: acoustic-nb run --resume {shlex.quote(str(run.folder))}"


def _at_once(todo, workers):
    """How many of ``workers`` there is something to do for."""
    return min(workers, max(len(stage) for stage in stages(todo)))


def _run_jobs(run, plan, todo, workers, *, timeout_s):
    """Have the workers do the jobs ``todo``."""
    progress = JobProgress(len(todo))
    try:
        for waiting in stages(todo):
            while waiting or workers.busy():
                while waiting and workers.busy() < workers.count:
                    job = waiting.pop(0)
                    run.write_status(job, "running")
                    workers.give(run, job, notebook=str(plan.jobs[job]), parameters=plan.parameters(job, run), timeout_s=timeout_s)
                    progress.started(job)
                    note_jobs(run)
                if ended := workers.wait(TICK_S):
                    if ended.trouble:
                        run.write_status(ended.job, "dead", error=ended.trouble, seconds=ended.seconds)
                    progress.finished(ended.job, run.statuses()[ended.job])
                    note_jobs(run)
                progress.tick()
    finally:  # on success nothing is running any more
        workers.stop()
        with suppress(OSError):  # a full disk has its own exception under way
            for job in todo:
                if run.statuses()[job]["status"] == "running":
                    run.write_status(job, "queued", error="interrupted")
            note_jobs(run)
        progress.close()
