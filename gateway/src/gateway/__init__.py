"""Authorization server and API edge of Cluster Manager Education."""
