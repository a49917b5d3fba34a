"""Key names of the publicly released EPro-PnP-Det checkpoints, translated to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

# (v1 prefix, v2 prefix): v1 and v1b have the parameters of v2 without those of its 2D boxes and of
# two auxiliary losses.
V1_PREFIXES = (
    ("obj_query_scale.0.", "obj_query_scale."),
    ("pts_trans.0.", "pts_trans."),
    ("corr_regs.1.", "corr_reg."),
    ("corr_regs.0.", "corr_reg_aux."),
    ("scale_branch.", "w2d_scale_branch."),
    ("loss_pose.0.", "loss_pose."),
)

# (v2 prefix, our prefix), longest match first; relative to the detection head ("bbox_head.").
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
    ("corr_reg_aux.", "auxiliary.out_"),
    ("depth_branch.", "auxiliary.depth."),
    ("loss_proj.mean_inv_std", "losses.projection.scale"),
    ("loss_regr.mean_inv_std", "losses.coordinate.scale"),
    ("loss_regr.log_sigma", "losses.coordinate.log_sigma"),
    ("loss_depth.mean_inv_std", "losses.depth.scale"),
    ("loss_depth.log_sigma", "losses.depth.log_sigma"),
)

# Ours that serve the auxiliary losses alone; inference does not touch them.
AUXILIARY = ("auxiliary.", "losses.projection.", "losses.coordinate.", "losses.depth.")


def translate(state: Mapping[str, Tensor], auxiliary: bool = False) -> dict[str, Tensor]:
    """Head parameters of a released model, v1, v1b or v2, under our names.

    Args:
        state: names relative to the head.
        auxiliary: keep the parts that serve the auxiliary losses alone.

    Raises:
        KeyError: a name that no released model has.
    """
    ours = {known_name(name): value for name, value in state.items()}
    return {
        name: value for name, value in ours.items() if auxiliary or not name.startswith(AUXILIARY)
    }


def known_name(name: str) -> str:
    """`our_name` of a parameter of a released head.

    Raises:
        KeyError: a name that no released model has.
    """
    ours = our_name(name)
    if ours is None:
        raise KeyError(f"{name} is not a parameter of a released head")
    return ours


def our_name(name: str) -> str | None:
    """Our name of a head parameter as v1, v1b or v2 call it; None where no released model has it.
    Names are relative to the head.
    """
    return _replaced(_replaced(name, V1_PREFIXES) or name, V2_PREFIXES)


def released_name(name: str, v1: bool) -> str:
    """The inverse of `our_name`: what v1 and v1b, or v2, call a head parameter of ours.

    Raises:
        KeyError: a name that is not ours.
    """
    as_v2 = _replaced(name, _reversed(V2_PREFIXES))
    if as_v2 is None:
        raise KeyError(f"{name} is not a parameter of our head")
    return (_replaced(as_v2, _reversed(V1_PREFIXES)) if v1 else None) or as_v2


def _reversed(prefixes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(new, old) for old, new in prefixes]


def _replaced(name: str, prefixes: Sequence[tuple[str, str]]) -> str | None:
    """The name with the first prefix that fits replaced; None where none fits."""
    return next((new + name[len(old) :] for old, new in prefixes if name.startswith(old)), None)
