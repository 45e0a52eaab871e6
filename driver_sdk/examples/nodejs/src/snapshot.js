// A fabric that outlives its process: a JSON file, replaced as a whole.
//
// It is written before a call is answered, so what was acknowledged is on the disk,
// and the epoch may stay the same after kill -9. Without a file every process has a
// new, empty fabric and a new epoch, and the core sends everything again.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Fabric } from './fabric.js';

export class Snapshot {
  constructor(path) {
    this.path = path;
    this.isDirty = true;
  }

  // Return the fabric of this name as the file holds it, or a new one. Throws if the file is no snapshot.
  load(name) {
    const fabric = this.path && existsSync(this.path) ? read(name, readFileSync(this.path, 'utf8')) : new Fabric(name);
    fabric.onChange = () => (this.isDirty = true);
    this.save(fabric);
    return fabric;
  }

  // Write what has changed. A reader sees the old file or the new one, and nothing between.
  save(fabric) {
    if (!this.path || !this.isDirty) return;
    writeFileSync(`${this.path}.new`, JSON.stringify(content(fabric), null, 1));
    renameSync(`${this.path}.new`, this.path);
    this.isDirty = false;
  }
}

function content(fabric) {
  const resources = Object.entries(fabric.held).map(([kind, shelf]) => [
    `${kind}s`,
    Object.fromEntries(
      [...shelf].map(([id, { revision, digest, slot }]) => [
        id,
        // JSON has no 64-bit integers that JavaScript could read back.
        { revision: String(revision), digest: digest.toString('base64'), slot },
      ]),
    ),
  ]);
  return { epoch: fabric.epoch, ...Object.fromEntries(resources) };
}

function read(name, text) {
  const { epoch, ...resources } = JSON.parse(text);
  const fabric = new Fabric(name, epoch);
  for (const [kind, shelf] of Object.entries(fabric.held)) {
    for (const [id, { revision, digest, slot }] of Object.entries(resources[`${kind}s`])) {
      shelf.set(id, { revision: BigInt(revision), digest: Buffer.from(digest, 'base64'), slot });
      fabric.slots.add(slot);
    }
  }
  return fabric;
}
