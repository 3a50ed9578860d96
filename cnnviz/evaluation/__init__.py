"""Methods compared over many images; how good a classifier is over them, and where wrong."""

from cnnviz.evaluation.classifier import ClassifierEvaluation, evaluate_classifier
from cnnviz.evaluation.data import EvaluationImage, items
from cnnviz.evaluation.mistakes import ErrorAnalysis, error_analysis
from cnnviz.evaluation.result import Evaluation
from cnnviz.evaluation.run import METHODS, evaluate

__all__ = [
    "METHODS",
    "ClassifierEvaluation",
    "ErrorAnalysis",
    "Evaluation",
    "EvaluationImage",
    "error_analysis",
    "evaluate",
    "evaluate_classifier",
    "items",
]
