"""Pages: what every HTML page of a run has in common.

A page holds its style, pictures and sound; it is written whole or not at all. Looks live in ``templates/``.
"""

import base64
import io
import re
from functools import cache
from numbers import Real
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"
FAILED = ("failed", "timeout", "dead")
STATUS_WORDS = {"ok": "done", "skipped": "skipped", "failed": "failed", "timeout": "stopped: took too long",
                "dead": "its kernel died", "running": "still running", "queued": "not started"}
MISSING = "–"


@cache
def environment():
    """Where the templates are found, with the filters that they use."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number, "or_dash": lambda value: MISSING if absent(value) else value}
    environment.tests["absent"] = absent
    return environment


def name_and_date(folder_name):
    """The name of a run and when it began, from its folder."""
    parts = re.fullmatch(r"(\d{4}-\d{2}-\d{2})_(\d{2})(\d{2})(\d{2})(?:_(.*))?", folder_name, re.DOTALL)
    return (parts[5] or "run", f"{parts[1]}, {parts[2]}:{parts[3]}") if parts else (folder_name, None)


def webp(image, **settings):
    """A Pillow image as the bytes of a WebP file."""
    file = io.BytesIO()
    image.convert("RGBA" if "A" in image.mode or "transparency" in image.info else "RGB").save(file, "WEBP", **settings)
    return file.getvalue()


def data_url(kind, content):
    """Bytes of a media type as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def absent(value):
    """Whether a value is missing: None, empty or NaN."""
    return value is None or isinstance(value, str) and not value or isinstance(value, Real) and value != value


def number(value, digits=3, *, scale=1, unit=""):
    """A number as text, a dash where it is missing."""
    return MISSING if absent(value) else f"{float(value) * scale:.{digits}f}{unit}"
