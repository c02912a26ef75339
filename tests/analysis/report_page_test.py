"""The page is whole, stands alone, escapes all it shows, and can be typed."""

import dataclasses
import functools
import html.parser
import pathlib
import re
import shlex

import numpy as np
from absl.testing import absltest, parameterized

from tests.helpers import options
from tf_autoformer import export, files
from tf_autoformer.analysis import pictures, report_page
from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost, search_space
from tf_autoformer.space import model as model_lib

SPACE = search_space.SEARCH_SPACES["digits"]
MODEL = model_lib.ModelConfig(num_classes=10, image_size=8, patch_size=2)
LATENCY = cost.Cost(
    "latency", "ms", lambda _, subnet: subnet.depth / 2, "milliseconds"
)
COSTS = (*cost.COSTS, LATENCY)
NASTY = "<script>alert('&')</script> Größe 大"
# Elements of HTML without an end tag.
VOID = {"meta"}


def _candidate(number: int, origin: str) -> selection.Candidate:
    architecture = architecture_lib.Architecture(
        embed_dim=16 * (number + 1), depth=2, num_heads=(1, 2), mlp_ratio=(1, 4)
    )
    return selection.Candidate(
        generation=number // 3,
        architecture=architecture,
        accuracy=0.9 - number / 100,
        # Joules were measured, and no cost of the report tells their unit.
        costs=cost.measured(COSTS, MODEL, architecture) | {"joules": 0.25},
        origin=origin,
    )


RANKING = [
    _candidate(number, origin)
    for number, origin in enumerate(
        ("random", "random", "random", "crossover", "mutation", NASTY, "")
    )
]


def _content(**changes) -> report_page.Content:
    labels = [NASTY, "8", "7"]
    images = np.random.default_rng(0).random([3, 8, 8, 3])
    content = report_page.Content(
        title="Search default in runs/digits",
        warning=None,
        facts={"Seed": "17"},
        compared=report_page.Table(
            ["subnet", "test"], [["found by the search", "97.5%"]]
        ),
        remark="the random ones range",
        measurement="the subnet found has 3.00 ms",
        accuracy="export/1 on the test split: 96.5%",
        answers=report_page.Table(["right", "answer"], [["7", "1"]]),
        images=pictures.predictions(images, labels, labels),
        ranking=RANKING,
        found=RANKING[0].architecture,
        parents=2,
        model=MODEL,
        space=SPACE,
        costs=COSTS,
        further_costs=(LATENCY,),
        measured={RANKING[1].architecture: 1.2345678},
        commands=["python -m a", "python -m b"],
    )
    return dataclasses.replace(content, **changes)


@functools.cache
def _page() -> str:
    return report_page.render(_content())


class Page(html.parser.HTMLParser):
    """A page, whose tags are checked.

    Attributes:
      attributes: Name and value of each attribute of the elements.
      texts: Text of the page, piece by piece.
      tables: Rows of each table, each a list of its cells' texts.
    """

    def __init__(self, text: str):
        super().__init__()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][-1].append(data)

    @property
    def ids(self) -> list[str]:
        return [value for name, value in self.attributes if name == "id"]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


class ReportPageTest(parameterized.TestCase):
    def test_it_is_well_formed_and_has_every_section(self):
        page = Page(_page())
        self.assertContainsSubset(
            {
                "searched",
                "found",
                "front",
                "progress",
                "operators",
                "architectures",
                "costs",
                "export",
                "answers",
            },
            page.ids,
        )
        for text in (
            "Search default in runs/digits",
            "17",
            "the random ones range",
            "the subnet found has 3.00 ms",
            "export/1 on the test split: 96.5%",
            "python -m b",
            "1: 90.0% with ",
            "Architecture: embed dim 16, depth 2",
            "milliseconds",
        ):
            self.assertIn(text, page.text)
        self.assertNotIn("Warning.", page.text)
        self.assertEqual(_page().count("<svg"), 2 + 2 + report_page.TOP + 1)

    def test_ids_are_unique_and_links_lead_to_them(self):
        page = Page(_page())
        self.assertLen(set(page.ids), len(page.ids))
        links = re.findall(r'(?:href="|url\()#([^")]*)', _page())
        self.assertNotEmpty(links)
        self.assertContainsSubset(links, page.ids)

    def test_it_needs_no_other_file(self):
        self.assertNotIn("http", _page())
        self.assertNotIn("@import", _page())
        for name, value in Page(_page()).attributes:
            if name in ("src", "href", "xlink:href"):
                self.assertRegex(value, "^(#|data:image/png;base64,)")
            self.assertNotRegex(value, r"url\((?!#)")

    def test_all_that_it_shows_is_escaped(self):
        nasty = report_page.Table([NASTY], [[NASTY, NASTY]])
        text = report_page.render(
            _content(
                ranking=RANKING[5:],
                title=NASTY,
                warning=NASTY,
                facts={NASTY: NASTY},
                compared=nasty,
                answers=nasty,
                remark=NASTY,
                measurement=NASTY,
                accuracy=NASTY,
                commands=[NASTY],
            )
        )
        page = Page(text)
        self.assertNotIn("<script", text)
        self.assertIn("Warning.", page.text)
        # The title twice; two tables, an operator in a table and a legend, and
        # the label of an image.
        self.assertEqual(page.text.count(NASTY), 2 + 1 + 2 + 6 + 3 + 1 + 2 + 1)

    def test_the_tables_have_the_figures(self):
        _, yields, costs, _ = Page(_page()).tables
        self.assertEqual(yields[0][-1], "entered the top 2")
        self.assertEqual(
            yields[1], ["random", "3", "89.0%", "90.0%", "2 (67%)"]
        )
        self.assertEqual(
            yields[2], ["crossover", "1", "87.0%", "87.0%", "0 (0%)"]
        )
        self.assertEqual(yields[-1][0], "not recorded")

        self.assertEqual(
            costs[0],
            [
                *("subnet", "validation", "params", "MACs", "ms", "joules"),
                *("ms measured", "embed dim", "depth", "generation"),
            ],
        )
        self.assertLen(costs, 1 + report_page.TOP + 2)
        self.assertEqual(
            costs[1],
            [
                *("1", "90.0%"),
                f"{cost.params(MODEL, RANKING[0].architecture):,}",
                f"{cost.macs(MODEL, RANKING[0].architecture):,}",
                *("1.00", "0.25", "–", "16", "2", "0"),
            ],
        )
        self.assertEqual(costs[2][6], "1.23")
        self.assertEqual(
            costs[-1],
            [
                *("largest", "–"),
                f"{cost.params(MODEL, SPACE.largest):,}",
                f"{cost.macs(MODEL, SPACE.largest):,}",
                *("2.00", "–", "–", "96", "4", "–"),
            ],
        )

    @parameterized.parameters(None, "gs://bucket/my data")
    def test_its_commands_are_those_of_export(self, data_dir):
        folder = pathlib.Path(self.create_tempdir().full_path) / "it's $HOME"
        path = folder / "top_1.json"
        subnet = RANKING[0].architecture
        files.write_json(path, subnet.to_dict())
        command = report_page.export_command(folder, path, data_dir)
        # A shell joins lines that end in a backslash.
        python, *arguments = shlex.split(command.replace("\\\n", ""))
        self.assertEqual(
            [python, *arguments[:2]], ["python", "-m", export.__spec__.name]
        )
        found = options.parse(export.Options, *arguments[2:])
        self.assertEqual(
            found,
            export.Options(
                workdir=folder,
                data_dir=data_dir,
                architecture=subnet,
                export_dir=folder / "top_1",
            ),
        )


if __name__ == "__main__":
    absltest.main()
