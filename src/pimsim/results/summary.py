"""A result for people and for scripts: one JSON object with stable keys."""

import math
from typing import Any

import numpy as np

from pimsim.chip import AbstractChip, Chip, Part, Peak
from pimsim.chip.chip import area_by_component, power_by_component
from pimsim.inference import Inference
from pimsim.mapping import Distribution, Placement
from pimsim.network.recipe import LearningCurve
from pimsim.network.sqnr import QuantizationReport
from pimsim.programming import ProgrammingReport
from pimsim.reads import ReadReport
from pimsim.results.record import Result
from pimsim.schedule import Replay
from pimsim.units import Energy

ACCURACY = ("float", "quantized", "crossbar_mean", "crossbar_std", "crossbar_interval", "trials", "samples")


def result_summary(result: Result) -> dict[str, Any]:
    """The figures of a run, SI units in the key names; these keys are stable."""
    inference, timeline, cost, programming = result.inference, result.timeline, result.cost, result.programming
    return {
        "experiment": result.specification.experiment,
        "chip": result.specification.chip,
        "network": result.specification.network,
        "dataset": result.specification.dataset,
        **inference_summary(inference),
        "quantization": quantization_summary(result.quantization),
        "latency_s": timeline.latency,
        "interval_s": timeline.interval,
        "throughput_per_s": 1 / timeline.interval,
        "bottleneck": timeline.bottleneck,
        "schedule": timeline.kind,
        "shared_s": dict(zip(timeline.resource.tolist(), timeline.occupied.tolist(), strict=True)),
        "bounds_s": dict(zip(timeline.bound.tolist(), timeline.least.tolist(), strict=True)),
        "gap": timeline.gap,
        "replay": replay_summary(result.replay),
        "busiest": dict(zip(timeline.resource.tolist(), timeline.busiest.tolist(), strict=True)),
        "energy_J": cost.total_energy,
        "power_W": cost.power,
        "area_m2": cost.area,
        "area_on_m2": cost.area_on,
        "chips": cost.chips,
        "tiles_on": cost.tiles_on,
        **mapping_summary(result.placement, result.distribution),
        "energy_by_component_J": cost.energy_by_component(),
        "energy_by_layer_J": cost.energy_by_layer(),
        "area_by_component_m2": cost.area_by_component(),
        "events": cost.events(),
        "peak": peak_summary(result.peak),
        "programming": None if programming is None else programming_summary(programming, cost.total_energy),
        "training": None if result.training is None else training_summary(result.training),
        "activity": None if result.reads is None else reads_summary(result.reads),
        "charging": {"power_gating": cost.power_gating, "constant_power": cost.constant_power},
        "seconds": dict(zip(result.stages.stage.tolist(), result.stages.seconds.tolist(), strict=True)),
    }


def mapping_summary(placement: Placement | None, distribution: Distribution | None) -> dict[str, Any]:
    """Arrays and copies of each matrix; null where there are no arrays."""
    if placement is not None:
        copies = dict(zip(placement.matrix.tolist(), placement.replication.tolist(), strict=True))
        kinds = dict(zip(placement.matrix.tolist(), placement.kind.tolist(), strict=True))
        arrays = {"arrays_used": placement.arrays_used, "arrays_total": placement.arrays_total}
        return arrays | {"replication": copies, "kinds": kinds}
    assert distribution is not None
    copies = dict(zip(distribution.matrix.tolist(), distribution.copies.tolist(), strict=True))
    return {"arrays_used": None, "arrays_total": None, "replication": copies, "kinds": {}}


def inference_summary(inference: Inference | None) -> dict[str, Any]:
    """What the chip computed; null where no data ran."""
    accuracy = dict.fromkeys(ACCURACY)
    if inference is None:
        nothing = {"engine_by_layer": {}, "snr_dB_by_layer": {}, "ir_drop": {}}
        return {"engine": None, "accuracy": accuracy, "agreement": None} | nothing
    if (inference.label >= 0).all():
        accuracy |= {
            "float": inference.float_accuracy,
            "quantized": inference.quantized_accuracy,
            "crossbar_mean": inference.crossbar_mean,
            "crossbar_std": inference.crossbar_std,
            "crossbar_interval": list(inference.crossbar_interval),
        }
    accuracy |= {
        "trials": len(inference.crossbar_accuracy),
        "samples": len(inference.label),
    }
    return {
        "engine": inference.engine,
        "accuracy": accuracy,
        "agreement": inference.agreement.summary(),
        "engine_by_layer": dict(zip(inference.matrix.tolist(), inference.layer_engine.tolist(), strict=True)),
        "snr_dB_by_layer": {
            name: float(value) if np.isfinite(value) else None
            for name, value in zip(inference.matrix.tolist(), inference.snr_db.mean(axis=0), strict=True)
        },
        "ir_drop": {name: {"mean": m, "worst": w} for name, (m, w) in inference.arrays.ir_drop().items()},
    }


def quantization_summary(losses: QuantizationReport | None) -> dict[str, dict[str, Any]]:
    """Of each layer its bits, and signal-to-noise ratios in dB, null where nothing is lost; {} where no data ran."""
    if losses is None:
        return {}
    bits = zip(losses.weight_bits.tolist(), losses.input_bits.tolist(), strict=True)
    return {
        layer: {"weight_bits": weights, "input_bits": inputs} | {f"{kind}_dB": value for kind, value in ratios.items()}
        for (layer, ratios), (weights, inputs) in zip(losses.sqnr_db().items(), bits, strict=True)
    }


def replay_summary(replay: Replay | None) -> dict[str, Any] | None:
    """What became of the images that were replayed, beside what the schedule says; null where none were."""
    if replay is None:
        return None
    figures = ("latency", "interval", "latency_difference", "interval_difference")
    seconds = {f"{figure}_s": getattr(replay, figure) for figure in figures}
    return {"images": len(replay.left), **seconds, "bottleneck": replay.bottleneck}


def training_summary(curve: LearningCurve) -> dict[str, Any]:
    """How training went: epochs seen, the one whose weights are kept, and the held-out images before it and after."""
    before, after = curve.held_out_accuracy[[0, curve.best]].tolist()
    return {
        "epochs": len(curve.epoch) - 1,
        "best_epoch": curve.best,
        "held_out_before": before,
        "held_out_after": after,
    }


def programming_summary(report: ProgrammingReport, inference_energy: Energy) -> dict[str, Any]:
    """What writing the chip once takes; null is what nobody states, or, for `unconverged`, nobody verifies."""
    figures = {
        "pulses": report.total_pulses,
        "unconverged": report.total_unconverged,
        "energy_J": report.total_energy,
        "time_s": report.total_time,
        "inferences": report.total_energy / inference_energy,
        "endurance": report.endurance,
        "reprogrammings": report.reprogrammings,
        "lifetime_inferences": report.lifetime,
    }
    stated = {key: None if math.isnan(value) else value for key, value in figures.items()}
    return {"cells": report.total_cells, "parallel": report.parallel} | stated


def reads_summary(report: ReadReport) -> dict[str, Any]:
    """What the cells take while they are read; null is what needs a pulse or data that there is none of."""
    gaps, energy = report.gaps(), dict(zip(report.matrix.tolist(), report.energy.tolist(), strict=True))
    stated = not math.isnan(report.full_read_energy)
    return {
        "kind": report.kind,
        "charged": report.charged,
        "full_reads": float(report.full_reads.sum()),
        "cell_energy_J": report.total_energy if stated else None,
        "cell_energy_by_layer_J": energy if stated else {},
        "gap": {name: None if math.isnan(gap) else gap for name, gap in gaps.items()},
    }


def chip_summary(chip: AbstractChip) -> dict[str, Any]:
    """The figures of a chip that need no run; those of tiles and arrays only where it has them."""
    return {
        "chip": chip.name,
        "description": chip.description,
        "peak": peak_summary(chip.peak()),
        "power_W": chip.power(),
        "area_m2": chip.area(),
        **(array_summary(chip) if isinstance(chip, Chip) else {}),
        "power_by_component_W": power_by_component(chip.bill()),
        "area_by_component_m2": area_by_component(chip.bill()),
    }


def array_summary(chip: Chip) -> dict[str, Any]:
    """The figures of a chip's tiles and arrays."""
    tile = chip.tile_bill()
    return {
        "arrays_total": chip.arrays,
        "tiles": chip.tiles,
        "kinds": {part.kind: kind_summary(part) for part in chip.parts},
        "tile": {"power_W": sum(power_by_component(tile).values()), "area_m2": sum(area_by_component(tile).values())},
        "conversions_per_mac": chip.core.conversions_per_mac(),
    }


def kind_summary(part: Part) -> dict[str, Any]:
    """The tiles of one kind, and what one of them draws and takes."""
    bill = part.tile.bill(part.core)
    return {
        "tiles": part.tiles,
        "arrays_per_tile": part.arrays_per_tile,
        "rows": part.core.rows,
        "columns": part.core.columns,
        "tile_power_W": sum(power_by_component(bill).values()),
        "tile_area_m2": sum(area_by_component(bill).values()),
    }


def peak_summary(peak: Peak) -> dict[str, float]:
    return {
        "ops_per_s": peak.ops_per_s,
        "ops_per_s_per_W": peak.ops_per_s_per_W,
        "ops_per_s_per_m2": peak.ops_per_s_per_m2,
        "storage_bytes_per_m2": peak.storage_bytes_per_m2,
    }
