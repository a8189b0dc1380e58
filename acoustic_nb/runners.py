"""Runners: one process at a time is at work on the folder of a run or a batch, and its end is told to whoever works for it.

The file ``runner`` in the folder names the process: its number, when it began, and its computer. It is touched every few seconds,
so that it tells on another computer, too, whether the runner lives; when it says that the runner stops, all work for it ends.
"""

import os
import platform
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress

import psutil

BEAT_S = 2.0
SILENCE_S = 60.0


def runner_of(folder):
    """What the folder's runner calls itself, a line, and another where it is about to stop; empty where there is none."""
    with suppress(OSError, UnicodeDecodeError):
        return (folder / "runner").read_text(encoding="utf-8")
    return ""


def announce_stop(folder, name):
    """Write down that the runner ``name`` stops, and whether it may still write there: not where another has taken over."""
    named = runner_of(folder)
    if named.startswith(name):
        with suppress(OSError):  # a full disk takes none of its rights
            (folder / "runner").write_text(f"{name}stopping\n", encoding="utf-8")
    return not named or named.startswith(name)


def is_running(folder):
    """Whether a runner is at work on a run or a batch right now.

    On another computer it is taken to live as long as its file has been touched within a minute by this computer's clock.
    """
    with suppress(OSError, ValueError, psutil.Error):
        pid, begun, host = runner_of(folder).partition("\n")[0].split(maxsplit=2)
        if host != _computer():
            return abs(time.time() - (folder / "runner").stat().st_mtime) < SILENCE_S
        process = psutil.Process(int(pid))
        return abs(process.create_time() - float(begun)) < 2 and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def owned(folder):
    """Keep a second runner away from the folder; yields what this one is called."""
    # a run may lie in a batch that is running, and a batch hold a run that is gone on with by itself
    for place in (folder, folder.parent, *(path.parent for path in folder.glob("*/runner"))):
        if is_running(place):
            process = runner_of(place).partition(" ")[0]
            raise ValueError(f"{place}: is running already, in process {process}; wait for it, or end it first")
    name = f"{os.getpid()} {psutil.Process().create_time()} {_computer()}\n"
    path = folder / "runner"
    path.unlink(missing_ok=True)  # of one that is dead
    try:
        with open(path, "x", encoding="utf-8") as file:  # of two at once, one
            file.write(name)
    except FileExistsError:
        raise ValueError(f"{folder}: another process has just begun with it; wait for it, or end it first") from None
    over = threading.Event()
    threading.Thread(target=_beat, args=(path, over), daemon=True).start()
    try:
        yield name
    finally:
        over.set()
        if runner_of(folder).startswith(name):
            path.unlink(missing_ok=True)


def _computer():
    return platform.node() or "localhost"


def _beat(path, over):
    while not over.wait(BEAT_S):
        with suppress(OSError):  # gone, and thereby over
            os.utime(path)


@contextmanager
def stoppable(last_words):
    """SIGTERM and a closed terminal are Ctrl-C; after it, the line that ``last_words()`` returns is shown."""
    def stop(number, frame):
        for each in before:  # once is enough, the clean-up is not to be disturbed
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if number not in before and not (number == getattr(signal, "SIGHUP", None)
                                             and signal.getsignal(number) == signal.SIG_IGN):  # nohup
                before[number] = signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        print(last_words(), file=sys.stderr)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Wanted:
    """Whether the runner that work is done for still wants it: its file is there, is its own, and is touched.

    Parameters
    ----------
    folder : Path
        Of the batch.
    name : str
        What the runner is called, from ``owned``.
    """

    def __init__(self, folder, name):
        self.folder, self.name, self.beat, self.since = folder, name, None, time.monotonic()

    def is_so(self):
        """Look now; false also after a minute without a touch, by this computer's own clock."""
        with suppress(OSError):
            beat = (self.folder / "runner").stat().st_mtime_ns
            if beat != self.beat:
                self.beat, self.since = beat, time.monotonic()
        return runner_of(self.folder) == self.name and time.monotonic() - self.since < SILENCE_S
