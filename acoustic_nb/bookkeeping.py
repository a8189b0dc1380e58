"""Bookkeeping: what a runner writes into a run's folder before, between and after its jobs."""

import hashlib
import os
import platform
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from acoustic_nb.catalogue import CATALOGUE, LEFT_OUT, write_catalogue, write_left_out
from acoustic_nb.inputs import Inputs
from acoustic_nb.machine import git_commit, versions
from acoustic_nb.parameters import COMPARISON
from acoustic_nb.progress import progress_bar

READ_BYTES = 1 << 22


def begin_run(run, plan, *, inputs, recordings, left_out, facts, given, command, timeout_s):
    """Write what identifies a new run: its manifest, a status for every job, the catalogue of its recordings.

    Parameters
    ----------
    run : Run
        New.
    plan : Plan
    inputs : Inputs
        What was asked for, with absolute paths.
    recordings, left_out
        From ``loading.load_inputs``.
    facts : list of dict
        From ``identify``.
    given : dict
        ``{name: value}``, the parameters as the user set them.
    command : str
        What the user typed.
    timeout_s : float
        Longest time for one cell.
    """
    run.write_manifest({
        "name": run.folder.name, "created": now(), "finished": None, "command": command,
        "parameters": {**plan.settings, **inputs.words()}, "given": given, "asked": asdict(inputs),
        "seed": plan.settings.get("seed"), "timeout_s": timeout_s, "inputs": facts, "left_out": left_out,
        "labels": {recording.events_path: file_sha256(recording.events_path) for recording in recordings if recording.events_path},
        **surroundings(), "jobs": dict.fromkeys(plan.jobs, "queued"), "verdict": UNFINISHED})
    for job in plan.jobs:
        run.write_status(job, "queued")
    write_down(run, inputs, recordings, left_out)


def begin_again(run, todo, *, command):
    """Forget the results of the jobs ``todo`` of a run that is gone on with."""
    for job in todo:
        run.write_status(job, "queued")
        run.forget(job)
    manifest = run.read_manifest()
    resumed = {"at": now(), "command": command, **surroundings()}
    run.write_manifest({**manifest, "finished": None, "resumed": [*manifest.get("resumed", []), resumed],
                        "jobs": _outcome(run), "verdict": UNFINISHED})


def write_down(run, inputs, recordings, left_out):
    """The catalogue that the notebooks read instead of listening again; the demo needs none."""
    if not inputs.is_demo:
        write_catalogue(recordings, run.folder / CATALOGUE)
        if left_out:
            write_left_out(left_out, run.folder / LEFT_OUT)


def inputs_of(run):
    """What a run's recordings are read from: its own catalogue, since a folder that was asked for may hold other files now."""
    if (run.folder / CATALOGUE).exists():
        return Inputs(dataset=str(run.folder / CATALOGUE))
    asked = run.read_manifest()["asked"]
    return Inputs(**{name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()})


def note_jobs(run):
    """Bring the manifest up to date with the status files."""
    run.write_manifest({**run.read_manifest(), "jobs": _outcome(run)})


def finish_run(run):
    """Write verdict and first page of a run whose jobs have ended."""
    from acoustic_nb.index_page import write_index
    from acoustic_nb.model_card import write_cards

    statuses = run.statuses()
    verdict = run.verdict()
    if verdict is None and COMPARISON in statuses:
        comparison = statuses[COMPARISON]
        verdict = _no_verdict(f"the comparison is {comparison['status']} ({comparison['error'] or 'it wrote none'})")
        if comparison["status"] == "skipped":
            verdict["kind"] = "too_little_data"
    manifest = {**run.read_manifest(), "jobs": _outcome(run), "verdict": verdict or _no_verdict("there is no comparison")}
    run.write_manifest(manifest)
    write_cards(run)
    write_index(run)
    run.write_manifest({**manifest, "finished": now()})


def identify(recordings, known=None):
    """What identifies the recordings, with the SHA-256 of their files, or of the demo's samples.

    ``known``, a dict ``{path: SHA-256}``, is looked into first and added to.
    """
    known = {} if known is None else known
    for path in dict.fromkeys(recording.path for recording in recordings):
        if path != "demo" and path not in known:
            known[path] = file_sha256(path)
    return [{**recording.facts(), "sha256": known.get(recording.path) or hashlib.sha256(recording.samples).hexdigest()}
            for recording in recordings]


def check_unchanged(run, known=None):
    """Refuse to go on with a run whose recordings or labels are no longer what they were.

    ``known``, a dict ``{path: SHA-256}``, is looked into first and added to.
    """
    known = {} if known is None else known
    manifest = run.read_manifest()
    expected = {entry["path"]: entry["sha256"] for entry in manifest["inputs"] if entry["path"] != "demo"}
    for path, sha256 in {**expected, **manifest.get("labels", {})}.items():
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file any more, but {run.folder.name} was started with it; "
                                    "put it back, or start a new run")
        if path not in known:
            known[path] = file_sha256(path)
        if known[path] != sha256:
            raise ValueError(f"{path}: has changed since {run.folder.name} was started, so finished and new jobs would "
                             "not belong together; start a new run")


def file_sha256(path):
    """SHA-256 of a file's content as hexadecimal digits, with a bar where that takes long."""
    digest = hashlib.sha256()
    with (open(path, "rb") as file,
          progress_bar(total=os.path.getsize(path), desc=f"SHA-256 of {Path(path).name}", unit="B", unit_scale=True) as bar):
        while piece := file.read(READ_BYTES):
            digest.update(piece)
            bar.update(len(piece))
    return digest.hexdigest()


def now():
    """Date and time in ISO 8601 with the zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def surroundings():
    """Versions, platform and commit, for a manifest."""
    return {"versions": versions(), "platform": platform.platform(), "git_commit": git_commit()}


def _outcome(run):
    statuses = run.statuses()
    order = [job for job in run.read_manifest()["jobs"] if job in statuses]
    return {job: statuses[job]["status"] for job in order}


def _no_verdict(why):
    return {"kind": "none", "text": f"no verdict: {why}"}


UNFINISHED = _no_verdict("the run has not finished")
