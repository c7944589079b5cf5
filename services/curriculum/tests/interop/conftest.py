"""Tests with independent software that only the workspace's development environment has."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("extruct") else ["test_*.py"]
