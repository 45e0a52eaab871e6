// The vendor's attribute: the queue that a port's frames take through the fabric.
//
// The API shows it as "<driver>:queue". The core checks values against the schema
// below, also while this process is down, so what arrives here has the right type;
// what only this driver can judge, it judges in precommit.

import { createHash } from 'node:crypto';
import { Rejected } from './errors.js';

const QUEUE = {
  kind: 'RESOURCE_KIND_PORT',
  name: 'queue',
  version: 1,
  jsonSchema: Buffer.from(JSON.stringify({ type: 'integer', minimum: 0, maximum: 7 })),
  mutable: true,
  sensitivePaths: [],
  readOnly: false,
  operatorOnly: false,
};

export const SCHEMAS = [QUEUE];

// Changes if and only if a schema does.
export const DIGEST = createHash('sha256')
  .update(JSON.stringify(SCHEMAS.map((schema) => ({ ...schema, jsonSchema: schema.jsonSchema.toString() }))))
  .digest();

// Refuse a port that wants the queue of the fabric's own control frames.
export function judgeQueue(driverName, attributes) {
  const value = attributes[QUEUE.name];
  if (value !== undefined && JSON.parse(value.toString()) === 7) {
    throw new Rejected('QUEUE_RESERVED', 'queue 7 is reserved for control frames', `${driverName}:${QUEUE.name}`);
  }
}
