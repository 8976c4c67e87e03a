"""A timeline for the eye: a trace for Perfetto or chrome://tracing."""

import json
from pathlib import Path
from typing import Any

from pimsim.results.target import check_target, replace_file
from pimsim.schedule import Replay, Timeline
from pimsim.units import Time


def write_trace(timeline: Timeline, path: str | Path, replay: Replay | None = None) -> Path:
    """Write one image's way through the layers in Chrome's trace format: a row a layer, time in microseconds.

    A bar reaches from the start of a layer's first vector to the result of its last; how long its busiest copy works
    in that time stands in the bar's arguments. The heading names the bottleneck. A replay's first image follows below,
    and then a row of the images, each from its entry to its end. Raises FileError.
    """
    spans = zip(timeline.layer.tolist(), timeline.start.tolist(), timeline.finish.tolist(), strict=True)
    busy = [{"busy_us": 1e6 * each} for each in timeline.busy.tolist()]
    events = _rows(0, f"schedule; interval set by {timeline.bottleneck}", list(spans), busy)
    figures = {name: getattr(timeline, name) for name in ("kind", "latency", "interval", "bottleneck")}
    if replay is not None:
        spans = zip(replay.layer.tolist(), replay.start.tolist(), replay.finish.tolist(), strict=True)
        images = zip(map("image {}".format, range(len(replay.left))), replay.entered, replay.left, strict=True)
        rows = [*spans, *((name, float(entered), float(left)) for name, entered, left in images)]
        events += _rows(1, f"replay; interval set by {replay.bottleneck}", rows, [{} for _ in rows])
        figures |= {f"replay_{name}": getattr(replay, name) for name in ("latency", "interval", "bottleneck")}
    text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns", "otherData": figures})
    path = check_target(path, ".json")
    replace_file(path, text.encode())
    return path


def _rows(process: int, heading: str, spans: list[tuple[str, Time, Time]], notes: list[dict[str, Any]]) -> list[Any]:
    """A process with a row and a bar for each span."""
    events = [{"ph": "M", "name": "process_name", "pid": process, "args": {"name": heading}}]
    for row, ((name, start, finish), note) in enumerate(zip(spans, notes, strict=True)):
        place = {"pid": process, "tid": row}
        events += [
            {"ph": "M", "name": "thread_name", **place, "args": {"name": name}},
            {"ph": "M", "name": "thread_sort_index", **place, "args": {"sort_index": row}},
            {"ph": "X", "name": name, **place, "ts": 1e6 * start, "dur": 1e6 * (finish - start), "args": note},
        ]
    return events
