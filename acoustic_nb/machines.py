"""Several machines in one data set: a run for each, in one folder, with an overview of them."""

import json
import shutil
from dataclasses import replace

import pandas as pd

from acoustic_nb.execute import start_run
from acoustic_nb.loading import load_inputs
from acoustic_nb.pages import environment, name_and_date
from acoustic_nb.runs import Run, make_dated_folder
from acoustic_nb.sections import overview_means
from acoustic_nb.whole import write_whole


def start_runs(runs_dir, machines, *, name=None, inputs, command="", load=load_inputs, **settings):
    """One run per machine, one after the other.

    Parameters
    ----------
    runs_dir : path
    machines : list of str
    name : str, optional
        Of the folder that holds the runs; by default the data set's.
    inputs, command, load, settings
        As for ``execute.start_run``.

    Returns
    -------
    folder : Path
        Holds the runs, ``index.html`` and ``overview.csv``.
    runs : dict
        ``{machine: Run}``.
    refused : dict
        ``{machine: reason}`` of those whose recordings cannot be used; the others are run all the same.

    Raises
    ------
    ValueError
        Where every machine is refused; nothing is left behind then.
    """
    inputs = inputs.absolute()
    folder = make_dated_folder(runs_dir, name or inputs.title([]))
    runs, refused = {}, {}
    try:
        for number, machine in enumerate(machines, 1):
            print(f"machine {number} of {len(machines)}: {machine or 'without a name'}")
            try:
                runs[machine] = start_run(folder, name=machine or "unnamed", inputs=replace(inputs, machine=machine),
                                          command=command, load=load, **settings)
            except ValueError as error:  # kept, shown, and decided on below
                refused[machine] = str(error)
            write_overview(folder, refused)
    finally:
        if not runs and not list(folder.glob("*/run.json")):
            shutil.rmtree(folder)
    if not runs:
        machine, reason = next(iter(refused.items()))
        raise ValueError(f"none of the {len(machines)} machines can be run; {machine}: {reason}")
    return folder, runs, refused


def write_overview(folder, refused=None):
    """Write ``index.html``, ``overview.csv`` and ``overview.json`` for the runs in a folder, one per machine.

    Parameters
    ----------
    folder : path
        Holds the runs' folders.
    refused : dict, optional
        ``{machine: reason}``; by default what ``overview.json`` says.

    Returns
    -------
    Path
        Of the page.
    """
    kept = folder / "overview.json"
    refused = json.loads(kept.read_text(encoding="utf-8"))["refused"] if refused is None and kept.exists() else refused or {}
    write_whole(kept, json.dumps({"refused": refused}, indent=2, ensure_ascii=False))
    runs = {}
    for path in sorted(folder.glob("*/run.json")):
        run = Run(path.parent)
        runs[run.read_manifest().get("asked", {}).get("machine") or name_and_date(path.parent.name)[0]] = run
    rows, tables = [], {}
    for machine, run in runs.items():
        summary = run.summary()
        if summary is None:
            continue
        rows.append(summary.assign(machine=machine))
        for name in run.detectors():
            kept = run.load_detector(name)[2]
            tables.setdefault(kept["title"], {})[machine] = pd.DataFrame(kept["sections"]["table"])
    together = {title: overview_means(of_machine) for title, of_machine in tables.items() if len(of_machine) == len(runs)}
    if rows:
        pd.concat(rows).to_csv(folder / "overview.csv", index=False)
    name, date = name_and_date(folder.name)
    machines = [{"machine": machine, "page": f"{run.folder.name}/index.html", "verdict": run.read_manifest()["verdict"],
                 "aucs": {} if run.summary() is None else run.summary().set_index("title")["roc_auc"].to_dict(),
                 "not_ok": [f"{job}: {status['status']}" for job, status in run.statuses().items() if status["status"] != "ok"]}
                for machine, run in runs.items()]
    page = environment().get_template("overview.html.j2").render(
        run_name=name, date=date, machines=machines, titles=list(tables), together=together,
        refused=refused)
    return write_whole(folder / "index.html", page)
