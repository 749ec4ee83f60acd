"""``python -m evoca``: the command line."""

from evoca.cli import main

if __name__ == "__main__":
    main()
