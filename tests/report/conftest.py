"""Runs that are made in no time, and the page about them."""

import json
import re

import pytest
from made import Made

from harness.report.folders import asked_for
from harness.report.make import make_report

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


class Page:
    """What was written, and what the browser of questions reads in it."""

    def __init__(self, file, faults):
        self.file, self.faults, self.html = file, faults, file.read_text("utf-8")
        (block,) = DATA.findall(self.html)
        self.data = json.loads(block)
        self.outside = self.html.replace(block, "")
        self.items = {row[2]: row for row in self.data["items"]}


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


@pytest.fixture
def page(tmp_path, made):
    def write(*names, **words):
        file = tmp_path / "report.html"
        return Page(file, make_report(asked_for(names, made.out), file, **words))

    return write
