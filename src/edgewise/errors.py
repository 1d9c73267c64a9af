"""One tree of errors.

Every fault that a person can act on is an `EdgewiseError`: one sentence, a hint that says what to do
next, and an exit code of its own. Only `cli/` (and, later, the HTTP layers) turn it into a code.
Anything else that escapes is a bug and keeps its traceback.

    EdgewiseError                 1
    ├── BadInput
    │   ├── BadDocument          10   edge.yaml (or a catalogue file) has faults; lists all of them
    │   ├── BadModel             11   the model file does not load
    │   ├── BadData              12   shape, dtype, names or labels do not fit the model
    │   ├── DataNotFinite        13   NaN or infinity in the data
    │   ├── UnknownMetric        14   no such metric, or the named function does not work
    │   ├── BadBudget            15   a budget that contradicts itself
    │   ├── UnknownMachine       16   not in the catalogue; offers the nearest names
    │   ├── BadConfiguration     17   a setting of Edgewise itself
    │   ├── NotFound             18   a file or a name that is not there
    │   └── BadTraining          19   train.py, or the ranges it declares, cannot be used
    ├── NoFeasibleDesign         20   nothing fits the budget; carries the plan with its relaxations
    ├── NoRunnableDesign         21   no runtime here can run the model at all
    ├── RecipeNotApplicable      22   a recipe does not apply to this model or machine (a verdict, seldom seen)
    ├── ChildFailed              23   a child process crashed, hung or ran out of memory
    ├── DeviceLost               24   the device that measures is gone; what it had measured is kept
    ├── EngineLost               25   the cluster that runs trials is gone or does not answer; what was trained is kept
    ├── NoBasis                  26   nothing published or measured supports an estimate
    ├── BadImage                 27   no image can be made of this base, layer or wheel
    ├── MissingDependency        30   an optional package is not installed
    ├── StoreFull                40   no space left on the device
    ├── StoreCorrupt             41   bytes in the store do not match their digest
    ├── StoreUnusable            42   the store's folder cannot be read or written
    ├── Busy                     43   another process is at the same work
    ├── RegistryUnreachable      44   a registry does not answer, or breaks off; what was fetched is kept
    ├── NotAllowed               45   a registry wants other credentials, or grants them too little
    ├── RateLimited              46   a registry wants us to come back later
    ├── RegistryRefused          47   a registry answers, and will not
    ├── WrongBytes               48   what was served is not what its digest or size promises
    ├── NotDeployable            89   a node cannot run a release: strategy, memory, accelerator, a name, a version
    ├── BadNodeFile              90   a unit or manifest that its consumer would refuse
    ├── ForeignObjects           91   what is there already belongs to somebody else
    ├── NodeUnreachable          92   a device or cluster does not answer, or does not let us in
    ├── NodeRefused              93   a device or cluster answers, and will not take what it is sent
    ├── DeployRolledBack         94   the new release did not come up; the one before runs again
    ├── BadReference             49   no name of an image
    ├── BadManifest              50   a manifest, index or config that breaks the OCI image specification
    ├── NotServable              51   the chosen design runs in no server of Edgewise
    ├── NoStrategy               52   every strategy needs more disk, or more of the link, than the site has
    ├── WorseModel               54   a retrained model that is worse than the one that it would replace
    ├── BadMessage               55   a document between device and hub that breaks its format, or that nobody signed
    ├── AddressTaken             60   an address that a server cannot listen at
    ├── GoldenMissed             62   this machine does not reproduce what was expected of the model
    ├── ModelTooLarge            63   a model does not fit under the memory ceiling of the server
    ├── NoMetrics                64   an address that gives no metrics of an inference server
    ├── DatabaseLost             65   the hub's database is not there, or went away; nothing is changed
    ├── BadDatabase              66   no database, or one with a schema of a later Edgewise
    ├── HubUnreachable           67   the hub does not answer
    ├── HubRefused               68   the hub answers, and will not
    ├── TokenRefused             69   a token, key or signature that does not count: unknown, used, expired, revoked
    ├── NotPermitted             70   a role that may not do this
    ├── Conflict                 71   the name is taken, or what was to be changed has changed
    ├── BadImport                72   another registry holds what cannot be taken over
    ├── BadKey                   73   a signing key that is missing, wrong, or locked by another passphrase
    ├── NotTrusted               74   metadata of releases that is not signed by whom it must be, or is older than known
    ├── PublishedMeanwhile       75   somebody else published at the same time
    ├── TreeUnreachable          76   where releases lie does not answer, or refuses
    ├── BelowThreshold           77   fewer keys than the role needs
    ├── RolloutRefused           78   a rollout that does not stand so that this could be done
    ├── MetadataExpired          79   release metadata whose time is over: sign it again
    ├── TrainingFailed           80   the training command of a new round ended with an error
    ├── NotEnrolled              81   no device is enrolled here
    ├── MirrorAhead              82   a mirror that is newer than what it is made from
    ├── NoRollback               83   there is no earlier release on this device
    └── ForeignTree              84   another's tree lies where a mirror shall be
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from edgewise.documents import Fault
    from edgewise.nouns import FleetPlan, Plan


class EdgewiseError(Exception):
    """A fault that a person can act on.

    Args:
        message: one sentence that says what is wrong.
        hint: what to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(EdgewiseError):
    """Something that was given to us cannot be used."""


class BadDocument(BadInput):
    """A document has faults; `faults` lists every one of them, not only the first."""

    exit_code = 10

    def __init__(self, message: str, *, faults: "Sequence[Fault]" = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.faults = tuple(faults)


class BadModel(BadInput):
    """The model file does not load."""

    exit_code = 11


class BadData(BadInput):
    """The data's shape, dtype, names or labels do not fit the model."""

    exit_code = 12


class DataNotFinite(BadInput):
    """The data holds NaN or infinity."""

    exit_code = 13


class UnknownMetric(BadInput):
    """There is no such metric, or the function it names does not work."""

    exit_code = 14


class BadBudget(BadInput):
    """A budget that contradicts itself."""

    exit_code = 15


class UnknownMachine(BadInput):
    """A machine that the catalogue does not have."""

    exit_code = 16


class BadConfiguration(BadInput):
    """A setting of Edgewise itself is wrong."""

    exit_code = 17


class NotFound(BadInput):
    """A file or a name that is not there."""

    exit_code = 18


class BadTraining(BadInput):
    """train.py, or the ranges that it declares, cannot be used.

    Args:
        log: what train.py printed, newest last.
    """

    exit_code = 19

    def __init__(self, message: str, *, log: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log = log


class NoFeasibleDesign(EdgewiseError):
    """Nothing fits the budget, or a fleet's machines. `plan` says why for every design, and what would fit."""

    exit_code = 20

    def __init__(self, message: str, *, plan: "Plan | FleetPlan", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plan = plan


class NoRunnableDesign(EdgewiseError):
    """No runtime that is installed here can run the model."""

    exit_code = 21


class RecipeNotApplicable(EdgewiseError):
    """A recipe does not apply to this model or machine; the message becomes the verdict's reason."""

    exit_code = 22


class ChildFailed(EdgewiseError):
    """A child process crashed, hung or ran out of memory.

    Args:
        log: what the child wrote to its standard error, newest last.
        lasting: the child itself answered that it cannot, so that trying again would end the same;
            False for crashes, timeouts and trouble with disk or memory.
    """

    exit_code = 23

    def __init__(self, message: str, *, log: str = "", lasting: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log = log
        self.lasting = lasting


class DeviceLost(EdgewiseError):
    """The device that measures cannot be reached, or has gone in the midst of it; what it had measured is kept."""

    exit_code = 24


class EngineLost(EdgewiseError):
    """The engine that runs trials is gone, or does not answer; what was trained so far is kept."""

    exit_code = 25


class NoBasis(EdgewiseError):
    """Nothing that is published or measured supports an estimate."""

    exit_code = 26


class BadImage(EdgewiseError):
    """No image can be made of this base, layer or wheel, or its signature does not hold."""

    exit_code = 27


class MissingDependency(EdgewiseError):
    """An optional package is needed and not installed."""

    exit_code = 30


class StoreFull(EdgewiseError):
    """No space left where the store is."""

    exit_code = 40


class StoreCorrupt(EdgewiseError):
    """Bytes in the store do not match their digest."""

    exit_code = 41


class StoreUnusable(EdgewiseError):
    """The store's folder cannot be read or written."""

    exit_code = 42


class Busy(EdgewiseError):
    """Another process is at the same work."""

    exit_code = 43


class RegistryUnreachable(EdgewiseError):
    """A registry does not answer, or breaks off again and again; what was fetched is kept, and the next try goes on."""

    exit_code = 44


class NotAllowed(EdgewiseError):
    """A registry wants other credentials (401), or grants those that it was given too little (403)."""

    exit_code = 45


class RateLimited(EdgewiseError):
    """A registry wants us to come back later (429)."""

    exit_code = 46


class RegistryRefused(EdgewiseError):
    """A registry answers, and will not do what it is asked."""

    exit_code = 47


class WrongBytes(EdgewiseError):
    """What was served is not what its digest or its size promises."""

    exit_code = 48


class NotDeployable(BadInput):
    """A node cannot run a release: its strategy, memory, accelerator, a name or a version; all reasons at once."""

    exit_code = 89


class BadNodeFile(BadInput):
    """A unit or manifest that its consumer (Podman's generator, systemd, Kubernetes) would refuse."""

    exit_code = 90


class ForeignObjects(EdgewiseError):
    """What is there already belongs to somebody else, and would be overwritten."""

    exit_code = 91


class NodeUnreachable(EdgewiseError):
    """A device or cluster does not answer, or does not let us in."""

    exit_code = 92


class NodeRefused(EdgewiseError):
    """A device or cluster answers, and will not take what it is sent."""

    exit_code = 93


class DeployRolledBack(EdgewiseError):
    """The new release did not come up on the device; the one before runs again, where there was one."""

    exit_code = 94


class DeployInterrupted(EdgewiseError):
    """The connection to a node was lost while a release was switched; deploying once more completes it or goes back."""

    exit_code = 95


class BadReference(BadInput):
    """No name of an image."""

    exit_code = 49


class BadManifest(BadInput):
    """A manifest, index or config that breaks the OCI image specification."""

    exit_code = 50


class NotServable(EdgewiseError):
    """The chosen design runs in no server of Edgewise: a microcontroller or another's compiler takes it further."""

    exit_code = 51


class NoStrategy(EdgewiseError):
    """Every strategy needs more disk, or more of the link, than the site has."""

    exit_code = 52


class WorseModel(EdgewiseError):
    """A retrained model that the paired test finds worse than the one that it would replace."""

    exit_code = 54


class BadMessage(BadInput):
    """A document between device and hub that breaks its format, or that is not signed by whom it names."""

    exit_code = 55


class AddressTaken(EdgewiseError):
    """An address that a server cannot listen at."""

    exit_code = 60


class GoldenMissed(EdgewiseError):
    """This machine does not reproduce what was expected of the model, so that it may not serve here."""

    exit_code = 62


class ModelTooLarge(EdgewiseError):
    """The model does not fit under the memory ceiling of the server."""

    exit_code = 63


class NoMetrics(EdgewiseError):
    """An address that gives no metrics of an inference server."""

    exit_code = 64


class DatabaseLost(EdgewiseError):
    """The hub's database is not there, or went away in the midst of it; nothing is changed."""

    exit_code = 65


class BadDatabase(BadInput):
    """No database that Edgewise speaks, or one whose schema a later Edgewise has made."""

    exit_code = 66


class HubUnreachable(EdgewiseError):
    """The hub does not answer."""

    exit_code = 67


class HubRefused(EdgewiseError):
    """The hub answers, and will not do what it is asked."""

    exit_code = 68


class TokenRefused(EdgewiseError):
    """A token, key or signature that does not count: unknown, used before, expired or revoked."""

    exit_code = 69


class NotPermitted(EdgewiseError):
    """A role that may not do this."""

    exit_code = 70


class Conflict(EdgewiseError):
    """The name is taken, or what was to be changed has been changed by another."""

    exit_code = 71


class BadImport(EdgewiseError):
    """Another registry holds what cannot be taken over, or does not speak as its documents say."""

    exit_code = 72


class BadKey(BadInput):
    """A signing key that is missing, is not the one that the role wants, or is locked by another passphrase."""

    exit_code = 73


class NotTrusted(EdgewiseError):
    """Metadata of releases that the keys in force have not signed, or that is older than what was seen before."""

    exit_code = 74


class PublishedMeanwhile(EdgewiseError):
    """Somebody else published at the same time; nothing of ours is in force."""

    exit_code = 75


class TreeUnreachable(EdgewiseError):
    """The place where releases lie does not answer, or refuses."""

    exit_code = 76


class BelowThreshold(EdgewiseError):
    """Fewer keys have signed, or would be left, than the role needs."""

    exit_code = 77


class RolloutRefused(EdgewiseError):
    """A rollout does not stand so that this could be done."""

    exit_code = 78


class MetadataExpired(EdgewiseError):
    """Metadata of releases whose time is over: whoever publishes has to sign it again."""

    exit_code = 79


class TrainingFailed(EdgewiseError):
    """The training command of a new round ended with an error.

    Args:
        log: the end of what it printed.
    """

    exit_code = 80

    def __init__(self, message: str, *, log: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log = log


class NotEnrolled(BadInput):
    """No device is enrolled here."""

    exit_code = 81


class EngineFailed(EdgewiseError):
    """Podman is missing on the device, refuses, or does not come back.

    Args:
        code: its exit code; 0 where it gave none.
    """

    exit_code = 85

    def __init__(self, message: str, *, code: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class AgentUnfit(EdgewiseError):
    """New code of the agent cannot do its work with what the device has."""

    exit_code = 86


class NoRollback(EdgewiseError):
    """There is no earlier release on this device."""

    exit_code = 83


class MirrorAhead(EdgewiseError):
    """A mirror of releases is newer than what it shall be made from; nothing was changed."""

    exit_code = 82


class ForeignTree(EdgewiseError):
    """Another's tree of releases lies where a mirror shall be; nothing was changed."""

    exit_code = 84
