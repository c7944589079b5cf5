"""Curriculum: occupational profile, programmes, reviews, offerings and the public catalogue."""
