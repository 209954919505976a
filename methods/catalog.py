"""Names of the built-in methods and where their values live; imports nothing."""

BUILTIN: dict[str, str] = {
    "dpo": "methods.dpo:METHOD",
    "rlhf_v": "methods.rlhf_v:METHOD",
    "dama": "methods.dama:METHOD",
}
