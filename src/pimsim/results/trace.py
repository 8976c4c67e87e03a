"""A timeline for the eye: a trace for Perfetto or chrome://tracing."""

import json
from pathlib import Path

from pimsim.results.target import check_target, replace_file
from pimsim.schedule import Timeline


def write_trace(timeline: Timeline, path: str | Path) -> Path:
    """Write one image's way through the layers in Chrome's trace format: a row a layer, time in microseconds.

    A bar reaches from the start of a layer's first vector to the result of its last; how long its busiest copy works
    in that time stands in the bar's arguments. Raises FileError.
    """
    rows = zip(
        timeline.layer.tolist(), timeline.start.tolist(), timeline.finish.tolist(), timeline.busy.tolist(), strict=True
    )
    events = []
    for row, (layer, start, finish, busy) in enumerate(rows):
        place = {"pid": 0, "tid": row}
        events += [
            {"ph": "M", "name": "thread_name", **place, "args": {"name": layer}},
            {"ph": "M", "name": "thread_sort_index", **place, "args": {"sort_index": row}},
            {"ph": "X", "name": layer, **place, "ts": 1e6 * start, "dur": 1e6 * (finish - start),
             "args": {"busy_us": 1e6 * busy}},
        ]  # fmt: skip
    figures = {name: getattr(timeline, name) for name in ("kind", "latency", "interval", "bottleneck")}
    text = json.dumps({"traceEvents": events, "displayTimeUnit": "ns", "otherData": figures})
    path = check_target(path, ".json")
    replace_file(path, text.encode())
    return path
