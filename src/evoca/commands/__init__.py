"""The commands of the command line; ``evoca.cli`` only parses and calls."""
