"""Checkpoints while training."""

from __future__ import annotations

from pathlib import Path

from mmcv.runner import HOOKS, BaseRunner, CheckpointHook
from mmcv.runner.dist_utils import master_only

from ..checkpoint_folder import CheckpointFolder
from ..saving import save_training


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmcv's `CheckpointHook`, whose files are whole or absent whenever the training ends.

    `max_keep_ckpts` counts the checkpoints of this training alone; those of earlier trainings in
    the folder stay. Epochs may have checkpoints inside them (`by_epoch=False`). The arguments are
    those of mmcv's hook; the folder is one of this machine, so `file_client_args` has no effect.
    """

    def before_run(self, runner: BaseRunner) -> None:
        self.folder = CheckpointFolder(folder_of(runner.work_dir, self.out_dir))
        runner.logger.info("checkpoints: %s", self.folder.path)

    @master_only
    def _save_checkpoint(self, runner: BaseRunner) -> None:
        default = "epoch_{}.pth" if self.by_epoch else "iter_{}.pth"
        number = (runner.epoch if self.by_epoch else runner.iter) + 1
        name = self.args.get("filename_tmpl", default).format(number)
        save_training(runner, self.folder.path / name, self.save_optimizer)
        self.folder.add(name, self.max_keep_ckpts, self.args.get("create_symlink", True))


def folder_of(work_dir: str | Path, out_dir: str | Path | None) -> Path:
    """Where checkpoints go: the work dir, or a folder of its name in `out_dir`."""
    work_dir = Path(work_dir)
    return Path(out_dir) / work_dir.name if out_dir else work_dir
