"""Prefect server and every recipe as a served deployment, from one process: ``make ui``.

The database lies beside the store, so runs of ``c2m run`` show up as well. Recipes that need files
take those of the folder ``crawl`` in the working directory; the form of a run names others.
"""

import argparse
import os
import sys
from pathlib import Path

from flows import engine
from flows import recipe as recipes
from tasks.errors import StageError
from warehouse.errors import WarehouseError
from warehouse.store import Store

WARCS = "crawl/**/*.warc.gz"
_LIMIT = 1
_EXIT_FAILED, _EXIT_USER = 1, 2


def parameters_of(recipe: str, store: Path) -> dict[str, str | list[str]]:
    """Parameters of a recipe's deployment; one without pages of its own looks into WARCS."""
    corpus = recipes.load(recipe).corpus
    overrides = [] if corpus.sample or corpus.warcs else [f'corpus.warcs="{WARCS}"']
    return {"recipe": recipe, "overrides": overrides, "store": str(store)}


def _serve(store: Path) -> None:
    """Serve one deployment a recipe until interrupted."""
    from prefect import serve  # Prefect reads its settings when it is imported

    from flows.crawl_to_model import crawl_to_model

    serve(
        *(
            crawl_to_model.to_deployment(
                name=name,
                parameters=parameters_of(name, store),
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
    try:
        Store(store).prepare()  # Prefect makes no folder above its own
        with engine.server(arguments.port) as address:
            os.environ["PREFECT_API_URL"] = f"{address}/api"
            print(f"Prefect is at {address} (stop with Ctrl-C)", flush=True)
            _serve(store)
    except (StageError, WarehouseError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return _EXIT_USER if isinstance(error, ValueError) else _EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
