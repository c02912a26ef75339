"""A flag of the benchmarks that is wrong is named before anything runs."""

import pathlib

from absl.testing import absltest

from tests.helpers import processes

PAGE = "# Speed\n\nNo table here.\n"


class FlagsTest(processes.MistakeTest):
    def _run(self, *arguments: str) -> processes.Result:
        return processes.run(
            "against_official", *arguments, package="benchmarks"
        )

    def _official(self) -> pathlib.Path:
        """A folder that looks like a clone of the official code."""
        file = self.folder / "AutoFormer/model/supernet_transformer.py"
        file.parent.mkdir(parents=True)
        file.touch()
        return self.folder

    def test_a_bad_flag_is_named_in_one_line(self):
        official = f"--official_repo={self._official()}"
        empty = self.folder / "AutoFormer/model"
        for arguments, pattern in (
            ([], "official_repo is missing; it must be a clone of https://git"),
            (
                [f"--official_repo={empty}"],
                "official_repo is .*model; it must hold AutoFormer/model/super",
            ),
            (
                [official, "--models=huge"],
                "models is 'huge'.* tiny, small, bas",
            ),
            ([official, "--models="], "models is ''; it must be some of tiny"),
            ([official, "--models=digits"], "models is 'digits'"),
            (
                [official, "--cases=train,x"],
                "cases is 'train,x'; it must be some of train, forward, update",
            ),
            ([official, "--precisions=half"], "is 'half'.* float32, bfloat16"),
            (
                [official, "--precisions=bfloat16", "--cases=update"],
                "precisions is bfloat16; it must have float32 for update",
            ),
            (
                [official, "--device=gpu", "--cases=inference"],
                "cases is 'inference'; it must be some of train, forward, upd",
            ),
            ([official, "--device=tpu"], "device=tpu"),
            (
                [official, "--official_python=/none"],
                "official_python is '/none'; it must be an interpreter that",
            ),
            ([official, "--batch_size=0"], "batch_size=0"),
            ([official, "--rounds=0"], "rounds=0"),
            ([official, "--steps=x"], "steps=x"),
            ([official, "--seed=-1"], "seed=-1"),
            ([official, "stray"], "stray"),
        ):
            with self.subTest(" ".join(arguments)):
                result = self._run(*arguments)
                self.check_mistake(result, pattern)
                self.assertEmpty(result.out)

    def test_places_that_cannot_be_written_are_named_before_the_work(self):
        official = f"--official_repo={self._official()}"
        page = self.folder / "page.md"
        page.write_text(PAGE)
        for argument, pattern in (
            (f"--update={page}", "page.md must have a line .*begin"),
            (f"--update={self.new}", "cannot read .*new"),
            (f"--json={page}/figures.json", "cannot write to .*page.md"),
        ):
            with self.subTest(argument):
                result = self._run(official, argument)
                self.check_mistake(result, pattern)
                self.assertEmpty(result.out)
        self.assertEqual(page.read_text(), PAGE)
        self.assertFalse(self.new.exists())


if __name__ == "__main__":
    absltest.main()
