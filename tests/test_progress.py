"""Progress: what a log shows of a bar; how far a batch is, in a log and on a terminal."""

import io
import sys
import time

import pytest

from acoustic_nb.progress import BatchProgress, duration, progress_bar


def test_in_a_log_each_state_of_a_bar_is_a_line_of_its_own(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now)
    with progress_bar(total=4, desc="listening") as bar:
        bar._time, bar.start_t, bar.delay = time.time, now - 20, 0
        for _ in range(4):
            now += 15
            bar.update()
    lines = capsys.readouterr().err.split("\n")
    assert [line[:14] for line in lines[:-1]] == ["listening:  25", "listening:  50", "listening:  75", "listening: 100"]
    assert lines[-1] == "" and "\r" not in "".join(lines)


def test_what_is_done_at_once_shows_nothing(capsys):
    assert list(progress_bar(range(3), desc="quick")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


# ---- batches

OK, SKIPPED = ({"status": status, "error": None} for status in ("ok", "skipped"))
FAILED = {"status": "failed", "error": "ValueError: no (cell [3])"}


class Terminal(io.StringIO):
    """Somebody watches; ``screen`` is what they see, line by line."""

    def isatty(self):
        return True

    def screen(self):
        return [line.rpartition("\r\033[K")[2] for line in self.getvalue().split("\n")]


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now_s = 5000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def batch(clock, total, done=0, failed=0, stream=None):
    return BatchProgress(total, done, failed, stream=stream or io.StringIO(), clock=clock)


def lines(progress):
    return progress.stream.getvalue().split("\n")[:-1]


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (0.4, "0 s"), (40, "40 s"), (89, "89 s"), (91, "2 min"), (720, "12 min"), (5390, "90 min"), (5400, "1.5 h"),
    (12600, "3.5 h"), (360000, "100.0 h")])
def test_a_length_of_time_for_people(seconds, text):
    assert duration(seconds) == text


def test_lines_of_a_batch_by_hand(clock):
    progress = batch(clock, 10, done=4, failed=1)
    assert progress.line() == "4 of 10 notebooks done, 1 failed, 0 running"
    progress.started("pump kmeans")
    progress.started("fan ä gmm")
    clock.now_s += 30
    assert progress.line() == "4 of 10 notebooks done, 1 failed, 2 running  pump kmeans, fan ä gmm"  # no pace yet
    progress.finished("pump kmeans", OK)
    assert progress.line() == "5 of 10 notebooks done, 1 failed, 1 running, about 2 min left  fan ä gmm"  # 5 more of 30 s
    progress.finished("fan ä gmm", SKIPPED)
    assert progress.line() == "6 of 10 notebooks done, 1 failed, 0 running, about 60 s left"  # 4 more of 15 s
    assert progress.seconds_left() == 60
    for job in range(4):
        progress.started(f"valve {job}")
        progress.finished(f"valve {job}", FAILED)
    assert progress.line() == "10 of 10 notebooks done, 5 failed, 0 running" and progress.seconds_left() is None


def test_the_time_left_is_by_the_pace_of_this_time_alone(clock):
    progress = batch(clock, 1000, done=900)
    progress.started("pump kmeans")
    clock.now_s += 100
    assert progress.seconds_left() is None
    progress.finished("pump kmeans", OK)
    assert progress.seconds_left() == 9900  # 99 more of 100 s, however many were done before
    assert "about 2.8 h left" in progress.line()


def test_features_come_and_go_without_being_counted(clock):
    progress = batch(clock, 1)
    progress.started("pump features")
    assert progress.line() == "0 of 1 notebooks done, 1 running  pump features"
    progress.running.remove("pump features")
    assert progress.line() == "0 of 1 notebooks done, 0 running"


def test_waiting_for_a_worker_is_said_until_there_is_one(clock):
    progress = batch(clock, 3)
    for capacity, words in ((None, "0 running"), (0, "waiting for a worker"), (None, "waiting for a worker"), (2, "0 running")):
        progress.tick(capacity)
        assert progress.line() == f"0 of 3 notebooks done, {words}"
    progress.started("pump kmeans")
    progress.tick(0)  # its worker is gone
    assert progress.line() == "0 of 3 notebooks done, waiting for a worker  pump kmeans"


# ---- in a log

def test_a_log_has_a_line_every_half_minute_however_many_jobs_there_are(clock):
    progress = batch(clock, 300)
    for job in range(300):
        progress.started(f"job {job}")
        clock.now_s += 1
        progress.tick(1)
        progress.finished(f"job {job}", OK)
    progress.close()
    assert len(lines(progress)) == 1 + 10 + 1
    assert lines(progress)[0] == "0 of 300 notebooks done, 1 running  job 0"
    assert lines(progress)[1] == "29 of 300 notebooks done, 1 running, about 5 min left  job 29"  # 271 of 30/29 s
    assert lines(progress)[-1] == "300 of 300 notebooks done, 0 running"
    assert "\r" not in progress.stream.getvalue() and "\033" not in progress.stream.getvalue()


def test_a_log_of_one_slow_job_shows_that_something_goes_on(clock):
    progress = batch(clock, 1)
    progress.started("pump gan")
    for _ in range(1200):  # two minutes, looked at ten times a second
        clock.now_s += 0.1
        progress.tick(1)
    assert len(lines(progress)) in (4, 5)  # at 0, 30, 60, 90 s, and 120 s if rounding lets it


def test_in_a_log_a_failure_is_said_at_once_and_what_is_fine_is_not(clock):
    progress = batch(clock, 4)
    for job, status in (("a", OK), ("b", FAILED), ("c", SKIPPED), ("d", {"status": "dead", "error": "killed"})):
        progress.started(f"pump {job}")
        progress.finished(f"pump {job}", status)
    progress.say("pump features: MemoryError")
    assert lines(progress) == ["0 of 4 notebooks done, 1 running  pump a", "pump b: failed: ValueError: no (cell [3])",
                               "pump d: dead: killed", "pump features: MemoryError"]
    progress.close()
    assert lines(progress)[-1] == "4 of 4 notebooks done, 2 failed, 0 running" and len(lines(progress)) == 5


# ---- on a terminal

def test_on_a_terminal_one_line_moves(clock, terminal):
    progress = batch(clock, 2, stream=terminal)
    seen = []
    for job in ("kmeans", "gmm"):
        progress.started(f"pump {job}")
        seen.append(terminal.screen())
        clock.now_s += 60
        progress.tick(1)
        progress.finished(f"pump {job}", OK)
        clock.now_s += 1
        progress.tick(1)
        seen.append(terminal.screen())
    assert seen == [["0 of 2 notebooks done, 1 running  pump kmeans"],
                    ["1 of 2 notebooks done, 0 running, about 61 s left"],
                    ["1 of 2 notebooks done, 0 running, about 61 s left"],  # less than a fifth of a second after the last
                    ["2 of 2 notebooks done, 0 running"]]
    progress.close()
    assert terminal.screen() == ["2 of 2 notebooks done, 0 running", ""]


def test_a_terminal_is_written_to_at_most_five_times_a_second(clock, terminal):
    progress = batch(clock, 1, stream=terminal)
    progress.started("pump gan")
    for _ in range(64):  # a second, exactly
        clock.now_s += 1 / 64
        progress.tick(1)
    assert terminal.getvalue().count("\r") == 1 + 4  # every 13/64 s


def test_on_a_terminal_a_failure_stays_above_the_line_that_moves(clock, terminal):
    progress = batch(clock, 3, stream=terminal)
    progress.started("pump kmeans")
    progress.started("pump gmm")
    progress.finished("pump kmeans", FAILED)
    assert terminal.screen() == ["pump kmeans: failed: ValueError: no (cell [3])",
                                 "1 of 3 notebooks done, 1 failed, 1 running  pump gmm"]
    progress.say("fan features: MemoryError")
    progress.tick(1)
    assert terminal.screen() == ["pump kmeans: failed: ValueError: no (cell [3])", "fan features: MemoryError",
                                 "1 of 3 notebooks done, 1 failed, 1 running  pump gmm"]
    clock.now_s += 1
    progress.finished("pump gmm", OK)
    progress.close()
    assert terminal.screen() == ["pump kmeans: failed: ValueError: no (cell [3])", "fan features: MemoryError",
                                 "2 of 3 notebooks done, 1 failed, 0 running, about 0 s left", ""]


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_line_never_wraps_for_then_it_could_not_be_cleared(clock, terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = batch(clock, 2, stream=terminal)
    progress.started("Lüfter {1} 'ä' " * 20)
    assert len(terminal.screen()[0]) == columns - 1
    progress.close()
    assert [len(line) for line in terminal.screen()] == [columns - 1, 0]
