"""`python -m semapix`: the command line."""

from semapix.cli import main

main()
