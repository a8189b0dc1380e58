"""Runners: one at a time, known by number, begin and computer, whatever the file says."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import psutil
import pytest

from acoustic_nb import runners
from acoustic_nb.runners import Wanted, announce_stop, is_running, owned, runner_of, stoppable

HERE = runners._computer()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "Stapel {1} ä" / "Lüfter"
    folder.mkdir(parents=True)
    return folder


def write(folder, pid, begun, host=HERE, *, age_s=0.0):
    path = folder / "runner"
    path.write_text(f"{pid} {begun} {host}\n", encoding="utf-8")
    os.utime(path, (time.time() - age_s,) * 2)


def begun_s(pid=None):
    return psutil.Process(pid).create_time()


@contextmanager
def process():
    """A process that runs until its input is closed, or it is killed."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield process


# ---- who is running

def test_a_process_that_runs_and_then_does_not(folder):
    with process() as other:
        write(folder, other.pid, begun_s(other.pid), age_s=3600)  # here the process counts, not the time of the file
        assert is_running(folder)
    assert not is_running(folder)


def test_a_killed_process_that_nobody_has_waited_for_does_not_run(folder):
    with process() as other:
        write(folder, other.pid, begun_s(other.pid))
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        assert psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE
        assert not is_running(folder)


@pytest.mark.parametrize(("later_s", "running"), [(0.0, True), (1.5, True), (-1.5, True), (3.0, False), (-3.0, False),
                                                  (1e6, False), (float("nan"), False)])
def test_a_number_that_another_process_has_got_since_is_not_the_runner(folder, later_s, running):
    write(folder, os.getpid(), begun_s() + later_s)
    assert is_running(folder) == running


@pytest.mark.parametrize(("age_s", "running"), [(0, True), (55, True), (-55, True), (65, False), (-65, False), (1e7, False)])
def test_on_another_computer_the_time_of_the_file_counts(folder, age_s, running):
    write(folder, 1, 0.0, host="Prüf stand 2", age_s=age_s)  # 1 runs here, but that is another process
    assert is_running(folder) == running


@pytest.mark.parametrize("content", [
    b"", b"\n", b"7", b"1 2", b"\xff\xfe 1 x", f"x {0.0} {HERE}".encode(), f"1 x {HERE}".encode(), f"-1 0 {HERE}".encode(),
    f"{10**30} 0 {HERE}".encode(), f"1.5 0 {HERE}".encode()])
def test_what_names_no_process_is_no_runner(folder, content):
    (folder / "runner").write_bytes(content)
    assert not is_running(folder)
    with owned(folder):
        assert is_running(folder)


def test_a_folder_without_the_file_or_none_at_all(folder):
    assert not is_running(folder) and runner_of(folder) == ""
    assert not is_running(folder / "gone") and runner_of(folder / "gone") == ""
    (folder / "runner").mkdir()
    assert not is_running(folder) and runner_of(folder) == ""


# ---- owning a folder

def test_a_runner_is_named_in_the_file_as_long_as_it_is_at_work(folder):
    with owned(folder) as name:
        pid, begun, host = (folder / "runner").read_text(encoding="utf-8").split(maxsplit=2)
        assert (int(pid), float(begun), host.strip()) == (os.getpid(), begun_s(), HERE)
        assert runner_of(folder) == name and is_running(folder)
    assert not (folder / "runner").exists()
    with owned(folder):
        pass


def test_the_file_goes_with_an_exception_too(folder):
    with pytest.raises(KeyboardInterrupt), owned(folder):
        raise KeyboardInterrupt
    assert not (folder / "runner").exists()


@pytest.mark.parametrize("other", [".", ".."])
def test_a_second_runner_of_a_run_or_its_batch_is_refused_and_the_first_stays(folder, other):
    with owned(folder / other) as name:
        with pytest.raises(ValueError, match=f"is running already, in process {os.getpid()}; wait for it, or end it first"), \
                owned(folder):
            raise AssertionError("two at work")
        assert runner_of(folder / other) == name


def test_a_batch_is_refused_while_one_of_its_runs_is_gone_on_with(folder):
    with owned(folder), pytest.raises(ValueError, match="is running already"), owned(folder.parent):
        raise AssertionError("two at work")


def test_neighbours_run_at_the_same_time(folder):
    neighbour = folder.with_name("Pumpe")
    neighbour.mkdir()
    with owned(folder), owned(neighbour):
        assert is_running(folder) and is_running(neighbour)


def test_a_runner_that_has_died_is_replaced(folder):
    with process() as other:
        write(folder, other.pid, begun_s(other.pid))
    with owned(folder) as name:
        assert runner_of(folder) == name


@pytest.mark.parametrize("taken", [True, False])
def test_at_the_end_only_its_own_file_is_deleted(folder, taken):
    with owned(folder):
        (folder / "runner").unlink()
        if taken:
            write(folder, 1, 0.0, host="elsewhere")
    assert runner_of(folder) == ("1 0.0 elsewhere\n" if taken else "")


def test_the_file_is_touched_while_a_runner_is_at_work(folder, monkeypatch):
    monkeypatch.setattr(runners, "BEAT_S", 0.001)
    path, end = folder / "runner", time.monotonic() + 10
    with owned(folder):
        os.utime(path, (0, 0))
        while path.stat().st_mtime == 0:
            assert time.monotonic() < end, "nobody has touched it"
        assert abs(path.stat().st_mtime - time.time()) < 10


# ---- a runner that stops

def test_a_runner_that_stops_says_so_in_a_line_of_its_own(folder):
    with owned(folder) as name:
        assert announce_stop(folder, name)
        assert (folder / "runner").read_text(encoding="utf-8") == f"{name}stopping\n"
        assert announce_stop(folder, name)  # once more is no more
        assert runner_of(folder) == f"{name}stopping\n"


def test_a_runner_that_stops_still_runs_and_nobody_else_may_begin(folder):
    with owned(folder) as name:
        announce_stop(folder, name)
        assert is_running(folder)
        with pytest.raises(ValueError, match=f"is running already, in process {os.getpid()};"), owned(folder):
            raise AssertionError("two at work")
        assert runner_of(folder) == f"{name}stopping\n"
    assert not (folder / "runner").exists()  # it was its own


@pytest.mark.parametrize(("age_s", "running"), [(0, True), (55, True), (65, False)])
def test_a_runner_that_stops_on_another_computer_runs_as_long_as_its_file_is_touched(folder, age_s, running):
    write(folder, 1, 0.0, host="Prüf stand 2")
    announce_stop(folder, runner_of(folder))
    os.utime(folder / "runner", (time.time() - age_s,) * 2)
    assert is_running(folder) == running


def test_a_runner_that_has_died_while_it_stopped_is_replaced(folder):
    with process() as other:
        write(folder, other.pid, begun_s(other.pid))
        announce_stop(folder, runner_of(folder))
        assert is_running(folder)
    assert not is_running(folder)
    with owned(folder) as name:
        assert runner_of(folder) == name


def test_where_another_has_taken_over_nothing_is_announced_and_its_file_stays_as_it_is(folder):
    with owned(folder) as name:
        for taken in ("1 0.0 elsewhere\n", "1 0.0 elsewhere\nstopping\n"):
            (folder / "runner").write_text(taken, encoding="utf-8")
            os.utime(folder / "runner", (5.0, 5.0))
            assert not announce_stop(folder, name)
            assert runner_of(folder) == taken
    assert runner_of(folder) == taken


def test_where_the_file_is_gone_it_does_not_come_back(folder):
    with owned(folder) as name:
        (folder / "runner").unlink()
        assert announce_stop(folder, name)  # nobody else has begun
        assert not (folder / "runner").exists()


def test_on_a_full_disk_a_runner_may_still_write_what_there_is_room_for(folder, monkeypatch):
    def write_text(path, *text, **settings):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with owned(folder) as name:
        with monkeypatch.context() as full:
            full.setattr(type(folder), "write_text", write_text)
            assert announce_stop(folder, name)
        assert runner_of(folder) == name
    assert not (folder / "runner").exists()


# ---- whether a runner still wants what is done for it

@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(runners, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    return clock


def test_work_is_wanted_until_the_file_is_gone(folder, clock):
    write(folder, 1, 0.0)
    wanted = Wanted(folder, f"1 0.0 {HERE}\n")
    assert wanted.is_so()
    (folder / "runner").unlink()
    assert not wanted.is_so()


def test_a_runner_that_stops_does_not_want_its_work(folder, clock):
    write(folder, 1, 0.0)
    name = f"1 0.0 {HERE}\n"
    wanted = Wanted(folder, name)
    assert wanted.is_so()
    announce_stop(folder, name)
    assert not wanted.is_so() and not Wanted(folder, name).is_so()


def test_work_for_another_runner_is_not_wanted(folder, clock):
    write(folder, 2, 0.0)
    assert not Wanted(folder, f"1 0.0 {HERE}\n").is_so()
    write(folder, 1, 0.0)
    wanted = Wanted(folder, f"1 0.0 {HERE}\n")
    assert wanted.is_so()
    write(folder, 2, 0.0)
    assert not wanted.is_so()


def test_without_a_touch_for_a_minute_by_the_own_clock_work_is_not_wanted(folder, clock):
    write(folder, 1, 0.0, age_s=1e6)  # how old the file is by its own clock does not matter
    wanted = Wanted(folder, f"1 0.0 {HERE}\n")
    assert wanted.is_so()
    for later_s, is_so in ((59.9, True), (60.1, False), (600, False)):
        clock.now = 1000 + later_s
        assert wanted.is_so() == is_so


@pytest.mark.parametrize("age_s", [0, -1000, 2e6])
def test_every_touch_counts_for_a_minute_whatever_its_clock_says(folder, clock, age_s):
    write(folder, 1, 0.0, age_s=1e6)
    wanted = Wanted(folder, f"1 0.0 {HERE}\n")
    assert wanted.is_so()
    clock.now += 50
    write(folder, 1, 0.0, age_s=age_s)
    for later_s, is_so in ((0, True), (59.9, True), (60.1, False)):
        clock.now = 1050 + later_s
        assert wanted.is_so() == is_so


def test_a_runner_that_is_heard_of_again_wants_its_work_again(folder, clock):
    write(folder, 1, 0.0, age_s=100)
    wanted = Wanted(folder, f"1 0.0 {HERE}\n")
    assert wanted.is_so()
    clock.now += 61
    assert not wanted.is_so()
    write(folder, 1, 0.0, age_s=39)
    assert wanted.is_so()


# ---- being stopped

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_way_to_stop_is_ctrl_c_once_and_tells_how_to_go_on(number, capsys):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    done, cleaned = [], []
    with pytest.raises(KeyboardInterrupt), stoppable(lambda: f"go on with Lüfter {{1}} 'ä', {len(done)} are done"):
        done.append("kmeans")
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)  # impatience does not disturb the clean-up
            cleaned.append(True)
    assert cleaned
    assert capsys.readouterr().err == "go on with Lüfter {1} 'ä', 1 are done\n"  # as things stand by then
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_what_ends_otherwise_says_nothing(error, capsys):
    before, said = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)], []
    with suppress(ValueError), stoppable(lambda: said.append("asked")):
        if error:
            raise error
    assert not said and capsys.readouterr().err == ""
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
