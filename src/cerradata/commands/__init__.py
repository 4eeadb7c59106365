"""The command line: a table of commands to plain typed functions."""
