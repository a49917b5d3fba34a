"""Key names of the publicly released EPro-PnP-Det v2 checkpoints, translated to ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

# (released prefix, our prefix), longest match first; relative to the detection head ("bbox_head.").
V2_PREFIXES = (
    ("detector.", "dense_head."),
    ("cls_emb", "objects.class_embedding"),
    ("query_scale.scale", "objects.embedding_scale"),
    ("query_proj.", "objects.query."),
    ("attention_sampler.sampling_offsets.", "objects.sampler.sampling_offsets."),
    ("attention_sampler.out_proj.", "objects.sampler.out_proj."),
    ("attention_sampler.layer_norms.0.", "objects.sampler.norm_attention."),
    ("attention_sampler.layer_norms.1.", "objects.sampler.norm_ffn."),
    ("attention_sampler.ffn.layers.0.0.", "objects.sampler.ffn.0."),
    ("attention_sampler.ffn.layers.1.", "objects.sampler.ffn.3."),
    ("obj_query_scale.scale", "objects.points.query_scale"),
    ("x2d_pos_enc.", "objects.points.position."),
    ("pts_trans.attentions.0.attn.in_proj_", "objects.points.attention.in_proj."),
    ("pts_trans.attentions.0.attn.out_proj.", "objects.points.attention.out_proj."),
    ("pts_trans.norms.0.", "objects.points.norm_attention."),
    ("pts_trans.norms.1.", "objects.points.norm_ffn."),
    ("pts_trans.ffns.0.layers.0.0.", "objects.points.ffn.0."),
    ("pts_trans.ffns.0.layers.1.", "objects.points.ffn.3."),
    ("corr_reg.", "objects.points.out_"),
    ("convs.", "objects.dense.level_convs."),
    ("conv_upsampled.", "objects.dense.fuse."),
    ("k_proj.", "objects.dense.key."),
    ("v_proj.", "objects.dense.value."),
    ("pred_fc.", "objects.branches.hidden."),
    ("dim_branch.", "objects.branches.size."),
    ("velo_branch.", "objects.branches.velocity."),
    ("attr_branch.", "objects.branches.attribute."),
    ("w2d_scale_branch.", "objects.branches.log_scale."),
    ("score_branch.", "objects.branches.score."),
    ("loss_pose.norm_factor", "losses.pose.scale"),
)

# Parts that serve auxiliary losses only; inference does not touch them.
V2_AUXILIARY = ("corr_reg_aux.", "loss_proj.", "loss_regr.", "loss_depth.", "depth_branch.")


def translate_v2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Head parameters of a released v2 model under our names; auxiliary parts are left out.

    Args:
        state: names relative to the head.

    Raises:
        KeyError: a name that no released v2 model has.
    """
    return {_rename(name): value for name, value in state.items() if not name.startswith(V2_AUXILIARY)}


def _rename(name: str) -> str:
    for old, new in V2_PREFIXES:
        if name.startswith(old):
            return new + name[len(old) :]
    raise KeyError(f"{name} is not a parameter of the released v2 head")
