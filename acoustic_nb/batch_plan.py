"""The plan of a batch: every row of its table checked, its recordings listened to, and what its runs are known by.

Recordings that several rows share are listened to once.
"""

import io
from collections import defaultdict
from contextlib import redirect_stdout
from dataclasses import dataclass, replace

from acoustic_nb.bookkeeping import identify
from acoustic_nb.datasets import listen
from acoustic_nb.inputs import Inputs, find_entries
from acoustic_nb.loading import check_recordings, wrong_settings
from acoustic_nb.plan import Plan
from acoustic_nb.progress import progress_bar
from acoustic_nb.reuse import features_key, job_keys
from acoustic_nb.runs import clean_name


@dataclass(frozen=True)
class PlannedRun:
    """One run of a batch, ready to be started.

    Attributes
    ----------
    name : str
        Of the row, else of its recordings.
    varied : dict
        ``{parameter: value}`` that columns or the grid have set.
    inputs : Inputs
    plan : Plan
    given : dict
        ``{parameter: value}``, all that was set.
    recordings, left_out, facts : list
        As ``bookkeeping.begin_run`` takes them; no recordings for the demo, which is made again.
    keys : dict
        ``{job: key}``, see ``reuse.job_keys``.
    features : str
        What the features are known by.
    duration_s : float
        Of all its recordings.
    """

    name: str
    varied: dict
    inputs: Inputs
    plan: Plan
    given: dict
    recordings: list
    left_out: list
    facts: list
    keys: dict
    features: str
    duration_s: float


def plan_runs(rows, notebooks):
    """Check every row, and find out what is to be run.

    Parameters
    ----------
    rows : list of batch_table.Row
    notebooks : Notebooks

    Returns
    -------
    runs : list of PlannedRun
        A row on several machines makes a run for each.
    problems : list of str
        One line for everything that is wrong, with the rows that it is about.
    """
    runs, wrong, heard, known = [], defaultdict(list), {}, {}
    for row in progress_bar(rows, desc="checking rows", unit=" rows"):
        plan = _checked_plan(row, notebooks, wrong)
        try:
            machines = find_entries(row.inputs).machines if row.inputs.machine is None else []
        except (ValueError, OSError) as error:
            wrong[str(error)].append(row.where)
            continue
        for machine in machines if len(machines) > 1 else [row.inputs.machine]:
            try:
                recordings, left_out = _listened(replace(row.inputs, machine=machine), plan, heard)
                if plan is not None:
                    runs.append(_planned(row, machine, plan, recordings, left_out, known))
            except (ValueError, OSError) as error:
                wrong[str(error)].append(row.where)
    return runs, [f"{wheres[0]}{_and_others(wheres)}: {problem}" for problem, wheres in wrong.items()]


def _checked_plan(row, notebooks, wrong):
    """The Plan of a row; None where a parameter is wrong, which is noted, each by itself."""
    good = {}
    for name, value in row.parameters.items():
        try:
            notebooks.plan({name: value})
            good[name] = value
        except ValueError as error:
            wrong[str(error)].append(row.where)
    if len(good) < len(row.parameters):
        return None
    plan = notebooks.plan(good)
    found = wrong_settings(plan.settings)
    for problem in found:
        wrong[problem].append(row.where)
    return None if found else plan


def _listened(inputs, plan, heard):
    """Recordings and what was left out, from ``heard`` where another row has named the same."""
    channel, seed = (plan.settings["channel"], plan.settings["seed"]) if plan else ("mean", 0)
    key = (inputs, channel, seed if inputs.is_demo else None)
    if key not in heard:
        for other in [other for other in heard if other[0].is_demo]:
            del heard[other]  # the demo is held in memory
        try:
            heard[key] = listen(find_entries(inputs), inputs, channel=channel, seed=seed)
        except (ValueError, OSError) as error:  # so that it is not tried again
            heard[key] = error
    if isinstance(heard[key], Exception):
        raise heard[key]
    return heard[key]


def _planned(row, machine, plan, recordings, left_out, known):
    with redirect_stdout(io.StringIO()):  # what it says of each run, the run's own report says
        together = check_recordings(recordings, plan.settings)
    inputs = replace(row.inputs, machine=machine)
    name = "_".join(filter(None, (row.name, machine if row.inputs.machine is None else ""))) if row.name else inputs.title(
        [recording.name for recording in together])
    clean_name(name)
    typed = {name: value for values in plan.given.values() for name, value in values.items()}
    return PlannedRun(
        name=name, varied={name: typed[name] for name in row.varied}, inputs=inputs, plan=plan, given=row.parameters,
        recordings=[] if inputs.is_demo else together, left_out=left_out, facts=identify(together, known),
        keys=job_keys(plan, together, left_out), features=features_key(together, plan.settings),
        duration_s=sum(recording.duration_s for recording in together))


def _and_others(wheres):
    return f" (and {len(wheres) - 1} more)" if len(wheres) > 1 else ""
