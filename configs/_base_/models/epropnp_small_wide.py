# epropnp_small.py with 4 heads of 32 channels, as wide as those of the large model: object
# coordinates are read from them.
_base_ = ["./epropnp_small.py"]
model = dict(
    bbox_head=dict(
        dense_head=dict(embedding_channels=128),
        objects=dict(embed_dims=128, ffn_channels=128),
    )
)
