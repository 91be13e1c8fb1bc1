"""Runs the notebooks from a clean kernel: `python notebooks/refresh.py` writes their outputs back, without chaff.

What changes from run to run without meaning anything (times, kernel versions, counters beyond the order) is dropped, so
that a difference in a committed notebook is a difference in a result.
"""

from __future__ import annotations

import os
import pathlib
import re

import nbclient
import nbformat

HERE = pathlib.Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path, folder=None, timeout=600):
    """The notebook at `path` with fresh outputs; every cell has to succeed. It runs in `folder`, or where it stands."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder or path.parent)}}
    client = nbclient.NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=resources)
    # the library of this checkout, wherever the notebook runs
    client.execute(env={**os.environ, "PYTHONPATH": str(HERE.parent)})
    return strip(notebook)


def strip(notebook):
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if "outputs" in cell:
            _settle_bars(cell)
            for output in cell.outputs:
                output.get("metadata", {}).clear()
    return notebook


def _settle_bars(cell):
    """Progress bars as they end, without times: every return begins the line anew, in as many pieces as it takes."""
    pieces = [output for output in cell.outputs if output.get("name") == "stderr"]
    if not pieces:
        return
    lines = "".join([piece.text for piece in pieces]).split("\n")
    last = [re.sub(r" \[[^\]]*\]\s*$", "", line.rsplit("\r", 1)[-1]) for line in lines]
    pieces[0].text = "\n".join(last)
    cell.outputs = [output for output in cell.outputs if output not in pieces[1:]]


if __name__ == "__main__":
    for path in sorted(HERE.glob("*.ipynb")):
        nbformat.write(execute(path), path)
        print(f"{path.name}: written")
