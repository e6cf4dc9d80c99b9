"""`python -m tripos` is the command `tripos`."""

from tripos.cli import main

if __name__ == "__main__":
    main()
