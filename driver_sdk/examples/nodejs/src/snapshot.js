// A fabric that outlives its process: a JSON file, replaced as a whole.
//
// It is written before a call is answered, so what was acknowledged is on the disk,
// and the epoch may stay the same after kill -9. Without a file every process has a
// new, empty fabric and a new epoch, and the core sends everything again.
//
// The file is the device, so it is read again when somebody else has written it. Each
// entry bears a fingerprint of what this driver made it; where that does not fit any
// more, the entry was changed by hand.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { Fabric } from './fabric.js';
import { log } from './log.js';

export class Snapshot {
  constructor(path) {
    this.path = path;
    this.isDirty = true;
    this.stamp = undefined;
  }

  // Return the fabric of this name as the file holds it, or a new one. Throws if the file is no snapshot.
  load(name) {
    const fabric = new Fabric(name);
    if (this.path && existsSync(this.path)) fill(fabric, readFileSync(this.path, 'utf8'));
    fabric.onChange = () => (this.isDirty = true);
    this.save(fabric);
    return fabric;
  }

  // Bring a fabric up to date with its file, if somebody else has written that. Returns the fabric.
  refresh(fabric) {
    // What is not saved yet is newer than any file.
    if (!this.path || this.isDirty || stampOf(this.path) === this.stamp) return fabric;
    this.stamp = stampOf(this.path);
    try {
      fill(fabric, readFileSync(this.path, 'utf8'));
    } catch (error) {
      // Half a file is no reason to forget what was there.
      log.error('state_file.unreadable', { path: this.path, error: error.name });
    }
    return fabric;
  }

  // Write what has changed. A reader sees the old file or the new one, and nothing between.
  save(fabric) {
    if (!this.path || !this.isDirty) return;
    writeFileSync(`${this.path}.new`, JSON.stringify(content(fabric), null, 1));
    renameSync(`${this.path}.new`, this.path);
    this.stamp = stampOf(this.path);
    this.isDirty = false;
  }
}

function content(fabric) {
  const resources = Object.entries(fabric.held).map(([kind, shelf]) => [
    `${kind}s`,
    Object.fromEntries([...shelf].map(([id, held]) => [id, entryOf(kind, id, held)])),
  ]);
  return { epoch: fabric.epoch, ...Object.fromEntries(resources) };
}

function entryOf(kind, id, { revision, digest, slot, changedByHand }) {
  // JSON has no 64-bit integers that JavaScript could read back.
  const entry = { revision: String(revision), digest: digest.toString('base64'), slot };
  return { ...entry, fingerprint: changedByHand ? '' : fingerprintOf(kind, id, entry) };
}

function fingerprintOf(kind, id, { revision, digest, slot }) {
  return createHash('sha256').update(JSON.stringify([kind, id, revision, digest, slot])).digest('base64');
}

// Make a fabric what a file says. Throws before anything has changed if the file is no snapshot.
function fill(fabric, text) {
  const { epoch, ...resources } = JSON.parse(text);
  const shelves = Object.keys(fabric.held).map((kind) => [kind, shelfOf(kind, resources[`${kind}s`])]);
  fabric.epoch = epoch;
  fabric.held = Object.fromEntries(shelves);
  fabric.slots = new Set(shelves.flatMap(([, shelf]) => [...shelf.values()].map(({ slot }) => slot)));
}

function shelfOf(kind, entries) {
  return new Map(
    Object.entries(entries).map(([id, entry]) => {
      const changedByHand = entry.fingerprint !== fingerprintOf(kind, id, entry);
      const digest = Buffer.from(entry.digest, 'base64');
      return [id, { revision: BigInt(entry.revision), digest, slot: entry.slot, changedByHand }];
    }),
  );
}

// Tell one version of a file from another: every replacement is a new inode.
function stampOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`;
}
