"""Achievements: what a badge stands for, one per unit and one per programme version."""
