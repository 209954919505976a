"""Send the recorded steps of a run to TensorBoard, W&B or MLflow, from metrics.jsonl alone.

Nothing here takes part in a step, or in what decides a run.
"""
