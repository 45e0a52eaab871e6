// What the driver asks the core to keep for each resource: the slot it has on the fabric.
//
// Version 1 was the number alone, version 2 adds the name of the fabric. This release
// reads and writes both, because the core says which one to write: while an upgrade
// is not finalised, the release before this one must be able to read everything.

import { ChangeError } from './errors.js';

export const VERSIONS = { minReadable: 1, writes: 2 };

// Return the version to write: the one that the core named, else the newest.
export function versionToWrite(wanted) {
  return isKnown(wanted) ? wanted : VERSIONS.writes;
}

export function isKnown(version) {
  return version >= VERSIONS.minReadable && version <= VERSIONS.writes;
}

// Return the slot that a DriverState names; undefined without a state.
export function slotOf(state) {
  if (!state) return undefined;
  if (!isKnown(state.version)) throw unreadable(`version ${state.version} is none that this release reads`);
  try {
    const { slot } = JSON.parse(state.data.toString());
    if (Number.isSafeInteger(slot)) return slot;
  } catch {
    // Bytes that are not JSON: the sentence below says so without showing them.
  }
  throw unreadable('its bytes are not what this driver writes');
}

// Return the DriverState of a slot in one version.
export function stateOf(slot, fabricName, version) {
  const data = version === 1 ? { slot } : { slot, fabric: fabricName };
  return { version, data: Buffer.from(JSON.stringify(data)) };
}

function unreadable(why) {
  return new ChangeError('INFEASIBLE', 'STATE_UNREADABLE', `the stored state cannot be read: ${why}`);
}
