"""`ediffi mcp`: pictures as a tool of language models."""

from __future__ import annotations

from typing import Annotated

import typer

from ediffi.core.errors import UserError


def mcp(
    url: Annotated[str, typer.Option(help="Where `ediffi serve` runs.")] = "http://127.0.0.1:8188",
    api_key: Annotated[
        str | None, typer.Option(envvar="EDIFFI_API_KEY", help="The server's key, if it has one.")
    ] = None,
) -> None:
    """Offer a running server to a language model as tools (Model Context Protocol, by stdio).

    The tools are draw, describe_model and check_prompt. Start `ediffi serve` first, and have the
    program with the language model run this command. Example of its configuration:

    {"mcpServers": {"ediffi": {"command": "ediffi", "args": ["mcp"]}}}

    ediffi mcp --url http://127.0.0.1:9000
    """
    try:
        import mcp as _  # noqa: F401
    except ImportError as error:
        raise UserError(
            "mcp is not installed: pip install 'ediffi[serve]' to offer tools"
        ) from error
    from ediffi.server.mcp import tools

    tools(url, api_key).run("stdio")
