"""Published and chosen values, one YAML file per method and size; every value names its source.

A file may extend another one of this folder. In the sources DAMA is injadlu/DAMA@d60515f, RLAIF is
RLHF-V/RLAIF-V@83d917b, MUFFIN is thunlp/Muffin@85d72b4, EM is
eric-mitchell/direct-preference-optimization@f8b8c0f, HALO is ContextualAI/HALOs@4831988, BETA is
junkangwu/beta-DPO@1629047, SIMPO is princeton-nlp/SimPO@1b3e8f3, DADPO is Artanic30/DA-DPO@dfac1b3,
MMRLHF is yfzhang114/MM-RLHF@7c8af1d, IVL is OpenGVLab/InternVL@2410d1d, ORPO is
xfactlab/orpo@208d2d6, TRL is trl 1.16.0 and TRL010 is trl 0.10.1; "unverified" marks what nobody
could check against the paper's text.
"""
