"""Several processes that train as one: the same numbers, whoever goes on, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.collections import good
from helpers.training import bert_text, config, final, run, scenes_of

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.pictogram.grid import Grid
from ediffi.train.checkpoint import found
from ediffi.train.examples import Examples
from ediffi.train.loop import train
from ediffi.train.parallel import Ranks
from ediffi.train.state import stage_state

ROOT = Path(__file__).parent
EXACT = {
    "compute.precision": "fp32",
    "schedule.num_images": 16,
    "schedule.log_images": 8,
    "schedule.checkpoint_images": 8,
}
FORMS = {"ddp": {"compute.accumulation": 2}, "fsdp": {"schedule.sample_images": 16}}

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
from helpers.training import bert_text, config, run, scenes_of
from ediffi.pictogram.grid import Grid
from ediffi.train.parallel import processes
out = Path({out!r})
data = scenes_of(Grid.load(Path({grid!r}))), bert_text(Path({bert!r}))
with processes("cpu") as ranks:
    for form, changes in {forms}.items():
        these = replace(ranks, form=form)
        run(config(changes={exact} | changes), out / form, *data, ranks=these)
        run(config(changes={exact}), out / f"two-then-one-{{form}}", *data, ranks=these, stop=8)
        run(config(changes={exact}), out / f"one-then-two-{{form}}", *data, ranks=these)
"""


def port() -> int:
    """One that nobody listens to."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def runs(grid: Grid, bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one process and of two, half of one and half of the other."""
    out, settings = tmp_path_factory.mktemp("runs"), config(changes=EXACT)
    data: tuple[Any, Any] = scenes_of(grid), bert_text(bert_folder)
    run(settings, out / "one", *data)
    for form in FORMS:
        run(settings, out / f"one-then-two-{form}", *data, stop=8)
    paths = {"tests": str(ROOT), "out": str(out), "grid": str(grid.path), "bert": str(bert_folder)}
    script = SCRIPT.format(**paths, exact=EXACT, forms=FORMS)
    code = [sys.executable, "-c", script]
    shared = os.environ | {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port())}
    processes = [
        subprocess.Popen(code, env=shared | {"WORLD_SIZE": "2", "RANK": str(rank)})
        for rank in range(2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    for form in FORMS:
        run(settings, out / f"two-then-one-{form}", *data)
    return out


def same(one: Path, other: Path) -> None:
    """The tensors of two runs' last checkpoints are equal to rounding."""
    a, b = final(one), final(other)
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=2e-6, rtol=2e-5, msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_two_processes_learn_what_one_learns(form: str, runs: Path) -> None:
    same(runs / "one", runs / form)
    logs = [(runs / name / "log.jsonl").read_text().splitlines() for name in ("one", form)]
    for a, b in zip(*(map(json.loads, log) for log in logs), strict=True):
        assert a["images"] == b["images"]
        assert a["loss"] == pytest.approx(b["loss"], abs=2e-5)
        assert a["loss_by_band"] == pytest.approx(b["loss_by_band"], abs=2e-5)
    assert (runs / form / "samples" / "0000000016.png").is_file() == (form == "fsdp")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("order", ["one-then-two", "two-then-one"])
def test_a_run_goes_on_with_another_number_of_processes(order: str, form: str, runs: Path) -> None:
    same(runs / "one", runs / f"{order}-{form}")


def test_a_batch_that_cannot_be_shared_out(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    settings = config(changes={"compute.accumulation": 3})
    examples = Examples(settings, scenes_of(grid), bert_text(bert_folder), folder=tmp_path)
    with pytest.raises(UserError, match=r"batches of 4 .* each in 3 pieces"):
        next(train(stage_state(settings), tmp_path, examples))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_run_on_cuda(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    """Compiled, and with weights and moments on the device; it goes on there."""
    settings = config(changes=EXACT | {"compute.compile": True})
    data: tuple[Any, Any] = scenes_of(grid), bert_text(bert_folder)
    run(settings, tmp_path / "cpu", *data)
    cuda = Ranks(torch.device("cuda"))
    run(settings, tmp_path / "cuda", *data, ranks=cuda, stop=8)
    run(settings, tmp_path / "cuda", *data, ranks=cuda)
    a, b = final(tmp_path / "cpu"), final(tmp_path / "cuda")
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-2, rtol=1e-2, msg=name)


@pytest.mark.slow
def test_compiled_blocks_compute_the_same(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    data: tuple[Any, Any] = scenes_of(grid), bert_text(bert_folder)
    short = EXACT | {"schedule.num_images": 8}
    run(config(changes=short), tmp_path / "plain", *data)
    run(config(changes=short | {"compute.compile": True}), tmp_path / "compiled", *data)
    same(tmp_path / "plain", tmp_path / "compiled")


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True)
    pairs = [line.split() for line in listed.stdout.decode().splitlines()]
    return sorted(int(pid) for pid, started_by in pairs if int(started_by) == parent)


def test_a_killed_process_ends_the_run_in_one_clear_line(
    bert_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """torchrun and the command; then one process goes on from the last checkpoint."""
    for number in range(8):
        good(tmp_path / "pictures", number)
    shards, stored, folder = (str(tmp_path / name) for name in ("shards", "stored", "run"))
    assert main(["data", "import", str(tmp_path / "pictures"), "-o", shards]) == 0
    encoder = ["--encoder", str(bert_folder), "-o", stored]
    assert main(["encode", "--data", shards, *encoder]) == 0
    command = ["train", "base", "--preset", "tiny", "--data", shards, "--embeddings", stored]
    command += ["--run", folder, "--device", "cpu", "--examples", str(tmp_path / "kept")]
    command += ["--set", "schedule.checkpoint_images=16"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--master-port", str(port()), "-m", "--", "ediffi"]
    process = subprocess.Popen(
        [*torchrun, *command, "--num-images", "100000"], stderr=subprocess.PIPE, text=True
    )
    while not found(Path(folder)) and process.poll() is None:
        time.sleep(0.2)
    os.kill(children(process.pid)[-1], signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode != 0
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "another process of the run ended" in lines[0]
    capfd.readouterr()
    saved = int(found(Path(folder))[0].stem)
    assert main([*command, "--num-images", str(saved + 8)]) == 0
    assert f"after {saved} images" in capfd.readouterr().out
