"""Reuse: a job is known by all that its results depend on, and one that an earlier batch has done is taken from there.

That is its notebook, its parameters, the content of the recordings with what is said of them, the source of this package and the
versions of the libraries; for a notebook that reads the results of others, the keys of these too.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from acoustic_nb.machine import versions
from acoustic_nb.parameters import AFTERWARDS, GIVEN_BY_THE_RUN
from acoustic_nb.runs import Run

PACKAGE = Path(__file__).absolute().parent
DONE = ("ok", "skipped")
KEY_DIGITS = 32


def package_sha256():
    """Hexadecimal digits that change with the source of this package, its templates included."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".j2", ".css"):
            digest.update(f"{path.relative_to(PACKAGE).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def made_by(jobs):
    """What makes the results of ``jobs``, a dict ``{job: path}``: notebooks, the package's source, versions of the libraries.

    Source and versions are those of the process when it first asked.
    """
    return _digest([_program(), {job: _file_digest(path) for job, path in jobs.items()}])


def job_keys(plan, recordings, left_out):
    """What the jobs of a run are known by.

    Parameters
    ----------
    plan : Plan
    recordings : list of Recording
        Known by content, name, label, part, channel, rate and group, not by the folder they lie in.
    left_out : list
        What was left out of them, and why.

    Returns
    -------
    dict
        ``{job: hexadecimal digits}``.
    """
    heard = [{**{name: value for name, value in recording.facts().items() if name != "path"}, "content": recording.audit["content"],
              "layout": recording.layout, "events": recording.events and [vars(event) for event in recording.events]}
             for recording in recordings]
    left_out = [(Path(path).name, reason) for path, reason in left_out]
    keys = {}
    for job in sorted(plan.jobs, key=lambda job: job in AFTERWARDS):
        settings = {name: plan.given[job].get(name, entry["default"]) for name, entry in plan.listed[job].items()
                    if name not in GIVEN_BY_THE_RUN}
        read = {other: key for other, key in keys.items() if other not in AFTERWARDS} if job in AFTERWARDS else {}
        keys[job] = _digest([job, _file_digest(plan.jobs[job]), settings, heard, left_out, _program(), read])
    return keys


def features_key(recordings, settings):
    """What the features that the notebooks of a run share are known by, as hexadecimal digits."""
    wanted = {name: settings[name] for name in ("window_s", "hop_s", "n_mfcc", "level")}
    heard = [(recording.audit["content"], recording.sample_rate) for recording in recordings]
    return _digest([heard, wanted, "rotations" in settings])


def finished_jobs(runs_dir):
    """What the batches in a folder have done: ``{key: Run}``.

    What has read the results of others counts only where all of these were there; what was itself taken from elsewhere does not.
    """
    found = {}
    for manifest in sorted(Path(runs_dir).absolute().glob("*/batch.json")):
        for folder in sorted(manifest.parent.glob("*/status")):
            run = Run(folder.parent)
            statuses = run.statuses()
            complete = all(status["status"] in DONE for job, status in statuses.items() if job not in AFTERWARDS)
            found |= {status["key"]: run for job, status in statuses.items()
                      if status["status"] in DONE and status.get("key") and "taken_from" not in status
                      and (complete or job not in AFTERWARDS)}
    return found


def takeable(run_keys, found, stems, paths):
    """Which jobs of a run can be taken from where they were done before.

    What was done on copies of the recordings in another folder is taken for all jobs of a run or for none: results name their
    files, and are compared by these names.

    Parameters
    ----------
    run_keys : dict
        ``{job: key}``.
    found : dict
        ``{key: Run}``.
    stems : dict
        ``{job: stem of its notebook}``.
    paths : list of str
        As ``paths_of`` the run.

    Returns
    -------
    set of str
        Jobs.
    """
    there = {job: found[key] for job, key in run_keys.items() if key in found and is_whole(found[key], job, stems[job])}
    if len(there) == len(run_keys):
        return set(there)
    return {job for job, run in there.items() if paths_of(run) == paths}


def paths_of(run):
    """Where the recordings of a run lie, a list; None where the run has no manifest any more."""
    return [entry["path"] for entry in run.read_manifest()["inputs"]] if (run.folder / "run.json").is_file() else None


def is_whole(run, job, stem):
    """Whether a run still holds all that it has kept of a job that is done."""
    kept = run.statuses().get(job, {}).get("kept")
    return kept is not None and all((run.folder / file).is_file() for file in (f"{stem}.ipynb", f"reports/{stem}.html", *kept))


@cache
def _program():
    return [package_sha256(), versions()]


def _file_digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _digest(parts):
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]
