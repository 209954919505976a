"""Published and chosen values, one YAML file per method and size; every value names its source.

A file may extend another one of this folder. In the sources DAMA is injadlu/DAMA@d60515f, RLAIF is
RLHF-V/RLAIF-V@83d917b and MUFFIN is thunlp/Muffin@85d72b4; "unverified" marks what nobody could
check against the paper's text.
"""
