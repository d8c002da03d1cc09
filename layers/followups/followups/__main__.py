"""`python -m followups` is the `followups` command."""

from followups.cli.main import main

if __name__ == "__main__":
    main()
