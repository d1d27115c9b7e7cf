"""Damages to backups of other people, and the tools that are to find them."""
