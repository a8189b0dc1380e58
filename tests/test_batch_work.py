"""The work of a batch, done by an engine that does each job the moment it is waited for: who is given what and when, by hand."""

import errno
import io
import shutil
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import pytest

from acoustic_nb import batch_work, index_page
from acoustic_nb.batch_job import UnfitWorker
from acoustic_nb.batch_work import BatchRun, Work
from acoustic_nb.bookkeeping import begin_again, finish_run
from acoustic_nb.catalogue import CATALOGUE
from acoustic_nb.detectors import DETECTORS
from acoustic_nb.inputs import Inputs
from acoustic_nb.plan import Plan
from acoustic_nb.progress import BatchProgress
from acoustic_nb.runners import runner_of
from acoustic_nb.runs import Run

STEMS = {"kmeans": "01_kmeans", "svm": "03_svm", "gmm": "04_gmm", "gan": "06_gan", "comparison": "07_comparison",
         "sensitivity": "08_sensitivity"}
SMALL = ("kmeans", "svm", "comparison")
ME, OTHER = "12 3.5 here\n", "13 4.5 elsewhere\n"
EXPECTED = {"made": "abc", "notebooks": {"kmeans": "/notebooks/01_kmeans.ipynb"}}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that passes only while somebody sleeps; ``clock.asleep`` is called then."""
    clock = SimpleNamespace(now=0.0, asleep=lambda: None)

    def sleep(seconds):
        clock.now += seconds
        clock.asleep()

    monkeypatch.setattr(batch_work, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


@pytest.fixture
def batch(tmp_path):
    folder = tmp_path / "Stapel {1} ä"
    folder.mkdir()
    (folder / "runner").write_text(ME, encoding="utf-8")
    return folder


def batch_run(batch, name, jobs=SMALL, *, keys=None, features=None, statuses=None):
    """A run of which nothing is done; what it does not share with others by ``keys`` and ``features`` is its own."""
    run = Run(batch / name)
    for part in ("status", "reports"):
        (run.folder / part).mkdir(parents=True)
    for job in jobs:
        run.write_status(job, (statuses or {}).get(job, "queued"))
    plan = Plan({job: Path("/notebooks") / f"{STEMS[job]}.ipynb" for job in jobs}, {job: {} for job in jobs},
                {job: {} for job in jobs}, {"seed": 1})
    own = {job: f"{name} {job}" for job in jobs}
    return BatchRun(run=run, plan=plan, inputs=Inputs(), title=name, keys={**own, **(keys or {})}, features=features or name)


def finish(run, job, status="ok", **more):
    """Leave of a job what a worker leaves."""
    if status not in ("queued", "running"):  # what has failed is reported too
        for file in (f"{STEMS[job]}.ipynb", f"reports/{STEMS[job]}.html"):
            (run.folder / file).write_text(f"{run.folder.name} {job}", encoding="utf-8")
    kept = kept_of(job) if status == "ok" else []
    for file in kept:
        (run.folder / job).mkdir(exist_ok=True)
        (run.folder / file).write_text("{}", encoding="utf-8")
    run.write_status(job, status, **{"seconds": 2.5, "kept": kept, **more})


def kept_of(job):
    """What a job that is ok has kept, in the words of its status."""
    files = ("items.csv", "metrics.json", "scores.csv") if job in DETECTORS else ("pairs.csv", "summary.csv", "verdict.json")
    return [f"{job}/{file}" for file in files]


def finished(each):
    """What ``Work`` takes as found before, where all jobs of a run were done."""
    for job in each.plan.jobs:
        finish(each.run, job, key=each.keys[job])
    return {each.keys[job]: each.run for job in each.plan.jobs}


class Engine:
    """Does the job that was given first when it is waited for; ``log`` tells what was given and had ended, in order.

    ``endings`` says what becomes of a job, ``{(k, job): [status or what do_job returns or raises, ...]}``, one for each time that
    it is done; ok where nothing is said. ``capacities`` are used up, the last one stays; an exception among them is raised.
    """

    def __init__(self, runs, *capacities, endings=None, breaks=None):
        self.runs, self.capacities = runs, chain(capacities, repeat(capacities[-1]))
        self.endings = {name: list(each) for name, each in (endings or {}).items()}
        self.breaks, self.log, self.under_way, self.tasks, self.turns = breaks, [], [], {}, 0

    def capacity(self):
        self.allowed = next(self.capacities)
        if isinstance(self.allowed, Exception):
            raise self.allowed
        return self.allowed

    def give(self, name, task):
        assert len(self.under_way) < self.allowed
        self.under_way.append(name)
        self.tasks[name] = task
        self.log.append("give {} {}".format(*name))
        k, job = name
        if job != "features":
            assert self.runs[k].run.status(job)["status"] == "queued"
            self.runs[k].run.write_status(job, "running", where="here", key=self.runs[k].keys[job])

    def wait(self, timeout_s):
        assert timeout_s > 0
        self.turns += 1
        assert self.turns < 200, f"no end: {self.log[-5:]}"
        if self.breaks and self.breaks[0] == self.turns:
            raise self.breaks[1]
        if not self.under_way:
            return None
        name = self.under_way.pop(0)
        self.log.append("end {} {}".format(*name))
        (k, job), ending = name, (self.endings.get(name) or [None if name[1] == "features" else "ok"]).pop(0)
        if job == "features" or isinstance(ending, Exception):
            return name, ending
        status, _, error = ending.partition(": ")
        finish(self.runs[k].run, job, status, error=error or None, key=self.runs[k].keys[job])
        return name, None


def do(batch, runs, *capacities, found=None, take=False, ended=None, **more):
    """Have all of it done; the engine tells the rest: what there is to see, whose jobs have ended, how they stand."""
    engine, stream, ended = Engine(runs, *capacities, **more), io.StringIO(), [] if ended is None else ended
    work = Work(runs, {} if found is None else found, ended.append)
    n_left = work.jobs_left()
    n_taken = work.take_what_is_done() if take else 0
    progress = BatchProgress(n_left, n_taken, stream=stream, clock=lambda: 0.0)
    work.do(engine, progress, folder=batch, runner=ME, expected=EXPECTED, timeout_s=9.0)
    assert not work.jobs_left() and not work.waiting and not work.given
    assert not progress.running and progress.done == progress.total
    engine.progress, engine.ended, engine.stream, engine.n_taken, engine.statuses = progress, ended, stream, n_taken, statuses(runs)
    return engine


def statuses(runs):
    """``{(k, job): status}`` as the files say."""
    return {(k, job): status["status"] for k, each in enumerate(runs) for job, status in each.run.statuses().items()}


# ---- what waits for what

def test_one_run_by_hand_with_two_workers(batch):
    runs = [batch_run(batch, "pump", ("kmeans", "gmm", "svm", "comparison"))]
    engine = do(batch, runs, 2, endings={(0, "gmm"): ["failed: ValueError: no"]})
    assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "give 0 gmm", "end 0 kmeans", "give 0 svm",
                          "end 0 gmm", "end 0 svm", "give 0 comparison", "end 0 comparison"]
    assert engine.statuses == {(0, "kmeans"): "ok", (0, "gmm"): "failed", (0, "svm"): "ok", (0, "comparison"): "ok"}
    assert engine.progress.failed == 1 and "pump gmm: failed: ValueError: no\n" in engine.stream.getvalue()


def test_a_comparison_is_given_before_the_jobs_of_later_runs_as_soon_as_its_own_detectors_have_ended(batch):
    runs = [batch_run(batch, name) for name in ("pump", "fan")]
    engine = do(batch, runs, 2)
    assert [entry for entry in engine.log if entry.startswith("give")] == [
        "give 0 features", "give 1 features", "give 0 kmeans", "give 0 svm", "give 1 kmeans", "give 0 comparison", "give 1 svm",
        "give 1 comparison"]
    assert engine.log.index("give 0 comparison") == engine.log.index("end 0 svm") + 1


@pytest.mark.parametrize("ending", ["failed: x", "dead: x", "timeout: x", "skipped: x"])
def test_a_comparison_is_run_however_its_detectors_have_ended(batch, ending):
    engine = do(batch, [batch_run(batch, "pump")], 3, endings={(0, "kmeans"): [ending], (0, "svm"): [ending]})
    assert engine.log[-4:] == ["end 0 kmeans", "end 0 svm", "give 0 comparison", "end 0 comparison"]
    assert engine.progress.failed == (0 if ending.startswith("skipped") else 2)


def test_comparison_and_sensitivity_both_wait_and_the_longest_detector_comes_first(batch):
    engine = do(batch, [batch_run(batch, "pump", ("kmeans", "gan", "comparison", "sensitivity"))], 4)
    assert engine.log[2:] == ["give 0 gan", "give 0 kmeans", "end 0 gan", "end 0 kmeans", "give 0 comparison",
                              "give 0 sensitivity", "end 0 comparison", "end 0 sensitivity"]


@pytest.mark.parametrize("capacities", [(1,), (2,), (3, 1, 2, 5, 1), (30,)])
def test_no_more_is_given_than_there_are_workers_and_every_order_is_kept(batch, capacities):
    runs = [batch_run(batch, f"pump {k}", ("kmeans", "svm", "gmm", "comparison"), features=f"sound {k % 2}") for k in range(4)]
    engine = do(batch, runs, *capacities)  # the engine refuses more than that
    place = {entry: number for number, entry in enumerate(engine.log)}
    assert len(place) == len(engine.log) == 2 * (2 + 16)
    for k in range(4):
        for job in ("kmeans", "svm", "gmm"):
            assert place[f"end {k % 2} features"] < place[f"give {k} {job}"]
            assert place[f"end {k} {job}"] < place[f"give {k} comparison"]


def test_without_a_worker_nothing_is_given_until_there_is_one(batch):
    runs = [batch_run(batch, "pump", ("kmeans",))]
    engine = do(batch, runs, 0, 0, 0, 1)
    assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "end 0 kmeans"] and engine.turns == 5
    assert engine.stream.getvalue().startswith("0 of 1 notebooks done, waiting for a worker\n")


# ---- features

def test_features_are_given_once_for_runs_that_share_them_and_before_all_their_detectors(batch):
    runs = [batch_run(batch, name, ("kmeans",), features=features) for name, features in
            [("pump", "A"), ("fan", "A"), ("valve", "B"), ("rail", "A")]]
    engine = do(batch, runs, 9)
    assert engine.log == ["give 0 features", "give 2 features", "end 0 features", "give 0 kmeans", "give 1 kmeans", "give 3 kmeans",
                          "end 2 features", "give 2 kmeans", "end 0 kmeans", "end 1 kmeans", "end 3 kmeans", "end 2 kmeans"]


def test_no_features_where_only_the_comparison_is_left(batch):
    engine = do(batch, [batch_run(batch, "pump", statuses={"kmeans": "ok", "svm": "failed"})], 3)
    assert engine.log == ["give 0 comparison", "end 0 comparison"]


def test_features_where_one_detector_is_left(batch):
    engine = do(batch, [batch_run(batch, "pump", statuses={"kmeans": "ok"})], 3)
    assert engine.log == ["give 0 features", "end 0 features", "give 0 svm", "end 0 svm", "give 0 comparison", "end 0 comparison"]


@pytest.mark.parametrize(("trouble", "told"), [("MemoryError: 3 GiB", "MemoryError: 3 GiB"),
                                               (RuntimeError("no\n  luck"), "RuntimeError: no luck")])
def test_trouble_with_features_is_said_once_and_the_detectors_still_run(batch, trouble, told):
    runs = [batch_run(batch, name, ("kmeans",), features="A") for name in ("pump", "fan")]
    engine = do(batch, runs, 1, endings={(0, "features"): [trouble]})
    assert engine.stream.getvalue().count(f"pump features: {told}\n") == 1 and engine.progress.failed == 0
    assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "end 0 kmeans", "give 1 kmeans", "end 1 kmeans"]


# ---- what a worker is told

def test_the_task_of_a_notebook_and_of_the_features_by_hand(batch):
    each = batch_run(batch, "pump", ("kmeans",), keys={"kmeans": "k1"})
    each.plan.listed["kmeans"] |= dict.fromkeys(("normal", "anomalous", "dataset", "seed", "run_dir"))
    each.plan.given["kmeans"] |= {"seed": 3}
    (each.run.folder / CATALOGUE).touch()
    tasks, folder = do(batch, [each], 1).tasks, str(batch / "pump")
    common = {"batch": str(batch), "runner": "12 3.5 here\n", "run": folder, "made": "abc",
              "notebooks": {"kmeans": "/notebooks/01_kmeans.ipynb"}}
    assert tasks[0, "kmeans"] == {
        **common, "job": "kmeans", "notebook": "/notebooks/01_kmeans.ipynb", "timeout_s": 9.0, "about": {"key": "k1"},
        "parameters": {"seed": 3, "run_dir": folder, "normal": "", "anomalous": "", "dataset": f"{folder}/{CATALOGUE}"}}
    assert tasks[0, "features"] == {
        **common, "job": "features", "share": {"seed": 1}, "inputs": {
            "normal": ("demo",), "anomalous": ("demo",), "dataset": "", "machine": None, "start_s": None, "end_s": None,
            "events": (), "skip_broken": False}}


# ---- twins: jobs of this batch that are the same

TWINS = {"kmeans": "same kmeans", "svm": "same svm", "comparison": "same comparison"}


def test_a_job_that_another_run_is_just_doing_is_taken_from_there(batch):
    runs = [batch_run(batch, name, keys=TWINS, features="A") for name in ("pump", "fan")]
    engine = do(batch, runs, 9)
    assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "give 0 svm", "end 0 kmeans", "end 0 svm",
                          "give 0 comparison", "end 0 comparison"]
    assert set(engine.statuses.values()) == {"ok"} and len(engine.statuses) == 6
    for job in SMALL:
        assert runs[1].run.status(job)["taken_from"] == f"{batch.name}/pump" and "taken_from" not in runs[0].run.status(job)
        assert runs[1].run.status(job)["key"] == TWINS[job]
        assert (runs[1].run.folder / f"{STEMS[job]}.ipynb").read_text(encoding="utf-8") == f"pump {job}"
    assert runs[1].run.detectors() == ["kmeans", "svm"]
    assert sorted(engine.ended) == [0] * 3 + [1] * 3


def test_where_a_job_has_failed_its_twins_are_run_one_after_the_other_until_one_is_done(batch):
    runs = [batch_run(batch, name, ("kmeans",), keys=TWINS, features="A") for name in ("pump", "fan", "valve", "rail")]
    engine = do(batch, runs, 9, endings={(0, "kmeans"): ["failed: x"], (1, "kmeans"): [RuntimeError("lost\nit")]})
    assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "end 0 kmeans", "give 1 kmeans", "end 1 kmeans",
                          "give 2 kmeans", "end 2 kmeans"]
    assert [engine.statuses[k, "kmeans"] for k in range(4)] == ["failed", "dead", "ok", "ok"]
    assert runs[1].run.status("kmeans")["error"] == "RuntimeError: lost it"
    assert runs[3].run.status("kmeans")["taken_from"] == f"{batch.name}/valve"


def test_a_comparison_is_not_taken_from_a_twin_that_lacked_a_detector(batch):
    runs = [batch_run(batch, name, keys=TWINS, features="A") for name in ("pump", "fan")]
    engine = do(batch, runs, 9, endings={(0, "svm"): ["failed: x"]})
    assert engine.statuses[0, "svm"] == "failed" and engine.statuses[0, "comparison"] == "ok"
    assert "give 1 comparison" in engine.log and "taken_from" not in runs[1].run.status("comparison")
    assert "give 1 kmeans" not in engine.log


def test_a_twin_whose_results_have_gone_is_run_again(batch):
    runs = [batch_run(batch, name, ("kmeans",), keys=TWINS, features="A") for name in ("pump", "fan")]
    lost = runs[0].run.folder / "kmeans" / "items.csv"
    engine = do(batch, runs, 9, ended=SimpleNamespace(append=lambda k: lost.unlink(missing_ok=True)))
    assert engine.log[-4:] == ["give 0 kmeans", "end 0 kmeans", "give 1 kmeans", "end 1 kmeans"]


# ---- what was done before

def test_what_an_earlier_batch_has_done_is_taken_without_the_engine(batch, tmp_path):
    before = batch_run(tmp_path / "earlier", "Lüfter {1}", keys=TWINS)
    runs = [batch_run(batch, "pump", keys=TWINS), batch_run(batch, "fan", keys={"kmeans": TWINS["kmeans"]})]
    engine = do(batch, runs, 9, found=finished(before), take=True)
    assert engine.n_taken == 4
    assert engine.log == ["give 1 features", "end 1 features", "give 1 svm", "end 1 svm", "give 1 comparison", "end 1 comparison"]
    assert {job: status["taken_from"] for job, status in runs[0].run.statuses().items()} == dict.fromkeys(
        SMALL, "earlier/Lüfter {1}")
    assert runs[0].run.status("svm") == {"job": "svm", "status": "ok", "error": None, "seconds": 2.5, "key": "same svm",
                                         "kept": ["svm/items.csv", "svm/metrics.json", "svm/scores.csv"],
                                         "taken_from": "earlier/Lüfter {1}"}
    assert engine.ended == [0, 0, 0, 1, 1, 1]


def test_where_everything_was_done_nothing_is_left(batch, tmp_path):
    found = finished(batch_run(tmp_path / "earlier", "pump", keys=TWINS))
    work = Work([batch_run(batch, "pump", keys=TWINS)], found, lambda k: None)
    assert work.jobs_left() == 3
    assert (work.take_what_is_done(), work.jobs_left(), list(work.waiting)) == (3, 0, [])


def test_who_first_did_it_is_known_through_two_steps(tmp_path):
    first = batch_run(tmp_path / "first", "pump", keys=TWINS)
    second = batch_run(tmp_path / "second", "fan", keys=TWINS)
    third = batch_run(tmp_path / "third", "valve", keys=TWINS)
    found = finished(first)
    assert Work([second], found, lambda k: None).take_what_is_done() == 3
    assert Work([third], dict.fromkeys(found, second.run), lambda k: None).take_what_is_done() == 3
    for run in (second.run, third.run):
        assert {status["taken_from"] for status in run.statuses().values()} == {"first/pump"}


def test_a_run_takes_nothing_from_itself(batch):
    each = batch_run(batch, "pump", ("kmeans",), keys=TWINS)
    found = finished(each)
    each.run.write_status("kmeans", "queued")
    assert Work([each], found, lambda k: None).take_what_is_done() == 0


@pytest.mark.parametrize("status", ["failed", "dead", "timeout"])
def test_a_comparison_is_not_taken_into_a_run_that_lacks_a_detector(batch, tmp_path, status):
    found = finished(batch_run(tmp_path / "earlier", "pump", keys=TWINS))
    runs = [batch_run(batch, "fan", keys=TWINS, statuses={"kmeans": "ok", "svm": status})]
    engine = do(batch, runs, 1, found=found, take=True)
    assert engine.n_taken == 0 and engine.log == ["give 0 comparison", "end 0 comparison"]


@pytest.mark.parametrize("lost", ["01_kmeans.ipynb", "reports/01_kmeans.html", "kmeans/scores.csv", "kmeans/items.csv",
                                  "kmeans/metrics.json", "status/kmeans.json"])
def test_what_has_lost_a_file_is_not_taken_but_done_again(batch, tmp_path, lost):
    before = batch_run(tmp_path / "earlier", "pump", keys=TWINS)
    found = finished(before)
    (before.run.folder / lost).unlink()
    runs = [batch_run(batch, "fan", keys=TWINS)]
    engine = do(batch, runs, 1, found=found, take=True)
    assert engine.n_taken == 1  # svm; the comparison only when kmeans is there
    assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "end 0 kmeans"]
    assert runs[0].run.status("comparison")["taken_from"] == "earlier/pump"
    assert "taken_from" not in runs[0].run.status("kmeans")


@pytest.mark.parametrize("lost", kept_of("comparison"))
def test_a_comparison_that_has_lost_a_file_is_done_again(batch, tmp_path, lost):
    before = batch_run(tmp_path / "earlier", "pump", keys=TWINS)
    found = finished(before)
    (before.run.folder / lost).unlink()
    engine = do(batch, [batch_run(batch, "fan", keys=TWINS)], 1, found=found, take=True)
    assert engine.n_taken == 2 and engine.log == ["give 0 comparison", "end 0 comparison"]


@pytest.mark.parametrize(("error", "taken"), [(FileNotFoundError(errno.ENOENT, "gone"), 0), (OSError(errno.ENOSPC, "full"), None)])
def test_only_what_is_not_there_any_more_is_done_again(batch, tmp_path, monkeypatch, error, taken):
    def take(*arguments):
        raise error

    found = finished(batch_run(tmp_path / "earlier", "pump", ("kmeans",), keys=TWINS))
    runs = [batch_run(batch, "fan", ("kmeans",), keys=TWINS)]
    monkeypatch.setattr(Run, "take", take)
    if taken is None:
        with pytest.raises(OSError, match="full"):
            do(batch, runs, 1, found=found, take=True)
    else:
        engine = do(batch, runs, 1, found=found, take=True)
        assert engine.n_taken == taken
        assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "end 0 kmeans"]


@pytest.mark.parametrize("removed", ["", "kmeans", "kmeans/scores.csv", "status/kmeans.json"])
@pytest.mark.parametrize("after", [1, 2, 3])  # notebook, report, the first of its results
def test_what_is_removed_while_it_is_taken_is_done_again(batch, tmp_path, monkeypatch, removed, after):
    copyfile = shutil.copyfile
    before, copied = batch_run(tmp_path / "earlier", "pump", ("kmeans",), keys=TWINS), []
    found, gone = finished(before), before.run.folder / removed

    def then_remove(copy):
        def copying(source, target, **more):
            copied.append(copy(source, target, **more))
            if len(copied) == after and gone.is_dir():
                shutil.rmtree(gone)
            elif len(copied) == after:
                gone.unlink()
            return copied[-1]
        return copying

    monkeypatch.setattr(shutil, "copyfile", then_remove(copyfile))
    runs = [batch_run(batch, "fan", ("kmeans",), keys=TWINS)]
    engine = do(batch, runs, 1, found=found, take=True)
    assert len(copied) >= after and not gone.exists()
    assert engine.statuses == {(0, "kmeans"): "ok"} and engine.ended == [0]
    assert all((runs[0].run.folder / file).is_file() for file in kept_of("kmeans"))
    if not engine.n_taken:
        assert engine.log == ["give 0 features", "end 0 features", "give 0 kmeans", "end 0 kmeans"]
        assert "taken_from" not in runs[0].run.status("kmeans")


def test_what_was_skipped_is_taken_without_results(batch, tmp_path):
    before = batch_run(tmp_path / "earlier", "pump", ("kmeans",), keys=TWINS)
    finish(before.run, "kmeans", "skipped", error="one clip", key=TWINS["kmeans"])
    runs = [batch_run(batch, "fan", ("kmeans",), keys=TWINS)]
    assert Work(runs, {TWINS["kmeans"]: before.run}, lambda k: None).take_what_is_done() == 1
    status = runs[0].run.status("kmeans")
    assert (status["status"], status["error"], status["taken_from"]) == ("skipped", "one clip", "earlier/pump")


# ---- jobs that come back undone, and what stops a batch

@pytest.mark.parametrize("status", ["queued: interrupted", "running"])
def test_a_job_that_is_handed_back_is_given_again_before_all_others(batch, status):
    runs = [batch_run(batch, name, features="A") for name in ("pump", "fan")]
    engine = do(batch, runs, 1, endings={(0, "svm"): [status, status, "ok"], (0, "comparison"): [status, "ok"]})
    assert [entry for entry in engine.log if "give" in entry] == [
        "give 0 features", "give 0 kmeans", *["give 0 svm"] * 3, *["give 0 comparison"] * 2,
        "give 1 kmeans", "give 1 svm", "give 1 comparison"]
    assert set(engine.statuses.values()) == {"ok"} and engine.ended == [0, 0, 0, 1, 1, 1]


UNFIT = UnfitWorker("the worker on x (process 7) has another version")


@pytest.mark.parametrize("job", ["features", "kmeans", "comparison"])
def test_what_an_unfit_worker_hands_back_is_said_and_given_again_before_all_others(batch, job):
    runs = [batch_run(batch, name) for name in ("pump", "fan")]
    engine = do(batch, runs, 1, endings={(0, job): [UNFIT, UNFIT, None if job == "features" else "ok"]})
    given = [entry for entry in engine.log if "give" in entry]
    at = given.index(f"give 0 {job}")
    assert given[at:at + 3] == [f"give 0 {job}"] * 3 and len(given) == 8 + 2
    assert engine.stream.getvalue().count("the worker on x (process 7) has another version\n") == 2
    assert set(engine.statuses.values()) == {"ok"} and engine.progress.failed == 0
    assert sorted(engine.ended) == [0] * 3 + [1] * 3


def test_where_no_worker_is_left_that_can_do_jobs_the_batch_stops_and_nothing_is_left_as_running(batch, clock):
    runs = [batch_run(batch, name, features="A") for name in ("pump", "fan")]
    with pytest.raises(ValueError, match="^no worker is left") as stopped:
        do(batch, runs, 3, 3, UnfitWorker("no worker is left that can do jobs; see above"), endings={(0, "kmeans"): [UNFIT]})
    assert type(stopped.value) is UnfitWorker
    assert set(statuses(runs).values()) == {"queued"}
    errors = {(k, job): status["error"] for k, each in enumerate(runs) for job, status in each.run.statuses().items()}
    # two were under way beside the one that was handed back
    assert {name for name, error in errors.items() if error == "interrupted"} == {(0, "svm"), (1, "kmeans")}
    assert runner_of(batch) == f"{ME}stopping\n"
    assert clock.now == pytest.approx(batch_work.STOP_S, abs=batch_work.TICK_S)


def test_where_no_worker_is_left_and_none_is_at_work_nobody_is_waited_for(batch, clock):
    runs = [batch_run(batch, "pump")]
    with pytest.raises(UnfitWorker, match="^no worker is left$"):
        do(batch, runs, 1, UnfitWorker("no worker is left"), endings={(0, "features"): [UNFIT]})
    assert set(statuses(runs).values()) == {"queued"} and clock.now == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_worker_without_room_stops_the_batch(batch, number):
    runs = [batch_run(batch, "pump")]
    with pytest.raises(OSError) as stopped:
        do(batch, runs, 3, endings={(0, "features"): [OSError(number, "no room", "/somewhere/file")]})
    assert (stopped.value.errno, stopped.value.filename) == (number, "/somewhere/file")
    assert set(statuses(runs).values()) == {"queued"}


def test_the_job_that_has_stopped_the_batch_is_not_left_as_running(batch):
    runs = [batch_run(batch, "pump")]
    with pytest.raises(OSError, match="No space left on device"):
        do(batch, runs, 3, endings={(0, "kmeans"): [OSError(errno.ENOSPC, "No space left on device")]})
    assert set(statuses(runs).values()) == {"queued"}


@pytest.mark.parametrize(("error", "number"), [
    ("OSError: [Errno 28] No space left on device: 'x' (cell [3])", errno.ENOSPC),
    ("its results could not be kept: OSError: [Errno 122] Disk quota exceeded", errno.EDQUOT)])
def test_a_notebook_that_found_no_room_stops_the_batch(batch, error, number):
    runs = [batch_run(batch, "pump")]
    with pytest.raises(OSError) as stopped:
        do(batch, runs, 3, endings={(0, "kmeans"): [f"failed: {error}"]})
    assert (stopped.value.errno, stopped.value.filename) == (number, str(batch / "pump"))
    assert statuses(runs) == {(0, "kmeans"): "failed", (0, "svm"): "queued", (0, "comparison"): "queued"}


def test_another_error_of_a_worker_is_that_of_its_job(batch):
    runs = [batch_run(batch, "pump")]
    engine = do(batch, runs, 3, endings={(0, "kmeans"): [PermissionError(errno.EACCES, "Permission denied", "/x")]})
    assert engine.statuses == {(0, "kmeans"): "dead", (0, "svm"): "ok", (0, "comparison"): "ok"}
    status = runs[0].run.status("kmeans")
    assert (status["error"], status["key"]) == ("PermissionError: [Errno 13] Permission denied: '/x'", "pump kmeans")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectionError("the scheduler is lost"), AssertionError("whatever")])
def test_after_an_exception_no_job_is_left_as_running(batch, clock, error):
    runs = [batch_run(batch, name, features="A") for name in ("pump", "fan")]
    with pytest.raises(type(error)):
        do(batch, runs, 3, breaks=(4, error), endings={(0, "kmeans"): ["ok"], (0, "svm"): ["failed: x"]})
    # by then features and two jobs have come back, and three are under way
    assert statuses(runs) == {
        (0, "kmeans"): "ok", (0, "svm"): "failed", (0, "comparison"): "queued",
        (1, "kmeans"): "queued", (1, "svm"): "queued", (1, "comparison"): "queued"}
    assert runs[1].run.status("svm")["error"] == "interrupted"
    assert runner_of(batch) == f"{ME}stopping\n"  # so the workers know
    assert clock.now == pytest.approx(batch_work.STOP_S, abs=batch_work.TICK_S)  # nobody has answered


def test_who_stops_is_waited_for_and_what_is_still_done_counts(batch, clock):
    runs = [batch_run(batch, "pump")]

    def answer():
        assert runner_of(batch) == f"{ME}stopping\n"
        if 1 < clock.now < 1.5:
            finish(runs[0].run, "kmeans", key="pump kmeans")
        if clock.now > 3:
            runs[0].run.write_status("svm", "queued", error="a worker has said so")

    clock.asleep = answer
    with pytest.raises(KeyboardInterrupt):
        do(batch, runs, 3, breaks=(2, KeyboardInterrupt()))
    assert runs[0].run.status("kmeans")["status"] == "ok"
    assert runs[0].run.status("svm")["error"] == "a worker has said so"
    assert 3 < clock.now < 4


def test_runs_with_jobs_under_way_are_told_as_changed_after_an_exception(batch):
    runs = [batch_run(batch, name, ("kmeans",), features="A") for name in ("pump", "fan", "valve")]
    ended = []
    with pytest.raises(KeyboardInterrupt):
        do(batch, runs, 2, ended=ended, breaks=(2, KeyboardInterrupt()))
    assert sorted(ended) == [0, 1]  # the third was not given


def test_the_file_of_a_runner_that_has_taken_over_is_left_alone(batch):
    (batch / "runner").write_text(OTHER, encoding="utf-8")
    with pytest.raises(ValueError, match="another runner has taken over"):
        do(batch, [batch_run(batch, "pump")], 2, breaks=(2, KeyboardInterrupt()))
    assert runner_of(batch) == OTHER


def test_what_is_under_way_when_another_runner_takes_over_is_left_to_that_one(batch, clock):
    runs = [batch_run(batch, name, ("kmeans",), features="A") for name in ("pump", "fan")]
    take_over = SimpleNamespace(append=lambda k: (batch / "runner").write_text(OTHER, encoding="utf-8"))
    with pytest.raises(ValueError, match="another runner has taken over"):
        do(batch, runs, 2, ended=take_over)
    assert runner_of(batch) == OTHER and clock.now == 0
    assert runs[1].run.status("kmeans") == {"job": "kmeans", "status": "running", "error": None, "seconds": None,
                                            "where": "here", "key": "fan kmeans"}


def test_a_runner_that_was_told_to_stop_gives_no_more_jobs(batch):
    runs = [batch_run(batch, name, ("kmeans",), features="A") for name in ("pump", "fan")]
    told = SimpleNamespace(append=lambda k: (batch / "runner").write_text(f"{ME}stopping\n", encoding="utf-8"))
    with pytest.raises(ValueError, match="resume the batch"):
        do(batch, runs, 1, ended=told)
    assert statuses(runs) == {(0, "kmeans"): "ok", (1, "kmeans"): "queued"}


def test_a_batch_that_another_runner_has_taken_over_stops(batch):
    # its workers hand every job back at once, since it is not wanted any more
    (batch / "runner").write_text(OTHER, encoding="utf-8")
    runs = [batch_run(batch, "pump")]
    with pytest.raises(ValueError, match="another runner has taken over"):
        do(batch, runs, 2, endings={(0, "kmeans"): ["queued"] * 300})
    assert set(statuses(runs).values()) == {"queued"}


# ---- before a run is gone on with, and after its last job

@pytest.fixture
def ended_run(batch):
    each = batch_run(batch, "pump")
    for job in SMALL:
        finish(each.run, job, "failed" if job == "svm" else "ok", error="x" if job == "svm" else None)
    (each.run.folder / "svm").mkdir()
    (each.run.folder / "comparison" / "verdict.json").write_text('{"kind": "k", "text": "t"}', encoding="utf-8")
    each.run.write_manifest({"jobs": {"kmeans": "ok", "svm": "queued", "comparison": "queued"}, "finished": None,
                             "verdict": {"kind": "none", "text": "no verdict: the run has not finished"}})
    return each.run


def test_what_is_done_again_is_forgotten_and_the_rest_stays(ended_run):
    ended_run.write_manifest({**ended_run.read_manifest(), "finished": "yesterday"})
    begin_again(ended_run, ["svm", "comparison"], command="typed")
    assert {job: status["status"] for job, status in ended_run.statuses().items()} == {
        "kmeans": "ok", "svm": "queued", "comparison": "queued"}
    assert ended_run.detectors() == ["kmeans"]
    assert not any((ended_run.folder / job).exists() for job in ("svm", "comparison"))
    manifest = ended_run.read_manifest()
    assert manifest["finished"] is None and manifest["jobs"] == {"kmeans": "ok", "svm": "queued", "comparison": "queued"}
    assert manifest["resumed"][0]["command"] == "typed" and manifest["verdict"]["kind"] == "none"


def test_a_job_is_told_as_waiting_before_its_results_go(ended_run, monkeypatch):
    seen = []

    def forget(run, job):
        seen.append((job, run.status(job)["status"]))
        raise OSError("the power is cut")

    monkeypatch.setattr(Run, "forget", forget)
    with pytest.raises(OSError, match="the power is cut"):
        begin_again(ended_run, ["comparison"], command="")
    assert seen == [("comparison", "queued")] and ended_run.status("comparison")["status"] == "queued"


def test_a_run_is_finished_when_its_first_page_is_there(ended_run, monkeypatch):
    def write_index(run):
        seen.append(run.read_manifest())
        if len(seen) == 1:
            raise OSError("the disk is full")

    seen = []
    monkeypatch.setattr(index_page, "write_index", write_index)
    with pytest.raises(OSError, match="the disk is full"):
        finish_run(ended_run)
    assert ended_run.read_manifest()["finished"] is None
    finish_run(ended_run)
    for about in seen:  # what the page is made of
        assert about["finished"] is None and about["verdict"] == {"kind": "k", "text": "t"}
        assert about["jobs"] == {"kmeans": "ok", "svm": "failed", "comparison": "ok"}
    assert ended_run.read_manifest() == {**seen[1], "finished": ended_run.read_manifest()["finished"]}
    assert ended_run.read_manifest()["finished"]
