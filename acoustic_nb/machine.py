"""The machine: cores, memory, the kernel that Jupyter would start, and the versions that results depend on."""

import os
import platform
import shlex
import sys
from contextlib import suppress
from importlib import metadata

import psutil

from acoustic_nb.parameters import CHECKOUT

KERNEL_MEMORY_BYTES = 1.5 * 2**30
PACKAGES = ("acoustic-nb", "numpy", "scipy", "librosa", "soundfile", "scikit-learn", "numba", "tensorflow", "keras", "pandas",
            "matplotlib", "papermill", "nbclient", "nbconvert", "ipykernel")


def cores():
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(n_jobs, wanted=None):
    """How many jobs may run at once: as many as ``wanted``, else as cores and memory allow; at least 1."""
    if wanted is not None and wanted < 1:
        raise ValueError(f"at least 1 worker is needed, got {wanted}")
    allowed = wanted or min(cores(), int(psutil.virtual_memory().available // KERNEL_MEMORY_BYTES))
    return max(1, min(allowed, n_jobs))


def kernel_python():
    """The interpreter that Jupyter starts for the kernel ``python3``."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        raise ValueError("Jupyter knows no kernel python3; install it with: "
                         f"{shlex.quote(sys.executable)} -m pip install ipykernel") from None
    ours = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
    return sys.executable if program in ours else program


def check_kernel():
    """Refuse a kernel that is another Python than this one."""
    program = kernel_python()
    if os.path.abspath(program) != os.path.abspath(sys.executable):
        raise ValueError(f"the kernel python3 starts {program}, but this is {sys.executable}, and only here is acoustic_nb "
                         "installed; remove the stale kernel with: jupyter kernelspec remove python3")


def versions():
    """Versions of Python and of the packages that results depend on; None where one is missing."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        found[package] = None
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def git_commit():
    """The commit of the checkout as 40 hex digits; None where there is none."""
    with suppress(OSError):
        head = (CHECKOUT / ".git" / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        branch = head.removeprefix("ref: ")
        with suppress(OSError):
            return (CHECKOUT / ".git" / branch).read_text().strip()
        for line in (CHECKOUT / ".git" / "packed-refs").read_text().splitlines():
            if line.endswith(f" {branch}"):
                return line.split()[0]
    return None
