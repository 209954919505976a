"""Methods beside DPO, RLHF-V and DAMA that hold the policy to a reference model."""
