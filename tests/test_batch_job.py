"""A job of a batch on a Dask worker: who may do it, and what is left of it whatever happens. Stub notebooks; no Dask."""

import json
import os
import platform
import queue
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
from batches_for_tests import Place, are_gone, wait_until

from acoustic_nb import batch_job, dask_engine, reuse
from acoustic_nb.batch_job import UnfitWorker, check_worker, do_job, end_workers
from acoustic_nb.reuse import made_by
from acoustic_nb.runs import Run
from acoustic_nb.workers import Ended

RUNNER = "12 3.5 here\n"
HERE = f"the worker on {platform.node()} (process {os.getpid()})"
ME = f"{platform.node()} {os.getpid()}"


@pytest.fixture(autouse=True)
def as_new():
    """What a Dask worker remembers is forgotten before and after every test, and what it keeps ready is ended."""
    def forget():
        for remembered in (batch_job._check_kernel, batch_job._loaded, reuse._program):
            remembered.cache_clear()

    forget()
    yield
    end_workers()
    forget()


@pytest.fixture
def batch(tmp_path):
    """A batch of one run with a stub notebook that is to be done; ``task`` is what a Dask worker is told."""
    place = Place(tmp_path / "place")
    place.notebook("01_kmeans")
    folder = tmp_path / "Stapel {1} ä"
    run = Run(folder / "Lüfter")
    for part in ("status", "reports"):
        (run.folder / part).mkdir(parents=True)
    run.write_status("kmeans", "queued")
    (folder / "runner").write_text(RUNNER, encoding="utf-8")
    notebook = place.notebooks / "01_kmeans.ipynb"
    jobs = {"kmeans": str(notebook)}
    expected = {"batch": str(folder), "runner": RUNNER, "made": made_by(jobs), "notebooks": jobs}
    task = {**expected, "run": str(run.folder), "job": "kmeans", "about": {"key": "k1"}, "notebook": str(notebook),
            "parameters": {"seed": 3, "run_dir": str(run.folder)}, "timeout_s": 60.0}
    return SimpleNamespace(place=place, folder=folder, run=run, notebook=notebook, expected=expected, task=task)


# ---- who can do jobs

def test_a_worker_with_the_same_notebooks_source_and_versions_is_fit(batch):
    assert check_worker(**batch.expected) is None


@pytest.mark.parametrize("there", [None, "13 4.5 elsewhere\n"])
def test_a_worker_that_sees_another_folder_of_that_name_is_not(batch, there):
    (batch.folder / "runner").unlink()
    if there:
        (batch.folder / "runner").write_text(there, encoding="utf-8")
    assert check_worker(**batch.expected) == (f"{HERE} does not see {batch.folder}; runs and recordings must lie in folders that "
                                              "all workers share (--runs-dir)")


def test_a_worker_that_does_not_see_the_batch_is_not(batch, tmp_path):
    gone = str(tmp_path / "gone")
    assert check_worker(**{**batch.expected, "batch": gone}).startswith(f"{HERE} does not see {gone}; runs and recordings must")


def test_a_worker_that_lacks_a_notebook_is_not(batch, tmp_path):
    jobs = {**batch.expected["notebooks"], "gmm": "/nowhere/04_gmm.ipynb", "gan": "/nowhere/06_gan.ipynb"}
    assert check_worker(**{**batch.expected, "notebooks": jobs}) == (
        f"{HERE} does not see /nowhere/04_gmm.ipynb; acoustic_nb must lie under the same path for all workers")
    assert "does not see" in check_worker(**{**batch.expected, "notebooks": {"kmeans": str(tmp_path)}})  # a folder is none


def another_version(told):
    return told == (f"{HERE} has another version of acoustic_nb, in {batch_job.Path(batch_job.__file__).parent}, or of a library; "
                    "install what the runner has, and start the worker again")


def test_a_worker_that_makes_other_results_is_not(batch):
    assert another_version(check_worker(**{**batch.expected, "made": "another"}))


@pytest.mark.parametrize(("name", "value"), [("package_sha256", "another source"), ("versions", {"numpy": "9.9"})])
def test_a_worker_with_another_source_or_another_library_is_not(batch, monkeypatch, name, value):
    reuse._program.cache_clear()
    monkeypatch.setattr(reuse, name, lambda: value)
    assert another_version(check_worker(**batch.expected))


def test_a_worker_with_another_notebook_is_not(batch):
    batch.place.notebook("01_kmeans", "print('new')")
    assert another_version(check_worker(**batch.expected))


def test_a_worker_whose_source_changes_after_it_has_begun_is_not_from_then_on(batch, monkeypatch, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "features.py").write_text("x = 1\n")
    monkeypatch.setattr(reuse, "PACKAGE", package)
    reuse._program.cache_clear()
    expected = {**batch.expected, "made": made_by(batch.expected["notebooks"])}
    assert check_worker(**expected) is None
    (package / "features.py").write_text("x = 2\n")
    assert made_by(expected["notebooks"]) == expected["made"]  # which is remembered, and does not tell
    assert another_version(check_worker(**expected))
    (package / "features.py").write_text("x = 1\n")
    assert check_worker(**expected) is None


def test_a_worker_whose_kernel_is_another_python_is_not(batch, monkeypatch, tmp_path):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/opt/old/python", "-m", "ipykernel_launcher"], "language": "python",
                                                    "display_name": "stale"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    told = check_worker(**batch.expected)
    assert told.startswith(f"{HERE}: the kernel python3 starts /opt/old/python, but this is ") and "\n" not in told
    monkeypatch.delenv("JUPYTER_PATH")
    assert check_worker(**batch.expected) is None  # nobody has to start it again


# ---- what becomes of a job, with a process that ends as the test says

class Scripted:
    """In the place of ``Workers``: every attempt ends as ``endings`` says, a status, or in words why there is none.

    A callable is called when the job is looked at, and nothing ends.
    """

    def __init__(self, *endings):
        self.endings, self.seen, self.made, self.stopped, self.tasks = list(endings), [], 0, 0, []

    def __call__(self, count, *, threads, title):
        assert (count, threads, title) == (1, 1, f"of Dask worker {os.getpid()}")
        self.made += 1
        return self

    def give(self, run, job, **task):
        kept = sorted(path.name for path in (run.folder / job).glob("*"))
        self.seen.append((run.status(job), kept) if "share" not in task else None)
        self.run, self.job = run, job
        self.tasks.append(task)
        (run.folder / job).mkdir(exist_ok=True)
        (run.folder / job / f"attempt {len(self.seen)}").touch()
        if isinstance(self.endings[0], Exception):
            raise self.endings.pop(0)

    def wait(self, timeout_s):
        assert 0 < timeout_s <= 1
        if callable(self.endings[0]):
            self.endings[0]()
            return None
        ending = self.endings.pop(0)
        if ending in ("ok", "failed"):
            self.run.write_status(self.job, ending, key="k1")
            return Ended(self.job, None, 1.0)
        return Ended(self.job, ending, 1.0)

    def stop(self):
        self.stopped += 1


@pytest.fixture
def scripted(monkeypatch):
    def scripted(*endings):
        workers = Scripted(*endings)
        monkeypatch.setattr(batch_job, "Workers", workers)
        return workers

    return scripted


def test_a_job_is_told_as_running_here_and_the_next_one_has_the_same_process(batch, scripted):
    workers = scripted("ok", "failed")
    assert do_job(batch.task) is None
    assert workers.seen == [({"job": "kmeans", "status": "running", "error": None, "seconds": None, "where": ME, "lost": [],
                              "key": "k1"}, [])]
    assert workers.tasks == [{name: batch.task[name] for name in ("about", "notebook", "parameters", "timeout_s")}]
    assert batch.run.status("kmeans")["status"] == "ok"
    batch.run.write_status("kmeans", "queued")
    assert do_job(batch.task) is None and batch.run.status("kmeans")["status"] == "failed"
    assert (workers.made, workers.stopped) == (1, 0)
    end_workers()
    assert workers.stopped == 1 and not batch_job._idle


def test_what_an_earlier_attempt_has_kept_is_forgotten_before_the_next(batch, scripted):
    (batch.run.folder / "kmeans").mkdir()
    (batch.run.folder / "kmeans" / "scores.csv").touch()
    (batch.run.folder / "gmm").mkdir()
    workers = scripted("signal 9", "failed")
    do_job(batch.task)
    assert [kept for _, kept in workers.seen] == [[], []]
    assert [path.name for path in (batch.run.folder / "kmeans").iterdir()] == ["attempt 2"]
    assert (batch.run.folder / "gmm").exists()  # another job's


@pytest.mark.parametrize("status", ["ok", "skipped", "failed", "timeout", "dead"])
def test_a_job_that_has_ended_is_left_alone(batch, scripted, status):
    workers = scripted("ok")
    batch.run.write_status("kmeans", status, error="x", seconds=2.0, kept=["kmeans/scores.csv"])
    (batch.run.folder / "kmeans").mkdir()
    (batch.run.folder / "kmeans" / "scores.csv").touch()
    path = batch.run.folder / "status" / "kmeans.json"
    before = path.stat().st_mtime_ns, path.read_text()
    assert do_job(batch.task) is None
    assert not workers.seen and (path.stat().st_mtime_ns, path.read_text()) == before
    assert (batch.run.folder / "kmeans" / "scores.csv").exists()


def test_a_job_whose_process_was_lost_is_done_once_more(batch, scripted):
    workers = scripted("signal 9", "ok")
    assert do_job(batch.task) is None
    assert [status["lost"] for status, _ in workers.seen] == [[], ["signal 9"]]
    assert batch.run.status("kmeans")["status"] == "ok"


def test_a_job_that_has_cost_two_processes_is_set_aside_and_keeps_nothing(batch, scripted):
    workers = scripted("signal 9", "no sign of life", "ok")
    assert do_job(batch.task) is None
    assert batch.run.status("kmeans") == {
        "job": "kmeans", "status": "dead", "seconds": None, "key": "k1",
        "error": "set aside, since it has cost 2 workers: signal 9; then no sign of life"}
    assert len(workers.seen) == 2 and not (batch.run.folder / "kmeans").exists()


def test_a_job_that_comes_a_third_time_after_two_lost_workers_is_set_aside_at_once(batch, scripted):
    workers, lost = scripted("ok"), []
    for where in ("a 1", "b 2"):
        batch.run.write_status("kmeans", "running", where=where, lost=lost)
        lost = [*lost, f"its worker ({where}) was killed or lost"]
    (batch.run.folder / "kmeans").mkdir()
    assert do_job(batch.task) is None
    assert batch.run.status("kmeans")["error"] == ("set aside, since it has cost 2 workers: its worker (a 1) was killed or lost; "
                                                   "then its worker (b 2) was killed or lost")
    assert batch.run.status("kmeans")["status"] == "dead"
    assert not workers.seen and not (batch.run.folder / "kmeans").exists()


def test_a_lost_worker_and_a_lost_process_are_two(batch, scripted):
    batch.run.write_status("kmeans", "running", where="a 1", lost=[])
    workers = scripted("signal 9", "ok")
    do_job(batch.task)
    assert [status["lost"] for status, _ in workers.seen] == [["its worker (a 1) was killed or lost"]]
    assert batch.run.status("kmeans")["error"].endswith(": its worker (a 1) was killed or lost; then signal 9")


def test_a_job_whose_worker_was_lost_once_is_done(batch, scripted):
    batch.run.write_status("kmeans", "running", where="a 1", lost=[])
    scripted("ok")
    do_job(batch.task)
    assert batch.run.status("kmeans")["status"] == "ok"


def test_a_job_that_was_handed_back_and_waits_has_lost_nobody(batch, scripted):
    batch.run.write_status("kmeans", "queued", error="interrupted")
    workers = scripted("signal 9", "ok")
    do_job(batch.task)
    assert [status["lost"] for status, _ in workers.seen] == [[], ["signal 9"]]


@pytest.mark.parametrize("there", [f"{RUNNER}stopping\n", "13 4.5 elsewhere\n"])
def test_for_a_runner_that_stops_or_was_replaced_nothing_is_begun(batch, scripted, there):
    workers = scripted("ok")
    batch.run.write_status("kmeans", "running", where="a 1")  # it may be another's by now
    (batch.folder / "runner").write_text(there, encoding="utf-8")
    before = batch.run.status("kmeans")
    assert do_job(batch.task) is None and do_job({**batch.task, "share": {}, "inputs": {}}) is None
    assert not workers.seen and batch.run.status("kmeans") == before


@pytest.mark.parametrize("unfit", ["batch", "made"])
def test_an_unfit_worker_begins_nothing_and_says_why(batch, scripted, unfit):
    workers = scripted("ok")
    expected = {"batch": "/nowhere", "made": "another"}
    for task in ({}, {"share": {}, "inputs": {}}):
        with pytest.raises(UnfitWorker, match="does not see /nowhere" if unfit == "batch" else "has another version"):
            do_job({**batch.task, **task, unfit: expected[unfit]})
    assert not workers.seen and batch.run.status("kmeans")["status"] == "queued"


def test_a_job_that_nobody_wants_any_more_waits_again(batch, scripted):
    workers = scripted(lambda: (batch.folder / "runner").write_text(f"{RUNNER}stopping\n", encoding="utf-8"))
    assert do_job(batch.task) is None
    assert batch.run.status("kmeans") == {"job": "kmeans", "status": "queued", "error": "interrupted", "seconds": None, "key": "k1"}
    assert workers.stopped == 1


def test_a_job_that_another_worker_has_begun_is_left_to_that_one(batch, scripted):
    workers = scripted(lambda: batch.run.write_status("kmeans", "running", where="a 1", key="k1"))
    assert do_job(batch.task) is None
    assert workers.stopped == 1
    assert (batch.run.status("kmeans")["status"], batch.run.status("kmeans")["where"]) == ("running", "a 1")


@pytest.mark.parametrize(("ending", "told"), [("", None), (None, None), ("MemoryError: 3 GiB", "MemoryError: 3 GiB")])
def test_features_have_no_status_and_their_trouble_is_told(batch, scripted, ending, told):
    workers = scripted(ending)
    task = {name: entry for name, entry in batch.task.items() if name not in ("about", "notebook", "parameters", "timeout_s")}
    assert (do_job({**task, "job": "features", "share": {"seed": 1}, "inputs": {"normal": ["demo"]}}) or None) == told
    assert workers.tasks == [{"share": {"seed": 1}, "inputs": {"normal": ["demo"]}}]
    assert list(batch.run.statuses()) == ["kmeans"] and batch.run.status("kmeans") == {
        "job": "kmeans", "status": "queued", "error": None, "seconds": None}


def test_features_that_nobody_wants_any_more_are_given_up(batch, scripted):
    workers = scripted(lambda: (batch.folder / "runner").unlink(missing_ok=True))
    assert do_job({**batch.task, "job": "features", "share": {}, "inputs": {}}) is None
    assert workers.stopped == 1


def test_a_process_that_cannot_be_given_a_job_is_not_kept(batch, scripted):
    workers = scripted(OSError("no more processes"))
    with pytest.raises(OSError, match="no more processes"):
        do_job(batch.task)
    assert workers.stopped == 1 and not batch_job._idle


# ---- with real processes

def test_what_a_lost_first_attempt_has_kept_does_not_count_when_the_second_fails(batch):
    batch.place.notebook("01_kmeans", "n = len(open(here / 'kmeans.mark').readlines()); (here / 'kmeans').mkdir()\n"
                         "(here / 'kmeans' / f'scores {n}.csv').touch()\n"
                         "if n == 1: os.kill(os.getppid(), 9); time.sleep(30)\nraise ValueError('no luck')")
    assert do_job({**batch.task, "made": made_by(batch.task["notebooks"])}) is None
    status = batch.run.status("kmeans")
    assert (status["status"], status["error"], status["key"]) == ("failed", "ValueError: no luck (cell [3])", "k1")
    assert status["kept"] == ["kmeans/scores 2.csv"]  # it shows how far this one came
    assert [path.name for path in (batch.run.folder / "kmeans").iterdir()] == ["scores 2.csv"]
    assert len((batch.run.folder / "kmeans.mark").read_text().splitlines()) == 2


def test_a_job_stops_where_its_runner_stops_and_no_process_is_left(batch):
    batch.place.notebook("01_kmeans", "time.sleep(60)")
    task, ended = {**batch.task, "made": made_by(batch.task["notebooks"])}, queue.SimpleQueue()
    mark = batch.run.folder / "kmeans.mark"
    threading.Thread(target=lambda: ended.put(do_job(task)), daemon=True).start()
    wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"))
    kernel = psutil.Process(int(mark.read_text().split()[0]))
    started = [kernel, kernel.parent()]
    assert batch.run.status("kmeans")["where"] == ME
    (batch.folder / "runner").write_text(f"{RUNNER}stopping\n", encoding="utf-8")
    begun = time.monotonic()
    assert ended.get(timeout=20) is None
    assert time.monotonic() - begun < 10  # what the runner waits
    assert batch.run.status("kmeans") == {"job": "kmeans", "status": "queued", "error": "interrupted", "seconds": None, "key": "k1"}
    assert are_gone(started, seconds=2)


# ---- an engine leaves out who is unfit; Dask's client by hand

class Client:
    """Workers and their threads; a future that has ended as the test says."""

    def __init__(self, threads):
        self.threads, self.status, self.given = threads, "running", []
        self.scheduler = SimpleNamespace(ncores=None)

    def sync(self, call, callback_timeout):
        return dict(self.threads)

    def submit(self, do, task, **more):
        self.given.append(more.get("workers"))
        return SimpleNamespace(add_done_callback=lambda call: call(None), status="error",
                               exception=lambda timeout: UnfitWorker("has another version", task["address"]))


@pytest.fixture
def engine(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(dask_engine, "time", SimpleNamespace(monotonic=lambda: clock.now))
    engine = dask_engine.Engine(1, scheduler="tcp://127.0.0.1:1")
    engine.client, engine.address, engine.clock = Client({"a": 2, "b": 3}), "tcp://127.0.0.1:1", clock
    return engine


def turn_out_unfit(engine, address):
    engine.give(address, {"job": "kmeans", "address": address})
    name, error = engine.wait(1)
    assert name == address and type(error) is UnfitWorker and str(error) == "has another version"


def test_a_worker_that_turns_out_unfit_counts_no_more_and_is_given_nothing(engine):
    assert engine.capacity() == 5
    turn_out_unfit(engine, "a")
    assert engine.capacity() == 3
    engine.client.threads["c"] = 4  # a new one
    engine.clock.now += 10
    assert engine.capacity() == 7
    engine.give("next", {"job": "gmm"})
    assert not engine.client.given[0] and set(engine.client.given[1]) == {"b", "c"}


def test_where_all_are_unfit_there_is_nobody_to_wait_for(engine):
    engine.capacity()
    turn_out_unfit(engine, "a")
    turn_out_unfit(engine, "b")
    with pytest.raises(UnfitWorker, match="^no worker is left that can do jobs; see above$"):
        engine.capacity()


def test_without_workers_there_is_capacity_for_nothing_and_one_may_still_come(engine):
    engine.client.threads.clear()
    assert engine.capacity() == 0
