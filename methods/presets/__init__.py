"""Published and chosen values, one YAML file per method and size; every value names its source.

A file may extend another one of this folder. "unverified" in a source marks what nobody could check
against the paper's text.
"""

SOURCES: dict[str, str] = {
    "BETA": "junkangwu/beta-DPO@1629047",
    "CHIP": "LVUGAI/CHiP@e7f5193",
    "DADPO": "Artanic30/DA-DPO@dfac1b3",
    "DAMA": "injadlu/DAMA@d60515f",
    "EM": "eric-mitchell/direct-preference-optimization@f8b8c0f",
    "HALO": "ContextualAI/HALOs@4831988",
    "HSA": "Mr-Loevan/HSA-DPO@e4fbf0a",
    "IVL": "OpenGVLab/InternVL@2410d1d",
    "MDPO": "luka-group/mDPO@2221bb3",
    "MMRLHF": "yfzhang114/MM-RLHF@7c8af1d",
    "MUFFIN": "thunlp/Muffin@85d72b4",
    "ORPO": "xfactlab/orpo@208d2d6",
    "RLAIF": "RLHF-V/RLAIF-V@83d917b",
    "SIMPO": "princeton-nlp/SimPO@1b3e8f3",
    "SYM": "Liuwq-bit/SymMPO@a4a1a39",
    "TRL": "trl 1.16.0",
    "TRL010": "trl 0.10.1",
    "WPO": "wzhouad/WPO@a104458",
}
"""What the short names in the sources stand for: repositories with their commit, and packages."""
