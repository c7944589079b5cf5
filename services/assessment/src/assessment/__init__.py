"""Assessment: plans, evidence, marks, ECVET credit, appeals and transcripts."""
