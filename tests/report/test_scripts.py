"""The page's scripts, as far as node can tell without a browser."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.report.page import FOLDER, SCRIPTS

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: scripts are not run")


def node(*arguments):
    done = subprocess.run([NODE, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_node
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_javascript(name):
    node("--check", str(FOLDER / name))


@needs_node
def test_filters_links_and_marks():
    node("--test", str(Path(__file__).with_name("logic_test.js")))


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text_or_asks_for_anything(name):
    text = (FOLDER / name).read_text("utf-8")
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|fetch\("
    assert not re.search(forbidden + r"|XMLHttpRequest|import\(|\.on\w+ =", text)
