"""`python -m batch_issuer` and the `batch-issuer` script."""

from batch_issuer.cli import main

if __name__ == "__main__":
    main()
