"""Outreach: the cluster directory, consents, campaigns, evidence of awareness and labels."""
