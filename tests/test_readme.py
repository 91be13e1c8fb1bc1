"""The examples of the README run, in order, in one fresh process, and print what stands there."""

import doctest
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
README = ROOT / "README.md"


class SourcesAside(doctest.OutputChecker):
    """The place at the end of a graph's line names a file, which is another one here."""

    def check_output(self, want, got, flags):
        without = lambda text: re.sub(r" +# \S.*$", "", text, flags=re.MULTILINE)
        return super().check_output(without(want), without(got), flags)


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def run_examples():
    """How many examples of the README fail, one after another in one namespace; this process is theirs alone."""
    test = doctest.DocTestParser().get_doctest("\n".join(blocks()), {}, "README.md", None, 0)
    return doctest.DocTestRunner(SourcesAside()).run(test).failed


def test_the_examples_run():
    # a process of their own: one of them adds a primitive
    command = [sys.executable, "-W", "error", __file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_python_block_is_an_example():
    assert len(blocks()) >= 5
    assert [block for block in blocks() if not block.startswith(">>> ")] == []


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
    sys.exit(run_examples() > 0)
