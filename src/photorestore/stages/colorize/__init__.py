"""Colorize: give a grey photograph colours that it never had."""
