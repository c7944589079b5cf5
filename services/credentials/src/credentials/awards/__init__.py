"""Awards: who earned which achievement, and the credentials that say so."""
