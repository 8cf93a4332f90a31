"""`python -m unlearnable`."""

from unlearnable.cli import main

main()
