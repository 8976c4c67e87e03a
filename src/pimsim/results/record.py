"""The result of a run: every stage's record, and how they came to be."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
import yaml
from jaxtyping import Shaped

from pimsim.accounting import CostReport
from pimsim.chip import Peak
from pimsim.experiment import Experiment
from pimsim.inference import Inference
from pimsim.mapping import Distribution, Placement
from pimsim.network.recipe import LearningCurve
from pimsim.network.sqnr import QuantizationReport
from pimsim.programming import ProgrammingReport
from pimsim.reads import ReadReport
from pimsim.schedule import Replay, Timeline
from pimsim.spec import sources, to_data
from pimsim.units import Times


@dataclass(frozen=True)
class Specification:
    """What was asked for, complete: the text alone repeats the run."""

    experiment: str
    chip: str
    network: str
    dataset: str
    yaml: str
    """The experiment with every card written out."""
    card: Shaped[np.ndarray, " source"]
    """Where in the experiment a source is stated …"""
    source: Shaped[np.ndarray, " source"]
    """… and what it says."""


@dataclass(frozen=True)
class Provenance:
    """The software and the machine."""

    pimsim: str
    python: str
    jax: str
    numpy: str
    device: str
    revision: str
    """Of the source, if it is a git checkout; "+" if it had uncommitted changes."""


@dataclass(frozen=True)
class Stages:
    """Wall time of the stages of a run."""

    stage: Shaped[np.ndarray, " stage"]
    seconds: Times[np.ndarray, " stage"]

    @classmethod
    def of(cls, seconds: Mapping[str, float]) -> "Stages":
        return cls(np.array(list(seconds)), np.array(list(seconds.values())))


@dataclass(frozen=True, kw_only=True)
class Result:
    """One experiment's answer to both questions: what the chip computes, and what it costs."""

    specification: Specification
    provenance: Provenance
    quantization: QuantizationReport | None = None
    """What rounding costs each layer; None where no data ran."""
    inference: Inference | None = None
    """None where no data ran: the cost alone was asked for."""
    placement: Placement | None = None
    """None of machines without arrays."""
    distribution: Distribution | None = None
    """Of machines without arrays: which chips have which weights."""
    timeline: Timeline
    replay: Replay | None = None
    """None where none was asked for."""
    cost: CostReport
    reads: ReadReport | None = None
    """None of machines without arrays."""
    programming: ProgrammingReport | None = None
    """Likewise."""
    training: LearningCurve | None = None
    """How the weights came about; None of a run that trained nothing."""
    peak: Peak
    stages: Stages


def record_specification(experiment: Experiment) -> Specification:
    """The experiment as text that `pimsim run` accepts, and the sources of its cards."""
    stated = sources(experiment)
    return Specification(
        experiment=experiment.name,
        chip=experiment.chip.name,
        network=experiment.network,
        dataset=experiment.dataset,
        yaml=yaml.safe_dump(to_data(experiment), sort_keys=False, allow_unicode=True, width=120),
        card=np.array(list(stated), dtype=object).astype(str),
        source=np.array(list(stated.values()), dtype=object).astype(str),
    )


def record_provenance() -> Provenance:
    """This software on this machine."""
    device = jax.devices()[0]
    return Provenance(
        pimsim=version("pimsim"),
        python=platform.python_version(),
        jax=version("jax"),
        numpy=version("numpy"),
        device=f"{device.platform} {device.device_kind}".strip(),
        revision=_revision(),
    )


def _revision() -> str:
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(("git", *arguments), cwd=folder, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # a checkout of pimsim, not one that installed it
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
