"""The service credentials: achievements, awards, signing, status lists and verification."""
