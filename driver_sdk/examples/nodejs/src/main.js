#!/usr/bin/env node
// A mechanism driver in one process: read the options, load the fabric, serve until told to stop.

import { parseArgs } from 'node:util';
import { Events, eventService } from './events.js';
import { driverService } from './handshake.js';
import { Life } from './life.js';
import { log, setLevel } from './log.js';
import { mechanismService } from './mechanism.js';
import { reconcileService } from './reconcile.js';
import { close, listen, serverOf } from './server.js';
import { Snapshot } from './snapshot.js';

// Seconds that calls in flight get to finish after SIGTERM.
const GRACE = 10;

const { values: options } = parseArgs({
  options: {
    listen: { type: 'string', default: 'unix:///run/jackfield/nodejs.sock' },
    name: { type: 'string', default: 'nodejs' },
    'state-file': { type: 'string' },
    'reserved-vlan': { type: 'string', multiple: true, default: [] },
    'network-type': { type: 'string', multiple: true, default: [] },
    'no-bind': { type: 'boolean', default: false },
    'heartbeat-interval': { type: 'string', default: '10' },
    'log-level': { type: 'string', default: 'info' },
  },
});

setLevel(options['log-level']);
const life = new Life(options.name);
const events = new Events(Number(options['heartbeat-interval']));
const snapshot = new Snapshot(options['state-file']);
let fabric;
try {
  fabric = snapshot.load(options.name);
} catch (error) {
  // A handshake that says why is worth more than a process that restarts in a loop.
  life.loadError = `the state file ${options['state-file']} cannot be read: ${error.name}`;
  log.error('driver.load_failed', { trace: error.stack });
}

const behaviour = {
  binds: !options['no-bind'],
  networkTypes: options['network-type'],
  reservedVlans: options['reserved-vlan'].map(Number),
};
const theFabric = () => snapshot.refresh(fabric);
const save = () => snapshot.save(fabric);
const server = serverOf({
  'jackfield.driver.v1.DriverService': driverService(life, theFabric, behaviour),
  'jackfield.driver.v1.MechanismService': mechanismService(life, theFabric, events, save, behaviour),
  'jackfield.driver.v1.ReconcileService': reconcileService(life, theFabric),
  'jackfield.driver.v1.EventService': eventService(life, theFabric, events),
  'grpc.health.v1.Health': {
    check: (_, callback) => callback(null, { status: life.isServing ? 'SERVING' : 'NOT_SERVING' }),
  },
});

const listening = listen(server, options.listen);

// Before the first client can connect: who sees the socket may also send a signal.
let isStopping = false;
async function stop() {
  if (isStopping) return;
  isStopping = true;
  log.info('driver.stopping', { driver: life.name, in_flight: life.inFlight });
  await life.drain(GRACE);
  events.close();
  await close(server, options.listen, await listening);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

try {
  await listening;
  log.info('driver.serving', { driver: life.name, address: options.listen, instance_id: life.instanceId });
} catch (error) {
  process.stderr.write(`${options.name}: cannot serve on ${options.listen}: ${error.message}\n`);
  process.exit(1);
}
