"""Data Integrity proofs with the cryptosuite eddsa-rdfc-2022."""
