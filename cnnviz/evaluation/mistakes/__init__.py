"""The wrong answers of a network over labelled images: counted, measured, the worst explained."""

from cnnviz.evaluation.mistakes.result import ErrorAnalysis
from cnnviz.evaluation.mistakes.run import error_analysis

__all__ = ["ErrorAnalysis", "error_analysis"]
