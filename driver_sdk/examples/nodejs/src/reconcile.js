// ReconcileService: what the fabric holds, and what Postcommit would do to it.

import { streaming, write } from './calls.js';
import { wrongField } from './errors.js';
import { KINDS, WIRE_KINDS } from './kinds.js';
import { understood } from './mechanism.js';

// Resources in one message: large enough to be cheap, far below the limit of a message.
const PAGE = 500;

export function reconcileService(life, fabric) {
  return {
    listOwned: streaming(life, 'ListOwned', 'ListOwnedRequest', (request, call) =>
      life.admit('kinds', [], async () => {
        const owned = [...ownedOn(fabric(), request.kinds)];
        for (let start = 0; start < owned.length; start += PAGE) {
          await write(call, { owned: owned.slice(start, start + PAGE), unreachable: [] });
        }
      }),
    ),
    diff: streaming(life, 'Diff', 'DiffRequest', (request, call) =>
      life.admit('changes', request.changes, async () => {
        for (const [index, change] of request.changes.entries()) {
          if (!KINDS[change.kind]) throw wrongField('UNSUPPORTED', `changes[${index}].kind`, 'it is not served');
          const { name: backend } = fabric();
          await write(call, { kind: change.kind, id: change.id, lines: linesFor(fabric(), change), backend });
        }
      }),
    ),
  };
}

function* ownedOn(fabric, wireKinds) {
  const asked = wireKinds.length ? wireKinds.map((wire) => KINDS[wire]).filter(Boolean) : Object.keys(WIRE_KINDS);
  for (const kind of asked) {
    for (const [id, { revision, digest, changedByHand }] of fabric.held[kind]) {
      // No digest: the core sends the resource again, and that repairs it.
      const told = changedByHand ? Buffer.alloc(0) : digest;
      yield { kind: WIRE_KINDS[kind], id, revision: String(revision), digest: told, backend: fabric.name };
    }
  }
}

function linesFor(fabric, change) {
  const { kind, action } = understood(change);
  const held = fabric.held[kind].get(change.id);
  if (action === 'delete') return held ? [`remove ${kind} ${change.id} from slot ${held.slot}`] : [];
  if (!held) return [`add ${kind} ${change.id} at revision ${change.revision}`];
  if (held.changedByHand) return [`repair ${kind} ${change.id} in slot ${held.slot}: it was changed by hand`];
  const isSame = held.digest.length > 0 && held.digest.equals(change.digest);
  if (isSame || held.revision >= BigInt(change.revision)) return [];
  return [`change ${kind} ${change.id} in slot ${held.slot} from revision ${held.revision} to ${change.revision}`];
}
