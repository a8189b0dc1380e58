"""Progress: one display for all jobs of a run, on stderr.

On a terminal a bar that names the jobs at work and those that failed; elsewhere (a log, CI) one line per finished job.
"""

import sys


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
