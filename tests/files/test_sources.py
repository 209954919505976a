"""The code of a method: what counts of it, and how far it reaches."""

import sys

import pytest

from harness.files.python_code import stripped
from harness.files.sources import source_digest

CODE = '''"""What it is."""
from pkg.helper import scale  # a remark

def loss(x):
    """Return it.

    Over several lines, with an é.
    """
    # Why.
    é = "# no remark"  # é
    return scale(x)


    "a bare string"
'''


def test_comments_docstrings_and_blank_lines_do_not_count():
    assert stripped(CODE).splitlines() == [
        "from pkg.helper import scale",
        "def loss(x):",
        '    é = "# no remark"',
        "    return scale(x)",
    ]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package `pkg` of a method, what it imports, and a neighbour; return its folder."""
    folder = tmp_path / "pkg"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "method.py").write_text(CODE)
    (folder / "helper.py").write_text(
        "from . import deep\n\ndef scale(x):\n    return deep.TWO * x\n"
    )
    (folder / "deep.py").write_text("import os\nTWO = 2\n")
    (folder / "other.py").write_text("ONE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [one for one in sys.modules if one.partition(".")[0] == "pkg"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("file", "change", "counts"),
    [
        ("method.py", ("scale(x)", "-scale(x)"), True),
        ("helper.py", ("TWO *", "TWO +"), True),
        ("deep.py", ("TWO = 2", "TWO = 3"), True),
        ("other.py", ("1", "2"), False),
        ("method.py", ("# Why.", "# Why not."), False),
        ("method.py", ("Return it.", "Return something."), False),
    ],
)
def test_what_the_method_imports_from_its_package_counts(package, file, change, counts):
    before = source_digest("pkg.method")
    text = (package / file).read_text()
    assert change[0] in text
    (package / file).write_text(text.replace(*change))
    assert (source_digest("pkg.method") != before) == counts


def test_a_method_counts_what_it_takes_from_methods():
    """DAMA's own file imports `methods.logps`, and that `methods.types`."""
    assert source_digest("methods.dama") != source_digest("methods.dpo")
    assert len(source_digest("methods.dama")) == 16
