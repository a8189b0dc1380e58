"""The page of a batch: how far its runs are, what failed, every run's verdict, all ROC AUCs, and which detector ranks best."""

import shlex
from datetime import datetime
from urllib.parse import quote

import pandas as pd

from acoustic_nb.detectors import DETECTORS
from acoustic_nb.index_page import VERDICT_LABELS
from acoustic_nb.intervals import MIN_EFFECTIVE_SIZE
from acoustic_nb.pages import FAILED, MISSING, STATUS_WORDS, absent, environment, name_and_date, number
from acoustic_nb.parameters import AFTERWARDS
from acoustic_nb.ranks import LEAST_BLOCKS, rank_over_machines
from acoustic_nb.whole import write_whole

KEPT = ("title", "supervised", "roc_auc", "roc_auc_low", "roc_auc_high", "n_eff", "level_auc", "recall", "false_alarm_rate")
# from white to purple in ten steps of one length in OKLab, for ROC AUC 0.5 to 1
SCALE = ("#ffffff", "#eee7f0", "#ddcfe2", "#ccb7d4", "#bba0c5", "#ab89b7", "#9b73a8", "#8a5d9a", "#7a468b", "#6a2f7d", "#5a146e")


def overview_row(run, about):
    """Everything of one run that the overview shows; its files are read here only.

    Parameters
    ----------
    run : Run
        At any stage: where there is no comparison yet, the numbers are those that each detector has kept.
    about : dict
        ``name``, of the machine; ``settings``, what varies within the batch; ``folder``, the name of the run's folder.

    Returns
    -------
    dict
        ``name``, ``settings``, ``folder``; ``page``, whether the run has one; ``ended``, whether nothing is left to do;
        ``verdict`` (``{"kind", "text"}`` or None); ``jobs``, a dict each with ``job``, ``status``, ``error``, ``seconds``,
        ``taken_from`` and ``report`` (its file's name or None); ``detectors``, a dict of ``KEPT`` for each that has a result;
        ``recordings``, their SHA-256.
    """
    manifest = run.read_manifest() if (run.folder / "run.json").is_file() else {"jobs": {}, "inputs": []}
    statuses = run.statuses()
    reports = {path.stem.partition("_")[2]: path.name for path in (run.folder / "reports").glob("[0-9]*_*.html")}
    jobs = [{"job": job, "status": status.get("status") or "queued", "error": status.get("error"),
             "seconds": status.get("seconds"), "taken_from": status.get("taken_from"), "report": reports.get(job)}
            for job in sorted({**manifest["jobs"], **statuses}, key=_place) for status in [statuses.get(job, {})]]
    summary = run.summary()
    if summary is not None:
        detectors = {row["detector"]: {**{name: row[name] for name in KEPT}, "supervised": bool(row["supervised"])}
                     for row in summary.to_dict("records")}
    else:
        detectors = {name: _kept(run.load_metrics(name)) for name in run.detectors()}
    return {**{name: about[name] for name in ("name", "settings", "folder")}, "page": (run.folder / "index.html").is_file(),
            "ended": bool(jobs) and not any(job["status"] in ("queued", "running") for job in jobs), "verdict": run.verdict(),
            "jobs": jobs, "detectors": detectors,
            "recordings": sorted({entry["sha256"] for entry in manifest["inputs"] if entry.get("sha256")})}


def write_batch_overview(folder, manifest, rows, *, as_of=None):
    """Write ``index.html`` and ``summary.csv`` of a batch.

    Parameters
    ----------
    folder : Path
        Of the batch; holds the runs' folders.
    manifest : dict
        ``name``, with or without a date before it; ``created`` and ``finished``, ISO dates, the latter None before the end;
        ``command``; ``problem``, one line that says why the batch stopped early, or None.
    rows : list of dict
        From ``overview_row``, in the order of the batch.
    as_of : datetime, optional
        With its time zone; by default now.

    Returns
    -------
    Path
        Of the page.
    """
    as_of = as_of or datetime.now().astimezone()
    table = _summary_table(rows)
    write_whole(folder / "summary.csv", table.to_csv(index=False))
    titles = _titles(rows)
    groups = _groups(rows, titles)
    page = environment().get_template("batch.html.j2").render(
        name=name_and_date(manifest["name"])[0], as_of=as_of,
        began=datetime.fromisoformat(manifest["created"]).astimezone(as_of.tzinfo),
        running=not manifest["finished"] and not manifest["problem"], finished=manifest["finished"],
        problem=manifest["problem"], command=manifest["command"],
        resume=f"acoustic-nb batch --resume {shlex.quote(folder.name)}", progress=_progress(rows), n_runs=len(rows),
        n_taken=sum(bool(job["taken_from"]) for row in rows for job in row["jobs"]), failures=_failures(rows, titles),
        settings=_settings(rows), rows=[_line(row) for row in rows], verdicts=VERDICT_LABELS, groups=groups,
        machines=_heat(rows, groups), legend=[(0.5 + 0.05 * step, colours(0.5 + 0.05 * step)) for step in range(len(SCALE))],
        ranking=_ranking(rows, titles), least_blocks=LEAST_BLOCKS, n_few=MIN_EFFECTIVE_SIZE)
    return write_whole(folder / "index.html", page)


def colours(roc_auc):
    """Background and ink of a ROC AUC, as CSS: white at 0.5 and below, to purple at 1; the ink that is easier to read."""
    place = min(max((roc_auc - 0.5) * 2, 0), 1) * (len(SCALE) - 1)
    step = min(int(place), len(SCALE) - 2)
    pairs = [[int(colour[at:at + 2], 16) for colour in SCALE[step:step + 2]] for at in (1, 3, 5)]
    mixed = "".join(f"{round(low + (high - low) * (place - step)):02x}" for low, high in pairs)
    return f"background:#{mixed};color:{'#000' if place < 6.6 else '#fff'}"


def _place(job):
    """Where a job comes: detectors in the order of their notebooks, new ones after them, then what reads their results."""
    order = [*DETECTORS, *AFTERWARDS]
    return (job in AFTERWARDS, order.index(job) if job in order else len(order), job)


def _kept(metrics):
    interval, controls = metrics["interval"], metrics["controls"]
    return {"title": metrics["title"], "supervised": metrics["supervised"], "roc_auc": metrics["metrics"]["roc_auc"],
            "roc_auc_low": interval["low"], "roc_auc_high": interval["high"], "n_eff": interval["n_eff"],
            "level_auc": controls["level_auc"], "recall": metrics["metrics"]["recall"],
            "false_alarm_rate": metrics["metrics"]["false_alarm_rate"]}


def _settings(rows):
    return list(dict.fromkeys(name for row in rows for name in row["settings"]))


def _jobs(rows):
    return sorted({job["job"] for row in rows for job in row["jobs"]} | {name for row in rows for name in row["detectors"]},
                  key=_place)


def _titles(rows):
    titles = {name: about["title"] for row in rows for name, about in row["detectors"].items()}
    return {job: titles.get(job) or job.replace("_", " ").capitalize() for job in _jobs(rows)}


def _count(row, *statuses):
    return sum(job["status"] in statuses for job in row["jobs"])


def _seconds(row):
    """How long the notebooks took that ran in this batch; None where none has."""
    return sum(own) if (own := [job["seconds"] for job in row["jobs"] if job["seconds"] and not job["taken_from"]]) else None


def _best(row):
    """The detectors that learned from normal sound only and share the highest ROC AUC: their names, the first by notebook first."""
    fair = {name: about["roc_auc"] for name, about in row["detectors"].items()
            if not about["supervised"] and not absent(about["roc_auc"])}
    return sorted((name for name in fair if fair[name] == max(fair.values())), key=_place)


def _summary_table(rows):
    jobs = _jobs(rows)
    detectors, settings, lines = [job for job in jobs if job not in AFTERWARDS], _settings(rows), []
    for row in rows:
        verdict, best = row["verdict"] or {"kind": None, "text": None}, _best(row)
        statuses = {job["job"]: job["status"] for job in row["jobs"]}
        lines.append({
            "name": row["name"], **{name: row["settings"].get(name) for name in settings}, "folder": row["folder"],
            "verdict": verdict["kind"], "verdict_text": verdict["text"], "notebooks": len(row["jobs"]), "done": _count(row, "ok"),
            "failed": _count(row, *FAILED), "seconds": _seconds(row), "best_detector": best[0] if best else None,
            **{f"{what}_{name}": row["detectors"].get(name, {}).get(what) for name in detectors
               for what in ("roc_auc", "roc_auc_low", "roc_auc_high")},
            **{f"status_{job}": statuses.get(job) for job in jobs}})
    return pd.DataFrame(lines)


def _progress(rows):
    """How far the batch is, in words."""
    total = sum(len(row["jobs"]) for row in rows)
    counts = [f"{n} {word}" for word, statuses in (("failed", FAILED), ("skipped", ("skipped",)), ("running", ("running",)))
              if (n := sum(_count(row, *statuses) for row in rows))]
    done = sum(_count(row, "ok") for row in rows)
    complete = sum(row["ended"] and not _count(row, *FAILED) for row in rows)
    return f"{', '.join([f'{done} of {total} notebooks done', *counts])}; {complete} of {len(rows)} runs complete"


def _failures(rows, titles):
    return [{"name": _label(row), "page": _page(row), "jobs": [
        {**job, "title": titles[job["job"]], "word": STATUS_WORDS[job["status"]], "href": _report(row, job)}
        for job in row["jobs"] if job["status"] in FAILED]} for row in rows if _count(row, *FAILED)]


def _label(row):
    return ", ".join([row["name"], *(f"{name} {value}" for name, value in row["settings"].items())])


def _page(row):
    return quote(f"{row['folder']}/index.html") if row["page"] else None


def _report(row, job):
    return quote(f"{row['folder']}/reports/{job['report']}") if job["report"] else None


def _line(row):
    """A run as the table of runs shows it."""
    best = _best(row)
    kind = row["verdict"]["kind"] if row["verdict"] else "none"
    return {"name": row["name"], "page": _page(row), "settings": row["settings"], "kind": kind,
            "best": {**row["detectors"][best[0]], "others": len(best) - 1} if best else dict.fromkeys((*KEPT, "others")),
            "done": _count(row, "ok"), "failed": _count(row, *FAILED), "skipped": _count(row, "skipped"), "n": len(row["jobs"]),
            "seconds": _seconds(row)}


def _groups(rows, titles):
    """The detectors of the heat map, the supervised last: a list of (heading, [(name, title)])."""
    supervised = {name: about["supervised"] for row in rows for name, about in row["detectors"].items()}
    detectors = [(job, title) for job, title in titles.items() if job not in AFTERWARDS]
    named = (("Learned from normal sound only", False), ("No result yet", None),
             ("Supervised: has also heard anomalous sound", True))
    return [(heading, own) for heading, kind in named if (own := [each for each in detectors if supervised.get(each[0]) is kind])]


def _heat(rows, groups):
    """The heat map: for each machine a list of its runs, with the cells of each group of detectors."""
    machines = {}
    for row in rows:
        cells = [[_cell(row, name, title) for name, title in own] for _, own in groups]
        machines.setdefault(row["name"], []).append({"settings": row["settings"], "page": _page(row), "groups": cells})
    return machines


def _cell(row, name, title):
    job = next((job for job in row["jobs"] if job["job"] == name), {"status": None, "report": None})
    about = row["detectors"].get(name)
    word = STATUS_WORDS.get(job["status"], "not asked for")
    cell = {"href": _report(row, job), "word": word if job["status"] else MISSING, "text": None, "style": None, "below": False,
            "few": False}
    if about is None or absent(about["roc_auc"]):
        return {**cell, "says": f"{title}, {_label(row)}: {word}"}
    few, below = absent(about["n_eff"]) or about["n_eff"] < MIN_EFFECTIVE_SIZE, about["roc_auc"] < 0.5
    says = (f"{title}, {_label(row)}: ROC AUC {number(about['roc_auc'])}, 95 % interval {number(about['roc_auc_low'], 2)} to "
            f"{number(about['roc_auc_high'], 2)}{', too little independent data' * few}{', below chance' * below}")
    return {**cell, "text": number(about["roc_auc"]), "style": colours(about["roc_auc"]), "below": below, "few": few,
            "word": word if job["status"] in FAILED else None, "says": says}


def _ranking(rows, titles):
    """What ``rank_over_machines`` says of the detectors that learn from normal sound only, with titles, and places in per cent."""
    fair = [name for name in titles if any(name in row["detectors"] and not row["detectors"][name]["supervised"] for row in rows)]
    aucs = pd.DataFrame([{name: row["detectors"].get(name, {}).get("roc_auc") for name in fair} for row in rows], columns=fair,
                        dtype=float)
    found = rank_over_machines(aucs, names=[row["name"] for row in rows], recordings=[row["recordings"] for row in rows],
                               ended=[row["ended"] for row in rows])
    share, half = 100 / max(len(found["ranks"]), 1), (found["critical_difference"] or 0) / 2  # half a rank is free at both ends
    lines = [{"title": titles[name], "rank": rank, "at": share * (rank - 0.5), "low": max(share * (rank - half - 0.5), 0),
              "high": min(share * (rank + half - 0.5), 100)} for name, rank in found["ranks"].items()]
    return {**found, "lines": lines, "left_out": [
        (names, ", ".join(titles[name] for name in missing)) for names, missing in found["left_out"]]}
