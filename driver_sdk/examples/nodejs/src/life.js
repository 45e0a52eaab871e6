// The running process: who it is, whether it works, and how much it is doing.
//
// Only here is decided whether a call is let in. A driver that could not load is let
// in for nothing but the handshake, which says why. A draining one finishes what it
// has and takes nothing new.

import { randomUUID } from 'node:crypto';
import { draining, notLoaded, wrongField } from './errors.js';

export const LIMITS = { maxBatch: 500, maxInFlight: 8, maxStateBytes: 16384 };

export class Life {
  constructor(name) {
    this.name = name;
    // New for every process: the core sees by it that another one took over.
    this.instanceId = randomUUID();
    this.loadError = undefined;
    this.isDraining = false;
    this.inFlight = 0;
    this.changesInFlight = 0;
    this.idleWaiters = [];
    // What the core said in its last handshake.
    this.coreFeatures = new Set();
    this.writeStateVersion = undefined;
  }

  get isServing() {
    return !this.isDraining && this.loadError === undefined;
  }

  requireLoaded() {
    if (this.loadError !== undefined) throw notLoaded(this.loadError);
  }

  requireServing() {
    this.requireLoaded();
    if (this.isDraining) throw draining();
  }

  // Let a call with these changes in, and count it until `work` has ended.
  async admit(field, changes, work) {
    this.requireServing();
    if (changes.length > LIMITS.maxBatch) {
      throw wrongField('BATCH_TOO_LARGE', field, `${changes.length} in one call, and ${LIMITS.maxBatch} are allowed`);
    }
    this.inFlight += 1;
    this.changesInFlight += changes.length;
    try {
      return await work();
    } finally {
      this.inFlight -= 1;
      this.changesInFlight -= changes.length;
      if (this.inFlight === 0) this.idleWaiters.splice(0).forEach((wake) => wake());
    }
  }

  // Take nothing new, wait at most `grace` seconds, and return how many calls are left.
  async drain(grace) {
    this.isDraining = true;
    if (this.inFlight > 0) {
      let timer;
      const over = new Promise((resolve) => (timer = setTimeout(resolve, grace * 1000)));
      await Promise.race([over, new Promise((resolve) => this.idleWaiters.push(resolve))]);
      clearTimeout(timer);
    }
    return this.inFlight;
  }
}
