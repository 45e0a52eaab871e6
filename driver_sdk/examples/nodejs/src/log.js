// Logs: one JSON object per line on standard error, secrets masked.
//
// A field that may hold a secret carries the option (jackfield.driver.v1.sensitive)
// in the proto files. proto-loader drops options that it does not know, so they are
// read with protobufjs, which proto-loader itself is built on. `masked` walks a
// message along its descriptor: a field that is added to the contract tomorrow is
// masked without a change here.

import { join } from 'node:path';
import protobuf from 'protobufjs';
import { CONTRACT_FILES, CONTRACT_PROTOS } from './contract.js';

const SENSITIVE = '(jackfield.driver.v1.sensitive)';
const LEVELS = ['debug', 'info', 'warning', 'error'];

const root = new protobuf.Root();
// The definition of options themselves is of no use here, and protobufjs brings no file of it.
root.resolvePath = (_, file) => (file.endsWith('descriptor.proto') ? null : join(CONTRACT_PROTOS, file));
root.loadSync(CONTRACT_FILES);

let threshold = LEVELS.indexOf('info');

// Log nothing below this level from now on.
export function setLevel(level) {
  if (!LEVELS.includes(level)) throw new Error(`log level ${level} is none of ${LEVELS.join(', ')}`);
  threshold = LEVELS.indexOf(level);
}

function write(level, event, fields) {
  if (LEVELS.indexOf(level) < threshold) return;
  process.stderr.write(`${JSON.stringify({ timestamp: new Date().toISOString(), level, event, ...fields })}\n`);
}

export const log = {
  debug: (event, fields) => write('debug', event, fields),
  info: (event, fields) => write('info', event, fields),
  error: (event, fields) => write('error', event, fields),
  // Whether it is worth preparing fields for a debug line.
  get debugs() {
    return threshold === 0;
  },
};

// Return a copy of a message, of the type with this full name, that may be logged.
export function masked(typeName, message) {
  return maskedBy(root.lookupType(typeName), message);
}

function maskedBy(type, message) {
  const copy = {};
  for (const field of type.fieldsArray) {
    const value = message[field.name];
    if (value === undefined || value === null) continue;
    copy[field.name] = field.options?.[SENSITIVE] ? '***' : maskedField(field.resolve(), value);
  }
  return copy;
}

function maskedField(field, value) {
  if (Array.isArray(value)) return value.map((item) => maskedField(field, item));
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (field.map || !(field.resolvedType instanceof protobuf.Type)) return value;
  return maskedBy(field.resolvedType, value);
}
