"""Backup of everything that cannot be made again, and restore into an empty directory."""
