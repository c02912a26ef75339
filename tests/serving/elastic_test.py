"""Subnets that share one copy of the weights answer as each one alone."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.serving import elastic
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model, search_space
from tf_autoformer.supernet import subnet as subnet_lib
from tf_autoformer.supernet import supernet as supernet_lib

Architecture = architecture_lib.Architecture
SPACE = search_space.SearchSpace(
    embed_dims=(8, 12, 16),
    depths=(1, 2, 3),
    num_heads=(1, 2, 3),
    mlp_ratios=(0.5, 1.0),
)
# None is the largest in every dimension, and none has 3 blocks or 16 channels.
SUBNETS = (
    Architecture(8, 2, (1, 3), (1.0, 0.5)),
    Architecture(12, 1, (2,), (0.5,)),
)


def _supernet(**fields) -> supernet_lib.Supernet:
    """One whose every weight matters."""
    tf.keras.utils.set_random_seed(1)
    config = model.ModelConfig(
        num_classes=5,
        image_size=12,
        patch_size=4,
        head_dim=4,
        max_relative_offset=1,
        **fields,
    )
    supernet = supernet_lib.Supernet(config, SPACE)
    for variable in supernet.variables:
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.3))
    return supernet


class ElasticTest(parameterized.TestCase):
    @parameterized.parameters(
        ("cls", "absolute", "flat", None),
        ("average", "relative_keys", "heads", None),
        ("average", "both", "heads", (8, 20)),
    )
    def test_each_answers_as_alone(self, pooling, position, layout, size):
        supernet = _supernet(
            pooling=pooling, position=position, qkv_bias_layout=layout
        )
        shared = elastic.ElasticSubnets(supernet, SUBNETS, size)
        images = np.random.default_rng(0).normal(size=[3, *shared.image_shape])
        for each in SUBNETS:
            alone = subnet_lib.inherit(supernet, each, size)
            wanted = alone(images).numpy()
            self.assertGreater(np.std(wanted, axis=0).min(), 0.02)
            logits = tf.function(shared.logits(each), autograph=False)
            found = logits(tf.constant(images, tf.float32))
            np.testing.assert_allclose(found, wanted, atol=1e-5)

    def test_the_variables_are_no_larger_than_all_need(self):
        supernet = _supernet()
        shared = elastic.ElasticSubnets(supernet, SUBNETS)
        wanted = {}
        for each in SUBNETS:
            for weight in subnet_lib.inherit(supernet, each).weights:
                largest = wanted.get(weight.name, weight.shape)
                wanted[weight.name] = np.maximum(largest, weight.shape)
        self.assertLen(shared.variables, len(wanted))
        self.assertEqual(
            sum(np.prod(each.shape) for each in shared.variables),
            sum(map(np.prod, wanted.values())),
        )

    def test_a_graph_holds_each_part_once(self):
        shared = elastic.ElasticSubnets(_supernet(), SUBNETS)
        images = tf.TensorSpec([None, *shared.image_shape], tf.float32)
        for each in SUBNETS:
            tf.function(
                shared.logits(each), autograph=False
            ).get_concrete_function(images)
        traces = [
            each.experimental_get_tracing_count() for each in shared._programs
        ]
        self.assertEqual(traces, [1] * 4)

    def test_another_space_or_size_is_refused(self):
        supernet = _supernet()
        with self.assertRaisesRegex(errors.InputError, "embed_dim is 10"):
            elastic.ElasticSubnets(
                supernet, [Architecture(10, 1, (1,), (1.0,))]
            )
        with self.assertRaisesRegex(errors.InputError, "image_size is 13"):
            elastic.ElasticSubnets(supernet, SUBNETS, 13)


if __name__ == "__main__":
    absltest.main()
