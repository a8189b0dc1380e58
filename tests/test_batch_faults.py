"""Whatever happens to a batch, its statuses are true, nothing finished is lost or done again, and the rest can be done. For real:
processes that are killed, a scheduler that goes, a disk that is full."""

import json
import os
import signal
import subprocess
import time

import psutil
import pytest
from batches_for_tests import Place, are_gone, cluster, dask_workers, family, wait_for_marks, wait_until

# ends when the test has made the file; the others are quick
WAITS = "while not (here.parent.parent.parent / 'go').exists(): time.sleep(0.05)"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "place")


def snapshot(place):
    """Files of what is done: ``{(seed, job): (time of its status, time of its notebook)}``."""
    found = {}
    for seed, run in place.runs().items():
        for job, status in run.statuses().items():
            if status["status"] == "ok":
                notebook = next(run.folder.glob(f"*_{job}.ipynb"))
                found[seed, job] = (run.folder / "status" / f"{job}.json").stat().st_mtime_ns, notebook.stat().st_mtime_ns
    return found


# ---- every way in which a notebook can end

def test_every_end_has_its_status_and_the_others_run(place):
    place.notebook("01_good")
    place.notebook("02_raises", "if seed == 2: raise ValueError('no\\nluck')")
    place.notebook("03_dies", "if seed == 2: os.kill(os.getpid(), 9)")
    place.notebook("04_too_few", "from acoustic_nb.detectors.base import NotEnoughData\n"
                   "if seed == 2: raise NotEnoughData('one clip,\\ntwo are needed')")
    place.notebook("05_costs_one", "if seed == 2 and len(open(here / 'costs_one.mark').readlines()) < 2: os.kill(os.getppid(), 9)")
    place.notebook("06_costs_all", "if seed == 2: os.kill(os.getppid(), 9)")
    place.notebook("07_comparison", "print(*sorted((here / 'status').iterdir()))")
    code, out, err = place.run()
    assert code == 1, err
    statuses = place.statuses()
    assert {key: status for key, status in statuses.items() if status != "ok"} == {
        (2, "raises"): "failed", (2, "dies"): "dead", (2, "too_few"): "skipped", (2, "costs_all"): "dead"}
    assert len(statuses) == 21
    errors = {job: status["error"] for job, status in place.runs()[2].statuses().items()}
    assert errors["raises"] == "ValueError: no luck (cell [3])" and "kernel died in cell [3]" in errors["dies"]
    assert errors["too_few"] == "one clip, two are needed" and errors["costs_one"] is None
    assert errors["costs_all"] == ("set aside, since it has cost 2 workers: the job's process was killed by signal 9; then "
                                   "the job's process was killed by signal 9")
    marks = place.marks()
    assert marks.pop((2, "costs_one")) == marks.pop((2, "costs_all")) == 2 and set(marks.values()) == {1}
    assert "pump {1} 'ä', seed 2 raises: failed: ValueError: no luck (cell [3])" in err and "Traceback" not in err
    assert "3 notebooks failed" in out
    assert "ValueError: no luck" in (place.batch / "index.html").read_text(encoding="utf-8")
    # what failed is tried again, what is ok or skipped is not; the comparison reads what is new
    code, out, err = place.run("--resume", place.batch.name)
    assert code == 1 and "21 notebooks: 17 are done, 4 to be run" in out
    again = {key: number for key, number in place.marks().items() if number != 1}
    assert again == {(2, "costs_one"): 2, (2, "raises"): 2, (2, "dies"): 2, (2, "costs_all"): 4, (2, "comparison"): 2}


@pytest.fixture
def half_way(place):
    """A batch of three runs, with some jobs ok and two that wait; ended with the test in any case."""
    place.notebook("01_first")
    place.notebook("02_second", WAITS)
    place.notebook("07_comparison")
    process = place.start(place.table, "--workers", "2")
    try:
        wait_for_marks(place, process, "second", 2)
        yield place, process
    finally:
        process.kill()
        process.communicate()


# ---- workers that are killed

def test_a_killed_worker_costs_only_the_job_that_it_was_at(half_way):
    place, process = half_way
    done, before = snapshot(place), place.marks()
    workers = dask_workers(process)
    assert len(workers) == 2
    doomed = [workers[0], *workers[0].children(recursive=True)]
    workers[0].kill()
    assert are_gone(doomed)  # with it goes what it had started
    (place.folder / "go").touch()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert set(place.statuses().values()) == {"ok"} and len(place.statuses()) == 9
    again = {key: number for key, number in place.marks().items() if number > 1}
    assert len(again) == 1 and set(again) <= set(before) and set(again.values()) == {2}
    assert {key: times for key, times in snapshot(place).items() if key in done} == done


def test_a_job_that_kills_dask_workers_is_set_aside(place):
    place.write_table(1, 2)
    place.notebook("01_good")
    kills = "import psutil\nif seed == 1: psutil.Process(os.getppid()).parent().kill(); time.sleep(30)"
    place.notebook("02_kills", kills)
    place.notebook("07_comparison")
    code, out, err = place.run(place.table, "--workers", "2")
    assert code == 1 and "Traceback" not in err
    statuses = place.statuses()
    assert statuses.pop((1, "kills")) == "dead" and set(statuses.values()) == {"ok"} and len(statuses) == 5
    error = place.runs()[1].status("kills")["error"]
    assert error.startswith("set aside, since it has cost 2 workers: its worker (") and error.count("was killed or lost") == 2
    assert place.marks()[1, "kills"] == 2


# ---- the runner ends

def test_after_a_power_cut_nothing_is_left_and_the_rest_can_be_done(half_way):
    place, process = half_way
    everything = family(process)
    for each in everything:
        each.kill()
    process.communicate()
    assert are_gone(everything)
    statuses = place.statuses()
    assert sorted(set(statuses.values())) == ["ok", "queued", "running"]
    assert {key for key, status in statuses.items() if status == "running"} == {key for key in place.marks() if key[1] == "second"}
    go_on(place)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_ctrl_c_no_job_is_left_as_running(half_way, number):
    place, process = half_way
    everything = family(process)
    code, _, err = place.run("--resume", place.batch)  # not while it is running
    assert code == 2 and f"is running already, in process {process.pid}" in err
    os.killpg(process.pid, number)  # a terminal sends it to all of them
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert f"go on with: acoustic-nb batch --resume {place.batch}" in err
    assert are_gone(everything)
    statuses = place.statuses()
    assert sorted(set(statuses.values())) == ["ok", "queued"]
    assert not (place.batch / "runner").exists()
    assert json.loads((place.batch / "batch.json").read_text())["problem"] == "interrupted"
    if number == signal.SIGINT:
        go_on(place)


def go_on(place):
    """Resume, and see that only what was not done is done."""
    done, before = snapshot(place), place.marks()
    (place.folder / "go").touch()
    code, out, err = place.run("--resume", place.batch, "--workers", "2")
    assert code == 0, err
    assert set(place.statuses().values()) == {"ok"} and len(place.statuses()) == 9
    assert {key: times for key, times in snapshot(place).items() if key in done} == done
    assert {key: number for key, number in place.marks().items() if key in done} == {key: before[key] for key in done}
    assert json.loads((place.batch / "batch.json").read_text())["finished"]
    after = place.marks()
    code, out, err = place.run("--resume", place.batch)  # nothing is left
    assert code == 0 and "9 are done, 0 to be run" in out and place.marks() == after


# ---- a cluster

def test_a_scheduler_that_is_lost_is_said_and_another_goes_on(place):
    place.notebook("01_first")
    place.notebook("02_second", WAITS)
    place.notebook("07_comparison")
    with cluster(2, place.folder) as (address, scheduler, workers):
        process = place.start(place.table, "--scheduler", address)
        wait_for_marks(place, process, "second", 2)
        started = [each for worker in workers for each in psutil.Process(worker.pid).children(recursive=True)]
        assert len(started) >= 4  # two that run notebooks, with a kernel each
        scheduler.kill()
        out, err = process.communicate(timeout=120)
        assert process.returncode not in (0, 130) and "Traceback" not in err, err
        assert f"{address}: the scheduler is lost" in err and f"go on with: acoustic-nb batch --resume {place.batch}" in err
        assert are_gone(started)
    statuses = place.statuses()
    assert sorted(set(statuses.values())) == ["ok", "queued"]
    done, before = snapshot(place), place.marks()
    (place.folder / "go").touch()
    with cluster(2, place.folder) as (address, scheduler, workers):
        code, out, err = place.run("--resume", place.batch.name, "--scheduler", str(place.folder / "scheduler.json"))
        assert code == 0, err
        # what they kept ready for further jobs is gone
        wait_until(lambda: not any(psutil.Process(worker.pid).children(recursive=True) for worker in workers))
    assert set(place.statuses().values()) == {"ok"}
    assert {key: times for key, times in snapshot(place).items() if key in done} == done
    assert {key: number for key, number in place.marks().items() if key in done} == {key: before[key] for key in done}


def test_a_runner_that_is_killed_leaves_no_work_on_a_cluster(place, monkeypatch):
    place.notebook("01_first", WAITS)
    with cluster(1, place.folder) as (address, scheduler, workers):
        process = place.start(place.table, "--scheduler", address)
        wait_for_marks(place, process, "first", 1)
        process.kill()
        process.communicate()
        (place.folder / "go").touch()
        code, out, err = place.run("--resume", place.batch, "--scheduler", address)
        assert code == 0, err
    assert set(place.statuses().values()) == {"ok"}


@pytest.mark.parametrize("scheduler, why", [
    ("tcp://127.0.0.1:1", "no Dask scheduler answers there"),
    ("empty.json", "is no scheduler file"), ("tcp://127.0.0.1", "is neither the address of a Dask scheduler with its port")])
def test_a_scheduler_that_does_not_answer_leaves_nothing_behind(place, scheduler, why, monkeypatch):
    place.notebook("01_first")
    monkeypatch.chdir(place.folder)
    (place.folder / "empty.json").write_text("{}")
    code, out, err = place.run(place.table, "--scheduler", scheduler)
    assert code == 2 and f"acoustic-nb: {scheduler}: {why}" in err and "Traceback" not in err, err
    assert not list(place.runs_dir.iterdir())


def test_a_resumed_batch_is_kept_where_no_scheduler_answers(place):
    place.notebook("01_first", "if not (here.parent.parent.parent / 'go').exists(): raise ValueError('not yet')")
    assert place.run(place.table)[0] == 1
    code, out, err = place.run("--resume", place.batch, "--scheduler", "tcp://127.0.0.1:1")
    assert code == 1 and "no Dask scheduler answers there" in err and "go on with: acoustic-nb batch --resume" in err
    (place.folder / "go").touch()
    assert place.run("--resume", place.batch)[0] == 0
    assert set(place.statuses().values()) == {"ok"}


@pytest.mark.parametrize("frozen", ["scheduler", "worker"])
def test_who_gives_no_answer_is_not_waited_for_without_end(place, frozen):
    place.write_table(1, 2)
    place.notebook("01_first")
    place.notebook("02_second", WAITS)
    with cluster(1, place.folder) as (address, scheduler, workers):
        process = place.start(place.table, "--scheduler", address)
        try:
            wait_for_marks(place, process, "second", 1)
            (scheduler if frozen == "scheduler" else workers[0]).send_signal(signal.SIGSTOP)
            if frozen == "worker":
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=110)
        finally:
            process.kill()
            for each in (scheduler, *workers):
                each.send_signal(signal.SIGCONT)
    assert "Traceback" not in err and "go on with: acoustic-nb batch --resume" in err
    assert process.returncode == (1 if frozen == "scheduler" else 130)
    if frozen == "scheduler":
        assert f"{address}: the scheduler is lost (it gives no answer" in err
    assert set(place.statuses().values()) == {"ok", "queued"}


@pytest.mark.parametrize("wait_s", [0.3, 1.2])
def test_ctrl_c_while_workers_start_says_how_to_go_on_and_no_more(place, wait_s):
    place.notebook("01_first", WAITS)
    process = place.start(place.table)
    try:
        wait_until(lambda: list(place.runs_dir.glob("*/batch.json")), process=process)
        time.sleep(wait_s)
        everything = family(process)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in err, err
    assert err.splitlines()[-1] == f"interrupted; go on with: acoustic-nb batch --resume {place.batch}"
    assert are_gone(everything)


# ---- the disk

def test_a_full_disk_stops_the_batch_and_room_lets_it_go_on(place):
    place.runs_dir.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place.runs_dir)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        place.notebook("01_first")
        place.notebook("02_writes", "if not (here.parent.parent.parent / 'go').exists() and seed == 2:\n"
                       "    (here / 'ballast').write_bytes(bytes(1 << 23))")
        place.notebook("07_comparison")
        code, out, err = place.run(place.table, "--workers", "1")
        assert code not in (0, 130) and "No space left on device" in err and "Traceback" not in err, err
        assert "go on with: acoustic-nb batch --resume" in err
        statuses = place.statuses()
        assert statuses[2, "writes"] == "failed" and "No space left" in place.runs()[2].status("writes")["error"]
        assert set(statuses.values()) == {"ok", "failed", "queued"}
        next(place.runs_dir.glob("*/*/ballast")).unlink()
        (place.folder / "go").touch()
        done, before = snapshot(place), place.marks()
        code, out, err = place.run("--resume", place.batch)
        assert code == 0, err
        assert set(place.statuses().values()) == {"ok"}
        assert {key: number for key, number in place.marks().items() if key in done} == {key: before[key] for key in done}
    finally:
        subprocess.run(["umount", str(place.runs_dir)], check=True)
