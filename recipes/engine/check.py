"""Check a whole recipe before any stage runs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recipes.engine.agreement import agreement_problems
from recipes.engine.argument_check import NodeCheck
from recipes.engine.errors import shown
from recipes.engine.nodes import content_of, leaves
from recipes.engine.permissions import folder_problems, name_problems, writing_problems
from recipes.engine.repeated_stages import StageRun, unpaired
from recipes.engine.resolve import BROKEN, resolve, written_at
from recipes.engine.trial_builds import try_nodes
from recipes.engine.type_conversion import Mismatch, convert
from recipes.engine.upstream_stages import stages_read
from zoo.ranges import NumProcesses, Seed

if TYPE_CHECKING:
    from recipes.engine.recipe import Recipe


def check(recipe: "Recipe") -> list[str]:
    """Compare the arguments of every node with the signature of its target, in the view of every run of a stage.

    Returns:
        One line per problem, each once, in the order of the recipe.
    """
    problems: list[str] = []
    out: Any = None
    nodes: dict[str, Any] = {}
    for runs in _by_view(recipe):
        config = recipe.view(runs[0])
        resolved, unresolved = resolve(config)
        problems += unresolved
        content = content_of(config)
        NodeCheck(recipe.targets, content, problems).visit(content, resolved, "")
        problems += writing_problems(content, resolved, recipe.targets)
        if runs[0] is None and BROKEN not in (resolved.get("name"), resolved.get("out")):
            out = resolved.get("out")
            problems += name_problems(resolved)
        problems += _problems_of_settings(resolved)
        for run in runs:
            if run is not None:
                nodes[run.name] = resolved["stages"][run.stage]
    folders = {name: node.get("out") for name, node in nodes.items()}
    if BROKEN not in folders.values():
        problems += folder_problems(out, folders)
    problems += _problems_of_stages(recipe.runs, {name: nodes[name] for name in recipe.runs})
    if not problems:
        content = content_of(recipe.view())
        resolved = resolve(recipe.view())[0]
        for at, problem in agreement_problems(resolved, recipe.targets):
            problems.append(f"{written_at(content, at)}{problem}")
        problems += try_nodes(content, recipe.targets).problems
    return list(dict.fromkeys(problems))


def _by_view(recipe: "Recipe") -> list[list[StageRun | None]]:
    """Return the runs that share a view of the recipe; the first, of the stages that run once, begins with None."""
    groups: dict[tuple[str | None, str], list[StageRun | None]] = {(None, shown(None)): [None]}
    for run in recipe.runs.values():
        groups.setdefault((run.key, shown(run.value)), []).append(run)
    return list(groups.values())


def _problems_of_settings(resolved: Mapping[str, Any]) -> list[str]:
    """Return one line for each invalid value of the recipe's ``seed`` and ``jobs``."""
    problems = []
    for key, hint, default in (("seed", Seed, None), ("jobs", NumProcesses, 1)):
        value = resolved.get(key, default)
        if value is BROKEN:
            continue
        try:
            convert(hint, value)
        except Mismatch as mismatch:
            problems.append(f"{key}={shown(value)}: {mismatch}")
    return problems


def _problems_of_stages(runs: Mapping[str, StageRun], nodes: Mapping[str, Any]) -> list[str]:
    """Return one line for each stage that shares a folder, reads from a later stage, or reads an ambiguous run.

    Args:
        runs: All runs of stages by name.
        nodes: Node of each run by name, references followed.
    """
    problems = []
    folders = {name: node.get("out") for name, node in nodes.items()}
    names = list(nodes)
    for position, name in enumerate(names):
        folder = folders[name]
        if folder is BROKEN:
            continue
        for other in names[:position]:
            if folder == folders[other]:
                problems.append(
                    f"stages.{name}.out={folder}: stages.{other} has the same folder; each stage needs its own"
                )
        reads = stages_read(nodes[name], folders)
        for other in names[position + 1 :]:
            if other in reads:
                problems.append(
                    f"stages.{name}: reads {folders[other]}, which stages.{other} writes only after it; "
                    f"move {other} before {name}"
                )
        for _, text in leaves(nodes[name]):
            problem = unpaired(runs[name].stage, text, runs) if isinstance(text, str) else None
            if problem is not None:
                problems.append(problem)
    return problems
