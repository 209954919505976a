"""The same answers scored by lmms-eval's own tasks."""
