"""The tiny network and search spaces of the tests."""

from tf_autoformer.space import model, search_space

MODEL = model.ModelConfig(
    num_classes=5,
    image_size=12,
    patch_size=4,
    head_dim=4,
    max_relative_offset=1,
    init_stddev=0.1,
)
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0, 2.0),
)
# It has one depth, so that a training step has one trace.
SMALL_SPACE = search_space.SearchSpace(
    embed_dims=(8, 12), depths=(2,), num_heads=(1, 2), mlp_ratios=(0.5, 1.0)
)
