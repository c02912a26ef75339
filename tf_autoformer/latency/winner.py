"""The subnet that a search under a latency found is measured itself."""

import logging
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tf_autoformer import errors, files
from tf_autoformer.evolution import selection
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.latency import bound, runtimes
from tf_autoformer.latency import measurements as measurements_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import constraint

_LOGGER = logging.getLogger(__name__)
Architecture = architecture_lib.Architecture

# Candidates that are measured until one has the wanted latency: the most
# accurate first, and in the end those that should have it if the predictions
# are as wrong for them as for these.
_FIRST = 5
_MOST = 10


class Winner:
    """Chooses the most accurate candidate whose measured latency is allowed.

    What was measured is in `search/NAME/latency.jsonl`. A search that goes on
    reads it there, so that it makes the same choice.

    Args:
      workdir: Working folder of the supernet.
      name: Name of the search.
      setting: Setting of the measurements that latencies are predicted from.
      allowed: Allowed latency in milliseconds.

    Raises:
      InputError: The file in the folder is damaged or of another setting.
    """

    def __init__(
        self,
        workdir: workdir_lib.Workdir,
        name: str,
        setting: measurements_lib.Setting,
        allowed: constraint.Range,
    ):
        self._workdir = workdir
        self._setting = setting
        self._allowed = allowed
        self._path = workdir.search(name).latency
        self._measured: dict[Architecture, float] = {}
        self._read()

    def _read(self) -> None:
        found = measurements_lib.Measurements(self._path)
        if found.setting is not None:
            with errors.about(self._path):
                found.setting.require(self._setting)
            self._measured = found.latencies

    def choose(
        self, ranking: Sequence[selection.Candidate]
    ) -> selection.Candidate:
        """The best candidate, as far as its latency is known.

        It is the first of the first candidates that is not known to violate the
        bound, or else the first one that is known to keep it, or else the most
        accurate one.
        """
        for candidate in ranking[:_FIRST]:
            if self._keeps(candidate) is not False:
                return candidate
        kept = filter(self._keeps, ranking)
        return next(kept, ranking[0])

    def confirm(self, ranking: Sequence[selection.Candidate]) -> None:
        """Measures candidates until `choose` takes a measured one.

        On another machine than that of the measurements, or without the
        runtime, nothing is measured.
        """
        if not self._is_here():
            return
        while (candidate := self._next(ranking)) is not None:
            if not self._measure(candidate.architecture):
                return
            _LOGGER.info("%s", self.line(candidate))
        if not self._keeps(self.choose(ranking)):
            _LOGGER.warning(
                "none of the %d candidates that were measured has latency_ms "
                "%s; the most accurate one is kept",
                sum(self._keeps(each) is not None for each in ranking),
                self._allowed,
            )

    def _next(
        self, ranking: Sequence[selection.Candidate]
    ) -> selection.Candidate | None:
        """The candidate to measure next. None: enough is known."""
        chosen = self.choose(ranking)
        keeps = self._keeps(chosen)
        if keeps is None:
            return chosen
        known = [each for each in ranking if self._keeps(each) is not None]
        if keeps or len(known) >= _MOST:
            return None
        # The predictions seem to be too low.
        factor = statistics.fmean(
            self._measured[each.architecture] / each.costs[bound.COST.name]
            for each in known
        )
        return next(
            (
                each
                for each in ranking
                if self._keeps(each) is None
                and not self._allowed.violation(
                    factor * each.costs[bound.COST.name]
                )
            ),
            None,
        )

    def _keeps(self, candidate: selection.Candidate) -> bool | None:
        """Whether a candidate keeps the bound. None: it was not measured."""
        measured = self._measured.get(candidate.architecture)
        return (
            None if measured is None else not self._allowed.violation(measured)
        )

    def line(self, candidate: selection.Candidate) -> str:
        """The predicted and the measured latency of a candidate."""
        predicted = candidate.costs[bound.COST.name]
        text = (
            f"candidate of {candidate.accuracy:.1%}: predicted "
            f"{bound.COST.text(predicted)}, "
        )
        measured = self._measured.get(candidate.architecture)
        if measured is None:
            return f"{text}not measured itself"
        text += f"measured {bound.COST.text(measured)}"
        if self._allowed.violation(measured):
            text += f", which is not {self._allowed}"
        return text

    def _is_here(self) -> bool:
        """Whether this is the machine, with the runtime, of the others."""
        setting = self._setting
        try:
            here = runtimes.machine(), runtimes.version(setting.runtime)
        except errors.InputError:
            here = ()
        if here != (setting.machine, setting.version):
            _LOGGER.info(
                "latencies are of %s; the subnet found is not measured here",
                setting,
            )
            return False
        return True

    def _measure(self, architecture: Architecture) -> bool:
        """Measures an architecture as the others were. False: it failed."""
        setting = self._setting
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "architecture.json"
            files.write_json(file, architecture.to_dict())
            # A process of its own: threads are as they were, and nothing of
            # the search is in its memory.
            ended = subprocess.run(
                [
                    *(sys.executable, "-m", "tf_autoformer.measure"),
                    f"--workdir={self._workdir.root}",
                    f"--architectures={file}",
                    f"--models={folder}/models",
                    f"--output={self._path}",
                    f"--runtime={setting.runtime}",
                    f"--batch_size={setting.batch_size}",
                    f"--threads={setting.threads}",
                    f"--clock={setting.clock}",
                ],
                check=False,
                stdout=subprocess.DEVNULL,  # Its summary of one architecture.
            )
        if ended.returncode:
            _LOGGER.warning("the subnet found could not be measured")
            return False
        self._read()
        return True
