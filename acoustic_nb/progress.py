"""Progress: one display for all jobs of a run, on stderr.

On a terminal a bar that names the jobs at work and those that failed; elsewhere (a log, CI) one line per finished job.
"""

import shutil
import sys
import time


def progress_bar(*things, **settings):
    """A tqdm bar that shows itself after two seconds, and where nobody watches, in a log, a line's worth every ten."""
    from tqdm import tqdm

    watched = sys.stderr.isatty()
    stream = sys.stderr if watched or "ipykernel" in sys.modules else _Lines()
    return tqdm(*things, delay=2, leave=False, mininterval=0.1 if watched else 10, file=stream, **settings)


class _Lines:
    """stderr where it is a log: each state of a bar is a line of its own, and clearing it away is none."""

    def write(self, text):
        if text.strip():
            print(text.strip(), file=sys.stderr)

    def flush(self):
        sys.stderr.flush()


class JobProgress:
    """Counts jobs.

    Parameters
    ----------
    total : int
        Number of jobs.
    stream : text file, optional
        stderr by default.
    """

    def __init__(self, total, stream=None):
        self.stream = stream or sys.stderr
        self.total, self.done, self.running, self.failed = total, 0, [], []
        self.bar = self._bar() if self.stream.isatty() else None

    def started(self, job):
        """A job begins."""
        self.running.append(job)
        self.tick()

    def finished(self, job, status):
        """A job has ended; ``status`` is what its status file says."""
        self.running.remove(job)
        self.done += 1
        if status["status"] not in ("ok", "skipped"):
            self.failed.append(job)
        if self.bar is None:
            seconds = "" if status["seconds"] is None else f" after {status['seconds']:.0f} s"
            error = f": {status['error']}" if status["error"] else ""
            print(f"{self.done}/{self.total} {job} {status['status']}{seconds}{error}", file=self.stream, flush=True)
        else:
            self.bar.update(1)
            self.tick()

    def tick(self):
        """Let the clock of the bar move on."""
        if self.bar is not None:
            parts = [", ".join(self.running)] + [f"not ok: {', '.join(self.failed)}"] * bool(self.failed)
            self.bar.set_postfix_str(" · ".join(part for part in parts if part))

    def close(self):
        """Leave the terminal's cursor on a line of its own."""
        if self.bar is not None:
            self.bar.close()

    def _bar(self):
        from tqdm import tqdm

        return tqdm(total=self.total, desc="notebooks", file=self.stream, dynamic_ncols=True,
                    bar_format="{desc} {n_fmt}/{total_fmt} |{bar:12}| {elapsed} {postfix}")


class BatchProgress:
    """How far a batch is: on a terminal one line that moves, elsewhere a line now and then and one for every job that is not ok.

    Parameters
    ----------
    total : int
        Number of jobs.
    done, failed : int
        Of them, before it begins.
    stream : text file, optional
        stderr by default.
    clock : callable
        Seconds that never go back.
    """

    LOG_S = 30.0

    def __init__(self, total, done=0, failed=0, stream=None, clock=time.monotonic):
        self.stream, self.clock = stream or sys.stderr, clock
        self.total, self.done, self.failed, self.running, self.capacity = total, done, failed, [], None
        self.begun, self.before, self.told, self.shown = clock(), done, -self.LOG_S, ""

    def started(self, name):
        """A job begins."""
        self.running.append(name)
        self.tick()

    def finished(self, name, status):
        """A job that had begun has ended; ``status`` is what its status file says."""
        self.running.remove(name)
        self.done += 1
        if status["status"] not in ("ok", "skipped"):
            self.failed += 1
            self.say(f"{name}: {status['status']}: {status['error']}")
        self.tick()

    def say(self, text):
        """A line of its own, which stays."""
        if self.shown:
            self._draw("")
        print(text, file=self.stream, flush=True)

    def tick(self, capacity=None):
        """Show the line anew where that is due; ``capacity`` is how many jobs may be under way at once."""
        self.capacity = self.capacity if capacity is None else capacity
        if self.stream.isatty():
            if self.clock() - self.told >= 0.2 or not self.shown:
                self._draw(self.line())
        elif self.clock() - self.told >= self.LOG_S:
            self.told = self.clock()
            print(self.line(), file=self.stream, flush=True)

    def line(self):
        """What there is to say, in one line: done, failed, running, time left, and what is running."""
        parts = [f"{self.done} of {self.total} notebooks done"] + [f"{self.failed} failed"] * bool(self.failed)
        parts.append(f"{len(self.running)} running" if self.capacity != 0 else "waiting for a worker")
        if left_s := self.seconds_left():
            parts.append(f"about {duration(left_s)} left")
        return ", ".join(parts) + (f"  {', '.join(self.running)}" if self.running else "")

    def seconds_left(self):
        """By the pace so far; None before there is one, or where nothing is left."""
        here, left = self.done - self.before, self.total - self.done
        return (self.clock() - self.begun) / here * left if here and left else None

    def close(self):
        """The last state, on a line of its own."""
        if self.stream.isatty():
            self._draw(self.line())
            print(file=self.stream, flush=True)
        else:
            print(self.line(), file=self.stream, flush=True)

    def _draw(self, text):
        width = shutil.get_terminal_size().columns - 1
        self.told, self.shown = self.clock(), text[:width]
        print(f"\r\033[K{self.shown}", end="", file=self.stream, flush=True)


def duration(seconds):
    """A length of time for people: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
