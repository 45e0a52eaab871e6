// The fabric: what a device would hold. A vendor puts the client of a real one here.
//
// It behaves as a device should. Writing a revision twice changes nothing, a lower
// one never overwrites a higher, and removing what is not there is a success. Each
// resource gets a slot of the fabric, as a switch gives a table entry; the driver
// keeps its number as state in the core, so that a wiped fabric gets the same ones.
// An entry that somebody changed by hand is `changedByHand`: what it says of itself is
// not believed, and it is written again whatever revision it names.
//
// Methods are async, because those of a device are: they may take their time.

import { randomUUID } from 'node:crypto';

// Deleted resources are remembered only for messages that were on the way.
const TOMBSTONES = 65536;

export class Fabric {
  // `epoch` names what this fabric remembers; a new one tells the core that it lost everything.
  constructor(name, epoch = randomUUID()) {
    this.name = name;
    this.epoch = epoch;
    this.held = { network: new Map(), subnet: new Map(), port: new Map() };
    this.deleted = new Map();
    this.slots = new Set();
    this.onChange = () => {};
  }

  // Return the revision that overrules this one, or undefined.
  newerThan(kind, id, revision, isDelete) {
    const found = this.held[kind].get(id);
    if (found) return found.revision > revision && !found.changedByHand ? found.revision : undefined;
    const gone = this.deleted.get(`${kind} ${id}`);
    // A deletion is final: not even its own revision brings the resource back. To delete again does no harm.
    return gone !== undefined && gone >= revision && !isDelete ? gone : undefined;
  }

  // Make a resource so; `wantedSlot` is the one it had before, if it is known. Return its slot.
  async write(kind, id, { revision, digest, wantedSlot }) {
    const found = this.held[kind].get(id);
    const isHeld = found && found.revision === revision && found.digest.equals(digest);
    if (isHeld && !found.changedByHand) return found.slot;
    if (found?.changedByHand) this.slots.delete(found.slot);
    const slot = found && !found.changedByHand ? found.slot : this.takeSlot(wantedSlot);
    this.held[kind].set(id, { revision, digest, slot, changedByHand: false });
    this.deleted.delete(`${kind} ${id}`);
    this.onChange();
    return slot;
  }

  async remove(kind, id, revision) {
    const found = this.held[kind].get(id);
    this.held[kind].delete(id);
    this.bury(`${kind} ${id}`, revision);
    if (!found) return;
    this.slots.delete(found.slot);
    this.onChange();
  }

  takeSlot(wanted) {
    let slot = wanted !== undefined && !this.slots.has(wanted) ? wanted : 1;
    while (this.slots.has(slot)) slot += 1;
    this.slots.add(slot);
    return slot;
  }

  bury(key, revision) {
    const gone = this.deleted.get(key);
    this.deleted.delete(key);
    this.deleted.set(key, gone !== undefined && gone > revision ? gone : revision);
    if (this.deleted.size > TOMBSTONES) this.deleted.delete(this.deleted.keys().next().value);
  }
}
