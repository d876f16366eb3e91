"""Settings of the embedded Prefect engine, made before Prefect is imported.

A server that the user names (PREFECT_API_URL) is used as it is; otherwise Prefect's ephemeral
server keeps its database beside the store. Nothing calls home.
"""

import os
from pathlib import Path

_SILENCE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_EMBEDDED = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # the default of 20 s is too short on a busy machine: 8-60 s were seen
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
}


def configure(store: Path, *, quiet: bool) -> None:
    """Set what the user has not set; ``quiet`` leaves the console to our own progress board."""
    settings = dict(_SILENCE)
    if "PREFECT_API_URL" not in os.environ:
        settings |= _EMBEDDED
        settings["PREFECT_HOME"] = str(store / "prefect")
    if quiet:
        settings["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    for name, value in settings.items():
        os.environ.setdefault(name, value)
