"""The commands: they parse, call and print. Nothing here loads torch before there is work to do."""

from unlearnable.cli import judging, keys, listing, protecting, researching
from unlearnable.cli.app import app, main

__all__ = ["app", "judging", "keys", "listing", "main", "protecting", "researching"]
