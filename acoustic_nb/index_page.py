"""The first page of a run: verdict, failures, table of detectors, links, inputs."""

import re
import shlex
from urllib.parse import quote

from PIL import Image

from acoustic_nb.audio import LABEL_NAMES
from acoustic_nb.pages import FAILED, STATUS_WORDS, absent, data_url, environment, name_and_date, webp
from acoustic_nb.whole import write_whole

THUMBNAIL_PX, PICTURE_PX = 640, 1200
MOST_INPUTS = 30
VERDICT_LABELS = {"separates": "A detector tells these recordings apart",
                  "explained_by_level": "A difference in level alone may explain it",
                  "no_evidence": "No evidence of a difference",
                  "too_little_data": "Too little sound to tell", "none": "No verdict"}
SUMMARY_COLUMNS = ("detector", "title", "supervised", "roc_auc", "roc_auc_low", "roc_auc_high", "n_eff",
                   "identity_high", "level_auc", "pauc", "average_precision", "prevalence", "recall", "f1",
                   "false_alarm_rate_wanted", "false_alarm_rate_used", "false_alarm_rate", "false_events", "false_events_per_hour",
                   "events", "event_recall", "median_onset_delay_s", "section_official_score", "seconds")


def write_index(run):
    """Write ``index.html`` of a run: verdict, failures, table of detectors, links, inputs.

    Parameters
    ----------
    run : Run
        At any stage: what is not there yet is shown as missing.

    Returns
    -------
    Path
        Of the page.
    """
    manifest, summary, verdict = run.read_manifest(), run.summary(), run.verdict()
    jobs = _jobs(run, manifest)
    whole = summary is not None and (summary["judged_by"] == "recording").all()
    titles = {} if summary is None else dict(zip(summary["detector"], summary["title"], strict=True))
    for job in jobs:
        job["title"] = {**titles, "sensitivity": "Sensitivity"}.get(job["job"]) or job["job"].replace("_", " ")
        drawn = {"sensitivity": "detection"}.get(job["job"], "strips" if whole else "timeline")
        job["thumbnail"] = _picture(run.folder / job["job"] / "figures" / f"{drawn}.png", THUMBNAIL_PX)
    comparison = next((job for job in jobs if job["job"] == "comparison"), None)
    name, date = name_and_date(run.folder.name)
    kind, text = (verdict["kind"], verdict["text"]) if verdict else ("none", _no_verdict(comparison))
    page = environment().get_template("index.html.j2").render(
        run_name=name, date=date, kind=kind, label=VERDICT_LABELS.get(kind, kind),
        sentences=re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.partition(" In figures: ")[0], maxsplit=1),
        sensitivity=run.sensitivity(), figures=text.partition(" In figures: ")[2],
        failures=[job for job in jobs if job["status"] in FAILED], comparison=comparison,
        skipped=[job for job in jobs if job["status"] == "skipped"],
        waiting=[job for job in jobs if job["status"] not in (*FAILED, "ok", "skipped")],
        detectors=[job for job in jobs if job is not comparison], words=STATUS_WORDS,
        bundles=_bundles(run, titles), groups=_groups(summary, jobs),
        ranges=_picture(run.folder / "comparison" / "figures" / "ranges.png", PICTURE_PX),
        item="recording" if whole else "window",
        inputs=manifest["inputs"][:MOST_INPUTS], n_inputs=len(manifest["inputs"]),
        n_minutes={role: sum(about["duration_s"] for about in manifest["inputs"] if about["label"] == role) / 60
                   for role in LABEL_NAMES}, left_out=manifest.get("left_out") or [],
        parameters=manifest.get("parameters") or {})
    return write_whole(run.folder / "index.html", page)


def _jobs(run, manifest):
    """One dict per job, in the order of the notebooks."""
    statuses = run.statuses()
    stems = {re.sub(r"^\d+_", "", path.stem): path.stem for path in run.folder.glob("*.ipynb")}
    planned = manifest["jobs"]
    jobs = []
    for job in {**stems, **planned, **statuses}:
        about = {"status": planned.get(job), **statuses.get(job, {})}
        stem = stems.get(job, job)
        there = (run.folder / "reports" / f"{stem}.html").exists()
        jobs.append({"job": job, "stem": stem, "status": about.get("status") or "queued", "error": about.get("error"),
                     "seconds": about.get("seconds"), "report": quote(f"reports/{stem}.html") if there else None})
    return sorted(jobs, key=lambda job: job["stem"])


def _bundles(run, titles):
    """The kept detectors, with addresses relative to the page."""
    kept = [name for name in run.detectors() if (run.folder / name / "bundle.zip").is_file()]
    return [{"title": titles.get(name) or name, "folder": shlex.quote(f"{run.folder.name}/{name}/bundle"),
             "zip": quote(f"{name}/bundle.zip"), "card": quote(f"{name}/bundle/MODEL_CARD.md")} for name in kept]


def _no_verdict(comparison):
    if comparison is None:
        return "There is no verdict: this run has no comparison."
    reason = {"failed": "the comparison failed", "timeout": "the comparison took too long",
              "dead": "the comparison's kernel died", "running": "the comparison is still running",
              "ok": "the comparison finished without writing one"}.get(comparison["status"])
    return f"There is no verdict: {reason or 'the comparison has not run'}."


def _groups(summary, jobs):
    """The table of detectors as two groups of rows, each from the highest ROC AUC down."""
    if summary is None or not len(summary):
        return []
    reports = {job["job"]: job["report"] for job in jobs}
    rows = [{**dict.fromkeys(SUMMARY_COLUMNS), **row, "report": reports.get(row["detector"])}
            for row in summary.to_dict("records")]
    rows.sort(key=lambda row: -1.0 if absent(row.get("roc_auc")) else row["roc_auc"], reverse=True)
    named = (("Learned from normal sound only", False), ("Supervised: has also learned from anomalous sound", True))
    return [(label, chosen) for label, kind in named
            if (chosen := [row for row in rows if bool(row["supervised"]) == kind])]


def _picture(path, longest_px):
    if not path.exists():
        return None
    image = Image.open(path)
    image.thumbnail((longest_px, longest_px))
    return {"src": data_url("image/webp", webp(image, quality=85)), "width": image.width, "height": image.height}
