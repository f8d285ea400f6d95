"""The studio: the server's page at `/`, in files of its own beside the API that it speaks."""

from ediffi.server.studio.pages import mount

__all__ = ["mount"]
