"""A worker: a process that runs notebooks with papermill, one after another, renders their reports and writes their status.

The process that started it (``workers.py``) holds the other ends of two pipes: tasks come in through one, a line goes out through
the other when a task is done. Beside notebooks there is one other kind of task, the features that the notebooks of a run share.
When the first pipe closes, whatever the reason, the worker ends its kernel and itself. Each job has a kernel and a folder of its
own, so that nothing passes from one to the next.
"""

import json
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil

from acoustic_nb.parameters import literal_path
from acoustic_nb.runs import NO_ROOM, Run

SKIPPED_BY = "NotEnoughData"
SAVE_S = 5.0
BEAT_S = 2.0


def _serve(scratch):
    """Do the jobs that come in."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a kernel prints past its notebook goes to the log
    tasks = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks, scratch), daemon=True).start()
    threading.Thread(target=_beat, args=(scratch / "log",), daemon=True).start()
    import papermill  # noqa: F401  what every job needs, before the first one comes

    import acoustic_nb.report  # noqa: F401

    while True:
        task = tasks.get()
        if "share" in task:
            print(_share(task), file=answers, flush=True)
            continue
        folder = Path(tempfile.mkdtemp(prefix="j", dir=scratch))
        _work(Run(Path(task["run"])), task, folder)
        shutil.rmtree(folder, ignore_errors=True)
        print(file=answers, flush=True)


def _beat(log):
    """Give a sign of life: the time of the log."""
    while True:
        with suppress(OSError):
            os.utime(log)
        time.sleep(BEAT_S)


def _receive(tasks, scratch):
    """Pass on the tasks, and end the kernel and this worker as soon as the runner closes the pipe, or is gone."""
    try:
        with open(0, "rb", buffering=0) as pipe:  # the lock of a buffer would be in the way of the main thread's exit
            for line in pipe:
                tasks.put(json.loads(line))
    finally:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)


def _share(task):
    """Compute the features of a run; what went wrong as a line, empty where nothing did."""
    from acoustic_nb.inputs import Inputs
    from acoustic_nb.loading import share_from_catalogue

    inputs = Inputs(**{name: tuple(value) if isinstance(value, list) else value for name, value in task["inputs"].items()})
    try:
        share_from_catalogue(inputs, task["share"])
    except Exception as problem:  # whatever it is, it is told, and the notebooks will run into it themselves
        return _line(type(problem).__name__, problem)
    return ""


def _work(run, task, folder):
    """Execute one notebook, render its report, write its status."""
    from acoustic_nb.report import render_notebook

    begun = time.monotonic()
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    notebook = Path(task["notebook"])
    executed = run.folder / notebook.name
    executed.unlink(missing_ok=True)
    status, error = _execute_notebook(notebook, executed, task, folder)
    if executed.exists():
        try:
            render_notebook(executed, run.folder / "reports" / f"{notebook.stem}.html",
                            status={"status": status, "error": error})
        except Exception as problem:  # any failure of the report is the job's failure, and recorded
            status = "failed" if status == "ok" else status
            error = error or f"the report could not be rendered: {_line(type(problem).__name__, problem)}"
    kept = sorted(path.relative_to(run.folder).as_posix() for path in (run.folder / task["job"]).rglob("*") if path.is_file())
    seconds = round(time.monotonic() - begun, 2)
    status = {"status": status, "error": error, "seconds": seconds, "kept": kept, **task.get("about", {})}
    try:
        run.write_status(task["job"], **status)
    except OSError as problem:
        if problem.errno not in NO_ROOM:
            raise
        # no room even for this: the job makes some
        for path in (executed, run.folder / "reports" / f"{notebook.stem}.html"):
            path.unlink(missing_ok=True)
        run.forget(task["job"])
        status["kept"] = []
        status["error"] = status["error"] or f"its results could not be kept: {_line(type(problem).__name__, problem)}"
        run.write_status(task["job"], **{**status, "status": "failed"})


def _execute_notebook(notebook, executed, task, folder, *, windows=os.name == "nt"):
    """Run a notebook with papermill and return status and error: success is known from the exception alone."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    manager = {"transport_encryption": "auto"} if windows else {"transport": "ipc", "ip": f"{folder}/k"}
    try:
        papermill.execute_notebook(
            literal_path(notebook), literal_path(executed), parameters=task["parameters"], kernel_name="python3",
            cwd=str(notebook.parent), progress_bar=False, execution_timeout=task["timeout_s"],
            engine_name=_saving_seldom(), shutdown_kernel="immediate",  # its own way out takes up to 3 s
            extra_arguments=["--log-level=50"], config=Config({"KernelManager": manager}))
    except papermill.PapermillExecutionError as error:
        if error.ename == SKIPPED_BY:
            return "skipped", " ".join(str(error.evalue).split())
        return "failed", f"{_line(error.ename, error.evalue)} (cell [{error.exec_count}])"
    except CellTimeoutError:
        return "timeout", (f"CellTimeoutError: cell [{_last_cell(executed)}] ran longer than {task['timeout_s']:g} s; "
                           "allow more with --timeout")
    except DeadKernelError:
        return "dead", (f"DeadKernelError: the kernel died in cell [{_last_cell(executed)}]; "
                        "if memory ran out, use --workers 1")
    except Exception as error:  # whatever it is, it is recorded as the job's error
        dead = "Kernel died" in str(error)
        if dead and windows and not task.get("again"):  # two kernels may have taken the same port
            return _execute_notebook(notebook, executed, {**task, "again": True}, folder)
        return ("dead" if dead else "failed"), _line(type(error).__name__, error)
    return _stopped_itself(executed)


def _saving_seldom():
    """Name of papermill's engine with one change: the notebook is not written twice for each cell, but every few seconds."""
    from papermill.engines import NBClientEngine, papermill_engines

    class SavingSeldom(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **settings):
            write = nb_man.save

            def write_when_due(**changed):
                if nb_man.now() - nb_man.last_save_time > timedelta(seconds=SAVE_S):
                    write(**changed)

            nb_man.save = write_when_due
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **settings)
            finally:
                nb_man.save = write  # papermill writes the last state itself

    papermill_engines.register("saving_seldom", SavingSeldom)
    return "saving_seldom"


def _stopped_itself(executed):
    """papermill takes ``sys.exit()`` in a cell for success, though the cells after it have not run."""
    import nbformat

    for cell in nbformat.read(executed, as_version=4).cells:
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return "failed", f"SystemExit: the notebook ended itself (cell [{cell.execution_count}])"
    return "ok", None


def _last_cell(executed):
    """Number of the last cell that was started, as the executed notebook shows it."""
    import nbformat

    cells = [cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"]
    started = [number for number, cell in enumerate(cells, 1) if cell.metadata.get("papermill", {}).get("start_time")]
    return started[-1] if started else 0


def _line(kind, message):
    text = " ".join(str(message).split())
    return f"{kind}: {text[:500]}" if text else str(kind)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
