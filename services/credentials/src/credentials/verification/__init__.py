"""Verification: what holds of a credential, check by check."""
