"""The shared training backend: one step for every method, on any number of devices.

`engine.py` alone knows DeepSpeed and `policy.py` alone knows LLaVA; a method sees neither, and the
loop between them sees only `PairTokens`, `PairBatch` and `LossOutput`.
"""
