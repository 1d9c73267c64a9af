"""The command `edgewise`: the table of verbs, and the one place where errors become exit codes.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 usage, 130 Ctrl-C, 141 when
the reader of stdout has gone, else the error's own (docs/reference/exit-codes.md).
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edgewise import __version__
from edgewise.cli._lazy import COMPLETION_VARIABLE, PROGRAM, LazyGroup, Verb
from edgewise.cli._say import note, show_error, show_usage_error
from edgewise.errors import EdgewiseError, StoreFull

START, DESIGN, BUILD, RELEASE = "Start here", "Design", "Build", "Releases"
EDGE, LOOK, SELF = "At the edge", "Look", "Edgewise itself"
RUN = "Run"
NEAR = "The near edge"

VERBS = (
    Verb(
        name="demo",
        help="Train a small model, plan it for this machine, and let a device run it.",
        module="edgewise.cli.demo",
        panel=START,
    ),
    Verb(
        name="init",
        help="Write an edge.yaml by looking at a model.",
        module="edgewise.cli.init",
        panel=START,
    ),
    Verb(
        name="run",
        help="Take edge.yaml through plan, build, push and publish, doing only what is due.",
        module="edgewise.cli.run",
        panel=START,
    ),
    Verb(
        name="retrain",
        help="Train the model anew with judged cases, and take it through plan, build, push and publish.",
        module="edgewise.cli.retrain",
        panel=DESIGN,
    ),
    Verb(
        name="plan",
        help="Choose what to run at every site, within its budget.",
        module="edgewise.cli.plan",
        panel=DESIGN,
    ),
    Verb(
        name="explain",
        help="Say why the last plan chose this, or why it rejected that.",
        module="edgewise.cli.explain",
        panel=DESIGN,
    ),
    Verb(
        name="study",
        help="Compute what accelerators that could be built would do.",
        panel=DESIGN,
        verbs=(
            Verb(
                name="systolic",
                help="Study systolic-array accelerators that could be built for a model.",
                module="edgewise.cli.study_systolic",
            ),
        ),
    ),
    Verb(
        name="base",
        help="Make what images stand on.",
        panel=BUILD,
        verbs=(
            Verb(
                name="debian",
                help="Make a base image from Debian packages: Python, no shell.",
                module="edgewise.cli.base_debian",
            ),
            Verb(
                name="host",
                help="Make a base image from this machine's Python, for a quick try.",
                module="edgewise.cli.base_host",
            ),
        ),
    ),
    Verb(
        name="build",
        help="Build what every site needs from its last plan: images, and the model.",
        module="edgewise.cli.build",
        panel=BUILD,
    ),
    Verb(
        name="diff",
        help="Show what an update from one image to another ships.",
        module="edgewise.cli.diff",
        panel=BUILD,
    ),
    Verb(
        name="push",
        help="Copy an image from the store to a registry or a folder.",
        module="edgewise.cli.push",
        panel=BUILD,
    ),
    Verb(
        name="pull",
        help="Copy an image from a registry or a folder into the store.",
        module="edgewise.cli.pull",
        panel=BUILD,
    ),
    Verb(
        name="generate",
        help="Write what a node runs, as files.",
        panel=RUN,
        verbs=(
            Verb(
                name="quadlet",
                help="Write what a device with Podman and systemd runs.",
                module="edgewise.cli.generate_quadlet",
            ),
            Verb(
                name="microshift",
                help="Write what MicroShift runs.",
                module="edgewise.cli.generate_microshift",
            ),
            Verb(
                name="openshift",
                help="Write what a cluster with KServe runs.",
                module="edgewise.cli.generate_openshift",
            ),
            Verb(
                name="hub",
                help="Write the hub for a cluster.",
                module="edgewise.cli.generate_hub",
            ),
            Verb(
                name="tekton",
                help="Write the steps of `edgewise run` as a Tekton pipeline.",
                module="edgewise.cli.generate_tekton",
            ),
        ),
    ),
    Verb(
        name="deploy",
        help="Put a release on a device or a cluster.",
        module="edgewise.cli.deploy",
        panel=RUN,
    ),
    Verb(
        name="keys",
        help="Make and change the keys that sign releases.",
        panel=RELEASE,
        verbs=(
            Verb(
                name="init",
                help="Make the keys of a tree of releases, and the tree.",
                module="edgewise.cli.keys_init",
            ),
            Verb(
                name="site",
                help="Make a key for one more site, and let it sign for that site alone.",
                module="edgewise.cli.keys_site",
            ),
            Verb(
                name="rotate",
                help="Make a new key for a role, in the place of one that leaves.",
                module="edgewise.cli.keys_rotate",
            ),
            Verb(
                name="show",
                help="List the roles of a tree, their keys, and when what they signed expires.",
                module="edgewise.cli.keys_show",
            ),
            Verb(
                name="image",
                help="Make the ECDSA P-256 key that `edgewise build --key` signs images with, as cosign verifies them.",
                module="edgewise.cli.keys_image",
            ),
        ),
    ),
    Verb(
        name="publish",
        help="Publish what was built for every site as a signed release.",
        module="edgewise.cli.publish",
        panel=RELEASE,
    ),
    Verb(
        name="mirror",
        help="Carry the releases of a tree, with their images, to where there is no network.",
        module="edgewise.cli.mirror",
        panel=RELEASE,
    ),
    Verb(
        name="rollout",
        help="Bring a release to a site's devices by stages.",
        panel=RELEASE,
        verbs=(
            Verb(
                name="start",
                help="Begin the rollout of the release that waits at a site.",
                module="edgewise.cli.rollout_start",
            ),
            Verb(
                name="step",
                help="Ask the hub how devices are, and go on with a rollout: wider, as it is, withdrawn, or done.",
                module="edgewise.cli.rollout_step",
            ),
            Verb(
                name="status",
                help="Say where a rollout stands, as the signed tree has it. No private key is opened.",
                module="edgewise.cli.rollout_status",
            ),
            Verb(
                name="pause",
                help="Pause a rollout: devices that have the release keep it, and no other takes it.",
                module="edgewise.cli.rollout_pause",
            ),
            Verb(
                name="resume",
                help="Go on with a rollout that was paused; its stage is watched anew.",
                module="edgewise.cli.rollout_resume",
            ),
            Verb(
                name="abort",
                help="Stop a rollout: the release is withdrawn, and devices that run it go back.",
                module="edgewise.cli.rollout_abort",
            ),
        ),
    ),
    Verb(
        name="store",
        help="Look after what is kept on this machine.",
        panel=SELF,
        verbs=(
            Verb(
                name="check",
                help="Find every flipped bit in the store.",
                module="edgewise.cli.store_check",
            ),
            Verb(
                name="gc",
                help="Remove blobs that nothing reaches.",
                module="edgewise.cli.store_gc",
            ),
        ),
    ),
    Verb(
        name="serve",
        help="Serve models by the Open Inference Protocol v2.",
        module="edgewise.cli.serve",
        panel=EDGE,
    ),
    Verb(
        name="top",
        help="Watch a running server: what every model does now, how long it takes, what it costs.",
        module="edgewise.cli.top",
        panel=EDGE,
    ),
    Verb(
        name="hub",
        help="Run the hub: what devices report to, and people look at.",
        module="edgewise.cli.hub",
        panel=NEAR,
    ),
    Verb(
        name="import",
        help="Take over what other registries hold.",
        panel=NEAR,
        verbs=(
            Verb(
                name="mlflow",
                help="Take over the models of an MLflow registry.",
                module="edgewise.cli.import_mlflow",
            ),
        ),
    ),
    Verb(
        name="create",
        help="Make tokens.",
        panel=NEAR,
        verbs=(
            Verb(
                name="user-token",
                help="Make a token for a person or a program that uses the hub.",
                module="edgewise.cli.create_user_token",
            ),
            Verb(
                name="enrolment-token",
                help="Make a token with which one device may enrol.",
                module="edgewise.cli.create_enrolment_token",
            ),
        ),
    ),
    Verb(
        name="revoke",
        help="Trust a device or a user no more.",
        panel=NEAR,
        verbs=(
            Verb(name="device", help="Refuse what a device signs.", module="edgewise.cli.revoke_device"),
            Verb(name="user-token", help="End the tokens of a user.", module="edgewise.cli.revoke_user_token"),
        ),
    ),
    Verb(
        name="agent",
        help="Run a device: follow releases, prove them, go back; or measure for others.",
        panel=EDGE,
        verbs=(
            Verb(
                name="run",
                help="Follow the site's releases on this device, until it is stopped.",
                module="edgewise.cli.agent_run",
            ),
            Verb(
                name="status",
                help="Say what this device runs: booted, staged, rollback.",
                module="edgewise.cli.agent_status",
            ),
            Verb(
                name="upgrade",
                help="Ask for the release that this device shall run.",
                module="edgewise.cli.agent_upgrade",
            ),
            Verb(
                name="rollback",
                help="Go back to the release before, and do not take this one again until told to.",
                module="edgewise.cli.agent_rollback",
            ),
            Verb(
                name="logs",
                help="Show what the agent decided, and why: the newest lines of its journal.",
                module="edgewise.cli.agent_logs",
            ),
            Verb(
                name="enrol",
                help="Make this device known to the hub, once, with a key that is made here and never leaves it.",
                module="edgewise.cli.agent_enrol",
            ),
            Verb(
                name="unit",
                help="Print the agent's systemd unit, with watchdog, sandbox and limits.",
                module="edgewise.cli.agent_unit",
            ),
            Verb(
                name="bench",
                help="Measure models on this device for a plan that runs elsewhere.",
                module="edgewise.cli.agent",
            ),
        ),
    ),
    Verb(
        name="inspect",
        help="Show what is in a model file, an image or an artifact.",
        module="edgewise.cli.inspect",
        panel=LOOK,
    ),
    Verb(
        name="get",
        help="List what there is, by kind.",
        panel=LOOK,
        verbs=(
            Verb(
                name="machines",
                help="List the machines that a site can name.",
                module="edgewise.cli.get_machines",
            ),
            Verb(name="models", help="List the models of the registry.", module="edgewise.cli.get_models"),
            Verb(name="versions", help="List versions of models, newest first.", module="edgewise.cli.get_versions"),
            Verb(
                name="releases",
                help="List releases that the hub was told of, newest first.",
                module="edgewise.cli.get_releases",
            ),
            Verb(name="devices", help="List devices, and how they are.", module="edgewise.cli.get_devices"),
            Verb(
                name="rollouts",
                help="List rollouts that the hub was told of, newest first.",
                module="edgewise.cli.get_rollouts",
            ),
            Verb(
                name="cases",
                help="List predictions that wait for a person, oldest first.",
                module="edgewise.cli.get_cases",
            ),
        ),
    ),
    Verb(
        name="describe",
        help="Show everything about one thing.",
        panel=LOOK,
        verbs=(
            Verb(
                name="machine",
                help="Show all figures of a machine, each with its source.",
                module="edgewise.cli.describe_machine",
            ),
            Verb(name="device", help="Show a device with its history.", module="edgewise.cli.describe_device"),
            Verb(name="case", help="Show a case.", module="edgewise.cli.describe_case"),
            Verb(name="release", help="Show a release.", module="edgewise.cli.describe_release"),
            Verb(name="rollout", help="Show a rollout.", module="edgewise.cli.describe_rollout"),
            Verb(
                name="version",
                help="Show a version of a model: how good, from what, and where it runs.",
                module="edgewise.cli.describe_version",
            ),
        ),
    ),
    Verb(
        name="schema",
        help="Print the JSON Schema of a document.",
        panel=LOOK,
        verbs=(
            Verb(name="edge", help="Print the JSON Schema of edge.yaml.", module="edgewise.cli.schema_edge"),
            Verb(
                name="plan",
                help="Print the JSON Schema of what `plan -o json` prints.",
                module="edgewise.cli.schema_plan",
            ),
            Verb(name="fleet", help="Print the JSON Schema of fleet.yaml.", module="edgewise.cli.schema_fleet"),
            Verb(
                name="fleet-plan",
                help="Print the JSON Schema of what `plan --fleet -o json` prints.",
                module="edgewise.cli.schema_fleet_plan",
            ),
        ),
    ),
    Verb(
        name="config",
        help="Settings of Edgewise itself.",
        panel=SELF,
        verbs=(
            Verb(
                name="show",
                help="Show every setting and where its value comes from.",
                module="edgewise.cli.config_show",
            ),
        ),
    ),
    Verb(
        name="completion",
        help="Print the completion script for a shell.",
        module="edgewise.cli.completion",
        panel=SELF,
    ),
    Verb(
        name="version",
        help="Print the version.",
        module="edgewise.cli.version",
        panel=SELF,
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgewise {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take a trained model to the edge: from one file, edge.yaml, to what runs at every site."""


def commands() -> LazyGroup:
    """The whole command, verbs not yet imported."""
    app = typer.Typer(name=PROGRAM, cls=LazyGroup, add_completion=False)
    app.callback()(_root)
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)
    return group.offer(VERBS)


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` ask for; the exit code. Prints errors on stderr."""
    group = commands()
    try:
        with group.make_context(PROGRAM, _as_now(arguments)) as context:
            group.invoke(context)
        sys.stdout.flush()
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.TyperException as error:
        show_usage_error(error)
        return error.exit_code
    except EdgewiseError as error:
        show_error(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        note("interrupted; what is done so far is kept, run the same command again to go on")
        return 130
    except BrokenPipeError:
        _forget_stdout()
        return 141
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _forget_stdout()
        show_error(StoreFull("no space left where the output goes", hint="free some space, or print elsewhere"))
        return StoreFull.exit_code
    except Exception:
        traceback.print_exc()
        note("this is a bug in edgewise, not your doing: please report it with the lines above")
        return 1
    return 0


def _as_now(arguments: Sequence[str]) -> list[str]:
    """`agent --bench …`, as it was called before the agent had verbs, is `agent bench …`."""
    given = list(arguments)
    if given[:1] == ["agent"] and "--bench" in given:
        given.remove("--bench")
        given.insert(1, "bench")
    return given


def _forget_stdout() -> None:
    """Keep the interpreter's own last flush from complaining about a reader that has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def main() -> NoReturn:
    """Entry point of the command."""
    for name in ("stdout", "stderr"):  # closed by whoever started us: what is said goes nowhere
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until we end
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if COMPLETION_VARIABLE in os.environ:
        typer.completion.completion_init()  # type: ignore[attr-defined]  # meant for use, not marked so
        commands().main(prog_name=PROGRAM)
    sys.exit(run(sys.argv[1:]))
