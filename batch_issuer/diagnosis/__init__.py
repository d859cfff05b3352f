"""Finds out whether batches can be sent from here, and what to do where they can't; changes nothing."""

from batch_issuer.diagnosis.examination import examine
from batch_issuer.diagnosis.findings import Finding, State, exit_code_of
from batch_issuer.diagnosis.survey import Survey, survey_settings

__all__ = ["Finding", "State", "Survey", "examine", "exit_code_of", "survey_settings"]
