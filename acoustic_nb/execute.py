"""Executing: a folder of notebooks and the recordings of one machine become a Run.

A job is one notebook. It is done by a worker (``workers.py``), a process that runs the notebook in a kernel of its own and
writes its status. The process that was asked for the run, the runner, starts the workers, writes everything else, and is
the only one that decides.
"""

import hashlib
import os
import platform
import shlex
import shutil
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psutil

from acoustic_nb.catalogue import CATALOGUE, LEFT_OUT, write_catalogue, write_left_out
from acoustic_nb.inputs import Inputs, find_entries
from acoustic_nb.machine import check_kernel, git_commit, versions, worker_count
from acoustic_nb.parameters import (
    AFTERWARDS,
    COMPARISON,
    GIVEN_BY_THE_RUN,
    check_parameters,
    choose_jobs,
    find_notebooks,
    notebook_parameters,
)
from acoustic_nb.progress import JobProgress, progress_bar
from acoustic_nb.runs import Run
from acoustic_nb.workers import Workers

LONGEST_FIRST = ("gan", "lstm_autoencoder", "conv_autoencoder")
TIMEOUT_S = 600.0
TICK_S = 0.1
READ_BYTES = 1 << 22
DEMO_INPUTS = Inputs()


def load_inputs(inputs, settings):
    """The recordings and what was left out, listened to and checked together with the settings that every notebook would refuse.

    What was recognised and heard is printed on the way.
    """
    from acoustic_nb.cache import cache_folder, cache_limit_bytes
    from acoustic_nb.catalogue import audit_text
    from acoustic_nb.clips import pool_scores
    from acoustic_nb.datasets import brought_together, listen, refuse_same_audio
    from acoustic_nb.event_sounds import check_event
    from acoustic_nb.features import check_features
    from acoustic_nb.mixtures import check_trials
    from acoustic_nb.seeds import check_seeds
    from acoustic_nb.thresholds import check_rate
    from acoustic_nb.units import check_rotations

    cache_folder()
    cache_limit_bytes()
    check_rate(settings["false_alarm_rate"])
    check_features(n_mfcc=settings["n_mfcc"], level=settings["level"])
    check_seeds(settings.get("seeds", 1))
    pool_scores([0.0], settings["clip_score"])
    found = find_entries(inputs)
    print(found.sentence)
    recordings, left_out = listen(found, inputs, channel=settings["channel"], seed=settings["seed"])
    print(audit_text(recordings, left_out))
    refuse_same_audio(recordings)
    together = brought_together(recordings, **{name: settings[name] for name in ("sample_rate", "window_s", "hop_s")})
    if "trials" in settings:  # the sensitivity is run too
        check_trials(settings["trials"])
        longest = max((each for each in together if each.label == 1), key=lambda each: each.end_s)
        check_event(longest, settings["event_start_s"], settings["event_end_s"])
    check_rotations(together, settings.get("rotations", 1), window_s=settings["window_s"], hop_s=settings["hop_s"])
    return together, left_out


def share_features(recordings, settings):
    """Compute once what every notebook finds in the cache: features, as they are and of louder and softer test sound, overviews."""
    from acoustic_nb.catalogue import pick
    from acoustic_nb.feature_cache import cached_features
    from acoustic_nb.level_shifts import probe_windows, shifted_features
    from acoustic_nb.overviews import overviews
    from acoustic_nb.units import split_recordings

    table = cached_features(recordings, **{name: settings[name] for name in ("window_s", "hop_s", "n_mfcc", "level")})
    if "rotations" in settings:  # a detector's notebook is run, not the sensitivity alone
        shifted_features(probe_windows(split_recordings(table, recordings)), recordings)
        overviews(pick(recordings))


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
    plan = _Plan.make(notebooks, only, parameters or {}, sensitivity=sensitivity)
    workers = worker_count(len(plan.jobs), workers)
    if not timeout_s > 0:
        raise ValueError(f"the longest time for a cell must be a positive number of seconds, got {timeout_s}")
    try:
        recordings, left_out = load(inputs, plan.settings)
        facts = _inputs(recordings)
    except KeyboardInterrupt:
        print("interrupted; no run was started", file=sys.stderr)
        raise
    run = Run.create(runs_dir, name or inputs.title([recording.name for recording in recordings]))
    try:
        with _owned(run), _stoppable(run):
            run.write_manifest({
                "name": run.folder.name, "created": _now(), "finished": None, "command": command,
                "parameters": {**plan.settings, **inputs.words()}, "given": parameters or {}, "asked": asdict(inputs),
                "seed": plan.settings.get("seed"), "timeout_s": timeout_s, "inputs": facts, "left_out": left_out,
                "labels": {recording.events_path: _file_sha256(recording.events_path) for recording in recordings
                           if recording.events_path},
                **_surroundings(), "jobs": dict.fromkeys(plan.jobs, "queued"), "verdict": UNFINISHED})
            for job in plan.jobs:
                run.write_status(job, "queued")
            _catalogue(run, inputs, recordings, left_out)
            with Workers(run, _at_once(plan.jobs, workers)) as workers:
                share(recordings, plan.settings)
                del recordings  # the notebooks need the memory
                _run_jobs(run, plan, list(plan.jobs), workers, timeout_s=timeout_s)
            _finish(run)
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
    # its own catalogue, not what it was asked for: a folder may hold other files by now
    inputs = Inputs(dataset=str(run.folder / CATALOGUE)) if (run.folder / CATALOGUE).exists() else Inputs(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in manifest["asked"].items()})
    known = {entry["path"]: entry["sha256"] for entry in manifest["inputs"]}
    for path, sha256 in {**known, **manifest.get("labels", {})}.items():
        _check_unchanged(run, path, sha256)
    plan = _Plan.make(notebooks, list(manifest["jobs"]), manifest["given"])
    todo = [job for job in plan.jobs if run.statuses().get(job, {}).get("status") not in ("ok", "skipped")]
    if todo:  # what reads the results of others is read again
        todo = [job for job in plan.jobs if job in todo or job in AFTERWARDS]
    with _owned(run), _stoppable(run):
        if todo:
            recordings, left_out = load(inputs, plan.settings)
            if not (run.folder / CATALOGUE).exists():  # interrupted before it was written; without it notebooks would take the demo
                _catalogue(run, inputs, recordings, left_out)
            for job in todo:
                run.forget(job)
                run.write_status(job, "queued")
            resumed = {"at": _now(), "command": command, **_surroundings()}
            run.write_manifest({**manifest, "finished": None, "resumed": [*manifest.get("resumed", []), resumed],
                                "jobs": _outcome(run), "verdict": UNFINISHED})
            with Workers(run, _at_once(todo, worker_count(len(todo), workers))) as workers:
                share(recordings, plan.settings)
                del recordings
                _run_jobs(run, plan, todo, workers, timeout_s=timeout_s or manifest["timeout_s"])
        _finish(run)
    return run


def is_running(run):
    """Whether a runner is at work on this run right now."""
    with suppress(OSError, ValueError, psutil.Error):
        pid, begun = (run.folder / "runner").read_text().split()
        return abs(psutil.Process(int(pid)).create_time() - float(begun)) < 2
    return False


@dataclass(frozen=True)
class _Plan:
    """Which notebooks run with which parameters."""

    jobs: dict      # {job: path}, in the order of the notebooks
    listed: dict    # {job: notebook_parameters(path)}
    given: dict     # {job: {name: value}}, what the user set
    settings: dict  # {name: value} where all notebooks that list the name agree

    @classmethod
    def make(cls, notebooks, only, parameters, *, sensitivity=False):
        check_kernel()
        jobs = choose_jobs(find_notebooks(notebooks), only, sensitivity=sensitivity)
        listed = {job: notebook_parameters(path) for job, path in jobs.items()}
        given = check_parameters(listed, parameters)
        settings = {}
        for job, entries in listed.items():
            for name, entry in entries.items():
                settings.setdefault(name, []).append(given[job].get(name, entry["default"]))
        settings = {name: values[0] for name, values in settings.items()
                    if name not in GIVEN_BY_THE_RUN and all(value == values[0] for value in values)}
        return cls(jobs, listed, given, settings)

    def parameters(self, job, run):
        """What papermill passes to the notebook of a job."""
        catalogue = run.folder / CATALOGUE
        by_run = {"run_dir": str(run.folder)}
        if catalogue.exists():
            by_run |= {"normal": "", "anomalous": "", "dataset": str(catalogue)}
        return {**self.given[job], **{name: value for name, value in by_run.items() if name in self.listed[job]}}


def _stages(todo):
    """The jobs ``todo`` in two lists: the longest first, and what reads the results of others after all of them."""
    rank = {job: place for place, job in enumerate(LONGEST_FIRST)}
    order = sorted((job for job in todo if job not in AFTERWARDS), key=lambda job: rank.get(job, len(rank)))
    return order, [job for job in todo if job in AFTERWARDS]


def _at_once(todo, workers):
    """How many of ``workers`` there is something to do for."""
    return min(workers, max(len(stage) for stage in _stages(todo)))


def _run_jobs(run, plan, todo, workers, *, timeout_s):
    """Have the workers do the jobs ``todo``."""
    progress = JobProgress(len(todo))
    try:
        for waiting in _stages(todo):
            while waiting or workers.busy():
                while waiting and workers.busy() < workers.count:
                    job = waiting.pop(0)
                    run.write_status(job, "running")
                    workers.give(job, notebook=str(plan.jobs[job]), parameters=plan.parameters(job, run), timeout_s=timeout_s)
                    progress.started(job)
                    _note_jobs(run)
                if job := workers.wait(TICK_S):
                    progress.finished(job, run.statuses()[job])
                    _note_jobs(run)
                progress.tick()
    finally:  # on success nothing is running any more
        workers.stop()
        with suppress(OSError):  # a full disk has its own exception under way
            for job in todo:
                if run.statuses()[job]["status"] == "running":
                    run.write_status(job, "queued", error="interrupted")
            _note_jobs(run)
        progress.close()


@contextmanager
def _owned(run):
    """Keep a second runner away from the run."""
    if is_running(run):
        raise ValueError(f"{run.folder}: is running already, in process {(run.folder / 'runner').read_text().split()[0]}; "
                         "wait for it, or end it first")
    (run.folder / "runner").write_text(f"{os.getpid()} {psutil.Process().create_time()}\n")
    try:
        yield
    finally:
        (run.folder / "runner").unlink(missing_ok=True)


@contextmanager
def _stoppable(run):
    """SIGTERM and a closed terminal are Ctrl-C; after it, say how to go on."""
    def stop(number, frame):
        for each in before:  # once is enough, the clean-up is not to be disturbed
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if number not in before and not (number == getattr(signal, "SIGHUP", None)
                                             and signal.getsignal(number) == signal.SIG_IGN):  # nohup
                before[number] = signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted; go on with: acoustic-nb run --resume {shlex.quote(str(run.folder))}", file=sys.stderr)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _finish(run):
    from acoustic_nb.index_page import write_index

    statuses = run.statuses()
    verdict = run.verdict()
    if verdict is None and COMPARISON in statuses:
        comparison = statuses[COMPARISON]
        verdict = _no_verdict(f"the comparison is {comparison['status']} ({comparison['error'] or 'it wrote none'})")
        if comparison["status"] == "skipped":
            verdict["kind"] = "too_little_data"
    manifest = {**run.read_manifest(), "jobs": _outcome(run), "verdict": verdict or _no_verdict("there is no comparison")}
    run.write_manifest({**manifest, "finished": _now()})
    write_index(run)


def _note_jobs(run):
    run.write_manifest({**run.read_manifest(), "jobs": _outcome(run)})


def _outcome(run):
    statuses = run.statuses()
    order = [job for job in run.read_manifest()["jobs"] if job in statuses]
    return {job: statuses[job]["status"] for job in order}


def _no_verdict(why):
    return {"kind": "none", "text": f"no verdict: {why}"}


UNFINISHED = _no_verdict("the run has not finished")


def _surroundings():
    return {"versions": versions(), "platform": platform.platform(), "git_commit": git_commit()}


def _now():
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _inputs(recordings):
    """What identifies the recordings, with the SHA-256 of their files, or of the demo's samples."""
    sha256 = {recording.path: _file_sha256(recording.path) for recording in recordings if recording.path != "demo"}
    return [{**recording.facts(), "sha256": sha256.get(recording.path) or hashlib.sha256(recording.samples).hexdigest()}
            for recording in recordings]


def _catalogue(run, inputs, recordings, left_out):
    """What the notebooks read instead of listening again; the demo needs none."""
    if not inputs.is_demo:
        write_catalogue(recordings, run.folder / CATALOGUE)
        if left_out:
            write_left_out(left_out, run.folder / LEFT_OUT)


def _file_sha256(path):
    digest = hashlib.sha256()
    with (open(path, "rb") as file,
          progress_bar(total=os.path.getsize(path), desc=f"SHA-256 of {Path(path).name}", unit="B", unit_scale=True) as bar):
        while piece := file.read(READ_BYTES):
            digest.update(piece)
            bar.update(len(piece))
    return digest.hexdigest()


def _check_unchanged(run, path, sha256):
    if path == "demo":
        return
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file any more, but {run.folder.name} was started with it; "
                                "put it back, or start a new run")
    if _file_sha256(path) != sha256:
        raise ValueError(f"{path}: has changed since {run.folder.name} was started, so finished and new jobs would "
                         "not belong together; start a new run")
