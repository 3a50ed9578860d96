"""How good a classifier is over labelled images, in the measures of the field."""

from cnnviz.evaluation.classifier.result import ClassifierEvaluation
from cnnviz.evaluation.classifier.run import evaluate_classifier

__all__ = ["ClassifierEvaluation", "evaluate_classifier"]
