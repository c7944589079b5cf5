"""`python -m cme_local` is the `cme` command."""

from cme_local.cli import main

main()
