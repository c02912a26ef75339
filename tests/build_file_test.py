"""BUILD has every source once, and exactly the deps that are imported."""

import ast
import collections
import pathlib

from absl.testing import absltest

# Not resolved: under Bazel this is a folder of links, with a link to BUILD.
ROOT = pathlib.Path(__file__).parent.parent
# Files of one folder that a reader can still survey.
MOST_FILES = 16


def _glob(patterns, exclude=(), allow_empty=False) -> list[str]:
    def find(patterns) -> set[str]:
        return {
            path.relative_to(ROOT).as_posix()
            for pattern in patterns
            for path in ROOT.glob(pattern)
            if path.is_file()
        }

    found = sorted(find(patterns) - find(exclude))
    if not found and not allow_empty:
        raise AssertionError(f"glob({patterns}) finds nothing")
    return found


def _read_targets() -> dict[str, dict[str, list[str]]]:
    """The name of each py_* target -> its srcs, deps and data.

    BUILD is Starlark, and all that it uses of it is Python as well.
    """
    targets = {}

    def target(name, srcs, deps=(), data=(), testonly=False):
        assert name not in targets, name
        targets[name] = {"srcs": srcs, "deps": list(deps), "data": list(data)}

    known = {
        "load": lambda *names: None,
        "package": lambda **options: None,
        "glob": _glob,
        **dict.fromkeys(("py_library", "py_binary", "py_test"), target),
    }
    exec(compile((ROOT / "BUILD").read_text(), "BUILD", "exec"), known)
    return targets


def _file_of(module: str) -> str | None:
    """The file in this project that defines `module`."""
    path = module.replace(".", "/")
    if path.split("/")[0] in ("tf_autoformer", "benchmarks", "tests"):
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if (ROOT / file).is_file():
                return file
    return None


def _imported_files(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:  # A module, or a name within one.
                member = f"{node.module}.{alias.name}"
                names.add(member if _file_of(member) else node.module)
    return {file for name in names if (file := _file_of(name))}


class BuildFileTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.targets = _read_targets()
        self.owners = collections.defaultdict(set)
        for name, target in self.targets.items():
            for source in target["srcs"]:
                self.owners[source].add(name)

    def _fail_on(self, problems: list[str]) -> None:
        if problems:
            self.fail("\n" + "\n".join(problems))

    def test_every_module_is_in_exactly_one_target(self):
        self._fail_on(
            [
                f"{source} is in {sorted(self.owners[source]) or 'no target'}"
                for folder in ("tf_autoformer", "benchmarks", "tests")
                for source in _glob([f"{folder}/**/*.py"])
                if len(self.owners[source]) != 1
            ]
        )

    def test_every_test_file_has_a_target_of_its_name(self):
        for source in _glob(["tests/**/*_test.py"]):
            name = source.removesuffix(".py")
            self.assertEqual(self.targets[name]["srcs"], [source])

    def test_every_dep_is_a_target(self):
        for name, target in self.targets.items():
            for dep in target["deps"]:
                self.assertIn(dep[1:], self.targets, name)

    def test_deps_are_exactly_the_direct_imports(self):
        problems = []
        for name, target in self.targets.items():
            if name.startswith("test"):  # They depend on all there is.
                continue
            files = set().union(*map(_imported_files, target["srcs"]))
            owners = set().union(*(self.owners[file] for file in files))
            wanted = {f":{owner}" for owner in owners - {name}}
            found = set(target["deps"])
            if wanted - found:
                problems.append(f"{name} lacks deps {sorted(wanted - found)}")
            if found - wanted:
                problems.append(
                    f"{name} has superfluous deps {sorted(found - wanted)}"
                )
        self._fail_on(problems)

    def test_tests_depend_on_all_there_is(self):
        tested = {
            f":{name}" for name in self.targets if not name.startswith("test")
        }
        self.assertEqual(set(self.targets["testing"]["deps"]), tested)

    def test_no_room_has_more_files_than_one_can_survey(self):
        sizes = collections.Counter(
            pathlib.PurePath(file).parent.as_posix()
            for file in _glob(["tf_autoformer/*/**/*.py"])
        )
        for room, size in sizes.items():
            self.assertLessEqual(size, MOST_FILES, room)


if __name__ == "__main__":
    absltest.main()
