"""The examples in docstrings are run, so that they cannot rot."""

import doctest
import importlib

import pytest

MODULES = (
    "ediffi.pictogram.grammar",
    "ediffi.data.heldout",
    "ediffi.pictogram.palette",
    "ediffi.diffusion.noise",
    "ediffi.diffusion.sigmas",
    "ediffi.evaluate.distances",
    "ediffi.evaluate.heads",
    "ediffi.evaluate.shares",
    "ediffi.networks.sketched.layers",
    "ediffi.paint.maps",
    "ediffi.paint.phrases",
    "ediffi.core.once",
    "ediffi.core.pixels",
    "ediffi.model.request",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    # Examples may use torch and what their own module imports.
    result = doctest.testmod(module, extraglobs={"torch": importlib.import_module("torch")})
    assert result.attempted > 0 and result.failed == 0
