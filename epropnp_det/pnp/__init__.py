"""The EPro-PnP layer. Needs torch alone; docs/conventions.md has frames and units, docs/equations.md the paper."""

from .alternatives import implicit_pose, implicit_pose_loss, laplace_pose_loss, pose_distance, reprojection_loss
from .camera import Camera
from .correspondences import Correspondences
from .layer import EProPnP4DoF, EProPnP6DoF
from .loss import monte_carlo_pose_loss
from .pose import SE3Pose, YawPose
from .problem import Linearization, PnPProblem
from .robust import adaptive_threshold
from .sampler import PoseSamples
from .solver import PoseEstimate, gauss_newton, gauss_newton_step, levenberg_marquardt
from .start import RandomSampleInit, random_sample_init

# Register themselves, the one asked first last; after everything they are made of.
from .kernels import eager as _eager
from .kernels.cuda import fused as _fused
from .kernels.cpu import native as _native

__all__ = [
    "Camera",
    "Correspondences",
    "EProPnP4DoF",
    "EProPnP6DoF",
    "Linearization",
    "PnPProblem",
    "PoseEstimate",
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
    "monte_carlo_pose_loss",
    "pose_distance",
    "random_sample_init",
    "reprojection_loss",
]
