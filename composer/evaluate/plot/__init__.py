"""Plots of quality over cost, drawn here as SVG and PNG: no display and no other library."""

from composer.evaluate.plot.chart import chart_of
from composer.evaluate.plot.layout import lay_out
from composer.evaluate.plot.writing import draw_plot

__all__ = ["chart_of", "draw_plot", "lay_out"]
