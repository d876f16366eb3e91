"""Figures of the report as inline SVG that follows the page's light or dark theme.

Matplotlib draws with a few marker colours; each is replaced by a CSS variable afterwards, and text
stays text. Equal rows give equal bytes: fixed salts for ids, no dates. No text from the web enters
a figure. Cost: about 0.1 s a figure.
"""

import io
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import matplotlib.ticker
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

Row = Mapping[str, object]
Drawing = Callable[[Axes], None]

_INK, _GRID, _REJECTED = "#010101", "#020202", "#030303"
_SERIES = ("#040401", "#040402", "#040403", "#040404", "#040405", "#040406")
_VARIABLES = {_INK: "var(--ink)", _GRID: "var(--line)", _REJECTED: "var(--warm)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES, 1)
}
_STYLE: dict[RcKeyType, object] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
}
_SHARES = {"accuracy", "reward"}
_SIZE_INCHES = (4.0, 2.7)  # near the width of a phone, so that text keeps its size there


def _number(row: Row, name: str) -> float:
    """A number of a row; not-a-number, which is not drawn, where it is null."""
    value = row[name]
    return float(value) if isinstance(value, int | float) else float("nan")


def _values(rows: Sequence[Row], name: str) -> list[float]:
    return [_number(row, name) for row in rows]


def _draw(name: str, title: str, draw: Drawing) -> Markup:
    """Run a drawing on one set of axes and return it as SVG."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        out = io.StringIO()
        figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = out.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    width, height = (round(72 * inches) for inches in _SIZE_INCHES)
    head = f'<svg class="figure" role="img" aria-label="{title}" viewBox="0 0 {width} {height}"'
    text = head + text[text.index(" xmlns:xlink") :].replace(f' width="{width}pt"', "", 1)
    body = text.replace("'DejaVu Sans', 'Bitstream Vera Sans'", "inherit, system-ui")
    return Markup(body)  # noqa: S704  numbers and our own labels only; matplotlib escapes text


def _legend(axes: Axes) -> None:
    """Name the lines above the plot, where they hide nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=3, borderpad=0.1,
                columnspacing=1.2, handlelength=1.4)  # fmt: skip


def histogram(
    name: str, bins: Sequence[Row], threshold: float | None, keeps: str, *, end: float = 1.0
) -> Markup:
    """Documents by a measure, kept below rejected; ``bins`` hold low, kept and rejected of width end/40."""

    def draw(axes: Axes) -> None:
        low = np.array(_values(bins, "low"))
        rejected = np.array(_values(bins, "rejected"))
        kept = np.array(_values(bins, "kept"))
        axes.bar(low, kept, end / 40, align="edge", color=_SERIES[0], label="kept")
        axes.bar(low, rejected, end / 40, kept, align="edge", color=_REJECTED, label="rejected")
        if threshold is not None and 0 <= threshold <= end:
            is_left = threshold < 0.7 * end
            axes.axvline(threshold, color=_INK, linestyle="--", linewidth=1)
            axes.annotate(
                f"{keeps} {threshold:g}", (threshold, 1), xycoords=("data", "axes fraction"),
                xytext=(3 if is_left else -3, -9), textcoords="offset points",
                ha="left" if is_left else "right", fontsize=8,
            )  # fmt: skip
        axes.set(xlim=(0, end), xlabel=name.replace("_", " "), ylabel="documents")
        _legend(axes)

    return _draw(f"histogram-{name}", f"Histogram of {name.replace('_', ' ')}", draw)


def loss_curve(rows: Sequence[Row], baseline: tuple[str, float] | None) -> Markup:
    """Bits per byte over tokens seen, training and validation, beside a named baseline."""

    def draw(axes: Axes) -> None:
        train = [row for row in rows if row["split"] == "train"]
        held_out = [row for row in rows if row["split"] == "validation"]
        axes.plot(_values(train, "tokens"), _values(train, "bits_per_byte"), color=_SERIES[0],
                  linewidth=1, alpha=0.7, label="training")  # fmt: skip
        axes.plot(_values(held_out, "tokens"), _values(held_out, "bits_per_byte"),
                  color=_SERIES[1], marker="o", markersize=3, label="validation")  # fmt: skip
        if baseline is not None:
            name, value = baseline
            axes.axhline(value, color=_INK, linestyle="--", linewidth=1, label=name)
        axes.xaxis.set_major_formatter(mpl.ticker.EngFormatter(sep=""))
        axes.set(xlabel="tokens seen", ylabel="bits per byte")
        _legend(axes)

    return _draw("loss", "Loss of pretraining", draw)


def isoflop(points: Sequence[Row], optima: Sequence[Row], predictions: Sequence[Row]) -> Markup:
    """Loss over parameters, a parabola in log N for each budget, and the prediction."""

    def draw(axes: Axes) -> None:
        budgets = sorted({_number(row, "budget_flops") for row in points})
        for number, budget in enumerate(budgets):
            colour = _SERIES[number % len(_SERIES)]
            mine = [row for row in points if _number(row, "budget_flops") == budget]
            _budget(axes, mine, colour, f"{budget:.1e} FLOP")
        for row in optima:
            colour = _SERIES[budgets.index(_number(row, "budget_flops")) % len(_SERIES)]
            axes.plot(_number(row, "n_params"), _number(row, "loss"), "D", color=colour,
                      markersize=6, markerfacecolor="none")  # fmt: skip
        for row in predictions:
            _prediction(axes, row)
        axes.set(xscale="log", xlabel="parameters", ylabel="loss (nats per token)")
        axes.xaxis.set_major_formatter(mpl.ticker.EngFormatter(sep=""))
        axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        _legend(axes)

    return _draw("isoflop", "IsoFLOP curves", draw)


def _budget(axes: Axes, points: Sequence[Row], colour: str, label: str) -> None:
    sizes, losses = np.array(_values(points, "n_params")), np.array(_values(points, "loss"))
    axes.plot(sizes, losses, "o", color=colour, markersize=4, label=label)
    if len(set(sizes)) >= 3:
        logs = np.log(sizes)
        grid = np.linspace(logs.min(), logs.max(), 60)
        middle = logs.mean()
        curve = np.polyval(np.polyfit(logs - middle, losses, 2), grid - middle)
        axes.plot(np.exp(grid), curve, color=colour, linewidth=1)


def _prediction(axes: Axes, row: Row) -> None:
    size, value = _number(row, "n_params"), _number(row, "predicted_loss")
    low, high = _number(row, "low"), _number(row, "high")
    if np.isfinite([low, high]).all():
        axes.vlines(size, low, high, color=_INK, linewidth=1)
    axes.plot(size, value, "_", color=_INK, markersize=10, label="predicted")
    axes.plot(size, _number(row, "measured_loss"), "*", color=_INK, markersize=9, label="measured")


def accuracies(rows: Sequence[Row]) -> Markup:
    """Accuracy of each model with its 95% interval."""

    def draw(axes: Axes) -> None:
        for at, row in enumerate(rows):
            value = _number(row, "accuracy")
            axes.hlines(at, _number(row, "low"), _number(row, "high"), color=_SERIES[0], linewidth=5, alpha=0.35)  # fmt: skip
            axes.plot(value, at, "o", color=_SERIES[0], clip_on=False)
            axes.annotate(f"{value:.0%}", (value, at), xytext=(0, 7), textcoords="offset points",
                          ha="center", fontsize=8)  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.7), xlabel="right answers, 95% interval")
        axes.set_yticks(range(len(rows)), [str(row["model"]) for row in rows])
        axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1))

    return _draw("accuracy", "Accuracy of each model", draw)


def alignment_curve(stage: str, column: str, label: str, rows: Sequence[Row]) -> Markup:
    """One measure of an alignment stage over its steps, one line a split."""

    def draw(axes: Axes) -> None:
        splits = list(dict.fromkeys(str(row["split"]) for row in rows))
        for number, split in enumerate(splits):
            mine = [row for row in rows if row["split"] == split]
            axes.plot(_values(mine, "step"), _values(mine, column), color=_SERIES[number],
                      label=split, marker="o" if len(mine) < 25 else "", markersize=3)  # fmt: skip
        axes.set(xlabel=f"{stage} step", ylabel=label)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        if column in _SHARES:
            axes.set_ylim(-0.03, 1.03)
        if len(splits) > 1:
            _legend(axes)

    return _draw(f"{stage}-{column}", f"{label} during {stage}", draw)
