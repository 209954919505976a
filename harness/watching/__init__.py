"""Look at runs while they go on: from the files of their folders alone, and without touching them.

`read` reads one run, `frame` draws it, `several` does both for an output folder, and `follow` draws
again and again until nothing goes on any more.
"""
