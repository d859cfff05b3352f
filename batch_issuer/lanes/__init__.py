"""Lanes: the requests of one batch, sent by several processes side by side, of which any may die."""

from batch_issuer.lanes.driving import drive_lane
from batch_issuer.lanes.job import LaneEnd, LaneJob
from batch_issuer.lanes.over import wait_until_over
from batch_issuer.lanes.round import Lanes, Round

__all__ = ["LaneEnd", "LaneJob", "Lanes", "Round", "drive_lane", "wait_until_over"]
