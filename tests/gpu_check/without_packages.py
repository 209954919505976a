"""The command line where only the packages of a bare GPU machine are: `without_packages.py ...`."""

import importlib.machinery
import os
import sys

MISSING = {
    *("datasets", "lmms_eval", "open_clip", "pandas", "pyarrow", "matplotlib", "nltk", "sklearn"),
    *("openai", "scipy", "tenacity", "torchvision", "accelerate", "trl", "peft", "spacy"),
    *("jinja2", "platformdirs"),
    *os.environ["ALSO_MISSING"].split(),
}


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in MISSING:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, path, target)


if __name__ == "__main__":
    sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
    from harness.__main__ import main

    sys.exit(main())
