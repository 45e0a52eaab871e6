// One lane per resource: who asks for it waits until everybody before has left.
//
// The core has one Postcommit in flight per resource, but a call that it gave up may
// still run here when the next one comes.

export class Lanes {
  constructor() {
    this.last = new Map();
  }

  // Run `work` once everything before it on the same lane has ended.
  async run(lane, work) {
    const before = this.last.get(lane) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.last.set(lane, mine);
    try {
      return await mine;
    } finally {
      if (this.last.get(lane) === mine) this.last.delete(lane);
    }
  }
}
