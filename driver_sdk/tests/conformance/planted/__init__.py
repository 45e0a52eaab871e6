"""Drivers with exactly one defect each, and the rule that has to catch it.

All of them are the loopback driver with one thing wrong: in a hook (`hooks`), in the life of a
resource (`lives`), where there is more than one of something (`together`), or in what the SDK would
not let a driver get wrong (`services`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jackfield_sdk.examples.loopback import LoopbackDriver

from planted import hooks, lives, services, together
from planted.services import Services


@dataclass(frozen=True)
class Defect:
    """A defect by name, the rule that it breaks, and which cases are run to see that no other is blamed.

    `alone` is True if the driver has to run in a process of its own, because a case ends it. With a
    `device` it is alone too, and its fabric is in a file, which hands can change.
    """

    name: str
    rule: str
    only: str
    driver: type[LoopbackDriver] = LoopbackDriver
    services: Services = field(default_factory=Services)
    alone: bool = False
    device: bool = False


DEFECTS = [
    Defect("changes its instance id", "A4", "A", services=Services(driver=services.NewIdEveryTime)),
    Defect("serves what it does not name", "A5", "A", services=Services(driver=services.HidesDiff)),
    Defect("is slow to introduce itself", "A9", "A9", services=Services(driver=services.SlowHandshake)),
    Defect("is deaf to a drain", "A10", "A10", services=Services(process=services.DeafToDrain), alone=True),
    Defect("calls a drain done while it works", "A16", "A16", together.TakesItsTime,
           Services(process=together.CallsItDrained), alone=True),
    Defect("acts in precommit", "B1", "B", hooks.ActsInPrecommit),
    Defect("acts in the only precommit that it declares", "B1", "B", hooks.ActsInItsOnlyPrecommit),
    Defect("judges by chance", "B2", "B2,B3,B4,B6,B8,B9", hooks.JudgesByChance),
    Defect("guesses unknown kinds", "B9", "B", services=Services(mechanism=services.GuessesKinds)),
    Defect("holds what was rolled back", "B10", "B1,B2,B10", together.HoldsWhatItJudged),
    Defect("fails on repetition", "C1", "C1,C5,C6,C7,C10,C13,C14,C18,C19", hooks.FailsOnRepetition),
    Defect("lets a lower revision overwrite", "C4", "C1,C4,C5,C7,C8,C18,C19", hooks.Overwrites,
           Services(mechanism=services.ForgetsWhatIsHeld)),
    Defect("fails to delete the unknown", "C7", "C4,C5,C7,C18", hooks.FailsToDeleteTheUnknown),
    Defect("forgets a delete", "C8", "C1,C4,C5,C7,C8", hooks.ForgetsDeletes),
    Defect("answers twice", "C10", "C10,C13", services=Services(mechanism=services.AnswersTwice)),
    Defect("answers an unknown id", "C10", "C10,C13", services=Services(mechanism=services.AnswersUnknownId)),
    Defect("one failure fails the batch", "C11", "C1,C10,C11,C13,C14,C18,C19",
           services=Services(mechanism=services.AllOrNothing)),
    Defect("takes any batch", "C13", "C5,C10,C12,C13", services=Services(process=services.TakesAnything)),
    Defect("answers a revision too high", "C18", "C1,C5,C18,C19", hooks.RevisionTooHigh),
    Defect("loses an update after a delete", "C20", "C20", hooks.LosesUpdates),
    Defect("keeps the old levels of a port", "C21", "C21,C22", lives.KeepsOldLevels),
    Defect("writes no letters but ASCII", "C21", "C21,C22", lives.WantsOnlyAscii),
    Defect("cannot do without an original", "C22", "C21,C22", lives.NeedsTheOriginal),
    Defect("acts after it has answered", "C23", "C23", lives.ActsLater, device=True),
    Defect("believes a lower revision after a restart", "C24", "C24", together.BelievesWhatItHears, device=True),
    Defect("loses a delete beside a create", "C25", "C10,C17,C25", services=Services(mechanism=together.LosesDeletes)),
    Defect("counts revisions in four bytes", "C5", "C1,C4,C5", lives.CountsInFourBytes),
    Defect("forgets everything when it is killed", "C15", "C15", hooks.SameEpochForEver, alone=True),
    Defect("binds a segment that was not offered", "D3", "D",
           services=Services(mechanism=services.BindsUnoffered)),
    Defect("acts while it binds", "D1", "D", hooks.ActsInBind),
    Defect("binds by the place in a call", "D11", "D", services=Services(mechanism=together.BindsByPlace)),
    Defect("names no type of the next level", "D6", "D6,D9", hooks.NamesNoType),
    Defect("leaks a secret into an error", "E3", "E3,I5,I6", hooks.LeaksSecret),
    Defect("logs a secret", "E8", "E3,E8,I5,I6", hooks.LogsSecret, alone=True),
    Defect("ignores write_state_version", "E5", "E", services=Services(custody=services.WritesNewestState)),
    Defect("accepts with its newest state", "E9", "E5,E9", together.AsksInPrecommit,
           Services(custody=together.WritesNewestWhenItAccepts)),
    Defect("changes its schema digest", "F2", "F", services=Services(driver=services.NewDigestEveryTime)),
    Defect("leaves ports out of its listing", "G1", "G1", hooks.LeavesPortsOut),
    Defect("loses the end of a page", "G1", "C12,G3", lives.LosesTheEndOfAPage),
    Defect("lists no ports of a device", "G1", "G8[port],G9[port],G11[port]", hooks.LeavesPortsOut, device=True),
    Defect("touches foreign objects", "G2", "C1,C7,C8,G2", hooks.TouchesForeign),
    Defect("lists a subnet twice", "G3", "G3,G6", hooks.ListsTwice),
    Defect("acts in a dry run", "G4", "G4,G6", hooks.ActsInDiff),
    Defect("leaves orphans", "G7", "C7,C8,G3,G4,G7", hooks.LeavesOrphans),
    Defect("overlooks what hands changed", "G8", "G8[subnet],G9[subnet]", hooks.OverlooksHands, device=True),
    Defect("repairs nothing", "G8", "G8[subnet],G9[subnet]", hooks.RepairsNothing, device=True),
    Defect("lists what it remembers", "G9", "G9[subnet]", hooks.ListsWhatItRemembers, device=True),
    Defect("tells of no delete", "G10", "G4,G5,G10", lives.TellsOfNoDelete),
    Defect("compares the first change only", "G12", "G4,G5,G12",
           services=Services(reconcile=together.TellsOfTheFirst)),
    Defect("believes that it is there", "G11", "G9[subnet],G11[subnet]", lives.BelievesItIsThere, device=True),
    Defect("counts events wrongly", "H2", "H1,H2,H3", services=Services(events=services.NumbersEventsAlike)),
    Defect("tells one watcher only", "H6", "H1,H2,H6", services=Services(events=together.TellsTheNewest)),
    Defect("begins a watch with nothing", "H6", "H1,H2,H6", services=Services(events=together.BeginsWithNothing)),
    Defect("marks no errors as its own", "I5", "I5,I6,E3", services=Services(mechanism=services.NamesAnotherDomain)),
    Defect("lets an exception out", "I6", "I2,I5,I6,E3", services=Services(mechanism=services.RaisesRaw)),
]  # fmt: skip

SOUND = Defect("none", "", "")
SOUND_ON_A_DEVICE = Defect("none on a device", "", "", device=True)
TWO_LEVELS = Defect("none in two levels", "", "", hooks.BindsInTwoLevels)
HELD_UP = Defect("none on a busy host", "", "A9,D9",
                 services=Services(driver=services.LateOnce, mechanism=services.BindsLateOnce))  # fmt: skip
MORTAL = Defect("dies of a subnet", "C1", "", hooks.DiesOfSubnets)
UNLOADED = Defect("cannot load", "A7", "", hooks.CannotLoad)


def defect_of(name: str) -> Defect:
    """Return the defect of a name; "none" is the sound driver."""
    others = [SOUND, SOUND_ON_A_DEVICE, TWO_LEVELS, HELD_UP, MORTAL, UNLOADED]
    return next(each for each in [*DEFECTS, *others] if each.name == name)
