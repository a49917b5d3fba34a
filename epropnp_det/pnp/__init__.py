"""The EPro-PnP layer. Needs torch alone; docs/reference/conventions.md has frames and units,
docs/reference/equations.md the paper.
"""

from .losses.baselines import (
    implicit_pose,
    implicit_pose_loss,
    laplace_pose_loss,
    reprojection_loss,
)
from .losses.linear_covariance import linear_covariance_loss
from .losses.pose_distance import pose_distance
from .losses.projection import projection_loss
from .camera import Camera
from .correspondences import Correspondences
from .layer import EProPnP4DoF, EProPnP6DoF
from .losses.monte_carlo import monte_carlo_pose_loss
from .spaces.se3 import SE3Pose
from .spaces.yaw import YawPose
from .prior import PosePrior
from .problem import PnPProblem
from .results import Linearization
from .ops.robust import adaptive_threshold
from .results import PoseModes
from .results import PoseSamples
from .results import PoseEstimate
from .solver import gauss_newton, gauss_newton_step, levenberg_marquardt
from .random_start import random_sample_init
from .settings import RandomSampleInit

__all__ = [
    "Camera",
    "Correspondences",
    "EProPnP4DoF",
    "EProPnP6DoF",
    "Linearization",
    "PnPProblem",
    "PoseEstimate",
    "PoseModes",
    "PosePrior",
    "PoseSamples",
    "RandomSampleInit",
    "SE3Pose",
    "YawPose",
    "adaptive_threshold",
    "gauss_newton",
    "gauss_newton_step",
    "implicit_pose",
    "implicit_pose_loss",
    "laplace_pose_loss",
    "levenberg_marquardt",
    "linear_covariance_loss",
    "monte_carlo_pose_loss",
    "pose_distance",
    "projection_loss",
    "random_sample_init",
    "reprojection_loss",
]
