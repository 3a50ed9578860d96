"""What cnnviz stands on here: packages, devices, folders and settings, each looked at."""

from cnnviz.installation.diagnosis import Diagnosis, doctor
from cnnviz.installation.finding import Finding

__all__ = ["Diagnosis", "Finding", "doctor"]
