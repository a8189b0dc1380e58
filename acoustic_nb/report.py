"""Reports: executed notebooks as HTML files that need nothing outside themselves.

A page holds its style, pictures, sound and formulas; the only addresses in it lead to pages of the same run, and
other addresses stay as text. Files are written whole or not at all. Looks live in ``templates/``.
"""

import ast
import base64
import io
import re
from html import escape
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from markupsafe import Markup
from nbconvert.filters import Highlight2HTML, ansi2html, strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image

from acoustic_nb.pages import FAILED, MISSING, STATUS_WORDS, data_url, environment, name_and_date, webp
from acoustic_nb.whole import write_whole

BIG_PICTURE_BYTES = 150_000
PAPERMILL_MARK = "papermill-error-cell-tag"


def render_notebook(notebook_path, html_path, *, status=None):
    """Write an executed notebook as one HTML page.

    Parameters
    ----------
    notebook_path : path
        An executed notebook in a run folder; one that failed gets its error and traceback at the top.
    html_path : path
        Where the page goes; replaced whole. The page links to ``../index.html``.
    status : dict, optional
        The job's entry in ``run.statuses()``: shows the error of a kernel that died or took too long, which the
        notebook itself does not hold.

    Returns
    -------
    Path
        Of the page.
    """
    notebook_path = Path(notebook_path)
    notebook = nbformat.read(notebook_path, as_version=4)
    prose = _Prose(notebook_path.parent)
    cells = [_shown(cell, number, prose) for number, cell in enumerate(notebook.cells)
             if PAPERMILL_MARK not in cell.metadata.get("tags", [])]
    name, date = name_and_date(notebook_path.parent.name)
    page = environment().get_template("notebook.html.j2").render(
        title=prose.title or Markup(escape(notebook_path.stem)), cells=cells, headings=prose.headings,
        parameters=_parameters(notebook), failure=_failure(notebook, status), run_name=name, date=date)
    return write_whole(html_path, page)


class _Prose(IPythonRenderer):
    """Markdown to HTML with formulas drawn; remembers title and headings of all the cells it has rendered."""

    def __init__(self, folder):
        super().__init__(escape=False, embed_images=True, path=str(folder))
        self.title, self.headings = None, []

    def html(self, source, attachments=None):
        self.attachments = attachments or {}
        return Markup(_without_outside(MarkdownWithMath(renderer=self).render(source)))

    def heading(self, text, level, **attrs):
        if level == 1 and self.title is None:
            self.title = Markup(text)
            return ""
        slug = re.sub(r"\W+", "-", Markup(text).striptags().lower()).strip("-") or "section"
        taken = {heading["id"] for heading in self.headings}
        anchor = next(name for k in range(len(taken) + 1) if (name := f"{slug}-{k + 1}" if k else slug) not in taken)
        self.headings.append({"level": level, "id": anchor, "html": Markup(re.sub(r"</?a\b[^>]*>", "", text))})
        return f'<h{max(2, level)} id="{escape(anchor)}">{text}</h{max(2, level)}>\n'

    def link(self, text, url, title=None):
        if re.match(r"[\w+.-]+:|//", url):
            return text if escape(url) in text or url in text else f"{text} ({escape(url)})"
        return f'<a href="{escape(re.sub(r"[.]ipynb(?=$|#)", ".html", url))}">{text}</a>'

    def image(self, text, url, title=None):
        known = not url.startswith("attachment:") or url.removeprefix("attachment:") in self.attachments
        source = self._embed_image_or_attachment(url) if known else url
        if not source.startswith("data:"):
            return f"<em>[picture: {escape(text or url)}]</em>"
        return f'<img src="{source}" alt="{escape(text)}" loading="lazy">'

    def inline_math(self, body):
        # as in Pandoc: "$5 and $6" are prices, a formula touches its dollar signs
        return f"${escape(body)}$" if body != body.strip() else _formula(body, "inline")

    def block_math(self, body):
        return f'<span class="formula" tabindex="0">{_formula(body.strip(), "block")}</span>'

    def latex_environment(self, name, body):
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def _formula(latex, display):
    try:
        mathml = convert(latex, display=display)
    except Exception:  # whatever the converter stumbles over: the reader still gets the formula, as it was typed
        return f"<code>{escape(latex)}</code>"
    return re.sub(r"(<mi>(?:log|ln|exp|sin|cos)</mi>)(?=<mi>|<ms)", r'\1<mspace width="0.167em"></mspace>', mathml)


def _shown(cell, number, prose):
    """What the template needs of one cell."""
    if cell.cell_type == "markdown":
        return {"kind": "markdown", "html": prose.html(cell.source, cell.get("attachments"))}
    if cell.cell_type != "code":
        return {"kind": "other"}
    return {"kind": "code", "id": f"cell_{number}", "count": cell.execution_count, "failed": _error(cell) is not None,
            "has_code": bool(cell.source.strip()),
            "code": Markup(Highlight2HTML(pygments_lexer="ipython3")(cell.source)),
            "outputs": list(filter(None, (_output(output, cell, prose) for output in _joined(cell.outputs))))}


def _joined(outputs):
    """Outputs with neighbouring pieces of the same stream as one."""
    joined = []
    for output in outputs:
        before = joined[-1] if joined else None
        if output.output_type == "stream" and before and before.get("name") == output.name:
            before["text"] += output.text
        else:
            joined.append(nbformat.from_dict(output))
    return joined


def _output(output, cell, prose):
    """What the template needs of one output; None where there is nothing to show."""
    if output.output_type == "stream":
        text = re.sub(r"(?m)^.*\r(?=[^\n])", "", output.text.replace("\r\n", "\n")).strip("\n")
        return {"kind": output.name, "text": Markup(ansi2html(text)), "lines": text.count("\n") + 1} if text else None
    if output.output_type == "error":
        return {"kind": "error", "text": _traceback(output)}
    data = output.data
    if "application/vnd.jupyter.widget-view+json" in data:  # a progress bar that has gone
        return None
    if "text/html" in data:
        return {"kind": "html", "html": Markup(_table_ready(_without_outside(data["text/html"])))}
    if "text/markdown" in data:
        return {"kind": "html", "html": prose.html(data["text/markdown"])}
    for kind in ("image/svg+xml", "image/png", "image/jpeg"):
        if kind in data:
            about = output.metadata.get(kind, {})
            alt = about.get("alt") or f"Figure from cell {cell.execution_count or MISSING}, without a description."
            return {"kind": "figure", "alt": alt, **_picture(data[kind], kind, about)}
    if "text/latex" in data:
        return {"kind": "html", "html": prose.html(data["text/latex"])}
    return {"kind": "text", "text": Markup(ansi2html(data.get("text/plain", "")))}


def _picture(content, kind, about):
    """Address (data:) and shown size of a picture; a big PNG becomes WebP, lossless where that is small enough."""
    if kind == "image/svg+xml":
        return {"src": data_url(kind, content.encode()), "width": None, "height": None}
    content = base64.b64decode(content)
    image = Image.open(io.BytesIO(content))
    width, height = about.get("width", image.width), about.get("height", image.height)
    for settings in ({"lossless": True, "method": 1}, {"quality": 88, "method": 4}):
        if len(content) > BIG_PICTURE_BYTES:
            smaller = webp(image, **settings)
            content, kind = (smaller, "image/webp") if len(smaller) < len(content) else (content, kind)
    return {"src": data_url(kind, content), "width": width, "height": height}


def _table_ready(html):
    """Tables in a box that scrolls by itself, without the frame and style that pandas adds; no NaN."""
    html = re.sub(r"(?s)<style scoped>.*?</style>\s*", "", html).replace("<td>NaN</td>", f"<td>{MISSING}</td>")
    html = re.sub(r'(<table[^>]*?) border="\d+"', r"\1", html)
    return re.sub(r"(?s)(<table\b.*?</table>)", r'<div class="scroll" tabindex="0">\1</div>', html)


TAG = re.compile(r"""<[a-zA-Z](?:[^>"']|"[^"]*+"|'[^']*+')*+>""")
OUTSIDE_ATTRIBUTE = re.compile(
    r"""(?i)(?<=[\s"'])(?:src|href|poster|data|action|background|xlink:href)(?=\s*=\s*["']?\s*(?:\w+:)?//)"""
    r"""|\bsrcset(?=\s*=)""")
OUTSIDE_STYLE = re.compile(r"""(?i)url\(\s*["']?\s*(?:\w+:)?//[^)]*\)|@import[^;]*;?""")


def _without_outside(html):
    """HTML of a cell without scripts, and without attributes and styles that load from, or lead to, other places."""
    html = re.sub(r"(?is)<script\b.*?</script\s*>", "", html)
    html = re.sub(r"(?i)</?(?:base|embed|iframe|link|meta|object)\b[^>]*>", "", html)
    html = re.sub(r"(?is)<style\b.*?</style\s*>", lambda style: OUTSIDE_STYLE.sub("none", style[0]), html)
    return TAG.sub(lambda tag: OUTSIDE_STYLE.sub("none", OUTSIDE_ATTRIBUTE.sub("data-outside", tag[0]))
                   if "//" in tag[0] or "srcset" in tag[0] else tag[0], html)


def _error(cell):
    """The error output of a code cell, None where it has none; leaving by ``sys.exit(0)`` is no error."""
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"
                 and not (output.ename == "SystemExit" and output.evalue in ("", "0"))), None)


def _failure(notebook, status):
    for number, cell in enumerate(notebook.cells):
        if error := _error(cell):
            skipped = bool(status) and status.get("status") == "skipped"
            line = strip_ansi(error.evalue) if skipped else f"{error.ename}: {strip_ansi(error.evalue)}".strip()
            return {"line": line, "skipped": skipped, "cell": f"cell_{number}", "count": cell.execution_count,
                    "traceback": _traceback(error)}
    if status and status.get("status") in FAILED:
        return {"line": status.get("error") or STATUS_WORDS[status["status"]], "skipped": False, "cell": None}
    return None


def _traceback(error):
    return Markup(ansi2html("\n".join(error.traceback) or f"{error.ename}: {error.evalue}"))


def _parameters(notebook):
    """Rows (name, value, changed) of the parameters cell, with the values that the run put in."""
    values, given = {}, {}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags:
            values |= _assignments(cell.source)
        if "injected-parameters" in tags:
            given |= _assignments(cell.source)
    return [(name, value, name in given and given[name] != values.get(name)) for name, value in (values | given).items()
            if name != "run_dir"]


def _assignments(source):
    try:
        lines = ast.parse(source).body
    except SyntaxError:  # the report of a notebook that fails here must still be written
        return {}
    pairs = [(line.targets[0] if isinstance(line, ast.Assign) else line.target, line.value) for line in lines
             if isinstance(line, ast.Assign | ast.AnnAssign) and line.value]
    return {name.id: _plain(value) for name, value in pairs if isinstance(name, ast.Name)}


def _plain(node):
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


