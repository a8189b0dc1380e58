"""Plan: which notebooks a run executes, in which order, and what each is given."""

from dataclasses import dataclass

from acoustic_nb.catalogue import CATALOGUE
from acoustic_nb.machine import check_kernel
from acoustic_nb.parameters import (
    AFTERWARDS,
    GIVEN_BY_THE_RUN,
    check_parameters,
    choose_jobs,
    find_notebooks,
    notebook_parameters,
)

LONGEST_FIRST = ("gan", "lstm_autoencoder", "conv_autoencoder")


@dataclass(frozen=True)
class Notebooks:
    """The notebooks that were chosen, and what can be set in them.

    Attributes
    ----------
    jobs : dict
        ``{job: path}``, in the order of the notebooks.
    listed : dict
        ``{job: parameters.notebook_parameters(path)}``.
    """

    jobs: dict
    listed: dict

    @classmethod
    def choose(cls, folder=None, only=None, *, sensitivity=False):
        """The notebooks of a folder (the package's by default) as in ``parameters.choose_jobs``; the kernel is checked too."""
        check_kernel()
        jobs = choose_jobs(find_notebooks(folder), only, sensitivity=sensitivity)
        return cls(jobs, {job: notebook_parameters(path) for job, path in jobs.items()})

    def only(self, jobs):
        """Those of them that are named."""
        return Notebooks({job: path for job, path in self.jobs.items() if job in jobs},
                         {job: entries for job, entries in self.listed.items() if job in jobs})

    def plan(self, parameters):
        """The Plan of a run with what the user set, ``{name: value}``; a ValueError where a value does not fit."""
        given = check_parameters(self.listed, parameters)
        settings = {}
        for job, entries in self.listed.items():
            for name, entry in entries.items():
                settings.setdefault(name, []).append(given[job].get(name, entry["default"]))
        settings = {name: values[0] for name, values in settings.items()
                    if name not in GIVEN_BY_THE_RUN and all(value == values[0] for value in values)}
        return Plan(self.jobs, self.listed, given, settings)


@dataclass(frozen=True)
class Plan:
    """What one run executes.

    Attributes
    ----------
    jobs, listed : dict
        As in Notebooks.
    given : dict
        ``{job: {name: value}}``, what the user set.
    settings : dict
        ``{name: value}`` where all notebooks that list the name agree.
    """

    jobs: dict
    listed: dict
    given: dict
    settings: dict

    def parameters(self, job, run):
        """What papermill passes to the notebook of a job."""
        catalogue = run.folder / CATALOGUE
        by_run = {"run_dir": str(run.folder)}
        if catalogue.exists():
            by_run |= {"normal": "", "anomalous": "", "dataset": str(catalogue)}
        return {**self.given[job], **{name: value for name, value in by_run.items() if name in self.listed[job]}}


def stages(todo):
    """The jobs ``todo`` in two lists: the longest first, and what reads the results of others after all of them."""
    rank = {job: place for place, job in enumerate(LONGEST_FIRST)}
    order = sorted((job for job in todo if job not in AFTERWARDS), key=lambda job: rank.get(job, len(rank)))
    return order, [job for job in todo if job in AFTERWARDS]


def unfinished(jobs, statuses):
    """Which of ``jobs`` a resumed run has to do: those that are not ok, and then all that read the results of others again."""
    todo = [job for job in jobs if statuses.get(job, {}).get("status") not in ("ok", "skipped")]
    return [job for job in jobs if job in todo or job in AFTERWARDS] if todo else []
