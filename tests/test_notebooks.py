"""Notebooks run from a clean kernel, every cell; what is committed is what they give."""

import pathlib
import shutil

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


def test_the_first_notebook_is_there():
    assert "compose.ipynb" in NAMES


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
