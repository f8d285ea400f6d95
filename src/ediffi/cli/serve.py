"""`ediffi serve`: a model behind HTTP."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli import options as opt
from ediffi.cli.lists import names
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    import uvicorn

LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    model: opt.Model = "pictogram",
    host: Annotated[
        str, typer.Option(help="Address to listen at; other than local ones need an API key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8188,
    data: Annotated[
        Path | None, typer.Option(help="Where jobs and their pictures are kept.")
    ] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            help="A key that clients must give, repeat for several; each has a queue of its own. "
            "Also in the variable EDIFFI_API_KEY, several with commas.",
        ),
    ] = None,
    active: Annotated[int, typer.Option(min=1, help="Pictures drawn at once.")] = 16,
    keep_days: Annotated[
        float, typer.Option(min=0, max=36_500, help="How long ended jobs stay.")
    ] = 30,
    keep_gb: Annotated[
        float, typer.Option(min=0, max=1e6, help="What they may take on disk.")
    ] = 10,
    grace: Annotated[
        float,
        typer.Option(min=0, max=86_400, help="Seconds that jobs get to end when the server stops."),
    ] = 10,
    safety: opt.Safety = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Write prompts to the log, too.")
    ] = False,
    device: opt.Device = opt.DeviceName.auto,
) -> None:
    """Serve a model: OpenAI's images API, jobs with live progress, and the studio at /.

    Examples:

    ediffi serve

    ediffi serve --model runs/my-model --port 9000 --data /srv/pictures

    EDIFFI_API_KEY=change-me ediffi serve --host 0.0.0.0

    curl http://127.0.0.1:8188/v1/images/generations -H "Content-Type: application/json" -d
    '{"prompt": "a red fox", "size": "256x256"}'
    """
    from_environment = os.environ.get("EDIFFI_API_KEY", "").split(",")
    keys = tuple(key.strip() for key in (*(api_key or ()), *from_environment) if key.strip())
    if host not in LOCAL and not keys:
        raise UserError(
            f"--host {host} lets other machines in: give an --api-key that they must know"
        )
    for option, value in (("keep-days", keep_days), ("keep-gb", keep_gb), ("grace", grace)):
        if math.isnan(value):
            raise UserError(f"--{option} is {value}: give a number")
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed: pip install 'ediffi[serve]' to serve"
        ) from error
    from ediffi.model import Cascade, pick_device
    from ediffi.server.app import create_app
    from ediffi.server.logs import log_to_stderr
    from ediffi.server.settings import DATA, Settings
    from ediffi.trust.safety import Filters

    settings = Settings(
        keys=keys,
        data=data or DATA,
        days=keep_days,
        kept_bytes=round(keep_gb * 1e9),
        active=active,
        grace=grace,
        log_prompts=log_prompts,
        filters=Filters.named(names(safety) or ()),
    )
    log_to_stderr()
    cascade = Cascade.from_pretrained(model).to(pick_device(device))
    cascade.load()
    app = create_app(cascade, settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    _run(uvicorn.Server(config))


def _run(server: uvicorn.Server) -> None:
    """Until Ctrl-C or a terminating signal."""
    config = server.config
    try:
        socket = config.bind_socket()
    except SystemExit as error:  # uvicorn has logged the reason, and leaves by it
        raise UserError(
            f"cannot listen at {config.host}:{config.port}. Is it in use? Take another --port"
        ) from error
    host, port = socket.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    typer.echo(f"serving on http://{name}:{port} (Ctrl-C stops)", err=True)
    server.run([socket])
