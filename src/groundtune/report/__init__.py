"""A verdict and its records to report.html and report.md. Pure functions from data to text; nothing is written here."""

from groundtune.report.brief import markdown
from groundtune.report.context import PromptChoice, ReportContext, Training
from groundtune.report.page import html

__all__ = ["PromptChoice", "ReportContext", "Training", "html", "markdown"]
