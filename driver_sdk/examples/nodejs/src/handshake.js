// DriverService: who this process is, what it wants to hear, and how it is asked to finish.

import { unary } from './calls.js';
import { secondsOf } from './contract.js';
import { DIGEST, SCHEMAS } from './attributes.js';
import { errorOf, wrongField } from './errors.js';
import { KINDS, ACTIONS } from './kinds.js';
import { LIMITS } from './life.js';
import { log } from './log.js';
import { VERSIONS, isKnown, slotOf, stateOf } from './state.js';

const CONTRACT_MAJOR = 1;
const VERSION = '0.1.0';
const FEATURES = ['attributes', 'states', 'watch', 'list_owned', 'diff'];

// What is not declared is not sent. Precommit of subnets is not declared, because there
// is nothing to judge, and then it costs nothing.
const JUDGED = ['RESOURCE_KIND_NETWORK', 'RESOURCE_KIND_PORT'];
const INTERESTS = Object.keys(KINDS).map((kind) => ({
  kind,
  actions: Object.keys(ACTIONS),
  phases: JUDGED.includes(kind) ? ['PHASE_PRECOMMIT', 'PHASE_POSTCOMMIT'] : ['PHASE_POSTCOMMIT'],
}));

export function driverService(life, fabric, options) {
  return {
    handshake: unary(life, 'Handshake', 'HandshakeRequest', (request) => introduce(life, fabric(), options, request)),
    getSchemas: unary(life, 'GetSchemas', 'GetSchemasRequest', (request) => {
      life.requireLoaded();
      return { digest: DIGEST, schemas: DIGEST.equals(request.knownDigest) ? [] : SCHEMAS };
    }),
    upgradeStates: unary(life, 'UpgradeStates', 'UpgradeStatesRequest', (request) => {
      life.requireLoaded();
      if (!isKnown(request.toVersion)) throw wrongField('UNSUPPORTED', 'to_version', `${request.toVersion} is unknown`);
      return { results: request.states.map((keyed) => upgraded(fabric().name, keyed, request.toVersion)) };
    }),
    drain: unary(life, 'Drain', 'DrainRequest', async (request) => {
      log.info('driver.draining', { in_flight: life.inFlight });
      return { inFlight: await life.drain(secondsOf(request.grace)) };
    }),
  };
}

// Answers at once, whatever the device does: the core waits 2 s and no more.
function introduce(life, fabric, { binds, networkTypes }, request) {
  life.coreFeatures = new Set(request.features);
  // Absent, and so undefined: the core holds no state of this driver yet.
  life.writeStateVersion = request.writeStateVersion;
  const identity = {
    driverName: life.name,
    driverVersion: VERSION,
    instanceId: life.instanceId,
    contractMajor: request.contractMajors.includes(CONTRACT_MAJOR) ? CONTRACT_MAJOR : 0,
    limits: LIMITS,
    stateVersion: VERSIONS,
    schemaDigest: DIGEST,
  };
  if (life.loadError !== undefined) return { ...identity, loadError: life.loadError };
  return {
    ...identity,
    features: FEATURES,
    interests: INTERESTS,
    bind: binds ? { networkTypes, vnicTypes: ['normal'], maxLevels: 1 } : undefined,
    backends: [backendOf(fabric)],
  };
}

// Describe the fabric, in the handshake and in events.
export function backendOf(fabric) {
  return { id: fabric.name, epoch: fabric.epoch, health: 'BACKEND_HEALTH_UP', message: '' };
}

// A pure function: nothing but the answer comes of it, so the core may ask as often as it likes.
function upgraded(fabricName, { id, state }, toVersion) {
  try {
    return { id, state: stateOf(slotOf(state ?? { version: 0 }), fabricName, toVersion) };
  } catch (thrown) {
    return { id, error: errorOf(thrown, { rpc: 'UpgradeStates', id }) };
  }
}
