"""How likely a run's pairs are under its base model and under what was trained.

`make` draws pairs and scores them with both models by the machinery of the training's reference
(`scoring`), `records` keeps the log-probabilities in the run's folder, sealed to what they are of,
and `groups` sums them up by hardness. Who only reads needs no torch.
"""
