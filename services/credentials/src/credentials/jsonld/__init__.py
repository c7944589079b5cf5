"""JSON-LD as signatures need it: pinned contexts, nothing undefined, RDFC-1.0."""
