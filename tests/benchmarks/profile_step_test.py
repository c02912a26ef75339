"""A flag of the profile that is wrong is named before anything runs."""

from absl.testing import absltest

from tests.helpers import processes


class FlagsTest(processes.MistakeTest):
    def test_a_bad_flag_is_named_in_one_line(self):
        for arguments, pattern in (
            (["--case=fly"], "case=fly.*train.*memory"),
            (["--model=digits"], "model=digits"),
            (
                ["--case=inference", "--precision=bfloat16"],
                "precision is bfloat16; it must be float32 for inference",
            ),
            (
                ["--case=update", "--threads=2"],
                "threads is 2; it must not be given for update",
            ),
            (["--threads=0"], "threads=0"),
            (["--steps=0"], "steps=0"),
            (["--batch_size=x"], "batch_size=x"),
            (["stray"], "stray"),
        ):
            with self.subTest(" ".join(arguments)):
                result = processes.run(
                    "profile_step", *arguments, package="benchmarks"
                )
                self.check_mistake(result, pattern)
                self.assertEmpty(result.out)


if __name__ == "__main__":
    absltest.main()
