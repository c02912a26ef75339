"""BUILD names every source once, and exactly the targets that it imports."""

import ast
import collections
import json
import pathlib

from absl.testing import absltest

# Not resolved: under Bazel this is a folder of links, with a link to BUILD.
ROOT = pathlib.Path(__file__).parent.parent


def _glob(pattern: str) -> list[str]:
    return sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob(pattern))


def _evaluate(node: ast.expr) -> list[str]:
    """Files or labels of a list, a glob([...]) or a sum of the two."""
    if isinstance(node, ast.BinOp):
        return _evaluate(node.left) + _evaluate(node.right)
    if isinstance(node, ast.Call):
        patterns = ast.literal_eval(node.args[0])
        return [file for pattern in patterns for file in _glob(pattern)]
    return ast.literal_eval(node)


def _read_targets() -> dict[str, dict[str, list[str]]]:
    """Maps the name of each py_* target to its srcs, deps and data."""
    targets = {}
    for statement in ast.parse((ROOT / "BUILD").read_text()).body:
        call = getattr(statement, "value", None)
        if isinstance(call, ast.Call) and call.func.id.startswith("py_"):
            fields = {keyword.arg: keyword.value for keyword in call.keywords}
            targets[ast.literal_eval(fields["name"])] = {
                field: _evaluate(fields[field]) if field in fields else []
                for field in ("srcs", "deps", "data")
            }
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

    def _deps_of(self, name: str, sources: list[str]) -> set[str]:
        files = set().union(*map(_imported_files, sources))
        unowned = {f"a target for {f}" for f in files if not self.owners[f]}
        owners = set().union(*(self.owners[file] for file in files)) - {name}
        return {f":{owner}" for owner in owners} | unowned

    def _fail_on(self, problems: list[str]) -> None:
        if problems:
            self.fail("\n" + "\n".join(problems))

    def test_every_module_is_in_exactly_one_target(self):
        self._fail_on(
            [
                f"{source} is in {sorted(self.owners[source]) or 'no target'}"
                for folder in ("tf_autoformer", "benchmarks")
                for source in _glob(f"{folder}/**/*.py")
                if len(self.owners[source]) != 1
            ]
        )

    def test_every_test_file_has_a_target(self):
        problems = []
        for source in _glob("tests/**/*_test.py"):
            name = source.removesuffix(".py")
            if self.owners[source] != {name}:
                deps = json.dumps(sorted(self._deps_of(name, [source])))
                problems.append(
                    f'py_test(\n    name = "{name}",\n'
                    f'    srcs = ["{source}"],\n    deps = {deps},\n)\n'
                )
        self._fail_on(problems)

    def test_every_named_file_exists(self):
        for name, target in self.targets.items():
            self.assertNotEmpty(target["srcs"], f"{name}: no srcs")
            for file in target["srcs"] + target["data"]:
                known = file[1:] in self.targets or (ROOT / file).is_file()
                self.assertTrue(known, f"{name}: no {file}")

    def test_deps_are_exactly_the_direct_imports(self):
        problems = []
        for name, target in self.targets.items():
            found = set(target["deps"])
            sources = [s for s in target["srcs"] if (ROOT / s).is_file()]
            wanted = self._deps_of(name, sources)
            if wanted - found:
                problems.append(f"{name} lacks deps {sorted(wanted - found)}")
            if found - wanted:
                problems.append(
                    f"{name} has superfluous deps {sorted(found - wanted)}"
                )
        self._fail_on(problems)


if __name__ == "__main__":
    absltest.main()
