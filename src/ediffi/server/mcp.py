"""Tools for language models (Model Context Protocol) that wrap a running server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError

import ediffi

INSTRUCTIONS = (
    "Draws small illustrations of English sentences. The model knows a limited list of things: "
    "call describe_model once to see them, name one to three of them and a background in a "
    "prompt, and call check_prompt if in doubt."
)
PAUSE = 0.3  # seconds between two looks at a job


class Remote:
    """A server that runs elsewhere."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self.url = url
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self.http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=60)

    async def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Raises ToolError: it does not answer, or with an error, whose words are given."""
        try:
            answer = await self.http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise ToolError(f"no server answers at {self.url}: start `ediffi serve`") from error
        if answer.is_error:
            raise ToolError(answer.json()["error"]["message"])
        return answer

    async def drawn(self, request: dict[str, Any], context: Context) -> dict[str, Any]:
        """The job of a request, when it is done; cancelled if nobody waits any more."""
        job: dict[str, Any] = (await self.call("POST", "/v1/jobs", json=request)).json()
        try:
            while job["status"] in ("queued", "running"):
                await asyncio.sleep(PAUSE)
                job = (await self.call("GET", f"/v1/jobs/{job['id']}")).json()
                step = job["progress"]
                if step:
                    await context.report_progress(step["step"], step["num_steps"], step["stage"])
        except asyncio.CancelledError:
            await asyncio.shield(self.call("DELETE", f"/v1/jobs/{job['id']}"))
            raise
        if job["status"] != "done":
            raise ToolError(job["error"] or "the job was cancelled")
        return job


def tools(url: str, api_key: str | None = None) -> MCPServer:
    """An MCP server whose tools draw by the server at `url`."""
    server = MCPServer("ediffi", version=ediffi.__version__, instructions=INSTRUCTIONS)
    remote = Remote(url, api_key)

    @server.tool(structured_output=False)
    async def draw(
        prompt: str,
        context: Context,
        num_images: int = 1,
        size: int | None = 256,
        seed: int = 0,
    ) -> list[Any]:
        """Draw pictures of a sentence, such as "a red fox next to a rocket, on a light blue
        background". size: 64, 256 or 1024 pixels, null for the largest; other seeds draw others."""
        request = {"prompts": [prompt], "num_images": num_images, "seeds": [seed], "anyway": False}
        job = await remote.drawn(request | {"stop_at": size}, context)
        seeds = ", ".join(str(image["seed"]) for image in job["images"])
        said = " ".join([f"seeds {seeds}.", *job["notes"]])
        files = [await remote.call("GET", image["url"]) for image in job["images"]]
        return [said, *(Image(data=file.content, format="png") for file in files)]

    @server.tool()
    async def describe_model() -> dict[str, Any]:
        """What can be drawn: things by group, styles, sizes."""
        model = (await remote.call("GET", "/v1/model")).json()
        styles = {style["name"]: style["phrase"] for style in model["styles"]}
        sizes = [stage["resolution"] for stage in model["stages"]]
        return {"things": model["vocabulary"], "styles": styles, "sizes": sizes}

    @server.tool()
    async def check_prompt(prompt: str) -> dict[str, Any]:
        """What the model makes of a prompt: words it does not know, and what is near to them."""
        found: dict[str, Any] = (
            await remote.call("POST", "/v1/understand", json={"prompt": prompt})
        ).json()
        return found

    return server
