"""Batches: many runs in one dated folder, planned from a table, done by Dask's workers, and gone on with after any end.

``batch.json`` is written last of what begins a batch: a folder without it is none. What each job has come to stands in its run's
status file and nowhere else.
"""

import json
import shlex
import shutil
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path

from acoustic_nb.batch_page import overview_row, write_batch_overview
from acoustic_nb.batch_plan import plan_runs
from acoustic_nb.batch_table import read_rows
from acoustic_nb.batch_work import BatchRun, Work
from acoustic_nb.bookkeeping import begin_again, begin_run, check_unchanged, finish_run, inputs_of, note_jobs, now, surroundings
from acoustic_nb.machine import worker_count
from acoustic_nb.parameters import AFTERWARDS, GIVEN_BY_THE_RUN
from acoustic_nb.plan import Notebooks, unfinished
from acoustic_nb.progress import BatchProgress, duration, progress_bar
from acoustic_nb.reuse import DONE, finished_jobs, made_by, takeable
from acoustic_nb.runners import owned, runner_of, stoppable
from acoustic_nb.runs import Run, make_dated_folder
from acoustic_nb.whole import write_whole

MANIFEST = "batch.json"
JOB_S = 9.0          # of a notebook that has never run here
LOOKED_AT = 1000     # status files, for the time that notebooks take
PAGE_S = 0.5


class WrongRows(ValueError):
    """A table with something wrong in it; ``problems`` has a line for each."""

    def __init__(self, table, problems):
        things = "thing is" if len(problems) == 1 else "things are"
        super().__init__(f"{table}: {len(problems)} {things} wrong, see above; nothing was started")
        self.problems = problems


class Stopped(RuntimeError):
    """A batch that has ended early and can be resumed; its message says why."""


def start_batch(runs_dir, table, *, name=None, grid=(), parameters=None, only=None, sensitivity=False, command="", notebooks=None,
                workers=None, scheduler=None, host=None, timeout_s, dry_run=False):
    """Run every row of a table, into a new folder.

    Parameters
    ----------
    runs_dir : path
        Holds the batch's folder, and those of earlier batches, whose jobs are taken over where they are the same.
    table : path
        See ``batch_table.read_rows``.
    name : str, optional
        Of the folder, after its date; the table's by default.
    grid, parameters
        See ``batch_table.read_rows``.
    only, sensitivity, command, notebooks, timeout_s
        As for ``execute.start_run``.
    workers : int, optional
        Processes on this computer; by default what cores and memory allow.
    scheduler, host : str, optional
        As for ``dask_engine.Engine``.
    dry_run : bool
        Say what would be run, and stop there.

    Returns
    -------
    Path or None
        Of the batch's folder; None after a dry run.

    Raises
    ------
    WrongRows, ValueError, OSError
        Nothing is left behind then.
    Stopped
        If something has been done before it had to end.
    """
    chosen = Notebooks.choose(notebooks, only, sensitivity=sensitivity)
    known = {parameter for listed in chosen.listed.values() for parameter in listed} - set(GIVEN_BY_THE_RUN)
    rows, problems = read_rows(table, known=known, grid=grid, parameters=parameters)
    try:
        planned, more = plan_runs(rows, chosen)
    except KeyboardInterrupt:
        print("interrupted; no batch was started", file=sys.stderr)
        raise
    if problems or more:
        raise WrongRows(table, [*problems, *more])
    found = finished_jobs(runs_dir)
    at_once = worker_count(len(planned) * len(chosen.jobs), workers)
    _tell_plan(planned, found, runs_dir, None if scheduler else at_once)
    if dry_run:
        for each, settings in zip(planned, _differing(planned), strict=True):
            print(f"    {_title(each.name, settings)}: {len(each.facts)} recordings, {duration(each.duration_s)}")
        return None
    folder = make_dated_folder(runs_dir, name or Path(table).stem)
    with owned(folder) as runner, _kept(folder, runner, is_new=True):
        runs = []
        for each, settings in zip(planned, _differing(planned), strict=True):
            run = Run.create(folder, _title(each.name, settings))
            begin_run(run, each.plan, inputs=each.inputs, recordings=each.recordings, left_out=each.left_out, facts=each.facts,
                      given=each.given, command=command, timeout_s=timeout_s)
            runs.append({"folder": run.folder.name, "name": each.name, "settings": settings, "keys": each.keys,
                         "features": each.features})
        _write_manifest(folder, {
            "name": folder.name, "created": now(), "finished": None, "command": command, "problem": None, "table": str(table),
            "timeout_s": timeout_s, "made_by": made_by(chosen.jobs), **surroundings(), "runs": runs})
        del planned
        print(f"overview, from the first notebook on: {folder / 'index.html'}")
        _work(folder, runner, found, chosen, workers=at_once, scheduler=scheduler, host=host)
    return folder


def resume_batch(folder, *, command="", notebooks=None, workers=None, scheduler=None, host=None, timeout_s=None):
    """Do what is left of a batch; see ``start_batch``. Jobs that failed are tried again.

    Raises
    ------
    ValueError, OSError
        If it is running, or recordings or this package are no longer what they were.
    """
    manifest = read_batch(folder)
    sha256, every = {}, Notebooks.choose(notebooks, None, sensitivity=True)
    chosen = every.only(manifest["runs"][0]["keys"])
    if manifest["made_by"] != made_by(chosen.jobs):
        raise ValueError(f"{folder}: was started with other notebooks, or another version of acoustic_nb or of its libraries "
                         f"(commit {manifest['git_commit'] or 'unknown'}), so finished and new jobs would not belong together; go "
                         "back to that, or start the batch anew")
    runs = [Run(folder / entry["folder"]) for entry in manifest["runs"]]
    for run in runs:
        check_unchanged(run, sha256)
    with owned(folder) as runner, _kept(folder, runner, is_new=False):
        n_left, n_jobs = 0, sum(len(entry["keys"]) for entry in manifest["runs"])
        for run in runs:
            todo = unfinished(run.read_manifest()["jobs"], run.statuses())
            if todo:
                begin_again(run, todo, command=command)
            n_left += len(todo)
        print(f"{len(runs)} runs, {n_jobs} notebooks: {n_jobs - n_left} are done, {n_left} to be run")
        manifest["resumed"] = [*manifest.get("resumed", []), {"at": now(), "command": command, **surroundings()}]
        _write_manifest(folder, {**manifest, "finished": None, "problem": None, "timeout_s": timeout_s or manifest["timeout_s"]})
        _work(folder, runner, finished_jobs(folder.parent), chosen, scheduler=scheduler, host=host,
              workers=worker_count(max(1, n_left), workers))
    return folder


def read_batch(folder):
    """``batch.json`` of a batch as a dict; a FileNotFoundError that says what the folder is instead where it is none."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder}: is no batch, or one that was ended before it began: a batch has {MANIFEST}; "
                                "`acoustic-nb list` shows those there are") from None


def batch_runs(folder):
    """The runs of a batch in its order."""
    return [Run(folder / entry["folder"]) for entry in read_batch(folder)["runs"]]


def refresh_overview(folder):
    """Write the overview of a batch anew, after one of its runs was gone on with by itself."""
    manifest = read_batch(folder)
    write_batch_overview(folder, manifest, [overview_row(Run(folder / entry["folder"]), entry) for entry in manifest["runs"]])


def _work(folder, runner, found, chosen, *, workers, scheduler, host):
    """Take over what was done before, have the rest done, and write down what came of it."""
    from acoustic_nb.dask_engine import LOOPBACK, Engine

    manifest = read_batch(folder)
    runs = []
    for entry in manifest["runs"]:
        run = Run(folder / entry["folder"])
        about = run.read_manifest()
        runs.append(BatchRun(run=run, plan=chosen.plan(about["given"]), inputs=inputs_of(run),
                             title=_title(entry["name"], entry["settings"]), keys=entry["keys"], features=entry["features"]))
    overview = _Overview(folder, manifest, runs)
    work = Work(runs, found, overview.ended)
    try:
        if n_taken := work.take_what_is_done():
            print(f"{n_taken} notebooks taken from earlier batches")
        if n_left := work.jobs_left():
            counts = Counter(status["status"] for statuses in work.statuses for status in statuses.values())
            n_failed = sum(number for status, number in counts.items() if status not in (*DONE, "queued"))
            progress = BatchProgress(sum(counts.values()), sum(counts.values()) - n_left, n_failed)
            with Engine(min(workers, n_left), scheduler=scheduler, host=host or LOOPBACK) as engine:
                expected = {"made": manifest["made_by"], "notebooks": {job: str(path) for job, path in chosen.jobs.items()}}
                engine.check_workers(batch=str(folder), runner=runner, **expected)
                try:
                    work.do(engine, progress, folder=folder, runner=runner, expected=expected, timeout_s=manifest["timeout_s"])
                finally:
                    progress.close()
    except BaseException as error:
        manifest["problem"] = "interrupted" if isinstance(error, KeyboardInterrupt) else " ".join(_words(error).split())
        raise
    else:
        manifest["finished"] = now()
    finally:
        try:
            overview.close()
        finally:
            if runner_of(folder).startswith(runner):  # else another has taken over
                _write_manifest(folder, manifest)


class _Overview:
    """Brings runs and overview up to date beside the work, in a thread of its own: manifests, first pages, the batch's page."""

    def __init__(self, folder, manifest, runs):
        self.folder, self.manifest, self.runs = folder, manifest, runs
        self.rows = [overview_row(each.run, entry) for each, entry in zip(runs, manifest["runs"], strict=True)]
        self.changed = {k for k, each in enumerate(runs) if each.run.read_manifest()["finished"] is None}
        self.news, self.over, self.trouble = threading.Event(), False, None
        self.thread = threading.Thread(target=self._keep_writing, daemon=True)
        self.thread.start()

    def ended(self, k):
        """A job of the k-th run has come to its end."""
        self.changed.add(k)
        self.news.set()

    def close(self):
        """Write what is left to be written."""
        self.over = True
        self.news.set()
        self.thread.join()
        if self.trouble:
            raise self.trouble
        with progress_bar(total=len(self.changed), desc="pages", unit=" runs") as bar:
            self._write(bar.update)

    def _keep_writing(self):
        try:
            while self.news.wait() and not self.over:
                self.news.clear()
                time.sleep(PAGE_S)  # by then the next job has begun, and others may have ended
                self._write()
        except Exception as problem:  # kept, and raised at the end: the work goes on
            self.trouble = problem

    def _write(self, tick=lambda: None):
        while self.changed:
            k = self.changed.pop()
            run = self.runs[k].run
            note_jobs(run)
            if not {"queued", "running"} & set(run.read_manifest()["jobs"].values()):
                finish_run(run)
            self.rows[k] = overview_row(run, self.manifest["runs"][k])
            tick()
        write_batch_overview(self.folder, self.manifest, self.rows)


@contextmanager
def _kept(folder, runner, *, is_new):
    """After what ends a batch early, say how to go on with it; a new one of which nothing has been done is not left behind."""
    go_on = f"go on with: acoustic-nb batch --resume {shlex.quote(str(folder))}"

    def interrupted():
        return f"interrupted; {go_on}" if (folder / MANIFEST).exists() else "interrupted; no batch was started"

    try:
        with stoppable(interrupted):
            yield
    except KeyboardInterrupt:
        if is_new and not (folder / MANIFEST).exists():
            shutil.rmtree(folder)
        raise
    except Exception as error:
        statuses = [status for path in folder.glob("*/status") for status in Run(path.parent).statuses().values()]
        if is_new and all(status["status"] == "queued" for status in statuses) and runner_of(folder).startswith(runner):
            shutil.rmtree(folder)
            raise
        print(go_on, file=sys.stderr)
        raise Stopped(" ".join(_words(error).split())) from error


def _words(error):
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)


def _differing(planned):
    """For each run, of what was varied that which is not the same in all."""
    names = dict.fromkeys(name for each in planned for name in each.varied)
    names = [name for name in names if len({repr(each.varied.get(name)) for each in planned}) > 1]
    return [{name: each.plan.settings.get(name, each.varied.get(name)) for name in names} for each in planned]


def _title(name, settings):
    return ", ".join([name, *(f"{setting} {value}" for setting, value in settings.items())])


def _tell_plan(planned, found, runs_dir, at_once):
    """Print how much there is to do, how much of it was done before, and how long the rest will take."""
    n_jobs, n_done, todo = 0, 0, []
    for each in planned:
        stems = {job: path.stem for job, path in each.plan.jobs.items()}
        done = takeable(each.keys, found, stems, [fact["path"] for fact in each.facts])
        if not done >= set(each.keys) - set(AFTERWARDS):
            done -= set(AFTERWARDS)
        n_jobs, n_done = n_jobs + len(each.keys), n_done + len(done)
        todo += [job for job in each.keys if job not in done]
    text = f"{len(planned)} runs, {n_jobs} notebooks: {n_done} were done by earlier batches, {len(todo)} to be run"
    if todo:
        seconds = _job_seconds(runs_dir)
        each_s = sum(seconds.get(job, JOB_S) for job in todo)
        text += f", about {duration(each_s / (at_once or 1))} " + (f"with {at_once} at once" if at_once else "by one worker")
    print(text)


def _job_seconds(runs_dir):
    """How long notebooks took here, ``{job: median in s}``, of the latest runs."""
    files = [*Path(runs_dir).glob("*/status/*.json"), *Path(runs_dir).glob("*/*/status/*.json")]
    seconds = defaultdict(list)
    for path in sorted(files, key=lambda path: path.parent.parent.name)[-LOOKED_AT:]:
        status = json.loads(path.read_text(encoding="utf-8"))
        if status["status"] == "ok":
            seconds[status["job"]].append(status["seconds"])
    return {job: statistics.median(each) for job, each in seconds.items()}


def _write_manifest(folder, manifest):
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n")
