"""What each command of the command line does; ``evoca.cli`` only parses and calls."""
