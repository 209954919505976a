"""The steps that are measured: the product's own, the released code's and TRL's."""
