"""Notebooks run from a clean kernel, every cell; what is committed is what they give."""

import pathlib
import shutil
import subprocess
import sys

import nbformat
import pytest

import refresh

PATHS = sorted(pathlib.Path(refresh.__file__).parent.glob("*.ipynb"))
NAMES = [path.name for path in PATHS]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def graphs(notebook):
    """The printed graphs among the results: text that depends on the library alone, not on the machine."""
    texts = [o.data["text/plain"] for c in code_cells(notebook) for o in c.outputs if o.output_type == "execute_result"]
    return [text for text in texts if text.startswith("graph(")]


def test_places_in_a_notebook_are_cells():
    """Outside of IPython they are file names; in a kernel, the cell as IPython's own tracebacks name it."""
    program = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
cells = ["import functorch_lite as fl", "def f(x):\\n    y = x * 2\\n    return y + x", "print(fl.make_graph(f)(1.0))",
         "import functorch_lite.numpy as fnp\\nfnp.reshape(fnp.ones(3), (2,))"]
for text in cells:
    done = shell.run_cell(text, store_history=True)
print("place", done.error_in_exec)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=refresh.HERE.parent, capture_output=True, text=True, timeout=120)
    assert "# In[2]:2" in done.stdout and "# In[2]:3" in done.stdout, done.stdout + done.stderr
    assert "at In[4]:2" in done.stdout.split("place")[1], done.stdout


def test_the_notebooks_are_there():
    assert {"compose.ipynb", "control_flow.ipynb", "property_tests.ipynb"} <= set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_every_cell_passes_and_gives_the_committed_graphs(path, tmp_path):
    shutil.copy(path, tmp_path)
    fresh = refresh.execute(tmp_path / path.name)
    assert graphs(fresh) == graphs(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_committed_outputs_are_whole_and_free_of_volatile_metadata(path):
    notebook = nbformat.read(path, as_version=4)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert notebook == refresh.strip(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_prose_stands_between_the_cells_and_cells_assert(path):
    notebook = nbformat.read(path, as_version=4)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown" and kinds.count("markdown") >= 5
    asserting = sum("assert " in cell.source for cell in code_cells(notebook))
    assert asserting >= 0.6 * len(code_cells(notebook))
