import subprocess
import sys
from importlib import import_module

import pytest

from methods.catalog import BUILTIN
from methods.types import Method


@pytest.mark.parametrize("name", BUILTIN)
def test_every_name_leads_to_the_method_of_that_name(name):
    module, attribute = BUILTIN[name].split(":")
    method = getattr(import_module(module), attribute)
    assert isinstance(method, Method)
    assert method.name == name


def test_the_catalogue_imports_no_torch():
    check = "import sys, methods.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
