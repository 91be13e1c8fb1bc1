"""The examples of the README and of docs/ run, in order, in one fresh process each, and print what stands there."""

import doctest
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [path.name for path in PAGES]


class SourcesAside(doctest.OutputChecker):
    """The place at the end of a graph's line names a file, which is another one here; in a message it is that page."""

    def check_output(self, want, got, flags):
        without = lambda text: re.sub(r" +# \S.*$", "", text, flags=re.MULTILINE)
        got = re.sub(r"<doctest (\S+)\[\d+\]>", r"\1", got)
        return super().check_output(without(want), without(got), flags)


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def run_examples(page):
    """How many examples of a page fail, one after another in one namespace; this process is theirs alone."""
    test = doctest.DocTestParser().get_doctest("\n".join(blocks(page)), {}, page.name, None, 0)
    return doctest.DocTestRunner(SourcesAside()).run(test).failed


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_examples_run(page):
    # a process of their own: one of them adds a primitive
    command = [sys.executable, "-W", "error", __file__, str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_python_block_is_an_example(page):
    assert blocks(page) and (page != README or len(blocks(page)) >= 5)
    assert [block for block in blocks(page) if not block.startswith(">>> ")] == []


def test_the_pages_are_there_and_what_they_name_is():
    assert {"control_flow.md", "differences.md"} <= set(NAMES)
    written = (ROOT / ".gitignore").read_text().split()  # by the targets themselves, so not part of a clone
    for page in PAGES:
        for path in re.findall(r"`((?:docs|notebooks|benchmarks|tests)/[\w./]+\.\w+)`", page.read_text()):
            assert path in written or (ROOT / path).exists(), f"{page.name} names {path}"


def test_the_first_screen_holds_the_two_commands():
    screen = (ROOT / "README.md").read_text().splitlines()[:12]
    assert any(line.startswith("make demo ") for line in screen) and any(
        line.startswith("make test ") for line in screen
    )


def test_the_targets_of_the_readme_are_those_of_the_makefile():
    text = (ROOT / "Makefile").read_text()
    declared = set(re.search(r"\.PHONY: (.*)", text)[1].split()) - {"help"}
    described = set(re.findall(r"\| `make (\w+)`", (ROOT / "README.md").read_text()))
    assert declared == described


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(run_examples(pathlib.Path(sys.argv[1])) > 0)
