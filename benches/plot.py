#!/usr/bin/env python3
"""Pictures of what `versus` wrote with `--csv`. (`versus` prints tables of it: with a file that is complete, it
measures nothing.)

    python3 benches/plot.py matrix.csv scale.csv --plots docs/plots

Of the part `matrix`: a heat map of ratios for each policy of the log, how the ratios are distributed, and latencies.
Of the part `scale`: what things cost over the number of keys. Ratios are those of this server to the other, the median
of the rounds. Needs matplotlib.
"""

import argparse
import csv
import io
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

OWN = "sanderling"
COMMANDS = "GET SET MSET MULTI INCR LPUSH LPOP SADD HSET ZADD XADD PUBLISH".split()
LOGS = ["off", "no", "everysec", "always"]
THROUGHPUT, CPU = "operations_per_second", "cpu_micros_per_operation"
# Ratios beyond this factor have the same colour.
FACTOR_MAX = 4
COLOURS = {"off": "tab:blue", "no": "tab:cyan", "everysec": "tab:orange", "always": "tab:red"}

# A figure of the part scale: file name, and the columns that share a picture with their captions.
SCALE = {
    "scale-cost": [
        ("fill_keys_per_second", "filled by one client (keys/s)"),
        ("fill_cpu_micros_per_key", "filled, CPU (µs per key)"),
        ("bytes_per_key", "memory (bytes per key)"),
        ("get_1_operations_per_second", "GET, 50 × 1 (per second)"),
        ("get_1_cpu_micros", "GET, 50 × 1, CPU (µs)"),
        ("get_1_p99_ms", "GET, 50 × 1, p99 (ms)"),
        ("set_1_operations_per_second", "SET, 50 × 1 (per second)"),
        ("set_1_cpu_micros", "SET, 50 × 1, CPU (µs)"),
        ("set_1_p99_ms", "SET, 50 × 1, p99 (ms)"),
        ("get_16_operations_per_second", "GET, 50 × 16 (per second)"),
        ("get_16_cpu_micros", "GET, 50 × 16, CPU (µs)"),
        ("get_16_p99_ms", "GET, 50 × 16, p99 (ms)"),
        ("set_16_operations_per_second", "SET, 50 × 16 (per second)"),
        ("set_16_cpu_micros", "SET, 50 × 16, CPU (µs)"),
        ("set_16_p99_ms", "SET, 50 × 16, p99 (ms)"),
    ],
    "scale-pauses": [
        ("fill_p99_ms", "while filled, p99 (ms)"),
        ("fill_longest_wait_ms", "while filled, longest wait (ms)"),
        ("save_seconds", "BGSAVE (s)"),
        ("save_p99_ms", "during it, p99 (ms)"),
        ("save_longest_wait_ms", "during it, longest wait (ms)"),
        ("save_peak_bytes", "during it, most memory (bytes)"),
        ("file_bytes", "the file (bytes)"),
        ("load_snapshot_seconds", "start from the snapshot (s)"),
        ("load_log_seconds", "start from the log (s)"),
    ],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="CSV")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", required=True, help="where the PNG files go")
    options = parser.parse_args()
    require_matplotlib()
    options.plots.mkdir(parents=True, exist_ok=True)
    for file in options.files:
        rows = read(file)
        if THROUGHPUT in rows[0]:
            matrix(rows, options.plots)
        elif "fill_keys_per_second" in rows[0]:
            scale(rows, options.plots)
        else:
            fail(f"{file}: neither of the part matrix nor of the part scale")


def fail(message):
    sys.exit(f"plot.py: {message}")


def require_matplotlib():
    global pyplot
    try:
        import matplotlib
    except ImportError:
        fail("matplotlib is missing: python3 -m pip install matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot


def read(file):
    try:
        with open(file, newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    if not rows:
        fail(f"{file}: no figures in it")
    return rows


def number(text):
    """Empty cells were not measured."""
    return float(text) if text else math.nan


def save(figure, folder, name):
    """Few colours are enough, and make the file a third as large."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100, bbox_inches="tight")
    pyplot.close(figure)
    path = folder / f"{name}.png"
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)
    print(f"plot.py: {path}: {path.stat().st_size // 1024} kB", file=sys.stderr)


def servers_of(rows):
    names = sorted({row["server"] for row in rows})
    own = [name for name in names if name.startswith(OWN)]
    other = [name for name in names if not name.startswith(OWN)]
    if len(own) != 1 or len(other) != 1:
        fail(f"figures of two servers are needed, not of {', '.join(names)}")
    return own[0], other[0]


# The part matrix.


class Cell:
    """One load, with its figures by server, each the median of the rounds."""

    def __init__(self, key, rows, servers):
        self.log, self.command, self.value, self.clients, self.pipeline = key
        by_round = defaultdict(dict)
        for row in rows:
            by_round[row["round"]][row["server"]] = row
        self.rounds = [[both[name] for name in servers] for both in by_round.values() if len(both) == 2]

    def median(self, server, column):
        return statistics.median(number(both[server][column]) for both in self.rounds)

    def ratio(self, column):
        """NaN if it is not known: the other server used no CPU time that could be counted, say."""
        ratios = [number(own[column]) / (number(other[column]) or math.nan) for own, other in self.rounds]
        return statistics.median(ratios)


def cells_of(rows, servers):
    groups = defaultdict(list)
    for row in rows:
        shape = (int(row[column]) for column in ("value_bytes", "clients", "pipeline"))
        groups[(row["log"], row["command"], *shape)].append(row)
    cells = [Cell(key, group, servers) for key, group in groups.items()]
    return [cell for cell in cells if cell.rounds]


def matrix(rows, folder):
    servers = servers_of(rows)
    cells = cells_of(rows, servers)
    logs = [log for log in LOGS if any(cell.log == log for cell in cells)]
    for log in logs:
        draw_heat_map([cell for cell in cells if cell.log == log], log, servers, folder)
    draw_distribution(cells, logs, servers, folder)
    draw_latency(cells, logs, servers, folder)


def ratios_of(cells, column):
    return sorted(ratio for cell in cells if math.isfinite(ratio := cell.ratio(column)))


def draw_heat_map(cells, log, servers, folder):
    """Commands downwards; to the right values, in them clients, in them pipelines. Green is better."""
    values = sorted({cell.value for cell in cells if cell.value}) or [0]
    shapes = sorted({(cell.clients, cell.pipeline) for cell in cells})
    commands = [name for name in COMMANDS if any(cell.command == name for cell in cells)]
    width = len(values) * len(shapes)
    figure, panels = pyplot.subplots(2, 1, figsize=(max(6, 2 + width * 0.36), 1.5 + len(commands) * 0.62))
    for panel, column, sign in zip(panels, (THROUGHPUT, CPU), (1, -1)):
        grid = [[math.nan] * width for _ in commands]
        for cell in cells:
            # A command without values stands below the shortest ones.
            block = values.index(cell.value) if cell.value else 0
            x = block * len(shapes) + shapes.index((cell.clients, cell.pipeline))
            y = commands.index(cell.command)
            ratio = cell.ratio(column)
            grid[y][x] = sign * math.log2(ratio) if ratio > 0 else math.nan
            if math.isfinite(ratio):
                panel.text(x, y, f"{ratio:.2g}", ha="center", va="center", fontsize=7)
        limit = math.log2(FACTOR_MAX)
        panel.imshow(grid, cmap="RdYlGn", vmin=-limit, vmax=limit, aspect="auto")
        panel.set_yticks(range(len(commands)), commands, fontsize=8)
        labels = [f"{clients}×{pipeline}" for _ in values for clients, pipeline in shapes]
        panel.set_xticks(range(width), labels, rotation=90, fontsize=7)
        for block, value in enumerate(values):
            panel.axvline(block * len(shapes) - 0.5, color="black", linewidth=1)
            middle = (block + 0.5) * len(shapes) - 0.5
            panel.text(middle, -0.7, f"{value} bytes", ha="center", fontsize=8)
        what = "Throughput (more is better)" if column == THROUGHPUT else "CPU per operation (less is better)"
        panel.set_title(f"{what}: ratio to {servers[1]}, log {log}; clients × pipeline", fontsize=9, pad=14)
    figure.tight_layout()
    save(figure, folder, f"matrix-{log}")


def draw_distribution(cells, logs, servers, folder):
    """Which share of the cells has at most this ratio."""
    figure, panels = pyplot.subplots(1, 3, figsize=(12, 3.8), sharey=True)
    wishes = ("throughput (more is better)", "CPU per operation (less is better)", "p99 (less is better)")
    for panel, column, wish in zip(panels, (THROUGHPUT, CPU, "p99_ms"), wishes):
        for log in logs:
            ratios = ratios_of([cell for cell in cells if cell.log == log], column)
            shares = [(position + 1) / len(ratios) * 100 for position in range(len(ratios))]
            panel.step(ratios, shares, where="post", label=f"log {log}", color=COLOURS[log])
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log", base=2)
        panel.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        panel.set_xlabel(f"ratio to {servers[1]}: {wish}", fontsize=8)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("cells with at most this ratio (%)", fontsize=8)
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    save(figure, folder, "matrix-distribution")


def draw_latency(cells, logs, servers, folder):
    """A point for each cell; below the line this server answers sooner."""
    figure, panels = pyplot.subplots(1, 3, figsize=(12, 4))
    for panel, column in zip(panels, ("p50_ms", "p99_ms", "p999_ms")):
        for log in logs:
            points = [
                [cell.median(server, column) for server in (1, 0)] for cell in cells if cell.log == log
            ]
            panel.plot(*zip(*points), ".", markersize=3, label=f"log {log}", color=COLOURS[log])
        low, high = (edge(*panel.get_xlim(), *panel.get_ylim()) for edge in (min, max))
        panel.set_xscale("log")
        panel.set_yscale("log")
        low = max(low, 0.01)
        panel.plot([low, high], [low, high], color="black", linewidth=0.8)
        panel.set_title(f"{column.removesuffix('_ms')} in ms", fontsize=9)
        panel.set_xlabel(servers[1], fontsize=8)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(servers[0], fontsize=8)
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    save(figure, folder, "matrix-latency")


# The part scale.


def scale(rows, folder):
    servers = servers_of(rows)
    values = sorted({int(row["value_bytes"]) for row in rows})
    sizes = sorted({int(row["keys"]) for row in rows})

    def figure_of(server, value, keys, column):
        chosen = [
            number(row[column])
            for row in rows
            if (row["server"], int(row["value_bytes"]), int(row["keys"])) == (server, value, keys)
        ]
        return statistics.median(chosen) if chosen else math.nan

    for name, captions in SCALE.items():
        draw_scale(name, captions, figure_of, (servers, values, sizes), folder)


def draw_scale(name, captions, figure_of, axes, folder):
    servers, values, sizes = axes
    height = math.ceil(len(captions) / 3)
    figure, panels = pyplot.subplots(height, 3, figsize=(12, 2.6 * height))
    for panel, (column, caption) in zip(panels.flat, captions):
        for server, colour in zip(servers, ("tab:blue", "tab:red")):
            for value, style in zip(values, ("o-", "s--", "^:", "d-.")):
                figures = [figure_of(server, value, keys, column) for keys in sizes]
                label = f"{server}, {value} bytes"
                panel.plot(sizes, figures, style, color=colour, markersize=4, label=label)
        panel.set_xscale("log")
        # What grows with the keys is a straight line then; a cost of each key begins at nothing.
        if column in ("save_seconds", "file_bytes", "save_peak_bytes") or column.startswith("load_"):
            panel.set_yscale("log")
        else:
            panel.set_ylim(bottom=0)
        panel.set_title(caption, fontsize=9)
        panel.grid(alpha=0.3)
    panels.flat[0].legend(fontsize=7)
    figure.tight_layout()
    save(figure, folder, name)


if __name__ == "__main__":
    main()
