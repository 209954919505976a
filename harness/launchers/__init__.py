"""Where the training processes of a run are started: here, on hosts by ssh, or through SLURM.

Nothing here imports torch: the command line reads host files before it checks anything else.
"""
