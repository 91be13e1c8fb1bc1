"""The page on testing names every law, once."""

import pathlib
import re

from functorch_lite.testing import laws

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "testing.md"


def test_the_page_lists_the_laws():
    table = PAGE.read_text().split("## The laws")[1].split("`laws.all(")[0]
    listed = [name for line in table.splitlines() if line.startswith("|") for name in
              re.findall(r"`(\w+)`", line.split("|")[2])]  # fmt: skip
    assert sorted(listed) == sorted(laws.LAWS)
    groups = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")][2:]
    assert [g for g in groups if g] == list(laws.GROUPS)
    assert all(law.__doc__ for law in laws.LAWS.values())
