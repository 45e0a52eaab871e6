// MechanismService: judge, make true, bind. Every change gets exactly one result.
//
// Precommit and BindPorts look at the request and at nothing else. Postcommit acts, and
// is idempotent by (kind, id, revision): the fabric says what it holds already, and a
// lower revision than that is answered with the held one, without an act.

import { judgeQueue } from './attributes.js';
import { isOver, unary } from './calls.js';
import { ChangeError, Rejected, errorOf, wrongField } from './errors.js';
import { ACTIONS, KINDS } from './kinds.js';
import { Lanes } from './lanes.js';
import { slotOf, stateOf, versionToWrite } from './state.js';

export function mechanismService(life, fabric, events, save, options) {
  const lanes = new Lanes();
  const { reservedVlans, networkTypes } = options;
  return {
    precommit: unary(life, 'Precommit', 'PrecommitRequest', (request) =>
      life.admit('changes', request.changes, () => ({
        results: request.changes.map((change) => verdictOn(life, reservedVlans, change)),
      })),
    ),
    postcommit: unary(life, 'Postcommit', 'PostcommitRequest', (request, call) =>
      life.admit('changes', request.changes, async () => {
        const results = [];
        for (const change of request.changes) {
          const lane = `${change.kind} ${change.id}`;
          results.push(await lanes.run(lane, () => outcomeOf(life, fabric(), events, change, call)));
        }
        save();
        return { results };
      }),
    ),
    bindPorts: unary(life, 'BindPorts', 'BindPortsRequest', (request) =>
      life.admit('requests', request.requests, () => {
        if (!request.host) throw wrongField('MALFORMED', 'host', 'it is missing');
        return { results: request.requests.map((wanted) => bindingOf(fabric(), networkTypes, wanted)) };
      }),
    ),
  };
}

function verdictOn(life, reservedVlans, change) {
  const changeId = change.changeId;
  try {
    const { kind, action, value } = understood(change);
    // What must not be made may always be taken away.
    if (kind === 'network' && action !== 'delete') judgeVlans(reservedVlans, value);
    if (kind === 'port' && action !== 'delete') judgeQueue(life.name, change.attributes);
    return { changeId, accept: {} };
  } catch (thrown) {
    if (thrown instanceof Rejected) {
      return { changeId, reject: { reason: thrown.reason, message: thrown.message, field: thrown.field } };
    }
    return { changeId, failed: errorOf(thrown, { rpc: 'Precommit', kind: change.kind, id: change.id }) };
  }
}

function judgeVlans(reservedVlans, network) {
  for (const { networkType, segmentationId } of network.segments) {
    if (networkType === 'vlan' && reservedVlans.includes(segmentationId)) {
      throw new Rejected('VLAN_RESERVED', `VLAN ${segmentationId} is reserved on this fabric`);
    }
  }
}

async function outcomeOf(life, fabric, events, change, call) {
  const changeId = change.changeId;
  try {
    // Nobody reads the answer any more, and the core will send the newest revision again.
    if (isOver(call)) throw new ChangeError('RETRY', 'DEADLINE', 'the deadline is over; this change was not looked at');
    return { changeId, done: await makeTrue(life, fabric, events, change) };
  } catch (thrown) {
    return { changeId, failed: errorOf(thrown, { rpc: 'Postcommit', kind: change.kind, id: change.id }) };
  }
}

async function makeTrue(life, fabric, events, change) {
  const { kind, action, value } = understood(change);
  const revision = BigInt(change.revision);
  const newer = fabric.newerThan(kind, change.id, revision, action === 'delete');
  if (newer !== undefined) return { revision: String(newer) };
  if (action === 'delete') {
    await fabric.remove(kind, change.id, revision);
    if (kind === 'port') events.forgetPort(change.id);
    return { revision: change.revision };
  }
  const wantedSlot = slotOf(change.state);
  const slot = await fabric.write(kind, change.id, { revision, digest: change.digest, wantedSlot });
  if (kind === 'port' && value.binding?.host) events.port(change.id, value.adminStateUp, change.revision);
  return { revision: change.revision, state: stateToKeep(life, fabric, slot, change.state) };
}

// Return the state to keep; undefined if the core keeps none, or holds it already.
function stateToKeep(life, fabric, slot, kept) {
  if (!life.coreFeatures.has('states')) return undefined;
  const state = stateOf(slot, fabric.name, versionToWrite(life.writeStateVersion));
  return kept?.version === state.version && kept.data.equals(state.data) ? undefined : state;
}

// Return the kind, the action and the resource of a change, if they are known and belong together.
export function understood(change) {
  const kind = KINDS[change.kind];
  const action = ACTIONS[change.action];
  if (!kind || !action) {
    throw new ChangeError('INFEASIBLE', 'UNSUPPORTED', `${change.action} of ${change.kind} is not served`);
  }
  if (!change.id) throw new ChangeError('INFEASIBLE', 'MALFORMED', '"id" is empty');
  const value = change.current?.[kind];
  // A deletion names what it is about by kind and id; its last state is only for those who want it.
  if (!value && action !== 'delete') throw new ChangeError('INFEASIBLE', 'MALFORMED', `"current" holds no ${kind}`);
  return { kind, action, value };
}

function bindingOf(fabric, networkTypes, { requestId, segments }) {
  const chosen = segments.find(({ networkType }) => !networkTypes.length || networkTypes.includes(networkType));
  if (!chosen) return { requestId, skip: { reason: `fabric ${fabric.name} carries none of these segments` } };
  const vifDetails = Buffer.from(JSON.stringify({ fabric: fabric.name }));
  // `wired`: the fabric plugs the port by itself, so nobody on the host has to report it.
  return { requestId, bound: { segmentId: chosen.id, vifType: 'other', vifDetails, wired: true } };
}
