"""Workers: processes that are stopped or killed are lost and take their kernels along; a status lists what its job has kept."""

import errno
import os
import signal
import time
from types import SimpleNamespace

import psutil
import pytest
from batches_for_tests import Place, are_gone, wait_until

from acoustic_nb import worker, workers
from acoustic_nb.reuse import is_whole
from acoustic_nb.runs import Run
from acoustic_nb.workers import Workers

# a kernel looks after its parent by itself; what it has started does not
SLEEPS = ("import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
          "(here / 'pids').write_text(f'{os.getpid()} {child.pid} .')\ntime.sleep(600)")


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "place")


def make_run(folder, *jobs):
    for part in ("status", "reports"):
        (folder / part).mkdir(parents=True)
    for job in jobs:
        Run(folder).write_status(job, "queued")
    return Run(folder)


def give(team, place, run, stem, **more):
    job = stem.partition("_")[2]
    run.write_status(job, "running")
    team.give(run, job, notebook=str(place.notebooks / f"{stem}.ipynb"), parameters={"run_dir": str(run.folder)}, timeout_s=60.0,
              **more)


def wait_for(team, seconds=30):
    """The first job that ends."""
    end = time.monotonic() + seconds
    while not (ended := team.wait(0.1)):
        assert time.monotonic() < end, "waited too long"
    return ended


def started_by(run):
    """The kernel of a job that sleeps, and the process that it has started."""
    pids = run.folder / "pids"
    wait_until(lambda: pids.exists() and pids.read_text().endswith("."))
    return [psutil.Process(int(pid)) for pid in pids.read_text().split()[:2]]


@pytest.fixture
def ended_in_any_case():
    """Processes that are killed after the test, whatever became of it."""
    processes = []
    yield processes
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


# ---- no sign of life

def test_a_process_that_is_stopped_is_lost_and_one_that_only_takes_long_is_not(tmp_path, place, monkeypatch, ended_in_any_case):
    monkeypatch.setattr(workers, "SILENCE_S", 3.0)
    place.notebook("01_frozen", SLEEPS)
    place.notebook("02_slow", SLEEPS)
    place.notebook("03_next")
    frozen, slow = (make_run(tmp_path / name, "frozen", "slow", "next") for name in ("Lüfter {1}", "Pumpe"))
    with Workers(2, threads=1) as team:
        give(team, place, frozen, "01_frozen")
        give(team, place, slow, "02_slow")
        theirs = {run: started_by(run) for run in (frozen, slow)}
        ended_in_any_case += [*theirs[frozen], *theirs[slow]]
        process, scratch = psutil.Process(team.workers[0].process.pid), team.workers[0].scratch
        assert theirs[frozen][0].ppid() == process.pid
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        ended = wait_for(team, 15)
        assert 1.0 <= time.monotonic() - stopped < 10  # the last sign of life was up to two seconds before
        assert are_gone([process, *theirs[frozen]], seconds=1)  # with all that it has started
        assert (ended.job, ended.trouble) == ("frozen", "the job's process gave no sign of life for 3 s, and was killed")
        assert ended.seconds > 3 and not scratch.exists()
        assert frozen.status("frozen")["status"] == "running"  # what that means is the caller's matter
        assert team.busy() == 1 and all(each.is_running() for each in theirs[slow])
        give(team, place, frozen, "03_next")
        assert wait_for(team)[:2] == ("next", None) and frozen.status("next")["status"] == "ok"
        assert slow.status("slow")["status"] == "running" and team.busy() == 1  # longer than three seconds by now


@pytest.fixture
def clock(monkeypatch):
    """The runner's clock, which is put forward."""
    clock = SimpleNamespace(ahead=0.0)
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + clock.ahead))
    return clock


def test_a_process_that_was_idle_for_long_has_a_minute_for_its_job(tmp_path, place, clock):
    place.notebook("01_first")
    run = make_run(tmp_path / "Lüfter {1}", "first")
    with Workers(1, threads=1) as team:
        process = team.workers[0].process
        process.send_signal(signal.SIGSTOP)  # nothing is heard of it
        assert not team.workers[0].is_silent()  # as after an earlier job
        for _ in range(2):
            clock.ahead += 3600
            assert team.wait(0.01) is None  # that costs nobody a job
        give(team, place, run, "01_first")
        for later_s in (0, 30, 55):
            clock.ahead = 7200 + later_s
            assert team.wait(0.01) is None
        assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
        process.send_signal(signal.SIGCONT)
        assert wait_for(team)[:2] == ("first", None)
        assert run.status("first")["status"] == "ok" and team.workers[0].process is process


def test_features_of_a_process_that_is_stopped_are_lost_after_a_minute_and_not_before(tmp_path, clock):
    with Workers(1, threads=1) as team:
        process = team.workers[0].process
        process.send_signal(signal.SIGSTOP)  # before it has read what it is to do
        team.give(make_run(tmp_path / "run"), "features", share={}, inputs={})
        for later_s in (0, 55):
            clock.ahead = later_s
            assert team.wait(0.01) is None and process.poll() is None
        clock.ahead = 125  # at 0 s it was heard of for the first time
        assert team.wait(0.01) is None
        ended = wait_for(team)
        assert process.returncode == -signal.SIGKILL
        assert (ended.job, ended.trouble) == ("features", "the job's process gave no sign of life for 60 s, and was killed")
        assert not team.busy()


def test_a_process_that_is_killed_by_somebody_else_is_told_as_that(tmp_path, place, clock):
    with Workers(1, threads=1) as team:
        team.give(make_run(tmp_path / "run"), "features", share={}, inputs={})
        assert team.wait(0.01) is None
        clock.ahead = 50
        team.workers[0].process.kill()
        assert wait_for(team).trouble.startswith("the job's process was killed by signal 9")


# ---- what a job has kept

KEEPS = ("for file in ('scores.csv', 'figures/Verlauf {1} ä.png', 'figures/a.png'):\n"
         "    (here / 'kmeans' / file).parent.mkdir(parents=True, exist_ok=True); (here / 'kmeans' / file).touch()\n"
         "(here / 'kmeans' / 'empty').mkdir()\n")
KEPT = ["kmeans/figures/Verlauf {1} ä.png", "kmeans/figures/a.png", "kmeans/scores.csv"]


def test_a_status_lists_what_its_job_has_kept_and_the_same_job_of_another_run_its_own(tmp_path, place):
    place.notebook("01_kmeans", KEEPS)
    place.notebook("02_gmm")
    one, other = (make_run(tmp_path / name, "kmeans", "gmm") for name in ("Lüfter {1}", "Pumpe"))
    with Workers(1, threads=1) as team:
        give(team, place, one, "01_kmeans", about={"key": "k1"})
        assert wait_for(team)[:2] == ("kmeans", None)
        place.notebook("01_kmeans", KEEPS + "raise ValueError('no')")
        give(team, place, other, "01_kmeans")
        assert wait_for(team)[:2] == ("kmeans", None)
        give(team, place, one, "02_gmm")
        assert wait_for(team)[:2] == ("gmm", None)
    assert one.status("kmeans") == {"job": "kmeans", "status": "ok", "error": None, "seconds": one.status("kmeans")["seconds"],
                                    "kept": KEPT, "key": "k1"}
    assert (other.status("kmeans")["status"], other.status("kmeans")["kept"]) == ("failed", KEPT)
    assert (one.status("gmm")["status"], one.status("gmm")["kept"]) == ("ok", [])  # its mark lies beside, and is no result
    assert is_whole(one, "kmeans", "01_kmeans") and is_whole(one, "gmm", "02_gmm")
    (one.folder / KEPT[0]).unlink()
    assert not is_whole(one, "kmeans", "01_kmeans")


@pytest.fixture
def executed(monkeypatch):
    """A notebook that has kept something and is ok, without a kernel; ``write_status`` fails as ``errors`` says."""
    def execute(notebook, target, task, folder):
        target.write_text("{}")
        (target.parent / "kmeans").mkdir()
        (target.parent / "kmeans" / "scores.csv").touch()
        return "ok", None

    def write_status(run, job, status, **more):
        if errors:
            raise errors.pop(0)
        write(run, job, status, **more)

    errors, write = [], Run.write_status
    monkeypatch.setattr(worker, "_execute_notebook", execute)
    monkeypatch.setattr("acoustic_nb.report.render_notebook", lambda executed, report, status: report.write_text("report"))
    monkeypatch.setattr(Run, "write_status", write_status)
    monkeypatch.setenv("IPYTHONDIR", "")  # which a worker sets
    return errors


def work(run, tmp_path):
    task = {"job": "kmeans", "notebook": "/n/01_kmeans.ipynb", "about": {"key": "k1"}}
    worker._work(run, task, tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_job_whose_status_finds_no_room_makes_some_and_has_kept_nothing(tmp_path, executed, number):
    run = make_run(tmp_path / "run", "kmeans")
    executed.append(OSError(number, os.strerror(number)))
    work(run, tmp_path)
    status = run.status("kmeans")
    assert (status["status"], status["kept"], status["key"]) == ("failed", [], "k1")
    assert status["error"] == f"its results could not be kept: OSError: [Errno {number}] {os.strerror(number)}"
    assert not any((run.folder / path).exists() for path in ("kmeans", "01_kmeans.ipynb", "reports/01_kmeans.html"))


def test_a_status_that_cannot_be_written_for_another_reason_costs_no_results(tmp_path, executed):
    run = make_run(tmp_path / "run", "kmeans")
    executed.append(PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(PermissionError, match="Permission denied"):
        work(run, tmp_path)
    assert (run.folder / "kmeans" / "scores.csv").exists() and (run.folder / "reports" / "01_kmeans.html").exists()
    work_again = make_run(tmp_path / "again", "kmeans")
    work(work_again, tmp_path)
    assert work_again.status("kmeans")["kept"] == ["kmeans/scores.csv"]
