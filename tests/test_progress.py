"""Progress: what a log shows of a bar."""

import sys
import time

from acoustic_nb.progress import progress_bar


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
