// EventService: what the driver observes, streamed to every core that asks.
//
// A watcher first gets what is the case, then `in_sync`, then what changes, and a
// heartbeat when nothing does. Events are states, not messages: while a watcher is slow, a
// newer state of the same port replaces the older one.

import { streaming, write } from './calls.js';
import { now } from './contract.js';
import { backendOf } from './handshake.js';

export class Events {
  // `heartbeatInterval` is in seconds.
  constructor(heartbeatInterval) {
    this.heartbeatInterval = heartbeatInterval;
    this.ports = new Map();
    this.watchers = new Set();
    this.isClosed = false;
  }

  // Tell the state of a port, observed at a revision of it.
  port(portId, up, revision) {
    const event = { portStatus: { portId, up, observedRevision: revision, reason: up ? '' : 'administratively down' } };
    this.ports.set(portId, event);
    for (const watcher of this.watchers) watcher.put(portId, event);
  }

  forgetPort(portId) {
    this.ports.delete(portId);
  }

  close() {
    this.isClosed = true;
    for (const watcher of this.watchers) watcher.wake();
  }
}

// What one watcher has not been sent yet: the last state of each port, if it asked for ports.
class Watcher {
  constructor(kinds) {
    this.wantsPorts = !kinds.length || kinds.includes('RESOURCE_KIND_PORT');
    this.waiting = new Map();
    this.wake = () => {};
  }

  put(key, event) {
    if (!this.wantsPorts) return;
    this.waiting.set(key, event);
    this.wake();
  }

  take() {
    const taken = [...this.waiting.values()];
    this.waiting.clear();
    return taken;
  }

  // Return at the next event, at the end of the stream, or when a heartbeat is due.
  async rest(heartbeatInterval) {
    let timer;
    await new Promise((resolve) => {
      this.wake = resolve;
      timer = setTimeout(resolve, heartbeatInterval * 1000);
    });
    clearTimeout(timer);
    this.wake = () => {};
  }
}

export function eventService(life, fabric, events) {
  return {
    watch: streaming(life, 'Watch', 'WatchRequest', async (request, call) => {
      life.requireServing();
      const watcher = new Watcher(request.kinds);
      call.once('cancelled', () => watcher.wake());
      events.watchers.add(watcher);
      try {
        await stream(life, fabric(), events, watcher, call);
      } finally {
        events.watchers.delete(watcher);
      }
    }),
  };
}

async function stream(life, fabric, events, watcher, call) {
  let sequence = 0;
  const send = (event) => write(call, { ...event, sequence: String((sequence += 1)), observeTime: now() });
  await send({ backend: backendOf(fabric) });
  for (const event of watcher.wantsPorts ? [...events.ports.values()] : []) await send(event);
  await send({ inSync: {} });
  while (!call.cancelled && !events.isClosed) {
    if (!watcher.waiting.size) await watcher.rest(events.heartbeatInterval);
    const news = watcher.take();
    for (const event of news) await send(event);
    if (!news.length && !events.isClosed) await send({ heartbeat: { queueDepth: life.changesInFlight } });
  }
}
