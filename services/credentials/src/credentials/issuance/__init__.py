"""Issuance: finishing what was intended, also after a crash."""
