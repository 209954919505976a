"""The lock between processes that everything here uses."""

import filelock


class FileLock(filelock.FileLock):
    """filelock's lock, kept a class of its own.

    lmms-eval's evaluator (`_enable_reentrant_filelocks`) makes `filelock.FileLock(path)` return one
    shared object per path in its process, with the timeout it was first made with: a second holder
    would be let in, and a wait would end at once. It does so for that very class only.
    """
