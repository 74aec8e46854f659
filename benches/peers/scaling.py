"""Draws how a training step's cost grows with the hidden width, the batch and the latent width.

    python benches/peers/scaling.py [CSV] [--seconds 1] [--out docs/images/scaling.png]

CSV is what `cargo bench --bench scaling` printed; without it the bench is run, with so many seconds a point. The line is
the floor: the rows whose necessary operations are the peak's.
"""
import argparse
import csv
import io
import os

import matplotlib

matplotlib.use("Agg")
from matplotlib import patheffects, pyplot

from compare import HERE, output

PANELS = {
    "hidden": "hidden width H\n(128 rows, Z = 20)",
    "batch": "rows of a batch\n(H = 400, Z = 20)",
    "latent": "latent width Z\n(H = 400, 128 rows)",
}
TICKS = [500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000]
POINTS, FLOOR, INK = "#1f6fb4", "#c2571a", "#333333"


def draw(axis, name, rows):
    value, speed, share = ([float(r[k]) for r in rows] for k in ("value", "rows_per_second", "share"))
    floor = [s / part for s, part in zip(speed, share)]
    axis.plot(value, floor, color=FLOOR, linewidth=1.5, label="floor: necessary operations at the peak")
    axis.plot(value, speed, "o-", color=POINTS, linewidth=1.5, markersize=4.5, label="measured, with its share of the peak")
    for x, y, part in zip(value, speed, share):
        axis.annotate(f"{part:.0%}", (x, y), (-2, -14), textcoords="offset points", ha="center", color=POINTS, fontsize=8,
                      path_effects=[patheffects.withStroke(linewidth=2, foreground="white")])
    axis.set(xscale="log", yscale="log", xlabel=PANELS[name])
    axis.margins(x=0.09, y=0.12)
    axis.set_xticks(value, [f"{v:.0f}" for v in value], fontsize=8)
    axis.set_xticks([], minor=True)
    axis.grid(color="#dddddd", linewidth=0.6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", nargs="?")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--out", default=os.path.join(HERE, "..", "..", "docs", "images", "scaling.png"))
    args = parser.parse_args()
    if args.csv:
        with open(args.csv) as file:
            text = file.read()
    else:
        text = output(["cargo", "bench", "--quiet", "--bench", "scaling", "--", str(args.seconds)])
        print(text, end="")
    rows = list(csv.DictReader(io.StringIO(text)))

    pyplot.rcParams.update({"font.size": 9, "text.color": INK, "axes.edgecolor": "#999999", "axes.labelcolor": INK,
                            "xtick.color": INK, "ytick.color": INK, "axes.axisbelow": True})
    figure, axes = pyplot.subplots(1, 3, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, name in zip(axes, PANELS):
        draw(axis, name, [r for r in rows if r["series"] == name])
        axis.spines[["top", "right"]].set_visible(False)
    low, high = axes[0].get_ylim()
    axes[0].set_yticks([t for t in TICKS if low <= t <= high])
    axes[0].set_yticks([], minor=True)
    axes[0].yaxis.set_major_formatter(lambda rows, _: f"{rows:,.0f}")
    axes[0].set_ylabel("training rows a second")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(args.out, dpi=200)


if __name__ == "__main__":
    main()
