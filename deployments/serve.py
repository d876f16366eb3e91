"""Prefect server and every recipe as a served deployment, from one process: ``make ui``.

The database lies beside the store, so runs of ``c2m run`` show up as well.
"""

import argparse
import os
import sys
from pathlib import Path

from flows import engine
from flows import recipe as recipes

_LIMIT = 1


def _serve(store: Path) -> None:
    """Serve one deployment a recipe until interrupted."""
    from prefect import serve  # Prefect reads its settings when it is imported

    from flows.crawl_to_model import crawl_to_model

    serve(
        *(
            crawl_to_model.to_deployment(
                name=name,
                parameters={"recipe": name, "store": str(store)},
                concurrency_limit=_LIMIT,
                tags=["crawl2model"],
            )
            for name in recipes.names()
        )
    )


def main() -> int:
    """Start the server, serve the deployments until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default=os.environ.get("C2M_STORE", "store"))
    parser.add_argument("--port", type=int, default=4200)
    arguments = parser.parse_args()
    store = Path(arguments.store).resolve()
    engine.configure(store, quiet=False)
    with engine.server(arguments.port) as address:
        os.environ["PREFECT_API_URL"] = f"{address}/api"
        print(f"Prefect is at {address} (stop with Ctrl-C)", flush=True)
        _serve(store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
