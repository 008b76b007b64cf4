"""The command `tokseam`. This module imports nothing that the `cli` extra brings, so it can say that it is missing."""

import sys

INSTALL = "pip install 'tokseam[cli]'"


def main() -> int:
    """Run the command and return its exit code: 0 done, 1 the input is at fault, 2 the command line is."""
    try:
        import rich  # noqa: F401
        import tqdm  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in {"rich", "tqdm", "typer"}:
            raise
        print(f"the command tokseam needs its extra: {INSTALL}", file=sys.stderr)
        return 2
    from tokseam.cli.app import run

    return run()
