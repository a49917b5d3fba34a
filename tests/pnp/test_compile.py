"""Inference as one graph: fixed iterations, no data-dependent branch, no copy to the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, RandomSampleInit, gauss_newton_step, kernels, monte_carlo_pose_loss
from epropnp_det.pnp.space import PoseSpace
from tests.pnp import scenes
from tests.pnp.scenes import SPACES
from tests.tolerances import EXACT_FLOAT32

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
# Little enough to trace in seconds, as every iteration is traced; and as much as it takes to converge.
SHORT = dict(mc_samples=32, amis_rounds=2, lm_iterations=1, init=RandomSampleInit(4, 6, 1))
WHOLE = dict(mc_samples=128)


class Inference(torch.nn.Module):
    """Correspondences in; pose, covariance, samples and their weights out."""

    def __init__(self, space: type[PoseSpace], settings: dict[str, object]) -> None:
        super().__init__()
        self.layer = scenes.layer(space, **settings)

    def forward(self, x3d: Tensor, x2d: Tensor, w2d: Tensor, mask: Tensor, matrix: Tensor) -> tuple[Tensor, ...]:
        limits = torch.full_like(matrix[..., 0, :2], -200), torch.full_like(matrix[..., 0, :2], 1800)
        problem = PnPProblem.adaptive(Correspondences(x3d, x2d, w2d, mask), Camera(matrix, *limits))
        estimate, samples = self.layer(problem)
        told = (estimate.valid, estimate.matrix(), samples.mean, samples.quantiles([0.5]), samples.effective_sample_size)
        return estimate.pose, estimate.covariance, samples.pose, samples.log_weights, *told


def inputs(space: type[PoseSpace], device: str = "cpu", number: int = 5) -> tuple[Tensor, ...]:
    points = scenes.problem((number,), dtype=torch.float32, space=space)[0].points
    mask = (torch.arange(24) < 20).expand(number, -1)
    values = (points.x3d, points.x2d, points.w2d, mask, scenes.camera(torch.float32).matrix.expand(number, 3, 3))
    return tuple(value.contiguous().to(device) for value in values)


@SPACES
def test_inference_compiles_to_a_single_graph(space: type[PoseSpace]) -> None:
    torch._dynamo.reset()
    inference, given = Inference(space, SHORT), inputs(space)
    # The compiler traces the plain implementation.
    with torch.no_grad(), torch.random.fork_rng(), kernels.only("eager"):
        torch.manual_seed(0)
        expected = inference(*given)
        torch.manual_seed(0)
        actual = torch.compile(inference, fullgraph=True, backend="eager")(*given)
    assert expected[4].all()
    for first, second in zip(expected, actual):
        assert torch.equal(first, second)


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda', but CUDA is not available")
@SPACES
def test_inference_asks_a_gpu_for_no_value(space: type[PoseSpace]) -> None:
    """Tensors of shape, dtype and device alone: reading a value raises, and so does a tensor made on the wrong device."""
    inference, given = Inference(space, SHORT), inputs(space)
    with FakeTensorMode(), torch.no_grad():
        told = inference(*(torch.empty(value.shape, dtype=value.dtype, device="cuda") for value in given))
    assert {value.device.type for value in told} == {"cuda"} and told[0].shape == (5, space.dim)


@pytest.mark.parametrize(
    "mistake",
    [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.cpu() + x, lambda x: x + torch.tensor([1.0, 2.0, 3.0]), torch.nonzero],
    ids=["item", "mask", "cpu", "constant", "nonzero"],
)
def test_mistakes_raise_on_a_gpu_without_values(mistake: Callable[[Tensor], object]) -> None:
    with FakeTensorMode(), pytest.raises(RuntimeError, match="aten"):
        mistake(torch.empty(3, device="cuda"))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raises where the host would wait for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@gpu
@SPACES
def test_inference_never_makes_the_gpu_wait(space: type[PoseSpace]) -> None:
    inference, given = Inference(space, WHOLE), inputs(space, "cuda")
    with torch.no_grad():
        inference(*given)  # libraries are loaded and kernels compiled the first time
        with no_waiting():
            inference(*given)


@gpu
@SPACES
def test_training_never_makes_the_gpu_wait(space: type[PoseSpace]) -> None:
    x3d, x2d, w2d, mask, matrix = inputs(space, "cuda")
    pose = scenes.problem((5,), dtype=torch.float32, space=space)[1].cuda()
    generator, layer = torch.Generator("cuda").manual_seed(0), scenes.layer(space, **WHOLE)
    size = torch.tensor(scenes.SIZE, dtype=torch.float32, device="cuda").expand(5, 2)
    values = [value.requires_grad_() for value in (x3d, x2d, w2d)]

    def step() -> tuple[Tensor, ...]:
        problem = PnPProblem.adaptive(Correspondences(*values, mask), Camera(matrix, -200 + 0 * size, size + 200))
        estimate, samples = layer(problem, pose, generator)
        loss = monte_carlo_pose_loss(samples, problem.cost(pose)).sum() + gauss_newton_step(problem, estimate.pose).sum()
        return torch.autograd.grad(loss, values)

    step()
    with no_waiting():
        gradients = step()
    assert all(gradient.isfinite().all() for gradient in gradients)


@gpu
@SPACES
def test_inference_replays_as_a_cuda_graph(space: type[PoseSpace]) -> None:
    inference, given = Inference(space, WHOLE), inputs(space, "cuda")
    with torch.no_grad():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            inference(*given)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            told = inference(*given)
        expected = inference(*given)[0]
        graph.replay()
    # Other random numbers, the same solutions.
    assert told[4].all()
    torch.testing.assert_close(told[0], expected, rtol=1e-2, atol=1e-2)


@gpu
@SPACES
def test_cost_and_normal_equations_are_those_of_the_cpu(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((5,), space=space)
    here, there = problem.linearize(pose), problem.to("cuda").linearize(pose.cuda())
    for name in ("cost", "gradient", "hessian"):
        expected = getattr(here, name)
        torch.testing.assert_close(
            getattr(there, name).cpu(), expected, rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32 * float(expected.abs().max())
        )
