"""Names of the built-in methods and where their values live; imports nothing."""

BUILTIN: dict[str, str] = {
    "dpo": "methods.dpo:METHOD",
    "rlhf_v": "methods.rlhf_v:METHOD",
    "dama": "methods.dama:METHOD",
    "ipo": "methods.with_reference.ipo:METHOD",
    "cdpo": "methods.with_reference.cdpo:METHOD",
    "rdpo": "methods.with_reference.rdpo:METHOD",
    "ld_dpo": "methods.with_reference.ld_dpo:METHOD",
    "beta_dpo": "methods.with_reference.beta_dpo:METHOD",
    "aot": "methods.with_reference.aot:METHOD",
    "da_dpo": "methods.with_reference.da_dpo:METHOD",
    "mpo": "methods.with_reference.mpo:METHOD",
    "mm_dpo": "methods.with_reference.mm_dpo:METHOD",
    "hsa_dpo": "methods.with_reference.hsa_dpo:METHOD",
    "wpo": "methods.with_reference.wpo:METHOD",
    "mdpo": "methods.with_reference.mdpo:METHOD",
    "chip": "methods.with_reference.chip:METHOD",
    "symmpo": "methods.with_reference.symmpo:METHOD",
    "orpo": "methods.without_reference.orpo:METHOD",
    "simpo": "methods.without_reference.simpo:METHOD",
}

VIEWED = frozenset({"mdpo", "chip", "symmpo"})
"""Built-in methods that read views: only these are imported to know what a step costs."""
